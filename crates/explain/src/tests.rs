//! Pastes of `fixtures/pastes`, each with what a person needs.

use super::*;
use hj212::{CrcVerdict, Item, Limits, Peer, packet, scan};

/// The checks of all frames in `bytes`, and what the changes say to write.
fn found(bytes: &[u8]) -> (String, Vec<String>) {
    let (mut checks, mut changes) = (Vec::new(), Vec::new());
    let mut rest = bytes;
    while !rest.is_empty() {
        let step = scan(rest, Peer::Resting, &Limits::default());
        rest = &rest[step.used.max(1)..];
        if let Some(Item::Frame(frame)) = step.item {
            checks.push(match frame.check.verdict {
                CrcVerdict::Right => "right",
                CrcVerdict::Wrong => "wrong",
                CrcVerdict::Sealed => "sealed",
                CrcVerdict::Known(mistake) => mistake.code(),
            });
            changes.extend(advice(&frame, &packet::parse(frame.segment)).into_iter().map(|advice| advice.to));
        }
    }
    (checks.join(" "), changes)
}

#[test]
fn every_paste_is_read_and_explained() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/pastes");
    let list = std::fs::read_to_string(folder.join("expected.tsv")).unwrap();
    let mut wrong = Vec::new();
    let mut count = 0;
    for line in list.lines().filter(|line| !line.starts_with('#')) {
        let columns: Vec<&str> = line.split('\t').collect();
        let [file, forms, checks, says] = columns[..] else { panic!("{line}: four columns are needed") };
        count += 1;
        let bytes = std::fs::read(folder.join(file)).unwrap();
        let paste = read(&bytes);
        let undone: Vec<&str> = paste.forms.iter().map(|form| form.code()).collect();
        let (of_frames, changes) = found(&paste.bytes);
        let undone = if undone.is_empty() { "-".to_owned() } else { undone.join(",") };
        if undone != forms || of_frames != checks || (says != "-" && !changes.iter().any(|to| to == says)) {
            wrong.push(format!(
                "{file}: as {undone}: {of_frames}, changes {changes:?}; wanted {forms}: {checks}, {says}"
            ));
        }
    }
    assert_eq!(count, 92);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_is_right_needs_no_change_and_any_bytes_are_read() {
    let right = b"##0101QN=20160801085857223;ST=32;CN=1062;PW=100000;MN=010000A8900016F000169DC0;Flag=5;CP=&&RtdInterval=30&&1C80\r\n";
    assert_eq!(found(right), ("right".to_owned(), vec![]));
    for seed in 0..200u32 {
        let bytes: Vec<u8> = (0..300u32).map(|n| (n.wrapping_mul(seed * 7 + 1) >> 2) as u8).collect();
        let _ = read(&bytes);
    }
    for text in ["", " ", "\\", "%", "&", "&#;", "0x", "\\x", "\\u12", "\u{feff}", "[]", "=", "00000000:"] {
        let _ = read(text.as_bytes());
    }
}

mod pieces;

mod plain_ends {
    use proptest::prelude::*;

    use super::super::{Desk, Told};
    use hj212::{Limits, Peer, scan};
    use hj212_model::message::Timestamp;

    proptest! {
        /// Whatever ends plainly is named with MN, CN, both lengths and both checks, however wrong length and check are, between good ones.
        #[test]
        fn whatever_ends_plainly_is_explained(
            length in "[0-9]{0,7}|[0-9]{9,12}", closing in "&&|&&&|&", opening in "CP=&&|CP&&|CP;&&|&&|C P=&&|DATA=&&|cp=&&|CP=&", check in "[0-9A-Za-z]{0,4}", mn in "[0-9A-F]{24}|[0-9]{14}", cn in 2011u16..2062,
            items in proptest::collection::vec("w01018-(Rtd|Avg)=[0-9]{1,3}\\.[0-9]{1,2}", 0..8),
        ) {
            // Behind one or three `&` only four digits are a check: less may be two bytes of a check in binary, or part of the area.
            let check = if closing == "&&" { check } else { format!("{:04X}", u16::from(check.bytes().next().unwrap_or(0)) * 257) };
            let area = [vec!["DataTime=20260401101500".to_owned()], items].concat().join(";");
            let segment = format!("QN=20260401101500000;ST=32;CN={cn};PW=123456;MN={mn};Flag=5;{opening}{area}{closing}");
            let good = "##0101QN=20160801085857223;ST=32;CN=1062;PW=100000;MN=010000A8900016F000169DC0;Flag=5;CP=&&RtdInterval=30&&1C80\r\n";
            let bytes = format!("{good}##{length}{segment}{check}\r\n{good}");
            let mut desk = Desk::new(Vec::new());
            let (mut rest, mut found) = (bytes.as_bytes(), Vec::new());
            while !rest.is_empty() {
                let step = scan(rest, Peer::Resting, &Limits::default());
                rest = &rest[step.used.max(1)..];
                found.extend(step.item.map(|item| desk.explain(&item, Timestamp(1_775_000_000_000_000))));
            }
            let named = found.iter().filter(|explained| match &explained.packet {
                Some(Told::Frame(packet)) => {
                    packet.mn.as_ref() == Some(&mn) && packet.cn == Some(cn.to_string()) && packet.length == segment.len()
                        && packet.crc_computed.len() == 4 && packet.crc_said.as_ref().is_none_or(|said| said.len() == 4)
                }
                Some(Told::Begun(_)) | None => false,
            });
            prop_assert_eq!(named.count(), 1, "{}: {:#?}", bytes, found);
            prop_assert_eq!(found.iter().filter(|explained| explained.ok && explained.bytes == good.len()).count(), 2, "{}", bytes);
        }
    }

