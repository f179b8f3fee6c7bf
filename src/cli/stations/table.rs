//! The table: columns, encodings, separators.
//!
//! What must stay true: a column that is not known is an error and not passed over; an empty cell says nothing about its key; text stays text
//! (a password `012345` keeps its nought, as far as the program that wrote the table left it).

use std::collections::BTreeMap;

use toml_edit::Value;

/// What `--help` says of tables.
pub(super) const HELP: &str = "The first line names the columns, in any order; mn is needed 首行为列名,顺序不限,mn 必需:\n  \
mn MN, name 名称, pw 密码, st 系统编码, edition 标准版本, crc, dialect 方言, policy, hardware 设备编号, operator 运维单位, realtime_interval, minute_interval,\n  \
networks (with blanks between 空格分隔), rules (with blanks between), tags.NAME (tags.region 地区, tags.enterprise 企业, tags.outlet 排口, tags.county 区县, tags.city 地市),\n  \
limits.CODE (limits.a21026), aliases.CODE, units.CODE, convert.CODE\n\
An empty cell leaves the key as it is. Facilities, permits ([[station.limit]]) and comments of the file stay.\n\
空单元格表示不改;文件中的注释、设施、许可限值保留。Excel 保存的 CSV(GBK 或 UTF-8)可直接导入。";

/// What kind of value a key has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CellForm {
    Text,
    List,
    Number,
}

/// Columns, other names of them, and their form.
const COLUMNS: &[(&str, &[&str], CellForm)] = &[
    ("mn", &["设备唯一标识", "数采仪编号", "mn号"], CellForm::Text),
    ("name", &["名称", "站点名称", "站点"], CellForm::Text),
    ("pw", &["密码", "访问密码"], CellForm::Text),
    ("st", &["系统编码"], CellForm::Text),
    ("edition", &["标准版本", "版本"], CellForm::Text),
    ("crc", &[], CellForm::Text),
    ("dialect", &["方言"], CellForm::Text),
    ("policy", &["策略"], CellForm::Text),
    ("hardware", &["设备编号"], CellForm::Text),
    ("operator", &["运维单位", "运维单位编号"], CellForm::Text),
    ("realtime_interval", &["实时间隔"], CellForm::Text),
    ("minute_interval", &["分钟间隔"], CellForm::Text),
    ("networks", &["网段"], CellForm::List),
    ("rules", &["规则集"], CellForm::List),
    ("tags.region", &["地区", "行政区划"], CellForm::Text),
    ("tags.enterprise", &["企业", "企业名称"], CellForm::Text),
    ("tags.outlet", &["排口", "排放口"], CellForm::Text),
    ("tags.county", &["区县"], CellForm::Text),
    ("tags.city", &["地市"], CellForm::Text),
];

/// Tables whose keys are columns of their own, and the form of their values.
const FAMILIES: &[(&str, CellForm)] = &[
    ("tags", CellForm::Text),
    ("limits", CellForm::Number),
    ("aliases", CellForm::Text),
    ("units", CellForm::Text),
    ("convert", CellForm::Text),
];

/// One row: keys (with one dot at most) and values; `mn` among them.
pub(super) type Row = BTreeMap<String, Value>;

/// The text of `bytes`, by their byte order mark, as UTF-8 where they are that, else as GBK.
fn text(bytes: &[u8]) -> Result<String, String> {
    if let Some((encoding, length)) = encoding_rs::Encoding::for_bom(bytes) {
        let (text, wrong) = encoding.decode_without_bom_handling(bytes.get(length..).unwrap_or_default());
        return if wrong { Err(format!("the file is no good {}", encoding.name())) } else { Ok(text.into_owned()) };
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Ok(text.to_owned());
    }
    match encoding_rs::GB18030.decode_without_bom_handling(bytes) {
        (text, false) => Ok(text.into_owned()),
        _ => Err("the file is neither UTF-8 nor GBK nor UTF-16 编码不是 UTF-8、GBK 或 UTF-16".into()),
    }
}

