//! A logger that asks to be registered (HJ 212-2025, 6.8 and C.2): 1001 from the station, which names its hardware and has no MN yet, or an old one.

use hj212::{Fields, Header};

/// The number of the hardware (i23005-Info), if that is what the packet is. In 2005 the host used 1001 for something else, and it
/// has no such field.
#[must_use]
pub fn hardware<'a>(header: &Header<'a>) -> Option<&'a [u8]> {
    if header.cn != Some(1001) {
        return None;
    }
    let mut fields = Fields::default();
    fields.read(header.area);
    fields.iter(header.area).find(|field| field.item == b"i23005" && field.name == b"Info").map(|field| field.value)
}
