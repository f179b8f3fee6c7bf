//! `check`: is the configuration good?

use std::path::Path;

use super::{CONFIG, complain};
use crate::config;
use crate::gateway::limits::Shares;
use hj212_mqtt::Confirm;

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
            hj212_model::registry::Unknown::Reject => "rejected",
            hj212_model::registry::Unknown::Accept => "ACCEPTED (for trials only)",
        }
    );
    if loaded.config.delivery.confirm == Confirm::Broker {
        println!(
            "note: what {} acknowledges counts as delivered: it must keep messages on disk and its queues must hold the longest absence of a \
             consumer (docs/mqtt.md, Delivery); [delivery] confirm = \"consumer\" lets a consumer confirm instead",
            loaded.config.mqtt.host
        );
    }
    let (shares, wanted) = (Shares::found(), loaded.config.listen.connections_max);
    match shares.too_few_for(wanted, loaded.registry.len()) {
        // Of the shell's limit nothing follows for the service, whose unit has its own.
        Some(warning) => complain(&format!(
            "note: {warning}; started from here it would be so, under the unit its LimitNOFILE holds"
        )),
        None => println!(
            "note: started from here, {0} stations may be connected at a time · 由此处启动时,同时最多接入 {0} 台",
            shares.places(wanted)
        ),
    }
    0
}
