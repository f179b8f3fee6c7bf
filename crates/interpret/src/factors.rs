//! The dictionary: what a code means in which edition, and which code stands for it today.
//!
//! Made of the tables in [`super::table`]; the context's rows replace or add to them. Canonical are the codes of 2017 and 2025. A code
//! of 2005 keeps the unit of *its* table (hexavalent chromium is mg/L there and ug/L in 2017): nothing is converted here.
//!
//! # Decisions
//! * Water codes of 2005 have three digits, gas codes two. Which table a code belongs to, and whether a lost or added zero is repaired,
//!   is decided for a record as a whole: see [`super::tables`].
//! * Two rows of one edition with one code (the standard prints `e701xx` and `g119xx` twice): both names, no unit, until the
//!   station's registration chooses. An extension's row that a later edition gives another meaning (`i23005`) holds in the earlier
//!   editions; that the code collides is said in either case, and that it is uncertain where no standard decides it.
//! * A name of the field (`PM10`) is looked up after every code, at the stations it is listed for; where ST is not known, only if it
//!   has one meaning anywhere.
//! * A factor is out of place if neither the registered ST nor the frame's carries its category. An unknown ST carries everything.

use std::collections::BTreeMap;

use foldhash::HashMap;

use super::hash::fnv;
use super::json;
use super::table;
use super::tables::{Choice, Evidence, Fields, Known, Tables, decide};
use super::value::Sentinels;
use hj212::Edition;

/// A unit that depends on the station.
const UNIT_BY_STATION: &str = "?";

/// The longest name of the field.
const ALIAS_MAX: usize = 8;

/// What a code stands for in one edition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Factor {
    /// The canonical code: the key of the reading.
    pub(super) code: Box<str>,
    pub(super) name: Option<Box<str>>,
    pub(super) unit: Option<Box<str>>,
    /// Whether its values are text (a log, a serial number, a letter mark).
    pub(super) textual: bool,
    /// Whether the code is not the canonical one.
    pub(super) alias: bool,
    /// The category, as a bit of what systems carry; 0: it makes sense anywhere.
    pub(super) category: u32,
    /// What else the code means, if it means more than one thing.
    pub(super) collision: Option<Box<Collision>>,
    /// `"a21026":{"name":"…","unit":"…"`, ready to be copied.
    pub(super) head: Box<[u8]>,
}

/// A code with several meanings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Collision {
    pub(super) meanings: Vec<Meaning>,
    /// Whether no standard says which one it is in this edition.
    pub(super) uncertain: bool,
    /// `,"collides":[…]`, ready to be copied.
    pub(super) json: Box<[u8]>,
}

/// One of several meanings of a code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Meaning {
    pub(super) name: Box<str>,
    pub(super) unit: Option<Box<str>>,
    generation: Box<str>,
}

impl Collision {
    fn new(meanings: Vec<Meaning>, uncertain: bool) -> Collision {
        let mut json = b",\"collides\":[".to_vec();
        for (at, meaning) in meanings.iter().enumerate() {
            json.extend_from_slice(if at > 0 { b",{\"name\":" } else { b"{\"name\":" });
            json::string(&mut json, &meaning.name);
            json.extend_from_slice(b",\"unit\":");
            json::optional(&mut json, meaning.unit.as_deref());
            json.extend_from_slice(b",\"in\":");
            json::string(&mut json, &meaning.generation);
            json.push(b'}');
        }
        json.push(b']');
        Collision { meanings, uncertain, json: json.into() }
    }

    /// The meaning that the registration chose by its name.
    pub(super) fn chosen(&self, name: &str) -> Option<&Meaning> {
        self.meanings.iter().find(|meaning| &*meaning.name == name)
    }
}

/// Water or air, as far as ST tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Medium {
    Water,
    Air,
    Unknown,
}

/// What ST says of a station (HJ 212-2017, 6.6.1, table 5; `config/systems.csv`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct System {
    pub(super) medium: Medium,
    /// The categories of factors that make sense, one bit each.
    pub(super) carries: u32,
    /// One bit for the ST; 0: an unknown one.
    bit: u32,
    /// Whether the record says another medium than its ST: then a name of the field that depends on ST is none.
    doubtful: bool,
    /// What the registered ST and the one of the record say.
    known: Known,
    /// How bare codes are read.
    pub(super) tables: Tables,
}

impl System {
    /// No ST, or one that the table does not list.
    const UNKNOWN: System = {
        let known =
            Known { registered: Medium::Unknown, said: Medium::Unknown, listed: false, habit: Evidence::NOTHING };
        let (two, three) = (Choice::Said, Choice::Said);
        let tables = Tables { two, three, medium: Medium::Unknown, single: Medium::Unknown, none: false };
        System { medium: Medium::Unknown, carries: u32::MAX, bit: 0, doubtful: false, known, tables }
    };

