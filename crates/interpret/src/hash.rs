//! Hashes that must be the same for ever: they stand in published ids and in snapshots.
//!
//! None of them has to withstand an attacker: two records of one station are compared with each other, never with another
//! station's, and the journal keeps both.

pub(super) use hj212_model::message::topic::fnv;

/// A content hash, eight bytes a step.
pub(super) fn content(bytes: &[u8]) -> u64 {
    let mut hash = mix(bytes.len() as u64 ^ 0x9e37_79b9_7f4a_7c15);
    let (words, tail) = bytes.as_chunks::<8>();
    for word in words {
        hash = fold(hash ^ u64::from_le_bytes(*word), 0xe703_7ed1_a0b4_28db);
    }
    let tail = tail.iter().rev().fold(0u64, |w, b| w << 8 | u64::from(*b));
    mix(hash ^ tail)
}

/// Both together, in this order.
pub(super) fn join(one: u64, other: u64) -> u64 {
    mix(one.rotate_left(29).wrapping_add(other))
}

fn fold(one: u64, other: u64) -> u64 {
    let product = u128::from(one) * u128::from(other);
    // Halves of the product; nothing is lost that the other half does not keep.
    (product as u64) ^ (product >> 64) as u64 ^ one.rotate_left(32)
}

const fn mix(mut hash: u64) -> u64 {
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_stay_what_they_are() {
        assert_eq!(fnv(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv(b"a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(content(b"DataTime=20261123103000;a21026-Avg=12.30,a21026-Flag=N"), CONTENT);
    }

    const CONTENT: u64 = 14_937_678_603_572_824_823;

    #[test]
    fn one_changed_byte_changes_the_content() {
        let mut seen = std::collections::HashSet::new();
        let mut text = *b"a21026-Avg=12.30,a21026-Flag=N;";
        assert!(seen.insert(content(&text)));
        for at in 0..text.len() {
            for bit in 0..8 {
                text[at] ^= 1 << bit;
                assert!(seen.insert(content(&text)));
                text[at] ^= 1 << bit;
            }
        }
    }
}
