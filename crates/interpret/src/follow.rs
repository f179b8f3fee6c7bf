//! Registrations that are proposed: what a station was told, or shows, and is not registered with. It is used meanwhile, and said to be
//! proposed, until the registration says something about it.
//!
//! | what | told by | used | until |
//! |---|---|---|---|
//! | another MN | our 1002, from when it is sent; or the station itself ([`Step::Moved`]) | the facts, keys and rules of the old row, under the new MN | the new MN has a row, the old row names it in `mn_refused`, the command was certainly not carried out, or the old MN is heard again |
//! | an interval | our 1062, 1064 that ended well | by the ledger ([`hj212_coverage`]) | the row's interval is changed |
//!
//! What must stay true: what is published under an MN that has no row of its own says so (`proposed_from` beside the station's name, `proposed` on
//! its card); it follows from the records alone. A station that was told its new MN goes on being counted where it was: its ledger moves with
//! it, so that no gap is told of a station that is there. One that merely shows another MN is counted apart until somebody says what it is.

use serde_json::json;

use super::events::JournalRef;
use super::remembered::Proposed;
use super::{Interpreted, Interpreter, TypedPublication, coverage};
use hj212::packet;
use hj212_downlink::{Outcome, Step};
use hj212_model::message::StationFacts;

fn interval(facts: Option<&StationFacts>, field: &str) -> Option<u32> {
    let facts = facts?;
    if field == "minute_interval" { facts.minute_interval } else { facts.realtime_interval }
}

/// The MN that a segment of ours gives to a station that has another one.
pub(super) fn given(mn: &str, segment: &str) -> Option<String> {
    let header = packet::parse(segment.as_bytes());
    let new = header.mn.filter(|_| header.cn == Some(1002)).and_then(|new| std::str::from_utf8(new).ok())?;
    (new != mn && !new.is_empty()).then(|| new.to_owned())
}

impl Interpreter {
    /// Takes up what a step says of how its station is to be registered. To be told of it before its request is forgotten.
    pub(super) fn follow_step(
        &mut self,
        step: &Step,
        place: JournalRef<'_>,
        out: &mut Vec<TypedPublication>,
        done: &mut Interpreted,
    ) {
        match step {
            Step::Sent { mn, segment, .. } => {
                if let Some(new) = given(mn, segment) {
                    self.context.shown.remove(&new);
                    self.follow(mn, &new, place, out, done);
                }
            }
            Step::Moved { mn, new_mn, held } => {
                let state = if *held { "proposed" } else { "withdrawn" };
                let registration = json!({ "field": "mn", "value": new_mn });
                let detail = json!({ "registration": registration, "by": "station", "state": state });
                self.push_step_event(mn, "registration-differs", &detail, place, out);
                if *held {
                    self.context.shown.insert(new_mn.clone());
                    self.follow(mn, new_mn, place, out, done);
                } else {
                    self.unfollow(mn, new_mn, place, out, done);
                }
            }
            Step::Ended { mn, id, outcome, .. } => {
                let Some(told) = self.stories.told(mn, id) else { return };
                // Of several packets the answer may be to the first, and the station have made the change on another.
                let not_done = matches!(outcome, Outcome::Refused | Outcome::Failed) && told.count == 1;
                if let Some(new) = told.new_mn.filter(|_| not_done) {
                    self.unfollow(mn, &new, place, out, done);
                }
                if let Some((field, value)) = told.interval.filter(|_| *outcome == Outcome::Done) {
                    self.propose(mn, field, value, out);
                }
            }
            Step::Queued { .. }
            | Step::Confirmed { .. }
            | Step::Accepted { .. }
            | Step::Data { .. }
            | Step::Cancel { .. }
            | Step::Refused { .. }
            | Step::Key { .. }
            | Step::KeyNote { .. }
            | Step::Clock { .. } => {}
        }
    }

    fn follow(
        &mut self,
        mn: &str,
        new: &str,
        place: JournalRef<'_>,
        out: &mut Vec<TypedPublication>,
        done: &mut Interpreted,
    ) {
        if self.context.stations.contains_key(new) || self.context.facts(mn).is_none() {
            return;
        }
        // A station has one MN at a time: the one that it was given last.
        let former: Vec<String> = self
            .context
            .followed
            .iter()
            .filter(|(other, of)| *of == mn && *other != new)
            .map(|(o, _)| o.clone())
            .collect();
        for other in &former {
            self.context.followed.remove(other);
            self.context.shown.remove(other);
        }
        self.context.followed.insert(new.to_owned(), mn.to_owned());
        self.redress(former.iter().map(String::as_str).chain([mn, new]), place, out, done);
    }

