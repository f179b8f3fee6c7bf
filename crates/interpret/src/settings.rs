//! What can be set about interpretation.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Limits and times of the interpretation. All times are compared with the times of records, never with a clock.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// What every topic begins with. Set from `[mqtt] prefix`.
    #[serde(skip)]
    pub prefix: String,
    /// The gateway's id. Set from `[gateway] id`.
    #[serde(skip)]
    pub gateway: String,
    /// When records are missing, and whether they are asked for. Set from `[recall]`.
    #[serde(skip)]
    pub coverage: hj212_coverage::Settings,
    /// Whether hours and days are judged. Set from `[judgement]`.
    #[serde(skip)]
    pub judgement: hj212_judgement::Settings,
    /// Whether alerts that have settled open cases. Set from `[cases] steps`: without steps nobody could bring a case on.
    #[serde(skip)]
    pub cases: bool,
    /// How long a split record waits for its missing parts before it is published without them. 1s to 1d.
    #[serde(with = "hj212_model::settings::duration")]
    pub parts_max_wait: Duration,
    /// The most parts of a split record that are put together; records of more parts are published part by part. 2 to 999.
    pub parts_max: u16,
    /// The most bytes of a split record, all parts together. Up to 60KiB.
    #[serde(with = "hj212_model::settings::size")]
    pub parts_record_max: u64,
    /// The most split records that wait for one station. 1 to 1000.
    pub parts_station_max: u32,
    /// The most bytes of parts that wait in all.
    #[serde(with = "hj212_model::settings::size")]
    pub parts_bytes_max: u64,
    /// How many of a station's last sampled records (and answers, states …) are remembered to tell re-sends. 0 to 10000.
    pub resent_instants_max: u32,
    /// How many of a station's last period records (minute, hour, day …) are remembered to tell re-sends. 0 to 10000.
    pub resent_periods_max: u32,
    /// How many stations are remembered: those that were heard, or asked for something. Frames of further ones are published without re-send detection, merging and card.
    pub stations_max: u32,
    /// How many stations that are not registered are remembered; the one not heard for longest makes room. 1 to 100000.
    pub unregistered_max: u32,
    /// The memory that those take, bytes; the one not heard for longest makes room.
    #[serde(with = "hj212_model::settings::size")]
    pub unregistered_bytes_max: u64,
    /// Messages about marks of one station and minute; beyond, the last states and one event when the minute is over. At least 1.
    pub marks_per_minute: u32,
    /// How many codes a station's card lists. 1 to 10000.
    pub card_codes_max: u32,
    /// How often a station's card is published again while its data flows. 10s to 1d.
    #[serde(with = "hj212_model::settings::duration")]
    pub card_refresh: Duration,
    /// How long the status document of an ended command stays retained at the broker. 1min to 30d.
    #[serde(with = "hj212_model::settings::duration")]
    pub status_kept: Duration,
    /// How far a station's QN (or the DataTime of sampled data without QN) may be from the time of arrival.
    #[serde(with = "hj212_model::settings::duration")]
    pub clock_off_max: Duration,
    /// How far DataTime may lie after the time of arrival.
    #[serde(with = "hj212_model::settings::duration")]
    pub future_max: Duration,
    /// Sampled data and states whose DataTime is older than this on arrival is backfill.
    #[serde(with = "hj212_model::settings::duration")]
    pub backfill_instant: Duration,
    /// Minute data (and furnace means, checks, events, what is told rarely) whose DataTime is older than this on arrival is backfill.
    #[serde(with = "hj212_model::settings::duration")]
    pub backfill_minute: Duration,
    /// Hour data whose DataTime is older than this on arrival is backfill.
    #[serde(with = "hj212_model::settings::duration")]
    pub backfill_hour: Duration,
    /// Day data whose DataTime is older than this on arrival is backfill.
    #[serde(with = "hj212_model::settings::duration")]
    pub backfill_day: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        let minutes = |n: u64| Duration::from_secs(n * 60);
        Settings {
            prefix: "hj212/v1".to_owned(),
            gateway: "gateway".to_owned(),
            coverage: hj212_coverage::Settings::default(),
            judgement: hj212_judgement::Settings::default(),
            cases: false,
            parts_max_wait: minutes(5),
            parts_max: 64,
            parts_record_max: 60 * 1024,
            parts_station_max: 8,
            parts_bytes_max: 64 * 1024 * 1024,
            resent_instants_max: 64,
            resent_periods_max: 128,
            stations_max: 100_000,
            unregistered_max: 5_000,
            unregistered_bytes_max: 64 << 20,
            marks_per_minute: 2_000,
            card_codes_max: 512,
            card_refresh: minutes(5),
            status_kept: minutes(24 * 60),
            clock_off_max: minutes(10),
            future_max: minutes(5),
            backfill_instant: minutes(15),
            backfill_minute: minutes(90),
            backfill_hour: minutes(180),
            backfill_day: minutes(36 * 60),
        }
    }
}
