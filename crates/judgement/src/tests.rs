//! An outlet over days: what is said when, that it does not depend on the order of what came, and how much is remembered.
//!
//! Days whose marks come from rule files, entries and rulings are played through the interpretation: `fixtures/judgement`.

use std::cell::RefCell;
use std::collections::BTreeMap;

use super::*;
use calendar::{DAY, HOUR};
use hj212_marking::{Count, Validity};
use hj212_model::message::{EmissionLimit, StationFacts, Timestamp};
use proptest::prelude::*;
use serde_json::{Value, json};

mod alerts;

/// The marks, as a table: hours of which no record came, and marks that hold.
#[derive(Default)]
struct Table {
    excluded: Vec<i64>,
    due: u32,
    holds: RefCell<bool>,
}

impl Asked for Table {
    fn closes(&self, at: Timestamp) -> Timestamp {
        Timestamp(calendar::start(calendar::day_of(at)).0 + DAY + 12 * HOUR)
    }
    fn worth(&self, _: &str, hour: Timestamp) -> Option<Validity> {
        self.excluded.contains(&hour.0).then_some(Validity::Excluded)
    }
    fn due(&self, _: &str) -> u32 {
        self.due
    }
    fn counted(&self, _: &Count) -> Vec<String> {
        vec!["furnace-1".into()]
    }
    fn lifted(&self, _: &str, _: &[String], _: Timestamp) -> bool {
        false
    }
    fn holds(&self, _: &str) -> bool {
        *self.holds.borrow()
    }
}

fn limit(code: &str, max: &str, of: &str, decimals: Option<u8>) -> EmissionLimit {
    EmissionLimit { code: code.into(), max: max.into(), of: of.into(), decimals, ..EmissionLimit::default() }
}

fn limits(of: &[EmissionLimit]) -> Limits {
    Limits::new(&StationFacts { emission: of.to_vec(), ..StationFacts::default() })
}

struct Player {
    limits: Limits,
    table: Table,
    rules: Option<super::alerts::Rules>,
    counts: Vec<Count>,
    outlet: Outlet,
    out: Vec<Said>,
    now: Timestamp,
}

fn at(text: &str) -> Timestamp {
    let (day, hour) = text.split_once(' ').unwrap_or((text, "0"));
    calendar::hour(calendar::read(day).unwrap(), hour.parse().unwrap())
}

impl Player {
    fn new(of: &[EmissionLimit]) -> Player {
        Player {
            limits: limits(of),
            table: Table { due: 24, ..Table::default() },
            rules: None,
            counts: Vec::new(),
            outlet: Outlet::default(),
            out: Vec::new(),
            now: Timestamp(0),
        }
    }

    fn to(&mut self, time: Timestamp) {
        self.now = self.now.max(time);
        let held = Held {
            limits: &self.limits,
            counts: &self.counts,
            alerts: self.rules.as_ref(),
            settle_after: 0,
            asked: &self.table,
        };
        self.outlet.advance(&held, self.now, &mut self.out);
    }

    fn hour(&mut self, code: &str, time: Timestamp, value: &str, worth: Option<Validity>) {
        self.now = self.now.max(Timestamp(time.0 + HOUR));
        let heard = Heard {
            of: Mean::Hour,
            at: time,
            code,
            measured: Some(value),
            converted: None,
            total: None,
            worth,
            minutes: None,
        };
        self.outlet.take(&self.limits, &heard, self.now, &mut self.out);
        let held = Held {
            limits: &self.limits,
            counts: &self.counts,
            alerts: self.rules.as_ref(),
            settle_after: 0,
            asked: &self.table,
        };
        self.outlet.taken(&held, self.now, &mut self.out);
        // The state goes over a checkpoint at every step.
        let bytes = postcard::to_allocvec(&self.outlet).unwrap();
        self.outlet = postcard::from_bytes(&bytes).unwrap();
        self.to(self.now);
    }

    /// A whole day of the same value, but for those hours.
    fn day(&mut self, code: &str, day: &str, value: &str, other: &[(usize, &str, Validity)]) {
        for hour in 0..24 {
            let found = other.iter().find(|(at, ..)| *at == hour);
            let (value, worth) = found.map_or((value, Validity::Valid), |(_, value, worth)| (*value, *worth));
            self.hour(code, at(&format!("{day} {hour}")), value, Some(worth));
        }
    }

    fn said(&self, topic: &str) -> Vec<&Value> {
        self.out.iter().filter(|said| said.topic == topic).filter_map(|said| said.body.as_ref()).collect()
    }

