//! The road down, carried out: requests from the broker, frames that stations answered with, steps into the journal, bytes onto
//! connections. One task; the judgement is [`hj212_downlink::Desk`].
//!
//! What must stay true:
//! * a step has an effect only after it is on disk; a request is acknowledged to the broker only then;
//! * what the desk needs after a restart is the file `desk` beside the journal and the journal's records behind it, which are held against
//!   retention from the first step that is not in the file; steps are told
//!   downstream by the interpretation of those records, never from here;
//! * stations are answered and their readings kept whether this task lives or not.
//!
//! # File
//!
//! `desk`, replaced by rename: a JSON object a line. First `{"offset": …, "keys_at": …}`: the record up to which the steps below are
//! complete, and when the keys were last journalled; then `[microseconds, step]` (see [`compact`]). Passwords and keys stand in it, as in
//! the journal.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rand::distr::Distribution;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::derived::Derived;
use super::record;
use super::secrets::Secrets;
use crate::net::{House, Letter, Listener, Mailbox, News, Stored};
use hj212::{Edition, packet, sm4};
use hj212_coverage::Recall;
use hj212_downlink::{
    Address, Ask, Desk, Effect, Moment, Origin, Refusal, Settings, StationKey, Steady, Step, compact,
};
use hj212_journal::{Entry, Holder, Journal, Offset, ReadItem};
use hj212_model::clock;
use hj212_model::message::{Record, Timestamp};
use hj212_model::registry::{Told, Unknown};
use hj212_model::telemetry::{Counter, Telemetry};
use hj212_mqtt::{Inbox, Incoming};

pub(super) const FILE: &str = "desk";
/// The file is written at most this often, if something has changed.
const KEEP_EVERY: Duration = Duration::from_secs(15);
/// Without changes it is written so often all the same: a start reads the journal only from there.
const REFRESH: Duration = Duration::from_secs(3600);
/// A step that the journal refused is tried again after this.
const AGAIN: Duration = Duration::from_secs(1);
/// A place of the journal that cannot be read is tried so often.
const READ_TRIES: u32 = 5;
/// How long the end may take.
const END_MAX: Duration = Duration::from_millis(500);
/// Keys are journalled again when they were not for so long: the journal alone must be enough to read what it holds.
const KEYS_EVERY: i64 = 24 * 3_600_000_000;

/// Orders that wait for the desk, at most.
pub(super) const ORDERS_MAX: usize = 64;

/// What the rest of the house tells the desk.
#[derive(Debug)]
pub(super) enum Order {
    /// Other settings, or other stations.
    Reload(Box<Settings>),
    /// Take up keys that stations were given by other means.
    Keys(Vec<StationKey>),
    /// Ask a station for what is missing.
    Recall(Box<Recall>),
}

/// What the desk needs.
pub(super) struct Parts {
    pub(super) settings: Settings,
    pub(super) prefix: String,
    pub(super) house: Arc<House>,
    pub(super) journal: Arc<Journal>,
    pub(super) derived: Derived,
    pub(super) telemetry: Arc<Telemetry>,
    pub(super) inbox: Inbox,
    pub(super) listener: Listener,
    pub(super) orders: mpsc::Receiver<Order>,
    pub(super) secrets: Option<Secrets>,
}

/// The first line of the file.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Head {
    offset: u64,
    keys_at: i64,
}

/// What became of the step of a ticket.
type Settled = (u64, Option<Offset>);

struct Task {
    parts: Parts,
    desk: Desk,
    ledger: compact::Ledger,
    head: Head,
    mailboxes: HashMap<Box<str>, (u64, Arc<Mailbox>)>,
    /// Steps on their way to disk.
    under_way: BTreeMap<u64, (Timestamp, Step)>,
    /// The beginning of the steady clock.
    began: Instant,
    /// When the keys' ages were last looked at.
    reviewed_at: Option<Instant>,
    /// Requests to be acknowledged when a step is on disk.
    asked: BTreeMap<u64, Incoming>,
    settled_to: mpsc::UnboundedSender<Settled>,
    settled: mpsc::UnboundedReceiver<Settled>,
    refused_at: Option<Instant>,
    /// Strange answers that are in the metrics.
    strange: u64,
    changed: bool,
    /// The first record that may be of a step which is not in the file: the journal is held from there.
    unkept: Option<Offset>,
    kept_at: Instant,
}

