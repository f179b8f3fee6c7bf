//! Entries for a time that has passed: what was seen then counts as much as what is seen while a mark holds.

use super::*;

/// An entry over minutes of the player's day, counted from its beginning at 08:00.
fn entry(player: &mut Player, id: &str, mark: &str, begin: i64, end: Option<i64>) -> Answer {
    let start = super::super::calendar::read("2026-03-02T08:00:00+08:00").unwrap().0;
    let at = |minutes: i64| Timestamp(start + minutes * MINUTE).to_rfc3339();
    let text = serde_json::json!({ "schema": "hj212.mark-entry/1", "id": id, "mark": mark, "object": "furnace-1",
        "begin": at(begin), "end": end.map(at), "reason": "log book", "proof": "p", "author": "Wang" });
    player.enter(&text.to_string())
}

fn conflicts(player: &Player) -> Vec<(String, String, usize)> {
    let of = |h: &Happening| {
        let by = h.mark.as_ref().map(|m| m.by.clone()).unwrap_or_default();
        let intervals = h.detail["intervals"].as_array().map_or(0, Vec::len);
        (h.detail["conflict"].as_str().unwrap().to_owned(), by, intervals)
    };
    player.happenings.iter().filter(|h| h.kind == "mark-conflict").map(of).collect()
}

fn both(check: impl Fn(&mut Player)) {
    let book = book();
    for restored in [false, true] {
        let mut player = Player::new(&book, &rig("inc19"), "2017", "air");
        player.restored = restored;
        check(&mut player);
    }
}

/// Runs for 20 min, stands for 30, runs for 15, stands for 30.
const DAY: &str = "x20 f=8 b=0 t=900 n=1 | x30 f=0 b=0 t=100 n=0 | x15 f=8 b=0 t=900 n=1 | x30 f=0 b=0 t=100 n=0";

#[test]
fn a_stop_entered_afterwards_for_a_time_of_running_is_a_conflict_with_its_intervals() {
    both(|player| {
        player.steps(DAY, "", "");
        assert!(conflicts(player).is_empty());
        assert!(entry(player, "s1", "inc19:off", 5, Some(90)).refused.is_none());
        assert_eq!(conflicts(player), [("inc19:off-while-running".into(), "s1".into(), 2)]);
        let found = player.happenings.iter().find(|h| h.kind == "mark-conflict").unwrap();
        let first = &found.detail["intervals"][0];
        assert_eq!(first["since"], "2026-03-02T08:05:00.000+08:00");
        assert_eq!(first["until"], "2026-03-02T08:20:00.000+08:00");
        assert!(found.detail["against"].as_str().unwrap().contains("feed > 0.1"));
        player.steps("x30 f=0 b=0 t=100 n=0", "", "");
        assert_eq!(conflicts(player).len(), 1, "once");
    });
}

#[test]
fn a_stop_entered_afterwards_for_a_time_of_standing_is_none() {
    both(|player| {
        player.steps(DAY, "", "");
        assert!(entry(player, "s1", "inc19:off", 21, Some(50)).refused.is_none());
        assert!(entry(player, "s2", "inc19:off", 60, Some(90)).refused.is_none(), "it touches five minutes of running");
        player.steps("x30 f=0 b=0 t=100 n=0", "", "");
        assert!(conflicts(player).is_empty(), "{:?}", conflicts(player));
    });
}

#[test]
fn a_stop_that_goes_on_while_the_furnace_runs_is_found_once() {
    both(|player| {
        player.steps("x20 f=8 b=0 t=900 n=1", "", "");
        entry(player, "s1", "inc19:off", 5, None);
        assert_eq!(conflicts(player).len(), 1);
        player.steps("x30 f=8 b=0 t=900 n=1", "", "");
        assert_eq!(conflicts(player).len(), 1, "the same stretch");
        player.steps("x5 f=0 b=0 t=100 n=0 | x15 f=8 b=0 t=900 n=1", "", "");
        assert_eq!(conflicts(player).len(), 2, "another stretch");
    });
}

#[test]
fn a_fault_entered_inside_a_stop_is_found_whichever_came_first() {
    both(|player| {
        player.steps(DAY, "", "");
        entry(player, "f1", "inc19:fault", 30, Some(40));
        assert!(conflicts(player).is_empty());
        entry(player, "s1", "inc19:off", 21, Some(50));
        assert_eq!(conflicts(player), [("inc19:fault-in-off".into(), "f1".into(), 1)]);
        entry(player, "f2", "inc19:fault", 45, Some(55));
        assert_eq!(conflicts(player).last().unwrap(), &("inc19:fault-in-off".into(), "f2".into(), 1));
        entry(player, "f3", "inc19:fault", 50, Some(55));
        assert_eq!(conflicts(player).len(), 2, "it begins when the stop ends");
    });
}

