//! What a frame says, what is wrong with it and what to change: the same for `decode`, `send` and the status page.
//!
//! Frames take the way they would take in the gateway: scanner, header, interpreter. What is said here of a frame is what the
//! gateway would publish of it. What must stay true: what is published goes through as the JSON text that it is, so that numbers stand as
//! they were written (`12.30`); a frame is explained as if nothing had been heard before; a frame whose end is plain is named with MN, CN,
//! both lengths and both checks, whatever else is wrong with it; no password is shown.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::seal::{self, Known};
use super::{Sealed, advice, bare};
use hj212::sm4::CheckedOver;
use hj212::{
    Check, CrcVerdict, Deviation, Deviations, Edition, Fault, Frame, Header, Item, Part, SealForm, Spoken, crc,
    envelope, packet, secret, sm4,
};
use hj212_downlink::StationKey;
use hj212_interpret::{self as interpret, Interpreter, Says, TypedPublication};
use hj212_model::message::dialect::Shown;
use hj212_model::message::{Heard, Peering, Record, RejectReason, Timestamp, kind};
use hj212_model::registry::{self, Dialects};

/// A day in microseconds: longer than any part is waited for.
const DAY: i64 = 86_400_000_000;

/// So many unknown fields of a header are shown.
const UNKNOWN_MAX: usize = 32;

/// So many bytes of a log's prefix may stand before a data area that stands alone.
const AREA_BEFORE_MAX: usize = 64;

/// Explains frames one by one: each as if nothing had been heard before.
#[derive(Debug)]
pub struct Desk {
    interpreter: Interpreter,
    keys: Vec<StationKey>,
    /// The form of encryption that all stations are taken to be registered with.
    form: Option<SealForm>,
    dialects: Dialects,
    published: Vec<TypedPublication>,
}

/// What is said of a frame, or of bytes that are none.
#[derive(Debug, Serialize)]
pub struct Explained {
    /// Whether the gateway would take it.
    pub ok: bool,
    /// How many bytes it has.
    pub bytes: usize,
    /// `right`, `wrong`, `sealed`, or the code of a known mistake; `None` where there is no frame.
    pub crc: Option<&'static str>,
    /// Codes of what was read over.
    pub deviations: Vec<String>,
    /// Header and envelope; `None` where none can be told.
    pub packet: Option<Told>,
    /// As they would be published.
    pub readings: Option<Box<RawValue>>,
    /// As they would be published.
    pub instruments: Option<Box<RawValue>>,
    /// Why the gateway would refuse it.
    pub error: Option<Refusal>,
    /// Pieces of the data area that are no part of any reading or field, as they would be published.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unread: Option<Box<RawValue>>,
    /// Fields of the header that are not in the standard, as they stand there, without passwords.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub header_unknown: Vec<String>,
    /// What to change.
    pub changes: Vec<Change>,
    /// Bytes that are no frame, as text without passwords.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// How the paste was read, if it was not bytes from the wire.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub read_as: Vec<&'static str>,
}

/// Header and envelope.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Told {
    /// Of a frame.
    Frame(Box<Packet>),
    /// Of a frame that has begun and is not whole.
    Begun(Begun),
}

/// What a frame that is not whole says.
#[derive(Debug, Serialize)]
#[allow(missing_docs, reason = "the fields of the header by their names")]
pub struct Begun {
    pub qn: Option<String>,
    pub st: Option<String>,
    pub cn: Option<String>,
    pub mn: Option<String>,
    pub flag: Option<u8>,
}

/// What a frame says beside its readings.
#[derive(Debug, Serialize)]
#[allow(missing_docs, reason = "the fields of the header by their names")]
pub struct Packet {
    pub qn: Option<String>,
    pub st: Option<String>,
    pub cn: Option<String>,
    pub cn_zh: Option<&'static str>,
    pub cn_en: Option<&'static str>,
    /// The clause of the frame's own edition.
    pub clause: Option<&'static str>,
    pub kind: Option<String>,
    pub mn: Option<String>,
    /// How long the password is; never the password.
    pub pw: Option<String>,
    pub flag: Option<u8>,
    pub edition: Option<&'static str>,
    pub wants_answer: Option<bool>,
    pub part: Option<PartOf>,
    pub rf: bool,
    pub data_time: Option<String>,
    /// Fields of the area that are no readings, as they would be published.
    pub fields: Option<Box<RawValue>>,
    pub sealed: bool,
    /// In which form the area is encrypted, and what is missing to read it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seal: Option<Sealed>,
    pub readable: Option<bool>,
    pub reason: Option<String>,
    /// Whether something stands in the data area and no field can be read from it.
    #[serde(skip)]
    pub unreadable: bool,
    /// The data area, opened if a key opens it, without passwords and keys.
    pub cp: String,
    /// `None`: the head says none.
    pub length_declared: Option<usize>,
    pub length: usize,
    /// `None`: there is none, or none that can be read.
    pub crc_said: Option<String>,
    pub crc_computed: String,
}

