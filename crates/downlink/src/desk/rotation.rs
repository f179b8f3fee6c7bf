//! Keys (HJ 212-2025, 6.4.3): given, taken, refused, shown in use, asked for, due.
//!
//! What must stay true: a key is durable before it is offered; one that may be at the station is offered again rather than replaced;
//! what a frame of now shows of the key in use decides, whatever was answered; a refusal tells of the packet that was refused and of no other;
//! where it is not known whether the station took a key, that is durable, and no key is sent before a frame has told.

use super::{Desk, Effect, key_step, of};
use crate::Address;
use crate::keys::KeyRing;
use crate::keys::KeyState;
use crate::lane::{Active, key_area};
use crate::moment::{self, DateTrust, Moment, micros};
use crate::refusal::{Fault, Refusal};
use crate::request::{Ask, Request, is_id, is_own_id};
use crate::step::{KeyNotice, Origin, Outcome, Step};
use crate::table::SET_KEY;
use hj212::Header;
use hj212::sm4::Key;

/// Who wanted a key, under which id, and why.
#[derive(Debug)]
pub(super) struct Rotation {
    pub(super) id: String,
    pub(super) author: String,
    pub(super) why: String,
    pub(super) origin: Origin,
    pub(super) expires: hj212_model::message::Timestamp,
}

/// What the end of a rotation says about its key: its only packet refused, the station has not got it; done, it uses it from now on. Of all
/// else the key is kept as it is, and unless a frame has told already, it is unknown whether the station took it.
pub(super) fn ended(ring: &KeyRing, mn: String, created: String, outcome: Outcome, active: &Active) -> Vec<Step> {
    let note = |notice| vec![Step::KeyNote { mn: mn.clone(), created: created.clone(), notice }];
    match ring.created_at(&created) {
        None => Vec::new(),
        Some(_) if outcome == Outcome::Done && ring.used() != Some(&created) => note(KeyNotice::Used),
        Some((_, KeyState::Proven | KeyState::Refused | KeyState::Dropped)) => Vec::new(),
        Some(_) if outcome == Outcome::Done || ring.unknown() == Some(&created) => Vec::new(),
        Some((key, KeyState::Offered)) if outcome == Outcome::Refused && active.count == 1 && active.told => {
            vec![key_step(&mn, &created, key, KeyState::Refused)]
        }
        Some((_, KeyState::Offered)) if active.told || outcome == Outcome::Failed && active.count == 1 => Vec::new(),
        Some((_, KeyState::Offered)) => note(KeyNotice::Unknown),
    }
}

impl Desk {
    /// A key for a station that was given it by other means: the one it starts with. One that is known so already changes nothing. A key is
    /// called by the time of its creation: one that claims that of another key is taken for the next free millisecond, and for the newer one.
    pub fn install_key(&mut self, address: &Address, created: &str, key: &Key) -> Vec<Effect> {
        let lane = self.lane(address);
        let mut created = created.to_owned();
        while let Some((held, state)) = lane.keys.created_at(&created) {
            if held == key && state == KeyState::Proven {
                return Vec::new();
            }
            let Some(at) = moment::millis(created.as_bytes()).filter(|_| held != key) else { break };
            created = moment::qn(at + 1);
        }
        drop(lane);
        self.record(vec![key_step(&address.mn, &created, key, KeyState::Proven)])
    }

    /// A station has another MN now: what is known of its keys is known of it under the new one. What it has of its own stays.
    pub fn inherit_keys(&mut self, former: &str, mn: &str) -> Vec<Effect> {
        let none = |desk: &Desk, mn: &str| desk.keys(mn).is_none_or(|ring| ring.to_try().next().is_none());
        if !none(self, mn) || self.pending.values().any(|step| matches!(step, Step::Key { mn: own, .. } if own == mn)) {
            return Vec::new();
        }
        let Some(ring) = self.keys(former) else { return Vec::new() };
        // The oldest first, so that the newest is what is used unless something else was told.
        let keys: Vec<(String, Key, KeyState)> =
            ring.held().map(|(at, key, state)| (at.to_owned(), key.clone(), state)).collect();
        let (used, unknown) = (ring.used().map(str::to_owned), ring.unknown().map(str::to_owned));
        let mut steps: Vec<Step> = keys.iter().rev().map(|(at, key, state)| key_step(mn, at, key, *state)).collect();
        let note = |created, notice| Step::KeyNote { mn: mn.to_owned(), created, notice };
        steps.extend(used.map(|created| note(created, KeyNotice::Used)));
        steps.extend(unknown.map(|created| note(created, KeyNotice::Unknown)));
        self.record(steps)
    }

