//! Marks that stand between fields in place of `;` and `,`, or beside them: the readings of the area as the standard has it.

use serde_json::Value;

use super::field::{has, published};

const MARKS: [&str; 22] = [
    "|", "||", " | ", "/", "//", "\\", "!", "~", "^", "$", "*", "@", ":", "\"", "、", "。", "｜", "\\n", "\\r\\n",
    "<br>", "\t", "?",
];

/// The fields of a record, each with the separator of the standard before it.
const FIELDS: [(&str, &str); 8] = [
    ("", "DataTime=20260601120000"),
    (";", "w01018-Rtd=20.1"),
    (",", "w01018-Flag=N"),
    (";", "w21003-Rtd=-3.25"),
    (",", "w21003-Flag=D"),
    (";", "B01-Rtd=05.5"),
    (",", "B01-Flag=N"),
    (";", "w21011-Rtd=7"),
];

fn area(mark: impl Fn(usize) -> Option<String>) -> String {
    let field = |(at, (separator, field)): (usize, &(&str, &str))| {
        format!("{}{field}", mark(at).unwrap_or_else(|| (*separator).to_owned()))
    };
    FIELDS.iter().enumerate().map(field).collect()
}

fn read(area: &str) -> Value {
    published("32", 2011, area)
}

#[test]
fn any_mark_between_fields_is_a_separator() {
    let wanted = read(&area(|_| None));
    for mark in MARKS {
        for place in 1..=FIELDS.len() {
            let area = area(|at| (at > 0 && (at == place || place == FIELDS.len())).then(|| mark.to_owned()));
            let body = read(&area);
            assert_eq!(body["readings"], wanted["readings"], "{area}");
            assert_eq!(body["data_time"], wanted["data_time"], "{area}");
            assert_eq!(body.get("unread"), None, "{area}");
            assert!(
                has(&body, "separator-lost") || has(&body, "separator-full-width"),
                "{area}: {}",
                body["deviations"]
            );
        }
    }
}

#[test]
fn a_mark_beside_a_separator_is_one_too_many() {
    let wanted = read(&area(|_| None));
    for mark in
        MARKS.into_iter().filter(|mark| !matches!(*mark, "\t" | "//" | ":" | "\\n" | "\\r\\n" | "<br>" | "、" | "。"))
    {
        for (at, (separator, _)) in FIELDS.iter().enumerate().skip(1) {
            for both in [format!("{mark}{separator}"), format!("{separator}{mark}")] {
                let area = area(|place| (place == at).then(|| both.clone()));
                let body = read(&area);
                assert_eq!(body["readings"], wanted["readings"], "{area}");
                assert_eq!(body["data_time"], wanted["data_time"], "{area}");
                assert!(
                    has(&body, "separator-extra") || has(&body, "separator-full-width"),
                    "{area}: {}",
                    body["deviations"]
                );
            }
        }
        let body = read(&format!("{}{mark}", area(|_| None)));
        assert_eq!(body["readings"], wanted["readings"], "{mark} at the end");
    }
}

#[test]
fn a_mark_within_a_text_is_left_alone() {
    for area in [
        "i11001-Info=//a|w01018-Rtd=5/b//;w01018-Rtd=1",
        "Model=A/B|C;w01018-Rtd=1",
        "Model=a|b=c;w01018-Rtd=1",
        "w01018-SN=12|34/5;w01018-Rtd=1",
        "w01018-Flag=N|D,w01018-Rtd=1",
    ] {
        let body = read(&format!("DataTime=20260601120000;{area}"));
        assert_eq!(body["readings"]["w01018"]["rtd"], 1, "{area}");
        assert_eq!(body["readings"].as_object().unwrap().len(), 1 + usize::from(area.starts_with('i')), "{body}");
        assert!(!has(&body, "separator-lost") && !has(&body, "separator-extra"), "{area}");
    }
}

#[test]
fn quotes_and_doubled_equals_signs_around_a_value_are_none_of_it() {
    for area in [
        "w01018-Rtd=\"20.1\",w01018-Flag=\"N\"",
        "w01018-Rtd='20.1',w01018-Flag='N'",
        "w01018-Rtd==20.1,w01018-Flag==N",
        "w01018-Rtd=20.1=,w01018-Flag=N=",
        "w01018-Rtd=20.1#w01018-Flag=N",
        "w01018-Rtd=20.1+w01018-Flag=N",
        "w01018-Rtd=20.1-w01018-Flag=N",
        "w01018-Rtd=20.1_w01018-Flag=N",
        "w01018-Flag=N#w01018-Rtd=20.1",
    ] {
        let body = read(&format!("DataTime=20260601120000;{area}"));
        let reading = &body["readings"]["w01018"];
        assert_eq!(
            (&reading["rtd"], &reading["flag"], &reading["valid"]),
            (&20.1.into(), &"N".into(), &true.into()),
            "{area}"
        );
        assert_eq!(body["readings"].as_object().unwrap().len(), 1, "{area}");
    }
    for area in ["w01018-Rtd=(5)", "w01018-Rtd=\"5", "w01018-SN=\"a\"", "Model==x"] {
        let body = read(&format!("DataTime=20260601120000;{area}"));
        assert!(!has(&body, "name-odd") && !has(&body, "separator-lost"), "{area}: {body}");
    }
}

#[test]
fn a_time_under_a_name_like_its_own_is_the_time_of_the_record() {
    let wanted = read("DataTime=20260601120000;w01018-Rtd=1");
    for name in ["DateTime", "datetime", "DATETIME", "Data_Time", "DATE_TIME", "Date Time", "datatime"] {
        let body = read(&format!("{name}=20260601120000;w01018-Rtd=1"));
        assert_eq!(body["data_time"], wanted["data_time"], "{name}");
        assert!(has(&body, "field-name"), "{name}");
    }
    let body = read("DataTime=20260601120000;w01018-Rtd=1;DateTime=20260601130000");
    assert_eq!(
        (&body["data_time"], &body["fields"]["date_time"]),
        (&wanted["data_time"], &20_260_601_130_000_i64.to_string().into()),
        "{body}"
    );
}
