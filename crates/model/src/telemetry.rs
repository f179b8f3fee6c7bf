//! What happens, counted: every counter of the gateway, its name and its meaning, in one table.
//!
//! What does I/O counts here and logs with `tracing`; pure modules return what happened and let who called them count it. What must
//! stay true: a counter's name stays (dashboards rely on it), and the set of labels is closed.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use crate::message::RejectReason;
use hj212::{Deviation, Deviations};

macro_rules! counters {
    ($( $variant:ident, $name:literal, $meaning:literal; )*) => {
        /// A counter of the gateway.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(usize)]
        pub enum Counter { $( #[doc = $meaning] $variant, )* }

        impl Counter {
            /// All counters.
            pub const ALL: &'static [Counter] = &[ $( Counter::$variant, )* ];
            /// The stable name.
            #[must_use]
            pub const fn name(self) -> &'static str { match self { $( Self::$variant => $name, )* } }
            /// What it counts.
            #[must_use]
            pub const fn meaning(self) -> &'static str { match self { $( Self::$variant => $meaning, )* } }
        }
    };
}

counters! {
    FramesHeard, "frames_heard", "frames with a recognised envelope";
    FramesAnswered, "frames_answered", "answers (9013, 9014, 9022) sent";
    FramesUnasked, "frames_unasked", "frames stored that want no answer";
    FramesRejected, "frames_rejected", "frames refused (CRC, MN, PW, network); not answered";
    AnswersUndelivered, "answers_undelivered", "stored frames whose connection ended before the answer was sent";
    RejectedUnkept, "rejected_unkept", "rejected things beyond rejected_per_minute or the limits in all, counted and not kept";
    StationsSlowed, "stations_slowed", "frames after which a connection was not read for a while: more than station_frames_per_minute";
    StationsUnplaced, "stations_unplaced", "frames of stations beyond stations_per_connection_max";
    FramesUnstored, "frames_unstored", "frames that the journal did not take; not answered";
    BytesHeard, "bytes_heard", "bytes read from stations";
    ConnectionsOpened, "connections_opened", "connections accepted";
    ConnectionsClosed, "connections_closed", "connections ended";
    ConnectionsRefusedTotal, "connections_refused_max", "newcomers refused at connections_max";
    ConnectionsGaveWay, "connections_gave_way", "silent connections without an accepted frame that gave way to newcomers at connections_max";
    ConnectionsRefusedBlock, "connections_refused_block", "newcomers refused at connections_per_block_max";
    ConnectionsUnproxied, "connections_unproxied", "connections closed for want of a good PROXY header, or from elsewhere than the load balancers";
    ConnectionsUntls, "connections_untls", "connections closed because the TLS handshake failed";
    ConnectionsIdle, "connections_idle", "connections closed after idle_max";
    ConnectionsPartial, "connections_partial", "connections closed for an unfinished frame older than partial_max";
    ConnectionsNoisy, "connections_noisy", "connections closed for too much that is no frame";
    AcceptErrors, "accept_errors", "errors of the accept loop, which goes on";
    StationsMoved, "stations_moved", "stations that show another MN than they are registered with";
    Takeovers, "takeovers", "stations that moved to another connection";
    ClonesSuspected, "clones_suspected", "stations that speak on two connections by turns";
    JournalRecords, "journal_records", "records made durable";
    JournalBytes, "journal_bytes", "bytes made durable";
    JournalCommits, "journal_commits", "group commits";
    JournalErrors, "journal_errors", "writes, syncs or renames that failed";
    JournalRefused, "journal_refused", "records refused while the journal could not write";
    JournalSuperseded, "journal_superseded", "records of a configuration that waited for the disk until a later one took their place";
    JournalQuarantined, "journal_quarantined", "damaged ranges copied to quarantine";
    JournalLost, "journal_lost", "records found damaged when the journal was opened";
    JournalExpired, "journal_expired", "delivered segments removed";
    JournalDroppedEarly, "journal_dropped_early", "delivered segments removed before their time because the disk was full";
    ArchivedSegments, "archived_segments", "sealed segments copied to the archive";
    ArchivedBytes, "archived_bytes", "bytes of these copies";
    ArchiveExpired, "archive_expired", "copies removed from the archive because their time was over";
    ArchiveUnreadable, "archive_unreadable", "bytes of segments that the disk could not read when they were copied; zeros stand for them";
    ArchiveErrors, "archive_errors", "tries at the archive that failed (full, unreadable); the journal keeps what has no copy";
    UplinkRecords, "uplink_records", "records interpreted";
    UplinkResent, "uplink_resent", "exact re-sends not published again";
    UplinkRevisions, "uplink_revisions", "records published again with changed values";
    UplinkPartsMissing, "uplink_parts_missing", "split records given up incomplete";
    UplinkOpened, "uplink_opened", "encrypted data areas opened with a key of the station";
    UplinkUnreadable, "uplink_unreadable", "encrypted data areas that no known key opens, published as unreadable";
    UplinkUnremembered, "uplink_unremembered", "frames of stations beyond interpret.stations_max: published, nothing remembered";
    UnregisteredForgotten, "unregistered_forgotten", "unregistered stations forgotten for others: unregistered_max or unregistered_bytes_max";
    UplinkUndecoded, "uplink_undecoded", "records of a newer version of the gateway, passed over";
    JournalUnreadable, "journal_unreadable", "ranges of the journal that the disk cannot read";
    JournalBreaks, "journal_breaks", "segments that do not continue the chain of the one before, or are not the ones that their names say";
    UplinkStateLost, "uplink_state_lost", "starts that found neither a readable checkpoint nor the journal's beginning: what began before is not continued";
    ClockSteps, "clock_steps", "times the believed date was set, because the host's clock had stayed at another one";
    ClockDoubted, "clock_doubted", "records interpreted while the host's clock was doubted";
    UplinkContextsHidden, "uplink_contexts_hidden", "damaged ranges that hid the configuration in force: it was journalled again before anything more was published";
    UplinkContextsBroken, "uplink_contexts_broken", "configurations in the journal that did not come whole; the former one stays in force";
    UplinkRulesRefused, "uplink_rules_refused", "marking rules in the journal that this version refuses; the former ones stay in force";
    GapsBegun, "gaps_begun", "runs of missing records that were found";
    GapsClosed, "gaps_closed", "runs of missing records that ended: filled, explained or given up";
    UplinkLost, "uplink_lost", "records that were damaged or gone before they were delivered; they are not published";
    UplinkOversize, "uplink_oversize", "messages larger than mqtt.packet_max; a notice was published in their place";
    DownlinkMissed, "downlink_missed", "frames not told to the command desk, which had too many to listen to";
    DownlinkSent, "downlink_sent", "frames sent to stations because of a command, resends among them";
    DownlinkUnposted, "downlink_unposted", "frames for stations that do not read; they are sent again after the time-out";
    DownlinkRefused, "downlink_refused", "requests for commands that were refused";
    DownlinkElsewhere, "downlink_elsewhere", "requests left to other gateways, for the station is not connected here (only_connected)";
    DownlinkStrange, "downlink_strange", "answers of stations to nothing we asked, or in no readable form";
    MqttPublished, "mqtt_published", "messages handed to the broker";
    MqttAcknowledged, "mqtt_acknowledged", "messages acknowledged by the broker";
    MqttRefused, "mqtt_refused", "messages refused by the broker, to be sent again";
    MqttSetAside, "mqtt_set_aside", "messages that the broker would not take, set aside as dead letters while others went on";
    MqttUnconfirmed, "mqtt_unconfirmed", "messages published again because the consumer had not confirmed them in time";
    LettersDropped, "dead_letters_dropped", "dead letters that fell out of the list of the newest; they are still in the journal";
    MqttConnects, "mqtt_connects", "connections made to the broker";
    PushSent, "push_sent", "messages that push sinks have taken";
    PushFailed, "push_failed", "attempts at push sinks that failed, refusals among them";
    PushRefused, "push_refused", "attempts that a push sink refused for the message itself";
    PushGivenUp, "push_given_up", "messages given up because a push sink refused them again and again";
    PushDropped, "push_dropped", "messages that fell out of a full push queue, or were too long for it";
    PushUnstored, "push_unstored", "pushed messages that the cursor passed before they were on disk";
    Reloads, "reloads", "configurations taken up while the gateway runs";
    ReloadsRefused, "reloads_refused", "configurations that were wrong: nothing was changed";
    HttpRefused, "http_refused", "requests to change something with no token or a wrong one";
    MqttDisconnects, "mqtt_disconnects", "connections to the broker lost or refused";
}

/// A certificate whose end is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(usize)]
pub enum Expiry {
    /// The broker's own.
    MqttBroker,
    /// The one that we show the broker.
    MqttClient,
    /// The first to end of those that we show stations.
    Listener,
}

impl Expiry {
    /// All of them.
    pub const ALL: &'static [Expiry] = &[Expiry::MqttBroker, Expiry::MqttClient, Expiry::Listener];

    /// The stable name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::MqttBroker => "mqtt-broker",
            Self::MqttClient => "mqtt-client",
            Self::Listener => "listener",
        }
    }
}

