//! `check --online`: tries what the configuration names: the broker, the journal's disk, certificates.
//!
//! What must stay true: nothing stays behind (the file on the disk goes, nothing is published); it ends within [`PATIENCE`] and the time of a
//! few syncs; beside a running gateway it disturbs nothing, for it has a client id of its own.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::{FAULT, IO, UNAVAILABLE, complain, tell};
use crate::config::Config;
use hj212_model::clock;
use hj212_model::telemetry::{Expiry, Telemetry};
use hj212_mqtt::{self as mqtt, State};

/// How long the broker may take to accept us.
const PATIENCE: Duration = Duration::from_secs(10);
/// Syncs that are tried, each after a block of [`BLOCK`] bytes.
const SYNCS: usize = 32;
const BLOCK: usize = 4096;
/// A sync that takes longer than this makes answers late.
const SYNC_SLOW: Duration = Duration::from_millis(50);
/// A certificate that ends sooner is worth a word.
const ENDS_SOON: i64 = 30 * 86_400;

/// Tries all; the exit code of the first that does not work.
pub(super) fn online(config: &Config) -> u8 {
    let codes = [broker(config), disk(&config.journal.dir), certificates(config)];
    codes.into_iter().find(|code| *code != 0).unwrap_or(0)
}

fn broker(config: &Config) -> u8 {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return FAULT };
    let (settings, stop) = (&config.mqtt, CancellationToken::new());
    let settings = mqtt::Settings {
        client_id: format!("{}-check-{}", settings.client_id, std::process::id()),
        ..settings.clone()
    };
    let telemetry = Arc::new(Telemetry::default());
    let state = runtime.block_on(async {
        let (outbox, task) = mqtt::start_quietly(&settings, Arc::clone(&telemetry), stop.clone());
        let mut states = outbox.state();
        let settled = |state: &State| state.is_up() || matches!(state, State::Connecting { last_error: Some(_) });
        let _ = tokio::time::timeout(PATIENCE, states.wait_for(settled)).await;
        let state = states.borrow().clone();
        stop.cancel();
        drop(outbox);
        let _ = task.await;
        state
    });
    let at = format!("{}:{}", settings.host, settings.port);
    match state {
        state if state.is_up() => {
            let code = tell!("broker {at}: it accepts us · MQTT 服务:已连上");
            ends("the broker's certificate · MQTT 服务的证书", telemetry.expiry(Expiry::MqttBroker));
            ends("our certificate for the broker · 连接 MQTT 服务的证书", telemetry.expiry(Expiry::MqttClient));
            code
        }
        State::Connecting { last_error: Some(why) } => {
            complain(&format!("broker {at}: {why} · {}", in_chinese(&why)));
            UNAVAILABLE
        }
        State::Connecting { .. } | State::Connected | State::Hampered { .. } | State::Refusing { .. } => {
            complain(&format!("broker {at}: no answer within {} s · MQTT 服务没有回应", PATIENCE.as_secs()));
            UNAVAILABLE
        }
    }
}

/// What to look at, for the reasons that people meet most; the words are those of `hj212_mqtt` and `hj212_certificates`.
fn in_chinese(why: &str) -> &'static str {
    let known = [
        ("bad user name", "MQTT 服务拒绝:用户名或密码不对"),
        ("does not allow this user", "MQTT 服务拒绝:该账号无权连接"),
        ("before it answered", "连接在应答前被关闭:核对 version;若为 TLS 端口,请设置 [mqtt.tls]"),
        ("authority that is not trusted", "不信任 MQTT 服务证书的签发机构:在 mqtt.tls.ca 写入其 CA 证书"),
        ("expired", "MQTT 服务的证书已过期"),
        ("is for ", "MQTT 服务的证书与主机名不符:改 host 或写 server_name"),
        ("not valid before", "MQTT 服务的证书尚未生效:核对两端时钟"),
        ("certificate", "证书问题,见上"),
        ("TLS", "TLS 握手失败:该端口可能不是 TLS 端口,或要求客户端证书"),
        ("no MQTT broker", "该端口不是 MQTT 服务;若为 TLS 端口,请设置 [mqtt.tls]"),
        ("efused", "连接被拒绝:该端口没有服务在监听"),
        ("resolve", "主机名无法解析"),
    ];
    known.iter().find(|(part, _)| why.contains(part)).map_or("MQTT 服务连不上", |(_, zh)| zh)
}

