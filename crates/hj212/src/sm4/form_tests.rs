//! The forms that the standard does not know: written, filled up, checked and measured in every way, told, opened and not opened.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "for tests")]

use super::*;
#[cfg(test)]
use crate::{CrcVerdict, Item, Limits, Peer, scan};

/// One way of sending an encrypted area.
#[derive(Debug, Clone, Copy)]
pub struct Way {
    /// `bytes`, `printed`, `base64`, `lines` (base64 with line ends), `url` (base64 for URLs without `=`), `hex`, `HEX`, `blanks`.
    pub written: &'static str,
    /// `none`, `pkcs7`, `zero`, `x923`, `iso`.
    pub padding: &'static str,
    /// What the check is over: `plain`, `filled`, `wire`.
    pub check: &'static str,
    /// What the head's length is of: `plain`, `wire`.
    pub length: &'static str,
}

/// All of them that are not the standard's.
pub fn ways() -> Vec<Way> {
    let mut all = Vec::new();
    for written in ["bytes", "printed", "base64", "lines", "url", "hex", "HEX", "blanks"] {
        for padding in ["none", "pkcs7", "zero", "x923", "iso"] {
            for check in ["plain", "filled", "wire"] {
                for length in ["plain", "wire"] {
                    let standard = padding == "none" && matches!(written, "bytes" | "printed");
                    if !(standard || check == "filled" && padding == "none") {
                        all.push(Way { written, padding, check, length });
                    }
                }
            }
        }
    }
    all
}

impl Way {
    /// The name that the form has in the registration; `None`: it has none.
    pub fn seal(self) -> Option<SealForm> {
        let writing = match self.written {
            "bytes" | "printed" => None,
            "base64" | "lines" | "url" => Some("base64"),
            _ => Some("hex"),
        };
        let padding = match self.padding {
            "none" => None,
            "x923" | "iso" => return None,
            known => Some(known),
        };
        let name: Vec<&str> = writing.into_iter().chain(padding).collect();
        name.join("+").parse().ok()
    }

    /// The reason that an unregistered station's record has.
    pub fn reason(self) -> &'static str {
        match (self.written, self.padding) {
            ("base64" | "lines" | "url", _) => "sealed-base64",
            ("hex" | "HEX" | "blanks", _) => "sealed-hex",
            (_, "pkcs7") => "sealed-padding-pkcs7",
            (_, "zero") => "sealed-padding-zero",
            _ => "sealed-padding-other",
        }
    }

    /// Whether the area is filled up in a way of its own: no zero at all is none, and one byte of X9.23 is one of PKCS7.
    pub fn is_told(self, area: &str) -> bool {
        !matches!((self.padding, area.len() % GROUP), ("zero", 0) | ("x923", 15))
    }

    /// The frame of the plain segment `head` `area` `&&`.
    pub fn frame(self, head: &str, area: &str, key: &Key) -> Vec<u8> {
        let mut bytes = area.as_bytes().to_vec();
        let missing = GROUP - bytes.len() % GROUP;
        let count = u8::try_from(missing).unwrap();
        match self.padding {
            "pkcs7" => bytes.extend(std::iter::repeat_n(count, missing)),
            "zero" => bytes.extend(std::iter::repeat_n(0, missing % GROUP)),
            "x923" => {
                bytes.extend(std::iter::repeat_n(0, missing - 1));
                bytes.push(count);
            }
            "iso" => {
                bytes.push(0x80);
                bytes.extend(std::iter::repeat_n(0, missing - 1));
            }
            _ => {}
        }
        let filled = [head.as_bytes(), &bytes, b"&&"].concat();
        key.seal(&mut bytes);
        let written = match self.written {
            "bytes" => bytes,
            "printed" => {
                let (groups, rest) = bytes.split_at(bytes.len() / GROUP * GROUP);
                let digits: Vec<String> = groups.iter().map(|byte| format!("0x{byte:02X}")).collect();
                [format!("{{{}}}", digits.join(",")).as_bytes(), rest].concat()
            }
            "hex" => bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into_bytes(),
            "HEX" => bytes.iter().map(|byte| format!("{byte:02X}")).collect::<String>().into_bytes(),
            "blanks" => bytes.iter().map(|byte| format!("{byte:02X} ")).collect::<String>().trim_end().into(),
            "lines" => base64_of(&bytes).as_bytes().chunks(76).collect::<Vec<_>>().join(&b"\r\n"[..]),
            "url" => base64_of(&bytes).replace('+', "-").replace('/', "_").trim_end_matches('=').into(),
            _ => base64_of(&bytes).into_bytes(),
        };
        let wire = [head.as_bytes(), &written, b"&&"].concat();
        let plain = format!("{head}{area}&&");
        let over = match self.check {
            "plain" => crc::checksum(plain.as_bytes()),
            "filled" => crc::checksum(&filled),
            _ => crc::checksum(&wire),
        };
        let length = if self.length == "plain" { plain.len() } else { wire.len() };
        [format!("##{length:04}").as_bytes(), &wire, format!("{over:04X}\r\n").as_bytes()].concat()
    }
}

