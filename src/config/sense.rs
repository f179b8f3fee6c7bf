//! What a value's type cannot say: addresses that collide, commands that do not exist, files in another encoding.
//!
//! What must stay true: each mistake is told with file and line, in Chinese and English, with what to do.

use std::net::SocketAddr;
use std::path::Path;

use super::place::ConfigSource;
use super::{Config, Problem};
use hj212_downlink::table::{ORDERS, SET_KEY};

/// Addresses of `[listen]` that cannot be listened on: without a host, or held by another of them.
pub(super) fn check_addresses(source: &ConfigSource<'_>, config: &Config) -> Vec<Problem> {
    let own = config.listen.address.iter().enumerate();
    let own = own.map(|(at, address)| ("listen.address", format!("listen.address.{at}"), address));
    let also = config.listen.also.iter().enumerate();
    let also = also.map(|(at, also)| ("listen.also.address", format!("listen.also.{at}.address"), &also.address));
    let mut problems = Vec::new();
    let mut taken: Vec<SocketAddr> = Vec::new();
    for (key, at, address) in own.chain(also) {
        let mut wrong = |rule: &str, remedy: &str| {
            let what = format!("{key} = {address:?} must be {rule}");
            // Of two addresses that are one, the own may be the default.
            problems.push(source.problem(&[&at, key, "listen.also.0.address"], what, remedy));
        };
        if address.starts_with(':') {
            wrong(
                "HOST:PORT, with a host · 须写主机或地址",
                "write \"[::]:9002\" for all addresses · 监听全部地址写 \"[::]:9002\"",
            );
        }
        // A name is the system's to resolve, at the start.
        let Ok(address) = address.parse::<SocketAddr>() else { continue };
        if address.port() != 0 && taken.iter().any(|other| meets(*other, address)) {
            wrong(
                "an address of its own: another of [listen] has it · 与 [listen] 的另一个地址冲突",
                "write another port, or remove one; \"[::]\" takes IPv4 as well · 换端口或删去一个;\"[::]\" 已包含 IPv4",
            );
        }
        taken.push(address);
    }
    problems
}

/// Whether both cannot be listened on at a time.
fn meets(one: SocketAddr, other: SocketAddr) -> bool {
    let whole = |address: &SocketAddr| address.ip().is_unspecified();
    let same = one.ip() == other.ip()
        || (one.is_ipv4() == other.is_ipv4() && (whole(&one) || whole(&other)))
        // `[::]` takes IPv4 as well.
        || [one, other].iter().any(|address| address.is_ipv6() && whole(address));
    one.port() == other.port() && same
}

/// Names in `command.allow` that no command has.
pub(super) fn check_commands(source: &ConfigSource<'_>, config: &Config) -> Vec<Problem> {
    let known = |name: &str| name == "*" || ORDERS.iter().chain([&SET_KEY]).any(|order| order.name == name);
    let mut problems = Vec::new();
    for (rule, allowed) in config.command.allow.iter().enumerate() {
        for (place, name) in allowed.commands.iter().enumerate().filter(|(_, name)| !known(name)) {
            let what = format!("command.allow: commands = {name:?} must be a command there is · 没有这个命令");
            let remedy = "hj212-gateway command --list shows them all · 用它查看全部命令";
            problems.push(source.problem(&[&format!("command.allow.{rule}.commands.{place}")], what, remedy));
        }
    }
    problems
}

/// The text of the file at `path`.
///
/// # Errors
/// If it cannot be read or is in another encoding than UTF-8, which is named with the line where that shows.
pub(super) fn read(path: &Path) -> Result<String, Problem> {
    let bytes = std::fs::read(path).map_err(|error| {
        let remedy = "check the path and that the gateway's user may read it · 检查路径与读取权限";
        Problem::of_file(path, &error.to_string(), remedy)
    })?;
    String::from_utf8(bytes).map_err(|error| {
        let good = error.utf8_error().valid_up_to();
        let bytes = error.into_bytes();
        let line = bytes.get(..good).unwrap_or_default().iter().filter(|byte| **byte == b'\n').count() + 1;
        let (what, name) = match bytes.as_slice() {
            [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] => ("the file is in UTF-16, not in UTF-8 · 文件编码为 UTF-16,不是 UTF-8", "UTF-16"),
            bytes if !encoding_rs::GB18030.decode_without_bom_handling(bytes).1 => {
                ("the file is in GBK (ANSI, GB18030), not in UTF-8 · 文件编码为 GBK(ANSI),不是 UTF-8", "GB18030")
            }
            _ => ("the file is not in UTF-8 · 文件编码不是 UTF-8", "GB18030"),
        };
        let file = path.display().to_string();
        let remedy = format!(
            "save it as UTF-8 (Notepad: Save as, Encoding UTF-8) · 另存为,编码选 UTF-8; or: iconv -f {name} -t UTF-8 {file}"
        );
        Problem { file, line, column: 1, what: what.to_owned(), remedy }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_encodings_are_named_with_their_line() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("stations.toml");
        let said = |bytes: &[u8]| {
            std::fs::write(&file, bytes).unwrap();
            read(&file).map_err(|problem| problem.to_string())
        };
        assert!(said("名称".as_bytes()).is_ok());
        // 名 in GBK.
        let gbk = said(b"# one\nname = \"\xC3\xFB\"\n").unwrap_err();
        assert!(gbk.contains("stations.toml:2:") && gbk.contains("GBK") && gbk.contains("iconv -f GB18030"), "{gbk}");
        let wide = said(b"\xFF\xFE#\0\n\0").unwrap_err();
        assert!(wide.contains("UTF-16") && wide.contains("iconv -f UTF-16"), "{wide}");
        let neither = said(b"a\xFF\xFFb").unwrap_err();
        assert!(neither.contains("UTF-8") && !neither.contains("in GBK"), "{neither}");
    }

    #[test]
    fn addresses_that_collide_are_told() {
        for (one, other, meet) in [
            ("[::]:9002", "0.0.0.0:9002", true),
            ("0.0.0.0:9002", "10.0.0.1:9002", true),
            ("10.0.0.1:9002", "10.0.0.2:9002", false),
            ("[::1]:9002", "0.0.0.0:9002", false),
            ("0.0.0.0:9002", "0.0.0.0:9003", false),
        ] {
            assert_eq!(meets(one.parse().unwrap(), other.parse().unwrap()), meet, "{one} {other}");
        }
    }
}