#[test]
fn what_is_remembered_for_conflicts_is_bounded() {
    let book = book();
    let mut player = Player::new(&book, &rig("inc19"), "2017", "air");
    player.steps(&["f=8 b=0 t=900 n=1", "f=0 b=0 t=100 n=0"].repeat(200).join(" | "), "", "");
    assert!(player.marks.guards.iter().all(|guard| guard.contrary.len() <= CONTRARY_MAX));
    assert!(player.marks.guards.iter().any(|guard| guard.contrary.len() == CONTRARY_MAX));
    player.now += CONTRARY_KEPT;
    player.steps("f=8 b=0 t=900 n=1", "", "");
    assert!(
        player.marks.guards.iter().all(|guard| guard.contrary.len() <= 1),
        "three days later only the latest is known"
    );
}

#[test]
fn an_entry_that_begins_just_after_an_exceedance_of_the_past_shows_it() {
    both(|player| {
        // Exceeds from 08:01 to 08:05, is good for hours, exceeds again.
        player.steps(
            "x5 a21026=150.5/N f=8 | x40/5min a21026=20/N f=8 | x3 a21026=300/N f=8 | x5 a21026=20/N f=8",
            "",
            "",
        );
        let shown = |player: &Player| -> Vec<(String, String)> {
            let mark = player.happenings.iter().rev().find(|h| h.kind == "mark-begin").unwrap().mark.clone().unwrap();
            mark.exceedances.iter().map(|e| (e.value.clone(), e.last.to_rfc3339()[11..16].to_owned())).collect()
        };
        entry(player, "e1", "inc19:fault", 10, Some(60));
        assert_eq!(shown(player), [("150.5".to_owned(), "08:05".to_owned())]);
        entry(player, "e2", "inc19:fault", 70, Some(100));
        assert!(shown(player).is_empty(), "more than an hour later");
        entry(player, "e3", "inc19:fault", 0, Some(100));
        assert!(shown(player).is_empty(), "before it");
        entry(player, "e4", "inc19:fault", 209, None);
        assert_eq!(shown(player), [("300".to_owned(), "11:28".to_owned())]);
    });
}

#[test]
fn the_same_entry_again_is_answered_again_and_another_under_its_id_is_refused() {
    both(|player| {
        let first = entry(player, "e.1", "inc19:fault", 0, None);
        let before = player.marks.clone();
        let happened = player.happenings.len();
        player.now += 40 * 60 * MINUTE;
        assert_eq!(entry(player, "e.1", "inc19:fault", 0, None), first, "late by now, but it was not");
        assert_eq!((&player.marks, player.happenings.len()), (&before, happened));
        let other = entry(player, "e.1", "inc19:fault", 1, None);
        assert_eq!(other.refused.unwrap().0, "id-used");
        assert_eq!(player.marks, before);
    });
}

#[test]
fn ids_are_remembered_up_to_a_bound_and_beyond_it_while_their_marks_are() {
    let book = book();
    let mut player = Player::new(&book, &rig("inc19"), "2017", "air");
    entry(&mut player, "open", "inc19:fault", 0, None);
    for n in 0..ENTRY_IDS_MAX + 10 {
        assert!(entry(&mut player, &format!("n{n}"), "inc19:fault", -20, Some(-10)).refused.is_none(), "{n}");
    }
    assert_eq!(player.marks.used.len(), ENTRY_IDS_MAX);
    assert_eq!(entry(&mut player, "open", "inc19:fault", 1, None).refused.unwrap().0, "id-used");
    assert_eq!(entry(&mut player, "n500", "inc19:fault", 1, None).refused.unwrap().0, "id-used");
}

#[test]
fn a_gateway_that_was_away_loses_no_link() {
    let book = book();
    for (steps, away, lost) in [("a21026=5/N | down", 5 * 60, false), ("a21026=5/N | down | ~20min", 5 * 60, true)] {
        let mut player = Player::new(&book, &rig("dev22"), "2017", "air");
        player.steps(steps, "", "");
        player.now += away * MINUTE;
        player.marks.restart(Timestamp(player.now));
        player.steps("~2min", "", "");
        assert_eq!(player.marks.held().any(|mark| mark.by == "dev22:link"), lost, "{steps}");
    }
}

#[test]
fn what_adds_up_only_by_the_end_of_a_mark_is_found_at_its_end() {
    both(|player| {
        player.steps("x10 f=8 b=0 t=900 n=1", "", "");
        entry(player, "s1", "inc19:off", 2, Some(16));
        assert!(conflicts(player).is_empty(), "eight minutes");
        player.steps("x5 f=8 b=0 t=900 n=1", "", "");
        assert!(conflicts(player).is_empty(), "five more, of which none is known to be the tenth");
        player.steps("x5 f=0 b=0 t=100 n=0", "", "");
        assert_eq!(conflicts(player), [("inc19:off-while-running".into(), "s1".into(), 1)]);
    });
}
