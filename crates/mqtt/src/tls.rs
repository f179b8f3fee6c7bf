//! TLS to the broker, outside the client library: the library speaks plain MQTT over a unix socket of our own, and a task carries the bytes
//! over TLS. So the TLS is rustls' newest, certificates are read for every connection, and errors are told as they are.
//!
//! The connection that requests come in by goes the same way without TLS, too: what the broker sends is then made shorter where it is too
//! long for the library ([`super::shorten`]).
//!
//! What must stay true: the socket stands in a folder that only our user may enter, takes one connection, and is gone with it; the library is
//! only started once the broker's certificate was found good.

use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixListener};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_util::task::AbortOnDropHandle;

use super::Settings;
use super::connect::{Failure, Kind};
use super::shorten::Shorten;
use hj212_certificates::{self as certificates, ClientFiles};
use hj212_model::telemetry::{Expiry, Telemetry};

/// How long connecting and the handshake may take together.
const HANDSHAKE_MAX: Duration = Duration::from_secs(10);

/// A way to the broker for one connection; it ends when this is dropped.
#[derive(Debug)]
pub(super) struct Tunnel {
    folder: PathBuf,
    /// What the carrying task met, if that is not what the library will say.
    met: Arc<Mutex<Option<String>>>,
    _carrier: AbortOnDropHandle<()>,
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        // What is left of it is empty and ours.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl Tunnel {
    /// Where the library connects to.
    pub(super) fn path(&self) -> PathBuf {
        self.folder.join("broker")
    }

    /// A failure as the library saw it, told as it was.
    pub(super) fn told(&self, failure: Failure) -> Failure {
        match self.met.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(text) => Failure { text, ..failure },
            None => failure,
        }
    }
}

/// Connects to the broker in TLS; `None` if plain MQTT is configured.
pub(super) async fn open(settings: &Settings, telemetry: &Telemetry) -> Result<Option<Tunnel>, Failure> {
    let Some(files) = &settings.tls else { return Ok(None) };
    let connected = tokio::time::timeout(HANDSHAKE_MAX, connect(settings, files, telemetry)).await;
    let late = || Failure::new(Kind::Unreachable, "the broker cannot be reached: no TLS handshake in time");
    let stream = connected.unwrap_or_else(|_| Err(late()))?;
    tunnel(stream, None).map(Some)
}

/// The same in plain MQTT, too, with messages of the broker shortened to `limit` bytes.
pub(super) async fn open_shortening(settings: &Settings, telemetry: &Telemetry, limit: u64) -> Result<Tunnel, Failure> {
    let late = || Failure::new(Kind::Unreachable, "the broker cannot be reached: no answer in time");
    if let Some(files) = &settings.tls {
        let connected = tokio::time::timeout(HANDSHAKE_MAX, connect(settings, files, telemetry)).await;
        return tunnel(connected.unwrap_or_else(|_| Err(late()))?, Some(limit));
    }
    let connecting = TcpStream::connect((settings.host.as_str(), settings.port));
    let connected = tokio::time::timeout(HANDSHAKE_MAX, connecting).await.map_err(|_| late())?;
    let unreachable =
        |error: std::io::Error| Failure::new(Kind::Unreachable, format!("the broker cannot be reached: {error}"));
    let stream = connected.map_err(unreachable)?;
    // Small packets should not wait for each other; without it things are slower, not wrong.
    let _ = stream.set_nodelay(true);
    tunnel(stream, Some(limit))
}

fn tunnel(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, limit: Option<u64>) -> Result<Tunnel, Failure> {
    let unusable = |error: std::io::Error| {
        Failure::new(Kind::Unreachable, format!("no socket can be made in the folder for temporary files: {error}"))
    };
    let folder = private_folder().map_err(unusable)?;
    let met = Arc::new(Mutex::new(None));
    let listener = UnixListener::bind(folder.join("broker")).map_err(unusable)?;
    let carrier = tokio::spawn(carry(listener, stream, limit, Arc::clone(&met)));
    Ok(Tunnel { folder, met, _carrier: AbortOnDropHandle::new(carrier) })
}

