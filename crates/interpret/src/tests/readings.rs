//! No wrong factor, nothing valid without a value, nothing lost: over the breadth of what stations send.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::field::{data, has, of_segment, published};
use super::{NOON, Player, context_steps, fixtures, frame_step, noon, settings};
use crate::table;
use hj212_model::message::{Context, StationFacts};

/// All readings of a data message, those under instruments too.
fn readings(body: &Value) -> Vec<(String, Value)> {
    let own = body["readings"].as_object().into_iter().flatten();
    let of = body["instruments"].as_array().into_iter().flatten();
    let under = of.flat_map(|instrument| instrument["readings"].as_object().into_iter().flatten());
    own.chain(under).map(|(key, reading)| (key.clone(), reading.clone())).collect()
}

/// Whether a reading that is valid has a value to be valid.
fn holds(reading: &Value) -> bool {
    if reading["valid"] != true {
        return true;
    }
    let values = [
        "rtd",
        "avg",
        "min",
        "max",
        "cou",
        "zs_rtd",
        "zs_avg",
        "zs_min",
        "zs_max",
        "zs_cou",
        "raw_avg",
        "data",
        "day_data",
        "night_data",
        "rs",
        "rt",
        "ala",
        "info",
        "sample_rd",
    ];
    let main = ["rtd", "avg", "info", "rs", "data", "sample_rd"];
    let is_value = |key: &&str| {
        let value = &reading[*key];
        let text = value.as_str().is_some_and(|text| !["", "--", "NaN", "null", "-9999"].contains(&text));
        let why = &reading["why"][*key];
        (value.is_number() || text) && why.is_null()
    };
    let mains: Vec<&&str> = main.iter().filter(|key| reading.get(**key).is_some()).collect();
    values.iter().any(is_value) && mains.iter().all(|key| is_value(key))
}

#[test]
fn no_fixture_has_a_valid_reading_without_a_value() {
    let mut seen = 0;
    for (name, _, steps) in fixtures() {
        let mut player = Player::new(settings());
        player.play(&steps);
        for body in player.data() {
            for (key, reading) in readings(&body) {
                assert!(holds(&reading), "{name} {key} {reading}");
                seen += usize::from(reading["valid"] == true);
            }
        }
    }
    assert!(seen > 100, "{seen}");
}

#[test]
fn nothing_that_is_no_value_makes_a_reading_valid() {
    for item in [
        "w01018-SampleTime=20260601110000",
        "w01018-CompleteTime=20260601110000",
        "w01018-WaterTime=20260601110000",
        "w01018-Status=1",
        "w01018-Class=2",
        "w01018-Class=II",
        "w01018-SN=12345",
        "w01018-SampleType=1",
        "w01018-EFlag=A01",
        "w01018-ResultType=1",
        "w01018-ValidNum=5,w01018-TotalNum=6",
        "w01018-LowValue=1,w01018-UpValue=2",
        "w01018-Flag=N",
        "w01018-Rtd=,w01018-SampleTime=20260601110000",
        "w01018-Rtd=1;5",
        "w01018-Rtd=1;234;567",
        "w01018-Info=--",
        "w01018-Info=运行",
        "w01018-Rtd=1.5,w01018-Avg=--",
        "p99101-Rtd=--",
        "p99101-Rtd=",
        "p99101-Rtd=NaN",
        "p99101-Rtd=null",
        "p99101-Rtd=-9999",
        "i11001-Info=////",
        "i11001-Info=//--//",
        "w01018-Rtd=-9999.9999",
        "w01018-Rtd=-9999.0",
        "w01018-Rtd=9999.99",
        "w01018-Rtd=9999.9999",
        "w01018-Rtd=-999.999",
        "w01018-Rtd=4294967295",
        "w01018-Rtd=340282346638528859811704183484516925440.000000",
        "w01018-Rtd=-340282346638528859811704183484516925440.000000",
        "w01018-Rtd=3.4028235E38",
        "w01018-Rtd=1.#QNAN",
        "w01018-Rtd=-1.#IND",
        "w01018-Rtd=1.#INF00",
        "w01018-Rtd=-nan(ind)",
        "w01018-Rtd=Infinity",
        "w01018-Rtd=#DIV/0!",
        "w01018-Rtd=—",
    ] {
        let code = &item[..6];
        for flags in ["Flag=N", "Flag=N,CODE-Flag=N", "Flag=N;CODE-Flag=N"] {
            let flags = flags.replace("CODE", code);
            let body = data(&format!("{item},{code}-{flags};w21003-Rtd=2,w21003-Flag=N"));
            let reading = &body["readings"][code];
            assert_ne!(reading["valid"], true, "{item} {reading}");
            assert!(reading["why"].is_object(), "it says why: {item} {reading}");
            assert_eq!(body["readings"]["w21003"]["valid"], true, "{item}");
        }
    }
    let dbl_max = format!("w01018-Rtd={}.000000,w01018-Flag=N", "9".repeat(309));
    assert_eq!(data(&dbl_max)["readings"]["w01018"]["valid"], false);
    for item in ["w01018-Rtd=1", "w01018-Min=1,w01018-Avg=2", "w01018-Cou=99999", "p99101-Rtd=Sr", "w01018-Max=3"] {
        let body = data(&format!("{item},{}-Flag=N", &item[..6]));
        assert_eq!(body["readings"][&item[..6]]["valid"], true, "{item}");
    }
}

