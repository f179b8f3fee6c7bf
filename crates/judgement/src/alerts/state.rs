//! Which alerts are open, and what is said of them.
//!
//! What must stay true: a colour that rests on a day that is not settled is provisional itself. What is due, and what cases are told, follows from the
//! settled days alone, and does not change while nothing settled does.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::super::asked::Asked;
use super::super::calendar::{self, SECOND};
use super::super::decimal::Ratio;
use super::super::history::Stage;
use super::super::outcome::Outcome;
use super::super::running::{Possible, Running};
use super::super::said::{Raised, Said, What};
use super::rules::{Colour, Name, Rules};
use super::words;
use hj212_model::message::Timestamp;
use hj212_model::message::topic::fnv;

/// Days that an alert shows, the latest.
pub const DAYS_SHOWN: usize = 31;
/// Warnings ahead that are remembered as told, so that each is said once a day.
const PRE_MAX: usize = 64;
/// How often an alert is looked at while no day changes.
const LOOK: i64 = 600 * SECOND;

/// A day of a factor, as far as alerts are concerned.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in super::super) struct DayResult {
    pub(in super::super) day: i32,
    pub(in super::super) stage: Stage,
    pub(in super::super) outcome: Outcome,
    pub(in super::super) ratio: Option<Ratio>,
}

/// An alert that is open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alert {
    /// The factor.
    pub code: String,
    /// The day that it began with.
    pub first: i32,
    /// The rank of its colour.
    pub rank: u8,
    /// Settled, if the settled days alone give this rank.
    pub stage: Stage,
    /// The rank that the settled days alone give; none: no day of it is settled.
    pub settled: Option<u8>,
    /// When it first had that rank or a higher one: what is due counts from there.
    pub since: Option<Timestamp>,
    /// How often it was said again.
    pub reminded: u8,
    /// When last.
    pub reminded_at: Timestamp,
    /// The set and version by which it has its colour.
    set: String,
    print: u64,
}

/// The alerts of an outlet.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Alerts {
    open: Vec<Alert>,
    /// Warnings ahead that were told: rule, factor, day.
    told: Vec<(String, String, i32)>,
    /// Alerts that were said, of the days that are remembered: factor, first and last day.
    said: Vec<(String, i32, i32)>,
    looked: Timestamp,
}

/// What the days of a factor come to.
#[derive(Debug, Default)]
struct Course {
    first: i32,
    rank: u8,
    days: Vec<(i32, Option<Ratio>, u8)>,
    run: u32,
    met: u32,
}

/// What all days come to, and what the settled ones do.
#[derive(Debug, Clone, Copy)]
struct Both<'a> {
    all: &'a Course,
    settled: Option<&'a Course>,
}

impl Both<'_> {
    fn stage(self) -> Stage {
        let settled = self.settled.is_some_and(|settled| settled.rank >= self.all.rank);
        if settled { Stage::Settled } else { Stage::Provisional }
    }
}

impl Alerts {
    /// Those that are open, in the order of their factors.
    pub fn open(&self) -> impl Iterator<Item = &Alert> {
        self.open.iter()
    }

    /// Whether it is time to look for reminders.
    pub(in super::super) fn is_due(&self, now: Timestamp) -> bool {
        !self.open.is_empty() && now.0 >= self.looked.0.saturating_add(LOOK)
    }

