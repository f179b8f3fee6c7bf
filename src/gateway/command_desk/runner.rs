//! What the command desk does when something happens: requests and frames to the judgement ([`Desk`]), its effects to journal, listeners and file.
//! No runtime and no clock of its own: what it needs of the world are its [`Means`], so that the simulation of the whole gateway
//! (`super::super::simulation`) runs this very code.
//!
//! What must stay true:
//! * what the desk is told is the time is a date that is believed ([`hj212_model::clock::belief`], begun with what the journal's records tell): a
//!   host's clock that jumps writes nothing into a command; records keep what the host's clock showed;
//! * a step has an effect only after it is on disk; a request is acknowledged to the broker only then;
//! * steps are told downstream by the interpretation of the journal, never from here.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::super::record;
use super::super::secrets::Secrets;
use super::step_store::{Became, StepStore};
use super::{Order, short, told};
use crate::net::{ListenerState, OutgoingFrame, OutgoingFrames, StationNotice, Stored};
use hj212::{Edition, SealForm, packet, sm4};
use hj212_coverage::Recall;
use hj212_downlink::{Address, Ask, DateTrust, Desk, Effect, KeyRing, Moment, Origin, Refusal, Settings, Steady, Step};
use hj212_journal::{Entry, Offset};
use hj212_model::clock::belief::{Belief, NEAR, Seen};
use hj212_model::message::{Record, Timestamp};
use hj212_model::registry::Unknown;
use hj212_model::telemetry::{Counter, Telemetry};

/// The file is written at most this often, if something has changed.
const KEEP_EVERY: Duration = Duration::from_secs(15);
/// And this often, if something was learned of how a station speaks: that is in no record.
const KEEP_LEARNED_EVERY: Duration = Duration::from_secs(2);
/// Without changes it is written so often all the same: a start reads the journal only from there.
const REFRESH: Duration = Duration::from_secs(3600);
/// A step that the journal refused is tried again after this.
pub(super) const AGAIN: Duration = Duration::from_secs(1);

/// A frame that came longer ago than this, or by the host's clock comes later, was stamped by a clock that is not what it was: it measures no
/// other clock.
const FRAME_AGE_MAX: i64 = 3 * NEAR;

/// What the runner has of the world.
pub(in crate::gateway) trait Means {
    /// What the host's clock shows, and one that never steps.
    fn clocks(&self) -> (Timestamp, Steady);
    /// Hands an entry to the journal; [`DeskRunner::settle`] is to be called with what becomes of it, or never if nobody waits for it.
    fn append(&mut self, ticket: Option<u64>, entry: Entry);
    /// A new key: 16 random letters and digits (HJ 212-2025, C.8).
    fn new_key(&mut self) -> sm4::Key;
}

/// A request as the broker hands it over.
pub(in crate::gateway) trait Request {
    /// Its topic.
    fn topic(&self) -> &str;
    /// Its body.
    fn payload(&self) -> &[u8];
    /// Whether it was kept by the broker.
    fn retained(&self) -> bool;
    /// How long it may still wait.
    fn left(&self) -> Option<Duration>;
    /// It is durable here: the broker need not send it again.
    fn taken(self);
}

/// See the head of this file.
pub(in crate::gateway) struct DeskRunner<M, R> {
    means: M,
    belief: Belief,
    /// When the clocks were last read.
    seen_at: Steady,
    /// Whether something may wait for a date that is trusted.
    held: bool,
    settings: Settings,
    prefix: String,
    listeners: Arc<ListenerState>,
    telemetry: Arc<Telemetry>,
    secrets: Option<Secrets>,
    desk: Desk,
    step_store: StepStore<R>,
    outgoing: HashMap<Box<str>, (u64, Arc<OutgoingFrames>)>,
    /// By a registered MN that is there itself, the other one under which its station is there too.
    under_both: HashMap<Box<str>, Box<str>>,
    /// When the keys' ages were last looked at.
    reviewed_at: Option<Steady>,
    refused_at: Option<Steady>,
    /// Strange answers that are in the metrics.
    strange: u64,
    kept_at: Steady,
}

