//! The header by which a load balancer says whom it speaks for (HAProxy's PROXY protocol, versions 1 and 2).
//!
//! What must stay true: nothing is read beyond the header; lengths are hostile until they are checked; a header that says nothing of an
//! address (`UNKNOWN`, `LOCAL`, other families) leaves the balancer's own.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::io::{AsyncRead, AsyncReadExt};

/// The longest header of version 1, with its line end.
const TEXT_MAX: usize = 107;
/// The shortest one.
const TEXT_MIN: usize = 15;
/// The longest rest of a header of version 2 that is taken: addresses and a few further values.
const BINARY_MAX: usize = 2048;
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// Reads the header off the front of `stream`: the address it names, if it names one.
///
/// # Errors
/// If there is no header, or one that is not as it must be.
pub(super) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<SocketAddr>> {
    let mut head = [0; TEXT_MIN];
    stream.read_exact(&mut head).await?;
    if head.starts_with(SIGNATURE) {
        return binary(stream, &head).await;
    }
    let mut line = head.to_vec();
    while !line.ends_with(b"\r\n") {
        if line.len() >= TEXT_MAX || !line.starts_with(b"PROXY ") {
            return Err(malformed("it is no PROXY header"));
        }
        line.push(stream.read_u8().await?);
    }
    text(&line)
}

/// Version 1: `PROXY TCP4 192.0.2.1 198.51.100.1 40000 9002\r\n`.
fn text(line: &[u8]) -> io::Result<Option<SocketAddr>> {
    let line = std::str::from_utf8(line).map_err(|_| malformed("it is no text"))?.trim_end_matches("\r\n");
    let words: Vec<&str> = line.split(' ').collect();
    if let ["PROXY", "UNKNOWN", ..] = words.as_slice() {
        return Ok(None);
    }
    let ["PROXY", family, source, _, port, _] = words.as_slice() else {
        return Err(malformed("it has not six words"));
    };
    let address: IpAddr = source.parse().map_err(|_| malformed("its address cannot be read"))?;
    let fits = matches!((*family, address), ("TCP4", IpAddr::V4(_)) | ("TCP6", IpAddr::V6(_)));
    let port: u16 = port.parse().map_err(|_| malformed("its port cannot be read"))?;
    if fits {
        Ok(Some(SocketAddr::new(address, port)))
    } else {
        Err(malformed("its family is not that of its address"))
    }
}

/// Version 2, of which `head` was read.
async fn binary(stream: &mut (impl AsyncRead + Unpin), head: &[u8; TEXT_MIN]) -> io::Result<Option<SocketAddr>> {
    let [.., command, family, high] = *head;
    let length = usize::from(u16::from_be_bytes([high, stream.read_u8().await?]));
    if command >> 4 != 2 || length > BINARY_MAX {
        return Err(malformed("its version or its length is not one that is taken"));
    }
    let mut rest = vec![0; length];
    stream.read_exact(&mut rest).await?;
    match (command & 0x0F, family) {
        (0, _) => Ok(None),
        (1, 0x11) => {
            let source = rest.first_chunk::<4>().map(|bytes| IpAddr::V4(Ipv4Addr::from(*bytes)));
            address(source, rest.get(8..10))
        }
        (1, 0x21) => {
            let source = rest.first_chunk::<16>().map(|bytes| IpAddr::V6(Ipv6Addr::from(*bytes)));
            address(source, rest.get(32..34))
        }
        (1, _) => Ok(None),
        _ => Err(malformed("its command is unknown")),
    }
}

fn address(source: Option<IpAddr>, port: Option<&[u8]>) -> io::Result<Option<SocketAddr>> {
    let port = port.and_then(|bytes| bytes.try_into().ok()).map(u16::from_be_bytes);
    let (Some(source), Some(port)) = (source, port) else { return Err(malformed("it is too short for its family")) };
    Ok(Some(SocketAddr::new(source, port)))
}

fn malformed(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("no usable PROXY header: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(bytes: &[u8]) -> io::Result<(Option<SocketAddr>, usize)> {
        let mut rest = bytes;
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let named = runtime.block_on(read(&mut rest))?;
        Ok((named, rest.len()))
    }

    fn second(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
        [SIGNATURE.as_slice(), &[0x20 | command, family], &length, rest].concat()
    }

    #[test]
    fn both_versions_name_the_address_and_leave_what_follows() {
        let four = Some("192.0.2.1:40000".parse().unwrap());
        let six = Some("[2001:db8::1]:40000".parse().unwrap());
        let mut v4 = vec![192, 0, 2, 1, 198, 51, 100, 1];
        v4.extend([0x9C, 0x40, 0x23, 0x2A, 0x04, 0x00, 0x01, 0xFF]);
        let mut v6: Vec<u8> = Ipv6Addr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1]).octets().to_vec();
        v6.extend([0; 16]);
        v6.extend([0x9C, 0x40, 0x23, 0x2A]);
        for (header, named) in [
            (b"PROXY TCP4 192.0.2.1 198.51.100.1 40000 9002\r\n".to_vec(), four),
            (b"PROXY TCP6 2001:db8::1 2001:db8::2 40000 9002\r\n".to_vec(), six),
            (b"PROXY UNKNOWN\r\n".to_vec(), None),
            (b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n".to_vec(), None),
            (second(1, 0x11, &v4), four),
            (second(1, 0x21, &v6), six),
            (second(0, 0x00, &[]), None),
            (second(1, 0x31, &[0; 216]), None),
        ] {
            let with_more = [header.as_slice(), b"##0001"].concat();
            assert_eq!(of(&with_more).unwrap(), (named, 6), "{}", header.escape_ascii());
            for cut in 0..header.len() {
                assert!(of(&header[..cut]).is_err(), "cut at {cut}");
            }
        }
    }

    #[test]
    fn what_is_no_header_is_refused() {
        for bytes in [
            b"##0123QN=20160801085857223;ST=32".to_vec(),
            b"PROXY TCP4 2001:db8::1 198.51.100.1 40000 9002\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.1 198.51.100.1 70000 9002\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.1\r\n             ".to_vec(),
            [b"PROXY TCP4 ".as_slice(), &[b'1'; 200]].concat(),
            second(2, 0x11, &[0; 12]),
            second(1, 0x11, &[0; 9]),
            second(1, 0x11, &[0; BINARY_MAX + 1]),
        ] {
            assert!(of(&bytes).is_err(), "{}", bytes.escape_ascii());
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), signed in any::<bool>()) {
            let head: &[u8] = if signed { SIGNATURE } else { b"PROXY " };
            let _ = of(&[head, &bytes].concat());
            let _ = of(&bytes);
        }
    }
}
