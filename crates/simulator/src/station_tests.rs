//! The station's judgement, without sockets and without waiting.

use super::super::fleet::profile;
use super::super::options::Options;
use super::super::subject::Subject;
use super::*;
use crate::clock::Clock;
use hj212::packet::parse;

const SECOND: Duration = Duration::from_secs(1);
const START: Timestamp = Timestamp(1_795_401_600_000_000);

fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A station that samples every 30 s, the first time at once, and lives in real time.
fn station(edition: Edition, faults: &str) -> Station {
    station_with(edition, faults, Options::default().keep)
}

fn station_with(edition: Edition, faults: &str, keep: usize) -> Station {
    let options = Options {
        edition: vec![edition],
        mix: vec![Subject::Water],
        faults: faults.parse().unwrap(),
        ..Options::default()
    };
    let habits = Habits {
        clock: Clock::new(START, 1.0, Duration::MAX),
        interval: at(30),
        minutes: 10,
        heartbeat: at(60),
        until: at(86_400),
        aligned: true,
    };
    let rules = Rules {
        habits,
        faults: options.faults.clone(),
        answer_timeout: at(10),
        resends: 3,
        keep,
        pace: Duration::from_millis(100),
        history: options.behaviour.history,
        history_pace: options.behaviour.history_pace,
        keeps_history: false,
        late: options.behaviour.late,
    };
    Station::new(profile(&options, 1), Arc::new(rules), 1)
}

/// What is sent at `now`: the segment and what is said of it.
fn sent(station: &mut Station, now: Duration) -> (String, Sending) {
    let mut out = Vec::new();
    match station.next(now, &mut out) {
        Next::Send(sending) => (String::from_utf8(out).unwrap(), sending),
        other => panic!("{other:?} at {now:?}"),
    }
}

fn hear(station: &mut Station, now: Duration, answer: &str) -> Meaning {
    let header = parse(answer.as_bytes());
    let mut fields = Fields::default();
    fields.read(header.area);
    station.heard(now, &header, &fields)
}

fn answer(station: &mut Station, now: Duration, sending: &Sending) -> Meaning {
    let Note { qn, .. } = &sending.note;
    hear(station, now, &format!("QN={qn};ST=91;CN=9014;PW=123456;MN={};Flag=4;CP=&&&&", station.profile.mn))
}

/// Sends and answers until nothing is left to say at `now`.
fn settle(station: &mut Station, now: Duration) -> Vec<Sending> {
    let (mut all, mut out) = (Vec::new(), Vec::new());
    while let Next::Send(sending) = station.next(now, &mut out) {
        assert!(matches!(answer(station, now, &sending), Meaning::Acknowledged { .. }));
        all.push(sending);
    }
    all
}

#[test]
fn one_packet_is_in_flight_and_its_answer_frees_the_next() {
    let mut station = station(Edition::V2017, "");
    station.connected(at(0));
    let (first, sending) = sent(&mut station, at(0));
    assert!(matches!(station.next(at(1), &mut Vec::new()), Next::Wait(until) if until == at(10)));
    let Meaning::Acknowledged { answer_time, note, .. } = answer(&mut station, at(2), &sending) else { panic!() };
    assert_eq!(answer_time, 2 * SECOND);
    assert_eq!(note, sending.note);
    assert_eq!(note.crc32, CRC32.checksum(first.as_bytes()));
    let (second, _) = sent(&mut station, at(2));
    assert_ne!(first, second);
}

#[test]
fn an_answer_with_another_qn_is_a_stray() {
    let mut station = station(Edition::V2017, "");
    station.connected(at(0));
    sent(&mut station, at(0));
    assert_eq!(hear(&mut station, at(1), "QN=20260101000000000;ST=91;CN=9014;CP=&&&&"), Meaning::Stray);
    assert_eq!(station.in_flight(), 1);
}

/// HJ 212-2017, 6.2 and table 1: 10 s, three resends, then the communication ends.
#[test]
fn a_packet_is_sent_again_to_the_byte_and_then_the_connection_is_given_up() {
    let mut station = station(Edition::V2017, "");
    station.connected(at(0));
    let (first, _) = sent(&mut station, at(0));
    for resend in 1..=3 {
        let (again, sending) = sent(&mut station, at(u64::from(resend) * 10));
        assert_eq!(again, first);
        assert_eq!(sending.resend, resend);
    }
    assert_eq!(station.next(at(39), &mut Vec::new()), Next::Wait(at(40)));
    assert_eq!(station.next(at(40), &mut Vec::new()), Next::GiveUp);
}

/// HJ 212-2025, 8.1.2 and 8.2.2: by itself, the newest first, with RF=1.
#[test]
fn what_an_outage_kept_comes_newest_first_paced_and_marked() {
    let mut station = station(Edition::V2025, "");
    station.connected(at(0));
    settle(&mut station, at(0));
    station.disconnected(at(1));
    station.connected(at(100));
    let (fresh, _) = (station.next(at(100), &mut Vec::new()), ());
    assert_eq!(fresh, Next::Wait(at(100) + Duration::from_millis(100)), "kept records wait for their pace");
    let mut told = Vec::new();
    for step in 1..=3 {
        let now = at(100) + step * Duration::from_millis(100);
        let (segment, sending) = sent(&mut station, now);
        assert!(segment.contains(";RF=1;") && sending.again, "{segment}");
        assert!(matches!(answer(&mut station, now, &sending), Meaning::Acknowledged { again: true, .. }));
        told.push(sending.note);
    }
    assert!(told.windows(2).all(|pair| pair[0].data_time > pair[1].data_time), "newest first: {told:?}");
    assert!(told.windows(2).all(|pair| pair[0].qn < pair[1].qn), "each with its own QN");
    assert_eq!(station.waiting(), 0);
}

