//! Requests: taken, confirmed, taken back, refused.
//!
//! What must stay true: what is refused reaches no station, leaves one record, and is said with its reason under the whole id that it was
//! given; an id is used once for a station; whoever confirms is somebody else than who asked, by name and by role;
//! no author looks vouched for whom no role vouches for; no request has an id that the gateway may give itself.

use std::time::Duration;

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::{Desk, Effect};
use crate::Address;
use crate::lane::Exchange;
use crate::moment::{DateTrust, Moment, later};
use crate::refusal::{About, Fault, Refusal};
use crate::request::{Ask, Request, VOUCHES, is_id, is_own_id};
use crate::step::{Origin, Step};
use crate::table::{self, Kind, Order, SET_KEY};
use crate::value::{self, Content};
use hj212::Edition;
use hj212_model::message::Timestamp;
use hj212_model::names;

/// Of an id that is longer only this much is kept, and it has no status.
const ID_SHOWN_MAX: usize = 256;

/// The commands of first contact in the order of HJ 212-2017, 6.7; the MN that a logger is given is before all of them.
const FIRST_CONTACT: [&str; 8] = [
    "set-time",
    "set-timeouts",
    "set-realtime-interval",
    "set-minute-interval",
    "start-realtime",
    "stop-realtime",
    "start-state",
    "stop-state",
];

/// What is wanted, before its parameters are read.
struct Want {
    id: String,
    order: &'static Order,
    origin: Origin,
    author: String,
    why: String,
    expires: Timestamp,
}

impl Desk {
    /// A request to the station whose address is `None` if it is not registered. The effects hold the refusal's audit step too.
    pub fn submit(
        &mut self,
        ask: &Ask<'_>,
        address: Option<&Address>,
        now: Moment,
    ) -> (Result<(), Refusal>, Vec<Effect>) {
        let request = Request::of(ask);
        let author = said_author(ask);
        match request.and_then(|request| self.take(ask, request, address, now)) {
            Ok(step) => (Ok(()), self.record(vec![step])),
            Err(fault) => (Err(fault.reason), self.refused(ask, author, fault)),
        }
    }

    /// Whether the request `id` of a station that is connected here or not is another gateway's: see [`crate::Settings::only_connected`].
    #[must_use]
    pub fn is_for_others(&self, mn: &str, id: &str, connected: bool) -> bool {
        self.settings.only_connected && !connected && !self.used.contains(&(mn.to_owned(), id.to_owned()))
    }

    /// Refuses a request for a reason that the caller knows. The effects hold its audit step.
    pub fn refuse(&mut self, ask: &Ask<'_>, reason: Refusal) -> Vec<Effect> {
        self.refused(ask, said_author(ask), reason.into())
    }

    pub(super) fn refused(&mut self, ask: &Ask<'_>, author: String, fault: Fault) -> Vec<Effect> {
        self.tally.refused += 1;
        let bounded = |text: &str, max: usize| text.chars().take(max).collect::<String>();
        let sha256 = Sha256::digest(ask.published).iter().map(|byte| format!("{byte:02x}")).collect();
        let whole = ask.id.len() <= ID_SHOWN_MAX && ask.mn.len() <= ID_SHOWN_MAX;
        let (mn, id) = (bounded(ask.mn, ID_SHOWN_MAX), bounded(ask.id, ID_SHOWN_MAX));
        let shown = whole && !self.used.contains(&(mn.clone(), id.clone()));
        let (author, reason) = (signed(ask, author), fault.reason.code().to_owned());
        let (length, about) = (ask.published.len(), fault.about);
        self.record(vec![Step::Refused { mn, id, reason, author, length, sha256, shown, about }])
    }

    /// Whether the configuration allows `command` to who asks.
    pub(super) fn allowed(&self, ask: &Ask<'_>, command: &str, author: &str) -> Result<(), Refusal> {
        if self.settings.allows(ask.mn, command, author, ask.role) {
            return Ok(());
        }
        Err(self.forbidden(ask))
    }

