//! The records of a station as data segments.
//!
//! An [`Upload`] says which record it is, not what stands in it: the text follows from the station and the record, so a station
//! keeps a thousand records in a few KiB and a re-send is the same packet to the byte.

use std::io::Write as _;

use serde::Serialize;

use super::clock::{DAY, HOUR, MINUTE, stamp, stamp_millis};
use super::faults::Fault;
use super::fleet::Profile;
use super::rarities;
use super::values::{self, Portion};
use hj212::Edition;
use hj212_model::message::Timestamp;

/// What kind of record a station uploads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[repr(usize)]
pub enum Kind {
    /// CN 2011.
    Realtime,
    /// CN 2021.
    State,
    /// CN 2051.
    Minute,
    /// CN 2061.
    Hour,
    /// CN 2031.
    Day,
    /// CN 2081.
    Boot,
    /// CN 9015 (HJ 212-2025).
    Heartbeat,
    /// CN 3020, a log entry in GBK that nobody asked for.
    Log,
    /// CN 3020, a log entry of the history.
    Entry,
    /// CN 2041, running hours of a day.
    Runtime,
    /// CN 2013 (HJ 212-2025), results of an analyser that works in periods.
    Raw,
    /// CN 2062 (HJ 212-2025), a standard check.
    Check,
    /// CN 1001 (HJ 212-2025): the logger says who it is.
    Register,
    /// CN 1013: the station asks for the time.
    AskTime,
    /// CN 1014 (HJ 212-2025): the station asks for a new key.
    AskKey,
}

impl Kind {
    /// All kinds, in the order of summaries.
    pub const ALL: [Kind; 15] = [
        Kind::Realtime,
        Kind::State,
        Kind::Minute,
        Kind::Hour,
        Kind::Day,
        Kind::Boot,
        Kind::Heartbeat,
        Kind::Log,
        Kind::Entry,
        Kind::Runtime,
        Kind::Raw,
        Kind::Check,
        Kind::Register,
        Kind::AskTime,
        Kind::AskKey,
    ];

    /// The command code.
    #[must_use]
    pub const fn cn(self) -> u16 {
        match self {
            Self::Realtime => 2011,
            Self::State => 2021,
            Self::Minute => 2051,
            Self::Hour => 2061,
            Self::Day => 2031,
            Self::Boot => 2081,
            Self::Heartbeat => 9015,
            Self::Log | Self::Entry => 3020,
            Self::Runtime => 2041,
            Self::Raw => 2013,
            Self::Check => 2062,
            Self::Register => 1001,
            Self::AskTime => 1013,
            Self::AskKey => 1014,
        }
    }

    /// The name in summaries.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Realtime => "realtime",
            Self::State => "state",
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Boot => "boot",
            Self::Heartbeat => "heartbeat",
            Self::Log => "log",
            Self::Entry => "entry",
            Self::Runtime => "runtime",
            Self::Raw => "raw",
            Self::Check => "check",
            Self::Register => "register",
            Self::AskTime => "ask-time",
            Self::AskKey => "ask-key",
        }
    }

    /// Whether it speaks of the moment alone and is worth nothing later.
    pub(crate) const fn is_momentary(self) -> bool {
        matches!(self, Self::Heartbeat | Self::Register | Self::AskTime | Self::AskKey)
    }

    /// The length of the period that a record tells of, and from one record of the history to the next, in microseconds;
    /// `minutes` is MinInterval. 0: there is no history of it.
    pub(crate) const fn period(self, minutes: u8) -> i64 {
        match self {
            Self::Realtime | Self::Minute => minutes as i64 * MINUTE,
            Self::Hour | Self::Raw => HOUR,
            Self::Entry => 6 * HOUR,
            Self::Day | Self::Runtime | Self::Check => DAY,
            Self::State | Self::Boot | Self::Heartbeat | Self::Log | Self::Register | Self::AskTime | Self::AskKey => 0,
        }
    }

    /// Whether the record is among the first to go when a station's memory is full.
    pub(crate) const fn is_dispensable(self) -> bool {
        matches!(self, Self::Realtime | Self::State | Self::Heartbeat)
    }
}

