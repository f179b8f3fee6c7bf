//! Passwords and keys (HJ 212-2017, 6.3.3, table 4: PW; 6.6, 1072: NewPW; HJ 212-2025, 6.4.3: SK, NewSK) and how they are hidden.
//!
//! What must stay true: **a password or key never leaves the journal**: no message, no log line, no page, no print of the program holds one. So
//! everything that shows bytes of a station shows them by [`masked`], and everything that shows fields asks [`is_secret`]. In doubt
//! too much is hidden: case, blanks and signs within a name, a name cut at the beginning of a piece, a piece that begins within a
//! value, and separators within a value do not let it through.

/// Whether a field of this name holds a password or a key: case and what is neither letter nor digit do not count.
#[must_use]
pub fn is_secret(name: &[u8]) -> bool {
    let mut letters = [0; 12];
    let mut count = 0;
    for byte in name.iter().filter(|byte| byte.is_ascii_alphanumeric()) {
        let Some(place) = letters.get_mut(count) else { return false };
        *place = byte.to_ascii_uppercase();
        count += 1;
    }
    NAMES.contains(&letters.get(..count).unwrap_or_default())
}

/// The names, without what does not count. The last ones are the field's and stand in no standard.
const NAMES: &[&[u8]] =
    &[b"PW", b"NEWPW", b"SK", b"NEWSK", b"OLDPW", b"OLDSK", b"PWD", b"NEWPWD", b"PASSWD", b"PASSWORD", b"NEWPASSWORD"];

/// How names end whose values are hidden where bytes are shown: more than [`NAMES`], as names may be torn or run together there.
const ENDINGS: &[&[u8]] = &[b"PW", b"SK", b"PWD", b"PASSWD", b"PASSWORD"];

/// The longest of [`ENDINGS`].
const ENDING_MAX: usize = 8;

/// The bytes with every byte of a password or key replaced by `*`; as many as there were.
#[must_use]
pub fn masked(raw: &[u8]) -> Vec<u8> {
    let mut bytes = raw.to_owned();
    mask_torn(&mut bytes);
    if !is_free(raw) {
        mask_named(raw, true, &mut bytes);
    }
    bytes
}

/// So far back the letter before one is looked for.
const BEFORE_MAX: usize = 32;

/// Whether certainly no name of a secret stands in `raw`, nor the rest of one at its beginning: all of [`NAMES`] and [`ENDINGS`] have a W behind a P
/// or an S, or a K behind an S, whatever signs stand between them.
fn is_free(raw: &[u8]) -> bool {
    let letter = |byte: &&u8| byte.is_ascii_alphanumeric();
    let before = |at: usize| match raw.get(..at).unwrap_or_default().iter().rev().take(BEFORE_MAX).find(letter) {
        Some(byte) => byte.to_ascii_uppercase(),
        None if at < BEFORE_MAX => 0,
        // Nobody looked.
        None => b'S',
    };
    let sign = raw.iter().position(|byte| matches!(byte, b'=' | b':' | 0xEF | 0xA3)).unwrap_or(raw.len());
    let begun = sign == raw.len() || raw.get(..sign).unwrap_or_default().iter().filter(letter).nth(1).is_some();
    begun
        && memchr::memchr2_iter(b'W', b'w', raw).all(|at| !matches!(before(at), b'P' | b'S'))
        && memchr::memchr2_iter(b'K', b'k', raw).all(|at| before(at) != b'S')
}

/// The same of a text that is whole: nothing is missing in front of it, so a value without a name is no secret.
#[must_use]
pub fn masked_whole(raw: &[u8]) -> Vec<u8> {
    let mut bytes = raw.to_owned();
    mask_named(raw, false, &mut bytes);
    bytes
}

/// Whether a text has letters that every name of a secret has: most have none.
#[must_use]
pub fn may_hold(raw: &[u8]) -> bool {
    raw.len() > 2 && raw.iter().any(|byte| matches!(byte, b'W' | b'w' | b'K' | b'k'))
}

/// Hides what stands behind the name of a secret; `torn`: the beginning of a name may be missing.
fn mask_named(raw: &[u8], torn: bool, bytes: &mut [u8]) {
    mask_words(raw, bytes);
    for at in memchr::memchr2_iter(b'=', b':', raw) {
        let before = raw.get(..at).unwrap_or_default();
        // A colon stands in JSON, or for the equals sign of a header field.
        let json = raw.get(at) == Some(&b':') && before.trim_ascii_end().ends_with(b"\"");
        if hides(before, json, torn) {
            mask(bytes, at + 1, json);
        }
    }
    // The full-width forms of both signs, in UTF-8 and GB18030: the header is read with them.
    for at in 0..raw.len() {
        let length = match raw.get(at..).unwrap_or_default() {
            [0xEF, 0xBC, 0x9D | 0x9A, ..] => 3,
            [0xA3, 0xBD | 0xBA, ..] => 2,
            _ => continue,
        };
        if hides(raw.get(..at).unwrap_or_default(), false, torn) {
            mask(bytes, at + length, false);
        }
    }
}

