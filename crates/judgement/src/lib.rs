//! Judgement (判定): what an outlet's hours and days come to, whether they met their emission limits, and the alerts that follow.
//!
//! Marks say what a reading is worth ([`hj212_marking`]); here follows what that means for a limit. Three values stand side by side and none
//! takes the place of another: what the logger **reported** (`reported`), the mean of what is valid (`marked`), and the mean of what is also
//! neither exempt nor excluded (`exempt`), which is the one that is compared with the limit.
//!
//! What must stay true:
//! * pure: the same hours, worths and times in the same order give the same outcomes, byte for byte, also over a snapshot in between; what a
//!   day comes to does not depend on the order in which its hours and entries came, only on what was known when its entries closed;
//! * a value is never altered: it is rounded (GB/T 8170) for the comparison alone, and sums are exact;
//! * a mean that the text does not call effective is `null`, with the reason; a person decides where texts differ (`left-to-people`);
//! * memory is bounded: [`DAYS_KEPT`] days of [`TRACKS_MAX`] factors, [`FURNACES_MAX`] furnaces; what falls out of it is told
//!   (`judgement-forgotten`);
//! * which limits, colours, ratios and times hold is data (registration, `config/limits`, `config/alerts`); a rule file with a mistake
//!   changes nothing.
//!
//! # Decisions
//! * An hour is worth what was published of it (`validity` of its data message, and every `validity/hour` since): one truth for both.
//! * `conditional` hours wait for people. A day is decided all the same where every ruling about them leads to the same outcome.
//! * A mean that is too short only because hours are exempt or excluded is left to people: annex D of HJ 212-2017 names 20 hours of the whole
//!   day, platforms count otherwise (the same reading as in `docs/marking.md`).
//! * The value that is compared is the rounded one; `ratio` is that of the compared value, so it is above 1 if and only if the limit is exceeded.
//! * A day is `provisional` until its entries are closed, then `settled`; what changes it later is a `revision`.

#![cfg_attr(test, allow(clippy::print_stdout, clippy::wildcard_enum_match_arm, reason = "tests speak plainly"))]

pub mod alerts;
mod asked;
pub mod calendar;
mod day;
mod days;
mod decimal;
mod furnace;
mod history;
mod hour;
mod limits;
mod outcome;
mod outlet;
mod running;
mod said;
mod settings;
#[cfg(test)]
mod tests;
mod words;

pub use asked::Asked;
pub use day::{DayJudged, Hours, Reason};
pub use days::DAYS_KEPT;
pub use decimal::{Decimal, Ratio};
pub use furnace::{FURNACES_MAX, Windows};
pub use history::{Cell, RevisedBy, Stage, TRACKS_MAX};
pub use hour::HourJudged;
pub use limits::FLOW;
pub use limits::{Basis, Limit, Limits, Period};
pub use outcome::Outcome;
pub use outlet::{Heard, Held, Mean, Outcomes, Outlet, Picture};
pub use running::{Possible, Running};
pub use said::{METHOD, Raised, Said, What};
pub use settings::Settings;
pub use words::Words;