    /// Why no rule fits.
    fn forbidden(&self, ask: &Ask<'_>) -> Refusal {
        match ask.role {
            Some(role) if !self.settings.knows_role(role) => Refusal::RoleUnknown,
            Some(_) => Refusal::RoleForbidden,
            None => Refusal::NotAllowed,
        }
    }

    fn take(&mut self, ask: &Ask<'_>, request: Request, address: Option<&Address>, now: Moment) -> Result<Step, Fault> {
        if !is_id(ask.id) {
            return Err(Refusal::IdForm.into());
        }
        let address = address.filter(|address| address.mn == ask.mn).ok_or(Refusal::StationUnknown)?;
        if ask.role.is_some_and(|role| !self.settings.knows_role(role)) {
            return Err(Refusal::RoleUnknown.into());
        }
        if request.cancel {
            return Ok(self.cancel(ask, request)?);
        }
        let Some(name) = request.command.as_deref() else {
            return self.confirm(ask, &request, now);
        };
        if is_own_id(ask.id) {
            return Err(Refusal::IdReserved.into());
        }
        if !table::is_known(name) {
            return Err(Refusal::CommandUnknown.into());
        }
        let order = table::find(name, address.edition).ok_or_else(|| edition_lacks(name, address.edition))?;
        self.allowed(ask, name, &request.author)?;
        if self.used.contains(&(ask.mn.to_owned(), ask.id.to_owned())) {
            return Err(Refusal::IdUsed.into());
        }
        if ask.mn_taken && order.cn == 1002 {
            return Err(Refusal::MnTaken.into());
        }
        let secret = order.parameters.iter().find(|parameter| parameter.kind == Kind::Password);
        if let Some(secret) = secret.filter(|_| !ask.hidden && !self.settings.plain_secrets) {
            return Err(secret_plain(secret.name));
        }
        let want = Want {
            id: ask.id.to_owned(),
            order,
            origin: Origin::Operator,
            expires: request.until(ask, (self.settings.expiry, self.settings.dated), now)?,
            author: signed(ask, request.author),
            why: request.why,
        };
        self.queue(address, want, &request.parameters, now)
    }

    fn confirm(&mut self, ask: &Ask<'_>, request: &Request, now: Moment) -> Result<Step, Fault> {
        let (by_other, forbidden) = (self.settings.confirm_by_other, self.forbidden(ask));
        request.until(ask, (self.settings.expiry, self.settings.dated), now)?;
        let mut lane = self.lanes.hold(ask.mn).ok_or(Refusal::NothingToConfirm)?;
        let ready = |e: &&mut Exchange| e.id == ask.id && e.durable && !e.ending && !e.cancelled;
        let waiting = lane.queue.iter_mut().find(ready).ok_or(Refusal::NothingToConfirm)?;
        let (token, until) = waiting.confirm.as_ref().ok_or(Refusal::NothingToConfirm)?;
        if *until <= now.steady {
            return Err(Refusal::NothingToConfirm.into());
        }
        if request.confirm.as_ref() != Some(token) {
            return Err(Refusal::ConfirmToken.into());
        }
        let (asked_role, asked_name) = apart(&waiting.author);
        if by_other && is_same_name(asked_name, &request.author) {
            return Err(Refusal::ConfirmAuthor.into());
        }
        if !self.settings.allows(ask.mn, waiting.order.name, &request.author, ask.role) {
            return Err(forbidden.into());
        }
        // A role stands for a broker's account: two names that one account writes are one person, and without a role nobody vouches for who
        // writes.
        if by_other && asked_role.is_some() && (ask.role.is_none() || asked_role == ask.role) {
            return Err(Refusal::RoleSame.into());
        }
        (waiting.confirm, waiting.durable) = (None, false);
        let author = signed(ask, request.author.clone());
        Ok(Step::Confirmed { mn: ask.mn.to_owned(), id: ask.id.to_owned(), author })
    }

