//! Simulated stations against a small host that answers, falls silent, goes away and comes back.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::wildcard_enum_match_arm, reason = "tests speak plainly")]

#[cfg(feature = "demo")]
#[allow(dead_code, reason = "the harness is shared")]
mod gateway;
mod host;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use hj212::{Edition, write};
use hj212_simulator::{self as sim, Options, Rate, Subject, Summary};
use host::{Host, HostBehaviour, Received};
use tokio::io::AsyncWriteExt;
use tokio_util::sync::CancellationToken;

fn options(host: &Host) -> Options {
    Options {
        connect: host.address().to_string(),
        stations: 6,
        interval: Duration::from_millis(200),
        duration: Duration::from_secs(2),
        // A tenth of a day, so that the test's machine has little to do.
        speed: Some(4_320.0),
        min_interval: 30,
        answer_timeout: Duration::from_secs(2),
        // On a busy machine the last answers come late.
        drain: Duration::from_secs(60),
        reconnect_min: Duration::from_millis(50),
        reconnect_max: Duration::from_millis(100),
        pace: Duration::from_millis(5),
        ..Options::default()
    }
}

async fn run(options: Options) -> Summary {
    sim::run(options, CancellationToken::new(), |_| {}).await.unwrap()
}

fn lines(path: &Path) -> Vec<String> {
    std::fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect()
}

/// What a ledger should say of a frame that the host answered.
fn note(received: &Received) -> String {
    let Received { mn, qn, cn, data_time, crc32, .. } = received;
    format!("{mn}\t{qn}\t{cn}\t{data_time}\t{crc32:08x}")
}

#[tokio::test]
async fn every_edition_is_answered_and_every_kind_appears() {
    let host = Host::start(HostBehaviour::Answer).await;
    let edition = vec![Edition::V2005, Edition::V2017, Edition::V2025];
    let summary = run(Options { stations: 24, speed: None, edition, ..options(&host) }).await;
    assert_eq!(summary.counts.sent, summary.counts.acked, "{summary}");
    assert_eq!((summary.counts.resent, summary.counts.kept, summary.counts.reconnects), (0, 0, 0), "{summary}");
    let kinds: BTreeSet<u16> = summary.kinds.iter().map(|kind| kind.cn).collect();
    assert!(kinds.is_superset(&BTreeSet::from([2011, 2021, 2051, 2061, 2031, 2081])), "{kinds:?}");
    let heard = host.received();
    assert_eq!(heard.len() as u64, summary.counts.sent);
    assert!(heard.iter().all(|frame| frame.sound), "all frames are sound");
    assert_eq!(heard.iter().map(|frame| &frame.mn).collect::<BTreeSet<_>>().len(), 24);
}

#[tokio::test]
async fn the_ledger_says_exactly_what_was_answered() {
    let host = Host::start(HostBehaviour::Answer).await;
    let dir = tempfile::tempdir().unwrap();
    let (ledger, sent) = (dir.path().join("acked"), dir.path().join("sent"));
    let summary = run(Options { ledger: Some(ledger.clone()), sent: Some(sent.clone()), ..options(&host) }).await;
    let mut acked = lines(&ledger);
    let mut answered: Vec<String> = host.received().iter().map(note).collect();
    acked.sort();
    answered.sort();
    assert_eq!(acked.len() as u64, summary.counts.acked);
    assert_eq!(acked, answered);
    assert_eq!(lines(&sent).len() as u64, summary.counts.sent);
}

/// HJ 212-2017, 6.2: three resends.
#[tokio::test]
async fn a_silent_host_gets_the_same_packet_four_times_and_then_a_new_connection() {
    let host = Host::start(HostBehaviour::Silent).await;
    let stations = 1;
    let stop = CancellationToken::new();
    let watched = stop.clone();
    let simulation = tokio::spawn(sim::run(
        Options {
            stations,
            duration: Duration::ZERO,
            speed: None,
            answer_timeout: Duration::from_millis(60),
            ..options(&host)
        },
        stop,
        |_| {},
    ));
    host.wait_until(|host| host.connections() >= 2 && host.received().len() >= 5).await;
    watched.cancel();
    let summary = simulation.await.unwrap().unwrap();
    let heard = host.received();
    let first = &heard[..4];
    assert!(first.iter().all(|frame| frame.segment == first[0].segment && frame.connection == 0), "{first:?}");
    assert_ne!(heard[4].connection, 0);
    assert_eq!(summary.counts.acked, 0);
    assert!(summary.counts.resent >= 3 && summary.counts.reconnects >= 1 && summary.counts.kept > 0, "{summary}");
}

