//! Sums by hand.

use super::super::conditions::Conditions;
use super::super::course::with_swing;
use super::super::drill::PlantKind;
use super::super::plant::sewage::Tank;
use super::super::plant::{DISSOLVED, WATER_FLOW, converted, place};
use super::super::{Drill, course};
use super::{BOILER, OVEN, RIVER, WORKS, drill};

fn column(drill: &Drill, station: usize, code: &str, swing: f64) -> Vec<f64> {
    let place = place(drill.stations[station].plant, code).unwrap();
    with_swing(drill, swing)[station].iter().map(|moment| moment.0[place]).collect()
}

#[track_caller]
fn near(found: f64, wanted: f64, part: f64) {
    assert!((found - wanted).abs() <= part * wanted.abs().max(1e-9), "{found}, not {wanted}");
}

/// 900 mg/m³ of raw gas at 6 % oxygen, 96 % taken out: 36 at 6 %. At 6.5 % measured: 36·14.5/15 = 34.8. By the formula of annex D back again:
/// 34.8·(21-6)/(21-6.5) = 36.
#[test]
fn what_leaves_a_boiler_is_what_the_scrubber_leaves_at_reference_oxygen() {
    let drill =
        drill(&format!("{BOILER}[[event]]\nat = \"10:00\"\nstation = \"b\"\nwhat = \"scrubber-fails\"\nby = 0.5\n"));
    let (sulphur, oxygen) = (column(&drill, 0, "a21026", 0.0), column(&drill, 0, "a19001", 0.0));
    near(oxygen[60], 6.5, 1e-6);
    near(sulphur[60], 34.8, 1e-6);
    near(converted(sulphur[60], oxygen[60], 6.0), 36.0, 1e-6);
    // Half of the efficiency: 900·(1 - 0.48) = 468.
    near(converted(sulphur[1400], oxygen[1400], 6.0), 468.0, 1e-3);
    assert!(sulphur[601] > sulphur[600] && sulphur[599] < 35.0);
}

#[test]
fn converted_values_by_hand() {
    // 50 mg/m³ at 11 % oxygen: at 6 % 50·15/10 = 75; at 11 % it stays 50; beyond 20 % oxygen 20 is taken: 50·15/1.
    near(converted(50.0, 11.0, 6.0), 75.0, 1e-12);
    near(converted(50.0, 11.0, 11.0), 50.0, 1e-12);
    near(converted(50.0, 20.9, 6.0), 750.0, 1e-12);
}

/// At half load 6.5 + 5·0.5 = 9 % oxygen, half the gas; standing still there is air.
#[test]
fn load_moves_flow_and_oxygen_and_a_stop_ends_both() {
    let events = "[[event]]\nat = \"04:00\"\nuntil = \"12:00\"\nstation = \"b\"\nwhat = \"load\"\nto = 0.5\n[[event]]\nat = \"12:00\"\nuntil = \"20:00\"\nstation = \"b\"\nwhat = \"plant-stops\"\n";
    let drill = drill(&format!("{BOILER}{events}"));
    let (flow, oxygen, sulphur) =
        (column(&drill, 0, "a00000", 0.0), column(&drill, 0, "a19001", 0.0), column(&drill, 0, "a21026", 0.0));
    near(flow[100], 180.0, 1e-6);
    near(flow[719], 90.0, 1e-4);
    near(oxygen[719], 9.0, 1e-4);
    assert!(flow[1199] < 0.01 && oxygen[1199] > 20.8 && sulphur[1199] < 0.1, "{} {}", flow[1199], oxygen[1199]);
    near(flow[1559], 180.0, 0.001);
}

/// What came in = what left + what was taken out + what is there more than before.
#[test]
fn the_tank_balances_through_a_flood_without_air() {
    let first = Conditions::USUAL;
    let mut tank = Tank::new(1.0, &first);
    let begun = tank.held();
    let mut left = [0.0; 4];
    for minute in 0..3000 {
        let flood = if (500..900).contains(&minute) { 4.0 } else { 1.0 };
        let now = Conditions { flood, aeration: !(300..1200).contains(&minute), ..Conditions::USUAL };
        let moment = tank.step(&now, &[], minute, 0.0);
        let of = |code| moment.0[place(PlantKind::Sewage, code).unwrap()];
        for (left, code) in left.iter_mut().zip(DISSOLVED) {
            *left += of(code) * of(WATER_FLOW) * 60.0 / 1e6;
        }
    }
    let held = tank.held();
    for at in 0..4 {
        near(tank.came[at], left[at] + tank.taken[at] + held[at] - begun[at], 1e-9);
    }
}

