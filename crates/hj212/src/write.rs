//! Packets to bytes: exact, as the standard prints them.
//!
//! Field order is always `QN;ST;CN;PW;MN;Flag;[PNUM;PNO;][RF;]CP` (HJ 212-2017, figure 4; RF: HJ 212-2025, table 3), length and
//! CRC in four upper-case digits, CR LF at the end. What must stay true: nothing that is put into a field can end it. A value with
//! a separator, a control character or a byte beyond ASCII in it is left empty, whoever sent it.

use super::{Edition, PacketFlags, Part, crc};

/// The longest segment that four digits can say. Longer ones are cut off before the closing by nobody: see [`frame`].
pub const SEGMENT_MAX: usize = 9999;

/// Appends a whole frame around the segment that `segment` writes, which must be no longer than [`SEGMENT_MAX`]; a longer one
/// declares 9999 and is refused by every receiver.
pub fn frame(out: &mut Vec<u8>, segment: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(b"##0000");
    segment(out);
    let written = out.get(start + 6..).unwrap_or_default();
    let length = written.len().min(SEGMENT_MAX);
    let check = crc::checksum(written);
    if let Some(digits) = out.get_mut(start + 2..start + 6) {
        for (place, digit) in [1000, 100, 10, 1].into_iter().zip(digits) {
            *digit = b'0' + (length / place % 10) as u8;
        }
    }
    for shift in [12, 8, 4, 0] {
        out.push(b"0123456789ABCDEF"[usize::from(check >> shift & 0xF)]);
    }
    out.extend_from_slice(b"\r\n");
}

/// A data segment to be written. A field that is `None` is left out; of the data area nothing is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Segment<'a> {
    /// QN.
    pub qn: Option<&'a [u8]>,
    /// ST.
    pub st: Option<&'a [u8]>,
    /// CN, written with four digits.
    pub cn: Option<u16>,
    /// PW.
    pub pw: Option<&'a [u8]>,
    /// MN.
    pub mn: Option<&'a [u8]>,
    /// Flag.
    pub flag: Option<PacketFlags>,
    /// PNUM and PNO.
    pub part: Option<Part>,
    /// RF=1 (HJ 212-2025).
    pub rf: bool,
    /// What stands between `CP=&&` and `&&`.
    pub cp: &'a [u8],
}

impl Segment<'_> {
    /// Appends the whole frame.
    pub fn frame(&self, out: &mut Vec<u8>) {
        frame(out, |out| self.write(out));
    }

    /// Appends the segment alone.
    pub fn write(&self, out: &mut Vec<u8>) {
        let mut text = |name: &str, value: Option<&[u8]>| {
            if let Some(value) = value {
                out.extend_from_slice(name.as_bytes());
                out.extend_from_slice(harmless(value));
                out.push(b';');
            }
        };
        text("QN=", self.qn);
        text("ST=", self.st);
        text("CN=", self.cn.map(four_digits).as_ref().map(<[u8; 4]>::as_slice));
        text("PW=", self.pw);
        text("MN=", self.mn);
        if let Some(PacketFlags(flag)) = self.flag {
            out.extend_from_slice(format!("Flag={flag};").as_bytes());
        }
        if let Some(Part { count, number }) = self.part {
            out.extend_from_slice(format!("PNUM={count};PNO={number};").as_bytes());
        }
        if self.rf {
            out.extend_from_slice(b"RF=1;");
        }
        out.extend_from_slice(b"CP=&&");
        out.extend_from_slice(self.cp);
        out.extend_from_slice(b"&&");
    }
}

/// Whether `value` can stand in a field of the header: nothing in it ends a field or a frame.
#[must_use]
pub fn is_harmless(value: &[u8]) -> bool {
    value.iter().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b';' | b',' | b'=' | b'&' | b'#'))
}

/// The value, if nothing in it can end a field or a frame; else nothing.
fn harmless(value: &[u8]) -> &[u8] {
    if is_harmless(value) { value } else { b"" }
}

fn four_digits(number: u16) -> [u8; 4] {
    [1000, 100, 10, 1].map(|place| b'0' + (number / place % 10) as u8)
}

