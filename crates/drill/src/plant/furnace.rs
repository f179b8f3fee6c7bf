//! Boilers and incinerators: the fire, its gas, and what the treatment leaves of it.

use super::super::conditions::{Conditions, TREATED};
use super::super::drill::PlantKind;
use super::super::noise::Unrest;
use super::{PlantMoment, factors, follow, measured};

/// What a fire of one kind is like.
#[derive(Debug, Clone, Copy)]
struct Fire {
    /// Standard m³/s at full load and size 1.
    flow: f64,
    /// Percent at full load.
    oxygen: f64,
    /// For each pollutant: the raw gas at reference oxygen in mg/m³, and the part that treatment takes out.
    raw: &'static [(&'static str, f64, f64)],
}

const BOILER: Fire = Fire {
    flow: 180.0,
    oxygen: 6.5,
    raw: &[("a34013", 12_000.0, 0.9988), ("a21026", 900.0, 0.96), ("a21002", 350.0, 0.86)],
};

const INCINERATOR: Fire = Fire {
    flow: 24.0,
    oxygen: 8.5,
    raw: &[
        ("a34013", 4_000.0, 0.998),
        ("a21026", 300.0, 0.88),
        ("a21002", 280.0, 0.55),
        ("a21024", 700.0, 0.98),
        ("a21005", 15.0, 0.0),
    ],
};

/// The temperature below which waste must not be fed (GB 18485-2014, 7.1), and that of a good fire, degrees.
const FEED_FROM: f64 = 850.0;
const GOOD_FIRE: f64 = 930.0;
/// The burner alone: degrees a minute, up to this, with so much of the full gas.
const BURNER_RISE: f64 = 4.0;
const BURNER_MOST: f64 = 880.0;
const BURNER_GAS: f64 = 0.25;
/// mg/m³ of carbon monoxide more for each degree below [`FEED_FROM`].
const CO_EACH_DEGREE: f64 = 4.0;
/// Minutes in which scrubber, filter and the like come and go.
const TREATMENT_MINUTES: f64 = 8.0;
/// Tonnes an hour of waste at full load and size 1.
const FEED: f64 = 12.5;
/// Steps with which a plant is brought to rest before the drill begins.
const WARM_UP: usize = 24 * 60;

/// A fire with its treatment.
#[derive(Debug, Clone)]
pub(crate) struct FiredPlant {
    plant: PlantKind,
    size: f64,
    /// 0 to 1.2, with its ramp.
    load: f64,
    /// What the treatment keeps of its efficiency, for [`TREATED`].
    kept: [f64; 3],
    temperature: f64,
    is_fed: bool,
}

impl FiredPlant {
    /// As it stands when `first` has held for long.
    pub(crate) fn new(plant: PlantKind, size: f64, first: &Conditions) -> Self {
        let runs = first.load > 0.0;
        let temperature = if runs { GOOD_FIRE } else { 60.0 };
        let mut furnace = FiredPlant { plant, size, load: first.load, kept: first.left, temperature, is_fed: runs };
        for _ in 0..WARM_UP {
            furnace.settle(first);
        }
        furnace
    }

    fn fire(&self) -> &'static Fire {
        if self.plant == PlantKind::Incinerator { &INCINERATOR } else { &BOILER }
    }

    /// One minute of load, treatment and temperature.
    fn settle(&mut self, now: &Conditions) {
        for (kept, left) in self.kept.iter_mut().zip(now.left) {
            *kept = follow(*kept, left, TREATMENT_MINUTES);
        }
        if self.plant != PlantKind::Incinerator {
            self.load = follow(self.load, now.load, 15.0);
            return;
        }
        if now.load <= 0.0 {
            self.is_fed = false;
            self.load = follow(self.load, 0.0, 15.0);
            self.temperature = follow(self.temperature, 30.0, 240.0);
            return;
        }
        self.is_fed |= self.temperature >= FEED_FROM || now.feeds_cold;
        let most = now.furnace_max.unwrap_or(GOOD_FIRE);
        if !self.is_fed {
            self.temperature = (self.temperature + BURNER_RISE).min(BURNER_MOST.min(most));
            self.load = follow(self.load, 0.0, 15.0);
            return;
        }
        self.load = follow(self.load, now.load, 15.0);
        let rises = self.temperature < most && self.temperature < FEED_FROM;
        self.temperature =
            if rises { (self.temperature + BURNER_RISE).min(most) } else { follow(self.temperature, most, 20.0) };
    }

    /// The next minute.
    pub(crate) fn step(&mut self, now: &Conditions, unrest: &[Unrest], minute: i64, swing: f64) -> PlantMoment {
        self.settle(now);
        let fire = self.fire();
        let burner = self.plant == PlantKind::Incinerator && now.load > 0.0;
        let gas = if burner { self.load.max(BURNER_GAS) } else { self.load };
        // At little load much air goes along, at none there is air alone.
        let lean = fire.oxygen + 5.0 * (1.0 - gas).max(0.0);
        let oxygen = if gas < 0.1 { 20.9 - (20.9 - lean) * gas / 0.1 } else { lean };
        let reference = self.plant.reference_oxygen().unwrap_or(0.0);
        let moved = |place: usize, part: f64| unrest.get(place).map_or(1.0, |unrest| unrest.at(minute, part * swing));
        let oxygen_place = super::place(self.plant, super::OXYGEN).unwrap_or(0);
        let oxygen = (oxygen * moved(oxygen_place, 0.05)).clamp(0.0, 20.9);
        let values = factors(self.plant).iter().enumerate().map(|(place, factor)| match factor.code {
            super::OXYGEN => oxygen,
            super::GAS_FLOW => (fire.flow * self.size * gas * moved(place, 0.04)).max(0.0),
            super::TEMPERATURE => self.temperature * moved(place, 0.004),
            super::FEED => {
                if self.is_fed {
                    FEED * self.size * self.load * moved(place, 0.05)
                } else {
                    0.0
                }
            }
            "a01011" => 11.5 * gas * moved(place, 0.05),
            "a01012" => (25.0 + 90.0 * gas.min(1.0)) * moved(place, 0.02),
            "a01014" => (2.0 + 8.0 * gas.min(1.0)) * moved(place, 0.05),
            code => {
                let clean = self.at_reference(code) * moved(place, 0.1);
                // Where nothing burns nothing is given off.
                measured(clean, oxygen, reference) * if gas < 0.1 { gas / 0.1 } else { 1.0 }
            }
        });
        PlantMoment(values.collect())
    }

    /// What leaves the treatment, mg/m³ at reference oxygen.
    fn at_reference(&self, code: &str) -> f64 {
        let Some((_, raw, taken)) = self.fire().raw.iter().find(|(of, ..)| *of == code) else { return 0.0 };
        let cold = if code == "a21005" { (FEED_FROM - self.temperature).max(0.0) * CO_EACH_DEGREE } else { 0.0 };
        // Acid gases share the scrubber.
        let treated = if code == "a21024" { "a21026" } else { code };
        let place = TREATED.iter().position(|of| *of == treated);
        let kept = place.and_then(|place| self.kept.get(place)).copied().unwrap_or(1.0);
        (raw + cold) * (1.0 - taken * kept)
    }
}
