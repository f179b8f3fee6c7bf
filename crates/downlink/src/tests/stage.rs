//! A stage for dialogues: the real desk and the real answers, a station read from a text, a journal that is a list.
//!
//! ```text
//! edition 2017                 whose form is spoken; `dialect NAME` for another way of answering
//! operator ID {json}           a request; `confirm ID AUTHOR` confirms it with what the status asked for
//! online | offline             the station's connection
//! station SEGMENT              what the station says; the envelope is added
//! after 10s                    time passes, to the second
//!   gateway SEGMENT            what it is told (indented lines are what comes out)
//!   status ID STATE …          what is published
//! ```

use std::collections::BTreeSet;

use super::super::*;
use hj212::{Edition, packet};
use hj212_model::message::Timestamp;
use hj212_model::registry::Dialects;
use hj212_model::session::Reply;

pub(super) const NOW: i64 = 1_795_399_200_000_000;

pub(super) fn mn_of(edition: Edition) -> &'static str {
    match edition {
        Edition::V2005 => "88888880000001",
        Edition::V2017 | Edition::V2025 => "010000A8900016F000169DC0",
    }
}

pub(super) fn address(edition: Edition) -> Address {
    Address { st: Some("32".into()), pw: Some("123456".into()), ..Address::new(mn_of(edition), edition) }
}

pub(super) fn open_settings() -> Settings {
    let all = || vec!["*".to_owned()];
    let allow = vec![Allow { stations: all(), commands: all(), authors: all(), roles: Vec::new() }];
    Settings { allow, plain_secrets: true, ..Settings::default() }
}

/// A moment at which both clocks show the same.
pub(super) fn moment(micros: i64) -> Moment {
    Moment { wall: Timestamp(micros), steady: Steady(micros), trust: DateTrust::Right }
}

/// Where the gateway is killed: at which effect, and whether the step had reached the disk.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kill {
    pub(super) at: usize,
    pub(super) durable: bool,
}

pub(super) struct Stage {
    pub(super) desk: Desk,
    pub(super) settings: Settings,
    edition: Edition,
    dialect: String,
    pub(super) now: Moment,
    pub(super) connection: Option<u64>,
    connections: u64,
    pub(super) journal: Vec<(Timestamp, Step)>,
    pub(super) said: Vec<String>,
    pub(super) sent: Vec<(String, Vec<u8>)>,
    token: String,
    kill: Option<Kill>,
    effects: usize,
    pub(super) killed: bool,
    marked: BTreeSet<(String, u8)>,
    /// MNs under which a station came.
    came: BTreeSet<String>,
}

impl Stage {
    pub(super) fn new(edition: Edition, settings: Settings, kill: Option<Kill>) -> Stage {
        Stage {
            desk: Desk::new(settings.clone()),
            settings,
            edition,
            dialect: edition.year().to_owned(),
            now: moment(NOW),
            connection: None,
            connections: 0,
            journal: Vec::new(),
            said: Vec::new(),
            sent: Vec::new(),
            token: String::new(),
            kill,
            effects: 0,
            killed: false,
            marked: BTreeSet::new(),
            came: BTreeSet::new(),
        }
    }

    /// Carries effects out; `false` if the gateway was killed on the way and came up again.
    pub(super) fn act(&mut self, effects: Vec<Effect>) -> bool {
        let mut todo: std::collections::VecDeque<Effect> = effects.into();
        while let Some(effect) = todo.pop_front() {
            self.effects += 1;
            let here = self.kill.filter(|kill| kill.at == self.effects);
            match effect {
                Effect::Record { ticket, step } => {
                    if here.is_none_or(|kill| kill.durable) {
                        self.journal.push((self.now.wall, step));
                    }
                    if here.is_some() {
                        return self.restart();
                    }
                    todo.extend(self.desk.recorded(ticket, self.now));
                }
                Effect::Follow => {}
                Effect::MakeKey { mn } => {
                    let key = hj212::sm4::Key::from_text("madeForTheAsking").unwrap();
                    todo.extend(self.desk.give_key(&mn, &key, self.now));
                }
                Effect::Send { qn, bytes, connection, .. } => {
                    if here.is_some_and(|kill| !kill.durable) {
                        return self.restart();
                    }
                    self.send(qn, bytes, connection);
                    if here.is_some() {
                        return self.restart();
                    }
                }
                Effect::Status { id, json, .. } => {
                    if here.is_some_and(|kill| !kill.durable) {
                        return self.restart();
                    }
                    self.token = json["confirm"].as_str().map_or_else(|| self.token.clone(), str::to_owned);
                    self.said.push(format!("  status {id} {}", in_words(&json)));
                    if here.is_some() {
                        return self.restart();
                    }
                }
            }
        }
        true
    }

