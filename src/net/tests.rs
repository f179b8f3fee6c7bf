//! Connections against sockets in memory and on loopback, with a real journal on a simulated disk.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio_util::sync::CancellationToken;

use super::connection::Connection;
use super::{ListenerState, Places, Settings};
use hj212::{fixtures, write};
use hj212_journal::sim_disk::SimDisk;
use hj212_journal::{self as journal, Journal, Offset, ReadItem};
use hj212_model::clock;
use hj212_model::message::{Presence, Record};
use hj212_model::registry::{self, Unknown};
use hj212_model::telemetry::{Counter, Telemetry};

const MN: &str = "010000A8900016F000169DC0";
const OTHER: &str = "010000A8900016F000169DC1";

/// Listeners with everything behind them but the uplink.
pub(super) struct Gate {
    shared: Arc<ListenerState>,
    journal: Journal,
    disk: SimDisk,
    telemetry: Arc<Telemetry>,
}

pub(super) fn gate_with(settings: Settings, stations: &str, unknown: Unknown) -> Gate {
    let disk = SimDisk::new(1, 1 << 30);
    let telemetry = Arc::new(Telemetry::default());
    let kept = journal::Settings { segment_size: 1 << 20, reserve: 0, ..journal::Settings::default() };
    let journal = journal::open(Arc::new(disk.clone()), &kept, Arc::clone(&telemetry)).unwrap();
    let registry = registry::load(&[("s.toml".into(), stations.into())], unknown).unwrap();
    let shared = ListenerState::new(settings, registry, journal.appender(), Arc::clone(&telemetry), clock::now);
    Gate { shared: Arc::new(shared), journal, disk, telemetry }
}

fn gate(settings: Settings) -> Gate {
    let stations = format!("[[station]]\nmn = \"{MN}\"\npw = \"123456\"\n[[station]]\nmn = \"{OTHER}\"\n");
    gate_with(settings, &stations, Unknown::Reject)
}

/// Short times, so that tests need not wait.
pub(super) fn quick() -> Settings {
    Settings { pause: Duration::from_millis(20), partial_max: Duration::from_millis(400), ..Settings::default() }
}

impl Gate {
    /// A connection in memory.
    pub(super) fn dial(&self) -> (DuplexStream, tokio::task::JoinHandle<()>) {
        let (ours, theirs) = tokio::io::duplex(64 << 10);
        let admission = self.shared.admit("127.0.0.1:5000".parse().unwrap()).expect("no limit is reached");
        (theirs, tokio::spawn(Connection::new(ours, admission).run(CancellationToken::new())))
    }

    /// Sends `pieces`, closes, and gives the answers once the connection has ended.
    async fn play(&self, pieces: &[&[u8]]) -> String {
        let (mut peer, task) = self.dial();
        for piece in pieces {
            peer.write_all(piece).await.unwrap();
            tokio::task::yield_now().await;
        }
        peer.shutdown().await.unwrap();
        let mut answers = Vec::new();
        peer.read_to_end(&mut answers).await.unwrap();
        task.await.unwrap();
        String::from_utf8(answers).unwrap()
    }

    /// What was journalled after the first `skip` records, in words.
    pub(super) async fn said(&self, skip: u64) -> Vec<String> {
        let marker = self.journal.appender();
        let (done, wait) = tokio::sync::oneshot::channel();
        let entry = journal::Entry { time: clock::now(), kind: Record::Tick.kind(), body: Vec::new() };
        marker.append(entry, move |_: Result<_, _>| {
            let _ = done.send(());
        });
        wait.await.unwrap();
        let mut reader = self.journal.reader(Offset(skip + 1));
        let mut said = Vec::new();
        while let Some(item) = reader.next().unwrap() {
            let ReadItem::Record(stored) = item else { panic!("a gap") };
            match Record::decode(stored.kind, stored.body).unwrap() {
                Record::Frame(heard) => said.push(format!("frame {}", String::from_utf8_lossy(heard.segment))),
                Record::Rejected(rejected) => said.push(format!("rejected {}", rejected.reason.code())),
                Record::Presence(Presence::Online { mn, .. }) => said.push(format!("online {mn}")),
                Record::Presence(Presence::Offline { mn, .. }) => said.push(format!("offline {mn}")),
                Record::Presence(Presence::Takeover { mn, .. }) => said.push(format!("takeover {mn}")),
                Record::Presence(Presence::CloneSuspected { mn, .. }) => said.push(format!("clone {mn}")),
                Record::Tick | Record::Clock(_) => {}
                other => said.push(format!("{other:?}")),
            }
        }
        said
    }

