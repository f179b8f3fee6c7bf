//! Whether a QN names one record, so that parts with it belong together.
//!
//! By the standard each packet has its own QN, a time to the millisecond (HJ 212-2017, 6.3.2, table 3); loggers that cut an area by bytes
//! give the parts of a record one. But loggers are met that write one QN into all they send, and what answers a request carries the QN of
//! the request. What must stay true: parts are put together by a QN only where nothing speaks against it:
//! * a QN that stood for two records names none, nor does any other of the station until [`SOUND_AGAIN`] new ones were seen;
//! * until [`SOUND`] different ones were seen, only one that is a time within a day of the DataTime is a name, and for parts only that come within
//!   [`SOON`], less than the shortest interval of records;
//! * the QN of a request names none.
//!
//! What a QN names nothing of is told by its numbers alone, if at all: see [`super::by_number`].

use super::by_number::BESIDE;
use super::moment::Moment;
use super::parts::{Part, Pending};
use super::remembered::{QnUse, QnUsed};
use super::station::Station;
use super::{Interpreter, hash};
use hj212_model::message::Timestamp;

/// So many different QNs show that a station gives each record its own.
const SOUND: i8 = 3;

/// So many it takes after one stood for two records.
const SOUND_AGAIN: i8 = 16;

/// How many QNs are remembered.
const QNS_MAX: usize = 16;

const SOON: i64 = 29 * 1_000_000;

const DAY: u64 = 86_400_000_000;

/// What may be believed of a station's QNs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trust {
    /// Each names a record.
    Sound,
    /// Too few were seen.
    New,
    /// They name nothing.
    Reused,
}

/// A number for the form of a record.
pub(super) fn form(st: Option<&[u8]>, cn: u16, count: u16) -> u64 {
    hash::join(hash::content(st.unwrap_or_default()), u64::from(cn) << 16 | u64::from(count))
}

impl QnUse {
    /// Notes that a packet of this form and DataTime carried this QN.
    pub(super) fn note(&mut self, qn: u64, form: u64, time: Option<u64>, now: Timestamp) {
        let Some(known) = self.last.iter_mut().find(|known| known.qn == qn) else {
            if self.last.len() >= QNS_MAX {
                self.last.pop_front();
            }
            self.last.push_back(QnUsed { qn, form, time: time.unwrap_or(0), since: now });
            self.sound = self.sound.saturating_add(1).min(SOUND);
            return;
        };
        // Two kinds of records may be sent within the second that a QN tells.
        let other = known.form != form && now.0.saturating_sub(known.since.0) > BESIDE;
        let later = known.form == form && time.is_some_and(|time| known.time != 0 && known.time != time);
        if known.form == form && known.time == 0 {
            known.time = time.unwrap_or(0);
        }
        if other || later {
            self.note_reuse();
        }
    }

    /// Notes that a QN stood for two records.
    fn note_reuse(&mut self) {
        self.sound = SOUND - SOUND_AGAIN;
    }

    /// Whether each QN names a record, as far as was seen.
    pub(super) fn is_sound(&self) -> bool {
        self.trust() == Trust::Sound
    }

    fn trust(&self) -> Trust {
        match self.sound {
            SOUND.. => Trust::Sound,
            0.. => Trust::New,
            _ => Trust::Reused,
        }
    }
}

impl Interpreter {
    /// Whether the QN of `part` names its record. Notes it.
    pub(super) fn names_record(&self, station: &mut Station, part: &Part<'_>, qn: &[u8]) -> bool {
        let number = hash::content(qn);
        if qn.is_empty() || station.asked.contains(&number) {
            return false;
        }
        let record = station.part_times.content(part.qn_key());
        let waiting = station.pending.iter().filter_map(|number| self.waiting.pending.get(number));
        let of_qn = |pending: &&Pending| {
            let same = || record.is_some_and(|record| record == hash::content(&pending.time));
            self.waiting.look();
            pending.fits(part) && (pending.has_qn(qn) || same())
        };
        let mut waiting = waiting.filter(of_qn);
        let known = station.parts.content(Part { record, ..*part }.key());
        let twice = |pending: &Pending| {
            pending.heard.iter().any(|heard| heard.number == part.number && heard.content != part.content)
        };
        let oldest = waiting.clone().map(|pending| pending.since.0).min();
        // The same number with something else to say: another record.
        let other = part.time.is_none() && (known.is_some_and(|known| known != part.content) || waiting.any(twice));
        station.qn_use.note(number, form(part.st, part.cn, part.count), part.time.map(hash::content), self.elapsed);
        if other {
            station.qn_use.note_reuse();
        }
        match station.qn_use.trust() {
            Trust::Sound => true,
            Trust::Reused => false,
            Trust::New => {
                let soon = match oldest {
                    Some(since) => self.elapsed.0.saturating_sub(since) <= SOON,
                    None => known == Some(part.content) || record.is_none(),
                };
                soon && is_near(qn, part.time)
            }
        }
    }
}

/// Whether a QN is a time of 17 digits, and if there is a DataTime, within a day of it.
fn is_near(qn: &[u8], time: Option<&[u8]>) -> bool {
    let Some(sent) = Moment::read(qn).filter(|_| qn.len() == 17) else { return false };
    let begins = time.and_then(Moment::read_any);
    begins.is_none_or(|begins| sent.timestamp().0.abs_diff(begins.timestamp().0) <= DAY)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORM: u64 = 1;

    fn second(n: i64) -> Timestamp {
        Timestamp(n * 1_000_000)
    }

    #[test]
    fn a_qn_for_two_records_makes_all_of_them_names_of_nothing() {
        let mut all = QnUse::default();
        assert_eq!(all.trust(), Trust::New);
        for n in 0..3 {
            all.note(n, FORM, Some(n + 1), second(60 * n as i64));
            all.note(n, FORM, None, second(60 * n as i64 + 1));
        }
        assert_eq!(all.trust(), Trust::Sound);
        // Another kind of record within the same second is none.
        all.note(2, FORM + 1, Some(9), second(121));
        assert_eq!(all.trust(), Trust::Sound);
        all.note(2, FORM, Some(77), second(122));
        assert_eq!(all.trust(), Trust::Reused);
        for n in 10..26 {
            assert_ne!(all.trust(), Trust::Sound, "{n}");
            all.note(n, FORM, Some(n), second(1000 + n as i64));
        }
        assert_eq!(all.trust(), Trust::Sound);
        all.note(25, FORM + 1, Some(9), second(2000));
        assert_eq!(all.trust(), Trust::Reused, "another kind long after it");
    }
}