    /// The same for a record that shows this, of a station whose earlier ones showed `habit`.
    pub(super) fn of_record(self, record: Evidence, habit: Evidence) -> System {
        let known = Known { habit, ..self.known };
        let tables = decide(record, known);
        let settled = tables.medium != Medium::Unknown && known.said != Medium::Unknown;
        let doubtful = settled && tables.medium != known.said && known.registered == Medium::Unknown;
        System { known, tables, doubtful, ..self }
    }

    /// Whether a factor of this category of the 2005 tables is of another medium than the ST of the record says.
    pub(super) fn contradicts(self, medium: Medium) -> bool {
        medium != Medium::Unknown && self.known.said != Medium::Unknown && medium != self.known.said
    }
}

/// What was found for a code.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found<'d> {
    pub(super) factor: &'d Factor,
    /// Whether the code as said is another spelling, an alias, or another edition's.
    pub(super) alias: bool,
    /// Whether the code as said holds a device number, and is itself canonical.
    pub(super) numbered: bool,
}

/// All codes of all editions.
#[derive(Debug, Clone)]
pub(super) struct Dictionary {
    /// By edition (2005, 2017, 2025): code to factor.
    editions: [Codes; 3],
    factors: Vec<Factor>,
    /// Names of the field in capitals, packed: the systems they are used in and the code they stand for.
    aliases: HashMap<u64, Vec<Slang>>,
    /// By packed ST.
    systems: Vec<(u64, System)>,
    /// The categories that systems name, in the order of their bits.
    categories: Vec<String>,
    /// All meanings of colliding codes.
    meanings: BTreeMap<String, Vec<Meaning>>,
    /// The bits of the categories that only gas, and only water has.
    gas: u32,
    water: u32,
    pub(super) sentinels: Sentinels,
}

/// What a name of the field stands for.
#[derive(Debug, Clone)]
struct Slang {
    /// The systems it is used in, one bit each.
    used: u32,
    code: Box<[u8]>,
}

#[derive(Debug, Clone, Default)]
struct Codes {
    /// Codes of up to eight bytes, packed.
    short: HashMap<u64, u32>,
    long: HashMap<Box<[u8]>, u32>,
    /// Codes of up to eight bytes in capitals, packed; only those that are one code in whatever case.
    capitals: HashMap<u64, Option<u32>>,
}

impl Codes {
    fn get(&self, code: &[u8]) -> Option<u32> {
        match pack(code) {
            Some(packed) => self.short.get(&packed).copied(),
            None => self.long.get(code).copied(),
        }
    }

    /// The code that `code` is in another case.
    fn in_other_case(&self, code: &[u8]) -> Option<u32> {
        *self.capitals.get(&pack(&code.to_ascii_uppercase())?)?
    }

    fn insert(&mut self, code: &[u8], factor: u32) {
        if let Some(packed) = pack(&code.to_ascii_uppercase()) {
            let one = if self.capitals.contains_key(&packed) { None } else { Some(factor) };
            self.capitals.insert(packed, one);
        }
        match pack(code) {
            Some(packed) => self.short.insert(packed, factor),
            None => self.long.insert(code.into(), factor),
        };
    }
}

/// A code of up to eight bytes as one number; shorter ones are told apart by the zeros behind them, which no code holds.
pub(super) const fn pack(code: &[u8]) -> Option<u64> {
    if code.len() > 8 {
        return None;
    }
    let (mut packed, mut at) = (0, 0);
    while at < code.len() {
        if code[at] == 0 {
            return None;
        }
        packed = packed << 8 | code[at] as u64;
        at += 1;
    }
    Some(packed)
}

/// A number to compare codes by: equal codes have equal keys; unequal ones of up to eight bytes unequal keys.
pub(super) fn key(code: &[u8]) -> u64 {
    pack(code).unwrap_or_else(|| fnv(code))
}

#[derive(Debug, Clone, Default)]
struct Row {
    name: String,
    unit: String,
    textual: bool,
    successor: String,
    category: String,
    /// Whether the code has several meanings.
    collides: bool,
    /// Whether no standard says which of them it is.
    uncertain: bool,
}

impl From<&table::Row> for Row {
    fn from(row: &table::Row) -> Row {
        let is_of_2005 = row.generation == "2005";
        Row {
            name: row.name.clone(),
            unit: row.unit.clone(),
            textual: row.form.starts_with(['C', 'Y']),
            successor: if is_of_2005 { row.other.clone() } else { String::new() },
            category: row.category.clone(),
            collides: row.collides(),
            uncertain: row.collides() && !["2005", "2017", "2025"].contains(&row.generation.as_str()),
        }
    }
}

/// The rows by code: those of 2017 and the field, those of 2005, those of 2025.
#[derive(Debug, Default)]
struct Rows {
    common: BTreeMap<String, Row>,
    of_2005: BTreeMap<String, Row>,
    of_2025: BTreeMap<String, Row>,
}

