//! Periods: what marks make of them, and what their finer values say.

use super::*;

const HOUR: i64 = 60 * MINUTE;

fn value(code: &str, flag: &str) -> Vec<(String, String, Option<String>)> {
    vec![(code.to_owned(), "5".to_owned(), Some(flag.to_owned()))]
}

/// The validity of an hour of `code` over which `marks` (mark, from minute, to minute) were entered.
fn hour_with(medium: &str, code: &str, marks: &[(&str, i64, i64)]) -> Option<Validity> {
    let book = book();
    let mut player = Player::new(&book, &rig("dev22"), "2017", medium);
    let start = player.now;
    for (number, (mark, from, to)) in marks.iter().enumerate() {
        player.now = start + from * MINUTE;
        player.entries = number as u32;
        let answer = player.by_hand(mark, code, (to - from) * MINUTE, "log book");
        assert_eq!(answer.refused, None);
    }
    player.now = start + 2 * HOUR;
    player.quiet(MINUTE);
    player.now = start;
    // The means of water rest on the flow.
    let flow = [("w00000".to_owned(), "5".to_owned(), Some("N".to_owned()))];
    player.report(Kind::Hour, &value(code, "N").into_iter().chain(flow).collect::<Vec<_>>());
    player.judged.iter().rev().find(|(known, _)| known == code).unwrap().1.validity
}

#[test]
fn an_hour_is_lost_with_more_than_it_can_spare() {
    assert_eq!(hour_with("air", "a21026", &[("dev22:calib", 10, 25)]), Some(Validity::Valid), "45 minutes are left");
    assert_eq!(hour_with("air", "a21026", &[("dev22:calib", 10, 26)]), Some(Validity::Invalid));
    let two = [("dev22:calib", 0, 10), ("dev22:maint", 5, 16)];
    assert_eq!(hour_with("air", "a21026", &two), Some(Validity::Invalid), "together");
    let same = [("dev22:calib", 0, 10), ("dev22:maint", 0, 10)];
    assert_eq!(hour_with("air", "a21026", &same), Some(Validity::Valid), "what overlaps counts once");
    assert_eq!(hour_with("water", "w01018", &[("dev22:calib", 50, 65)]), Some(Validity::Valid), "75 % of water too");
    assert_eq!(hour_with("water", "w01018", &[("dev22:calib", 40, 65)]), Some(Validity::Invalid));
}

/// Data of `kind` each `step` for `span`, then the record of the period over it; what was recomputed.
fn recomputed(kinds: (Kind, Kind), step: i64, length: i64, spans: i64) -> Option<(u32, u32, bool)> {
    let book = book();
    let mut player = Player::new(&book, &rig(""), "2017", "air");
    let start = player.now;
    for span in 0..spans {
        let begin = start + span * length;
        for n in 0..length / step {
            player.now = begin + n * step;
            player.report(kinds.0, &value("a21026", "N"));
        }
        player.now = begin;
        player.report(kinds.1, &value("a21026", "N"));
    }
    assert!(!player.happenings.iter().any(|h| h.kind == "flag-differs"), "{:?}", player.happenings);
    player.judged.last().unwrap().1.recomputed.as_ref().map(|r| (r.good, r.expected, r.valid))
}

#[test]
fn minutes_have_the_length_that_the_station_gives_them() {
    let of = (Kind::Realtime, Kind::Minute);
    assert_eq!(recomputed(of, MINUTE, MINUTE, 8), Some((1, 1, true)), "a value a minute is all there is");
    assert_eq!(recomputed(of, 30 * expr::SECOND, 10 * MINUTE, 6), Some((20, 20, true)), "ten-minute data");
    assert_eq!(recomputed(of, MINUTE, 5 * MINUTE, 6), Some((5, 5, true)));
    assert_eq!(recomputed((Kind::Minute, Kind::Hour), 10 * MINUTE, HOUR, 2), Some((6, 6, true)));
}

