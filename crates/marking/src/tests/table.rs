//! Every ruling about every state of an entry, before and after the deadline, by every role: `fixtures/marking/rulings.out` is the table.
//! `UPDATE=1 cargo test table` writes it again, to be read line by line before it is kept.

use super::rulings::{HOUR, Station, start};
use super::*;

const STATES: [&str; 13] = [
    "unknown",
    "in-time",
    "waits",
    "late",
    "partly-late",
    "withdrawn",
    "withdrawn-late",
    "superseded",
    "accepted-by-county",
    "doubted-by-city",
    "limited-by-city",
    "annulled-by-county",
    "annulled-by-province",
];
/// Hours after 08:00 of the first day: 11:00 of the next, before its noon; three days later; when the hours are too old to be put right.
const MOMENTS: [(&str, i64); 3] = [("before", 27), ("after", 75), ("weeks-after", 51 * 24)];
/// What it is called here, the ruling, and its from and to.
type Said = (&'static str, &'static str, Option<(i64, i64)>);

const RULINGS: [Said; 6] = [
    ("accept", "accept", None),
    ("doubt", "doubt", None),
    ("annul", "annul", None),
    ("limit", "limit", Some((1, 2))),
    ("limit-out", "limit", Some((-9, -8))),
    ("restore", "restore", None),
];

fn at(station: &mut Station, hours: i64) {
    let wanted = start() + hours * HOUR;
    station.player.now = station.player.now.max(wanted);
    let mut out = MarkVerdict::default();
    station.player.marks.tick(&station.player.plan, Timestamp(wanted), &mut out);
}

/// Six hours of the first day and four of the second, of 400 mg/m³ against a limit of 100; an entry E1 over hours 1 and 2.
fn station(state: &str, moment: i64) -> Option<Station> {
    let mut station = Station::new("inc19,dev22");
    (0..6).chain(16..20).for_each(|hour| station.hour(hour, &[("a21026", "400", "N")]));
    let time = (1, Some(3));
    let fault = |station: &mut Station| assert_eq!(station.entry("E1", "inc19:fault", time, &[]).refused, None);
    match state {
        "unknown" => {}
        "in-time" => fault(&mut station),
        "waits" => {
            assert_eq!(station.entry("E1", "dev22:force1", time, &[("object", "outlet")]).refused, None);
        }
        "late" | "partly-late" | "withdrawn-late" if moment < 28 => return None,
        "late" => {
            at(&mut station, 29);
            assert!(station.entry("E1", "inc19:fault", time, &[]).late);
        }
        "partly-late" => {
            at(&mut station, 29);
            assert!(station.entry("E1", "dev22:maint", (1, Some(18)), &[("object", "a21026")]).late);
        }
        "withdrawn" | "withdrawn-late" | "superseded" => {
            fault(&mut station);
            at(&mut station, if state == "withdrawn-late" { 29 } else { 20 });
            let (how, time) = if state == "superseded" { ("supersedes", (1, Some(2))) } else { ("withdraws", time) };
            assert_eq!(station.entry("E2", "inc19:fault", time, &[(how, "E1")]).refused, None);
        }
        ruled => {
            fault(&mut station);
            let (ruling, role) = ruled.split_once("-by-").unwrap();
            let (ruling, within) = match ruling {
                "accepted" => ("accept", None),
                "doubted" => ("doubt", None),
                "limited" => ("limit", Some((1, 2))),
                _ => ("annul", None),
            };
            assert_eq!(station.rule("R0", role, "E1", ruling, within).refused, None);
        }
    }
    if moment > 1000 {
        station.hour(moment - 2, &[("a21026", "400", "N")]);
    }
    at(&mut station, moment);
    station.revisions.clear();
    station.player.happenings.clear();
    Some(station)
}

fn works(works: Option<Works>) -> String {
    let hour = |at: Timestamp| (at.0 - start()) / HOUR;
    works.map_or("none".to_owned(), |works| {
        let until = works.until.map_or("open".to_owned(), |until| hour(until).to_string());
        format!("{} {}..{until}", works.validity.name(), hour(works.from))
    })
}

