//! Commands as conversations, and what must hold whatever happens between two of their steps.

mod annex;
mod arrival;
mod changes;
mod clocks;
mod dialogue;
mod exchanges;
mod former;
mod generated;
mod hostile;
mod keys;
mod requests;
mod rotation;
mod stage;
mod trust;
mod watch;
