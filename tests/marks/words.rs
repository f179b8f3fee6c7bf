//! Every word about effect agrees with what was published.

use super::*;

const TWO: &str = r#"{"stations":{"M1":{"name":"两炉一烟囱","st":"31","edition":"2017","rules":["inc19","dev22"],"facilities":[{"id":"furnace-1","kind":"furnace","aliases":{"feed":"x01"}},{"id":"furnace-2","kind":"furnace","aliases":{"feed":"x02"}}]},"M5":{"st":"31","edition":"2025"}},"factors":{}}"#;

fn two() -> Written {
    let written = Written::new();
    let hash = Sha256::digest(TWO).into();
    written.put("00:00:00", &Record::Context { hash, part: 0, parts: 1, json: TWO.as_bytes() });
    written
}

fn off(id: &str, furnace: &str, begin: &str, end: &str) -> String {
    let end = if end.is_empty() { "null".to_owned() } else { format!("\"2026-06-01T{end}+08:00\"") };
    format!(
        r#"{{"schema":"hj212.mark-entry/1","id":"{id}","mark":"inc19:off","object":"{furnace}","begin":"2026-06-01T{begin}+08:00","end":{end},"reason":"停炉","proof":"照片","author":"王"}}"#
    )
}

#[test]
fn a_stop_that_waits_for_the_other_furnace_is_conditional_in_list_and_explain_too() {
    let written = two();
    let json = off("E1", "furnace-1", "08:00:00", "");
    written.put("08:00:00", &Record::MarkEntry { mn: "M1", id: "E1", json: json.as_bytes() });
    for hour in 8..12 {
        let came = format!("2026-06-01T{:02}:02:00", hour + 1);
        written.report(&came, 2061, &format!("20260601{hour:02}0000"), "a21026-Avg=120.0,a21026-Flag=N");
    }
    let explain = ["explain", "--mn", "M1", "--at", "2026-06-01 09:00", "--kind", "hour"];
    let (_, out, _) = written.ask(&explain);
    holds(&out, &["validity: left to a ruling by people", "Effect: the reading is left to a ruling by people"]);
    holds(&out, &["furnace-2 共用排口", "furnace-2 share(s) its stack"]);
    assert!(!out.contains("不参与统计") && !out.contains("not counted"), "{out}");
    let (_, list, _) = written.ask(&["list", "--mn", "M1"]);
    holds(&list, &["inc19:off", "a21026：需人工裁定", "a21026: left to a ruling by people"]);
    assert!(!list.contains("不参与统计") && !list.contains("not counted"), "{list}");
    // When the other is out of service as well, both say so.
    let json = off("E2", "furnace-2", "08:00:00", "");
    written.put("12:10:00", &Record::MarkEntry { mn: "M1", id: "E2", json: json.as_bytes() });
    let (_, out, _) = written.ask(&explain);
    holds(&out, &["validity as known on 2026-06-01T12:10:00.000+08:00: not counted", "the reading is not counted"]);
    let (_, list, _) = written.ask(&["list", "--mn", "M1"]);
    holds(&list, &["不参与统计", "not counted"]);
}

#[test]
fn a_part_of_an_hour_says_how_long_it_is_and_that_the_hour_is_not_changed() {
    let written = day_of_hours();
    let json = r#"{"schema":"hj212.mark-entry/1","id":"E1","mark":"inc19:fault","object":"furnace-1","begin":"2026-06-01T14:10:00+08:00","end":"2026-06-01T14:50:00+08:00","reason":"跳闸","proof":"照片","author":"王"}"#;
    written.put_at(civil("2026-06-02T08:00:00"), &Record::MarkEntry { mn: "M1", id: "E1", json: json.as_bytes() });
    let (_, out, _) =
        written.ask(&["explain", "--mn", "M1", "--at", "2026-06-01 14:00", "--kind", "hour", "--factor", "a21026"]);
    holds(&out, &["validity as known on 2026-06-02T08:00:00.000+08:00: valid", "不足以改变该数据（1 h 中", "40 min"]);
    assert!(!out.contains("Effect: the readings are exempt"), "{out}");
}

#[test]
fn marks_that_hold_are_listed_with_a_stated_end_and_before_their_time() {
    let written = two();
    written.frame("10:00:10", "M1", "a21026-Rtd=1,a21026-Flag=N");
    for (id, begin, end) in [("E1", "09:00:00", "18:00:00"), ("E2", "20:00:00", ""), ("E3", "07:00:00", "08:00:00")] {
        let json = off(id, "furnace-1", begin, end);
        written.put("10:01:00", &Record::MarkEntry { mn: "M1", id, json: json.as_bytes() });
    }
    let (_, list, _) = written.ask(&["list", "--mn", "M1"]);
    holds(&list, &["人工填报 E1", "2026-06-01T18:00:00.000+08:00", "人工填报 E2", "尚未到时 its time has not come"]);
    assert!(!list.contains("人工填报 E3"), "it has ended: {list}");
}

#[test]
fn a_letter_that_would_exempt_is_only_proposed_in_words_too() {
    let written = two();
    for (minute, letter) in ["St", "Sd", "B", "F"].into_iter().enumerate() {
        let (came, data) = (format!("2026-06-01T10:{:02}:30", minute * 10), format!("2026060110{:02}00", minute * 10));
        written.report_of("M5", &came, 2011, &data, &format!("a21026-Rtd=5,a21026-Flag={letter}"));
        let (code, out, said) =
            written.ask(&["explain", "--mn", "M5", "--at", &format!("2026-06-01 10:{:02}", minute * 10)]);
        assert_eq!(code, 0, "{said}");
        holds(&out, &["validity: left to a ruling by people", &format!("h25f:{letter}")]);
        // Nothing says that the letter itself takes it out of judgement.
        for words in ["仅就该数据：豁免", "仅就该数据：不参与统计", "alone: exempt", "alone: not counted"]
        {
            assert!(!out.contains(words), "{letter}: {out}");
        }
    }
}

#[test]
fn an_episode_of_a_noisy_station_is_explained_although_its_memory_holds_the_latest_only() {
    let written = two();
    written.report("2026-06-01T08:01:00", 2011, "20260601080000", "a21026-Rtd=1,a21026-Flag=C");
    written.report("2026-06-01T08:02:00", 2011, "20260601080100", "a21026-Rtd=1,a21026-Flag=N");
    for n in 0..100 {
        let (minute, flag) = (n + 2, if n % 2 == 0 { "M" } else { "N" });
        let (came, data) = (
            format!("{:02}:{:02}", 8 + (minute + 1) / 60, (minute + 1) % 60),
            format!("{:02}{:02}", 8 + minute / 60, minute % 60),
        );
        let area = format!("a34013-Rtd=1,a34013-Flag={flag};a21002-Rtd=1,a21002-Flag={flag}");
        written.report(&format!("2026-06-01T{came}:00"), 2011, &format!("20260601{data}00"), &area);
    }
    let (code, out, said) = written.ask(&["explain", "--mn", "M1", "--at", "2026-06-01 08:00", "--factor", "a21026"]);
    assert_eq!(code, 0, "{said}");
    holds(
        &out,
        &[
            "设备标记「校准」（h17:C）",
            "自 2026-06-01T08:00:00.000+08:00 至 2026-06-01T08:01:00.000+08:00",
            "hj212-2017.toml",
        ],
    );
    assert!(!out.contains("仅就该数据"), "{out}");
}
