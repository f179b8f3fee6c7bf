//! Before a connection stands: credentials, the pause between attempts, and how often a complaint may be repeated.
//!
//! What must stay true: the password file is read anew for every connection, so that a repaired file needs no restart; the
//! password itself reaches neither a log nor an error text.

use std::time::{Duration, Instant};

use super::Settings;

/// A connection that lived this long was a good one: the back-off starts anew.
pub(super) const STABLE: Duration = Duration::from_secs(10);
/// After a refusal of the credentials: no second attempt earlier than this.
pub(super) const REFUSED_MIN: Duration = Duration::from_secs(5);
/// The same complaint is logged once in this time.
const REPEAT_MIN: Duration = Duration::from_secs(60);
/// Different complaints remembered.
const COMPLAINTS_MAX: usize = 32;
/// A password file larger than this is the wrong file.
const PASSWORD_MAX: u64 = 65_535;

/// What kind of end a connection, or the attempt at one, came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// There was no connection: nobody answered, or our own side was not ready.
    Unreachable,
    /// The broker said no.
    Refused,
    /// The broker said no to who we are.
    Credentials,
    /// There was a connection and it broke.
    Lost,
    /// There was a connection, and the broker ended it for a reason that is no message's.
    Dismissed,
}

/// Why there is no connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) kind: Kind,
    pub(super) text: String,
}

impl Failure {
    pub(super) fn new(kind: Kind, text: impl Into<String>) -> Self {
        Failure { kind, text: text.into() }
    }
}

/// User name and password for one connection.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Credentials {
    pub(super) username: String,
    pub(super) password: String,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").field("username", &self.username).finish_non_exhaustive()
    }
}

/// Reads what the settings name; `None` if they name no user.
pub(super) async fn credentials(settings: &Settings) -> Result<Option<Credentials>, Failure> {
    let Some(username) = settings.username.clone() else { return Ok(None) };
    let Some(path) = settings.password_file.clone() else {
        return Ok(Some(Credentials { username, password: String::new() }));
    };
    let name = path.display().to_string();
    let unreadable = |why: String| {
        Failure::new(
            Kind::Unreachable,
            format!("the password file {name} cannot be read ({why}): the gateway's user must be able to read it"),
        )
    };
    let read = tokio::task::spawn_blocking(move || {
        if std::fs::metadata(&path)?.len() > PASSWORD_MAX {
            return Err(std::io::Error::other("larger than 65535 bytes"));
        }
        std::fs::read_to_string(&path)
    });
    let text = read.await.map_err(|error| unreadable(error.to_string()))?;
    let text = text.map_err(|error| unreadable(error.to_string()))?;
    let password = text.strip_suffix('\n').unwrap_or(&text);
    let password = password.strip_suffix('\r').unwrap_or(password).to_owned();
    Ok(Some(Credentials { username, password }))
}

/// The pause between two attempts: doubling, with jitter, so that many gateways do not return at once.
#[derive(Debug)]
pub(super) struct Backoff {
    min: Duration,
    max: Duration,
    step: Duration,
}

impl Backoff {
    pub(super) fn new(min: Duration, max: Duration) -> Self {
        let min = min.max(Duration::from_millis(10));
        Backoff { min, max: max.max(min), step: min }
    }

    /// The pause after a connection, or the attempt at one, that lived for `lived`: between half the step and the whole of it,
    /// after refused credentials at least [`REFUSED_MIN`]. `progress`: it took something, or told why it ended.
    pub(super) fn pause(&mut self, kind: Kind, lived: Duration, progress: bool) -> Duration {
        if lived >= STABLE || progress {
            self.step = self.min;
        }
        let step = self.step;
        self.step = step.saturating_mul(2).min(self.max);
        let drawn = step.mul_f64(rand::random_range(0.5..=1.0));
        if kind == Kind::Credentials { REFUSED_MIN + drawn } else { drawn }
    }
}

/// Lets the same complaint through once a minute.
#[derive(Debug, Default)]
pub(super) struct Complaints(Vec<(String, Instant)>);

impl Complaints {
    /// Whether `text` is due.
    pub(super) fn due(&mut self, text: &str, now: Instant) -> bool {
        self.0.retain(|(_, said)| now.saturating_duration_since(*said) < REPEAT_MIN);
        if self.0.len() >= COMPLAINTS_MAX || self.0.iter().any(|(said, _)| said == text) {
            return false;
        }
        self.0.push((text.to_owned(), now));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_doubles_up_to_its_maximum_and_starts_anew_after_a_stable_connection() {
        let mut backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(5));
        for step in [500, 1000, 2000, 4000, 5000, 5000] {
            let pause = backoff.pause(Kind::Lost, Duration::ZERO, false).as_millis();
            assert!((step / 2..=step).contains(&pause), "{pause} of {step}");
        }
        assert!(backoff.pause(Kind::Lost, Duration::ZERO, true) <= Duration::from_millis(500));
        assert!(backoff.pause(Kind::Lost, Duration::ZERO, false) > Duration::from_millis(250));
        assert!(backoff.pause(Kind::Lost, STABLE, false) <= Duration::from_millis(500));
    }

    #[test]
    fn refused_credentials_are_tried_at_most_every_five_seconds() {
        let mut backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(5));
        for _ in 0..20 {
            let pause = backoff.pause(Kind::Credentials, Duration::ZERO, false);
            assert!((REFUSED_MIN..=REFUSED_MIN * 2).contains(&pause));
        }
    }

    #[test]
    fn the_same_complaint_is_due_once_a_minute_and_the_memory_is_bounded() {
        let (mut complaints, start) = (Complaints::default(), Instant::now());
        assert!(complaints.due("a", start));
        assert!(!complaints.due("a", start + Duration::from_secs(59)));
        assert!(complaints.due("b", start));
        assert!(complaints.due("a", start + Duration::from_secs(60)));
        let due = (0..1000).filter(|n| complaints.due(&n.to_string(), start + Duration::from_secs(60))).count();
        assert!(due < COMPLAINTS_MAX);
    }

    #[tokio::test]
    async fn the_password_is_the_file_without_its_line_end_and_is_read_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("password");
        let settings =
            Settings { username: Some("gw".into()), password_file: Some(path.clone()), ..Settings::default() };
        let failure = credentials(&settings).await.unwrap_err();
        assert!(failure.text.contains("cannot be read"), "{}", failure.text);
        for (file, password) in [("one\n", "one"), ("two \r\n", "two "), ("three", "three")] {
            std::fs::write(&path, file).unwrap();
            let read = credentials(&settings).await.unwrap().unwrap();
            assert_eq!(read.password, password);
            assert!(!format!("{read:?}").contains(password));
        }
        assert_eq!(credentials(&Settings::default()).await, Ok(None));
    }
}