impl Rows {
    fn read(all: &[table::Row]) -> Rows {
        let mut rows = Rows::default();
        for said in all {
            let row = Row::from(said);
            match said.generation.as_str() {
                "2005" => insert(&mut rows.of_2005, &said.code, row),
                "2025" => insert(&mut rows.of_2025, &said.code, row),
                "2017" => insert(&mut rows.common, &said.code, row),
                _ => {
                    rows.common.entry(said.code.clone()).or_insert(row);
                }
            }
        }
        rows
    }

    /// Names and units of the operator's own dictionary; what it says is certain.
    fn replace(&mut self, overrides: &BTreeMap<String, (String, String)>) {
        for (code, (name, unit)) in overrides {
            for table in [&mut self.common, &mut self.of_2005, &mut self.of_2025] {
                if let Some(row) = table.get_mut(code) {
                    row.name.clone_from(name);
                    row.unit.clone_from(unit);
                    row.uncertain = false;
                }
            }
            let own = || Row { name: name.clone(), unit: unit.clone(), ..Row::default() };
            self.common.entry(code.clone()).or_insert_with(own);
        }
    }

    /// One edition: rows of 2017 and the field, then those of 2025 over them (in 2025), or where the code is free (before), then those
    /// of 2005 over them (in 2005), or where the code is free (after).
    fn of_edition(&self, edition: usize) -> BTreeMap<&str, Row> {
        let mut all: BTreeMap<&str, Row> = self.common.iter().map(|(code, row)| (code.as_str(), row.clone())).collect();
        let newer = edition == 2;
        for (code, row) in self.of_2025.iter().filter(|(_, row)| newer || !row.collides) {
            let known = all.entry(code).or_default();
            if row.collides {
                known.clone_from(row);
                continue;
            }
            let textual = known.textual || row.textual;
            overlay(known, row, newer);
            known.textual = textual;
        }
        for (code, row) in &self.of_2005 {
            overlay(all.entry(code).or_default(), row, edition == 0);
        }
        all
    }
}

/// Puts what `row` says over what is `known`, or where nothing is known.
fn overlay(known: &mut Row, row: &Row, over: bool) {
    let put = |known: &mut String, said: &String| {
        if known.is_empty() || (over && !said.is_empty()) {
            known.clone_from(said);
        }
    };
    put(&mut known.name, &row.name);
    put(&mut known.unit, &row.unit);
    put(&mut known.successor, &row.successor);
    put(&mut known.category, &row.category);
    known.textual |= row.textual && over;
}

impl Dictionary {
    /// The built-in table with `overrides` (code to name and unit) in every edition.
    pub(super) fn new(overrides: &BTreeMap<String, (String, String)>) -> Dictionary {
        let all = table::factors();
        let mut rows = Rows::read(&all);
        rows.replace(overrides);
        let mut dictionary = Dictionary {
            editions: Default::default(),
            factors: Vec::new(),
            aliases: HashMap::default(),
            systems: Vec::new(),
            categories: Vec::new(),
            meanings: BTreeMap::new(),
            gas: 0,
            water: 0,
            sentinels: Sentinels::new(),
        };
        dictionary.read_systems();
        for row in all.iter().filter(|row| row.collides()) {
            let unit = Some(row.unit.as_str()).filter(|unit| !unit.is_empty()).map(Box::from);
            let meaning = Meaning { name: row.name.as_str().into(), unit, generation: row.generation.as_str().into() };
            dictionary.meanings.entry(row.code.clone()).or_default().push(meaning);
        }
        for edition in 0..3 {
            dictionary.lay(edition, &rows.of_edition(edition));
        }
        dictionary
    }

    /// Systems, categories, and the names of the field that hang on them.
    fn read_systems(&mut self) {
        let systems = table::systems();
        for (at, row) in systems.iter().enumerate() {
            let mut carries = 0;
            for category in &row.carries {
                carries |= if category == "*" { u32::MAX } else { self.category(category, true) };
            }
            let medium = match row.medium.as_str() {
                "water" => Medium::Water,
                "air" => Medium::Air,
                _ => Medium::Unknown,
            };
            let Some(st) = pack(row.st.as_bytes()) else { continue };
            let known = Known { said: medium, listed: true, ..System::UNKNOWN.known };
            let tables = decide(Evidence::NOTHING, known);
            let bit = 1u32.checked_shl(at as u32).unwrap_or(0);
            self.systems.push((st, System { medium, carries, bit, doubtful: false, known, tables }));
        }
        self.gas = self.category("gas", false) | self.category("flue-gas-process", false);
        self.water = self.category("water", false) | self.category("sewage-process", false);
        for alias in table::aliases() {
            let Some(name) = pack(alias.alias.as_bytes()) else { continue };
            let used = alias.systems.iter().fold(0, |used, st| used | self.system(None, Some(st.as_bytes())).bit);
            let slang = Slang { used, code: alias.code.as_bytes().into() };
            self.aliases.entry(name).or_default().push(slang);
        }
    }

