//! What is to be done with what a station says: kept, refused, answered, and who is where. No I/O and no clock: time is an argument,
//! effects are values.
//!
//! What must stay true: what is refused is never answered; an answer is made here and sent by the connection only after the journal has
//! settled the record; a wrong CRC gets no answer at all.

mod changed_mn;
mod directory;
mod judge;
mod reply;

pub use changed_mn::{HEARD_ADDRESSES_MAX, HeardAddresses, Moved, Moves, OTHERS_MAX};
pub use directory::{ALTERNATION_WINDOW, ALTERNATIONS, Directory, Move};
pub use judge::{FrameVerdict, LEARN_AFTER, Learned, judge};
pub use reply::Reply;

#[cfg(test)]
mod tests;
