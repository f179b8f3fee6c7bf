//! The systemd units, checked offline: they are sound, and the service is exposed to little.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test that panics has spoken")]

use std::process::Command;

/// The exposure that `systemd-analyze security` may find at most, in tenths.
const EXPOSURE_MAX: &str = "15";

fn analyze(arguments: &[&str]) -> Option<(bool, String)> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy");
    let done = Command::new("systemd-analyze").args(arguments).current_dir(folder).output().ok()?;
    let said = [done.stdout, done.stderr].concat();
    Some((done.status.success(), String::from_utf8_lossy(&said).into_owned()))
}

#[test]
fn the_service_is_exposed_to_little() {
    let threshold = format!("--threshold={EXPOSURE_MAX}");
    let Some((good, said)) = analyze(&["security", "--offline=yes", &threshold, "hj212-gateway.service"]) else {
        assert!(std::env::var_os("SYSTEMD_REQUIRED").is_none(), "systemd-analyze is not installed");
        println!("systemd-analyze is not installed: nothing tested");
        return;
    };
    let verdict = said.lines().last().unwrap_or_default();
    println!("{verdict}");
    assert!(good, "{said}");
}

#[test]
fn the_units_say_what_the_daemon_does() {
    let service = include_str!("../deploy/hj212-gateway.service");
    for line in
        ["Type=notify", "WatchdogSec=", "ExecReload=", "RestartPreventExitStatus=78", "StateDirectory=", "MemoryMax="]
    {
        assert!(service.contains(line), "{line}");
    }
    assert!(include_str!("../deploy/hj212-gateway.sysusers").contains("u hj212-gateway "));
    assert!(include_str!("../deploy/hj212-gateway.socket").contains("ListenStream=9002"));
    let config = include_str!("../config/gateway.toml");
    assert!(config.contains(":9002"), "the socket's port is the configuration's");
}
