//! What `marks explain|list` says, Chinese first.
//!
//! What must stay true: every word about effect and worth comes from what the marking itself says ([`hj212_marking::Working`], the published
//! `validity`), never from the name or the kind of a mark.

use std::fmt::Write;

use super::evidence::Evidence;
use crate::gateway::json_members::{self, members};
use crate::gateway::marks::{Answer, Item, Later, Listed, Report, What};
use hj212_marking::{Decision, Mark, Role, RuleBook, Standing, Validity, Words, Working, explain_as, in_words};

pub(super) fn reported(answer: &Answer, report: &Report, evidence: Option<&Evidence<'_>>) -> Result<String, u8> {
    let mut text = String::new();
    let (at, arrived) = (report.data_time.to_rfc3339(), report.arrived.to_rfc3339());
    let (kind, offset, known) = (report.kind.name(), report.offset.0, answer.known.to_rfc3339());
    let _ = writeln!(text, "{at} {kind}：记录 {offset}，到达 {arrived}；以下为截至 {known} 所知。");
    let _ = writeln!(text, "{at} {kind}: record {offset}, arrived {arrived}; what follows is known up to {known}.");
    if let Some(begin) = answer.begin {
        let begin = begin.to_rfc3339();
        let _ = writeln!(
            text,
            "注意：日志从 {begin} 开始；此前填报的标记和裁定可能未列出，以下按尚存的记录重算，可能与当时发布的不同。"
        );
        let _ = writeln!(
            text,
            "Note: the journal begins at {begin}; marks and rulings entered before may not be shown. What follows is computed from what is left, and can differ from what was published."
        );
    }
    if let Some(evidence) = evidence {
        evidence.of_report(&mut text, report)?;
    }
    let readings = json_members::readings(&report.body);
    for (((code, marks), works), now) in report.marks.iter().zip(&report.works).zip(&report.now) {
        if let Some((_, reading)) = readings.iter().find(|(known, _)| known == code) {
            judged(&mut text, (answer, evidence), (code, reading), (marks, works), *now)?;
        }
    }
    came_later(&mut text, &report.later);
    Ok(text)
}