#[tokio::test]
async fn after_an_outage_everything_is_told() {
    let host = Host::start(HostBehaviour::Answer).await;
    let dir = tempfile::tempdir().unwrap();
    let ledger = dir.path().join("acked");
    let edition = vec![Edition::V2025];
    let mix = vec![Subject::Air, Subject::Water];
    let settings =
        Options { edition, mix, ledger: Some(ledger.clone()), drain: Duration::from_secs(90), ..options(&host) };
    let simulation = tokio::spawn(run(settings));
    host.wait_until(|host| host.received().len() >= 20).await;
    host.behave(HostBehaviour::Hang);
    host.wait_until(|host| host.refused() >= 12).await;
    host.behave(HostBehaviour::Answer);
    let summary = simulation.await.unwrap();
    assert_eq!((summary.counts.kept, summary.counts.discarded), (0, 0), "{summary}");
    assert!(summary.counts.reuploaded > 0 && summary.counts.reconnects > 0, "{summary}");

    let heard = host.received();
    let acked: BTreeSet<String> = lines(&ledger).into_iter().collect();
    let told: BTreeSet<String> = heard.iter().map(note).collect();
    assert!(acked.is_subset(&told), "nothing is in the ledger that the host did not answer");
    assert!(heard.iter().any(|frame| frame.again), "re-uploads carry RF=1");
    // No period is missing: the records of each station follow one another.
    let mut minutes: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for frame in heard.iter().filter(|frame| frame.cn == 2051) {
        minutes.entry(&frame.mn).or_default().insert(&frame.data_time);
    }
    assert_eq!(minutes.len(), 6);
    for (mn, times) in minutes {
        let halves: Vec<i64> = times.iter().map(|time| half_hours(time)).collect();
        assert!(halves.windows(2).all(|pair| pair[1] - pair[0] == 1), "{mn}: {times:?}");
    }
}

/// Half hours from the beginning of 2000 to a DataTime: months end while tests run, too.
fn half_hours(data_time: &str) -> i64 {
    let number = |range: std::ops::Range<usize>| data_time[range].parse::<i16>().unwrap();
    let small = |range| i8::try_from(number(range)).unwrap();
    let day = jiff::civil::date(number(0..4), small(4..6), small(6..8));
    let days = i64::from(day.since(jiff::civil::date(2000, 1, 1)).unwrap().get_days());
    (days * 24 + i64::from(number(8..10))) * 2 + i64::from(number(10..12)) / 30
}

#[tokio::test]
async fn faults_on_the_line_cost_time_but_no_record() {
    let host = Host::start(HostBehaviour::Answer).await;
    let faults = "crc-wrong=0.1,length-off=0.05,noise=0.2,duplicate=0.1,interleave=0.1,reconnect=0.05,revision=0.2,split-packets=0.3,gbk=0.3,oversized=0.2";
    let settings = Options {
        faults: faults.parse().unwrap(),
        drain: Duration::from_secs(90),
        answer_timeout: Duration::from_millis(100),
        ..options(&host)
    };
    let summary = run(settings).await;
    assert_eq!(summary.counts.kept, 0, "{summary}");
    assert!(
        summary.counts.resent > 0 && summary.counts.reconnects > 0 && summary.counts.stray_answers > 0,
        "{summary}"
    );
    let heard = host.received();
    assert!(host.unsound() > 0, "the host saw the faults");
    assert!(heard.iter().any(|frame| frame.segment.len() > 1024), "oversized");
    assert!(heard.iter().any(|frame| memchr::memmem::find(&frame.segment, b";PNUM=2;PNO=2;").is_some()), "split");
    assert!(heard.iter().any(|frame| frame.cn == 3020 && std::str::from_utf8(&frame.segment).is_err()), "gbk");
    let mut versions: BTreeMap<(&str, u16, &str), BTreeSet<&[u8]>> = BTreeMap::new();
    // A part of a split record differs from the other part without being a revision.
    for frame in heard.iter().filter(|frame| memchr::memmem::find(&frame.segment, b";PNUM=").is_none()) {
        let area = memchr::memmem::find(&frame.segment, b"CP=").unwrap();
        versions.entry((&frame.mn, frame.cn, &frame.data_time)).or_default().insert(&frame.segment[area..]);
    }
    assert!(versions.iter().any(|((_, cn, _), texts)| [2051, 2061].contains(cn) && texts.len() >= 2), "revision");
}

