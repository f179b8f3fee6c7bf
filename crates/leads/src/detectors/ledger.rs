//! L11 台账与标记不符: the electronic ledger and the flags of the logger disagree about calibrations: an entry without a flag in its time, or a flag without
//! an entry within a day.
//!
//! A day is looked at when the entries of the day after it are closed: then whoever enters within [`LedgerRule::within`] has done so.
//!
//! Guards: only where the ledger is kept at all; an entry over whose time nothing came says nothing; flags that come at the same time of day as the day
//! before are automatic calibrations, which nobody enters.

use serde::Deserialize;

use super::super::INPUTS_MAX;
use super::super::amount::RuleSpan;
use super::super::asked::{FlagSeen, MarksAsked, WorkSeen};
use super::super::finding::{Finding, LeadInput};
use super::super::words::clock;
use hj212_judgement::{Words, calendar};
use hj212_model::message::Timestamp;

/// `[ledger]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LedgerRule {
    /// The marks that a calibration's flag makes, by name.
    pub marks: Vec<String>,
    /// An entry may be wrong by so much about its begin and end.
    pub slack: RuleSpan,
    /// A flag has an entry that begins or ends no further away than this.
    pub within: RuleSpan,
    /// What comes at the same time of day, give or take this, is automatic.
    pub daily: RuleSpan,
    /// 1 to 3.
    pub rank: u8,
    /// The clause or source.
    pub clause: String,
    /// How sure that is.
    pub certainty: String,
    /// The act it is about.
    pub act: String,
    /// How sure that is.
    pub act_certainty: String,
}

fn around(from: Timestamp, to: Timestamp, span: RuleSpan) -> (Timestamp, Timestamp) {
    (Timestamp(from.0.saturating_sub(span.0)), Timestamp(to.0.saturating_add(span.0)))
}

/// Looks at the day before `closed`, whose entries are closed.
pub(in super::super) fn look(rule: &LedgerRule, closed: i32, asked: &dyn MarksAsked) -> Option<Finding> {
    let day = closed.saturating_sub(1);
    let (from, to) = (calendar::start(day), calendar::start(closed));
    let (early, late) = around(from, to, rule.within);
    // Nothing is missed in a ledger that nobody keeps.
    let entries = asked.calibrations(early, late)?;
    let flags = asked.flagged(&rule.marks, Timestamp(early.0.min(from.0 - calendar::DAY)), late);
    let of_day = |at: Timestamp| (from..to).contains(&at);
    let unflagged = |entry: &&WorkSeen| {
        let (begin, end) = around(entry.since, entry.until, rule.slack);
        let flagged = flags.iter().any(|flag| flag.since <= end && flag.until.is_none_or(|until| until >= begin));
        of_day(entry.since) && !flagged && asked.heard(entry.since, entry.until)
    };
    let unentered = |flag: &&FlagSeen| {
        let (begin, end) = around(flag.since, flag.until.unwrap_or(to), rule.within);
        let entered = entries.iter().any(|entry| entry.since <= end && entry.until >= begin);
        of_day(flag.since) && !entered && !is_daily(rule, flag, &flags)
    };
    let entries_alone: Vec<&WorkSeen> = entries.iter().filter(unflagged).collect();
    let flags_alone: Vec<&FlagSeen> = flags.iter().filter(unentered).collect();
    if entries_alone.is_empty() && flags_alone.is_empty() {
        return None;
    }
    Some(finding(rule, day, (&entries_alone, &flags_alone)))
}

/// Whether the same object was flagged at the same time of the day before.
fn is_daily(rule: &LedgerRule, flag: &FlagSeen, flags: &[FlagSeen]) -> bool {
    let before = |other: &FlagSeen| (flag.since.0 - other.since.0 - calendar::DAY).abs() <= rule.daily.0;
    flags.iter().any(|other| other.object == flag.object && before(other))
}

fn finding(rule: &LedgerRule, day: i32, (entries, flags): (&[&WorkSeen], &[&FlagSeen])) -> Finding {
    let begins = entries.iter().map(|entry| entry.since).chain(flags.iter().map(|flag| flag.since));
    let ends = entries.iter().map(|entry| entry.until).chain(flags.iter().filter_map(|flag| flag.until));
    let since = begins.clone().min().unwrap_or(calendar::start(day));
    let until = ends.chain(begins).max().unwrap_or(since).max(since);
    let of_entry = |entry: &&WorkSeen| LeadInput { offset: entry.offset, at: entry.since, value: entry.id.clone() };
    let of_flag =
        |flag: &&FlagSeen| LeadInput { offset: 0, at: flag.since, value: format!("{} {}", flag.mark, flag.object) };
    let inputs = entries.iter().map(of_entry).chain(flags.iter().map(of_flag)).take(INPUTS_MAX).collect();
    let (alone, unentered) = (entries.len(), flags.len());
    Finding {
        code: String::new(),
        rank: rule.rank,
        day,
        since,
        until,
        numbers: vec![("entries_without_flag", alone.to_string()), ("flags_without_entry", unentered.to_string())],
        inputs,
        guards: vec!["ledger-kept", "was-heard", "no-automatic", "entries-closed"],
        words: Words {
            zh: format!(
                "请核查：台账与数据标记不一致：{} 起，{alone} 条校准台账期间没有校准标记，{unentered} 次校准标记前后没有校准台账。",
                clock(since)
            ),
            en: format!(
                "Look here: ledger and flags disagree: from {} on, {alone} calibrations in the ledger have no flag in their time, {unentered} flags of \
                 calibrations have no entry near them.",
                clock(since)
            ),
        },
        clause: rule.clause.clone(),
        certainty: rule.certainty.clone(),
        act: rule.act.clone(),
        act_certainty: rule.act_certainty.clone(),
        same_within: 0,
    }
}
