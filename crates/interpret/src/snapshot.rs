//! The interpreter's state as bytes, to be kept beside the journal cursor: `hj212-interpret`, the layout's number as u16
//! little-endian, then the state in postcard.
//!
//! A snapshot of another layout is refused, not guessed at: the state is then built again from the journal. What is made from
//! settings, context and the built-in dictionary is not in it. The keys of stations are: a snapshot is as private as the journal.

use std::collections::{BTreeMap, BTreeSet};

use foldhash::{HashMap, HashMapExt};
use serde::{Deserialize, Serialize};

use super::command::OpenCommands;
use super::context::{Run, Statement};
use super::keys::{Kept, Keys};
use super::marks::RulesInForce;
use super::parts::Waiting;
use super::report::ReportBuffers;
use super::shape::AreaShapes;
use super::station::Station;
use super::strangers::Strangers;
use super::{Interpreter, Settings, SharedFacts, built_in};
use hj212_marking::MarkVerdict;
use hj212_model::clock::belief::Belief;
use hj212_model::message::{Context, Timestamp};

const MAGIC: &[u8] = b"hj212-interpret";

/// The number of this layout; grows with every change of anything in [`State`].
const LAYOUT: u16 = 36;

/// What a snapshot holds, borrowed for writing.
#[derive(Serialize)]
struct State<'a> {
    context: &'a Context,
    run: &'a Run,
    statement: &'a Statement,
    context_name: [u8; 32],
    followed: &'a BTreeMap<String, String>,
    shown: &'a BTreeSet<String>,
    stations: &'a [Box<Station>],
    waiting: &'a Waiting,
    clock: &'a Belief,
    swept: Timestamp,
    round: &'a super::coverage::Round,
    rules: &'a BTreeMap<String, String>,
    stories: &'a OpenCommands,
    flood: &'a super::flood::Flood,
    strangers: &'a Strangers,
    keys: BTreeMap<&'a str, Vec<Kept>>,
    cases: &'a hj212_cases::Cases,
    companies: &'a hj212_scores::CompanyScores,
}

/// The same, owned by the reader.
#[derive(Deserialize)]
struct Restored {
    context: Context,
    run: Run,
    statement: Statement,
    context_name: [u8; 32],
    followed: BTreeMap<String, String>,
    shown: BTreeSet<String>,
    #[allow(clippy::vec_box, reason = "as in the interpreter")]
    stations: Vec<Box<Station>>,
    waiting: Waiting,
    clock: Belief,
    swept: Timestamp,
    round: super::coverage::Round,
    rules: BTreeMap<String, String>,
    stories: OpenCommands,
    flood: super::flood::Flood,
    strangers: Strangers,
    keys: BTreeMap<String, Vec<Kept>>,
    cases: hj212_cases::Cases,
    companies: hj212_scores::CompanyScores,
}

/// A snapshot that cannot be used. The journal still can: read it from its beginning.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RestoreError {
    /// Not a snapshot of an interpreter.
    #[error("these bytes are no snapshot of the interpretation")]
    NotASnapshot,
    /// A layout of another version.
    #[error("the snapshot has layout {0}, this version reads layout {LAYOUT}; replay the journal instead")]
    Layout(u16),
    /// Damaged.
    #[error("the snapshot is damaged; replay the journal instead")]
    Damaged,
}

impl Interpreter {
    /// The state as bytes: what [`Interpreter::restore`] makes of them goes on as this one would.
    #[must_use]
    pub fn snapshot(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&LAYOUT.to_le_bytes());
        let state = State {
            context: &self.context,
            run: &self.run,
            statement: &self.statement,
            context_name: self.context_name,
            followed: &self.context.followed,
            shown: &self.context.shown,
            stations: &self.stations,
            waiting: &self.waiting,
            clock: &self.clock,
            swept: self.swept,
            round: &self.round,
            rules: &self.rulings.texts,
            keys: self.keys.kept(),
            cases: &self.cases,
            companies: &self.companies,
            stories: &self.stories,
            flood: &self.flood,
            strangers: &self.strangers,
        };
        // Writing to a vector can only fail for types that postcard does not know, and a test writes them all.
        postcard::to_extend(&state, bytes).unwrap_or_default()
    }

    /// An interpreter with the state of a snapshot.
    ///
    /// # Errors
    /// [`RestoreError`] if the bytes are no snapshot, of another layout, or damaged.
    pub fn restore(settings: Settings, snapshot: &[u8]) -> Result<Interpreter, RestoreError> {
        Self::restore_sharing(settings, snapshot, SharedFacts::default())
    }

    /// The same; facts that `held` has are not kept twice.
    ///
    /// # Errors
    /// As [`Interpreter::restore`].
    pub fn restore_sharing(
        settings: Settings,
        snapshot: &[u8],
        held: SharedFacts,
    ) -> Result<Interpreter, RestoreError> {
        let rest = snapshot.strip_prefix(MAGIC).ok_or(RestoreError::NotASnapshot)?;
        let (layout, rest) = rest.split_first_chunk::<2>().ok_or(RestoreError::Damaged)?;
        let layout = u16::from_le_bytes(*layout);
        if layout != LAYOUT {
            return Err(RestoreError::Layout(layout));
        }
        let mut restored: Restored = postcard::from_bytes(rest).map_err(|_| RestoreError::Damaged)?;
        held.share_all(&mut restored.context);
        (restored.context.followed, restored.context.shown) = (restored.followed, restored.shown);
        let mut stations = restored.stations;
        let mut by_mn = HashMap::with_capacity(stations.len());
        for (number, station) in stations.iter_mut().enumerate() {
            station.dress(&settings, &restored.context);
            by_mn.insert(station.mn.as_slice().into(), u32::try_from(number).map_err(|_| RestoreError::Damaged)?);
        }
        let mut rulings = RulesInForce::new(restored.rules);
        for station in &mut stations {
            let facts = std::str::from_utf8(&station.mn).ok().and_then(|mn| restored.context.facts(mn));
            rulings.renew(station, facts);
        }
        Ok(Interpreter {
            judging: super::judgement::Judging::new(&settings, &restored.context),
            flood: restored.flood,
            strangers: restored.strangers,
            stories: restored.stories,
            cases: restored.cases,
            companies: restored.companies,
            rulings,
            swept: restored.swept,
            round: restored.round,
            verdict: MarkVerdict::default(),
            numbers: super::numbers::Numbers::default(),
            keys: Keys::restore(restored.keys),
            dictionary: built_in::dictionary(&restored.context.factors),
            settings,
            context: restored.context,
            run: restored.run,
            statement: restored.statement,
            context_name: restored.context_name,
            held,
            stations,
            spare: None,
            by_mn,
            waiting: restored.waiting,
            now: restored.clock.now(),
            elapsed: restored.clock.elapsed(),
            clock: restored.clock,
            scratch: ReportBuffers::default(),
            shapes: AreaShapes::default(),
            shapes_at_hand: super::shape::ShapesOfStation::default(),
            body: Vec::new(),
            id: Vec::new(),
        })
    }
}
