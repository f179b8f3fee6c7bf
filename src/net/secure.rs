//! Listeners for stations behind TLS or behind a load balancer.
//!
//! What must stay true: what comes before the first frame (PROXY header, handshake) has [`Settings::handshake_max`](super::Settings) in all and a
//! place among the connections; what fails there is closed, counted and named, and harms nobody else; other certificates hold for the
//! next connection, those that stand keep theirs.

use std::sync::{Arc, PoisonError, RwLock};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

use hj212_certificates::{self as certificates, ServerFiles, WrongFile};

/// `[[listen.also]]`: a further listener, with modes of its own.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ExtraListener {
    /// `HOST:PORT`.
    pub address: String,
    /// Certificates, if stations speak TLS here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<ServerFiles>,
    /// The load balancers in front of it, which begin every connection with a PROXY header (version 1 or 2); nobody else may connect
    /// here. Empty: stations connect themselves.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub proxy_from: Vec<IpNet>,
}

/// How connections of a listener begin.
#[derive(Debug, Clone, Default)]
pub struct ListenerMode {
    pub(super) tls: Option<Arc<Certificates>>,
    pub(super) proxy_from: Vec<IpNet>,
}

impl ListenerMode {
    /// The mode of a further listener.
    ///
    /// # Errors
    /// The file that is no use.
    pub fn of(also: &ExtraListener) -> Result<ListenerMode, WrongFile> {
        let tls = also.tls.as_ref().map(Certificates::read).transpose()?.map(Arc::new);
        Ok(ListenerMode { tls, proxy_from: also.proxy_from.clone() })
    }

    /// The certificates, if TLS is spoken.
    #[must_use]
    pub fn certificates(&self) -> Option<&Arc<Certificates>> {
        self.tls.as_ref()
    }

    /// Whether stations are simply heard.
    pub(super) fn is_plain(&self) -> bool {
        self.tls.is_none() && self.proxy_from.is_empty()
    }
}

/// The certificates of a listener, which can change while it stands.
#[derive(Debug)]
pub struct Certificates {
    now: RwLock<(Arc<ServerConfig>, Option<i64>)>,
}

impl Certificates {
    fn read(files: &ServerFiles) -> Result<Certificates, WrongFile> {
        Ok(Certificates { now: RwLock::new(certificates::server(files)?) })
    }

    /// Reads the files anew; whether anything was different is not asked.
    ///
    /// # Errors
    /// The file that is no use; what held still holds.
    pub fn renew(&self, files: &ServerFiles) -> Result<(), WrongFile> {
        let new = certificates::server(files)?;
        *self.now.write().unwrap_or_else(PoisonError::into_inner) = new;
        Ok(())
    }

    /// When the certificate ends, seconds since 1970.
    #[must_use]
    pub fn ends(&self) -> Option<i64> {
        self.now.read().unwrap_or_else(PoisonError::into_inner).1
    }

    pub(super) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.now.read().unwrap_or_else(PoisonError::into_inner).0))
    }
}
