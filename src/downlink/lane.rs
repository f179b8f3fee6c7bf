//! One station's exchanges: one at a time, by priority, with the two time-outs of HJ 212-2017, 6.2.
//!
//! | phase | what comes | then |
//! |---|---|---|
//! | Recording | the step `sent` is durable | Asked: the bytes go out |
//! | Asked | 9011 QnRtn=1, or data | Accepted |
//! | Asked | another QnRtn | Ending: refused |
//! | Asked | answer time-out | Recording: the same QN again; after the last resend Ending: no-answer |
//! | Accepted | data | Accepted, time starts anew |
//! | Accepted | 9012 | Ending |
//! | Accepted | execution time-out | Ending: timed-out; nothing is sent again |
//! | Ending | the step `ended` is durable | the next one |
//!
//! What must stay true: bytes go out only after their step is durable; a lost connection changes no phase, so that a result after a
//! reconnect is taken; while the station is away nothing is sent.

use super::clock::Clock;
use super::keys::KeyRing;
use super::moment;
use super::settings::Settings;
use super::step::{Origin, Outcome, Step};
use super::table::{Answers, Order, SET_KEY};
use super::value::NOW;
use super::{Address, after};
use crate::message::Timestamp;
use crate::protocol::write::Segment;
use crate::protocol::{Edition, Fields, Header, PacketFlags, sm4, write};

/// Stands in a segment for the key that is given.
const KEY: &str = "KEY";

/// A request that waits or is carried out.
#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) id: String,
    pub(super) order: &'static Order,
    pub(super) area: String,
    pub(super) new_mn: Option<String>,
    pub(super) origin: Origin,
    pub(super) author: String,
    pub(super) expires: Timestamp,
    /// What must be said to confirm it, and until when.
    pub(super) confirm: Option<(String, Timestamp)>,
    /// Whether the step that says so is on disk.
    pub(super) durable: bool,
    /// Whether its end has been said and is not yet durable.
    pub(super) ending: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Recording,
    Asked,
    Accepted,
    Ending,
}

#[derive(Debug)]
pub(super) struct Active {
    pub(super) exchange: Exchange,
    pub(super) qn: String,
    pub(super) segment: String,
    pub(super) count: u8,
    pub(super) phase: Phase,
    pub(super) deadline: Timestamp,
    pub(super) packets: u64,
}

impl Exchange {
    /// Whether data with the command's own CN is what was asked for. Data of history carries its own QN and is told from what the
    /// station uploads by itself by its time; a parameter carries ours, or in 2005 none.
    fn is_answered_by(&self, st: Option<&[u8]>, time: Option<&[u8]>, ours: bool) -> bool {
        if self.order.answers != Answers::Data || self.order.st.is_some_and(|own| st != Some(own.as_bytes())) {
            return false;
        }
        let bound = |name: &str| self.area.split(['&', ';', ',']).find_map(|field| field.strip_prefix(name));
        match (bound("BeginTime="), bound("EndTime="), time) {
            (Some(begin), Some(end), Some(time)) => (begin.as_bytes()..=end.as_bytes()).contains(&time),
            _ => ours,
        }
    }
}

/// What an answer was to the lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answered {
    /// Nothing of ours.
    No,
    /// Ours.
    Yes,
    /// An answer to something we did not ask, or in no readable form.
    Strange,
}

#[derive(Debug)]
pub(super) struct Lane {
    pub(super) address: Address,
    pub(super) connection: Option<u64>,
    pub(super) queue: Vec<Exchange>,
    pub(super) active: Option<Active>,
    pub(super) clock: Clock,
    pub(super) keys: KeyRing,
    pub(super) contacted: bool,
    heard_st: Option<String>,
    heard_pw: Option<String>,
    fields: Fields,
}

impl Lane {
    pub(super) fn new(address: Address) -> Lane {
        Lane {
            address,
            connection: None,
            queue: Vec::new(),
            active: None,
            clock: Clock::default(),
            keys: KeyRing::default(),
            contacted: false,
            heard_st: None,
            heard_pw: None,
            fields: Fields::default(),
        }
    }

    /// Begins the next exchange if none is under way and the station is there.
    pub(super) fn advance(&mut self, now: Timestamp, last_qn: &mut i64, out: &mut Vec<Step>) {
        if self.active.is_some() || self.connection.is_none() {
            return;
        }
        let ready = |e: &&Exchange| e.durable && !e.ending && e.confirm.is_none() && e.expires > now;
        // The first of the highest priority: the queue is in the order of arrival.
        let Some(origin) = self.queue.iter().filter(ready).map(|e| e.origin).min() else { return };
        let Some(at) = self.queue.iter().position(|e| e.origin == origin && ready(&e)) else { return };
        let exchange = self.queue.remove(at);
        *last_qn = moment::of(now).max(*last_qn + 1);
        let qn = moment::qn(*last_qn);
        let segment = self.segment(&exchange, &qn, now);
        if exchange.order.cn == 1012 {
            self.clock.noted(now);
        }
        let active = Active { exchange, qn, segment, count: 1, phase: Phase::Recording, deadline: now, packets: 0 };
        out.push(self.sent(&active));
        self.active = Some(active);
    }

