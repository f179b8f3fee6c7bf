//! One connection and the stations on it: the only place of the logger's day that waits.
//!
//! The task sleeps until the earliest thing that any of its stations has to do, or until the host says something. Lost and refused
//! connections are made again with a growing, jittered pause.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::net::tcp::WriteHalf;
use tokio::time::{sleep, sleep_until, timeout};
use tokio_util::codec::FramedRead;

use super::codec::{HostCodec, READ_BUFFER, Unusable};
use super::faults::{Fault, FaultSet};
use super::flight::Sending;
use super::obey::{CRC_ERROR, MN_ERROR};
use super::seeded_random::SeededRandom;
use super::shared::Shared;
use super::station::{Meaning, Next, Station};
use super::tally::Count;
use super::wire::{self, After, Manner};
use hj212::sm4::Key;
use hj212::{Fields, Header, crc, packet};

/// How often a bot sends a burst.
const GARBAGE_INTERVAL: Duration = Duration::from_secs(1);

/// How a slow station feeds its bytes.
const SLOW_INTERVAL: Duration = Duration::from_secs(1);

/// Why a connection is no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// The run is over, or all is said and answered.
    Finished,
    /// The host closed it, it failed, or its answers failed to come.
    Lost,
    /// The station dropped it on purpose.
    Dropped,
    /// The station speaks no more; the host may close it.
    Silent,
}

/// The stations of one connection.
#[derive(Debug)]
pub(crate) struct Connection {
    shared: Arc<Shared>,
    number: usize,
    stations: Vec<Station>,
    rng: SeededRandom,
    segment: Vec<u8>,
    frame: Vec<u8>,
    fields: Fields,
}

impl Connection {
    pub(crate) fn new(shared: Arc<Shared>, number: usize, stations: Vec<Station>) -> Self {
        let rng = SeededRandom::new(shared.options.seed ^ 0x434F_4E4E, number as u64);
        let (segment, frame, fields) = (Vec::new(), Vec::new(), Fields::default());
        Connection { shared, number, stations, rng, segment, frame, fields }
    }

    /// Lives the stations' day until the run ends.
    pub(crate) async fn run(mut self) {
        let stop = self.shared.stop.clone();
        let _ = stop.run_until_cancelled(self.live()).await;
        let now = self.shared.elapsed();
        let (mut kept, mut unanswered) = (0, 0);
        for station in &mut self.stations {
            unanswered += station.in_flight();
            station.disconnected(now);
            kept += station.waiting() as u64;
            self.shared.tally.add(Count::Discarded, station.discarded());
            self.shared.tally.add(Count::Untold, station.untold_records());
        }
        self.shared.tally.add(Count::Unanswered, unanswered);
        self.shared.tally.add(Count::Kept, kept);
    }

    async fn live(&mut self) {
        let mut failures = 0;
        sleep(self.shared.ramp(self.number)).await;
        loop {
            if let Some(end) = self.shared.away() {
                let now = self.shared.elapsed();
                self.stations.iter_mut().for_each(|station| station.disconnected(now));
                sleep_until(self.shared.instant(end)).await;
            }
            let acked = match self.shared.connect(self.number).await {
                Some(stream) => {
                    let (end, acked) = self.converse(stream).await;
                    if end == End::Finished {
                        return;
                    }
                    self.shared.tally.count(Count::Reconnects);
                    acked
                }
                None => false,
            };
            let now = self.shared.elapsed();
            for station in &mut self.stations {
                self.shared.tally.add(Count::Unanswered, station.in_flight());
                station.disconnected(now);
            }
            failures = if acked { 0 } else { failures + 1 };
            sleep(self.shared.pause(failures, &mut self.rng)).await;
        }
    }

