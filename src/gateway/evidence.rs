//! Evidence packs (证据包): what one station said in a time, with proof that it was in the journal, in one file. Beside a running gateway or without
//! one; the journal and its archive are only read.
//!
//! What must stay true: a pack shows records whole, or they could not be checked: passwords in frames stand in it, and the file is the user's alone
//! (mode 0600); in the printable text they are masked. What is packed is checked against its anchors before it is written.

use std::fs::OpenOptions;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::archive::{anchors_in, open_key};
use super::derived::Derived;
use super::past;
use crate::config::Config;
use hj212::packet;
use hj212::secret::shown;
use hj212_archive::hex;
use hj212_evidence::pack::{self, Head, Line, PackWriter, Shown, Text};
use hj212_evidence::tree::{self, Item, Selection};
use hj212_evidence::{Anchor, Hash, Signer};
use hj212_interpret::Interpreter;
use hj212_journal::{self as journal, Disk, Offset, OsDisk, ReadItem, Reader, Stored};
use hj212_model::message::{Presence, Record, Timestamp};

/// Records in one pack, at most: a station's minutes of three years.
pub const RECORDS_MAX: u64 = 1_500_000;
/// Bytes of records in one pack, at most.
pub const BYTES_MAX: u64 = 1 << 30;

/// What is to be packed.
#[derive(Debug, Clone)]
pub struct Wish {
    /// The station.
    pub mn: String,
    /// What arrived from here on.
    pub from: Timestamp,
    /// And before this.
    pub to: Timestamp,
}

/// What was packed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    /// Records that are shown.
    pub records: u64,
    /// Anchors, without the one made for the pack.
    pub anchors: u64,
    /// Records since the last anchor that are shown: only the pack itself is their anchor.
    pub open: u64,
    /// Bytes of the file.
    pub bytes: u64,
}

/// Why there is no pack.
#[derive(Debug, thiserror::Error)]
pub enum EvidenceError {
    /// The journal, its archive or the output cannot be used.
    #[error("{what}: {error}")]
    Io {
        /// What.
        what: String,
        /// Why.
        error: io::Error,
    },
    /// Nothing of the station is there.
    #[error(
        "站点 {0} 在该时段没有任何记录。nothing of the station {0} arrived in that time; see `journal stats` for what the journal holds"
    )]
    Nothing(String),
    /// Too much for one pack.
    #[error("记录过多，请分段打包。more than {RECORDS_MAX} records or {BYTES_MAX} bytes: ask for a shorter time")]
    TooMuch,
    /// No key.
    #[error(
        "没有锚点签名密钥（见 [archive]）。there is no anchor-key in the journal's folder: set [archive] dir and start the gateway once"
    )]
    NoKey,
    /// The journal does not give what was anchored.
    #[error(
        "日志库与 {day} 的锚点（第 {number} 号）不符：记录已损坏、缺失或被改动。what journal and archive hold does not fit anchor {number} of {day}: damaged, missing or changed; see `journal verify`"
    )]
    Differs {
        /// The day.
        day: String,
        /// Its number.
        number: u64,
    },
}

/// Reads, and says what could not be read.
fn failed(what: &Path) -> impl Fn(io::Error) -> EvidenceError + '_ {
    move |error| EvidenceError::Io { what: what.display().to_string(), error }
}

fn unread(error: journal::ReadError) -> EvidenceError {
    EvidenceError::Io { what: error.path.display().to_string(), error: error.source }
}

/// Packs what `wish` says into the new file `out`.
///
/// # Errors
/// [`EvidenceError`]; there is no file then.
pub fn pack(config: &Config, wish: &Wish, out: &Path, now: Timestamp) -> Result<Summary, EvidenceError> {
    let dir = &config.journal.dir;
    let packing = Packing::open(config, wish)?;
    let temporary = out.with_added_extension("new");
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary);
    let mut written = file.map_err(failed(&temporary)).and_then(|file| {
        let summary = packing.write(BufWriter::new(&file), now)?;
        file.sync_all().map_err(failed(&temporary))?;
        std::fs::rename(&temporary, out).map_err(failed(out))?;
        Ok(summary)
    });
    match &mut written {
        Ok(summary) => summary.bytes = std::fs::metadata(out).map_err(failed(out))?.len(),
        Err(error) => {
            tracing::debug!(%error, dir = %dir.display(), "no pack");
            // Half a pack is none.
            let _ = std::fs::remove_file(&temporary);
        }
    }
    written
}

