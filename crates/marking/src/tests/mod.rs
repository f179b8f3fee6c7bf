//! Series in words played through the engine: see `fixtures/marking`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::*;
use hj212_model::message::{Facility, Kind, Pairs, StationFacts, Timestamp};

mod afterwards;
mod belated;
mod burst;
mod corrections;
mod dates;
mod forgotten;
mod hostile;
mod order;
mod random;
mod rulings;
mod scenarios;
mod settled;
mod spans;
mod table;
mod used;
mod values;
mod year;

const MINUTE: i64 = 60 * expr::SECOND;

fn book() -> RuleBook {
    RuleBook::built_in().unwrap_or_else(|problems| panic!("{problems:#?}"))
}

fn fixture(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/marking").join(name);
    std::fs::read_to_string(path).unwrap()
}

fn facility(id: &str, kind: &str, aliases: &str) -> Facility {
    let aliases =
        aliases.split(' ').map(|pair| pair.split_once('=').unwrap()).map(|(a, b)| (a.to_owned(), b.to_owned()));
    Facility { id: id.into(), kind: kind.into(), factors: Vec::new(), aliases: aliases.collect() }
}

/// The station that `marks.txt` describes.
fn rig(rules: &str) -> StationFacts {
    StationFacts {
        rules: rules.split(',').filter(|r| !r.is_empty()).map(str::to_owned).collect(),
        facilities: vec![
            facility("site", "outlet", "production=pw standby=sb load=l output=o feed=f temp=t"),
            facility("furnace-1", "furnace", "feed=f temp=t burner=b fan=n"),
            facility("unit-1", "unit", "load=l output=o breaker=k burner=ub"),
            facility("kiln-1", "kiln", "feed=kf drive=kd burner=kb"),
            facility("line-1", "production", "condition=p99101 power=pp"),
            facility("tower-1", "treatment", "condition=p99102 power=tp equipment=SB3"),
        ],
        ranges: Pairs::from([("a21026".to_owned(), ("0".to_owned(), "500".to_owned()))]),
        limits: Pairs::from([("a21026".to_owned(), "100".to_owned())]),
        ..StationFacts::default()
    }
}

struct Player {
    plan: Plan,
    marks: Marks,
    now: i64,
    entries: u32,
    happenings: Vec<Happening>,
    judged: Vec<(String, Judged)>,
    answers: Vec<Answer>,
    revisions: Vec<Revision>,
    /// Whether the state goes through its bytes before every step.
    restored: bool,
}

impl Player {
    fn new(book: &RuleBook, facts: &StationFacts, edition: &str, medium: &str) -> Player {
        let plan = Plan::new(book, Some(facts), edition, medium);
        let mut marks = Marks::default();
        marks.install(&plan, &mut MarkVerdict::default());
        let now = Timestamp(super::calendar::read("2026-03-02T08:00:00+08:00").unwrap().0).0;
        Player {
            plan,
            marks,
            now,
            entries: 0,
            happenings: vec![],
            judged: vec![],
            answers: vec![],
            revisions: vec![],
            restored: false,
        }
    }

    fn restore(&mut self) {
        if self.restored {
            let bytes = postcard::to_allocvec(&self.marks).unwrap();
            self.marks = postcard::from_bytes(&bytes).unwrap();
            self.marks.install(&self.plan, &mut MarkVerdict::default());
        }
    }

    fn report(&mut self, kind: Kind, values: &[(String, String, Option<String>)]) {
        self.restore();
        let readings: Vec<Reading<'_>> = values
            .iter()
            .map(|(c, t, f)| Reading {
                code: c,
                text: t,
                judged: None,
                none: false,
                doubtful: false,
                flag: f.as_deref(),
            })
            .collect();
        let at = Timestamp(self.now);
        let mut out = MarkVerdict::default();
        self.marks.observe(&self.plan, &Observation { at, data: Some(at), kind, readings: &readings }, &mut out);
        self.judged.extend(values.iter().map(|(code, ..)| code.clone()).zip(out.readings));
        self.revisions.extend(out.revisions);
        self.happenings.extend(out.happenings);
    }

