//! What is remembered of a station, and its retained card (schema `hj212.station/1`).

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::factor::write_head;
use super::factors::{Dictionary, System};
use super::json;
use super::moment::write_timestamp;
use super::recent::Recent;
use super::report::Report;
use super::resolve::meaning_of;
use super::shape::ShapesOfStation;
use super::tables::Habits;
use super::{CardContent, Settings};
use hj212::{Deviations, Edition};
use hj212_model::message::{Context, StationFacts, Timestamp, Topic, topic};

/// How many different sets of codes are remembered as already on the card.
const SETS_MAX: usize = 16;

/// A station's memory. Everything here goes into snapshots, except what is made from settings and context.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Station {
    /// The MN as said.
    pub(super) mn: Vec<u8>,
    pub(super) online: bool,
    pub(super) last_seen: Option<Timestamp>,
    pub(super) peer: Option<String>,
    /// The edition met last.
    pub(super) edition: Option<Edition>,
    /// The ST met last.
    pub(super) st: Option<Vec<u8>>,
    /// Codes met, by published key: the code as said.
    pub(super) codes: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Sets of codes whose members are all in `codes`.
    pub(super) sets: Vec<u64>,
    pub(super) counts: Vec<(u8, u64)>,
    /// When the card was published last.
    pub(super) carded: Option<Timestamp>,
    pub(super) instants: Recent,
    pub(super) periods: Recent,
    pub(super) parts: Recent,
    /// QNs of parts, with the DataTime that one of them had.
    pub(super) part_times: Recent,
    /// Whether its parts were seen to have a QN or a DataTime in common: then their numbers alone never put them together.
    pub(super) names_parts: bool,
    /// What its QNs stand for.
    pub(super) qn_use: super::remembered::QnUse,
    /// How soon after each other its records can be sent.
    pub(super) pace: super::remembered::Pace,
    /// QNs met, with the record they stood for.
    pub(super) qns: Recent,
    /// What its records showed of the tables that its codes belong to.
    pub(super) habits: Habits,
    /// Whether it takes our answers.
    pub(super) resends: super::remembered::Resends,
    /// QNs of the last requests to it.
    pub(super) asked: VecDeque<u64>,
    /// Numbers of the records that wait for parts.
    pub(super) pending: Vec<u64>,
    /// What its readings are worth.
    pub(super) marks: hj212_marking::Marks,
    /// What its hours and days come to.
    pub(super) outlet: hj212_judgement::Outlet,
    /// What an inspector should look at.
    pub(super) leads: hj212_leads::Leads,
    /// What its operation company did there.
    pub(super) work: hj212_operation::WorkLedger,
    /// What it did in its months.
    pub(super) scores: hj212_scores::StationScores,
    /// What is known of its clock.
    pub(super) clock: super::remembered::Clock,
    /// What has arrived and what is missing.
    pub(super) ledger: hj212_coverage::Ledger,
    /// What its registration should say by now, by field.
    pub(super) proposed: BTreeMap<String, super::remembered::Proposed>,
    /// The edition and the medium whose rules are in force.
    pub(super) ruled: Option<(String, String)>,
    /// Its emission limits, as far as hours and days are judged by them.
    #[serde(skip)]
    pub(super) limits: Option<std::sync::Arc<hj212_judgement::Limits>>,
    /// The rules in force.
    #[serde(skip)]
    pub(super) plan: Option<Arc<hj212_marking::Plan>>,
    /// What its topics begin with.
    #[serde(skip)]
    pub(super) topic: Topic,
    /// Its name for people.
    #[serde(skip)]
    pub(super) name: Arc<str>,
    /// `,"gateway":…,"mn":…`
    #[serde(skip)]
    pub(super) head: Vec<u8>,
    /// `,"station":{…}`
    #[serde(skip)]
    pub(super) shown: Vec<u8>,
    /// The level of its topics.
    #[serde(skip)]
    pub(super) level: String,
    /// The shapes of its records.
    #[serde(skip)]
    pub(super) shapes: ShapesOfStation,
}

