//! Every rule broken once, and what is said of it.

use super::*;
use proptest::prelude::*;

fn read(text: &str) -> Result<Registry, String> {
    load(&[("s.toml".into(), text.into())], Unknown::Reject)
        .map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
}

#[test]
fn the_example_is_read() {
    let text = include_str!("../../../../config/stations.toml");
    let registry = read(text).unwrap();
    assert!(registry.len() >= 3);
    let facts = &registry.find(b"010000A8900016F000169DC0").unwrap().facts;
    assert_eq!((facts.realtime_interval, facts.minute_interval), (Some(30), Some(600)));
    assert_eq!(registry.facts().len(), registry.len());
}

#[test]
fn all_built_in_dialects_are_read() {
    let dialects = Dialects::default();
    assert!(dialects.names().count() >= 6);
    assert_eq!(dialects.of(Edition::V2005).edition, Edition::V2005);
    assert_eq!(dialects.find("surface-water").unwrap().answer_flag, Some(8));
}

/// ST as HJ 212-2017, 6.6.1 has it, among others.
#[test]
fn every_broken_rule_is_named_with_its_line() {
    for (row, line, says) in [
        ("mn = \"a b\"", 2, "mn = \"a b\" must be 1 to 64 letters"),
        ("mn = \"A\"\nst = \"311\"", 3, "st = \"311\" must be two letters"),
        ("mn = \"A\"\nedition = \"2018\"", 3, "edition = \"2018\" must be"),
        ("mn = \"A\"\ndialect = \"x\"", 3, "dialect = \"x\" must be one of 2005,"),
        ("mn = \"A\"\nnetworks = [\"10.0.0.0/8\", \"ten\"]", 3, "networks = \"ten\" must be"),
        ("mn = \"A\"\npw = \"12;456\"", 3, "pw must be printable"),
        ("mn = \"A\"\ncrc = \"lax\"", 3, "lax"),
        ("mn = \"A\"\nminute_interval = \"7min\"", 3, "minute_interval = \"7min\" must be whole minutes"),
        ("mn = \"A\"\nrealtime_interval = \"30\"", 3, "realtime_interval = \"30\" must be 1s to 24h"),
        ("mn = \"A\"\nregion = \"x\"", 3, "unknown field `region`"),
        ("name = \"x\"", 1, "missing field `mn`"),
    ] {
        let said = read(&format!("[[station]]\n{row}\n")).unwrap_err();
        assert!(said.starts_with(&format!("s.toml:{line}:")), "{said}");
        assert!(said.contains(says), "{said}");
        assert!(!said.contains("12;456"), "{said}");
    }
}

#[test]
fn facilities_are_read_and_named_once() {
    let row =
        "[[station]]\nmn = \"A\"\nrules = [\"inc19\"]\nlimits = { a21026 = 100.5 }\nranges = { a21026 = [0, 500] }\n";
    let furnace = "[[station.facility]]\nid = \"f-1\"\nkind = \"furnace\"\naliases = { temp = \"a01901\" }\n";
    let registry = read(&format!("{row}{furnace}")).unwrap();
    let facts = &registry.find(b"A").unwrap().facts;
    assert_eq!(
        (facts.limits.get("a21026").unwrap().as_str(), facts.ranges.get("a21026").unwrap().1.as_str()),
        ("100.5", "500")
    );
    assert_eq!(facts.facilities[0].aliases["temp"], "a01901");
    let said = read(&format!("{row}{furnace}{furnace}")).unwrap_err();
    assert!(said.starts_with("s.toml:11:") && said.contains("used twice"), "{said}");
    let said = read(&format!("{row}{}", furnace.replace("f-1", "a/b"))).unwrap_err();
    assert!(said.starts_with("s.toml:7:") && said.contains("facility = \"a/b\""), "{said}");
}

