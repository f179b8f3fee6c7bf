//! One client's connection.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::wire::{self, Answer, Broken, Filter, Said, Version};
use super::{Behaviour, CONNECT_MAX, Cut, Message, PACKET_MAX, Refusal, Seat, Unwelcome, WRITE_MAX, open};

/// A client's pause that ends a group of reordered acknowledgements.
const PAUSE: Duration = Duration::from_millis(20);
/// Messages are passed on in portions of about so many bytes, so that the queue, which has a limit, holds the rest.
const PORTION: usize = 64 << 10;

/// An acknowledgement that is due.
#[derive(Debug)]
struct Due {
    at: Instant,
    id: u16,
    message: Message,
}

/// A connection and what it is owed.
pub(super) struct Client {
    seat: Seat,
    stream: TcpStream,
    behaviour: Behaviour,
    buffer: BytesMut,
    out: BytesMut,
    /// Messages that are accepted once so many bytes of `out` have been written.
    accepting: VecDeque<(usize, Message)>,
    due: VecDeque<Due>,
    group: Vec<(u16, Message)>,
    received: u64,
    /// When the client last said something.
    heard: Instant,
    sent: u64,
    published: u32,
    last_id: u16,
    /// How the connection is cut, and the packet id of the publication at which it is.
    cutting: Option<(Cut, u16)>,
}

/// How a connection goes on.
enum Then {
    Goes,
    /// The client said good-bye: no will.
    Ends,
}

impl Client {
    pub(super) fn new(seat: Seat, stream: TcpStream, behaviour: Behaviour) -> Self {
        // Small packets should not wait for each other; without it things are slower, not wrong.
        let _ = stream.set_nodelay(true);
        Client {
            seat,
            stream,
            behaviour,
            buffer: BytesMut::new(),
            out: BytesMut::new(),
            accepting: VecDeque::new(),
            due: VecDeque::new(),
            group: Vec::new(),
            received: 0,
            heard: Instant::now(),
            sent: 0,
            published: 0,
            last_id: 0,
            cutting: None,
        }
    }

    pub(super) async fn run(mut self, messages: mpsc::Receiver<Message>) {
        if let Ok(Ok(Some((version, keep_alive)))) = tokio::time::timeout(CONNECT_MAX, self.greet()).await {
            match self.serve(version, keep_alive, messages).await {
                Ok(()) => self.seat.farewell(),
                // The connection ends in any case.
                Err(Broken) => drop(self.cut(version).await),
            }
        }
    }

    /// Cuts the connection as it is to be cut at a publication.
    async fn cut(&mut self, version: Version) -> Result<(), Broken> {
        let Some((how, id)) = self.cutting else { return Ok(()) };
        if matches!(how, Cut::Reset | Cut::RefuseAndReset) {
            // Without it the connection is closed, which is no worse.
            let _ = self.stream.set_zero_linger();
        }
        if how != Cut::Reset {
            self.settle(version)?;
        }
        if version == Version::V5 && matches!(how, Cut::RefuseAndClose | Cut::RefuseAndReset) {
            self.say(version, Answer::Acknowledge { id, refused: Some(Refusal::NotAuthorized) })?;
        }
        self.flush().await
    }

    /// From the first byte to CONNACK: the edition and the keep-alive, `None` if the client was not let in.
    async fn greet(&mut self) -> Result<Option<(Version, u16)>, Broken> {
        let version = loop {
            self.read().await?;
            if let Some(version) = wire::version(&self.buffer)? {
                break version;
            }
        };
        let connect = loop {
            match wire::read(version, &mut self.buffer, PACKET_MAX)? {
                Some(said) => break said,
                None => self.read().await?,
            }
        };
        let Said::Connect { name, login, will, keep_alive } = connect else { return Err(Broken) };
        while self.behaviour.mute {
            self.read().await?;
            self.buffer.clear();
        }
        if self.behaviour.garbage {
            self.out.extend_from_slice(b"HTTP/1.1 400 Bad Request\r\n\r\n");
            self.flush().await?;
            return Err(Broken);
        }
        let stranger = self.behaviour.login.is_some() && self.behaviour.login != login;
        if let Some(why) = stranger.then_some(Unwelcome::BadCredentials).or(self.behaviour.refuse_connect) {
            self.say(version, Answer::Unwelcome(why))?;
            self.flush().await?;
            return Ok(None);
        }
        self.seat.admit(name, will);
        self.say(version, Answer::Welcome)?;
        self.flush().await?;
        Ok(Some((version, keep_alive)))
    }

