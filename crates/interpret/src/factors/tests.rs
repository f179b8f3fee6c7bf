//! What codes are found to be, over the tables that are built in.

use super::*;

fn dictionary() -> Dictionary {
    Dictionary::new(&BTreeMap::new())
}

fn system(dictionary: &Dictionary, medium: Medium) -> System {
    dictionary.system(
        None,
        match medium {
            Medium::Water => Some(b"32"),
            Medium::Air => Some(b"31"),
            Medium::Unknown => None,
        },
    )
}

fn find(code: &str, edition: Edition, medium: Medium) -> Option<(String, Option<String>, Option<String>, bool)> {
    let dictionary = dictionary();
    let found = dictionary.find(code.as_bytes(), Some(edition), system(&dictionary, medium))?;
    let text = |t: &Option<Box<str>>| t.as_deref().map(str::to_owned);
    Some((found.factor.code.to_string(), text(&found.factor.name), text(&found.factor.unit), found.alias))
}

fn some(code: &str, name: &str, unit: &str, alias: bool) -> Option<(String, Option<String>, Option<String>, bool)> {
    Some((code.into(), Some(name.into()), (!unit.is_empty()).then(|| unit.into()), alias))
}

#[test]
fn codes_of_2005_stand_under_today_s_codes_with_their_own_units() {
    use Edition::{V2005, V2017};
    assert_eq!(find("024", V2005, Medium::Water), some("w20117", "六价铬", "mg/L", false));
    assert_eq!(find("w20117", V2017, Medium::Water), some("w20117", "六价铬", "ug/L", false));
    assert_eq!(find("B01", V2005, Medium::Water), some("w00000", "污水", "", false));
    assert_eq!(find("S01", V2017, Medium::Air), some("a19001", "氧气含量", "%", true));
    assert_eq!(find("16", V2005, Medium::Air), some("16", "苯系物", "mg/m3", false));
}

/// HJ 212-2017, annex B; HJ 212-2025, annex B: names that it changed or added.
#[test]
fn names_follow_the_edition() {
    assert_eq!(find("a34013", Edition::V2017, Medium::Air), some("a34013", "烟尘", "mg/m3", false));
    assert_eq!(find("a34013", Edition::V2025, Medium::Air), some("a34013", "颗粒物（烟尘）", "mg/m3", false));
    assert_eq!(find("i23005", Edition::V2025, Medium::Air).unwrap().1.as_deref(), Some("数采仪编号"));
    assert_eq!(find("i23005", Edition::V2017, Medium::Air), some("i23005", "烟气湿度量程", "%", false));
    assert_eq!(find("L5", Edition::V2005, Medium::Unknown), some("L5", "累计百分声级L5", "dB", false));
    assert_eq!(find("Leq", Edition::V2005, Medium::Unknown).unwrap().1.as_deref(), Some("30秒等效声级Leq"));
    assert_eq!(find("Leq", Edition::V2017, Medium::Unknown), some("Leq", "等效声级", "dB", false));
}

#[test]
fn a_code_that_stands_in_a_table_is_that_table_s_and_zeros_are_repaired_by_the_medium() {
    use Edition::V2005;
    for medium in [Medium::Water, Medium::Air, Medium::Unknown] {
        assert_eq!(find("11", V2005, medium), some("a21022", "氯气", "mg/m3", false));
        let water = find("011", V2005, medium);
        assert_eq!(water, some("w01018", "化学需氧量", "mg/L", false).filter(|_| medium != Medium::Air));
    }
    assert_eq!(find("60", V2005, Medium::Water), some("w21003", "氨氮", "mg/L", true));
    assert_eq!(find("60", V2005, Medium::Air), None);
    assert_eq!(find("004", V2005, Medium::Air), some("a21005", "一氧化碳", "mg/m3", true));
    assert_eq!(find("004", V2005, Medium::Water), None);
    assert_eq!(find("2", V2005, Medium::Air), None, "ST alone does not tell");
    assert_eq!(find("2", V2005, Medium::Unknown), None);
    assert_eq!(find("101", V2005, Medium::Air), some("w21011", "总磷", "mg/L", false));
}

#[test]
fn a_registration_repairs_what_stands_in_the_other_table() {
    let dictionary = dictionary();
    let of = |code: &str, st: &str, said: &str| {
        let system = dictionary.system(Some(st.as_bytes()), Some(said.as_bytes()));
        let found = dictionary.find(code.as_bytes(), Some(Edition::V2005), system)?;
        Some(found.factor.code.to_string())
    };
    let (gas, water) = (Some("a21022".to_owned()), Some("w01018".to_owned()));
    assert_eq!((of("11", "32", "31"), of("11", "31", "32")), (water.clone(), gas.clone()));
    assert_eq!((of("011", "31", "32"), of("011", "32", "31")), (gas.clone(), water));
    assert_eq!(of("11", "91", "32"), gas, "a registration that says no medium is none");
}

#[test]
fn codes_are_found_in_any_case() {
    for (said, code) in
        [("LEQ", "Leq"), ("leq", "Leq"), ("la", "LA"), ("lA", "LA"), ("l10", "L10"), ("ldn", "Ldn"), ("s01", "a19001")]
    {
        let found = find(said, Edition::V2017, Medium::Unknown).unwrap();
        assert_eq!((found.0.as_str(), found.3), (code, true), "{said}");
    }
}

