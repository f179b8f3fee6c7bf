//! Why a reading is marked, in words.

use super::calendar;
use super::expr::DAY;
use super::mark::{Mark, Standing};
use super::rules::{Dimension, RuleBook, Validity};
use super::spans::{Span, clipped, joined, minus};
use hj212_model::message::Timestamp;

/// The same in both languages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Words {
    /// In Chinese.
    pub zh: String,
    /// In English.
    pub en: String,
}

/// What a mark on a facility says of a stack that others share, whatever they do at the moment.
#[must_use]
pub fn of_shared(mark: &Mark, sharers: &[&str]) -> Option<Words> {
    let condition = mark.dimension == Dimension::Condition && mark.validity.needs_confirmation();
    if !condition || sharers.is_empty() {
        return None;
    }
    let (zh, en) = in_words(mark.validity);
    Some(Words {
        zh: format!("数据{zh}；与 {} 共用排口的因子，仅在后者同时停运或豁免时如此，否则须人工裁定", sharers.join("、")),
        en: format!(
            "the readings are {en}; those of a stack that it shares with {} only while that is out of service or exempt too, else people must rule",
            sharers.join(", ")
        ),
    })
}

/// What a validity means, in Chinese and in English.
#[must_use]
pub fn in_words(validity: Validity) -> (&'static str, &'static str) {
    match validity {
        Validity::Valid => ("有效", "valid"),
        Validity::Conditional => ("需人工裁定", "left to a ruling by people"),
        Validity::Exempt => ("豁免（数值有效，不作超标判定）", "exempt (a good value that is not judged)"),
        Validity::Excluded => ("不参与统计", "not counted"),
        Validity::Invalid => ("无效", "invalid"),
        Validity::Missing => ("缺失", "missing"),
    }
}

/// So many runs of days are named.
const DAYS_MAX: usize = 8;

/// The days of Beijing that spans of time have a part in, as runs.
fn in_days(spans: &[Span]) -> Words {
    let day = |at: i64| calendar::floor(at, DAY);
    let end = |to: i64| if to == i64::MAX { to } else { day(to - 1) + DAY };
    let days = joined(&spans.iter().map(|(from, to)| (day(*from), end(*to))).collect::<Vec<_>>());
    let name = |at: i64| Timestamp(at).to_rfc3339().get(..10).unwrap_or_default().to_owned();
    let run = |(from, to): &Span, on: &str, and: &str| match (*to, to.saturating_sub(*from)) {
        (i64::MAX, _) => format!("{}{on}", name(*from)),
        (_, DAY) => name(*from),
        (to, _) => format!("{}{and}{}", name(*from), name(to - DAY)),
    };
    let all = |on: &str, and: &str, beside: &str| {
        let mut runs: Vec<String> = days.iter().take(DAYS_MAX).map(|span| run(span, on, and)).collect();
        if days.len() > DAYS_MAX {
            runs.push("…".to_owned());
        }
        runs.join(beside)
    };
    Words { zh: all(" 起", " 至 ", "、"), en: all(" on", " to ", ", ") }
}

impl Mark {
    /// The days of its time that were open when it was entered, and those that were closed.
    fn days(&self) -> (Words, Words) {
        let whole = (self.since.0, self.until.map_or(i64::MAX, |until| until.0));
        let shut: Vec<Span> = self.shut.iter().map(|(from, to)| (from.0, to.0)).collect();
        let shut = clipped(&[vec![(whole.0, self.from.0)], shut].concat(), whole.0, whole.1);
        (in_days(&minus(&[whole], &shut)), in_days(&shut))
    }
}

/// Says why `mark` is there and what it does, with its clause.
#[must_use]
pub fn explain(book: &RuleBook, mark: &Mark) -> Words {
    explain_as(book, mark, None)
}

