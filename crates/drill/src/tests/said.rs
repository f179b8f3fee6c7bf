//! Records as they are said: against their minutes, their limits, and what falsifies them.

use hj212_model::message::Timestamp;

use super::super::Drill;
use super::super::course;
use super::super::plant::{factors, place};
use super::super::records::{SaidRecord, of_minutes, written};
use super::super::script::{LineStep, StepKind, said_minutes, script};
use super::{BOILER, OVEN, RIVER, WORKS, drill};

/// Midnight in Beijing, 2026-06-01.
const BEGINS: Timestamp = Timestamp(1_780_243_200_000_000);

fn said(drill: &Drill, station: usize) -> Vec<SaidRecord<'_>> {
    said_minutes(drill, station, &course(drill)[station])
}

fn averages(drill: &Drill, station: usize, code: &str) -> Vec<f64> {
    let place = place(drill.stations[station].plant, code).unwrap();
    said(drill, station).iter().map(|record| record.factors[place].avg).collect()
}

fn converted(drill: &Drill, code: &str) -> Vec<f64> {
    let place = place(drill.stations[0].plant, code).unwrap();
    said(drill, 0).iter().map(|record| record.factors[place].converted.unwrap()[1]).collect()
}

fn steps(drill: &Drill) -> Vec<LineStep> {
    script(drill, &course(drill), BEGINS)
}

/// What is said: second, CN, DataTime, again.
fn uploads(drill: &Drill) -> Vec<(i64, u16, String, bool)> {
    let all = steps(drill).into_iter().filter_map(|step| match step.kind {
        StepKind::Say { cn, area, again } => Some((step.at, cn, area[9..23].to_owned(), again)),
        StepKind::Down | StepKind::Up => None,
    });
    all.collect()
}

#[test]
fn every_record_has_its_mean_between_its_ends_and_fits_a_packet() {
    let drill = drill(&format!("{BOILER}{WORKS}{RIVER}{OVEN}"));
    for (station, of) in drill.stations.iter().enumerate() {
        let minutes = said(&drill, station);
        let hour = of_minutes(of, &minutes, 60, 60).unwrap();
        let day = of_minutes(of, &minutes, 0, 1440).unwrap();
        for record in minutes.iter().chain([&hour, &day]) {
            for said in &record.factors {
                assert!(said.min <= said.avg && said.avg <= said.max, "{said:?}");
                assert!(said.converted.is_none_or(|[min, avg, max]| min <= avg && avg <= max), "{said:?}");
            }
            // HJ 212-2017, table 3: the data area has at most 950 bytes.
            let area = written(of, record);
            assert!(area.len() + 23 <= 950, "{} {area}", area.len());
        }
    }
}

#[test]
fn an_hour_is_the_mean_of_its_minutes_as_they_were_said() {
    let drill = drill(WORKS);
    let minutes = said(&drill, 0);
    let hour = of_minutes(&drill.stations[0], &minutes, 120, 60).unwrap();
    for place in 0..factors(drill.stations[0].plant).len() {
        let of: Vec<f64> = minutes[12..18].iter().map(|minute| minute.factors[place].avg).collect();
        let mean = of.iter().sum::<f64>() / 6.0;
        assert!((hour.factors[place].avg - mean).abs() <= 0.051, "{} {mean}", hour.factors[place].avg);
        let cou: f64 = minutes[12..18].iter().filter_map(|minute| minute.factors[place].sum).sum();
        assert!((hour.factors[place].sum.unwrap_or(0.0) - cou).abs() < 0.006);
    }
}

#[test]
fn calibrations_and_faults_have_their_letter_unless_it_is_forgotten() {
    let event = |what: &str| format!("[[event]]\nat = \"03:00\"\nuntil = \"04:00\"\nstation = \"b\"\n{what}\n");
    let calibrates = event("what = \"calibrates\"\nto = 200");
    let letters = |drill: &Drill| -> Vec<String> {
        let place = place(drill.stations[0].plant, "a21026").unwrap();
        said(drill, 0)[35..49].iter().map(|record| record.factors[place].letter.to_owned()).collect()
    };
    let plain = drill(&format!("{BOILER}{calibrates}"));
    assert_eq!(letters(&plain)[..3], ["N", "C", "C"]);
    assert_eq!((averages(&plain, 0, "a21026")[36], letters(&plain)[13].as_str()), (200.0, "N"));
    let hour = of_minutes(&plain.stations[0], &said(&plain, 0), 180, 60).unwrap();
    assert_eq!(hour.factors[1].letter, "C");
    let forgotten = drill(&format!("{BOILER}{calibrates}{}", event("what = \"mark-forgotten\"")));
    assert!(letters(&forgotten).iter().all(|letter| letter == "N"));
    let fails = drill(&format!("{BOILER}{}", event("what = \"analyser-fails\"\nfactor = \"a21026\"")));
    let values = averages(&fails, 0, "a21026");
    assert_eq!((letters(&fails)[1].as_str(), values[36], values[40]), ("D", values[37], values[37]));
    let hidden = drill(&format!("{BOILER}{}", event("what = \"false-mark\"\nflag = \"M\"")));
    assert_eq!(letters(&hidden)[1], "M");
}

#[test]
fn an_oxygen_probe_that_drifts_makes_converted_values_larger() {
    let plain = drill(BOILER);
    let drifts =
        drill(&format!("{BOILER}[[event]]\nat = \"05:00\"\nstation = \"b\"\nwhat = \"oxygen-drifts\"\nby = 0.5\n"));
    let (before, after) = (converted(&plain, "a21026"), converted(&drifts, "a21026"));
    assert_eq!(before[..60], after[..60]);
    // Ten hours later 5 % more: (21 - 6.5) / (21 - 11.5) of before, about.
    let ratio = after[180] / before[180];
    assert!((1.4..1.65).contains(&ratio), "{ratio}");
}

