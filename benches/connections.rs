//! What an idle connection costs: a gateway process with 1,000 and with 19,000 of them, its resident memory, and the slope between.
//! Kernel memory (sockets) is not in it. Not a criterion bench: it measures bytes, once.
//!
//! `cargo bench --bench connections`; with `--features demo` or without. Needs 20,000 descriptors a process (`ulimit -n 20000`).

#![allow(missing_docs, reason = "no library")]
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a bench that cannot go on should not")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use hj212::write;

const FEW: usize = 1_000;
const MANY: usize = 19_000;

struct Gateway {
    child: Child,
    address: SocketAddr,
}

impl Gateway {
    fn start(folder: &std::path::Path) -> Gateway {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let stations: String = (0..MANY).map(|n| format!("[[station]]\nmn = \"{}\"\n", mn(n))).collect();
        std::fs::write(folder.join("stations.toml"), stations).unwrap();
        let text = format!(
            "[listen]\naddress = [\"127.0.0.1:{port}\"]\n[http]\naddress = \"\"\n[journal]\ndir = \"journal\"\n[mqtt]\nport = 1\n"
        );
        std::fs::write(folder.join("gateway.toml"), text).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_hj212-gateway"));
        command.args(["run", "--config", "gateway.toml"]).current_dir(folder).stderr(Stdio::null());
        let gateway = Gateway { child: command.spawn().unwrap(), address: ([127, 0, 0, 1], port).into() };
        while TcpStream::connect(gateway.address).is_err() {
            std::thread::sleep(Duration::from_millis(10));
        }
        gateway
    }

    /// Resident memory in bytes, after a rest.
    fn memory(&self) -> f64 {
        std::thread::sleep(Duration::from_secs(3));
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("RssAnon:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() * 1024.0
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn mn(number: usize) -> String {
    format!("0212{number:020}")
}

/// Memory of the system's TCP sockets in bytes.
fn kernel() -> f64 {
    let text = std::fs::read_to_string("/proc/net/sockstat").unwrap();
    let pages = text.lines().find(|line| line.starts_with("TCP:")).and_then(|line| line.split("mem ").nth(1)).unwrap();
    pages.trim().parse::<f64>().unwrap() * 4096.0
}

fn dial(gateway: &Gateway, number: usize, speaks: bool) -> TcpStream {
    let mut stream = TcpStream::connect(gateway.address).unwrap();
    if speaks {
        let mut frame = Vec::new();
        let segment = format!(
            "QN=20261123104000001;ST=31;CN=2081;PW=123456;MN={};Flag=5;CP=&&DataTime=20261123104000&&",
            mn(number)
        );
        write::frame(&mut frame, |out| out.extend_from_slice(segment.as_bytes()));
        stream.write_all(&frame).unwrap();
        assert!(stream.read(&mut [0; 256]).unwrap() > 0);
    }
    stream
}

fn measure(what: &str, speaks: bool) {
    let folder = tempfile::tempdir().unwrap();
    let gateway = Gateway::start(folder.path());
    let mut open: Vec<TcpStream> = (0..FEW).map(|n| dial(&gateway, n, speaks)).collect();
    let (few, kernel_few) = (gateway.memory(), kernel());
    open.extend((FEW..MANY).map(|n| dial(&gateway, n, speaks)));
    let (many, kernel_many) = (gateway.memory(), kernel());
    let each = (many - few) / (MANY - FEW) as f64;
    let kernel_each = (kernel_many - kernel_few) / (MANY - FEW) as f64;
    println!(
        "{what}: {FEW} connections {:.1} MiB, {MANY} connections {:.1} MiB: {each:.0} bytes each, and {kernel_each:.0} of socket buffers",
        few / 1048576.0,
        many / 1048576.0
    );
}

fn main() {
    measure("silent connections", false);
    measure("stations that spoke once", true);
}