/// What stands in an area is in the message somewhere.
fn is_said(body: &Value, token: &str) -> bool {
    serde_json::to_string(body).unwrap().contains(token)
}

#[test]
fn what_has_one_meaning_is_read_and_the_rest_is_unread() {
    for (area, deviation) in [
        ("w01018-Rtd:20.1,w01018-Flag=N", "name-odd"),
        ("w01018 -Rtd=20.1,w01018-Flag=N", "name-odd"),
        ("w01018_Rtd=20.1,w01018_Flag=N", "name-odd"),
        ("w01018\u{a0}-Rtd=20.1,w01018-Flag=N", "name-odd"),
        ("\u{feff}w01018-Rtd=20.1,w01018-Flag=N", "name-odd"),
        ("w01\u{200b}018-Rtd=20.1,w01018-Flag=N", "name-odd"),
        ("w01018-Rtd=20.1w01018-Flag=N", "separator-lost"),
    ] {
        let body = data(area);
        let reading = &body["readings"]["w01018"];
        assert_eq!(
            (&reading["rtd"], &reading["flag"], &reading["valid"]),
            (&json!(20.1), &json!("N"), &json!(true)),
            "{area}"
        );
        assert!(
            has(&body, deviation) && !has(&body, "item-malformed") && body.get("unread").is_none(),
            "{area} {body}"
        );
    }
    let body = published("32", 2011, "DataTime=20260601120000w01018-Rtd=20.1,w01018-Flag=N");
    assert_eq!(
        (&body["data_time"], &body["readings"]["w01018"]["rtd"]),
        (&json!("2026-06-01T12:00:00+08:00"), &json!(20.1))
    );
    assert!(has(&body, "separator-lost") && !has(&body, "datatime-form"));
    let body = published("32", 3020, "DataTime=20260601120000;PolId:w21003,i12001-Info=2");
    assert_eq!(body["instruments"][0]["code"], "w21003");
    let body = data("station is fine;w01018-Rtd=1;password NewPW=654321");
    assert_eq!(body["unread"][0], "station is fine");
    assert!(has(&body, "item-malformed") && !is_said(&body, "654321"));
    let long: String = (0..200).map(|n| format!("free text number {n};")).collect();
    let body = data(&long);
    assert_eq!(body["unread"].as_array().unwrap().len(), 32);
    assert!(body["unread_cut"].as_u64().unwrap() > 2000);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn every_word_of_an_area_is_in_the_message(
        pieces in proptest::collection::vec((
            proptest::sample::select(&["w01018", "a34013", "011", "01", "B01", "zz9", ""][..]),
            proptest::sample::select(&["-Rtd", "-Flag", "_Rtd", " -Avg", "-", ":", "", "Rtd", "-\u{200b}Rtd"][..]),
            proptest::sample::select(&["=", "=", "=", ":", " ", "", "=="][..]),
            proptest::sample::select(&[";", ",", ";", ",", " ", "", ";;", "\u{a0}"][..]),
        ), 1..8),
    ) {
        let mut area = String::new();
        let mut tokens = Vec::new();
        for (at, (code, name, equals, separator)) in pieces.iter().enumerate() {
            let token = format!("{}{}", 71 + at, 4000 + at);
            area += &format!("{code}{name}{equals}{token}{separator}");
            tokens.push(token);
        }
        let body = data(&area);
        for token in tokens {
            // What stands behind a name that is lost may be a password.
            let hidden = body["unread"].as_array().into_iter().flatten().any(|text| text.as_str().unwrap().contains('*'));
            prop_assert!(hidden || is_said(&body, &token), "{} of {:?} in {}", token, area, body);
        }
        for (key, reading) in readings(&body) {
            prop_assert!(holds(&reading), "{} {}", key, reading);
        }
    }
}

