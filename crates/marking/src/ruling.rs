//! What authorities rule about marks entered by hand: JSON in, accepted or refused with why. The hand that exempts is not the hand that judges:
//! The discharger enters, the authority rules, and the broker's access list decides who speaks as which authority, since the role is a level
//! of the topic.
//!
//! What each ruling does to the entry that it is about, over the entry's time:
//!
//! | ruling | effect |
//! |---|---|
//! | `accept` | as entered; marks that wait for a ruling (force majeure, values by hand) take effect from their begin |
//! | `doubt` | what they exempt or exclude is left to people (`conditional`); what waits for a ruling goes on waiting |
//! | `annul` | none, from the begin on, in closed days too; what it used of limits is given back |
//! | `limit` | only within `from..to` of the ruling |
//! | `restore` | the ruling in force is taken back; what held before it holds again: the entry as entered |
//!
//! What must stay true:
//! * one ruling holds for an entry at a time: of those not restored, that of the highest role, among equals the last that came;
//! * a lower role cannot rule, nor restore, where a higher one has ruled: it is refused, so that nobody takes it for done;
//! * a ruling knows no deadline, and never changes what was entered: both are kept and published beside each other;
//! * it cannot give an entry an effect that its hand had lost: what was entered too late for all of its time stays without;
//! * an id is used once for each station; the same ruling again gets the same answer and does nothing.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::calendar;
use super::changed::Changed;
use super::decision::{Decision, Role};
use super::memory::RULINGS_MAX;
use super::refusal::{TEXT_MAX, refusal};
use hj212_model::message::topic::is_id;
use hj212_model::message::{MARK_ENTRY_MAX, Timestamp};
use hj212_model::names::is_blank;

/// A ruling as written (schema `hj212.mark-ruling/1`).
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    schema: String,
    id: String,
    about: String,
    pub(super) ruling: Decision,
    from: Option<String>,
    to: Option<String>,
    reason: String,
    #[serde(default)]
    proof: String,
    author: String,
    #[serde(default)]
    decision: String,
}

/// A ruling that was taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ruling {
    /// Its id, as in the topic.
    pub id: String,
    /// As whom it was said.
    pub role: Role,
    /// The entry that it is about.
    pub about: String,
    /// What was ruled.
    pub ruling: Decision,
    /// Of `limit`: from and to.
    pub within: Option<(Timestamp, Timestamp)>,
    /// Why.
    pub reason: String,
    /// What proves it.
    pub proof: String,
    /// Who.
    pub author: String,
    /// The number of the written decision, 文号.
    pub decision: String,
    /// When it came.
    pub at: Timestamp,
    /// SHA-256 of what it says.
    pub(super) content: [u8; 32],
    /// The ruling that took it back.
    pub restored: Option<String>,
    /// What it changed when it came.
    pub(super) changed: Option<Box<Changed>>,
}

