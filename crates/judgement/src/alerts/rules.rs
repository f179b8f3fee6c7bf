//! Rule files of alerts (`config/alerts/*.toml`): what is said with which colour, who is told by when.
//!
//! What must stay true: a file with a mistake is refused as a whole, with its place; every number of law or of a province stands here, with
//! clause and certainty; a file whose thresholds nobody has published says so (`placeholder = true`) and is not put in force without the
//! operator's word.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use super::super::calendar;
use super::super::calendar::{DAY, HOUR};
use hj212_marking::expr::{self, Expr, Test};
use hj212_model::message::Timestamp;
use hj212_model::registry::Problem;
use hj212_workdays::WorkDays;

/// The rule files that are built in.
pub const BUILT_IN: &[(&str, &str)] = &[("ah4.toml", include_str!("../../../../config/alerts/ah4.toml"))];

/// What the operator writes to take thresholds that are placeholders.
pub const WAIVER: &str = "[alerts] accept_placeholders = true";

/// The texts of the built-in files, by name.
#[must_use]
pub fn built_in_texts() -> BTreeMap<String, String> {
    BUILT_IN.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
}

/// A colour, and when it is reached.
#[derive(Debug, Clone, PartialEq)]
pub struct Colour {
    /// `blue`, `yellow`, `orange`, `red`
    pub id: String,
    /// In Chinese.
    pub zh: String,
    /// From 1; the highest that is reached counts.
    pub rank: u8,
    /// The condition as written.
    pub when: String,
    /// The clause.
    pub clause: String,
    /// How sure that is.
    pub certainty: String,
    condition: Expr<Name>,
}

/// Who must do what by when.
#[derive(Debug, Clone, PartialEq)]
pub struct Task {
    /// The colours it is about.
    pub colours: Vec<String>,
    /// Who must answer.
    pub to: String,
    /// Who is told.
    pub copy: Vec<String>,
    /// Until when an answer is due.
    pub reply: Within,
    /// Until when it must be put right.
    pub finish: Within,
    /// The clause.
    pub clause: String,
    /// How sure that is.
    pub certainty: String,
}

/// A span of time, or working days (工作日).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Within {
    /// µs
    Span(i64),
    /// Days on which offices work: those of the calendar that cases count by, but for what the file names itself.
    WorkingDays(u32),
}

/// A warning ahead.
#[derive(Debug, Clone, PartialEq)]
pub struct Pre {
    /// Its name.
    pub id: String,
    /// In Chinese.
    pub zh: String,
    /// In English.
    pub en: String,
    /// The condition as written; empty: when a limit of marks is nearly spent.
    pub when: String,
    /// The clause.
    pub clause: String,
    /// How sure that is.
    pub certainty: String,
    condition: Option<Expr<Name>>,
}

/// A rule file, read.
#[derive(Debug, Clone, PartialEq)]
pub struct Rules {
    /// Its name.
    pub set: String,
    /// Its version.
    pub version: String,
    /// In Chinese.
    pub zh: String,
    /// In English.
    pub en: String,
    /// Whether its thresholds stand in for ones that nobody has published.
    pub placeholder: bool,
    /// By rank.
    pub colours: Vec<Colour>,
    /// In order: the first that names a colour holds for it.
    pub tasks: Vec<Task>,
    /// Warnings ahead.
    pub pre: Vec<Pre>,
    /// How often an alert that is open is said again, by colour, µs.
    pub remind: BTreeMap<String, i64>,
    /// How many times at most.
    pub remind_times: u8,
    /// So many settled days in a row that met the limit end an alert.
    pub close_after: u32,
    /// Marks while which nothing is said ahead and nobody is reminded.
    pub quiet: Vec<String>,
    /// Days off and days worked that are others than those of the calendar.
    pub holidays: Vec<i32>,
    /// See there.
    pub workdays: Vec<i32>,
    /// The calendar.
    days: WorkDays,
}

/// What conditions can name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Name {
    Ratio,
    Run,
    OfMonth,
    Factors,
    RunningRatio,
    Hours,
}

const OF_COLOURS: &[(&str, Name)] =
    &[("ratio", Name::Ratio), ("run", Name::Run), ("of_month", Name::OfMonth), ("factors", Name::Factors)];
const OF_PRE: &[(&str, Name)] = &[("running_ratio", Name::RunningRatio), ("hours", Name::Hours)];

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    schema: String,
    set: String,
    version: String,
    zh: String,
    en: String,
    #[serde(default)]
    placeholder: bool,
    colour: Vec<ColourRow>,
    #[serde(default)]
    task: Vec<TaskRow>,
    #[serde(default)]
    pre: Vec<PreRow>,
    #[serde(default)]
    remind: BTreeMap<String, String>,
    #[serde(default = "thrice")]
    remind_times: u8,
    #[serde(default = "once")]
    close_after: u32,
    #[serde(default)]
    quiet: Vec<String>,
    #[serde(default)]
    holidays: Vec<String>,
    #[serde(default)]
    workdays: Vec<String>,
}

