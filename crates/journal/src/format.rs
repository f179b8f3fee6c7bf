//! The bytes of segments and records (laid out at the head of the module), written and checked.
//!
//! What must stay true: these functions and the layout in [`super`] say the same; a change of layout is a new format version,
//! and old versions stay readable.

use sha2::{Digest, Sha256};

use super::{Entry, Hash};
use hj212_model::message::Timestamp;

/// The first bytes of every segment.
pub(super) const MAGIC: [u8; 8] = *b"HJGWSEG\n";
/// The version of the layout that this code writes.
pub(super) const VERSION: u32 = 1;
/// Length of a segment's header, in bytes.
pub(super) const SEGMENT_HEADER: usize = 128;
/// Length of a record's header, in bytes.
pub(super) const RECORD_HEADER: usize = 64;
/// The longest body of a record, enforced when writing and when reading.
pub const BODY_MAX: usize = 2 * 1024 * 1024;
/// Records start at multiples of this.
pub(super) const ALIGN: usize = 8;
// Records begin on aligned places, and so does what follows the headers.
const _: () =
    assert!(SEGMENT_HEADER.is_multiple_of(ALIGN) && RECORD_HEADER.is_multiple_of(ALIGN) && ALIGN.is_power_of_two());

static CRC: crc::Crc<u32, crc::Table<16>> = crc::Crc::<u32, crc::Table<16>>::new(&crc::CRC_32_ISCSI);

/// CRC-32C.
pub fn crc32c(parts: &[&[u8]]) -> u32 {
    let mut digest = CRC.digest();
    for part in parts {
        digest.update(part);
    }
    digest.finalize()
}

/// CRC-32C of what comes in pieces.
pub(super) struct Crc(crc::Digest<'static, u32, crc::Table<16>>);

impl Crc {
    pub(super) fn new() -> Crc {
        Crc(CRC.digest())
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    pub(super) fn end(self) -> u32 {
        self.0.finalize()
    }
}

/// The random number that a journal gets when it is made.
pub(super) type JournalId = [u8; 16];

/// The header of a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SegmentHeader {
    pub(super) id: JournalId,
    pub(super) first: u64,
    pub(super) previous: Hash,
    pub(super) created: Timestamp,
}

impl SegmentHeader {
    pub(super) fn encode(&self) -> [u8; SEGMENT_HEADER] {
        let mut out = Vec::with_capacity(SEGMENT_HEADER);
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&(SEGMENT_HEADER as u32).to_le_bytes());
        out.extend_from_slice(&self.id);
        out.extend_from_slice(&self.first.to_le_bytes());
        out.extend_from_slice(&self.previous);
        out.extend_from_slice(&self.created.0.to_le_bytes());
        out.resize(SEGMENT_HEADER - 4, 0);
        out.extend_from_slice(&crc32c(&[&out]).to_le_bytes());
        let mut header = [0; SEGMENT_HEADER];
        header.copy_from_slice(&out);
        header
    }

    /// `None` if a byte of it changed or it is no header of this version.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let (covered, crc) = bytes.get(..SEGMENT_HEADER)?.split_at_checked(SEGMENT_HEADER - 4)?;
        if u32_at(crc, 0)? != crc32c(&[covered]) || covered.get(..8)? != MAGIC || u32_at(covered, 8)? != VERSION {
            return None;
        }
        Some(SegmentHeader {
            id: covered.get(16..32)?.try_into().ok()?,
            first: u64_at(covered, 32)?,
            previous: covered.get(40..72)?.try_into().ok()?,
            created: Timestamp(u64_at(covered, 72)?.cast_signed()),
        })
    }
}

/// The hash that the first record of a journal continues.
pub(super) fn root(id: &JournalId) -> Hash {
    Sha256::digest(id).into()
}

/// The hash of a record that follows one with hash `previous`.
pub(super) fn chain(previous: &Hash, offset: u64, time: Timestamp, kind: u8, body: &[u8]) -> Hash {
    let mut hash = Sha256::new();
    hash.update(previous);
    hash.update(offset.to_le_bytes());
    hash.update(time.0.to_le_bytes());
    hash.update([kind]);
    hash.update(body);
    hash.finalize().into()
}

/// Bytes that a record with a body of `length` bytes takes.
pub(super) const fn record_size(length: usize) -> usize {
    (RECORD_HEADER + length).next_multiple_of(ALIGN)
}

