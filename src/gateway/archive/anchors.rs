//! Following the journal record by record, and an anchor each day.
//!
//! What must stay true: an anchor covers what was read, from the record behind the last anchor on, and nothing that is not durable; a record that
//! has left the journal meanwhile is read from the archive.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::time::{Duration, Instant};

use crate::gateway::record;
use hj212_archive::hex;
use hj212_evidence::tree::{self, Tree};
use hj212_evidence::{Anchor, Hash, Signer};
use hj212_journal::{Disk, Entry, GapCause, Journal, Offset, ReadItem, Reader, load_file, store_file};
use hj212_model::message::{Record, Timestamp};

/// A place that cannot be read is tried so often before it is passed over.
pub(super) const READ_TRIES: u32 = 10;
/// Records read in one go, before a stop is looked for.
const BATCH: u64 = 4096;
/// The longest anchor in a file, bytes.
const ANCHOR_MAX: u64 = 16 << 10;
/// How long after midnight a day is anchored, in microseconds: what was on its way has come.
const AFTER: i64 = 5 * 60 * 1_000_000;
const DAY: i64 = 86_400 * 1_000_000;
const EAST_8: i64 = 8 * 3600 * 1_000_000;
/// Two anchors are not closer in one run, however a clock jumps.
const APART: Duration = Duration::from_secs(if cfg!(test) { 0 } else { 3600 });
/// The private key in the journal's folder, and its public half.
const KEY: &str = "anchor-key";
const PUBLIC: &str = "anchor-key.pub";

/// The days that were anchored, and the records since.
pub(super) struct Anchors {
    dir: PathBuf,
    reading: Arc<dyn Disk>,
    gateway: String,
    signer: Signer,
    /// When each anchored day was closed.
    days: Vec<Timestamp>,
    last: Option<Anchor>,
    reader: Reader,
    span: Since,
    /// How often the place at hand could not be read.
    tries: u32,
    /// An anchor on its way into the journal.
    sent: Option<Receiver<Option<Offset>>>,
    /// The record that holds the anchor which is not read back yet.
    stored: Option<Offset>,
    made: Option<Instant>,
}

/// What was read since the last anchor.
#[derive(Default)]
struct Since {
    tree: Tree,
    first: Option<(u64, Timestamp)>,
    last: Option<(u64, Hash)>,
}

/// The key that signs anchors, made if there is none. Its private half lies in the journal's folder, mode 0600.
///
/// # Errors
/// If it can be neither read nor written.
fn signer(disk: &dyn Disk, dir: &Path) -> io::Result<Signer> {
    if let Some(signer) = open_key(disk, dir)? {
        return Ok(signer);
    }
    let seed: [u8; 32] = rand::random();
    store_file(disk, &dir.join(KEY), &seed)?;
    let signer = open_key(disk, dir)?.ok_or_else(|| io::Error::other("the key for anchors was not kept"))?;
    store_file(disk, &dir.join(PUBLIC), signer.public().as_bytes())?;
    tracing::info!(key = signer.public(), "a key for anchors was made: let whoever keeps anchors note its public half");
    Ok(signer)
}

/// The key, if there is one.
///
/// # Errors
/// Those of the disk.
pub(in crate::gateway) fn open_key(disk: &dyn Disk, dir: &Path) -> io::Result<Option<Signer>> {
    Ok(load_file(disk, &dir.join(KEY), 32)?.and_then(|seed| Signer::of(&seed)))
}

/// The anchors kept in the archive's folder, oldest first.
///
/// # Errors
/// Those of the disk.
pub(in crate::gateway) fn anchors_in(disk: &dyn Disk, folder: &Path) -> io::Result<Vec<Anchor>> {
    let names = match disk.list(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        names => names?,
    };
    let mut anchors = Vec::new();
    for name in names.iter().filter(|name| name.starts_with("anchor-")) {
        let text = load_file(disk, &folder.join(name), ANCHOR_MAX)?;
        match text.and_then(|text| serde_json::from_slice::<Anchor>(&text).ok()).filter(Anchor::is_good) {
            Some(anchor) => anchors.push(anchor),
            None => tracing::error!(name, "an anchor in the archive is damaged"),
        }
    }
    anchors.sort_by_key(|anchor| anchor.number);
    Ok(anchors)
}