    /// The bit of a category; 0 for one that no system names.
    fn category(&mut self, name: &str, new: bool) -> u32 {
        let known = self.categories.iter().position(|known| known == name);
        let at = known.or_else(|| {
            new.then(|| {
                self.categories.push(name.to_owned());
                self.categories.len() - 1
            })
        });
        at.and_then(|at| 1u32.checked_shl(at as u32)).unwrap_or(0)
    }

    /// Fills one edition.
    fn lay(&mut self, edition: usize, all: &BTreeMap<&str, Row>) {
        for (code, row) in all {
            let successor = all.get(row.successor.as_str());
            let canonical = if row.successor.is_empty() { code } else { row.successor.as_str() };
            let name = successor.map_or(&row.name, |s| &s.name);
            let unit = if row.unit.is_empty() { successor.map_or(&row.unit, |s| &s.unit) } else { &row.unit };
            let number = u32::try_from(self.factors.len()).unwrap_or(u32::MAX);
            let mut factor = Factor::new(canonical, name, unit, row.textual, canonical != *code);
            factor.category = self.category(successor.map_or(&row.category, |s| &s.category), false);
            let meanings = self.meanings.get(*code).filter(|_| row.collides);
            factor.collision = meanings.map(|all| Box::new(Collision::new(all.clone(), row.uncertain)));
            self.factors.push(factor);
            if let Some(codes) = self.editions.get_mut(edition) {
                codes.insert(code.as_bytes(), number);
            }
        }
    }

    /// What is known of a station by its registered ST and the one of the frame: the registered one counts; what either carries makes
    /// sense.
    pub(super) fn system(&self, registered: Option<&[u8]>, said: Option<&[u8]>) -> System {
        let find = |st: Option<&[u8]>| {
            let packed = pack(st?)?;
            self.systems.iter().find(|(known, _)| *known == packed).map(|(_, system)| *system)
        };
        let Some(registered) = registered else { return find(said).unwrap_or(System::UNKNOWN) };
        let home = find(Some(registered)).unwrap_or(System::UNKNOWN);
        let other = find(said);
        let known = Known {
            registered: home.medium,
            said: other.map_or(Medium::Unknown, |system| system.medium),
            listed: home.known.listed || other.is_some(),
            habit: Evidence::NOTHING,
        };
        let also = other.filter(|_| said != Some(registered)).map_or(0, |system| system.carries);
        System { carries: home.carries | also, known, tables: decide(Evidence::NOTHING, known), ..home }
    }

    /// What `code` is a name of at stations of `system`.
    fn alias(&self, code: &[u8], system: System) -> Option<&[u8]> {
        let mut capitals = [0; ALIAS_MAX];
        let capitals = capitals.get_mut(..code.len())?;
        capitals.copy_from_slice(code);
        capitals.make_ascii_uppercase();
        let meanings = self.aliases.get(&pack(capitals)?)?;
        match meanings.as_slice() {
            [only] if system.bit == 0 => Some(&only.code),
            [_, _, ..] if system.doubtful => None,
            several => several.iter().find(|slang| slang.used & system.bit != 0).map(|slang| &*slang.code),
        }
    }

