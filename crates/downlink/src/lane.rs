//! One station's exchanges: one at a time, by priority, with the two time-outs of HJ 212-2017, 6.2.
//!
//! | phase | what comes | then |
//! |---|---|---|
//! | Recording | the step `sent` is durable | Asked: the bytes go out |
//! | Asked | 9011 QnRtn=1, or data | Accepted |
//! | Asked | another QnRtn | Ending: refused |
//! | Asked | answer time-out | Recording: the same QN again; after the last resend Ending: no-answer; of a new key Returned |
//! | Accepted | data | Accepted, time starts anew |
//! | Accepted | 9012 | Ending |
//! | Accepted | execution time-out | Ending: timed-out; nothing is sent again |
//! | any | the station shows that it did it (a new key, password or MN in use) | Shown: a last answer is waited for shortly, then Ending: done |
//! | Asked | the station of a new key comes back | Returned |
//! | Returned | a frame under the old key | Asked, and at once Recording |
//! | Returned | time | Ending: no-answer |
//! | Unsettled | a frame under the old key, or time | Ending as it would have ended |
//! | Ending | the step `ended` is durable | the next one |
//!
//! Of a password or an MN, a refusal or failure of a resend is Unsettled in the same way: a frame under the old one ends it so, one under the new
//! one as done; if none comes it ends as no-answer.
//!
//! A new key has two more ways, because its station may have taken it without a word of it arriving: an outcome that is not certain
//! (no answer, a refusal of a resend, silence after 9011) is Unsettled until a frame tells which key the station uses; and nothing is sent
//! again, nor the next new key, before a frame told that. Heartbeats and answers are not sealed and tell nothing.
//!
//! While history flows, an operator's command is carried out between its packets, if the station answers with our QN: the history stands
//! beside, its packets and its 9012 are taken as before, and its time runs.
//!
//! What must stay true: bytes go out only after their step is durable; a lost connection changes no phase, so that a result after a
//! reconnect is taken; while the station is away, or before the frame that brought it was looked at, nothing is sent; to a logger that
//! asks for its MN nothing but its MN is sent; a clock is never set to a time that was right earlier, or that is not believed; nothing at all is
//! sent with a date of which nothing is known; time-outs are of the steady clock.

use std::collections::BTreeSet;
use std::time::Duration;

use super::Address;
use super::clock::Clock;
use super::keys::KeyRing;
use super::moment::{self, DateTrust, Moment, Steady};
use super::settings::Settings;
use super::step::{Origin, Outcome, Step};
use super::table::{Order, SET_KEY};
use super::value::Content;
use hj212::write::Segment;
use hj212::{Edition, Fields, Header, PacketFlags, sm4, write};

/// Stands in a segment for the key that is given.
const KEY: &str = "KEY";
/// A step that took longer than this to become durable, by either clock, holds a time that is no longer right: the host's clock may have been
/// set meanwhile.
const COMPOSED_MAX: Duration = Duration::from_secs(5);
/// While the host's clock is doubted, what holds a time is looked at so often.
const DOUBT_WAIT: Duration = Duration::from_secs(5);
/// A QN that lies further ahead than this was made by a clock that was wrong for long: QNs go on with the date. Less than that ahead they go on
/// behind it, so that none is dealt twice where a clock was set back.
const QN_AHEAD_MAX: i64 = 24 * 3_600_000;
/// How long the answer is waited for when the station has shown that it did what it was told: who asked waits, and knows no more by it.
const SHOWN_WAIT: Duration = Duration::from_millis(500);

/// A request that waits or is carried out.
#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) id: String,
    pub(super) order: &'static Order,
    pub(super) content: Content,
    pub(super) new_mn: Option<String>,
    pub(super) origin: Origin,
    pub(super) author: String,
    pub(super) expires: Steady,
    /// What must be said to confirm it, and until when.
    pub(super) confirm: Option<(String, Steady)>,
    /// Whether the step that says so is on disk.
    pub(super) durable: bool,
    /// Whether its end has been said and is not yet durable.
    pub(super) ending: bool,
    /// Whether it was taken back.
    pub(super) cancelled: bool,
}

