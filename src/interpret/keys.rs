//! Opening encrypted data areas (HJ 212-2025, 6.4 and annex A.2) with the keys that the journal has told so far.
//!
//! A key ring a station, built from the steps of commands: what opens a frame depends on the records before it alone, so a journal gives
//! the same publications again. Keys of later or from files are known only to who asks for them ([`Interpreter::know_keys`]); a record
//! opened with one of those names the unreadable one that it takes the place of. What must stay true: a key is in snapshots and in no
//! publication and no print; a frame that nothing opens is published as unreadable, with the reason.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Interpreter;
use crate::downlink::{KeyRing, KeyState, StationKey, Step};
use crate::message::Heard;
use crate::protocol::sm4::{self, CheckedOver, Key, Unsealed};
use crate::protocol::{Deviations, Header, packet};

/// What became of the encryption of a data area.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Sealing {
    /// There was none.
    Plain,
    /// It was opened.
    Opened,
    /// It was opened with a key that the journal had not told when the frame was stored.
    OpenedLater,
    /// It was not opened.
    Unreadable(Unreadable),
}

/// Why an encrypted area cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Unreadable {
    /// No key of the station is known.
    NoKey,
    /// None of its keys opens the area: another key, or a damaged group.
    NoKeyOpens,
    /// A key opens it, but the check is not that of what it gives.
    CheckWrong,
    /// Printed ciphertext that is none.
    Form,
}

impl Unreadable {
    /// The stable name, as published.
    pub(super) const fn code(self) -> &'static str {
        match self {
            Self::NoKey => "sealed",
            Self::NoKeyOpens => "no-key-opens",
            Self::CheckWrong => "check-wrong",
            Self::Form => "sealed-form",
        }
    }
}

impl Sealing {
    pub(super) const fn is_unreadable(self) -> bool {
        matches!(self, Self::Unreadable(_))
    }

    pub(super) const fn is_opened(self) -> bool {
        matches!(self, Self::Opened | Self::OpenedLater)
    }

    /// What is to be said of a record put together from parts with this and that.
    pub(super) fn join(self, other: Sealing) -> Sealing {
        match (self, other) {
            (Self::OpenedLater, _) | (_, Self::OpenedLater) => Self::OpenedLater,
            (Self::Opened, _) | (_, Self::Opened) => Self::Opened,
            (one, Self::Plain | Self::Unreadable(_)) => one,
        }
    }
}

/// A frame's data area, opened if need be.
pub(super) struct Opening {
    pub(super) sealing: Sealing,
    /// What was found out about the check.
    pub(super) deviations: Deviations,
    plain: Option<Vec<u8>>,
}

impl Opening {
    /// The area that can be read; nothing of an unreadable one.
    pub(super) fn area<'a>(&'a self, header: &Header<'a>) -> &'a [u8] {
        match (&self.plain, self.sealing) {
            (Some(plain), _) => packet::parse(plain).area,
            (None, Sealing::Plain) => header.area,
            (None, _) => b"",
        }
    }
}

/// All stations' keys.
#[derive(Debug, Default)]
pub(super) struct Keys {
    /// From the journal, up to here.
    rings: BTreeMap<String, KeyRing>,
    /// From elsewhere, newest first.
    known: BTreeMap<String, Vec<StationKey>>,
}

/// A key as a snapshot holds it.
#[derive(Serialize, Deserialize)]
pub(super) struct Kept {
    created: String,
    key: [u8; sm4::GROUP],
    state: KeyState,
}

impl Keys {
    /// Opens the area of a frame of `mn`, if it is encrypted.
    pub(super) fn open(&self, mn: &[u8], header: &Header<'_>, heard: &Heard<'_>) -> Opening {
        let done = |sealing| Opening { sealing, deviations: Deviations::NONE, plain: None };
        if header.sealed.is_none() {
            return done(Sealing::Plain);
        }
        let mn = std::str::from_utf8(mn).unwrap_or_default();
        let held = self.rings.get(mn).into_iter().flat_map(KeyRing::to_try);
        let known = self.known.get(mn).into_iter().flatten().map(|known| &known.key);
        let told = held.clone().count();
        let keys: Vec<&Key> = held.chain(known).collect();
        let Some(said) = check_of(heard) else { return done(Sealing::Unreadable(Unreadable::Form)) };
        let none = keys.is_empty();
        match sm4::open(heard.segment, said, keys) {
            Ok(opened) => Opening {
                sealing: if opened.key < told { Sealing::Opened } else { Sealing::OpenedLater },
                deviations: match opened.checked {
                    CheckedOver::Plain | CheckedOver::Sealed => Deviations::NONE,
                    CheckedOver::Mistaken(mistake) => mistake.into(),
                },
                plain: Some(opened.segment),
            },
            Err(why) => done(Sealing::Unreadable(match why {
                Unsealed::Groups | Unsealed::Area | Unsealed::KeyForm => Unreadable::Form,
                Unsealed::Check => Unreadable::CheckWrong,
                Unsealed::Key if none => Unreadable::NoKey,
                Unsealed::Key => Unreadable::NoKeyOpens,
            })),
        }
    }

