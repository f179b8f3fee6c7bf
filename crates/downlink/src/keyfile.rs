//! Key files (TOML): the keys that stations were given by other means than 1014.
//!
//! ```toml
//! [[key]]
//! mn = "010000A8900016F000169DC0"
//! created = "2026-06-01T08:58:57+08:00"   # or 2026-06-01, or SKCreateTime's 17 digits
//! key = "hex:30313233343536373839616263646566"
//! ```
//!
//! A key is written as `hex:` and 32 digits, as `base64:` and 24 characters, or as NewSK has it: 16 letters or digits. Pure: the text
//! is handed in, problems are handed back, all of them, with their places. What must stay true: no problem shows anything of a line
//! that can hold a key.

use std::collections::HashSet;

use serde::Deserialize;
use toml::Spanned;

use super::{StationKey, moment};
use hj212::sm4::{GROUP, Key};
use hj212_model::registry::{MN_MAX, Problem, read_toml_by};

/// The most keys of one file; a station has four a year.
const KEYS_MAX: usize = 100_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    key: Vec<Row>,
}

/// One `[[key]]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    mn: Spanned<String>,
    created: Spanned<String>,
    key: Spanned<String>,
}

/// Reads the `text` of the key file `name`.
///
/// # Errors
/// All that is wrong with it.
pub fn read(name: &str, text: &str) -> Result<Vec<StationKey>, Vec<Problem>> {
    let (file, mut problems) = read_toml_by::<File>(text, |error| problem_of(name, text, error));
    let Some(file) = file else { return Err(problems) };
    let mut keys = Vec::new();
    let mut seen = HashSet::new();
    for row in file.key.iter().take(KEYS_MAX) {
        let mut rule = |place: &Spanned<String>, what: String, remedy: &str| {
            problems.push(Problem::at(name, text, &place.span(), what, remedy));
        };
        let mn = row.mn.get_ref();
        let good = (1..=MN_MAX).contains(&mn.len())
            && mn.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
        if !good {
            rule(
                &row.mn,
                format!("mn must be 1 to {MN_MAX} letters, digits, '_' or '-'"),
                "write it as the station sends it",
            );
        }
        let created = created_of(row.created.get_ref());
        if created.is_none() {
            let what = "created must be a time: \"2026-06-01T08:58:57+08:00\", \"2026-06-01\", or the 17 digits of SKCreateTime";
            rule(&row.created, what.into(), "write the time at which the key was made; newer ones are tried first");
        }
        let key = key_of(row.key.get_ref());
        if key.is_none() {
            let what = "key must be \"hex:\" and 32 digits, \"base64:\" and 24 characters, or 16 letters or digits";
            rule(&row.key, what.into(), "a key of SM4 has 16 bytes");
        }
        if let Some(created) = &created
            && !seen.insert((mn.clone(), created.clone()))
        {
            rule(&row.created, format!("two keys of {mn:?} were created at the same time"), "remove one of the two");
        }
        if let (Some(created), Some(key)) = (created, key) {
            keys.push(StationKey { mn: mn.clone(), created, key });
        }
    }
    if file.key.len() > KEYS_MAX {
        problems.push(Problem::at(name, text, &(0..0), format!("more than {KEYS_MAX} keys"), "keep the newest"));
    }
    if problems.is_empty() { Ok(keys) } else { Err(problems) }
}

/// What the TOML reader says, without any text of the file: it may be a key.
fn problem_of(name: &str, text: &str, error: &toml::de::Error) -> Problem {
    let said = error.message();
    let missing = ["mn", "created", "key"].into_iter().find(|field| said.contains(&format!("missing field `{field}`")));
    let (what, remedy) = match missing {
        Some(field) => (format!("{field} is missing"), "a [[key]] has mn, created and key"),
        None if said.contains("unknown field") => (
            "a name that no key file has".into(),
            "a [[key]] has mn, created and key, and nothing else stands in the file",
        ),
        None => {
            ("this cannot be read as a key file".into(), "write [[key]] with mn = \"…\", created = \"…\", key = \"…\"")
        }
    };
    Problem::at(name, text, &error.span().unwrap_or(0..0), what, remedy)
}

/// The time as SKCreateTime has it, Beijing time with milliseconds.
fn created_of(said: &str) -> Option<String> {
    if said.len() == 17 && moment::millis(said.as_bytes()).is_some() {
        return Some(said.to_owned());
    }
    let full = match said.len() {
        10 => format!("{said}T00:00:00+08:00"),
        19 => format!("{said}+08:00"),
        _ => said.to_owned(),
    };
    Some(moment::qn(full.parse::<jiff::Timestamp>().ok()?.as_millisecond()))
}

