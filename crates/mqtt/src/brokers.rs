//! The brokers of one cluster, tried in turn.
//!
//! What must stay true: all of them are one broker to who subscribes (the nodes of a cluster, or a pair behind bridges): what one has
//! acknowledged is not sent to the next, and retained messages are looked for where the connection happens to be. A broker that stands is
//! kept; the next one is tried only when a connection, or the attempt at one, has failed for a reason that is no message's.

use super::Settings;
use super::address::Address;

/// Whose turn it is.
#[derive(Debug)]
pub(super) struct Brokers {
    all: Vec<Address>,
    at: usize,
}

impl Brokers {
    /// Begins with the first: `host` and `port` of the settings, then those of `also`.
    pub(super) fn new(settings: &Settings) -> Brokers {
        let first = Address { host: settings.host.clone(), port: settings.port };
        let others = settings.also.iter().filter_map(|text| Address::read(text, settings.port));
        Brokers { all: std::iter::once(first).chain(others).collect(), at: 0 }
    }

    /// Goes on to the next and writes it into `settings`. Whether a broker is left that was not tried since the first one.
    pub(super) fn advance(&mut self, settings: &mut Settings) -> bool {
        self.at = (self.at + 1) % self.all.len().max(1);
        if let Some(address) = self.all.get(self.at) {
            settings.host.clone_from(&address.host);
            settings.port = address.port;
        }
        self.at != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_host_with_or_without_a_port() {
        let read = |text: &str| Address::read(text, 1883).map(|address| (address.host, address.port));
        for (text, host, port) in [
            ("b", "b", 1883),
            ("b:1884", "b", 1884),
            ("10.0.0.2", "10.0.0.2", 1883),
            ("::1", "::1", 1883),
            ("[::1]", "::1", 1883),
            ("[fe80::1]:8883", "fe80::1", 8883),
        ] {
            assert_eq!(read(text), Some((host.to_owned(), port)), "{text}");
        }
        for text in ["b:", "b:0", "b:65536", "b:x", "[b]:1", "[::1]1883", "[::1"] {
            assert_eq!(read(text).filter(|(host, _)| !host.contains('[')), None, "{text}");
        }
    }

    #[test]
    fn brokers_are_tried_in_turn_and_then_from_the_first_again() {
        let mut settings = Settings { also: vec!["b:2".into(), "c".into()], ..Settings::default() };
        let mut brokers = Brokers::new(&settings);
        let turns: Vec<_> = (0..4)
            .map(|_| {
                let more = brokers.advance(&mut settings);
                (settings.host.clone(), settings.port, more)
            })
            .collect();
        let of = |host: &str, port, more| (host.to_owned(), port, more);
        assert_eq!(turns, [of("b", 2, true), of("c", 1883, true), of("127.0.0.1", 1883, false), of("b", 2, true)]);
        let mut one = Settings::default();
        assert!(!Brokers::new(&one).advance(&mut one) && one == Settings::default());
    }
}
