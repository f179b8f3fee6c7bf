//! Tasks: what a station says and does to a command, line by line, beside its uploads.
//!
//! What must stay true: 9012 comes after the last packet of history is answered; one packet of history is in flight at a time, and
//! live records go before it; an command_task outlives a lost connection.

use std::time::Duration;

use super::command_state::{CommandTask, Effect, Line, SETTINGS_MAX};
use super::commands::{Change, What};
use super::faults::Fault;
use super::fleet::Profile;
use super::station::{Next, Station};
use super::upload::{Kind, Upload};
use hj212::sm4;
use hj212::write::Segment;
use hj212::{Edition, PacketFlags};

impl Station {
    /// Says or does what is due of the command_tasks; `None` if nothing is to be said now.
    pub(super) fn say(&mut self, now: Duration, out: &mut Vec<u8>) -> Option<Next> {
        self.obedience.command_tasks.retain(|command_task| !command_task.lines.is_empty());
        let flight = self.flight_of();
        for position in 0..self.obedience.command_tasks.len() {
            while let Some(command_task) =
                self.obedience.command_tasks.get_mut(position).filter(|command_task| command_task.due <= now)
            {
                let flying = flight == Some(command_task.number);
                match command_task.lines.front() {
                    Some(Line::History(history)) if !flying && history.is_told(&self.profile) => {}
                    Some(Line::Answer(..) | Line::Value(_)) if !flying => {
                        return self.utter(position, now, out);
                    }
                    Some(Line::Effect(_) | Line::Cut) => {}
                    Some(Line::History(_) | Line::Answer(..) | Line::Value(_)) | None => break,
                }
                match command_task.lines.pop_front() {
                    Some(Line::Cut) => return Some(Next::Cut),
                    Some(Line::Effect(effect)) => {
                        let (qn, cn) = (command_task.qn.clone(), command_task.cn);
                        let change = self.apply(effect, now);
                        self.note_command(now, &qn, cn, What::Obeyed(change));
                    }
                    Some(Line::History(_) | Line::Answer(..) | Line::Value(_)) | None => {}
                }
            }
        }
        None
    }

    fn utter(&mut self, position: usize, now: Duration, out: &mut Vec<u8>) -> Option<Next> {
        let command_task = self.obedience.command_tasks.get_mut(position)?;
        let twice = command_task.faults.contains(Fault::AnswerTwice);
        let again = command_task.said_once;
        command_task.said_once = twice && !again;
        let own_cn = command_task.cn;
        let (cn, what, code) = match command_task.lines.front()? {
            Line::Answer(9011, Some(code)) => (9011, What::QnRtn(*code), Some(*code)),
            Line::Answer(9012, Some(code)) => (9012, What::ExeRtn(*code), Some(*code)),
            Line::Answer(cn, code) => (*cn, What::Noticed, *code),
            Line::Value(_) => (own_cn, What::Told, None),
            Line::History(_) | Line::Effect(_) | Line::Cut => return None,
        };
        errand_segment(&self.profile, command_task, out);
        let qn = command_task.qn.clone();
        if !twice || again {
            command_task.lines.pop_front();
        }
        if !again {
            self.note_command(now, &qn, own_cn, what);
            let heard = self.obedience.heard.iter_mut().find(|heard| heard.qn == qn && heard.cn == own_cn);
            if let Some(heard) = heard.filter(|heard| cn >= 9000 && !heard.answers.contains(&(cn, code))) {
                heard.answers.push((cn, code));
            }
        }
        let key = self.profile.key.clone().filter(|_| sm4::is_sealed_command(cn));
        Some(Next::Say(key))
    }

