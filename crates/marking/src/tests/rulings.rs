//! Rulings of authorities, and published periods that are put right.

use super::*;

pub(super) const HOUR: i64 = 60 * MINUTE;
const START: &str = "2026-03-02T08:00:00+08:00";

pub(super) struct Station {
    pub(super) player: Player,
    pub(super) revisions: Vec<Revision>,
    /// Whether the test speaks of particulates itself; else good ones are said beside every hour, as exemptions need them.
    pub(super) dusty: bool,
}

pub(super) fn start() -> i64 {
    super::super::calendar::read(START).unwrap().0
}

impl Station {
    pub(super) fn new(rules: &str) -> Station {
        let player = Player::new(&book(), &rig(rules), "2017", "air");
        Station { player, revisions: Vec::new(), dusty: false }
    }

    /// The mean of a period that began `hours` after 08:00, five minutes after its end; sampled values are no part of this.
    fn period(&mut self, kind: Kind, hours: i64, long: i64, values: &[(&str, &str, &str)]) {
        let data = start() + hours * HOUR;
        self.player.restore();
        self.dusty |= values.iter().any(|(code, ..)| *code == "a34013");
        let dust = [("a34013", "5", "N")];
        let values: Vec<_> = values.iter().chain(dust.iter().filter(|_| !self.dusty)).copied().collect();
        let readings: Vec<Reading<'_>> = values
            .iter()
            .map(|(code, text, flag)| Reading {
                code,
                text,
                judged: None,
                none: false,
                doubtful: false,
                flag: Some(flag),
            })
            .collect();
        self.player.now = self.player.now.max(data + long + 5 * MINUTE);
        let at = Timestamp(self.player.now);
        let mut out = MarkVerdict::default();
        let seen = Observation { at, data: Some(Timestamp(data)), kind, readings: &readings };
        self.player.marks.observe(&self.player.plan, &seen, &mut out);
        let own = values.iter().filter(|(code, ..)| self.dusty || *code != "a34013");
        self.player.judged.extend(own.map(|(code, ..)| (*code).to_owned()).zip(out.readings));
        self.take(out.happenings, out.revisions);
    }

    pub(super) fn hour(&mut self, hours: i64, values: &[(&str, &str, &str)]) {
        self.period(Kind::Hour, hours, HOUR, values);
    }

    fn minute(&mut self, minutes: i64, flag: &str) {
        let data = start() + minutes * MINUTE;
        let readings =
            [Reading { code: "a21026", text: "50.0", judged: None, none: false, doubtful: false, flag: Some(flag) }];
        self.player.now = self.player.now.max(data + MINUTE);
        let seen = Observation {
            at: Timestamp(self.player.now),
            data: Some(Timestamp(data)),
            kind: Kind::Minute,
            readings: &readings,
        };
        let mut out = MarkVerdict::default();
        self.player.marks.observe(&self.player.plan, &seen, &mut out);
        self.take(out.happenings, out.revisions);
    }

    fn take(&mut self, happenings: Vec<Happening>, revisions: Vec<Revision>) {
        self.player.happenings.extend(happenings);
        self.revisions.extend(revisions);
    }

    pub(super) fn entry(
        &mut self,
        id: &str,
        mark: &str,
        (from, to): (i64, Option<i64>),
        more: &[(&str, &str)],
    ) -> Answer {
        let at = |hours: i64| Timestamp(start() + hours * HOUR).to_rfc3339();
        let mut text = serde_json::json!({ "schema": "hj212.mark-entry/1", "id": id, "mark": mark, "object": "furnace-1",
            "begin": at(from), "end": to.map(at), "reason": "log book", "proof": "p", "author": "Wang" });
        more.iter().for_each(|(key, value)| text[*key] = (*value).into());
        self.player.restore();
        let mut out = MarkVerdict::default();
        let now = Timestamp(self.player.now);
        let code = |code: &str| Some(code.to_owned());
        let answer =
            self.player.marks.enter(&self.player.plan, now, (id, text.to_string().as_bytes()), &code, &mut out);
        self.take(out.happenings, out.revisions);
        answer
    }

    pub(super) fn rule(
        &mut self,
        id: &str,
        role: &str,
        about: &str,
        ruling: &str,
        within: Option<(i64, i64)>,
    ) -> Answer {
        let at = |hours: i64| Timestamp(start() + hours * HOUR).to_rfc3339();
        let mut text = serde_json::json!({ "schema": "hj212.mark-ruling/1", "id": id, "about": about, "ruling": ruling,
            "reason": "DCS 显示仍在投料", "author": "pa-3401-118", "decision": "皖环〔2026〕7 号" });
        if let Some((from, to)) = within {
            (text["from"], text["to"]) = (at(from).into(), at(to).into());
        }
        self.player.restore();
        let mut out = MarkVerdict::default();
        let now = Timestamp(self.player.now);
        let answer = self.player.marks.rule(&self.player.plan, now, (role, id, text.to_string().as_bytes()), &mut out);
        self.take(out.happenings, out.revisions);
        answer
    }

