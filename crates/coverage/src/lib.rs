//! Which records of a station have arrived and which are missing, and what to ask it for.
//!
//! A [`Ledger`] is one station's: it is told of every record, of the station's comings and goings, of the requests made to it, and of time;
//! it says when a gap begins and ends ([`Happening`]), counts each day, and plans the requests that close gaps ([`Ledger::plan`]).
//! `docs/gaps.md` says it in the words of those who use it.
//!
//! What must stay true:
//! * pure: the same calls in the same order give the same happenings, also over a snapshot in between; what a plan depends on came from
//!   the journal, so that a restart forgets nothing;
//! * a gap begins when a record is overdue, not before, and a station that was never heard has none;
//! * a record that is missing stays counted as missing until it is there, whoever gave up asking for it;
//! * time in which the gateway itself took nothing is never the station's ([`presence`]): what is missing of it is counted apart;
//! * a gap that was told of is told to be over, with its length and how it ended, when data flows again and nobody asks for the rest;
//! * an interval that the gateway set, and the station took, is the interval from then on;
//! * a station has at most one request open, and none faster than its budget;
//! * no gap is longer than [`GAP_DAYS_MAX`] days, whatever clocks say, so that none has more than `GAP_DAYS_MAX × 86,400 / interval` records;
//!   DataTimes older than [`DAYS_MAX`] are not counted;
//! * nothing remembered is more than [`FUTURE_MAX`](track::FUTURE_MAX) and one interval ahead of the time that was told last: after a clock
//!   was set back the ledger goes on from there;
//! * memory per station is bounded: [`HOLES_MAX`], [`DAYS_MAX`], [`ASKED_MAX`].
//!
//! # Decisions
//! * Kept is what is missing, as stretches of time: a good station costs next to nothing, whatever its interval.
//! * Records are counted per MN and grain. Those of ST 44 and 45 (HJ 212-2025: electricity, production) are left out by the caller: they
//!   have a rhythm of their own beside the station's.
//! * Sampled data has no grid: a record is the next one if it comes within half an interval of its time, and the time of the one after
//!   is counted from it.
//! * The budget counts requests, whatever became of them; `no-data` gives up at once, all else after `attempts_max`.

#![cfg_attr(test, allow(clippy::print_stdout, clippy::wildcard_enum_match_arm, reason = "tests speak plainly"))]

mod back;
mod cadence;
mod local;
mod plan;
mod presence;
mod settings;
#[cfg(test)]
mod tests;
mod track;

use serde::{Deserialize, Serialize};

use hj212_downlink::{Origin, Outcome, Step};
use hj212_model::message::{Kind, Timestamp};
use local::{DAY, Local};
pub use plan::{ASKED_MAX, Recall};
use plan::{Ask, Asking};
pub use presence::DAYS_MAX;
use presence::Presence;
pub use presence::{ABSENCES_MAX, OUTAGES_MAX, Outages, RETURN_MAX};
pub use settings::{Settings, Window};
pub use track::{GAP_DAYS_MAX, HOLES_MAX, IntervalOrigin};
use track::{Track, Wanted, Witness};

/// How fine records are. The order is that of the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Grain {
    /// Sampled values, CN=2011.
    Realtime,
    /// Values of some minutes, CN=2051.
    Minute,
    /// Values of an hour, CN=2061.
    Hour,
    /// Values of a day, CN=2031.
    Day,
}

impl Grain {
    /// All of them.
    pub const ALL: [Grain; 4] = [Grain::Realtime, Grain::Minute, Grain::Hour, Grain::Day];

