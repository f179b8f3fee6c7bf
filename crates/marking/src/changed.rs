//! What a ruling changed, or why nothing.
//!
//! What must stay true: a ruling that is taken says what effect the entry had and has, and how many published periods are worth something
//! else; where that is none it says why. A ruling after which nothing could be different for anybody is refused with a reason, and changes
//! nothing.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::mark::{Mark, Standing};
use super::revision::Revision;
use super::rules::Validity;
use super::spans::Span;
use hj212_model::message::{Kind, Timestamp};

/// The effect of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Works {
    /// What it makes of readings.
    pub validity: Validity,
    /// From when on.
    pub from: Timestamp,
    /// Until when; `None`: open.
    pub until: Option<Timestamp>,
}

/// Why nothing that was published is worth anything else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Nothing {
    /// The entry has the effect that it had.
    AsBefore,
    /// It had no effect, and has none.
    WithoutEffect,
    /// Its effect is another, but nothing was published over that time, or other marks and flags decide there.
    NoPeriod,
    /// What was published over that time is too old to be put right.
    TooOld,
}

impl Nothing {
    /// As published: code, Chinese, English.
    #[must_use]
    pub const fn words(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::AsBefore => {
                ("as-before", "该标记的效力与裁定前相同", "the entry has the same effect as before the ruling")
            }
            Self::WithoutEffect => (
                "without-effect",
                "该标记此前没有效力，裁定后仍没有效力",
                "the entry had no effect before the ruling and has none after it",
            ),
            Self::NoPeriod => (
                "no-period",
                "该标记的效力已改变，但所涉时段没有已发布的数据，或其有效性由其他标记决定",
                "the effect of the entry changed, but nothing was published over that time, or other marks and flags decide there",
            ),
            Self::TooOld => (
                "too-old",
                "该标记的效力已改变，但所涉时段的已发布数据已超出可更正的期限（分钟一周，小时和日六周）",
                "the effect of the entry changed, but what was published over that time is too old to be put right (minutes a week, hours and days six weeks)",
            ),
        }
    }
}

/// What a ruling changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changed {
    /// The effect of the entry before.
    pub was: Option<Works>,
    /// And after.
    pub is: Option<Works>,
    /// The standing of the entry after it.
    pub standing: Standing,
    /// Published minutes, hours and days that are worth something else.
    pub periods: [u32; 3],
    /// How many of them lie in days that are closed.
    pub closed: u32,
    /// Whether more were left out than the bound allows (`revisions-cut`).
    pub cut: bool,
    /// Why there are none.
    pub nothing: Option<Nothing>,
}

impl Works {
    /// The effect of an entry as it stands; limits that are spent are another matter and told by their own events.
    #[must_use]
    pub fn of(mark: &Mark) -> Option<Works> {
        let (from, until) = mark.window();
        (mark.standing.counts() && from < until).then_some(Works {
            validity: mark.validity,
            from: Timestamp(from),
            until: (until != i64::MAX).then_some(Timestamp(until)),
        })
    }

    fn view(self) -> Value {
        json!({ "validity": self.validity.name(), "from": self.from.to_rfc3339(), "until": self.until.map(Timestamp::to_rfc3339) })
    }
}

impl Changed {
    /// What has come of a ruling about a mark that was `before`; `oldest`: hours before this can be put right no more; `shut`: days that are
    /// closed.
    pub(super) fn of(
        (before, after): (&Mark, &Mark),
        (revisions, cut): (&[Revision], bool),
        (oldest, shut): (i64, &[Span]),
    ) -> Changed {
        let (was, is) = (Works::of(before), Works::of(after));
        let mut periods = [0u32; 3];
        for revision in revisions {
            let kinds = [Kind::Minute, Kind::Hour, Kind::Day];
            let place = kinds.iter().position(|kind| *kind == revision.kind).unwrap_or(2);
            periods.get_mut(place).into_iter().for_each(|count| *count += 1);
        }
        let is_shut = |at: i64| shut.iter().any(|(from, to)| *from <= at && at < *to);
        let closed = revisions.iter().filter(|revision| is_shut(revision.data_time.0)).count();
        let ends = |works: Option<Works>| works.map_or(0, |works| works.until.map_or(i64::MAX, |until| until.0));
        let old = ends(was).max(ends(is)) <= oldest;
        let same = was == is && before.open_parts() == after.open_parts();
        let nothing = match (revisions.is_empty(), same) {
            (false, _) => None,
            (true, true) if was.is_none() => Some(Nothing::WithoutEffect),
            (true, true) => Some(Nothing::AsBefore),
            (true, false) if old => Some(Nothing::TooOld),
            (true, false) => Some(Nothing::NoPeriod),
        };
        let closed = u32::try_from(closed).unwrap_or(u32::MAX);
        Changed { was, is, standing: after.standing, periods, closed, cut, nothing }
    }

    /// As published.
    #[must_use]
    pub fn view(&self) -> Value {
        let [minute, hour, day] = self.periods;
        let nothing = self.nothing.map(|nothing| {
            let (code, zh, en) = nothing.words();
            json!({ "code": code, "zh": zh, "en": en })
        });
        json!({
            "was": self.was.map(Works::view), "is": self.is.map(Works::view), "standing": self.standing.name(),
            "periods": { "minute": minute, "hour": hour, "day": day }, "closed": self.closed, "cut": self.cut,
            "nothing": nothing,
        })
    }
}
