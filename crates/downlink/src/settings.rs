//! What operators decide about the downlink. Everything is off until it is allowed.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The settings of the command desk.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Whether there is a downlink at all: requests over MQTT, clocks, first contact, recall. A change needs a restart.
    pub enabled: bool,
    /// How long the broker keeps requests while the gateway is away.
    #[serde(with = "hj212_model::settings::duration")]
    pub session: Duration,
    /// Requests looked at in a second, from 1; more wait at the broker.
    pub requests_per_second: u32,
    /// Who may give which command to which station. Empty: nobody.
    pub allow: Vec<Allow>,
    /// Requests that wait for one station, 1 to 1,000. Beyond: refusal `queue-full`.
    pub queue_max: usize,
    /// How long a request waits at most, unless it says so itself.
    #[serde(with = "hj212_model::settings::duration")]
    pub expiry: Duration,
    /// Whether a request must say when it was asked (`asked_at`), or carry the message expiry of MQTT 5: what says neither may have waited at
    /// the broker for any time.
    pub dated: bool,
    /// How long a control command waits for its confirmation.
    #[serde(with = "hj212_model::settings::duration")]
    pub confirm_within: Duration,
    /// Whether somebody else must confirm.
    pub confirm_by_other: bool,
    /// How long 9011 or 9013 is waited for (HJ 212-2017, table 1: 10 s mobile, 5 s ADSL; 2025: 30 s NB-IoT).
    #[serde(with = "hj212_model::settings::duration")]
    pub answer_timeout: Duration,
    /// How often a request is sent again (the same table: 3; NB-IoT: 5).
    pub resends: u8,
    /// How long data or 9012 is waited for after 9011 or the last data. The standard leaves the figure open.
    #[serde(with = "hj212_model::settings::duration")]
    pub execution_timeout: Duration,
    /// How many ids are remembered, so that none is used twice.
    pub ids_max: usize,
    /// Whether requests for stations that are not connected here are left alone, without a status: for several gateways that listen to the
    /// same requests. Those about a request that was taken here are always looked at.
    pub only_connected: bool,
    /// Whether a logger that asks to be registered (1001, HJ 212-2025, 6.8 and C.2) and whose hardware number stands with a station is
    /// given that station's MN (1002; HJ 212-2025, C.3). The row in the station file is the approval.
    pub registration: bool,
    /// What a station is told when it first comes.
    pub first_contact: FirstContact,
    /// What is done about clocks.
    pub clock: Clocks,
    /// What is done about keys (HJ 212-2025, 6.4.3).
    pub keys: KeyCare,
    /// Whether a password may stand in a request in clear; anyone who may read the topic reads it.
    pub plain_secrets: bool,
    /// A folder of files that requests may name for a password or key; empty: none.
    pub secrets: std::path::PathBuf,
    /// What is otherwise for stations registered with `policy = "NAME"`.
    pub policies: BTreeMap<String, Policy>,
}

/// What differs for the stations of a policy; what is left out is as for all.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// The link, which gives time-out and resends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link: Option<Link>,
    /// What is waited for after 9011 or the last data, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub execution_seconds: Option<u32>,
    /// What such a station is told when it first comes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_contact: Option<FirstContact>,
    /// What is done about its clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clock: Option<Clocks>,
}

/// The time-outs by link (HJ 212-2017, 6.2 and table 1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Link {
    /// GPRS to LTE: 10 s, 3 resends.
    Mobile,
    /// ADSL: 5 s, 3 resends.
    Adsl,
    /// NB-IoT (HJ 212-2025, 6.2): 30 s, 5 resends.
    NbIot,
}

impl Settings {
    /// With the time-out and resends of a link.
    #[must_use]
    pub fn on(self, link: Link) -> Settings {
        let (seconds, resends) = match link {
            Link::Mobile => (10, 3),
            Link::Adsl => (5, 3),
            Link::NbIot => (30, 5),
        };
        Settings { answer_timeout: Duration::from_secs(seconds), resends, ..self }
    }

    /// As they are for the stations of `policy`.
    #[must_use]
    pub fn under(&self, policy: &Policy) -> Settings {
        let own = match policy.link {
            Some(link) => self.clone().on(link),
            None => self.clone(),
        };
        let execution = policy.execution_seconds.map(|seconds| Duration::from_secs(seconds.into()));
        Settings {
            execution_timeout: execution.unwrap_or(own.execution_timeout),
            first_contact: policy.first_contact.clone().unwrap_or_else(|| own.first_contact.clone()),
            clock: policy.clock.clone().unwrap_or_else(|| own.clock.clone()),
            ..own
        }
    }