/// What the answer's data area says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AnswerBody {
    /// Nothing: 9013 and 9014 of HJ 212-2017 and 2025, 9022. In 2005 form QN (and for 9014 the upload's CN) stand in CP.
    Echo {
        /// CN of what is answered.
        of: u16,
    },
    /// `QnRtn=…`: 9011, whether a request will be executed (HJ 212-2017, table 7).
    QnRtn(u16),
    /// `ExeRtn=…`: 9012, how a request ended (HJ 212-2017, table 6).
    ExeRtn(u16),
}

/// An answer (交互命令, ST=91) to a packet with this QN, PW and MN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer<'a> {
    /// The form: 2017 and 2025 echo QN in the header, 2005 inside CP.
    pub edition: Edition,
    /// 9011, 9012, 9013, 9014 or, outside the standard, 9022.
    pub cn: u16,
    /// QN of what is answered; `None` if it had none: then the answer has none either.
    pub qn: Option<&'a [u8]>,
    /// PW of what is answered; `None` leaves the field out.
    pub pw: Option<&'a [u8]>,
    /// MN of what is answered; `None` leaves the field out. An empty one is written empty (HJ 212-2025, table C.2).
    pub mn: Option<&'a [u8]>,
    /// What CP says.
    pub body: AnswerBody,
    /// Flag, if it is not to be the edition's version bits.
    pub flag: Option<PacketFlags>,
    /// What stands first in CP, before all else that is said there.
    pub first: Option<&'a [u8]>,
}