/// Where an exchange stands, and until when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// The step `sent`, made then, is on its way to the disk.
    Recording(Moment),
    /// 9011 is waited for until then.
    Asked(Steady),
    /// The station of a new key came back; a frame that tells which key it uses is waited for until then.
    Returned(Steady),
    /// Data or 9012 is waited for until then.
    Accepted(Steady),
    /// How it ended is not certain; a frame that tells is waited for until then.
    Unsettled(Steady, Outcome, Option<u16>),
    /// The station shows that it did it; its answer is waited for until then.
    Shown(Steady),
    /// The step `ended` is on its way to the disk.
    Ending,
}

#[derive(Debug)]
pub(super) struct Active {
    pub(super) exchange: Exchange,
    pub(super) qn: String,
    pub(super) segment: String,
    pub(super) count: u8,
    pub(super) phase: Phase,
    pub(super) packets: u64,
    /// Whether the station answers with our QN: then its answers to two commands can be told apart.
    pub(super) identified: bool,
    /// Whether a frame told, after all that was sent, that the station did not take the new key.
    pub(super) told: bool,
}

/// Whether the station can be spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Away,
    /// On this connection; the frame that brought it is not yet looked at.
    Arriving(u64),
    /// On this connection.
    Here(u64),
}

#[derive(Debug)]
pub(super) struct Lane {
    pub(super) address: Address,
    /// Whether the station is registered now; what waits for one that is not has ended.
    pub(super) registered: bool,
    pub(super) place: Place,
    /// The MN that the station has now, if it is there under another one than this.
    pub(super) now_under: Option<String>,
    /// The logger asks for its MN and knows none, or another one.
    pub(super) nameless: bool,
    pub(super) queue: Vec<Exchange>,
    pub(super) active: Option<Active>,
    /// A history that goes on while an operator's command is carried out between its packets.
    pub(super) beside: Option<Active>,
    pub(super) clock: Clock,
    pub(super) keys: KeyRing,
    /// The commands of first contact that were carried out, or are on their way.
    pub(super) contacted: BTreeSet<&'static str>,
    /// When the station was last given a key because it asked.
    pub(super) key_given: Option<Steady>,
    /// The key whose age was said.
    pub(super) key_due: Option<String>,
    /// Since when changes of the key in use are counted, how many were noted since, and which key the steps tell of.
    pub(super) used_noted: Option<(Steady, u32)>,
    pub(super) used_said: Option<String>,
    /// Whether another one is in use than they tell of.
    pub(super) used_waits: bool,
    /// Whether it was ever heard.
    pub(super) heard: bool,
    pub(super) heard_st: Option<String>,
    pub(super) heard_pw: Option<String>,
    /// Whether its Flag has the version bits of 2025.
    pub(super) heard_flag8: bool,
    pub(super) fields: Fields,
}

impl Lane {
    pub(super) fn new(address: Address) -> Lane {
        Lane {
            address,
            registered: true,
            place: Place::Away,
            now_under: None,
            nameless: false,
            queue: Vec::new(),
            active: None,
            beside: None,
            clock: Clock::default(),
            keys: KeyRing::default(),
            contacted: BTreeSet::new(),
            key_given: None,
            key_due: None,
            used_noted: None,
            used_said: None,
            used_waits: false,
            heard: false,
            heard_st: None,
            heard_pw: None,
            heard_flag8: false,
            fields: Fields::default(),
        }
    }

    /// The connection on which `order` may be sent now.
    fn way(&self, order: &Order) -> Option<u64> {
        // Keys, passwords and MNs are those of the MN that it has now.
        if self.now_under.is_some() && matches!(order.cn, 1002 | 1014 | 1072) {
            return None;
        }
        match self.place {
            Place::Here(connection) if self.registered && (!self.nameless || order.cn == 1002) => Some(connection),
            Place::Here(_) | Place::Arriving(_) | Place::Away => None,
        }
    }

