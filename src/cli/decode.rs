//! `decode`: what does this frame say, and what is wrong with it? For integrators, in Chinese and English, and for scripts.
//!
//! Frames take the road they would take in the gateway: scanner, header, interpreter. What is said here of a frame is what the
//! gateway would publish of it.

use std::io::{Read, Write};
use std::path::PathBuf;

use serde_json::{Map, Value, json};

use super::{CONFIG, IO, complain};
use crate::config;
use crate::downlink::StationKey;
use crate::interpret::{self, Interpreter};
use crate::message::{Heard, Peering, Publication, Record, RejectReason, Timestamp, kind};
use crate::protocol::sm4::CheckedOver;
use crate::protocol::{
    Deviation, Deviations, Fault, Frame, Header, Item, Limits, Peer, Verdict, crc, packet, scan, secret, sm4,
};

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Input: raw bytes as they came from the wire; several frames, and anything between them. CR LF at the end of a frame may be \
missing, as it is when one is pasted. Exit code 1 when a frame could not be used.\n\n\
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
    let (mut all_good, mut number) = (true, 0);
    let mut rest = bytes.as_slice();
    let mut written = Ok(());
    while !rest.is_empty() && written.is_ok() {
        let step = scan(rest, Peer::Resting, &Limits::default());
        rest = rest.get(step.used.max(1)..).unwrap_or_default();
        let Some(item) = step.item else { continue };
        number += 1;
        let explained = explain(&item, &keys);
        all_good &= explained["ok"] == true;
        written = if options.json { writeln!(out, "{explained}") } else { show(&mut out, number, &item, &explained) };
    }
    // A reader that closes its end has seen enough.
    let _ = written.and_then(|()| out.flush());
    u8::from(!all_good)
}

fn read(file: &PathBuf) -> std::io::Result<Vec<u8>> {
    if file.as_os_str() != "-" {
        return std::fs::read(file);
    }
    let mut bytes = Vec::new();
    std::io::stdin().lock().read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// What there is to say of one thing in the input.
fn explain(item: &Item<'_>, keys: &[StationKey]) -> Value {
    match item {
        Item::Frame(frame) => explain_frame(frame, keys),
        Item::Fault(fault) => explain_fault(fault),
    }
}

fn explain_fault(fault: &Fault<'_>) -> Value {
    let reason = RejectReason::from(fault.reason);
    json!({
        "ok": false, "crc": null, "deviations": [], "packet": null, "readings": null,
        "error": error(reason, None), "text": printable(fault.raw),
    })
}

fn error(reason: RejectReason, known: Option<Deviation>) -> Value {
    json!({
        "reason": reason.code(), "zh": reason.explain_zh(), "en": reason.explain_en(),
        "known_mistake": known.map(|d| json!({ "code": d.code(), "zh": d.explain_zh(), "en": d.explain_en() })),
    })
}

fn explain_frame(frame: &Frame<'_>, keys: &[StationKey]) -> Value {
    let header = packet::parse(frame.segment);
    let own = keys.iter().filter(|key| header.mn == Some(key.mn.as_bytes())).map(|key| &key.key);
    let opened = header.sealed.and_then(|_| sm4::open(frame.segment, frame.check.said, own).ok());
    let (crc, known) = match frame.check.verdict {
        Verdict::Right => ("right", None),
        Verdict::Known(mistake) => (mistake.code(), Some(mistake)),
        Verdict::Wrong => ("wrong", None),
        Verdict::Sealed => ("sealed", None),
    };
    let refused = match frame.check.verdict {
        Verdict::Known(_) | Verdict::Wrong => Some(RejectReason::CrcMismatch),
        Verdict::Right | Verdict::Sealed if header.cn.is_none() => Some(RejectReason::CnMissing),
        Verdict::Right | Verdict::Sealed if header.mn.is_none_or(<[u8]>::is_empty) => Some(RejectReason::MnMissing),
        Verdict::Right | Verdict::Sealed => None,
    };
    let published = published(frame, keys);
    json!({
        "ok": refused.is_none(),
        "crc": crc,
        "deviations": published.get("deviations").cloned().unwrap_or_else(|| codes(frame.deviations.union(header.deviations))),
        "packet": packet_of(frame, &header, opened.as_ref(), &published),
        "readings": published.get("readings").cloned().unwrap_or(Value::Null),
        "instruments": published.get("instruments").cloned().unwrap_or(Value::Null),
        "error": refused.map(|reason| error(reason, known)),
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
        "cn_zh": command.map(|c| c.zh), "cn_en": command.map(|c| c.en), "clause": command.map(|c| c.clause),
        "kind": header.cn.map(|cn| kind::Kind::of(cn).name()),
        "mn": text(header.mn),
        "pw": header.pw.map(|pw| format!("{} characters", pw.len())),
        "flag": header.flag.map(|f| f.0),
        "edition": header.flag.and_then(|f| f.edition()).map(|e| e.year()),
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

/// What the gateway would publish of the frame, as if it had been accepted.
fn published(frame: &Frame<'_>, keys: &[StationKey]) -> Map<String, Value> {
    let mut interpreter = Interpreter::new(interpret::Settings::default());
    interpreter.know_keys(keys.iter().cloned());
    let from = Peering { connection: 0, peer: std::net::SocketAddr::from(([127, 0, 0, 1], 0)) };
    let record = Record::Frame(Heard { from, deviations: frame.deviations, segment: frame.segment, raw: frame.raw });
    let mut out = Vec::new();
    let now = crate::clock::now();
    interpreter.on_record(1, now, &[0; 32], &record, &mut out);
    // A part of a split record is given up waiting for the others, and shown alone.
    interpreter.on_record(2, Timestamp(now.0.saturating_add(86_400_000_000)), &[0; 32], &Record::Tick, &mut out);
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
