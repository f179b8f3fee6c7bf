//! Pastes of which no frame is left as it was: segments and areas alone, odd encodings, wrapped lines with prefixes, odd ends.

use super::super::{Desk, Explained, Told, read, step};
use hj212::sm4::Key;
use hj212::sm4::form_tests::{HEAD, ways};
use hj212::{Item, Limits, Peer, crc, scan};
use hj212_model::message::Timestamp;

const SEGMENT: &str = "QN=20260401101500000;ST=32;CN=2011;PW=123456;MN=88888880000001;Flag=5;CP=&&DataTime=20260401101500;w01018-Rtd=20.1,w01018-Flag=N&&";

fn framed(segment: &str) -> String {
    format!("##{:04}{segment}{:04X}\r\n", segment.len(), crc::checksum(segment.as_bytes()))
}

/// The forms of a paste and what is said of each thing in it.
fn said(bytes: &[u8]) -> (Vec<&'static str>, Vec<Explained>) {
    let paste = read(bytes);
    let mut desk = Desk::new(Vec::new());
    let (mut rest, mut all): (&[u8], Vec<_>) = (&paste.bytes, Vec::new());
    while !rest.is_empty() {
        let step = step(rest);
        rest = &rest[step.used.max(1)..];
        all.extend(step.item.map(|item| desk.explain(&item, Timestamp(1_775_000_000_000_000))));
    }
    (paste.forms.iter().map(|form| form.code()).collect(), all)
}

fn changes(explained: &Explained) -> String {
    explained.changes.iter().map(|change| format!("{}\n{}\n", change.zh, change.en)).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for three in bytes.chunks(3) {
        let word = three.iter().fold(0u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - three.len()));
        for n in 0..4 {
            out.push(if n <= three.len() { DIGITS[(word >> (18 - 6 * n)) as usize & 63] as char } else { '=' });
        }
    }
    out
}

/// `text` broken at `width`, with `prefix` before each line.
fn wrapped(text: &str, width: usize, prefix: impl Fn(usize) -> String) -> String {
    let lines = text.trim_end().as_bytes().chunks(width).enumerate();
    lines.map(|(n, line)| format!("{}{}\n", prefix(n), std::str::from_utf8(line).unwrap())).collect()
}

#[test]
fn a_segment_alone_is_read_and_head_and_check_are_named_as_missing() {
    let check = format!("{:04X}", crc::checksum(SEGMENT.as_bytes()));
    let head = format!("##{:04}", SEGMENT.len());
    for (paste, forms, more) in [
        (SEGMENT.to_owned(), &[][..], 0),
        (format!("{SEGMENT}\r\n"), &[], 0),
        (format!("2026-04-01 10:15:00 RX: {SEGMENT}\n"), &[], 1),
        (format!("\"{SEGMENT}\""), &[], 2),
        (format!("#013{SEGMENT}"), &[], 1),
        (hex(SEGMENT.as_bytes()), &["hex"], 0),
        (hex(SEGMENT.as_bytes())[1..].to_owned(), &["hex-first-digit-lost"], 0),
        (base64(SEGMENT.as_bytes()), &["base64"], 0),
        (wrapped(SEGMENT, 60, |_| String::new()), &["wrapped"], 0),
    ] {
        let (read_as, all) = said(paste.as_bytes());
        assert_eq!((read_as.as_slice(), all.len()), (forms, 1 + more), "{paste}: {all:?}");
        let explained = all.iter().find(|explained| explained.packet.is_some()).unwrap();
        let Some(Told::Frame(packet)) = &explained.packet else { panic!("{explained:?}") };
        assert!(!explained.ok && explained.error.as_ref().unwrap().reason == "noise");
        assert_eq!(
            (packet.mn.as_deref(), packet.length, packet.length_declared),
            (Some("88888880000001"), SEGMENT.len(), None)
        );
        assert_eq!((packet.crc_said.as_deref(), &packet.crc_computed), (None, &check));
        assert!(explained.readings.as_ref().unwrap().get().contains("20.1"));
        for code in ["start-missing", "crc-missing"] {
            assert!(explained.deviations.iter().any(|said| said == code), "{:?}", explained.deviations);
        }
        let changes = changes(explained);
        assert!(changes.contains(&format!("最前面加 {head}")) && changes.contains(&format!("补 {check}")), "{changes}");
    }
    // With its check the head alone is missing.
    let (_, all) = said(format!("{SEGMENT}{check}\r\n{SEGMENT}0000\r\n").as_bytes());
    let told = |explained: &Explained| (explained.ok, explained.crc, changes(explained).contains("CRC 0000"));
    assert_eq!(all.iter().map(told).collect::<Vec<_>>(), [(false, Some("right"), false), (false, Some("wrong"), true)]);
    // Beside a frame it is shown as well, and the frame as it was.
    let (read_as, all) = said(format!("{SEGMENT}\r\n{}", framed(SEGMENT)).as_bytes());
    assert_eq!((read_as.len(), all.iter().map(|explained| explained.ok).collect::<Vec<_>>()), (0, vec![false, true]));
}

