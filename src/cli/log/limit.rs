//! How many lines of one kind one address may cause.
//!
//! What must stay true: the table is bounded ([`ADDRESSES_MAX`]; beyond, all others are counted as one); what is held back is counted
//! and told; debug and trace lines, which somebody asked for, and the wire log pass.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata};
use tracing_subscriber::layer::{Context, Filter};

use hj212_model::message::Timestamp;

/// Lines of one kind that one address may cause in a minute.
pub(super) const LINES_MAX: u32 = 20;

/// Addresses and kinds remembered.
pub(super) const ADDRESSES_MAX: usize = 4096;

const MINUTE: i64 = 60_000_000;

/// Targets whose lines pass: the wire log, which is switched on by hand, and what is told of this limit.
const PASSING: [&str; 2] = ["wire", "suppressed"];

/// Who caused a line, `None` for all beyond [`ADDRESSES_MAX`], and of which kind: the target, the part of the gateway that speaks.
type Cause = (Option<IpAddr>, &'static str);

#[derive(Debug, Default)]
struct Account {
    since: i64,
    lines: u32,
    held: u64,
}

/// Lines that were held back.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) address: String,
    pub(super) kind: &'static str,
    pub(super) lines: u64,
}

/// See the head of the file.
#[derive(Debug, Default)]
pub(super) struct Limit {
    accounts: Mutex<HashMap<Cause, Account, foldhash::fast::RandomState>>,
}

impl Limit {
    /// Whether one more line of `kind` from `address` may be written.
    fn may(&self, address: IpAddr, kind: &'static str, now: Timestamp) -> bool {
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        let mut cause = (Some(address.to_canonical()), kind);
        if accounts.len() >= ADDRESSES_MAX && !accounts.contains_key(&cause) {
            cause.0 = None;
        }
        let account = accounts.entry(cause).or_insert(Account { since: now.0, ..Account::default() });
        if now.0.saturating_sub(account.since) >= MINUTE {
            (account.since, account.lines) = (now.0, 0);
        }
        let may = account.lines < LINES_MAX;
        account.lines += u32::from(may);
        account.held += u64::from(!may);
        may
    }

    /// What was held back since it was last asked for; who was quiet for a minute is forgotten.
    pub(super) fn held(&self, now: Timestamp) -> Vec<Held> {
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all = Vec::new();
        for ((address, kind), account) in accounts.iter_mut().filter(|(_, account)| account.held > 0) {
            let address = address.map_or("others".to_owned(), |address| address.to_string());
            all.push(Held { address, kind, lines: std::mem::take(&mut account.held) });
        }
        accounts.retain(|_, account| now.0.saturating_sub(account.since) < MINUTE);
        all.sort_by(|a, b| b.lines.cmp(&a.lines).then(a.address.cmp(&b.address)));
        all
    }
}

/// Holds back lines beyond a [`Limit`].
#[derive(Debug)]
pub(super) struct Limited(pub(super) Arc<Limit>);

impl<S> Filter<S> for Limited {
    fn enabled(&self, _: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        true
    }

    fn event_enabled(&self, event: &Event<'_>, _: &Context<'_, S>) -> bool {
        let metadata = event.metadata();
        if *metadata.level() > Level::INFO || PASSING.contains(&metadata.target()) {
            return true;
        }
        let mut peer = Peer(None);
        event.record(&mut peer);
        // A line that names no peer is our own.
        peer.0.is_none_or(|address| self.0.may(address, metadata.target(), hj212_model::clock::now()))
    }
}

/// The address in the field `peer`.
struct Peer(Option<IpAddr>);

impl Peer {
    fn read(&mut self, field: &Field, text: impl FnOnce() -> String) {
        if field.name() == "peer" {
            let text = text();
            self.0 = text.parse().ok().or_else(|| text.parse().ok().map(|socket: SocketAddr| socket.ip()));
        }
    }
}

impl Visit for Peer {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.read(field, || format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.read(field, || value.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing_subscriber::layer::{Layer, SubscriberExt};

    fn address(number: u32) -> IpAddr {
        IpAddr::V4(number.into())
    }

    #[test]
    fn lines_beyond_the_limit_are_held_back_and_told() {
        let (limit, now) = (Limit::default(), Timestamp(0));
        for _ in 0..LINES_MAX {
            assert!(limit.may(address(1), "rejected", now));
        }
        assert!(!limit.may(address(1), "rejected", now) && !limit.may(address(1), "rejected", now));
        assert!(limit.may(address(1), "handshake", now) && limit.may(address(2), "rejected", now), "others pass");
        let held = Held { address: "0.0.0.1".into(), kind: "rejected", lines: 2 };
        assert_eq!(limit.held(now), [held]);
        assert_eq!(limit.held(now), []);
        assert!(limit.may(address(1), "rejected", Timestamp(MINUTE)), "another minute");
        limit.held(Timestamp(3 * MINUTE));
        assert!(limit.accounts.lock().unwrap().is_empty(), "who is quiet is forgotten");
    }

    #[test]
    fn a_crowd_of_addresses_shares_one_account() {
        let (limit, now) = (Limit::default(), Timestamp(0));
        let most = u32::try_from(ADDRESSES_MAX).unwrap();
        let written = (0..2 * most).filter(|number| limit.may(address(*number), "rejected", now)).count();
        assert_eq!(written, ADDRESSES_MAX + LINES_MAX as usize);
        assert_eq!(limit.accounts.lock().unwrap().len(), ADDRESSES_MAX + 1);
        assert_eq!(limit.held(now)[0].address, "others");
    }

    #[test]
    fn only_lines_that_a_peer_causes_are_limited() {
        #[derive(Clone, Default)]
        struct Written(Arc<Mutex<Vec<u8>>>);
        impl std::io::Write for Written {
            fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
                self.0.lock().unwrap().extend_from_slice(bytes);
                Ok(bytes.len())
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        let written = Written::default();
        let writer = written.clone();
        let lines = tracing_subscriber::fmt::layer()
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .with_filter(Limited(Arc::default()));
        let subscriber = tracing_subscriber::registry().with(lines);
        let peer: SocketAddr = "10.0.0.1:7000".parse().unwrap();
        tracing::subscriber::with_default(subscriber, || {
            for _ in 0..100 {
                tracing::info!(%peer, "of a peer");
                tracing::warn!(mn = "A", "our own");
                tracing::info!(target: "wire", %peer, "asked for");
                tracing::debug!(%peer, "asked for too");
            }
        });
        let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
        assert_eq!(text.matches(" of a peer ").count(), LINES_MAX as usize, "{text}");
        assert_eq!(text.matches("our own").count(), 100);
        assert_eq!(text.matches("asked for").count(), 200);
    }
}