    /// What `code` stands for in a record of `edition` from a station of `system`.
    pub(super) fn find(&self, code: &[u8], edition: Option<Edition>, system: System) -> Option<Found<'_>> {
        let table = table_of(edition);
        let codes = self.editions.get(table)?;
        let factor = |number: u32| self.factors.get(number as usize);
        let as_said = |factor: &Factor| factor.alias && table != 0;
        if is_bare(code) {
            let (number, repaired) = self.bare(codes, code, system.tables)?;
            let factor = factor(number)?;
            return Some(Found { factor, alias: repaired || as_said(factor), numbered: false });
        }
        if let Some(factor) = codes.get(code).and_then(factor) {
            return Some(Found { factor, alias: as_said(factor), numbered: false });
        }
        if let Some(factor) = with_device_number(codes, code).and_then(factor) {
            return Some(Found { factor, alias: false, numbered: true });
        }
        let slip = mistyped(codes, code, system.tables.medium);
        let other = slip.or_else(|| codes.get(self.alias(code, system)?)).or_else(|| codes.in_other_case(code));
        Some(Found { factor: factor(other?)?, alias: true, numbered: false })
    }

    /// The factor of a code of one to three digits, and whether zeros were repaired.
    fn bare(&self, codes: &Codes, code: &[u8], tables: Tables) -> Option<(u32, bool)> {
        if tables.none {
            return None;
        }
        let (two, three) = both(codes, code);
        let said = |number: u32| (number, false);
        let repaired = |number: u32| (number, true);
        match (code.len(), two, three) {
            (2, Some(gas), Some(water)) => match tables.two {
                Choice::Said => Some(said(gas)),
                Choice::Repaired => Some(repaired(water)),
                Choice::Open => None,
            },
            (2, Some(gas), None) => Some(said(gas)),
            (3, Some(gas), Some(water)) => match tables.three {
                Choice::Said => Some(said(water)),
                Choice::Repaired => Some(repaired(gas)),
                Choice::Open => None,
            },
            (3, None, Some(water)) => Some(said(water)),
            (length, gas, water) => {
                match if length == 1 && gas.is_some() && water.is_some() { tables.single } else { tables.medium } {
                    Medium::Air => gas.map(repaired),
                    Medium::Water => water.map(repaired),
                    Medium::Unknown => None,
                }
            }
        }
    }

    /// Whether `code` is a bare code, or one that lost its letter, for which no factor was chosen because it could be several.
    pub(super) fn is_open(&self, code: &[u8], edition: Option<Edition>, system: System) -> bool {
        let Some(codes) = self.editions.get(table_of(edition)) else { return false };
        if let (Some(_), Some(_)) = with_letters(codes, code) {
            return mistyped(codes, code, system.tables.medium).is_none();
        }
        is_bare(code) && !system.tables.none && self.bare(codes, code, system.tables).is_none() && {
            let (two, three) = both(codes, code);
            two.is_some() && three.is_some()
        }
    }

    /// The medium of a bare code's factor.
    pub(super) fn medium_of(&self, factor: &Factor) -> Medium {
        match (factor.category & self.gas != 0, factor.category & self.water != 0) {
            (true, false) => Medium::Air,
            (false, true) => Medium::Water,
            _ => Medium::Unknown,
        }
    }

    /// Adds what one code of a record can only be.
    pub(super) fn testify(&self, evidence: &mut Evidence, code: &[u8], edition: Option<Edition>, fields: Fields) {
        let Some(codes) = self.editions.get(table_of(edition)) else { return };
        let is_water = |number: u32| {
            self.factors.get(number as usize).is_some_and(|factor| self.medium_of(factor) == Medium::Water)
        };
        let (converted, strange) = match fields {
            Fields::Known { converted, strange } => (converted, strange),
            Fields::Alien => (false, true),
            Fields::None => (false, false),
        };
        evidence.gas |= converted;
        if is_bare(code) {
            evidence.strange |= strange;
            evidence.alien |= fields == Fields::Alien;
            evidence.plain |= matches!(fields, Fields::Known { .. });
            match (code.len(), both(codes, code)) {
                (1, _) => evidence.single = true,
                (2, (Some(_), water)) => {
                    evidence.two = true;
                    evidence.gas |= water.is_none();
                }
                (2, (None, Some(water))) => evidence.zeros_lost |= is_water(water),
                (3, (gas, Some(water))) => {
                    evidence.three |= is_water(water);
                    evidence.water |= gas.is_none() && is_water(water);
                    evidence.zeros_added |= converted && gas.is_some();
                }
                (3, (Some(_), None)) => evidence.zeros_added = true,
                _ => {}
            }
            return;
        }
        let named = || self.alias(code, System::UNKNOWN).and_then(|code| codes.get(code));
        let lost_letter = || mistyped(codes, code, Medium::Unknown);
        let found = codes.get(code).or_else(|| codes.in_other_case(code)).or_else(named).or_else(lost_letter);
        let Some(factor) = found.and_then(|number| self.factors.get(number as usize)) else { return };
        match self.medium_of(factor) {
            Medium::Air => evidence.gas = true,
            Medium::Water => evidence.water = true,
            Medium::Unknown => {}
        }
    }

    /// Whether what `code` stands for can hang on the rest of its record.
    pub(super) fn depends(code: &[u8]) -> bool {
        code.len() <= 5
    }

    /// What `code` stands for, if it was published under `key`: a card has no record that could decide.
    pub(super) fn find_published(
        &self,
        key: &[u8],
        code: &[u8],
        edition: Option<Edition>,
        system: System,
    ) -> Option<Found<'_>> {
        let usual = self.find(code, edition, system);
        if !Dictionary::depends(code) || !code.iter().all(u8::is_ascii_digit) {
            return usual;
        }
        let fits = |found: &Found<'_>| found.factor.code.as_bytes() == key || found.numbered;
        let media = [Medium::Water, Medium::Air, Medium::Unknown];
        let ways = [Choice::Said, Choice::Repaired].into_iter().flat_map(|choice| media.map(|medium| (choice, medium)));
        let mut all = ways.filter_map(|(choice, medium)| {
            let tables = Tables { two: choice, three: choice, medium, single: medium, none: false };
            self.find(code, edition, System { tables, ..system })
        });
        if key != code {
            return usual.filter(fits).or_else(|| all.find(fits));
        }
        // Under its own code it may have been left open, unless it can be one thing alone.
        usual.filter(|usual| fits(usual) || all.all(|other| other.factor.code == usual.factor.code))
    }
}

/// The index of the edition's codes.
fn table_of(edition: Option<Edition>) -> usize {
    match edition {
        Some(Edition::V2005) => 0,
        Some(Edition::V2017) | None => 1,
        Some(Edition::V2025) => 2,
    }
}

