//! The dictionary: what a code means in which edition, and which code stands for it today.
//!
//! `config/factors.csv` is built in; the context's rows replace or add to it. Canonical are the codes of 2017 and 2025. A code of
//! 2005 keeps the unit of *its* table (hexavalent chromium is mg/L there and ug/L in 2017): nothing is converted.
//!
//! Columns: `code,name_zh,name_en,unit,type,edition,category,other_code,source,note`. `xx` and `x` at the end of a code stand for
//! a device number. `unit` is `?` where the table leaves a choice: then the unit is published only if the station's is
//! registered. `other_code` of a 2005 row is the code that stands for it today.
//!
//! # Decisions
//! * Water codes of 2005 have three digits, gas codes two. A lost or added leading zero is repaired only if the station's medium
//!   (its registered ST, else the frame's) says which table is meant; otherwise the code stays as it is, unknown.
//! * Two rows of one edition with one code (the standard prints `e701xx` and `g119xx` twice): both names, no unit.

use std::collections::BTreeMap;

use foldhash::HashMap;

use super::hash::fnv;
use super::json;
use crate::protocol::Edition;

const TABLE: &str = include_str!("../../config/factors.csv");

/// Column numbers of the table.
const CODE: usize = 0;
const NAME: usize = 1;
const UNIT: usize = 3;
const TYPE: usize = 4;
const EDITION: usize = 5;
const CATEGORY: usize = 6;
const OTHER: usize = 7;
const NOTE: usize = 9;

/// A unit that depends on the station.
const UNIT_BY_STATION: &str = "?";

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
    /// `"a21026":{"name":"…","unit":"…"`, ready to be copied.
    pub(super) head: Box<[u8]>,
}

/// Water or air, as far as ST tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Medium {
    Water,
    Air,
    Unknown,
}

impl Medium {
    /// HJ 212-2017, 6.6.1, table 5.
    pub(super) fn of(st: &[u8]) -> Medium {
        match st {
            b"21" | b"24" | b"26" | b"32" | b"33" | b"34" | b"52" => Medium::Water,
            b"22" | b"27" | b"31" | b"39" | b"51" => Medium::Air,
            _ => Medium::Unknown,
        }
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
}

#[derive(Debug, Clone, Default)]
struct Codes {
    /// Codes of up to eight bytes, packed.
    short: HashMap<u64, u32>,
    long: HashMap<Box<[u8]>, u32>,
}

impl Codes {
    fn get(&self, code: &[u8]) -> Option<u32> {
        match pack(code) {
            Some(packed) => self.short.get(&packed).copied(),
            None => self.long.get(code).copied(),
        }
    }

    fn insert(&mut self, code: &[u8], factor: u32) {
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
    /// Whether the code means something else in an extension of an earlier edition.
    collides: bool,
}

impl Dictionary {
    /// The built-in table with `overrides` (code to name and unit) in every edition.
    pub(super) fn new(overrides: &BTreeMap<String, (String, String)>) -> Dictionary {
        let (mut common, mut of_2005, mut of_2025) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        for line in TABLE.lines().skip(1) {
            let columns = columns_of(line);
            let column = |at: usize| columns.get(at).map(String::as_str).unwrap_or_default();
            let row = Row {
                name: column(NAME).to_owned(),
                unit: column(UNIT).to_owned(),
                textual: column(TYPE).starts_with(['C', 'Y']),
                successor: if column(EDITION) == "2005" { column(OTHER).to_owned() } else { String::new() },
                collides: column(NOTE).contains("collides"),
            };
            match column(EDITION) {
                "2005" => insert(&mut of_2005, column(CODE), row),
                "2025" => insert(&mut of_2025, column(CODE), row),
                // An extension that means something else in a later edition has no certain meaning.
                "hebei" if row.collides => {}
                "2017" => insert(&mut common, column(CODE), row),
                _ if column(CATEGORY).is_empty() => {}
                _ => {
                    common.entry(column(CODE).to_owned()).or_insert(row);
                }
            }
        }
        for (code, (name, unit)) in overrides {
            for table in [&mut common, &mut of_2005, &mut of_2025] {
                if let Some(row) = table.get_mut(code) {
                    row.name.clone_from(name);
                    row.unit.clone_from(unit);
                }
            }
            common.entry(code.clone()).or_insert_with(|| Row {
                name: name.clone(),
                unit: unit.clone(),
                ..Row::default()
            });
        }
        let mut dictionary = Dictionary { editions: Default::default(), factors: Vec::new() };
        for edition in 0..3 {
            dictionary.lay(edition, &common, &of_2005, &of_2025);
        }
        dictionary
    }

