//! `check`: is the configuration good?

use std::path::PathBuf;

use super::{CONFIG, complain, tell};
use crate::config;
use crate::gateway::limits::Shares;
use hj212_mqtt::Confirm;

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// The configuration file
    #[arg(long, value_name = "FILE", default_value = super::CONFIG_FILE)]
    config: PathBuf,
    /// Prints the configuration with all defaults filled in
    #[arg(long)]
    print: bool,
    /// Connects to the broker, writes to the disk, looks when certificates end (试连 MQTT 服务、试写磁盘、查证书到期)
    #[arg(long)]
    online: bool,
    /// Doubtful settings count as mistakes (exit code 78)
    #[arg(long)]
    strict: bool,
}

pub(super) fn check(options: &Options) -> u8 {
    let path = options.config.as_path();
    let loaded = match config::load(path) {
        Ok(loaded) => loaded,
        Err(problems) => {
            complain(&problems);
            return CONFIG;
        }
    };
    if options.print {
        match toml::to_string_pretty(&loaded.config) {
            Ok(text) => _ = tell!("{text}"),
            Err(error) => complain(&error),
        }
    }
    let code = tell!(
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
        tell!(
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
        None => {
            _ = tell!(
                "note: started from here, {0} stations may be connected at a time · 由此处启动时,同时最多接入 {0} 台",
                shares.places(wanted)
            )
        }
    }
    let doubtful = config::warnings(path, &loaded);
    for warning in &doubtful {
        complain(&format!("warning 警告: {warning}"));
    }
    if options.strict && !doubtful.is_empty() {
        return CONFIG;
    }
    match options.online {
        true => super::online::online(&loaded.config).max(code),
        false => code,
    }
}
