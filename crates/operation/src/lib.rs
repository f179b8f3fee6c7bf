//! The electronic ledger (电子台账) of operation companies: what was done at a station, by whom, when, with what before and after.
//!
//! # What must stay true
//!
//! 1. An entry counts once: the same again is answered the same, another under its id is refused.
//! 2. Nothing is deleted. An entry is withdrawn by a later one that names it; both stay in the journal, and what was withdrawn is told as withdrawn.
//! 3. A company enters for the stations that are registered for it alone; it withdraws its own entries alone.
//! 4. Everything follows from entries and the registration in the order of the journal: the same journal gives the same ledger.
//! 5. Bounds: [`ENTRY_MAX`] bytes an entry, [`ENTRIES_MAX`] entries of one station within [`KEPT`]. Beyond them an entry is refused (`too-many`); what is
//!    in the journal stays there.
//!
//! What is kept here of an entry is what others look at ([`WorkDone`]); its text stands in the journal. Time is an argument, effects are return values.

#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::print_stdout, clippy::wildcard_enum_match_arm, reason = "tests speak plainly")
)]

mod entry;
mod ledger;
#[cfg(test)]
mod tests;
mod work;

pub use entry::{Company, WorkRefusal, WorkWritten, read as read_entry};
pub use ledger::{WorkAnswer, WorkDone, WorkLedger};
pub use work::{WorkKind, WorkRole};

/// The longest entry, bytes.
pub const ENTRY_MAX: usize = 16 * 1024;
/// Entries of one station that are remembered, at most.
pub const ENTRIES_MAX: usize = 256;
/// How long an entry is remembered after it came, microseconds: 62 days, so that the month before is whole when it is closed. Later its id is free
/// again, and it can no longer be withdrawn.
pub const KEPT: i64 = 62 * 86_400 * 1_000_000;
/// The longest work that one entry tells of, microseconds: 31 days.
pub const WORK_MAX: i64 = 31 * 86_400 * 1_000_000;
/// So far ahead of its arrival work may begin or end: clocks of people differ. Microseconds: 10 minutes.
pub const AHEAD_MAX: i64 = 600 * 1_000_000;
