//! The keys of one station (HJ 212-2025, 6.4.3), newest first. Which key a packet is sealed with is tried, never inferred from its
//! time.
//!
//! What must stay true:
//! * a key that may be at the station is held and tried. One that the station refused is tried last, and is what is given up first when
//!   there are more than [`KEYS_MAX`]; an offered key, the newest proven one, the one that the station last used and the one of which
//!   nobody knows whether the station took it are never given up for another;
//! * of a key that went out and was neither taken nor refused for certain, a frame of now tells: until one did, it is unknown, and a refusal of
//!   a later packet says nothing of it;
//! * what goes to the station is sealed under the key that it last used, as far as anything has told: a frame that the key opened, the
//!   station's own word that it took one (9012), or a registration that is newer than both.

use hj212::sm4::Key;
use serde::{Deserialize, Serialize};

/// So many keys of a station are kept.
pub const KEYS_MAX: usize = 8;

/// What is known of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyState {
    /// Made, perhaps given.
    Offered,
    /// Something was opened with it, or it was registered.
    Proven,
    /// Given up. Versions before 0.2 wrote this when the station refused a key, and held it no more; what a journal of theirs gives stays so.
    Dropped,
    /// The station refused it. It is not offered again, and is still tried when no other key opens a frame.
    Refused,
}

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

/// See the head of the file.
#[derive(Debug, Default)]
pub struct KeyRing {
    held: Vec<Held>,
    /// When the key that the station last used was created.
    used: Option<String>,
    /// When the key was created that the station may have taken or not.
    unknown: Option<String>,
}

impl KeyRing {
    /// Notes what is known of a key.
    pub fn note(&mut self, created: &str, key: &Key, state: KeyState) {
        let before = self.held.iter().find(|held| held.key == *key).map(|held| (held.state, held.created.clone()));
        if state == KeyState::Proven {
            let opened = before.as_ref().is_some_and(|(state, _)| *state != KeyState::Proven);
            let said_again = before.as_ref().is_some_and(|(_, known)| known == created);
            let newest = self.used.as_deref().is_none_or(|used| used <= created);
            if opened || !said_again && newest {
                self.used = Some(created.to_owned());
            }
        }
        if let (Some((_, known)), Some(used)) = (&before, &mut self.used)
            && known == used
        {
            created.clone_into(used);
        }
        if state != KeyState::Offered && self.unknown.as_deref() == Some(created) {
            self.unknown = None;
        }
        self.held.retain(|held| held.key != *key);
        if state == KeyState::Dropped {
            return;
        }
        let rank = |state: KeyState, created: &str| (state != KeyState::Refused, created.to_owned());
        let own = rank(state, created);
        let at = self.held.iter().position(|held| rank(held.state, &held.created) <= own).unwrap_or(self.held.len());
        self.held.insert(at, Held { created: created.to_owned(), key: key.clone(), state });
        if self.held.len() > KEYS_MAX
            && let Some(at) = self.to_give_up()
        {
            self.held.remove(at);
        }
    }

    /// The key that matters least: the oldest refused one, else the oldest proven one, else the oldest.
    fn to_give_up(&self) -> Option<usize> {
        let newest = self.held.iter().position(|held| held.state == KeyState::Proven);
        let offered = self.held.iter().position(|held| held.state == KeyState::Offered);
        let free = |at: &usize| {
            let kept = |held: &Held| self.is_used(held) || self.unknown.as_deref() == Some(held.created.as_str());
            Some(*at) != newest && Some(*at) != offered && !self.held.get(*at).is_some_and(kept)
        };
        let of = |state: KeyState| {
            (0..self.held.len()).rev().filter(free).find(|at| self.held.get(*at).is_some_and(|h| h.state == state))
        };
        of(KeyState::Refused).or_else(|| of(KeyState::Proven)).or_else(|| (0..self.held.len()).rev().find(free))
    }

    fn is_used(&self, held: &Held) -> bool {
        self.used.as_deref() == Some(held.created.as_str())
    }

    /// The station uses the key of this time of creation.
    pub fn note_used(&mut self, created: &str) {
        if self.held.iter().any(|held| held.created == created) {
            self.used = Some(created.to_owned());
        }
    }

    /// The station may have taken the key of this time of creation or not.
    pub fn note_unknown(&mut self, created: &str) {
        if self.held.iter().any(|held| held.created == created && held.state == KeyState::Offered) {
            self.unknown = Some(created.to_owned());
        }
    }

    /// A frame of now under another key told that the station did not take the unknown one; whether there was one.
    pub(super) fn told(&mut self) -> bool {
        self.unknown.take().is_some()
    }

    /// When the key was created of which nobody knows whether the station took it.
    #[must_use]
    pub fn unknown(&self) -> Option<&str> {
        self.unknown.as_deref()
    }

