//! What a station reads: `hj212::scan` as a tokio-util decoder.
//!
//! A bad frame is an item, never the end of the stream: `Framed` stops after a decoder's error, so only I/O errors are errors.

use bytes::{Buf, Bytes, BytesMut};
use tokio_util::codec::Decoder;

use hj212::{CrcVerdict, FaultReason, Item, Limits, Peer, scan};

/// What the read buffer starts with: an answer is shorter than this.
pub(crate) const READ_BUFFER: usize = 256;

/// Decodes what a host sends.
#[derive(Debug, Clone, Copy, Default)]
pub struct HostCodec {
    limits: Limits,
}

/// What a host sent that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unusable {
    /// Bytes that are no frame.
    Fault(FaultReason),
    /// A frame whose CRC does not match its bytes: damaged, or sealed, for then it is over the plain text.
    Check {
        /// The data segment.
        segment: Bytes,
        /// What the CRC says.
        said: u16,
    },
}

impl HostCodec {
    fn step(&self, buffer: &mut BytesMut, peer: Peer) -> Option<Result<Bytes, Unusable>> {
        while !buffer.is_empty() {
            let step = scan(buffer, peer, &self.limits);
            let used = step.used;
            let found = match step.item {
                None if used == 0 => return None,
                None => None,
                Some(Item::Fault(fault)) => Some(Err(Unusable::Fault(fault.reason))),
                Some(Item::Frame(frame)) => Some(match frame.check.verdict {
                    CrcVerdict::Right => Ok(Bytes::copy_from_slice(frame.segment)),
                    CrcVerdict::Known(_) | CrcVerdict::Wrong | CrcVerdict::Sealed => {
                        Err(Unusable::Check { segment: Bytes::copy_from_slice(frame.segment), said: frame.check.said })
                    }
                }),
            };
            buffer.advance(used);
            if found.is_some() {
                return found;
            }
        }
        None
    }
}

impl Decoder for HostCodec {
    type Item = Result<Bytes, Unusable>;
    type Error = std::io::Error;

    fn decode(&mut self, buffer: &mut BytesMut) -> Result<Option<Self::Item>, Self::Error> {
        Ok(self.step(buffer, Peer::Sending))
    }

    fn decode_eof(&mut self, buffer: &mut BytesMut) -> Result<Option<Self::Item>, Self::Error> {
        Ok(self.step(buffer, Peer::Resting))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hj212::write;

    #[test]
    fn a_bad_frame_is_an_item_and_not_the_end() {
        let mut wire = BytesMut::from(&b"noise"[..]);
        let mut frame = Vec::new();
        write::frame(&mut frame, |out| out.extend_from_slice(b"ST=91;CN=9014;CP=&&&&"));
        let mut bad = frame.clone();
        let check = bad.len() - 6;
        bad[check] = if bad[check] == b'0' { b'1' } else { b'0' };
        wire.extend_from_slice(&bad);
        wire.extend_from_slice(&frame);
        let mut codec = HostCodec::default();
        let mut items = Vec::new();
        while let Some(item) = codec.decode(&mut wire).unwrap() {
            items.push(item);
        }
        assert_eq!(items.first(), Some(&Err(Unusable::Fault(FaultReason::Noise))));
        assert_eq!(items.last(), Some(&Ok(Bytes::from_static(b"ST=91;CN=9014;CP=&&&&"))));
        assert!(items.iter().any(|item| matches!(item, Err(Unusable::Check { .. }))));
        assert!(wire.is_empty());
    }

    #[test]
    fn a_frame_in_single_bytes_is_one_item() {
        let mut frame = Vec::new();
        write::frame(&mut frame, |out| out.extend_from_slice(b"ST=91;CN=9014;CP=&&&&"));
        let (mut codec, mut wire, mut found) = (HostCodec::default(), BytesMut::new(), 0);
        for byte in frame {
            wire.extend_from_slice(&[byte]);
            found += usize::from(codec.decode(&mut wire).unwrap().is_some());
        }
        assert_eq!((found, wire.len()), (1, 0));
    }
}
