//! One connection: bytes in, records to the journal, answers out in order.
//!
//! What must stay true: while a frame is on its way to disk its answer waits, and at most `in_flight_max` of them do; nothing is
//! read beyond that. An idle connection holds no buffer: bytes are read into the stack and kept only while a frame is unfinished.

use std::collections::VecDeque;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::sync::oneshot;
use tokio::time::{Instant, Sleep};
use tokio_util::sync::CancellationToken;

use super::front::{Front, TimerMeaning};
use super::listener_state::{Admission, StoredNotice, entry};
use super::notices::{OutgoingFrame, OutgoingFrames, StationNotice, Stored};
use super::wire_log::Direction;
use hj212::{Deviation, Deviations, Edition, Frame, Header, Item, Limits, Peer, packet, scan, sm4};
use hj212_journal::{Entry, Offset, Unstored};
use hj212_model::message::{Heard, Record, RejectReason, Rejected};
use hj212_model::registry::{self, CrcPolicy};
use hj212_model::session::{self, FrameVerdict, Moved, Reply};
use hj212_model::telemetry::{Counter, Timing};

/// Bytes taken from the socket at a time.
const READ: usize = 8 * 1024;

/// Bytes of an MN that are shown in a line of the log.
const MN_SHOWN: usize = 64;

/// How long a peer has to take its last answers when the gateway stops.
const STOP_MAX: Duration = Duration::from_millis(1800);

/// What was stored or not.
type Outcome = Result<Offset, Unstored>;

/// A frame on its way to disk, and the answer that is due when it is there.
struct PendingAnswer {
    receipt: oneshot::Receiver<Outcome>,
    reply: Option<Reply>,
    mn: Box<str>,
    heard_at: Instant,
    telling: Option<Box<Telling>>,
}

/// What the downlink is told of a frame once it is on disk.
struct Telling {
    /// Whether the station was not here before, and the edition it is spoken to in.
    came: Option<Edition>,
    frame: Stored,
}

/// Why a connection is closed by us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Close {
    Idle,
    Partial,
    Noisy,
    GaveWay,
}

/// A connection with a station, or with whoever dialled.
pub(super) struct Connection<S> {
    stream: S,
    admission: Admission,
    front: Front,
    flights: VecDeque<PendingAnswer>,
    /// Where the downlink puts its frames, if it listens and a station is here.
    outgoing: Option<Arc<OutgoingFrames>>,
    /// The stations that spoke here, each once.
    stations: Vec<Box<str>>,
    /// The station whose logger asked here for its MN.
    registering: Option<Box<str>>,
    /// Whether an accepted frame has come.
    known: bool,
    /// Bytes that were no acceptable frame since the last accepted one.
    noise: u64,
    /// Whether a fault stood before what comes next.
    after_fault: bool,
    close: Option<Close>,
    /// Until then nothing is read: a station is ahead of its share.
    resume_at: Option<Instant>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    pub(super) fn new(stream: S, admission: Admission) -> Self {
        let now = Instant::now();
        Connection {
            stream,
            admission,
            front: Front::new(now),
            flights: VecDeque::new(),
            outgoing: None,
            stations: Vec::new(),
            registering: None,
            known: false,
            noise: 0,
            after_fault: false,
            close: None,
            resume_at: None,
        }
    }

