//! With shapes and without them the same records give the same bytes.

use proptest::prelude::*;
use sha2::{Digest, Sha256};

use super::*;
use crate::{Interpreter, Settings, TypedPublication};
use hj212::write;
use hj212_model::message::{Heard, Peering, Record, Timestamp};

/// 2026-06-01T00:00:00+08:00
const START: i64 = 1_780_243_200_000_000;

/// Two interpreters that hear the same; one of them learns no shape.
struct Pair {
    quick: Interpreter,
    plain: Interpreter,
    number: u64,
    time: i64,
}

impl Pair {
    fn new() -> Pair {
        let (quick, mut plain) = (Interpreter::new(Settings::default()), Interpreter::new(Settings::default()));
        plain.shapes.rest = u32::MAX;
        Pair { quick, plain, number: 0, time: START }
    }

    fn hear(&mut self, record: &Record<'_>) -> Vec<TypedPublication> {
        self.number += 1;
        let (mut one, mut other) = (Vec::new(), Vec::new());
        let hash = Sha256::digest(self.number.to_be_bytes()).into();
        let done = self.quick.on_record(self.number, Timestamp(self.time), &hash, record, &mut one);
        assert_eq!(self.plain.on_record(self.number, Timestamp(self.time), &hash, record, &mut other), done);
        let text = |all: &[TypedPublication]| -> Vec<String> {
            all.iter().map(|said| format!("{} {}", said.topic, String::from_utf8_lossy(&said.payload))).collect()
        };
        assert_eq!(text(&one), text(&other));
        one
    }

    fn segment(&mut self, segment: &str) -> Vec<TypedPublication> {
        let mut raw = Vec::new();
        write::frame(&mut raw, |out| out.extend_from_slice(segment.as_bytes()));
        let from = Peering { connection: 1, peer: "10.0.0.9:7000".parse().unwrap() };
        let segment = &raw[6..raw.len() - 6];
        self.hear(&Record::Frame(Heard { from, deviations: Deviations::NONE, segment, raw: &raw }))
    }

    fn area(&mut self, mn: &str, area: &str) -> Vec<TypedPublication> {
        self.time += 30_000_000;
        let (qn, second) = (self.number, self.number * 30);
        let time = format!("20260601{:02}{:02}{:02}", second / 3600, second / 60 % 60, second % 60);
        let area = area.replace("20260601000000", &time);
        self.segment(&format!("QN=20260601{qn:09};ST=31;CN=2011;PW=123456;MN={mn};Flag=5;CP=&&{area}&&"))
    }

    fn registry(&mut self, stations: &serde_json::Value, factors: &serde_json::Value) {
        let json = serde_json::json!({ "stations": stations, "factors": factors }).to_string().into_bytes();
        let hash = Sha256::digest(&json).into();
        self.hear(&Record::Context { hash, part: 0, parts: 1, json: &json });
    }

    /// Whether the last area of `mn` was read by its shape.
    fn was_quick(&self, mn: &str) -> bool {
        let station = &self.quick.stations[self.quick.by_mn[mn.as_bytes()] as usize];
        station.shapes.known.iter().any(|(_, number, misses)| *misses == 0 && *number >= self.quick.shapes.first)
    }
}

const AREA: &str = "DataTime=20260601000000;a34013-Rtd=1.5,a34013-ZsRtd=2.0,a34013-Flag=N;a21026-Rtd=3,a21026-Flag=N";

