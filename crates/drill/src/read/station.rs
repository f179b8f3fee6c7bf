//! Rows of stations.

use hj212::Edition;

use super::super::LIMITS_MAX;
use super::super::drill::{DrillStation, OutletLimit, PlantKind};
use super::super::plant;
use super::super::rows::{OutletLimitRow, StationRow};
use super::super::span::read_length;
use super::{DrillPlace, Mistakes, NO_STATION, is_word};

pub(super) fn stations(rows: &[StationRow], mistakes: &mut Mistakes<'_>) -> Vec<DrillStation> {
    let mut all = Vec::new();
    for (number, row) in rows.iter().enumerate() {
        let at = DrillPlace("station", number);
        let earlier = rows.get(..number).unwrap_or_default();
        if !is_word(&row.id) || earlier.iter().any(|other| other.id == row.id) {
            mistakes.add(
                at,
                "id",
                &row.id,
                ["不能作站点名，或已用过", "this is no name of a station, or is used twice"],
                [
                    "用 1 至 32 个字母、数字、'-'，各站不同",
                    "Write 1 to 32 letters, digits and '-', another one for each station",
                ],
            );
        }
        let hex = |byte: u8| byte.is_ascii_digit() || (b'A'..=b'F').contains(&byte);
        if row.mn.len() != 24 || !row.mn.bytes().all(hex) || earlier.iter().any(|other| other.mn == row.mn) {
            mistakes.add(
                at,
                "mn",
                &row.mn,
                ["不是 MN，或已用过", "this is no MN, or is used twice"],
                [
                    "写 24 位数字和大写 A 至 F，各站不同",
                    "Write 24 digits and capital letters A to F, another one for each station",
                ],
            );
        }
        if row.name.is_empty() || row.name.contains(['"', '\\', '\n']) {
            mistakes.add(at, "name", &row.name, ["不能作名称", "this is no name"], ["写站点名称", "Write its name"]);
        }
        all.push(station(row, rows, at, mistakes));
    }
    all
}

fn station(row: &StationRow, rows: &[StationRow], at: DrillPlace, mistakes: &mut Mistakes<'_>) -> DrillStation {
    let plant = PlantKind::ALL.iter().find(|(name, _)| *name == row.plant).map(|(_, kind)| *kind);
    if plant.is_none() {
        mistakes.add(
            at,
            "plant",
            &row.plant,
            ["不认识的污染源", "there is no such plant"],
            ["写 coal-boiler、incinerator、sewage 或 river", "Write coal-boiler, incinerator, sewage or river"],
        );
    }
    let plant = plant.unwrap_or(PlantKind::CoalBoiler);
    let edition = match row.edition.as_str() {
        "2025" => Edition::V2025,
        "2017" => Edition::V2017,
        other => {
            mistakes.add(
                at,
                "edition",
                other,
                ["演练中的站点不用这一版", "stations of a drill do not speak it"],
                ["写 \"2017\" 或 \"2025\"", "Write \"2017\" or \"2025\""],
            );
            Edition::V2017
        }
    };
    let interval = read_length(&row.interval, false).filter(|minutes| *minutes > 0 && 60 % minutes == 0);
    if interval.is_none() {
        mistakes.add(
            at,
            "interval",
            &row.interval,
            ["分钟数据间隔不对", "this is no interval of minute records"],
            ["写能整除一小时的间隔，如 1min、5min、10min", "Write what divides an hour: 1min, 5min, 10min"],
        );
    }
    if !(0.01..=100.0).contains(&row.size) {
        mistakes.add(
            at,
            "size",
            &row.size.to_string(),
            ["规模超出范围", "the size is out of range"],
            ["写 0.01 至 100，1 为通常规模", "Write 0.01 to 100; 1 is the usual size"],
        );
    }
    let plain = |set: &&String| !is_word(set);
    if let Some(set) = row.rules.iter().find(plain) {
        mistakes.add(
            at,
            "rules",
            set,
            ["不能作规则名", "this is no name of a set of rules"],
            ["写 inc19 这样的名称", "Write a name as inc19"],
        );
    }
    let (upstream, travel) = river(row, rows, plant, at, mistakes);
    DrillStation {
        id: row.id.clone(),
        mn: row.mn.clone(),
        name: row.name.clone(),
        plant,
        edition,
        interval: interval.unwrap_or(10),
        size: row.size,
        limits: limits(&row.limit, plant, at, mistakes),
        rules: row.rules.clone(),
        upstream,
        travel,
    }
}

