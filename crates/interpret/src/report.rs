//! From a data area to what the station reported: its own fields, and readings grouped by code.
//!
//! Everything borrows from the area; the lists are reused from frame to frame. Marking looks at the readings after this,
//! before [`super::data`] writes them. What must stay true: every field of the area is in the report exactly once.
//!
//! # Decisions
//! * One code in several runs of fields is one reading as long as nothing contradicts: what was said again is dropped, what is new is
//!   added ([`super::items`]). What contradicts is an item of its own: never do fields of one stand beside those of another.
//! * A flag that follows a flag of its item: the last one holds, the earlier stays in the report, and the reading is not valid.
//! * What stands behind a `PolId` belongs to that instrument, up to the next one; several items of one code under several instruments are
//!   several readings.
//! * What an area holds besides fields is `unread`, and none of it is lost: see [`super::loose`].
//! * Two codes of one frame that stand for the same factor: the canonical spelling takes the key, another one stays under the code it
//!   was said with and names the factor (`same_as`). No key of the published object occurs twice, and neither value is lost.

use std::borrow::Cow;

use super::convert::Multiplier;
use super::factors::{Collision, Dictionary, Factor, Meaning, System, key, pack};
use super::loose::Loose;
use super::tables::{self, Evidence};
use super::value::{self, Said, Why};
use super::worth::{self, Found, Worth};
use hj212::value::{Spelling, field_name};
use hj212::{Deviation, Deviations, Edition, Field, Fields};
use hj212_model::message::{Conversion, StationFacts};

/// Fields of one item beyond these are an item of their own, and not compared.
pub(super) const FIELDS_OF_ITEM_MAX: usize = 64;

/// Instruments of one record beyond these are not looked for among the earlier ones.
const INSTRUMENTS_COMPARED_MAX: usize = 64;

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
    "WaterTime", "water_time", Time;
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

/// The bits of the names of marks in [`Reading::met`].
const FLAGS: u64 = {
    let (mut bits, mut at) = (0, 0);
    while at < NAMES.len() {
        if matches!(NAMES[at].class, Class::Flag) || matches!(NAMES[at].snake.as_bytes(), b"eflag") {
            bits |= 1 << at;
        }
        at += 1;
    }
    bits
};

/// The bits of the names of converted values.
const CONVERTED: u64 = {
    let (mut bits, mut at) = (0, 0);
    while at < NAMES.len() {
        if matches!(NAMES[at].snake.as_bytes(), [b'z', b's', b'_', ..]) {
            bits |= 1 << at;
        }
        at += 1;
    }
    bits
};

impl Name {
    /// Whether it is the value that the item is about: what is sampled, the mean, a state.
    pub(super) fn is_main(&self) -> bool {
        matches!(self.snake, "rtd" | "avg" | "info" | "rs" | "data" | "sample_rd")
    }

    /// Whether it is a value at all: not the kind or a limit of one, nor how many there were.
    pub(super) fn is_value(&self) -> bool {
        matches!(self.class, Class::Number | Class::ByFactor)
            && !matches!(
                self.snake,
                "result_type" | "alarm_type" | "valid_num" | "total_num" | "standard_value" | "low_value" | "up_value"
            )
    }

    /// Whether its values may be text without anything being odd: a log, a state in words.
    pub(super) fn may_be_text(&self) -> bool {
        self.snake == "info"
    }

