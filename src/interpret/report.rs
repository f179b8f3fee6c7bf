//! From a data area to what the station reported: its own fields, and readings grouped by code.
//!
//! Everything borrows from the area; the lists are reused from frame to frame. Marking looks at the readings after this,
//! before [`super::data`] writes them. What must stay true: every field of the area is in the report exactly once.
//!
//! # Decisions
//! * A field said twice in one item: the last one holds, the earlier ones stay in the report as earlier (catalogue, kind 15).
//! * Two codes of one frame that stand for the same factor: the canonical spelling takes the key, another one stays under the code it
//!   was said with and names the factor (`same_as`). No key of the published object occurs twice, and neither value is lost.

use std::borrow::Cow;

use super::convert::Multiplier;
use super::factors::{Collision, Dictionary, Factor, Meaning, System, key, pack};
use super::hash::fnv;
use super::value::{self, Said};
use crate::message::{Conversion, StationFacts};
use crate::protocol::{Deviation, Deviations, Edition, Fields};

/// Fields of one item beyond these are kept as earlier ones without being compared.
const FIELDS_OF_ITEM_MAX: usize = 64;

/// How the value of a field is to be published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// A number.
    Number,
    /// The station's mark of the item (xxx-Flag).
    Flag,
    /// A time of 14 digits.
    Time,
    /// Text as it is.
    Text,
    /// Whatever the factor's values are.
    ByFactor,
}

/// A field name of the standard (HJ 212-2017, 6.3.3, table 4; HJ 212-2025, HJ/T 212-2005) and its published name.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Name {
    said: &'static str,
    /// As published.
    pub(super) snake: &'static str,
    /// `,"zs_rtd":`, ready to be copied.
    pub(super) key: &'static [u8],
    pub(super) class: Class,
}

macro_rules! names {
    ($( $said:literal, $snake:literal, $class:ident; )*) => {
        const NAMES: &[Name] = &[ $( Name {
            said: $said, snake: $snake, key: concat!(",\"", $snake, "\":").as_bytes(), class: Class::$class,
        }, )* ];
    };
}

names! {
    "Rtd", "rtd", ByFactor;
    "Flag", "flag", Flag;
    "Avg", "avg", Number;
    "Min", "min", Number;
    "Max", "max", Number;
    "Cou", "cou", Number;
    "ZsRtd", "zs_rtd", Number;
    "ZsAvg", "zs_avg", Number;
    "ZsMin", "zs_min", Number;
    "ZsMax", "zs_max", Number;
    "ZsCou", "zs_cou", Number;
    "EFlag", "eflag", Text;
    "Data", "data", Number;
    "DayData", "day_data", Number;
    "NightData", "night_data", Number;
    "RS", "rs", Number;
    "RT", "rt", Number;
    "Ala", "ala", Number;
    "Info", "info", ByFactor;
    "SN", "sn", Text;
    "SampleTime", "sample_time", Time;
    "CompleteTime", "complete_time", Time;
    "SampleType", "sample_type", Text;
    "RawAvg", "raw_avg", Number;
    "SampleRd", "sample_rd", Number;
    "StandardValue", "standard_value", Number;
    "ResultType", "result_type", Number;
    "AlarmType", "alarm_type", Number;
    "LowValue", "low_value", Number;
    "UpValue", "up_value", Number;
    "ValidNum", "valid_num", Number;
    "TotalNum", "total_num", Number;
}

impl Name {
    /// Whether values of this name are in the unit of the factor: not sums (another unit), states, counts and texts.
    fn has_unit(&self) -> bool {
        matches!(self.class, Class::Number | Class::ByFactor)
            && !matches!(
                self.snake,
                "cou" | "zs_cou" | "rs" | "rt" | "info" | "result_type" | "alarm_type" | "valid_num" | "total_num"
            )
    }
}

/// The names of up to eight bytes, packed; longer ones are 0, which no name is packed to but the empty one.
const PACKED: [u64; NAMES.len()] = {
    let mut packed = [0; NAMES.len()];
    let mut at = 0;
    while at < NAMES.len() {
        if let Some(name) = pack(NAMES[at].said.as_bytes()) {
            packed[at] = name;
        }
        at += 1;
    }
    packed
};

