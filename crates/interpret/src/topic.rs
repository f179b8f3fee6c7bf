//! Levels of topics that come from outside: an MN can hold anything, a topic level cannot.

use super::hash::fnv;

/// The longest level made of an MN.
const LEVEL_MAX: usize = 64;

/// Appends `mn` as one topic level: letters, digits, `_` and `-` as they are, every other byte as `%XX`. What would be longer
/// than 64 characters is cut and ends with `~` and a hash of the whole. Different MNs give different levels, and no level is empty,
/// begins with `$` or is the gateway's own (`gateway`).
pub(super) fn level(out: &mut String, mn: &[u8]) {
    let start = out.len();
    let reserved = mn == b"gateway" || mn.is_empty();
    if mn.is_empty() {
        out.push('%');
    }
    for (at, byte) in mn.iter().enumerate() {
        let plain = byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        if plain && !(reserved && at == 0) {
            out.push(char::from(*byte));
        } else {
            push_escaped(out, *byte);
        }
        if out.len() - start > LEVEL_MAX {
            cut(out, start, mn);
            return;
        }
    }
}

fn push_escaped(out: &mut String, byte: u8) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    out.push('%');
    out.push(char::from(HEX[usize::from(byte >> 4)]));
    out.push(char::from(HEX[usize::from(byte & 15)]));
}

fn cut(out: &mut String, start: usize, mn: &[u8]) {
    out.truncate(start + LEVEL_MAX - 17);
    out.push('~');
    for byte in fnv(mn).to_be_bytes() {
        out.push_str(&format!("{byte:02x}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(mn: &[u8]) -> String {
        let mut out = String::new();
        level(&mut out, mn);
        out
    }

    #[test]
    fn nothing_of_a_topic_s_syntax_gets_through() {
        assert_eq!(of(b"010000A8900016F000169DC0"), "010000A8900016F000169DC0");
        assert_eq!(of(b"A110000_0001"), "A110000_0001");
        assert_eq!(of(b"a/+#$"), "a%2F%2B%23%24");
        assert_eq!(of(b""), "%");
        assert_eq!(of(b"gateway"), "%67ateway");
        assert_eq!(of(&[b'x'; 64]), "x".repeat(64));
        assert_eq!(of(&[b'x'; 65]).len(), 64);
        assert_ne!(of(&[b'x'; 65]), of(&[b'x'; 66]));
    }

    proptest! {
        #[test]
        fn every_level_is_short_and_plain(mn in proptest::collection::vec(any::<u8>(), 0..200)) {
            let level = of(&mn);
            prop_assert!(!level.is_empty() && level.len() <= LEVEL_MAX);
            prop_assert!(level.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'%' | b'~')));
        }
    }
}
