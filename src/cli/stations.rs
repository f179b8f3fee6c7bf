//! `stations import|export`: the station file from a table and into one, as Excel and WPS write and read it.
//!
//! What must stay true: nothing is written without `--write`; what is written is a file that the gateway takes, comments and all that the table
//! does not name stay; no station is ever removed by an import; a table with one bad row changes nothing.

mod merge;
mod table;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{CONFIG, IO, USAGE, complain, say};
use crate::config;
use hj212_model::registry::{self, Problem, Unknown};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Shows what a table would change in the station file, and writes it with --write (导入站点表)
    Import(Import),
    /// Writes the stations as a table (导出站点表)
    Export(Export),
}

#[derive(Debug, clap::Args)]
#[command(after_help = table::HELP)]
pub(super) struct Import {
    /// The table: CSV or tab separated, UTF-8, GBK or UTF-16 (表格文件)
    #[arg(value_name = "TABLE")]
    table: PathBuf,
    #[command(flatten)]
    place: FilePlace,
    /// Writes the file; without it only the differences are shown (写入)
    #[arg(long)]
    write: bool,
}

#[derive(Debug, clap::Args)]
#[command(after_help = table::HELP)]
pub(super) struct Export {
    #[command(flatten)]
    place: FilePlace,
    /// Where to; left out: standard output
    #[arg(long, value_name = "TABLE")]
    output: Option<PathBuf>,
    /// In GBK, for an Excel that takes CSV for that; else UTF-8 with a byte order mark
    #[arg(long)]
    gbk: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct FilePlace {
    /// The gateway's configuration
    #[arg(long, value_name = "FILE", default_value = super::CONFIG_FILE)]
    config: PathBuf,
    /// The station file; left out: the one file that the configuration names
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
}

impl FilePlace {
    /// The station file, or the exit code after what is wrong was said.
    fn file(&self) -> Result<PathBuf, u8> {
        if let Some(file) = &self.file {
            return Ok(file.clone());
        }
        let files = config::station_files(&self.config).map_err(|problem| {
            complain(&problem);
            CONFIG
        })?;
        match files.as_slice() {
            [file] => Ok(file.clone()),
            _ => {
                complain(&format!(
                    "{} station files are configured: name one with --file 配置了多个站点文件,请用 --file 指定",
                    files.len()
                ));
                Err(USAGE)
            }
        }
    }
}

pub(super) fn stations(command: &Command) -> u8 {
    let done = match command {
        Command::Import(options) => import(options),
        Command::Export(options) => export(options),
    };
    done.unwrap_or_else(|code| code)
}

fn import(options: &Import) -> Result<u8, u8> {
    let file = options.place.file()?;
    let bytes = read(&options.table)?;
    let name = options.table.display().to_string();
    let wrong = |problems: Vec<String>| {
        problems.iter().for_each(|problem| complain(problem));
        CONFIG
    };
    let table::TableRead { rows, lines } = table::read(&name, &bytes).map_err(wrong)?;
    let before = match std::fs::read_to_string(&file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(failed(&file, &error)),
    };
    let merged =
        merge::merge(&before, &rows).map_err(|problem| wrong(vec![format!("{}: {problem}", file.display())]))?;
    // What is written must be what the gateway takes.
    if let Err(problems) = registry::load(&[(file.display().to_string(), merged.text.clone())], Unknown::Reject) {
        let told = problems.into_iter().map(|problem| at_table(problem, &merged.text, (&name, &lines))).collect();
        complain(&config::Problems(told));
        complain(&"nothing is written: the station file would not be good 未写入:合并后的站点文件有错");
        return Err(CONFIG);
    }
    let mut said = merged.differences.join("\n");
    if !said.is_empty() {
        said.push('\n');
    }
    said.push_str(&format!(
        "{} new 新增, {} changed 修改, {} the same 不变, {} only in the file 仅在文件中\n",
        merged.new, merged.changed, merged.same, merged.others
    ));
    let code = say(&said);
    if merged.new + merged.changed == 0 {
        return Ok(code);
    }
    if !options.write {
        return Ok(say("nothing is written: --write does it 未写入:加 --write 写入\n"));
    }
    replace(&file, &merged.text).map_err(|error| failed(&file, &error))?;
    Ok(say(&format!(
        "{} is written; hj212-gateway check, then systemctl reload hj212-gateway 已写入;检查后重新加载\n",
        file.display()
    )))
}

/// A mistake of the merged file, which nobody sees, told at the line of the table whose station it is.
fn at_table(problem: Problem, merged: &str, (table, lines): (&str, &BTreeMap<String, u64>)) -> Problem {
    let Some(mn) = merge::station_at(merged, problem.line) else { return problem };
    let Some(line) = lines.get(&mn).and_then(|line| usize::try_from(*line).ok()) else { return problem };
    Problem { file: table.to_owned(), line, column: 1, what: format!("{mn}: {}", problem.what), ..problem }
}

fn export(options: &Export) -> Result<u8, u8> {
    let file = options.place.file()?;
    let text = String::from_utf8(read(&file)?).map_err(|error| failed(&file, &error))?;
    let rows = merge::rows(&text).map_err(|problem| {
        complain(&format!("{}: {problem}", file.display()));
        CONFIG
    })?;
    let table = table::written(&rows);
    let bytes = match options.gbk {
        true => encoding_rs::GB18030.encode(&table).0.into_owned(),
        false => format!("\u{feff}{table}").into_bytes(),
    };
    match &options.output {
        Some(output) => std::fs::write(output, bytes).map(|()| 0).map_err(|error| failed(output, &error)),
        None => {
            use std::io::Write;
            let _ = std::io::stdout().lock().write_all(&bytes);
            Ok(0)
        }
    }
}

fn read(path: &Path) -> Result<Vec<u8>, u8> {
    std::fs::read(path).map_err(|error| failed(path, &error))
}

fn failed(path: &Path, error: &dyn std::fmt::Display) -> u8 {
    complain(&format!("{}: {error}", path.display()));
    IO
}

/// Puts `text` in the place of `file`, whole or not at all, with its owner and mode.
fn replace(file: &Path, text: &str) -> std::io::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::{MetadataExt, OpenOptionsExt, chown};
    let beside = file.with_extension(format!("new-{}", std::process::id()));
    let before = std::fs::metadata(file).ok();
    let written = (|| {
        let mode = before.as_ref().map_or(0o640, |found| found.mode() & 0o777);
        let mut to = std::fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(&beside)?;
        to.write_all(text.as_bytes())?;
        to.sync_all()?;
        if let Some(found) = &before {
            chown(&beside, Some(found.uid()), Some(found.gid()))?;
            std::fs::set_permissions(&beside, found.permissions())?;
        }
        std::fs::rename(&beside, file)
    })();
    if written.is_err() {
        let _ = std::fs::remove_file(&beside);
    }
    written
}