    #[test]
    fn hostile_pastes_are_read_in_linear_work() {
        // Each would take hours if a word were looked at once for every other.
        for unit in ["AA x ", "##9999", "##0100QN=1;", "&&", "\\x", "AA: BB  ", "&#35;", "%23"] {
            let _ = super::super::read(unit.repeat(super::super::PASTE_MAX / unit.len()).as_bytes());
        }
    }
}

mod seals {
    use super::super::{Desk, Explained, Packet, Told};
    use hj212::sm4::Key;
    use hj212::sm4::form_tests::{HEAD, Way, ways};
    use hj212::{Limits, Peer, SealForm, scan};
    use hj212_downlink::StationKey;
    use hj212_model::message::Timestamp;

    const AREA: &str = "DataTime=20260601115000;a21026-Avg=10.25,a21026-Flag=N;a21002-Avg=31.5";

    fn explained(desk: &mut Desk, bytes: &[u8]) -> Explained {
        let item = scan(bytes, Peer::Resting, &Limits::default()).item.unwrap();
        desk.explain(&item, Timestamp(1_780_000_000_000_000))
    }

    fn packet(explained: &Explained) -> &Packet {
        match explained.packet.as_ref() {
            Some(Told::Frame(packet)) => packet,
            other => panic!("{other:?}"),
        }
    }

    fn keys(key: &str) -> Vec<StationKey> {
        let (mn, created) = ("010000A8900016F000169DC0".to_owned(), "20260601000000000".to_owned());
        vec![StationKey { mn, created, key: Key::from_text(key).unwrap() }]
    }

