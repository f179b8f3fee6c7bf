//! The wire log: every frame in and out of a few chosen stations, a line each, for as long as somebody looks for a fault.
//!
//! What must stay true: nobody is listened to for longer than [`WIRE_MAX`] without being chosen again; passwords and keys are masked, and
//! key exchanges (CN=1014, HJ 212-2025, C.7) are withheld; what a station says cannot break or forge a line; while nobody is chosen a
//! frame costs one look at a counter.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hj212::secret::masked;
use hj212_model::message::Timestamp;

/// Stations at a time.
pub const WIRES_MAX: usize = 8;
/// The longest time for which a station is chosen.
pub const WIRE_MAX: Duration = Duration::from_secs(3600);

/// Whose words they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// The station's.
    In,
    /// The gateway's.
    Out,
}

/// [`WIRES_MAX`] stations are chosen already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{WIRES_MAX} stations are logged already: switch one off")]
pub struct WireLogFull;

/// The stations that are chosen, and until when.
#[derive(Debug, Default)]
pub struct WireLog {
    chosen: Mutex<BTreeMap<String, Timestamp>>,
    count: AtomicUsize,
}

impl WireLog {
    /// Chooses `mn` for `time`, at most [`WIRE_MAX`]; tells until when.
    ///
    /// # Errors
    /// If too many are chosen.
    pub fn choose(&self, mn: &str, time: Duration, now: Timestamp) -> Result<Timestamp, WireLogFull> {
        let mut chosen = self.open(now);
        if chosen.len() >= WIRES_MAX && !chosen.contains_key(mn) {
            return Err(WireLogFull);
        }
        let micros = i64::try_from(time.min(WIRE_MAX).as_micros()).unwrap_or(0);
        let until = Timestamp(now.0.saturating_add(micros));
        chosen.insert(mn.to_owned(), until);
        self.count.store(chosen.len(), Ordering::Relaxed);
        Ok(until)
    }

    /// Lets `mn` go; whether it was chosen.
    pub fn release(&self, mn: &str, now: Timestamp) -> bool {
        let mut chosen = self.open(now);
        let was = chosen.remove(mn).is_some();
        self.count.store(chosen.len(), Ordering::Relaxed);
        was
    }

    /// Who is chosen, and until when.
    #[must_use]
    pub fn chosen(&self, now: Timestamp) -> BTreeMap<String, Timestamp> {
        self.open(now).clone()
    }

    /// The table without those whose time is over.
    fn open(&self, now: Timestamp) -> MutexGuard<'_, BTreeMap<String, Timestamp>> {
        let mut chosen = self.chosen.lock().unwrap_or_else(PoisonError::into_inner);
        chosen.retain(|_, until| *until > now);
        self.count.store(chosen.len(), Ordering::Relaxed);
        chosen
    }

    /// Logs `bytes` if `mn` is chosen.
    pub(super) fn log(
        &self,
        mn: &[u8],
        direction: Direction,
        peer: SocketAddr,
        bytes: &[u8],
        now: impl FnOnce() -> Timestamp,
    ) {
        if self.count.load(Ordering::Relaxed) == 0 {
            return;
        }
        let Ok(mn) = std::str::from_utf8(mn) else { return };
        if !self.open(now()).contains_key(mn) {
            return;
        }
        let way = match direction {
            Direction::In => "in",
            Direction::Out => "out",
        };
        tracing::info!(target: "wire", mn, way, %peer, bytes = bytes.len(), frame = %line(bytes));
    }
}

/// The bytes as one line of ASCII, without secrets.
fn line(bytes: &[u8]) -> String {
    if exchanges_keys(bytes) {
        return "withheld: an exchange of keys".into();
    }
    let hidden = masked(bytes);
    hidden.strip_suffix(b"\r\n").unwrap_or(&hidden).escape_ascii().to_string()
}

/// Whether a CN is 1014, wherever it stands and however it is written.
fn exchanges_keys(bytes: &[u8]) -> bool {
    let blank = |b: &u8| matches!(b, b' ' | b'\t' | b'0');
    let skip = |mut rest: &[u8]| -> usize {
        let before = rest.len();
        while let [first, after @ ..] = rest
            && blank(first)
        {
            rest = after;
        }
        before - rest.len()
    };
    bytes.windows(2).enumerate().filter(|(_, two)| two.eq_ignore_ascii_case(b"CN")).any(|(at, _)| {
        let mut rest = bytes.get(at + 2..).unwrap_or_default();
        rest = rest.get(skip(rest)..).unwrap_or_default();
        let Some(after) = rest.strip_prefix(b"=") else { return false };
        after.get(skip(after)..).unwrap_or_default().starts_with(b"1014")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn after(minutes: i64) -> Timestamp {
        Timestamp(minutes * 60_000_000)
    }

    #[test]
    fn a_choice_ends_by_itself_and_few_are_chosen() {
        let wires = WireLog::default();
        for number in 0..WIRES_MAX {
            assert_eq!(wires.choose(&number.to_string(), MINUTE, after(0)), Ok(after(1)));
        }
        assert_eq!(wires.choose("more", MINUTE, after(0)), Err(WireLogFull));
        assert_eq!(wires.choose("0", 3000 * MINUTE, after(0)), Ok(after(60)), "again, and not for ever");
        assert_eq!(wires.chosen(after(1)), [("0".to_owned(), after(60))].into());
        assert!(wires.release("0", after(1)) && !wires.release("0", after(1)));
        assert_eq!(wires.count.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn secrets_are_not_shown() {
        let text = line(b"##0050QN=1;CN=2011;PW=123456;MN=A;CP=&&DataTime=1&&ABCD\r\n");
        assert_eq!(text, "##0050QN=1;CN=2011;PW=******;MN=A;CP=&&DataTime=1&&ABCD");
        for cn in ["CN=1014", "cn = 1014", "CN=01014"] {
            assert!(line(format!("##0050QN=1;{cn};MN=A;CP=&&Key=secret&&").as_bytes()).starts_with("withheld"), "{cn}");
        }
        assert_eq!(line(b"CN=2011;x=\x1b[31m\nforged\xc4\xe3"), "CN=2011;x=\\x1b[31m\\nforged\\xc4\\xe3");
    }

    proptest! {
        #[test]
        fn a_line_is_one_line_of_printable_ascii(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(line(&bytes).bytes().all(|b| (b' '..=b'~').contains(&b)));
        }
    }
}
