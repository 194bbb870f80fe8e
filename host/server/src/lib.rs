//! A gateway: serves language models over HTTP in the formats of OpenAI and Anthropic, each through the chain of modules that
//! `config.toml` puts around it.
//!
//! [`router`] gives the routes over a [`Gateway`], for programs with a server of their own. [`serve`] is the server of `arcllm serve`.

mod call;
mod client;
mod gateway;
mod page;
mod process;
mod routes;
mod telemetry;

pub use gateway::{gateway::Gateway, keys::NewKey};
pub use process::serve;
pub use routes::router::router;
pub use telemetry::{background::Output, otlp};
