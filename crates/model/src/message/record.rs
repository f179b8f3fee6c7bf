//! What the journal's records say. The journal keeps (time, kind, body) without looking inside; this is the inside.
//!
//! All numbers are little-endian. Bodies by kind:
//!
//! ```text
//! 1 frame     connection u64 | peer | deviations u128 | segment start u32 | segment length u32 | raw bytes
//!             peer: length u8, then the address as text (`127.0.0.1:40000`, `[::1]:40000`)
//! 2 rejected  connection u64 | peer | reason u8 | detail u128 | segment start u32 | segment length u32 | heard u64 | raw bytes
//!             detail: the deviations found, among them the known CRC mistake; a segment length of 0: no envelope was
//!             recognised; heard: how many bytes were rejected in all, of which raw holds the first
//! 3 presence  what u8 (1 online, 2 offline, 3 takeover, 4 clone suspected) | connection u64 | peer | other connection u64 |
//!             other peer | MN bytes
//! 4 context   hash 32 bytes | part u32 | parts u32 | a piece of the context's JSON
//! 5 tick      empty: time passes
//! 6 started   the gateway's version as text
//! 7 stopped   empty
//! 8 mark entry  length of MN u16 | MN | length of id u16 | id | the entry as it came, JSON (schema `hj212.mark-entry/1`)
//!             MN and id as in the topic; of an entry longer than MARK_ENTRY_MAX the first MARK_ENTRY_MAX + 1 bytes: it is refused
//! 12 case step  as 11: length of MN u16 | MN | length of role u16 | role | length of id u16 | id | the step as it came, JSON
//!             (schema `hj212.case-step/1`)
//! 15 ledger entry  as 11: length of MN u16 | MN | length of role u16 | role | length of id u16 | id | the entry as it came, JSON
//!             (schema `hj212.ledger/1`)
//! 14 anchor   the signed anchor as it is published, JSON (schema `hj212.anchor/1`)
//! 20 clock    monotonic i64: microseconds on the run's monotonic clock, counted from any point. Every few seconds of a run; the record's
//!             time is the wall clock of the same moment. Bytes behind it are of later versions and passed over
//! 10 command  a step of a command's life, JSON (see the module `downlink`); passwords and keys may stand in it
//! 24 notice   what the gateway says of itself: a limit was reached; JSON `{"kind":…, "mn":… or null, "detail":{…}}`, see [`notice`]
//! 25 dead letter  offset u64 of the record it came of | tries u32 | retain u8 (1: to be kept by the broker) | length of whole body u32
//!             | length of why u16 | why | length of topic u16 | topic | the body, empty if it was longer than DEAD_LETTER_MAX
//! 22 registry  name 32 bytes | part u32 | parts u32 | a piece: a JSON object of its own (see [`super::ContextChange`]). The pieces together,
//!             with the last one, are the whole context from there on, under this name: H(…H(H(32 zeros, piece 0), piece 1)…, last piece),
//!             H being SHA-256
//! 23 registry change  name of the context that is changed 32 bytes | name of the changed one 32 bytes | part u32 | parts u32 | a piece as of 22.
//!             The new name is computed like that of 22, beginning with the name of the changed one in place of the zeros
//! 11 mark ruling  length of MN u16 | MN | length of role u16 | role | length of id u16 | id | the ruling as it came, JSON (schema
//!             `hj212.mark-ruling/1`), as long as an entry; the role is a level of the topic: the broker decides who may speak as it
//! ```
//!
//! What must stay true: a kind keeps its number and its layout for ever; a change of layout is a new kind.

use std::net::SocketAddr;

use hj212::{Deviations, FaultReason};

/// The longest piece of raw bytes kept of something rejected; the rest is only counted.
pub const REJECTED_KEPT_MAX: usize = 16 * 1024;

/// The longest mark entry that can be accepted, bytes; of longer ones one byte more is kept, which is enough to refuse them.
pub const MARK_ENTRY_MAX: usize = 16 * 1024;

/// The longest message that is kept when it is set aside, bytes; of a longer one only its topic is kept, and the record it came of.
pub const DEAD_LETTER_MAX: usize = 1024 * 1024;

// What is kept of something refused holds the longest frame of the standard, whatever stands before it.
const _: () = assert!(REJECTED_KEPT_MAX > 9999 + 64 && MARK_ENTRY_MAX < DEAD_LETTER_MAX);

