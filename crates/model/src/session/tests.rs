//! Frames judged, answered and placed.

use std::sync::Arc;

use super::*;
use crate::message::{Peering, RejectReason, Timestamp};
use crate::registry::{self, Registry, Unknown};
use hj212::sm4::form_tests::{HEAD, ways};
use hj212::sm4::{self, Key};
use hj212::{Deviation, Item, Limits, Peer, SealForm, packet, scan, write};

const STATIONS: &str = r#"
[[station]]
mn = "010000A8900016F000169DC0"
pw = "123456"
st = "32"
edition = "2017"
networks = ["127.0.0.0/8"]
[[station]]
mn = "88888880000001"
edition = "2005"
crc = "learn"
[[station]]
mn = "B"
crc = "off"
dialect = "surface-water"
"#;

fn stations() -> Registry {
    registry::load(&[("s.toml".into(), STATIONS.into())], Unknown::Reject).unwrap()
}

fn framed(segment: &str) -> Vec<u8> {
    let mut out = Vec::new();
    write::frame(&mut out, |o| o.extend_from_slice(segment.as_bytes()));
    out
}

/// What is done with `bytes` from `address`, in words.
fn played(bytes: &[u8], address: &str, learned: &mut Learned) -> String {
    played_with(bytes, address, learned, &[])
}

/// The same where these keys of the station are known.
fn played_with(bytes: &[u8], address: &str, learned: &mut Learned, keys: &[Key]) -> String {
    let step = scan(bytes, Peer::Resting, &Limits::default());
    let Some(Item::Frame(frame)) = step.item else { panic!("no frame") };
    let header = packet::parse(frame.segment);
    let before = *learned;
    let from = address.parse().unwrap();
    match judge(&frame, &header, from, &stations(), |_| before, |_, after| *learned = after, |_| keys.into()) {
        FrameVerdict::Refused { reason, detail } => format!("refused {} {detail:?}", reason.code()),
        FrameVerdict::Accepted { dialect, .. } => match Reply::to(&header, &dialect) {
            None => "silent".into(),
            Some(reply) => {
                let text = String::from_utf8(reply.frame).unwrap();
                text[6..text.len() - 6].to_owned()
            }
        },
    }
}

fn said(segment: &str) -> String {
    played(&framed(segment), "127.0.0.1", &mut Learned::default())
}

const NEW: &str = "PW=123456;MN=010000A8900016F000169DC0";

/// HJ 212-2017, 6.1 and C.50: each part of a split record that asks is answered by itself.
#[test]
fn uploads_that_ask_get_9014_with_their_own_qn() {
    let upload = format!("QN=20160801085857534;ST=32;CN=2061;{NEW};Flag=7;PNUM=2;PNO=1;CP=&&DataTime=20160801080000&&");
    assert_eq!(said(&upload), format!("QN=20160801085857534;ST=91;CN=9014;{NEW};Flag=4;CP=&&&&"));
    assert_eq!(said(&upload.replace("Flag=7", "Flag=6")), "silent");
}

/// HJ 212-2017, 6.1: a notification is answered by 9013, an answer by nothing.
#[test]
fn notifications_get_9013_logins_9022_and_answers_nothing() {
    let of = |cn: u16| said(&format!("QN=20160801085857534;ST=32;CN={cn};{NEW};Flag=5;CP=&&&&"));
    assert!(of(1013).contains("CN=9013"));
    assert!(of(9021).contains("CN=9022"));
    assert!(of(4711).contains("CN=9014"));
    for cn in 9011..=9014 {
        assert_eq!(of(cn), "silent");
    }
}

#[test]
fn an_answer_of_2005_carries_qn_and_cn_inside_cp() {
    let upload = "QN=20040516010101001;ST=32;CN=2051;PW=123456;MN=88888880000001;Flag=1;CP=&&DataTime=20040516010101&&";
    assert!(said(upload).ends_with("CP=&&QN=20040516010101001;CN=2051&&"), "{}", said(upload));
}

#[test]
fn a_dialect_may_name_the_flag_of_its_answers() {
    let upload = "QN=20160801085857534;ST=21;CN=2061;PW=123456;MN=B;Flag=9;CP=&&DataTime=20160801080000&&";
    let answer = said(upload);
    assert_eq!(answer, "QN=20160801085857534;ST=91;CN=9014;PW=123456;MN=B;Flag=8;CP=&&&&");
}

