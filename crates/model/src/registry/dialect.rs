//! How stations are answered: dialects as data (`config/dialects.toml`, and `[[dialect]]` in station files).

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::message::dialect::{BUILT_IN, Kinds, Reading, Recognise, Shown};
use hj212::Edition;

/// When an upload gets its 9014.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AnswerWhen {
    /// When bit 0 of Flag asks for it.
    #[default]
    Flag,
    /// When bit 0 of Flag asks for it, or there is no Flag.
    #[serde(rename = "flag-or-none")]
    FlagOrNone,
    /// Whatever Flag says.
    Always,
    /// Never.
    Never,
}

/// A way of answering.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dialect {
    /// Its name.
    pub name: String,
    /// The form of the answers.
    pub edition: Edition,
    /// When uploads are answered.
    #[serde(default)]
    pub answer: AnswerWhen,
    /// The CN that answers a 9015; 0: none.
    #[serde(default = "notified")]
    pub heartbeat: u16,
    /// The CN that answers a 9021; 0: none.
    #[serde(default = "logged_in")]
    pub login: u16,
    /// Whether answers of the 2005 form carry PW and MN.
    #[serde(default = "yes")]
    pub identified: bool,
    /// Flag of the answers, if not the edition's version bits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer_flag: Option<u8>,
    /// What stands first in the data area of a 9014, as `QnRtn=1`.
    #[serde(default, deserialize_with = "area", skip_serializing_if = "Option::is_none")]
    pub answer_area: Option<String>,
    /// What its frames show; a frame that fits one of these, of a station of which neither dialect nor edition is registered, is in it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recognise: Vec<Recognise>,
    /// What frames show for which it is proposed (event `dialect-proposed`), if their station sends again what was answered.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub propose: Vec<Recognise>,
    /// What command codes mean in it, where that is not what the standard says.
    #[serde(default, skip_serializing_if = "Kinds::is_empty")]
    pub kinds: Kinds,
}

/// The most bytes that an answer's area may begin with.
const ANSWER_AREA_MAX: usize = 40;

fn area<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    let text = String::deserialize(from)?;
    let good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'=' | b'-' | b'_' | b'.' | b';');
    if text.is_empty() || text.len() > ANSWER_AREA_MAX || !text.bytes().all(good) {
        return Err(serde::de::Error::custom("answer_area is 1 to 40 letters, digits, '=', '-', '_', '.', ';'"));
    }
    Ok(Some(text))
}

fn notified() -> u16 {
    9013
}

fn logged_in() -> u16 {
    9022
}

fn yes() -> bool {
    true
}

impl Dialect {
    fn plain(edition: Edition) -> Dialect {
        Dialect {
            name: edition.year().into(),
            edition,
            answer: AnswerWhen::Flag,
            heartbeat: notified(),
            login: logged_in(),
            identified: true,
            answer_flag: None,
            answer_area: None,
            recognise: Vec::new(),
            propose: Vec::new(),
            kinds: Kinds::default(),
        }
    }
}

/// All dialects by name, and the one of each edition.
#[derive(Debug, Clone)]
pub struct Dialects {
    by_name: BTreeMap<String, Arc<Dialect>>,
    by_edition: [Arc<Dialect>; 3],
}

impl Default for Dialects {
    /// The built-in ones.
    fn default() -> Self {
        #[derive(Deserialize)]
        struct File {
            dialect: Vec<Dialect>,
        }
        let plain = [Edition::V2005, Edition::V2017, Edition::V2025].map(|e| Arc::new(Dialect::plain(e)));
        let mut dialects = Dialects { by_name: BTreeMap::new(), by_edition: plain };
        // The file is part of the binary and read by a test.
        for dialect in toml::from_str::<File>(BUILT_IN).map(|file| file.dialect).unwrap_or_default() {
            dialects.add(dialect);
        }
        dialects
    }
}

impl Dialects {
    /// Adds one, or replaces the one of its name.
    pub fn add(&mut self, dialect: Dialect) {
        let dialect = Arc::new(dialect);
        for (place, edition) in self.by_edition.iter_mut().zip([Edition::V2005, Edition::V2017, Edition::V2025]) {
            if dialect.name == edition.year() {
                *place = Arc::clone(&dialect);
            }
        }
        self.by_name.insert(dialect.name.clone(), dialect);
    }

    /// The one called `name`.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&Arc<Dialect>> {
        self.by_name.get(name)
    }

    /// The one that a frame shows, if it shows one. Of several the first by name.
    #[must_use]
    pub fn recognised(&self, shown: &Shown<'_>) -> Option<&Arc<Dialect>> {
        self.by_name.values().find(|dialect| dialect.recognise.iter().any(|sign| sign.fits(shown)))
    }

    /// What interpretation needs of them, by their names.
    #[must_use]
    pub fn readings(&self) -> BTreeMap<String, Reading> {
        let says = |dialect: &&Arc<Dialect>| {
            !dialect.recognise.is_empty() || !dialect.kinds.is_empty() || !dialect.propose.is_empty()
        };
        let reading = |dialect: &Arc<Dialect>| Reading {
            edition: Some(dialect.edition),
            recognise: dialect.recognise.clone(),
            kinds: dialect.kinds.clone(),
            propose: dialect.propose.clone(),
        };
        self.by_name.values().filter(says).map(|dialect| (dialect.name.clone(), reading(dialect))).collect()
    }

    /// The one of an edition.
    #[must_use]
    pub fn of(&self, edition: Edition) -> &Arc<Dialect> {
        let [of_2005, of_2017, of_2025] = &self.by_edition;
        match edition {
            Edition::V2005 => of_2005,
            Edition::V2017 => of_2017,
            Edition::V2025 => of_2025,
        }
    }

    /// All names, for error messages.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.by_name.keys().map(String::as_str)
    }
}
