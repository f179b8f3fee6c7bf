//! What to change in a frame so that it becomes right: which characters, where, into what. Positions count the frame's bytes from 1.

use hj212::{Deviation, Frame, Verdict, envelope};

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advice {
    /// The first byte that is to be changed, counted from 1; one behind the last if something is missing at the end.
    pub at: usize,
    /// What stands there; empty: something is missing.
    pub from: String,
    /// What should stand there.
    pub to: String,
    /// The change in Chinese.
    pub zh: String,
    /// The change in English.
    pub en: String,
}

/// What else a declared length may have counted, by how much more it says than it should.
const COUNTED: [(usize, &str, &str); 6] = [
    (2, "把回车换行算进去了", "CR LF was counted"),
    (4, "把 CRC 算进去了", "the CRC was counted"),
    (6, "把 CRC 和回车换行(或包头)算进去了", "CRC and CR LF, or the head, were counted"),
    (8, "把包头和回车换行算进去了", "the head and CR LF were counted"),
    (10, "把包头和 CRC 算进去了", "the head and the CRC were counted"),
    (12, "把整个数据包算进去了", "the whole frame was counted"),
];

/// What to change in `frame`; nothing if it is as the standard says. `sealed`: its area is encrypted, and its check cannot be told.
#[must_use]
pub fn advice(frame: &Frame<'_>) -> Vec<Advice> {
    let mut all = Vec::new();
    let length = frame.segment.len();
    let body = frame.segment.as_ptr().addr().saturating_sub(frame.raw.as_ptr().addr());
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end_matches(['\r', '\n']).to_owned();
    let head = frame.raw.get(..body).unwrap_or_default();
    let wanted = format!("##{length:04}");
    if head != wanted.as_bytes() && length <= 9999 {
        let said = envelope(frame.raw, length).declared;
        let off = said.and_then(|said| said.checked_sub(length));
        let why = COUNTED.iter().find(|(by, ..)| off == Some(*by) && frame.deviations.contains(Deviation::LengthOff));
        let (zh, en) = why.map_or((String::new(), String::new()), |(_, zh, en)| (format!(":{zh}"), format!(": {en}")));
        let from = text(head);
        all.push(Advice {
            at: 1,
            zh: format!("把包头和长度 {from} 改为 {wanted}(第 1 到 {body} 个字符;数据段从 {} 起共 {length} 字节){zh}", body + 1),
            en: format!(
                "change head and length {from} to {wanted} (characters 1 to {body}; the data segment begins at {} and has {length} bytes){en}",
                body + 1
            ),
            from,
            to: wanted,
        });
    }
    let end = body + length;
    let tail = frame.raw.get(end..).unwrap_or_default();
    let said = text(tail).trim().to_owned();
    let computed = format!("{:04X}", frame.check.computed);
    let sealed = frame.check.verdict == Verdict::Sealed;
    if !frame.segment.ends_with(b"&&") {
        all.push(Advice {
            at: end + 1,
            from: String::new(),
            to: "&&".into(),
            zh: format!("数据区缺少结尾的 &&(第 {} 个字符处),补上后重新计算长度与 CRC", end + 1),
            en: format!("the closing && is missing at character {}: add it and compute length and CRC again", end + 1),
        });
    } else if said.is_empty() {
        all.push(Advice {
            at: end + 1,
            from: String::new(),
            to: computed.clone(),
            zh: format!("缺少 CRC:在第 {} 个字符处补 {computed}(4 个字符)", end + 1),
            en: format!("the CRC is missing: add {computed} (4 characters) at character {}", end + 1),
        });
    } else if said != computed && !sealed {
        all.push(Advice {
            at: end + 1,
            zh: format!("把 CRC {said} 改为 {computed}(第 {} 到 {} 个字符)", end + 1, end + said.len()),
            en: format!("change the CRC {said} to {computed} (characters {} to {})", end + 1, end + said.len()),
            from: said,
            to: computed,
        });
    }
    all
}
