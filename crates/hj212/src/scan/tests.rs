//! Frames however they are cut, and what stands between them.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;
use crate::{fixtures, packet, write};

const SEGMENT: &str =
    "QN=20160801085857223;ST=32;CN=1062;PW=100000;MN=010000A8900016F000169DC0;Flag=5;CP=&&RtdInterval=30&&";
const FRAME: &str = "##0101QN=20160801085857223;ST=32;CN=1062;PW=100000;MN=010000A8900016F000169DC0;Flag=5;CP=&&RtdInterval=30&&1C80\r\n";

/// What was found, owned.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Found {
    Frame { raw: Vec<u8>, segment: Vec<u8>, declared: usize, check: Check, deviations: Deviations },
    Fault { raw: Vec<u8>, reason: FaultReason },
}

impl Found {
    fn of(item: Item<'_>) -> Found {
        match item {
            Item::Frame(Frame { raw, segment, declared, check, deviations }) => {
                Found::Frame { raw: raw.to_vec(), segment: segment.to_vec(), declared, check, deviations }
            }
            Item::Fault(Fault { raw, reason, .. }) => Found::Fault { raw: raw.to_vec(), reason },
        }
    }

    fn is_good(&self) -> bool {
        matches!(self, Found::Frame { check: Check { verdict: CrcVerdict::Right, .. }, .. })
    }
}

/// Plays a stream in pieces, as a connection would: after each piece what can be taken is taken, at the end the peer rests.
fn play<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<Found> {
    play_within(pieces, &Limits::default())
}

fn play_within<'a>(pieces: impl IntoIterator<Item = &'a [u8]>, limits: &Limits) -> Vec<Found> {
    let mut buffer: Vec<u8> = Vec::new();
    let mut found = Vec::new();
    let mut drain = |buffer: &mut Vec<u8>, peer| {
        let mut done = 0;
        loop {
            let step = scan(&buffer[done..], peer, limits);
            if step.used == 0 {
                assert!(step.item.is_none(), "an item that uses nothing");
                break;
            }
            found.extend(step.item.map(Found::of));
            done += step.used;
        }
        buffer.drain(..done);
    };
    for piece in pieces {
        buffer.extend_from_slice(piece);
        drain(&mut buffer, Peer::Sending);
    }
    drain(&mut buffer, Peer::Resting);
    assert!(buffer.is_empty(), "a resting peer leaves nothing undecided: {buffer:?}");
    found
}

/// The stream at once, in pieces of one byte, and cut at every place: always the same.
fn play_cut(stream: &[u8]) -> Vec<Found> {
    let whole = play([stream]);
    assert_eq!(play(stream.chunks(1)), whole, "in single bytes: {}", String::from_utf8_lossy(stream));
    for cut in 0..=stream.len() {
        assert_eq!(play([&stream[..cut], &stream[cut..]]), whole, "cut at {cut}: {}", String::from_utf8_lossy(stream));
    }
    whole
}

/// The only frame in a stream: verdict and codes.
fn one(stream: &[u8]) -> (CrcVerdict, Vec<&'static str>) {
    let found = play_cut(stream);
    let [Found::Frame { check, deviations, .. }] = &found[..] else { panic!("{found:?}") };
    (check.verdict, deviations.iter().map(Deviation::code).collect())
}

fn framed(segment: &str) -> Vec<u8> {
    let mut out = Vec::new();
    write::frame(&mut out, |out| out.extend_from_slice(segment.as_bytes()));
    out
}

/// A frame with any length and check.
fn forged(declared: &str, segment: &[u8], rest: &str) -> Vec<u8> {
    [declared.as_bytes(), segment, rest.as_bytes()].concat()
}

#[test]
fn every_fixture_cut_anywhere_gives_the_same_frame() {
    for fixture in fixtures::all() {
        let whole = play([&fixture.frame[..]]);
        assert_eq!(whole.len(), 1, "{}", fixture.place);
        assert_eq!(play(fixture.frame.chunks(1)), whole, "{}", fixture.place);
        for cut in 0..=fixture.frame.len() {
            assert_eq!(play([&fixture.frame[..cut], &fixture.frame[cut..]]), whole, "{} cut at {cut}", fixture.place);
        }
    }
}

