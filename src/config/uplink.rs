//! `[uplink]`: how the cursor is kept.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How the cursor is kept.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The cursor is written at most this often; what it lags behind is published again after a crash.
    #[serde(with = "hj212_model::settings::duration")]
    pub cursor_every: Duration,
    /// A checkpoint of the interpreter's state is taken after this many records; a start interprets at most about twice as many.
    pub checkpoint_every: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { cursor_every: Duration::from_millis(500), checkpoint_every: 200_000 }
    }
}
