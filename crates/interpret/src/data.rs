//! The `data` body: one JSON object for one record (schema `hj212.data/1`, `fixtures/schema/data.schema.json`).
//!
//! Written straight into a buffer, in a fixed order of keys. What must stay true: numbers stand as the station wrote them; the same
//! record always gives the same bytes.

use super::convert::Multiplier;
use super::factor::write_head;
use super::json;
use super::keys::Sealing;
use super::moment::{Moment, write_timestamp};
use super::names::{Class, is_taken, snake};
use super::parts::{ArrivedPart, missing};
use super::reading::{Cell, Own, Reading};
use super::report::Report;
use super::value::Said;
use hj212::secret::{is_secret, masked, masked_whole, may_hold};
use hj212::{Deviation, Deviations, Edition};
use hj212_marking::{Judged, Mark, MarkVerdict, Marks, Plan, Standing, Validity};
use hj212_model::message::{Kind, Timestamp};

/// Texts that stand in no field and are published, at most.
const UNREAD_MAX: usize = 32;

/// Bytes of them, at most; how many more there are is said.
const UNREAD_BYTES_MAX: usize = 1024;

/// What stands in place of a secret.
const HIDDEN: &[u8] = b"\"***\"";

/// Whether a record came in parts.
#[derive(Debug, Clone, Copy)]
pub(super) enum PartNote<'a> {
    /// In one piece.
    Whole,
    /// One part, published on its own.
    One { count: u16, number: u16 },
    /// Put together from what was heard of `count` parts, in their order.
    Merged { count: u16, heard: &'a [ArrivedPart] },
}

/// What a body says besides the report.
#[derive(Debug)]
pub(super) struct DataHead<'a> {
    /// The record's id, safe in a JSON string.
    pub(super) id: &'a [u8],
    pub(super) revision: u16,
    /// `,"gateway":…,"mn":…`, made once for the station.
    pub(super) head: &'a [u8],
    /// `,"station":{…}`, made once for the station.
    pub(super) card: &'a [u8],
    pub(super) st: Option<&'a [u8]>,
    pub(super) cn: Option<u16>,
    pub(super) qn: Option<&'a [u8]>,
    pub(super) edition: Option<Edition>,
    pub(super) kind: Kind,
    pub(super) time: Option<&'a [u8]>,
    pub(super) moment: Option<Moment>,
    pub(super) received: Timestamp,
    pub(super) backfill: bool,
    pub(super) parted: PartNote<'a>,
    pub(super) sealing: Sealing,
    /// The ids under which the record stood as unreadable.
    pub(super) replaces: &'a [String],
    pub(super) deviations: Deviations,
    /// By how many bytes the declared length was off.
    pub(super) length_off: Option<u32>,
    pub(super) offset: u64,
    pub(super) hash: &'a [u8; 32],
}

/// Appends the body; what is odd about texts is found while they are decoded and returned with the rest.
pub(super) fn write(
    out: &mut Vec<u8>,
    envelope: &DataHead<'_>,
    report: &Report<'_>,
    verdict: &MarkVerdict,
    marks: (&Marks, Option<&Plan>),
) -> Deviations {
    let mut deviations = envelope.deviations.union(report.deviations);
    write_top(out, envelope, &mut deviations);
    out.extend_from_slice(b",\"readings\":");
    let several = report.instruments.len() > 1;
    write_readings(out, report, verdict, several.then_some(0), &mut deviations);
    out.extend_from_slice(b",\"fields\":");
    write_own(out, report, several.then_some(0), &mut deviations);
    write_instruments(out, report, verdict, &mut deviations);
    // Of a part the name of a secret may stand in another one, but not where only measurements are said.
    let whole = matches!(envelope.parted, PartNote::Whole) || matches!(envelope.cn, Some(2000..=2999));
    write_unread(out, &report.unread, whole, &mut deviations);
    out.extend_from_slice(b",\"marks\":");
    write_marks(out, marks);
    out.extend_from_slice(b",\"deviations\":");
    write_deviations(out, deviations, envelope.length_off);
    write_journal(out, envelope.offset, envelope.hash);
    out.push(b'}');
    deviations
}

