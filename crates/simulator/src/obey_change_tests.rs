//! What commands change at a station: clock, settings, password, key and MN; and what it keeps.

use std::time::Duration;

use super::super::super::commands::Change;
use super::super::super::station::Next;
use super::super::super::subject::Subject;
use super::*;

#[test]
fn a_wrong_clock_shows_and_1012_sets_it_right() {
    for seconds in [-90_000_i64, 61] {
        let mut scene = Scene::new(Edition::V2017, Subject::Water, |options| options.behaviour.clock_off = seconds);
        scene.hear_all();
        let off = scene.ask(1011, "");
        assert!(!off[1].contains("SystemTime=202611231040"), "{off:?}");
        scene.station.obedience.heard.clear();
        assert_eq!(cns(&scene.ask(1012, "SystemTime=20261123104000")), [9011, 9012]);
        assert_eq!(scene.changes(), [Change::Clock(0)]);
        scene.now = Duration::from_secs(40);
        scene.give(&scene.command(1011, ""));
        assert!(scene.hear_all().iter().any(|text| text.contains("SystemTime=20261123104040")));
        // A time that is wrong is taken as well.
        scene.ask(1012, "SystemTime=20261123100000");
        assert_eq!(scene.changes().len(), 0, "the same QN");
        scene.station.obedience.heard.clear();
        scene.ask(1012, "SystemTime=20261123100000");
        assert!(matches!(scene.changes()[..], [Change::Clock(off)] if off < -2_400_000_000));
    }
}

#[test]
fn a_station_asks_for_the_time_once_a_connection() {
    let mut scene = Scene::new(Edition::V2017, Subject::Water, |o| o.faults = "ask-time=1".parse().unwrap());
    let said = scene.hear_all();
    assert_eq!(said.iter().filter(|text| text.contains("CN=1013;") && text.ends_with("Flag=5;CP=&&&&")).count(), 1);
}

/// HJ 212-2017, C.1, C.6, C.8, C.35 and C.46.
#[test]
fn settings_are_kept_and_told() {
    let mut scene = Scene::of(Edition::V2017, "");
    for (cn, cp) in [
        (1062, "RtdInterval=120"),
        (1064, "MinInterval=30"),
        (1000, "OverTime=5;ReCount=1"),
        (3016, "PolId=w01018;CstartTime=013000;CTime=4"),
        (3021, "PolId=w01018;InfoId=i13001;i13001-Info=12.5"),
        (2012, ""),
    ] {
        scene.ask(cn, cp);
        scene.station.obedience.heard.clear();
    }
    let mut told = |cn, cp: &str| {
        let said = scene.ask(cn, cp);
        scene.station.obedience.heard.clear();
        said[1].clone()
    };
    assert!(told(1061, "").ends_with("&&RtdInterval=120&&"));
    assert!(told(1063, "").ends_with("&&MinInterval=30&&"));
    assert!(told(3017, "PolId=w01018").ends_with("PolId=w01018;CstartTime=013000;CTime=4&&"));
    assert!(told(3020, "PolId=w01018;InfoId=i13001").ends_with("PolId=w01018;i13001-Info=12.5&&"));
    assert_eq!(scene.station.patience, (Duration::from_secs(5), 1));
    scene.now += Duration::from_secs(600);
    assert!(scene.hear_all().iter().all(|text| !text.contains("CN=2011;")), "2012 stops realtime records");
    scene.station.obedience.heard.clear();
    let said = scene.ask(2051, SPAN);
    assert_eq!(cns(&said), [9011, 2051, 2051, 2051, 9012], "half hours");
}

#[test]
fn a_new_password_holds_after_its_confirmation() {
    let mut scene = Scene::of(Edition::V2017, "");
    let said = scene.ask(1072, "NewPW=654321");
    assert!(said.iter().all(|text| text.contains("PW=123456")), "{said:?}");
    assert_eq!(scene.changes(), [Change::Password]);
    let old = scene.command(1061, "").replace("PW=654321", "PW=123456");
    assert!(scene.put(&old)[0].contains("PW=654321;") && scene.put(&old)[0].contains("QnRtn=3"));
}

