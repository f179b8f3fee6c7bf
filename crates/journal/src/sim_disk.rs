//! A disk in memory that loses power, tears writes, fills up and fails on request. Test equipment, for tests of all modules.
//!
//! Every file and the folder exist twice: as running programs see them (live) and as they are on the platters (durable). A sync
//! carries the live image over to the durable one. [`SimDisk::after_power_cut`] is the disk that the next start finds: each
//! unsynced sector of 512 bytes and each unsynced change of names is there or not, by the seed.
//!
//! What must stay true: it is never kinder than a real disk. A failed sync keeps some sectors and forgets that the others were
//! not kept, as Linux does, so that a second sync says yes and saves nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::disk::{Access, DirLock, Disk, DiskFile};

const SECTOR: usize = 512;

/// A simulated disk; clones are the same disk.
#[derive(Debug, Clone)]
pub struct SimDisk {
    state: Arc<Mutex<State>>,
}

/// What the disk refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The n-th operation from now, of whatever kind, counted from 1; once.
    Nth(u64),
    /// Every sync of a file or folder.
    Syncs,
    /// Everything.
    All,
    /// Everything from the n-th operation on, counted from 1: the power goes off during that one.
    PowerOff(u64),
}

/// What is asked of a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// [`Disk::create`].
    Create,
    /// [`Disk::open`].
    Open,
    /// [`DiskFile::read_at`].
    Read,
    /// [`DiskFile::write_at`].
    Write,
    /// [`DiskFile::sync_data`] and [`DiskFile::sync_all`].
    Sync,
    /// [`DiskFile::preallocate`].
    Preallocate,
    /// [`DiskFile::set_len`].
    Cut,
    /// [`Disk::rename`], by the new name.
    Rename,
    /// [`Disk::remove`].
    Remove,
    /// [`Disk::list`].
    List,
    /// [`Disk::sync_dir`].
    SyncFolder,
}

impl Operation {
    /// All of them.
    pub const ALL: [Operation; 11] = [
        Self::Create,
        Self::Open,
        Self::Read,
        Self::Write,
        Self::Sync,
        Self::Preallocate,
        Self::Cut,
        Self::Rename,
        Self::Remove,
        Self::List,
        Self::SyncFolder,
    ];
}

/// One kind of operation on one kind of file fails, every time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// What fails.
    pub operation: Operation,
    /// On which files: those whose name begins or ends with this; of folders, the whole name.
    pub file: &'static str,
    /// The system's number of the error.
    pub errno: i32,
}

#[derive(Debug)]
struct State {
    files: Vec<Content>,
    live: BTreeMap<PathBuf, usize>,
    durable: BTreeMap<PathBuf, usize>,
    /// Changes of names since the last sync of their folder; each happens wholly or not at all.
    unsynced: Vec<Vec<(PathBuf, Option<usize>)>>,
    locks: BTreeSet<PathBuf>,
    capacity: u64,
    operations: u64,
    name_changes: u64,
    fault: Option<Fault>,
    forgets_dir_syncs: bool,
    refusal: Option<Refusal>,
    refused: std::cell::Cell<u64>,
    /// What cannot be read: files and positions in them.
    spoiled: Vec<(usize, std::ops::Range<u64>)>,
    random: Random,
}

#[derive(Debug, Clone, Default)]
struct Content {
    live: Vec<u8>,
    durable: Vec<u8>,
    dirty: Sectors,
}

/// Numbers of sectors, a bit each.
#[derive(Debug, Clone, Default)]
struct Sectors(Vec<u64>);

impl Sectors {
    fn add(&mut self, sectors: std::ops::Range<usize>) {
        if self.0.len() * 64 < sectors.end {
            self.0.resize(sectors.end.div_ceil(64), 0);
        }
        for sector in sectors {
            if let Some(bits) = self.0.get_mut(sector / 64) {
                *bits |= 1 << (sector % 64);
            }
        }
    }

