//! Load a language model by name and invoke it, through a chain of sandboxed WebAssembly modules.
//!
//! ```no_run
//! use arcllm::{Message, Overrides};
//! use serde_json::json;
//!
//! # async fn agent() -> Result<(), arcllm::Error> {
//! let model = arcllm::load_model("anthropic", Overrides::new().module("retry", json!({"max_retries": 5}))).await?;
//! let answer = model.invoke(&[Message::user("What is a monad?")], &[]).await?;
//! println!("{}", answer.text().unwrap_or_default());
//! # Ok(())
//! # }
//! ```
//!
//! Retry, fallback and everything else between an agent and a provider are modules, chosen and ordered by `config.toml`.
//! The agent's code has no line about them. A module never sees a key, the network, a file or the environment: the adapters
//! of the host hold the keys.
//!
//! [`load_model`] uses the configuration that the environment points to. A [`Host`] is for programs with several
//! configurations, with settings in code, or with adapters of their own:
//!
//! ```
//! use arcllm::{Host, ModuleConfig, ProviderConfig};
//!
//! let host = Host::builder()
//!     .provider("local", ProviderConfig::openai("http://localhost:8080")?.model("tiny"))
//!     .module("retry", ModuleConfig::on().setting("max_retries", 5))
//!     .build()?;
//! # Ok::<_, arcllm::ConfigError>(())
//! ```
//!
//! Public structs and enums are `#[non_exhaustive]`: make a struct with its constructor, set its public fields, and match
//! an enum with a last arm `_`. An agent with tools keeps its messages in a [`Conversation`].
//!
//! # Answers as they come
//!
//! [`Model::stream`] gives the [`Event`]s of an answer as they come, and at the end the [`Response`] that [`Model::invoke`]
//! gives. Modules work on such a call as on any other. An error before the first event can be retried, or another provider
//! asked. An error after it ends the answer, with what [had arrived](Error::received). No event comes twice.
//!
//! # What can be observed
//!
//! Each invoke is a [`tracing`] span `invoke`, in it one span `module` for each module that the call passes, in that
//! one span `attempt` for each request sent; all with the target `arcllm`. Their fields are named by [OpenTelemetry's
//! conventions for generative AI](https://opentelemetry.io/docs/specs/semconv/gen-ai/): `gen_ai.request.model`,
//! `gen_ai.usage.input_tokens`, `error.type` and so on; `otel.name` and `otel.kind` are for `tracing-opentelemetry`.
//! Messages are in them only where `host.trace_content` is set, keys never. Where `host.propagate_trace` is set, requests
//! have a `traceparent` ([W3C Trace Context](https://www.w3.org/TR/trace-context/)), and `trace_id` and `span_id` are what
//! it says.
//!
//! What is counted goes to the recorder of [`metrics`], which is installed before models are loaded:
//!
//! | name | labels | what |
//! |---|---|---|
//! | `gen_ai.client.operation.duration` | provider, model, error | seconds of an invoke |
//! | `gen_ai.client.operation.time_to_first_chunk` | provider, model | seconds until a streamed answer begins |
//! | `gen_ai.client.token.usage` | provider, model, `gen_ai.token.type` | tokens of an answer |
//! | `arcllm.calls` | `provider`, `outcome` | invokes by how they ended |
//! | `arcllm.attempts` | `provider`, `outcome` | requests sent, by how they ended |
//! | `arcllm.errors` | `provider`, `reason` | requests that had no answer, by what that means: `authentication`, `rate_limit`, `timeout` … |
//! | `arcllm.retries` | `module` | a module asked its inner again |
//! | `arcllm.fallbacks` | `module` | a module asked another model after it had asked one |
//! | `arcllm.journal.records` | | records in the journal |
//! | `arcllm.journal.failures` | | records that could not be written |
//! | `arcllm.module.failures` | `module`, `limit` | calls that a module could not serve: traps and limits |
//! | `arcllm.module.own_time` | `module` | seconds of a call that a module spent itself |
//! | `arcllm.module.instances` | `module` | instances that run |
//! | `arcllm.module.queued` | `module` | calls that wait for an instance |

mod adapter;
mod assembly;
mod call;
mod chat;
mod check;
mod config;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod journal;
mod model;
mod runtime;
mod state;
mod telemetry;

