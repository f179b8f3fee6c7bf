//! Names for texts: stations by the registry that holds, factors by the dictionary.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::net::ListenerState;
use hj212_interpret::table;
use hj212_push::{Names, StationName};

/// The names that a running gateway knows.
#[derive(Debug)]
pub(in super::super) struct KnownNames {
    shared: Arc<ListenerState>,
    /// Names by code, one's own before those that are built in.
    factors: BTreeMap<String, String>,
}

impl KnownNames {
    /// `own`: name and unit by code, of the operator's own dictionary.
    pub(in super::super) fn new(shared: Arc<ListenerState>, own: &BTreeMap<String, (String, String)>) -> KnownNames {
        // The newest generation stands last.
        let mut factors: BTreeMap<String, String> =
            table::factors().into_iter().map(|row| (row.code, row.name)).collect();
        factors.extend(own.iter().map(|(code, (name, _))| (code.clone(), name.clone())));
        KnownNames { shared, factors }
    }
}

impl Names for KnownNames {
    fn station(&self, mn: &str) -> Option<StationName> {
        let registry = self.shared.registry();
        let facts = &registry.find(mn.as_bytes())?.facts;
        Some(StationName { name: facts.name.clone(), region: facts.tags.get("region").cloned() })
    }

    fn factor(&self, code: &str) -> Option<String> {
        self.factors.get(code).cloned()
    }
}