/// The name and canonical code of each code of 2005 in its own table.
fn of_2005() -> BTreeMap<String, String> {
    let all = table::factors();
    let listed = |row: &&table::Row| row.generation == "2005" && ["gas", "water"].contains(&row.category.as_str());
    all.iter().filter(listed).map(|row| (row.code.clone(), row.canonical().to_owned())).collect()
}

#[test]
fn companions_decide_for_bare_codes_and_instruments() {
    let name = |st: &str, area: &str, key: &str| {
        published(st, 2011, &format!("DataTime=20260601120000;{area}"))["readings"][key]["name"].clone()
    };
    // Five digits: what another code can only be.
    assert_eq!(name("32", "01001-Rtd=20;34013-Rtd=5", "a01001"), "温度");
    assert_eq!(name("31", "01001-Rtd=7;01018-Rtd=20", "w01001"), "pH值");
    assert_eq!(name("99", "01001-Rtd=7", "01001"), Value::Null);
    assert!(has(&published("99", 2011, "DataTime=20260601120000;01001-Rtd=7"), "code-ambiguous"));
    // One digit: ST alone does not tell.
    for st in ["31", "32"] {
        let body = published(st, 2011, "DataTime=20260601120000;1-Rtd=7;2-Rtd=8");
        assert_eq!((&body["readings"]["1"]["name"], &body["readings"]["2"]["unit"]), (&Value::Null, &Value::Null));
        assert!(has(&body, "code-ambiguous"), "{st}");
    }
    assert_eq!(name("32", "1-Rtd=7;2-Rtd=8;S01-Rtd=13", "a34013"), "烟尘");
    // Three digits under an ST of gas, and nothing else; two under one of water are those of a chimney.
    let body = published("31", 2011, "DataTime=20260601120000;001-Rtd=7;002-Rtd=8;003-Rtd=9");
    assert_eq!((&body["readings"]["001"]["name"], &body["readings"]["001"]["unit"]), (&Value::Null, &Value::Null));
    assert!(has(&body, "code-ambiguous"));
    let body = published("32", 2011, "DataTime=20260601120000;01-Rtd=7;02-Rtd=8");
    assert_eq!(body["readings"]["a34013"]["name"], "烟尘");
    assert!(has(&body, "code-table"));
    // Fields that no pollutant has.
    for st in ["31", "32", "61", ""] {
        let st = if st.is_empty() { String::new() } else { format!("ST={st};") };
        let body = of_segment(&format!(
            "QN={NOON};{st}CN=2041;MN=A;Flag=5;CP=&&DataTime=20260601120000;001-AlvAlm=0;002-AlvAlm=1&&"
        ));
        assert_eq!(body["readings"]["001"]["name"], Value::Null, "{st}");
        assert!(has(&body, "code-unknown"), "{st}");
    }
    // Instruments.
    let code = |st: &str, area: &str| {
        published(st, 3020, &format!("DataTime=20260601120000;{area}"))["instruments"][0]["code"].clone()
    };
    assert_eq!(code("31", "PolId=11;i12001-Info=1"), "a21022");
    assert_eq!(code("32", "PolId=11;i12001-Info=1;PolId=60;i12001-Info=1"), "w01018");
    assert_eq!(code("32", "PolId=11;i12001-Info=1;PolId=S01;i12001-Info=1"), "a21022");
    assert_eq!(code("32", "PolId=11;i12001-Info=1;PolId=B01;i12001-Info=1"), "11", "open");
    assert_eq!(code("31", "PolId=011;i12001-Info=1"), "011", "open");
    assert_eq!(code("32", "PolId=011;i12001-Info=1"), "w01018");
    // The registration counts.
    for (st, wanted) in [("32", "w01018"), ("31", "a21022")] {
        let facts = StationFacts { st: Some(st.to_owned()), ..StationFacts::default() };
        let mut player = Player::new(settings());
        player.play(&context_steps(
            noon(),
            &Context { stations: [("A".to_owned(), facts.into())].into(), ..Context::default() },
        ));
        let text = format!("QN={NOON};ST=22;CN=3020;MN=A;Flag=5;CP=&&DataTime=20260601120000;PolId=11;i12001-Info=1&&");
        player.play(&[frame_step(noon(), text.as_bytes())]);
        assert_eq!(player.data()[0]["instruments"][0]["code"], wanted);
    }
}

