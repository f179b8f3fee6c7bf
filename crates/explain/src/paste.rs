//! Pasted text back into bytes: dumps, escapes, encodings, wrapped lines.

mod letters;
mod mail;
mod octal;
mod wrap;

use std::borrow::Cow;

use hj212::{CrcVerdict, Deviation, Frame, Item};

use super::bare;

/// More bytes than this are taken as they are: they are a recording and not a paste.
pub const PASTE_MAX: usize = 256 * 1024;

/// So many forms may lie on top of each other: a JSON string of a hex dump in UTF-16.
const DEPTH_MAX: usize = 3;

/// A form in which bytes were pasted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// UTF-16, with a byte order mark or without.
    Utf16,
    /// UTF-32, with a byte order mark or without.
    Utf32,
    /// A hex dump or a list of hexadecimal bytes.
    Hex,
    /// A hex dump in words of two bytes whose bytes are swapped (`hexdump` without `-C`, `od -x`).
    HexSwapped,
    /// A hex dump whose first digit was not copied.
    HexFirstLost,
    /// A list of decimal bytes.
    Decimal,
    /// `\x23`, `\u0023`, `\043`, `\r\n`, `\"` as in strings of programs.
    Escaped,
    /// `%23`, `%u6570`.
    Percent,
    /// `&amp;`, `&#35;`.
    Html,
    /// Base64.
    Base64,
    /// `=3D` and lines that end with `=`, as in mail.
    QuotedPrintable,
    /// Lines broken at a width, or with a prefix each.
    Wrapped,
    /// A dump in octal numbers or characters (`od`, `od -b`, `od -c`).
    Octal,
    /// Letters, digits or marks in full width.
    FullWidth,
    /// Text that was GB18030 on the wire and was copied as UTF-8.
    Recoded,
}

impl Form {
    const ALL: [Form; 15] = [
        Form::Utf16,
        Form::Utf32,
        // Before the plain one, which passes an odd word over as a prefix.
        Form::HexFirstLost,
        Form::Hex,
        Form::HexSwapped,
        Form::Decimal,
        Form::Escaped,
        Form::Percent,
        Form::Html,
        Form::Base64,
        Form::QuotedPrintable,
        Form::Wrapped,
        Form::Octal,
        Form::FullWidth,
        Form::Recoded,
    ];

    /// The stable name.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Utf16 => "utf-16",
            Self::Utf32 => "utf-32",
            Self::HexFirstLost => "hex-first-digit-lost",
            Self::QuotedPrintable => "quoted-printable",
            Self::Hex => "hex",
            Self::HexSwapped => "hex-swapped",
            Self::Decimal => "decimal",
            Self::Escaped => "escaped",
            Self::Percent => "percent",
            Self::Html => "html",
            Self::Base64 => "base64",
            Self::Wrapped => "wrapped",
            Self::Octal => "octal",
            Self::FullWidth => "full-width",
            Self::Recoded => "gb18030-as-utf-8",
        }
    }

    /// What it is, in Chinese and English.
    #[must_use]
    pub const fn explain(self) -> (&'static str, &'static str) {
        match self {
            Self::Utf16 => ("UTF-16 文本", "text in UTF-16"),
            Self::Utf32 => ("UTF-32 文本", "text in UTF-32"),
            Self::HexFirstLost => (
                "十六进制转储(第一位数字没有复制到,已补上)",
                "a hex dump whose first digit was not copied; it was put back",
            ),
            Self::QuotedPrintable => ("邮件的 quoted-printable 编码(=3D)", "quoted-printable as in mail (=3D)"),
            Self::Hex => ("十六进制转储", "a hex dump"),
            Self::HexSwapped => ("十六进制转储(每两字节颠倒)", "a hex dump with the bytes of each word swapped"),
            Self::Decimal => ("十进制字节列表", "a list of decimal bytes"),
            Self::Escaped => ("转义字符串", "an escaped string"),
            Self::Percent => ("百分号编码", "percent encoding"),
            Self::Html => ("HTML 实体", "HTML entities"),
            Self::Base64 => ("Base64", "Base64"),
            Self::Wrapped => ("被折行的文本", "wrapped lines"),
            Self::Octal => ("八进制转储(od)", "an octal dump (od)"),
            Self::FullWidth => ("全角字符(已换成半角)", "characters in full width; they were put into half width"),
            Self::Recoded => (
                "原为 GB18030 编码、复制时变成 UTF-8 的文本(已换回)",
                "text that was GB18030 and became UTF-8 where it was copied; it was put back",
            ),
        }
    }

    fn undo(self, bytes: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::Utf16 => utf16(bytes),
            Self::Utf32 => mail::utf32(bytes),
            Self::HexFirstLost => first_lost(bytes).and_then(|bytes| hex(&bytes)),
            Self::QuotedPrintable => mail::quoted_printable(bytes),
            Self::Hex => hex(bytes),
            Self::HexSwapped => hex(bytes).map(|mut bytes| {
                bytes.chunks_exact_mut(2).for_each(|pair| pair.swap(0, 1));
                bytes
            }),
            Self::Decimal => decimal(bytes),
            Self::Escaped => escaped(bytes),
            Self::Percent => percent(bytes),
            Self::Html => html(bytes),
            Self::Base64 => mail::base64(bytes),
            Self::Wrapped => wrap::joined(bytes),
            Self::Octal => octal::octal(bytes),
            Self::FullWidth => letters::half_width(bytes),
            Self::Recoded => letters::gb18030(bytes),
        }
    }
}