#[test]
fn all_fixtures_in_one_stream_are_found_in_order() {
    let fixtures = fixtures::all();
    let stream: Vec<u8> = fixtures.iter().flat_map(|fixture| fixture.frame.clone()).collect();
    for size in [1, 7, 1000, stream.len()] {
        let found = play(stream.chunks(size));
        assert_eq!(found.len(), fixtures.len());
        for (found, fixture) in found.iter().zip(&fixtures) {
            let Found::Frame { raw, .. } = found else { panic!("{found:?}") };
            assert_eq!(raw, &fixture.frame, "{}", fixture.place);
        }
    }
}

#[test]
fn kind_1_lengths_with_other_than_four_digits() {
    let short = "ST=32;CN=9014;CP=&&&&";
    let check = format!("{:04X}\r\n", crc::checksum(short.as_bytes()));
    assert_eq!(one(&forged("##21", short.as_bytes(), &check)), (CrcVerdict::Right, vec!["length-digits"]));
    assert_eq!(one(&forged("##101", SEGMENT.as_bytes(), "1C80\r\n")), (CrcVerdict::Right, vec!["length-digits"]));
    assert_eq!(one(&forged("##000101", SEGMENT.as_bytes(), "1C80\r\n")), (CrcVerdict::Right, vec!["length-digits"]));
    assert_eq!(one(&forged("##00010101", SEGMENT.as_bytes(), "1C80\r\n")), (CrcVerdict::Right, vec!["head-8-digits"]));
    assert_eq!(one(&forged("##", SEGMENT.as_bytes(), "1C80\r\n")), (CrcVerdict::Right, vec!["length-digits"]));
}

#[test]
fn kind_1_a_length_of_any_number_of_digits_is_a_head_where_a_name_follows() {
    for digits in ["", "1", "10", "101", "0101", "00101", "000101", "123456", "0000101", "123456789", "000000000101"] {
        for (check, verdict) in [("1C80", CrcVerdict::Right), ("1C81", CrcVerdict::Wrong)] {
            let stream = forged(&format!("##{digits}"), SEGMENT.as_bytes(), &format!("{check}\r\n"));
            let (found, codes) = one(&stream);
            assert_eq!(found, verdict, "{digits}");
            assert!(digits.len() == 4 || codes.contains(&"length-digits"), "{digits}: {codes:?}");
        }
    }
    // Without a name two signs and a digit are met anywhere.
    for noise in ["##1x", "##7AB=1", "##1", "#1QN=1", "##1Q=2\r\n"] {
        let stream = [noise.as_bytes(), b"\r\n", FRAME.as_bytes()].concat();
        let found = play_cut(&stream);
        assert!(found.last().is_some_and(Found::is_good), "{noise}: {found:?}");
        assert!(
            !found
                .iter()
                .any(|found| matches!(found, Found::Frame { check, .. } if check.verdict != CrcVerdict::Right))
        );
    }
}

#[test]
fn kind_3_a_check_with_a_name_or_a_mark_before_it_is_an_end_without_a_check() {
    for check in [";1C80", ",1C80", ":1C80", "=1C80", "CRC=1C80", "crc:1C80", "CRC16=1C80", "CRC=7296"] {
        for head in ["##0101", "##0103"] {
            let (verdict, codes) = one(&forged(head, SEGMENT.as_bytes(), &format!("{check}\r\n")));
            assert_eq!(verdict, CrcVerdict::Wrong, "{check}");
            assert!(codes.contains(&"crc-form"), "{check} {codes:?}");
        }
    }
}

#[test]
fn kind_3_where_the_length_is_right_the_area_ends_there_whatever_stands_for_the_check() {
    for tail in ["ABCE1", "ABCE1234", "ABCEABCEABCEABCE", "ABCE 12:00:01.123", "ABCE,ok", "????????????????", "ABCE;0"]
    {
        for end in ["\r\n", "\n", ""] {
            let stream = forged("##0101", SEGMENT.as_bytes(), &format!("{tail}{end}"));
            let found = play_cut(&[&stream[..], FRAME.as_bytes()].concat());
            let [Found::Frame { segment, check, deviations, .. }, good] = &found[..] else {
                panic!("{tail}: {found:?}")
            };
            assert_eq!(
                (segment.as_slice(), check.verdict, check.said),
                (SEGMENT.as_bytes(), CrcVerdict::Wrong, 0),
                "{tail}"
            );
            let codes: Vec<_> = deviations.iter().map(Deviation::code).collect();
            let ending = match end {
                "\r\n" => &["crc-form"][..],
                "\n" => &["ending-lf", "crc-form"],
                _ => &["ending-missing", "crc-form"],
            };
            assert_eq!(codes, ending, "{tail}");
            assert!(good.is_good());
        }
    }
    // The right check and more: what follows it is another thing.
    assert!(play_cut(&forged("##0101", SEGMENT.as_bytes(), "1C80junk\r\n"))[0].is_good());
}

