//! The members of a JSON object as they were written: a parser would turn 12.30 into 12.3, and evidence is not to be altered.

/// Name and value of each member of an object of our own writing (no spaces between its parts). Anything else has no members.
pub fn members(object: &str) -> impl Iterator<Item = (&str, &str)> {
    let inner = object.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).unwrap_or_default();
    parts(inner).filter_map(|part| {
        let (name, value) = part.strip_prefix('"')?.split_once("\":")?;
        Some((name, value))
    })
}

/// Each element of an array of our own writing. Anything else has none.
pub fn elements(array: &str) -> impl Iterator<Item = &str> {
    parts(array.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or_default())
}

/// The readings of a data message as they were written, each under its key: the code, and for a state of an instrument, or one that stands
/// under one of several instruments, `code@instrument`, as rules name it.
pub fn readings(body: &str) -> Vec<(String, &str)> {
    let get = |name: &str| members(body).find(|(known, _)| *known == name).map(|(_, value)| value);
    let instruments: Vec<&str> = elements(get("instruments").unwrap_or_default()).collect();
    // The readings of an only instrument are the record's own, and of states and logs the instrument is what rules speak of.
    let one = instruments.len() == 1;
    let by_instrument = instruments.len() > 1 || (one && get("kind") == Some("\"info\""));
    let own = members(get("readings").unwrap_or_default()).map(|(code, reading)| (code.to_owned(), reading));
    let mut all: Vec<(String, &str)> = own.filter(|_| !(one && by_instrument)).collect();
    for instrument in instruments.iter().filter(|_| by_instrument) {
        let get = |name: &str| members(instrument).find(|(known, _)| *known == name).map(|(_, value)| value);
        let said = get("code").filter(|code| *code != "null").or(get("pol_id")).unwrap_or_default();
        let said = if said == "null" { "" } else { said.trim_matches('"') };
        let under = members(get("readings").unwrap_or_default());
        all.extend(under.map(|(code, reading)| (format!("{code}@{said}"), reading)));
    }
    all
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
        assert_eq!(elements(r#"[{"a":1},{"b":[2,3]}]"#).collect::<Vec<_>>(), [r#"{"a":1}"#, r#"{"b":[2,3]}"#]);
        assert_eq!(elements("[]").count() + elements("{}").count(), 0);
    }

    #[test]
    fn readings_name_the_instrument_they_stand_under() {
        let of = |body: &str| -> Vec<String> { readings(body).into_iter().map(|(key, _)| key).collect() };
        let instrument = |said: &str, code: &str| {
            format!(
                r#"{{"pol_id":{said},"code":{code},"name":null,"fields":{{}},"readings":{{"i12001":{{"info":1}}}}}}"#
            )
        };
        let one = instrument("\"60\"", "\"w21003\"");
        assert_eq!(of(&format!(r#"{{"readings":{{"i12001":{{"info":1}}}},"instruments":[{one}]}}"#)), ["i12001"]);
        let other = instrument("null", "null");
        let both = format!(r#"{{"readings":{{"a":{{}}}},"instruments":[{one},{other}]}}"#);
        assert_eq!(of(&both), ["a", "i12001@w21003", "i12001@"]);
        assert_eq!(of("{}").len(), 0);
        let info = format!(r#"{{"kind":"info","readings":{{"i12001":{{"info":1}}}},"instruments":[{one}]}}"#);
        assert_eq!(of(&info), ["i12001@w21003"]);
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[{}\\[\\]\",:\\\\aé1]{0,40}") {
            members(&text).for_each(drop);
        }
    }
}
