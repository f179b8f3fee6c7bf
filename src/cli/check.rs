//! `check`: is the configuration good?

use std::path::Path;

use super::{CONFIG, complain};
use crate::config;

#[allow(clippy::print_stdout, reason = "the command line speaks to its user")]
pub(super) fn check(path: &Path, print: bool) -> u8 {
    let loaded = match config::load(path) {
        Ok(loaded) => loaded,
        Err(problems) => {
            complain(&problems);
            return CONFIG;
        }
    };
    if print {
        match toml::to_string_pretty(&loaded.config) {
            Ok(text) => println!("{text}"),
            Err(error) => complain(&error),
        }
    }
    println!(
        "{}: good; {} stations from {} files, unknown stations: {}",
        path.display(),
        loaded.registry.len(),
        loaded.station_files.len(),
        match loaded.config.stations.unknown {
            crate::registry::Unknown::Reject => "rejected",
            crate::registry::Unknown::Accept => "ACCEPTED (for trials only)",
        }
    );
    0
}
