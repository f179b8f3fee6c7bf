//! Encrypted areas and the keys that come too late, or from a file.

use super::*;
use hj212::SealForm;
use hj212::sm4::Key;
use hj212::sm4::form_tests::{HEAD, Way, areas, ways};
use hj212_downlink::{KeyState, StationKey};
use hj212_model::message::StationFacts;

const MN: &str = "010000A8900016F000169DC0";
const A: &str = "0123456789abcdef";
const B: &str = "keyBkeyBkeyBkeyB";

fn segment(qn: u32, area: &str) -> Vec<u8> {
    format!("QN=20260601120000{qn:03};ST=31;CN=2051;PW=1;MN={MN};Flag=9;CP=&&{area}&&").into_bytes()
}

fn minute(qn: u32, value: &str) -> Vec<u8> {
    segment(qn, &format!("DataTime=20260601115{qn}00;a21026-Avg={value},a21026-Flag=N"))
}

fn station_key(created: &str, key: &str) -> StationKey {
    StationKey { mn: MN.into(), created: created.into(), key: Key::from_text(key).unwrap() }
}

/// Key A is known, two frames come under key B, then B is told.
fn told_too_late() -> Vec<Step> {
    vec![
        key_step(noon(), MN, "20260101000000000", A, KeyState::Proven),
        sealed_step(noon(), A, &minute(1, "1.50")),
        sealed_step(noon(), B, &minute(2, "2.50")),
        sealed_step(noon(), B, &minute(3, "3.50")),
        key_step(noon(), MN, "20260601000000000", B, KeyState::Proven),
        sealed_step(noon(), B, &minute(4, "4.50")),
    ]
}

#[test]
fn what_was_stored_before_its_key_is_read_by_who_knows_the_key_of_later() {
    let steps = told_too_late();
    let mut live = Player::new(settings());
    live.play(&steps);
    let data = live.data();
    let readable: Vec<bool> = data.iter().map(|body| body["readable"] != false).collect();
    assert_eq!(readable, [true, false, false, true]);
    assert_eq!((&data[1]["reason"], &data[1]["sealed"]), (&"no-key-opens".into(), &true.into()));
    assert_eq!(
        live.done.iter().map(|done| (done.opened, done.unreadable)).fold((0, 0), |a, b| (a.0 + b.0, a.1 + b.1)),
        (2, 2)
    );

    let mut again = Player::new(settings());
    again.interpreter.know_keys(live.interpreter.keys());
    again.play(&steps);
    let replayed = again.data();
    let values: Vec<String> = replayed.iter().map(|body| body["readings"]["a21026"]["avg"].to_string()).collect();
    assert_eq!(values, ["1.5", "2.5", "3.5", "4.5"].map(str::to_owned));
    for (before, after) in data.iter().zip(&replayed) {
        let replaces = (before["readable"] == false).then(|| serde_json::json!([before["id"]]));
        assert_eq!(after["replaces"], replaces.unwrap_or_default(), "the unreadable record is named, and none else");
        assert_eq!(after["sealed"], true);
    }
    let schemas = Schemas::new();
    live.out.iter().chain(&again.out).for_each(|publication| schemas.check(publication));
    // What was readable is said again byte for byte.
    let said = |player: &Player, at: usize| {
        let data: Vec<TypedPublication> = player.out.iter().filter(|p| p.topic.contains("/data/")).cloned().collect();
        data[at].clone()
    };
    assert_eq!((said(&live, 0), said(&live, 3)), (said(&again, 0), said(&again, 3)));
    // The keys of later are in no snapshot, those of the journal in every one.
    let mut early = Player::new(settings());
    early.interpreter.know_keys([station_key("20260601000000000", B)]);
    early.play(&steps[..2]);
    let restored = Interpreter::restore(settings(), &early.interpreter.snapshot()).unwrap();
    assert_eq!(restored.keys(), [station_key("20260101000000000", A)]);
}

