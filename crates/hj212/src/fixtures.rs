//! The frames in `fixtures/frames`, for tests: the standards' own examples, with what reading them gives.
//!
//! The files say how they are written. What must stay true: every frame there is read, checked and, unless it is encrypted,
//! written again byte for byte.

#![allow(clippy::unwrap_used, clippy::panic, reason = "for tests")]

use std::path::{Path, PathBuf};

/// One line of a fixture file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fixture {
    /// The file and line, for messages.
    pub place: String,
    /// The edition's year: the name of the folder.
    pub edition: String,
    /// Where the standard prints it.
    pub clause: String,
    /// CN.
    pub cn: u16,
    /// The codes of the deviations that reading it gives.
    pub deviations: Vec<String>,
    /// The bytes on the wire.
    pub frame: Vec<u8>,
}

/// All fixtures, in the order of their files and lines.
pub fn all() -> Vec<Fixture> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/frames");
    let list = |folder: &Path| -> Vec<PathBuf> {
        let mut found: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        found.sort();
        found
    };
    list(&root).iter().flat_map(|edition| list(edition)).flat_map(|file| read(&file)).collect()
}

fn read(file: &Path) -> Vec<Fixture> {
    let edition = file.parent().unwrap().file_name().unwrap().to_string_lossy().into_owned();
    let text = std::fs::read_to_string(file).unwrap();
    let lines = text.lines().enumerate().filter(|(_, line)| !line.starts_with('#') && !line.is_empty());
    lines
        .map(|(number, line)| {
            let place = format!("{edition}/{}:{}", file.file_name().unwrap().to_string_lossy(), number + 1);
            let columns: Vec<&str> = line.split('\t').collect();
            let [clause, cn, deviations, frame] = columns[..] else { panic!("{place}: four columns are needed") };
            Fixture {
                edition: edition.clone(),
                clause: clause.to_owned(),
                cn: cn.parse().unwrap(),
                deviations: deviations.split(',').filter(|code| *code != "-").map(str::to_owned).collect(),
                frame: bytes_of(frame),
                place,
            }
        })
        .collect()
}

/// The bytes that a column says.
pub fn bytes_of(frame: &str) -> Vec<u8> {
    match frame.strip_prefix("hex:") {
        Some(digits) => digits
            .as_bytes()
            .chunks(2)
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect(),
        None => frame.replace("\\r", "\r").replace("\\n", "\n").into_bytes(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::write::Segment;
    use crate::{CrcVerdict, Deviation, Fields, Frame, Item, Limits, Peer, packet, scan};

    fn only_frame(fixture: &Fixture) -> Frame<'_> {
        let step = scan(&fixture.frame, Peer::Sending, &Limits::default());
        let Some(Item::Frame(frame)) = step.item else { panic!("{}: {step:?}", fixture.place) };
        assert_eq!(step.used, fixture.frame.len(), "{}", fixture.place);
        frame
    }

    /// HJ 212-2017, 6.3.1, table 2 and annex C; HJ 212-2025, annex A: length and check of every frame that is printed.
    #[test]
    fn every_fixture_is_framed_checked_and_read_with_the_deviations_it_names() {
        for fixture in all() {
            let frame = only_frame(&fixture);
            let sealed = fixture.clause.contains("ciphertext");
            let verdict = if sealed { CrcVerdict::Sealed } else { CrcVerdict::Right };
            assert_eq!(frame.check.verdict, verdict, "{}", fixture.place);
            let header = packet::parse(frame.segment);
            assert_eq!(header.cn, Some(fixture.cn), "{}", fixture.place);
            let mut deviations = frame.deviations.union(header.deviations);
            if !sealed {
                let mut fields = Fields::default();
                fields.read(header.area);
                deviations = deviations.union(fields.deviations());
            }
            let codes: Vec<&str> = deviations.iter().map(Deviation::code).collect();
            assert_eq!(codes, fixture.deviations, "{}", fixture.place);
        }
    }

    /// HJ 212-2017, 6.3.2, figure 4.
    #[test]
    fn every_plain_fixture_with_a_standard_header_is_written_again_byte_for_byte() {
        let mut count = 0;
        for fixture in all() {
            let frame = only_frame(&fixture);
            let header = packet::parse(frame.segment);
            if header.deviations.iter().any(|odd| odd.kind() == 7 || odd == Deviation::PartsForm) {
                continue;
            }
            let segment = Segment {
                qn: header.qn,
                st: header.st,
                cn: header.cn,
                pw: header.pw,
                mn: header.mn,
                flag: header.flag,
                part: header.part,
                rf: header.rf,
                cp: header.area,
            };
            let mut again = Vec::new();
            segment.frame(&mut again);
            if frame.check.verdict == CrcVerdict::Right {
                assert_eq!(again, fixture.frame, "{}", fixture.place);
            } else {
                // The check of an encrypted frame is over the plain text; all else is the same.
                assert_eq!(again.len(), fixture.frame.len(), "{}", fixture.place);
                assert_eq!(again[..again.len() - 6], fixture.frame[..again.len() - 6], "{}", fixture.place);
            }
            count += 1;
        }
        assert!(count > 80, "only {count}");
    }
}