#[test]
fn fresh_records_go_before_kept_ones() {
    let mut station = station(Edition::V2017, "");
    station.connected(at(0));
    settle(&mut station, at(0));
    station.disconnected(at(1));
    station.connected(at(125));
    // At 150 s a fresh record is due while four are kept and may go.
    let (_, sending) = sent(&mut station, at(150));
    assert!(!sending.again);
    assert!(matches!(answer(&mut station, at(150), &sending), Meaning::Acknowledged { again: false, .. }));
    assert!(sent(&mut station, at(150)).1.again);
}

#[test]
fn the_unanswered_packet_is_kept_through_a_lost_connection() {
    let mut station = station(Edition::V2017, "");
    station.connected(at(0));
    let (_, lost) = sent(&mut station, at(0));
    station.disconnected(at(5));
    station.connected(at(6));
    let times: Vec<(u16, String)> = (1..=3)
        .map(|step| {
            let now = at(6) + step * Duration::from_millis(100);
            let (_, sending) = sent(&mut station, now);
            answer(&mut station, now, &sending);
            (sending.note.cn, sending.note.data_time)
        })
        .collect();
    assert!(times.contains(&(lost.note.cn, lost.note.data_time.clone())), "{lost:?} in {times:?}");
}

#[test]
fn a_full_memory_gives_up_realtime_first_and_says_how_many() {
    let mut station = station_with(Edition::V2017, "", 10);
    station.disconnected(at(0));
    // Two hours: 240 realtime and 24 state records, 12 of minutes, 2 of hours, and boot.
    station.connected(at(7_200));
    assert_eq!(station.waiting(), 10);
    assert!(station.discarded() > 250, "{}", station.discarded());
    let kinds: Vec<u16> = settle(&mut station, at(7_205)).iter().map(|sending| sending.note.cn).collect();
    assert_eq!(kinds.len(), 1, "paced");
    assert!([2051, 2061].contains(&kinds[0]), "{kinds:?}");
}

#[test]
fn answers_of_2005_are_found_by_the_cn_in_cp() {
    let mut station = station(Edition::V2005, "");
    station.connected(at(0));
    let (segment, sending) = sent(&mut station, at(0));
    assert!(segment.starts_with("ST=32;CN=2011;"), "{segment}");
    assert_eq!(sending.note.qn, "");
    assert_eq!(hear(&mut station, at(1), "ST=91;CN=9014;CP=&&CN=2051&&"), Meaning::Stray);
    let right = "ST=91;CN=9014;CP=&&QN=20260101000000000;CN=2011&&";
    assert!(matches!(hear(&mut station, at(1), right), Meaning::Acknowledged { .. }));
}

#[test]
fn no_two_packets_share_a_qn() {
    let mut station = station(Edition::V2017, "");
    station.connected(at(0));
    let mut seen = std::collections::HashSet::new();
    for now in [0, 600, 1_200, 3_600] {
        for sending in settle(&mut station, at(now)) {
            assert!(seen.insert(sending.note.qn));
        }
    }
    assert!(seen.len() > 100);
}

#[test]
fn a_revision_follows_its_record_once() {
    let mut station = station(Edition::V2017, "revision=1");
    station.connected(at(0));
    let told: Vec<Note> = settle(&mut station, at(0)).into_iter().map(|sending| sending.note).collect();
    let realtime: Vec<&Note> = told.iter().filter(|note| note.cn == 2011).collect();
    assert_eq!(realtime.len(), 2, "{told:?}");
    assert_eq!(realtime[0].data_time, realtime[1].data_time);
    assert_ne!((&realtime[0].qn, realtime[0].crc32), (&realtime[1].qn, realtime[1].crc32));
}

/// HJ 212-2017, C.50.
#[test]
fn split_records_come_in_two_packets_with_their_own_qn() {
    let mut station = station(Edition::V2017, "split-packets=1");
    station.connected(at(0));
    settle(&mut station, at(0));
    let minutes: Vec<Sending> =
        settle(&mut station, at(601)).into_iter().filter(|sending| sending.note.cn == 2051).collect();
    assert_eq!(minutes.len(), 2);
    assert_eq!(minutes[0].note.data_time, minutes[1].note.data_time);
    assert_ne!(minutes[0].note.qn, minutes[1].note.qn);
}

#[test]
fn a_station_that_wants_no_answer_waits_for_none() {
    let mut station = station(Edition::V2017, "no-ack-wanted=1");
    station.connected(at(0));
    let (segment, _) = sent(&mut station, at(0));
    assert!(segment.contains(";Flag=4;"), "{segment}");
    assert_eq!(station.in_flight(), 0);
    sent(&mut station, at(0));
}

#[test]
fn a_wrong_clock_shows_in_qn_and_datatime_alike() {
    let mut station = station(Edition::V2017, "clock-off=1");
    assert_ne!(station.profile.clock_off, 0);
    station.connected(at(0));
    let (_, sending) = sent(&mut station, at(0));
    assert_eq!(sending.note.qn[..14], sending.note.data_time);
}

#[test]
fn a_station_stays_on_the_line_until_its_time_is_over() {
    let mut station = station(Edition::V2017, "");
    station.connected(at(0));
    let end = at(86_400);
    let mut now = at(0);
    loop {
        settle(&mut station, now);
        match station.next(now, &mut Vec::new()) {
            Next::Wait(until) => now = until,
            Next::Done => break,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(now, end);
}
