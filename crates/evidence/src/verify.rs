//! Checking a pack, with nothing but the pack.
//!
//! What must stay true: lines are checked in order and the first difference is named by its line; what cannot be checked is counted, not passed
//! over in silence; a pack that is good to the end and whose last line is good is good in every byte.

use std::collections::BTreeSet;
use std::io::{BufRead, Read};

use sha2::{Digest, Sha256};

use super::pack::{End, Head, LINE_MAX, Line, Shown, end_line, end_text};
use super::tree::{Tree, chain, leaf};
use super::{Anchor, Hash, hex, is_signed, unhex};

/// What is known from elsewhere.
#[derive(Debug, Clone, Default)]
pub struct Trust {
    /// Keys that may have signed, hexadecimal; none: any, and the report names them.
    pub keys: Vec<String>,
    /// Anchors that were kept elsewhere: one of the same number in the pack must be the same.
    pub anchors: Vec<Anchor>,
}

/// The first thing that does not fit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("第 {line} 行：{zh}。line {line}: {en}")]
pub struct Difference {
    /// The line, from 1.
    pub line: u64,
    /// What, in Chinese.
    pub zh: &'static str,
    /// In English.
    pub en: &'static str,
}

/// What a good pack holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Its first line.
    pub head: Option<Head>,
    /// Its anchors.
    pub anchors: Vec<Anchor>,
    /// Records that were checked against an anchor.
    pub records: u64,
    /// Of them, those whose place in the chain of hashes was computed as well.
    pub chained: u64,
    /// Anchors that were compared with one kept elsewhere.
    pub compared: u64,
    /// Who signed, anchors and pack.
    pub keys: BTreeSet<String>,
    /// The explanation.
    pub text: Vec<String>,
}

/// The span whose items are being read.
struct Open {
    anchor: Anchor,
    tree: Tree,
    /// The record shown last.
    last: Option<(u64, String)>,
}

/// Checks the pack that `input` gives.
///
/// # Errors
/// The first difference.
pub fn verify(mut input: impl BufRead, trust: &Trust) -> Result<Report, Difference> {
    let mut check = Check { trust, report: Report::default(), open: None, line: 0, hash: Sha256::new() };
    let mut bytes = Vec::new();
    loop {
        bytes.clear();
        let read = input.by_ref().take(LINE_MAX).read_until(b'\n', &mut bytes);
        check.line += 1;
        if read.is_err() {
            return Err(check.wrong("无法读取文件", "the file cannot be read"));
        }
        if bytes.last() != Some(&b'\n') {
            return Err(check.wrong("文件不完整或行过长", "the file is cut, or a line is too long"));
        }
        let Ok(line) = serde_json::from_slice::<Line>(&bytes) else {
            return Err(check.wrong("无法识别的内容", "this is no line of a pack"));
        };
        if let Line::End(end) = line {
            check.end(&end, &bytes)?;
            let mut more = [0];
            if input.read(&mut more).unwrap_or(1) > 0 {
                check.line += 1;
                return Err(check.wrong("结束行之后还有内容", "something follows the last line"));
            }
            return Ok(check.report);
        }
        check.hash.update(&bytes);
        check.take(line)?;
    }
}

struct Check<'t> {
    trust: &'t Trust,
    report: Report,
    open: Option<Open>,
    line: u64,
    hash: Sha256,
}

