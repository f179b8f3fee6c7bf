//! What one record brings about beside its messages: the numbers that make their ids differ, and the alerts that settle with it.
//!
//! What must stay true: no two messages that differ share an id, whatever a record makes the gateway say: time that passes, an entry, marks of
//! several stations at one record, a record of earlier parts that is given up now. So an id names the record at which something is said (of
//! a record that came in parts that is another one than its `journal`), the station, and a number that grows within both. The same journal gives
//! the same numbers.

use std::collections::BTreeMap;

use super::events::RecordName;

/// What has been said at the record that is interpreted.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    record: RecordName,
    /// By family of messages and station.
    next: BTreeMap<(&'static str, String), u32>,
    /// Alerts that have settled at this record, with the MN of their station: cases follow from them.
    pub(super) raised: Vec<(String, hj212_judgement::Raised)>,
}

impl Numbers {
    /// Another record.
    pub(super) fn begin(&mut self, record: RecordName) {
        self.record = record;
        self.next.clear();
    }

    /// The next number of a station (the level of its topics) within a family of messages.
    pub(super) fn next(&mut self, family: &'static str, station: &str) -> u32 {
        let next = self.next.entry((family, station.to_owned())).or_default();
        *next += 1;
        *next - 1
    }

    /// The id of a message about marks: `GATEWAY-RECORD-STATION-KIND-NUMBER`.
    pub(super) fn id(&mut self, gateway: &str, station: &str, kind: &str) -> String {
        let number = self.next("marks", station);
        format!("{gateway}-{}-{station}-{kind}-{number}", self.record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_names_the_record_and_the_station_and_grows() {
        let mut numbers = Numbers::default();
        numbers.begin(RecordName::new(9, &[0xab; 32]));
        assert_eq!(numbers.id("ah-01", "M1", "mark-begin"), "ah-01-9-abababab-M1-mark-begin-0");
        assert_eq!(numbers.id("ah-01", "M1", "mark-end"), "ah-01-9-abababab-M1-mark-end-1");
        assert_eq!(numbers.id("ah-01", "M2", "mark-begin"), "ah-01-9-abababab-M2-mark-begin-0");
        assert_eq!(numbers.next("gaps", "M1"), 0);
        numbers.begin(RecordName::new(10, &[0xcd; 32]));
        assert_eq!(numbers.id("ah-01", "M1", "validity"), "ah-01-10-cdcdcdcd-M1-validity-0");
    }
}
