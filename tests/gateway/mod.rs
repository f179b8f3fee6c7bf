//! A gateway process as its operators start it: the real binary, a configuration file, a folder of its own.

#[cfg(feature = "demo")]
pub(crate) mod scene;

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use hj212_model::registry;
use hj212_simulator as sim;

/// The binary under test.
pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_hj212-gateway");

/// A gateway's folder and addresses; it may run or not.
pub(crate) struct Gateway {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) listen: SocketAddr,
    child: Option<Child>,
}

/// Whether the long forms of the tests are wanted.
pub(crate) fn long() -> bool {
    std::env::var_os("HJ212_LONG").is_some()
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Status and body of `GET path`.
pub(crate) fn get(port: u16, path: &str) -> (u16, String) {
    ask(port, &format!("GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n"))
}

/// Status and body of what `request` is answered with.
pub(crate) fn ask(port: u16, request: &str) -> (u16, String) {
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

impl Gateway {
    /// A folder with a configuration for the stations of `options` and the broker on `mqtt`. `more` is appended to the file.
    pub(crate) fn new(options: &sim::Options, mqtt: u16, more: &str) -> Gateway {
        Self::in_folder(tempfile::tempdir().unwrap(), options, mqtt, more)
    }

    /// The same in `folder`, whose `journal` may be a file system of its own.
    pub(crate) fn in_folder(folder: tempfile::TempDir, options: &sim::Options, mqtt: u16, more: &str) -> Gateway {
        let listen: SocketAddr = ([127, 0, 0, 1], free_port()).into();
        let stations = sim::stations_toml(options);
        assert!(registry::load(&[("stations".into(), stations.clone())], registry::Unknown::Reject).is_ok());
        std::fs::write(folder.path().join("stations.toml"), stations).unwrap();
        let text = format!(
            "[gateway]\nid = \"test\"\n[listen]\naddress = [\"{listen}\"]\n[mqtt]\nport = {mqtt}\nretry_min = \"50ms\"\n\
             retry_max = \"200ms\"\n[http]\naddress = \"\"\n[journal]\ndir = \"journal\"\nsegment_size = \"1MiB\"\nreserve = \"64KiB\"\n{more}"
        );
        std::fs::write(folder.path().join("gateway.toml"), text).unwrap();
        Gateway { folder, listen, child: None }
    }

    /// The same with a status page on the port that is given back.
    pub(crate) fn seen(options: &sim::Options, mqtt: u16, more: &str) -> (Gateway, u16) {
        let (gateway, port) = (Gateway::new(options, mqtt, more), free_port());
        let file = gateway.path("gateway.toml");
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, text.replace("address = \"\"", &format!("address = \"127.0.0.1:{port}\""))).unwrap();
        (gateway, port)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn journal(&self) -> PathBuf {
        self.path("journal")
    }

    /// Starts the process and waits until stations can connect.
    pub(crate) fn start(&mut self) {
        let mut command = Command::new(BINARY);
        command.arg("run").arg("--config").arg(self.path("gateway.toml"));
        self.launch(command);
    }

    /// Starts the process in a mount namespace of its own, after `setup` has run there.
    pub(crate) fn start_in(&mut self, setup: &str) {
        let mut command = Command::new("unshare");
        let script = format!("{setup} && exec {BINARY} run --config gateway.toml");
        command.args(["--mount", "--map-root-user", "sh", "-c", &script]);
        self.launch(command);
    }

    /// Starts the process by a shell that runs `script` in the gateway's folder.
    pub(crate) fn start_by(&mut self, script: &str) {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        self.launch(command);
    }

    /// Starts the process with `listener` as systemd would hand it over: descriptor 3, named in the environment.
    pub(crate) fn start_on(&mut self, listener: &std::net::TcpListener) {
        let handed: std::os::fd::OwnedFd = listener.try_clone().unwrap().into();
        let script =
            format!("exec 3<&0 0</dev/null; LISTEN_FDS=1 LISTEN_PID=$$ exec {BINARY} run --config gateway.toml");
        let mut command = Command::new("sh");
        command.args(["-c", &script]).stdin(handed);
        self.launch(command);
    }

    fn launch(&mut self, mut command: Command) {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.path("log")).unwrap();
        command.current_dir(self.folder.path()).stdout(Stdio::null()).stderr(log);
        self.child = Some(command.spawn().unwrap());
        let until = Instant::now() + Duration::from_secs(30);
        while std::net::TcpStream::connect(self.listen).is_err() {
            assert!(Instant::now() < until, "the gateway does not listen:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.as_ref().expect("it runs").id()
    }

    /// Ends the process as a power cut would end it, files aside.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// SIGTERM; gives how long it took and whether the process ended well.
    pub(crate) fn stop(&mut self) -> (Duration, bool) {
        let mut child = self.child.take().expect("it runs");
        let begun = Instant::now();
        let pid = rustix::process::Pid::from_child(&child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        let status = child.wait().unwrap();
        (begun.elapsed(), status.success())
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    /// Resident memory in bytes.
    pub(crate) fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find(|l| l.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Runs the binary with `arguments`; gives its exit code, standard output and standard error.
pub(crate) fn run(arguments: &[&str], folder: &Path) -> (i32, String, String) {
    let done = Command::new(BINARY).args(arguments).current_dir(folder).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    (done.status.code().unwrap_or(-1), text(done.stdout), text(done.stderr))
}

/// A line of the simulator's ledger: a packet that was answered.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Answered {
    pub(crate) mn: String,
    pub(crate) cn: String,
    pub(crate) data_time: String,
    pub(crate) crc32: u32,
}

/// The ledger at `path`.
pub(crate) fn ledger(path: &Path) -> Vec<Answered> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let lines = text.lines().map(|line| {
        let [mn, _qn, cn, data_time, crc32] = line.split('\t').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let crc32 = u32::from_str_radix(crc32, 16).unwrap();
        Answered { mn: mn.into(), cn: cn.into(), data_time: data_time.into(), crc32 }
    });
    lines.collect()
}