const fn thrice() -> u8 {
    3
}
const fn once() -> u32 {
    1
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ColourRow {
    id: String,
    zh: String,
    rank: u8,
    when: String,
    clause: String,
    certainty: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TaskRow {
    colour: Vec<String>,
    to: String,
    #[serde(default)]
    copy: Vec<String>,
    reply: String,
    finish: String,
    clause: String,
    certainty: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PreRow {
    id: String,
    zh: String,
    en: String,
    #[serde(default)]
    when: String,
    #[serde(default)]
    event: String,
    clause: String,
    certainty: String,
}

/// Evaluates a condition; a test that is of no number is not so.
fn holds(condition: &Expr<Name>, value: &dyn Fn(Name) -> Option<f64>) -> bool {
    match condition {
        Expr::All(parts) => parts.iter().all(|part| holds(part, value)),
        Expr::Any(parts) => parts.iter().any(|part| holds(part, value)),
        Expr::Not(part) => !holds(part, value),
        Expr::Test(Test::Compare(name, op, number)) => value(*name).is_some_and(|value| op.holds(value, *number)),
        Expr::Test(_) => false,
    }
}

impl Colour {
    /// Whether it is reached.
    pub(super) fn is_reached(&self, value: &dyn Fn(Name) -> Option<f64>) -> bool {
        holds(&self.condition, value)
    }
}

impl Pre {
    /// Whether it is to be said of the day that goes on.
    pub(super) fn is_reached(&self, value: &dyn Fn(Name) -> Option<f64>) -> bool {
        self.condition.as_ref().is_some_and(|condition| holds(condition, value))
    }

    /// Whether it is about limits of marks that are nearly spent.
    pub(super) const fn is_of_limits(&self) -> bool {
        self.condition.is_none()
    }
}

struct Reader<'a> {
    file: &'a str,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    fn wrong(&mut self, what: String, remedy: &str) {
        self.problems.push(Problem::of_file(Path::new(self.file), &what, remedy));
    }

    fn condition(&mut self, text: &str, names: &[(&str, Name)]) -> Option<Expr<Name>> {
        let read = match expr::read(text) {
            Ok(read) => read,
            Err(fault) => {
                self.wrong(format!("condition \"{text}\", byte {}: {}", fault.at, fault.what), "see docs/judgement.md");
                return None;
            }
        };
        for test in read.tests() {
            let known = |name: &String| names.iter().any(|(known, _)| known == name);
            if !matches!(test, Test::Compare(name, ..) if known(name)) {
                let all: Vec<&str> = names.iter().map(|(name, _)| *name).collect();
                self.wrong(
                    format!("condition \"{text}\" tests something else than numbers of {}", all.join(", ")),
                    "compare one of these with a number",
                );
                return None;
            }
        }
        let place = |name: &String| names.iter().find(|(known, _)| known == name).map(|(_, is)| *is);
        read.resolve(&mut |name| place(name))
    }

    fn sure(&mut self, of: &str, clause: &str, certainty: &str) {
        if clause.is_empty() || !matches!(certainty, "V" | "S" | "C" | "R" | "I" | "U") {
            self.wrong(format!("{of} has no clause, or certainty {certainty}"), "name both: V, S, C, R, I or U");
        }
    }

    fn within(&mut self, text: &str) -> Within {
        if let Some(days) = text.strip_suffix("wd").and_then(|days| days.parse().ok()).filter(|days| *days <= 250) {
            return Within::WorkingDays(days);
        }
        match expr::span(text) {
            Some(span) => Within::Span(span),
            None => {
                self.wrong(format!("\"{text}\" is no time"), "write 48h, 3d, or 5wd for working days");
                Within::Span(DAY)
            }
        }
    }

    fn days(&mut self, texts: &[String]) -> Vec<i32> {
        let mut days = Vec::new();
        for text in texts {
            match calendar::read(text) {
                Some(day) => days.push(day),
                None => self.wrong(format!("\"{text}\" is no day"), "write 2026-10-01"),
            }
        }
        days.sort_unstable();
        days
    }
}

/// The colours of the published schemas.
const COLOURS: [&str; 4] = ["blue", "yellow", "orange", "red"];

impl Rules {
    /// What stands before each text of an alert, and of a case that came of one, Chinese and English: nothing, unless the thresholds are
    /// placeholders.
    #[must_use]
    pub const fn ahead(&self) -> (&'static str, &'static str) {
        if self.placeholder { ("【阈值为占位值】", "[placeholder thresholds] ") } else { ("", "") }
    }

    /// Reads a rule file.
    ///
    /// # Errors
    /// All that is wrong with it, with what to do.
    pub fn read(file: &str, text: &str) -> Result<Rules, Vec<Problem>> {
        let said: File = toml::from_str(text).map_err(|error| vec![Problem::of_toml(Path::new(file), text, &error)])?;
        let mut reader = Reader { file, problems: Vec::new() };
        if said.schema != "alerts/1" {
            reader.wrong(format!("schema {}", said.schema), "write schema = \"alerts/1\"");
        }
        let mut colours = Vec::new();
        for row in said.colour {
            reader.sure(&format!("colour {}", row.id), &row.clause, &row.certainty);
            if !COLOURS.contains(&row.id.as_str()) || row.rank == 0 {
                reader.wrong(
                    format!("colour {} of rank {}", row.id, row.rank),
                    "blue, yellow, orange, red; ranks from 1",
                );
            }
            let same = |known: &&Colour| known.id == row.id || known.rank == row.rank;
            if colours.iter().find(same).is_some() {
                reader.wrong(format!("colour {}: its name or rank is used twice", row.id), "each once");
            }
            let Some(condition) = reader.condition(&row.when, OF_COLOURS) else { continue };
            let ColourRow { id, zh, rank, when, clause, certainty } = row;
            colours.push(Colour { id, zh, rank, when, clause, certainty, condition });
        }
        colours.sort_by_key(|colour| colour.rank);
        let known = |id: &String| colours.iter().any(|colour| colour.id == *id);
        let mut tasks = Vec::new();
        for row in said.task {
            reader.sure(&format!("task of {}", row.to), &row.clause, &row.certainty);
            if !row.colour.iter().all(known) {
                reader.wrong(format!("task of {}: {}", row.to, row.colour.join(", ")), "name colours of this file");
            }
            let (reply, finish) = (reader.within(&row.reply), reader.within(&row.finish));
            let TaskRow { colour, to, copy, clause, certainty, .. } = row;
            tasks.push(Task { colours: colour, to, copy, reply, finish, clause, certainty });
        }
        let mut pre = Vec::new();
        for row in said.pre {
            reader.sure(&format!("pre {}", row.id), &row.clause, &row.certainty);
            let condition = match (row.when.as_str(), row.event.as_str()) {
                ("", "limit-near") => None,
                (when, "") if !when.is_empty() => match reader.condition(when, OF_PRE) {
                    Some(condition) => Some(condition),
                    None => continue,
                },
                _ => {
                    reader.wrong(format!("pre {}", row.id), "either when = \"…\" or event = \"limit-near\"");
                    continue;
                }
            };
            let PreRow { id, zh, en, when, clause, certainty, .. } = row;
            pre.push(Pre { id, zh, en, when, clause, certainty, condition });
        }
        let mut remind = BTreeMap::new();
        for (colour, text) in said.remind {
            match expr::span(&text).filter(|span| *span >= HOUR) {
                Some(span) if known(&colour) => drop(remind.insert(colour, span)),
                _ => reader.wrong(format!("remind {colour} = {text}"), "a colour of this file, 1h or more"),
            }
        }
        if said.close_after == 0 || said.close_after > 30 {
            reader.wrong(format!("close_after = {}", said.close_after), "1 to 30 days");
        }
        let (holidays, workdays) = (reader.days(&said.holidays), reader.days(&said.workdays));
        if colours.is_empty() && reader.problems.is_empty() {
            reader.wrong("no colour".into(), "name one");
        }
        if !reader.problems.is_empty() {
            return Err(reader.problems);
        }
        Ok(Rules {
            set: said.set,
            version: said.version,
            zh: said.zh,
            en: said.en,
            placeholder: said.placeholder,
            colours,
            tasks,
            pre,
            remind,
            remind_times: said.remind_times,
            close_after: said.close_after,
            quiet: said.quiet,
            holidays,
            workdays,
            days: WorkDays::built_in(),
        })
    }

    /// The one file that is in force: of several the one whose name comes last.
    #[must_use]
    pub fn in_force(texts: &BTreeMap<String, String>) -> Option<Rules> {
        texts.iter().next_back().and_then(|(name, text)| Rules::read(name, text).ok())
    }

    /// The colour of that rank.
    #[must_use]
    pub fn colour(&self, rank: u8) -> Option<&Colour> {
        self.colours.iter().find(|colour| colour.rank == rank)
    }

    /// Who must do what about that colour.
    #[must_use]
    pub fn task(&self, colour: &str) -> Option<&Task> {
        self.tasks.iter().find(|task| task.colours.iter().any(|known| known == colour))
    }

    /// When a span that begins at `from` is over. Working days count from the next one on, and end with their day: 24:00, written as 00:00 of
    /// the next.
    #[must_use]
    pub fn due(&self, from: Timestamp, within: Within) -> Timestamp {
        match within {
            Within::Span(span) => Timestamp(from.0.saturating_add(span)),
            Within::WorkingDays(count) => {
                let mut day = calendar::day_of(from);
                let mut left = count;
                while left > 0 {
                    day = day.saturating_add(1);
                    left -= u32::from(self.works(day));
                }
                calendar::start(day.saturating_add(1))
            }
        }
    }

    fn works(&self, day: i32) -> bool {
        let named = |days: &[i32]| days.binary_search(&day).is_ok();
        named(&self.workdays) || !named(&self.holidays) && self.days.is_worked(calendar::start(day))
    }

    /// Whether the calendar has the days off of the year of `at`; else only weekends are known.
    #[must_use]
    pub fn knows(&self, at: Timestamp) -> bool {
        self.days.knows(at)
    }
}
