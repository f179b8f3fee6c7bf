//! `seal`: a secret from standard input, sealed for the gateway, for `{ "sealed": … }` in a request.

use std::io::Read;
use std::path::PathBuf;

use zeroize::Zeroizing;

use super::{CONFIG, FAULT, IO, USAGE, complain, tell};
use crate::config;
use crate::gateway::secrets;

/// The longest secret in bytes.
const SECRET_MAX: u64 = 256;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Reads the secret from standard input, without echo of its own: … | hj212-gateway seal --config FILE --mn MN\n\
    The gateway's public key is in seal-key.pub in the journal's folder, and stands as seal_key in its retained status.\n\n\
    从标准输入读取密码或密钥,输出密文,写入请求的 {\"sealed\":\"…\"}。见 docs/commands.md。"
)]
pub(super) struct Options {
    /// The gateway's configuration: its journal's folder holds the public key
    #[arg(long, value_name = "FILE", default_value = super::CONFIG_FILE)]
    config: PathBuf,
    /// The gateway's public key in base64, where its folder cannot be read
    #[arg(long, value_name = "KEY")]
    public: Option<String>,
    /// The station that the secret is for
    #[arg(long, value_name = "MN")]
    mn: String,
}

pub(super) fn seal(options: &Options) -> u8 {
    let public = match &options.public {
        Some(public) => public.clone(),
        None => match config::load(&options.config) {
            Err(problems) => {
                complain(&problems);
                return CONFIG;
            }
            Ok(loaded) => match secrets::public_key(&loaded.config.journal.dir) {
                Some(public) => public,
                None => {
                    let dir = loaded.config.journal.dir.display().to_string();
                    complain(&format!(
                        "no seal-key.pub can be read in {dir}: start the gateway with [command] enabled, or give --public"
                    ));
                    return IO;
                }
            },
        },
    };
    let mut secret = Zeroizing::new(String::new());
    if let Err(error) = std::io::stdin().take(SECRET_MAX).read_to_string(&mut secret) {
        complain(&error);
        return IO;
    }
    let secret = secret.trim_end_matches(['\r', '\n']);
    if secret.is_empty() {
        complain(&"no secret on standard input");
        return USAGE;
    }
    match secrets::seal(&public, &options.mn, secret) {
        Some(sealed) => tell!("{sealed}"),
        None if secrets::seal(&public, "", "").is_none() => {
            complain(&"the public key is not 32 bytes in base64");
            USAGE
        }
        None => FAULT,
    }
}