#[test]
fn what_is_refused_is_not_answered() {
    let good = format!("QN=20160801085857534;ST=32;CN=2011;{NEW};Flag=5;CP=&&&&");
    let refused = |segment: &str| said(segment).split(' ').nth(1).unwrap_or_default().to_owned();
    assert_eq!(refused(&good.replace("PW=123456", "PW=000000")), RejectReason::PwWrong.code());
    assert_eq!(refused(&good.replace("MN=01", "MN=02")), RejectReason::MnUnknown.code());
    assert_eq!(refused(&good.replace("MN=010000A8900016F000169DC0", "MN=")), RejectReason::MnMissing.code());
    assert_eq!(refused(&good.replace("CN=2011;", "")), RejectReason::CnMissing.code());
    let elsewhere = played(&framed(&good), "10.0.0.1", &mut Learned::default());
    assert!(elsewhere.starts_with("refused network-forbidden"), "{elsewhere}");
    let mut wrong = framed(&good);
    let at = wrong.len() - 6;
    wrong[at..at + 4].copy_from_slice(b"1235");
    assert!(played(&wrong, "127.0.0.1", &mut Learned::default()).starts_with("refused crc-mismatch"));
}

/// `segment` with CRC-16/MODBUS.
fn modbus(segment: &str) -> Vec<u8> {
    let check = crc::Crc::<u16>::new(&crc::CRC_16_MODBUS).checksum(segment.as_bytes());
    format!("##{:04}{segment}{check:04X}\r\n", segment.len()).into_bytes()
}

#[test]
fn the_mistake_a_station_always_makes_is_learned_and_no_other() {
    let segment = |n: u32| format!("ST=32;CN=2011;PW=123456;MN=88888880000001;Flag=1;CP=&&DataTime=2004051601010{n}&&");
    let mut learned = Learned::default();
    for n in 1..LEARN_AFTER {
        let verdict = played(&modbus(&segment(n)), "127.0.0.1", &mut learned);
        assert!(verdict.starts_with("refused crc-mismatch {\"crc-modbus\"}"), "{verdict}");
    }
    assert!(played(&modbus(&segment(7)), "127.0.0.1", &mut learned).contains("CN=9014"));
    assert_eq!(learned.mistake, Some(Deviation::CrcModbus));
    assert!(played(&framed(&segment(8)), "127.0.0.1", &mut learned).contains("CN=9014"));
    let mut wrong = modbus(&segment(9));
    let at = wrong.len() - 6;
    wrong[at..at + 4].copy_from_slice(b"1235");
    assert!(played(&wrong, "127.0.0.1", &mut learned).starts_with("refused"));
}

#[test]
fn the_newest_connection_wins_and_going_to_and_fro_is_suspect() {
    let at = |connection: u64| Peering { connection, peer: "127.0.0.1:1".parse().unwrap() };
    let mut directory = Directory::default();
    let now = |seconds: i64| Timestamp(seconds * 1_000_000);
    assert_eq!(directory.heard("A", at(1), now(0)), Move::Came);
    assert_eq!(directory.heard("A", at(1), now(1)), Move::Stayed);
    assert_eq!(directory.heard("A", at(2), now(2)), Move::Moved { was: at(1), suspect: false });
    assert!(!directory.left("A", 1));
    assert_eq!(directory.heard("A", at(1), now(3)), Move::Moved { was: at(2), suspect: false });
    assert_eq!(directory.heard("A", at(2), now(4)), Move::Moved { was: at(1), suspect: true });
    assert_eq!(directory.heard("A", at(1), now(5)), Move::Moved { was: at(2), suspect: false });
    assert_eq!(directory.heard("A", at(2), now(700)), Move::Moved { was: at(1), suspect: false });
    assert!(directory.left("A", 2));
    assert!(directory.is_empty());
}

const SEALED: &str = "QN=20260601100000000;ST=32;CN=2051;PW=123456;MN=010000A8900016F000169DC0;Flag=9;CP=&&";

/// A frame sealed with `key`, as bytes or printed, whose area is `area`.
fn sealed(area: &str, key: &Key, printed: bool) -> Vec<u8> {
    let plain = format!("{SEALED}{area}&&");
    let mut wire = Vec::new();
    sm4::frame(&mut wire, plain.as_bytes(), key).unwrap();
    if !printed {
        return wire;
    }
    let (from, end) = (6 + SEALED.len(), wire.len() - 8);
    let (groups, rest) = wire[from..end].split_at(area.len() / 16 * 16);
    let printed: Vec<String> = groups.iter().map(|byte| format!("0x{byte:02X}")).collect();
    let head = format!("##{:04}{SEALED}{{{}}}", plain.len(), printed.join(","));
    [head.as_bytes(), rest, &wire[end..]].concat()
}

