//! `score`: the scorecards of a month, from the journal (月评分).

use std::fmt::Write;
use std::path::PathBuf;

use serde_json::Value;

use super::known::must_be_known;
use super::{CONFIG, IO, UNAVAILABLE as NOTHING, USAGE, complain, say};
use crate::config;
use crate::gateway::ledgers;
use crate::gateway::scored::{ScoresWanted, sheet};
use hj212_scores::MonthNumber;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Reads the journal to its end; works beside a running gateway. Cards are those that were said last, once a day after 13:00; this month \
                  and the one before are kept. Every value stands with its numerator and denominator, and sums are sums of those.\n\
                  各项数值均列出分子与分母;合计为分子、分母分别相加。见 docs/scores.md。"
)]
pub(super) struct ScoreOptions {
    /// The gateway's configuration: its journal
    #[arg(long, value_name = "FILE", default_value = crate::cli::CONFIG_FILE)]
    config: PathBuf,
    /// The month, as 2026-06; left out: this one
    #[arg(long, value_name = "MONTH")]
    month: Option<String>,
    /// Only this station
    #[arg(long, value_name = "MN")]
    mn: Option<String>,
    /// Only stations that this company keeps
    #[arg(long, value_name = "ID")]
    operator: Option<String>,
    /// Only stations of this county: their tag county
    #[arg(long, value_name = "CODE")]
    county: Option<String>,
    /// Only stations of this city: their tag city
    #[arg(long, value_name = "CODE")]
    city: Option<String>,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

pub(super) fn score(options: &ScoreOptions) -> u8 {
    let loaded = match config::load(&options.config) {
        Ok(loaded) => loaded,
        Err(problems) => {
            complain(&problems);
            return CONFIG;
        }
    };
    let month = match options.month.as_deref().map(|text| (text, MonthNumber::read(text))) {
        Some((text, None)) => {
            complain(&format!("--month {text}: write a month as 2026-06"));
            return USAGE;
        }
        Some((_, month)) => month,
        None => None,
    };
    if !loaded.config.scores.enabled {
        complain(&"no scorecards are kept: [scores] enabled = false · 未启用评分");
        return NOTHING;
    }
    let interpreter = match ledgers::read(&loaded.config) {
        Ok(interpreter) => interpreter,
        Err(error) => {
            complain(&error);
            return IO;
        }
    };
    if let Err(code) = must_be_known(options.mn.as_deref(), &loaded.registry, &interpreter) {
        return code;
    }
    let wanted = ScoresWanted {
        month,
        mn: options.mn.clone(),
        operator: options.operator.clone(),
        county: options.county.clone(),
        city: options.city.clone(),
    };
    let found = sheet(&interpreter, &wanted);
    if options.json {
        return say(&format!("{found}\n"));
    }
    say(&told(&found))
}

fn word<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap_or("–")
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn told(found: &Value) -> String {
    let mut text = format!("{}  截至 as of {}\n", word(found, "month"), word(found, "time"));
    if found["placeholder"] == true {
        text.push_str("分级阈值为占位值。The thresholds of grades are placeholders.\n");
    }
    for station in list(&found["stations"]) {
        let (mn, name, operator) = (word(station, "mn"), word(station, "name"), word(station, "operator"));
        let (stage, revision) = (word(station, "stage"), &station["revision"]);
        let _ = writeln!(text, "\n{mn}  {name}  运维 {operator}  {stage} ({revision}){}", grade(station));
        measures(&mut text, found, station);
    }
    for company in list(&found["operators"]) {
        let (operator, count) = (word(company, "operator"), &company["stations"]);
        let _ = writeln!(text, "\n运维单位 operator {operator}  {count} 站 stations{}", grade(company));
        measures(&mut text, found, company);
    }
    if list(&found["stations"]).len() > 1 {
        let _ = writeln!(text, "\n合计 sum of {} 站 stations", found["sum"]["stations"]);
        measures(&mut text, found, &found["sum"]);
    }
    if found["left_out"].as_u64().is_some_and(|more| more > 0) {
        let _ = writeln!(text, "\n未列出 left out: {}", found["left_out"]);
    }
    if list(&found["stations"]).is_empty() {
        text.push_str("没有该月的评分（只保留本月和上月，每日 13 时后更新）。\n");
        text.push_str(
            "No cards of that month: this month and the one before are kept, and said after 13:00 each day.\n",
        );
    }
    text
}

fn grade(one: &Value) -> String {
    match one["grade"]["zh"].as_str() {
        Some(zh) => format!("  {zh} {}", word(&one["grade"], "en")),
        None => String::new(),
    }
}

fn measures(text: &mut String, found: &Value, one: &Value) {
    for measure in list(&found["measures"]) {
        let own = &one["measures"][word(measure, "id")];
        let parts: Vec<String> =
            list(&own["parts"]).iter().map(|part| format!("{}/{}", part["num"], part["den"])).collect();
        let (value, unit) = (word(own, "value"), word(measure, "unit"));
        let (zh, en) = (word(measure, "zh"), word(measure, "en"));
        let _ = writeln!(text, "  {value:>7} {unit:<6} {zh} {en}: {}", parts.join(" × "));
    }
}