/// What the runner is made of.
pub(in crate::gateway) struct Place {
    pub(in crate::gateway) settings: Settings,
    pub(in crate::gateway) prefix: String,
    pub(in crate::gateway) listeners: Arc<ListenerState>,
    pub(in crate::gateway) telemetry: Arc<Telemetry>,
    pub(in crate::gateway) secrets: Option<Secrets>,
}

impl<M: Means, R: Request> DeskRunner<M, R> {
    /// Takes up what the last run left, and journals the keys again if that was long ago.
    pub(in crate::gateway) fn open(place: Place, step_store: StepStore<R>, means: M) -> DeskRunner<M, R> {
        let Place { settings, prefix, listeners, telemetry, secrets } = place;
        let (wall, steady) = means.clocks();
        let mut belief = step_store.believed();
        let _ = belief.see(wall, Seen::Started);
        let desk = Desk::new(settings.clone());
        let mut runner = DeskRunner {
            means,
            belief,
            seen_at: steady,
            held: false,
            settings,
            prefix,
            listeners,
            telemetry,
            secrets,
            desk,
            step_store,
            outgoing: HashMap::new(),
            under_both: HashMap::new(),
            reviewed_at: None,
            refused_at: None,
            strange: 0,
            kept_at: steady,
        };
        let now = runner.now();
        runner.begin(now);
        runner
    }

    fn begin(&mut self, now: Moment) {
        let steps = self.step_store.steps();
        let settings = self.settings.clone();
        let spoken: HashMap<String, Edition> = steps
            .iter()
            .filter_map(|(_, step)| {
                if let Step::Queued { mn, edition, .. } = step {
                    return Some((mn.clone(), *edition));
                }
                matches!(step, Step::Key { .. }).then(|| (step.mn().to_owned(), Edition::V2025))
            })
            .chain(self.step_store.spoken().iter().map(|(mn, spoken)| (mn.clone(), spoken.edition)))
            .collect();
        let address = |mn: &str| self.address(mn, spoken.get(mn).copied());
        let mut desk = Desk::restore(settings, steps, address, now);
        desk.know_spoken(self.step_store.spoken(), |mn, edition| self.address(mn, Some(edition)));
        self.desk = desk;
        self.follow();
        for step in self.step_store.keys_to_say(now.wall) {
            let shown = self.means.clocks().0;
            self.means.append(None, entry(&step, shown));
        }
        let open = self.desk.open();
        tracing::info!(open, "the command desk is open");
    }

    /// Whether no step is on its way to disk.
    pub(in crate::gateway) fn is_idle(&self) -> bool {
        self.step_store.is_idle()
    }

    /// The judgement.
    #[cfg(test)]
    pub(in crate::gateway) fn desk(&self) -> &Desk {
        &self.desk
    }

    fn now(&mut self) -> Moment {
        let (wall, steady) = self.means.clocks();
        self.seen_at = steady;
        if let Some(step) = self.belief.see(wall, Seen::Reading(steady.0)) {
            let (from, to) = (step.from.to_rfc3339(), step.to.to_rfc3339());
            tracing::warn!(from, to, "the date of commands is set by the host's clock, which has stayed so");
            self.desk.date_was_set();
        }
        let trust = match (self.belief.is_anchored(), self.belief.is_doubted()) {
            (true, false) => DateTrust::Right,
            (true, true) => DateTrust::Doubted,
            (false, _) => DateTrust::Unknown,
        };
        if trust != DateTrust::Right && !self.held {
            let (shown, believed) = (wall.to_rfc3339(), self.belief.now().to_rfc3339());
            tracing::warn!(
                shown,
                believed,
                "the host's clock is doubted: no station's clock is set by it, and none is said to be off"
            );
        }
        self.held |= trust != DateTrust::Right;
        Moment { wall: self.belief.plausible(wall), steady, trust }
    }

