//! What was published of a period, with all that put it right since, is what is known of it in the end, whatever came first: hour or minutes, entry
//! or data, ruling, withdrawal. The reference is the state itself, judged once more, and the same things in the order of time.

use proptest::prelude::*;

use super::super::expr::{DAY, HOUR};
use super::*;

const CODES: [&str; 3] = ["a21026", "a19001", "a34013"];
const MARKS: [(&str, &str); 7] = [
    ("dev22:maint", "a21026"),
    ("dev22:maint", "a19001"),
    ("dev22:calib", "a34013"),
    ("inc19:start", "furnace-1"),
    ("inc19:fault", "furnace-1"),
    ("inc19:off", "furnace-1"),
    ("dev22:force1", "outlet"),
];
/// The hours of the day that have minutes.
const HOURS: [i64; 2] = [10, 11];
/// Minute data comes so far apart.
const STEP: i64 = 10 * MINUTE;

/// What is said of one code: value, converted value, letter.
type Said = (&'static str, &'static str);

/// One thing that comes.
#[derive(Debug, Clone)]
enum Comes {
    /// A period: its kind, when it begins (minutes of the day), a bit for each code that it names, what it says of each.
    Data(Kind, i64, u8, [Said; 3]),
    /// An entry: number, mark, from, to (minutes of the day).
    Entry(usize, usize, i64, i64),
    /// A ruling about an entry: what, as whom.
    Ruling(usize, &'static str, &'static str),
    Withdrawal(usize),
}

struct World {
    player: Player,
    day: i64,
    said: Worths,
    people: usize,
    wrong: Vec<String>,
}

/// What consumers hold: by rank and begin of a period, and code.
type Worths = BTreeMap<(u8, i64, String), Option<Validity>>;

impl World {
    fn new(rules: &str, restored: bool, history: u8) -> World {
        let mut facts = rig(rules);
        facts.facilities = vec![facility("furnace-1", "furnace", "feed=f temp=t burner=b fan=n")];
        let mut player = Player::new(&book(), &facts, "2017", "air");
        // What rules find over several codes is found in data that drives alone.
        player.plan.rules_mut().area_rules.clear();
        player.restored = restored;
        let day = super::super::calendar::read("2026-03-03T00:00:00+08:00").unwrap().0;
        let mut world = World { player, day, said: BTreeMap::new(), people: 0, wrong: Vec::new() };
        // The day before, in order, so that it is known how much is due; or hours alone, or nothing.
        let good = [("5", "N"), ("11", "N"), ("5", "N")];
        for hour in 0..24 {
            for n in 0..if history > 1 { 6 } else { 0 } {
                world.player.now = day - DAY + hour * HOUR + (n + 1) * STEP;
                world.take(&Comes::Data(Kind::Minute, (hour - 24) * 60 + n * 10, 7, good));
            }
            if history > 0 {
                world.player.now = day - DAY + (hour + 1) * HOUR;
                world.take(&Comes::Data(Kind::Hour, (hour - 24) * 60, 7, good));
            }
        }
        world.player.now = day + DAY + HOUR;
        world
    }

    fn note(&mut self) {
        for revision in self.player.revisions.drain(..) {
            let rank = super::super::verdict::rank(revision.kind);
            for reading in revision.readings {
                let before = self.said.insert((rank, revision.data_time.0, reading.code.clone()), reading.is);
                let (time, kind) = (revision.data_time, revision.kind);
                if before != Some(reading.was) {
                    let was = reading.was;
                    self.wrong.push(format!(
                        "{kind:?} {} {}: {before:?}, said to be {was:?}",
                        time.to_rfc3339(),
                        reading.code
                    ));
                }
            }
        }
    }