    /// What was put right since this was last asked: the hour after 08:00, the code, what it was and what it is.
    pub(super) fn righted(&mut self) -> Vec<(i64, String, Option<Validity>, Option<Validity>)> {
        let all = std::mem::take(&mut self.revisions);
        let dusty = self.dusty;
        all.iter()
            .filter(|revision| revision.kind == Kind::Hour)
            .flat_map(|revision| {
                let hour = (revision.data_time.0 - start()) / HOUR;
                revision.readings.iter().map(move |r| (hour, r.code.clone(), r.was, r.is))
            })
            .filter(|(_, code, ..)| dusty || code != "a34013")
            .collect()
    }

    pub(super) fn told(&self, kind: &str) -> usize {
        self.player.happenings.iter().filter(|happening| happening.kind == kind).count()
    }
}

const GOOD: (Option<Validity>, Option<Validity>) = (Some(Validity::Valid), Some(Validity::Exempt));

fn so2(
    hour: i64,
    (was, is): (Option<Validity>, Option<Validity>),
) -> (i64, String, Option<Validity>, Option<Validity>) {
    (hour, "a21026".to_owned(), was, is)
}

fn both(rules: &str, check: impl Fn(&mut Station)) {
    for restored in [false, true] {
        let mut station = Station::new(rules);
        station.player.restored = restored;
        check(&mut station);
    }
}

/// Six hours of 400 against a limit of 100, and a fault that is entered afterwards for two of them.
fn fault(station: &mut Station) {
    (0..6).for_each(|hour| station.hour(hour, &[("a21026", "400", "N")]));
    assert_eq!(station.entry("E1", "inc19:fault", (1, Some(3)), &[]).refused, None);
}

#[test]
fn an_entry_puts_right_the_hours_that_were_published_before_it() {
    both("inc19", |station| {
        fault(station);
        assert_eq!(station.righted(), [so2(1, GOOD), so2(2, GOOD)]);
        station.player.by_hand("inc19:burn-in", "furnace-1", HOUR, "of no hour that was published");
        assert!(station.righted().is_empty());
        station.entry("E2", "inc19:fault", (1, Some(3)), &[("withdraws", "E1")]);
        assert_eq!(station.righted(), [so2(1, (GOOD.1, GOOD.0)), so2(2, (GOOD.1, GOOD.0))]);
    });
}

#[test]
fn a_part_of_an_hour_changes_nothing_that_was_said_of_it() {
    both("inc19", |station| {
        (0..3).for_each(|hour| station.hour(hour, &[("a21026", "400", "N")]));
        let text = serde_json::json!({ "schema": "hj212.mark-entry/1", "id": "E1", "mark": "inc19:fault", "object": "furnace-1",
            "begin": "2026-03-02T09:10:00+08:00", "end": "2026-03-02T09:50:00+08:00", "reason": "r", "proof": "p", "author": "a" });
        station.player.enter(&text.to_string());
        assert!(station.righted().is_empty(), "forty minutes are less than three quarters");
    });
}

#[test]
fn annulled_never_had_effect_and_cannot_be_entered_again() {
    both("inc19", |station| {
        fault(station);
        station.righted();
        // Days later, past every deadline of the discharger.
        station.player.quiet(3 * 24 * HOUR);
        assert_eq!(station.rule("R1", "county", "E1", "annul", None).refused, None);
        assert_eq!(station.righted(), [so2(1, (GOOD.1, GOOD.0)), so2(2, (GOOD.1, GOOD.0))]);
        assert_eq!(station.told("mark-ruled"), 1);
        let used: i64 = station.player.marks.used().map(|(.., used)| used).sum();
        assert_eq!(used, 0, "what it used is given back");
        let code = |answer: Answer| answer.refused.map(|(code, ..)| code);
        assert_eq!(code(station.entry("E2", "inc19:fault", (1, Some(3)), &[("withdraws", "E1")])), Some("ruled"));
        assert_eq!(code(station.entry("E3", "inc19:fault", (1, Some(3)), &[("supersedes", "E1")])), Some("ruled"));
        // Under another name, in time.
        let mark = station.player.marks.ended().find(|mark| mark.by == "E1").unwrap();
        assert_eq!(mark.standing, Standing::Annulled);
        let words = explain(&book(), mark);
        assert!(words.zh.contains("县(区)级裁定「撤销」") && words.zh.contains("皖环〔2026〕7 号"), "{}", words.zh);
    });
}

#[test]
fn what_was_annulled_waits_for_a_ruling_when_it_is_entered_again() {
    both("inc19", |station| {
        fault(station);
        assert_eq!(station.rule("R1", "city", "E1", "annul", None).refused, None);
        station.righted();
        assert_eq!(station.entry("E2", "inc19:accident", (2, Some(4)), &[]).refused, None);
        assert_eq!(station.righted(), [so2(3, GOOD)], "what lies over the annulled one waits");
        assert_eq!(station.entry("E3", "inc19:accident", (1, Some(3)), &[]).refused, None);
        assert!(station.righted().is_empty(), "all of it waits");
        let waits = station.player.marks.ended().find(|mark| mark.by == "E3").unwrap();
        assert_eq!(waits.standing, Standing::Waiting);
        assert_eq!(station.rule("R2", "county", "E2", "accept", None).refused, None);
        assert_eq!(station.righted(), [so2(2, GOOD)]);
    });
}

