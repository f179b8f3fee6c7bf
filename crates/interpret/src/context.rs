//! The context as it comes through the journal: in pieces, and whole only with the last one.
//!
//! What must stay true: a context, or a change of it, holds wholly or not at all; a change holds only over the very context that it was made
//! for, which is told by its name. What does not fit leaves the former context in force, is counted and said.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::events::JournalRef;
use super::station::Station;
use super::{Interpreted, Interpreter, Says, SharedFacts, TypedPublication, coverage};
use hj212_model::message::{Context, ContextChange, Record};

/// The longest context that is put together: 10,000 stations take a few MiB.
pub(super) const CONTEXT_BYTES_MAX: usize = 64 * 1024 * 1024;

/// A run of pieces that is not complete.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Run {
    hash: [u8; 32],
    parts: u32,
    next: u32,
    json: Vec<u8>,
}

/// What a piece did.
#[derive(Debug)]
pub(super) enum Gathered {
    /// More pieces are needed.
    More,
    /// It does not continue the run, or the whole is not what its hash says: what there was is discarded.
    Broken,
    /// The whole.
    Whole(Box<Context>),
}

impl Run {
    /// Takes the next piece.
    pub(super) fn gather(&mut self, hash: [u8; 32], part: u32, parts: u32, json: &[u8]) -> Gathered {
        if part == 0 {
            *self = Run { hash, parts, next: 0, json: Vec::new() };
        }
        let continues = self.parts > 0
            && (self.hash, self.parts, self.next) == (hash, parts, part)
            && self.json.len() + json.len() <= CONTEXT_BYTES_MAX;
        if !continues {
            *self = Run::default();
            return Gathered::Broken;
        }
        self.json.extend_from_slice(json);
        self.next += 1;
        if self.next < self.parts {
            return Gathered::More;
        }
        let whole = std::mem::take(self);
        let computed: [u8; 32] = Sha256::digest(&whole.json).into();
        match serde_json::from_slice(&whole.json) {
            Ok(context) if computed == hash => Gathered::Whole(Box::new(context)),
            Ok(_) | Err(_) => Gathered::Broken,
        }
    }
}

/// The pieces of a context, or of a change, that have come so far.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Statement {
    name: [u8; 32],
    /// The context that is changed; none: the pieces are the whole.
    base: Option<[u8; 32]>,
    parts: u32,
    next: u32,
    /// The name as computed over the pieces that have come.
    computed: [u8; 32],
    joined: ContextChange,
}

/// Where a piece belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Piece<'a> {
    pub(super) base: Option<[u8; 32]>,
    pub(super) name: [u8; 32],
    pub(super) part: u32,
    pub(super) parts: u32,
    pub(super) json: &'a [u8],
}

impl Statement {
    /// Takes the next piece; gives all pieces with the last. `Err`: it does not continue what came before, or the name is not that of the
    /// pieces: what there was is discarded.
    pub(super) fn gather(&mut self, piece: &Piece<'_>, held: &SharedFacts) -> Result<Option<ContextChange>, ()> {
        let Piece { base, name, part, parts, json } = *piece;
        if part == 0 {
            *self = Statement { name, base, parts, computed: base.unwrap_or_default(), ..Statement::default() };
        }
        let continues = self.parts > 0 && (self.name, self.base, self.parts, self.next) == (name, base, parts, part);
        let Some(mut read) = continues.then(|| serde_json::from_slice(json).ok()).flatten() else {
            *self = Statement::default();
            return Err(());
        };
        held.share_changed(&mut read);
        self.joined.join(read);
        self.computed = Sha256::new().chain_update(self.computed).chain_update(json).finalize().into();
        self.next += 1;
        if self.next < self.parts {
            return Ok(None);
        }
        let done = std::mem::take(self);
        if done.computed == done.name { Ok(Some(done.joined)) } else { Err(()) }
    }
}

/// The MNs whose facts are not the same in both, in order.
fn changed(before: &Context, after: &Context) -> Vec<String> {
    let all: BTreeMap<&str, ()> =
        before.stations.keys().chain(after.stations.keys()).map(|mn| (mn.as_str(), ())).collect();
    let differs = |mn: &&str| before.stations.get(*mn) != after.stations.get(*mn);
    all.into_keys().filter(differs).map(str::to_owned).collect()
}

