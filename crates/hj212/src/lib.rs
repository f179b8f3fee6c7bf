//! Bytes to packets and back, for HJ/T 212-2005, HJ 212-2017 and HJ 212-2025.
//!
//! The ground floor: no clock, no socket, no file, no allocation in steady state. The road of the bytes is
//! [`scan`] (where does a frame begin and end) → [`crc`] (is it whole) → [`packet`] (the header) → [`area`] (the fields of CP);
//! [`write`](mod@write) is the way back. What is read over on the way is named in [`deviation`].

#![cfg_attr(test, allow(clippy::print_stdout, clippy::wildcard_enum_match_arm, reason = "tests speak plainly"))]

pub mod area;
pub mod crc;
pub mod deviation;
pub mod edition;
#[cfg(any(test, feature = "fixtures"))]
#[doc(hidden)]
pub mod fixtures;
pub mod packet;
pub mod scan;
pub mod seal_form;
mod sealed;
pub mod secret;
pub mod sm4;
pub mod value;
pub mod write;

pub use area::{Field, Fields, tidied};
pub use deviation::{Deviation, Deviations};
pub use edition::Edition;
pub use packet::{Header, PacketFlags, Part};
pub use scan::{Check, Envelope, Fault, FaultReason, Frame, Item, Limits, Peer, Step, Verdict, envelope, scan};
pub use seal_form::SealForm;
pub use sealed::Seal;