/// One record of a station: what it is, not what stands in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Upload {
    /// DataTime, before the station's clock error.
    pub(crate) time: Timestamp,
    pub(crate) kind: Kind,
    /// 0 as first told; each revision tells other values.
    pub(crate) revision: u8,
    pub(crate) portion: Portion,
    /// Kept through an outage: RF=1 in HJ 212-2025.
    pub(crate) again: bool,
    /// MinInterval in minutes, of minute records.
    pub(crate) minutes: u8,
}

impl Upload {
    pub(crate) fn new(kind: Kind, time: Timestamp) -> Self {
        Upload { time, kind, revision: 0, portion: Portion::Whole, again: false, minutes: 10 }
    }
}

/// Replaces `out` with the data segment of `upload`. `qn` is the time that QN shows; 2005 uploads carry none (their answer is
/// found by CN). It is plain: sealing comes after the check is known (HJ 212-2025, A.2; see `wire`).
pub(crate) fn segment(out: &mut Vec<u8>, station: &Profile, upload: &Upload, qn: Timestamp) {
    out.clear();
    let wanted = !station.quirks.contains(Fault::NoAckWanted);
    let split = matches!(upload.portion, Portion::Half(_));
    if station.edition != Edition::V2005 {
        out.extend_from_slice(b"QN=");
        stamp_millis(out, qn);
        out.push(b';');
    }
    let of_system = matches!(upload.kind, Kind::Heartbeat | Kind::Register);
    let st = if of_system { "91" } else { station.subject.st() };
    let _ = write!(out, "ST={st};CN={};PW={};MN={};", upload.kind.cn(), station.pw, station.mn);
    let flag = station.edition.flag_bits() | u8::from(split) << 1 | u8::from(wanted);
    // HJ/T 212-2005 uploads without wishes carry no Flag.
    if flag != 0 {
        let _ = write!(out, "Flag={flag};");
    }
    if let Portion::Half(number) = upload.portion {
        let _ = write!(out, "PNUM=2;PNO={number};");
    }
    if upload.again && station.edition == Edition::V2025 {
        out.extend_from_slice(b"RF=1;");
    }
    out.extend_from_slice(b"CP=&&");
    area(out, station, upload);
    out.extend_from_slice(b"&&");
}

/// The text of DataTime, for the ledger; empty for what carries none.
pub(crate) fn data_time(station: &Profile, upload: &Upload) -> String {
    if upload.kind.is_momentary() {
        return String::new();
    }
    let mut out = Vec::with_capacity(14);
    stamp(&mut out, shown(station, upload.kind, upload.time, upload.minutes));
    String::from_utf8(out).unwrap_or_default()
}

/// What the station's clock shows as the DataTime of a record.
pub(crate) fn shown(station: &Profile, kind: Kind, time: Timestamp, minutes: u8) -> Timestamp {
    match (kind, kind.period(minutes)) {
        (Kind::Realtime, _) | (_, 0) => Timestamp(time.0 + station.clock_off),
        (_, length) => values::shown_start(station, time, length),
    }
}

