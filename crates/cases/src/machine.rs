//! All cases: steps, alerts and time go in, effects come out.
//!
//! What must stay true: an effect is given for everything that changed, and nothing changes without one; what is refused changes nothing. A factor of
//! a station has one open case; no case takes the place of another.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::allowed::{OfStation, allowed};
use super::case::{Case, Law, Taken};
use super::deadline;
use super::rules::Rules;
use super::step::{Asked, Refusal, is_id, read, refusal};
use super::table::{Colour, OPENERS, Role, State, Step};
use super::{BYTES_MAX, CASES_MAX, OPEN_MAX};
use hj212_model::message::Timestamp;
use hj212_model::names;

/// Alerts that one case names, at most: the newest.
const ALERTS_MAX: usize = 16;
/// Exceeded days that one case names, at most: the newest. Judgement remembers fewer.
const DAYS_MAX: usize = 64;
/// An id of an alert's case leaves room for the number of a further one.
const NUMBER_ROOM: usize = 6;
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

/// What a settled alert asks for: a case of its station and factor, opened or made worse. What calls it is the judgement of a day.
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
    /// Its colour, by its settled days.
    pub colour: Colour,
    /// Its settled exceeded days, `2026-06-01`.
    pub days: &'a [String],
    /// What it says, for people.
    pub text: &'a str,
}

/// A day that was settled, or revised, as exceeded, whatever alert it makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exceeded<'a> {
    /// The station.
    pub mn: &'a str,
    /// The factor.
    pub code: &'a str,
    /// The day, `2026-06-01`.
    pub day: &'a str,
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
    /// The factor that it is about.
    pub code: String,
    /// Whether an alert has a part in it.
    pub of_alerts: bool,
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

    /// Takes the step `id` that came for `mn` in the name of `role`. `station`: what is known of it.
    pub fn step(
        &mut self,
        rules: &Rules,
        station: OfStation<'_>,
        (mn, role, id, json): (&str, &str, &str, &[u8]),
        place: Place,
    ) -> Done {
        let mut effects = Vec::new();
        let mut leads = None;
        let taken = read(role, id, json).and_then(|asked| {
            if !station.registered {
                let (zh, en) = ("站点未登记", "the station is not registered");
                return Err(refusal("unknown-station", zh, en));
            }
            let taken = match asked.written.step {
                Step::Open => self.open_by_hand(rules, (mn, station), &asked, place, &mut effects),
                Step::Sign
                | Step::Reply
                | Step::Done
                | Step::Accept
                | Step::Return
                | Step::Extend
                | Step::Void
                | Step::ToLaw
                | Step::Close
                | Step::Comment => self.go(rules, (mn, station), &asked, place, &mut effects),
            }?;
            let written = asked.written;
            leads = Some(LeadsNamed { case: written.case, step: written.step, leads: written.leads });
            Ok(taken)
        });
        let leads = leads.filter(|named| !named.leads.is_empty());
        Done { answer: Answer { id: id.to_owned(), taken }, effects, leads }
    }

    /// Opens a case for an alert, or makes the open one of its factor worse. What an ended case was about opens no other.
    pub fn alerted(&mut self, rules: &Rules, opening: &Opening<'_>, place: Place) -> Result<Vec<Effect>, Refusal> {
        let mut effects = Vec::new();
        let key = (opening.mn, opening.code);
        if let Some(case) = open_of(&mut self.cases, key) {
            let more =
                More { alert: Some(opening.alert), colour: opening.colour, days: opening.days, text: opening.text };
            let grown = join(case, rules, &more, place, &mut effects);
            let alarm = case.alarm;
            self.grow(grown);
            self.ring(alarm);
            return Ok(effects);
        }
        let of_alert = |case: &&Case| {
            (case.mn.as_str(), case.code.as_str()) == key && case.alerts.iter().any(|alert| alert == opening.alert)
        };
        let before = self.cases.values().filter(of_alert).max_by_key(|case| (case.opened, case.since));
        if before
            .is_some_and(|case| opening.colour <= case.colour && opening.days.iter().all(|day| case.days.contains(day)))
        {
            return Ok(effects);
        }
        let before = before.map(|case| case.id.clone());
        let id = self.free_id(opening, place);
        let new = New { id, mn: opening.mn, outlet: opening.outlet, code: opening.code, colour: opening.colour };
        let taken = own_step(Step::Open, State::Open, State::Open, opening.text, place);
        let of = OfAlert { id: opening.alert, days: opening.days, before };
        self.open(rules, new, Some(of), taken, place, &mut effects)?;
        Ok(effects)
    }

    /// A day was settled as exceeded: the open case of its factor goes back if it was accepted already, and names the day.
    pub fn exceeded(&mut self, rules: &Rules, told: &Exceeded<'_>, place: Place) -> Vec<Effect> {
        let mut effects = Vec::new();
        let Some(case) = open_of(&mut self.cases, (told.mn, told.code)) else { return effects };
        let days = [told.day.to_owned()];
        let more = More { alert: None, colour: case.colour, days: &days, text: told.text };
        let grown = join(case, rules, &more, place, &mut effects);
        let alarm = case.alarm;
        self.grow(grown);
        self.ring(alarm);
        effects
    }

    /// An id of the case of an alert that no case has: `C-` and the alert's, then `…-2`.
    fn free_id(&self, opening: &Opening<'_>, place: Place) -> String {
        let plain = format!("C-{}", opening.alert);
        let fits = is_id(&plain) && is_id(&format!("{plain}{}", "0".repeat(NUMBER_ROOM)));
        let plain = if fits { plain } else { format!("C-{}", place.offset) };
        let further = (2..).map(|number: u32| format!("{plain}-{number}"));
        let mut ids = std::iter::once(plain.clone()).chain(further);
        ids.find(|id| self.get(opening.mn, id).is_none()).unwrap_or(plain)
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
        (mn, station): (&str, OfStation<'_>),
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
        if !(station.knows)(&written.code) {
            return Err(Refusal {
                code: "code-unknown".into(),
                zh: format!("{} 不是因子字典或本站限值中的编码", written.code),
                en: format!("{} is no code of a dictionary, and no limit of the station is of it", written.code),
            });
        }
        if let Some(open) = open_of(&mut self.cases, (mn, &written.code)) {
            return Err(Refusal {
                code: "open-case".into(),
                zh: format!("该因子已有未结案件 {}，请在该案件中办理", open.id),
                en: format!("the factor has the open case {}: go on there", open.id),
            });
        }
        let outlet = Some(written.outlet.trim()).filter(|outlet| !outlet.is_empty()).unwrap_or(station.outlet);
        let new = New { id: written.case.clone(), mn, outlet, code: &written.code, colour };
        let taken = taken(asked, State::Open, State::Open, place);
        self.open(rules, new, None, taken, place, effects)?;
        Ok((written.case.clone(), State::Open))
    }

    fn open(
        &mut self,
        rules: &Rules,
        new: New<'_>,
        alert: Option<OfAlert<'_>>,
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
        let (alerts, days, before) = alert.map_or_else(Default::default, |alert| {
            (vec![alert.id.to_owned()], newest(alert.days.to_vec(), DAYS_MAX), alert.before)
        });
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
            finish: None,
            extended: false,
            overdue: 0,
            alarm: None,
            returned: 0,
            relapses: 0,
            law: None,
            alerts,
            days,
            before,
            movers: Vec::new(),
            history: Default::default(),
            steps: 0,
            weight: 0,
        };
        deadline::enter(&mut case, State::Open, rules, place.at);
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
        (mn, station): (&str, OfStation<'_>),
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
        let to = allowed(case, asked, rules, station, place.at)?;
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
                if let Some(planned) = asked.planned {
                    deadline::extend(case, planned);
                }
            }
            Step::ToLaw => {
                let number = asked.written.number.trim();
                let law = case.law.get_or_insert_with(|| Law { since: place.at, number: String::new(), by: None });
                if !number.is_empty() && number != law.number {
                    (law.number, law.by) = (number.to_owned(), Some(asked.role));
                }
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
            if asked.written.step == Step::Return {
                case.movers.clear();
            } else {
                case.movers.push(names::folded(&asked.written.author));
            }
            deadline::enter(case, to, rules, place.at);
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

/// The alert that a case is opened for.
struct OfAlert<'a> {
    id: &'a str,
    days: &'a [String],
    /// The case before, of the same alert.
    before: Option<String>,
}

/// What an open case is told.
struct More<'a> {
    alert: Option<&'a str>,
    colour: Colour,
    days: &'a [String],
    text: &'a str,
}

