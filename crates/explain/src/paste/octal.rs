//! Octal dumps: `od`, `od -b`, `od -c`.
//!
//! What must stay true: `None` for what is surely no such dump; bytes that a dump does not show (`*`) are not invented; the work is linear.

/// Bytes of a line of `od`.
const LINE: usize = 16;

/// The width of a column of `od -c`.
const COLUMN: usize = 4;

/// Bytes from the dump `bytes`.
pub(super) fn octal(bytes: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(bytes).ok()?;
    let lines: Vec<&str> = text.lines().filter_map(body).filter(|body| !body.trim().is_empty()).collect();
    if lines.is_empty() {
        return None;
    }
    let all = |width: usize, most: u32| {
        lines.iter().all(|line| line.split_whitespace().all(|word| is_octal(word, width, most)))
    };
    let out = if all(3, 0o377) {
        numbers(&lines).filter_map(|number| u8::try_from(number).ok()).collect()
    } else if all(6, 0o177_777) {
        let mut out: Vec<u8> =
            numbers(&lines).filter_map(|number| u16::try_from(number).ok()).flat_map(u16::to_le_bytes).collect();
        // An odd number of bytes is filled up with a zero.
        if out.last() == Some(&0) {
            out.pop();
        }
        out
    } else {
        characters(&lines)?
    };
    (out.len() >= 8).then_some(out)
}

/// What stands behind the offset of a line; nothing for a line that has none.
fn body(line: &str) -> Option<&str> {
    let digits = line.bytes().take_while(u8::is_ascii_hexdigit).count();
    let rest = line.get(digits..)?;
    ((6..=8).contains(&digits) && (rest.is_empty() || rest.starts_with(' '))).then_some(rest)
}

fn is_octal(word: &str, width: usize, most: u32) -> bool {
    word.len() == width && u32::from_str_radix(word, 8).is_ok_and(|number| number <= most)
}

fn numbers<'t>(lines: &'t [&'t str]) -> impl Iterator<Item = u32> {
    lines.iter().flat_map(|line| line.split_whitespace()).filter_map(|word| u32::from_str_radix(word, 8).ok())
}

/// `od -c`: a character, an escape or three octal digits in each column; a blank is a column of blanks.
fn characters(lines: &[&str]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    for (number, line) in lines.iter().enumerate() {
        let begin = out.len();
        for column in line.as_bytes().chunks(COLUMN) {
            out.push(character(column.trim_ascii())?);
        }
        // Blanks at the end of a line are lost where it was copied.
        while number + 1 < lines.len() && out.len() < begin + LINE {
            out.push(b' ');
        }
    }
    Some(out)
}

fn character(column: &[u8]) -> Option<u8> {
    Some(match column {
        [] => b' ',
        [one] => *one,
        b"\\0" => 0,
        b"\\a" => 7,
        b"\\b" => 8,
        b"\\t" => b'\t',
        b"\\n" => b'\n',
        b"\\v" => 11,
        b"\\f" => 12,
        b"\\r" => b'\r',
        b"\\\\" => b'\\',
        digits => {
            let text = std::str::from_utf8(digits).ok().filter(|text| is_octal(text, 3, 0o377))?;
            u8::from_str_radix(text, 8).ok()?
        }
    })
}
