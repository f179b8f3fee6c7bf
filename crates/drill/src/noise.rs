//! Chance that follows from a seed, made with whole numbers and `+ - * /` alone: the digits are the same on every machine.

/// Mixes the bits of a number (the finisher of SplitMix64).
pub(crate) const fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// From 0 up to 1, exclusive.
pub(crate) fn unit(number: u64) -> f64 {
    (mix(number) >> 11) as f64 / (1_u64 << 53) as f64
}

/// The course of one quantity around 1.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Unrest(u64);

impl Unrest {
    /// Of the quantity `name` of the station `number`.
    pub(crate) fn new(seed: u64, number: usize, name: &str) -> Self {
        let name = name.bytes().fold(0_u64, |sum, byte| mix(sum ^ u64::from(byte)));
        Unrest(mix(seed ^ mix(number as u64 + 1) ^ name))
    }

    /// The factor at `minute`: from `1 - swing` to `1 + swing`, slowly over three hours, faster over a quarter of one, and a little for itself.
    pub(crate) fn at(self, minute: i64, swing: f64) -> f64 {
        let white = 2.0 * unit(self.0 ^ mix(minute.unsigned_abs() ^ 3)) - 1.0;
        1.0 + swing * (0.5 * self.smooth(minute, 180, 1) + 0.3 * self.smooth(minute, 15, 2) + 0.2 * white)
    }

    /// From 0 up to 1 at `minute`, each minute for itself.
    pub(crate) fn chance(self, minute: i64) -> f64 {
        unit(self.0 ^ mix(minute.unsigned_abs() ^ 5))
    }

    fn smooth(self, minute: i64, width: i64, salt: u64) -> f64 {
        let knot = minute.div_euclid(width);
        let within = minute.rem_euclid(width) as f64 / width as f64;
        let value = |knot: i64| 2.0 * unit(self.0 ^ mix(salt ^ mix(knot.unsigned_abs()))) - 1.0;
        let bend = within * within * (3.0 - 2.0 * within);
        value(knot) * (1.0 - bend) + value(knot + 1) * bend
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unrest_stays_within_its_swing_and_follows_from_the_seed() {
        let (one, same, other) = (Unrest::new(1, 0, "load"), Unrest::new(1, 0, "load"), Unrest::new(2, 0, "load"));
        for minute in -500..2000 {
            let value = one.at(minute, 0.1);
            assert!((0.9..=1.1).contains(&value), "{minute} {value}");
            assert_eq!(value.to_bits(), same.at(minute, 0.1).to_bits());
        }
        assert!((0..100).any(|minute| (one.at(minute, 0.1) - other.at(minute, 0.1)).abs() > 0.01));
    }
}
