//! What to change in a frame so that it becomes right: which characters, where, into what. Positions count the frame's bytes from 1.
//!
//! What must stay true: every change names what stands there as it can be seen (a line end as `\\r\\n`), what should stand there, and why;
//! nothing is called a number that is not there.

use hj212::{CrcVerdict, Deviation, Frame, Header, envelope, secret};

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advice {
    /// The first byte that is to be changed, counted from 1; one behind the last if something is missing at the end.
    pub at: usize,
    /// What stands there; empty: something is missing.
    pub from: String,
    /// What should stand there.
    pub to: String,
    /// The change in Chinese.
    pub zh: String,
    /// The change in English.
    pub en: String,
}

/// What else a declared length may have counted, by how much more it says than it should.
const COUNTED: [(usize, &str, &str); 6] = [
    (2, "把回车换行算进去了", "CR LF was counted"),
    (4, "把 CRC 算进去了", "the CRC was counted"),
    (6, "把 CRC 和回车换行(或包头)算进去了", "CRC and CR LF, or the head, were counted"),
    (8, "把包头和回车换行算进去了", "the head and CR LF were counted"),
    (10, "把包头和 CRC 算进去了", "the head and the CRC were counted"),
    (12, "把整个数据包算进去了", "the whole frame was counted"),
];

/// What is wrong with a head of this form.
const HEADS: [(Deviation, &str, &str); 10] = [
    (Deviation::HeadFifthDigit, "四位长度之后多了一位 0", "there is a fifth digit 0 after the length"),
    (Deviation::HeadBlank, "长度不足四位时用 0 补足,不能用空格", "fill the length up with zeros, not with blanks"),
    (Deviation::HeadSeparator, "长度与数据段之间不能有标点", "no punctuation stands beside the length"),
    (Deviation::HeadLine, "包头、长度与数据段之间不能换行", "no line end stands between head, length and data segment"),
    (Deviation::HeadNamed, "长度只写四位数字,不带名称", "the length is four digits, without a name"),
    (Deviation::HeadEightDigits, "前四位是地址,应去掉", "the first four digits are an address: leave them out"),
    (
        Deviation::LengthPlaceholder,
        "程序没有把长度填进占位符",
        "the program did not put the length in place of the placeholder",
    ),
    (Deviation::LengthHex, "长度应为十进制", "the length is decimal"),
    (Deviation::LengthDigits, "长度须为四位,不足补 0", "the length has four digits, with zeros in front"),
    (Deviation::StartMissing, "缺少 ##", "the ## is missing"),
];

/// Bytes as they can be seen and typed.
fn shown(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() { shown.extend(c.escape_default()) } else { shown.push(c) }
    }
    shown
}

/// Of a text too long to be read the beginning, and how many characters there are.
fn short(text: &str) -> String {
    const SHOWN_MAX: usize = 32;
    let count = text.chars().count();
    if count <= SHOWN_MAX {
        return text.to_owned();
    }
    let beginning: String = text.chars().take(SHOWN_MAX).collect();
    format!("{beginning}…({count})")
}

/// What to change in `frame`, whose header is `header`; nothing if it is as the standard says.
#[must_use]
pub fn advice(frame: &Frame<'_>, header: &Header<'_>) -> Vec<Advice> {
    let mut all = Vec::new();
    let body = frame.segment.as_ptr().addr().saturating_sub(frame.raw.as_ptr().addr());
    // Nearly every frame of a recording is in order, and is not looked at again.
    let right = frame.check.verdict == CrcVerdict::Right && frame.deviations.is_empty() && header.deviations.is_empty();
    let structure = matches!(header.area.first(), Some(b'{' | b'[' | b'<' | b' '));
    if right && header.cn.is_some() && !structure && long_number(header).is_none() {
        return all;
    }
    all.extend(of_head(frame, body));
    all.extend(of_fields(frame, header, body));
    all.extend(of_area(frame, header, body));
    let end = body + frame.segment.len();
    if let Some(change) = of_ends(frame, header, body) {
        all.extend(change);
        all.extend(of_check(frame, end));
    } else if !frame.segment.ends_with(b"&&") {
        let single = frame.segment.ends_with(b"&");
        let zh = if single { "数据区结尾只有一个 &,再补一个" } else { "数据区缺少结尾的 &&" };
        let en = if single { "the data area is closed by one & only" } else { "the closing && is missing" };
        all.push(Advice {
            at: end + 1,
            from: String::new(),
            to: if single { "&" } else { "&&" }.into(),
            zh: format!("{zh}(第 {} 个字符处),补上后重新计算长度与 CRC", end + 1),
            en: format!("{en} at character {}: add it and compute length and CRC again", end + 1),
        });
    } else {
        all.extend(of_check(frame, end));
    }
    all
}