    fn unfollow(
        &mut self,
        mn: &str,
        new: &str,
        place: JournalRef<'_>,
        out: &mut Vec<TypedPublication>,
        done: &mut Interpreted,
    ) {
        if self.context.followed.get(new).is_some_and(|of| of == mn) {
            self.context.followed.remove(new);
            self.context.shown.remove(new);
            self.redress([mn, new], place, out, done);
        }
    }

    /// What holds of these stations is other now; those that are not registered and were never heard have nothing to say.
    fn redress<'m>(
        &mut self,
        mns: impl IntoIterator<Item = &'m str>,
        place: JournalRef<'_>,
        out: &mut Vec<TypedPublication>,
        done: &mut Interpreted,
    ) {
        let known = |mn: &&str| self.by_mn.contains_key(mn.as_bytes()) || self.context.stations.contains_key(*mn);
        let mut changed: Vec<String> = mns.into_iter().filter(known).map(str::to_owned).collect();
        changed.sort_unstable();
        changed.dedup();
        self.in_force(&changed, false, false, place, out, done);
    }

    /// Those whose facts are other when those of `changed` are: in order, `changed` among them.
    pub(super) fn with_followers(&self, mut changed: Vec<String>) -> Vec<String> {
        let mut known = 0;
        while known < changed.len() {
            let of = changed.get(known).cloned().unwrap_or_default();
            let more: Vec<String> =
                self.context.followed.iter().filter(|(_, old)| **old == of).map(|(new, _)| new.clone()).collect();
            changed.extend(more.into_iter().filter(|new| self.by_mn.contains_key(new.as_bytes())));
            known += 1;
            if changed.len() > self.context.followed.len() + self.context.stations.len() + known {
                break;
            }
        }
        changed.sort_unstable();
        changed.dedup();
        changed
    }

    fn propose(&mut self, mn: &str, field: &'static str, value: String, out: &mut Vec<TypedPublication>) {
        let registered = interval(self.context.facts(mn), field);
        let number = self.by_mn.get(mn.as_bytes()).copied();
        let Some(number) = number.filter(|_| self.context.facts(mn).is_some()) else { return };
        if let Some(station) = self.stations.get_mut(number as usize) {
            station.proposed.insert(field.to_owned(), Proposed { value, registered });
        }
        self.settle_proposals(number);
        self.publish_card_of(number, out);
    }

    /// Forgets what the registration says something about by now.
    pub(super) fn settle_proposals(&mut self, number: u32) {
        let Some(station) = self.stations.get_mut(number as usize) else { return };
        let facts = self.context.facts(std::str::from_utf8(&station.mn).unwrap_or_default());
        let said = |seconds: u32| [format!("{seconds}s"), format!("{}min", seconds / 60)];
        station.proposed.retain(|field, proposed| {
            let now = interval(facts, field);
            facts.is_some()
                && now == proposed.registered
                && now.is_none_or(|seconds| !said(seconds).contains(&proposed.value))
        });
    }

    /// A station that was told this MN is heard under it for the first time: what is counted of it goes on.
    pub(super) fn inherit(&mut self, number: u32, place: JournalRef<'_>, out: &mut Vec<TypedPublication>) {
        let Some(station) = self.stations.get(number as usize) else { return };
        let mn = std::str::from_utf8(&station.mn).unwrap_or_default();
        let (Some(old), true) = (self.context.followed.get(mn), station.last_seen.is_none()) else { return };
        if self.context.shown.contains(mn) || self.context.registered_as(mn).is_none() {
            return;
        }
        let old = self.by_mn.get(old.as_bytes()).and_then(|old| self.stations.get_mut(*old as usize));
        let Some(old) = old.filter(|old| old.ledger.grains().next().is_some()) else { return };
        let mut cleared = Vec::new();
        coverage::retell(old, place, &mut cleared);
        out.extend(cleared.into_iter().map(TypedPublication::cleared));
        let ledger = std::mem::take(&mut old.ledger);
        if let Some(station) = self.stations.get_mut(number as usize) {
            station.ledger = ledger;
            station.ledger.presence(true, place.at);
            coverage::retell(station, place, out);
        }
    }
}
