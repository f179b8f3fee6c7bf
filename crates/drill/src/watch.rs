//! Looks through what the broker says for what is wanted.

use hj212_model::message::Timestamp;
use serde_json::Value;

use super::drill::Drill;
use super::wanted::{Expected, Finder};

const MINUTE: i64 = 60_000_000;

/// How a drill is being played.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Playing {
    /// The time that data of the drill's begin say.
    pub begins: Timestamp,
    /// How many times as fast as the wall clock.
    pub speed: f64,
}

/// When and by what something was found first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FirstSeen {
    /// Minutes since the begin that the message says of itself, or, where it says none, that the drill's clock showed.
    pub(crate) about: i64,
    /// Minutes since the begin that the drill's clock showed when it came.
    pub(crate) heard: i64,
    pub(crate) mn: String,
    pub(crate) topic: String,
    /// What people read of the message: its own explanation where it has one.
    pub(crate) said: String,
}

/// What was found so far.
#[derive(Debug)]
pub struct DrillWatch<'a> {
    drill: &'a Drill,
    playing: Playing,
    pub(crate) found: Vec<Option<FirstSeen>>,
    /// Minutes since the begin of the latest record of each station that was published.
    latest: Vec<i64>,
    /// Messages looked at.
    messages: u64,
}

impl<'a> DrillWatch<'a> {
    /// Nothing found yet.
    #[must_use]
    pub fn new(drill: &'a Drill, playing: Playing) -> Self {
        let found = vec![None; drill.wanted.len()];
        DrillWatch { drill, playing, found, latest: vec![i64::MIN; drill.stations.len()], messages: 0 }
    }

    /// Takes a message of station `mn` in; `topic` is what follows the MN, `heard` what the drill's clock shows. Gives what it was the first to find.
    pub fn hear(&mut self, mn: &str, topic: &str, body: &[u8], heard: i64) -> Vec<&'a Expected> {
        let Some(station) = self.drill.stations.iter().position(|station| station.mn == mn) else { return Vec::new() };
        let Ok(body) = serde_json::from_slice::<Value>(body) else { return Vec::new() };
        self.messages += 1;
        let own = self.own_time(&body);
        if let (Some(own), Some(latest), true) = (own, self.latest.get_mut(station), topic == "data/minute") {
            *latest = own.max(*latest);
        }
        let about = own.unwrap_or(heard);
        let mut news = Vec::new();
        for (wanted, found) in self.drill.wanted.iter().zip(&mut self.found) {
            let at = if wanted.heard { heard } else { about };
            if found.is_none() && (wanted.from..=wanted.until).contains(&at) && wanted.is(mn, topic, &body) {
                *found =
                    Some(FirstSeen { about, heard, mn: mn.to_owned(), topic: topic.to_owned(), said: said(&body) });
                news.push(wanted);
            }
        }
        news
    }

    /// Whether all is found that the gateway is to find.
    #[must_use]
    pub fn has_all(&self) -> bool {
        let is_open = |wanted: &Expected| wanted.by == Finder::Gateway && !wanted.never;
        self.drill.wanted.iter().zip(&self.found).all(|(wanted, found)| !is_open(wanted) || found.is_some())
    }

    /// Whether of each station a minute record was published that begins at the minute of `last` or later; `None`: of that station nothing is waited for.
    #[must_use]
    pub fn has_come(&self, last: &[Option<i64>]) -> bool {
        self.latest.iter().zip(last).all(|(latest, last)| last.is_none_or(|last| *latest >= last))
    }

    /// Messages that were looked at.
    #[must_use]
    pub fn messages(&self) -> u64 {
        self.messages
    }

    /// Minutes since the begin that a message says of itself: the first of its times that lies in the drill.
    fn own_time(&self, body: &Value) -> Option<i64> {
        let inside = |of: &str, name: &str| body.get(of).and_then(|of| of.get(name));
        let times = [
            body.get("data_time"),
            body.get("since"),
            inside("mark", "since"),
            inside("detail", "since"),
            inside("detail", "data_time"),
            body.get("time"),
        ];
        let within = times.into_iter().flatten().filter_map(|time| minutes(time.as_str()?, self.playing.begins));
        let length = self.drill.length;
        // The first period may have begun before the drill.
        within.into_iter().find(|minutes| (-24 * 60..=length).contains(minutes)).map(|minutes| minutes.max(0))
    }
}

fn minutes(text: &str, begins: Timestamp) -> Option<i64> {
    let time: jiff::Timestamp = text.parse().ok()?;
    Some((time.as_microsecond() - begins.0).div_euclid(MINUTE))
}

/// What people read of a message: its words in Chinese, else its reading of what was looked for.
fn said(body: &Value) -> String {
    let words = [
        body.get("explain").and_then(|words| words.get("zh")),
        body.get("detail").and_then(|detail| detail.get("zh")),
        body.get("mark").and_then(|mark| mark.get("mark")),
    ];
    let text = words.into_iter().flatten().find_map(Value::as_str).unwrap_or_default();
    text.chars().take(200).collect()
}