    /// Raises, lowers and ends alerts by what is known of the days now.
    pub(in super::super) fn follow(
        &mut self,
        rules: &Rules,
        results: &BTreeMap<String, Vec<DayResult>>,
        asked: &dyn Asked,
        now: Timestamp,
        out: &mut Vec<Said>,
    ) {
        self.looked = now;
        let (mut exceeded, mut settled_exceeded) = (BTreeMap::new(), BTreeMap::new());
        for result in results.values().flatten().filter(|result| result.outcome == Outcome::Exceeded) {
            *exceeded.entry(result.day).or_default() += 1u32;
            if result.stage == Stage::Settled {
                *settled_exceeded.entry(result.day).or_default() += 1u32;
            }
        }
        let mut codes: Vec<String> =
            results.keys().cloned().chain(self.open.iter().map(|alert| alert.code.clone())).collect();
        codes.sort();
        codes.dedup();
        for code in codes {
            let days = results.get(&code).map_or(&[][..], Vec::as_slice);
            let before = self.open.iter().position(|alert| alert.code == code);
            let known = before.and_then(|at| self.open.get(at)).cloned();
            let older = known.as_ref().map(|alert| (alert.first, alert.rank));
            let settled_older = known.as_ref().and_then(|alert| alert.settled.map(|rank| (alert.first, rank)));
            let settled_days: Vec<DayResult> =
                days.iter().filter(|result| result.stage == Stage::Settled).copied().collect();
            let (settled, settled_closed) = course(rules, &settled_days, &settled_exceeded, settled_older);
            let (course, closed) = course(rules, days, &exceeded, older);
            let ended = known.as_ref().is_some_and(|alert| closed.iter().any(|course| course.first == alert.first));
            // What was found to exceed when later days had met the limit already is said all the same, once.
            for past in &closed {
                let said = |(known, first, last): &(String, i32, i32)| {
                    *known == code && (*first..=*last).contains(&past.first)
                };
                let said = self.said.iter().any(said);
                let settled = settled_closed.iter().find(|course| course.first == past.first);
                if !said && settled.is_some() {
                    self.begin(rules, &code, Both { all: past, settled }, now, out);
                    if let Some(alert) = self.open.pop() {
                        end(rules, &alert, days, true, now, out);
                    }
                }
            }
            match (known, course) {
                (Some(alert), Some(course)) if course.first == alert.first => {
                    let both = Both { all: &course, settled: settled.as_ref() };
                    self.say_again(rules, alert, both, now, out);
                }
                (known, course) => {
                    if let Some(alert) = known {
                        self.open.retain(|open| open.code != code);
                        if !ended {
                            // It was taken back: should its days exceed after all, that is to be said anew.
                            self.said.retain(|(known, first, _)| *known != code || *first != alert.first);
                        }
                        end(rules, &alert, days, ended, now, out);
                    }
                    if let Some(course) = course {
                        let both = Both { all: &course, settled: settled.as_ref() };
                        self.begin(rules, &code, both, now, out);
                    }
                }
            }
        }
        self.open.sort_by(|one, other| one.code.cmp(&other.code));
        let oldest = results.values().filter_map(|days| days.first()).map(|result| result.day).min();
        self.said.retain(|(.., last)| oldest.is_some_and(|oldest| *last >= oldest));
        self.remind(rules, asked, now, out);
    }

    fn begin(&mut self, rules: &Rules, code: &str, both: Both<'_>, now: Timestamp, out: &mut Vec<Said>) {
        let course = both.all;
        let mut alert = Alert {
            code: code.to_owned(),
            first: course.first,
            rank: course.rank,
            stage: both.stage(),
            settled: both.settled.map(|settled| settled.rank),
            since: both.settled.map(|_| now),
            reminded: 0,
            reminded_at: now,
            set: format!("{}/{}", rules.set, rules.version),
            print: 0,
        };
        say(rules, &mut alert, both, (None, "exceeded"), now, out);
        self.note_said(&alert, course);
        self.open.push(alert);
    }

    /// Remembers which days of a factor an alert was said of.
    fn note_said(&mut self, alert: &Alert, course: &Course) {
        let last = course.days.last().map_or(alert.first, |(day, ..)| *day);
        match self.said.iter_mut().find(|(code, first, _)| *code == alert.code && *first == alert.first) {
            Some((.., known)) => *known = last.max(*known),
            None => self.said.push((alert.code.clone(), alert.first, last)),
        }
    }

