//! Journal records in, MQTT publications out: what a frame means, and how that is said downstream.
//!
//! The way of a frame: [`hj212::packet::parse`] → `report` (fields grouped by code and instrument, factors resolved, values classified) → re-send and
//! part bookkeeping → `marks` (what the readings are worth, see [`hj212_marking`]) → `data` (the JSON). Topics and bodies are written down in
//! `docs/mqtt.md`; the schemas in `fixtures/schema` are what the tests hold every body against.
//!
//! What must stay true:
//! * a registered station takes no room here, but for what is registered of it, before it is heard or asked for something;
//! * the same records in the same order give the same publications, byte for byte, also over a snapshot in between: no clock, no
//!   random, no order of a hash map;
//! * what a station said is published as it said it, or not at all (passwords and keys);
//! * what waits for a while goes by `elapsed`, what has a date by `now`, and what is told of a station by the plausible time of its record
//!   ([`hj212_model::clock::belief`]): no jump of the host's clock stops or hurries any of it. Only what is published as the time of a record is
//!   the wall clock as it was;
//! * no input panics, and memory is bounded by [`Settings`]: per station about (64 + 128 + 64 + 16 + 16) × 18 bytes of hashes and 512
//!   codes, `parts_bytes_max` for parts, 64 MiB for a context that is being read.
//!
//! # Decisions
//! * A record's id is `{mn}.{st}.{cn}.{time}.{codes}`: time is DataTime (AlarmTime of an alarm event), else `qn` and QN, else `@` and the record's name:
//!   offset and the beginning of its chain hash, for offsets of two journals coincide; codes is the wrapping sum of the FNV-1a hashes of the codes as said. Parts and re-sends share it.
//! * A record without any time of its own is never taken for a re-send: two equal events are two events.
//! * An id counts each code once, whatever instruments and items say it.
//! * A record whose encrypted area was opened has the id that it would have in plain text. One that was unreadable before has another
//!   than it had then, in nearly all cases, and names that one.
//! * A re-send is told by the whole data area, so one in another order is published as a revision: too much, never too little.
//! * The registered edition and ST count before those of the frame: both are often wrong in the field.
//! * When the gateway starts, every station counts as offline until it speaks.

#![cfg_attr(test, allow(clippy::print_stdout, clippy::wildcard_enum_match_arm, reason = "tests speak plainly"))]

mod answers;
mod asked;
mod built_in;
mod by_number;
mod cases;
mod codes;
mod command;
mod context;
mod convert;
mod coverage;
mod data;
mod events;
mod factor;
mod factors;
mod flood;
mod follow;
mod frame;
mod gather;
mod hash;
mod id;
mod instruments;
mod items;
mod json;
mod judgement;
mod keys;
mod leads;
mod loose;
mod marks;
mod marks_between;
mod moment;
mod names;
mod notice;
mod numbers;
mod operation;
mod parts;
mod presence;
mod published;
mod qn_use;
mod reading;
mod recent;
mod rejected;
mod remembered;
mod report;
mod resolve;
mod rows;
mod scores;
mod seams;
mod settings;
mod shape;
mod shared_facts;
mod snapshot;
mod source_record;
mod station;
mod strangers;
pub mod table;
mod tables;
mod tear;
#[cfg(test)]
mod tests;
mod times;
mod timing;
mod under_way;
mod value;
mod worth;

pub use judgement::DayKnown;
pub use keys::Area;
pub use published::{
    CardContent, DataContent, EntryContent, EventKind, Label, MarkEvent, Moment, Qn, Says, StationEvent,
    TypedPublication, ValidityContent,
};
pub use scores::CardShown;
pub use settings::Settings;
pub use shared_facts::SharedFacts;
pub use snapshot::RestoreError;
pub use under_way::{GAPS_SHOWN_MAX, REQUESTS_SHOWN_MAX};

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use foldhash::{HashMap, HashMapExt};