/// What comes of one ruling, in words; and what must be so of any.
fn outcome(station: &mut Station, role: &str, (_, ruling, within): Said) -> String {
    let before = station.player.marks.clone();
    let answer = station.rule("R1", role, "E1", ruling, within);
    if let Some((code, zh, en)) = &answer.refused {
        assert_eq!(station.player.marks, before, "{code}");
        assert!(station.player.happenings.is_empty() && station.revisions.is_empty() && answer.changed.is_none());
        assert!(!zh.is_empty() && !en.is_empty());
        return format!("refused {code}");
    }
    let changed = answer.changed.clone().unwrap();
    assert_eq!(station.told("mark-ruled"), 1);
    assert_eq!(
        station.player.happenings.iter().find(|h| h.kind == "mark-ruled").unwrap().detail["changed"],
        changed.view()
    );
    let periods: u32 = changed.periods.iter().sum();
    assert_eq!(periods as usize, station.revisions.len());
    assert_eq!(periods == 0, changed.nothing.is_some(), "what changed nothing says why");
    // The same once more is answered as it was, and does nothing.
    let (marks, told) = (station.player.marks.clone(), station.player.happenings.len());
    assert_eq!(station.rule("R1", role, "E1", ruling, within), answer);
    assert_eq!((station.player.happenings.len(), periods as usize), (told, station.revisions.len()));
    assert_eq!(station.player.marks, marks);
    // What the answer says of the entry is what the entry is, and the last revision of an hour is what the hour is worth.
    let mark = station
        .player
        .marks
        .held()
        .chain(station.player.marks.ended())
        .find(|m| m.by == "E1" && m.said.is_some())
        .unwrap();
    assert_eq!((Works::of(mark), mark.standing), (changed.is, changed.standing));
    for revision in &station.revisions {
        for reading in &revision.readings {
            let now = station.player.marks.worth_now(
                &station.player.plan,
                &reading.code,
                revision.kind,
                revision.data_time,
                None,
            );
            assert_eq!(now, reading.is);
            assert_ne!(reading.was, reading.is);
        }
    }
    let why = changed.nothing.map_or(String::new(), |nothing| format!(" ({})", nothing.words().0));
    format!(
        "{} -> {}, {}, {} hours, {} closed{why}",
        works(changed.was),
        works(changed.is),
        changed.standing.name(),
        changed.periods[1],
        changed.closed
    )
}

#[test]
fn every_ruling_about_every_state_of_an_entry_says_what_it_changed_or_why_nothing() {
    let mut text = String::from(
        "# State of the entry | ruling | when and by whom: what comes of it. Hours are counted from 08:00; the entry is about hours 1 and 2 (partly-late: 1 to 17, of\n# which the second day begins at 16). when: before noon of the next day, days after, weeks after.\n",
    );
    for state in STATES {
        for ruling in RULINGS {
            let mut outcomes: Vec<(String, Vec<String>)> = Vec::new();
            for (when, moment) in MOMENTS {
                for role in ["county", "city", "province"] {
                    let Some(mut station) = station(state, moment) else { continue };
                    let outcome = outcome(&mut station, role, ruling);
                    let who = format!("{when}/{role}");
                    match outcomes.iter_mut().find(|(known, _)| *known == outcome) {
                        Some((_, of)) => of.push(who),
                        None => outcomes.push((outcome, vec![who])),
                    }
                }
            }
            let all = outcomes.len() == 1;
            for (outcome, of) in outcomes {
                let of = if all { "always".to_owned() } else { of.join(" ") };
                text.push_str(&format!("{state} | {} | {of}: {outcome}\n", ruling.0));
            }
        }
    }
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/marking/rulings.out");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    for (now, then) in text.lines().zip(kept.lines()) {
        assert_eq!(now, then);
    }
    assert_eq!(text.lines().count(), kept.lines().count());
}

#[test]
fn what_a_ruling_gives_back_of_a_limit_is_put_right_where_another_mark_needed_it() {
    for restored in [false, true] {
        let mut station = Station::new("inc19");
        station.player.restored = restored;
        // 60 h of stops a year: 32 and 28 are all of them.
        station.hour(0, &[("a21026", "400", "N")]);
        assert_eq!(station.entry("A", "inc19:stop", (0, Some(32)), &[]).refused, None);
        (1..73).for_each(|hour| station.hour(hour, &[("a21026", "400", "N")]));
        assert_eq!(station.entry("B", "inc19:stop", (44, Some(72)), &[]).refused, None);
        let all: Vec<i64> = station.righted().iter().map(|(hour, ..)| *hour).collect();
        assert_eq!(all, [0].into_iter().chain(44..72).collect::<Vec<_>>(), "the others were exempt when they came");
        // Two hours before B use the limit first: the last two hours of B are exempt no more, and that is said.
        let (exempt, valid) = (Some(Validity::Exempt), Some(Validity::Valid));
        let so2 = |hour, was, is| (hour, "a21026".to_owned(), was, is);
        assert_eq!(station.entry("C", "inc19:stop", (40, Some(42)), &[]).refused, None);
        let wanted = [(40, valid, exempt), (41, valid, exempt), (70, exempt, valid), (71, exempt, valid)];
        assert_eq!(station.righted(), wanted.map(|(hour, was, is)| so2(hour, was, is)));
        // The other way round when C never had effect.
        let changed = station.rule("R1", "county", "C", "annul", None).changed.unwrap();
        assert_eq!((changed.periods, changed.nothing), ([0, 4, 0], None));
        assert_eq!(station.righted(), wanted.map(|(hour, was, is)| so2(hour, is, was)));
    }
}
