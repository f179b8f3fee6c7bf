//! `evidence pack|verify`: what a station said, in a file that anybody can check offline (证据包).

use std::fs::File;
use std::io::BufReader;
use std::path::PathBuf;

use super::replay::{empty_range, time};
use super::{CONFIG, IO, USAGE, complain, say};
use crate::config;
use crate::gateway::evidence::{self, EvidenceError, Wish};
use hj212_evidence::{Anchor, Trust, verify};
use hj212_model::clock;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Puts a station's records of a time, with proof, into one file (打包)
    Pack {
        /// The gateway's configuration: its journal and archive
        #[arg(long, value_name = "FILE", default_value = crate::cli::CONFIG_FILE)]
        config: PathBuf,
        /// The station
        #[arg(long, value_name = "MN")]
        mn: String,
        /// What arrived from here on: RFC 3339, or 2026-06-01 in Beijing time
        #[arg(long, value_name = "T")]
        from: String,
        /// And before this. Entries about a day may come until the next day's noon
        #[arg(long, value_name = "T")]
        to: String,
        /// The file to be made
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Checks a pack, offline; exit code 1 and the first difference if anything does not fit (核验)
    Verify {
        /// The pack
        file: PathBuf,
        /// A public key that must have signed, as it is published with each anchor; may be repeated
        #[arg(long, value_name = "HEX")]
        key: Vec<String>,
        /// An anchor that was kept elsewhere (a file with its JSON); may be repeated
        #[arg(long, value_name = "FILE")]
        anchor: Vec<PathBuf>,
        /// Prints the explanation as well (打印说明)
        #[arg(long)]
        print: bool,
    },
}

pub(super) fn evidence(command: &Command) -> u8 {
    match command {
        Command::Pack { config, mn, from, to, out } => {
            let loaded = match config::load(config) {
                Ok(loaded) => loaded,
                Err(problems) => {
                    complain(&problems);
                    return CONFIG;
                }
            };
            let (Ok(Some(from)), Ok(Some(to))) = (time(Some(from)), time(Some(to))) else {
                complain(
                    &"--from and --to are times: write 2026-06-01T08:00:00+08:00, or 2026-06-01 for the day's beginning in Beijing",
                );
                return USAGE;
            };
            if from >= to {
                complain(&empty_range("--from", "--to"));
                return USAGE;
            }
            let wish = Wish { mn: mn.clone(), from, to };
            match evidence::pack(&loaded.config, &wish, out, clock::now()) {
                Ok(done) => say(&format!(
                    "{}：{} 条记录，{} 个锚点，{} 条晚于最后一个锚点，{} 字节。{} records, {} anchors, {} records after the last anchor, {} bytes\n",
                    out.display(),
                    done.records,
                    done.anchors,
                    done.open,
                    done.bytes,
                    done.records,
                    done.anchors,
                    done.open,
                    done.bytes
                )),
                Err(error) => {
                    complain(&error);
                    match error {
                        EvidenceError::Io { .. } => IO,
                        EvidenceError::NoKey => CONFIG,
                        EvidenceError::Nothing(_) | EvidenceError::TooMuch | EvidenceError::Differs { .. } => 1,
                    }
                }
            }
        }
        Command::Verify { file, key, anchor, print } => check(file, key, anchor, *print),
    }
}

fn check(file: &PathBuf, keys: &[String], anchors: &[PathBuf], print: bool) -> u8 {
    let mut trust = Trust { keys: keys.iter().map(|key| key.to_lowercase()).collect(), anchors: Vec::new() };
    for path in anchors {
        // A file of the archive has a few bytes before the JSON.
        let text = std::fs::read(path).ok();
        let json = text.as_deref().and_then(|text| text.get(memchr::memchr(b'{', text)?..));
        match json.and_then(|json| serde_json::from_slice::<Anchor>(json).ok()) {
            Some(anchor) => trust.anchors.push(anchor),
            None => {
                complain(&format!("{}: this is no anchor", path.display()));
                return USAGE;
            }
        }
    }
    let input = match File::open(file) {
        Ok(input) => BufReader::new(input),
        Err(error) => {
            complain(&format!("{}: {error}", file.display()));
            return IO;
        }
    };
    let report = match verify(input, &trust) {
        Ok(report) => report,
        Err(difference) => {
            say(&format!("不符 DIFFERENT: {difference}\n"));
            return 1;
        }
    };
    let mut out = String::new();
    if print {
        out += &report.text.join("\n");
        out += "\n\n";
    }
    if let Some(head) = &report.head {
        out += &format!(
            "相符 GOOD: 站点 {}, {} 至 {}, 网关 {}, 日志库 {}\n",
            head.mn, head.from, head.to, head.gateway, head.journal
        );
    }
    out += &format!(
        "  {} 条记录与锚点相符，其中 {} 条核对了散列链 (records checked, in the chain)\n",
        report.records, report.chained
    );
    for anchor in &report.anchors {
        out += &format!(
            "  锚点 anchor {}: {}, 记录 {}–{}, {}\n",
            anchor.number,
            anchor.day,
            anchor.first,
            anchor.last,
            anchor.name()
        );
    }
    out += &format!("  {} 个锚点与另存的一致 (anchors compared with copies kept elsewhere)\n", report.compared);
    for key in &report.keys {
        let hint = if keys.is_empty() {
            "，请与网关公布的公钥核对 (compare it with the published one)"
        } else {
            ""
        };
        out += &format!("  签名公钥 signed with {key}{hint}\n");
    }
    say(&out)
}
