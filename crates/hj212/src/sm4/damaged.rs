//! Was it sealed with a key that is known, and damaged since? Such a frame is not answered, as a damaged plain one is not.
//!
//! What must stay true: how ciphertext is written is told by its looks, and damage changes these. Hexadecimal digits of which one became
//! another letter are good base64, a digit that became a blank is read over. Therefore an area that is written is looked at in every writing
//! that it may have had before. A frame that was sealed with a key that is not known here is not taken for a damaged one.

use super::super::seal_form::{Padding, SealForm, Writing};
use super::super::{crc, sealed};
use super::{GROUP, Key, Unsealed, area_of, ciphertext, form_of, open_in, writing_of};

/// One digit in so many may be damaged.
const DIGITS_A_DAMAGED: usize = 8;
/// The digit of base64 that holds bits of the first group and of the second.
const MEETING: usize = GROUP * 8 / 6;

/// Whether a segment that none of `keys` opens was sealed with one of them and damaged since: the key gives a data area that the check
/// does not belong to, or clean text in some groups and not in others. A key that it was not sealed with gives a group of nothing but
/// the characters of names and numbers once in 400 million groups. Of an area of one group only a single wrong bit, or digit where it is
/// written in text, can be told.
#[must_use]
pub fn is_damaged<'k>(segment: &[u8], said: u16, keys: impl IntoIterator<Item = &'k Key> + Clone) -> bool {
    if form_of(segment, said, keys.clone()).is_some() {
        return false;
    }
    let writing = writing_of(segment);
    for padding in [None, Some(Padding::Pkcs7), Some(Padding::Zero)] {
        match open_in(SealForm { writing, padding }, segment, said, keys.clone()) {
            Ok(_) | Err(Unsealed::KeyForm | Unsealed::Groups | Unsealed::Area) => return false,
            Err(Unsealed::Check) => return true,
            Err(Unsealed::Key) => {}
        }
    }
    let Some((from, to)) = area_of(segment) else { return false };
    let area = segment.get(from..to).unwrap_or_default();
    before(writing, area).into_iter().any(|(writing, sealed)| {
        let whole = sealed.len() / GROUP * GROUP;
        // Where the two groups of an area meet, one digit of base64 holds bits of both.
        let places = match (whole / GROUP, writing) {
            (1, _) => 0..area.len(),
            (2, Some(Writing::Base64)) => MEETING..MEETING + 1,
            _ => 0..0,
        };
        keys.clone().into_iter().any(|key| {
            let mut plain = sealed.clone();
            key.open(&mut plain);
            let groups = plain.get(..whole).unwrap_or_default();
            groups.chunks_exact(GROUP).any(is_clean)
                || groups.last_chunk::<GROUP>().is_some_and(|last| is_clean_and_filled_up(last))
                || !places.is_empty() && one_off(segment, (from, to), places.clone(), writing, said, key)
        })
    })
}

/// Whether a segment whose ciphertext is written in text cannot be what its head declares: a length is that of what is sent or that of the plain
/// segment, filled up or not. A digit was lost or doubled.
#[must_use]
pub fn is_off_its_length(segment: &[u8], declared: usize) -> bool {
    let (Some(writing), Some((from, to))) = (writing_of(segment), area_of(segment)) else { return false };
    if declared == segment.len() {
        return false;
    }
    let sealed = ciphertext(Some(writing), segment.get(from..to).unwrap_or_default());
    let most = sealed.map_or(0, |sealed| sealed.len());
    let plain = declared.checked_sub(segment.len() - (to - from));
    !plain.is_some_and(|plain| (most.saturating_sub(GROUP)..=most).contains(&plain))
}

fn is_clean(group: &[u8]) -> bool {
    group.iter().all(|byte| sealed::is_common(*byte))
}

/// Whether it is the last group of an area that is filled up. A key that it was not sealed with gives one even more seldom.
fn is_clean_and_filled_up(group: &[u8]) -> bool {
    [Padding::Pkcs7, Padding::Zero].into_iter().any(|padding| {
        let filled = padding.of(group).unwrap_or_default();
        filled > 0 && group.get(..GROUP - filled).is_some_and(is_clean)
    })
}

