//! `simulate`: software stations.

use tokio_util::sync::CancellationToken;

use super::{FAULT, USAGE, complain};
use hj212_simulator as sim;

#[derive(Debug, clap::Args)]
#[group(skip)]
pub(super) struct Options {
    /// Print the stations as TOML for the gateway's registry, and do nothing else
    #[arg(long)]
    print_stations: bool,
    /// Print the keys that --sealed stations begin with, MN and key with a tab between, and do nothing else
    #[arg(long, requires = "sealed")]
    print_keys: bool,
    /// Print the summary as JSON
    #[arg(long)]
    json: bool,
    // Last: its groups of options have headings of their own.
    #[command(flatten)]
    run: sim::Options,
}

#[allow(clippy::print_stdout, clippy::print_stderr, reason = "the command line speaks to its user")]
pub(super) fn simulate(options: Options) -> u8 {
    if options.print_stations {
        print!("{}", sim::stations_toml(&options.run));
        return 0;
    }
    if let Err(error) = options.run.check() {
        complain(&error);
        return USAGE;
    }
    if options.print_keys {
        for (mn, key) in sim::keys(&options.run) {
            println!("{mn}\t{}", sim::key_text(&key));
        }
        return 0;
    }
    let Ok(runtime) = tokio::runtime::Builder::new_multi_thread().enable_all().build() else { return FAULT };
    let stop = CancellationToken::new();
    let done = runtime.block_on(async {
        let interrupted = stop.clone();
        tokio::spawn(async move {
            if tokio::signal::ctrl_c().await.is_ok() {
                interrupted.cancel();
            }
        });
        sim::run(options.run, stop, |progress| eprintln!("{progress}")).await
    });
    match done {
        Ok(summary) if options.json => match serde_json::to_string(&summary) {
            Ok(text) => println!("{text}"),
            Err(error) => complain(&error),
        },
        Ok(summary) => println!("{summary}"),
        Err(error) => {
            complain(&error);
            return super::IO;
        }
    }
    0
}
