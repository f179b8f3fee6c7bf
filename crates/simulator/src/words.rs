//! Words of options.

use std::time::Duration;

use hj212_model::settings::duration;

/// Reads a duration.
pub(super) fn time(text: &str) -> Result<Duration, String> {
    duration::parse(text)
        .ok_or_else(|| format!("\"{text}\" is no duration: write a whole number and a unit (ms, s, min, h, d), as 30s"))
}
