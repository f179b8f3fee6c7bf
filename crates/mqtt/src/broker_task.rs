//! The task behind an [`Outbox`](super::Outbox): makes connections, feeds them from the window, hears of them, takes leave.
//!
//! What must stay true: this task alone owns the window, so nothing needs a lock; it never waits for the broker without also
//! listening for `stop`; a failed connection is always dropped whole before the next attempt.

mod set_aside;

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tracing::{info, warn};

use super::brokers::Brokers;
use super::connect::{Backoff, Complaints, Failure, Kind, credentials};
use super::culprit::Cut;
use super::link::{ConnectionEnding, Link, OVERHEAD, Signal, before_accepted, prepare, unsendable};
use super::trouble::Trouble;
use super::window::{BrokerReply, Collision, Outgoing, Window};
use super::{Letter, Settings, State, tls};
use hj212_model::message::Publication;
use hj212_model::telemetry::{Counter, Telemetry};

/// How long the farewell may take to be acknowledged.
const FAREWELL_MAX: Duration = Duration::from_secs(1);
/// How long the DISCONNECT may take to be written.
const LEAVE_MAX: Duration = Duration::from_millis(500);
/// A wake-up for want of anything better to wait for.
const IDLE: Duration = Duration::from_secs(3600);

/// The smallest limit of packets that may be meant: ordinary records fit it.
const LEAST_PACKET: u64 = 1024;
/// What is in trouble is looked at so often.
const LOOK: Duration = Duration::from_millis(500);
/// So long after a connection was made without the status it is published all the same.
const STATUS_AGAIN: Duration = Duration::from_secs(900);
/// After so many refused connections in a row, the next is tried without a will.
const WILL_REFUSED: u32 = 3;

/// The broker is too slow, which is nobody's fault here.
const NO_ACK: &str = "the broker does not acknowledge: ack_timeout";

/// The same of one that was not tried.
const SILENT: &str = "the broker does not acknowledge messages of this topic; one a minute is tried";

/// What the gateway says of itself.
#[derive(Debug)]
pub(super) struct StatusMessages {
    pub(super) birth: Publication,
    pub(super) will: Publication,
}

/// The stages of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Connecting,
    Open,
    Draining,
    Farewell,
    Leaving,
}

/// How a connection ended.
#[derive(Debug)]
enum End {
    Stopped,
    Failed(Failure),
}

/// See the head of this file.
#[derive(Debug)]
pub(super) struct BrokerTask {
    settings: Settings,
    status: Option<StatusMessages>,
    telemetry: Arc<Telemetry>,
    stop: CancellationToken,
    pushes: mpsc::Receiver<(Publication, u64)>,
    pushes_open: bool,
    delivered: watch::Sender<u64>,
    state: watch::Sender<State>,
    window: Window,
    complaints: Complaints,
    packet_max: u64,
    phase: Phase,
    /// When the phase, or the wait for the next acknowledgement, is over.
    phase_until: Instant,
    connected_at: Option<Instant>,
    /// Who keeps what is set aside, and what became of it.
    letters: Option<mpsc::UnboundedSender<Letter>>,
    settle: mpsc::UnboundedSender<(u64, bool)>,
    settled: mpsc::UnboundedReceiver<(u64, bool)>,
    trouble: Trouble,
    /// When what is in trouble was last looked at.
    looked: Instant,
    /// When something was last taken, or the connection made.
    taken_at: Instant,
    /// The last refusal's reason.
    reason: Option<String>,
    /// The largest message taken, and the smallest of those larger at which the broker cut the connection, and when that was set aside.
    largest_taken: u64,
    cut_size: Option<(u64, Instant)>,
    /// Refused connections in a row.
    turned_away: u32,
    /// When the status is published on a connection that was made without it.
    status_due: Option<Instant>,
}

impl BrokerTask {
    #[allow(clippy::too_many_arguments, reason = "called once, by the head of the crate")]
    pub(super) fn new(
        settings: Settings,
        status: Option<StatusMessages>,
        telemetry: Arc<Telemetry>,
        stop: CancellationToken,
        pushes: mpsc::Receiver<(Publication, u64)>,
        delivered: watch::Sender<u64>,
        state: watch::Sender<State>,
        letters: Option<mpsc::UnboundedSender<Letter>>,
    ) -> Self {
        let (settle, settled) = mpsc::unbounded_channel();
        let window = Window::new(settings.window, settings.retry_min, settings.retry_max);
        let trouble = Trouble::new(&settings.prefix, settings.tries_max);
        BrokerTask {
            letters,
            settle,
            settled,
            trouble,
            looked: Instant::now(),
            taken_at: Instant::now(),
            reason: None,
            largest_taken: 0,
            cut_size: None,
            turned_away: 0,
            status_due: None,
            packet_max: settings.packet_max,
            settings,
            status,
            telemetry,
            stop,
            pushes,
            pushes_open: true,
            delivered,
            state,
            window,
            complaints: Complaints::default(),
            phase: Phase::Connecting,
            phase_until: Instant::now(),
            connected_at: None,
        }
    }

