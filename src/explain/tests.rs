//! Pastes of `fixtures/pastes`, each with what a person needs.

use super::*;
use crate::protocol::{Item, Limits, Peer, Verdict, scan};

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
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/pastes");
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
