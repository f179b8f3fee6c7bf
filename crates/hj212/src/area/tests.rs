//! Areas as the standard prints them and as the field bends them.

use proptest::prelude::*;

use super::*;

fn read(area: &str) -> (Vec<String>, Vec<&'static str>) {
    let mut fields = Fields::default();
    fields.read(area.as_bytes());
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let list = fields
        .iter(area.as_bytes())
        .map(|field| format!("{}|{}|{}", text(field.item), text(field.name), text(field.value)))
        .collect();
    (list, fields.deviations().iter().map(Deviation::code).collect())
}

fn codes(area: &str) -> Vec<&'static str> {
    read(area).1
}

#[test]
fn an_area_of_which_nothing_can_be_read_is_not_like_an_empty_one() {
    for area in ["hello", "{\"DataTime\":\"20260401101500\"}", "=5", "garbage;more", "//log//", "\u{4e2d}\u{6587}", "1"]
    {
        assert!(codes(area).contains(&"data-area-unreadable"), "{area}");
    }
    for area in ["", ";", " ", ";;", ", ;", "a1-Rtd=1;garbage", "a=b"] {
        assert!(!codes(area).contains(&"data-area-unreadable"), "{area}");
    }
}

/// HJ 212-2017, 6.3.3, 6.3.3.1: `=` behind a name, `,` between the fields of an item, `;` between items.
#[test]
fn an_area_of_the_standard_is_read_without_a_deviation() {
    let (fields, codes) = read(
        "DataTime=20160801085857;w01018-SampleTime=20160801070000,w01018-Rtd=2.2,w01018-Flag=N,w01018-EFlag=A01;SB1-RS=1;SB2-RS=0",
    );
    assert_eq!(
        fields,
        [
            "|DataTime|20160801085857",
            "w01018|SampleTime|20160801070000",
            "w01018|Rtd|2.2",
            "w01018|Flag|N",
            "w01018|EFlag|A01",
            "SB1|RS|1",
            "SB2|RS|0"
        ]
    );
    assert_eq!(codes, [""; 0]);
    assert_eq!(read(""), (vec![], vec![]));
}

#[test]
fn kind_7_odd_separators_lose_nothing() {
    let plain = ["a1|Rtd|1", "a2|Rtd|2"];
    for (area, code) in [
        ("a1-Rtd=1;a2-Rtd=2;", "separator-extra"),
        ("a1-Rtd=1;;a2-Rtd=2", "separator-extra"),
        ("a1-Rtd=1,;a2-Rtd=2", "separator-extra"),
        (";a1-Rtd=1;a2-Rtd=2", "separator-extra"),
        (" a1-Rtd=1; a2-Rtd = 2 ", "spaces"),
        ("a1-Rtd=1; ;a2-Rtd=2", "spaces"),
        ("a1-Rtd=1;garbage;a2-Rtd=2", "item-malformed"),
        ("a1-Rtd=1;=5;a2-Rtd=2", "item-malformed"),
    ] {
        assert_eq!(read(area), (plain.map(String::from).to_vec(), vec![code]), "{area}");
    }
    assert_eq!(codes(" "), ["spaces"]);
    assert_eq!(codes(";"), ["separator-extra"]);
}

/// HJ 212-2017, table B.8: the text of a log stands between `//` and `//`, whatever it holds.
#[test]
fn log_text_is_kept_whole() {
    let (fields, codes) = read("DataTime=20160801085857;i11001-Info=//a;b,c=d//e//;PolId=w01018");
    assert_eq!(fields, ["|DataTime|20160801085857", "i11001|Info|//a;b,c=d//e//", "|PolId|w01018"]);
    assert_eq!(codes, [""; 0]);
    assert_eq!(read("i1-Info= //x=1;// ,i2-Info=2").0, ["i1|Info|//x=1;//", "i2|Info|2"]);
    assert_eq!(read("i1-Info=//open;i2-Info=2").0, ["i1|Info|//open", "i2|Info|2"]);
    assert_eq!(read("i1-Info=////").0, ["i1|Info|////"]);
    assert_eq!(read("i1-Info=//D:/logs;old///;i2-Info=2").0, ["i1|Info|//D:/logs;old///", "i2|Info|2"]);
}