    fn quiet(&mut self, span: i64) {
        for _ in 0..span / MINUTE {
            self.restore();
            self.now += MINUTE;
            let mut out = MarkVerdict::default();
            self.marks.tick(&self.plan, Timestamp(self.now), &mut out);
            self.revisions.extend(out.revisions);
            self.happenings.extend(out.happenings);
        }
    }

    fn enter(&mut self, text: &str) -> Answer {
        self.restore();
        let mut out = MarkVerdict::default();
        let read: Option<serde_json::Value> = serde_json::from_str(text).ok();
        let id = read.and_then(|read| Some(read.get("id")?.as_str()?.to_owned())).unwrap_or_default();
        let answer = self.marks.enter(
            &self.plan,
            Timestamp(self.now),
            (&id, text.as_bytes()),
            &|code| Some(code.to_owned()),
            &mut out,
        );
        self.revisions.extend(out.revisions);
        self.happenings.extend(out.happenings);
        self.answers.push(answer.clone());
        answer
    }

    fn rule(&mut self, (role, id): (&str, &str), text: &str) -> Answer {
        self.restore();
        let mut out = MarkVerdict::default();
        let answer = self.marks.rule(&self.plan, Timestamp(self.now), (role, id, text.as_bytes()), &mut out);
        self.happenings.extend(out.happenings);
        self.revisions.extend(out.revisions);
        self.answers.push(answer.clone());
        answer
    }

    fn by_hand(&mut self, mark: &str, object: &str, span: i64, reason: &str) -> Answer {
        self.entries += 1;
        let (begin, end) = (Timestamp(self.now).to_rfc3339(), Timestamp(self.now + span).to_rfc3339());
        let text = serde_json::json!({ "schema": "hj212.mark-entry/1", "id": format!("e{}", self.entries), "mark": mark, "object": object,
            "begin": begin, "end": end, "reason": reason, "proof": "photo-1", "author": "Wang" });
        self.enter(&text.to_string())
    }

    fn steps(&mut self, text: &str, mark: &str, object: &str) {
        for step in text.split('|').map(str::trim) {
            if let "down" | "up" = step {
                self.restore();
                let mut out = MarkVerdict::default();
                let link = if step == "up" { Link::Up } else { Link::Down };
                self.marks.link(&self.plan, link, Timestamp(self.now), &mut out);
                self.happenings.extend(out.happenings);
            } else if let Some(span) = step.strip_prefix('~') {
                self.quiet(expr::span(span).unwrap());
            } else if let Some(how) = step.strip_prefix("hand") {
                let object = if how == "-elsewhere" { "nowhere" } else { object };
                // A factor is any code but those of objects.
                self.by_hand(mark, object, 60 * MINUTE, if how == "-no-reason" { " " } else { "as in the log book" });
                self.quiet(62 * MINUTE);
            } else {
                self.reports(step);
            }
        }
    }

    fn reports(&mut self, step: &str) {
        let (times, values) = match step.strip_prefix('x') {
            Some(rest) => rest.split_once(' ').unwrap(),
            None => ("1", step),
        };
        let (count, apart) = times.split_once('/').unwrap_or((times, "1min"));
        let (count, apart) = (count.parse::<u32>().unwrap(), expr::span(apart).unwrap());
        for n in 0..count {
            self.now += apart;
            let values: Vec<_> = values
                .split_whitespace()
                .map(|value| {
                    let (code, said) = value.split_once('=').unwrap();
                    let (text, flag) =
                        said.split_once('/').map_or((said, None), |(text, flag)| (text, Some(flag.to_owned())));
                    let text = text.split_once("..").map_or(text.to_owned(), |(from, to)| {
                        let (from, to): (f64, f64) = (from.parse().unwrap(), to.parse().unwrap());
                        format!("{:.2}", from + (to - from) * f64::from(n) / f64::from((count - 1).max(1)))
                    });
                    (code.to_owned(), text, flag)
                })
                .collect();
            self.report(Kind::Realtime, &values);
        }
    }