#[test]
fn a_day_that_was_stopped_in_part_is_judged_by_the_rest() {
    let book = book();
    let mut player = Player::new(&book, &rig("inc19"), "2017", "air");
    let start = super::super::calendar::read("2026-03-02T00:00:00+08:00").unwrap().0;
    player.now = start;
    player.by_hand("inc19:off", "furnace-1", 10 * HOUR, "stopped");
    for n in 0..24 {
        player.now = start + n * HOUR;
        player.report(Kind::Hour, &value("a21026", "N"));
    }
    player.now = start;
    player.report(Kind::Day, &value("a21026", "N"));
    let told = player.judged.last().unwrap().1.recomputed.clone().unwrap();
    assert_eq!((told.good, told.expected), (14, 14), "{told:?}");
}

#[test]
fn what_was_said_long_ago_says_nothing_of_now() {
    let book = book();
    let mut player = Player::new(&book, &rig("inc19"), "2017", "air");
    player.steps("f=0 b=0 n=0", "", "");
    player.now += 2 * 24 * HOUR;
    player.steps("x80 t=60", "", "");
    assert!(!player.has(&["mark-proposed"], "inc19:off", "furnace-1"), "feed, burner and fan are not known");
    player.steps("x80 f=0 b=0 n=0 t=60", "", "");
    assert!(player.has(&["mark-proposed"], "inc19:off", "furnace-1"));
}

#[test]
fn an_exceedance_by_the_converted_value_is_evidence_of_a_device_mark_too() {
    let book = book();
    let mut player = Player::new(&book, &rig("dev22"), "2017", "air");
    let reading =
        Reading { code: "a21026", text: "60", judged: Some("180"), none: false, doubtful: false, flag: Some("N") };
    let at = Timestamp(player.now);
    let seen = Observation { at, data: Some(at), kind: Kind::Realtime, readings: &[reading] };
    player.marks.observe(&player.plan, &seen, &mut MarkVerdict::default());
    player.now += 5 * MINUTE;
    player.by_hand("dev22:fault", "a21026", HOUR, "log book");
    let exceeded = &player.marks.held().next().unwrap().exceedances;
    assert_eq!((exceeded.len(), &*exceeded[0].value), (1, "180"));
}

#[test]
fn a_furnace_without_a_fan_is_watched_all_the_same() {
    let book = book();
    let mut facts = rig("inc19");
    facts.facilities = vec![facility("furnace-1", "furnace", "feed=f temp=t burner=b")];
    let mut player = Player::new(&book, &facts, "2017", "air");
    player.by_hand("inc19:off", "furnace-1", 5 * HOUR, "stopped");
    player.steps("x35 f=20 t=900 b=0", "", "");
    assert!(player.has(&["mark-conflict"], "inc19:off", "furnace-1"));
}

#[test]
fn the_gas_speaks_of_a_furnace_that_has_the_stack_for_itself() {
    let book = book();
    let mut facts = rig("inc19");
    for (furnaces, found) in [(1, true), (2, false)] {
        let names = ["furnace-1", "furnace-2"];
        facts.facilities = names.iter().take(furnaces).map(|name| facility(name, "furnace", "temp=t")).collect();
        let mut player = Player::new(&book, &facts, "2017", "air");
        player.by_hand("inc19:off", "furnace-1", 5 * HOUR, "stopped");
        player.steps("x35 t=100 a01011=12 a19001=8", "", "");
        assert_eq!(player.has(&["mark-conflict"], "inc19:off", "furnace-1"), found, "{furnaces}");
    }
}

#[test]
fn silence_ends_when_something_is_heard_whatever_its_data_time() {
    let book = book();
    let mut player = Player::new(&book, &rig("dev22"), "2017", "air");
    player.steps("a21026=5/N | ~40min", "", "");
    assert!(player.marks.held().any(|mark| mark.by == "dev22:silence"));
    let (at, data) = (Timestamp(player.now), Timestamp(player.now - 50 * MINUTE));
    let readings = [Reading { code: "a21026", text: "5", judged: None, none: false, doubtful: false, flag: Some("N") }];
    let mut out = MarkVerdict::default();
    player.marks.observe(
        &player.plan,
        &Observation { at, data: Some(data), kind: Kind::Realtime, readings: &readings },
        &mut out,
    );
    let end = out.happenings.iter().find(|h| h.kind == "mark-end").unwrap();
    assert_eq!(end.at, at);
}

