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
        "{}: good 配置无误; stations 站点: {}; station files 站点文件: {}; unknown stations 未登记站点: {}",
        path.display(),
        loaded.registry.len(),
        loaded.station_files.len(),
        match loaded.config.stations.unknown {
            hj212_model::registry::Unknown::Reject => "rejected 拒收",
            hj212_model::registry::Unknown::Accept => "ACCEPTED (for trials only) 接受(仅供试验)",
        }
    );
    if loaded.config.delivery.confirm == Confirm::Broker {
        tell!(
            "note: what {} acknowledges counts as delivered: it must keep messages on disk and its queues must hold the longest absence of a \
             consumer (docs/mqtt.md, Delivery); [delivery] confirm = \"consumer\" lets a consumer confirm instead · MQTT 服务确认即视为送达:它须把消息存盘,队列须容得下下游最长的停机;也可改由下游确认",
            loaded.config.mqtt.host
        );
    }
    let (shares, wanted) = (Shares::found(), loaded.config.listen.connections_max);
    match shares.too_few_for(wanted, loaded.registry.len()) {
        // Of the shell's limit nothing follows for the service, whose unit has its own.
        Some(warning) => complain(&format!(
            "note: {warning}; started from here it would be so, under the unit its LimitNOFILE holds · 以服务单元运行时,以其中的 LimitNOFILE 为准"
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
        complain(&"--strict: not good, doubtful settings count as mistakes · 有疑问的设置按错误处理,未通过");
        return CONFIG;
    }
    match options.online {
        true => super::online::online(&loaded.config).max(code),
        false => code,
    }
}
