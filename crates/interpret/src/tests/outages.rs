//! The gateway's own absence as the journal tells it, and exchanges by the standard.

use super::*;

const MINUTE: i64 = 60_000_000;

/// Midnight in Beijing, 2026-06-01.
fn midnight() -> Timestamp {
    Moment::read(b"20260601000000").unwrap().timestamp()
}

fn at(minutes: i64) -> Timestamp {
    Timestamp(midnight().0 + minutes * MINUTE)
}

fn ten_minutes(minutes: i64) -> Step {
    let label = Timestamp(at(minutes).0 - 10 * MINUTE).to_rfc3339();
    let label: String = label[..19].chars().filter(char::is_ascii_digit).collect();
    let segment = format!("QN={label}001;ST=31;CN=2051;MN=A;Flag=5;CP=&&DataTime={label};a21026-Avg=1.5&&");
    frame_step(Timestamp(at(minutes).0 + 1_000_000), segment.as_bytes())
}

fn online(time: Timestamp, online: bool) -> Step {
    let on = peering("10.0.0.9:7000");
    let presence = if online { Presence::Online { mn: "A", on } } else { Presence::Offline { mn: "A", on } };
    step(time, &Record::Presence(presence))
}

/// A journal from midnight on: a station that reports every ten minutes to a gateway that ticks.
struct Journal {
    steps: Vec<Step>,
    minutes: i64,
}

impl Journal {
    fn new() -> Journal {
        let facts = StationFacts { rules: vec!["dev22".to_owned()], ..StationFacts::default() };
        let context = Context { stations: [("A".to_owned(), facts.into())].into(), ..Context::default() };
        let mut steps = vec![step(midnight(), &Record::Started("1"))];
        steps.extend(context_steps(midnight(), &context));
        steps.push(online(midnight(), true));
        Journal { steps, minutes: 0 }
    }

    /// Both run for so long; `sends`: the station reports.
    fn run(&mut self, minutes: i64, sends: bool) {
        for _ in 0..minutes {
            self.minutes += 1;
            self.steps.push(step(at(self.minutes), &Record::Tick));
            if sends && self.minutes % 10 == 0 {
                self.steps.push(ten_minutes(self.minutes));
            }
        }
    }

    fn push(&mut self, record: &Record<'_>) {
        self.steps.push(step(at(self.minutes), record));
    }

    /// Nothing is written for so long.
    fn nothing(&mut self, minutes: i64) {
        self.minutes += minutes;
    }

    fn back(&mut self, minutes: i64) {
        self.push(&Record::Started("1"));
        self.run(minutes, false);
        self.steps.push(online(at(self.minutes), true));
    }

    /// What is published, the same with snapshots in between and without.
    fn published(&self) -> Vec<TypedPublication> {
        let mut whole = Player::new(settings());
        whole.play(&self.steps);
        let mut pieces = Player::new(settings());
        for some in self.steps.chunks(97) {
            let snapshot = pieces.interpreter.snapshot();
            pieces.interpreter = Interpreter::restore(settings(), &snapshot).unwrap();
            pieces.play(some);
        }
        assert_eq!(whole.out, pieces.out);
        let schemas = Schemas::new();
        whole.out.iter().for_each(|publication| schemas.check(publication));
        whole.out
    }
}

fn bodies(published: &[TypedPublication], topic: &str) -> Vec<serde_json::Value> {
    let own = published.iter().filter(|publication| publication.topic.ends_with(topic));
    own.map(|publication| serde_json::from_slice(&publication.payload).unwrap()).collect()
}

fn gaps(published: &[TypedPublication]) -> Vec<(String, String, u64)> {
    let text = |gap: &serde_json::Value, key: &str| gap[key].as_str().unwrap().to_owned();
    let gaps = bodies(published, "/event/gap");
    gaps.iter()
        .map(|gap| (text(gap, "from")[11..16].to_owned(), text(gap, "cause"), gap["count"].as_u64().unwrap()))
        .collect()
}

