//! Errors before the simulator runs.

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
    /// The script is not TOML, or has an unknown key or a wrong value.
    #[error("{file}:{line}: {mistake}")]
    Syntax {
        /// The file, as the caller named it.
        file: String,
        /// The line, counted from one.
        line: usize,
        /// The key, what is wrong with it, and what would be right.
        mistake: String,
    },
    /// Parts of the script contradict each other.
    #[error("{place}: {message}")]
    Invalid {
        /// Where: file and line, or which reply.
        place: String,
        /// The key and what would be right.
        message: String,
    },
    /// The simulator cannot listen on the port.
    #[error("cannot listen on {address}: {source}")]
    Bind {
        /// The address asked for.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
}
