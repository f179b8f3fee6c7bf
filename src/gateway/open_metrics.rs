//! A text of metrics as OpenMetrics has them.
//!
//! What must stay true: each family has its type and its meaning before its samples; the samples of a counter end in `_total`.

use hj212_model::telemetry::{BOUNDS_MICROS, Telemetry, Timing};

/// An OpenMetrics text.
#[derive(Default)]
pub(super) struct Text(String);

impl Text {
    pub(super) fn metric(&mut self, kind: &str, name: &str, meaning: &str) {
        self.0.push_str(&format!("# TYPE hj212_{name} {kind}\n# HELP hj212_{name} {meaning}\n"));
    }

    pub(super) fn line(&mut self, name: &str, labels: &str, value: impl std::fmt::Display) {
        self.0.push_str(&format!("hj212_{name}{labels} {value}\n"));
    }

    pub(super) fn histogram(&mut self, timing: Timing, telemetry: &Telemetry) {
        let name = format!("{}_seconds", timing.name());
        self.metric("histogram", &name, timing.meaning());
        let (classes, micros) = telemetry.timing(timing);
        let mut sum = 0;
        for (class, count) in classes.iter().enumerate() {
            sum += count;
            let bound = BOUNDS_MICROS.get(class).map_or("+Inf".to_owned(), |bound| (*bound as f64 / 1e6).to_string());
            self.line(&format!("{name}_bucket"), &format!("{{le=\"{bound}\"}}"), sum);
        }
        self.0.push_str(&format!("hj212_{name}_sum {}\n", micros as f64 / 1e6));
        self.line(&format!("{name}_count"), "", sum);
    }

    pub(super) fn end(mut self) -> String {
        self.0.push_str("# EOF\n");
        self.0
    }
}
