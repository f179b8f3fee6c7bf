//! Chance that is the same everywhere and for ever: SplitMix64.
//!
//! Fixtures and failing runs must be repeatable from their seed, so nothing here may depend on a library's version, a clock or
//! the machine. Not for secrets.

/// A stream of numbers that follows from its seed alone.
#[derive(Debug, Clone)]
pub(crate) struct SeededRandom(u64);

impl SeededRandom {
    /// The stream of `seed` and `subject`: two subjects of one seed have nothing in common.
    pub(crate) fn new(seed: u64, subject: u64) -> Self {
        SeededRandom(mix(seed ^ mix(subject.wrapping_add(0x9E37_79B9_7F4A_7C15))))
    }

    /// The next number.
    pub(crate) fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        mix(self.0)
    }

    /// A number below `bound`; 0 if `bound` is 0.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        // The bias of the remainder is below one in 10^12 for the bounds in use.
        self.roll().checked_rem(bound).unwrap_or(0)
    }

    /// True with the probability `rate`, 0 to 1. Uses no number when the answer is certain.
    pub(crate) fn chance(&mut self, rate: f64) -> bool {
        rate > 0.0 && (rate >= 1.0 || unit(self.roll()) < rate)
    }
}

/// SplitMix64's finaliser: every bit of the result depends on every bit of `x`.
pub(crate) fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

/// `x` as a number from 0 to below 1.
pub(crate) fn unit(x: u64) -> f64 {
    // 53 bits fit a double exactly.
    (x >> 11) as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stream_of_a_seed_never_changes() {
        // The vector of the published generator.
        let mut rng = SeededRandom(1_234_567);
        assert_eq!([rng.roll(), rng.roll()], [6_457_827_717_110_365_317, 3_203_168_211_198_807_973]);
        let mut rng = SeededRandom::new(1, 2);
        let first: Vec<u64> = (0..3).map(|_| rng.below(1_000_000)).collect();
        assert_eq!(first, [181_188, 806_747, 178_096]);
    }

    #[test]
    fn a_rate_is_met_and_certainty_is_free() {
        let mut rng = SeededRandom::new(7, 7);
        let hits = (0..10_000).filter(|_| rng.chance(0.2)).count();
        assert!((1_800..2_200).contains(&hits), "{hits}");
        let before = rng.clone().roll();
        assert!(rng.chance(1.0) && !rng.chance(0.0));
        assert_eq!(rng.roll(), before);
    }
}
