//! A sewage works: one tank of a constant volume, well mixed, in which bacteria take out what they can.
//!
//! What goes in leaves, is taken out or is still there, to the last digit of the arithmetic: `V·ΔC = Q·Cin − Q·C − r·V·C`, minute by minute.

use super::super::conditions::Conditions;
use super::super::noise::Unrest;
use super::{DISSOLVED, PlantMoment, WATER_FLOW, factors, follow};

/// L/s in dry weather at size 1.
const FLOW: f64 = 90.0;
/// Hours that dry-weather water stays: the volume is flow times this.
const STAY: f64 = 12.0;
/// For [`DISSOLVED`]: mg/L of sewage, mg/L of rain, and what is taken out an hour with air and without.
const WATERS: [(f64, f64, f64, f64); 4] =
    [(260.0, 30.0, 0.9, 0.12), (30.0, 0.8, 2.0, 0.02), (4.0, 0.2, 1.25, 1.25), (40.0, 1.5, 0.25, 0.05)];

/// A tank. Kilograms since the begin stand beside it, so that a balance can be drawn.
#[derive(Debug, Clone)]
pub(crate) struct Tank {
    size: f64,
    /// Litres.
    volume: f64,
    /// mg/L of [`DISSOLVED`].
    pub(crate) inside: [f64; 4],
    /// What air is there, 0 to 1.
    air: f64,
    /// kg of [`DISSOLVED`] that came in, and that were taken out.
    pub(crate) came: [f64; 4],
    pub(crate) taken: [f64; 4],
}

impl Tank {
    /// As it stands when `first` has held for long.
    pub(crate) fn new(size: f64, first: &Conditions) -> Self {
        let volume = FLOW * size * STAY * 3600.0;
        let mut tank = Tank {
            size,
            volume,
            inside: [0.0; 4],
            air: f64::from(u8::from(first.aeration)),
            came: [0.0; 4],
            taken: [0.0; 4],
        };
        let (flow, waters) = tank.inflow(first, 1.0);
        for ((inside, came), (_, _, aired, airless)) in tank.inside.iter_mut().zip(waters).zip(WATERS) {
            let rate = airless + (aired - airless) * tank.air;
            // Where nothing changes any more: Q·Cin = Q·C + r·V·C.
            *inside = if flow > 0.0 { came / (1.0 + rate / 3600.0 * volume / flow) } else { 0.0 };
        }
        tank
    }

    /// Kilograms that are in the tank.
    #[cfg(test)]
    pub(crate) fn held(&self) -> [f64; 4] {
        self.inside.map(|inside| inside * self.volume / 1e6)
    }

    /// L/s and mg/L of [`DISSOLVED`] that come in.
    fn inflow(&self, now: &Conditions, moved: f64) -> (f64, [f64; 4]) {
        let dry = FLOW * self.size * now.load.min(1.2) * moved;
        let flow = dry * now.flood;
        let rain = 1.0 - 1.0 / now.flood;
        (flow, WATERS.map(|(sewage, water, ..)| sewage * (1.0 - rain) + water * rain))
    }

    /// The next minute.
    pub(crate) fn step(&mut self, now: &Conditions, unrest: &[Unrest], minute: i64, swing: f64) -> PlantMoment {
        let moved = |place: usize, part: f64| unrest.get(place).map_or(1.0, |unrest| unrest.at(minute, part * swing));
        self.air = follow(self.air, f64::from(u8::from(now.aeration)), 20.0);
        let (flow, waters) = self.inflow(now, moved(0, 0.15));
        let litres = flow * 60.0;
        let leaves = self.inside;
        let rows = self.inside.iter_mut().zip(waters).zip(WATERS).zip(self.came.iter_mut().zip(&mut self.taken));
        for (((inside, enters), (_, _, aired, airless)), (came, taken)) in rows {
            let rate = (airless + (aired - airless) * self.air) / 60.0;
            let (enters, gone) = (litres * enters, rate * self.volume * *inside);
            *inside += (enters - litres * *inside - gone) / self.volume;
            *came += enters / 1e6;
            *taken += gone / 1e6;
        }
        let values = factors(super::PlantKind::Sewage).iter().enumerate().map(|(place, factor)| match factor.code {
            WATER_FLOW => flow,
            "w01001" => 7.2 * moved(place, 0.02),
            "w01010" => 17.0 * moved(place, 0.05),
            code => {
                let found = DISSOLVED.iter().zip(leaves).find(|(of, _)| **of == code);
                found.map_or(0.0, |(_, leaves)| leaves * moved(place, 0.03))
            }
        });
        PlantMoment(values.collect())
    }
}
