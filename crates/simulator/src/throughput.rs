//! Throughput mode: as many frames as the gateway answers, one in flight a connection.
//!
//! A logger's day is too slow to load a gateway, and making values would cost more than sending them. Here each frame is a
//! ready-made data area with a new QN and DataTime in front: four realtime records and a minute record in turn, all sound. Every
//! DataTime is another (60 days ago and on, a second or a minute a frame), so nothing is taken for a re-send.

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::time::{sleep, sleep_until, timeout};
use tokio_util::codec::FramedRead;

use super::clock::{DAY, MINUTE, SECOND, stamp, stamp_millis};
use super::codec::{HostCodec, READ_BUFFER};
use super::fleet::{Profile, profile};
use super::flight::{CRC32, Note};
use super::options::Options;
use super::seeded_random::SeededRandom;
use super::shared::Shared;
use super::subject::Subject;
use super::tally::Count;
use super::upload::{Kind, Upload, segment};
use super::wire;
use hj212::sm4::Key;
use hj212::{Edition, packet};
use hj212_model::message::Timestamp;

/// How far back the records begin.
const BEGIN_AGO: i64 = 60 * DAY;

/// Every so manieth frame is a minute record, the others are realtime records.
const CYCLE: u64 = 5;

/// The ready-made data areas of one kind of station.
#[derive(Debug)]
struct Template {
    edition: Edition,
    subject: Subject,
    /// By place in the cycle: what follows DataTime, with the closing `&&`.
    tails: Vec<Vec<u8>>,
}

/// The ready-made data areas of a fleet.
#[derive(Debug)]
pub(crate) struct Templates {
    all: Vec<Arc<Template>>,
    begin: Timestamp,
}

/// One station of a sender.
#[derive(Debug)]
pub(crate) struct Voice {
    mn: String,
    pw: String,
    key: Option<Key>,
    template: Arc<Template>,
    begin: Timestamp,
    spoken: u64,
}

impl Templates {
    pub(crate) fn new(options: &Options, now: Timestamp) -> Self {
        let begin = Timestamp((now.0 - BEGIN_AGO).div_euclid(MINUTE) * MINUTE);
        let plain = Options { faults: super::faults::Faults::default(), ..options.clone() };
        let mut all: Vec<Arc<Template>> = Vec::new();
        // Editions and subjects are dealt out in turn: sixteen stations show every pair of any sensible list.
        for number in options.first..options.first + 16 {
            let station = profile(&plain, number);
            if !all.iter().any(|t| t.edition == station.edition && t.subject == station.subject) {
                all.push(Arc::new(template(&station, begin)));
            }
        }
        Templates { all, begin }
    }

    /// The voice of `station`.
    pub(crate) fn voice(&self, station: Profile) -> Voice {
        let fits = |t: &&Arc<Template>| t.edition == station.edition && t.subject == station.subject;
        let template = match self.all.iter().find(fits) {
            Some(template) => Arc::clone(template),
            None => Arc::new(template(&station, self.begin)),
        };
        Voice { mn: station.mn, pw: station.pw, key: station.key, template, begin: self.begin, spoken: 0 }
    }
}

fn template(station: &Profile, begin: Timestamp) -> Template {
    let tail = |place: u64| {
        let kind = kind(station.subject, place);
        let time = Timestamp(begin.0 + i64::try_from(place).unwrap_or(0) * 10 * MINUTE);
        let mut text = Vec::new();
        segment(&mut text, station, &Upload { minutes: 1, ..Upload::new(kind, time) }, begin);
        let at = memchr::memmem::find(&text, b"DataTime=").map_or(text.len(), |at| at + b"DataTime=".len() + 14);
        text.split_off(at.min(text.len()))
    };
    Template { edition: station.edition, subject: station.subject, tails: (0..CYCLE).map(tail).collect() }
}

fn kind(subject: Subject, place: u64) -> Kind {
    if place == CYCLE - 1 && subject.has_periods() { Kind::Minute } else { Kind::Realtime }
}

