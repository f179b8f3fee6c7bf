//! The host's clock does what it likes: what waits goes on, what has a date keeps it, and no gap is invented beyond its bound.

use super::*;
use hj212_coverage::GAP_DAYS_MAX;

const SECOND: i64 = 1_000_000;
const HOUR: i64 = 3600 * SECOND;
const DAY: i64 = 24 * HOUR;

/// A gateway's host, with one station that sends sampled data every 30 s, and one that does until it is told not to.
struct Host {
    player: Player,
    truth: i64,
    error: i64,
    still: Option<i64>,
    mono: i64,
    /// Whether the run journals its monotonic clock: versions before did not.
    reads: bool,
    silent: bool,
}

fn digits(at: i64) -> String {
    Timestamp(at).to_rfc3339()[..19].chars().filter(char::is_ascii_digit).collect()
}

impl Host {
    fn new(reads: bool) -> Host {
        let settings =
            Settings { parts_max_wait: Duration::from_secs(60), card_refresh: Duration::from_secs(3600), ..settings() };
        let mut host = Host {
            player: Player::new(settings),
            truth: noon().0,
            error: 0,
            still: None,
            mono: 0,
            reads,
            silent: false,
        };
        host.start();
        host.pass(1800 * SECOND);
        host.player.out.clear();
        host
    }

    fn wall(&self) -> Timestamp {
        // The clock is read as the epoch when it is before it.
        Timestamp(self.still.unwrap_or(self.truth + self.error).max(0))
    }

    fn start(&mut self) {
        self.mono = 0;
        let mut steps = vec![step(self.wall(), &Record::Started("0.1.0"))];
        if self.reads {
            steps.push(step(self.wall(), &Record::Clock(0)));
        }
        self.player.play(&steps);
    }

    fn say(&mut self, segment: &str) {
        let said = frame_step(self.wall(), segment.as_bytes());
        self.player.play(&[said]);
    }

    fn data(&mut self, mn: &str, data_time: &str) {
        let qn = digits(self.truth);
        self.say(&format!(
            "QN={qn}000;ST=31;CN=2011;MN={mn};Flag=5;CP=&&DataTime={data_time};a21026-Rtd=7,a21026-Flag=N&&"
        ));
    }

    /// Lets time pass, which is whole seconds; frames every 30 s, time every 5.
    fn pass(&mut self, micros: i64) {
        for _ in 0..micros / SECOND {
            self.truth += SECOND;
            self.mono += SECOND;
            if (self.truth / SECOND) % 5 == 0 {
                let time = if self.reads { Record::Clock(self.mono) } else { Record::Tick };
                let time = step(self.wall(), &time);
                self.player.play(&[time]);
            }
            if (self.truth / SECOND) % 30 == 7 {
                let now = digits(self.truth);
                self.data("A", &now);
                if !self.silent {
                    self.data("B", &now);
                }
            }
        }
    }

    fn count(&self, topic: &str) -> usize {
        self.player.out.iter().filter(|publication| publication.topic.ends_with(topic)).count()
    }

    /// The records of all gaps that were told.
    fn gaps(&self) -> Vec<u64> {
        let gaps = self.player.out.iter().filter(|publication| publication.topic.ends_with("/event/gap"));
        gaps.map(|gap| serde_json::from_slice::<serde_json::Value>(&gap.payload).unwrap()["count"].as_u64().unwrap())
            .collect()
    }

    /// Everything that waits still comes in its time.
    fn is_well(&mut self, what: &str) {
        self.player.out.clear();
        let now = digits(self.truth);
        self.say(&format!(
            "QN={now}000;ST=31;CN=2051;MN=A;Flag=7;PNUM=2;PNO=1;CP=&&DataTime={now};a21026-Avg=1,a21026-Flag=N&&"
        ));
        self.pass(90 * SECOND);
        assert_eq!(self.count("/event/parts-missing"), 1, "{what}: the split record");
        self.silent = true;
        self.pass(HOUR + 600 * SECOND);
        assert!(self.count("hj212/v1/A/station") > 0, "{what}: the card");
        assert!(self.count("B/event/gap") > 0, "{what}: the station that fell silent");
        self.silent = false;
        let schemas = Schemas::new();
        self.player.out.iter().for_each(|publication| schemas.check(publication));
    }
}

/// What a clock does for so long before it is right again.
const FAULTS: &[(&str, i64, i64)] = &[
    ("400 days ahead for 6 s", 400 * DAY, 6),
    ("400 days ahead for a minute", 400 * DAY, 60),
    ("400 days back for a minute", -400 * DAY, 60),
    ("2 h ahead for 5 minutes", 2 * HOUR, 300),
    ("2 h back for 5 minutes", -2 * HOUR, 300),
    ("1970 for a minute", -60 * 366 * DAY, 60),
    ("beyond 9999 for a minute", 9000 * 366 * DAY, 60),
];

