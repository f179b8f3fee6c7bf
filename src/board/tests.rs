//! What is on the board after what was published.

use super::*;
use hj212::{Deviation, Deviations};
use hj212_coverage::Grain;
use hj212_interpret::Qn;
use hj212_model::message::{Kind, Publication, Timestamp};

/// 2026-11-23T10:40:00+08:00
const TIME: Timestamp = Timestamp(1_795_401_600_000_000);
const MINUTE: i64 = 60_000_000;

fn said(mn: &str, content: Says, body: &Value) -> TypedPublication {
    let publication =
        Publication { topic: format!("hj212/v1/{mn}"), payload: Bytes::from(body.to_string()), retain: false };
    TypedPublication { publication, station: Some(mn.into()), content, label: None }
}

pub(super) fn data(kind: Kind, qn: Option<&str>, received: Timestamp, backfill: bool) -> DataContent {
    let plain = |qn: &str| qn.parse().ok().filter(|_| qn.len() == 17).map(Qn::Plain);
    DataContent {
        kind,
        revision: 0,
        data_time: None,
        received,
        qn: qn.map(|qn| plain(qn).unwrap_or_else(|| Qn::Odd(qn.into()))),
        backfill,
        deviations: Deviations::NONE,
        length_off: None,
    }
}

fn report(mn: &str, kind: Kind, body: &Value) -> TypedPublication {
    said(mn, Says::Data(data(kind, None, TIME, false)), body)
}

fn event(mn: &str, kind: EventKind, time: Timestamp, body: &Value) -> TypedPublication {
    said(mn, Says::Event(StationEvent { kind, time }), body)
}

fn refused(mn: &str, reason: RejectReason) -> TypedPublication {
    let content = Says::Rejected { mn: Some(mn.into()), reason };
    TypedPublication {
        station: None,
        ..said("gateway/g/rejected", content, &json!({ "mn": mn, "reason": reason.code() }))
    }
}