/// PNO and PNUM.
#[derive(Debug, Serialize)]
#[allow(missing_docs, reason = "as Part")]
pub struct PartOf {
    pub number: u16,
    pub count: u16,
}

/// Why a frame would be refused.
#[derive(Debug, Serialize)]
#[allow(missing_docs, reason = "a code and its words")]
pub struct Refusal {
    pub reason: &'static str,
    pub zh: &'static str,
    pub en: &'static str,
    pub known_mistake: Option<Mistake>,
}

/// A known mistake.
#[derive(Debug, Serialize)]
#[allow(missing_docs, reason = "a code and its words")]
pub struct Mistake {
    pub code: &'static str,
    pub zh: &'static str,
    pub en: &'static str,
}

/// What to change.
#[derive(Debug, Serialize)]
#[allow(missing_docs, reason = "as Advice")]
pub struct Change {
    pub at: usize,
    pub from: String,
    pub to: String,
    pub zh: String,
    pub en: String,
}

/// What is taken from a published body. All else of it is passed over without being read.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Body {
    deviations: Option<Vec<String>>,
    kind: Option<String>,
    data_time: Option<String>,
    fields: Option<Box<RawValue>>,
    readable: Option<bool>,
    reason: Option<String>,
    readings: Option<Box<RawValue>>,
    instruments: Option<Box<RawValue>>,
    unread: Option<Box<RawValue>>,
}

impl Desk {
    /// A desk that opens encrypted areas with `keys`.
    #[must_use]
    pub fn new(keys: Vec<StationKey>) -> Desk {
        let dialects = Dialects::default();
        // Nobody sees the stations' cards.
        let settings = interpret::Settings {
            card_codes_max: 0,
            // It is forgotten with the next frame.
            unregistered_bytes_max: u64::MAX,
            ..interpret::Settings::default()
        };
        let mut interpreter = Interpreter::new(settings);
        interpreter.know_keys(keys.iter().cloned());
        interpreter.know_dialects(dialects.readings());
        Desk { interpreter, keys, form: None, dialects, published: Vec::new() }
    }

    /// The same desk, that reads encrypted areas as of stations registered with `form`.
    #[must_use]
    pub fn with_form(mut self, form: Option<SealForm>) -> Desk {
        self.form = form;
        self
    }

    /// Explains what was found in a paste at `now`.
    #[must_use]
    pub fn explain(&mut self, item: &Item<'_>, now: Timestamp) -> Explained {
        match item {
            Item::Frame(frame) if bare::is_bare(frame) => {
                let mut explained = self.frame(frame, now);
                // The gateway finds no frame where there is no head, whatever the check says.
                (explained.ok, explained.error) = (false, Some(refusal(RejectReason::Noise, None)));
                explained
            }
            Item::Frame(frame) => self.frame(frame, now),
            Item::Fault(fault) => {
                let mut explained = explain_fault(fault);
                if let Some(area) = bare_area(fault.raw) {
                    self.area(area, &mut explained, now);
                }
                explained
            }
        }
    }

