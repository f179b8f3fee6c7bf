//! `generate`: manual pages and completions, for those who make packages. They come from the definitions of the command line, so they
//! cannot say anything else than `--help`.

use std::path::{Path, PathBuf};

use clap_complete::Shell;

use super::{IO, complain};

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// The folder to write to: man1, bash, zsh and fish are made in it
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
}

pub(super) fn generate(options: &Options) -> u8 {
    match written(&options.to) {
        Ok(()) => 0,
        Err(error) => {
            complain(&format!("{}: {error}", options.to.display()));
            IO
        }
    }
}

fn written(folder: &Path) -> std::io::Result<()> {
    let command = super::command_line();
    let made = |name: &str| {
        let below = folder.join(name);
        std::fs::create_dir_all(&below).map(|()| below)
    };
    clap_mangen::generate_to(command.clone(), made("man1")?)?;
    for (shell, name) in [(Shell::Bash, "bash"), (Shell::Zsh, "zsh"), (Shell::Fish, "fish")] {
        clap_complete::generate_to(shell, &mut command.clone(), "hj212-gateway", made(name)?)?;
    }
    Ok(())
}