/// Other characters than `&&` around the area, and fields of the header behind it.
fn of_ends(frame: &Frame<'_>, header: &Header<'_>, body: usize) -> Option<Vec<Advice>> {
    let from = header.area.as_ptr().addr().checked_sub(frame.segment.as_ptr().addr())?;
    let (before, area) = frame.segment.split_at_checked(from)?;
    let behind = area.get(header.area.len()..).filter(|behind| !header.area.is_empty() && !behind.is_empty())?;
    let again = |zh: &str, en: &str, at: usize, from: String, to: &str| Advice {
        at,
        to: to.into(),
        zh: format!("{zh}(第 {at} 个字符起),并重新计算长度与 CRC"),
        en: format!("{en} (from character {at}), and compute length and CRC again"),
        from,
    };
    let behind_at = body + from + header.area.len() + 1;
    if let Some(fields) = behind.strip_prefix(b"&&").map(|fields| fields.strip_suffix(b"&&").unwrap_or(fields)) {
        if fields.is_empty() || fields.starts_with(b"&") {
            return None;
        }
        let fields = shown(&secret::masked(fields));
        let moved = short(fields.trim_matches([';', ',', ' ']));
        let zh = format!("{moved} 写在数据区之后,应移到 CP 之前");
        let en = format!("{moved} stands behind the data area: move it before CP");
        return Some(vec![again(&zh, &en, behind_at + 2, fields, "")]);
    }
    let deviations = header.deviations;
    if !deviations.contains(Deviation::ClosingOdd) || behind.starts_with(b"&") && !behind.starts_with(b"& ") {
        return None;
    }
    let close = shown(behind.trim_ascii_end());
    let (close_zh, close_en) =
        (format!("数据区结尾的 {close} 应为 &&"), format!("the data area is closed by {close}: write &&"));
    let closed = again(&close_zh, &close_en, behind_at, close, "&&");
    if !deviations.contains(Deviation::AreaOpening) {
        return Some(vec![closed]);
    }
    let open = memchr::memrchr(b'=', before).map(|at| at + 1)?;
    let (open_at, open) = (body + open + 1, shown(before.get(open..)?));
    if open.is_empty() || open == "&" {
        return None;
    }
    let (zh, en) = (format!("数据区开头的 {open} 应为 &&"), format!("the data area is opened by {open}: write &&"));
    Some(vec![again(&zh, &en, open_at, open, "&&"), closed])
}

fn of_head(frame: &Frame<'_>, body: usize) -> Option<Advice> {
    let length = frame.segment.len();
    if body == 0 {
        let wanted = format!("##{length:04}");
        return Some(Advice {
            at: 1,
            from: String::new(),
            zh: format!("缺少包头和长度:在最前面加 {wanted}(数据段共 {length} 字节)"),
            en: format!("head and length are missing: add {wanted} in front (the data segment has {length} bytes)"),
            to: wanted,
        });
    }
    let head = frame.raw.get(..body).unwrap_or_default();
    let wanted = format!("##{length:04}");
    if head == wanted.as_bytes() || length > 9999 {
        return None;
    }
    let said = envelope(frame.raw, length).declared;
    let off = said.and_then(|said| said.checked_sub(length));
    let counted = COUNTED.iter().find(|(by, ..)| off == Some(*by) && frame.deviations.contains(Deviation::LengthOff));
    let forms = HEADS.iter().filter(|(form, ..)| frame.deviations.contains(*form)).map(|(_, zh, en)| (*zh, *en));
    let digits = head.get(2..).unwrap_or_default();
    let missing = digits.is_empty() && head == b"##";
    let forms = forms.filter(|_| !missing).chain(missing.then_some(("没有长度", "there is no length")));
    let (mut why_zh, mut why_en) = (String::new(), String::new());
    for (zh, en) in forms.chain(counted.map(|(_, zh, en)| (*zh, *en))) {
        why_zh.push_str(if why_zh.is_empty() { ":" } else { ";" });
        why_zh.push_str(zh);
        why_en.push_str(if why_en.is_empty() { ": " } else { "; " });
        why_en.push_str(en);
    }
    let from = shown(head);
    Some(Advice {
        at: 1,
        zh: format!(
            "把包头和长度 {from} 改为 {wanted}(第 1 到 {body} 个字符;数据段从第 {} 个字符起共 {length} 字节){why_zh}",
            body + 1
        ),
        en: format!(
            "change head and length {from} to {wanted} (characters 1 to {body}; the data segment begins at {} and has {length} bytes){why_en}",
            body + 1
        ),
        from,
        to: wanted,
    })
}

