//! What is shown of the sinks: `/ready`, `/metrics`, the status page.

use serde_json::{Value, json};

use super::SinkFigures;
use crate::gateway::open_metrics::Text;
use hj212_model::clock;
use hj212_model::message::Timestamp;

/// How a sink of push does, in words.
pub(in super::super) fn in_words(sink: &SinkFigures) -> String {
    let since = sink.oldest.map(|at| format!(" since {}", Timestamp(at.saturating_mul(1000)).to_rfc3339()));
    let mut words = format!(
        "{} ({}): {} wait{}, {} sent since the start",
        sink.name,
        sink.kind,
        sink.waiting,
        since.unwrap_or_default(),
        sink.sent
    );
    for (count, what) in [
        (sink.given_up, "given up"),
        (sink.dropped, "fell out of the queue"),
        (sink.unstored, "not on disk when the cursor passed them"),
    ] {
        if count > 0 {
            words.push_str(&format!(", {count} {what}"));
        }
    }
    for (what, why) in [("", &sink.trouble), ("the queue cannot be stored: ", &sink.disk)] {
        if let Some(why) = why {
            words.push_str(&format!("; {what}{why}"));
        }
    }
    words
}

pub(in super::super) fn in_json(sink: &SinkFigures) -> Value {
    json!({
        "name": sink.name, "kind": sink.kind, "waiting": sink.waiting,
        "oldest": sink.oldest.map(|at| Timestamp(at.saturating_mul(1000)).to_rfc3339()),
        "sent": sink.sent, "failed": sink.failed, "refused": sink.refused, "given_up": sink.given_up, "dropped": sink.dropped,
        "unstored": sink.unstored, "why": sink.trouble, "disk": sink.disk, "well": sink.is_well(),
    })
}

/// Seconds that the oldest message has waited.
fn age(sink: &SinkFigures) -> u64 {
    let now = clock::now().0 / 1000;
    u64::try_from(sink.oldest.map_or(0, |at| now.saturating_sub(at) / 1000)).unwrap_or(0)
}

/// Whether the last attempt went well and the queue is on disk.
fn good(sink: &SinkFigures) -> u64 {
    u64::from(sink.trouble.is_none() && sink.disk.is_none())
}

/// A figure of a sink.
type Figure = fn(&SinkFigures) -> u64;

/// A line a sink and figure; the names are letters, digits and '-': nothing to escape.
pub(in super::super) fn metrics(text: &mut Text, sinks: &[SinkFigures]) {
    let counters: [(&str, &str, Figure); 6] = [
        ("push_sink_sent", "messages that the sink has taken", |sink| sink.sent),
        ("push_sink_failed", "attempts that failed, refusals among them", |sink| sink.failed),
        ("push_sink_refused", "attempts that the sink refused for the message itself", |sink| sink.refused),
        ("push_sink_given_up", "messages given up because the sink refused them again and again", |sink| sink.given_up),
        ("push_sink_dropped", "messages that fell out of the full queue or were too long for it", |sink| sink.dropped),
        ("push_sink_unstored", "messages that the cursor passed before they were on disk", |sink| sink.unstored),
    ];
    let gauges: [(&str, &str, Figure); 3] = [
        ("push_sink_waiting", "messages that wait for the sink", |sink| sink.waiting),
        ("push_sink_oldest_seconds", "how long the oldest of them has waited; 0: none waits", age),
        ("push_sink_good", "1 unless the last attempt failed or the queue cannot be stored", good),
    ];
    for (kind, end, figures) in [("counter", "_total", &counters[..]), ("gauge", "", &gauges[..])] {
        for (name, meaning, of) in figures {
            text.metric(kind, name, meaning);
            for sink in sinks {
                text.line(&format!("{name}{end}"), &format!("{{sink=\"{}\"}}", sink.name), of(sink));
            }
        }
    }
}
