//! Whole stations on a loopback socket, and a master of a few lines that gives them raw frames.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use super::super::clock::{MINUTE, SECOND, read_stamp, stamp};
use super::super::commands::{Change, What};
use super::super::fleet::profile;
use super::super::station_behaviour::{Outage, SealForm, StationBehaviour};
use super::super::subject::Subject;
use super::*;
use hj212::sm4::{self, Key};
use hj212::{Edition, Fields, Item, Limits, Peer, packet, scan, write};
use hj212_model::message::Timestamp;

struct Master {
    listener: TcpListener,
    stream: TcpStream,
    buffer: Vec<u8>,
    keys: Vec<Key>,
    /// Which key opened the last sealed packet.
    opened: Option<usize>,
    qn: u64,
}

/// Options for one station that is quick, and the listener for it.
async fn bench(edition: Edition, subject: Subject, behaviour: StationBehaviour) -> (Options, TcpListener) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let options = Options {
        connect: listener.local_addr().unwrap().to_string(),
        stations: 1,
        edition: vec![edition],
        mix: vec![subject],
        duration: Duration::ZERO,
        interval: Duration::from_millis(100),
        reconnect_min: Duration::from_millis(10),
        reconnect_max: Duration::from_millis(20),
        behaviour: StationBehaviour { history_pace: Duration::from_millis(1), ..behaviour },
        ..Options::default()
    };
    (options, listener)
}

async fn meet(options: &Options, listener: TcpListener) -> (Simulation, Master) {
    let simulation = start(options.clone(), &CancellationToken::new()).await.unwrap();
    let stream = listener.accept().await.unwrap().0;
    let keys = Vec::new();
    (simulation, Master { listener, stream, buffer: Vec::new(), keys, opened: None, qn: 20_261_123_104_000_000 })
}

impl Master {
    /// The next packet, opened; uploads and notifications are answered. `None`: the connection was lost and there is a new one.
    async fn next(&mut self) -> Option<String> {
        loop {
            let step = scan(&self.buffer, Peer::Sending, &Limits::default());
            if let Some(Item::Frame(frame)) = step.item {
                let sealed = sm4::open(frame.segment, frame.check.said, &self.keys).ok();
                let (used, plain) = (step.used, frame.segment.to_vec());
                let is_sealed = sm4::is_sealed_command(packet::parse(&plain).cn.unwrap_or(0));
                let opened = sealed.filter(|_| is_sealed);
                self.opened = opened.as_ref().map(|opened| opened.key);
                let text = String::from_utf8_lossy(&opened.map_or(plain, |opened| opened.segment)).into_owned();
                self.buffer.drain(..used);
                self.answer(&text).await;
                return Some(text);
            }
            assert!(step.item.is_none(), "{:?}", step.item);
            self.buffer.drain(..step.used);
            let read = tokio::time::timeout(Duration::from_secs(20), self.stream.read_buf(&mut self.buffer));
            if matches!(read.await.expect("the station is silent"), Ok(0) | Err(_)) {
                self.stream = self.listener.accept().await.unwrap().0;
                self.buffer.clear();
                return None;
            }
        }
    }

    async fn answer(&mut self, segment: &str) {
        let header = packet::parse(segment.as_bytes());
        let wanted = header.flag.is_some_and(|flag| flag.wants_answer());
        let (Some(cn), true) = (header.cn, wanted) else { return };
        let answer = if matches!(cn, 1001 | 1013 | 1014 | 9015) { 9013 } else { 9014 };
        let text = |bytes: Option<&[u8]>| String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned();
        self.frame(&format!("QN={};ST=91;CN={answer};MN={};Flag=8;CP=&&CN={cn}&&", text(header.qn), text(header.mn)))
            .await;
    }

    async fn frame(&mut self, segment: &str) {
        let mut frame = Vec::new();
        write::frame(&mut frame, |out| out.extend_from_slice(segment.as_bytes()));
        let _ = self.stream.write_all(&frame).await;
    }

