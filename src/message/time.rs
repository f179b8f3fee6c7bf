//! Points in time, as the journal keeps them and downstream reads them.
//!
//! The standard speaks Beijing time without saying so, and China has no daylight saving time: everything published carries
//! the fixed offset +08:00.

use serde::{Deserialize, Serialize};

/// Microseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Timestamp(pub i64);

/// Beijing time is this many seconds ahead of UTC.
pub const BEIJING_OFFSET_SECONDS: i32 = 8 * 3600;

impl Timestamp {
    /// RFC 3339 in Beijing time with milliseconds, as `2026-11-23T10:40:00.412+08:00`. Times that no calendar knows become the
    /// epoch.
    #[must_use]
    pub fn to_rfc3339(self) -> String {
        let offset = jiff::tz::Offset::from_seconds(BEIJING_OFFSET_SECONDS).unwrap_or(jiff::tz::Offset::UTC);
        let civil = offset.to_datetime(jiff::Timestamp::from_microsecond(self.0).unwrap_or_default());
        format!(
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}+08:00",
            civil.year(),
            civil.month(),
            civil.day(),
            civil.hour(),
            civil.minute(),
            civil.second(),
            civil.millisecond()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_written_in_beijing_time() {
        assert_eq!(Timestamp(1_795_401_600_412_000).to_rfc3339(), "2026-11-23T10:40:00.412+08:00");
        assert_eq!(Timestamp(i64::MAX).to_rfc3339(), "1970-01-01T08:00:00.000+08:00");
    }
}
