//! Drills (实战演练): accidents and falsifications that are played against a gateway, and the sheet that says what of them was found.
//!
//! ```text
//! read: a drill file ─► Drill ─► course: conditions ─► plant ─► instrument      what each instrument shows, minute by minute
//!                         │         └─► records ─► falsified ─► script          what each station says, in which order, and when its line is down
//!                         ├─► registry                                          the rows that the gateway needs
//!                         └─► watch: messages of the broker ─► sheet            what was to be found, when it happened, when it was found
//! ```
//!
//! What must stay true:
//! * pure: no socket, no clock, no file. The same drill with the same seed says the same bytes;
//! * what a plant gives off balances: what goes in comes out, is taken out by treatment, or is still in the tank (tested);
//! * a record's min ≤ avg ≤ max; hours and days are means of the minutes as they were said;
//! * a drill file with a mistake is refused as a whole: each mistake with file, line, value and remedy, Chinese and English;
//! * the sheet counts a message once, and never as found what came outside of its time.
//!
//! # Decisions
//! * Minutes are the smallest time. What is shorter shows in no record.
//! * Plants are worked out ahead, in steps of a minute, with `+ - * /` alone: the digits are the same on every machine.
//! * When something was found is told by the message's own time where it has one (`data_time`, `since`, `time`): that does not depend on how busy the
//!   machine is. What has none of the drill's days counts by the drill's clock when it was heard.
//! * Falsified values are those of records, not of the plant: the river below still carries what was really let out.

#![cfg_attr(test, allow(clippy::print_stdout, clippy::wildcard_enum_match_arm, reason = "tests speak plainly"))]

mod bilingual;
mod built_in;
mod conditions;
mod course;
mod drill;
mod falsified;
mod instrument;
mod noise;
mod plant;
mod problem;
mod read;
mod records;
mod registry;
mod rows;
mod script;
mod sheet;
mod sheet_html;
mod sheet_text;
mod span;
#[cfg(test)]
mod tests;
mod wanted;
mod watch;

pub use bilingual::Bilingual;
pub use built_in::{BUILT_IN, built_in};
pub use course::{PlantCourse, course};
pub use drill::{Drill, DrillEvent, DrillEventKind, DrillStation, OutletLimit, PlantKind};
pub use plant::PlantMoment;
pub use problem::DrillProblem;
pub use read::read;
pub use registry::PASSWORD;
pub use registry::{needed, stations_toml};
pub use script::{LineStep, StepKind, last_minutes, script};
pub use sheet::{ScoreSheet, SheetEvent, SheetMark, SheetRow};
pub use span::{begins, drill_time};
pub use wanted::{Expected, Finder, Member, MemberTest};
pub use watch::{DrillWatch, Playing};

/// The longest drill, minutes: three days.
pub const LENGTH_MAX: i64 = 3 * 24 * 60;
/// Stations of a drill, at most.
pub const STATIONS_MAX: usize = 16;
/// Events of a drill, at most.
pub const EVENTS_MAX: usize = 256;
/// Expectations of a drill, at most.
pub const EXPECTS_MAX: usize = 64;
/// Factors of a station with a limit, at most: as many as the gateway registers.
pub const LIMITS_MAX: usize = 24;
