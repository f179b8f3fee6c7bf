//! `decode`: what does this frame say, and what is wrong with it? For integrators, in Chinese and English, and for scripts.
//!
//! The explanation is that of [`hj212_explain`], written as text or as JSON, one object a line.

use std::io::{IsTerminal, Read, Write};
use std::path::PathBuf;

use super::{CONFIG, IO, complain, show};
use crate::config;
use hj212::{FaultReason, Item, SealForm};
use hj212_explain::{self as explain, Desk};

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Input: raw bytes as they came from the wire, or what people paste: hex dumps, escaped strings, UTF-16, Base64, wrapped lines; several \
frames, and anything between them. CR LF at the end of a frame may be missing, as it is when one is pasted. A terminal hands over lines of at most \
4095 bytes: give longer ones in a file or a pipe. Exit code 1 when a frame could not be used or nothing was given.\n\n\
示例: echo '##0101QN=…;CP=&&RtdInterval=30&&1C80' | hj212-gateway decode"
)]
pub(super) struct Options {
    /// A file, or - for standard input
    #[arg(default_value = "-", value_name = "FILE")]
    file: PathBuf,
    /// Opens encrypted data areas with the keys of this file (docs/keys.md)
    #[arg(long, visible_alias = "key-file", value_name = "FILE")]
    keys: Option<PathBuf>,
    /// The form of encryption that the station is registered with: base64 or hex, pkcs7 or zero, or one of each with '+' between (密文形式)
    #[arg(long, value_name = "FORM")]
    seal: Option<SealForm>,
    /// One JSON object a frame, one a line
    #[arg(long)]
    json: bool,
}

pub(super) fn decode(options: &Options) -> u8 {
    let bytes = match read(&options.file) {
        Ok(bytes) => bytes,
        Err(error) => {
            complain(&format!("{}: {error}", options.file.display()));
            return IO;
        }
    };
    let keys = match options.keys.as_deref().map_or(Ok(Vec::new()), config::load_keys) {
        Ok(keys) => keys,
        Err(problems) => {
            complain(&problems);
            return CONFIG;
        }
    };
    let mut out = std::io::BufWriter::with_capacity(OUT, std::io::stdout().lock());
    if bytes.trim_ascii().is_empty() {
        complain(&"没有输入:请粘贴或传入数据包 nothing was given: paste a frame, or name a file");
        return u8::from(true);
    }
    let paste = explain::read(&bytes);
    let mut desk = Desk::new(keys).with_form(options.seal);
    let now = hj212_model::clock::now();
    let (mut all_good, mut frames, mut noise, mut number) = (true, 0, 0, 0);
    let mut rest: &[u8] = &paste.bytes;
    let mut written = if options.json { Ok(()) } else { show::forms(&mut out, &paste.forms) };
    while !rest.is_empty() && written.is_ok() {
        let step = explain::step(rest);
        rest = rest.get(step.used.max(1)..).unwrap_or_default();
        let Some(item) = step.item else { continue };
        number += 1;
        let mut explained = desk.explain(&item, now);
        match item {
            // A prefix of a log or a byte order mark is no failure beside a frame.
            Item::Fault(fault) if fault.reason == FaultReason::Noise => noise += 1,
            Item::Fault(_) | Item::Frame(_) => {
                frames += 1;
                all_good &= explained.ok;
            }
        }
        explained.read_as = paste.forms.iter().map(|form| form.code()).collect();
        written = if options.json {
            serde_json::to_writer(&mut out, &explained).map_err(Into::into).and_then(|()| out.write_all(b"\n"))
        } else {
            show::explained(&mut out, number, &explained)
        };
    }
    // A reader that closes its end has seen enough.
    let _ = written.and_then(|()| out.flush());
    u8::from(!all_good || (frames == 0 && noise > 0))
}

pub(super) fn read(file: &PathBuf) -> std::io::Result<Vec<u8>> {
    if file.as_os_str() != "-" {
        return std::fs::read(file);
    }
    let mut bytes = Vec::new();
    let stdin = std::io::stdin();
    let typed = stdin.is_terminal();
    stdin.lock().read_to_end(&mut bytes)?;
    if typed && bytes.split(|byte| *byte == b'\n').any(|line| line.len() >= TERMINAL_LINE_MAX) {
        complain(
            &"终端每行最多 4095 字节,粘贴的内容被截断:请改用文件或管道 the terminal cut a line at 4095 bytes: use a file or a pipe",
        );
    }
    Ok(bytes)
}

/// So many bytes are written at a time.
const OUT: usize = 64 * 1024;

/// A terminal hands over lines of at most so many bytes.
const TERMINAL_LINE_MAX: usize = 4095;
