//! Everything that can go wrong at a provider, through each chain of retry and fallback: the requests, the trail, and
//! what the agent got.
//!
//! What must happen depends only on whether the fault is retryable; the table is in [`play`]. The other files hold the
//! faults.

mod answers;
mod network;
pub(crate) mod play;
pub(crate) mod stage;
mod statuses;

use std::fmt;

use arcllm_simulator::{Fault as Broken, Reply};

/// One way in which a provider fails, and how the library must report it.
#[derive(Debug, Clone)]
pub(crate) struct Fault {
    /// What the provider does; none if no request reaches it.
    reply: Option<Reply>,
    /// A status or a kind, as in a trail: `529`, `connection`.
    outcome: String,
    /// Whether it is retryable.
    retryable: bool,
    /// A part of the message.
    says: &'static str,
}

impl Fault {
    /// An error that the provider answers with.
    pub(crate) fn status(status: u16, reply: Reply) -> Self {
        let retryable = [408, 409, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524, 529, 530].contains(&status);
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

    /// What is no answer at all, such as a page.
    pub(crate) fn no_answer(reply: Reply, says: &'static str) -> Self {
        Self { retryable: true, ..Self::parse(reply, says) }
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
    /// For the question of the call. It leaves out bodies, which are long.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reply = self.reply.as_ref().map_or_else(|| "nobody there".to_owned(), Reply::to_string);
        write!(formatter, "{reply} is {} ({})", self.outcome, self.says)
    }
}
