//! What can be set about judgement.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// `[judgement]`. Which limits hold is registered with the stations; when a day is closed the marking rules say.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Whether hours and days are judged.
    pub enabled: bool,
    /// Over how long the settlement of a day is spread behind its deadline, so that not all stations are settled at once. 0 to 6h.
    #[serde(with = "hj212_model::settings::duration")]
    pub settle_spread: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { enabled: false, settle_spread: Duration::from_secs(1800) }
    }
}
