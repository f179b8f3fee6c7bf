//! Marks entered by hand: JSON in, accepted or refused with why. Nothing is ever changed in place: a correction supersedes, a withdrawal
//! withdraws, and both are records of their own.
//!
//! What must stay true: a day whose deadline has passed (次日12时) is closed. An entry has effect from the first open day on; a mark that had
//! effect in closed days keeps it there, whoever supersedes or withdraws it later.
//!
//! An id is used once. The same entry again gets the same answer and does nothing; another entry under a used id is refused. Refused
//! entries leave no trace, so their ids stay free.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::calendar;
use super::changed::Changed;
use super::expr::SECOND;
use super::memory::ENTRY_IDS_MAX;
use super::plan::Plan;
use super::refusal::{Refusal, TEXT_MAX, no_effect, only_ended, refusal};
use super::revision::Cause;
use super::rules::OBJECT_FACTOR;
use super::spans::{clipped, common, joined, minus};
use super::state::*;
use super::verdict::MarkVerdict;
use hj212_model::message::topic::is_id;
use hj212_model::message::{MARK_ENTRY_MAX, Timestamp};
use hj212_model::names::is_blank;

/// The longest name of a mark, an object, another entry.
const NAME_MAX: usize = 128;
/// How far in the future an entry may begin.
const AHEAD_MAX: i64 = 24 * 3600 * SECOND;

/// An entry as written (schema `hj212.mark-entry/1`).
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    schema: String,
    id: String,
    #[serde(default)]
    mark: String,
    #[serde(default)]
    object: String,
    #[serde(default)]
    begin: String,
    end: Option<String>,
    reason: String,
    #[serde(default)]
    proof: String,
    author: String,
    supersedes: Option<String>,
    withdraws: Option<String>,
}

/// What became of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The entry's id.
    pub id: String,
    /// `None`: accepted; else why not, in Chinese and English.
    pub refused: Option<(&'static str, String, String)>,
    /// Whether it came after the deadline: kept, without effect.
    pub late: bool,
    /// The mark it made: one, or none if it only withdraws.
    pub marks: Vec<Given>,
    /// Of a ruling that was taken: what it changed.
    pub changed: Option<Changed>,
}

impl Answer {
    pub(crate) fn refusal(id: &str, (code, zh, en): Refusal) -> Answer {
        Answer { id: id.to_owned(), refused: Some((code, zh, en)), late: false, marks: Vec::new(), changed: None }
    }

    /// An entry for a station that is not registered and was never heard.
    #[must_use]
    pub fn unknown_station(id: &str) -> Answer {
        Answer::refusal(id, refusal("unknown-station", "该站点未登记", "this station is not registered"))
    }

    /// `accepted` or `refused`.
    #[must_use]
    pub const fn state(&self) -> &'static str {
        if self.refused.is_none() { "accepted" } else { "refused" }
    }

    /// Why it was refused, as published; null if it was not.
    #[must_use]
    pub fn why(&self) -> Value {
        self.refused.as_ref().map_or(Value::Null, |(code, zh, en)| json!({ "code": code, "zh": zh, "en": en }))
    }

    /// The marks it made, as published.
    #[must_use]
    pub fn made(&self) -> Value {
        let view = |given: &Given| {
            let until = given.until.map(Timestamp::to_rfc3339);
            let mut view = json!({ "mark": given.mark, "object": given.object, "since": given.since.to_rfc3339(), "until": until });
            if !given.waits.is_empty() {
                view["waits"] = given.waits.iter().map(Waits::view).collect();
            }
            view
        };
        self.marks.iter().map(view).collect()
    }
}

/// SHA-256 of what an entry says, whatever its spaces and the order of its keys.
fn content(entry: &Entry) -> [u8; 32] {
    Sha256::digest(serde_json::to_vec(entry).unwrap_or_default()).into()
}

/// Reads an entry as far as that needs no station.
fn read(id: &str, body: &[u8]) -> Result<Entry, Refusal> {
    if body.len() > MARK_ENTRY_MAX {
        return Err(refusal("too-long", "标记超过 16 KiB", "the entry is longer than 16 KiB"));
    }
    let unreadable = |error: serde_json::Error| {
        ("unreadable", format!("无法读取该标记：{error}"), format!("the entry cannot be read: {error}"))
    };
    let entry: Entry = serde_json::from_slice(body).map_err(unreadable)?;
    if entry.schema != "hj212.mark-entry/1" {
        return Err(refusal("schema", "schema 必须为 hj212.mark-entry/1", "schema must be hj212.mark-entry/1"));
    }
    if !is_id(id) || entry.id != id {
        return Err(refusal(
            "id",
            "id 须为 1 至 64 个字母、数字、.、- 或 _，且与主题中的一致",
            "id must be 1 to 64 letters, digits, '.', '-' or '_', and the same as in the topic",
        ));
    }
    Ok(entry)
}

