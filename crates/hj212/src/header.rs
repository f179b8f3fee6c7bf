//! What a header says: its fields as they stand in the segment, the bits of Flag, the numbers of parts, how the area is encrypted.
//!
//! Types alone: `packet` reads them, `sealed` finds out about encryption, `write` writes them.

use super::seal_form::{GROUP, Writing};
use super::{Deviations, Edition};

/// The fields before CP, borrowed from the segment, and the bytes of the data area.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Header<'a> {
    /// QN, the request code; normally 17 digits, a time to the millisecond. `None` if missing; may be empty.
    pub qn: Option<&'a [u8]>,
    /// ST, the system code; normally two characters.
    pub st: Option<&'a [u8]>,
    /// CN, the command code. `None` if missing or no number of up to four digits.
    pub cn: Option<u16>,
    /// PW, the access password. Never logged, never published.
    pub pw: Option<&'a [u8]>,
    /// MN, the identity of the station. `None` if missing; may be empty.
    pub mn: Option<&'a [u8]>,
    /// Flag: version, split and answer bits.
    pub flag: Option<PacketFlags>,
    /// PNUM and PNO, if both are there and are numbers. Whether they make sense is for who merges the parts to check.
    pub part: Option<Part>,
    /// RF=1: a record uploaded again by the station itself (HJ 212-2025, 8.1.2, 8.2.2, table 3).
    pub rf: bool,
    /// The QN inside CP, if the header has none: so HJ/T 212-2005 writes answers.
    pub area_qn: Option<&'a [u8]>,
    /// The data area: the bytes between `CP=&&` and the closing `&&`.
    pub area: &'a [u8],
    /// Whether the area is encrypted (HJ 212-2025, 6.4), and how it is written. No field says so: it is told by the command and by what
    /// the bytes look like.
    pub sealed: Option<Seal>,
    /// What was read over in the header and around the area.
    pub deviations: Deviations,
}

/// The header's Flag (HJ 212-2017, 6.3.2, table 3): bit 0 answer wanted, bit 1 packet numbers present, bits 2 to 7 version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PacketFlags(pub u8);

impl PacketFlags {
    /// Whether the sender wants an answer (bit 0).
    #[must_use]
    pub const fn wants_answer(self) -> bool {
        self.0 & 1 != 0
    }

    /// Whether the sender says that packet numbers are present (bit 1).
    #[must_use]
    pub const fn is_split(self) -> bool {
        self.0 & 2 != 0
    }

    /// Whether the version bits are those of HJ 212-2025, the only edition that is known to know encryption (6.4): 8 to 11.
    #[must_use]
    pub const fn may_encrypt(self) -> bool {
        matches!(self.edition(), Some(Edition::V2025))
    }

    /// The edition named by the version bits, if it is a known one.
    #[must_use]
    pub const fn edition(self) -> Option<Edition> {
        match self.0 >> 2 {
            0 => Some(Edition::V2005),
            1 => Some(Edition::V2017),
            2 => Some(Edition::V2025),
            _ => None,
        }
    }
}

/// One part of a split record (HJ 212-2017, tables C.49 and C.50).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Part {
    /// PNUM: how many parts there are.
    pub count: u16,
    /// PNO: which one this is, from 1.
    pub number: u16,
}

/// What is encrypted about a data area.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seal {
    /// The area holds ciphertext as bytes.
    Bytes,
    /// The area holds ciphertext printed as `{0xE4,0x3E,…}`.
    Text {
        /// The length of the segment with the ciphertext as bytes, which is that of the plain one.
        plain: usize,
    },
    /// The area is printed so, but holds no whole groups: something of it is missing.
    Torn,
    /// The area is text that may be ciphertext in base64 or hexadecimal.
    Written {
        /// In which.
        writing: Writing,
        /// The length of the segment with the ciphertext as bytes.
        plain: usize,
    },
}

impl Seal {
    /// Whether the looks of the area are enough to take it for encrypted. Else Flag, the registration or a key must say so too.
    #[must_use]
    pub const fn is_told_by_looks(self) -> bool {
        !matches!(self, Self::Written { .. })
    }

    /// Whether a frame whose head declares `length` has the length that it had before its area was encrypted and written so: filling up
    /// made it longer by up to a group.
    pub(super) fn had_length(self, length: usize) -> bool {
        match self {
            Self::Text { plain } | Self::Written { plain, .. } => (length..=length + GROUP).contains(&plain),
            Self::Bytes | Self::Torn => false,
        }
    }
}