impl Station {
    /// A station that was never heard.
    pub(super) fn new(mn: &[u8], settings: &Settings, context: &Context) -> Station {
        let mut station = Station { mn: mn.to_owned(), ..Station::default() };
        station.dress(settings, context);
        station
    }

    /// Makes what is made from settings and context.
    pub(super) fn dress(&mut self, settings: &Settings, context: &Context) {
        let mn = std::str::from_utf8(&self.mn).unwrap_or_default();
        let (facts, former) = (context.facts(mn), context.registered_as(mn));
        self.limits = limits_of(facts);
        self.level.clear();
        topic::level(&mut self.level, &self.mn);
        self.topic = Topic::of_station(&settings.prefix, &self.mn);
        self.name = topic::station_name(&self.mn).into();
        self.head.clear();
        self.head.extend_from_slice(b",\"gateway\":");
        json::string(&mut self.head, &settings.gateway);
        self.head.extend_from_slice(b",\"mn\":");
        json::name(&mut self.head, &self.mn);
        self.shown.clear();
        self.shown.extend_from_slice(b",\"station\":{\"name\":");
        write_name_and_tags(&mut self.shown, facts);
        if let Some(former) = former {
            self.shown.extend_from_slice(b",\"proposed_from\":");
            json::string(&mut self.shown, former);
        }
        self.shown.push(b'}');
    }

    /// Adds the codes of a report to the card; whether there were new ones.
    pub(super) fn learn(&mut self, report: &Report<'_>, codes_max: usize) -> bool {
        if self.sets.contains(&report.codes) {
            return false;
        }
        let before = self.codes.len();
        for reading in report.readings.iter().filter(|reading| !reading.nameless) {
            let key = reading.key();
            if self.codes.len() < codes_max && !self.codes.contains_key(key) {
                self.codes.insert(key.to_owned(), reading.code.to_owned());
            }
        }
        if self.sets.len() >= SETS_MAX {
            self.sets.remove(0);
        }
        self.sets.push(report.codes);
        self.codes.len() > before
    }

    /// Counts each member of a set of deviations.
    pub(super) fn count(&mut self, deviations: Deviations) {
        for deviation in deviations.iter() {
            let number = deviation as u8;
            match self.counts.binary_search_by_key(&number, |(known, _)| *known) {
                Ok(at) => {
                    if let Some((_, count)) = self.counts.get_mut(at) {
                        *count += 1;
                    }
                }
                Err(at) => self.counts.insert(at, (number, 1)),
            }
        }
    }

    /// Appends the card.
    pub(super) fn write_card(
        &self,
        out: &mut Vec<u8>,
        facts: Option<&StationFacts>,
        dictionary: &Dictionary,
        context: &Context,
    ) {
        let mn = std::str::from_utf8(&self.mn).unwrap_or_default();
        let edition = facts.and_then(|facts| facts.edition).or(self.edition);
        let st = facts.and_then(|facts| facts.st.as_deref().map(str::as_bytes)).or(self.st.as_deref());
        out.extend_from_slice(b"{\"schema\":\"hj212.station/1\"");
        out.extend_from_slice(&self.head);
        out.extend_from_slice(b",\"registered\":");
        out.extend_from_slice(if context.stations.contains_key(mn) { b"true" } else { b"false" });
        self.write_proposed(out, mn, context);
        out.extend_from_slice(b",\"name\":");
        write_name_and_tags(out, facts);
        super::data::optional_name(out, b",\"st\":", st);
        out.extend_from_slice(b",\"edition\":");
        json::optional(out, edition.map(Edition::year));
        out.extend_from_slice(b",\"dialect\":");
        json::optional(out, facts.and_then(|facts| facts.dialect.as_deref()));
        out.extend_from_slice(if self.online { b",\"online\":true" } else { b",\"online\":false" });
        out.extend_from_slice(b",\"last_seen\":");
        match self.last_seen {
            Some(time) => super::data::quoted(out, |out| write_timestamp(out, time)),
            None => out.extend_from_slice(b"null"),
        }
        out.extend_from_slice(b",\"peer\":");
        json::optional(out, self.peer.as_deref());
        self.write_factors(out, facts, dictionary, edition, dictionary.system(None, st));
        out.extend_from_slice(b",\"deviations\":{");
        let known = self
            .counts
            .iter()
            .filter_map(|(number, count)| Some((hj212::Deviation::from_number(u32::from(*number))?.code(), *count)));
        for (at, (code, count)) in known.enumerate() {
            if at > 0 {
                out.push(b',');
            }
            json::string(out, code);
            out.push(b':');
            json::number(out, count);
        }
        out.extend_from_slice(b"}}");
    }

