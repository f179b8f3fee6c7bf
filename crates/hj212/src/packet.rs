//! The header of a data segment: an unordered set of `name=value;` before `CP=`.
//!
//! HJ 212-2017, 6.3.2, table 3 gives the order `QN;ST;CN;PW;MN;Flag;[PNUM;PNO;]CP` (HJ 212-2025 adds RF before CP); HJ/T 212-2005
//! leaves QN, Flag, PNUM and PNO out or puts them elsewhere, and the field does the rest. Nothing here fails for a missing
//! field: what is missing is `None`, and named as a deviation. Who may do without which field is decided by the session.
//!
//! Two grammars: the segment as the standard prints it, one field after the other, in nom, which nearly all are; and the tolerant one in
//! `fields`, which takes fields in any order. What must stay true: both read a standard segment alike (a test compares
//! them), and what stands in the data area never changes what the header says, [`Header::area_qn`] and
//! [`Header::sealed`] excepted.
//!
//! A segment without Flag, or with version bits 0, and without an MN of 24 characters is in the form of 2005: there a missing QN
//! or Flag and a QN inside CP are what the standard says, not deviations.

mod fields;
mod pair;

pub use fields::unknown_fields;

use nom::bytes::complete::{tag, take, take_while_m_n};
use nom::character::complete::digit1;
use nom::combinator::{opt, rest, verify};
use nom::sequence::preceded;
use nom::{IResult, Parser};

pub use super::header::{Header, PacketFlags, Part};
use super::sealed;
use super::{Deviation, Edition};

/// Reads the header of a complete data segment. Never fails; see [`Header`] for what a missing field looks like.
#[must_use]
pub fn parse(segment: &[u8]) -> Header<'_> {
    let mut header = match standard(segment) {
        Ok((_, header)) => header,
        Err(_) => fields::tolerant(segment),
    };
    header.sealed = sealed::look(segment, &header);
    // The last byte of ciphertext may be any.
    if header.sealed.is_none() {
        if matches!(header.area.last(), Some(b'&' | b';')) {
            header.take_odd_closing();
        }
        let missing = |which| header.deviations.contains(which);
        match (missing(Deviation::OpeningMissing), missing(Deviation::ClosingMissing)) {
            (false, true) => header.take_other_closing(),
            (true, false) => header.take_other_opening(),
            (false, false) | (true, true) => {}
        }
    }
    header
}

/// A segment as HJ 212-2017, table 3 and figure 4 say, with RF of 2025.
fn standard(segment: &[u8]) -> IResult<&[u8], Header<'_>> {
    let (input, qn) = preceded(tag(&b"QN="[..]), verify(take(17usize), is_digits)).parse_complete(segment)?;
    let (input, st) =
        preceded(tag(&b";ST="[..]), verify(take(2usize), |st: &[u8]| all(st, is_code))).parse_complete(input)?;
    let (input, cn) = preceded(tag(&b";CN="[..]), verify(take(4usize), is_digits)).parse_complete(input)?;
    let (input, pw) = preceded(tag(&b";PW="[..]), verify(take(6usize), is_plain)).parse_complete(input)?;
    let (input, mn) = preceded(tag(&b";MN="[..]), verify(take(24usize), is_epc)).parse_complete(input)?;
    let (input, flag) =
        preceded(tag(&b";Flag="[..]), take_while_m_n(1, 3, |byte: u8| byte.is_ascii_digit())).parse_complete(input)?;
    let (input, part) =
        opt((preceded(tag(&b";PNUM="[..]), digit1), preceded(tag(&b";PNO="[..]), digit1))).parse_complete(input)?;
    let (input, rf) = opt(tag(&b";RF=1"[..])).parse_complete(input)?;
    let (input, area) =
        preceded(tag(&b";CP=&&"[..]), verify(rest, |area: &[u8]| area.ends_with(b"&&"))).parse_complete(input)?;
    let mut header = Header {
        qn: Some(qn),
        st: Some(st),
        cn: number(cn),
        pw: Some(pw),
        mn: Some(mn),
        rf: rf.is_some(),
        area: area.strip_suffix(b"&&").unwrap_or(area),
        ..Header::default()
    };
    header.read_flag(flag);
    if let Some((count, number)) = part {
        header.read_part(Some(count), Some(number));
    }
    header.compare_flag_with_parts();
    header.look_at_area();
    Ok((input, header))
}

/// Whether all of `value` are so. Looks at every byte whatever the others are: for a few bytes that is faster than to stop early.
#[inline(always)]
fn all(value: &[u8], are: impl Fn(u8) -> bool) -> bool {
    value.iter().fold(true, |all, byte| all & are(*byte))
}

