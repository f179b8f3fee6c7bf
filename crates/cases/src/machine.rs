//! All cases: steps, alerts and time go in, effects come out.
//!
//! What must stay true: an effect is given for everything that changed, and nothing changes without one; what is refused changes nothing.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::case::{Case, Law, Taken};
use super::rules::Rules;
use super::step::{Asked, Refusal, read, refusal};
use super::table::{Colour, Forbidden, OPENERS, Role, State, Step, next};
use super::{BYTES_MAX, CASES_MAX, CLOSED_KEPT, OPEN_MAX};
use hj212_model::message::Timestamp;

/// Alerts that one case names, at most: the newest.
const ALERTS_MAX: usize = 16;
/// After so many levels nobody is left to be told.
const LEVELS_MAX: u8 = 4;

/// Where a record stands, and the time by which it is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The record's offset.
    pub offset: u64,
    /// The time.
    pub at: Timestamp,
}

/// What a settled alert asks for: a case of its outlet and factor, opened or made worse. What calls it is the judgement of a day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opening<'a> {
    /// The station.
    pub mn: &'a str,
    /// The outlet; may be empty.
    pub outlet: &'a str,
    /// The factor.
    pub code: &'a str,
    /// The alert's id.
    pub alert: &'a str,
    /// Its colour.
    pub colour: Colour,
    /// What it says, for people.
    pub text: &'a str,
}

/// Something to be published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// The case has changed: it is published as it is now.
    Changed(Box<Case>),
    /// It has been closed for so long that it is published no more.
    Forgotten {
        /// The station.
        mn: String,
        /// The case.
        id: String,
    },
    /// Somebody is to be told.
    Told(Told),
}

/// What somebody is to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// `case-opened`, `case-overdue`, `case-relapsed`, `case-closed`.
    pub what: &'static str,
    /// The station.
    pub mn: String,
    /// The case.
    pub case: String,
    /// Its state.
    pub state: State,
    /// Its colour.
    pub colour: Colour,
    /// What was due, if that is the point.
    pub due: Option<Timestamp>,
    /// How high it has gone, from 1.
    pub level: u8,
    /// Who is told.
    pub to: Vec<Role>,
}

/// What became of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Its id as in the topic.
    pub id: String,
    /// The case as it is now, if the step was taken.
    pub taken: Result<(String, State), Refusal>,
}

/// What a step did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// The answer.
    pub answer: Answer,
    /// What else.
    pub effects: Vec<Effect>,
    /// The leads that a step which was taken names.
    pub leads: Option<LeadsNamed>,
}

/// The leads that a step names, and what it says of them: `void` and `to-law` end them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeadsNamed {
    /// The case.
    pub case: String,
    /// What was done.
    pub step: Step,
    /// Their ids.
    pub leads: Vec<String>,
}

/// All cases.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cases {
    /// By station and id.
    cases: BTreeMap<(String, String), Case>,
    /// When something is next to be looked at.
    alarm: Option<Timestamp>,
    bytes: u64,
}

impl Cases {
    /// All of them, by station and id.
    pub fn all(&self) -> impl Iterator<Item = &Case> {
        self.cases.values()
    }

    /// One of them.
    #[must_use]
    pub fn get(&self, mn: &str, id: &str) -> Option<&Case> {
        self.cases.get(&(mn.to_owned(), id.to_owned()))
    }

    /// Takes the step `id` that came for `mn` in the name of `role`. `known`: whether that station is registered.
    pub fn step(
        &mut self,
        rules: &Rules,
        known: bool,
        (mn, role, id, json): (&str, &str, &str, &[u8]),
        place: Place,
    ) -> Done {
        let mut effects = Vec::new();
        let mut leads = None;
        let taken = read(role, id, json).and_then(|asked| {
            if !known {
                let (zh, en) = ("站点未登记", "the station is not registered");
                return Err(refusal("unknown-station", zh, en));
            }
            let taken = match asked.written.step {
                Step::Open => self.open_by_hand(rules, mn, &asked, place, &mut effects),
                Step::Sign
                | Step::Reply
                | Step::Done
                | Step::Accept
                | Step::Return
                | Step::Extend
                | Step::Void
                | Step::ToLaw
                | Step::Close
                | Step::Comment => self.go(rules, mn, &asked, place, &mut effects),
            }?;
            let written = asked.written;
            leads = Some(LeadsNamed { case: written.case, step: written.step, leads: written.leads });
            Ok(taken)
        });
        let leads = leads.filter(|named| !named.leads.is_empty());
        Done { answer: Answer { id: id.to_owned(), taken }, effects, leads }
    }

