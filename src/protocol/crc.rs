//! The check of HJ 212 (HJ 212-2017, annex A; the same in 2005 and 2025), and the mistakes that are made of it.
//!
//! ```text
//! reg = 0xFFFF
//! for each byte b:  reg = (reg >> 8) XOR b, then 8 times: shift right, XOR 0xA001 if a one fell out
//! ```
//!
//! The step drops the low byte of the register, so it is *not* CRC-16/MODBUS although it shares its polynomial.

/// The check over `segment`, from the first byte of the header to the closing `&&`.
#[must_use]
pub fn checksum(segment: &[u8]) -> u16 {
    let mut reg: u16 = 0xFFFF;
    for byte in segment {
        reg = (reg >> 8) ^ u16::from(*byte);
        for _ in 0..8 {
            let fell_out = reg & 1;
            reg >>= 1;
            if fell_out == 1 {
                reg ^= 0xA001;
            }
        }
    }
    reg
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_standards_own_vectors() {
        let annex_a =
            b"QN=20160801085857223;ST=32;CN=1062;PW=100000;MN=010000A8900016F000169DC0;Flag=5;CP=&&RtdInterval=30&&";
        assert_eq!(checksum(annex_a), 0x1C80);
        assert_eq!(checksum(b"123456789"), 0x2F80);
        assert_eq!(checksum(b""), 0xFFFF);
        assert_eq!(checksum(&[0]), 0x4040);
    }
}