#[test]
fn a_sealed_frame_that_was_damaged_is_not_answered_if_its_key_is_known() {
    let key = |text: &str| Key::from_text(text).unwrap();
    let (old, new, foreign) = (key("0123456789abcdef"), key("fedcba9876543210"), key("keyBkeyBkeyBkeyB"));
    let known = [new, old.clone()];
    let hear = |bytes: &[u8]| played_with(bytes, "127.0.0.1", &mut Learned::default(), &known);
    let long = "DataTime=20260601100000;a21026-Avg=10.25,a21026-Flag=N;a21002-Avg=31.5,a21002-Flag=N";
    let text = "PolId=w01018;i11001-Info=//2026-06-01 \u{6821}\u{51c6}\u{5b8c}\u{6210}//";
    let (mut damaged, mut answered) = (0, Vec::new());
    for area in [long, "DataTime=20260601100000", text] {
        for printed in [false, true] {
            let whole = sealed(area, &old, printed);
            assert!(hear(&whole).contains("CN=9014"), "{area}: {}", hear(&whole));
            let whole_of_nobody = sealed(area, &foreign, printed);
            assert!(hear(&whole_of_nobody).contains("CN=9014"), "a key that nobody knows: {}", hear(&whole_of_nobody));
            if printed {
                continue;
            }
            let area_from = 6 + SEALED.len();
            for at in area_from..whole.len() - 8 {
                for bit in 0..8 {
                    let mut wrong = whole.clone();
                    wrong[at] ^= 1 << bit;
                    let step = scan(&wrong, Peer::Resting, &Limits::default());
                    let whole_frame = matches!(&step.item, Some(Item::Frame(frame)) if frame.raw.len() == wrong.len());
                    if !whole_frame {
                        continue;
                    }
                    damaged += 1;
                    let said = hear(&wrong);
                    if said.contains("CN=9014") {
                        answered.push((at - area_from, bit));
                    }
                }
            }
        }
    }
    assert!(damaged > 900, "{damaged}");
    // The check of eight bits lets one in 256 through, as it does with plain frames.
    assert!(answered.len() * 50 < damaged, "{} of {damaged} were answered: {answered:?}", answered.len());
}

/// What a station registered with this form gets for a frame.
fn heard_as(bytes: &[u8], seal: Option<SealForm>, keys: &[Key]) -> String {
    let seal = seal.map(|seal| format!("seal = \"{seal}\"\n")).unwrap_or_default();
    let text = format!("[[station]]\nmn = \"010000A8900016F000169DC0\"\n{seal}");
    let registry = registry::load(&[("s.toml".into(), text)], Unknown::Reject).unwrap();
    let step = scan(bytes, Peer::Resting, &Limits::default());
    let Some(Item::Frame(frame)) = step.item else { return "no frame".into() };
    let header = packet::parse(frame.segment);
    let address = "127.0.0.1".parse().unwrap();
    match judge(&frame, &header, address, &registry, |_| Learned::default(), |_, _| (), |_| keys.into()) {
        FrameVerdict::Refused { reason, .. } => format!("refused {}", reason.code()),
        FrameVerdict::Accepted { .. } => "accepted".into(),
    }
}

/// Whether a station of this policy, of which the key is known, has a frame of it taken.
fn is_taken(bytes: &[u8], policy: &str, learned: &mut Learned, key: &Key) -> bool {
    let text = format!("[[station]]\nmn = \"010000A8900016F000169DC0\"\ncrc = \"{policy}\"\n");
    let registry = registry::load(&[("s.toml".into(), text)], Unknown::Reject).unwrap();
    let Some(Item::Frame(frame)) = scan(bytes, Peer::Resting, &Limits::default()).item else { return false };
    let header = packet::parse(frame.segment);
    let (before, keys) = (*learned, Arc::from([key.clone()]));
    let address = "127.0.0.1".parse().unwrap();
    let verdict = judge(&frame, &header, address, &registry, |_| before, |_, now| *learned = now, |_| keys);
    matches!(verdict, FrameVerdict::Accepted { .. })
}

/// A frame whose area is sealed and whose check says this.
fn sealed_with_check(head: &str, area: &str, key: &Key, said: u16) -> Vec<u8> {
    let mut wire = Vec::new();
    sm4::frame(&mut wire, format!("{head}{area}&&").as_bytes(), key).unwrap();
    let end = wire.len() - 6;
    wire.splice(end..end + 4, format!("{said:04X}").into_bytes());
    wire
}