    /// Whether values of this name are in the unit of the factor: not sums (another unit), states, counts and texts.
    pub(super) fn has_unit(&self) -> bool {
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

/// Whether `said` is a name of a field of an item.
pub(super) fn is_name(said: &[u8]) -> bool {
    known(said).is_some()
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
    fn has_flags_alone(&self) -> bool {
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

/// What a station reported.
#[derive(Debug, Default)]
pub(super) struct Report<'a> {
    pub(super) readings: Vec<Reading<'a>>,
    pub(super) cells: Vec<Cell<'a>>,
    pub(super) own: Vec<Own<'a>>,
    pub(super) instruments: Vec<Instrument<'a>>,
    /// The instrument at hand, from 1; 0: none yet.
    instrument: u32,
    /// The reading that the last one is compared with when it is complete: it has the same code.
    pub(super) home: Option<usize>,
    /// What the codes of the record can only be.
    pub(super) evidence: Evidence,
    /// Whether something in the area looks as if it was not read as it was meant: then [`super::loose`] looks at it.
    pub(super) odd: bool,
    /// What stands in no field.
    pub(super) unread: Vec<&'a [u8]>,
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
    /// What earlier records of the station showed.
    pub(super) habit: Evidence,
    /// Whether the area was put together from parts, each of which begins with the same DataTime.
    pub(super) merged: bool,
    /// Where parts were cut that cannot be put together.
    pub(super) torn: &'a [Torn],
}

/// A piece of an area at a cut that nobody can mend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Torn {
    /// Where it stands.
    pub(super) at: std::ops::Range<usize>,
    /// Whether its code may be the rest of another, too.
    pub(super) code: bool,
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
            report.field(&mut self.keys, field, lens.merged);
        }
        report.close_item(&mut self.keys);
        report.tear(area, lens.torn);
        report.resolve(&self.keys, lens);
        report.weigh(lens.dictionary);
        report
    }

    /// Reads the area that was read last once more, as [`super::loose`] found it to be meant.
    #[cold]
    pub(super) fn read_loosely<'a>(&mut self, loose: &'a Loose, lens: Lens<'a>) -> Report<'a> {
        let mut report = Report {
            readings: emptied(std::mem::take(&mut self.readings)),
            cells: emptied(std::mem::take(&mut self.cells)),
            own: emptied(std::mem::take(&mut self.own)),
            ..Report::default()
        };
        self.keys.clear();
        report.deviations = loose.deviations(self.fields.deviations());
        for field in loose.fields() {
            report.field(&mut self.keys, field, lens.merged);
        }
        report.close_item(&mut self.keys);
        report.unread = loose.unread().collect();
        report.tear(loose.text(), lens.torn);
        report.resolve(&self.keys, lens);
        report.weigh(lens.dictionary);
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
    /// that is published. Nothing, if it certainly stands for "no value".
    pub(super) fn main(&self, reading: &Reading<'a>) -> Cow<'a, [u8]> {
        let said = || self.cells(reading).filter(|cell| !cell.earlier);
        let named = |cell: &&Cell<'a>| cell.name.is_some_and(Name::is_main);
        let other = |cell: &&Cell<'a>| cell.name.is_none_or(|name| name.class != Class::Flag);
        let Some(cell) = said().find(named).or_else(|| said().find(other)) else { return Cow::Borrowed(&[]) };
        if cell.why == Some(Why::Sentinel) || reading.torn {
            return Cow::Borrowed(&[]);
        }
        self.published(reading, cell)
    }

    /// The key of `reading` where it is published: its code, with the number of the item if there are several.
    pub(super) fn key_of<'r>(&'r self, reading: &'r Reading<'a>) -> Cow<'r, [u8]> {
        if reading.item < 2 {
            return Cow::Borrowed(reading.key());
        }
        let mut mark = b"#".to_vec();
        loop {
            let key = [reading.key(), &mark, reading.item.to_string().as_bytes()].concat();
            if self.readings.iter().all(|other| other.code != key) {
                return Cow::Owned(key);
            }
            // A station may use such a code itself.
            mark.push(b'#');
        }
    }

