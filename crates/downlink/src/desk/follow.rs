//! Changes that we ordered of how a station is spoken to: its password (1072), its MN (1002). Until the registration says the same, they
//! are followed: the station is not locked out by what it was told.
//!
//! | | the password | the MN |
//! |---|---|---|
//! | sent, nothing certain | old and new are taken, what the station uses is sent | answers under both are taken |
//! | done, or seen in use | the same, until the registration has the new one | readings under both are taken |
//! | refused or failed at once | as before | as before |
//! | a resend refused or failed | as when sent; a frame tells which | as when sent; a frame tells which |
//!
//! A station that is given one password after another may have any of them: the registered one, one that it was given and did take, the one
//! that is offered. All are taken until the registration has a new one; what is sent has the one that was heard last.
//!
//! What must stay true: a password that the station may have is never refused because it is being given another; what is followed is told by steps that are durable before the bytes go out.

use super::{Desk, Effect, of};
use crate::lane::{Exchange, Phase, Place};
use crate::moment::Moment;
use crate::step::Outcome;
use hj212::{Header, packet};

/// What a station was given, and its registration does not have.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Change {
    /// Oldest first.
    pub(super) passwords: Vec<Given>,
    pub(super) mn: Option<String>,
}

/// So many passwords that a station was given are followed, of each station. Of more the oldest is given up, but not the one that was taken
/// last.
pub(crate) const GIVEN_MAX: usize = 4;

/// A password that a station was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Given {
    pub(super) password: String,
    /// The station said that it has taken it, or showed it.
    pub(super) taken: bool,
}

impl Change {
    /// The passwords themselves.
    pub(super) fn passwords(&self) -> Vec<String> {
        self.passwords.iter().map(|given| given.password.clone()).collect()
    }

    fn place(&self, password: &str) -> Option<usize> {
        self.passwords.iter().position(|given| given.password == password)
    }

    /// It is offered this one now.
    fn offer(&mut self, password: String) {
        let taken = self.place(&password).is_some_and(|at| self.passwords.remove(at).taken);
        self.passwords.push(Given { password, taken });
        while self.passwords.len() > GIVEN_MAX {
            let last_taken = self.passwords.iter().rposition(|given| given.taken);
            self.passwords.remove(usize::from(last_taken == Some(0)));
        }
    }
}

/// How a station may speak besides what is registered of it.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Followed {
    /// The station, as it is registered.
    pub mn: String,
    /// The passwords that it was given and may have, oldest first.
    pub passwords: Vec<String>,
    /// The MN that it was given.
    pub new_mn: Option<String>,
}

impl std::fmt::Debug for Followed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Followed({}, new MN {:?}, passwords {})", self.mn, self.new_mn, self.passwords.len())
    }
}

impl Desk {
    /// All that is followed, by MN.
    #[must_use]
    pub fn followed(&self) -> Vec<Followed> {
        let of = |(mn, change): (&String, &Change)| Followed {
            mn: mn.clone(),
            passwords: change.passwords(),
            new_mn: change.mn.clone(),
        };
        self.changes.iter().map(of).collect()
    }

    /// What is under way is sent: from now on the station may do it.
    pub(super) fn follow_what_is_sent(&mut self, mn: &str) -> bool {
        let Some(mut lane) = self.lanes.hold(mn) else { return false };
        let Some(active) = &lane.active else { return false };
        let (password, new_mn) = (active.exchange.new_password().map(str::to_owned), active.exchange.new_mn.clone());
        let new_mn = new_mn.filter(|new| new != mn);
        if password.is_none() && new_mn.is_none() {
            return false;
        }
        let change = self.changes.entry(mn.to_owned()).or_default();
        let before = change.clone();
        if let Some(password) = password {
            change.offer(password);
        }
        change.mn = new_mn.or(change.mn.take());
        lane.address.other_pws = change.passwords();
        *change != before
    }