struct Packing<'w> {
    wish: &'w Wish,
    gateway: String,
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    id: [u8; 16],
    signer: Signer,
    /// All anchors of this journal.
    anchors: Vec<Anchor>,
    /// The first and the last record that may be of interest.
    range: (u64, u64),
    known: Interpreter,
}

/// What a span gave.
struct Told {
    items: Vec<Item<Shown>>,
    root: Hash,
    count: u64,
    last: Option<(u64, Hash)>,
}

impl<'w> Packing<'w> {
    fn open(config: &Config, wish: &'w Wish) -> Result<Packing<'w>, EvidenceError> {
        let dir = config.journal.dir.clone();
        let disk = hj212_archive::reading(&dir);
        let Some(id) = journal::id(disk.as_ref(), &dir).map_err(unread)? else {
            return Err(failed(&dir)(io::ErrorKind::NotFound.into()));
        };
        let signer = open_key(&OsDisk, &dir).map_err(failed(&dir))?.ok_or(EvidenceError::NoKey)?;
        let mut anchors = match hj212_archive::of_journal(&disk, &dir).map_err(failed(&dir))? {
            Some(folder) => anchors_in(&OsDisk, &folder).map_err(failed(&folder))?,
            None => Vec::new(),
        };
        anchors.retain(|anchor| anchor.journal == hex(&id));
        let first = journal::offset_at(Arc::clone(&disk), &dir, wish.from).map_err(unread)?.0;
        let last = journal::offset_at(Arc::clone(&disk), &dir, wish.to).map_err(unread)?.0.saturating_sub(1);
        let settings = super::interpretation(config);
        let derived = Derived::new(Arc::clone(&disk), dir.clone(), id);
        let known = past::context_at(&disk, &dir, &derived, &settings, Offset(last)).map_err(unread)?;
        let gateway = config.gateway.id.clone();
        Ok(Packing { wish, gateway, disk, dir, id, signer, anchors, range: (first, last), known })
    }

    fn write(&self, out: impl Write, now: Timestamp) -> Result<Summary, EvidenceError> {
        let writing = |error| EvidenceError::Io { what: "the pack".into(), error };
        let head = Head {
            schema: pack::SCHEMA.into(),
            gateway: self.gateway.clone(),
            journal: hex(&self.id),
            mn: self.wish.mn.clone(),
            from: self.wish.from.to_rfc3339(),
            to: self.wish.to.to_rfc3339(),
            made_at: now.to_rfc3339(),
            version: env!("CARGO_PKG_VERSION").into(),
        };
        let mut writer = PackWriter::begin(out, &head).map_err(writing)?;
        for (name, text) in self.known.rule_texts() {
            writer.put(&Line::Rules(Text::of(&name, &text))).map_err(writing)?;
        }
        let station = self.known.registration(&self.wish.mn).unwrap_or_default();
        writer.put(&Line::Station(Text::of(&self.wish.mn, &station))).map_err(writing)?;
        let (mut summary, mut bytes) = (Summary::default(), 0);
        let mut lines = Vec::new();
        let (from, to) = self.range;
        let within: Vec<&Anchor> = self.anchors.iter().filter(|a| a.last >= from && a.first <= to).collect();
        for anchor in within {
            let told = self.read(anchor.first, anchor.last, (&mut summary, &mut bytes, &mut lines))?;
            if told.count != anchor.count || hex(&told.root) != anchor.root {
                return Err(EvidenceError::Differs { day: anchor.day.clone(), number: anchor.number });
            }
            summary.anchors += 1;
            writer.anchored(anchor, told.items).map_err(writing)?;
        }
        let anchored = self.anchors.last();
        let rest = anchored.map_or(from, |last| last.last + 1);
        if rest <= to {
            let before = summary.records;
            let told = self.read(rest, to, (&mut summary, &mut bytes, &mut lines))?;
            if let Some((last, head)) = told.last {
                let anchor = self.made_now(anchored, (rest, last), &told, &head, now);
                writer.anchored(&anchor, told.items).map_err(writing)?;
            }
            summary.open = summary.records - before;
        }
        if summary.records == 0 {
            return Err(EvidenceError::Nothing(self.wish.mn.clone()));
        }
        for line in self.explanation(&head, &summary, lines) {
            writer.put(&Line::Text(line)).map_err(writing)?;
        }
        writer.finish(&self.signer).map_err(writing)?.flush().map_err(writing)?;
        Ok(summary)
    }

    /// An anchor for what no anchor covers yet; it is kept nowhere but in the pack.
    fn made_now(
        &self,
        before: Option<&Anchor>,
        (first, last): (u64, u64),
        told: &Told,
        head: &Hash,
        now: Timestamp,
    ) -> Anchor {
        let mut anchor = Anchor {
            schema: String::new(),
            gateway: self.gateway.clone(),
            journal: hex(&self.id),
            number: before.map_or(1, |before| before.number + 1),
            day: now.to_rfc3339().get(..10).unwrap_or_default().to_owned(),
            made_at: now.to_rfc3339(),
            first,
            last,
            count: told.count,
            root: hex(&told.root),
            head: hex(head),
            previous: before.map_or_else(|| "0".repeat(64), Anchor::name),
            key: String::new(),
            signature: String::new(),
        };
        self.signer.sign_anchor(&mut anchor);
        anchor
    }

    /// Reads the records `first..=last`, and selects those that concern the station.
    fn read(
        &self,
        first: u64,
        last: u64,
        (summary, bytes, lines): (&mut Summary, &mut u64, &mut Vec<String>),
    ) -> Result<Told, EvidenceError> {
        let before = first.saturating_sub(1).max(1);
        let mut reader = Reader::open(Arc::clone(&self.disk), &self.dir, Offset(before)).map_err(unread)?;
        let mut selection = Selection::default();
        let (mut previous, mut end): (Option<Hash>, Option<(u64, Hash)>) = (None, None);
        while reader.position().0 <= last {
            let stored = match reader.next().map_err(unread)? {
                None => break,
                Some(ReadItem::Gap { .. }) => {
                    previous = None;
                    continue;
                }
                Some(ReadItem::Record(stored)) => stored,
            };
            let offset = stored.offset.0;
            if offset > last {
                break;
            }
            if offset >= first {
                let told = (self.range.0..=self.range.1).contains(&offset).then(|| self.told(&stored)).flatten();
                let shown = told.map(|text| {
                    summary.records += 1;
                    *bytes += stored.body.len() as u64 + text.len() as u64;
                    lines.push(text);
                    Shown::of(offset, stored.time.0, stored.kind, stored.body, &stored.hash, previous.as_ref())
                });
                if summary.records > RECORDS_MAX || *bytes > BYTES_MAX {
                    return Err(EvidenceError::TooMuch);
                }
                selection.push(tree::leaf(offset, stored.time.0, stored.kind, stored.body), shown);
                end = Some((offset, stored.hash));
            }
            previous = Some(stored.hash);
        }
        let count = selection.count();
        let (root, items) = selection.finish();
        Ok(Told { items, root, count, last: end })
    }

    /// A line about the record for people, if it concerns the station.
    fn told(&self, stored: &Stored<'_>) -> Option<String> {
        let mn = self.wish.mn.as_str();
        let record = Record::decode(stored.kind, stored.body).ok()?;
        let (what, raw, text) = match &record {
            Record::Frame(heard) if packet::parse(heard.segment).mn == Some(mn.as_bytes()) => {
                ("数据包", heard.raw, format!("来自 {}：{}", heard.from.peer, shown(heard.raw)))
            }
            Record::MarkEntry { mn: of, id, json } if *of == mn => {
                ("人工标记", *json, format!("{}：{}", id.escape_debug(), shown(json)))
            }
            Record::MarkRuling { mn: of, role, id, json } if *of == mn => {
                ("标记裁定", *json, format!("{} {}：{}", role.escape_debug(), id.escape_debug(), shown(json)))
            }
            Record::CaseStep { mn: of, role, id, json } if *of == mn => {
                ("案件步骤", *json, format!("{} {}：{}", role.escape_debug(), id.escape_debug(), shown(json)))
            }
            Record::WorkEntry { mn: of, role, id, json } if *of == mn => {
                ("运维台账", *json, format!("{} {}：{}", role.escape_debug(), id.escape_debug(), shown(json)))
            }
            Record::Presence(presence) => match presence {
                Presence::Online { mn: of, on } if *of == mn => ("上线", &[][..], on.peer.to_string()),
                Presence::Offline { mn: of, on } if *of == mn => ("下线", &[][..], on.peer.to_string()),
                Presence::Takeover { mn: of, on, was } if *of == mn => {
                    ("换线", &[][..], format!("{} 原为 {}", on.peer, was.peer))
                }
                Presence::CloneSuspected { mn: of, on, was } if *of == mn => {
                    ("疑似一号两用", &[][..], format!("{} 与 {}", on.peer, was.peer))
                }
                Presence::Online { .. }
                | Presence::Offline { .. }
                | Presence::Takeover { .. }
                | Presence::CloneSuspected { .. } => return None,
            },
            Record::Started(version) => ("网关启动", &[][..], format!("版本 {version}")),
            Record::Stopped => ("网关停止", &[][..], String::new()),
            Record::Frame(_)
            | Record::MarkEntry { .. }
            | Record::MarkRuling { .. }
            | Record::CaseStep { .. }
            | Record::WorkEntry { .. }
            | Record::Rejected(_)
            | Record::Context { .. }
            | Record::Registry { .. }
            | Record::RegistryChange { .. }
            | Record::Tick
            | Record::Clock(_)
            | Record::Command(_)
            | Record::Notice(_)
            | Record::DeadLetter(_)
            | Record::Anchor(_) => return None,
        };
        let original =
            if raw.is_empty() { String::new() } else { format!("；原文 SHA-256 {}", hex(&Sha256::digest(raw))) };
        Some(format!("{} [{}] {what} {text}{original}", stored.offset, stored.time.to_rfc3339()))
    }

    /// The printable text.
    fn explanation(&self, head: &Head, summary: &Summary, lines: Vec<String>) -> Vec<String> {
        let mut text = vec![
            "自动监控数据证据包".into(),
            format!("站点 MN：{}", head.mn),
            format!("到达时间：{} 至 {}（不含）", head.from, head.to),
            format!("网关：{}，程序版本 {}，打包时间 {}", head.gateway, head.version, head.made_at),
            format!("日志库编号：{}", head.journal),
            format!(
                "内容：{} 条原始记录，{} 个每日锚点；其中 {} 条晚于最后一个锚点，仅由本证据包的签名证明。",
                summary.records, summary.anchors, summary.open
            ),
            String::new(),
            "一、如何核验".into(),
            "离线运行 hj212-gateway evidence verify 本文件，或 python3 verify-evidence.py 本文件（约三百行，仅用标准库，可自行审阅）。".into(),
            "程序逐行核对：每条记录的散列值、每日锚点的散列树与 Ed25519 签名、锚点之间的衔接、整个文件的 SHA-256 与签名；任何一个字节的改动都会指明行号。".into(),
            "锚点在当日之后不久即已公布（MQTT 保留消息）。请与另行保存的锚点和公钥比对（--anchor、--key）：只有这样才能排除持有密钥者事后重做。".into(),
            String::new(),
            "二、能证明什么，不能证明什么".into(),
            "能证明：所示记录在锚点作成时已在日志库中，内容、时间、次序此后未改。".into(),
            "不能证明：所示即该站点在此时段的全部记录（未示出的记录只有散列值）；记录的时间出自网关主机时钟；锚点作成之前的改动。".into(),
            "记录为原始字节，含数采仪密码（PW），请按涉密材料保管；以下文字中密码以 * 代替，并附原文的 SHA-256。".into(),
            String::new(),
            "三、当时有效的规则与登记".into(),
        ];
        for (name, rules) in self.known.rule_texts() {
            text.push(format!("{name}：SHA-256 {}", hex(&Sha256::digest(&rules))));
        }
        text.extend([
            format!("登记与规则总称（SHA-256）：{}", hex(&self.known.context_name())),
            String::new(),
            "四、记录（日志序号 [写入时间] 类别 内容）".into(),
        ]);
        text.extend(lines);
        text
    }
}