fn write_top(out: &mut Vec<u8>, envelope: &DataHead<'_>, deviations: &mut Deviations) {
    out.extend_from_slice(b"{\"schema\":\"hj212.data/1\",\"id\":\"");
    out.extend_from_slice(envelope.id);
    out.extend_from_slice(b"\",\"revision\":");
    json::number(out, u64::from(envelope.revision));
    out.extend_from_slice(envelope.head);
    optional_name(out, b",\"st\":", envelope.st);
    out.extend_from_slice(b",\"cn\":");
    match envelope.cn {
        Some(cn) => {
            out.push(b'"');
            json::number(out, u64::from(cn));
            out.push(b'"');
        }
        None => out.extend_from_slice(b"null"),
    }
    optional_name(out, b",\"qn\":", envelope.qn);
    out.extend_from_slice(b",\"edition\":");
    json::optional(out, envelope.edition.map(Edition::year));
    out.extend_from_slice(b",\"kind\":\"");
    out.extend_from_slice(envelope.kind.name().as_bytes());
    out.extend_from_slice(b"\",\"data_time\":");
    match (envelope.moment, envelope.time) {
        (Some(moment), Some(text)) if !Moment::is_plain(text) => {
            quoted(out, |out| moment.write(out));
            out.extend_from_slice(b",\"data_time_text\":");
            said(out, text, deviations);
        }
        (Some(moment), _) => quoted(out, |out| moment.write(out)),
        (None, None) => out.extend_from_slice(b"null"),
        (None, Some(text)) => {
            out.extend_from_slice(b"null,\"data_time_text\":");
            said(out, text, deviations);
        }
    }
    out.extend_from_slice(b",\"received_at\":");
    quoted(out, |out| write_timestamp(out, envelope.received));
    out.extend_from_slice(if envelope.backfill { b",\"backfill\":true" } else { b",\"backfill\":false" });
    write_parted(out, envelope.parted);
    out.extend_from_slice(envelope.card);
    write_sealing(out, envelope);
}

/// Says that the data area was encrypted, and what came of it.
fn write_sealing(out: &mut Vec<u8>, envelope: &DataHead<'_>) {
    match envelope.sealing {
        Sealing::Plain => return,
        Sealing::Opened | Sealing::OpenedLater => out.extend_from_slice(b",\"sealed\":true"),
        Sealing::Unreadable(why) => {
            out.extend_from_slice(b",\"sealed\":true,\"readable\":false,\"reason\":");
            json::string(out, why.code());
        }
    }
    if !envelope.replaces.is_empty() {
        out.extend_from_slice(b",\"replaces\":");
        write_names(out, envelope.replaces);
    }
}

fn write_parted(out: &mut Vec<u8>, parted: PartNote<'_>) {
    out.extend_from_slice(b",\"part\":");
    let (count, heard) = match parted {
        PartNote::Whole => return out.extend_from_slice(b"null"),
        PartNote::One { count, number } => {
            out.extend_from_slice(b"{\"count\":");
            json::number(out, u64::from(count));
            out.extend_from_slice(b",\"number\":");
            json::number(out, u64::from(number));
            return out.push(b'}');
        }
        PartNote::Merged { count, heard } => (count, heard),
    };
    if heard.len() < usize::from(count) {
        out.extend_from_slice(b"{\"count\":");
        json::number(out, u64::from(count));
        out.extend_from_slice(b",\"missing\":");
        numbers(out, missing(count, heard));
        out.push(b'}');
    } else {
        out.extend_from_slice(b"null");
    }
    out.extend_from_slice(b",\"parts\":[");
    for (at, part) in heard.iter().enumerate() {
        out.extend_from_slice(if at > 0 { b",{\"number\":" } else { b"{\"number\":" });
        json::number(out, u64::from(part.number));
        optional_name(out, b",\"qn\":", part.qn.as_deref());
        out.extend_from_slice(b",\"offset\":");
        json::number(out, part.offset);
        out.push(b'}');
    }
    out.push(b']');
}

