//! `send`: frames to a host over TCP, and what it answers, explained as `decode` does.
//!
//! What must stay true: bytes go out as they were given, wrong ones too (that is what one wants to try); it ends at the latest when its
//! time is over, whatever the other side does; no more than [`ANSWERS_MAX`] bytes of answers are read.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::{CONFIG, IO, UNAVAILABLE, USAGE, complain, decode, show};
use crate::config;
use hj212::{Item, Limits, Peer, SealForm, packet, scan};
use hj212_explain::{Desk, Told};

/// The most bytes of answers that are read.
const ANSWERS_MAX: usize = 1024 * 1024;

#[derive(Debug, clap::Args)]
#[command(after_help = "Example 示例:\n  \
    hj212-gateway encode --mn … --cn 2011 DataTime=… w01018-Rtd=12.30 | hj212-gateway send --to 127.0.0.1:9000\n\n\
Sends the bytes as they are and waits until every frame that asks for an answer has one, or until --timeout is over; then shows the answers, \
explained as by decode. Exit codes: 0 answered, or no answer was asked for; 1 an answer is missing or not usable; 69 not reachable.\n\n\
按原样发送,等待应答(到 --timeout 为止)并逐字段解释。退出码:0 已应答或无需应答;1 无应答或应答不可用;69 无法连接。")]
pub(super) struct Options {
    /// Where to: host and port (主机:端口)
    #[arg(long, value_name = "HOST:PORT")]
    to: String,
    /// How long to wait for the connection and for the answers, in seconds (超时,秒)
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=3600))]
    timeout: u64,
    /// Opens encrypted answers with the keys of this file (docs/keys.md; 密钥文件)
    #[arg(long, visible_alias = "key-file", value_name = "FILE")]
    keys: Option<PathBuf>,
    /// The form of encryption that the station is registered with: base64 or hex, pkcs7 or zero, or one of each with '+' between (密文形式)
    #[arg(long, value_name = "FORM")]
    seal: Option<SealForm>,
    /// One JSON object an answer, one a line
    #[arg(long)]
    json: bool,
    /// A file with the frames, or - for standard input (数据包文件)
    #[arg(default_value = "-", value_name = "FILE")]
    file: PathBuf,
}

pub(super) fn send(options: &Options) -> u8 {
    let bytes = match decode::read(&options.file) {
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
    if bytes.is_empty() {
        complain(&"没有要发送的内容 there is nothing to send: name a file, or pipe the output of encode");
        return USAGE;
    }
    let asked = asking(&bytes);
    let until = Instant::now() + Duration::from_secs(options.timeout);
    let answered = match talk(&options.to, &bytes, asked.len(), until) {
        Ok(answered) => answered,
        Err(error) => {
            complain(&format!("{}: {error}", options.to));
            return UNAVAILABLE;
        }
    };
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    match tell(options, &asked, &answered, Desk::new(keys).with_form(options.seal), &mut out)
        .and_then(|good| out.flush().map(|()| good))
    {
        Ok(good) => u8::from(!good),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => 0,
        Err(error) => {
            complain(&error);
            IO
        }
    }
}

/// The QNs of the frames in `bytes` that ask for an answer; empty where there is none.
fn asking(bytes: &[u8]) -> Vec<String> {
    let mut asked = Vec::new();
    each(bytes, |item| {
        if let Item::Frame(frame) = item {
            let header = packet::parse(frame.segment);
            if header.flag.is_some_and(|flag| flag.wants_answer()) {
                asked.push(String::from_utf8_lossy(header.qn.unwrap_or_default()).into_owned());
            }
        }
    });
    asked
}

/// Hands over each thing that stands in `bytes`.
fn each(bytes: &[u8], mut take: impl FnMut(&Item<'_>)) {
    let mut rest = bytes;
    while !rest.is_empty() {
        let step = scan(rest, Peer::Resting, &Limits::default());
        rest = rest.get(step.used.max(1)..).unwrap_or_default();
        if let Some(item) = step.item {
            take(&item);
        }
    }
}

/// Sends `bytes` and gives what came back until there were `wanted` frames, the peer closed, or the time is over.
fn talk(to: &str, bytes: &[u8], wanted: usize, until: Instant) -> std::io::Result<Vec<u8>> {
    let left = || until.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
    let mut last = std::io::Error::new(ErrorKind::NotFound, "no address 没有地址");
    let mut stream = None;
    for address in to.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, left()) {
            Ok(open) => {
                stream = Some(open);
                break;
            }
            Err(error) => last = error,
        }
    }
    let mut stream = stream.ok_or(last)?;
    stream.set_write_timeout(Some(left()))?;
    stream.write_all(bytes)?;
    let mut answers = Vec::new();
    let mut piece = [0; 4096];
    while Instant::now() < until && answers.len() < ANSWERS_MAX && (wanted == 0 || whole(&answers) < wanted) {
        stream.set_read_timeout(Some(left()))?;
        match stream.read(&mut piece) {
            Ok(0) => break,
            Ok(count) => answers.extend_from_slice(piece.get(..count).unwrap_or_default()),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // The time is over, or the peer has gone: what came is what there is.
            Err(_) => break,
        }
    }
    Ok(answers)
}

/// How many frames stand whole in `bytes`.
fn whole(bytes: &[u8]) -> usize {
    let (mut rest, mut count) = (bytes, 0);
    while !rest.is_empty() {
        let step = scan(rest, Peer::Sending, &Limits::default());
        if step.used == 0 {
            break;
        }
        rest = rest.get(step.used..).unwrap_or_default();
        count += usize::from(matches!(step.item, Some(Item::Frame(_))));
    }
    count
}

/// Shows the answers; whether all is well.
fn tell(
    options: &Options,
    asked: &[String],
    answered: &[u8],
    mut desk: Desk,
    out: &mut impl Write,
) -> std::io::Result<bool> {
    let now = hj212_model::clock::now();
    let mut open: Vec<&str> = asked.iter().map(String::as_str).collect();
    let (mut good, mut number) = (true, 0);
    let mut written = Ok(());
    each(answered, |item| {
        if written.is_err() {
            return;
        }
        number += 1;
        let explained = desk.explain(item, now);
        good &= explained.ok;
        if let Some(Told::Frame(packet)) = &explained.packet {
            // Answers of 2005 carry QN in the area, and some none at all: those count for the oldest.
            let qn = packet.qn.clone().unwrap_or_default();
            let at = open.iter().position(|asked| *asked == qn || packet.cp.contains(&format!("QN={asked}")));
            if let Some(at) = at.or_else(|| (qn.is_empty() && !open.is_empty()).then_some(0)) {
                open.remove(at);
            }
        }
        written = if options.json {
            serde_json::to_writer(&mut *out, &explained).map_err(Into::into).and_then(|()| out.write_all(b"\n"))
        } else {
            show::explained(out, number, &explained)
        };
    });
    written?;
    if !open.is_empty() {
        let qns = open.join(" ");
        complain(&format!(
            "{} 包在 {} 秒内没有应答 without an answer within that many seconds: {qns}",
            open.len(),
            options.timeout
        ));
    } else if asked.is_empty() && number == 0 {
        complain(&"数据包不要求应答,也没有收到应答 no answer was asked for, and none came");
    }
    Ok(good && open.is_empty())
}