    /// Begins the next exchange if none is under way and the station is there.
    pub(super) fn advance(&mut self, now: Moment, last_qn: &mut i64, out: &mut Vec<Step>) {
        if self.active.is_none() {
            self.active = self.beside.take();
        }
        let between = self.beside.is_none() && self.active.as_ref().is_some_and(Active::leaves_room);
        if self.active.is_some() && !between {
            return;
        }
        let ready = |e: &&Exchange| {
            e.durable
                && !e.ending
                && !e.cancelled
                && e.confirm.is_none()
                && e.expires > now.steady
                && self.way(e.order).is_some()
                && (e.order.cn != SET_KEY.cn || self.keys.unknown().is_none())
                && e.may_be_sent(now.trust)
                && (!between || e.origin == Origin::Operator && e.bound("BeginTime=").is_none())
        };
        // The first of the highest priority: the queue is in the order of arrival. A logger is given its MN before all else.
        let rank = |e: &Exchange| (e.order.cn != 1002 || e.origin == Origin::Operator, e.origin);
        let Some(first) = self.queue.iter().filter(ready).map(rank).min() else { return };
        let Some(at) = self.queue.iter().position(|e| rank(e) == first && ready(&e)) else { return };
        let exchange = self.queue.remove(at);
        *last_qn = next_qn(now, *last_qn);
        let qn = moment::qn(*last_qn);
        let segment = self.segment(&exchange, &qn, now);
        if exchange.sets_the_loggers_clock() {
            self.clock.noted(now.steady);
        }
        let phase = Phase::Recording(now);
        let active = Active { exchange, qn, segment, count: 1, phase, packets: 0, identified: false, told: false };
        if between {
            self.beside = self.active.take();
        }
        out.push(self.sent(&active));
        self.active = Some(active);
    }

    fn sent(&self, active: &Active) -> Step {
        Step::Sent {
            mn: self.address.mn.clone(),
            id: active.exchange.id.clone(),
            qn: active.qn.clone(),
            count: active.count,
            segment: active.segment.clone(),
        }
    }

    fn segment(&self, exchange: &Exchange, qn: &str, now: Moment) -> String {
        let area = exchange.content.written(&moment::system_time(now.wall));
        let st = exchange.order.st.or(self.address.st.as_deref()).or(self.heard_st.as_deref());
        let pw = self.password();
        let flag = match (self.address.flag, self.address.edition) {
            (Some(flag), _) => flag | 1,
            // As the examples of 2005 have it, although no packet numbers follow.
            (None, Edition::V2005) => 3,
            // The national surface water network has Flag 8 and 9 with the content of 2017.
            (None, Edition::V2017) if self.heard_flag8 => 9,
            (None, Edition::V2017) => 5,
            (None, Edition::V2025) => 9,
        };
        let segment = Segment {
            qn: Some(qn.as_bytes()),
            st: Some(st.unwrap_or("91").as_bytes()),
            cn: Some(exchange.order.cn),
            pw: Some(pw.unwrap_or_default().as_bytes()),
            mn: Some(exchange.new_mn.as_deref().or(self.now_under.as_deref()).unwrap_or(&self.address.mn).as_bytes()),
            flag: Some(PacketFlags(flag)),
            part: None,
            rf: false,
            cp: area.as_bytes(),
        };
        let mut out = Vec::new();
        segment.write(&mut out);
        String::from_utf8(out).unwrap_or_default()
    }

    /// The password that the station uses: the registered one, unless it was given another and shows it.
    pub(super) fn password(&self) -> Option<&str> {
        let (registered, heard) = (self.address.pw.as_deref(), self.heard_pw.as_deref());
        let given = |heard: &str| self.address.other_pws.iter().any(|other| other == heard);
        heard.filter(|heard| registered.is_none() || given(heard)).or(registered)
    }

