//! The stations' connections: listeners, one task a connection, limits.
//!
//! ```text
//! socket ─► scan ─► header ─► session::judge ─► journal (fsync) ─► receipt ─► answer
//!             │                     │
//!             └─ no frame           └─ refused: kept as rejected, never answered
//! ```
//!
//! What must stay true:
//! * an answer is written only after the journal has settled its record with `Ok`, and answers leave in the order of their frames;
//! * the accept loop never ends while the listener stands; at a limit the newcomer is refused, not a station that is there; noise of
//!   others never shuts a newcomer out;
//! * one connection's memory is bounded (unfinished frame, frames on their way to disk, stations), whatever the peer does; an idle
//!   connection owns no buffer;
//! * whatever is heard is in the journal or counted by name. The equation (with the gauge `in_flight`):
//!   `frames_heard = frames_answered + frames_unasked + frames_rejected + frames_unstored + answers_undelivered + in_flight`;
//! * PW is never logged.
//!
//! # Limits
//!
//! Every limit is a setting of [`Settings`], with its counter:
//!
//! | limit | reached | counter |
//! |---|---|---|
//! | `connections_max`, or what the process's descriptors allow | who has been silent longest and never brought an accepted frame is closed, else the newcomer | `connections_gave_way`, `connections_refused_max` |
//! | `handshake_max` | a PROXY header or a TLS handshake that is not done by then: the connection is closed | `connections_unproxied`, `connections_untls` |
//! | `connections_per_block_max` | the newcomer is closed at once | `connections_refused_block` |
//! | `in_flight_max` | the connection is not read until the disk has caught up (the TCP window closes) | |
//! | `partial_max` | what is there is decided upon and kept as rejected; if a frame began in it, the connection is closed | `connections_partial` |
//! | `unheard_max`, `idle_max` | the connection is closed | `connections_idle` |
//! | `segment_max` | the bytes are rejected as `too-long`, scanning goes on behind the next `##` | `rejected{too-long}` |
//! | `noise_max` | the connection is closed | `connections_noisy` |
//! | `rejected_per_minute` | more of the same address block is counted and not kept | `rejected_unkept` |
//! | `rejected_total_per_minute`, `rejected_bytes_per_minute` | the same in all, but of blocks from which a station spoke | `rejected_unkept` |
//! | `station_frames_per_minute` | the connection is not read for as long as the station is ahead | `stations_slowed` |
//! | `stations_per_connection_max` | further stations are kept and answered, but not placed (no presence, no commands) | `stations_unplaced` |
//! | `write_max` | the connection is closed, its answers are lost; the station sends again | `answers_undelivered` |
//!
//! The downlink listens through [`notice_channel`]: frames told and not yet listened to are bounded by [`HEARD_MAX`] (`downlink_missed`), frames to one
//! peer by [`OUTGOING_MAX`] (`downlink_unposted`).
//!
//! # Decisions
//!
//! * A pause is not an end. After `pause` without bytes, and once a `pause` while bytes keep coming, what is in the buffer is looked at as
//!   if nothing more came. All up to the last finished frame is decided upon; what stands behind it may be the beginning of a frame on a
//!   slow link and waits for `partial_max`. A frame is finished if its check is right or wrong in a known way, or if it ends plainly. So
//!   no good frame waits behind a bad one longer than one pause, and no session is closed for a wrong length.
//! * Bytes in which no frame begins (a modem's signs of life) are kept as rejected after `partial_max`, and close nothing; `noise_max` does.
//! * Rejected frames have no place in the order of answers and are not waited for.
//! * If the journal refuses a frame, its station is taken off its place, so that the next frame announces it again.

mod blocks;
mod bucket;
mod connection;
mod front;
mod listener;
mod listener_state;
mod locked;
mod notices;
mod proxy;
mod secure;
mod settings;
mod silent;
mod to_journal;
mod wire_log;

#[cfg(test)]
mod dialogues;
#[cfg(test)]
mod tests;

pub use blocks::Unkept;
pub use listener::{bind, serve};
pub use listener_state::{Keys, ListenerState};
pub use notices::{
    HEARD_MAX, NoticeReceiver, NoticeSender, OUTGOING_MAX, OutgoingFrame, OutgoingFrames, StationNotice, Stored,
    notice_channel,
};
pub use secure::{Certificates, ExtraListener, ListenerMode};
pub use settings::{Places, Settings};
pub use to_journal::StoredNotice;
pub use wire_log::{Direction, WIRE_MAX, WIRES_MAX, WireLog, WireLogFull};
