//! The desk: requests in, effects out, for all stations.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::lane::{Active, Answered, Exchange, Phase, key_area};
use super::lanes::Lanes;
use super::refusal::Refusal;
use super::request::{Request, is_id};
use super::settings::Settings;
use super::step::{KeyState, Origin, Outcome, Step};
use super::table::{self, Order, SET_KEY};
use super::{Address, KeyRing, after, keys, moment, value};
use crate::message::{Timestamp, registration};
use crate::protocol::Header;
use crate::protocol::sm4::Key;

/// What the caller is to do. In the order given.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Make this step durable, then call [`Desk::recorded`] with the ticket, or [`Desk::unrecorded`] if that fails.
    Record {
        /// Names the step.
        ticket: u64,
        /// What to store.
        step: Step,
    },
    /// Send these bytes on this connection.
    Send {
        /// The station.
        mn: String,
        /// Its connection.
        connection: u64,
        /// QN of the request.
        qn: String,
        /// The whole frame.
        bytes: Vec<u8>,
    },
    /// Publish this status document, retained.
    Status {
        /// The station.
        mn: String,
        /// The request.
        id: String,
        /// The document.
        json: Value,
    },
}

/// What the desk has counted since it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// Requests refused.
    pub refused: u64,
    /// Answers to nothing we asked, or in no readable form.
    pub strange: u64,
    /// Frames handed out to be sent, resends among them.
    pub sent: u64,
}

/// See the room.
#[derive(Debug)]
pub struct Desk {
    settings: Settings,
    /// The settings under each policy.
    policies: BTreeMap<String, Settings>,
    lanes: Lanes,
    /// A station that is being given another MN answers under the new one.
    renamed: BTreeMap<String, String>,
    /// Who wanted the key that is on its way to the disk.
    rotations: BTreeMap<String, Rotation>,
    used: BTreeSet<(String, String)>,
    used_order: VecDeque<(String, String)>,
    pending: BTreeMap<u64, Step>,
    again: BTreeSet<u64>,
    ticket: u64,
    last_qn: i64,
    tally: Tally,
}

impl Desk {
    /// A desk that knows nothing yet.
    #[must_use]
    pub fn new(settings: Settings) -> Desk {
        Desk {
            policies: under_policies(&settings),
            settings,
            lanes: Lanes::default(),
            renamed: BTreeMap::new(),
            rotations: BTreeMap::new(),
            used: BTreeSet::new(),
            used_order: VecDeque::new(),
            pending: BTreeMap::new(),
            again: BTreeSet::new(),
            ticket: 0,
            last_qn: 0,
            tally: Tally::default(),
        }
    }

    /// Other settings hold from now on; what is under way goes on by them.
    pub fn replace_settings(&mut self, settings: Settings) {
        self.policies = under_policies(&settings);
        self.settings = settings;
    }

    /// Stations are registered anew: those whose address is `None` any more are spoken to no longer, and their requests end unanswered.
    pub fn readdress(&mut self, address: impl Fn(&Address) -> Option<Address>) {
        self.lanes.readdress(address);
    }

    /// The edition in which a station was last spoken to.
    #[must_use]
    pub fn edition(&self, mn: &str) -> Option<crate::protocol::Edition> {
        self.lanes.get(mn).map(|lane| lane.address.edition)
    }

    /// Requests that wait or are carried out.
    #[must_use]
    pub fn open(&self) -> usize {
        self.lanes.values().map(|lane| lane.queue.len() + usize::from(lane.active.is_some())).sum()
    }

    /// What was counted.
    #[must_use]
    pub const fn tally(&self) -> Tally {
        self.tally
    }

    /// The keys of a station.
    #[must_use]
    pub fn keys(&self, mn: &str) -> Option<&KeyRing> {
        self.lanes.get(mn).map(|lane| &lane.keys)
    }

    /// A request `id` to the station `mn`, whose address is `None` if it is not registered. The effects hold the refusal's audit
    /// step too.
    pub fn submit(
        &mut self,
        mn: &str,
        id: &str,
        body: &[u8],
        address: Option<&Address>,
        now: Timestamp,
    ) -> (Result<(), Refusal>, Vec<Effect>) {
        let request = Request::read(body);
        let author = request.as_ref().map(|request| request.author.clone()).unwrap_or_default();
        match request.and_then(|request| self.take(mn, id, request, address, now)) {
            Ok(step) => (Ok(()), self.record(vec![step])),
            Err(reason) => (Err(reason), self.refused(mn, id, body, author, reason)),
        }
    }

