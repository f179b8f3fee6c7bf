//! Where a broker is.

use std::net::Ipv6Addr;

/// One broker: host and port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) host: String,
    pub(super) port: u16,
}

impl Address {
    /// Reads `host`, `host:port`, `[v6]`, `[v6]:port` or a bare IPv6 address; `None` if it has no such form.
    pub(super) fn read(text: &str, default: u16) -> Option<Address> {
        let whole = |host: &str| Some(Address { host: host.to_owned(), port: default });
        if text.parse::<Ipv6Addr>().is_ok() {
            return whole(text);
        }
        let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, rest)) => {
                host.parse::<Ipv6Addr>().ok()?;
                (host, if rest.is_empty() { None } else { Some(rest.strip_prefix(':')?) })
            }
            None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
        };
        match port {
            None => whole(host),
            Some(port) => Some(Address { host: host.to_owned(), port: port.parse().ok().filter(|port| *port != 0)? }),
        }
    }
}