#[test]
fn doubt_leaves_it_to_people_limit_cuts_it_and_restore_takes_both_back() {
    both("inc19", |station| {
        fault(station);
        station.righted();
        let doubted = Some(Validity::Conditional);
        assert_eq!(station.rule("R1", "county", "E1", "doubt", None).refused, None);
        assert_eq!(station.righted(), [so2(1, (GOOD.1, doubted)), so2(2, (GOOD.1, doubted))]);
        assert_eq!(station.rule("R2", "city", "E1", "limit", Some((2, 3))).refused, None);
        assert_eq!(station.righted(), [so2(1, (doubted, GOOD.0)), so2(2, (doubted, GOOD.1))]);
        let used: i64 = station.player.marks.used().map(|(.., used)| used).max().unwrap();
        assert_eq!(used, HOUR, "an hour of it stands");
        let refused = station.rule("R3", "county", "E1", "accept", None).refused.map(|(code, ..)| code);
        assert_eq!(refused, Some("higher-role"));
        assert_eq!(station.rule("R4", "province", "E1", "restore", None).refused, None);
        assert_eq!(station.righted(), [so2(1, GOOD)]);
        assert_eq!(station.told("mark-ruled"), 3, "a refused one is none");
    });
}

#[test]
fn nobody_undoes_a_ruling_about_his_own_entry() {
    for (ruling, within) in [("annul", None), ("doubt", None), ("limit", Some((1, 2)))] {
        both("inc19,dev22", |station| {
            fault(station);
            assert_eq!(station.rule("R1", "county", "E1", ruling, within).refused, None);
            let code = |answer: Answer| answer.refused.map(|(code, ..)| code);
            assert_eq!(code(station.entry("W", "inc19:fault", (1, Some(3)), &[("withdraws", "E1")])), Some("ruled"));
            station.righted();
            for (id, mark, object) in
                [("A", "inc19:off", "furnace-1"), ("B", "dev22:maint", "a21026"), ("C", "inc19:cems", "outlet")]
            {
                assert_eq!(station.entry(id, mark, (1, Some(3)), &[("object", object)]).refused, None, "{mark}");
                let waits = station.player.marks.ended().find(|mark| mark.by == id).unwrap();
                assert_eq!(waits.standing, Standing::Waiting, "{ruling}, then {mark}");
            }
            assert!(station.righted().is_empty());
            // Elsewhere in time it is an entry like any other.
            assert_eq!(station.entry("D", "inc19:fault", (4, Some(5)), &[]).refused, None);
            assert_eq!(station.righted(), [so2(4, GOOD)]);
        });
    }
}

#[test]
fn a_ruled_entry_is_not_pushed_out_by_its_author_and_what_would_be_forgotten_at_once_is_refused() {
    let mut station = Station::new("inc19,dev22");
    (0..6).for_each(|hour| station.hour(hour, &[("a21026", "400", "N")]));
    assert_eq!(station.entry("E1", "inc19:fault", (1, Some(3)), &[]).refused, None);
    assert_eq!(station.rule("R1", "county", "E1", "annul", None).refused, None);
    let mut refused = 0;
    for number in 0..ENTRIES_ENDED_MAX + 20 {
        let code = station.entry(&format!("n{number}"), "dev22:maint", (4, Some(5)), &[("object", "a34013")]).refused;
        refused += usize::from(code.is_some());
    }
    assert_eq!(refused, 0, "they are as new as each other");
    assert!(station.player.marks.ended().any(|mark| mark.by == "E1"), "the annulled one is remembered");
    let early = station.entry("early", "dev22:maint", (0, Some(1)), &[("object", "a34013")]).refused;
    assert_eq!(early.map(|(code, ..)| code), Some("too-many"));
}

#[test]
fn a_report_from_the_future_drives_nothing() {
    let mut station = Station::new("h17");
    let readings =
        [Reading { code: "a21026", text: "50.0", judged: None, none: false, doubtful: false, flag: Some("N") }];
    let mut out = MarkVerdict::default();
    for ahead in [HOUR, 3 * HOUR, 10 * 365 * 24 * HOUR] {
        for kind in [Kind::Realtime, Kind::Minute, Kind::Hour] {
            let at = Timestamp(start() + 20 * HOUR);
            let seen = Observation { at, data: Some(Timestamp(at.0 + ahead)), kind, readings: &readings };
            station.player.marks.observe(&station.player.plan, &seen, &mut out);
        }
    }
    for hour in 0..2 {
        (0..60).for_each(|minute| station.minute(hour * 60 + minute, "D"));
        station.hour(hour, &[("a21026", "50", "N")]);
        let (_, judged) = station.player.judged.last().unwrap();
        assert_eq!(judged.validity, Some(Validity::Invalid), "hour {hour}: sixty minutes of D");
    }
}