#[test]
fn a_mark_of_a_facility_that_is_renamed_ends() {
    let book = book();
    let mut player = Player::new(&book, &rig("inc19"), "2017", "air");
    player.steps("x80 f=0 b=0 n=0 t=60", "", "");
    assert!(player.has(&["mark-proposed"], "inc19:off", "furnace-1"));
    let mut facts = rig("inc19");
    facts.facilities.iter_mut().filter(|f| f.id == "furnace-1").for_each(|f| f.id = "furnace-9".into());
    let mut out = MarkVerdict::default();
    player.marks.install(&Plan::new(&book, Some(&facts), "2017", "air"), &mut out);
    assert!(out.happenings.iter().any(|h| h.kind == "mark-end"));
    assert_eq!(player.marks.held().count(), 0);
}

#[test]
fn a_province_prevails_over_the_deadline_whatever_it_is_called() {
    for name in ["anhui", "zhejiang"] {
        let overlay = format!(
            "schema = \"marks/1\"\nset = \"{name}\"\nversion = \"1\"\nzh = \"省\"\nen = \"province\"\noverlay = true\n\
             [entries]\ndeadline_days = 5\ndeadline_hour = 0\nclause = \"trial\"\n"
        );
        let files: Vec<_> = built_in_texts().into_iter().chain([("over.toml".to_owned(), overlay)]).collect();
        let book = RuleBook::load(&files).unwrap_or_else(|problems| panic!("{problems:#?}"));
        let mut player = Player::new(&book, &rig(&format!("inc19,{name}")), "2017", "air");
        player.now += 3 * 24 * HOUR;
        let entry = serde_json::json!({ "schema": "hj212.mark-entry/1", "id": "e", "mark": "inc19:fault", "object": "furnace-1",
            "begin": "2026-03-02T09:00:00+08:00", "end": "2026-03-02T10:00:00+08:00", "reason": "r", "proof": "p", "author": "a" });
        assert!(!player.enter(&entry.to_string()).late, "{name}");
    }
}

#[test]
fn a_mark_that_excuses_another_furnace_too_is_a_conflict_when_its_day_is_closed() {
    let book = book();
    for (both, apart, found) in [(false, false, true), (true, false, false), (false, true, false)] {
        let mut facts = rig("inc19");
        facts.facilities = ["furnace-1", "furnace-2"].map(|name| facility(name, "furnace", "temp=t")).into();
        if apart {
            facts.facilities[0].factors = vec!["a21026".into()];
            facts.facilities[1].factors = vec!["a34013".into()];
        }
        let mut player = Player::new(&book, &facts, "2017", "air");
        player.by_hand("inc19:off", "furnace-1", 5 * HOUR, "stopped");
        if both {
            player.by_hand("inc19:off", "furnace-2", 5 * HOUR, "stopped");
        }
        player.quiet(27 * HOUR);
        assert!(
            !player.has(&["mark-conflict"], "inc19:off", "furnace-1"),
            "11:00 of the next day: it may still be entered"
        );
        player.quiet(2 * HOUR);
        let conflicts: Vec<_> = player.happenings.iter().filter(|h| h.kind == "mark-conflict").collect();
        assert_eq!(conflicts.len(), usize::from(found), "both {both} apart {apart}");
        if let Some(conflict) = conflicts.first() {
            assert_eq!(conflict.detail["others"][0], "furnace-2");
            assert_eq!(conflict.detail["intervals"][0]["until"], "2026-03-02T13:00:00.000+08:00");
        }
    }
}