    /// Talks on `stream`; says why it ended and whether anything was answered.
    async fn converse(&mut self, mut stream: TcpStream) -> (End, bool) {
        let _gauge = self.shared.count_connection();
        if self.stations.first().is_some_and(|station| station.profile.quirks.contains(Fault::GarbageOnly)) {
            return (self.babble(&mut stream).await, false);
        }
        let now = self.shared.elapsed();
        self.stations.iter_mut().for_each(|station| station.connected(now));
        let (read, mut write) = stream.split();
        let mut answers = FramedRead::with_capacity(read, HostCodec::default(), READ_BUFFER);
        let mut acked = false;
        loop {
            let wake = match self.speak(&mut write).await {
                Ok(Some(wake)) => wake,
                Ok(None) => return (End::Finished, acked),
                Err(End::Silent) => {
                    // What the host says goes unheard until it has had enough.
                    while let Some(Ok(_)) = answers.next().await {}
                    return (End::Lost, acked);
                }
                Err(end) => return (end, acked),
            };
            if self.shared.away().is_some() {
                return (End::Dropped, acked);
            }
            let wake = wake.min(self.shared.next_away());
            tokio::select! {
                item = answers.next() => match item {
                    Some(Ok(item)) => acked |= self.listen(item),
                    Some(Err(_)) | None => return (End::Lost, acked),
                },
                () = sleep_until(self.shared.instant(wake)) => {}
            }
        }
    }

    /// Sends all that is to be sent now. `Some` is when to look again, `None` that nothing will ever be left to do.
    async fn speak(&mut self, write: &mut WriteHalf<'_>) -> Result<Option<Duration>, End> {
        let mut wake: Option<Duration> = None;
        let mut done = true;
        for position in 0..self.stations.len() {
            loop {
                let now = self.shared.elapsed();
                let Some(station) = self.stations.get_mut(position) else { break };
                let next = station.next(now, &mut self.segment);
                self.shared.note_events(station.take_news());
                match next {
                    Next::Send(sending) => {
                        self.deliver(position, &sending, write).await?;
                        done = false;
                    }
                    Next::Say(key) => {
                        let quirks = station.profile.quirks;
                        self.transmit(quirks, key.as_ref(), FaultSet::default(), write).await?;
                        done = false;
                    }
                    Next::Cut => return Err(End::Dropped),
                    Next::Wait(until) => {
                        wake = Some(wake.map_or(until, |wake| wake.min(until)));
                        done = false;
                        break;
                    }
                    Next::Done => break,
                    Next::GiveUp => return Err(End::Lost),
                }
            }
        }
        // A packet that wants no answer was the last one: look once more.
        Ok(if done { None } else { Some(wake.unwrap_or_else(|| self.shared.elapsed())) })
    }

    /// Counts and sends the packet in `self.segment`.
    async fn deliver(&mut self, position: usize, sending: &Sending, write: &mut WriteHalf<'_>) -> Result<(), End> {
        let Some(station) = self.stations.get(position) else { return Ok(()) };
        let quirks = station.profile.quirks;
        self.shared.note_sending(&station.profile, sending);
        self.transmit(quirks, sending.key.as_ref(), sending.faults, write).await
    }