#[test]
fn a_segment_alone_that_nothing_closes_is_read_to_the_end_of_its_line() {
    for (closing, code, change) in [
        ("", "closing-missing", "缺少结尾的 &&"),
        ("&", "closing-odd", "结尾只有一个 &"),
        ("$$", "closing-odd", "结尾的 $$ 应为 &&"),
        ("||", "closing-odd", "结尾的 || 应为 &&"),
        (";", "closing-missing", "缺少结尾的 &&"),
    ] {
        let bare = format!("{}{closing}", SEGMENT.strip_suffix("&&").unwrap());
        let check = format!("{:04X}", crc::checksum(bare.as_bytes()));
        for (before, behind) in
            [("", ""), ("", "\r\n"), ("2026-04-01 10:15:00 RX: ", "\n"), ("", &check), ("", &format!("{check}\r\n"))]
        {
            let paste = format!("{before}{bare}{behind}");
            let (_, all) = said(paste.as_bytes());
            let explained =
                all.iter().find(|explained| explained.packet.is_some()).unwrap_or_else(|| panic!("{paste}: {all:?}"));
            let Some(Told::Frame(packet)) = &explained.packet else { panic!("{explained:?}") };
            assert!(!explained.ok, "{paste}");
            assert_eq!((packet.mn.as_deref(), packet.length), (Some("88888880000001"), bare.len()), "{paste}");
            assert!(explained.readings.as_ref().unwrap().get().contains("20.1"), "{paste}");
            for code in ["start-missing", code] {
                assert!(explained.deviations.iter().any(|said| said == code), "{paste}: {:?}", explained.deviations);
            }
            assert!(changes(explained).contains(change), "{paste}: {}", changes(explained));
        }
    }
    // Two of them in two lines are two.
    let bare = SEGMENT.strip_suffix("&&").unwrap();
    let (_, all) = said(format!("{bare}\n{bare}\n").as_bytes());
    assert_eq!(all.iter().filter(|explained| explained.packet.is_some()).count(), 2, "{all:?}");
}

#[test]
fn an_area_alone_is_read_for_a_try_and_said_to_be_one() {
    for paste in [
        "DataTime=20260401101500;w01018-Rtd=20.1,w01018-Flag=N;oops",
        "CP=&&DataTime=20260401101500;w01018-Rtd=20.1,w01018-Flag=N;oops&&",
    ] {
        let (_, all) = said(paste.as_bytes());
        assert_eq!(all.len(), 1, "{all:?}");
        assert!(
            !all[0].ok && all[0].readings.as_ref().is_some_and(|readings| readings.get().contains("20.1")),
            "{all:?}"
        );
        assert!(changes(&all[0]).contains("只有数据区") && changes(&all[0]).contains("a data area alone"));
        assert_eq!(all[0].unread.as_ref().map(|unread| unread.get()), Some("[\"oops\"]"));
    }
}

