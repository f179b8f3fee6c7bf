//! The standard's own vectors, both wire forms, and a stream of ciphertext that holds all that could end a frame.

use super::*;
use crate::protocol::{Item, Limits, Peer, Verdict, fixtures};

fn key() -> Key {
    Key::from_text("0000000000000000").unwrap()
}

#[test]
fn the_vector_of_gb_t_32907() {
    let mut block = *b"\x01\x23\x45\x67\x89\xAB\xCD\xEF\xFE\xDC\xBA\x98\x76\x54\x32\x10";
    let key = Key::from_bytes(block);
    key.seal(&mut block);
    assert_eq!(block, *b"\x68\x1E\xDF\x34\xD2\x06\x96\x5E\x86\xB3\xE9\x4F\x53\x6E\x42\x46");
    assert_eq!(Key::from_text("hex:0123456789ABCDEFFEDCBA9876543210"), Ok(key));
}

#[test]
fn annex_a_2_is_sealed_and_opened_byte_for_byte() {
    let all = fixtures::all();
    for (plain, bytes, text) in [
        ("A.2 #1", "#2, ciphertext as bytes", "#2, ciphertext as printed"),
        ("A.2 #3", "#4, ciphertext as bytes", "#4, ciphertext as printed"),
    ] {
        let find = |clause: &str| all.iter().find(|f| f.clause.contains(clause)).unwrap().frame.clone();
        let plain = find(plain);
        let segment = &plain[6..plain.len() - 6];
        let mut sealed = Vec::new();
        frame(&mut sealed, segment, &key()).unwrap();
        assert_eq!(sealed, find(bytes));
        for wire in [sealed, find(text)] {
            let Some(Item::Frame(found)) = scan::scan(&wire, Peer::Sending, &Limits::default()).item else { panic!() };
            assert!(looks_sealed(&found));
            let wrong = Key::from_bytes([7; GROUP]);
            let opened = open(found.segment, found.check.said, [&wrong, &key()]).unwrap();
            assert_eq!((opened.segment.as_slice(), opened.key, opened.checked), (segment, 1, CheckedOver::Plain));
            assert_eq!(open(found.segment, found.check.said, [&wrong]), Err(Unsealed::Key));
        }
    }
}

#[test]
fn a_check_over_the_sealed_bytes_is_accepted_and_named() {
    let plain = b"QN=20240520210700000;ST=31;CN=2051;PW=123456;MN=010000A8900016F000169DC0;Flag=9;CP=&&DataTime=20240520210700;a21026-Avg=1.1&&";
    let mut sealed = Vec::new();
    frame(&mut sealed, plain, &key()).unwrap();
    let segment = &sealed[6..sealed.len() - 6];
    let opened = open(segment, crc::checksum(segment), [&key()]).unwrap();
    assert_eq!((opened.segment.as_slice(), opened.checked), (&plain[..], CheckedOver::Sealed));
    assert_eq!(open(b"no area", 0, [&key()]), Err(Unsealed::Area));
    assert_eq!(open(b"CN=2011;CP=&&{0xE4,0x3E}&&", 0, [&key()]), Err(Unsealed::Groups));
}

#[test]
fn a_key_is_never_printed() {
    assert_eq!(format!("{:?}", key()), "Key(***)");
    for wrong in ["", "short", "12345678901234567", "123456789012345;", "hex:00"] {
        assert_eq!(Key::from_text(wrong), Err(Unsealed::KeyForm));
    }
}

/// 20,000 frames, or as many as `HJ212_SEALED_FRAMES` says, whose ciphertext holds what ends lines, fields and frames elsewhere.
#[test]
fn no_sealed_frame_is_misframed_whatever_its_ciphertext_holds() {
    let count: u32 = std::env::var("HJ212_SEALED_FRAMES").ok().and_then(|n| n.parse().ok()).unwrap_or(20_000);
    let bait: [&[u8]; 4] = [b"\r\n", b"##", b"&&", b";"];
    let (mut seed, mut held) = (1u64, [0u32; 4]);
    for number in 0..count {
        let mut noise = || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) as usize
        };
        // The ciphertext is chosen and its plain text is whatever it is: so every frame holds all four.
        let mut area: Vec<u8> = (0..16 * (4 + noise() % 30)).map(|_| noise() as u8).collect();
        for (place, bait) in bait.iter().enumerate() {
            let at = (16 + noise() % 12) + place * 12;
            area[at..at + bait.len()].copy_from_slice(bait);
            held[place] += 1;
        }
        for byte in &mut area[..16] {
            *byte |= 0x80;
        }
        // `##`, digits and a letter inside are taken for the next frame after one that was cut off, which is what a broken
        // connection leaves behind. It is the one thing that ciphertext must not hold here.
        for at in 2..area.len() {
            if area[at - 2..at] == *b"##" && area[at].is_ascii_digit() {
                area[at] |= 0x80;
            }
        }
        let mut opened = area.clone();
        key().open(&mut opened);
        area.extend_from_slice(&b"g=N"[..noise() % 4]);
        let mut plain =
            b"QN=20240520210700000;ST=31;CN=2051;PW=123456;MN=010000A8900016F000169DC0;Flag=9;CP=&&".to_vec();
        let from = plain.len();
        plain.extend_from_slice(&opened);
        plain.extend_from_slice(area.get(opened.len()..).unwrap_or_default());
        plain.extend_from_slice(b"&&");
        let mut wire = Vec::new();
        frame(&mut wire, &plain, &key()).unwrap();
        assert_eq!(&wire[6 + from..6 + from + area.len()], &area[..]);
        let length = wire.len();
        wire.extend_from_slice(b"##0087QN=");
        let step = scan::scan(&wire, Peer::Sending, &Limits::default());
        let Some(Item::Frame(found)) = step.item else { panic!("frame {number}: {step:?}") };
        assert_eq!((step.used, found.segment.len()), (length, plain.len()), "frame {number}");
        assert!(matches!(found.check.verdict, Verdict::Sealed | Verdict::Right), "frame {number}: {:?}", found.check);
    }
    assert!(held.iter().all(|held| *held == count));
}