/// What `role`/`id` rules, as far as that needs no station.
pub(super) fn read(role: &str, id: &str, body: &[u8], at: Timestamp) -> Result<Ruling, super::refusal::Refusal> {
    let Some(role) = Role::named(role) else {
        return Err(refusal(
            "role",
            "主题中的角色须为 county、city 或 province",
            "the role in the topic must be county, city or province",
        ));
    };
    if body.len() > MARK_ENTRY_MAX {
        return Err(refusal("too-long", "裁定超过 16 KiB", "the ruling is longer than 16 KiB"));
    }
    let unreadable = |error: serde_json::Error| {
        ("unreadable", format!("无法读取该裁定：{error}"), format!("the ruling cannot be read: {error}"))
    };
    let written: Written = serde_json::from_slice(body).map_err(unreadable)?;
    if written.schema != "hj212.mark-ruling/1" {
        return Err(refusal("schema", "schema 必须为 hj212.mark-ruling/1", "schema must be hj212.mark-ruling/1"));
    }
    if !is_id(id) || written.id != id {
        return Err(refusal(
            "id",
            "id 须为 1 至 64 个字母、数字、.、- 或 _，且与主题中的一致",
            "id must be 1 to 64 letters, digits, '.', '-' or '_', and the same as in the topic",
        ));
    }
    if !is_id(&written.about) {
        return Err(refusal("about", "about 须为一条人工标记的 id", "about must be the id of an entry"));
    }
    if [&written.reason, &written.proof, &written.author, &written.decision].iter().any(|text| text.len() > TEXT_MAX) {
        return Err(refusal(
            "too-long",
            "文字过长：reason、proof、author、decision 至多 2000 字节",
            "too long: reason, proof, author and decision hold 2000 bytes at most",
        ));
    }
    if is_blank(&written.reason) || is_blank(&written.author) {
        return Err(refusal("reason-missing", "必须填写 reason 和 author", "reason and author must be given"));
    }
    let content = Sha256::digest(serde_json::to_vec(&(role, &written)).unwrap_or_default()).into();
    Ok(Ruling {
        within: within(&written)?,
        id: written.id,
        role,
        about: written.about,
        ruling: written.ruling,
        reason: written.reason,
        proof: written.proof,
        author: written.author,
        decision: written.decision,
        at,
        content,
        restored: None,
        changed: None,
    })
}

/// From and to, which a `limit` must have and nothing else may.
fn within(written: &Written) -> Result<Option<(Timestamp, Timestamp)>, super::refusal::Refusal> {
    let time = || {
        refusal(
            "time",
            "from、to 须为带时区的 RFC 3339 时间，且 to 晚于 from",
            "from and to must be RFC 3339 with an offset, and to after from",
        )
    };
    match (written.ruling, &written.from, &written.to) {
        (Decision::Limit, Some(from), Some(to)) => {
            let (from, to) = (calendar::read(from).ok_or_else(time)?, calendar::read(to).ok_or_else(time)?);
            (from < to).then_some(Some((from, to))).ok_or_else(time)
        }
        (Decision::Limit, ..) => Err(refusal(
            "time-missing",
            "ruling 为 limit 时必须给出 from 和 to",
            "a ruling \"limit\" must say from and to",
        )),
        (_, None, None) => Ok(None),
        _ => Err(refusal(
            "time-unwanted",
            "只有 ruling 为 limit 时才可给出 from 和 to",
            "only a ruling \"limit\" has from and to",
        )),
    }
}

/// The rulings of a station's entries, in the order in which they came.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Rulings(Vec<Ruling>);

impl Rulings {
    /// The ruling that holds for an entry.
    pub(super) fn in_force(&self, entry: &str) -> Option<&Ruling> {
        let of = self.0.iter().filter(|ruling| ruling.about == entry && ruling.restored.is_none());
        of.filter(|ruling| ruling.ruling != Decision::Restore).max_by_key(|ruling| ruling.role)
    }

    /// The ruling of that id.
    pub(super) fn known(&self, id: &str) -> Option<&Ruling> {
        self.0.iter().find(|known| known.id == id)
    }

    /// Notes what a ruling changed, so that it is answered again as it was.
    pub(super) fn note(&mut self, id: &str, changed: &Changed) {
        let of = self.0.iter_mut().filter(|known| known.id == id);
        of.for_each(|known| known.changed = Some(Box::new(changed.clone())));
    }