    /// Fills one edition: rows of 2017 and the field, then those of 2005 where the code is free, then those of 2025 over them (in 2025),
    /// or where the code is free (before).
    fn lay(
        &mut self,
        edition: usize,
        common: &BTreeMap<String, Row>,
        of_2005: &BTreeMap<String, Row>,
        of_2025: &BTreeMap<String, Row>,
    ) {
        let mut all: BTreeMap<&str, Row> = common.iter().map(|(code, row)| (code.as_str(), row.clone())).collect();
        let newer = edition == 2;
        for (code, row) in of_2025.iter().filter(|(_, row)| newer || !row.collides) {
            let known = all.entry(code).or_default();
            if known.name.is_empty() || (newer && !row.name.is_empty()) {
                known.name.clone_from(&row.name);
            }
            if known.unit.is_empty() || (newer && !row.unit.is_empty()) {
                known.unit.clone_from(&row.unit);
            }
            known.textual |= row.textual;
        }
        for (code, row) in of_2005 {
            all.insert(code, row.clone());
        }
        for (code, row) in &all {
            let successor = all.get(row.successor.as_str());
            let canonical = if row.successor.is_empty() { code } else { row.successor.as_str() };
            let name = successor.map_or(&row.name, |s| &s.name);
            let unit = if row.unit.is_empty() { successor.map_or(&row.unit, |s| &s.unit) } else { &row.unit };
            let number = u32::try_from(self.factors.len()).unwrap_or(u32::MAX);
            self.factors.push(Factor::new(canonical, name, unit, row.textual, canonical != *code));
            if let Some(codes) = self.editions.get_mut(edition) {
                codes.insert(code.as_bytes(), number);
            }
        }
    }