#[test]
fn an_area_is_known_again_and_stations_that_are_alike_share_its_shape() {
    let mut pair = Pair::new();
    for mn in ["A", "B"] {
        pair.area(mn, AREA);
        pair.area(mn, &AREA.replace("1.5", "-12.25").replace("Flag=N", "Flag=D"));
        assert!(pair.was_quick(mn));
    }
    assert_eq!(pair.quick.shapes.all.len(), 1);
    for other in ["1.5 ", "01.5", "", "--", "1,5", "-9999", "1.5;a34013-Cou=1", "1e3", &"9".repeat(21)] {
        pair.area("A", &AREA.replace("1.5", other));
        assert!(!pair.was_quick("A"), "{other:?}");
        pair.area("A", AREA);
        pair.area("A", AREA);
        assert!(pair.was_quick("A"));
    }
    // Another dictionary, another registration.
    let named = |pair: &Pair, said: &[TypedPublication], text: &str| {
        assert_eq!(pair.quick.shapes.all.len(), 1);
        assert!(said.iter().any(|said| String::from_utf8_lossy(&said.payload).contains(text)), "{text}");
    };
    pair.registry(&serde_json::json!({}), &serde_json::json!({ "a34013": ["smoke of ours", "g/m3"] }));
    let said = pair.area("A", AREA);
    named(&pair, &said, "smoke of ours");
    let ours = serde_json::json!({ "A": { "units": { "a34013": "ug/m3" } } });
    pair.registry(&ours, &serde_json::json!({ "a34013": ["smoke of ours", "g/m3"] }));
    let said = pair.area("A", AREA);
    assert!(pair.was_quick("A"));
    named(&pair, &said, "ug/m3");
}

#[test]
fn shapes_take_no_more_than_their_bound() {
    let mut pair = Pair::new();
    let wide: Vec<String> = (0..200).map(|n| format!("x{n:05}-Rtd=1,x{n:05}-Flag=N")).collect();
    let mut most = 0;
    for number in 0..1000 {
        let mut turned = wide.clone();
        turned.rotate_left(number % 200);
        turned.truncate(200 - number / 200);
        pair.area(&format!("M{number}"), &format!("DataTime=20260601000000;{}", turned.join(";")));
        most = most.max(pair.quick.shapes.bytes);
        if pair.quick.shapes.rest > 0 {
            break;
        }
    }
    assert!(most > SHAPES_BYTES_MAX / 2 && most <= SHAPES_BYTES_MAX, "{most}");
    assert!(pair.quick.shapes.rest > 0 && pair.quick.shapes.all.is_empty() && pair.quick.shapes.bytes == 0);
}

#[test]
fn no_name_of_the_standard_is_that_of_a_secret() {
    assert!(crate::names::NAMES.iter().all(|name| !hj212::secret::is_secret(name.snake.as_bytes())));
}

fn value() -> impl Strategy<Value = &'static str> {
    let odd = [
        "",
        "--",
        "9999.0",
        "-9999",
        "05.0",
        "+1",
        "1,5",
        " 7",
        "7 ",
        "1=2",
        "//a;b//",
        "12345678901234567890123",
        "NaN",
    ];
    prop_oneof![
        12 => prop::sample::select(&["0", "1", "12.50", "-3.25", "100", "0.001", "65535"][..]),
        2 => prop::sample::select(odd.to_vec()),
    ]
}

fn flag() -> impl Strategy<Value = &'static str> {
    prop_oneof![
        12 => prop::sample::select(&["N", "D", "F", "M"][..]),
        1 => prop::sample::select(&["", "n", "0", "停", "PW=1", "N,234", "5", "NNNNNNNNNNNNNNNNNNNN"][..]),
    ]
}