    /// What a new ruling meets here: `Ok(false)` if it came before, `Ok(true)` if it is to be taken.
    pub(super) fn judge(&self, new: &Ruling) -> Result<bool, super::refusal::Refusal> {
        if let Some(known) = self.0.iter().find(|known| known.id == new.id) {
            return if known.content == new.content {
                Ok(false)
            } else {
                Err(refusal(
                    "id-used",
                    "该 id 已用于内容不同的裁定；请用新 id",
                    "this id was used for another ruling; use a new one",
                ))
            };
        }
        let holds = self.in_force(&new.about);
        if let Some(higher) = holds.filter(|holds| holds.role > new.role) {
            return Err((
                "higher-role",
                format!("{}已作出裁定 {}，须由其或上级更改", higher.role.zh(), higher.id),
                format!(
                    "{} has ruled ({}): only it or a higher authority can change that",
                    higher.role.name(),
                    higher.id
                ),
            ));
        }
        if new.ruling == Decision::Restore && holds.is_none() {
            return Err(refusal(
                "nothing-to-restore",
                "该标记没有现行裁定，无可恢复",
                "no ruling about this entry is in force: there is nothing to restore",
            ));
        }
        let full = self.0.len() >= RULINGS_MAX && !self.0.iter().any(|known| self.is_spent(known));
        // What takes the place of another needs none of its own.
        if full && holds.is_none() {
            return Err(refusal("too-many", "本站点的裁定过多", "this station has too many rulings"));
        }
        Ok(true)
    }

    /// Whether it holds no more and is not needed to know that.
    fn is_spent(&self, ruling: &Ruling) -> bool {
        self.in_force(&ruling.about).is_none_or(|holds| holds.id != ruling.id)
    }

