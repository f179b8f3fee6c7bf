//! Lines that were broken at a width, with the same prefix before each or with none.
//!
//! What must stay true: a prefix is taken off only where every line has it, digits of a time aside; where a frame has ended, a line ends.

/// No longer prefix is looked for.
const PREFIX_MAX: usize = 96;

/// Lines put together again: without line ends and the blanks around them, but where a frame has ended.
pub(super) fn joined(bytes: &[u8]) -> Option<Vec<u8>> {
    let prefix = prefix(bytes);
    let mut out: Vec<u8> = Vec::with_capacity(bytes.len());
    let mut lines = 0;
    for line in bytes.split(|byte| *byte == b'\n') {
        let line = match prefix {
            Some(length) if !line.trim_ascii().is_empty() => line.get(length..).unwrap_or_default(),
            Some(_) | None => line,
        };
        let line = line.trim_ascii();
        let line = line.strip_prefix(b"> ").or(line.strip_prefix(b"| ")).unwrap_or(line);
        if line.is_empty() {
            continue;
        }
        lines += 1;
        if line.starts_with(b"##") && !out.is_empty() {
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(line);
    }
    out.extend_from_slice(b"\r\n");
    (lines > 1).then_some(out)
}

/// How long the prefix of every line is, up to where the first frame or segment begins: alike in all but the digits.
fn prefix(bytes: &[u8]) -> Option<usize> {
    let mut lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
    let first = lines.next()?;
    let window = first.get(..PREFIX_MAX).unwrap_or(first);
    let begins = |name: &[u8]| memchr::memmem::find(window, name);
    let length = begins(b"##").or_else(|| begins(b"QN=")).or_else(|| begins(b"ST=")).filter(|length| *length > 0)?;
    let alike = |(one, other): (&u8, &u8)| one == other || one.is_ascii_digit() && other.is_ascii_digit();
    let has = |line: &[u8]| line.len() > length && first.iter().zip(line).take(length).all(alike);
    lines.all(has).then_some(length)
}