#[test]
fn a_ruling_about_nothing_is_refused() {
    both("inc19", |station| {
        fault(station);
        let code = |answer: Answer| answer.refused.map(|(code, ..)| code);
        assert_eq!(code(station.rule("R1", "city", "E9", "annul", None)), Some("unknown-entry"));
        station.entry("E2", "inc19:fault", (1, Some(3)), &[("withdraws", "E1")]);
        assert_eq!(code(station.rule("R2", "city", "E1", "annul", None)), Some("no-effect"));
        let before = station.player.marks.clone();
        assert_eq!(code(station.rule("R3", "village", "E2", "annul", None)), Some("role"));
        assert_eq!(station.player.marks, before);
    });
}

#[test]
fn particulates_above_150_keep_an_hour_from_being_exempted_afterwards() {
    both("inc19", |station| {
        for (hour, dust) in [(0, "20"), (1, "400"), (2, "120")] {
            station.hour(hour, &[("a21026", "400", "N"), ("a34013", dust, "N")]);
        }
        station.entry("E1", "inc19:start", (0, Some(3)), &[]);
        let righted = station.righted();
        let dust: Vec<_> =
            righted.iter().filter(|(_, code, ..)| code == "a34013").map(|(hour, .., is)| (*hour, *is)).collect();
        assert_eq!(dust, [(0, GOOD.1), (2, GOOD.1)], "GB 18485-2014, 8.2: not the hour of 400: {righted:?}");
    });
}

#[test]
fn minutes_that_come_late_put_right_the_hour_that_they_belong_to() {
    let mut station = Station::new("h17");
    // Two hours of minutes, so that it is known how many are due; then one with twenty missing.
    for hour in 0..3 {
        let missing = if hour == 2 { 20 } else { 0 };
        (0..60 - missing).for_each(|minute| station.minute(hour * 60 + minute, "N"));
        station.hour(hour, &[("a21026", "50", "N")]);
    }
    assert!(station.righted().is_empty());
    (40..60).for_each(|minute| station.minute(120 + minute, "N"));
    assert_eq!(
        station.righted(),
        [so2(2, (Some(Validity::Invalid), Some(Validity::Valid)))],
        "with the 45th minute, once"
    );
    assert_eq!(station.revisions, []);
    // One minute that is put right changes nothing; so many do.
    (0..16).for_each(|minute| station.minute(60 + minute, "D"));
    assert_eq!(station.righted(), [so2(1, (Some(Validity::Valid), Some(Validity::Invalid)))]);
}

#[test]
fn an_entry_that_is_annulled_before_its_time_never_begins() {
    for restored in [false, true] {
        let mut station = Station::new("inc19");
        station.player.restored = restored;
        station.hour(0, &[("a21026", "30", "N")]);
        assert_eq!(station.entry("e1", "inc19:fault", (3, Some(6)), &[]).refused, None);
        station.rule("r1", "city", "e1", "annul", None);
        station.player.quiet(8 * HOUR);
        let told = |station: &Station, kind: &str| {
            let of_it = |h: &&Happening| h.kind == kind && h.mark.as_ref().is_some_and(|mark| mark.by == "e1");
            station.player.happenings.iter().filter(of_it).count()
        };
        let of_it = |station: &Station| (told(station, "mark-begin"), told(station, "mark-end"));
        assert_eq!((of_it(&station), told(&station, "mark-ruled")), ((0, 0), 1));
        // Restored within its time it begins then, from its own begin on.
        let mut station = Station::new("inc19");
        station.player.restored = restored;
        station.hour(0, &[("a21026", "30", "N")]);
        station.entry("e1", "inc19:fault", (3, Some(6)), &[]);
        station.rule("r1", "city", "e1", "annul", None);
        station.player.quiet(4 * HOUR);
        assert_eq!(of_it(&station), (0, 0));
        station.rule("r2", "city", "e1", "restore", None);
        station.player.quiet(4 * HOUR);
        assert_eq!(of_it(&station), (1, 1));
        let began =
            station.player.happenings.iter().find(|h| h.kind == "mark-begin" && h.mark.as_ref().unwrap().by == "e1");
        let began = began.unwrap();
        assert_eq!(began.at.0, start() + 3 * HOUR);
    }
}

