//! The header of a data segment: an unordered set of `name=value;` before `CP=`.
//!
//! HJ 212-2017, 6.3.2, table 3 gives the order `QN;ST;CN;PW;MN;Flag;[PNUM;PNO;]CP`; HJ/T 212-2005 leaves QN, Flag, PNUM and PNO
//! out or puts them elsewhere, and the field does the rest. Nothing here fails for a missing field: what is missing is `None`,
//! and named as a deviation. Who may do without which field is decided by the session.

use super::{Deviation, Deviations, Edition};

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
    /// PNUM and PNO, if both are there and are numbers.
    pub part: Option<Part>,
    /// RF=1: a record uploaded again by the station itself (HJ 212-2025, table 3).
    pub rf: bool,
    /// The data area: the bytes between `CP=&&` and the closing `&&`.
    pub area: &'a [u8],
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

/// Reads the header of a complete data segment. Never fails; see [`Header`] for what a missing field looks like.
#[must_use]
pub fn parse(segment: &[u8]) -> Header<'_> {
    let mut header = Header::default();
    let (head, area) = match memchr::memmem::find(segment, b"CP=") {
        Some(at) => (&segment[..at], &segment[at + 3..]),
        None => (segment, &segment[..0]),
    };
    let area = area.strip_prefix(b"&&").unwrap_or(area);
    header.area = match area.strip_suffix(b"&&") {
        Some(inner) => inner,
        None => {
            header.deviations.insert(Deviation::ClosingMissing);
            area
        }
    };
    let (mut count, mut number) = (None, None);
    for field in head.split(|b| *b == b';').filter(|f| !f.is_empty()) {
        let Some(at) = memchr::memchr(b'=', field) else { continue };
        let (name, value) = (&field[..at], &field[at + 1..]);
        match name {
            b"QN" => header.qn = Some(value),
            b"ST" => header.st = Some(value),
            b"CN" => header.cn = number_of(value),
            b"PW" => header.pw = Some(value),
            b"MN" => header.mn = Some(value),
            b"Flag" => header.flag = number_of(value).and_then(|n| u8::try_from(n).ok()).map(PacketFlags),
            b"PNUM" => count = number_of(value),
            b"PNO" => number = number_of(value),
            b"RF" => header.rf = value == b"1",
            _ => header.deviations.insert(Deviation::HeaderUnknown),
        }
    }
    if let (Some(count), Some(number)) = (count, number) {
        header.part = Some(Part { count, number });
    }
    header
}

fn number_of(digits: &[u8]) -> Option<u16> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}