    /// When a frame came, by what the host's clock showed then: it may have been right or wrong since.
    fn when(&mut self, shown: Timestamp) -> Moment {
        let now = self.now();
        if now.wall.0.abs_diff(shown.0) <= FRAME_AGE_MAX.unsigned_abs() {
            return Moment { wall: shown, ..now };
        }
        self.held = true;
        Moment { trust: now.trust.max(DateTrust::Doubted), ..now }
    }

    /// When something must happen although nobody says anything.
    pub(in crate::gateway) fn wake(&self) -> Steady {
        let mut keep = self.kept_at.after(self.keep_every());
        if self.held {
            keep = keep.min(self.seen_at.after(AGAIN));
        }
        wake_at(self.desk.next_due(), self.refused_at, keep)
    }

    /// How old the file may get, by what it does not say.
    fn keep_every(&self) -> Duration {
        if self.desk.has_learned() {
            KEEP_LEARNED_EVERY
        } else if self.step_store.has_changed() {
            KEEP_EVERY
        } else {
            REFRESH
        }
    }

    /// Does what is due.
    pub(in crate::gateway) fn due(&mut self) {
        let now = self.now();
        if now.steady.since(self.kept_at) >= self.keep_every() {
            self.keep();
        }
        let mut effects = self.desk.due(now);
        if self.held && now.trust == DateTrust::Right {
            self.held = false;
            effects.extend(self.desk.date_is_right(now));
        }
        if self.reviewed_at.is_none_or(|at| now.steady.since(at) >= REFRESH) {
            self.reviewed_at = Some(now.steady);
            effects.extend(self.desk.review_keys(now));
        }
        self.carry_out(effects);
    }

    /// Has the stations' listener take what stations were told, and the keys that they may seal with. What they were told is in the file at once:
    /// a start lets them in before it has read the journal.
    fn follow(&mut self) {
        let new = self.listeners.follow(told(&self.desk));
        let keys = self.desk.key_rings().map(|(mn, ring)| (mn.into(), ring.to_try().cloned().collect()));
        self.listeners.replace_keys(keys.collect());
        if new {
            self.keep();
        }
    }

    /// The address of a station; `spoken`: the edition it was seen to speak, if none is registered.
    fn address(&self, mn: &str, spoken: Option<Edition>) -> Option<Address> {
        let registry = self.listeners.registry();
        let station = match (registry.find(mn.as_bytes()), registry.unknown()) {
            (Some(station), _) => Arc::clone(station),
            (None, Unknown::Accept) => Arc::new(registry.improvise(mn.as_bytes())?),
            (None, Unknown::Reject) => return None,
        };
        let edition = station.facts.edition.or(spoken)?;
        let pw = station.pw.as_ref().map(|pw| pw.reveal().to_owned());
        let flag = station.dialect.as_ref().and_then(|dialect| dialect.answer_flag);
        let (st, policy) = (station.facts.st.clone(), station.policy.clone());
        Some(Address { mn: mn.to_owned(), edition, st, pw, other_pws: Vec::new(), flag, policy })
    }

