//! A drill file to a drill: every mistake at once, each with its line and a remedy.

mod event;
mod expect;
mod station;

use super::bilingual::Bilingual;
use super::drill::Drill;
use super::problem::DrillProblem;
use super::rows::DrillRows;
use super::span::{DAY, read_length, read_time};
use super::{EVENTS_MAX, EXPECTS_MAX, LENGTH_MAX, STATIONS_MAX};

/// The schema of drill files.
const SCHEMA: &str = "drill/1";
/// Speeds that a drill can have.
const SPEEDS: std::ops::RangeInclusive<f64> = 1.0..=100_000.0;

/// Where something stands: the table (`station`, `event`, `expect`; empty: the head of the file) and its number, from 0.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DrillPlace(&'static str, usize);

const HEAD: DrillPlace = DrillPlace("", 0);

/// What is wrong so far, and the text in which lines are found.
#[derive(Debug)]
pub(crate) struct Mistakes<'a> {
    file: &'a str,
    text: &'a str,
    found: Vec<DrillProblem>,
}

impl Mistakes<'_> {
    /// Notes that `key = value` of a row is wrong.
    pub(crate) fn add(&mut self, row: DrillPlace, key: &str, value: &str, what: [&str; 2], remedy: [&str; 2]) {
        let value = if key.is_empty() { value.to_owned() } else { format!("{key} = {value:?}") };
        self.found.push(DrillProblem {
            file: self.file.to_owned(),
            line: self.line(row, key),
            value,
            what: Bilingual::new(what[0], what[1]),
            remedy: Bilingual::new(remedy[0], remedy[1]),
        });
    }

    /// The line of `key` in its row, or of the row; 1 where neither is found.
    fn line(&self, row: DrillPlace, key: &str) -> usize {
        let DrillPlace(table, number) = row;
        let mut tables = 0;
        let mut begin = if table.is_empty() { Some(1) } else { None };
        for (index, line) in self.text.lines().enumerate() {
            let line = line.trim_start();
            if let Some(name) = line.strip_prefix("[[") {
                if name.starts_with(&format!("{table}]]")) && !table.is_empty() {
                    if tables == number {
                        begin = Some(index + 1);
                    } else if begin.is_some() {
                        break;
                    }
                    tables += 1;
                } else if begin.is_some() && !name.starts_with(&format!("{table}.")) {
                    break;
                }
            }
            let named = line.strip_prefix(key).is_some_and(|rest| rest.trim_start().starts_with('='));
            if begin.is_some() && !key.is_empty() && named {
                return index + 1;
            }
        }
        begin.unwrap_or(1)
    }
}

/// Reads a drill file; `file` is what it is called in messages.
///
/// # Errors
/// Every mistake of it; of its form (types, unknown keys) the first.
pub fn read(file: &str, text: &str) -> Result<Drill, Vec<DrillProblem>> {
    let rows: DrillRows = match toml::from_str(text) {
        Ok(rows) => rows,
        Err(error) => return Err(vec![of_form(file, text, &error)]),
    };
    let mut mistakes = Mistakes { file, text, found: Vec::new() };
    let drill = checked(&rows, &mut mistakes);
    if mistakes.found.is_empty() { Ok(drill) } else { Err(mistakes.found) }
}

fn of_form(file: &str, text: &str, error: &toml::de::Error) -> DrillProblem {
    let start = error.span().map_or(0, |span| span.start);
    let before = text.get(..start).unwrap_or_default();
    let value = text.get(start..).and_then(|rest| rest.lines().next()).unwrap_or_default().trim();
    DrillProblem {
        file: file.to_owned(),
        line: before.matches('\n').count() + 1,
        value: value.to_owned(),
        what: Bilingual::new(
            format!("格式不对：{}", error.message()),
            format!("the form is wrong: {}", error.message()),
        ),
        remedy: Bilingual::new(
            "对照 docs/drills.md 的键名和类型；hj212-gateway drill show NAME 可打印一份样例",
            "Compare keys and types with docs/drills.md; hj212-gateway drill show NAME prints an example",
        ),
    }
}

