//! A rule file as it is written: the rows that [`crate::RuleBook`] is made of, as one table.
//!
//! What must stay true: a key that stands here for no row is refused where it stands, and what is [`Said`] knows its place in the file, so
//! that a problem can name file, line, key, value and remedy. A new key is a line of the table; what it means is read in
//! [`crate::load`].

use std::fmt;

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use toml::Spanned;

use super::{Certainty, Dimension, Effect, Per, Validity};

/// A text, and where it stands.
pub(crate) type Said = Spanned<String>;

macro_rules! rows {
    ($( $(#[doc = $doc:literal])* $name:ident { $( $(#[$of:meta])* $key:ident: $kind:ty, )* } )*) => { $(
        $(#[doc = $doc])*
        #[derive(Debug, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub(crate) struct $name { $( $(#[$of])* pub(crate) $key: $kind, )* }
    )* };
}

fn yes() -> bool {
    true
}

fn nearly() -> u8 {
    80
}

/// A table, or an array of them.
fn one_or_more<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<EntriesRow>, D::Error> {
    struct Rows;

    impl<'de> Visitor<'de> for Rows {
        type Value = Vec<EntriesRow>;

        fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
            to.write_str("a table [entries], or tables [[entries]]")
        }

        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
            EntriesRow::deserialize(MapAccessDeserializer::new(map)).map(|row| vec![row])
        }

        fn visit_seq<A: SeqAccess<'de>>(self, rows: A) -> Result<Self::Value, A::Error> {
            Vec::deserialize(SeqAccessDeserializer::new(rows))
        }
    }

    from.deserialize_any(Rows)
}

