//! People and authorities who do everything at any time: entries in time and late, open and closed, superseded, withdrawn, ended; rulings of three
//! roles; data, and noons that pass. In CI a few, with `HJ212_LONG` set two thousand. What must hold after each step:
//! * the state is the same as one that went through its bytes before every step;
//! * what limits count is what a recount from the list of marks says, and where they take exemptions away follows from that;
//! * in the end, what consumers hold of each period is what is known, and what would be said of it again.

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::super::calendar;
use super::super::expr::{DAY, HOUR};
use super::super::spans::{Span, clipped, joined, together};
use super::*;

const MARKS: [(&str, &str); 8] = [
    ("inc19:fault", "furnace-1"),
    ("inc19:start", "furnace-1"),
    ("inc19:accident", "furnace-1"),
    ("inc19:off", "furnace-1"),
    ("inc19:fault", "furnace-2"),
    ("dev22:maint", "a21026"),
    ("dev22:maint", "a19001"),
    ("dev22:force1", "outlet"),
];

/// What somebody does.
#[derive(Debug, Clone)]
enum Act {
    /// So many quarters of an hour pass, and the hours that are over are said, with these letters.
    Pass(u8, u8),
    /// A mark, its begin and length in quarters of an hour from now; 0: open.
    Enter(u8, i16, u8),
    /// The same of an entry before, superseding it.
    Supersede(u8, i16, u8),
    /// An entry before is ended so many quarters after its begin.
    End(u8, u8),
    Withdraw(u8),
    /// About an entry: what, as whom, within (quarters after its begin).
    Rule(u8, u8, u8, u8),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => (1u8..60, any::<u8>()).prop_map(|(long, letters)| Act::Pass(long, letters)),
        4 => (0u8..8, -160i16..40, 0u8..60).prop_map(|(mark, from, long)| Act::Enter(mark, from, long)),
        1 => (0u8..12, -8i16..8, 0u8..60).prop_map(|(which, from, long)| Act::Supersede(which, from, long)),
        1 => (0u8..12, 1u8..60).prop_map(|(which, long)| Act::End(which, long)),
        1 => (0u8..12).prop_map(Act::Withdraw),
        3 => (0u8..12, 0u8..5, 0u8..3, 0u8..20).prop_map(|(about, what, role, within)| Act::Rule(about, what, role, within)),
    ]
}

const QUARTER: i64 = 15 * MINUTE;

/// An entry as it was written: mark, object, begin, end.
type Written = (usize, i64, Option<i64>);

struct World {
    player: Player,
    /// The next hour that is not said yet.
    hour: i64,
    entries: Vec<Written>,
    rulings: usize,
    said: BTreeMap<(u8, i64, String), Option<Validity>>,
    log: Vec<String>,
    wrong: Vec<String>,
}

impl World {
    fn new(restored: bool) -> World {
        let mut facts = rig("inc19,dev22");
        facts.facilities = vec![
            facility("furnace-1", "furnace", "feed=f1 temp=t1"),
            facility("furnace-2", "furnace", "feed=f2 temp=t2"),
        ];
        let mut player = Player::new(&book(), &facts, "2017", "air");
        player.restored = restored;
        // Three days until the 4th, from then on noon of the next day: on the 5th a closed day lies between open ones.
        let change = calendar::read("2026-03-04T00:00:00+08:00").unwrap().0;
        let deadline = |days: u8, hour: u8, from: i64, until: i64| Entries {
            deadline_days: days,
            deadline_hour: hour,
            proof: false,
            clause: "c".into(),
            dates: Dates { from, until },
        };
        player.plan.rules_mut().entries = vec![deadline(3, 0, i64::MIN, change), deadline(1, 12, change, i64::MAX)];
        let hour = calendar::read("2026-03-02T00:00:00+08:00").unwrap().0;
        player.now = hour;
        let (entries, rulings) = (Vec::new(), 0);
        World { player, hour, entries, rulings, said: BTreeMap::new(), log: Vec::new(), wrong: Vec::new() }
    }

