//! Is the data area encrypted? (HJ 212-2025, 6.4 and annex A.2)
//!
//! SM4 in ECB mode covers the whole groups of 16 bytes of the area, a remainder stays plain; the check covers the plain text, so
//! it says nothing about the bytes received. Nothing in the header tells: what is known is the command, and what the bytes look like.
//! What must stay true, for a frame that is taken for the wrong kind is lost either way:
//! * a plain area with damaged bytes is not taken for an encrypted one, for such frames are answered without their check being right;
//! * an encrypted one is recognised whatever its bytes are. It would come again with the very same bytes, and be refused again.
//!
//! Text in base64 or hexadecimal that holds no field may be ciphertext too. Its looks prove nothing: who asks must know that Flag, the
//! registration or a key says that the station encrypts ([`Seal::is_told_by_looks`]). A frame whose check is wrong is taken for an encrypted
//! one only where one of these speaks for it as well ([`Spoken`]): else a destroyed area is answered, and its record is lost.
//!
//! # Decisions
//! * A plain area holds names of fields (`DataTime=`, `-Rtd=` …); damage would have to hit all of them. Of random bytes one area in
//!   ten million holds one.
//! * A plain area is written with the 73 characters of names, numbers and separators, and begins with a group of them. Of the 16 bytes of
//!   one group of ciphertext fewer than 2 are others in 6 of a hundred million cases, fewer than 3 in one of a million; of two groups
//!   fewer than a sixth never.
//! * Damaged text in Chinese still holds characters in UTF-8, which random bytes hardly do; in GB18030 any two bytes look like one.
//! * Text in Chinese with none of the standard's names is still text: it decodes, and it begins with a name of its own. Of random bytes
//!   two in a hundred thousand are so in 16 bytes, none in 48, so less is not believed.
//! * JSON and XML are text, whatever they hold: they begin with signs of their own.
//! * Separators and equals signs in full width are read as plain ones before the first name is looked at.

use super::header::{Header, PacketFlags, Seal};
use super::seal_form::{GROUP, SealForm};
use super::value::{self, Spelling};
use super::{Deviation, Edition};

/// So many bytes that decode are believed to be text.
const TEXT_MIN: usize = 3 * GROUP;

/// Areas up to this length may hold no longer names than `RS`.
const SHORT_MAX: usize = 4 * GROUP;

/// The longest name of a field.
const NAME_MAX: usize = 16;

/// Who says that a station encrypts, besides the looks of its data areas.
#[derive(Debug, Clone, Copy, Default)]
pub struct Spoken {
    /// Flag of the frame.
    pub flag: Option<PacketFlags>,
    /// The edition that the station is registered with, or that of the dialect that its frames show.
    pub edition: Option<Edition>,
    /// Whether a form of encryption is registered for it.
    pub form: bool,
    /// Whether a key of it is known.
    pub key: bool,
}

impl Spoken {
    /// Whether any of them says so: a key, a form, the edition 2025; and Flag of 2025 where no edition says otherwise.
    #[must_use]
    pub fn any(self) -> bool {
        let of_edition = match self.edition {
            Some(edition) => edition == Edition::V2025,
            None => self.flag.is_some_and(PacketFlags::may_encrypt),
        };
        self.key || self.form || of_edition
    }
}

/// Whether a command's data area is to be sealed (HJ 212-2025, 6.4.4): data, keys, site information.
#[must_use]
pub const fn is_sealed_command(cn: u16) -> bool {
    matches!(cn, 2000..=2999 | 1014 | 3020)
}

/// What is encrypted about the area of `segment`, whose header was read; `None`: it is plain.
#[inline]
pub(super) fn look(segment: &[u8], header: &Header<'_>) -> Option<Seal> {
    // Nearly every area begins so, and no ciphertext does. Where even the area's place is told by its looks, nothing more is.
    if header.area.starts_with(b"DataTime=")
        || header.area.is_empty()
        || header.deviations.contains(Deviation::AreaOpening)
    {
        return None;
    }
    look_closely(segment, header)
}

fn look_closely(segment: &[u8], header: &Header<'_>) -> Option<Seal> {
    if let Some((groups, remainder)) = printed(header.area) {
        let whole = groups % GROUP == 0 && remainder < GROUP;
        let plain = segment.len() - header.area.len() + groups + remainder;
        return Some(if whole { Seal::Text { plain } } else { Seal::Torn });
    }
    if !header.cn.is_some_and(is_sealed_command) {
        return None;
    }
    let is_plain =
        || super::tidied(header.area).is_some_and(|(area, _)| is_text(&area) && begins_with_known_name(&area));
    if looks_random(whole_groups(header.area)) && !is_plain() {
        return Some(Seal::Bytes);
    }
    let writing = SealForm::written(header.area).filter(|_| !begins_with_known_name(header.area))?;
    let bytes = writing.decode(header.area)?;
    let plain = segment.len() - header.area.len() + bytes.len();
    looks_random(whole_groups(&bytes)).then_some(Seal::Written { writing, plain })
}

/// Whether what was opened is a data area: text that begins with a name, among names that the standard knows. What a wrong key gives
/// passes in none of a hundred million cases.
pub(super) fn is_area(area: &[u8]) -> bool {
    is_text(area) && begins_with_name(area) && (begins_with_known_name(area) || holds_known_name(whole_groups(area)))
}

