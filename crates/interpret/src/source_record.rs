//! One record of a station, in one piece or put together, as it comes to be published.

use super::data::PartNote;
use super::events::{JournalRef, RecordName};
use super::keys::Sealing;
use super::report::Torn;
use hj212::{Deviations, Edition};
use hj212_model::message::dialect::Shown;

/// One record of a station, in one piece or put together.
pub(super) struct SourceRecord<'a> {
    pub(super) st: Option<&'a [u8]>,
    pub(super) cn: Option<u16>,
    pub(super) qn: Option<&'a [u8]>,
    pub(super) rf: bool,
    pub(super) edition: Option<Edition>,
    /// Whether it has a Flag.
    pub(super) flagged: bool,
    pub(super) area: &'a [u8],
    pub(super) parted: PartNote<'a>,
    pub(super) sealing: Sealing,
    pub(super) deviations: Deviations,
    pub(super) length_off: Option<u32>,
    pub(super) content: u64,
    /// Where its area was cut that cannot be put together.
    pub(super) torn: &'a [Torn],
    pub(super) place: JournalRef<'a>,
}

impl<'a> SourceRecord<'a> {
    /// What it shows of its dialect.
    pub(super) fn shown(&self, mn: &'a [u8]) -> Shown<'a> {
        let (st, cn, deviations, area) = (self.st, self.cn, self.deviations, self.area);
        Shown { flag: self.edition, flagged: self.flagged, st, cn, mn, deviations, area }
    }

    /// What of it stands in an id.
    pub(super) fn named(&self) -> Named<'a> {
        Named { st: self.st, cn: self.cn, record: self.place.name() }
    }
}

/// What of a packet stands in an id.
#[derive(Clone, Copy)]
pub(super) struct Named<'a> {
    pub(super) st: Option<&'a [u8]>,
    pub(super) cn: Option<u16>,
    pub(super) record: RecordName,
}
