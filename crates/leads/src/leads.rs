//! The leads of one station: what its detectors remember, and what is open.

use serde::{Deserialize, Serialize};

use super::asked::MarksAsked;
use super::detectors::clock::ClockState;
use super::detectors::mark_abuse;
use super::finding::Finding;
use super::lead::{Lead, LeadEffect, LeadEnd};
use super::rules::LeadRules;
use super::seen::{ConflictSeen, Pulse, RecordSeen, ValueSeen};
use super::table::{Detector, LooksAt, TABLE};
use super::track::CodeTrack;
use super::{OPEN_MAX, RULED_MAX, TRACKS_MAX};
use hj212_judgement::{Limits, calendar};
use hj212_model::message::Timestamp;

/// Days that are looked at when their entries are closed, at most at once: what lies further back is not looked at any more.
const DAYS_AT_ONCE: i32 = 40;
/// A value of a time that lies further ahead is not looked at: what is remembered goes by data times, and would wait for it.
const AHEAD_MAX: i64 = calendar::DAY;

/// What is remembered of a station, and its open leads.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leads {
    tracks: Vec<CodeTrack>,
    /// Of sampled and of minute data.
    clocks: [ClockState; 2],
    open: Vec<Lead>,
    /// Ids of leads that were ruled about, the latest last.
    ruled: Vec<String>,
    /// The last day whose entries are closed; `None`: nothing came yet.
    closed: Option<i32>,
}

impl Leads {
    /// The open leads, in the order in which they were raised.
    pub fn open(&self) -> impl Iterator<Item = &Lead> {
        self.open.iter()
    }

