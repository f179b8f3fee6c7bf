//! Connections of the operators' HTTP server: accepted, limited, ended.
//!
//! What must stay true: at most [`CONNECTIONS_MAX`] connections, so that nobody who opens many takes the stations' descriptors; who does not
//! say what it wants within [`HEADER_MAX`] is let go; whatever a peer does, the server is closed [`END_MAX`] after it was told to stop.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Address;
use hj212_model::clock;

/// Connections at a time; more wait in the system's queue.
pub const CONNECTIONS_MAX: usize = 256;
/// How long a peer may take to say what it wants, also between two requests.
const HEADER_MAX: Duration = Duration::from_secs(10);
/// How long peers have to take their answers when the gateway stops.
const END_MAX: Duration = Duration::from_millis(500);
/// How long the loop rests when the system gives it no more descriptors.
const REST: Duration = Duration::from_secs(1);

/// Where operators are listened to.
#[derive(Debug)]
pub enum Listener {
    /// At an address.
    Tcp(TcpListener),
    /// At a file, which is removed in the end.
    Unix(UnixListener, PathBuf),
}

impl Listener {
    /// Listens at `address`. The file of a socket that nobody listens on any more is replaced.
    ///
    /// # Errors
    /// What the system says.
    pub async fn bind(address: &Address) -> io::Result<Listener> {
        match address {
            Address::Tcp(address) => TcpListener::bind(address).await.map(Listener::Tcp),
            Address::Unix(path) => {
                if is_left_over(path) {
                    std::fs::remove_file(path)?;
                }
                UnixListener::bind(path).map(|listener| Listener::Unix(listener, path.clone()))
            }
        }
    }

    /// The address, if it is one.
    #[must_use]
    pub fn local_addr(&self) -> Option<SocketAddr> {
        match self {
            Listener::Tcp(listener) => listener.local_addr().ok(),
            Listener::Unix(..) => None,
        }
    }

