//! A section of a river: what was let in upstream comes a travel time later, thinned by the river's own water and drawn out a little.

use super::super::conditions::Conditions;
use super::super::noise::Unrest;
use super::{DISSOLVED, PlantMoment, factors, follow};

/// L/s at size 1 without a flood.
const FLOW: f64 = 1500.0;
/// mg/L of [`DISSOLVED`] in the river's own water.
const OWN: [f64; 4] = [12.0, 0.25, 0.06, 1.2];
/// Minutes over which a cloud is drawn out on its way.
const DRAWN_OUT: f64 = 20.0;

/// What enters the river upstream: L/s, and mg/s of [`DISSOLVED`].
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Inlet {
    pub(crate) flow: f64,
    pub(crate) load: [f64; 4],
}

/// A section.
#[derive(Debug, Clone)]
pub(crate) struct Section {
    size: f64,
    /// mg/L of [`DISSOLVED`].
    inside: [f64; 4],
}

impl Section {
    /// As it stands when `first` and `inlet` have held for long.
    pub(crate) fn new(size: f64, first: &Conditions, inlet: Inlet) -> Self {
        let mut section = Section { size, inside: [0.0; 4] };
        section.inside = section.mixed(first, inlet);
        section
    }

    /// mg/L of the river's water and of the inlet's together.
    fn mixed(&self, now: &Conditions, inlet: Inlet) -> [f64; 4] {
        let own = FLOW * self.size * now.flood;
        let mut mixed = OWN;
        for (mixed, load) in mixed.iter_mut().zip(inlet.load) {
            *mixed = (*mixed * own + load) / (own + inlet.flow);
        }
        mixed
    }

    /// The next minute; `inlet` is what entered a travel time before.
    pub(crate) fn step(
        &mut self,
        now: &Conditions,
        inlet: Inlet,
        unrest: &[Unrest],
        minute: i64,
        swing: f64,
    ) -> PlantMoment {
        let mixed = self.mixed(now, inlet);
        for (inside, mixed) in self.inside.iter_mut().zip(mixed) {
            *inside = follow(*inside, mixed, DRAWN_OUT);
        }
        let moved = |place: usize, part: f64| unrest.get(place).map_or(1.0, |unrest| unrest.at(minute, part * swing));
        let values = factors(super::PlantKind::River).iter().enumerate().map(|(place, factor)| match factor.code {
            "w01001" => 7.8 * moved(place, 0.02),
            "w01010" => 19.0 * moved(place, 0.03),
            code => {
                let found = DISSOLVED.iter().zip(self.inside).find(|(of, _)| **of == code);
                found.map_or(0.0, |(_, inside)| inside * moved(place, 0.04))
            }
        });
        PlantMoment(values.collect())
    }
}
