//! In which order the rows of the board are shown.
//!
//! What must stay true: rows that are alike stand in the order of their MNs, whichever way it goes.

use std::cmp::Ordering;

use serde::Deserialize;

use super::Row;
use super::row_snapshot::rate;

/// By what rows are sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RowOrder {
    /// By MN.
    #[default]
    Mn,
    /// By name.
    Name,
    /// Connected, away, never heard.
    State,
    /// When a report came last; never first.
    Heard,
    /// How far the clock is off, either way; unknown first.
    Clock,
    /// The share that has arrived of the last day that is over; unknown last.
    Completeness,
    /// How many deviations there were.
    Deviations,
    /// How many frames were refused.
    Refused,
    /// What needs a look: refused, departing from the standard, marks.
    Trouble,
}

impl RowOrder {
    /// Sorts rows that stand in the order of their MNs.
    pub(super) fn sort(self, down: bool, rows: &mut [(&String, &Row)]) {
        let turned = |order: Ordering| if down { order.reverse() } else { order };
        match self {
            RowOrder::Mn if !down => {}
            RowOrder::Mn => rows.reverse(),
            RowOrder::Name => rows.sort_by(|(_, one), (_, other)| turned(name(one).cmp(name(other)))),
            RowOrder::State
            | RowOrder::Heard
            | RowOrder::Clock
            | RowOrder::Completeness
            | RowOrder::Deviations
            | RowOrder::Refused
            | RowOrder::Trouble => {
                let mut keyed: Vec<_> = rows.iter().map(|(mn, row)| (self.number(row), (*mn, *row))).collect();
                keyed.sort_by(|(one, _), (other, _)| turned(one.cmp(other)));
                rows.iter_mut().zip(keyed).for_each(|(place, (_, row))| *place = row);
            }
        }
    }

    fn number(self, row: &Row) -> i64 {
        let Some(seen) = row.seen.as_deref() else {
            return match self {
                RowOrder::State => 2,
                RowOrder::Completeness => i64::MAX,
                RowOrder::Heard | RowOrder::Clock => i64::MIN,
                RowOrder::Mn | RowOrder::Name | RowOrder::Deviations | RowOrder::Refused => 0,
                RowOrder::Trouble => 2000 * i64::from(row.fails()),
            };
        };
        match self {
            RowOrder::Mn | RowOrder::Name => 0,
            RowOrder::State => row.contact() as i64,
            RowOrder::Heard => seen.heard().map_or(i64::MIN, |at| at.0),
            RowOrder::Clock => seen.offsets.median().map_or(i64::MIN, |off| off.saturating_abs()),
            RowOrder::Completeness => {
                // The kinds in the order in which a row shows them.
                let of = |kind: &&str| seen.completeness.get(*kind)?.1.as_ref();
                let shown = ["minute", "hour", "realtime", "day"].iter().find_map(of);
                shown.and_then(rate).map_or(i64::MAX, |rate| (rate * 10_000.0) as i64)
            }
            RowOrder::Deviations => {
                let counts = seen.card.iter().flat_map(|(_, card)| &card.deviations);
                counts.fold(0, |sum, (_, count)| sum.saturating_add(i64::try_from(*count).unwrap_or(i64::MAX)))
            }
            RowOrder::Refused => i64::try_from(seen.refused).unwrap_or(i64::MAX),
            RowOrder::Trouble => {
                let marks = i64::try_from(seen.marks.len()).unwrap_or(i64::MAX).min(1000);
                4000 * i64::from(seen.refusal.is_some()) + 2000 * i64::from(row.fails()) + marks
            }
        }
    }
}

fn name(row: &Row) -> &str {
    row.facts.as_ref().map_or("", |facts| facts.name.as_str())
}
