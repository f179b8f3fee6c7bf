//! The stations' part of the world: they send records until they are answered, hear commands, and answer, refuse, keep silent or lose the line.

use std::collections::{BTreeSet, VecDeque};

use super::world::{BEGIN, SECOND, World};
use crate::gateway::simulation::Planted;
use hj212::sm4::{self, Key};
use hj212::{Edition, packet, write};
use hj212_downlink::logger::{COURSES, Course, FORMS, Logger};
use hj212_downlink::table::{ORDERS, SET_KEY};
use hj212_journal::sim_disk::Random;
use hj212_model::message::Timestamp;

pub(super) const STATIONS: [&str; 2] = ["A", "B"];
pub(super) const EDITIONS: [Edition; 2] = [Edition::V2017, Edition::V2025];
/// The password that they are registered with.
pub(super) const PASSWORD: &str = "123456";
/// The key that the second is registered with.
pub(super) const FIRST_KEY: &str = "0123456789abcdef";

pub(super) struct Station {
    /// Numbers of frames that are not answered yet.
    pub(super) waits: BTreeSet<u64>,
    /// Bytes on the way.
    pub(super) wire: Vec<u8>,
    /// Bytes that the gateway has.
    pub(super) buffer: Vec<u8>,
    /// Frames on their way to it.
    pub(super) down: VecDeque<Vec<u8>>,
    pub(super) connection: u64,
    pub(super) logger: Logger,
    /// Whether it seals what it uploads: its key is known to the gateway.
    pub(super) seals: bool,
    /// QNs that it has heard.
    known: BTreeSet<String>,
}

impl Station {
    pub(super) fn new(which: usize, connection: u64, random: &mut Random) -> Station {
        let form = FORMS[random.below(FORMS.len() as u64) as usize];
        let key = Key::from_text(FIRST_KEY).unwrap();
        Station {
            waits: BTreeSet::new(),
            wire: Vec::new(),
            buffer: Vec::new(),
            down: VecDeque::new(),
            connection,
            logger: Logger::new(EDITIONS[which], (STATIONS[which], PASSWORD), key, Course::Success, form),
            seals: false,
            known: BTreeSet::new(),
        }
    }
}

/// A time in 14 digits.
pub(super) fn digits(at: i64) -> String {
    Timestamp(at).to_rfc3339()[..19].chars().filter(char::is_ascii_digit).collect()
}

/// QN of the frame of this number: the same when it is sent again.
pub(super) fn qn_of(number: u64) -> String {
    format!("{}000", digits(BEGIN + number as i64 * 30 * SECOND))
}

