//! An explained frame as text for people, every label in Chinese and English. Used by `decode` and `send`.
//!
//! What must stay true: numbers stand as they were written; nothing is shown that [`hj212_explain`] does not say.

use std::collections::BTreeMap;
use std::io::{Result, Write};

use serde_json::value::RawValue;

use hj212::Deviation;
use hj212_explain::{Explained, Form, Packet, Told};

/// Keys and values of an object of JSON, the values as they were written.
type Object = BTreeMap<String, Box<RawValue>>;

/// Says how a paste was read.
pub(super) fn forms(out: &mut impl Write, forms: &[Form]) -> Result<()> {
    for form in forms {
        let (zh, en) = form.explain();
        writeln!(out, "按 {zh} 读取 read as {en}")?;
    }
    Ok(())
}

/// Shows what was found as the `number`th.
pub(super) fn explained(out: &mut impl Write, number: usize, explained: &Explained) -> Result<()> {
    let usable = if explained.ok { "可用 usable" } else { "不可用 NOT usable" };
    writeln!(out, "── {number} ── {} bytes 字节 ── {usable}", explained.bytes)?;
    if let Some(error) = &explained.error {
        writeln!(out, "  原因 reason   {}: {} ({})", error.reason, error.zh, error.en)?;
        if let Some(known) = &error.known_mistake {
            writeln!(out, "  可能 likely   {}: {} ({})", known.code, known.zh, known.en)?;
        }
    }
    for change in &explained.changes {
        writeln!(out, "  要改 change   {} / {}", change.zh, change.en)?;
    }
    if let Some(text) = &explained.text {
        writeln!(out, "  字节 bytes    {text}")?;
    }
    match &explained.packet {
        Some(Told::Frame(packet)) => show_packet(out, packet)?,
        Some(Told::Begun(begun)) => {
            line(out, "QN 请求编码", begun.qn.as_deref())?;
            line(out, "ST 系统编码", begun.st.as_deref())?;
            line(out, "CN 命令编码", begun.cn.as_deref())?;
            line(out, "MN 设备标识", begun.mn.as_deref())?;
            line(out, "Flag 标志", begun.flag.map(|flag| flag.to_string()).as_deref())?;
        }
        None => {}
    }
    show_readings(out, explained.readings.as_deref())?;
    // The readings of the only one stand above.
    let instruments: Vec<Object> = list(explained.instruments.as_deref());
    for instrument in instruments.iter().filter(|_| instruments.len() > 1) {
        writeln!(out, "  仪器 instrument {}  {}", word(instrument.get("pol_id")), word(instrument.get("name")))?;
        show_readings(out, instrument.get("readings").map(|raw| &**raw))?;
    }
    for text in
        explained.unread.as_deref().and_then(|raw| serde_json::from_str::<Vec<String>>(raw.get()).ok()).iter().flatten()
    {
        writeln!(out, "  未读 unread   {text}")?;
    }
    for field in &explained.header_unknown {
        writeln!(out, "  头部 header   {field} (标准以外的字段 not in the standard)")?;
    }
    for code in &explained.deviations {
        let known = Deviation::ALL
            .iter()
            .find(|d| d.code() == code || (**d == Deviation::LengthOff && code.starts_with("length-off")));
        let (zh, en) = known.map_or(("", ""), |d| (d.explain_zh(), d.explain_en()));
        writeln!(out, "  偏差 deviation {code}: {zh} ({en})")?;
    }
    writeln!(out)
}

fn line(out: &mut impl Write, name: &str, says: Option<&str>) -> Result<()> {
    match says {
        None | Some("") => Ok(()),
        Some(says) => writeln!(out, "  {name:<13}{says}"),
    }
}

