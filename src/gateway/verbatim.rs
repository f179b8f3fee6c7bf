//! The members of a JSON object as they were written: a parser would turn 12.30 into 12.3, and evidence is not to be altered.

/// Name and value of each member of an object of our own writing (no spaces between its parts). Anything else has no members.
pub fn members(object: &str) -> impl Iterator<Item = (&str, &str)> {
    let inner = object.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).unwrap_or_default();
    parts(inner).filter_map(|part| {
        let (name, value) = part.strip_prefix('"')?.split_once("\":")?;
        Some((name, value))
    })
}

/// The parts between commas that stand in no bracket and no text.
fn parts(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text).filter(|text| !text.is_empty());
    std::iter::from_fn(move || {
        let whole = rest?;
        let (mut depth, mut quoted, mut escaped) = (0u32, false, false);
        let comma = whole.bytes().position(|byte| {
            match byte {
                _ if escaped => escaped = false,
                b'\\' if quoted => escaped = true,
                b'"' => quoted = !quoted,
                b'{' | b'[' if !quoted => depth += 1,
                b'}' | b']' if !quoted => depth = depth.saturating_sub(1),
                b',' => return depth == 0 && !quoted,
                _ => {}
            }
            false
        });
        let (part, after) = comma.and_then(|at| Some((whole.get(..at)?, whole.get(at + 1..)))).unwrap_or((whole, None));
        rest = after;
        Some(part)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn values_come_as_they_were_written() {
        let text = r#"{"a":12.30,"b":"x,\"}","c":{"d":[1,{"e":2}],"f":-0.0},"g":null}"#;
        let found: Vec<_> = members(text).collect();
        assert_eq!(found, [("a", "12.30"), ("b", r#""x,\"}""#), ("c", r#"{"d":[1,{"e":2}],"f":-0.0}"#), ("g", "null")]);
        assert_eq!(members("{}").count() + members("[1]").count() + members("").count(), 0);
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[{}\\[\\]\",:\\\\aé1]{0,40}") {
            members(&text).for_each(drop);
        }
    }
}
