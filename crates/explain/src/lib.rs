//! The commissioning desk: what people paste becomes bytes as they were on the wire, and what is wrong with a frame becomes what to change.
//! No I/O and no clock.
//!
//! What must stay true: bytes that hold a frame as they are, are left as they are; a form is believed only if it gives more frames than
//! the bytes without it; the work is bounded by [`PASTE_MAX`] and a few forms on top of each other.

#![cfg_attr(test, allow(clippy::print_stdout, clippy::wildcard_enum_match_arm, reason = "tests speak plainly"))]

mod advice;
mod bare;
mod desk;
mod paste;
mod seal;

pub use advice::{Advice, advice};
pub use bare::step;
pub use desk::{Begun, Change, Desk, Explained, Mistake, Packet, PartOf, Refusal, Told};
pub use paste::{Form, PASTE_MAX, Paste, read};
pub use seal::Sealed;

#[cfg(test)]
mod tests;
