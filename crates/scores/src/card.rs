//! Pairs, and a card of them.

use serde::{Deserialize, Serialize};

/// Numerator and denominator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Pair {
    /// The numerator.
    pub num: u64,
    /// The denominator; 0: there was nothing to be measured.
    pub den: u64,
}

impl Pair {
    /// A pair.
    #[must_use]
    pub const fn of(num: u64, den: u64) -> Pair {
        Pair { num, den }
    }
}

/// What measures are made of: one pair each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScorePart {
    /// Factor-hours that came, of those that were due (传输率).
    Transmission,
    /// Factor-hours that are usable, of those that were due and are counted (有效率).
    Validity,
    /// Faults that were over in time, of those that are over or overdue (故障修复率).
    FaultRepair,
    /// Minutes that faults lasted, of the faults that are over.
    RepairTime,
    /// Entries of marks that came late, of all.
    LateMarks,
    /// Entries that were withdrawn or superseded, of all.
    WithdrawnMarks,
    /// Entries that an authority annulled, of all.
    AnnulledMarks,
    /// Minutes under marks of devices entered by hand, of all.
    MaintShare,
    /// Times that the clock was found to be off, of all frames.
    Clock,
    /// Frames that departed from the standard, of all.
    Deviation,
    /// Leads handed over to law enforcement, of those that were raised and not taken back.
    Leads,
    /// Periods in which a patrol was entered, of all.
    Patrol,
    /// Periods in which a calibration was seen or entered, of all.
    Calibration,
}

impl ScorePart {
    /// All parts.
    pub const ALL: [ScorePart; 13] = [
        ScorePart::Transmission,
        ScorePart::Validity,
        ScorePart::FaultRepair,
        ScorePart::RepairTime,
        ScorePart::LateMarks,
        ScorePart::WithdrawnMarks,
        ScorePart::AnnulledMarks,
        ScorePart::MaintShare,
        ScorePart::Clock,
        ScorePart::Deviation,
        ScorePart::Leads,
        ScorePart::Patrol,
        ScorePart::Calibration,
    ];

    /// The published name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Transmission => "transmission",
            Self::Validity => "validity",
            Self::FaultRepair => "fault_repair",
            Self::RepairTime => "repair_time",
            Self::LateMarks => "late_marks",
            Self::WithdrawnMarks => "withdrawn_marks",
            Self::AnnulledMarks => "annulled_marks",
            Self::MaintShare => "maint_share",
            Self::Clock => "clock",
            Self::Deviation => "deviation",
            Self::Leads => "leads",
            Self::Patrol => "patrol",
            Self::Calibration => "calibration",
        }
    }
}

/// All pairs of a month, of a station or of several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ScoreCard {
    pairs: [Pair; 13],
    /// Of how many stations.
    pub stations: u32,
}

impl ScoreCard {
    /// The empty card of one station.
    #[must_use]
    pub fn of_one() -> ScoreCard {
        ScoreCard { stations: 1, ..ScoreCard::default() }
    }

    /// The pair of a part.
    #[must_use]
    pub fn pair(&self, part: ScorePart) -> Pair {
        self.pairs.get(part as usize).copied().unwrap_or_default()
    }

    /// Adds a pair to a part.
    pub fn put(&mut self, part: ScorePart, pair: Pair) {
        if let Some(own) = self.pairs.get_mut(part as usize) {
            own.num = own.num.saturating_add(pair.num);
            own.den = own.den.saturating_add(pair.den);
        }
    }

    /// Adds all pairs of another card.
    pub fn add(&mut self, other: &ScoreCard) {
        for part in ScorePart::ALL {
            self.put(part, other.pair(part));
        }
        self.stations = self.stations.saturating_add(other.stations);
    }
}
