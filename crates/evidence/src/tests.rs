//! References: the tree by its recursive definition in RFC 6962, signatures by the test vectors of RFC 8032, and an independent verifier in
//! Python (`deploy/verify-evidence.py`) that must agree about every changed byte.

use std::io::Cursor;
use std::process::Command;

use super::pack::{End, Head, Line, PackWriter, Shown, Text, end_line};
use super::tree::{Item, Selection, Tree, leaf, node};
use super::*;

/// RFC 6962, section 2.1: the tree of n leaves is that of the largest power of two below n, and that of the rest.
fn reference(leaves: &[Hash]) -> Hash {
    match leaves {
        [one] => *one,
        _ => {
            let half = leaves.len().next_power_of_two() / 2;
            let half = if half == leaves.len() { half / 2 } else { half };
            node(&reference(&leaves[..half]), &reference(&leaves[half..]))
        }
    }
}

#[test]
fn the_tree_is_that_of_rfc_6962_whatever_is_shown_of_it() {
    let leaves: Vec<Hash> = (0..70).map(|n| leaf(n, 1, 2, b"x")).collect();
    for count in 1..=leaves.len() {
        let mut plain = Tree::default();
        assert!(leaves[..count].iter().all(|leaf| plain.push(0, *leaf)));
        assert_eq!(plain.root(), reference(&leaves[..count]), "{count}");
        for every in [1, 2, 3, 7, 31, 100] {
            let mut selection = Selection::default();
            for (at, leaf) in leaves[..count].iter().enumerate() {
                selection.push(*leaf, (at % every == every - 1).then_some(at));
            }
            let (root, items) = selection.finish();
            assert_eq!(root, plain.root());
            let mut again = Tree::default();
            let mut shown = 0;
            for item in items {
                assert!(match item {
                    Item::Node(height, hash) => again.push(height, hash),
                    Item::Leaf(at) => {
                        assert_eq!(again.count(), at as u64);
                        shown += 1;
                        again.push(0, leaves[at])
                    }
                });
            }
            assert_eq!((again.root(), again.count(), shown), (root, count as u64, count / every));
        }
    }
    let mut tree = Tree::default();
    assert!(tree.push(0, leaves[0]) && !tree.push(1, leaves[1]), "a tree of two leaves stands at even places alone");
    assert!(!tree.push(64, leaves[1]) && !tree.push(255, leaves[1]));
}

/// RFC 8032, section 7.1, tests 1 to 3: seed, public key, message, signature.
const VECTORS: [(&str, &str, &str, &str); 3] = [
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
];

fn bytes(hex: &str) -> Vec<u8> {
    data_encoding::HEXLOWER.decode(hex.as_bytes()).unwrap()
}

#[test]
fn signatures_are_those_of_rfc_8032() {
    for (seed, public, message, signature) in VECTORS {
        let signer = Signer::of(&bytes(seed)).unwrap();
        assert_eq!((signer.public().as_str(), signer.sign(&bytes(message)).as_str()), (public, signature));
        assert!(is_signed(public, &bytes(message), signature));
        assert!(!is_signed(public, b"another", signature) && !is_signed("", b"", signature));
    }
    assert!(Signer::of(b"short").is_none());
    let calls: Vec<String> = VECTORS
        .iter()
        .map(|(_, key, message, signature)| format!("v.signed('{key}', bytes.fromhex('{message}'), '{signature}')"))
        .collect();
    let out = python(
        &format!("print([{}], v.signed('{}', b'another', '{}'))", calls.join(","), VECTORS[0].1, VECTORS[0].3),
        &[],
    );
    assert_eq!(out.trim(), "[True, True, True] False");
}

/// Runs `code` with the independent verifier as module `v` and `input` in `data`.
fn python(code: &str, input: &[u8]) -> String {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/verify-evidence.py");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pack");
    std::fs::write(&file, input).unwrap();
    let program = format!(
        "import importlib.util as u\nspec = u.spec_from_file_location('v', {root:?})\nv = u.module_from_spec(spec)\nspec.loader.exec_module(v)\n\
         data = open({:?}, 'rb').read()\n{code}",
        file.display().to_string()
    );
    let out = Command::new("python3").args(["-B", "-c", &program]).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap()
}

