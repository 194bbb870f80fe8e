//! Whatever can go wrong at a provider, through each chain of retry and fallback: which requests went out, what the trail
//! says of them, and what the agent saw.
//!
//! What has to happen hangs on nothing but whether the fault is worth another attempt; the table is in [`play`]. The rest
//! of the files are faults.

mod answers;
mod network;
pub(crate) mod play;
pub(crate) mod stage;
mod statuses;

use std::fmt;

use arcllm_simulator::{Fault as Broken, Reply};

/// One way in which a provider fails, and how it is to be told.
#[derive(Debug, Clone)]
pub(crate) struct Fault {
    /// What the provider does; absent if no request comes through to it.
    reply: Option<Reply>,
    /// A status or a kind, as a trail has it: `529`, `connection`.
    outcome: String,
    /// Whether it is worth another attempt.
    retryable: bool,
    /// What the message says, in part.
    says: &'static str,
}

impl Fault {
    /// An error that the provider answers with.
    pub(crate) fn status(status: u16, reply: Reply) -> Self {
        let retryable = [429, 500, 502, 503, 529].contains(&status);
        Self { reply: Some(reply), outcome: status.to_string(), retryable, says: "" }
    }

    /// A connection that cannot be made, or breaks.
    pub(crate) fn connection(reply: impl Into<Option<Reply>>, says: &'static str) -> Self {
        Self { reply: reply.into(), outcome: "connection".to_owned(), retryable: true, says }
    }

    /// Silence past a limit.
    pub(crate) fn timeout(reply: Reply) -> Self {
        Self { reply: Some(reply), outcome: "timeout".to_owned(), retryable: true, says: "timeout_seconds" }
    }

    /// An answer that is not what the format says.
    pub(crate) fn parse(reply: Reply, says: &'static str) -> Self {
        Self { reply: Some(reply), outcome: "parse".to_owned(), retryable: false, says }
    }

    pub(crate) fn saying(self, says: &'static str) -> Self {
        Self { says, ..self }
    }
}

impl fmt::Display for Fault {
    /// For the question that is asked while it happens: a body would be too long.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reply = self.reply.as_ref().map_or_else(|| "nobody there".to_owned(), Reply::to_string);
        write!(formatter, "{reply} is {} ({})", self.outcome, self.says)
    }
}
