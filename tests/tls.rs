//! TLS to a real mosquitto and for stations, and the PROXY protocol: certificates that are right and wrong in every way, repaired without
//! a restart.

#![allow(dead_code, reason = "the harness is shared")]
#![allow(clippy::print_stderr, clippy::unwrap_used, clippy::expect_used, reason = "tests speak plainly")]

mod gateway;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use gateway::scene::Scene;
use hj212::write;
use hj212_certificates::ClientFiles;
use hj212_model::message::Publication;
use hj212_model::telemetry::{Expiry, Telemetry};
use hj212_mqtt::{self as mqtt, Settings, State, Subscription, Version};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use tokio_rustls::rustls::{self, pki_types};
use tokio_util::sync::CancellationToken;

const PATIENCE: Duration = Duration::from_secs(30);

/// An authority that signs what it is told to.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    fn new(name: &str) -> Authority {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Authority { issuer: Issuer::new(params, key), pem }
    }

    /// Writes `NAME.pem` and `NAME.key` into `folder`.
    fn sign(&self, folder: &Path, name: &str, host: &str, (from, to): (i32, i32)) {
        let mut params = CertificateParams::new(vec![host.to_owned()]).unwrap();
        params.not_before = date_time_ymd(from, 1, 1);
        params.not_after = date_time_ymd(to, 1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        std::fs::write(folder.join(format!("{name}.pem")), certificate.pem()).unwrap();
        std::fs::write(folder.join(format!("{name}.key")), key.serialize_pem()).unwrap();
    }
}

const GOOD: (i32, i32) = (2020, 2090);

fn mosquitto() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    let found = folders.map(|folder| folder.join("mosquitto")).find(|file| file.is_file());
    assert!(found.is_some() || std::env::var_os("MOSQUITTO_REQUIRED").is_none(), "mosquitto is not installed");
    if found.is_none() {
        eprintln!("mosquitto is not installed: nothing tested");
    }
    found
}

/// A mosquitto that speaks TLS with `server.pem` of its folder.
struct Broker {
    folder: tempfile::TempDir,
    binary: PathBuf,
    port: u16,
    child: Child,
}

impl Broker {
    fn start(authority: &Authority, extra: &str) -> Option<Broker> {
        let binary = mosquitto()?;
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().display();
        authority.sign(folder.path(), "server", "localhost", GOOD);
        std::fs::write(folder.path().join("ca.pem"), &authority.pem).unwrap();
        let port = gateway::free_port();
        let config = format!(
            "listener {port} 127.0.0.1\nuser root\nallow_anonymous true\ncertfile {at}/server.pem\nkeyfile {at}/server.key\ncafile {at}/ca.pem\n{extra}"
        );
        std::fs::write(folder.path().join("mosquitto.conf"), config).unwrap();
        let child = Self::spawn(&binary, folder.path(), port);
        Some(Broker { folder, binary, port, child })
    }

