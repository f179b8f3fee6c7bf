//! The conversations of `fixtures/dialogues`, played against a real connection with a real journal. The format stands in the
//! folder's README.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::tests::{Gate, framed, gate_with, quick};
use hj212::{Item, Limits, Peer, scan};
use hj212_model::registry::Unknown;

/// The bytes that a `raw` line says.
fn unescaped(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match (byte, byte == b'\\') {
            (_, false) => byte,
            (_, true) => match rest.next().expect("an escape") {
                b'r' => b'\r',
                b'n' => b'\n',
                b't' => b'\t',
                b'x' => {
                    let digits = [rest.next().unwrap(), rest.next().unwrap()];
                    u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
                }
                other => other,
            },
        });
    }
    bytes
}

struct Played {
    gate: Gate,
    peer: tokio::io::DuplexStream,
    task: tokio::task::JoinHandle<()>,
    heard: Vec<u8>,
    /// How many records of the journal were told.
    told: usize,
}

impl Played {
    fn new(stations: &str) -> Played {
        let gate = gate_with(quick(), stations, Unknown::Reject);
        let (peer, task) = gate.dial();
        Played { gate, peer, task, heard: Vec::new(), told: 0 }
    }

    /// The next answer, or nothing if none comes.
    async fn answer(&mut self, patience: Duration) -> Option<String> {
        loop {
            let step = scan(&self.heard, Peer::Sending, &Limits::default());
            if let Some(Item::Frame(frame)) = step.item {
                let segment = String::from_utf8(frame.segment.to_vec()).unwrap();
                assert!(frame.deviations.is_empty(), "the gateway writes what the standard says");
                self.heard.drain(..step.used);
                return Some(segment);
            }
            match tokio::time::timeout(patience, self.peer.read_buf(&mut self.heard)).await {
                Ok(Ok(1..)) => {}
                _ => return None,
            }
        }
    }

    /// The next record of the journal.
    async fn record(&mut self) -> String {
        for _ in 0..100 {
            if let Some(said) = self.gate.said(0).await.get(self.told) {
                self.told += 1;
                let Some(segment) = said.strip_prefix("frame ") else { return said.clone() };
                let cn = segment.split("CN=").nth(1).and_then(|rest| rest.split(';').next());
                return format!("frame {}", cn.unwrap_or_default());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        "nothing".into()
    }

    async fn line(&mut self, place: &str, line: &str) {
        let (word, rest) = line.split_once(' ').map_or((line, ""), |(word, rest)| (word, rest.trim_start()));
        let long = Duration::from_secs(5);
        match word {
            "station" | "raw" => {
                let bytes = if word == "raw" { unescaped(rest) } else { framed(rest) };
                self.peer.write_all(&bytes).await.unwrap();
            }
            "gateway" => assert_eq!(self.answer(long).await.as_deref(), Some(rest), "{place}"),
            "silent" => assert_eq!(self.answer(Duration::from_millis(80)).await, None, "{place}"),
            "pause" => tokio::time::sleep(Duration::from_millis(60)).await,
            "closes" => {
                assert_eq!(self.answer(long).await, None, "{place}");
                assert!(self.task.is_finished(), "{place}: the connection stands");
            }
            "journal" => assert_eq!(self.record().await, rest, "{place}"),
            _ => panic!("{place}: what is \"{word}\"?"),
        }
    }
}

async fn play(name: &str, text: &str) {
    let begins = |line: &str| ["station ", "raw "].iter().any(|word| line.starts_with(word));
    let first = text.lines().position(begins).unwrap_or_else(|| panic!("{name}: nothing is said"));
    let stations: Vec<&str> = text.lines().take(first).collect();
    let mut played = Played::new(&stations.join("\n"));
    for (number, line) in text.lines().enumerate().skip(first) {
        if !line.trim().is_empty() && !line.starts_with('#') {
            played.line(&format!("{name}:{}", number + 1), line.trim()).await;
        }
    }
    assert_eq!(played.answer(Duration::from_millis(50)).await, None, "{name}: an answer that nobody told");
    played.gate.balanced();
}

#[tokio::test]
async fn every_dialogue_goes_as_it_is_written() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/dialogues");
    let mut played = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "txt") {
            play(&path.file_name().unwrap().to_string_lossy(), &std::fs::read_to_string(&path).unwrap()).await;
            played += 1;
        }
    }
    assert!(played >= 6, "{played} dialogues");
}
