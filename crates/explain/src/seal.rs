//! What is encrypted about a frame, in which form, and what is missing to read it: a key, the form at the registration, or anybody's word
//! that the station encrypts at all (docs/keys.md).
//!
//! What must stay true: every form that is known is called by its name; a form is named by its looks as far as they go, and wholly only where
//! a key opens it; no key is shown.

use serde::Serialize;

use hj212::seal_form::{Padding, Writing};
use hj212::sm4::{self, Key};
use hj212::{CrcVerdict, Frame, Header, Seal, SealForm};

/// What is said of the encryption of a frame.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Sealed {
    /// How the ciphertext is written: `bytes`, `printed`, `base64` or `hex`.
    pub written: &'static str,
    /// The whole form as it is registered (`seal = "…"`), where a key tells it.
    pub form: Option<String>,
    /// Whether it was opened.
    pub opened: bool,
    /// What is missing: `word`, `key`, `form`, `groups`, `whole`.
    pub missing: Vec<&'static str>,
    /// What that means and what to do, in Chinese.
    pub zh: String,
    /// In English.
    pub en: String,
}

/// What is known beside the frame.
pub(super) struct Known<'a> {
    /// The keys of its station.
    pub(super) keys: Vec<&'a Key>,
    /// The form that is taken for registered.
    pub(super) form: SealForm,
    /// Whether Flag, a registration or a key says that the station encrypts.
    pub(super) spoken: bool,
    /// Whether it was opened.
    pub(super) opened: bool,
}

const fn written(seal: Seal) -> (&'static str, &'static str, &'static str) {
    match seal {
        Seal::Bytes => ("bytes", "原始字节", "as bytes"),
        Seal::Text { .. } | Seal::Torn => ("printed", "{0x..} 文本", "as {0x..} text"),
        Seal::Written { writing: Writing::Base64, .. } => ("base64", "Base64 文本", "in base64"),
        Seal::Written { writing: Writing::Hex, .. } => ("hex", "十六进制文本", "in hexadecimal"),
    }
}

/// What is to be said of the encryption of `frame`, if there is any.
pub(super) fn sealed(frame: &Frame<'_>, header: &Header<'_>, known: &Known<'_>) -> Option<Sealed> {
    let seal = header.sealed?;
    let (code, how_zh, how_en) = written(seal);
    let found = sm4::form_of(frame.segment, frame.check.said, known.keys.iter().copied());
    let say = |missing: Vec<&'static str>, zh: String, en: String| {
        let (zh, en) = (format!("密文为{how_zh};{zh}"), format!("ciphertext {how_en}; {en}"));
        Some(Sealed { written: code, form: found.map(|form| form.to_string()), opened: known.opened, missing, zh, en })
    };
    if seal == Seal::Torn {
        let (zh, en) = (
            "花括号内不是 16 字节的整数倍:报文不完整,请检查现场机",
            "the braces hold no whole groups of 16 bytes: something is missing, a fault of the station",
        );
        return say(vec!["groups"], zh.into(), en.into());
    }
    if known.opened {
        return say(Vec::new(), "已用站点密钥解开".into(), "opened with a key of the station".into());
    }
    if let Some(form) = found {
        return match form.padding {
            Some(Padding::Other) => say(
                vec!["form"],
                "密钥可解开,但填充方式无法登记:请让现场机按标准不填充".into(),
                "a key opens it, but it is filled up in a way that is not read: have the logger fill up nothing, as the standard says".into(),
            ),
            Some(Padding::Pkcs7 | Padding::Zero) | None => say(
                vec!["form"],
                format!("密钥可解开,站点需登记 seal = \"{form}\"(decode 可加 --seal {form})"),
                format!("a key opens it: register seal = \"{form}\" for the station (here: --seal {form})"),
            ),
        };
    }
    let writing = sm4::writing_of(frame.segment).filter(|_| known.form.writing.is_none());
    let (form_zh, form_en) = match writing.map(|writing| SealForm { writing: Some(writing), padding: None }) {
        Some(form) => (
            format!(";并登记 seal = \"{form}\"(若有填充:\"{form}+pkcs7\" 或 \"{form}+zero\")"),
            format!("; and register seal = \"{form}\" (filled up: \"{form}+pkcs7\" or \"{form}+zero\")"),
        ),
        None => (String::new(), String::new()),
    };
    let mut missing = Vec::new();
    if !known.spoken {
        missing.push("word");
    }
    if known.keys.is_empty() {
        missing.push("key");
    }
    if writing.is_some() {
        missing.push("form");
    }
    if !known.spoken {
        // A right check over what was sent lets the frame in, whatever its area holds.
        let (so_zh, so_en) = if frame.check.verdict == CrcVerdict::Right {
            (
                "CRC 按密文计算且正确,报文照收,但数据区按明文读不出任何字段",
                "the CRC over what was sent is right, so the frame is taken, and its area is read as plain text in which no field is found",
            )
        } else {
            ("按损坏的数据区拒收", "it is refused as damaged")
        };
        return say(
            missing,
            format!(
                "但 Flag、站点登记与密钥都不表明加密,{so_zh}。站点若确实加密,请登记密钥、edition = \"2025\" 或 seal = \"standard\"{form_zh}"
            ),
            format!(
                "but neither Flag nor registration nor a key says so: {so_en}. If the station does encrypt, register a key, edition = \"2025\" or seal = \"standard\"{form_en}"
            ),
        );
    }
    if known.keys.is_empty() {
        return say(
            missing,
            format!("缺少站点密钥:登记密钥文件(decode 用 --key-file){form_zh}"),
            format!("no key of the station is known: register a key file (here: --key-file){form_en}"),
        );
    }
    if sm4::is_damaged(frame.segment, frame.check.said, known.keys.iter().copied()) {
        return say(
            vec!["whole"],
            "确用该站点密钥加密,但传输中已损坏".into(),
            "sealed with a key of the station, and damaged since".into(),
        );
    }
    missing.push("key");
    say(
        missing,
        format!("站点的密钥均不能解开:密钥不同,或数据已损坏{form_zh}"),
        format!("none of the station's keys opens it: another key, or a damaged group{form_en}"),
    )
}