impl Voice {
    /// Replaces `out` with the next segment; says its kind and DataTime.
    fn speak(&mut self, out: &mut Vec<u8>, qn: Timestamp) -> (Kind, Timestamp) {
        let Template { edition, subject, ref tails } = *self.template;
        let place = self.spoken % CYCLE;
        let kind = kind(subject, place);
        let step = if kind == Kind::Minute { MINUTE } else { SECOND };
        let time = Timestamp(self.begin.0 + i64::try_from(self.spoken).unwrap_or(0) * step);
        self.spoken += 1;
        out.clear();
        if edition != Edition::V2005 {
            out.extend_from_slice(b"QN=");
            stamp_millis(out, qn);
            out.push(b';');
        }
        let (st, cn, pw, mn, flag) = (subject.st(), kind.cn(), &self.pw, &self.mn, edition.flag_bits() | 1);
        let _ = write!(out, "ST={st};CN={cn};PW={pw};MN={mn};Flag={flag};CP=&&DataTime=");
        stamp(out, time);
        out.extend_from_slice(usize::try_from(place).ok().and_then(|place| tails.get(place)).map_or(b"&&", |t| t));
        (kind, time)
    }
}

/// What the gateway says on one connection.
type Answers<'a> = FramedRead<ReadHalf<'a>, HostCodec>;

/// When a connection of a run with a fixed rate sends.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// Between two frames.
    pub(crate) every: Duration,
    /// Of the first frame after the start.
    pub(crate) phase: Duration,
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Sender {
    shared: Arc<Shared>,
    number: usize,
    voices: Vec<Voice>,
    pace: Option<Pace>,
    rng: SeededRandom,
    turn: usize,
    last_qn: Timestamp,
    sent: u64,
}

/// A packet and what must be known of it until it is answered.
struct Packet {
    frame: Vec<u8>,
    qn: Timestamp,
    edition: Edition,
    kind: Kind,
    mn: String,
    note: Option<Note>,
    first_sent: Duration,
}

impl Sender {
    pub(crate) fn new(shared: Arc<Shared>, number: usize, voices: Vec<Voice>, pace: Option<Pace>) -> Self {
        let rng = SeededRandom::new(shared.options.seed ^ 0x5345_4E44, number as u64);
        Sender { shared, number, voices, pace, rng, turn: 0, last_qn: Timestamp(0), sent: 0 }
    }

    /// Sends until the run ends.
    pub(crate) async fn run(mut self) {
        let stop = self.shared.stop.clone();
        let mut packet = None;
        let _ = stop.run_until_cancelled(self.live(&mut packet)).await;
        if packet.is_some() {
            self.shared.tally.count(Count::Unanswered);
        }
    }

    async fn live(&mut self, packet: &mut Option<Packet>) {
        sleep(self.shared.ramp(self.number)).await;
        let mut failures = 0;
        loop {
            if let Some(mut stream) = self.shared.connect(self.number).await {
                let before = self.sent;
                let _gauge = self.shared.count_connection();
                if self.converse(&mut stream, packet).await {
                    return;
                }
                self.shared.tally.count(Count::Reconnects);
                if self.sent > before {
                    failures = 0;
                }
            }
            failures += 1;
            let pause = self.shared.pause(failures, &mut self.rng);
            sleep(pause).await;
        }
    }

    /// Sends and waits in turn. True when the run is over, false when the connection is lost; then `packet` is what was not
    /// answered and goes out first on the next one.
    async fn converse(&mut self, stream: &mut TcpStream, packet: &mut Option<Packet>) -> bool {
        let (read, mut write) = stream.split();
        let mut answers = FramedRead::with_capacity(read, HostCodec::default(), READ_BUFFER);
        // Both buffers go from packet to packet.
        let (mut frame, mut text) = (Vec::new(), Vec::new());
        loop {
            if packet.is_some() {
                self.shared.tally.count(Count::Resent);
            } else {
                self.keep_pace().await;
                if self.shared.elapsed() >= self.shared.until() {
                    return true;
                }
                *packet = self.compose(std::mem::take(&mut frame), &mut text);
            }
            let Some(waiting) = packet.as_ref() else { return true };
            if !self.exchange(&mut write, &mut answers, waiting).await {
                return false;
            }
            let Some(answered) = packet.take() else { return true };
            self.acknowledge(&answered);
            frame = answered.frame;
        }
    }