    /// Runs until `stop`.
    pub(super) async fn run(mut self) {
        let mut backoff = Backoff::new(self.settings.retry_min, self.settings.retry_max);
        let mut brokers = Brokers::new(&self.settings);
        while !self.stop.is_cancelled() {
            let End::Failed(failure) = self.connection().await else { break };
            let lived = self.connected_at.take().map_or(Duration::ZERO, |at| at.elapsed());
            let (progress, of_a_message) = self.failed(&failure, lived);
            let pause = if !of_a_message && brokers.advance(&mut self.settings) {
                self.settings.retry_min
            } else {
                backoff.pause(failure.kind, lived, progress)
            };
            tokio::select! {
                () = self.stop.cancelled() => break,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// A connection, or the attempt at one, has failed. Whether the next need not wait, and whether a message was the reason.
    fn failed(&mut self, failure: &Failure, lived: Duration) -> (bool, bool) {
        let now = Instant::now();
        // A broker that is slow cuts nothing.
        let is_cut = failure.kind == Kind::Lost && failure.text != NO_ACK;
        let cut = if is_cut {
            self.window.cut(now)
        } else if failure.text == NO_ACK {
            self.window.withheld(now, self.settings.ack_timeout)
        } else {
            Cut::default()
        };
        let at = self.note_cut(&cut, failure, now);
        self.turned_away = match failure.kind {
            Kind::Refused | Kind::Credentials => self.turned_away.saturating_add(1),
            Kind::Unreachable | Kind::Lost | Kind::Dismissed => 0,
        };
        self.window.reset();
        let progress = self.set_aside() || cut.progress;
        if failure.kind != Kind::Unreachable {
            self.telemetry.count(Counter::MqttDisconnects);
        }
        tracing::debug!(?lived, error = failure.text, "no connection to the MQTT broker");
        if at.is_none() {
            self.complain(&failure.text);
        }
        let of_a_message = at.is_some();
        // While others pass, the broker is not away: it takes a moment to connect again.
        if !(progress && self.state.borrow().is_up() && at.is_some()) {
            let why = at.unwrap_or_else(|| failure.text.clone());
            self.state.send_replace(State::Connecting { last_error: Some(why) });
        }
        (progress, of_a_message)
    }

    fn complain(&mut self, text: &str) {
        if self.complaints.due(text, Instant::now()) {
            warn!(broker = %format_args!("{}:{}", self.settings.host, self.settings.port), "{text}");
        }
    }

    /// One connection from beginning to end. The line's task ends with it.
    async fn connection(&mut self) -> End {
        self.enter(Phase::Connecting, self.settings.ack_timeout);
        let credentials = match credentials(&self.settings).await {
            Ok(credentials) => credentials,
            Err(failure) => return End::Failed(failure),
        };
        let tunnel = tokio::select! {
            opened = tls::open(&self.settings, &self.telemetry) => match opened {
                Ok(tunnel) => tunnel,
                Err(failure) => return End::Failed(failure),
            },
            () = self.stop.cancelled() => return End::Stopped,
        };
        // Some brokers do not let in whoever may not publish its will. The data is worth more than that.
        let wills = self.turned_away % (WILL_REFUSED + 1) != WILL_REFUSED;
        let will = self.status.as_ref().filter(|_| wills).map(|status| &status.will);
        let (link, line) = prepare(&self.settings, credentials, will, tunnel.as_ref());
        let (signal, mut signals) = mpsc::unbounded_channel();
        let _line = AbortOnDropHandle::new(tokio::spawn(line.run(signal)));
        let mut batch = Vec::with_capacity(usize::from(self.settings.window.max(1)));
        loop {
            // A client that is gone says why in its last signal, which is on its way.
            let fed = self.feed(&link);
            let room =
                if self.phase == Phase::Open && self.pushes_open && fed.is_ok() { self.window.room() } else { 0 };
            let wake = tokio::time::Instant::from_std(self.wake());
            let step = tokio::select! {
                biased;
                () = self.stop.cancelled(), if matches!(self.phase, Phase::Connecting | Phase::Open) => self.stopping(),
                batch = signals.recv() => match batch {
                    Some(batch) => self.take_all(batch),
                    None => Some(End::Failed(Failure::new(Kind::Lost, "the MQTT client failed inside"))),
                },
                taken = self.pushes.recv_many(&mut batch, room), if room > 0 => {
                    self.pushes_open = taken > 0;
                    batch.drain(..).for_each(|(publication, origin)| self.push(publication, origin));
                    None
                }
                Some((seq, kept)) = self.settled.recv() => {
                    self.note_settled(seq, kept);
                    None
                }
                () = tokio::time::sleep_until(wake) => self.late(),
            };
            if let Some(mut end) = step.or_else(|| self.progress(&link)) {
                if self.phase == Phase::Connecting
                    && let End::Failed(failure) = end
                {
                    end = End::Failed(before_accepted(failure));
                }
                return match (end, &tunnel) {
                    (End::Failed(failure), Some(tunnel)) => End::Failed(tunnel.told(failure)),
                    (end, _) => end,
                };
            }
        }
    }

    /// Takes a publication; one of a topic that is known to be left unanswered is set aside without a try.
    fn push(&mut self, publication: Publication, origin: u64) {
        let known = self.letters.is_some() && self.trouble.is_known_silent(&publication.topic, Instant::now());
        let seq = self.window.push(publication, origin);
        if known {
            self.hand_out(seq, SILENT, true);
        }
    }

    fn enter(&mut self, phase: Phase, at_most: Duration) {
        self.phase = phase;
        self.phase_until = Instant::now() + at_most;
    }

    /// When something must happen even if nobody says anything.
    fn wake(&self) -> Instant {
        if self.phase != Phase::Open {
            return self.phase_until;
        }
        let late = self.window.oldest().map(|at| at + self.settings.ack_timeout);
        let left_out = self.window.left_out_at(self.settings.ack_timeout);
        let retry = self.window.next_retry();
        let look = self.trouble.is_known().then(|| Instant::now() + LOOK);
        late.into_iter()
            .chain(left_out)
            .chain(retry)
            .chain(look)
            .chain(self.status_due)
            .min()
            .unwrap_or_else(|| Instant::now() + IDLE)
    }

    fn late(&mut self) -> Option<End> {
        let now = Instant::now();
        match self.phase {
            Phase::Connecting if now >= self.phase_until => {
                let text = "the broker cannot be reached: it does not answer";
                Some(End::Failed(Failure::new(Kind::Unreachable, text)))
            }
            Phase::Open => {
                self.look(now);
                if self.status_due.take_if(|due| *due <= now).is_some()
                    && let Some(status) = &self.status
                {
                    self.window.announce(status.birth.clone());
                }
                let oldest = self.window.oldest()?;
                let left_out = self.window.left_out_at(self.settings.ack_timeout).is_some_and(|at| at <= now);
                (left_out || now.saturating_duration_since(oldest) >= self.settings.ack_timeout)
                    .then(|| End::Failed(Failure::new(Kind::Lost, NO_ACK)))
            }
            Phase::Connecting | Phase::Draining | Phase::Farewell | Phase::Leaving => None,
        }
    }

    fn stopping(&mut self) -> Option<End> {
        self.pushes.close();
        if self.phase != Phase::Open {
            return Some(End::Stopped);
        }
        self.window.drain();
        self.enter(Phase::Draining, self.settings.drain_max);
        None
    }

    /// Goes from stage to stage once `stop` was heard.
    fn progress(&mut self, link: &Link) -> Option<End> {
        let over = Instant::now() >= self.phase_until;
        if self.phase == Phase::Draining && (over || self.window.under_way() == 0) {
            if let Some(status) = &self.status {
                self.window.announce(status.will.clone());
            }
            self.enter(Phase::Farewell, FAREWELL_MAX);
            self.feed(link).ok()?;
        }
        if self.phase == Phase::Farewell {
            if self.window.announced() {
                self.enter(Phase::Leaving, LEAVE_MAX);
                link.disconnect().ok()?;
            } else if over && Instant::now() >= self.phase_until {
                // Without DISCONNECT the broker publishes the will itself.
                return Some(End::Stopped);
            }
        }
        (self.phase == Phase::Leaving && Instant::now() >= self.phase_until).then_some(End::Stopped)
    }

    /// Hands over as much as the window allows.
    fn feed(&mut self, link: &Link) -> Result<(), ConnectionEnding> {
        let now = Instant::now();
        let mut handed = 0;
        let fed = loop {
            let Some(outgoing) = self.window.next(now) else { break Ok(()) };
            let Some(publication) = self.window.publication(outgoing) else { break Ok(()) };
            if let Outgoing::Numbered(seq) = outgoing
                && !self.window.is_suspected(outgoing)
                && self.too_large(publication, now)
            {
                self.window.put_last(seq);
                continue;
            }
            if let Some(why) = unsendable(publication, self.packet_max) {
                let topic = publication.topic.clone();
                self.telemetry.count(Counter::MqttRefused);
                self.complain(&format!("a message cannot be sent: {why}"));
                self.window.park(outgoing, now);
                if let Outgoing::Numbered(seq) = outgoing {
                    self.trouble.refused(&topic, now);
                    // A limit below what ordinary messages have is a mistake: then others must pass first.
                    if self.packet_max >= LEAST_PACKET || self.trouble.is_hopeless(&topic, now, u32::MAX, now) {
                        self.hand_out(seq, &why, false);
                    }
                }
                continue;
            }
            if let Err(gone) = link.publish(publication) {
                break Err(gone);
            }
            self.window.handed(outgoing, now);
            handed += u64::from(matches!(outgoing, Outgoing::Numbered(_)));
        };
        self.telemetry.add(Counter::MqttPublished, handed);
        fed
    }

    fn take_all(&mut self, signals: Vec<Signal>) -> Option<End> {
        let before = self.window.delivered();
        let mut acknowledged = 0;
        let end = signals.into_iter().find_map(|signal| self.take(signal, &mut acknowledged));
        self.telemetry.add(Counter::MqttAcknowledged, acknowledged);
        if self.window.delivered() != before {
            self.delivered.send_replace(self.window.delivered());
        }
        end
    }

    fn take(&mut self, signal: Signal, acknowledged: &mut u64) -> Option<End> {
        match signal {
            Signal::Connected { receive_max, packet_max } => self.connected(receive_max, packet_max),
            Signal::Sent(id) => {
                if let Err(Collision) = self.window.sent(id) {
                    let text = format!("the connection to the broker was lost: packet id {id} is in use");
                    return Some(End::Failed(Failure::new(Kind::Lost, text)));
                }
            }
            Signal::Answered(id, reply) => {
                let now = Instant::now();
                match (self.window.answered(id, reply, now), reply) {
                    (Some((Outgoing::Numbered(_), taken)), BrokerReply::Taken) => {
                        *acknowledged += 1;
                        self.taken_at = now;
                        if let Some(publication) = taken {
                            self.largest_taken = self.largest_taken.max(size(&publication));
                            self.trouble.taken(&publication.topic, now);
                        }
                    }
                    (Some((outgoing, _)), BrokerReply::Refused) => {
                        self.telemetry.count(Counter::MqttRefused);
                        if let (Outgoing::Numbered(_), Some(publication)) =
                            (outgoing, self.window.publication(outgoing))
                        {
                            self.trouble.refused(&publication.topic, now);
                        }
                    }
                    (Some((Outgoing::Announcement(_), _)), BrokerReply::Taken) => self.trouble.taken_status(now),
                    (None, _) => {}
                }
                self.look(now);
            }
            Signal::Reason(text) => {
                self.complain(&format!("the broker refuses messages, they are tried again: {text}"));
                self.reason = Some(text);
            }
            Signal::Ended(failure) => {
                let stopped = !matches!(self.phase, Phase::Connecting | Phase::Open);
                return Some(if stopped { End::Stopped } else { End::Failed(failure) });
            }
        }
        None
    }

    fn connected(&mut self, receive_max: u16, packet_max: u64) {
        self.window.open(usize::from(receive_max));
        self.packet_max = packet_max.min(self.settings.packet_max);
        self.connected_at = Some(Instant::now());
        self.taken_at = Instant::now();
        if self.status.is_some() && self.turned_away % (WILL_REFUSED + 1) == WILL_REFUSED {
            self.complain("the broker lets us in only without a last will: allow publishing to gateway/+/status");
        }
        self.turned_away = 0;
        self.telemetry.count(Counter::MqttConnects);
        let without = self.window.without_status(Instant::now());
        self.status_due = without.then(|| Instant::now() + STATUS_AGAIN);
        if without {
            self.complain(
                "the broker cuts the connection at the gateway's status: allow publishing to gateway/+/status",
            );
        } else if let Some(status) = &self.status {
            self.window.announce(status.birth.clone());
        }
        self.enter(Phase::Open, IDLE);
        let hampered = self.hampered();
        self.state.send_replace(hampered.map_or(State::Connected, |why| State::Hampered { why }));
        if self.complaints.due("connected", Instant::now()) {
            info!(broker = %format_args!("{}:{}", self.settings.host, self.settings.port), "connected to the MQTT broker");
        }
    }
}

/// Bytes of the packet, at most.
fn size(publication: &Publication) -> u64 {
    publication.topic.len() as u64 + publication.payload.len() as u64 + OVERHEAD
}

#[cfg(test)]
#[path = "broker_task_tests.rs"]
mod tests;