rows! {
    /// One file.
    File {
        schema: Said,
        set: Option<Said>,
        #[serde(default)]
        version: String,
        #[serde(default)]
        zh: String,
        #[serde(default)]
        en: String,
        #[serde(default)]
        default_for: Vec<Said>,
        other_flags: Option<Validity>,
        #[serde(default)]
        overlay: bool,
        /// Kinds of facilities besides those of [`super::OBJECTS`].
        #[serde(default)]
        kinds: Vec<String>,
        #[serde(default)]
        signal: Vec<SignalRow>,
        #[serde(default)]
        mark: Vec<MarkRow>,
        #[serde(default)]
        rule: Vec<RuleRow>,
        #[serde(default)]
        limit: Vec<LimitRow>,
        #[serde(default)]
        conflict: Vec<ConflictRow>,
        #[serde(default)]
        period: Vec<PeriodRow>,
        #[serde(default)]
        require: Vec<RequireRow>,
        #[serde(default)]
        basis: Vec<BasisRow>,
        #[serde(default)]
        count: Vec<CountRow>,
        /// One table, or several with their dates.
        #[serde(default, deserialize_with = "one_or_more")]
        entries: Vec<EntriesRow>,
        #[serde(default, rename = "override")]
        overrides: Vec<OverrideRow>,
        #[serde(default)]
        disable: Vec<DisableRow>,
    }

    /// A quantity that rules name.
    SignalRow {
        id: Said,
        zh: String,
        en: String,
        #[serde(default)]
        unit: String,
        code: Option<Said>,
        #[serde(default)]
        of_factor: bool,
    }

    /// A mark.
    MarkRow {
        id: Said,
        zh: String,
        en: String,
        object: Said,
        dimension: Dimension,
        validity: Validity,
        source: Said,
        certainty: Certainty,
        #[serde(default = "yes")]
        by_hand: bool,
        #[serde(default)]
        normal: bool,
        #[serde(default)]
        factors: Vec<Said>,
        #[serde(default)]
        signals: Vec<String>,
        #[serde(default)]
        ruling: bool,
        #[serde(default)]
        counts: super::Counts,
        from: Option<Said>,
        until: Option<Said>,
    }

    /// A rule that sets a mark.
    RuleRow {
        id: Said,
        version: u32,
        mark: Said,
        effect: Effect,
        clause: Said,
        certainty: Certainty,
        when: Said,
        until: Option<Said>,
        begin_after: Option<Said>,
        end_after: Option<Said>,
        group: Option<String>,
        medium: Option<Said>,
        from: Option<Said>,
        /// The first day on which it holds no more; `until` is the condition of the end.
        before: Option<Said>,
    }

    /// How long marks may hold.
    LimitRow {
        id: Said,
        marks: Vec<Said>,
        per: Per,
        max: Said,
        #[serde(default = "nearly")]
        warn_percent: u8,
        /// Of an `each`: marks no further apart than this are one occasion; why, and how sure that is.
        apart: Option<Said>,
        apart_clause: Option<Said>,
        #[allow(dead_code, reason = "every row says how sure it is")]
        apart_certainty: Option<Certainty>,
        clause: Said,
        certainty: Certainty,
        from: Option<Said>,
        until: Option<Said>,
    }

    /// What must not be true while a mark holds, or at all.
    ConflictRow {
        id: Said,
        /// Left out: what `against` says is forbidden whatever is marked; then `object` says where.
        mark: Option<Said>,
        object: Option<Said>,
        from: Option<Said>,
        until: Option<Said>,
        within: Option<Said>,
        against: Option<Said>,
        #[serde(default)]
        shared: bool,
        after: Option<Said>,
        zh: String,
        en: String,
        clause: Said,
        certainty: Certainty,
    }

    /// What finer values make of a period.
    PeriodRow {
        medium: Said,
        of: Said,
        /// Of files before `flag` and `mean`: `all`, or good ones of due ones, for both.
        good: Option<Said>,
        /// `all`, or good ones of due ones: `3/4`.
        flag: Option<Said>,
        flag_strict: Option<Said>,
        /// `all`, places of the whole period: `45/60`, or a share of those due: `75%`.
        mean: Option<Said>,
        clause: Said,
        certainty: Certainty,
        /// Those of `mean`, where they are others.
        mean_clause: Option<Said>,
        mean_certainty: Option<Certainty>,
        from: Option<Said>,
        until: Option<Said>,
    }

    /// A condition of exemptions.
    RequireRow {
        id: Said,
        marks: Vec<Said>,
        factor: Said,
        of: Said,
        max: f64,
        #[serde(default, rename = "for")]
        factors: Vec<Said>,
        /// Whether people must rule about all other factors where it is broken or not shown.
        #[serde(default)]
        others: bool,
        zh: String,
        en: String,
        clause: Said,
        certainty: Certainty,
        from: Option<Said>,
        until: Option<Said>,
    }

    /// What other values rest on.
    BasisRow {
        mark: Said,
        factor: Said,
        medium: Said,
        /// `converted` or `means`.
        of: Said,
        above: Option<f64>,
        below: Option<f64>,
        #[serde(default)]
        needed: bool,
        /// The mark where it is absent; left out: the same.
        absent: Option<Said>,
        #[serde(default)]
        but: Vec<Said>,
        clause: Said,
        #[allow(dead_code, reason = "every row says how sure it is")]
        certainty: Certainty,
        from: Option<Said>,
        until: Option<Said>,
    }

    /// Values of a day that may be wrong only so often.
    CountRow {
        id: Said,
        signal: Said,
        code: Said,
        below: f64,
        max: u32,
        #[serde(default)]
        unless: Vec<Said>,
        zh: String,
        en: String,
        clause: Said,
        certainty: Certainty,
        from: Option<Said>,
        until: Option<Said>,
    }

    /// Until when marks may be entered.
    EntriesRow {
        deadline_days: u8,
        deadline_hour: u8,
        #[serde(default)]
        proof: bool,
        clause: Said,
        from: Option<Said>,
        until: Option<Said>,
    }

    /// What an overlay changes in a rule of another set.
    OverrideRow {
        rule: Said,
        version: u32,
        when: Option<Said>,
        until: Option<Said>,
        begin_after: Option<Said>,
        end_after: Option<Said>,
        clause: Said,
        from: Option<Said>,
        /// The first day on which it holds no more; `until` is the condition of the end.
        before: Option<Said>,
    }

    /// A rule of another set that an overlay takes out.
    DisableRow {
        rule: Said,
        clause: Said,
        from: Option<Said>,
        until: Option<Said>,
    }
}