#[test]
fn kind_7_an_end_with_one_or_three_ampersands_is_an_end() {
    for end in ["&", "&&&"] {
        let segment = SEGMENT.replace("30&&", &format!("30{end}"));
        let right = crc::checksum(segment.as_bytes());
        for declared in [segment.len(), segment.len() + 1, 400] {
            for (check, verdict) in [(right, CrcVerdict::Right), (right ^ 0x11, CrcVerdict::Wrong)] {
                let stream = format!("##{declared:04}{segment}{check:04X}\r\n{FRAME}");
                let found = play_cut(stream.as_bytes());
                let [Found::Frame { segment: of, check, .. }, good] = &found[..] else { panic!("{stream}: {found:?}") };
                assert_eq!((of.as_slice(), check.verdict), (segment.as_bytes(), verdict), "{stream}");
                assert!(good.is_good());
                let header = packet::parse(of);
                assert_eq!(header.area, b"RtdInterval=30");
                assert!(header.deviations.contains(Deviation::ClosingOdd));
            }
        }
    }
}

/// What is met at the end of an area in place of `&&`; the last ones are no sign at all.
const AREA_ENDS: [&str; 33] = [
    "&&", "&", "&&&", "&&&&", "$$", "||", "^^", "@@", "##", "~~", "!!", "%%", "**", "++", "??", "]]", "}}", "``", "''",
    "\"\"", "%26%26", "%26", "& &", "&;&", "$", "|", "^", "@", "#", "~", ";&&", ";", "",
];

/// A frame whose area ends so, with that length and check.
fn ended(end: &str, off: isize, check: Option<u16>) -> (String, String, u16) {
    let segment = SEGMENT.replace("30&&", &format!("30{end}"));
    let computed = crc::checksum(segment.as_bytes());
    let declared = segment.len().checked_add_signed(off).unwrap();
    let check = check.map_or(String::new(), |wrong| format!("{:04X}", computed ^ wrong));
    (format!("##{declared:04}{segment}{check}\r\n"), segment, computed)
}

#[test]
fn kind_7_whatever_ends_an_area_with_length_and_check_right_or_wrong_is_a_frame_of_its_station() {
    for end in AREA_ENDS {
        for off in [0, 1, -1, 2, 6, 12, -3, 300] {
            for check in [Some(0), Some(0x11), Some(0xA5A5), None] {
                let (stream, segment, computed) = ended(end, off, check);
                let found = play_cut(format!("{stream}{FRAME}").as_bytes());
                let [Found::Frame { segment: of, check: said, deviations, .. }, good] = &found[..] else {
                    panic!("{stream}: {found:?}")
                };
                assert!(good.is_good(), "{stream}");
                let header = packet::parse(of);
                assert_eq!((header.mn.is_some(), header.cn), (true, Some(1062)), "{stream}");
                let named = deviations.union(header.deviations);
                if check == Some(0) {
                    assert_eq!((said.verdict, said.computed), (CrcVerdict::Right, computed), "{stream}");
                    assert_eq!(of.as_slice(), segment.as_bytes(), "{stream}");
                } else {
                    assert_eq!(said.verdict, CrcVerdict::Wrong, "{stream}");
                }
                assert!(off == 0 || named.contains(Deviation::LengthOff), "{stream}: {named:?}");
                assert!(
                    check.is_some() || named.contains(Deviation::CrcMissing) || of.len() != segment.len(),
                    "{stream}"
                );
                // Nothing of the end is a part of the last value, or it is told that the end is missing.
                let whole = header.area.strip_suffix(b";").unwrap_or(header.area) == b"RtdInterval=30";
                let odd = [Deviation::ClosingOdd, Deviation::ClosingMissing, Deviation::CrcForm];
                let told = odd.iter().any(|odd| named.contains(*odd));
                assert!(told || matches!(end, "&&" | ";&&"), "{stream}: {named:?}");
                assert!(whole || named.contains(Deviation::ClosingMissing), "{stream}: {:?}", header.area);
            }
        }
    }
}