#[test]
fn odd_encodings_are_undone_and_named() {
    let frame = framed(SEGMENT);
    let wide = |unit: fn(u32) -> [u8; 4]| frame.chars().flat_map(|c| unit(c as u32)).collect::<Vec<u8>>();
    let soft: String = frame
        .as_bytes()
        .chunks(50)
        .map(|line| format!("{}=\r\n", std::str::from_utf8(line).unwrap().replace('=', "=3D")))
        .collect();
    let spaced = frame.bytes().map(|byte| format!("{byte:02x} ")).collect::<String>();
    for (paste, form) in [
        (format!("payload: {}", base64(frame.as_bytes())).into_bytes(), "base64"),
        (
            format!("{{\"topic\":\"hj212/up\",\"payload\":\"{}\",\"qos\":1}}", base64(frame.as_bytes())).into_bytes(),
            "base64",
        ),
        (format!("payload:\n{}", wrapped(&base64(frame.as_bytes()), 76, |_| String::new())).into_bytes(), "base64"),
        (hex(frame.as_bytes()).as_bytes()[1..].to_vec(), "hex-first-digit-lost"),
        (spaced.as_bytes()[1..].to_vec(), "hex-first-digit-lost"),
        (wide(u32::to_le_bytes), "utf-32"),
        (wide(u32::to_be_bytes), "utf-32"),
        ([&[0xFF, 0xFE, 0, 0][..], &wide(u32::to_le_bytes)].concat(), "utf-32"),
        ([&[0, 0, 0xFE, 0xFF][..], &wide(u32::to_be_bytes)].concat(), "utf-32"),
        (soft.into_bytes(), "quoted-printable"),
        (frame.replace('=', "=3D").into_bytes(), "quoted-printable"),
    ] {
        let (read_as, all) = said(&paste);
        let good = all.iter().filter(|explained| explained.ok).count();
        assert_eq!((read_as.as_slice(), good), (&[form][..], 1), "{} {all:?}", String::from_utf8_lossy(&paste));
    }
}

#[test]
fn lines_wrapped_with_a_prefix_each_are_put_together() {
    for width in [40, 60, 72, 80, 100] {
        for prefix in [
            |_: usize| "[INFO] recv: ".to_owned(),
            |n: usize| format!("2026-04-01 10:15:0{} RX ", n % 10),
            |n: usize| format!("[2026-04-01 10:15:00.1{:02}] [conn-7] DEBUG - ", n),
        ] {
            for text in [framed(SEGMENT), SEGMENT.to_owned()] {
                let (read_as, all) = said(wrapped(&text, width, prefix).as_bytes());
                let packet = all.iter().find_map(|explained| match &explained.packet {
                    Some(Told::Frame(packet)) => Some((packet.length, packet.crc_computed.clone())),
                    _ => None,
                });
                let wanted = (SEGMENT.len(), format!("{:04X}", crc::checksum(SEGMENT.as_bytes())));
                assert_eq!((read_as.as_slice(), packet), (&["wrapped"][..], Some(wanted)), "{width} {text}: {all:?}");
            }
        }
    }
}

#[test]
fn sealed_frames_written_as_text_are_unwrapped_as_plain_ones_are() {
    let area = "DataTime=20260601115000;a21026-Avg=10.25,a21026-Flag=N;a21002-Avg=31.5";
    let key = Key::from_text("0123456789abcdef").unwrap();
    let mut count = 0;
    for way in ways().into_iter().filter(|way| !["bytes", "lines", "printed"].contains(&way.written)) {
        let frame = way.frame(HEAD, area, &key);
        let Ok(text) = String::from_utf8(frame.clone()) else { continue };
        let Some(Item::Frame(whole)) = scan(&frame, Peer::Resting, &Limits::default()).item else { panic!("{text}") };
        for width in (60..=80).step_by(4) {
            // Blanks at the end of a line are lost where lines are wrapped.
            if text.as_bytes().chunks(width).any(|line| line.ends_with(b" ") || line.starts_with(b" ")) {
                continue;
            }
            count += 1;
            let paste = wrapped(&text, width, |_| String::new());
            let undone = read(paste.as_bytes());
            let Some(Item::Frame(found)) = scan(&undone.bytes, Peer::Resting, &Limits::default()).item else {
                panic!("{way:?} {width}: {undone:?}")
            };
            assert_eq!(
                String::from_utf8_lossy(found.segment),
                String::from_utf8_lossy(whole.segment),
                "{way:?} {width}"
            );
            assert_eq!(found.check, whole.check, "{way:?} {width}");
        }
    }
    assert!(count > 100, "{count}");
}

