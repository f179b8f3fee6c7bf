//! The ledger of one station: entries go in, answers come out.
//!
//! What must stay true: what is refused changes nothing; an entry that is remembered has one answer for ever.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::entry::{Company, EntryRead, WorkRefusal, judge, refusal};
use super::work::WorkKind;
use super::{ENTRIES_MAX, KEPT};
use hj212_model::message::Timestamp;

/// Work that was entered, as far as others look at it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkDone {
    /// The entry.
    pub id: String,
    /// What was done, since when and until when; `None`: the entry does no more than withdraw another.
    pub work: Option<(WorkKind, Timestamp, Timestamp)>,
    /// The company.
    pub company: String,
    /// When the entry came.
    pub at: Timestamp,
    /// Its record in the journal.
    pub offset: u64,
    /// The entry that withdrew it.
    pub withdrawn_by: Option<String>,
    content: [u8; 32],
}

/// What became of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkAnswer {
    /// Its id as in the topic.
    pub id: String,
    /// The kind of work and the entry that it withdrew, if it was taken.
    pub taken: Result<(Option<WorkKind>, Option<String>), WorkRefusal>,
    /// Whether it is new: not the same again.
    pub new: bool,
}

/// The ledger of one station.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkLedger {
    entries: VecDeque<WorkDone>,
    /// Whether anything was ever entered.
    used: bool,
}

impl WorkLedger {
    /// Takes the entry `id` of `role`, which came at `at` with the record `offset`.
    pub fn enter(
        &mut self,
        company: Company<'_>,
        entry: (&str, &str, &[u8]),
        (offset, at): (u64, Timestamp),
    ) -> WorkAnswer {
        let id = entry.1.to_owned();
        self.forget(at);
        match judge(company, entry, at) {
            Err(refusal) => WorkAnswer { id, taken: Err(refusal), new: false },
            Ok(read) => self.take(id, read, (offset, at)),
        }
    }

    fn take(&mut self, id: String, read: EntryRead, (offset, at): (u64, Timestamp)) -> WorkAnswer {
        let refused = |id: String, code: &str, zh: &str, en: &str| WorkAnswer {
            id,
            taken: Err(refusal(code, zh, en)),
            new: false,
        };
        if let Some(known) = self.entries.iter().find(|known| known.id == id) {
            if known.content != read.content {
                return refused(
                    id,
                    "id-used",
                    "该编号已用于另一条台账，请换一个编号",
                    "this id stands for another entry; choose another",
                );
            }
            let kind = known.work.map(|(kind, ..)| kind);
            return WorkAnswer { id, taken: Ok((kind, read.written.withdraws)), new: false };
        }
        if self.entries.len() >= ENTRIES_MAX {
            let zh = "该站点 62 天内的台账已达 256 条";
            return refused(id, "too-many", zh, "this station has 256 entries within 62 days");
        }
        if let Some(of) = &read.written.withdraws {
            let own = |known: &&mut WorkDone| known.id == *of && known.company == read.written.company;
            let Some(known) = self.entries.iter_mut().find(own) else {
                let zh = "没有本单位这一编号的台账（或已超过 62 天），不能撤回";
                let en = "this company has no entry of that id, or it came more than 62 days ago";
                return refused(id, "unknown-entry", zh, en);
            };
            if known.withdrawn_by.is_some() {
                return refused(id, "withdrawn", "该条台账已被撤回", "that entry has been withdrawn already");
            }
            known.withdrawn_by = Some(id.clone());
        }
        let EntryRead { written, work, content } = read;
        self.used = true;
        let kind = work.map(|(kind, ..)| kind);
        self.entries.push_back(WorkDone {
            id: id.clone(),
            work,
            company: written.company,
            at,
            offset,
            withdrawn_by: None,
            content,
        });
        WorkAnswer { id, taken: Ok((kind, written.withdraws)), new: true }
    }

    /// Forgets what came more than [`KEPT`] ago.
    fn forget(&mut self, now: Timestamp) {
        self.entries.retain(|entry| now.0.saturating_sub(entry.at.0) <= KEPT);
    }

    /// What is remembered, in the order in which it came; what was withdrawn as well.
    pub fn entries(&self) -> impl Iterator<Item = &WorkDone> {
        self.entries.iter()
    }

    /// The work that stands: not withdrawn.
    pub fn done(&self) -> impl Iterator<Item = (WorkKind, Timestamp, Timestamp, &WorkDone)> {
        let standing = self.entries.iter().filter(|entry| entry.withdrawn_by.is_none());
        standing.filter_map(|entry| entry.work.map(|(kind, begin, end)| (kind, begin, end, entry)))
    }

    /// Whether anything was ever entered here: only then something can be missing.
    #[must_use]
    pub const fn is_kept(&self) -> bool {
        self.used
    }
}

impl WorkAnswer {
    /// `accepted` or `refused`.
    #[must_use]
    pub const fn state(&self) -> &'static str {
        if self.taken.is_ok() { "accepted" } else { "refused" }
    }
}
