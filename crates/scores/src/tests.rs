//! Months computed by hand, sums, grades, faults, and what a checkpoint holds.

use std::collections::BTreeMap;

use super::month::{DAY, day_of, start};
use super::*;
use hj212_model::message::Timestamp;

const HOUR: i64 = 3_600_000_000;

fn rules() -> ScoreRules {
    let (file, text) = BUILT_IN[0];
    ScoreRules::read(file, text).unwrap()
}

/// A moment of Beijing time: day of June 2026, hour, minute.
fn june(day: i32, hour: i64, minute: i64) -> Timestamp {
    let first = MonthNumber::read("2026-06").unwrap().first_day();
    Timestamp(start(first + day - 1).0 + hour * HOUR + minute * 60_000_000)
}

/// A station whose hours are written as letters: `.` came and is usable, `x` came and is not, `-` never came, `s` out of service, `c` under a check.
#[derive(Default)]
struct Script {
    /// By day of June and factor.
    days: BTreeMap<(i32, &'static str), String>,
    by_gateway: BTreeMap<i32, u32>,
    expected: BTreeMap<i32, u32>,
    by_hand: BTreeMap<i32, u32>,
    cycle: BTreeMap<&'static str, u32>,
    entered: Option<(u32, u32)>,
}

impl Script {
    fn june(&self, day: i32) -> i32 {
        day - MonthNumber::read("2026-06").unwrap().first_day() + 1
    }
}

impl ScoresAsked for Script {
    fn hours_of(&self, day: i32) -> Option<HoursOf> {
        let day = self.june(day);
        let expected = self.expected.get(&day).copied()?;
        let by_gateway = self.by_gateway.get(&day).copied().unwrap_or(0);
        Some(HoursOf { expected, there: expected - by_gateway - 1, by_gateway })
    }

    fn codes(&self) -> Vec<String> {
        let codes: std::collections::BTreeSet<_> = self.days.keys().map(|(_, code)| (*code).to_owned()).collect();
        codes.into_iter().collect()
    }

    fn cycle(&self, code: &str) -> u32 {
        self.cycle.get(code).copied().unwrap_or(24)
    }

    fn hour(&self, code: &str, day: i32, hour: u32) -> HourSeen {
        let day = self.june(day);
        let text =
            self.days.iter().find(|((of, known), _)| *of == day && *known == code).map(|(_, text)| text.as_str());
        let letter = text.and_then(|text| text.chars().nth(hour as usize)).unwrap_or('-');
        HourSeen {
            came: !matches!(letter, '-' | 's'),
            usable: letter == '.',
            out: letter == 's',
            checking: letter == 'c',
        }
    }

    fn minutes_by_hand(&self, day: i32) -> u32 {
        self.by_hand.get(&self.june(day)).copied().unwrap_or(0)
    }