    /// `frames_heard` is the sum of what became of the frames.
    pub(super) fn balanced(&self) {
        let of = |counter| self.telemetry.get(counter);
        let sum = of(Counter::FramesAnswered)
            + of(Counter::FramesUnasked)
            + of(Counter::FramesRejected)
            + of(Counter::FramesUnstored)
            + of(Counter::AnswersUndelivered)
            + self.shared.in_flight() as u64;
        assert_eq!(of(Counter::FramesHeard), sum);
    }
}

pub(super) fn framed(segment: &str) -> Vec<u8> {
    let mut out = Vec::new();
    write::frame(&mut out, |o| o.extend_from_slice(segment.as_bytes()));
    out
}

fn upload(mn: &str, qn: u32) -> Vec<u8> {
    framed(&format!("QN=20261123104000{qn:03};ST=31;CN=2011;PW=123456;MN={mn};Flag=5;CP=&&DataTime=20261123104000&&"))
}

#[tokio::test]
async fn a_frame_is_journalled_answered_and_its_station_comes_and_goes() {
    let gate = gate(quick());
    let answers = gate.play(&[&upload(MN, 1), &upload(MN, 2)]).await;
    assert!(answers.contains("QN=20261123104000001;ST=91;CN=9014"), "{answers}");
    assert!(answers.find("000001;").unwrap() < answers.find("000002;").unwrap(), "answers keep the order");
    let said = gate.said(0).await;
    assert_eq!(said[0], format!("online {MN}"));
    assert!(said[1].starts_with("frame QN=20261123104000001") && said[2].starts_with("frame QN=20261123104000002"));
    assert_eq!(said[3], format!("offline {MN}"));
    assert_eq!((gate.shared.connections(), gate.shared.stations_online()), (0, 0));
    gate.balanced();
}

#[tokio::test]
async fn nothing_is_answered_while_the_disk_is_full_and_all_goes_on_when_there_is_room() {
    let gate = gate(quick());
    let (mut peer, _task) = gate.dial();
    gate.disk.set_capacity(0);
    peer.write_all(&upload(MN, 1)).await.unwrap();
    let mut answer = [0; 64];
    assert!(tokio::time::timeout(Duration::from_millis(300), peer.read(&mut answer)).await.is_err());
    assert!(gate.telemetry.get(Counter::FramesUnstored) >= 1);
    gate.disk.set_capacity(1 << 30);
    let answered = tokio::time::timeout(Duration::from_secs(60), async {
        loop {
            peer.write_all(&upload(MN, 1)).await.unwrap();
            if tokio::time::timeout(Duration::from_millis(100), peer.read(&mut answer)).await.is_ok() {
                return;
            }
        }
    });
    answered.await.expect("answers come within 5 s");
    assert_eq!(gate.said(0).await[0], format!("online {MN}"), "the station is announced with its first stored frame");
    gate.balanced();
}

#[tokio::test]
async fn a_new_mn_is_a_new_station_s_where_anybody_is_a_station() {
    let said = |mn: &str| {
        let mut frame = Vec::new();
        let segment =
            format!("QN=20260601120000000;ST=31;CN=2011;PW=123456;MN={mn};Flag=5;CP=&&DataTime=20260601120000&&");
        hj212::write::frame(&mut frame, |out| out.extend_from_slice(segment.as_bytes()));
        frame
    };
    for (unknown, moved) in [(Unknown::Reject, 1), (Unknown::Accept, 0)] {
        let gate = gate_with(quick(), &format!("[[station]]\nmn = \"{MN}\"\npw = \"123456\"\n"), unknown);
        gate.play(&[&said(MN)]).await;
        // One device behind the address is silent now, and another one speaks with its password.
        gate.play(&[&said("010000A8900016F000169DC9")]).await;
        assert_eq!(gate.telemetry.get(Counter::StationsMoved), moved, "{unknown:?}");
    }
}

