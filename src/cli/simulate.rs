//! `simulate`: software stations.

use tokio_util::sync::CancellationToken;

use super::{FAULT, UNAVAILABLE, USAGE, complain, say, tell};
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

pub(super) fn simulate(options: Options) -> u8 {
    // What cannot be obeyed is refused first: a registry for it would be no good either.
    if let Err(error) = options.run.check() {
        complain(&error);
        return USAGE;
    }
    if options.print_stations {
        return say(&sim::stations_toml(&options.run));
    }
    if options.print_keys {
        let mut text = String::new();
        for (mn, key) in sim::keys(&options.run) {
            text.push_str(&format!("{mn}\t{}\n", sim::key_text(&key)));
        }
        return say(&text);
    }
    let Ok(runtime) = tokio::runtime::Builder::new_multi_thread().enable_all().build() else { return FAULT };
    let (stop, connect) = (CancellationToken::new(), options.run.connect.clone());
    let done = runtime.block_on(async {
        let interrupted = stop.clone();
        tokio::spawn(async move {
            if tokio::signal::ctrl_c().await.is_ok() {
                interrupted.cancel();
            }
        });
        sim::run(options.run, stop, |progress| complain(&progress)).await
    });
    match done {
        Ok(summary) if summary.counts.connects == 0 && summary.counts.connect_failures > 0 => {
            complain(&format!(
                "no connection could be made to {connect} 无法连接 ({} tries): does anything listen there?",
                summary.counts.connect_failures
            ));
            UNAVAILABLE
        }
        Ok(summary) if options.json => match serde_json::to_string(&summary) {
            Ok(text) => tell!("{text}"),
            Err(error) => {
                complain(&error);
                FAULT
            }
        },
        Ok(summary) => tell!("{summary}"),
        Err(error) => {
            complain(&error);
            super::IO
        }
    }
}