    async fn serve(
        &mut self,
        version: Version,
        keep_alive: u16,
        mut messages: mpsc::Receiver<Message>,
    ) -> Result<(), Broken> {
        let patience = match keep_alive {
            0 => Duration::from_secs(86_400),
            seconds => Duration::from_millis(u64::from(seconds) * 1500),
        };
        if self.behaviour.deaf {
            std::future::pending::<()>().await;
        }
        let packet_max = self.packet_max();
        loop {
            while let Some(said) = wire::read(version, &mut self.buffer, packet_max)? {
                if let Then::Ends = self.hear(version, said)? {
                    self.flush().await?;
                    return Ok(());
                }
            }
            self.settle(version)?;
            self.flush().await?;
            let wake = self.due.front().map_or(Instant::now() + PAUSE, |due| due.at);
            let waiting = !self.due.is_empty() || !self.group.is_empty();
            let lost = self.heard + patience;
            tokio::select! {
                biased;
                read = self.read() => read?,
                Some(message) = messages.recv() => {
                    self.pass_on(version, message)?;
                    while self.out.len() < PORTION && let Ok(message) = messages.try_recv() {
                        self.pass_on(version, message)?;
                    }
                }
                () = tokio::time::sleep_until(wake), if waiting => self.end_group(),
                () = tokio::time::sleep_until(lost) => return Err(Broken),
            }
        }
    }

    fn packet_max(&self) -> usize {
        self.behaviour.packet_maximum.map_or(PACKET_MAX, |most| most as usize)
    }

    /// Reads what is there, up to the cut.
    async fn read(&mut self) -> Result<(), Broken> {
        let room = self.behaviour.cut_received.map_or(u64::MAX, |cut| cut.saturating_sub(self.received));
        if room == 0 {
            return Err(Broken);
        }
        match (&mut self.stream).take(room).read_buf(&mut self.buffer).await {
            Ok(count @ 1..) => {
                self.received += count as u64;
                self.heard = Instant::now();
                Ok(())
            }
            Ok(0) | Err(_) => Err(Broken),
        }
    }

    fn say(&mut self, version: Version, answer: Answer) -> Result<(), Broken> {
        wire::write(version, answer, &self.behaviour, &mut self.out)
    }

    /// Writes what is to be said, up to the cut; what was acknowledged with the bytes written is accepted, however this ends.
    async fn flush(&mut self) -> Result<(), Broken> {
        let room = self
            .behaviour
            .cut_sent
            .map_or(usize::MAX, |cut| usize::try_from(cut.saturating_sub(self.sent)).unwrap_or(usize::MAX));
        let bytes = self.out.split();
        let now = bytes.get(..room).unwrap_or(&bytes);
        let mut rest = now;
        while !rest.is_empty() {
            let Ok(written) = tokio::time::timeout(WRITE_MAX, self.stream.write(rest)).await else {
                open(&self.seat.hub).counts.too_slow += 1;
                return Err(Broken);
            };
            let Ok(written @ 1..) = written else { return Err(Broken) };
            rest = rest.get(written..).unwrap_or_default();
            self.sent += written as u64;
            let done = now.len() - rest.len();
            let mut hub = open(&self.seat.hub);
            while let Some((_, message)) = self.accepting.pop_front_if(|(end, _)| *end <= done) {
                hub.accept(&message);
            }
        }
        if now.len() < bytes.len() {
            // What was said before the cut must arrive: a reset would take it back.
            let _ = self.stream.shutdown().await;
            return Err(Broken);
        }
        Ok(())
    }

