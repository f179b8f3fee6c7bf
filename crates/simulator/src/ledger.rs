//! Lines that outlive a crash of either side: what was acknowledged, what was sent.
//!
//! One line a frame: `MN TAB QN TAB CN TAB DataTime TAB CRC-32 of the data segment (eight hexadecimal digits)`. QN is empty for
//! 2005 uploads, which carry none. What must stay true: a line is in the file (handed to the system in one write, append mode)
//! before the frame counts; an acknowledged line is written only after the answer has arrived.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use super::flight::Note;

/// An append-only file of notes, shared by all stations.
#[derive(Debug)]
pub(crate) struct Ledger {
    file: File,
    path: PathBuf,
}

/// The ledger cannot be kept. The run ends: a crash test without its ledger proves nothing.
#[derive(Debug, thiserror::Error)]
#[error("cannot append to {path}: {error}; give --ledger, --sent and --commands files in a folder that can be written")]
pub struct LedgerError {
    path: PathBuf,
    error: std::io::Error,
}

impl Ledger {
    /// Opens `path` for appending, and creates it if it is missing.
    pub(crate) fn open(path: &Path) -> Result<Self, LedgerError> {
        let file = OpenOptions::new().create(true).append(true).open(path);
        file.map(|file| Ledger { file, path: path.to_owned() }).map_err(|error| failed(path, error))
    }

    /// Appends one line. In append mode a single write is whole among other writers.
    pub(crate) fn write(&self, mn: &str, note: &Note) -> Result<(), LedgerError> {
        let Note { qn, cn, data_time, crc32 } = note;
        self.append(&format!("{mn}\t{qn}\t{cn}\t{data_time}\t{crc32:08x}\n"))
    }

    /// Appends `line`, which ends with a line feed.
    pub(crate) fn append(&self, line: &str) -> Result<(), LedgerError> {
        (&self.file).write_all(line.as_bytes()).map_err(|error| failed(&self.path, error))
    }
}

fn failed(path: &Path, error: std::io::Error) -> LedgerError {
    LedgerError { path: path.to_owned(), error }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_in_the_file_at_once_and_after_what_was_there() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("acked");
        let note = Note { qn: "20261123120000001".into(), cn: 2011, data_time: "20261123120000".into(), crc32: 0xAB };
        let ledger = Ledger::open(&path).unwrap();
        ledger.write("M1", &note).unwrap();
        let line = "M1\t20261123120000001\t2011\t20261123120000\t000000ab\n";
        assert_eq!(std::fs::read_to_string(&path).unwrap(), line);
        Ledger::open(&path).unwrap().write("M1", &note).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), line.repeat(2));
        let error = Ledger::open(dir.path()).unwrap_err().to_string();
        assert!(error.contains("--ledger"), "{error}");
    }
}
