//! What judgement has to say, ready to be published: topic, schema and body; who publishes adds station, id and place in the journal.

use serde_json::{Value, json};

use super::calendar;
use super::day::{DayJudged, Reason};
use super::furnace::Windows;
use super::history::{RevisedBy, SaidAt, Stage, Told};
use super::hour::HourJudged;
use super::limits::Limit;
use super::outcome::Outcome;
use super::running::Running;
use super::words::{self, Words};
use hj212_marking::Count;
use hj212_model::message::Timestamp;

/// A message about an outlet.
#[derive(Debug, Clone, PartialEq)]
pub struct Said {
    /// Below the station's topic: `judgement/day`.
    pub topic: String,
    /// Whether the broker keeps it.
    pub retain: bool,
    /// Of an event its kind; else the name of the schema.
    pub what: What,
    /// The members of the body; `None`: what was retained is cleared.
    pub body: Option<Value>,
    /// Of what is said of alerts their colours: the one that holds, and the one before.
    pub colours: Vec<Box<str>>,
    /// The factor and the day that a judgement is about: who publishes adds the marks over it.
    pub of: Option<(String, i32)>,
    /// What cases are told.
    pub raised: Option<Raised>,
}

/// What cases are told: of settled days alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Raised {
    /// A day that was settled, or revised, as exceeded, whether an alert follows or not.
    Day {
        /// The factor.
        code: String,
        /// `2026-06-01`
        day: String,
        /// What it says: a line in Chinese, then one in English.
        text: String,
    },
    /// An alert that is settled, in the colour of its settled days.
    Alert {
        /// Its id.
        id: String,
        /// The factor.
        code: String,
        /// `blue`, `yellow`, `orange`, `red`
        colour: String,
        /// Its settled exceeded days.
        days: Vec<String>,
        /// What it says: a line in Chinese, then one in English.
        text: String,
    },
}

impl Raised {
    /// The day, if it is settled as exceeded and was not before.
    pub(super) fn of_day((number, code): (i32, &str), (before, now): (&Told, &Told), said: &Words) -> Option<Raised> {
        let exceeds = |told: &Told| told.stage == Stage::Settled && told.outcome == Some(Outcome::Exceeded);
        (exceeds(now) && !exceeds(before)).then(|| Raised::Day {
            code: code.to_owned(),
            day: calendar::text(number),
            text: format!("{}\n{}", said.zh, said.en),
        })
    }
}

/// What kind of message it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// A message of its own schema: `hj212.judgement/1`.
    Schema(&'static str),
    /// An event of that kind, at that time.
    Event(&'static str, Timestamp),
}

impl Said {
    pub(super) fn event(kind: &'static str, at: Timestamp, detail: Value) -> Said {
        Said {
            topic: format!("event/{kind}"),
            retain: false,
            what: What::Event(kind, at),
            body: Some(detail),
            colours: Vec::new(),
            of: None,
            raised: None,
        }
    }

    /// The same, about these colours.
    pub(super) fn in_colours(self, colours: &[Option<&str>]) -> Said {
        Said { colours: colours.iter().flatten().map(|colour| Box::from(*colour)).collect(), ..self }
    }
}

fn codes(reasons: &[Reason]) -> Vec<&'static str> {
    reasons.iter().map(|reason| reason.name()).collect()
}

/// A day of a factor.
pub(super) fn day((number, code, limit): (i32, &str, &Limit), at: SaidAt, judged: &DayJudged) -> Said {
    let said = words::day((number, code, limit), at, judged);
    let text = |value: super::Ratio| value.text(6);
    let hours = judged.hours;
    let body = json!({
        "code": code, "period": "day", "data_time": calendar::start(number).to_data_time(),
        "stage": at.stage.name(), "revision": at.revision, "revised_by": revised_by(at),
        "values": {
            "reported": judged.reported.map(|value| value.to_string()),
            "marked": judged.marked.map(text), "exempt": judged.exempt.map(text),
            "between": judged.between.map(|(low, high)| [text(low), text(high)]),
            "mean": if judged.weighted { "flow-weighted" } else { "arithmetic" },
            "hours": {
                "due": hours.due, "came": hours.came, "valid": hours.valid, "conditional": hours.conditional,
                "exempt": hours.exempt, "excluded": hours.excluded, "invalid": hours.invalid, "missing": hours.missing,
            },
        },
        "limit": limit.view(), "outcome": judged.outcome.name(), "reasons": codes(&judged.reasons),
        "ratio": judged.ratio.map(super::Ratio::times_text), "multiple": multiple(judged.outcome, judged.ratio),
        "judged_on": "exempt", "compared": judged.exempt.map(|value| text(value.compared(limit.decimals))),
        "method": METHOD, "explain": said.view(),
    });
    let of = Some((code.to_owned(), number));
    Said {
        topic: "judgement/day".into(),
        retain: false,
        what: What::Schema("judgement"),
        body: Some(body),
        colours: Vec::new(),
        of,
        raised: None,
    }
}

