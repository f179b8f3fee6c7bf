//! Marks entered by hand: JSON in, accepted or refused with why. Nothing is ever changed in place: a correction supersedes, a withdrawal
//! withdraws, and both are records of their own.

use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::calendar;
use super::engine::Verdict;
use super::expr::SECOND;
use super::plan::Plan;
use super::state::*;
use crate::message::Timestamp;

/// The longest text in an entry, bytes.
pub(super) const TEXT_MAX: usize = 2000;
/// The longest id, and the longest name of anything.
pub(super) const ID_MAX: usize = 64;
/// How far in the future an entry may begin.
const AHEAD_MAX: i64 = 24 * 3600 * SECOND;

/// An entry as written (schema `hj212.mark-entry/1`).
#[derive(Debug, Deserialize)]
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
    /// The entry's id, as far as it could be read.
    pub id: String,
    /// `None`: accepted; else why not, in Chinese and English.
    pub refused: Option<(&'static str, String, String)>,
    /// Whether it came after the deadline.
    pub late: bool,
}

impl Answer {
    /// As published on `mark-entry/{id}/status`.
    #[must_use]
    pub fn view(&self) -> Value {
        let why = self.refused.as_ref().map(|(code, zh, en)| json!({ "code": code, "zh": zh, "en": en }));
        json!({ "schema": "hj212.mark-entry-status/1", "id": self.id, "state": if why.is_none() { "accepted" } else { "refused" }, "why": why, "late": self.late })
    }
}

impl Answer {
    /// A refusal of an entry that could not be looked at.
    #[must_use]
    pub fn refuse(id: &str, code: &'static str, zh: &str, en: &str) -> Answer {
        let id = id.chars().take(ID_MAX).collect();
        Answer { id, refused: Some((code, zh.to_owned(), en.to_owned())), late: false }
    }
}

fn hash(text: &str) -> [u8; 8] {
    let digest: [u8; 32] = Sha256::digest(text.as_bytes()).into();
    digest.first_chunk().copied().unwrap_or_default()
}