async fn connect(
    settings: &Settings,
    files: &ClientFiles,
    telemetry: &Telemetry,
) -> Result<TlsStream<TcpStream>, Failure> {
    let unready = |text: String| Failure::new(Kind::Unreachable, text);
    let files = files.clone();
    let name = files.server_name.clone().unwrap_or_else(|| settings.host.clone());
    let read = tokio::task::spawn_blocking(move || certificates::client(&files)).await;
    let (config, ends) =
        read.map_err(|error| unready(error.to_string()))?.map_err(|wrong| unready(wrong.to_string()))?;
    telemetry.expires(Expiry::MqttClient, ends);
    let wrong_name = |_| unready(format!("\"{name}\" can be the name of no certificate: set mqtt.tls.server_name"));
    let server = ServerName::try_from(name.clone()).map_err(wrong_name)?;
    let unreachable = |error: std::io::Error| unready(format!("the broker cannot be reached: {error}"));
    let tcp = TcpStream::connect((settings.host.as_str(), settings.port)).await.map_err(unreachable)?;
    // Small packets should not wait for each other; without it things are slower, not wrong.
    let _ = tcp.set_nodelay(true);
    let stream = TlsConnector::from(config).connect(server, tcp).await;
    let stream = stream.map_err(|error| {
        // The one that is not taken is what the metric must warn of.
        if let Some(at) = certificates::expired_at(&error) {
            telemetry.expires(Expiry::MqttBroker, Some(at));
        }
        Failure::new(Kind::Refused, certificates::explain(&error, "the broker"))
    })?;
    let theirs = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
    telemetry.expires(Expiry::MqttBroker, theirs.and_then(certificates::not_after));
    Ok(stream)
}

/// Carries bytes between the library's one connection and the broker until either ends.
async fn carry(
    listener: UnixListener,
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    limit: Option<u64>,
    met: Arc<Mutex<Option<String>>>,
) {
    let Ok((mut library, _)) = listener.accept().await else { return };
    drop(listener);
    let carried = match limit {
        None => tokio::io::copy_bidirectional(&mut library, &mut stream).await.map(|_| ()),
        Some(limit) => {
            let (from_broker, mut to_broker) = tokio::io::split(&mut stream);
            let (mut from_library, to_library) = library.split();
            // Whoever ends first ends the connection: MQTT knows no half-closed one.
            tokio::select! {
                out = tokio::io::copy(&mut from_library, &mut to_broker) => out.map(|_| ()),
                brought = shortened(from_broker, to_library, limit) => brought,
            }
        }
    };
    if let Err(error) = carried {
        let refused = error.get_ref().is_some_and(|inner| inner.is::<tokio_rustls::rustls::Error>());
        if refused {
            // With TLS 1.3 a broker says only after the handshake that it does not want our certificate.
            let text = certificates::explain(&error, "the broker");
            met.lock().unwrap_or_else(PoisonError::into_inner).replace(text);
        }
    }
    let _ = stream.shutdown().await;
    let _ = library.shutdown().await;
}

/// Carries what the broker sends until it ends.
async fn shortened(
    mut broker: impl AsyncRead + Unpin,
    mut library: impl AsyncWrite + Unpin,
    limit: u64,
) -> std::io::Result<()> {
    let mut shorten = Shorten::new(limit);
    let (mut bytes, mut out) = (vec![0; 16 << 10], Vec::new());
    loop {
        let count = broker.read(&mut bytes).await?;
        if count == 0 {
            return Ok(());
        }
        let before = shorten.shortened;
        shorten.feed(bytes.get(..count).unwrap_or_default(), &mut out);
        if shorten.shortened > before {
            tracing::warn!(limit, "a message from the broker is too long; its end is not looked at");
        }
        library.write_all(&out).await?;
        out.clear();
    }
}

/// A new folder for our user alone, in systemd's runtime directory or in that for temporary files.
fn private_folder() -> std::io::Result<PathBuf> {
    let home = std::env::var_os("RUNTIME_DIRECTORY").map_or_else(std::env::temp_dir, |dir| Path::new(&dir).to_owned());
    let folder = home.join(format!("hj212-{}-{:016x}", std::process::id(), rand::random::<u64>()));
    std::fs::DirBuilder::new().mode(0o700).create(&folder)?;
    Ok(folder)
}
