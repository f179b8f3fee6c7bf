//! `decode`: what does this frame say, and what is wrong with it? For integrators, in Chinese and English, and for scripts.
//!
//! Frames take the road they would take in the gateway: scanner, header, interpreter. What is said here of a frame is what the
//! gateway would publish of it.

use std::io::{IsTerminal, Read, Write};
use std::path::PathBuf;

use serde_json::{Map, Value, json};

use super::{CONFIG, IO, complain};
use crate::config;
use crate::downlink::StationKey;
use crate::explain::{self, Form};
use crate::interpret::{self, Interpreter};
use crate::message::dialect::Shown;
use crate::message::{Heard, Peering, Publication, Record, RejectReason, Timestamp, kind};
use crate::protocol::sm4::CheckedOver;
use crate::protocol::{
    Deviation, Deviations, Edition, Fault, FaultReason, Frame, Header, Item, Limits, Peer, Verdict, crc, envelope,
    packet, scan, secret, sm4,
};
use crate::registry::Dialects;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Input: raw bytes as they came from the wire, or what people paste: hex dumps, escaped strings, UTF-16, Base64, wrapped lines; several \
frames, and anything between them. CR LF at the end of a frame may be missing, as it is when one is pasted. A terminal hands over lines of at most \
4095 bytes: give longer ones in a file or a pipe. Exit code 1 when a frame could not be used or nothing was given.\n\n\
示例: echo '##0101QN=…;CP=&&RtdInterval=30&&1C80' | hj212-gateway decode"
)]
pub(super) struct Options {
    /// A file, or - for standard input
    #[arg(default_value = "-", value_name = "FILE")]
    file: PathBuf,
    /// Opens encrypted data areas with the keys of this file (docs/keys.md)
    #[arg(long, value_name = "FILE")]
    keys: Option<PathBuf>,
    /// One JSON object a frame, one a line
    #[arg(long)]
    json: bool,
}

pub(super) fn decode(options: &Options) -> u8 {
    let bytes = match read(&options.file) {
        Ok(bytes) => bytes,
        Err(error) => {
            complain(&format!("{}: {error}", options.file.display()));
            return IO;
        }
    };
    let keys = match options.keys.as_deref().map_or(Ok(Vec::new()), config::load_keys) {
        Ok(keys) => keys,
        Err(problems) => {
            complain(&problems);
            return CONFIG;
        }
    };
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    if bytes.trim_ascii().is_empty() {
        complain(&"没有输入:请粘贴或传入数据包 nothing was given: paste a frame, or name a file");
        return u8::from(true);
    }
    let paste = explain::read(&bytes);
    let mut desk = Desk::new(keys);
    let (mut all_good, mut frames, mut noise, mut number) = (true, 0, 0, 0);
    let mut rest: &[u8] = &paste.bytes;
    let mut written = if options.json { Ok(()) } else { show_forms(&mut out, &paste.forms) };
    while !rest.is_empty() && written.is_ok() {
        let step = scan(rest, Peer::Resting, &Limits::default());
        rest = rest.get(step.used.max(1)..).unwrap_or_default();
        let Some(item) = step.item else { continue };
        number += 1;
        let mut explained = desk.explain(&item);
        match item {
            // A prefix of a log or a byte order mark is no failure beside a frame.
            Item::Fault(fault) if fault.reason == FaultReason::Noise => noise += 1,
            Item::Fault(_) | Item::Frame(_) => {
                frames += 1;
                all_good &= explained["ok"] == true;
            }
        }
        if !paste.forms.is_empty() {
            explained["read_as"] = paste.forms.iter().map(|form| form.code()).collect();
        }
        written = if options.json { writeln!(out, "{explained}") } else { show(&mut out, number, &item, &explained) };
    }
    // A reader that closes its end has seen enough.
    let _ = written.and_then(|()| out.flush());
    u8::from(!all_good || (frames == 0 && noise > 0))
}

fn show_forms(out: &mut impl Write, forms: &[Form]) -> std::io::Result<()> {
    for form in forms {
        let (zh, en) = form.explain();
        writeln!(out, "按 {zh} 读取 read as {en}")?;
    }
    Ok(())
}