/// Appends a list of whole numbers.
pub(super) fn numbers(out: &mut Vec<u8>, numbers: impl Iterator<Item = u64>) {
    out.push(b'[');
    for (at, number) in numbers.enumerate() {
        if at > 0 {
            out.push(b',');
        }
        json::number(out, number);
    }
    out.push(b']');
}

/// Appends the readings under the instrument of this number, or all.
fn write_readings(
    out: &mut Vec<u8>,
    report: &Report<'_>,
    verdict: &MarkVerdict,
    instrument: Option<u32>,
    deviations: &mut Deviations,
) {
    out.push(b'{');
    let mut first = true;
    for (at, reading) in report.readings.iter().enumerate() {
        if instrument.is_some_and(|number| number != reading.instrument) {
            continue;
        }
        if !std::mem::take(&mut first) {
            out.push(b',');
        }
        write_reading(out, report, reading, verdict.readings.get(at), deviations);
    }
    out.push(b'}');
}

/// Appends what was said of each instrument, if any is named: its fields of the record, and its readings.
fn write_instruments(out: &mut Vec<u8>, report: &Report<'_>, verdict: &MarkVerdict, deviations: &mut Deviations) {
    if report.instruments.is_empty() {
        return;
    }
    out.extend_from_slice(b",\"instruments\":[");
    for (number, instrument) in (1..).zip(&report.instruments) {
        out.extend_from_slice(if number > 1 { b",{\"pol_id\":" } else { b"{\"pol_id\":" });
        if instrument.said.is_empty() {
            out.extend_from_slice(b"null");
        } else {
            said(out, instrument.said, deviations);
        }
        out.extend_from_slice(b",\"code\":");
        json::optional(out, instrument.code());
        out.extend_from_slice(b",\"name\":");
        json::optional(out, instrument.factor.and_then(|factor| factor.name.as_deref()));
        let only = report.instruments.len() == 1;
        out.extend_from_slice(b",\"fields\":");
        write_own(out, report, (!only).then_some(number), deviations);
        out.extend_from_slice(b",\"readings\":");
        write_readings(out, report, verdict, Some(number), deviations);
        out.push(b'}');
    }
    out.push(b']');
}

/// Appends what of the area stands in no field, as far as it is kept, and how many bytes are not.
fn write_unread(out: &mut Vec<u8>, unread: &[&[u8]], whole: bool, deviations: &mut Deviations) {
    if unread.is_empty() {
        return;
    }
    out.extend_from_slice(b",\"unread\":[");
    let hide = if whole { masked_whole } else { masked };
    let (mut left, mut begun) = (UNREAD_BYTES_MAX, false);
    let mut cut = 0;
    for (at, text) in unread.iter().enumerate() {
        let mut kept = if at < UNREAD_MAX { text.len().min(left) } else { 0 };
        // No character is cut in two.
        while kept > 0 && text.get(kept).is_some_and(|byte| matches!(byte, 0x80..=0xBF)) {
            kept -= 1;
        }
        cut += text.len() - kept;
        left -= kept;
        if kept == 0 {
            continue;
        }
        if std::mem::replace(&mut begun, true) {
            out.push(b',');
        }
        json::said(out, &hide(text.get(..kept).unwrap_or_default()), deviations);
    }
    out.push(b']');
    if cut > 0 {
        out.extend_from_slice(b",\"unread_cut\":");
        json::number(out, cut as u64);
    }
}

