//! May this frame be kept as its station's word? The rules, in the order in which they are asked.

use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::message::{RejectReason, registration};
use crate::registry::{CrcPolicy, Dialect, Registry, Station, Unknown};
use hj212::sm4::{self, CheckedOver, Key, Opened};
use hj212::{Deviation, Deviations, Edition, Frame, Header, Spoken, crc};

/// So many frames must show the same known CRC mistake before `crc = "learn"` accepts it.
pub const LEARN_AFTER: u32 = 3;

/// What a station's CRCs have shown, for `crc = "learn"`.
///
/// The rule: a mistake is learned when [`LEARN_AFTER`] wrong CRCs had its very value and nothing contradicted it between the first and the
/// last of them. A wrong CRC of another value contradicts it. A right CRC contradicts it if the mistake would have given another value for
/// that segment; else it says nothing, for some mistakes show in some texts only: a CRC over characters or over signed bytes is right for
/// all that is ASCII. What was learned stays.
///
/// The memory is one mistake and one count a station. Against guessing: a damaged frame has the value of one given mistake once in 256
/// cases or less, so three of them in a row do in fewer than one of ten million, and a right frame between them starts anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Learned {
    /// The mistake that is being seen or was learned.
    pub mistake: Option<Deviation>,
    /// How often, uncontradicted.
    pub seen: u32,
}

impl Learned {
    /// Whether `frame`'s wrong CRC, which shows the mistake `found`, is the one this station makes; notes what was seen.
    fn accepts(&mut self, checked: Checked<'_>, found: Option<Deviation>) -> Option<Deviation> {
        let shown = |known: Deviation| found == Some(known) || checked.shows(known);
        if let Some(known) = self.mistake.filter(|_| self.seen >= LEARN_AFTER) {
            return shown(known).then_some(known);
        }
        if self.mistake.is_some_and(shown) {
            self.seen += 1;
        } else {
            (self.mistake, self.seen) = (found, u32::from(found.is_some()));
        }
        self.mistake.filter(|_| self.seen >= LEARN_AFTER)
    }

    /// A right CRC before anything was learned: it contradicts a mistake that would have given another.
    fn right(&mut self, checked: Checked<'_>) {
        if self.seen < LEARN_AFTER && self.mistake.is_some_and(|mistake| !checked.shows(mistake)) {
            *self = Learned::default();
        }
    }
}

/// A plain segment, as it came or as it was opened, and the CRC that its frame says.
#[derive(Clone, Copy)]
struct Checked<'a> {
    segment: &'a [u8],
    frame: &'a Frame<'a>,
}

impl Checked<'_> {
    /// Whether the CRC that the frame says is what `mistake` gives.
    fn shows(self, mistake: Deviation) -> bool {
        // Where there is no CRC to be read, none is shown.
        let deviations = self.frame.deviations;
        let readable = !deviations.contains(Deviation::CrcMissing) && !deviations.contains(Deviation::CrcForm);
        readable && crc::mistakes(self.segment, self.frame.check.said).contains(mistake)
    }
}

/// What is to be done with a frame.
#[derive(Debug, Clone)]
pub enum FrameVerdict {
    /// It is kept as the station's word and answered in this dialect.
    Accepted {
        /// Whose it is.
        station: Arc<Station>,
        /// How it is answered.
        dialect: Arc<Dialect>,
        /// What was read over in envelope, CRC and registration.
        deviations: Deviations,
    },
    /// It is kept as refused, and not answered.
    Refused {
        /// Why.
        reason: RejectReason,
        /// What else is known of it.
        detail: Deviations,
    },
}

/// Judges `frame`, whose header is `header`, heard from `address`. `keys`: those that the station may seal with, as far as they are
/// known. What is sealed with one of them is judged by what it gives, as if it had come in plain text: a damaged one is not answered, and a known
/// mistake of the CRC holds as far as the station's policy lets it; what is sealed with a key that nobody knows here
/// is kept and answered, since nothing tells that it is damaged.
pub fn judge(
    frame: &Frame<'_>,
    header: &Header<'_>,
    address: IpAddr,
    registry: &Registry,
    learned: impl FnOnce(&Station) -> Learned,
    remember: impl FnOnce(&Station, Learned),
    keys: impl FnOnce(&Station) -> Arc<[Key]>,
) -> FrameVerdict {
    let refused = |reason, detail| FrameVerdict::Refused { reason, detail };
    let mn = header.mn.filter(|mn| !mn.is_empty());
    let registration = registration::hardware(header).filter(|_| mn.is_none_or(|mn| registry.find(mn).is_none()));
    let approved = registration.and_then(|number| registry.of_hardware(number));
    if registration.is_some() && approved.is_none() {
        return refused(RejectReason::Unapproved, frame.deviations);
    }
    let Some(mn) = mn.or_else(|| approved.map(|station| station.mn.as_bytes())) else {
        return refused(RejectReason::MnMissing, frame.deviations);
    };
    let station = match (approved.or_else(|| registry.find(mn)), registry.unknown()) {
        (Some(station), _) => Arc::clone(station),
        (None, Unknown::Accept) => match registry.improvise(mn) {
            Some(station) => Arc::new(station),
            None => return refused(RejectReason::MnUnknown, frame.deviations),
        },
        (None, Unknown::Reject) => return refused(RejectReason::MnUnknown, frame.deviations),
    };
    if !station.allows(address) {
        return refused(RejectReason::NetworkForbidden, frame.deviations);
    }
    let mut state = learned(&station);
    let keys = if frame.check.verdict == hj212::CrcVerdict::Sealed { keys(&station) } else { Arc::default() };
    let sealed = may_be_sealed(&station, frame, header, registry, &keys);
    let opened = if sealed && !keys.is_empty() && station.crc != CrcPolicy::Off {
        sm4::open_any(frame.segment, frame.check.said, keys.iter())
    } else {
        None
    };
    let crc = crc_of(frame, station.crc, sealed, opened.as_ref(), &mut state);
    remember(&station, state);
    let found = match crc {
        Ok(found) => found,
        Err(detail) => return refused(RejectReason::CrcMismatch, frame.deviations.union(detail)),
    };
    if frame.check.verdict == hj212::CrcVerdict::Sealed
        && opened.is_none()
        && station.crc != CrcPolicy::Off
        && !keys.is_empty()
        && (sm4::is_off_its_length(frame.segment, frame.declared)
            || sm4::is_damaged(frame.segment, frame.check.said, keys.iter()))
    {
        return refused(RejectReason::CrcMismatch, frame.deviations);
    }
    if header.cn.is_none() {
        return refused(RejectReason::CnMissing, frame.deviations);
    }
    if !station.knows(header.pw.unwrap_or_default()) {
        return refused(RejectReason::PwWrong, frame.deviations);
    }
    let dialect = dialect_of(&station, frame, header, registry);
    let deviations = frame.deviations.union(found).union(against_registration(&station, header));
    FrameVerdict::Accepted { station, dialect, deviations }
}