    /// What `code` stands for in a record of `edition` from a station of `medium`.
    pub(super) fn find(&self, code: &[u8], edition: Option<Edition>, medium: Medium) -> Option<Found<'_>> {
        let table = match edition {
            Some(Edition::V2005) => 0,
            Some(Edition::V2017) | None => 1,
            Some(Edition::V2025) => 2,
        };
        let codes = self.editions.get(table)?;
        let factor = |number: u32| self.factors.get(number as usize);
        if (1..=3).contains(&code.len()) && code.iter().all(u8::is_ascii_digit) {
            let (digits, width) = padded(code, medium);
            let said = digits.get(..width).unwrap_or(code);
            if let Some(factor) = codes.get(said).and_then(factor) {
                return Some(Found { factor, alias: said != code || (factor.alias && table != 0), numbered: false });
            }
        }
        if let Some(factor) = codes.get(code).and_then(factor) {
            return Some(Found { factor, alias: factor.alias && table != 0, numbered: false });
        }
        if let Some(factor) = with_device_number(codes, code).and_then(factor) {
            return Some(Found { factor, alias: false, numbered: true });
        }
        Some(Found { factor: factor(mistyped(codes, code, medium)?)?, alias: true, numbered: false })
    }
}

impl Factor {
    fn new(code: &str, name: &str, unit: &str, textual: bool, alias: bool) -> Factor {
        let some = |text: &str| (!text.is_empty() && text != UNIT_BY_STATION).then(|| Box::from(text));
        let (name, unit): (Option<Box<str>>, Option<Box<str>>) = (some(name), some(unit));
        let mut head = Vec::new();
        write_head(&mut head, code.as_bytes(), name.as_deref(), unit.as_deref());
        Factor { code: code.into(), name, unit, textual, alias, head: head.into() }
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

/// A code of up to three digits with the zeros of its medium's table: three digits in water, two in air. Also how many there are.
fn padded(code: &[u8], medium: Medium) -> ([u8; 3], usize) {
    let width = match medium {
        Medium::Water => 3,
        Medium::Air => 2,
        Medium::Unknown => code.len(),
    };
    // A third digit that is no leading zero can only be of a water code, whatever ST says.
    let digits = match code {
        [b'0', rest @ ..] if code.len() > width => rest,
        _ => code,
    };
    let width = width.max(digits.len());
    let mut said = [b'0'; 3];
    if let Some(end) = said.get_mut(width - digits.len()..width) {
        end.copy_from_slice(digits);
    }
    (said, width)
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

/// A code in another case, or one that lost the letter before its five digits (`01018` in the standard's own C.14).
fn mistyped(codes: &Codes, code: &[u8], medium: Medium) -> Option<u32> {
    if code.len() == 5 && code.iter().all(u8::is_ascii_digit) {
        let letter = |letter: u8| {
            let mut whole = [letter; 6];
            whole[1..].copy_from_slice(code);
            codes.get(&whole)
        };
        return match (medium, letter(b'w'), letter(b'a')) {
            (Medium::Water, Some(water), _) => Some(water),
            (Medium::Air, _, Some(air)) => Some(air),
            (_, Some(only), None) | (_, None, Some(only)) => Some(only),
            _ => None,
        };
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
        }
    }
}

/// Splits one line of CSV; quotes hold commas, a doubled quote is a quote.
fn columns_of(line: &str) -> Vec<String> {
    let mut columns = vec![String::new()];
    let mut quoted = false;
    let mut letters = line.chars().peekable();
    while let Some(letter) = letters.next() {
        let last = columns.len() - 1;
        match letter {
            '"' if quoted && letters.peek() == Some(&'"') => {
                letters.next();
                columns[last].push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => columns.push(String::new()),
            _ => columns[last].push(letter),
        }
    }
    columns
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dictionary() -> Dictionary {
        Dictionary::new(&BTreeMap::new())
    }

    fn find(code: &str, edition: Edition, medium: Medium) -> Option<(String, Option<String>, Option<String>, bool)> {
        let dictionary = dictionary();
        let found = dictionary.find(code.as_bytes(), Some(edition), medium)?;
        let text = |t: &Option<Box<str>>| t.as_deref().map(str::to_owned);
        Some((found.factor.code.to_string(), text(&found.factor.name), text(&found.factor.unit), found.alias))
    }

    fn some(code: &str, name: &str, unit: &str, alias: bool) -> Option<(String, Option<String>, Option<String>, bool)> {
        Some((code.into(), Some(name.into()), (!unit.is_empty()).then(|| unit.into()), alias))
    }

    #[test]
    fn every_line_of_the_table_has_its_columns() {
        for line in TABLE.lines() {
            assert_eq!(columns_of(line).len(), 10, "{line}");
        }
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
        assert_eq!(find("i23005", Edition::V2017, Medium::Air), None, "two meanings, none certain");
    }

    #[test]
    fn zeros_are_repaired_by_the_medium_only() {
        use Edition::V2005;
        assert_eq!(find("11", V2005, Medium::Water), some("w01018", "化学需氧量", "mg/L", true));
        assert_eq!(find("11", V2005, Medium::Air), some("a21022", "氯气", "mg/m3", false));
        assert_eq!(find("011", V2005, Medium::Air), some("a21022", "氯气", "mg/m3", true));
        assert_eq!(find("2", V2005, Medium::Air), some("a21026", "二氧化硫", "mg/m3", true));
        assert_eq!(find("2", V2005, Medium::Unknown), None);
        assert_eq!(find("101", V2005, Medium::Air), some("w21011", "总磷", "mg/L", false));
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
            let find =
                |code: &[u8]| dictionary.find(code, Some(edition), Medium::Air).unwrap().factor.unit.clone().unwrap();
            assert_eq!((&*find(b"a34004"), &*find(b"zz9")), ("ug/m3", "L"));
        }
    }
}
