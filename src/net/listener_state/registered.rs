//! Who is registered, with what stations were told since and what they show, and the keys that they may seal with.
//!
//! What must stay true: who asks sees a registry whole, of one moment.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use hj212::sm4::Key;
use hj212_model::registry::{Registry, Station, Told};
use hj212_model::session::Moved;

/// The keys that stations may seal with, by MN.
pub type Keys = HashMap<Box<str>, Arc<[Key]>>;

/// The stations of the configuration, and those same with what they were told since, and with what they show.
#[derive(Debug)]
struct Registered {
    files: Arc<Registry>,
    told: Vec<Told>,
    shown: Vec<Moved>,
    all: Arc<Registry>,
}

impl Registered {
    fn of(files: Arc<Registry>, told: Vec<Told>, shown: Vec<Moved>) -> Registered {
        let of_shown =
            |moved: &Moved| Told { mn: moved.mn.clone(), passwords: Vec::new(), new_mn: Some(moved.new_mn.clone()) };
        let followed: Vec<Told> = told.iter().cloned().chain(shown.iter().map(of_shown)).collect();
        let all = if followed.is_empty() { Arc::clone(&files) } else { Arc::new(files.with(followed)) };
        Registered { files, told, shown, all }
    }
}

/// See the head of the file.
#[derive(Debug)]
pub(super) struct RegisteredStations {
    registry: RwLock<Registered>,
    keys: RwLock<Keys>,
}

impl RegisteredStations {
    pub(super) fn new(registry: Arc<Registry>) -> RegisteredStations {
        let registry = RwLock::new(Registered::of(registry, Vec::new(), Vec::new()));
        RegisteredStations { registry, keys: RwLock::default() }
    }

    /// The stations that may speak, with what they were told since they were registered.
    pub(super) fn all(&self) -> Arc<Registry> {
        Arc::clone(&self.registry.read().unwrap_or_else(PoisonError::into_inner).all)
    }

    /// The stations as the configuration has them.
    pub(super) fn files(&self) -> Arc<Registry> {
        Arc::clone(&self.registry.read().unwrap_or_else(PoisonError::into_inner).files)
    }

    /// Other stations are registered; `shown`: who shows another MN.
    pub(super) fn replace(&self, registry: Arc<Registry>, shown: Vec<Moved>) {
        let mut now = self.registry.write().unwrap_or_else(PoisonError::into_inner);
        *now = Registered::of(registry, std::mem::take(&mut now.told), shown);
    }

    /// Others show another MN.
    pub(super) fn show(&self, shown: Vec<Moved>) {
        let mut now = self.registry.write().unwrap_or_else(PoisonError::into_inner);
        *now = Registered::of(Arc::clone(&now.files), std::mem::take(&mut now.told), shown);
    }

    /// RegisteredStations were told something; whether that is new.
    pub(super) fn follow(&self, told: Vec<Told>) -> bool {
        let mut now = self.registry.write().unwrap_or_else(PoisonError::into_inner);
        let new = now.told != told;
        if new {
            *now = Registered::of(Arc::clone(&now.files), told, std::mem::take(&mut now.shown));
        }
        new
    }

    pub(super) fn replace_keys(&self, keys: Keys) {
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys;
    }

    /// The keys that `station` may seal with.
    pub(super) fn keys_of(&self, station: &Station) -> Arc<[Key]> {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        let own = keys.get(station.mn.as_str());
        // Until it has keys of its own, a station has those that it had under its former MN.
        let own = own.or_else(|| keys.get(station.registered_as.as_deref()?));
        own.map_or_else(|| [].into(), Arc::clone)
    }
}
