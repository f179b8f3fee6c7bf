//! Header, data area and values of any segment: no panic, and what was read stands in the segment.

#![no_main]

use hj212::write::Segment;
use hj212::{Fields, Item, Limits, Peer, packet, scan, value};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|segment: &[u8]| {
    let header = packet::parse(segment);
    let mut fields = Fields::default();
    fields.read(header.area);
    for field in fields.iter(header.area) {
        assert!(field.item.len() + field.name.len() + field.value.len() <= header.area.len() * 2);
        let _ = (value::classify(field.value), value::field_name(field.name), value::text(field.value));
    }
    // What is written of it is a frame, whatever it was.
    let (qn, st, cn, pw, mn) = (header.qn, header.st, header.cn, header.pw, header.mn);
    let (flag, part, rf) = (header.flag, header.part, header.rf);
    let mut frame = Vec::new();
    Segment { qn, st, cn, pw, mn, flag, part, rf, cp: b"" }.frame(&mut frame);
    let step = scan(&frame, Peer::Sending, &Limits::default());
    if frame.len() < 1000 {
        assert!(matches!(step.item, Some(Item::Frame(_))) && step.used == frame.len());
    }
});