#[test]
fn an_author_can_end_what_was_doubted_limited_or_annulled_and_nothing_else() {
    for (ruling, within) in [("doubt", None), ("limit", Some((1, 9))), ("annul", None)] {
        let mut station = Station::new("inc19");
        for n in 0..4 {
            station.hour(n, &[("a21026", "400", "N")]);
        }
        assert_eq!(station.entry("e1", "inc19:fault", (0, None), &[]).refused, None);
        assert_eq!(station.rule("r1", "city", "e1", ruling, within).refused, None);
        station.righted();
        let code = |answer: Answer| answer.refused.map(|(code, ..)| code);
        let gone = [("supersedes", "e1")];
        // Not longer, not elsewhere, not away: that would undo what was ruled.
        assert_eq!(code(station.entry("x1", "inc19:fault", (1, Some(3)), &gone)), Some("ruled"), "{ruling}");
        assert_eq!(code(station.entry("x2", "inc19:start", (0, Some(3)), &gone)), Some("ruled"), "{ruling}");
        assert_eq!(code(station.entry("x3", "inc19:fault", (0, None), &gone)), Some("ruled"), "{ruling}");
        let withdraws = station.entry("x4", "", (0, None), &[("withdraws", "e1"), ("begin", ""), ("object", "")]);
        assert_eq!(code(withdraws), Some("ruled"), "{ruling}");
        // But that it is over.
        let ended = station.entry("e2", "inc19:fault", (0, Some(3)), &gone);
        assert_eq!((ended.refused, ended.late), (None, false), "{ruling}");
        assert_eq!(ended.marks[0].until.map(|until| until.0), Some(start() + 3 * HOUR));
        let mark = station.player.marks.ended().find(|mark| mark.by == "e1").cloned().unwrap();
        assert_eq!(mark.until.map(|until| until.0), Some(start() + 3 * HOUR), "{ruling}");
        assert_eq!(mark.ruled.as_ref().map(|ruled| ruled.id.as_str()), Some("r1"), "the ruling holds for what is left");
        assert!(!station.player.marks.held().any(|mark| mark.by == "e1"));
        let hours: Vec<i64> = station.righted().into_iter().map(|(hour, ..)| hour).collect();
        assert_eq!(hours, if ruling == "annul" { vec![] } else { vec![3] }, "{ruling}: what lies after its end");
        // It has ended: neither later nor earlier any more. The same again does nothing; the authority can still take the ruling back.
        assert_eq!(code(station.entry("e3", "inc19:fault", (0, Some(4)), &gone)), Some("ruled"));
        assert_eq!(code(station.entry("e4", "inc19:fault", (0, Some(2)), &gone)), Some("ruled"));
        assert_eq!(code(station.entry("e2", "inc19:fault", (0, Some(3)), &gone)), None);
        assert_eq!(station.rule("r2", "city", "e1", "restore", None).refused, None, "{ruling}");
        let mark = station.player.marks.ended().find(|mark| mark.by == "e1").unwrap();
        assert_eq!(
            (mark.until.map(|until| until.0), mark.effect()),
            (Some(start() + 3 * HOUR), Some(Validity::Exempt))
        );
    }
}

#[test]
fn what_a_doubted_entry_did_in_closed_days_stays_when_its_author_ends_it() {
    let mut station = Station::new("inc19");
    station.hour(0, &[("a21026", "400", "N")]);
    station.entry("e1", "inc19:fault", (0, None), &[]);
    station.rule("r1", "city", "e1", "doubt", None);
    // After noon of the second day: the first day is closed.
    station.player.now = start() + 30 * HOUR;
    let ended = station.entry("e2", "inc19:fault", (0, Some(2)), &[("supersedes", "e1")]);
    assert_eq!((ended.refused, ended.late), (None, true));
    assert_eq!(ended.marks[0].until.map(|until| until.0), Some(start() + 16 * HOUR), "the end of the closed day");
    // An entry that was annulled has no effect in closed days that could stay.
    let mut station = Station::new("inc19");
    station.entry("e1", "inc19:fault", (0, None), &[]);
    station.rule("r1", "city", "e1", "annul", None);
    station.player.now = start() + 30 * HOUR;
    let ended = station.entry("e2", "inc19:fault", (0, Some(2)), &[("supersedes", "e1")]);
    assert_eq!((ended.late, ended.marks[0].until.map(|until| until.0)), (false, Some(start() + 2 * HOUR)));
}

#[test]
fn a_reading_without_a_value_is_never_called_usable_whatever_is_ruled() {
    for (mark, ruling) in
        [("inc19:off", "annul"), ("inc19:off", "doubt"), ("inc19:fault", "annul"), ("inc19:fault", "doubt")]
    {
        let mut station = Station::new("inc19");
        // A furnace that stood for twenty minutes of an hour: the mean is short by what is excluded, and people must rule.
        for minute in 0..60 {
            station.minute(minute, "N");
        }
        let at = |minutes: i64| Timestamp(start() + minutes * MINUTE).to_rfc3339();
        let (begin, end) = (at(0), at(20));
        station.entry("e1", mark, (0, None), &[("begin", &begin), ("end", &end)]);
        let readings = [
            Reading { code: "a21026", text: "", judged: None, none: true, doubtful: false, flag: Some("N") },
            Reading { code: "a34013", text: "5", judged: None, none: false, doubtful: false, flag: Some("N") },
        ];
        station.player.now = start() + HOUR + MINUTE;
        let seen = Observation {
            at: Timestamp(station.player.now),
            data: Some(Timestamp(start())),
            kind: Kind::Hour,
            readings: &readings,
        };
        let mut out = MarkVerdict::default();
        station.player.marks.observe(&station.player.plan, &seen, &mut out);
        let usable = |validity: Option<Validity>| validity.is_some_and(Validity::is_usable);
        assert!(!usable(out.readings[0].validity), "{mark}: {:?}", out.readings[0]);
        let mut all = out.revisions;
        station.rule("r1", "city", "e1", ruling, None);
        station.rule("r2", "province", "e1", "accept", None);
        station.rule("r3", "province", "e1", "restore", None);
        all.append(&mut station.revisions);
        let of_hour = all.iter().filter(|revision| revision.kind == Kind::Hour).flat_map(|r| &r.readings);
        for reading in of_hour.filter(|reading| reading.code == "a21026") {
            assert!(!usable(reading.was) && !usable(reading.is), "{mark} {ruling}: {reading:?}");
        }
        let plan = &station.player.plan;
        let now = station.player.marks.worth_now(plan, "a21026", Kind::Hour, Timestamp(start()), Some(Validity::Valid));
        assert!(!usable(now), "{mark} {ruling}: {now:?}");
    }
}

