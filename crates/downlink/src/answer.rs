//! What a station says to a command: answers taken for the exchange under way.
//!
//! What must stay true: an answer with another QN than ours is never taken; an answer without any can only be to the one exchange that
//! there is; a refusal of a resend does not say that the first one was not carried out: of a key, a password or an MN a frame of the station tells.

use super::lane::{Lane, Phase};
use super::moment::Moment;
use super::settings::Settings;
use super::step::{Outcome, Step};
use super::table::{Answers, SET_KEY};
use hj212::{Fields, Header};

/// Areas of single-value answers that are kept with a request, at most.
const ANSWERS_MAX: u64 = 8;
/// The parts of which a packet of history may consist (PNUM), as far as it cannot be read.
const PARTS: u64 = 9;

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

/// What of a frame tells whether it is data that was asked for.
struct Data<'a> {
    st: Option<&'a [u8]>,
    time: Option<&'a [u8]>,
    /// It carries our QN, or in 2005 none.
    ours: bool,
    /// It is encrypted and no key opens it.
    closed: bool,
    /// Packets by now.
    packets: u64,
}

impl Lane {
    /// Whether data with the command's own CN is what was asked for. Data of history carries its own QN and is told from what the
    /// station uploads by itself by its time; a parameter carries ours, or in 2005 none. What cannot be read counts, up to as many packets
    /// as the span that was asked for can have.
    fn is_asked_for(&self, data: &Data<'_>) -> bool {
        let Some(active) = &self.active else { return false };
        let order = active.exchange.order;
        if order.answers != Answers::Data || order.st.is_some_and(|own| data.st != Some(own.as_bytes())) {
            return false;
        }
        match (active.exchange.bound("BeginTime="), active.exchange.bound("EndTime="), data.time) {
            (Some(begin), Some(end), Some(time)) => (begin.as_bytes()..=end.as_bytes()).contains(&time),
            (Some(begin), Some(end), None) if data.closed => data.packets < packets_of(order.cn, begin, end),
            _ => data.ours,
        }
    }

    /// Something the station said, after it was stored.
    pub(super) fn heard(
        &mut self,
        header: &Header<'_>,
        now: Moment,
        settings: &Settings,
        out: &mut Vec<Step>,
    ) -> Answered {
        let answered = self.heard_of_active(header, now, settings, out);
        if answered == Answered::Yes {
            return answered;
        }
        let beside = self.of_beside(|lane| lane.heard_of_active(header, now, settings, out));
        if beside == Some(Answered::Yes) { Answered::Yes } else { answered }
    }

    fn heard_of_active(
        &mut self,
        header: &Header<'_>,
        now: Moment,
        settings: &Settings,
        out: &mut Vec<Step>,
    ) -> Answered {
        let Some(cn) = header.cn else { return Answered::No };
        let answer = matches!(cn, 9011..=9013);
        // Most of what is heard is no answer to anything: it costs as little as can be.
        let Some(active) = self.active.as_ref().filter(|a| a.phase != Phase::Ending) else {
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
        let order = active.exchange.order;
        if let Some(active) = self.active.as_mut().filter(|_| same && answer) {
            active.identified = true;
        }
        let Some(active) = &self.active else { return Answered::No };
        match cn {
            // Without a QN nothing tells which of two is meant.
            9011..=9013 if qn.is_none() && self.beside.is_some() => return Answered::Strange,
            // An answer without any QN can only be to the one exchange that there is.
            9011..=9013 if !(same || qn.is_none()) => return Answered::Strange,
            9011 | 9012 if code.is_none() => return Answered::Strange,
            9011 if code == Some(1) => return self.accepted(now, settings, out),
            9011 => self.refused(code, now, settings, out),
            9012 => {
                let outcome = match code {
                    Some(1) => Outcome::Done,
                    Some(100) if order.answers == Answers::Data => Outcome::NoData,
                    _ if matches!(active.phase, Phase::Shown(_)) => Outcome::Done,
                    _ => Outcome::Failed,
                };
                if outcome == Outcome::Failed && active.may_have_changed_access() {
                    self.unsettle(outcome, code, now, settings, out);
                } else {
                    self.end(outcome, code, out);
                }
            }
            9013 if order.answers == Answers::Notice => self.end(Outcome::Done, None, out),
            9013 => return Answered::Strange,
            cn if cn == order.cn => {
                let (ours, closed) = (same || qn.is_none(), header.sealed.is_some());
                if !self.is_asked_for(&Data { st: header.st, time, ours, closed, packets: active.packets }) {
                    return Answered::No;
                }
                self.took_data(header, now, settings, out);
            }
            _ => return Answered::No,
        }
        Answered::Yes
    }

    fn took_data(&mut self, header: &Header<'_>, now: Moment, settings: &Settings, out: &mut Vec<Step>) {
        self.accepted(now, settings, out);
        let Some(active) = &mut self.active else { return };
        active.packets += 1;
        let packets = active.packets;
        let single = active.exchange.bound("BeginTime=").is_none();
        let answer = (single && header.sealed.is_none() && packets <= ANSWERS_MAX)
            .then(|| String::from_utf8_lossy(header.area).into_owned());
        if answer.is_some() || packets.is_power_of_two() {
            let (mn, id, qn) = (self.address.mn.clone(), active.exchange.id.clone(), active.qn.clone());
            out.push(Step::Data { mn, id, qn, packets, answer });
        }
    }

    fn accepted(&mut self, now: Moment, settings: &Settings, out: &mut Vec<Step>) -> Answered {
        let Some(active) = &mut self.active else { return Answered::Strange };
        let first = !matches!(active.phase, Phase::Accepted(_) | Phase::Shown(_));
        if !matches!(active.phase, Phase::Shown(_)) {
            active.phase = Phase::Accepted(now.steady.after(settings.execution_timeout));
        }
        if first {
            let (id, qn) = (active.exchange.id.clone(), active.qn.clone());
            out.push(Step::Accepted { mn: self.address.mn.clone(), id, qn });
        }
        Answered::Yes
    }

    /// 9011 with another QnRtn than 1. Of a key, only the refusal of the first packet says that the station has not got it.
    fn refused(&mut self, code: Option<u16>, now: Moment, settings: &Settings, out: &mut Vec<Step>) {
        let Some(active) = &self.active else { return };
        let certain = active.count == 1 && matches!(active.phase, Phase::Asked(_));
        if let Phase::Shown(_) = active.phase {
            // It uses what it was given: it refuses only to be given it once more.
            self.end(Outcome::Done, code, out);
        } else if active.exchange.order.cn == SET_KEY.cn && !certain || active.may_have_changed_access() {
            self.unsettle(Outcome::Refused, code, now, settings, out);
        } else {
            if let Some(active) = &mut self.active {
                active.told = true;
            }
            self.end(Outcome::Refused, code, out);
        }
    }
}

/// How many packets the span from `begin` to `end` has at most, by the interval of `cn`.
fn packets_of(cn: u16, begin: &str, end: &str) -> u64 {
    let seconds = |text: &str| super::moment::millis(format!("{text}000").as_bytes()).map(|millis| millis / 1000);
    let span = seconds(end).zip(seconds(begin)).map_or(0, |(end, begin)| u64::try_from(end - begin).unwrap_or(0));
    let interval = match cn {
        2031 | 2041 => 86_400,
        2061 => 3600,
        2051 => 60,
        _ => 1,
    };
    (span / interval + 1).saturating_mul(PARTS)
}

fn number(digits: &[u8]) -> Option<u16> {
    std::str::from_utf8(digits).ok()?.trim().parse().ok()
}