    fn last_day(&self) -> (String, String, u64, Option<String>) {
        let all = self.said("judgement/day");
        let last = all.last().unwrap();
        let text = |value: &Value| value.as_str().map(str::to_owned);
        (
            text(&last["stage"]).unwrap(),
            text(&last["outcome"]).unwrap(),
            last["revision"].as_u64().unwrap(),
            text(&last["values"]["exempt"]),
        )
    }
}

const SO2: &str = "a21026";

#[test]
fn a_day_is_provisional_then_settled_then_revised() {
    let mut player = Player::new(&[limit(SO2, "80", "day", Some(0))]);
    player.day(SO2, "2026-06-01", "80.4", &[]);
    player.to(at("2026-06-02 0"));
    assert_eq!(player.last_day(), ("provisional".into(), "met".into(), 0, Some("80.4".into())), "80.4 is 80");
    player.to(at("2026-06-02 12"));
    assert_eq!(player.said("judgement/day").len(), 1, "at the stroke of noon entries are still taken");
    player.to(at("2026-06-02 13"));
    assert_eq!(player.last_day(), ("settled".into(), "met".into(), 0, Some("80.4".into())));
    let hour = at("2026-06-01 5");
    player.outlet.worth(&player.limits, (Mean::Hour, hour, SO2), (Some(Validity::Invalid), None), &mut Vec::new());
    player.to(at("2026-06-02 14"));
    player.to(at("2026-06-02 15"));
    assert_eq!(player.said("judgement/day").len(), 3, "the mean is the same, but an hour fewer counts; said once");
    assert_eq!(player.last_day(), ("settled".into(), "met".into(), 1, Some("80.4".into())));
}

#[test]
fn a_late_hour_revises_a_settled_day() {
    let mut player = Player::new(&[limit(SO2, "80", "day", None)]);
    for hour in 0..20 {
        player.hour(SO2, at(&format!("2026-06-01 {hour}")), "80", Some(Validity::Valid));
    }
    player.to(at("2026-06-02 13"));
    assert_eq!(player.last_day(), ("settled".into(), "met".into(), 0, Some("80".into())));
    player.hour(SO2, at("2026-06-01 20"), "80.1", Some(Validity::Valid));
    let (stage, outcome, revision, value) = player.last_day();
    assert_eq!((stage.as_str(), outcome.as_str(), revision), ("settled", "exceeded", 1));
    // (20 × 80 + 80.1) / 21 = 80.0047619…
    assert_eq!(value.as_deref(), Some("80.004762"));
}

#[test]
fn a_revision_says_why() {
    let mut player = Player::new(&[limit(SO2, "80", "day", None)]);
    for hour in 0..22 {
        player.hour(SO2, at(&format!("2026-06-01 {hour}")), "70", Some(Validity::Valid));
    }
    player.to(at("2026-06-02 13"));
    let last = |player: &Player| {
        let body = player.said("judgement/day").last().copied().cloned().unwrap();
        let zh = body["explain"]["zh"].as_str().unwrap().to_owned();
        (body["stage"].as_str().unwrap().to_owned(), body["revision"].as_u64().unwrap(), body["revised_by"].clone(), zh)
    };
    let (stage, revision, why, zh) = last(&player);
    assert_eq!((stage.as_str(), revision, why), ("settled", 0, json!([])));
    assert!(zh.ends_with("已结算。"));
    player.hour(SO2, at("2026-06-01 22"), "71", Some(Validity::Valid));
    assert_eq!(last(&player).2, json!(["late-record"]));
    player.hour(SO2, at("2026-06-01 22"), "72", Some(Validity::Valid));
    let (stage, revision, why, zh) = last(&player);
    assert_eq!((stage.as_str(), revision, why), ("settled", 2, json!(["re-upload"])));
    assert!(zh.ends_with("已结算后第 2 次修订：数据重新上报。"), "{zh}");
    for (hour, cause) in [(3, RevisedBy::Ruling), (4, RevisedBy::Entry)] {
        let time = at(&format!("2026-06-01 {hour}"));
        let worth = (Some(Validity::Exempt), Some(cause));
        player.outlet.worth(&player.limits, (Mean::Hour, time, SO2), worth, &mut Vec::new());
    }
    player.to(player.now);
    assert_eq!(last(&player).2, json!(["entry", "ruling"]));
}