/// Whether an area that nobody says to be encrypted, and whose check is right, is the rest of a text in GB18030: the common Chinese characters and
/// the characters of names and numbers alone, the first perhaps cut in two, and a name of the standard with its `=`. Of 16 random bytes two in a
/// hundred thousand are so.
#[must_use]
pub fn is_rest_of_text(area: &[u8]) -> bool {
    let is_rest = |bytes: &[u8]| {
        let mut rest = bytes;
        loop {
            rest = match rest {
                [] => return true,
                [0xA1 | 0xA3 | 0xB0..=0xF7, 0xA1..=0xFE, more @ ..] => more,
                [byte, more @ ..] if is_common(*byte) => more,
                _ => return false,
            };
        }
    };
    let cut = area.split_first().filter(|(first, _)| !first.is_ascii()).map(|(_, rest)| rest);
    holds_known_name(area) && (is_rest(area) || cut.is_some_and(is_rest))
}

/// No control characters but line ends and tabs (a log may hold them), and UTF-8 or GB18030 where it is not ASCII.
fn is_text(bytes: &[u8]) -> bool {
    !bytes.iter().any(|byte| is_control(*byte)) && value::text(bytes).1 != Some(Deviation::TextUndecodable)
}

/// A byte that no text holds.
pub(super) const fn is_control(byte: u8) -> bool {
    (byte < b' ' && !matches!(byte, b'\t' | b'\r' | b'\n')) || byte == 0x7F
}

/// The groups that are encrypted; the remainder is not.
fn whole_groups(area: &[u8]) -> &[u8] {
    area.get(..area.len() / GROUP * GROUP).unwrap_or_default()
}

fn looks_random(groups: &[u8]) -> bool {
    let foreign = |bytes: &[u8]| bytes.iter().filter(|byte| !is_common(**byte)).count();
    let Some(first) = groups.get(..GROUP) else { return false };
    let text_of_its_own = || groups.len() >= TEXT_MIN && begins_with_name(groups) && is_text(groups);
    foreign(first) > 1
        && foreign(groups) * 6 >= groups.len()
        && !begins_structure(groups)
        && !holds_known_name(groups)
        && !holds_chinese(groups)
        && !text_of_its_own()
}

/// The characters of names, numbers and what separates them.
pub(super) const fn is_common(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'=' | b';' | b',' | b'.' | b'-' | b'+' | b'_' | b':' | b'/' | b' ' | b'&')
}

/// Whether so many Chinese characters stand there in UTF-8 as random bytes never hold: they hold one in 680.
fn holds_chinese(bytes: &[u8]) -> bool {
    let character = |three: &&[u8]| matches!(three, [0xE4..=0xE9, 0x80..=0xBF, 0x80..=0xBF]);
    bytes.windows(3).filter(character).count() >= 6 + bytes.len() / 128
}

/// Whether JSON or XML stands there: an opening sign of theirs, and ASCII alone, or text that is long enough. Of random bytes one row of 16 in
/// a hundred million is so.
fn begins_structure(bytes: &[u8]) -> bool {
    let opened = match bytes {
        [b'{', b'0', b'x' | b'X', ..] => false,
        [b'{' | b'[', next, ..] => {
            matches!(next, b'"' | b'\'' | b'{' | b'[' | b' ' | b'\r' | b'\n' | b'\t') || next.is_ascii_alphabetic()
        }
        [b'<', next, ..] => matches!(next, b'?' | b'!') || next.is_ascii_alphabetic(),
        _ => false,
    };
    opened && is_text(bytes) && (bytes.is_ascii() || bytes.len() >= TEXT_MIN && bytes.get(1) == Some(&b'"'))
}

/// Whether something like a field's name and its `=` stand first.
fn begins_with_name(area: &[u8]) -> bool {
    let name = area.iter().take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')).count();
    name > 1 && area.get(name) == Some(&b'=')
}

/// Whether the first name is one of the standard's, with a code before it or without.
fn begins_with_known_name(area: &[u8]) -> bool {
    let end = memchr::memchr(b'=', area).unwrap_or(0);
    let said = area.get(..end).unwrap_or_default();
    let name = said.rsplit(|byte| *byte == b'-').next().unwrap_or_default();
    value::field_name(name).is_some_and(|(known, spelling)| known.len() > 2 || spelling == Spelling::Standard)
}

/// Whether a name that the standard knows stands before any `=`. The shorter ones are met in ciphertext too: those of three letters
/// count with the `-` that stands before them, those of two so in short areas.
fn holds_known_name(bytes: &[u8]) -> bool {
    memchr::memchr_iter(b'=', bytes).any(|end| {
        let before = bytes.get(end.saturating_sub(NAME_MAX)..end).unwrap_or_default();
        let length = before.iter().rev().take_while(|byte| byte.is_ascii_alphabetic()).count();
        let (front, name) = before.split_at_checked(before.len() - length).unwrap_or((before, &[]));
        let long_enough = match length {
            0 | 1 => false,
            2 => front.ends_with(b"-") && bytes.len() <= SHORT_MAX,
            3 => front.ends_with(b"-"),
            _ => true,
        };
        long_enough && value::field_name(name).is_some()
    })
}

/// The number of printed bytes of `{0xE4,0x3E,…}` and of the plain ones after it.
fn printed(area: &[u8]) -> Option<(usize, usize)> {
    let inside = area.strip_prefix(b"{")?;
    let close = memchr::memchr(b'}', inside)?;
    let (inside, remainder) = inside.split_at_checked(close)?;
    let mut count = 0;
    for byte in inside.split(|byte| *byte == b',') {
        let [b'0', b'x' | b'X', high, low] = byte.trim_ascii() else { return None };
        if !high.is_ascii_hexdigit() || !low.is_ascii_hexdigit() {
            return None;
        }
        count += 1;
    }
    Some((count, remainder.len() - 1))
}