    /// Sends `packet` until it is answered. False if the answers fail to come or the connection ends.
    async fn exchange(&self, write: &mut WriteHalf<'_>, answers: &mut Answers<'_>, packet: &Packet) -> bool {
        for resend in 0..=self.shared.options.resends {
            if resend > 0 {
                self.shared.tally.count(Count::Resent);
            }
            let both =
                async { write.write_all(&packet.frame).await.is_ok() && answer(&self.shared, answers, packet).await };
            self.shared.tally.add(Count::BytesSent, packet.frame.len() as u64);
            if let Ok(answered) = timeout(self.shared.options.answer_timeout, both).await {
                return answered;
            }
        }
        false
    }

    async fn keep_pace(&self) {
        let Some(pace) = self.pace else { return };
        // Who comes late in the ramp has nothing to catch up with.
        let due = self.shared.ramp(self.number) + pace.phase + pace.every.mul_f64(self.sent as f64);
        sleep_until(self.shared.instant(due.min(self.shared.until()))).await;
    }

    fn compose(&mut self, mut frame: Vec<u8>, text: &mut Vec<u8>) -> Option<Packet> {
        let now = self.shared.elapsed();
        let wall = self.shared.clock.wall(now).0.div_euclid(1000) * 1000;
        self.last_qn = Timestamp(wall.max(self.last_qn.0 + 1000));
        let qn = self.last_qn;
        self.turn = (self.turn + 1) % self.voices.len().max(1);
        let voice = self.voices.get_mut(self.turn)?;
        let (kind, time) = voice.speak(text, qn);
        frame.clear();
        let seal = voice.key.as_ref().map(|key| (key, self.shared.options.behaviour.seal_form));
        wire::sound(&mut frame, text, seal);
        let edition = voice.template.edition;
        let (mut note, mut mn) = (None, String::new());
        if self.shared.keeps_notes() {
            mn.clone_from(&voice.mn);
            let of_2005 = edition == Edition::V2005;
            let qn = if of_2005 { String::new() } else { digits(|out| stamp_millis(out, qn)) };
            let data_time = digits(|out| stamp(out, time));
            let new = Note { qn, cn: kind.cn(), data_time, crc32: CRC32.checksum(text) };
            self.shared.note_sent(&mn, &new);
            note = Some(new);
        }
        self.shared.tally.sent(kind);
        self.sent += 1;
        Some(Packet { frame, qn, edition, kind, mn, note, first_sent: now })
    }

    fn acknowledge(&self, packet: &Packet) {
        if let Some(note) = &packet.note {
            self.shared.note_answer(&packet.mn, note);
        }
        let answer_time = self.shared.elapsed().saturating_sub(packet.first_sent);
        let settled = packet.first_sent >= self.shared.settled();
        self.shared.tally.acked(packet.kind, settled.then_some(answer_time), self.number);
    }
}

fn digits(write: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut out = Vec::with_capacity(17);
    write(&mut out);
    String::from_utf8(out).unwrap_or_default()
}

/// Waits for the answer to `packet`. False if the connection ends before.
async fn answer(shared: &Shared, answers: &mut Answers<'_>, packet: &Packet) -> bool {
    let mut qn = Vec::with_capacity(17);
    stamp_millis(&mut qn, packet.qn);
    while let Some(Ok(item)) = answers.next().await {
        let Ok(segment) = item else {
            shared.tally.count(Count::BadAnswers);
            continue;
        };
        let header = packet::parse(&segment);
        if header.cn == Some(9014) && (packet.edition == Edition::V2005 || header.qn == Some(qn.as_slice())) {
            return true;
        }
        let command = !matches!(header.cn, Some(9013 | 9014));
        shared.tally.count(if command { Count::Commands } else { Count::StrayAnswers });
    }
    false
}
