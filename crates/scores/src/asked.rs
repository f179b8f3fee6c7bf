//! What is asked of the rest of the station.

/// What is known of one hour of a factor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HourSeen {
    /// Whether its record came.
    pub came: bool,
    /// Whether its value is usable.
    pub usable: bool,
    /// Whether the source was out of service (停运): the hour is owed by nobody.
    pub out: bool,
    /// Whether an automatic standard check made it unusable: one such hour a day is not counted.
    pub checking: bool,
}

/// Hour records of a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HoursOf {
    /// How many were expected: of the first day of a station those from its first one on.
    pub expected: u32,
    /// How many are there.
    pub there: u32,
    /// How many are missing because of the gateway.
    pub by_gateway: u32,
}

/// What scorecards ask of the ledger of records, the marks and the entries of a station.
pub trait ScoresAsked {
    /// Hour records of a day; `None`: none are counted.
    fn hours_of(&self, day: i32) -> Option<HoursOf>;
    /// The factors that are looked at; none: records alone are counted.
    fn codes(&self) -> Vec<String>;
    /// How many hours of a whole day the station measures a factor, 1 to 24.
    fn cycle(&self, code: &str) -> u32;
    /// What is known of an hour of a day, from 0.
    fn hour(&self, code: &str, day: i32, hour: u32) -> HourSeen;
    /// Minutes of a day under marks of devices that were entered by hand.
    fn minutes_by_hand(&self, day: i32) -> u32;
    /// The days of a month (bit 0: the first) on which a patrol, and on which a calibration, was entered; `None`: nobody enters anything here.
    fn entered(&self, first_day: i32, length: i32) -> Option<(u32, u32)>;
}