    fn written(way: Way) -> &'static str {
        match way.written {
            "bytes" => "bytes",
            "printed" => "printed",
            "base64" | "lines" | "url" => "base64",
            _ => "hex",
        }
    }

    #[test]
    fn every_form_is_named_with_what_is_missing_and_opened_with_key_and_form() {
        let key = Key::from_text("0123456789abcdef").unwrap();
        for way in ways().into_iter().filter(|way| way.is_told(AREA)) {
            let frame = way.frame(HEAD, AREA, &key);
            // Without a key its writing is told, as on the page.
            let keyless = explained(&mut Desk::new(Vec::new()), &frame);
            let seal = packet(&keyless).seal.as_ref().unwrap_or_else(|| panic!("{way:?}"));
            assert_eq!(seal.written, written(way), "{way:?}");
            assert!(!seal.opened && seal.missing.contains(&"key"), "{way:?}: {seal:?}");
            assert_eq!(seal.missing.contains(&"form"), matches!(seal.written, "base64" | "hex"), "{way:?}");
            assert!(seal.zh.contains("--key-file") && seal.en.contains("--key-file"), "{seal:?}");
            // With the key the whole form is told, and what to register.
            let keyed = explained(&mut Desk::new(keys("0123456789abcdef")), &frame);
            let seal = packet(&keyed).seal.as_ref().unwrap();
            match way.seal() {
                Some(form) => {
                    assert_eq!(seal.form, Some(form.to_string()), "{way:?}");
                    assert!(!seal.opened && seal.zh.contains(&format!("seal = \"{form}\"")), "{way:?}: {seal:?}");
                    // And with both it is read.
                    let mut desk = Desk::new(keys("0123456789abcdef")).with_form(Some(form));
                    let read = explained(&mut desk, &frame);
                    let seal = packet(&read).seal.as_ref().unwrap();
                    assert!(read.ok && seal.opened && seal.missing.is_empty(), "{way:?}: {seal:?}");
                    assert!(read.readings.as_ref().unwrap().get().contains("10.25"), "{way:?}");
                    assert_eq!(packet(&read).cp, AREA);
                }
                None => assert_eq!(seal.missing, ["form"], "{way:?}: {seal:?}"),
            }
            // Another key opens nothing, and no key is ever shown.
            let other = explained(&mut Desk::new(keys("fedcba9876543210")), &frame);
            assert!(packet(&other).seal.as_ref().unwrap().missing.contains(&"key"), "{way:?}");
            for said in [keyless, keyed, other] {
                let said = serde_json::to_string(&said).unwrap();
                assert!(!said.contains("0123456789abcdef") && !said.contains("fedcba9876543210"), "{said}");
            }
        }
    }

    #[test]
    fn where_nobody_says_that_the_station_encrypts_that_is_what_is_missing() {
        let key = Key::from_text("0123456789abcdef").unwrap();
        for way in
            ways().into_iter().filter(|way| way.check == "plain" && way.padding == "pkcs7" && way.written != "printed")
        {
            for flag in ["Flag=5;", "Flag=13;", ""] {
                let frame = way.frame(&HEAD.replace("Flag=9;", flag), AREA, &key);
                let said = explained(&mut Desk::new(Vec::new()), &frame);
                let packet = packet(&said);
                let seal = packet.seal.as_ref().unwrap();
                assert!(seal.missing.starts_with(&["word"]) && !packet.sealed && !said.ok, "{way:?} {flag}: {seal:?}");
                assert!(seal.zh.contains("edition"), "{seal:?}");
            }
        }
        let standard = Way { written: "bytes", padding: "none", check: "plain", length: "plain" };
        let surface = HEAD.replace("ST=31", "ST=21").replace("010000A8900016F000169DC0", "A110000_0001");
        let said = explained(&mut Desk::new(Vec::new()), &standard.frame(&surface, AREA, &key));
        assert!(!said.ok && packet(&said).seal.as_ref().unwrap().missing.contains(&"word"));
        assert_eq!(packet(&said).edition, Some("2017"));
        assert_eq!(SealForm::default().to_string(), "standard");
    }

    #[test]
    fn json_is_no_ciphertext_and_its_text_is_shown() {
        let area = r#"{"DataTime":"20260401101500","w01018-Rtd":20.1,"w01018-Flag":"N"}"#;
        for flag in ["5", "9"] {
            let segment =
                format!("QN=20260401101500000;ST=32;CN=2011;PW=123456;MN=88888880000001;Flag={flag};CP=&&{area}&&");
            let check = hj212::crc::checksum(segment.as_bytes());
            for check in [check, check ^ 1] {
                let said = explained(
                    &mut Desk::new(Vec::new()),
                    format!("##{:04}{segment}{check:04X}\r\n", segment.len()).as_bytes(),
                );
                assert!(packet(&said).seal.is_none() && packet(&said).cp == area, "{said:?}");
                assert!(said.deviations.contains(&"data-area-unreadable".to_owned()), "{:?}", said.deviations);
            }
        }
    }
}

mod hands_on {
    use super::super::Desk;
    use hj212::{Limits, Peer, crc, scan};
    use hj212_model::message::Timestamp;

    const HEAD: &str = "QN=20260401101500000;ST=32;CN=2011;PW=123456;MN=88888880000001;Flag=5;CP=&&";

    /// All that is said of what to change, in both languages.
    fn changes(bytes: &str) -> String {
        let item = scan(bytes.as_bytes(), Peer::Resting, &Limits::default()).item.unwrap();
        let explained = Desk::new(Vec::new()).explain(&item, Timestamp(1_775_000_000_000_000));
        explained.changes.iter().map(|change| format!("{}\n{}\n", change.zh, change.en)).collect()
    }

    fn framed(head: Option<&str>, segment: &str, check: Option<&str>) -> String {
        let head = head.map_or_else(|| format!("##{:04}", segment.len()), str::to_owned);
        let check = check.map_or_else(|| format!("{:04X}", crc::checksum(segment.as_bytes())), str::to_owned);
        format!("{head}{segment}{check}\r\n")
    }