    fn frame(&mut self, frame: &Frame<'_>, now: Timestamp) -> Explained {
        let header = packet::parse(frame.segment);
        let own = self.keys.iter().filter(|key| header.mn == Some(key.mn.as_bytes())).map(|key| &key.key);
        let keys: Vec<_> = if header.sealed.is_some() { own.collect() } else { Vec::new() };
        let form = self.form.unwrap_or_default();
        let opened =
            header.sealed.and_then(|_| sm4::open_as(form, frame.segment, frame.check.said, keys.iter().copied()).ok());
        let shown = Shown::of(&header, frame.deviations);
        let dialect = self.dialects.recognised(&shown).map(|dialect| dialect.edition);
        // As the gateway judges.
        let spoken =
            Spoken { flag: header.flag, edition: dialect, form: self.form.is_some(), key: !keys.is_empty() }.any();
        let known = Known { keys, form, spoken, opened: opened.is_some() };
        let sealed = seal::sealed(frame, &header, &known);
        let damaged = sealed.as_ref().is_some_and(|sealed| sealed.missing.contains(&"whole"));
        let (crc, known) = match frame.check.verdict {
            CrcVerdict::Right => ("right", None),
            CrcVerdict::Known(mistake) => (mistake.code(), Some(mistake)),
            CrcVerdict::Wrong => ("wrong", None),
            CrcVerdict::Sealed => ("sealed", None),
        };
        let unspoken = frame.check.verdict == CrcVerdict::Sealed && !spoken;
        let (crc, known) = if unspoken { ("wrong", Some(Deviation::SealedUnspoken)) } else { (crc, known) };
        let refused = match frame.check.verdict {
            CrcVerdict::Known(_) | CrcVerdict::Wrong => Some(RejectReason::CrcMismatch),
            CrcVerdict::Sealed if unspoken || damaged => Some(RejectReason::CrcMismatch),
            CrcVerdict::Right | CrcVerdict::Sealed if header.cn.is_none() => Some(RejectReason::CnMissing),
            CrcVerdict::Right | CrcVerdict::Sealed if header.mn.is_none_or(<[u8]>::is_empty) => {
                Some(RejectReason::MnMissing)
            }
            CrcVerdict::Right | CrcVerdict::Sealed if !header.mn.is_none_or(is_mn) => Some(RejectReason::MnUnknown),
            CrcVerdict::Right | CrcVerdict::Sealed => None,
        };
        let changes = advice(frame, &header).into_iter();
        let changes = changes.map(|a| Change { at: a.at, from: a.from, to: a.to, zh: a.zh, en: a.en }).collect();
        let mut body = self.published(frame, &header, now);
        let of_flag = || header.flag.map_or(Some(Edition::V2005), |flag| flag.edition());
        let edition = dialect.map_or_else(of_flag, Some);
        let codes = |all: Deviations| all.iter().map(|deviation| deviation.code().to_owned()).collect();
        let deviations = body.deviations.take().unwrap_or_else(|| codes(frame.deviations.union(header.deviations)));
        let (readings, instruments) = (body.readings.take(), body.instruments.take());
        let unread = body.unread.take().filter(|unread| unread.get() != "[]");
        let header_unknown = packet::unknown_fields(frame.segment).take(UNKNOWN_MAX);
        let header_unknown = header_unknown.map(|field| printable(&secret::masked(field))).collect();
        let packet = packet_of(frame, &header, opened.as_ref(), edition, body, &deviations, sealed);
        Explained {
            ok: refused.is_none(),
            bytes: frame.raw.len(),
            crc: Some(crc),
            deviations,
            packet: Some(Told::Frame(Box::new(packet))),
            readings,
            instruments,
            error: refused.map(|reason| refusal(reason, known)),
            unread,
            header_unknown,
            changes,
            text: None,
            read_as: Vec::new(),
        }
    }

    /// Reads a data area that stands alone as that of a record of sampled values, and says what stands around an area.
    fn area(&mut self, area: &[u8], explained: &mut Explained, now: Timestamp) {
        let segment = [b"CN=2011;MN=0;CP=&&", area, b"&&"].concat();
        let check = Check { said: 0, computed: 0, verdict: CrcVerdict::Wrong };
        let frame = Frame { raw: &segment, segment: &segment, declared: 0, check, deviations: Deviations::NONE };
        let body = self.published(&frame, &packet::parse(&segment), now);
        explained.readings = body.readings;
        explained.instruments = body.instruments;
        explained.unread = body.unread.filter(|unread| unread.get() != "[]");
        explained.changes = vec![Change {
            at: 1,
            from: String::new(),
            to: "CP=&&".into(),
            zh: "只有数据区:缺少包头 ##、四位长度、QN、ST、CN、PW、MN、Flag 和 CP=&&,结尾缺少 &&、CRC 与回车换行。读数按实时数据(CN=2011)试读".into(),
            en: "a data area alone: ##, the length, QN, ST, CN, PW, MN, Flag and CP=&& are missing before it, &&, the CRC and CR LF behind it. Read as sampled values (CN=2011) for a try".into(),
        }];
    }