/// What is published of a record of a station that is registered under this ST, if under any.
fn registered(st: Option<&str>, said: &str, area: &str) -> Value {
    let mut player = Player::new(settings());
    if let Some(st) = st {
        let facts = StationFacts { st: Some(st.to_owned()), ..StationFacts::default() };
        let stations = [("A".to_owned(), facts.into())].into();
        player.play(&context_steps(noon(), &Context { stations, ..Context::default() }));
    }
    let segment = format!("QN={NOON};ST={said};CN=2011;MN=A;Flag=5;CP=&&DataTime=20260601120000;{area}&&");
    player.play(&[frame_step(noon(), segment.as_bytes())]);
    player.data()[0].clone()
}

#[test]
fn names_and_codes_of_a_record_are_of_the_medium_that_it_shows() {
    let gas = [
        "a34013-Rtd=1",
        "a21026-Rtd=1,a21026-Flag=N",
        "S01-Rtd=13.8",
        "01-Rtd=8.7,01-ZsRtd=14.3",
        "B02-Rtd=3215;02-Rtd=4",
    ];
    let water = ["w01018-Rtd=1", "060-Rtd=1.2;B01-Rtd=10"];
    let names = [
        (&gas[..], [("SO2", "a21026"), ("NOx", "a21002"), ("O2", "a19001"), ("CO2", "a05001"), ("PM10", "a34002")]),
        (&water[..], [("COD", "w01018"), ("TP", "w21011"), ("NH3-N", "w21003"), ("SS", "w01012"), ("DO", "w01009")]),
    ];
    for (beside, names) in names {
        let letter = &names[0].1[..1];
        for (st, said) in
            [(None, "32"), (None, "31"), (Some("32"), "32"), (Some("32"), "31"), (Some("31"), "32"), (Some("31"), "31")]
        {
            for beside in beside {
                for (name, code) in names {
                    let body = registered(st, said, &format!("{beside};{name}-Avg=7.5"));
                    let of_name = |reading: &Value| reading["avg"] == 7.5;
                    let all = readings(&body);
                    let (key, reading) = all.iter().find(|(_, reading)| of_name(reading)).unwrap();
                    let here = key == code || reading["same_as"] == code;
                    assert!(here, "{name} beside {beside} at {st:?}, {said}: {body}");
                    for (key, reading) in all.iter().filter(|(_, reading)| !reading["name"].is_null()) {
                        let code = reading["same_as"].as_str().unwrap_or(key);
                        assert!(code.starts_with(letter), "{key} beside {beside} at {st:?}, {said}: {body}");
                    }
                }
                // A name that is of both media is neither's where ST says one and the record shows the other.
                let against = if letter == "a" { "32" } else { "31" };
                if st.unwrap_or(said) == against {
                    let body = registered(st, said, &format!("{beside};TEMP-Avg=7.5"));
                    assert_eq!(body["readings"]["TEMP"]["name"], Value::Null, "{beside} at {st:?}, {said}: {body}");
                }
            }
        }
    }
}

