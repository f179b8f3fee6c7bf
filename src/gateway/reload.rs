//! A changed configuration while the gateway runs: what can change at once does, and what needs a restart is said.
//!
//! What must stay true: a configuration that is not good changes nothing (it never gets here); no connection is lost; the change is a
//! record of the journal before any frame that it changes, so that a replay finds it in its place.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError};

use super::Running;
use crate::board::lock;
use crate::config::{self, Config, Loaded};
use crate::net;
use hj212_certificates as certificates;
use hj212_downlink::{self as downlink, StationKey};
use hj212_model::clock;
use hj212_model::message::{Context, Timestamp};
use hj212_model::registry::Registry;
use hj212_model::telemetry::Counter;

/// Names of stations shown of each kind of change.
const NAMED_MAX: usize = 20;

impl Running {
    /// Takes up `loaded`; gives what has changed, a line each.
    pub fn reload(&self, loaded: Loaded) -> Vec<String> {
        let Loaded { config, registry, factors, rules, alerts, leads, scores, keys, .. } = loaded;
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let (old, before) = &*current;
        let mut changes = needs_restart(old, &config);
        changes.extend(stations(&self.shared.registered(), &registry));
        if !self.shared.registered().is_empty() && registry.is_empty() {
            tracing::warn!(
                "no station is registered any more: every logger is refused, unless stations.unknown accepts it"
            );
        }
        if before.factors != factors {
            changes.push(format!("dictionary: {} rows of one's own, {} before", factors.len(), before.factors.len()));
        }
        let rule_files = rules.iter().filter(|(name, text)| before.rules.get(*name) != Some(text)).count();
        if before.rules != rules {
            changes.push(format!("marking: {rule_files} rule files are new or changed, {} in all", rules.len()));
        }
        if before.alerts != alerts {
            let names: Vec<&str> = alerts.keys().map(String::as_str).collect();
            changes.push(format!("alerts: {}", if names.is_empty() { "off".to_owned() } else { names.join(", ") }));
        }
        if before.leads != leads {
            let names: Vec<&str> = leads.keys().map(String::as_str).collect();
            changes.push(format!("leads: {}", if names.is_empty() { "off".to_owned() } else { names.join(", ") }));
        }
        if before.scores != scores {
            let names: Vec<&str> = scores.keys().map(String::as_str).collect();
            changes.push(format!("scores: {}", if names.is_empty() { "off".to_owned() } else { names.join(", ") }));
        }
        if old.log.level != config.log.level {
            changes.push(format!("log.level: {}, {} before", config.log.level, old.log.level));
        }
        if old.listen != config.listen {
            changes.push("listen: the limits hold for new connections".into());
        }
        if old.command != config.command {
            changes.push("command: the settings hold for what is asked from now on".into());
        }
        let registry = Arc::new(registry);
        self.latest.put(&registry);
        let (stations, dialects) = (registry.facts(), registry.dialects());
        let (followed, shown) = Default::default();
        let mut context = Context { stations, factors, rules, alerts, leads, scores, dialects, followed, shown };
        if let Err(error) = self.announcer.reload(&context) {
            // A file would go on claiming the former one: what is heard from now on must not be read under two.
            tracing::error!(%error, "not reloaded, nothing has changed: the former registry cannot be taken back; reload once more");
            drop(current);
            self.reload_refused();
            return Vec::new();
        }
        // The desk takes keys when it knows the stations that they are for.
        let of_the_desk = if self.orders.is_some() {
            Some(keys)
        } else {
            changes.extend(self.take_keys(keys));
            None
        };
        lock(&self.board).register(&context.stations);
        context.stations.clear();
        self.shared.replace_registry(registry);
        self.shared.replace_settings(config.listen.clone());
        changes.extend(self.renew_certificates(&old.listen.also, &config));
        if let Some(orders) = &self.orders
            && orders.try_send(super::command_desk::Order::Reload(Box::new(config.command.clone()))).is_err()
        {
            changes.push("command: the desk is busy; reload once more".into());
        }
        changes.extend(of_the_desk.and_then(|keys| self.take_keys(keys)));
        self.telemetry.count(Counter::Reloads);
        self.shown.reload_refused.store(false, std::sync::atomic::Ordering::Relaxed);
        // What needs a restart still is as it was; only what was taken up is compared with next time.
        let command =
            downlink::Settings { enabled: old.command.enabled, session: old.command.session, ..config.command };
        let kept = Config {
            listen: net::Settings {
                address: old.listen.address.clone(),
                also: old.listen.also.clone(),
                ..config.listen
            },
            stations: config.stations,
            dictionary: config.dictionary,
            marking: config.marking,
            limits: config.limits,
            alerts: config.alerts,
            leads: config.leads,
            scores: config.scores,
            command,
            log: config::Log { format: old.log.format, ..config.log },
            ..old.clone()
        };
        *current = (kept, context);
        changes
    }