    /// Refuses a request for a reason that the caller knows. The effects hold its audit step.
    pub fn refuse(&mut self, mn: &str, id: &str, body: &[u8], reason: Refusal) -> Vec<Effect> {
        let author = Request::read(body).map(|request| request.author).unwrap_or_default();
        self.refused(mn, id, body, author, reason)
    }

    fn refused(&mut self, mn: &str, id: &str, body: &[u8], author: String, reason: Refusal) -> Vec<Effect> {
        self.tally.refused += 1;
        let bounded = |text: &str| text.chars().take(64).collect::<String>();
        let sha256 = Sha256::digest(body).iter().map(|byte| format!("{byte:02x}")).collect();
        let (mn, id, reason) = (bounded(mn), bounded(id), reason.code().to_owned());
        let shown = is_id(&id) && is_id(&mn) && !self.used.contains(&(mn.clone(), id.clone()));
        self.record(vec![Step::Refused { mn, id, reason, author, length: body.len(), sha256, shown }])
    }

    fn take(
        &mut self,
        mn: &str,
        id: &str,
        request: Request,
        address: Option<&Address>,
        now: Timestamp,
    ) -> Result<Step, Refusal> {
        if !is_id(id) {
            return Err(Refusal::IdForm);
        }
        let address = address.filter(|address| address.mn == mn).ok_or(Refusal::StationUnknown)?;
        let Some(name) = request.command.as_deref() else {
            return self.confirm(mn, id, &request, now);
        };
        if !table::is_known(name) {
            return Err(Refusal::CommandUnknown);
        }
        let order = table::find(name, address.edition).ok_or(Refusal::EditionLacks)?;
        if !self.settings.allows(mn, name, &request.author) {
            return Err(Refusal::NotAllowed);
        }
        if self.used.contains(&(mn.to_owned(), id.to_owned())) {
            return Err(Refusal::IdUsed);
        }
        let expiry = request.expires.map_or(self.settings.expiry, Duration::from_secs);
        let want = Want {
            id: id.to_owned(),
            order,
            origin: Origin::Operator,
            author: request.author,
            why: request.why,
            expiry,
        };
        self.queue(address, want, &request.parameters, now)
    }

    fn confirm(&mut self, mn: &str, id: &str, request: &Request, now: Timestamp) -> Result<Step, Refusal> {
        let by_other = self.settings.confirm_by_other;
        let mut lane = self.lanes.hold(mn).ok_or(Refusal::NothingToConfirm)?;
        let waiting = lane.queue.iter_mut().find(|e| e.id == id && e.durable && !e.ending);
        let waiting = waiting.ok_or(Refusal::NothingToConfirm)?;
        let (token, until) = waiting.confirm.as_ref().ok_or(Refusal::NothingToConfirm)?;
        if *until <= now {
            return Err(Refusal::NothingToConfirm);
        }
        if request.confirm.as_ref() != Some(token) {
            return Err(Refusal::ConfirmToken);
        }
        if by_other && waiting.author == request.author {
            return Err(Refusal::ConfirmAuthor);
        }
        if !self.settings.allows(mn, waiting.order.name, &request.author) {
            return Err(Refusal::NotAllowed);
        }
        (waiting.confirm, waiting.durable) = (None, false);
        Ok(Step::Confirmed { mn: mn.to_owned(), id: id.to_owned(), author: request.author.clone() })
    }

    /// A command of the house itself, as recall gives them; the allow-list does not concern it.
    pub fn want(
        &mut self,
        address: &Address,
        id: &str,
        command: &str,
        parameters: &Map<String, Value>,
        origin: Origin,
        now: Timestamp,
    ) -> (Result<(), Refusal>, Vec<Effect>) {
        let order = table::find(command, address.edition).filter(|order| order.cn != SET_KEY.cn);
        let taken = order.ok_or(Refusal::EditionLacks).and_then(|order| {
            if !is_id(id) {
                return Err(Refusal::IdForm);
            }
            if self.used.contains(&(address.mn.clone(), id.to_owned())) {
                return Err(Refusal::IdUsed);
            }
            let (author, why) = ("gateway".to_owned(), String::new());
            let want = Want { id: id.to_owned(), order, origin, author, why, expiry: self.settings.expiry };
            self.queue(address, want, parameters, now)
        });
        match taken {
            Ok(step) => (Ok(()), self.record(vec![step])),
            Err(refusal) => (Err(refusal), Vec::new()),
        }
    }

