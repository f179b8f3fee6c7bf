//! What holds at a station at a minute, of what happens there.

use super::drill::{Drill, DrillEvent, DrillEventKind};

/// The conditions under which a plant works.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Conditions {
    /// 1 as usual; 0: it stands still.
    pub(crate) load: f64,
    /// What is left of the treatment of `a34013`, `a21026`, `a21002`.
    pub(crate) left: [f64; 3],
    pub(crate) aeration: bool,
    /// So many times as much water.
    pub(crate) flood: f64,
    /// The furnace comes no higher.
    pub(crate) furnace_max: Option<f64>,
    pub(crate) feeds_cold: bool,
}

/// The factors that can lose their treatment, in the order of [`Conditions::left`].
pub(crate) const TREATED: [&str; 3] = ["a34013", "a21026", "a21002"];

/// What happens at a station at `minute`.
pub(crate) fn at(drill: &Drill, station: usize, minute: i64) -> impl Iterator<Item = &DrillEvent> {
    let holds = move |event: &&DrillEvent| event.station == station && (event.at..event.until).contains(&minute);
    drill.happenings.iter().filter(holds)
}

impl Conditions {
    pub(crate) const USUAL: Conditions =
        Conditions { load: 1.0, left: [1.0; 3], aeration: true, flood: 1.0, furnace_max: None, feeds_cold: false };

    pub(crate) fn of(drill: &Drill, station: usize, minute: i64) -> Conditions {
        let mut found = Conditions::USUAL;
        let mut stops = false;
        for event in at(drill, station, minute) {
            match &event.kind {
                DrillEventKind::TreatmentFails { code, left } => {
                    let place = TREATED.iter().position(|treated| treated == code);
                    if let Some(part) = place.and_then(|place| found.left.get_mut(place)) {
                        *part = part.min(*left);
                    }
                }
                DrillEventKind::AerationStops => found.aeration = false,
                DrillEventKind::Load(load) => found.load = *load,
                DrillEventKind::PlantStops => stops = true,
                DrillEventKind::Flood(by) => found.flood = found.flood.max(*by),
                DrillEventKind::FurnaceCools(most) => found.furnace_max = Some(*most),
                DrillEventKind::FeedsCold => found.feeds_cold = true,
                DrillEventKind::OxygenDrifts(_)
                | DrillEventKind::Calibrates { .. }
                | DrillEventKind::AnalyserFails(_)
                | DrillEventKind::MarkForgotten
                | DrillEventKind::FalseMark(_)
                | DrillEventKind::Constant(_)
                | DrillEventKind::Capped { .. }
                | DrillEventKind::Scaled { .. }
                | DrillEventKind::Replayed { .. }
                | DrillEventKind::SentLower { .. }
                | DrillEventKind::LinkDrops { .. }
                | DrillEventKind::ClockOff(_)
                | DrillEventKind::Discharge { .. } => {}
            }
        }
        if stops {
            found.load = 0.0;
        }
        found
    }
}

/// Kilograms an hour of `code` that somebody lets into the river above the station at `minute`.
pub(crate) fn discharged(drill: &Drill, station: usize, minute: i64, code: &str) -> f64 {
    let of = |event: &DrillEvent| {
        if let DrillEventKind::Discharge { code: of, by } = &event.kind
            && of == code
        {
            return *by;
        }
        0.0
    };
    at(drill, station, minute).map(of).sum()
}
