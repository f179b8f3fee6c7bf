//! A lead: what was found on a day, with all that is needed to look there; and what becomes of it.
//!
//! What must stay true: a lead keeps its id; what is found again is added to it, and its window only grows.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::INPUTS_MAX;
use super::finding::{Finding, LeadInput};
use super::table::{Detector, TABLE};
use hj212_judgement::calendar;
use hj212_model::message::Timestamp;

/// How a lead ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum LeadEnd {
    /// An authority found nothing in it (误报).
    Void,
    /// It was handed over (移交立案).
    ToLaw,
    /// People marked the source as out of service over its time.
    OutOfService,
    /// It made room for others.
    Forgotten,
    /// Leads are not looked for any more.
    SwitchedOff,
}

impl LeadEnd {
    /// The published name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Void => "void",
            Self::ToLaw => "to-law",
            Self::OutOfService => "out-of-service",
            Self::Forgotten => "forgotten",
            Self::SwitchedOff => "switched-off",
        }
    }
}

/// Something to be published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LeadEffect {
    /// It is new.
    Raised(Box<Lead>),
    /// More was found, or a case names it.
    Grown(Box<Lead>),
    /// It is over.
    Ended(Box<Lead>, LeadEnd),
}

/// A lead.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lead {
    /// The detector's id.
    pub detector: String,
    /// Its version.
    pub version: u16,
    /// The factor; empty: it is about the station; of a conflict the object.
    pub code: String,
    /// The day that it is of.
    pub day: i32,
    /// 1 to 3.
    pub rank: u8,
    /// Where its window begins.
    pub since: Timestamp,
    /// Where it ends.
    pub until: Timestamp,
    /// How often it was found.
    pub found: u32,
    /// What was counted when it was found last.
    pub numbers: Vec<(String, String)>,
    /// What it rests on: the first inputs and the latest.
    pub inputs: Vec<LeadInput>,
    /// What was taken into account against a false alarm.
    pub guards: Vec<String>,
    /// In Chinese.
    pub zh: String,
    /// In English.
    pub en: String,
    /// The clause or source of the test.
    pub clause: String,
    /// How sure that is.
    pub certainty: String,
    /// The act that it is about.
    pub act: String,
    /// How sure that is.
    pub act_certainty: String,
    /// The rule file's set and version.
    pub rules: (String, String),
    /// The case that names it.
    pub case: Option<String>,
    /// Whether the entries of its day were closed: it was looked whether the source was out of service.
    pub(crate) looked: bool,
}

impl Lead {
    pub(crate) fn new(detector: &Detector, rules: (&str, &str), finding: Finding) -> Lead {
        let mut lead = Lead {
            detector: detector.id.to_owned(),
            version: detector.version,
            code: finding.code.clone(),
            day: finding.day,
            rank: 0,
            since: finding.since,
            until: finding.until,
            found: 0,
            numbers: Vec::new(),
            inputs: Vec::new(),
            guards: Vec::new(),
            zh: String::new(),
            en: String::new(),
            clause: String::new(),
            certainty: String::new(),
            act: String::new(),
            act_certainty: String::new(),
            rules: (rules.0.to_owned(), rules.1.to_owned()),
            case: None,
            looked: false,
        };
        lead.add(finding);
        lead
    }

    /// Takes up what was found once more.
    pub(crate) fn add(&mut self, finding: Finding) {
        let Finding {
            rank, since, until, numbers, inputs, guards, words, clause, certainty, act, act_certainty, ..
        } = finding;
        self.rank = self.rank.max(rank);
        (self.since, self.until) = (self.since.min(since), self.until.max(until));
        self.found = self.found.saturating_add(1);
        self.numbers = numbers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        self.guards = guards.into_iter().map(str::to_owned).collect();
        for input in inputs {
            if self.inputs.contains(&input) {
                continue;
            }
            if self.inputs.len() >= INPUTS_MAX {
                self.inputs.remove(INPUTS_MAX / 2);
            }
            self.inputs.push(input);
        }
        (self.zh, self.en) = (words.zh, words.en);
        (self.clause, self.certainty, self.act, self.act_certainty) = (clause, certainty, act, act_certainty);
    }

    /// Its id within its station: `L1-20260601-a21026`.
    #[must_use]
    pub fn id(&self) -> String {
        let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '_' };
        let (day, of) = (calendar::text(self.day).replace('-', ""), self.code.chars().map(plain));
        let of: String = of.take(32).collect();
        if of.is_empty() { format!("{}-{day}", self.detector) } else { format!("{}-{day}-{of}", self.detector) }
    }

    /// Its detector, as this version knows it.
    #[must_use]
    pub fn of(&self) -> Option<&'static Detector> {
        TABLE.iter().find(|detector| detector.id == self.detector)
    }

    /// As published, without what the gateway puts before and behind it.
    #[must_use]
    pub fn view(&self) -> Value {
        let (zh, en) = self.of().map_or(("", ""), |detector| (detector.zh, detector.en));
        let inputs: Vec<Value> = self
            .inputs
            .iter()
            .map(|input| {
                let value = (!input.value.is_empty()).then_some(&input.value);
                json!({ "offset": input.offset, "at": input.at.to_rfc3339(), "value": value })
            })
            .collect();
        let numbers: serde_json::Map<String, Value> =
            self.numbers.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str()))).collect();
        json!({
            "lead": self.id(), "detector": { "id": self.detector, "version": self.version, "zh": zh, "en": en },
            "code": (!self.code.is_empty()).then_some(&self.code), "day": calendar::text(self.day), "rank": self.rank,
            "since": self.since.to_rfc3339(), "until": self.until.to_rfc3339(), "found": self.found, "numbers": numbers,
            "inputs": inputs, "guards": self.guards, "case": self.case,
            "rule": { "set": self.rules.0, "version": self.rules.1, "clause": self.clause, "certainty": self.certainty },
            "act": { "clause": self.act, "certainty": self.act_certainty },
            "explain": { "zh": self.zh, "en": self.en },
        })
    }
}