/// Areas of few shapes with many values, so that shapes come back.
fn area() -> impl Strategy<Value = String> {
    let shapes: &[&str] = &[
        "DataTime=T;a34013-Rtd=V,a34013-ZsRtd=V,a34013-Flag=F;a21026-Rtd=V,a21026-Flag=F",
        "DataTime=T;a21026-Rtd=V,a21026-Flag=F;a34013-Rtd=V,a34013-ZsRtd=V,a34013-Flag=F",
        "DataTime=T;a34013-Cou=V,a34013-Min=V,a34013-Avg=V,a34013-Max=V;w01018-Avg=V;",
        "DataTime=T;011-Rtd=V;60-Rtd=V;S01-Rtd=V,S01-Flag=F",
        "a34013-Rtd=V;DataTime=T;a34013-Flag=F;SB1-RS=V",
        "DataTime=T;a34013-Rtd=V;a34013-Rtd=V;a34013-Flag=F",
        "DataTime=T;34013-Rtd=V,34013-Flag=F;a34013-Avg=V",
        "DataTime=T;a34013-Rtd=V,Flag=F;PolId=a21026;a21026-Rtd=V",
        "DataTime=T;e70101-Rtd=V,a34013-SampleTime=T,a34013-EFlag=F,a34013-Rtd=V;Foo=V",
        "DataTime=T;a34013-Flag=F;i23005-Info=V,zz-Rtd=V;a34013-flag=F;a21002-rtd=V",
        "DataTime=T;;a34013-Rtd=V;,a34013-Flag=F;PM10-Rtd=V,",
    ];
    let times = ["20260601000000", "20260601001000", "20260631000000", "2026060100", "20260601000099"];
    let times = prop_oneof![9 => prop::sample::select(&["20260601000000", "20260601001000"][..]), 1 => prop::sample::select(times.to_vec())];
    let values = (prop::collection::vec(value(), 6), prop::collection::vec(flag(), 3), times);
    (prop::sample::select(shapes), values).prop_map(|(shape, (values, flags, time))| {
        let (mut values, mut flags) = (values.into_iter().cycle(), flags.into_iter().cycle());
        let pieces = shape.split_inclusive('=').map(|piece| match piece.as_bytes() {
            [b'V', ..] => format!("{}{}", values.next().unwrap_or_default(), &piece[1..]),
            [b'F', b'l' | b'o', ..] | [b'D', ..] => piece.to_owned(),
            [b'F', ..] => format!("{}{}", flags.next().unwrap_or_default(), &piece[1..]),
            [b'T', ..] => format!("{time}{}", &piece[1..]),
            _ => piece.to_owned(),
        });
        pieces.collect()
    })
}

#[derive(Debug, Clone)]
enum Act {
    Say { mn: usize, st: &'static str, cn: u16, flag: u8, area: String },
    Register(usize),
    Name(usize),
}

fn act() -> impl Strategy<Value = Act> {
    let (st, cn) =
        (prop::sample::select(&["31", "32", "31"][..]), prop::sample::select(&[2011u16, 2011, 2051, 3020][..]));
    let flag = prop::sample::select(&[5u8, 5, 5, 1, 9][..]);
    let say =
        (0usize..3, st, cn, flag, area()).prop_map(|(mn, st, cn, flag, area)| Act::Say { mn, st, cn, flag, area });
    prop_oneof![30 => say, 1 => (0usize..6).prop_map(Act::Register), 1 => (0usize..3).prop_map(Act::Name)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn shapes_change_nothing(acts in prop::collection::vec(act(), 1..80)) {
        let registered = [
            serde_json::json!({}),
            serde_json::json!({ "A": { "st": "32", "edition": "2005" }, "B": { "name": "b" } }),
            serde_json::json!({ "A": { "aliases": { "a34013": "a21002" } } }),
            serde_json::json!({ "A": { "units": { "a34013": "ug/m3", "w01018": "g/L" }, "conversions": { "a34013": { "to": "mg/m3", "by": "0.001" } } } }),
            serde_json::json!({ "B": { "meanings": { "i23005": "数采仪编号", "e70101": "x" }, "rules": ["inc19"] } }),
            serde_json::json!({ "A": { "limits": { "a34013": "2" }, "ranges": { "a21026": ["0", "10"] }, "edition": "2025" } }),
        ];
        let named = [
            serde_json::json!({}),
            serde_json::json!({ "a34013": ["ours", "t"] }),
            serde_json::json!({ "zz": ["theirs", ""], "011": ["x", "y"] }),
        ];
        let (mut pair, mut stations, mut factors) = (Pair::new(), 0, 0);
        for act in acts {
            match act {
                Act::Say { mn, st, cn, flag, area } => {
                    pair.time += 20_000_000;
                    let (qn, mn) = (pair.number, ["A", "B", "C"][mn]);
                    pair.segment(&format!("QN=20260601{qn:09};ST={st};CN={cn};PW=123456;MN={mn};Flag={flag};CP=&&{area}&&"));
                }
                Act::Register(which) => stations = which,
                Act::Name(which) => factors = which,
            }
            if pair.number == 0 || matches!(pair.number % 16, 15) {
                pair.registry(&registered[stations], &named[factors]);
            }
        }
        prop_assert_eq!(pair.quick.snapshot(), pair.plain.snapshot());
    }
}