    fn queue(
        &mut self,
        address: &Address,
        want: Want,
        parameters: &Map<String, Value>,
        now: Timestamp,
    ) -> Result<Step, Refusal> {
        let area = value::area(want.order, parameters)?;
        // What the house wants by itself was allowed in the configuration.
        let by_hand = want.origin == Origin::Operator && want.order.is_control();
        let confirm = by_hand.then(|| token(&address.mn, &want.id, &area.text, now));
        let step = Step::Queued {
            mn: address.mn.clone(),
            id: want.id,
            command: want.order.name.to_owned(),
            cn: want.order.cn,
            edition: address.edition,
            area: area.text,
            new_mn: area.new_mn,
            origin: want.origin,
            author: want.author,
            why: want.why,
            expires: after(now, want.expiry),
            confirm,
        };
        let queue_max = self.settings.queue_max;
        if self.lanes.open(address).queue.len() >= queue_max {
            return Err(Refusal::QueueFull);
        }
        self.enter(&step, now);
        Ok(step)
    }

    /// Puts a queued step into its lane.
    fn enter(&mut self, step: &Step, now: Timestamp) {
        let Step::Queued { mn, id, command, edition, area, new_mn, origin, author, expires, confirm, .. } = step else {
            return;
        };
        let (Some(order), Some(mut lane)) = (table::find(command, *edition), self.lanes.hold(mn)) else { return };
        let until = after(now, self.settings.confirm_within);
        lane.contacted |= *origin == Origin::FirstContact;
        lane.queue.push(Exchange {
            id: id.clone(),
            order,
            area: area.clone(),
            new_mn: new_mn.clone(),
            origin: *origin,
            author: author.clone(),
            expires: *expires,
            confirm: confirm.clone().map(|token| (token, until)),
            durable: false,
            ending: false,
        });
        if let Some(new) = new_mn {
            self.renamed.insert(new.clone(), mn.clone());
        }
        let key = (mn.clone(), id.clone());
        if self.used.insert(key.clone()) {
            self.used_order.push_back(key);
        }
        while self.used_order.len() > self.settings.ids_max {
            if let Some(old) = self.used_order.pop_front() {
                self.used.remove(&old);
            }
        }
    }

    /// A key for a station that was given it by other means: the one it starts with.
    pub fn install_key(&mut self, address: &Address, created: &str, key: &Key) -> Vec<Effect> {
        self.lanes.open(address);
        let (mn, created) = (address.mn.clone(), created.to_owned());
        self.record(vec![Step::Key { mn, created, key: keys::hex(key), state: KeyState::Proven, again: false }])
    }

    /// Whether a request asks for a new key ([`Desk::submit_key`]).
    #[must_use]
    pub fn wants_key(body: &[u8]) -> bool {
        Request::read(body).is_ok_and(|request| request.command.as_deref() == Some(SET_KEY.name))
    }

    /// A request for a new key (1014): `key` is made by the caller from 16 random letters and digits, and is in no request. A key
    /// offered before and never proven is offered again instead: the station may have it. The exchange waits for a confirmation as any
    /// control command.
    pub fn submit_key(
        &mut self,
        mn: &str,
        id: &str,
        body: &[u8],
        address: Option<&Address>,
        key: &Key,
        now: Timestamp,
    ) -> (Result<(), Refusal>, Vec<Effect>) {
        let request = Request::read(body);
        let author = request.as_ref().map(|request| request.author.clone()).unwrap_or_default();
        let taken = request.and_then(|request| {
            if !is_id(id) {
                return Err(Refusal::IdForm);
            }
            let address = address.filter(|address| address.mn == mn).ok_or(Refusal::StationUnknown)?;
            if !self.settings.allows(mn, SET_KEY.name, &request.author) {
                return Err(Refusal::NotAllowed);
            }
            if !request.parameters.is_empty() {
                return Err(Refusal::ParameterUnknown);
            }
            self.rotate(address, id, key, &request, now)
        });
        match taken {
            Ok(effects) => (Ok(()), effects),
            Err(reason) => (Err(reason), self.refused(mn, id, body, author, reason)),
        }
    }

