//! Does a station take our answers? One that sends a record again and again after it was answered wants another form of answer, or an answer
//! that its Flag does not ask for. It is said once, with the dialect to register it with (event `dialect-proposed`); nothing is changed.
//!
//! What must stay true: it follows from the records alone; what is remembered of a station is of a fixed size; a lost answer now and then
//! proposes nothing, for the next record that is sent once begins the count anew.

use serde_json::json;

use super::events::JournalRef;
use super::remembered::Resends;
use super::station::Station;
use super::{Interpreter, TypedPublication, hash};
use hj212::{Edition, Header};
use hj212_model::message::dialect::{Reading, Shown};
use hj212_model::message::{Context, Kind, StationFacts, Timestamp};

/// So many re-sends in a row propose a dialect. Boxes of vapour recovery send a record three times at most, so the row may go over
/// several records, of which each was sent again.
const AGAIN_MAX: u8 = 3;

/// Two frames further apart are no re-send, in microseconds: ten minutes.
const APART_MAX: i64 = 600_000_000;

impl Resends {
    /// Notes an upload; whether enough were sent again in a row.
    fn note(&mut self, upload: u64, elapsed: Timestamp) -> bool {
        let near = elapsed.0.saturating_sub(self.at) <= APART_MAX;
        self.at = elapsed.0;
        if upload == self.last && near {
            self.again = true;
            self.count = self.count.saturating_add(1);
            return self.count >= AGAIN_MAX;
        }
        if !self.again || !near {
            self.count = 0;
        }
        (self.last, self.again) = (upload, false);
        false
    }
}

/// Why a dialect is proposed.
fn why(header: &Header<'_>) -> &'static str {
    match header.flag {
        None => "no-flag",
        Some(flag) if !flag.wants_answer() => "flag-asks-none",
        Some(_) => "answer-form",
    }
}

/// The dialects that fit, the likeliest first: those whose signs the frame shows, then what its Flag says.
fn fitting<'a>(
    context: &'a Context,
    header: &Header<'_>,
    facts: Option<&StationFacts>,
    shown: &Shown<'_>,
) -> Vec<&'a str> {
    let signs = |(name, dialect): (&'a String, &'a Reading)| {
        dialect.propose.iter().any(|sign| sign.fits(shown)).then_some(name.as_str())
    };
    let mut all: Vec<&str> = context.dialects.iter().filter_map(signs).collect();
    match header.flag {
        None => all.push("flag-or-none"),
        Some(flag) if !flag.wants_answer() => all.push("2017-always"),
        Some(_) => {
            // Answered in the form of another edition than the one it speaks.
            let registered = facts.and_then(|facts| facts.edition);
            if let Some(spoken) = shown.flag.filter(|spoken| registered.is_some_and(|own| own != *spoken)) {
                all.push(spoken.year());
            }
            if shown.flag == Some(Edition::V2005) {
                all.push("2005-bare");
            }
        }
    }
    // The form with a confirmation inside the data area, which is all that is left.
    all.push("vapour-recovery");
    all
}

impl Interpreter {
    /// Notes an upload of a station, and proposes a dialect if it shows that it does not take the answers.
    pub(super) fn note_upload(
        &self,
        station: &mut Station,
        header: &Header<'_>,
        kind: Kind,
        shown: &Shown<'_>,
        place: JournalRef<'_>,
        out: &mut Vec<TypedPublication>,
    ) {
        let qn = hash::content(header.qn.unwrap_or_default());
        // What answers a request is not answered itself.
        if matches!(kind, Kind::Answer | Kind::Heartbeat) || station.asked.contains(&qn) {
            return;
        }
        let part = header.part.map_or(0, |part| u64::from(part.number));
        let upload = hash::join(hash::join(qn, hash::content(header.area)), part);
        if !station.resends.note(upload, self.elapsed) {
            return;
        }
        let facts = self.context.facts(std::str::from_utf8(&station.mn).unwrap_or_default());
        let current = facts.and_then(|facts| facts.dialect.as_deref());
        // It is in this one already, and sends again all the same.
        let in_force = current.or_else(|| self.context.recognised(facts, shown));
        let fitting = fitting(&self.context, header, facts, shown);
        let Some(dialect) = fitting.into_iter().find(|dialect| in_force != Some(*dialect)) else { return };
        if station.resends.proposed == dialect {
            return;
        }
        station.resends.proposed = dialect.to_owned();
        let detail = json!({
            "dialect": dialect, "why": why(header), "current": current, "cn": header.cn.map(|cn| format!("{cn:04}")),
            "resends": station.resends.count,
        });
        let mn = String::from_utf8_lossy(&station.mn).into_owned();
        self.push_step_event(&mn, "dialect-proposed", &detail, place, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_row_of_resends_counts() {
        let mut resends = Resends::default();
        let mut time = 0;
        let mut said = |upload: u64, apart: i64| {
            time += apart * 1_000_000;
            resends.note(upload, Timestamp(time))
        };
        assert_eq!([1, 1, 1, 1].map(|upload| said(upload, 5)), [false, false, false, true]);
        assert_eq!([2, 3, 3, 4, 5, 5].map(|upload| said(upload, 5)), [false; 6], "a lost answer now and then");
        assert_eq!(
            [6, 7, 7, 7, 8, 8].map(|upload| said(upload, 5)),
            [false, false, false, false, false, true],
            "over records"
        );
        assert_eq!([9, 10, 10, 10, 10].map(|upload| said(upload, 601)), [false; 5], "too far apart");
    }
}