use command::OpenCommands;
use context::{Gathered, Piece, Run, Statement};
use events::JournalRef;
use factors::Dictionary;
use hj212::{Deviations, packet};
use hj212_downlink::Step;
use hj212_marking::MarkVerdict;
use hj212_model::clock::belief::Belief;
use hj212_model::message::{Context, Record, Rejected, StationFacts, Timestamp, Topic};
use judgement::Judging;
use keys::Keys;
use marks::RulesInForce;
use parts::Waiting;
use report::ReportBuffers;
use shape::AreaShapes;
use station::Station;

/// What one record did, for the caller to count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Interpreted {
    /// Everything read over in the frame, found here or before.
    pub deviations: Deviations,
    /// Exact re-sends of records or parts, not published again.
    pub resent: u32,
    /// Records published again with changed values.
    pub revisions: u32,
    /// Split records published incomplete.
    pub parts_missing: u32,
    /// Frames of stations beyond [`Settings::stations_max`].
    pub unremembered: u32,
    /// Runs of context records that did not come whole.
    pub contexts_broken: u32,
    /// Contexts whose marking rules were wrong: the former rules stay in force.
    pub rules_refused: u32,
    /// Unregistered stations forgotten for others.
    pub forgotten: u32,
    /// Encrypted areas that were opened.
    pub opened: u32,
    /// Encrypted areas that were not, published as unreadable.
    pub unreadable: u32,
    /// Gaps that have begun.
    pub gaps: u32,
    /// Gaps that are over, whatever the reason.
    pub gaps_closed: u32,
    /// Keys of stations that were told, or came into another state.
    pub keys: u32,
    /// Records that nobody could decode, so that nothing came of them.
    pub undecoded: u32,
    /// Times the believed date was set, forward or back.
    pub clock_steps: u32,
    /// Records whose wall clock was doubted.
    pub clock_doubted: u32,
}

/// The state of the interpretation.
#[derive(Debug)]
pub struct Interpreter {
    settings: Settings,
    context: Context,
    run: Run,
    statement: Statement,
    /// The name of the context in force; zeros: none was ever.
    context_name: [u8; 32],
    /// Where the facts of the context stand already.
    held: SharedFacts,
    dictionary: Arc<Dictionary>,
    #[allow(
        clippy::vec_box,
        reason = "a station is large, is taken out for each frame, and its list doubles as it grows"
    )]
    stations: Vec<Box<Station>>,
    /// What stands in a station's place while it is taken out.
    spare: Option<Box<Station>>,
    by_mn: HashMap<Box<[u8]>, u32>,
    waiting: Waiting,
    clock: Belief,
    /// The date that is believed; it goes back at a step of the clock only.
    now: Timestamp,
    /// The time that has passed, counted from anywhere: it never goes back.
    elapsed: Timestamp,
    /// When silence and limits of all stations were last looked at, by `elapsed`.
    swept: Timestamp,
    /// Where the round of the stations' ledgers stands.
    round: coverage::Round,
    flood: flood::Flood,
    /// The numbers of stations that are not registered, and the bytes that they take.
    strangers: strangers::Strangers,
    stories: OpenCommands,
    cases: hj212_cases::Cases,
    companies: hj212_scores::CompanyScores,
    rulings: RulesInForce,
    judging: Judging,
    keys: Keys,
    verdict: MarkVerdict,
    numbers: numbers::Numbers,
    scratch: ReportBuffers,
    /// No state: what is learned of areas to read them faster.
    shapes: AreaShapes,
    /// What [`Interpreter::forget`] kept of them for the next station.
    shapes_at_hand: shape::ShapesOfStation,
    body: Vec<u8>,
    id: Vec<u8>,
}