fn river(
    row: &StationRow,
    rows: &[StationRow],
    plant: PlantKind,
    at: DrillPlace,
    mistakes: &mut Mistakes<'_>,
) -> (Option<usize>, i64) {
    for (key, value) in [("upstream", &row.upstream), ("travel", &row.travel)] {
        if let (Some(value), true) = (value, plant != PlantKind::River) {
            mistakes.add(
                at,
                key,
                value,
                ["只有河流断面有", "only a river has it"],
                ["去掉，或改为 plant = \"river\"", "Leave it out, or write plant = \"river\""],
            );
        }
    }
    let upstream = row.upstream.as_ref().and_then(|id| {
        let found = rows.iter().position(|other| other.id == *id && other.plant == "sewage");
        if found.is_none() {
            mistakes.add(
                at,
                "upstream",
                id,
                NO_STATION,
                ["写某个 plant = \"sewage\" 的站点的 id", "Write the id of a station with plant = \"sewage\""],
            );
        }
        found
    });
    let travel = row.travel.as_ref().map_or(Some(60), |text| read_length(text, false).filter(|long| *long <= 24 * 60));
    if travel.is_none() {
        let travel = row.travel.as_deref().unwrap_or_default();
        mistakes.add(
            at,
            "travel",
            travel,
            ["流达时间不对", "this is no travel time"],
            ["写 0min 至 24h", "Write 0min to 24h"],
        );
    }
    (upstream, travel.unwrap_or(60))
}

fn limits(rows: &[OutletLimitRow], plant: PlantKind, at: DrillPlace, mistakes: &mut Mistakes<'_>) -> Vec<OutletLimit> {
    if rows.len() > LIMITS_MAX {
        mistakes.add(
            at,
            "",
            &format!("{} limits", rows.len()),
            ["限值过多", "too many limits"],
            ["最多 24 个", "Write 24 at most"],
        );
    }
    let mut all = Vec::new();
    for row in rows {
        let factor = plant::factor(plant, &row.code);
        if factor.is_none_or(|factor| !factor.pollutant) {
            mistakes.add(
                at,
                "code",
                &row.code,
                ["此类站点没有这个污染物", "this plant has no such pollutant"],
                [&format!("写其中之一：{}", plant::codes(plant)), &format!("Write one of: {}", plant::codes(plant))],
            );
        }
        if !(row.max > 0.0 && row.max < 1e6) {
            mistakes.add(
                at,
                "max",
                &row.max.to_string(),
                ["限值不对", "this is no limit"],
                ["写大于 0 的数", "Write a number above 0"],
            );
        }
        if row.of != "hour" && row.of != "day" {
            mistakes.add(at, "of", &row.of, ["时段不对", "this is no period"], ["写 hour 或 day", "Write hour or day"]);
        }
        let basis = row.basis.as_deref().unwrap_or(if plant.is_gas() { "converted" } else { "measured" });
        if !["converted", "measured"].contains(&basis) || (basis == "converted" && !plant.is_gas()) {
            mistakes.add(
                at,
                "basis",
                basis,
                ["比较的值不对", "this is no value to compare"],
                ["写 measured；废气也可写 converted", "Write measured; of gases also converted"],
            );
        }
        all.push(OutletLimit {
            code: row.code.clone(),
            max: row.max,
            of_hours: row.of == "hour",
            converted: basis == "converted",
        });
    }
    all
}
