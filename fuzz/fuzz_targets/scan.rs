//! The scanner: no panic, always progress, and the same items however the stream is cut.
//!
//! The first byte of the input says into pieces of which size the rest is cut.

#![no_main]

use hj212::{Item, Limits, Peer, scan};
use libfuzzer_sys::fuzz_target;

/// What was found: whether a frame, and its bytes.
fn play(stream: &[u8], size: usize) -> Vec<(bool, Vec<u8>)> {
    let limits = Limits::default();
    let mut buffer = Vec::new();
    let mut found = Vec::new();
    let pieces = stream.chunks(size).map(|piece| (piece, Peer::Sending)).chain([(&[][..], Peer::Resting)]);
    for (piece, peer) in pieces {
        buffer.extend_from_slice(piece);
        loop {
            let step = scan(&buffer, peer, &limits);
            if step.used == 0 {
                assert!(step.item.is_none());
                break;
            }
            match step.item {
                Some(Item::Frame(frame)) => found.push((true, frame.raw.to_vec())),
                Some(Item::Fault(fault)) => found.push((false, fault.raw.to_vec())),
                None => {}
            }
            buffer.drain(..step.used);
        }
    }
    assert!(buffer.is_empty(), "a resting peer leaves nothing undecided");
    found
}

fuzz_target!(|input: &[u8]| {
    let Some((size, stream)) = input.split_first() else { return };
    let whole = play(stream, stream.len().max(1));
    assert_eq!(play(stream, usize::from(*size).max(1)), whole);
});