fn write_reading(
    out: &mut Vec<u8>,
    report: &Report<'_>,
    reading: &Reading<'_>,
    judged: Option<&Judged>,
    deviations: &mut Deviations,
) {
    let multiplier = reading.multiplier();
    match reading.factor {
        Some(factor)
            if reading.unit.is_none()
                && reading.meaning.is_none()
                && reading.item < 2
                && (reading.canonical || factor.code.as_bytes() == reading.code) =>
        {
            out.extend_from_slice(&factor.head);
        }
        Some(factor) => {
            let (name, unit) = match reading.meaning {
                Some(meaning) => (Some(&*meaning.name), meaning.unit.as_deref()),
                None => (factor.name.as_deref(), factor.unit.as_deref()),
            };
            let converted = reading.conversion.filter(|_| multiplier.is_some()).map(|it| it.to.as_str());
            write_head(out, &report.key_of(reading), name, converted.or(reading.unit).or(unit));
        }
        None => write_head(out, &report.key_of(reading), None, None),
    }
    if reading.among {
        out.extend_from_slice(b",\"item\":");
        json::number(out, u64::from(reading.item));
    }
    let textual = reading.factor.is_some_and(|factor| factor.textual);
    let mut unspoken = false;
    for cell in report.cells(reading).filter(|cell| !cell.earlier) {
        unspoken |= write_cell(out, (hides(reading), cell), textual, multiplier, deviations);
    }
    if unspoken {
        write_texts(out, report, reading, textual, deviations);
    }
    if reading.twice && !hides(reading) {
        out.extend_from_slice(b",\"earlier\":");
        let earlier = report.cells(reading).filter(|cell| cell.earlier).map(|cell| (cell.said, cell.value));
        write_earlier(out, earlier, deviations);
    }
    write_why(out, report, reading);
    write_flag(out, reading, judged, deviations);
    if multiplier.is_some() {
        write_reported(out, report, reading);
    }
    if reading.canonical {
        out.extend_from_slice(b",\"reported_code\":");
        json::name(out, reading.code);
    }
    let Some(factor) = reading.factor else { return out.push(b'}') };
    if reading.second {
        out.extend_from_slice(b",\"same_as\":");
        json::name(out, factor.code.as_bytes());
    }
    if let Some(collision) = &factor.collision {
        out.extend_from_slice(&collision.json);
    }
    out.push(b'}');
}

/// Appends what was said of values that were converted.
fn write_reported(out: &mut Vec<u8>, report: &Report<'_>, reading: &Reading<'_>) {
    out.extend_from_slice(b",\"reported\":{\"unit\":");
    json::optional(out, reading.unit);
    out.extend_from_slice(b",\"by\":");
    json::optional(out, reading.conversion.map(|conversion| conversion.by.as_str()));
    for cell in report.cells(reading).filter(|cell| cell.is_converted()) {
        out.extend_from_slice(cell.name.map_or(&[], |name| name.key));
        quoted(out, |out| out.extend_from_slice(&cell.literal()));
    }
    out.push(b'}');
}

/// Whether all that is said of a reading is hidden: its code is the name of a password or key.
fn hides(reading: &Reading<'_>) -> bool {
    reading.factor.is_none() && is_secret(reading.code)
}

