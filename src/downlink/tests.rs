//! Commands as conversations, and what must hold whatever happens between two of their steps.

mod dialogue;
mod generated;
mod hostile;
mod keys;
mod stage;
mod watch;
