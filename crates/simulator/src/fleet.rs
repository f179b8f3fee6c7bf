//! Who the simulated stations are. Everything follows from the options: the same options give the same fleet, so a registry
//! printed by one run fits the next.

use std::fmt::Write as _;

use super::clock::SECOND;
use super::faults::{Fault, FaultSet};
use super::options::Options;
use super::seeded_random::SeededRandom;
use super::subject::Subject;
use hj212::Edition;
use hj212::sm4::Key;

/// One station, as it knows itself.
#[derive(Debug, Clone)]
pub struct Profile {
    /// Its number within the fleet, from `--first`.
    pub number: u32,
    /// The MN it sends; empty until the host gives it one.
    pub mn: String,
    /// The PW it sends. Never logged.
    pub(crate) pw: String,
    /// What it monitors.
    pub subject: Subject,
    /// The edition it speaks.
    pub edition: Edition,
    /// Its habits.
    pub quirks: FaultSet,
    /// What its values follow from.
    pub(crate) seed: u64,
    /// How far its clock is ahead, in microseconds.
    pub(crate) clock_off: i64,
    /// What it seals with (HJ 212-2025).
    pub(crate) key: Option<Key>,
    /// Whether it has an MN yet (HJ 212-2025: given by the host).
    pub(crate) registered: bool,
}

impl Profile {
    /// What the logger calls itself (i23005, HJ 212-2025, C.2): 24 letters and digits.
    #[must_use]
    pub fn logger_id(&self) -> String {
        logger_id(self.number)
    }
}

fn logger_id(number: u32) -> String {
    format!("SIM{number:021}")
}

/// The station with the given number. An unknown-mn or wrong-pw station differs from its entry in the registry on purpose.
#[must_use]
pub fn profile(options: &Options, number: u32) -> Profile {
    let (edition, subject) = role(options, number);
    let mut rng = SeededRandom::new(options.seed, u64::from(number));
    let seed = rng.roll();
    let quirks = options.faults.of_station(&mut rng);
    let prefix = match (quirks.contains(Fault::UnknownMn), edition) {
        (false, _) => options.mn_prefix.as_str(),
        (true, Edition::V2005) => "99999",
        (true, Edition::V2017 | Edition::V2025) => "FFFFF",
    };
    let pw = if quirks.contains(Fault::WrongPw) { wrong(&options.password) } else { options.password.clone() };
    let clock_off = if quirks.contains(Fault::ClockOff) { wrong_clock(&mut rng) } else { 0 };
    let behaviour = &options.behaviour;
    let clock_off = clock_off + behaviour.clock_off * SECOND;
    let newest = edition == Edition::V2025;
    let own = || Key::from_bytes(first_key(seed));
    let key = (behaviour.sealed && newest).then(|| behaviour.key.clone().unwrap_or_else(own));
    let registered = !(behaviour.register && newest);
    let mn = if registered { mn(prefix, edition, number) } else { String::new() };
    Profile { number, mn, pw, subject, edition, quirks, seed, clock_off, key, registered }
}

/// The keys that the stations of `options` seal with at the start, by the MN of the registry. For the gateway's store of keys and for tests.
#[must_use]
pub fn keys(options: &Options) -> Vec<(String, Key)> {
    let stations = numbers(options).map(|number| profile(options, number));
    let mn = |station: &Profile| mn(&options.mn_prefix, station.edition, station.number);
    stations.filter_map(|station| Some((mn(&station), station.key?))).collect()
}

/// A key as files have it: "hex:" and 32 digits.
#[must_use]
pub fn key_text(key: &Key) -> String {
    key.bytes().iter().fold(String::from("hex:"), |text, byte| text + &format!("{byte:02X}"))
}

/// Sixteen letters and digits, as NewSK has them (HJ 212-2025, C.8). Simulated stations have no secrets.
fn first_key(seed: u64) -> [u8; 16] {
    const LETTERS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut rng = SeededRandom::new(seed, 0x004B_4559);
    std::array::from_fn(|_| LETTERS.get(rng.below(62) as usize).copied().unwrap_or(b'0'))
}

/// The registry for the fleet of `options`, as TOML: one `[[station]]` a station, with `mn`, `name`, `pw`, `st`, `edition` and
/// `tags`. Stations that send an unknown MN or a wrong PW stand in it as they should be.
#[must_use]
pub fn stations_toml(options: &Options) -> String {
    let mut text = String::from("# The registry of simulated stations. Not for stations that exist.\n");
    for number in numbers(options) {
        let (edition, subject) = role(options, number);
        let _ = write!(
            text,
            "\n[[station]]\nmn = \"{}\"\nname = \"{} {number}\"\npw = \"{}\"\nst = \"{}\"\nedition = \"{}\"\n\
             tags = {{ region = \"{}\", enterprise = \"模拟企业 {}\", outlet = \"{}{:03}\" }}\n",
            mn(&options.mn_prefix, edition, number),
            subject.name_zh(),
            options.password,
            subject.st(),
            edition.year(),
            REGIONS[number as usize % REGIONS.len()],
            number / 4 + 1,
            subject.outlet(),
            number % 4 + 1,
        );
        // The approval of a logger that begins without an MN.
        if options.behaviour.register && edition == Edition::V2025 {
            let _ = writeln!(text, "hardware = \"{}\"", logger_id(number));
        }
    }
    text
}