    /// Opens a case for an alert, or makes an open one of the same outlet and factor worse.
    pub fn alerted(&mut self, rules: &Rules, opening: &Opening<'_>, place: Place) -> Result<Vec<Effect>, Refusal> {
        let mut effects = Vec::new();
        let same = |case: &&mut Case| {
            case.mn == opening.mn && case.outlet == opening.outlet && case.code == opening.code && !case.state.is_end()
        };
        if let Some(case) = self.cases.values_mut().find(same) {
            if case.alerts.iter().any(|alert| alert == opening.alert) && case.colour >= opening.colour {
                return Ok(effects);
            }
            if !case.alerts.iter().any(|alert| alert == opening.alert) {
                case.alerts.push(opening.alert.to_owned());
                let more = case.alerts.len().saturating_sub(ALERTS_MAX);
                case.alerts.drain(..more);
            }
            let relapsed = matches!(case.state, State::CountyOk | State::CityOk);
            let worse = opening.colour > case.colour;
            case.colour = case.colour.max(opening.colour);
            let from = case.state;
            if relapsed {
                case.relapses += 1;
                enter(case, State::Signed, rules, place.at);
            } else if worse {
                // The deadline of a worse colour counts from the same beginning.
                due_now(case, rules);
            }
            let grown = case.note(own_step(Step::Return, from, case.state, opening.text, place));
            if relapsed {
                effects.push(told("case-relapsed", case, case.told_to()));
            }
            effects.push(Effect::Changed(Box::new(case.clone())));
            let alarm = case.alarm;
            self.grow(grown);
            self.ring(alarm);
            return Ok(effects);
        }
        let id = format!("C-{}", opening.alert);
        let id = if super::step::is_id(&id) { id } else { format!("C-{}", place.offset) };
        let new = New { id, mn: opening.mn, outlet: opening.outlet, code: opening.code, colour: opening.colour };
        let taken = own_step(Step::Open, State::Open, State::Open, opening.text, place);
        self.open(rules, new, Some(opening.alert), taken, place, &mut effects)?;
        Ok(effects)
    }

    /// The passing of time: what is overdue is said, what was closed long ago is forgotten.
    pub fn pass(&mut self, rules: &Rules, at: Timestamp) -> Vec<Effect> {
        if self.alarm.is_none_or(|alarm| at < alarm) {
            return Vec::new();
        }
        let mut effects = Vec::new();
        let mut gone = Vec::new();
        self.alarm = None;
        for (key, case) in &mut self.cases {
            if case.alarm.is_some_and(|alarm| alarm <= at) {
                if case.state.is_end() {
                    gone.push(key.clone());
                    continue;
                }
                case.overdue = case.overdue.saturating_add(1);
                // A gateway that was away for days says it once, and not once for each time that has passed.
                let again = Timestamp(at.0.saturating_add(rules.remind(case.colour)));
                case.alarm = (case.overdue < LEVELS_MAX).then_some(again);
                effects.push(told("case-overdue", case, case.told_to()));
                effects.push(Effect::Changed(Box::new(case.clone())));
            }
            self.alarm = earlier(self.alarm, case.alarm);
        }
        for key in gone {
            if let Some(case) = self.cases.remove(&key) {
                self.bytes = self.bytes.saturating_sub(case.weight);
            }
            effects.push(Effect::Forgotten { mn: key.0, id: key.1 });
        }
        effects
    }

    fn grow(&mut self, grown: i64) {
        self.bytes = self.bytes.saturating_add_signed(grown);
    }

    fn ring(&mut self, alarm: Option<Timestamp>) {
        self.alarm = earlier(self.alarm, alarm);
    }

    fn open_by_hand(
        &mut self,
        rules: &Rules,
        mn: &str,
        asked: &Asked,
        place: Place,
        effects: &mut Vec<Effect>,
    ) -> Result<(String, State), Refusal> {
        let written = &asked.written;
        if !OPENERS.contains(&asked.role) {
            return Err(refusal("role", "立案须由县区、市或省级提出", "a case is opened by county, city or province"));
        }
        if let Some(case) = self.get(mn, &written.case) {
            return repeated(case, asked).unwrap_or_else(|| {
                Err(refusal("case-used", "该案件编号已存在", "there is a case of this id already"))
            });
        }
        let Some(colour) = written.colour else {
            return Err(refusal("open", "立案须写明 colour", "a case is opened with a colour"));
        };
        let new = New { id: written.case.clone(), mn, outlet: &written.outlet, code: &written.code, colour };
        let taken = taken(asked, State::Open, State::Open, place);
        self.open(rules, new, None, taken, place, effects)?;
        Ok((written.case.clone(), State::Open))
    }

