//! Entries that are corrected, withdrawn, or made for a time to come; limits that are used, spent and given back.

use super::*;

const HOUR: i64 = 60 * MINUTE;

/// A set with limits that are soon spent.
fn short() -> RuleBook {
    let set = r#"schema = "marks/1"
set = "short"
version = "1"
zh = "试"
en = "trial"
mark = [{ id = "stop", zh = "停", en = "stop", object = "furnace", dimension = "condition", validity = "exempt", source = "trial", certainty = "I" }]
[[limit]]
id = "year"
marks = ["stop"]
per = "year"
max = "2h"
clause = "trial"
certainty = "I"
[[limit]]
id = "each"
marks = ["stop"]
per = "each"
max = "40h"
clause = "trial"
certainty = "I"
[entries]
deadline_days = 1
deadline_hour = 12
clause = "trial"
"#;
    let files: Vec<_> = built_in_texts().into_iter().chain([("short.toml".to_owned(), set.to_owned())]).collect();
    RuleBook::load(&files).unwrap_or_else(|problems| panic!("{problems:#?}"))
}

fn player() -> Player {
    Player::new(&short(), &rig("short"), "2017", "air")
}

fn at(text: &str) -> i64 {
    super::super::calendar::read(text).unwrap().0
}

/// Enters a stop; `begin` and `end` as hours of 2026-03-02.
fn stop(player: &mut Player, id: &str, begin: f64, end: Option<f64>, more: serde_json::Value) -> Answer {
    let day = at("2026-03-02T00:00:00+08:00");
    let time = |hours: f64| Timestamp(day + (hours * HOUR as f64) as i64).to_rfc3339();
    let mut entry = serde_json::json!({ "schema": "hj212.mark-entry/1", "id": id, "mark": "short:stop", "object": "furnace-1",
        "begin": time(begin), "end": end.map(time), "reason": "log book", "author": "Wang" });
    entry.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
    player.enter(&entry.to_string())
}

fn nothing() -> serde_json::Value {
    serde_json::json!({})
}

fn withdraw(player: &mut Player, id: &str, gone: &str) -> Answer {
    let entry = serde_json::json!({ "schema": "hj212.mark-entry/1", "id": id, "withdraws": gone, "reason": "mistaken", "author": "Wang" });
    player.enter(&entry.to_string())
}

fn works(player: &Player, text: &str) -> bool {
    let at = at(text);
    player.marks.held().chain(player.marks.ended()).any(|mark| !mark.in_effect(at, at).is_empty())
}

fn told(player: &Player) -> Vec<&str> {
    player.happenings.iter().map(|h| h.kind).filter(|kind| kind.starts_with("limit")).collect()
}

#[test]
fn a_stop_that_lasts_beyond_a_deadline_is_closed_and_keeps_its_effect() {
    let mut player = player();
    assert!(!stop(&mut player, "s", 8.0, None, nothing()).late);
    player.now = at("2026-03-04T09:00:00+08:00");
    let ended = stop(&mut player, "s2", 8.0, Some(48.0 + 8.0), serde_json::json!({ "supersedes": "s" }));
    assert!(ended.refused.is_none() && !ended.late, "only its end is new, and that is of today");
    assert!(works(&player, "2026-03-02T09:00:00+08:00"));
    let moved = stop(&mut player, "s3", 9.5, Some(48.0 + 7.0), serde_json::json!({ "supersedes": "s2" }));
    assert!(moved.late, "another begin in a closed day");
    assert!(works(&player, "2026-03-02T09:00:00+08:00"), "what the closed day had stays");
    assert!(withdraw(&mut player, "w", "s3").refused.is_none());
    assert!(works(&player, "2026-03-02T09:00:00+08:00"));
}

#[test]
fn a_late_withdrawal_is_flagged_and_takes_nothing_from_closed_days() {
    let mut player = player();
    stop(&mut player, "s", 8.0, Some(9.0), nothing());
    player.now = at("2026-03-03T13:00:00+08:00");
    assert!(withdraw(&mut player, "w", "s").late);
    assert!(works(&player, "2026-03-02T08:30:00+08:00"));
    assert_eq!(player.marks.used().map(|(.., used)| used).max(), Some(HOUR));
    let event = player.happenings.iter().find(|h| h.kind == "mark-withdrawn").unwrap();
    assert_eq!(event.detail["effective_until"], "2026-03-02T09:00:00.000+08:00");
}