/// Runs until `stop`.
pub(super) async fn run(parts: Parts, stop: CancellationToken) {
    let (journal, derived, ids_max) = (Arc::clone(&parts.journal), parts.derived.clone(), parts.settings.ids_max);
    let read = tokio::task::spawn_blocking(move || restore(&journal, &derived, ids_max));
    let (head, ledger, unkept) = tokio::select! {
        read = read => match read {
            Ok(read) => read,
            Err(_) => return tracing::error!("the command desk cannot be restored; no commands until a restart"),
        },
        () = stop.cancelled() => return,
    };
    let (settled_to, settled) = mpsc::unbounded_channel();
    let mut task = Task {
        desk: Desk::new(parts.settings.clone()),
        parts,
        ledger,
        head,
        mailboxes: HashMap::new(),
        under_way: BTreeMap::new(),
        began: Instant::now(),
        reviewed_at: None,
        asked: BTreeMap::new(),
        settled_to,
        settled,
        refused_at: None,
        changed: unkept.is_some(),
        unkept,
        strange: 0,
        kept_at: Instant::now(),
    };
    task.hold();
    task.begin();
    task.attend(&stop).await;
    task.keep();
}

/// The steps that the last run left, from its file and the journal behind it; and from where on the journal has steps that are not in the file.
fn restore(journal: &Journal, derived: &Derived, ids_max: usize) -> (Head, compact::Ledger, Option<Offset>) {
    let mut unkept = None;
    let mut ledger = compact::Ledger::new(ids_max);
    let (mut head, steps) = derived.load(FILE).and_then(|bytes| read(&bytes)).unwrap_or_default();
    steps.into_iter().for_each(|(at, step)| ledger.note(at, step));
    let end = journal.tail().durable();
    head.offset = head.offset.min(end.0);
    let mut reader = journal.reader(Offset(head.offset + 1));
    let mut tries = 0;
    while head.offset < end.0 {
        match reader.next() {
            Ok(Some(ReadItem::Record(stored))) => {
                head.offset = stored.offset.0;
                if let Ok(Record::Command(body)) = Record::decode(stored.kind, stored.body)
                    && let Some(step) = Step::decode(body)
                {
                    unkept = unkept.or(Some(stored.offset));
                    ledger.note(stored.time, step);
                }
            }
            Ok(Some(ReadItem::Gap { last, .. })) => head.offset = last.0,
            Ok(None) => break,
            Err(error) if tries < READ_TRIES => {
                tries += 1;
                tracing::error!(%error, after = head.offset, "the journal cannot be read for commands; trying again");
                std::thread::sleep(AGAIN);
                if tries == READ_TRIES && error.is_of_the_medium() {
                    // Without its block, and once more from the beginning of the count: there may be others.
                    tries = 0;
                    reader.pass_unreadable();
                }
            }
            Err(error) => {
                tracing::error!(%error, after = head.offset, "the journal cannot be read for commands; some may be forgotten");
                unkept = unkept.or(Some(Offset(head.offset).next()));
                break;
            }
        }
    }
    (head, ledger, unkept)
}

/// What stations were told and are not registered with.
fn told(desk: &Desk) -> Vec<Told> {
    let told = |followed: hj212_downlink::Followed| Told {
        mn: followed.mn,
        password: followed.password,
        new_mn: followed.new_mn,
    };
    desk.followed().into_iter().map(told).collect()
}

/// Has the stations' door take what the file tells of what stations were told, before the first of them comes.
pub(super) fn follow_early(derived: &Derived, house: &House, settings: &Settings) {
    let Some(steps) = derived.load(FILE).and_then(|bytes| steps(&bytes)) else { return };
    let registry = house.registry();
    let address = |mn: &str| {
        let station = registry.find(mn.as_bytes())?;
        let pw = station.pw.as_ref().map(|pw| pw.reveal().to_owned());
        Some(Address { pw, ..Address::new(mn, Edition::V2017) })
    };
    let now = Moment { wall: clock::now(), ..Moment::default() };
    house.follow(told(&Desk::restore(settings.clone(), steps, address, now)));
}

