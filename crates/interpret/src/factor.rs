//! What a code stands for in one edition, and what else it means if it means several things.

use super::json;

/// Water or air, as far as ST tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Medium {
    Water,
    Air,
    Unknown,
}

/// A unit that depends on the station.
pub(super) const UNIT_BY_STATION: &str = "?";

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
    pub(super) generation: Box<str>,
}

impl Collision {
    pub(super) fn new(meanings: Vec<Meaning>, uncertain: bool) -> Collision {
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

impl Factor {
    pub(super) fn new(code: &str, name: &str, unit: &str, textual: bool, alias: bool) -> Factor {
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