    fn cancel(&mut self, ask: &Ask<'_>, request: Request) -> Result<Step, Refusal> {
        let lane = self.lanes.get(ask.mn).ok_or(Refusal::NothingToCancel)?;
        let active = lane.active.iter().chain(&lane.beside).map(|active| &active.exchange);
        let open = lane.queue.iter().chain(active).find(|e| e.id == ask.id && !e.ending && !e.cancelled);
        let open = open.ok_or(Refusal::NothingToCancel)?;
        self.allowed(ask, open.order.name, &request.author)?;
        let (mn, id, author) = (ask.mn.to_owned(), ask.id.to_owned(), signed(ask, request.author));
        Ok(Step::Cancel { mn, id, author, why: request.why })
    }

    /// A command of the gateway itself, as recall gives them; the allow-list does not concern it.
    pub fn want(
        &mut self,
        address: &Address,
        id: &str,
        command: &str,
        parameters: &Map<String, Value>,
        origin: Origin,
        now: Moment,
    ) -> (Result<(), Refusal>, Vec<Effect>) {
        let order = table::find(command, address.edition).filter(|order| order.cn != SET_KEY.cn);
        let taken = order.ok_or(Fault::from(Refusal::EditionLacks)).and_then(|order| {
            if !is_id(id) {
                return Err(Refusal::IdForm.into());
            }
            if self.used.contains(&(address.mn.clone(), id.to_owned())) {
                return Err(Refusal::IdUsed.into());
            }
            let (author, why, expires) = ("gateway".to_owned(), String::new(), later(now.wall, self.settings.expiry));
            self.queue(address, Want { id: id.to_owned(), order, origin, author, why, expires }, parameters, now)
        });
        match taken {
            Ok(step) => (Ok(()), self.record(vec![step])),
            Err(fault) => (Err(fault.reason), Vec::new()),
        }
    }

    fn queue(
        &mut self,
        address: &Address,
        want: Want,
        parameters: &Map<String, Value>,
        now: Moment,
    ) -> Result<Step, Fault> {
        let area = value::area(want.order, parameters)?;
        // What the gateway wants by itself was allowed in the configuration.
        let by_hand = want.origin == Origin::Operator && want.order.is_control();
        let confirm = by_hand.then(|| token(&address.mn, &want.id, &area.text, now.wall));
        // A time that the request gives is the time of now, however long the request was on its way: later it would set the clock wrong.
        let settings = super::of(&self.settings, &self.policies, address);
        let given = Content::read(want.order, &area.text).given_time();
        if given.is_some() && now.trust != DateTrust::Right {
            return Err(Refusal::ClockDoubted.into());
        }
        let soon = given.map(|at| later(at, settings.clock.drift.max(Duration::from_secs(1))));
        if soon.is_some_and(|soon| soon <= now.wall)
            || given.is_some_and(|at| at > later(now.wall, settings.clock.drift))
        {
            let minutes = settings.clock.drift.as_secs();
            let must = (
                format!("与现在相差不超过 {minutes} 秒的时间;不写则为发送时的时间"),
                format!("a time within {minutes} s of now; left out, it is the time of sending"),
            );
            let about = About::new("SystemTime", parameters.get("SystemTime"), must);
            return Err(Fault { reason: Refusal::ParameterValue, about: Some(about) });
        }
        let step = Step::Queued {
            mn: address.mn.clone(),
            id: want.id,
            command: want.order.name.to_owned(),
            cn: want.order.cn,
            edition: address.edition,
            area: area.text,
            new_mn: area.new_mn,
            origin: want.origin,
            author: want.author,
            why: want.why,
            expires: soon.map_or(want.expires, |soon| want.expires.min(soon)),
            confirm,
        };
        let queue_max = self.settings.queue_max;
        if self.lane(address).queue.len() >= queue_max {
            return Err(Refusal::QueueFull.into());
        }
        self.enter(&step, now.wall, now);
        Ok(step)
    }