/// Appends one field; true if its value could not be said in its place and belongs to `text`.
fn write_cell(
    out: &mut Vec<u8>,
    (hidden, cell): (bool, &Cell<'_>),
    textual: bool,
    multiplier: Option<Multiplier>,
    deviations: &mut Deviations,
) -> bool {
    let class = cell.name.map(|name| name.class);
    if class == Some(Class::Flag) {
        return false;
    }
    write_key(out, cell, b',');
    // No name of the standard is that of a secret, and no code.
    if hidden || cell.name.is_none() && is_secret(cell.said) {
        // What is a number everywhere else is none here.
        let text = cell.name.is_none() || class == Some(Class::Text);
        out.extend_from_slice(if text { HIDDEN } else { b"null" });
        return false;
    }
    match class {
        Some(Class::Text) => said(out, cell.value, deviations),
        Some(Class::ByFactor) if textual => said(out, cell.value, deviations),
        Some(Class::Time) => match Moment::read_any(cell.value) {
            Some(moment) => {
                quoted(out, |out| moment.write(out));
                return !Moment::is_plain(cell.value);
            }
            None => {
                out.extend_from_slice(b"null");
                return true;
            }
        },
        Some(Class::Number | Class::ByFactor | Class::Flag) | None => {
            if cell.form == Said::Text {
                out.extend_from_slice(b"null");
                return true;
            }
            match multiplier.filter(|_| cell.is_converted()) {
                Some(multiplier) => multiplier.apply(&cell.literal(), out),
                None if cell.form == Said::Odd => out.extend_from_slice(&cell.literal()),
                None => out.extend_from_slice(cell.value),
            }
            return cell.form == Said::Odd;
        }
    }
    false
}

/// Appends `,"name":` (or with another mark before it).
fn write_key(out: &mut Vec<u8>, cell: &Cell<'_>, before: u8) {
    let key = match cell.name {
        Some(name) => name.key.get(1..).unwrap_or_default(),
        None => {
            out.push(before);
            write_own_name(out, cell.said, is_taken);
            return out.push(b':');
        }
    };
    out.push(before);
    out.extend_from_slice(key);
}

/// Appends a name without a known meaning as a JSON string, prefixed if it is taken.
fn write_own_name(out: &mut Vec<u8>, said: &[u8], is_taken: fn(&[u8]) -> bool) {
    let mut name: Vec<u8> = snake(said).collect();
    if is_taken(&name) {
        name.splice(0..0, *b"x_");
    }
    json::name(out, &name);
}

/// Why values are none, by field; `valid` is for the reading as a whole.
fn write_why(out: &mut Vec<u8>, report: &Report<'_>, reading: &Reading<'_>) {
    let mut begun = false;
    let mut begin = |out: &mut Vec<u8>| {
        out.extend_from_slice(if std::mem::replace(&mut begun, true) { b"," } else { b",\"why\":{" });
    };
    let hidden = hides(reading);
    let unsaid = |cell: &&Cell<'_>| !hidden && !cell.earlier && cell.why.is_some() && !is_secret(cell.said);
    for cell in report.cells(reading).filter(unsaid) {
        let Some(why) = cell.why else { continue };
        begin(out);
        match cell.name {
            Some(name) => json::string(out, name.snake),
            None => write_own_name(out, cell.said, is_taken),
        }
        out.push(b':');
        json::string(out, why.code());
    }
    if let Some(why) = reading.why {
        begin(out);
        out.extend_from_slice(b"\"valid\":");
        json::string(out, why.code());
    }
    if begun {
        out.push(b'}');
    }
}

/// What was said in the fields that are null, or a number in another form.
fn write_texts(
    out: &mut Vec<u8>,
    report: &Report<'_>,
    reading: &Reading<'_>,
    textual: bool,
    deviations: &mut Deviations,
) {
    out.extend_from_slice(b",\"text\":{");
    let mut before = None;
    let hidden = hides(reading);
    for cell in report.cells(reading).filter(|cell| !hidden && !cell.earlier && !is_secret(cell.said)) {
        let unspoken = match cell.name.map(|name| name.class) {
            Some(Class::Flag | Class::Text) => false,
            Some(Class::Time) => !Moment::is_plain(cell.value) || Moment::read(cell.value).is_none(),
            Some(Class::ByFactor) => cell.form != Said::Number && !textual,
            Some(Class::Number) | None => cell.form != Said::Number,
        };
        if unspoken {
            if let Some(mark) = before {
                out.push(mark);
            }
            before = Some(b',');
            match cell.name {
                Some(name) => json::string(out, name.snake),
                None => write_own_name(out, cell.said, is_taken),
            }
            out.push(b':');
            said(out, cell.value, deviations);
        }
    }
    out.push(b'}');
}

/// Appends the station's mark as it said it, and beside it what the rules make of the reading.
fn write_flag(out: &mut Vec<u8>, reading: &Reading<'_>, judged: Option<&Judged>, deviations: &mut Deviations) {
    out.extend_from_slice(b",\"flag\":");
    match reading.flag {
        Some(_) if hides(reading) => out.extend_from_slice(HIDDEN),
        Some(flag) => said(out, flag, deviations),
        None => out.extend_from_slice(b"null"),
    }
    let validity = judged.and_then(|judged| judged.validity);
    out.extend_from_slice(match reading.worth.valid(validity.map(Validity::is_usable)) {
        Some(true) => b",\"valid\":true",
        Some(false) => b",\"valid\":false",
        None => b",\"valid\":null",
    });
    if let Some(special) = validity.filter(|validity| !matches!(validity, Validity::Valid | Validity::Invalid)) {
        out.extend_from_slice(b",\"validity\":");
        json::string(out, special.name());
    }
    // An unknown flag names a mark by its text.
    let judged = judged.filter(|_| !hides(reading));
    out.extend_from_slice(b",\"marks\":");
    write_names(out, judged.map_or(&[], |judged| &judged.marks));
    let Some(judged) = judged else { return };
    if !judged.proposed.is_empty() {
        out.extend_from_slice(b",\"proposed\":");
        write_names(out, &judged.proposed);
    }
    if let Some(recomputed) = &judged.recomputed {
        out.extend_from_slice(if recomputed.valid {
            b",\"recomputed\":{\"valid\":true,\"good\":"
        } else {
            b",\"recomputed\":{\"valid\":false,\"good\":"
        });
        json::number(out, u64::from(recomputed.good));
        out.extend_from_slice(b",\"seen\":");
        json::number(out, u64::from(recomputed.seen));
        out.extend_from_slice(b",\"expected\":");
        json::number(out, u64::from(recomputed.expected));
        out.extend_from_slice(b",\"needed\":");
        json::string(out, &recomputed.needed);
        out.extend_from_slice(b",\"clause\":");
        json::string(out, &recomputed.clause);
        if let Some(flag) = &recomputed.flag {
            out.extend_from_slice(if flag.valid {
                b",\"flag\":{\"valid\":true,\"needed\":"
            } else {
                b",\"flag\":{\"valid\":false,\"needed\":"
            });
            json::string(out, &flag.needed);
            out.extend_from_slice(b",\"clause\":");
            json::string(out, &flag.clause);
            out.push(b'}');
        }
        out.push(b'}');
    }
}

fn write_names(out: &mut Vec<u8>, names: &[String]) {
    out.push(b'[');
    for (at, name) in names.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        json::string(out, name);
    }
    out.push(b']');
}

