//! SM4 over data areas (HJ 212-2025, 6.4, 6.4.2 and annex A.2): ECB, no padding, whole groups of 16 bytes; what is left over stays plain.
//!
//! The check is taken over the plain segment and is not computed anew, so it tells whether a key was right; but one wrong key in 256
//! passes it, so what a key gives must also be a data area: text, that begins with a name, among names of the standard. ECB
//! authenticates nothing: what a key opens is readable, not proven.
//!
//! Two forms are met on the wire: the ciphertext as bytes (what the length of the printed examples fits, and what is written here), and
//! printed as `{0xE4,0x3E,…}` followed by the plain remainder. Stations fill areas up and write ciphertext in other ways too ([`SealForm`]):
//! that is read where their registration says so, and told by [`form_of`] elsewhere.
//!
//! What must stay true: a key is never printed, and is wiped when dropped; a frame that a key opens in any form that is known here is not
//! taken for a damaged one, whether its form is registered or not.

use std::fmt;

use sm4::Sm4;
use sm4::cipher::{Array, BlockCipherDecrypt, BlockCipherEncrypt, KeyInit};
use zeroize::{Zeroize, ZeroizeOnDrop};

pub use super::seal_form::GROUP;
use super::seal_form::{Padding, SealForm, Writing, hex_byte};
pub use super::sealed::is_sealed_command;
use super::{Deviation, Seal, crc, packet, scan, sealed};
pub use damaged::{is_damaged, is_off_its_length};

/// A key of 16 bytes. Never printed; wiped from memory when dropped.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct Key([u8; GROUP]);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(***)")
    }
}

/// Why something is no key or was not opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unsealed {
    /// A key has 16 characters (NewSK, HJ 212-2025, C.8) or 32 hexadecimal digits.
    #[error("a key has 16 letters or digits, or 32 hexadecimal digits after \"hex:\"")]
    KeyForm,
    /// Printed ciphertext whose braces hold no whole groups.
    #[error("the printed ciphertext holds no whole groups of 16 bytes")]
    Groups,
    /// The segment has no data area.
    #[error("the segment has no data area")]
    Area,
    /// No key gives a data area.
    #[error("no key opens it")]
    Key,
    /// A key gives a data area that the frame's check does not belong to: it was damaged, or the check is of no known kind.
    #[error("a key opens it, but the check is wrong for what it gives")]
    Check,
}

/// Which check a frame's CRC turned out to be over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckedOver {
    /// Over the plain segment, as annex A.2 says.
    Plain,
    /// Over the plain segment with what filled its area up.
    FilledUp,
    /// Over the bytes received: sealed first, checked afterwards.
    Sealed,
    /// Over the plain segment with a known mistake.
    Mistaken(Deviation),
}

/// A segment opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// The plain segment, header and all.
    pub segment: Vec<u8>,
    /// Which of the keys tried opened it, counted from 0; of [`open_any`] always 0.
    pub key: usize,
    /// In which form.
    pub form: SealForm,
    /// What the CRC was over.
    pub checked: CheckedOver,
}

impl Key {
    /// A key as NewSK has it: 16 letters or digits (HJ 212-2025, C.8).
    pub fn from_text(text: &str) -> Result<Key, Unsealed> {
        if let Some(hex) = text.strip_prefix("hex:") {
            let digits = hex.as_bytes();
            let mut key = [0; GROUP];
            if digits.len() != 2 * GROUP {
                return Err(Unsealed::KeyForm);
            }
            for (byte, pair) in key.iter_mut().zip(digits.chunks_exact(2)) {
                *byte = hex_byte(pair).ok_or(Unsealed::KeyForm)?;
            }
            return Ok(Key(key));
        }
        let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        <[u8; GROUP]>::try_from(text.as_bytes()).ok().filter(|_| plain).map(Key).ok_or(Unsealed::KeyForm)
    }