/// CN that is no command code, and an MN that no station can have.
fn of_fields(frame: &Frame<'_>, header: &Header<'_>, body: usize) -> Vec<Advice> {
    let mut all = Vec::new();
    let end = memchr::memmem::find(frame.segment, b"&&").unwrap_or(frame.segment.len());
    let before = frame.segment.get(..end).unwrap_or_default();
    let field = |name: &[u8]| {
        let at = memchr::memmem::find_iter(before, name).find(|at| {
            let previous = at.checked_sub(1).and_then(|at| before.get(at));
            previous.is_none_or(|byte| matches!(byte, b';' | b',' | b' '))
        })? + name.len();
        let value = before.get(at..)?;
        let length = value.iter().take_while(|byte| !matches!(byte, b';' | b',')).count();
        Some((body + at + 1, value.get(..length)?))
    };
    if header.cn.is_none()
        && let Some((at, said)) = field(b"CN=").filter(|(_, said)| !said.is_empty())
    {
        let from = shown(said);
        let short = short(&from);
        all.push(Advice {
            at,
            zh: format!("CN={short} 不是命令编码:CN 为四位数字,如 2011(第 {at} 个字符起,现有 {} 个)", said.len()),
            en: format!(
                "CN={short} is no command code: CN has four digits, as 2011 (character {at}; there are {})",
                said.len()
            ),
            from,
            to: String::new(),
        });
    }
    if let Some((at, said)) = field(b"MN=").filter(|(_, said)| {
        std::str::from_utf8(said).is_ok_and(|mn| !mn.is_empty() && !hj212_model::registry::is_mn(mn))
            || std::str::from_utf8(said).is_err()
    }) {
        let from = shown(said);
        let short = short(&from);
        all.push(Advice {
            at,
            zh: format!("MN={short} 不能作为站点标识:MN 为 24 位十六进制数字(网关接受 1 到 64 个字母、数字、'_'、'-';现有 {} 个字节,第 {at} 个字符起)", said.len()),
            en: format!("MN={short} names no station: MN has 24 hexadecimal digits (the gateway takes 1 to 64 letters, digits, '_', '-'; there are {} bytes from character {at})", said.len()),
            from,
            to: String::new(),
        });
    }
    all
}

