//! What stands behind stations: load to flow, oxygen, temperature and raw pollutants; treatment to what leaves the outlet.
//!
//! Numbers of plants are those of usual ones, chosen here (certainty I); reference oxygen contents are those of the standards named at
//! [`PlantKind`](super::PlantKind).

pub(crate) mod furnace;
pub(crate) mod river;
pub(crate) mod sewage;

use super::drill::PlantKind;

/// What a plant gives off in a minute: values in the order of [`factors`].
#[derive(Debug, Clone, PartialEq)]
pub struct PlantMoment(pub Vec<f64>);

/// A quantity that is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PlantQuantity {
    /// Its code of 2017 and 2025.
    pub(crate) code: &'static str,
    pub(crate) decimals: usize,
    pub(crate) pollutant: bool,
}

const fn plain(code: &'static str, decimals: usize) -> PlantQuantity {
    PlantQuantity { code, decimals, pollutant: false }
}

const fn pollutant(code: &'static str, decimals: usize) -> PlantQuantity {
    PlantQuantity { code, decimals, pollutant: true }
}

/// Oxygen and the flow of gases and water: other values rest on them.
pub(crate) const OXYGEN: &str = "a19001";
pub(crate) const GAS_FLOW: &str = "a00000";
pub(crate) const WATER_FLOW: &str = "w00000";

/// Flow in m³/s, pollutants in mg/m³ at the oxygen that is there.
const BOILER: [PlantQuantity; 8] = [
    pollutant("a34013", 2),
    pollutant("a21026", 2),
    pollutant("a21002", 2),
    plain(OXYGEN, 2),
    plain("a01011", 2),
    plain("a01012", 1),
    plain("a01014", 2),
    plain(GAS_FLOW, 2),
];

/// Besides: hydrogen chloride, carbon monoxide, the furnace's temperature, and the feed of waste in t/h under a code of weighing feeders.
const INCINERATOR: [PlantQuantity; 9] = [
    pollutant("a34013", 2),
    pollutant("a21026", 2),
    pollutant("a21002", 2),
    pollutant("a21024", 2),
    pollutant("a21005", 2),
    plain(OXYGEN, 2),
    plain(GAS_FLOW, 2),
    plain(TEMPERATURE, 1),
    plain(FEED, 2),
];

/// What the facility's signals `temp` and `feed` are called by the station.
pub(crate) const TEMPERATURE: &str = "a01901";
pub(crate) const FEED: &str = "g20301";

/// Flow in L/s, pollutants in mg/L.
const SEWAGE: [PlantQuantity; 7] = [
    plain(WATER_FLOW, 2),
    plain("w01001", 2),
    plain("w01010", 1),
    pollutant("w01018", 2),
    pollutant("w21003", 3),
    pollutant("w21011", 3),
    pollutant("w21001", 2),
];

const RIVER: [PlantQuantity; 6] = [
    plain("w01001", 2),
    plain("w01010", 1),
    pollutant("w01018", 2),
    pollutant("w21003", 3),
    pollutant("w21011", 3),
    pollutant("w21001", 2),
];

/// What is measured at a plant, in the order of its moments.
pub(crate) const fn factors(plant: PlantKind) -> &'static [PlantQuantity] {
    match plant {
        PlantKind::CoalBoiler => &BOILER,
        PlantKind::Incinerator => &INCINERATOR,
        PlantKind::Sewage => &SEWAGE,
        PlantKind::River => &RIVER,
    }
}

/// The quantity of that code.
pub(crate) fn factor(plant: PlantKind, code: &str) -> Option<&'static PlantQuantity> {
    factors(plant).iter().find(|factor| factor.code == code)
}

/// Where the quantity of that code stands in a moment.
pub(crate) fn place(plant: PlantKind, code: &str) -> Option<usize> {
    factors(plant).iter().position(|factor| factor.code == code)
}

/// All codes of a plant, for messages.
pub(crate) fn codes(plant: PlantKind) -> String {
    factors(plant).iter().map(|factor| factor.code).collect::<Vec<_>>().join(", ")
}

/// The pollutants of water that tanks and rivers carry, in the order of both tables.
pub(crate) const DISSOLVED: [&str; 4] = ["w01018", "w21003", "w21011", "w21001"];

/// What becomes in a minute of something that follows `target` with a time constant of `minutes`.
pub(crate) fn follow(value: f64, target: f64, minutes: f64) -> f64 {
    value + (target - value) / minutes.max(1.0)
}

/// A concentration at the reference oxygen (HJ 212-2017, annex D): `measured · (21 - reference) / (21 - oxygen)`. Beyond 20 % it stands for no fire, and
/// 20 is taken.
pub(crate) fn converted(measured: f64, oxygen: f64, reference: f64) -> f64 {
    measured * (21.0 - reference) / (21.0 - oxygen.clamp(0.0, 20.0))
}

/// The other way round.
pub(crate) fn measured(converted: f64, oxygen: f64, reference: f64) -> f64 {
    converted * (21.0 - oxygen.clamp(0.0, 20.0)) / (21.0 - reference)
}