/// Whether a code has nothing but one to three digits.
fn is_bare(code: &[u8]) -> bool {
    (1..=3).contains(&code.len()) && code.iter().all(u8::is_ascii_digit)
}

/// What a bare code is in the gas table (two digits) and in that of water (three), with zeros added or taken away.
fn both(codes: &Codes, code: &[u8]) -> (Option<u32>, Option<u32>) {
    let three: [u8; 3] = match code {
        [a] => [b'0', b'0', *a],
        [a, b] => [b'0', *a, *b],
        [a, b, c] => [*a, *b, *c],
        _ => return (None, None),
    };
    let two = three.strip_prefix(b"0").and_then(|two| codes.get(two));
    (two, codes.get(&three))
}

impl Factor {
    fn new(code: &str, name: &str, unit: &str, textual: bool, alias: bool) -> Factor {
        let some = |text: &str| (!text.is_empty() && text != UNIT_BY_STATION).then(|| Box::from(text));
        let (name, unit): (Option<Box<str>>, Option<Box<str>>) = (some(name), some(unit));
        let mut head = Vec::new();
        write_head(&mut head, code.as_bytes(), name.as_deref(), unit.as_deref());
        let (category, collision, head) = (0, None, head.into());
        Factor { code: code.into(), name, unit, textual, alias, category, collision, head }
    }
}

/// Appends `"code":{"name":…,"unit":…`, the beginning of a reading.
pub(super) fn write_head(out: &mut Vec<u8>, code: &[u8], name: Option<&str>, unit: Option<&str>) {
    json::name(out, code);
    out.extend_from_slice(b":{\"name\":");
    json::optional(out, name);
    out.extend_from_slice(b",\"unit\":");
    json::optional(out, unit);
}

/// `e70112` is `e701xx`, `i33317` is `i3331x`.
fn with_device_number(codes: &Codes, code: &[u8]) -> Option<u32> {
    let mut pattern: [u8; 6] = code.try_into().ok()?;
    if !pattern[4..].iter().all(u8::is_ascii_alphanumeric) {
        return None;
    }
    pattern[5] = b'x';
    codes.get(&pattern).or_else(|| {
        pattern[4] = b'x';
        codes.get(&pattern)
    })
}

/// What five digits are with `w` and with `a` before them.
fn with_letters(codes: &Codes, code: &[u8]) -> (Option<u32>, Option<u32>) {
    if code.len() != 5 || !code.iter().all(u8::is_ascii_digit) {
        return (None, None);
    }
    let letter = |letter: u8| {
        let mut whole = [letter; 6];
        whole[1..].copy_from_slice(code);
        codes.get(&whole)
    };
    (letter(b'w'), letter(b'a'))
}

/// A code that lost the letter before its five digits (`01018` in the standard's own C.14), or one in capitals.
fn mistyped(codes: &Codes, code: &[u8], medium: Medium) -> Option<u32> {
    match (medium, with_letters(codes, code)) {
        (Medium::Water, (Some(water), _)) => return Some(water),
        (Medium::Air, (_, Some(air))) => return Some(air),
        (_, (Some(only), None) | (None, Some(only))) => return Some(only),
        _ => {}
    }
    if code.len() > 8 || !code.iter().any(u8::is_ascii_uppercase) {
        return None;
    }
    codes.get(&code.to_ascii_lowercase())
}