/// The ciphertext that an area may have held before it was damaged, with its writing: as it looks now, and of what is written in text as each
/// writing with what does not belong there replaced.
fn before(writing: Option<Writing>, area: &[u8]) -> Vec<(Option<Writing>, Vec<u8>)> {
    let as_it_looks = ciphertext(writing, area).ok().map(|sealed| (writing, sealed));
    let mut all: Vec<_> = as_it_looks.into_iter().collect();
    if writing.is_some() {
        let hex = hex_before(area).and_then(|text| Writing::Hex.decode(&text)).map(|sealed| (Writing::Hex, sealed));
        let base64 = Writing::Base64.decode(&base64_before(area)).map(|sealed| (Writing::Base64, sealed));
        let others = hex.into_iter().chain(base64).map(|(writing, sealed)| (Some(writing), sealed));
        for other in others {
            if !all.contains(&other) {
                all.push(other);
            }
        }
    }
    all
}

/// Hexadecimal digits, a zero in place of each that is none; `None`: it is too much else.
fn hex_before(area: &[u8]) -> Option<Vec<u8>> {
    let separates = |byte: u8| matches!(byte, b' ' | b',' | b'\r' | b'\n' | b'\t');
    let marks = |byte: u8| matches!(byte, b'x' | b'X');
    let count = |is: &dyn Fn(u8) -> bool| area.iter().filter(|byte| is(**byte)).count();
    // One or two among many digits are digits no more; written out they stand before every byte.
    let few = |count: usize| count * DIGITS_A_DAMAGED <= area.len();
    let (few_marks, few_separators) = (few(count(&marks)), few(count(&separates)));
    let foreign = count(&|byte| !byte.is_ascii_hexdigit() && !separates(byte) && !marks(byte));
    if !few(foreign) {
        return None;
    }
    let zero = |byte: &u8| match *byte {
        byte if byte.is_ascii_hexdigit() => byte,
        byte if separates(byte) && !few_separators || marks(byte) && !few_marks => byte,
        _ => b'0',
    };
    let text: Vec<u8> = area.iter().map(zero).collect();
    if few_separators {
        return Some(text);
    }
    // Bytes apart: a digit became a blank, or a blank became a digit.
    let mut out = Vec::with_capacity(text.len() + 2);
    for piece in text.split(|byte| separates(*byte)).filter(|piece| !piece.is_empty()) {
        match piece {
            [digit] => out.extend([b'0', *digit]),
            [a, b, _, c, d] => out.extend([a, b, c, d]),
            piece => out.extend(piece),
        }
        out.push(b' ');
    }
    Some(out)
}

/// Base64 with a digit in place of each white space that is no line end of two characters.
fn base64_before(area: &[u8]) -> Vec<u8> {
    let mut text = area.to_vec();
    for at in 0..area.len() {
        let of = |at: Option<usize>| at.and_then(|at| area.get(at)).copied();
        let ends_line = match area.get(at) {
            Some(b'\r') => of(at.checked_add(1)) == Some(b'\n'),
            Some(b'\n') => of(at.checked_sub(1)) == Some(b'\r'),
            Some(b' ' | b'\t') => false,
            Some(_) | None => true,
        };
        if let Some(byte) = text.get_mut(at).filter(|_| !ends_line) {
            *byte = b'A';
        }
    }
    text
}

/// Whether turning one bit of the one group, or writing one of the digits at `places` otherwise, makes it a data area that the check belongs to.
fn one_off(
    segment: &[u8],
    (from, to): (usize, usize),
    mut places: std::ops::Range<usize>,
    writing: Option<Writing>,
    said: u16,
    key: &Key,
) -> bool {
    let area = segment.get(from..to).unwrap_or_default();
    let mut opened = Vec::with_capacity(area.len());
    let mut fits = |sealed: &[u8]| {
        [None, Some(Padding::Pkcs7), Some(Padding::Zero)].into_iter().any(|padding| {
            let Some(length) = key.opens(sealed, padding, &mut opened) else { return false };
            [length, opened.len()].into_iter().any(|end| {
                let inside = opened.get(..end).unwrap_or_default();
                let parts = [segment.get(..from).unwrap_or_default(), inside, segment.get(to..).unwrap_or_default()];
                crc::checksum(&parts.concat()) == said
            })
        })
    };
    let Some(writing) = writing else {
        let Ok(sealed) = ciphertext(None, area) else { return false };
        return (0..GROUP * 8).any(|bit| {
            let mut turned = sealed.clone();
            if let Some(byte) = turned.get_mut(bit / 8) {
                *byte ^= 1 << (bit % 8);
            }
            fits(&turned)
        });
    };
    places.any(|at| {
        (b'+'..=b'z').any(|digit| {
            let mut other = area.to_vec();
            if let Some(byte) = other.get_mut(at) {
                *byte = digit;
            }
            writing.decode(&other).is_some_and(|sealed| fits(&sealed))
        })
    })
}
