//! Marks (标记): what a reading is worth, by which rule, and who says so.
//!
//! Rules are data (`config/marking/*.toml`, described in `docs/marking.md`): the engine knows no code and no mark by name. A [`RuleBook`] is all
//! rules; a [`Plan`] those of one station; [`Marks`] what is remembered of it. The station's own words are never altered: marks, proposals and
//! judgements stand beside them, with rule, version, inputs and thresholds.
//!
//! What must stay true:
//! * pure: the same observations, ticks and entries in the same order give the same verdicts, also over a snapshot in between;
//! * a rule may set a mark that says what a device does; a mark that would exempt or exclude is only proposed until an entry confirms it;
//! * memory per station is bounded: [`CODES_MAX`], [`SPANS_MAX`], [`KEPT`], [`ENTRIES_MAX`], [`ENTRIES_ENDED_MAX`], [`ENTRY_IDS_MAX`],
//!   [`COUNTERS_MAX`], [`RUNS_MAX`], [`CONTRARY_MAX`]; what people entered is never pushed out by what devices do, and what a bound takes
//!   before its time is told (`marks-forgotten`);
//! * a rule file with a mistake changes nothing, and neither does an entry with one.
//!
//! # Decisions
//! * Conditions are three-valued. What is not known begins nothing, and ends a mark only after a day of it (the truth table: `condition.rs`).
//! * Only the finest kind of data of a code drives its rules; coarser and late reports are judged and drive nothing.
//! * The first of these that a mark on a reading has is its validity: excluded, missing, invalid, exempt, conditional, valid (`effect.rs`).
//! * A period is judged by its own flag, by marks over it, and by its finer values: whether its mean is valid, and whether its flag is
//!   right, are two questions with two rules (`period.rs`).
//! * Time that marks of one limit share counts once, in the order of time, whenever it was entered. Proposals count nothing.
//! * After its deadline a day is closed: what had effect in it keeps it, what is entered for it has none, and both are kept.

#![cfg_attr(test, allow(clippy::print_stdout, clippy::wildcard_enum_match_arm, reason = "tests speak plainly"))]

mod again;
mod asked;
mod authority;
mod back;
mod basis;
mod belated;
mod calendar;
mod changed;
mod condition;
mod conflict;
mod count;
mod decision;
mod effect;
mod elsewhere;
mod emission;
mod engine;
mod entry;
mod episode;
mod exceedance;
mod explain;
pub mod expr;
mod given;
mod late;
mod limit;
mod load;
mod mark;
mod memory;
mod occasion;
mod overlap;
mod pace;
mod paces;
mod past;
mod period;
mod plan;
mod publish;
mod published;
mod refusal;
mod replay;
mod require;
mod revise;
mod revision;
mod rules;
mod ruling;
mod shared;
mod source;
mod spans;
mod state;
mod sweep;
mod tally;
#[cfg(test)]
mod tests;
mod tracks;
mod verdict;
mod weight;
mod working;
mod wrong;

pub use changed::{Changed, Nothing, Works};
pub use decision::{Decision, Role};
pub use entry::Answer;
pub use explain::{Words, explain, explain_as, in_words, of_shared};
pub use load::{BUILT_IN, built_in_texts};
pub use memory::REMEMBERED_BYTES_MAX;
pub use memory::{ENTRIES_BYTES_MAX, ENTRIES_ENDED_MAX, ENTRY_IDS_MAX, EPISODES_MAX, RULINGS_MAX, SPANS_KEPT};
pub use occasion::OCCASIONS_MAX;
pub use paces::{PaceOf, Paces};
pub use period::KEPT;
pub use plan::{Plan, PlannedRules, WATER_BODY, unknown_names};
pub use require::BREAKS_MAX;
pub use revise::REVISED_MAX;
pub use revision::{Cause, Revised, Revision};
pub use rules::*;
pub use ruling::Ruling;
pub use source::Source;
pub use state::*;
pub use tracks::SPANS_MAX;
pub use verdict::{ConflictFound, FlagCheck, Happening, Judged, MarkVerdict, Observation, Reading, Recomputed, SWEEP};
pub use working::Working;
