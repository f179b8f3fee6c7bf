//! From codes to factors, for a record as a whole.
//!
//! What must stay true: what the codes of a record can only be is looked at before any of them is resolved; a code that may be the rest of
//! another is given no name; no key of the published object occurs twice, and neither value is lost.

use super::codes::key;
use super::factor::{Collision, Factor, Meaning};
use super::factors::Dictionary;
use super::names::{CONVERTED, FLAGS};
use super::reading::Reading;
use super::report::{ReadContext, Report};
use super::tables::{self, Evidence};
use hj212::Deviation;
use hj212_model::message::StationFacts;

impl<'a> Report<'a> {
    /// What the codes of the record can only be; nothing if no code depends on the others.
    fn testimony(&self, lens: ReadContext<'a>) -> Evidence {
        let mut evidence = Evidence::NOTHING;
        let mut said = self.readings.iter().map(|reading| reading.code);
        if !said.any(Dictionary::depends)
            && !self.instruments.iter().any(|instrument| Dictionary::depends(instrument.said))
        {
            return evidence;
        }
        for reading in self.readings.iter().filter(|reading| !reading.nameless) {
            let (converted, strange) = (reading.met & CONVERTED != 0, reading.met.count_ones() < reading.count);
            let fields = match reading.met & !FLAGS {
                0 if strange => tables::Fields::Alien,
                _ => tables::Fields::Known { converted, strange },
            };
            lens.dictionary.testify(&mut evidence, reading.code, lens.edition, fields);
        }
        for instrument in &self.instruments {
            lens.dictionary.testify(&mut evidence, instrument.said, lens.edition, tables::Fields::None);
        }
        evidence
    }

    /// Finds the factor of every reading.
    pub(super) fn resolve(&mut self, keys: &[u64], lens: ReadContext<'a>) {
        self.evidence = self.testimony(lens);
        let system = lens.system.of_record(self.evidence, lens.habit);
        let mut aliased = false;
        let registered_as = |code: &[u8]| {
            let facts = lens.facts.filter(|facts| !facts.aliases.is_empty())?;
            facts.aliases.get(std::str::from_utf8(code).ok()?)
        };
        for reading in self.readings.iter_mut().filter(|reading| !reading.nameless) {
            let registered = registered_as(reading.code);
            let code = registered.map_or(reading.code, |code| code.as_bytes());
            let Some(found) = lens.dictionary.find(code, lens.edition, system) else {
                self.odd |= !reading.code.iter().all(u8::is_ascii_alphanumeric);
                if lens.dictionary.is_open(code, lens.edition, system) {
                    reading.open = true;
                    self.deviations.insert(Deviation::CodeAmbiguous);
                } else if !is_equipment(reading.code) {
                    self.deviations.insert(Deviation::CodeUnknown);
                }
                continue;
            };
            let factor = found.factor;
            reading.factor = Some(factor);
            reading.canonical = !found.numbered && factor.code.as_bytes() != reading.code;
            aliased |= reading.canonical;
            if found.alias || registered.is_some() {
                self.deviations.insert(Deviation::CodeAlias);
            }
            if registered.is_none()
                && Dictionary::depends(code)
                && code.iter().all(u8::is_ascii_digit)
                && system.contradicts(lens.dictionary.medium_of(factor))
            {
                self.deviations.insert(Deviation::CodeTable);
            }
            if factor.category & lens.system.carries != factor.category {
                self.deviations.insert(Deviation::CodeMedium);
            }
            if look_up_registered(reading, lens.facts) {
                self.deviations.insert(Deviation::CodeAmbiguous);
            }
        }
        for instrument in &mut self.instruments {
            let registered = registered_as(instrument.said);
            let code = registered.map_or(instrument.said, |code| code.as_bytes());
            let found = lens.dictionary.find(code, lens.edition, system).filter(|found| !found.numbered);
            instrument.factor = found.map(|found| found.factor);
            let Some(found) = found else {
                if lens.dictionary.is_open(code, lens.edition, system) {
                    self.deviations.insert(Deviation::CodeAmbiguous);
                }
                continue;
            };
            if found.alias || registered.is_some() {
                self.deviations.insert(Deviation::CodeAlias);
            }
            let digits = Dictionary::depends(code) && code.iter().all(u8::is_ascii_digit);
            if registered.is_none() && digits && system.contradicts(lens.dictionary.medium_of(found.factor)) {
                self.deviations.insert(Deviation::CodeTable);
            }
        }
        if aliased {
            self.settle_keys(keys);
        }
    }

