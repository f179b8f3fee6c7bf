//! The station under command: what it answers, in which order, and what it does (HJ 212-2017, 6.1; HJ 212-2025, 6.4 and C.1 to C.8).
//!
//! ```text
//! command ─► judged: QnRtn=3..9 ──────────────────────────────► 9011
//!              │ an order of the table        command_task: 9011, what changes, values or history, 9012 (or 9013 alone)
//!              └────────────────────────────► said line by line (`command_tasks`); history goes through the station's one flight
//! ```
//!
//! What must stay true:
//! * a command with a QN that was heard before is not carried out again: what was said to it is said again;
//! * what a command changes is changed before its 9012, a password and a key after it.

use std::collections::VecDeque;
use std::time::Duration;

use super::clock::{read_stamp, stamp, stamp_millis};
use super::command_state::{CommandTask, Effect, Heard, Line};
use super::commands::{Change, Event, What};
use super::faults::{Fault, FaultSet, Scope};
use super::history::History;
use super::orders::{self, Said};
use super::rarities::logging;
use super::station::Station;
use super::upload::Kind;
use hj212::sm4;
use hj212::{Edition, Fields, Header};
use hj212_downlink::table::{Answers, Order};
use hj212_model::message::Timestamp;

/// So many commands are carried out at once; more are refused.
const ERRANDS_MAX: usize = 8;

/// So many commands are remembered by their QN.
const HEARD_MAX: usize = 32;

/// The command cannot be read for a wrong check.
pub(crate) const CRC_ERROR: u16 = 9;
/// The command is for a station that is not here.
pub(crate) const MN_ERROR: u16 = 4;

/// What is told to a command that asks.
enum Told {
    Values(Vec<String>),
    History(History),
    Nothing,
}

impl Station {
    /// Whether a command is for this station: by MN, or when an MN is given, by what the logger calls itself.
    pub(crate) fn is_meant(&self, header: &Header<'_>, fields: &Fields) -> bool {
        if header.cn == Some(1002) && self.profile.edition == Edition::V2025 {
            let said = Said { area: header.area, fields };
            return said.text("i23005-Info") == Some(&self.profile.logger_id());
        }
        self.profile.registered && header.mn == Some(self.profile.mn.as_bytes())
    }

    /// Opens a segment that may be sealed with this station's key; `said` is the check that its frame carries.
    pub(crate) fn open(&self, segment: &[u8], said: u16) -> Option<Vec<u8>> {
        let opened = sm4::open(segment, said, self.profile.key.as_ref()).ok()?;
        Some(opened.segment)
    }

    /// Takes a command; `trouble` is why it cannot be carried out in the first place.
    pub(crate) fn commanded(&mut self, now: Duration, header: &Header<'_>, fields: &Fields, trouble: Option<u16>) {
        let qn = String::from_utf8_lossy(header.qn.unwrap_or_default()).into_owned();
        let cn = header.cn.unwrap_or(0);
        let area = match cn {
            1014 | 1072 => "***".to_owned(),
            _ => String::from_utf8_lossy(header.area).into_owned(),
        };
        let known = self.obedience.heard.iter().position(|heard| heard.qn == qn && heard.cn == cn && !qn.is_empty());
        let (faults, times) = match known.and_then(|at| self.obedience.heard.get_mut(at)) {
            Some(heard) => {
                heard.times += 1;
                (heard.faults, heard.times)
            }
            None => {
                let faults = self.rules.faults.draw(Scope::Command, &mut self.rng);
                let heard = Heard { qn: qn.clone(), cn, times: 1, faults, answers: Vec::new() };
                self.obedience.heard.push_back(heard);
                if self.obedience.heard.len() > HEARD_MAX {
                    self.obedience.heard.pop_front();
                }
                (faults, 1)
            }
        };
        self.note_command(now, &qn, cn, What::Heard { time: times, area });
        if faults.contains(Fault::Deaf) || faults.contains(Fault::DeafOnce) && times == 1 {
            return self.note_command(now, &qn, cn, What::Ignored);
        }
        let first = times == 1 || times == 2 && faults.contains(Fault::DeafOnce);
        let said = Said { area: header.area, fields };
        let mut command_task = self.command_task(now, qn, cn, faults);
        if !first {
            command_task.lines = self.said_before(&command_task.qn, cn);
        } else if let Some(code) = trouble.or_else(|| self.objection(header, said)) {
            // HJ/T 212-2005 knows 1, 2 and 3 alone.
            let code = if self.profile.edition == Edition::V2005 && code != 3 { 2 } else { code };
            command_task.lines.push_back(Line::Answer(9011, Some(code)));
        } else if let Some(order) = orders::find(cn, self.profile.edition, said) {
            command_task.st = order.st.unwrap_or(command_task.st);
            if cn == 1002 {
                command_task.mn = header.mn.map(|mn| String::from_utf8_lossy(mn).into_owned());
            }
            command_task.lines = self.lines(now, order, header, said, faults);
        }
        self.obedience.command_tasks.push_back(command_task);
    }

