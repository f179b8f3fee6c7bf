//! Rows of events.

use super::super::bilingual::Bilingual;
use super::super::drill::{Drill, DrillEvent, DrillEventKind, DrillStation, PlantKind};
use super::super::plant;
use super::super::rows::EventRow;
use super::super::span::{DAY, read_length};
use super::{A_MOMENT, A_STATION, DrillPlace, Mistakes, NO_MOMENT, NO_STATION, moment, station_of};

/// What is known by which name: the words, the keys that it takes beside `at`, `until`, `station`, `what`, `name` (with `!`: it needs them), and whether it
/// has no end.
const KINDS: &[(&str, &[&str], [&str; 2])] = &[
    ("scrubber-fails", &["by"], ["脱硫设施故障", "the scrubber fails"]),
    ("filter-fails", &["by"], ["除尘设施故障", "the filter fails"]),
    ("denitration-fails", &["by"], ["脱硝设施故障", "the denitration fails"]),
    ("aeration-stops", &[], ["曝气停止", "the aeration stops"]),
    ("load", &["to!"], ["负荷变化", "the load changes"]),
    ("plant-stops", &[], ["停产（到 until 恢复）", "the plant stops (and starts at until)"]),
    ("flood", &["by!"], ["暴雨进水", "a flood comes"]),
    ("oxygen-drifts", &["by!"], ["氧探头漂移", "the oxygen probe drifts"]),
    ("furnace-cools", &["to!"], ["炉温下降", "the furnace cools"]),
    ("feeds-cold", &[], ["低温投料", "waste is fed into a cold furnace"]),
    ("calibrates", &["factor", "to!"], ["分析仪校准", "the analyser is calibrated"]),
    ("analyser-fails", &["factor"], ["分析仪故障", "the analyser fails"]),
    ("mark-forgotten", &[], ["漏报标记", "the mark is forgotten"]),
    ("false-mark", &["flag!"], ["虚假标记", "a mark that is not true"]),
    ("constant", &["factor!"], ["数据恒值", "values are held"]),
    ("capped", &["factor!", "to!", "spread"], ["数据设限", "values are capped"]),
    ("scaled", &["factor!", "by!"], ["数据按比例压低", "values are scaled"]),
    ("replayed", &["factor!", "back!"], ["重放以前的数据", "values of before are said again"]),
    ("sent-lower", &["factor!", "by!", "back!"], ["事后改低重传", "hours are sent again, lower"]),
    ("link-drops", &["kept"], ["通讯中断", "the line is down"]),
    ("clock-off", &["back!"], ["数采仪时钟偏差", "the logger's clock is off"]),
    ("discharge", &["factor!", "by!"], ["上游偷排", "somebody discharges upstream"]),
];

pub(super) fn happenings(rows: &[EventRow], drill: &Drill, mistakes: &mut Mistakes<'_>) -> Vec<DrillEvent> {
    let mut all = Vec::new();
    for (number, row) in rows.iter().enumerate() {
        let at = DrillPlace("event", number);
        let begins = moment(&row.at, drill);
        if begins.is_none() {
            mistakes.add(at, "at", &row.at, NO_MOMENT, A_MOMENT);
        }
        let until = row.until.as_ref().map_or(Some(drill.length), |text| moment(text, drill));
        if until.zip(begins).is_none_or(|(until, begins)| until <= begins) && begins.is_some() {
            let text = row.until.as_deref().unwrap_or_default();
            mistakes.add(at, "until", text, ["不是 at 之后的时刻", "this is no time after at"], A_MOMENT);
        }
        let station = station_of(&row.station, drill);
        if station.is_none() {
            mistakes.add(at, "station", &row.station, NO_STATION, A_STATION);
        }
        let Some((name, keys, words)) = KINDS.iter().find(|(name, _, _)| *name == row.what) else {
            let known: Vec<&str> = KINDS.iter().map(|(name, _, _)| *name).collect();
            let known = known.join(", ");
            mistakes.add(
                at,
                "what",
                &row.what,
                ["不认识的事件", "there is no such event"],
                [&format!("写其中之一：{known}"), &format!("Write one of: {known}")],
            );
            continue;
        };
        let before = mistakes.found.len();
        keys_fit(row, keys, at, mistakes);
        let (Some(station), Some(begins), Some(until)) = (station, begins, until) else { continue };
        let Some(of) = drill.stations.get(station) else { continue };
        if mistakes.found.len() > before {
            continue;
        }
        if let Some(kind) = kind(row, name, of, at, mistakes) {
            let name = row.name.clone().unwrap_or_else(|| said(row, words));
            // What is sent once more has a moment and no end.
            let until = if matches!(kind, DrillEventKind::SentLower { .. }) { begins } else { until };
            all.push(DrillEvent { name, station, at: begins, until, kind });
        }
    }
    all
}

