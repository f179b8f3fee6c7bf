//! An entry as it comes (schema `hj212.ledger/1`), read and judged as far as that needs no other entry.
//!
//! What must stay true: whatever comes is an entry or a refusal that says in Chinese and English what to write instead.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::work::{WorkKind, WorkRole};
use super::{AHEAD_MAX, ENTRY_MAX, KEPT, WORK_MAX};
use hj212_model::message::Timestamp;
use hj212_model::names;

/// The longest id.
const ID_MAX: usize = 64;
/// The longest text, bytes.
const TEXT_MAX: usize = 2000;
/// The longest name, value or unit, bytes.
const NAME_MAX: usize = 128;
/// Readings, parts or files of one entry, at most.
const ITEMS_MAX: usize = 32;

/// Why an entry is not taken: a stable code, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkRefusal {
    /// The stable code.
    pub code: String,
    /// In Chinese.
    pub zh: String,
    /// In English.
    pub en: String,
}

pub(crate) fn refusal(code: &str, zh: &str, en: &str) -> WorkRefusal {
    WorkRefusal { code: code.into(), zh: zh.into(), en: en.into() }
}

/// A value before and after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BeforeAfter {
    /// The factor, or the parameter that was changed.
    pub code: String,
    /// What was read before, as text.
    #[serde(default)]
    pub before: String,
    /// What was read afterwards, as text.
    #[serde(default)]
    pub after: String,
    /// What it should be: the value of the gas, the solution, the setting.
    #[serde(default)]
    pub standard: String,
    /// The unit.
    #[serde(default)]
    pub unit: String,
}

/// A part, a reagent or a bottle of gas that was used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartUsed {
    /// What it is called.
    pub name: String,
    /// Its number: of the part, of the bottle, of the batch.
    #[serde(default)]
    pub number: String,
    /// How many; left out: one.
    #[serde(default)]
    pub count: Option<u32>,
}

/// A file that lies elsewhere: a photo, a report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attachment {
    /// Its name.
    pub name: String,
    /// SHA-256 of its bytes, hexadecimal.
    pub sha256: String,
    /// How many bytes it has.
    pub bytes: u64,
}

/// An entry as written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkWritten {
    /// `hj212.ledger/1`
    pub schema: String,
    /// The id, as in the topic.
    pub id: String,
    /// What was done; left out only where an entry does no more than withdraw another.
    #[serde(default)]
    pub kind: Option<WorkKind>,
    /// Since when, RFC 3339.
    #[serde(default)]
    pub begin: String,
    /// Until when.
    #[serde(default)]
    pub end: String,
    /// Who did it.
    pub person: String,
    /// The company, as it is registered.
    pub company: String,
    /// What it was done at: factors or an instrument; left out: the whole station.
    #[serde(default)]
    pub objects: Vec<String>,
    /// What was done, in words; of a withdrawal why.
    #[serde(default)]
    pub text: String,
    /// Values before and after.
    #[serde(default)]
    pub readings: Vec<BeforeAfter>,
    /// What was used.
    #[serde(default)]
    pub parts: Vec<PartUsed>,
    /// Files elsewhere.
    #[serde(default)]
    pub files: Vec<Attachment>,
    /// The entry that this one withdraws, or takes the place of.
    #[serde(default)]
    pub withdraws: Option<String>,
}

/// The company of a station, as far as an entry is judged by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Company<'a> {
    /// Whether the station is registered.
    pub station: bool,
    /// The company that is registered as keeping it.
    pub registered: Option<&'a str>,
}

/// An entry that can be looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EntryRead {
    pub(crate) written: WorkWritten,
    /// Kind, begin and end of the work.
    pub(crate) work: Option<(WorkKind, Timestamp, Timestamp)>,
    /// SHA-256 of what it says.
    pub(crate) content: [u8; 32],
}

/// Whether `id` can be an id.
fn is_id(id: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    (1..=ID_MAX).contains(&id.len()) && id.bytes().all(fits)
}

/// Reads an entry's text, for those who show it; `None`: it is none.
#[must_use]
pub fn read(json: &[u8]) -> Option<WorkWritten> {
    serde_json::from_slice(json).ok()
}

