//! One connection: bytes in, records to the journal, answers out in order.
//!
//! What must stay true: while a frame is on its way to disk its answer waits, and at most `in_flight_max` of them do; nothing is
//! read beyond that.

mod answering;
mod pending;
mod receiving;
mod socket;

use std::collections::VecDeque;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, Sleep};
use tokio_util::sync::CancellationToken;

use super::front::{Front, TimerMeaning};
use super::listener_state::admission::Admission;
use super::notices::{OutgoingFrame, OutgoingFrames};
use super::wire_log::Direction;
use hj212::{Deviations, Frame, Item, Limits, Peer, packet, scan};
use hj212_model::message::RejectReason;
use hj212_model::registry::CrcPolicy;
use hj212_model::telemetry::Counter;
use pending::{PendingAnswer, settled};
use socket::{READ, received, within};

/// How long a peer has to take its last answers when the gateway stops.
const STOP_MAX: Duration = Duration::from_millis(1800);

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
                frames = posted(self.outgoing.as_deref()), if self.outgoing.is_some() => {
                    for out in frames {
                        let Admission { shared, settings, peering, .. } = &self.admission;
                        shared.wire(out.mn.as_bytes(), Direction::Out, *peering, &out.frame);
                        within(settings.write_max, self.stream.write_all(&out.frame)).await?;
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