    /// The keys from the journal, for a snapshot.
    pub(super) fn kept(&self) -> BTreeMap<&str, Vec<Kept>> {
        let kept = |(created, key, state): (&str, &Key, KeyState)| Kept {
            created: created.to_owned(),
            key: *key.bytes(),
            state,
        };
        self.rings.iter().map(|(mn, ring)| (mn.as_str(), ring.held().map(kept).collect())).collect()
    }

    /// The keys of a snapshot.
    pub(super) fn restore(kept: BTreeMap<String, Vec<Kept>>) -> Keys {
        let ring = |kept: Vec<Kept>| {
            KeyRing::of(kept.into_iter().map(|kept| (kept.created, Key::from_bytes(kept.key), kept.state)))
        };
        let rings = kept.into_iter().map(|(mn, kept)| (mn, ring(kept))).collect();
        Keys { rings, known: BTreeMap::new() }
    }
}

/// The check that stands behind the segment.
fn check_of(heard: &Heard<'_>) -> Option<u16> {
    let from = heard.segment.as_ptr().addr().checked_sub(heard.raw.as_ptr().addr())?;
    let after = heard.raw.get(from.checked_add(heard.segment.len())?..)?.trim_ascii_start();
    let count = after.iter().take(4).take_while(|byte| byte.is_ascii_hexdigit()).count();
    u16::from_str_radix(std::str::from_utf8(after.get(..count)?).ok()?, 16).ok()
}

impl Interpreter {
    /// Notes the key that a step of a command tells of; whether it is such a step.
    pub(super) fn note_key(&mut self, step: &Step) -> bool {
        let Step::Key { mn, created, key, state, .. } = step else { return false };
        let Ok(key) = Key::from_text(key) else { return false };
        self.keys.rings.entry(mn.clone()).or_default().note(created, &key, *state);
        true
    }

    /// When the keys of a station were created and what is known of them, newest first; never the keys.
    pub(super) fn keys_of(&self, mn: &str) -> impl Iterator<Item = (&str, KeyState)> {
        let ring = self.keys.rings.get(mn).into_iter();
        ring.flat_map(KeyRing::held).map(|(created, _, state)| (created, state))
    }

    /// The data area of a frame as it was before it was encrypted, to be shown; `None` if no key that is known opens it.
    #[must_use]
    pub fn opened_area(&self, header: &Header<'_>, heard: &Heard<'_>) -> Option<Vec<u8>> {
        let opening = self.keys.open(header.mn?, header, heard);
        opening.sealing.is_opened().then(|| opening.area(header).to_vec())
    }

    /// Gives keys besides those that the journal has told by now: of later, or from a file. What they open is published readable, and
    /// names the unreadable record that it takes the place of. They are in no snapshot.
    pub fn know_keys(&mut self, keys: impl IntoIterator<Item = StationKey>) {
        for key in keys {
            let known = self.keys.known.entry(key.mn.clone()).or_default();
            if known.iter().any(|other| other.key == key.key) {
                continue;
            }
            let at = known.partition_point(|other| other.created > key.created);
            known.insert(at, key);
        }
    }

    /// The keys that the journal has told by now, for [`Interpreter::know_keys`] of another interpreter.
    #[must_use]
    pub fn keys(&self) -> Vec<StationKey> {
        let rings = self.keys.rings.iter();
        rings
            .flat_map(|(mn, ring)| {
                ring.held().map(|(created, key, _)| StationKey {
                    mn: mn.clone(),
                    created: created.to_owned(),
                    key: key.clone(),
                })
            })
            .collect()
    }
}