    /// Gives a command under a new QN, which it returns.
    async fn give(&mut self, options: &Options, cn: u16, cp: &str) -> String {
        let (qn, segment) = self.command(options, cn, cp);
        self.frame(&segment).await;
        qn
    }

    fn command(&mut self, options: &Options, cn: u16, cp: &str) -> (String, String) {
        self.qn += 1;
        let station = profile(options, 1);
        let flag = [3, 5, 9][station.edition as usize];
        let (st, mn, pw) = (station.subject.st(), &station.mn, &station.pw);
        let segment = format!("QN={};ST={st};CN={cn};PW={pw};MN={mn};Flag={flag};CP=&&{cp}&&", self.qn);
        (self.qn.to_string(), segment)
    }

    /// All packets up to and with the one of `last`; a lost connection is "lost".
    async fn up_to(&mut self, last: u16) -> Vec<String> {
        let mut heard = Vec::new();
        loop {
            let text = self.next().await.unwrap_or_else(|| "lost".into());
            let cn = packet::parse(text.as_bytes()).cn;
            heard.push(text);
            if cn == Some(last) {
                return heard;
            }
        }
    }

    /// What answers a command and no upload of the station's own.
    async fn ask(&mut self, options: &Options, cn: u16, cp: &str) -> Vec<String> {
        self.give(options, cn, cp).await;
        let mut heard = self.up_to(9012).await;
        heard.retain(|text| {
            let heard = packet::parse(text.as_bytes()).cn;
            heard == Some(cn) || heard.is_none_or(|cn| (9011..=9013).contains(&cn))
        });
        heard
    }
}

fn cns(heard: &[String]) -> Vec<u16> {
    heard.iter().map(|text| packet::parse(text.as_bytes()).cn.unwrap_or(0)).collect()
}

fn text_of(time: Timestamp) -> String {
    let mut out = Vec::new();
    stamp(&mut out, time);
    String::from_utf8(out).unwrap()
}

/// The time that DataTime or QN of `text` shows.
fn time_of(text: &str, name: &str) -> Timestamp {
    let at = text.find(name).unwrap() + name.len();
    read_stamp(&text.as_bytes()[at..at + 14]).unwrap()
}

fn now() -> Timestamp {
    hj212_model::clock::now()
}

#[tokio::test]
async fn every_edition_obeys_refuses_and_has_nothing_to_tell() {
    for edition in [Edition::V2005, Edition::V2017, Edition::V2025] {
        let (options, listener) = bench(edition, Subject::Water, StationBehaviour::default()).await;
        let (simulation, mut master) = meet(&options, listener).await;
        assert_eq!(cns(&master.ask(&options, 1011, "").await), [9011, 1011, 9012], "{edition:?}");

        let moment = now();
        let hour = |hours: i64| text_of(Timestamp(moment.0 - hours * 60 * MINUTE));
        // A second less than two hours, both ends included, holds two starts of hours whenever it is.
        let begin = text_of(Timestamp(moment.0 - 240 * MINUTE + SECOND));
        let span = format!("BeginTime={begin};EndTime={}", hour(2));
        let told = master.ask(&options, 2061, &span).await;
        assert_eq!(cns(&told), [9011, 2061, 2061, 9012], "{edition:?} {told:?}");
        let ago = format!("BeginTime={};EndTime={}", hour(24 * 40), hour(24 * 30));
        let nothing = master.ask(&options, 2061, &ago).await;
        assert!(nothing.len() == 2 && nothing[1].contains("ExeRtn=100&&"), "{nothing:?}");

        let (_, wrong) = master.command(&options, 1061, "");
        master.frame(&wrong.replace("PW=123456", "PW=000000")).await;
        assert!(master.up_to(9011).await.last().unwrap().contains("QnRtn=3&&"));
        master.give(&options, 2012, "").await;
        master.up_to(9013).await;
        let log = simulation.commands();
        assert_eq!(log.heard().count(), 5);
        assert!(log.least_pause(&[2061]).is_some() && log.asked_anew().is_empty());
        let summary = simulation.stop_now().await;
        assert_eq!((summary.counts.commands, summary.counts.refusals, summary.counts.told), (5, 1, 3), "{summary}");
    }
}

