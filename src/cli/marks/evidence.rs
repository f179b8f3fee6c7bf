//! `marks explain --evidence`: what is handed over beside the explanation. Records with their hashes, the text of rules with the hash of their file,
//! the registration in force.

use std::fmt::Write;
use std::path::Path;

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use crate::gateway::marks::{Answer, Proof, Report, proof};
use hj212_journal::Offset;
use hj212_marking::{Mark, Source};

/// Where evidence is looked for.
pub(super) struct Evidence<'a> {
    /// The journal.
    pub(super) dir: &'a Path,
    /// What was found.
    pub(super) answer: &'a Answer,
}

impl Evidence<'_> {
    /// The record or records of a report, and what it was judged by.
    pub(super) fn of_report(&self, text: &mut String, report: &Report) -> Result<(), u8> {
        text.push_str("  证据 evidence\n");
        let body: serde_json::Value = serde_json::from_str(&report.body).unwrap_or_default();
        let parts = body["parts"].as_array().map(Vec::as_slice).unwrap_or_default();
        let of_parts = parts.iter().filter_map(|part| part["offset"].as_u64());
        let mut offsets: Vec<u64> =
            of_parts.chain(body.pointer("/journal/offset").and_then(|at| at.as_u64())).collect();
        offsets.sort_unstable();
        offsets.dedup();
        for offset in offsets {
            self.record(text, Offset(offset), "数据 data")?;
        }
        let sources = &self.answer.sources;
        let registry = if sources.registry == [0; 32] {
            "无 none".to_owned()
        } else {
            format!("sha256:{}", HEXLOWER.encode(&sources.registry))
        };
        let _ = writeln!(text, "    注册与规则版本 registration and rules in force: {registry}");
        for (file, rules) in &sources.rules {
            let _ = writeln!(text, "    规则文件 rule file {file}: sha256:{}", HEXLOWER.encode(&Sha256::digest(rules)));
        }
        let started = sources.started.as_deref().unwrap_or("未读到 not read");
        let _ = writeln!(text, "    网关版本 gateway: {started}；本次解释 explained by: {}", env!("CARGO_PKG_VERSION"));
        text.push_str("    链式哈希 chain: SHA-256(previous ‖ record number u64 LE ‖ time µs i64 LE ‖ kind u8 ‖ body)；核对 check: journal verify\n");
        Ok(())
    }

    /// The rule or the entry that a mark comes from, and the ruling about it.
    pub(super) fn of_mark(&self, text: &mut String, mark: &Mark) -> Result<(), u8> {
        if mark.said.is_none() {
            let source = self.answer.book.text_of_rule(&mark.by, mark.version, self.files());
            written(text, "规则原文 text of the rule", source);
        } else {
            let place = self.answer.places.entries.get(&mark.by).copied();
            self.placed(text, place, "填报 entry")?;
        }
        written(text, "标记原文 text of the mark", self.answer.book.text_of_mark(&mark.mark, self.files()));
        if let Some(ruled) = &mark.ruled {
            let place = self.answer.places.rulings.get(&ruled.id).copied();
            self.placed(text, place, "裁定 ruling")?;
        }
        Ok(())
    }

    /// The mark of a letter that the station sent.
    pub(super) fn of_letter(&self, text: &mut String, name: &str) {
        written(text, "标记原文 text of the mark", self.answer.book.text_of_mark(name, self.files()));
    }

    fn files(&self) -> impl Iterator<Item = (&str, &str)> {
        self.answer.sources.rules.iter().map(|(name, text)| (name.as_str(), text.as_str()))
    }

    fn placed(&self, text: &mut String, place: Option<Offset>, what: &str) -> Result<(), u8> {
        match place {
            Some(offset) => self.record(text, offset, what),
            None => {
                let _ = writeln!(
                    text,
                    "    {what}：记录不在所读的日志范围内 its record is not in the part of the journal that was read"
                );
                Ok(())
            }
        }
    }

    fn record(&self, text: &mut String, offset: Offset, what: &str) -> Result<(), u8> {
        let Some(found) = proof(self.dir, offset).map_err(super::failed)? else {
            let offset = offset.0;
            let _ =
                writeln!(text, "    {what}：记录 {offset} 已不在日志中 record {offset} is no longer in the journal");
            return Ok(());
        };
        let Proof { time, kind, hash, previous, peer, bytes, sha256, text: raw, .. } = found;
        let peer = peer.map_or_else(String::new, |peer| format!("，来自 from {peer}"));
        let previous = previous.map_or("已不在日志中 no longer held".to_owned(), |hash| HEXLOWER.encode(&hash));
        let _ = writeln!(text, "    {what}：记录 record {} {kind} @ {}{peer}", offset.0, time.to_rfc3339());
        let _ = writeln!(text, "      链 chain: {}；前一 previous: {previous}", HEXLOWER.encode(&hash));
        let _ = writeln!(
            text,
            "      原文 as received: {bytes} bytes, sha256:{}；以下密码已遮盖 passwords masked below",
            HEXLOWER.encode(&sha256)
        );
        let _ = writeln!(text, "      {raw}");
        Ok(())
    }
}

fn written(text: &mut String, what: &str, source: Option<Source<'_>>) {
    let Some(source) = source else {
        let _ = writeln!(text, "     {what}：-");
        return;
    };
    let hash = HEXLOWER.encode(&Sha256::digest(source.whole));
    let _ = writeln!(text, "     {what} ({}:{}, sha256:{hash}):", source.file, source.line);
    for line in source.text.lines() {
        let _ = writeln!(text, "       {line}");
    }
}
