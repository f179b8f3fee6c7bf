//! Opening encrypted data areas (HJ 212-2025, 6.4 and annex A.2) with the keys that the journal has told so far.
//!
//! A key ring a station, built from the steps of commands: what opens a frame depends on the records before it alone, so a journal gives
//! the same publications again. Keys of later or from files are known only to who asks for them ([`Interpreter::know_keys`]); a record
//! opened with one of those names the unreadable one that it takes the place of. What must stay true: a key is in snapshots and in no
//! publication and no print; a frame that nothing opens is published as unreadable, with the reason.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Interpreter;
use hj212::seal_form::{Padding, Writing};
use hj212::sm4::{self, CheckedOver, Key, Unsealed};
use hj212::{Deviation, Deviations, Edition, Header, Seal, SealForm, Spoken, is_rest_of_text, packet};
use hj212_downlink::{KeyNotice, KeyRing, KeyState, StationKey, Step};
use hj212_model::message::dialect::Shown;
use hj212_model::message::{Heard, StationFacts};

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
    /// It is written or filled up in a way that the standard does not know and the station is not registered with: the deviation that names
    /// it.
    Foreign(Deviation),
}

impl Unreadable {
    /// The stable name, as published.
    pub(super) const fn code(self) -> &'static str {
        match self {
            Self::NoKey => "sealed",
            Self::NoKeyOpens => "no-key-opens",
            Self::CheckWrong => "check-wrong",
            Self::Form => "sealed-form",
            Self::Foreign(named) => named.code(),
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

/// A frame's data area as it can be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Area<'a> {
    /// It was not encrypted.
    Plain(&'a [u8]),
    /// It was, and this is what it was before.
    Opened(Vec<u8>),
    /// It is encrypted, and nothing that is known opens it.
    Unreadable,
}

/// All stations' keys.
#[derive(Debug, Default)]
pub(super) struct Keys {
    /// From the journal, up to here.
    rings: BTreeMap<String, KeyRing>,
    /// From elsewhere, newest first.
    known: BTreeMap<String, Vec<StationKey>>,
    /// The forms that stations are registered with by now.
    forms: BTreeMap<String, SealForm>,
}

/// What is to be said of a form that is not the standard's.
fn named(form: SealForm) -> Deviations {
    let found = form.writing.map(Writing::deviation).into_iter().chain(form.padding.map(Padding::deviation));
    found.fold(Deviations::NONE, |all, deviation| all.union(deviation.into()))
}

/// A key as a snapshot holds it.
#[derive(Serialize, Deserialize)]
pub(super) struct Kept {
    created: String,
    key: [u8; sm4::GROUP],
    state: KeyState,
    used: bool,
    unknown: bool,
}

impl Keys {
    /// Opens the area of a frame of `mn`, if it is encrypted. `edition`: the one that is registered, or that of the dialect that it shows.
    /// `former`: the MN that it is registered under, if that is another one: until it has keys of its own, it has those.
    pub(super) fn open(
        &self,
        (mn, former): (&[u8], Option<&str>),
        facts: Option<&StationFacts>,
        edition: Option<Edition>,
        header: &Header<'_>,
        heard: &Heard<'_>,
    ) -> Opening {
        let done = |sealing, deviations| Opening { sealing, deviations, plain: None };
        let plain = || done(Sealing::Plain, Deviations::NONE);
        let Some(seal) = header.sealed else { return plain() };
        let mn = std::str::from_utf8(mn).unwrap_or_default();
        let ring = self.rings.get(mn).or_else(|| self.rings.get(former?));
        let held = ring.into_iter().flat_map(KeyRing::to_try);
        let known = self.known.get(mn).or_else(|| self.known.get(former?));
        let known = known.into_iter().flatten().map(|known| &known.key);
        let told = held.clone().count();
        let keys: Vec<&Key> = held.chain(known).collect();
        let form = facts.and_then(|facts| facts.seal).unwrap_or_default();
        let registered = facts.is_some_and(|facts| facts.seal.is_some());
        let spoken = Spoken { flag: header.flag, edition, form: registered, key: !keys.is_empty() }.any();
        if !seal.is_told_by_looks() && !spoken {
            return plain();
        }
        if !spoken && seal == Seal::Bytes && is_rest_of_text(header.area) {
            return plain();
        }
        // Bytes that nobody says to be encrypted are no readings either: their check is right, or is not looked at.
        let unspoken = if spoken { Deviations::NONE } else { Deviation::SealedUnspoken.into() };
        let unreadable = |why, deviations: Deviations| done(Sealing::Unreadable(why), deviations.union(unspoken));
        let Some(said) = check_of(heard) else { return unreadable(Unreadable::Form, Deviations::NONE) };
        let opened = sm4::open_as(form, heard.segment, said, keys.iter().copied());
        // What came before its form was registered is read by who knows the form of later, as with keys.
        let of_later = self.forms.get(mn).filter(|later| **later != form && opened.is_err());
        let later = of_later.and_then(|later| sm4::open_as(*later, heard.segment, said, keys.iter().copied()).ok());
        let (opened, told) = match later {
            Some(later) => (Ok(later), 0),
            None => (opened, told),
        };
        let why = match opened {
            Ok(opened) => {
                let mut deviations = named(opened.form);
                if let CheckedOver::Mistaken(mistake) = opened.checked {
                    deviations.insert(mistake);
                }
                let sealing = if opened.key < told { Sealing::Opened } else { Sealing::OpenedLater };
                return Opening { sealing, deviations, plain: Some(opened.segment) };
            }
            Err(why) => why,
        };
        let found = sm4::form_of(heard.segment, said, keys.iter().copied());
        let found = found.unwrap_or(SealForm { writing: sm4::writing_of(heard.segment), padding: None });
        let foreign_writing = found.writing.filter(|_| found.writing != form.writing).map(Writing::deviation);
        let foreign_padding = found.padding.filter(|_| found.padding != form.padding).map(Padding::deviation);
        let reason = match (foreign_writing.or(foreign_padding), why) {
            (Some(foreign), _) => Unreadable::Foreign(foreign),
            (None, Unsealed::Groups | Unsealed::Area | Unsealed::KeyForm) => Unreadable::Form,
            (None, Unsealed::Check) => Unreadable::CheckWrong,
            (None, Unsealed::Key) if keys.is_empty() => Unreadable::NoKey,
            (None, Unsealed::Key) => Unreadable::NoKeyOpens,
        };
        unreadable(reason, named(found))
    }

    /// The stations that have keys from the journal.
    pub(super) fn stations(&self) -> impl Iterator<Item = &str> {
        self.rings.keys().map(String::as_str)
    }

    /// The keys from the journal, for a snapshot.
    pub(super) fn kept(&self) -> BTreeMap<&str, Vec<Kept>> {
        let kept = |ring: &KeyRing, (created, key, state): (&str, &Key, KeyState)| Kept {
            created: created.to_owned(),
            key: *key.bytes(),
            state,
            used: ring.used() == Some(created),
            unknown: ring.unknown() == Some(created),
        };
        let all = |ring: &KeyRing| ring.held().map(|held| kept(ring, held)).collect();
        self.rings.iter().map(|(mn, ring)| (mn.as_str(), all(ring))).collect()
    }

    /// The keys of a snapshot.
    pub(super) fn restore(kept: BTreeMap<String, Vec<Kept>>) -> Keys {
        let ring = |kept: Vec<Kept>| {
            let first = |is: fn(&Kept) -> bool| kept.iter().find(|kept| is(kept)).map(|kept| kept.created.clone());
            let (used, unknown) = (first(|kept| kept.used), first(|kept| kept.unknown));
            let held = kept.into_iter().map(|kept| (kept.created, Key::from_bytes(kept.key), kept.state));
            KeyRing::of(held, used, unknown)
        };
        let rings = kept.into_iter().map(|(mn, kept)| (mn, ring(kept))).collect();
        Keys { rings, ..Keys::default() }
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
    /// Notes the key that a step of a command tells of; whether it is such a step. What else a step says of a key decides which one is kept.
    pub(super) fn note_key(&mut self, step: &Step) -> bool {
        if let Step::KeyNote { mn, created, notice } = step
            && let Some(ring) = self.keys.rings.get_mut(mn)
        {
            match notice {
                KeyNotice::Used => ring.note_used(created),
                KeyNotice::Unknown => ring.note_unknown(created),
                KeyNotice::Due | KeyNotice::Asked => {}
            }
        }
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

    /// The data area of a frame, to be shown.
    #[must_use]
    pub fn area_of<'a>(&self, header: &Header<'a>, heard: &Heard<'_>) -> Area<'a> {
        let mn = header.mn.unwrap_or_default();
        let facts = self.context.facts(std::str::from_utf8(mn).unwrap_or_default());
        let former = self.context.registered_as(std::str::from_utf8(mn).unwrap_or_default());
        let edition = self.context.said_edition_of(facts, &Shown::of(header, heard.deviations));
        let opening = self.keys.open((mn, former), facts, edition, header, heard);
        match opening.sealing {
            Sealing::Plain => Area::Plain(header.area),
            Sealing::Opened | Sealing::OpenedLater => Area::Opened(opening.area(header).to_vec()),
            Sealing::Unreadable(_) => Area::Unreadable,
        }
    }

    /// Gives the forms of encryption that stations are registered with by now. Older records that they make readable are published so, and
    /// name the unreadable ones that they take the place of.
    pub fn know_forms(&mut self, forms: impl IntoIterator<Item = (String, SealForm)>) {
        self.keys.forms.extend(forms);
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
