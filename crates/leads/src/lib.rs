//! Leads (线索): what an inspector should look at in what a station says, and when it says it.
//!
//! A lead says "look here", with its numbers, where they stand in the journal, and what was taken into account against a false alarm. It is no finding:
//! no text of this crate says what anybody did or meant.
//!
//! What must stay true:
//! * pure: the same values, marks and times in the same order give the same leads, byte for byte, also over a snapshot in between; nothing is a float;
//! * values are taken as the station said them, before marks; while a source is out of service only those detectors look that are about marks;
//! * each detector is one file in `detectors` and one line in its [`TABLE`]; its numbers are data (`config/leads`), each row with clause and certainty;
//! * one lead a detector, factor and day: what is found again is added to it, and what was ruled about is not raised again;
//! * memory of a station is bounded: [`TRACKS_MAX`] factors, [`OPEN_MAX`] open leads, [`RULED_MAX`] ruled ones, [`RUNS_MAX`] runs above a limit,
//!   [`INPUTS_MAX`] inputs of a lead; an open lead that has to make room is told (`forgotten`).
//!
//! # Decisions
//! * Only factors with an emission limit are looked at. Which limits hold is looked up once a day and factor.
//! * A lead of a day over which people marked the source as out of service is taken back when the entries of that day are closed.

#![cfg_attr(test, allow(clippy::print_stdout, clippy::wildcard_enum_match_arm, reason = "tests speak plainly"))]

mod amount;
mod asked;
mod cap;
mod detectors;
mod finding;
mod lead;
mod leads;
mod rules;
mod seen;
mod table;
#[cfg(test)]
mod tests;
mod track;
mod words;

pub use asked::{ByHand, FlagSeen, MarksAsked, WorkSeen};
pub use finding::{Finding, LeadInput};
pub use lead::{Lead, LeadEffect, LeadEnd};
pub use leads::Leads;
pub use rules::{BUILT_IN, LeadRules, built_in_texts};
pub use seen::{ConflictSeen, LeadGrain, Pulse, RecordSeen, ValueSeen};
pub use table::{Detector, TABLE};

/// Factors of one station that are looked at, at most: as many as an outlet can have limits.
pub const TRACKS_MAX: usize = 24;
/// Open leads of one station, at most: one more, and the oldest of the lowest rank makes room.
pub const OPEN_MAX: usize = 64;
/// Leads of one station that were ruled about and are not raised again, at most.
pub const RULED_MAX: usize = 64;
/// Runs of hours above a limit that are remembered of a factor, at most.
pub const RUNS_MAX: usize = 64;
/// Inputs that a lead names, at most: the first ones and the latest.
pub const INPUTS_MAX: usize = 8;
