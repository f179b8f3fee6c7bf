//! The furnace test of waste incineration: five-minute means of the temperature that are too low (炉膛温度5分钟均值), and how many of them a
//! natural day may have. The rule is a `[[count]]` of the marking rules: `docs/marking.md`.
//!
//! What must stay true: the grid of windows begins at 00:00; a mean said again counts once, as it is now; a window under a mark that lifts the
//! test is not counted, whenever the mark came; 80 bytes a day and furnace.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::calendar::{self, SECOND};
use super::days::{self, Numbered};
use super::history::{Causes, RevisedBy, Told};
use hj212_model::message::Timestamp;

/// Furnaces of an outlet that are looked at.
pub const FURNACES_MAX: usize = 8;
/// Windows of a day.
pub(super) const WINDOWS: usize = 288;
/// The length of one.
pub(super) const WINDOW: i64 = 300 * SECOND;

/// A day of one furnace.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct FurnaceDay {
    pub(super) number: i32,
    seen: [u64; 5],
    low: [u64; 5],
    pub(super) told: Told,
    pub(super) dirty: bool,
    pub(super) causes: Causes,
}

impl FurnaceDay {
    /// Notes that something of it is another.
    pub(super) fn touch(&mut self, cause: Option<RevisedBy>) {
        self.dirty = true;
        self.causes.add(cause);
    }
}

impl Numbered for FurnaceDay {
    fn empty(number: i32) -> Self {
        FurnaceDay { number, ..FurnaceDay::default() }
    }

    fn number(&self) -> i32 {
        self.number
    }
}

/// Minute means of the window that is going on.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub(super) struct Gathering {
    window: i64,
    sum: f64,
    count: u32,
    last: i64,
}

/// What is remembered of one furnace and count.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(super) struct Furnace {
    /// The count, `set:id`.
    pub(super) rule: String,
    /// The facility, or `outlet`.
    pub(super) object: String,
    pub(super) days: VecDeque<FurnaceDay>,
    /// Whether the station says five-minute means itself: then minutes are not looked at.
    pub(super) own: bool,
    pub(super) minutes: Gathering,
}

/// How many windows of a day were what.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Windows {
    /// That came.
    pub seen: u32,
    /// Under a mark that lifts the test, low ones alone.
    pub lifted: u32,
    /// Low and counted.
    pub low: u32,
    /// So many are borne.
    pub max: u32,
    /// When the low ones began.
    pub times: Vec<Timestamp>,
}

fn place(number: usize) -> (usize, u64) {
    (number / 64, 1 << (number % 64))
}

fn has(bits: &[u64; 5], number: usize) -> bool {
    let (word, bit) = place(number);
    bits.get(word).is_some_and(|word| word & bit != 0)
}

fn put(bits: &mut [u64; 5], number: usize, is: bool) {
    let (word, bit) = place(number);
    if let Some(word) = bits.get_mut(word) {
        *word = if is { *word | bit } else { *word & !bit };
    }
}

impl Furnace {
    /// Takes a five-minute mean that the station says; whether it changes anything.
    pub(super) fn window(&mut self, at: Timestamp, low: bool) {
        self.own = true;
        self.note(at.0, low);
    }

    /// Takes a minute mean, where the station says no five-minute means.
    pub(super) fn minute(&mut self, at: Timestamp, value: f64, below: f64) {
        if self.own || at.0 <= self.minutes.last {
            return;
        }
        let window = at.0.div_euclid(WINDOW) * WINDOW;
        if window != self.minutes.window {
            let Gathering { window: before, sum, count, .. } = self.minutes;
            if count > 0 {
                self.note(before, sum / f64::from(count) < below);
            }
            self.minutes = Gathering { window, ..Gathering::default() };
        }
        self.minutes.last = at.0;
        self.minutes.sum += value;
        self.minutes.count += 1;
    }

    fn note(&mut self, at: i64, low: bool) {
        let at = Timestamp(at);
        let number = calendar::day_of(at);
        let window = usize::try_from((at.0 - calendar::start(number).0) / WINDOW).unwrap_or(0).min(WINDOWS - 1);
        let Some(day) = self.day_mut(number) else { return };
        if has(&day.seen, window) && has(&day.low, window) == low {
            return;
        }
        let cause = if has(&day.seen, window) { RevisedBy::ReUpload } else { RevisedBy::LateRecord };
        put(&mut day.seen, window, true);
        put(&mut day.low, window, low);
        day.touch(Some(cause));
    }

    pub(super) fn day_mut(&mut self, number: i32) -> Option<&mut FurnaceDay> {
        days::entry(&mut self.days, number)
    }
}

impl FurnaceDay {
    /// Counts the day: `lifted` says whether a mark lifts the test at a time.
    pub(super) fn count(&self, max: u32, lifted: &dyn Fn(Timestamp) -> bool) -> Windows {
        let mut windows = Windows { max, ..Windows::default() };
        let begin = calendar::start(self.number).0;
        for number in 0..WINDOWS {
            if !has(&self.seen, number) {
                continue;
            }
            windows.seen += 1;
            if !has(&self.low, number) {
                continue;
            }
            let at = Timestamp(begin + i64::try_from(number).unwrap_or(0) * WINDOW);
            if lifted(at) {
                windows.lifted += 1;
            } else {
                windows.low += 1;
                windows.times.push(at);
            }
        }
        windows
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_counts_once_and_as_it_was_said_last() {
        let mut furnace = Furnace::default();
        let day = calendar::read("2026-06-01").unwrap();
        let at = |window: i64| Timestamp(calendar::start(day).0 + window * WINDOW);
        for window in 0..8 {
            furnace.window(at(window), window < 7);
        }
        furnace.window(at(0), true);
        furnace.window(at(1), false);
        let count = furnace.days[0].count(5, &|time| time == at(2));
        assert_eq!((count.seen, count.low, count.lifted), (8, 5, 1));
        assert_eq!(count.times[0], at(0));
    }

    #[test]
    fn minutes_make_windows_where_no_others_come() {
        let mut furnace = Furnace::default();
        let day = calendar::read("2026-06-01").unwrap();
        let begin = calendar::start(day).0;
        for minute in 0..16i64 {
            furnace.minute(Timestamp(begin + minute * 60 * SECOND), if minute < 5 { 849.0 } else { 850.0 }, 850.0);
        }
        let count = furnace.days[0].count(5, &|_| false);
        assert_eq!((count.seen, count.low), (3, 1));
    }
}