#[tokio::test]
async fn habits_of_stations_show_on_the_wire() {
    let host = Host::start(HostBehaviour::Answer).await;
    let settings = Options {
        faults: "crc-lowercase=1,no-crlf=1,split-writes=1,no-ack-wanted=1".parse().unwrap(),
        duration: Duration::from_millis(500),
        ..options(&host)
    };
    let summary = run(settings).await;
    assert_eq!(summary.counts.unasked, summary.counts.sent, "{summary}");
    assert_eq!((summary.counts.acked, summary.counts.kept), (0, 0));
    host.wait_until(|host| host.received().len() as u64 >= summary.counts.sent - 6).await;
    let heard = host.received();
    assert!(heard.iter().all(|frame| !frame.raw.ends_with(b"\r\n") && frame.sound));
    assert!(heard.iter().all(|frame| !frame.raw[frame.raw.len() - 4..].iter().any(u8::is_ascii_uppercase)));
}

#[tokio::test]
async fn half_open_stations_and_bots_hold_their_connection_and_the_run_ends_in_time() {
    let host = Host::start(HostBehaviour::Answer).await;
    for (fault, frames) in [("half-open=1", 6), ("garbage-only=1", 0), ("slow=1", 0)] {
        let before = host.received().len();
        let settings = Options {
            faults: fault.parse().unwrap(),
            duration: Duration::from_secs(2),
            drain: Duration::from_millis(100),
            answer_timeout: Duration::from_secs(60),
            ..options(&host)
        };
        let summary = run(settings).await;
        assert_eq!(summary.connected_max, 6, "{fault}");
        assert_eq!(host.received().len() - before, frames, "{fault}");
        assert!(summary.seconds < 60.0, "{fault} took {} s", summary.seconds);
    }
}

#[tokio::test]
async fn many_stations_share_a_connection() {
    let host = Host::start(HostBehaviour::Answer).await;
    let edition = vec![Edition::V2017, Edition::V2025];
    let summary = run(Options { stations: 20, per_connection: 10, edition, ..options(&host) }).await;
    assert_eq!((host.connections(), summary.connections), (2, 2));
    assert_eq!(summary.counts.sent, summary.counts.acked, "{summary}");
    assert_eq!(host.received().iter().map(|frame| frame.mn.clone()).collect::<BTreeSet<_>>().len(), 20);
}

#[tokio::test]
async fn throughput_mode_sends_distinct_sound_frames_as_fast_as_they_are_answered() {
    let host = Host::start(HostBehaviour::Answer).await;
    let dir = tempfile::tempdir().unwrap();
    let ledger = dir.path().join("acked");
    let edition = vec![Edition::V2005, Edition::V2017, Edition::V2025];
    let settings = Options {
        connections: Some(12),
        edition,
        rate: Some(Rate::Max),
        duration: Duration::from_millis(500),
        ledger: Some(ledger.clone()),
        ..options(&host)
    };
    let summary = run(settings).await;
    let heard = host.received();
    assert!(summary.counts.acked > 20 && summary.frames_per_second > 20.0, "{summary}");
    assert_eq!(summary.counts.acked, heard.len() as u64);
    assert!(heard.iter().all(|frame| frame.sound));
    let records: BTreeSet<_> = heard.iter().map(|frame| (&frame.mn, frame.cn, &frame.data_time)).collect();
    assert_eq!(records.len(), heard.len(), "no frame looks like a re-send");
    let told: BTreeSet<String> = heard.iter().map(note).collect();
    assert_eq!(lines(&ledger).into_iter().collect::<BTreeSet<_>>(), told);
}

