//! Every command × edition × what can become of it × where the gateway is killed × the form of the answers, with a station that has a mind
//! of its own: it takes what it was told, loses the line where the course says so, and goes on with the key, password and MN that it has.
//!
//! What is shown: nothing is sent beyond its count, no clock is set to a time of before, the key that the station uses is held, the station
//! can speak, and each request has one end. The short form is a part of the table; `HJ212_EXCHANGES=100000` (`tests/long/run`) all of it,
//! again and again with other kills.

use std::collections::BTreeSet;

use super::super::logger::{COURSES, Course, FORMS, Form, Logger};
use super::super::table::{ORDERS, Order, SET_KEY};
use super::super::*;
use super::stage::{Kill, Stage, address, mn_of, open_settings};
use hj212::sm4::Key;
use hj212::{Edition, packet};

const FIRST: &str = "0123456789abcdef";
const GIVEN: &str = "givenByTheHouse1";

fn first_key() -> Key {
    Key::from_text(FIRST).unwrap()
}

struct Play {
    of: String,
    stage: Stage,
    logger: Logger,
    heard: usize,
    here: bool,
}

impl Play {
    /// The connection accepts nobody whose password or MN neither registered nor followed is.
    fn known(&self, header: &hj212::Header<'_>) -> Option<String> {
        let own = address(self.logger.edition);
        let followed = self.stage.desk.followed();
        let told = followed.iter().find(|followed| followed.mn == own.mn);
        let pw = header.pw == own.pw.as_deref().map(str::as_bytes)
            || told.is_some_and(|told| told.passwords.iter().any(|password| header.pw == Some(password.as_bytes())));
        let new = told.and_then(|told| told.new_mn.clone());
        let said = String::from_utf8_lossy(header.mn?).into_owned();
        (pw && (said == own.mn || new.as_deref() == Some(said.as_str()))).then_some(said)
    }

    fn say(&mut self, segment: &str, brings: bool) {
        let mn = self
            .known(&packet::parse(segment.as_bytes()))
            .unwrap_or_else(|| panic!("{} locked out: {segment}\n{}", self.of, self.stage.said.join("\n")));
        let sealed = self.logger.edition == Edition::V2025 && segment.contains("CN=2011");
        let number = self.stage.desk.keys(mn_of(self.logger.edition)).filter(|_| sealed).and_then(|ring| {
            let place = ring.to_try().position(|held| *held == self.logger.key);
            assert!(place.is_some() || ring.to_try().next().is_none(), "the key in use is lost");
            place
        });
        let number = number.filter(|_| mn == mn_of(self.logger.edition));
        if brings {
            let address = Address { mn, ..address(self.logger.edition) };
            self.stage.comes(&address, segment, number);
        } else {
            self.stage.says(&mn, segment, number);
        }
    }

    fn comes(&mut self) {
        self.here = true;
        let upload = self.logger.upload();
        self.say(&upload, true);
        self.talk();
    }

    /// The logger hears what was sent and answers, until there is silence.
    fn talk(&mut self) {
        while self.heard < self.stage.sent.len() {
            let (_, frame) = self.stage.sent[self.heard].clone();
            self.heard += 1;
            if !self.here {
                continue;
            }
            let cn = packet::parse(&frame[6..frame.len() - 6]).cn.unwrap();
            let order = super::super::table::ORDERS.iter().chain([&SET_KEY]).find(|order| order.cn == cn).unwrap();
            let said = self.logger.hears(order, &frame);
            for segment in said.segments {
                self.say(&segment, false);
            }
            if said.lost {
                self.here = false;
                self.stage.away();
            }
        }
    }

    fn pass(&mut self, seconds: u32) {
        for _ in 0..seconds.div_ceil(10) {
            self.stage.line("after 10s");
            self.talk();
        }
    }
}