fn read(file: &PathBuf) -> std::io::Result<Vec<u8>> {
    if file.as_os_str() != "-" {
        return std::fs::read(file);
    }
    let mut bytes = Vec::new();
    let stdin = std::io::stdin();
    let typed = stdin.is_terminal();
    stdin.lock().read_to_end(&mut bytes)?;
    if typed && bytes.split(|byte| *byte == b'\n').any(|line| line.len() >= TERMINAL_LINE_MAX) {
        complain(
            &"终端每行最多 4095 字节,粘贴的内容被截断:请改用文件或管道 the terminal cut a line at 4095 bytes: use a file or a pipe",
        );
    }
    Ok(bytes)
}

/// A terminal hands over lines of at most so many bytes.
const TERMINAL_LINE_MAX: usize = 4095;

/// Explains frames one by one: each as if nothing had been heard before.
struct Desk {
    interpreter: Interpreter,
    keys: Vec<StationKey>,
    dialects: Dialects,
}

impl Desk {
    fn new(keys: Vec<StationKey>) -> Desk {
        let dialects = Dialects::default();
        let mut interpreter = Interpreter::new(interpret::Settings::default());
        interpreter.know_keys(keys.iter().cloned());
        interpreter.know_dialects(dialects.readings());
        Desk { interpreter, keys, dialects }
    }

    fn explain(&mut self, item: &Item<'_>) -> Value {
        match item {
            Item::Frame(frame) => explain_frame(frame, self),
            Item::Fault(fault) => explain_fault(fault),
        }
    }
}

fn explain_fault(fault: &Fault<'_>) -> Value {
    let reason = RejectReason::from(fault.reason);
    let header = fault.segment.map(packet::parse);
    let text = |field: Option<&[u8]>| field.map(printable);
    let packet = header.map(|header| {
        json!({
            "qn": text(header.qn), "st": text(header.st), "cn": header.cn.map(|cn| cn.to_string()), "mn": text(header.mn),
            "flag": header.flag.map(|flag| flag.0),
        })
    });
    // What is missing up to the declared length, the check and the line end.
    let missing = fault.segment.and_then(|segment| {
        let declared = envelope(fault.raw, 0).declared?;
        let missing = (declared + 6).checked_sub(segment.len())?;
        Some(json!([{
            "at": fault.raw.len() + 1, "from": "", "to": "",
            "zh": format!("按声明的长度 {declared},还缺 {missing} 个字节(含 CRC 与回车换行)"),
            "en": format!("by the declared length of {declared}, {missing} bytes are missing (CRC and CR LF included)"),
        }]))
    });
    json!({
        "ok": false, "crc": null, "deviations": [], "packet": packet, "readings": null,
        "error": error(reason, None), "changes": missing, "text": printable(fault.raw),
    })
}

fn error(reason: RejectReason, known: Option<Deviation>) -> Value {
    json!({
        "reason": reason.code(), "zh": reason.explain_zh(), "en": reason.explain_en(),
        "known_mistake": known.map(|d| json!({ "code": d.code(), "zh": d.explain_zh(), "en": d.explain_en() })),
    })
}

