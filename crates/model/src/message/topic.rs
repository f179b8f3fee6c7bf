//! Topics: the one place that knows how they are made. [`Topic`] is where all that is said of a station or of a gateway begins; `docs/mqtt.md`
//! has the list.
//!
//! What must stay true: whatever an MN, an id or an object holds, it is one level, not empty, and no wildcard; different names give different
//! levels; nobody reads a topic that was made here back: what a publication is about stands beside it.

use super::Kind;

/// The longest level made of a name from outside.
pub const LEVEL_MAX: usize = 64;

/// The longest id of a request, an entry or a ruling that stands in a topic as it was said.
const ID_MAX: usize = 64;

// An id stands in topics whole; what is cut has room for its hash.
const _: () = assert!(ID_MAX <= LEVEL_MAX && LEVEL_MAX > 17);

/// FNV-1a, 64 bit. It stands in published topics and ids: it stays what it is.
#[must_use]
pub const fn fnv(bytes: &[u8]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut at = 0;
    while at < bytes.len() {
        hash = (hash ^ bytes[at] as u64).wrapping_mul(0x0000_0100_0000_01b3);
        at += 1;
    }
    hash
}

/// Whether `id` may be that of a request, an entry or a ruling, and stands in topics as it is: letters, digits, `.`, `_`, `-`, at most 64.
#[must_use]
pub fn is_id(id: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    (1..=ID_MAX).contains(&id.len()) && id.bytes().all(fits)
}

/// What all topics of one station (`{prefix}/{mn}`) or of one gateway (`{prefix}/gateway/{id}`) begin with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Topic(String);

impl Topic {
    /// That of a station.
    #[must_use]
    pub fn of_station(prefix: &str, mn: &[u8]) -> Topic {
        let mut topic = format!("{prefix}/");
        // What companies have begins with that level.
        match mn {
            b"operator" => topic.push_str("%6Fperator"),
            _ => level(&mut topic, mn),
        }
        Topic(topic)
    }

    /// That of a gateway.
    #[must_use]
    pub fn of_gateway(prefix: &str, id: &str) -> Topic {
        let mut topic = format!("{prefix}/gateway/");
        level(&mut topic, id.as_bytes());
        Topic(topic)
    }

    /// That of an operation company.
    #[must_use]
    pub fn of_operator(prefix: &str, id: &str) -> Topic {
        let mut topic = format!("{prefix}/operator/");
        level(&mut topic, id.as_bytes());
        Topic(topic)
    }

    /// What the topics of all gateways under `prefix` begin with.
    #[must_use]
    pub fn of_gateways(prefix: &str) -> String {
        format!("{prefix}/gateway/")
    }

    /// A level of our own words under it, or several.
    fn under(&self, what: &str, which: &str) -> String {
        // One allocation, on the way of every record.
        let mut topic = String::with_capacity(self.0.len() + what.len() + which.len() + 2);
        topic.push_str(&self.0);
        for level in [what, which].iter().filter(|level| !level.is_empty()) {
            topic.push('/');
            topic.push_str(level);
        }
        topic
    }

    /// A station's card, retained.
    #[must_use]
    pub fn card(&self) -> String {
        self.under("station", "")
    }

    /// Records of a kind.
    #[must_use]
    pub fn data(&self, kind: Kind) -> String {
        self.under("data", kind.name())
    }

    /// Events of a kind, of a station or of a gateway.
    #[must_use]
    pub fn event(&self, kind: &str) -> String {
        self.under("event", kind)
    }

    /// What has arrived of each day, retained.
    #[must_use]
    pub fn completeness(&self, kind: &str) -> String {
        self.under("completeness", kind)
    }

    /// What a period is worth that was published with another worth before.
    #[must_use]
    pub fn validity(&self, kind: Kind) -> String {
        self.under("validity", kind.name())
    }

    /// A mark on an object, retained; a mark of a dialect's own (`vendor:x`) has two levels.
    #[must_use]
    pub fn mark(&self, mark: &str, object: &str) -> String {
        let mut topic = self.under("mark", &mark.replacen(':', "/", 1));
        topic.push('/');
        level(&mut topic, object.as_bytes());
        topic
    }

    /// What became of a mark entered by hand (`mark-entry`), or of a ruling (`mark-ruling`) of a role.
    #[must_use]
    pub fn entry_status(&self, what: &str, role: Option<&str>, id: &str) -> String {
        let mut topic = self.under(what, "");
        if let Some(role) = role {
            topic.push('/');
            level(&mut topic, role.as_bytes());
        }
        topic.push('/');
        if is_id(id) {
            topic.push_str(id);
        } else {
            level(&mut topic, id.as_bytes());
        }
        topic.push_str("/status");
        topic
    }

    /// A request to the station.
    #[must_use]
    pub fn command(&self, id: &str) -> String {
        let mut topic = self.under("command", "");
        topic.push('/');
        if is_id(id) {
            topic.push_str(id);
        } else {
            // Refused for its form; what stands here can be no other request's id.
            level(&mut topic, format!("%{id}").as_bytes());
        }
        topic
    }

    /// A request to the station in a role, which stands before the id.
    #[must_use]
    pub fn command_by(&self, role: &str, id: &str) -> String {
        let mut topic = self.under("command", role);
        topic.push('/');
        topic.push_str(id);
        topic
    }