#[test]
fn a_stop_that_waits_for_the_other_furnace_is_not_effective() {
    let mut facts = rig("inc19");
    facts.facilities = ["furnace-1", "furnace-2"].map(|name| facility(name, "furnace", "temp=t")).into();
    let mut player = Player::new(&book(), &facts, "2017", "air");
    let effective = |player: &Player| -> Vec<(String, bool)> {
        let of = |mark: &Mark| (mark.object.clone(), player.marks.is_effective(&player.plan, mark));
        player.marks.held().filter(|mark| mark.said.is_some()).map(of).collect()
    };
    player.by_hand("inc19:off", "furnace-1", 5 * HOUR, "stopped");
    player.steps("x3 a21026=5/N", "", "");
    assert_eq!(effective(&player), [("furnace-1".to_owned(), false)]);
    player.by_hand("inc19:off", "furnace-2", 2 * HOUR, "stopped");
    player.steps("a21026=5/N", "", "");
    assert_eq!(effective(&player), [("furnace-1".to_owned(), true), ("furnace-2".to_owned(), true)]);
    player.steps("x150 a21026=5/N", "", "");
    assert_eq!(effective(&player), [("furnace-1".to_owned(), false)], "the other burns again");
    // What a furnace emits alone is its own.
    facts.facilities[0].factors = vec!["a21026".into(), "a21002".into()];
    facts.facilities[1].factors = vec!["a21026".into()];
    let mut player = Player::new(&book(), &facts, "2017", "air");
    player.by_hand("inc19:off", "furnace-1", 5 * HOUR, "stopped");
    player.steps("x3 a21026=5/N", "", "");
    assert_eq!(effective(&player), [("furnace-1".to_owned(), false)], "only what both emit was heard");
    player.steps("x3 a21026=5/N a21002=5/N", "", "");
    assert_eq!(effective(&player), [("furnace-1".to_owned(), true)]);
}

#[test]
fn an_author_frees_no_time_by_ending_what_was_ruled() {
    let waits = |station: &Station, id: &str| {
        let mut marks = station.player.marks.ended().chain(station.player.marks.held());
        marks.find(|mark| mark.by == id).map(|mark| mark.standing == Standing::Waiting)
    };
    let end = ("supersedes", "e1");
    for (ruling, within) in [("annul", None), ("doubt", None), ("limit", Some((0, 1)))] {
        both("inc19", |station| {
            (0..9).for_each(|n| station.hour(n, &[("a21026", "400", "N")]));
            // It is 17:05. Open since 08:00, ruled, then ended long before.
            station.entry("e1", "inc19:off", (0, None), &[]);
            assert_eq!(station.rule("r1", "county", "e1", ruling, within).refused, None);
            assert_eq!(station.entry("e2", "inc19:off", (0, Some(1)), &[end]).refused, None);
            station.entry("n1", "inc19:fault", (2, Some(6)), &[]);
            assert_eq!(waits(station, "n1"), Some(true), "{ruling}: it was open until it was ended");
            station.entry("n2", "inc19:fault", (10, Some(11)), &[]);
            assert_eq!(waits(station, "n2"), Some(false), "{ruling}: after that it is over");
        });
        both("inc19", |station| {
            station.hour(0, &[("a21026", "400", "N")]);
            // Of a time to come, with an end; ruled about before its begin, then shortened.
            station.entry("e1", "inc19:off", (3, Some(9)), &[]);
            let within = within.map(|_| (3, 4));
            assert_eq!(station.rule("r1", "county", "e1", ruling, within).refused, None);
            assert_eq!(station.entry("e2", "inc19:off", (3, Some(5)), &[end]).refused, None);
            assert_eq!(station.entry("e3", "inc19:off", (3, Some(4)), &[end]).refused, None, "still to come");
            station.entry("n1", "inc19:fault", (6, Some(8)), &[]);
            assert_eq!(waits(station, "n1"), Some(true), "{ruling}");
            station.entry("n2", "inc19:fault", (9, Some(10)), &[]);
            assert_eq!(waits(station, "n2"), Some(false), "{ruling}");
        });
    }
}