    async fn accept(&self) -> io::Result<(Box<dyn Stream>, Option<SocketAddr>)> {
        match self {
            Listener::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                Ok((Box::new(stream), Some(peer)))
            }
            Listener::Unix(listener, _) => {
                let (stream, _) = listener.accept().await?;
                Ok((Box::new(stream), None))
            }
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Listener::Unix(_, path) = self {
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Whether there is a socket on which nobody listens, as a process leaves it that was killed.
fn is_left_over(path: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt;
    let is_socket = std::fs::symlink_metadata(path).is_ok_and(|what| what.file_type().is_socket());
    is_socket && std::os::unix::net::UnixStream::connect(path).is_err()
}

/// Bytes both ways.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// How long the head of a request may take, and whether the clock is at a date that HTTP can write.
type ConnectionMode = (Duration, fn() -> bool);

/// What is said while it is not.
const NO_DATE: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n\
    the host's clock is before 1970 or after 9999: no page until it is set right; stations are served all the same\n";

/// Serves `app` until `stop`.
pub(super) async fn open(listener: Listener, app: Router, connections_max: usize, stop: CancellationToken) {
    serve(listener, app, stop, (HEADER_MAX, clock::is_civil), connections_max).await;
}

async fn serve(
    listener: Listener,
    app: Router,
    stop: CancellationToken,
    manner: ConnectionMode,
    connections_max: usize,
) {
    let places = Arc::new(Semaphore::new(connections_max.min(CONNECTIONS_MAX)));
    let connections = TaskTracker::new();
    let mut refused = false;
    while let Some(place) = tokio::select! {
        place = Arc::clone(&places).acquire_owned() => place.ok(),
        () = stop.cancelled() => None,
    } {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => break,
        };
        match accepted {
            Ok((stream, peer)) => {
                refused = false;
                let (app, stop) = (app.clone(), stop.clone());
                connections.spawn(async move {
                    let _place = place;
                    converse(stream, peer, app, stop, manner).await;
                });
            }
            Err(error) => {
                if !std::mem::replace(&mut refused, true) {
                    tracing::warn!(%error, "an operator's connection cannot be accepted");
                }
                tokio::time::sleep(REST).await;
            }
        }
    }
    drop(listener);
    connections.close();
    let _ = tokio::time::timeout(END_MAX, connections.wait()).await;
}

async fn converse(
    mut stream: Box<dyn Stream>,
    peer: Option<SocketAddr>,
    app: Router,
    stop: CancellationToken,
    (header_max, is_civil): ConnectionMode,
) {
    if !is_civil() {
        let _ = tokio::time::timeout(END_MAX, stream.write_all(NO_DATE)).await;
        let _ = tokio::time::timeout(END_MAX, stream.shutdown()).await;
        return;
    }
    let app = match peer {
        Some(peer) => app.layer(axum::Extension(ConnectInfo(peer))),
        None => app,
    };
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(header_max);
    let connection = server.serve_connection(TokioIo::new(stream), TowerToHyperService::new(app));
    let mut connection = std::pin::pin!(connection);
    // The library looks at the clock whenever it moves.
    let mut guarded = std::future::poll_fn(|context| match is_civil() {
        true => connection.as_mut().poll(context),
        false => Poll::Ready(Ok(())),
    });
    let stopped = tokio::select! {
        ended = &mut guarded => Err(ended.err()),
        () = stop.cancelled() => Ok(()),
    };
    let error = match stopped {
        Err(error) => error,
        Ok(()) if !is_civil() => None,
        Ok(()) => {
            connection.as_mut().graceful_shutdown();
            tokio::time::timeout(END_MAX, connection).await.ok().and_then(Result::err)
        }
    };
    tracing::trace!(?peer, ?error, "an operator's connection has ended");
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::routing::get;
    use tokio::io::AsyncReadExt;

    fn app() -> Router {
        Router::new().route("/", get(async || "here"))
    }

    #[tokio::test]
    async fn nobody_holds_the_listener_up() {
        let address = Address::Tcp("127.0.0.1:0".parse().unwrap());
        let listener = Listener::bind(&address).await.unwrap();
        let at = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let served = tokio::spawn(open(listener, app(), CONNECTIONS_MAX, stop.clone()));
        let mut half = tokio::net::TcpStream::connect(at).await.unwrap();
        half.write_all(b"GET / HTT").await.unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
        let begun = std::time::Instant::now();
        stop.cancel();
        served.await.unwrap();
        assert!(begun.elapsed() < Duration::from_secs(30));
    }

    #[tokio::test]
    async fn it_listens_at_a_socket_file_too_and_replaces_an_old_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("http.sock");
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        let listener = Listener::bind(&Address::Unix(path.clone())).await.unwrap();
        let stop = CancellationToken::new();
        let served = tokio::spawn(open(listener, app(), CONNECTIONS_MAX, stop.clone()));
        let mut peer = tokio::net::UnixStream::connect(&path).await.unwrap();
        peer.write_all(b"GET / HTTP/1.0\r\n\r\n").await.unwrap();
        let mut said = String::new();
        peer.read_to_string(&mut said).await.unwrap();
        assert!(said.ends_with("here"), "{said}");
        let taken = Listener::bind(&Address::Unix(path.clone())).await;
        assert!(taken.is_err(), "somebody listens there");
        stop.cancel();
        served.await.unwrap();
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn who_says_nothing_is_let_go() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("http.sock");
        let listener = Listener::bind(&Address::Unix(path.clone())).await.unwrap();
        let stop = CancellationToken::new();
        let served =
            tokio::spawn(serve(listener, app(), stop.clone(), (Duration::from_millis(100), || true), CONNECTIONS_MAX));
        let mut silent = tokio::net::UnixStream::connect(&path).await.unwrap();
        silent.write_all(b"GET / HTTP/1.1\r\nHo").await.unwrap();
        let mut said = Vec::new();
        tokio::time::timeout(Duration::from_secs(30), silent.read_to_end(&mut said)).await.unwrap().unwrap();
        stop.cancel();
        served.await.unwrap();
    }

    #[tokio::test]
    async fn a_clock_that_no_date_can_say_is_told_and_panics_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("http.sock");
        let listener = Listener::bind(&Address::Unix(path.clone())).await.unwrap();
        let stop = CancellationToken::new();
        let served = tokio::spawn(serve(listener, app(), stop.clone(), (HEADER_MAX, || false), CONNECTIONS_MAX));
        let mut peer = tokio::net::UnixStream::connect(&path).await.unwrap();
        let mut said = String::new();
        peer.read_to_string(&mut said).await.unwrap();
        assert!(said.starts_with("HTTP/1.1 503") && said.contains("1970"), "{said}");
        stop.cancel();
        served.await.unwrap();
    }
}
