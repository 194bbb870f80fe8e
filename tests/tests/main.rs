//! ArcLLM from the outside: the library and the command, against providers that answer and fail over real sockets.
//! Cargo builds them with the package of the command, which they run.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test that fails here has failed")]

mod agents;
mod authors;
mod bad_input;
mod built_in;
mod chain;
mod command;
mod config;
mod faults;
mod in_code;
mod locked;
mod models_table;
mod observability;
mod prices;
mod registry;
mod reload;
mod sandbox;
mod scene;
mod serve;
mod shared_state;
mod strangers;
mod streaming;
mod support;
mod traceability;
mod verbatim;
mod wire;