fn codes(generation: &'static str, category: &'static str) -> impl Strategy<Value = Vec<String>> {
    let fits = |row: &&table::Row| row.generation == generation && row.category == category && !row.code.contains('x');
    let all: Vec<String> = table::factors().iter().filter(fits).map(|row| row.code.clone()).collect();
    if all.is_empty() {
        return proptest::collection::vec(Just(String::new()), 0..1).boxed();
    }
    proptest::collection::vec(proptest::sample::select(all), 0..6).boxed()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn no_exact_code_has_the_name_of_another_table_whatever_st_says(
        gas in codes("2005", "gas"),
        water in codes("2005", "water"),
        new in prop_oneof![codes("2017", "gas"), codes("2017", "water"), codes("2025", "gas"), codes("2025", "water")],
        instruments in prop_oneof![Just(false), Just(true)],
        st in proptest::sample::select(&["21", "22", "31", "32", "33", "51", "52", "61", "91", "99", ""][..]),
        flag in proptest::sample::select(&["", "Flag=0;", "Flag=5;", "Flag=9;"][..]),
        converted in any::<bool>(),
    ) {
        let known = of_2005();
        let mut all: Vec<String> = gas.iter().chain(&water).chain(new.iter().filter(|code| !code.is_empty())).cloned().collect();
        all.sort();
        all.dedup();
        prop_assume!(!all.is_empty());
        let item = |code: &String| match instruments {
            true => format!("PolId={code};i12001-Info=1"),
            false if converted && gas.contains(code) => format!("{code}-Rtd=1.5,{code}-ZsRtd=2,{code}-Flag=N"),
            false => format!("{code}-Rtd=1.5,{code}-Flag=N"),
        };
        let area = all.iter().map(item).collect::<Vec<_>>().join(";");
        let st = if st.is_empty() { String::new() } else { format!("ST={st};") };
        let cn = if instruments { 3020 } else { 2011 };
        let body = of_segment(&format!("QN={NOON};{st}CN={cn};MN=A;{flag}CP=&&DataTime=20260601120000;{area}&&"));
        let check = |said: &str, code: &str, name: &Value| {
            let own = known.get(said).map_or(said, String::as_str);
            code == own || (code == said && (name.is_null() || own == said))
        };
        if instruments {
            for instrument in body["instruments"].as_array().unwrap() {
                let (said, code) = (instrument["pol_id"].as_str().unwrap(), instrument["code"].as_str().unwrap());
                prop_assert!(check(said, code, &instrument["name"]), "{} became {} in {}", said, code, area);
            }
        }
        for (key, reading) in readings(&body).iter().filter(|_| !instruments) {
            let said = reading["reported_code"].as_str().unwrap_or(key);
            let second = reading["same_as"].as_str() == known.get(said).map(String::as_str);
            prop_assert!(check(said, key, &reading["name"]) || second, "{} became {} in {}", said, key, area);
        }
    }
}

