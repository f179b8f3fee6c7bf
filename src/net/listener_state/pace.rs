//! How fast stations speak.
//!
//! What must stay true: a station takes no more than its share: beyond it, its connection is read more slowly; nothing is dropped for it.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use crate::net::bucket::Bucket;
use crate::net::locked::open;
use hj212_model::message::Timestamp;

/// Stations whose speed is remembered; one that has been slow for a minute needs not be.
const PACES_MAX: usize = 100_000;
/// Slowed stations named at a time.
const SLOWED_MAX: usize = 100;

/// See the head of the file.
#[derive(Debug, Default)]
pub(super) struct Paces {
    /// Of stations that spoke lately.
    spoken: Mutex<BTreeMap<Box<str>, Bucket>>,
    /// Stations that were slowed since it was last said, with how often.
    slowed: Mutex<BTreeMap<Box<str>, u64>>,
}

impl Paces {
    /// A frame of `mn` was accepted, of which `most` may come a minute: how long its connection is not to be read.
    pub(super) fn take(&self, mn: &str, most: u64, now: Timestamp) -> Duration {
        let wait = self.wait(mn, most, now);
        if !wait.is_zero() {
            let mut slowed = open(&self.slowed);
            if slowed.len() < SLOWED_MAX || slowed.contains_key(mn) {
                *slowed.entry(mn.into()).or_default() += 1;
            }
        }
        wait
    }

    fn wait(&self, mn: &str, most: u64, now: Timestamp) -> Duration {
        let mut spoken = open(&self.spoken);
        if let Some(pace) = spoken.get_mut(mn) {
            return pace.take(1, most, now);
        }
        if spoken.len() >= PACES_MAX {
            spoken.retain(|_, pace| !pace.is_full(most, now));
        }
        if spoken.len() >= PACES_MAX {
            // More stations at full speed than anybody has; each is forgotten as it comes.
            spoken.pop_first();
        }
        let mut pace = Bucket::new(most, now);
        let wait = pace.take(1, most, now);
        spoken.insert(mn.into(), pace);
        wait
    }

    /// Those of the stations that were slowed since it was last asked for that are `wanted`, and how often.
    pub(super) fn slowed(&self, wanted: impl Fn(&str) -> bool) -> Vec<(Box<str>, u64)> {
        open(&self.slowed).extract_if(.., |mn, _| wanted(mn)).collect()
    }
}
