//! Cases (闭环): what becomes of an alert, from the enterprise's signature to the close: 企业整改 → 县区初核 → 市局复核 → 省级跟踪 → 销号.
//!
//! # What must stay true
//!
//! 1. **The table decides** ([`table`]): a step that no row of it allows changes nothing and is refused with its reason. No row leads to `closed`
//!    without the county and, after it, the city having accepted what the enterprise says it has done, since it was last returned.
//! 2. Nobody accepts or closes what he moved himself since it was last returned, whatever role he writes in and however he spells his name ([`hj212_model::names`]).
//! 3. A step counts once: the same again is answered the same, another under its id is refused.
//! 4. Everything follows from steps and time in the order of the journal: the same journal gives the same cases, and a kill between any two steps
//!    loses none.
//! 5. Deadlines and who may close are data (`config/cases`), working days too (`config/holidays`), each with clause and certainty.
//! 6. **A factor of a station has one open case**, and every day that is settled as exceeded is told to it. A case keeps its id and its history until
//!    [`CLOSED_KEPT`] after its end; what comes later has an id of its own.
//! 7. A deadline names the clause that set it ([`Deadline`]); a worse colour gives no more time and none that is past.
//! 8. Bounds: [`OPEN_MAX`] open cases a station, [`CASES_MAX`] in all, [`HISTORY_MAX`] steps told of one case, [`BYTES_MAX`] of texts. Beyond them a
//!    step is refused (`too-many`); what is in the journal stays there.
//!
//! Time is an argument, effects are return values.

#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::print_stdout, clippy::wildcard_enum_match_arm, reason = "tests speak plainly")
)]

mod allowed;
mod case;
mod deadline;
mod machine;
mod rules;
mod step;
pub mod table;
mod view;

#[cfg(test)]
mod tests;

pub use allowed::OfStation;
pub use case::{Case, Law, Taken};
pub use hj212_workdays::WorkDays;
pub use machine::{Answer, Cases, Done, Effect, Exceeded, LeadsNamed, Opening, Place, Told};
pub use rules::{Deadline, Rules, RulesError};
pub use table::{Colour, Role, State, Step};

/// Open cases of one station, at most.
pub const OPEN_MAX: usize = 64;
/// Cases that are remembered, closed ones within [`CLOSED_KEPT`] included.
pub const CASES_MAX: usize = 20_000;
/// The newest steps of a case that are told with it; the journal has all.
pub const HISTORY_MAX: usize = 64;
/// Bytes of texts in all cases.
pub const BYTES_MAX: u64 = 128 << 20;
/// The longest step, bytes.
pub const STEP_MAX: usize = 16 * 1024;
/// How long a closed case stays published, microseconds: 35 days.
pub const CLOSED_KEPT: i64 = 35 * 86_400 * 1_000_000;