    pub(in crate::gateway) fn request(&mut self, incoming: R) {
        let now = self.now();
        let topic = incoming.topic().strip_prefix(&self.prefix).unwrap_or(incoming.topic()).to_owned();
        let levels: Vec<&str> = topic.trim_start_matches('/').split('/').collect();
        let (mn, role, id) = match levels.as_slice() {
            [mn, "command", id] => (*mn, None, *id),
            // What we say ourselves of a request whose id is the name of a role.
            [_, "command", _, "status" | "refused"] => return incoming.taken(),
            [mn, "command", role, id] => (*mn, Some(*role), *id),
            _ => return incoming.taken(),
        };
        if incoming.retained() && incoming.payload().is_empty() {
            // Somebody clears what was kept under this topic.
            return incoming.taken();
        }
        if self.desk.is_for_others(mn, id, self.outgoing.contains_key(mn)) {
            self.telemetry.count(Counter::DownlinkElsewhere);
            return incoming.taken();
        }
        let resolved = self.secrets.as_ref().map_or(Ok(None), |secrets| secrets.resolve(mn, incoming.payload()));
        let (unreadable, resolved) = match resolved {
            Ok(resolved) => (None, resolved),
            Err(refusal) => (Some(refusal), None),
        };
        let body = resolved.as_ref().map_or(incoming.payload(), |resolved| &resolved.body[..]);
        let hidden = resolved.as_ref().is_some_and(|resolved| resolved.hidden);
        let given = resolved.as_ref().and_then(|resolved| resolved.key.clone());
        let published = incoming.payload();
        let mn_taken = Desk::gives_mn(body).is_some_and(|new| self.is_of_another(&new, mn));
        let (left, given_one) = (incoming.left(), given.is_some());
        let ask = Ask { mn, id, role, body, published, left, hidden, given: given_one, mn_taken };
        let known = self.address(mn, Some(Edition::V2017)).is_some();
        let address = self.address(mn, self.desk.edition(mn));
        let (refusal, effects) = if incoming.retained() {
            (Some(Refusal::Retained), self.desk.refuse(&ask, Refusal::Retained))
        } else if known && address.is_none() {
            (Some(Refusal::EditionUnknown), self.desk.refuse(&ask, Refusal::EditionUnknown))
        } else if let Some(refusal) = unreadable {
            (Some(refusal), self.desk.refuse(&ask, refusal))
        } else if Desk::wants_key(ask.body) {
            let key = given.unwrap_or_else(|| self.means.new_key());
            let (taken, effects) = self.desk.submit_key(&ask, address.as_ref(), &key, now);
            (taken.err(), effects)
        } else {
            let (taken, effects) = self.desk.submit(&ask, address.as_ref(), now);
            (taken.err(), effects)
        };
        if let Some(refusal) = refusal {
            self.telemetry.count(Counter::DownlinkRefused);
            // An id is of the length that whoever asks likes.
            let (mn, id) = (short(mn), short(id));
            tracing::warn!(mn = %mn.escape_debug(), id = %id.escape_debug(), reason = refusal.code(), "command refused");
        }
        let first = effects.iter().find_map(|effect| match effect {
            Effect::Record { ticket, step } => Some((*ticket, step.id().is_some())),
            Effect::Send { .. } | Effect::Status { .. } | Effect::Follow | Effect::MakeKey { .. } => None,
        });
        match first {
            Some((ticket, true)) => self.step_store.asked(ticket, incoming),
            Some((_, false)) => self.step_store.awaited(mn, id, incoming),
            None => incoming.taken(),
        }
        self.carry_out(effects);
    }

    pub(in crate::gateway) fn hear(&mut self, news: StationNotice) {
        match news {
            StationNotice::Came { mn, connection, edition, outgoing, frame } => {
                let Some(address) = self.address(&mn, Some(edition)) else { return };
                self.outgoing.insert(mn.clone(), (connection, outgoing));
                let now = self.now();
                self.desk.arrive(&address, connection, now);
                self.stand_in(&mn);
                let former = self.former(&mn);
                let mut effects = former.map_or_else(Vec::new, |former| self.desk.inherit_keys(&former, &mn));
                effects.extend(self.look_at(&mn, &frame));
                effects.extend(self.desk.arrived(&mn, now));
                self.carry_out(effects);
            }
            StationNotice::Left { mn, connection } => {
                if self.outgoing.get(&mn).is_some_and(|(on, _)| *on == connection) {
                    self.outgoing.remove(&mn);
                }
                if let Some(former) = self.former(&mn)
                    && self.outgoing.get(former.as_str()).is_some_and(|(on, _)| *on == connection)
                {
                    self.outgoing.remove(former.as_str());
                }
                self.desk.offline(&mn, connection);
                // The connection under the registered MN may end after the one under the new MN began.
                if let Some(new) = self.under_both.remove(&mn) {
                    self.stand_in(&new);
                    let now = self.now();
                    let effects = self.desk.arrived(&new, now);
                    self.carry_out(effects);
                }
            }
            StationNotice::Damaged { mn, frame } => {
                let now = self.when(frame.at);
                let shown = self.shown(&mn, &frame, now);
                let effects = shown.map(|(key, live)| self.desk.opened(&mn, key, live, now));
                self.carry_out(effects.unwrap_or_default());
            }
            StationNotice::Heard { mn, frame } => {
                let effects = self.look_at(&mn, &frame);
                self.carry_out(effects);
            }
        }
    }

