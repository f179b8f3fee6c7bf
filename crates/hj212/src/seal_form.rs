//! Forms of an encrypted data area that HJ 212-2025 (6.4, annex A.2) does not know and that loggers send: ciphertext written in base64
//! or hexadecimal, areas filled up to whole groups of 16 bytes before they are encrypted.
//!
//! What must stay true: a form is told by its name whether it can be read or not, and it is read only where the station's registration
//! says so; a form is never guessed into readings. A text without a field's name that decodes to a group or more *may* be ciphertext:
//! whether it is taken for that is for Flag, the registration or a key to say.

use std::fmt;
use std::str::FromStr;

use super::Deviation;

/// The length of a group and of a key in bytes.
pub const GROUP: usize = 16;

/// How ciphertext is written, where it is neither bytes nor `{0xE4,0x3E,…}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writing {
    /// Base64 (RFC 4648), the alphabet of URLs too, with or without `=` at the end, white space in it read over.
    Base64,
    /// Hexadecimal digits in either case; `0x`, blanks, commas and line ends between them read over.
    Hex,
}

/// With what an area is filled up to whole groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Padding {
    /// 1 to 16 bytes that say how many they are (RFC 5652, 6.3).
    Pkcs7,
    /// Up to 16 bytes of zero.
    Zero,
    /// Anything else that is no text. It is told, and cannot be registered.
    Other,
}

/// The form that a station encrypts in. The default is the standard's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(try_from = "String", into = "String"))]
pub struct SealForm {
    /// How ciphertext is written; `None`: as bytes or as `{0xE4,0x3E,…}`.
    pub writing: Option<Writing>,
    /// What fills the area up; `None`: nothing, the remainder stays plain.
    pub padding: Option<Padding>,
}

impl Writing {
    /// Its name among the deviations.
    #[must_use]
    pub const fn deviation(self) -> Deviation {
        match self {
            Self::Base64 => Deviation::SealedBase64,
            Self::Hex => Deviation::SealedHex,
        }
    }

    /// The ciphertext of an area that is written so, and what stands plain after its whole groups; `None`: it is not written so.
    pub(super) fn decode(self, area: &[u8]) -> Option<Vec<u8>> {
        let all = self.digits(area).filter(|bytes| bytes.len() >= GROUP);
        // The remainder, up to 15 bytes, may stand in plain after the groups, as behind the braces.
        all.or_else(|| {
            (1..GROUP).find_map(|left| {
                let (groups, remainder) = area.split_at_checked(area.len().checked_sub(left)?)?;
                let mut bytes = self.digits(groups).filter(|bytes| !bytes.is_empty() && bytes.len() % GROUP == 0)?;
                bytes.extend_from_slice(remainder);
                Some(bytes)
            })
        })
    }

    fn digits(self, text: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::Base64 => base64(text),
            Self::Hex => hex(text),
        }
    }
}

impl Padding {
    /// Its name among the deviations.
    #[must_use]
    pub const fn deviation(self) -> Deviation {
        match self {
            Self::Pkcs7 => Deviation::SealedPaddingPkcs7,
            Self::Zero => Deviation::SealedPaddingZero,
            Self::Other => Deviation::SealedPaddingOther,
        }
    }

    /// The number of bytes that fill up `area`, whole groups that were decrypted; `None`: it is not filled up so.
    pub(super) fn of(self, area: &[u8]) -> Option<usize> {
        if area.is_empty() || !area.len().is_multiple_of(GROUP) {
            return None;
        }
        let count = match self {
            Self::Pkcs7 => area.last().map(|last| usize::from(*last)).filter(|count| {
                (1..=GROUP).contains(count) && area.iter().rev().take(*count).all(|byte| usize::from(*byte) == *count)
            })?,
            Self::Zero => area.iter().rev().take_while(|byte| **byte == 0).count(),
            Self::Other => {
                let last = area.get(area.len() - GROUP..)?;
                GROUP - last.iter().position(|byte| !byte.is_ascii_graphic() && *byte < 0x81 && *byte != b' ')?
            }
        };
        (1..=GROUP).contains(&count).then_some(count)
    }
}

impl SealForm {
    /// The form that an area is written in, by its looks: text without a field that holds a group or more.
    pub(super) fn written(area: &[u8]) -> Option<Writing> {
        // All bytes but the last few, which may be a plain remainder, are of the alphabets.
        let alphabet = |byte: &u8| {
            byte.is_ascii_alphanumeric()
                || matches!(byte, b'+' | b'/' | b'-' | b'_' | b'=' | b' ' | b',' | b'\r' | b'\n' | b'\t')
        };
        let sure = area.get(..area.len().saturating_sub(GROUP)).unwrap_or_default();
        if area.len() < 22 || !sure.iter().all(alphabet) {
            return None;
        }
        [Writing::Hex, Writing::Base64].into_iter().find(|writing| writing.decode(area).is_some())
    }

    /// Whether nothing is other than the standard says.
    #[must_use]
    pub fn is_standard(&self) -> bool {
        *self == SealForm::default()
    }

    /// The forms in which a frame of a station registered with this one is read: each part of it as registered or as the standard says.
    pub(super) fn read(self) -> impl Iterator<Item = SealForm> {
        let SealForm { writing, padding } = self;
        let all = [(writing, padding), (writing, None), (None, padding), (None, None)];
        let mut seen: Vec<SealForm> = Vec::with_capacity(all.len());
        for (writing, padding) in all {
            let form = SealForm { writing, padding };
            if !seen.contains(&form) {
                seen.push(form);
            }
        }
        seen.into_iter()
    }
}