    /// The grain of records of this kind, if they are counted.
    #[must_use]
    pub const fn of(kind: Kind) -> Option<Grain> {
        Some(match kind {
            Kind::Realtime => Grain::Realtime,
            Kind::Minute => Grain::Minute,
            Kind::Hour => Grain::Hour,
            Kind::Day => Grain::Day,
            Kind::Raw
            | Kind::State
            | Kind::Runtime
            | Kind::Noise
            | Kind::Check
            | Kind::Alarms
            | Kind::Alarm
            | Kind::Boot
            | Kind::Furnace
            | Kind::Sample
            | Kind::SampleCycle
            | Kind::SampleDelay
            | Kind::Serial
            | Kind::Info
            | Kind::Registration
            | Kind::Time
            | Kind::TimeRequest
            | Kind::KeyRequest
            | Kind::Limits
            | Kind::Target
            | Kind::ReportTime
            | Kind::Interval
            | Kind::Answer
            | Kind::Heartbeat
            | Kind::Other => return None,
        })
    }

    /// The kind as it is published.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.kind().name()
    }

    const fn kind(self) -> Kind {
        match self {
            Self::Realtime => Kind::Realtime,
            Self::Minute => Kind::Minute,
            Self::Hour => Kind::Hour,
            Self::Day => Kind::Day,
        }
    }

    /// The command that asks for its history, as [`hj212_downlink::table`] names it, and its CN.
    #[must_use]
    pub const fn command(self) -> Option<(&'static str, u16)> {
        match self {
            Self::Realtime => None,
            Self::Minute => Some(("get-minutes", 2051)),
            Self::Hour => Some(("get-hours", 2061)),
            Self::Day => Some(("get-days", 2031)),
        }
    }

    /// The interval in seconds that the grain itself says.
    const fn fixed(self) -> Option<u32> {
        match self {
            Self::Realtime | Self::Minute => None,
            Self::Hour => Some(3600),
            Self::Day => Some(DAY),
        }
    }

    /// The standard's own interval (HJ 212-2017, 6.6.5: sampled data every 30 s, minutes by ten).
    const fn usual(self) -> u32 {
        match self {
            Self::Realtime => 30,
            Self::Minute => 600,
            Self::Hour => 3600,
            Self::Day => DAY,
        }
    }

    /// A measured interval as it is meant: minutes are whole.
    fn rounded(self, interval: u32) -> u32 {
        if self == Self::Minute { ((interval + 30) / 60).max(1) * 60 } else { interval.max(1) }
    }

    /// Whether an interval may be that long: sampled data every second to once a day, minutes 1 to 60.
    fn may_be(self, interval: u32) -> bool {
        match self {
            Self::Realtime => (1..=DAY).contains(&interval),
            Self::Minute => (60..=3600).contains(&interval),
            Self::Hour | Self::Day => interval == self.usual(),
        }
    }
}

/// Why records are missing, as far as the gateway can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Cause {
    /// The station had no connection when they were due.
    Offline,
    /// The gateway did not run, or could store nothing, or had just come back and the station had not yet.
    GatewayDown,
    /// Both were there.
    NotSent,
}

impl Cause {
    /// All of them.
    pub const ALL: [Cause; 3] = [Cause::Offline, Cause::GatewayDown, Cause::NotSent];

    /// The stable name.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Offline => "offline",
            Self::GatewayDown => "gateway-down",
            Self::NotSent => "not-sent",
        }
    }
}

/// Why a gap is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reason {
    /// All its records came by themselves.
    Returned,
    /// All came, some of them because they were asked for.
    Recalled,
    /// The rest is not asked for any more; the last request's outcome says why.
    GivenUp,
    /// Data flows again, and nobody asks for the rest: sampled data cannot be asked for, or recall is off.
    Lost,
    /// The rest is older than [`DAYS_MAX`].
    TooOld,
    /// The station has more than [`HOLES_MAX`] stretches missing; the oldest are counted and not followed.
    TooMany,
    /// The records came at another interval than was expected.
    IntervalChanged,
    /// The host's clock was wrong: they are not due yet.
    ClockStep,
}