impl Interpreter {
    /// Takes a piece of a context or of a change.
    pub(super) fn on_piece(
        &mut self,
        piece: &Piece<'_>,
        place: JournalRef<'_>,
        out: &mut Vec<TypedPublication>,
        done: &mut Interpreted,
    ) {
        match self.statement.gather(piece, &self.held) {
            Ok(None) => {}
            Ok(Some(joined)) if piece.base.is_none() => self.on_context(joined.whole(), piece.name, place, out, done),
            Ok(Some(change)) if piece.base == Some(self.context_name) => {
                self.on_change(change, piece.name, place, out, done);
            }
            Ok(Some(_)) | Err(()) => done.contexts_broken += 1,
        }
    }

    /// Puts a new context in force and publishes the cards it changes.
    pub(super) fn on_context(
        &mut self,
        context: Context,
        name: [u8; 32],
        place: JournalRef<'_>,
        out: &mut Vec<TypedPublication>,
        done: &mut Interpreted,
    ) {
        let mut before = std::mem::replace(&mut self.context, context);
        self.context.followed = std::mem::take(&mut before.followed);
        self.context.shown = std::mem::take(&mut before.shown);
        let changed = self.with_followers(changed(&before, &self.context));
        let renamed = before.factors != self.context.factors;
        let ruled = before.rules != self.context.rules;
        drop(before);
        self.context_name = name;
        self.in_force(&changed, renamed, ruled, place, out, done);
    }

    /// Changes the context in force; nothing is made that is as large as the whole.
    fn on_change(
        &mut self,
        mut change: ContextChange,
        name: [u8; 32],
        place: JournalRef<'_>,
        out: &mut Vec<TypedPublication>,
        done: &mut Interpreted,
    ) {
        change.stations.retain(|mn, facts| facts.as_ref() != self.context.stations.get(mn));
        change.factors.retain(|code, row| row.as_ref() != self.context.factors.get(code));
        change.rules.retain(|file, text| text.as_ref() != self.context.rules.get(file));
        change.alerts.retain(|file, text| text.as_ref() != self.context.alerts.get(file));
        change.leads.retain(|file, text| text.as_ref() != self.context.leads.get(file));
        change.scores.retain(|file, text| text.as_ref() != self.context.scores.get(file));
        let changed: Vec<String> = change.stations.keys().cloned().collect();
        let (renamed, ruled) = (!change.factors.is_empty(), !change.rules.is_empty());
        change.apply(&mut self.context);
        self.context_name = name;
        let changed = self.with_followers(changed);
        self.in_force(&changed, renamed, ruled, place, out, done);
    }

    /// Draws the consequences of a context that has changed for the stations `changed` (in order), in the dictionary, in the rules.
    pub(super) fn in_force(
        &mut self,
        changed: &[String],
        renamed: bool,
        ruled: bool,
        place: JournalRef<'_>,
        out: &mut Vec<TypedPublication>,
        done: &mut Interpreted,
    ) {
        if renamed {
            self.dictionary = super::built_in::dictionary(&self.context.factors);
            self.shapes.forget();
        }
        self.judging.replace(&self.context.alerts);
        self.replace_lead_rules(place, out);
        self.replace_score_rules();
        self.count_strangers();
        for mn in changed {
            let gone = self.context.facts(mn).is_none();
            let Some(number) = self.by_mn.get(mn.as_bytes()).copied() else {
                self.tell_unheard(mn, gone, out);
                continue;
            };
            self.settle_proposals(number);
            let Some(station) = self.stations.get_mut(number as usize) else { continue };
            station.dress(&self.settings, &self.context);
            // The codes' factors may have changed with the aliases.
            station.codes.clear();
            station.sets.clear();
            if gone {
                coverage::forget(station, out);
            }
            if gone && !station.online {
                station.carded = None;
                out.push(TypedPublication::of(&station.name, station.topic.card(), Bytes::new(), Says::Card(None)));
            } else {
                self.publish_card_of(number, out);
            }
        }
        self.rule(ruled, changed, place, out, done);
        if renamed {
            for number in 0..u32::try_from(self.stations.len()).unwrap_or(u32::MAX) {
                let shown = self.stations.get(number as usize).is_some_and(|s| {
                    s.carded.is_some()
                        && std::str::from_utf8(&s.mn)
                            .is_ok_and(|mn| changed.binary_search_by(|c| c.as_str().cmp(mn)).is_err())
                });
                if shown {
                    self.publish_card_of(number, out);
                }
            }
        }
    }

