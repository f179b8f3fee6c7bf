//! The registry that was read last, for the interpretation to share its facts: there may be 300,000 stations, and what the journal says of
//! them is the same.
//!
//! What must stay true: a registry stands here before it is journalled; then its facts stand in memory once from the moment at which the
//! interpretation reads them.

use std::sync::{Arc, PoisonError, RwLock};

use hj212_interpret::SharedFacts;
use hj212_model::registry::Registry;

/// See the head of the file.
#[derive(Debug, Clone, Default)]
pub(super) struct LatestRegistry(Arc<RwLock<Arc<Registry>>>);

impl LatestRegistry {
    /// Another one was read.
    pub(super) fn put(&self, registry: &Arc<Registry>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(registry);
    }

    /// Its facts, for an interpretation.
    pub(super) fn held(&self) -> SharedFacts {
        let latest = Arc::clone(&self.0);
        SharedFacts::by(move |mn| {
            let latest = latest.read().unwrap_or_else(PoisonError::into_inner);
            latest.find(mn.as_bytes()).map(|station| Arc::clone(&station.facts))
        })
    }
}
