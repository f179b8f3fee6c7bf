//! Rows of what is expected.

use serde_json::Value;

use super::super::drill::Drill;
use super::super::rows::ExpectRow;
use super::super::wanted::{Expected, Finder, Member, MemberTest};
use super::{A_MOMENT, A_STATION, DrillPlace, Mistakes, NO_MOMENT, NO_STATION, moment, station_of};

/// Points of one expectation, at most.
const POINTS_MAX: u32 = 1000;

pub(super) fn wanted(rows: &[ExpectRow], drill: &Drill, mistakes: &mut Mistakes<'_>) -> Vec<Expected> {
    rows.iter().enumerate().map(|(number, row)| one(row, DrillPlace("expect", number), drill, mistakes)).collect()
}

fn one(row: &ExpectRow, at: DrillPlace, drill: &Drill, mistakes: &mut Mistakes<'_>) -> Expected {
    let by = match row.by.as_deref() {
        None | Some("gateway") => Finder::Gateway,
        Some("people") => Finder::People,
        Some(other) => {
            mistakes.add(
                at,
                "by",
                other,
                ["不知道由谁发现", "nobody is called so"],
                ["写 gateway（网关）或 people（学员）", "Write gateway or people"],
            );
            Finder::Gateway
        }
    };
    let topic = row.topic.clone().unwrap_or_default();
    match by {
        Finder::Gateway if topic.is_empty() || topic.starts_with('/') || topic.ends_with('/') => {
            mistakes.add(
                at,
                "topic",
                &topic,
                ["缺少主题，或多了斜线", "the topic is missing, or has a slash too many"],
                ["写 MN 之后的部分，如 event/lead、data/hour", "Write what follows the MN, as event/lead or data/hour"],
            );
        }
        Finder::People if !topic.is_empty() || !row.is.is_empty() || row.never => {
            mistakes.add(
                at,
                "by",
                "people",
                ["由学员发现的没有主题", "what people find has no topic"],
                ["去掉 topic、is、never", "Leave out topic, is and never"],
            );
        }
        Finder::Gateway | Finder::People => {}
    }
    if let Some(id) = row.station.as_ref().filter(|id| station_of(id, drill).is_none()) {
        mistakes.add(at, "station", id, NO_STATION, A_STATION);
    }
    let mn = row.station.as_ref().and_then(|id| drill.stations.get(station_of(id, drill)?)).map(|of| of.mn.clone());
    let mut time = |key: &str, text: &Option<String>, usual: i64| {
        let Some(text) = text else { return usual };
        moment(text, drill).unwrap_or_else(|| {
            mistakes.add(at, key, text, NO_MOMENT, A_MOMENT);
            usual
        })
    };
    let (from, until) = (time("from", &row.from, 0), time("until", &row.until, drill.length));
    if until < from {
        let text = row.until.as_deref().unwrap_or_default();
        mistakes.add(at, "until", text, ["早于 from", "this is before from"], A_MOMENT);
    }
    let heard = match row.clock.as_deref() {
        None | Some("data") => false,
        Some("heard") => true,
        Some(other) => {
            mistakes.add(
                at,
                "clock",
                other,
                ["没有这种时钟", "there is no such clock"],
                [
                    "写 data（数据时间）或 heard（收到时的演练时间）",
                    "Write data (the message's own time) or heard (the drill's time when it came)",
                ],
            );
            false
        }
    };
    if row.points > POINTS_MAX {
        mistakes.add(
            at,
            "points",
            &row.points.to_string(),
            ["分数过大", "too many points"],
            ["最多 1000", "Write 1000 at most"],
        );
    }
    let mut members = Vec::new();
    for (path, value) in &row.is {
        match test(value) {
            Some(test) => members.push(Member { path: path.clone(), test }),
            None => mistakes.add(
                at,
                "is",
                path,
                ["不知道比较什么", "there is nothing to compare with"],
                [
                    "写值、值的列表，或 { min = 数, max = 数 }",
                    "Write a value, a list of values, or { min = number, max = number }",
                ],
            ),
        }
    }
    Expected {
        name: row.name.clone(),
        by,
        mn,
        topic,
        members,
        from,
        until,
        heard,
        points: row.points,
        never: row.never,
    }
}

fn test(value: &toml::Value) -> Option<MemberTest> {
    match value {
        toml::Value::Array(values) => values.iter().map(plain).collect::<Option<Vec<Value>>>().map(MemberTest::OneOf),
        toml::Value::Table(table) => {
            let bound = |key: &str| table.get(key).map(number);
            let (least, most) = (bound("min"), bound("max"));
            let known = table.keys().all(|key| key == "min" || key == "max") && !table.is_empty();
            if !known || least == Some(None) || most == Some(None) {
                return None;
            }
            Some(MemberTest::Between(least.flatten(), most.flatten()))
        }
        toml::Value::String(_)
        | toml::Value::Integer(_)
        | toml::Value::Float(_)
        | toml::Value::Boolean(_)
        | toml::Value::Datetime(_) => plain(value).map(|value| MemberTest::OneOf(vec![value])),
    }
}

fn number(value: &toml::Value) -> Option<f64> {
    value.as_float().or_else(|| value.as_integer().map(|whole| whole as f64))
}

fn plain(value: &toml::Value) -> Option<Value> {
    match value {
        toml::Value::String(text) => Some(text.as_str().into()),
        toml::Value::Integer(number) => Some((*number).into()),
        toml::Value::Float(number) => Some((*number).into()),
        toml::Value::Boolean(truth) => Some((*truth).into()),
        toml::Value::Datetime(_) | toml::Value::Array(_) | toml::Value::Table(_) => None,
    }
}
