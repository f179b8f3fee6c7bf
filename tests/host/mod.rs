//! A host of a few lines: reads frames with `hj212::scan`, answers by edition, and misbehaves when told.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hj212::{CrcVerdict, Edition, Fields, Item, Limits, Peer, packet, scan, write};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

/// What the host does with a station.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HostBehaviour {
    /// Answers every sound frame that asks for it.
    Answer,
    /// Reads and says nothing.
    Silent,
    /// Closes connections: those that stand at their next frame, new ones at once. Nothing is taken.
    Hang,
}

/// A frame as the host heard it.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    pub(crate) connection: usize,
    pub(crate) raw: Vec<u8>,
    pub(crate) segment: Vec<u8>,
    pub(crate) mn: String,
    pub(crate) qn: String,
    pub(crate) cn: u16,
    pub(crate) data_time: String,
    pub(crate) crc32: u32,
    pub(crate) again: bool,
    /// The CRC is right, in either case.
    pub(crate) sound: bool,
}

/// A host that listens on the loopback.
#[derive(Debug, Clone)]
pub(crate) struct Host(Arc<Inside>);

#[derive(Debug)]
struct Inside {
    address: SocketAddr,
    behaviour: Mutex<HostBehaviour>,
    received: Mutex<Vec<Received>>,
    connections: AtomicUsize,
    refused: AtomicUsize,
    unsound: AtomicUsize,
    news: Notify,
}

impl Host {
    /// Listens on a free port.
    pub(crate) async fn start(behaviour: HostBehaviour) -> Host {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = Host(Arc::new(Inside {
            address: listener.local_addr().unwrap(),
            behaviour: Mutex::new(behaviour),
            received: Mutex::default(),
            connections: AtomicUsize::default(),
            refused: AtomicUsize::default(),
            unsound: AtomicUsize::default(),
            news: Notify::new(),
        }));
        let accepting = host.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let number = accepting.0.connections.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(accepting.clone().serve(stream, number));
            }
        });
        host
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.0.address
    }

    pub(crate) fn behave(&self, behaviour: HostBehaviour) {
        *self.0.behaviour.lock().unwrap() = behaviour;
    }

    /// All frames that were taken, in order.
    pub(crate) fn received(&self) -> Vec<Received> {
        self.0.received.lock().unwrap().clone()
    }

    pub(crate) fn connections(&self) -> usize {
        self.0.connections.load(Ordering::SeqCst)
    }

    /// Connections closed without a word.
    pub(crate) fn refused(&self) -> usize {
        self.0.refused.load(Ordering::SeqCst)
    }

    /// Faults and frames with a wrong CRC.
    pub(crate) fn unsound(&self) -> usize {
        self.0.unsound.load(Ordering::SeqCst)
    }

    /// Waits until `met`; fails after 30 s.
    pub(crate) async fn wait_until(&self, met: impl Fn(&Host) -> bool) {
        let waiting = async {
            loop {
                let news = self.0.news.notified();
                if met(self) {
                    return;
                }
                news.await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), waiting).await.expect("the host waits in vain");
    }

    fn behaviour(&self) -> HostBehaviour {
        *self.0.behaviour.lock().unwrap()
    }

    async fn serve(self, mut stream: TcpStream, number: usize) {
        self.0.news.notify_waiters();
        let mut buffer = Vec::new();
        loop {
            if self.behaviour() == HostBehaviour::Hang {
                self.0.refused.fetch_add(1, Ordering::SeqCst);
                self.0.news.notify_waiters();
                return;
            }
            let peer = match tokio::time::timeout(Duration::from_millis(20), stream.read_buf(&mut buffer)).await {
                Ok(Ok(1..)) => Peer::Sending,
                // A frame without CR LF ends when its sender rests.
                Err(_) => Peer::Resting,
                Ok(Ok(0) | Err(_)) => return,
            };
            if self.behaviour() == HostBehaviour::Hang {
                continue;
            }
            let answers = self.take(&mut buffer, peer, number);
            self.0.news.notify_waiters();
            if stream.write_all(&answers).await.is_err() {
                return;
            }
        }
    }

    /// Takes all frames from the front of `buffer`; returns what is to be answered.
    fn take(&self, buffer: &mut Vec<u8>, peer: Peer, connection: usize) -> Vec<u8> {
        let (mut answers, mut used) = (Vec::new(), 0);
        while used < buffer.len() {
            let step = scan(&buffer[used..], peer, &Limits::default());
            match step.item {
                None if step.used == 0 => break,
                None => {}
                Some(Item::Frame(frame)) if frame.check.said == frame.check.computed => {
                    self.hear(frame.raw, frame.segment, connection, &mut answers);
                }
                Some(Item::Frame(frame)) => {
                    assert_ne!(frame.check.verdict, CrcVerdict::Right);
                    self.0.unsound.fetch_add(1, Ordering::SeqCst);
                }
                Some(Item::Fault(_)) => {
                    self.0.unsound.fetch_add(1, Ordering::SeqCst);
                }
            }
            used += step.used;
        }
        buffer.drain(..used);
        answers
    }

    fn hear(&self, raw: &[u8], segment: &[u8], connection: usize, answers: &mut Vec<u8>) {
        let header = packet::parse(segment);
        let mut fields = Fields::default();
        fields.read(header.area);
        let text = |bytes: Option<&[u8]>| String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned();
        let received = Received {
            connection,
            raw: raw.to_vec(),
            segment: segment.to_vec(),
            mn: text(header.mn),
            qn: text(header.qn),
            cn: header.cn.unwrap_or_default(),
            data_time: text(fields.own(header.area, b"DataTime")),
            crc32: crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC).checksum(segment),
            again: header.rf,
            sound: true,
        };
        let wants = header.flag.is_some_and(|flag| flag.wants_answer()) && self.behaviour() == HostBehaviour::Answer;
        if wants {
            let edition = header.flag.and_then(|flag| flag.edition()).unwrap_or(Edition::V2005);
            let (mn, qn, cn) = (&received.mn, &received.qn, received.cn);
            let answer = match (edition, cn) {
                (Edition::V2005, _) => format!("ST=91;CN=9014;CP=&&CN={cn}&&"),
                (edition, 9015) => format!("QN={qn};ST=91;CN=9013;MN={mn};Flag={};CP=&&&&", edition.flag_bits()),
                (edition, _) => format!("QN={qn};ST=91;CN=9014;MN={mn};Flag={};CP=&&&&", edition.flag_bits()),
            };
            write::frame(answers, |out| out.extend_from_slice(answer.as_bytes()));
        }
        self.0.received.lock().unwrap().push(received);
    }
}
