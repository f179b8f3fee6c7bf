//! What is on the board after what was published.

use super::*;

fn said(topic: &str, body: &Value) -> Publication {
    Publication { topic: format!("hj212/v1/{topic}"), payload: Bytes::from(body.to_string()), retain: false }
}

fn board() -> Board {
    let facts = |name: &str, region: &str| StationFacts {
        name: name.into(),
        tags: [("region".to_owned(), region.to_owned())].into(),
        ..StationFacts::default()
    };
    let stations = [("A1".to_owned(), facts("电厂", "340100")), ("B2".to_owned(), facts("水厂", "340200"))];
    Board::new("hj212/v1", &stations.into())
}

fn of(board: &Board, mn: &str) -> Value {
    serde_json::from_str(&board.station(mn).unwrap()).unwrap()
}

fn found(board: &Board, query: Query) -> Vec<String> {
    let page = board.page(&query).view();
    page["rows"].as_array().unwrap().iter().map(|row| row["mn"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn registered_stations_are_shown_before_they_speak() {
    let board = board();
    assert_eq!(found(&board, Query::default()), ["A1", "B2"]);
    assert_eq!(board.counts()["never"], 2);
    assert_eq!(board.regions(), [("340100", 1), ("340200", 1)].into());
}

#[test]
fn pages_are_searched_and_filtered() {
    let mut board = board();
    board.published(&said("A1/event/online", &json!({})));
    board.published(&said("A1/data/realtime", &json!({ "kind": "realtime", "deviations": [] })));
    let found_by = |query| found(&board, query);
    assert_eq!(found_by(Query { text: "水".into(), ..Query::default() }), ["B2"]);
    assert_eq!(found_by(Query { text: "a1".into(), ..Query::default() }), ["A1"]);
    assert_eq!(found_by(Query { region: "340200".into(), ..Query::default() }), ["B2"]);
    assert_eq!(found_by(Query { only: Only::Online, ..Query::default() }), ["A1"]);
    assert_eq!(found_by(Query { only: Only::Failing, ..Query::default() }), ["B2"]);
    assert_eq!(found_by(Query { first: 1, ..Query::default() }), ["B2"]);
    assert_eq!(board.page(&Query { rows: 1, ..Query::default() }).view()["found"], 2);
}

#[test]
fn a_refusal_shows_until_a_report_comes() {
    let mut board = board();
    board.published(&said("gateway/g/rejected", &json!({ "mn": "A1", "reason": "pw-wrong" })));
    board.published(&said("gateway/g/rejected", &json!({ "mn": "never-registered", "reason": "mn-unknown" })));
    assert_eq!(of(&board, "A1")["refusal"], "pw-wrong");
    assert!(board.station("never-registered").is_none());
    assert_eq!(board.refusals().len(), 2);
    board.published(&said("A1/data/minute", &json!({ "kind": "minute", "deviations": ["crc-lowercase"] })));
    let station = of(&board, "A1");
    assert_eq!((&station["refusal"], &station["refused"]), (&Value::Null, &json!(1)));
    assert_eq!(station["now_odd"], json!(["crc-lowercase"]));
}

#[test]
fn what_is_kept_is_bounded() {
    let mut board = board();
    for number in 0..1000 {
        board.published(&said("A1/event/parts-missing", &json!({ "n": number })));
        board.published(&said(&format!("A1/data/kind{number}"), &json!({})));
        board.published(&said("gateway/g/rejected", &json!({})));
    }
    let station = of(&board, "A1");
    assert_eq!(station["events"].as_array().unwrap().len(), EVENTS_MAX);
    assert_eq!(station["events"][0]["n"], 999);
    assert_eq!(station["latest"].as_object().unwrap().len(), KINDS_MAX);
    assert_eq!(board.refusals().len(), REJECTED_MAX);
}

#[test]
fn stations_that_are_registered_no_more_go() {
    let mut board = board();
    board.published(&said("C3/event/online", &json!({})));
    board.register(&[("B2".to_owned(), StationFacts::default())].into());
    assert_eq!(found(&board, Query::default()), ["B2", "C3"]);
}

#[test]
fn clocks_completeness_and_presence_are_told() {
    let mut board = board();
    board.published(&said("A1/event/online", &json!({ "time": "2026-11-23T10:40:00.000+08:00" })));
    board.published(&said("A1/event/takeover", &json!({ "time": "2026-11-23T10:41:00.000+08:00" })));
    let body = r#"{"mn":"A1","qn":"20261123111500000","kind":"minute","received_at":"2026-11-23T10:45:00.000+08:00","backfill":false,"deviations":[]}"#;
    let minute = |kind: &str| Publication {
        topic: format!("hj212/v1/A1/{kind}/minute"),
        payload: Bytes::from_static(body.as_bytes()),
        retain: false,
    };
    board.published(&minute("data"));
    let days = json!([{ "day": "2026-11-22", "expected": 144, "there": 140 }, { "day": "2026-11-21", "expected": 144, "there": 1 }]);
    board.published(&said("A1/completeness/minute", &json!({ "kind": "minute", "days": days })));
    let station = of(&board, "A1");
    assert_eq!(station["since"], "2026-11-23T10:40:00.000+08:00", "it has been here all the time");
    assert_eq!((&station["clock_ms"], &station["fails"]), (&json!(1_800_000), &json!(true)));
    assert_eq!(station["complete"]["minute"]["there"], 140);
    assert_eq!(station["completeness"][0]["days"], days);
    let gone = Publication { topic: "hj212/v1/A1/completeness/minute".into(), payload: Bytes::new(), retain: true };
    board.published(&gone);
    assert_eq!(of(&board, "A1")["completeness"], json!([]));
}

#[test]
fn numbers_are_shown_as_they_were_written() {
    let mut board = board();
    let body = r#"{"kind":"realtime","readings":{"a21026":{"rtd":35.20}}}"#;
    let payload = Bytes::from_static(body.as_bytes());
    board.published(&Publication { topic: "hj212/v1/A1/data/realtime".into(), payload, retain: false });
    assert!(board.station("A1").unwrap().contains("\"rtd\":35.20"));
}

#[test]
fn large_reports_are_kept_within_bounds_and_what_is_not_is_counted() {
    let mut board = board();
    let large =
        |kind: &str, length: usize| said(&format!("A1/data/{kind}"), &json!({ "kind": kind, "x": "x".repeat(length) }));
    for kind in ["minute", "hour", "day"] {
        board.published(&large(kind, 200 << 10));
    }
    let shown = of(&board, "A1");
    assert_eq!(shown["latest"].as_object().unwrap().len(), 2, "the newest is among them");
    assert!(shown["latest"]["day"].is_object() && shown["not_kept"] == 1);
    board.published(&large("hour", ROW_BYTES_MAX));
    assert!(of(&board, "A1")["latest"].get("hour").is_none());
    assert_eq!(board.bytes, board.rows.values().map(Row::bytes).sum::<usize>());
    // A station that nobody remembers any more leaves the board; a registered one stays.
    for mn in ["X", "A1"] {
        board.published(&said(&format!("{mn}/data/hour"), &json!({})));
        board.published(&Publication { payload: Bytes::new(), ..said(&format!("{mn}/station"), &json!({})) });
    }
    assert!(board.station("X").is_none() && board.station("A1").is_some());
    assert_eq!(board.bytes, board.rows.values().map(Row::bytes).sum::<usize>());
}
