//! The steps that a desk is rebuilt from, without those that no longer matter. They stand beside the journal, so that a start needs
//! to read only what is newer, and keys outlive the journal's retention.
//!
//! What must stay true: a desk restored from [`Ledger::steps`] goes on as one restored from all steps would; what is kept is bounded by the
//! requests that are open, `ids_max` ended ones, and of each station [`KEYS_MAX`] keys twice, what it was told when it was new, and the last
//! change of its MN and [`GIVEN_MAX`] of its password.

use std::collections::{BTreeMap, VecDeque};

use super::desk::GIVEN_MAX;
use super::keys::{KEYS_MAX, KeyRing, KeyState};
use super::step::{KeyNotice, Origin, Outcome, Step};
use hj212::sm4::Key;
use hj212_model::message::Timestamp;

/// An ended request: how it was asked and how it ended is all that is kept, and of a set clock that it was sent.
type Ended = Vec<(Timestamp, Step)>;

/// The steps that matter.
#[derive(Debug, Default)]
pub struct Ledger {
    ids_max: usize,
    open: BTreeMap<(String, String), Vec<(Timestamp, Step)>>,
    ended: VecDeque<Ended>,
    keys: BTreeMap<String, Vec<(Timestamp, Step)>>,
    /// Of each station and notice the last one. Which key is used last is said as the desk would know it, whatever told.
    key_notes: BTreeMap<(String, u8), (Timestamp, Step)>,
    rings: BTreeMap<String, KeyRing>,
    /// What a station was told when it was new, by command.
    contacts: BTreeMap<(String, String), Ended>,
    /// The last changes of its password, and the last one of its MN, that the station may have made; oldest first.
    changes: BTreeMap<(String, u16), Vec<Ended>>,
    clocks: BTreeMap<String, (Timestamp, Step)>,
    /// The sending with the highest QN: QNs go on behind it, whatever the clock says.
    last_sent: Option<(Timestamp, Step)>,
}

impl Ledger {
    /// A ledger that remembers so many ended requests.
    #[must_use]
    pub fn new(ids_max: usize) -> Ledger {
        Ledger { ids_max: ids_max.max(1), ..Ledger::default() }
    }

    /// Notes a step, in the order of the journal.
    pub fn note(&mut self, at: Timestamp, step: Step) {
        let mn = step.mn().to_owned();
        let id = step.id().map(str::to_owned);
        match (&step, id) {
            // What the stations' connections write they remember themselves.
            (Step::Refused { .. } | Step::Moved { .. }, _) => {}
            (Step::Key { key, created, state, .. }, _) => {
                let ring = self.rings.entry(mn.clone()).or_default();
                if let Ok(key) = Key::from_text(key) {
                    ring.note(created, &key, *state);
                }
                let held = [ring.used(), ring.unknown()].map(|created| created.map(str::to_owned));
                if let [Some(created), _] = held.clone()
                    && let Some(note) = self.key_notes.get_mut(&(mn.clone(), KeyNotice::Used as u8))
                {
                    *note = (at, Step::KeyNote { mn: mn.clone(), created, notice: KeyNotice::Used });
                }
                let (key, dropped) = (key.clone(), is_state(&step, KeyState::Dropped));
                let keys = self.keys.entry(mn).or_default();
                keys.retain(|(_, known)| !matches!(known, Step::Key { key: other, .. } if *other == key));
                if !dropped {
                    keys.push((at, step));
                }
                // The newest proven one is never given up: without it nothing can be opened or offered; nor the one that the station uses or
                // may have taken. Refused ones go first.
                if keys.len() > 2 * KEYS_MAX {
                    let newest = keys.iter().rposition(|(_, known)| is_state(known, KeyState::Proven));
                    let refused = keys.iter().position(|(_, known)| is_state(known, KeyState::Refused));
                    let is_held = |at: usize| {
                        let known = keys.get(at).map(|(_, known)| known);
                        matches!(known, Some(Step::Key { created, .. }) if held.iter().flatten().any(|held| held == created))
                    };
                    let oldest = refused.or_else(|| (0..keys.len()).find(|at| Some(*at) != newest && !is_held(*at)));
                    oldest.map(|at| keys.remove(at));
                }
            }
            (Step::KeyNote { notice, created, .. }, _) => {
                let ring = self.rings.entry(mn.clone()).or_default();
                match notice {
                    KeyNotice::Used => ring.note_used(created),
                    KeyNotice::Unknown => ring.note_unknown(created),
                    KeyNotice::Due | KeyNotice::Asked => {}
                }
                self.key_notes.insert((mn, *notice as u8), (at, step));
            }
            (Step::Clock { .. }, _) => {
                self.clocks.insert(mn, (at, step));
            }
            (Step::Ended { .. }, Some(id)) => self.end(&mn, &id, (at, step)),
            (Step::Queued { .. }, Some(id)) => {
                self.open.insert((mn, id), vec![(at, step)]);
            }
            (Step::Sent { qn, .. }, Some(id)) => {
                // Not the last one said: that can be a resend of an older QN.
                let newest = self.last_sent.as_ref().and_then(|(_, last)| last.qn());
                if newest.is_none_or(|newest| newest <= qn.as_str()) {
                    self.last_sent = Some((at, step.clone()));
                }
                self.add(mn, id, (at, step));
            }
            (Step::Confirmed { .. } | Step::Accepted { .. } | Step::Data { .. } | Step::Cancel { .. }, Some(id)) => {
                self.add(mn, id, (at, step))
            }
            // These belong to a request and have its id.
            (
                Step::Confirmed { .. }
                | Step::Accepted { .. }
                | Step::Data { .. }
                | Step::Cancel { .. }
                | Step::Ended { .. }
                | Step::Queued { .. }
                | Step::Sent { .. },
                None,
            ) => {}
        }
    }

