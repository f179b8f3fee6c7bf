//! One station as a state machine: time is an argument, packets are return values, nothing is waited for.
//!
//! ```text
//!            due                 next()                 9014/9013 with its QN
//! agenda ─────────► fresh ───────────────► in flight ─────────────────────────► acknowledged
//!   (connected)       │                    │  ▲  │
//!                     │ connection lost    │  └──┘ no answer in time: the same packet again
//!   (not connected)   ▼                    ▼ resends used up: the connection is given up
//!   ────────────►   kept  ◄────────────────┘
//!                     └─ newest first, paced, new QN, old DataTime, RF=1 in 2025 ──► in flight
//! ```
//!
//! What must stay true: one packet in flight a station; a record leaves only by its answer, or by name when the memory of
//! `keep` records is full (the oldest realtime, state or heartbeat first, then the oldest of all).

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::agenda::{Agenda, Habits};
use super::clock::SECOND;
use super::dice::Dice;
use super::faults::{Fault, FaultSet, Faults, Scope};
use super::fleet::Profile;
use super::upload::{Kind, Upload, data_time, segment};
use super::values::Portion;
use crate::message::Timestamp;
use crate::protocol::{Edition, Fields, Header};

/// The rules that all stations of a run obey.
#[derive(Debug, Clone)]
pub(crate) struct Rules {
    pub(crate) habits: Habits,
    pub(crate) faults: Faults,
    pub(crate) answer_timeout: Duration,
    pub(crate) resends: u32,
    pub(crate) keep: usize,
    pub(crate) pace: Duration,
}

/// A simulated station.
#[derive(Debug)]
pub(crate) struct Station {
    pub(crate) profile: Profile,
    rules: Arc<Rules>,
    agenda: Agenda,
    dice: Dice,
    link: Link,
    fresh: VecDeque<Upload>,
    kept: VecDeque<Upload>,
    flight: Option<Flight>,
    last_qn: Timestamp,
    reupload_at: Duration,
    discarded: u64,
}

/// The station's connection, as the station sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Link {
    /// Not tried yet.
    Awaited,
    Up,
    /// Lost or refused.
    Down,
}

/// The packet that waits for its answer.
#[derive(Debug, Clone)]
struct Flight {
    upload: Upload,
    qn: Timestamp,
    first_sent: Duration,
    deadline: Duration,
    sendings: u32,
    crc32: u32,
}

/// What the station does next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Next {
    /// The segment in the buffer goes out.
    Send(Sending),
    /// Nothing until then, unless an answer comes.
    Wait(Duration),
    /// Nothing any more, unless an answer comes: no record is left and none will be made.
    Done,
    /// The answers have failed to come: the connection is to be closed.
    GiveUp,
}

/// A packet that goes out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sending {
    pub(crate) kind: Kind,
    /// 0 the first time, then how often the packet was sent before.
    pub(crate) resend: u32,
    /// A record from before an outage.
    pub(crate) again: bool,
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

/// What an answer was to the station.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// It acknowledges the packet in flight.
    Acknowledged { kind: Kind, again: bool, answer_time: Duration, note: Note },
    /// It is an answer to nothing that is in flight (a second answer to a packet sent twice, a late one).
    Stray,
    /// It is a command of the host. Stations do not obey commands yet.
    Command,
}

impl Station {
    pub(crate) fn new(profile: Profile, rules: Arc<Rules>, seed: u64) -> Self {
        let mut dice = Dice::new(seed ^ 0x5354_4154, u64::from(profile.number));
        let agenda = Agenda::new(&profile, &rules.habits, &mut dice);
        Station {
            profile,
            rules,
            agenda,
            dice,
            link: Link::Awaited,
            fresh: VecDeque::new(),
            kept: VecDeque::new(),
            flight: None,
            last_qn: Timestamp(0),
            reupload_at: Duration::ZERO,
            discarded: 0,
        }
    }

    /// The connection stands.
    pub(crate) fn connected(&mut self, now: Duration) {
        self.make_due(now);
        self.link = Link::Up;
        self.reupload_at = now + self.rules.pace;
    }