    fn rotate(
        &mut self,
        address: &Address,
        id: &str,
        key: &Key,
        request: &Request,
        now: Timestamp,
    ) -> Result<Vec<Effect>, Refusal> {
        if !SET_KEY.editions.contains(&address.edition) {
            return Err(Refusal::EditionLacks);
        }
        if self.used.contains(&(address.mn.clone(), id.to_owned())) {
            return Err(Refusal::IdUsed);
        }
        let making = self.rotations.contains_key(&address.mn);
        let lane = self.lanes.open(address);
        let busy = making
            || lane.queue.iter().chain(lane.active.as_ref().map(|a| &a.exchange)).any(|e| e.order.cn == SET_KEY.cn);
        if lane.keys.proven().is_none() {
            return Err(Refusal::KeyMissing);
        }
        if busy {
            return Err(Refusal::KeyPending);
        }
        if !key.bytes().iter().all(u8::is_ascii_alphanumeric) {
            return Err(Refusal::ParameterValue);
        }
        let rotation = Rotation { id: id.to_owned(), author: request.author.clone(), why: request.why.clone() };
        let offered = lane.keys.offered().map(|(created, _)| created.to_owned());
        drop(lane);
        if let Some(created) = offered {
            return Ok(self.offer(&address.mn, &created, rotation, now));
        }
        let (mn, created) = (address.mn.clone(), moment::qn(moment::of(now)));
        self.rotations.insert(mn.clone(), rotation);
        Ok(self.record(vec![Step::Key { mn, created, key: keys::hex(key), state: KeyState::Offered, again: false }]))
    }

    fn offer(&mut self, mn: &str, created: &str, rotation: Rotation, now: Timestamp) -> Vec<Effect> {
        let Some(lane) = self.lanes.get(mn) else { return Vec::new() };
        let area = key_area(created);
        let step = Step::Queued {
            mn: mn.to_owned(),
            confirm: Some(token(mn, &rotation.id, &area, now)),
            id: rotation.id,
            command: SET_KEY.name.to_owned(),
            cn: SET_KEY.cn,
            edition: lane.address.edition,
            area,
            new_mn: None,
            origin: Origin::Operator,
            author: rotation.author,
            why: rotation.why,
            expires: after(now, self.settings.expiry),
        };
        self.enter(&step, now);
        self.record(vec![step])
    }

    /// The station is there, on this connection.
    pub fn online(&mut self, address: &Address, connection: u64, now: Timestamp) -> Vec<Effect> {
        self.lanes.open(address).connection = Some(connection);
        let mut effects = self.first_contact(address, now);
        effects.extend(self.advance(&address.mn, now));
        // What was open while the station was away.
        effects.extend(self.due_of(&address.mn, now));
        effects
    }

    /// This connection of the station has ended.
    pub fn offline(&mut self, mn: &str, connection: u64) {
        if let Some(mut lane) = self.lanes.hold(mn).filter(|lane| lane.connection == Some(connection)) {
            lane.connection = None;
        }
    }

    fn first_contact(&mut self, address: &Address, now: Timestamp) -> Vec<Effect> {
        if self.lanes.get(&address.mn).is_none_or(|lane| lane.contacted) {
            return Vec::new();
        }
        let policy = of(&self.settings, &self.policies, address).first_contact.clone();
        let mut wanted: Vec<(&str, Value)> = Vec::new();
        if policy.set_time {
            wanted.push(("set-time", json!({})));
        }
        if let Some((time, count)) = policy.timeouts {
            wanted.push(("set-timeouts", json!({ "OverTime": time, "ReCount": count })));
        }
        if let Some(seconds) = policy.realtime_interval {
            wanted.push(("set-realtime-interval", json!({ "RtdInterval": seconds })));
        }
        if let Some(minutes) = policy.minute_interval {
            wanted.push(("set-minute-interval", json!({ "MinInterval": minutes })));
        }
        if let Some(on) = policy.realtime {
            wanted.push((if on { "start-realtime" } else { "stop-realtime" }, json!({})));
        }
        if let Some(on) = policy.state {
            wanted.push((if on { "start-state" } else { "stop-state" }, json!({})));
        }
        let stamp = moment::qn(moment::of(now));
        let mut effects = Vec::new();
        for (command, parameters) in wanted {
            let parameters = parameters.as_object().cloned().unwrap_or_default();
            let id = format!("first-{command}-{stamp}");
            // What an edition does not have is not sent to it.
            effects.extend(self.want(address, &id, command, &parameters, Origin::FirstContact, now).1);
        }
        effects
    }