/// A record's meaning, borrowed from its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record<'a> {
    /// A frame that was accepted from a registered station.
    Frame(Heard<'a>),
    /// Bytes that were refused, and why.
    Rejected(Rejected<'a>),
    /// A station came, went or moved.
    Presence(Presence<'a>),
    /// A piece of the context that holds from the last piece on.
    Context {
        /// SHA-256 of the whole context's JSON.
        hash: [u8; 32],
        /// Which piece, from 0.
        part: u32,
        /// How many pieces.
        parts: u32,
        /// The piece.
        json: &'a [u8],
    },
    /// A piece of the whole context that holds from the last piece on.
    Registry {
        /// The context's name.
        name: [u8; 32],
        /// Which piece, from 0.
        part: u32,
        /// How many pieces.
        parts: u32,
        /// The piece, a JSON object.
        json: &'a [u8],
    },
    /// A piece of a change of the context, which holds from the last piece on.
    RegistryChange {
        /// The name of the context that is changed.
        base: [u8; 32],
        /// The name of the changed context.
        name: [u8; 32],
        /// Which piece, from 0.
        part: u32,
        /// How many pieces.
        parts: u32,
        /// The piece, a JSON object.
        json: &'a [u8],
    },
    /// Time passes.
    Tick,
    /// Time passes: the run's monotonic clock, in microseconds. What that is for says [`crate::clock::belief`].
    Clock(i64),
    /// The gateway started, with this version.
    Started(&'a str),
    /// The gateway stopped in order.
    Stopped,
    /// A mark entered by hand, before it was judged.
    MarkEntry {
        /// The station, as in the topic.
        mn: &'a str,
        /// The entry's id, as in the topic.
        id: &'a str,
        /// The entry as it came.
        json: &'a [u8],
    },
    /// What an authority ruled about a mark entered by hand, before it was judged.
    MarkRuling {
        /// The station, as in the topic.
        mn: &'a str,
        /// As whom it was said, as in the topic: `county`, `city`, `province`.
        role: &'a str,
        /// The ruling's id, as in the topic.
        id: &'a str,
        /// The ruling as it came.
        json: &'a [u8],
    },
    /// A step of a case, before it was judged.
    CaseStep {
        /// The station, as in the topic.
        mn: &'a str,
        /// As whom it was said, as in the topic: `enterprise`, `operator`, `county`, `city`, `province`.
        role: &'a str,
        /// The step's id, as in the topic.
        id: &'a str,
        /// The step as it came.
        json: &'a [u8],
    },
    /// An entry of the electronic ledger of an operation company, before it was judged.
    WorkEntry {
        /// The station, as in the topic.
        mn: &'a str,
        /// As whom it was said, as in the topic: `operator`, `enterprise`.
        role: &'a str,
        /// The entry's id, as in the topic.
        id: &'a str,
        /// The entry as it came.
        json: &'a [u8],
    },
    /// A step of a command's life, as JSON. Not to be printed: passwords and keys may stand in it.
    Command(&'a [u8]),
    /// What the gateway says of itself, JSON.
    Notice(&'a [u8]),
    /// A message that the broker would not take.
    DeadLetter(DeadLetter<'a>),
    /// What binds all records of a day: a signed anchor, JSON.
    Anchor(&'a [u8]),
}

/// A message that was set aside, because the broker would not take it and others had to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeadLetter<'a> {
    /// The offset of the record that it came of; 0 if of none.
    pub of: u64,
    /// How often it was tried.
    pub tries: u32,
    /// Whether the broker was to keep it.
    pub retain: bool,
    /// Bytes of the whole body.
    pub bytes: u32,
    /// Why the broker did not take it, as far as that is known.
    pub why: &'a str,
    /// Where it was to go.
    pub topic: &'a str,
    /// The body; empty if it is longer than [`DEAD_LETTER_MAX`].
    pub body: &'a [u8],
}

/// A connection and where it comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peering {
    /// The connection's number, unique in this journal.
    pub connection: u64,
    /// The peer's address.
    pub peer: SocketAddr,
}

/// A frame as it was heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heard<'a> {
    /// Who said it.
    pub from: Peering,
    /// What was read over in envelope and CRC, under the policy that held then.
    pub deviations: Deviations,
    /// The data segment within `raw`.
    pub segment: &'a [u8],
    /// All bytes of the frame.
    pub raw: &'a [u8],
}

/// Bytes that were refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rejected<'a> {
    /// Who said it.
    pub from: Peering,
    /// Why it was refused.
    pub reason: RejectReason,
    /// What else is known: the known CRC mistake that matches, deviations of the envelope.
    pub detail: Deviations,
    /// The data segment within `raw`, if an envelope was recognised.
    pub segment: Option<&'a [u8]>,
    /// How many bytes were heard.
    pub heard: u64,
    /// The bytes, at most [`REJECTED_KEPT_MAX`].
    pub raw: &'a [u8],
}

/// What became of a station's connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence<'a> {
    /// The first frame of `mn` on a connection while it was on no other.
    Online {
        /// The station.
        mn: &'a str,
        /// Its connection.
        on: Peering,
    },
    /// The connection of `mn` has ended.
    Offline {
        /// The station.
        mn: &'a str,
        /// Its last connection.
        on: Peering,
    },
    /// `mn` was on one connection and now speaks on another; the newest wins.
    Takeover {
        /// The station.
        mn: &'a str,
        /// The connection it speaks on now.
        on: Peering,
        /// The connection it was on.
        was: Peering,
    },
    /// `mn` speaks on two connections by turns.
    CloneSuspected {
        /// The station.
        mn: &'a str,
        /// One source.
        on: Peering,
        /// The other.
        was: Peering,
    },
}

/// The body of a [`Record::Notice`]: `kind` is the event's name, `mn` the station it is about.
#[must_use]
pub fn notice(kind: &str, mn: Option<&str>, detail: &serde_json::Value) -> Vec<u8> {
    serde_json::json!({ "kind": kind, "mn": mn, "detail": detail }).to_string().into_bytes()
}

macro_rules! reasons {
    ($( $variant:ident = $number:literal, $code:literal, $zh:literal, $en:literal; )*) => {
        /// Why bytes were refused. The numbers are stored, the codes published: both stay.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum RejectReason { $( #[doc = $en] $variant = $number, )* }

        impl RejectReason {
            /// All reasons.
            pub const ALL: &'static [RejectReason] = &[ $( RejectReason::$variant, )* ];
            /// The stable name.
            #[must_use]
            pub const fn code(self) -> &'static str { match self { $( Self::$variant => $code, )* } }
            /// What it means, in Chinese.
            #[must_use]
            pub const fn explain_zh(self) -> &'static str { match self { $( Self::$variant => $zh, )* } }
            /// What it means, in English.
            #[must_use]
            pub const fn explain_en(self) -> &'static str { match self { $( Self::$variant => $en, )* } }
        }
    };
}

reasons! {
    Noise = 0, "noise", "无法识别的字节", "bytes in which no frame begins";
    Truncated = 1, "truncated", "数据包不完整", "a frame that was never finished";
    TooLong = 2, "too-long", "声明的长度超过上限", "a declared length above the limit";
    Shapeless = 3, "shapeless", "无法确定数据包在何处结束", "a frame whose end cannot be found";
    CrcMismatch = 4, "crc-mismatch", "CRC 校验不符", "the CRC does not match and the station's policy does not allow that";
    MnMissing = 5, "mn-missing", "缺少 MN", "no MN";
    MnUnknown = 6, "mn-unknown", "MN 未登记", "an MN that is not registered";
    PwWrong = 7, "pw-wrong", "PW 与登记的不符", "a PW other than the registered one";
    NetworkForbidden = 8, "network-forbidden", "来源地址不在站点允许的网段内", "a source address outside the station's networks";
    CnMissing = 9, "cn-missing", "缺少 CN 或 CN 不是数", "no CN, or one that is no number";
    PartialTimeout = 10, "partial-timeout", "数据包在限定时间内未传完", "a frame that was not finished in time";
    Unapproved = 11, "unapproved", "数采仪申请注册,其硬件编号尚未登记(在站点登记中写 hardware 即为批准)", "a logger asks to be registered and no station names its hardware number";
}

impl From<FaultReason> for RejectReason {
    fn from(reason: FaultReason) -> Self {
        match reason {
            FaultReason::Noise => Self::Noise,
            FaultReason::Truncated => Self::Truncated,
            FaultReason::TooLong => Self::TooLong,
            FaultReason::Shapeless => Self::Shapeless,
        }
    }
}

/// A body that is not what its kind says. Cannot happen with a journal that passed its checksums, and does not panic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// A kind this version does not know, perhaps of a newer one.
    #[error("record kind {0} is not known to this version")]
    Kind(u8),
    /// The body ends before it is complete or holds something impossible.
    #[error("the body of a record of kind {0} cannot be read")]
    Body(u8),
}

impl<'a> Record<'a> {
    /// Whether records of that kind tell something of the registration in force.
    #[must_use]
    pub const fn tells_context(kind: u8) -> bool {
        matches!(kind, 4 | 22 | 23)
    }

    /// Whether they may tell all of it.
    #[must_use]
    pub const fn tells_whole_context(kind: u8) -> bool {
        matches!(kind, 4 | 22)
    }

    /// Its kind, and its body as it is journalled.
    #[must_use]
    pub fn encoded(&self) -> (u8, Vec<u8>) {
        let mut body = Vec::new();
        self.encode(&mut body);
        (self.kind(), body)
    }

    /// The number of this kind.
    #[must_use]
    pub const fn kind(&self) -> u8 {
        match self {
            Self::Frame(_) => 1,
            Self::Rejected(_) => 2,
            Self::Presence(_) => 3,
            Self::Context { .. } => 4,
            Self::Tick => 5,
            Self::Started(_) => 6,
            Self::Stopped => 7,
            Self::MarkEntry { .. } => 8,
            Self::MarkRuling { .. } => 11,
            Self::CaseStep { .. } => 12,
            Self::WorkEntry { .. } => 15,
            Self::Command(_) => 10,
            Self::Notice(_) => 24,
            Self::DeadLetter(_) => 25,
            Self::Anchor(_) => 14,
            Self::Registry { .. } => 22,
            Self::RegistryChange { .. } => 23,
            Self::Clock(_) => 20,
        }
    }

    /// Appends the body to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Frame(heard) => {
                put_peering(out, heard.from);
                out.extend_from_slice(&heard.deviations.bits().to_le_bytes());
                put_span(out, heard.raw, Some(heard.segment));
                out.extend_from_slice(heard.raw);
            }
            Self::Rejected(rejected) => {
                let kept = &rejected.raw[..rejected.raw.len().min(REJECTED_KEPT_MAX)];
                put_peering(out, rejected.from);
                out.push(rejected.reason as u8);
                out.extend_from_slice(&rejected.detail.bits().to_le_bytes());
                put_span(out, kept, rejected.segment);
                out.extend_from_slice(&rejected.heard.to_le_bytes());
                out.extend_from_slice(kept);
            }
            Self::Presence(presence) => {
                let (what, mn, on, was) = match *presence {
                    Presence::Online { mn, on } => (1, mn, on, on),
                    Presence::Offline { mn, on } => (2, mn, on, on),
                    Presence::Takeover { mn, on, was } => (3, mn, on, was),
                    Presence::CloneSuspected { mn, on, was } => (4, mn, on, was),
                };
                out.push(what);
                put_peering(out, on);
                put_peering(out, was);
                out.extend_from_slice(mn.as_bytes());
            }
            Self::RegistryChange { base, name, part, parts, json } => {
                out.extend_from_slice(base);
                Record::Registry { name: *name, part: *part, parts: *parts, json }.encode(out);
            }
            Self::Context { hash, part, parts, json } | Self::Registry { name: hash, part, parts, json } => {
                out.extend_from_slice(hash);
                out.extend_from_slice(&part.to_le_bytes());
                out.extend_from_slice(&parts.to_le_bytes());
                out.extend_from_slice(json);
            }
            Self::Tick | Self::Stopped => {}
            Self::Clock(monotonic) => out.extend_from_slice(&monotonic.to_le_bytes()),
            Self::Started(version) => out.extend_from_slice(version.as_bytes()),
            Self::MarkEntry { mn, id, json } => {
                put_text(out, mn);
                put_text(out, id);
                out.extend_from_slice(&json[..json.len().min(MARK_ENTRY_MAX + 1)]);
            }
            Self::MarkRuling { mn, role, id, json }
            | Self::CaseStep { mn, role, id, json }
            | Self::WorkEntry { mn, role, id, json } => {
                [mn, role, id].into_iter().for_each(|text| put_text(out, text));
                out.extend_from_slice(&json[..json.len().min(MARK_ENTRY_MAX + 1)]);
            }
            Self::Command(step) => out.extend_from_slice(step),
            Self::Notice(json) | Self::Anchor(json) => out.extend_from_slice(json),
            Self::DeadLetter(letter) => {
                out.extend_from_slice(&letter.of.to_le_bytes());
                out.extend_from_slice(&letter.tries.to_le_bytes());
                out.push(u8::from(letter.retain));
                out.extend_from_slice(&letter.bytes.to_le_bytes());
                put_text(out, letter.why);
                put_text(out, letter.topic);
                if letter.body.len() <= DEAD_LETTER_MAX {
                    out.extend_from_slice(letter.body);
                }
            }
        }
    }

    /// Reads the body of a record of `kind`.
    pub fn decode(kind: u8, body: &'a [u8]) -> Result<Record<'a>, RecordError> {
        let record = match kind {
            1 => take_frame(body),
            2 => take_rejected(body),
            3 => take_presence(body),
            4 => take_context(body).map(|(hash, part, parts, json)| Record::Context { hash, part, parts, json }),
            5 => Some(Record::Tick),
            6 => std::str::from_utf8(body).ok().map(Record::Started),
            7 => Some(Record::Stopped),
            8 => take_mark_entry(body),
            10 => Some(Record::Command(body)),
            14 => Some(Record::Anchor(body)),
            24 => Some(Record::Notice(body)),
            25 => take_dead_letter(body),
            22 => take_context(body).map(|(name, part, parts, json)| Record::Registry { name, part, parts, json }),
            23 => body.split_first_chunk().and_then(|(base, rest)| {
                let (name, part, parts, json) = take_context(rest)?;
                Some(Record::RegistryChange { base: *base, name, part, parts, json })
            }),
            20 => body.first_chunk().map(|monotonic| Record::Clock(i64::from_le_bytes(*monotonic))),
            11 => take_mark_ruling(body).map(|(mn, role, id, json)| Record::MarkRuling { mn, role, id, json }),
            12 => take_mark_ruling(body).map(|(mn, role, id, json)| Record::CaseStep { mn, role, id, json }),
            15 => take_mark_ruling(body).map(|(mn, role, id, json)| Record::WorkEntry { mn, role, id, json }),
            _ => return Err(RecordError::Kind(kind)),
        };
        record.ok_or(RecordError::Body(kind))
    }
}