    fn hear(&mut self, version: Version, said: Said) -> Result<Then, Broken> {
        match said {
            Said::Publish { message, id } => self.publish(version, message, id)?,
            Said::Subscribe { id, filters } => self.subscribe(version, id, filters)?,
            Said::Unsubscribe { id, filters } => {
                self.seat.unsubscribe(&filters);
                self.say(version, Answer::Unsubscribed { id, count: filters.len() })?;
            }
            Said::Ping => self.say(version, Answer::Pong)?,
            Said::Acknowledge => {}
            Said::Disconnect => return Ok(Then::Ends),
            Said::Connect { .. } | Said::Other => return Err(Broken),
        }
        Ok(Then::Goes)
    }

    fn publish(&mut self, version: Version, message: Message, id: u16) -> Result<(), Broken> {
        match message.qos {
            0 => {
                open(&self.seat.hub).accept(&message);
                return Ok(());
            }
            1 => {}
            _ => return Err(Broken),
        }
        self.published += 1;
        let nth = |every: u32| every > 0 && self.published.is_multiple_of(every);
        let mute = |topic: &String| message.topic.contains(topic.as_str());
        if self.behaviour.withhold_every.is_some_and(nth) || self.behaviour.withhold_topic.as_ref().is_some_and(mute) {
            return Ok(());
        }
        if let Some((topic, how)) = &self.behaviour.cut_topic
            && message.topic.contains(topic.as_str())
        {
            self.cutting = Some((*how, id));
            return Err(Broken);
        }
        if let Some((topic, refusal)) = &self.behaviour.refuse_topic
            && message.topic.contains(topic.as_str())
        {
            return match version {
                Version::V5 => self.say(version, Answer::Acknowledge { id, refused: Some(*refusal) }),
                Version::V311 => Err(Broken),
            };
        }
        if let Some((every, refusal)) = self.behaviour.refuse_every
            && version == Version::V5
            && nth(every)
        {
            return self.say(version, Answer::Acknowledge { id, refused: Some(refusal) });
        }
        if self.behaviour.reorder.is_some() {
            self.group.push((id, message));
            if Some(self.group.len()) == self.behaviour.reorder {
                self.end_group();
            }
        } else {
            self.owe(id, message);
        }
        Ok(())
    }

    fn owe(&mut self, id: u16, message: Message) {
        let at = Instant::now() + self.behaviour.delay.unwrap_or_default();
        self.due.push_back(Due { at, id, message });
    }

    /// The group's acknowledgements become due, the last first.
    fn end_group(&mut self) {
        for (id, message) in std::mem::take(&mut self.group).into_iter().rev() {
            self.owe(id, message);
        }
    }

    /// Says the acknowledgements that are due.
    fn settle(&mut self, version: Version) -> Result<(), Broken> {
        let now = Instant::now();
        while let Some(due) = self.due.pop_front_if(|due| due.at <= now) {
            self.say(version, Answer::Acknowledge { id: due.id, refused: None })?;
            self.accepting.push_back((self.out.len(), due.message));
            if self.behaviour.duplicate {
                self.say(version, Answer::Acknowledge { id: due.id, refused: None })?;
            }
            if self.behaviour.invent {
                self.say(version, Answer::Acknowledge { id: due.id.wrapping_add(30_000).max(1), refused: None })?;
            }
        }
        Ok(())
    }

    fn subscribe(&mut self, version: Version, id: u16, mut filters: Vec<Filter>) -> Result<(), Broken> {
        let granted = filters.iter().map(Filter::granted).collect();
        self.say(version, Answer::Subscribed { id, granted })?;
        filters.retain(|filter| filter.granted().is_some());
        let mut retained = Vec::new();
        if !self.seat.subscribe(filters, &mut retained) {
            return Err(Broken);
        }
        retained.into_iter().try_for_each(|message| self.pass_on(version, message))
    }

    fn pass_on(&mut self, version: Version, message: Message) -> Result<(), Broken> {
        self.last_id = self.last_id.checked_add(1).unwrap_or(1);
        self.say(version, Answer::Publish { message, id: self.last_id })
    }
}