impl Answer<'_> {
    /// Appends the whole frame.
    pub fn frame(&self, out: &mut Vec<u8>) {
        let mut cp = Vec::with_capacity(64);
        let old = self.edition == Edition::V2005;
        let said = match self.body {
            AnswerBody::Echo { of } => (old && self.cn == 9014).then(|| format!("CN={of:04}")),
            AnswerBody::QnRtn(number) => Some(format!("QnRtn={number}")),
            AnswerBody::ExeRtn(number) => Some(format!("ExeRtn={number}")),
        };
        if let Some(first) = self.first {
            cp.extend_from_slice(first);
        }
        if let (true, Some(qn)) = (old, self.qn) {
            if !cp.is_empty() {
                cp.push(b';');
            }
            cp.extend_from_slice(b"QN=");
            cp.extend_from_slice(harmless(qn));
        }
        if let Some(said) = said {
            if !cp.is_empty() {
                cp.push(b';');
            }
            cp.extend_from_slice(said.as_bytes());
        }
        Segment {
            qn: if old { None } else { self.qn },
            st: Some(b"91"),
            cn: Some(self.cn),
            pw: self.pw,
            mn: self.mn,
            // The bare form of 2005 has CP alone.
            flag: (!old || self.pw.is_some() || self.mn.is_some())
                .then(|| self.flag.unwrap_or(PacketFlags(self.edition.flag_bits()))),
            part: None,
            rf: false,
            cp: &cp,
        }
        .frame(out);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{CrcVerdict, Item, Limits, Peer, packet, scan};

    const MN: &[u8] = b"010000A8900016F000169DC0";

    fn answer(answer: &Answer<'_>) -> String {
        let mut out = Vec::new();
        answer.frame(&mut out);
        String::from_utf8(out).unwrap()
    }

    /// HJ 212-2017, figure 4 and table 7: the fields of answers in their order, QnRtn=1 of a request that is taken.
    #[test]
    fn the_standards_own_answers_are_written_byte_for_byte() {
        let qn = Some(&b"20160801085857223"[..]);
        let base = Answer {
            edition: Edition::V2017,
            cn: 9014,
            qn,
            pw: Some(b"123456"),
            mn: Some(MN),
            body: AnswerBody::Echo { of: 2011 },
            flag: None,
            first: None,
        };
        assert_eq!(
            answer(&base),
            "##0087QN=20160801085857223;ST=91;CN=9014;PW=123456;MN=010000A8900016F000169DC0;Flag=4;CP=&&&&3240\r\n"
        );
        assert_eq!(
            answer(&Answer { cn: 9013, ..base }),
            "##0087QN=20160801085857223;ST=91;CN=9013;PW=123456;MN=010000A8900016F000169DC0;Flag=4;CP=&&&&2A80\r\n"
        );
        assert_eq!(
            answer(&Answer { cn: 9011, body: AnswerBody::QnRtn(1), ..base }),
            "##0094QN=20160801085857223;ST=91;CN=9011;PW=123456;MN=010000A8900016F000169DC0;Flag=4;CP=&&QnRtn=1&&1B00\r\n"
        );
        assert!(answer(&Answer { edition: Edition::V2025, ..base }).contains(";Flag=8;CP=&&&&"));
        assert!(answer(&Answer { qn: None, ..base }).starts_with("##0066ST=91;CN=9014;"));
    }

    #[test]
    fn the_answers_of_2005_carry_qn_inside_cp() {
        let base = Answer {
            edition: Edition::V2005,
            cn: 9014,
            qn: Some(b"20040516010101001"),
            pw: None,
            mn: None,
            body: AnswerBody::Echo { of: 2051 },
            flag: None,
            first: None,
        };
        let said = answer(&base);
        assert!(said.contains("ST=91;CN=9014;CP=&&QN=20040516010101001;CN=2051&&"), "{said}");
        let full = Answer { cn: 9013, pw: Some(b"123456"), mn: Some(b"88888880000001"), ..base };
        let said = answer(&full);
        assert!(
            said.contains("ST=91;CN=9013;PW=123456;MN=88888880000001;Flag=0;CP=&&QN=20040516010101001&&"),
            "{said}"
        );
        let said = answer(&Answer { qn: None, ..base });
        assert!(said.contains("CP=&&CN=2051&&"), "{said}");
    }

    #[test]
    fn what_could_end_a_field_is_left_out() {
        for evil in [&b"1;CN=1012"[..], b"&&", b"a=b", b"1\r\n##", b"\xFF", b"a b", b"1,2", b"\0"] {
            let said = answer(&Answer {
                edition: Edition::V2017,
                cn: 9014,
                qn: Some(evil),
                pw: Some(evil),
                mn: Some(evil),
                body: AnswerBody::Echo { of: 2011 },
                flag: None,
                first: None,
            });
            assert!(said.contains("QN=;ST=91;CN=9014;PW=;MN=;Flag=4;CP=&&&&"), "{said}");
        }
    }

    #[test]
    fn the_length_never_says_more_than_four_digits() {
        let mut out = Vec::new();
        frame(&mut out, |out| out.resize(out.len() + 20_000, b'x'));
        assert_eq!(&out[..6], b"##9999");
    }

    fn text(pattern: &'static str) -> impl Strategy<Value = Option<Vec<u8>>> {
        proptest::option::of(pattern.prop_map(String::into_bytes))
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(
            qn in text("[0-9]{17}"), st in text("[0-9A-Z]{2}"), cn in proptest::option::of(0u16..10_000), pw in text("[0-9a-zA-Z]{0,8}"),
            mn in text("[0-9A-F]{24}|[0-9]{14}|[a-z_]{0,9}"), flag in proptest::option::of(any::<u8>()),
            part in proptest::option::of((1u16..10, 1u16..10)), rf: bool, cp in "([a-z]{1,6}-Rtd=[0-9.]{1,5};){0,8}",
        ) {
            let segment = Segment {
                qn: qn.as_deref(), st: st.as_deref(), cn, pw: pw.as_deref(), mn: mn.as_deref(), flag: flag.map(PacketFlags),
                part: part.map(|(count, number)| Part { count, number }), rf, cp: cp.as_bytes(),
            };
            let mut wire = Vec::new();
            segment.frame(&mut wire);
            let step = scan(&wire, Peer::Sending, &Limits::default());
            let Some(Item::Frame(frame)) = step.item else { panic!("{step:?}") };
            prop_assert_eq!(frame.raw, &wire[..]);
            prop_assert_eq!(frame.check.verdict, CrcVerdict::Right);
            prop_assert!(frame.deviations.is_empty());
            let header = packet::parse(frame.segment);
            let read = Segment {
                qn: header.qn, st: header.st, cn: header.cn, pw: header.pw, mn: header.mn, flag: header.flag, part: header.part,
                rf: header.rf, cp: header.area,
            };
            prop_assert_eq!(read, segment);
        }
    }
}