/// One reading: what was said, what it is worth, and why.
fn judged(
    text: &mut String,
    (answer, evidence): (&Answer, Option<&Evidence<'_>>),
    (code, reading): (&str, &str),
    (marks, works): (&[Mark], &[Option<Working>]),
    now: Option<Validity>,
) -> Result<(), u8> {
    let get = |name: &str| members(reading).find(|(known, _)| *known == name).map(|(_, value)| value);
    let judgement = ["name", "unit", "valid", "validity", "marks", "proposed", "recomputed"];
    let said: Vec<String> = members(reading)
        .filter(|(name, _)| !judgement.contains(name))
        .map(|(name, value)| format!("{name} = {value}"))
        .collect();
    let said = said.join(", ");
    let plain = |name| get(name).filter(|value| *value != "null").unwrap_or_default().trim_matches('"');
    let _ = writeln!(text, "\n{code} {} {}", plain("name"), plain("unit"));
    let _ = writeln!(text, "  站点上报：{said}\n  the station said: {said}");
    let names = |key| -> Vec<String> { get(key).and_then(|list| serde_json::from_str(list).ok()).unwrap_or_default() };
    let (applied, proposed) = (names("marks"), names("proposed"));
    let (zh, en) = worth(get("valid"), get("validity"));
    let because = if applied.is_empty() { String::new() } else { format!(" ({})", applied.join(", ")) };
    let _ = writeln!(text, "  有效性：{zh}{because}\n  validity: {en}{because}");
    let (zh_now, en_now) = now.map_or(NO_RULE, in_words);
    let known = answer.known.to_rfc3339();
    let (zh_same, en_same) = if en_now == en { ("（未变）", " (as then)") } else { ("", "") };
    let _ =
        writeln!(text, "  截至 {known} 的有效性：{zh_now}{zh_same}\n  validity as known on {known}: {en_now}{en_same}");
    if let Some(recomputed) = get("recomputed") {
        let _ = writeln!(text, "  由更细数据重算：{recomputed}\n  recomputed from finer values: {recomputed}");
    }
    for ((number, mark), works) in (1..).zip(marks).zip(works) {
        let then = applied.contains(&mark.mark) || proposed.contains(&mark.mark);
        let mut note =
            if then { String::new() } else { "（当时未计入 not part of the judgement then）".to_owned() };
        if let Some(by) = answer.replaced.get(&mark.by).filter(|_| mark.said.is_some()) {
            note.push_str(&replaced(by));
        }
        marked(text, &answer.book, mark, (number, &note), works.as_ref().map(Working::of_report).as_ref());
        if let Some(evidence) = evidence {
            evidence.of_mark(text, mark)?;
        }
    }
    let met = |name: &&String| !marks.iter().any(|mark| mark.mark == **name);
    for (name, proposes) in applied.iter().map(|name| (name, false)).chain(proposed.iter().map(|name| (name, true))) {
        if met(&name) {
            flagged(text, &answer.book, name, proposes);
            if let Some(evidence) = evidence {
                evidence.of_letter(text, name);
            }
        }
    }
    if marks.is_empty() && applied.is_empty() && proposed.is_empty() {
        text.push_str("  没有标记。\n  No marks.\n");
    }
    Ok(())
}

/// That an entry was withdrawn or superseded.
pub(super) fn replaced(by: &str) -> String {
    format!("（已被 {by} 撤回或更正 withdrawn or superseded by {by}）")
}

/// What a listed mark makes of readings over its own time, where that is not what it says of itself; factors that are alike together.
pub(super) fn over_time(listed: &Listed) -> Option<Words> {
    if listed.works.iter().all(|working| working.is_as_said(&listed.mark)) {
        return None;
    }
    let mut alike: Vec<(Words, Vec<&str>)> = Vec::new();
    for working in &listed.works {
        let words = working.of_time();
        match alike.iter_mut().find(|(known, _)| *known == words) {
            Some((_, codes)) => codes.push(&working.code),
            None => alike.push((words, vec![&working.code])),
        }
    }
    let zh: Vec<String> = alike.iter().map(|(words, codes)| format!("{}：{}", codes.join("、"), words.zh)).collect();
    let en: Vec<String> = alike.iter().map(|(words, codes)| format!("{}: {}", codes.join(", "), words.en)).collect();
    Some(Words { zh: zh.join("；"), en: en.join("; ") })
}

/// What came after the moment up to which a report was looked at.
fn came_later(text: &mut String, later: &Later) {
    if later.items.is_empty() {
        return;
    }
    let more = if later.more { "（只列出最早的几项 only the first are shown）" } else { "" };
    let _ = writeln!(text, "\n此后另有变化，未计入以上内容；用 --known now 查看：{more}");
    let _ = writeln!(text, "What came later is not counted above; --known now shows it:");
    for Item { at, offset, what } in &later.items {
        let (zh, en) = later_in_words(what);
        let _ = writeln!(text, "  {} 记录 record {offset}: {zh}\n     {en}", at.to_rfc3339());
    }
}

fn later_in_words(what: &What) -> (String, String) {
    match what {
        What::Entered(id, late) => {
            let (zh, en) = if *late { ("（逾期）", " (late)") } else { ("", "") };
            (format!("人工填报 {id}{zh}"), format!("mark {id} was entered by hand{en}"))
        }
        What::Withdrawn(id, by) => {
            (format!("{id} 被 {by} 撤回或更正"), format!("{id} was withdrawn or superseded by {by}"))
        }
        What::Ruled(role, id, ruling, about) => {
            let role_zh = Role::ALL.into_iter().find(|known| known.name() == role).map_or("", Role::zh);
            let ruling_zh = Decision::named(ruling).map_or("", Decision::zh);
            (
                format!("{role_zh}对 {about} 作出裁定「{ruling_zh}」（{id}）"),
                format!("{role} ruled \"{ruling}\" about {about} ({id})"),
            )
        }
        What::Corrected(revision) => (
            format!("同一时段的数据被更正（revision {revision}）"),
            format!("the report came again with other values (revision {revision})"),
        ),
        What::Worth(code, was, is) => {
            let ((zh_was, en_was), (zh_is, en_is)) = (was.map_or(NO_RULE, in_words), is.map_or(NO_RULE, in_words));
            (format!("{code} 的有效性：{zh_was} → {zh_is}"), format!("validity of {code}: {en_was} -> {en_is}"))
        }
    }
}

const NO_RULE: (&str, &str) = ("没有规则对其作出判断", "no rule says anything of it");

fn worth(valid: Option<&str>, validity: Option<&str>) -> (&'static str, &'static str) {
    let special = validity.map(|name| name.trim_matches('"')).and_then(Validity::named);
    match (special, valid) {
        (Some(validity), _) => in_words(validity),
        (None, Some("true")) => in_words(Validity::Valid),
        (None, Some("false")) => in_words(Validity::Invalid),
        (None, Some(_) | None) => NO_RULE,
    }
}

/// A mark with its rule or entry, its evidence and its standing.
pub(super) fn marked(
    text: &mut String,
    book: &RuleBook,
    mark: &Mark,
    (number, note): (usize, &str),
    works: Option<&Words>,
) {
    let words = explain_as(book, mark, works);
    let (zh, en) = match mark.standing {
        Standing::Applied => ("已生效", "applied"),
        Standing::Proposed => ("建议", "proposed"),
        Standing::Confirmed => ("已确认", "confirmed"),
        Standing::Waiting => ("待裁定", "waiting-for-ruling"),
        Standing::Annulled => ("已撤销", "annulled"),
        Standing::Entered => ("人工填报", "entered"),
    };
    let _ = writeln!(text, "  {number}. [{zh} {en}] {}{note}\n     {}", words.zh, words.en);
    if mark.said.is_none() {
        let file = book.file_of(&mark.by, mark.version).unwrap_or("-");
        let _ = writeln!(text, "     规则文件 rule file: {file}; 条件 condition: {}", mark.when);
        for input in &mark.inputs {
            let flag = if input.flag.is_empty() { String::new() } else { format!(" [{}]", input.flag) };
            let name = format!("{} {}", input.signal, input.code);
            let (name, at) = (name.trim_end(), input.at.to_rfc3339());
            let _ = writeln!(text, "     依据 input: {name} = {}{flag} @ {at}", input.value);
        }
    }
    for conflict in &mark.met {
        let _ = writeln!(text, "     冲突 conflict: {conflict}");
    }
}

/// A mark that stands on this reading alone: of its own flag or value. `proposes`: it takes the reading out of judgement by no letter, people must
/// rule.
fn flagged(text: &mut String, book: &RuleBook, name: &str, proposes: bool) {
    let Some(kind) = book.marks.get(name) else {
        let other = name.split_once(':').and_then(|(set, _)| book.sets.get(set)?.other_flags);
        let (zh, en) = other.map_or(NO_RULE, in_words);
        let _ = writeln!(
            text,
            "  - {name}：规则中没有的标记，该数据{zh}\n    {name}: a flag that no rule knows; the reading is {en}"
        );
        return;
    };
    let (zh, en) = if proposes {
        let (zh, en) = in_words(Validity::Conditional);
        let (zh_would, en_would) = in_words(kind.validity);
        (format!("仅为建议（{zh_would}），该数据{zh}"), format!("only proposed ({en_would}): the reading is {en}"))
    } else {
        let (zh, en) = in_words(kind.validity);
        (zh.to_owned(), en.to_owned())
    };
    let (source, certainty) = (&kind.source, kind.certainty);
    let _ = writeln!(text, "  - {}（{name}），仅就该数据：{zh}。依据：{source}（确定性 {certainty:?}）。", kind.zh);
    let _ = writeln!(
        text,
        "    {} ({name}), of this reading alone: {en}. Clause: {source} (certainty {certainty:?}).",
        kind.en
    );
}