    /// The card of a station that was never heard: nothing is remembered of it.
    fn tell_unheard(&mut self, mn: &str, gone: bool, out: &mut Vec<TypedPublication>) {
        let mut station = Station::new(mn.as_bytes(), &self.settings, &self.context);
        if gone {
            out.push(TypedPublication::of(&station.name, station.topic.card(), Bytes::new(), Says::Card(None)));
        } else {
            self.publish_card(&mut station, out);
        }
    }

    /// Takes what `record`, which stands further on in the journal, says of the context and nothing else, with all its consequences: for the
    /// place of a context that cannot be read any more. True when a whole context is in force by it.
    pub fn take_early(
        &mut self,
        (offset, time, hash): (u64, hj212_model::message::Timestamp, &[u8; 32]),
        record: &Record<'_>,
        out: &mut Vec<TypedPublication>,
    ) -> bool {
        let place = JournalRef { offset, time, at: self.now, hash };
        let mut done = Interpreted::default();
        match record {
            Record::Context { hash, part, parts, json } => {
                if let Gathered::Whole(mut context) = self.run.gather(*hash, *part, *parts, json) {
                    self.held.share_all(&mut context);
                    self.on_context(*context, *hash, place, out, &mut done);
                    return true;
                }
                false
            }
            Record::Registry { name, part, parts, json } => {
                let piece = Piece { base: None, name: *name, part: *part, parts: *parts, json };
                self.on_piece(&piece, place, out, &mut done);
                part + 1 == *parts && self.context_name == *name
            }
            Record::Frame(_)
            | Record::Rejected(_)
            | Record::Presence(_)
            | Record::RegistryChange { .. }
            | Record::Tick
            | Record::Clock(_)
            | Record::Started(_)
            | Record::Stopped
            | Record::MarkEntry { .. }
            | Record::MarkRuling { .. }
            | Record::CaseStep { .. }
            | Record::WorkEntry { .. }
            | Record::Command(_)
            | Record::Notice(_)
            | Record::DeadLetter(_)
            | Record::Anchor(_) => false,
        }
    }

    /// Takes what `record` says of the context and nothing else, as if it had been said before all records: for a journal whose beginning is
    /// gone. True when a whole context is in force.
    pub fn foresee(&mut self, record: &Record<'_>) -> bool {
        let found = match *record {
            Record::Context { hash, part, parts, json } => match self.run.gather(hash, part, parts, json) {
                Gathered::Whole(context) => Some((*context, hash)),
                Gathered::More | Gathered::Broken => None,
            },
            Record::Registry { name, part, parts, json } => {
                let piece = Piece { base: None, name, part, parts, json };
                let gathered = self.statement.gather(&piece, &self.held);
                gathered.ok().flatten().map(|joined| (joined.whole(), name))
            }
            Record::Frame(_)
            | Record::Rejected(_)
            | Record::Presence(_)
            | Record::RegistryChange { .. }
            | Record::Tick
            | Record::Clock(_)
            | Record::Started(_)
            | Record::Stopped
            | Record::MarkEntry { .. }
            | Record::MarkRuling { .. }
            | Record::CaseStep { .. }
            | Record::WorkEntry { .. }
            | Record::Command(_)
            | Record::Notice(_)
            | Record::DeadLetter(_)
            | Record::Anchor(_) => None,
        };
        let Some((mut context, name)) = found else { return false };
        self.held.share_all(&mut context);
        // Nobody has spoken yet: there is no card to publish and no mark to judge again.
        self.dictionary = super::built_in::dictionary(&context.factors);
        self.shapes.forget();
        if !context.rules.is_empty() {
            self.rulings.replace(&context.rules);
        }
        self.judging.replace(&context.alerts);
        self.judging.leads.replace(&context.leads);
        self.judging.scores.replace(&context.scores);
        self.context = context;
        self.context_name = name;
        true
    }

