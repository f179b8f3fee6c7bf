//! What packets mean: the values that the other crates pass to each other. No I/O.

#![cfg_attr(test, allow(clippy::print_stdout, clippy::wildcard_enum_match_arm, reason = "tests speak plainly"))]

pub mod clock;
pub mod message;
pub mod names;
pub mod registry;
pub mod session;
pub mod settings;
pub mod telemetry;