/// Judges the entry `id` of `role` that came at `at`.
pub(crate) fn judge(
    company: Company<'_>,
    (role, id, json): (&str, &str, &[u8]),
    at: Timestamp,
) -> Result<EntryRead, WorkRefusal> {
    let Some(role) = WorkRole::named(role) else {
        let zh = "主题中的角色须为 operator（运维单位）或 enterprise（排污单位自行运维）";
        return Err(refusal("role", zh, "the role in the topic must be operator or enterprise"));
    };
    if !company.station {
        return Err(refusal("unknown-station", "该站点未登记", "this station is not registered"));
    }
    if json.len() > ENTRY_MAX {
        return Err(refusal("too-long", "台账超过 16 KiB", "the entry is longer than 16 KiB"));
    }
    let written: WorkWritten = serde_json::from_slice(json).map_err(|error| WorkRefusal {
        code: "unreadable".into(),
        zh: format!("无法读取该台账：{error}"),
        en: format!("the entry cannot be read: {error}"),
    })?;
    if written.schema != "hj212.ledger/1" {
        return Err(refusal("schema", "schema 必须为 hj212.ledger/1", "schema must be hj212.ledger/1"));
    }
    if !is_id(id) || written.id != id || !written.withdraws.as_deref().is_none_or(is_id) {
        let zh = "id 与 withdraws 须为 1 至 64 个字母、数字、.、- 或 _，且 id 与主题中的一致";
        let en = "id and withdraws must be 1 to 64 letters, digits, '.', '-' or '_', and id the same as in the topic";
        return Err(refusal("id", zh, en));
    }
    sized(&written)?;
    if names::folded(&written.person).is_empty() {
        return Err(refusal("person-missing", "必须填写 person（人员）", "person must be given"));
    }
    kept_by(company, role, &written.company)?;
    let hex = |text: &str| text.len() == 64 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    if !written.files.iter().all(|file| hex(&file.sha256)) {
        let zh = "files 的 sha256 须为 64 位小写十六进制";
        return Err(refusal("files", zh, "sha256 of a file is 64 hexadecimal digits, small letters"));
    }
    if written.withdraws.is_some() && names::is_blank(&written.text) {
        return Err(refusal("reason-missing", "撤回须在 text 写明理由", "a withdrawal says why: text"));
    }
    let work = match written.kind {
        Some(kind) => {
            let (begin, end) = times(&written, at)?;
            Some((kind, begin, end))
        }
        None if written.withdraws.is_some() => None,
        None => return Err(refusal("kind", "必须填写 kind（工作类别）", "kind must be given")),
    };
    let content = Sha256::digest(serde_json::to_vec(&(role, &written)).unwrap_or_default()).into();
    Ok(EntryRead { written, work, content })
}

fn sized(written: &WorkWritten) -> Result<(), WorkRefusal> {
    let readings =
        written.readings.iter().flat_map(|one| [&one.code, &one.before, &one.after, &one.standard, &one.unit]);
    let parts = written.parts.iter().flat_map(|part| [&part.name, &part.number]);
    let files = written.files.iter().map(|file| &file.name);
    let mut names = readings.chain(parts).chain(files).chain(&written.objects);
    let own = [&written.person, &written.company, &written.begin, &written.end];
    let counts = [written.readings.len(), written.parts.len(), written.files.len(), written.objects.len()];
    let long = written.text.len() > TEXT_MAX
        || own.iter().any(|name| name.len() > NAME_MAX)
        || names.any(|name| name.len() > NAME_MAX)
        || counts.iter().any(|count| *count > ITEMS_MAX);
    if !long {
        return Ok(());
    }
    let zh = "过长：text 至多 2000 字节，其余各项至多 128 字节，objects、readings、parts、files 至多 32 项";
    let en =
        "too long: text holds 2000 bytes, other members 128 bytes, objects, readings, parts and files 32 items at most";
    Err(refusal("too-long", zh, en))
}

/// Whether that company may enter for the station.
fn kept_by(company: Company<'_>, role: WorkRole, named: &str) -> Result<(), WorkRefusal> {
    if names::is_blank(named) {
        return Err(refusal("company", "必须填写 company（单位）", "company must be given"));
    }
    if role == WorkRole::Enterprise || company.registered == Some(named) {
        return Ok(());
    }
    Err(match company.registered {
        Some(_) => refusal(
            "company",
            "company 不是该站点登记的运维单位（站点文件的 operator）",
            "company is not the one that is registered as keeping this station (operator of the station's row)",
        ),
        None => refusal(
            "company",
            "该站点未登记运维单位（站点文件的 operator）",
            "no company is registered as keeping this station (operator of the station's row)",
        ),
    })
}

/// Begin and end of the work.
fn times(written: &WorkWritten, at: Timestamp) -> Result<(Timestamp, Timestamp), WorkRefusal> {
    let time = |text: &str| text.parse::<jiff::Timestamp>().ok().map(|at| Timestamp(at.as_microsecond()));
    let (Some(begin), Some(end)) = (time(&written.begin), time(&written.end)) else {
        let (zh, en) = ("begin 与 end 须为带时区的 RFC 3339 时间", "begin and end must be RFC 3339 with an offset");
        return Err(refusal("time", zh, en));
    };
    let length = end.0.saturating_sub(begin.0);
    if !(0..=WORK_MAX).contains(&length) {
        return Err(refusal(
            "time",
            "end 须不早于 begin，且相距至多 31 天",
            "end must not be before begin, nor 31 days after it",
        ));
    }
    if end.0.saturating_sub(at.0) > AHEAD_MAX || at.0.saturating_sub(begin.0) > KEPT {
        let zh = "台账记录已完成的工作：end 不得晚于现在，begin 至多在 62 天前";
        return Err(refusal(
            "time",
            zh,
            "an entry tells of work that is done: end is not ahead, begin at most 62 days ago",
        ));
    }
    Ok((begin, end))
}
