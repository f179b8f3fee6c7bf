//! Parses a frame and builds the answer that its sender waits for: `cargo run -p hj212 --example answer`.

use std::io::Write as _;

use hj212::write::{Answer, AnswerBody};
use hj212::{Edition, Fields, Item, Limits, Peer, packet, scan};

fn main() -> std::io::Result<()> {
    // HJ 212-2017, annex A.
    let received = b"##0101QN=20160801085857223;ST=32;CN=1062;PW=100000;MN=010000A8900016F000169DC0;Flag=5;CP=&&RtdInterval=30&&1C80\r\n";
    let mut out = std::io::stdout().lock();
    let Some(Item::Frame(frame)) = scan(received, Peer::Resting, &Limits::default()).item else {
        return writeln!(out, "these bytes are no frame");
    };
    let header = packet::parse(frame.segment);
    writeln!(out, "CRC {:?}, CN {:?}, {:?}", frame.check.verdict, header.cn, header.deviations)?;
    let mut fields = Fields::default();
    fields.read(header.area);
    for field in fields.iter(header.area) {
        writeln!(out, "{} = {}", String::from_utf8_lossy(field.name), String::from_utf8_lossy(field.value))?;
    }
    let edition = header.flag.and_then(|flag| flag.edition()).unwrap_or(Edition::V2017);
    let (qn, pw, mn) = (header.qn, header.pw, header.mn);
    let mut answer = Vec::new();
    Answer { edition, cn: 9011, qn, pw, mn, body: AnswerBody::QnRtn(1), flag: None, first: None }.frame(&mut answer);
    out.write_all(&answer)
}