#[test]
fn kind_2_a_wrong_length_is_mended_by_the_closing() {
    for declared in ["##0400", "##0099", "##0100", "##0102", "##0103", "##0105", "##0013", "##9999"] {
        let stream = forged(declared, SEGMENT.as_bytes(), "1C80\r\n");
        assert_eq!(one(&stream), (CrcVerdict::Right, vec!["length-off"]), "{declared}");
        let followed = play_cut(&[&stream[..], FRAME.as_bytes()].concat());
        assert_eq!(followed.iter().filter(|found| found.is_good()).count(), 2, "{declared}: {followed:?}");
    }
    // Characters counted instead of bytes.
    let text = "ST=32;CN=3020;PW=1;MN=1;Flag=4;CP=&&i11001-Info=//清洗管路//&&";
    let check = format!("{:04X}\r\n", crc::checksum(text.as_bytes()));
    let declared = format!("##{:04}", text.chars().count());
    assert_eq!(one(&forged(&declared, text.as_bytes(), &check)), (CrcVerdict::Right, vec!["length-off"]));
    // The mistake of the check is known even so.
    assert_eq!(
        one(&forged("##0400", SEGMENT.as_bytes(), "0759\r\n")),
        (CrcVerdict::Known(Deviation::CrcModbus), vec!["length-off"])
    );
}

#[test]
fn kinds_3_and_4_checks_known_to_be_mistaken_are_named() {
    for (digits, mistake) in [
        ("0759", Deviation::CrcModbus),
        ("5907", Deviation::CrcModbusSwapped),
        ("801C", Deviation::CrcSwapped),
        ("1234", Deviation::CrcDummy),
    ] {
        let stream = forged("##0101", SEGMENT.as_bytes(), &format!("{digits}\r\n"));
        assert_eq!(one(&stream), (CrcVerdict::Known(mistake), vec![]));
    }
    assert_eq!(one(FRAME.replace("1C80", "1c80").as_bytes()), (CrcVerdict::Right, vec!["crc-lowercase"]));
    assert_eq!(one(FRAME.replace("1C80", "1C81").as_bytes()), (CrcVerdict::Wrong, vec![]));
    let small =
        (0..).map(|n| format!("ST=32;CP=&&N={n}&&")).find(|segment| crc::checksum(segment.as_bytes()) < 0x100).unwrap();
    let declared = format!("##{:04}", small.len());
    let digits = format!("{:X}\r\n", crc::checksum(small.as_bytes()));
    let stream = forged(&declared, small.as_bytes(), &digits);
    assert_eq!(one(&stream), (CrcVerdict::Right, vec!["crc-leading-zeros"]));
    assert_eq!(play_cut(&[&stream[..], FRAME.as_bytes()].concat()).len(), 2);
}

#[test]
fn kind_5_endings() {
    let body = FRAME.trim_end();
    for (ending, codes) in [
        ("", vec!["ending-missing"]),
        ("\n", vec!["ending-lf"]),
        ("\r", vec!["ending-cr"]),
        ("\r\n", vec![]),
        ("\r\n\r\n", vec![]),
        ("  \r\n", vec!["ending-spaces"]),
        ("\\r\\n", vec!["ending-literal"]),
        ("**", vec!["ending-stars"]),
        ("**\r\n", vec!["ending-stars"]),
        ("  ", vec!["ending-missing", "ending-spaces"]),
    ] {
        let stream = format!("{body}{ending}");
        assert_eq!(one(stream.as_bytes()), (CrcVerdict::Right, codes), "{ending:?}");
        let twice = play_cut(format!("{stream}{stream}").as_bytes());
        assert_eq!(twice.iter().filter(|found| found.is_good()).count(), 2, "{ending:?}: {twice:?}");
        assert_eq!(twice.len(), 2, "{ending:?}: {twice:?}");
    }
}

#[test]
fn kind_6_a_missing_start_is_found_by_the_length_and_a_name() {
    let bare = &FRAME[2..];
    assert_eq!(one(bare.as_bytes()), (CrcVerdict::Right, vec!["start-missing"]));
    for before in ["#", "noise ", "\r\n\0", FRAME] {
        let found = play_cut(format!("{before}{bare}").as_bytes());
        assert!(found.last().unwrap().is_good(), "{before:?}: {found:?}");
    }
}