    fn say(&mut self, kind: Kind, data: i64, letters: u8) {
        let flag = |bit: u8| Some(["N", "N", "N", "D"][usize::from(letters >> bit & 3)]);
        let dust = if letters & 0x60 == 0x60 { "200" } else { "5" };
        let of = |code, text, bit: u8| Reading {
            code,
            text,
            judged: (code != "a19001").then_some(text),
            none: false,
            doubtful: false,
            flag: flag(bit),
        };
        let readings = [of("a21026", "50", 0), of("a19001", "11", 2), of("a34013", dust, 4)];
        let seen =
            Observation { at: Timestamp(self.player.now), data: Some(Timestamp(data)), kind, readings: &readings };
        self.player.restore();
        let mut out = MarkVerdict::default();
        self.player.marks.observe(&self.player.plan, &seen, &mut out);
        let rank = super::super::verdict::rank(kind);
        for (reading, judged) in readings.iter().zip(&out.readings) {
            self.said.insert((rank, data, reading.code.to_owned()), judged.validity);
        }
        self.player.happenings.extend(out.happenings);
        self.player.revisions.extend(out.revisions);
    }

    fn enter(&mut self, (mark, begin, end): Written, more: &[(&str, &str)]) {
        let (name, object) = MARKS[mark];
        let id = format!("e{}", self.entries.len());
        let time = |at: i64| Timestamp(at).to_rfc3339();
        let mut text = serde_json::json!({ "schema": "hj212.mark-entry/1", "id": id, "mark": name, "object": object, "begin": time(begin),
            "end": end.map(time), "reason": "log book", "proof": "p", "author": "Wang" });
        more.iter().for_each(|(key, value)| text[*key] = (*value).into());
        let answer = self.player.enter(&text.to_string());
        self.log.push(format!("{id} {name} {} {:?}", time(begin), answer));
        self.entries.push((mark, begin, end));
    }

    fn act(&mut self, act: &Act) {
        let now = self.player.now;
        let known = |which: &u8, entries: &[Written]| usize::from(*which) % entries.len().max(1);
        match act {
            Act::Pass(long, letters) => {
                for quarter in 1..=i64::from(*long) {
                    self.player.now = now + quarter * QUARTER;
                    self.player.restore();
                    let mut out = MarkVerdict::default();
                    self.player.marks.tick(&self.player.plan, Timestamp(self.player.now), &mut out);
                    self.player.happenings.extend(out.happenings);
                    self.player.revisions.extend(out.revisions);
                    while self.hour + HOUR <= self.player.now {
                        let hour = self.hour;
                        self.say(Kind::Hour, hour, letters.rotate_left(u32::try_from(hour / HOUR % 8).unwrap_or(0)));
                        self.hour += HOUR;
                        if calendar::floor(self.hour, DAY) == self.hour {
                            self.say(Kind::Day, self.hour - DAY, 0);
                        }
                    }
                }
            }
            Act::Enter(mark, from, long) => {
                let begin = now + i64::from(*from) * QUARTER;
                let end = (*long > 0).then(|| begin + i64::from(*long) * QUARTER);
                self.enter((usize::from(*mark), begin, end), &[]);
            }
            Act::Supersede(which, from, long) if !self.entries.is_empty() => {
                let which = known(which, &self.entries);
                let (mark, begin, _) = self.entries[which];
                let begin = begin + i64::from(*from) * QUARTER;
                let end = (*long > 0).then(|| begin + i64::from(*long) * QUARTER);
                self.enter((mark, begin, end), &[("supersedes", &format!("e{which}"))]);
            }
            Act::End(which, long) if !self.entries.is_empty() => {
                let which = known(which, &self.entries);
                let (mark, begin, _) = self.entries[which];
                let end = Some(begin + i64::from(*long) * QUARTER);
                self.enter((mark, begin, end), &[("supersedes", &format!("e{which}"))]);
            }
            Act::Withdraw(which) if !self.entries.is_empty() => {
                let which = known(which, &self.entries);
                self.enter(self.entries[which], &[("withdraws", &format!("e{which}"))]);
            }
            Act::Rule(about, what, role, within) if !self.entries.is_empty() => {
                let about = known(about, &self.entries);
                let (_, begin, _) = self.entries[about];
                self.rulings += 1;
                let ruling = ["accept", "doubt", "annul", "restore", "limit"][usize::from(*what)];
                let mut text = serde_json::json!({ "schema": "hj212.mark-ruling/1", "id": format!("r{}", self.rulings), "about": format!("e{about}"),
                    "ruling": ruling, "reason": "r", "author": "a" });
                if ruling == "limit" {
                    let from = begin + i64::from(*within) * QUARTER;
                    (text["from"], text["to"]) =
                        (Timestamp(from).to_rfc3339().into(), Timestamp(from + 2 * HOUR).to_rfc3339().into());
                }
                let role = ["county", "city", "province"][usize::from(*role)];
                let id = format!("r{}", self.rulings);
                let answer = self.player.rule((role, &id), &text.to_string());
                self.log.push(format!("{role} {id} {ruling} e{about}: {answer:?}"));
            }
            Act::Supersede(..) | Act::End(..) | Act::Withdraw(_) | Act::Rule(..) => {}
        }
        self.note();
        self.recount();
    }