#[test]
fn a_new_key_holds_after_its_confirmation_and_the_packet_in_flight_keeps_the_old_one() {
    let old = Key::from_text("0123456789abcdef").unwrap();
    let mut scene = Scene::new(Edition::V2025, Subject::Water, |options| {
        options.behaviour.sealed = true;
        options.behaviour.key = Some(old.clone());
    });
    scene.hear_all();
    scene.now = Duration::from_secs(31);
    let mut out = Vec::new();
    let Next::Send(first) = scene.station.next(scene.now, &mut out) else { panic!() };
    assert_eq!(first.key, Some(old.clone()));
    let command = scene.command(1014, "SKCreateTime=20261123104000000,NewSK=fedcba9876543210");
    let mut frame = Vec::new();
    sm4::frame(&mut frame, command.as_bytes(), &old).unwrap();
    let said = u16::from_str_radix(std::str::from_utf8(&frame[frame.len() - 6..frame.len() - 2]).unwrap(), 16).unwrap();
    let opened = scene.station.open(&frame[6..frame.len() - 6], said).unwrap();
    assert_eq!(opened, command.as_bytes());
    scene.give(std::str::from_utf8(&opened).unwrap());
    for cn in [9011, 9012] {
        assert_eq!(scene.station.next(scene.now, &mut out), Next::Say(None), "answers are not sealed");
        assert_eq!(parse(&out).cn, Some(cn));
        assert_eq!(scene.station.profile.key, Some(old.clone()));
    }
    scene.now += Duration::from_secs(10);
    let Next::Send(again) = scene.station.next(scene.now, &mut out) else { panic!() };
    assert_eq!((again.resend, again.key), (1, Some(old)), "the same packet");
    let new = Key::from_text("fedcba9876543210").unwrap();
    assert_eq!(scene.station.profile.key, Some(new.clone()));
    let events = format!("{:?}", scene.station.take_news());
    assert!(!events.contains("fedcba9876543210") && events.contains("Obeyed(Key)"), "{events}");
    scene.station.disconnected(scene.now);
    scene.station.connected(scene.now);
    scene.now += Duration::from_secs(21);
    let Next::Send(next) = scene.station.next(scene.now, &mut out) else { panic!() };
    assert_eq!(next.key, Some(new));
}

/// HJ 212-2025, 6.4.4: 3020 is encrypted, 9011 and 9012 are not.
#[test]
fn what_is_told_of_the_site_is_sealed_and_answers_are_not() {
    let mut scene = Scene::new(Edition::V2025, Subject::Water, |options| options.behaviour.sealed = true);
    scene.hear_all();
    let said = scene.ask(3020, "PolId=w01018;InfoId=i13001");
    let sealed: Vec<bool> = said.iter().map(|text| text.starts_with("sealed ")).collect();
    assert_eq!(sealed, [false, true, false], "{said:?}");
}

/// HJ 212-2025, 6.8, C.2 and C.3.
#[test]
fn a_logger_without_an_mn_says_who_it_is_and_waits_for_one() {
    let mut scene = Scene::new(Edition::V2025, Subject::Water, |options| options.behaviour.register = true);
    let said = scene.hear_all();
    assert_eq!(cns(&said), [1001]);
    assert!(said[0].contains(";MN=;Flag=9;CP=&&i23005-Info=SIM000000000000000000001;i23006-Info="), "{said:?}");
    // Not for it, and before it has an MN it obeys nothing else.
    scene.give(&scene.command(1002, "i23005-Info=SIM000000000000000000002"));
    assert!(scene.hear_all()[0].contains("QnRtn=4"));
    scene.station.obedience.heard.clear();
    scene.give(&scene.command(1061, ""));
    assert!(scene.hear_all()[0].contains("QnRtn=4"));
    let mn = "ABCDEF000000000000000001";
    let gift = scene.command(1002, "i23005-Info=SIM000000000000000000001").replace("MN=;", &format!("MN={mn};"));
    scene.give(&gift);
    let said = scene.hear_all();
    assert!(said.len() > 3 && said.iter().all(|text| text.contains(&format!("MN={mn};"))), "{said:?}");
    assert_eq!(cns(&said[..2]), [9011, 9012]);
    assert_eq!(scene.changes(), [Change::Mn(mn.into())]);
    scene.now += Duration::from_secs(70);
    scene.station.disconnected(scene.now);
    scene.station.connected(scene.now);
    assert!(!cns(&scene.hear_all()).contains(&1001), "the MN is kept");
}

#[test]
fn kept_history_is_told_on_demand_alone() {
    let mut scene = Scene::new(Edition::V2017, Subject::Water, |options| options.behaviour.keeps_history = true);
    scene.hear_all();
    scene.station.disconnected(scene.now);
    scene.now = Duration::from_secs(3 * 3600);
    scene.station.connected(scene.now);
    let said = scene.hear_all();
    assert!(cns(&said).iter().all(|cn| [2011, 2021].contains(cn)) && said.len() <= 2, "{said:?}");
    assert!(scene.station.untold_records() > 360);
    let said = scene.ask(2051, "BeginTime=20261123110000;EndTime=20261123125000");
    assert_eq!(said.len(), 12 + 2);
}