    /// Whether nothing was ever remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tracks.is_empty() && self.open.is_empty() && self.closed.is_none()
    }

    /// Takes a value of a factor; one without a limit is passed over.
    pub fn value(&mut self, rules: &LeadRules, limits: &Limits, seen: &ValueSeen<'_>, out: &mut Vec<LeadEffect>) {
        if seen.at.0.saturating_sub(seen.received.0) > AHEAD_MAX {
            return;
        }
        let track = match self.tracks.iter().position(|track| track.code == seen.code) {
            Some(at) => at,
            None => {
                let watched = limits.codes().any(|code| code == seen.code);
                let left_out = rules.leave_out.iter().any(|code| code == seen.code);
                if !watched || left_out || self.tracks.len() >= TRACKS_MAX {
                    return;
                }
                self.tracks.push(CodeTrack::new(seen.code));
                self.tracks.len() - 1
            }
        };
        if self.closed.is_none() {
            self.closed = Some(calendar::day_of(seen.at).saturating_sub(1));
        }
        let Some(track) = self.tracks.get_mut(track) else { return };
        track.look_up(limits, seen);
        if let Some(rule) = &rules.mark_abuse {
            let cap = track.limit_of_hours();
            mark_abuse::note(&mut track.above, cap, rule, seen);
        }
        let mut found: Vec<(&Detector, Finding)> = Vec::new();
        for detector in TABLE {
            for look in detector.looks {
                if let LooksAt::Values(look) = look
                    && let Some(finding) = look(track, seen, rules)
                {
                    found.push((detector, finding));
                }
            }
        }
        for (detector, finding) in found {
            self.take(detector, rules, finding, out);
        }
    }

    /// Takes the times of a record.
    pub fn record(&mut self, rules: &LeadRules, seen: &RecordSeen, out: &mut Vec<LeadEffect>) {
        let Some(clock) = self.clocks.get_mut(usize::from(seen.pulse == Pulse::Minute)) else { return };
        for detector in TABLE {
            for look in detector.looks {
                let LooksAt::Records(look) = look else { continue };
                if let Some(finding) = look(clock, seen, rules) {
                    return self.take(detector, rules, finding, out);
                }
            }
        }
    }

    /// Takes a conflict of marks.
    pub fn conflict(&mut self, rules: &LeadRules, seen: &ConflictSeen<'_>, out: &mut Vec<LeadEffect>) {
        for detector in TABLE {
            for look in detector.looks {
                if let LooksAt::Conflicts(look) = look
                    && let Some(finding) = look(seen, rules)
                {
                    self.take(detector, rules, finding, out);
                }
            }
        }
    }

    /// Whether a day may be over that was not looked at: cheap, to be asked before [`Leads::pass`].
    #[must_use]
    pub fn waits_for(&self, now: Timestamp) -> bool {
        self.closed.is_some_and(|closed| closed.saturating_add(1) != calendar::day_of(now))
    }

    /// Lets time pass: days whose entries are closed by now are looked at.
    pub fn pass(&mut self, rules: &LeadRules, marks: &dyn MarksAsked, now: Timestamp, out: &mut Vec<LeadEffect>) {
        let Some(closed) = self.closed else { return };
        let today = calendar::day_of(now);
        let mut day = closed.clamp(today.saturating_sub(DAYS_AT_ONCE), today.saturating_sub(1));
        while day < today && marks.closes(calendar::start(day.saturating_add(1))) <= now {
            day = day.saturating_add(1);
            self.close(rules, marks, day, out);
        }
        self.closed = Some(day);
    }

    fn close(&mut self, rules: &LeadRules, marks: &dyn MarksAsked, day: i32, out: &mut Vec<LeadEffect>) {
        let mut found = Vec::new();
        for track in &mut self.tracks {
            for detector in TABLE {
                for look in detector.looks {
                    if let LooksAt::Days(look) = look
                        && let Some(finding) = look(track, day, marks, rules)
                    {
                        found.push((detector, finding));
                    }
                }
            }
        }
        for detector in TABLE {
            for look in detector.looks {
                if let LooksAt::Station(look) = look
                    && let Some(finding) = look(day, marks, rules)
                {
                    found.push((detector, finding));
                }
            }
        }
        for (detector, finding) in found {
            self.take(detector, rules, finding, out);
        }
        let mut out_of_service = Vec::new();
        for lead in self.open.iter_mut().filter(|lead| !lead.looked && lead.day <= day) {
            lead.looked = true;
            let span = lead.until.0.saturating_sub(lead.since.0).max(1);
            let excluded = marks.out_of_service(&lead.code, lead.since, Timestamp(lead.since.0.saturating_add(span)));
            // Half of the window: what is left of it would not have been found.
            if lead.of().is_some_and(|detector| detector.quiet_while_out) && excluded.saturating_mul(2) >= span {
                out_of_service.push(lead.id());
            }
        }
        for id in out_of_service {
            self.end(&id, LeadEnd::OutOfService, out);
        }
    }

    /// What an authority said of a lead, by a step of a case; whether there is such a lead.
    pub fn rule(&mut self, id: &str, how: LeadEnd, out: &mut Vec<LeadEffect>) -> bool {
        self.end(id, how, out)
    }

    /// A case names a lead; whether there is such a lead.
    pub fn named(&mut self, id: &str, case: &str, out: &mut Vec<LeadEffect>) -> bool {
        let Some(lead) = self.open.iter_mut().find(|lead| lead.id() == id) else { return false };
        if lead.case.as_deref() != Some(case) {
            lead.case = Some(case.to_owned());
            out.push(LeadEffect::Grown(Box::new(lead.clone())));
        }
        true
    }

    /// Leads are not looked for any more: all are ended and everything is forgotten.
    pub fn switch_off(&mut self, out: &mut Vec<LeadEffect>) {
        out.extend(self.open.drain(..).map(|lead| LeadEffect::Ended(Box::new(lead), LeadEnd::SwitchedOff)));
        *self = Leads::default();
    }

    fn end(&mut self, id: &str, how: LeadEnd, out: &mut Vec<LeadEffect>) -> bool {
        let Some(at) = self.open.iter().position(|lead| lead.id() == id) else { return false };
        if self.ruled.len() >= RULED_MAX {
            self.ruled.remove(0);
        }
        self.ruled.push(id.to_owned());
        out.push(LeadEffect::Ended(Box::new(self.open.remove(at)), how));
        true
    }

    fn take(&mut self, detector: &Detector, rules: &LeadRules, finding: Finding, out: &mut Vec<LeadEffect>) {
        let same = |lead: &&mut Lead| {
            let near = finding.since.0.saturating_sub(lead.until.0) <= finding.same_within && finding.same_within > 0;
            lead.detector == detector.id && lead.code == finding.code && (lead.day == finding.day || near)
        };
        if let Some(lead) = self.open.iter_mut().rev().find(same) {
            lead.add(finding);
            out.push(LeadEffect::Grown(Box::new(lead.clone())));
            return;
        }
        let lead = Lead::new(detector, (&rules.set, &rules.version), finding);
        if self.ruled.contains(&lead.id()) {
            return;
        }
        if self.open.len() >= OPEN_MAX
            && let Some((at, _)) = self.open.iter().enumerate().min_by_key(|(at, lead)| (lead.rank, *at))
        {
            out.push(LeadEffect::Ended(Box::new(self.open.remove(at)), LeadEnd::Forgotten));
        }
        self.open.push(lead.clone());
        out.push(LeadEffect::Raised(Box::new(lead)));
    }
}
