//! The downlink: commands to stations as exchanges, pure. Time is an argument, effects are values; whoever calls
//! this carries them out.
//!
//! ```text
//! request ─► Desk::submit ─► Record(queued) ─► recorded ─► Record(sent) ─► recorded ─► Send ─► the station
//!                                                                                                  │
//!            Status ◄─ recorded ◄─ Record(accepted, ended) ◄─────────────── Desk::heard ◄──────────┘
//! ```
//!
//! [`Effect::Record`] asks for a step to be made durable; the caller answers with [`Desk::recorded`], and only then do the bytes and
//! the status documents come that depend on it. What must stay true:
//!
//! * nothing is sent before its step `sent` is durable; sent again, it has the same QN and a higher count;
//! * one exchange at a time for a station, whoever wants it;
//! * what is refused reaches no station and leaves one record;
//! * [`Desk::restore`] over the steps in their order gives a desk that goes on where the last one stopped: a request whose answer was
//!   open is asked again with its resend mark, an accepted one is waited for, a queued one waits;
//! * whatever is waited for is waited for on the steady clock ([`Moment`]); whatever is told is wall time;
//! * nothing is sent to a station before the frame that brought it was looked at ([`Desk::arrive`], [`Desk::heard`], [`Desk::arrived`]);
//! * a change that we ordered of how the station is spoken to (MN, password) is followed ([`Desk::followed`]) until its registration says the
//!   same;
//! * off by default: without a rule in [`Settings::allow`] nobody commands anything.
//!
//! # Decisions
//!
//! * HJ 212 has no mark of a resend on the wire: the same packet with the same QN is the resend. The mark is `count` in the step.
//! * QN is the believed time of sending in milliseconds, or one more than the last one of the desk: unique over all stations, rising, also
//!   over restarts, since the last one is read from the steps. A last one that is more than a day ahead came of a clock that was wrong for long:
//!   QNs go on with the date then, and not behind it for good.
//! * A key that is given is never in a step but its own; a segment holds a place for it.

#![cfg_attr(test, allow(clippy::print_stdout, clippy::wildcard_enum_match_arm, reason = "tests speak plainly"))]

mod answer;
mod clock;
pub mod compact;
mod desk;
pub mod keyfile;
pub mod keys;
mod lane;
mod lanes;
#[cfg(any(test, feature = "fixtures"))]
#[allow(
    missing_docs,
    missing_debug_implementations,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "test equipment"
)]
pub mod logger;
mod moment;
mod refusal;
mod request;
pub mod schema;
mod settings;
mod step;
pub mod table;
#[cfg(test)]
mod tests;
mod used;
mod value;

pub use desk::{Desk, Effect, Followed, Spoken, Tally};
pub use keys::{KeyRing, KeyState, StationKey};
pub use moment::{DateTrust, Moment, Steady};
pub use refusal::{About, Refusal};
pub use request::{Ask, REQUEST_MAX, is_id};
pub use settings::{Allow, Clocks, FirstContact, KeyCare, Link, Policy, Settings};
pub use step::{KeyNotice, Origin, Outcome, Step};
pub use value::AREA_MAX;

use hj212::Edition;

/// When a key was created that says so in 17 digits (SKCreateTime; HJ 212-2025, C.8).
#[must_use]
pub fn created_at(created: &str) -> Option<hj212_model::message::Timestamp> {
    moment::millis(created.as_bytes()).map(|millis| hj212_model::message::Timestamp(millis.saturating_mul(1000)))
}

/// How a station is spoken to.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    /// MN.
    pub mn: String,
    /// The form of the commands.
    pub edition: Edition,
    /// The registered ST; `None`: the one that the station's uploads carry.
    pub st: Option<String>,
    /// The registered PW; `None`: the one that the station's uploads carry.
    pub pw: Option<String>,
    /// The passwords that it was given since, and may use.
    pub other_pws: Vec<String>,
    /// Flag of what is sent to it, if not the edition's.
    pub flag: Option<u8>,
    /// The policy it is registered with.
    pub policy: Option<String>,
}

impl Address {
    /// A station of which no more is registered.
    #[must_use]
    pub fn new(mn: &str, edition: Edition) -> Address {
        Address { mn: mn.to_owned(), edition, st: None, pw: None, other_pws: Vec::new(), flag: None, policy: None }
    }
}

impl std::fmt::Debug for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Address({}, {})", self.mn, self.edition.year())
    }
}