#[tokio::test]
async fn what_is_unreadable_or_for_another_is_refused_by_its_number() {
    let (options, listener) = bench(Edition::V2017, Subject::Water, StationBehaviour::default()).await;
    let (_simulation, mut master) = meet(&options, listener).await;
    let (qn, segment) = master.command(&options, 1061, "");
    let mut frame = Vec::new();
    write::frame(&mut frame, |out| out.extend_from_slice(segment.as_bytes()));
    let check = frame.len() - 6;
    frame[check] = if frame[check] == b'0' { b'1' } else { b'0' };
    master.stream.write_all(&frame).await.unwrap();
    let refusal = master.up_to(9011).await.pop().unwrap();
    assert!(refusal.contains(&qn) && refusal.contains("QnRtn=9&&"), "{refusal}");
    let (_, segment) = master.command(&options, 1061, "");
    master.frame(&segment.replace("MN=0212", "MN=0313")).await;
    assert!(master.up_to(9011).await.pop().unwrap().contains("QnRtn=4&&"));
}

#[tokio::test]
async fn a_connection_lost_after_9011_brings_the_rest_on_the_next_one() {
    let (mut options, listener) = bench(Edition::V2017, Subject::Water, StationBehaviour::default()).await;
    options.faults = "cut=1".parse().unwrap();
    let (_simulation, mut master) = meet(&options, listener).await;
    assert_eq!(cns(&master.ask(&options, 1063, "").await), [9011, 0, 1063, 9012]);
}

#[tokio::test]
async fn a_resend_is_answered_and_not_carried_out_again() {
    let (mut options, listener) = bench(Edition::V2025, Subject::Water, StationBehaviour::default()).await;
    options.faults = "deaf-once=1".parse().unwrap();
    let (simulation, mut master) = meet(&options, listener).await;
    let (qn, segment) = master.command(&options, 3024, "PolId=w01018");
    for _ in 0..3 {
        master.frame(&segment).await;
    }
    let log = simulation.until(|log| log.life("021200000000000000000001", &qn).len() >= 9).await;
    let life: Vec<String> = log.life("021200000000000000000001", &qn).iter().map(ToString::to_string).collect();
    let count = |what: &str| life.iter().filter(|said| *said == what).count();
    assert_eq!([count("heard"), count("heard 2"), count("heard 3"), count("ignored")], [1, 1, 1, 1], "{life:?}");
    assert_eq!((count("obeyed"), log.changes("021200000000000000000001")), (1, vec![&Change::Check]), "{life:?}");
}

#[tokio::test]
async fn a_wrong_clock_is_set_right_by_1012() {
    let behaviour = StationBehaviour { clock_off: -7_200, ..StationBehaviour::default() };
    let (mut options, listener) = bench(Edition::V2017, Subject::Water, behaviour).await;
    options.faults = "ask-time=1".parse().unwrap();
    let (simulation, mut master) = meet(&options, listener).await;
    let asked = master.up_to(1013).await.pop().unwrap();
    let off = now().0 - time_of(&asked, "QN=").0;
    assert!((7_195 * SECOND..7_210 * SECOND).contains(&off), "{off}");
    let command = format!("SystemTime={}", text_of(now()));
    assert_eq!(cns(&master.ask(&options, 1012, &command).await), [9011, 9012]);
    let upload = master.up_to(2011).await.pop().unwrap();
    // What was waiting for its answer was made before.
    let upload = if upload.contains("CN=2011") { master.up_to(2011).await.pop().unwrap() } else { upload };
    for name in ["QN=", "DataTime="] {
        assert!((now().0 - time_of(&upload, name).0).abs() < 10 * SECOND, "{upload}");
    }
    assert_eq!(simulation.commands().changes("021200000000000000000001"), [&Change::Clock(0)]);
}