    /// The connection is lost, or could not be made: what was not answered is kept.
    pub(crate) fn disconnected(&mut self, now: Duration) {
        self.make_due(now);
        self.link = Link::Down;
        let unanswered = self.flight.take().map(|flight| flight.upload).into_iter().chain(self.fresh.drain(..));
        // A heartbeat is worth nothing later.
        let unanswered = unanswered.filter(|upload| upload.kind != Kind::Heartbeat);
        self.kept.extend(unanswered.map(|upload| Upload { again: true, ..upload }));
    }

    /// How many packets wait for an answer: 0 or 1.
    pub(crate) fn in_flight(&self) -> u64 {
        u64::from(self.flight.is_some())
    }

    /// How many records wait for an answer or for a connection.
    pub(crate) fn waiting(&self) -> usize {
        self.fresh.len() + self.kept.len() + usize::from(self.flight.is_some())
    }

    /// How many records were thrown away because the memory was full.
    pub(crate) fn discarded(&self) -> u64 {
        self.discarded
    }

    /// Says what to do at `now`. For [`Next::Send`] the data segment stands in `out`.
    pub(crate) fn next(&mut self, now: Duration, out: &mut Vec<u8>) -> Next {
        self.make_due(now);
        if let Some(flight) = &mut self.flight {
            if now < flight.deadline {
                return Next::Wait(flight.deadline);
            }
            if flight.sendings > self.rules.resends {
                return Next::GiveUp;
            }
            flight.deadline = now + self.rules.answer_timeout;
            flight.sendings += 1;
            let (upload, qn, crc32, resend) = (flight.upload, flight.qn, flight.crc32, flight.sendings - 1);
            segment(out, &self.profile, &upload, qn);
            return Next::Send(self.sending(upload, qn, crc32, resend));
        }
        let Some(upload) = self.pick(now) else { return self.rest(now) };
        let qn = self.new_qn(now);
        segment(out, &self.profile, &upload, qn);
        let crc32 = CRC32.checksum(out);
        if !self.profile.quirks.contains(Fault::NoAckWanted) {
            let deadline = now + self.rules.answer_timeout;
            self.flight = Some(Flight { upload, qn, first_sent: now, deadline, sendings: 1, crc32 });
        }
        Next::Send(self.sending(upload, qn, crc32, 0))
    }

    /// Takes note of a frame from the host.
    pub(crate) fn heard(&mut self, now: Duration, header: &Header<'_>, fields: &Fields) -> Meaning {
        if !matches!(header.cn, Some(9013 | 9014 | 9022)) {
            return Meaning::Command;
        }
        let Some(flight) = self.flight.take_if(|flight| answers(&self.profile, flight, header, fields)) else {
            return Meaning::Stray;
        };
        let Flight { upload, qn, first_sent, crc32, .. } = flight;
        if upload.revision == 0
            && self.dice.chance(self.rules.faults.rate(Fault::Revision))
            && !matches!(upload.kind, Kind::Heartbeat | Kind::Log | Kind::Boot | Kind::State)
        {
            self.fresh.push_back(Upload { revision: 1, again: false, ..upload });
        }
        Meaning::Acknowledged {
            kind: upload.kind,
            again: upload.again,
            answer_time: now.saturating_sub(first_sent),
            note: self.note(&upload, qn, crc32),
        }
    }

    fn pick(&mut self, now: Duration) -> Option<Upload> {
        if let Some(upload) = self.fresh.pop_front() {
            return Some(upload);
        }
        if self.kept.is_empty() || now < self.reupload_at {
            return None;
        }
        self.reupload_at = now + self.rules.pace;
        self.kept.pop_back()
    }

    fn rest(&self, now: Duration) -> Next {
        // A station without anything to say stays on the line to the end.
        let until = self.rules.habits.until;
        let due = self.agenda.next_due(&self.rules.habits).or((now < until).then_some(until));
        let reupload = (!self.kept.is_empty()).then_some(self.reupload_at);
        match (due, reupload) {
            (None, None) => Next::Done,
            (Some(due), None) => Next::Wait(due),
            (None, Some(reupload)) => Next::Wait(reupload),
            (Some(due), Some(reupload)) => Next::Wait(due.min(reupload)),
        }
    }

