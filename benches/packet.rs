//! From the stream to fields, check included: ours, the field's usual way, and a plain form in nom.

#![allow(missing_docs, reason = "no library")]

mod corpus;

use std::collections::HashMap;
use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use hj212::{Fields, Item, Limits, Peer, packet, scan};
use nom::bytes::complete::{is_not, tag, take, take_till, take_until};
use nom::character::complete::char;
use nom::combinator::{map, map_res, opt};
use nom::multi::{separated_list0, separated_list1};
use nom::sequence::{preceded, separated_pair, terminated};
use nom::{IResult, Parser};

/// Scan, check, header and fields; how many fields there are.
fn ours(stream: &[u8], fields: &mut Fields) -> usize {
    let limits = Limits::default();
    let (mut rest, mut count) = (stream, 0);
    while !rest.is_empty() {
        let step = scan(rest, Peer::Sending, &limits);
        if let Some(Item::Frame(frame)) = step.item {
            let header = packet::parse(frame.segment);
            fields.read(header.area);
            count += fields.len();
            black_box((&header, &*fields));
        }
        rest = &rest[step.used..];
    }
    count
}

/// What most code of the field does: maps of strings, and the loop of the standard for the check.
fn usual(stream: &[u8]) -> usize {
    let (mut rest, mut count) = (stream, 0);
    while rest.len() > 12 {
        let length: usize = std::str::from_utf8(&rest[2..6]).unwrap_or_default().parse().unwrap_or_default();
        let text = String::from_utf8_lossy(&rest[6..6 + length]).into_owned();
        let mut reg = 0xFFFFu16;
        for byte in text.bytes() {
            reg = (reg >> 8) ^ u16::from(byte);
            for _ in 0..8 {
                reg = if reg & 1 == 1 { reg >> 1 ^ 0xA001 } else { reg >> 1 };
            }
        }
        let right = format!("{reg:04X}").as_bytes() == &rest[6 + length..10 + length];
        let (head, area) = text.split_once("CP=&&").unwrap_or_default();
        let pairs = |part: &str, into: &mut HashMap<String, String>| {
            for (name, value) in part.split(';').filter_map(|pair| pair.split_once('=')) {
                into.insert(name.to_owned(), value.to_owned());
            }
        };
        let mut header = HashMap::new();
        pairs(head, &mut header);
        let mut items: HashMap<String, HashMap<String, String>> = HashMap::new();
        for (name, value) in area.trim_end_matches("&&").split([';', ',']).filter_map(|pair| pair.split_once('=')) {
            let (item, name) = name.split_once('-').unwrap_or(("", name));
            items.entry(item.to_owned()).or_default().insert(name.to_owned(), value.to_owned());
            count += 1;
        }
        black_box((right, header, items));
        rest = &rest[length + 12..];
    }
    count
}

/// A field of an item: code, name, value.
type Part<'a> = (Option<&'a str>, &'a str, &'a str);

/// Segment, header, items of fields, check.
type Parts<'a> = (&'a str, Vec<(&'a str, &'a str)>, Vec<Vec<Part<'a>>>, &'a str);

/// The grammar as the standard's tables read, in the words that nom's own examples use.
fn usual_nom_frame(input: &str) -> IResult<&str, Parts<'_>> {
    let (input, length) = preceded(tag("##"), map_res(take(4usize), str::parse::<usize>)).parse(input)?;
    let (input, segment) = take(length).parse(input)?;
    let (input, check) = terminated(take(4usize), tag("\r\n")).parse(input)?;
    let value = |ends: &'static str| map(opt(is_not(ends)), Option::unwrap_or_default);
    let pair = (terminated(is_not("=;&"), char('=')), value(";&"));
    let (area, header) = terminated(separated_list1(char(';'), pair), tag("&&")).parse(segment)?;
    let code = terminated(is_not("-=;,&"), char('-'));
    let field = (opt(code), terminated(is_not("=;,&"), char('=')), value(";,&"));
    let item = separated_list1(char(','), field);
    let (_, items) = terminated(separated_list0(char(';'), item), tag("&&")).parse(area)?;
    Ok((input, (segment, header, items, check)))
}