/// What was pasted, as bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paste<'a> {
    /// The bytes as they were on the wire, as far as can be told.
    pub bytes: Cow<'a, [u8]>,
    /// The forms that were undone, the outermost first.
    pub forms: Vec<Form>,
}

/// Reads a paste.
#[must_use]
pub fn read(bytes: &[u8]) -> Paste<'_> {
    let plain = Paste { bytes: Cow::Borrowed(bytes), forms: Vec::new() };
    let worth = worth(bytes);
    if bytes.len() > PASTE_MAX || worth.right > 0 && worth.wrong == 0 {
        return plain;
    }
    let (mut best, mut open) = ((worth, plain.clone()), vec![plain]);
    for _ in 0..DEPTH_MAX {
        let mut next = Vec::new();
        for paste in &open {
            for form in Form::ALL {
                if paste.forms.contains(&form) {
                    continue;
                }
                let Some(undone) =
                    form.undo(&paste.bytes).filter(|undone| !undone.is_empty() && **undone != *paste.bytes)
                else {
                    continue;
                };
                let forms = paste.forms.iter().copied().chain([form]).collect();
                let worth = self::worth(&undone);
                let paste = Paste { bytes: Cow::Owned(undone), forms };
                if worth > best.0 {
                    best = (worth, paste.clone());
                }
                next.push(paste);
            }
        }
        if best.0.right > 0 && best.0.wrong == 0 {
            break;
        }
        next.truncate(Form::ALL.len() * 2);
        open = next;
    }
    best.1
}

/// What bytes are worth: right frames, then frames wrong in a known way, then frames at all, then segments without head and check, then how
/// little else there is. A sealed frame is right only with its right length and a header in one line: line ends within were not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Worth {
    right: usize,
    known: usize,
    whole: usize,
    begun: usize,
    bare: usize,
    wrong: usize,
}

fn worth(bytes: &[u8]) -> Worth {
    let mut worth = Worth { right: 0, known: 0, whole: 0, begun: 0, bare: 0, wrong: 0 };
    let mut rest = bytes;
    while !rest.is_empty() {
        let step = bare::step(rest);
        rest = rest.get(step.used.max(1)..).unwrap_or_default();
        match step.item {
            Some(Item::Frame(frame)) if bare::is_bare(&frame) => worth.bare += 1,
            Some(Item::Frame(Frame { segment, check, deviations, .. })) => match check.verdict {
                CrcVerdict::Sealed if is_broken(segment) => worth.whole += 1,
                CrcVerdict::Sealed if deviations.contains(Deviation::LengthOff) => worth.known += 1,
                // One check in 65,536 is right by chance.
                CrcVerdict::Right if deviations.contains(Deviation::LengthOff) && is_broken(segment) => {
                    worth.whole += 1
                }
                CrcVerdict::Right | CrcVerdict::Sealed => worth.right += 1,
                CrcVerdict::Known(_) => worth.known += 1,
                CrcVerdict::Wrong => (worth.whole, worth.wrong) = (worth.whole + 1, worth.wrong + 1),
            },
            Some(Item::Fault(fault)) if fault.segment.is_some() => {
                (worth.begun, worth.wrong) = (worth.begun + 1, worth.wrong + 1)
            }
            Some(Item::Fault(_)) | None => {}
        }
    }
    worth
}

