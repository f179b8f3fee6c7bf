//! No two messages that differ share an id, whatever a journal holds.

use std::collections::BTreeMap;

use super::*;

/// By schema, id and revision: what was published under it.
#[derive(Default)]
struct Said(BTreeMap<(String, String, String), (String, String)>);

impl Said {
    fn take(&mut self, publication: &TypedPublication) -> Result<(), String> {
        let Ok(body) = serde_json::from_slice::<serde_json::Value>(&publication.payload) else { return Ok(()) };
        let schema = body["schema"].as_str().unwrap_or_default();
        if !["data", "event", "validity", "gateway-event", "clock-step"]
            .iter()
            .any(|s| schema == format!("hj212.{s}/1"))
        {
            return Ok(());
        }
        let id = body["id"].as_str().unwrap_or_else(|| panic!("no id: {body}")).to_owned();
        let key = (schema.to_owned(), id, body["revision"].to_string());
        let said = (publication.topic.clone(), String::from_utf8_lossy(&publication.payload).into_owned());
        match self.0.insert(key.clone(), said.clone()) {
            Some(before) if before != said => Err(format!("{key:?} twice:\n{before:?}\n{said:?}")),
            Some(_) | None => Ok(()),
        }
    }
}

#[test]
fn all_fixtures_after_each_other_share_no_id() {
    let mut player = Player::new(settings());
    // Each a day after the one before, so that none is older than what came.
    for (_, _, steps) in fixtures() {
        player.play(&steps);
    }
    let mut said = Said::default();
    let wrong: Vec<String> = player.out.iter().filter_map(|publication| said.take(publication).err()).collect();
    assert!(said.0.len() > 200, "{}", said.0.len());
    assert!(wrong.is_empty(), "{} wrong: {}", wrong.len(), wrong.join("\n"));
}

const CONTEXT: &str = r#"{"stations":{"M1":{"st":"31","edition":"2017","rules":["inc19","dev22"],"facilities":[{"id":"furnace-1","kind":"furnace","factors":["a21026"],"aliases":{"feed":"x01"}}]},"M2":{"st":"31","edition":"2017","rules":["inc19","dev22"],"facilities":[{"id":"furnace-1","kind":"furnace","factors":["a21026"],"aliases":{"feed":"x01"}}]}},"factors":{}}"#;

/// One thing of a mixed journal: the station, minutes since the one before, what it is, a number.
type Mixed = (bool, u16, u8, u8);

fn mixed((other, _, what, number): Mixed, time: Timestamp) -> Vec<Step> {
    let mn = if other { "M2" } else { "M1" };
    let digits: String = time.to_rfc3339().chars().take(16).filter(char::is_ascii_digit).collect();
    let (minute, hour) = (format!("{digits}00"), format!("{}0000", &digits[..10]));
    let rfc = |hours: i64| Timestamp(time.0 + hours * 3_600_000_000).to_rfc3339();
    let frame = |cn: u32, head: &str, data: &str, area: &str| {
        let text = format!("QN={minute}{number:03};ST=31;CN={cn};PW=1;MN={mn};{head};CP=&&DataTime={data};{area}&&");
        vec![frame_step(time, text.as_bytes())]
    };
    let flag = if number.is_multiple_of(3) { "D" } else { "N" };
    match what {
        0..=2 => frame(2011, "Flag=5", &minute, &format!("a21026-Rtd={number},a21026-Flag={flag};x01-Rtd=0")),
        3 | 4 => frame(2061, "Flag=5", &hour, &format!("a21026-Avg={number},a21026-Flag={flag}")),
        // A part of two, whose other part may never come.
        5 => frame(
            2051,
            &format!("Flag=7;PNUM=2;PNO={}", number % 2 + 1),
            &minute,
            &format!("a2100{}-Avg=1,a2100{}-Flag=D", number % 2, number % 2),
        ),
        6 => {
            let id = format!("e{number}");
            let json = format!(
                r#"{{"schema":"hj212.mark-entry/1","id":"{id}","mark":"inc19:fault","object":"furnace-1","begin":"{}","end":"{}","reason":"r","proof":"p","author":"a"}}"#,
                rfc(-3),
                rfc(i64::from(number % 3) - 1)
            );
            vec![step(time, &Record::MarkEntry { mn, id: &id, json: json.as_bytes() })]
        }
        7 => {
            let (id, about) = (format!("r{number}"), format!("e{}", number / 2));
            let ruling = ["accept", "doubt", "annul", "restore"][usize::from(number % 4)];
            let json = format!(
                r#"{{"schema":"hj212.mark-ruling/1","id":"{id}","about":"{about}","ruling":"{ruling}","reason":"r","author":"a"}}"#
            );
            vec![step(time, &Record::MarkRuling { mn, role: "city", id: &id, json: json.as_bytes() })]
        }
        8 => vec![step(time, &Record::Presence(Presence::Online { mn, on: peering("10.0.0.9:7000") }))],
        9 => vec![step(time, &Record::Presence(Presence::Offline { mn, on: peering("10.0.0.9:7000") }))],
        10 => vec![step(time, &Record::Started("0.1.0"))],
        _ => vec![step(time, &Record::Tick)],
    }
}

fn mixed_journal() -> impl Strategy<Value = Vec<Step>> {
    let one = (any::<bool>(), prop_oneof![4 => 0u16..3, 2 => 20u16..90, 1 => 600u16..1800], 0u8..12, 0u8..24);
    proptest::collection::vec(one, 1..120).prop_map(|things| {
        let mut time = noon();
        let mut steps = script(&format!("at {NOON}\ncontext {CONTEXT}"));
        for thing in things {
            time = Timestamp(time.0 + i64::from(thing.1) * 60_000_000);
            steps.extend(mixed(thing, time));
        }
        steps
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_mixed_journal_shares_no_id_and_keeps_its_schemas(steps in mixed_journal()) {
        let (mut said, schemas) = (Said::default(), Schemas::new());
        for publication in played(&steps) {
            schemas.check(&publication);
            prop_assert_eq!(said.take(&publication), Ok(()));
        }
    }

    #[test]
    fn a_mixed_journal_gives_the_same_bytes_whenever_the_gateway_is_killed(steps in mixed_journal(), cuts in proptest::collection::vec(any::<prop::sample::Index>(), 1..4)) {
        let whole = played(&steps);
        let mut player = Player::new(settings());
        let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(steps.len())).collect();
        at.sort_unstable();
        let mut from = 0;
        for cut in at {
            player.play(&steps[from..cut]);
            player.interpreter = Interpreter::restore(settings(), &player.interpreter.snapshot()).unwrap();
            from = cut;
        }
        player.play(&steps[from..]);
        prop_assert_eq!(player.out, whole);
    }
}
