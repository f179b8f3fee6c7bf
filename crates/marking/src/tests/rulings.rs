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
            .map(|(code, text, flag)| Reading { code, text, judged: None, none: false, flag: Some(flag) })
            .collect();
        self.player.now = self.player.now.max(data + long + 5 * MINUTE);
        let at = Timestamp(self.player.now);
        let mut out = Verdict::default();
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
        let readings = [Reading { code: "a21026", text: "50.0", judged: None, none: false, flag: Some(flag) }];
        self.player.now = self.player.now.max(data + MINUTE);
        let seen = Observation {
            at: Timestamp(self.player.now),
            data: Some(Timestamp(data)),
            kind: Kind::Minute,
            readings: &readings,
        };
        let mut out = Verdict::default();
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
        let mut out = Verdict::default();
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
        let mut out = Verdict::default();
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
        assert!(station.righted().is_empty(), "it waits");
        let waits = station.player.marks.ended().find(|mark| mark.by == "E2").unwrap();
        assert_eq!(waits.standing, Standing::Waiting);
        assert_eq!(station.rule("R2", "county", "E2", "accept", None).refused, None);
        assert_eq!(station.righted(), [so2(2, GOOD), so2(3, GOOD)]);
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
    let readings = [Reading { code: "a21026", text: "50.0", judged: None, none: false, flag: Some("N") }];
    let mut out = Verdict::default();
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