pub use adapter::adapter::Adapter;
pub use adapter::answer::{Answer, EventStream};
// For `arcllm serve`.
#[doc(hidden)]
pub use adapter::format::fit::reasons;
#[doc(hidden)]
pub use adapter::format::tool_ids::AnswerIds;
pub use arcllm_registry as registry;
pub use assembly::builder::HostBuilder;
pub use assembly::host::Host;
pub use assembly::locked::SignatureState;
pub use assembly::reloader::Reload;
pub use chat::allowance::{Allowance, Allowances, Limited};
pub use chat::cache_mark::CacheMark;
pub use chat::config_error::ConfigError;
pub use chat::content::{ContentBlock, Media, MediaSource, Text, Thinking, ToolCall, ToolResult};
pub use chat::conversation::Conversation;
pub use chat::error::{Error, ErrorKind};
pub use chat::event::Event;
pub use chat::extensions::Extensions;
pub use chat::failure::{ApiError, Failure};
pub use chat::message::{Message, Role};
pub use chat::note::Note;
pub use chat::options::{JsonSchema, Options, OutputFormat, Reasoning};
pub use chat::original::Original;
pub use chat::plain;
pub use chat::reason::ErrorReason;
pub use chat::request::Request;
pub use chat::reserved::{Level as ExtensionLevel, is_reserved as is_reserved_extension};
pub use chat::response::{Response, StopReason};
// For the log of `arcllm serve`.
#[doc(hidden)]
pub use chat::time::rfc3339;
pub use chat::tool::{FunctionTool, Tool, ToolChoice};
pub use chat::trail::{Attempt, Outcome};
pub use chat::usage::Usage;
pub use chat::wire_format::WireFormat;
pub use check::check::CheckReport;
pub use check::metadata::Metadata;
pub use check::report::ModuleReport;
pub use config::additions::Addition;
pub use config::compile_cache::CompileCache;
pub use config::config::Config;
pub use config::defaults::Defaults;
pub use config::grant::{Grant, Scope};
pub use config::journal::{Fsync, JournalConfig};
pub use config::key::KeySource;
pub use config::known_model::KnownModel;
pub use config::lock::{Lock, LockedModule, LockedSource};
pub use config::model::ModelConfig;
pub use config::model_facts::ModelFacts;
pub use config::model_list::ListedModel;
pub use config::module::ModuleConfig;
pub use config::module_store::ModuleStore;
pub use config::overrides::{Overrides, Switch};
pub use config::price::{LongPrice, Price};
pub use config::provider::ProviderConfig;
pub use config::sandbox::{Limits, OnTrap, Sandbox};
pub use config::serve::{ClientKey, RequestLog, ServeConfig, TlsFiles};
pub use config::signers::{ModuleSources, SignerRule, Signers};
pub use config::state::{RedisConfig, StateConfig, StoreConfig};
pub use config::trust_store::{TrustStore, TrustedFile, TrustedKey};
pub use journal::chain::JournalFault;
pub use journal::journal::{Entry, Journal, JournalError, MemoryJournal};
pub use journal::line::Hash;
pub use journal::verify::{JournalCheck, JournalProblem, JournalRecord, JournalReport, verify_journal};
pub use model::live_trail::LiveTrail;
pub use model::model::Model;
pub use model::stream::ResponseStream;
pub use runtime::guest::component::Streams;
pub use runtime::guest::origin::Origin;
pub use runtime::instance::instance::Probe;
pub use secrecy::SecretString;
pub use state::{
    memory_store::MemoryStore,
    operation::{Added, Bucket, CounterAddition, Leased, Life, Sum, Taken},
    state_store::{ModuleState, StateError, StateStore, Stored},
};

/// Whether a module of this name is built in.
pub fn is_built_in(module: &str) -> bool {
    arcllm_builtin::find(module).is_some()
}

/// Loads a model from the configuration that the environment points to; see [`Config::find`]. The first call reads it,
/// later ones share it and its modules; what is [trusted](TrustStore) since then counts from the next start.
///
/// # Errors
///
/// As [`Config::find`] and [`Host::load_model`].
pub async fn load_model(provider: &str, overrides: Overrides) -> Result<Model, ConfigError> {
    static HOST: std::sync::OnceLock<Host> = std::sync::OnceLock::new();
    let host = match HOST.get() {
        Some(host) => host,
        None => {
            // A failure is not kept: the file may be mended.
            let host = Host::from_env()?;
            HOST.get_or_init(|| host)
        }
    };
    host.load_model(provider, overrides).await
}
