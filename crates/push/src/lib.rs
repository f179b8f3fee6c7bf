//! Push: events and alerts to people and systems beside MQTT.
//!
//! # What must stay true
//!
//! 1. Nothing here can delay the uplink. What is pushed is what the uplink publishes, interpreted from the journal once: a message is offered to the
//!    queues when it is handed to the broker ([`Queue::put`] waits for nothing), and sent and kept on disk by tasks of their own.
//! 2. A message is in a queue that is on disk before the cursor on disk moves past its record; it leaves the queue when the other side has said
//!    yes, or was told and counted as given up. After a crash some are sent twice, with the same id.
//! 3. A request goes to the host that is configured and to no other: redirects are not followed, and of an answer at most [`ANSWER_MAX`] bytes are
//!    read.
//! 4. Whatever a server does (silence, refusals, endless answers), an attempt ends after [`ATTEMPT_MAX`]; what is tried again waits longer each
//!    time, up to [`WAIT_MAX`]; no more than `per_minute` attempts are made.
//! 5. No secret is logged or shown: addresses of robots are secrets, too.
//!
//! [`queue`], the filter ([`Sink::wants`]) and [`form`] are pure: time is an argument. [`send`] talks.

#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::print_stdout, clippy::wildcard_enum_match_arm, reason = "tests speak plainly")
)]

mod address;
pub mod form;
mod names;
pub mod queue;
pub mod send;
mod settings;
mod words;

#[cfg(test)]
mod tests;

use std::time::Duration;

pub use names::{Nameless, Names, StationName};
pub use queue::{Item, Queue};
pub use settings::{Kind, Mail, MessageFacts, Settings, Sink, Wrong};
pub use words::kind_zh;

/// The kind of messages that only try a sink.
pub const TEST_KIND: &str = "test";
/// The most that is read of an answer.
pub const ANSWER_MAX: usize = 64 * 1024;
/// How long one attempt may take, from the name's resolution to the end of the answer.
pub const ATTEMPT_MAX: Duration = Duration::from_secs(15);
/// The longest wait between two attempts, milliseconds.
pub const WAIT_MAX: i64 = 10 * 60 * 1000;
/// The first wait.
pub const WAIT_MIN: i64 = 1000;
/// A message that the other side refuses so often for itself (4xx but 408, 425 and 429) is given up.
pub const REFUSALS_MAX: u32 = 5;
/// Sinks at most: each may take [`QUEUE_BYTES_MAX`] of memory and three times that of disk.
pub const SINKS_MAX: usize = 16;
/// The longest message that is pushed, bytes.
pub const ITEM_BYTES_MAX: usize = 1 << 20;
/// Messages that may wait for one sink.
pub const QUEUE_MAX: usize = 10_000;
/// And their bytes.
pub const QUEUE_BYTES_MAX: usize = 16 << 20;
/// Ids of messages that went out, remembered so that none goes twice.
pub const RECENT_MAX: usize = 4096;