    fn open(
        &mut self,
        rules: &Rules,
        new: New<'_>,
        alert: Option<&str>,
        first: Taken,
        place: Place,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        let open = self.cases.values().filter(|case| case.mn == new.mn && !case.state.is_end()).count();
        if open >= OPEN_MAX || self.cases.len() >= CASES_MAX || self.bytes >= BYTES_MAX {
            let (zh, en) = ("未结案件过多，请先办结已有案件", "too many cases are open: close some first");
            return Err(refusal("too-many", zh, en));
        }
        let key = (new.mn.to_owned(), new.id.clone());
        let mut case = Case {
            id: new.id,
            mn: new.mn.to_owned(),
            outlet: new.outlet.to_owned(),
            code: new.code.to_owned(),
            colour: new.colour,
            state: State::Open,
            opened: place.at,
            since: place.at,
            due: None,
            clause: String::new(),
            certainty: String::new(),
            finish: None,
            extended: false,
            overdue: 0,
            alarm: None,
            returned: 0,
            relapses: 0,
            law: None,
            alerts: alert.map(str::to_owned).into_iter().collect(),
            mover: first.author.clone(),
            history: Default::default(),
            steps: 0,
            weight: 0,
        };
        enter(&mut case, State::Open, rules, place.at);
        let grown = case.note(first);
        effects.push(told("case-opened", &case, vec![Role::Enterprise, Role::County]));
        effects.push(Effect::Changed(Box::new(case.clone())));
        let alarm = case.alarm;
        self.cases.insert(key, case);
        self.grow(grown);
        self.ring(alarm);
        Ok(())
    }

    fn go(
        &mut self,
        rules: &Rules,
        mn: &str,
        asked: &Asked,
        place: Place,
        effects: &mut Vec<Effect>,
    ) -> Result<(String, State), Refusal> {
        let full = self.bytes >= BYTES_MAX;
        let Some(case) = self.cases.get_mut(&(mn.to_owned(), asked.written.case.clone())) else {
            let (zh, en) = ("没有该案件", "there is no such case of this station");
            return Err(refusal("unknown-case", zh, en));
        };
        if let Some(before) = repeated(case, asked) {
            return before;
        }
        let to = allowed(case, asked, rules, place.at)?;
        if full && asked.written.step == Step::Comment {
            return Err(refusal(
                "too-many",
                "案件文字过多，暂不接受备注",
                "too much is said in cases: no comments for now",
            ));
        }
        let from = case.state;
        match asked.written.step {
            Step::Return => case.returned += 1,
            Step::Extend => {
                case.extended = true;
                case.finish = asked.planned;
                case.due = asked.planned;
                (case.overdue, case.alarm) = (0, asked.planned);
            }
            Step::ToLaw => {
                let since = case.law.as_ref().map_or(place.at, |law| law.since);
                case.law = Some(Law { since, number: asked.written.number.trim().to_owned() });
            }
            Step::Open
            | Step::Sign
            | Step::Reply
            | Step::Done
            | Step::Accept
            | Step::Void
            | Step::Close
            | Step::Comment => {}
        }
        if to != from {
            case.mover = asked.written.author.trim().to_owned();
            enter(case, to, rules, place.at);
        }
        let grown = case.note(taken(asked, from, to, place));
        if to == State::Closed {
            effects.push(told("case-closed", case, vec![Role::Enterprise, Role::County, Role::City]));
        }
        effects.push(Effect::Changed(Box::new(case.clone())));
        let alarm = case.alarm;
        self.grow(grown);
        self.ring(alarm);
        Ok((asked.written.case.clone(), to))
    }
}

struct New<'a> {
    id: String,
    mn: &'a str,
    outlet: &'a str,
    code: &'a str,
    colour: Colour,
}

fn earlier(one: Option<Timestamp>, other: Option<Timestamp>) -> Option<Timestamp> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

/// What became of the same step before, if it came before.
fn repeated(case: &Case, asked: &Asked) -> Option<Result<(String, State), Refusal>> {
    let before = case.history.iter().find(|taken| taken.id == asked.written.id && taken.role == Some(asked.role))?;
    if before.content == asked.content {
        return Some(Ok((case.id.clone(), before.to)));
    }
    let (zh, en) = ("该 id 已用于另一步骤，请换一个 id", "this id was used for another step: write a new one");
    Some(Err(refusal("id-used", zh, en)))
}