impl Marks {
    /// Takes the entry `id` that came at `at`; `code` gives the factor that a name stands for, in any generation of codes. A refused entry
    /// changes nothing.
    pub fn enter(
        &mut self,
        plan: &Plan,
        at: Timestamp,
        (id, body): (&str, &[u8]),
        code: &dyn Fn(&str) -> Option<String>,
        out: &mut MarkVerdict,
    ) -> Answer {
        out.clear();
        let mut entry = match read(id, body) {
            Ok(entry) => entry,
            Err(why) => return Answer::refusal(id, why),
        };
        let content = content(&entry);
        if plan.marks.get(&entry.mark).is_some_and(|kind| kind.object == OBJECT_FACTOR)
            && !self.index.contains_key(&entry.object)
        {
            // What neither the dictionary nor the station knows covers nothing; `judge` says so.
            entry.object = code(&entry.object).unwrap_or_default();
        }
        if let Some(used) = self.used.iter().find(|used| used.id == id && used.content == content) {
            return Answer {
                id: id.to_owned(),
                refused: None,
                late: used.late,
                marks: used.given.clone(),
                changed: None,
            };
        }
        let mut mark = match self.judge(plan, at.0, &entry) {
            Ok(mark) => mark,
            Err(why) => return Answer::refusal(id, why),
        };
        self.entered = self.entered.max(at.0);
        let ruled = entry.supersedes.clone().filter(|id| self.is_ruled(id).is_some());
        if let (Some(gone), Some(end)) = (ruled, mark.as_ref().and_then(|mark| mark.until)) {
            return self.end_ruled(plan, &gone, end, (&entry, content), at.0, out);
        }
        let mut kept = false;
        let (touched, spent) = (self.touched(&entry, mark.as_ref()), self.spent());
        for gone in entry.supersedes.iter().chain(&entry.withdraws) {
            kept |= self.withdraw(plan, gone, (&entry, mark.as_mut()), at.0, out);
        }
        let late = kept || mark.as_ref().is_some_and(|mark| mark.late);
        let waits = mark.as_ref().map(|mark| self.ruled_out(plan, mark)).unwrap_or_default();
        let given: Vec<Given> = mark.iter().map(|mark| Given::of(mark, waits.clone())).collect();
        self.forget_an_id();
        self.used.push(Used { id: entry.id, content, late, given: given.clone(), replaced: None, ends: None });
        match mark {
            Some(mark) => self.put(plan, mark, at.0, out),
            None => self.settle(plan, at.0, out),
        }
        let (mut touched, of) = touched;
        touched.1 = touched.1.min(self.clock().saturating_add(1));
        let cause = Cause::Entry(id.to_owned());
        let codes = self.touched_codes(plan, &of);
        self.revise(plan, touched, (&cause, 1..=3), codes.as_deref(), out);
        let clock = self.clock();
        self.revise_elsewhere(plan, &spent, (&cause, clock), out);
        self.tell_broken(plan, touched, out);
        self.tell_forgotten(at.0, out);
        Answer { id: id.to_owned(), refused: None, late, marks: given, changed: None }
    }