fn board() -> Board {
    let facts = |name: &str, region: &str| StationFacts {
        name: name.into(),
        tags: [("region", region.to_owned())].into(),
        ..StationFacts::default()
    };
    let facts = |name, region| Arc::new(facts(name, region));
    let stations = [("A1".to_owned(), facts("电厂", "340100")), ("B2".to_owned(), facts("水厂", "340200"))];
    Board::new(&stations.into())
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
fn a_station_that_was_away_over_a_restart_is_offline_since_it_was_heard() {
    let mut board = board();
    let card = CardContent { peer: None, last_seen: Some(TIME), deviations: Vec::new() };
    board.published(&said("A1", Says::Card(Some(Box::new(card))), &json!({})));
    let page = board.page(&Query::default()).view();
    let row = |mn: &str| page["rows"].as_array().unwrap().iter().find(|row| row["mn"] == mn).unwrap().clone();
    let heard = TIME.to_rfc3339();
    assert_eq!((row("A1")["contact"].as_str(), row("A1")["since"].as_str()), (Some("offline"), Some(&*heard)));
    assert_eq!((row("B2")["contact"].as_str(), row("B2")["since"].as_str()), (Some("never"), Some("")));
    // The tile, the station's page and the figures say the same.
    assert_eq!(board.counts()["never"], 1);
    let one: Value = serde_json::from_str(&board.station("A1").unwrap()).unwrap();
    assert_eq!((one["contact"].as_str(), one["last_seen"].as_str()), (Some("offline"), Some(&*heard)));
    let mut figures = Vec::new();
    board.figures(|of| figures.push((of.mn, of.last_seen)));
    assert_eq!(figures, [("A1", Some(TIME)), ("B2", None)]);
    // What it says later is newer than its card.
    board.published(&said("A1", Says::Data(data(Kind::Minute, None, Timestamp(TIME.0 + MINUTE), false)), &json!({})));
    let page = board.page(&Query { sort: RowOrder::Heard, down: true, ..Query::default() }).view();
    assert_eq!(page["rows"][0]["last_seen"], Timestamp(TIME.0 + MINUTE).to_rfc3339());
}

#[test]
fn pages_are_searched_and_filtered() {
    let mut board = board();
    board.published(&event("A1", EventKind::Online, TIME, &json!({})));
    board.published(&report("A1", Kind::Realtime, &json!({ "kind": "realtime", "deviations": [] })));
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
    board.published(&refused("A1", RejectReason::PwWrong));
    board.published(&refused("never-registered", RejectReason::MnUnknown));
    assert_eq!(of(&board, "A1")["refusal"], "pw-wrong");
    assert_eq!(of(&board, "A1")["refusal_said"]["reason"], "pw-wrong");
    assert!(board.station("never-registered").is_none());
    assert_eq!(board.refusals().len(), 2);
    let mut odd = data(Kind::Minute, None, TIME, false);
    odd.deviations = Deviations::from(Deviation::CrcLowercase).union(Deviation::LengthOff.into());
    odd.length_off = Some(2);
    board.published(&said("A1", Says::Data(odd), &json!({ "kind": "minute" })));
    let station = of(&board, "A1");
    assert_eq!((&station["refusal"], &station["refused"]), (&Value::Null, &json!(1)));
    let mut shown: Vec<&str> =
        station["now_odd"].as_array().unwrap().iter().map(|code| code.as_str().unwrap()).collect();
    shown.sort_unstable();
    assert_eq!(shown, ["crc-lowercase", "length-off-by-2"]);
}

#[test]
fn what_is_kept_is_bounded() {
    let mut board = board();
    assert!(Kind::ALL.len() > KINDS_MAX);
    for number in 0..1000 {
        board.published(&event("A1", EventKind::Other, TIME, &json!({ "n": number })));
        board.published(&report("A1", Kind::ALL[number % Kind::ALL.len()], &json!({})));
        board.published(&refused("nobody", RejectReason::MnUnknown));
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
    board.published(&event("C3", EventKind::Online, TIME, &json!({})));
    board.register(&[("B2".to_owned(), Arc::default())].into());
    assert_eq!(found(&board, Query::default()), ["B2", "C3"]);
}

/// A registered number is a registered number, whatever its topics are called.
#[test]
fn a_station_that_is_called_gateway_has_one_row() {
    let mut board = Board::new(&[("gateway".to_owned(), Arc::default())].into());
    board.published(&event("gateway", EventKind::Online, TIME, &json!({})));
    assert_eq!(found(&board, Query::default()), ["gateway"]);
    assert_eq!(of(&board, "gateway")["online"], true);
}

#[test]
fn clocks_completeness_and_presence_are_told() {
    let mut board = board();
    board.published(&event("A1", EventKind::Online, TIME, &json!({})));
    board.published(&event("A1", EventKind::Takeover, Timestamp(TIME.0 + MINUTE), &json!({})));
    let minute = data(Kind::Minute, Some("20261123111500000"), Timestamp(TIME.0 + 5 * MINUTE), false);
    board.published(&said("A1", Says::Data(minute), &json!({ "kind": "minute" })));
    let newest = DayCount { day: "2026-11-22".into(), expected: 144, there: 140, gateway_down: 0, ended: true };
    let days = json!([{ "day": "2026-11-21", "expected": 144, "there": 1 }, { "day": "2026-11-22", "expected": 144, "there": 140 }]);
    let content = Says::Completeness(Grain::Minute, Some(Box::new(newest)));
    board.published(&said("A1", content, &json!({ "kind": "minute", "days": days })));
    let station = of(&board, "A1");
    assert_eq!(station["since"], "2026-11-23T10:40:00.000+08:00", "it has been here all the time");
    assert_eq!((&station["clock_ms"], &station["fails"]), (&json!(1_800_000), &json!(true)));
    assert_eq!((&station["qn"], &station["backfill"]), (&json!("20261123111500000"), &json!(false)));
    assert_eq!(station["received_at"], "2026-11-23T10:45:00.000+08:00");
    assert_eq!(
        (&station["complete"]["minute"]["there"], &station["complete"]["minute"]["rate"]),
        (&json!(140), &json!(0.9722))
    );
    assert_eq!(station["completeness"][0]["days"], days);
    let mut gone = said("A1", Says::Completeness(Grain::Minute, None), &json!({}));
    gone.publication.payload = Bytes::new();
    board.published(&gone);
    assert_eq!(of(&board, "A1")["completeness"], json!([]));
}

#[test]
fn numbers_are_shown_as_they_were_written() {
    let mut board = board();
    let mut minute = report("A1", Kind::Realtime, &json!({}));
    minute.publication.payload = Bytes::from_static(br#"{"kind":"realtime","readings":{"a21026":{"rtd":35.20}}}"#);
    board.published(&minute);
    assert!(board.station("A1").unwrap().contains("\"rtd\":35.20"));
}

#[test]
fn large_reports_are_kept_within_bounds_and_what_is_not_is_counted() {
    let mut board = board();
    let large =
        |kind: Kind, length: usize| report("A1", kind, &json!({ "kind": kind.name(), "x": "x".repeat(length) }));
    for kind in [Kind::Minute, Kind::Hour, Kind::Day] {
        board.published(&large(kind, 200 << 10));
    }
    let shown = of(&board, "A1");
    assert_eq!(shown["latest"].as_object().unwrap().len(), 2, "the newest is among them");
    assert!(shown["latest"]["day"].is_object() && shown["not_kept"] == 1);
    board.published(&large(Kind::Hour, ROW_BYTES_MAX));
    assert!(of(&board, "A1")["latest"].get("hour").is_none());
    assert_eq!(board.bytes, board.rows.values().map(Row::bytes).sum::<usize>());
    // A station that nobody remembers any more leaves the board; a registered one stays.
    for mn in ["X", "A1"] {
        board.published(&report(mn, Kind::Hour, &json!({})));
        let mut card = said(mn, Says::Card(None), &json!({}));
        card.publication.payload = Bytes::new();
        board.published(&card);
    }
    assert!(board.station("X").is_none() && board.station("A1").is_some());
    assert_eq!(board.bytes, board.rows.values().map(Row::bytes).sum::<usize>());
}

#[test]
fn rows_are_sorted_as_asked_and_by_mn_where_they_are_alike() {
    let facts = |name: &str| Arc::new(StationFacts { name: name.into(), ..StationFacts::default() });
    let stations = [("A", "丙"), ("B", "乙"), ("C", "甲"), ("D", "甲")];
    let mut board = Board::new(&stations.map(|(mn, name)| (mn.to_owned(), facts(name))).into());
    board.published(&said("B", Says::Data(data(Kind::Minute, None, TIME, false)), &json!({})));
    board.published(&said("C", Says::Data(data(Kind::Minute, None, Timestamp(TIME.0 + MINUTE), false)), &json!({})));
    board.published(&event("C", EventKind::Online, TIME, &json!({})));
    board.published(&refused("B", RejectReason::CrcMismatch));
    let sorted = |sort: RowOrder, down: bool| -> String {
        let page = board.page(&Query { sort, down, ..Query::default() }).view();
        page["rows"].as_array().unwrap().iter().map(|row| row["mn"].as_str().unwrap().to_owned()).collect()
    };
    for (order, up, down) in [
        (RowOrder::Mn, "ABCD", "DCBA"),
        (RowOrder::Name, "ABCD", "CDBA"),
        (RowOrder::State, "CBAD", "ADBC"),
        (RowOrder::Heard, "ADBC", "CBAD"),
        (RowOrder::Refused, "ACDB", "BACD"),
        (RowOrder::Trouble, "CADB", "BADC"),
        (RowOrder::Clock, "ABCD", "ABCD"),
        (RowOrder::Completeness, "ABCD", "ABCD"),
        (RowOrder::Deviations, "ABCD", "ABCD"),
    ] {
        assert_eq!((sorted(order, false).as_str(), sorted(order, true).as_str()), (up, down), "{order:?}");
    }
}

#[test]
fn answers_to_people_put_nobody_on_the_board() {
    let mut board = board();
    let before = board.counts();
    for content in [Says::CaseStatus, Says::RulingStatus { accepted: false }, Says::CommandStatus, Says::CommandRefused]
    {
        board.published(&said("GHOST", content, &json!({})));
    }
    assert_eq!(board.counts(), before);
    assert!(board.station("GHOST").is_none());
}
