//! Requests for what is missing: one at a time for a station, within its budget, with pauses that double.
//!
//! What must stay true: all that a plan depends on comes from the journal, except `offered`, which only keeps a plan from being made twice
//! while its step is on the way.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::local::{self, Local};
use super::settings::seconds;
use super::track::Wanted;
use super::{Grain, Settings};
use hj212_downlink::Outcome;
use hj212_model::message::Timestamp;

/// Requests within the last hour that are remembered; the largest budget.
pub const ASKED_MAX: usize = 60;
const HOUR: u32 = 3600;
/// How far a DataTime may be from what was asked for.
const SECONDS_OFF: u32 = 60;
/// A plan whose step has not come by then was not taken.
const OFFER_MAX: u32 = 60;

/// A request to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recall {
    /// The station.
    pub mn: String,
    /// What is asked for.
    pub grain: Grain,
    /// The first DataTime.
    pub begin: Timestamp,
    /// The last DataTime.
    pub end: Timestamp,
    /// `recall-minute-20261123100000-2`: the first DataTime and the attempt. The same until its step is in the journal.
    pub id: String,
    /// The command as [`hj212_downlink::table`] names it.
    pub command: &'static str,
    /// Its parameters.
    pub parameters: Map<String, Value>,
}

impl Recall {
    pub(super) fn new(mn: &str, grain: Grain, wanted: &Wanted) -> Recall {
        let (begin, end) = (local::digits(wanted.begin), local::digits(wanted.end));
        let id = format!("recall-{}-{begin}-{}", grain.name(), wanted.attempt);
        let parameters = [("BeginTime", begin), ("EndTime", end)].map(|(name, time)| (name.to_owned(), time.into()));
        Recall {
            mn: mn.to_owned(),
            grain,
            begin: local::timestamp(wanted.begin),
            end: local::timestamp(wanted.end),
            id,
            command: grain.command().map_or("", |(name, _)| name),
            parameters: Map::from_iter(parameters),
        }
    }
}

/// A request that was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ask {
    id: String,
    pub(super) grain: Grain,
    pub(super) begin: Local,
    pub(super) end: Local,
    expires: Local,
}

impl Ask {
    /// Reads it from its step.
    pub(super) fn read(id: &str, cn: u16, area: &str, expires: Timestamp) -> Option<Ask> {
        let grain = Grain::ALL.into_iter().find(|grain| grain.command().is_some_and(|(_, own)| own == cn))?;
        let time = |name: &str| local::read(area.split([';', ',', '&']).find_map(|field| field.strip_prefix(name))?);
        let (begin, end) = (time("BeginTime=")?, time("EndTime=")?);
        Some(Ask { id: id.to_owned(), grain, begin, end, expires: local::of(expires)? })
    }
}

/// The requests made to a station.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Asking {
    pub(super) open: Option<Box<Ask>>,
    /// When the last ones were made, within an hour.
    made: Vec<Local>,
    /// When the last one ended.
    ended: Local,
    /// How many in a row the station did not carry out.
    failures: u8,
    /// Not before this again.
    rest_until: Local,
    /// When it last uploaded old records by itself.
    pub(super) reuploading: Local,
    /// What was planned last, and when.
    #[serde(skip)]
    offered: Option<(Grain, Local, Local)>,
}

impl Asking {
    /// Forgets what was asked in the future of `now`: the clock was set back.
    pub(super) fn bring_back(&mut self, now: Local, settings: &Settings) {
        // Steps may be told by a clock that is a little ahead.
        let furthest = now.saturating_add(SECONDS_OFF);
        let back = |time: Local| if time > furthest { now } else { time };
        self.made.retain(|made| *made <= furthest);
        (self.ended, self.reuploading) = (back(self.ended), back(self.reuploading));
        self.rest_until = self.rest_until.min(now.saturating_add(settings.back_off(u8::MAX)));
        self.offered = self.offered.filter(|(_, _, at)| *at <= furthest);
    }

    /// Whether a record was asked for by the open request. DataTimes may have seconds that were not asked for.
    pub(super) fn covers(&self, grain: Grain, said: Local) -> bool {
        let within =
            |ask: &Ask| (ask.begin.saturating_sub(SECONDS_OFF)..=ask.end.saturating_add(SECONDS_OFF)).contains(&said);
        self.open.as_ref().is_some_and(|ask| ask.grain == grain && within(ask))
    }

    pub(super) fn begin(&mut self, ask: Ask, at: Local) {
        self.open = Some(Box::new(ask));
        self.offered = None;
        self.made.retain(|made| at.saturating_sub(*made) < HOUR);
        if self.made.len() >= ASKED_MAX {
            self.made.remove(0);
        }
        self.made.push(at);
    }

    /// Takes the end of the request `id`, if it is the open one.
    pub(super) fn end(&mut self, id: &str, outcome: Outcome, at: Local, settings: &Settings) -> Option<Ask> {
        let ask = *self.open.take_if(|ask| ask.id == id)?;
        self.ended = at;
        match outcome {
            Outcome::Done | Outcome::NoData => (self.failures, self.rest_until) = (0, 0),
            Outcome::Refused
            | Outcome::Failed
            | Outcome::NoAnswer
            | Outcome::TimedOut
            | Outcome::Expired
            | Outcome::Unconfirmed
            | Outcome::Withdrawn
            | Outcome::Cancelled
            | Outcome::Unregistered => {
                self.failures = self.failures.saturating_add(1);
                self.rest_until = at.saturating_add(settings.back_off(self.failures));
            }
        }
        Some(ask)
    }

    /// A request whose end is an hour overdue: it will not be told any more.
    pub(super) fn expire_request(&mut self, now: Local, settings: &Settings) -> Option<Ask> {
        let id = self.open.as_ref().filter(|ask| ask.expires.saturating_add(HOUR) < now)?.id.clone();
        self.end(&id, Outcome::Expired, now, settings)
    }

    /// Whether the station may be asked now.
    pub(super) fn is_free(&self, now: Local, online_since: Local, settings: &Settings) -> bool {
        let past = |since: Local, duration| now >= since.saturating_add(seconds(duration));
        let made = self.made.iter().filter(|made| now.saturating_sub(**made) < HOUR).count();
        self.open.is_none()
            && !self.is_offered(now)
            && past(online_since, settings.settle)
            && self.is_quiet(now, settings)
            // Both ends are cut to whole seconds: one more, so that the pause is never shorter than set.
            && now > self.ended.saturating_add(seconds(settings.pause))
            && now >= self.rest_until
            && made < usize::from(settings.asks_per_hour).min(ASKED_MAX)
            && settings.window.holds(now)
    }

    /// Whether the station is not uploading old records by itself.
    pub(super) fn is_quiet(&self, now: Local, settings: &Settings) -> bool {
        now >= self.reuploading.saturating_add(seconds(settings.quiet))
    }

    /// Whether a plan was made a moment ago.
    pub(super) fn is_offered(&self, now: Local) -> bool {
        self.offered.is_some_and(|(_, _, at)| now < at.saturating_add(OFFER_MAX))
    }

    pub(super) fn offer(&mut self, grain: Grain, begin: Local, now: Local) {
        self.offered = Some((grain, begin, now));
    }

    /// What was planned within the last hour and not taken: something else may be.
    pub(super) fn passed_over(&self, now: Local) -> Option<(Grain, Local)> {
        let (grain, begin, at) = self.offered?;
        (now.saturating_sub(at) < HOUR).then_some((grain, begin))
    }
}