    fn note(&mut self) {
        for revision in self.player.revisions.drain(..) {
            let rank = super::super::verdict::rank(revision.kind);
            for reading in revision.readings {
                let before = self.said.insert((rank, revision.data_time.0, reading.code.clone()), reading.is);
                if before != Some(reading.was) {
                    let (time, kind, was) = (revision.data_time.to_rfc3339(), revision.kind, reading.was);
                    self.wrong.push(format!("{kind:?} {time} {}: {before:?}, said to be {was:?}", reading.code));
                }
            }
        }
        let told = self.player.happenings.drain(..).map(|h| {
            format!(
                "{} {} {} {}",
                h.kind,
                h.at.0,
                h.mark.map_or(String::new(), |mark| mark.view().to_string()),
                h.detail
            )
        });
        self.log.extend(told);
    }

    /// When a mark of people uses limits, by what it says of itself: its own time, without days that it came too late for, what a ruling cut off,
    /// and what waits for one; moment by moment.
    fn uses(mark: &Mark, from: i64, to: i64) -> Vec<Span> {
        let ruling = mark.ruled.as_ref().map(|ruled| (ruled.ruling, ruled.within));
        let accepted = matches!(ruling, Some((Decision::Accept | Decision::Limit, _)));
        let counts = mark.standing == Standing::Entered && !matches!(ruling, Some((Decision::Doubt, _)));
        let within = |at: i64| ruling.and_then(|(_, within)| within).is_none_or(|(from, to)| from.0 <= at && at < to.0);
        let shut = |at: i64| mark.shut.iter().any(|(from, to)| from.0 <= at && at < to.0);
        let waits = |at: i64| !accepted && mark.waits_in.iter().any(|(from, to)| from.0 <= at && at < to.0);
        let until = mark.until.map_or(i64::MAX, |until| until.0);
        let all = (from / QUARTER..to / QUARTER).map(|n| n * QUARTER);
        let used = all.filter(|at| {
            counts && mark.since.0.max(mark.from.0) <= *at && *at < until && within(*at) && !shut(*at) && !waits(*at)
        });
        joined(&used.map(|at| (at, at + QUARTER)).collect::<Vec<_>>())
    }