impl Reason {
    /// The stable name.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Returned => "returned",
            Self::Recalled => "recalled",
            Self::GivenUp => "given-up",
            Self::Lost => "lost",
            Self::TooOld => "too-old",
            Self::TooMany => "too-many",
            Self::IntervalChanged => "interval-changed",
            Self::ClockStep => "clock-step",
        }
    }
}

/// Why records that are missing are not waited for any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Rest {
    /// They were asked for; what became of the last request.
    GivenUp(Outcome),
    /// Nobody asks for them.
    Lost,
}

impl Rest {
    /// The stable name: the outcome, or `lost`.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::GivenUp(outcome) => outcome.code(),
            Self::Lost => "lost",
        }
    }
}

/// Records that follow one another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch {
    /// How fine they are.
    pub grain: Grain,
    /// The DataTime of the first one.
    pub from: Timestamp,
    /// The DataTime of the last one.
    pub to: Timestamp,
    /// Seconds between them.
    pub interval: u32,
    /// How many they are.
    pub count: u32,
    /// How many of them have come since.
    pub came: u32,
    /// How many of these because they were asked for.
    pub recalled: u32,
    /// Why the first one was missing.
    pub cause: Cause,
    /// How many were missing for each cause, in the order of [`Cause::ALL`].
    pub causes: [u32; 3],
    /// Whether the record behind the last one is not there yet, so that it may become longer.
    pub growing: bool,
}

impl Stretch {
    /// When the last one was complete: the end of its period, or its time.
    #[must_use]
    pub const fn end(&self) -> Timestamp {
        let period = match self.grain {
            Grain::Realtime => 0,
            Grain::Minute | Grain::Hour | Grain::Day => self.interval as i64,
        };
        Timestamp(self.to.0 + period * 1_000_000)
    }
}

/// What the ledger noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Happening {
    /// A gap has begun; it may still grow.
    Begun(Stretch),
    /// Data flows again: so long did a gap become, and it is not over yet.
    Grown(Stretch),
    /// A gap is over; what became of the last request, if it was given up.
    Closed(Stretch, Reason, Option<Outcome>),
    /// A day has ended, or one that had ended has become better: [`Ledger::days`] is to be published.
    Counted(Grain),
}

/// What arrived of a day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DayCount {
    /// `2026-11-23`, in Beijing.
    pub day: String,
    /// Records expected; of the first day and of an unfinished one, only of the part that was seen.
    pub expected: u32,
    /// Those that are there.
    pub there: u32,
    /// Of those that are not: how many because of the gateway.
    pub gateway_down: u32,
    /// Whether the day is over and its last record overdue or there.
    pub ended: bool,
}

impl DayCount {
    /// How many of the expected records the station answers for: all but those that are missing because of the gateway.
    #[must_use]
    pub const fn owed(&self) -> u32 {
        self.expected - self.gateway_down
    }
}

/// A gap that has not ended, or a stretch that is not waited for any more and still missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenGap {
    /// Where it is.
    pub stretch: Stretch,
    /// How many records are missing now.
    pub missing: u32,
    /// How often it was asked for.
    pub attempts: u8,
    /// Why it is not waited for any more; `None`: the gap is open.
    pub rest: Option<Rest>,
}

/// A record that arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// How fine it is.
    pub grain: Grain,
    /// Its DataTime.
    pub data_time: Timestamp,
    /// When it arrived.
    pub at: Timestamp,
    /// Whether it is an old one.
    pub backfill: bool,
    /// The interval registered for this grain, in seconds.
    pub registered: Option<u32>,
}

/// One station's ledger.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    /// In the order of [`Grain`].
    tracks: Vec<Track>,
    presence: Presence,
    asking: Asking,
    /// Requests that set an interval and have not ended: id, grain, seconds.
    setting: Vec<(String, Grain, u32)>,
    /// The time that was told last.
    told: Local,
}

/// Requests that set an interval, under way to one station at a time.
const SETTING_MAX: usize = 8;