fn is_digits(value: &[u8]) -> bool {
    all(value, |byte| byte.is_ascii_digit())
}

/// The characters of ST: digits and capital letters.
fn is_code(byte: u8) -> bool {
    byte.is_ascii_digit() || byte.is_ascii_uppercase()
}

/// No separator inside.
fn is_plain(value: &[u8]) -> bool {
    all(value, |byte| byte.is_ascii_alphanumeric())
}

/// An EPC-96 in hexadecimal (HJ 212-2017, 6.3.2, table 3).
fn is_epc(value: &[u8]) -> bool {
    value.len() == 24 && all(value, |byte| matches!(byte, b'0'..=b'9' | b'A'..=b'F'))
}

impl<'a> Header<'a> {
    /// Whether QN, Flag and PNUM may be missing and QN may stand in CP, see the head of this file.
    fn is_form_of_2005(&self) -> bool {
        let version_0 = self.flag.is_none_or(|flag| flag.edition() == Some(Edition::V2005));
        version_0 && self.mn.is_none_or(|mn| mn.len() != 24)
    }

    fn read_flag(&mut self, text: &[u8]) {
        self.flag = number(text).and_then(|flag| u8::try_from(flag).ok()).map(PacketFlags);
        if self.flag.is_none() {
            self.deviations.insert(Deviation::FlagForm);
        }
    }

    fn read_part(&mut self, count: Option<&[u8]>, number_text: Option<&[u8]>) {
        let numbers = (count.and_then(number), number_text.and_then(number));
        let padded = [count, number_text].into_iter().flatten().any(|text| text.len() > 1 && text.starts_with(b"0"));
        if let (Some(count), Some(number)) = numbers {
            self.part = Some(Part { count, number });
        }
        if padded || !self.part.is_some_and(|part| (1..=part.count).contains(&part.number)) {
            self.deviations.insert(Deviation::PartsForm);
        }
    }

    fn compare_flag_with_parts(&mut self) {
        match (self.flag.map(PacketFlags::is_split), self.part) {
            (Some(true), None) => self.deviations.insert(Deviation::SplitWithoutParts),
            (Some(false), Some(_)) => self.deviations.insert(Deviation::PartsWithoutSplit),
            _ => {}
        }
    }

    /// Takes the area out of what follows its name.
    fn take_area(&mut self, after: Option<&'a [u8]>) {
        let Some(after) = after else {
            self.deviations.insert(Deviation::AreaUnreadable);
            return;
        };
        let mut opened = after.trim_ascii_start();
        if opened.len() != after.len() {
            self.deviations.insert(Deviation::Spaces);
        }
        // `CP==&&`, `CP=;&&`: marks too many, if what opens an area stands behind them.
        let marks = opened.iter().take_while(|byte| matches!(byte, b'=' | b':' | b';' | b',' | b' ')).count();
        let behind = opened.get(marks..).unwrap_or_default();
        if marks > 0 && opens(behind) {
            self.deviations.insert(Deviation::AreaOpening);
            opened = behind;
        }
        let odd = |bytes: &[u8]| match bytes {
            b"&&" => None,
            b"&amp;&amp;" => Some(Deviation::SeparatorEscaped),
            _ => Some(Deviation::SeparatorFullWidth),
        };
        let opening = AMPERSANDS.iter().find(|two| opened.starts_with(two));
        let closing = AMPERSANDS.iter().find(|two| opened.ends_with(two));
        if opening.is_none()
            && closing.is_none()
            && let Some(area) = pair::within(opened)
        {
            self.deviations.insert(Deviation::AreaOpening);
            self.deviations.insert(Deviation::ClosingOdd);
            self.area = area;
            return;
        }
        let single = opened.strip_prefix(b"&").filter(|_| opening.is_none());
        let told = single.is_some() || self.deviations.contains(Deviation::AreaOpening);
        let unopened = if told { Deviation::AreaOpening } else { Deviation::OpeningMissing };
        let named = [
            opening.map_or(Some(unopened), |two| odd(two)),
            closing.map_or(Some(Deviation::ClosingMissing), |two| odd(two)),
        ];
        named.into_iter().flatten().for_each(|deviation| self.deviations.insert(deviation));
        let opened = opening.and_then(|two| opened.strip_prefix(*two)).or(single).unwrap_or(opened);
        self.area = closing.and_then(|two| opened.strip_suffix(*two)).unwrap_or(opened);
        // `CP=&&` and nothing more: the one `&&` opens the area.
        if self.area.len() == opened.len() && closing.is_some() {
            self.deviations.insert(Deviation::ClosingMissing);
        }
    }