/// The steps of the file; `None` if it cannot be read.
pub(super) fn steps(bytes: &[u8]) -> Option<Vec<(Timestamp, Step)>> {
    read(bytes).map(|(_, steps)| steps)
}

fn read(bytes: &[u8]) -> Option<(Head, Vec<(Timestamp, Step)>)> {
    let (head, steps) = bytes.split_at(bytes.iter().position(|byte| *byte == b'\n')?);
    let read = serde_json::from_slice(head).ok().zip(compact::read(steps));
    if read.is_none() {
        tracing::error!("the file of the command desk cannot be read; the journal is read from its beginning");
    }
    read
}

impl Task {
    /// Takes up what the last run left, and journals the keys again if that was long ago.
    fn begin(&mut self) {
        let now = self.now();
        let steps: Vec<_> = self.ledger.steps().cloned().collect();
        let settings = self.parts.settings.clone();
        let spoken: HashMap<String, Edition> = steps
            .iter()
            .filter_map(|(_, step)| {
                if let Step::Queued { mn, edition, .. } = step {
                    return Some((mn.clone(), *edition));
                }
                matches!(step, Step::Key { .. }).then(|| (step.mn().to_owned(), Edition::V2025))
            })
            .collect();
        let address = |mn: &str| self.address(mn, spoken.get(mn).copied());
        self.desk = Desk::restore(settings, steps, address, now);
        self.follow();
        let now = now.wall;
        if now.0 - self.head.keys_at >= KEYS_EVERY {
            self.head.keys_at = now.0;
            let keys: Vec<Step> = self.ledger.keys().filter_map(|(_, step)| step.again()).collect();
            for step in keys {
                self.parts.journal.appender().append(entry(&step, now), ());
            }
            self.changed = true;
        }
        let open = self.desk.open();
        tracing::info!(open, "the command desk is open");
    }

    /// Holds what a restart needs of the journal.
    fn hold(&self) {
        self.parts.journal.keep_from(Holder::Commands, self.unkept.unwrap_or(Offset(u64::MAX)));
    }

