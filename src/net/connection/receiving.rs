//! What comes on a connection: a frame is judged, and sent on its way to disk; what is none is kept as rejected.

use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

use super::pending::{PendingAnswer, Telling};
use super::{Close, Connection};
use crate::net::notices::{StationNotice, Stored};
use crate::net::to_journal::{StoredNotice, entry};
use crate::net::wire_log::Direction;
use hj212::{Deviation, Deviations, Edition, Frame, Header, packet, sm4};
use hj212_journal::Entry;
use hj212_model::message::{Heard, Record, RejectReason, Rejected};
use hj212_model::registry;
use hj212_model::session::{self, FrameVerdict, Moved, Reply};
use hj212_model::telemetry::Counter;

/// Bytes of an MN that are shown in a line of the log.
const MN_SHOWN: usize = 64;

/// Whose frame it is, and the edition the station is spoken to in.
struct FrameOwner<'a> {
    mn: &'a str,
    edition: Edition,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// A frame with an envelope: judged, and sent on its way to disk.
    pub(super) fn frame(&mut self, frame: &Frame<'_>) {
        let shared = &self.admission.shared;
        shared.telemetry.count(Counter::FramesHeard);
        let mut header = packet::parse(frame.segment);
        let peering = self.admission.peering;
        let answer = matches!(header.cn, Some(9011..=9013));
        let registering = self.registering.clone().filter(|_| answer && self.is_unknown(header.mn));
        if let Some(mn) = &registering {
            // A logger that is being given its MN may answer under the one that it has, or under none.
            header.mn = Some(mn.as_bytes());
        }
        shared.wire(header.mn.unwrap_or_default(), Direction::In, peering, frame.raw);
        let moved = self.has_moved(frame, &header).and_then(|moved| shared.move_to(&moved, (shared.clock)()));
        let verdict = session::judge(
            frame,
            &header,
            peering.peer.ip(),
            &shared.registry(),
            |station| shared.learned_of(station),
            |station, learned| shared.note_learned(station, learned),
            |station| shared.keys_of(station),
        );
        match verdict {
            FrameVerdict::Refused { reason, detail } => {
                shared.telemetry.count(Counter::FramesRejected);
                if reason == RejectReason::CrcMismatch && sm4::looks_sealed(frame) {
                    self.tell_damaged(frame, &header);
                }
                shared.append(moved);
                self.refuse(reason, detail, Some(frame.segment), frame.raw);
            }
            FrameVerdict::Accepted { station, dialect, mut deviations } => {
                if std::mem::take(&mut self.after_fault) {
                    deviations.insert(Deviation::NoiseBefore);
                }
                if header.mn != Some(station.mn.as_bytes()) {
                    self.registering = Some(station.mn.as_str().into());
                }
                let told = FrameOwner { mn: &station.mn, edition: station.facts.edition.unwrap_or(dialect.edition) };
                let registered = || shared.registered().find(station.mn.as_bytes()).is_some();
                let own = header.mn == Some(station.mn.as_bytes()) && registered();
                let pw = header.pw.unwrap_or_default();
                let again =
                    own.then(|| shared.heard_at(&station.mn, peering.peer.ip(), pw, !header.rf, (shared.clock)()));
                let again = again.flatten().map(|entry| (entry, StoredNotice::nobody()));
                let before = moved.into_iter().chain(again).collect();
                self.keep(frame, &header, &told, deviations, (before, Reply::to(&header, &dialect)));
            }
        }
    }

    /// Tells the downlink of a sealed frame that was damaged, if it is a registered station's by its header: what it says is not believed,
    /// but the key that it was sealed with shows.
    fn tell_damaged(&self, frame: &Frame<'_>, header: &Header<'_>) {
        let shared = &self.admission.shared;
        let registry = shared.registry();
        let Some(station) = header.mn.and_then(|mn| registry.find(mn)).filter(|_| shared.has_listener()) else {
            return;
        };
        if station.knows(header.pw.unwrap_or_default()) {
            let sealed = Some(frame.check.said);
            let frame = Stored { at: (shared.clock)(), segment: frame.segment.into(), sealed };
            shared.tell(StationNotice::Damaged { mn: station.mn.as_str().into(), frame });
        }
    }

    /// Whether a frame whose MN nobody knows is of a station that had another one, and is whole: the check is right, or a key of that station
    /// opens it.
    fn has_moved(&self, frame: &Frame<'_>, header: &Header<'_>) -> Option<Moved> {
        let shared = &self.admission.shared;
        let new = header.mn.filter(|mn| !mn.is_empty() && self.is_unknown(Some(mn)))?;
        let new = std::str::from_utf8(new).ok().filter(|new| registry::is_mn(new))?;
        if matches!(header.cn, None | Some(1001 | 9011..=9014)) {
            return None;
        }
        let from = self.admission.peering.peer.ip();
        let moved = shared.may_have_moved(new, from, header.pw.unwrap_or_default(), &self.stations)?;
        let registry = shared.registered();
        let row = registry.find(moved.mn.as_bytes())?;
        let whole = match frame.check.verdict {
            hj212::CrcVerdict::Right => true,
            hj212::CrcVerdict::Sealed => {
                let (keys, form) = (shared.keys_of(row), row.facts.seal.unwrap_or_default());
                sm4::open_as(form, frame.segment, frame.check.said, keys.iter()).is_ok()
            }
            hj212::CrcVerdict::Known(mistake) => {
                let learned = shared.learned_of(row);
                learned.seen >= session::LEARN_AFTER && learned.mistake == Some(mistake)
            }
            hj212::CrcVerdict::Wrong => false,
        };
        (whole && row.allows(from)).then_some(moved)
    }

    /// Whether this is no registered station's MN.
    fn is_unknown(&self, mn: Option<&[u8]>) -> bool {
        mn.is_none_or(|mn| self.admission.shared.registry().find(mn).is_none())
    }

    /// An accepted frame goes to the journal, behind what is to stand `before` it and the news that its station is here if that is news.
    fn keep(
        &mut self,
        frame: &Frame<'_>,
        header: &Header<'_>,
        told: &FrameOwner<'_>,
        deviations: Deviations,
        (before, reply): (Vec<(Entry, StoredNotice)>, Option<Reply>),
    ) {
        let mn = told.mn;
        let shared = &self.admission.shared;
        let mut placed = true;
        let now = (shared.clock)();
        let from = self.admission.peering;
        let news = if self.stations.iter().any(|known| **known == *mn) {
            shared.place(mn, from, now)
        } else if self.stations.len() < self.admission.settings.stations_per_connection_max {
            self.stations.push(mn.into());
            shared.place(mn, from, now)
        } else {
            shared.telemetry.count(Counter::StationsUnplaced);
            placed = false;
            None
        };
        let telling = (placed && shared.has_listener()).then(|| {
            let came = news.is_some().then_some(told.edition);
            let sealed = sm4::looks_sealed(frame).then_some(frame.check.said);
            Box::new(Telling { came, frame: Stored { at: now, segment: frame.segment.into(), sealed } })
        });
        shared.telemetry.deviated(deviations.union(header.deviations));
        let heard = Heard { from, deviations, segment: frame.segment, raw: frame.raw };
        let (notice, receipt) = StoredNotice::wanted();
        let record = (entry(&Record::Frame(heard), now), notice);
        shared.started_flight();
        let news = news.map(|entry| (entry, StoredNotice::nobody()));
        shared.append(before.into_iter().chain(news).chain([record]));
        self.flights.push_back(PendingAnswer {
            receipt,
            reply,
            mn: mn.into(),
            heard_at: self.front.heard_at(),
            telling,
        });
        if !self.known {
            shared.spoke(from);
        }
        let wait = shared.pace(mn, now);
        if !wait.is_zero() {
            let until = Instant::now() + wait;
            self.resume_at = Some(self.resume_at.map_or(until, |at| at.max(until)));
        }
        (self.known, self.noise) = (true, 0);
    }

    /// Tells the downlink of a frame that is on disk.
    pub(super) fn tell(&mut self, mn: &str, telling: Telling) {
        let Telling { came, frame } = telling;
        let shared = &self.admission.shared;
        let Some(edition) = came else { return shared.tell(StationNotice::Heard { mn: mn.into(), frame }) };
        let outgoing = Arc::clone(self.outgoing.get_or_insert_default());
        let connection = self.admission.peering.connection;
        shared.tell(StationNotice::Came { mn: mn.into(), connection, edition, outgoing, frame });
    }

    /// Bytes that are not taken as a station's word: kept as rejected, unless there were too many from there lately.
    pub(super) fn refuse(&mut self, reason: RejectReason, detail: Deviations, segment: Option<&[u8]>, raw: &[u8]) {
        let shared = &self.admission.shared;
        let from = self.admission.peering;
        shared.telemetry.rejected(reason);
        self.noise += raw.len() as u64;
        if self.noise > self.admission.settings.noise_max {
            self.close.get_or_insert(Close::Noisy);
        }
        if !shared.may_keep_rejected(from.peer.ip(), raw.len()) {
            return;
        }
        // Behind the rest, where no filter of lines looks; escaped, so that nobody breaks or forges a line.
        let mn = segment.and_then(|segment| hj212::packet::parse(segment).mn);
        let mn = mn.map(|mn| mn.get(..MN_SHOWN).unwrap_or(mn).escape_ascii().to_string());
        // Under the name that filters of lines know (deploy/fail2ban).
        tracing::info!(target: "hj212_gateway::net::connection", peer = %from.peer, reason = reason.code(), bytes = raw.len(), mn, "rejected");
        let rejected = Rejected { from, reason, detail, segment, heard: raw.len() as u64, raw };
        shared.append([(entry(&Record::Rejected(rejected), (shared.clock)()), StoredNotice::nobody())]);
    }
}