fn explain_frame(frame: &Frame<'_>, desk: &mut Desk) -> Value {
    let header = packet::parse(frame.segment);
    let own = desk.keys.iter().filter(|key| header.mn == Some(key.mn.as_bytes())).map(|key| &key.key);
    let opened = header.sealed.and_then(|_| sm4::open(frame.segment, frame.check.said, own).ok());
    let (crc, known) = match frame.check.verdict {
        Verdict::Right => ("right", None),
        Verdict::Known(mistake) => (mistake.code(), Some(mistake)),
        Verdict::Wrong => ("wrong", None),
        Verdict::Sealed => ("sealed", None),
    };
    // As the gateway judges: only HJ 212-2025 knows encryption, or a key speaks for it.
    let spoken = header.flag.is_some_and(|flag| flag.0 >= Edition::V2025.flag_bits())
        || desk.keys.iter().any(|key| header.mn == Some(key.mn.as_bytes()));
    let unspoken = frame.check.verdict == Verdict::Sealed && !spoken;
    let known = if unspoken { Some(Deviation::SealedUnspoken) } else { known };
    let refused = match frame.check.verdict {
        Verdict::Known(_) | Verdict::Wrong => Some(RejectReason::CrcMismatch),
        Verdict::Sealed if unspoken => Some(RejectReason::CrcMismatch),
        Verdict::Right | Verdict::Sealed if header.cn.is_none() => Some(RejectReason::CnMissing),
        Verdict::Right | Verdict::Sealed if header.mn.is_none_or(<[u8]>::is_empty) => Some(RejectReason::MnMissing),
        Verdict::Right | Verdict::Sealed => None,
    };
    let changes: Vec<Value> = explain::advice(frame)
        .into_iter()
        .map(|a| json!({ "at": a.at, "from": a.from, "to": a.to, "zh": a.zh, "en": a.en }))
        .collect();
    let published = published(frame, &header, &mut desk.interpreter);
    let shown = Shown::of(&header, frame.deviations);
    let edition = desk
        .dialects
        .recognised(&shown)
        .map_or(header.flag.map_or(Some(Edition::V2005), |flag| flag.edition()), |dialect| Some(dialect.edition));
    json!({
        "ok": refused.is_none(),
        "crc": crc,
        "deviations": published.get("deviations").cloned().unwrap_or_else(|| codes(frame.deviations.union(header.deviations))),
        "packet": packet_of(frame, &header, opened.as_ref(), edition, &published),
        "readings": published.get("readings").cloned().unwrap_or(Value::Null),
        "instruments": published.get("instruments").cloned().unwrap_or(Value::Null),
        "error": refused.map(|reason| error(reason, known)),
        "changes": changes,
    })
}

fn codes(deviations: Deviations) -> Value {
    deviations.iter().map(Deviation::code).collect()
}

/// The header's fields and what they mean; the password is not shown.
fn packet_of(
    frame: &Frame<'_>,
    header: &Header<'_>,
    opened: Option<&sm4::Opened>,
    edition: Option<Edition>,
    published: &Map<String, Value>,
) -> Value {
    let text = |field: Option<&[u8]>| field.map(printable);
    let command = header.cn.and_then(kind::command);
    let computed = opened.map_or(frame.check.computed, |opened| match opened.checked {
        CheckedOver::Plain | CheckedOver::Mistaken(_) => crc::checksum(&opened.segment),
        CheckedOver::Sealed => frame.check.computed,
    });
    let from = |key: &str| published.get(key).cloned().unwrap_or(Value::Null);
    json!({
        "qn": text(header.qn), "st": text(header.st), "cn": header.cn.map(|cn| cn.to_string()),
        "cn_zh": command.map(|c| c.zh), "cn_en": command.map(|c| c.en), "clause": command.map(|c| clause(c.clause, edition)),
        "kind": published.get("kind").cloned().or_else(|| header.cn.map(|cn| kind::Kind::of(cn).name().into())),
        "mn": text(header.mn),
        "pw": header.pw.map(|pw| format!("{} characters", pw.len())),
        "flag": header.flag.map(|f| f.0),
        "edition": edition.map(Edition::year),
        "wants_answer": header.flag.map(|f| f.wants_answer()),
        "part": header.part.map(|p| json!({ "number": p.number, "count": p.count })),
        "rf": header.rf,
        "data_time": from("data_time"), "fields": from("fields"),
        "sealed": header.sealed.is_some(), "readable": from("readable"), "reason": from("reason"),
        "cp": printable(&secret::masked(opened.map_or(header.area, |opened| packet::parse(&opened.segment).area))),
        "length_declared": frame.declared, "length": frame.segment.len(),
        "crc_said": format!("{:04X}", frame.check.said), "crc_computed": format!("{:04X}", computed),
    })
}

