//! What can be wrong before the simulator runs. Once it runs, faults are its purpose and not its errors.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Why a script cannot be used or a simulator cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The script's file cannot be read.
    #[error("{}: cannot read the script: {source}", path.display())]
    Read {
        /// The file asked for.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The script is not TOML, or has a key or a value that no script has.
    #[error("{file}: {message}")]
    Syntax {
        /// The file, as it was named.
        file: String,
        /// Line, key and what would be right.
        message: String,
    },
    /// A script whose parts do not go together.
    #[error("{place}: {message}")]
    Invalid {
        /// Where: file and line, or which reply.
        place: String,
        /// The key and what would be right.
        message: String,
    },
    /// The port cannot be had.
    #[error("cannot listen on {address}: {source}")]
    Bind {
        /// The address asked for.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
}