#[test]
fn a_limit_that_was_spent_by_mistake_is_given_back() {
    let mut player = player();
    player.now = at("2026-03-02T20:00:00+08:00");
    stop(&mut player, "typo", 8.0, Some(16.0), nothing());
    assert_eq!(told(&player), ["limit-spent"]);
    assert!(works(&player, "2026-03-02T09:59:00+08:00"), "the first two hours are within the limit");
    assert!(!works(&player, "2026-03-02T10:01:00+08:00"), "the rest is not");
    withdraw(&mut player, "w", "typo");
    assert_eq!(told(&player), ["limit-spent", "limit-free"]);
    stop(&mut player, "right", 15.0, Some(16.0), nothing());
    assert!(works(&player, "2026-03-02T15:30:00+08:00"));
    assert!(!player.marks.ended().last().unwrap().spent);
    stop(&mut player, "more", 12.0, Some(13.5), nothing());
    assert!(works(&player, "2026-03-02T15:29:00+08:00"), "time is used in its own order, not in that of the entries");
    assert!(!works(&player, "2026-03-02T15:31:00+08:00"));
}

#[test]
fn a_limit_is_new_with_its_next_period() {
    let mut player = player();
    player.now = at("2026-12-31T20:00:00+08:00");
    let entry = serde_json::json!({ "schema": "hj212.mark-entry/1", "id": "s", "mark": "short:stop", "object": "furnace-1",
        "begin": "2026-12-31T20:00:00+08:00", "end": null, "reason": "log book", "author": "Wang" });
    player.enter(&entry.to_string());
    player.quiet(3 * HOUR);
    assert!(works(&player, "2026-12-31T21:30:00+08:00") && !works(&player, "2026-12-31T22:30:00+08:00"));
    assert!(player.marks.held().next().unwrap().spent);
    player.quiet(2 * HOUR);
    assert!(works(&player, "2027-01-01T00:30:00+08:00"), "the counter of the new year is empty");
    assert!(!works(&player, "2026-12-31T23:30:00+08:00"), "the old year stays as it was");
    assert!(!player.marks.held().next().unwrap().spent);
}

#[test]
fn many_short_marks_push_no_running_counter_out() {
    let mut player = player();
    player.now = at("2026-03-02T20:00:00+08:00");
    stop(&mut player, "long", 8.0, Some(9.5), nothing());
    for n in 0..COUNTERS_MAX + 40 {
        let begin = 10.0 + n as f64 / 3600.0;
        stop(&mut player, &format!("n{n}"), begin, Some(begin + 1.0 / 3600.0), nothing());
    }
    assert!(player.marks.used().count() <= COUNTERS_MAX);
    assert!(!told(&player).contains(&"limit-spent"));
    stop(&mut player, "last", 12.0, Some(13.0), nothing());
    assert!(told(&player).contains(&"limit-spent"), "the year was not forgotten");
}

#[test]
fn what_is_entered_for_later_begins_then() {
    let mut player = player();
    stop(&mut player, "s", 9.0, None, nothing());
    assert!(!player.has(&["mark-begin"], "short:stop", "furnace-1"));
    player.quiet(HOUR + MINUTE);
    let begun: Vec<_> = player.happenings.iter().filter(|h| h.kind == "mark-begin").collect();
    assert_eq!(begun.len(), 1);
    assert_eq!(begun[0].at.to_rfc3339(), "2026-03-02T09:00:00.000+08:00");
}

#[test]
fn a_mark_on_a_code_that_nobody_knows_is_refused() {
    let book = book();
    let mut player = Player::new(&book, &rig("dev22"), "2017", "air");
    let entry = |id: &str, object: &str| {
        serde_json::json!({ "schema": "hj212.mark-entry/1", "id": id, "mark": "dev22:fault", "object": object,
            "begin": "2026-03-02T07:00:00+08:00", "end": null, "reason": "r", "proof": "p", "author": "a" })
        .to_string()
    };
    let code = |said: &str| matches!(said, "SO2" | "a21026").then(|| "a21026".to_owned());
    let mut enter = |id: &str, object: &str| {
        let text = entry(id, object);
        player.marks.enter(
            &player.plan,
            Timestamp(player.now),
            (id, text.as_bytes()),
            &code,
            &mut MarkVerdict::default(),
        )
    };
    for (id, object) in [("e1", "nonsense/+#"), ("e2", ""), ("e3", "f2")] {
        assert_eq!(enter(id, object).refused.unwrap().0, "object", "{object}");
    }
    let answer = enter("e4", "SO2");
    assert_eq!(answer.marks[0].object, "a21026", "an alias stands for its factor");
}
