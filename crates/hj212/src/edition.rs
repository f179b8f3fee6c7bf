//! The three editions of the standard that live side by side on the wire.

/// An edition of HJ 212.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Edition {
    /// HJ/T 212-2005: Flag version bits 000000, QN inside CP of answers.
    #[cfg_attr(feature = "serde", serde(rename = "2005"))]
    V2005,
    /// HJ 212-2017: Flag version bits 000001.
    #[cfg_attr(feature = "serde", serde(rename = "2017"))]
    V2017,
    /// HJ 212-2025: Flag version bits 000010, encryption, RF.
    #[cfg_attr(feature = "serde", serde(rename = "2025"))]
    V2025,
}

impl Edition {
    /// The year, as configured and published.
    #[must_use]
    pub const fn year(self) -> &'static str {
        match self {
            Self::V2005 => "2005",
            Self::V2017 => "2017",
            Self::V2025 => "2025",
        }
    }

    /// The version bits of Flag, shifted to their place (HJ 212-2017, 6.3.2, table 3): 0, 4 or 8.
    #[must_use]
    pub const fn flag_bits(self) -> u8 {
        match self {
            Self::V2005 => 0,
            Self::V2017 => 4,
            Self::V2025 => 8,
        }
    }
}