/// Topics are far shorter than what a u16 can say; what is longer all the same is cut between two characters.
fn put_text(out: &mut Vec<u8>, text: &str) {
    let cut = text.floor_char_boundary(usize::from(u16::MAX));
    out.extend_from_slice(&u16::try_from(cut).unwrap_or(u16::MAX).to_le_bytes());
    out.extend_from_slice(&text.as_bytes()[..cut]);
}

fn put_peering(out: &mut Vec<u8>, peering: Peering) {
    use std::io::Write;
    out.extend_from_slice(&peering.connection.to_le_bytes());
    let at = out.len();
    out.push(0);
    // Writing to a vector cannot fail, and no address is longer than 255 bytes.
    let _ = write!(out, "{}", peering.peer);
    out[at] = u8::try_from(out.len() - at - 1).unwrap_or(u8::MAX);
}

/// Where `segment` lies within `raw`; a segment from elsewhere or none is written as empty.
fn put_span(out: &mut Vec<u8>, raw: &[u8], segment: Option<&[u8]>) {
    let (start, length) = segment
        .and_then(|s| Some((s.as_ptr().addr().checked_sub(raw.as_ptr().addr())?, s.len())))
        .filter(|(start, length)| start.checked_add(*length).is_some_and(|end| end <= raw.len()))
        .unwrap_or((0, 0));
    out.extend_from_slice(&u32::try_from(start).unwrap_or(0).to_le_bytes());
    out.extend_from_slice(&u32::try_from(length).unwrap_or(0).to_le_bytes());
}

struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.bytes(N)?.try_into().ok()
    }

    fn text(&mut self) -> Option<&'a str> {
        let length = u16::from_le_bytes(self.array()?);
        std::str::from_utf8(self.bytes(usize::from(length))?).ok()
    }

    fn peering(&mut self) -> Option<Peering> {
        let connection = u64::from_le_bytes(self.array()?);
        let [length] = self.array()?;
        let peer = std::str::from_utf8(self.bytes(usize::from(length))?).ok()?.parse().ok()?;
        Some(Peering { connection, peer })
    }

    fn span(&mut self) -> Option<std::ops::Range<usize>> {
        let start = u32::from_le_bytes(self.array()?) as usize;
        let length = u32::from_le_bytes(self.array()?) as usize;
        Some(start..start.checked_add(length)?)
    }
}

fn take_frame(body: &[u8]) -> Option<Record<'_>> {
    let mut cursor = Cursor(body);
    let from = cursor.peering()?;
    let deviations = Deviations::from_bits(u128::from_le_bytes(cursor.array()?));
    let span = cursor.span()?;
    let raw = cursor.0;
    Some(Record::Frame(Heard { from, deviations, segment: raw.get(span)?, raw }))
}

fn take_rejected(body: &[u8]) -> Option<Record<'_>> {
    let mut cursor = Cursor(body);
    let from = cursor.peering()?;
    let [reason] = cursor.array()?;
    let reason = *RejectReason::ALL.get(usize::from(reason))?;
    let detail = Deviations::from_bits(u128::from_le_bytes(cursor.array()?));
    let span = cursor.span()?;
    let heard = u64::from_le_bytes(cursor.array()?);
    let raw = cursor.0;
    let segment = raw.get(span).filter(|s| !s.is_empty());
    Some(Record::Rejected(Rejected { from, reason, detail, segment, heard, raw }))
}

