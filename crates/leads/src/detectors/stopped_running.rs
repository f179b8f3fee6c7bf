//! L6 标停未停: the marking rules found that a source runs while it is marked as out of service. The conflict is theirs; here it becomes a lead.

use serde::Deserialize;

use super::super::finding::Finding;
use super::super::seen::ConflictSeen;
use super::super::words::clock;
use hj212_judgement::{Words, calendar};

/// `[stopped_running]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoppedRunningRule {
    /// The conflicts that are leads, by their names without the set.
    pub conflicts: Vec<String>,
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

pub(in super::super) fn look(rule: &StoppedRunningRule, seen: &ConflictSeen<'_>) -> Option<Finding> {
    if !rule.conflicts.iter().any(|name| name == seen.name) {
        return None;
    }
    let (object, mark, since) = (seen.object, seen.mark, clock(seen.since));
    Some(Finding {
        code: object.to_owned(),
        rank: rule.rank,
        day: calendar::day_of(seen.since),
        since: seen.since,
        until: seen.at.max(seen.since),
        numbers: vec![("conflict", seen.name.to_owned()), ("mark", mark.to_owned())],
        inputs: seen.inputs.clone(),
        guards: vec!["held-long-enough"],
        words: Words {
            zh: format!("请核查：{object} 标记为 {mark}，自 {since} 起：{}。", seen.zh.trim_end_matches('。')),
            en: format!("Look here: {object} is marked {mark}; since {since}: {}.", seen.en.trim_end_matches('.')),
        },
        clause: format!("{}; {}", seen.clause, rule.clause),
        certainty: rule.certainty.clone(),
        act: rule.act.clone(),
        act_certainty: rule.act_certainty.clone(),
        same_within: 0,
    })
}
