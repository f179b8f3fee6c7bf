//! A gateway for HJ 212 data loggers.
//!
//! Stations speak HJ 212 over TCP; what they say is kept in a journal before it is answered, then interpreted and published to
//! MQTT. Nothing acknowledged is ever lost.
//!
//! What decides and calculates stands in crates beside this one, each usable alone; this crate is the daemon: sockets, wiring,
//! lifetimes, the command line. `docs/architecture.md` has the picture: what each crate and module is for, and what it may use.

#![cfg_attr(test, allow(clippy::print_stdout, clippy::wildcard_enum_match_arm, reason = "tests speak plainly"))]

pub mod board;
pub mod cli;
pub mod config;
pub mod gateway;
pub mod http;
pub mod net;