#[test]
fn the_id_of_a_record_is_the_same_sealed_or_plain_and_before_or_after_its_key() {
    let mut plain = Player::new(settings());
    plain.play(&[frame_step(noon(), &minute(2, "2.50"))]);
    let mut later = Player::new(settings());
    later.interpreter.know_keys([station_key("20260601000000000", B)]);
    later.play(&[sealed_step(noon(), B, &minute(2, "2.50")), frame_step(noon(), &minute(2, "2.50"))]);
    assert_eq!(later.data().len(), 1, "the plain one is a re-send");
    assert_eq!(later.data()[0]["id"], plain.data()[0]["id"]);
    // A record with neither time nor codes has the id that it had as unreadable: then it is the next revision.
    let request = format!("QN={NOON};ST=31;CN=1014;PW=1;MN={MN};Flag=9;CP=&&SKCreateTime=20240601085857223&&");
    let (mut live, mut later) = (Player::new(settings()), Player::new(settings()));
    later.interpreter.know_keys([station_key("20260601000000000", B)]);
    for player in [&mut live, &mut later] {
        player.play(&[sealed_step(noon(), B, request.as_bytes())]);
    }
    let (live, later) = (&live.data()[0], &later.data()[0]);
    assert_eq!((&live["id"], &live["revision"], &live["readable"]), (&later["id"], &0.into(), &false.into()));
    assert_eq!((&later["revision"], &later["fields"]["sk_create_time"]), (&1.into(), &"20240601085857223".into()));
}

#[test]
fn parts_opened_later_name_each_unreadable_part() {
    let part = |number: u32| {
        let text = format!(
            "QN=2026060112000000{number};ST=31;CN=2061;PW=1;MN={MN};Flag=11;PNUM=2;PNO={number};CP=&&DataTime=20260601110000;a2100{number}-Avg=1.50,a2100{number}-Flag=N&&"
        );
        sealed_step(noon(), B, text.as_bytes())
    };
    let mut live = Player::new(settings());
    live.play(&[part(1), part(2)]);
    let unreadable: Vec<serde_json::Value> = live.data().iter().map(|body| body["id"].clone()).collect();
    assert_eq!(unreadable.len(), 2);
    let mut again = Player::new(settings());
    again.interpreter.know_keys([station_key("20260601000000000", B)]);
    again.play(&[part(1), part(2)]);
    let data = again.data();
    assert_eq!((data.len(), &data[0]["replaces"]), (1, &serde_json::Value::from(unreadable)));
    Schemas::new().check(&again.out[0]);
}

#[test]
fn a_damaged_frame_a_wrong_form_and_a_known_mistake_are_named() {
    let mut raw = Vec::new();
    sm4::frame(
        &mut raw,
        &segment(5, "DataTime=20260601115500;a21026-Avg=1.50,a21026-Flag=N"),
        &Key::from_text(A).unwrap(),
    )
    .unwrap();
    let mut damaged = raw.clone();
    let at = raw.len() - 9;
    damaged[at] ^= 1;
    let mut other = raw.clone();
    let end = raw.len() - 2;
    // Modbus, computed elsewhere over the plain segment.
    let modbus = ::crc::Crc::<u16>::new(&::crc::CRC_16_MODBUS)
        .checksum(&segment(5, "DataTime=20260601115500;a21026-Avg=1.50,a21026-Flag=N"));
    other.splice(end - 4..end, format!("{modbus:04X}").into_bytes());
    let torn = segment(6, "{0xE4,0x3E,0x0D}");
    let steps = [
        key_step(noon(), MN, "20260101000000000", A, KeyState::Proven),
        wire_step(noon(), &damaged),
        frame_step(noon(), &torn),
        wire_step(noon(), &other),
    ];
    let mut player = Player::new(settings());
    player.play(&steps);
    let said: Vec<String> = player.data().iter().map(|body| body["reason"].to_string()).collect();
    assert_eq!(said, ["\"check-wrong\"", "\"sealed-form\"", "null"]);
    assert!(player.data()[2]["deviations"].to_string().contains("crc-modbus"));
    assert!(!player.data()[0].to_string().contains("1.50"), "what a damaged area says is not said");
}

