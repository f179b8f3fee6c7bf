//! What was judged, in words: Chinese for those who act on it, English beside it.

use super::calendar;
use super::day::{DayJudged, Reason};
use super::furnace::Windows;
use super::history::{RevisedBy, SaidAt, Stage};
use super::hour::HourJudged;
use super::limits::Limit;
use super::outcome::Outcome;
use super::running::{Possible, Running};
use hj212_marking::Count;
use hj212_model::message::Timestamp;

/// A text in both languages.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Words {
    /// In Chinese.
    pub zh: String,
    /// In English.
    pub en: String,
}

/// An outcome in words.
#[must_use]
pub(super) const fn outcome(outcome: Outcome) -> (&'static str, &'static str) {
    match outcome {
        Outcome::Met => ("达标", "the limit was met"),
        Outcome::Exceeded => ("超标", "the limit was exceeded"),
        Outcome::NotJudged => ("不判定", "not judged"),
        Outcome::LeftToPeople => ("待人工认定", "left to people"),
    }
}

const fn reason(reason: Reason) -> (&'static str, &'static str) {
    match reason {
        Reason::NoValues => ("当日没有小时数据", "no hour of the day came"),
        Reason::AllExcluded => ("停运，不计入统计", "the source was out of service"),
        Reason::AllExempt => ("均在豁免时段内", "all of it was exempt"),
        Reason::TooFew => ("有效小时数不足，日均值无效", "too few valid hours for an effective mean"),
        Reason::ShortByMarks => (
            "仅因停运或豁免时段致有效小时数不足，文件规定不一",
            "too few hours only because of exempt or excluded ones; texts differ",
        ),
        Reason::Conditional => ("结论取决于尚待认定的时段", "the outcome depends on hours that wait for a ruling"),
        Reason::NoFlow => ("部分时段无流量，不能加权", "some hours have no flow to be weighed with"),
        Reason::WindowsMissing => {
            ("缺少的5分钟均值可能改变结论", "the five-minute means that are missing could change it")
        }
        Reason::Invalid => ("数据无效或缺失", "the value is invalid or missing"),
    }
}

fn stage(at: SaidAt) -> (String, String) {
    let (zh, en) = match at.stage {
        Stage::Open => ("进行中", "going on"),
        Stage::Provisional => ("暂定：标记期限未到", "provisional: marks may still be entered"),
        Stage::Settled => ("已结算", "settled"),
    };
    if at.revision == 0 {
        return (zh.to_owned(), en.to_owned());
    }
    let causes: Vec<(&str, &str)> = at.causes.all().map(RevisedBy::words).collect();
    let join =
        |mark: &str, of: Vec<&str>| if of.is_empty() { String::new() } else { format!("{mark}{}", of.join(", ")) };
    let zh_causes = join("：", causes.iter().map(|(zh, _)| *zh).collect()).replace(", ", "、");
    let en_causes = join(": ", causes.iter().map(|(_, en)| *en).collect());
    (format!("{zh}后第 {} 次修订{zh_causes}", at.revision), format!("{en}, then revision {}{en_causes}", at.revision))
}

fn limit_words(limit: &Limit) -> (String, String) {
    let mut zh = format!("限值 {}", limit.max);
    let mut en = format!("limit {}", limit.max);
    let named: Vec<&str> = [limit.name.as_str(), limit.clause.as_str(), limit.certainty.as_str()]
        .into_iter()
        .filter(|text| !text.is_empty())
        .collect();
    if !named.is_empty() {
        zh.push_str(&format!("（{}）", named.join("，")));
        en.push_str(&format!(" ({})", named.join(", ")));
    }
    if let Some(decimals) = limit.decimals {
        zh.push_str(&format!("，按 GB/T 8170 修约到 {decimals} 位小数比较"));
        en.push_str(&format!(", compared after rounding to {decimals} decimals by GB/T 8170"));
    }
    (zh, en)
}

