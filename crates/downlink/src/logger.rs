//! A station with a mind of its own: it takes what it was told, loses the line where its course says so, and goes on with the key, password
//! and MN that it has. For the table of exchanges and for the simulation of the whole gateway.

use std::collections::BTreeSet;

use crate::table::{Answers, Order, SET_KEY};
use hj212::sm4::{self, Key};
use hj212::{Edition, packet};

/// What becomes of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Course {
    Success,
    Refused,
    Failed,
    Silence,
    /// Taken; the line is lost before 9011.
    LostBefore,
    /// The line is lost before the station has it.
    LostUntaken,
    LostBetween,
    LostAfter,
}

pub const COURSES: [Course; 8] = [
    Course::Success,
    Course::Refused,
    Course::Failed,
    Course::Silence,
    Course::LostBefore,
    Course::LostUntaken,
    Course::LostBetween,
    Course::LostAfter,
];

/// How the station writes its answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Own,
    /// QN where another edition has it.
    Other,
    NoQn,
    /// With the new password or MN, if that is what it was told.
    New,
}

pub const FORMS: [Form; 4] = [Form::Own, Form::Other, Form::NoQn, Form::New];
pub struct Logger {
    pub edition: Edition,
    pub course: Course,
    form: Form,
    pub key: Key,
    pub pw: String,
    pub mn: String,
    /// QNs that it has carried out.
    done: BTreeSet<String>,
    /// Whether the course has been run through: from then on it answers well.
    pub ran: bool,
}

/// What the logger says to a frame, and whether its line is lost then.
pub struct Said {
    pub segments: Vec<String>,
    pub lost: bool,
}

impl Logger {
    pub fn new(edition: Edition, (mn, pw): (&str, &str), key: Key, course: Course, form: Form) -> Logger {
        Logger { edition, course, form, key, pw: pw.into(), mn: mn.into(), done: BTreeSet::new(), ran: false }
    }

    fn says(&self, cn: u16, qn: &str, body: &str, before: (&str, &str)) -> String {
        let (pw, mn) = if self.form == Form::New { (self.pw.as_str(), self.mn.as_str()) } else { before };
        let join = if body.is_empty() { "" } else { ";" };
        let inside = self.edition == Edition::V2005;
        match (self.form, inside) {
            (Form::NoQn, _) => format!("ST=91;CN={cn};PW={pw};MN={mn};CP=&&{body}&&"),
            (Form::Other, false) | (Form::Own | Form::New, true) => {
                format!("ST=91;CN={cn};PW={pw};MN={mn};Flag=0;CP=&&QN={qn}{join}{body}&&")
            }
            (Form::Own | Form::New, false) | (Form::Other, true) => {
                format!("QN={qn};ST=91;CN={cn};PW={pw};MN={mn};Flag=4;CP=&&{body}&&")
            }
        }
    }

    pub fn hears(&mut self, order: &Order, frame: &[u8]) -> Said {
        let segment = &frame[6..frame.len() - 6];
        let said =
            u16::from_str_radix(std::str::from_utf8(&frame[frame.len() - 6..frame.len() - 2]).unwrap(), 16).unwrap();
        let before = (self.pw.clone(), self.mn.clone());
        let before = (before.0.as_str(), before.1.as_str());
        let header = packet::parse(segment);
        let qn = String::from_utf8_lossy(header.qn.unwrap()).into_owned();
        let quiet = |lost| Said { segments: Vec::new(), lost };
        if order.cn != 1002 && header.mn != Some(self.mn.as_bytes()) || header.pw != Some(self.pw.as_bytes()) {
            // It does not feel addressed.
            return quiet(false);
        }
        let mut area = String::from_utf8_lossy(header.area).into_owned();
        if order.cn == SET_KEY.cn {
            let Ok(opened) = sm4::open(segment, said, [&self.key]) else {
                return Said { segments: vec![self.says(9011, &qn, "QnRtn=9", before)], lost: false };
            };
            area = String::from_utf8_lossy(packet::parse(&opened.segment).area).into_owned();
        }
        let course = if std::mem::replace(&mut self.ran, true) { Course::Success } else { self.course };
        match course {
            Course::Silence => {
                self.ran = false;
                return quiet(false);
            }
            Course::LostUntaken => return quiet(true),
            Course::Refused => {
                return Said { segments: vec![self.says(9011, &qn, "QnRtn=2", before)], lost: false };
            }
            Course::Success | Course::Failed | Course::LostBefore | Course::LostBetween | Course::LostAfter => {}
        }
        if course != Course::Failed && self.done.insert(qn.clone()) {
            let of = |name: &str| area.split([';', ',']).find_map(|f| f.strip_prefix(name)).map(str::to_owned);
            match order.cn {
                1014 => self.key = Key::from_text(&of("NewSK=").unwrap()).unwrap(),
                1072 => self.pw = of("NewPW=").or(of("PW=")).unwrap(),
                1002 => self.mn = String::from_utf8_lossy(header.mn.unwrap()).into_owned(),
                _ => {}
            }
        }
        if order.answers == Answers::Notice {
            let segments =
                if course == Course::LostBefore { Vec::new() } else { vec![self.says(9013, &qn, "", before)] };
            return Said { segments, lost: matches!(course, Course::LostBefore | Course::LostBetween) };
        }
        let result = if course == Course::Failed { "ExeRtn=3" } else { "ExeRtn=1" };
        let all = [self.says(9011, &qn, "QnRtn=1", before), self.says(9012, &qn, result, before)];
        let count = match course {
            Course::LostBefore => 0,
            Course::LostBetween => 1,
            _ => 2,
        };
        let lost = matches!(course, Course::LostBefore | Course::LostBetween | Course::LostAfter);
        Said { segments: all.into_iter().take(count).collect(), lost }
    }

    /// What it uploads by itself.
    pub fn upload(&self) -> String {
        let (pw, mn, flag) = (&self.pw, &self.mn, self.edition.flag_bits());
        format!("QN=20261123100000001;ST=32;CN=2011;PW={pw};MN={mn};Flag={flag};CP=&&DataTime=20261123100000&&")
    }
}