#[test]
fn kind_7_spaces_before_the_check_are_read_over() {
    assert_eq!(one(FRAME.replace("1C80", " 1C80").as_bytes()), (CrcVerdict::Right, vec!["spaces"]));
    let open = SEGMENT.trim_end_matches('&');
    let check = format!("{:04X}\r\n", crc::checksum(open.as_bytes()));
    assert_eq!(one(&forged("##0099", open.as_bytes(), &check)), (CrcVerdict::Right, vec![]));
}

#[test]
fn kind_19_long_segments_are_taken_up_to_the_limit() {
    let long = format!("ST=32;CP=&&{}&&", "a21026-Rtd=1.0;".repeat(100));
    assert_eq!(one(&framed(&long)), (CrcVerdict::Right, vec!["segment-long"]));
    let limits = Limits { segment_max: 1024 };
    let found = play_within([&framed(&long)[..], FRAME.as_bytes()], &limits);
    assert!(matches!(&found[0], Found::Fault { reason: FaultReason::TooLong, .. }), "{found:?}");
    assert!(found.last().unwrap().is_good());
}

#[test]
fn kind_21_noise_between_frames_costs_nothing() {
    let registration = "+IPD,8:\0\0AT+CSQ\r\n*#06#868\r\n";
    let found = play_cut(format!("{registration}{FRAME}\u{0}\u{0}{FRAME}0123{FRAME}").as_bytes());
    assert_eq!(found.iter().filter(|found| found.is_good()).count(), 3, "{found:?}");
    let noise: usize = found.iter().map(|found| if let Found::Fault { raw, .. } = found { raw.len() } else { 0 }).sum();
    assert_eq!(noise, registration.len() + 2 + 4, "no byte vanishes");
}

#[test]
fn kind_21_a_frame_cut_off_never_costs_the_next() {
    for kept in 0..FRAME.len() {
        let stream = format!("{}{FRAME}{FRAME}", &FRAME[..kept]);
        let found = play([stream.as_bytes()]);
        assert_eq!(play(stream.as_bytes().chunks(1)), found, "kept {kept}");
        assert!(found.iter().filter(|found| found.is_good()).count() >= 2, "kept {kept}: {found:?}");
    }
    // Two frames interleaved by a DTU: the inner one is whole.
    let (front, back) = FRAME.split_at(50);
    let found = play_cut(format!("{front}{FRAME}{back}{FRAME}").as_bytes());
    assert_eq!(found.iter().filter(|found| found.is_good()).count(), 2, "{found:?}");
}

#[test]
fn a_frame_cut_off_whose_length_ends_with_the_next_frame_does_not_swallow_it() {
    // What is left of the first may end with the very character that the second begins with.
    for kept in ["QN=20160801085857223;ST=32;", "QN=20160801085857223;ST=32;CP=&&i11001-Info=//#"] {
        let declared = kept.len() + FRAME.len() - 6;
        let found = play_cut(format!("##{declared:04}{kept}{FRAME}").as_bytes());
        assert!(matches!(found[..], [Found::Fault { reason: FaultReason::Truncated, .. }, _]), "{found:?}");
        assert!(found[1].is_good(), "{found:?}");
    }
}

#[test]
fn a_resting_peer_gets_a_decision_on_every_prefix() {
    for kept in 1..FRAME.len() {
        let found = play([&FRAME.as_bytes()[..kept]]);
        assert_eq!(found.len(), 1, "kept {kept}: {found:?}");
        let whole = kept >= FRAME.len() - 2;
        assert_eq!(found[0].is_good(), whole, "kept {kept}: {found:?}");
    }
}

#[test]
fn ciphertext_is_framed_by_length_whatever_it_holds() {
    let header = "QN=20240520210700000;ST=31;CN=2051;PW=123456;MN=010000A8900016F000169DC0;Flag=9;CP=&&";
    let nasty = b"\xE4\x9A\r\n##\x80\xFF&&\x00\x01\x02\x03\x8F\x90##0101QN=\xC0\xC1\xC2&&1C80\r\n\x91\x92;=,\x93\x94\x95\x96\x97\x98\x99";
    let mut segment = [header.as_bytes(), nasty].concat();
    segment.extend_from_slice(b"g=N&&");
    // A start with its name inside ciphertext is the one thing that is not believed: 48 bits by chance.
    let harmless: Vec<u8> = String::from_utf8_lossy(&[]).bytes().chain(segment.iter().copied()).collect();
    let harmless = {
        let at = memchr::memmem::find(&harmless, b"##0101QN=").unwrap();
        let mut bytes = harmless;
        bytes[at + 2] = 0xAA;
        bytes
    };
    let declared = format!("##{:04}", harmless.len());
    let stream = forged(&declared, &harmless, "2200\r\n");
    assert_ne!(crc::checksum(&harmless), 0x2200);
    let found = play_cut(&[&stream[..], FRAME.as_bytes()].concat());
    let Found::Frame { raw, check, .. } = &found[0] else { panic!("{found:?}") };
    assert_eq!((raw, check.verdict), (&stream, CrcVerdict::Sealed));
    assert!(found[1].is_good());
}

