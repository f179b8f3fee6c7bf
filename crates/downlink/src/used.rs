//! Which key a station last used, as its frames show it, and that it is said.
//!
//! What must stay true: what is told of the key in use is told by frames of now, which a station that kept them would not send with the times
//! of now; a change is said at once, and durable. A station that changes its key all the time is noted [`NOTED_MAX`] times in
//! [`NOTED_EVERY`], then once at the end of that time.

use std::time::Duration;

use super::lane::Lane;
use super::moment::{self, Moment, Steady};
use super::step::{KeyNotice, Step};
use hj212::{Fields, Header};
use hj212_model::message::Timestamp;

/// Changes of the key in use are counted for so long.
const NOTED_EVERY: Duration = Duration::from_secs(60);
/// So many of them are noted at once in that time.
const NOTED_MAX: u32 = 8;
/// A frame of now was made at most so long ago, in milliseconds, by its QN and its DataTime; or so far ahead.
const OF_NOW: i64 = 600_000;

impl Lane {
    /// A frame of now shows that the station uses this key, which is known to be good.
    pub(super) fn key_shown(&mut self, created: &str, now: Moment, out: &mut Vec<Step>) {
        self.keys.note_used(created);
        self.used_waits = self.used_said.as_deref() != Some(created);
        self.note_used(now, out);
    }

    /// Says which key is in use, if that has changed and was not said too often.
    pub(super) fn note_used(&mut self, now: Moment, out: &mut Vec<Step>) {
        let Some(created) = self.keys.used().filter(|_| self.used_waits).map(str::to_owned) else { return };
        let (since, count) =
            self.used_noted.filter(|(since, _)| now.steady.since(*since) < NOTED_EVERY).unwrap_or((now.steady, 0));
        if count >= NOTED_MAX {
            return;
        }
        self.used_noted = Some((since, count + 1));
        self.used_waits = false;
        self.used_said = Some(created.clone());
        out.push(Step::KeyNote { mn: self.address.mn.clone(), created, notice: KeyNotice::Used });
    }

    /// When [`Lane::note_used`] has something to say that was said too often before.
    pub(super) fn used_deadline(&self) -> Option<Steady> {
        self.used_noted.filter(|_| self.used_waits).map(|(since, _)| since.after(NOTED_EVERY))
    }

    /// Whether a frame that can be read was made now: it is no record of before (RF), and its QN and its DataTime are those of now, by this
    /// clock or by the station's as far as that is known to be off. `area`: `None` if it cannot be read.
    pub(super) fn is_of_now(&self, header: &Header<'_>, area: Option<&[u8]>, wall: Timestamp) -> bool {
        let now = moment::of(wall);
        let said = header.qn.and_then(moment::millis);
        let data = area.and_then(data_time);
        if header.rf || said.is_none() && data.is_none() {
            return false;
        }
        let span = i64::from(span(header.cn)) * 1000;
        let fits = |now: i64| {
            said.is_none_or(|qn| now.abs_diff(qn) <= OF_NOW.unsigned_abs())
                && data.is_none_or(|time| (now - span - OF_NOW..=now + span + OF_NOW).contains(&time))
        };
        fits(now) || self.clock.offset().is_some_and(|offset| fits(now + offset))
    }
}

/// DataTime of an area in milliseconds.
fn data_time(area: &[u8]) -> Option<i64> {
    let mut fields = Fields::default();
    fields.read(area);
    let field =
        fields.iter(area).find(|field| field.item.is_empty() && field.name.eq_ignore_ascii_case(b"DataTime"))?;
    let digits = std::str::from_utf8(field.value.trim_ascii()).ok().filter(|digits| digits.len() == 14)?;
    moment::millis(format!("{digits}000").as_bytes())
}

/// How many seconds the record of a command is about, at most: its DataTime is the beginning or the end of that.
const fn span(cn: Option<u16>) -> u32 {
    match cn {
        Some(2031 | 2041) => 2 * 86_400,
        Some(2061) => 2 * 3600,
        Some(2051) => 3600,
        _ => 0,
    }
}