    /// The key from its bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; GROUP]) -> Key {
        Key(bytes)
    }

    /// The bytes, for the place where the key is kept.
    #[must_use]
    pub const fn bytes(&self) -> &[u8; GROUP] {
        &self.0
    }

    fn cipher(&self) -> Sm4 {
        Sm4::new(&Array::from(self.0))
    }

    /// Encrypts the whole groups of `area`.
    pub fn seal(&self, area: &mut [u8]) {
        let cipher = self.cipher();
        for group in area.chunks_exact_mut(GROUP) {
            if let Ok(block) = <&mut Array<u8, _>>::try_from(group) {
                cipher.encrypt_block(block);
            }
        }
    }

    /// How many bytes of what `sealed` gives under this key, which is what `opened` holds then, are a data area; those after it fill it up.
    /// `None`: it is none.
    fn opens(&self, sealed: &[u8], padding: Option<Padding>, opened: &mut Vec<u8>) -> Option<usize> {
        let cipher = self.cipher();
        opened.clear();
        opened.extend_from_slice(sealed);
        let last = sealed.len().saturating_sub(GROUP);
        for (number, group) in opened.chunks_exact_mut(GROUP).enumerate() {
            if let Ok(block) = <&mut Array<u8, _>>::try_from(&mut *group) {
                cipher.decrypt_block(block);
            }
            let filled_up = padding.is_some() && number * GROUP == last;
            if !filled_up && group.iter().any(|byte| sealed::is_control(*byte)) {
                return None;
            }
        }
        let length = match padding {
            Some(padding) => opened.len() - padding.of(opened)?,
            // What PKCS7 fills up with is text at times: 9, 10 and 13 are the tab and the line ends. No area ends in so many of them.
            None if Padding::Pkcs7.of(opened).is_some() => return None,
            None => opened.len(),
        };
        // A whole group may fill up: then the last one holds nothing else.
        let area = opened.get(..length)?;
        // What ISO/IEC 7816-4 fills up with begins with 0x80, which is no text behind ASCII, though GB18030 has a character for it.
        if matches!(area, [.., 0..=0x7F, 0x80]) {
            return None;
        }
        (!area.iter().any(|byte| sealed::is_control(*byte)) && sealed::is_area(area)).then_some(length)
    }

    /// Decrypts the whole groups of `area`.
    pub fn open(&self, area: &mut [u8]) {
        let cipher = self.cipher();
        for group in area.chunks_exact_mut(GROUP) {
            if let Ok(block) = <&mut Array<u8, _>>::try_from(group) {
                cipher.decrypt_block(block);
            }
        }
    }
}

/// Appends the frame of the plain `segment` with its area sealed as bytes: the check is that of the plain text, and the length is the
/// same for both (annex A.2).
pub fn frame(out: &mut Vec<u8>, segment: &[u8], key: &Key) -> Result<(), Unsealed> {
    let (from, to) = area_of(segment).ok_or(Unsealed::Area)?;
    let start = out.len();
    super::write::frame(out, |out| out.extend_from_slice(segment));
    let body = start + 6;
    if let Some(area) = out.get_mut(body + from..body + to) {
        key.seal(area);
    }
    Ok(())
}

/// Opens a sealed segment of the standard's form, whose frame carries the check `said`, with the first of `keys` that fits. A wrong key is
/// mostly told by its first group and costs as much.
///
/// # Errors
/// [`Unsealed`]; of several keys that give different errors, the check's.
pub fn open<'k>(segment: &[u8], said: u16, keys: impl IntoIterator<Item = &'k Key>) -> Result<Opened, Unsealed> {
    open_in(SealForm::default(), segment, said, keys)
}

/// The same for a station that is registered with the form `registered`: each part of the form as registered, or else as the standard says.
///
/// # Errors
/// As [`open`].
pub fn open_as<'k>(
    registered: SealForm,
    segment: &[u8],
    said: u16,
    keys: impl IntoIterator<Item = &'k Key> + Clone,
) -> Result<Opened, Unsealed> {
    let mut why = Unsealed::Key;
    for form in registered.read() {
        match open_in(form, segment, said, keys.clone()) {
            Ok(opened) => return Ok(opened),
            Err(Unsealed::Check) => why = Unsealed::Check,
            // What no form can be read from is no ciphertext; a form of several that does not fit says nothing.
            Err(error) if form.is_standard() && why != Unsealed::Check => why = error,
            Err(_) => {}
        }
    }
    Err(why)
}

/// Opens a segment that is sealed in just this form.
fn open_in<'k>(
    form: SealForm,
    segment: &[u8],
    said: u16,
    keys: impl IntoIterator<Item = &'k Key>,
) -> Result<Opened, Unsealed> {
    let (from, to) = area_of(segment).ok_or(Unsealed::Area)?;
    let sealed = ciphertext(form.writing, segment.get(from..to).unwrap_or_default())?;
    let over_received = crc::checksum(segment) == said;
    let mut unsealed = Unsealed::Key;
    let mut opened = Vec::with_capacity(sealed.len());
    for (number, key) in keys.into_iter().enumerate() {
        let Some(length) = key.opens(&sealed, form.padding, &mut opened) else { continue };
        let (before, after) = (segment.get(..from).unwrap_or_default(), segment.get(to..).unwrap_or_default());
        let plain = [before, opened.get(..length).unwrap_or_default(), after].concat();
        let filled_up = || crc::checksum(&[before, &opened, after].concat()) == said;
        let checked = match check_of(&plain, said, over_received) {
            // A damaged last group is no other way of filling up: there the check must be right.
            Some(CheckedOver::Mistaken(_)) if form.padding == Some(Padding::Other) && !filled_up() => None,
            Some(CheckedOver::Mistaken(_)) | None if form.padding.is_some() && filled_up() => {
                Some(CheckedOver::FilledUp)
            }
            checked => checked,
        };
        match checked {
            Some(checked) => return Ok(Opened { segment: plain, key: number, form, checked }),
            None => unsealed = Unsealed::Check,
        }
    }
    Err(unsealed)
}