fn base64_of(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let number = three.iter().fold(0u32, |all, byte| all << 8 | u32::from(*byte)) << (8 * (3 - three.len()));
        for at in 0..4 {
            let digit = DIGITS[(number >> (18 - 6 * at) & 63) as usize];
            text.push(if at > three.len() { '=' } else { char::from(digit) });
        }
    }
    text
}

pub const HEAD: &str = "QN=20260601120000001;ST=31;CN=2051;PW=123456;MN=010000A8900016F000169DC0;Flag=9;CP=&&";

/// Areas of every length of the last group; shorter ones than three groups among them.
pub fn areas() -> impl Iterator<Item = String> {
    let long =
        (0..GROUP).map(|more| format!("DataTime=20260601115000;a21026-Avg=1.{},a21026-Flag=N", "5".repeat(more + 1)));
    long.chain(["DataTime=20260601115000".to_owned()])
}

#[cfg(test)]
fn key() -> Key {
    Key::from_text("0123456789abcdef").unwrap()
}

/// `openssl enc -sm4-ecb -base64 -A` and `| xxd -p` of openssl 3.0, key `0123456789abcdef`; they fill up by PKCS7.
#[test]
fn what_openssl_gives_is_told_and_opened() {
    let area = "DataTime=20260601120000;a21026-Avg=10.25,a21026-Flag=N";
    let base64 = "KfehkNcl+HrPhzQnrhDKRFTQ+1DN5bi5QQSdWdIGoi2ZOpiitK6Unb3Qo4imMXV4OchFueHU5pO9PTb23yWiCg==";
    let hex = "29f7a190d725f87acf873427ae10ca4454d0fb50cde5b8b941049d59d206a22d993a98a2b4ae949dbdd0a388a631757839c845b9e1d4e693bd3d36f6df25a20a";
    for (text, form) in [(base64, "base64+pkcs7"), (hex, "hex+pkcs7")] {
        let segment = format!("{HEAD}{text}&&");
        let plain = format!("{HEAD}{area}&&");
        let said = crc::checksum(segment.as_bytes());
        let form = form.parse().unwrap();
        assert_eq!(form_of(segment.as_bytes(), said, [&key()]), Some(form));
        let opened = open_as(form, segment.as_bytes(), said, [&key()]).unwrap();
        assert_eq!(String::from_utf8(opened.segment).unwrap(), plain);
    }
}

