//! The status page: one answer, in the binary, put together from the files beside this one.

use axum::http::{HeaderValue, header};
use axum::response::{Html, IntoResponse, Response};

/// Scripts in the order in which they need each other.
pub(super) const PAGE: &str = concat!(
    "<!DOCTYPE html>\n<html lang=\"zh-CN\">\n<meta charset=\"utf-8\">\n",
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n",
    "<meta name=\"color-scheme\" content=\"light dark\">\n<title>HJ 212 网关</title>\n<style>\n",
    include_str!("page/style.css"),
    "</style>\n",
    include_str!("page/body.html"),
    "<script>\n",
    include_str!("page/words.js"),
    include_str!("page/base.js"),
    include_str!("page/list.js"),
    include_str!("page/curve.js"),
    include_str!("page/station.js"),
    include_str!("page/judged.js"),
    include_str!("page/board.js"),
    include_str!("page/scores.js"),
    include_str!("page/explain.js"),
    include_str!("page/past.js"),
    include_str!("page/main.js"),
    "</script>\n</body>\n</html>\n"
);

/// Scripts and styles of the page itself alone; nothing from elsewhere, and no other site may frame it.
const POLICY: &str = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; connect-src 'self'; img-src data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

pub(super) async fn page() -> Response {
    let headers = [
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
    ];
    (headers, Html(PAGE)).into_response()
}

#[cfg(test)]
mod tests {
    use hj212_model::message::Kind;

    const WORDS: &str = include_str!("page/words.js");

    #[test]
    fn every_word_of_cases_has_a_name_that_operators_read() {
        use hj212_cases::{Colour, Role, State, Step};
        let roles = Role::ALL.iter().map(|one| ("role", one.name()));
        let states = State::ALL.iter().map(|one| ("case", one.name()));
        let steps = Step::ALL.iter().map(|one| ("step", one.name()));
        let colours = Colour::ALL.iter().map(|one| ("colour", one.name()));
        for (group, name) in roles.chain(states).chain(steps).chain(colours) {
            assert!(WORDS.contains(&format!("\"{group}:{name}\": [")), "{group}:{name}");
        }
    }

    #[test]
    fn every_kind_of_report_has_a_name_that_operators_read() {
        for kind in Kind::ALL {
            assert!(WORDS.contains(&format!("\"kind:{}\": [", kind.name())), "{}", kind.name());
        }
    }

    #[test]
    fn every_kind_of_event_has_a_name_that_operators_read() {
        let manual = include_str!("../../docs/mqtt.md");
        let row = manual.lines().find(|line| line.contains("/event/{kind}`")).unwrap();
        let events: Vec<&str> = row.split('|').nth(4).unwrap().split('`').skip(1).step_by(2).collect();
        assert!(events.len() > 15, "{events:?}");
        for event in events {
            // One word for one thing: page and push say the same.
            let pushed = hj212_push::kind_zh(event);
            assert_ne!(pushed, event);
            assert!(WORDS.contains(&format!("\"event:{event}\": [\"{pushed}\", ")), "{event}: {pushed}");
        }
    }

    #[test]
    fn every_key_and_word_of_events_has_a_name_that_operators_read() {
        let schema: serde_json::Value =
            serde_json::from_str(include_str!("../../fixtures/schema/event.schema.json")).unwrap();
        let (mut keys, mut words) = (Vec::new(), Vec::new());
        collect(&schema, false, &mut keys, &mut words);
        assert!(keys.len() > 20 && words.len() > 20, "{keys:?} {words:?}");
        for key in keys {
            assert!(WORDS.contains(&format!("\"key:{key}\": [")), "key {key}");
        }
        for word in words {
            assert!(WORDS.contains(&format!("\"value:{word}\": [")), "value {word}");
        }
        for reason in
            ["returned", "recalled", "given-up", "lost", "too-old", "too-many", "interval-changed", "clock-step"]
        {
            assert!(WORDS.contains(&format!("\"gapEnd:{reason}\": [")), "{reason}");
        }
    }

    /// Names of members and values of enumerations below `detail`.
    fn collect(at: &serde_json::Value, below: bool, keys: &mut Vec<String>, words: &mut Vec<String>) {
        for (key, inner) in at.as_object().into_iter().flatten() {
            let detail = below || key == "detail";
            if below && key == "properties" {
                keys.extend(inner.as_object().into_iter().flatten().map(|(name, _)| name.clone()));
            }
            if below && key == "enum" {
                words.extend(inner.as_array().into_iter().flatten().filter_map(|one| one.as_str().map(str::to_owned)));
            }
            collect(inner, detail, keys, words);
        }
        for inner in at.as_array().into_iter().flatten() {
            collect(inner, below, keys, words);
        }
    }
}