#[test]
fn kind_13_datatime_of_another_width_is_named() {
    assert_eq!(codes("DataTime=20160801085857223"), ["datatime-form"]);
    assert_eq!(codes("DataTime="), ["datatime-form"]);
    assert_eq!(codes("DataTime=20160801085857"), [""; 0]);
}

#[test]
fn kind_14_comma_and_semicolon_may_be_mixed_up() {
    assert_eq!(codes("a1-Rtd=1,a1-Flag=N,a2-Rtd=2"), ["comma-between-items"]);
    assert_eq!(codes("a1-Rtd=1;a1-Flag=N;a2-Rtd=2"), ["semicolon-within-item"]);
    assert_eq!(codes("BeginTime=20160801000000,EndTime=20160801000000"), [""; 0]);
    assert_eq!(read("a1-Rtd=1,a2-Rtd=2").0, ["a1|Rtd|1", "a2|Rtd|2"]);
}

#[test]
fn kind_15_flags_first_or_without_code_and_fields_twice() {
    assert_eq!(codes("l01001-Flag=N,l01001-Rtd=5"), ["flag-first"]);
    let (fields, odd) = read("a1-Rtd=1,Flag=N;a2-Rtd=2;Flag=D");
    assert_eq!(fields, ["a1|Rtd|1", "a1|Flag|N", "a2|Rtd|2", "a2|Flag|D"]);
    assert_eq!(odd, ["semicolon-within-item", "flag-without-item"]);
    assert_eq!(read("Flag=N").0, ["|Flag|N"]);
    assert_eq!(codes("a1-Flag=N;a2-Rtd=2;a1-Rtd=1"), [""; 0]);
    assert_eq!(codes("a21-Rtd=1;a21-Rtd=2"), ["item-twice"]);
    assert_eq!(codes("a21-Rtd=1,a21-Flag=D;a21-Rtd=2,a21-Flag=N"), ["item-twice"]);
    assert_eq!(codes("a21-Rtd=1;a21-Flag=D;a21-Rtd=2"), ["semicolon-within-item", "item-twice"]);
    assert_eq!(codes("a21-Rtd=1;a22-Rtd=3;a21-Rtd=2"), ["item-twice"]);
    assert_eq!(codes("a21-Rtd=1;a22-Rtd=3;a21-Cou=2"), [""; 0]);
    assert_eq!(codes("PolId=a;i1-Info=1;PolId=b;i1-Info=2"), [""; 0]);
}

#[test]
fn a_bare_number_behind_a_comma_belongs_to_the_number_before_it() {
    for value in ["1,234", "1,234.5", "1,234,567", "12,5", "7,1", "0,35", "-1,234", "1, 234", "1 ,234"] {
        let area = format!("w01018-Rtd={value},w01018-Flag=N;w21003-Rtd=2");
        let wanted = [format!("w01018|Rtd|{value}"), "w01018|Flag|N".into(), "w21003|Rtd|2".into()];
        let (fields, codes) = read(&area);
        assert_eq!(fields, wanted, "{area}");
        assert!(codes.contains(&"value-comma") && !codes.contains(&"item-malformed"), "{area} {codes:?}");
    }
    for other in ["N,5", "1;234", "1,x", "--,5", ",5"] {
        assert!(!codes(&format!("w01018-Rtd={other}")).contains(&"value-comma"), "{other}");
    }
    assert_eq!(codes("DataTime=20260401101500,5"), ["item-malformed"]);
}

