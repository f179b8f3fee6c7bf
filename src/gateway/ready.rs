//! What `/ready` and `/health` say: a line a check, what is the matter, what to do, in English and in Chinese.
//!
//! What must stay true: `FAIL` is what keeps stations from being answered or data from being kept, and nothing else is; what somebody must look at before it
//! becomes that is `WARN`, never `ok`; each line that is not `ok` says what to do.

use std::time::Duration;

use super::push::SinkFigures;
use super::push::shown;
use crate::http::{Check, CheckState};
use hj212_journal::Health;

/// Records that may wait for the broker while it is away before `/ready` says no.
pub(super) const BACKLOG_MAX: u64 = 100_000;
/// Records that may wait while the broker is connected before somebody should look.
pub(super) const BACKLOG_WARN: u64 = 10_000;
/// A thread that has not moved for this long is not healthy.
pub(super) const STILL_MAX: Duration = Duration::from_secs(30);

fn check(name: &'static str, state: CheckState, what: String) -> Check {
    Check { name, state, what }
}

/// A thread that must move. `more`: what else is said of it; `ended`: that it has.
pub(super) fn thread(name: &'static str, still: Duration, ended: bool, more: &str) -> Check {
    let seconds = still.as_secs();
    let what = format!("{more}last moved {seconds} s ago · {seconds} 秒前有动作");
    if !ended && still < STILL_MAX {
        return check(name, CheckState::Good, what);
    }
    let remedy = "; look into the log and at the disk, then restart the gateway · 请查看运行日志和磁盘，然后重启网关";
    check(name, CheckState::Fail, what + remedy)
}

pub(super) fn journal(health: Health) -> Check {
    let (state, what) = match health {
        Health::Good => (CheckState::Good, "good · 正常"),
        Health::Full => (
            CheckState::Fail,
            "full; stations are not answered and send again: make room on the journal's file system · 磁盘已满，暂不应答站点，站点会重发：请为日志库所在磁盘腾出空间",
        ),
        Health::Failed => (
            CheckState::Fail,
            "failed; stations are not answered and send again: look at the journal's disk and into the log · 磁盘故障，暂不应答站点，站点会重发：请检查日志库所在磁盘和运行日志",
        ),
    };
    check("journal", state, what.to_owned())
}

/// `damage`: what was found, in words.
pub(super) fn damage(damage: Option<String>) -> Check {
    match damage {
        None => check("journal-damage", CheckState::Good, "none · 无".to_owned()),
        Some(what) => {
            let remedy = " · 日志库有损坏，范围见运行日志，副本在 quarantine/；查明后重启即视为已处理";
            check("journal-damage", CheckState::Fail, what + remedy)
        }
    }
}

/// `connected`: to the broker; `why`: what is the matter with it.
pub(super) fn backlog(waiting: u64, connected: bool, why: Option<String>) -> Check {
    let state = match (connected, &why) {
        (false, _) if waiting >= BACKLOG_MAX => CheckState::Fail,
        (true, None) if waiting < BACKLOG_WARN => CheckState::Good,
        (true | false, _) => CheckState::Warn,
    };
    let broker = match (connected, why) {
        (true, None) => "connected".to_owned(),
        (true, Some(why)) => format!("connected; {why}"),
        (false, Some(why)) => format!("away: {why}"),
        (false, None) => "away: not connected yet since the start, the first try goes on · 启动后尚未连接".to_owned(),
    };
    let mut what = format!("{waiting} records wait; broker {broker}");
    what.push_str(match (state, connected) {
        (CheckState::Good, _) => " · 已连接",
        (_, true) => "; look at the broker: it takes less than comes · MQTT 服务接收不及，请检查该服务",
        (_, false) => {
            "; nothing is lost, put the broker or the way to it right · MQTT 服务未连接，数据已落盘不会丢失，请检查该服务和网络"
        }
    });
    check("backlog", state, what)
}

/// `set_aside`: what was, in words.
pub(super) fn dead_letters(set_aside: Option<String>) -> Check {
    match set_aside {
        None => check("dead-letters", CheckState::Good, "none · 无".to_owned()),
        Some(what) => {
            let remedy = ", and when the broker takes them dead-letters replay · MQTT 服务拒收的消息已另存：用 dead-letters list 查看，处理后用 dead-letters replay 补发";
            check("dead-letters", CheckState::Warn, what + remedy)
        }
    }
}

/// An office that is away is no reason not to be given work.
pub(super) fn push(sink: &SinkFigures) -> Check {
    let words = shown::in_words(sink);
    if sink.is_well() {
        return check("push", CheckState::Good, words);
    }
    let remedy = if sink.trouble.is_some() || sink.disk.is_some() {
        "; put the receiver, its address or the disk right: what waits is sent then · 推送受阻：请检查接收方、地址或磁盘，恢复后自动补发"
    } else {
        "; messages were lost to this sink, see the log · 有消息未能推送，见运行日志"
    };
    check("push", CheckState::Warn, words + remedy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trouble_is_never_ok_and_says_what_to_do_in_both_languages() {
        let sink = |trouble: Option<&str>, given_up| SinkFigures {
            name: "a".into(),
            trouble: trouble.map(str::to_owned),
            given_up,
            ..SinkFigures::default()
        };
        let away = || Some("connection refused".to_owned());
        for (found, wanted) in [
            (journal(Health::Good), CheckState::Good),
            (journal(Health::Full), CheckState::Fail),
            (journal(Health::Failed), CheckState::Fail),
            (damage(None), CheckState::Good),
            (damage(Some("1 records lost".into())), CheckState::Fail),
            (backlog(0, true, None), CheckState::Good),
            (backlog(15_973, true, None), CheckState::Warn),
            (backlog(0, true, Some("it takes nothing".into())), CheckState::Warn),
            (backlog(3, false, away()), CheckState::Warn),
            (backlog(BACKLOG_MAX, false, away()), CheckState::Fail),
            (backlog(BACKLOG_MAX, true, None), CheckState::Warn),
            (dead_letters(None), CheckState::Good),
            (dead_letters(Some("58 messages".into())), CheckState::Warn),
            (push(&sink(None, 0)), CheckState::Good),
            (push(&sink(Some("it answered 500"), 0)), CheckState::Warn),
            (push(&sink(None, 2)), CheckState::Warn),
            (thread("uplink", Duration::ZERO, false, ""), CheckState::Good),
            (thread("uplink", Duration::ZERO, true, ""), CheckState::Fail),
            (thread("uplink", STILL_MAX, false, ""), CheckState::Fail),
        ] {
            assert_eq!(found.state, wanted, "{found:?}");
            let is_told = found.what.chars().any(|c| ('一'..='龥').contains(&c));
            assert!(is_told || (wanted == CheckState::Good && found.name == "push"), "{found:?}");
        }
    }
}