    /// Values that cannot work: the key, the value, what it must be.
    #[must_use]
    pub fn wrong(&self) -> Vec<(&'static str, String, &'static str)> {
        let mut wrong = Vec::new();
        for role in self.roles().into_iter().filter(|role| !super::is_id(role)) {
            wrong.push(("allow", format!("{role:?}"), "roles of 1 to 64 letters, digits, '.', '_' and '-'"));
        }
        wrong
    }
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            enabled: false,
            session: Duration::from_secs(24 * 3600),
            requests_per_second: 50,
            allow: Vec::new(),
            queue_max: 32,
            expiry: Duration::from_secs(24 * 3600),
            confirm_within: Duration::from_secs(600),
            confirm_by_other: true,
            answer_timeout: Duration::from_secs(10),
            resends: 3,
            execution_timeout: Duration::from_secs(60),
            ids_max: 10_000,
            only_connected: false,
            registration: true,
            first_contact: FirstContact::default(),
            clock: Clocks::default(),
            keys: KeyCare::default(),
            dated: false,
            plain_secrets: false,
            secrets: std::path::PathBuf::new(),
            policies: BTreeMap::new(),
        }
    }
}

/// One rule: all must fit. `*` fits all.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Allow {
    /// MNs.
    pub stations: Vec<String>,
    /// Names of commands.
    pub commands: Vec<String>,
    /// Authors.
    pub authors: Vec<String>,
    /// Roles, a level of the topic for which the broker's access list vouches: `…/command/ROLE/ID`. Empty: requests without a role,
    /// `…/command/ID`, and no others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
}

impl Settings {
    /// Whether a rule fits.
    #[must_use]
    pub fn allows(&self, mn: &str, command: &str, author: &str, role: Option<&str>) -> bool {
        let fits = |list: &[String], one: &str| list.iter().any(|entry| entry == "*" || entry == one);
        let vouched = |rule: &Allow| role.map_or(rule.roles.is_empty(), |role| fits(&rule.roles, role));
        let rule = |rule: &Allow| {
            vouched(rule) && fits(&rule.stations, mn) && fits(&rule.commands, command) && fits(&rule.authors, author)
        };
        self.allow.iter().any(rule)
    }

    /// Whether any rule is for requests under `role`.
    #[must_use]
    pub fn knows_role(&self, role: &str) -> bool {
        self.allow.iter().flat_map(|rule| &rule.roles).any(|known| known == "*" || known == role)
    }

    /// The roles that rules name, each a level of the topics on which requests come.
    #[must_use]
    pub fn roles(&self) -> std::collections::BTreeSet<&str> {
        self.allow.iter().flat_map(|rule| &rule.roles).map(String::as_str).filter(|role| *role != "*").collect()
    }
}

/// The first-connection sequence (HJ 212-2017, 6.7). What is left out is not sent.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct FirstContact {
    /// 1012.
    pub set_time: bool,
    /// 1000: time-out in seconds, resends.
    pub timeouts: Option<(u8, u8)>,
    /// 1062, seconds.
    pub realtime_interval: Option<u16>,
    /// 1064, minutes.
    pub minute_interval: Option<u8>,
    /// 2011 or 2012.
    pub realtime: Option<bool>,
    /// 2021 or 2022.
    pub state: Option<bool>,
}

/// What is done about clocks.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Clocks {
    /// Beyond this median offset a drift is said.
    #[serde(with = "hj212_model::settings::duration")]
    pub drift: Duration,
    /// Whether drift is corrected by 1012.
    pub correct: bool,
    /// Whether a station that asks (1013) gets its 1012.
    pub answer_requests: bool,
    /// The least time between two corrections of one clock.
    #[serde(with = "hj212_model::settings::duration")]
    pub every: Duration,
}

impl Default for Clocks {
    fn default() -> Self {
        Clocks {
            drift: Duration::from_secs(120),
            correct: false,
            answer_requests: false,
            every: Duration::from_secs(3600),
        }
    }
}

/// What is done about keys.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct KeyCare {
    /// How old a key may get before its renewal is called for (HJ 212-2025, 6.4.3: 90 days).
    #[serde(with = "hj212_model::settings::duration")]
    pub renew_after: Duration,
    /// Whether a station that asks for a key (1014; C.7) is given one (1014; C.8), under the key that it uses.
    pub answer_requests: bool,
    /// The least time between two keys given for the asking.
    #[serde(with = "hj212_model::settings::duration")]
    pub every: Duration,
}

impl Default for KeyCare {
    fn default() -> Self {
        KeyCare {
            renew_after: Duration::from_secs(90 * 24 * 3600),
            answer_requests: true,
            every: Duration::from_secs(3600),
        }
    }
}
