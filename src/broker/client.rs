//! One client's connection.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::wire::{self, Answer, Broken, Said, Version};
use super::{Behaviour, Hub, Message, PACKET_MAX, QUEUE_MAX, Subscriber, open};

/// A client's pause that ends a group of reordered acknowledgements.
const PAUSE: Duration = Duration::from_millis(20);

/// An acknowledgement that is due.
#[derive(Debug)]
struct Due {
    at: Instant,
    id: u16,
    message: Message,
}

/// A connection and what it is owed.
pub(super) struct Client {
    number: u64,
    stream: TcpStream,
    hub: Arc<Mutex<Hub>>,
    behaviour: Behaviour,
    buffer: BytesMut,
    out: BytesMut,
    /// Messages that are accepted once so many bytes of `out` have been written.
    accepting: Vec<(usize, Message)>,
    due: VecDeque<Due>,
    group: Vec<(u16, Message)>,
    received: u64,
    sent: u64,
    published: u32,
    last_id: u16,
}

/// How a connection goes on.
enum Then {
    Goes,
    /// The client said good-bye: no will.
    Ends,
}

impl Client {
    pub(super) fn new(number: u64, stream: TcpStream, hub: Arc<Mutex<Hub>>, behaviour: Behaviour) -> Self {
        // Small packets should not wait for each other; without it things are slower, not wrong.
        let _ = stream.set_nodelay(true);
        Client {
            number,
            stream,
            hub,
            behaviour,
            buffer: BytesMut::new(),
            out: BytesMut::new(),
            accepting: Vec::new(),
            due: VecDeque::new(),
            group: Vec::new(),
            received: 0,
            sent: 0,
            published: 0,
            last_id: 0,
        }
    }

    pub(super) async fn run(mut self) {
        let mut will = None;
        let ended = self.serve(&mut will).await;
        if let (Err(_), Some(will)) = (ended, will) {
            open(&self.hub).accept(&will);
        }
    }

    async fn serve(&mut self, will: &mut Option<Message>) -> Result<(), Broken> {
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
        let Said::Connect { login, will: last_will, keep_alive } = connect else { return Err(Broken) };
        if self.behaviour.mute {
            std::future::pending::<()>().await;
        }
        if self.behaviour.garbage {
            self.out.extend_from_slice(b"HTTP/1.1 400 Bad Request\r\n\r\n");
            self.flush().await?;
            return Err(Broken);
        }
        if self.behaviour.login.is_some() && self.behaviour.login != login {
            self.say(version, Answer::BadCredentials)?;
            return self.flush().await;
        }
        *will = last_will;
        self.say(version, Answer::Welcome)?;
        self.flush().await?;
        let (queue, mut messages) = mpsc::channel(QUEUE_MAX);
        let overrun = CancellationToken::new();
        let patience = match keep_alive {
            0 => Duration::from_secs(86_400),
            seconds => Duration::from_millis(u64::from(seconds) * 1500),
        };
        let packet_max = self.packet_max();
        loop {
            while let Some(said) = wire::read(version, &mut self.buffer, packet_max)? {
                if let Then::Ends = self.hear(version, said, &queue, &overrun)? {
                    self.flush().await?;
                    return Ok(());
                }
            }
            self.settle(version)?;
            self.flush().await?;
            let wake = self.due.front().map_or(Instant::now() + PAUSE, |due| due.at);
            let waiting = !self.due.is_empty() || !self.group.is_empty();
            tokio::select! {
                biased;
                () = overrun.cancelled() => return Err(Broken),
                read = tokio::time::timeout(patience, Self::more(&mut self.stream, &mut self.buffer, self.behaviour.cut_received, &mut self.received)) => read.map_err(|_| Broken)??,
                Some(message) = messages.recv() => {
                    self.pass_on(version, message)?;
                    while let Ok(message) = messages.try_recv() {
                        self.pass_on(version, message)?;
                    }
                }
                () = tokio::time::sleep_until(wake), if waiting => self.end_group(),
            }
        }
    }

    fn packet_max(&self) -> usize {
        self.behaviour.packet_maximum.map_or(PACKET_MAX, |most| most as usize)
    }

    async fn read(&mut self) -> Result<(), Broken> {
        Self::more(&mut self.stream, &mut self.buffer, self.behaviour.cut_received, &mut self.received).await
    }