#[test]
fn printed_ciphertext_may_declare_either_length() {
    let printed =
        fixtures::all().into_iter().find(|fixture| fixture.clause.contains("#4, ciphertext as printed")).unwrap();
    let codes = |stream: &[u8]| one(stream).1;
    assert_eq!(codes(&printed.frame), ["sealed-text"]);
    let text = String::from_utf8(printed.frame.clone()).unwrap();
    let own = text.len() - 12;
    assert_eq!(codes(text.replace("##0234", &format!("##{own:04}")).as_bytes()), ["sealed-text"]);
    assert_eq!(codes(text.replace("##0234", "##0333").as_bytes()), ["length-off", "sealed-text"]);
}

#[test]
fn damaged_plain_frames_are_wrong_and_never_taken_for_encrypted() {
    let plain = fixtures::all().into_iter().find(|fixture| fixture.clause == "A.2 #1").unwrap().frame;
    let log = framed(
        "QN=20160801085857223;ST=32;CN=3020;PW=1;MN=1;Flag=4;CP=&&DataTime=20160801085857;i11001-Info=//清洗管路清洗管路清洗管路清洗管路//&&",
    );
    for frame in [plain, log] {
        for seed in 0..200u8 {
            let mut bytes = frame.clone();
            let area = memchr::memmem::find(&bytes, b"CP=&&").unwrap() + 5;
            let room = bytes.len() - area - 8;
            for hit in 0..=usize::from(seed % 5) {
                bytes[area + (usize::from(seed) * 31 + hit * 17) % room] ^= 0x80 | seed;
            }
            for found in play([&bytes[..]]) {
                if let Found::Frame { check, .. } = found {
                    assert_ne!(check.verdict, CrcVerdict::Sealed, "seed {seed}");
                }
            }
        }
    }
}

#[test]
fn heavier_damage_makes_no_plain_frame_encrypted() {
    let areas = [
        "DataTime=20160801085857;a21026-Rtd=12.30,a21026-Flag=N;a21002-Rtd=3.1,a21002-Flag=N;a01011-Rtd=5.50,a01011-Flag=N",
        "DataTime=20160801085857;i11001-Info=//清洗管路清洗管路清洗管路清洗管路清洗管路清洗管路//",
        "Remark=清洗管路清洗管路清洗管路清洗管路",
        "SB1-RS=1;SB2-RS=0;SB3-RS=1",
    ];
    let mut seed = 3u64;
    let mut dice = |limit: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize % limit
    };
    for hits in [0, 1, 2, 4, 8] {
        for area in areas {
            let mut taken = 0;
            for _ in 0..5_000 {
                let mut bytes = framed(&format!("QN=20160801085857223;ST=32;CN=3020;PW=1;MN=1;Flag=8;CP=&&{area}&&"));
                let (from, end) = (bytes.len() - 8 - area.len(), bytes.len());
                bytes[end - 6..end - 2].copy_from_slice(b"12FE");
                for _ in 0..hits {
                    bytes[from + dice(area.len())] = dice(256) as u8;
                }
                let found = play([&bytes[..]]);
                let sealed =
                    |found: &Found| matches!(found, Found::Frame { check, .. } if check.verdict == CrcVerdict::Sealed);
                taken += usize::from(found.iter().any(sealed));
            }
            // What is left of its names decides: damage must hit them all, and the text between them.
            let most = match (area.len(), hits) {
                (_, 0..=2) | (60.., 4) => 0,
                (60.., _) => 100,
                // One group, and a fourth of it is hit: little is left to tell by.
                _ => 5_000,
            };
            println!("{hits} bytes of {:.12}… hit: {taken} of 5000 taken for encrypted", area);
            assert!(taken <= most, "{hits} hits in {area}: {taken}");
        }
    }
}