#[test]
fn the_check_of_a_sealed_frame_counts_as_that_of_a_plain_one() {
    let key = Key::from_text("0123456789abcdef").unwrap();
    let area = "DataTime=20260601100000;a21026-Avg=10.25,a21026-Flag=N;a21002-Avg=31.5,a21002-Flag=N";
    let (mut heads, mut taken) = (0, 0);
    for minute in 0..40 {
        let head = SEALED.replace("QN=202606011", &format!("QN=2026060{}1", minute % 9 + 1));
        let area = area.replace("100000", &format!("10{minute:02}00"));
        let said = hj212::crc::checksum(format!("{head}{area}&&").as_bytes());
        for (at, digit) in head.bytes().enumerate().filter(|(at, digit)| *at < 34 && digit.is_ascii_digit()) {
            for other in (b'0'..=b'9').filter(|other| *other != digit) {
                let mut wrong = head.clone().into_bytes();
                wrong[at] = other;
                let wrong = String::from_utf8(wrong).unwrap();
                let bytes = sealed_with_check(&wrong, &area, &key, said);
                // Right over the plain segment, or over what was sent: one in 256 each.
                let plain = format!("{wrong}{area}&&");
                let right =
                    [plain.as_bytes(), &bytes[6..bytes.len() - 6]].map(|over| hj212::crc::checksum(over) == said);
                let right = right.contains(&true);
                for policy in ["strict", "learn"] {
                    heads += 1;
                    let is_taken = is_taken(&bytes, policy, &mut Learned::default(), &key);
                    taken += usize::from(is_taken);
                    assert_eq!(is_taken, right, "{policy} {wrong}");
                }
            }
        }
    }
    assert!(heads > 5_000 && taken * 100 < heads, "{taken} of {heads}");
    // No placeholder is a check; a mistake that is always made is learned as that of plain frames.
    for (said, mistake) in [(Some(0xFFFF), false), (None, true)] {
        let modbus =
            |area: &str| ::crc::Crc::<u16>::new(&::crc::CRC_16_MODBUS).checksum(format!("{SEALED}{area}&&").as_bytes());
        let mut learned = Learned::default();
        let mut of = |n: u32, policy: &str| {
            let area = area.replace("10.25", &format!("1{n}.25"));
            let bytes = sealed_with_check(SEALED, &area, &key, said.unwrap_or_else(|| modbus(&area)));
            is_taken(&bytes, policy, &mut learned, &key)
        };
        assert!((1..9).all(|n| !of(n, "strict")), "{mistake}");
        let first: Vec<bool> = (1..6).map(|n| of(n, "learn")).collect();
        assert_eq!(first, [false, false, true, true, true], "{mistake}");
    }
}

#[test]
fn a_digit_too_many_or_too_few_of_written_ciphertext_is_no_answered_frame() {
    let key = Key::from_text("0123456789abcdef").unwrap();
    let area = "DataTime=20260601100000;a21026-Avg=10.25,a21026-Flag=N;a21002-Avg=31.5,a21002-Flag=N";
    let (mut cases, mut answered) = (0, Vec::new());
    for way in ways().into_iter().filter(|way| way.length == "wire" && !matches!(way.written, "bytes" | "printed")) {
        let whole = way.frame(HEAD, area, &key);
        for at in (6 + HEAD.len()..whole.len() - 8).step_by(3) {
            let (mut lost, mut doubled) = (whole.clone(), whole.clone());
            lost.remove(at);
            doubled.insert(at, whole[at]);
            for wrong in [lost, doubled] {
                cases += 1;
                if heard_as(&wrong, way.seal(), std::slice::from_ref(&key)) == "accepted" {
                    answered.push((way, at));
                }
            }
        }
    }
    assert!(cases > 2_000, "{cases}");
    // A blank or a line end more or less changes nothing; eight bits of the check let one in 256 through.
    answered.retain(|(way, at)| !way.frame(HEAD, area, &key)[*at].is_ascii_whitespace());
    assert!(answered.len() * 100 < cases, "{} of {cases}: {answered:?}", answered.len());
}

#[test]
fn in_every_form_the_whole_frame_is_taken_and_the_damaged_one_is_not_if_its_key_is_known() {
    let key = Key::from_text("0123456789abcdef").unwrap();
    let area = "DataTime=20260601100000;a21026-Avg=10.25,a21026-Flag=N;a21002-Avg=31.5,a21002-Flag=N";
    let (mut damaged, mut answered) = (0, 0);
    for way in ways().into_iter().filter(|way| way.length == "wire") {
        let whole = way.frame(HEAD, area, &key);
        for seal in [None, way.seal()] {
            for keys in [&[][..], std::slice::from_ref(&key)] {
                assert_eq!(heard_as(&whole, seal, keys), "accepted", "{way:?} {seal:?}");
            }
            let from = 6 + HEAD.len();
            for at in (from..whole.len() - 8).step_by(5) {
                let mut wrong = whole.clone();
                // Another digit where it is text, another bit where it is bytes.
                wrong[at] = match (way.written, wrong[at]) {
                    ("bytes", byte) => byte ^ 0x10,
                    (_, b'0'..=b'8' | b'a'..=b'e' | b'A'..=b'E') => wrong[at] + 1,
                    _ => continue,
                };
                damaged += 1;
                answered += usize::from(heard_as(&wrong, seal, std::slice::from_ref(&key)) == "accepted");
            }
        }
    }
    assert!(damaged > 2_000, "{damaged}");
    assert!(answered * 100 < damaged, "{answered} of {damaged}");
}