#[tokio::test]
async fn every_fixture_cut_anywhere_gives_the_same_record() {
    let all = fixtures::all();
    let gate = gate_with(quick(), "", Unknown::Accept);
    let mut seen = 0;
    for fixture in &all {
        let whole = gate.play(&[&fixture.frame]).await;
        let first = gate.said(seen).await;
        seen = gate.journal.tail().durable().0;
        let step = if std::env::var_os("HJ212_LONG").is_some() { 1 } else { 7 };
        for cut in (1..fixture.frame.len()).step_by(step) {
            let (head, tail) = fixture.frame.split_at(cut);
            assert_eq!(gate.play(&[head, tail]).await, whole, "{} cut at {cut}", fixture.place);
        }
        let bytes: Vec<&[u8]> = fixture.frame.chunks(1).collect();
        assert_eq!(gate.play(&bytes).await, whole, "{} byte by byte", fixture.place);
        for said in gate.said(seen).await.chunks(first.len()) {
            assert_eq!(said, first, "{}", fixture.place);
        }
        seen = gate.journal.tail().durable().0;
    }
    assert!(all.len() > 20);
    gate.balanced();
}

#[tokio::test]
async fn garbage_between_frames_is_kept_and_costs_no_frame() {
    let gate = gate(quick());
    for garbage in
        ["\0\0\0", "GET / HTTP/1.1\r\n\r\n", "##", "##00", "##9999", "##0010abc", "#", "&&", "\r\n\r\n##zzzz"]
    {
        let skip = gate.journal.tail().durable().0;
        let answers = gate.play(&[&upload(MN, 1), garbage.as_bytes(), &upload(MN, 2)]).await;
        assert_eq!(answers.matches("CN=9014").count(), 2, "{garbage:?}: {answers}");
        let said = gate.said(skip).await;
        assert_eq!(said.iter().filter(|s| s.starts_with("rejected")).count(), 1, "{garbage:?}: {said:?}");
    }
    gate.balanced();
}

#[tokio::test]
async fn a_slow_link_costs_no_frame() {
    let gate = gate(Settings { partial_max: Duration::from_secs(20), ..quick() });
    let frame = upload(MN, 1);
    let (mut peer, task) = gate.dial();
    for piece in frame.chunks(frame.len() / 8) {
        peer.write_all(piece).await.unwrap();
        tokio::time::sleep(Duration::from_millis(60)).await;
    }
    drop(peer);
    task.await.unwrap();
    let said = gate.said(0).await;
    assert!(said[1].starts_with("frame QN=20261123104000001"), "{said:?}");
}

#[tokio::test]
async fn a_frame_without_line_end_is_answered_after_a_pause() {
    let gate = gate(Settings { partial_max: Duration::from_secs(20), ..quick() });
    let frame = upload(MN, 1);
    let (mut peer, _task) = gate.dial();
    peer.write_all(&frame[..frame.len() - 2]).await.unwrap();
    let mut answer = vec![0; 256];
    let read = tokio::time::timeout(Duration::from_secs(60), peer.read(&mut answer)).await.expect("an answer").unwrap();
    assert!(String::from_utf8_lossy(&answer[..read]).contains("CN=9014"));
}

#[tokio::test]
async fn an_unfinished_frame_is_kept_as_rejected_and_ends_the_connection() {
    let gate = gate(quick());
    let (mut peer, task) = gate.dial();
    peer.write_all(b"##0500QN=20261123").await.unwrap();
    task.await.unwrap();
    assert_eq!(gate.said(0).await, ["rejected partial-timeout"]);
    assert_eq!(gate.telemetry.get(Counter::ConnectionsPartial), 1);
}