    fn iter(&self) -> impl Iterator<Item = usize> {
        let of = |(at, bits): (usize, &u64)| {
            let mut left = *bits;
            std::iter::from_fn(move || {
                let bit = left.trailing_zeros() as usize;
                left &= left.checked_sub(1)?;
                Some(at * 64 + bit)
            })
        };
        self.0.iter().enumerate().filter(|(_, bits)| **bits != 0).flat_map(of)
    }
}

/// Numbers from a seed (SplitMix64).
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// The sequence of this seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Random(seed)
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `limit`; 0 if that is 0.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.number().checked_rem(limit).unwrap_or(0)
    }
}

/// How an operation goes.
enum Fate {
    Works,
    Fails,
    /// It may happen in part, and nothing happens after it.
    PowerGoes,
}

fn broken() -> io::Error {
    io::Error::from_raw_os_error(rustix::io::Errno::IO.raw_os_error())
}

impl SimDisk {
    /// An empty disk with room for `capacity` bytes.
    #[must_use]
    pub fn new(seed: u64, capacity: u64) -> Self {
        SimDisk::with(BTreeMap::new(), Vec::new(), seed, capacity)
    }

    fn with(names: BTreeMap<PathBuf, usize>, files: Vec<Content>, seed: u64, capacity: u64) -> Self {
        let state = State {
            files,
            live: names.clone(),
            durable: names,
            unsynced: Vec::new(),
            locks: BTreeSet::new(),
            capacity,
            operations: 0,
            name_changes: 0,
            fault: None,
            forgets_dir_syncs: false,
            refusal: None,
            refused: std::cell::Cell::new(0),
            spoiled: Vec::new(),
            random: Random::new(seed),
        };
        SimDisk { state: Arc::new(Mutex::new(state)) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many operations there were.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.state().operations
    }

    /// Sets or lifts what fails.
    pub fn set_fault(&self, fault: Option<Fault>) {
        let mut state = self.state();
        let now = state.operations;
        state.fault = match fault {
            Some(Fault::Nth(n)) => Some(Fault::Nth(now + n)),
            Some(Fault::PowerOff(n)) => Some(Fault::PowerOff(now + n)),
            other => other,
        };
    }

    /// Does `look` with nothing failing and nothing counted, for those who only watch.
    pub fn unnoticed<T>(&self, look: impl FnOnce() -> T) -> T {
        let before = {
            let mut state = self.state();
            (state.fault.take(), state.operations, state.random.clone())
        };
        let seen = look();
        let mut state = self.state();
        (state.fault, state.operations, state.random) = before;
        seen
    }

    /// Makes the disk larger or smaller; less than is used means full.
    pub fn set_capacity(&self, capacity: u64) {
        self.state().capacity = capacity;
    }

    /// Plants a mistake: syncs of folders say yes and do nothing.
    pub fn forget_dir_syncs(&self) {
        self.state().forgets_dir_syncs = true;
    }

    /// Sets or lifts what is refused.
    pub fn refuse(&self, refusal: Option<Refusal>) {
        self.state().refusal = refusal;
    }

    /// How often something was refused for what [`SimDisk::refuse`] set.
    #[must_use]
    pub fn refusals(&self) -> u64 {
        self.state().refused.get()
    }

    /// From now on nothing can be read of these positions of a file: its sectors are worn out.
    pub fn spoil(&self, path: &Path, positions: std::ops::Range<u64>) {
        let mut state = self.state();
        if let Some(at) = state.live.get(path).copied() {
            state.spoiled.push((at, positions));
        }
    }

    /// How many changes of names there were.
    #[must_use]
    pub fn name_changes(&self) -> u64 {
        self.state().name_changes
    }

    /// The paths of all files.
    #[must_use]
    pub fn paths(&self) -> Vec<PathBuf> {
        self.state().live.keys().cloned().collect()
    }

    /// Lets rot or an intruder change a file, on the platters too.
    pub fn change(&self, path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
        let mut state = self.state();
        let content = state.live.get(path).copied().and_then(|at| state.files.get_mut(at));
        if let Some(content) = content {
            change(&mut content.live);
            content.durable.clone_from(&content.live);
            content.dirty.0.clear();
        }
    }

    /// The disk that the next start finds if the power goes now (or went, see [`Fault::PowerOff`]). It is another disk: who still
    /// uses this one harms nobody.
    #[must_use]
    pub fn after_power_cut(&self, seed: u64) -> SimDisk {
        let state = self.state();
        let mut random = Random::new(seed);
        // Sometimes everything unsynced is kept or lost, mostly a part.
        let kept_percent = *[0, 100, 50, random.below(101)].get(random.below(4) as usize).unwrap_or(&50);
        let mut names = state.durable.clone();
        for change in &state.unsynced {
            if random.below(100) < kept_percent {
                change.iter().for_each(|(path, file)| set_name(&mut names, path, *file));
            }
        }
        let (names, files) = image(names, &state.files, |content| {
            let mut found = content.durable.clone();
            if random.below(100) < kept_percent {
                found.resize(content.live.len(), 0);
            }
            for sector in content.dirty.iter() {
                if random.below(100) < kept_percent {
                    copy_sector(&content.live, &mut found, sector);
                }
            }
            found
        });
        SimDisk::with(names, files, random.number(), state.capacity)
    }

    /// The disk that the next start finds if the process dies now and the machine does not: nothing is lost.
    #[must_use]
    pub fn after_kill(&self) -> SimDisk {
        let state = self.state();
        let (names, files) = image(state.live.clone(), &state.files, |content| content.live.clone());
        SimDisk::with(names, files, state.random.0, state.capacity)
    }
}

/// The files that have a name, as they are `found`: what was removed takes no room on the next disk.
fn image(
    mut names: BTreeMap<PathBuf, usize>,
    files: &[Content],
    mut found: impl FnMut(&Content) -> Vec<u8>,
) -> (BTreeMap<PathBuf, usize>, Vec<Content>) {
    let (mut kept, mut places) = (Vec::new(), BTreeMap::new());
    for at in names.values_mut() {
        *at = *places.entry(*at).or_insert_with(|| {
            let live = files.get(*at).map(&mut found).unwrap_or_default();
            kept.push(Content { durable: live.clone(), live, dirty: Sectors::default() });
            kept.len() - 1
        });
    }
    (names, kept)
}

fn set_name(names: &mut BTreeMap<PathBuf, usize>, path: &Path, file: Option<usize>) {
    match file {
        Some(file) => names.insert(path.to_path_buf(), file),
        None => names.remove(path),
    };
}

fn copy_sector(from: &[u8], to: &mut [u8], sector: usize) {
    let start = sector * SECTOR;
    let end = (start + SECTOR).min(from.len()).min(to.len());
    if let (Some(from), Some(to)) = (from.get(start..end), to.get_mut(start..end)) {
        to.copy_from_slice(from);
    }
}

impl State {
    fn refused(&self, operation: Operation, path: &Path) -> io::Result<()> {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        match self.refusal {
            Some(refusal)
                if refusal.operation == operation
                    && (name.starts_with(refusal.file) || name.ends_with(refusal.file)) =>
            {
                self.refused.set(self.refused.get() + 1);
                Err(io::Error::from_raw_os_error(refusal.errno))
            }
            _ => Ok(()),
        }
    }