    /// Speaks until the peer leaves, a limit closes the connection, or `stop`. Answers that are due are still sent.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        let error = self.converse(&stop).await.err();
        let peering = self.admission.peering;
        let shared = &self.admission.shared;
        for _ in self.flights.drain(..) {
            shared.landed(Counter::AnswersUndelivered);
        }
        shared.ended(self.stations.iter().map(AsRef::as_ref), peering, stop.is_cancelled());
        let close = self.close;
        if let Some(close) = close {
            shared.telemetry.count(match close {
                Close::Idle => Counter::ConnectionsIdle,
                Close::Partial => Counter::ConnectionsPartial,
                Close::Noisy => Counter::ConnectionsNoisy,
                // Counted where the place was given to somebody else.
                Close::GaveWay => return,
            });
        }
        tracing::debug!(peer = %peering.peer, connection = peering.connection, ?close, ?error, "connection ended");
    }

    async fn converse(&mut self, stop: &CancellationToken) -> io::Result<()> {
        let mut stopped = pin!(stop.cancelled());
        let silence = Arc::clone(&self.admission.silence);
        let mut leave = pin!(silence.leave());
        let mut alarm = pin!(tokio::time::sleep_until(self.deadline()));
        loop {
            let reading = self.resume_at.is_none() && self.flights.len() < self.admission.settings.in_flight_max;
            self.arm(alarm.as_mut());
            tokio::select! {
                biased;
                outcome = settled(&mut self.flights), if !self.flights.is_empty() => self.answer(outcome).await?,
                came = received(&mut self.stream, &mut self.front.buffer), if reading => match came? {
                    0 => {
                        self.take(Peer::Resting);
                        return self.finish().await;
                    }
                    bytes => self.came(bytes),
                },
                letters = posted(self.outgoing.as_deref()), if self.outgoing.is_some() => {
                    for letter in letters {
                        let Admission { shared, settings, peering, .. } = &self.admission;
                        shared.wire(letter.mn.as_bytes(), Direction::Out, *peering, &letter.frame);
                        within(settings.write_max, self.stream.write_all(&letter.frame)).await?;
                    }
                }
                () = alarm.as_mut(), if reading => self.late(),
                () = rested(self.resume_at), if self.resume_at.is_some() => {
                    self.resume_at = None;
                    // What waited here is not late.
                    self.front.wait_from(Instant::now());
                }
                () = &mut leave, if !self.known => self.close = Some(Close::GaveWay),
                () = &mut stopped => {
                    self.take(Peer::Resting);
                    // A peer that does not read must not keep the gateway.
                    return within(STOP_MAX, self.finish()).await;
                }
            }
            // Frames that waited in the buffer for a place on the way to disk.
            self.take(Peer::Sending);
            if self.close.is_some() {
                return self.finish().await;
            }
        }
    }

    /// Sends the answers that are still due, then closes.
    async fn finish(&mut self) -> io::Result<()> {
        while !self.flights.is_empty() {
            let outcome = settled(&mut self.flights).await;
            self.answer(outcome).await?;
        }
        self.stream.shutdown().await
    }

    /// `count` bytes came at the end of the buffer.
    fn came(&mut self, count: usize) {
        self.front.came(Instant::now(), count);
        if !self.known {
            self.admission.silence.heard((self.admission.shared.clock)());
        }
        self.admission.shared.telemetry.add(Counter::BytesHeard, count as u64);
    }

    /// When something must happen although nothing comes.
    fn deadline(&self) -> Instant {
        let settings = &self.admission.settings;
        let idle = self.front.heard_at() + if self.known { settings.idle_max } else { settings.unheard_max };
        self.front.deadline(settings.pause, settings.partial_max).unwrap_or(idle)
    }

    /// Sets the alarm to an earlier deadline; a later one is left to the alarm's next ring, which costs less than moving it.
    fn arm(&self, alarm: Pin<&mut Sleep>) {
        let deadline = self.deadline();
        if deadline < alarm.deadline() || alarm.is_elapsed() {
            alarm.reset(deadline);
        }
    }

    /// The alarm rang.
    fn late(&mut self) {
        let now = Instant::now();
        let settings = &self.admission.settings;
        if self.front.buffer.is_empty() {
            let idle_max = if self.known { settings.idle_max } else { settings.unheard_max };
            if now >= self.front.heard_at() + idle_max {
                self.close = Some(Close::Idle);
            }
            return;
        }
        let (pause, partial_max, limits) = (settings.pause, settings.partial_max, self.limits());
        let registry = self.admission.shared.registry();
        let unchecked = |frame: &Frame<'_>| {
            let station = packet::parse(frame.segment).mn.and_then(|mn| registry.find(mn));
            station.is_some_and(|station| station.crc == CrcPolicy::Off)
        };
        match self.front.rang(now, pause, partial_max, &limits, unchecked) {
            TimerMeaning::Looked => {}
            TimerMeaning::Noise => self.take(Peer::Resting),
            TimerMeaning::Partial => {
                self.close = Some(Close::Partial);
                self.take(Peer::Resting);
            }
        }
    }

    fn limits(&self) -> Limits {
        Limits { segment_max: self.admission.settings.segment_max }
    }

    /// Takes what the buffer holds, as long as there is a place on the way to disk. At the end of a connection
    /// ([`Peer::Resting`]) everything is taken.
    fn take(&mut self, peer: Peer) {
        let settings = &self.admission.settings;
        let (in_flight_max, longest) = (settings.in_flight_max, 2 * (settings.segment_max + 64));
        while !self.front.buffer.is_empty()
            && (peer == Peer::Resting || self.resume_at.is_none() && self.flights.len() < in_flight_max)
        {
            // A frame that is not complete after twice the longest one never will be.
            let rests = self.front.is_settled() || self.front.buffer.len() >= longest + READ;
            if !self.take_one(if rests { Peer::Resting } else { peer }) {
                break;
            }
        }
        self.front.rest();
    }

    /// Takes one thing off the front of the buffer; false if more bytes are needed first.
    fn take_one(&mut self, peer: Peer) -> bool {
        let buffer = std::mem::take(&mut self.front.buffer);
        let step = scan(&buffer, peer, &self.limits());
        let (used, item) = (step.used, step.item);
        match item {
            None => {}
            Some(Item::Frame(frame)) => self.frame(&frame),
            Some(Item::Fault(fault)) => {
                let reason = RejectReason::from(fault.reason);
                let late = self.close == Some(Close::Partial) && reason == RejectReason::Truncated;
                let reason = if late { RejectReason::PartialTimeout } else { reason };
                self.refuse(reason, Deviations::NONE, fault.segment, fault.raw);
                self.after_fault = true;
            }
        }
        self.front.buffer = buffer;
        self.front.used(Instant::now(), used);
        used > 0
    }

    /// A frame with an envelope: judged, and sent on its way to disk.
    fn frame(&mut self, frame: &Frame<'_>) {
        let shared = &self.admission.shared;
        shared.telemetry.count(Counter::FramesHeard);
        let mut header = packet::parse(frame.segment);
        let peering = self.admission.peering;
        let answer = matches!(header.cn, Some(9011..=9013));
        let registering = self.registering.clone().filter(|_| answer && self.is_unknown(header.mn));
        if let Some(mn) = &registering {
            // A logger that is being given its MN may answer under the one that it has, or under none.
            header.mn = Some(mn.as_bytes());
        }
        shared.wire(header.mn.unwrap_or_default(), Direction::In, peering, frame.raw);
        let moved = self.has_moved(frame, &header).and_then(|moved| shared.move_to(&moved, (shared.clock)()));
        let verdict = session::judge(
            frame,
            &header,
            peering.peer.ip(),
            &shared.registry(),
            |station| shared.learned_of(station),
            |station, learned| shared.note_learned(station, learned),
            |station| shared.keys_of(station),
        );
        match verdict {
            FrameVerdict::Refused { reason, detail } => {
                shared.telemetry.count(Counter::FramesRejected);
                if reason == RejectReason::CrcMismatch && sm4::looks_sealed(frame) {
                    self.tell_damaged(frame, &header);
                }
                shared.append(moved);
                self.refuse(reason, detail, Some(frame.segment), frame.raw);
            }
            FrameVerdict::Accepted { station, dialect, mut deviations } => {
                if std::mem::take(&mut self.after_fault) {
                    deviations.insert(Deviation::NoiseBefore);
                }
                if header.mn != Some(station.mn.as_bytes()) {
                    self.registering = Some(station.mn.as_str().into());
                }
                let told = FrameOwner { mn: &station.mn, edition: station.facts.edition.unwrap_or(dialect.edition) };
                let registered = || shared.registered().find(station.mn.as_bytes()).is_some();
                let own = header.mn == Some(station.mn.as_bytes()) && registered();
                let pw = header.pw.unwrap_or_default();
                let again =
                    own.then(|| shared.heard_at(&station.mn, peering.peer.ip(), pw, !header.rf, (shared.clock)()));
                let again = again.flatten().map(|entry| (entry, StoredNotice::nobody()));
                let before = moved.into_iter().chain(again).collect();
                self.keep(frame, &header, &told, deviations, (before, Reply::to(&header, &dialect)));
            }
        }
    }

    /// Tells the downlink of a sealed frame that was damaged, if it is a registered station's by its header: what it says is not believed,
    /// but the key that it was sealed with shows.
    fn tell_damaged(&self, frame: &Frame<'_>, header: &Header<'_>) {
        let shared = &self.admission.shared;
        let registry = shared.registry();
        let Some(station) = header.mn.and_then(|mn| registry.find(mn)).filter(|_| shared.has_listener()) else {
            return;
        };
        if station.knows(header.pw.unwrap_or_default()) {
            let sealed = Some(frame.check.said);
            let frame = Stored { at: (shared.clock)(), segment: frame.segment.into(), sealed };
            shared.tell(StationNotice::Damaged { mn: station.mn.as_str().into(), frame });
        }
    }

    /// Whether a frame whose MN nobody knows is of a station that had another one, and is whole: the check is right, or a key of that station
    /// opens it.
    fn has_moved(&self, frame: &Frame<'_>, header: &Header<'_>) -> Option<Moved> {
        let shared = &self.admission.shared;
        let new = header.mn.filter(|mn| !mn.is_empty() && self.is_unknown(Some(mn)))?;
        let new = std::str::from_utf8(new).ok().filter(|new| registry::is_mn(new))?;
        if matches!(header.cn, None | Some(1001 | 9011..=9014)) {
            return None;
        }
        let from = self.admission.peering.peer.ip();
        let moved = shared.may_have_moved(new, from, header.pw.unwrap_or_default(), &self.stations)?;
        let registry = shared.registered();
        let row = registry.find(moved.mn.as_bytes())?;
        let whole = match frame.check.verdict {
            hj212::CrcVerdict::Right => true,
            hj212::CrcVerdict::Sealed => {
                let (keys, form) = (shared.keys_of(row), row.facts.seal.unwrap_or_default());
                sm4::open_as(form, frame.segment, frame.check.said, keys.iter()).is_ok()
            }
            hj212::CrcVerdict::Known(mistake) => {
                let learned = shared.learned_of(row);
                learned.seen >= session::LEARN_AFTER && learned.mistake == Some(mistake)
            }
            hj212::CrcVerdict::Wrong => false,
        };
        (whole && row.allows(from)).then_some(moved)
    }

    /// Whether this is no registered station's MN.
    fn is_unknown(&self, mn: Option<&[u8]>) -> bool {
        mn.is_none_or(|mn| self.admission.shared.registry().find(mn).is_none())
    }

    /// An accepted frame goes to the journal, behind what is to stand `before` it and the news that its station is here if that is news.
    fn keep(
        &mut self,
        frame: &Frame<'_>,
        header: &Header<'_>,
        told: &FrameOwner<'_>,
        deviations: Deviations,
        (before, reply): (Vec<(Entry, StoredNotice)>, Option<Reply>),
    ) {
        let mn = told.mn;
        let shared = &self.admission.shared;
        let mut placed = true;
        let now = (shared.clock)();
        let from = self.admission.peering;
        let news = if self.stations.iter().any(|known| **known == *mn) {
            shared.place(mn, from, now)
        } else if self.stations.len() < self.admission.settings.stations_per_connection_max {
            self.stations.push(mn.into());
            shared.place(mn, from, now)
        } else {
            shared.telemetry.count(Counter::StationsUnplaced);
            placed = false;
            None
        };
        let telling = (placed && shared.has_listener()).then(|| {
            let came = news.is_some().then_some(told.edition);
            let sealed = sm4::looks_sealed(frame).then_some(frame.check.said);
            Box::new(Telling { came, frame: Stored { at: now, segment: frame.segment.into(), sealed } })
        });
        shared.telemetry.deviated(deviations.union(header.deviations));
        let heard = Heard { from, deviations, segment: frame.segment, raw: frame.raw };
        let (notice, receipt) = StoredNotice::wanted();
        let record = (entry(&Record::Frame(heard), now), notice);
        shared.started_flight();
        let news = news.map(|entry| (entry, StoredNotice::nobody()));
        shared.append(before.into_iter().chain(news).chain([record]));
        self.flights.push_back(PendingAnswer {
            receipt,
            reply,
            mn: mn.into(),
            heard_at: self.front.heard_at(),
            telling,
        });
        if !self.known {
            shared.spoke(from);
        }
        let wait = shared.pace(mn, now);
        if !wait.is_zero() {
            let until = Instant::now() + wait;
            self.resume_at = Some(self.resume_at.map_or(until, |at| at.max(until)));
        }
        (self.known, self.noise) = (true, 0);
    }

    /// Tells the downlink of a frame that is on disk.
    fn tell(&mut self, mn: &str, telling: Telling) {
        let Telling { came, frame } = telling;
        let shared = &self.admission.shared;
        let Some(edition) = came else { return shared.tell(StationNotice::Heard { mn: mn.into(), frame }) };
        let outgoing = Arc::clone(self.outgoing.get_or_insert_default());
        let connection = self.admission.peering.connection;
        shared.tell(StationNotice::Came { mn: mn.into(), connection, edition, outgoing, frame });
    }

    /// Bytes that are not taken as a station's word: kept as rejected, unless there were too many from there lately.
    fn refuse(&mut self, reason: RejectReason, detail: Deviations, segment: Option<&[u8]>, raw: &[u8]) {
        let shared = &self.admission.shared;
        let from = self.admission.peering;
        shared.telemetry.rejected(reason);
        self.noise += raw.len() as u64;
        if self.noise > self.admission.settings.noise_max {
            self.close.get_or_insert(Close::Noisy);
        }
        if !shared.may_keep_rejected(from.peer.ip(), raw.len()) {
            return;
        }
        // Behind the rest, where no filter of lines looks; escaped, so that nobody breaks or forges a line.
        let mn = segment.and_then(|segment| hj212::packet::parse(segment).mn);
        let mn = mn.map(|mn| mn.get(..MN_SHOWN).unwrap_or(mn).escape_ascii().to_string());
        tracing::info!(peer = %from.peer, reason = reason.code(), bytes = raw.len(), mn, "rejected");
        let rejected = Rejected { from, reason, detail, segment, heard: raw.len() as u64, raw };
        shared.append([(entry(&Record::Rejected(rejected), (shared.clock)()), StoredNotice::nobody())]);
    }

    /// The oldest flight is settled: its answer is sent, with those of all that are settled by now.
    async fn answer(&mut self, outcome: Outcome) -> io::Result<()> {
        let mut answers = Vec::new();
        let (mut answered, mut oldest) = (0, None);
        let mut outcome = Some(outcome);
        while let Some(settled) = outcome.take() {
            let Some(flight) = self.flights.pop_front() else { break };
            oldest.get_or_insert(flight.heard_at);
            answered += usize::from(self.land(flight, settled, &mut answers));
            outcome = self.flights.front_mut().and_then(|next| match next.receipt.try_recv() {
                Ok(settled) => Some(settled),
                Err(oneshot::error::TryRecvError::Closed) => Some(Err(Unstored::Closed)),
                Err(oneshot::error::TryRecvError::Empty) => None,
            });
        }
        if answers.is_empty() {
            return Ok(());
        }
        let shared = &self.admission.shared;
        let sent = within(self.admission.settings.write_max, self.stream.write_all(&answers)).await;
        let became = if sent.is_ok() { Counter::FramesAnswered } else { Counter::AnswersUndelivered };
        // Of answers sent together the slowest is noted.
        if let Some(heard_at) = oldest {
            shared.telemetry.took(Timing::Answer, heard_at.elapsed());
        }
        (0..answered).for_each(|_| shared.landed(became));
        sent
    }

    /// Adds the flight's answer to those to be sent; whether there is one. Without one the flight ends here.
    fn land(&mut self, mut flight: PendingAnswer, outcome: Outcome, answers: &mut Vec<u8>) -> bool {
        if let Some(telling) = flight.telling.take().filter(|_| outcome.is_ok()) {
            self.tell(&flight.mn, *telling);
        }
        let shared = &self.admission.shared;
        match (outcome, flight.reply) {
            (Ok(_), Some(reply)) => {
                shared.wire(flight.mn.as_bytes(), Direction::Out, self.admission.peering, &reply.frame);
                answers.extend_from_slice(&reply.frame);
                return true;
            }
            (Ok(_), None) => shared.landed(Counter::FramesUnasked),
            (Err(_), _) => {
                shared.displace(&flight.mn, self.admission.peering.connection);
                shared.landed(Counter::FramesUnstored);
            }
        }
        false
    }
}