#[test]
fn emission_limits_have_period_basis_decimals_and_days() {
    let row = "[[station]]\nmn = \"A\"\n";
    let limit = "[[station.limit]]\ncode = \"a21026\"\nmax = 80\nof = \"day\"\nbasis = \"converted\"\ndecimals = 0\nname = \"GB 18485-2014\"\nfrom = \"2026-01-01\"\n";
    let registry = read(&format!("{row}{limit}")).unwrap();
    let found = &registry.find(b"A").unwrap().facts.emission[0];
    assert_eq!((found.max.as_str(), found.of.as_str(), found.decimals), ("80", "day", Some(0)));
    for (good, bad, says) in [
        ("day", "week", "sample, minute, hour or day"),
        ("converted", "dry", "measured or converted"),
        ("decimals = 0", "decimals = 9", "0 to 6"),
        ("2026-01-01", "soon", "from = soon must be a day"),
        ("2026-01-01", "2026-02-30", "from = 2026-02-30 must be a day"),
        ("max = 80", "max = -1", "0 or above"),
        ("code", "codes", "unknown field"),
    ] {
        let said = read(&format!("{row}{}", limit.replace(good, bad))).unwrap_err();
        assert!(said.contains(says), "{bad}: {said}");
    }
}

#[test]
fn all_problems_are_reported_and_both_places_of_a_double_mn() {
    let first = ("a.toml".to_owned(), "[[station]]\nmn = \"A\"\n".to_owned());
    let second = ("b.toml".to_owned(), "[[station]]\nmn = \"A\"\n[[station]]\nmn = \"B\"\nst = \"x\"\n".to_owned());
    let problems = load(&[first, second], Unknown::Reject).unwrap_err();
    let said: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(said.len(), 2);
    assert!(said[0].starts_with("b.toml:2:") && said[0].contains("first at a.toml:2"), "{}", said[0]);
}

#[test]
fn passwords_are_compared_and_never_printed() {
    let registry = read("[[station]]\nmn = \"A\"\npw = \"geheim\"\n").unwrap();
    let station = registry.find(b"A").unwrap();
    let password = station.pw.as_ref().unwrap();
    assert!(password.is(b"geheim"));
    for wrong in [&b"geheiM"[..], b"", b"gehei", b"geheimm"] {
        assert!(!password.is(wrong));
    }
    assert!(!format!("{registry:?}").contains("geheim"));
}

#[test]
fn networks_bind_a_station() {
    let registry =
        read("[[station]]\nmn = \"A\"\nnetworks = [\"10.1.0.0/16\", \"192.0.2.7\"]\n[[station]]\nmn = \"B\"\n")
            .unwrap();
    let bound = registry.find(b"A").unwrap();
    assert!(bound.allows("10.1.2.3".parse().unwrap()));
    assert!(bound.allows("::ffff:10.1.2.3".parse().unwrap()));
    assert!(bound.allows("192.0.2.7".parse().unwrap()));
    assert!(!bound.allows("10.2.0.1".parse().unwrap()));
    assert!(registry.find(b"B").unwrap().allows("203.0.113.1".parse().unwrap()));
}

proptest! {
    #[test]
    fn no_text_panics(text in "(\\[\\[station\\]\\]|mn|pw|=|\"|\n|[a-z0-9;]){0,60}") {
        let _ = read(&text);
    }
}

#[test]
fn conversions_are_declared_from_a_declared_unit_and_resolved_to_a_multiplier() {
    let station = |keys: &str| format!("[[station]]\nmn = \"A\"\n{keys}\n");
    let load = |keys: &str| load(&[("s.toml".into(), station(keys))], Unknown::Reject);
    let units = "units = { a34002 = \"ug/m3\", a21026 = \"ppm\" }\n";
    let good =
        format!("{units}convert = {{ a34002 = \"mg/m3\", a21026 = {{ to = \"mg/m3\", by = \"2.858\", digits = 2 }} }}");
    let registry = load(&good).unwrap();
    let conversions = &registry.find(b"A").unwrap().facts.conversions;
    let by = |code: &str| conversions.get(code).map(|found| (found.by.as_str(), found.digits)).unwrap();
    assert_eq!(by("a34002"), ("0.001", None));
    assert_eq!(by("a21026"), ("2.858", Some(2)));
    for (keys, wrong) in [
        ("convert = { a34002 = \"mg/m3\" }", "units"),
        ("convert = { a34002 = \"mg/L\" }", "mg/L"),
        ("convert = { a21026 = \"mg/m3\" }", "ppm"),
        ("convert = { a34002 = { to = \"mg/m3\", by = \"1e3\" } }", "1e3"),
        ("convert = { a34002 = { to = \"mg/m3\", by = \"0\" } }", "0"),
        ("convert = { a34002 = { to = \"mg/m3\", digits = 2 } }", "digits"),
        ("convert = { a34002 = { to = \"mg/m3\", by = \"2\", digits = 99 } }", "digits"),
    ] {
        let text = if wrong == "units" { keys.to_owned() } else { format!("{units}{keys}") };
        let problems = load(&text).unwrap_err();
        assert!(problems.len() == 1 && problems[0].what.contains(wrong), "{keys}: {problems:?}");
        assert!(problems[0].line >= 3 && !problems[0].remedy.is_empty());
    }
}