/// The index of the standard's name `said`, and whether it is spelled as in the standard.
fn known(said: &[u8]) -> Option<(u8, bool)> {
    let index = match pack(said) {
        Some(packed) if packed != 0 => PACKED.iter().position(|name| *name == packed),
        Some(_) => None,
        None => NAMES.iter().position(|name| name.said.as_bytes() == said),
    };
    let (index, exact) = match index {
        Some(index) => (index, true),
        None if said.eq_ignore_ascii_case(b"td") => (0, false),
        None => (NAMES.iter().position(|name| name.said.as_bytes().eq_ignore_ascii_case(said))?, false),
    };
    Some((u8::try_from(index).ok()?, exact))
}

/// One field of a reading.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cell<'a> {
    /// The standard's name, if it is one.
    pub(super) name: Option<&'static Name>,
    /// The name as the station wrote it.
    pub(super) said: &'a [u8],
    pub(super) value: &'a [u8],
    pub(super) form: Said,
    /// Whether a later field of the same name holds instead.
    pub(super) earlier: bool,
    next: u32,
}

impl Cell<'_> {
    /// Whether a registered conversion changes its value.
    pub(super) fn is_converted(&self) -> bool {
        self.form == Said::Number && !self.earlier && self.name.is_some_and(Name::has_unit)
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
    first: u32,
    last: u32,
    count: u32,
    /// The standard's names met, one bit each.
    met: u64,
}

impl Reading<'_> {
    /// What its values are multiplied by, if a conversion is registered.
    pub(super) fn multiplier(&self) -> Option<Multiplier> {
        self.conversion.and_then(|it| Multiplier::parse(&it.by, it.digits))
    }
}

/// A field of the record itself.
#[derive(Debug, Clone, Copy)]
pub(super) struct Own<'a> {
    pub(super) name: &'a [u8],
    pub(super) value: &'a [u8],
    /// Whether a later field of the same name holds instead.
    pub(super) earlier: bool,
}

/// What a station reported.
#[derive(Debug, Default)]
pub(super) struct Report<'a> {
    pub(super) readings: Vec<Reading<'a>>,
    cells: Vec<Cell<'a>>,
    pub(super) own: Vec<Own<'a>>,
    pub(super) data_time: Option<&'a [u8]>,
    pub(super) deviations: Deviations,
    /// A hash of the set of codes: the same set gives the same number, whatever the order.
    pub(super) codes: u64,
}

/// The standard by which an area is read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lens<'a> {
    pub(super) dictionary: &'a Dictionary,
    pub(super) facts: Option<&'a StationFacts>,
    pub(super) edition: Option<Edition>,
    pub(super) system: System,
    /// Whether the area was put together from parts, each of which begins with the same DataTime.
    pub(super) merged: bool,
}

/// The lists of a report between two frames.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    fields: Fields,
    keys: Vec<u64>,
    readings: Vec<Reading<'static>>,
    cells: Vec<Cell<'static>>,
    own: Vec<Own<'static>>,
}

/// The empty list in the room of `list`, for things that live shorter or longer.
fn emptied<A, B>(mut list: Vec<A>) -> Vec<B> {
    list.clear();
    list.into_iter().filter_map(|_| None).collect()
}

impl Scratch {
    /// Reads `area`.
    pub(super) fn read<'a>(&mut self, area: &'a [u8], lens: Lens<'a>) -> Report<'a> {
        let mut report = Report {
            readings: emptied(std::mem::take(&mut self.readings)),
            cells: emptied(std::mem::take(&mut self.cells)),
            own: emptied(std::mem::take(&mut self.own)),
            ..Report::default()
        };
        self.fields.read(area);
        self.keys.clear();
        report.deviations = self.fields.deviations();
        for field in self.fields.iter(area) {
            if field.item.is_empty() {
                report.own_field(field.name, field.value, lens.merged);
            } else {
                report.item_field(&mut self.keys, field.item, field.name, field.value);
            }
        }
        report.resolve(&self.keys, lens);
        report.weigh();
        report
    }

    /// Takes the lists back for the next frame.
    pub(super) fn reuse(&mut self, report: Report<'_>) {
        self.readings = emptied(report.readings);
        self.cells = emptied(report.cells);
        self.own = emptied(report.own);
    }
}