fn take_presence(body: &[u8]) -> Option<Record<'_>> {
    let mut cursor = Cursor(body);
    let [what] = cursor.array()?;
    let on = cursor.peering()?;
    let was = cursor.peering()?;
    let mn = std::str::from_utf8(cursor.0).ok()?;
    let presence = match what {
        1 => Presence::Online { mn, on },
        2 => Presence::Offline { mn, on },
        3 => Presence::Takeover { mn, on, was },
        4 => Presence::CloneSuspected { mn, on, was },
        _ => return None,
    };
    Some(Record::Presence(presence))
}

fn take_mark_entry(body: &[u8]) -> Option<Record<'_>> {
    let mut cursor = Cursor(body);
    let (mn, id) = (cursor.text()?, cursor.text()?);
    Some(Record::MarkEntry { mn, id, json: cursor.0 })
}

fn take_dead_letter(body: &[u8]) -> Option<Record<'_>> {
    let mut cursor = Cursor(body);
    let of = u64::from_le_bytes(cursor.array()?);
    let tries = u32::from_le_bytes(cursor.array()?);
    let [retain] = cursor.array()?;
    let bytes = u32::from_le_bytes(cursor.array()?);
    let (why, topic) = (cursor.text()?, cursor.text()?);
    Some(Record::DeadLetter(DeadLetter { of, tries, retain: retain == 1, bytes, why, topic, body: cursor.0 }))
}