/// The open case of a factor of a station: there is one at most.
fn open_of<'c>(cases: &'c mut BTreeMap<(String, String), Case>, (mn, code): (&str, &str)) -> Option<&'c mut Case> {
    let of_station = cases.range_mut((mn.to_owned(), String::new())..).take_while(|((of, _), _)| of == mn);
    of_station.map(|(_, case)| case).find(|case| case.code == code && !case.state.is_end())
}

/// The last `most` of these in order.
fn newest(mut of: Vec<String>, most: usize) -> Vec<String> {
    of.drain(..of.len().saturating_sub(most));
    of
}

/// Tells an open case of an alert or a day; gives the bytes that it has grown by. What it knows already changes nothing.
fn join(case: &mut Case, rules: &Rules, more: &More<'_>, place: Place, effects: &mut Vec<Effect>) -> i64 {
    let alert = more.alert.filter(|alert| !case.alerts.iter().any(|known| known == alert));
    let days: Vec<String> = more.days.iter().filter(|day| !case.days.contains(day)).cloned().collect();
    let worse = more.colour > case.colour;
    if alert.is_none() && days.is_empty() && !worse {
        return 0;
    }
    case.alerts.extend(alert.map(str::to_owned));
    case.alerts = newest(std::mem::take(&mut case.alerts), ALERTS_MAX);
    case.days.extend(days);
    case.days.sort();
    case.days = newest(std::mem::take(&mut case.days), DAYS_MAX);
    case.colour = case.colour.max(more.colour);
    let (from, relapsed) = (case.state, matches!(case.state, State::CountyOk | State::CityOk));
    if relapsed {
        case.relapses += 1;
        case.movers.clear();
        // What was accepted is another matter: the clock of what must be finished begins anew.
        case.finish = None;
        deadline::enter(case, State::Signed, rules, place.at);
    } else if worse {
        deadline::raise(case, rules, place.at);
    }
    let step = if relapsed { Step::Return } else { Step::Comment };
    let grown = case.note(own_step(step, from, case.state, more.text, place));
    if relapsed {
        effects.push(told("case-relapsed", case, case.told_to()));
    }
    effects.push(Effect::Changed(Box::new(case.clone())));
    grown
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
        number: written.number.trim().to_owned(),
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
        number: String::new(),
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
        code: case.code.clone(),
        of_alerts: !case.alerts.is_empty(),
        state: case.state,
        colour: case.colour,
        due: case.due.as_ref().map(|due| due.at),
        level: case.overdue,
        to,
    })
}
