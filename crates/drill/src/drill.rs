//! A drill as it is played: everything checked, times as minutes since its begin.

use hj212::Edition;

use super::bilingual::Bilingual;
use super::wanted::Expected;

/// A drill.
#[derive(Debug, Clone, PartialEq)]
pub struct Drill {
    /// What it is called by: letters, digits and `-`.
    pub id: String,
    /// Its title.
    pub title: Bilingual,
    /// What the trainer tells before.
    pub story: Bilingual,
    /// When it begins, minutes after midnight of its first day.
    pub begin: i64,
    /// How long it lasts, minutes.
    pub length: i64,
    /// How many times as fast as the wall clock it is played, unless the trainer says otherwise.
    pub speed: f64,
    /// What chance follows from.
    pub seed: u64,
    /// The stations, at most [`STATIONS_MAX`](super::STATIONS_MAX).
    pub stations: Vec<DrillStation>,
    /// What happens.
    pub happenings: Vec<DrillEvent>,
    /// What is to be found, and what must not appear.
    pub wanted: Vec<Expected>,
}

impl Drill {
    /// The same with other stations: the 19th and 20th digit of every MN become `round`. So a drill can be played twice on one day.
    #[must_use]
    pub fn in_round(mut self, round: u8) -> Drill {
        for station in 0..self.stations.len() {
            let Some(of) = self.stations.get_mut(station) else { continue };
            let was = of.mn.clone();
            // Digits 19 and 20 of 24: behind them the numbers of drills and stations stay apart.
            of.mn.replace_range(18..20, &format!("{:02}", round % 100));
            for wanted in self.wanted.iter_mut().filter(|wanted| wanted.mn.as_ref() == Some(&was)) {
                wanted.mn = Some(of.mn.clone());
            }
        }
        self
    }
}

/// What stands behind a station.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlantKind {
    /// A coal boiler with denitration, filter and scrubber; ST 31, reference oxygen 6 % (GB 13223-2011, table 4).
    CoalBoiler,
    /// A waste incinerator; ST 31, reference oxygen 11 % (GB 18485-2014).
    Incinerator,
    /// A sewage works with an aerated tank; ST 32.
    Sewage,
    /// A section of a river; ST 21.
    River,
}

impl PlantKind {
    pub(crate) const ALL: [(&'static str, PlantKind); 4] = [
        ("coal-boiler", PlantKind::CoalBoiler),
        ("incinerator", PlantKind::Incinerator),
        ("sewage", PlantKind::Sewage),
        ("river", PlantKind::River),
    ];

    /// The system code (HJ 212-2017, table 5).
    #[must_use]
    pub const fn st(self) -> &'static str {
        match self {
            PlantKind::CoalBoiler | PlantKind::Incinerator => "31",
            PlantKind::Sewage => "32",
            PlantKind::River => "21",
        }
    }

    pub(crate) const fn is_gas(self) -> bool {
        matches!(self, PlantKind::CoalBoiler | PlantKind::Incinerator)
    }

    /// The oxygen content in percent to which concentrations are converted; none of water.
    #[must_use]
    pub const fn reference_oxygen(self) -> Option<f64> {
        match self {
            PlantKind::CoalBoiler => Some(6.0),
            PlantKind::Incinerator => Some(11.0),
            PlantKind::Sewage | PlantKind::River => None,
        }
    }
}

/// A station of a drill.
#[derive(Debug, Clone, PartialEq)]
pub struct DrillStation {
    /// What the drill file calls it.
    pub id: String,
    /// Its MN.
    pub mn: String,
    /// Its name.
    pub name: String,
    /// What stands behind it.
    pub plant: PlantKind,
    /// The edition that it speaks: 2017 or 2025.
    pub edition: Edition,
    /// Minutes from one minute record to the next.
    pub interval: i64,
    /// How large it is, 1 as usual.
    pub size: f64,
    /// Its limits.
    pub limits: Vec<OutletLimit>,
    /// Marking rule sets of its registration.
    pub rules: Vec<String>,
    /// Of a river: the station whose outlet flows into it.
    pub upstream: Option<usize>,
    /// Of a river: minutes from there to here.
    pub travel: i64,
}

/// An emission limit as it is registered.
#[derive(Debug, Clone, PartialEq)]
pub struct OutletLimit {
    /// The factor.
    pub code: String,
    /// The highest value.
    pub max: f64,
    /// Whether it is of hours; else of days.
    pub of_hours: bool,
    /// Whether converted values are compared; else measured ones.
    pub converted: bool,
}

/// Something that happens at a station, from `at` until before `until`.
#[derive(Debug, Clone, PartialEq)]
pub struct DrillEvent {
    /// Its line in the file, for the sheet.
    pub name: Bilingual,
    /// Position of the station.
    pub station: usize,
    /// Minutes since the begin.
    pub at: i64,
    /// The end of the drill where the file says none.
    pub until: i64,
    /// What.
    pub kind: DrillEventKind,
}

/// What happens.
#[derive(Debug, Clone, PartialEq)]
pub enum DrillEventKind {
    /// The treatment of one factor keeps this part of its efficiency, 0 to 1.
    TreatmentFails {
        /// `a21026` scrubber, `a34013` filter, `a21002` denitration.
        code: &'static str,
        /// What is left of it.
        left: f64,
    },
    /// No air for the tank: ammonia is not oxidised.
    AerationStops,
    /// The load, 1 as usual.
    Load(f64),
    /// The plant stands still.
    PlantStops,
    /// So many times as much water comes, the rest of it rain.
    Flood(f64),
    /// The oxygen probe shows so much more with every hour, percent.
    OxygenDrifts(f64),
    /// The furnace comes no higher than this, degrees.
    FurnaceCools(f64),
    /// Waste is fed however cold the furnace is.
    FeedsCold,
    /// The analyser measures a gas or a solution of this value; flag C. `None`: all of its factors.
    Calibrates {
        /// The factor.
        code: Option<String>,
        /// The value.
        to: f64,
    },
    /// The analyser holds what it showed; flag D.
    AnalyserFails(Option<String>),
    /// The letter that should stand is sent as N.
    MarkForgotten,
    /// A letter is sent that should not stand.
    FalseMark(String),
    /// The factor says what it said at the begin.
    Constant(String),
    /// The factor never says more than this, nor than this less `spread`.
    Capped {
        /// The factor.
        code: String,
        /// The highest value, converted where there is a converted one.
        to: f64,
        /// How far below it lies what is capped, as a part of it.
        spread: f64,
    },
    /// The factor says so many times what it is.
    Scaled {
        /// The factor.
        code: String,
        /// The part that is said.
        by: f64,
    },
    /// The factor says what it said so many minutes before.
    Replayed {
        /// The factor.
        code: String,
        /// Minutes.
        back: i64,
    },
    /// Hours of the time before are sent once more, with so many times their value.
    SentLower {
        /// The factor.
        code: String,
        /// The part that is said.
        by: f64,
        /// Minutes before in which the hours lie.
        back: i64,
    },
    /// No line to the gateway.
    LinkDrops {
        /// Whether what was not said is kept and uploaded afterwards.
        kept: bool,
    },
    /// The logger's clock shows so many minutes more.
    ClockOff(i64),
    /// Somebody lets so much of a factor into the river, kilograms an hour, where the upstream station is.
    Discharge {
        /// The factor.
        code: String,
        /// Kilograms an hour.
        by: f64,
    },
}