/// Whether anything but the looks of its data area says that the frame may be encrypted.
fn may_be_sealed(station: &Station, frame: &Frame<'_>, header: &Header<'_>, registry: &Registry, keys: &[Key]) -> bool {
    if frame.check.verdict != hj212::CrcVerdict::Sealed {
        return false;
    }
    let shown = || registry.recognised(station, header, frame.deviations).map(|dialect| dialect.edition);
    let (edition, form) = (station.facts.edition.or_else(shown), station.facts.seal.is_some());
    Spoken { flag: header.flag, edition, form, key: !keys.is_empty() }.any()
}

/// The deviations of an acceptable CRC, or what is known of one that is not.
fn crc_of(
    frame: &Frame<'_>,
    policy: CrcPolicy,
    sealed: bool,
    opened: Option<&Opened>,
    learned: &mut Learned,
) -> Result<Deviations, Deviations> {
    let checked = Checked { segment: opened.map_or(frame.segment, |opened| &opened.segment), frame };
    let found = match frame.check.verdict {
        hj212::CrcVerdict::Right => {
            learned.right(checked);
            return Ok(Deviations::NONE);
        }
        hj212::CrcVerdict::Sealed if sealed => match opened.map(|opened| opened.checked) {
            None => return Ok(Deviations::NONE),
            Some(CheckedOver::Mistaken(mistake)) => Some(mistake),
            Some(CheckedOver::Plain | CheckedOver::FilledUp | CheckedOver::Sealed) => {
                learned.right(checked);
                return Ok(Deviations::NONE);
            }
        },
        hj212::CrcVerdict::Known(mistake) => Some(mistake),
        hj212::CrcVerdict::Wrong | hj212::CrcVerdict::Sealed => None,
    };
    let mut named = found.map_or(Deviations::NONE, Deviations::from);
    if frame.check.verdict == hj212::CrcVerdict::Sealed && opened.is_none() {
        named.insert(Deviation::SealedUnspoken);
    }
    match policy {
        CrcPolicy::Strict => Err(named),
        CrcPolicy::Off => Ok(named.union(Deviation::CrcUnchecked.into())),
        CrcPolicy::Learn => learned.accepts(checked, found).map(Deviations::from).ok_or(named),
    }
}

/// The registered dialect, else the one that recognises the frame, else the one of the edition that it shows; without Flag that is the
/// oldest.
fn dialect_of(station: &Station, frame: &Frame<'_>, header: &Header<'_>, registry: &Registry) -> Arc<Dialect> {
    if let Some(dialect) = &station.dialect {
        return Arc::clone(dialect);
    }
    let shown = header.flag.and_then(|flag| flag.edition());
    if let Some(dialect) = registry.recognised(station, header, frame.deviations) {
        return Arc::clone(dialect);
    }
    let edition = match shown {
        // Many loggers of 2017 leave the version bits at zero; an MN of 24 characters tells them from those of 2005.
        Some(Edition::V2005) | None if header.mn.is_some_and(|mn| mn.len() == 24) => Edition::V2017,
        Some(edition) => edition,
        None => Edition::V2005,
    };
    Arc::clone(registry.dialect_of(edition))
}

fn against_registration(station: &Station, header: &Header<'_>) -> Deviations {
    let mut found = Deviations::NONE;
    let interaction = header.st == Some(b"91");
    if station.facts.st.as_ref().is_some_and(|st| !interaction && header.st != Some(st.as_bytes())) {
        found.insert(Deviation::StMismatch);
    }
    let shown = header.flag.and_then(|flag| flag.edition());
    if shown.is_some() && station.facts.edition.is_some_and(|edition| shown != Some(edition)) {
        found.insert(Deviation::FlagEdition);
    }
    found
}