impl World<'_> {
    /// A station makes a frame.
    pub(super) fn frame(&mut self) {
        let which = self.random.below(2) as usize;
        self.make_frame(which);
    }

    pub(super) fn make_frame(&mut self, which: usize) {
        self.number += 1;
        let number = self.number;
        self.numbers.insert(qn_of(number), number);
        self.stations[which].waits.insert(number);
        self.note(format_args!("{} makes frame {number}", STATIONS[which]));
        self.post(which, number);
    }

    fn post(&mut self, which: usize, number: u64) {
        let first = Key::from_text(FIRST_KEY).unwrap();
        let ring = self.node.as_ref().and_then(|node| node.runner.desk().keys(STATIONS[which]));
        let station = &mut self.stations[which];
        station.seals |= which == 1 && ring.is_some_and(|ring| ring.to_try().any(|key| *key == first));
        let (mn, pw, qn) = (&station.logger.mn, &station.logger.pw, qn_of(number));
        let bits = station.logger.edition.flag_bits();
        let flag = if number.is_multiple_of(7) { format!("{};PNUM=2;PNO=1", bits + 3) } else { (bits + 1).to_string() };
        let time = &qn[..14];
        let segment = format!(
            "QN={qn};ST=31;CN=2011;PW={pw};MN={mn};Flag={flag};CP=&&DataTime={time};x99-Rtd={number};a21026-Rtd=7&&"
        );
        if station.seals {
            sm4::frame(&mut station.wire, segment.as_bytes(), &station.logger.key).unwrap();
        } else {
            write::frame(&mut station.wire, |out| out.extend_from_slice(segment.as_bytes()));
        }
    }

    /// Some bytes arrive, cut anywhere; or the connection is lost, and what was not answered is sent again.
    pub(super) fn network(&mut self) -> Result<(), String> {
        let which = self.random.below(2) as usize;
        if self.random.below(10) == 0 {
            self.cut(which);
            return Ok(());
        }
        let length = self.stations[which].wire.len() as u64;
        let count = if self.random.below(2) == 0 { length } else { self.random.below(length + 1) } as usize;
        self.arrive(which, count)
    }

    /// The connection of a station is lost, with what was on it.
    pub(super) fn cut(&mut self, which: usize) {
        self.note(format_args!("{} is cut off", STATIONS[which]));
        self.connections += 1;
        let station = &mut self.stations[which];
        station.wire.clear();
        station.buffer.clear();
        station.down.clear();
        let gone = std::mem::replace(&mut station.connection, self.connections);
        if let Some(node) = &mut self.node {
            node.lost(gone);
        }
        for number in self.stations[which].waits.clone() {
            self.post(which, number);
        }
    }

    /// So many bytes of what a station has sent arrive.
    pub(super) fn arrive(&mut self, which: usize, count: usize) -> Result<(), String> {
        let now = self.wall();
        let station = &mut self.stations[which];
        station.buffer.extend(station.wire.drain(..count));
        let mut buffer = std::mem::take(&mut station.buffer);
        let Some(node) = &mut self.node else { return Ok(()) };
        let heard = node.hear(station.connection, &mut buffer, now)?;
        self.stations[which].buffer = buffer;
        for taken in heard {
            let header = packet::parse(&taken.segment);
            if header.cn != Some(2011) {
                self.note(format_args!("{:?} heard, stored as {:?}", header.cn, taken.outcome));
                continue;
            }
            let qn = String::from_utf8_lossy(header.qn.unwrap_or_default()).into_owned();
            let number = *self.numbers.get(&qn).ok_or("a frame that nobody sent")?;
            self.note(format_args!("frame {number} heard, stored as {:?}", taken.outcome));
            if taken.outcome.is_some() || self.planted == Planted::AnswerEarly {
                self.answered.insert(number);
                self.stations[which].waits.remove(&number);
                self.look()?;
                if !self.ledger.held.contains(&qn) {
                    return Err(format!("frame {number} is answered and is not in the journal"));
                }
            }
        }
        Ok(())
    }

    /// A station hears the oldest command that is on its way to it; false if there is none.
    pub(super) fn obey(&mut self, which: usize, well: bool) -> Result<bool, String> {
        let course = COURSES[self.random.below(COURSES.len() as u64) as usize];
        let arrives = self.random.below(2) == 0;
        let station = &mut self.stations[which];
        let Some(frame) = station.down.pop_front() else { return Ok(false) };
        let header = packet::parse(&frame[6..frame.len() - 6]);
        let edition = station.logger.edition;
        let of = |cn| {
            ORDERS.iter().chain([&SET_KEY]).find(|order| Some(order.cn) == cn && order.editions.contains(&edition))
        };
        let order = of(header.cn).ok_or("a command that no edition has")?;
        if station.known.insert(String::from_utf8_lossy(header.qn.unwrap_or_default()).into_owned()) {
            (station.logger.course, station.logger.ran) = (course, false);
        }
        if well {
            station.logger.course = Course::Success;
        }
        let said = station.logger.hears(order, &frame);
        let lost = said.lost && !well;
        for segment in &said.segments {
            write::frame(&mut station.wire, |out| out.extend_from_slice(segment.as_bytes()));
        }
        let course = station.logger.course;
        self.note(format_args!("{} hears {}: {course:?}, says {:?}", STATIONS[which], order.name, said.segments));
        if lost {
            if arrives {
                let all = self.stations[which].wire.len();
                self.arrive(which, all)?;
            }
            self.cut(which);
        }
        Ok(true)
    }
}