/// The day in Beijing that holds `time`, from 1970-01-01 on, and as text.
fn day(time: Timestamp) -> (i64, String) {
    let number = time.0.saturating_add(EAST_8).div_euclid(DAY);
    let midnight = Timestamp(number.saturating_mul(DAY).saturating_sub(EAST_8));
    (number, midnight.to_rfc3339().get(..10).unwrap_or_default().to_owned())
}

/// A time as it is published.
fn moment(text: &str) -> Option<Timestamp> {
    text.parse::<jiff::Timestamp>().ok().map(|time| Timestamp(time.as_microsecond()))
}

impl Anchors {
    pub(super) fn open(
        disk: &Arc<dyn Disk>,
        reading: Arc<dyn Disk>,
        dir: &Path,
        folder: &Path,
        gateway: String,
        journal: &Journal,
    ) -> io::Result<Anchors> {
        let signer = signer(disk.as_ref(), dir)?;
        let mut all = anchors_in(disk.as_ref(), folder)?;
        let id = hex(&journal.id());
        all.retain(|anchor| anchor.journal == id);
        let days = all.iter().filter_map(|anchor| moment(&anchor.made_at)).collect();
        let last = all.pop();
        let from = last.as_ref().map_or(journal.first(), |anchor| Offset(anchor.last + 1));
        Ok(Anchors {
            dir: dir.to_path_buf(),
            reading,
            gateway,
            signer,
            days,
            last,
            reader: journal.reader(from),
            span: Since::default(),
            tries: 0,
            sent: None,
            stored: None,
            made: None,
        })
    }

    /// When each anchored day was closed.
    pub(super) fn days(&self) -> Vec<Timestamp> {
        self.days.clone()
    }

    /// Whether an anchor is on its way.
    #[cfg(test)]
    pub(super) fn is_waiting(&self) -> bool {
        self.sent.is_some() || self.stored.is_some()
    }

    /// Reads what has come, and anchors what is due at `now`; true if there may be more to read.
    pub(super) fn follow(
        &mut self,
        journal: &Journal,
        (disk, folder): &(Arc<dyn Disk>, PathBuf),
        now: Timestamp,
    ) -> io::Result<bool> {
        self.settle();
        for _ in 0..BATCH {
            let next = match self.reader.next() {
                Ok(next) => next,
                Err(error) => {
                    self.tries += u32::from(error.is_of_the_medium());
                    if self.tries > READ_TRIES {
                        self.tries = 0;
                        self.reader.pass_unreadable();
                    }
                    return Err(error.source);
                }
            };
            let found = match next {
                None => {
                    self.anchor(journal, now);
                    return Ok(false);
                }
                Some(ReadItem::Record(stored)) => {
                    let anchor = (stored.kind == Record::Anchor(&[]).kind()).then(|| stored.body.to_vec());
                    self.span.add(stored.offset.0, stored.time, stored.kind, stored.body, stored.hash);
                    Found::Record(stored.offset, anchor)
                }
                Some(ReadItem::Gap { first, last, cause: GapCause::Removed }) => Found::Removed(first, last),
                Some(ReadItem::Gap { .. }) => Found::Lost,
            };
            match found {
                Found::Record(offset, Some(body)) => self.adopt(offset, &body, disk.as_ref(), folder, journal)?,
                Found::Record(_, None) | Found::Lost => {}
                Found::Removed(first, last) => self.read_archive(first, last)?,
            }
        }
        Ok(true)
    }

    /// What left the journal before it was read here.
    fn read_archive(&mut self, first: Offset, last: Offset) -> io::Result<()> {
        let mut reader = Reader::open(Arc::clone(&self.reading), &self.dir, first).map_err(|error| error.source)?;
        while let Some(item) = reader.next().map_err(|error| error.source)? {
            match item {
                ReadItem::Record(stored) if stored.offset <= last => {
                    self.span.add(stored.offset.0, stored.time, stored.kind, stored.body, stored.hash);
                }
                ReadItem::Record(_) => break,
                ReadItem::Gap { .. } => {}
            }
        }
        Ok(())
    }