#[test]
fn a_limit_is_compared_with_values_of_its_own_period_basis_and_days_alone() {
    use hj212_model::message::EmissionLimit;
    let book = book();
    let mut facts = rig("inc19");
    facts.limits = Default::default();
    let limit = |max: &str, of: &str, basis: &str, from: Option<&str>| EmissionLimit {
        code: "a21026".into(),
        max: max.into(),
        of: of.into(),
        basis: basis.into(),
        decimals: Some(0),
        name: format!("permit {max}"),
        from: from.map(str::to_owned),
        ..EmissionLimit::default()
    };
    facts.emission = vec![
        limit("100", "hour", "converted", None),
        limit("80", "day", "converted", None),
        limit("50", "minute", "measured", Some("2026-03-03")),
    ];
    // Kind, measured, converted; the names of the limits that it exceeds. 100.5 is 100 by GB/T 8170.
    for (kind, text, judged, wanted) in [
        (Kind::Hour, "60", Some("100.5"), vec![]),
        (Kind::Hour, "60", Some("100.51"), vec!["permit 100"]),
        (Kind::Hour, "300", None, vec![]),
        (Kind::Minute, "300", Some("900"), vec![]),
        (Kind::Day, "60", Some("81"), vec!["permit 80"]),
    ] {
        let mut player = Player::new(&book, &facts, "2017", "air");
        let at = Timestamp(player.now);
        // The minutes come too, so that hours are not the finest kind.
        player.report(Kind::Minute, &value("a21026", "N"));
        let reading = Reading { code: "a21026", text, judged, none: false, doubtful: false, flag: Some("N") };
        let seen = Observation { at, data: Some(at), kind, readings: &[reading] };
        player.marks.observe(&player.plan, &seen, &mut MarkVerdict::default());
        player.now += 5 * MINUTE;
        player.by_hand("inc19:fault", "furnace-1", HOUR, "log book");
        let mark = player.marks.held().find(|mark| mark.said.is_some()).unwrap();
        let names: Vec<&str> = mark.exceedances.iter().map(|e| e.name.as_str()).collect();
        assert_eq!(names, wanted, "{kind:?} {text} {judged:?}");
    }
}

#[test]
fn rules_limits_and_conditions_hold_on_their_days_alone() {
    let set = r#"schema = "marks/1"
set = "dated"
version = "1"
zh = "试"
en = "trial"
mark = [{ id = "old", zh = "旧", en = "old", object = "factor", dimension = "device", validity = "invalid", source = "大气污染防治法", certainty = "I" },
        { id = "new", zh = "新", en = "new", object = "factor", dimension = "device", validity = "invalid", source = "生态环境法典", certainty = "I" }]
[[rule]]
id = "old"
version = 1
mark = "old"
effect = "apply"
when = 'value > 3'
before = "2026-08-15"
clause = "大气污染防治法"
certainty = "I"
[[rule]]
id = "new"
version = 1
mark = "new"
effect = "apply"
when = 'value > 3'
from = "2026-08-15"
clause = "生态环境法典"
certainty = "I"
"#;
    let files: Vec<_> = built_in_texts().into_iter().chain([("dated.toml".to_owned(), set.to_owned())]).collect();
    let book = RuleBook::load(&files).unwrap_or_else(|problems| panic!("{problems:#?}"));
    let mut player = Player::new(&book, &rig("dated"), "2017", "air");
    for (time, wanted) in [
        ("2026-08-14T23:58:00+08:00", "dated:old"),
        ("2026-08-14T23:59:00+08:00", "dated:old"),
        ("2026-08-15T00:00:00+08:00", "dated:new"),
        ("2026-08-15T00:01:00+08:00", "dated:new"),
    ] {
        player.now = super::super::calendar::read(time).unwrap().0;
        player.report(Kind::Minute, &value("a21026", "N"));
        let marks = &player.judged.last().unwrap().1.marks;
        assert_eq!(marks, &[wanted.to_owned()], "{time}");
    }
    let wrong = set.replace("from = \"2026-08-15\"", "from = \"soon\"");
    let files: Vec<_> = built_in_texts().into_iter().chain([("dated.toml".to_owned(), wrong)]).collect();
    assert!(RuleBook::load(&files).unwrap_err()[0].to_string().contains("is no day"));
}