    fn say_again(&mut self, rules: &Rules, before: Alert, both: Both<'_>, now: Timestamp, out: &mut Vec<Said>) {
        let course = both.all;
        let mut alert = before.clone();
        (alert.rank, alert.stage) = (course.rank, both.stage());
        alert.settled = both.settled.map(|settled| settled.rank);
        alert.set = format!("{}/{}", rules.set, rules.version);
        if alert.settled.is_none() {
            alert.since = None;
        } else if alert.settled > before.settled {
            (alert.since, alert.reminded, alert.reminded_at) = (Some(now), 0, now);
        }
        let why = match alert.rank.cmp(&before.rank) {
            std::cmp::Ordering::Greater => "raised",
            std::cmp::Ordering::Less => "lowered",
            std::cmp::Ordering::Equal if alert.settled > before.settled => "settled",
            std::cmp::Ordering::Equal => "days",
        };
        say(rules, &mut alert, both, (Some(before.rank), why), now, out);
        self.note_said(&alert, course);
        if let Some(open) = self.open.iter_mut().find(|open| open.code == before.code) {
            *open = alert;
        }
    }

    /// No rules of alerts are in force any more: what is open is over.
    pub(in super::super) fn off(&mut self, now: Timestamp, out: &mut Vec<Said>) {
        for alert in std::mem::take(&mut self.open) {
            let detail = json!({
                "alert": alert.id(), "code": alert.code, "colour": null, "was": null, "why": "switched-off",
                "stage": alert.stage.name(), "zh": format!("预警已停用，{} 的预警随之解除。", alert.code),
                "en": format!("Alerts were switched off, and that of {} with them.", alert.code),
            });
            out.push(Said::event("alert", now, detail));
            let topic = format!("alert/{}", alert.id());
            out.push(Said {
                topic,
                retain: true,
                what: What::Schema("alert"),
                body: None,
                colours: Vec::new(),
                of: None,
                raised: None,
            });
        }
    }

    /// Says once more what is open and settled, unless the source is out of service.
    fn remind(&mut self, rules: &Rules, asked: &dyn Asked, now: Timestamp, out: &mut Vec<Said>) {
        if rules.quiet.iter().any(|mark| asked.holds(mark)) {
            return;
        }
        for alert in &mut self.open {
            let Some(colour) = alert.settled.and_then(|rank| rules.colour(rank)) else { continue };
            let Some(every) = rules.remind.get(&colour.id) else { continue };
            if alert.reminded >= rules.remind_times || now.0 < alert.reminded_at.0.saturating_add(*every) {
                continue;
            }
            (alert.reminded, alert.reminded_at) = (alert.reminded + 1, now);
            let (ahead_zh, ahead_en) = rules.ahead();
            let detail = json!({
                "alert": alert.id(), "code": alert.code, "colour": colour.id, "reminder": alert.reminded,
                "of": rules.remind_times, "told": told(rules, alert),
                "zh": format!("{ahead_zh}{}色预警 {} 仍未解除，第 {} 次提醒", colour.zh, alert.code, alert.reminded),
                "en": format!("{ahead_en}the {} alert of {} is still open, reminder {}", colour.id, alert.code, alert.reminded),
            });
            out.push(Said::event("alert-reminder", now, detail).in_colours(&[Some(&colour.id)]));
        }
    }