/// inc19:t850, as the rule file has it.
fn t850() -> Count {
    Count {
        name: "inc19:t850".into(),
        signal: "temp".into(),
        code: "a01901".into(),
        below: 850.0,
        max: 5,
        unless: Vec::new(),
        zh: "炉膛温度".into(),
        en: "furnace temperature".into(),
        clause: "部令第10号".into(),
        certainty: hj212_marking::Certainty::S,
        dates: hj212_marking::Dates::default(),
    }
}

#[test]
fn a_furnace_of_which_nothing_comes_is_not_judged_and_says_so() {
    let mut player = Player::new(&[]);
    player.counts = vec![t850()];
    player.outlet.present(at("2026-06-01 8"));
    player.to(at("2026-06-02 2"));
    let body = player.said("judgement/day").last().copied().cloned().unwrap();
    assert_eq!((&body["code"], &body["outcome"]), (&"t850@furnace-1".into(), &"not-judged".into()));
    assert_eq!((&body["reasons"], &body["stage"]), (&json!(["no-values"]), &"provisional".into()));
    assert!(body["explain"]["zh"].as_str().unwrap().contains("当日没有收到5分钟均值"));
    player.to(at("2026-06-04 13"));
    let settled = player.said("judgement/day").into_iter().filter(|body| body["stage"] == "settled").count();
    assert_eq!(settled, 3, "each day for itself");
}

#[test]
fn what_has_no_flow_says_so_whatever_the_marks_say() {
    let mut player = Player::new(&[limit("w01018", "50", "day", None)]);
    for hour in 0..24 {
        let time = at(&format!("2026-06-01 {hour}"));
        player.hour("w01018", time, "40", Some(Validity::Invalid));
    }
    player.to(at("2026-06-02 2"));
    let body = player.said("judgement/day").last().copied().cloned().unwrap();
    assert_eq!(body["reasons"], json!(["too-few", "no-flow"]));
}

#[test]
fn the_ratio_is_that_of_the_compared_value() {
    for (value, max, decimals, outcome, compared, ratio, multiple) in [
        ("35.5", "35", Some(0), "exceeded", "36", "1.0286", json!("0.0286")),
        ("50.5", "50", Some(0), "met", "50", "1", Value::Null),
        ("10.000001", "10", None, "exceeded", "10.000001", "1.0000001", json!("0.0000001")),
    ] {
        let mut player = Player::new(&[limit(SO2, max, "day", decimals)]);
        player.day(SO2, "2026-06-01", value, &[]);
        player.to(at("2026-06-02 13"));
        let body = player.said("judgement/day").last().copied().cloned().unwrap();
        assert_eq!((&body["outcome"], &body["compared"]), (&outcome.into(), &compared.into()), "{value}");
        assert_eq!((&body["ratio"], &body["multiple"]), (&ratio.into(), &multiple), "{value}");
    }
}

#[test]
fn the_day_so_far_says_what_is_possible() {
    let mut player = Player::new(&[limit(SO2, "80", "day", None)]);
    for hour in 0..12 {
        player.hour(SO2, at(&format!("2026-06-01 {hour}")), "120", Some(Validity::Valid));
    }
    let last = player.said("judgement/running").last().copied().cloned().unwrap();
    // 12 × 120 = 1440; the day may have 24 × 80 = 1920: 480 are left for 12 hours.
    assert_eq!((last["possible"].as_str(), last["rest_max"].as_str()), (Some("can-meet"), Some("40")));
    assert_eq!((last["ratio"].as_str(), last["left"].as_u64()), (Some("1.5"), Some(12)));
    for hour in 12..17 {
        player.hour(SO2, at(&format!("2026-06-01 {hour}")), "120", Some(Validity::Valid));
    }
    // 17 × 120 = 2040 > 1920.
    let last = player.said("judgement/running").last().copied().cloned().unwrap();
    assert_eq!((last["possible"].as_str(), last["rest_max"].as_str()), (Some("sure-to-exceed"), None));
}