    fn has(&self, kinds: &[&str], mark: &str, object: &str) -> bool {
        let of = |m: &Mark| m.mark == mark && m.object == object;
        self.happenings.iter().any(|h| kinds.contains(&h.kind) && h.mark.as_ref().is_some_and(of))
    }
}

/// Name, object, rules, edition, medium, series that set it, series that do not.
type Case = (String, String, String, String, String, String, String);

fn cases() -> Vec<Case> {
    let text = fixture("marks.txt");
    let mut cases: Vec<Case> = Vec::new();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(rest) = line.strip_prefix("mark ") {
            let words: Vec<&str> = rest.split(' ').collect();
            let option = |name: &str, or: &str| {
                words.iter().find_map(|w| w.strip_prefix(name)?.strip_prefix('=')).unwrap_or(or).to_owned()
            };
            let empty = String::new;
            cases.push((
                words[0].into(),
                words[2].into(),
                option("rules", ""),
                option("edition", "2017"),
                option("medium", "air"),
                empty(),
                empty(),
            ));
        } else {
            let (word, series) = line.trim().split_once(' ').unwrap();
            let case = cases.last_mut().unwrap();
            *(if word == "set" { &mut case.5 } else { &mut case.6 }) = series.trim().to_owned();
        }
    }
    cases
}

#[test]
fn the_rules_that_come_with_the_gateway_are_without_problems() {
    let book = book();
    assert!(book.sets.len() >= 11 && book.marks.len() >= 80, "{} marks", book.marks.len());
}