fn area(out: &mut Vec<u8>, station: &Profile, upload: &Upload) {
    let Upload { time, revision, portion, .. } = *upload;
    match upload.kind {
        Kind::Realtime => values::realtime(out, station, time, revision, portion),
        Kind::State => values::state(out, station, time),
        Kind::Minute => {
            values::period(out, station, time, i64::from(upload.minutes) * MINUTE, revision, portion);
        }
        Kind::Hour => values::period(out, station, time, HOUR, revision, portion),
        Kind::Day => values::period(out, station, time, DAY, revision, portion),
        Kind::Boot => rarities::boot(out, station, time),
        Kind::Heartbeat | Kind::AskTime => {}
        Kind::Log => rarities::log(out, station, time),
        Kind::Entry => rarities::entry(out, station, time),
        Kind::Runtime => rarities::runtime(out, station, time),
        Kind::Raw => rarities::raw(out, station, time),
        Kind::Check => rarities::check(out, station, time),
        Kind::Register => rarities::identity(out, station),
        Kind::AskKey => {
            out.extend_from_slice(b"SKCreateTime=");
            stamp_millis(out, Timestamp(time.0 + station.clock_off));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fleet::profile;
    use super::super::options::Options;
    use super::super::subject::Subject;
    use super::*;
    use hj212::Fields;
    use hj212::packet::parse;

    const NOON: Timestamp = Timestamp(1_795_406_400_000_000);

    fn station(edition: Edition, subject: Subject, faults: &str) -> Profile {
        let faults = faults.parse().unwrap();
        profile(&Options { edition: vec![edition], mix: vec![subject], faults, ..Options::default() }, 1)
    }

    fn text(station: &Profile, upload: &Upload) -> String {
        let mut out = Vec::new();
        segment(&mut out, station, upload, Timestamp(NOON.0 + 1_000));
        String::from_utf8(out).unwrap()
    }

    /// HJ 212-2025, table 3 and C.54: RF behind Flag, the heartbeat without an area.
    #[test]
    fn each_edition_has_its_own_header() {
        let boot = Upload::new(Kind::Boot, NOON);
        let state = Upload::new(Kind::State, NOON);
        assert_eq!(
            text(&station(Edition::V2017, Subject::Water, ""), &boot),
            "QN=20261123120000001;ST=32;CN=2081;PW=123456;MN=021200000000000000000001;Flag=5;\
             CP=&&DataTime=20261123120000;RestartTime=20261123115830&&"
        );
        let old = text(&station(Edition::V2005, Subject::Air, ""), &state);
        assert!(old.starts_with("ST=31;CN=2021;PW=123456;MN=02120000000001;Flag=1;CP=&&DataTime="), "{old}");
        let old = text(&station(Edition::V2005, Subject::Air, "no-ack-wanted=1"), &state);
        assert!(old.starts_with("ST=31;CN=2021;PW=123456;MN=02120000000001;CP=&&DataTime="), "{old}");
        let new = text(&station(Edition::V2025, Subject::Air, ""), &Upload { again: true, ..state });
        assert!(new.contains(";Flag=9;RF=1;CP=&&"), "{new}");
        let beat = text(&station(Edition::V2025, Subject::Air, ""), &Upload::new(Kind::Heartbeat, NOON));
        assert!(beat.contains("ST=91;CN=9015;") && beat.ends_with(";Flag=9;CP=&&&&"), "{beat}");
        let half = Upload { portion: Portion::Half(2), ..Upload::new(Kind::Minute, NOON) };
        let half = text(&station(Edition::V2017, Subject::Air, ""), &half);
        assert!(half.contains(";Flag=7;PNUM=2;PNO=2;CP=&&DataTime="), "{half}");
    }

    /// HJ 212-2017, table 2 and table 3: 1024 bytes of segment, 950 of area.
    #[test]
    fn no_segment_of_a_sound_station_exceeds_the_standard() {
        for edition in [Edition::V2005, Edition::V2017, Edition::V2025] {
            for subject in Subject::ALL.into_iter().filter(|subject| subject.is_known_to(edition)) {
                let station = station(edition, subject, "");
                for kind in Kind::ALL.into_iter().filter(|kind| *kind != Kind::Log) {
                    let text = text(&station, &Upload::new(kind, NOON));
                    assert!(text.len() <= 1024, "{edition:?} {kind:?} {}", text.len());
                    assert!(parse(text.as_bytes()).area.len() <= 950, "{edition:?} {subject:?} {kind:?}");
                    assert!(parse(text.as_bytes()).deviations.is_empty() || edition == Edition::V2005, "{text}");
                    let mut fields = Fields::default();
                    fields.read(parse(text.as_bytes()).area);
                    assert!(fields.deviations().is_empty(), "{text} {:?}", fields.deviations());
                }
            }
        }
    }

    #[test]
    fn an_oversized_record_exceeds_the_standard_but_not_four_digits() {
        let upload = Upload { portion: Portion::Oversized, ..Upload::new(Kind::Realtime, NOON) };
        let text = text(&station(Edition::V2017, Subject::Air, ""), &upload);
        assert!((1025..=9999).contains(&text.len()), "{}", text.len());
    }

    #[test]
    fn a_log_in_gbk_is_no_utf8() {
        let mut out = Vec::new();
        segment(&mut out, &station(Edition::V2017, Subject::Water, ""), &Upload::new(Kind::Log, NOON), NOON);
        assert!(std::str::from_utf8(&out).is_err());
        let (text, _, bad) = encoding_rs::GB18030.decode(&out);
        assert!(!bad && text.contains("//清洗管路"));
    }
}