#[tokio::test]
async fn too_much_noise_ends_the_connection_and_beyond_the_minutes_share_is_only_counted() {
    let gate = gate(Settings { noise_max: 4096, rejected_per_minute: 2, ..quick() });
    let (mut peer, task) = gate.dial();
    let _ = peer.write_all(&vec![b'x'; 40_000]).await;
    task.await.unwrap();
    assert_eq!(gate.said(0).await, ["rejected noise", "rejected noise"]);
    assert_eq!(gate.telemetry.get(Counter::ConnectionsNoisy), 1);
    assert!(gate.telemetry.get(Counter::RejectedUnkept) >= 2);
}

#[tokio::test]
async fn silent_and_idle_connections_are_closed_in_their_time() {
    let times = (Duration::from_millis(100), Duration::from_secs(3));
    let gate = gate(Settings { unheard_max: times.0, idle_max: times.1, ..quick() });
    let (_silent, silent_task) = gate.dial();
    let (mut idle, idle_task) = gate.dial();
    idle.write_all(&upload(MN, 1)).await.unwrap();
    let begun = std::time::Instant::now();
    silent_task.await.unwrap();
    assert!(begun.elapsed() < times.1);
    idle_task.await.unwrap();
    assert!(begun.elapsed() >= times.1);
    assert_eq!(gate.telemetry.get(Counter::ConnectionsIdle), 2);
}

#[tokio::test]
async fn at_a_limit_the_newcomer_is_refused() {
    let gate = gate(Settings { connections_max: Places::Most(3), connections_per_block_max: 2, ..quick() });
    let admit = |address: &str| gate.shared.admit(address.parse().unwrap());
    let first = admit("10.0.0.1:1").unwrap();
    let _second = admit("10.0.0.1:2").unwrap();
    assert!(admit("10.0.0.1:3").is_none());
    let _third = admit("10.0.0.2:1").unwrap();
    assert!(admit("10.0.0.3:1").is_none());
    drop(first);
    assert!(admit("10.0.0.1:4").is_some());
    let refused = (Counter::ConnectionsRefusedBlock, Counter::ConnectionsRefusedTotal);
    assert_eq!((gate.telemetry.get(refused.0), gate.telemetry.get(refused.1)), (1, 1));
}

#[tokio::test]
async fn when_all_places_are_taken_who_is_silent_longest_gives_way_and_no_station_does() {
    // One step of the clock is a second.
    static NOW: std::sync::atomic::AtomicI64 = std::sync::atomic::AtomicI64::new(1_790_000_000_000_000);
    fn clock() -> hj212_model::message::Timestamp {
        hj212_model::message::Timestamp(NOW.load(std::sync::atomic::Ordering::Relaxed))
    }
    let step = || NOW.fetch_add(1_000_000, std::sync::atomic::Ordering::Relaxed);
    let gate = gate(quick());
    let registry = (*gate.shared.registry()).clone();
    let appender = gate.journal.appender();
    let settings = Settings { connections_max: Places::Most(3), ..quick() };
    let shared = Arc::new(ListenerState::new(settings, registry, appender, Arc::clone(&gate.telemetry), clock));
    let dial = || {
        let (ours, theirs) = tokio::io::duplex(64 << 10);
        let admission = shared.admit("192.0.2.1:5000".parse().unwrap())?;
        Some((theirs, tokio::spawn(Connection::new(ours, admission).run(CancellationToken::new()))))
    };
    let (mut station, _a) = dial().unwrap();
    station.write_all(&upload(MN, 1)).await.unwrap();
    let mut answer = [0; 16];
    station.read_exact(&mut answer).await.unwrap();
    step();
    let (_first, first) = dial().unwrap();
    step();
    let (_second, second) = dial().unwrap();
    // The first silent one leaves; then the second, as soon as it was there for a second.
    let (_third, third) = dial().unwrap();
    tokio::time::timeout(Duration::from_secs(60), first).await.unwrap().unwrap();
    assert!(dial().is_none(), "who has just come has a moment to speak");
    step();
    let (mut fourth, _d) = dial().unwrap();
    tokio::time::timeout(Duration::from_secs(60), second).await.unwrap().unwrap();
    assert_eq!(gate.telemetry.get(Counter::ConnectionsGaveWay), 2);
    assert_eq!(gate.telemetry.get(Counter::ConnectionsRefusedTotal), 1);
    // A station speaks on the newest, and the first still does.
    fourth.write_all(&upload(OTHER, 1)).await.unwrap();
    fourth.read_exact(&mut answer).await.unwrap();
    station.write_all(&upload(MN, 1)).await.unwrap();
    station.read_exact(&mut answer).await.unwrap();
    drop(third);
}