    /// An anchor of ours was read: it counts now. What was read behind its span is read again for the next one.
    fn adopt(&mut self, at: Offset, body: &[u8], disk: &dyn Disk, folder: &Path, journal: &Journal) -> io::Result<()> {
        if self.stored.is_some_and(|stored| stored <= at) {
            self.stored = None;
        }
        let Some(anchor) = serde_json::from_slice::<Anchor>(body).ok().filter(|anchor| {
            anchor.is_good()
                && anchor.number == self.last.as_ref().map_or(1, |last| last.number + 1)
                && self.last.as_ref().is_none_or(|last| anchor.first == last.last + 1)
        }) else {
            return Ok(());
        };
        let name = format!("anchor-{}-{:018}", anchor.day.replace('-', ""), anchor.number);
        store_file(disk, &folder.join(name), body)?;
        tracing::info!(day = anchor.day, number = anchor.number, name = anchor.name(), "the day is anchored");
        self.days.extend(moment(&anchor.made_at));
        self.reader = journal.reader(Offset(anchor.last + 1));
        self.span = Since::default();
        self.last = Some(anchor);
        Ok(())
    }

    /// What became of the anchor on its way.
    fn settle(&mut self) {
        let Some(sent) = &self.sent else { return };
        match sent.try_recv() {
            Err(TryRecvError::Empty) => {}
            Ok(Some(offset)) => {
                self.stored = (self.reader.position() <= offset).then_some(offset);
                self.sent = None;
            }
            // The journal did not take it: it is made again.
            Ok(None) | Err(TryRecvError::Disconnected) => {
                self.sent = None;
                self.made = None;
            }
        }
    }

    /// The day that is to be anchored at `now`, if it is time.
    fn due(&self, now: Timestamp) -> Option<String> {
        let (today, _) = day(Timestamp(now.0.saturating_sub(AFTER)));
        let (_, yesterday) = day(Timestamp(now.0.saturating_sub(AFTER).saturating_sub(DAY)));
        let begun = self.span.first.is_some_and(|(_, time)| day(time).0 != today);
        let new = self.last.as_ref().is_none_or(|last| last.day != yesterday);
        let apart = self.made.is_none_or(|made| made.elapsed() >= APART);
        (begun && new && apart && self.sent.is_none() && self.stored.is_none()).then_some(yesterday)
    }

    /// Everything was read: sends an anchor on its way, if one is due.
    fn anchor(&mut self, journal: &Journal, now: Timestamp) {
        let Some(day) = self.due(now) else { return };
        let Some(anchor) = self.span.anchor(self.last.as_ref(), (&self.gateway, journal.id()), day, now, &self.signer)
        else {
            return;
        };
        let Ok(text) = serde_json::to_vec(&anchor) else { return };
        let (settled, outcome) = channel();
        let entry = Entry { time: now, ..record(&Record::Anchor(&text)) };
        journal.appender().append(entry, move |outcome: Result<Offset, _>| {
            // Whoever waited may have gone.
            let _ = settled.send(outcome.ok());
        });
        self.sent = Some(outcome);
        self.made = Some(Instant::now());
    }
}

enum Found {
    Record(Offset, Option<Vec<u8>>),
    Removed(Offset, Offset),
    Lost,
}

impl Since {
    fn add(&mut self, offset: u64, time: Timestamp, kind: u8, body: &[u8], hash: Hash) {
        // A leaf can stand anywhere.
        let _ = self.tree.push(0, tree::leaf(offset, time.0, kind, body));
        self.first.get_or_insert((offset, time));
        self.last = Some((offset, hash));
    }

    /// The anchor of what was read.
    fn anchor(
        &self,
        before: Option<&Anchor>,
        (gateway, journal): (&str, [u8; 16]),
        day: String,
        now: Timestamp,
        signer: &Signer,
    ) -> Option<Anchor> {
        let ((first, _), (last, head)) = (self.first?, self.last?);
        let mut anchor = Anchor {
            schema: String::new(),
            gateway: gateway.to_owned(),
            journal: hex(&journal),
            number: before.map_or(1, |before| before.number + 1),
            day,
            made_at: now.to_rfc3339(),
            first: before.map_or(first, |before| before.last + 1),
            last,
            count: self.tree.count(),
            root: hex(&self.tree.root()),
            head: hex(&head),
            previous: before.map_or_else(|| "0".repeat(64), Anchor::name),
            key: String::new(),
            signature: String::new(),
        };
        signer.sign_anchor(&mut anchor);
        Some(anchor)
    }
}
