//! What an entry made, as it is answered: its mark, and what of that waits for a ruling, and why.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::decision::{Decision, Role};
use super::mark::Mark;
use hj212_model::message::Timestamp;

/// A mark that an entry made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Given {
    /// `set:id`
    pub mark: String,
    /// What it hangs on.
    pub object: String,
    /// Since when.
    pub since: Timestamp,
    /// Until when; `None`: open.
    pub until: Option<Timestamp>,
    /// What of it waits for a ruling because others were ruled out, as when it was entered.
    pub waits: Vec<Waits>,
}

/// A part of an entry that waits for a ruling, because an authority has annulled, doubted or cut what was entered over that time before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waits {
    /// From when.
    pub from: Timestamp,
    /// Until when; `None`: open.
    pub until: Option<Timestamp>,
    /// The entry that was ruled about.
    pub entry: String,
    /// The ruling.
    pub ruling: String,
    /// As whom it was said.
    pub role: Role,
    /// What was ruled.
    pub decision: Decision,
}

impl Given {
    pub(super) fn of(mark: &Mark, waits: Vec<Waits>) -> Given {
        Given { mark: mark.mark.clone(), object: mark.object.clone(), since: mark.since, until: mark.until, waits }
    }
}

impl Waits {
    pub(super) fn span(&self) -> (i64, i64) {
        (self.from.0, self.until.map_or(i64::MAX, |until| until.0))
    }

    pub(super) fn view(&self) -> Value {
        let (from, until) = (self.from.to_rfc3339(), self.until.map(Timestamp::to_rfc3339));
        let (zh_until, en_until) =
            until.as_ref().map_or(("起".to_owned(), "on".to_owned()), |u| (format!(" 至 {u}"), format!("to {u}")));
        let (role, decision) = (self.role, self.decision);
        json!({
            "from": from, "until": until, "entry": self.entry, "ruling": self.ruling,
            "zh": format!("{from}{zh_until}：{}已对 {} 作出裁定「{}」（{}），该时段须经裁定接受后方生效", role.zh(), self.entry, decision.zh(), self.ruling),
            "en": format!(
                "from {from} {en_until}: the {} has ruled \"{}\" about {} ({}); over that time it takes effect only when it is accepted",
                role.name(), decision.name(), self.entry, self.ruling
            ),
        })
    }
}
