//! Pastes of `fixtures/pastes`, each with what a person needs.

use super::*;
use hj212::{Item, Limits, Peer, Verdict, scan};

/// The checks of all frames in `bytes`, and what the changes say to write.
fn found(bytes: &[u8]) -> (String, Vec<String>) {
    let (mut checks, mut changes) = (Vec::new(), Vec::new());
    let mut rest = bytes;
    while !rest.is_empty() {
        let step = scan(rest, Peer::Resting, &Limits::default());
        rest = &rest[step.used.max(1)..];
        if let Some(Item::Frame(frame)) = step.item {
            checks.push(match frame.check.verdict {
                Verdict::Right => "right",
                Verdict::Wrong => "wrong",
                Verdict::Sealed => "sealed",
                Verdict::Known(mistake) => mistake.code(),
            });
            changes.extend(advice(&frame).into_iter().map(|advice| advice.to));
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
    assert_eq!(count, 60);
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

mod plain_ends {
    use proptest::prelude::*;

    use super::super::{Desk, Told};
    use hj212::{Limits, Peer, scan};
    use hj212_model::message::Timestamp;

    proptest! {
        /// Whatever ends plainly is named with MN, CN, both lengths and both checks, however wrong length and check are, between good ones.
        /// A length of a single digit is no head to the scanner yet: such bytes are noise.
        #[test]
        fn whatever_ends_plainly_is_explained(
            length in "[0-9]{4}|([0-9]{2,3})?|[0-9]{5}", check in "[0-9A-Za-z]{0,4}", mn in "[0-9A-F]{24}|[0-9]{14}", cn in 2011u16..2062,
            items in proptest::collection::vec("w01018-(Rtd|Avg)=[0-9]{1,3}\\.[0-9]{1,2}", 0..8),
        ) {
            let area = [vec!["DataTime=20260401101500".to_owned()], items].concat().join(";");
            let segment = format!("QN=20260401101500000;ST=32;CN={cn};PW=123456;MN={mn};Flag=5;CP=&&{area}&&");
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
                        && packet.crc_computed.len() == 4 && packet.crc_said.len() == 4
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
