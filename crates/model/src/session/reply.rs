//! Which answer a packet gets, if any, and in which form (HJ 212-2017, 6.1, 6.6.5 and 6.6.5.2; HJ 212-2025, C.2, C.54; HJ/T 212-2005).

use crate::registry::{AnswerWhen, Dialect};
use hj212::packet::PacketFlags;
use hj212::write::{Answer, AnswerBody};
use hj212::{Edition, Header};

/// An answer that is due once the record is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The CN of the answer.
    pub cn: u16,
    /// The whole frame.
    pub frame: Vec<u8>,
}

impl Reply {
    /// The answer to `header` in `dialect`; `None` if none is due.
    #[must_use]
    pub fn to(header: &Header<'_>, dialect: &Dialect) -> Option<Reply> {
        let of = header.cn?;
        let asked = header.flag.is_some_and(|flag| flag.wants_answer());
        let cn = match of {
            9011..=9014 => return None,
            9015 => dialect.heartbeat,
            9021 => dialect.login,
            1001 | 1013 | 1014 => 9013,
            _ => match dialect.answer {
                AnswerWhen::Flag | AnswerWhen::FlagOrNone if asked => 9014,
                AnswerWhen::FlagOrNone if header.flag.is_none() => 9014,
                AnswerWhen::Always => 9014,
                AnswerWhen::Flag | AnswerWhen::FlagOrNone | AnswerWhen::Never => return None,
            },
        };
        if cn == 0 {
            return None;
        }
        let identified = dialect.identified || dialect.edition != Edition::V2005;
        let answer = Answer {
            edition: dialect.edition,
            cn,
            qn: header.qn.or(header.area_qn),
            pw: header.pw.filter(|_| identified),
            mn: header.mn.filter(|_| identified),
            body: AnswerBody::Echo { of },
            flag: dialect.answer_flag.map(PacketFlags),
            first: dialect.answer_area.as_deref().filter(|_| cn == 9014).map(str::as_bytes),
        };
        let mut frame = Vec::with_capacity(128);
        answer.frame(&mut frame);
        Some(Reply { cn, frame })
    }
}