#[tokio::test]
async fn keys_rotate_in_both_forms_of_ciphertext() {
    for seal_form in [SealForm::Bytes, SealForm::Printed] {
        let behaviour = StationBehaviour { sealed: true, seal_form, ..StationBehaviour::default() };
        let (mut options, listener) = bench(Edition::V2025, Subject::Power, behaviour).await;
        options.faults = "ask-key=1".parse().unwrap();
        let (simulation, mut master) = meet(&options, listener).await;
        let old = fleet::keys(&options).pop().unwrap().1;
        let new = Key::from_text("fedcba9876543210").unwrap();
        master.keys = vec![new.clone(), old.clone()];
        let asked = master.up_to(1014).await.pop().unwrap();
        assert!(asked.contains("CP=&&SKCreateTime=") && master.opened == Some(1), "{asked}");
        let upload = master.up_to(2011).await.pop().unwrap();
        assert!(upload.contains("ST=44;") && upload.contains("d20105-Rtd=") && master.opened == Some(1), "{upload}");

        let (_, command) = master.command(&options, 1014, "SKCreateTime=20261123104000000,NewSK=fedcba9876543210");
        let mut frame = Vec::new();
        sm4::frame(&mut frame, command.as_bytes(), &old).unwrap();
        master.stream.write_all(&frame).await.unwrap();
        let said = master.up_to(9012).await;
        assert!(said.last().unwrap().contains("ExeRtn=1&&") && master.opened.is_none(), "{said:?}");
        while master.opened != Some(0) {
            master.up_to(2011).await;
        }
        for _ in 0..3 {
            master.up_to(2011).await;
            assert_eq!(master.opened, Some(0), "the old key is not used again");
        }
        assert_eq!(simulation.commands().changes("021200000000000000000001"), [&Change::Key]);
        // Under a key that the station does not have nothing is readable.
        let (_, command) = master.command(&options, 1014, "SKCreateTime=20261123104000001,NewSK=0000000000000000");
        frame.clear();
        sm4::frame(&mut frame, command.as_bytes(), &old).unwrap();
        master.stream.write_all(&frame).await.unwrap();
        assert!(master.up_to(9011).await.pop().unwrap().contains("QnRtn=9&&"));
    }
}

/// One check in 256 over the plain text is that over the ciphertext too: such a frame does not look sealed.
#[tokio::test]
async fn a_key_is_taken_whatever_its_check() {
    let (options, listener) =
        bench(Edition::V2025, Subject::Water, StationBehaviour { sealed: true, ..StationBehaviour::default() }).await;
    let (simulation, mut master) = meet(&options, listener).await;
    let old = fleet::keys(&options).pop().unwrap().1;
    let frame = (0..20_000_u32).find_map(|number| {
        let cp = format!("SKCreateTime=202611231040{number:05},NewSK=fedcba9876543210");
        let (_, command) = master.command(&options, 1014, &cp);
        let mut frame = Vec::new();
        sm4::frame(&mut frame, command.as_bytes(), &old).unwrap();
        let step = scan(&frame, Peer::Resting, &Limits::default());
        let right = matches!(step.item, Some(Item::Frame(found)) if found.check.said == found.check.computed);
        right.then_some(frame)
    });
    master.stream.write_all(&frame.expect("one in 256")).await.unwrap();
    assert!(master.up_to(9012).await.pop().unwrap().contains("ExeRtn=1&&"));
    assert_eq!(simulation.commands().changes("021200000000000000000001"), [&Change::Key]);
}

#[tokio::test]
async fn throughput_mode_seals_too() {
    let (mut options, listener) =
        bench(Edition::V2025, Subject::Water, StationBehaviour { sealed: true, ..StationBehaviour::default() }).await;
    options.rate = Some(Rate::Max);
    let (simulation, mut master) = meet(&options, listener).await;
    master.keys = fleet::keys(&options).into_iter().map(|(_, key)| key).collect();
    for _ in 0..3 {
        let heard = master.up_to(2051).await;
        assert!(heard.iter().all(|text| text.contains("CP=&&DataTime=")) && master.opened == Some(0), "{heard:?}");
    }
    assert!(simulation.stop_now().await.counts.acked >= 14);
}

