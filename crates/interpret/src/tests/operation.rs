//! Entries of the electronic ledger: see `fixtures/interpret/ledger.txt` for the answers.

use super::*;

fn ledger() -> Vec<Step> {
    fixtures().into_iter().find(|(name, ..)| name == "ledger").unwrap().2
}

#[test]
fn entries_are_answered_as_the_registration_says_and_a_kill_loses_none() {
    let steps = ledger();
    let whole = played(&steps);
    let states: Vec<String> = whole
        .iter()
        .filter(|said| said.topic.contains("/ledger/"))
        .map(|said| {
            let body: serde_json::Value = serde_json::from_slice(&said.payload).unwrap();
            let levels: Vec<&str> = said.topic.split('/').collect();
            assert_eq!(levels[2], body["mn"].as_str().unwrap());
            format!("{} {} {}", levels[2], levels[5], body["why"]["code"].as_str().unwrap_or("accepted"))
        })
        .collect();
    assert_eq!(
        states,
        [
            "M1 L-1 accepted",
            "M1 L-1 accepted",
            "M1 L-1 id-used",
            "M1 L-2 company",
            "M2 L-2 company",
            "M2 L-2 accepted",
            "M1 L-3 accepted",
            "M1 L-4 role",
            "M3 L-1 unknown-station",
            "M1 L-5 unreadable"
        ]
    );
    let mut player = Player::new(settings());
    for step in &steps {
        player.interpreter = Interpreter::restore(settings(), &player.interpreter.snapshot()).unwrap();
        player.play(std::slice::from_ref(step));
    }
    assert_eq!(player.out, whole);
    let entries: Vec<_> =
        player.interpreter.work_entries("M1").map(|done| (&*done.id, done.withdrawn_by.as_deref())).collect();
    assert_eq!(entries, [("L-1", Some("L-3")), ("L-3", None)]);
}

#[test]
fn what_is_taken_keeps_the_schema_of_entries() {
    let schema = schema("ledger");
    for step in ledger() {
        let Ok(Record::WorkEntry { json, role, mn, id, .. }) = Record::decode(step.kind, &step.body) else { continue };
        let Ok(body) = serde_json::from_slice::<serde_json::Value>(json) else { continue };
        assert!(schema.is_valid(&body), "{mn} {role} {id}");
        for member in ["person", "company", "begin"] {
            let mut without = body.clone();
            without.as_object_mut().unwrap().remove(member);
            assert!(!schema.is_valid(&without) || body["kind"].is_null(), "{id} without {member}");
        }
    }
}