    /// Whether a request asks for a new key ([`Desk::submit_key`]).
    #[must_use]
    pub fn wants_key(body: &[u8]) -> bool {
        Request::read(body).is_ok_and(|request| request.command.as_deref() == Some(SET_KEY.name))
    }

    /// The MN that a request wants a station to be given ([`Ask::mn_taken`]).
    #[must_use]
    pub fn gives_mn(body: &[u8]) -> Option<String> {
        let request = Request::read(body).ok().filter(|request| request.command.as_deref() == Some("set-mn"))?;
        request.parameters.get("MN")?.as_str().map(str::to_owned)
    }

    /// A request for a new key (1014): `key` is made by the caller from 16 random letters and digits, and is in no request. A key
    /// offered before and never proven is offered again instead: the station may have it. The exchange waits for a confirmation as any
    /// control command.
    pub fn submit_key(
        &mut self,
        ask: &Ask<'_>,
        address: Option<&Address>,
        key: &Key,
        now: Moment,
    ) -> (Result<(), Refusal>, Vec<Effect>) {
        let request = Request::of(ask);
        let author = super::requests::said_author(ask);
        let taken = request.and_then(|request| {
            if !is_id(ask.id) {
                return Err(Fault::from(Refusal::IdForm));
            }
            let address = address.filter(|address| address.mn == ask.mn).ok_or(Refusal::StationUnknown)?;
            if is_own_id(ask.id) {
                return Err(Refusal::IdReserved.into());
            }
            self.allowed(ask, SET_KEY.name, &request.author)?;
            crate::value::area(&SET_KEY, &request.parameters)?;
            if ask.given && !ask.hidden && !self.settings.plain_secrets {
                return Err(super::requests::secret_plain("NewSK"));
            }
            let expires = request.until(ask, (self.settings.expiry, self.settings.dated), now)?;
            let (id, author, why) = (ask.id.to_owned(), request.author.clone(), request.why.clone());
            let author = super::requests::signed(ask, author);
            let rotation = Rotation { id, author, why, origin: Origin::Operator, expires };
            Ok(self.rotate(address, rotation, key, ask.given, now)?)
        });
        match taken {
            Ok(effects) => (Ok(()), effects),
            Err(fault) => (Err(fault.reason), self.refused(ask, author, fault)),
        }
    }

    fn rotate(
        &mut self,
        address: &Address,
        rotation: Rotation,
        key: &Key,
        given: bool,
        now: Moment,
    ) -> Result<Vec<Effect>, Refusal> {
        if !SET_KEY.editions.contains(&address.edition) {
            return Err(Refusal::EditionLacks);
        }
        if self.used.contains(&(address.mn.clone(), rotation.id.clone())) {
            return Err(Refusal::IdUsed);
        }
        let making = self.rotations.contains_key(&address.mn);
        let lane = self.lane(address);
        let busy = making
            || lane.queue.iter().chain(lane.active.as_ref().map(|a| &a.exchange)).any(|e| e.order.cn == SET_KEY.cn);
        if lane.keys.sealing().is_none() {
            return Err(Refusal::KeyMissing);
        }
        if busy {
            return Err(Refusal::KeyPending);
        }
        // SKCreateTime is a date.
        if now.trust == DateTrust::Unknown && lane.keys.offered().is_none() {
            return Err(Refusal::ClockDoubted);
        }
        if !key.bytes().iter().all(u8::is_ascii_alphanumeric) {
            return Err(Refusal::ParameterValue);
        }
        // One that was given by hand does not take the place of one that the station may have.
        if given && lane.keys.offered().is_some_and(|(_, held)| held != key) {
            return Err(Refusal::KeyPending);
        }
        let offered = lane.keys.offered().map(|(created, _)| created.to_owned());
        drop(lane);
        if let Some(created) = offered {
            return Ok(self.offer(&address.mn, &created, rotation, now));
        }
        let (mn, created) = (address.mn.clone(), moment::qn(moment::of(now.wall)));
        self.rotations.insert(mn.clone(), rotation);
        Ok(self.record(vec![key_step(&mn, &created, key, KeyState::Offered)]))
    }

    pub(super) fn offer(&mut self, mn: &str, created: &str, rotation: Rotation, now: Moment) -> Vec<Effect> {
        let Some(lane) = self.lanes.get(mn) else { return Vec::new() };
        let area = key_area(created);
        let by_hand = rotation.origin == Origin::Operator;
        let step = Step::Queued {
            mn: mn.to_owned(),
            confirm: by_hand.then(|| super::requests::token(mn, &rotation.id, &area, now.wall)),
            id: rotation.id,
            command: SET_KEY.name.to_owned(),
            cn: SET_KEY.cn,
            edition: lane.address.edition,
            area,
            new_mn: None,
            origin: rotation.origin,
            author: rotation.author,
            why: rotation.why,
            expires: rotation.expires,
        };
        self.enter(&step, now.wall, now);
        self.record(vec![step])
    }