/// Whether a line ends in the header of `segment`.
fn is_broken(segment: &[u8]) -> bool {
    let header = memchr::memmem::find(segment, b"&&").and_then(|end| segment.get(..end)).unwrap_or(segment);
    memchr::memchr2(b'\r', b'\n', header).is_some()
}

fn utf16(bytes: &[u8]) -> Option<Vec<u8>> {
    let (big, body) = match bytes {
        [0xFF, 0xFE, body @ ..] => (false, body),
        [0xFE, 0xFF, body @ ..] => (true, body),
        _ => {
            let zeros = |odd: usize| bytes.iter().skip(odd).step_by(2).filter(|byte| **byte == 0).count();
            let half = bytes.len() / 2;
            match (zeros(0), zeros(1)) {
                (even, odd) if odd * 2 > half && even * 4 < half => (false, bytes),
                (even, odd) if even * 2 > half && odd * 4 < half => (true, bytes),
                _ => return None,
            }
        }
    };
    let unit = |pair: &[u8; 2]| if big { u16::from_be_bytes(*pair) } else { u16::from_le_bytes(*pair) };
    let (pairs, _) = body.as_chunks::<2>();
    let text: String =
        char::decode_utf16(pairs.iter().map(unit)).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect();
    Some(text.into_bytes())
}

/// Bytes from dumps of the usual tools: `xxd`, `hexdump -C`, `tcpdump -X`, Wireshark, and lists with any separators.
fn hex(bytes: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(bytes).ok()?;
    let mut out = Vec::new();
    for line in text.lines() {
        hex_line(line.trim_end(), &mut out);
    }
    (out.len() >= 8).then_some(out)
}

/// A dump with an odd first word gets the digit that is missing: `#` is 23, `Q` of `QN=` 51.
fn first_lost(bytes: &[u8]) -> Option<Vec<u8>> {
    let text = bytes.trim_ascii();
    let digits: Vec<u8> = text.iter().copied().take(64).filter(u8::is_ascii_hexdigit).take(6).collect();
    let word = text.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    if word % 2 == 0 {
        return None;
    }
    let digit: &[u8] = match digits.as_slice() {
        [b'3', b'2', b'3', ..] => b"2",
        [b'1', b'4', b'E' | b'e', ..] | [b'3', b'5', b'4', ..] => b"5",
        [b'D' | b'd', b'4', b'E' | b'e', ..] | [b'3', b'4', b'E' | b'e', ..] => b"4",
        _ => return None,
    };
    Some([digit, text].concat())
}

/// The most bytes that a line of a dump with offsets holds.
const DUMP_LINE_MAX: usize = 32;

fn hex_line(line: &str, out: &mut Vec<u8>) {
    let (offset, body) = without_offset(without_time(line));
    // The column of characters stands behind `|`, or behind two blanks.
    let body = body.split('|').next().unwrap_or_default();
    let begin = out.len();
    let mut taken = 0;
    let mut blanks = 0;
    let mut rest = body;
    while !rest.is_empty() {
        let skipped = rest.len() - rest.trim_start_matches(SEPARATORS).len();
        blanks = if taken > 0 { rest.get(..skipped).map_or(0, |s| s.matches(' ').count()) } else { blanks };
        rest = rest.get(skipped..).unwrap_or_default();
        if offset && taken > 0 && blanks >= 2 && taken % 8 != 0 {
            return;
        }
        let token = rest.split(SEPARATORS).next().unwrap_or_default();
        if token.is_empty() {
            return;
        }
        rest = rest.get(token.len()..).unwrap_or_default();
        let digits =
            token.strip_prefix("0x").or(token.strip_prefix("0X")).or(token.strip_prefix("\\x")).unwrap_or(token);
        let digits = digits.strip_suffix(['h', 'H']).unwrap_or(digits);
        if digits.len() % 2 != 0 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            // A prefix as `RX:` or a time; behind bytes it is the column of characters, unless more bytes follow it than stood before.
            if taken == 0 {
                continue;
            }
            if offset || !has_more(rest, taken) {
                return;
            }
            out.truncate(begin);
            taken = 0;
            continue;
        }
        for pair in digits.as_bytes().chunks(2) {
            let value = std::str::from_utf8(pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok());
            if let Some(value) = value {
                out.push(value);
                taken += 1;
            }
        }
        if offset
            && (taken >= DUMP_LINE_MAX
                || (taken == 16 && !rest.starts_with(' '))
                || (taken == 16 && rest.starts_with("  ")))
        {
            return;
        }
    }
}

