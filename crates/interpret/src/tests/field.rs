//! What the field does and the standard does not say: the breadth of each kind of habit, beside the examples in `fixtures/interpret`.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{NOON, Player, Schemas, context_steps, frame_step, noon, settings};
use crate::table;
use hj212_model::message::{Context, StationFacts};

thread_local! {
    pub(super) static SCHEMAS: Schemas = Schemas::new();
}

/// A frame of `area` from a station with this ST, published.
pub(super) fn published(st: &str, cn: u16, area: &str) -> Value {
    of_segment(&format!("QN={NOON};ST={st};CN={cn};MN=A;Flag=5;CP=&&{area}&&"))
}

pub(super) fn of_segment(segment: &str) -> Value {
    let mut player = Player::new(settings());
    player.play(&[frame_step(noon(), segment.as_bytes())]);
    SCHEMAS.with(|schemas| player.out.iter().for_each(|publication| schemas.check(publication)));
    player.data().into_iter().next().unwrap()
}

pub(super) fn data(area: &str) -> Value {
    published("32", 2011, &format!("DataTime=20260601120000;{area}"))
}

pub(super) fn has(body: &Value, deviation: &str) -> bool {
    body["deviations"].as_array().unwrap().iter().any(|code| code == deviation)
}

/// The name that each code of 2005 has in its own table, by the code.
fn of_2005() -> BTreeMap<String, (String, String)> {
    let all = table::factors();
    let row = |row: &table::Row| {
        let today = all.iter().find(|other| other.code == row.other && other.generation == "2017");
        let name = today.map_or(&row.name, |today| &today.name).clone();
        (row.code.clone(), (row.canonical().to_owned(), name))
    };
    let listed = |row: &&table::Row| row.generation == "2005" && ["gas", "water"].contains(&row.category.as_str());
    all.iter().filter(listed).map(row).collect()
}

/// Commands, and fields that their items have.
const FIELDS: &[(u16, &[&str])] = &[
    (2011, &["Rtd", "Flag"]),
    (2011, &["Rtd"]),
    (2051, &["Min", "Avg", "Max", "Cou", "Flag"]),
    (2061, &["Cou", "Avg"]),
];

