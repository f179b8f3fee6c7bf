//! What is found, what is missed, what must not appear, and what the sheet says of it.

use hj212_model::message::Timestamp;

use super::super::{Drill, DrillWatch, Playing, ScoreSheet, SheetMark};
use super::{BOILER, drill};

/// Midnight in Beijing, 2026-06-01.
const PLAYING: Playing = Playing { begins: Timestamp(1_780_243_200_000_000), speed: 600.0 };
const MN: &str = "D00000000000000000000001";

fn expecting() -> Drill {
    drill(&format!(
        "{BOILER}[[event]]\nat = \"09:00\"\nstation = \"b\"\nwhat = \"scrubber-fails\"\n\
         [[expect]]\nname = {{ zh = \"超标\", en = \"exceeded\" }}\nstation = \"b\"\ntopic = \"judgement/hour\"\nis = {{ outcome = \"exceeded\", code = \"a21026\" }}\n\
         from = \"09:00\"\nuntil = \"12:00\"\npoints = 10\n\
         [[expect]]\nname = {{ zh = \"线索\", en = \"a lead\" }}\ntopic = \"event/lead\"\nnever = true\npoints = 5\n\
         [[expect]]\nname = {{ zh = \"断线\", en = \"offline\" }}\ntopic = \"event/offline\"\nclock = \"heard\"\nfrom = \"10:00\"\nuntil = \"11:00\"\npoints = 3\n\
         [[expect]]\nname = {{ zh = \"谁 <漏> 报\", en = \"who\" }}\nby = \"people\"\npoints = 7\n"
    ))
}

const EXCEEDED: &str = r#"{"code":"a21026","outcome":"exceeded","data_time":"2026-06-01T10:00:00.000+08:00","explain":{"zh":"超标","en":"x"}}"#;

#[test]
fn what_is_found_in_time_gets_its_points_and_the_rest_is_said() {
    let drill = expecting();
    let mut watch = DrillWatch::new(&drill, PLAYING);
    // Another station, another outcome, before its time: nothing.
    assert!(watch.hear("D00000000000000000000009", "judgement/hour", EXCEEDED.as_bytes(), 700).is_empty());
    assert!(watch.hear(MN, "judgement/hour", EXCEEDED.replace("exceeded", "met").as_bytes(), 700).is_empty());
    assert!(watch.hear(MN, "judgement/hour", EXCEEDED.replace("T10", "T08").as_bytes(), 700).is_empty());
    assert!(watch.hear(MN, "judgement/hour", b"no json", 700).is_empty());
    // Its own time counts, however late it is heard.
    assert_eq!(watch.hear(MN, "judgement/hour", EXCEEDED.as_bytes(), 1500).len(), 1);
    assert_eq!(watch.hear(MN, "judgement/hour", EXCEEDED.as_bytes(), 1501).len(), 0);
    assert!(!watch.has_all());
    // Offline has no time of the drill: the drill's clock counts.
    let offline = br#"{"kind":"offline","time":"2026-06-04T10:00:00.000+08:00"}"#;
    assert!(watch.hear(MN, "event/offline", offline, 599).is_empty());
    assert_eq!(watch.hear(MN, "event/offline", offline, 630).len(), 1);
    assert!(watch.has_all());
    let sheet = ScoreSheet::of(&drill, PLAYING, &watch);
    let marks: Vec<SheetMark> = sheet.rows.iter().map(|row| row.mark).collect();
    assert_eq!(marks, [SheetMark::Found, SheetMark::StayedAway, SheetMark::Found, SheetMark::ByHand]);
    assert_eq!((sheet.points, sheet.points_of, sheet.points_by_hand, sheet.all_found), (18, 18, 7, true));
    let text = sheet.to_string();
    for wanted in [
        "✓ 超标  exceeded",
        "数据时间 of 第1天 10:00，收到 heard 第2天 01:00，D00000000000000000000001/judgement/hour",
        "□ 谁 <漏> 报",
        "得分 points 18 / 18",
        "全部发现",
    ] {
        assert!(text.contains(wanted), "{wanted}\n{text}");
    }
}

#[test]
fn what_is_missed_and_what_must_not_appear_is_said() {
    let drill = expecting();
    let mut watch = DrillWatch::new(&drill, PLAYING);
    watch.hear(MN, "event/lead", r#"{"detail":{"zh":"请核查"}}"#.as_bytes(), 100);
    let sheet = ScoreSheet::of(&drill, PLAYING, &watch);
    let marks: Vec<SheetMark> = sheet.rows.iter().map(|row| row.mark).collect();
    assert_eq!(marks, [SheetMark::Missed, SheetMark::Appeared, SheetMark::Missed, SheetMark::ByHand]);
    assert_eq!((sheet.points, sheet.all_found), (0, false));
    let text = sheet.to_string();
    assert!(text.contains("✗ 超标") && text.contains("未发现 2 项，误报 1 项") && text.contains("请核查"), "{text}");
    assert!(text.contains("第 N 天 = day N"), "{text}");
    let page = sheet.html();
    assert!(page.contains("谁 &lt;漏&gt; 报") && page.contains("误报") && !page.contains("<script"), "{page}");
    let json = serde_json::to_value(&sheet).unwrap();
    assert_eq!(json["rows"][1]["mark"], "appeared");
    assert_eq!(json["schema"], "drill-score/1");
}

#[test]
fn the_last_records_are_waited_for() {
    let drill = expecting();
    let mut watch = DrillWatch::new(&drill, PLAYING);
    assert!(!watch.has_come(&[Some(60)]) && watch.has_come(&[None]));
    watch.hear(MN, "data/minute", br#"{"data_time":"2026-06-01T01:00:00.000+08:00"}"#, 0);
    assert!(watch.has_come(&[Some(60)]) && !watch.has_come(&[Some(61)]));
}
