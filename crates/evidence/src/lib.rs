//! Evidence that outlives its keeper: what was in the journal on a day can be shown years later to somebody who trusts neither the disk nor the
//! one who owns it.
//!
//! # What must stay true
//!
//! 1. An **anchor** ([`Anchor`]) binds every record of a span of the journal: its [`tree`] of SHA-256 over all of them, the head of the hash chain,
//!    and the anchor before it; signed with Ed25519 (RFC 8032). Whoever kept an anchor elsewhere knows of any record whether it was there.
//! 2. A **pack** ([`pack`]) shows some records of spans and, of all others, only hashes: enough to compute the tree's root anew. It holds whole
//!    records, so everything shown is checked, passwords in frames included: a pack is as confidential as the journal.
//! 3. **Any changed byte of a pack is found**: the last line has the SHA-256 of everything before it and is itself compared byte for byte.
//! 4. Verification needs the pack alone, no network, no clock; the same rules in 300 lines of Python are in `deploy/verify-evidence.py`.
//! 5. What a pack does not prove is said: that it shows **all** records of a station (hashes hide what they are of), and what came before the first
//!    anchor was signed.
//!
//! Time is an argument, keys are arguments, effects are return values.

#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::print_stdout, clippy::wildcard_enum_match_arm, reason = "tests speak plainly")
)]

pub mod anchor;
pub mod pack;
pub mod tree;
pub mod verify;

#[cfg(test)]
mod tests;

pub use anchor::{Anchor, Signer, is_signed};
pub use verify::{Difference, Report, Trust, verify};

/// SHA-256.
pub type Hash = [u8; 32];

/// Bytes in lower-case hexadecimal.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}

/// 32 bytes of lower-case hexadecimal.
pub(crate) fn unhex(text: &str) -> Option<Hash> {
    data_encoding::HEXLOWER.decode(text.as_bytes()).ok()?.try_into().ok()
}