    /// A ring of what [`KeyRing::held`], [`KeyRing::used`] and [`KeyRing::unknown`] gave.
    #[must_use]
    pub fn of(
        held: impl IntoIterator<Item = (String, Key, KeyState)>,
        used: Option<String>,
        unknown: Option<String>,
    ) -> KeyRing {
        let held = held.into_iter().map(|(created, key, state)| Held { created, key, state }).collect();
        KeyRing { held, used, unknown }
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

    /// The key under which the station is spoken to, with the time of its creation: the one that it last used, else the newest proven.
    #[must_use]
    pub fn sealing(&self) -> Option<(&str, &Key)> {
        let used = self.held.iter().find(|held| self.is_used(held));
        let proven = || self.held.iter().find(|held| held.state == KeyState::Proven);
        used.or_else(proven).map(|held| (held.created.as_str(), &held.key))
    }

    /// The key that was offered, may be at the station or not, and can be offered again; with the time of its creation. A key that the
    /// station said it took is in use and no offer any more.
    #[must_use]
    pub fn offered(&self) -> Option<(&str, &Key)> {
        let newest = self.held.iter().find(|held| held.state == KeyState::Offered && !self.is_used(held))?;
        Some((&newest.created, &newest.key))
    }

    /// The key of this time of creation.
    pub(super) fn created_at(&self, created: &str) -> Option<(&Key, KeyState)> {
        self.held.iter().find(|held| held.created == created).map(|held| (&held.key, held.state))
    }

    /// The number-th of [`KeyRing::to_try`].
    pub(super) fn number(&self, number: usize) -> Option<(&str, &Key, KeyState)> {
        self.held.get(number).map(|held| (held.created.as_str(), &held.key, held.state))
    }

    /// When the key that the station last used was created, if anything told.
    #[must_use]
    pub fn used(&self) -> Option<&str> {
        self.used.as_deref()
    }
}

/// A key as hexadecimal digits, for its record.
pub(super) fn hex(key: &Key) -> String {
    key.bytes().iter().fold(String::from("hex:"), |text, byte| text + &format!("{byte:02X}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: u8) -> Key {
        Key::from_bytes([n; 16])
    }

    #[test]
    fn what_the_station_last_used_seals_and_is_never_given_up() {
        let mut ring = KeyRing::default();
        ring.note("20260101000000000", &key(1), KeyState::Proven);
        ring.note("20260201000000000", &key(2), KeyState::Offered);
        assert_eq!(ring.sealing().unwrap().1, &key(1));
        ring.note("20260201000000000", &key(2), KeyState::Proven);
        assert_eq!(ring.sealing().unwrap().1, &key(2), "a frame opened with it");
        ring.note_used("20260101000000000");
        assert_eq!(ring.sealing().unwrap().1, &key(1), "the logger was reset");
        for n in 3..20 {
            ring.note(&format!("202603{n:02}000000000"), &key(n), KeyState::Offered);
            ring.note(&format!("202603{n:02}000000000"), &key(n), KeyState::Refused);
        }
        assert_eq!(ring.to_try().count(), KEYS_MAX);
        assert!(ring.to_try().any(|k| *k == key(1)) && ring.to_try().any(|k| *k == key(2)));
        assert_eq!(ring.to_try().next(), Some(&key(2)), "a refused key is tried last");
    }

    #[test]
    fn a_key_that_the_station_may_have_is_never_given_up() {
        let mut ring = KeyRing::default();
        ring.note("20260101000000000", &key(1), KeyState::Proven);
        ring.note("20260102000000000", &key(2), KeyState::Offered);
        ring.note_unknown("20260102000000000");
        for n in 3..20 {
            ring.note(&format!("202603{n:02}000000000"), &key(n), KeyState::Offered);
            ring.note(
                &format!("202603{n:02}000000000"),
                &key(n),
                if n % 2 == 0 { KeyState::Refused } else { KeyState::Proven },
            );
        }
        assert_eq!((ring.to_try().count(), ring.unknown()), (KEYS_MAX, Some("20260102000000000")));
        assert!(ring.to_try().any(|k| *k == key(2)));
        ring.note("20260102000000000", &key(2), KeyState::Proven);
        assert_eq!(ring.unknown(), None, "a frame opened with it");
    }

    #[test]
    fn a_key_registered_again_with_a_newer_time_is_what_the_station_uses() {
        let mut ring = KeyRing::default();
        ring.note("20260101000000000", &key(1), KeyState::Proven);
        ring.note("20260201000000000", &key(2), KeyState::Offered);
        ring.note("20260201000000000", &key(2), KeyState::Proven);
        ring.note("20260101000000000", &key(1), KeyState::Proven);
        assert_eq!(ring.sealing().unwrap().1, &key(2), "said again, nothing new");
        ring.note("20260301000000000", &key(1), KeyState::Proven);
        assert_eq!(ring.sealing().unwrap(), ("20260301000000000", &key(1)));
    }

    #[test]
    fn a_key_that_the_station_took_is_no_offer_any_more() {
        let mut ring = KeyRing::default();
        ring.note("20260101000000000", &key(1), KeyState::Proven);
        ring.note("20260201000000000", &key(2), KeyState::Offered);
        assert!(ring.offered().is_some());
        ring.note_used("20260201000000000");
        assert_eq!((ring.offered(), ring.sealing().unwrap().1), (None, &key(2)));
    }
}