fn signer() -> Signer {
    Signer::of(&[7; 32]).unwrap()
}

/// A journal of `spans` spans of seven records, of which every third is shown; `change` sees each record before it is packed.
fn made(spans: u64, signer: &Signer, change: impl Fn(&mut Shown)) -> Vec<u8> {
    let head = Head {
        schema: pack::SCHEMA.into(),
        gateway: "ah-01".into(),
        journal: "00112233445566778899aabbccddeeff".into(),
        mn: "010000A8900016F000169DC1".into(),
        from: "2026-06-01T00:00:00+08:00".into(),
        to: "2026-06-02T00:00:00+08:00".into(),
        made_at: "2026-06-03T00:00:00+08:00".into(),
        version: "0.1.0".into(),
    };
    let mut writer = PackWriter::begin(Vec::new(), &head).unwrap();
    writer.put(&Line::Rules(Text::of("h17", "版本一"))).unwrap();
    let (mut previous, mut name, mut offset) = ([9; 32], "0".repeat(64), 0);
    for span in 1..=spans {
        let mut selection = Selection::default();
        let first = offset + 1;
        for _ in 0..7 {
            offset += 1;
            let (time, kind, body) = (offset as i64 * 1_000_000 - 3_000_000, 1, format!("##记录{offset}"));
            let hash = tree::chain(&previous, offset, time, kind, body.as_bytes());
            let known = (offset != 8).then_some(&previous);
            let mut shown = Shown::of(offset, time, kind, body.as_bytes(), &hash, known);
            change(&mut shown);
            selection.push(leaf(offset, time, kind, body.as_bytes()), (offset % 3 != 0).then_some(shown));
            previous = hash;
        }
        let (root, items) = selection.finish();
        let mut anchor = Anchor {
            schema: String::new(),
            gateway: "ah-01".into(),
            journal: head.journal.clone(),
            number: span,
            day: format!("2026-06-0{span}"),
            made_at: "2026-06-02T00:05:00+08:00".into(),
            first,
            last: offset,
            count: 7,
            root: hex(&root),
            head: hex(&previous),
            previous: name,
            key: String::new(),
            signature: String::new(),
        };
        signer.sign_anchor(&mut anchor);
        name = anchor.name();
        writer.anchored(&anchor, items).unwrap();
    }
    writer.put(&Line::Text("说明第一行".into())).unwrap();
    writer.finish(signer).unwrap()
}

fn check(pack: &[u8], trust: &Trust) -> Result<Report, Difference> {
    verify(Cursor::new(pack), trust)
}

#[test]
fn a_good_pack_is_good_for_both_verifiers() {
    let pack = made(3, &signer(), |_| {});
    let report = check(&pack, &Trust::default()).unwrap();
    assert_eq!((report.anchors.len(), report.records, report.chained, report.compared), (3, 14, 13, 0));
    assert_eq!((report.keys.len(), report.text), (1, vec!["说明第一行".to_owned()]));
    let out = python("line, c = v.verify(data)\nprint(line, len(c.anchors), c.records, c.chained, c.text)", &pack);
    assert_eq!(out.trim(), "None 3 14 13 ['说明第一行']");
    let trust = Trust { keys: vec![signer().public()], anchors: report.anchors };
    assert_eq!(check(&pack, &trust).unwrap().compared, 3);
}

#[test]
fn a_changed_bit_of_any_byte_is_found_by_both_verifiers() {
    let pack = made(2, &signer(), |_| {});
    for at in 0..pack.len() {
        for bit in [0, at % 7 + 1] {
            let mut changed = pack.clone();
            changed[at] ^= 1 << bit;
            assert!(check(&changed, &Trust::default()).is_err(), "byte {at} bit {bit}");
        }
    }
    for cut in 0..pack.len() {
        assert!(check(&pack[..cut], &Trust::default()).is_err(), "cut at {cut}");
    }
    for more in [&b"\n"[..], b"{}", b"{\"text\":\"x\"}\n"] {
        assert!(check(&[&pack[..], more].concat(), &Trust::default()).is_err());
    }
    let code = "
bad = [at for at in range(len(data)) for bit in (0, at % 7 + 1)
       if v.verify(data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1:])[0] is None]
