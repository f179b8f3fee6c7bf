//! Limits that only the running process knows, and what reached a limit, told.
//!
//! What must stay true: journal, broker and page always find a descriptor, however many stations connect; what a limit held back is said in the
//! journal, and so to the broker, at once for the first time and then at most once in [`SAY_EVERY`] a kind: never silent, never a flood.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::record;
use crate::http;
use crate::net::{ListenerState, Places};
use hj212_journal::Journal;
use hj212_model::message::{Record, notice};

/// Descriptors that journal, broker, listeners and files need, besides the page's.
const OWN: u64 = 128;
/// It is looked so often for what reached a limit.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Of one kind at most one event in this time.
const SAY_EVERY: Duration = Duration::from_secs(60);

/// How the process's descriptors are shared out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shares {
    /// Descriptors that the process may have.
    pub all: u64,
    /// Connections of stations, at most.
    pub stations: usize,
    /// Connections of operators, at most.
    pub page: usize,
}

impl Shares {
    /// Shares `all` descriptors out: half at least is kept back where there are few.
    #[must_use]
    pub fn of(all: u64) -> Shares {
        let page = http::CONNECTIONS_MAX as u64;
        let back = (OWN + page).min(all / 2);
        let size = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
        Shares { all, stations: size((all - back).max(1)), page: size(page.min(back * 2 / 3).max(1)) }
    }

    /// What this process has; the soft limit is raised to the hard one where that is allowed.
    #[must_use]
    pub fn taken() -> Shares {
        let limit = getrlimit(Resource::Nofile);
        // The unit's system call filter may forbid it; its LimitNOFILE sets both.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
        Self::found()
    }

    /// What this process has.
    #[must_use]
    pub fn found() -> Shares {
        Self::of(getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX / 2))
    }

    /// How many stations connect at a time.
    #[must_use]
    pub fn places(&self, wanted: Places) -> usize {
        self.stations.min(wanted.most())
    }

    /// Why that are fewer than was set, or than `stations` are registered, if they are.
    #[must_use]
    pub fn too_few_for(&self, wanted: Places, stations: usize) -> Option<String> {
        let places = self.places(wanted);
        let what = match wanted {
            Places::Most(most) if self.stations < most => format!("listen.connections_max {most}"),
            Places::Most(_) | Places::Auto if places < stations => format!("{stations} stations are registered"),
            Places::Most(_) | Places::Auto => return None,
        };
        Some(format!(
            "{what}: at most {places} stations connect at a time; this process may have {} descriptors, of which {} are kept back for journal, \
             broker and page; raise LimitNOFILE (ulimit -n) or listen.connections_max · 同时最多接入 {places} 台,请提高 LimitNOFILE(ulimit -n)\
             或 listen.connections_max",
            self.all,
            self.all - self.stations as u64
        ))
    }
}

/// Says what reached a limit, until `stop`.
pub(super) async fn tell(shared: Arc<ListenerState>, journal: Arc<Journal>, stop: CancellationToken) {
    let mut said: BTreeMap<String, Instant> = BTreeMap::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
        let now = Instant::now();
        said.retain(|_, at| now.saturating_duration_since(*at) < SAY_EVERY);
        let say = |kind: &str, mn: Option<&str>, detail: &serde_json::Value| {
            journal.appender().append(record(&Record::Notice(&notice(kind, mn, detail))), ());
        };
        if !said.contains_key("")
            && let Some(unkept) = shared.unkept()
        {
            said.insert(String::new(), now);
            let networks: BTreeMap<String, u64> = unkept.networks.iter().map(|(ip, n)| (ip.to_string(), *n)).collect();
            let detail = json!({ "count": unkept.count, "bytes": unkept.bytes, "networks": networks });
            tracing::warn!(
                count = unkept.count,
                bytes = unkept.bytes,
                "rejected things were not kept: too many of them"
            );
            say("rejected-unkept", None, &detail);
        }
        // What is not said now is counted on.
        for (mn, count) in shared.slowed(|mn| !said.contains_key(mn)) {
            said.insert(mn.to_string(), now);
            let limit = shared.settings().station_frames_per_minute;
            tracing::warn!(mn = %mn, "a station speaks faster than station_frames_per_minute and is read more slowly");
            say("station-limited", Some(&mn), &json!({ "slowed": count, "frames_per_minute": limit }));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_descriptors_are_always_kept_back() {
        for all in [2, 16, 64, 256, 1024, 65_536, 1 << 40] {
            let shares = Shares::of(all);
            assert!(shares.stations as u64 + shares.page as u64 <= all, "{shares:?}");
            assert!(all < 64 || all - shares.stations as u64 - shares.page as u64 >= all.min(1024) / 8, "{shares:?}");
        }
        assert_eq!(Shares::of(65_536), Shares { all: 65_536, stations: 65_152, page: 256 });
        let shares = Shares::of(20_000);
        assert_eq!(shares.too_few_for(Places::Auto, 10_000), None, "nobody set more than there is");
        assert_eq!(shares.places(Places::Auto), 19_616);
        assert!(shares.too_few_for(Places::Auto, 19_700).unwrap().contains("19700 stations are registered"));
        assert!(shares.too_few_for(Places::Most(20_000), 0).unwrap().contains("LimitNOFILE"));
        assert_eq!(Shares::of(65_536).too_few_for(Places::Most(20_000), 20_000), None);
        assert!(Shares::of(65_536).too_few_for(Places::Auto, 20_001).unwrap().contains("at most 20000"));
    }
}