    fn make_due(&mut self, now: Duration) {
        let Station { agenda, rules, fresh, kept, dice, link, profile, discarded, .. } = self;
        agenda.advance(now, &rules.habits, &mut |upload| {
            let faults = rules.faults.draw(Scope::Record, dice);
            for upload in dressed(upload, faults, profile.edition).into_iter().flatten() {
                match link {
                    Link::Awaited | Link::Up => fresh.push_back(upload),
                    Link::Down if upload.kind == Kind::Heartbeat => {}
                    Link::Down => kept.push_back(Upload { again: true, ..upload }),
                }
                while fresh.len() + kept.len() > rules.keep {
                    discard(kept, fresh);
                    *discarded += 1;
                }
            }
        });
    }

    /// QN is the station's clock; two packets never share one.
    fn new_qn(&mut self, now: Duration) -> Timestamp {
        let clock = self.rules.habits.clock.wall(now).0 + self.profile.clock_off;
        let millisecond = SECOND / 1000;
        let clock = clock.div_euclid(millisecond) * millisecond;
        self.last_qn = Timestamp(clock.max(self.last_qn.0 + millisecond));
        self.last_qn
    }

    fn sending(&mut self, upload: Upload, qn: Timestamp, crc32: u32, resend: u32) -> Sending {
        let faults = self.rules.faults.draw(Scope::Send, &mut self.dice);
        Sending { kind: upload.kind, resend, again: upload.again, faults, note: self.note(&upload, qn, crc32) }
    }

    fn note(&self, upload: &Upload, qn: Timestamp, crc32: u32) -> Note {
        let data_time = if upload.kind == Kind::Heartbeat { String::new() } else { data_time(&self.profile, upload) };
        Note { qn: qn_text(&self.profile, qn), cn: upload.kind.cn(), data_time, crc32 }
    }
}

pub(crate) const CRC32: crc::Crc<u32> = crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC);

fn qn_text(profile: &Profile, qn: Timestamp) -> String {
    if profile.edition == Edition::V2005 {
        return String::new();
    }
    let mut text = Vec::with_capacity(17);
    super::clock::stamp_millis(&mut text, qn);
    String::from_utf8(text).unwrap_or_default()
}

/// Whether `header` answers `flight`: by QN since 2017; by CN (or QN) inside CP in 2005, where a bare answer counts too.
fn answers(profile: &Profile, flight: &Flight, header: &Header<'_>, fields: &Fields) -> bool {
    if profile.edition != Edition::V2005 {
        return header.qn == Some(qn_text(profile, flight.qn).as_bytes());
    }
    match fields.own(header.area, b"CN") {
        Some(cn) => cn == flight.upload.kind.cn().to_string().as_bytes(),
        None => true,
    }
}

/// The uploads that a record becomes under the faults drawn for it.
fn dressed(upload: Upload, faults: FaultSet, edition: Edition) -> [Option<Upload>; 2] {
    let with = |portion| Some(Upload { portion, ..upload });
    match upload.kind {
        Kind::Minute if faults.contains(Fault::SplitPackets) => [with(Portion::Half(1)), with(Portion::Half(2))],
        Kind::Realtime if faults.contains(Fault::Oversized) => [with(Portion::Oversized), None],
        Kind::Realtime if faults.contains(Fault::Gbk) && edition != Edition::V2005 => {
            [Some(upload), Some(Upload { kind: Kind::Log, ..upload })]
        }
        Kind::Realtime
        | Kind::State
        | Kind::Minute
        | Kind::Hour
        | Kind::Day
        | Kind::Boot
        | Kind::Heartbeat
        | Kind::Log => [Some(upload), None],
    }
}

fn discard(kept: &mut VecDeque<Upload>, fresh: &mut VecDeque<Upload>) {
    if let Some(position) = kept.iter().position(|upload| upload.kind.is_dispensable()) {
        kept.remove(position);
    } else if kept.pop_front().is_none() {
        fresh.pop_front();
    }
}

#[cfg(test)]
#[path = "station_tests.rs"]
mod tests;