    /// Limits count what the list of marks says.
    fn recount(&mut self) {
        let marks = &self.player.marks;
        let begin = calendar::read("2026-02-20T00:00:00+08:00").unwrap().0;
        let now = self.player.now;
        let of_people: Vec<&Mark> = marks.held().chain(marks.ended()).filter(|mark| mark.said.is_some()).collect();
        let mut wanted: Vec<(String, String, i64, i64)> = Vec::new();
        for limit in &self.player.plan.limits {
            for object in ["furnace-1", "furnace-2"] {
                let about = of_people.iter().filter(|mark| mark.object == object && limit.marks.contains(&mark.mark));
                let spans = joined(&about.flat_map(|mark| World::uses(mark, begin, now)).collect::<Vec<_>>());
                if limit.per == Per::Each {
                    let mut occasions: Vec<Vec<Span>> = Vec::new();
                    for span in spans {
                        match occasions.last_mut().filter(|last| span.0 - last[last.len() - 1].1 <= limit.apart) {
                            Some(last) => last.push(span),
                            None => occasions.push(vec![span]),
                        }
                    }
                    let of = |all: &Vec<Span>| (limit.name.clone(), object.to_owned(), all[0].0, together(all));
                    wanted.extend(occasions.iter().map(of));
                    continue;
                }
                let mut at = begin;
                while at < now {
                    let (from, to) = calendar::period(limit.per, at);
                    let used = together(&clipped(&spans, from, to));
                    if used > 0 {
                        wanted.push((limit.name.clone(), object.to_owned(), from, used));
                    }
                    at = to;
                }
            }
        }
        wanted.sort_unstable();
        // What holds is counted when something can become of it: it is asked now.
        let mut counted = marks.clone();
        counted.owe();
        counted.charge_all(&self.player.plan, &mut MarkVerdict::default());
        let used: Vec<(String, String, i64, i64)> = counted
            .used()
            .map(|(limit, object, from, used)| (limit.to_owned(), object.to_owned(), from.0, used))
            .collect();
        if used != wanted {
            let hours = |all: &[(String, String, i64, i64)]| {
                all.iter()
                    .map(|(l, o, from, used)| {
                        format!("{l} {o} {} {}", Timestamp(*from).to_rfc3339(), *used as f64 / HOUR as f64)
                    })
                    .collect::<Vec<_>>()
            };
            self.wrong.push(format!("limits count {:?}, the marks say {:?}", hours(&used), hours(&wanted)));
        }
    }

    fn ends(&mut self) {
        for ((rank, at, code), said) in &self.said {
            let kind = [Kind::Minute, Kind::Hour, Kind::Day][usize::from(*rank) - 1];
            let known = self.player.marks.worth_now(&self.player.plan, code, kind, Timestamp(*at), None);
            if known != *said {
                let at = Timestamp(*at).to_rfc3339();
                self.wrong.push(format!("{kind:?} {at} {code}: {known:?}, and {said:?} was published"));
            }
        }
        let mut out = MarkVerdict::default();
        let cause = Cause::Mark("again".into());
        self.player.marks.revise(&self.player.plan, (i64::MIN, i64::MAX), (&cause, 1..=3), None, &mut out);
        for again in out.revisions {
            let readings = again.readings.iter().map(|r| format!("{} {:?} {:?}", r.code, r.was, r.is));
            let (kind, at) = (again.kind, again.data_time.to_rfc3339());
            self.wrong.push(format!("judged again {kind:?} {at} {}", readings.collect::<Vec<_>>().join(", ")));
        }
    }
}

fn check(acts: &[Act]) -> Result<(), TestCaseError> {
    let (mut plain, mut restored) = (World::new(false), World::new(true));
    // A day in order, so that it is known how much is due.
    for (number, act) in [Act::Pass(96, 0)].iter().chain(acts).enumerate() {
        plain.act(act);
        restored.act(act);
        let at = || format!("after {number}: {act:?}\n{}", plain.log.join("\n"));
        prop_assert!(plain.wrong.is_empty(), "{}\n{}", plain.wrong.join("\n"), at());
        prop_assert_eq!(&plain.log, &restored.log, "{}", number);
        let bytes = |world: &World| postcard::to_allocvec(&world.player.marks).unwrap();
        prop_assert!(bytes(&plain) == bytes(&restored), "another state\n{}", at());
    }
    plain.act(&Act::Pass(200, 0));
    plain.ends();
    prop_assert!(plain.wrong.is_empty(), "{}\n{}", plain.wrong.join("\n"), plain.log.join("\n"));
    Ok(())
}

/// The same cases every time.
#[test]
fn whatever_people_and_authorities_do_limits_and_worths_are_what_the_marks_say() {
    let cases = if std::env::var_os("HJ212_LONG").is_some() { 2000 } else { 24 };
    let config = Config { cases, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &[16; 32]));
    runner.run(&proptest::collection::vec(act(), 1..24), |acts| check(&acts)).unwrap();
}