    /// `N&&&` and `N&` before the check: what closes the area is no part of its last value.
    #[cold]
    fn take_odd_closing(&mut self) {
        let mut area = self.area;
        while let Some(shorter) = area.strip_suffix(b"&").or_else(|| area.strip_suffix(b"&amp;")) {
            // `N& &`, `N&;&`: what stands between two of them is of the closing too.
            let between = shorter.trim_ascii_end();
            let between = between.strip_suffix(b";").or_else(|| between.strip_suffix(b",")).unwrap_or(between);
            area = if between.ends_with(b"&") { between } else { shorter };
        }
        if area.len() < self.area.len() {
            self.area = area;
            self.deviations = self.deviations.without(Deviation::ClosingMissing).union(Deviation::ClosingOdd.into());
        }
    }

    /// `CP=&&…$$`: what stands for the closing `&&` is no part of the last value.
    #[cold]
    fn take_other_closing(&mut self) {
        if let Some(area) = pair::before_sign(self.area) {
            self.area = area;
            self.deviations = self.deviations.without(Deviation::ClosingMissing).union(Deviation::ClosingOdd.into());
        }
    }

    /// `CP=$$…&&`: what stands for the opening `&&` is no part of the first name.
    #[cold]
    fn take_other_opening(&mut self) {
        if let Some(area) = pair::behind_sign(self.area) {
            self.area = area;
            self.deviations = self.deviations.without(Deviation::OpeningMissing).union(Deviation::AreaOpening.into());
        }
    }

    /// Flag as the first field of the data area, where the header has none. Items' flags are letters, with a code before them.
    fn take_flag_of_area(&mut self) {
        let Some(said) = self.area.strip_prefix(b"Flag=") else { return };
        let digits = said.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if (1..=3).contains(&digits) && matches!(said.get(digits), None | Some(b';' | b',')) {
            self.read_flag(said.get(..digits).unwrap_or_default());
            self.deviations.insert(Deviation::FlagInArea);
        }
    }

    /// Flag as the last field of the data area, in a group of its own behind the items, where the header has none. Ciphertext is left as it is.
    fn take_flag_behind_items(&mut self) {
        let text = self.area.starts_with(b"DataTime=") || (self.area.is_ascii() && !self.area.starts_with(b"{"));
        let area = self.area.trim_ascii_end();
        let area = area.strip_suffix(b";").unwrap_or(area);
        let Some(at) = memchr::memrchr(b';', area).filter(|_| text && self.flag.is_none()) else { return };
        let (before, group) = area.split_at_checked(at).unwrap_or_default();
        let Some(digits) = group.strip_prefix(b";").and_then(|group| group.trim_ascii().strip_prefix(b"Flag=")) else {
            return;
        };
        if (1..=3).contains(&digits.len()) && is_digits(digits) && memchr::memchr(b'=', before).is_some() {
            self.read_flag(digits);
            self.deviations.insert(Deviation::FlagInArea);
            self.area = before;
        }
    }

    fn look_at_qn(&mut self, old: bool) {
        match self.qn {
            Some(b"") => self.deviations.insert(Deviation::QnEmpty),
            Some(qn) if qn.len() != 17 || !qn.iter().all(u8::is_ascii_digit) => {
                self.deviations.insert(Deviation::QnForm);
            }
            Some(_) => {}
            None => {
                self.area_qn = qn_in(self.area);
                if !old {
                    let inside = self.area_qn.is_some();
                    self.deviations.insert(if inside { Deviation::QnInArea } else { Deviation::QnMissing });
                }
            }
        }
    }

    fn look_at_forms(&mut self, old: bool, flag_missing: bool) {
        // The answers of 2005 do without PW and MN.
        let bare_answer = old && self.cn.is_some_and(|cn| (9011..=9014).contains(&cn));
        let mut when = |is: bool, deviation| {
            if is {
                self.deviations.insert(deviation);
            }
        };
        match self.pw {
            None | Some(b"") => when(!bare_answer, Deviation::PwEmpty),
            Some(pw) => when(pw.len() != 6, Deviation::PwForm),
        }
        match self.mn {
            None | Some(b"") => when(!bare_answer, Deviation::MnEmpty),
            Some(mn) => when(!is_epc(mn) && !is_old_mn(mn), Deviation::MnForm),
        }
        when(flag_missing && !old, Deviation::FlagMissing);
        when(!self.st.is_some_and(|st| st.len() == 2 && st.iter().all(|byte| is_code(*byte))), Deviation::StForm);
    }