    fn command_task(&mut self, now: Duration, qn: String, cn: u16, faults: FaultSet) -> CommandTask {
        self.obedience.last_errand += 1;
        let number = self.obedience.last_errand;
        let said_qn =
            if faults.contains(Fault::WrongQn) { text(|out| stamp_millis(out, self.new_qn(now))) } else { qn.clone() };
        let due = if faults.contains(Fault::Late) { now + self.rules.late } else { now };
        let (st, lines) = (self.profile.subject.st(), VecDeque::new());
        CommandTask { number, qn, said_qn, cn, st, mn: None, faults, lines, due, said_once: false }
    }

    fn said_before(&self, qn: &str, cn: u16) -> VecDeque<Line> {
        let heard = self.obedience.heard.iter().find(|heard| heard.qn == qn && heard.cn == cn);
        heard.into_iter().flat_map(|heard| &heard.answers).map(|(cn, code)| Line::Answer(*cn, *code)).collect()
    }

    /// Why the command is not carried out (QnRtn, HJ 212-2017, table 7).
    fn objection(&self, header: &Header<'_>, said: Said<'_>) -> Option<u16> {
        let station = &self.profile;
        let Some(order) = header.cn.and_then(|cn| orders::find(cn, station.edition, said)) else { return Some(8) };
        let gives_mn = order.cn == 1002;
        if !gives_mn && header.pw != Some(station.pw.as_bytes()) {
            return Some(3);
        }
        let st = order.st.unwrap_or(station.subject.st());
        let is_own = order.st.is_none_or(|st| st == station.subject.st());
        if !is_own || header.st.is_some_and(|said| said != st.as_bytes() && said != b"91") {
            return Some(5);
        }
        let of_edition = header.flag.is_some_and(|flag| flag.edition() == Some(station.edition));
        if station.edition != Edition::V2005 && !of_edition {
            return Some(6);
        }
        let has_qn = header.qn.is_some_and(|qn| qn.len() == 17 && qn.iter().all(u8::is_ascii_digit));
        (!has_qn).then_some(7)
    }

    fn lines(
        &mut self,
        now: Duration,
        order: &Order,
        header: &Header<'_>,
        said: Said<'_>,
        faults: FaultSet,
    ) -> VecDeque<Line> {
        let end = |code| Line::Answer(9012, Some(code));
        if faults.contains(Fault::Refuse) && order.answers != Answers::Notice
            || self.obedience.command_tasks.len() >= ERRANDS_MAX
        {
            return VecDeque::from([Line::Answer(9011, Some(2))]);
        }
        let sound = orders::is_sound(order, said);
        let effect = if sound && !faults.contains(Fault::Fail) { self.effect(now, order, header, said) } else { None };
        let effect = effect.map(Line::Effect);
        if order.answers == Answers::Notice {
            return effect.into_iter().chain([Line::Answer(9013, None)]).collect();
        }
        let mut lines = VecDeque::from([Line::Answer(9011, Some(1))]);
        if faults.contains(Fault::Forget) {
            return lines;
        }
        if faults.contains(Fault::Cut) {
            lines.push_back(Line::Cut);
        }
        if !sound {
            lines.push_back(end(3));
        } else if faults.contains(Fault::Fail) {
            lines.push_back(end(2));
        } else if order.answers == Answers::Data {
            let told = if faults.contains(Fault::NoData) { Told::Nothing } else { self.told(now, order, said) };
            match told {
                Told::Values(values) => lines.extend(values.into_iter().map(Line::Value).chain([end(1)])),
                Told::History(history) if !history.is_told(&self.profile) => {
                    lines.extend([Line::History(history), end(1)]);
                }
                Told::History(_) | Told::Nothing => lines.push_back(end(100)),
            }
        } else if matches!(order.cn, 1014 | 1072) {
            lines.extend([end(1)].into_iter().chain(effect));
        } else {
            lines.extend(effect.into_iter().chain([end(1)]));
        }
        lines
    }

