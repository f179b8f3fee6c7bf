//! A gateway for HJ 212 data loggers.
//!
//! Stations speak HJ 212 over TCP; what they say is kept in a [`journal`] before it is answered, then interpreted and published
//! to MQTT. Nothing acknowledged is ever lost.
//!
//! The rooms, from the ground up; a room uses rooms on lower floors only (a test reads the `use` lines):
//!
//! | floor | rooms | |
//! |---|---|---|
//! | 0 | [`protocol`] | bytes to packets and back |
//! | 1 | [`message`], [`telemetry`] | what packets mean; what happens, counted |
//! | 2 | [`registry`], [`session`], [`marking`], [`interpret`], [`board`], [`downlink`], [`coverage`] | judgement: no I/O, no clock |
//! | 3 | [`journal`], [`certificates`], [`explain`] | the truth on disk; what TLS needs from files; what is pasted at the commissioning desk |
//! | 4 | [`net`], [`mqtt`], [`http`], [`sim`], `broker` (feature `demo`) | the doors; they never see each other |
//! | 5 | [`config`], [`gateway`] | wiring and lifetimes |
//! | 6 | [`cli`] | arguments, exit codes |

#![cfg_attr(test, allow(clippy::print_stdout, clippy::wildcard_enum_match_arm, reason = "tests speak plainly"))]

pub mod board;
#[cfg(any(test, feature = "demo"))]
pub mod broker;
pub mod certificates;
pub mod cli;
pub mod clock;
pub mod config;
pub mod coverage;
pub mod downlink;
pub mod explain;
pub mod gateway;
pub mod http;
pub mod interpret;
pub mod journal;
pub mod marking;
pub mod message;
pub mod mqtt;
pub mod net;
pub mod protocol;
pub mod registry;
pub mod session;
pub mod settings;
pub mod sim;
pub mod telemetry;
