//! Frames of ten kinds by turns, of 200 stations: what a minute of a data centre looks like, again and again with later times.

#![allow(dead_code, reason = "each bench uses its own part")]
#![allow(missing_docs, reason = "no library")]

use hj212::write;

/// Frames of a round; each station says ten.
pub(crate) const FRAMES: usize = 2000;
pub(crate) const STATIONS: usize = 200;

const GAS: &[&str] =
    &["a34013", "a21026", "a21002", "a19001", "a01011", "a01012", "a01013", "a01014", "a00000", "a21005"];
const WATER: &[&str] = &["w00000", "w01001", "w01018", "w21003", "w21011", "w21001"];

/// The MN of a station.
pub(crate) fn mn(station: usize) -> String {
    format!("010000A8900016F0{station:08X}")
}

/// Frames of ten kinds by turns: sampled, minute and hour data of air and water, states, logs, answers.
pub(crate) fn segment(number: usize, round: usize) -> Vec<u8> {
    let station = number % STATIONS;
    let mn = mn(station);
    let time = format!(
        "202606{:02}{:02}{:02}{:02}",
        1 + round / 1440 % 28,
        round / 60 % 24,
        round % 60,
        number / STATIONS % 60
    );
    let (st, cn, fields): (&str, u16, String) = match number % 10 {
        0..=3 => ("31", 2011, items(GAS, number, &["Rtd", "ZsRtd"])),
        4 => ("32", 2011, items(WATER, number, &["Rtd"])),
        5 | 6 => ("31", 2051, items(&GAS[..6], number, &["Cou", "Min", "Avg", "Max"])),
        7 => ("32", 2061, items(WATER, number, &["Cou", "Min", "Avg", "Max"])),
        8 => ("31", 2021, "SB1-RS=1;SB2-RS=0;SB3-RS=1".to_owned()),
        _ => ("31", 3020, "PolId=a21026;i11001-Info=//清洗管路//".to_owned()),
    };
    format!("QN={time}001;ST={st};CN={cn};PW=123456;MN={mn};Flag=5;CP=&&DataTime={time};{fields}&&").into_bytes()
}

fn items(codes: &[&str], number: usize, fields: &[&str]) -> String {
    let item = |(at, code): (usize, &&str)| {
        let values =
            fields.iter().enumerate().map(|(f, field)| format!("{code}-{field}={}.{:02}", number % 90 + at, f * 7));
        format!("{},{code}-Flag=N", values.collect::<Vec<_>>().join(","))
    };
    codes.iter().enumerate().map(item).collect::<Vec<_>>().join(";")
}

/// The frames of a round.
pub(crate) fn frames(round: usize) -> Vec<Vec<u8>> {
    (0..FRAMES)
        .map(|number| {
            let mut raw = Vec::new();
            write::frame(&mut raw, |out| out.extend_from_slice(&segment(number, round)));
            raw
        })
        .collect()
}

/// What is registered of a station with all there is: name, tags, two sets of rules besides those of its edition, limits, ranges, a furnace.
pub(crate) fn facts(station: usize) -> serde_json::Value {
    let ranges: serde_json::Map<_, _> =
        GAS.iter().take(8).map(|code| ((*code).to_owned(), serde_json::json!(["0", "5000"]))).collect();
    serde_json::json!({
        "name": format!("某某环保能源有限公司{station}号焚烧炉排口"),
        "tags": { "region": "330106", "enterprise": format!("91330106MA{station:08}"), "outlet": format!("DA{station:03}") },
        "st": "31",
        "edition": "2017",
        "rules": ["inc19", "check"],
        "limits": { "a21026": "100", "a21002": "300", "a34013": "30" },
        "ranges": ranges,
        "facilities": [{
            "id": "furnace-1",
            "kind": "furnace",
            "factors": ["a34013", "a21026", "a21002", "a21005"],
            "aliases": { "feed": "SB1", "temp": "a01012", "burner": "SB2", "fan": "SB3" },
        }],
    })
}

/// What a station of ten factors says in a minute of its first hour: sampled data each half, minute data, and the hour's with the last.
pub(crate) fn minute(station: usize, minute: usize) -> Vec<Vec<u8>> {
    let frame = |cn: u16, time: String, fields: &[&str], number: usize| {
        let (mn, items) = (mn(station), items(GAS, number, fields));
        let qn = format!("{time}{:03}", cn % 1000);
        let mut raw = Vec::new();
        write::frame(&mut raw, |out| {
            let head = format!("QN={qn};ST=31;CN={cn};PW=123456;MN={mn};Flag=5;CP=&&DataTime={time}");
            out.extend_from_slice(format!("{head};{items}&&").as_bytes());
        });
        raw
    };
    let at = |second: usize| format!("2026060100{minute:02}{second:02}");
    let number = station + minute;
    let periods: &[&str] = &["Cou", "Min", "Avg", "Max", "ZsAvg"];
    let mut all = vec![
        frame(2011, at(0), &["Rtd", "ZsRtd"], number),
        frame(2011, at(30), &["Rtd", "ZsRtd"], number + 1),
        frame(2051, at(0), periods, number),
    ];
    if minute == 59 {
        all.push(frame(2061, "20260601000000".to_owned(), periods, number));
    }
    all
}