/// The bytes of an area that is written so.
fn ciphertext(writing: Option<Writing>, area: &[u8]) -> Result<Vec<u8>, Unsealed> {
    match writing {
        Some(writing) => writing.decode(area).ok_or(Unsealed::Key),
        None => Ok(printed(area)?.unwrap_or_else(|| area.to_vec())),
    }
}

/// The form that a segment is sealed in, told by one of `keys` that opens it, registered or not.
#[must_use]
pub fn form_of<'k>(segment: &[u8], said: u16, keys: impl IntoIterator<Item = &'k Key> + Clone) -> Option<SealForm> {
    let writing = writing_of(segment);
    let paddings = [None, Some(Padding::Pkcs7), Some(Padding::Zero), Some(Padding::Other)];
    let mut forms = paddings.into_iter().map(|padding| SealForm { writing, padding });
    forms.find(|form| open_in(*form, segment, said, keys.clone()).is_ok())
}

/// Opens a segment in whatever form, registered or not, with the first of `keys` that fits: one whose check is right before one whose check is a known
/// mistake.
#[must_use]
pub fn open_any<'k>(segment: &[u8], said: u16, keys: impl IntoIterator<Item = &'k Key> + Clone) -> Option<Opened> {
    let writing = writing_of(segment);
    let mut mistaken = None;
    for padding in [None, Some(Padding::Pkcs7), Some(Padding::Zero), Some(Padding::Other)] {
        for key in keys.clone() {
            match open_in(SealForm { writing, padding }, segment, said, [key]) {
                Ok(opened) if matches!(opened.checked, CheckedOver::Mistaken(_)) => {
                    mistaken = mistaken.or(Some(opened))
                }
                Ok(opened) => return Some(opened),
                Err(_) => {}
            }
        }
    }
    mistaken
}

/// How the ciphertext of a segment is written, by its looks.
#[must_use]
pub fn writing_of(segment: &[u8]) -> Option<Writing> {
    match packet::parse(segment).sealed {
        Some(Seal::Written { writing, .. }) => Some(writing),
        _ => None,
    }
}

/// Which of `keys` a segment was sealed with, in whatever form, whole or damaged since: who cannot read it may know its key all the same.
#[must_use]
pub fn key_of<'k>(segment: &[u8], said: u16, keys: impl IntoIterator<Item = &'k Key> + Clone) -> Option<usize> {
    let whole = keys.clone().into_iter().position(|key| form_of(segment, said, [key]).is_some());
    whole.or_else(|| keys.into_iter().position(|key| is_damaged(segment, said, [key])))
}

/// What the check `said` is over, if it is right in any way.
fn check_of(plain: &[u8], said: u16, over_received: bool) -> Option<CheckedOver> {
    if crc::checksum(plain) == said {
        return Some(CheckedOver::Plain);
    }
    if over_received {
        return Some(CheckedOver::Sealed);
    }
    crc::mistake(plain, said).map(CheckedOver::Mistaken)
}

/// Whether a frame looks sealed; nothing in its header says so. Its check can be right all the same: by chance, or because it was
/// taken over the sealed bytes.
#[must_use]
pub fn looks_sealed(frame: &scan::Frame<'_>) -> bool {
    packet::parse(frame.segment).sealed.is_some()
}

/// Where the area stands in a segment: after the first `CP=&&`, before the `&&` at the end.
fn area_of(segment: &[u8]) -> Option<(usize, usize)> {
    let area = packet::parse(segment).area;
    let from = area.as_ptr().addr().checked_sub(segment.as_ptr().addr())?;
    let to = from.checked_add(area.len())?;
    (to <= segment.len() && from > 0).then_some((from, to))
}

/// The bytes of `{0xE4,0x3E,…}` and the plain ones after it; `None` if the area is not printed so.
fn printed(area: &[u8]) -> Result<Option<Vec<u8>>, Unsealed> {
    let Some(inside) = area.strip_prefix(b"{") else { return Ok(None) };
    let Some(close) = memchr::memchr(b'}', inside) else { return Ok(None) };
    let mut bytes = Vec::with_capacity(inside.len() / 5 + GROUP);
    for byte in inside.get(..close).unwrap_or_default().split(|byte| *byte == b',') {
        let [b'0', b'x' | b'X', digits @ ..] = byte.trim_ascii() else { return Ok(None) };
        let Some(byte) = hex_byte(digits) else { return Ok(None) };
        bytes.push(byte);
    }
    let remainder = inside.get(close + 1..).unwrap_or_default();
    if bytes.len() % GROUP != 0 || remainder.len() >= GROUP {
        return Err(Unsealed::Groups);
    }
    bytes.extend_from_slice(remainder);
    Ok(Some(bytes))
}

mod damaged;
#[cfg(any(test, feature = "fixtures"))]
#[doc(hidden)]
pub mod form_tests;
#[cfg(test)]
mod tests;