#[test]
fn printed_ciphertext_with_something_missing_is_wrong_and_comes_again() {
    let printed =
        fixtures::all().into_iter().find(|fixture| fixture.clause.contains("#4, ciphertext as printed")).unwrap();
    let text = String::from_utf8(printed.frame).unwrap();
    let at = text.find(",0x").unwrap();
    let torn = format!("{}{}", &text[..at], &text[at + 5..]);
    for found in play([torn.as_bytes()]) {
        assert!(!matches!(found, Found::Frame { check, .. } if check.verdict == CrcVerdict::Sealed), "{found:?}");
    }
}

/// HJ 212-2025, 6.4.4: 2051 is encrypted, 3019 is not.
#[test]
fn ciphertext_of_commands_that_are_not_encrypted_is_wrong() {
    let hex = fixtures::all().into_iter().find(|fixture| fixture.clause.contains("#2, ciphertext as bytes")).unwrap();
    let mut bytes = hex.frame;
    let at = memchr::memmem::find(&bytes, b"CN=2051").unwrap();
    bytes[at + 3..at + 7].copy_from_slice(b"3019");
    assert_eq!(one(&bytes).0, CrcVerdict::Wrong);
}

#[test]
fn noise_comes_in_pieces_of_a_fixed_length() {
    let stream = [&[b'x'; 3000][..], FRAME.as_bytes()].concat();
    let found = play([&stream[..]]);
    let lengths: Vec<usize> =
        found.iter().map(|found| if let Found::Fault { raw, .. } = found { raw.len() } else { 0 }).collect();
    assert_eq!(lengths, [1024, 1024, 952, 0]);
    assert_eq!(play(stream.chunks(1)), found);
}

#[test]
fn hostile_streams_take_linear_time() {
    let known = format!("##0099QN={}", "x&&0000\r\n".repeat(3));
    for pattern in [
        "##0",
        "#",
        "##",
        "##9999",
        "##9999QN=",
        "##9999A&&ABCD",
        "##0000A",
        "&&",
        "##9999A&&",
        "=",
        "0000QN=",
        "9999QN=&&0000\r\n",
        "##QN=",
        "\r\n",
        "##0002QN&&FFFF",
        "##9999QN=&&12\r",
        "*",
        "\\",
        " ",
        &known,
    ] {
        let stream: Vec<u8> = pattern.bytes().cycle().take(64 * 1024).collect();
        let started = Instant::now();
        let found = play([&stream[..]]);
        let taken = started.elapsed();
        // A quadratic form takes minutes here.
        assert!(taken < Duration::from_secs(4), "{pattern:?}: {taken:?}");
        let bytes: usize = found
            .iter()
            .map(|found| match found {
                Found::Frame { raw, .. } | Found::Fault { raw, .. } => raw.len(),
            })
            .sum();
        assert!(bytes <= stream.len());
    }
}

#[test]
fn a_slow_peer_costs_no_more_than_its_bytes_allow() {
    let stream: Vec<u8> = b"##9000QN=".iter().chain(b"x&&0000\r\n".iter().cycle().take(9500)).copied().collect();
    let started = Instant::now();
    play(stream.chunks(1));
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
}

/// A piece of a stream: good frames, bad ones, noise from the standard's alphabet and raw.
fn piece() -> impl Strategy<Value = (Vec<u8>, bool)> {
    let good = "(DataTime=20160801085857;)?(a[0-9]{5}-Rtd=[0-9.]{1,6}[,;]){0,6}".prop_map(|area| {
        (
            framed(&format!(
                "QN=20160801085857223;ST=32;CN=2011;PW=1;MN=010000A8900016F000169DC0;Flag=5;CP=&&{area}&&"
            )),
            true,
        )
    });
    let damaged =
        (good.clone(), any::<proptest::sample::Index>(), any::<u8>()).prop_map(|((mut frame, _), at, byte)| {
            let at = at.index(frame.len());
            frame[at] = byte;
            (frame, false)
        });
    let cut = (good.clone(), any::<proptest::sample::Index>()).prop_map(|((mut frame, _), at)| {
        frame.truncate(at.index(frame.len()));
        (frame, false)
    });
    let folded =
        proptest::collection::vec(proptest::sample::select(&b"##&&=;,0123456789ABCDEFQNSTCP\r\n *\\rn{x}"[..]), 0..40);
    let raw = proptest::collection::vec(any::<u8>(), 0..40);
    prop_oneof![
        4 => good,
        1 => damaged,
        1 => cut,
        1 => folded.prop_map(|bytes| (bytes, false)),
        1 => raw.prop_map(|bytes| (bytes, false)),
    ]
}

