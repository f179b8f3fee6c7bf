//! The keys of all stations without the keys, from the command desk's file and the key file, for people.
//!
//! What must stay true: the journal behind the file is read too, so that what was given a moment ago is there; no key leaves this file; where the
//! desk's file is there and is not believed (of another journal, damaged), that is said: keys that were given over the line are not in the list
//! then.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::command_desk;
use super::derived::Derived;
use super::requests;
use crate::config::Config;
use hj212::Edition;
use hj212_downlink::{Address, Desk, KeyState, Moment, StationKey, Step};
use hj212_journal::{self as journal, Offset, OsDisk};
use hj212_model::clock;
use hj212_model::message::Timestamp;

/// A key, without it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// When it was created, 17 digits.
    pub created: String,
    /// How old it is.
    pub days: Option<i64>,
    /// What is known of it.
    pub state: KeyState,
    /// Whether the station last used it, as far as anything told.
    pub used: bool,
    /// Whether it is in use and as old as a key may get.
    pub due: bool,
}

/// What is known of keys.
#[derive(Debug)]
pub struct Overview {
    /// The keys by station, in the order in which they are tried.
    pub rows: BTreeMap<String, Vec<Row>>,
    /// Until when all that the journal tells is in it.
    pub as_of: Timestamp,
    /// Whether the desk's file is there and is not of this journal, or damaged.
    pub unbelieved: bool,
}

/// The keys of all stations.
///
/// # Errors
/// If the desk's file is of this journal and cannot be read, or the journal behind it.
pub fn read(config: &Config, keys: &[StationKey]) -> std::io::Result<Overview> {
    // The desk's file is believed only if it is of this journal.
    let id = journal::id(&OsDisk, &config.journal.dir).ok().flatten().unwrap_or_default();
    let derived = Derived::new(Arc::new(OsDisk), config.journal.dir.clone(), id);
    let loaded = derived.load(command_desk::FILE);
    let unbelieved = loaded.is_none() && config.journal.dir.join(command_desk::FILE).exists();
    let (up_to, mut steps) = match loaded {
        None => (Offset(0), Vec::new()),
        Some(_) => command_desk::remembered(&derived)
            .ok_or_else(|| std::io::Error::other("the file of the command desk cannot be read"))?,
    };
    let as_of = clock::now();
    // Where the file is not believed nothing says from where on the journal would be needed.
    if id != [0; 16] && !unbelieved {
        let behind = requests::steps_behind(Arc::new(OsDisk), &config.journal.dir, up_to, |step| {
            matches!(step, Step::Key { .. } | Step::KeyNote { .. })
        });
        steps.extend(behind.map_err(std::io::Error::other)?);
    }
    let now = Moment { wall: clock::now(), ..Moment::default() };
    let address = |mn: &str| Some(Address::new(mn, Edition::V2025));
    let mut desk = Desk::restore(config.command.clone(), steps, address, now);
    for key in keys {
        for effect in desk.install_key(&Address::new(&key.mn, Edition::V2025), &key.created, &key.key) {
            if let hj212_downlink::Effect::Record { ticket, .. } = effect {
                desk.recorded(ticket, now);
            }
        }
    }
    let rows = desk.key_rings().map(|(mn, ring)| {
        let in_use = ring.sealing().map(|(created, _)| created.to_owned());
        let rows = ring.held().map(|(created, _, state)| {
            let days = hj212_downlink::created_at(created).map(|at| (now.wall.0 - at.0) / 86_400_000_000);
            let used = in_use.as_deref() == Some(created);
            let most = i64::try_from(config.command.keys.renew_after.as_secs() / 86_400).unwrap_or(i64::MAX);
            Row { created: created.to_owned(), days, state, used, due: used && days.is_some_and(|days| days >= most) }
        });
        (mn.to_owned(), rows.collect())
    });
    Ok(Overview { rows: rows.collect(), as_of, unbelieved })
}