    /// Has the keys of the file journalled, by the desk if there is one: it must know them, too.
    fn take_keys(&self, keys: Vec<StationKey>) -> Option<String> {
        let Some(orders) = &self.orders else {
            self.shared.replace_keys(super::keys::by_station(&keys));
            let taken = self.announcer.reload_keys(&keys);
            return taken.err().map(|error| format!("keys: {error}; they are journalled again at the next start"));
        };
        let sent = orders.try_send(super::command_desk::Order::Keys(keys));
        sent.err().map(|_| "keys: the desk is busy; reload once more".to_owned())
    }

    /// Reads the certificates of the listeners anew that are as they were but for their files: `running` is what they were opened with. One
    /// that is to ask for certificates, or not to any more, or that is no longer there, waits for the restart. The files were found good when
    /// the configuration was read.
    fn renew_certificates(&self, running: &[net::ExtraListener], config: &Config) -> Vec<String> {
        let mut changes = Vec::new();
        for (also, certificates) in running.iter().zip(&self.certificates) {
            let new = config.listen.also.iter().find(|new| new.address == also.address);
            let asks = |files: &certificates::ServerFiles| files.client_ca.is_some();
            let files =
                new.and_then(|new| new.tls.as_ref()).filter(|new| also.tls.as_ref().map(asks) == Some(asks(new)));
            let (Some(files), Some(certificates)) = (files, certificates) else { continue };
            let before = certificates.ends();
            match certificates.renew(files) {
                Err(wrong) => changes.push(format!("listen.also {}: {wrong}; the old certificate stays", also.address)),
                Ok(()) if certificates.ends() != before => {
                    let ends = certificates.ends().unwrap_or_default();
                    let past = ends < clock::now().0 / 1_000_000;
                    let ends = Timestamp(ends.saturating_mul(1_000_000)).to_rfc3339();
                    if past {
                        tracing::warn!(
                            address = also.address,
                            ends,
                            "the new certificate of a listener is not valid any more"
                        );
                    }
                    changes.push(format!("listen.also {}: a new certificate, valid until {ends}", also.address));
                }
                Ok(()) => {}
            }
        }
        super::note_expiry(&self.telemetry, &self.certificates);
        changes
    }
}