/// What stands between the bytes of a dump.
const SEPARATORS: [char; 16] = [' ', '\t', ',', ';', '-', ':', '{', '}', '[', ']', '(', ')', '<', '>', '"', '\''];

/// Whether the words of `text` hold more than `few` hexadecimal bytes; looks no further than that takes.
fn has_more(text: &str, few: usize) -> bool {
    let words = text.split(SEPARATORS).filter(|word| !word.is_empty() && word.len() % 2 == 0);
    let mut lengths = words.filter(|word| word.bytes().all(|byte| byte.is_ascii_hexdigit())).map(|word| word.len() / 2);
    let mut count = 0;
    lengths.any(|length| {
        count += length;
        count > few
    })
}

/// A line of a log without the date and the time in front; words behind them are passed over with the other prefixes.
fn without_time(line: &str) -> &str {
    let mut rest = line.trim_start();
    loop {
        let word = rest.split(' ').next().unwrap_or_default();
        let bare = word.trim_matches(['[', ']', '(', ')', ',', ';']);
        if !is_date(bare)
            && !is_time(bare)
            && !bare.split_once('T').is_some_and(|(date, time)| is_date(date) && is_time(time))
        {
            return rest;
        }
        rest = rest.get(word.len()..).unwrap_or_default().trim_start();
    }
}

/// `2026-04-01`, `2026/4/1`.
fn is_date(word: &str) -> bool {
    let parts: Vec<&str> = word.split(['-', '/']).collect();
    let numbers = parts.iter().all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()));
    numbers && matches!(parts.as_slice(), [year, month, day] if year.len() == 4 && month.len() <= 2 && day.len() <= 2)
}

/// `10:15:00`, `10:15:00.123`, with a zone or without.
fn is_time(word: &str) -> bool {
    let bare = word.split(['.', '+', 'Z']).next().unwrap_or_default();
    let parts: Vec<&str> = bare.split(':').collect();
    let two = |part: &&str| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
    parts.len() == 3 && parts.iter().all(two)
}

/// Whether a line begins with the offset of a dump, and what stands behind it.
fn without_offset(line: &str) -> (bool, &str) {
    let start = line.trim_start();
    let digits = start.strip_prefix("0x").unwrap_or(start);
    let count = digits.bytes().take_while(u8::is_ascii_hexdigit).count();
    let after = digits.get(count..).unwrap_or_default();
    match after.strip_prefix(':') {
        Some(body) if (4..=8).contains(&count) && body.starts_with(' ') => (true, body),
        _ if (4..=8).contains(&count) && after.starts_with("  ") => (true, after),
        // `od -A x -t x1`: no frame begins with zeros.
        _ if matches!(count, 6 | 8) && digits.starts_with("000") && is_pair(after) => (true, after),
        _ => (false, line),
    }
}

