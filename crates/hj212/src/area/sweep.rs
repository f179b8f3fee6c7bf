//! The places of `=`, `;` and `,` in a data area, in order.
//!
//! These three stand every eight bytes, too close for a search that starts anew at each. So:
//!
//! 1. a block of 64 bytes is compared at once (plain loops that compile to vector instructions everywhere);
//! 2. the outcome is packed into one bit a byte, 64 bits a block;
//! 3. the bits are written out as places, twelve at a time whether there are as many or not: what is too much is written over by the
//!    next block. A loop that stopped at the last bit would be guessed wrong by the processor at nearly every block.
//!
//! The places end with the length of the area, so that the last field ends like all others. What must stay true: the places are
//! exactly those that a walk over the bytes would give (a test compares them).

/// The places of one area; reusable.
#[derive(Debug, Default, Clone)]
pub(super) struct Places {
    /// Never shrinks; only the first `count` are of this area.
    room: Vec<u16>,
    count: usize,
}

impl Places {
    /// Sweeps over `area`, which is at most 65,535 bytes long.
    pub(super) fn fill(&mut self, area: &[u8]) {
        self.count = 0;
        let room = area.len() + 1 + 72;
        if self.room.len() < room {
            self.room.resize(room, 0);
        }
        let (blocks, tail) = area.as_chunks::<64>();
        let mut base = 0;
        for block in blocks {
            self.write(base, places_in(block));
            base += 64;
        }
        self.write(base, places_in_tail(area, tail));
        self.write(area.len(), 1);
    }

    /// The places of the area that was swept last, and its length.
    pub(super) fn all(&self) -> &[u16] {
        self.room.get(..self.count).unwrap_or_default()
    }

    #[inline(always)]
    fn write(&mut self, base: usize, mut bits: u64) {
        let Some(room) = self.room.get_mut(self.count..).and_then(<[u16]>::first_chunk_mut::<72>) else { return };
        let count = bits.count_ones() as usize;
        self.count += count;
        let (twelves, _) = room.as_chunks_mut::<12>();
        for twelve in twelves {
            for place in twelve {
                // All places are below 65,536: the area is no longer.
                *place = (base as u16).wrapping_add(bits.trailing_zeros() as u16);
                bits &= bits.wrapping_sub(1);
            }
            if bits == 0 {
                break;
            }
        }
    }
}

/// Bit `n` says whether byte `n` of the last, unfinished block is structural.
#[inline]
fn places_in_tail(area: &[u8], tail: &[u8]) -> u64 {
    match area.last_chunk::<64>() {
        // Looked at together with what stands before it, and that left away.
        Some(last) if !tail.is_empty() => places_in(last) >> (64 - tail.len()),
        Some(_) => 0,
        None => {
            let mut last = [0; 64];
            last.iter_mut().zip(tail).for_each(|(to, from)| *to = *from);
            places_in(&last)
        }
    }
}

/// Bit `n` says whether byte `n` is structural.
#[inline]
fn places_in(block: &[u8; 64]) -> u64 {
    let mut structural = [0u8; 64];
    for (flag, byte) in structural.iter_mut().zip(block) {
        *flag = u8::from((*byte == b'=') | (*byte == b';') | (*byte == b','));
    }
    let (rows, _) = structural.as_chunks::<8>();
    // Eight rows of eight flags: row r goes to bit r of eight bytes, so rows and columns have to change places.
    transposed(rows.iter().rev().fold(0, |bits, row| bits << 1 | u64::from_le_bytes(*row)))
}

/// Bit `c` of byte `r` becomes bit `r` of byte `c`: halves, quarters and eighths off the diagonal are swapped in turn.
#[inline]
fn transposed(bits: u64) -> u64 {
    let swap = |bits: u64, distance: u32, upper: u64| {
        let change = (bits ^ bits >> distance) & upper;
        bits ^ change ^ change << distance
    };
    let bits = swap(bits, 7, 0x00AA_00AA_00AA_00AA);
    let bits = swap(bits, 14, 0x0000_CCCC_0000_CCCC);
    swap(bits, 28, 0x0000_0000_F0F0_F0F0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The same by a walk over the bytes.
    fn walked(area: &[u8]) -> Vec<u16> {
        let places = area.iter().enumerate().filter(|(_, byte)| b"=;,".contains(byte)).map(|(at, _)| at);
        places.chain([area.len()]).map(|at| u16::try_from(at).unwrap()).collect()
    }

    #[test]
    fn every_byte_is_told_at_every_place_of_a_block() {
        let mut places = Places::default();
        for byte in 0..=255u8 {
            for at in 0..130 {
                let mut area = [b'x'; 130];
                area[at] = byte;
                places.fill(&area);
                assert_eq!(places.all(), walked(&area), "{byte} at {at}");
            }
        }
    }

    #[test]
    fn the_longest_area_of_nothing_but_separators_is_swept_whole() {
        let area = vec![b';'; usize::from(u16::MAX)];
        let mut places = Places::default();
        places.fill(&area);
        assert_eq!(places.all(), walked(&area));
    }

    proptest! {
        #[test]
        fn the_places_are_those_of_a_walk_over_the_bytes(
            areas in proptest::collection::vec(proptest::collection::vec(
                prop_oneof![proptest::sample::select(&b"=;,"[..]), any::<u8>()], 0..300), 1..4),
        ) {
            let mut places = Places::default();
            for area in areas {
                places.fill(&area);
                prop_assert_eq!(places.all(), walked(&area));
            }
        }
    }
}