    /// The step `sent` with this QN and count is durable: the bytes that go out now, if the station is still there. A step that holds the
    /// time and was long on its way is not sent but made anew.
    pub(super) fn sendable(
        &mut self,
        qn: &str,
        count: u8,
        now: Moment,
        settings: &Settings,
        out: &mut Vec<Step>,
    ) -> Option<(u64, Vec<u8>)> {
        let active = self.active.as_ref().filter(|active| active.qn == qn && active.count == count)?;
        let Phase::Recording(composed) = active.phase else { return None };
        if active.exchange.cancelled || !self.registered {
            // It ends instead, now that its step is in its place.
            self.active.as_mut()?.phase = Phase::Asked(now.steady);
            return None;
        }
        let stale = active.exchange.holds_a_time() && now.is_apart(composed, COMPOSED_MAX);
        if stale || !active.exchange.may_be_sent(now.trust) {
            return self.compose(now, out);
        }
        let way = self.way(active.exchange.order);
        let active = self.active.as_mut()?;
        active.phase = Phase::Asked(now.steady.after(settings.answer_timeout));
        let connection = way?;
        let mut bytes = Vec::with_capacity(active.segment.len() + 12);
        if active.exchange.order.cn != SET_KEY.cn {
            write::frame(&mut bytes, |out| out.extend_from_slice(active.segment.as_bytes()));
            return Some((connection, bytes));
        }
        // The new key travels under the one that both sides have (HJ 212-2025, 6.4.4).
        let (offered, _) = self.keys.created_at(active.exchange.key_created()?)?;
        let (_, under) = self.keys.sealing()?;
        let text = std::str::from_utf8(offered.bytes()).ok()?;
        let mut plain = active.segment.replace(&format!("NewSK={KEY}"), &format!("NewSK={text}")).into_bytes();
        let sealed = sm4::frame(&mut bytes, &plain, under);
        zeroize::Zeroize::zeroize(&mut plain);
        sealed.ok().map(|()| (connection, bytes))
    }

    /// Writes the segment of the exchange under way anew, with the time of now, and asks for its step; or ends what is too late.
    fn compose(&mut self, now: Moment, out: &mut Vec<Step>) -> Option<(u64, Vec<u8>)> {
        let active = self.active.as_ref()?;
        if active.exchange.holds_a_time() && active.exchange.expires <= now.steady {
            let sent_before = active.count > 1;
            self.end(if sent_before { Outcome::NoAnswer } else { Outcome::Expired }, None, out);
            return None;
        }
        if !active.exchange.may_be_sent(now.trust) {
            self.active.as_mut()?.phase = Phase::Asked(now.steady.after(DOUBT_WAIT));
            return None;
        }
        let mut segment = None;
        if active.exchange.holds_a_time() {
            segment = Some(self.segment(&active.exchange, &active.qn, now));
        }
        let active = self.active.as_mut()?;
        if let Some(segment) = segment {
            active.segment = segment;
        }
        active.phase = Phase::Recording(now);
        active.told = false;
        let sets_clock = active.exchange.sets_the_loggers_clock();
        if sets_clock {
            self.clock.noted(now.steady);
        }
        if let Some(active) = &self.active {
            out.push(self.sent(active));
        }
        None
    }

    /// Does the same for the history beside, as if it were the one under way.
    pub(super) fn of_beside<T>(&mut self, act: impl FnOnce(&mut Lane) -> T) -> Option<T> {
        self.beside.as_ref()?;
        std::mem::swap(&mut self.active, &mut self.beside);
        let done = act(self);
        std::mem::swap(&mut self.active, &mut self.beside);
        Some(done)
    }

    /// Those under way.
    pub(super) fn under_way(&mut self) -> impl Iterator<Item = &mut Active> {
        self.active.iter_mut().chain(self.beside.iter_mut())
    }

    /// Resends, time-outs and expiries that are due.
    pub(super) fn due(&mut self, now: Moment, settings: &Settings, out: &mut Vec<Step>) {
        self.note_used(now, out);
        self.due_of_active(now, settings, out);
        self.of_beside(|lane| lane.due_of_active(now, settings, out));
    }