/// Hides the word behind a word that is the name of a secret (`NewSK 0123`, `NewPW-123456`), and digits that touch it (`PW123456`). What has
/// an equals sign is a field, which is looked at as such.
fn mask_words(raw: &[u8], bytes: &mut [u8]) {
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric();
    let mut at = 0;
    while at < raw.len() {
        let rest = raw.get(at..).unwrap_or_default();
        let word = rest.iter().take_while(|byte| is_word(byte)).count();
        if word == 0 {
            at += 1;
            continue;
        }
        let text = rest.get(..word).unwrap_or_default();
        let letters = text.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
        if is_secret(text.get(..letters).unwrap_or_default()) {
            let blank =
                |byte: &&u8| matches!(byte, b' ' | b'\t' | b'-' | b'_' | b'/' | b'.' | b';' | b',' | b'>' | b'|');
            let gap = if letters < word { 0 } else { rest.iter().skip(word).take_while(blank).count() };
            let begin = at + letters + gap;
            let behind = raw.get(begin..).unwrap_or_default();
            let ends =
                |byte: &&u8| !matches!(byte, b';' | b',' | b'&' | b' ' | b'\t' | b'\r' | b'\n' | b'"' | b'/' | b'<');
            let length = behind.iter().take_while(ends).count();
            let is_field = behind.get(..length).unwrap_or_default().contains(&b'=');
            if (gap > 0 || letters < word) && !is_field {
                bytes.iter_mut().skip(begin).take(length).for_each(|byte| *byte = b'*');
            }
        }
        at += word;
    }
}

/// Whether a field's name is an item's (`NewPW-Info`) whose code is the name of a secret.
fn is_item_of_secret(before: &[u8]) -> bool {
    let end = |byte: &u8| !(byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b' '));
    let begin = before.iter().rposition(end).map_or(0, |at| at + 1);
    let name = before.get(begin..).unwrap_or_default();
    name.iter().rposition(|byte| *byte == b'-').is_some_and(|at| {
        let code = name.get(..at).unwrap_or_default();
        is_secret(code) || code.rsplit(|byte| *byte == b' ').next().is_some_and(is_secret)
    })
}

/// Whether what ends here is a name whose value is hidden. Of JSON only names in quotes are names.
fn hides(before: &[u8], json: bool, torn: bool) -> bool {
    let before = before.trim_ascii_end();
    if json && before.last() != Some(&b'"') {
        return false;
    }
    if is_item_of_secret(before) {
        return true;
    }
    let mut name = [0; ENDING_MAX];
    let mut left = ENDING_MAX;
    let mut whole = true;
    for byte in before.iter().rev() {
        if is_end(*byte) || left == 0 {
            whole = false;
            break;
        }
        if byte.is_ascii_alphanumeric()
            && let Some(place) = left.checked_sub(1).and_then(|at| name.get_mut(at))
        {
            *place = byte.to_ascii_uppercase();
            left -= 1;
        }
    }
    let name = name.get(left..).unwrap_or_default();
    // At the beginning of a piece the first letters may be missing.
    let torn = torn && whole && name.len() < 2 && !json && ENDINGS.iter().any(|ending| ending.ends_with(name));
    torn || ENDINGS.iter().any(|ending| name.ends_with(ending))
}

fn is_end(byte: u8) -> bool {
    matches!(byte, b';' | b',' | b'&' | b'=' | b'#' | b'{' | b'}')
}

/// A piece that begins within a value: what stands before the first separator that a field follows, if it is no field and no frame begins.
fn mask_torn(bytes: &mut [u8]) {
    let separator = (0..bytes.len()).find(|at| {
        let rest = bytes.get(*at..).unwrap_or_default();
        // Behind an area's end stands the check.
        rest.starts_with(b"&&") || matches!(rest, [b';' | b',' | b'&', after @ ..] if begins_field(after))
    });
    let Some(end) = separator else { return };
    let head = bytes.get(..end).unwrap_or_default();
    let begins = head.windows(2).any(|two| two == b"##") || FIELDS.iter().any(|name| contains(head, name));
    if !begins && !head.contains(&b'=') {
        bytes.iter_mut().take(end).for_each(|byte| *byte = b'*');
    }
}

