//! What a record says: readings with their fields, instruments, and fields of the record itself.
//!
//! All of it borrows from the area. What must stay true: a reading begins without a value, and [`super::worth`] alone says that it has one.

use std::borrow::Cow;

use super::convert::Multiplier;
use super::factor::{Factor, Meaning};
use super::names::{Class, FLAGS, Name, same_snake};
use super::value::{self, Said, Why};
use hj212_model::message::Conversion;

/// One field of a reading.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cell<'a> {
    /// The standard's name, if it is one.
    pub(super) name: Option<&'static Name>,
    /// The name as the station wrote it.
    pub(super) said: &'a [u8],
    pub(super) value: &'a [u8],
    pub(super) form: Said,
    /// Why the value is none, or may be none.
    pub(super) why: Option<Why>,
    /// Whether a later field of the same name holds instead.
    pub(super) earlier: bool,
    pub(super) next: u32,
}

impl Cell<'_> {
    /// Whether a registered conversion changes its value.
    pub(super) fn is_converted(&self) -> bool {
        self.form != Said::Text && !self.earlier && self.name.is_some_and(Name::has_unit)
    }

    /// Whether it is the station's mark of the item.
    pub(super) fn is_flag(&self) -> bool {
        self.name.is_some_and(|name| name.class == Class::Flag)
    }

    /// The value as a JSON number, if it is one.
    pub(super) fn literal(&self) -> Cow<'_, [u8]> {
        if self.form != Said::Odd {
            return Cow::Borrowed(self.value);
        }
        let mut literal = Vec::new();
        // What is odd was found to be a number.
        let _ = value::normal(self.value, &mut literal);
        Cow::Owned(literal)
    }

    /// Whether both are fields of the same published name.
    pub(super) fn is_same(&self, other: &Cell<'_>) -> bool {
        match (self.name, other.name) {
            (Some(one), Some(other)) => std::ptr::eq(one, other),
            (None, None) => same_snake(self.said, other.said),
            _ => false,
        }
    }
}

/// What there is of a value in a reading, from the worst.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Worth {
    /// None: never valid, whoever says nothing of it.
    #[default]
    None,
    /// Something, and nobody can say if it is a value.
    Doubtful,
    /// A value.
    There,
}

impl Worth {
    /// What a reading of this worth can be called, if flag and marks say `usable`.
    pub(super) const fn valid(self, usable: Option<bool>) -> Option<bool> {
        match (usable, self) {
            (Some(true), Worth::There) => Some(true),
            (Some(true), Worth::Doubtful) | (None, Worth::Doubtful | Worth::There) => None,
            (Some(true) | None, Worth::None) | (Some(false), _) => Some(false),
        }
    }
}

/// One item with all its fields.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading<'a> {
    /// The code as the station wrote it.
    pub(super) code: &'a [u8],
    pub(super) factor: Option<&'a Factor>,
    /// Whether the reading stands under its factor's canonical code rather than under the code as said.
    pub(super) canonical: bool,
    /// The unit registered for the station, if any.
    pub(super) unit: Option<&'a str>,
    /// The registered conversion into another unit, if any.
    pub(super) conversion: Option<&'a Conversion>,
    /// The registered meaning, if the code has several.
    pub(super) meaning: Option<&'a Meaning>,
    /// Whether another reading of the record has the factor's key.
    pub(super) second: bool,
    /// The station's mark.
    pub(super) flag: Option<&'a [u8]>,
    /// Whether some field was said twice.
    pub(super) twice: bool,
    /// Which of several items of this code and instrument that contradict each other, from 1.
    pub(super) item: u32,
    /// Whether there are several of them.
    pub(super) among: bool,
    /// The instrument it stands under, from 1; 0: none.
    pub(super) instrument: u32,
    /// Whether the code could be of several tables.
    pub(super) open: bool,
    /// Why the reading has no value, or why what it says of itself contradicts.
    pub(super) why: Option<Why>,
    /// Whether it has a value.
    pub(super) worth: Worth,
    /// Whether it was cut between two parts, and nobody can put it together.
    pub(super) torn: bool,
    /// Whether its code may be the rest of another: it is given no name.
    pub(super) nameless: bool,
    pub(super) first: u32,
    pub(super) last: u32,
    pub(super) count: u32,
    /// The standard's names met, one bit each.
    pub(super) met: u64,
}

impl Reading<'_> {
    /// What its values are multiplied by, if a conversion is registered.
    pub(super) fn multiplier(&self) -> Option<Multiplier> {
        self.conversion.and_then(|it| Multiplier::parse(&it.by, it.digits))
    }

    /// Whether there are nothing but flags in it.
    pub(super) fn is_flags_only(&self) -> bool {
        self.met & !FLAGS == 0 && self.met.count_ones() == self.count
    }

    /// The same, also if a flag was said twice.
    pub(super) fn has_flags_alone(&self) -> bool {
        self.is_flags_only() || (self.twice && self.met & !FLAGS == 0)
    }

    /// The code under which it stands, without the number of its item.
    pub(super) fn key(&self) -> &[u8] {
        match self.factor {
            Some(factor) if self.canonical => factor.code.as_bytes(),
            _ => self.code,
        }
    }
}

/// An instrument that a record says something of (PolId: HJ 212-2017, 6.3.3, table 4).
#[derive(Debug, Clone, Copy)]
pub(super) struct Instrument<'a> {
    /// As said; empty: it is not known which.
    pub(super) said: &'a [u8],
    /// The factor it measures.
    pub(super) factor: Option<&'a Factor>,
}

impl<'a> Instrument<'a> {
    /// The factor's canonical code, else the code as said.
    pub(super) fn code(&self) -> Option<&'a str> {
        self.factor.map(|factor| &*factor.code).or(std::str::from_utf8(self.said).ok()).filter(|code| !code.is_empty())
    }
}

/// A field of the record itself.
#[derive(Debug, Clone, Copy)]
pub(super) struct Own<'a> {
    pub(super) name: &'a [u8],
    pub(super) value: &'a [u8],
    /// Whether a later field of the same name holds instead.
    pub(super) earlier: bool,
    /// The instrument it stands under, from 1; 0: none.
    pub(super) instrument: u32,
}