proptest! {
    #[test]
    fn items_do_not_depend_on_how_the_stream_is_cut(
        pieces in proptest::collection::vec(piece(), 1..8), cuts in proptest::collection::vec(any::<proptest::sample::Index>(), 0..6),
    ) {
        let stream: Vec<u8> = pieces.into_iter().flat_map(|(bytes, _)| bytes).collect();
        let whole = play([&stream[..]]);
        let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).chain([0, stream.len()]).collect();
        places.sort_unstable();
        prop_assert_eq!(play(places.windows(2).map(|pair| &stream[pair[0]..pair[1]])), whole.clone());
        prop_assert_eq!(play(stream.chunks(1)), whole);
    }

    #[test]
    fn an_end_of_any_signs_is_an_end_whatever_length_and_check_say(
        end in "[&$|^@~!%*+?;,.#{}<>]{0,4}", off in -30isize..600, check in proptest::option::of(any::<u16>()),
        line in proptest::sample::select(&["\r\n", "\n", "\r\n\r\n"][..]),
    ) {
        let (stream, ..) = ended(&end, off, check);
        let stream = format!("{}{line}{FRAME}", stream.trim_end());
        let found = play([stream.as_bytes()]);
        prop_assert!(found.last().is_some_and(Found::is_good), "{}: {:?}", stream, found);
        let Found::Frame { segment, check: said, .. } = &found[0] else {
            return Err(TestCaseError::fail(format!("{stream}: {found:?}")));
        };
        let header = packet::parse(segment);
        prop_assert!(header.mn.is_some() && header.cn == Some(1062), "{}", stream);
        prop_assert!(check != Some(0) || said.verdict == CrcVerdict::Right, "{}: {:?}", stream, said);
        prop_assert!(check.is_none_or(|wrong| wrong == 0) || said.verdict != CrcVerdict::Right, "{}", stream);
    }

    #[test]
    fn raw_noise_between_frames_never_loses_a_good_one(
        pieces in proptest::collection::vec((proptest::collection::vec(any::<u8>(), 0..60), "[0-9.]{1,6}"), 1..6),
    ) {
        let mut stream = Vec::new();
        let mut wanted = Vec::new();
        for (noise, value) in pieces {
            stream.extend_from_slice(&noise);
            let frame = framed(&format!("QN=20160801085857223;ST=32;CN=2011;PW=1;MN=1;Flag=5;CP=&&a21026-Rtd={value}&&"));
            stream.extend_from_slice(&frame);
            wanted.push(frame);
        }
        let good: Vec<Vec<u8>> = play([&stream[..]]).into_iter().filter_map(|found| match found {
            Found::Frame { raw, check: Check { verdict: CrcVerdict::Right, .. }, .. } => Some(raw),
            _ => None,
        }).collect();
        prop_assert_eq!(good, wanted);
    }

    #[test]
    fn any_bytes_are_taken_without_panic_and_none_vanish(
        bytes in prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..600),
            proptest::collection::vec(proptest::sample::select(&b"##&&=;,0123456789ABCDEFQNSTCP\r\n *\\rn{x}"[..]), 0..600),
        ],
        segment_max in prop_oneof![Just(9999usize), 0usize..400],
    ) {
        let found = play_within([&bytes[..]], &Limits { segment_max });
        let mut rest: &[u8] = &bytes;
        for found in &found {
            let (Found::Frame { raw, .. } | Found::Fault { raw, .. }) = found;
            while !rest.starts_with(raw) {
                prop_assert!(matches!(rest[0], b'\r' | b'\n' | b' ' | b'\t'));
                rest = &rest[1..];
            }
            rest = &rest[raw.len()..];
            if let Found::Frame { segment, .. } = found {
                let header = packet::parse(segment);
                crate::Fields::default().read(header.area);
            }
        }
        prop_assert!(rest.iter().all(|byte| matches!(byte, b'\r' | b'\n' | b' ' | b'\t')));
    }
}