    /// Lets a reading stand under its canonical code only if no other one has that key. Where the other one has that very code and none
    /// of the same fields, a code was mistyped within one item (as in the standard's own C.14): the two are one reading.
    fn settle_keys(&mut self, keys: &[u64]) {
        let mut at = 0;
        while let Some(reading) = self.readings.get(at).copied() {
            at += 1;
            let Some(factor) = reading.factor.filter(|_| reading.canonical) else { continue };
            let code = factor.code.as_bytes();
            let wanted = key(code);
            let own = |r: &Reading<'_>| r.instrument == reading.instrument;
            // What stands under the only instrument and what stands under none is published together.
            let only = self.instruments.len() == 1;
            let here = |r: &Reading<'_>| only || own(r);
            let is_said = |r: &Reading<'_>| r.code == code;
            let find = |fits: &dyn Fn(&Reading<'_>) -> bool| {
                keys.contains(&wanted).then(|| self.readings.iter().position(|r| is_said(r) && fits(r))).flatten()
            };
            let home = find(&own);
            let said = home.or_else(|| find(&here));
            if let Some(home) = home
                && self.join(home, &reading)
            {
                at -= 1;
                self.readings.remove(at);
                continue;
            }
            let taken = |r: &Reading<'_>| {
                here(r) && r.canonical && r.code != reading.code && r.factor.is_some_and(|f| f.code == factor.code)
            };
            if (said.is_some() || self.readings.iter().take(at - 1).any(taken))
                && let Some(reading) = self.readings.get_mut(at - 1)
            {
                reading.canonical = false;
                reading.second = true;
                self.deviations.insert(Deviation::CodeTwice);
            }
        }
    }

    /// Adds the fields of `other` to the reading at `home`, if they are all of the standard and none is there already.
    fn join(&mut self, home: usize, other: &Reading<'a>) -> bool {
        let Some(reading) = self.readings.get_mut(home) else { return false };
        let all_known = |r: &Reading<'_>| r.met.count_ones() == r.count;
        if reading.among
            || other.among
            || reading.met & other.met != 0
            || !all_known(reading)
            || !all_known(other)
            || reading.count == 0
        {
            return false;
        }
        let Some(last) = self.cells.get_mut(reading.last as usize) else { return false };
        last.next = other.first;
        reading.last = other.last;
        reading.count += other.count;
        reading.met |= other.met;
        reading.flag = reading.flag.or(other.flag);
        reading.torn |= other.torn;
        true
    }
}

/// Takes what is registered of a reading's factor: its meaning, its unit, and what that is converted to. True if nobody says which of its meanings
/// it has.
pub(super) fn look_up_registered<'a>(reading: &mut Reading<'a>, facts: Option<&'a StationFacts>) -> bool {
    let Some(factor) = reading.factor else { return false };
    let mut open = false;
    if let Some(collision) = &factor.collision {
        reading.meaning = meaning_of(reading.code, factor, collision, facts);
        open = collision.uncertain && reading.meaning.is_none();
    }
    if let Some(facts) = facts.filter(|facts| !facts.units.is_empty()) {
        reading.unit = facts.units.get(&factor.code).map(String::as_str);
        reading.conversion = reading.unit.and_then(|_| facts.conversions.get(&factor.code));
    }
    open
}

/// What the registration says `code` means: the code as said counts before the one it is an instance of.
pub(super) fn meaning_of<'a>(
    code: &[u8],
    factor: &'a Factor,
    collision: &'a Collision,
    facts: Option<&StationFacts>,
) -> Option<&'a Meaning> {
    let facts = facts.filter(|facts| !facts.meanings.is_empty())?;
    let own = std::str::from_utf8(code).ok().and_then(|code| facts.meanings.get(code));
    collision.chosen(own.or_else(|| facts.meanings.get(&factor.code))?)
}

/// Whether a code names a piece of equipment (SB1, SB2 …: HJ 212-2017, 6.3.3, table 4), which no dictionary lists.
fn is_equipment(code: &[u8]) -> bool {
    code.strip_prefix(b"SB").is_some_and(|number| !number.is_empty() && number.iter().all(u8::is_ascii_digit))
}

#[cfg(test)]
mod tests {
    use super::super::report::ReportBuffers;
    use super::*;
    use hj212_model::message::Conversion;

    #[test]
    fn rules_compare_values_in_the_unit_that_is_published() {
        let dictionary = Dictionary::new(&Default::default());
        let conversion = Conversion { to: "mg/m3".into(), by: "0.001".into(), digits: None };
        let facts = StationFacts {
            units: [("a34013".to_owned(), "ug/m3".to_owned())].into(),
            conversions: [("a34013".to_owned(), conversion.clone()), ("a21026".to_owned(), conversion)].into(),
            ..StationFacts::default()
        };
        let system = dictionary.system(None, Some(b"31"));
        let habit = Evidence::NOTHING;
        let facts = Some(&facts);
        let lens =
            ReadContext { dictionary: &dictionary, facts, edition: None, system, habit, merged: false, torn: &[] };
        let mut scratch = ReportBuffers::default();
        let area = b"34013-Avg=36.90,34013-Cou=5;a21026-Avg=36.90;a34013-Flag=N";
        let report = scratch.read(area, lens);
        let mains: Vec<_> = report.readings.iter().map(|reading| report.main(reading).into_owned()).collect();
        assert_eq!(mains, [b"36.90".to_vec(), b"0.03690".to_vec()], "no unit, no conversion");
    }
}