fn codes_of(category: &'static str) -> impl Strategy<Value = Vec<String>> {
    let rows = table::factors();
    let of = |generation: &str| -> Vec<String> {
        let fits =
            |row: &&table::Row| row.category == category && row.generation == generation && !row.code.contains('x');
        rows.iter().filter(fits).map(|row| row.code.clone()).collect()
    };
    let (old, new) = (of("2005"), of("2017"));
    (
        proptest::collection::vec(proptest::sample::select(old), 0..8),
        proptest::collection::vec(proptest::sample::select(new), 0..2),
    )
        .prop_map(|(old, new)| [old, new].concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_code_that_stands_in_a_table_gets_the_name_of_another(
        gas in codes_of("gas"),
        water in codes_of("water"),
        st in proptest::sample::select(&["21", "22", "31", "32", "33", "34", "51", "52", "61", "91", ""][..]),
        flag in proptest::sample::select(&["", "Flag=0;", "Flag=4;", "Flag=5;", "Flag=9;"][..]),
        (cn, fields) in proptest::sample::select(FIELDS),
        converted in any::<bool>(),
        reverse in any::<bool>(),
    ) {
        let known = of_2005();
        let mut codes: Vec<(&String, bool)> = gas.iter().map(|code| (code, converted)).chain(water.iter().map(|code| (code, false))).collect();
        if reverse {
            codes.reverse();
        }
        let item = |(code, converted): &(&String, bool)| {
            let zs = if *converted { format!(",{code}-ZsRtd=1.5") } else { String::new() };
            let all = fields.iter().map(|field| format!("{code}-{field}={}", if *field == "Flag" { "N" } else { "1.5" }));
            all.collect::<Vec<_>>().join(",") + &zs
        };
        let area = codes.iter().map(item).collect::<Vec<_>>().join(";");
        let st = if st.is_empty() { String::new() } else { format!("ST={st};") };
        let body = of_segment(&format!("QN={NOON};{st}CN={cn};MN=A;{flag}CP=&&DataTime=20260601120000;{area}&&"));
        for (key, reading) in body["readings"].as_object().unwrap() {
            let said = reading["reported_code"].as_str().unwrap_or(key);
            let Some((canonical, _)) = known.get(said) else { continue };
            let named = key == canonical || key == said && (reading["name"].is_null() || reading["same_as"] == *canonical || canonical == said);
            prop_assert!(named, "{} became {} in {}", said, key, area);
            if reading["name"].is_null() && canonical != said {
                prop_assert!(reading["unit"].is_null() && has(&body, "code-ambiguous"), "{} in {}", said, area);
            }
        }
    }
}

#[test]
fn a_chimney_keeps_its_gases_under_any_st() {
    let wanted =
        [("01", "a34013"), ("02", "a21026"), ("03", "a21002"), ("11", "a21022"), ("23", "a25010"), ("37", "a01010")];
    for st in ["21", "32", "33", "34", "22", "31", "61", "91", "80", "99"] {
        for beside in ["", ";S01-Rtd=13.8", ";B02-Rtd=3215", ";a19001-Rtd=11", ";SO2-Rtd=3"] {
            for (code, canonical) in wanted {
                for cn in [2011, 2031, 2051, 2061] {
                    let body = published(
                        st,
                        cn,
                        &format!("DataTime=20260601110000;{code}-Rtd=1,{code}-ZsRtd=2,{code}-Flag=N{beside}"),
                    );
                    assert_eq!(body["readings"][canonical]["rtd"], 1, "{st} {beside} {code}");
                }
            }
        }
    }
    let told = |st: &str| has(&published(st, 2011, "DataTime=20260601120000;01-Rtd=8;S01-Rtd=13"), "code-table");
    assert!(told("32") && told("21") && !told("31") && !told("91"));
}

#[test]
fn names_and_digits_follow_what_the_record_shows() {
    let body = data("SO2-Rtd=30,SO2-Flag=N;a01011-Rtd=4,a01011-Flag=N");
    let reading = &body["readings"]["a21026"];
    assert_eq!(
        (&reading["rtd"], &reading["unit"], &reading["reported_code"]),
        (&json!(30), &json!("mg/m3"), &json!("SO2"))
    );
    // 101 is of the column of water alone, and ST says water: 01 is not the dust of a chimney.
    let body = data("101-Rtd=0.2,101-Flag=N;01-Rtd=7.1,01-Flag=N");
    assert_eq!((&body["readings"]["01"]["rtd"], &body["readings"]["01"]["name"]), (&json!(7.1), &Value::Null));
    assert!(has(&body, "code-ambiguous"));
}

#[test]
fn a_flag_of_the_header_behind_the_items_is_none_of_theirs() {
    for (items, flag) in [("w01018-Rtd=1.5", Value::Null), ("w01018-Rtd=1.5,w01018-Flag=N", json!("N"))] {
        let body = of_segment(&format!("QN={NOON};ST=32;CN=2011;MN=A;CP=&&DataTime=20260601120000;{items};Flag=5&&"));
        let readings = body["readings"].as_object().unwrap();
        assert_eq!((readings.len(), &readings["w01018"]["flag"]), (1, &flag));
        assert!(has(&body, "flag-in-area") && !has(&body, "flag-without-item"));
    }
}

#[test]
fn a_value_without_a_name_of_its_field_is_told() {
    let body = data("w01018=1.5;w21003=2");
    assert_eq!((&body["fields"]["w01018"], has(&body, "field-name")), (&json!("1.5"), true));
}

#[test]
fn the_second_half_of_a_chinese_log_is_no_ciphertext() {
    let area = "DataTime=20260601120000;PolId=w21003,i11001-Info=//加热;完成,甲=//,i12001-Info=4";
    let (area, ..) = encoding_rs::GB18030.encode(area);
    for cut in 38..area.len() {
        let mut player = Player::new(settings());
        for (number, piece) in [(1, &area[..cut]), (2, &area[cut..])] {
            let head = format!("QN={NOON};ST=31;CN=3020;MN=A;Flag=7;PNUM=2;PNO={number};CP=&&");
            player.play(&[frame_step(noon(), &[head.as_bytes(), piece, b"&&"].concat())]);
        }
        let all = player.data();
        assert!(all.iter().all(|body| body["sealed"].is_null()), "{cut}: {all:?}");
        assert_eq!((all.len(), &all[0]["readings"]["i11001"]["info"]), (1, &json!("//加热;完成,甲=//")), "{cut}");
    }
    let (rest, ..) = encoding_rs::GB18030.encode("nfo=//加热;完成,甲=//,i12001-Info=4");
    let mut player = Player::new(settings());
    let head = format!("QN={NOON};ST=31;CN=3020;MN=A;Flag=5;CP=&&");
    player.play(&[frame_step(noon(), &[head.as_bytes(), &rest, b"&&"].concat())]);
    assert_eq!(player.data()[0]["readings"]["i12001"]["info"], 4);
}

#[test]
fn nozzles_are_no_pollutants_and_chimneys_with_an_own_st_are() {
    let body = published("61", 2041, "DataTime=20260601120000;001-AlvAlm=0;002-AlvAlm=1;041-AlvAlm=2;004-AlvAlm=2");
    for code in ["001", "002", "041", "004"] {
        assert_eq!(body["readings"][code]["name"], Value::Null, "{code}");
    }
    assert!(has(&body, "code-unknown") && !has(&body, "code-ambiguous") && !has(&body, "code-alias"));
    let body = published("61", 2011, "DataTime=20260601120000;01-Rtd=8,01-Flag=N;S01-Rtd=13");
    assert_eq!(body["readings"]["a34013"]["rtd"], 8);
}

#[test]
fn earlier_records_of_a_station_help_and_the_registration_counts() {
    let frame = |st: &str, second: usize, area: &str| {
        let text = format!(
            "QN=202606011200{second:02}000;ST={st};CN=2011;MN=A;CP=&&DataTime=202606011200{second:02};{area}&&"
        );
        frame_step(noon(), text.as_bytes())
    };
    let mut player = Player::new(settings());
    player.play(&[frame("32", 1, "11-Rtd=1;60-Rtd=2;B01-Rtd=3"), frame("32", 2, "11-Rtd=1")]);
    let key = |body: &Value| body["readings"].as_object().unwrap().keys().next().unwrap().clone();
    assert_eq!(key(&player.data()[1]), "w01018", "it loses zeros");
    let mut player = Player::new(settings());
    player.play(&[frame("32", 1, "1-Rtd=1;S01-Rtd=2"), frame("32", 2, "1-Rtd=1"), frame("31", 3, "060-Rtd=1")]);
    assert_eq!(key(&player.data()[1]), "a34013", "it was gas under this ST");
    let register = |st: &str| {
        let facts = StationFacts { st: Some(st.to_owned()), ..StationFacts::default() };
        context_steps(noon(), &Context { stations: [("A".to_owned(), facts.into())].into(), ..Context::default() })
    };
    for (st, area, wanted) in [
        ("31", "01-Rtd=1", "a34013"),
        ("32", "01-Rtd=1", "w01001"),
        ("32", "01-Rtd=1,01-ZsRtd=2;S01-Rtd=1", "a34013"),
        ("31", "001-Rtd=1;060-Rtd=2", "w01001"),
    ] {
        let mut player = Player::new(settings());
        player.play(&register(st));
        player.play(&[frame("32", 1, area)]);
        assert!(player.data()[0]["readings"].get(wanted).is_some(), "{st} {area}");
    }
}

/// States and logs of `count` instruments in the given forms.
fn instruments(count: usize, separator: &str, log: bool) -> String {
    let of = |n: usize| {
        let info = if log { format!("//log;{n},a=b//") } else { n.to_string() };
        format!("PolId=w2100{n}{separator}i12001-Info={info}{separator}i13001-Info={n}.5")
    };
    format!("DataTime=20260601120000;{}", (1..=count).map(of).collect::<Vec<_>>().join(";"))
}

#[test]
fn every_value_stands_under_its_instrument() {
    for count in [2, 3, 4, 8] {
        for separator in [",", ";"] {
            for log in [false, true] {
                let body = published("21", 3020, &instruments(count, separator, log));
                let all = body["instruments"].as_array().unwrap();
                assert_eq!((all.len(), &body["readings"]), (count, &json!({})));
                for (n, instrument) in (1..).zip(all) {
                    assert_eq!(instrument["pol_id"], format!("w2100{n}"));
                    let info = &instrument["readings"]["i12001"];
                    let said = if log { json!(format!("//log;{n},a=b//")) } else { json!(n) };
                    assert_eq!(if log { &info["text"]["info"] } else { &info["info"] }, &said, "{info}");
                    assert_eq!(instrument["readings"]["i13001"]["info"], json!(n as f64 + 0.5));
                }
                for code in ["item-twice", "item-differs", "item-repeated"] {
                    assert!(!has(&body, code), "{code}");
                }
            }
        }
    }
}

#[test]
fn one_instrument_is_as_it_was_and_one_named_twice_is_one() {
    let body = published("32", 3020, "DataTime=20260601120000;PolId=w01018;i12001-Info=2;PolId=w01018;i12002-Info=0");
    assert_eq!(body["readings"]["i12001"]["info"], 2);
    assert_eq!(body["readings"], body["instruments"][0]["readings"]);
    assert_eq!((&body["fields"]["pol_id"], body["instruments"].as_array().unwrap().len()), (&json!("w01018"), 1));
    assert!(!has(&body, "item-twice"));
}

#[test]
fn instruments_of_a_split_record_stay_apart() {
    let whole = instruments(4, ";", false);
    let expected = published("21", 3020, &whole)["instruments"].clone();
    // Cut anywhere by bytes: the parts but the first have no DataTime.
    for cut in (24..whole.len() - 1).step_by(3) {
        let parts = [&whole[..cut], &whole[cut..]];
        for order in [[0, 1], [1, 0]] {
            let mut player = Player::new(settings());
            for at in order {
                let text = format!("QN={NOON};ST=21;CN=3020;MN=A;Flag=7;PNUM=2;PNO={};CP=&&{}&&", at + 1, parts[at]);
                player.play(&[frame_step(noon(), text.as_bytes())]);
            }
            let data = player.data();
            assert_eq!(data.len(), 1, "{parts:?}");
            assert_eq!(data[0]["instruments"], expected, "{parts:?}");
        }
    }
}

/// HJ 212-2017, table B.8: i12001 is 2 where the instrument has a fault.
#[test]
fn the_state_of_an_instrument_marks_its_own_factor() {
    let frame = |second: usize, cn: u16, area: &str| {
        let text = format!(
            "QN=202606011200{second:02}000;ST=32;CN={cn};MN=A;Flag=5;CP=&&DataTime=202606011200{second:02};{area}&&"
        );
        frame_step(noon(), text.as_bytes())
    };
    let mut player = Player::new(settings());
    player.play(&[frame(1, 3020, "PolId=w21003,i12001-Info=2;PolId=w21011,i12001-Info=0")]);
    let objects: Vec<String> = player
        .out
        .iter()
        .filter(|p| p.topic.contains("/mark/") && !p.payload.is_empty())
        .map(|p| p.topic.rsplit('/').next().unwrap().to_owned())
        .collect();
    assert!(objects.iter().all(|object| object.contains("w21003")), "{objects:?}");
}

#[test]
fn items_that_contradict_are_readings_of_their_own() {
    let body = data("B01-Rtd=12.5,B01-Flag=D;B01-Rtd=19796346,B01-Flag=N");
    let (one, two) = (&body["readings"]["w00000"], &body["readings"]["w00000#2"]);
    assert_eq!(
        (&one["rtd"], &one["flag"], &one["item"], &one["valid"]),
        (&json!(12.5), &json!("D"), &json!(1), &json!(false))
    );
    assert_eq!(
        (&two["rtd"], &two["flag"], &two["item"], &two["valid"]),
        (&json!(19796346), &json!("N"), &json!(2), &json!(true))
    );
    assert!(has(&body, "item-differs"));
    // The fields of the second one in another order, with one that the first has not.
    let body = data("w00000-Avg=1,w00000-Flag=D;w00000-Cou=5,w00000-Avg=2,w00000-Flag=N");
    assert_eq!(body["readings"]["w00000"].get("cou"), None);
    assert_eq!(body["readings"]["w00000#2"]["cou"], 5);
    // Separated by semicolons alone.
    let body = data("w00000-Avg=1;w00000-Flag=D;w00000-Avg=2;w00000-Flag=N");
    assert_eq!(
        (&body["readings"]["w00000"]["flag"], &body["readings"]["w00000#2"]["flag"]),
        (&json!("D"), &json!("N"))
    );
    // Apart, and with another item between.
    let body = data("w00000-Rtd=1,w00000-Flag=D;w01018-Rtd=3;w00000-Rtd=2,w00000-Flag=N");
    assert_eq!(body["readings"]["w00000#2"]["rtd"], 2);
    // A code that looks like the key of a second item.
    let body = data("w00000-Rtd=1;w00000#2-Rtd=9;w00000-Rtd=2");
    assert_eq!((&body["readings"]["w00000#2"]["rtd"], &body["readings"]["w00000##2"]["rtd"]), (&json!(9), &json!(2)));
}

#[test]
fn items_that_do_not_contradict_are_one_reading() {
    for (area, repeated) in [
        ("w00000-Rtd=1,w00000-Flag=N;w00000-Rtd=1,w00000-Flag=N", true),
        ("w00000-Rtd=1,w00000-Flag=N;w01018-Rtd=3;w00000-Rtd=1,w00000-Flag=N", true),
        ("w00000-Rtd=1,w00000-Rtd=1,w00000-Flag=N", true),
        ("w00000-Rtd=1;w01018-Rtd=3;w00000-Flag=N", false),
        ("w00000-Rtd=1;w00000-Flag=N", false),
    ] {
        let body = data(area);
        let reading = &body["readings"]["w00000"];
        assert_eq!((&reading["rtd"], &reading["flag"], reading.get("item")), (&json!(1), &json!("N"), None), "{area}");
        assert!(has(&body, "item-repeated") == repeated && !has(&body, "item-differs"), "{area}");
    }
    let body = data("w00000-Rtd=1,w00000-Flag=N,w00000-Flag=D;w01018-Rtd=1,w01018-Flag=D,w01018-Flag=N");
    assert_eq!(body["readings"]["w00000"]["valid"], false);
    assert_eq!(body["readings"]["w01018"]["valid"], Value::Null, "flags that differ make nothing valid");
    assert_eq!(body["readings"]["w01018"]["why"]["valid"], "flags-differ");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn no_field_stands_beside_one_of_an_item_that_contradicts_it(
        items in proptest::collection::vec((0..4u8, 0..4u8, "[ND]", any::<bool>()), 1..5),
        between in proptest::sample::select(&[";", ";w21003-Rtd=1;"][..]),
    ) {
        let item = |(rtd, cou, flag, first): &(u8, u8, String, bool)| {
            let mut fields = [format!("w00000-Rtd={rtd}"), format!("w00000-Cou={cou}"), format!("w00000-Flag={flag}")];
            if *first {
                fields.rotate_left(1);
            }
            fields.join(",")
        };
        let body = data(&items.iter().map(item).collect::<Vec<_>>().join(between));
        let said: Vec<Value> = items.iter().map(|(rtd, cou, flag, _)| json!([rtd, cou, flag])).collect();
        for (key, reading) in body["readings"].as_object().unwrap().iter().filter(|(key, _)| key.starts_with("w00000")) {
            let triple = json!([reading["rtd"], reading["cou"], reading["flag"]]);
            prop_assert!(said.contains(&triple), "{} {}", key, reading);
        }
        for triple in said {
            let there = |reading: &Value| json!([reading["rtd"], reading["cou"], reading["flag"]]) == triple;
            prop_assert!(body["readings"].as_object().unwrap().values().any(there), "{} is lost", triple);
        }
    }
}

#[test]
fn nothing_without_a_value_is_valid_and_each_says_why() {
    for (value, why) in [
        ("", "empty"),
        ("--", "placeholder"),
        ("-", "placeholder"),
        ("NaN", "placeholder"),
        ("nan", "placeholder"),
        ("***", "placeholder"),
        ("ND", "placeholder"),
        ("null", "placeholder"),
        ("NULL", "placeholder"),
        ("N/A", "placeholder"),
        ("inf", "placeholder"),
        ("abc", "not-a-number"),
        ("1,234", "comma"),
        ("1,234.5", "comma"),
        ("1,234,567", "comma"),
        ("12,5", "comma"),
        ("7,1", "comma"),
        ("0,35", "comma"),
        ("1e999", "out-of-range"),
        ("-9999", "sentinel"),
        ("-999", "sentinel"),
        ("99999", "sentinel"),
        ("9999.99", "sentinel"),
        ("-9999.0", "sentinel"),
    ] {
        for (st, cn, field) in [("32", 2011, "Rtd"), ("31", 2051, "Avg")] {
            let body = published(
                st,
                cn,
                &format!("DataTime=20260601115000;w01018-{field}={value},w01018-Flag=N;w21003-{field}=2,w21003-Flag=N"),
            );
            let (reading, field) = (&body["readings"]["w01018"], field.to_lowercase());
            assert_eq!(reading["valid"], false, "{value}: {reading}");
            assert_eq!(reading["why"][&field], why, "{value}");
            assert_eq!(reading[&field].is_null(), why != "sentinel", "{value}");
            assert_eq!(reading["text"][&field].as_str(), (why != "sentinel").then_some(value));
            let other = &body["readings"]["w21003"];
            assert_eq!((&other["valid"], other.get("why")), (&json!(true), None), "{other}");
        }
    }
    for value in ["-99", "-99.000000", "999.99", "65535"] {
        let body = data(&format!("w01018-Rtd={value},w01018-Flag=N"));
        assert_eq!(body["readings"]["w01018"]["valid"], Value::Null, "{value}");
        assert!(has(&body, "value-sentinel"), "{value}");
    }
    let body = data("w01018-Rtd=0.000,w01018-Flag=N;w21011-Flag=N;w21003-Rtd=1");
    assert_eq!(body["readings"]["w01018"]["valid"], true);
    assert_eq!(
        (&body["readings"]["w21011"]["valid"], &body["readings"]["w21011"]["why"]["valid"]),
        (&json!(false), &json!("no-value"))
    );
    assert!(has(&body, "flag-alone") && !has(&body, "flag-first") && !has(&body, "flag-of-other"));
    assert!(has(&data("w01018-Rtd=1,w21003-Flag=N"), "flag-of-other"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn valid_is_true_only_beside_a_value(
        fields in proptest::collection::vec((
            proptest::sample::select(&["w01018", "w21003", "a21026", "w00000"][..]),
            proptest::sample::select(&["Rtd", "Avg", "Min", "Max", "Cou", "ZsAvg", "Flag", "Info", "RS"][..]),
            prop_oneof![Just(String::new()), Just("N".to_owned()), "[-+.0-9eE,]{1,6}", Just("-9999".to_owned()), Just("--".to_owned())],
        ), 1..12),
        flagged in any::<bool>(),
    ) {
        let mut area: Vec<String> = fields.iter().map(|(code, name, value)| format!("{code}-{name}={value}")).collect();
        if flagged {
            area.extend(["w01018", "w21003", "a21026", "w00000"].map(|code| format!("{code}-Flag=N")));
        }
        let body = data(&area.join(";"));
        for reading in body["readings"].as_object().unwrap().values().filter(|reading| reading["valid"] == true) {
            let value = |key: &str| reading.get(key).is_some_and(|value| value.is_number() && *value != -9999);
            let main = ["rtd", "avg", "info", "rs"].iter().find(|key| reading.get(**key).is_some());
            let there = main.map_or_else(|| ["min", "max", "cou", "zs_avg"].iter().any(|key| value(key)), |_| {
                ["rtd", "avg", "info", "rs"].iter().any(|key| value(key)) || reading["text"]["info"].is_string()
            });
            prop_assert!(there, "{}", reading);
        }
    }

    #[test]
    fn a_fixed_width_number_is_that_number(zeros in 0usize..5, digits in "(0|[1-9][0-9]{0,4})([.][0-9]{1,4})?", sign in "[-+]?") {
        let said = format!("{sign}{}{digits}", "0".repeat(zeros));
        let body = data(&format!("w01018-Avg={said},w01018-Flag=D"));
        let reading = &body["readings"]["w01018"];
        let wanted = format!("{}{digits}", if sign == "-" { "-" } else { "" });
        prop_assert_eq!(reading["avg"].as_f64(), wanted.parse().ok());
        let plain = said == wanted;
        prop_assert_eq!(reading["text"]["avg"].as_str(), (!plain).then_some(said.as_str()));
        prop_assert_eq!(has(&body, "value-form"), !plain);
    }
}

#[test]
fn names_are_read_in_any_case() {
    for name in ["DATATIME", "Datatime", "dataTime", "datatime", "Data Time", "DataTime "] {
        let body = published("32", 2011, &format!("{name}=20260601120000;w01018-Rtd=1"));
        assert_eq!(body["data_time"], "2026-06-01T12:00:00+08:00", "{name}");
        assert!(body["fields"].as_object().unwrap().is_empty() && !has(&body, "datatime-missing"), "{name}");
        assert_eq!(has(&body, "field-name"), name.trim() != "DataTime", "{name}");
    }
    for (name, key) in
        [("BEGINTIME", "begin_time"), ("endtime", "end_time"), ("POLID", "pol_id"), ("Begin Time", "begin_time")]
    {
        let body = published("32", 2011, &format!("DataTime=20260601120000;{name}=20260601110000;w01018-Rtd=1"));
        assert_eq!(body["fields"][key], "20260601110000", "{name}");
        assert!(has(&body, "field-name"), "{name}");
    }
}

#[test]
fn times_in_other_forms_are_named_and_shown() {
    for (said, wanted) in [
        ("2026060112", "2026-06-01T12:00:00+08:00"),
        ("202606011200", "2026-06-01T12:00:00+08:00"),
        ("202606011200001", "2026-06-01T12:00:00+08:00"),
        ("2026060112000012", "2026-06-01T12:00:00+08:00"),
        ("2026-06-01 12:00:00", "2026-06-01T12:00:00+08:00"),
        ("2026/06/01T12:00:00", "2026-06-01T12:00:00+08:00"),
    ] {
        let body = published("32", 2011, &format!("DataTime={said};w01018-Rtd=1"));
        assert_eq!((&body["data_time"], &body["data_time_text"]), (&json!(wanted), &json!(said)));
        assert!(has(&body, "datatime-form"), "{said}");
    }
    for said in ["2012010110", "2026060112030", "2026060112300", "20260601123"] {
        let body = published("32", 2011, &format!("DataTime={said};w01018-Rtd=1"));
        assert_eq!(
            (&body["data_time"], &body["data_time_text"]),
            (&Value::Null, &json!(said)),
            "it could be two times"
        );
        assert!(has(&body, "datatime-form"), "{said}");
    }
}

#[test]
fn a_time_with_an_offset_is_that_of_beijing_or_none_and_named() {
    let forms =
        ["20260601120000", "2026-06-01T12:00:00", "2026-06-01 12:00:00", "2026/06/01 12:00:00", "20260601T120000.000"];
    let zones = [
        ("+08:00", true),
        ("+0800", true),
        ("+08", true),
        (" +08:00", true),
        ("Z", false),
        ("z", false),
        (" Z", false),
        ("+00:00", false),
        ("+0000", false),
        ("-08:00", false),
        ("+09:00", false),
        ("+8", false),
        ("+08:30", false),
        (" UTC+8", false),
        (" GMT", false),
        (" CST", false),
        ("[Asia/Shanghai]", false),
    ];
    for form in forms {
        for (zone, of_beijing) in zones {
            for (cn, name) in [(2011, "Rtd"), (2061, "Avg")] {
                let said = format!("{form}{zone}");
                let body = published("31", cn, &format!("DataTime={said};a21026-{name}=1,a21026-Flag=N"));
                let shown = body["data_time"].as_str().map(|time| time.replace(".000", ""));
                assert_eq!(shown.as_deref(), of_beijing.then_some("2026-06-01T12:00:00+08:00"), "{said}");
                assert_eq!(body["data_time_text"], said.as_str());
                assert!(has(&body, "datatime-form"), "{said}");
                assert_eq!(body["readings"]["a21026"]["valid"], true, "the value is one all the same");
            }
        }
    }
    // A time of sampling is read alike, or has no value.
    for (zone, of_beijing) in zones {
        let said = format!("2026-06-01 12:00:00{zone}");
        let body = data(&format!("w01018-SampleTime={said},w01018-Rtd=1,w01018-Flag=N"));
        let read = &body["readings"]["w01018"]["sample_time"];
        assert_eq!(read, &json!(of_beijing.then_some("2026-06-01T12:00:00+08:00")), "{said}");
    }
}

#[test]
fn separators_in_other_characters_change_no_value() {
    let plain = data("w01018-Rtd=20.1,w01018-Flag=N;w21003-Rtd=2,w21003-Flag=N")["readings"].clone();
    for area in [
        "w01018-Rtd=20.1,w01018-Flag=N&w21003-Rtd=2,w21003-Flag=N",
        "w01018-Rtd=20.1,w01018-Flag=N&&w21003-Rtd=2,w21003-Flag=N",
        "w01018-Rtd=20.1,w01018-Flag=N;&&w21003-Rtd=2,w21003-Flag=N",
        "w01018-Rtd=20.1&w01018-Flag=N&w21003-Rtd=2&w21003-Flag=N",
        "w01018-Rtd=20.1,w01018-Flag=N&amp;&amp;w21003-Rtd=2,w21003-Flag=N",
        "w01018-Rtd=20.1，w01018-Flag=N；w21003-Rtd=2，w21003-Flag＝N",
    ] {
        let body = data(area);
        assert_eq!(body["readings"], plain, "{area}");
        assert!(has(&body, "separator-ampersand") || has(&body, "separator-full-width"), "{area}");
    }
}

/// Plays the parts in this order; what was published, and how many records were given up.
fn split(parts: &[(&str, usize, usize, &str)]) -> Vec<Value> {
    let mut player = Player::new(settings());
    for (qn, count, number, area) in parts {
        let text = format!("QN={qn};ST=31;CN=2051;MN=A;Flag=7;PNUM={count};PNO={number};CP=&&{area}&&");
        player.play(&[frame_step(noon(), text.as_bytes())]);
    }
    player.data()
}

#[test]
fn parts_are_put_together_by_time_or_qn_at_once() {
    let (a, b) = ("20260601120000001", "20260601120000002");
    let (one, two) = ("DataTime=20260601110000;a21026-Avg=1", "a21002-Avg=2");
    let (other, last) = ("DataTime=20260601111000;a21026-Avg=3", "a21002-Avg=4");
    let interleaved = split(&[(a, 2, 1, one), (b, 2, 1, other), (b, 2, 2, last), (a, 2, 2, two)]);
    let values: Vec<(&Value, &Value, &Value)> = interleaved
        .iter()
        .map(|body| (&body["data_time"], &body["readings"]["a21026"]["avg"], &body["readings"]["a21002"]["avg"]))
        .collect();
    assert_eq!(
        values,
        [
            (&json!("2026-06-01T11:10:00+08:00"), &json!(3), &json!(4)),
            (&json!("2026-06-01T11:00:00+08:00"), &json!(1), &json!(2)),
        ]
    );
    // The second first; the first again while the second is awaited; all of it again, under the same QN and another.
    assert_eq!(split(&[(a, 2, 2, two), (a, 2, 1, one)]).len(), 1);
    assert_eq!(split(&[(a, 2, 1, one), (a, 2, 1, one), (a, 2, 2, two)]).len(), 1);
    assert_eq!(split(&[(a, 2, 1, one), (b, 2, 1, one), (b, 2, 2, two)]).len(), 1, "sent again from the first on");
    assert_eq!(split(&[(a, 2, 1, one), (a, 2, 2, two), (a, 2, 1, one), (a, 2, 2, two)]).len(), 1);
    assert_eq!(split(&[(a, 2, 1, one), (a, 2, 2, two), (b, 2, 1, one), (b, 2, 2, two)]).len(), 1);
    // The same values in the next record are another record.
    let next = "DataTime=20260601112000;a21026-Avg=1";
    assert_eq!(split(&[(a, 2, 1, one), (a, 2, 2, two), (b, 2, 1, next), (b, 2, 2, two)]).len(), 2);
    // Another QN and no DataTime: it belongs to the record that began beside it, if no other did or can be there yet.
    let one = "DataTime=20260601115900;a21026-Avg=1";
    assert_eq!(split(&[(a, 2, 1, one), (b, 2, 2, two)]).len(), 0, "not before nothing can contradict");
    let mut player = Player::new(settings());
    for (qn, number, area) in [(a, 1, one), (b, 2, two)] {
        let text = format!("QN={qn};ST=31;CN=2051;MN=A;Flag=7;PNUM=2;PNO={number};CP=&&{area}&&");
        player.play(&[frame_step(noon(), text.as_bytes())]);
    }
    let later = hj212_model::message::Timestamp(noon().0 + 6_000_000);
    player.play(&[super::step(later, &super::Record::Tick)]);
    let by_number = player.data();
    assert_eq!((by_number.len(), &by_number[0]["readings"]["a21002"]["avg"]), (1, &json!(2)));
    assert!(has(&by_number[0], "parts-by-number"));
    let c = "20260601120000003";
    assert_eq!(split(&[(a, 2, 1, one), (b, 2, 1, other), (c, 2, 2, two)]).len(), 0);
    let one = "DataTime=20260601110000;a21026-Avg=1";
    // Counted from 0.
    for order in [[0, 1, 2], [2, 0, 1], [1, 2, 0]] {
        let parts = order.map(|number| (a, 3, number, [one, "a21002-Avg=2", "a34013-Avg=3"][number]));
        let data = split(&parts);
        assert_eq!((data.len(), &data[0]["part"]), (1, &Value::Null), "{order:?}");
        assert!(has(&data[0], "parts-from-zero"));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn an_area_cut_anywhere_gives_what_it_gives_whole(
        items in proptest::collection::vec(("a2100[1-6]", "[0-9]{1,3}[.][0-9]{1,2}", "[NDTC]"), 1..6),
        cuts in proptest::collection::vec(any::<proptest::sample::Index>(), 1..4),
        from_zero in any::<bool>(),
    ) {
        let all: BTreeMap<_, _> = items.into_iter().map(|(code, value, flag)| (code, (value, flag))).collect();
        let item = |(code, (value, flag)): (&String, &(String, String))| format!("{code}-Avg={value},{code}-Flag={flag}");
        let area = format!("DataTime=20260601110000;{}", all.iter().map(item).collect::<Vec<_>>().join(";"));
        // Within the DataTime a part would have another.
        let mut ends: Vec<usize> = cuts.iter().map(|cut| 24 + cut.index(area.len() - 24)).chain([area.len()]).collect();
        ends.sort_unstable();
        ends.dedup();
        prop_assume!(ends.len() > 1);
        let mut begin = 0;
        let mut parts = Vec::new();
        for (at, end) in ends.iter().enumerate() {
            parts.push((NOON, ends.len(), at + usize::from(!from_zero), &area[begin..*end]));
            begin = *end;
        }
        let whole = published("31", 2051, &area);
        for parts in [parts.clone(), parts.into_iter().rev().collect()] {
            let data = split(&parts);
            prop_assert_eq!(data.len(), 1, "{:?}", parts);
            prop_assert_eq!(&data[0]["readings"], &whole["readings"], "{:?}", parts);
            prop_assert_eq!(&data[0]["id"], &whole["id"]);
        }
    }
}