impl<'a> Report<'a> {
    /// The fields of `reading`, in the order in which they were said.
    pub(super) fn cells(&self, reading: &Reading<'a>) -> impl Iterator<Item = &Cell<'a>> {
        let mut at = reading.first;
        let mut left = reading.count;
        std::iter::from_fn(move || {
            left = left.checked_sub(1)?;
            let cell = self.cells.get(at as usize)?;
            at = cell.next;
            Some(cell)
        })
    }

    /// The value of `reading` that rules compare: sampled value or mean, else state, else the first that is no mark; in the unit
    /// that is published.
    pub(super) fn main(&self, reading: &Reading<'a>) -> Cow<'a, [u8]> {
        let said = || self.cells(reading).filter(|cell| !cell.earlier);
        let named = |cell: &&Cell<'a>| {
            cell.name.is_some_and(|name| matches!(name.snake, "rtd" | "avg" | "info" | "rs" | "data" | "sample_rd"))
        };
        let other = |cell: &&Cell<'a>| cell.name.is_none_or(|name| name.class != Class::Flag);
        let Some(cell) = said().find(named).or_else(|| said().find(other)) else { return Cow::Borrowed(&[]) };
        self.published(reading, cell)
    }

    /// The value of `reading` converted to standard oxygen (折算), which emission limits are about, if it was said.
    pub(super) fn converted(&self, reading: &Reading<'a>) -> Option<Cow<'a, [u8]>> {
        let is =
            |cell: &&Cell<'a>| !cell.earlier && cell.name.is_some_and(|name| matches!(name.snake, "zs_rtd" | "zs_avg"));
        self.cells(reading).find(is).map(|cell| self.published(reading, cell))
    }

    /// The value of a cell in the unit that is published.
    fn published(&self, reading: &Reading<'a>, cell: &Cell<'a>) -> Cow<'a, [u8]> {
        match reading.multiplier().filter(|_| cell.is_converted()) {
            Some(multiplier) => {
                let mut converted = Vec::new();
                multiplier.apply(cell.value, &mut converted);
                Cow::Owned(converted)
            }
            None => Cow::Borrowed(cell.value),
        }
    }

    /// The value of the record's own field `name`.
    pub(super) fn own(&self, name: &[u8]) -> Option<&'a [u8]> {
        self.own.iter().rev().find(|own| own.name == name).map(|own| own.value)
    }

    fn own_field(&mut self, name: &'a [u8], value: &'a [u8], merged: bool) {
        if name == b"DataTime" {
            let before = self.data_time.replace(value);
            if let Some(before) = before.filter(|before| !(merged && *before == value)) {
                self.deviations.insert(Deviation::ItemTwice);
                self.own.push(Own { name, value: before, earlier: true });
            }
            return;
        }
        let unchecked = self.own.len() >= FIELDS_OF_ITEM_MAX;
        if let Some(own) = self.own.iter_mut().take(FIELDS_OF_ITEM_MAX).find(|o| !o.earlier && same_snake(o.name, name))
        {
            if merged && own.name == name && own.value == value {
                return;
            }
            own.earlier = true;
            self.deviations.insert(Deviation::ItemTwice);
        }
        self.own.push(Own { name, value, earlier: unchecked });
    }

    fn item_field(&mut self, keys: &mut Vec<u64>, code: &'a [u8], said: &'a [u8], value: &'a [u8]) {
        let at = match self.readings.last() {
            Some(last) if last.code == code => self.readings.len() - 1,
            _ => self.reading_of(keys, code),
        };
        let name = known(said);
        if name.is_some_and(|(_, exact)| !exact) {
            self.deviations.insert(Deviation::FieldName);
        }
        let cell = u32::try_from(self.cells.len()).unwrap_or(u32::MAX);
        let Some(reading) = self.readings.get_mut(at) else { return };
        let bit = name.map_or(0, |(index, _)| 1u64 << index);
        let name = name.and_then(|(index, _)| NAMES.get(usize::from(index)));
        let again = reading.met & bit != 0;
        reading.met |= bit;
        if name.is_some_and(|name| name.class == Class::Flag) {
            reading.flag = Some(value);
            if reading.count == 0 {
                self.deviations.insert(Deviation::FlagFirst);
            }
        }
        let mut fresh = Cell { name, said, value, form: Said::Number, earlier: false, next: u32::MAX };
        if reading.count > 0 && (again || name.is_none()) {
            let (first, count) = (reading.first, reading.count);
            if mark_earlier(&mut self.cells, first, count, &mut fresh) {
                reading.twice = true;
                self.deviations.insert(Deviation::ItemTwice);
            }
        }
        if reading.count == 0 {
            reading.first = cell;
        } else if let Some(last) = self.cells.get_mut(reading.last as usize) {
            last.next = cell;
        }
        reading.last = cell;
        reading.count += 1;
        self.cells.push(fresh);
    }

