//! The rule files, and the words.

use super::*;

const TEXT: &str = include_str!("../../../../config/leads/leads.toml");

#[test]
fn the_built_in_file_is_good_and_has_every_detector() {
    let rules = LeadRules::read("leads.toml", TEXT).unwrap();
    assert_eq!((rules.set.as_str(), rules.constant.len(), rules.capped.len()), ("leads", 3, 2));
    assert!(rules.mark_abuse.is_some() && rules.stopped_running.is_some() && rules.clock.is_some());
    assert!(rules.revised.is_some() && rules.ledger.is_some());
    let ids: Vec<&str> = TABLE.iter().map(|detector| detector.id).collect();
    assert_eq!(ids, ["L1", "L3", "L5", "L6", "L8", "L11", "L12"]);
}

#[test]
fn mistakes_are_refused_with_what_is_wrong() {
    let wrong = |from: &str, to: &str| {
        assert!(TEXT.contains(from), "{from}");
        let problems = LeadRules::read("own.toml", &TEXT.replacen(from, to, 1)).unwrap_err();
        problems.iter().map(ToString::to_string).collect::<String>()
    };
    assert!(wrong("schema = \"leads/1\"", "schema = \"leads/2\"").contains("schema"));
    assert!(wrong("span = \"4h\"", "span = \"4 hours\"").contains("duration"));
    assert!(wrong("span = \"4h\"", "span = \"0s\"").contains("span above 0"));
    assert!(wrong("near = 0.02", "near = 2").contains("part of a whole"));
    assert!(wrong("rank = 2", "rank = 4").contains("rank = 4"));
    assert!(wrong("certainty = \"I\"", "certainty = \"X\"").contains("certainty = \"X\""));
    assert!(wrong("runs = 4", "runs = 1").contains("runs = 1 must be 2 to 64"));
    assert!(wrong("twice = 10", "twise = 10").contains("twise"));
    assert!(wrong("buckets = 24", "buckets = 480").contains("buckets = 480"));
    let line = LeadRules::read("own.toml", &TEXT.replacen("medium = \"gas\"", "medium = \"air\"", 1)).unwrap_err();
    assert!(line[0].line > 10 && line[0].what.contains("air"), "{:?}", line[0]);
}

#[test]
fn a_row_that_is_left_out_switches_its_detector_off() {
    let text = TEXT.split("# L3").next().unwrap();
    let rules = LeadRules::read("own.toml", text).unwrap();
    assert!(rules.capped.is_empty() && rules.clock.is_none() && !rules.constant.is_empty());
}

#[test]
fn no_word_says_what_anybody_did_or_meant() {
    let file = TEXT.to_lowercase();
    let names: String = TABLE.iter().map(|detector| format!("{} {}", detector.zh, detector.en)).collect();
    // The words themselves are checked wherever leads are raised: here and in the simulation.
    for word in NEVER {
        assert!(!file.contains(word) && !names.contains(word), "{word}");
    }
    for raised in super::simulated::every_kind() {
        let all = format!("{} {}", raised.zh, raised.view()).to_lowercase();
        for word in NEVER {
            assert!(!all.contains(word), "{word}: {all}");
        }
        assert!(raised.zh.starts_with("请核查：") && raised.en.starts_with("Look here: "), "{}", raised.zh);
    }
}