    /// A frame of the station, after it was stored. Answers (9014, 9013) are the session's affair.
    pub fn heard(&mut self, mn: &str, header: &Header<'_>, now: Timestamp) -> Vec<Effect> {
        let mn = self.renamed.get(mn).filter(|_| self.lanes.get(mn).is_none()).map_or(mn, String::as_str).to_owned();
        let mut steps = Vec::new();
        let Some(mut lane) = self.lanes.hold(&mn) else { return Vec::new() };
        let settings = of(&self.settings, &self.policies, &lane.address);
        let answered = lane.heard(header, now, settings, &mut steps);
        drop(lane);
        self.tally.strange += u64::from(answered == Answered::Strange);
        let upload = answered == Answered::No && !header.rf;
        let mut effects = self.record(steps);
        if let Some(number) = registration::hardware(header).filter(|_| header.mn != Some(mn.as_bytes())) {
            effects.extend(self.register(&mn, number, now));
        }
        if upload {
            effects.extend(self.watch_clock(&mn, header, now));
        }
        effects
    }

    /// A logger that is to have this MN asks for it.
    fn register(&mut self, mn: &str, hardware: &[u8], now: Timestamp) -> Vec<Effect> {
        let Some(lane) = self.lanes.get(mn).filter(|_| self.settings.registration) else { return Vec::new() };
        let giving = |e: &Exchange| e.order.cn == 1002;
        if lane.queue.iter().chain(lane.active.as_ref().map(|active| &active.exchange)).any(giving) {
            // It asks again because it has not been told yet.
            return Vec::new();
        }
        let address = lane.address.clone();
        let id = format!("register-{}", moment::qn(moment::of(now)));
        let parameters = json!({ "MN": mn, "LoggerId": String::from_utf8_lossy(hardware) });
        let parameters = parameters.as_object().cloned().unwrap_or_default();
        self.want(&address, &id, "set-mn", &parameters, Origin::FirstContact, now).1
    }

    fn watch_clock(&mut self, mn: &str, header: &Header<'_>, now: Timestamp) -> Vec<Effect> {
        let Some(mut lane) = self.lanes.hold(mn) else { return Vec::new() };
        let settings = &of(&self.settings, &self.policies, &lane.address).clock;
        let mut steps = Vec::new();
        if let Some(said) = header.qn.and_then(moment::millis)
            && let Some((offset_ms, within)) = lane.clock.heard(said - moment::of(now), settings)
        {
            steps.push(Step::Clock { mn: mn.to_owned(), offset_ms, within });
        }
        let asked = header.cn == Some(1013) && settings.answer_requests;
        let drifting = settings.correct && lane.clock.is_drifting();
        let correct = (asked || drifting) && lane.clock.may_correct(settings, now);
        let address = correct.then(|| lane.address.clone());
        drop(lane);
        let mut effects = self.record(steps);
        if let Some(address) = address {
            let id = format!("clock-{}", moment::qn(moment::of(now)));
            effects.extend(self.want(&address, &id, "set-time", &Map::new(), Origin::Clock, now).1);
        }
        effects
    }

    /// A frame was opened with the `number`-th key of [`KeyRing::to_try`].
    pub fn opened(&mut self, mn: &str, number: usize) -> Vec<Effect> {
        let proven = self.lanes.get(mn).and_then(|lane| lane.keys.newly_proven(number));
        let Some((created, key)) = proven else { return Vec::new() };
        let (mn, created, key) = (mn.to_owned(), created.to_owned(), keys::hex(key));
        self.record(vec![Step::Key { mn, created, key, state: KeyState::Proven, again: false }])
    }