/// The same where it was looked at what the mark makes of readings ([`super::Working`]): these words take the place of what its kind says. A
/// mark without any effect is explained by its standing.
#[must_use]
pub fn explain_as(book: &RuleBook, mark: &Mark, works: Option<&Words>) -> Words {
    let kind = book.marks.get(&mark.mark);
    let (zh_name, en_name) = kind.map_or((mark.mark.as_str(), mark.mark.as_str()), |kind| (&kind.zh, &kind.en));
    let since = mark.since.to_rfc3339();
    let (zh_dimension, en_dimension) = match mark.dimension {
        Dimension::Device => ("设备标记", "device mark"),
        Dimension::Condition => ("工况标记", "condition mark"),
    };
    let until = mark.until.map(|until| until.to_rfc3339());
    let (zh_until, en_until) = until
        .map_or(("尚未结束".to_owned(), "has not ended".to_owned()), |u| (format!("至 {u}"), format!("until {u}")));
    let mut zh = format!("{}：{zh_dimension}「{zh_name}」（{}），自 {since} {zh_until}。", mark.object, mark.mark);
    let mut en = format!("{}: {en_dimension} \"{en_name}\" ({}), since {since}, {en_until}.", mark.object, mark.mark);
    match &mark.said {
        Some((reason, proof, author)) => {
            zh.push_str(&format!("人工填报 {}：{reason}；凭证：{proof}；填报人：{author}。", mark.by));
            en.push_str(&format!(" Entered by hand ({}) by {author}: {reason}; proof: {proof}.", mark.by));
        }
        None => {
            let inputs: Vec<String> = mark
                .inputs
                .iter()
                .map(|i| {
                    format!("{} = {} ({})", [&*i.signal, &*i.code].join(" ").trim_end(), i.value, i.at.to_rfc3339())
                })
                .collect();
            let inputs = inputs.join(", ");
            zh.push_str(&format!("规则 {} 第 {} 版：{}；依据数据：{inputs}。", mark.by, mark.version, mark.when));
            en.push_str(&format!(" Rule {} version {}: {}; it saw {inputs}.", mark.by, mark.version, mark.when));
        }
    }
    for exceedance in &mark.exceedances {
        let last = exceedance.last.to_rfc3339();
        let limit = [&*exceedance.limit, &*exceedance.name].join(" ");
        let limit = limit.trim_end();
        zh.push_str(&format!("注意：{} 在 {last} 超标（{} > {}）。", exceedance.code, exceedance.value, limit));
        en.push_str(&format!(" Note: {} exceeded at {last} ({} > {}).", exceedance.code, exceedance.value, limit));
    }
    let (zh_validity, en_validity) = in_words(mark.validity);
    let (zh_effect, en_effect) = match mark.effect() {
        Some(_) if mark.said.is_some() && mark.late => {
            let (zh_is, en_is) = works.map_or_else(
                || (format!("数据{zh_validity}"), format!("the readings are {en_validity}")),
                |works| (works.zh.clone(), works.en.clone()),
            );
            let (open, shut) = mark.days();
            let zh = format!("填报时已截止、不生效的日期：{}；未截止的日期：{}，其间{zh_is}", shut.zh, open.zh);
            (
                zh,
                format!("closed when it was entered, and without effect: {}; open: {}, then {en_is}", shut.en, open.en),
            )
        }
        Some(_) => works.map_or_else(
            || (format!("数据{zh_validity}"), format!("the readings are {en_validity}")),
            |works| (works.zh.clone(), works.en.clone()),
        ),
        None if mark.late => {
            ("逾期填报，保留但不生效".into(), "entered after the deadline: kept, without effect".into())
        }
        None if mark.standing == Standing::Annulled => {
            ("已被主管部门撤销，自始无效".into(), "annulled by an authority: it never had effect".into())
        }
        None if mark.standing == Standing::Waiting => {
            ("须经主管部门裁定接受后方生效".into(), "it takes effect only when an authority has accepted it".into())
        }
        None if mark.standing == Standing::Confirmed => {
            ("已确认，以人工填报的时段为准".into(), "confirmed: the entry takes effect over its own time".into())
        }
        None if mark.standing == Standing::Proposed => {
            ("仅为建议，须经排污单位确认".into(), "only proposed, until the discharger confirms it".into())
        }
        None => {
            let since = mark.without.last().map(|(from, _)| from.to_rfc3339()).unwrap_or_default();
            (
                format!("限额自 {since} 已用尽，不再豁免"),
                format!("the limit is spent since {since}: it exempts no more"),
            )
        }
    };
    if let Some(ruled) = &mark.ruled {
        let (role, ruling) = (ruled.role, ruled.ruling);
        let decision = if ruled.decision.is_empty() { String::new() } else { format!("，文号 {}", ruled.decision) };
        zh.push_str(&format!("{}裁定「{}」（{}，{}{decision}）。", role.zh(), ruling.zh(), ruled.id, ruled.author));
        let decision = if ruled.decision.is_empty() { String::new() } else { format!(", decision {}", ruled.decision) };
        en.push_str(&format!(
            " The {} ruled \"{}\" ({}, {}{decision}).",
            role.name(),
            ruling.name(),
            ruled.id,
            ruled.author
        ));
        if let Some((from, to)) = ruled.within {
            let (from, to) = (from.to_rfc3339(), to.to_rfc3339());
            zh.push_str(&format!("仅 {from} 至 {to} 有效力。"));
            en.push_str(&format!(" It stands from {from} to {to} only."));
        }
    }
    for (from, to) in mark.waiting_parts() {
        let until = (to != i64::MAX).then(|| Timestamp(to).to_rfc3339());
        let from = Timestamp(from).to_rfc3339();
        let (zh_until, en_until) =
            until.map_or(("起".to_owned(), "on".to_owned()), |u| (format!(" 至 {u}"), format!("to {u}")));
        zh.push_str(&format!("{from}{zh_until}：与已被裁定的标记重合，该时段须经裁定接受后方生效。"));
        en.push_str(&format!(
            " From {from} {en_until} it lies over what was ruled about: there it takes effect only when an authority has accepted it."
        ));
    }
    for (from, until) in mark.without.iter().filter(|_| !mark.spent && mark.validity.needs_confirmation()) {
        let (from, until) = (from.to_rfc3339(), until.to_rfc3339());
        zh.push_str(&format!("{from} 至 {until} 限额已用尽，不豁免。"));
        en.push_str(&format!(" The limit was spent from {from} to {until}: it exempted nothing then."));
    }
    zh.push_str(&format!("{zh_effect}。依据：{}（确定性 {:?}）。", mark.clause, mark.certainty));
    en.push_str(&format!(" Effect: {en_effect}. Clause: {} (certainty {:?}).", mark.clause, mark.certainty));
    Words { zh, en }
}