    fn due_of_active(&mut self, now: Moment, settings: &Settings, out: &mut Vec<Step>) {
        let mn = self.address.mn.clone();
        let registered = self.registered;
        for waiting in self.queue.iter_mut().filter(|e| e.durable && !e.ending) {
            let outcome = match &waiting.confirm {
                _ if waiting.cancelled => Outcome::Withdrawn,
                _ if !registered => Outcome::Unregistered,
                Some((_, until)) if *until <= now.steady => Outcome::Unconfirmed,
                _ if waiting.expires <= now.steady => Outcome::Expired,
                _ => continue,
            };
            waiting.ending = true;
            out.push(Step::Ended { mn: mn.clone(), id: waiting.id.clone(), outcome, code: None, packets: 0 });
        }
        let Some(active) = &self.active else { return };
        let over = if active.exchange.cancelled {
            Some(Outcome::Cancelled)
        } else {
            (!registered).then_some(Outcome::Unregistered)
        };
        if let Some(outcome) = over {
            // What is on its way to the disk ends when it is there: the steps stay in their order.
            if !matches!(active.phase, Phase::Recording(_)) {
                self.end(outcome, None, out);
            }
            return;
        }
        let here = self.way(active.exchange.order).is_some();
        let late = active.exchange.expires <= now.steady;
        match active.phase {
            Phase::Asked(until) | Phase::Returned(until) if until > now.steady => {}
            Phase::Returned(_) if here || late => self.end(Outcome::NoAnswer, None, out),
            Phase::Asked(_) if active.is_a_key_to_be_told_of() && active.count <= settings.resends && !late => {
                let until = now.steady.after(settings.execution_timeout);
                self.active.iter_mut().for_each(|active| active.phase = Phase::Returned(until));
            }
            // What is not sent is no resend.
            Phase::Asked(_)
                if active.count <= settings.resends && here && !late && !active.exchange.may_be_sent(now.trust) =>
            {
                self.compose(now, out);
            }
            Phase::Asked(_)
                if active.count <= settings.resends && here && !(late && active.exchange.holds_a_time()) =>
            {
                if let Some(active) = self.active.as_mut() {
                    active.count += 1;
                }
                self.compose(now, out);
            }
            Phase::Returned(_) => {}
            Phase::Asked(_) if active.count <= settings.resends && !here && !late => {}
            Phase::Asked(_) => self.unsettle(Outcome::NoAnswer, None, now, settings, out),
            Phase::Accepted(until) if until > now.steady => {}
            Phase::Accepted(_) => self.unsettle(Outcome::TimedOut, None, now, settings, out),
            Phase::Unsettled(until, outcome, code) if until <= now.steady && (here || late) => {
                // Nobody knows whether it was made.
                let outcome = if active.may_have_changed_access() { Outcome::NoAnswer } else { outcome };
                self.end(outcome, code, out);
            }
            Phase::Shown(until) if until <= now.steady => self.end(Outcome::Done, None, out),
            Phase::Unsettled(..) | Phase::Shown(_) | Phase::Recording(_) | Phase::Ending => {}
        }
    }

    /// The next time at which [`Lane::due`] has something to do.
    pub(super) fn deadline(&self) -> Option<Steady> {
        let waiting = self.queue.iter().filter(|e| e.durable && !e.ending).map(|e| match &e.confirm {
            _ if e.cancelled || !self.registered => Steady(i64::MIN),
            Some((_, until)) => e.expires.min(*until),
            None => e.expires,
        });
        let active = self.active.iter().chain(&self.beside).filter_map(|a| {
            let here = self.way(a.exchange.order).is_some();
            match a.phase {
                Phase::Recording(_) | Phase::Ending => None,
                _ if a.exchange.cancelled || !self.registered => Some(Steady(i64::MIN)),
                Phase::Asked(until) | Phase::Returned(until) | Phase::Unsettled(until, ..) if !here => {
                    Some(until.max(a.exchange.expires))
                }
                Phase::Asked(until)
                | Phase::Returned(until)
                | Phase::Accepted(until)
                | Phase::Unsettled(until, ..)
                | Phase::Shown(until) => Some(until),
            }
        });
        waiting.chain(active).chain(self.used_deadline()).min()
    }