    /// Hands a frame to the desk, opened if it is sealed. One that cannot be read, as in a form that is not registered, tells its key all the
    /// same.
    fn look_at(&mut self, mn: &str, frame: &Stored) -> Vec<Effect> {
        let now = self.when(frame.at);
        let form = self.form(mn);
        let keys = frame.sealed.zip(self.keys(mn));
        let opened = keys.and_then(|(said, keys)| sm4::open_as(form, &frame.segment, said, keys.to_try()).ok());
        let Some(opened) = opened else {
            let shown = self.shown(mn, frame, now);
            let mut effects = self.desk.heard(mn, &packet::parse(&frame.segment), now);
            effects.extend(shown.into_iter().flat_map(|(key, live)| self.desk.opened(mn, key, live, now)));
            return effects;
        };
        let header = packet::parse(&opened.segment);
        let mut effects = self.desk.heard(mn, &header, now);
        let live = self.desk.is_of_now(mn, &header, Some(header.area), now);
        effects.extend(self.desk.opened(mn, opened.key, live, now));
        effects
    }

    /// Which key a frame shows that cannot be read, and whether it is a frame of now.
    fn shown(&self, mn: &str, frame: &Stored, now: Moment) -> Option<(usize, bool)> {
        let (said, keys) = frame.sealed.zip(self.keys(mn))?;
        let key = sm4::key_of(&frame.segment, said, keys.to_try())?;
        Some((key, self.desk.is_of_now(mn, &packet::parse(&frame.segment), None, now)))
    }

    /// The form that a station is registered to seal in.
    fn form(&self, mn: &str) -> SealForm {
        let registry = self.listeners.registry();
        registry.find(mn.as_bytes()).and_then(|station| station.facts.seal).unwrap_or_default()
    }

    /// The keys of a station; of one that has another MN now and no keys yet, those that it had under its former one.
    fn keys(&self, mn: &str) -> Option<&KeyRing> {
        let own = self.desk.keys(mn).filter(|ring| ring.to_try().next().is_some());
        own.or_else(|| self.desk.keys(&self.former(mn)?))
    }

    /// Whether the MN `new` is another station's than that of `mn`.
    fn is_of_another(&self, new: &str, mn: &str) -> bool {
        let registry = self.listeners.registry();
        let row = |mn: &str| {
            let station = registry.find(mn.as_bytes())?;
            Some(station.registered_as.clone().unwrap_or_else(|| station.mn.clone()))
        };
        row(new).is_some_and(|other| row(mn) != Some(other))
    }

    /// The MN that a station is registered under, if it has another one now.
    fn former(&self, mn: &str) -> Option<String> {
        self.listeners.registry().find(mn.as_bytes())?.registered_as.clone()
    }

    /// A station that is there as `mn` and registered under another one is one station: what is asked of that one reaches it.
    fn stand_in(&mut self, mn: &str) {
        let Some(former) = self.former(mn).filter(|former| former != mn) else { return };
        let Some(way) = self.outgoing.get(mn).cloned() else { return };
        if self.desk.is_there_itself(&former, way.0) {
            self.under_both.insert(former.into(), mn.into());
            return;
        }
        let Some(address) = self.address(&former, self.desk.edition(mn)) else { return };
        self.outgoing.insert(former.into(), way);
        self.desk.is_formerly(mn, &address);
    }

