//! Packets to bytes: exact, as the standard prints them.
//!
//! Field order is always `QN;ST;CN;PW;MN;Flag;[PNUM;PNO;][RF;]CP` (HJ 212-2017, figure 4), length and CRC in four upper-case
//! digits, CR LF at the end.

use super::crc;

/// Appends a whole frame around the segment that `segment` writes.
pub fn frame(out: &mut Vec<u8>, segment: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(b"##0000");
    segment(out);
    let length = out.len() - start - 6;
    let digits = format!("{length:04}");
    out[start + 2..start + 6].copy_from_slice(&digits.as_bytes()[digits.len() - 4..]);
    let check = crc::checksum(&out[start + 6..]);
    out.extend_from_slice(format!("{check:04X}\r\n").as_bytes());
}
