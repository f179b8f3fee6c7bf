//! The address of a server: where a request goes, and nowhere else.
//!
//! What must stay true: an address may be a secret, so no mistake shows it; one with a user or a password in it is none.

use hyper::Uri;

/// Where a request goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServerAddress {
    /// Whether it is spoken to behind TLS.
    pub(crate) tls: bool,
    /// Name or IP address, without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// What stands in the header Host.
    pub(crate) authority: String,
    /// Path and query.
    pub(crate) path: String,
}

impl ServerAddress {
    /// Reads `https://HOST/PATH` or `http://HOST:PORT/PATH`.
    pub(crate) fn read(text: &str) -> Result<ServerAddress, &'static str> {
        let uri: Uri = text.parse().map_err(|_| "the address cannot be read: write https://HOST/PATH")?;
        let tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            Some(_) | None => return Err("the address has no scheme: write https://HOST/PATH"),
        };
        let (Some(authority), Some(host)) = (uri.authority(), uri.host().filter(|host| !host.is_empty())) else {
            return Err("the address has no host: write https://HOST/PATH");
        };
        if authority.as_str().contains('@') {
            return Err("the address has a user in it: write https://HOST/PATH");
        }
        let port = match uri.port() {
            Some(port) => port.as_u16(),
            None if authority.as_str().ends_with(host) => {
                if tls {
                    443
                } else {
                    80
                }
            }
            None => return Err("the address has no good port: write https://HOST:PORT/PATH"),
        };
        Ok(ServerAddress {
            tls,
            host: host.trim_start_matches('[').trim_end_matches(']').to_owned(),
            port,
            authority: authority.as_str().to_owned(),
            path: uri.path_and_query().map_or("/", |path| path.as_str()).to_owned(),
        })
    }
}