    /// It ends so; of a key that may have been taken all the same, not before a frame tells or nothing does for long.
    pub(super) fn unsettle(
        &mut self,
        outcome: Outcome,
        code: Option<u16>,
        now: Moment,
        settings: &Settings,
        out: &mut Vec<Step>,
    ) {
        let certain = matches!(outcome, Outcome::NoAnswer | Outcome::TimedOut);
        let open = |active: &&mut Active| {
            active.exchange.order.cn == SET_KEY.cn || active.may_have_changed_access() && !certain
        };
        match self.active.as_mut().filter(open) {
            Some(active) if active.phase != Phase::Ending => {
                active.phase = Phase::Unsettled(now.steady.after(settings.execution_timeout), outcome, code);
            }
            Some(_) => {}
            None => self.end(outcome, code, out),
        }
    }

    pub(super) fn end(&mut self, outcome: Outcome, code: Option<u16>, out: &mut Vec<Step>) {
        if let Some(active) = self.active.as_mut().filter(|active| active.phase != Phase::Ending) {
            active.phase = Phase::Ending;
            let (mn, id) = (self.address.mn.clone(), active.exchange.id.clone());
            out.push(Step::Ended { mn, id, outcome, code, packets: active.packets });
        }
    }

    /// The station is here again, on this connection; the frame that brought it is to be looked at. A key that it may have taken is not
    /// sent again before a frame tells which one it uses.
    pub(super) fn arrive(&mut self, connection: u64, now: Moment, settings: &Settings) {
        self.place = Place::Arriving(connection);
        let Some(active) = self.active.as_mut().filter(|active| active.exchange.order.cn == SET_KEY.cn) else { return };
        let until = now.steady.after(settings.execution_timeout);
        match active.phase {
            Phase::Asked(_) | Phase::Returned(_) => active.phase = Phase::Returned(until),
            Phase::Unsettled(_, outcome, code) => active.phase = Phase::Unsettled(until, outcome, code),
            Phase::Recording(_) | Phase::Accepted(_) | Phase::Shown(_) | Phase::Ending => {}
        }
    }

    /// The frame that brought the station was looked at.
    pub(super) fn arrived(&mut self) {
        if let Place::Arriving(connection) = self.place {
            self.place = Place::Here(connection);
        }
    }

    /// The station shows that it did what it was told last: it uses the new key, password or MN.
    pub(super) fn shown(&mut self, now: Moment) {
        if let Some(active) = &mut self.active
            && !matches!(active.phase, Phase::Ending | Phase::Shown(_))
        {
            active.phase = Phase::Shown(now.steady.after(SHOWN_WAIT));
        }
    }

    /// A frame of now was sealed with another key than the one that is being given.
    pub(super) fn other_key_heard(&mut self, now: Moment, out: &mut Vec<Step>) {
        let Some(active) = self.active.as_mut().filter(|active| active.exchange.order.cn == SET_KEY.cn) else { return };
        match active.phase {
            Phase::Unsettled(_, outcome, code) => {
                active.told = true;
                self.end(outcome, code, out);
            }
            // It is there without the new key: it can be given once more.
            Phase::Returned(_) => {
                active.told = true;
                active.phase = Phase::Asked(now.steady);
            }
            Phase::Asked(_) | Phase::Recording(_) | Phase::Accepted(_) | Phase::Shown(_) | Phase::Ending => {}
        }
    }

    /// Whether the exchange under way gives the key that was created then.
    pub(super) fn gives_key(&self, created: &str) -> bool {
        self.active.as_ref().and_then(|active| active.exchange.key_created()) == Some(created)
    }

    /// ST and PW as the station writes them, for where none is registered; whether that is new.
    pub(super) fn learn(&mut self, header: &Header<'_>) -> bool {
        let mut new = !std::mem::replace(&mut self.heard, true);
        if header.st != Some(b"91") && !matches!(header.cn, Some(9011..=9014)) {
            // Records of electricity and production (HJ 212-2025) are beside the station's own: data are asked for with the ST of what it measures.
            if !matches!(header.st, Some(b"44" | b"45")) || self.heard_st.is_none() {
                new |= keep(&mut self.heard_st, header.st.filter(|_| speaks_of_itself(header.cn)));
            }
            let flag8 = header.flag.and_then(|flag| flag.edition()) == Some(Edition::V2025);
            new |= std::mem::replace(&mut self.heard_flag8, flag8) != flag8;
        }
        keep(&mut self.heard_pw, header.pw) || new
    }
}

