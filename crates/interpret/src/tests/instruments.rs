//! Values and the instruments they stand under (PolId), in whatever order they are said: no key of a body twice, no value under an instrument
//! that it was not said of.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::NOON;
use super::field::{has, of_segment, published};

fn info(area: &str) -> Value {
    published("31", 3020, &format!("DataTime=20260601120000;{area}"))
}

#[test]
fn what_stands_before_the_only_instrument_is_none_of_its_values() {
    let body = info("i12001-Info=1;PolId=a21026,i12001-Info=2");
    let readings = &body["readings"];
    assert_eq!((&readings["i12001"]["info"], &readings["i12001"]["item"]), (&json!(1), &json!(1)));
    assert_eq!((&readings["i12001#2"]["info"], &readings["i12001#2"]["item"]), (&json!(2), &json!(2)));
    assert!(has(&body, "item-differs"));
    let only = &body["instruments"][0];
    assert_eq!(only["readings"], json!({ "i12001#2": readings["i12001#2"] }), "once more, and nothing else");

    for (st, cn, area, first, second) in [
        ("31", 2011, "a21026-Rtd=1,a21026-Flag=N;PolId=a21026,a21026-Rtd=2,a21026-Flag=D", "a21026", "a21026#2"),
        ("31", 2021, "SB1-RS=1;PolId=SB2,SB1-RS=0", "SB1", "SB1#2"),
        ("31", 2011, "02-Rtd=1,02-Flag=N;PolId=02,02-Rtd=2,02-Flag=N", "a21026", "a21026#2"),
        // Another spelling of the same, and the same values.
        ("31", 2011, "21026-Rtd=1;PolId=a21002,a21026-Rtd=2", "21026", "a21026"),
        ("31", 2011, "a21026-Rtd=1;PolId=a21002,21026-Rtd=2", "a21026", "21026"),
        ("31", 2011, "a21026-Rtd=1;PolId=a21026,a21026-Rtd=1", "a21026", "a21026#2"),
    ] {
        let body = published(st, cn, &format!("DataTime=20260601120000;{area}"));
        let keys: Vec<&String> = body["readings"].as_object().unwrap().keys().collect();
        let mut wanted = vec![first, second];
        wanted.sort_unstable();
        assert_eq!(keys, wanted, "{area}");
        let under: Vec<&String> = body["instruments"][0]["readings"].as_object().unwrap().keys().collect();
        assert_eq!(under, [second], "{area}");
    }
    let body = info("i11001-Info=//a//;PolId=a21026,i12001-Info=2");
    assert_eq!(body["readings"].as_object().unwrap().len(), 2);
    assert_eq!(body["instruments"][0]["readings"].as_object().unwrap().len(), 1);
    assert!(!has(&body, "item-differs"));
    // A field of the record that stands before and behind.
    let body = info("Remark=1;PolId=a21026,i12001-Info=2;Remark=2");
    assert_eq!((&body["fields"]["remark"], &body["fields_earlier"][0]["said"]), (&json!("2"), &json!("1")));
}

fn piece() -> impl Strategy<Value = String> {
    let code = ["a21026", "21026", "02", "A21026", "SO2", "i12001", "w01018", "01018", "SB1", "a21026#2", "x"];
    let name = ["Rtd", "Info", "Flag", "Avg", "Item", "Text", "Validity", "Proposed", "Recomputed", "x_Item", "Valid"];
    let own = ["PolId", "PolId", "Remark", "remark", "x", "DataTime", "Flag"];
    prop_oneof![
        4 => (proptest::sample::select(code.to_vec()), proptest::sample::select(name.to_vec()), "[12N]|--|05")
            .prop_map(|(code, name, value)| format!("{code}-{name}={value}")),
        1 => (proptest::sample::select(own.to_vec()), proptest::sample::select(code.to_vec()))
            .prop_map(|(name, value)| format!("{name}={value}")),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn no_body_has_one_key_twice(
        pieces in proptest::collection::vec((piece(), "[,;]"), 0..14),
        cn in proptest::sample::select(&[2011u16, 2051, 3020, 2021][..]),
        flag in proptest::sample::select(&["4", "5", "0"][..]),
    ) {
        let area: String = pieces.iter().map(|(piece, separator)| format!("{separator}{piece}")).collect();
        // What is published is parsed strictly there.
        let body = of_segment(&format!("QN={NOON};ST=31;CN={cn};MN=A;Flag={flag};CP=&&DataTime=20260601120000{area}&&"));
        if let Some([only]) = body["instruments"].as_array().map(Vec::as_slice) {
            for (key, reading) in only["readings"].as_object().unwrap() {
                prop_assert_eq!(&body["readings"][key], reading, "{} in {}", key, area);
            }
        }
    }
}

#[test]
fn an_instrument_behind_its_values_has_them_where_every_group_is_so() {
    let values = |body: &Value| -> Vec<Value> {
        let all = body["instruments"].as_array().unwrap().iter();
        all.map(|one| json!([one["pol_id"], one["readings"]["i12001"]["info"], one["readings"]["i13001"]["info"]]))
            .collect()
    };
    let body = info("i12001-Info=2,PolId=a21026;i12001-Info=3,i13001-Info=7,PolId=a21002");
    assert_eq!(values(&body), [json!(["a21026", 2, null]), json!(["a21002", 3, 7])]);
    assert!(has(&body, "instrument-behind") && body["readings"] == json!({}));
    let body = info("i12001-Info=2,polid=a21026;i12001-Info=3,i13001-Info=7,POLID=a21002");
    assert_eq!(values(&body), [json!(["a21026", 2, null]), json!(["a21002", 3, 7])], "in whatever case");
    let body = info("POLID=a21026,i12001-Info=2;Pol Id=a21002,i12001-Info=3");
    assert_eq!(values(&body), [json!(["a21026", 2, null]), json!(["a21002", 3, null])]);
    let body = info("POLID=a21026,i12001-Info=2;polid=a21002,i12001-Info=3");
    assert!(!has(&body, "item-twice"), "two things of one name: {}", body["deviations"]);
    let body = info("i12001-Info=2,PolId=a21026");
    assert_eq!(values(&body), [json!(["a21026", 2, null])]);
    // Before one and behind another: of none.
    for area in [
        "i12001-Info=2,PolId=a21026;i12001-Info=3",
        "i12001-Info=2,PolId=a21026;PolId=a21002,i12001-Info=3",
        "i12001-Info=2,PolId=a21026,i12001-Info=3,PolId=a21002",
    ] {
        let body = info(area);
        assert!(values(&body).iter().all(|one| one[1].is_null()), "{area}");
        assert!(has(&body, "instrument-behind"), "{area}");
        assert_eq!(
            (&body["readings"]["i12001"]["info"], &body["readings"]["i12001#2"]["info"]),
            (&json!(2), &json!(3))
        );
    }
    // As the standard has it, whatever separates.
    for area in [
        "PolId=a21026,i12001-Info=2,PolId=a21002,i12001-Info=3",
        "PolId=a21026;i12001-Info=2;PolId=a21002;i12001-Info=3",
    ] {
        let body = info(area);
        assert_eq!(values(&body), [json!(["a21026", 2, null]), json!(["a21002", 3, null])]);
        assert!(!has(&body, "instrument-behind"));
    }
}
