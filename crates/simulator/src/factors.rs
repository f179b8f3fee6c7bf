//! What simulated stations measure: factors with their codes in all editions, and around what they move.

use super::fleet::Profile;
use super::subject::Subject;
use hj212::Edition;

/// One factor of a station.
#[derive(Debug)]
pub(super) struct Factor {
    /// The code of 2017 and 2025.
    pub(super) code: &'static str,
    /// The code of 2005.
    pub(super) code_2005: &'static str,
    /// Around what it moves, and by which share of that.
    pub(super) usual: f64,
    pub(super) swing: f64,
    pub(super) decimals: usize,
    pub(super) role: Role,
}

/// What is reported of a factor beside its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Nothing: a state of the gas or the water.
    Plain,
    /// The flow, with its total over the period in m³.
    Flow,
    /// A pollutant, with its total in kg; in flue gas converted to the reference oxygen (折算) too.
    Pollutant,
    /// The oxygen content, from which the conversion follows.
    Oxygen,
}

const fn factor(
    code: &'static str,
    code_2005: &'static str,
    usual: f64,
    swing: f64,
    decimals: usize,
    role: Role,
) -> Factor {
    Factor { code, code_2005, usual, swing, decimals, role }
}

/// A coal-fired boiler after treatment. Flow in m³/s, pollutants in mg/m³.
pub(super) const AIR: [Factor; 9] = [
    factor("a34013", "01", 6.2, 0.5, 2, Role::Pollutant),
    factor("a21026", "02", 18.5, 0.6, 2, Role::Pollutant),
    factor("a21002", "03", 36.0, 0.4, 1, Role::Pollutant),
    factor("a19001", "S01", 7.4, 0.25, 2, Role::Oxygen),
    factor("a01011", "S02", 11.8, 0.2, 2, Role::Plain),
    factor("a01012", "S03", 52.0, 0.1, 1, Role::Plain),
    factor("a01013", "S08", -0.21, 0.4, 3, Role::Plain),
    factor("a01014", "S05", 9.6, 0.2, 2, Role::Plain),
    factor("a00000", "B02", 184.0, 0.2, 1, Role::Flow),
];

/// The outlet of a sewage plant. Flow in L/s, pollutants in mg/L.
pub(super) const WATER: [Factor; 7] = [
    factor("w00000", "B01", 86.0, 0.4, 2, Role::Flow),
    factor("w01001", "001", 7.3, 0.05, 2, Role::Plain),
    factor("w01010", "010", 17.5, 0.15, 1, Role::Plain),
    factor("w01018", "011", 23.0, 0.4, 1, Role::Pollutant),
    factor("w21003", "060", 0.84, 0.7, 2, Role::Pollutant),
    factor("w21011", "101", 0.21, 0.5, 2, Role::Pollutant),
    factor("w21001", "065", 8.9, 0.3, 2, Role::Pollutant),
];

/// Three voltages and a current of production facility 05, a voltage and a current of treatment facility 06.
const POWER: [Factor; 6] = [
    factor("d20105", "", 221.0, 0.01, 2, Role::Plain),
    factor("d20205", "", 220.6, 0.01, 2, Role::Plain),
    factor("d20305", "", 221.3, 0.01, 2, Role::Plain),
    factor("d20405", "", 42.0, 0.3, 2, Role::Plain),
    factor("d30106", "", 220.8, 0.01, 2, Role::Plain),
    factor("d30406", "", 11.5, 0.3, 2, Role::Plain),
];

/// The condition marks of three production facilities.
pub(super) const CONDITIONS: [&str; 3] = ["p99101", "p99102", "p99103"];

/// Organic pollutants that swell a record beyond 1024 bytes.
pub(super) const ORGANICS: [&str; 28] = [
    "a24003", "a24004", "a24005", "a24006", "a24007", "a24008", "a24009", "a24015", "a24016", "a24017", "a24018",
    "a24019", "a24020", "a24027", "a24034", "a24036", "a24042", "a24043", "a24046", "a24047", "a24049", "a25002",
    "a25003", "a25004", "a25005", "a25006", "a25007", "a25008",
];

/// The reference oxygen content of the conversion in percent (boilers with layer combustion).
pub(super) const REFERENCE_OXYGEN: f64 = 9.0;

/// The factors of a subject; conditions have none.
pub(super) fn factors(subject: Subject) -> &'static [Factor] {
    match subject {
        Subject::Air => &AIR,
        Subject::Water => &WATER,
        Subject::Power => &POWER,
        Subject::Condition => &[],
    }
}

/// The code of `factor` in the edition of `station`.
pub(super) fn code(station: &Profile, factor: &Factor) -> &'static str {
    match station.edition {
        Edition::V2005 => factor.code_2005,
        Edition::V2017 | Edition::V2025 => factor.code,
    }
}
