//! Whether a limit was met.

use serde::{Deserialize, Serialize};

/// Whether a limit was met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Outcome {
    /// 达标
    Met,
    /// 超标
    Exceeded,
    /// There is no effective mean to be compared (不判定).
    NotJudged,
    /// Texts differ, or an authority must rule (待人工认定).
    LeftToPeople,
}

impl Outcome {
    /// The published name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Met => "met",
            Self::Exceeded => "exceeded",
            Self::NotJudged => "not-judged",
            Self::LeftToPeople => "left-to-people",
        }
    }
}
