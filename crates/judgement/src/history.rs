//! What is remembered of an outlet: the hours of its last days, in few bytes.
//!
//! What must stay true: at most [`TRACKS_MAX`] factors of [`DAYS_KEPT`] days of 24 hours; a cell takes 8 bytes; days are in order, each once.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::days::{self, DAYS_KEPT, Numbered};
use super::decimal::{Decimal, Ratio};
use super::limits::Basis;
use super::outcome::Outcome;
use hj212_marking::Validity;

/// Factors (and values of them) of an outlet that are judged; further limits are told as not judged.
pub const TRACKS_MAX: usize = 24;

/// What came of one hour of one factor, in eight bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Cell {
    mantissa: i32,
    /// Digits after the point, and [`VALUE`] if there is a value.
    form: u8,
    /// Below 8 the worth (0: no record came; 1: one came and nothing is said of it; then the validities); above it how often it was said again
    /// after its day was settled.
    state: u8,
    /// Usable minute means of the hour, where they are known.
    pub good: u8,
    /// Minute means that were due; 0: not known.
    pub due: u8,
}

const VALUE: u8 = 0x80;

const WORTHS: [Validity; 6] = [
    Validity::Valid,
    Validity::Conditional,
    Validity::Exempt,
    Validity::Invalid,
    Validity::Missing,
    Validity::Excluded,
];

impl Cell {
    /// What came: a value, if it is one, its worth, if anything is said of it, and usable minute means and those due, where they are known.
    #[must_use]
    pub fn new(value: Option<Decimal>, worth: Option<Validity>, minutes: Option<(u32, u32)>) -> Cell {
        let (mantissa, digits) = value.map_or((0, 0), Decimal::parts);
        let (good, due) = minutes.unwrap_or_default();
        let small = |number: u32| u8::try_from(number).unwrap_or(u8::MAX);
        let form = digits | if value.is_some() { VALUE } else { 0 };
        let mut cell = Cell { mantissa, form, state: 0, good: small(good), due: small(due) };
        cell.set_worth(worth);
        cell
    }

    /// Whether a record of the hour came.
    #[must_use]
    pub const fn came(self) -> bool {
        self.state & 7 > 0
    }

    /// Its value.
    #[must_use]
    pub fn value(self) -> Option<Decimal> {
        (self.form & VALUE != 0).then(|| Decimal::of(self.mantissa, self.form & !VALUE))
    }

    /// What is said of it; `None`: nothing, or no record came.
    #[must_use]
    pub fn worth(self) -> Option<Validity> {
        WORTHS.get(usize::from(self.state & 7).checked_sub(2)?).copied()
    }

    /// How often it was said again after its day was settled; 31: so often or oftener.
    #[must_use]
    pub const fn revision(self) -> u8 {
        self.state >> 3
    }

    /// The same, said so often again.
    pub(super) const fn revised(self, times: u8) -> Cell {
        let times = if times > 31 { 31 } else { times };
        Cell { state: self.state & 7 | times << 3, ..self }
    }

    /// Says that it is worth something else.
    pub(super) fn set_worth(&mut self, worth: Option<Validity>) {
        let place = worth.and_then(|worth| WORTHS.iter().position(|known| *known == worth));
        self.state = self.state & !7 | place.map_or(1, |place| u8::try_from(place + 2).unwrap_or(1));
    }
}

/// How far the judgement of a day is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Stage {
    /// The day is not over, or nothing was said of it yet.
    #[default]
    Open,
    /// The day is over; marks may still be entered.
    Provisional,
    /// No more marks can be entered for it.
    Settled,
}

impl Stage {
    /// The published name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "running",
            Self::Provisional => "provisional",
            Self::Settled => "settled",
        }
    }
}

/// Why what was settled is said again, where it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RevisedBy {
    /// A record came again with something else.
    ReUpload,
    /// A record, or a finer one, came late.
    LateRecord,
    /// An entry of people, or the correction or withdrawal of one.
    Entry,
    /// What an authority ruled.
    Ruling,
}

impl RevisedBy {
    const ALL: [RevisedBy; 4] = [RevisedBy::ReUpload, RevisedBy::LateRecord, RevisedBy::Entry, RevisedBy::Ruling];

    /// The published name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ReUpload => "re-upload",
            Self::LateRecord => "late-record",
            Self::Entry => "entry",
            Self::Ruling => "ruling",
        }
    }

    pub(super) const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::ReUpload => ("数据重新上报", "data sent again"),
            Self::LateRecord => ("迟到或更正的数据", "late or corrected data"),
            Self::Entry => ("标记填报或更正", "an entry of marks"),
            Self::Ruling => ("主管部门认定", "a ruling"),
        }
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// Several of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Causes(u8);

impl Causes {
    pub(super) fn of(cause: Option<RevisedBy>) -> Causes {
        Causes(cause.map_or(0, RevisedBy::bit))
    }

    pub(super) fn add(&mut self, cause: Option<RevisedBy>) {
        self.0 |= Self::of(cause).0;
    }

    pub(super) fn all(self) -> impl Iterator<Item = RevisedBy> {
        RevisedBy::ALL.into_iter().filter(move |cause| self.0 & cause.bit() != 0)
    }
}

/// How far something is that is said, and why it is said again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct SaidAt {
    /// How far.
    pub(super) stage: Stage,
    /// How often it was said again after it was settled.
    pub(super) revision: u16,
    /// Why.
    pub(super) causes: Causes,
}

/// What was said last of a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Told {
    /// How far.
    pub(super) stage: Stage,
    /// How often it was said again after it was settled.
    pub(super) revision: u16,
    /// The outcome.
    pub(super) outcome: Option<Outcome>,
    /// How many times the limit it was.
    pub(super) ratio: Option<Ratio>,
    /// A hash of all that was said.
    pub(super) print: u64,
}

/// A day of one factor.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Day {
    /// Its number.
    pub(super) number: i32,
    /// Its hours.
    pub(super) cells: [Cell; 24],
    /// The mean that the logger reported of the whole day.
    pub(super) reported: Option<Decimal>,
    /// What was said of it last.
    pub(super) told: Told,
    /// Whether something changed since.
    pub(super) dirty: bool,
    /// Why.
    pub(super) causes: Causes,
}

impl Day {
    /// Notes that something of it is another.
    pub(super) fn touch(&mut self, cause: Option<RevisedBy>) {
        self.dirty = true;
        self.causes.add(cause);
    }
}

impl Numbered for Day {
    fn empty(number: i32) -> Self {
        Day { number, ..Day::default() }
    }

    fn number(&self) -> i32 {
        self.number
    }
}

/// The days of one factor and value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Track {
    /// The canonical code.
    pub(super) code: String,
    /// Which value of it.
    pub(super) basis: Basis,
    /// In order.
    pub(super) days: VecDeque<Day>,
}

impl Track {
    /// The day of that number, if it is remembered.
    pub(super) fn day(&self, number: i32) -> Option<&Day> {
        self.days.binary_search_by_key(&number, |day| day.number).ok().and_then(|at| self.days.get(at))
    }

    /// The day of that number, a new one if need be; `None`: it is older than what is remembered.
    pub(super) fn day_mut(&mut self, number: i32) -> Option<&mut Day> {
        days::entry(&mut self.days, number)
    }

    /// Forgets what is older than [`DAYS_KEPT`] days at `today`.
    pub(super) fn forget(&mut self, today: i32) {
        let kept = i32::try_from(DAYS_KEPT).unwrap_or(i32::MAX);
        while self.days.front().is_some_and(|day| day.number <= today.saturating_sub(kept)) {
            self.days.pop_front();
        }
    }
}
