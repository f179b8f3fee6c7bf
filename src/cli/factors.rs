//! `factors`: what is this code? In each generation, with its names in the field, its unit, and what it could be taken for.
//!
//! Shows the built-in tables; names and units of an operator's own dictionary file are not among them.

use std::io::Write;

use super::complain;
use hj212_interpret::table::{self, Alias, Row};

/// Nothing was found.
const NOTHING: u8 = 1;
/// Rows of a search that are shown.
const SHOWN_MAX: usize = 60;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "示例: hj212-gateway factors a21026 · hj212-gateway factors 011 · hj212-gateway factors --search 二氧化硫\n\
Exit code 1 when nothing is found. docs/dictionary.md says how codes are resolved."
)]
pub(super) struct Options {
    /// A code of any generation, or a name of the field: a21026, 011, e70101, PM10 (因子编码或别名)
    #[arg(value_name = "CODE", required_unless_present = "search", conflicts_with = "search")]
    code: Option<String>,
    /// Looks for a text in codes, names and notes (按名称查找)
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,
}

pub(super) fn factors(options: &Options) -> u8 {
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    let found = match (&options.code, &options.search) {
        (Some(code), _) => look_up(&mut out, code),
        (None, Some(text)) => search(&mut out, text),
        (None, None) => Ok(false),
    };
    // A reader that closes its end has seen enough.
    if !found.unwrap_or(true) {
        complain(&unknown(options));
        return NOTHING;
    }
    let _ = out.flush();
    0
}

/// The codes that `said` can mean, the nearest reading first: as it stands, in another case, as an instance of a numbered code, as a
/// name of the field, without its letter.
fn meant(said: &str, rows: &[Row], aliases: &[Alias]) -> Vec<String> {
    let mut codes: Vec<String> = Vec::new();
    let mut add = |code: &str| {
        if !codes.iter().any(|known| known == code) {
            codes.push(code.to_owned());
        }
    };
    rows.iter().filter(|row| row.code == said).for_each(|row| add(&row.code));
    rows.iter().filter(|row| row.code.eq_ignore_ascii_case(said)).for_each(|row| add(&row.code));
    rows.iter().filter(|row| is_instance(said, &row.code)).for_each(|row| add(&row.code));
    aliases.iter().filter(|alias| alias.alias.eq_ignore_ascii_case(said)).for_each(|alias| add(&alias.code));
    if said.len() == 5 && said.bytes().all(|byte| byte.is_ascii_digit()) {
        rows.iter().filter(|row| row.code.get(1..) == Some(said)).for_each(|row| add(&row.code));
    }
    if said.len() <= 3 && said.bytes().all(|byte| byte.is_ascii_digit()) {
        let short = |code: &str| code.len() <= 3 && code.trim_start_matches('0') == said.trim_start_matches('0');
        rows.iter().filter(|row| short(&row.code)).for_each(|row| add(&row.code));
    }
    codes
}

/// Whether `said` is `pattern` with a device number for its `x`.
fn is_instance(said: &str, pattern: &str) -> bool {
    let fits =
        |(said, wanted): (char, char)| said.eq_ignore_ascii_case(&wanted) || (wanted == 'x' && said.is_ascii_digit());
    pattern.ends_with('x') && said.len() == pattern.len() && said.chars().zip(pattern.chars()).all(fits)
}

fn look_up(out: &mut impl Write, said: &str) -> std::io::Result<bool> {
    let (rows, aliases) = (table::factors(), table::aliases());
    let codes = meant(said, &rows, &aliases);
    if codes.len() > 1 {
        writeln!(
            out,
            "{said}: {} 种可能 possible readings; 由 ST 与版本决定 the ST and the edition decide\n",
            codes.len()
        )?;
    }
    for code in &codes {
        show(out, said, code, &rows, &aliases)?;
    }
    Ok(!codes.is_empty())
}

fn show(out: &mut impl Write, said: &str, code: &str, rows: &[Row], aliases: &[Alias]) -> std::io::Result<()> {
    let own: Vec<&Row> = rows.iter().filter(|row| row.code == code).collect();
    let canonical = own.first().map_or(code, |row| row.canonical());
    writeln!(out, "{code}{}", if said == code { String::new() } else { format!("  (← {said})") })?;
    for row in &own {
        writeln!(out, "  {}", line(row))?;
    }
    if canonical != code {
        writeln!(out, "  今用编码 stands today as   {canonical}")?;
        for row in rows.iter().filter(|row| row.code == canonical) {
            writeln!(out, "  {}", line(row))?;
        }
    }
    for row in rows.iter().filter(|row| row.generation == "2005" && row.other == canonical && row.code != code) {
        writeln!(out, "  2005 年编码 code of 2005   {}", row.code)?;
        writeln!(out, "  {}", line(row))?;
    }
    for alias in aliases.iter().filter(|alias| alias.code == canonical) {
        writeln!(out, "  别名 alias   {}  (ST {})", alias.alias, alias.systems.join(" "))?;
    }
    if own.iter().any(|row| row.collides()) {
        let words = "一码多义 COLLIDES: choose with meanings = { … } in the station's row";
        writeln!(out, "  {words}")?;
        for row in &own {
            writeln!(out, "    meanings = {{ {code} = {:?} }}", row.name)?;
        }
    }
    let systems = table::systems();
    let carried = |row: &&&Row| systems.iter().any(|system| system.carries.contains(&row.category));
    if let Some(row) = own.iter().find(carried) {
        let all = systems.iter().filter(|system| system.carries.contains(&row.category));
        let st: Vec<&str> = all.map(|system| system.st.as_str()).collect();
        writeln!(out, "  适用 ST at home at   {}  (elsewhere: code-medium)", st.join(" "))?;
    }
    for row in own.iter().filter(|row| !row.note.is_empty()) {
        writeln!(out, "  注 note ({})   {}", row.generation, row.note)?;
    }
    writeln!(out)
}