/// The interval in seconds that a command sets, and of which records.
fn interval_of(command: &str, area: &str) -> Option<(Grain, u32)> {
    let (grain, name, unit) = match command {
        "set-realtime-interval" => (Grain::Realtime, "RtdInterval=", 1),
        "set-minute-interval" => (Grain::Minute, "MinInterval=", 60),
        _ => return None,
    };
    let said: u32 = area.split([';', ',', '&']).find_map(|field| field.strip_prefix(name))?.parse().ok()?;
    Some((grain, said.checked_mul(unit)?))
}

impl Ledger {
    /// Takes a record; `outages` are the gateway's.
    pub fn arrived(&mut self, record: &Arrival, outages: &Outages, out: &mut Vec<Happening>) {
        let (Some(said), Some(at)) = (local::of(record.data_time), local::of(record.at)) else { return };
        self.presence.come(at);
        let recalled = self.asking.covers(record.grain, said);
        if record.backfill && !recalled {
            self.asking.reuploading = at;
        }
        let track = match self.tracks.binary_search_by_key(&record.grain, |track| track.grain) {
            Ok(found) => self.tracks.get_mut(found),
            Err(place) => {
                self.tracks.insert(place, Track::new(record.grain));
                self.tracks.get_mut(place)
            }
        };
        if let Some(track) = track {
            let witness = Witness { presence: &self.presence, outages };
            track.arrived((said, at), record.registered, recalled, witness, out);
        }
    }

    /// The station has come or gone.
    pub fn presence(&mut self, online: bool, at: Timestamp) {
        let Some(at) = local::of(at) else { return };
        if online { self.presence.come(at) } else { self.presence.go(at) }
    }

    /// The gateway was away from `from` to `to`, or stops at that time: nobody is connected.
    pub fn restarted(&mut self, from: Timestamp, to: Timestamp) {
        if let (Some(from), Some(to)) = (local::of(from), local::of(to)) {
            self.presence.restarted(from, to);
        }
    }

    /// Takes a step of a command to this station.
    pub fn step(
        &mut self,
        step: &Step,
        at: Timestamp,
        settings: &Settings,
        outages: &Outages,
        out: &mut Vec<Happening>,
    ) {
        let Some(at) = local::of(at) else { return };
        match step {
            Step::Queued { id, cn, area, expires, origin: Origin::Recall, .. } => {
                if let Some(ask) = Ask::read(id, *cn, area, *expires) {
                    self.asking.begin(ask, at);
                }
            }
            Step::Queued { id, command, area, .. } => {
                if let Some((grain, interval)) = interval_of(command, area) {
                    if self.setting.len() >= SETTING_MAX {
                        self.setting.remove(0);
                    }
                    self.setting.push((id.clone(), grain, interval));
                }
            }
            Step::Ended { id, outcome, .. } => {
                if let Some(ask) = self.asking.end(id, *outcome, at, settings) {
                    self.asked(&ask, *outcome, at, settings, out);
                }
                let set = self.setting.iter().position(|(set, ..)| set == id).map(|at| self.setting.remove(at));
                let Some((_, grain, interval)) = set.filter(|_| *outcome == Outcome::Done) else { return };
                let witness = Witness { presence: &self.presence, outages };
                if let Some(track) = self.tracks.iter_mut().find(|track| track.grain == grain) {
                    track.order(interval, witness, out);
                }
            }
            Step::Confirmed { .. }
            | Step::Sent { .. }
            | Step::Accepted { .. }
            | Step::Data { .. }
            | Step::Cancel { .. }
            | Step::Refused { .. }
            | Step::Key { .. }
            | Step::KeyNote { .. }
            | Step::Moved { .. }
            | Step::Clock { .. } => {}
        }
    }

