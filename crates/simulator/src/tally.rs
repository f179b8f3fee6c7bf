//! What a run counts, while it runs and at its end.

use std::fmt;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

use super::upload::Kind;

/// Answer times above this are counted as this.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(3600);

/// Connections write to one of so many histograms, so that they do not wait for each other.
const SHARDS: usize = 8;

macro_rules! tallies {
    ($( $variant:ident, $field:ident, $meaning:literal; )*) => {
        /// Something counted over all stations.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[repr(usize)]
        pub(crate) enum Count { $( #[doc = $meaning] $variant, )* }

        const COUNTS: usize = [$( Count::$variant ),*].len();

        /// What all stations did together.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
        pub struct Counts { $( #[doc = $meaning] pub $field: u64, )* }

        impl Tally {
            fn counts(&self) -> Counts {
                Counts { $( $field: self.counts[Count::$variant as usize].load(Ordering::Relaxed), )* }
            }
        }

        /// The counts with the names and meanings of their rows.
        fn rows(counts: &Counts) -> impl Iterator<Item = (&'static str, u64, &'static str)> {
            [$( (stringify!($field), counts.$field, $meaning), )*].into_iter()
        }
    };
}

tallies! {
    Sent, sent, "packets sent, re-sends not counted";
    Acked, acked, "packets whose answer came";
    Resent, resent, "times a packet was sent again for want of an answer";
    Unasked, unasked, "packets sent that wanted no answer";
    Unanswered, unanswered, "packets without an answer when their connection ended";
    Reuploaded, reuploaded, "kept records acknowledged after an outage";
    Discarded, discarded, "records thrown away at the limit of --keep";
    Kept, kept, "records still kept at the end";
    Connects, connects, "connections made";
    ConnectFailures, connect_failures, "connections that could not be made";
    Reconnects, reconnects, "connections lost or given up, and made again";
    StrayAnswers, stray_answers, "answers to nothing in flight";
    BadAnswers, bad_answers, "bytes from the host that are no sound frame";
    Commands, commands, "commands of the host";
    CommandsAgain, commands_again, "times a command was heard again with the same QN";
    Refusals, refusals, "commands not accepted: 9011 with another QnRtn than 1";
    Ignored, ignored, "times a command was not answered, on purpose";
    Told, told, "packets told because the host asked for them";
    Untold, untold, "records not uploaded in time that stand in the history alone (--keeps-history)";
    BytesSent, bytes_sent, "bytes sent";
}

/// The counters of a running simulation; shared by reference.
#[derive(Debug)]
pub(crate) struct Tally {
    counts: [AtomicU64; COUNTS],
    sent: [AtomicU64; Kind::ALL.len()],
    acked: [AtomicU64; Kind::ALL.len()],
    connected: AtomicI64,
    connected_max: AtomicI64,
    times: [Mutex<Histogram<u64>>; SHARDS],
}

impl Tally {
    pub(crate) fn new() -> Self {
        Tally {
            counts: std::array::from_fn(|_| AtomicU64::new(0)),
            sent: std::array::from_fn(|_| AtomicU64::new(0)),
            acked: std::array::from_fn(|_| AtomicU64::new(0)),
            connected: AtomicI64::new(0),
            connected_max: AtomicI64::new(0),
            times: std::array::from_fn(|_| Mutex::new(histogram())),
        }
    }

    pub(crate) fn count(&self, count: Count) {
        self.add(count, 1);
    }

    pub(crate) fn add(&self, count: Count, n: u64) {
        self.counts[count as usize].fetch_add(n, Ordering::Relaxed);
    }

    pub(crate) fn sent(&self, kind: Kind) {
        self.count(Count::Sent);
        self.sent[kind as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Counts an answer that came `answer_time` after its packet was first sent; without the time, it counts as an answer alone.
    pub(crate) fn acked(&self, kind: Kind, answer_time: Option<Duration>, shard: usize) {
        self.acked[kind as usize].fetch_add(1, Ordering::Relaxed);
        if let (Some(time), Some(times)) = (answer_time, self.times.get(shard % SHARDS)) {
            let micros = u64::try_from(time.min(ANSWER_TIME_MAX).as_micros()).unwrap_or(u64::MAX);
            times.lock().unwrap_or_else(PoisonError::into_inner).saturating_record(micros);
        }
        // Last: who waits for a number of answers finds their times counted.
        self.count(Count::Acked);
    }

    pub(crate) fn connection(&self, change: i64) {
        let now = self.connected.fetch_add(change, Ordering::Relaxed) + change;
        self.connected_max.fetch_max(now, Ordering::Relaxed);
    }

    pub(crate) fn progress(&self, elapsed: Duration) -> Progress {
        let connected = self.connected.load(Ordering::Relaxed);
        Progress { elapsed, connected: u64::try_from(connected).unwrap_or(0), counts: self.counts() }
    }

    pub(crate) fn summary(
        &self,
        elapsed: Duration,
        frames_per_second: f64,
        stations: u64,
        connections: u64,
    ) -> Summary {
        let mut times = histogram();
        for shard in &self.times {
            let shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            // Both have the same bounds.
            let _ = times.add(&*shard);
        }
        let value = |quantile| times.value_at_quantile(quantile);
        let kinds = Kind::ALL.map(|kind| PerKind {
            kind,
            cn: kind.cn(),
            sent: self.sent[kind as usize].load(Ordering::Relaxed),
            acked: self.acked[kind as usize].load(Ordering::Relaxed),
        });
        let counts = self.counts();
        Summary {
            stations,
            connections,
            connected_max: u64::try_from(self.connected_max.load(Ordering::Relaxed)).unwrap_or(0),
            seconds: elapsed.as_secs_f64(),
            frames_per_second,
            counts,
            answer_micros: AnswerTimes {
                p50: value(0.5),
                p90: value(0.9),
                p99: value(0.99),
                max: times.max(),
                mean: times.mean(),
            },
            kinds: kinds.into_iter().filter(|kind| kind.sent > 0).collect(),
        }
    }
}

/// Two digits, up to [`ANSWER_TIME_MAX`] in microseconds. The bounds are constants that the library accepts.
fn histogram() -> Histogram<u64> {
    let max = ANSWER_TIME_MAX.as_micros() as u64;
    Histogram::new_with_bounds(1, max, 2).or_else(|_| Histogram::new(2)).unwrap_or_else(|_| unreachable!())
}

/// How a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Progress {
    /// Time since the start.
    pub elapsed: Duration,
    /// Connections that stand now.
    pub connected: u64,
    /// What was counted so far. `kept` is counted at the end only.
    #[serde(flatten)]
    pub counts: Counts,
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Counts { sent, acked, resent, reconnects, unanswered, reuploaded, .. } = self.counts;
        write!(
            f,
            "{:>6.0} s  connected {}  sent {sent}  acked {acked}  resent {resent}  reconnects {reconnects}  \
             unanswered {unanswered}  re-uploaded {reuploaded}",
            self.elapsed.as_secs_f64(),
            self.connected
        )
    }
}

/// Answer times in microseconds, from the first sending of a packet to its answer.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct AnswerTimes {
    /// Half of the answers came within this.
    pub p50: u64,
    /// 90 % did.
    pub p90: u64,
    /// 99 % did.
    pub p99: u64,
    /// All did.
    pub max: u64,
    /// The mean.
    pub mean: f64,
}

/// What was sent of one kind of record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct PerKind {
    /// The kind.
    pub kind: Kind,
    /// Its command code.
    pub cn: u16,
    /// Packets sent, re-sends not counted.
    pub sent: u64,
    /// Packets answered.
    pub acked: u64,
}

/// What a run came to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// Stations simulated.
    pub stations: u64,
    /// Connections they shared.
    pub connections: u64,
    /// The most connections that stood at once.
    pub connected_max: u64,
    /// How long the run took.
    pub seconds: f64,
    /// Answered packets a second, from when the last connection was due to be made to the end of the duration.
    pub frames_per_second: f64,
    /// What was counted.
    #[serde(flatten)]
    pub counts: Counts,
    /// How long answers took.
    pub answer_micros: AnswerTimes,
    /// By kind of record; kinds that were not sent are left out.
    pub kinds: Vec<PerKind>,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} stations on {} connections (at most {} at once), {:.1} s, {:.1} frames/s answered",
            self.stations, self.connections, self.connected_max, self.seconds, self.frames_per_second
        )?;
        let millis = |micros: u64| micros as f64 / 1000.0;
        let AnswerTimes { p50, p90, p99, max, .. } = self.answer_micros;
        writeln!(
            f,
            "answer time  p50 {:.2} ms  p90 {:.2} ms  p99 {:.2} ms  max {:.2} ms\n",
            millis(p50),
            millis(p90),
            millis(p99),
            millis(max)
        )?;
        for (name, count, meaning) in rows(&self.counts) {
            writeln!(f, "{name:<17} {count:>10}  {meaning}")?;
        }
        writeln!(f, "\n{:<11} {:>4} {:>10} {:>10}", "kind", "CN", "sent", "acked")?;
        for PerKind { kind, cn, sent, acked } in &self.kinds {
            writeln!(f, "{:<11} {cn:>4} {sent:>10} {acked:>10}", kind.name())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_tells_what_was_counted() {
        let tally = Tally::new();
        for n in 1..=100 {
            tally.sent(Kind::Hour);
            tally.acked(Kind::Hour, Some(Duration::from_millis(n)), n as usize);
        }
        tally.connection(3);
        tally.connection(-1);
        let summary = tally.summary(Duration::from_secs(11), 10.0, 4, 3);
        assert_eq!((summary.counts.sent, summary.counts.acked, summary.connected_max), (100, 100, 3));
        assert_eq!(summary.frames_per_second, 10.0);
        assert!((49_000..52_000).contains(&summary.answer_micros.p50), "{}", summary.answer_micros.p50);
        assert!(summary.answer_micros.max >= 100_000);
        assert_eq!(summary.kinds.len(), 1);
        let text = summary.to_string();
        assert!(text.contains("hour") && text.contains("2061") && text.contains("p99"), "{text}");
        let json = serde_json::to_value(&summary).unwrap();
        assert_eq!(json["acked"], 100);
        assert_eq!(json["kinds"][0]["kind"], "hour");
    }
}