    /// It has ended after `count` packets. What was certainly not done is followed no more: of several packets the answer may be to the
    /// first, and the station make the change on another.
    pub(super) fn follow_what_ended(&mut self, mn: &str, exchange: &Exchange, outcome: Outcome, count: u8) -> bool {
        let not_done = matches!(outcome, Outcome::Refused | Outcome::Failed) && count == 1;
        let elsewhere = exchange.new_mn.as_deref().is_some_and(|new| new != mn);
        if outcome == Outcome::Done
            && elsewhere
            && let Some(mut lane) = self.lanes.hold(mn)
        {
            // The logger is another station now.
            if lane.now_under.is_none() {
                lane.place = Place::Away;
            }
        }
        if let Some(given) = exchange.new_password().filter(|_| outcome == Outcome::Done).and_then(|password| {
            let change = self.changes.get_mut(mn)?;
            change.place(password).and_then(|at| change.passwords.get_mut(at))
        }) {
            given.taken = true;
        }
        if let Some(new) = exchange.new_mn.as_ref().filter(|_| not_done) {
            self.renamed.remove(new);
        }
        let Some(change) = self.changes.get_mut(mn).filter(|_| not_done) else { return false };
        let before = change.clone();
        // What it took before, or was heard with, it has still: a second offer that it refuses says nothing of that.
        if let Some(at) = exchange.new_password().and_then(|password| change.place(password))
            && change.passwords.get(at).is_some_and(|given| !given.taken)
        {
            change.passwords.remove(at);
        }
        if exchange.new_mn.is_some() && change.mn == exchange.new_mn {
            change.mn = None;
        }
        let changed = *change != before;
        if let Some(mut lane) = self.lanes.hold(mn) {
            lane.address.other_pws = change.passwords();
        }
        if *change == Change::default() {
            self.changes.remove(mn);
        }
        changed
    }

    /// What the registration has by now is followed no more, and neither is what the station was given before that. `new`: the stations whose
    /// registration has another password than before; an offer of one that was registered all along says nothing.
    pub(super) fn forget_registered(&mut self, new: impl Fn(&str) -> bool) {
        for mn in self.changes.keys().cloned().collect::<Vec<_>>() {
            let Some(mut lane) = self.lanes.hold(&mn) else { continue };
            let Some(change) = self.changes.get_mut(&mn) else { continue };
            let place = lane.address.pw.as_deref().and_then(|registered| change.place(registered));
            let is_taken = |at: &usize| change.passwords.get(*at).is_some_and(|given| given.taken);
            if let Some(at) = place.filter(|at| new(&mn) || is_taken(at)) {
                change.passwords.drain(..=at);
            }
            lane.address.other_pws = change.passwords();
            if *change == Change::default() {
                self.changes.remove(&mn);
            }
        }
    }

    /// A frame shows that the station did what it was told: it uses the new password or MN. `mn` is whose frame it is.
    pub(super) fn follow_what_is_heard(&mut self, mn: &str, header: &Header<'_>, now: Moment) -> Vec<Effect> {
        let old = self.renamed.get(mn).cloned();
        let mut steps = Vec::new();
        for (mn, renamed) in [(Some(mn.to_owned()), false), (old, true)] {
            let Some(mut lane) = mn.and_then(|mn| self.lanes.hold(&mn)) else { continue };
            let Some(active) = &lane.active else { continue };
            let exchange = &active.exchange;
            // With what it was sent: an answer may have told of the new one since.
            let old_pw = packet::parse(active.segment.as_bytes()).pw;
            let password = exchange.new_password().map(str::as_bytes).filter(|new| old_pw != Some(new));
            let shows = password.is_some_and(|new| header.pw == Some(new))
                || renamed && exchange.new_mn.as_deref().map(str::as_bytes) == header.mn;
            let settings = of(&self.settings, &self.policies, &lane.address);
            let answer = matches!(header.cn, Some(9011..=9013));
            let of_old = !renamed && header.mn == Some(lane.address.mn.as_bytes()) && !header.rf;
            let still = of_old && (exchange.new_mn.is_some() || header.pw.is_some() && header.pw == old_pw);
            if answer || active.count == 0 {
                continue;
            }
            if shows {
                lane.shown(now);
                lane.due(now, settings, &mut steps);
            } else if let Phase::Unsettled(_, outcome, code) = active.phase
                && still
                && active.may_have_changed_access()
            {
                lane.end(outcome, code, &mut steps);
            }
        }
        self.record(steps)
    }
}
