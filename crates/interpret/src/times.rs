//! What is odd about the times of a record, and whether it comes late.

use super::micros;
use super::moment::Moment;
use super::settings::Settings;
use super::source_record::SourceRecord;
use hj212::{Deviation, Deviations};
use hj212_model::message::Kind;
use hj212_model::message::kind::Span;

/// Names what is odd about the times of a record (catalogue, kinds 13 and 27).
pub(super) fn judge(
    settings: &Settings,
    packet: &SourceRecord<'_>,
    kind: Kind,
    time: Option<&[u8]>,
    moment: Option<Moment>,
    deviations: &mut Deviations,
) {
    let received = packet.place.at;
    match (time, moment) {
        (None, _) if kind.span() != Span::Timeless && !packet.sealing.is_unreadable() => {
            deviations.insert(Deviation::DataTimeMissing)
        }
        (Some(_), None) => deviations.insert(Deviation::DataTimeForm),
        (Some(text), Some(moment)) => {
            if text.len() != 14 || !Moment::is_plain(text) {
                deviations.insert(Deviation::DataTimeForm);
            }
            if moment.is_since_1970(text) {
                deviations.insert(Deviation::DataTimeEpoch);
            }
            if !moment.begins(kind.span()) {
                deviations.insert(Deviation::DataTimeSeconds);
            }
            if moment.timestamp().0.saturating_sub(received.0) > micros(settings.future_max) {
                deviations.insert(Deviation::DataTimeFuture);
            }
        }
        (None, _) => {}
    }
    let said = packet.qn.and_then(Moment::read);
    let clock = said.or_else(|| moment.filter(|_| kind == Kind::Realtime && packet.qn.is_none() && !packet.rf));
    let off = clock
        .is_some_and(|clock| clock.timestamp().0.abs_diff(received.0) > micros(settings.clock_off_max).unsigned_abs());
    if off && !packet.rf {
        deviations.insert(Deviation::ClockOff);
    }
}

/// Whether a record is late: uploaded again by the station's own word, or older than its kind ever is on arrival.
pub(super) fn is_backfill(settings: &Settings, packet: &SourceRecord<'_>, kind: Kind, moment: Option<Moment>) -> bool {
    let limit = match kind.span() {
        Span::Instant if matches!(kind, Kind::Realtime | Kind::State) => settings.backfill_instant,
        Span::Instant | Span::Timeless | Span::Minute | Span::FiveMinutes => settings.backfill_minute,
        Span::Hour => settings.backfill_hour,
        Span::Day => settings.backfill_day,
    };
    packet.rf || moment.is_some_and(|moment| packet.place.at.0.saturating_sub(moment.timestamp().0) > micros(limit))
}