/// Whose frame it is, and the edition the station is spoken to in.
struct FrameOwner<'a> {
    mn: &'a str,
    edition: Edition,
}

/// What the downlink wants to say here.
async fn posted(outgoing: Option<&OutgoingFrames>) -> Vec<OutgoingFrame> {
    match outgoing {
        Some(outgoing) => outgoing.frames().await,
        None => std::future::pending().await,
    }
}

/// Until a connection is read again.
async fn rested(until: Option<Instant>) {
    match until {
        Some(until) => tokio::time::sleep_until(until).await,
        None => std::future::pending().await,
    }
}

/// The outcome of the oldest flight.
async fn settled(flights: &mut VecDeque<PendingAnswer>) -> Outcome {
    match flights.front_mut() {
        Some(flight) => (&mut flight.receipt).await.unwrap_or(Err(Unstored::Closed)),
        None => std::future::pending().await,
    }
}

/// Reads what is there to the end of `buffer`; 0: the peer has closed.
async fn received<S: AsyncRead + Unpin>(stream: &mut S, buffer: &mut BytesMut) -> io::Result<usize> {
    std::future::poll_fn(|context| poll_received(stream, buffer, context)).await
}

/// The bytes pass through the stack, so that a connection that waits needs no buffer.
fn poll_received<S: AsyncRead + Unpin>(
    stream: &mut S,
    buffer: &mut BytesMut,
    context: &mut Context<'_>,
) -> Poll<io::Result<usize>> {
    let mut bytes = [std::mem::MaybeUninit::uninit(); READ];
    let mut read = ReadBuf::uninit(&mut bytes);
    ready!(Pin::new(stream).poll_read(context, &mut read))?;
    buffer.extend_from_slice(read.filled());
    Poll::Ready(Ok(read.filled().len()))
}

async fn within(limit: Duration, writing: impl Future<Output = io::Result<()>>) -> io::Result<()> {
    tokio::time::timeout(limit, writing).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}
