//! The desk: requests in, effects out, for all stations. Here are its parts and what a durable step changes; requests are in
//! `requests`, keys in `rotation`, what stations say in `watch`, changes that are followed in `follow`, a restart in `restore`.

mod follow;
mod former;
mod requests;
mod restore;
mod rotation;
mod spoken;
mod watch;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde_json::Value;

use super::keys;
use super::keys::KeyState;
use super::lane::{Exchange, Lane, Place};
use super::lanes::{Hold, Lanes};
use super::moment::{Moment, Steady};
use super::settings::Settings;
use super::step::{KeyNotice, Origin, Outcome, Step};
use super::table::SET_KEY;
use super::{Address, KeyRing};
pub use follow::Followed;
pub(crate) use follow::GIVEN_MAX;
use hj212::sm4::Key;
use rotation::Rotation;
pub use spoken::Spoken;

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
    /// [`Desk::followed`] has changed; to be taken up before what comes next is sent.
    Follow,
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
    /// The station asks for a key: call [`Desk::give_key`] with a new one.
    MakeKey {
        /// The station.
        mn: String,
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

/// See the module.
#[derive(Debug)]
pub struct Desk {
    settings: Settings,
    /// The settings under each policy.
    policies: BTreeMap<String, Settings>,
    lanes: Lanes,
    /// A station that is being given another MN answers under the new one.
    renamed: BTreeMap<String, String>,
    /// By the MN that a station has now, the one that it is registered with.
    former: BTreeMap<String, String>,
    /// Passwords and MNs that stations were given and are not registered with.
    changes: BTreeMap<String, follow::Change>,
    /// Who wanted the key that is on its way to the disk.
    rotations: BTreeMap<String, Rotation>,
    used: BTreeSet<(String, String)>,
    used_order: VecDeque<(String, String)>,
    pending: BTreeMap<u64, Step>,
    again: BTreeSet<u64>,
    ticket: u64,
    last_qn: i64,
    tally: Tally,
    /// Whether something was learned of how a station speaks.
    learned: bool,
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
            former: BTreeMap::new(),
            changes: BTreeMap::new(),
            rotations: BTreeMap::new(),
            used: BTreeSet::new(),
            used_order: VecDeque::new(),
            pending: BTreeMap::new(),
            again: BTreeSet::new(),
            ticket: 0,
            last_qn: 0,
            tally: Tally::default(),
            learned: false,
        }
    }

    /// Other settings hold from now on; what is under way goes on by them.
    pub fn replace_settings(&mut self, settings: Settings) {
        self.policies = under_policies(&settings);
        self.settings = settings;
    }

    /// Stations are registered anew. What waits for one whose address is `None` any more ends as unregistered; what is known of its keys
    /// is kept for the day on which it is registered again.
    pub fn readdress(&mut self, address: impl Fn(&Address) -> Option<Address>, now: Moment) -> Vec<Effect> {
        let (mut effects, mut new_passwords) = (Vec::new(), BTreeSet::new());
        self.forget_formers();
        for mn in self.lanes.names() {
            let Some(mut lane) = self.lanes.hold(&mn) else { continue };
            match address(&lane.address).filter(|new| new.mn == mn) {
                Some(new) => {
                    if lane.address.pw != new.pw {
                        new_passwords.insert(mn.clone());
                    }
                    // What has come back is spoken to when it is heard again.
                    lane.address = new;
                    lane.registered = true;
                }
                None => {
                    lane.registered = false;
                    lane.place = Place::Away;
                    lane.contacted.clear();
                }
            }
            drop(lane);
            effects.extend(self.due_of(&mn, now));
        }
        self.forget_registered(|mn| new_passwords.contains(mn));
        effects.push(Effect::Follow);
        effects
    }

    /// The lane of a registered station, with what it was given since.
    fn lane(&mut self, address: &Address) -> Hold<'_> {
        let mut lane = self.lanes.open(address);
        lane.address.other_pws = self.changes.get(&address.mn).map(follow::Change::passwords).unwrap_or_default();
        lane
    }

    /// The edition in which a station was last spoken to.
    #[must_use]
    pub fn edition(&self, mn: &str) -> Option<hj212::Edition> {
        self.lanes.get(mn).filter(|lane| lane.registered).map(|lane| lane.address.edition)
    }

    /// Requests that wait or are carried out.
    #[must_use]
    pub fn open(&self) -> usize {
        self.lanes
            .values()
            .map(|lane| lane.queue.len() + usize::from(lane.active.is_some()) + usize::from(lane.beside.is_some()))
            .sum()
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

    /// The stations of which keys are known.
    pub fn key_rings(&self) -> impl Iterator<Item = (&str, &KeyRing)> {
        let rings = self.lanes.values().map(|lane| (lane.address.mn.as_str(), &lane.keys));
        rings.filter(|(_, ring)| ring.to_try().next().is_some())
    }

    /// Resends, time-outs, expiries, and steps that could not be made durable before.
    pub fn due(&mut self, now: Moment) -> Vec<Effect> {
        let again = std::mem::take(&mut self.again);
        let step = |ticket: u64| Some(Effect::Record { ticket, step: self.pending.get(&ticket)?.clone() });
        let mut effects: Vec<Effect> = again.into_iter().filter_map(step).collect();
        for mn in self.lanes.due(now.steady) {
            effects.extend(self.due_of(&mn, now));
        }
        effects
    }

    fn due_of(&mut self, mn: &str, now: Moment) -> Vec<Effect> {
        let mut steps = Vec::new();
        if let Some(mut lane) = self.lanes.hold(mn) {
            let settings = of(&self.settings, &self.policies, &lane.address);
            lane.due(now, settings, &mut steps);
        }
        self.record(steps)
    }

    /// When [`Desk::due`] has something to do next.
    #[must_use]
    pub fn next_due(&self) -> Option<Steady> {
        if !self.again.is_empty() {
            return Some(Steady(i64::MIN));
        }
        self.lanes.next_due()
    }

    fn advance(&mut self, mn: &str, now: Moment) -> Vec<Effect> {
        let mut steps = Vec::new();
        for mn in self.names_of(mn) {
            if self.is_busy_under_another(&mn) {
                continue;
            }
            if let Some(mut lane) = self.lanes.hold(&mn) {
                lane.advance(now, &mut self.last_qn, &mut steps);
            }
        }
        self.record(steps)
    }

    /// The date is trusted again: what waited for that is sent.
    pub fn date_is_right(&mut self, now: Moment) -> Vec<Effect> {
        self.lanes.names().iter().flat_map(|mn| self.advance(mn, now)).collect()
    }

    /// The date that is believed was set ([`hj212_model::clock::belief::Step`]).
    pub fn date_was_set(&mut self) {
        for mn in self.lanes.names() {
            if let Some(mut lane) = self.lanes.hold(&mn) {
                lane.clock.forget();
            }
        }
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
    pub fn recorded(&mut self, ticket: u64, now: Moment) -> Vec<Effect> {
        let Some(step) = self.pending.remove(&ticket) else { return Vec::new() };
        self.again.remove(&ticket);
        let mut effects = Vec::new();
        let mn = step.mn().to_owned();
        if let Step::Sent { qn, count, .. } = &step {
            let mut anew = Vec::new();
            let sendable = self.lanes.hold(&mn).and_then(|mut lane| {
                let settings = of(&self.settings, &self.policies, &lane.address);
                lane.sendable(qn, *count, now, settings, &mut anew)
            });
            if let Some((connection, bytes)) = sendable {
                if self.follow_what_is_sent(&mn) {
                    effects.push(Effect::Follow);
                }
                self.tally.sent += 1;
                effects.push(Effect::Send { mn: mn.clone(), connection, qn: qn.clone(), bytes });
            }
            effects.extend(self.record(anew));
        }
        // What is refused about an id that is in use is told beside its status, not in its place.
        let beside = matches!(step, Step::Refused { shown: false, .. });
        if let (Some(json), Some(id), false) = (step.status(now.wall), step.id(), beside) {
            effects.push(Effect::Status { mn: mn.clone(), id: id.to_owned(), json });
        }
        let (follow, changed) = self.settle(&step);
        effects.extend(changed.then_some(Effect::Follow));
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

    /// What a durable step changes; steps that follow from it, and whether [`Desk::followed`] has changed.
    fn settle(&mut self, step: &Step) -> (Vec<Step>, bool) {
        let Some(mut lane) = self.lanes.hold(step.mn()) else { return (Vec::new(), false) };
        match step {
            Step::Queued { id, .. } | Step::Confirmed { id, .. } => {
                if let Some(exchange) = lane.queue.iter_mut().find(|e| e.id == *id) {
                    exchange.durable = true;
                }
            }
            Step::Cancel { id, .. } => {
                let Lane { queue, active, beside, .. } = &mut *lane;
                let under_way = active.iter_mut().chain(beside).map(|active| &mut active.exchange);
                let own = queue.iter_mut().chain(under_way);
                own.filter(|e| e.id == *id).for_each(|e| e.cancelled = true);
            }
            Step::Ended { id, outcome, .. } => {
                // What could not be told to a station that is new is told when it comes again.
                let told = matches!(outcome, Outcome::Done | Outcome::NoData | Outcome::Refused | Outcome::Failed);
                let untold = |e: &Exchange| !told && e.origin == Origin::FirstContact;
                let waiting = lane.queue.iter().position(|e| e.id == *id);
                if let Some(exchange) = waiting.map(|at| lane.queue.remove(at)) {
                    if untold(&exchange) {
                        lane.contacted.remove(exchange.order.name);
                    }
                    if let Some(new) = exchange.new_mn {
                        self.renamed.remove(&new);
                    }
                    return (Vec::new(), false);
                }
                let active = lane.active.take_if(|active| active.exchange.id == *id);
                let Some(active) = active.or_else(|| lane.beside.take_if(|active| active.exchange.id == *id)) else {
                    return (Vec::new(), false);
                };
                if untold(&active.exchange) {
                    lane.contacted.remove(active.exchange.order.name);
                }
                let mn = step.mn().to_owned();
                if active.exchange.order.cn == SET_KEY.cn {
                    let created = active.exchange.key_created().unwrap_or_default().to_owned();
                    if *outcome == Outcome::Done {
                        // The station's word counts as a change, whatever was said before.
                        lane.used_said = None;
                    }
                    return (rotation::ended(&lane.keys, mn, created, *outcome, &active), false);
                }
                drop(lane);
                return (Vec::new(), self.follow_what_ended(&mn, &active.exchange, *outcome, active.count));
            }
            Step::Key { created, key, state, .. } => {
                if let Ok(key) = Key::from_text(key) {
                    lane.keys.note(created, &key, *state);
                    if *state == KeyState::Proven {
                        lane.used_said = lane.keys.used().map(str::to_owned);
                    }
                }
                return (Vec::new(), true);
            }
            Step::KeyNote { created, notice: KeyNotice::Used, .. } => {
                // What was heard while the step was on its way to the disk is newer.
                if lane.used_said.as_deref() != Some(created) {
                    lane.keys.note_used(created);
                    lane.used_said = Some(created.clone());
                }
            }
            Step::KeyNote { created, notice: KeyNotice::Unknown, .. } => lane.keys.note_unknown(created),
            Step::KeyNote { created, notice: KeyNotice::Due, .. } => lane.key_due = Some(created.clone()),
            Step::KeyNote { notice: KeyNotice::Asked, .. }
            | Step::Sent { .. }
            | Step::Accepted { .. }
            | Step::Data { .. }
            | Step::Refused { .. }
            | Step::Moved { .. }
            | Step::Clock { .. } => {}
        }
        (Vec::new(), false)
    }
}

fn key_step(mn: &str, created: &str, key: &Key, state: KeyState) -> Step {
    Step::Key { mn: mn.to_owned(), created: created.to_owned(), key: keys::hex(key), state, again: false }
}

fn under_policies(settings: &Settings) -> BTreeMap<String, Settings> {
    settings.policies.iter().map(|(name, policy)| (name.clone(), settings.under(policy))).collect()
}

/// The settings that hold for a station.
fn of<'a>(settings: &'a Settings, policies: &'a BTreeMap<String, Settings>, address: &Address) -> &'a Settings {
    address.policy.as_ref().and_then(|policy| policies.get(policy)).unwrap_or(settings)
}