    /// Takes a ruling that was judged to be taken; gives back one that had to be forgotten for it.
    pub(super) fn take(&mut self, new: Ruling) -> Option<Ruling> {
        if new.ruling == Decision::Restore {
            // What is restored is the entry as it was entered: nothing of the same role or a lower one holds any more.
            let known = self.0.iter_mut().filter(|known| known.about == new.about && known.restored.is_none());
            known.for_each(|known| known.restored = Some(new.id.clone()));
        } else {
            // Of one role the last that came holds.
            let same =
                |known: &&mut Ruling| known.about == new.about && known.role == new.role && known.restored.is_none();
            self.0.iter_mut().filter(same).for_each(|known| known.restored = Some(new.id.clone()));
        }
        self.0.push(new);
        let older = self.0.len() - 1;
        let spent = || self.0.iter().take(older).position(|known| self.is_spent(known));
        let spent = (self.0.len() > RULINGS_MAX).then(spent).flatten();
        spent.map(|at| self.0.remove(at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_780_000_000_000_000);

    fn ruling(id: &str, role: &str, what: &str) -> Ruling {
        let body = format!(
            r#"{{"schema":"hj212.mark-ruling/1","id":"{id}","about":"E1","ruling":"{what}","reason":"DCS 显示仍在投料","author":"pa-3401-118"}}"#
        );
        read(role, id, body.as_bytes(), NOW).unwrap()
    }

    fn take(rulings: &mut Rulings, id: &str, role: &str, what: &str) -> Result<(), &'static str> {
        let new = ruling(id, role, what);
        if rulings.judge(&new).map_err(|(code, ..)| code)? {
            assert_eq!(rulings.take(new), None);
        }
        Ok(())
    }

    fn holds(rulings: &Rulings) -> Option<(&str, Decision)> {
        rulings.in_force("E1").map(|ruling| (&*ruling.id, ruling.ruling))
    }

    #[test]
    fn of_several_rulings_that_of_the_highest_role_holds_and_of_one_role_the_last() {
        let mut rulings = Rulings::default();
        assert_eq!(take(&mut rulings, "1", "county", "accept"), Ok(()));
        assert_eq!(take(&mut rulings, "2", "county", "doubt"), Ok(()));
        assert_eq!(holds(&rulings), Some(("2", Decision::Doubt)));
        assert_eq!(take(&mut rulings, "3", "province", "annul"), Ok(()));
        assert_eq!(holds(&rulings), Some(("3", Decision::Annul)));
        for (id, role, what) in [("4", "city", "accept"), ("5", "county", "restore")] {
            assert_eq!(take(&mut rulings, id, role, what), Err("higher-role"));
        }
        assert_eq!(take(&mut rulings, "6", "province", "restore"), Ok(()));
        assert_eq!(holds(&rulings), None, "the entry as it was entered");
        assert_eq!(take(&mut rulings, "7", "city", "restore"), Err("nothing-to-restore"));
        assert_eq!(take(&mut rulings, "8", "county", "annul"), Ok(()), "a restored ruling binds nobody");
    }

    #[test]
    fn an_id_is_used_once_and_the_same_ruling_again_does_nothing() {
        let mut rulings = Rulings::default();
        assert_eq!(take(&mut rulings, "1", "city", "annul"), Ok(()));
        assert_eq!(take(&mut rulings, "1", "city", "annul"), Ok(()));
        assert_eq!(rulings.0.len(), 1);
        assert_eq!(take(&mut rulings, "1", "city", "accept"), Err("id-used"));
        assert_eq!(take(&mut rulings, "1", "province", "annul"), Err("id-used"), "another role says another thing");
    }

    #[test]
    fn what_holds_is_never_forgotten_for_what_comes() {
        let mut rulings = Rulings::default();
        for number in 0..RULINGS_MAX {
            let mut new = ruling(&format!("r{number}"), "city", "annul");
            new.about = format!("e{number}");
            assert_eq!(rulings.judge(&new), Ok(true));
            assert_eq!(rulings.take(new), None);
        }
        let more = ruling("more", "city", "annul");
        assert_eq!(rulings.judge(&more).map_err(|(code, ..)| code), Err("too-many"));
        let mut restores = ruling("back", "city", "restore");
        restores.about = "e7".into();
        assert_eq!(rulings.judge(&restores), Ok(true), "it takes the place of the one that it takes back");
        assert_eq!(rulings.take(restores).map(|gone| gone.id), Some("r7".to_owned()));
        assert_eq!((rulings.0.len(), rulings.in_force("e7")), (RULINGS_MAX, None));
        assert!((0..RULINGS_MAX).filter(|n| *n != 7).all(|n| rulings.in_force(&format!("e{n}")).is_some()));
    }

    #[test]
    fn what_cannot_be_read_says_why() {
        let good =
            r#"{"schema":"hj212.mark-ruling/1","id":"1","about":"E1","ruling":"annul","reason":"r","author":"a"}"#;
        let code = |role: &str, id: &str, body: &str| read(role, id, body.as_bytes(), NOW).map_err(|(code, ..)| code);
        assert!(code("county", "1", good).is_ok());
        for (role, id, body, wanted) in [
            ("village", "1", good.to_owned(), "role"),
            ("County", "1", good.to_owned(), "role"),
            ("county", "2", good.to_owned(), "id"),
            ("county", "1", good.replace("annul", "forgive"), "unreadable"),
            ("county", "1", good.replace("mark-ruling/1", "mark-ruling/2"), "schema"),
            ("county", "1", good.replace("\"E1\"", "\"E 1\""), "about"),
            ("county", "1", good.replace("\"r\"", "\"  \""), "reason-missing"),
            ("county", "1", good.replace("annul", "limit"), "time-missing"),
            ("county", "1", good.replace("}", ",\"from\":\"2026-06-01T10:00:00+08:00\"}"), "time-unwanted"),
            ("county", "1", good.replace("\"r\"", &format!("\"{}\"", "r".repeat(2001))), "too-long"),
            ("county", "1", format!("{good}{}", " ".repeat(MARK_ENTRY_MAX)), "too-long"),
            ("county", "1", good.replace("}", ",\"mark\":\"x\"}"), "unreadable"),
        ] {
            assert_eq!(code(role, id, &body).unwrap_err(), wanted, "{role} {id} {body}");
        }
        let limit = |from: &str, to: &str| {
            let more = format!(",\"from\":\"{from}\",\"to\":\"{to}\"}}");
            code("county", "1", &good.replace("annul", "limit").replace('}', &more)).map(|ruling| ruling.within)
        };
        assert!(limit("2026-06-01T10:00:00+08:00", "2026-06-01T12:00:00+08:00").unwrap().is_some());
        assert_eq!(limit("2026-06-01T12:00:00+08:00", "2026-06-01T12:00:00+08:00"), Err("time"));
        assert_eq!(limit("2026-06-01 10:00", "2026-06-01T12:00:00+08:00"), Err("time"));
    }
}