    /// Warns ahead that the day that goes on is on its way to exceed; once a day, rule and factor.
    pub(in super::super) fn on_course(
        &mut self,
        rules: &Rules,
        (code, number): (&str, i32),
        running: &Running,
        asked: &dyn Asked,
        now: Timestamp,
        out: &mut Vec<Said>,
    ) {
        if rules.quiet.iter().any(|mark| asked.holds(mark)) {
            return;
        }
        let value = |name: Name| match name {
            Name::RunningRatio => running.ratio.map(Ratio::approximate),
            Name::Hours => Some(f64::from(running.hours)),
            Name::Ratio | Name::Run | Name::OfMonth | Name::Factors => None,
        };
        for pre in rules.pre.iter().filter(|pre| pre.is_reached(&value)) {
            let key = (pre.id.clone(), code.to_owned(), number);
            if self.told.contains(&key) {
                continue;
            }
            self.told.retain(|(_, _, day)| *day >= number);
            if self.told.len() >= PRE_MAX {
                self.told.remove(0);
            }
            self.told.push(key);
            let (ahead_zh, ahead_en) = rules.ahead();
            let detail = json!({
                "pre": pre.id, "code": code, "day": calendar::text(number), "when": pre.when, "clause": pre.clause,
                "certainty": pre.certainty, "ratio": running.ratio.map(Ratio::times_text), "hours": running.hours,
                "left": running.left, "possible": running.possible.name(),
                "rest_max": running.rest_max.map(|value| value.text(6)),
                "sure": running.possible == Possible::SureToExceed, "zh": format!("{ahead_zh}{}", pre.zh),
                "en": format!("{ahead_en}{}", pre.en),
            });
            out.push(Said::event("alert-ahead", now, detail));
        }
    }

    /// Warns ahead that a limit of marks is nearly spent.
    pub(in super::super) fn limit_near(&mut self, rules: &Rules, detail: &Value, at: Timestamp, out: &mut Vec<Said>) {
        for pre in rules.pre.iter().filter(|pre| pre.is_of_limits()) {
            let detail = json!({
                "pre": pre.id, "limit": detail, "clause": pre.clause, "certainty": pre.certainty, "zh": pre.zh, "en": pre.en,
            });
            out.push(Said::event("alert-ahead", at, detail));
        }
    }
}

impl Alert {
    /// Its id, within its station: `A-20260601-a21026`.
    #[must_use]
    pub fn id(&self) -> String {
        // It is a level of a topic, whatever the code is.
        let plain = |c: char| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' };
        let code: String = self.code.chars().map(plain).collect();
        format!("A-{}-{code}", calendar::text(self.first).replace('-', ""))
    }
}

/// What the days come to, beginning with what is open (its first day and rank); and what has ended within them because the limit was met again.
fn course(
    rules: &Rules,
    days: &[DayResult],
    exceeded: &BTreeMap<i32, u32>,
    known: Option<(i32, u8)>,
) -> (Option<Course>, Vec<Course>) {
    // Of a factor that is judged no more nothing goes on.
    if days.is_empty() {
        return (None, Vec::new());
    }
    // What began before the first day that is remembered goes on with the colour that it had.
    let older = known.filter(|(began, _)| days.first().is_none_or(|first| *began < first.day));
    let mut open: Option<Course> = older.map(|(first, rank)| Course { first, rank, ..Course::default() });
    let (mut run, mut closed) = (0u32, Vec::new());
    for result in days {
        match result.outcome {
            Outcome::Exceeded => {
                run += 1;
                let of_month = exceeded.range(..=result.day).filter(|(day, _)| calendar::same_month(**day, result.day));
                let of_month = u32::try_from(of_month.count()).unwrap_or(u32::MAX);
                let factors = exceeded.get(&result.day).copied().unwrap_or(0);
                let value = |name: Name| match name {
                    Name::Ratio => result.ratio.map(Ratio::approximate),
                    Name::Run => Some(f64::from(run)),
                    Name::OfMonth => Some(f64::from(of_month)),
                    Name::Factors => Some(f64::from(factors)),
                    Name::RunningRatio | Name::Hours => None,
                };
                let reached = rules.colours.iter().rev().find(|colour| colour.is_reached(&value));
                let Some(colour) = reached else { continue };
                let course = open.get_or_insert_with(|| Course { first: result.day, ..Course::default() });
                course.rank = course.rank.max(colour.rank);
                course.days.push((result.day, result.ratio, colour.rank));
                (course.run, course.met) = (run, 0);
            }
            Outcome::Met => {
                run = 0;
                let Some(course) = open.as_mut().filter(|_| result.stage == Stage::Settled) else { continue };
                course.met += 1;
                if course.met >= rules.close_after {
                    closed.extend(open.take());
                }
            }
            Outcome::NotJudged | Outcome::LeftToPeople => {}
        }
    }
    if let Some(course) = &mut open {
        let more = course.days.len().saturating_sub(DAYS_SHOWN);
        course.days.drain(..more);
    }
    (open, closed)
}