#[tokio::test]
async fn a_fixed_rate_is_kept() {
    let host = Host::start(HostBehaviour::Answer).await;
    let settings = Options {
        connections: Some(4),
        rate: Some(Rate::PerSecond(100.0)),
        duration: Duration::from_secs(1),
        ..options(&host)
    };
    let summary = run(settings).await;
    assert!((80..=104).contains(&summary.counts.acked), "{summary}");
}

#[tokio::test]
async fn what_cannot_be_done_is_said() {
    let host = Host::start(HostBehaviour::Answer).await;
    let stop = CancellationToken::new();
    let fails = async |options| sim::run(options, stop.clone(), |_| {}).await.unwrap_err().to_string();
    assert!(
        fails(Options { connect: "nowhere".into(), ..options(&host) })
            .await
            .contains("--connect \"nowhere\": HOST:PORT")
    );
    assert!(fails(Options { keep: 0, ..options(&host) }).await.contains("--keep 0"));
    let folder = tempfile::tempdir().unwrap();
    let ledger = Some(folder.path().to_owned());
    assert!(fails(Options { ledger, ..options(&host) }).await.contains("--ledger"));
}

/// What a test of the downlink looks like from outside: a host gives a command, the log says what became of it.
#[tokio::test]
async fn the_command_log_tells_what_became_of_a_command() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("commands");
    let settings = Options {
        connect: listener.local_addr().unwrap().to_string(),
        stations: 1,
        edition: vec![Edition::V2025],
        duration: Duration::ZERO,
        behaviour: sim::StationBehaviour {
            sealed: true,
            commands: Some(file.clone()),
            ..sim::StationBehaviour::default()
        },
        ..Options::default()
    };
    let (mn, key) = sim::keys(&settings).pop().unwrap();
    assert_eq!(sim::key_text(&key).len(), 36);
    let simulation = sim::start(settings, &CancellationToken::new()).await.unwrap();
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut frame = Vec::new();
    let command = format!("QN=20261123104000500;ST=32;CN=1062;PW=123456;MN={mn};Flag=9;CP=&&RtdInterval=30&&");
    write::frame(&mut frame, |out| out.extend_from_slice(command.as_bytes()));
    stream.write_all(&frame).await.unwrap();
    let done = |log: &sim::CommandLog| log.life(&mn, "20261123104000500").contains(&&sim::What::ExeRtn(1));
    let log = tokio::time::timeout(Duration::from_secs(90), simulation.until(done)).await.unwrap();
    assert_eq!(log.heard().map(|(event, area)| (event.cn, area)).collect::<Vec<_>>(), [(1062, "RtdInterval=30")]);
    assert_eq!(log.changes(&mn), [&sim::Change::RealtimeInterval(30)]);
    let summary = simulation.stop_now().await;
    assert_eq!((summary.counts.commands, summary.counts.refusals), (1, 0));
    let events: Vec<String> = lines(&file).iter().map(|line| line.rsplit('\t').next().unwrap().to_owned()).collect();
    assert_eq!(events, ["heard", "QnRtn=1", "obeyed", "ExeRtn=1"]);
}

/// The recorded days under `fixtures/days`: `time TAB segment`. With UPDATE_FIXTURES=1 they are written again.
#[test]
fn the_recorded_days_are_what_the_simulator_makes() {
    for (name, subject, edition) in
        [("air-2017", Subject::Air, Edition::V2017), ("water-2025", Subject::Water, Edition::V2025)]
    {
        let mut text = String::new();
        for (time, segment) in sim::recorded_day_of(subject, edition, 1) {
            text += &format!("{}\t{}\n", time.to_rfc3339(), String::from_utf8(segment).unwrap());
        }
        let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "fixtures", "days", &format!("{name}.txt")].iter().collect();
        if std::env::var_os("UPDATE_FIXTURES").is_some() {
            std::fs::write(&path, &text).unwrap();
        }
        let kept = std::fs::read_to_string(&path).unwrap();
        let differs = kept.lines().zip(text.lines()).position(|(kept, made)| kept != made);
        assert_eq!(differs, None, "{name}: the first line that differs (from 0)");
        assert_eq!(kept.len(), text.len(), "{name}");
    }
}
