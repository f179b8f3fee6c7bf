//! What is to be done with what a station says: kept, refused, answered, and who is where. No I/O and no clock: time is an argument,
//! effects are values.
//!
//! What must stay true: what is refused is never answered; an answer is made here and sent by the connection only after the journal has
//! settled the record; a wrong CRC gets no answer at all.

mod directory;
mod haunts;
mod judge;
mod reply;

pub use directory::{ALTERNATION_WINDOW, ALTERNATIONS, Directory, Move};
pub use haunts::{HAUNTS_MAX, Haunts, Moved, OTHERS_MAX};
pub use judge::{LEARN_AFTER, Learned, Verdict, judge};
pub use reply::Reply;

#[cfg(test)]
mod tests;