bad += [at for at in range(0, len(data), 11) if v.verify(data[:at])[0] is None]
bad += [more for more in (b'\\n', b'{}', b'{\"text\":\"x\"}\\n') if v.verify(data + more)[0] is None]
print(bad, len(data))";
    assert_eq!(python(code, &pack).trim(), format!("[] {}", pack.len()));
}

/// The pack with another last line, as somebody writes it who has the means to sign anew.
fn signed_anew(pack: &[u8], signer: &Signer) -> Vec<u8> {
    use sha2::{Digest, Sha256};
    let text = std::str::from_utf8(pack).unwrap();
    let (before, _) = text.trim_end().rsplit_once('\n').unwrap();
    let before = format!("{before}\n");
    let sha256 = hex(&Sha256::digest(&before));
    let signature = signer.sign(pack::end_text(&sha256).as_bytes());
    let end = End { lines: before.lines().count() as u64, sha256, key: signer.public(), signature };
    (before + &end_line(&end)).into_bytes()
}

#[test]
fn who_can_sign_a_pack_anew_still_cannot_change_what_is_anchored() {
    let mine = signer();
    let other = Signer::of(&[8; 32]).unwrap();
    let good = made(3, &mine, |_| {});
    let replaced = |from: &str, to: &str| String::from_utf8(good.clone()).unwrap().replacen(from, to, 1).into_bytes();
    let without = |line: &str| -> Vec<u8> {
        let text = String::from_utf8(good.clone()).unwrap();
        text.split_inclusive('\n').filter(|l| !l.starts_with(line)).collect::<String>().into_bytes()
    };
    let base64 = |text: &str| data_encoding::BASE64.encode(text.as_bytes());
    let cases = [
        ("a body", replaced(&base64("##记录4"), &base64("##记录5"))),
        ("a time", replaced("\"time\":1000000", "\"time\":1000001")),
        ("a kind", replaced("\"kind\":1", "\"kind\":2")),
        ("an anchor's count", replaced("\"count\":7", "\"count\":8")),
        ("an anchor's day", replaced("2026-06-01\"", "2026-06-09\"")),
        ("a rule", replaced("版本一", "版本二")),
        ("a record left out", without("{\"record\":{\"offset\":10,")),
        ("a node left out", without("{\"node\"")),
        ("the journal", replaced("00112233", "00112234")),
    ];
    for (what, changed) in cases {
        let forged = signed_anew(&changed, &other);
        let found = check(&forged, &Trust::default()).expect_err(what);
        let out = python("line, what = v.verify(data)\nprint(line)", &forged);
        assert_eq!(out.trim(), found.line.to_string(), "{what}: {found}");
    }
    // Whoever makes all of it anew needs a key that others believe, or that gives the anchors that others kept.
    let forged = made(3, &other, |_| {});
    assert!(check(&forged, &Trust::default()).is_ok());
    let trust = Trust { keys: vec![mine.public()], anchors: Vec::new() };
    assert!(check(&forged, &trust).is_err());
    assert!(python(&format!("print(v.verify(data, keys=['{}'])[0])", mine.public()), &forged).trim() != "None");
    let mut kept = check(&good, &Trust::default()).unwrap().anchors;
    kept[1].root = "11".repeat(32);
    let trust = Trust { keys: Vec::new(), anchors: kept };
    assert!(check(&good, &trust).unwrap_err().zh.contains("另存"));
}

#[test]
fn bytes_that_are_no_pack_are_an_error_and_no_panic() {
    for wrong in [&b""[..], b"\n", b"{}\n", b"[1]\n", b"\xff\n", b"{\"end\":{}}\n", b"{\"text\":\"x\"}\n"] {
        assert!(check(wrong, &Trust::default()).is_err());
        assert!(python("print(v.verify(data)[0])", wrong).trim() != "None");
    }
}