#[test]
fn of_one_group_a_wrong_digit_is_told() {
    let key = Key::from_text("0123456789abcdef").unwrap();
    let (mut damaged, mut answered) = (0, 0);
    for way in ways().into_iter().filter(|way| way.seal().is_some() && way.check != "wire" && way.written != "printed")
    {
        let whole = way.frame(HEAD, "PolId=a21026", &key);
        if way.padding == "none" {
            continue;
        }
        assert_eq!(heard_as(&whole, None, std::slice::from_ref(&key)), "accepted", "{way:?}");
        for at in 6 + HEAD.len()..whole.len() - 8 {
            let mut wrong = whole.clone();
            wrong[at] = match (way.written, wrong[at]) {
                ("bytes", byte) => byte ^ 0x10,
                (_, b'0'..=b'8' | b'a'..=b'e' | b'A'..=b'E') => wrong[at] + 1,
                _ => continue,
            };
            damaged += 1;
            answered += usize::from(heard_as(&wrong, way.seal(), std::slice::from_ref(&key)) == "accepted");
        }
    }
    assert!(damaged > 500 && answered * 50 < damaged, "{answered} of {damaged}");
}

/// Every bit of the area turned, one at a time, in every writing: damage makes one writing look like another.
#[test]
fn one_wrong_bit_of_written_ciphertext_is_told_whatever_it_looks_like_then() {
    let key = Key::from_text("0123456789abcdef").unwrap();
    let foreign = Key::from_text("keyBkeyBkeyBkeyB").unwrap();
    let long = "DataTime=20260601100000;a21026-Avg=10.25,a21026-Flag=N;a21002-Avg=31.5,a21002-Flag=N";
    for area in [long, "DataTime=20260601100000;RS=1,a=12", "DataTime=20260601100000", "PolId=a21026,x=12"] {
        for written in ["base64", "lines", "hex", "blanks"] {
            for padding in ["none", "pkcs7", "zero"] {
                let way = sm4::form_tests::Way { written, padding, check: "plain", length: "wire" };
                let whole = way.frame(HEAD, area, &key);
                assert_eq!(heard_as(&whole, way.seal(), std::slice::from_ref(&foreign)), "accepted", "{way:?} {area}");
                let (mut damaged, mut answered) = (0, Vec::new());
                for at in 6 + HEAD.len()..whole.len() - 8 {
                    for bit in 0..8 {
                        let mut wrong = whole.clone();
                        wrong[at] ^= 1 << bit;
                        let step = scan(&wrong, Peer::Resting, &Limits::default());
                        // The check has 256 values: that of the plain text is that of the damaged one at times.
                        if matches!(step.item, Some(Item::Frame(frame)) if frame.check.said == frame.check.computed) {
                            continue;
                        }
                        damaged += 1;
                        if heard_as(&wrong, None, std::slice::from_ref(&key)) == "accepted" {
                            answered.push((at - 6 - HEAD.len(), char::from(whole[at]), char::from(wrong[at])));
                        }
                    }
                }
                // A letter in the other case is the same digit of hexadecimal.
                let hex = matches!(written, "hex" | "blanks");
                answered.retain(|(_, was, is)| !(hex && was.is_ascii_hexdigit() && was.eq_ignore_ascii_case(is)));
                assert!(answered.len() * 100 < damaged, "{way:?} {area}: {} of {damaged} {answered:?}", answered.len());
            }
        }
    }
}

/// One row of `fixtures/field/envelopes.tsv`: what, policy, outcome, deviations, bytes.
type Envelope = (String, String, String, Vec<String>, Vec<u8>);

fn envelopes() -> Vec<Envelope> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/field/envelopes.tsv");
    let text = std::fs::read_to_string(path).unwrap();
    let rows = text.lines().filter(|line| !line.starts_with('#'));
    rows.map(|line| {
        let columns: Vec<&str> = line.split('\t').collect();
        let [what, policy, outcome, codes, bytes] = columns[..] else { panic!("{line}: five columns are needed") };
        let codes = codes.split(',').filter(|code| *code != "-").map(str::to_owned).collect();
        (what.to_owned(), policy.to_owned(), outcome.to_owned(), codes, hj212::fixtures::bytes_of(bytes))
    })
    .collect()
}