    /// What is known of a request, retained.
    #[must_use]
    pub fn command_status(&self, id: &str) -> String {
        self.command(id) + "/status"
    }

    /// A refusal about an id that is in use.
    #[must_use]
    pub fn command_refused(&self, id: &str) -> String {
        self.command(id) + "/refused"
    }

    /// Bytes that a gateway could not use.
    #[must_use]
    pub fn rejected(&self) -> String {
        self.under("rejected", "")
    }

    /// That a gateway's date was set.
    #[must_use]
    pub fn clock_step(&self) -> String {
        self.under("clock-step", "")
    }

    /// Whether a gateway is there, retained.
    #[must_use]
    pub fn status(&self) -> String {
        self.under("status", "")
    }

    /// What stands in place of a message that is too large.
    #[must_use]
    pub fn oversize(&self) -> String {
        self.under("oversize", "")
    }

    /// A signed anchor of the journal, retained.
    #[must_use]
    pub fn anchor(&self) -> String {
        self.under("anchor", "")
    }

    /// A case, retained. Ids of cases are letters, digits, `.`, `-` and `_`.
    #[must_use]
    pub fn case(&self, id: &str) -> String {
        self.under("case", id)
    }

    /// A lead, retained. Ids of leads are letters, digits, `.`, `-` and `_`.
    #[must_use]
    pub fn lead(&self, id: &str) -> String {
        self.under("lead", id)
    }

    /// The scorecard of a month, retained: of a station or of a company.
    #[must_use]
    pub fn score(&self, month: &str) -> String {
        self.under("score", month)
    }

    /// What is judged of a station; `which`: the levels behind the station's.
    #[must_use]
    pub fn judged(&self, which: &str) -> String {
        self.under(which, "")
    }

    /// What a consumer is offered for its confirmation.
    #[must_use]
    pub fn offered(&self) -> String {
        self.under("offered", "")
    }

    /// Where a consumer confirms.
    #[must_use]
    pub fn delivered(&self, consumer: &str) -> String {
        self.under("delivered", consumer)
    }
}

/// Appends `mn` as one topic level: letters, digits, `_` and `-` as they are, every other byte as `%XX`. What would be longer
/// than 64 characters is cut and ends with `~` and a hash of the whole. Different MNs give different levels, and no level is empty,
/// begins with `$` or is the gateway's own (`gateway`).
pub fn level(out: &mut String, mn: &[u8]) {
    let start = out.len();
    let reserved = mn == b"gateway" || mn.is_empty();
    if mn.is_empty() {
        out.push('%');
    }
    for (at, byte) in mn.iter().enumerate() {
        let plain = byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        if plain && !(reserved && at == 0) {
            out.push(char::from(*byte));
        } else {
            push_escaped(out, *byte);
        }
        if out.len() - start > LEVEL_MAX {
            cut(out, start, mn);
            return;
        }
    }
}

fn push_escaped(out: &mut String, byte: u8) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    out.push('%');
    out.push(char::from(HEX[usize::from(byte >> 4)]));
    out.push(char::from(HEX[usize::from(byte & 15)]));
}

fn cut(out: &mut String, start: usize, mn: &[u8]) {
    out.truncate(start + LEVEL_MAX - 17);
    out.push('~');
    for byte in fnv(mn).to_be_bytes() {
        out.push_str(&format!("{byte:02x}"));
    }
}

/// The name of a station for people and tables: the MN, or its level if it holds what no registered MN can hold.
#[must_use]
pub fn station_name(mn: &[u8]) -> String {
    let plain =
        (1..=LEVEL_MAX).contains(&mn.len()) && mn.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
    let mut name = String::new();
    if plain {
        name.extend(mn.iter().copied().map(char::from));
    } else {
        level(&mut name, mn);
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(mn: &[u8]) -> String {
        let mut out = String::new();
        level(&mut out, mn);
        out
    }

    #[test]
    fn nothing_of_a_topic_s_syntax_gets_through() {
        assert_eq!(of(b"010000A8900016F000169DC0"), "010000A8900016F000169DC0");
        assert_eq!(of(b"A110000_0001"), "A110000_0001");
        assert_eq!(of(b"a/+#$"), "a%2F%2B%23%24");
        assert_eq!(of(b""), "%");
        assert_eq!(of(b"gateway"), "%67ateway");
        assert_eq!(Topic::of_station("p", b"operator").card(), "p/%6Fperator/station");
        assert_eq!(Topic::of_operator("p", "OM-1").score("2026-06"), "p/operator/OM-1/score/2026-06");
        assert_eq!(of(&[b'x'; 64]), "x".repeat(64));
        assert_eq!(of(&[b'x'; 65]).len(), 64);
        assert_ne!(of(&[b'x'; 65]), of(&[b'x'; 66]));
    }

    proptest! {
        #[test]
        fn every_level_is_short_and_plain(mn in proptest::collection::vec(any::<u8>(), 0..200)) {
            let level = of(&mn);
            prop_assert!(!level.is_empty() && level.len() <= LEVEL_MAX);
            prop_assert!(level.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'%' | b'~')));
        }
    }
}