    fn begin(&mut self, is_sync: bool) -> io::Result<Fate> {
        self.operations += 1;
        let now = self.operations;
        match self.fault {
            Some(Fault::Nth(n)) if n == now => {
                self.fault = None;
                Ok(Fate::Fails)
            }
            Some(Fault::Syncs) if is_sync => Ok(Fate::Fails),
            Some(Fault::All) => Err(broken()),
            Some(Fault::PowerOff(n)) if n == now => Ok(Fate::PowerGoes),
            Some(Fault::PowerOff(n)) if n < now => Err(broken()),
            Some(Fault::Nth(_) | Fault::Syncs | Fault::PowerOff(_)) | None => Ok(Fate::Works),
        }
    }

    /// For operations that change nothing, or nothing that could happen in part.
    fn begin_whole(&mut self) -> io::Result<()> {
        match self.begin(false)? {
            Fate::Works => Ok(()),
            Fate::Fails | Fate::PowerGoes => Err(broken()),
        }
    }

    fn change_names(&mut self, change: Vec<(PathBuf, Option<usize>)>) -> io::Result<()> {
        let fate = self.begin(false)?;
        if matches!(fate, Fate::Fails) {
            return Err(broken());
        }
        change.iter().for_each(|(path, file)| set_name(&mut self.live, path, *file));
        self.name_changes += 1;
        self.unsynced.push(change);
        if matches!(fate, Fate::PowerGoes) { Err(broken()) } else { Ok(()) }
    }