#[test]
fn the_separator_before_a_field_is_told() {
    let mut fields = Fields::default();
    let area = b"DataTime=20160801085857;a1-Rtd=1 , a1-Flag=N; a2-Rtd=2,Flag=D";
    fields.read(area);
    let separators: Vec<u8> = fields.iter(area).map(|field| field.separator).collect();
    assert_eq!(separators, [0, b';', b',', b';', b',']);
}

#[test]
fn a_name_may_come_back_as_a_list() {
    let (fields, codes) = read("PolId=101,CTime=04,CTime=10");
    assert_eq!(fields, ["|PolId|101", "|CTime|04", "|CTime|10"]);
    assert_eq!(codes, [""; 0]);
}

#[test]
fn kind_16_any_value_is_kept_as_it_is() {
    let (fields, _) = read("a1-Rtd=,a1-Avg=--,a1-Min=-9999,a1-Max=NaN;a2-Rtd=234.81002445431;a3-Rtd=+007;a4-Rtd=x=y");
    assert_eq!(
        fields,
        ["a1|Rtd|", "a1|Avg|--", "a1|Min|-9999", "a1|Max|NaN", "a2|Rtd|234.81002445431", "a3|Rtd|+007", "a4|Rtd|x=y"]
    );
}

#[test]
fn reading_allocates_nothing_once_the_list_has_grown() {
    let area = b"DataTime=20160801085857;a1-Rtd=1,a1-Flag=N;a2-Rtd=1,a2-Flag=N";
    let mut fields = Fields::default();
    fields.read(area);
    let (place, room) = (fields.spans.as_ptr(), fields.spans.capacity());
    for _ in 0..3 {
        fields.read(area);
        assert_eq!((fields.spans.as_ptr(), fields.spans.capacity()), (place, room));
    }
}

