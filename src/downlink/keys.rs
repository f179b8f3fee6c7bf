//! The keys of one station (HJ 212-2025, 6.4.3), newest first. An old key stays until a newer one is proven, and for a while after:
//! which key a packet is sealed with is tried, never inferred from its time.

use super::step::KeyState;
use crate::protocol::sm4::Key;

/// So many keys of a station are kept; an offered or the newest proven one is never dropped for another.
pub const KEYS_MAX: usize = 8;

/// A key and whose it is, as files and histories tell of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StationKey {
    /// The station.
    pub mn: String,
    /// When it was created: 17 digits as SKCreateTime (HJ 212-2025, C.8).
    pub created: String,
    /// The key itself.
    pub key: Key,
}

#[derive(Debug)]
struct Held {
    created: String,
    key: Key,
    state: KeyState,
}

/// See the room.
#[derive(Debug, Default)]
pub struct KeyRing {
    held: Vec<Held>,
}

impl KeyRing {
    /// Notes what is known of a key.
    pub fn note(&mut self, created: &str, key: &Key, state: KeyState) {
        self.held.retain(|held| held.key != *key);
        if state == KeyState::Dropped {
            return;
        }
        let at = self.held.iter().position(|held| held.created.as_str() <= created).unwrap_or(self.held.len());
        self.held.insert(at, Held { created: created.to_owned(), key: key.clone(), state });
        if self.held.len() > KEYS_MAX {
            let newest = self.held.iter().position(|held| held.state == KeyState::Proven);
            if let Some(old) =
                self.held.iter().rposition(|held| held.state == KeyState::Proven).filter(|old| newest != Some(*old))
            {
                self.held.remove(old);
            }
        }
    }

    /// A ring of what [`KeyRing::held`] gave.
    #[must_use]
    pub fn of(held: impl IntoIterator<Item = (String, Key, KeyState)>) -> KeyRing {
        KeyRing { held: held.into_iter().map(|(created, key, state)| Held { created, key, state }).collect() }
    }

    /// Every key with the time of its creation and what is known of it, in the order in which they are to be tried.
    pub fn held(&self) -> impl Iterator<Item = (&str, &Key, KeyState)> {
        self.held.iter().map(|held| (held.created.as_str(), &held.key, held.state))
    }

    /// The keys in the order in which they are to be tried.
    pub fn to_try(&self) -> impl Iterator<Item = &Key> + Clone {
        self.held.iter().map(|held| &held.key)
    }

    /// The newest proven key.
    #[must_use]
    pub fn proven(&self) -> Option<&Key> {
        self.held.iter().find(|held| held.state == KeyState::Proven).map(|held| &held.key)
    }

    /// The key that was offered and is neither proven nor refused, with the time of its creation.
    #[must_use]
    pub fn offered(&self) -> Option<(&str, &Key)> {
        let newest = self.held.iter().find(|held| held.state == KeyState::Offered)?;
        Some((&newest.created, &newest.key))
    }

    /// The number-th of [`KeyRing::to_try`], if opening with it proves it for the first time.
    pub(super) fn newly_proven(&self, number: usize) -> Option<(&str, &Key)> {
        let held = self.held.get(number).filter(|held| held.state == KeyState::Offered)?;
        Some((&held.created, &held.key))
    }
}

/// A key as hexadecimal digits, for its record.
pub(super) fn hex(key: &Key) -> String {
    key.bytes().iter().fold(String::from("hex:"), |text, byte| text + &format!("{byte:02X}"))
}