#[test]
fn falsified_spans_say_what_the_falsifier_wants() {
    let event = |what: &str| {
        format!("{BOILER}[[event]]\nat = \"10:00\"\nuntil = \"20:00\"\nstation = \"b\"\nfactor = \"a21026\"\n{what}\n")
    };
    let truth = averages(&drill(BOILER), 0, "a21026");
    let constant = averages(&drill(&event("what = \"constant\"")), 0, "a21026");
    assert!(constant[120..240].iter().all(|value| *value == truth[120]) && constant[240] == truth[240]);
    let scaled = averages(&drill(&event("what = \"scaled\"\nby = 0.5")), 0, "a21026");
    assert!((scaled[150] - truth[150] / 2.0).abs() <= 0.011 && scaled[119] == truth[119]);
    let replayed = averages(&drill(&event("what = \"replayed\"\nback = \"6h\"")), 0, "a21026");
    assert_eq!(replayed[120..192], truth[48..120]);
    let fails = "[[event]]\nat = \"08:00\"\nstation = \"b\"\nwhat = \"scrubber-fails\"\n";
    let capped = drill(&format!("{}{fails}", event("what = \"capped\"\nto = 49.8\nspread = 0.01")));
    let values = converted(&capped, "a21026");
    assert!(values[100..119].iter().any(|value| *value > 100.0) && values[245] > 100.0);
    assert!(values[120..240].iter().all(|value| (49.2..=49.85).contains(value)), "{:?}", &values[120..240]);
}

#[test]
fn hours_are_sent_once_more_and_lower() {
    let drill = drill(&format!(
        "{BOILER}[[event]]\nat = \"05:00\"\nstation = \"b\"\nwhat = \"sent-lower\"\nfactor = \"a21026\"\nby = 0.5\nback = \"2h\"\n"
    ));
    assert_eq!((drill.happenings[0].at, drill.happenings[0].until), (300, 300));
    let again: Vec<(i64, u16, String, bool)> =
        uploads(&drill).into_iter().filter(|(at, cn, ..)| *cn == 2061 && *at == 5 * 3600 + 6).collect();
    assert_eq!(
        again.iter().map(|(_, _, time, _)| time.as_str()).collect::<Vec<_>>(),
        ["20260601030000", "20260601040000"]
    );
}

#[test]
fn a_day_is_said_in_order_minutes_before_their_hour_and_hours_before_their_day() {
    let all = uploads(&drill(BOILER));
    let count = |cn| all.iter().filter(|(_, of, ..)| *of == cn).count();
    assert_eq!((count(2051), count(2061), count(2031)), (26 * 12, 26, 1));
    let midnight: Vec<(u16, &str)> = all
        .iter()
        .filter(|(at, ..)| (86_400..86_400 + 60).contains(at))
        .map(|(_, cn, time, _)| (*cn, time.as_str()))
        .collect();
    assert_eq!(midnight, [(2051, "20260601235500"), (2061, "20260601230000"), (2031, "20260601000000")]);
    assert!(all.windows(2).all(|two| two[0].0 <= two[1].0));
}

#[test]
fn what_a_broken_line_kept_follows_newest_first_and_what_it_lost_does_not() {
    let event = |kept| {
        format!(
            "{BOILER}[[event]]\nat = \"03:00\"\nuntil = \"04:00\"\nstation = \"b\"\nwhat = \"link-drops\"\nkept = {kept}\n"
        )
    };
    let (kept, lost) = (drill(&event(true)), drill(&event(false)));
    let whole = uploads(&drill(BOILER)).len();
    assert_eq!((uploads(&kept).len(), uploads(&lost).len()), (whole, whole - 13));
    let again: Vec<String> =
        uploads(&kept).into_iter().filter(|(.., again)| *again).map(|(_, _, time, _)| time).collect();
    assert_eq!((again.len(), again[0].as_str(), again[12].as_str()), (13, "20260601035000", "20260601025500"));
    let downs: Vec<(i64, bool)> = steps(&kept)
        .iter()
        .filter(|step| !matches!(step.kind, StepKind::Say { .. }))
        .map(|step| (step.at, step.kind == StepKind::Up))
        .collect();
    assert_eq!(downs, [(0, true), (3 * 3600, false), (4 * 3600, true)]);
}

#[test]
fn a_clock_that_is_off_shows_in_what_is_said_meanwhile() {
    let drill = drill(&format!(
        "{BOILER}[[event]]\nat = \"03:00\"\nuntil = \"04:00\"\nstation = \"b\"\nwhat = \"clock-off\"\nback = \"20min\"\n"
    ));
    let times: Vec<String> =
        uploads(&drill).into_iter().filter(|(_, cn, ..)| *cn == 2051).map(|(_, _, time, _)| time).collect();
    assert_eq!(times[34], "20260601025000");
    assert_eq!(times[35], "20260601023500");
    assert_eq!(times[47], "20260601035500");
}

/// HJ 212-2025, C.31: five-minute means of the furnace.
#[test]
fn a_furnace_of_2025_says_its_temperature_in_five_minute_means() {
    let drill = drill(OVEN);
    let all: Vec<String> = steps(&drill)
        .into_iter()
        .filter_map(|step| match step.kind {
            StepKind::Say { cn: 2111, area, .. } => Some(area),
            _ => None,
        })
        .collect();
    let heat = averages(&drill, 0, "a01901");
    assert_eq!(all.len(), 26 * 12);
    assert_eq!(all[12], format!("DataTime=20260601010000;a01901-Avg={:.1},a01901-Flag=N", heat[12]));
}
