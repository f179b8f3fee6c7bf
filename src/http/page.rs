//! The status page: one file, in the binary.

use axum::http::{HeaderValue, header};
use axum::response::{Html, IntoResponse, Response};

const PAGE: &str = include_str!("page.html");

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
    use super::PAGE;
    use hj212_model::message::Kind;

    #[test]
    fn every_kind_of_report_has_a_name_that_operators_read() {
        for kind in Kind::ALL {
            assert!(PAGE.contains(&format!("\"kind:{}\": [", kind.name())), "{}", kind.name());
        }
    }

    #[test]
    fn every_kind_of_event_has_a_name_that_operators_read() {
        let manual = include_str!("../../docs/mqtt.md");
        let row = manual.lines().find(|line| line.contains("/event/{kind}`")).unwrap();
        let events: Vec<&str> = row.split('|').nth(4).unwrap().split('`').skip(1).step_by(2).collect();
        assert!(events.len() > 15, "{events:?}");
        for event in events {
            assert!(PAGE.contains(&format!("\"event:{event}\": [")), "{event}");
        }
    }
}