/// The marks that hold at the station, in short; what was annulled does not.
fn write_marks(out: &mut Vec<u8>, (marks, plan): (&Marks, Option<&Plan>)) {
    out.push(b'[');
    let holds = |mark: &&Mark| mark.begun && mark.standing != Standing::Annulled;
    let works = |mark: &Mark| plan.map_or(mark.effect().is_some(), |plan| marks.is_effective(plan, mark));
    for (at, mark) in marks.held().filter(holds).enumerate() {
        out.extend_from_slice(if at > 0 { b",{\"mark\":" } else { b"{\"mark\":" });
        json::string(out, &mark.mark);
        out.extend_from_slice(b",\"object\":");
        json::string(out, &mark.object);
        out.extend_from_slice(b",\"standing\":");
        json::string(out, mark.standing.name());
        out.extend_from_slice(b",\"by\":");
        json::string(out, &mark.by);
        out.extend_from_slice(b",\"since\":");
        quoted(out, |out| write_timestamp(out, mark.since));
        if mark.standing.counts() && !works(mark) {
            out.extend_from_slice(b",\"effective\":false");
        }
        out.push(b'}');
    }
    out.push(b']');
}

/// The fields of the record itself, as texts: those under the instrument of this number, or all; and what was said before them.
fn write_own(out: &mut Vec<u8>, report: &Report<'_>, instrument: Option<u32>, deviations: &mut Deviations) {
    out.push(b'{');
    let mut first = true;
    // Which instrument it is stands beside its fields.
    let here = |own: &&Own<'_>| instrument.is_none_or(|number| number == own.instrument && own.name != b"PolId");
    for own in report.own.iter().filter(here).filter(|own| !own.earlier) {
        if !std::mem::take(&mut first) {
            out.push(b',');
        }
        write_own_name(out, own.name, |_| false);
        out.push(b':');
        if is_secret(own.name) {
            out.extend_from_slice(HIDDEN);
        } else {
            said(out, own.value, deviations);
        }
    }
    out.push(b'}');
    if report.own.iter().filter(here).any(|own| own.earlier) {
        out.extend_from_slice(b",\"fields_earlier\":");
        let earlier = report.own.iter().filter(here).filter(|own| own.earlier).map(|own| (own.name, own.value));
        write_earlier(out, earlier, deviations);
    }
}

