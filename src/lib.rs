//! A gateway for HJ 212 data loggers.
//!
//! Stations speak HJ 212 over TCP; what they say is kept in a journal before it is answered, then interpreted and published to
//! MQTT. Nothing acknowledged is ever lost.
//!
//! What decides and calculates stands in crates beside this one, each usable alone; this crate is the daemon: sockets, wiring,
//! lifetimes, the command line. A crate or module uses those above it in the table only.
//!
//! | crate, module | what it is for |
//! |---|---|
//! | `hj212` | bytes to packets and back: scan, check, parse, write, encryption; no I/O |
//! | `hj212-model` | records, registrations, publications, time, counters: the values that crates pass to each other |
//! | `hj212-marking`, `hj212-downlink`, `hj212-coverage` | marks; commands; gaps and completeness; no I/O, time is an argument |
//! | `hj212-interpret`, `hj212-explain` | records to publications; what is wrong with a pasted frame |
//! | `hj212-journal`, `hj212-certificates`, `hj212-mqtt` | the durable log; TLS settings from files; the broker |
//! | `hj212-simulator`, `hj212-test-broker` | simulated stations; a small broker for the demo and for tests |
//! | [`board`], [`net`], [`http`] | what the page shows; the stations' connections; the operators' HTTP |
//! | [`config`], [`gateway`] | the configuration file; wiring and lifetimes |
//! | [`cli`] | arguments, exit codes |

#![cfg_attr(test, allow(clippy::print_stdout, clippy::wildcard_enum_match_arm, reason = "tests speak plainly"))]

pub mod board;
pub mod cli;
pub mod config;
pub mod gateway;
pub mod http;
pub mod net;
