//! What stations say, and what follows from it by itself: first contact, clocks, registration of loggers.
//!
//! What must stay true: the frame that brought a station is looked at before anything is sent to it; a logger that asks for its MN gets
//! that before first contact; first contact that could not be made is made when the station comes again; records of before tell
//! nothing of a clock; while the gateway's own clock is doubted, no station is said to be off or set right.

use serde_json::{Map, Value, json};

use super::{Desk, Effect, of};
use crate::Address;
use crate::answer::Answered;
use crate::lane::Place;
use crate::moment::{self, DateTrust, Moment};
use crate::step::{Origin, Step};
use hj212::{Fields, Header};
use hj212_model::message::registration;

/// What is asked of a clock: the logger's (`None`) or an instrument's.
type Clock = Option<String>;

impl Desk {
    /// The station is there, on this connection. Nothing is sent before [`Desk::arrived`]: the frame that brought it comes first.
    pub fn arrive(&mut self, address: &Address, connection: u64, now: Moment) {
        self.is_itself(&address.mn);
        let settings = of(&self.settings, &self.policies, address).clone();
        self.lane(address).arrive(connection, now, &settings);
    }

    /// The frame that brought the station was handed to [`Desk::heard`].
    pub fn arrived(&mut self, mn: &str, now: Moment) -> Vec<Effect> {
        if let Some(mut lane) = self.lanes.hold(mn) {
            lane.arrived();
        }
        self.arrived_formerly(mn);
        let mut effects = self.first_contact(mn, now);
        effects.extend(self.advance(mn, now));
        // What was open while the station was away.
        for mn in self.names_of(mn) {
            effects.extend(self.due_of(&mn, now));
        }
        effects
    }

    /// This connection of the station has ended.
    pub fn offline(&mut self, mn: &str, connection: u64) {
        if let Some(mut lane) = self.lanes.hold(mn)
            && let Place::Arriving(on) | Place::Here(on) = lane.place
            && on == connection
        {
            lane.place = Place::Away;
            lane.nameless = false;
        }
        if let Some(mut lane) = self.former.get(mn).and_then(|old| self.lanes.hold(old))
            && let Place::Arriving(on) | Place::Here(on) = lane.place
            && on == connection
        {
            lane.place = Place::Away;
        }
    }

    fn first_contact(&mut self, mn: &str, now: Moment) -> Vec<Effect> {
        let Some(lane) = self.lanes.get(mn).filter(|lane| !lane.nameless && lane.registered) else {
            return Vec::new();
        };
        let address = lane.address.clone();
        let policy = of(&self.settings, &self.policies, &address).first_contact.clone();
        let mut wanted: Vec<(&str, Value)> = Vec::new();
        if policy.set_time {
            wanted.push(("set-time", json!({})));
        }
        if let Some((time, count)) = policy.timeouts {
            wanted.push(("set-timeouts", json!({ "OverTime": time, "ReCount": count })));
        }
        if let Some(seconds) = policy.realtime_interval {
            wanted.push(("set-realtime-interval", json!({ "RtdInterval": seconds })));
        }
        if let Some(minutes) = policy.minute_interval {
            wanted.push(("set-minute-interval", json!({ "MinInterval": minutes })));
        }
        if let Some(on) = policy.realtime {
            wanted.push((if on { "start-realtime" } else { "stop-realtime" }, json!({})));
        }
        if let Some(on) = policy.state {
            wanted.push((if on { "start-state" } else { "stop-state" }, json!({})));
        }
        wanted.retain(|(command, _)| !lane.contacted.contains(command));
        let stamp = moment::qn(moment::of(now.wall));
        let mut effects = Vec::new();
        for (command, parameters) in wanted {
            let parameters = parameters.as_object().cloned().unwrap_or_default();
            let id = format!("first-{command}-{stamp}");
            // What an edition does not have is not sent to it.
            effects.extend(self.want(&address, &id, command, &parameters, Origin::FirstContact, now).1);
        }
        effects
    }

