//! Alerts in four colours (蓝黄橙红): what a run of days comes to, by rules that are data.
//!
//! What must stay true:
//! * one open alert an outlet and factor: a worse day raises it, none makes a second one;
//! * what is open is a function of the days that are remembered, not of the order in which they were settled: a day that is revised raises,
//!   lowers or ends its alert as if it had been so from the beginning;
//! * no alert vanishes: each end is published once, with why (`settled-met`, `revised`, `met-again`, `rules-changed`), before what is
//!   retained is cleared;
//! * who is told of an alert whose thresholds are placeholders reads that first;
//! * bounded: an alert a factor, [`DAYS_SHOWN`] days in each.

mod rules;
mod state;
mod words;

pub use rules::{BUILT_IN, Colour, Pre, Rules, Task, WAIVER, Within, built_in_texts};
pub(super) use state::DayResult;
pub use state::{Alert, Alerts, DAYS_SHOWN};
