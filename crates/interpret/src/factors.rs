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

use super::codes::{Codes, both, ends_with, is_bare, mistyped, pack, with_device_number, with_letters};
use super::factor::{Collision, Factor, Meaning, Medium};
use super::rows::{Row, Rows};
use super::table;
use super::tables::{Choice, Evidence, Fields, Known, Tables, decide};
use super::value::Sentinels;
use hj212::Edition;

/// The longest name of the field.
const ALIAS_MAX: usize = 8;

/// What ST says of a station (HJ 212-2017, 6.6.1, table 5; `config/systems.csv`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct System {
    pub(super) medium: Medium,
    /// The categories of factors that make sense, one bit each.
    pub(super) carries: u32,
    /// Whether it discharges by an outlet.
    pub(super) outlet: bool,
    /// One bit for the ST; 0: an unknown one.
    bit: u32,
    /// Whether the record says another medium than its ST, or leaves it open: then a name of the field that depends on ST is none.
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
        System { medium: Medium::Unknown, carries: u32::MAX, outlet: true, bit: 0, doubtful: false, known, tables }
    };

    /// The same for a record that shows this, of a station whose earlier ones showed `habit`.
    pub(super) fn of_record(self, record: Evidence, habit: Evidence) -> System {
        let known = Known { habit, ..self.known };
        let tables = decide(record, known);
        // The registration before the ST of the record; what shows no medium is nothing against a registration.
        let (told, registered) = (known.said != Medium::Unknown, known.registered != Medium::Unknown);
        let doubtful = match registered {
            true => tables.medium != Medium::Unknown && tables.medium != known.registered,
            false => told && tables.medium != known.said,
        };
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
    aliases: HashMap<u64, Vec<FieldName>>,
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
struct FieldName {
    /// The systems it is used in, one bit each.
    used: u32,
    code: Box<[u8]>,
}

impl Dictionary {
    /// Whether it is the code by which a factor is published.
    pub(super) fn is_canonical(&self, code: &str) -> bool {
        self.factors.iter().any(|factor| &*factor.code == code)
    }

    /// The factor of this number.
    pub(super) fn factor(&self, number: u32) -> Option<&Factor> {
        self.factors.get(number as usize)
    }

    /// The number of one of its factors.
    pub(super) fn number_of(&self, factor: &Factor) -> Option<u32> {
        let distance = std::ptr::from_ref(factor).addr().checked_sub(self.factors.as_ptr().addr())?;
        let number = distance / size_of::<Factor>();
        self.factors.get(number).filter(|known| std::ptr::eq(*known, factor))?;
        u32::try_from(number).ok()
    }

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
            self.systems
                .push((st, System { medium, carries, outlet: row.outlet, bit, doubtful: false, known, tables }));
        }
        self.gas = self.category("gas", false) | self.category("flue-gas-process", false);
        self.water = self.category("water", false) | self.category("sewage-process", false);
        for alias in table::aliases() {
            let Some(name) = pack(alias.alias.as_bytes()) else { continue };
            let used = alias.systems.iter().fold(0, |used, st| used | self.system(None, Some(st.as_bytes())).bit);
            let slang = FieldName { used, code: alias.code.as_bytes().into() };
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
        let meanings = self.meanings(code)?;
        match meanings {
            // Chimneys under an ST of water are many.
            [only] if system.bit == 0 || (system.doubtful && system.tables.medium != Medium::Unknown) => {
                Some(&only.code)
            }
            [_, _, ..] if system.doubtful => None,
            several => several.iter().find(|slang| slang.used & system.bit != 0).map(|slang| &*slang.code),
        }
    }

    /// All that `code` is a name of.
    fn meanings(&self, code: &[u8]) -> Option<&[FieldName]> {
        let mut capitals = [0; ALIAS_MAX];
        let capitals = capitals.get_mut(..code.len())?;
        capitals.copy_from_slice(code);
        capitals.make_ascii_uppercase();
        self.aliases.get(&pack(capitals)?).map(Vec::as_slice)
    }

    /// Whether `code` is a name of several factors.
    fn is_name_of_several(&self, code: &[u8]) -> bool {
        self.meanings(code).is_some_and(|meanings| meanings.len() > 1)
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
        if system.doubtful && self.is_name_of_several(code) {
            return true;
        }
        if let (Some(_), Some(_)) = with_letters(codes, code) {
            return mistyped(codes, code, system.tables.medium).is_none();
        }
        is_bare(code) && !system.tables.none && self.bare(codes, code, system.tables).is_none() && {
            let (two, three) = both(codes, code);
            two.is_some() && three.is_some()
        }
    }

    /// Whether a longer code, or name of the field, ends with `code`.
    pub(super) fn is_end_of_another(&self, code: &[u8]) -> bool {
        let end = code.to_ascii_uppercase();
        self.editions.iter().any(|codes| codes.has_end(&end)) || self.aliases.keys().any(|name| ends_with(*name, &end))
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
            // Under its own name it was left open.
            return usual.filter(|_| key != code || !self.is_name_of_several(code));
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

#[cfg(test)]
mod tests;
