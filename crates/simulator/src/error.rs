//! Why a run could not be made or was broken off.

use super::ledger::LedgerError;
use super::options::OptionError;

/// Why a run could not be made or was broken off.
#[derive(Debug, thiserror::Error)]
pub enum SimError {
    /// An option cannot be obeyed.
    #[error(transparent)]
    Option(#[from] OptionError),
    /// The address means nothing.
    #[error("--connect {connect}: {error}; write a host and a port, as 127.0.0.1:9002")]
    Address {
        /// What was given.
        connect: String,
        /// What the resolver says.
        error: std::io::Error,
    },
    /// The ledger cannot be kept.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}