impl Interpreter {
    /// An interpreter that has seen nothing.
    #[must_use]
    pub fn new(settings: Settings) -> Interpreter {
        let context = Context::default();
        Interpreter {
            dictionary: built_in::dictionary(&context.factors),
            judging: Judging::new(&settings, &context),
            settings,
            context,
            run: Run::default(),
            statement: Statement::default(),
            context_name: [0; 32],
            held: SharedFacts::default(),
            stations: Vec::new(),
            spare: None,
            by_mn: HashMap::new(),
            waiting: Waiting::default(),
            clock: Belief::default(),
            now: Belief::default().now(),
            elapsed: Belief::default().elapsed(),
            swept: Timestamp(0),
            round: coverage::Round::default(),
            flood: flood::Flood::default(),
            strangers: strangers::Strangers::default(),
            stories: OpenCommands::default(),
            cases: hj212_cases::Cases::default(),
            companies: hj212_scores::CompanyScores::default(),
            rulings: RulesInForce::new(std::collections::BTreeMap::new()),
            keys: Keys::default(),
            verdict: MarkVerdict::default(),
            numbers: numbers::Numbers::default(),
            scratch: ReportBuffers::default(),
            shapes: AreaShapes::default(),
            shapes_at_hand: shape::ShapesOfStation::default(),
            body: Vec::new(),
            id: Vec::new(),
        }
    }

    /// Forgets all stations and what they said, as if nothing had been seen; dictionary, rules, dialects and keys are kept. For those who
    /// look at frames one by one.
    pub fn forget(&mut self) {
        // Shapes are no memory of a station, and frames of one file are alike.
        if let Some(last) = self.stations.last_mut() {
            self.shapes_at_hand = std::mem::take(&mut last.shapes);
        }
        self.stations.clear();
        self.by_mn.clear();
        self.strangers.clear();
        self.waiting = Waiting::default();
        self.clock = Belief::default();
        (self.now, self.elapsed) = (self.clock.now(), self.clock.elapsed());
        self.swept = Timestamp(0);
        self.round = coverage::Round::default();
        self.stories = OpenCommands::default();
        self.cases = hj212_cases::Cases::default();
        self.companies = hj212_scores::CompanyScores::default();
        self.flood = flood::Flood::default();
    }

    /// Facts that `held` has are not kept twice from here on.
    pub fn share(&mut self, held: SharedFacts) {
        held.share_all(&mut self.context);
        self.held = held;
    }

    /// What command codes mean in dialects, for those who have no journal to read that from.
    pub fn know_dialects(
        &mut self,
        dialects: std::collections::BTreeMap<String, hj212_model::message::dialect::Reading>,
    ) {
        self.context.dialects = dialects;
    }

    /// Appends to `out` what the record `offset` gives, in the order in which it is to be published.
    pub fn on_record(
        &mut self,
        offset: u64,
        time: Timestamp,
        hash: &[u8; 32],
        record: &Record<'_>,
        out: &mut Vec<TypedPublication>,
    ) -> Interpreted {
        let mut done = Interpreted::default();
        self.numbers.begin(events::RecordName::new(offset, hash));
        let (first, before) = (!self.clock.is_known(), self.now);
        let (place, step) = self.pass((offset, time, hash), record, &mut done, out);
        self.let_go(place, out);
        let from = out.len();
        // Before anything is judged by the time that has passed: it may have passed without us.
        self.note_outage(record, (first, before, step), place, out);
        self.expire(place, out, &mut done);
        self.sweep(place, out);
        self.clear_statuses(out);
        self.round(place, &mut done, out);
        self.pass_cases(place, out);
        self.sum_companies(place, out);
        match record {
            Record::Frame(heard) => self.on_frame(heard, place, out, &mut done),
            Record::Rejected(rejected) => self.on_rejected(rejected, place, out),
            Record::Presence(presence) => self.on_presence(presence, place, out, &mut done),
            Record::Context { hash, part, parts, json } => match self.run.gather(*hash, *part, *parts, json) {
                Gathered::More => {}
                Gathered::Broken => done.contexts_broken += 1,
                Gathered::Whole(mut context) => {
                    self.held.share_all(&mut context);
                    self.on_context(*context, *hash, place, out, &mut done);
                }
            },
            Record::Registry { name, part, parts, json } => {
                let piece = Piece { base: None, name: *name, part: *part, parts: *parts, json };
                self.on_piece(&piece, place, out, &mut done);
            }
            Record::RegistryChange { base, name, part, parts, json } => {
                let piece = Piece { base: Some(*base), name: *name, part: *part, parts: *parts, json };
                self.on_piece(&piece, place, out, &mut done);
            }
            Record::Tick | Record::Clock(_) => {}
            Record::Command(step) => {
                if let Some(step) = Step::decode(step) {
                    self.note_asked(&step);
                    done.keys += u32::from(self.note_key(&step));
                    self.note_sent(&step);
                    self.follow_step(&step, place, out, &mut done);
                    self.note_clock(&step, time);
                    self.on_step(&step, place, out);
                    self.recall_step(&step, place, &mut done, out);
                }
            }
            Record::MarkEntry { mn, id, json } => self.on_mark_entry((mn, id, json), place, out),
            Record::MarkRuling { mn, role, id, json } => self.on_mark_ruling((mn, role, id, json), place, out),
            Record::Notice(notice) => self.on_notice(notice, place, out),
            // What was set aside is said by a notice.
            Record::DeadLetter(_) => {}
            Record::Anchor(anchor) => self.on_anchor(anchor, out),
            Record::CaseStep { mn, role, id, json } => self.on_case_step((mn, role, id, json), place, out),
            Record::WorkEntry { mn, role, id, json } => self.on_work_entry((mn, role, id, json), place, out),
            Record::Started(_) | Record::Stopped => {}
        }
        self.open_cases(place, out);
        self.hold_back(from, out);
        done
    }