#[test]
fn every_way_in_which_the_gateway_is_away_is_gateway_down_and_left_out_of_the_day() {
    type Way = (&'static str, fn(&mut Journal));
    let ways: [Way; 5] = [
        ("killed", |journal| journal.nothing(125)),
        ("stopped", |journal| {
            journal.push(&Record::Stopped);
            journal.nothing(125);
        }),
        ("stopped, by a version that said its stations offline first", |journal| {
            journal.steps.push(online(at(journal.minutes), false));
            journal.push(&Record::Stopped);
            journal.nothing(125);
        }),
        ("a crash loop", |journal| {
            for _ in 0..25 {
                journal.nothing(4);
                journal.push(&Record::Started("1"));
                journal.run(1, false);
            }
        }),
        ("a full disk, or a host that slept", |journal| {
            journal.nothing(125);
            journal.run(1, false);
        }),
    ];
    for (way, away) in ways {
        let mut journal = Journal::new();
        journal.run(9 * 60 + 5, true);
        away(&mut journal);
        if !way.starts_with("a full disk") {
            journal.back(2);
        }
        journal.run(26 * 60, true);
        let published = journal.published();
        // Due from 09:10 to 11:10.
        let gaps = gaps(&published);
        assert!(gaps.iter().all(|(from, cause, _)| from == "09:00" && cause == "gateway-down"), "{way}: {gaps:?}");
        assert_eq!(gaps.last().unwrap().2, 13, "{way}: {gaps:?}");
        let day = bodies(&published, "/completeness/minute").last().unwrap()["days"][0].clone();
        assert_eq!((&day["expected"], &day["gateway_down"]), (&144.into(), &13.into()), "{way}: {day}");
        assert_eq!((&day["there"], &day["rate"]), (&131.into(), &1.0.into()), "{way}: {day}");
        assert_eq!(bodies(&published, "/event/mark-begin").len(), 0, "{way}: no mark says that the station was silent");
    }
}

#[test]
fn the_broker_s_absence_and_a_slow_minute_are_no_outage() {
    let mut journal = Journal::new();
    journal.run(9 * 60 + 5, true);
    // The journal goes on, whatever the broker does; the station does not.
    journal.run(60, false);
    journal.nothing(4);
    journal.run(26 * 60, true);
    let published = journal.published();
    assert_eq!(gaps(&published)[0].1, "not-sent");
    let day = bodies(&published, "/completeness/minute").last().unwrap()["days"][0].clone();
    assert_eq!((&day["gateway_down"], &day["there"]), (&0.into(), &138.into()), "{day}");
}

#[test]
fn what_explains_missing_records_is_named_beside_them_with_its_end() {
    let mut journal = Journal::new();
    journal.run(9 * 60 + 5, true);
    journal.steps.push(online(at(journal.minutes), false));
    journal.run(3 * 60, false);
    journal.steps.push(online(at(journal.minutes), true));
    journal.run(3 * 60, true);
    let published = journal.published();
    let begun = &bodies(&published, "/event/gap")[0];
    assert_eq!((&begun["cause"], &begun["growing"]), (&"offline".into(), &true.into()), "{begun}");
    let comm = |gap: &serde_json::Value| {
        let mark = gap["marks"].as_array().unwrap().iter().find(|mark| mark["mark"] == "dev22:comm").cloned();
        mark.unwrap_or_else(|| panic!("{gap}"))
    };
    assert!(comm(begun)["until"].is_null(), "{begun}");
    let grown = &bodies(&published, "/event/gap")[1];
    assert_eq!(
        (&grown["count"], &grown["growing"], &grown["causes"]["offline"]),
        (&18.into(), &false.into(), &18.into())
    );
    assert!(comm(grown)["until"].is_string(), "it is over by then: {grown}");
}

#[test]
fn an_exchange_by_the_standard_carries_no_deviation_and_other_reuse_does() {
    use hj212_downlink::Step as Request;
    let qn = "20260601120000001";
    let sent =
        |qn: &str| Request::Sent { mn: "A".into(), id: "r".into(), qn: qn.into(), count: 1, segment: String::new() };
    let say = |segment: String| frame_step(noon(), segment.as_bytes());
    let exchange = |qn: &str, flag: &str| {
        let sent = sent(qn);
        [
            step(noon(), &Record::Command(&sent.encode())),
            say(format!("QN={qn};ST=91;CN=9011;MN=A;{flag}CP=&&QnRtn=1&&")),
            say(format!("QN={qn};ST=31;CN=1011;MN=A;{flag}CP=&&SystemTime=20260601120000&&")),
            say(format!("QN={qn};ST=31;CN=1061;MN=A;{flag}CP=&&RtdInterval=30&&")),
            say(format!("QN={qn};ST=91;CN=9012;MN=A;{flag}CP=&&ExeRtn=1&&")),
        ]
    };
    for flag in ["Flag=5;", "Flag=9;", ""] {
        let mut player = Player::new(settings());
        player.play(&[say(format!(
            "QN=20260601115959001;ST=31;CN=2011;MN=A;{flag}CP=&&DataTime=20260601120000;a21026-Rtd=1&&"
        ))]);
        for number in 0..40 {
            player.play(&exchange(&format!("202606011200{number:02}001"), flag));
        }
        let data = player.data();
        let odd: Vec<_> = data.iter().filter(|body| body["deviations"].to_string().contains("qn-reused")).collect();
        assert!(odd.is_empty() && data.len() > 160, "{flag}: {odd:?}");
    }
    // Answers without our request, two records under one QN of the station's own.
    let mut player = Player::new(settings());
    player.play(&exchange(qn, "Flag=5;")[1..2]);
    for code in ["a21026", "a21002"] {
        player.play(&[say(format!("QN={qn};ST=31;CN=2011;MN=A;Flag=5;CP=&&DataTime=20260601120000;{code}-Rtd=1&&"))]);
    }
    let data = player.data();
    let odd: Vec<bool> = data.iter().map(|body| body["deviations"].to_string().contains("qn-reused")).collect();
    assert_eq!(odd, [false, false, true], "{data:?}");
}

#[test]
fn what_is_under_way_is_shown_without_anything_secret() {
    use hj212_downlink::{KeyState, Origin, Outcome, Step as Request};
    let mut journal = Journal::new();
    journal.run(9 * 60 + 5, true);
    journal.run(60, false);
    let mn = "A".to_owned();
    let queued = |id: &str, command: &str, confirm: Option<&str>| Request::Queued {
        mn: "A".into(),
        id: id.into(),
        command: command.into(),
        cn: 1072,
        edition: Edition::V2017,
        area: "NewPW=geheim".into(),
        new_mn: None,
        origin: Origin::Operator,
        author: "li".into(),
        why: "w".into(),
        expires: at(2000),
        confirm: confirm.map(str::to_owned),
    };
    let key = |state| Request::Key {
        mn: "A".into(),
        created: "20260601000000000".into(),
        key: "hex:000102030405060708090a0b0c0d0e0f".into(),
        state,
        again: false,
    };
    for step in [
        queued("r-1", "set-password", Some("c0ffee00")),
        queued("clock-1", "set-time", None),
        Request::Ended { mn: mn.clone(), id: "clock-1".into(), outcome: Outcome::Done, code: Some(1), packets: 0 },
        Request::Clock { mn: mn.clone(), offset_ms: -200_000, within: false },
        key(KeyState::Offered),
    ] {
        journal.push(&Record::Command(&step.encode()));
    }
    let mut player = Player::new(settings());
    player.play(&journal.steps);
    let view = player.interpreter.under_way("A").unwrap();
    let gap = &view["gaps"][0];
    assert_eq!((&gap["kind"], &gap["cause"], &gap["growing"]), (&"minute".into(), &"not-sent".into(), &true.into()));
    assert_eq!((&view["requests"][0]["id"], &view["requests"][0]["state"]), (&"r-1".into(), &"to-confirm".into()));
    assert_eq!(view["requests"].as_array().unwrap().len(), 1, "{view}");
    assert_eq!((&view["keys"][0]["state"], &view["key_proven"]), (&"offered".into(), &false.into()));
    assert_eq!((&view["clock"]["offset_ms"], &view["clock"]["set_done"]), (&(-200_000).into(), &true.into()));
    let text = view.to_string();
    assert!(["geheim", "c0ffee00", "00010203"].iter().all(|secret| !text.contains(secret)), "{text}");
    let snapshot = player.interpreter.snapshot();
    let restored = Interpreter::restore(settings(), &snapshot).unwrap();
    assert_eq!(restored.under_way("A"), Some(view.clone()));
    assert_eq!(restored.all_under_way().collect::<Vec<_>>(), [("A", view)]);
    let gap = player.out.iter().find(|publication| publication.topic.ends_with("/event/gap")).unwrap();
    assert_eq!(gap.concerns(), Some("A"));
    assert_eq!(player.out.iter().filter(|p| p.topic.contains("/data/")).find_map(|p| p.concerns()), None);
}
