//! A station that somebody names must be known: a slip of the pen must not read as "nothing is missing, nothing is open".
//!
//! What must stay true: every subcommand that takes `--mn` and looks for something says that there is no such station, with exit code 69, if neither
//! the configuration nor the journal knows it.

use super::{UNAVAILABLE, complain};
use hj212_interpret::Interpreter;
use hj212_model::registry::Registry;

/// Says that there is no such station; the exit code.
pub(super) fn no_such_station(mn: &str) -> u8 {
    complain(&format!(
        "没有站点 {mn}:未登记,日志库中也没有它的数据。no such station {mn}: it is not registered, and the journal has nothing of it"
    ));
    UNAVAILABLE
}

/// Refuses a station that neither the configuration nor the journal knows.
pub(super) fn must_be_known(mn: Option<&str>, registry: &Registry, interpreter: &Interpreter) -> Result<(), u8> {
    match mn {
        Some(mn) if registry.find(mn.as_bytes()).is_none() && !interpreter.knows_station(mn) => {
            Err(no_such_station(mn))
        }
        Some(_) | None => Ok(()),
    }
}