/// One exchange; the number of effects that it had.
fn run(order: &'static Order, edition: Edition, course: Course, form: Form, kill: Option<Kill>, lag: u32) -> usize {
    let settings =
        Settings { confirm_by_other: false, confirm_within: std::time::Duration::from_secs(300), ..open_settings() };
    let stage = Stage::new(edition, settings, kill);
    let of = format!("{} {edition:?} {course:?} {form:?} {kill:?} {lag}", order.name);
    let mut play = Play {
        of: of.clone(),
        stage,
        logger: Logger::new(edition, (mn_of(edition), "123456"), first_key(), course, form),
        heard: 0,
        here: false,
    };
    if edition == Edition::V2025 {
        let first = first_key();
        while play.stage.desk.keys(mn_of(edition)).is_none_or(|ring| ring.proven().is_none()) {
            let effects = play.stage.desk.install_key(&address(edition), "20260101000000000", &first);
            play.stage.act(effects);
        }
    }
    play.comes();
    if order.cn == SET_KEY.cn {
        let body = br#"{"command":"set-key","author":"li","why":"yearly"}"#;
        let (own, key) = (address(edition), Key::from_text(GIVEN).unwrap());
        for id in ["r1", "r2"] {
            let ask = Ask::new(&own.mn, id, body);
            let (_, effects) = play.stage.desk.submit_key(&ask, Some(&own), &key, play.stage.now);
            if play.stage.act(effects) {
                break;
            }
        }
    } else {
        let own_time = order.cn == 1012 && form != Form::Own;
        let parameters = if own_time { "{}".to_owned() } else { super::generated::parameters(order) };
        let text = format!(r#"{{"command":"{}","author":"li","why":"x","parameters":{parameters}}}"#, order.name);
        play.stage.submit("r1", &text);
    }
    play.talk();
    if order.is_control() {
        for id in play.stage.open_requests() {
            play.stage.line(&format!("confirm {id} wang"));
            play.talk();
        }
    }
    if play.stage.killed && play.here && !play.stage.has_connection() {
        play.here = false;
    }
    play.pass(30);
    if !play.here {
        play.pass(lag);
        play.comes();
    }
    play.pass(60);
    // It comes and goes once more, whatever has become of it.
    play.stage.away();
    play.here = false;
    play.pass(20);
    play.comes();
    play.pass(700);
    play.stage.line("after 90000s");
    assert_eq!(play.stage.open_requests(), Vec::<String>::new(), "{of}");
    let mut counts: std::collections::BTreeMap<&str, BTreeSet<u8>> = std::collections::BTreeMap::new();
    for (_, step) in &play.stage.journal {
        match step {
            Step::Sent { id, count, .. } => {
                counts.entry(id).or_default().insert(*count);
            }
            Step::Ended { id, .. } => drop(play.stage.outcome(id)),
            _ => {}
        }
    }
    assert!(counts.values().flatten().all(|count| (1..=4).contains(count)), "{of}: {counts:?}");
    let ring = play.stage.desk.keys(mn_of(edition));
    let own = edition == Edition::V2025 && play.logger.mn == mn_of(edition);
    assert!(
        !own || ring.is_some_and(|ring| ring.to_try().any(|held| *held == play.logger.key)),
        "{of}: the key is lost"
    );
    if own && order.cn == SET_KEY.cn {
        assert_eq!(ring.and_then(KeyRing::sealing).map(|(_, key)| key), Some(&play.logger.key), "{of}");
    }
    play.stage.effects()
}

#[test]
fn whatever_becomes_of_a_command_it_has_one_end_and_nothing_is_lost() {
    let wanted: usize = std::env::var("HJ212_EXCHANGES").ok().and_then(|text| text.parse().ok()).unwrap_or(1_500);
    let mut rows = Vec::new();
    for order in ORDERS.iter().chain([&SET_KEY]) {
        for edition in order.editions {
            for course in COURSES {
                for form in FORMS {
                    rows.push((order, *edition, course, form));
                }
            }
        }
    }
    // A step that shares no factor with the number of rows: the short form is spread over the table.
    let step = (1..).find(|step| *step > rows.len() / 3 && gcd(*step, rows.len()) == 1).unwrap();
    let mut dice: u64 = 0x9E37_79B9_7F4A_7C15;
    let mut roll = |below: usize| {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(dice >> 33).unwrap() % below
    };
    for n in 0..wanted {
        // What changes how the station is spoken to comes oftener than its share.
        let row = if n % 4 == 0 {
            let special: Vec<_> = rows.iter().filter(|row| matches!(row.0.cn, 1002 | 1012 | 1014 | 1072)).collect();
            *special[n / 4 % special.len()]
        } else {
            rows[n * step % rows.len()]
        };
        let kill = (roll(3) > 0).then(|| Kill { at: 1 + roll(14), durable: roll(2) == 0 });
        let lag = [0, 20, 100, 4000][roll(4)];
        run(row.0, row.1, row.2, row.3, kill, lag);
    }
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}