/// The clause in the edition of the frame: the tables of 2017 stand in 2025 too, and came from 2005.
fn clause(clause: &'static str, edition: Option<Edition>) -> &'static str {
    match (edition, clause) {
        (Some(Edition::V2025), "HJ 212-2017, 6.6.5, table 9") => "HJ 212-2025, table 12",
        (Some(Edition::V2005), "HJ 212-2017, 6.6.5, table 9") => "HJ/T 212-2005",
        _ => clause,
    }
}

/// What the gateway would publish of the frame, as if it had been accepted.
fn published(frame: &Frame<'_>, header: &Header<'_>, interpreter: &mut Interpreter) -> Map<String, Value> {
    interpreter.forget();
    let from = Peering { connection: 0, peer: std::net::SocketAddr::from(([127, 0, 0, 1], 0)) };
    let record = Record::Frame(Heard { from, deviations: frame.deviations, segment: frame.segment, raw: frame.raw });
    let mut out = Vec::new();
    let now = crate::clock::now();
    interpreter.on_record(1, now, &[0; 32], &record, &mut out);
    if header.part.is_some() {
        // A part of a split record is given up waiting for the others, and shown alone.
        interpreter.on_record(2, Timestamp(now.0.saturating_add(86_400_000_000)), &[0; 32], &Record::Tick, &mut out);
    }
    let data = |p: &&Publication| p.topic.contains("/data/");
    let body = out.iter().find(data).and_then(|p| serde_json::from_slice(&p.payload).ok());
    let Some(Value::Object(mut body)) = body else { return Map::new() };
    // A pasted frame has no time of arrival that its clock could be compared with.
    let of_arrival = [Deviation::ClockOff.code(), Deviation::DataTimeFuture.code()];
    if let Some(Value::Array(codes)) = body.get_mut("deviations") {
        codes.retain(|code| !of_arrival.iter().any(|known| code == known));
    }
    body
}

/// The bytes as text; what is no text is escaped.
fn printable(bytes: &[u8]) -> String {
    let text = std::str::from_utf8(bytes).map(std::borrow::Cow::Borrowed).unwrap_or_else(|_| {
        let (text, broken) = encoding_rs::GB18030.decode_without_bom_handling(bytes);
        if broken { bytes.escape_ascii().to_string().into() } else { text }
    });
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() { shown.extend(c.escape_default()) } else { shown.push(c) }
    }
    shown
}

fn show(out: &mut impl Write, number: usize, item: &Item<'_>, explained: &Value) -> std::io::Result<()> {
    let good = explained["ok"] == true;
    let length = match item {
        Item::Frame(frame) => frame.raw.len(),
        Item::Fault(fault) => fault.raw.len(),
    };
    writeln!(out, "── {number} ── {length} bytes ── {}", if good { "可用 usable" } else { "不可用 NOT usable" })?;
    if let Value::Object(error) = &explained["error"] {
        writeln!(out, "  原因 reason   {}: {} ({})", word(&error["reason"]), word(&error["zh"]), word(&error["en"]))?;
        if let Value::Object(known) = &error["known_mistake"] {
            writeln!(out, "  可能 likely   {}: {} ({})", word(&known["code"]), word(&known["zh"]), word(&known["en"]))?;
        }
    }
    for change in explained["changes"].as_array().into_iter().flatten() {
        writeln!(out, "  要改 change   {} / {}", word(&change["zh"]), word(&change["en"]))?;
    }
    match item {
        Item::Fault(_) => writeln!(out, "  字节 bytes    {}", word(&explained["text"]))?,
        Item::Frame(_) => show_packet(out, &explained["packet"])?,
    }
    show_readings(out, &explained["readings"])?;
    // The readings of the only one stand above.
    for instrument in explained["instruments"].as_array().into_iter().flatten().filter(|_| several(explained)) {
        writeln!(out, "  仪器 instrument {}  {}", word(&instrument["pol_id"]), word(&instrument["name"]))?;
        show_readings(out, &instrument["readings"])?;
    }
    for code in explained["deviations"].as_array().into_iter().flatten().map(word) {
        let known = Deviation::ALL
            .iter()
            .find(|d| d.code() == code || (**d == Deviation::LengthOff && code.starts_with("length-off")));
        let (zh, en) = known.map_or(("", ""), |d| (d.explain_zh(), d.explain_en()));
        writeln!(out, "  偏差 deviation {code}: {zh} ({en})")?;
    }
    writeln!(out)
}