#[test]
fn what_the_field_sends_is_taken_or_refused_by_its_name() {
    let mut wrong = Vec::new();
    let rows = envelopes();
    assert!(rows.len() > 80);
    for (what, policy, outcome, codes, bytes) in rows {
        let text = format!("[[station]]\nmn = \"88888880000001\"\ncrc = \"{policy}\"\n");
        let registry = registry::load(&[("s.toml".into(), text)], Unknown::Reject).unwrap();
        let step = scan(&bytes, Peer::Resting, &Limits::default());
        let Some(Item::Frame(frame)) = step.item else {
            wrong.push(format!("{what}: no frame: {step:?}"));
            continue;
        };
        let header = packet::parse(frame.segment);
        let address = "127.0.0.1".parse().unwrap();
        let (found, of_check) =
            match judge(&frame, &header, address, &registry, |_| Learned::default(), |_, _| (), |_| Arc::default()) {
                FrameVerdict::Refused { reason, detail } => (format!("refused {}", reason.code()), detail),
                FrameVerdict::Accepted { dialect, deviations, .. } => match Reply::to(&header, &dialect) {
                    Some(_) => ("answered".to_owned(), deviations),
                    None => ("silent".to_owned(), deviations),
                },
            };
        let mut named: Vec<&str> = of_check.union(header.deviations).iter().map(Deviation::code).collect();
        named.sort_unstable();
        if (found.as_str(), &named[..]) != (outcome.as_str(), &codes.iter().map(String::as_str).collect::<Vec<_>>()[..])
        {
            wrong.push(format!("{what} ({policy}): {found} {named:?}, wanted {outcome} {codes:?}"));
        }
        assert_eq!(header.mn, Some(&b"88888880000001"[..]), "{what}");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What a station with `crc = "learn"` gets for these frames, in order: true where it is answered.
fn learning(frames: &[Vec<u8>]) -> Vec<bool> {
    let mut learned = Learned::default();
    frames.iter().map(|frame| !played(frame, "127.0.0.1", &mut learned).starts_with("refused")).collect()
}

fn log_or_not(n: usize, check: impl Fn(&[u8]) -> u16) -> Vec<u8> {
    let text = if n.is_multiple_of(4) { "加热完成" } else { "done" };
    let segment = format!(
        "QN=20040516010101{n:03};ST=32;CN=3020;PW=123456;MN=88888880000001;Flag=5;CP=&&DataTime=20040516010101;i11001-Info=//{text}{n}//&&"
    );
    format!("##{:04}{segment}{:04X}\r\n", segment.len(), check(segment.as_bytes())).into_bytes()
}

/// The check over the low bytes of the text's 16-bit units.
fn characters(segment: &[u8]) -> u16 {
    let low: Vec<u8> = std::str::from_utf8(segment).unwrap().encode_utf16().map(|unit| unit as u8).collect();
    hj212::crc::checksum(&low)
}

#[test]
fn a_mistake_that_shows_only_in_chinese_text_is_learned() {
    let frames: Vec<_> = (0..40).map(|n| log_or_not(n, characters)).collect();
    let answered = learning(&frames);
    let refused: Vec<usize> = (0..40).filter(|n| !answered[*n]).collect();
    assert_eq!(refused, [0, 4], "the first two of ten, until it has been seen three times");
}

#[test]
fn a_right_check_of_chinese_text_contradicts_it_and_so_does_a_wrong_one() {
    let right = hj212::crc::checksum;
    let two = |n: usize| log_or_not(n * 4, characters);
    let contradicted = [two(1), two(2), log_or_not(12, right), two(4), two(5), two(6)];
    assert_eq!(learning(&contradicted), [false, false, true, false, false, true]);
    let damaged = [two(1), two(2), log_or_not(12, |_| 0x1235), two(4), two(5), two(6)];
    assert_eq!(learning(&damaged), [false, false, false, false, false, true]);
}

#[test]
fn three_damaged_frames_of_one_value_are_hardly_ever_learned() {
    let mut taken = 0;
    for seed in 0..2000u16 {
        let frames: Vec<_> =
            (0..3).map(|n| log_or_not(4, |_| seed.wrapping_mul(31).wrapping_add(n * 7919) | 1)).collect();
        taken += learning(&frames).iter().filter(|answered| **answered).count();
    }
    assert!(taken < 80, "{taken} of 6000: a random value is the right one once in 256");
}

/// The answer to a segment of a station of which nothing is registered.
fn unregistered(head: &str, segment: &str) -> Option<(String, String)> {
    let registry = registry::load(&[], Unknown::Accept).unwrap();
    let check = hj212::crc::checksum(segment.as_bytes());
    let bytes = format!("{head}{segment}{check:04X}\r\n").into_bytes();
    let step = scan(&bytes, Peer::Resting, &Limits::default());
    let Some(Item::Frame(frame)) = step.item else { panic!("{step:?}") };
    let header = packet::parse(frame.segment);
    let verdict = judge(
        &frame,
        &header,
        "127.0.0.1".parse().unwrap(),
        &registry,
        |_| Learned::default(),
        |_, _| (),
        |_| Arc::default(),
    );
    let FrameVerdict::Accepted { dialect, .. } = verdict else { panic!("{verdict:?}") };
    let answer = Reply::to(&header, &dialect)?;
    Some((dialect.name.clone(), String::from_utf8(answer.frame).unwrap()))
}

#[test]
fn surface_water_of_an_unregistered_station_is_not_taken_for_the_edition_of_2025() {
    for mn in ["A110000_0001", "88888880000001"] {
        for (cn, answer) in
            [("9015", "CN=9014"), ("2061", "CN=9014"), ("2063", "CN=9014"), ("3040", "CN=9014"), ("1014", "CN=9013")]
        {
            let segment =
                format!("QN=20260401101500000;ST=21;CN={cn};PW=123456;MN={mn};Flag=9;CP=&&SystemTime=20260401101500&&");
            let (dialect, said) = unregistered(&format!("##{:04}", segment.len()), &segment).unwrap();
            assert_eq!(dialect, "surface-water", "{cn} {mn}");
            assert!(said.contains(answer) && said.contains(";Flag=8;"), "{cn} {mn}: {said}");
        }
    }
    // An MN of the standard with nothing of surface water in the frame is one of 2025.
    let segment = "QN=20260401101500000;ST=31;CN=9015;PW=123456;MN=010000A8900016F000169DC0;Flag=9;CP=&&&&";
    assert!(unregistered(&format!("##{:04}", segment.len()), segment).unwrap().1.contains("CN=9013"));
}

#[test]
fn vapour_recovery_is_known_by_its_head_and_answered_as_its_clients_look_for_it() {
    let segment =
        "QN=20260401101500000;ST=61;CN=2041;PW=123456;MN=88888880000001;CP=&&DataTime=20260401101500;001-AlvAlm=0&&";
    let (dialect, said) = unregistered(&format!("##{:04}0", segment.len()), segment).unwrap();
    assert_eq!(dialect, "vapour-recovery");
    let area = said.split("CP=&&").nth(1).unwrap();
    assert!(area[..area.len().min(40)].contains("QnRtn=1"), "{said}");
}

/// Frames whose data area is destroyed altogether; `flag` empty: none.
fn destroyed(st: &str, mn: &str, flag: &str) -> Vec<Vec<u8>> {
    let flag = if flag.is_empty() { String::new() } else { format!("Flag={flag};") };
    let head = format!("QN=20260401101500000;ST={st};CN=2011;PW=123456;MN={mn};{flag}CP=&&");
    let mut state = 1u32;
    let mut noise = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    let frame = |area: Vec<u8>| {
        let segment = [head.as_bytes(), &area, b"&&"].concat();
        [format!("##{:04}", segment.len()).as_bytes(), &segment, b"1234\r\n"].concat()
    };
    (0..20).map(|_| frame((0..112).map(|_| noise()).collect())).collect()
}

#[test]
fn a_destroyed_area_is_sealed_only_where_flag_of_its_edition_registration_or_key_say_so() {
    let key = Key::from_text("0123456789abcdef").unwrap();
    let mn = "010000A8900016F000169DC0";
    // What is registered, whether a key is known, ST, MN, Flag: taken?
    let cases: &[(&str, bool, &str, &str, &str, bool)] = &[
        ("", false, "31", mn, "9", true),
        ("", false, "31", mn, "8", true),
        ("", false, "31", mn, "11", true),
        ("", false, "31", mn, "13", false),
        ("", false, "31", mn, "16", false),
        ("", false, "31", mn, "255", false),
        ("", false, "31", mn, "5", false),
        ("", false, "31", mn, "0", false),
        ("", false, "31", mn, "", false),
        // A dialect that the frame shows has an edition of its own.
        ("", false, "21", "A110000_0001", "9", false),
        ("", false, "21", "88888880000001", "9", false),
        ("edition = \"2017\"\n", false, "31", mn, "9", false),
        ("edition = \"2005\"\n", false, "31", mn, "9", false),
        ("dialect = \"2017-always\"\n", false, "31", mn, "9", false),
        ("dialect = \"surface-water\"\n", false, "21", mn, "9", false),
        ("edition = \"2025\"\n", false, "31", mn, "5", true),
        ("edition = \"2025\"\n", false, "31", mn, "13", true),
        ("edition = \"2017\"\nseal = \"standard\"\n", false, "31", mn, "5", true),
        ("edition = \"2017\"\nseal = \"base64\"\n", false, "31", mn, "9", true),
        ("edition = \"2017\"\n", true, "31", mn, "5", true),
        ("", true, "21", "A110000_0001", "9", true),
    ];
    for (facts, keyed, st, mn, flag, wanted) in cases {
        for policy in ["strict", "learn", "off"] {
            let text = format!("[[station]]\nmn = \"{mn}\"\ncrc = \"{policy}\"\n{facts}");
            let registry = registry::load(&[("s.toml".into(), text)], Unknown::Reject).unwrap();
            for bytes in destroyed(st, mn, flag) {
                let step = scan(&bytes, Peer::Resting, &Limits::default());
                let Some(Item::Frame(frame)) = step.item else { panic!("{step:?}") };
                let header = packet::parse(frame.segment);
                let from = "127.0.0.1".parse().unwrap();
                let keys = |_: &_| if *keyed { Arc::from([key.clone()]) } else { Arc::default() };
                let case = format!("{facts} {keyed} {st} {mn} {flag} {policy}");
                match judge(&frame, &header, from, &registry, |_| Learned::default(), |_, _| (), keys) {
                    FrameVerdict::Accepted { deviations, .. } if policy == "off" && !wanted => {
                        assert!(deviations.contains(Deviation::SealedUnspoken), "{case}: the damage is named");
                        assert!(deviations.contains(Deviation::CrcUnchecked), "{case}");
                    }
                    FrameVerdict::Accepted { deviations, .. } => {
                        assert!(*wanted && !deviations.contains(Deviation::SealedUnspoken), "{case}");
                    }
                    FrameVerdict::Refused { reason, detail } => {
                        assert!(!wanted && policy != "off", "{case}");
                        assert_eq!(reason, RejectReason::CrcMismatch);
                        assert!(detail.contains(Deviation::SealedUnspoken), "{case}");
                    }
                }
            }
        }
    }
}

#[test]
fn dust_boxes_and_oil_fume_boxes_are_known_where_nothing_else_could_be_meant() {
    let of = |st: &str, mn: &str, flag: &str, area: &str| {
        let segment = format!("QN=20260401101500000;ST={st};CN=2011;PW=123456;MN={mn};{flag}CP=&&{area}&&");
        unregistered(&format!("##{:04}", segment.len()), &segment).map(|(dialect, _)| dialect)
    };
    let dust = "DataTime=20260401101500;a34004-Rtd=35,a34004-Flag=N;a50001-Rtd=61.2,a50001-Flag=N";
    let fume = "DataTime=20260401101500;a34041-Rtd=0.82,a34041-Flag=N";
    let imei = "861234567890123";
    assert_eq!(of("39", "88888880000001", "", dust).as_deref(), Some("dust-noise"));
    assert_eq!(of("39", imei, "", dust).as_deref(), Some("dust-noise"));
    assert_eq!(of("31", imei, "", fume).as_deref(), Some("oil-fume"));
    // A Flag says what its station wants; ST 23 without Flag is what 2005 says; other codes say nothing.
    assert_eq!(of("39", "88888880000001", "Flag=4;", dust), None);
    assert_eq!(of("39", "88888880000001", "Flag=5;", dust).as_deref(), Some("2017"));
    assert_eq!(of("23", "88888880000001", "", "DataTime=20260401101500;LA-Rtd=61.2"), None);
    assert_eq!(of("31", "88888880000001", "", fume), None);
    assert_eq!(of("31", imei, "", "DataTime=20260401101500;a21026-Rtd=3"), None);
}

#[test]
fn the_head_of_a_dialect_is_data_of_the_station_files() {
    let text = r#"
[[dialect]]
name = "makers-own"
edition = "2017"
answer = "always"
recognise = [{ head = ["blank", "separator"], st = ["32"] }]
"#;
    let registry = registry::load(&[("s.toml".into(), text.into())], Unknown::Accept).unwrap();
    let segment =
        "QN=20260401101500000;ST=32;CN=2011;PW=123456;MN=88888880000001;Flag=4;CP=&&DataTime=20260401101500&&";
    let (length, check) = (segment.len(), hj212::crc::checksum(segment.as_bytes()));
    for (head, own) in [
        (format!("## {length}"), true),
        (format!("##{length:04};"), true),
        (format!("##{length:04},"), true),
        (format!("##{length:04}"), false),
        (format!("##{length}"), false),
        (format!("##{length:04}\r\n"), false),
    ] {
        let bytes = format!("{head}{segment}{check:04X}\r\n").into_bytes();
        let Some(Item::Frame(frame)) = scan(&bytes, Peer::Resting, &Limits::default()).item else { panic!("{head}") };
        let header = packet::parse(frame.segment);
        let from = "127.0.0.1".parse().unwrap();
        let verdict = judge(&frame, &header, from, &registry, |_| Learned::default(), |_, _| (), |_| Arc::default());
        let FrameVerdict::Accepted { dialect, .. } = verdict else { panic!("{head}: {verdict:?}") };
        assert_eq!(dialect.name == "makers-own", own, "{head}");
        assert_eq!(Reply::to(&header, &dialect).is_some(), own, "{head}");
    }
}