    async fn attend(&mut self, stop: &CancellationToken) {
        let pace = Duration::from_secs(1) / self.parts.settings.requests_per_second.max(1);
        let mut next_request = Instant::now();
        let mut inbox = true;
        loop {
            let wake = self.wake();
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some(settled) = self.settled.recv() => self.settle(settled),
                news = self.parts.listener.next() => match news {
                    Some(news) => self.hear(news),
                    None => break,
                },
                Some(order) = self.parts.orders.recv() => self.obey(order),
                () = tokio::time::sleep_until(wake) => self.due(),
                // The pace bounds what hostile requests can write into the journal.
                request = async { tokio::time::sleep_until(next_request).await; self.parts.inbox.next().await }, if inbox => {
                    next_request = Instant::now() + pace;
                    match request {
                        Some(request) => self.request(request),
                        None => inbox = false,
                    }
                }
            }
        }
        let end = Instant::now() + END_MAX;
        while !self.under_way.is_empty() {
            match tokio::time::timeout_at(end, self.settled.recv()).await {
                Ok(Some(settled)) => self.settle(settled),
                Ok(None) | Err(_) => break,
            }
        }
    }

    /// Now, on the host's clock and on one that never steps.
    fn now(&self) -> Moment {
        self.moment(clock::now())
    }

    fn moment(&self, wall: Timestamp) -> Moment {
        let passed = i64::try_from(self.began.elapsed().as_micros()).unwrap_or(i64::MAX);
        Moment { wall, steady: Steady(passed) }
    }

    /// When something must happen although nobody says anything.
    fn wake(&self) -> Instant {
        let now = Instant::now();
        let keep = if self.changed { self.kept_at + KEEP_EVERY } else { self.kept_at + REFRESH };
        let Some(due) = self.desk.next_due() else { return keep };
        let micros = u64::try_from(due.0.max(0)).unwrap_or(0).min(u64::MAX / 4);
        let due = self.began.checked_add(Duration::from_micros(micros)).unwrap_or(keep);
        due.max(self.refused_at.map_or(now, |at| at + AGAIN)).min(keep)
    }

    fn due(&mut self) {
        let age = self.kept_at.elapsed();
        if age >= REFRESH || self.changed && age >= KEEP_EVERY {
            self.keep();
        }
        let now = self.now();
        let mut effects = self.desk.due(now);
        if self.reviewed_at.is_none_or(|at| at.elapsed() >= REFRESH) {
            self.reviewed_at = Some(Instant::now());
            effects.extend(self.desk.review_keys(now));
        }
        self.carry_out(effects);
    }

    /// Has the stations' door take what stations were told, and the keys that they may seal with. What they were told is in the file at once:
    /// a start lets them in before it has read the journal.
    fn follow(&mut self) {
        let new = self.parts.house.follow(told(&self.desk));
        let keys = self.desk.key_rings().map(|(mn, ring)| (mn.into(), ring.to_try().cloned().collect()));
        self.parts.house.replace_keys(keys.collect());
        if new {
            self.keep();
        }
    }

    /// The address of a station; `spoken`: the edition it was seen to speak, if none is registered.
    fn address(&self, mn: &str, spoken: Option<Edition>) -> Option<Address> {
        let registry = self.parts.house.registry();
        let station = match (registry.find(mn.as_bytes()), registry.unknown()) {
            (Some(station), _) => Arc::clone(station),
            (None, Unknown::Accept) => Arc::new(registry.improvise(mn.as_bytes())?),
            (None, Unknown::Reject) => return None,
        };
        let edition = station.facts.edition.or(spoken)?;
        let pw = station.pw.as_ref().map(|pw| pw.reveal().to_owned());
        let flag = station.dialect.as_ref().and_then(|dialect| dialect.answer_flag);
        let (st, policy) = (station.facts.st.clone(), station.policy.clone());
        Some(Address { mn: mn.to_owned(), edition, st, pw, other_pw: None, flag, policy })
    }

    fn request(&mut self, incoming: Incoming) {
        let now = self.now();
        let topic = incoming.topic.strip_prefix(&self.parts.prefix).unwrap_or(&incoming.topic).to_owned();
        let levels: Vec<&str> = topic.trim_start_matches('/').split('/').collect();
        let (mn, role, id) = match levels.as_slice() {
            [mn, "command", id] => (*mn, None, *id),
            // What we say ourselves of a request whose id is the name of a role.
            [_, "command", _, "status" | "refused"] => return incoming.taken(),
            [mn, "command", role, id] => (*mn, Some(*role), *id),
            _ => return incoming.taken(),
        };
        let resolved = self.parts.secrets.as_ref().map_or(Ok(None), |secrets| secrets.resolve(mn, &incoming.payload));
        let (unreadable, resolved) = match resolved {
            Ok(resolved) => (None, resolved),
            Err(refusal) => (Some(refusal), None),
        };
        let body = resolved.as_ref().map_or(&incoming.payload[..], |resolved| &resolved.body[..]);
        let hidden = resolved.as_ref().is_some_and(|resolved| resolved.hidden);
        let given = resolved.as_ref().and_then(|resolved| resolved.key.clone());
        let published = &incoming.payload[..];
        let ask = Ask { mn, id, role, body, published, left: incoming.left, hidden, given: given.is_some() };
        let known = self.address(mn, Some(Edition::V2017)).is_some();
        let address = self.address(mn, self.desk.edition(mn));
        let (refusal, effects) = if incoming.retained {
            (Some(Refusal::Retained), self.desk.refuse(&ask, Refusal::Retained))
        } else if known && address.is_none() {
            (Some(Refusal::EditionUnknown), self.desk.refuse(&ask, Refusal::EditionUnknown))
        } else if let Some(refusal) = unreadable {
            (Some(refusal), self.desk.refuse(&ask, refusal))
        } else if Desk::wants_key(ask.body) {
            let key = given.unwrap_or_else(new_key);
            let (taken, effects) = self.desk.submit_key(&ask, address.as_ref(), &key, now);
            (taken.err(), effects)
        } else {
            let (taken, effects) = self.desk.submit(&ask, address.as_ref(), now);
            (taken.err(), effects)
        };
        if let Some(refusal) = refusal {
            self.parts.telemetry.count(Counter::DownlinkRefused);
            // An id is of the length that whoever asks likes.
            let (mn, id) = (short(mn), short(id));
            tracing::warn!(mn = %mn.escape_debug(), id = %id.escape_debug(), reason = refusal.code(), "command refused");
        }
        match effects.iter().find_map(|effect| match effect {
            Effect::Record { ticket, .. } => Some(*ticket),
            Effect::Send { .. } | Effect::Status { .. } | Effect::Follow | Effect::MakeKey { .. } => None,
        }) {
            Some(ticket) => {
                self.asked.insert(ticket, incoming);
            }
            None => incoming.taken(),
        }
        self.carry_out(effects);
    }

    fn hear(&mut self, news: News) {
        let strange = self.desk.tally().strange;
        match news {
            News::Came { mn, connection, edition, mailbox, frame } => {
                let Some(address) = self.address(&mn, Some(edition)) else { return };
                self.mailboxes.insert(mn.clone(), (connection, mailbox));
                let now = self.now();
                self.desk.arrive(&address, connection, now);
                let mut effects = self.look_at(&mn, &frame);
                effects.extend(self.desk.arrived(&mn, now));
                self.carry_out(effects);
            }
            News::Left { mn, connection } => {
                if self.mailboxes.get(&mn).is_some_and(|(on, _)| *on == connection) {
                    self.mailboxes.remove(&mn);
                }
                self.desk.offline(&mn, connection);
            }
            News::Heard { mn, frame } => {
                let effects = self.look_at(&mn, &frame);
                self.carry_out(effects);
            }
        }
        self.parts.telemetry.add(Counter::DownlinkStrange, self.desk.tally().strange - strange);
    }

    /// Hands a frame to the desk, opened if it is sealed.
    fn look_at(&mut self, mn: &str, frame: &Stored) -> Vec<Effect> {
        let now = self.moment(frame.at);
        let registry = self.parts.house.registry();
        let form = registry.find(mn.as_bytes()).and_then(|station| station.facts.seal).unwrap_or_default();
        let keys = frame.sealed.zip(self.desk.keys(mn));
        let opened = keys.and_then(|(said, keys)| sm4::open_as(form, &frame.segment, said, keys.to_try()).ok());
        let Some(opened) = opened else { return self.desk.heard(mn, &packet::parse(&frame.segment), now) };
        let header = packet::parse(&opened.segment);
        let mut effects = self.desk.heard(mn, &header, now);
        effects.extend(self.desk.opened(mn, opened.key, !header.rf, now));
        effects
    }

    fn obey(&mut self, order: Order) {
        let now = self.now();
        match order {
            Order::Reload(settings) => {
                self.parts.settings = (*settings).clone();
                self.desk.replace_settings(*settings);
                let mut desk = std::mem::replace(&mut self.desk, Desk::new(Settings::default()));
                let effects = desk.readdress(|old| self.address(&old.mn, Some(old.edition)), now);
                self.desk = desk;
                self.carry_out(effects);
            }
            Order::Keys(keys) => {
                for key in keys {
                    let Some(address) = self.address(&key.mn, Some(Edition::V2025)) else { continue };
                    let effects = self.desk.install_key(&address, &key.created, &key.key);
                    self.carry_out(effects);
                }
            }
            Order::Recall(recall) => {
                let Recall { mn, id, command, parameters, .. } = &*recall;
                let Some(address) = self.address(mn, self.desk.edition(mn)) else { return };
                let (taken, effects) = self.desk.want(&address, id, command, parameters, Origin::Recall, now);
                if let Err(refusal) = taken {
                    tracing::debug!(mn, id, reason = refusal.code(), "a recall is not taken; it is planned again");
                }
                self.carry_out(effects);
            }
        }
    }

    fn carry_out(&mut self, effects: Vec<Effect>) {
        let strange = self.desk.tally().strange;
        self.parts.telemetry.add(Counter::DownlinkStrange, strange.saturating_sub(self.strange));
        self.strange = strange;
        for effect in effects {
            match effect {
                Effect::Record { ticket, step } => {
                    let now = clock::now();
                    let settled = self.settled_to.clone();
                    let entry = entry(&step, now);
                    self.under_way.insert(ticket, (now, step));
                    if self.unkept.is_none() {
                        // Before it is appended: it cannot be stored before this record.
                        self.unkept = Some(self.parts.journal.tail().durable().next());
                        self.hold();
                    }
                    self.parts.journal.appender().append(entry, move |outcome: Result<Offset, _>| {
                        // Without the desk nobody waits.
                        let _ = settled.send((ticket, outcome.ok()));
                    });
                }
                Effect::Send { mn, connection, qn, bytes } => {
                    let there = self.mailboxes.get(mn.as_str()).filter(|(on, _)| *on == connection);
                    let posted = there.is_some_and(|(_, mailbox)| {
                        mailbox.post(Letter { mn: mn.as_str().into(), frame: Bytes::from(bytes) })
                    });
                    let counter = if posted { Counter::DownlinkSent } else { Counter::DownlinkUnposted };
                    self.parts.telemetry.count(counter);
                    tracing::info!(mn, qn, posted, "sent to the station");
                }
                Effect::Follow => self.follow(),
                Effect::MakeKey { mn } => {
                    let made = self.desk.give_key(&mn, &new_key(), self.now());
                    self.carry_out(made);
                }
                // Downstream is told by the interpretation of the journal.
                Effect::Status { .. } => {}
            }
        }
    }

    fn settle(&mut self, (ticket, outcome): Settled) {
        let Some((at, step)) = self.under_way.remove(&ticket) else { return };
        let Some(offset) = outcome else {
            self.refused_at = Some(Instant::now());
            return self.desk.unrecorded(ticket);
        };
        self.head.offset = self.head.offset.max(offset.0);
        self.ledger.note(at, step);
        self.changed = true;
        if let Some(request) = self.asked.remove(&ticket) {
            request.taken();
        }
        let now = self.now();
        let effects = self.desk.recorded(ticket, now);
        self.carry_out(effects);
    }

    fn keep(&mut self) {
        self.kept_at = Instant::now();
        self.changed = false;
        if self.under_way.is_empty() {
            // All steps up to here are known.
            self.head.offset = self.head.offset.max(self.parts.journal.tail().durable().0);
        }
        let mut bytes = serde_json::to_vec(&self.head).unwrap_or_default();
        bytes.push(b'\n');
        bytes.extend(compact::write(self.ledger.steps()));
        match self.parts.derived.store(FILE, &bytes) {
            Err(error) => {
                self.changed = true;
                tracing::warn!(%error, "the file of the command desk cannot be written; a start reads more of the journal");
            }
            Ok(()) if self.under_way.is_empty() => {
                self.unkept = None;
                self.hold();
            }
            Ok(()) => {}
        }
    }
}

/// A new key: 16 random letters and digits (HJ 212-2025, C.8).
fn new_key() -> sm4::Key {
    let mut random = rand::rng();
    sm4::Key::from_bytes(std::array::from_fn(|_| rand::distr::Alphanumeric.sample(&mut random)))
}

fn entry(step: &Step, time: Timestamp) -> Entry {
    Entry { time, ..record(&Record::Command(&step.encode())) }
}

/// The first 64 characters: enough to find it again, and no line is longer for what somebody has asked.
pub(super) fn short(text: &str) -> &str {
    text.char_indices().nth(64).map_or(text, |(end, _)| text.get(..end).unwrap_or(text))
}