    /// From when to when an entry, and those that it takes away, have or had a say, and about what: mark and object.
    fn touched(&self, entry: &Entry, mark: Option<&Mark>) -> ((i64, i64), Vec<(String, String)>) {
        let gone = |mark: &&Mark| {
            mark.said.is_some() && entry.supersedes.iter().chain(&entry.withdraws).any(|id| *id == mark.by)
        };
        let gone: Vec<&Mark> = self.held.values().chain(&self.memory.entries).filter(gone).chain(mark).collect();
        let times = gone.iter().map(|mark| (mark.since.0, mark.until.map_or(i64::MAX, |until| until.0)));
        let times = times.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1))).unwrap_or((0, 0));
        (times, gone.iter().map(|mark| (mark.mark.clone(), mark.object.clone())).collect())
    }

    fn judge(&self, plan: &Plan, now: i64, entry: &Entry) -> Result<Option<Mark>, Refusal> {
        let mut marks = self.held.values().chain(&self.memory.entries);
        let marked = marks.any(|mark| mark.said.is_some() && mark.by == entry.id);
        if marked || self.used.iter().any(|used| used.id == entry.id) {
            return Err(refusal(
                "id-used",
                "该 id 已用于内容不同的标记；更正请用新 id 并填写 supersedes",
                "this id was used for another entry; correct with a new id and supersedes",
            ));
        }
        let names = [&entry.mark, &entry.object].into_iter().chain(&entry.supersedes).chain(&entry.withdraws);
        if [&entry.reason, &entry.proof, &entry.author].iter().any(|text| text.len() > TEXT_MAX)
            || names.clone().any(|name| name.len() > NAME_MAX)
        {
            return Err(refusal(
                "too-long",
                "文字过长：reason、proof、author 至多 2000 字节，其他 128 字节",
                "too long: reason, proof and author hold 2000 bytes at most, the rest 128",
            ));
        }
        if is_blank(&entry.reason) || is_blank(&entry.author) {
            return Err(refusal("reason-missing", "必须填写 reason 和 author", "reason and author must be given"));
        }
        let unknown =
            entry.supersedes.iter().chain(&entry.withdraws).find(|id| !self.used.iter().any(|used| used.id == **id));
        if let Some(unknown) = unknown {
            return Err((
                "unknown-entry",
                format!("没有 id 为 {unknown} 的标记"),
                format!("there is no entry {unknown}"),
            ));
        }
        let replaced = |id: &&String| self.used.iter().any(|used| used.id == **id && used.replaced.is_some());
        if let Some(gone) = entry.supersedes.iter().chain(&entry.withdraws).find(replaced) {
            return Err((
                "already-replaced",
                format!("{gone} 已被更正或撤回"),
                format!("{gone} was superseded or withdrawn before"),
            ));
        }
        let gone = entry.supersedes.iter().map(|id| (id, false)).chain(entry.withdraws.iter().map(|id| (id, true)));
        // An author may always say that it is over, whatever was ruled about it.
        if let Some((ender, Some(of))) = gone
            .clone()
            .find_map(|(id, _)| self.used.iter().find(|used| used.id == *id && used.ends.is_some()))
            .map(|used| (&used.id, used.ends.as_ref()))
        {
            return Err(self.is_ruled(of).unwrap_or_else(|| only_ended(ender, of)));
        }
        let stays = |(id, withdraws): &(&String, bool)| *withdraws || !self.only_ends(entry, id, now);
        if let Some(ruled) = gone.clone().filter(stays).find_map(|(id, _)| self.is_ruled(id)) {
            return Err(ruled);
        }
        let remembered =
            |id: &str| self.held.values().chain(&self.memory.entries).any(|m| m.said.is_some() && m.by == id);
        if let Some((forgotten, _)) = gone.clone().find(|(id, withdraws)| *withdraws && !remembered(id)) {
            return Err(no_effect(forgotten));
        }
        if entry.withdraws.is_some() {
            return Ok(None);
        }
        let Some(kind) = plan.marks.get(&entry.mark) else {
            let known: Vec<&str> = plan.marks.keys().map(String::as_str).collect();
            let known = known.join(", ");
            return Err((
                "unknown-mark",
                format!("本站点没有标记 {}，可用：{known}", entry.mark),
                format!("this station has no mark {}; it has {known}", entry.mark),
            ));
        };
        if !kind.by_hand || kind.normal {
            return Err(refusal("not-by-hand", "该标记不可人工填报", "this mark cannot be entered by hand"));
        }
        if entry.object.is_empty() || !plan.may_hang(kind, &entry.object) {
            let (zh, en) = (
                format!("标记 {} 不能用于对象 {}", entry.mark, entry.object),
                format!("mark {} cannot hang on {}", entry.mark, entry.object),
            );
            return Err(("object", zh, format!("{en}: it is for objects of kind {}", kind.object)));
        }
        let day = calendar::read(&entry.begin).map_or(now, |begin| begin.0);
        let proof = plan.entries_of(day).is_some_and(|entries| entries.proof);
        if proof && !kind.validity.is_judged() && is_blank(&entry.proof) {
            return Err(refusal(
                "proof-missing",
                "该标记使数据不参与判定，必须填写凭证 proof",
                "this mark takes values out of judgement: name its proof",
            ));
        }
        if self.held.values().filter(|mark| mark.said.is_some()).count() >= ENTRIES_MAX {
            return Err(refusal(
                "too-many",
                "未结束的人工标记过多，请先结束或撤回",
                "too many entries are open: end or withdraw some first",
            ));
        }
        let end = entry.end.as_deref().map(calendar::read);
        let (Some(begin), false) = (calendar::read(&entry.begin), matches!(end, Some(None))) else {
            return Err(refusal(
                "time",
                "begin、end 须为带时区的 RFC 3339 时间",
                "begin and end must be RFC 3339 with an offset",
            ));
        };
        let mut end = end.flatten();
        if end.is_some_and(|end| end <= begin) || begin.0 > now + AHEAD_MAX {
            return Err(refusal(
                "interval",
                "end 须晚于 begin，begin 不得晚于 24 小时后",
                "end must be after begin, and begin at most 24 h ahead",
            ));
        }
        if !kind.dates.hold(begin.0) {
            return Err((
                "mark-dates",
                format!("标记 {} 在 begin 所在时间尚未施行或已废止", entry.mark),
                format!("mark {} is not in force at begin", entry.mark),
            ));
        }
        // What goes on beyond the time of its mark ends with that.
        let last = Timestamp(kind.dates.until);
        if last.0 != i64::MAX && end.is_none_or(|end| end > last) {
            end = Some(last);
        }
        if end.is_some_and(|end| end.0 <= now && self.memory.is_too_old(end)) {
            return Err(refusal(
                "too-many",
                "记住的人工标记已满，且都晚于本标记：无法再接受这么早的标记",
                "as many entries as can be remembered are later than this one: one so early cannot be taken any more",
            ));
        }
        let ends = end.map_or(i64::MAX, |end| end.0);
        let mut shut = plan.closed_within(now, (begin.0, ends));
        // Where all of its days are closed, the first open day is said.
        let open = minus(&[(begin.0, ends)], &shut).first().map(|(from, _)| *from);
        let from = open.unwrap_or_else(|| ends.max(plan.open_from(now)));
        shut.retain(|(closed, _)| *closed > from);
        let mut mark = Mark {
            mark: entry.mark.clone(),
            object: entry.object.clone(),
            by: entry.id.clone(),
            version: 0,
            standing: if kind.ruling { Standing::Waiting } else { Standing::Entered },
            validity: kind.validity,
            dimension: kind.dimension,
            clause: kind.source.clone(),
            certainty: kind.certainty,
            when: String::new(),
            since: begin,
            until: end,
            inputs: Vec::new(),
            exceedances: self.exceedances(plan, kind, &entry.object, begin.0, true),
            said: Some((entry.reason.clone(), entry.proof.clone(), entry.author.clone())),
            late: from > begin.0 || !shut.is_empty(),
            from: Timestamp(from),
            shut: shut.into_iter().map(|(from, to)| (Timestamp(from), Timestamp(to))).collect(),
            spent: false,
            without: Vec::new(),
            begun: begin.0 <= now,
            ruled: None,
            entered: kind.validity,
            waits: false,
            waits_in: Vec::new(),
            silence: false,
            on_code: kind.is_on_code(),
            met: Vec::new(),
            barred_to: None,
        };
        let waits: Vec<_> = self.ruled_out(plan, &mark).iter().map(Waits::span).collect();
        let waits = clipped(&joined(&waits), begin.0, ends);
        if !waits.is_empty() && minus(&mark.timely_parts(), &waits).is_empty() {
            (mark.waits, mark.standing) = (true, Standing::Waiting);
        } else {
            mark.waits_in = waits.into_iter().map(|(from, to)| (Timestamp(from), Timestamp(to))).collect();
        }
        Ok(Some(mark))
    }

    /// Takes an entry's mark away, but for what it did in closed days; whether there was such.
    fn withdraw(
        &mut self,
        plan: &Plan,
        id: &str,
        (by, successor): (&Entry, Option<&mut Mark>),
        at: i64,
        out: &mut MarkVerdict,
    ) -> bool {
        self.used.iter_mut().filter(|used| used.id == id).for_each(|used| used.replaced = Some(by.id.clone()));
        let key = self.held.iter().find(|(_, mark)| mark.said.is_some() && mark.by == id).map(|(key, _)| key.clone());
        let held = key.and_then(|key| self.held.remove(&key));
        let Some(gone) = held.or_else(|| self.memory.take(id)) else { return false };
        // What it had no effect in is no closed day of it.
        let closed = common(&gone.open_parts(), &plan.closed_within(at, (gone.since.0, gone.window().1)));
        let last = closed.last().map(|(_, to)| *to);
        let detail = |kept: Option<i64>| {
            let kept = kept.map(|kept| Timestamp(kept).to_rfc3339());
            json!({ "entry": by.id, "reason": by.reason, "author": by.author, "effective_until": kept })
        };
        let goes_on = successor.filter(|mark| {
            let same = (&mark.mark, &mark.object, mark.since) == (&gone.mark, &gone.object, gone.since);
            let end = |mark: &Mark| mark.until.map_or(i64::MAX, |until| until.0).min(last.unwrap_or(i64::MIN));
            same && end(mark) == end(&gone)
        });
        let Some(last) = last.filter(|_| goes_on.is_none()) else {
            self.give_back(id);
            if let Some(mark) = goes_on.filter(|_| !closed.is_empty()) {
                // It says of closed days what was said before: its effect there stays. In other closed days it has none.
                let works = joined(&[mark.timely_parts(), closed].concat());
                mark.works_within(&works);
            }
            self.rests_no_more(&gone);
            out.add("mark-withdrawn", at, Some(gone), detail(None));
            return false;
        };
        let mut kept = gone.clone();
        kept.until = Some(Timestamp(last));
        kept.works_within(&closed);
        self.give_back(id);
        self.keep(kept.clone());
        self.charge(plan, &kept, last);
        out.add("mark-withdrawn", at, Some(gone), detail(Some(last)));
        true
    }

    /// Whether `entry` says of the mark that `gone` made, which has not ended and is its author's own, nothing but when it ends.
    fn only_ends(&self, entry: &Entry, gone: &str, now: i64) -> bool {
        let mark = self.held.values().chain(&self.memory.entries).find(|mark| mark.said.is_some() && mark.by == gone);
        let (begin, end) = (calendar::read(&entry.begin), entry.end.as_deref().and_then(calendar::read));
        entry.withdraws.is_none()
            && mark.zip(end).is_some_and(|(mark, end)| {
                (&mark.mark, &mark.object, Some(mark.since)) == (&entry.mark, &entry.object, begin)
                    && mark.said.as_ref().is_some_and(|(_, _, author)| *author == entry.author)
                    && mark.since < end
                    && mark.until.is_none_or(|until| end < until && until.0 > now)
            })
    }

    /// Ends the mark that `gone` made, about which an authority has ruled. It stays that entry's, and the ruling holds for what is left of it; of days
    /// that are closed nothing changes, and over the time that it had when it was ended others go on waiting for a ruling.
    fn end_ruled(
        &mut self,
        plan: &Plan,
        gone: &str,
        end: Timestamp,
        (by, content): (&Entry, [u8; 32]),
        at: i64,
        out: &mut MarkVerdict,
    ) -> Answer {
        let of_it = |mark: &Mark| mark.said.is_some() && mark.by == gone;
        let key = self.held.iter().find(|(_, mark)| of_it(mark)).map(|(key, _)| key.clone());
        let held = key.and_then(|key| self.held.remove(&key));
        let Some(mut mark) = held.or_else(|| self.memory.take(gone)) else {
            return Answer::refusal(&by.id, no_effect(gone));
        };
        let (before, spent) = (mark.clone(), self.spent());
        let last = mark.until.map_or(i64::MAX, |until| until.0);
        let counts = mark.standing.counts();
        let after = clipped(&mark.timely_parts(), end.0, last);
        let closed = if counts { common(&after, &plan.closed_within(at, (end.0, last))) } else { Vec::new() };
        let until = closed.last().map_or(end.0, |(_, to)| *to);
        let late = until > end.0;
        let before_end = clipped(&mark.timely_parts(), i64::MIN, end.0);
        mark.until = Some(Timestamp(until));
        if late {
            mark.works_within(&joined(&[before_end, closed].concat()));
        }
        // Its author frees no time by ending it: an open one counts as open until this was said.
        let bars = if last == i64::MAX { at.max(until) } else { last };
        mark.barred_to = mark.barred_to.max(Some(Timestamp(bars)));
        self.give_back(gone);
        out.add(
            "mark-withdrawn",
            at,
            Some(before),
            json!({ "entry": by.id, "reason": by.reason, "author": by.author, "effective_until": Timestamp(until).to_rfc3339() }),
        );
        let given = vec![Given::of(&mark, Vec::new())];
        if until <= at {
            self.keep(mark.clone());
            if mark.begun {
                out.add("mark-end", until, Some(mark.clone()), serde_json::Value::Null);
            }
        } else {
            self.held.insert((mark.mark.clone(), mark.object.clone(), mark.by.clone()), mark.clone());
        }
        self.forget_an_id();
        let ends = Some(gone.to_owned());
        self.used.push(Used { id: by.id.clone(), content, late, given: given.clone(), replaced: None, ends });
        let clock = self.clock();
        self.charge(plan, &mark, until.min(clock));
        self.owe();
        self.charge_all(plan, out);
        self.settle(plan, at, out);
        let cause = Cause::Entry(by.id.clone());
        let touched = (until, last.min(clock.saturating_add(1)));
        let codes = self.touched_codes(plan, &[(mark.mark.clone(), mark.object.clone())]);
        self.revise(plan, touched, (&cause, 1..=3), codes.as_deref(), out);
        self.revise_elsewhere(plan, &spent, (&cause, clock), out);
        self.tell_broken(plan, touched, out);
        self.tell_forgotten(at, out);
        Answer { id: by.id.clone(), refused: None, late, marks: given, changed: None }
    }

    /// Makes room for the id of one more entry. Those go first whose marks are forgotten as well, then the oldest that has ended; what people
    /// can still withdraw is told.
    fn forget_an_id(&mut self) {
        if self.used.len() < ENTRY_IDS_MAX {
            return;
        }
        let holds: std::collections::BTreeSet<&str> =
            self.held.values().filter(|mark| mark.said.is_some()).map(|mark| mark.by.as_str()).collect();
        let until =
            |used: &Used| self.memory.entries.iter().find(|mark| mark.by == used.id).and_then(|mark| mark.until);
        let place = self.used.iter().position(|used| !holds.contains(used.id.as_str()) && until(used).is_none());
        let place = place.or_else(|| self.used.iter().position(|used| !holds.contains(used.id.as_str())));
        let place = place.unwrap_or(0);
        let ends = self.used.get(place).and_then(until);
        self.used.remove(place);
        if let Some(ends) = ends {
            self.memory.forget("entry-id", ends.0);
        }
    }

    /// Says what the bounds of memory took before its time.
    pub(super) fn tell_forgotten(&mut self, at: i64, out: &mut MarkVerdict) {
        for detail in self.memory.told() {
            out.add("marks-forgotten", at, None, detail);
        }
    }

    /// A proposal that rested on an entry is a proposal again.
    pub(super) fn rests_no_more(&mut self, gone: &Mark) {
        let rests = |mark: &&mut Mark| {
            mark.standing == Standing::Confirmed && mark.mark == gone.mark && mark.object == gone.object
        };
        self.held
            .values_mut()
            .chain(self.memory.marks_mut())
            .filter(rests)
            .for_each(|mark| mark.standing = Standing::Proposed);
    }

    fn put(&mut self, plan: &Plan, mark: Mark, at: i64, out: &mut MarkVerdict) {
        let (from, to) = (mark.since.0.max(mark.from.0), mark.until.map_or(i64::MAX, |until| until.0));
        if mark.begun {
            out.add("mark-begin", mark.since.0, Some(mark.clone()), serde_json::Value::Null);
        }
        if from < to {
            let proposal = |m: &&mut Mark| {
                m.standing == Standing::Proposed
                    && m.mark == mark.mark
                    && m.object == mark.object
                    && m.overlap(from, to) > 0
            };
            for confirmed in self.held.values_mut().chain(self.memory.marks_mut()).filter(proposal) {
                confirmed.standing = Standing::Confirmed;
                out.add("mark-confirmed", at, Some(confirmed.clone()), json!({ "entry": mark.by }));
            }
        }
        let over = mark.until.filter(|until| until.0 <= at);
        if let Some(until) = over {
            self.keep(mark.clone());
            out.add("mark-end", until.0, Some(mark.clone()), serde_json::Value::Null);
            if mark.standing.counts() {
                self.charge(plan, &mark, until.0);
            }
        } else {
            self.held.insert((mark.mark.clone(), mark.object.clone(), mark.by.clone()), mark.clone());
        }
        self.owe();
        self.charge_all(plan, out);
        self.look_back_from(plan, &mark, at, out);
    }
}
