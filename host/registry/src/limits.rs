//! What a registry may cost at most.

use std::time::Duration;

/// What a registry may cost at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// The largest module that is pulled, in bytes. Default: 64 MiB.
    pub max_module_bytes: u64,
    /// The most time to connect. Default: 10 s.
    pub connect: Duration,
    /// The most time for a whole answer without a module in it, such as a manifest. Default: 30 s.
    pub answer: Duration,
    /// The most time without a byte while a module is transferred. Default: 30 s.
    pub silence: Duration,
    /// The most time to transfer a module, broken connections included. Default: 30 min.
    pub transfer: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_module_bytes: 64 << 20,
            connect: Duration::from_secs(10),
            answer: Duration::from_secs(30),
            silence: Duration::from_secs(30),
            transfer: Duration::from_secs(30 * 60),
        }
    }
}