    fn look_at_area(&mut self) {
        if self.area.starts_with(b"{0x") || self.area.starts_with(b"{0X") {
            self.deviations.insert(Deviation::ParenthesesSealed);
        }
    }
}

/// What opens and closes the data area, as the standard has it and as it is met: escaped for HTML, and in full width (UTF-8, GB18030).
const AMPERSANDS: [&[u8]; 4] = [b"&&", b"&amp;&amp;", b"\xEF\xBC\x86\xEF\xBC\x86", b"\xA3\xA6\xA3\xA6"];

/// Whether a data area is opened here.
fn opens(bytes: &[u8]) -> bool {
    AMPERSANDS.iter().any(|two| bytes.starts_with(two))
}

/// MN of HJ/T 212-2005: 14 digits.
fn is_old_mn(mn: &[u8]) -> bool {
    mn.len() == 14 && mn.iter().all(u8::is_ascii_digit)
}

/// The value of QN among the fields of a data area.
fn qn_in(area: &[u8]) -> Option<&[u8]> {
    area.split(|byte| matches!(byte, b';' | b',')).find_map(|field| field.trim_ascii().strip_prefix(b"QN="))
}

/// A number of digits only, up to 65,535.
fn number(digits: &[u8]) -> Option<u16> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0u16, |number, digit| {
        let digit = digit.is_ascii_digit().then(|| u16::from(digit - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const STANDARD: &str =
        "QN=20160801085857223;ST=32;CN=1062;PW=100000;MN=010000A8900016F000169DC0;Flag=5;CP=&&RtdInterval=30&&";

    fn codes(segment: &str) -> Vec<&'static str> {
        parse(segment.as_bytes()).deviations.iter().map(Deviation::code).collect()
    }

    /// The standard's segment with one piece of it written otherwise.
    fn with(from: &str, to: &str) -> Vec<&'static str> {
        assert!(STANDARD.contains(from));
        codes(&STANDARD.replacen(from, to, 1))
    }

    /// HJ 212-2017, 6.3.2, figure 4: the order of the fields. HJ 212-2025, table 3: RF stands behind PNO, before CP.
    #[test]
    fn both_grammars_read_a_standard_segment_alike() {
        for segment in [
            STANDARD.to_owned(),
            STANDARD.replace("Flag=5", "Flag=7;PNUM=2;PNO=1"),
            STANDARD.replace("Flag=5", "Flag=9;RF=1"),
            STANDARD.replace("Flag=5", "Flag=11;PNUM=2;PNO=2;RF=1"),
            STANDARD.replace("Flag=5", "Flag=7"),
            STANDARD.replace("Flag=5", "Flag=4;PNUM=1;PNO=1"),
            STANDARD.replace("Flag=5", "Flag=999"),
            STANDARD.replace("RtdInterval=30", ""),
        ] {
            let (rest, exact) = standard(segment.as_bytes()).unwrap();
            assert!(rest.is_empty());
            assert_eq!(exact, fields::tolerant(segment.as_bytes()), "{segment}");
        }
    }

    /// HJ 212-2017, 6.3.2, table 3: every field that a packet must have.
    #[test]
    fn a_number_alone_behind_the_items_is_the_headers_flag_where_that_has_none() {
        let items = "DataTime=20260601120000;w01018-Rtd=1.5,w01018-Flag=N";
        let of = |head: &str, area: &str| {
            let segment =
                format!("QN=20260601120000000;ST=32;CN=2011;PW=123456;MN=010000A8900016F000169DC0;{head}CP=&&{area}&&");
            let header = parse(segment.as_bytes());
            let area = String::from_utf8(header.area.to_owned()).unwrap();
            (header.flag.map(|flag| flag.0), area, header.deviations.contains(Deviation::FlagInArea))
        };
        for end in [";Flag=5", ";Flag=5;", "; Flag=5 "] {
            assert_eq!(of("", &format!("{items}{end}")), (Some(5), items.to_owned(), true), "{end}");
        }
        for (head, end) in [
            ("Flag=4;", ";Flag=5"),
            ("", ",Flag=5"),
            ("", ";Flag=N"),
            ("", ";Flag=5,x=1"),
            ("", ";Flag=1000"),
            ("", ";Flag="),
        ] {
            let area = format!("{items}{end}");
            let flag = if head.is_empty() { None } else { Some(4) };
            assert_eq!(of(head, &area), (flag, area.clone(), false), "{end}");
        }
        assert_eq!(of("", ";Flag=5").0, None, "behind nothing");
    }

    #[test]
    fn the_standards_header_is_read_without_a_deviation() {
        let header = parse(STANDARD.as_bytes());
        assert_eq!(header.qn, Some(&b"20160801085857223"[..]));
        assert_eq!(header.st, Some(&b"32"[..]));
        assert_eq!(header.cn, Some(1062));
        assert_eq!(header.pw, Some(&b"100000"[..]));
        assert_eq!(header.mn, Some(&b"010000A8900016F000169DC0"[..]));
        assert_eq!(header.flag, Some(PacketFlags(5)));
        assert_eq!((header.part, header.rf), (None, false));
        assert_eq!(header.area, b"RtdInterval=30");
        assert!(header.deviations.is_empty());
    }

    #[test]
    fn kind_7_odd_separators_in_the_header_are_read_over() {
        assert_eq!(with("ST=32;", "ST=32;;"), ["separator-extra"]);
        assert_eq!(with("ST=32;", "ST = 32 ; "), ["spaces"]);
        assert_eq!(with("CP=&&", "CP= &&"), ["spaces"]);
        assert_eq!(with("CP=&&", "CP="), ["opening-missing"]);
        assert_eq!(with("Flag=5;CP", "Flag=5CP"), ["separator-odd"]);
        assert_eq!(with("223;ST", "223,ST"), ["separator-odd"]);
        assert_eq!(with("30&&", "30"), ["closing-missing"]);
        assert_eq!(with("Flag=5;", "Flag=5;XX=1;"), ["header-unknown"]);
        assert_eq!(with("Flag=5;", "Flag=5;XX;"), ["header-unknown"]);
        assert_eq!(with("ST=32;", "ST=32;ST=31;"), ["header-twice"]);
        assert_eq!(
            codes("QN=20160801085857223;ST=32;CN=2011;PW=123456;MN=010000A8900016F000169DC0;Flag=5"),
            ["data-area-unreadable"]
        );
    }

    #[test]
    fn kind_7_the_data_area_is_found_however_it_is_opened() {
        let area = "DataTime=20160801085857;w01018-Rtd=1.2,w01018-Flag=N";
        let head = "QN=20160801085857223;ST=32;CN=2011;PW=123456;MN=010000A8900016F000169DC0;Flag=5";
        let found = |between: &str, closing: &str| {
            let segment = format!("{head}{between}{area}{closing}");
            let header = parse(segment.as_bytes());
            assert_eq!((header.cn, header.flag), (Some(2011), Some(PacketFlags(5))), "{segment}");
            let codes: Vec<_> = header.deviations.iter().map(Deviation::code).collect();
            (String::from_utf8_lossy(header.area).into_owned(), codes)
        };
        for (between, codes) in [
            (";CP=&&", &[][..]),
            (";cp=&&", &["field-name"]),
            (";Cp=&&", &["field-name"]),
            (";CP&&", &["area-opening"]),
            (";cp&&", &["area-opening"]),
            (";CP &&", &["area-opening"]),
            (";CP;&&", &["area-opening"]),
            (";CP,&&", &["area-opening"]),
            (";CP; &&", &["area-opening"]),
            (";C P=&&", &["area-opening"]),
            (";C P&&", &["area-opening"]),
            (";&&", &["area-opening"]),
            (";;&&", &["separator-extra", "area-opening"]),
            (";DATA=&&", &["area-opening"]),
            (";Data=&&", &["area-opening"]),
            (";CP=;&&", &["area-opening"]),
            (";CP==&&", &["area-opening"]),
            (";CP:&&", &["colon-for-equals"]),
            (";CP&", &["area-opening"]),
            (";CP=&", &["area-opening"]),
            (";", &["area-opening"]),
            (";CP;", &["area-opening"]),
            (";DATA=", &["area-opening"]),
            ("&&", &["area-opening"]),
            (";&amp;&amp;", &["separator-escaped", "area-opening"]),
        ] {
            let (said, odd) = found(between, "&&");
            assert_eq!((said.as_str(), &odd[..]), (area, codes), "{between}");
        }
        // What the header does not know stays where it can be seen.
        assert_eq!(found(";XX=1;", "&&").0, format!("XX=1;{area}"));
        assert_eq!(codes(&format!("{head};CP=&&&&")), [""; 0]);
        assert_eq!(codes(&format!("{head};XX=1;CP=&&&&")), ["header-unknown"]);
        for empty in ["", ";", ";&&&&", ";CP", ";CP=", ";CP=&&", ";CP&&&&"] {
            let segment = format!("{head}{empty}");
            assert_eq!(parse(segment.as_bytes()).area, b"", "{empty}");
        }
    }

    #[test]
    fn kind_7_too_many_and_too_few_ampersands_at_the_end_are_no_part_of_the_last_value() {
        let of = |end: &str| {
            let segment = STANDARD.replace("30&&", &format!("30{end}"));
            let header = parse(segment.as_bytes());
            let codes: Vec<_> = header.deviations.iter().map(Deviation::code).collect();
            (String::from_utf8_lossy(header.area).into_owned(), codes)
        };
        for end in ["&&&", "&", "&&&&", "&&&&&", "&amp;&amp;&amp;"] {
            let (area, odd) = of(end);
            assert_eq!(area, "RtdInterval=30", "{end}");
            assert!(odd.contains(&"closing-odd") && !odd.contains(&"closing-missing"), "{end} {odd:?}");
        }
        assert_eq!(of("&&").1, [""; 0]);
        assert_eq!(of(";&&"), ("RtdInterval=30;".to_owned(), vec![]));
        assert_eq!(codes(&STANDARD.replace("RtdInterval=30&&", "&&&")), ["closing-odd"]);
    }

    #[test]
    fn kind_7_other_characters_in_place_of_the_ampersands_are_no_part_of_the_area() {
        let area = "DataTime=20260401101500;w01018-Rtd=20.1,w01018-Flag=N";
        let head = "QN=20160801085857223;ST=32;CN=2011;PW=100000;MN=010000A8900016F000169DC0;Flag=5;CP=";
        for (open, close) in [
            ("$$", "$$"),
            ("||", "||"),
            ("^^", "^^"),
            ("@@", "@@"),
            ("##", "##"),
            ("%26%26", "%26%26"),
            ("%26", "%26"),
            ("[", "]"),
            ("{", "}"),
            ("(", ")"),
            ("[[", "]]"),
            ("{{", "}}"),
            ("& &", "& &"),
            ("**", "**"),
            ("!!", "!!"),
            ("~~", "~~"),
            ("$", "$"),
            ("|", "|"),
            ("\"", "\""),
            ("'", "'"),
            ("[ ", " ]"),
            ("$ $", "$ $"),
        ] {
            let segment = format!("{head}{open}{area}{close}");
            let header = parse(segment.as_bytes());
            assert_eq!(String::from_utf8_lossy(header.area), area, "{segment}");
            assert_eq!(codes(&segment), ["area-opening", "closing-odd"], "{segment}");
            assert_eq!(header.sealed, None);
        }
        // One of the two is `&&`.
        for sign in
            ["$$", "||", "^^", "@@", "##", "~~", "!!", "%%", "**", "%26%26", "%26", "$", "|", "@", "#", "''", "$ $"]
        {
            let closed = format!("{head}&&{area}{sign}");
            assert_eq!(String::from_utf8_lossy(parse(closed.as_bytes()).area), area, "{closed}");
            assert_eq!(codes(&closed), ["closing-odd"], "{closed}");
            let opened = format!("{head}{sign}{area}&&");
            assert_eq!(String::from_utf8_lossy(parse(opened.as_bytes()).area), area, "{opened}");
            assert_eq!(codes(&opened), ["area-opening"], "{opened}");
        }
        // What a value may end with is left with it.
        for last in [
            "w01018-Rtd=***",
            "w01018-Rtd=--",
            "w01018-Rtd=12%",
            "w01018-Rtd=12*",
            "w01018-Rtd=5.",
            "i1-Info=//a//",
            "A|B=1|",
        ] {
            let segment = format!("{head}&&DataTime=20260401101500;{last}");
            let header = parse(segment.as_bytes());
            assert!(header.area.ends_with(last.as_bytes()), "{segment}");
            assert_eq!(codes(&segment), ["closing-missing"], "{segment}");
        }
        // JSON, printed ciphertext, and ends that are no pair stay as they are.
        for area in
            ["{\"DataTime\":1}", "[{\"a\":1}]", "$$DataTime=1||", "DataTime=1", "{0x01,0x02}", "$$", "[]", "--a=1--"]
        {
            let segment = format!("{head}{area}");
            assert_eq!(String::from_utf8_lossy(parse(segment.as_bytes()).area), area);
        }
    }

    #[test]
    fn kind_11_fields_of_the_header_behind_the_area_are_read_as_such() {
        let area = "DataTime=20260401101500;w01018-Rtd=20.1,w01018-Flag=N";
        let head = "QN=20160801085857223;ST=32;CN=2011;PW=100000;MN=010000A8900016F000169DC0;";
        for (between, behind, odd) in [
            ("", ";Flag=5", &["flag-in-area"][..]),
            ("", ";Flag=5;", &["flag-in-area"]),
            ("", "Flag=5", &["flag-in-area"]),
            ("", ",Flag=5", &["flag-in-area"]),
            ("", ";Flag=5&&", &["flag-in-area"]),
            ("", ";Flag=7;PNUM=2;PNO=1", &["parts-form", "flag-in-area"]),
            ("Flag=7;", ";PNUM=2;PNO=1", &["parts-form"]),
        ] {
            let segment = format!("{head}{between}CP=&&{area}&&{behind}");
            let header = parse(segment.as_bytes());
            assert_eq!(String::from_utf8_lossy(header.area), area, "{segment}");
            assert_eq!(codes(&segment), odd, "{segment}");
            assert!(header.flag.is_some_and(PacketFlags::wants_answer), "{segment}");
            assert_eq!(header.part.is_some(), behind.contains("PNUM"), "{segment}");
        }
        let segment = format!(
            "{};CP=&&{area}&&;QN=20160801085857223",
            "ST=32;CN=2011;PW=100000;MN=010000A8900016F000169DC0;Flag=5"
        );
        let header = parse(segment.as_bytes());
        assert_eq!((header.qn, header.area), (Some(&b"20160801085857223"[..]), area.as_bytes()));
        assert_eq!(codes(&segment), ["qn-misplaced"]);
        // What the header does not know stays in the area, where it can be seen.
        let segment = format!("{head}Flag=5;CP=&&{area}&&;XX=5");
        assert!(parse(segment.as_bytes()).area.ends_with(b"XX=5"));
    }

    #[test]
    fn fields_that_no_header_has_are_told_with_their_text() {
        let text = |segment: &str| -> Vec<String> {
            unknown_fields(segment.as_bytes()).map(|field| String::from_utf8_lossy(field).into_owned()).collect()
        };
        assert_eq!(text(STANDARD), [""; 0]);
        assert_eq!(text(&STANDARD.replace("Flag=5;", "Flag=5;Ver=3;XX;RF=1;")), ["Ver=3", "XX"]);
        assert_eq!(text(&STANDARD.replace("QN=2016", "X1=5;QN=2016")), ["X1=5"]);
        assert_eq!(text(&STANDARD.replace("ST=32;", "ST=32,Ver=1;")), ["Ver=1"]);
        // Behind the last field of a header without CP stands the area.
        assert_eq!(text("QN=1;MN=2;XX=3;Flag=5;DataTime=1;YY=2"), ["XX=3"]);
    }

    #[test]
    fn kind_8_qn_may_be_missing_empty_odd_or_elsewhere() {
        assert_eq!(with("QN=20160801085857223;", ""), ["qn-missing"]);
        assert_eq!(with("QN=20160801085857223;", "QN=;"), ["qn-empty"]);
        for odd in ["1470013137223", "20160801085857", "201608010858572232016080108585722", "2016080108585722x"] {
            assert_eq!(with("20160801085857223", odd), ["qn-form"]);
        }
        let later = "ST=32;CN=1062;QN=20160801085857223;PW=100000;MN=010000A8900016F000169DC0;Flag=5;CP=&&&&";
        assert_eq!(codes(later), ["qn-misplaced"]);
        let inside =
            "ST=32;CN=2011;PW=100000;MN=010000A8900016F000169DC0;Flag=5;CP=&&QN=20160801085857223;DataTime=1&&";
        assert_eq!(codes(inside), ["qn-in-area"]);
        assert_eq!(parse(inside.as_bytes()).area_qn, Some(&b"20160801085857223"[..]));
    }

    #[test]
    fn the_form_of_2005_is_no_deviation() {
        for segment in [
            "ST=32;CN=2011;PW=123456;MN=88888880000001;CP=&&DataTime=20040516021000;101-Rtd=1.1,101-Flag=N&&",
            "ST=91;CN=9014;CP=&&QN=20040516010101001;CN=2051&&",
            "ST=91;CN=9011;PW=123456;MN=88888880000001;Flag=0;CP=&&QN=20040516010101001;QnRtn=1&&",
        ] {
            assert_eq!(codes(segment), [""; 0], "{segment}");
        }
        let answer = parse(b"ST=91;CN=9014;CP=&&QN=20040516010101001;CN=2051&&");
        assert_eq!(answer.area_qn, Some(&b"20040516010101001"[..]));
        assert_eq!(codes("PNUM=1;PNO=1;ST=32;CN=2011;PW=123456;MN=88888880000001;CP=&&&&"), ["parts-form"]);
    }

    /// HJ 212-2017, 6.3.2, table 3: PW has 6 characters, MN 24 hexadecimal digits; what is otherwise is named.
    #[test]
    fn kinds_9_and_10_pw_and_mn_are_taken_as_they_are() {
        assert_eq!(with("PW=100000;", "PW=;"), ["pw-empty"]);
        assert_eq!(with("PW=100000;", ""), ["pw-empty"]);
        assert_eq!(with("PW=100000", "PW=100000100000100000100000"), ["pw-form"]);
        assert_eq!(with("MN=010000A8900016F000169DC0;", "MN=;"), ["mn-empty"]);
        for odd in ["010000a8900016f000169dc0", "A110000_0001", "861234567890123", "12"] {
            let segment = STANDARD.replace("010000A8900016F000169DC0", odd);
            assert_eq!(codes(&segment), ["mn-form"], "{odd}");
            assert_eq!(parse(segment.as_bytes()).mn, Some(odd.as_bytes()));
        }
        assert_eq!(with("010000A8900016F000169DC0", "88888880000001"), [""; 0]);
    }

    /// HJ 212-2017, 6.3.2, table 3: Flag is 0 to 255, PNUM and PNO stand there if its bit 1 is set, and not otherwise.
    #[test]
    fn kind_11_flag_and_parts() {
        assert_eq!(with("Flag=5;", ""), ["flag-missing"]);
        assert_eq!(with("Flag=5", "Flag=x"), ["flag-form"]);
        assert_eq!(with("Flag=5", "Flag=256"), ["flag-form"]);
        assert_eq!(with("Flag=5", "Flag=7"), ["split-without-parts"]);
        assert_eq!(with("Flag=5", "Flag=5;PNUM=2;PNO=1"), ["parts-without-split"]);
        assert_eq!(with("Flag=5", "Flag=7;PNUM=0002;PNO=0002"), ["parts-form"]);
        assert_eq!(with("Flag=5", "Flag=7;PNO=2;PNUM=2"), ["parts-form"]);
        assert_eq!(with("Flag=5", "Flag=7;PNUM=2;PNO=3"), ["parts-form"]);
        assert_eq!(with("Flag=5", "Flag=7;PNUM=2"), ["split-without-parts", "parts-form"]);
        let padded = STANDARD.replace("Flag=5", "Flag=7;PNO=0002;PNUM=0003");
        assert_eq!(parse(padded.as_bytes()).part, Some(Part { count: 3, number: 2 }));
    }

    /// HJ 212-2017, 6.6.1: ST has two characters, digits or capitals.
    #[test]
    fn kind_12_st_of_another_width() {
        for odd in ["101", "9130", "3", "", "a1"] {
            assert_eq!(with("ST=32", &format!("ST={odd}")), ["st-form"]);
        }
        assert_eq!(with("ST=32", "ST=A1"), [""; 0]);
    }

    #[test]
    fn kind_17_names_in_another_case() {
        assert_eq!(with("Flag=5", "FLAG=5"), ["field-name"]);
        assert_eq!(parse(STANDARD.replace("Flag=5", "flag=5").as_bytes()).flag, Some(PacketFlags(5)));
    }

    /// HJ 212-2025, 8.2.2, table 3: RF=1 marks a record that the station uploads again.
    #[test]
    fn rf_marks_a_record_uploaded_again() {
        assert!(parse(STANDARD.replace("Flag=5", "Flag=9;RF=1").as_bytes()).rf);
        assert!(!parse(STANDARD.replace("Flag=5", "Flag=9;RF=0").as_bytes()).rf);
        assert!(!parse(STANDARD.as_bytes()).rf);
    }

    #[test]
    fn a_printed_ciphertext_is_named() {
        assert_eq!(with("RtdInterval=30", "{0xE4,0x3E}"), ["sealed-text"]);
    }

    #[test]
    fn separators_in_an_encrypted_area_change_nothing() {
        let mut segment =
            b"QN=20240520210700000;ST=31;CN=2051;PW=123456;MN=010000A8900016F000169DC0;Flag=9;CP=&&".to_vec();
        segment.extend_from_slice(b"\xE4;MN=1;&&CP=&&##\r\n&&&&");
        let header = parse(&segment);
        assert_eq!(header.mn, Some(&b"010000A8900016F000169DC0"[..]));
        assert_eq!(header.area, b"\xE4;MN=1;&&CP=&&##\r\n&&");
    }
}