    /// The instrument that `reading` is about; a record's only one is that of all its readings.
    pub(super) fn about(&self, reading: &Reading<'a>) -> Option<&'a str> {
        match self.instruments.as_slice() {
            [only] => only.code(),
            several => several.get((reading.instrument as usize).wrapping_sub(1))?.code(),
        }
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
                multiplier.apply(&cell.literal(), &mut converted);
                Cow::Owned(converted)
            }
            None if cell.form == Said::Odd => Cow::Owned(cell.literal().into_owned()),
            None => Cow::Borrowed(cell.value),
        }
    }

    /// The value of the record's own field `name`.
    pub(super) fn own(&self, name: &[u8]) -> Option<&'a [u8]> {
        self.own.iter().rev().find(|own| own.name == name).map(|own| own.value)
    }

    fn field(&mut self, keys: &mut Vec<u64>, field: Field<'a>, merged: bool) {
        if field.item.is_empty() {
            self.own_field(field.name, field.value, merged);
        } else {
            self.item_field(keys, field);
        }
    }

    /// Marks the readings that have a field in one of the pieces `torn` of `area`.
    fn tear(&mut self, area: &[u8], torn: &[Torn]) {
        if torn.is_empty() {
            return;
        }
        let base = area.as_ptr().addr();
        let is_digit = |code: &[u8]| code.first().is_some_and(u8::is_ascii_digit);
        let longest = self.readings.iter().map(|reading| reading.code.len()).max().unwrap_or(0);
        for number in 0..self.readings.len() {
            let Some(reading) = self.readings.get(number).copied() else { return };
            let touches = |torn: &&Torn| {
                // A value that is empty stands nowhere; its name does.
                let within = |text: &[u8]| torn.at.contains(&text.as_ptr().addr().wrapping_sub(base));
                self.cells(&reading).any(|cell| within(cell.said) || within(cell.value)) && {
                    // A code that begins with a letter, or is as long as any other of the record, is no rest of one.
                    !torn.code || is_digit(reading.code) && (reading.code.len() < longest || self.readings.len() == 1)
                }
            };
            let Some(found) = torn.iter().find(touches) else { continue };
            // Where a part is missing nobody knows whether it was cut; the rest of a code shows it.
            if found.code {
                self.deviations.insert(Deviation::PartsCut);
            }
            if let Some(reading) = self.readings.get_mut(number) {
                reading.torn = true;
                reading.nameless = found.code;
            }
        }
    }

    fn own_field(&mut self, said: &'a [u8], value: &'a [u8], merged: bool) {
        self.odd |= memchr::memchr(b'=', value).is_some_and(|_| !value.starts_with(b"//"));
        let name = if matches!(said, b"DataTime" | b"PolId") { said } else { self.own_name(said) };
        if name == b"DataTime" {
            let before = self.data_time.replace(value);
            if let Some(before) = before.filter(|before| !(merged && *before == value)) {
                self.deviations.insert(Deviation::ItemTwice);
                self.own.push(Own { name, value: before, earlier: true, instrument: 0 });
            }
            return;
        }
        if name == b"PolId" && self.enter_instrument(value) {
            return;
        }
        let instrument = self.instrument;
        let unchecked = self.own.len() >= FIELDS_OF_ITEM_MAX;
        let same = |o: &&mut Own<'a>| !o.earlier && o.instrument == instrument && same_snake(o.name, name);
        if let Some(own) = self.own.iter_mut().take(FIELDS_OF_ITEM_MAX).find(same) {
            if merged && own.name == name && own.value == value {
                return;
            }
            own.earlier = true;
            self.deviations.insert(Deviation::ItemTwice);
        }
        self.own.push(Own { name, value, earlier: unchecked, instrument });
    }

    /// The standard's spelling of a field's name, if it is one in another case or with spaces within.
    fn own_name(&mut self, said: &'a [u8]) -> &'a [u8] {
        if let Some((name, Spelling::Odd)) = field_name(said) {
            self.deviations.insert(Deviation::FieldName);
            return name.as_bytes();
        }
        self.odd |= field_name(said).is_none();
        if !said.contains(&b' ') {
            return said;
        }
        let squeezed: Vec<u8> = said.iter().copied().filter(|byte| *byte != b' ').collect();
        match field_name(&squeezed) {
            Some((name, _)) => {
                self.deviations.insert(Deviation::FieldName);
                name.as_bytes()
            }
            None => said,
        }
    }

    /// The instrument at hand, from 1; 0: none yet.
    pub(super) fn instrument(&self) -> u32 {
        self.instrument
    }

    /// What follows belongs to the instrument `said`; true if that was so already.
    fn enter_instrument(&mut self, said: &'a [u8]) -> bool {
        let known = self.instruments.iter().take(INSTRUMENTS_COMPARED_MAX).position(|known| known.said == said);
        let at = known.unwrap_or_else(|| {
            self.instruments.push(Instrument { said, factor: None });
            self.instruments.len() - 1
        });
        self.instrument = u32::try_from(at + 1).unwrap_or(u32::MAX);
        known.is_some()
    }

    fn item_field(&mut self, keys: &mut Vec<u64>, field: Field<'a>) {
        let Field { item: code, name: said, value, separator } = field;
        let name = known(said);
        if name.is_some_and(|(_, exact)| !exact) {
            self.deviations.insert(Deviation::FieldName);
        }
        let bit = name.map_or(0, |(index, _)| 1u64 << index);
        let name = name.and_then(|(index, _)| NAMES.get(usize::from(index)));
        self.odd |= name.is_none() && !said.iter().all(u8::is_ascii_alphanumeric);
        let fresh = Cell { name, said, value, form: Said::Number, why: None, earlier: false, next: u32::MAX };
        let goes_on = self.readings.last().is_some_and(|last| {
            last.code == code
                && last.instrument == self.instrument
                && separator != b';'
                && (last.count as usize) < FIELDS_OF_ITEM_MAX
        });
        if !goes_on {
            self.begin_item(keys, code);
        } else if self.is_said_again(bit, &fresh) {
            if self.is_flag_after_flag(&fresh) {
                self.supersede_flag(&fresh);
            } else {
                self.begin_item(keys, code);
            }
        }
        let cell = u32::try_from(self.cells.len()).unwrap_or(u32::MAX);
        let Some(reading) = self.readings.last_mut() else { return };
        reading.met |= bit;
        if name.is_some_and(|name| name.class == Class::Flag) {
            reading.flag = Some(value);
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

    /// Whether the last reading has a field of this name.
    #[inline]
    fn is_said_again(&self, bit: u64, fresh: &Cell<'a>) -> bool {
        let Some(reading) = self.readings.last() else { return false };
        match bit {
            0 => self.cells(reading).any(|cell| cell.name.is_none() && same_snake(cell.said, fresh.said)),
            bit => reading.met & bit != 0,
        }
    }

    /// What the codes of the record can only be; nothing if no code depends on the others.
    fn testimony(&self, lens: Lens<'a>) -> Evidence {
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
    fn resolve(&mut self, keys: &[u64], lens: Lens<'a>) {
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
            let here = |r: &Reading<'_>| r.instrument == reading.instrument;
            let is_said = |r: &Reading<'_>| here(r) && r.code == code;
            let said = keys.contains(&wanted).then(|| self.readings.iter().position(is_said)).flatten();
            if let Some(home) = said
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
        true
    }

    /// Classifies every value, and says of every reading without one why ([`super::worth`]).
    fn weigh(&mut self, dictionary: &Dictionary) {
        let mut before_has_flag = true;
        for reading in &mut self.readings {
            let textual = reading.factor.is_some_and(|factor| factor.textual);
            let mut at = reading.first;
            let mut found = Found::default();
            for _ in 0..reading.count {
                let Some(cell) = self.cells.get_mut(at as usize) else { break };
                at = cell.next;
                (cell.form, cell.why) = worth::classify(cell, textual, dictionary);
                found.add(cell, textual);
                if cell.form == Said::Text && cell.value.len() > 1 && !cell.value.starts_with(b"//") {
                    self.odd |= !cell.value.is_ascii() || memchr::memchr(b'=', cell.value).is_some();
                }
                let Some(name) = cell.name.filter(|name| !name.may_be_text()) else { continue };
                if name.class != Class::Time {
                    value::note(cell.why, &mut self.deviations);
                }
                if cell.form == Said::Odd {
                    self.deviations.insert(Deviation::ValueForm);
                }
            }
            if reading.count > 0 && reading.has_flags_alone() {
                // A flag behind an item without one may be meant for that.
                let stray = if before_has_flag { Deviation::FlagAlone } else { Deviation::FlagOfOther };
                self.deviations.insert(stray);
            }
            before_has_flag = reading.flag.is_some();
            (reading.worth, reading.why) = found.worth(reading);
        }
    }
}

/// Whether two names without a known meaning are published under the same name.
pub(super) fn same_snake(one: &[u8], other: &[u8]) -> bool {
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
    b"why",
    b"item",
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
        let habit = Evidence::NOTHING;
        let facts = Some(&facts);
        let lens = Lens { dictionary: &dictionary, facts, edition: None, system, habit, merged: false, torn: &[] };
        let mut scratch = Scratch::default();
        let area = b"34013-Avg=36.90,34013-Cou=5;a21026-Avg=36.90;a34013-Flag=N";
        let report = scratch.read(area, lens);
        let mains: Vec<_> = report.readings.iter().map(|reading| report.main(reading).into_owned()).collect();
        assert_eq!(mains, [b"36.90".to_vec(), b"0.03690".to_vec()], "no unit, no conversion");
    }
}
