//! The accept loop: it never ends while the listener stands.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::connection::Connection;
use super::listener_state::ListenerState;
use super::listener_state::admission::{Admission, ConnectionSlot};
use super::proxy;
use super::secure::ListenerMode;
use hj212_certificates as certificates;
use hj212_model::telemetry::Counter;

/// Connections that the system holds for us while we are busy; a crowd redials at once after an outage.
const BACKLOG: i32 = 4096;

/// How long the loop rests after an error that the next accept would meet again (no descriptors left).
const REST: Duration = Duration::from_millis(50);

/// How often that is said.
const SAID_EVERY: Duration = Duration::from_secs(10);

/// Listens on `address` (`HOST:PORT`); an IPv6 wildcard takes IPv4 as well.
///
/// # Errors
/// What the system says, or that the host name means nothing.
pub fn bind(address: &str) -> io::Result<TcpListener> {
    use std::net::ToSocketAddrs;
    let mut last = io::Error::new(io::ErrorKind::InvalidInput, "the host name means no address");
    for address in address.to_socket_addrs()? {
        match bind_to(address) {
            Ok(listener) => return Ok(listener),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn bind_to(address: SocketAddr) -> io::Result<TcpListener> {
    let domain = if address.is_ipv6() { socket2::Domain::IPV6 } else { socket2::Domain::IPV4 };
    let socket = socket2::Socket::new(domain, socket2::Type::STREAM, Some(socket2::Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// Accepts stations until `stop`; returns when the last connection has sent its answers and is closed.
pub async fn serve(listener: TcpListener, mode: ListenerMode, shared: Arc<ListenerState>, stop: CancellationToken) {
    let connections = TaskTracker::new();
    let mut said: Option<std::time::Instant> = None;
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => break,
        };
        match accepted {
            Ok((stream, peer)) if mode.is_plain() => welcome(stream, peer, &shared, &connections, &stop),
            Ok((stream, peer)) => receive(stream, peer, &mode, &shared, &connections, &stop),
            Err(error) => {
                shared.telemetry.count(Counter::AcceptErrors);
                // A peer that is gone before it was accepted is no reason to rest.
                if !matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset) {
                    if said.is_none_or(|at| at.elapsed() >= SAID_EVERY) {
                        said = Some(std::time::Instant::now());
                        tracing::warn!(%error, "connections cannot be accepted (accept_errors counts them)");
                    }
                    tokio::time::sleep(REST).await;
                }
            }
        }
    }
    drop(listener);
    connections.close();
    connections.wait().await;
}

fn welcome(
    stream: TcpStream,
    peer: SocketAddr,
    shared: &Arc<ListenerState>,
    connections: &TaskTracker,
    stop: &CancellationToken,
) {
    let Some(admission) = shared.admit(peer) else {
        tracing::debug!(%peer, "refused: too many connections");
        return;
    };
    tune(&stream, admission.settings.keep_alive);
    connections.spawn(Connection::new(stream, admission).run(stop.clone()));
}

/// What the socket of a station is like.
fn tune(stream: &TcpStream, keep_alive: Duration) {
    let alive = socket2::TcpKeepalive::new()
        .with_time(keep_alive)
        .with_interval((keep_alive / 4).max(Duration::from_secs(1)))
        .with_retries(4);
    // Both only make things better: without them the connection still works.
    let _ = socket2::SockRef::from(stream).set_tcp_keepalive(&alive);
    let _ = stream.set_nodelay(true);
}

/// A connection that does not begin with a frame.
fn receive(
    stream: TcpStream,
    peer: SocketAddr,
    mode: &ListenerMode,
    shared: &Arc<ListenerState>,
    connections: &TaskTracker,
    stop: &CancellationToken,
) {
    let Some(place) = shared.reserve() else {
        tracing::debug!(%peer, "refused: too many connections");
        return;
    };
    let shared = Arc::clone(shared);
    connections.spawn(begin(stream, peer, mode.clone(), shared, place, stop.clone()));
}

/// What a connection begins with is over: it can speak.
enum Prelude {
    Plain(TcpStream, Admission),
    Tls(Box<TlsStream<TcpStream>>, Admission),
}

async fn begin(
    stream: TcpStream,
    peer: SocketAddr,
    mode: ListenerMode,
    shared: Arc<ListenerState>,
    place: ConnectionSlot,
    stop: CancellationToken,
) {
    let greeted = tokio::select! {
        biased;
        // Who has said nothing yet is owed nothing.
        () = stop.cancelled() => return,
        greeted = greet(stream, peer, &mode, &shared, place) => greeted,
    };
    match greeted {
        Some(Prelude::Plain(stream, admission)) => Connection::new(stream, admission).run(stop).await,
        Some(Prelude::Tls(stream, admission)) => Box::pin(Connection::new(stream, admission).run(stop)).await,
        None => {}
    }
}

async fn greet(
    mut stream: TcpStream,
    peer: SocketAddr,
    mode: &ListenerMode,
    shared: &ListenerState,
    place: ConnectionSlot,
) -> Option<Prelude> {
    let settings = shared.settings();
    tune(&stream, settings.keep_alive);
    let until = tokio::time::Instant::now() + settings.handshake_max;
    let late = || io::Error::new(io::ErrorKind::TimedOut, "not done within handshake_max");
    let mut named = peer;
    if !mode.proxy_from.is_empty() {
        let balancer = mode.proxy_from.iter().any(|network| network.contains(&peer.ip().to_canonical()));
        let header = match balancer {
            true => tokio::time::timeout_at(until, proxy::read(&mut stream)).await.unwrap_or_else(|_| Err(late())),
            false => Err(io::Error::new(io::ErrorKind::PermissionDenied, "it is no load balancer of proxy_from")),
        };
        match header {
            Ok(said) => named = said.unwrap_or(peer),
            Err(error) => {
                shared.telemetry.count(Counter::ConnectionsUnproxied);
                tracing::info!(%peer, %error, "connection closed: no PROXY header");
                return None;
            }
        }
    }
    let Some(admission) = place.admit(named) else {
        tracing::debug!(peer = %named, "refused: too many connections");
        return None;
    };
    let Some(tls) = &mode.tls else { return Some(Prelude::Plain(stream, admission)) };
    let handshake = tokio::time::timeout_at(until, tls.acceptor().accept(stream)).await;
    match handshake.unwrap_or_else(|_| Err(late())) {
        Ok(stream) => Some(Prelude::Tls(Box::new(stream), admission)),
        Err(error) => {
            shared.telemetry.count(Counter::ConnectionsUntls);
            let why = certificates::explain(&error, "the station");
            tracing::info!(peer = %named, why, "connection closed: no TLS");
            None
        }
    }
}