#[test]
fn only_its_author_ends_a_ruled_entry_and_the_ending_cannot_be_taken_back() {
    both("inc19", |station| {
        (0..4).for_each(|n| station.hour(n, &[("a21026", "400", "N")]));
        station.entry("e1", "inc19:fault", (0, None), &[]);
        station.rule("r1", "county", "e1", "annul", None);
        let code = |answer: Answer| answer.refused.map(|(code, ..)| code);
        let gone = ("supersedes", "e1");
        assert_eq!(code(station.entry("x", "inc19:fault", (0, Some(3)), &[gone, ("author", "Li")])), Some("ruled"));
        assert_eq!(code(station.entry("e2", "inc19:fault", (0, Some(3)), &[gone])), None);
        for (id, key) in [("x1", "supersedes"), ("x2", "withdraws")] {
            assert_eq!(code(station.entry(id, "inc19:fault", (0, Some(2)), &[(key, "e2")])), Some("ruled"), "{key}");
        }
        // Restored, the entry itself is the one to correct.
        station.rule("r2", "county", "e1", "restore", None);
        assert_eq!(code(station.entry("x3", "inc19:fault", (0, Some(2)), &[("withdraws", "e2")])), Some("no-effect"));
        assert_eq!(code(station.entry("x4", "inc19:fault", (0, Some(2)), &[gone])), None);
    });
}

#[test]
fn nobody_regains_what_was_annulled_through_what_it_rests_on() {
    let standing = |player: &Player, id: &str| {
        player.marks.ended().chain(player.marks.held()).find(|mark| mark.by == id).map(|mark| mark.standing)
    };
    both("inc19,dev22", |station| {
        let hour = [("a21026", "400", "N"), ("a19001", "9", "N")];
        (0..6).for_each(|n| station.hour(n, &hour));
        station.entry("e1", "inc19:fault", (1, Some(3)), &[]);
        assert_eq!(station.rule("r1", "county", "e1", "annul", None).refused, None);
        for (id, mark) in [("o1", "dev22:maint"), ("o2", "h17:D")] {
            assert_eq!(station.entry(id, mark, (1, Some(3)), &[("object", "a19001")]).refused, None);
            assert_eq!(
                standing(&station.player, id),
                Some(Standing::Waiting),
                "{mark}: oxygen under what was annulled"
            );
        }
        // At another time oxygen is maintained like any instrument.
        station.entry("o3", "dev22:maint", (4, Some(5)), &[("object", "a19001")]);
        assert_eq!(standing(&station.player, "o3"), Some(Standing::Entered));
        // And the other way round: what was annulled on oxygen is not entered on what rests on it.
        station.entry("o4", "dev22:maint", (5, Some(6)), &[("object", "a19001")]);
        station.rule("r2", "county", "o4", "annul", None);
        station.entry("s1", "dev22:maint", (5, Some(6)), &[("object", "a21026")]);
        assert_eq!(standing(&station.player, "s1"), Some(Standing::Waiting));
    });
    let mut station = Station::new("dev22");
    station.player = Player::new(&book(), &rig("dev22"), "2017", "water");
    station.dusty = true;
    (0..4).for_each(|n| station.hour(n, &[("w01018", "30", "N"), ("w00000", "5", "N")]));
    station.entry("e1", "dev22:maint", (1, Some(2)), &[("object", "w01018")]);
    assert_eq!(station.rule("r1", "county", "e1", "annul", None).refused, None);
    assert_eq!(station.entry("f1", "dev22:flowbad", (1, Some(2)), &[("object", "outlet")]).refused, None);
    assert_eq!(standing(&station.player, "f1"), Some(Standing::Waiting), "flow under what was annulled");
}

#[test]
fn a_reading_without_value_and_flag_comes_back_to_what_was_published() {
    let mut station = Station::new("inc19");
    let readings = [Reading { code: "a21026", text: "", judged: None, none: true, doubtful: false, flag: None }];
    station.player.now = start() + HOUR + MINUTE;
    let (at, data) = (Timestamp(station.player.now), Some(Timestamp(start())));
    let mut out = MarkVerdict::default();
    let seen = Observation { at, data, kind: Kind::Hour, readings: &readings };
    station.player.marks.observe(&station.player.plan, &seen, &mut out);
    assert_eq!(
        out.readings[0].validity, None,
        "nothing but its absence is known, and what has no value is published as not valid"
    );
    station.entry("e1", "inc19:off", (0, Some(1)), &[]);
    station.rule("r1", "county", "e1", "annul", None);
    let told: Vec<_> = station
        .revisions
        .iter()
        .filter(|revision| revision.kind == Kind::Hour)
        .flat_map(|revision| &revision.readings)
        .map(|reading| (reading.valid(reading.was), reading.valid(reading.is)))
        .collect();
    assert_eq!(told, [(Some(false), Some(false)), (Some(false), Some(false))]);
}