fn insert(table: &mut BTreeMap<String, Row>, code: &str, row: Row) {
    match table.get_mut(code) {
        None => {
            table.insert(code.to_owned(), row);
        }
        Some(twice) => {
            twice.name = format!("{}/{}", twice.name, row.name);
            UNIT_BY_STATION.clone_into(&mut twice.unit);
            twice.uncertain = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dictionary() -> Dictionary {
        Dictionary::new(&BTreeMap::new())
    }

    fn system(dictionary: &Dictionary, medium: Medium) -> System {
        dictionary.system(
            None,
            match medium {
                Medium::Water => Some(b"32"),
                Medium::Air => Some(b"31"),
                Medium::Unknown => None,
            },
        )
    }

    fn find(code: &str, edition: Edition, medium: Medium) -> Option<(String, Option<String>, Option<String>, bool)> {
        let dictionary = dictionary();
        let found = dictionary.find(code.as_bytes(), Some(edition), system(&dictionary, medium))?;
        let text = |t: &Option<Box<str>>| t.as_deref().map(str::to_owned);
        Some((found.factor.code.to_string(), text(&found.factor.name), text(&found.factor.unit), found.alias))
    }

    fn some(code: &str, name: &str, unit: &str, alias: bool) -> Option<(String, Option<String>, Option<String>, bool)> {
        Some((code.into(), Some(name.into()), (!unit.is_empty()).then(|| unit.into()), alias))
    }

    #[test]
    fn codes_of_2005_stand_under_today_s_codes_with_their_own_units() {
        use Edition::{V2005, V2017};
        assert_eq!(find("024", V2005, Medium::Water), some("w20117", "六价铬", "mg/L", false));
        assert_eq!(find("w20117", V2017, Medium::Water), some("w20117", "六价铬", "ug/L", false));
        assert_eq!(find("B01", V2005, Medium::Water), some("w00000", "污水", "", false));
        assert_eq!(find("S01", V2017, Medium::Air), some("a19001", "氧气含量", "%", true));
        assert_eq!(find("16", V2005, Medium::Air), some("16", "苯系物", "mg/m3", false));
    }

    #[test]
    fn names_follow_the_edition() {
        assert_eq!(find("a34013", Edition::V2017, Medium::Air), some("a34013", "烟尘", "mg/m3", false));
        assert_eq!(find("a34013", Edition::V2025, Medium::Air), some("a34013", "颗粒物（烟尘）", "mg/m3", false));
        assert_eq!(find("i23005", Edition::V2025, Medium::Air).unwrap().1.as_deref(), Some("数采仪编号"));
        assert_eq!(find("i23005", Edition::V2017, Medium::Air), some("i23005", "烟气湿度量程", "%", false));
        assert_eq!(find("L5", Edition::V2005, Medium::Unknown), some("L5", "累计百分声级L5", "dB", false));
        assert_eq!(find("Leq", Edition::V2005, Medium::Unknown).unwrap().1.as_deref(), Some("30秒等效声级Leq"));
        assert_eq!(find("Leq", Edition::V2017, Medium::Unknown), some("Leq", "等效声级", "dB", false));
    }

    #[test]
    fn a_code_that_stands_in_a_table_is_that_table_s_and_zeros_are_repaired_by_the_medium() {
        use Edition::V2005;
        for medium in [Medium::Water, Medium::Air, Medium::Unknown] {
            assert_eq!(find("11", V2005, medium), some("a21022", "氯气", "mg/m3", false));
            let water = find("011", V2005, medium);
            assert_eq!(water, some("w01018", "化学需氧量", "mg/L", false).filter(|_| medium != Medium::Air));
        }
        assert_eq!(find("60", V2005, Medium::Water), some("w21003", "氨氮", "mg/L", true));
        assert_eq!(find("60", V2005, Medium::Air), None);
        assert_eq!(find("004", V2005, Medium::Air), some("a21005", "一氧化碳", "mg/m3", true));
        assert_eq!(find("004", V2005, Medium::Water), None);
        assert_eq!(find("2", V2005, Medium::Air), None, "ST alone does not tell");
        assert_eq!(find("2", V2005, Medium::Unknown), None);
        assert_eq!(find("101", V2005, Medium::Air), some("w21011", "总磷", "mg/L", false));
    }

    #[test]
    fn a_registration_repairs_what_stands_in_the_other_table() {
        let dictionary = dictionary();
        let of = |code: &str, st: &str, said: &str| {
            let system = dictionary.system(Some(st.as_bytes()), Some(said.as_bytes()));
            let found = dictionary.find(code.as_bytes(), Some(Edition::V2005), system)?;
            Some(found.factor.code.to_string())
        };
        let (gas, water) = (Some("a21022".to_owned()), Some("w01018".to_owned()));
        assert_eq!((of("11", "32", "31"), of("11", "31", "32")), (water.clone(), gas.clone()));
        assert_eq!((of("011", "31", "32"), of("011", "32", "31")), (gas.clone(), water));
        assert_eq!(of("11", "91", "32"), gas, "a registration that says no medium is none");
    }

    #[test]
    fn codes_are_found_in_any_case() {
        for (said, code) in [
            ("LEQ", "Leq"),
            ("leq", "Leq"),
            ("la", "LA"),
            ("lA", "LA"),
            ("l10", "L10"),
            ("ldn", "Ldn"),
            ("s01", "a19001"),
        ] {
            let found = find(said, Edition::V2017, Medium::Unknown).unwrap();
            assert_eq!((found.0.as_str(), found.3), (code, true), "{said}");
        }
    }

    #[test]
    fn slips_and_device_numbers_are_found() {
        use Edition::V2017;
        assert_eq!(find("01018", V2017, Medium::Water), some("w01018", "化学需氧量", "mg/L", true));
        assert_eq!(find("A21026", V2017, Medium::Air), some("a21026", "二氧化硫", "mg/m3", true));
        assert_eq!(find("a2106", V2017, Medium::Air), None);
        assert_eq!(find("e70103", V2017, Medium::Water), some("e701xx", "污水提升泵/加药量", "", false));
    }

    #[test]
    fn overrides_replace_and_add() {
        let row = |name: &str, unit: &str| (name.to_owned(), unit.to_owned());
        let overrides =
            BTreeMap::from([("a34004".to_owned(), row("PM2.5", "ug/m3")), ("zz9".to_owned(), row("新因子", "L"))]);
        let dictionary = Dictionary::new(&overrides);
        for edition in [Edition::V2005, Edition::V2017, Edition::V2025] {
            let find = |code: &[u8]| {
                dictionary.find(code, Some(edition), System::UNKNOWN).unwrap().factor.unit.clone().unwrap()
            };
            assert_eq!((&*find(b"a34004"), &*find(b"zz9")), ("ug/m3", "L"));
        }
    }

    #[test]
    fn collisions_are_known_in_every_edition_and_uncertain_where_no_standard_decides() {
        let dictionary = dictionary();
        let of = |code: &str, edition| {
            let found = dictionary.find(code.as_bytes(), Some(edition), System::UNKNOWN).unwrap();
            let collision = found.factor.collision.as_ref().unwrap();
            (collision.meanings.len(), collision.uncertain)
        };
        for edition in [Edition::V2005, Edition::V2017, Edition::V2025] {
            assert_eq!(of("e70101", edition), (2, true));
            assert_eq!(of("g11901", edition), (2, true));
            assert_eq!(of("i23005", edition), (2, edition != Edition::V2025));
        }
        let found = dictionary.find(b"i23005", Some(Edition::V2025), System::UNKNOWN).unwrap();
        assert_eq!(found.factor.unit, None, "the unit is not the extension's");
        let colliding = dictionary.factors.iter().filter(|factor| factor.collision.is_some()).count();
        assert_eq!(colliding, 3 * 6);
    }

    #[test]
    fn names_of_the_field_are_found_where_they_are_used() {
        let dictionary = dictionary();
        let of = |name: &str, st: Option<&str>| {
            let system = dictionary.system(None, st.map(str::as_bytes));
            let found = dictionary.find(name.as_bytes(), Some(Edition::V2017), system)?;
            assert!(found.alias);
            Some(found.factor.code.to_string())
        };
        for alias in table::aliases() {
            for st in &alias.systems {
                assert_eq!(of(&alias.alias, Some(st)).as_deref(), Some(alias.code.as_str()), "{alias:?}");
                assert_eq!(of(&alias.alias.to_ascii_lowercase(), Some(st)).as_deref(), Some(alias.code.as_str()));
            }
        }
        assert_eq!(of("PM10", None).as_deref(), Some("a34002"));
        assert_eq!(of("TEMP", None), None, "air or water");
        assert_eq!(of("TEMP", Some("31")), None, "flue gas has its own code");
        assert_eq!(of("COD", Some("31")), None);
    }

    #[test]
    fn a_factor_is_out_of_place_only_where_neither_st_carries_it() {
        let dictionary = dictionary();
        let fits = |code: &str, registered: Option<&str>, said: Option<&str>| {
            let system = dictionary.system(registered.map(str::as_bytes), said.map(str::as_bytes));
            let found = dictionary.find(code.as_bytes(), Some(Edition::V2017), system).unwrap();
            found.factor.category & system.carries == found.factor.category
        };
        assert!(
            !fits("w01018", None, Some("31")) && !fits("a21026", Some("32"), None) && !fits("Leq", None, Some("32"))
        );
        assert!(
            fits("w01018", None, Some("32")) && fits("a21026", Some("31"), Some("31")) && fits("Leq", None, Some("39"))
        );
        assert!(fits("w01018", Some("31"), Some("32")), "one logger for both");
        assert!(fits("i12001", None, Some("31")) && fits("i12001", None, Some("32")), "states are of any station");
        for st in ["91", "99", "80", "9130", ""] {
            assert!(fits("w01018", None, Some(st)) && fits("a21026", None, Some(st)), "{st}");
        }
        assert!(fits("w01018", None, None));
    }

    #[test]
    fn no_five_digits_stand_for_two_codes_silently() {
        let dictionary = dictionary();
        let of = |digits: &str, medium| {
            let found = dictionary.find(digits.as_bytes(), Some(Edition::V2017), system(&dictionary, medium))?;
            assert!(found.alias, "{digits}");
            Some(found.factor.code.to_string())
        };
        let all: std::collections::BTreeSet<String> = table::factors().into_iter().map(|row| row.code).collect();
        let mut both = 0;
        for code in all.iter().filter(|code| code.len() == 6 && code[1..].bytes().all(|b| b.is_ascii_digit())) {
            let digits = &code[1..];
            let (water, air) = (format!("w{digits}"), format!("a{digits}"));
            match (all.contains(&water), all.contains(&air)) {
                (true, true) => {
                    both += 1;
                    assert_eq!(of(digits, Medium::Water), Some(water));
                    assert_eq!(of(digits, Medium::Air), Some(air));
                    assert_eq!(of(digits, Medium::Unknown), None);
                }
                (true, false) => assert_eq!(of(digits, Medium::Unknown), Some(water)),
                (false, true) => assert_eq!(of(digits, Medium::Unknown), Some(air)),
                (false, false) => assert_eq!(of(digits, Medium::Air), None),
            }
        }
        assert!(both > 0);
    }
}