    /// A frame of the station, after it was stored; `mn` as it is registered. Answers (9014, 9013) are the session's affair.
    pub fn heard(&mut self, mn: &str, header: &Header<'_>, now: Moment) -> Vec<Effect> {
        let mn = self.meant(mn, header);
        let mut effects = self.follow_what_is_heard(&mn, header, now);
        let mut steps = Vec::new();
        let Some(mut lane) = self.lanes.hold(&mn) else { return effects };
        let learned = lane.learn(header);
        let hardware = registration::hardware(header).filter(|_| header.mn != Some(mn.as_bytes()));
        let was_nameless = lane.nameless;
        lane.nameless = match header.cn {
            // Its answers can come under any MN.
            Some(9011..=9014) => lane.nameless && header.mn != Some(mn.as_bytes()),
            _ => hardware.is_some(),
        };
        let named = was_nameless && !lane.nameless;
        let settings = of(&self.settings, &self.policies, &lane.address);
        let answered = lane.heard(header, now, settings, &mut steps);
        let here = matches!(lane.place, Place::Here(_));
        drop(lane);
        let answered = match answered {
            Answered::Yes => answered,
            Answered::No | Answered::Strange => match self.heard_formerly(&mn, header, now, &mut steps) {
                Answered::Yes => Answered::Yes,
                Answered::No | Answered::Strange => answered,
            },
        };
        self.learned |= learned;
        self.tally.strange += u64::from(answered == Answered::Strange);
        let upload = answered == Answered::No && !header.rf;
        effects.extend(self.record(steps));
        if let Some(number) = hardware {
            effects.extend(self.register(&mn, number, now));
        } else if header.cn == Some(1014) && upload {
            effects.extend(self.key_asked(&mn, now));
        }
        if upload {
            effects.extend(self.watch_clock(&mn, header, now));
        }
        if named && here {
            effects.extend(self.first_contact(&mn, now));
            effects.extend(self.advance(&mn, now));
        }
        effects
    }

    /// The station that is meant: answers to a command that gives another MN come under either.
    fn meant(&self, mn: &str, header: &Header<'_>) -> String {
        let old = self.renamed.get(mn).filter(|_| matches!(header.cn, Some(9011..=9013)));
        let asked = |mn: &str| self.lanes.get(mn).and_then(|lane| lane.active.as_ref());
        let own = |mn: &str| asked(mn).is_some_and(|active| header.qn == Some(active.qn.as_bytes()));
        match old {
            Some(old) if own(old) || asked(mn).is_none() => old.clone(),
            _ => mn.to_owned(),
        }
    }

    /// A logger that is to have this MN asks for it.
    fn register(&mut self, mn: &str, hardware: &[u8], now: Moment) -> Vec<Effect> {
        let Some(lane) = self.lanes.get(mn).filter(|_| self.settings.registration) else { return Vec::new() };
        let giving = |e: &crate::lane::Exchange| e.order.cn == 1002;
        if lane.queue.iter().chain(lane.active.as_ref().map(|active| &active.exchange)).any(giving) {
            // It asks again because it has not been told yet.
            return Vec::new();
        }
        let address = lane.address.clone();
        let id = format!("register-{}", moment::qn(moment::of(now.wall)));
        let parameters = json!({ "MN": mn, "LoggerId": String::from_utf8_lossy(hardware) });
        let parameters = parameters.as_object().cloned().unwrap_or_default();
        self.want(&address, &id, "set-mn", &parameters, Origin::FirstContact, now).1
    }

    fn watch_clock(&mut self, mn: &str, header: &Header<'_>, now: Moment) -> Vec<Effect> {
        let Some(mut lane) = self.lanes.hold(mn) else { return Vec::new() };
        let settings = &of(&self.settings, &self.policies, &lane.address).clock;
        let mut steps = Vec::new();
        let sure = now.trust == DateTrust::Right;
        if sure
            && let Some(said) = header.qn.and_then(moment::millis)
            && let Some((offset_ms, within)) = lane.clock.heard(said - moment::of(now.wall), settings)
        {
            steps.push(Step::Clock { mn: mn.to_owned(), offset_ms, within });
        }
        let mut wanted: Vec<Clock> = Vec::new();
        if header.cn == Some(1013) && settings.answer_requests {
            let asks =
                whose_clock(header).filter(|whose| lane.clock.may_correct(whose.as_deref(), settings, now.steady));
            wanted.extend(asks);
        }
        if sure && settings.correct && lane.clock.is_drifting() && lane.clock.may_correct(None, settings, now.steady) {
            wanted.push(None);
        }
        let address = lane.address.clone();
        drop(lane);
        let mut effects = self.record(steps);
        for whose in wanted {
            let instrument = whose.as_ref().map_or_else(String::new, |instrument| format!("{instrument}-"));
            let id = format!("clock-{instrument}{}", moment::qn(moment::of(now.wall)));
            let parameters: Map<String, Value> =
                whose.into_iter().map(|code| ("PolId".to_owned(), Value::from(code))).collect();
            effects.extend(self.want(&address, &id, "set-time", &parameters, Origin::Clock, now).1);
        }
        effects
    }
}

/// Whose clock a 1013 is about: the logger's without PolId; `None` if what stands there is no code.
fn whose_clock(header: &Header<'_>) -> Option<Clock> {
    let mut fields = Fields::default();
    fields.read(header.area);
    let said =
        fields.iter(header.area).find(|field| field.item.is_empty() && field.name.eq_ignore_ascii_case(b"PolId"));
    let Some(said) = said.map(|field| field.value.trim_ascii()).filter(|code| !code.is_empty()) else {
        return Some(None);
    };
    let code = std::str::from_utf8(said).ok().filter(|code| code.len() <= 6)?;
    code.bytes().all(|byte| byte.is_ascii_alphanumeric()).then(|| Some(code.to_owned()))
}
