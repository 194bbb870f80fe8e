//! ArcLLM from the outside: the library and the command, against providers that answer and fail over real sockets.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test that fails here has failed")]

mod agents;
mod bad_input;
mod blocking;
mod both;
mod cancellation;
mod chaos;
mod command;
mod concurrency;
mod containment;
mod deadline;
mod fallback;
mod faults;
mod guide;
mod hints;
mod kit;
mod known_of_providers;
mod observed;
mod projects;
mod real_server;
mod reload;
mod replace_module;
mod retry;
mod runtimes;
mod scene;
mod streaming;
mod support;
mod toolchains;
mod trace_context;
mod traceability;
mod trust;
mod warnings;
mod wire_formats;