/// Where the step leads, if the table and the rules allow it.
fn allowed(case: &Case, asked: &Asked, rules: &Rules, at: Timestamp) -> Result<State, Refusal> {
    let (step, role) = (asked.written.step, asked.role);
    let to = next(step, role, case.state).map_err(|forbidden| match forbidden {
        Forbidden::Role => Refusal {
            code: "role".into(),
            zh: format!("{}不得执行“{}”", role.zh(), step.zh()),
            en: format!("{} is not for {}", step.name(), role.name()),
        },
        Forbidden::State => Refusal {
            code: "state".into(),
            zh: format!("案件处于“{}”，不能执行“{}”", case.state.zh(), step.zh()),
            en: format!("the case is {}: {} is not possible", case.state.name(), step.name()),
        },
    })?;
    if matches!(step, Step::Accept | Step::Close) && case.mover == asked.written.author.trim() {
        let (zh, en) = ("不得核定本人办理的事项", "nobody accepts what he did himself");
        return Err(refusal("own-step", zh, en));
    }
    if step == Step::Extend {
        if case.extended {
            return Err(refusal("extended", "只能延期一次", "more time is granted once"));
        }
        if asked.planned.is_none_or(|planned| planned <= at) {
            return Err(refusal("planned", "planned 须晚于现在", "planned must lie in the future"));
        }
    }
    if step == Step::Close {
        if role == Role::City && !rules.city_closes(case.colour) {
            return Err(refusal("role", "该颜色的案件由省级销号", "a case of this colour is closed by the province"));
        }
        if at.0.saturating_sub(case.since.0) < rules.watch() {
            return Err(refusal("too-early", "跟踪期未满", "the time in which the case is watched is not over"));
        }
        if case.law.as_ref().is_some_and(|law| law.number.is_empty()) {
            let (zh, en) =
                ("已移交立案，尚缺案号，不能销号", "handed over to law enforcement without the number of the file yet");
            return Err(refusal("number-missing", zh, en));
        }
    }
    Ok(to)
}

/// Brings the case to a state that begins at `at`.
fn enter(case: &mut Case, to: State, rules: &Rules, at: Timestamp) {
    case.state = to;
    case.since = at;
    case.overdue = 0;
    due_now(case, rules);
    if to.is_end() {
        case.alarm = Some(Timestamp(at.0.saturating_add(CLOSED_KEPT)));
    }
}

/// Sets what is due in the case's state.
fn due_now(case: &mut Case, rules: &Rules) {
    let said = rules.due(case.state, case.colour, case.since);
    let (mut due, clause, certainty) = match said {
        Some((due, clause, certainty)) => (Some(due), clause.to_owned(), certainty.to_owned()),
        None => (None, String::new(), String::new()),
    };
    match case.state {
        // The clock of what must be finished runs on when a case is returned.
        State::Replied => {
            case.finish = case.finish.or(due);
            due = case.finish;
        }
        State::Signed if case.finish.is_some() => due = case.finish,
        State::Open | State::Signed | State::Done | State::CountyOk | State::CityOk | State::Closed | State::Void => {}
    }
    (case.due, case.clause, case.certainty, case.alarm) = (due, clause, certainty, due);
}

fn taken(asked: &Asked, from: State, to: State, place: Place) -> Taken {
    let written = &asked.written;
    Taken {
        id: written.id.clone(),
        step: written.step,
        role: Some(asked.role),
        author: written.author.trim().to_owned(),
        from,
        to,
        at: place.at,
        offset: place.offset,
        text: Taken::told(&written.text),
        cause: Taken::told(&written.cause),
        files: written.files.clone(),
        marks: written.marks.clone(),
        content: asked.content,
    }
}

/// What the gateway does by itself.
fn own_step(step: Step, from: State, to: State, text: &str, place: Place) -> Taken {
    Taken {
        id: String::new(),
        step,
        role: None,
        author: String::new(),
        from,
        to,
        at: place.at,
        offset: place.offset,
        text: Taken::told(text),
        cause: String::new(),
        files: Vec::new(),
        marks: Vec::new(),
        content: [0; 32],
    }
}

fn told(what: &'static str, case: &Case, to: Vec<Role>) -> Effect {
    Effect::Told(Told {
        what,
        mn: case.mn.clone(),
        case: case.id.clone(),
        state: case.state,
        colour: case.colour,
        due: case.due,
        level: case.overdue,
        to,
    })
}
