//! Whether a reading has a value: the one place that decides if it can be valid.
//!
//! The station's flag and all marks speak of an instrument; here it is decided whether there is anything to speak of. What must stay true:
//! * a reading counts as without a value until one is found in it ([`Worth::None`] is where every reading begins), so nothing that is
//!   added to the parser can be valid by being forgotten here;
//! * only what is published as a value counts: a field that is null, that stands for "no value", or that is no value at all (a time of
//!   sampling, a serial number, a class, a limit) makes nothing valid;
//! * of several values that the item is about (`rtd`, `avg` …) the worst counts; of others (`min`, `cou` …) the best, if there is none
//!   of the first;
//! * a pair (value, valid) is made of [`Worth::valid`] alone.

use super::factors::Dictionary;
use super::moment::Moment;
use super::names::{Class, Name};
use super::reading::{Cell, Reading, Worth};
use super::value::{self, Said, Why};

/// What a field can be for its reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    /// What the item is about.
    Main,
    /// Another value.
    Other,
    /// A number under a name that no standard knows.
    Unknown,
    /// No value.
    No,
}

/// What was found in the fields of a reading.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Found {
    main: Option<Worth>,
    other: Option<Worth>,
    unknown: bool,
    /// Whether a field says itself why it is none.
    told: bool,
}

impl Found {
    /// Adds one field, whose form and reason are known.
    pub(super) fn add(&mut self, cell: &Cell<'_>, textual: bool) {
        if cell.earlier {
            return;
        }
        let role = role_of(cell);
        let worth = match (cell.why, cell.form) {
            (Some(Why::SentinelPossible), _) => Worth::Doubtful,
            (None, Said::Number | Said::Odd) => Worth::There,
            (None, Said::Text) if textual && cell.name.is_some_and(|name| name.class == Class::ByFactor) => {
                Worth::There
            }
            // A state in words is published as text, beside a null.
            (Some(Why::NotNumber), Said::Text) if cell.name.is_some_and(Name::may_be_text) => Worth::Doubtful,
            (_, Said::Text) | (Some(_), Said::Number | Said::Odd) => Worth::None,
        };
        match role {
            Role::Main => self.main = Some(self.main.map_or(worth, |main| main.min(worth))),
            Role::Other => self.other = Some(self.other.map_or(worth, |other| other.max(worth))),
            Role::Unknown => self.unknown = true,
            Role::No => return,
        }
        self.told |= cell.why.is_some() && role != Role::Unknown;
    }

    /// What it comes to, and a reason for the reading as a whole where no field has one.
    pub(super) fn worth(self, reading: &Reading<'_>) -> (Worth, Option<Why>) {
        if reading.torn {
            return (Worth::None, Some(Why::PartsCut));
        }
        let (worth, why) = match self.main.or(self.other) {
            Some(worth) => (worth, if worth == Worth::None && !self.told { Some(Why::NoValue) } else { None }),
            None if self.unknown => (Worth::Doubtful, Some(Why::FieldUnknown)),
            None => (Worth::None, Some(Why::NoValue)),
        };
        // Who says nothing of the reading need not be told that there is none.
        let why = why.filter(|_| reading.flag.is_some());
        match reading.why {
            // Two flags that differ make what is there doubtful, and nothing out of nothing.
            Some(differ) => (worth.min(Worth::Doubtful), Some(differ)),
            None => (worth, why),
        }
    }
}

fn role_of(cell: &Cell<'_>) -> Role {
    match cell.name {
        Some(name) if name.is_main() => Role::Main,
        Some(name) if name.is_value() => Role::Other,
        Some(_) => Role::No,
        None if cell.form == Said::Number => Role::Unknown,
        None => Role::No,
    }
}

/// The form of a field's value, and why it is none or may be none; `textual`: the factor's values are text.
pub(super) fn classify(cell: &Cell<'_>, textual: bool, dictionary: &Dictionary) -> (Said, Option<Why>) {
    let class = cell.name.map(|name| name.class);
    let (form, why) = match class {
        Some(Class::Number) => value::classify(cell.value),
        Some(Class::ByFactor) if !textual => value::classify(cell.value),
        Some(Class::ByFactor) => {
            let none = || dictionary.sentinels.find(cell.value).filter(|why| *why == Why::Sentinel);
            let negative = cell.value.starts_with(b"-");
            (Said::Text, value::absent(cell.value).or_else(|| if negative { none() } else { None }))
        }
        Some(Class::Time) if Moment::read_any(cell.value).is_none() => (Said::Text, Some(Why::NotTime)),
        None if value::is_literal(cell.value) => (Said::Number, None),
        None if cell.value.is_empty() => (Said::Text, Some(Why::Empty)),
        // What a field of no standard says may be any text.
        None => (Said::Text, Some(Why::NotNumber)),
        Some(Class::Flag | Class::Time | Class::Text) => (Said::Text, None),
    };
    // Sums, times and counts may be any number but a negative one.
    let measured = cell.name.is_some_and(|name| name.may_be_text() || name.has_unit()) || cell.value.starts_with(b"-");
    if form == Said::Text || !measured || !matches!(class, Some(Class::Number | Class::ByFactor)) {
        return (form, why);
    }
    let found = match form {
        Said::Odd => dictionary.sentinels.find(&Cell { form, ..*cell }.literal()),
        Said::Number | Said::Text => dictionary.sentinels.find(cell.value),
    };
    (form, found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_value_can_be_valid() {
        for worth in [Worth::None, Worth::Doubtful, Worth::There] {
            for usable in [None, Some(false), Some(true)] {
                let valid = worth.valid(usable) == Some(true);
                assert_eq!(valid, worth == Worth::There && usable == Some(true));
                let invalid = worth.valid(usable) == Some(false);
                assert_eq!(invalid, worth == Worth::None || usable == Some(false));
            }
        }
        assert_eq!(Worth::default(), Worth::None);
    }
}