    /// The key that [`Effect::MakeKey`] asked for.
    pub fn give_key(&mut self, mn: &str, key: &Key, now: Moment) -> Vec<Effect> {
        let Some(lane) = self.lanes.get(mn).filter(|lane| lane.registered) else { return Vec::new() };
        let address = lane.address.clone();
        let rotation = Rotation {
            id: format!("key-{}", moment::qn(moment::of(now.wall))),
            author: "gateway".into(),
            why: String::new(),
            origin: Origin::Key,
            expires: moment::later(now.wall, self.settings.expiry),
        };
        // What a request may not have now (another key is on its way, none is proven) is asked for again by the station.
        self.rotate(&address, rotation, key, false, now).unwrap_or_default()
    }

    /// A station asks for a key (1014; HJ 212-2025, C.7).
    pub(super) fn key_asked(&mut self, mn: &str, now: Moment) -> Vec<Effect> {
        let Some(mut lane) = self.lanes.hold(mn) else { return Vec::new() };
        let care = &of(&self.settings, &self.policies, &lane.address).keys;
        if lane.key_given.is_some_and(|last| now.steady.0.saturating_sub(last.0) < micros(care.every)) {
            return Vec::new();
        }
        lane.key_given = Some(now.steady);
        let give = care.answer_requests && lane.keys.sealing().is_some();
        let created = lane.keys.sealing().map_or_else(String::new, |(created, _)| created.to_owned());
        drop(lane);
        let mut effects = self.record(vec![Step::KeyNote { mn: mn.to_owned(), created, notice: KeyNotice::Asked }]);
        effects.extend(give.then(|| Effect::MakeKey { mn: mn.to_owned() }));
        effects
    }

    /// A frame was opened with the `number`-th key of [`KeyRing::to_try`]; `live`: it was made now and is no record of before.
    pub fn opened(&mut self, mn: &str, number: usize, live: bool, now: Moment) -> Vec<Effect> {
        let Some(mut lane) = self.lanes.hold(mn) else { return Vec::new() };
        let Some((created, key, state)) = lane.keys.number(number) else { return Vec::new() };
        let (created, mut steps) = (created.to_owned(), Vec::new());
        // Frames come faster than steps are on disk.
        let said = |step: &Step| matches!(step, Step::Key { mn: own, created: of, state: KeyState::Proven, .. } if own == mn && *of == created);
        if state != KeyState::Proven {
            if !self.pending.values().any(said) {
                steps.push(key_step(mn, &created, key, KeyState::Proven));
            }
        } else if live {
            lane.key_shown(&created, now, &mut steps);
        }
        let told = live && lane.keys.unknown() != Some(&created) && lane.keys.told();
        if lane.gives_key(&created) {
            lane.shown(now);
        } else if live {
            lane.other_key_heard(now, &mut steps);
        }
        drop(lane);
        let mut effects = self.record(steps);
        effects.extend(self.due_of(mn, now));
        if told {
            // A key that waited for that can be given now.
            effects.extend(self.advance(mn, now));
        }
        effects
    }

    /// Whether a frame of this station was made now, which [`Desk::opened`] is told; `area`: as it was opened, `None` if it cannot be read.
    #[must_use]
    pub fn is_of_now(&self, mn: &str, header: &Header<'_>, area: Option<&[u8]>, now: Moment) -> bool {
        self.lanes.get(mn).is_some_and(|lane| lane.is_of_now(header, area, now.wall))
    }

    /// Keys that are as old as they may get, each said once. To be called about once an hour.
    pub fn review_keys(&mut self, now: Moment) -> Vec<Effect> {
        if now.trust != DateTrust::Right {
            return Vec::new();
        }
        let mut steps = Vec::new();
        for lane in self.lanes.values().filter(|lane| lane.registered) {
            let care = &of(&self.settings, &self.policies, &lane.address).keys;
            let Some((created, _)) = lane.keys.sealing() else { continue };
            let Some(since) = moment::millis(created.as_bytes()) else { continue };
            let old = moment::of(now.wall).saturating_sub(since) >= micros(care.renew_after) / 1000;
            if old && lane.key_due.as_deref() != Some(created) {
                let (mn, created) = (lane.address.mn.clone(), created.to_owned());
                steps.push(Step::KeyNote { mn, created, notice: KeyNotice::Due });
            }
        }
        self.record(steps)
    }
}
