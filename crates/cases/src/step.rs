//! A step as it comes (schema `hj212.case-step/1`), read and judged as far as that needs no case.
//!
//! What must stay true: whatever comes is a step or a refusal that says in Chinese and English what to write instead.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::STEP_MAX;
use super::table::{Colour, Role, Step};
use hj212_model::message::Timestamp;
use hj212_model::names;

/// The longest id.
const ID_MAX: usize = 64;
/// The longest text, bytes.
const TEXT_MAX: usize = 2000;
/// The longest name, bytes.
const NAME_MAX: usize = 128;
/// Files and marks that one step names, at most.
const FILES_MAX: usize = 16;

/// Why a step is not taken: a stable code, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// The stable code.
    pub code: String,
    /// In Chinese.
    pub zh: String,
    /// In English.
    pub en: String,
}

pub(crate) fn refusal(code: &str, zh: &str, en: &str) -> Refusal {
    Refusal { code: code.into(), zh: zh.into(), en: en.into() }
}

/// A file that lies elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileRef {
    /// Its name.
    pub name: String,
    /// SHA-256 of its bytes, hexadecimal.
    pub sha256: String,
    /// How many bytes it has.
    pub bytes: u64,
}

/// A step as written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Written {
    schema: String,
    pub(crate) id: String,
    pub(crate) case: String,
    pub(crate) step: Step,
    pub(crate) author: String,
    #[serde(default)]
    pub(crate) text: String,
    #[serde(default)]
    pub(crate) cause: String,
    #[serde(default)]
    pub(crate) files: Vec<FileRef>,
    #[serde(default)]
    pub(crate) marks: Vec<String>,
    /// Leads that it is about. What names none has the content hash that it had before leads were known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) leads: Vec<String>,
    #[serde(default)]
    pub(crate) planned: Option<String>,
    #[serde(default)]
    pub(crate) number: String,
    #[serde(default)]
    pub(crate) outlet: String,
    #[serde(default)]
    pub(crate) code: String,
    #[serde(default)]
    pub(crate) colour: Option<Colour>,
}

/// A step that can be looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) role: Role,
    pub(crate) written: Written,
    pub(crate) planned: Option<Timestamp>,
    /// SHA-256 of what it says.
    pub(crate) content: [u8; 32],
}

/// Whether `id` can be an id.
pub(crate) fn is_id(id: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    (1..=ID_MAX).contains(&id.len()) && id.bytes().all(fits)
}

/// Reads the step `id` of `role`.
pub(crate) fn read(role: &str, id: &str, json: &[u8]) -> Result<Asked, Refusal> {
    let Some(role) = Role::named(role) else {
        let zh = "主题中的角色须为 enterprise、operator、county、city 或 province";
        return Err(refusal(
            "role",
            zh,
            "the role in the topic must be enterprise, operator, county, city or province",
        ));
    };
    if json.len() > STEP_MAX {
        return Err(refusal("too-long", "步骤超过 16 KiB", "the step is longer than 16 KiB"));
    }
    let written: Written = serde_json::from_slice(json).map_err(|error| Refusal {
        code: "unreadable".into(),
        zh: format!("无法读取该步骤：{error}"),
        en: format!("the step cannot be read: {error}"),
    })?;
    if written.schema != "hj212.case-step/1" {
        return Err(refusal("schema", "schema 必须为 hj212.case-step/1", "schema must be hj212.case-step/1"));
    }
    if !is_id(id) || written.id != id || !is_id(&written.case) {
        let zh = "id 与 case 须为 1 至 64 个字母、数字、.、- 或 _，且 id 与主题中的一致";
        let en = "id and case must be 1 to 64 letters, digits, '.', '-' or '_', and id the same as in the topic";
        return Err(refusal("id", zh, en));
    }
    let texts = [&written.text, &written.cause];
    let names = [&written.author, &written.number, &written.outlet, &written.code];
    let mut inner = written.files.iter().map(|file| &file.name).chain(&written.marks);
    if texts.iter().any(|text| text.len() > TEXT_MAX)
        || names.iter().any(|name| name.len() > NAME_MAX)
        || inner.any(|name| name.len() > NAME_MAX)
        || written.files.len() > FILES_MAX
        || written.marks.len() > FILES_MAX
        || written.leads.len() > FILES_MAX
        || !written.leads.iter().all(|lead| is_id(lead))
    {
        let zh = "过长：text、cause 至多 2000 字节，其余各项至多 128 字节，files、marks、leads 至多 16 项";
        let en = "too long: text and cause hold 2000 bytes, other members 128 bytes, files, marks and leads 16 items at most";
        return Err(refusal("too-long", zh, en));
    }
    let hex = |text: &str| text.len() == 64 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    if !written.files.iter().all(|file| hex(&file.sha256)) {
        return Err(refusal(
            "files",
            "files 的 sha256 须为 64 位小写十六进制",
            "sha256 of a file is 64 hexadecimal digits",
        ));
    }
    if names::folded(&written.author).is_empty() {
        return Err(refusal("author-missing", "必须填写 author", "author must be given"));
    }
    let said = |needed: &[Step], text: &str| !needed.contains(&written.step) || !names::is_blank(text);
    if !said(
        &[Step::Reply, Step::Return, Step::Void, Step::Extend, Step::ToLaw, Step::Open, Step::Comment],
        &written.text,
    ) {
        return Err(refusal("reason-missing", "此步骤必须填写 text", "this step needs a text"));
    }
    let planned = match &written.planned {
        None => None,
        Some(text) => match text.parse::<jiff::Timestamp>() {
            Ok(at) => Some(Timestamp(at.as_microsecond())),
            Err(_) => {
                let (zh, en) = ("planned 须为带时区的 RFC 3339 时间", "planned must be RFC 3339 with an offset");
                return Err(refusal("planned", zh, en));
            }
        },
    };
    if written.step == Step::Extend && planned.is_none() {
        return Err(refusal("planned", "延期须写明 planned", "an extension says until when: planned"));
    }
    if written.step == Step::Open && (written.colour.is_none() || written.code.is_empty()) {
        return Err(refusal("open", "立案须写明 colour 与 code", "a case is opened with a colour and a code"));
    }
    let content = Sha256::digest(serde_json::to_vec(&(role, &written)).unwrap_or_default()).into();
    Ok(Asked { role, written, planned, content })
}
