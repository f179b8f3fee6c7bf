//! Messages from the broker that are too long, made shorter on their way to the client library, which would close the connection at them:
//! a broker that keeps sessions sends such a message again and again, and nothing behind it would ever come.
//!
//! What must stay true: every packet that is no longer than the limit passes unchanged; of a longer PUBLISH the first bytes pass, under a
//! header that says so, and the rest is let fall as it comes, never held. Topic and packet id stand first and are whole, so the message is
//! acknowledged like any other; whoever takes it sees a body that is longer than any request may be.

/// The largest "remaining length" needs four bytes.
const LENGTH_BYTES: usize = 4;

/// See the head of the file. Fed with what the broker sends.
#[derive(Debug)]
pub(super) struct Shorten {
    /// Bytes of a packet behind its header, at most.
    limit: u64,
    /// The header so far: type and flags, then the remaining length.
    header: Vec<u8>,
    /// Bytes of the packet that still pass, and that fall after them.
    pass: u64,
    fall: u64,
    /// Packets shortened.
    pub(super) shortened: u64,
}

impl Shorten {
    pub(super) fn new(limit: u64) -> Self {
        Shorten { limit, header: Vec::with_capacity(1 + LENGTH_BYTES), pass: 0, fall: 0, shortened: 0 }
    }

    /// Appends to `out` what passes of `bytes`.
    pub(super) fn feed(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) {
        while !bytes.is_empty() {
            if self.pass > 0 {
                let (now, rest) = split(bytes, &mut self.pass);
                out.extend_from_slice(now);
                bytes = rest;
            } else if self.fall > 0 {
                bytes = split(bytes, &mut self.fall).1;
            } else {
                let (first, rest) = bytes.split_at(1);
                self.header.extend_from_slice(first);
                bytes = rest;
                self.begin(out);
            }
        }
    }

    /// Looks whether the header is whole by now.
    fn begin(&mut self, out: &mut Vec<u8>) {
        let Some((kind, length)) = self.header.split_first() else { return };
        let whole = length.last().is_some_and(|byte| byte & 0x80 == 0);
        if !whole && length.len() < LENGTH_BYTES {
            return;
        }
        let bytes = length.iter().rev().fold(0, |sum, byte| sum << 7 | u64::from(byte & 0x7f));
        let publish = kind >> 4 == 3;
        if whole && publish && bytes > self.limit {
            self.shortened += 1;
            (self.pass, self.fall) = (self.limit, bytes - self.limit);
            out.push(*kind);
            let mut left = self.limit;
            loop {
                let more = if left > 0x7f { 0x80 } else { 0 };
                out.push(u8::try_from(left & 0x7f).unwrap_or(0) | more);
                left >>= 7;
                if left == 0 {
                    break;
                }
            }
        } else {
            // What has no good header is the library's to complain of.
            self.pass = bytes;
            out.extend_from_slice(&self.header);
        }
        self.header.clear();
    }
}

/// The first `count` bytes, or all, and the rest.
fn split<'b>(bytes: &'b [u8], count: &mut u64) -> (&'b [u8], &'b [u8]) {
    let now = bytes.len().min(usize::try_from(*count).unwrap_or(usize::MAX));
    *count -= now as u64;
    bytes.split_at(now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn packet(kind: u8, body: &[u8]) -> Vec<u8> {
        let mut bytes = vec![kind];
        let mut left = body.len();
        loop {
            bytes.push((left & 0x7f) as u8 | if left > 0x7f { 0x80 } else { 0 });
            left >>= 7;
            if left == 0 {
                break;
            }
        }
        bytes.extend_from_slice(body);
        bytes
    }

    proptest! {
        #[test]
        fn what_fits_passes_and_what_does_not_is_cut(
            packets in proptest::collection::vec((prop_oneof![Just(0x32u8), Just(0x40), Just(0xd0), Just(0x90)], 0usize..700), 1..8),
            chunk in 1usize..300,
        ) {
            let (mut came, mut wanted) = (Vec::new(), Vec::new());
            for (number, (kind, length)) in packets.iter().enumerate() {
                let body = vec![number as u8; *length];
                came.extend(packet(*kind, &body));
                let cut = if kind >> 4 == 3 { (*length).min(300) } else { *length };
                wanted.extend(packet(*kind, &body[..cut]));
            }
            let (mut shorten, mut out) = (Shorten::new(300), Vec::new());
            came.chunks(chunk).for_each(|bytes| shorten.feed(bytes, &mut out));
            prop_assert_eq!(out, wanted);
        }

        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            Shorten::new(10).feed(&bytes, &mut Vec::new());
        }
    }
}