    /// Resends, time-outs, expiries, and steps that could not be made durable before.
    pub fn due(&mut self, now: Timestamp) -> Vec<Effect> {
        let again = std::mem::take(&mut self.again);
        let step = |ticket: u64| Some(Effect::Record { ticket, step: self.pending.get(&ticket)?.clone() });
        let mut effects: Vec<Effect> = again.into_iter().filter_map(step).collect();
        for mn in self.lanes.due(now) {
            effects.extend(self.due_of(&mn, now));
        }
        effects
    }

    fn due_of(&mut self, mn: &str, now: Timestamp) -> Vec<Effect> {
        let mut steps = Vec::new();
        if let Some(mut lane) = self.lanes.hold(mn) {
            let settings = of(&self.settings, &self.policies, &lane.address);
            lane.due(now, settings, &mut steps);
        }
        self.record(steps)
    }

    /// When [`Desk::due`] has something to do next.
    #[must_use]
    pub fn next_due(&self) -> Option<Timestamp> {
        if !self.again.is_empty() {
            return Some(Timestamp(0));
        }
        self.lanes.next_due()
    }

    fn advance(&mut self, mn: &str, now: Timestamp) -> Vec<Effect> {
        let mut steps = Vec::new();
        if let Some(mut lane) = self.lanes.hold(mn) {
            lane.advance(now, &mut self.last_qn, &mut steps);
        }
        self.record(steps)
    }

    fn record(&mut self, steps: Vec<Step>) -> Vec<Effect> {
        let mut effects = Vec::with_capacity(steps.len());
        for step in steps {
            self.ticket += 1;
            self.pending.insert(self.ticket, step.clone());
            effects.push(Effect::Record { ticket: self.ticket, step });
        }
        effects
    }

    /// The step of this ticket is durable. Call in the order of the tickets.
    pub fn recorded(&mut self, ticket: u64, now: Timestamp) -> Vec<Effect> {
        let Some(step) = self.pending.remove(&ticket) else { return Vec::new() };
        self.again.remove(&ticket);
        let mut effects = Vec::new();
        let mn = step.mn().to_owned();
        if let Step::Sent { qn, count, .. } = &step
            && let Some((connection, bytes)) = self.lanes.hold(&mn).and_then(|mut lane| {
                let settings = of(&self.settings, &self.policies, &lane.address);
                lane.sendable(qn, *count, now, settings)
            })
        {
            self.tally.sent += 1;
            effects.push(Effect::Send { mn: mn.clone(), connection, qn: qn.clone(), bytes });
        }
        if let (Some(json), Some(id)) = (step.status(now), step.id()) {
            effects.push(Effect::Status { mn: mn.clone(), id: id.to_owned(), json });
        }
        let follow = self.settle(&step);
        effects.extend(self.record(follow));
        if let Step::Key { created, state: KeyState::Offered, .. } = &step
            && let Some(rotation) = self.rotations.remove(&mn)
        {
            effects.extend(self.offer(&mn, created, rotation, now));
        }
        effects.extend(self.advance(&mn, now));
        effects
    }

    /// The step of this ticket could not be stored: it is asked for again by [`Desk::due`], and all that hangs on it waits.
    pub fn unrecorded(&mut self, ticket: u64) {
        if self.pending.contains_key(&ticket) {
            self.again.insert(ticket);
        }
    }

    /// What a durable step changes; steps that follow from it.
    fn settle(&mut self, step: &Step) -> Vec<Step> {
        let Some(mut lane) = self.lanes.hold(step.mn()) else { return Vec::new() };
        match step {
            Step::Queued { id, .. } | Step::Confirmed { id, .. } => {
                if let Some(exchange) = lane.queue.iter_mut().find(|e| e.id == *id) {
                    exchange.durable = true;
                }
            }
            Step::Ended { id, outcome, .. } => {
                let refused_key = *outcome == Outcome::Refused
                    && lane.active.as_ref().is_some_and(|a| a.exchange.id == *id && a.exchange.order.cn == SET_KEY.cn);
                let waiting = lane.queue.extract_if(.., |e| e.id == *id).next();
                let active = lane.active.take_if(|active| active.exchange.id == *id).map(|active| active.exchange);
                if let Some(new) = waiting.or(active).and_then(|exchange| exchange.new_mn) {
                    self.renamed.remove(&new);
                }
                // A refused key was not taken; one without an answer may have been, and is kept.
                if refused_key && let Some((created, key)) = lane.keys.offered() {
                    let (mn, created, key) = (step.mn().to_owned(), created.to_owned(), keys::hex(key));
                    return vec![Step::Key { mn, created, key, state: KeyState::Dropped, again: false }];
                }
            }
            Step::Key { created, key, state, .. } => {
                if let Ok(key) = Key::from_text(key) {
                    lane.keys.note(created, &key, *state);
                }
            }
            Step::Sent { .. }
            | Step::Accepted { .. }
            | Step::Data { .. }
            | Step::Refused { .. }
            | Step::Clock { .. } => {}
        }
        Vec::new()
    }

