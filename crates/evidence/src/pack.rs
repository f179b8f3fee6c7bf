//! The file of a pack: lines of JSON, each an object with one member that says what the line is.
//!
//! ```text
//! {"evidence":{…}}   once, first: whose, of what, when
//! {"rules":{…}}      a rule file in force, with its SHA-256
//! {"station":{…}}    the registration in force
//! {"anchor":{…}}     an anchor; behind it the items of its tree, from left to right:
//! {"node":[h,"…"]}     a tree of 2^h records that are not shown
//! {"record":{…}}       a record, whole
//! {"text":"…"}       the printable explanation, a line each
//! {"end":{…}}        once, last: how many lines, the SHA-256 of all bytes before this line, signed
//! ```
//!
//! What must stay true: the last line has one spelling only ([`end_line`]), so that no byte of it can change unseen.

use std::io::{self, Write};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::tree::Item;
use super::{Anchor, Hash, Signer, hex};

/// The schema of packs.
pub const SCHEMA: &str = "hj212.evidence/1";
/// The longest line, bytes: a record of 2 MiB in base64, and its frame.
pub const LINE_MAX: u64 = 4 << 20;

/// Whose, of what, when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// `hj212.evidence/1`.
    pub schema: String,
    /// The gateway's name.
    pub gateway: String,
    /// The journal's id, hexadecimal.
    pub journal: String,
    /// The station.
    pub mn: String,
    /// Records that arrived from here on, RFC 3339.
    pub from: String,
    /// And before this.
    pub to: String,
    /// When the pack was made.
    pub made_at: String,
    /// The version of the program that made it.
    pub version: String,
}

/// A text in force, with its name and its SHA-256.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Text {
    /// Its name.
    pub name: String,
    /// SHA-256 of the text, hexadecimal.
    pub sha256: String,
    /// The text.
    pub text: String,
}

impl Text {
    /// The text with its hash.
    #[must_use]
    pub fn of(name: &str, text: &str) -> Text {
        Text { name: name.to_owned(), sha256: hex(&Sha256::digest(text)), text: text.to_owned() }
    }
}

/// A record of the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shown {
    /// Its number.
    pub offset: u64,
    /// The time it was written with, microseconds since 1970-01-01T00:00:00Z.
    pub time: i64,
    /// Its kind.
    pub kind: u8,
    /// Its hash in the journal's chain, hexadecimal.
    pub hash: String,
    /// That of the record before; nothing if the journal does not hold that one.
    pub previous: Option<String>,
    /// Its body, base64.
    pub body: String,
}

impl Shown {
    /// A record as it is in the journal.
    #[must_use]
    pub fn of(offset: u64, time: i64, kind: u8, body: &[u8], hash: &Hash, previous: Option<&Hash>) -> Shown {
        Shown {
            offset,
            time,
            kind,
            hash: hex(hash),
            previous: previous.map(|hash| hex(hash)),
            body: data_encoding::BASE64.encode(body),
        }
    }
}

/// The last line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct End {
    /// Lines before this one.
    pub lines: u64,
    /// SHA-256 of all bytes before this line, hexadecimal.
    pub sha256: String,
    /// Who signed, hexadecimal.
    pub key: String,
    /// The signature of [`end_text`].
    pub signature: String,
}

/// A line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(clippy::large_enum_variant, reason = "lines are read one by one")]
pub enum Line {
    /// Whose, of what, when.
    Evidence(Head),
    /// A rule file.
    Rules(Text),
    /// The registration.
    Station(Text),
    /// An anchor.
    Anchor(Anchor),
    /// What is not shown of its tree: height and hash.
    Node(u8, String),
    /// What is shown.
    Record(Shown),
    /// A line of the explanation.
    Text(String),
    /// The end.
    End(End),
}

/// What the signature of a pack is of.
#[must_use]
pub fn end_text(sha256: &str) -> String {
    format!("{SCHEMA}\n{sha256}\n")
}

/// The last line, with its line end.
#[must_use]
pub fn end_line(end: &End) -> String {
    format!(
        "{{\"end\":{{\"lines\":{},\"sha256\":\"{}\",\"key\":\"{}\",\"signature\":\"{}\"}}}}\n",
        end.lines, end.sha256, end.key, end.signature
    )
}

/// Writes a pack.
#[derive(Debug)]
pub struct PackWriter<W> {
    out: W,
    hash: Sha256,
    lines: u64,
}

impl<W: Write> PackWriter<W> {
    /// Begins a pack.
    ///
    /// # Errors
    /// Those of `out`, as in all that follows.
    pub fn begin(out: W, head: &Head) -> io::Result<PackWriter<W>> {
        let mut writer = PackWriter { out, hash: Sha256::new(), lines: 0 };
        writer.put(&Line::Evidence(head.clone()))?;
        Ok(writer)
    }

    /// A line.
    ///
    /// # Errors
    /// Those of the output.
    pub fn put(&mut self, line: &Line) -> io::Result<()> {
        let mut bytes = serde_json::to_vec(line).map_err(io::Error::other)?;
        bytes.push(b'\n');
        self.hash.update(&bytes);
        self.lines += 1;
        self.out.write_all(&bytes)
    }

    /// An anchor and what is shown of its span.
    ///
    /// # Errors
    /// Those of the output.
    pub fn anchored(&mut self, anchor: &Anchor, items: Vec<Item<Shown>>) -> io::Result<()> {
        self.put(&Line::Anchor(anchor.clone()))?;
        for item in items {
            self.put(&match item {
                Item::Node(height, hash) => Line::Node(height, hex(&hash)),
                Item::Leaf(shown) => Line::Record(shown),
            })?;
        }
        Ok(())
    }

    /// Ends and signs the pack.
    ///
    /// # Errors
    /// Those of the output.
    pub fn finish(mut self, signer: &Signer) -> io::Result<W> {
        let sha256 = hex(&self.hash.finalize());
        let signature = signer.sign(end_text(&sha256).as_bytes());
        let end = End { lines: self.lines, sha256, key: signer.public(), signature };
        self.out.write_all(end_line(&end).as_bytes())?;
        Ok(self.out)
    }
}