/// A row in one line.
fn line(row: &Row) -> String {
    let or = |text: &str, other: &str| if text.is_empty() { other.to_owned() } else { text.to_owned() };
    let english = if row.name_en.is_empty() { String::new() } else { format!(" ({})", row.name_en) };
    let unit = match row.unit.as_str() {
        "?" => "单位依站点 unit by station".to_owned(),
        unit => or(unit, "-"),
    };
    let name = or(&row.name, "含义不明 meaning unknown");
    format!("{:<6} {:<8} {name}{english}  [{unit}]  {}  {}", row.generation, row.code, or(&row.form, "-"), row.category)
}

fn search(out: &mut impl Write, text: &str) -> std::io::Result<bool> {
    let wanted = text.to_lowercase();
    let hit = |row: &&Row| {
        [&row.code, &row.name, &row.name_en, &row.note].iter().any(|field| field.to_lowercase().contains(&wanted))
    };
    let rows = table::factors();
    let found: Vec<&Row> = rows.iter().filter(hit).collect();
    for row in found.iter().take(SHOWN_MAX) {
        writeln!(out, "{}", line(row))?;
    }
    if found.len() > SHOWN_MAX {
        writeln!(out, "… and {} more; say more of the name", found.len() - SHOWN_MAX)?;
    }
    let aliases: Vec<Alias> =
        table::aliases().into_iter().filter(|alias| alias.alias.to_lowercase().contains(&wanted)).collect();
    for alias in &aliases {
        writeln!(out, "alias  {:<8} → {}  (ST {})", alias.alias, alias.code, alias.systems.join(" "))?;
    }
    Ok(!found.is_empty() || !aliases.is_empty())
}

fn unknown(options: &Options) -> String {
    if let Some(text) = &options.search {
        return format!(
            "nothing in the dictionary holds {text:?}; try a shorter text, Chinese or English 字典中没有 {text}"
        );
    }
    let code = options.code.as_deref().unwrap_or_default();
    let start: String = code.chars().take(3).collect();
    let mut near: Vec<String> = table::factors().into_iter().map(|row| row.code).collect();
    near.retain(|known| !start.is_empty() && known.to_lowercase().starts_with(&start.to_lowercase()));
    near.sort();
    near.dedup();
    near.truncate(8);
    let near = if near.is_empty() { String::new() } else { format!("; near it: {}", near.join(" ")) };
    format!(
        "no generation knows the code {code:?} 字典中没有该编码{near}. Look by name with --search TEXT, or give it a meaning: \
         aliases in the station's row, or a row in the file of [dictionary]"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said_of(code: &str) -> (bool, String) {
        let mut out = Vec::new();
        let found = look_up(&mut out, code).unwrap();
        (found, String::from_utf8(out).unwrap())
    }

    #[test]
    fn a_code_is_shown_in_each_generation_with_its_names() {
        let (found, text) = said_of("a21026");
        assert!(found);
        for part in ["2017", "2025", "二氧化硫", "mg/m3", "N5.2", "code of 2005   02", "SO2", "at home at   22 27 31"]
        {
            assert!(text.contains(part), "{part}:\n{text}");
        }
        let (_, text) = said_of("011");
        assert!(text.contains("stands today as   w01018") && text.contains("化学需氧量"), "{text}");
    }

    #[test]
    fn slips_instances_aliases_and_collisions_are_explained() {
        assert!(said_of("34013").1.starts_with("a34013  (← 34013)"));
        assert!(said_of("pm10").1.starts_with("a34002"));
        let (_, text) = said_of("e70103");
        assert!(text.contains("COLLIDES") && text.contains("meanings = { e701xx = \"加药量\" }"), "{text}");
        let (_, text) = said_of("11");
        assert!(text.contains("w01018") && text.contains("a21022"), "water or gas: {text}");
        assert!(!said_of("zzz").0);
    }

    #[test]
    fn a_search_reads_names_in_both_languages() {
        let said = |text: &str| {
            let mut out = Vec::new();
            (search(&mut out, text).unwrap(), String::from_utf8(out).unwrap())
        };
        assert!(said("化学需氧").1.contains("w01018") && said("Oxygen Demand").1.contains("w01018"));
        assert!(!said("no such thing").0);
        let options = Options { code: Some("a2102".into()), search: None };
        assert!(unknown(&options).contains("a21026") || unknown(&options).contains("a2100"), "{}", unknown(&options));
    }
}