/// The event in words, with what it is about.
fn said(row: &EventRow, words: &[&str; 2]) -> Bilingual {
    let number = |name: &str, value: Option<f64>| value.map(|value| format!("{name} {value}"));
    let parts = [row.factor.clone(), number("to", row.to), number("by", row.by), row.flag.clone(), row.back.clone()];
    let about: Vec<String> = parts.into_iter().flatten().collect();
    if about.is_empty() {
        return Bilingual::new(words[0], words[1]);
    }
    let about = about.join(", ");
    Bilingual::new(format!("{}（{about}）", words[0]), format!("{} ({about})", words[1]))
}

/// Whether the row has the keys that its kind takes, and those that it needs.
fn keys_fit(row: &EventRow, keys: &[&str], at: DrillPlace, mistakes: &mut Mistakes<'_>) {
    let given = [
        ("factor", row.factor.is_some()),
        ("to", row.to.is_some()),
        ("by", row.by.is_some()),
        ("back", row.back.is_some()),
        ("spread", row.spread.is_some()),
        ("flag", row.flag.is_some()),
        ("kept", row.kept.is_some()),
    ];
    for (key, is_given) in given {
        let wanted = keys.iter().find(|name| name.trim_end_matches('!') == key);
        if is_given && wanted.is_none() {
            mistakes.add(
                at,
                key,
                "…",
                ["此类事件没有这个键", "this event has no such key"],
                ["去掉它", "Leave it out"],
            );
        }
        if !is_given && wanted.is_some_and(|name| name.ends_with('!')) {
            mistakes.add(
                at,
                "what",
                &row.what,
                [&format!("缺少 {key}"), &format!("{key} is missing")],
                [&format!("补上 {key}"), &format!("Write {key}")],
            );
        }
    }
}