    fn send(&mut self, qn: String, bytes: Vec<u8>, connection: u64) {
        assert_eq!(Some(connection), self.connection, "bytes for a connection that is gone");
        let count = self.journal.iter().rev().find_map(|(_, step)| match step {
            Step::Sent { qn: own, count, .. } if *own == qn => Some(*count),
            _ => None,
        });
        let count = count.expect("sent before its step was durable");
        assert!(self.marked.insert((qn.clone(), count)), "{qn} was sent twice as number {count}");
        self.said.push(format!("  gateway {}", String::from_utf8_lossy(&bytes[6..bytes.len() - 6])));
        self.is_of_now(&qn, &bytes);
        self.sent.push((qn, bytes));
    }

    /// No clock is set to a time of before: the time of sending is that, and a time that was given is not old.
    fn is_of_now(&self, qn: &str, bytes: &[u8]) {
        let text = String::from_utf8_lossy(bytes);
        let Some((_, said)) = text.split_once("SystemTime=").filter(|_| text.contains(";CN=1012;")) else { return };
        let id = self.journal.iter().find_map(|(_, step)| match step {
            Step::Sent { id, qn: own, .. } if own == qn => Some(id.clone()),
            _ => None,
        });
        let queued = self.journal.iter().find_map(|(at, step)| match step {
            Step::Queued { id: own, area, .. } if Some(own) == id.as_ref() => Some((*at, area.clone())),
            _ => None,
        });
        // A test that asks by itself looks by itself.
        let Some((asked, area)) = queued else { return };
        if area.ends_with("SystemTime=NOW") {
            assert_eq!(&said[..14], super::super::moment::system_time(self.now.wall), "a time of before is sent");
        } else {
            assert!(self.now.wall.0 - asked.0 <= 120_000_000, "a given time is sent late");
        }
    }

    /// Whether the station has a connection.
    pub(super) const fn has_connection(&self) -> bool {
        self.connection.is_some()
    }

    /// Effects so far.
    pub(super) const fn effects(&self) -> usize {
        self.effects
    }

    /// The station's connection is lost, under whichever MN it spoke.
    pub(super) fn away(&mut self) {
        let Some(connection) = self.connection.take() else { return };
        for mn in std::iter::once(mn_of(self.edition).to_owned()).chain(self.came.clone()) {
            self.desk.offline(&mn, connection);
        }
    }

    fn restart(&mut self) -> bool {
        self.killed = true;
        let address = address(self.edition);
        let mut ledger = compact::Ledger::new(self.settings.ids_max);
        self.journal.iter().for_each(|(at, step)| ledger.note(*at, step.clone()));
        let steps = compact::read(&compact::write(ledger.steps())).unwrap();
        self.desk = Desk::restore(self.settings.clone(), steps, |_| Some(address.clone()), self.now);
        if self.connection.is_some() {
            self.line("online");
        }
        false
    }

    pub(super) fn line(&mut self, line: &str) {
        let mn = mn_of(self.edition);
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "edition" => {
                self.edition =
                    [Edition::V2005, Edition::V2017, Edition::V2025].into_iter().find(|e| e.year() == rest).unwrap();
                self.dialect = rest.to_owned();
            }
            "dialect" => self.dialect = rest.to_owned(),
            "operator" => {
                let (id, body) = rest.split_once(' ').unwrap();
                self.submit(id, body);
            }
            "confirm" => {
                let (id, author) = rest.split_once(' ').unwrap();
                let body = format!(r#"{{"confirm":"{}","author":"{author}","why":"checked"}}"#, self.token);
                self.submit(id, &body);
            }
            "online" => {
                self.connections += 1;
                self.connection = Some(self.connections);
                self.desk.arrive(&address(self.edition), self.connections, self.now);
                let effects = self.desk.arrived(mn, self.now);
                self.act(effects);
            }
            "offline" => {
                self.desk.offline(mn, self.connection.take().unwrap());
            }
            "station" => self.station(rest),
            "after" => {
                let seconds: i64 = rest.trim_end_matches('s').parse().unwrap();
                let end = self.now.steady.0 + seconds * 1_000_000;
                while let Some(next) = self.desk.next_due().filter(|next| next.0 <= end) {
                    // Time that moves on without anything due would show as a desk that never rests.
                    self.pass(next.0.max(self.now.steady.0 + 1));
                    let effects = self.desk.due(self.now);
                    self.act(effects);
                }
                self.pass(end);
            }
            other => panic!("{other}: no such line"),
        }
    }

    /// Time passes until the steady clock shows this.
    pub(super) fn pass(&mut self, steady: i64) {
        self.now.wall.0 += steady - self.now.steady.0;
        self.now.steady.0 = steady;
    }

    pub(super) fn submit(&mut self, id: &str, body: &str) {
        let address = address(self.edition);
        let (_, effects) = self.desk.submit(&Ask::new(&address.mn, id, body.as_bytes()), Some(&address), self.now);
        if !self.act(effects) {
            // The broker hands a request out again that was not acknowledged; what is on disk already is refused.
            let (_, effects) = self.desk.submit(&Ask::new(&address.mn, id, body.as_bytes()), Some(&address), self.now);
            self.act(effects);
        }
    }