    /// The region of a station that is registered with one.
    #[must_use]
    pub fn region(&self, mn: &str) -> Option<&str> {
        self.context.facts(mn)?.tags.get("region").map(String::as_str)
    }

    fn facts(&self, mn: &[u8]) -> Option<&StationFacts> {
        self.context.facts(std::str::from_utf8(mn).ok()?)
    }

    /// What is asked of a registered station is remembered of it, heard or not. Keys are remembered elsewhere.
    fn note_asked(&mut self, step: &Step) {
        let keys_alone = matches!(step, Step::Key { .. } | Step::KeyNote { .. });
        if !keys_alone && self.facts(step.mn().as_bytes()).is_some() {
            self.station_of(step.mn().as_bytes());
        }
    }

    /// The number of the station `mn`, a new one if there is room.
    fn station_of(&mut self, mn: &[u8]) -> Option<u32> {
        if let Some(number) = self.by_mn.get(mn) {
            return Some(*number);
        }
        let number = u32::try_from(self.stations.len()).ok().filter(|n| *n < self.settings.stations_max)?;
        let mut station = Station::new(mn, &self.settings, &self.context);
        station.shapes = std::mem::take(&mut self.shapes_at_hand);
        self.stations.push(Box::new(station));
        self.by_mn.insert(mn.into(), number);
        if self.facts(mn).is_none() {
            self.strangers.insert(number, strangers::WEIGHT_MIN);
        }
        Some(number)
    }

    /// The topics of this gateway.
    fn topic(&self) -> Topic {
        Topic::of_gateway(&self.settings.prefix, &self.settings.gateway)
    }

    /// Publishes an anchor as it was signed: a byte more, and nobody could check it.
    fn on_anchor(&self, anchor: &[u8], out: &mut Vec<TypedPublication>) {
        out.push(TypedPublication::of_gateway(self.topic().anchor(), Bytes::copy_from_slice(anchor), Says::Anchor));
    }

    fn on_rejected(&mut self, rejected: &Rejected<'_>, place: JournalRef<'_>, out: &mut Vec<TypedPublication>) {
        self.body.clear();
        let JournalRef { offset, time, hash, .. } = place;
        rejected::write(&mut self.body, &self.settings.gateway, rejected, time, offset, hash);
        let mn = rejected.segment.and_then(|segment| packet::parse(segment).mn);
        let mn = mn.and_then(|mn| std::str::from_utf8(mn).ok()).map(Box::from);
        let content = Says::Rejected { mn, reason: rejected.reason };
        out.push(TypedPublication::of_gateway(self.topic().rejected(), Bytes::copy_from_slice(&self.body), content));
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}
