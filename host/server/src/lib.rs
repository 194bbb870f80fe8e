//! A gateway: serves language models over HTTP in the formats of OpenAI and Anthropic, each through the chain of modules that
//! `config.toml` puts around it.
//!
//! [`router`] gives the routes over a [`Gateway`], for programs with a server of their own. [`serve`] is the server of `arcllm serve`.

pub mod otlp;
pub mod serve;

mod body;
mod call;
mod call_head;
mod caller;
mod chat_completions;
mod client;
mod connection;
mod fields;
mod front;
mod gateway;
mod guarded;
mod health;
mod keys;
mod log;
mod messages;
mod metrics;
mod models;
mod noted;
mod page;
mod place;
mod port_owner;
mod posted;
mod problem;
mod readiness;
mod recorder;
mod reload;
mod responses;
mod router;
mod shape;
mod shared;
mod signals;
mod stream;
mod tls;
mod worker;

pub use gateway::Gateway;
pub use keys::NewKey;
pub use router::router;