#[test]
fn slips_and_device_numbers_are_found() {
    use Edition::V2017;
    assert_eq!(find("01018", V2017, Medium::Water), some("w01018", "化学需氧量", "mg/L", true));
    assert_eq!(find("A21026", V2017, Medium::Air), some("a21026", "二氧化硫", "mg/m3", true));
    assert_eq!(find("a2106", V2017, Medium::Air), None);
    assert_eq!(find("e70103", V2017, Medium::Water), some("e701xx", "污水提升泵/加药量", "", false));
}

#[test]
fn overrides_replace_and_add() {
    let row = |name: &str, unit: &str| (name.to_owned(), unit.to_owned());
    let overrides =
        BTreeMap::from([("a34004".to_owned(), row("PM2.5", "ug/m3")), ("zz9".to_owned(), row("新因子", "L"))]);
    let dictionary = Dictionary::new(&overrides);
    for edition in [Edition::V2005, Edition::V2017, Edition::V2025] {
        let find =
            |code: &[u8]| dictionary.find(code, Some(edition), System::UNKNOWN).unwrap().factor.unit.clone().unwrap();
        assert_eq!((&*find(b"a34004"), &*find(b"zz9")), ("ug/m3", "L"));
    }
}

#[test]
fn collisions_are_known_in_every_edition_and_uncertain_where_no_standard_decides() {
    let dictionary = dictionary();
    let of = |code: &str, edition| {
        let found = dictionary.find(code.as_bytes(), Some(edition), System::UNKNOWN).unwrap();
        let collision = found.factor.collision.as_ref().unwrap();
        (collision.meanings.len(), collision.uncertain)
    };
    for edition in [Edition::V2005, Edition::V2017, Edition::V2025] {
        assert_eq!(of("e70101", edition), (2, true));
        assert_eq!(of("g11901", edition), (2, true));
        assert_eq!(of("i23005", edition), (2, edition != Edition::V2025));
    }
    let found = dictionary.find(b"i23005", Some(Edition::V2025), System::UNKNOWN).unwrap();
    assert_eq!(found.factor.unit, None, "the unit is not the extension's");
    let colliding = dictionary.factors.iter().filter(|factor| factor.collision.is_some()).count();
    assert_eq!(colliding, 3 * 6);
}

#[test]
fn names_of_the_field_are_found_where_they_are_used() {
    let dictionary = dictionary();
    let of = |name: &str, st: Option<&str>| {
        let system = dictionary.system(None, st.map(str::as_bytes));
        let found = dictionary.find(name.as_bytes(), Some(Edition::V2017), system)?;
        assert!(found.alias);
        Some(found.factor.code.to_string())
    };
    for alias in table::aliases() {
        for st in &alias.systems {
            assert_eq!(of(&alias.alias, Some(st)).as_deref(), Some(alias.code.as_str()), "{alias:?}");
            assert_eq!(of(&alias.alias.to_ascii_lowercase(), Some(st)).as_deref(), Some(alias.code.as_str()));
        }
    }
    assert_eq!(of("PM10", None).as_deref(), Some("a34002"));
    assert_eq!(of("TEMP", None), None, "air or water");
    assert_eq!(of("TEMP", Some("31")), None, "flue gas has its own code");
    assert_eq!(of("COD", Some("31")), None);
}

/// HJ 212-2017, 6.6.1, table 5: 31 is air, 32 waste water, 39 dust with noise.
#[test]
fn a_factor_is_out_of_place_only_where_neither_st_carries_it() {
    let dictionary = dictionary();
    let fits = |code: &str, registered: Option<&str>, said: Option<&str>| {
        let system = dictionary.system(registered.map(str::as_bytes), said.map(str::as_bytes));
        let found = dictionary.find(code.as_bytes(), Some(Edition::V2017), system).unwrap();
        found.factor.category & system.carries == found.factor.category
    };
    assert!(!fits("w01018", None, Some("31")) && !fits("a21026", Some("32"), None) && !fits("Leq", None, Some("32")));
    assert!(
        fits("w01018", None, Some("32")) && fits("a21026", Some("31"), Some("31")) && fits("Leq", None, Some("39"))
    );
    assert!(fits("w01018", Some("31"), Some("32")), "one logger for both");
    assert!(fits("i12001", None, Some("31")) && fits("i12001", None, Some("32")), "states are of any station");
    for st in ["91", "99", "80", "9130", ""] {
        assert!(fits("w01018", None, Some(st)) && fits("a21026", None, Some(st)), "{st}");
    }
    assert!(fits("w01018", None, None));
}

#[test]
fn no_five_digits_stand_for_two_codes_silently() {
    let dictionary = dictionary();
    let of = |digits: &str, medium| {
        let found = dictionary.find(digits.as_bytes(), Some(Edition::V2017), system(&dictionary, medium))?;
        assert!(found.alias, "{digits}");
        Some(found.factor.code.to_string())
    };
    let all: std::collections::BTreeSet<String> = table::factors().into_iter().map(|row| row.code).collect();
    let mut both = 0;
    for code in all.iter().filter(|code| code.len() == 6 && code[1..].bytes().all(|b| b.is_ascii_digit())) {
        let digits = &code[1..];
        let (water, air) = (format!("w{digits}"), format!("a{digits}"));
        match (all.contains(&water), all.contains(&air)) {
            (true, true) => {
                both += 1;
                assert_eq!(of(digits, Medium::Water), Some(water));
                assert_eq!(of(digits, Medium::Air), Some(air));
                assert_eq!(of(digits, Medium::Unknown), None);
            }
            (true, false) => assert_eq!(of(digits, Medium::Unknown), Some(water)),
            (false, true) => assert_eq!(of(digits, Medium::Unknown), Some(air)),
            (false, false) => assert_eq!(of(digits, Medium::Air), None),
        }
    }
    assert!(both > 0);
}
