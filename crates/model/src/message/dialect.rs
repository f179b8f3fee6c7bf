//! What dialects say that decides over meaning: how their frames are told from others, and what their command codes stand for.
//!
//! The rows stand in `config/dialects.toml`; how a dialect is answered is read by the registry. What must stay true: a code that no
//! dialect names means what the standard says; a name of a kind, once published, stays.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::kind::Kind;
use hj212::{Deviation, Deviations, Edition, Header};

/// The rows that are part of the binary.
pub const BUILT_IN: &str = include_str!("../../../../config/dialects.toml");

/// How the MN of a dialect's stations looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MnForm {
    /// In any way.
    #[default]
    Any,
    /// Not 24 hexadecimal digits, as HJ 212-2017 and 2025 want it.
    NotEpc,
    /// With an underscore.
    Underscore,
    /// The 15 digits of a modem's IMEI.
    Imei,
}

impl MnForm {
    fn fits(self, mn: &[u8]) -> bool {
        match self {
            Self::Any => true,
            Self::NotEpc => mn.len() != 24 || !mn.iter().all(u8::is_ascii_hexdigit),
            Self::Underscore => mn.contains(&b'_'),
            Self::Imei => mn.len() == 15 && mn.iter().all(u8::is_ascii_digit),
        }
    }
}

/// How the head of a frame is written, where it is not `##` and four digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Head {
    /// `##130QN=`, `##QN=`: another number of digits, or none.
    Digits,
    /// `##00010130QN=`: four digits of address, four of length.
    Address,
    /// `##01300QN=`: a fifth digit 0.
    FifthDigit,
    /// `## 130QN=`, `##0130 QN=`.
    Blank,
    /// `##0130;QN=`, `##0130,QN=`.
    Separator,
    /// The length on a line of its own.
    Line,
    /// `##len=0130;QN=`.
    Named,
    /// `##$$$$QN=`.
    Placeholder,
    /// `##0082QN=`: hexadecimal.
    Hex,
    /// `0130QN=`: the `##` is missing.
    NoHashes,
}

impl Head {
    /// The deviation that names it.
    #[must_use]
    pub const fn deviation(self) -> Deviation {
        match self {
            Self::Digits => Deviation::LengthDigits,
            Self::Address => Deviation::HeadEightDigits,
            Self::FifthDigit => Deviation::HeadFifthDigit,
            Self::Blank => Deviation::HeadBlank,
            Self::Separator => Deviation::HeadSeparator,
            Self::Line => Deviation::HeadLine,
            Self::Named => Deviation::HeadNamed,
            Self::Placeholder => Deviation::LengthPlaceholder,
            Self::Hex => Deviation::LengthHex,
            Self::NoHashes => Deviation::StartMissing,
        }
    }
}

/// What a frame of a dialect shows. All that is named must fit; one that names nothing fits nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Recognise {
    /// The edition in the version bits of its Flag.
    pub flag: Option<Edition>,
    /// Its system codes.
    pub st: Vec<String>,
    /// Its command codes.
    pub cn: Vec<u16>,
    /// Its MN.
    pub mn: MnForm,
    /// Deviations that it always has: the form of its head.
    pub deviations: Vec<Deviation>,
    /// A name that stands in its data area.
    pub field: Option<String>,
    /// Its head, which is one of these.
    pub head: Vec<Head>,
    /// Whether it has no Flag.
    pub no_flag: bool,
    /// Codes of items, of which one stands in its data area.
    pub codes: Vec<String>,
}

/// What is seen of a frame.
#[derive(Debug, Clone, Copy, Default)]
pub struct Shown<'a> {
    /// The edition in the version bits of Flag.
    pub flag: Option<Edition>,
    /// Whether it has a Flag.
    pub flagged: bool,
    /// ST.
    pub st: Option<&'a [u8]>,
    /// CN.
    pub cn: Option<u16>,
    /// MN.
    pub mn: &'a [u8],
    /// All deviations of envelope and header.
    pub deviations: Deviations,
    /// The data area.
    pub area: &'a [u8],
}