    /// What the gateway would publish of the frame, as if it had been accepted.
    fn published(&mut self, frame: &Frame<'_>, header: &Header<'_>, now: Timestamp) -> Body {
        let interpreter = &mut self.interpreter;
        interpreter.forget();
        if let (Some(form), Some(mn), Some(_)) = (self.form, header.mn, header.sealed) {
            interpreter.know_forms([(String::from_utf8_lossy(mn).into_owned(), form)]);
        }
        let from = Peering { connection: 0, peer: std::net::SocketAddr::from(([127, 0, 0, 1], 0)) };
        let record =
            Record::Frame(Heard { from, deviations: frame.deviations, segment: frame.segment, raw: frame.raw });
        let out = &mut self.published;
        out.clear();
        interpreter.on_record(1, now, &[0; 32], &record, out);
        if header.part.is_some() {
            // A part of a split record is given up waiting for the others, and shown alone.
            interpreter.on_record(2, Timestamp(now.0.saturating_add(DAY)), &[0; 32], &Record::Tick, out);
        }
        let data = out.iter().find(|said| matches!(said.content, Says::Data(_)));
        let text = data.and_then(|data| std::str::from_utf8(&data.payload).ok());
        let mut body: Body = text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        // A pasted frame has no time of arrival that its clock could be compared with.
        let of_arrival = [Deviation::ClockOff.code(), Deviation::DataTimeFuture.code()];
        if let Some(codes) = &mut body.deviations {
            codes.retain(|code| !of_arrival.contains(&code.as_str()));
        }
        body
    }
}

/// The data area that noise consists of: from `DataTime=` on, in one line, with a second field behind it.
fn bare_area(noise: &[u8]) -> Option<&[u8]> {
    let text = noise.trim_ascii();
    let start = memchr::memmem::find(text.get(..AREA_BEFORE_MAX).unwrap_or(text), b"DataTime=")?;
    let (before, area) = text.split_at_checked(start)?;
    let area = area.strip_suffix(b"&&").unwrap_or(area);
    let alone = !before.contains(&b';') && !area.iter().any(|byte| matches!(byte, b'\r' | b'\n' | b'&'));
    (alone && area.contains(&b';')).then_some(area)
}

fn explain_fault(fault: &Fault<'_>) -> Explained {
    let text = |field: Option<&[u8]>| field.map(printable);
    let packet = fault.segment.map(packet::parse).map(|header| {
        Told::Begun(Begun {
            qn: text(header.qn),
            st: text(header.st),
            cn: header.cn.map(|cn| cn.to_string()),
            mn: text(header.mn),
            flag: header.flag.map(|flag| flag.0),
        })
    });
    // What is missing up to the declared length, the check and the line end.
    let missing = fault.segment.and_then(|segment| {
        let declared = envelope(fault.raw, 0).declared?;
        let missing = (declared + 6).checked_sub(segment.len())?;
        Some(Change {
            at: fault.raw.len() + 1,
            from: String::new(),
            to: String::new(),
            zh: format!("按声明的长度 {declared},还缺 {missing} 个字节(含 CRC 与回车换行)"),
            en: format!("by the declared length of {declared}, {missing} bytes are missing (CRC and CR LF included)"),
        })
    });
    Explained {
        ok: false,
        bytes: fault.raw.len(),
        crc: None,
        deviations: Vec::new(),
        packet,
        readings: None,
        instruments: None,
        error: Some(refusal(RejectReason::from(fault.reason), None)),
        unread: None,
        header_unknown: Vec::new(),
        changes: missing.into_iter().collect(),
        text: Some(printable(&secret::masked(fault.raw))),
        read_as: Vec::new(),
    }
}

fn refusal(reason: RejectReason, known: Option<Deviation>) -> Refusal {
    Refusal {
        reason: reason.code(),
        zh: reason.explain_zh(),
        en: reason.explain_en(),
        known_mistake: known.map(|d| Mistake { code: d.code(), zh: d.explain_zh(), en: d.explain_en() }),
    }
}

