//! A gateway: serves language models over HTTP in the formats of OpenAI and Anthropic, each through the chain of modules that
//! `config.toml` puts around it.
//!
//! [`router`] gives the routes over a [`Gateway`], for programs with a server of their own. [`serve`](serve::serve) is the server of `arcllm serve`.

pub mod serve;

mod call;
mod call_head;
mod chat_completions;
mod client;
mod gateway;
mod page;
mod problem;
mod router;
mod stream;

pub use gateway::Gateway;
pub use router::router;
