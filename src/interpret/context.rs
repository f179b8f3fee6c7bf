//! The context as it comes through the journal: in pieces, and whole only with the last one.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::message::Context;

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