fn checked(rows: &DrillRows, mistakes: &mut Mistakes<'_>) -> Drill {
    if rows.schema != SCHEMA {
        mistakes.add(
            HEAD,
            "schema",
            &rows.schema,
            ["不认识的格式版本", "another schema"],
            ["写 schema = \"drill/1\"", "Write schema = \"drill/1\""],
        );
    }
    if !is_word(&rows.id) {
        mistakes.add(
            HEAD,
            "id",
            &rows.id,
            ["不能作名称", "this is no name"],
            ["用 1 至 32 个字母、数字、'-'", "Write 1 to 32 letters, digits and '-'"],
        );
    }
    let begin = read_time(&rows.begin).filter(|minutes| *minutes < DAY);
    if begin.is_none() {
        mistakes.add(
            HEAD,
            "begin",
            &rows.begin,
            ["不是第一天的时刻", "this is no time of the first day"],
            ["写 10:00 这样的时刻", "Write a time as 10:00"],
        );
    }
    let length = read_length(&rows.length, false).filter(|minutes| (1..=LENGTH_MAX).contains(minutes));
    if length.is_none() {
        mistakes.add(
            HEAD,
            "length",
            &rows.length,
            ["时长不对", "this is no length of a drill"],
            ["写 1min 至 3d，如 90min、27h", "Write 1min to 3d, as 90min or 27h"],
        );
    }
    if !SPEEDS.contains(&rows.speed) {
        mistakes.add(
            HEAD,
            "speed",
            &rows.speed.to_string(),
            ["速度超出范围", "the speed is out of range"],
            ["写 1 至 100000", "Write 1 to 100000"],
        );
    }
    for (table, count, most) in [
        ("station", rows.station.len(), STATIONS_MAX),
        ("event", rows.event.len(), EVENTS_MAX),
        ("expect", rows.expect.len(), EXPECTS_MAX),
    ] {
        if count > most {
            mistakes.add(
                DrillPlace(table, most),
                "",
                &format!("{count} [[{table}]]"),
                ["行数过多", "too many of them"],
                [&format!("最多 {most} 行"), &format!("Write {most} at most")],
            );
        }
    }
    if rows.station.is_empty() {
        mistakes.add(
            HEAD,
            "",
            "",
            ["没有站点", "there is no station"],
            ["至少写一个 [[station]]", "Write one [[station]] at least"],
        );
    }
    let mut drill = Drill {
        id: rows.id.clone(),
        title: rows.title.clone(),
        story: rows.story.clone(),
        begin: begin.unwrap_or(0),
        length: length.unwrap_or(1),
        speed: rows.speed,
        seed: rows.seed,
        stations: Vec::new(),
        happenings: Vec::new(),
        wanted: Vec::new(),
    };
    drill.stations = station::stations(&rows.station, mistakes);
    // Times mean nothing without a begin and a length, stations nothing while some are wrong.
    if mistakes.found.is_empty() {
        drill.happenings = event::happenings(&rows.event, &drill, mistakes);
        drill.wanted = expect::wanted(&rows.expect, &drill, mistakes);
    }
    drill
}

fn is_word(text: &str) -> bool {
    (1..=32).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// Minutes since the begin of the drill that `text` says, within it.
fn moment(text: &str, drill: &Drill) -> Option<i64> {
    read_time(text).map(|minutes| minutes - drill.begin).filter(|minutes| (0..=drill.length).contains(minutes))
}

const NO_MOMENT: [&str; 2] = ["不是演练中的时刻", "this is no time within the drill"];
const A_MOMENT: [&str; 2] = [
    "写 begin 与 begin + length 之间的时刻，如 10:00；第二天写 \"2d 10:00\"",
    "Write a time from begin to begin + length, as 10:00; of the second day \"2d 10:00\"",
];

/// The station that is called so.
fn station_of(id: &str, drill: &Drill) -> Option<usize> {
    drill.stations.iter().position(|station| station.id == id)
}

const NO_STATION: [&str; 2] = ["没有这个站点", "there is no such station"];
const A_STATION: [&str; 2] = ["写某个 [[station]] 的 id", "Write the id of a [[station]]"];