    fn sent(&self, active: &Active) -> Step {
        Step::Sent {
            mn: self.address.mn.clone(),
            id: active.exchange.id.clone(),
            qn: active.qn.clone(),
            count: active.count,
            segment: active.segment.clone(),
        }
    }

    fn segment(&self, exchange: &Exchange, qn: &str, now: Timestamp) -> String {
        let time = moment::qn(moment::of(now));
        let area = match exchange.area.strip_suffix(NOW) {
            Some(before) => format!("{before}{}", time.get(..14).unwrap_or_default()),
            None => exchange.area.clone(),
        };
        let st = exchange.order.st.or(self.address.st.as_deref()).or(self.heard_st.as_deref());
        let pw = self.address.pw.as_deref().or(self.heard_pw.as_deref());
        let flag = match self.address.edition {
            // As the examples of 2005 have it, although no packet numbers follow.
            Edition::V2005 => 3,
            Edition::V2017 => 5,
            Edition::V2025 => 9,
        };
        let segment = Segment {
            qn: Some(qn.as_bytes()),
            st: Some(st.unwrap_or("91").as_bytes()),
            cn: Some(exchange.order.cn),
            pw: Some(pw.unwrap_or_default().as_bytes()),
            mn: Some(exchange.new_mn.as_deref().unwrap_or(&self.address.mn).as_bytes()),
            flag: Some(PacketFlags(flag)),
            part: None,
            rf: false,
            cp: area.as_bytes(),
        };
        let mut out = Vec::new();
        segment.write(&mut out);
        String::from_utf8(out).unwrap_or_default()
    }

    /// The step `sent` with this QN and count is durable: the bytes that go out now, if the station is still there.
    pub(super) fn sendable(
        &mut self,
        qn: &str,
        count: u8,
        now: Timestamp,
        settings: &Settings,
    ) -> Option<(u64, Vec<u8>)> {
        let active = self.active.as_mut()?;
        if active.qn != qn || active.count != count || active.phase != Phase::Recording {
            return None;
        }
        active.phase = Phase::Asked;
        active.deadline = after(now, settings.answer_timeout);
        let connection = self.connection?;
        let mut bytes = Vec::with_capacity(active.segment.len() + 12);
        if active.exchange.order.cn != SET_KEY.cn {
            write::frame(&mut bytes, |out| out.extend_from_slice(active.segment.as_bytes()));
            return Some((connection, bytes));
        }
        // The new key travels under the one that both sides have (HJ 212-2025, 6.4.4).
        let (offered, old) = (self.keys.offered()?.1, self.keys.proven()?);
        let text = std::str::from_utf8(offered.bytes()).ok()?;
        let mut plain = active.segment.replace(&format!("NewSK={KEY}"), &format!("NewSK={text}")).into_bytes();
        let sealed = sm4::frame(&mut bytes, &plain, old);
        zeroize::Zeroize::zeroize(&mut plain);
        sealed.ok().map(|()| (connection, bytes))
    }

    /// Resends, time-outs and expiries that are due.
    pub(super) fn due(&mut self, now: Timestamp, settings: &Settings, out: &mut Vec<Step>) {
        let mn = self.address.mn.clone();
        for waiting in self.queue.iter_mut().filter(|e| e.durable && !e.ending) {
            let outcome = match &waiting.confirm {
                Some((_, until)) if *until <= now => Outcome::Unconfirmed,
                _ if waiting.expires <= now => Outcome::Expired,
                _ => continue,
            };
            waiting.ending = true;
            out.push(Step::Ended { mn: mn.clone(), id: waiting.id.clone(), outcome, code: None, packets: 0 });
        }
        let online = self.connection.is_some();
        let Some(active) = self.active.as_mut().filter(|active| active.deadline <= now) else { return };
        match active.phase {
            Phase::Asked if active.count <= settings.resends && online => {
                active.count += 1;
                active.phase = Phase::Recording;
                if let Some(active) = &self.active {
                    out.push(self.sent(active));
                }
            }
            Phase::Asked if active.count <= settings.resends && active.exchange.expires > now => {}
            Phase::Asked => self.end(Outcome::NoAnswer, None, out),
            Phase::Accepted => self.end(Outcome::TimedOut, None, out),
            Phase::Recording | Phase::Ending => {}
        }
    }

    /// The next time at which [`Lane::due`] has something to do.
    pub(super) fn deadline(&self) -> Option<Timestamp> {
        let waiting = self.queue.iter().filter(|e| e.durable && !e.ending).map(|e| match &e.confirm {
            Some((_, until)) => e.expires.min(*until),
            None => e.expires,
        });
        let active = self.active.as_ref().and_then(|a| match a.phase {
            Phase::Asked if self.connection.is_none() => Some(a.deadline.max(a.exchange.expires)),
            Phase::Asked | Phase::Accepted => Some(a.deadline),
            Phase::Recording | Phase::Ending => None,
        });
        waiting.chain(active).min()
    }