    pub(in crate::gateway) fn obey(&mut self, order: Order) {
        let now = self.now();
        match order {
            Order::Reload(settings) => {
                self.settings = (*settings).clone();
                self.desk.replace_settings(*settings);
                let mut desk = std::mem::replace(&mut self.desk, Desk::new(Settings::default()));
                let effects = desk.readdress(|old| self.address(&old.mn, Some(old.edition)), now);
                self.desk = desk;
                self.under_both.clear();
                let there: Vec<Box<str>> = self.outgoing.keys().cloned().collect();
                there.iter().for_each(|mn| self.stand_in(mn));
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
        self.telemetry.add(Counter::DownlinkStrange, strange.saturating_sub(self.strange));
        self.strange = strange;
        for effect in effects {
            match effect {
                Effect::Record { ticket, step } => {
                    let now = self.means.clocks().0;
                    let entry = entry(&step, now);
                    self.step_store.begin(ticket, now, step);
                    self.means.append(Some(ticket), entry);
                }
                Effect::Send { mn, connection, qn, bytes } => {
                    let there = self.outgoing.get(mn.as_str()).filter(|(on, _)| *on == connection);
                    let posted = there.is_some_and(|(_, outgoing)| {
                        outgoing.post(OutgoingFrame { mn: mn.as_str().into(), frame: Bytes::from(bytes) })
                    });
                    let counter = if posted { Counter::DownlinkSent } else { Counter::DownlinkUnposted };
                    self.telemetry.count(counter);
                    tracing::info!(mn, qn, posted, "sent to the station");
                }
                Effect::Follow => self.follow(),
                Effect::MakeKey { mn } => {
                    let key = self.means.new_key();
                    let now = self.now();
                    let made = self.desk.give_key(&mn, &key, now);
                    self.carry_out(made);
                }
                // Downstream is told by the interpretation of the journal.
                Effect::Status { .. } => {}
            }
        }
    }

    /// What became of an entry.
    pub(in crate::gateway) fn settle(&mut self, ticket: u64, outcome: Option<Offset>) {
        match self.step_store.settle(ticket, outcome) {
            Became::Unknown => {}
            Became::Refused => {
                self.refused_at = Some(self.now().steady);
                self.desk.unrecorded(ticket);
            }
            Became::Durable(request) => {
                if let Some(request) = request {
                    request.taken();
                }
                let now = self.now();
                let effects = self.desk.recorded(ticket, now);
                self.carry_out(effects);
            }
        }
    }

    /// Writes the file.
    pub(in crate::gateway) fn keep(&mut self) {
        self.kept_at = self.now().steady;
        let registry = self.listeners.registry();
        let open = |mn: &str| registry.find(mn.as_bytes()).is_none_or(|station| station.facts.edition.is_none());
        if let Some(spoken) = self.desk.spoken(open) {
            self.step_store.note_spoken(spoken);
        }
        if let Err(error) = self.step_store.keep() {
            tracing::warn!(%error, "the file of the command desk cannot be written; a start reads more of the journal");
        }
    }
}

fn entry(step: &Step, time: Timestamp) -> Entry {
    Entry { time, ..record(&Record::Command(&step.encode())) }
}

/// When what is `due` is looked at: at once, or a while after the journal refused something; at the latest when the file is to be kept.
fn wake_at(due: Option<Steady>, refused_at: Option<Steady>, keep: Steady) -> Steady {
    let Some(due) = due else { return keep };
    due.max(refused_at.map_or(due, |at| at.after(AGAIN))).min(keep)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_journal_refused_is_tried_again_after_a_pause() {
        let at = |seconds: i64| Steady(seconds * 1_000_000);
        assert_eq!(wake_at(None, None, at(15)), at(15));
        assert_eq!(wake_at(Some(at(3)), None, at(15)), at(3));
        assert_eq!(wake_at(Some(at(3)), Some(at(3)), at(15)), at(3).after(AGAIN), "no busy loop");
        assert_eq!(wake_at(Some(at(9)), Some(at(3)), at(15)), at(9));
        assert_eq!(wake_at(Some(at(3)), Some(at(3)), at(3)), at(3));
    }
}