impl Check<'_> {
    const fn wrong(&self, zh: &'static str, en: &'static str) -> Difference {
        Difference { line: self.line, zh, en }
    }

    fn take(&mut self, line: Line) -> Result<(), Difference> {
        if (self.line == 1) != matches!(line, Line::Evidence(_)) {
            return Err(self.wrong("首行应说明证据包来源", "the first line, and only it, says whose the pack is"));
        }
        match line {
            Line::Evidence(head) if head.schema == super::pack::SCHEMA => self.report.head = Some(head),
            Line::Evidence(_) => return Err(self.wrong("不支持的版本", "a schema that this program does not know")),
            Line::Rules(text) | Line::Station(text) => {
                if hex(&Sha256::digest(&text.text)) != text.sha256 {
                    return Err(self.wrong("文本与其 SHA-256 不符", "a text that does not fit its SHA-256"));
                }
            }
            Line::Anchor(anchor) => {
                self.close()?;
                self.anchor(&anchor)?;
                self.open = Some(Open { anchor: anchor.clone(), tree: Tree::default(), last: None });
                self.report.anchors.push(anchor);
            }
            Line::Node(height, hash) => {
                let good = match (&mut self.open, unhex(&hash)) {
                    (Some(open), Some(hash)) => open.tree.push(height, hash),
                    _ => false,
                };
                if !good {
                    return Err(self.wrong("散列树的节点位置不对", "a node that cannot stand here"));
                }
            }
            Line::Record(shown) => self.record(&shown)?,
            Line::Text(text) => self.report.text.push(text),
            // Handled by the caller.
            Line::End(_) => {}
        }
        Ok(())
    }

    fn anchor(&mut self, anchor: &Anchor) -> Result<(), Difference> {
        if !anchor.is_good() {
            return Err(self.wrong("锚点签名无效", "an anchor whose signature does not hold"));
        }
        self.trusted(&anchor.key)?;
        if self.report.head.as_ref().is_none_or(|head| head.journal != anchor.journal) {
            return Err(self.wrong("锚点属于另一个日志库", "an anchor of another journal"));
        }
        if let Some(before) = self.report.anchors.last() {
            let follows = anchor.first > before.last && anchor.number > before.number;
            let next = anchor.number == before.number + 1;
            if !follows || next && (anchor.previous != before.name() || anchor.first != before.last + 1) {
                return Err(self.wrong("锚点与前一锚点不衔接", "an anchor that does not continue the one before it"));
            }
        }
        for known in
            self.trust.anchors.iter().filter(|known| {
                known.journal == anchor.journal && known.number == anchor.number && known.key == anchor.key
            })
        {
            if known.signed_text() != anchor.signed_text() {
                return Err(self.wrong("与另存的锚点不同", "an anchor that differs from the one kept elsewhere"));
            }
            self.report.compared += 1;
        }
        Ok(())
    }

    fn trusted(&mut self, key: &str) -> Result<(), Difference> {
        if !self.trust.keys.is_empty() && !self.trust.keys.iter().any(|known| known == key) {
            return Err(self.wrong("签名所用的密钥不在指定之列", "signed with a key that is none of those given"));
        }
        self.report.keys.insert(key.to_owned());
        Ok(())
    }

    fn record(&mut self, shown: &Shown) -> Result<(), Difference> {
        let wrong = |zh, en| Err(Difference { line: self.line, zh, en });
        let Some(open) = &mut self.open else {
            return wrong("记录不属于任何锚点", "a record that no anchor covers");
        };
        let Ok(body) = data_encoding::BASE64.decode(shown.body.as_bytes()) else {
            return wrong("记录内容无法解码", "the body of a record cannot be decoded");
        };
        let (first, last) = (open.last.as_ref().map_or(open.anchor.first, |(offset, _)| offset + 1), open.anchor.last);
        if !(first..=last).contains(&shown.offset) {
            return wrong(
                "记录的序号不在锚点范围内或次序不对",
                "the offset of a record is not in its span or not in order",
            );
        }
        let Shown { offset, time, kind, .. } = *shown;
        if !open.tree.push(0, leaf(offset, time, kind, &body)) {
            return wrong("散列树的节点位置不对", "a record that cannot stand here");
        }
        if let Some(previous) = &shown.previous {
            let hash: Option<Hash> = unhex(previous).map(|previous| chain(&previous, offset, time, kind, &body));
            let before = open.last.as_ref().filter(|(before, _)| before + 1 == offset);
            if hash.is_none_or(|hash| hex(&hash) != shown.hash) || before.is_some_and(|(_, before)| before != previous)
            {
                return wrong("记录与散列链不符", "a record that does not continue the chain of hashes");
            }
            self.report.chained += 1;
        }
        if offset == last && shown.hash != open.anchor.head {
            return wrong("最后一条记录与锚点不符", "the last record is not the one that the anchor names");
        }
        open.last = Some((offset, shown.hash.clone()));
        self.report.records += 1;
        Ok(())
    }

    /// The span at hand is complete.
    fn close(&mut self) -> Result<(), Difference> {
        let Some(open) = self.open.take() else { return Ok(()) };
        if open.tree.count() != open.anchor.count || hex(&open.tree.root()) != open.anchor.root {
            let (zh, en) = (
                "记录与锚点不符：内容被改动、增加或删去",
                "the records do not fit their anchor: changed, added or left out",
            );
            return Err(self.wrong(zh, en));
        }
        Ok(())
    }

    fn end(&mut self, end: &End, bytes: &[u8]) -> Result<(), Difference> {
        if self.report.head.is_none() {
            return Err(self.wrong("首行应说明证据包来源", "the first line says whose the pack is"));
        }
        self.close()?;
        let sha256 = hex(&std::mem::take(&mut self.hash).finalize());
        if end_line(end).as_bytes() != bytes || end.lines + 1 != self.line || end.sha256 != sha256 {
            return Err(self.wrong("文件内容与其 SHA-256 不符", "the file does not fit the SHA-256 in its last line"));
        }
        if !is_signed(&end.key, end_text(&end.sha256).as_bytes(), &end.signature) {
            return Err(self.wrong("证据包签名无效", "the signature of the pack does not hold"));
        }
        self.trusted(&end.key.clone())
    }
}
