//! Files with mistakes: each is told with its line, its value and a remedy in both languages.

use super::super::read;

const GOOD: &str = r#"schema = "drill/1"
id = "one"
title = { zh = "一", en = "one" }
story = { zh = "事", en = "story" }
begin = "08:00"
length = "4h"
[[station]]
id = "b"
mn = "D00000000000000000000001"
name = "锅炉"
plant = "coal-boiler"
limit = [{ code = "a21026", max = 50, of = "hour" }]
[[station]]
id = "w"
mn = "D00000000000000000000002"
name = "污水"
plant = "sewage"
[[event]]
at = "09:00"
until = "10:00"
station = "b"
what = "scrubber-fails"
by = 0.5
[[expect]]
name = { zh = "超标", en = "exceeded" }
station = "b"
topic = "judgement/hour"
is = { outcome = "exceeded", ratio = { min = 1.5 } }
from = "09:00"
until = "12:00"
points = 10
"#;

#[test]
fn a_good_file_is_read() {
    let drill = read("one.toml", GOOD).unwrap();
    assert_eq!((drill.begin, drill.length, drill.stations.len()), (480, 240, 2));
    assert_eq!((drill.happenings[0].at, drill.happenings[0].until), (60, 120));
    assert_eq!((drill.wanted[0].from, drill.wanted[0].until), (60, 240));
}

/// What is replaced by what, and the line that is told.
#[test]
fn every_mistake_is_told_with_line_value_and_remedy() {
    for (was, is, line) in [
        ("drill/1", "drill/2", 1),
        ("id = \"one\"", "id = \"o ne\"", 2),
        ("begin = \"08:00\"", "begin = \"8\"", 5),
        ("length = \"4h\"", "length = \"9d\"", 6),
        ("length = \"4h\"", "length = \"4h\"\nspeed = 0.5", 7),
        ("id = \"w\"", "id = \"b\"", 14),
        ("D00000000000000000000002", "D00000000000000000000001", 15),
        ("D00000000000000000000001", "d1", 9),
        ("coal-boiler", "boiler", 11),
        ("plant = \"sewage\"", "plant = \"sewage\"\nedition = \"2005\"", 18),
        ("plant = \"sewage\"", "plant = \"sewage\"\ninterval = \"7min\"", 18),
        ("plant = \"sewage\"", "plant = \"sewage\"\ntravel = \"1h\"", 18),
        ("code = \"a21026\"", "code = \"w21003\"", 8),
        ("of = \"hour\"", "of = \"week\"", 8),
        ("at = \"09:00\"", "at = \"07:00\"", 19),
        ("until = \"10:00\"", "until = \"09:00\"", 20),
        ("station = \"b\"\nwhat", "station = \"x\"\nwhat", 21),
        ("scrubber-fails", "scrubber-falls", 22),
        ("scrubber-fails", "aeration-stops", 23),
        ("by = 0.5", "by = 1.5", 23),
        ("by = 0.5", "to = 1.5", 23),
        ("what = \"scrubber-fails\"\nby = 0.5", "what = \"constant\"\nfactor = \"w21003\"", 23),
        ("what = \"scrubber-fails\"\nby = 0.5", "what = \"constant\"", 22),
        ("what = \"scrubber-fails\"\nby = 0.5", "what = \"replayed\"\nfactor = \"a21026\"\nback = \"x\"", 24),
        ("station = \"b\"\ntopic", "station = \"x\"\ntopic", 26),
        ("topic = \"judgement/hour\"", "topic = \"\"", 27),
        ("{ min = 1.5 }", "{ least = 1.5 }", 28),
        ("from = \"09:00\"", "from = \"9\"", 29),
        ("until = \"12:00\"", "until = \"08:30\"", 30),
        ("points = 10", "points = 10\nclock = \"x\"", 32),
        ("points = 10", "points = 10\nby = \"people\"", 32),
        ("points = 10", "points = 5000", 31),
        // Of form.
        ("points = 10", "points = \"ten\"", 31),
        ("points = 10", "pionts = 10", 31),
    ] {
        let text = GOOD.replacen(was, is, 1);
        assert_ne!(text, GOOD, "{was}");
        let problems = read("one.toml", &text).expect_err(is);
        let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
        // A row of a station is told where it begins if the key stands in a list.
        let lines: Vec<usize> = problems.iter().map(|problem| problem.line).collect();
        let near = lines.iter().any(|found| found.abs_diff(line) <= 1);
        assert!(near, "{is}: {lines:?}, not {line}\n{}", told.join("\n"));
        for problem in &problems {
            assert!(!problem.remedy.zh.is_empty() && !problem.remedy.en.is_empty() && problem.what.en.len() > 5);
            assert!(problem.to_string().starts_with("one.toml:"), "{problem}");
        }
    }
}

#[test]
fn mistakes_of_stations_come_together() {
    let text = GOOD.replace("coal-boiler", "x").replace("\"sewage\"", "\"y\"");
    assert_eq!(
        read("one.toml", &text).unwrap_err().iter().filter(|problem| problem.value.contains("plant")).count(),
        2
    );
}
