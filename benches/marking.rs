//! What marking costs: reports of twelve factors from a furnace line, with all the rules of three sets.
//!
//! Throughput is in readings: the time of one element is what one reading costs.

#![allow(missing_docs, clippy::unwrap_used, clippy::print_stderr, reason = "a bench speaks plainly")]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use hj212_marking::{MarkVerdict, Marks, Observation, Plan, Reading, RuleBook};
use hj212_model::message::{Facility, Kind, StationFacts, Timestamp};

const CODES: [&str; 12] =
    ["a34013", "a21026", "a21002", "a19001", "a01011", "a01012", "a01013", "a01014", "feed", "temp", "burner", "fan"];
const START: i64 = 1_780_243_200_000_000;
const FRAMES: i64 = 1000;

/// Enters faults of five minutes, half an hour apart, and one that holds.
fn enter(marks: &mut Marks, plan: &Plan, now: &mut i64, entries: i64) {
    let mut verdict = MarkVerdict::default();
    let mut say = |id: String, begin: i64, end: Option<i64>, at: i64| {
        let time = |at: i64| Timestamp(at).to_rfc3339();
        let end = end.map_or("null".to_owned(), |end| format!("\"{}\"", time(end)));
        let text = format!(
            "{{\"schema\":\"hj212.mark-entry/1\",\"id\":\"{id}\",\"mark\":\"inc19:fault\",\"object\":\"furnace-1\",\"begin\":\"{}\",\"end\":{end},\"reason\":\"r\",\"proof\":\"p\",\"author\":\"a\"}}",
            time(begin)
        );
        let code = |code: &str| Some(code.to_owned());
        let answer = marks.enter(plan, Timestamp(at), (&id, text.as_bytes()), &code, &mut verdict);
        assert!(answer.refused.is_none(), "{answer:?}");
    };
    for n in 0..entries {
        let begin = *now + n * 3_600_000_000;
        say(format!("e{n}"), begin, Some(begin + 300_000_000), begin + 400_000_000);
    }
    *now += entries * 3_600_000_000 + 400_000_000;
    say("open".to_owned(), *now, None, *now);
}

fn marking(criterion: &mut Criterion) {
    let book = RuleBook::built_in().unwrap_or_default();
    let alias = |name: &str| (name.to_owned(), name.to_owned());
    let furnace = Facility {
        id: "furnace-1".into(),
        kind: "furnace".into(),
        factors: Vec::new(),
        aliases: ["feed", "temp", "burner", "fan"].map(alias).into(),
    };
    let facts = StationFacts {
        rules: ["inc19", "dev22", "check"].map(str::to_owned).into(),
        facilities: vec![furnace],
        limits: [("a21026".to_owned(), "100".to_owned())].into(),
        ranges: [("a21026".to_owned(), ("0".to_owned(), "500".to_owned()))].into(),
        ..StationFacts::default()
    };
    let plan = Plan::new(&book, Some(&facts), "2017", "air");
    let rules: usize = plan.sets().iter().filter_map(|set| book.sets.get(set)).map(|set| set.rules.len()).sum();
    eprintln!("{rules} rules of {:?}", plan.sets());
    // With every report a letter of every other factor changes, so that marks begin and end all the time.
    for (name, flag, stopped, entries) in [
        ("running", "N", false, None),
        ("calibrating_and_stopped", "C", true, None),
        ("running_while_an_entry_holds", "N", false, Some(0)),
        ("running_while_an_entry_holds_after_500", "N", false, Some(500)),
        ("letters_change_while_an_entry_holds_after_500", "", false, Some(500)),
    ] {
        let mut group = criterion.benchmark_group("marking");
        group.throughput(Throughput::Elements(FRAMES as u64 * CODES.len() as u64));
        let mut marks = Marks::default();
        let mut verdict = MarkVerdict::default();
        marks.install(&plan, &mut verdict);
        let mut now = START;
        if let Some(entries) = entries {
            enter(&mut marks, &plan, &mut now, entries);
        }
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                for n in 0..FRAMES {
                    now += 30_000_000;
                    let text = ["12.5", "12.6", "12.7"][n as usize % 3];
                    let mut place = n;
                    let readings = CODES.map(|code| {
                        place += 1;
                        let flag = match flag {
                            "" if place % 2 == 0 => "C",
                            "" => "N",
                            flag => flag,
                        };
                        let text = match code {
                            "feed" | "fan" | "burner" if stopped => "0",
                            "temp" if !stopped => "905.5",
                            _ => text,
                        };
                        Reading { code, text, judged: None, none: false, doubtful: false, flag: Some(flag) }
                    });
                    let at = Timestamp(now);
                    let seen = Observation { at, data: Some(at), kind: Kind::Realtime, readings: &readings };
                    marks.observe(&plan, black_box(&seen), &mut verdict);
                    black_box(&verdict);
                }
            });
        });
        group.finish();
    }
}

criterion_group!(benches, marking);
criterion_main!(benches);