    /// What the command changes.
    fn effect(&self, now: Duration, order: &Order, header: &Header<'_>, said: Said<'_>) -> Option<Effect> {
        let change = match order.cn {
            1000 => Change::Timeouts(said.number("OverTime")?, said.number("ReCount")?),
            1002 => Change::Mn(String::from_utf8(header.mn?.to_vec()).ok()?),
            // The clock of an instrument is not simulated.
            1012 if said.value("PolId").is_some() => return None,
            1012 => {
                let ahead = read_stamp(said.value("SystemTime")?)?.0 - self.rules.habits.clock.wall(now).0;
                // The command has whole seconds: what is less is on the way.
                Change::Clock(if ahead.abs() < 1_500_000 { 0 } else { ahead })
            }
            1014 => return said.new_key().map(Effect::Key),
            1062 => Change::RealtimeInterval(said.number("RtdInterval")?),
            1064 => Change::MinuteInterval(u8::try_from(said.number("MinInterval")?).ok()?),
            1072 => return said.text("NewPW").or(said.text("PW")).map(|pw| Effect::Password(pw.to_owned())),
            2011 if order.answers == Answers::Result => Change::Realtime(true),
            2012 => Change::Realtime(false),
            2021 => Change::State(true),
            2022 => Change::State(false),
            3024 => Change::Check,
            1001 => setting("WarnTime", said)?,
            1022 => Change::Setting("Limits".into(), String::from_utf8(said.area.to_vec()).ok()?),
            1032 => setting("AlarmTarget", said)?,
            1042 => setting("ReportTime", said)?,
            3014 => Change::Setting("Hours".into(), String::from_utf8(said.area.to_vec()).ok()?),
            3016 => Change::Setting(
                format!("{}-cycle", said.text("PolId")?),
                format!("CstartTime={};CTime={}", said.text("CstartTime")?, said.text("CTime")?),
            ),
            3021 => setting(&format!("{}-Info", said.text("InfoId")?), said)?,
            _ => return None,
        };
        Some(Effect::Plain(change))
    }

    /// What the station tells to a command that asks.
    fn told(&self, now: Duration, order: &Order, said: Said<'_>) -> Told {
        let kept = |name: &str| self.obedience.settings.get(name).map(String::as_str);
        let value = |text: String| Told::Values(vec![text]);
        let clock = || {
            let clock = Timestamp(self.rules.habits.clock.wall(now).0 + self.profile.clock_off);
            text(|out| stamp(out, clock))
        };
        let code = said.text("PolId").unwrap_or_default();
        let kind = match order.cn {
            1011 if !code.is_empty() => return value(format!("PolId={code};SystemTime={}", clock())),
            1011 => return value(format!("SystemTime={}", clock())),
            1021 => return value(kept("Limits").unwrap_or("101-LowValue=0.00,101-UpValue=100.00").to_owned()),
            1031 => return value(format!("AlarmTarget={}", kept("AlarmTarget").unwrap_or("10.0.0.1:9002"))),
            1041 => return value(format!("ReportTime={}", kept("ReportTime").unwrap_or("0030"))),
            1061 => return value(format!("RtdInterval={}", self.agenda.interval().as_secs().max(1))),
            1063 => return value(format!("MinInterval={}", self.agenda.minutes())),
            3015 => return value(format!("DataTime={};VaseNo=1", clock())),
            3017 => {
                let cycle = kept(&format!("{code}-cycle")).unwrap_or("CstartTime=000000;CTime=2");
                return value(format!("PolId={code};{cycle}"));
            }
            3018 => return value(format!("PolId={code};Stime=30")),
            3019 => return value(format!("PolId={code};{code}-SN={:024X}", self.profile.seed)),
            3020 if said.value("BeginTime").is_none() => {
                let info = said.text("InfoId").unwrap_or_default();
                let held = kept(&format!("{info}-Info")).unwrap_or("0");
                return value(format!("DataTime={};PolId={code};{info}-Info={held}", clock()));
            }
            3020 if code != logging(&self.profile) || said.text("InfoId") != Some("i11001") => return Told::Nothing,
            3020 => Kind::Entry,
            2011 => Kind::Realtime,
            2013 => Kind::Raw,
            2031 => Kind::Day,
            2041 => Kind::Runtime,
            2051 => Kind::Minute,
            2061 => Kind::Hour,
            2062 => Kind::Check,
            _ => return Told::Nothing,
        };
        let Some(span) = said.span() else { return Told::Nothing };
        let simulated = self.rules.habits.clock.simulated(now);
        let reach = i64::try_from(self.rules.history.as_micros()).unwrap_or(i64::MAX);
        Told::History(History::new(&self.profile, kind, self.agenda.minutes(), span, simulated, reach))
    }

    /// What happened since the last time.
    pub(crate) fn take_news(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.obedience.news)
    }

    pub(super) fn note_command(&mut self, now: Duration, qn: &str, cn: u16, what: What) {
        let (mn, at) = (self.profile.mn.clone(), self.rules.habits.clock.wall(now));
        self.obedience.news.push(Event { mn, qn: qn.to_owned(), cn, at, what });
    }
}

fn setting(name: &str, said: Said<'_>) -> Option<Change> {
    Some(Change::Setting(name.to_owned(), said.text(name)?.to_owned()))
}

fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut out = Vec::with_capacity(17);
    write(&mut out);
    String::from_utf8(out).unwrap_or_default()
}

#[cfg(test)]
#[path = "obey_tests.rs"]
mod tests;