/// What stands in front of a password in the standard's order.
const FIELDS: &[&[u8]] = &[b"QN=", b"ST=", b"CN=", b"MN=", b"CP="];

fn contains(bytes: &[u8], name: &[u8]) -> bool {
    bytes.windows(name.len()).any(|window| window.eq_ignore_ascii_case(name))
}

/// Whether a field, or the end of an area, begins here.
fn begins_field(rest: &[u8]) -> bool {
    let rest = rest.trim_ascii_start();
    let name =
        rest.iter().take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b' ')).take(32).count();
    name > 0 && rest.get(name) == Some(&b'=')
}

/// Up to the end of the value: a separator that a field follows, the area's end, or the line's. Within a password each of these is noise
/// of the line, or meant.
fn mask(bytes: &mut [u8], from: usize, json: bool) {
    let rest = bytes.get(from..).unwrap_or_default();
    let end = (0..rest.len()).find(|at| {
        let after = rest.get(at + 1..).unwrap_or_default();
        match rest.get(*at) {
            Some(b';' | b',') if json => after.trim_ascii_start().starts_with(b"\""),
            Some(b';' | b',') => begins_field(after) || after.trim_ascii().is_empty(),
            Some(b'&') => after.starts_with(b"&"),
            Some(b'}') if json => true,
            Some(b'\r' | b'\n') => {
                let after = after.trim_ascii_start();
                after.is_empty() || after.starts_with(b"##")
            }
            _ => false,
        }
    });
    let count = end.unwrap_or(rest.len());
    bytes.iter_mut().skip(from).take(count).for_each(|byte| *byte = b'*');
}

