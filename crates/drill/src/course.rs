//! What each plant of a drill does, minute by minute.

use super::conditions::{Conditions, discharged};
use super::drill::{Drill, DrillStation, PlantKind};
use super::noise::Unrest;
use super::plant::furnace::FiredPlant;
use super::plant::river::{Inlet, Section};
use super::plant::sewage::Tank;
use super::plant::{DISSOLVED, PlantMoment, WATER_FLOW, factors, place};

/// The moments of one station, one for each minute of the drill.
pub type PlantCourse = Vec<PlantMoment>;

/// What every plant gives off; stations in the order of the drill.
#[must_use]
pub fn course(drill: &Drill) -> Vec<PlantCourse> {
    with_swing(drill, 1.0)
}

/// The same with so much of the usual unrest; 0: all follows from the plants alone.
pub(crate) fn with_swing(drill: &Drill, swing: f64) -> Vec<PlantCourse> {
    let mut all: Vec<PlantCourse> = vec![Vec::new(); drill.stations.len()];
    for rivers in [false, true] {
        for (number, station) in drill.stations.iter().enumerate() {
            if (station.plant == PlantKind::River) == rivers {
                let found = one(drill, number, station, &all, swing);
                if let Some(course) = all.get_mut(number) {
                    *course = found;
                }
            }
        }
    }
    all
}

fn one(drill: &Drill, number: usize, station: &DrillStation, all: &[PlantCourse], swing: f64) -> PlantCourse {
    let unrest: Vec<Unrest> =
        factors(station.plant).iter().map(|factor| Unrest::new(drill.seed, number, factor.code)).collect();
    let first = Conditions::of(drill, number, 0);
    let now = |minute| Conditions::of(drill, number, minute);
    let minutes = 0..drill.length;
    match station.plant {
        PlantKind::CoalBoiler | PlantKind::Incinerator => {
            let mut furnace = FiredPlant::new(station.plant, station.size, &first);
            minutes.map(|minute| furnace.step(&now(minute), &unrest, minute, swing)).collect()
        }
        PlantKind::Sewage => {
            let mut tank = Tank::new(station.size, &first);
            minutes.map(|minute| tank.step(&now(minute), &unrest, minute, swing)).collect()
        }
        PlantKind::River => {
            let inlet = |minute: i64| inlet(drill, number, station, all, minute - station.travel);
            let mut section = Section::new(station.size, &first, inlet(0));
            minutes.map(|minute| section.step(&now(minute), inlet(minute), &unrest, minute, swing)).collect()
        }
    }
}

/// What entered the river above a station at `minute`; before the drill what entered at its begin.
fn inlet(drill: &Drill, number: usize, station: &DrillStation, all: &[PlantCourse], minute: i64) -> Inlet {
    let above = station.upstream.and_then(|above| all.get(above));
    let moment = above.and_then(|course| course.get(usize::try_from(minute).unwrap_or(0)));
    let value =
        |code: &str| moment.zip(place(PlantKind::Sewage, code)).and_then(|(moment, at)| moment.0.get(at)).copied();
    let flow = value(WATER_FLOW).unwrap_or(0.0);
    // Kilograms an hour in milligrams a second.
    let secret = |code: &str| discharged(drill, number, minute, code) * 1e6 / 3600.0;
    Inlet { flow, load: DISSOLVED.map(|code| flow * value(code).unwrap_or(0.0) + secret(code)) }
}