    fn file(&mut self, at: usize) -> io::Result<&mut Content> {
        self.files.get_mut(at).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn named(&self, path: &Path) -> io::Result<usize> {
        self.live.get(path).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn free(&self) -> u64 {
        let used: u64 = self.live.values().filter_map(|at| self.files.get(*at)).map(|f| f.live.len() as u64).sum();
        self.capacity.saturating_sub(used)
    }

    /// Makes room up to `length`, as far as the disk has it.
    fn grow(&mut self, at: usize, length: usize) -> io::Result<()> {
        let free = self.free();
        let content = self.file(at)?;
        let more = length.saturating_sub(content.live.len());
        if more as u64 > free {
            return Err(io::ErrorKind::StorageFull.into());
        }
        if more > 0 {
            content.dirty.add(content.live.len() / SECTOR..length.div_ceil(SECTOR));
            content.live.resize(length, 0);
        }
        Ok(())
    }

    fn write(&mut self, at: usize, bytes: &[u8], position: u64) -> io::Result<()> {
        let fate = self.begin(false)?;
        let bytes = match fate {
            Fate::Works | Fate::PowerGoes => bytes,
            Fate::Fails => bytes.get(..self.random.below(bytes.len() as u64) as usize).unwrap_or_default(),
        };
        let start = usize::try_from(position).map_err(|_| broken())?;
        self.grow(at, start + bytes.len())?;
        let content = self.file(at)?;
        if let Some(place) = content.live.get_mut(start..start + bytes.len()) {
            place.copy_from_slice(bytes);
            content.dirty.add(start / SECTOR..(start + bytes.len()).div_ceil(SECTOR));
        }
        if matches!(fate, Fate::Works) { Ok(()) } else { Err(broken()) }
    }

    fn sync(&mut self, at: usize) -> io::Result<()> {
        let fate = self.begin(true)?;
        let mut random = self.random.clone();
        self.random.number();
        let content = self.file(at)?;
        match fate {
            Fate::PowerGoes => return Err(broken()),
            Fate::Works => content.durable.clone_from(&content.live),
            Fate::Fails => {
                content.durable.resize(content.live.len(), 0);
                for sector in content.dirty.iter().filter(|_| random.below(2) == 0) {
                    copy_sector(&content.live, &mut content.durable, sector);
                }
            }
        }
        content.dirty.0.clear();
        if matches!(fate, Fate::Works) { Ok(()) } else { Err(broken()) }
    }
}

impl Disk for SimDisk {
    fn is_in_real_time(&self) -> bool {
        false
    }

    fn create_dir(&self, _dir: &Path) -> io::Result<()> {
        self.state().begin_whole()
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let mut state = self.state();
        state.refused(Operation::Create, path)?;
        if state.live.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let at = state.files.len();
        state.files.push(Content::default());
        state.change_names(vec![(path.to_path_buf(), Some(at))])?;
        drop(state);
        Ok(Box::new(SimFile { disk: self.clone(), at, access: Access::Write, path: path.to_path_buf() }))
    }

    fn open(&self, path: &Path, access: Access) -> io::Result<Box<dyn DiskFile>> {
        let mut state = self.state();
        state.begin_whole()?;
        state.refused(Operation::Open, path)?;
        let at = state.named(path)?;
        drop(state);
        Ok(Box::new(SimFile { disk: self.clone(), at, access, path: path.to_path_buf() }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.refused(Operation::Rename, to)?;
        let at = state.named(from)?;
        state.change_names(vec![(to.to_path_buf(), Some(at)), (from.to_path_buf(), None)])
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.named(path)?;
        state.refused(Operation::Remove, path)?;
        state.change_names(vec![(path.to_path_buf(), None)])
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let mut state = self.state();
        state.begin_whole()?;
        state.refused(Operation::List, dir)?;
        let names = state.live.keys().filter(|path| path.parent() == Some(dir)).filter_map(|path| path.file_name());
        Ok(names.filter_map(|name| name.to_str()).map(str::to_owned).collect())
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let mut state = self.state();
        if !matches!(state.begin(true)?, Fate::Works) {
            return Err(broken());
        }
        state.refused(Operation::SyncFolder, dir)?;
        if state.forgets_dir_syncs {
            return Ok(());
        }
        let is_here =
            |change: &Vec<(PathBuf, Option<usize>)>| change.iter().any(|(path, _)| path.parent() == Some(dir));
        let (here, elsewhere) = std::mem::take(&mut state.unsynced).into_iter().partition(is_here);
        state.unsynced = elsewhere;
        for (path, file) in Vec::into_iter(here).flatten() {
            set_name(&mut state.durable, &path, file);
        }
        Ok(())
    }

    fn free_space(&self, _dir: &Path) -> io::Result<u64> {
        let mut state = self.state();
        state.begin_whole()?;
        Ok(state.free())
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn DirLock>> {
        let mut state = self.state();
        state.begin_whole()?;
        if !state.locks.insert(path.to_path_buf()) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        drop(state);
        Ok(Box::new(SimLock { disk: self.clone(), path: path.to_path_buf() }))
    }
}

#[derive(Debug)]
struct SimLock {
    disk: SimDisk,
    path: PathBuf,
}

impl DirLock for SimLock {}

impl Drop for SimLock {
    fn drop(&mut self) {
        self.disk.state().locks.remove(&self.path);
    }
}

#[derive(Debug)]
struct SimFile {
    disk: SimDisk,
    at: usize,
    access: Access,
    /// Its name when it was opened.
    path: PathBuf,
}

impl SimFile {
    fn refused(&self, operation: Operation) -> io::Result<()> {
        self.disk.state().refused(operation, &self.path)
    }

    fn writable(&self) -> io::Result<()> {
        if self.access == Access::Write { Ok(()) } else { Err(io::ErrorKind::PermissionDenied.into()) }
    }
}

impl DiskFile for SimFile {
    fn len(&self) -> io::Result<u64> {
        let mut state = self.disk.state();
        state.begin_whole()?;
        Ok(state.file(self.at)?.live.len() as u64)
    }

    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        let mut state = self.disk.state();
        state.begin_whole()?;
        state.refused(Operation::Read, &self.path)?;
        let asked = position..position.saturating_add(buffer.len() as u64);
        let is_spoiled = |(at, bad): &(usize, std::ops::Range<u64>)| {
            *at == self.at && bad.start < asked.end && asked.start < bad.end
        };
        if state.spoiled.iter().any(is_spoiled) {
            return Err(broken());
        }
        let live = &state.file(self.at)?.live;
        let from = usize::try_from(position).ok().and_then(|start| live.get(start..)).unwrap_or_default();
        let count = from.len().min(buffer.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..count), from.get(..count)) {
            to.copy_from_slice(from);
        }
        Ok(count)
    }

    fn write_at(&self, bytes: &[u8], position: u64) -> io::Result<()> {
        self.writable()?;
        self.refused(Operation::Write)?;
        self.disk.state().write(self.at, bytes, position)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.refused(Operation::Sync)?;
        self.disk.state().sync(self.at)
    }

    fn sync_all(&self) -> io::Result<()> {
        self.refused(Operation::Sync)?;
        self.disk.state().sync(self.at)
    }

    fn preallocate(&self, length: u64) -> io::Result<()> {
        self.writable()?;
        self.refused(Operation::Preallocate)?;
        let mut state = self.disk.state();
        state.begin_whole()?;
        state.grow(self.at, usize::try_from(length).map_err(|_| broken())?)
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.writable()?;
        self.refused(Operation::Cut)?;
        let length = usize::try_from(length).map_err(|_| broken())?;
        let mut state = self.disk.state();
        state.begin_whole()?;
        state.grow(self.at, length)?;
        state.file(self.at)?.live.truncate(length);
        Ok(())
    }
}
