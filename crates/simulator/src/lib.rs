//! Software stations that behave like real HJ 212 loggers, for demonstrations, load and crash tests.
//!
//! ```text
//! options ─► fleet: who ─► station: what to say when (pure) ─► wire: as it goes out, sealed,   ─► connection: the socket
//! behaviour                    ▲   agenda: which record is due        with its faults                   │
//!                            │   upload, values, rarities, factors: what stands in it                 │
//!                            │   obey: what a command means here (orders: the table of commands)      │
//!                            │   command_tasks: what is said and done to it; history: what was              ▼
//!                            └──────────────────────────── codec ◄─────────────────────────── the gateway's answers and commands
//!            run, shared: the fleet's life, the ledger, the tally, the log of commands       throughput: instead of a logger's day
//!            told_line: what a drill says, on a line like a logger's
//! ```
//!
//! What must stay true:
//! * a station deletes a record only when its answer has come, like a logger (HJ 212-2017, 6.2): one packet in flight, ten
//!   seconds, three re-sends of the same packet, a new connection, and re-upload of what was kept, newest first (HJ 212-2025, 8.1.2 and 8.2.2);
//! * the ledger holds a frame only after its answer arrived, and holds it before it counts, so that what it says can be compared
//!   with what a gateway published, whoever was killed when;
//! * values, faults and the fleet follow from the seed; DataTime is never in the future (unless a clock is off on purpose);
//! * a command with a QN that was heard before is answered again and not carried out again; a station's history is the same
//!   whenever it is asked, and the same as what it uploaded;
//! * the station's judgement is pure: time is an argument, so its tests wait for nothing.
//!
//! # Decisions
//!
//! * Records are not stored as text but made again from the seed: 5,000 stations that keep 1,000 records each need 200 MB less.
//! * QN shows the wall clock and DataTime the simulated one. A compressed day looks like late uploads, which gateways know, and
//!   not like a wrong clock, which is a fault of its own here.
//! * 2005 uploads carry no QN, as the field does it; their answers are matched by the CN inside CP.
//! * Chance is our own twenty lines: fixtures must not change with a library's version.
//! * What a station does wrong with commands is a fault like the others: drawn for each command, named in `--faults`.
//! * History is not stored either: a span is walked and each record made from the seed. A year of it would cost nothing.
//! * The packet in flight is kept as bytes: a clock, a password or a key that changes meanwhile does not change what is sent again.
//! * A new key is used from the packet after the 9012 that confirms it (HJ 212-2025 leaves the moment open).

#![cfg_attr(test, allow(clippy::print_stdout, clippy::wildcard_enum_match_arm, reason = "tests speak plainly"))]

mod agenda;
mod clock;
pub mod codec;
mod command_state;
mod command_tasks;
pub mod commands;
mod connection;
mod error;
mod factors;
pub mod faults;
pub mod fleet;
mod flight;
mod history;
mod ledger;
mod obey;
pub mod options;
mod orders;
mod rarities;
mod recorded;
mod run;
mod seeded_random;
mod shared;
mod station;
pub mod station_behaviour;
mod subject;
mod tally;
mod throughput;
mod told_line;
mod upload;
mod values;
mod wire;
mod words;

pub use commands::{Change, CommandLog, Event, What};
pub use error::SimError;
pub use faults::{Fault, Faults, FaultsError};
pub use fleet::{Profile, key_text, keys, profile, stations_toml};
pub use ledger::LedgerError;
pub use options::{OptionError, Options, Rate};
pub use recorded::{recorded_day, recorded_day_of};
pub use run::{Simulation, run, start};
pub use station_behaviour::{Outage, SealForm, StationBehaviour};
pub use subject::Subject;
pub use tally::{AnswerTimes, Counts, PerKind, Progress, Summary};
pub use told_line::{LineError, ToldLine};
pub use upload::Kind;