#[tokio::test]
async fn a_station_that_takes_more_than_its_share_is_read_more_slowly_and_loses_nothing() {
    let gate = gate(Settings { station_frames_per_minute: 600, ..quick() });
    let (mut peer, task) = gate.dial();
    let count = 640;
    let mut frames = Vec::new();
    (0..count).for_each(|_| frames.extend(upload(MN, 1)));
    let begun = tokio::time::Instant::now();
    let (mut reading, mut writing) = tokio::io::split(&mut peer);
    let heard = async {
        let (mut answers, mut bytes) = (0, vec![0; 64 << 10]);
        while answers < count {
            let read = reading.read(&mut bytes).await.unwrap();
            answers += bytes[..read].iter().filter(|byte| **byte == b'\n').count();
        }
    };
    tokio::time::timeout(Duration::from_secs(120), async {
        tokio::join!(writing.write_all(&frames), heard).0.unwrap()
    })
    .await
    .expect("every frame is answered");
    // 40 beyond the minute's worth at 10 a second.
    assert!(begun.elapsed() >= Duration::from_secs(3), "{:?}", begun.elapsed());
    assert!(gate.telemetry.get(Counter::StationsSlowed) >= 30);
    assert_eq!(gate.shared.slowed(|_| true).len(), 1);
    assert!(gate.shared.slowed(|_| true).is_empty(), "said once");
    drop(peer);
    task.await.unwrap();
    gate.balanced();
}

#[tokio::test]
async fn the_newest_connection_of_a_station_wins_and_both_are_told() {
    let gate = gate(quick());
    let (mut old, old_task) = gate.dial();
    let (mut new, _new_task) = gate.dial();
    let mut answer = [0; 256];
    old.write_all(&upload(MN, 1)).await.unwrap();
    assert!(old.read(&mut answer).await.unwrap() > 0);
    new.write_all(&upload(MN, 2)).await.unwrap();
    assert!(new.read(&mut answer).await.unwrap() > 0);
    drop(old);
    old_task.await.unwrap();
    let said = gate.said(0).await;
    assert!(said.contains(&format!("takeover {MN}")), "{said:?}");
    assert!(!said.contains(&format!("offline {MN}")), "it is still there: {said:?}");
    assert_eq!(gate.telemetry.get(Counter::Takeovers), 1);
}

#[tokio::test]
async fn many_stations_share_a_connection_and_leave_with_it() {
    let gate = gate(quick());
    let answers = gate.play(&[&upload(MN, 1), &upload(OTHER, 2), &upload(MN, 3)]).await;
    assert_eq!(answers.matches("CN=9014").count(), 3);
    let said = gate.said(0).await;
    assert_eq!(said.iter().filter(|s| s.starts_with("online")).count(), 2);
    assert_eq!(said.iter().filter(|s| s.starts_with("offline")).count(), 2);
}

#[tokio::test]
async fn stations_are_heard_over_loopback_until_the_stop_and_answered_before_it() {
    let gate = gate(quick());
    let listener = super::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let serving =
        tokio::spawn(super::serve(listener, super::ListenerMode::default(), Arc::clone(&gate.shared), stop.clone()));
    let mut peer = tokio::net::TcpStream::connect(address).await.unwrap();
    peer.write_all(&upload(MN, 1)).await.unwrap();
    let mut answer = vec![0; 256];
    let read = peer.read(&mut answer).await.unwrap();
    assert!(String::from_utf8_lossy(&answer[..read]).contains("CN=9014"));
    stop.cancel();
    serving.await.unwrap();
    let said = gate.said(0).await;
    assert!(said.contains(&format!("online {MN}")) && !said.contains(&format!("offline {MN}")), "{said:?}");
    assert!(tokio::net::TcpStream::connect(address).await.is_err(), "nobody listens any more");
    assert_eq!(gate.shared.connections(), 0);
    gate.balanced();
}