fn write_earlier<'a>(
    out: &mut Vec<u8>,
    earlier: impl Iterator<Item = (&'a [u8], &'a [u8])>,
    deviations: &mut Deviations,
) {
    out.push(b'[');
    for (at, (name, value)) in earlier.enumerate() {
        out.extend_from_slice(if at > 0 { b",{\"field\":" } else { b"{\"field\":" });
        write_own_name(out, name, |_| false);
        out.extend_from_slice(b",\"said\":");
        if is_secret(name) {
            out.extend_from_slice(HIDDEN);
        } else {
            said(out, value, deviations);
        }
        out.push(b'}');
    }
    out.push(b']');
}

/// Appends the codes of a set; the length's is followed by the number of bytes where that is known.
pub(super) fn write_deviations(out: &mut Vec<u8>, deviations: Deviations, length_off: Option<u32>) {
    out.push(b'[');
    for (at, deviation) in deviations.iter().enumerate() {
        out.extend_from_slice(if at > 0 { b",\"" } else { b"\"" });
        out.extend_from_slice(deviation.code().as_bytes());
        if let (Deviation::LengthOff, Some(by)) = (deviation, length_off) {
            out.extend_from_slice(b"-by-");
            json::number(out, u64::from(by));
        }
        out.push(b'"');
    }
    out.push(b']');
}

/// Appends `,"journal":{…}`.
pub(super) fn write_journal(out: &mut Vec<u8>, offset: u64, hash: &[u8; 32]) {
    out.extend_from_slice(b",\"journal\":{\"offset\":");
    json::number(out, offset);
    out.extend_from_slice(b",\"hash\":\"");
    json::hex(out, hash);
    out.extend_from_slice(b"\"}");
}

/// Appends a key and a name, or null.
pub(super) fn optional_name(out: &mut Vec<u8>, key: &[u8], name: Option<&[u8]>) {
    out.extend_from_slice(key);
    match name {
        Some(name) => json::name(out, name),
        None => out.extend_from_slice(b"null"),
    }
}

/// Appends what `write` appends, in quotes.
pub(super) fn quoted(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    out.push(b'"');
    write(out);
    out.push(b'"');
}

/// Appends a text of the station without the secrets in it.
fn said(out: &mut Vec<u8>, text: &[u8], deviations: &mut Deviations) {
    if let [letter @ (b'A'..=b'Z' | b'0'..=b'9')] = text {
        return out.extend_from_slice(&[b'"', *letter, b'"']);
    }
    if may_hold(text) {
        json::said(out, &masked_whole(text), deviations);
    } else {
        json::said(out, text, deviations);
    }
}