/// Something whose duration is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(usize)]
pub enum Timing {
    /// From a frame's last byte to its answer.
    Answer,
    /// A group commit: write and sync.
    Commit,
}

impl Timing {
    /// All of them.
    pub const ALL: &'static [Timing] = &[Timing::Answer, Timing::Commit];

    /// The stable name; a unit follows it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Answer => "answer",
            Self::Commit => "journal_commit",
        }
    }

    /// What is measured.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Answer => "time from a frame's last byte to its answer",
            Self::Commit => "time of a group commit, write and sync",
        }
    }
}

/// Upper bounds of the classes of durations, in microseconds; beyond the last there is one more class.
pub const BOUNDS_MICROS: [u64; 12] =
    [250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 1_000_000, 5_000_000];

/// How often durations of each class were met, and their sum.
#[derive(Debug, Default)]
struct Histogram {
    classes: [AtomicU64; BOUNDS_MICROS.len() + 1],
    micros: AtomicU64,
}

/// All counters of a running gateway; shared by reference.
#[derive(Debug)]
pub struct Telemetry {
    timings: [Histogram; Timing::ALL.len()],
    counters: [AtomicU64; Counter::ALL.len()],
    /// Seconds since 1970; 0: there is none.
    expiries: [AtomicI64; Expiry::ALL.len()],
    deviations: [AtomicU64; Deviations::NUMBERS],
    rejected: [AtomicU64; RejectReason::ALL.len()],
}

