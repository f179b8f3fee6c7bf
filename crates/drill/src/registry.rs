//! The rows that the gateway needs, and the settings.

use super::drill::{Drill, DrillStation, PlantKind};
use super::plant::{FEED, TEMPERATURE};

/// PW of the stations of a drill. They have no secrets.
pub const PASSWORD: &str = "123456";

/// What the gateway's configuration must say, so that all is found that can be.
#[must_use]
pub fn needed() -> &'static str {
    "[judgement]\nenabled = true\nsettle_spread = \"0s\"\n[alerts]\nenabled = true\naccept_placeholders = true\n[leads]\nenabled = true\n"
}

/// The registry for a drill: one `[[station]]` each, with its limits.
#[must_use]
pub fn stations_toml(drill: &Drill) -> String {
    let mut text = format!(
        "# {} · {}: stations of a drill. Not for stations that exist. 演练用站点,不是真实站点。\n\
         # gateway.toml 中还需 besides, gateway.toml needs:\n",
        drill.title.zh, drill.title.en
    );
    for line in needed().lines() {
        text.push_str(&format!("#   {line}\n"));
    }
    drill.stations.iter().for_each(|station| row(&mut text, station));
    text
}

fn row(text: &mut String, station: &DrillStation) {
    let DrillStation { mn, name, plant, edition, interval, .. } = station;
    text.push_str(&format!(
        "\n[[station]]\nmn = \"{mn}\"\nname = \"{name}\"\npw = \"{PASSWORD}\"\nst = \"{}\"\nedition = \"{}\"\n\
         minute_interval = \"{interval}min\"\ntags = {{ enterprise = \"演练\" }}\n",
        plant.st(),
        edition.year(),
    ));
    if !station.rules.is_empty() {
        text.push_str(&format!("rules = {:?}\n", station.rules));
    }
    if *plant == PlantKind::Incinerator {
        text.push_str(&format!(
            "[[station.facility]]\nid = \"furnace-1\"\nkind = \"furnace\"\naliases = {{ temp = \"{TEMPERATURE}\", feed = \"{FEED}\" }}\n"
        ));
    }
    for limit in &station.limits {
        text.push_str(&format!(
            "[[station.limit]]\ncode = \"{}\"\nmax = {}\nof = \"{}\"\nbasis = \"{}\"\nname = \"演练限值\"\nclause = \"drill\"\ncertainty = \"I\"\n",
            limit.code,
            limit.max,
            if limit.of_hours { "hour" } else { "day" },
            if limit.converted { "converted" } else { "measured" },
        ));
    }
}