#[test]
fn keys_are_in_snapshots_and_in_no_print() {
    let mut player = Player::new(settings());
    player.interpreter.know_keys([station_key("20260601000000000", B)]);
    player.play(&told_too_late());
    let printed = format!("{:?} {:?}", player.interpreter, player.interpreter.keys());
    let hex = |key: &str| key.bytes().map(|byte| format!("{byte:02X}")).collect::<String>();
    for key in [A, B] {
        let (digits, list) = (hex(key), format!("{:?}", key.as_bytes()));
        assert!(!printed.contains(key) && !printed.to_uppercase().contains(&digits) && !printed.contains(&list));
        assert!(memchr::memmem::find(&player.interpreter.snapshot(), key.as_bytes()).is_some());
    }
}

proptest! {
    #[test]
    fn sealed_frames_of_any_kind_give_json_that_keeps_its_schema(
        area in proptest::collection::vec(any::<u8>(), 0..200), text in "(DataTime=20260601115500;)?[ -~]{0,80}", right: bool, early: bool,
    ) {
        let key = if right { A } else { B };
        let schemas = Schemas::new();
        let mut player = Player::new(settings());
        if early {
            player.interpreter.know_keys([station_key("20260101000000000", A)]);
        }
        player.play(&[
            key_step(noon(), MN, "20260101000000000", A, KeyState::Proven),
            sealed_step(noon(), key, &segment(1, &text)),
            sealed_step(noon(), key, &[&segment(2, "")[..], &area].concat()),
        ]);
        player.out.iter().for_each(|publication| schemas.check(publication));
    }
}

/// The context that registers the station with this form.
fn registered(seal: Option<SealForm>) -> Vec<Step> {
    let facts = StationFacts { seal, ..StationFacts::default() };
    let context = Context { stations: [(MN.to_owned(), facts.into())].into(), ..Context::default() };
    context_steps(noon(), &context)
}

fn wire_of(way: Way, head: &str, area: &str) -> Step {
    wire_step(noon(), &way.frame(head, area, &Key::from_text(A).unwrap()))
}

#[test]
fn a_form_that_is_not_registered_is_named_and_never_an_empty_plain_record() {
    let schemas = Schemas::new();
    // The declared length is read by the scanner alone.
    for (turn, way) in ways().into_iter().filter(|way| way.length == "wire").enumerate() {
        // Every length of the last group, one a form.
        for (number, area) in areas().enumerate().skip(turn % 17).take(1) {
            let filled_up = way.is_told(&area);
            for key_known in [true, false] {
                let mut player = Player::new(settings());
                if key_known {
                    player.play(&[key_step(noon(), MN, "20260101000000000", A, KeyState::Proven)]);
                }
                player.play(&registered(None));
                player.play(&[wire_of(way, HEAD, &area)]);
                let data = player.data();
                let body = &data[0];
                let written = way.reason() == "sealed-base64" || way.reason() == "sealed-hex";
                let reason = if key_known || written { way.reason() } else { "sealed" };
                if filled_up || written {
                    assert_eq!(
                        (&body["readable"], &body["reason"]),
                        (&false.into(), &reason.into()),
                        "{way:?} {number}"
                    );
                    assert!(!body["deviations"].to_string().contains("datatime-missing"), "{way:?}");
                    let named = reason == "sealed" || body["deviations"].to_string().contains(reason);
                    assert!(named, "{way:?} {body}");
                }
                schemas.check(&player.out[0]);
            }
        }
    }
}