fn show_packet(out: &mut impl Write, packet: &Packet) -> Result<()> {
    let (declared, length) = (packet.length_declared, packet.length);
    let says = match declared {
        Some(declared) if declared == length => format!("{length}  ✓"),
        Some(declared) => format!("declared 声明 {declared}, is 实际 {length}"),
        None => format!("none declared 未声明, is 实际 {length}"),
    };
    line(out, "length 长度", Some(&says))?;
    line(out, "QN 请求编码", packet.qn.as_deref())?;
    line(out, "ST 系统编码", packet.st.as_deref())?;
    let meaning = packet
        .cn_zh
        .map(|zh| format!("  {zh} ({}; {})", packet.cn_en.unwrap_or_default(), packet.clause.unwrap_or_default()));
    let cn = packet.cn.as_ref().map(|cn| format!("{cn}{}", meaning.unwrap_or_default()));
    line(out, "CN 命令编码", cn.as_deref())?;
    line(out, "PW 密码", packet.pw.as_ref().map(|pw| format!("{pw} 个字符")).as_deref())?;
    line(out, "MN 设备标识", packet.mn.as_deref())?;
    if let Some(flag) = packet.flag {
        let wants = match packet.wants_answer {
            Some(true) => "answer wanted 需应答",
            Some(false) | None => "no answer wanted 不需应答",
        };
        let edition = packet.edition.unwrap_or("?");
        line(out, "Flag 标志", Some(&format!("{flag}  edition 版本 {edition}, {wants}")))?;
    }
    if let Some(part) = &packet.part {
        line(out, "PNO/PNUM 分包", Some(&format!("{} of 共 {}", part.number, part.count)))?;
    }
    if packet.rf {
        line(out, "RF 补传", Some("1"))?;
    }
    line(out, "DataTime 数据时间", packet.data_time.as_deref().map(|time| format!(" {time}")).as_deref())?;
    for (name, value) in object(packet.fields.as_deref()) {
        line(out, "字段 field", Some(&format!("{name} = {}", word(Some(&value)))))?;
    }
    if let Some(seal) = &packet.seal {
        let form = seal.form.as_deref().map(|form| format!("seal = \"{form}\"; ")).unwrap_or_default();
        line(out, "CP 密文", Some(&format!("{form}{} / {}", seal.zh, seal.en)))?;
    }
    if packet.unreadable {
        line(out, "CP 数据区", Some(&packet.cp))?;
    }
    let (said, computed) = (&packet.crc_said, &packet.crc_computed);
    let says = match said {
        Some(said) if said == computed => format!("{said}  ✓"),
        Some(said) => format!("says 报文中 {said}, computed 计算得 {computed}"),
        None => format!("none to be read 报文中没有或无法读出, computed 计算得 {computed}"),
    };
    line(out, "CRC 校验", Some(&says))
}

/// Keys of a reading that are not among its values when it is shown.
const SAID_APART: &[&str] = &["name", "unit", "valid", "marks", "reported_code", "same_as", "collides"];

/// The values of a reading in Chinese.
fn value_zh(field: &str) -> &'static str {
    match field {
        "rtd" => "实时 ",
        "avg" => "平均 ",
        "min" => "最小 ",
        "max" => "最大 ",
        "cou" => "累计 ",
        "flag" => "标记 ",
        "text" => "原文 ",
        "why" => "原因 ",
        "sample_time" => "采样时间 ",
        _ => "",
    }
}

fn show_readings(out: &mut impl Write, readings: Option<&RawValue>) -> Result<()> {
    for (code, reading) in object(readings) {
        let reading = object(Some(&reading));
        let mut values = String::new();
        for (field, value) in &reading {
            let value = word(Some(value));
            if !SAID_APART.contains(&field.as_str()) && !value.is_empty() {
                values.push_str(&format!("  {}{field}={value}", value_zh(field)));
            }
        }
        let of = |field: &str| word(reading.get(field));
        let reported = match of("reported_code") {
            reported if reported.is_empty() => String::new(),
            reported => format!(" (sent as {reported}) 原码"),
        };
        writeln!(out, "    {code}{reported}  {} [{}]{values}", of("name"), of("unit"))?;
        let same = of("same_as");
        if !same.is_empty() {
            writeln!(out, "        与另一编码同为 {same}:两者并列保留 (the same factor as {same}, both are kept)")?;
        }
        for meaning in list(reading.get("collides").map(|raw| &**raw)) {
            let (name, unit) = (word(meaning.get("name")), word(meaning.get("unit")));
            writeln!(out, "        一码多义 could mean: {name} [{unit}] ({})", word(meaning.get("in")))?;
        }
    }
    Ok(())
}

fn object(raw: Option<&RawValue>) -> Object {
    raw.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default()
}

fn list(raw: Option<&RawValue>) -> Vec<Object> {
    raw.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default()
}

/// A JSON value without quotes, numbers as they were written; nothing for null.
#[allow(clippy::borrowed_box, reason = "what a map of boxes gives")]
fn word(raw: Option<&Box<RawValue>>) -> String {
    match raw.map(|raw| raw.get()) {
        None | Some("null") => String::new(),
        Some(text) if text.starts_with('"') => serde_json::from_str(text).unwrap_or_default(),
        Some(text) => text.to_owned(),
    }
}