/// How it was found: by the hours that loggers report, and their worths.
pub const METHOD: &str = "judgement/1 hours";

/// 超标倍数: how many times the limit it is above it.
fn multiple(outcome: Outcome, ratio: Option<super::Ratio>) -> Option<String> {
    ratio.filter(|_| outcome == Outcome::Exceeded).map(super::Ratio::multiple_text)
}

/// Why it is said again after it was settled, where that is known.
fn revised_by(at: SaidAt) -> Vec<&'static str> {
    if at.revision == 0 { Vec::new() } else { at.causes.all().map(RevisedBy::name).collect() }
}

/// An hour of a factor.
pub(super) fn hour((at, code, limit): (Timestamp, &str, &Limit), standing: SaidAt, judged: &HourJudged) -> Said {
    let text = |value: Option<super::Decimal>| value.map(|value| value.to_string());
    let body = json!({
        "code": code, "period": "hour", "data_time": at.to_data_time(), "stage": standing.stage.name(),
        "revision": standing.revision, "revised_by": revised_by(standing),
        "values": {
            "reported": text(judged.reported), "marked": text(judged.marked), "exempt": text(judged.exempt),
            "minutes": judged.minutes.map(|(good, due)| json!({ "valid": good, "due": due })),
        },
        "limit": limit.view(), "outcome": judged.outcome.name(),
        "reasons": judged.reason.map(Reason::name).into_iter().collect::<Vec<_>>(),
        "ratio": judged.ratio.map(super::Ratio::times_text), "multiple": multiple(judged.outcome, judged.ratio),
        "judged_on": "exempt",
        "compared": judged.exempt.map(|value| super::Ratio::of(value).compared(limit.decimals).text(6)),
        "method": METHOD, "explain": words::hour((at, code, limit), standing, judged).view(),
    });
    Said {
        topic: "judgement/hour".into(),
        retain: false,
        what: What::Schema("judgement"),
        body: Some(body),
        colours: Vec::new(),
        of: None,
        raised: None,
    }
}

/// The day that is going on.
pub(super) fn running((number, code, limit): (i32, &str, &Limit), running: &Running) -> Said {
    let text = |value: super::Ratio| value.text(6);
    let body = json!({
        "code": code, "data_time": calendar::start(number).to_data_time(), "mean": running.mean.map(text),
        "hours": running.hours, "left": running.left, "ratio": running.ratio.map(super::Ratio::times_text),
        "possible": running.possible.name(), "rest_max": running.rest_max.map(text), "assumes": running.assumes,
        "limit": limit.view(), "explain": words::running((code, limit), running).view(),
    });
    Said {
        topic: "judgement/running".into(),
        retain: false,
        what: What::Schema("judgement-running"),
        body: Some(body),
        colours: Vec::new(),
        of: None,
        raised: None,
    }
}

/// The furnace test of a day.
pub(super) fn furnace(
    (number, rule, object): (i32, &Count, &str),
    at: SaidAt,
    (windows, outcome): (&Windows, Outcome),
    reasons: &[Reason],
) -> Said {
    let times: Vec<String> = windows.times.iter().map(|time| time.to_rfc3339()).collect();
    let (code, _) = code_of(&rule.name, object);
    let body = json!({
        "code": code, "period": "day", "data_time": calendar::start(number).to_data_time(),
        "stage": at.stage.name(), "revision": at.revision, "revised_by": revised_by(at), "object": object,
        "values": {
            "windows": { "due": super::furnace::WINDOWS, "seen": windows.seen, "low": windows.low, "lifted": windows.lifted },
            "times": times,
        },
        "limit": {
            "name": rule.name, "max": rule.max.to_string(), "below": rule.below, "clause": rule.clause,
            "certainty": format!("{:?}", rule.certainty),
        },
        "outcome": outcome.name(), "reasons": codes(reasons), "ratio": ratio_of(windows).map(super::Ratio::times_text),
        "method": "judgement/1 five-minute",
        "explain": words::furnace((number, rule, object), at, (windows, outcome), reasons).view(),
    });
    Said {
        topic: "judgement/day".into(),
        retain: false,
        what: What::Schema("judgement"),
        body: Some(body),
        colours: Vec::new(),
        of: None,
        raised: None,
    }
}

/// How a count on a furnace is called where factors stand: `t850@furnace-1`.
pub(super) fn code_of(rule: &str, object: &str) -> (String, String) {
    let short = rule.rsplit(':').next().unwrap_or(rule);
    (format!("{short}@{object}"), short.to_owned())
}

/// How many times as many windows as are borne were low.
pub(super) fn ratio_of(windows: &Windows) -> Option<super::Ratio> {
    super::Ratio::new(i128::from(windows.low) * 1_000_000_000, i128::from(windows.max))
}

impl Words {
    /// As published.
    #[must_use]
    pub fn view(&self) -> Value {
        json!({ "zh": self.zh, "en": self.en })
    }
}
