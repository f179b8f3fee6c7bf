//! H5: an act is judged by the text that was in force when it was done. 生态环境法典 replaced ten acts on 2026-08-15; what was done in July is judged by
//! the old text, whenever its data come and whenever it is explained.

use super::*;

const LAW: &str = r#"
schema = "marks/1"
set = "law"
version = "1"
zh = "测试"
en = "test"
mark = [
  { id = "high", zh = "超限", en = "high", object = "factor", dimension = "device", validity = "invalid", source = "s", certainty = "I" },
  { id = "rest", zh = "停", en = "rest", object = "furnace", dimension = "condition", validity = "exempt", source = "s", certainty = "I" },
]

[[rule]]
id = "high-old"
version = 1
mark = "high"
effect = "apply"
when = 'value > 100'
before = "2026-08-15"
clause = "大气污染防治法 第一百一十七条（旧）"
certainty = "I"

[[rule]]
id = "high-new"
version = 1
mark = "high"
effect = "apply"
when = 'value > 100'
from = "2026-08-15"
clause = "生态环境法典 第一千零八十六条"
certainty = "S"

[[limit]]
id = "rest-old"
marks = ["rest"]
per = "day"
max = "4h"
until = "2026-08-15"
clause = "旧"
certainty = "I"

[[limit]]
id = "rest-new"
marks = ["rest"]
per = "day"
max = "2h"
from = "2026-08-15"
clause = "新"
certainty = "S"
"#;

fn law() -> RuleBook {
    let mut files: Vec<(String, String)> = built_in_texts().into_iter().collect();
    files.push(("law.toml".into(), LAW.into()));
    RuleBook::load(&files).unwrap_or_else(|problems| panic!("{problems:#?}"))
}

fn player(book: &RuleBook, at: &str) -> Player {
    let mut player = Player::new(book, &rig("law"), "2017", "air");
    player.now = super::super::calendar::read(at).unwrap().0;
    player
}

/// Clauses of the marks that began, with since and until.
fn clauses(player: &Player) -> Vec<(String, String, Option<String>)> {
    let marks = player.marks.ended().chain(player.marks.held()).filter(|mark| mark.mark == "law:high");
    let short = |at: Timestamp| at.to_rfc3339()[5..16].to_owned();
    let mut all: Vec<_> = marks.map(|m| (m.clause.clone(), short(m.since), m.until.map(short))).collect();
    all.sort_by(|a, b| a.1.cmp(&b.1));
    all
}

#[test]
fn a_clause_ends_and_the_next_begins_at_midnight_of_beijing() {
    let book = law();
    for restored in [false, true] {
        let mut player = player(&book, "2026-08-14T23:50:00+08:00");
        player.restored = restored;
        player.steps("x20 a21026=200/N | a21026=5/N", "", "");
        let (old, new) = ("大气污染防治法 第一百一十七条（旧）", "生态环境法典 第一千零八十六条");
        let wanted = [(old, "08-14T23:51", "08-15T00:00"), (new, "08-15T00:00", "08-15T00:11")];
        let wanted = wanted.map(|(clause, since, until)| (clause.to_owned(), since.to_owned(), Some(until.to_owned())));
        assert_eq!(clauses(&player), wanted);
        // The text that is handed over is that of the rule that was in force.
        let texts = [("law.toml", LAW)];
        let text = book.text_of_rule("law:high-old", 1, texts.into_iter()).unwrap().text;
        assert!(text.contains("第一百一十七条") && !text.contains("第一千零八十六条"), "{text}");
    }
}

#[test]
fn data_of_july_that_come_in_september_are_judged_by_the_text_of_july() {
    let book = law();
    let mut player = player(&book, "2026-09-01T08:00:00+08:00");
    player.steps("a21026=5/N", "", "");
    // Backfill: it came in September.
    let data = Timestamp(super::super::calendar::read("2026-07-20T10:00:00+08:00").unwrap().0);
    let readings =
        [Reading { code: "a21026", text: "200", judged: None, none: false, doubtful: false, flag: Some("N") }];
    let seen = Observation { at: Timestamp(player.now), data: Some(data), kind: Kind::Realtime, readings: &readings };
    let mut out = MarkVerdict::default();
    player.marks.observe(&player.plan, &seen, &mut out);
    assert_eq!(
        (out.readings[0].validity, &out.readings[0].marks[..]),
        (Some(Validity::Invalid), &["law:high".to_owned()][..])
    );
    assert!(clauses(&player).is_empty(), "it drives nothing: {:?}", clauses(&player));
}