/// Who is told, and what is due when.
fn told(rules: &Rules, alert: &Alert) -> Value {
    let task = rules.colour(alert.settled.unwrap_or(alert.rank)).and_then(|colour| rules.task(&colour.id));
    let due = |within| alert.since.map(|since| rules.due(since, within).to_rfc3339());
    task.map_or(Value::Null, |task| {
        let finish = alert.since.map(|since| rules.due(since, task.finish));
        let known = finish.is_none_or(|finish| rules.knows(finish));
        json!({
            "to": task.to, "copy": task.copy, "reply_by": due(task.reply), "finish_by": due(task.finish),
            "calendar": if known { "table" } else { "weekends" }, "clause": task.clause, "certainty": task.certainty,
        })
    })
}

/// What a course of days is in words, Chinese and English.
fn in_words(rules: &Rules, alert: &Alert, course: &Course, colour: &Colour, stage: Stage) -> (String, String) {
    let worst = course.days.iter().filter_map(|(_, ratio, _)| *ratio).max();
    let (stage_zh, stage_en) = match stage {
        Stage::Settled => ("已结算", "settled"),
        Stage::Open | Stage::Provisional => ("暂定", "provisional"),
    };
    let (count, run) = (course.days.len(), course.run);
    let multiple = worst.map(Ratio::multiple_text).unwrap_or_default();
    let (ahead_zh, ahead_en) = rules.ahead();
    let (when_zh, when_en) = words::condition(&colour.when);
    let (sure_zh, sure_en) = words::certainty(&colour.certainty);
    let zh = format!(
        "{ahead_zh}{}色预警（{stage_zh}）：{} 自 {} 起超标 {count} 天，连续 {run} 天，最大超标倍数 {multiple}。依据：{when_zh}（{sure_zh}）。",
        colour.zh,
        alert.code,
        calendar::text(alert.first),
    );
    let en = format!(
        "{ahead_en}{} alert ({stage_en}): {} exceeded its limit on {count} days since {}, {run} in a row, by {multiple} times the limit at most. Rule: {when_en} ({sure_en}).",
        colour.id,
        alert.code,
        calendar::text(alert.first),
    );
    (zh, en)
}

/// A text for cases: the Chinese line, then the English one.
fn both_languages((zh, en): (String, String)) -> String {
    format!("{zh}\n{en}")
}