/// MN, role and id as in the topic, and what came: of a ruling, of a step of a case.
fn take_mark_ruling(body: &[u8]) -> Option<(&str, &str, &str, &[u8])> {
    let mut cursor = Cursor(body);
    let (mn, role, id) = (cursor.text()?, cursor.text()?, cursor.text()?);
    Some((mn, role, id, cursor.0))
}

fn take_context(body: &[u8]) -> Option<([u8; 32], u32, u32, &[u8])> {
    let mut cursor = Cursor(body);
    let hash = cursor.array()?;
    let part = u32::from_le_bytes(cursor.array()?);
    let parts = u32::from_le_bytes(cursor.array()?);
    Some((hash, part, parts, cursor.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hj212::Deviation;
    use proptest::prelude::*;

    fn peering() -> Peering {
        Peering { connection: 7, peer: "127.0.0.1:40000".parse().unwrap() }
    }

    fn round_trip(record: &Record<'_>) {
        let mut body = Vec::new();
        record.encode(&mut body);
        assert_eq!(&Record::decode(record.kind(), &body).unwrap(), record);
    }

    #[test]
    fn every_kind_comes_back_as_it_was() {
        let raw = b"##0005hello1234\r\n";
        round_trip(&Record::Frame(Heard {
            from: peering(),
            deviations: Deviation::CrcLowercase.into(),
            segment: &raw[6..11],
            raw,
        }));
        round_trip(&Record::Rejected(Rejected {
            from: Peering { connection: 1, peer: "[::1]:1".parse().unwrap() },
            reason: RejectReason::CrcMismatch,
            detail: Deviation::CrcModbus.into(),
            segment: Some(&raw[6..11]),
            heard: raw.len() as u64,
            raw,
        }));
        let (on, was) = (peering(), Peering { connection: 9, peer: "10.0.0.1:5".parse().unwrap() });
        round_trip(&Record::Presence(Presence::Online { mn: "A", on }));
        round_trip(&Record::Presence(Presence::Offline { mn: "A", on }));
        round_trip(&Record::Presence(Presence::Takeover { mn: "A", on, was }));
        round_trip(&Record::Presence(Presence::CloneSuspected { mn: "A", on, was }));
        round_trip(&Record::Context { hash: [7; 32], part: 1, parts: 2, json: b"{}" });
        round_trip(&Record::Registry { name: [7; 32], part: 1, parts: 2, json: b"{}" });
        round_trip(&Record::RegistryChange { base: [6; 32], name: [7; 32], part: 1, parts: 2, json: b"{}" });
        round_trip(&Record::Tick);
        round_trip(&Record::Clock(-7));
        assert_eq!(Record::decode(20, &[1, 0, 0, 0, 0, 0, 0, 0, 9]), Ok(Record::Clock(1)), "of a later version");
        round_trip(&Record::Started("0.1.0"));
        round_trip(&Record::Stopped);
        round_trip(&Record::MarkEntry { mn: "010000A8900016F000169DC0", id: "2026-0042", json: b"{}" });
        round_trip(&Record::MarkEntry { mn: "", id: "", json: b"" });
        round_trip(&Record::MarkRuling { mn: "010000A8900016F000169DC0", role: "city", id: "2026-R-17", json: b"{}" });
        round_trip(&Record::MarkRuling { mn: "", role: "", id: "", json: b"" });
        round_trip(&Record::Command(b"{}"));
        round_trip(&Record::Notice(b"{}"));
        round_trip(&Record::Anchor(b"{}"));
        round_trip(&Record::CaseStep { mn: "A", role: "county", id: "S-1", json: b"{}" });
        round_trip(&Record::WorkEntry { mn: "A", role: "operator", id: "L-1", json: b"{}" });
        let letter =
            DeadLetter { of: 7, tries: 5, retain: true, bytes: 2, why: "NotAuthorized", topic: "a/b", body: b"{}" };
        round_trip(&Record::DeadLetter(letter));
    }

    #[test]
    fn reasons_are_numbered_by_position() {
        for (position, reason) in RejectReason::ALL.iter().enumerate() {
            assert_eq!(position, *reason as usize);
        }
    }

    #[test]
    fn of_an_entry_that_is_too_long_enough_is_kept_to_refuse_it() {
        let (mut body, long) = (Vec::new(), vec![b'x'; MARK_ENTRY_MAX * 2]);
        Record::MarkEntry { mn: "A", id: "1", json: &long }.encode(&mut body);
        let Ok(Record::MarkEntry { json, .. }) = Record::decode(8, &body) else { panic!("{body:?}") };
        assert_eq!(json.len(), MARK_ENTRY_MAX + 1);
    }

    #[test]
    fn a_topic_beyond_all_lengths_is_cut_between_characters() {
        let (mut body, long) = (Vec::new(), "é".repeat(40_000));
        Record::MarkEntry { mn: &long, id: "1", json: b"{}" }.encode(&mut body);
        let Ok(Record::MarkEntry { mn, id, json }) = Record::decode(8, &body) else { panic!("it does not come back") };
        assert_eq!((mn.len(), id, json), (65_534, "1", &b"{}"[..]));
    }

    proptest! {
        #[test]
        fn every_entry_comes_back_as_it_was(mn in "\\PC{0,80}", id in "\\PC{0,80}", json in proptest::collection::vec(any::<u8>(), 0..200)) {
            round_trip(&Record::MarkEntry { mn: &mn, id: &id, json: &json });
        }

        #[test]
        fn no_body_panics(kind in 0u8..32, body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Record::decode(kind, &body);
        }
    }
}