fn show_packet(out: &mut impl Write, packet: &Value) -> std::io::Result<()> {
    let line = |out: &mut dyn Write, name: &str, says: String| {
        if says.is_empty() { Ok(()) } else { writeln!(out, "  {name:<13}{says}") }
    };
    let (declared, length) = (word(&packet["length_declared"]), word(&packet["length"]));
    line(
        out,
        "length 长度",
        if declared == length { format!("{length}  ✓") } else { format!("declared {declared}, is {length}") },
    )?;
    line(out, "QN 请求编码", word(&packet["qn"]))?;
    line(out, "ST 系统编码", word(&packet["st"]))?;
    let meaning = match word(&packet["cn_zh"]) {
        zh if zh.is_empty() => String::new(),
        zh => format!("  {zh} ({}; {})", word(&packet["cn_en"]), word(&packet["clause"])),
    };
    line(out, "CN 命令编码", format!("{}{meaning}", word(&packet["cn"])))?;
    line(out, "PW 密码", word(&packet["pw"]))?;
    line(out, "MN 设备标识", word(&packet["mn"]))?;
    let wants =
        if packet["wants_answer"] == true { "answer wanted 需应答" } else { "no answer wanted 不需应答" };
    if !packet["flag"].is_null() {
        line(out, "Flag 标志", format!("{}  edition {}, {wants}", word(&packet["flag"]), word(&packet["edition"])))?;
    }
    if let Value::Object(part) = &packet["part"] {
        line(out, "PNO/PNUM 分包", format!("{} of {}", word(&part["number"]), word(&part["count"])))?;
    }
    if packet["rf"] == true {
        line(out, "RF 补传", "1".into())?;
    }
    line(out, "DataTime", word(&packet["data_time"]))?;
    for (name, value) in packet["fields"].as_object().into_iter().flatten() {
        line(out, name, word(value))?;
    }
    if packet["sealed"] == true {
        let says = match word(&packet["reason"]).as_str() {
            "" => "encrypted, opened with a key of the station 已加密,已用站点密钥解开",
            "no-key-opens" => "encrypted, none of the station's keys opens it 已加密,站点的密钥均不能解开",
            "check-wrong" => "encrypted, a key opens it and the check is wrong 已加密,密钥可解开但校验不符",
            "sealed-form" => "encrypted, in a form that is none 已加密,密文形式有误",
            _ => "encrypted, not readable without the key 已加密,无密钥不可读",
        };
        line(out, "CP 数据区", says.into())?;
    }
    let (said, computed) = (word(&packet["crc_said"]), word(&packet["crc_computed"]));
    line(
        out,
        "CRC 校验",
        if said == computed { format!("{said}  ✓") } else { format!("says {said}, computed {computed}") },
    )
}

/// Whether several instruments are named.
fn several(explained: &Value) -> bool {
    explained["instruments"].as_array().is_some_and(|all| all.len() > 1)
}

/// Keys of a reading that are not among its values when it is shown.
const SAID_APART: &[&str] = &["name", "unit", "valid", "marks", "reported_code", "same_as", "collides"];

fn show_readings(out: &mut impl Write, readings: &Value) -> std::io::Result<()> {
    for (code, reading) in readings.as_object().into_iter().flatten() {
        let mut values = String::new();
        for (field, value) in reading.as_object().into_iter().flatten() {
            if !SAID_APART.contains(&field.as_str()) && !value.is_null() {
                values.push_str(&format!("  {field}={}", word(value)));
            }
        }
        let reported = reading["reported_code"].as_str().map(|c| format!(" (sent as {c})")).unwrap_or_default();
        writeln!(out, "    {code}{reported}  {} [{}]{values}", word(&reading["name"]), word(&reading["unit"]))?;
        if let Some(same) = reading["same_as"].as_str() {
            writeln!(out, "        与另一编码同为 {same}:两者并列保留 (the same factor as {same}, both are kept)")?;
        }
        for meaning in reading["collides"].as_array().into_iter().flatten() {
            let (name, unit) = (word(&meaning["name"]), word(&meaning["unit"]));
            writeln!(out, "        一码多义 could mean: {name} [{unit}] ({})", word(&meaning["in"]))?;
        }
    }
    Ok(())
}

/// A JSON value without quotes; nothing for null.
fn word(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}