#[test]
fn every_mark_is_set_and_ended_by_its_series_and_not_by_one_just_below() {
    let book = book();
    let mut wrong = Vec::new();
    for (mark, object, rules, edition, medium, set, below) in cases() {
        let normal = book.marks[&mark].normal;
        for restored in [false, true] {
            for (series, wanted) in [(&set, true), (&below, false)] {
                let mut player = Player::new(&book, &rig(&rules), &edition, &medium);
                player.restored = restored;
                player.steps(series, &mark, &object);
                let begun = if normal {
                    player.judged.iter().any(|(_, j)| j.validity == Some(Validity::Valid))
                } else {
                    player.has(&["mark-begin", "mark-proposed"], &mark, &object)
                };
                let ended = normal || player.has(&["mark-end"], &mark, &object);
                if begun != wanted || (wanted && !ended) {
                    wrong.push(format!(
                        "{mark} restored={restored} wanted={wanted}: begun {begun}, ended {ended}: {series}"
                    ));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_mark_is_without_its_series() {
    let cased: BTreeSet<String> = cases().into_iter().map(|case| case.0).collect();
    // What values rest on is no episode: see the scenarios.
    let of_basis = |mark: &String| mark.starts_with("basis:");
    let missing: Vec<String> = book().marks.into_keys().filter(|m| !cased.contains(m) && !of_basis(m)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn proposals_change_nothing_until_an_entry_confirms_them() {
    let book = book();
    let mut player = Player::new(&book, &rig("inc19"), "2017", "air");
    player.steps("x9/10min f=0 b=0 t=100 n=0 a21026=3/N", "", "");
    let (_, last) = player.judged.last().unwrap().clone();
    assert_eq!((last.validity, last.proposed), (Some(Validity::Valid), vec!["inc19:off".to_owned()]));
    player.by_hand("inc19:off", "furnace-1", 600 * MINUTE, "stopped for cleaning");
    assert!(player.has(&["mark-confirmed"], "inc19:off", "furnace-1"));
    player.steps("f=0 b=0 t=100 n=0 a21026=3/N", "", "");
    let (_, last) = player.judged.last().unwrap();
    assert_eq!((last.validity, &last.marks[..]), (Some(Validity::Excluded), &["inc19:off".to_owned()][..]));
}

#[test]
fn a_stop_mark_while_the_furnace_runs_is_a_conflict() {
    let book = book();
    let mut player = Player::new(&book, &rig("inc19"), "2017", "air");
    player.steps("f=8 b=0 t=900 n=1", "", "");
    player.by_hand("inc19:off", "furnace-1", 600 * MINUTE, "said to be stopped");
    player.steps("x9 f=8 b=0 t=900 n=1", "", "");
    assert!(!player.has(&["mark-conflict"], "inc19:off", "furnace-1"), "not before ten minutes");
    player.steps("x3 f=8 b=0 t=900 n=1", "", "");
    assert!(player.has(&["mark-conflict"], "inc19:off", "furnace-1"));
    player.by_hand("inc19:fault", "furnace-1", 60 * MINUTE, "fan tripped");
    player.steps("f=8 b=0 t=900 n=1", "", "");
    assert!(player.has(&["mark-conflict"], "inc19:fault", "furnace-1"), "a fault inside a stop");
}

#[test]
fn a_mark_that_begins_just_after_an_exceedance_says_so() {
    let book = book();
    let mut player = Player::new(&book, &rig("inc19"), "2017", "air");
    player.steps("x5 a21026=150.5/N f=8 t=900 b=0 n=1 | x12 a21026=20/N f=0 t=900 b=0 n=1", "", "");
    let mark = player.marks.held().find(|mark| mark.mark == "inc19:stop").unwrap();
    let seen: Vec<_> = mark.exceedances.iter().map(|e| (e.code.as_str(), e.value.as_str(), e.limit.as_str())).collect();
    assert_eq!(seen, [("a21026", "150.5", "100")]);
    let words = explain(&book, mark);
    assert!(words.zh.contains("停炉") && words.zh.contains("超标") && words.zh.contains("仅为建议"), "{}", words.zh);
    assert!(words.en.contains("feed <= 0.1 and temp >= 850") && words.en.contains("feed f = 0"), "{}", words.en);
}

#[test]
fn entries_are_refused_with_a_reason_and_change_nothing() {
    let book = book();
    let mut player = Player::new(&book, &rig("inc19,dev22"), "2017", "air");
    player.by_hand("inc19:fault", "furnace-1", 60 * MINUTE, "first");
    let before = player.marks.clone();
    let base = serde_json::json!({ "schema": "hj212.mark-entry/1", "id": "x", "mark": "inc19:fault", "object": "furnace-1",
        "begin": "2026-03-02T08:00:00+08:00", "end": null, "reason": "r", "proof": "p", "author": "a" });
    for (key, value, code) in [
        ("schema", "other/1", "schema"),
        ("id", "a b", "id"),
        ("id", "e1", "id-used"),
        ("mark", "inc19:nothing", "unknown-mark"),
        ("mark", "h17:N", "not-by-hand"),
        ("object", "unit-1", "object"),
        ("begin", "yesterday", "time"),
        ("end", "2026-03-02T07:00:00+08:00", "interval"),
        ("begin", "2026-03-09T08:00:00+08:00", "interval"),
        ("reason", " ", "reason-missing"),
        ("reason", "\0", "reason-missing"),
        ("author", "\u{200b}", "reason-missing"),
        ("proof", "\u{3000}\u{feff}", "proof-missing"),
        ("author", "", "reason-missing"),
        ("supersedes", "e9", "unknown-entry"),
        ("surprise", "1", "unreadable"),
        ("proof", " ", "proof-missing"),
    ] {
        let mut entry = base.clone();
        entry[key] = value.into();
        let answer = player.enter(&entry.to_string());
        let (said, zh, en) = answer.refused.unwrap();
        assert_eq!(said, code, "{key} = {value}");
        assert!(!zh.is_empty() && !en.is_empty());
        assert_eq!(player.marks, before, "{key} = {value} changed something");
    }
}

#[test]
fn late_entries_are_kept_and_have_no_effect_and_withdrawals_undo() {
    let book = book();
    let mut player = Player::new(&book, &rig("inc19"), "2017", "air");
    player.now += 27 * 60 * MINUTE;
    let entry = |id: &str, begin: &str, more: &str| {
        format!(
            r#"{{"schema":"hj212.mark-entry/1","id":"{id}","mark":"inc19:off","object":"furnace-1","begin":"{begin}","end":null,"reason":"r","proof":"p","author":"a"{more}}}"#
        )
    };
    assert!(!player.enter(&entry("on-time", "2026-03-02T09:00:00+08:00", "")).late, "11:00 of the next day");
    player.now += 61 * MINUTE;
    let answer = player.enter(&entry("late", "2026-03-02T10:00:00+08:00", ""));
    assert!(answer.refused.is_none() && answer.late, "12:01 of the next day");
    let at = |text| super::calendar::read(text).unwrap().0;
    let works = |player: &Player, by: &str, when: &'static str| {
        let mut marks = player.marks.held().chain(player.marks.ended());
        marks.any(|mark| mark.by == by && !mark.in_effect(at(when), at(when)).is_empty())
    };
    let (closed, open) = ("2026-03-02T12:00:00+08:00", "2026-03-03T11:00:00+08:00");
    assert!(works(&player, "on-time", closed) && !works(&player, "late", closed), "the day before is closed");
    assert!(works(&player, "late", open), "today is open until noon of tomorrow");
    assert!(player.enter(&entry("better", "2026-03-03T09:30:00+08:00", r#","supersedes":"on-time""#)).late);
    assert!(player.has(&["mark-withdrawn"], "inc19:off", "furnace-1"));
    let held: Vec<_> = player.marks.held().map(|mark| mark.by.clone()).collect();
    assert_eq!(held, ["better", "late"]);
    assert!(works(&player, "on-time", closed), "a correction that comes late takes nothing from a closed day");
    assert!(!works(&player, "on-time", "2026-03-03T09:00:00+08:00"));
    let withdrawal =
        r#"{"schema":"hj212.mark-entry/1","id":"w","withdraws":"better","reason":"mistaken","author":"a"}"#;
    let answer = player.enter(withdrawal);
    assert!(answer.refused.is_none() && !answer.late, "it is of today");
    assert_eq!(player.marks.held().count(), 1);
    let again = withdrawal.replace("\"w\"", "\"w2\"");
    assert_eq!(player.enter(&again).refused.unwrap().0, "already-replaced");
}

fn hour(good: u32, all: u32, apart: u32, flag: &str, medium: &str) -> (Option<bool>, bool) {
    let book = book();
    let mut player = Player::new(&book, &rig(""), "2017", medium);
    let start = player.now;
    let code = if medium == "air" { "a21026" } else { "w01018" };
    let value = |flag: &str| vec![(code.to_owned(), "5".to_owned(), Some(flag.to_owned()))];
    for n in 0..all {
        player.now = start + i64::from(n * apart) * MINUTE;
        player.report(Kind::Minute, &value(if n < good { "N" } else { "D" }));
    }
    player.now = start;
    player.report(Kind::Hour, &value(flag));
    let recomputed = player.judged.last().unwrap().1.recomputed.as_ref().map(|r| r.valid);
    (recomputed, player.happenings.iter().any(|h| h.kind == "flag-differs"))
}

/// HJ 212-2017, C.17 and annex D: three quarters of the minutes give the letter, 45 of them the mean.
#[test]
fn period_flags_are_recomputed_from_finer_values() {
    assert_eq!(hour(45, 60, 1, "N", "air"), (Some(true), false));
    assert_eq!(hour(44, 60, 1, "N", "air"), (Some(false), true));
    assert_eq!(hour(45, 60, 1, "D", "air"), (Some(true), true));
    assert_eq!(hour(44, 44, 1, "N", "air"), (Some(false), true), "minutes that never came are not good ones");
    assert_eq!(hour(5, 6, 10, "N", "air"), (Some(true), false), "ten-minute data: five of six");
    assert_eq!(hour(59, 60, 1, "N", "water"), (Some(true), false), "HJ 356: 75 % of the values due");
    assert_eq!(hour(59, 60, 1, "D", "water"), (Some(true), false), "a flag that is right by either reading of C.17");
    assert_eq!(hour(44, 60, 1, "N", "water"), (Some(false), true));
    assert_eq!(hour(60, 60, 1, "N", "water"), (Some(true), false));
    assert_eq!(hour(0, 0, 1, "N", "air"), (None, false), "nothing to compare with");
}

#[test]
fn values_that_come_late_are_not_missing() {
    let book = book();
    let mut player = Player::new(&book, &rig("dev22"), "2017", "air");
    player.steps("a21026=5/N | ~2h | a21026=5/N", "", "");
    player.now -= 60 * MINUTE;
    player.steps("a21026=6/N", "", "");
    let (_, late) = player.judged.last().unwrap();
    assert_eq!((late.validity, late.marks.len()), (Some(Validity::Valid), 0));
}

#[test]
fn overlays_change_only_stations_that_name_them() {
    let book = book();
    for (rules, begun) in [("inc19", false), ("inc19,example-province", true)] {
        let mut player = Player::new(&book, &rig(rules), "2017", "air");
        player.steps("x4/10min f=0 b=0 t=100 n=0", "", "");
        assert_eq!(player.has(&["mark-proposed"], "inc19:off", "furnace-1"), begun, "{rules}");
    }
    let mut player = Player::new(&book, &rig("dev22,example-province"), "2017", "air");
    player.steps("x40 pw=0", "", "");
    assert!(!player.has(&["mark-proposed"], "dev22:stop", "outlet"), "disabled");
}

#[test]
fn changed_rules_end_their_marks_and_leave_the_others() {
    let book = book();
    let mut player = Player::new(&book, &rig("inc19"), "2017", "air");
    player.steps("x9/10min f=0 b=0 t=100 n=0 a21026=1/D", "", "");
    assert_eq!(player.marks.held().count(), 2);
    let plan = Plan::new(&book, Some(&rig("inc19,example-province")), "2017", "air");
    let mut out = MarkVerdict::default();
    player.marks.install(&plan, &mut out);
    let ended: Vec<_> = out
        .happenings
        .iter()
        .map(|h| (h.kind, h.mark.as_ref().unwrap().mark.as_str(), h.detail["reason"].as_str()))
        .collect();
    assert_eq!(ended, [("mark-end", "inc19:off", Some("rule-changed"))]);
    assert_eq!(player.marks.held().next().unwrap().mark, "h17:D");
}

#[test]
fn wrong_rule_files_are_refused_with_place_rule_and_remedy() {
    let rule = |when: &str, more: &str| {
        format!(
            "[[rule]]\nid = \"r\"\nversion = 1\nmark = \"m\"\neffect = \"apply\"\nwhen = '{when}'\nclause = \"c\"\ncertainty = \"I\"\n{more}"
        )
    };
    let mark = "mark = [ { id = \"m\", zh = \"z\", en = \"e\", object = \"factor\", dimension = \"device\", validity = \"invalid\", source = \"s\", certainty = \"I\" } ]\n";
    let other = rule("value > 3", "").replace("\"r\"", "\"q\"") + "group = \"g\"\n";
    let conflict = |mark: &str, more: &str| {
        format!(
            "[[conflict]]\nid = \"c\"\nmark = \"{mark}\"\n{more}\nzh = \"z\"\nen = \"e\"\nclause = \"c\"\ncertainty = \"I\"\n"
        )
    };
    for (body, line, says) in [
        (format!("{mark}{}", rule("fead < 3", "")), 9, "unknown factor or signal \"fead\""),
        (format!("{mark}{}", rule("temp <", "")), 9, "expected a number"),
        (format!("{mark}{}", rule("temp < 3 and temp > 4", "")), 9, "can never be true"),
        (format!("{mark}{other}{}", rule("value > 4", "group = \"g\"\n")), 9, "can be true together"),
        (
            format!("{mark}{}", rule("temp < 3", "").replace("clause = \"c\"", "clause = \" \"")),
            10,
            "the clause is empty",
        ),
        (format!("{mark}{}", rule("temp < 3", "").replace("clause = \"c\"\n", "")), 4, "missing field `clause`"),
        (format!("{mark}{}", rule("temp < 3", "colour = 1\n")), 12, "unknown field `colour`"),
        (format!("{mark}{}", rule("temp < 3", "begin_after = \"soon\"\n")), 12, "is no time"),
        (format!("{mark}{}", rule("temp < 3", "").replace("\"m\"", "\"n\"")), 7, "there is no mark \"t:n\""),
        (
            format!("{}{}", mark.replace("\"invalid\"", "\"exempt\""), rule("temp < 3", "")),
            5,
            "takes values out of judgement",
        ),
        (
            mark.replace("certainty = \"I\" }", "certainty = \"I\", factors = [\"a99999\"] }"),
            3,
            "unknown factor \"a99999\"",
        ),
        (mark.replace("certainty = \"I\" }", "certainty = \"I\", by_hand = false }"), 3, "no rule sets it"),
        ("[[disable]]\nrule = \"inc19:nothing\"\nclause = \"c\"\n".to_owned(), 4, "there is no rule"),
        (mark.replace("\"factor\"", "\"furnce\""), 3, "object = \"furnce\" is no kind"),
        (
            mark.replace("certainty = \"I\" }", "certainty = \"I\", signals = [\"tmep\"] }"),
            3,
            "unknown signal \"tmep\"",
        ),
        (format!("{mark}{}", rule("temp < 3", "until = 'temp > 5 and temp < 4'\n")), 9, "so the mark never ends"),
        (format!("{mark}{}", conflict("m", "against = 'temp > 5'")), 6, "hangs on a code"),
        (conflict("inc19:off", "against = 'temp > 5 and temp < 4'"), 6, "can never be true"),
        (conflict("inc19:off", "against = 'value > 5'"), 6, "no meaning in a conflict"),
        (conflict("inc19:off", "within = \"tcp20:off\""), 6, "another kind of object"),
        (conflict("inc19:off", "against = 'temp > 5'").repeat(2), 12, "is defined twice"),
        ("[entries]\ndeadline_days = 99\ndeadline_hour = 77\nclause = \"c\"\n".to_owned(), 6, "is no deadline"),
        ("[[disable]]\nrule = \"inc19:off-auto\"\nclause = \"c\"\n".repeat(2), 7, "is changed twice"),
        (mark.replace("\"invalid\"", "\"inval\""), 3, "unknown variant `inval`"),
        (format!("{mark}{}", rule("temp < 3", "").replace("version = 1", "version = \"1\"")), 6, "invalid type"),
        (format!("{mark}{}", rule("temp < 3", "end_after = \"soon\"\n")), 12, "\"soon\" is no time (end_after)"),
        ("[[rule]\n".to_owned(), 3, ""),
        (format!("{mark}{}", rule("temp < 3", "from = \"2026-13-01\"\n")), 12, "2026-13-01"),
        (format!("{mark}{}", rule("temp < 3", "from = \"2026-08-15\"\nbefore = \"2026-08-15\"\n")), 13, "2026-08-15"),
        ("[[limit]]\nid = \"l\"\nmarks = [\"inc19:off\"]\nper = \"year\"\nmax = \"0h\"\nclause = \"c\"\ncertainty = \"I\"\n".to_owned(), 7, "a time above 0"),
    ] {
        let mut files: Vec<(String, String)> = built_in_texts().into_iter().collect();
        files.push(("t.toml".into(), format!("schema = \"marks/1\"\nset = \"t\"\n{body}")));
        let problems = RuleBook::load(&files).unwrap_err();
        let said: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert!(problems.iter().all(|problem| !problem.remedy.is_empty()), "without a remedy: {said:#?}");
        let found = said.iter().any(|p| p.starts_with(&format!("t.toml:{line}:")) && p.contains(says));
        assert!(found, "wanted {says} in line {line}: {said:#?}");
    }
}