fn key_of(said: &str) -> Option<Key> {
    match said.strip_prefix("base64:") {
        None => Key::from_text(said).ok(),
        Some(text) => {
            let mut bytes = zeroize::Zeroizing::new([0; GROUP + 2]);
            let length =
                data_encoding::BASE64.decode_mut(text.as_bytes(), bytes.get_mut(..decoded_len(text)?)?).ok()?;
            let key: [u8; GROUP] = bytes.get(..GROUP)?.try_into().ok()?;
            (length == GROUP).then(|| Key::from_bytes(key))
        }
    }
}

/// How many bytes `text` can hold, if that is about a key.
fn decoded_len(text: &str) -> Option<usize> {
    data_encoding::BASE64.decode_len(text.len()).ok().filter(|length| (GROUP..=GROUP + 2).contains(length))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GOOD: &str = r#"
[[key]]
mn = "010000A8900016F000169DC0"
created = "2026-06-01T08:58:57+08:00"
key = "hex:30313233343536373839616263646566"

[[key]]
mn = "021200000000000000000001"
created = "20260601085857223"
key = "base64:MDEyMzQ1Njc4OWFiY2RlZg=="

[[key]]
mn = "021200000000000000000001"
created = "2026-05-31T20:00:00Z"
key = "0123456789abcdef"
"#;

    fn problems(text: &str) -> String {
        let found = read("keys.toml", text).unwrap_err();
        found.iter().map(|problem| format!("{problem}\n")).collect()
    }

    #[test]
    fn keys_are_read_in_every_form() {
        let keys = read("keys.toml", GOOD).unwrap();
        let key = Key::from_text("0123456789abcdef").unwrap();
        assert!(keys.iter().all(|read| read.key == key));
        let created: Vec<&str> = keys.iter().map(|read| read.created.as_str()).collect();
        assert_eq!(created, ["20260601085857000", "20260601085857223", "20260601040000000"]);
        assert_eq!(read("keys.toml", "").unwrap(), []);
        assert_eq!(created_of("2026-06-01").unwrap(), "20260601000000000");
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line_and_without_the_key() {
        let said = problems(&GOOD.replace("hex:3031", "hex:30xx"));
        assert!(said.starts_with("keys.toml:5:7: key must be"), "{said}");
        assert!(!said.contains("323334"), "{said}");
        let said = problems(&GOOD.replace("Zg==", "Zg"));
        assert!(said.starts_with("keys.toml:10:7: key must be") && !said.contains("MDEy"), "{said}");
        let said = problems(&GOOD.replace("2026-06-01T08:58:57+08:00", "yesterday"));
        assert!(said.starts_with("keys.toml:4:11: created must be"), "{said}");
        let said = problems(&GOOD.replace("010000A8900016F000169DC0", "a b"));
        assert!(said.starts_with("keys.toml:3:6: mn must be"), "{said}");
        let said = problems(&GOOD.replace("2026-05-31T20:00:00Z", "2026-06-01T08:58:57.223+08:00"));
        assert!(said.contains("two keys of \"021200000000000000000001\""), "{said}");
        let said = problems("[[key]]\nmn = \"A\"\ncreated = \"2026-06-01\"\n");
        assert!(said.contains("key is missing"), "{said}");
    }

    #[test]
    fn a_key_in_the_wrong_place_is_not_shown_either() {
        for text in [
            "0123456789abcdef",
            "0123456789abcdef = 1",
            "[[key]]\n0123456789abcdef = 1",
            "[[key]]\nmn = \"A\"\ncreated = \"2026-06-01\"\nkey = 0123456789abcdef",
            "[[key]]\nmn = \"A\"\ncreated = \"2026-06-01\"\nkey = 1234567890123456",
            "[[key]]\nmn = \"A\"\ncreated = \"0123456789abcdef\"\nkey = \"x\"",
            "key = \"0123456789abcdef\"",
            "[0123456789abcdef]",
        ] {
            let said = problems(text);
            assert!(!said.contains("456789"), "{text}: {said}");
            assert!(said.starts_with("keys.toml:"), "{said}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics_and_none_is_echoed(text in "(\\[\\[key\\]\\]\n)?(mn = \"[A-F0-9]{1,8}\"\n)?(created|key|x)? ?=? ?\"?[ -~]{0,40}\"?") {
            let _ = read("k", &text);
        }

        #[test]
        fn base64_gives_what_hex_gives(bytes: [u8; GROUP]) {
            let text = format!("base64:{}", data_encoding::BASE64.encode(&bytes));
            prop_assert_eq!(key_of(&text), Some(Key::from_bytes(bytes)));
        }
    }
}