    /// What the card says that a list of stations shows.
    pub(super) fn card_content(&self) -> CardContent {
        let counts = self.counts.iter();
        let known =
            counts.filter_map(|(number, count)| Some((hj212::Deviation::from_number(u32::from(*number))?, *count)));
        CardContent { peer: self.peer.clone(), last_seen: self.last_seen, deviations: known.collect() }
    }

    /// What the registration should say, if it does not: the MN that the station has now or is registered under, and its intervals.
    fn write_proposed(&self, out: &mut Vec<u8>, mn: &str, context: &Context) {
        let former = context.registered_as(mn);
        let now = context.followed.iter().find(|(new, of)| *of == mn && context.registered_as(new).is_some());
        let mut fields: Vec<(&str, &str)> = Vec::new();
        fields.extend(former.map(|former| ("registered_as", former)));
        fields.extend(now.map(|(new, _)| ("mn", new.as_str())));
        fields.extend(self.proposed.iter().map(|(field, proposed)| (field.as_str(), proposed.value.as_str())));
        for (at, (field, value)) in fields.iter().enumerate() {
            out.extend_from_slice(if at == 0 { b",\"proposed\":{" } else { b"," });
            json::string(out, field);
            out.push(b':');
            json::string(out, value);
        }
        if !fields.is_empty() {
            out.push(b'}');
        }
    }

    fn write_factors(
        &self,
        out: &mut Vec<u8>,
        facts: Option<&StationFacts>,
        dictionary: &Dictionary,
        edition: Option<Edition>,
        system: System,
    ) {
        out.extend_from_slice(b",\"factors\":{");
        for (at, (key, said)) in self.codes.iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            // A station's own alias is not in the dictionary: then the key is.
            let alias =
                facts.is_some_and(|facts| std::str::from_utf8(said).is_ok_and(|c| facts.aliases.contains_key(c)));
            let found = if alias {
                dictionary.find(key, edition, system)
            } else {
                dictionary.find_published(key, said, edition, system)
            };
            let factor = found.map(|found| found.factor);
            let meaning = factor.and_then(|factor| meaning_of(said, factor, factor.collision.as_deref()?, facts));
            let (name, usual) = match (meaning, factor) {
                (Some(meaning), _) => (Some(&*meaning.name), meaning.unit.as_deref()),
                (None, Some(factor)) => (factor.name.as_deref(), factor.unit.as_deref()),
                (None, None) => (None, None),
            };
            let declared = factor.and_then(|factor| facts?.units.get(&factor.code)).map(String::as_str);
            let converted = factor.and_then(|factor| facts?.conversions.get(&factor.code));
            let published = converted.filter(|_| declared.is_some()).map(|conversion| conversion.to.as_str());
            write_head(out, key, name, published.or(declared).or(usual));
            out.push(b'}');
        }
        out.push(b'}');
    }
}

/// Appends `"name","tags":{…}`.
/// The limits that are registered for a station; none: there is nothing to judge by.
fn limits_of(facts: Option<&StationFacts>) -> Option<Arc<hj212_judgement::Limits>> {
    facts.map(hj212_judgement::Limits::new).filter(|limits| !limits.is_empty()).map(Arc::new)
}

fn write_name_and_tags(out: &mut Vec<u8>, facts: Option<&StationFacts>) {
    json::optional(out, facts.map(|facts| facts.name.as_str()).filter(|name| !name.is_empty()));
    out.extend_from_slice(b",\"tags\":{");
    for (at, (tag, value)) in facts.iter().flat_map(|facts| facts.tags.iter()).enumerate() {
        if at > 0 {
            out.push(b',');
        }
        json::string(out, tag);
        out.push(b':');
        json::string(out, value);
    }
    out.push(b'}');
}