#[test]
fn a_registered_form_is_read_and_what_came_before_it_by_a_replay_that_knows_it() {
    let schemas = Schemas::new();
    for way in ways().into_iter().filter(|way| way.length == "wire") {
        let Some(seal) = way.seal() else { continue };
        let area = "DataTime=20260601115000;a21026-Avg=1.50,a21026-Flag=N";
        let key = key_step(noon(), MN, "20260101000000000", A, KeyState::Proven);
        let mut player = Player::new(settings());
        player.play(&[key]);
        player.play(&registered(Some(seal)));
        player.play(&[wire_of(way, HEAD, area)]);
        let read = player.data();
        assert_eq!((&read[0]["sealed"], &read[0]["readable"]), (&true.into(), &serde_json::Value::Null), "{way:?}");
        assert_eq!(read[0]["readings"]["a21026"]["avg"].to_string(), "1.5", "{way:?}");
        assert!(read[0]["deviations"].to_string().contains(way.reason()), "{way:?}");
        // Before it was registered.
        let steps = || {
            let key = key_step(noon(), MN, "20260101000000000", A, KeyState::Proven);
            [vec![key], registered(None), vec![wire_of(way, HEAD, area)]].concat()
        };
        let (mut live, mut again) = (Player::new(settings()), Player::new(settings()));
        live.play(&steps());
        again.interpreter.know_forms([(MN.to_owned(), seal)]);
        again.play(&steps());
        let (before, after) = (&live.data()[0], &again.data()[0]);
        assert_eq!((&after["id"], &after["replaces"]), (&read[0]["id"], &serde_json::json!([before["id"]])), "{way:?}");
        for publication in &again.out {
            schemas.check(publication);
        }
        // A snapshot in between changes nothing.
        let mut kept = Player::new(settings());
        kept.play(&[key_step(noon(), MN, "20260101000000000", A, KeyState::Proven)]);
        kept.play(&registered(Some(seal)));
        kept.interpreter = Interpreter::restore(settings(), &kept.interpreter.snapshot()).unwrap();
        kept.play(&[wire_of(way, HEAD, area)]);
        assert_eq!(kept.data()[0]["readings"], read[0]["readings"]);
    }
}

#[test]
fn text_of_a_station_that_nothing_says_encrypts_stays_plain() {
    let way = Way { written: "base64", padding: "pkcs7", check: "wire", length: "wire" };
    let area = "DataTime=20260601115000;a21026-Avg=1.50,a21026-Flag=N";
    for flag in ["Flag=5", "Flag=1"] {
        let head = HEAD.replace("Flag=9", flag);
        let mut plain = Player::new(settings());
        plain.play(&registered(None));
        plain.play(&[wire_of(way, &head, area)]);
        assert_eq!(
            (&plain.data()[0]["sealed"], &plain.data()[0]["readable"]),
            (&serde_json::Value::Null, &serde_json::Value::Null)
        );
        // A key or the registration says so.
        let mut keyed = Player::new(settings());
        keyed.play(&[key_step(noon(), MN, "20260101000000000", A, KeyState::Proven), wire_of(way, &head, area)]);
        assert_eq!(keyed.data()[0]["reason"], "sealed-base64");
        let mut said = Player::new(settings());
        said.play(&registered(way.seal()));
        said.play(&[wire_of(way, &head, area)]);
        assert_eq!(said.data()[0]["reason"], "sealed");
    }
}

#[test]
fn the_key_that_the_station_uses_and_the_one_that_it_may_have_are_tried_however_many_came_after_them() {
    let note = |created: &str, notice| {
        let step = hj212_downlink::Step::KeyNote { mn: MN.into(), created: created.into(), notice };
        super::step(noon(), &Record::Command(&step.encode()))
    };
    let (first, perhaps) = ("20250101000000000", "20250102000000000");
    let mut player = Player::new(settings());
    player.play(&[
        key_step(noon(), MN, first, A, KeyState::Proven),
        key_step(noon(), MN, perhaps, B, KeyState::Offered),
        note(perhaps, hj212_downlink::KeyNotice::Unknown),
    ]);
    let other = |n: u32, state| {
        key_step(noon(), MN, &format!("202601{n:02}000000000"), &format!("other{n:02}other{n:02}xx"), state)
    };
    (1..=6).for_each(|n| player.play(&[other(n, KeyState::Proven)]));
    // The logger is reset to its first key; what is kept of others is full.
    player.play(&[note(first, hj212_downlink::KeyNotice::Used)]);
    player.interpreter = Interpreter::restore(settings(), &player.interpreter.snapshot()).unwrap();
    (7..=9).for_each(|n| player.play(&[other(n, KeyState::Offered)]));
    player.play(&[sealed_step(noon(), A, &minute(1, "1.50")), sealed_step(noon(), B, &minute(2, "2.50"))]);
    assert!(player.data().iter().all(|body| body["readable"] != false) && player.data().len() == 2);
}