/// Says what an alert is, if that is another than what was said last.
fn say(
    rules: &Rules,
    alert: &mut Alert,
    both: Both<'_>,
    (was, why): (Option<u8>, &str),
    now: Timestamp,
    out: &mut Vec<Said>,
) {
    let course = both.all;
    let Some(colour) = rules.colour(alert.rank) else { return };
    let days: Vec<Value> = course
        .days
        .iter()
        .map(|(day, ratio, rank)| {
            let of = rules.colour(*rank).map(|colour| colour.id.as_str());
            json!({ "day": calendar::text(*day), "ratio": ratio.map(Ratio::times_text), "colour": of })
        })
        .collect();
    let seen = fnv(json!([alert.rank, alert.stage.name(), alert.settled, days, alert.set]).to_string().as_bytes());
    if seen == alert.print {
        return;
    }
    alert.print = seen;
    let was = was.filter(|was| *was != alert.rank).and_then(|was| rules.colour(was)).map(|colour| colour.id.as_str());
    let worst = course.days.iter().filter_map(|(_, ratio, _)| *ratio).max().map(Ratio::times_text);
    let (zh, en) = in_words(rules, alert, course, colour, alert.stage);
    let settled = alert.settled.and_then(|rank| rules.colour(rank));
    let raised = settled.zip(both.settled).map(|(colour, course)| Raised::Alert {
        id: alert.id(),
        code: alert.code.clone(),
        colour: colour.id.clone(),
        days: course.days.iter().map(|(day, ..)| calendar::text(*day)).collect(),
        text: both_languages(in_words(rules, alert, course, colour, Stage::Settled)),
    });
    let body = json!({
        "alert": alert.id(), "code": alert.code, "colour": colour.id, "was": was, "why": why, "stage": alert.stage.name(),
        "settled": settled.map(|colour| colour.id.as_str()), "days": days, "run": course.run, "worst": worst, "told": told(rules, alert),
        "rule": {
            "set": rules.set, "version": rules.version, "placeholder": rules.placeholder, "when": colour.when,
            "clause": colour.clause, "certainty": colour.certainty,
        },
        "explain": { "zh": zh, "en": en },
    });
    out.push(Said {
        topic: format!("alert/{}", alert.id()),
        retain: true,
        what: What::Schema("alert"),
        body: Some(body),
        colours: [Some(colour.id.as_str()), was].into_iter().flatten().map(Box::from).collect(),
        of: None,
        raised,
    });
    let detail = json!({ "alert": alert.id(), "code": alert.code, "colour": colour.id, "was": was, "why": why,
        "stage": alert.stage.name(), "told": told(rules, alert), "zh": zh, "en": en });
    out.push(Said::event("alert", now, detail).in_colours(&[Some(&colour.id), was]));
}

/// Says that an alert has ended, and why; then nothing of it is retained.
fn end(rules: &Rules, alert: &Alert, days: &[DayResult], met: bool, now: Timestamp, out: &mut Vec<Said>) {
    let still = days.iter().any(|result| result.day == alert.first && result.outcome == Outcome::Exceeded);
    let (why, zh, en) = match (met, alert.settled) {
        (true, _) => ("met-again", "已恢复达标", "the limit is met again"),
        (false, _) if days.is_empty() => ("no-limit", "不再登记限值", "no limit is registered any more"),
        (false, _) if still => ("rules-changed", "预警规则已变更", "the rules of alerts are others"),
        (false, Some(_)) => ("revised", "经修订不再超标", "after a revision nothing exceeds"),
        (false, None) => ("settled-met", "结算后未超标", "the day did not exceed when it was settled"),
    };
    let colour = rules.colour(alert.rank);
    let was = colour.map(|colour| colour.id.as_str());
    let name = colour.map_or("", |colour| colour.zh.as_str());
    let (ahead_zh, ahead_en) = rules.ahead();
    let zh = format!("{ahead_zh}{name}色预警 {} 解除：{zh}。", alert.code);
    let en = format!("{ahead_en}The {} alert of {} is over: {en}.", was.unwrap_or_default(), alert.code);
    let body = json!({
        "alert": alert.id(), "code": alert.code, "colour": null, "was": was, "why": why, "stage": alert.stage.name(),
        "settled": null, "days": [], "run": 0, "worst": null, "told": null,
        "rule": {
            "set": rules.set, "version": rules.version, "placeholder": rules.placeholder,
            "when": colour.map_or("", |colour| colour.when.as_str()),
            "clause": colour.map_or("", |colour| colour.clause.as_str()),
            "certainty": colour.map_or("", |colour| colour.certainty.as_str()),
        },
        "explain": { "zh": zh, "en": en },
    });
    let topic = format!("alert/{}", alert.id());
    let said = |body| {
        let (topic, what) = (topic.clone(), What::Schema("alert"));
        Said { topic, retain: true, what, body, colours: Vec::new(), of: None, raised: None }.in_colours(&[was])
    };
    out.push(said(Some(body)));
    let detail = json!({ "alert": alert.id(), "code": alert.code, "colour": null, "was": was, "why": why,
        "stage": alert.stage.name(), "zh": zh, "en": en });
    out.push(Said::event("alert", now, detail).in_colours(&[was]));
    out.push(said(None));
}