#[test]
fn a_hostile_area_is_read_in_linear_time() {
    for pattern in
        ["a-b=1;c-b=1;", ";", "=", "x-Flag=;", "i-Info=//", "//;", "/", "-=-;", " ", "= //", "a=//b;", "a= //", "=/// "]
    {
        let area: String = pattern.chars().cycle().take(64 * 1024).collect();
        let started = std::time::Instant::now();
        Fields::default().read(area.as_bytes());
        assert!(started.elapsed() < std::time::Duration::from_secs(20), "{pattern}: {:?}", started.elapsed());
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_panic_and_every_field_stands_in_the_area(
        area in proptest::collection::vec(prop_oneof![4 => proptest::sample::select(&b"=;,-/ aF1.&"[..]), 1 => any::<u8>()], 0..400),
    ) {
        let mut fields = Fields::default();
        fields.read(&area);
        for field in fields.iter(&area) {
            prop_assert!(!field.name.is_empty() || !field.item.is_empty() || area.contains(&b'-'));
            prop_assert!(field.value.trim_ascii() == field.value);
        }
    }

    #[test]
    fn well_formed_fields_come_back_as_written(
        items in proptest::collection::vec(("[aw][0-9]{5}", proptest::collection::vec("[A-Z][a-z]{2,5}=[0-9.N-]{0,8}", 1..4)), 0..12),
    ) {
        let area = items.iter().map(|(code, fields)| {
            fields.iter().map(|field| format!("{code}-{field}")).collect::<Vec<_>>().join(",")
        }).collect::<Vec<_>>().join(";");
        let wanted: Vec<String> = items.iter().flat_map(|(code, fields)| {
            fields.iter().map(move |field| format!("{code}|{}", field.replacen('=', "|", 1)))
        }).collect();
        prop_assert_eq!(read(&area).0, wanted);
    }
}

/// What an area holds, read field by field with nothing but the rules at the head of the module in mind.
fn obvious(area: &[u8]) -> (Vec<[Vec<u8>; 3]>, Deviations) {
    let mut fields: Vec<[Vec<u8>; 3]> = Vec::new();
    let mut found = Deviations::NONE;
    // The separator before each field, and the field's place in its run.
    let mut separator = 0;
    let mut run: Vec<Vec<u8>> = Vec::new();
    let mut start = 0;
    // The first field of the instrument at hand.
    let mut since = 0;
    // Where the last value stands.
    let (mut value_start, mut value_end) = (0, 0);
    while start < area.len() {
        let rest = &area[start..];
        let end = end_of_field(rest);
        let before = std::mem::replace(&mut separator, rest.get(end).copied().unwrap_or(0));
        start += end + 1;
        if start == area.len() {
            found.insert(Deviation::SeparatorExtra);
        }
        let field = &rest[..end];
        let Some(equals) = field.iter().position(|byte| *byte == b'=') else {
            let digits = |text: &[u8], marks: &[u8]| text.iter().all(|b| b.is_ascii_digit() || marks.contains(b));
            let more = field.trim_ascii();
            let is_number = |text: &[u8]| text.last().is_some_and(u8::is_ascii_digit) && digits(text, b"., ");
            if let Some(last) = fields.last_mut()
                && before == b','
                && !last[0].is_empty()
                && area[value_end..start - end - 1].trim_ascii() == b","
                && is_number(last[2].strip_prefix(b"-").or(last[2].strip_prefix(b"+")).unwrap_or(&last[2]))
                && is_number(more)
                && more[0].is_ascii_digit()
            {
                value_end = start - end - 1 + field.trim_ascii_end().len();
                last[2] = area[value_start..value_end].to_vec();
                found.insert(Deviation::ValueComma);
                continue;
            }
            found.insert(match (field.is_empty(), field.trim_ascii().is_empty()) {
                (true, _) => Deviation::SeparatorExtra,
                (false, true) => Deviation::Spaces,
                (false, false) => Deviation::ItemMalformed,
            });
            continue;
        };
        let (name, value) = (field[..equals].trim_ascii(), field[equals + 1..].trim_ascii());
        if name.len() + value.len() + 1 != field.len() {
            found.insert(Deviation::Spaces);
        }
        if name.is_empty() {
            found.insert(Deviation::ItemMalformed);
            continue;
        }
        let dash = name.iter().rposition(|byte| *byte == b'-');
        let (mut item, name) = dash.map_or((&name[..0], name), |dash| (&name[..dash], &name[dash + 1..]));
        let is_flag = [&b"Flag"[..], b"EFlag"].contains(&name);
        if item.is_empty() && name == b"DataTime" && !value::is_time(value) {
            found.insert(Deviation::DataTimeForm);
        }
        let last = fields.last().cloned().unwrap_or_default();
        if item.is_empty() && is_flag {
            item = &last[0];
            found.insert(Deviation::FlagWithoutItem);
        }
        if last[0] != item {
            run.clear();
            if before == b',' && !item.is_empty() && !last[0].is_empty() {
                found.insert(Deviation::CommaBetweenItems);
            }
        } else if !item.is_empty() {
            if before == b';' && run.contains(&name.to_vec()) {
                run.clear();
                found.insert(Deviation::ItemTwice);
            } else if before == b';' {
                found.insert(Deviation::SemicolonWithinItem);
            }
            if !is_flag && !run.is_empty() && run.iter().all(|name| [&b"Flag"[..], b"EFlag"].contains(&&name[..])) {
                found.insert(Deviation::FlagFirst);
            }
        }
        if item.is_empty() && name == b"PolId" {
            since = fields.len();
        }
        let begins = run.is_empty();
        let twice = |(other, other_name): (&[u8], &[u8])| other == item && other_name == name;
        // Only the first field of a run is compared with earlier runs.
        if !item.is_empty()
            && (run.contains(&name.to_vec())
                || begins && fields[since..].iter().any(|field| twice((&field[0], &field[1]))))
        {
            found.insert(Deviation::ItemTwice);
        }
        run.push(name.to_vec());
        let field_start = start - end - 1;
        value_end = field_start + field.trim_ascii_end().len().max(equals + 1);
        value_start = value_end - value.len();
        fields.push([item.to_vec(), name.to_vec(), value.to_vec()]);
    }
    let separates = |byte: &u8| b";,&".contains(byte) || byte.is_ascii_whitespace();
    if fields.is_empty() && !area.iter().all(separates) {
        found.insert(Deviation::AreaUnreadable);
    }
    (fields, found)
}

/// Where the field at the front of `rest` ends.
fn end_of_field(rest: &[u8]) -> usize {
    let is_separator = |byte: &u8| matches!(byte, b';' | b',');
    let end = |from: usize| rest[from..].iter().position(is_separator).map_or(rest.len(), |at| from + at);
    let equals = rest.iter().position(|byte| *byte == b'=').filter(|equals| *equals < end(0));
    let Some(equals) = equals else { return end(0) };
    let spaces = rest[equals + 1..].iter().take_while(|byte| **byte == b' ').count();
    let text = equals + 1 + spaces;
    if !rest[text..].starts_with(b"//") {
        return end(0);
    }
    // Log text: up to the first `//` before a separator.
    (text + 2..rest.len().saturating_sub(1))
        .filter(|at| rest[*at..].starts_with(b"//"))
        .map(|at| at + 2 + rest[at + 2..].iter().take_while(|byte| **byte == b' ').count())
        .find(|after| rest.get(*after).is_none_or(is_separator))
        .unwrap_or(end(0))
}

/// Pieces of areas: plain fields, fields of odd lengths, and what stands between them.
fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let plain = "[aw]0100[0-2]-(Rtd|ZsRtd|Avg|Flag|EFlag)=[0-9.N-]{0,4}";
    let odd = "(a|a01001|SB1|i1234567|i12345678|a0100100000)?-?-?(Rtd|Flag|SampleTime|DataTime|Abcdefg|Abcdefgh|X-Y| )?=?[0-9=/ ]{0,4}";
    let piece = prop_oneof![
        6 => plain.prop_map(String::into_bytes),
        1 => "[0-9]{1,3}([.][0-9]{1,2})?".prop_map(String::into_bytes),
        3 => odd.prop_map(String::into_bytes),
        1 => proptest::collection::vec(proptest::sample::select(&b"=;,-/ aF1\t\0\xAD\xFF"[..]), 0..6),
        1 => Just(b"DataTime=20160801085857".to_vec()),
        1 => Just(b"PolId=w01018".to_vec()),
        1 => Just(b"i1-Info=//a;b,c=d//".to_vec()),
        1 => "i1-Info=/{1,5} ?[a;=/]{0,4}/{0,4}".prop_map(String::into_bytes),
    ];
    let separator = proptest::sample::select(&[";", ";", ",", ",", ", ", ";;", ""][..]);
    proptest::collection::vec((piece, separator), 0..24)
        .prop_map(|pieces| pieces.into_iter().flat_map(|(piece, end)| [&piece[..], end.as_bytes()].concat()).collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn areas_are_read_as_the_slow_and_obvious_form_reads_them(areas in proptest::collection::vec(pieces(), 1..3)) {
        let mut fields = Fields::default();
        for area in areas {
            fields.read(&area);
            let read: Vec<[Vec<u8>; 3]> =
                fields.iter(&area).map(|field| [field.item, field.name, field.value].map(<[u8]>::to_vec)).collect();
            let (wanted, deviations) = obvious(&area);
            let text = String::from_utf8_lossy(&area);
            prop_assert_eq!(read, wanted, "{:?}", text);
            let (found, wanted) = (fields.deviations(), deviations);
            let codes = |of: Deviations| of.iter().map(Deviation::code).collect::<Vec<_>>();
            prop_assert_eq!(codes(found), codes(wanted), "{:?}", text);
        }
    }
}
