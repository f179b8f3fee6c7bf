//! A limit, as detectors compare with it.

use serde::{Deserialize, Serialize};

use super::seen::ValueSeen;
use super::words::micro;
use hj212_judgement::{Basis, Decimal};

/// A limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Cap {
    /// The most, as registered.
    pub max: Decimal,
    /// The value that it is about.
    pub basis: Basis,
}

impl Cap {
    /// The value of `seen` that it is about, in millionths.
    pub(super) fn value(&self, seen: &ValueSeen<'_>) -> Option<i64> {
        self.said(seen).map(micro)
    }

    /// The same, as the station said it.
    pub(super) fn said(&self, seen: &ValueSeen<'_>) -> Option<Decimal> {
        match self.basis {
            Basis::Measured | Basis::Total => seen.measured,
            Basis::Converted => seen.converted,
            Basis::AsSaid => seen.converted.or(seen.measured),
        }
    }

    /// The most, in millionths.
    pub(super) fn most(&self) -> i64 {
        micro(self.max)
    }
}
