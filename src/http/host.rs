//! By which names the page may be called: other pages in a browser may not ask through a name of their own.

use std::net::IpAddr;

/// Whether the server is known by this name.
pub(super) fn is_own(host: &str, names: &[String]) -> bool {
    let name = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((name, _)) => name,
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    name.is_empty()
        || name.eq_ignore_ascii_case("localhost")
        || name.parse::<IpAddr>().is_ok()
        || names.iter().any(|own| own.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::is_own;

    #[test]
    fn only_addresses_and_localhost_are_its_names() {
        for own in ["127.0.0.1:9080", "localhost", "LOCALHOST:80", "[::1]:9080", "[::1]", "10.0.0.1", ""] {
            assert!(is_own(own, &[]), "{own}");
        }
        assert!(is_own("GW.example:9080", &["gw.example".to_owned()]));
        for foreign in ["rebind.example:9080", "gateway.example", "localhost.example", "127.0.0.1.example:80"] {
            assert!(!is_own(foreign, &["gw.example".to_owned()]), "{foreign}");
        }
    }
}