/// Text for people without its secrets: control characters escaped, what is no UTF-8 escaped whole.
#[must_use]
pub fn shown(raw: &[u8]) -> String {
    let masked = masked(raw);
    match std::str::from_utf8(&masked) {
        Ok(text) => {
            let mut shown = String::with_capacity(text.len());
            for c in text.chars() {
                if c.is_control() { shown.extend(c.escape_default()) } else { shown.push(c) }
            }
            shown
        }
        Err(_) => masked.escape_ascii().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(text: &str) -> String {
        String::from_utf8(masked(text.as_bytes())).unwrap()
    }

    #[test]
    fn no_password_gets_through() {
        assert_eq!(of("##0086ST=32;CN=2011;PW=123456;MN=A;CP=&&&&"), "##0086ST=32;CN=2011;PW=******;MN=A;CP=&&&&");
        assert_eq!(of("CP=&&NewPW=abcdef&&"), "CP=&&NewPW=******&&");
        assert_eq!(of("CP=&&SKCreateTime=1,NewSK=0123456789abcdef&&"), "CP=&&SKCreateTime=1,NewSK=****************&&");
        assert_eq!(of("CP=&&SK=0123;PW=abc,x=1&&"), "CP=&&SK=****;PW=***,x=1&&");
        assert_eq!(of("pw = 12 34;"), "pw =******;");
        assert!(!of("ST=32;PW:123456;MN:A").contains("123456"));
        assert!(!of("ST=32;PW\u{ff1d}123456;MN=A").contains("123456"));
        assert!(!of("ST=32;PW\u{ff1a}123456;MN=A").contains("123456"));
        assert_eq!(of("456;MN=A"), "***;MN=A");
        assert_eq!(of("PW=123"), "PW=***");
        assert_eq!(of("PW"), "PW");
        assert_eq!(of("ST=32;PW=12\u{1b}[31m\n3456;MN=A"), "ST=32;PW=************;MN=A");
        assert_eq!(of("PW=123456\r\n##0086"), "PW=******\r\n##0086");
        assert_eq!(of(r#"{"NewPW":"abc","x":"1"}"#), r#"{"NewPW":*****,"x":"1"}"#);
    }

    #[test]
    fn separators_within_a_password_do_not_end_it() {
        assert_eq!(of("ST=32;PW=12,34;MN=A"), "ST=32;PW=*****;MN=A");
        assert_eq!(of("ST=32;PW=1;2&3;MN=A"), "ST=32;PW=*****;MN=A");
        assert_eq!(of("CP=&&NewPW=a,b;c&&"), "CP=&&NewPW=*****&&");
        assert_eq!(of("CP=&&NewPW=a==b,PolId=1&&"), "CP=&&NewPW=****,PolId=1&&");
    }

    #[test]
    fn names_torn_and_spelt_otherwise_hide_as_well() {
        for text in
            ["W=s3cr3t;MN=A", "=s3cr3t;MN=A", "K=s3cr3t,x=1", "New PW=s3cr3t;", "new_pw=s3cr3t;", "P W = s3cr3t"]
        {
            assert!(!of(text).contains("s3cr3t"), "{text}: {}", of(text));
        }
        for text in ["cr3t;Flag=5;CP=&&&&", "cr3t;CP=&&&&", "cr3t ; MN = A", "cr3t,PolId=1", "\u{0}cr3t;MN=A"] {
            assert!(!of(text).contains("cr3t"), "{text}: {}", of(text));
        }
        for name in ["PW", "newpw", "New SK", "NEW_PW", "Sk", "password", " PW "] {
            assert!(is_secret(name.as_bytes()), "{name}");
        }
        for name in ["", "P", "a21026", "Task", "SKCreateTime", "NewMN", "PWM", "averylongnamethatendswithPW"] {
            assert!(!is_secret(name.as_bytes()), "{name}");
        }
    }

    #[test]
    fn secrets_in_free_text_are_hidden_behind_their_names() {
        for text in [
            "//NewPW=s3cr3t//",
            "5 PW=s3cr3t",
            "foo NewSK s3cr3t",
            "NewPW-s3cr3t",
            "password: s3cr3t",
            "new pw / s3cr3t x",
            "\u{5bc6}\u{7801}PW s3cr3t",
            "pw_s3cr3t",
            "a;SK\ts3cr3t;b",
            "NewPW-Info=s3cr3t",
            "a;newSK-Rtd = s3cr3t,b=1",
            "x=1;PW-Flag:s3cr3t",
            "a;NewPW;s3cr3t;b=1",
            "NewSK,s3cr3t",
            "<NewSK>s3cr3t</NewSK>",
            "PW|s3cr3t",
        ] {
            for shown in [masked(text.as_bytes()), masked_whole(text.as_bytes())] {
                let shown = String::from_utf8(shown).unwrap();
                assert!(!shown.contains("s3cr3t"), "{text}: {shown}");
                assert_eq!(shown.len(), text.len());
            }
            assert!(may_hold(text.as_bytes()), "{text}");
        }
        assert_eq!(masked_whole(b"foo PW123456 bar"), b"foo PW****** bar");
        for text in ["=57.3", "=20.1;x", "K=5", "SKCreateTime=1", "task 5 done", "hello, world"] {
            assert_eq!(masked_whole(text.as_bytes()), text.as_bytes(), "{text}");
        }
    }

    #[test]
    fn what_is_no_secret_is_shown() {
        let frame = "##0101QN=20260101000000001;ST=32;CN=2011;MN=A;Flag=5;CP=&&DataTime=20260101000000;w01018-Rtd=1,w01018-Flag=N&&ABCD\r\n";
        assert_eq!(of(frame), frame);
        for text in ["GET / HTTP/1.1\r\nHost: a\r\n", "hello, world", "CP=&&Info=a;b&&"] {
            assert_eq!(of(text), text);
        }
    }

    proptest! {
        #[test]
        fn a_password_is_masked_in_any_surroundings(before in "[ -~]{0,20}", after in "[ -~]{0,20}") {
            let text = format!("{before};PW=s3cr3t;{after}");
            prop_assert!(!of(&text).contains("s3cr3t"));
            prop_assert_eq!(of(&text).len(), text.len());
        }

        #[test]
        fn a_frame_torn_anywhere_shows_no_password_in_either_piece(cut in 0usize..90) {
            let frame = b"##0086QN=20260101000000001;ST=32;CN=1072;PW=s3cr3t;MN=A;Flag=5;CP=&&NewPW=h1dd3n&&ABCD\r\n";
            let (first, second) = frame.split_at(cut.min(frame.len()));
            for piece in [first, second] {
                let shown = String::from_utf8(masked(piece)).unwrap();
                // Of what is torn within its last bytes nothing tells that it is the end of a value: `n&&ABCD`.
                prop_assert!(!["s3cr", "3cr3", "cr3t", "h1dd", "3t;MN"].iter().any(|part| shown.contains(part)), "{}", shown);
            }
        }

        #[test]
        fn what_is_free_of_names_of_secrets_is_as_if_it_had_been_searched(
            raw in "(P|p|W|w|S|s|K|k|D|PASS|ORD|NEW|=|:|;|,|&|&&| |-|A1|1|\u{ff1d}|\u{ff1a}|\r\n|\"){0,24}",
        ) {
            let raw = raw.as_bytes();
            let mut searched = raw.to_owned();
            mask_torn(&mut searched);
            mask_named(raw, true, &mut searched);
            prop_assert_eq!(masked(raw), searched);
        }

        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            prop_assert_eq!(masked(&bytes).len(), bytes.len());
        }
    }
}