fn kind(
    row: &EventRow,
    name: &str,
    of: &DrillStation,
    at: DrillPlace,
    mistakes: &mut Mistakes<'_>,
) -> Option<DrillEventKind> {
    if !fits(name, of.plant) {
        mistakes.add(
            at,
            "what",
            name,
            ["此类站点没有这种事件", "this plant knows no such event"],
            [
                &format!("{} 是 {:?}，换一个站点或事件", of.id, of.plant),
                &format!("{} is {:?}: take another station or another event", of.id, of.plant),
            ],
        );
        return None;
    }
    let code = match &row.factor {
        Some(code) if plant::factor(of.plant, code).is_none() => {
            mistakes.add(
                at,
                "factor",
                code,
                ["此类站点没有这个因子", "this plant has no such factor"],
                [
                    &format!("写其中之一：{}", plant::codes(of.plant)),
                    &format!("Write one of: {}", plant::codes(of.plant)),
                ],
            );
            return None;
        }
        Some(code) => code.clone(),
        None => String::new(),
    };
    let mut within = |key: &str, value: Option<f64>, usual: f64, range: std::ops::RangeInclusive<f64>| {
        let value = value.unwrap_or(usual);
        if !range.contains(&value) {
            let (least, most) = (range.start(), range.end());
            mistakes.add(
                at,
                key,
                &value.to_string(),
                ["超出范围", "this is out of range"],
                [&format!("写 {least} 至 {most}"), &format!("Write {least} to {most}")],
            );
        }
        value
    };
    let failed = |code, left| DrillEventKind::TreatmentFails { code, left };
    let kind = match name {
        "scrubber-fails" => failed("a21026", within("by", row.by, 0.0, 0.0..=1.0)),
        "filter-fails" => failed("a34013", within("by", row.by, 0.0, 0.0..=1.0)),
        "denitration-fails" => failed("a21002", within("by", row.by, 0.0, 0.0..=1.0)),
        "aeration-stops" => DrillEventKind::AerationStops,
        "load" => DrillEventKind::Load(within("to", row.to, 1.0, 0.1..=1.2)),
        "plant-stops" => DrillEventKind::PlantStops,
        "flood" => DrillEventKind::Flood(within("by", row.by, 1.0, 1.0..=10.0)),
        "oxygen-drifts" => DrillEventKind::OxygenDrifts(within("by", row.by, 0.0, -10.0..=10.0)),
        "furnace-cools" => DrillEventKind::FurnaceCools(within("to", row.to, 800.0, 20.0..=1200.0)),
        "feeds-cold" => DrillEventKind::FeedsCold,
        "calibrates" => {
            DrillEventKind::Calibrates { code: row.factor.clone(), to: within("to", row.to, 0.0, 0.0..=1e5) }
        }
        "analyser-fails" => DrillEventKind::AnalyserFails(row.factor.clone()),
        "mark-forgotten" => DrillEventKind::MarkForgotten,
        "false-mark" => {
            let flag = row.flag.clone().unwrap_or_default();
            if flag.len() > 2 || flag.is_empty() || !flag.bytes().all(|byte| byte.is_ascii_alphabetic()) {
                mistakes.add(
                    at,
                    "flag",
                    &flag,
                    ["不是标记字母", "this is no letter of a mark"],
                    ["写 M、D、C 之类", "Write M, D or C, say"],
                );
            }
            DrillEventKind::FalseMark(flag)
        }
        "constant" => DrillEventKind::Constant(code),
        "capped" => {
            let (to, spread) = (within("to", row.to, 0.0, 0.001..=1e6), within("spread", row.spread, 0.01, 0.0..=0.5));
            DrillEventKind::Capped { code, to, spread }
        }
        "scaled" => DrillEventKind::Scaled { code, by: within("by", row.by, 1.0, 0.0..=10.0) },
        "discharge" => DrillEventKind::Discharge { code, by: within("by", row.by, 0.0, 0.0..=1e5) },
        "link-drops" => DrillEventKind::LinkDrops { kept: row.kept.unwrap_or(true) },
        _ => {
            let text = row.back.as_deref().unwrap_or_default();
            let signed = name == "clock-off";
            let Some(back) = read_length(text, signed).filter(|back| *back != 0 && back.abs() <= 2 * DAY) else {
                mistakes.add(
                    at,
                    "back",
                    text,
                    ["不是时长", "this is no length of time"],
                    [
                        "写 20min、6h 之类，最长 2d；时钟可写 -20min",
                        "Write 20min or 6h, 2d at most; of a clock also -20min",
                    ],
                );
                return None;
            };
            match name {
                "clock-off" => DrillEventKind::ClockOff(-back),
                "replayed" => DrillEventKind::Replayed { code, back },
                _ => DrillEventKind::SentLower { code, by: within("by", row.by, 1.0, 0.0..=1.0), back },
            }
        }
    };
    Some(kind)
}

/// Whether such a thing can happen at such a plant.
fn fits(name: &str, plant: PlantKind) -> bool {
    match name {
        "scrubber-fails" | "filter-fails" | "denitration-fails" | "load" | "oxygen-drifts" => plant.is_gas(),
        "plant-stops" => plant != PlantKind::River,
        "aeration-stops" => plant == PlantKind::Sewage,
        "flood" => matches!(plant, PlantKind::Sewage | PlantKind::River),
        "furnace-cools" | "feeds-cold" => plant == PlantKind::Incinerator,
        "discharge" => plant == PlantKind::River,
        _ => true,
    }
}