#[test]
fn a_clock_that_was_wrong_for_a_while_stops_nothing_and_invents_nothing() {
    for (what, error, seconds) in FAULTS {
        let mut host = Host::new(true);
        host.error = *error;
        host.pass(seconds * SECOND);
        host.error = 0;
        host.pass(600 * SECOND);
        assert_eq!((host.gaps(), host.count("/clock-step")), (vec![], 0), "{what}");
        assert!(
            host.player.data().iter().all(|data| data["backfill"] == false
                && data["deviations"].as_array().unwrap().iter().all(|d| d != "clock-off")),
            "{what}: a wrong clock of the host is not the station's"
        );
        host.is_well(what);
        // A start changes nothing of it.
        host.start();
        host.is_well(what);
    }
}

#[test]
fn while_it_is_wrong_everything_goes_on_as_well() {
    for (what, error, _) in FAULTS {
        let mut host = Host::new(true);
        host.error = *error;
        host.is_well(what);
        host.error = 0;
        host.pass(1200 * SECOND);
        host.is_well(what);
        let most = u64::from(GAP_DAYS_MAX) * 86_400 / 30;
        assert!(host.gaps().iter().all(|count| *count <= most), "{what}: {:?}", host.gaps());
    }
    let mut host = Host::new(true);
    host.still = Some(host.truth);
    host.is_well("it stands still");
    host.still = None;
    host.is_well("it goes again");
}

#[test]
fn a_step_is_told_once_each_way_and_gaps_are_bounded() {
    let most = u64::from(GAP_DAYS_MAX) * 86_400 / 30;
    for error in [400 * DAY, 2 * HOUR, -2 * HOUR, -400 * DAY] {
        let mut host = Host::new(true);
        host.error = error;
        host.pass(1200 * SECOND);
        assert_eq!(host.count("/clock-step"), 1, "{error}");
        host.error = 0;
        host.pass(1200 * SECOND);
        assert_eq!(host.count("/clock-step"), 2, "{error}");
        let gaps = host.gaps();
        assert!(gaps.iter().all(|count| *count <= most) && gaps.len() <= 4, "{error}: {gaps:?}");
        host.is_well("after it");
        host.player.out.clear();
        host.pass(3600 * SECOND);
        assert_eq!(host.gaps(), Vec::<u64>::new(), "{error}: all is as before");
    }
}

#[test]
fn a_boot_in_1970_that_is_set_right_and_a_jump_while_the_gateway_is_away() {
    let mut host = Host::new(true);
    host.truth += 120 * SECOND;
    host.error = -60 * 366 * DAY;
    host.start();
    host.pass(20 * SECOND);
    host.error = 0;
    host.pass(600 * SECOND);
    assert!(host.gaps().iter().all(|count| *count <= 6), "{:?}", host.gaps());
    host.is_well("set right after the start");
    for error in [400 * DAY, -2 * HOUR] {
        let mut host = Host::new(true);
        host.error = error;
        host.start();
        host.pass(120 * SECOND);
        assert_eq!(host.gaps(), Vec::<u64>::new());
        host.error = 0;
        host.pass(120 * SECOND);
        assert_eq!((host.gaps(), host.count("/clock-step")), (vec![], 0));
        host.is_well("set right");
    }
}

#[test]
fn a_journal_of_a_version_without_readings_heals() {
    let mut host = Host::new(false);
    host.error = 400 * DAY;
    host.pass(7 * SECOND);
    host.error = 0;
    host.pass(60 * SECOND);
    assert_eq!(host.gaps(), Vec::<u64>::new());
    host.is_well("the version before");
}

#[test]
fn a_station_that_says_impossible_times_harms_only_that_record() {
    for said in
        ["00010101000000", "99991231235959", "19700101000000", "19700101080000", "21060207062815", "20000101000000"]
    {
        let mut host = Host::new(true);
        for _ in 0..12 {
            host.data("A", said);
            host.data("C", said);
        }
        host.pass(120 * SECOND);
        assert_eq!(host.gaps(), Vec::<u64>::new(), "{said}");
        host.is_well(said);
        let later = digits(host.truth);
        host.player.out.clear();
        host.data("C", &later);
        assert_eq!(host.player.data().len(), 1, "{said}");
        for _ in 0..30 {
            host.pass(30 * SECOND);
            let now = digits(host.truth);
            host.data("C", &now);
        }
        let schemas = Schemas::new();
        host.player.out.iter().for_each(|publication| schemas.check(publication));
        assert!(host.gaps().iter().all(|count| *count <= 130), "{said}: {:?}", host.gaps());
    }
}