    #[test]
    fn every_odd_head_says_what_is_odd_about_it() {
        let segment = format!("{HEAD}DataTime=20260401101500;w01018-Rtd=20.1,w01018-Flag=N&&");
        for (head, zh, en) in [
            ("##1", "须为四位", "four digits"),
            ("##130", "须为四位", "four digits"),
            ("##000130", "须为四位", "four digits"),
            ("##", "没有长度", "there is no length"),
            ("##00010130", "地址", "address"),
            ("##01300", "多了一位 0", "fifth digit"),
            ("## 130", "空格", "blanks"),
            ("##0130 ", "空格", "blanks"),
            ("##0130;", "标点", "punctuation"),
            ("##0130,", "标点", "punctuation"),
            ("##0130\r\n", "换行", "line end"),
            ("##len=0130;", "不带名称", "without a name"),
            ("##$$$$", "占位符", "placeholder"),
            ("##0082", "十进制", "decimal"),
            ("0130", "缺少 ##", "## is missing"),
            ("##0142", "整个数据包", "whole frame"),
        ] {
            let said = changes(&framed(Some(head), &segment, None));
            assert!(said.contains(zh) && said.contains(en) && said.contains("##0130"), "{head}: {said}");
            assert!(
                !said.contains("##0130 改为 ##0130") && !said.chars().any(|c| c.is_control() && c != '\n'),
                "{head}: {said}"
            );
        }
    }

    #[test]
    fn a_check_in_another_dress_and_fields_that_are_none_are_told() {
        let segment = format!("{HEAD}DataTime=20260401101500;w01018-Rtd=20.1,w01018-Flag=N&&");
        for (check, zh, en) in [
            ("44609", "十进制", "decimal"),
            (";AE41", "标点", "punctuation"),
            ("CRC=AE41", "不带名称", "without a name"),
            ("0xAE41", "写法应为四位大写", "upper case"),
            ("ae41", "写法应为四位大写", "upper case"),
            ("", "缺少 CRC", "CRC is missing"),
            ("59C0", "把 CRC 59C0 改为 AE41", "change the CRC 59C0 to AE41"),
        ] {
            let said = changes(&framed(None, &segment, Some(check)));
            assert!(said.contains(zh) && said.contains(en) && said.contains("AE41"), "{check}: {said}");
        }
        for (from, to, zh, en) in [
            ("CN=2011", "CN=20111", "CN=20111 不是命令编码", "CN=20111 is no command code"),
            ("CN=2011", "CN=abc", "CN=abc 不是命令编码", "CN=abc is no command code"),
            (
                "MN=88888880000001",
                "MN=8888888000000188888880000001888888800000018888888000000188888880000001",
                "现有 70 个字节",
                "there are 70 bytes",
            ),
            ("MN=88888880000001", "MN=88888880 0001", "不能作为站点标识", "names no station"),
        ] {
            let said = changes(&framed(None, &segment.replace(from, to), None));
            assert!(said.contains(zh) && said.contains(en), "{to}: {said}");
        }
        let opened = changes(&framed(None, &segment.replace("CP=&&", "CP&&"), None));
        assert!(opened.contains("其前应写 CP=&&") && opened.contains("CP=&& stands before it"), "{opened}");
        let closed = changes(&framed(None, &segment.replace("N&&", "N&&&"), None));
        assert!(closed.contains("有 3 个 &") && closed.contains("closed by 3 &"), "{closed}");
        let json = format!(r#"{HEAD}{{"DataTime":"20260401101500","w01018-Rtd":20.1}}&&"#);
        let json = changes(&framed(None, &json, None));
        assert!(json.contains("写成了 JSON") && json.contains("is JSON"), "{json}");
        let nines = changes(&framed(None, &segment.replace("20.1", &"9".repeat(30)), None));
        assert!(nines.contains("有 30 位数字") && nines.contains("has 30 digits"), "{nines}");
        let single = segment.replace("N&&", "N&");
        assert!(changes(&framed(None, &single, None)).contains("再补一个"));
    }

    #[test]
    fn nothing_is_called_0000_that_is_not_there() {
        let segment = format!("{HEAD}DataTime=20260401101500;w01018-Rtd=20.1,w01018-Flag=N&&");
        for bytes in [framed(Some("##"), &segment, Some("")), framed(Some("##$$$$"), &segment, Some("XXXX"))] {
            let item = scan(bytes.as_bytes(), Peer::Resting, &Limits::default()).item.unwrap();
            let said = serde_json::to_value(Desk::new(Vec::new()).explain(&item, Timestamp(0))).unwrap();
            assert!(said["packet"]["length_declared"].is_null() && said["packet"]["crc_said"].is_null(), "{said}");
        }
        let bytes = framed(Some("##0000"), &segment, Some("0000"));
        let item = scan(bytes.as_bytes(), Peer::Resting, &Limits::default()).item.unwrap();
        let said = serde_json::to_value(Desk::new(Vec::new()).explain(&item, Timestamp(0))).unwrap();
        assert_eq!((&said["packet"]["length_declared"], &said["packet"]["crc_said"]), (&0.into(), &"0000".into()));
    }
}