    fn asked(&mut self, ask: &Ask, outcome: Outcome, at: Local, settings: &Settings, out: &mut Vec<Happening>) {
        if let Some(track) = self.tracks.iter_mut().find(|track| track.grain == ask.grain) {
            track.asked((ask.begin, ask.end), outcome, at, settings, out);
        }
    }

    /// Lets time pass. To be called about once a minute, and after an outage only when that was noted.
    pub fn tick(&mut self, at: Timestamp, settings: &Settings, outages: &Outages, out: &mut Vec<Happening>) {
        let Some(now) = local::of(at) else { return };
        self.bring_back(now, settings, out);
        if let Some(ask) = self.asking.expire_request(now, settings) {
            self.asked(&ask, Outcome::Expired, now, settings, out);
        }
        let quiet = self.asking.open.is_none() && self.asking.is_quiet(now, settings);
        let witness = Witness { presence: &self.presence, outages };
        for track in &mut self.tracks {
            track.tick(now, settings, witness, quiet, out);
        }
    }

    /// What to ask the station `mn` for at `now`, if anything. Asked for again within a minute, nothing is planned: the first plan's step
    /// may be on its way to the journal.
    pub fn plan(&mut self, mn: &str, now: Timestamp, settings: &Settings) -> Option<Recall> {
        let now = local::of(now)?;
        if !settings.enabled || !self.presence.online || !self.asking.is_free(now, self.presence.since, settings) {
            return None;
        }
        // What was planned before and not taken has its turn after all else.
        let passed_over = self.asking.passed_over(now);
        let wanted = self.wanted(now, settings, passed_over).or_else(|| self.wanted(now, settings, None));
        let (grain, wanted) = wanted?;
        self.asking.offer(grain, wanted.begin, now);
        Some(Recall::new(mn, grain, &wanted))
    }

    /// The newest that is missing and may be asked for; of equally new ones the finest.
    fn wanted(&self, now: Local, settings: &Settings, passed_over: Option<(Grain, Local)>) -> Option<(Grain, Wanted)> {
        let wanted = self.tracks.iter().filter(|track| track.grain.command().is_some()).filter_map(|track| {
            let begin = passed_over.filter(|(grain, _)| *grain == track.grain).map(|(_, begin)| begin);
            Some((track.grain, track.wanted(now, settings, self.presence.since, begin)?))
        });
        wanted.min_by_key(|(grain, wanted)| (std::cmp::Reverse(wanted.end), *grain))
    }

    /// Whether a request is under way, or was planned a moment ago.
    #[must_use]
    pub fn is_asked(&self, now: Timestamp) -> bool {
        self.asking.open.is_some() || local::of(now).is_some_and(|now| self.asking.is_offered(now))
    }

    /// The grains of which records have come.
    pub fn grains(&self) -> impl Iterator<Item = Grain> {
        self.tracks.iter().map(|track| track.grain)
    }

    fn track(&self, grain: Grain) -> Option<&Track> {
        self.tracks.iter().find(|track| track.grain == grain)
    }

    /// The interval in seconds; `None` while it is not known.
    #[must_use]
    pub fn interval(&self, grain: Grain) -> Option<u32> {
        self.track(grain).map(Track::interval).filter(|interval| *interval > 0)
    }

    /// The interval in seconds and where it comes from; `None` while it is not known.
    #[must_use]
    pub fn cadence(&self, grain: Grain) -> Option<(u32, IntervalOrigin)> {
        let track = self.track(grain).filter(|track| track.interval() > 0)?;
        Some((track.interval(), track.origin()))
    }

    /// The last days, oldest first, at most [`DAYS_MAX`], unfinished ones too.
    pub fn days(&self, grain: Grain) -> impl Iterator<Item = DayCount> {
        self.track(grain).into_iter().flat_map(Track::days)
    }

    /// What is missing: gaps that have not ended, and stretches given up.
    pub fn gaps(&self) -> impl Iterator<Item = OpenGap> {
        self.tracks.iter().flat_map(Track::open)
    }
}