    /// The position of the reading of `code`, a new one if need be.
    fn reading_of(&mut self, keys: &mut Vec<u64>, code: &'a [u8]) -> usize {
        let wanted = key(code);
        let mut from = 0;
        while let Some(found) = keys.get(from..).and_then(|rest| rest.iter().position(|key| *key == wanted)) {
            let at = from + found;
            if self.readings.get(at).is_some_and(|reading| reading.code == code) {
                return at;
            }
            from = at + 1;
        }
        keys.push(wanted);
        self.codes = self.codes.wrapping_add(fnv(code));
        self.readings.push(Reading {
            code,
            factor: None,
            canonical: false,
            unit: None,
            conversion: None,
            meaning: None,
            second: false,
            flag: None,
            twice: false,
            first: 0,
            last: 0,
            count: 0,
            met: 0,
        });
        self.readings.len() - 1
    }

    /// Finds the factor of every reading.
    fn resolve(&mut self, keys: &[u64], lens: Lens<'a>) {
        let mut aliased = false;
        for reading in &mut self.readings {
            let registered = lens
                .facts
                .filter(|facts| !facts.aliases.is_empty())
                .and_then(|facts| facts.aliases.get(std::str::from_utf8(reading.code).ok()?));
            let code = registered.map_or(reading.code, |code| code.as_bytes());
            let Some(found) = lens.dictionary.find(code, lens.edition, lens.system) else {
                if !is_equipment(reading.code) {
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
            if factor.category & lens.system.carries != factor.category {
                self.deviations.insert(Deviation::CodeMedium);
            }
            if let Some(collision) = &factor.collision {
                reading.meaning = meaning_of(reading.code, factor, collision, lens.facts);
                if collision.uncertain && reading.meaning.is_none() {
                    self.deviations.insert(Deviation::CodeAmbiguous);
                }
            }
            if let Some(facts) = lens.facts.filter(|facts| !facts.units.is_empty()) {
                reading.unit = facts.units.get(&*factor.code).map(String::as_str);
                reading.conversion = reading.unit.and_then(|_| facts.conversions.get(&*factor.code));
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
            let said = keys.contains(&wanted).then(|| self.readings.iter().position(|r| r.code == code)).flatten();
            if let Some(home) = said
                && self.join(home, &reading)
            {
                at -= 1;
                self.readings.remove(at);
                continue;
            }
            let taken = |r: &Reading<'_>| r.canonical && r.factor.is_some_and(|f| f.code == factor.code);
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
        if reading.met & other.met != 0 || !all_known(reading) || !all_known(other) || reading.count == 0 {
            return false;
        }
        let Some(last) = self.cells.get_mut(reading.last as usize) else { return false };
        last.next = other.first;
        reading.last = other.last;
        reading.count += other.count;
        reading.met |= other.met;
        reading.flag = reading.flag.or(other.flag);
        true
    }

    /// Classifies every value.
    fn weigh(&mut self) {
        for reading in &self.readings {
            let textual = reading.factor.is_some_and(|factor| factor.textual);
            let mut at = reading.first;
            let mut only_flag = reading.count > 0;
            for _ in 0..reading.count {
                let Some(cell) = self.cells.get_mut(at as usize) else { break };
                at = cell.next;
                let class = cell.name.map(|name| name.class);
                only_flag &= matches!(class, Some(Class::Flag));
                let mut odd = Deviations::NONE;
                cell.form = match class {
                    Some(Class::Number) => value::classify(cell.value, &mut odd),
                    Some(Class::ByFactor) if !textual => {
                        let said = value::classify(cell.value, &mut odd);
                        // A log or a state may be text without anything being odd.
                        if cell.name.is_some_and(|name| name.snake == "info") {
                            odd = Deviations::NONE;
                        }
                        said
                    }
                    None if value::is_literal(cell.value) => Said::Number,
                    None => Said::Text,
                    Some(Class::ByFactor | Class::Flag | Class::Time | Class::Text) => Said::Text,
                };
                self.deviations = self.deviations.union(odd);
            }
            if only_flag {
                self.deviations.insert(Deviation::FlagOfOther);
            }
        }
    }
}

/// Marks the field that `fresh` replaces as earlier; whether there is one. Beyond [`FIELDS_OF_ITEM_MAX`] fields nothing is compared and
/// `fresh` itself counts as earlier.
fn mark_earlier(cells: &mut [Cell<'_>], first: u32, count: u32, fresh: &mut Cell<'_>) -> bool {
    if count as usize >= FIELDS_OF_ITEM_MAX {
        fresh.earlier = true;
        return true;
    }
    let mut at = first;
    for _ in 0..count {
        let Some(cell) = cells.get_mut(at as usize) else { return false };
        let same = match (cell.name, fresh.name) {
            (Some(one), Some(other)) => std::ptr::eq(one, other),
            (None, None) => same_snake(cell.said, fresh.said),
            _ => false,
        };
        if same && !cell.earlier {
            cell.earlier = true;
            return true;
        }
        at = cell.next;
    }
    false
}

/// Whether two names without a known meaning are published under the same name.
fn same_snake(one: &[u8], other: &[u8]) -> bool {
    one == other || snake(one).eq(snake(other))
}

/// `name` in lower case with `_` where a word begins: `RtdInterval` is `rtd_interval`, `SKCreateTime` is `sk_create_time`, `CTime` is
/// `ctime`. Bytes that are no ASCII stay.
pub(super) fn snake(name: &[u8]) -> impl Iterator<Item = u8> {
    name.iter().enumerate().flat_map(move |(at, byte)| {
        let before = |back: usize| at.checked_sub(back).and_then(|at| name.get(at));
        let upper = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_uppercase);
        let word_ended = before(1).is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        let letters_ended =
            upper(before(1)) && upper(before(2)) && name.get(at + 1).is_some_and(u8::is_ascii_lowercase);
        let begins = byte.is_ascii_uppercase() && (word_ended || letters_ended);
        begins.then_some(b'_').into_iter().chain([byte.to_ascii_lowercase()])
    })
}

/// Names that a published reading has of itself: a station's own field of that name is prefixed.
const RESERVED: &[&[u8]] = &[
    b"name",
    b"unit",
    b"text",
    b"earlier",
    b"valid",
    b"marks",
    b"reported",
    b"reported_code",
    b"same_as",
    b"collides",
];

/// Whether a field without a known meaning needs a prefix so as not to be taken for another.
pub(super) fn is_taken(snake: &[u8]) -> bool {
    snake.starts_with(b"x_") || RESERVED.contains(&snake) || NAMES.iter().any(|name| name.snake.as_bytes() == snake)
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
    collision.chosen(own.or_else(|| facts.meanings.get(&*factor.code))?)
}

/// Whether a code names a piece of equipment (SB1, SB2 …: HJ 212-2017, 6.3.3, table 4), which no dictionary lists.
fn is_equipment(code: &[u8]) -> bool {
    code.strip_prefix(b"SB").is_some_and(|number| !number.is_empty() && number.iter().all(u8::is_ascii_digit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_snakes() {
        for (name, expected) in [
            ("RtdInterval", "rtd_interval"),
            ("QnRtn", "qn_rtn"),
            ("SKCreateTime", "sk_create_time"),
            ("NewSK", "new_sk"),
            ("CTime", "ctime"),
            ("Ctime", "ctime"),
            ("PolId", "pol_id"),
            ("UUID", "uuid"),
        ] {
            assert_eq!(String::from_utf8(snake(name.as_bytes()).collect()).unwrap(), expected);
        }
        for name in NAMES {
            assert_eq!(name.key, format!(",\"{}\":", name.snake).as_bytes());
        }
        assert!(NAMES.len() <= 64, "one bit each");
    }

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
        let lens = Lens { dictionary: &dictionary, facts: Some(&facts), edition: None, system, merged: false };
        let mut scratch = Scratch::default();
        let area = b"34013-Avg=36.90,34013-Cou=5;a21026-Avg=36.90;a34013-Flag=N";
        let report = scratch.read(area, lens);
        let mains: Vec<_> = report.readings.iter().map(|reading| report.main(reading).into_owned()).collect();
        assert_eq!(mains, [b"36.90".to_vec(), b"0.03690".to_vec()], "no unit, no conversion");
    }
}
