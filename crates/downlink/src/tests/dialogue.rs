//! The dialogues by hand, and a gateway that is killed at each step of all of them.

use super::super::table::{self, ORDERS};
use super::stage::{Kill, Stage, open_settings, play, scenes};
use hj212::{Edition, fixtures, packet};

fn by_hand() -> Vec<(String, String)> {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/dialogues");
    let mut found = Vec::new();
    for year in ["2005", "2017", "2025"] {
        for entry in std::fs::read_dir(root.join(year)).unwrap() {
            let file = entry.unwrap().path();
            let name = file.file_name().unwrap().to_str().unwrap();
            if !name.starts_with(|c: char| c.is_ascii_digit()) {
                found.push((file.display().to_string(), std::fs::read_to_string(&file).unwrap()));
            }
        }
    }
    found
}

#[test]
fn the_dialogues_by_hand_go_as_they_are_written() {
    let all = by_hand();
    assert!(all.len() >= 3);
    for (name, text) in all {
        let played = play(&text);
        if std::env::var_os("UPDATE_FIXTURES").is_some() {
            std::fs::write(&name, &played).unwrap();
            continue;
        }
        assert_eq!(text, played, "{name}");
    }
}

#[test]
fn killed_at_any_effect_nothing_is_sent_twice_unmarked_and_nothing_is_forgotten() {
    let mut kills = 0;
    for order in ORDERS {
        for edition in order.editions {
            for scene in scenes(&super::generated::script(order, *edition)) {
                for at in 1.. {
                    let mut reached = false;
                    for durable in [false, true] {
                        // Stage::send asserts that no (QN, count) goes out twice, and none before its step is durable.
                        let mut stage = Stage::new(*edition, open_settings(), Some(Kill { at, durable }));
                        for line in &scene {
                            stage.line(line);
                        }
                        reached |= stage.killed;
                        kills += usize::from(stage.killed);
                        stage.line("online");
                        stage.line("after 200s");
                        // A control command whose confirmation was lost ends unconfirmed.
                        stage.line("after 500s");
                        let open = stage.open_requests();
                        assert!(open.is_empty(), "{} {edition:?} {scene:?} {at} {durable}: {open:?}", order.name);
                        assert_eq!(stage.steps("queued"), 1, "{scene:?} killed at {at}, durable {durable}");
                    }
                    if !reached {
                        break;
                    }
                }
            }
        }
    }
    assert!(kills > 5_000, "only {kills}");
}

/// The requests of the standards' own examples: same CN, same parameters give the same area.
#[test]
fn areas_are_written_as_the_standards_print_them() {
    let ask = |name: &str, edition, parameters: &str| {
        let given = serde_json::from_str(parameters).unwrap();
        super::super::value::area(table::find(name, edition).unwrap(), &given).unwrap().text
    };
    for (name, edition, given, area) in [
        ("set-timeouts", Edition::V2017, r#"{"OverTime":5,"ReCount":3}"#, "OverTime=5;ReCount=3"),
        ("calibrate", Edition::V2025, r#"{"PolId":"w01018","CalibrationType":0}"#, "PolId=w01018,CalibrationType=0"),
        ("get-limits", Edition::V2005, r#"{"PolId":["101","102"]}"#, "PolId=101;PolId=102"),
        (
            "set-limits",
            Edition::V2005,
            r#"{"Limits":[{"PolId":"101","LowValue":"1.1","UpValue":"9.9"}]}"#,
            "101-LowValue=1.1,101-UpValue=9.9",
        ),
        ("set-sample-hours", Edition::V2005, r#"{"PolId":"101","CTime":[4,10]}"#, "PolId=101,CTime=04,CTime=10"),
        ("set-password", Edition::V2005, r#"{"NewPW":"654321"}"#, "PW=654321"),
        (
            "set-parameter",
            Edition::V2017,
            r#"{"PolId":"w01018","InfoId":"i13004","Info":"168.0"}"#,
            "PolId=w01018;InfoId=i13004;i13004-Info=168.0",
        ),
    ] {
        assert_eq!(ask(name, edition, given), area);
    }
    let printed: std::collections::BTreeSet<(u16, String)> = fixtures::all()
        .iter()
        .filter_map(|fixture| {
            let header = packet::parse(fixture.frame.get(6..fixture.frame.len().checked_sub(6)?)?);
            Some((fixture.cn, String::from_utf8_lossy(header.area).into_owned()))
        })
        .collect();
    for (name, cn, parameters) in [
        ("set-realtime-interval", 1062, r#"{"RtdInterval":30}"#),
        ("set-minute-interval", 1064, r#"{"MinInterval":10}"#),
    ] {
        let area = ask(name, Edition::V2017, parameters);
        assert!(printed.contains(&(cn, area.clone())), "{cn} {area}");
    }
}