    fn take(&mut self, thing: &Comes) {
        match thing {
            Comes::Data(kind, from, which, said) => {
                let data = self.day + from * MINUTE;
                let reading = |(at, code): (usize, &&'static str)| {
                    let (text, flag) = said[at];
                    let flag = Some(flag).filter(|flag| !flag.is_empty());
                    let judged = Some(text).filter(|text| *code != "a19001" && !text.is_empty());
                    Reading { code, text, judged, none: text.is_empty(), doubtful: false, flag }
                };
                let readings: Vec<Reading<'_>> =
                    CODES.iter().enumerate().filter(|(at, _)| which >> at & 1 == 1).map(reading).collect();
                self.player.restore();
                let seen = Observation {
                    at: Timestamp(self.player.now),
                    data: Some(Timestamp(data)),
                    kind: *kind,
                    readings: &readings,
                };
                let mut out = MarkVerdict::default();
                self.player.marks.observe(&self.player.plan, &seen, &mut out);
                let rank = super::super::verdict::rank(*kind);
                for (reading, judged) in readings.iter().zip(&out.readings) {
                    self.said.insert((rank, data, reading.code.to_owned()), judged.validity);
                }
                self.player.revisions.extend(out.revisions);
                self.player.happenings.extend(out.happenings);
            }
            Comes::Entry(number, mark, from, to) => {
                let (mark, object) = MARKS[*mark];
                let time = |minutes: &i64| Timestamp(self.day + minutes * MINUTE).to_rfc3339();
                let text = serde_json::json!({ "schema": "hj212.mark-entry/1", "id": format!("e{number}"), "mark": mark, "object": object,
                    "begin": time(from), "end": time(to), "reason": "log book", "proof": "p", "author": "Wang" });
                assert!(self.player.enter(&text.to_string()).refused.is_none());
            }
            Comes::Ruling(about, what, role) => {
                self.people += 1;
                let id = format!("r{}", self.people);
                let text = serde_json::json!({ "schema": "hj212.mark-ruling/1", "id": id, "about": format!("e{about}"), "ruling": what,
                    "reason": "r", "author": "a" });
                self.player.rule((role, &id), &text.to_string());
            }
            Comes::Withdrawal(number) => {
                self.people += 1;
                let text = serde_json::json!({ "schema": "hj212.mark-entry/1", "id": format!("w{}", self.people), "withdraws": format!("e{number}"),
                    "reason": "mistaken", "author": "Wang" });
                self.player.enter(&text.to_string());
            }
        }
        self.note();
    }

    /// What consumers hold in the end; it is what the state says, and what it would say again.
    fn ends(mut self) -> Result<Worths, TestCaseError> {
        for ((rank, at, code), said) in &self.said {
            let kind = [Kind::Minute, Kind::Hour, Kind::Day][usize::from(*rank) - 1];
            let known = self.player.marks.worth_now(&self.player.plan, code, kind, Timestamp(*at), None);
            if known != *said {
                let at = Timestamp(*at).to_rfc3339();
                self.wrong.push(format!("{kind:?} {at} {code}: {known:?}, and {said:?} was published"));
            }
        }
        let mut out = MarkVerdict::default();
        let whole = (self.day - DAY, self.day + DAY);
        let cause = Cause::Mark("again".into());
        self.player.marks.revise(&self.player.plan, whole, (&cause, 1..=3), None, &mut out);
        for again in out.revisions {
            let readings = again.readings.iter().map(|r| format!("{} {:?} {:?}", r.code, r.was, r.is));
            let (kind, at) = (again.kind, again.data_time.to_rfc3339());
            self.wrong.push(format!("judged again {kind:?} {at} {}", readings.collect::<Vec<_>>().join(", ")));
        }
        prop_assert!(self.wrong.is_empty(), "{}", self.wrong.join("\n"));
        Ok(self.said)
    }
}

fn play(things: &[Comes], restored: bool, history: u8) -> Result<Worths, TestCaseError> {
    let mut world = World::new("inc19,dev22", restored, history);
    things.iter().for_each(|thing| world.take(thing));
    let ends = world.ends();
    ends.map_err(|why| TestCaseError::fail(format!("{why}\n{}", in_words(things))))
}