/// A day of a factor.
pub(super) fn day((number, code, limit): (i32, &str, &Limit), at: SaidAt, judged: &DayJudged) -> Words {
    let date = calendar::text(number);
    let (limit_zh, limit_en) = limit_words(limit);
    let value = judged.exempt.map(|value| value.text(6));
    let mut zh = format!("{date} {code} 日均值 {}，{limit_zh}：", value.as_deref().unwrap_or("无"));
    let mut en = format!("{date} {code}: daily mean {}, {limit_en}: ", value.as_deref().unwrap_or("none"));
    let (outcome_zh, outcome_en) = outcome(judged.outcome);
    zh.push_str(outcome_zh);
    en.push_str(outcome_en);
    if let Some(ratio) = judged.ratio.filter(|_| judged.outcome == Outcome::Exceeded) {
        zh.push_str(&format!("（超标倍数 {}）", ratio.multiple_text()));
        en.push_str(&format!(" (by {} times the limit)", ratio.multiple_text()));
    }
    for one in &judged.reasons {
        let (reason_zh, reason_en) = reason(*one);
        zh.push_str(&format!("；{reason_zh}"));
        en.push_str(&format!("; {reason_en}"));
    }
    if let Some((low, high)) = judged.between {
        zh.push_str(&format!("；视认定结果在 {} 至 {} 之间", low.text(6), high.text(6)));
        en.push_str(&format!("; between {} and {} depending on rulings", low.text(6), high.text(6)));
    }
    let h = judged.hours;
    zh.push_str(&format!(
        "。应有 {} 时：有效 {}，待认定 {}，豁免 {}，无效 {}，缺失 {}；停运 {}。",
        h.due, h.valid, h.conditional, h.exempt, h.invalid, h.missing, h.excluded
    ));
    en.push_str(&format!(
        ". Of {} hours due: valid {}, waiting for a ruling {}, exempt {}, invalid {}, missing {}; out of service {}.",
        h.due, h.valid, h.conditional, h.exempt, h.invalid, h.missing, h.excluded
    ));
    let (stage_zh, stage_en) = stage(at);
    zh.push_str(&format!("{stage_zh}。"));
    en.push_str(&format!(" {}.", capital(&stage_en)));
    Words { zh, en }
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// An hour of a factor.
pub(super) fn hour((at, code, limit): (Timestamp, &str, &Limit), standing: SaidAt, judged: &HourJudged) -> Words {
    let (limit_zh, limit_en) = limit_words(limit);
    let value = judged.exempt.map_or_else(String::new, |value| value.to_string());
    let (outcome_zh, outcome_en) = outcome(judged.outcome);
    let time = at.to_rfc3339();
    let time = time.get(..16).unwrap_or_default().replace('T', " ");
    let mut zh = format!("{time} {code} 小时均值 {value}，{limit_zh}：{outcome_zh}");
    let mut en = format!("{time} {code}: hourly mean {value}, {limit_en}: {outcome_en}");
    if let Some(why) = judged.reason {
        let (reason_zh, reason_en) = if why == Reason::AllExempt {
            ("在豁免时段内", "the hour is exempt")
        } else if why == Reason::Conditional {
            ("该时段尚待认定", "the hour waits for a ruling")
        } else {
            reason(why)
        };
        zh.push_str(&format!("；{reason_zh}"));
        en.push_str(&format!("; {reason_en}"));
    }
    if standing.revision > 0 {
        let (stage_zh, stage_en) = stage(standing);
        zh.push_str(&format!("。{stage_zh}"));
        en.push_str(&format!(". {}", capital(&stage_en)));
    }
    Words { zh: format!("{zh}。"), en: format!("{en}.") }
}

/// The day that is going on.
pub(super) fn running((code, limit): (&str, &Limit), running: &Running) -> Words {
    let (limit_zh, limit_en) = limit_words(limit);
    let mean = running.mean.map(|mean| mean.text(6)).unwrap_or_default();
    let mut zh = format!("{code} 截至目前 {} 时均值 {mean}，{limit_zh}：", running.hours);
    let mut en = format!("{code}: mean of {} hours so far {mean}, {limit_en}: ", running.hours);
    let (possible_zh, possible_en) = match running.possible {
        Possible::SureToExceed => {
            ("余下各时即使为 0 也将超标", "it will exceed even with 0 in all hours that are left")
        }
        Possible::CanMeet => ("仍可达标", "it can still meet the limit"),
        Possible::Unknown => ("尚无有效数据", "no valid values yet"),
    };
    zh.push_str(possible_zh);
    en.push_str(possible_en);
    if let Some(most) = running.rest_max {
        zh.push_str(&format!("，余下 {} 时均值不得高于 {}", running.left, most.text(3)));
        en.push_str(&format!(" if the mean of the {} hours left is at most {}", running.left, most.text(3)));
    }
    if running.assumes.is_some() {
        zh.push_str("（假定余下流量为已过各时的平均流量）");
        en.push_str(" (with the flow of the hours left taken as the mean flow so far)");
    }
    Words { zh: format!("{zh}。"), en: format!("{en}.") }
}

/// The furnace test of a day.
pub(super) fn furnace(
    (number, rule, object): (i32, &Count, &str),
    at: SaidAt,
    (windows, is): (&Windows, Outcome),
    reasons: &[Reason],
) -> Words {
    let date = calendar::text(number);
    let (outcome_zh, outcome_en) = outcome(is);
    let (low, seen, lifted, below) = (windows.low, windows.seen, windows.lifted, rule.below);
    let mut zh = format!(
        "{date} {object} {}：低于 {below} 的5分钟均值 {low} 个（允许 {} 个），收到 {seen} 个",
        rule.zh, rule.max
    );
    let mut en = format!(
        "{date} {object}, {}: {low} five-minute means below {below} ({} are borne), {seen} came",
        rule.en, rule.max
    );
    if lifted > 0 {
        zh.push_str(&format!("，另有 {lifted} 个在标记时段内不计"));
        en.push_str(&format!(", {lifted} more under marks are not counted"));
    }
    zh.push_str(&format!("：{outcome_zh}"));
    en.push_str(&format!(": {outcome_en}"));
    for one in reasons {
        let (reason_zh, reason_en) = match one {
            Reason::NoValues => ("当日没有收到5分钟均值", "no five-minute mean of the day came"),
            Reason::AllExcluded
            | Reason::AllExempt
            | Reason::TooFew
            | Reason::ShortByMarks
            | Reason::Conditional
            | Reason::NoFlow
            | Reason::WindowsMissing
            | Reason::Invalid => reason(*one),
        };
        zh.push_str(&format!("；{reason_zh}"));
        en.push_str(&format!("; {reason_en}"));
    }
    let (stage_zh, stage_en) = stage(at);
    zh.push_str(&format!("（{}，{:?}）。{stage_zh}。", rule.clause, rule.certainty));
    en.push_str(&format!(" ({}, {:?}). {}.", rule.clause, rule.certainty, capital(&stage_en)));
    Words { zh, en }
}