/// What opens and closes the data area, and what no data area holds.
fn of_area(frame: &Frame<'_>, header: &Header<'_>, body: usize) -> Vec<Advice> {
    let mut all = Vec::new();
    let odd = |deviation| header.deviations.contains(deviation);
    let area = header.area.as_ptr().addr().checked_sub(frame.segment.as_ptr().addr());
    let replaced = of_ends(frame, header, body).is_some();
    if let Some(from) = area.filter(|_| odd(Deviation::AreaOpening) && !replaced && !header.area.is_empty()) {
        let at = body + from + 1;
        all.push(Advice {
            at,
            from: String::new(),
            to: "CP=&&".into(),
            zh: format!("数据区从第 {at} 个字符起,其前应写 CP=&&"),
            en: format!("the data area begins at character {at}: CP=&& stands before it"),
        });
    }
    let structure = match header.area.trim_ascii_start() {
        [b'{' | b'[', ..] if header.sealed.is_none() && is_json(header.area) => Some("JSON"),
        [b'<', ..] if header.sealed.is_none() => Some("XML"),
        _ => None,
    };
    if let Some((form, from)) = structure.zip(area) {
        let at = body + from + 1;
        all.push(Advice {
            at,
            from: String::new(),
            to: String::new(),
            zh: format!("数据区写成了 {form}(第 {at} 个字符起):HJ 212 的数据区写作 名称=值,如 DataTime=20260401101500;w01018-Rtd=20.1,w01018-Flag=N"),
            en: format!("the data area is {form} (from character {at}): HJ 212 writes name=value, as DataTime=20260401101500;w01018-Rtd=20.1,w01018-Flag=N"),
        });
    }
    if let Some((from, digits)) = area.zip(long_number(header)) {
        let at = body + from + digits.0 + 1;
        all.push(Advice {
            at,
            from: String::new(),
            to: String::new(),
            zh: format!("第 {at} 个字符起的数值有 {} 位数字,不可能是测量值:检查现场机的变量是否溢出或未初始化", digits.1),
            en: format!("the number at character {at} has {} digits and is no measurement: look for an overflow or a variable that was never set", digits.1),
        });
    }
    let ampersands = frame.segment.iter().rev().take_while(|byte| **byte == b'&').count();
    if odd(Deviation::ClosingOdd) && ampersands > 2 {
        let at = body + frame.segment.len() - ampersands + 1;
        all.push(Advice {
            at,
            from: "&".repeat(ampersands),
            to: "&&".into(),
            zh: format!("数据区结尾有 {ampersands} 个 &,只留两个(第 {at} 个字符起),并重新计算长度与 CRC"),
            en: format!("the data area is closed by {ampersands} &: leave two (from character {at}) and compute length and CRC again"),
        });
    }
    all
}

/// Whether `area` is JSON, in whatever encoding its text is.
fn is_json(area: &[u8]) -> bool {
    serde_json::from_str::<serde::de::IgnoredAny>(&String::from_utf8_lossy(area)).is_ok()
}

/// Where the first value of more digits than any measurement or time has begins in a plain area, and how many it has.
fn long_number(header: &Header<'_>) -> Option<(usize, usize)> {
    const DIGITS_MAX: usize = 20;
    if header.sealed.is_some() {
        return None;
    }
    memchr::memchr_iter(b'=', header.area).map(|at| at + 1).find_map(|at| {
        let digits = header.area.get(at..)?.iter().take_while(|byte| byte.is_ascii_digit() || **byte == b'.').count();
        (digits > DIGITS_MAX).then_some((at, digits))
    })
}

fn of_check(frame: &Frame<'_>, end: usize) -> Option<Advice> {
    let tail = frame.raw.get(end..).unwrap_or_default();
    let said = shown(tail.trim_ascii());
    let computed = format!("{:04X}", frame.check.computed);
    if said.is_empty() {
        return Some(Advice {
            at: end + 1,
            from: String::new(),
            to: computed.clone(),
            zh: format!("缺少 CRC:在第 {} 个字符处补 {computed}(4 个字符)", end + 1),
            en: format!("the CRC is missing: add {computed} (4 characters) at character {}", end + 1),
        });
    }
    if said == computed || frame.check.verdict == CrcVerdict::Sealed {
        return None;
    }
    let decimal = |text: &str| text.parse::<u32>().is_ok_and(|number| number == u32::from(frame.check.computed));
    let digits = said.trim_start_matches(|c: char| !c.is_ascii_hexdigit());
    let named = said.get(..3).is_some_and(|name| name.eq_ignore_ascii_case("crc"));
    let (why_zh, why_en) = if decimal(&said) {
        (
            ":数值正确,但写成了十进制,应为四位十六进制",
            ": the number is right but written in decimal; it is four hexadecimal digits",
        )
    } else if named {
        (":CRC 只写四位十六进制数,不带名称", ": the CRC is four hexadecimal digits, without a name")
    } else if digits.len() < said.len() && said.starts_with([';', ',', ':', '=']) {
        (":&& 与 CRC 之间不能有标点", ": no punctuation stands between && and the CRC")
    } else if frame.check.verdict == CrcVerdict::Right {
        (
            ":数值正确,写法应为四位大写十六进制",
            ": the number is right; it is written as four hexadecimal digits in upper case",
        )
    } else {
        ("", "")
    };
    Some(Advice {
        at: end + 1,
        zh: format!("把 CRC {said} 改为 {computed}(第 {} 到 {} 个字符){why_zh}", end + 1, end + said.len()),
        en: format!("change the CRC {said} to {computed} (characters {} to {}){why_en}", end + 1, end + said.len()),
        from: said,
        to: computed,
    })
}