/// The key that a column's name means, and its form.
fn column(name: &str) -> Option<(String, CellForm)> {
    let name = name.trim();
    let small = name.to_lowercase();
    if let Some((key, _, form)) =
        COLUMNS.iter().find(|(key, other, _)| *key == small || other.contains(&small.as_str()))
    {
        return Some(((*key).to_owned(), *form));
    }
    // Codes have capitals.
    let (family, code) = name.split_once('.')?;
    let (family, form) = FAMILIES.iter().find(|(known, _)| known.eq_ignore_ascii_case(family))?;
    (!code.trim().is_empty()).then(|| (format!("{family}.{}", code.trim()), *form))
}

fn value(form: CellForm, cell: &str) -> Result<Value, String> {
    match form {
        CellForm::Text => Ok(cell.into()),
        CellForm::List => {
            Ok(Value::Array(cell.split([' ', ';', '、', '，']).filter(|word| !word.is_empty()).collect()))
        }
        // The digits stay as they stand.
        CellForm::Number => match cell.parse::<Value>() {
            Ok(number @ (Value::Integer(_) | Value::Float(_))) => Ok(number),
            _ => Err(format!("{cell:?} is no number 不是数字")),
        },
    }
}

/// A table that was read.
#[derive(Debug)]
pub(super) struct TableRead {
    pub(super) rows: Vec<Row>,
    /// The line of each MN.
    pub(super) lines: BTreeMap<String, u64>,
}

/// The rows of a table, or all that is wrong with it, each with its line.
pub(super) fn read(name: &str, bytes: &[u8]) -> Result<TableRead, Vec<String>> {
    if bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(b"\xD0\xCF\x11\xE0") {
        return Err(vec![format!(
            "{name}: this is a workbook (.xlsx, .xls), not a table in text: save it as CSV 这是 Excel 工作簿,请另存为 CSV 再导入"
        )]);
    }
    let text = text(bytes).map_err(|problem| vec![format!("{name}: {problem}")])?;
    // The reader counts a line at its LF, so that with CR LF each row would be told one line too early.
    let text = text.replace("\r\n", "\n");
    let first = text.lines().next().unwrap_or_default();
    let separator =
        [b',', b'\t', b';'].into_iter().max_by_key(|sign| first.bytes().filter(|byte| byte == sign).count());
    let mut reader =
        csv::ReaderBuilder::new().delimiter(separator.unwrap_or(b',')).flexible(true).from_reader(text.as_bytes());
    let mut problems = Vec::new();
    let heads: Vec<String> = match reader.headers() {
        Ok(heads) => heads.iter().map(str::to_owned).collect(),
        Err(error) => return Err(vec![format!("{name}: {error}")]),
    };
    let columns: Vec<Option<(String, CellForm)>> = heads.iter().map(|head| column(head)).collect();
    for (head, known) in heads.iter().zip(&columns) {
        if known.is_none() && !head.trim().is_empty() {
            problems.push(format!("{name}:1: unknown column {head:?} 未知的列; stations import --help names them"));
        }
    }
    if !columns.iter().flatten().any(|(key, _)| key == "mn") {
        problems.push(format!("{name}:1: no column mn 缺少 mn 列"));
    }
    let (mut rows, mut lines) = (Vec::new(), BTreeMap::<String, u64>::new());
    for record in reader.records() {
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                problems.push(format!("{name}: {error}"));
                continue;
            }
        };
        let line = record.position().map_or(0, csv::Position::line);
        if record.iter().all(|cell| cell.trim().is_empty()) {
            continue;
        }
        let mut row = Row::new();
        for (cell, known) in record.iter().zip(&columns) {
            let (Some((key, form)), cell) = (known, cell.trim()) else { continue };
            match value(*form, cell) {
                _ if cell.is_empty() => {}
                Ok(value) => _ = row.insert(key.clone(), value),
                Err(problem) => problems.push(format!("{name}:{line}: {key}: {problem}")),
            }
        }
        match row.get("mn").and_then(Value::as_str).map(str::to_owned) {
            None => problems.push(format!("{name}:{line}: no mn 缺少 mn")),
            // Excel makes such of long digits; nobody knows what they were.
            Some(mn) if mn.contains("E+") => problems.push(format!(
                "{name}:{line}: mn {mn:?}: the table program has made a number of it 已被表格软件改成科学计数,请把该列设为文本"
            )),
            Some(mn) => match lines.insert(mn.clone(), line) {
                Some(before) => problems.push(format!("{name}:{line}: mn {mn:?} stands in line {before} already 重复")),
                None => rows.push(row),
            },
        }
    }
    if problems.is_empty() { Ok(TableRead { rows, lines }) } else { Err(problems) }
}