/// Writes and syncs as the journal does, in the journal's folder, or where it will be made.
fn disk(dir: &Path) -> u8 {
    let Some(there) = dir.ancestors().find(|dir| dir.is_dir()) else { return 0 };
    let file = there.join(format!(".hj212-check-{}", std::process::id()));
    let tried = tried(&file);
    let _ = std::fs::remove_file(&file);
    let mut times = match tried {
        Ok(times) => times,
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            return tell!(
                "disk {}: not tried, this user may not write there; as the service's user: runuser -u hj212-gateway -- hj212-gateway check --online · \
                 未试写:当前用户无权写入",
                there.display()
            );
        }
        Err(error) => {
            complain(&format!("disk {}: {error} · 试写失败", there.display()));
            return IO;
        }
    };
    times.sort();
    let (median, worst) =
        (times.get(times.len() / 2).copied().unwrap_or_default(), times.last().copied().unwrap_or_default());
    let code =
        tell!("disk {}: a sync takes {median:.1?}, at worst {worst:.1?} · 写盘耗时(中位数、最大)", there.display());
    if median > SYNC_SLOW {
        complain(
            &"warning 警告: syncs are slow, answers will be late: give the journal a disk of its own · 写盘太慢,应答会延迟:请给日志库单独的磁盘",
        );
    }
    // tmpfs: what is answered would be gone with the power.
    const TMPFS: u64 = 0x0102_1994;
    if rustix::fs::statfs(there).is_ok_and(|found| u64::try_from(found.f_type).is_ok_and(|kind| kind == TMPFS)) {
        complain(
            &"warning 警告: this is memory (tmpfs): what is answered is lost with the power · 这是内存文件系统,断电即丢",
        );
    }
    code
}

fn tried(file: &Path) -> std::io::Result<Vec<Duration>> {
    let mut to = std::fs::OpenOptions::new().write(true).create_new(true).open(file)?;
    let mut times = Vec::with_capacity(SYNCS);
    for _ in 0..SYNCS {
        let begun = Instant::now();
        to.write_all(&[0; BLOCK])?;
        to.sync_data()?;
        times.push(begun.elapsed());
    }
    Ok(times)
}

/// When the certificates that stations are shown end; that they are good was checked before.
fn certificates(config: &Config) -> u8 {
    for also in &config.listen.also {
        let Some(tls) = &also.tls else { continue };
        if let Ok((_, expires)) = hj212_certificates::server(tls) {
            ends(&format!("the certificate of {0} · 监听 {0} 的证书", also.address), expires);
        }
    }
    0
}

/// Says when a certificate ends.
fn ends(which: &str, at: Option<i64>) {
    let Some(at) = at else { return };
    let day = hj212_model::message::Timestamp(at.saturating_mul(1_000_000)).to_rfc3339();
    tell!("{which} ends {day} · 到期时间");
    if at - clock::now().0 / 1_000_000 < ENDS_SOON {
        complain(&format!("warning 警告: {which} ends within 30 days · 30 天内到期"));
    }
}

#[cfg(test)]
mod tests {
    use super::in_chinese;

    #[test]
    fn what_people_meet_most_has_words_of_its_own() {
        for (why, part) in [
            ("bad user name or password: see username and password_file", "用户名或密码"),
            ("the broker does not allow this user: see username, password_file and the broker's access list", "无权"),
            ("the certificate of b was signed by an authority that is not trusted here: name it as ca", "CA 证书"),
            ("the broker closed the connection before it answered: if the port is for TLS, set [mqtt.tls]", "应答前"),
            ("the certificate of b is for x, not for y: set server_name or the right host", "主机名不符"),
            ("the broker cannot be reached: Connection refused (os error 111)", "没有服务在监听"),
            ("something new", "连不上"),
        ] {
            assert!(in_chinese(why).contains(part), "{why}: {}", in_chinese(why));
        }
    }
}