type Refusal = (&'static str, String, String);

fn refusal(code: &'static str, zh: &str, en: &str) -> Refusal {
    (code, zh.to_owned(), en.to_owned())
}

impl Marks {
    /// Takes an entry that came at `at`. A refused one changes nothing.
    pub fn enter(&mut self, plan: &Plan, at: Timestamp, text: &str, out: &mut Verdict) -> Answer {
        out.clear();
        let entry: Entry = match serde_json::from_str(text) {
            Ok(entry) => entry,
            Err(error) => {
                let why =
                    ("unreadable", format!("无法读取该标记：{error}"), format!("the entry cannot be read: {error}"));
                return Answer { id: String::new(), refused: Some(why), late: false };
            }
        };
        let id = entry.id.chars().take(ID_MAX).collect();
        let hash = hash(text);
        if let Some(known) = self.entries.iter().find(|known| known.id == entry.id && known.hash == hash) {
            // It came twice, as messages do; it was accepted.
            return Answer { id, refused: None, late: known.late };
        }
        match self.judge(plan, at.0, &entry) {
            Err(why) => Answer { id, refused: Some(why), late: false },
            Ok(mark) => {
                let late = mark.as_ref().is_some_and(|mark| mark.late);
                for gone in entry.supersedes.iter().chain(&entry.withdraws) {
                    self.withdraw(gone, &entry, at.0, out);
                }
                self.remember(Known { id: entry.id.clone(), hash, late });
                if let Some(mark) = mark {
                    self.put(plan, mark, at.0, out);
                }
                Answer { id, refused: None, late }
            }
        }
    }

    fn judge(&self, plan: &Plan, now: i64, entry: &Entry) -> Result<Option<Mark>, Refusal> {
        if entry.schema != "hj212.mark-entry/1" {
            return Err(refusal("schema", "schema 必须为 hj212.mark-entry/1", "schema must be hj212.mark-entry/1"));
        }
        let plain = |id: &str| {
            (1..=ID_MAX).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        };
        if !plain(&entry.id) {
            return Err(refusal(
                "id",
                "id 须为 1 至 64 个字母、数字、- 或 _",
                "id must be 1 to 64 letters, digits, '-' or '_'",
            ));
        }
        if self.entries.iter().any(|known| known.id == entry.id) {
            return Err(refusal(
                "id-used",
                "该 id 已使用；更正请用新 id 并填写 supersedes",
                "this id was used; correct with a new id and supersedes",
            ));
        }
        if [&entry.reason, &entry.proof, &entry.author].iter().any(|text| text.len() > TEXT_MAX) {
            return Err(refusal("too-long", "reason、proof、author 过长", "reason, proof or author is too long"));
        }
        if entry.reason.trim().is_empty() || entry.author.trim().is_empty() {
            return Err(refusal("reason-missing", "必须填写 reason 和 author", "reason and author must be given"));
        }
        let unknown = entry
            .supersedes
            .iter()
            .chain(&entry.withdraws)
            .find(|id| !self.entries.iter().any(|known| known.id == **id));
        if let Some(unknown) = unknown {
            return Err((
                "unknown-entry",
                format!("没有 id 为 {unknown} 的标记"),
                format!("there is no entry {unknown}"),
            ));
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
        if !plan.may_hang(kind, &entry.object) {
            let (zh, en) = (
                format!("标记 {} 不能用于对象 {}", entry.mark, entry.object),
                format!("mark {} cannot hang on {}", entry.mark, entry.object),
            );
            return Err(("object", zh, format!("{en}: it is for objects of kind {}", kind.object)));
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
        let end = end.flatten();
        if end.is_some_and(|end| end <= begin) || begin.0 > now + AHEAD_MAX {
            return Err(refusal(
                "interval",
                "end 须晚于 begin，begin 不得晚于 24 小时后",
                "end must be after begin, and begin at most 24 h ahead",
            ));
        }
        let deadline = plan.entries.as_ref().map(|e| calendar::deadline(begin.0, e.deadline_days, e.deadline_hour));
        Ok(Some(Mark {
            mark: entry.mark.clone(),
            object: entry.object.clone(),
            by: entry.id.clone(),
            version: 0,
            standing: Standing::Entered,
            validity: kind.validity,
            dimension: kind.dimension,
            clause: kind.source.clone(),
            certainty: kind.certainty,
            when: String::new(),
            since: begin,
            until: end,
            inputs: Vec::new(),
            exceedances: self.exceedances(plan, kind, &entry.object, begin.0),
            said: Some((entry.reason.clone(), entry.proof.clone(), entry.author.clone())),
            late: deadline.is_some_and(|deadline| now > deadline),
            spent: false,
            silence: false,
            on_code: kind.is_on_code(),
        }))
    }

    fn remember(&mut self, entry: Known) {
        if self.entries.len() >= ENTRIES_MAX {
            self.entries.remove(0);
        }
        self.entries.push(entry);
    }

    fn withdraw(&mut self, id: &str, by: &Entry, at: i64, out: &mut Verdict) {
        let key = self.held.iter().find(|(_, mark)| mark.said.is_some() && mark.by == id).map(|(key, _)| key.clone());
        let ended =
            self.ended.iter().position(|mark| mark.said.is_some() && mark.by == id).map(|at| self.ended.remove(at));
        let gone = key.and_then(|key| self.held.remove(&key)).or(ended);
        self.counters.values_mut().for_each(|counter| counter.forget(id));
        let Some(gone) = gone else { return };
        // A proposal that rested on it is a proposal again.
        let rests = |mark: &&mut Mark| {
            mark.standing == Standing::Confirmed && mark.mark == gone.mark && mark.object == gone.object
        };
        self.held.values_mut().chain(&mut self.ended).filter(rests).for_each(|mark| mark.standing = Standing::Proposed);
        let detail = json!({ "entry": by.id, "reason": by.reason, "author": by.author });
        out.add("mark-withdrawn", at, Some(gone), detail);
    }

    fn put(&mut self, plan: &Plan, mark: Mark, at: i64, out: &mut Verdict) {
        let (from, to) = (mark.since.0, mark.until.map_or(i64::MAX, |until| until.0));
        out.add("mark-begin", from, Some(mark.clone()), serde_json::Value::Null);
        if !mark.late {
            let proposal = |m: &&mut Mark| {
                m.standing == Standing::Proposed
                    && m.mark == mark.mark
                    && m.object == mark.object
                    && m.overlap(from, to) > 0
            };
            for confirmed in self.held.values_mut().chain(&mut self.ended).filter(proposal) {
                confirmed.standing = Standing::Confirmed;
                out.add("mark-confirmed", at, Some(confirmed.clone()), json!({ "entry": mark.by }));
            }
        }
        let over = mark.until.filter(|until| until.0 <= at);
        if let Some(until) = over {
            self.keep(mark.clone());
            out.add("mark-end", until.0, Some(mark.clone()), serde_json::Value::Null);
            if !mark.late {
                self.charge(plan, &mark, until.0, out);
            }
        } else {
            self.held.insert((mark.mark.clone(), mark.object.clone(), mark.by.clone()), mark);
        }
        self.charge_all(plan, out);
    }
}