    /// Reads what is there, up to the cut.
    async fn more(
        stream: &mut TcpStream,
        buffer: &mut BytesMut,
        cut: Option<u64>,
        received: &mut u64,
    ) -> Result<(), Broken> {
        let room = cut.map_or(u64::MAX, |cut| cut.saturating_sub(*received));
        if room == 0 {
            return Err(Broken);
        }
        match stream.take(room).read_buf(buffer).await {
            Ok(count @ 1..) => {
                *received += count as u64;
                Ok(())
            }
            Ok(0) | Err(_) => Err(Broken),
        }
    }

    fn say(&mut self, version: Version, answer: Answer) -> Result<(), Broken> {
        wire::write(version, answer, &self.behaviour, &mut self.out)
    }

    /// Writes what is to be said, up to the cut; then what was acknowledged with it is accepted.
    async fn flush(&mut self) -> Result<(), Broken> {
        if self.out.is_empty() {
            return Ok(());
        }
        let room = self
            .behaviour
            .cut_sent
            .map_or(usize::MAX, |cut| usize::try_from(cut.saturating_sub(self.sent)).unwrap_or(usize::MAX));
        let bytes = self.out.split();
        let now = bytes.get(..room).unwrap_or(&bytes);
        self.stream.write_all(now).await.map_err(|_| Broken)?;
        self.sent += now.len() as u64;
        {
            let mut hub = open(&self.hub);
            let written = self.accepting.drain(..).filter(|(end, _)| *end <= now.len());
            written.for_each(|(_, message)| hub.accept(&message));
        }
        if now.len() < bytes.len() {
            // What was said before the cut must arrive: a reset would take it back.
            let _ = self.stream.shutdown().await;
            return Err(Broken);
        }
        Ok(())
    }

    fn hear(
        &mut self,
        version: Version,
        said: Said,
        queue: &mpsc::Sender<Message>,
        overrun: &CancellationToken,
    ) -> Result<Then, Broken> {
        match said {
            Said::Publish { message, id } => self.publish(version, message, id)?,
            Said::Subscribe { id, filters } => {
                self.say(version, Answer::Subscribed { id, count: filters.len() })?;
                self.subscribe(version, filters, queue, overrun)?;
            }
            Said::Unsubscribe { id, filters } => {
                if let Some(subscriber) = open(&self.hub).subscribers.get_mut(&self.number) {
                    subscriber.filters.retain(|filter| !filters.contains(filter));
                }
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
                open(&self.hub).accept(&message);
                return Ok(());
            }
            1 => {}
            _ => return Err(Broken),
        }
        self.published += 1;
        let nth = |every: u32| every > 0 && self.published.is_multiple_of(every);
        if self.behaviour.withhold_every.is_some_and(nth) {
            return Ok(());
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
            self.accepting.push((self.out.len(), due.message));
            if self.behaviour.duplicate {
                self.say(version, Answer::Acknowledge { id: due.id, refused: None })?;
            }
            if self.behaviour.invent {
                self.say(version, Answer::Acknowledge { id: due.id.wrapping_add(30_000).max(1), refused: None })?;
            }
        }
        Ok(())
    }

    fn subscribe(
        &mut self,
        version: Version,
        filters: Vec<String>,
        queue: &mpsc::Sender<Message>,
        overrun: &CancellationToken,
    ) -> Result<(), Broken> {
        let mut found = Vec::new();
        {
            let mut hub = open(&self.hub);
            for (topic, payload) in &hub.retained {
                if filters.iter().any(|filter| rumqttc::matches(topic, filter)) {
                    let (topic, payload) = (topic.clone(), payload.clone());
                    found.push(Message { topic, payload, retain: true, dup: false, qos: 1 });
                }
            }
            let subscriber = hub.subscribers.entry(self.number).or_insert_with(|| Subscriber {
                filters: Vec::new(),
                queue: queue.clone(),
                overrun: overrun.clone(),
            });
            subscriber.filters.extend(filters);
        }
        found.into_iter().try_for_each(|message| self.pass_on(version, message))
    }

    fn pass_on(&mut self, version: Version, message: Message) -> Result<(), Broken> {
        self.last_id = self.last_id.checked_add(1).unwrap_or(1);
        self.say(version, Answer::Publish { message, id: self.last_id })
    }
}