#[test]
fn a_value_that_may_be_none_is_neither_valid_nor_not_before_an_entry_and_after_it_was_annulled() {
    let mut station = Station::new("dev22");
    let readings = [Reading { code: "a21026", text: "5", judged: None, none: false, doubtful: true, flag: Some("N") }];
    station.player.now = start() + HOUR + MINUTE;
    let (at, data) = (Timestamp(station.player.now), Some(Timestamp(start())));
    let mut out = MarkVerdict::default();
    let seen = Observation { at, data, kind: Kind::Hour, readings: &readings };
    station.player.marks.observe(&station.player.plan, &seen, &mut out);
    assert_eq!(out.readings[0].validity.map(Validity::is_usable), Some(true), "its flag says no more");
    station.entry("e1", "dev22:maint", (0, Some(1)), &[("object", "a21026")]);
    station.rule("r1", "county", "e1", "annul", None);
    let revisions = station.revisions.iter().filter(|revision| revision.kind == Kind::Hour);
    let told: Vec<_> = revisions
        .flat_map(|revision| &revision.readings)
        .map(|reading| (reading.valid(reading.was), reading.valid(reading.is)))
        .collect();
    assert_eq!(told, [(None, Some(false)), (Some(false), None)]);
}

#[test]
fn of_an_entry_over_ruled_time_the_overlap_alone_waits_and_the_answer_says_why() {
    for ruling in ["annul", "doubt"] {
        for restored in [false, true] {
            let mut station = Station::new("inc19");
            station.player.restored = restored;
            (0..8).for_each(|hours| station.hour(hours, &[("a21026", "50.0", "N")]));
            assert!(station.entry("s1", "inc19:off", (2, Some(4)), &[]).refused.is_none());
            assert!(station.rule("r1", "city", "s1", ruling, None).refused.is_none());
            station.revisions.clear();
            // From 1 to 6: two hours of it lie over what was ruled about.
            let answer = station.entry("s2", "inc19:fault", (1, Some(6)), &[]);
            let waits = &answer.made()[0]["waits"];
            assert_eq!(waits.as_array().map(Vec::len), Some(1), "{waits}");
            let said = &waits[0];
            assert_eq!((&said["entry"], &said["ruling"]), (&"s1".into(), &"r1".into()));
            let (from, until) = (said["from"].as_str().unwrap(), said["until"].as_str().unwrap());
            assert_eq!((&from[11..16], &until[11..16]), ("10:00", "12:00"));
            assert!(
                said["zh"].as_str().unwrap().contains("s1") && said["en"].as_str().unwrap().contains("accepted"),
                "{said}"
            );
            let mark = |station: &Station| station.player.marks.ended().find(|mark| mark.by == "s2").cloned().unwrap();
            assert_eq!(mark(&station).standing, Standing::Entered);
            let works = |station: &Station| -> Vec<i64> {
                (0..8).filter(|hour| mark(station).works_at(start() + hour * HOUR)).collect()
            };
            assert_eq!(works(&station), [1, 4, 5]);
            let used = |station: &Station| -> Vec<i64> {
                station
                    .player
                    .marks
                    .used()
                    .filter(|(limit, ..)| *limit == "inc19:shared-year")
                    .map(|(.., used)| used / HOUR)
                    .collect()
            };
            assert_eq!(used(&station), [3], "what waits uses nothing of a limit");
            let words = explain(&book(), &mark(&station));
            assert!(
                words.en.contains("lies over what was ruled about") && words.zh.contains("该时段须经裁定"),
                "{words:?}"
            );
            // Accepted it has effect over all of its time; restored the overlap waits again.
            assert!(station.rule("r2", "city", "s2", "accept", None).refused.is_none());
            assert_eq!(
                (works(&station), used(&station)),
                (vec![1, 2, 3, 4], vec![5]),
                "the fault's own limit of four hours"
            );
            assert!(station.rule("r3", "city", "s2", "restore", None).refused.is_none());
            assert_eq!((works(&station), used(&station)), (vec![1, 4, 5], vec![3]));
            // What lies within the ruled time waits as a whole.
            let within = station.entry("s3", "inc19:start", (2, Some(3)), &[]);
            let standing = station.player.marks.ended().find(|mark| mark.by == "s3").map(|mark| mark.standing);
            assert_eq!(standing, Some(Standing::Waiting));
            assert_eq!(within.made()[0]["waits"][0]["ruling"], "r1");
        }
    }
}

#[test]
fn an_entry_that_is_late_in_part_is_explained_day_by_day() {
    let mut station = Station::new("inc19");
    station.player.now = start() + 54 * HOUR;
    // Of the 2nd to the 4th: at 14:00 on the 4th the 2nd is closed and the 3rd, by noon of the 4th, too.
    assert!(station.entry("e1", "inc19:off", (2, Some(52)), &[]).late);
    let words = explain(&book(), station.player.marks.ended().find(|mark| mark.by == "e1").unwrap());
    assert!(words.zh.contains("不生效的日期：2026-03-02 至 2026-03-03；未截止的日期：2026-03-04"), "{}", words.zh);
    assert!(words.en.contains("without effect: 2026-03-02 to 2026-03-03; open: 2026-03-04"), "{}", words.en);
    let open = station.entry("e2", "inc19:off", (2, None), &[]);
    assert!(open.late);
    let words = explain(&book(), station.player.marks.held().find(|mark| mark.by == "e2").unwrap());
    assert!(words.en.contains("without effect: 2026-03-02 to 2026-03-03; open: 2026-03-04 on, then"), "{}", words.en);
}