/// The rows as a table: known columns that somebody has, then those of families.
pub(super) fn written(rows: &[Row]) -> String {
    let mut keys: Vec<&str> =
        COLUMNS.iter().map(|(key, _, _)| *key).filter(|key| rows.iter().any(|row| row.contains_key(*key))).collect();
    let mut more: Vec<&str> = rows
        .iter()
        .flat_map(|row| row.keys())
        .map(String::as_str)
        .filter(|key| column(key).is_some() && !keys.contains(key))
        .collect();
    more.sort_unstable();
    more.dedup();
    keys.extend(more);
    let cell = |value: &Value| match value {
        Value::String(text) => text.value().clone(),
        Value::Array(items) => items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" "),
        other @ (Value::Integer(_)
        | Value::Float(_)
        | Value::Boolean(_)
        | Value::Datetime(_)
        | Value::InlineTable(_)) => other.to_string().trim().to_owned(),
    };
    let mut out = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    let mut good = out.write_record(&keys).is_ok();
    for row in rows {
        good &= out.write_record(keys.iter().map(|key| row.get(*key).map(cell).unwrap_or_default())).is_ok();
    }
    // Memory does not refuse to be written to.
    match out.into_inner() {
        Ok(bytes) if good => String::from_utf8(bytes).unwrap_or_default(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_of_excel_are_read_in_each_encoding() {
        let table = "MN,名称,密码,地区,limits.a21026,网段\r\nA1,\"站,点\",012345,340100,100.50,10.0.0.0/8 10.1.2.3\r\n";
        let utf16: Vec<u8> =
            table.replace(',', "\t").replace("\"站\t点\"", "站,点").encode_utf16().flat_map(u16::to_le_bytes).collect();
        let gbk = encoding_rs::GB18030.encode(table).0.into_owned();
        for bytes in [
            table.as_bytes().to_vec(),
            format!("\u{feff}{table}").into_bytes(),
            gbk,
            [&[0xFF, 0xFE][..], &utf16].concat(),
        ] {
            let rows = read("t.csv", &bytes).unwrap().rows;
            assert_eq!(rows.len(), 1);
            assert_eq!(rows[0]["name"].as_str(), Some("站,点"));
            assert_eq!(rows[0]["pw"].as_str(), Some("012345"), "a nought in front stays");
            assert_eq!(rows[0]["limits.a21026"].to_string().trim(), "100.50", "digits stay");
            assert_eq!(rows[0]["networks"].as_array().unwrap().len(), 2);
        }
    }

    #[test]
    fn every_bad_row_is_told_with_its_line() {
        let table = "mn,colour,limits.a21026\nA1,,1\n,red,\nA1,,x\n1.23E+10,,\n";
        let said = read("t.csv", table.as_bytes()).unwrap_err().join("\n");
        for part in [
            "t.csv:1: unknown column \"colour\"",
            "t.csv:3: no mn",
            "t.csv:4: mn \"A1\" stands in line 2",
            "t.csv:4: limits.a21026",
            "t.csv:5: mn \"1.23E+10\"",
        ] {
            assert!(said.contains(part), "{part} is not in\n{said}");
        }
    }

    #[test]
    fn a_workbook_is_named() {
        let said = read("t.xlsx", b"PK\x03\x04\x14\x00").unwrap_err().join("\n");
        assert!(said.contains("save it as CSV") && said.contains("另存为 CSV"), "{said}");
    }

    #[test]
    fn what_is_written_is_read_back() {
        let table = "mn,name,networks,limits.a21026,tags.line\r\nA1,站,10.0.0.0/8,100,x\r\nA2,,,,\r\n";
        let TableRead { rows, lines } = read("t.csv", table.as_bytes()).unwrap();
        assert_eq!((lines["A1"], lines["A2"]), (2, 3));
        assert_eq!(written(&rows), table);
    }
}
