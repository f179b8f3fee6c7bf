//! Scorecards (评分卡): what a station, and whoever keeps it, did in a natural month.
//!
//! # What must stay true
//!
//! 1. **A figure is kept as its pairs**: numerator and denominator, never a quotient. What is said of a company, a county, a city is the sum of pairs, and
//!    every value stands beside the pairs that it was computed of.
//! 2. What a measure is called, which pairs it is made of, its clause and certainty, and the grades are data (`config/scores`).
//! 3. Time in which the source was out of service is owed by nobody, nor is what the gateway itself did not take.
//! 4. Pure: the same calls in the same order give the same cards, byte for byte, also over a checkpoint in between.
//! 5. A month is provisional until [`SETTLED_ON`] of the next one, settled then, and revised when something changes afterwards, as long as it is kept.
//! 6. Bounds: [`MONTHS_KEPT`] months of a station, [`FAULTS_MAX`] faults that are not over, [`TOUCHED_MAX`] days to be computed again.
//!
//! Time is an argument, effects are return values.

#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::print_stdout, clippy::wildcard_enum_match_arm, reason = "tests speak plainly")
)]

mod asked;
mod card;
mod companies;
mod day;
mod faults;
mod month;
mod rules;
mod station;
#[cfg(test)]
mod tests;

pub use asked::{HourSeen, HoursOf, ScoresAsked};
pub use card::{Pair, ScoreCard, ScorePart};
pub use companies::CompanyScores;
pub use month::MonthNumber;
pub use rules::{BUILT_IN, GradeOf, ScoreGrade, ScoreMeasure, ScoreRules, ScoreUnit, built_in_texts};
pub use station::{ScoreCount, ScoreStage, ScoreTold, StationScores};

/// Months of a station that are kept: the one that goes on and the one before.
pub const MONTHS_KEPT: usize = 2;
/// Faults of a station that are not over, at most; one more, and the oldest is counted as one that was not repaired in time.
pub const FAULTS_MAX: usize = 64;
/// Days that are computed again at the next look, at most: those that are kept.
pub const TOUCHED_MAX: usize = 64;
/// The day of the next month from which on a month is settled.
pub const SETTLED_ON: i32 = 5;
/// A retained card is cleared at the broker so many months after its month.
pub const RETAINED_MONTHS: i32 = 13;
