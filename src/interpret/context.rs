//! The context as it comes through the journal: in pieces, and whole only with the last one.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::events::Place;
use super::factors::Dictionary;
use super::{Interpreted, Interpreter, coverage};
use crate::message::{Context, Publication};

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

/// The MNs whose facts are not the same in both, in order.
pub(super) fn changed<'c>(before: &'c Context, after: &'c Context) -> Vec<&'c str> {
    let all: BTreeMap<&str, ()> =
        before.stations.keys().chain(after.stations.keys()).map(|mn| (mn.as_str(), ())).collect();
    let differs = |mn: &&str| before.stations.get(*mn) != after.stations.get(*mn);
    all.into_keys().filter(differs).collect()
}

impl Interpreter {
    /// Puts a new context in force and publishes the cards it changes.
    pub(super) fn on_context(
        &mut self,
        context: Context,
        place: Place<'_>,
        out: &mut Vec<Publication>,
        done: &mut Interpreted,
    ) {
        let before = std::mem::replace(&mut self.context, context);
        let renamed = before.factors != self.context.factors;
        if renamed {
            self.dictionary = Dictionary::new(&self.context.factors);
        }
        let changed: Vec<String> = changed(&before, &self.context).into_iter().map(str::to_owned).collect();
        for mn in &changed {
            let Some(number) = self.station_of(mn.as_bytes()) else { continue };
            let facts = self.context.stations.get(mn);
            let gone = facts.is_none();
            let Some(station) = self.stations.get_mut(number as usize) else { continue };
            station.dress(&self.settings, facts);
            // The codes' factors may have changed with the aliases.
            station.codes.clear();
            station.sets.clear();
            if gone {
                coverage::forget(station, out);
            }
            if gone && !station.online {
                station.carded = None;
                let topic = format!("{}/station", station.topic);
                out.push(Publication { topic, payload: Bytes::new(), retain: true });
            } else {
                self.publish_card_of(number, out);
            }
        }
        self.rule(before.rules != self.context.rules, &changed, place, out, done);
        if renamed {
            for number in 0..u32::try_from(self.stations.len()).unwrap_or(u32::MAX) {
                let shown = self.stations.get(number as usize).is_some_and(|s| {
                    s.carded.is_some() && std::str::from_utf8(&s.mn).is_ok_and(|mn| !changed.iter().any(|c| c == mn))
                });
                if shown {
                    self.publish_card_of(number, out);
                }
            }
        }
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
}