/// What came, a line each.
fn in_words(things: &[Comes]) -> String {
    let line = |thing: &Comes| match thing {
        Comes::Data(kind, at, which, said) => {
            let codes = CODES.iter().zip(said).enumerate().filter(|(n, _)| which >> n & 1 == 1);
            let codes = codes.map(|(_, (code, (text, flag)))| format!("{code}={text}/{flag}")).collect::<Vec<_>>();
            format!("{kind:?} {:02}:{:02} {}", at / 60, at % 60, codes.join(" "))
        }
        Comes::Entry(number, mark, from, to) => {
            let time = |at: i64| format!("{:02}:{:02}", at / 60, at % 60);
            format!("entry e{number} {:?} {} to {}", MARKS[*mark], time(*from), time(*to))
        }
        Comes::Ruling(about, what, role) => format!("{role} rules {what} about e{about}"),
        Comes::Withdrawal(number) => format!("e{number} is withdrawn"),
    };
    things.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Numbers that a seed gives.
struct Dice(u64);

impl Dice {
    fn below(&mut self, count: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % count.max(1)
    }
}

fn said() -> impl Strategy<Value = [Said; 3]> {
    let letter =
        || prop_oneof![8 => Just("N"), 2 => Just("D"), 1 => Just("C"), 1 => Just("S"), 1 => Just("F"), 1 => Just("")];
    let so2 = letter().prop_map(|flag| ("5", flag));
    let oxygen = prop_oneof![4 => Just("11"), 1 => Just("20.9"), 1 => Just("")];
    let dust = prop_oneof![4 => Just("20"), 2 => Just("200"), 1 => Just("")];
    (so2, (oxygen, letter()), (dust, letter())).prop_map(|(one, two, three)| [one, two, three])
}

fn people() -> impl Strategy<Value = Vec<Comes>> {
    let entry = || (0..MARKS.len(), 540i64..720, 5i64..200);
    let then = (
        0u8..8,
        0usize..5,
        proptest::sample::select(&["accept", "doubt", "annul", "restore"][..]),
        proptest::sample::select(&["county", "city", "province"][..]),
    );
    (proptest::collection::vec(entry(), 0..5), proptest::collection::vec(then, 0..6)).prop_map(|(entries, then)| {
        let entered = entries.len();
        let mut all: Vec<Comes> =
            (0..).zip(entries).map(|(n, (mark, from, long))| Comes::Entry(n, mark, from, from + long)).collect();
        for (what, about, ruling, role) in then {
            let about = about % entered.max(1);
            all.push(if what < 5 { Comes::Ruling(about, ruling, role) } else { Comes::Withdrawal(about) });
        }
        all
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if std::env::var_os("HJ212_LONG").is_some() { 600 } else { 40 }))]
    #[test]
    fn what_was_published_is_what_is_known_in_the_end_whatever_came_first(
        minutes in proptest::collection::vec(said(), 12),
        hours in proptest::collection::vec((said(), 0u8..8), 2),
        day in said(),
        people in people(),
        history in 0u8..3,
        minutes_come in 0u8..3,
        seed in any::<u64>(),
    ) {
        let mut straight: Vec<Comes> = Vec::new();
        for (hour, (said, split)) in HOURS.iter().zip(&hours) {
            for n in 0..6 {
                let at = (hour - HOURS[0]) * 6 + n;
                straight.push(Comes::Data(Kind::Minute, hour * 60 + n * 10, 7, minutes[at as usize]));
            }
            for which in [*split, 7 & !*split].into_iter().filter(|which| *which != 0) {
                straight.push(Comes::Data(Kind::Hour, hour * 60, which, *said));
            }
        }
        straight.push(Comes::Data(Kind::Day, 0, 7, day));
        let mut dice = Dice(seed | 1);
        let mut mixed = straight.clone();
        for at in (1..mixed.len()).rev() {
            mixed.swap(at, dice.below(at + 1));
        }
        // Minutes among themselves in the order of time, the newest first, or as they come, where it is known how far apart they are.
        let minutes_come = if history < 2 { minutes_come % 2 } else { minutes_come };
        let is_minute = |thing: &Comes| matches!(thing, Comes::Data(Kind::Minute, ..));
        let mut in_order: Vec<Comes> = straight.iter().filter(|thing| is_minute(thing)).cloned().collect();
        if minutes_come == 0 {
            in_order.reverse();
        }
        for thing in mixed.iter_mut().filter(|thing| minutes_come < 2 && is_minute(thing)) {
            *thing = in_order.pop().unwrap();
        }
        let mut at = 0;
        for thing in &people {
            at += dice.below(mixed.len() + 1 - at);
            mixed.insert(at, thing.clone());
            at += 1;
        }
        straight.extend(people);
        let (forth, back) = (play(&straight, false, history)?, play(&mixed, true, history)?);
        for (key, worth) in &forth {
            let (rank, at, code) = key;
            let at = Timestamp(*at).to_rfc3339();
            prop_assert_eq!(back.get(key), Some(worth), "rank {} {} {}: mixed, then in order\n{}", rank, at, code, in_words(&mixed));
        }
    }
}

#[test]
fn that_rules_over_several_values_do_not_look_at_what_is_a_week_old_is_told_once_a_day() {
    let mut world = World::new("inc19,dev22,check", false, 2);
    let good = [("5", "N"), ("11", "N"), ("5", "N")];
    for at in [600, 480, 500, -600, -620, 480 - 8 * 1440, 500 - 8 * 1440, 500 - 9 * 1440] {
        world.take(&Comes::Data(Kind::Minute, at, 7, good));
    }
    let told: Vec<&Happening> = world.player.happenings.iter().filter(|h| h.kind == "late-values").collect();
    let days: Vec<String> = told.iter().map(|h| h.detail["data_time"].as_str().unwrap()[..10].to_owned()).collect();
    assert_eq!(days, ["2026-02-23", "2026-02-22"]);
    assert_eq!(told[0].detail["behind_s"], (120 + 8 * 1440) * 60);
    let rules: Vec<&str> =
        told[0].detail["rules"].as_array().unwrap().iter().filter_map(|rule| rule.as_str()).collect();
    assert!(rules.contains(&"check:constant-auto") && !rules.contains(&"h17:flag-D"), "{rules:?}");
}