    fn spawn(binary: &Path, folder: &Path, port: u16) -> Child {
        let log = std::fs::File::options().create(true).append(true).open(folder.join("log")).unwrap();
        let config = folder.join("mosquitto.conf");
        let child = Command::new(binary).arg("-c").arg(config).stdout(Stdio::null()).stderr(log).spawn().unwrap();
        let until = Instant::now() + PATIENCE;
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            let log = std::fs::read_to_string(folder.join("log")).unwrap_or_default();
            assert!(Instant::now() < until, "mosquitto does not start: {log}");
            std::thread::sleep(Duration::from_millis(20));
        }
        child
    }

    /// The same with the certificate that stands in the folder now.
    fn again(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.child = Self::spawn(&self.binary, self.folder.path(), self.port);
    }

    fn settings(&self, version: Version, tls: ClientFiles) -> Settings {
        Settings {
            host: "localhost".into(),
            port: self.port,
            version,
            tls: Some(tls),
            retry_min: Duration::from_millis(50),
            retry_max: Duration::from_millis(100),
            ..Settings::default()
        }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn awaited(
    state: &mut tokio::sync::watch::Receiver<State>,
    what: impl FnMut(&State) -> bool,
    why: &str,
) -> State {
    let found = tokio::time::timeout(PATIENCE, state.wait_for(what)).await;
    found.unwrap_or_else(|_| panic!("{why}")).unwrap().clone()
}

fn says(state: &State, words: &str) -> bool {
    matches!(state, State::Connecting { last_error: Some(text) } if text.contains(words))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_certificates_of_the_broker_are_named_and_repaired_without_a_restart() {
    let (authority, stranger) = (Authority::new("province"), Authority::new("stranger"));
    for version in [Version::V5, Version::V311] {
        let Some(mut broker) = Broker::start(&authority, "") else { return };
        let folder = broker.folder.path().to_owned();
        let ca = folder.join("trusted.pem");
        std::fs::write(&ca, &authority.pem).unwrap();
        type Fault<'a> = (&'a str, Box<dyn Fn() + 'a>);
        let faults: [Fault<'_>; 4] = [
            ("expired at 2021", Box::new(|| authority.sign(&folder, "server", "localhost", (2020, 2021)))),
            ("not valid before 2080", Box::new(|| authority.sign(&folder, "server", "localhost", (2080, 2090)))),
            (
                "is for other.example, not for localhost",
                Box::new(|| authority.sign(&folder, "server", "other.example", GOOD)),
            ),
            ("not trusted here", Box::new(|| stranger.sign(&folder, "server", "localhost", GOOD))),
        ];
        let telemetry = Arc::new(Telemetry::default());
        let stop = CancellationToken::new();
        let settings = broker.settings(version, ClientFiles { ca: Some(ca.clone()), ..ClientFiles::default() });
        let (outbox, task) = mqtt::start_quietly(&settings, Arc::clone(&telemetry), stop.clone());
        let mut state = outbox.state();
        for (words, fault) in faults {
            fault();
            broker.again();
            let said = awaited(&mut state, |state| says(state, words), words).await;
            assert!(!matches!(said, State::Connected));
            authority.sign(&folder, "server", "localhost", GOOD);
            broker.again();
            awaited(&mut state, |state| *state == State::Connected, "repaired, it connects").await;
        }
        let (topic, payload) = ("a/b".to_owned(), Bytes::from_static(b"through TLS"));
        let number = outbox.push(Publication { topic, payload, retain: false }).await.unwrap();
        outbox.delivered().wait_for(|done| *done >= number).await.unwrap();
        let ends = telemetry.expiry(Expiry::MqttBroker).unwrap();
        assert_eq!(jiff::Timestamp::from_second(ends).unwrap().to_string(), "2090-01-01T00:00:00Z");
        // Requests come in over TLS as well.
        let wish = Subscription {
            filters: vec!["in/+".into()],
            suffix: "-in".into(),
            session: Duration::ZERO,
            as_published: true,
            broad: None,
        };
        let (mut inbox, listening) = mqtt::subscribe(&settings, wish, stop.clone());
        inbox.subscribed().wait_for(|granted| *granted).await.unwrap();
        let (topic, payload) = ("in/1".to_owned(), Bytes::from_static(b"asked"));
        outbox.push(Publication { topic, payload, retain: false }).await.unwrap();
        let incoming = tokio::time::timeout(PATIENCE, inbox.next()).await.unwrap().unwrap();
        assert_eq!(incoming.payload.as_ref(), b"asked");
        incoming.taken();
        // A file that is missing is named, and taken up once it is there.
        std::fs::rename(&ca, folder.join("away.pem")).unwrap();
        broker.again();
        awaited(&mut state, |state| says(state, "trusted.pem"), "the file is named").await;
        std::fs::rename(folder.join("away.pem"), &ca).unwrap();
        awaited(&mut state, |state| *state == State::Connected, "repaired, it connects").await;
        stop.cancel();
        task.await.unwrap();
        mqtt::left(listening).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_wants_a_certificate_gets_ours_or_says_so() {
    let (authority, stranger) = (Authority::new("province"), Authority::new("stranger"));
    for version in [Version::V5, Version::V311] {
        let Some(broker) = Broker::start(&authority, "require_certificate true\n") else { return };
        let folder = broker.folder.path().to_owned();
        stranger.sign(&folder, "own", "gateway", GOOD);
        let file = |name: &str| Some(folder.join(name));
        let tls =
            ClientFiles { ca: file("ca.pem"), certificate: file("own.pem"), key: file("own.key"), server_name: None };
        let stop = CancellationToken::new();
        let telemetry = Arc::new(Telemetry::default());
        let (outbox, task) = mqtt::start_quietly(&broker.settings(version, tls), Arc::clone(&telemetry), stop.clone());
        let mut state = outbox.state();
        awaited(&mut state, |state| says(state, "refused the TLS handshake"), "a stranger's certificate is refused")
            .await;
        authority.sign(&folder, "own", "gateway", (2020, 2085));
        awaited(&mut state, |state| *state == State::Connected, "with the right one it connects").await;
        let ends = telemetry.expiry(Expiry::MqttClient).unwrap();
        assert_eq!(jiff::Timestamp::from_second(ends).unwrap().to_string(), "2085-01-01T00:00:00Z");
        stop.cancel();
        task.await.unwrap();
    }
}

fn frame(scene: &Scene, time: &str) -> Vec<u8> {
    let (mn, pw) = (&scene.mn, &scene.pw);
    let segment = format!(
        "QN={time}001;ST=31;CN=2011;PW={pw};MN={mn};Flag=5;CP=&&DataTime={time};a21026-Rtd=1.5,a21026-Flag=N&&"
    );
    let mut bytes = Vec::new();
    write::frame(&mut bytes, |out| out.extend_from_slice(segment.as_bytes()));
    bytes
}

/// Says a frame and reads its answer.
fn answered(stream: &mut (impl Read + Write), scene: &Scene, time: &str) -> std::io::Result<bool> {
    stream.write_all(&frame(scene, time))?;
    let (mut heard, mut bytes) = (Vec::new(), [0; 512]);
    while !heard.ends_with(b"\r\n") {
        match stream.read(&mut bytes)? {
            0 => return Ok(false),
            count => heard.extend_from_slice(&bytes[..count]),
        }
    }
    Ok(String::from_utf8_lossy(&heard).contains("CN=9014"))
}

fn dial(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    stream
}

fn secured(port: u16, authority: &Authority) -> rustls::StreamOwned<rustls::ClientConnection, TcpStream> {
    use pki_types::pem::PemObject;
    let mut roots = rustls::RootCertStore::empty();
    roots.add(pki_types::CertificateDer::from_pem_slice(authority.pem.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = pki_types::ServerName::try_from("localhost").unwrap();
    let connection = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
    rustls::StreamOwned::new(connection, dial(port))
}

#[test]
fn stations_speak_tls_where_it_is_configured_and_certificates_are_renewed_by_a_reload() {
    let (authority, other) = (Authority::new("province"), Authority::new("next year"));
    let files = tempfile::tempdir().unwrap();
    authority.sign(files.path(), "station", "localhost", GOOD);
    let (port, at) = (gateway::free_port(), files.path().display());
    let more = format!(
        "[[listen.also]]\naddress = \"127.0.0.1:{port}\"\ntls = {{ certificate = \"{at}/station.pem\", key = \"{at}/station.key\" }}\n"
    );
    let scene = Scene::new(&more);
    let mut first = secured(port, &authority);
    assert!(answered(&mut first, &scene, "20261123100000").unwrap());
    // Plain bytes, half a handshake, silence: closed, and nobody else is harmed.
    let mut plain = dial(port);
    assert!(!answered(&mut plain, &scene, "20261123100100").unwrap_or(false));
    let _silent = dial(port);
    let mut half = dial(port);
    half.write_all(&[0x16, 0x03, 0x01, 0x02, 0x00, 0x01]).unwrap();
    assert!(answered(&mut secured(port, &authority), &scene, "20261123100200").unwrap());
    // Renewed by a reload: newcomers meet the new certificate, who is there stays.
    other.sign(files.path(), "station", "localhost", GOOD);
    let pid = scene.gateway.pid().to_string();
    assert!(Command::new("kill").args(["-HUP", &pid]).status().unwrap().success());
    let until = Instant::now() + PATIENCE;
    while !answered(&mut secured(port, &other), &scene, "20261123100300").unwrap_or(false) {
        assert!(Instant::now() < until, "{}", scene.gateway.log());
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(answered(&mut secured(port, &authority), &scene, "20261123100400").is_err());
    assert!(answered(&mut first, &scene, "20261123100500").unwrap(), "the old connection stands");
    assert!(scene.gateway.log().contains("no TLS"), "{}", scene.gateway.log());
    // A broken file changes nothing.
    std::fs::write(files.path().join("station.pem"), "no certificate").unwrap();
    assert!(Command::new("kill").args(["-HUP", &pid]).status().unwrap().success());
    let until = Instant::now() + PATIENCE;
    while !scene.gateway.log().contains("station.pem") {
        assert!(Instant::now() < until, "{}", scene.gateway.log());
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(answered(&mut secured(port, &other), &scene, "20261123100600").unwrap());
}

#[test]
fn a_reload_that_reorders_listeners_opens_none_of_them() {
    let (authority, other) = (Authority::new("province"), Authority::new("elsewhere"));
    let files = tempfile::tempdir().unwrap();
    authority.sign(files.path(), "strict", "localhost", GOOD);
    other.sign(files.path(), "open", "localhost", GOOD);
    std::fs::write(files.path().join("ca.pem"), &authority.pem).unwrap();
    let (port, at) = (gateway::free_port(), files.path().display());
    let strict = format!(
        "[[listen.also]]\naddress = \"127.0.0.1:{port}\"\ntls = {{ certificate = \"{at}/strict.pem\", key = \"{at}/strict.key\", client_ca = \"{at}/ca.pem\" }}\n"
    );
    let open = |port: u16| {
        format!(
            "[[listen.also]]\naddress = \"127.0.0.1:{port}\"\ntls = {{ certificate = \"{at}/open.pem\", key = \"{at}/open.key\" }}\n"
        )
    };
    let scene = Scene::new(&strict);
    assert!(answered(&mut secured(port, &authority), &scene, "20261123100000").is_err(), "it asks for a certificate");
    let file = scene.gateway.path("gateway.toml");
    let good = std::fs::read_to_string(&file).unwrap();
    // Another one before it, and the same one without its authority: both wait for a restart.
    let before = good.replace(&strict, &format!("{}{strict}", open(gateway::free_port())));
    for (round, changed) in [before, good.replace(&strict, &open(port))].iter().enumerate() {
        std::fs::write(&file, changed).unwrap();
        let pid = scene.gateway.pid().to_string();
        assert!(Command::new("kill").args(["-HUP", &pid]).status().unwrap().success());
        let until = Instant::now() + PATIENCE;
        while scene.gateway.log().matches("listen.also: changed in the file, needs a restart").count() <= round {
            assert!(Instant::now() < until, "{}", scene.gateway.log());
            std::thread::sleep(Duration::from_millis(20));
        }
        for authority in [&authority, &other] {
            assert!(answered(&mut secured(port, authority), &scene, "20261123100100").is_err(), "round {round}");
        }
    }
}

#[test]
fn whoever_says_nothing_does_not_keep_the_gateway() {
    let authority = Authority::new("province");
    let files = tempfile::tempdir().unwrap();
    authority.sign(files.path(), "station", "localhost", GOOD);
    let (port, balanced, at) = (gateway::free_port(), gateway::free_port(), files.path().display());
    let more = format!(
        "[[listen.also]]\naddress = \"127.0.0.1:{port}\"\ntls = {{ certificate = \"{at}/station.pem\", key = \"{at}/station.key\" }}\n\
         [[listen.also]]\naddress = \"127.0.0.1:{balanced}\"\nproxy_from = [\"127.0.0.0/8\"]\n"
    );
    let mut scene = Scene::new(&more);
    let mut held = secured(port, &authority);
    assert!(answered(&mut held, &scene, "20261123100000").unwrap());
    let silent: Vec<TcpStream> = [port, balanced, scene.gateway.listen.port()].map(dial).into();
    // An address takes connections in the order in which they come: those that are silent were taken before these that are answered.
    assert!(answered(&mut secured(port, &authority), &scene, "20261123100100").unwrap());
    let mut balanced = dial(balanced);
    balanced.write_all(b"PROXY TCP4 203.0.113.7 198.51.100.1 40001 9002\r\n").unwrap();
    assert!(answered(&mut balanced, &scene, "20261123100200").unwrap());
    assert!(answered(&mut dial(scene.gateway.listen.port()), &scene, "20261123100300").unwrap());
    let (took, good) = scene.gateway.stop();
    assert!(good && took < Duration::from_secs(15), "{took:?}");
    drop((silent, held));
}

#[test]
fn behind_a_load_balancer_the_station_s_own_address_is_kept() {
    let port = gateway::free_port();
    let strict = gateway::free_port();
    let more = format!(
        "[[listen.also]]\naddress = \"127.0.0.1:{port}\"\nproxy_from = [\"127.0.0.0/8\"]\n\
         [[listen.also]]\naddress = \"127.0.0.1:{strict}\"\nproxy_from = [\"192.0.2.0/24\"]\n"
    );
    let scene = Scene::new(&more);
    let mut balanced = dial(port);
    balanced.write_all(b"PROXY TCP4 203.0.113.7 198.51.100.1 40001 9002\r\n").unwrap();
    assert!(answered(&mut balanced, &scene, "20261123100000").unwrap());
    let mut second = dial(port);
    let mut header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0C".to_vec();
    header.extend([203, 0, 113, 8, 198, 51, 100, 1, 0x9C, 0x41, 0x23, 0x2A]);
    header.extend(frame(&scene, "20261123100100"));
    second.write_all(&header).unwrap();
    assert!(answered(&mut second, &scene, "20261123100200").unwrap(), "what follows the header at once is heard");
    for refused in [port, strict] {
        let mut bare = dial(refused);
        assert!(!answered(&mut bare, &scene, "20261123100300").unwrap_or(false), "without a header nothing is taken");
    }
    let mut claimed = dial(strict);
    claimed.write_all(b"PROXY TCP4 203.0.113.9 198.51.100.1 40001 9002\r\n").unwrap();
    assert!(
        !answered(&mut claimed, &scene, "20261123100300").unwrap_or(false),
        "nobody else is believed where others come from"
    );
    let mut late = dial(port);
    late.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    late.write_all(b"PROXY TCP4 203").unwrap();
    assert_eq!(late.read(&mut [0; 8]).unwrap(), 0, "half a header is closed after handshake_max");
    let (code, dump, _) = gateway::run(&["journal", "dump", "--dir", "journal"], scene.gateway.folder.path());
    assert_eq!(code, 0);
    assert!(dump.contains("203.0.113.7:40001") && dump.contains("203.0.113.8:40001"), "{dump}");
    assert!(!dump.contains("20261123100300"), "{dump}");
}
