//! The scoring sheet: what was to be found, when it happened, when and by what it was found, points.

use serde::Serialize;

use super::bilingual::Bilingual;
use super::drill::{Drill, DrillEvent};
use super::span::drill_time;
use super::wanted::{Expected, Finder};
use super::watch::{DrillWatch, FirstSeen, Playing};

/// The sheet of a drill that was played.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ScoreSheet {
    /// `drill-score/1`.
    pub schema: &'static str,
    /// The drill's name.
    pub drill: String,
    /// Its title.
    pub title: Bilingual,
    /// What the trainer told.
    pub story: Bilingual,
    /// The time that data of the drill's begin said.
    pub data_from: String,
    /// How many times as fast as the wall clock it was played.
    pub speed: f64,
    /// Messages that were looked at.
    pub messages: u64,
    /// What happened, in the order of time.
    pub events: Vec<SheetEvent>,
    /// What was to be found, and what must not appear.
    pub rows: Vec<SheetRow>,
    /// Points that the gateway got, of how many.
    pub points: u32,
    /// Points that the gateway could get.
    pub points_of: u32,
    /// Points that the trainer gives by hand.
    pub points_by_hand: u32,
    /// Whether the gateway found all, and nothing appeared that must not.
    pub all_found: bool,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SheetEvent {
    /// When, as people say it.
    pub from: String,
    /// Until when.
    pub until: String,
    /// The station's name.
    pub station: String,
    /// What.
    pub name: Bilingual,
}

/// What became of something that was wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SheetMark {
    /// It was found.
    Found,
    /// It was not found.
    Missed,
    /// It must not appear, and did not.
    StayedAway,
    /// It must not appear, and did.
    Appeared,
    /// People find it: the trainer marks it by hand.
    ByHand,
}

/// A line of the sheet.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SheetRow {
    /// What it is.
    pub name: Bilingual,
    /// What became of it.
    pub mark: SheetMark,
    /// When it happens, as people say it.
    pub happened: String,
    /// Until when it counts.
    pub until: String,
    /// The time that the message tells of.
    pub about: Option<String>,
    /// What the drill's clock showed when the message came.
    pub heard: Option<String>,
    /// The MN of the message.
    pub mn: Option<String>,
    /// The message's topic, behind the MN.
    pub topic: Option<String>,
    /// What the message says.
    pub said: Option<String>,
    /// Points that it got.
    pub points: u32,
    /// Points that it could get.
    pub points_of: u32,
}

impl ScoreSheet {
    /// The sheet of what was found so far.
    #[must_use]
    pub fn of(drill: &Drill, playing: Playing, watch: &DrillWatch<'_>) -> ScoreSheet {
        let rows: Vec<SheetRow> =
            drill.wanted.iter().zip(&watch.found).map(|(wanted, found)| row(drill, wanted, found.as_ref())).collect();
        let time = |minutes| drill_time(drill.begin, minutes);
        let mut happened: Vec<&DrillEvent> = drill.happenings.iter().collect();
        happened.sort_by_key(|event| event.at);
        let events = happened.into_iter().map(|event| SheetEvent {
            from: time(event.at),
            until: time(event.until),
            station: drill.stations.get(event.station).map_or_else(String::new, |of| of.name.clone()),
            name: event.name.clone(),
        });
        let by_hand = |row: &&SheetRow| row.mark == SheetMark::ByHand;
        let sum = |points: fn(&SheetRow) -> u32, hand: bool| -> u32 {
            rows.iter().filter(|row| by_hand(row) == hand).map(points).sum()
        };
        ScoreSheet {
            schema: "drill-score/1",
            drill: drill.id.clone(),
            title: drill.title.clone(),
            story: drill.story.clone(),
            data_from: playing.begins.to_rfc3339(),
            speed: playing.speed,
            messages: watch.messages(),
            events: events.collect(),
            points: sum(|row| row.points, false),
            points_of: sum(|row| row.points_of, false),
            points_by_hand: sum(|row| row.points_of, true),
            all_found: rows.iter().all(|row| !matches!(row.mark, SheetMark::Missed | SheetMark::Appeared)),
            rows,
        }
    }
}

fn row(drill: &Drill, wanted: &Expected, found: Option<&FirstSeen>) -> SheetRow {
    let mark = match (wanted.by, wanted.never, found) {
        (Finder::People, ..) => SheetMark::ByHand,
        (Finder::Gateway, false, Some(_)) => SheetMark::Found,
        (Finder::Gateway, false, None) => SheetMark::Missed,
        (Finder::Gateway, true, Some(_)) => SheetMark::Appeared,
        (Finder::Gateway, true, None) => SheetMark::StayedAway,
    };
    let time = |minutes| drill_time(drill.begin, minutes);
    let got = matches!(mark, SheetMark::Found | SheetMark::StayedAway);
    SheetRow {
        name: wanted.name.clone(),
        mark,
        happened: time(wanted.from),
        until: time(wanted.until),
        about: found.map(|found| time(found.about)),
        heard: found.map(|found| time(found.heard)),
        mn: found.map(|found| found.mn.clone()),
        topic: found.map(|found| found.topic.clone()),
        said: found.map(|found| found.said.clone()).filter(|said| !said.is_empty()),
        points: if got { wanted.points } else { 0 },
        points_of: wanted.points,
    }
}

impl SheetMark {
    /// The mark in both languages.
    #[must_use]
    pub const fn words(self) -> (&'static str, &'static str) {
        match self {
            SheetMark::Found => ("已发现", "found"),
            SheetMark::Missed => ("未发现", "missed"),
            SheetMark::StayedAway => ("未出现（正确）", "stayed away (right)"),
            SheetMark::Appeared => ("误报", "appeared (wrong)"),
            SheetMark::ByHand => ("教员评分", "marked by the trainer"),
        }
    }
}
