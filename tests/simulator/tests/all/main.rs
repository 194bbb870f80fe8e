//! The simulator, seen through a socket: one binary, since each more would be linked anew.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that fails here has failed")]

mod answers;
mod client;
mod connections;
mod endings;
mod error_faults;
mod errors;
mod fault_names;
mod faults;
mod hostile;
mod no_answers;
mod paths;
mod records;
mod reference;
mod script_files;
mod sse;
mod stream_clients;
mod stream_faults;
mod stream_shapes;
mod streams;
mod text_faults;
mod tool_call_faults;