/// nom in the usual way: text, one combinator a rule, vectors of pairs, and the check by the table.
fn usual_nom(stream: &[u8], table: &[u16; 256]) -> usize {
    let (mut rest, mut count) = (std::str::from_utf8(stream).unwrap_or_default(), 0);
    while let Ok((after, (segment, header, items, check))) = usual_nom_frame(rest) {
        let reg = segment.bytes().fold(0xFFFF, |reg: u16, byte| table[usize::from((reg >> 8) as u8 ^ byte)]);
        count += items.iter().map(Vec::len).sum::<usize>();
        black_box((u16::from_str_radix(check, 16) == Ok(reg), header, items));
        rest = after;
    }
    count
}

type Pairs<'a> = Vec<(&'a [u8], &'a [u8])>;

/// Segment, header, fields, check.
type Plain<'a> = (&'a [u8], Pairs<'a>, Pairs<'a>, &'a [u8]);

fn plain_frame(input: &[u8]) -> IResult<&[u8], Plain<'_>> {
    let (input, _) = tag(&b"##"[..]).parse(input)?;
    let (input, digits) = take(4usize).parse(input)?;
    let length = digits.iter().fold(0, |number, digit| number * 10 + usize::from(digit.wrapping_sub(b'0')));
    let (input, segment) = take(length).parse(input)?;
    let (input, check) = take(4usize).parse(input)?;
    let (input, _) = tag(&b"\r\n"[..]).parse(input)?;
    let (area, head) = take_until(&b";CP=&&"[..]).parse(segment)?;
    let (area, _) = tag(&b";CP=&&"[..]).parse(area)?;
    let area = area.strip_suffix(b"&&").unwrap_or(area);
    let pair = |ends: fn(u8) -> bool| separated_pair(take_till(|byte| byte == b'='), tag(&b"="[..]), take_till(ends));
    let (_, header) = separated_list0(tag(&b";"[..]), pair(|byte| byte == b';')).parse(head)?;
    let separator = nom::branch::alt((tag(&b";"[..]), tag(&b","[..])));
    let (_, fields) = separated_list0(separator, pair(|byte| byte == b';' || byte == b',')).parse(area)?;
    Ok((input, (segment, header, fields, check)))
}

/// nom on bytes with nothing but searches, into flat pairs whose codes are not told from their names: less work than ours does.
fn plain_nom(stream: &[u8], table: &[u16; 256]) -> usize {
    let (mut rest, mut count) = (stream, 0);
    while let Ok((after, (segment, header, fields, check))) = plain_frame(rest) {
        let reg = segment.iter().fold(0xFFFF, |reg: u16, byte| table[usize::from((reg >> 8) as u8 ^ byte)]);
        let said = std::str::from_utf8(check).ok().and_then(|digits| u16::from_str_radix(digits, 16).ok());
        count += fields.len();
        black_box((said == Some(reg), header, fields));
        rest = after;
    }
    count
}

fn benches(c: &mut Criterion) {
    let corpus = corpus::Corpus::new();
    let stream = &corpus.stream;
    let arc = crc::Crc::<u16>::new(&crc::CRC_16_ARC);
    let table = std::array::from_fn(|byte| arc.checksum(&[byte as u8]));
    let mut fields = Fields::default();
    let wanted = ours(stream, &mut fields);
    assert_eq!((usual(stream), plain_nom(stream, &table)), (wanted, wanted));
    assert_eq!(usual_nom(stream, &table), wanted);

    let mut group = c.benchmark_group("packet");
    group.throughput(Throughput::Elements(corpus::FRAMES as u64));
    group.bench_function("maps of strings, bitwise check", |b| b.iter(|| usual(stream)));
    group.bench_function("plain nom, vectors of pairs, table check", |b| b.iter(|| usual_nom(stream, &table)));
    group.bench_function("lean nom, flat pairs of bytes, codes not split, table check", |b| {
        b.iter(|| plain_nom(stream, &table))
    });
    group.bench_function("ours", |b| b.iter(|| ours(stream, &mut fields)));
    group.finish();

    let segments = corpus.segments();
    let mut group = c.benchmark_group("packet-parts");
    group.throughput(Throughput::Elements(corpus::FRAMES as u64));
    group.bench_function("header", |b| {
        b.iter(|| {
            segments.iter().for_each(|segment| {
                black_box(packet::parse(segment));
            })
        });
    });
    let areas: Vec<&[u8]> = segments.iter().map(|segment| packet::parse(segment).area).collect();
    group.bench_function("fields", |b| {
        b.iter(|| {
            areas.iter().for_each(|area| {
                fields.read(area);
                black_box(&fields);
            })
        });
    });
    group.finish();
}

criterion_group!(all, benches);
criterion_main!(all);