/// Sections whose changes wait for a restart. All sections are named: none can change without a word.
fn needs_restart(old: &Config, new: &Config) -> Vec<String> {
    let Config {
        gateway: _,
        journal: _,
        archive: _,
        mqtt: _,
        http: _,
        uplink: _,
        delivery: _,
        interpret: _,
        recall: _,
        cases: _,
        operation: _,
        judgement: _,
        // Files of secrets are read for each attempt, so new ones hold at once.
        push: _,
        // Taken up, but for what is compared below.
        listen: _,
        marking: _,
        command: _,
        log: _,
        // Taken up: what is read from their files is compared.
        stations: _,
        dictionary: _,
        limits: _,
        alerts: _,
        leads: _,
        scores: _,
        keys: _,
    } = old;
    let changed = [
        ("gateway", old.gateway != new.gateway),
        ("listen.address", old.listen.address != new.listen.address),
        ("listen.also", old.listen.also != new.listen.also),
        ("marking.entries", old.marking.entries != new.marking.entries),
        ("command.enabled", old.command.enabled != new.command.enabled),
        ("command.session", old.command.session != new.command.session),
        ("command.allow roles", old.command.roles() != new.command.roles()),
        ("journal", old.journal != new.journal),
        ("mqtt", old.mqtt != new.mqtt),
        ("http", old.http != new.http),
        ("uplink", old.uplink != new.uplink),
        ("delivery", old.delivery != new.delivery),
        ("interpret", old.interpret != new.interpret),
        ("recall", old.recall != new.recall),
        ("judgement", old.judgement != new.judgement),
        ("archive", old.archive != new.archive),
        ("cases", old.cases != new.cases),
        ("operation", old.operation != new.operation),
        ("push", old.push != new.push),
        ("log.format", old.log.format != new.log.format),
    ];
    let waiting = changed.iter().filter(|(_, is)| *is);
    waiting.map(|(section, _)| format!("{section}: changed in the file, needs a restart")).collect()
}

/// Stations that are new, gone, or registered otherwise (passwords, networks and policies included, and never shown).
fn stations(before: &Registry, after: &Registry) -> Vec<String> {
    let (old, new): (BTreeSet<&str>, BTreeSet<&str>) = (names(before).collect(), names(after).collect());
    let other = |mn: &str| before.find(mn.as_bytes()) != after.find(mn.as_bytes());
    let mut lines = Vec::new();
    line(&mut lines, "added", new.difference(&old).copied().collect());
    line(&mut lines, "removed", old.difference(&new).copied().collect());
    line(&mut lines, "changed", new.intersection(&old).copied().filter(|mn| other(mn)).collect());
    lines
}

fn names(registry: &Registry) -> impl Iterator<Item = &str> {
    registry.stations().map(|station| station.mn.as_str())
}

fn line(lines: &mut Vec<String>, what: &str, mns: Vec<&str>) {
    if mns.is_empty() {
        return;
    }
    let named: Vec<&str> = mns.iter().copied().take(NAMED_MAX).collect();
    let more = if mns.len() > NAMED_MAX { " …" } else { "" };
    lines.push(format!("stations {what}: {} ({}{more})", mns.len(), named.join(" ")));
}

#[cfg(test)]
mod tests {
    use super::*;
    use hj212_model::registry::{self, Unknown};

    #[test]
    fn differences_are_named() {
        let of = |text: &str| registry::load(&[("s".into(), text.into())], Unknown::Reject).unwrap();
        let before = of("[[station]]\nmn = \"A\"\n[[station]]\nmn = \"B\"\npw = \"1\"\n[[station]]\nmn = \"D\"\n");
        let after = of("[[station]]\nmn = \"B\"\npw = \"2\"\n[[station]]\nmn = \"C\"\n[[station]]\nmn = \"D\"\n");
        assert_eq!(
            stations(&before, &after),
            ["stations added: 1 (C)", "stations removed: 1 (A)", "stations changed: 1 (B)"]
        );
        let mut new = Config::default();
        new.mqtt.port = 1;
        new.archive.dir = "archive".into();
        new.cases.steps = true;
        new.operation.ledger = true;
        new.push =
            toml::from_str("sinks = [{ name = \"a\", kind = \"webhook\", url = \"http://a/\", events = [\"*\"] }]")
                .unwrap();
        let waiting = ["mqtt", "archive", "cases", "operation", "push"]
            .map(|name| format!("{name}: changed in the file, needs a restart"));
        assert_eq!(needs_restart(&Config::default(), &new), waiting);
    }
}