#[test]
fn every_form_is_framed_told_and_opened_where_it_is_registered_and_nowhere_else() {
    let foreign = Key::from_text("keyBkeyBkeyBkeyB").unwrap();
    let mut seen = 0;
    for way in ways() {
        for area in areas() {
            let wire = way.frame(HEAD, &area, &key());
            if !way.is_told(&area) {
                continue;
            }
            let step = scan::scan(&wire, Peer::Sending, &Limits::default());
            let Some(Item::Frame(found)) = step.item else { panic!("{way:?} {area}: {step:?}") };
            assert_eq!(found.raw.len(), wire.len(), "{way:?} {area}");
            // There are 256 checks: that over the plain text is that over the wire at times.
            let right = found.check.said == found.check.computed;
            assert_eq!(
                found.check.verdict,
                if right { CrcVerdict::Right } else { CrcVerdict::Sealed },
                "{way:?} {area}"
            );
            assert!(right || way.check != "wire", "{way:?} {area}");
            assert!(looks_sealed(&found), "{way:?} {area}");
            let (segment, said) = (found.segment, found.check.said);
            assert_eq!(open(segment, said, [&key()]), Err(Unsealed::Key), "{way:?} {area}");
            assert!(!is_damaged(segment, said, [&key()]), "{way:?} {area}");
            assert!(!is_damaged(segment, said, [&foreign]), "{way:?} {area}");
            assert_eq!(form_of(segment, said, [&foreign]), None, "{way:?} {area}");
            assert_eq!(key_of(segment, said, [&foreign, &key()]), Some(1), "{way:?} {area}");
            let told = form_of(segment, said, [&foreign, &key()]);
            if way.seal().is_some() {
                assert_eq!(told, way.seal(), "{way:?} {area}");
            } else {
                assert_eq!(told.and_then(|form| form.padding), Some(Padding::Other), "{way:?} {area}");
            }
            if let Some(form) = way.seal() {
                let opened = open_as(form, segment, said, [&foreign, &key()]).unwrap();
                assert_eq!(opened.segment, format!("{HEAD}{area}&&").into_bytes(), "{way:?}");
                assert_eq!((opened.key, opened.form), (1, form), "{way:?}");
            }
            seen += 1;
        }
    }
    assert!(seen > 3_000, "{seen}");
}

#[test]
fn a_registered_form_still_reads_the_standards_and_parts_of_itself() {
    let plain = format!("{HEAD}DataTime=20260601115000;a21026-Avg=1.5&&");
    let mut wire = Vec::new();
    frame(&mut wire, plain.as_bytes(), &key()).unwrap();
    let all: SealForm = "base64+pkcs7".parse().unwrap();
    let segment = &wire[6..wire.len() - 6];
    let opened = open_as(all, segment, crc::checksum(plain.as_bytes()), [&key()]).unwrap();
    assert_eq!((opened.segment, opened.form), (plain.into_bytes(), SealForm::default()));
    for part in [("base64", "none"), ("bytes", "pkcs7")] {
        let way = Way { written: part.0, padding: part.1, check: "wire", length: "wire" };
        let wire = way.frame(HEAD, "DataTime=20260601115000", &key());
        let segment = &wire[6..wire.len() - 6];
        assert_eq!(open_as(all, segment, crc::checksum(segment), [&key()]).unwrap().form, way.seal().unwrap());
    }
}

#[test]
fn text_that_holds_a_field_or_too_little_is_not_taken_for_ciphertext() {
    for area in [
        "DataTime=20260601115000",
        "PolId=a34013",
        "a21026",
        "0123456789ABCDEF",
        "aGVsbG8gd29ybGQ=",
        "RtdInterval=",
        "abcdefghijklmnopqrstuvwxyz;abcdefghijklmnopqrstuvwxyz",
        "hex of text: 4461746154696D653D3230323630363031313135303030",
        "4461746154696D653D32303236303630313131353030303B613231303236",
    ] {
        let segment = format!("{HEAD}{area}&&");
        assert_eq!(packet::parse(segment.as_bytes()).sealed, None, "{area}");
    }
    // Commands that the standard does not encrypt are not looked at.
    let text = "KfehkNcl+HrPhzQnrhDKRFTQ+1DN5bi5QQSdWdIGoi2ZOpiitK6Unb3Qo4imMXV4OchFueHU5pO9PTb23yWiCg==";
    assert!(packet::parse(format!("{HEAD}{text}&&").as_bytes()).sealed.is_some());
    let other = HEAD.replace("CN=2051", "CN=1072");
    assert_eq!(packet::parse(format!("{other}{text}&&").as_bytes()).sealed, None);
}