/// Ammonia at rest: 30 / (1 + 2/h · 12 h) = 1.2; without air it rises towards 30 / (1 + 0.02·12) = 24.2, by the stay of twelve hours.
#[test]
fn ammonia_rises_while_the_aeration_stands() {
    let drill = drill(&format!(
        "{WORKS}[[event]]\nat = \"02:00\"\nuntil = \"14:00\"\nstation = \"w\"\nwhat = \"aeration-stops\"\n"
    ));
    let ammonia = column(&drill, 0, "w21003", 0.0);
    near(ammonia[60], 1.2, 1e-6);
    // From 1.2 towards 24.19 with 1/12 h + 0.02/h = 1/9.677 h: after 12 h 24.19 - 22.99·e^(-1.24) = 17.5; the air goes within 20 min or so.
    near(ammonia[14 * 60], 17.5, 0.03);
    assert!(ammonia[25 * 60] < 4.0);
}

/// Three times the water: a third of it sewage: 30/3 + 0.8·2/3 = 10.53 comes in.
#[test]
fn a_flood_thins_what_comes_and_hurries_it() {
    let drill = drill(&format!("{WORKS}[[event]]\nat = \"01:00\"\nstation = \"w\"\nwhat = \"flood\"\nby = 3\n"));
    let (flow, ammonia) = (column(&drill, 0, "w00000", 0.0), column(&drill, 0, "w21003", 0.0));
    near(flow[0], 90.0, 1e-9);
    near(flow[61], 270.0, 1e-9);
    // At rest again: 10.533 / (1 + 2·12/3) = 1.170.
    near(ammonia[1500], 10.5333 / 9.0, 1e-3);
}

/// The works stop their air at 02:00; the river three hours downstream knows nothing of it before 05:00.
#[test]
fn the_river_hears_of_it_a_travel_time_later() {
    let events = "[[event]]\nat = \"02:00\"\nstation = \"w\"\nwhat = \"aeration-stops\"\n";
    let (with, without) = (drill(&format!("{WORKS}{RIVER}{events}")), drill(&format!("{WORKS}{RIVER}")));
    let (with, without) = (column(&with, 1, "w21003", 0.0), column(&without, 1, "w21003", 0.0));
    // At rest: (1500·0.25 + 90·1.2) / 1590 = 0.3038.
    near(without[700], 0.303_77, 1e-4);
    let first = (0..with.len()).find(|minute| (with[*minute] - without[*minute]).abs() > 1e-12).unwrap();
    // The air is less from 02:00 on, the water that leaves in the minute after it is the first to show it.
    assert!((300..=302).contains(&first), "{first}");
    assert!(with[1500] > 3.0 * without[1500]);
}

/// 36 kg/h are 10 g/s: in 1590 L/s 6.29 mg/L more.
#[test]
fn a_discharge_comes_a_travel_time_later_and_is_thinned() {
    let events = "[[event]]\nat = \"02:00\"\nuntil = \"08:00\"\nstation = \"r\"\nwhat = \"discharge\"\nfactor = \"w21003\"\nby = 36\n";
    let drill = drill(&format!("{WORKS}{RIVER}{events}"));
    let ammonia = column(&drill, 1, "w21003", 0.0);
    near(ammonia[299], 0.303_77, 1e-4);
    assert!(ammonia[301] > 0.6);
    near(ammonia[640], 0.303_77 + 10_000.0 / 1590.0, 1e-3);
    assert!(ammonia[900] < 0.31, "{}", ammonia[900]);
}

/// Heated by 4 degrees a minute up to 850 before the first waste; with cold feeding the waste comes at once.
#[test]
fn a_furnace_is_fed_from_850_degrees_unless_somebody_feeds_it_cold() {
    let stop = "[[event]]\nat = \"00:00\"\nuntil = \"02:00\"\nstation = \"o\"\nwhat = \"plant-stops\"\n";
    let good = drill(&format!("{OVEN}{stop}"));
    let (heat, feed) = (column(&good, 0, "a01901", 0.0), column(&good, 0, "g20301", 0.0));
    let first = feed.iter().position(|feed| *feed > 0.0).unwrap();
    assert!(first > 300 && heat[first - 1] >= 850.0, "{first} {}", heat[first]);
    near(*heat.last().unwrap(), 930.0, 0.01);
    let cold = "[[event]]\nat = \"03:00\"\nuntil = \"04:00\"\nstation = \"o\"\nwhat = \"feeds-cold\"\n";
    let bad = drill(&format!("{OVEN}{stop}{cold}"));
    let (heat, feed, co) =
        (column(&bad, 0, "a01901", 0.0), column(&bad, 0, "g20301", 0.0), column(&bad, 0, "a21005", 0.0));
    assert!(feed[179] == 0.0 && feed[181] > 0.0 && heat[181] < 400.0, "{} {}", feed[181], heat[181]);
    assert!(co[200] > 100.0);
}

#[test]
fn the_same_seed_gives_the_same_course_and_another_one_another() {
    let one = drill(&format!("{BOILER}{WORKS}{RIVER}{OVEN}"));
    assert_eq!(course(&one), course(&one.clone()));
    let other = Drill { seed: 2, ..one.clone() };
    assert_ne!(course(&one), course(&other));
}