impl Active {
    /// Whether it gives a key that went out, and no frame has told yet that the station does not have it.
    fn is_a_key_to_be_told_of(&self) -> bool {
        self.exchange.order.cn == SET_KEY.cn && !self.told
    }

    /// Whether it gives another password or MN and was sent more than once: the station may have taken the first packet and refused the next
    /// one, which says what it has no more.
    pub(super) fn may_have_changed_access(&self) -> bool {
        self.count > 1 && (self.exchange.new_password().is_some() || self.exchange.new_mn.is_some())
    }

    /// Whether an operator's command may be given between its packets: history flows, and the station says what it answers to.
    fn leaves_room(&self) -> bool {
        let history = self.exchange.bound("BeginTime=").is_some();
        history && self.identified && matches!(self.phase, Phase::Accepted(_)) && !self.exchange.cancelled
    }
}

impl Exchange {
    /// What stands behind `name` in its area.
    pub(super) fn bound(&self, name: &str) -> Option<&str> {
        self.content.text().split(['&', ';', ',']).find_map(|field| field.strip_prefix(name))
    }

    /// Whether it holds a time that is wrong soon.
    pub(super) fn holds_a_time(&self) -> bool {
        !matches!(self.content, Content::Fixed(_))
    }

    /// Whether it may be sent at a moment whose date is trusted so far: a clock is set by a date that is right alone, and every command has a
    /// QN, which is a date.
    pub(super) fn may_be_sent(&self, trust: DateTrust) -> bool {
        match trust {
            DateTrust::Right => true,
            DateTrust::Doubted => !self.holds_a_time(),
            DateTrust::Unknown => false,
        }
    }

    /// Whether the request gave that time.
    pub(super) fn holds_a_given_time(&self) -> bool {
        matches!(self.content, Content::TimeGiven(_))
    }

    /// Whether it sets the logger's own clock, not an instrument's.
    pub(super) fn sets_the_loggers_clock(&self) -> bool {
        self.order.cn == 1012 && !self.content.text().starts_with("PolId=")
    }

    /// When the key that it gives was created.
    pub(super) fn key_created(&self) -> Option<&str> {
        let text = Some(self.content.text()).filter(|_| self.order.cn == SET_KEY.cn)?;
        text.strip_prefix("SKCreateTime=")?.split(',').next()
    }

    /// The password that it gives.
    pub(super) fn new_password(&self) -> Option<&str> {
        let text = Some(self.content.text()).filter(|_| self.order.cn == 1072)?;
        text.strip_prefix("NewPW=").or_else(|| text.strip_prefix("PW="))
    }
}

/// The QN behind `last`, in milliseconds. Only a date that is right leads back from one that was wrong.
fn next_qn(now: Moment, last: i64) -> i64 {
    let date = moment::of(now.wall);
    let astray = now.trust == DateTrust::Right && last.saturating_sub(date) > QN_AHEAD_MAX;
    if astray { date } else { date.max(last.saturating_add(1)) }
}

/// Whether the ST of a frame is that of what the station measures: records of data and of the state of the instruments have it.
const fn speaks_of_itself(cn: Option<u16>) -> bool {
    matches!(cn, Some(2000..=2999))
}

/// Takes over what is said, if it is something and something else than before; whether it is.
fn keep(kept: &mut Option<String>, said: Option<&[u8]>) -> bool {
    let short = said.filter(|said| (1..=24).contains(&said.len()));
    let Some(said) = short.and_then(|said| std::str::from_utf8(said).ok()) else { return false };
    let new = kept.as_deref() != Some(said);
    if new {
        *kept = Some(said.to_owned());
    }
    new
}

/// The area of 1014 (HJ 212-2025, C.8), without the key itself.
pub(super) fn key_area(created: &str) -> String {
    format!("SKCreateTime={created},NewSK={KEY}")
}