/// Regions of Anhui (GB/T 2260).
const REGIONS: [&str; 4] = ["340100", "340200", "340300", "340800"];

/// The numbers of all stations.
pub(crate) fn numbers(options: &Options) -> std::ops::Range<u32> {
    options.first..options.first.saturating_add(options.station_count())
}

fn role(options: &Options, number: u32) -> (Edition, Subject) {
    let editions = options.edition.len().max(1);
    let edition = options.edition.get(number as usize % editions).copied().unwrap_or(Edition::V2017);
    let mix: &[Subject] = if options.mix.is_empty() { &Subject::ALL } else { &options.mix };
    let known: Vec<Subject> = mix.iter().copied().filter(|subject| subject.is_known_to(edition)).collect();
    let subject = known.get(number as usize / editions % known.len().max(1)).copied().unwrap_or(Subject::Air);
    (edition, subject)
}

fn mn(prefix: &str, edition: Edition, number: u32) -> String {
    let width = match edition {
        Edition::V2005 => 14_usize,
        Edition::V2017 | Edition::V2025 => 24,
    };
    // Decimal digits are hexadecimal ones too, and easier to find in a log.
    format!("{prefix}{number:0width$}", width = width.saturating_sub(prefix.len()))
}

fn wrong(pw: &str) -> String {
    pw.chars().rev().map(|c| if c == 'x' { 'y' } else { 'x' }).collect()
}

/// Clocks as they are met: a wrong time zone, a flat battery, a slip of weeks or minutes.
fn wrong_clock(rng: &mut SeededRandom) -> i64 {
    use super::clock::{DAY, HOUR, MINUTE};
    let offs = [-8 * HOUR, 8 * HOUR, -21 * DAY, 47 * MINUTE, -14 * 365 * DAY, 3 * DAY];
    offs.get(usize::try_from(rng.below(offs.len() as u64)).unwrap_or(0)).copied().unwrap_or(HOUR)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn options() -> Options {
        Options { stations: 60, edition: vec![Edition::V2005, Edition::V2017, Edition::V2025], ..Options::default() }
    }

    #[test]
    fn mns_have_the_width_of_their_edition_and_differ() {
        let mut seen = HashSet::new();
        for number in numbers(&options()) {
            let station = profile(&options(), number);
            assert_eq!(station.mn.len(), if station.edition == Edition::V2005 { 14 } else { 24 });
            assert!(seen.insert(station.mn));
        }
        assert_eq!(seen.len(), 60);
    }

    #[test]
    fn all_subjects_of_2025_appear_and_only_there() {
        let all: Vec<Profile> = numbers(&options()).map(|number| profile(&options(), number)).collect();
        for subject in [Subject::Air, Subject::Water, Subject::Power, Subject::Condition] {
            assert!(all.iter().any(|s| s.edition == Edition::V2025 && s.subject == subject), "{subject:?}");
        }
        assert!(all.iter().all(|s| s.edition == Edition::V2025 || s.subject.has_periods()));
    }

    #[test]
    fn the_registry_lists_each_station_as_it_should_be() {
        let mut options = options();
        options.faults = "wrong-pw=0.5,unknown-mn=0.5".parse().unwrap();
        let registry: toml::Table = stations_toml(&options).parse().unwrap();
        let entries = registry["station"].as_array().unwrap();
        assert_eq!(entries.len(), 60);
        let mut impostors = 0;
        for (entry, number) in entries.iter().zip(numbers(&options)) {
            let station = profile(&options, number);
            assert_eq!(entry["pw"].as_str(), Some("123456"));
            assert_eq!(entry["edition"].as_str(), Some(station.edition.year()));
            assert_eq!(entry["st"].as_str(), Some(station.subject.st()));
            assert!(entry["tags"]["region"].as_str().is_some());
            let same = entry["mn"].as_str() == Some(&station.mn) && entry["pw"].as_str() == Some(&station.pw);
            let honest = !station.quirks.contains(Fault::WrongPw) && !station.quirks.contains(Fault::UnknownMn);
            assert_eq!(same, honest);
            impostors += usize::from(!honest);
        }
        assert!((30..60).contains(&impostors), "{impostors}");
    }
}