#[test]
fn limits_of_both_texts_count_their_own_days() {
    let book = law();
    let mut player = player(&book, "2026-08-16T09:00:00+08:00");
    player.by_hand("law:rest", "furnace-1", 1, "before, so that the rules are known");
    let entry = |id: &str, day: &str| {
        format!(
            r#"{{"schema":"hj212.mark-entry/1","id":"{id}","mark":"law:rest","object":"furnace-1","begin":"2026-08-{day}T01:00:00+08:00","end":"2026-08-{day}T06:00:00+08:00","reason":"r","proof":"p","author":"a"}}"#
        )
    };
    player.now = super::super::calendar::read("2026-08-15T09:00:00+08:00").unwrap().0;
    player.enter(&entry("old", "14"));
    player.now = super::super::calendar::read("2026-08-16T09:00:00+08:00").unwrap().0;
    player.enter(&entry("new", "15"));
    let spent = |id: &str| {
        let mark = player.marks.ended().find(|mark| mark.by == id).unwrap();
        mark.without.first().map(|(from, _)| from.to_rfc3339()[8..13].to_owned())
    };
    assert_eq!(
        (spent("old").as_deref(), spent("new").as_deref()),
        (Some("14T05"), Some("15T03")),
        "four hours, then two"
    );
}

#[test]
fn where_the_deadline_changes_each_day_of_an_entry_has_its_own() {
    let read = |text: &str| super::super::calendar::read(text).unwrap().0;
    let midnight = read("2026-03-15T00:00:00+08:00");
    let deadline = |days: u8, hour: u8, from: i64, until: i64| Entries {
        deadline_days: days,
        deadline_hour: hour,
        proof: false,
        clause: "c".into(),
        dates: Dates { from, until },
    };
    let entry = |id: &str, end: &str, more: &str| {
        format!(
            r#"{{"schema":"hj212.mark-entry/1","id":"{id}","mark":"inc19:off","object":"furnace-1","begin":"2026-03-14T22:00:00+08:00","end":"2026-03-{end}:00:00+08:00","reason":"r","proof":"p","author":"a"{more}}}"#
        )
    };
    for (end, wanted) in [("15T02", "14T22 14T23"), ("16T01", "14T22 14T23 16T00")] {
        let mut player = Player::new(&book(), &rig("inc19"), "2017", "air");
        // Three days until the 15th, from then on noon of the next day: on the evening of the 16th the 14th is open and the 15th is not.
        player.plan.rules_mut().entries = vec![deadline(3, 0, i64::MIN, midnight), deadline(1, 12, midnight, i64::MAX)];
        player.now = read("2026-03-16T20:00:00+08:00");
        let answer = player.enter(&entry("e1", end, ""));
        assert_eq!((answer.refused, answer.late), (None, true));
        let works = |player: &Player| {
            let marks: Vec<_> = player.marks.ended().filter(|mark| mark.said.is_some()).collect();
            let hours = (0..30).map(|hour| Timestamp(midnight + (hour - 3) * 60 * MINUTE));
            let works = hours.filter(|hour| {
                let one = marks.iter().any(|mark| mark.works_at(hour.0));
                assert_eq!(one, marks.iter().any(|mark| !mark.in_effect(hour.0, hour.0 + 1).is_empty()));
                one
            });
            works.map(|hour| hour.to_rfc3339()[8..13].to_owned()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(works(&player), wanted);
        // What it did in open days goes when it is withdrawn, on both sides of the closed one.
        let answer = player.enter(&entry("e2", end, r#","withdraws":"e1""#));
        assert_eq!((answer.refused, answer.late), (None, false));
        assert_eq!(works(&player), "");
    }
}

#[test]
fn a_closed_day_between_open_ones_uses_nothing_of_a_limit() {
    let read = |text: &str| super::super::calendar::read(text).unwrap().0;
    let midnight = read("2026-03-15T00:00:00+08:00");
    let deadline = |days: u8, hour: u8, from: i64, until: i64| Entries {
        deadline_days: days,
        deadline_hour: hour,
        proof: false,
        clause: "c".into(),
        dates: Dates { from, until },
    };
    let mut player = Player::new(&book(), &rig("inc19"), "2017", "air");
    player.plan.rules_mut().entries = vec![deadline(3, 0, i64::MIN, midnight), deadline(1, 12, midnight, i64::MAX)];
    player.now = read("2026-03-16T20:00:00+08:00");
    let entry = |id: &str, begin: &str, end: &str| {
        format!(
            r#"{{"schema":"hj212.mark-entry/1","id":"{id}","mark":"inc19:fault","object":"furnace-1","begin":"2026-03-{begin}:00+08:00","end":"2026-03-{end}:00+08:00","reason":"r","proof":"p","author":"a"}}"#
        )
    };
    let used = |player: &Player| -> Vec<(String, i64)> {
        player.marks.used().map(|(limit, _, _, used)| (limit.to_owned(), used / (60 * MINUTE))).collect()
    };
    let hours =
        |all: &[(&str, i64)]| all.iter().map(|(limit, hours)| ((*limit).to_owned(), *hours)).collect::<Vec<_>>();
    // Two hours of the 14th, the 15th without effect, one of the 16th: two occasions of a fault, and three hours of the year.
    player.enter(&entry("e1", "14T22:00", "16T01:00"));
    let wanted = hours(&[("inc19:fault-each", 2), ("inc19:fault-each", 1), ("inc19:shared-year", 3)]);
    assert_eq!(used(&player), wanted);
    assert!(!player.happenings.iter().any(|h| h.kind.starts_with("limit")), "nothing is nearly spent");
    // Three hours more in the evening of the 14th: that occasion is spent at 23:00 and the other is not.
    player.enter(&entry("e2", "14T19:00", "14T22:00"));
    let e1 = |player: &Player| player.marks.ended().find(|mark| mark.by == "e1").cloned().unwrap();
    assert!(!e1(&player).works_at(read("2026-03-14T23:30:00+08:00")), "beyond four hours");
    assert!(e1(&player).works_at(read("2026-03-14T22:30:00+08:00")));
    assert!(e1(&player).works_at(read("2026-03-16T00:30:00+08:00")), "another occasion");
}

#[test]
fn what_is_superseded_at_midnight_gains_no_closed_day() {
    let read = |text: &str| super::super::calendar::read(text).unwrap().0;
    let mut player = Player::new(&book(), &rig("inc19"), "2017", "air");
    let entry = |id: &str, end: &str, more: &str| {
        format!(
            r#"{{"schema":"hj212.mark-entry/1","id":"{id}","mark":"inc19:off","object":"furnace-1","begin":"2026-03-14T08:00:00+08:00","end":"2026-03-{end}:00:00+08:00","reason":"r","proof":"p","author":"a"{more}}}"#
        )
    };
    player.now = read("2026-03-14T20:00:00+08:00");
    assert!(!player.enter(&entry("e1", "15T00", "")).late);
    // On the 17th the 14th and the 15th are closed: what was entered in time for the 14th stays, the 15th gets nothing.
    player.now = read("2026-03-17T13:00:00+08:00");
    let answer = player.enter(&entry("e2", "17T06", r#","supersedes":"e1""#));
    assert_eq!((answer.refused, answer.late), (None, true));
    let works = |at: &str| player.marks.ended().any(|mark| mark.works_at(read(at)));
    let all = ["14T09", "14T23", "15T10", "16T10", "17T05"].map(|at| works(&format!("2026-03-{at}:00:00+08:00")));
    assert_eq!(all, [true, true, false, false, true]);
}

#[test]
fn a_limit_takes_exemptions_within_its_own_dates_alone() {
    // What is exempt of an entry from the 14th to the 15th at 08:00, hour by hour, where the rules change at midnight between.
    let exempt = |per: &str, old: &str, new: &str, begin: &str| -> Vec<String> {
        let text = LAW.replace("per = \"day\"", &format!("per = \"{per}\""));
        let text = text.replace("max = \"4h\"", "OLD").replace("max = \"2h\"", &format!("max = \"{new}\""));
        let text = text.replace("OLD", &format!("max = \"{old}\""));
        let mut files: Vec<(String, String)> = built_in_texts().into_iter().collect();
        files.push(("law.toml".into(), text));
        let book = RuleBook::load(&files).unwrap_or_else(|problems| panic!("{problems:#?}"));
        let mut player = player(&book, "2026-08-15T09:00:00+08:00");
        player.by_hand("law:rest", "line-1", 1, "elsewhere, so that the rules are known");
        player.enter(&format!(
            r#"{{"schema":"hj212.mark-entry/1","id":"e1","mark":"law:rest","object":"furnace-1","begin":"2026-08-{begin}:00:00+08:00","end":"2026-08-15T08:00:00+08:00","reason":"r","proof":"p","author":"a"}}"#
        ));
        let mark = player.marks.ended().find(|mark| mark.by == "e1").unwrap();
        let hours = (0..40).map(|hour| Timestamp(mark.since.0 + hour * 60 * MINUTE));
        hours.filter(|hour| mark.works_at(hour.0)).map(|hour| hour.to_rfc3339()[8..13].to_owned()).collect()
    };
    let hours = |all: &[&str]| all.iter().map(|hour| (*hour).to_owned()).collect::<Vec<_>>();
    // Before the new rule it is no occasion of that: 3 of 4 hours, then 2.
    assert_eq!(exempt("each", "4h", "2h", "14T21"), hours(&["14T21", "14T22", "14T23", "15T00", "15T01"]));
    // What the old rule took ends with it.
    for per in ["each", "month"] {
        let wanted = ["14T12", "14T13", "15T00", "15T01", "15T02", "15T03"];
        assert_eq!(exempt(per, "2h", "4h", "14T12"), hours(&wanted), "{per}");
    }
}

#[test]
fn a_letter_stands_by_its_standard_though_the_rule_about_it_is_switched_off() {
    // HJ 212-2017, table 8: N is normal, D a fault, S typed in. Switched off for good, from a day on, and not at all.
    for (from, off) in [("", true), ("from = \"2026-03-03\"\n", false), ("from = \"2026-03-02\"\n", true)] {
        for rules in ["inc19", "inc19,dev22"] {
            let disable = |rule: &str| format!("[[disable]]\nrule = \"h17:flag-{rule}\"\n{from}clause = \"c\"\n");
            let text = format!(
                "schema = \"marks/1\"\nset = \"off\"\nversion = \"1\"\nzh = \"测试\"\nen = \"test\"\noverlay = true\n{}{}{}{}",
                disable("N"),
                disable("D"),
                disable("S"),
                disable("T")
            );
            let files: Vec<_> = built_in_texts().into_iter().chain([("off.toml".to_owned(), text)]).collect();
            let book = RuleBook::load(&files).unwrap_or_else(|problems| panic!("{problems:#?}"));
            let mut player = Player::new(&book, &rig(&format!("{rules},off")), "2017", "air");
            for (said, wanted, mark) in [
                ("a21026=5/N", Validity::Valid, None),
                ("a21026=5/D", Validity::Invalid, Some("h17:D")),
                ("a21026=5/S", Validity::Conditional, Some("h17:S")),
                ("a21026=5/M", Validity::Invalid, Some("h17:M")),
                // A value beyond its range is none by a rule, and that is off; its letter stands.
                ("a21026=600/N", if off { Validity::Valid } else { Validity::Invalid }, None),
                ("a21026=600/T", Validity::Invalid, Some("h17:T")),
                ("a21026=5/?", Validity::Invalid, Some("h17:?")),
            ] {
                player.steps(said, "", "");
                let (_, judged) = player.judged.last().unwrap();
                assert_eq!(judged.validity, Some(wanted), "{from:?} {rules} {said}: {:?}", judged.marks);
                let of_letters =
                    |name: &&String| name.starts_with("h17:") && !(name.as_str() == "h17:T" && mark.is_none());
                let marks: Vec<&str> = judged.marks.iter().filter(of_letters).map(String::as_str).collect();
                assert_eq!(marks, mark.into_iter().collect::<Vec<_>>(), "{from:?} {rules} {said}");
            }
        }
    }
}