impl Default for Telemetry {
    fn default() -> Self {
        Telemetry {
            timings: std::array::from_fn(|_| Histogram::default()),
            counters: std::array::from_fn(|_| AtomicU64::new(0)),
            deviations: std::array::from_fn(|_| AtomicU64::new(0)),
            rejected: std::array::from_fn(|_| AtomicU64::new(0)),
            expiries: std::array::from_fn(|_| AtomicI64::new(0)),
        }
    }
}

impl Telemetry {
    /// Adds one.
    pub fn count(&self, counter: Counter) {
        self.add(counter, 1);
    }

    /// A certificate ends then, seconds since 1970; `None`: there is none.
    pub fn expires(&self, certificate: Expiry, at: Option<i64>) {
        self.expiries[certificate as usize].store(at.unwrap_or(0), Ordering::Relaxed);
    }

    /// When a certificate ends, if there is one.
    #[must_use]
    pub fn expiry(&self, certificate: Expiry) -> Option<i64> {
        Some(self.expiries[certificate as usize].load(Ordering::Relaxed)).filter(|at| *at != 0)
    }

    /// Adds `n`.
    pub fn add(&self, counter: Counter, n: u64) {
        self.counters[counter as usize].fetch_add(n, Ordering::Relaxed);
    }

    /// The value now.
    #[must_use]
    pub fn get(&self, counter: Counter) -> u64 {
        self.counters[counter as usize].load(Ordering::Relaxed)
    }

    /// Notes a duration.
    pub fn took(&self, timing: Timing, duration: Duration) {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        let class = BOUNDS_MICROS.partition_point(|bound| *bound < micros);
        let histogram = &self.timings[timing as usize];
        histogram.classes[class].fetch_add(1, Ordering::Relaxed);
        histogram.micros.fetch_add(micros, Ordering::Relaxed);
    }

    /// How often each class of [`BOUNDS_MICROS`] was met, the last being beyond all, and the sum in microseconds.
    #[must_use]
    pub fn timing(&self, timing: Timing) -> ([u64; BOUNDS_MICROS.len() + 1], u64) {
        let histogram = &self.timings[timing as usize];
        let classes = std::array::from_fn(|class| histogram.classes[class].load(Ordering::Relaxed));
        (classes, histogram.micros.load(Ordering::Relaxed))
    }

    /// Counts each member of a set of deviations.
    pub fn deviated(&self, deviations: Deviations) {
        for deviation in deviations.iter() {
            self.deviations[deviation as usize].fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How often `deviation` was met.
    #[must_use]
    pub fn deviations(&self, deviation: Deviation) -> u64 {
        self.deviations[deviation as usize].load(Ordering::Relaxed)
    }

    /// Counts something refused.
    pub fn rejected(&self, reason: RejectReason) {
        self.rejected[reason as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// How much was refused for `reason`.
    #[must_use]
    pub fn rejections(&self, reason: RejectReason) -> u64 {
        self.rejected[reason as usize].load(Ordering::Relaxed)
    }
}