    fn station(&mut self, segment: &str) {
        let header = packet::parse(segment.as_bytes());
        let effects = self.desk.heard(mn_of(self.edition), &header, self.now);
        if !self.act(effects) {
            return;
        }
        let dialects = Dialects::default();
        if let Some(reply) = Reply::to(&header, dialects.find(&self.dialect).unwrap()) {
            let frame = reply.frame;
            self.said.push(format!("  gateway {}", String::from_utf8_lossy(&frame[6..frame.len() - 6])));
        }
    }

    /// What the station says, under the MN that the connection knows it by; `key`: what opened it.
    pub(super) fn says(&mut self, mn: &str, segment: &str, key: Option<usize>) {
        let header = packet::parse(segment.as_bytes());
        let mut effects = self.desk.heard(mn, &header, self.now);
        if let Some(number) = key {
            let live = self.desk.is_of_now(mn, &header, Some(header.area), self.now);
            effects.extend(self.desk.opened(mn, number, live, self.now));
        }
        self.act(effects);
    }

    /// The station comes; `segment` is what it says first.
    pub(super) fn comes(&mut self, address: &Address, segment: &str, key: Option<usize>) {
        self.connections += 1;
        self.connection = Some(self.connections);
        self.came.insert(address.mn.clone());
        self.desk.arrive(address, self.connections, self.now);
        self.says(&address.mn, segment, key);
        let effects = self.desk.arrived(&address.mn, self.now);
        self.act(effects);
    }

    /// The station comes with an upload under this password.
    pub(super) fn connections_begin_with(&mut self, pw: &str) {
        let address = address(self.edition);
        let mn = &address.mn;
        let upload =
            format!("QN=20261123100000001;ST=32;CN=2011;PW={pw};MN={mn};Flag=5;CP=&&DataTime=20261123100000&&");
        self.comes(&address, &upload, None);
    }

    /// The gateway is killed and comes up again; the station is away.
    pub(super) fn killed(&mut self) {
        self.connection = None;
        self.restart();
    }

    /// How a request ended, if it has.
    pub(super) fn outcome(&self, id: &str) -> Option<Outcome> {
        let ends = self.journal.iter().filter_map(|(_, step)| match step {
            Step::Ended { id: own, outcome, .. } if own == id => Some(*outcome),
            _ => None,
        });
        let ends: Vec<Outcome> = ends.collect();
        assert!(ends.len() <= 1, "{id} ended twice: {ends:?}");
        ends.first().copied()
    }

    /// What was sent, as text, oldest first.
    pub(super) fn frames(&self) -> Vec<String> {
        let text = |(_, bytes): &(String, Vec<u8>)| String::from_utf8_lossy(&bytes[6..bytes.len() - 6]).into_owned();
        self.sent.iter().map(text).collect()
    }

    /// How each request that was taken has ended so far.
    pub(super) fn open_requests(&self) -> Vec<String> {
        let mut open = Vec::new();
        for (_, step) in &self.journal {
            match step {
                Step::Queued { id, .. } => open.push(id.clone()),
                Step::Ended { id, .. } => open.retain(|open| open != id),
                _ => {}
            }
        }
        open
    }

    pub(super) fn steps(&self, name: &str) -> usize {
        let of = |step: &Step| serde_json::to_value(step).unwrap()["step"] == name;
        self.journal.iter().filter(|(_, step)| of(step)).count()
    }
}

fn in_words(json: &serde_json::Value) -> String {
    let mut words = vec![json["state"].as_str().unwrap().to_owned()];
    for key in ["reason", "count", "code", "packets"] {
        match &json[key] {
            serde_json::Value::Null => {}
            serde_json::Value::String(text) => words.push(format!("{key}={text}")),
            other => words.push(format!("{key}={other}")),
        }
    }
    words.join(" ")
}

/// Plays the inputs of a text and gives the text again with what came out.
pub(super) fn play(text: &str) -> String {
    let mut out = String::new();
    let mut stage = Stage::new(Edition::V2017, open_settings(), None);
    let mut edition = String::new();
    for line in text.lines().filter(|line| !line.starts_with("  ")) {
        out.push_str(line);
        out.push('\n');
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if line.starts_with("== ") {
            stage = Stage::new(Edition::V2017, open_settings(), None);
            stage.line(&edition);
            continue;
        }
        if line.starts_with("edition ") {
            edition = line.to_owned();
        }
        stage.line(line);
        for said in stage.said.drain(..) {
            out.push_str(&said);
            out.push('\n');
        }
    }
    out
}

/// The scenes of a text, each as its edition's line and its inputs.
pub(super) fn scenes(text: &str) -> Vec<Vec<String>> {
    let edition = text.lines().find(|line| line.starts_with("edition ")).unwrap().to_owned();
    let mut scenes = Vec::new();
    for part in text.split("\n== ").skip(1) {
        let inputs = part.lines().skip(1).filter(|l| !l.is_empty() && !l.starts_with("  ") && !l.starts_with('#'));
        scenes.push(std::iter::once(edition.clone()).chain(inputs.map(str::to_owned)).collect());
    }
    scenes
}