/// The header's fields and what they mean; the password is not shown.
fn packet_of(
    frame: &Frame<'_>,
    header: &Header<'_>,
    opened: Option<&sm4::Opened>,
    edition: Option<Edition>,
    body: Body,
    deviations: &[String],
    seal: Option<Sealed>,
) -> Packet {
    let text = |field: Option<&[u8]>| field.map(printable);
    let command = header.cn.and_then(kind::command);
    let computed = opened.map_or(frame.check.computed, |opened| match opened.checked {
        CheckedOver::Plain | CheckedOver::Mistaken(_) => crc::checksum(&opened.segment),
        CheckedOver::Sealed => frame.check.computed,
        // It fits, and what filled the area up is not there any more.
        CheckedOver::FilledUp => frame.check.said,
    });
    let area = opened.map_or(header.area, |opened| packet::parse(&opened.segment).area);
    let unreadable = deviations.iter().any(|code| code == Deviation::AreaUnreadable.code());
    Packet {
        qn: text(header.qn),
        st: text(header.st),
        cn: header.cn.map(|cn| cn.to_string()),
        cn_zh: command.map(|c| c.zh),
        cn_en: command.map(|c| c.en),
        clause: command.map(|c| clause(c.clause, edition)),
        kind: body.kind.or_else(|| header.cn.map(|cn| kind::Kind::of(cn).name().to_owned())),
        mn: text(header.mn),
        pw: header.pw.map(|pw| format!("{} characters", pw.len())),
        flag: header.flag.map(|flag| flag.0),
        edition: edition.map(Edition::year),
        wants_answer: header.flag.map(|flag| flag.wants_answer()),
        part: header.part.map(|Part { number, count }| PartOf { number, count }),
        rf: header.rf,
        data_time: body.data_time,
        fields: body.fields,
        sealed: seal.as_ref().is_some_and(|seal| !seal.missing.contains(&"word")),
        seal,
        readable: body.readable,
        reason: body.reason,
        unreadable: !header.area.is_empty() && unreadable,
        cp: printable(&secret::masked(area)),
        length_declared: Some(frame.declared).filter(|declared| {
            let unsaid = [Deviation::LengthDigits, Deviation::LengthPlaceholder];
            *declared > 0 || !unsaid.iter().any(|unsaid| frame.deviations.contains(*unsaid))
        }),
        length: frame.segment.len(),
        crc_said: Some(frame.check.said).filter(|_| is_said(frame)).map(|said| format!("{said:04X}")),
        crc_computed: format!("{computed:04X}"),
    }
}

/// Whether a station can have this MN.
fn is_mn(mn: &[u8]) -> bool {
    std::str::from_utf8(mn).is_ok_and(registry::is_mn)
}

/// Whether the frame has a check that can be read.
fn is_said(frame: &Frame<'_>) -> bool {
    let odd = [Deviation::CrcMissing, Deviation::CrcForm].iter().any(|odd| frame.deviations.contains(*odd));
    !odd || frame.check.said != 0 || frame.check.verdict == CrcVerdict::Right
}

/// The clause in the edition of the frame: the tables of 2017 stand in 2025 too, and came from 2005.
fn clause(clause: &'static str, edition: Option<Edition>) -> &'static str {
    match (edition, clause) {
        (Some(Edition::V2025), "HJ 212-2017, 6.6.5, table 9") => "HJ 212-2025, table 12",
        (Some(Edition::V2005), "HJ 212-2017, 6.6.5, table 9") => "HJ/T 212-2005",
        _ => clause,
    }
}

/// The bytes as text; what is no text is escaped.
fn printable(bytes: &[u8]) -> String {
    if let Some(plain) =
        std::str::from_utf8(bytes).ok().filter(|text| text.bytes().all(|byte| matches!(byte, b' '..=b'~')))
    {
        return plain.to_owned();
    }
    let text = std::str::from_utf8(bytes).map(std::borrow::Cow::Borrowed).unwrap_or_else(|_| {
        let (text, broken) = encoding_rs::GB18030.decode_without_bom_handling(bytes);
        if broken { bytes.escape_ascii().to_string().into() } else { text }
    });
    if !text.chars().any(char::is_control) {
        return text.into_owned();
    }
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() { shown.extend(c.escape_default()) } else { shown.push(c) }
    }
    shown
}
