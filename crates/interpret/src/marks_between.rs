//! Marks that stand between fields where `;` or `,` must (HJ 212-2017, 6.3.3), or beside these.
//!
//! What must stay true: no mark is one that a name or a number can hold (`-` `_` `.` `#` `+`), nor one that has a meaning of its own (`=`).

/// Marks of one byte.
const PLAIN: &[u8] = b"|/\\!~^$*@%:'\"()[]{}<>?`&";

/// Marks of several: ends of lines that were written out, and Chinese ones in UTF-8 and GBK.
const LONG: [&[u8]; 10] = [
    b"\\r\\n",
    b"\\n",
    b"\\r",
    b"\\t",
    b"<br>",
    b"<br/>",
    "、".as_bytes(),
    "。".as_bytes(),
    "·".as_bytes(),
    b"\xA1\xA2",
];

/// Where the last mark in `text` ends.
pub(super) fn last_in(text: &[u8]) -> Option<usize> {
    let plain = text.iter().rposition(|byte| PLAIN.contains(byte)).map(|at| at + 1);
    let long = LONG.iter().filter_map(|mark| memchr::memmem::rfind(text, mark).map(|at| at + mark.len())).max();
    plain.max(long)
}

/// How many bytes at the end of `text` are marks and the blanks before and between them; 0 if there is no mark.
pub(super) fn at_end(text: &[u8]) -> usize {
    let mut left = text.trim_ascii_end();
    let mut marks = false;
    while let Some(length) = LONG
        .iter()
        .filter(|mark| left.ends_with(mark))
        .map(|mark| mark.len())
        .max()
        .or_else(|| left.last().filter(|byte| PLAIN.contains(byte)).map(|_| 1))
    {
        left = left.get(..left.len() - length).unwrap_or_default().trim_ascii_end();
        marks = true;
    }
    if marks { text.len() - left.len() } else { 0 }
}

/// How many bytes at the front of `text` are marks of one byte and blanks between them; 0 if there is no mark.
pub(super) fn at_front(text: &[u8]) -> usize {
    let is_mark = |byte: &u8| PLAIN.contains(byte) || byte.is_ascii_whitespace();
    let length = text.iter().take_while(|byte| is_mark(byte)).count();
    if text.get(..length).is_some_and(|front| front.iter().any(|byte| PLAIN.contains(byte))) { length } else { 0 }
}
