//! The data area (数据区): what stands between `CP=&&` and `&&`, as a flat list of fields.
//!
//! HJ 212-2017, 6.3.3: `,` separates the classes of one item, `;` separates items, but the standard's own examples mix them, so
//! both only end a field and items are grouped by the code before the `-`. The list holds spans, not slices, and is reused from
//! frame to frame: reading an area allocates nothing once the list has grown to the size of the largest area met.

use super::{Deviation, Deviations};

/// One `name=value` of the data area.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field<'a> {
    /// The item's code (`a21026` of `a21026-Avg`, `SB1` of `SB1-RS`); empty for a field of the record itself (`DataTime`, `PolId`).
    pub item: &'a [u8],
    /// The field's name (`Avg`, `RS`, `DataTime`).
    pub name: &'a [u8],
    /// The value as the station wrote it.
    pub value: &'a [u8],
}

/// The fields of one data area; reusable.
#[derive(Debug, Default, Clone)]
pub struct Fields {
    spans: Vec<Span>,
    deviations: Deviations,
}

/// Where a field stands in its area: `start..dash` code, `name..equals` name, `value..end` value. Areas are shorter than 64 KiB.
#[derive(Debug, Clone, Copy)]
struct Span {
    start: u16,
    dash: u16,
    name: u16,
    equals: u16,
    value: u16,
    end: u16,
}

impl Fields {
    /// Reads `area` and replaces what was here. What is longer than 65,535 bytes is not read beyond that.
    pub fn read(&mut self, area: &[u8]) {
        self.spans.clear();
        self.deviations = Deviations::NONE;
        let area = &area[..area.len().min(usize::from(u16::MAX))];
        let mut start = 0;
        while start <= area.len() {
            let length = memchr::memchr2(b';', b',', &area[start..]).unwrap_or(area.len() - start);
            let end = start + length;
            if length > 0 {
                self.push(area, start, end);
            }
            start = end + 1;
        }
    }

    fn push(&mut self, area: &[u8], start: usize, end: usize) {
        let field = &area[start..end];
        let Some(equals) = memchr::memchr(b'=', field) else {
            self.deviations.insert(Deviation::ItemMalformed);
            return;
        };
        let (dash, name) = match memchr::memrchr(b'-', &field[..equals]) {
            Some(dash) => (start + dash, start + dash + 1),
            None => (start, start),
        };
        // All positions are below 65,536: the area was cut to that above.
        let at = |position: usize| u16::try_from(position).unwrap_or(u16::MAX);
        self.spans.push(Span {
            start: at(start),
            dash: at(dash),
            name: at(name),
            equals: at(start + equals),
            value: at(start + equals + 1),
            end: at(end),
        });
    }

    /// The fields in the order in which they stand in `area`, which must be the area that was read.
    pub fn iter<'a>(&self, area: &'a [u8]) -> impl Iterator<Item = Field<'a>> + use<'a, '_> {
        self.spans.iter().filter_map(move |span| {
            Some(Field {
                item: area.get(usize::from(span.start)..usize::from(span.dash))?,
                name: area.get(usize::from(span.name)..usize::from(span.equals))?,
                value: area.get(usize::from(span.value)..usize::from(span.end))?,
            })
        })
    }

    /// How many fields there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// What was read over in the area.
    #[must_use]
    pub fn deviations(&self) -> Deviations {
        self.deviations
    }

    /// The value of the record's own field `name` (without a code), if it is there.
    #[must_use]
    pub fn own<'a>(&self, area: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
        self.iter(area).find(|field| field.item.is_empty() && field.name == name).map(|field| field.value)
    }
}