    fn entered(&self, _: i32, _: i32) -> Option<(u32, u32)> {
        self.entered
    }
}

fn look(scores: &mut StationScores, script: &Script, now: Timestamp) -> Vec<(MonthNumber, ScoreTold)> {
    scores.look(&rules(), Some("OM-0007"), script, now)
}

fn pair(card: &ScoreCard, part: ScorePart) -> (u64, u64) {
    let Pair { num, den } = card.pair(part);
    (num, den)
}

/// The first days of June of a gas outlet with SO2 and dust; what it comes to is worked out beside each day.
fn gas() -> Script {
    let mut script = Script::default();
    let whole = ".".repeat(24);
    let mut day = |day: i32, expected: u32, so2: &str, dust: &str| {
        script.expected.insert(day, expected);
        script.days.insert((day, "a21026"), so2.to_owned());
        script.days.insert((day, "a34013"), dust.to_owned());
    };
    // First record at 10:00: 14 hours are due of each. 28 of 28 came, 28 usable.
    day(1, 14, &("-".repeat(10) + &".".repeat(14)), &("-".repeat(10) + &".".repeat(14)));
    // SO2 with four unusable hours, dust whole: 48 of 48 came, 44 of 48 usable.
    day(2, 24, &(".".repeat(20) + "xxxx"), &whole);
    // Six hours missing of both: 36 of 48 came, 36 of 48 usable.
    day(3, 24, &("------".to_owned() + &".".repeat(18)), &("------".to_owned() + &".".repeat(18)));
    // Out of service from noon on: 24 of 24 came, 24 of 24 usable.
    day(4, 24, &(".".repeat(12) + &"s".repeat(12)), &(".".repeat(12) + &"s".repeat(12)));
    // Four hours missing because of the gateway: 40 of 40 came, 40 of 40 usable.
    day(5, 24, &("----".to_owned() + &".".repeat(20)), &("----".to_owned() + &".".repeat(20)));
    script.by_gateway.insert(5, 4);
    script.by_hand.insert(2, 240);
    script
}

#[test]
fn a_month_comes_to_what_was_worked_out_by_hand() {
    let mut scores = StationScores::default();
    for _ in 0..4 {
        scores.count(june(2, 9, 0), ScoreCount::Entry, 1);
    }
    scores.count(june(2, 9, 0), ScoreCount::LateEntry, 1);
    scores.count(june(3, 1, 0), ScoreCount::Frame, 2000);
    scores.count(june(3, 1, 0), ScoreCount::Deviating, 3);
    scores.fault_began(("dev22:fault", "a21026"), june(2, 20, 0));
    scores.fault_ended(("dev22:fault", "a21026"), june(3, 0, 30));
    let said = look(&mut scores, &gas(), june(6, 13, 10));
    assert_eq!(said.len(), 1);
    let (month, told) = said[0];
    let card = told.card().unwrap();
    assert_eq!((month.text().as_str(), told.stage, told.revision), ("2026-06", ScoreStage::Provisional, 0));
    // 28 + 48 + 36 + 24 + 40 of 28 + 48 + 48 + 24 + 40; usable 28 + 44 + 36 + 24 + 40.
    assert_eq!(pair(card, ScorePart::Transmission), (176, 188));
    assert_eq!(pair(card, ScorePart::Validity), (172, 188));
    assert_eq!(pair(card, ScorePart::LateMarks), (1, 4));
    assert_eq!(pair(card, ScorePart::Deviation), (3, 2000));
    assert_eq!(pair(card, ScorePart::FaultRepair), (1, 1));
    assert_eq!(pair(card, ScorePart::RepairTime), (270, 1));
    assert_eq!(pair(card, ScorePart::MaintShare), (240, 5 * 1440));
    let rules = rules();
    let value = |id: &str| rules.measure.iter().find(|row| row.id == id).unwrap().value(card);
    // 176/188 × 172/188 = 30272/35344 = 0.85649…
    assert_eq!(value("etr").unwrap(), "85.64");
    assert_eq!((value("late_marks").unwrap(), value("deviation").unwrap()), ("25.00".to_owned(), "1.50".to_owned()));
    assert_eq!(
        (value("repair_time").unwrap(), value("annulled_marks").unwrap()),
        ("4.50".to_owned(), "0.00".to_owned())
    );
    assert_eq!(value("patrol"), None, "nobody enters anything here");
    assert_eq!(rules.grade(GradeOf::Station, card).unwrap().id, "red", "a quarter of the entries is late");
}

#[test]
fn a_water_analyser_owes_its_cycle_and_one_check_a_day_is_not_counted() {
    let mut script = Script::default();
    script.expected.insert(1, 24);
    // Every two hours: 12 are due; one came under a check and one is unusable: 10 of 11.
    script.days.insert((1, "w01018"), ".-c-x-.-.-.-.-.-.-.-.-.-".into());
    script.cycle.insert("w01018", 12);
    let mut scores = StationScores::default();
    let said = look(&mut scores, &script, june(2, 13, 0));
    let card = said[0].1.card().unwrap();
    assert_eq!((pair(card, ScorePart::Transmission), pair(card, ScorePart::Validity)), ((12, 12), (10, 11)));
}

#[test]
fn a_station_without_limits_has_a_transmission_rate_and_no_more() {
    let mut script = Script::default();
    script.expected.insert(1, 24);
    script.by_gateway.insert(1, 2);
    let said = look(&mut StationScores::default(), &script, june(2, 13, 0));
    let card = said[0].1.card().unwrap();
    assert_eq!((pair(card, ScorePart::Transmission), pair(card, ScorePart::Validity)), ((21, 22), (0, 0)));
    assert_eq!(rules().measure[0].value(card), None);
}

#[test]
fn a_month_is_provisional_then_settled_then_revised_and_said_only_when_it_is_another() {
    let mut script = gas();
    for day in 6..=30 {
        script.expected.insert(day, 24);
        script.days.insert((day, "a21026"), ".".repeat(24));
    }
    let mut scores = StationScores::default();
    let july = |day: i32| Timestamp(june(30, 13, 30).0 + i64::from(day) * DAY);
    let first = look(&mut scores, &script, july(1));
    assert_eq!(
        first.iter().map(|(month, told)| (month.text(), told.stage)).collect::<Vec<_>>(),
        [("2026-06".to_owned(), ScoreStage::Provisional)]
    );
    assert!(look(&mut scores, &script, july(4)).is_empty(), "nothing is another");
    let settled = look(&mut scores, &script, july(5));
    assert_eq!((settled[0].1.stage, settled[0].1.revision), (ScoreStage::Settled, 0));
    assert!(look(&mut scores, &script, july(6)).is_empty());
    // An authority accepts what people entered: the four hours are usable.
    script.days.insert((2, "a21026"), ".".repeat(24));
    scores.touch(june(2, 20, 0), june(2, 23, 59));
    let revised = look(&mut scores, &script, july(7));
    assert_eq!((revised[0].1.stage, revised[0].1.revision), (ScoreStage::Settled, 1));
    let change = |told: &ScoreTold| pair(told.card().unwrap(), ScorePart::Validity).0;
    assert_eq!(change(&revised[0].1), change(&settled[0].1) + 4);
    // Over the end of the next month it is kept no more.
    let later = look(&mut scores, &script, july(40));
    assert!(later.is_empty());
    scores.count(july(40), ScoreCount::Frame, 1);
    look(&mut scores, &script, july(41));
    scores.count(july(70), ScoreCount::Frame, 1);
    look(&mut scores, &script, july(71));
    assert_eq!(scores.told().map(|(month, ..)| month.text()).collect::<Vec<_>>(), ["2026-08", "2026-09"]);
    scores.count(june(2, 0, 0), ScoreCount::Frame, 1);
    assert_eq!(scores.told().count(), MONTHS_KEPT, "what is older changes nothing");
}

#[test]
fn a_company_of_two_stations_is_the_sum_of_their_pairs() {
    let (mut one, mut two) = (StationScores::default(), StationScores::default());
    let mut small = Script::default();
    small.expected.insert(5, 24);
    small.days.insert((5, "a21026"), ".".repeat(12) + "xxxxxxxxxxxx");
    let cards = [look(&mut one, &gas(), june(6, 13, 0)), look(&mut two, &small, june(6, 13, 0))];
    let mut sum = ScoreCard::default();
    cards.iter().for_each(|said| sum.add(said[0].1.card().unwrap()));
    assert_eq!(sum.stations, 2);
    // 176 + 24 of 188 + 24, 172 + 12 of 188 + 24: not the mean of two quotients (0.9144 and 0.5).
    assert_eq!((pair(&sum, ScorePart::Transmission), pair(&sum, ScorePart::Validity)), ((200, 212), (184, 212)));
    let (measures, grade) = rules().view(GradeOf::Company, &sum);
    // 200 × 184 / 212² = 36800/44944 = 0.81879…
    assert_eq!((measures[0]["value"].as_str(), grade["id"].as_str()), (Some("81.87"), Some("poor")));
    assert_eq!(measures[0]["parts"][1], serde_json::json!({ "id": "validity", "num": 184, "den": 212 }));
    assert_eq!(grade["placeholder"], true);
}

#[test]
fn a_fault_counts_once_in_time_or_overdue_whatever_marks_say_so() {
    let counted = |scores: &mut StationScores, now: Timestamp| {
        let mut script = Script::default();
        script.expected.insert(1, 24);
        script.days.insert((1, "a21026"), ".".repeat(24));
        look(scores, &script, now);
        let card = scores.told().next().and_then(|(_, _, told)| told.card().copied()).unwrap_or_default();
        (pair(&card, ScorePart::FaultRepair), pair(&card, ScorePart::RepairTime))
    };
    // Two marks and a pause of an hour: one fault, from 8:00 to 12:00.
    let mut scores = StationScores::default();
    scores.fault_began(("h17:D", "a21026"), june(1, 8, 0));
    scores.fault_began(("dev22:fault", "a21026"), june(1, 8, 0));
    scores.fault_ended(("h17:D", "a21026"), june(1, 9, 0));
    scores.fault_ended(("dev22:fault", "a21026"), june(1, 10, 0));
    scores.fault_began(("h17:D", "a21026"), june(1, 11, 0));
    scores.fault_ended(("h17:D", "a21026"), june(1, 12, 0));
    assert_eq!(counted(&mut scores, june(1, 13, 0)), ((0, 0), (0, 0)), "it may go on");
    assert_eq!(counted(&mut scores, june(2, 13, 0)), ((1, 1), (240, 1)));
    // Monday 1 June: five working days are over with Monday 8 June. Overdue on the 9th, over on the 10th.
    let mut scores = StationScores::default();
    scores.fault_began(("h17:D", "a21026"), june(1, 8, 0));
    assert_eq!(counted(&mut scores, june(8, 13, 0)), ((0, 0), (0, 0)));
    assert_eq!(counted(&mut scores, june(9, 13, 0)), ((0, 1), (0, 0)));
    scores.fault_ended(("h17:D", "a21026"), june(10, 8, 0));
    assert_eq!(counted(&mut scores, june(10, 13, 0)), ((0, 1), (9 * 1440, 1)));
    // What was withdrawn never was.
    let mut scores = StationScores::default();
    scores.fault_began(("dev22:fault", "a21026"), june(1, 8, 0));
    scores.fault_withdrawn(("dev22:fault", "a21026"), june(1, 8, 0));
    assert_eq!(counted(&mut scores, june(12, 13, 0)), ((0, 0), (0, 0)));
    // One more than are followed: the oldest was not repaired in time.
    let mut scores = StationScores::default();
    for number in 0..=FAULTS_MAX {
        scores.fault_began(("h17:D", &format!("a{number}")), june(1, 8, 0));
    }
    assert_eq!(counted(&mut scores, june(1, 13, 0)).0, (0, 1));
}

#[test]
fn a_patrol_is_due_in_each_whole_period_of_a_month() {
    let mut script = Script { entered: Some((1 << 2 | 1 << 3 | 1 << 22, 0)), ..Script::default() };
    for day in 1..=30 {
        script.expected.insert(day, 24);
        script.days.insert((day, "a21026"), ".".repeat(24));
    }
    let mut scores = StationScores::default();
    scores.calibrated(june(10, 3, 0));
    let card = |said: Vec<(MonthNumber, ScoreTold)>| *said[0].1.card().unwrap();
    // On the 3rd and 4th (first week) and on the 23rd (fourth): two of four. Calibrated on the 10th: one of four.
    let whole = card(look(&mut scores, &script, Timestamp(june(30, 13, 0).0 + DAY)));
    assert_eq!((pair(&whole, ScorePart::Patrol), pair(&whole, ScorePart::Calibration)), ((2, 4), (1, 4)));
    let mut begun = StationScores::default();
    let half = card(look(&mut begun, &script, june(15, 13, 0)));
    assert_eq!(pair(&half, ScorePart::Patrol), (1, 2), "a week that goes on is not due yet");
}

#[test]
fn a_station_is_looked_at_once_a_day_at_a_time_of_its_own() {
    let mut scores = StationScores::default();
    assert!(!scores.is_due(june(2, 12, 59), 0) && scores.is_due(june(2, 13, 0), 0));
    assert!(!scores.is_due(june(2, 13, 9), 600_000_000) && scores.is_due(june(2, 13, 10), 600_000_000));
    look(&mut scores, &gas(), june(2, 13, 0));
    assert!(!scores.is_due(june(2, 23, 0), 0) && scores.is_due(june(3, 13, 0), 0));
    assert_eq!(StationScores::companies_at(june(2, 1, 0)), june(2, 14, 0));
}

#[test]
fn months_are_read_and_written() {
    for (text, length) in [("2026-06", 30), ("2026-02", 28), ("2028-02", 29), ("2026-12", 31)] {
        let month = MonthNumber::read(text).unwrap();
        assert_eq!((month.text().as_str(), month.length()), (text, length));
        assert_eq!(MonthNumber::of_day(month.first_day()), month);
        assert_eq!(MonthNumber::of_day(month.first_day() - 1), month.later(-1));
    }
    for wrong in ["2026-13", "2026-00", "26-06", "2026-6", "2026/06", "+026-06", ""] {
        assert_eq!(MonthNumber::read(wrong), None, "{wrong}");
    }
    assert_eq!(day_of(start(20_000)), 20_000);
}

#[test]
fn a_station_takes_so_many_bytes_in_a_checkpoint_and_goes_on_from_there() {
    let mut scores = StationScores::default();
    let mut script = gas();
    for day in 1..=61 {
        script.expected.insert(day, 24);
        script.days.insert((day, "a21026"), ".".repeat(24));
        script.by_hand.insert(day, 1440);
    }
    for day in 0..61 {
        scores.count(Timestamp(june(1, 1, 0).0 + day * DAY), ScoreCount::Frame, 50_000);
        look(&mut scores, &script, Timestamp(june(1, 13, 0).0 + day * DAY));
        let bytes = postcard::to_stdvec(&scores).unwrap();
        let again: StationScores = postcard::from_bytes(&bytes).unwrap();
        assert_eq!(again, scores);
        scores = again;
    }
    let bytes = postcard::to_stdvec(&scores).unwrap().len();
    println!("two months of a station take {bytes} bytes in a checkpoint");
    assert!(bytes < 1000, "{bytes}");
}

#[test]
fn a_rule_file_with_a_mistake_is_refused() {
    let (file, text) = BUILT_IN[0];
    for (was, is) in [
        ("schema = \"scores/1\"", "schema = \"scores/2\""),
        ("repair_days = 5", "repair_days = 0"),
        ("patrol_days = 7", "patrol_days = 40"),
        ("certainty = \"C\"", "certainty = \"X\""),
        ("parts = [\"transmission\", \"validity\"]", "parts = []"),
        ("parts = [\"transmission\", \"validity\"]", "parts = [\"luck\"]"),
        ("id = \"clock\"", "id = \"etr\""),
        ("at_least = { etr = 90, fault_repair = 95 }", "at_least = { luck = 90 }"),
        ("placeholder = true", ""),
    ] {
        assert!(text.contains(was), "{was}");
        assert!(ScoreRules::read(file, &text.replacen(was, is, 1)).is_err(), "{was} -> {is}");
    }
    assert!(ScoreRules::in_force(&built_in_texts()).is_some() && ScoreRules::in_force(&BTreeMap::new()).is_none());
    let empty = ScoreCard::default();
    assert_eq!(rules().grade(GradeOf::Station, &empty), None, "nothing was to be measured");
}