    /// A desk from the steps of the journal, each with the time of its record, oldest first. Stations that are no longer registered are
    /// left out; their requests end with the configuration that knew them.
    pub fn restore(
        settings: Settings,
        steps: impl IntoIterator<Item = (Timestamp, Step)>,
        address: impl Fn(&str) -> Option<Address>,
        now: Timestamp,
    ) -> Desk {
        let mut desk = Desk::new(settings);
        for (at, step) in steps {
            let Some(address) = address(step.mn()) else { continue };
            drop(desk.lanes.open(&address));
            desk.replay(&step, at, now);
            desk.settle(&step);
        }
        desk
    }

    fn replay(&mut self, step: &Step, at: Timestamp, now: Timestamp) {
        self.enter(step, at);
        let Some(mut lane) = self.lanes.hold(step.mn()) else { return };
        match step {
            Step::Confirmed { id, .. } => {
                if let Some(exchange) = lane.queue.iter_mut().find(|e| e.id == *id) {
                    exchange.confirm = None;
                }
            }
            Step::Sent { id, qn, count, segment, .. } => {
                self.last_qn = self.last_qn.max(moment::millis(qn.as_bytes()).unwrap_or(0));
                if let Some(place) = lane.queue.iter().position(|e| e.id == *id) {
                    let exchange = lane.queue.remove(place);
                    if exchange.order.cn == 1012 {
                        lane.clock.noted(at);
                    }
                    let (qn, segment, phase) = (qn.clone(), segment.clone(), Phase::Asked);
                    lane.active =
                        Some(Active { exchange, qn, segment, count: *count, phase, deadline: now, packets: 0 });
                } else if let Some(active) = lane.active.as_mut().filter(|a| a.exchange.id == *id) {
                    active.count = *count;
                }
            }
            Step::Accepted { id, .. } => {
                let settings = of(&self.settings, &self.policies, &lane.address);
                if let Some(active) = lane.active.as_mut().filter(|a| a.exchange.id == *id) {
                    (active.phase, active.deadline) = (Phase::Accepted, after(now, settings.execution_timeout));
                }
            }
            Step::Data { id, packets, .. } => {
                if let Some(active) = lane.active.as_mut().filter(|a| a.exchange.id == *id) {
                    active.packets = *packets;
                }
            }
            Step::Clock { within, .. } => lane.clock.restored(*within),
            Step::Queued { .. } | Step::Ended { .. } | Step::Refused { .. } | Step::Key { .. } => {}
        }
    }
}

fn under_policies(settings: &Settings) -> BTreeMap<String, Settings> {
    settings.policies.iter().map(|(name, policy)| (name.clone(), settings.under(policy))).collect()
}

/// The settings that hold for a station.
fn of<'a>(settings: &'a Settings, policies: &'a BTreeMap<String, Settings>, address: &Address) -> &'a Settings {
    address.policy.as_ref().and_then(|policy| policies.get(policy)).unwrap_or(settings)
}

/// Who wanted a key, under which id, and why.
#[derive(Debug)]
struct Rotation {
    id: String,
    author: String,
    why: String,
}

/// What is wanted, before its parameters are read.
struct Want {
    id: String,
    order: &'static Order,
    origin: Origin,
    author: String,
    why: String,
    expiry: Duration,
}

/// What must be said to confirm: it differs with what is confirmed, and is no secret.
fn token(mn: &str, id: &str, area: &str, now: Timestamp) -> String {
    let digest = Sha256::digest(format!("{mn}\n{id}\n{area}\n{}", now.0));
    digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect()
}