#[test]
fn the_form_of_encryption_is_read_and_another_word_is_named() {
    let row = |seal: &str| format!("[[station]]\nmn = \"A\"\nseal = \"{seal}\"\n");
    let facts = |seal: &str| read(&row(seal)).unwrap().find(b"A").unwrap().facts.clone();
    assert_eq!(facts("pkcs7+base64").seal.map(|seal| seal.to_string()).as_deref(), Some("base64+pkcs7"));
    // It says that the station encrypts, whatever its edition and Flag say.
    assert_eq!(facts("standard").seal, Some(hj212::SealForm::default()));
    let said = read(&row("rot13")).unwrap_err();
    assert!(said.starts_with("s.toml:3:") && said.contains("seal = \"rot13\" must be base64 or hex"), "{said}");
    // What a journal of an earlier version says of a station has no form, and a form goes through a journal.
    assert_eq!(serde_json::from_str::<crate::message::StationFacts>(r#"{"name":"A"}"#).unwrap().seal, None);
    let told = serde_json::to_string(&facts("hex")).unwrap();
    assert!(told.contains(r#""seal":"hex""#), "{told}");
    assert_eq!(serde_json::from_str::<crate::message::StationFacts>(&told).unwrap(), *facts("hex"));
}

#[test]
fn what_stations_were_told_is_taken_up_in_any_order_and_not_where_the_row_refuses_it() {
    let text = "[[station]]\nmn = \"Z\"\nname = \"z\"\n[[station]]\nmn = \"B\"\nmn_refused = [\"X\"]\n";
    let registry = load(&[("s".into(), text.into())], Unknown::Reject).unwrap();
    let told = |mn: &str, new: &str| Told { mn: mn.into(), passwords: Vec::new(), new_mn: Some(new.into()) };
    let all = [told("A", "C"), told("Z", "A"), told("B", "X"), told("B", "Z")];
    for turn in 0..all.len() {
        let mut told = all.to_vec();
        told.rotate_left(turn);
        let with = registry.with(told);
        let of = |mn: &str| with.find(mn.as_bytes()).map(|row| (row.facts.name.clone(), row.registered_as.clone()));
        assert_eq!(of("A"), Some(("z".into(), Some("Z".into()))));
        assert_eq!(of("C"), Some(("z".into(), Some("Z".into()))), "an MN after another one");
        assert_eq!((of("X"), of("Z")), (None, Some(("z".into(), None))));
    }
    let wrong = load(&[("s".into(), "[[station]]\nmn = \"A\"\nmn_refused = [\"a b\"]\n".into())], Unknown::Reject);
    assert!(wrong.unwrap_err()[0].to_string().contains("mn_refused"));
}

#[test]
fn every_password_that_a_station_was_given_is_known() {
    let registry = read("[[station]]\nmn = \"A\"\npw = \"1\"\n").unwrap();
    let told = |passwords: &[&str]| Told {
        mn: "A".into(),
        passwords: passwords.iter().map(|password| (*password).to_owned()).collect(),
        new_mn: None,
    };
    let station = registry.with([told(&["2", "3"]), told(&["3", "4"])]).find(b"A").cloned().unwrap();
    for (said, known) in [("1", true), ("2", true), ("3", true), ("4", true), ("5", false), ("", false)] {
        assert_eq!(station.knows(said.as_bytes()), known, "{said}");
    }
}

#[test]
fn the_company_that_keeps_a_station_is_a_level_of_topics() {
    let of =
        |id: &str| load(&[("s".into(), format!("[[station]]\nmn = \"A\"\noperator = \"{id}\"\n"))], Unknown::Reject);
    let registry = of("OM-0007").unwrap();
    assert_eq!(registry.find(b"A").unwrap().facts.operator.as_deref(), Some("OM-0007"));
    for wrong in ["", "OM 7", "OM/7", "运维"] {
        assert!(of(wrong).unwrap_err()[0].to_string().contains("operator"), "{wrong}");
    }
}