#[test]
fn hours_of_an_hourly_limit_are_said_as_they_come_and_when_they_are_settled() {
    let mut player = Player::new(&[limit(SO2, "100", "hour", None)]);
    player.day(SO2, "2026-06-01", "90", &[(3, "101", Validity::Valid), (4, "300", Validity::Exempt)]);
    let hours = |player: &Player| {
        let all = player.said("judgement/hour");
        let each = |stage: &str| all.iter().filter(|body| body["stage"] == stage).count();
        (each("provisional"), each("settled"))
    };
    assert_eq!(hours(&player), (24, 0));
    player.to(at("2026-06-02 13"));
    assert_eq!(hours(&player), (24, 1), "the one that exceeds");
    let mut out = Vec::new();
    let hour = at("2026-06-01 4");
    player.outlet.worth(&player.limits, (Mean::Hour, hour, SO2), (Some(Validity::Valid), None), &mut out);
    let body = out[0].body.clone().unwrap();
    assert_eq!((body["outcome"].as_str(), body["revision"].as_u64()), (Some("exceeded"), Some(1)));
    assert_eq!(body["multiple"], "2");
}

#[test]
fn of_several_limits_the_strictest_of_the_day_holds() {
    let dated = |max: &str, from: Option<&str>, until: Option<&str>| EmissionLimit {
        from: from.map(str::to_owned),
        until: until.map(str::to_owned),
        ..limit(SO2, max, "day", None)
    };
    let of = limits(&[dated("100", None, None), dated("80", Some("2026-06-02"), Some("2026-06-04"))]);
    let max = |day: &str| of.on(SO2, Period::Day, calendar::read(day).unwrap()).unwrap().max.to_string();
    assert_eq!(
        [max("2026-06-01"), max("2026-06-02"), max("2026-06-03"), max("2026-06-04")],
        ["100", "80", "80", "100"]
    );
    assert!(limits(&[limit(SO2, "80", "", None)]).is_empty(), "nobody said of which period");
}

#[test]
fn days_without_anything_are_told_and_those_out_of_service_are_not_due() {
    let mut player = Player::new(&[limit(SO2, "80", "day", None)]);
    player.day(SO2, "2026-06-01", "50", &[]);
    let second = at("2026-06-03");
    player.table.excluded = (0..24).map(|hour| second.0 + hour * HOUR).collect();
    player.to(at("2026-06-04 13"));
    let all: Vec<_> = player.said("judgement/day").iter().map(|body| body["reasons"][0].clone()).collect();
    assert!(all.contains(&Value::from("no-values")) && all.contains(&Value::from("all-excluded")), "{all:?}");
}

#[test]
fn what_is_remembered_of_an_outlet_is_bounded() {
    let codes: Vec<String> = (0..8).map(|n| format!("a{n:05}")).collect();
    let of: Vec<EmissionLimit> = codes.iter().map(|code| limit(code, "80", "day", None)).collect();
    let mut player = Player::new(&of);
    let first = at("2026-01-01");
    for day in 0..60 {
        for (n, code) in codes.iter().enumerate() {
            for hour in 0..24 {
                let heard = Heard {
                    of: Mean::Hour,
                    at: Timestamp(first.0 + day * DAY + hour * HOUR),
                    code,
                    measured: Some(&format!("{}.{}", 1000 + n, day * 24 + hour)),
                    converted: None,
                    total: None,
                    worth: Some(Validity::Valid),
                    minutes: Some((60, 60)),
                };
                let now = Timestamp(first.0 + day * DAY + (hour + 1) * HOUR);
                player.outlet.take(&player.limits, &heard, now, &mut Vec::new());
            }
        }
        player.to(Timestamp(first.0 + (day + 1) * DAY));
    }
    let bytes = postcard::to_allocvec(&player.outlet).unwrap().len();
    println!("{bytes} bytes of a snapshot for 8 factors");
    assert!(bytes < 96 * 1024, "{bytes}");
    assert!(player.outlet.days().values().all(|days| days.len() <= DAYS_KEPT));
}