impl fmt::Display for SealForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let writing = self.writing.map(|writing| match writing {
            Writing::Base64 => "base64",
            Writing::Hex => "hex",
        });
        let padding = self.padding.map(|padding| match padding {
            Padding::Pkcs7 => "pkcs7",
            Padding::Zero => "zero",
            Padding::Other => "other",
        });
        let said: Vec<&str> = writing.into_iter().chain(padding).collect();
        f.write_str(if said.is_empty() { "standard" } else { "" })?;
        f.write_str(&said.join("+"))
    }
}

/// What is no form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a form is base64 or hex, pkcs7 or zero, or one of each with '+' between")]
pub struct NoForm;

impl FromStr for SealForm {
    type Err = NoForm;

    fn from_str(text: &str) -> Result<SealForm, NoForm> {
        let mut form = SealForm::default();
        if text == "standard" {
            return Ok(form);
        }
        for part in text.split('+') {
            let (writing, padding) = match part.trim() {
                "base64" => (Some(Writing::Base64), None),
                "hex" => (Some(Writing::Hex), None),
                "pkcs7" => (None, Some(Padding::Pkcs7)),
                "zero" => (None, Some(Padding::Zero)),
                _ => return Err(NoForm),
            };
            if writing.is_some() && form.writing.is_some() || padding.is_some() && form.padding.is_some() {
                return Err(NoForm);
            }
            form = SealForm { writing: form.writing.or(writing), padding: form.padding.or(padding) };
        }
        Ok(form)
    }
}

impl TryFrom<String> for SealForm {
    type Error = NoForm;

    fn try_from(text: String) -> Result<SealForm, NoForm> {
        text.parse()
    }
}

impl From<SealForm> for String {
    fn from(form: SealForm) -> String {
        form.to_string()
    }
}

/// The bytes of base64 text. Bits left over must be zero, so that one text stands for one row of bytes.
fn base64(text: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3 + 3);
    let (mut bits, mut held, mut digits, mut closing) = (0u32, 0u32, 0usize, 0usize);
    for byte in text {
        let digit = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            b'\r' | b'\n' | b'\t' | b' ' => continue,
            b'=' => {
                closing += 1;
                continue;
            }
            _ => return None,
        };
        if closing > 0 {
            return None;
        }
        digits += 1;
        (bits, held) = (bits << 6 | u32::from(digit), held + 6);
        if held >= 8 {
            held -= 8;
            bytes.push(u8::try_from(bits >> held & 0xFF).ok()?);
            bits &= (1 << held) - 1;
        }
    }
    let whole = bits == 0 && digits % 4 != 1 && (closing == 0 || digits % 4 + closing == 4 && digits % 4 != 0);
    whole.then_some(bytes)
}

/// The bytes of hexadecimal text.
fn hex(text: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 2);
    for piece in text.split(|byte| matches!(byte, b' ' | b',' | b'\r' | b'\n' | b'\t')) {
        let digits = piece.strip_prefix(b"0x").or_else(|| piece.strip_prefix(b"0X")).unwrap_or(piece);
        let pairs = digits.chunks_exact(2);
        if !pairs.remainder().is_empty() {
            return None;
        }
        for pair in pairs {
            bytes.push(hex_byte(pair)?);
        }
    }
    Some(bytes)
}

pub(super) fn hex_byte(digits: &[u8]) -> Option<u8> {
    let [high, low] = digits else { return None };
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_read_as_rfc_4648_says() {
        for (text, bytes) in [
            ("", ""),
            ("Zg==", "f"),
            ("Zm8=", "fo"),
            ("Zm9v", "foo"),
            ("Zm9vYg==", "foob"),
            ("Zm9vYmE", "fooba"),
            ("Zm9v\r\nYmFy", "foobar"),
        ] {
            assert_eq!(base64(text.as_bytes()).as_deref(), Some(bytes.as_bytes()), "{text}");
        }
        assert_eq!(base64(b"-_-_"), base64(b"+/+/"));
        for wrong in ["Z", "Zh==", "Zg=", "Zg===", "Zg==Zg==", "Zm9v=", "Zm9v;"] {
            assert_eq!(base64(wrong.as_bytes()), None, "{wrong}");
        }
        assert_eq!(hex(b"0xE4,0x3e e4 3E\r\nE43E"), Some(b"\xE4\x3E\xE4\x3E\xE4\x3E".to_vec()));
        assert_eq!(hex(b"E4 3"), None);
    }

    #[test]
    fn forms_have_one_name_and_other_names_are_none() {
        for name in ["standard", "base64", "hex", "pkcs7", "zero", "base64+pkcs7", "hex+zero"] {
            assert_eq!(name.parse::<SealForm>().map(|form| form.to_string()), Ok(name.to_owned()));
        }
        assert_eq!("zero+hex".parse::<SealForm>(), "hex+zero".parse());
        for wrong in ["", "other", "base64+hex", "pkcs7+zero", "pkcs7+pkcs7", "Base64", "pkcs7+"] {
            assert_eq!(wrong.parse::<SealForm>(), Err(NoForm), "{wrong}");
        }
    }
}