/// Whether a blank and one byte of two digits follow.
fn is_pair(after: &str) -> bool {
    let word = after.strip_prefix(' ').and_then(|rest| rest.split(' ').next()).unwrap_or_default().trim_end();
    word.len() == 2 && word.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn decimal(bytes: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(bytes).ok()?;
    let numbers = text.split(|c: char| !c.is_ascii_digit() && c != '-').filter(|token| !token.is_empty());
    // Bytes with a sign, as Java prints them, are bytes all the same.
    let byte = |token: &str| token.parse::<i16>().ok().filter(|n| (-128..256).contains(n)).map(|n| n.to_le_bytes()[0]);
    let read: Option<Vec<u8>> = numbers.map(byte).collect();
    read.filter(|read| read.len() >= 8)
}

fn escaped(bytes: &[u8]) -> Option<Vec<u8>> {
    if !bytes.contains(&b'\\') {
        return None;
    }
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let [first, after @ ..] = rest {
        rest = after;
        if *first != b'\\' {
            out.push(*first);
            continue;
        }
        let number = |digits: &[u8]| std::str::from_utf8(digits).ok().and_then(|d| u32::from_str_radix(d, 16).ok());
        match after {
            [b'x' | b'X', high, low, tail @ ..] => {
                if let Some(byte) = number(&[*high, *low]).and_then(|n| u8::try_from(n).ok()) {
                    out.push(byte);
                    rest = tail;
                }
            }
            [b'u' | b'U', a, b, c, d, tail @ ..] => {
                if let Some(c) = number(&[*a, *b, *c, *d]).and_then(char::from_u32) {
                    out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                    rest = tail;
                }
            }
            [known @ (b'r' | b'n' | b't' | b'"' | b'\'' | b'\\' | b'/'), tail @ ..] => {
                out.push(match known {
                    b'r' => b'\r',
                    b'n' => b'\n',
                    b't' => b'\t',
                    other => *other,
                });
                rest = tail;
            }
            [b'0'..=b'7', ..] => {
                let digits = after.iter().take(3).take_while(|digit| matches!(digit, b'0'..=b'7')).count();
                let (octal, tail) = after.split_at_checked(digits).unwrap_or_default();
                let value = octal.iter().fold(0u16, |all, digit| all * 8 + u16::from(digit - b'0'));
                match u8::try_from(value) {
                    Ok(byte) => (out.push(byte), rest = tail),
                    Err(_) => (out.push(b'\\'), ()),
                };
            }
            _ => out.push(b'\\'),
        }
    }
    Some(out)
}

fn percent(bytes: &[u8]) -> Option<Vec<u8>> {
    if !bytes.contains(&b'%') {
        return None;
    }
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let [first, after @ ..] = rest {
        // `%u6570`, as scripts of pages write it.
        let letter = match (first, after) {
            (b'%', [b'u' | b'U', digits @ ..]) => {
                digits.first_chunk::<4>().and_then(|four| std::str::from_utf8(four).ok())
            }
            _ => None,
        };
        if let Some(letter) = letter.and_then(|digits| u32::from_str_radix(digits, 16).ok()).and_then(char::from_u32) {
            out.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
            rest = after.get(5..).unwrap_or_default();
            continue;
        }
        let digits = after.first_chunk::<2>().filter(|_| *first == b'%').and_then(|two| std::str::from_utf8(two).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                out.push(*first);
                rest = after;
            }
        }
    }
    Some(out)
}

fn html(bytes: &[u8]) -> Option<Vec<u8>> {
    const NAMED: [(&str, &str); 6] =
        [("amp", "&"), ("lt", "<"), ("gt", ">"), ("quot", "\""), ("apos", "'"), ("nbsp", " ")];
    let text = std::str::from_utf8(bytes).ok()?;
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let mut found = false;
    while let Some(at) = rest.find('&') {
        let (before, here) = rest.split_at(at);
        out.push_str(before);
        let inside = here.get(1..).unwrap_or_default();
        let name = inside.split(';').next().filter(|name| name.len() <= 6 && name.len() < inside.len());
        let c = name.and_then(|name| match name.strip_prefix('#') {
            Some(number) => {
                let hex = number.strip_prefix(['x', 'X']);
                let value = hex.map_or_else(|| number.parse().ok(), |hex| u32::from_str_radix(hex, 16).ok());
                value.and_then(char::from_u32).map(String::from)
            }
            None => NAMED.iter().find(|(known, _)| *known == name).map(|(_, c)| (*c).to_owned()),
        });
        match (c, name) {
            (Some(c), Some(name)) => {
                out.push_str(&c);
                rest = inside.get(name.len() + 1..).unwrap_or_default();
                found = true;
            }
            _ => {
                out.push('&');
                rest = inside;
            }
        }
    }
    out.push_str(rest);
    found.then(|| out.into_bytes())
}