    fn add(&mut self, mn: String, id: String, step: (Timestamp, Step)) {
        if let Some(steps) = self.open.get_mut(&(mn, id)) {
            // Of resends the last says all.
            let sent = |step: &Step| matches!(step, Step::Sent { .. });
            let data = |step: &Step| matches!(step, Step::Data { .. });
            if sent(&step.1) || data(&step.1) {
                let same = if sent(&step.1) { sent } else { data };
                steps.retain(|(_, known)| !same(known));
            }
            steps.push(step);
        }
    }

    fn end(&mut self, mn: &str, id: &str, ended: (Timestamp, Step)) {
        let Some(steps) = self.open.remove(&(mn.to_owned(), id.to_owned())) else { return };
        let Some((_, Step::Queued { cn, origin, command, .. })) = steps.first() else { return };
        let (cn, origin, command) = (*cn, *origin, command.clone());
        let outcome = if let (_, Step::Ended { outcome, .. }) = &ended { Some(*outcome) } else { None };
        let sent = steps.iter().any(|(_, step)| matches!(step, Step::Sent { .. }));
        let once = steps.iter().all(|(_, step)| !matches!(step, Step::Sent { count: 2.., .. }));
        let not_done = matches!(outcome, Some(Outcome::Refused | Outcome::Failed)) && once;
        let own = || steps.iter().filter(|(_, s)| matches!(s, Step::Queued { .. } | Step::Sent { .. })).cloned();
        if matches!(cn, 1002 | 1072) && sent && !not_done {
            let changes = self.changes.entry((mn.to_owned(), cn)).or_default();
            remember(changes, own().chain([ended.clone()]).collect(), if cn == 1072 { GIVEN_MAX } else { 1 });
        }
        let kept: Ended =
            own().filter(|(_, step)| cn == 1012 || matches!(step, Step::Queued { .. })).chain([ended]).collect();
        if origin == Origin::FirstContact && cn != 1002 {
            self.contacts.insert((mn.to_owned(), command), kept);
            return;
        }
        self.ended.push_back(kept);
        while self.ended.len() > self.ids_max {
            self.ended.pop_front();
        }
    }

    /// The steps to restore a desk from, in an order that does.
    pub fn steps(&self) -> impl Iterator<Item = &(Timestamp, Step)> {
        let last = self.last_sent.iter();
        let ended = self.contacts.values().flatten().chain(self.ended.iter().flatten());
        let ended = ended.chain(self.changes.values().flatten().flatten());
        let keys = self.keys().chain(self.key_notes.values()).chain(self.clocks.values());
        // An exchange that is under way has left the queue before the next one was taken up.
        let under_way = |steps: &&Vec<(Timestamp, Step)>| steps.iter().any(|(_, s)| matches!(s, Step::Sent { .. }));
        let mut waiting: Vec<_> = self.open.values().filter(|steps| !under_way(steps)).collect();
        waiting.sort_by_key(|steps| steps.first().map(|(at, _)| *at));
        let mut active: Vec<_> = self.open.values().filter(under_way).collect();
        let sent = |steps: &[(Timestamp, Step)]| {
            steps.iter().find_map(|(_, step)| if let Step::Sent { qn, .. } = step { Some(qn.clone()) } else { None })
        };
        // A second one was given between the packets of the first: QNs rise.
        active.sort_by_key(|steps| sent(steps));
        ended.chain(keys).chain(last).chain(active.into_iter().flatten()).chain(waiting.into_iter().flatten())
    }

    /// The steps of the keys alone.
    pub fn keys(&self) -> impl Iterator<Item = &(Timestamp, Step)> {
        self.keys.values().flatten()
    }
}

/// Adds a change to those that a station may have made; of more than `max` the oldest goes, but not the one that it took last.
fn remember(changes: &mut Vec<Ended>, change: Ended, max: usize) {
    let is_taken =
        |change: &Ended| change.iter().any(|(_, step)| matches!(step, Step::Ended { outcome: Outcome::Done, .. }));
    let area = |change: &Ended| {
        change.iter().find_map(|(_, step)| if let Step::Queued { area, .. } = step { Some(area.clone()) } else { None })
    };
    let (new, took) = (area(&change), is_taken(&change));
    changes.retain(|old| area(old) != new || is_taken(old) && !took);
    changes.push(change);
    while changes.len() > max {
        let kept = changes.iter().rposition(is_taken) == Some(0) && max > 1;
        changes.remove(usize::from(kept));
    }
}

fn is_state(step: &Step, wanted: KeyState) -> bool {
    matches!(step, Step::Key { state, .. } if *state == wanted)
}

/// The steps as text, a JSON object a line: the time in microseconds, then the step.
#[must_use]
pub fn write<'a>(steps: impl Iterator<Item = &'a (Timestamp, Step)>) -> Vec<u8> {
    let mut out = Vec::new();
    for line in steps {
        if let Ok(json) = serde_json::to_vec(&(line.0.0, &line.1)) {
            out.extend_from_slice(&json);
            out.push(b'\n');
        }
    }
    out
}

/// Reads what [`fn@write`] wrote; `None` if a line cannot be read.
#[must_use]
pub fn read(text: &[u8]) -> Option<Vec<(Timestamp, Step)>> {
    let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines.map(|line| serde_json::from_slice::<(i64, Step)>(line).ok().map(|(at, step)| (Timestamp(at), step))).collect()
}