#[test]
fn odd_ends_of_an_area_are_told_at_both_ends_and_json_only_where_it_is_json() {
    let area = "DataTime=20260401101500;w01018-Rtd=20.1,w01018-Flag=N";
    for (open, close) in [("$$", "$$"), ("||", "||"), ("%26%26", "%26%26"), ("[", "]"), ("{", "}"), ("& &", "& &")] {
        let segment = SEGMENT.replace(&format!("&&{area}&&"), &format!("{open}{area}{close}"));
        let (_, all) = said(framed(&segment).as_bytes());
        let changes = changes(&all[0]);
        for text in [
            format!("开头的 {open} 应为 &&"),
            format!("结尾的 {close} 应为 &&"),
            format!("opened by {open}: write &&"),
            format!("closed by {close}: write &&"),
        ] {
            assert!(changes.contains(&text), "{text}: {changes}");
        }
        assert!(!changes.contains("JSON") && !changes.contains("缺少结尾"), "{changes}");
        assert!(all[0].ok && all[0].readings.as_ref().unwrap().get().contains("\"N\""), "{all:?}");
    }
    for (inside, json) in
        [("{\"DataTime\":1}", true), ("[1,2]", true), ("{DataTime=1;a=2", false), ("[abc]", false), ("{\"a\":", false)]
    {
        let (_, all) = said(framed(&SEGMENT.replace(area, inside)).as_bytes());
        assert_eq!(changes(&all[0]).contains("JSON"), json, "{inside}");
    }
}

#[test]
fn fields_behind_the_area_are_to_be_moved_and_a_tail_is_no_part_of_the_area() {
    let segment = SEGMENT.replace("Flag=5;", "") + ";Flag=5";
    let (_, all) = said(framed(&segment).as_bytes());
    let text = changes(&all[0]);
    assert!(all[0].ok && text.contains("Flag=5 写在数据区之后,应移到 CP 之前") && !text.contains("缺少"), "{text}");
    let (_, all) = said(framed(&SEGMENT.replace("PW=123456;", "").replace("N&&", "N&&;PW=123456")).as_bytes());
    assert!(!serde_json::to_string(&all).unwrap().contains("=123456"), "{all:?}");
    for tail in ["ABCE1", "ABCE1234"] {
        let (_, all) = said(format!("##{:04}{SEGMENT}{tail}\r\n", SEGMENT.len()).as_bytes());
        assert_eq!((all.len(), all[0].deviations.as_slice()), (1, &["crc-form".to_owned()][..]));
        let check = format!("{:04X}", crc::checksum(SEGMENT.as_bytes()));
        assert!(changes(&all[0]).contains(&format!("把 CRC {tail} 改为 {check}")), "{}", changes(&all[0]));
        assert!(all[0].readings.as_ref().unwrap().get().contains("\"N\""));
    }
}

#[test]
fn what_is_unread_and_what_no_header_has_is_shown() {
    let segment = SEGMENT.replace("Flag=5;", "Flag=5;Ver=3;oops;").replace("N&&", "N;abc;=5&&");
    let (_, all) = said(framed(&segment).as_bytes());
    assert_eq!(all[0].header_unknown, ["Ver=3", "oops"]);
    let unread: Vec<String> = serde_json::from_str(all[0].unread.as_ref().unwrap().get()).unwrap();
    assert!(unread.iter().any(|text| text == "abc"), "{unread:?}");
    let (_, all) = said(framed(SEGMENT).as_bytes());
    assert!(all[0].unread.is_none() && all[0].header_unknown.is_empty());
}

#[test]
fn what_is_said_of_ciphertext_that_nobody_speaks_of_fits_the_result() {
    let area = "DataTime=20260601115000;a21026-Avg=10.25,a21026-Flag=N;a21002-Avg=31.5";
    let key = Key::from_text("0123456789abcdef").unwrap();
    for way in ways().into_iter().filter(|way| way.written != "printed") {
        let frame = way.frame(&HEAD.replace("Flag=9;", "Flag=5;"), area, &key);
        let item = scan(&frame, Peer::Resting, &Limits::default()).item.unwrap();
        let explained = Desk::new(Vec::new()).explain(&item, Timestamp(1_780_000_000_000_000));
        let Some(Told::Frame(packet)) = &explained.packet else { panic!("{explained:?}") };
        let Some(seal) = &packet.seal else { continue };
        assert_eq!(seal.en.contains("the frame is taken"), explained.ok, "{way:?}: {seal:?}");
        assert_eq!(seal.en.contains("refused as damaged"), !explained.ok, "{way:?}: {seal:?}");
    }
}