    /// The name of the context in force; zeros: none was ever.
    #[must_use]
    pub fn context_name(&self) -> [u8; 32] {
        self.context_name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_run_with_its_hash_counts() {
        let json = serde_json::to_vec(&Context::default()).unwrap();
        let hash: [u8; 32] = Sha256::digest(&json).into();
        let (one, two) = json.split_at(5);
        let mut run = Run::default();
        assert!(matches!(run.gather(hash, 0, 2, one), Gathered::More));
        assert!(matches!(run.gather(hash, 1, 2, two), Gathered::Whole(_)));
        assert!(matches!(run.gather(hash, 1, 2, two), Gathered::Broken), "a piece without its beginning");
        assert!(matches!(run.gather(hash, 0, 2, one), Gathered::More));
        assert!(matches!(run.gather([0; 32], 1, 2, two), Gathered::Broken), "a piece of another run");
        assert!(matches!(run.gather([0; 32], 0, 1, &json), Gathered::Broken), "a wrong hash");
        assert!(matches!(run.gather(hash, 0, 0, &json), Gathered::Broken), "a run of no pieces");
    }

    #[test]
    fn pieces_hold_together_or_not_at_all_and_a_change_only_over_its_own_context() {
        let name = |base: [u8; 32], pieces: &[&[u8]]| {
            pieces
                .iter()
                .fold(base, |name, piece| Sha256::new().chain_update(name).chain_update(piece).finalize().into())
        };
        let (one, two) =
            (br#"{"stations":{"A":{"name":"a"}}}"#, br#"{"stations":{"B":{}},"factors":{"x":["X","mg/L"]}}"#);
        let whole = name([0; 32], &[one, two]);
        let piece = |part, json: &'static [u8]| Piece { base: None, name: whole, part, parts: 2, json };
        let mut statement = Statement::default();
        assert_eq!(statement.gather(&piece(0, one), &SharedFacts::default()), Ok(None));
        let joined = statement.gather(&piece(1, two), &SharedFacts::default()).unwrap().unwrap().whole();
        assert_eq!((joined.stations["A"].name.as_str(), joined.stations.len(), joined.factors.len()), ("a", 2, 1));
        assert!(statement.gather(&piece(1, two), &SharedFacts::default()).is_err(), "a piece without its beginning");
        assert_eq!(statement.gather(&piece(0, two), &SharedFacts::default()), Ok(None));
        assert!(statement.gather(&piece(1, two), &SharedFacts::default()).is_err(), "another piece under this name");
        assert_eq!(statement.gather(&piece(0, one), &SharedFacts::default()), Ok(None));
        assert!(statement.gather(&piece(1, b"{"), &SharedFacts::default()).is_err(), "no JSON");

        let mut interpreter = Interpreter::new(crate::Settings::default());
        let mut put = |record: &Record<'_>| {
            let done = interpreter.on_record(1, hj212_model::message::Timestamp(5), &[0; 32], record, &mut Vec::new());
            (done.contexts_broken, interpreter.context.clone(), interpreter.context_name())
        };
        put(&Record::Registry { name: whole, part: 0, parts: 2, json: one });
        assert_eq!(put(&Record::Registry { name: whole, part: 1, parts: 2, json: two }), (0, joined.clone(), whole));
        let change = br#"{"stations":{"A":{"name":"b"},"B":null}}"#;
        let changed = name(whole, &[change]);
        let of = |base| Record::RegistryChange { base, name: changed, part: 0, parts: 1, json: change };
        assert_eq!(put(&of([9; 32])).0, 1, "of another context");
        let (broken, after, named) = put(&of(whole));
        assert_eq!((broken, named, after.stations.len(), after.stations["A"].name.as_str()), (0, changed, 1, "b"));
        assert_eq!(put(&of(whole)).0, 1, "twice");
    }
}