    /// Sends the segment in `self.segment`.
    async fn transmit(
        &mut self,
        quirks: FaultSet,
        key: Option<&Key>,
        faults: FaultSet,
        write: &mut WriteHalf<'_>,
    ) -> Result<(), End> {
        let seal = key.map(|key| (key, self.shared.options.behaviour.seal_form));
        let (manner, after) = wire::frame(&mut self.frame, &self.segment, seal, quirks, faults, &mut self.rng);
        let limit = self.shared.options.answer_timeout;
        match manner {
            // A host that does not read is a host that does not answer.
            Manner::Whole => match timeout(limit, write.write_all(&self.frame)).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) | Err(_) => return Err(End::Lost),
            },
            Manner::Bytewise => match timeout(limit, bytewise(write, &self.frame, Duration::ZERO)).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) | Err(_) => return Err(End::Lost),
            },
            Manner::Slowly => bytewise(write, &self.frame, SLOW_INTERVAL).await.map_err(|_| End::Lost)?,
        }
        self.shared.tally.add(Count::BytesSent, self.frame.len() as u64);
        match after {
            After::Stay => Ok(()),
            After::Drop => Err(End::Dropped),
            After::FallSilent => Err(End::Silent),
        }
    }

    /// Hands what the host said to the station that it is for. True if it was an acknowledgement.
    fn listen(&mut self, item: Result<Bytes, Unusable>) -> bool {
        let (segment, trouble) = match item {
            Ok(segment) => (self.opened_by_chance(segment), None),
            Err(Unusable::Fault(_)) => {
                self.shared.tally.count(Count::BadAnswers);
                return false;
            }
            Err(Unusable::Check { segment, said }) => match self.opened(&segment, said) {
                Some(plain) => (plain, None),
                None => {
                    self.shared.tally.count(Count::BadAnswers);
                    (segment, Some(CRC_ERROR))
                }
            },
        };
        let header = packet::parse(&segment);
        self.fields.read(header.area);
        match header.cn {
            Some(1000..=3999) => {
                self.take_command(&header, trouble);
                false
            }
            Some(_) | None => trouble.is_none() && self.take_answer(&header),
        }
    }

    fn opened(&self, segment: &[u8], said: u16) -> Option<Bytes> {
        self.stations.iter().find_map(|station| station.open(segment, said)).map(Bytes::from)
    }

    /// One check in 256 over the plain text is that over the ciphertext as well.
    fn opened_by_chance(&self, segment: Bytes) -> Bytes {
        let is_key = packet::parse(&segment).cn == Some(1014);
        let opened = if is_key { self.opened(&segment, crc::checksum(&segment)) } else { None };
        opened.unwrap_or(segment)
    }

    fn take_command(&mut self, header: &Header<'_>, trouble: Option<u16>) {
        let now = self.shared.elapsed();
        let meant = self.stations.iter().position(|station| station.is_meant(header, &self.fields));
        let trouble = trouble.or(if meant.is_none() { Some(MN_ERROR) } else { None });
        if let Some(station) = self.stations.get_mut(meant.unwrap_or(0)) {
            station.commanded(now, header, &self.fields, trouble);
            self.shared.note_events(station.take_news());
        }
    }

    fn take_answer(&mut self, header: &Header<'_>) -> bool {
        let now = self.shared.elapsed();
        for station in &mut self.stations {
            if header.mn.is_some_and(|mn| !mn.is_empty() && mn != station.profile.mn.as_bytes()) {
                continue;
            }
            let meaning = station.heard(now, header, &self.fields);
            if let Meaning::Acknowledged { kind, again, answer_time, note } = &meaning {
                self.shared.note_answer(&station.profile.mn, note);
                self.shared.tally.acked(*kind, Some(*answer_time), self.number);
                self.shared.tally.add(Count::Reuploaded, u64::from(*again));
                return true;
            }
        }
        self.shared.tally.count(Count::StrayAnswers);
        false
    }

    /// A bot's conversation.
    async fn babble(&mut self, stream: &mut TcpStream) -> End {
        while self.shared.elapsed() < self.shared.until() {
            wire::garbage(&mut self.frame, &mut self.rng);
            if stream.write_all(&self.frame).await.is_err() {
                return End::Lost;
            }
            self.shared.tally.add(Count::BytesSent, self.frame.len() as u64);
            sleep(GARBAGE_INTERVAL).await;
        }
        End::Finished
    }
}

/// Writes every byte by itself, with a pause after each.
async fn bytewise(write: &mut WriteHalf<'_>, bytes: &[u8], pause: Duration) -> std::io::Result<()> {
    for byte in bytes {
        write.write_all(std::slice::from_ref(byte)).await?;
        if pause.is_zero() {
            tokio::task::yield_now().await;
        } else {
            sleep(pause).await;
        }
    }
    Ok(())
}