#[tokio::test]
async fn a_logger_registers_and_uploads_under_the_mn_it_is_given() {
    let behaviour = StationBehaviour { register: true, ..StationBehaviour::default() };
    let (options, listener) = bench(Edition::V2025, Subject::Condition, behaviour).await;
    let (simulation, mut master) = meet(&options, listener).await;
    let first = master.next().await.unwrap();
    assert!(first.contains("CN=1001;") && first.contains(";MN=;Flag=9;"), "{first}");
    let mut fields = Fields::default();
    let area = packet::parse(first.as_bytes()).area;
    fields.read(area);
    let logger = fields.iter(area).find(|field| field.item == b"i23005").unwrap().value;
    let mn = "ABCDEF0123456789ABCDEF01";
    let cp = format!("i23005-Info={}", String::from_utf8_lossy(logger));
    let (_, command) = master.command(&options, 1002, &cp);
    master.frame(&command.replace("MN=;", &format!("MN={mn};"))).await;
    let heard = master.up_to(2011).await;
    assert_eq!(cns(&heard[..2]), [9011, 9012]);
    assert!(heard.iter().all(|text| text.contains(&format!("MN={mn};"))), "{heard:?}");
    assert!(heard.last().unwrap().contains("ST=45;") && heard.last().unwrap().contains("p99101-Rtd="), "{heard:?}");
    assert_eq!(simulation.commands().changes(mn), [&Change::Mn(mn.into())]);
}

/// The gap of an outage whose records are not uploaded again, and its recall.
#[tokio::test]
async fn what_was_kept_through_an_outage_is_told_when_it_is_asked_for() {
    let offline = Some(Outage { from: Duration::from_secs(1), to: Duration::from_secs(2) });
    let behaviour = StationBehaviour { offline, keeps_history: true, ..StationBehaviour::default() };
    let (mut options, listener) = bench(Edition::V2017, Subject::Water, behaviour).await;
    options.duration = Duration::from_secs(10);
    options.speed = Some(5_000.0);
    let (simulation, mut master) = meet(&options, listener).await;
    let mut minutes = Vec::new();
    let (mut lost, mut after) = (false, 0);
    while after < 3 {
        match master.next().await {
            Some(text) if text.contains("CN=2051;") => {
                after += u32::from(lost);
                minutes.push(time_of(&text, "DataTime="));
            }
            Some(_) => {}
            None => {
                assert!(!lost, "one outage");
                lost = true;
            }
        }
    }
    let gap = minutes.windows(2).find(|pair| pair[1].0 - pair[0].0 > 10 * MINUTE).expect("a gap");
    let missing = (gap[1].0 - gap[0].0) / (10 * MINUTE) - 1;
    assert!(missing > 5, "{missing}");
    let bounds = [gap[0].0 + 10 * MINUTE, gap[1].0 - 10 * MINUTE].map(|time| text_of(Timestamp(time)));
    let qn = master.give(&options, 2051, &format!("BeginTime={};EndTime={}", bounds[0], bounds[1])).await;
    let told = master.up_to(9012).await;
    let recalled = told.iter().filter(|text| text.contains("CN=2051;"));
    let recalled = recalled.map(|text| time_of(text, "DataTime=")).filter(|time| (gap[0]..gap[1]).contains(time));
    assert_eq!(recalled.count() as i64, missing);
    let log = simulation.commands();
    let of = log.life("021200000000000000000001", &qn);
    assert_eq!(of.iter().filter(|what| ***what == What::Told).count() as i64, missing);
    let summary = simulation.stop_now().await;
    assert!(summary.counts.untold > missing as u64 && summary.counts.reuploaded == 0, "{summary}");
}
