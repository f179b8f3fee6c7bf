//! Facts that stand in memory once: what the journal says of a station is nearly always what the registry beside it says.
//!
//! What must stay true: it only saves memory. What is not the same to the last field is not shared, and without anything to share with,
//! everything is as it is with it.

use std::fmt;
use std::sync::Arc;

use hj212_model::message::{Context, ContextChange, StationFacts};

/// The facts of an MN as somebody else has them, if anybody does.
type Find = dyn Fn(&str) -> Option<Arc<StationFacts>> + Send + Sync;

/// Where facts may be found in memory, by MN.
#[derive(Clone, Default)]
pub struct SharedFacts(Option<Arc<Find>>);

impl SharedFacts {
    /// As `find` has them.
    pub fn by(find: impl Fn(&str) -> Option<Arc<StationFacts>> + Send + Sync + 'static) -> SharedFacts {
        SharedFacts(Some(Arc::new(find)))
    }

    /// Lets go of the copy if the same facts are held elsewhere.
    fn share(&self, mn: &str, facts: &mut Arc<StationFacts>) {
        if let Some(other) = self.0.as_ref().and_then(|find| find(mn))
            && other == *facts
        {
            *facts = other;
        }
    }

    /// The same for all stations of a context.
    pub(super) fn share_all(&self, context: &mut Context) {
        if self.0.is_some() {
            context.stations.iter_mut().for_each(|(mn, facts)| self.share(mn, facts));
        }
    }

    /// The same for all stations of a change.
    pub(super) fn share_changed(&self, change: &mut ContextChange) {
        if self.0.is_some() {
            let stations = change.stations.iter_mut();
            stations
                .filter_map(|(mn, facts)| Some((mn, facts.as_mut()?)))
                .for_each(|(mn, facts)| self.share(mn, facts));
        }
    }
}

impl fmt::Debug for SharedFacts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SharedFacts({})", if self.0.is_some() { "shared" } else { "nothing" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_facts_stand_once_and_others_stay_what_they_are() {
        let facts = |name: &str| Arc::new(StationFacts { name: name.into(), ..StationFacts::default() });
        let own = facts("one");
        let held = SharedFacts::by({
            let own = Arc::clone(&own);
            move |mn| (mn != "C").then(|| Arc::clone(&own))
        });
        let mut context = Context::default();
        for (mn, name) in [("A", "one"), ("B", "two"), ("C", "one")] {
            context.stations.insert(mn.into(), facts(name));
        }
        let before = context.clone();
        held.share_all(&mut context);
        assert_eq!(context, before);
        let shared: Vec<bool> = context.stations.values().map(|facts| Arc::ptr_eq(facts, &own)).collect();
        assert_eq!(shared, [true, false, false]);
    }
}