    fn apply(&mut self, effect: Effect, now: Duration) -> Change {
        let change = match effect {
            Effect::Password(pw) => {
                self.profile.pw = pw;
                return Change::Password;
            }
            Effect::Key(key) => {
                self.profile.key = Some(key);
                return Change::Key;
            }
            Effect::Plain(change) => change,
        };
        match &change {
            Change::Clock(ahead) => self.set_clock(*ahead),
            Change::Timeouts(seconds, times) => {
                // 0 seconds, which HJ 212-2025 allows, is no time to wait: the old one stays.
                if *seconds > 0 {
                    self.patience.0 = Duration::from_secs(u64::from(*seconds));
                }
                self.patience.1 = *times;
            }
            Change::RealtimeInterval(seconds) => {
                self.agenda.set_interval(Duration::from_secs(u64::from(*seconds)), now);
            }
            Change::MinuteInterval(minutes) => self.agenda.set_minutes(*minutes, now, &self.rules.habits),
            Change::Realtime(told) => self.agenda.tells_realtime = *told,
            Change::State(told) => self.agenda.tells_state = *told,
            Change::Mn(mn) => {
                self.profile.mn.clone_from(mn);
                self.profile.registered = true;
            }
            Change::Check => {
                let time = self.rules.habits.clock.simulated(now);
                self.uploads_soon(Upload::new(Kind::Check, time));
            }
            Change::Setting(name, value) => {
                if self.obedience.settings.len() < SETTINGS_MAX || self.obedience.settings.contains_key(name) {
                    self.obedience.settings.insert(name.clone(), value.clone());
                }
            }
            Change::Password | Change::Key => {}
        }
        change
    }

    /// The next packet of history and the command_task it belongs to.
    pub(super) fn next_of_history(&mut self, now: Duration) -> Option<(Upload, u64)> {
        let due = |command_task: &&mut CommandTask| {
            command_task.due <= now && matches!(command_task.lines.front(), Some(Line::History(_)))
        };
        let command_task = self.obedience.command_tasks.iter_mut().find(due)?;
        let Some(Line::History(history)) = command_task.lines.front_mut() else { return None };
        let upload = history.take(&self.profile)?;
        command_task.due = now + self.rules.history_pace;
        let (qn, cn, number) = (command_task.qn.clone(), command_task.cn, command_task.number);
        self.note_command(now, &qn, cn, What::Told);
        Some((upload, number))
    }

    /// A packet of history was not answered: it stays to be told.
    pub(super) fn untold(&mut self, upload: Upload, number: u64) {
        let command_task = self.obedience.command_tasks.iter_mut().find(|command_task| command_task.number == number);
        if let Some(Line::History(history)) = command_task.and_then(|command_task| command_task.lines.front_mut()) {
            history.put_back(upload);
        }
    }

    /// When an command_task goes on; nothing of what is due at `now` can be said now.
    pub(super) fn errands_due(&self, now: Duration) -> Option<Duration> {
        self.obedience.command_tasks.iter().map(|command_task| command_task.due).filter(|due| *due > now).min()
    }
}

/// Replaces `out` with the segment of the command_task's front line.
fn errand_segment(station: &Profile, command_task: &CommandTask, out: &mut Vec<u8>) {
    let old = station.edition == Edition::V2005;
    let (cn, body) = match command_task.lines.front() {
        Some(Line::Answer(9011, Some(code))) => (9011, format!("QnRtn={code}")),
        Some(Line::Answer(9012, Some(code))) => (9012, format!("ExeRtn={code}")),
        Some(Line::Answer(cn, _)) => (*cn, String::new()),
        Some(Line::Value(body)) => (command_task.cn, body.clone()),
        Some(Line::History(_) | Line::Effect(_) | Line::Cut) | None => return,
    };
    let is_value = cn == command_task.cn;
    let join = if body.is_empty() || command_task.said_qn.is_empty() { "" } else { ";" };
    let qn = if command_task.said_qn.is_empty() { String::new() } else { format!("QN={}", command_task.said_qn) };
    // HJ/T 212-2005 has QN in CP of its answers, and none in what is told.
    let cp = if old && !is_value { format!("{qn}{join}{body}") } else { body };
    let flag = (!(old && is_value)).then(|| PacketFlags(station.edition.flag_bits()));
    let segment = Segment {
        qn: (!old && !command_task.said_qn.is_empty()).then_some(command_task.said_qn.as_bytes()),
        st: Some(if is_value { command_task.st.as_bytes() } else { b"91" }),
        cn: Some(cn),
        pw: Some(station.pw.as_bytes()),
        mn: Some(command_task.mn.as_deref().unwrap_or(&station.mn).as_bytes()),
        flag,
        part: None,
        rf: false,
        cp: cp.as_bytes(),
    };
    out.clear();
    segment.write(out);
}