#[test]
fn nothing_of_the_future_is_taken_and_what_is_too_old_to_be_judged_again_is_told() {
    let mut player = Player::new(&[limit(SO2, "80", "day", None)]);
    player.day(SO2, "2026-01-01", "50", &[]);
    player.day(SO2, "2026-06-01", "50", &[]);
    let before = player.outlet.clone();
    let heard = Heard {
        of: Mean::Hour,
        at: at("2027-06-01"),
        code: SO2,
        measured: Some("1"),
        converted: None,
        total: None,
        worth: None,
        minutes: None,
    };
    player.outlet.take(&player.limits, &heard, player.now, &mut player.out);
    assert_eq!(player.outlet, before);
    let (from, to) = (at("2026-01-01"), at("2026-01-02"));
    let mut out = Vec::new();
    player.outlet.touch((from, to), None, player.now, &mut out);
    assert_eq!(out[0].topic, "event/judgement-forgotten");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// What a day is settled as does not depend on the order in which its hours, and what they are worth, came.
    #[test]
    fn settlement_does_not_depend_on_order(
        hours in proptest::collection::vec((0u32..3000, 0usize..6), 24),
        order in Just((0usize..24).collect::<Vec<_>>()).prop_shuffle(),
        late in proptest::collection::vec(any::<bool>(), 24),
    ) {
        const WORTHS: [Validity; 6] = [Validity::Valid, Validity::Valid, Validity::Conditional, Validity::Exempt,
            Validity::Invalid, Validity::Excluded];
        let settle = |order: &[usize], late: &[bool]| {
            let mut player = Player::new(&[limit(SO2, "150", "day", Some(0))]);
            player.now = at("2026-06-01 23");
            for hour in order {
                let (value, worth) = hours[*hour];
                let first = if late[*hour] { Validity::Valid } else { WORTHS[worth] };
                player.hour(SO2, at(&format!("2026-06-01 {hour}")), &format!("{}.{}", value / 10, value % 10), Some(first));
            }
            for hour in order.iter().rev().filter(|hour| late[**hour]) {
                let time = at(&format!("2026-06-01 {hour}"));
                player.outlet.worth(&player.limits, (Mean::Hour, time, SO2), (Some(WORTHS[hours[*hour].1]), None), &mut Vec::new());
            }
            player.to(at("2026-06-02 13"));
            let last = player.said("judgement/day").last().copied().cloned().unwrap();
            (last["outcome"].clone(), last["values"].clone(), last["reasons"].clone())
        };
        let plain: Vec<usize> = (0..24).collect();
        prop_assert_eq!(settle(&plain, &[false; 24]), settle(&order, &late));
    }

    /// The outcome of a day with hours that wait for rulings stands only if every ruling leads to it.
    #[test]
    fn no_ruling_changes_an_outcome_that_stands(
        sure in proptest::collection::vec(700u32..900, 16..24),
        doubtful in proptest::collection::vec(0u32..3000, 0..6),
    ) {
        let hours: Vec<(u32, bool)> = sure.iter().map(|v| (*v, false)).chain(doubtful.iter().map(|v| (*v, true))).take(24).collect();
        let outcome = |ruled: u32| {
            let mut player = Player::new(&[limit(SO2, "80", "day", None)]);
            let mut number = 0;
            for (hour, (value, waits)) in hours.iter().enumerate() {
                let mut worth = if *waits { Validity::Conditional } else { Validity::Valid };
                if *waits && ruled != u32::MAX {
                    worth = if ruled >> number & 1 == 1 { Validity::Valid } else { Validity::Invalid };
                    number += 1;
                }
                player.hour(SO2, at(&format!("2026-06-01 {hour}")), &format!("{}.{}", value / 10, value % 10), Some(worth));
            }
            player.to(at("2026-06-02 13"));
            player.last_day().1
        };
        let waiting = hours.iter().filter(|(_, waits)| *waits).count();
        let said = outcome(u32::MAX);
        let mut ruled: Vec<String> = (0..1u32 << waiting).map(outcome).collect();
        ruled.sort();
        ruled.dedup();
        if said != "left-to-people" {
            prop_assert_eq!(ruled, vec![said]);
        } else {
            prop_assert!(ruled.len() > 1);
        }
    }
}

#[test]
fn rules_say_their_mistakes() {
    let good: BTreeMap<String, String> = super::alerts::built_in_texts();
    let (name, text) = good.iter().next().unwrap();
    assert!(super::alerts::Rules::read(name, text).unwrap().placeholder);
    for (from, to, says) in [
        ("ratio > 1\"", "ratios > 1\"", "tests something else"),
        ("rank = 2", "rank = 1", "used twice"),
        ("reply = \"48h\"", "reply = \"soon\"", "is no time"),
        ("clause = \"practice of platforms\"", "clause = \"\"", "no clause"),
        ("schema = \"alerts/1\"", "schema = \"alerts/2\"", "schema"),
        ("close_after = 1", "close_after = 0", "close_after"),
        ("event = \"limit-near\"", "event = \"other\"", "either when"),
        ("version = \"0\"", "version = 0", "version"),
        ("holidays = []", "holidays = [\"2026-13-01\"]", "no day"),
    ] {
        assert!(text.contains(from), "{from}");
        let found = super::alerts::Rules::read(name, &text.replacen(from, to, 1)).unwrap_err();
        assert!(found.iter().any(|problem| problem.to_string().contains(says)), "{to}: {found:?}");
    }
}