/// Appends a record and returns its hash. The body must not be longer than [`BODY_MAX`].
pub(super) fn put_record(out: &mut Vec<u8>, id: &JournalId, offset: u64, entry: &Entry, previous: &Hash) -> Hash {
    let start = out.len();
    let length = (entry.body.len() as u32).to_le_bytes();
    let hash = chain(previous, offset, entry.time, entry.kind, &entry.body);
    out.extend_from_slice(&length);
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&offset.to_le_bytes());
    out.extend_from_slice(&entry.time.0.to_le_bytes());
    out.extend_from_slice(&[entry.kind, 0, 0, 0, 0, 0, 0, 0]);
    out.extend_from_slice(&hash);
    out.extend_from_slice(&entry.body);
    let covered = out.get(start + 8..).unwrap_or_default();
    let crc = crc32c(&[id, &length, covered]).to_le_bytes();
    if let Some(place) = out.get_mut(start + 4..start + 8) {
        place.copy_from_slice(&crc);
    }
    out.resize(start + record_size(entry.body.len()), 0);
    hash
}

/// A record's header, read but not yet believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RecordHeader {
    pub(super) length: usize,
    pub(super) offset: u64,
    pub(super) time: Timestamp,
    pub(super) kind: u8,
    pub(super) hash: Hash,
}

impl RecordHeader {
    /// `None` if there are too few bytes or the length is beyond what is ever written.
    pub(super) fn peek(bytes: &[u8]) -> Option<Self> {
        let header = bytes.get(..RECORD_HEADER)?;
        let length = u32_at(header, 0)? as usize;
        if length > BODY_MAX {
            return None;
        }
        Some(RecordHeader {
            length,
            offset: u64_at(header, 8)?,
            time: Timestamp(u64_at(header, 16)?.cast_signed()),
            kind: *header.get(24)?,
            hash: header.get(32..64)?.try_into().ok()?,
        })
    }
}

/// Whether `bytes`, a record's header and body without its padding, are as they were written.
pub(super) fn is_intact(id: &JournalId, bytes: &[u8]) -> bool {
    let (Some(length), Some(crc), Some(covered)) = (bytes.get(..4), u32_at(bytes, 4), bytes.get(8..)) else {
        return false;
    };
    crc == crc32c(&[id, length, covered])
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

/// The name of the segment whose first record is `first`.
#[must_use]
pub fn segment_name(first: u64) -> String {
    format!("{first:020}.seg")
}

/// Offsets end here: nothing is ever so long, and what has such a name is a stray file, not a segment.
const FIRST_MAX: u64 = 1 << 62;

/// The first record's offset of the segment with this name; `None` if it is no segment's name.
pub(super) fn segment_first(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".seg")?;
    if digits.len() != 20 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok().filter(|first| (1..FIRST_MAX).contains(first))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crc_is_castagnoli() {
        assert_eq!(crc32c(&[b"123456789"]), 0xE306_9283);
        assert_eq!(crc32c(&[b"1234", b"56789"]), 0xE306_9283);
    }

    #[test]
    fn a_record_is_laid_out_as_written_at_the_head_of_the_room() {
        let mut out = Vec::new();
        let entry = Entry { time: Timestamp(0x0102), kind: 7, body: b"abc".to_vec() };
        let hash = put_record(&mut out, &[9; 16], 0x0A0B, &entry, &[1; 32]);
        assert_eq!(out.len(), 72);
        assert_eq!(out[..4], [3, 0, 0, 0]);
        assert_eq!(out[8..32], [0x0B, 0x0A, 0, 0, 0, 0, 0, 0, 2, 1, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(out[32..64], hash);
        assert_eq!(out[64..], *b"abc\0\0\0\0\0");
        let covered: Vec<u8> = [&[9; 16][..], &out[..4], &out[8..67]].concat();
        assert_eq!(out[4..8], CRC.checksum(&covered).to_le_bytes());
        let hashed: Vec<u8> = [&[1; 32][..], &out[8..24], &[7], b"abc"].concat();
        assert_eq!(hash, <[u8; 32]>::from(Sha256::digest(hashed)));
        assert!(is_intact(&[9; 16], &out[..67]));
        for bit in 0..67 * 8 {
            let mut changed = out[..67].to_vec();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(!is_intact(&[9; 16], &changed), "bit {bit}");
        }
    }

    #[test]
    fn a_header_comes_back_and_any_changed_bit_is_noticed() {
        let header = SegmentHeader { id: [3; 16], first: 77, previous: [5; 32], created: Timestamp(-1) };
        let bytes = header.encode();
        assert_eq!(SegmentHeader::decode(&bytes), Some(header));
        for bit in 0..bytes.len() * 8 {
            let mut changed = bytes;
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(SegmentHeader::decode(&changed), None, "bit {bit}");
        }
    }

    #[test]
    fn names_of_segments_sort_as_their_offsets() {
        assert_eq!(segment_name(17), "00000000000000000017.seg");
        assert_eq!(segment_first("00000000000000000017.seg"), Some(17));
        for wrong in [
            "17.seg",
            "00000000000000000000.seg",
            "0000000000000000001x.seg",
            "00000000000000000017",
            "99999999999999999999.seg",
            "18446744073709551610.seg",
            "04611686018427387904.seg",
        ] {
            assert_eq!(segment_first(wrong), None, "{wrong}");
        }
    }
}