impl<'a> Shown<'a> {
    /// What a frame with this header shows, whose envelope has the deviations `odd`.
    #[must_use]
    pub fn of(header: &Header<'a>, odd: Deviations) -> Shown<'a> {
        Shown {
            flag: header.flag.and_then(|flag| flag.edition()),
            flagged: header.flag.is_some() || header.deviations.contains(Deviation::FlagForm),
            st: header.st,
            cn: header.cn,
            mn: header.mn.unwrap_or_default(),
            deviations: odd.union(header.deviations),
            area: header.area,
        }
    }
}

impl Recognise {
    /// Whether a frame that shows this is so.
    #[must_use]
    pub fn fits(&self, shown: &Shown<'_>) -> bool {
        let names_something = self.flag.is_some()
            || !self.st.is_empty()
            || !self.deviations.is_empty()
            || !self.head.is_empty()
            || self.mn != MnForm::Any;
        names_something
            && self.flag.is_none_or(|edition| shown.flag == Some(edition))
            && (self.st.is_empty() || self.st.iter().any(|st| shown.st == Some(st.as_bytes())))
            && (self.cn.is_empty() || shown.cn.is_some_and(|cn| self.cn.contains(&cn)))
            && self.mn.fits(shown.mn)
            && self.deviations.iter().all(|deviation| shown.deviations.contains(*deviation))
            && (self.head.is_empty() || self.head.iter().any(|head| shown.deviations.contains(head.deviation())))
            && !(self.no_flag && shown.flagged)
            && self.field.as_ref().is_none_or(|field| begins_a_field(shown.area, field, b'='))
            && (self.codes.is_empty() || self.codes.iter().any(|code| begins_a_field(shown.area, code, b'-')))
    }
}

/// Whether `name` and `end` stand in `area` at the beginning or behind a separator.
fn begins_a_field(area: &[u8], name: &str, end: u8) -> bool {
    memchr::memmem::find_iter(area, name.as_bytes()).any(|at| {
        let before = at.checked_sub(1).and_then(|before| area.get(before));
        area.get(at + name.len()) == Some(&end) && before.is_none_or(|before| matches!(before, b';' | b','))
    })
}

/// What command codes mean in a dialect: CN to the name of a kind.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "BTreeMap<String, String>", into = "BTreeMap<String, String>")]
pub struct Kinds(BTreeMap<u16, Kind>);

impl Kinds {
    /// What `cn` means, if the dialect says so.
    #[must_use]
    pub fn of(&self, cn: u16) -> Option<Kind> {
        self.0.get(&cn).copied()
    }

    /// Whether it says nothing of any.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl TryFrom<BTreeMap<String, String>> for Kinds {
    type Error = String;

    fn try_from(said: BTreeMap<String, String>) -> Result<Self, String> {
        let pair = |(cn, name): (String, String)| {
            let code = cn.parse().ok().filter(|cn| (1..=9999).contains(cn));
            let code = code.ok_or_else(|| format!("\"{cn}\" is no command code: 1 to 9999"))?;
            let kind = Kind::ALL.iter().find(|kind| kind.name() == name);
            Ok((code, *kind.ok_or_else(|| format!("\"{name}\" is no kind: see docs/mqtt.md"))?))
        };
        said.into_iter().map(pair).collect::<Result<_, String>>().map(Kinds)
    }
}

impl From<Kinds> for BTreeMap<String, String> {
    fn from(kinds: Kinds) -> Self {
        kinds.0.into_iter().map(|(cn, kind)| (cn.to_string(), kind.name().to_owned())).collect()
    }
}

/// A dialect as interpretation sees it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Reading {
    /// The edition of its content.
    pub edition: Option<Edition>,
    /// What its frames show.
    pub recognise: Vec<Recognise>,
    /// What its command codes mean.
    pub kinds: Kinds,
    /// What frames show for which it is proposed, if their station does not take our answers.
    pub propose: Vec<Recognise>,
}
