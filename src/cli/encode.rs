//! `encode`: a frame from its fields, as the standard prints it: for trials of a centre, a gateway or a line.
//!
//! What must stay true: what is written is right in length and CRC, or nothing is written; no field is altered on the way: one that the
//! standard's form cannot hold is refused by its name; a record that is too long for one frame becomes parts, cut between items.

use std::io::Write;
use std::path::PathBuf;

use super::{CONFIG, IO, USAGE, complain};
use crate::config;
use hj212::scan::SEGMENT_STANDARD;
use hj212::sm4::{self, Key};
use hj212::write::{SEGMENT_MAX, Segment, is_harmless};
use hj212::{Edition, PacketFlags, Part};
use hj212_model::message::Timestamp;

/// The most parts that PNUM is written with (four digits).
const PARTS_MAX: usize = 9999;

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples 示例:\n  \
    hj212-gateway encode --mn 010000A8900016F000169DC0 --cn 2011 DataTime=20260601101000 w01018-Rtd=12.30,w01018-Flag=N\n  \
    hj212-gateway encode --mn … --cn 9015 | hj212-gateway send --to 127.0.0.1:9000\n  \
    hj212-gateway encode --edition 2025 --keys keys.toml --mn … --cn 2011 DataTime=… a21026-Rtd=1.5\n\n\
Writes the frame with its length, CRC and CR LF to standard output. A record whose segment is longer than --segment-max becomes several frames \
with PNUM and PNO and one QN, cut between items; DataTime stands in each. Fields that the form cannot hold are refused (exit code 64).\n\n\
输出完整数据包(长度、CRC、回车换行)。数据段超过 --segment-max 时按数据项拆成多包(同一 QN,含 PNUM、PNO,每包带 DataTime)。")]
pub(super) struct Options {
    /// The edition: Flag's version bits follow from it (标准版本)
    #[arg(long, value_name = "2005|2017|2025", default_value = "2017", value_parser = edition)]
    edition: Edition,
    /// QN, 17 digits; now in Beijing if left out, `none` for a frame without (请求编码)
    #[arg(long, value_name = "QN")]
    qn: Option<String>,
    /// ST: 21 surface water, 31 air, 32 waste water … (系统编码)
    #[arg(long, value_name = "ST", default_value = "32")]
    st: String,
    /// CN, up to four digits (命令编码)
    #[arg(long, value_name = "CN", value_parser = clap::value_parser!(u16).range(0..=9999))]
    cn: u16,
    /// PW (访问密码)
    #[arg(long, value_name = "PW", default_value = "123456")]
    pw: String,
    /// MN (设备唯一标识)
    #[arg(long, value_name = "MN")]
    mn: String,
    /// Flag, 0 to 255, or `none` for a frame without; else the edition's, asking for an answer (标志)
    #[arg(long, value_name = "FLAG", value_parser = flag)]
    flag: Option<Flag>,
    /// Asks for no answer: bit 0 of Flag is 0 (不需应答)
    #[arg(long, conflicts_with = "flag")]
    no_answer: bool,
    /// RF=1: a record uploaded again (HJ 212-2025, table 3; 补传)
    #[arg(long)]
    rf: bool,
    /// Encrypts the area with the newest key of MN in this file (SM4, HJ 212-2025, 6.4; docs/keys.md; 加密)
    #[arg(long, value_name = "FILE")]
    keys: Option<PathBuf>,
    /// The longest segment in bytes; the standard says 1024 (数据段上限)
    #[arg(long, value_name = "BYTES", default_value_t = SEGMENT_STANDARD)]
    segment_max: usize,
    /// Items of the data area: fields of one factor with `,` between them, items apart or with `;` (数据项)
    #[arg(value_name = "ITEM")]
    items: Vec<String>,
}

/// Flag as it was given.
#[derive(Debug, Clone, Copy)]
enum Flag {
    None,
    Is(u8),
}

fn edition(text: &str) -> Result<Edition, String> {
    let all = [Edition::V2005, Edition::V2017, Edition::V2025];
    all.into_iter().find(|edition| edition.year() == text).ok_or_else(|| "2005, 2017 or 2025".to_owned())
}

fn flag(text: &str) -> Result<Flag, String> {
    match text {
        "none" => Ok(Flag::None),
        text => text.parse().map(Flag::Is).map_err(|_| "0 to 255, or none".to_owned()),
    }
}

pub(super) fn encode(options: &Options) -> u8 {
    let key = match options.key() {
        Ok(key) => key,
        Err(code) => return code,
    };
    let wire = match frames(options, key.as_ref(), hj212_model::clock::now()) {
        Ok(wire) => wire,
        Err(why) => {
            complain(&why);
            return USAGE;
        }
    };
    let mut out = std::io::stdout().lock();
    match out.write_all(&wire).and_then(|()| out.flush()) {
        Ok(()) => 0,
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => 0,
        Err(error) => {
            complain(&error);
            IO
        }
    }
}

impl Options {
    /// The key to encrypt with, if any is wanted.
    fn key(&self) -> Result<Option<Key>, u8> {
        let Some(file) = &self.keys else { return Ok(None) };
        let keys = config::load_keys(file).map_err(|problems| {
            complain(&problems);
            CONFIG
        })?;
        let own = keys.into_iter().filter(|key| key.mn == self.mn);
        let newest = own.max_by(|one, other| one.created.cmp(&other.created)).map(|key| key.key);
        if newest.is_none() {
            complain(&format!("{}: 没有 {} 的密钥 no key of this MN", file.display(), self.mn));
            return Err(CONFIG);
        }
        Ok(newest)
    }
}