    /// Puts a queued step of the time `at` into its lane.
    pub(super) fn enter(&mut self, step: &Step, at: Timestamp, now: Moment) {
        let Step::Queued { mn, id, command, edition, area, new_mn, origin, author, expires, confirm, .. } = step else {
            return;
        };
        let (Some(order), Some(mut lane)) = (table::find(command, *edition), self.lanes.hold(mn)) else { return };
        let until = now.steady_at(later(at, self.settings.confirm_within));
        if *origin == Origin::FirstContact {
            lane.contacted.insert(order.name);
        }
        // Of first contact what the standard has first (HJ 212-2017, 6.7) is first, also what could not be made when the station came before.
        let rank = |name: &str| FIRST_CONTACT.iter().position(|known| *known == name);
        let first = *origin == Origin::FirstContact;
        let behind = |e: &Exchange| e.origin == Origin::FirstContact && rank(e.order.name) > rank(order.name);
        let place = lane.queue.iter().position(behind).filter(|_| first).unwrap_or(lane.queue.len());
        lane.queue.insert(
            place,
            Exchange {
                id: id.clone(),
                order,
                content: Content::read(order, area),
                new_mn: new_mn.clone(),
                origin: *origin,
                author: author.clone(),
                expires: now.steady_at(*expires),
                confirm: confirm.clone().map(|token| (token, until)),
                durable: false,
                ending: false,
                cancelled: false,
            },
        );
        if let Some(new) = new_mn {
            self.renamed.insert(new.clone(), mn.clone());
        }
        let key = (mn.clone(), id.clone());
        if self.used.insert(key.clone()) {
            self.used_order.push_back(key);
        }
        while self.used_order.len() > self.settings.ids_max {
            if let Some(old) = self.used_order.pop_front() {
                self.used.remove(&old);
            }
        }
    }
}

fn edition_lacks(name: &str, edition: Edition) -> Fault {
    let year = edition.year();
    let must = (format!("{year} 版标准中的命令"), format!("a command that edition {year} has"));
    Fault { reason: Refusal::EditionLacks, about: Some(About::new("command", Some(&Value::from(name)), must)) }
}

/// A secret in clear; it is not shown again.
pub(super) fn secret_plain(parameter: &str) -> Fault {
    let zh = r#"{"sealed": "…"}(hj212-gateway seal 的输出)或 {"file": "文件名"}"#;
    let en = r#"{"sealed": "…"} as hj212-gateway seal prints it, or {"file": "NAME"}"#;
    let about = About::new(parameter, None, (zh.to_owned(), en.to_owned()));
    Fault { reason: Refusal::SecretPlain, about: Some(about) }
}

/// The author with the role that the broker vouches for, as it stands in the journal.
pub(super) fn signed(ask: &Ask<'_>, author: String) -> String {
    match ask.role {
        Some(role) => format!("{author}@{role}"),
        None => author,
    }
}

/// The author that a request names, for its refusal. One that looks vouched for and is not is written so that it does not.
pub(super) fn said_author(ask: &Ask<'_>) -> String {
    let author = Request::read(ask.body).map(|request| request.author).unwrap_or_default();
    if ask.role.is_none() { author.replace(VOUCHES, "(at)") } else { author }
}

/// Role and name of a signed author.
fn apart(author: &str) -> (Option<&str>, &str) {
    author.rsplit_once('@').map_or((None, author), |(name, role)| (Some(role), name))
}

/// Whether two names are one person's: `li` and `Li` are, wherever somebody else is wanted. A rule of the configuration names its authors to the
/// letter.
fn is_same_name(one: &str, other: &str) -> bool {
    names::folded(one) == names::folded(other)
}

/// What must be said to confirm: it differs with what is confirmed, and is no secret.
pub(super) fn token(mn: &str, id: &str, area: &str, now: Timestamp) -> String {
    let digest = Sha256::digest(format!("{mn}\n{id}\n{area}\n{}", now.0));
    digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect()
}
