//! The places of `=`, `;`, `,` and `-` in a data area, in order.
//!
//! These four stand every four to five bytes, too close for a search that starts anew at each. So a block of 64 bytes is compared at
//! once (plain loops that compile to vector instructions everywhere), the outcome is folded into one bit a byte, and the bits are
//! walked. What must stay true: the places are exactly those that a walk over the bytes would give.

/// Walks over the structural bytes of an area.
pub(super) struct Sweep<'a> {
    blocks: std::slice::Iter<'a, [u8; 64]>,
    tail: Option<&'a [u8]>,
    /// Where the block at hand begins.
    base: usize,
    /// The places in it that are left, a bit each.
    places: u64,
}

impl<'a> Sweep<'a> {
    pub(super) fn new(area: &'a [u8]) -> Sweep<'a> {
        let (blocks, tail) = area.as_chunks::<64>();
        // The first step forward leads to 0.
        Sweep { blocks: blocks.iter(), tail: Some(tail), base: 0usize.wrapping_sub(64), places: 0 }
    }

    fn next_block(&mut self) -> Option<u64> {
        self.base = self.base.wrapping_add(64);
        if let Some(block) = self.blocks.next() {
            return Some(places_in(block));
        }
        let tail = self.tail.take()?;
        let mut block = [0; 64];
        block.get_mut(..tail.len())?.copy_from_slice(tail);
        Some(places_in(&block))
    }
}

impl Iterator for Sweep<'_> {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        while self.places == 0 {
            self.places = self.next_block()?;
        }
        let place = self.places.trailing_zeros() as usize;
        self.places &= self.places - 1;
        Some(self.base + place)
    }
}

/// Bit `n` says whether byte `n` is structural.
#[inline]
fn places_in(block: &[u8; 64]) -> u64 {
    let mut structural = [0u8; 64];
    for (flag, byte) in structural.iter_mut().zip(block) {
        *flag = u8::from((*byte == b'=') | (*byte == b';') | (*byte == b',') | (*byte == b'-'));
    }
    let (eights, _) = structural.as_chunks::<8>();
    // Multiplied so, the ones in eight bytes land side by side in the topmost byte, the first one lowest.
    let fold = |eight: &[u8; 8]| u64::from_le_bytes(*eight).wrapping_mul(0x0102_0408_1020_4080) >> 56;
    eights.iter().rev().fold(0, |places, eight| places << 8 | fold(eight))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_places_are_those_of_a_walk_over_the_bytes(
            area in proptest::collection::vec(prop_oneof![proptest::sample::select(&b"=;,-"[..]), any::<u8>()], 0..300),
        ) {
            let walked = area.iter().enumerate().filter(|(_, byte)| b"=;,-".contains(byte)).map(|(at, _)| at);
            prop_assert_eq!(Sweep::new(&area).collect::<Vec<_>>(), walked.collect::<Vec<_>>());
        }
    }
}
