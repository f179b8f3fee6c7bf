//! What a station monitors.

use std::str::FromStr;

use hj212::Edition;

/// What a station monitors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Subject {
    /// A flue-gas source, ST 31.
    Air,
    /// A waste-water source, ST 32.
    Water,
    /// Electricity of production and treatment, ST 44 (HJ 212-2025).
    Power,
    /// Key production conditions, ST 45 (HJ 212-2025).
    Condition,
}

impl Subject {
    /// All subjects, in the order in which they are dealt out.
    pub const ALL: [Subject; 4] = [Self::Air, Self::Water, Self::Power, Self::Condition];

    /// Whether `edition` has a system code for it: electricity and conditions came with 2025.
    #[must_use]
    pub fn is_known_to(self, edition: Edition) -> bool {
        edition == Edition::V2025 || self.has_periods()
    }

    /// The system code (HJ 212-2017, table 5).
    #[must_use]
    pub const fn st(self) -> &'static str {
        match self {
            Self::Air => "31",
            Self::Water => "32",
            Self::Power => "44",
            Self::Condition => "45",
        }
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Air => "air",
            Self::Water => "water",
            Self::Power => "power",
            Self::Condition => "condition",
        }
    }

    pub(super) const fn outlet(self) -> &'static str {
        match self {
            Self::Air => "DA",
            Self::Water => "DW",
            Self::Power => "DL",
            Self::Condition => "GK",
        }
    }

    pub(super) const fn name_zh(self) -> &'static str {
        match self {
            Self::Air => "模拟废气排口",
            Self::Water => "模拟废水排口",
            Self::Power => "模拟用电监控点",
            Self::Condition => "模拟工况监控点",
        }
    }

    /// Whether minute, hour and day records are made of it; electricity and conditions are only told as they are.
    #[must_use]
    pub(crate) const fn has_periods(self) -> bool {
        matches!(self, Self::Air | Self::Water)
    }
}

impl FromStr for Subject {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|subject| subject.name() == text)
            .ok_or_else(|| format!("\"{text}\" is nothing to monitor: write air, water, power or condition"))
    }
}