    fn end(&mut self, outcome: Outcome, code: Option<u16>, out: &mut Vec<Step>) {
        if let Some(active) = self.active.as_mut().filter(|active| active.phase != Phase::Ending) {
            active.phase = Phase::Ending;
            let (mn, id) = (self.address.mn.clone(), active.exchange.id.clone());
            out.push(Step::Ended { mn, id, outcome, code, packets: active.packets });
        }
    }

    /// Something the station said, after it was stored.
    pub(super) fn heard(
        &mut self,
        header: &Header<'_>,
        now: Timestamp,
        settings: &Settings,
        out: &mut Vec<Step>,
    ) -> Answered {
        let Some(cn) = header.cn else { return Answered::No };
        let answer = matches!(cn, 9011..=9013);
        if !answer && header.st != Some(b"91") {
            self.learn(header);
        }
        // Most of what is heard is no answer to anything: it costs as little as can be.
        let Some(active) = self.active.as_mut().filter(|a| a.phase != Phase::Ending) else {
            return if answer { Answered::Strange } else { Answered::No };
        };
        self.fields.read(header.area);
        let own = |fields: &Fields, name: &[u8]| {
            let found = fields.iter(header.area).find(|f| f.item.is_empty() && f.name.eq_ignore_ascii_case(name));
            found.map(|field| field.value)
        };
        let code = match cn {
            9011 => own(&self.fields, b"QnRtn").and_then(number),
            9012 => own(&self.fields, b"ExeRtn").and_then(number),
            _ => None,
        };
        let in_area = own(&self.fields, b"QN");
        let time = own(&self.fields, b"DataTime");
        let qn = header.qn.filter(|qn| !qn.is_empty()).or(header.area_qn).or(in_area);
        let same = qn.is_some_and(|qn| qn == active.qn.as_bytes());
        match cn {
            // An answer without any QN can only be to the one exchange that there is.
            9011..=9013 if !(same || qn.is_none()) => return Answered::Strange,
            9011 | 9012 if code.is_none() => return Answered::Strange,
            9011 if code == Some(1) => return self.accepted(now, settings, out),
            9011 => self.end(Outcome::Refused, code, out),
            9012 => {
                let outcome = match code {
                    Some(1) => Outcome::Done,
                    Some(100) if active.exchange.order.answers == Answers::Data => Outcome::NoData,
                    _ => Outcome::Failed,
                };
                self.end(outcome, code, out);
            }
            9013 if active.exchange.order.answers == Answers::Notice => self.end(Outcome::Done, None, out),
            9013 => return Answered::Strange,
            cn if cn == active.exchange.order.cn
                && active.exchange.is_answered_by(header.st, time, same || qn.is_none()) =>
            {
                active.packets += 1;
                let packets = active.packets;
                self.accepted(now, settings, out);
                if let Some(active) = self.active.as_ref().filter(|_| packets.is_power_of_two()) {
                    let (id, qn) = (active.exchange.id.clone(), active.qn.clone());
                    out.push(Step::Data { mn: self.address.mn.clone(), id, qn, packets });
                }
                return Answered::Yes;
            }
            _ => return Answered::No,
        }
        Answered::Yes
    }

    fn accepted(&mut self, now: Timestamp, settings: &Settings, out: &mut Vec<Step>) -> Answered {
        let Some(active) = &mut self.active else { return Answered::Strange };
        active.deadline = after(now, settings.execution_timeout);
        if active.phase != Phase::Accepted {
            active.phase = Phase::Accepted;
            let (id, qn) = (active.exchange.id.clone(), active.qn.clone());
            out.push(Step::Accepted { mn: self.address.mn.clone(), id, qn });
        }
        Answered::Yes
    }

    /// ST and PW as the station writes them, for where none is registered.
    fn learn(&mut self, header: &Header<'_>) {
        if self.address.st.is_none() {
            keep(&mut self.heard_st, header.st);
        }
        if self.address.pw.is_none() {
            keep(&mut self.heard_pw, header.pw);
        }
    }
}

/// Takes over what is said, if it is something and something else than before.
fn keep(kept: &mut Option<String>, said: Option<&[u8]>) {
    let short = said.filter(|said| (1..=24).contains(&said.len()));
    let Some(said) = short.and_then(|said| std::str::from_utf8(said).ok()) else { return };
    if kept.as_deref() != Some(said) {
        *kept = Some(said.to_owned());
    }
}

fn number(digits: &[u8]) -> Option<u16> {
    std::str::from_utf8(digits).ok()?.trim().parse().ok()
}

/// The area of 1014 (HJ 212-2025, C.8), without the key itself.
pub(super) fn key_area(created: &str) -> String {
    format!("SKCreateTime={created},NewSK={KEY}")
}
