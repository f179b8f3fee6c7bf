//! What stands beside a publication as values is what its topic and its body say.

use super::*;
use serde_json::Value;

/// A body's member as text.
fn text(body: &Value, at: &str) -> Option<String> {
    body.pointer(at).and_then(Value::as_str).map(str::to_owned)
}

fn of_data(data: &DataContent, body: &Value) {
    assert_eq!(body["kind"], data.kind.name());
    assert_eq!(body["revision"], data.revision);
    assert_eq!(text(body, "/data_time"), data.data_time.map(|time| time.to_string()));
    assert_eq!(text(body, "/received_at"), Some(data.received.to_rfc3339()));
    assert_eq!(text(body, "/qn"), data.qn.as_ref().map(ToString::to_string));
    assert_eq!(body["backfill"], data.backfill);
    let codes: Vec<Value> = data.deviation_codes().map(Value::from).collect();
    assert_eq!(body["deviations"], Value::from(codes));
}

fn of_event(event: &StationEvent, kind: &str, body: &Value) {
    assert_eq!(text(body, "/time"), Some(event.time.to_rfc3339()));
    match &event.kind {
        EventKind::Mark(MarkEvent::Withdrawn { entry, by }) => {
            assert_eq!((kind, text(body, "/mark/entry/id").unwrap_or_default()), ("mark-withdrawn", entry.clone()));
            assert_eq!(text(body, "/detail/entry").unwrap_or_default(), *by);
        }
        EventKind::Mark(MarkEvent::Ruled { entry, role, id, ruling }) => {
            assert_eq!((kind, text(body, "/mark/entry/id").unwrap_or_default()), ("mark-ruled", entry.clone()));
            let said = ["role", "id", "ruling"].map(|key| text(body, &format!("/detail/{key}")).unwrap_or_default());
            assert_eq!(said, [role.clone(), id.clone(), ruling.clone()]);
        }
        other => assert_eq!(*other, EventKind::named(kind)),
    }
}

fn is_told_truly(published: &TypedPublication, prefix: &str) {
    let topic = published.topic.strip_prefix(prefix).unwrap().strip_prefix('/').unwrap();
    let (first, rest) = topic.split_once('/').unwrap();
    let (what, rest) = rest.split_once('/').unwrap_or((rest, ""));
    let body: Value = serde_json::from_slice(&published.payload).unwrap_or_default();
    assert_eq!(published.retain, published.content.is_retained());
    assert_eq!(first == "gateway", published.station.is_none());
    if let Some(mn) = published.station.as_deref().filter(|_| body["mn"].is_string()) {
        let said = body["mn"].as_str().unwrap();
        assert!(mn == said || mn.contains(['%', '~']) || said.starts_with("hex:"), "{mn} {said}");
    }
    match (&published.content, what) {
        (Says::Data(data), "data") => {
            assert_eq!(rest, data.kind.name());
            of_data(data, &body);
        }
        (Says::Card(card), "station") => {
            let counts = |card: &CardContent| -> Value {
                card.deviations.iter().map(|(deviation, count)| (deviation.code(), Value::from(*count))).collect()
            };
            assert_eq!(card.as_ref().map(|card| counts(card)), body.get("deviations").cloned());
            assert_eq!(card.as_ref().and_then(|card| card.peer.clone()), text(&body, "/peer"));
            let seen = card.as_ref().and_then(|card| card.last_seen);
            assert_eq!(seen.map(|at| at.to_rfc3339()), text(&body, "/last_seen"));
        }
        (Says::Event(event), "event") => of_event(event, rest, &body),
        (Says::Completeness(grain, newest), "completeness") => {
            assert_eq!(rest, grain.name());
            let days = body["days"].as_array().cloned().unwrap_or_default();
            let last = newest.as_ref().map(|day| day.day.clone());
            assert_eq!(days.last().and_then(|day| text(day, "/day")), last);
        }
        (Says::Mark(holds), "mark") => assert_eq!(*holds, !published.payload.is_empty()),
        (Says::Validity(now), "validity") => {
            assert_eq!(text(&body, "/data_time"), Some(now.data_time.to_data_time()));
            assert_eq!((rest, body["readings"].as_object().unwrap().len()), (now.kind.name(), now.readings.len()));
            for (code, was, is) in &now.readings {
                let reading = &body["readings"][code];
                let names = [was, is].map(|worth| worth.map(|worth| worth.name().to_owned()));
                assert_eq!(names, [text(reading, "/was/validity"), text(reading, "/validity")]);
            }
        }
        (Says::EntryStatus(entry), "mark-entry") => {
            assert_eq!((body["state"] == "accepted", body["late"] == true), (entry.accepted, entry.late));
            assert_eq!(text(&body, "/id"), Some(entry.id.clone()));
            assert_eq!(!body["marks"].as_array().unwrap().is_empty(), entry.marks);
        }
        (Says::RulingStatus { accepted }, "mark-ruling") => assert_eq!(body["state"] == "accepted", *accepted),
        (Says::CommandStatus, "command") => assert!(rest.ends_with("/status")),
        (Says::CommandRefused, "command") => assert!(rest.ends_with("/refused")),
        (Says::Rejected { mn, reason }, _) => {
            assert!(published.topic.ends_with("/rejected"));
            assert_eq!(text(&body, "/reason").as_deref(), Some(reason.code()));
            let said = text(&body, "/mn").filter(|mn| !mn.starts_with("hex:"));
            assert_eq!(said.as_deref(), mn.as_deref());
        }
        (Says::WorkStatus { refused }, "ledger") => {
            assert_eq!(text(&body, "/why/code").as_deref(), refused.as_deref());
            assert_eq!(body["state"] == "accepted", refused.is_none());
        }
        (Says::CaseStatus, "case-step") => assert!(rest.ends_with("/status")),
        // Empty where they are taken away.
        (Says::Case, "case") => assert_eq!(text(&body, "/id").as_deref().unwrap_or(rest), rest),
        (Says::Score, _) => assert!(published.topic.contains("/score/")),
        (Says::Lead, "lead") => assert_eq!(text(&body, "/lead").as_deref().unwrap_or(rest), rest),
        (Says::Gateway, _) => {}
        (content, what) => panic!("{what}: {content:?}"),
    }
}

#[test]
fn what_stands_beside_a_publication_is_what_it_says() {
    let mut kinds = std::collections::BTreeSet::new();
    for (name, _, steps) in fixtures() {
        for published in played(&steps) {
            kinds.insert(format!("{:?}", published.content).split(['(', ' ']).next().unwrap_or_default().to_owned());
            let told = std::panic::catch_unwind(|| is_told_truly(&published, &settings().prefix));
            assert!(told.is_ok(), "{name}: {published:?}");
        }
    }
    assert!(kinds.len() >= 6, "the fixtures show nearly every kind: {kinds:?}");
}