#[test]
fn seconds_since_1970_are_a_time_if_they_are_near() {
    for (said, wanted) in [
        ("1780286400", "2026-06-01T12:00:00+08:00"),
        ("1780286400000", "2026-06-01T12:00:00.000+08:00"),
        ("1785600000", "2026-08-02T00:00:00+08:00"),
    ] {
        let body = published("32", 2011, &format!("DataTime={said};w01018-Rtd=1"));
        assert_eq!((&body["data_time"], &body["data_time_text"]), (&json!(wanted), &json!(said)));
        assert!(has(&body, "datatime-epoch") && has(&body, "datatime-form"), "{said}");
    }
    let body = published("32", 2011, "DataTime=2606011200;w01018-Rtd=1");
    assert!(!has(&body, "datatime-epoch") && body["data_time"] == "2026-06-01T12:00:00+08:00");
}

#[test]
fn all_codes_of_a_record_are_of_one_medium_or_open() {
    let two = "01-Rtd=8,01-Flag=N;02-Rtd=9,02-Flag=N;03-Rtd=5,03-Flag=N;";
    for st in ["32", "21"] {
        for other in ["TEMP", "21001"] {
            let area = format!("DataTime=20260601120000;{two}{other}-Rtd=3.3,{other}-Flag=N");
            let body = published(st, 2011, &area);
            let reading = &body["readings"][other];
            assert_eq!((&reading["name"], &reading["unit"]), (&Value::Null, &Value::Null), "{st} {body}");
            assert!(has(&body, "code-ambiguous"), "{st} {other}");
        }
    }
    // With the sampling of flue gas it is known.
    let body =
        published("32", 2011, &format!("DataTime=20260601120000;{two}S01-Rtd=5,S01-Flag=N;21001-Rtd=3.3,21001-Flag=N"));
    assert!(body["readings"]["a21001"].is_object(), "{body}");
    // Alone it is what ST says.
    let body = published("32", 2011, "DataTime=20260601120000;w01018-Rtd=5,w01018-Flag=N;TEMP-Rtd=3.3,TEMP-Flag=N");
    assert_eq!(body["readings"]["w01010"]["rtd"], json!(3.3), "{body}");
}

#[test]
fn what_is_no_value_is_not_valid_without_a_flag_too() {
    for field in
        ["w01018-Rtd=--", "w01018-Rtd=", "w01018-Rtd=-9999", "w01018-Rtd=abc", "w01018-SampleTime=20260601120000"]
    {
        let body = data(field);
        assert_eq!(body["readings"]["w01018"]["valid"], false, "{field}");
    }
    assert_eq!(data("w01018-Rtd=20.1")["readings"]["w01018"]["valid"], Value::Null);
}

#[test]
fn secrets_are_hidden_wherever_their_names_stand_and_nothing_else_is() {
    for area in [
        "i11001-Info=//NewPW=654321//",
        "w01018-Rtd=5 PW=654321",
        "w01018-Rtd=5;foo NewSK 654321;bar",
        "w01018-Rtd=5;NewPW-654321",
        "w01018-Rtd=5;NewPW-Info=654321",
        "w01018-Rtd=5;PW-Rtd=654321,PW-Min=654321",
        "NewSK-Flag=654321;NewSK-Info=1;NewSK-Info=654321",
        "w01018-Rtd=5;PW654321",
        "w01018-Rtd=NewPW 654321",
        "w01018-Flag=PW 654321,w01018-Rtd=5",
        "Note=the NewPW: 654321",
    ] {
        for (st, cn) in [("32", 2011), ("32", 3020)] {
            let body = published(st, cn, &format!("DataTime=20260601120000;{area}"));
            assert!(!body.to_string().contains("654321"), "{body}");
        }
    }
    let body = data("w01018-Rtd=5,w01018-Flag=N;=57.3");
    assert!(body["unread"].to_string().contains("=57.3"), "{body}");
}

#[test]
fn a_flag_in_full_width_is_named() {
    let body = data("w01018-Rtd=5,w01018-Flag=Ｎ");
    assert!(has(&body, "separator-full-width"), "{body}");
    assert_eq!(body["readings"]["w01018"]["flag"], "Ｎ");
    assert_ne!(body["readings"]["w01018"]["valid"], true);
}
