//! The packet that is out: what it is, what is said of it, and what answers it.

use std::time::Duration;

use super::faults::FaultSet;
use super::fleet::Profile;
use super::upload::{Kind, Upload};
use hj212::sm4::Key;
use hj212::{Edition, Fields, Header};
use hj212_model::message::Timestamp;

/// The packet that waits for its answer.
#[derive(Debug, Clone)]
pub(super) struct Flight {
    pub(super) upload: Upload,
    /// The packet as it is sent, and sent again: what a command changes meanwhile does not touch it.
    pub(super) segment: Vec<u8>,
    pub(super) key: Option<Key>,
    pub(super) note: Note,
    /// The command_task it belongs to, if it is a packet of history.
    pub(super) command_task: Option<u64>,
    pub(super) first_sent: Duration,
    pub(super) deadline: Duration,
    pub(super) sendings: u32,
}

/// A packet that goes out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sending {
    pub(crate) kind: Kind,
    /// 0 the first time, then how often the packet was sent before.
    pub(crate) resend: u32,
    /// A record from before an outage.
    pub(crate) again: bool,
    /// What its data area is sealed with.
    pub(crate) key: Option<Key>,
    /// The faults of this transmission.
    pub(crate) faults: FaultSet,
    /// The line of the ledger.
    pub(crate) note: Note,
}

/// What the ledger says of a packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Note {
    /// QN as sent; empty for 2005, whose uploads carry none.
    pub(crate) qn: String,
    pub(crate) cn: u16,
    pub(crate) data_time: String,
    /// CRC-32 (ISO-HDLC) of the data segment.
    pub(crate) crc32: u32,
}

impl Flight {
    /// What is said of the packet as it goes out.
    pub(super) fn sending(&self, faults: FaultSet) -> Sending {
        Sending {
            kind: self.upload.kind,
            resend: self.sendings - 1,
            again: self.upload.again,
            key: self.key.clone(),
            faults,
            note: self.note.clone(),
        }
    }
}

/// Whether `header` answers `flight`: by QN since 2017; by CN (or QN) inside CP in 2005, where a bare answer counts too.
pub(super) fn answers(profile: &Profile, flight: &Flight, header: &Header<'_>, fields: &Fields) -> bool {
    if profile.edition != Edition::V2005 {
        return header.qn == Some(flight.note.qn.as_bytes());
    }
    match fields.own(header.area, b"CN") {
        Some(cn) => cn == flight.upload.kind.cn().to_string().as_bytes(),
        None => true,
    }
}

/// What ledgers tell a packet by.
pub(crate) const CRC32: crc::Crc<u32> = crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC);

/// QN as sent.
pub(super) fn qn_text(profile: &Profile, qn: Timestamp) -> String {
    if profile.edition == Edition::V2005 {
        return String::new();
    }
    let mut text = Vec::with_capacity(17);
    super::clock::stamp_millis(&mut text, qn);
    String::from_utf8(text).unwrap_or_default()
}