/// The frame, or the frames of all parts.
fn frames(options: &Options, key: Option<&Key>, now: Timestamp) -> Result<Vec<u8>, String> {
    // The digits of `2026-06-01T10:10:00.412…`, Beijing time.
    let of_now = || now.to_rfc3339().bytes().filter(u8::is_ascii_digit).take(17).map(char::from).collect();
    let qn: Option<String> = match options.qn.as_deref() {
        Some("none") => None,
        Some(qn) => Some(qn.to_owned()),
        None => Some(of_now()),
    };
    let fields =
        [("QN", qn.as_deref()), ("ST", Some(&*options.st)), ("PW", Some(&*options.pw)), ("MN", Some(&*options.mn))];
    for (name, value) in fields {
        if let Some(value) = value.filter(|value| !is_harmless(value.as_bytes())) {
            let shown = if name == "PW" { String::new() } else { format!(" {value:?}") };
            return Err(format!(
                "{name}{shown}: 不能含空格、控制字符、非 ASCII 字符及 ; , = & # / must hold no blank, no control character, nothing beyond ASCII and none of ; , = & #"
            ));
        }
    }
    if key.is_some() && options.edition != Edition::V2025 {
        return Err("--keys: 只有 HJ 212-2025 规定加密 only HJ 212-2025 knows encryption: add --edition 2025".into());
    }
    if key.is_some() && !sm4::is_sealed_command(options.cn) {
        return Err(format!(
            "--keys: CN={:04} 的数据区不加密 areas of this command are not encrypted (HJ 212-2025, 6.4.4)",
            options.cn
        ));
    }
    let items: Vec<&str> =
        options.items.iter().flat_map(|item| item.split(';')).filter(|item| !item.is_empty()).collect();
    let named = |item: &&&str| item.split_once('=').is_some_and(|(name, _)| !name.is_empty());
    if let Some(item) = items.iter().find(|item| !named(item)) {
        return Err(format!(
            "{:?}: 数据项须写成 名称=值 an item is NAME=VALUE, as DataTime=20260601101000 or w01018-Rtd=12.30,w01018-Flag=N",
            item.chars().take(40).collect::<String>()
        ));
    }
    for item in &items {
        if item.contains(['&', '#']) || item.chars().any(char::is_control) {
            return Err(format!(
                "{item:?}: 数据项不能含 & # 和控制字符 an item must hold no &, no # and no control character"
            ));
        }
    }
    let flag_of = |parts: bool| match options.flag {
        Some(Flag::None) => None,
        Some(Flag::Is(flag)) => Some(PacketFlags(flag)),
        None => {
            Some(PacketFlags(options.edition.flag_bits() | u8::from(!options.no_answer) | if parts { 2 } else { 0 }))
        }
    };
    let segment = |part: Option<Part>, area: &str| {
        let mut out = Vec::new();
        let segment = Segment {
            qn: qn.as_deref().map(str::as_bytes),
            st: Some(options.st.as_bytes()),
            cn: Some(options.cn),
            pw: Some(options.pw.as_bytes()),
            mn: Some(options.mn.as_bytes()),
            flag: flag_of(part.is_some()),
            part,
            rf: options.rf,
            cp: area.as_bytes(),
        };
        segment.write(&mut out);
        out
    };
    let most = options.segment_max.min(SEGMENT_MAX);
    let whole = segment(None, &items.join(";"));
    let segments = if whole.len() <= most { vec![whole] } else { parts(&items, most, segment)? };
    let mut wire = Vec::new();
    for segment in segments {
        match key {
            Some(key) => sm4::frame(&mut wire, &segment, key).map_err(|error| error.to_string())?,
            None => hj212::write::frame(&mut wire, |out| out.extend_from_slice(&segment)),
        }
    }
    Ok(wire)
}

/// The segments of all parts: as many items in each as fit, DataTime first in each.
fn parts(items: &[&str], most: usize, segment: impl Fn(Option<Part>, &str) -> Vec<u8>) -> Result<Vec<Vec<u8>>, String> {
    // With the longest numbers that PNUM and PNO can have here, so that none becomes too long by them.
    let widest = Part { count: 9999, number: 9999 };
    let room = most.saturating_sub(segment(Some(widest), "").len());
    let (time, items) = match items {
        [first, rest @ ..] if first.starts_with("DataTime=") => (Some(*first), rest),
        items => (None, items),
    };
    let begin = || time.map_or_else(String::new, str::to_owned);
    let mut areas = vec![begin()];
    for item in items {
        if begin().len() + 1 + item.len() > room {
            return Err(format!(
                "{}…: 单个数据项放不进 {most} 字节的数据段 one item does not fit into a segment of {most} bytes",
                item.chars().take(20).collect::<String>()
            ));
        }
        if areas.last().is_some_and(|area| area.len() + 1 + item.len() > room) {
            areas.push(begin());
        }
        if let Some(area) = areas.last_mut() {
            if !area.is_empty() {
                area.push(';');
            }
            area.push_str(item);
        }
    }
    let count = areas.len();
    let number_of = |at: usize| u16::try_from(at).ok().filter(|_| count <= PARTS_MAX);
    let part = |at: usize| Some(Part { count: number_of(count)?, number: number_of(at + 1)? });
    let cut = areas.iter().enumerate().map(|(at, area)| Some(segment(Some(part(at)?), area)));
    cut.collect::<Option<_>>().ok_or_else(|| format!("{count} parts: 最多 {PARTS_MAX} 包 at most {PARTS_MAX}"))
}
