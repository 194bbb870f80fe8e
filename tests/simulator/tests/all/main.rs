//! The simulator, seen through a socket: one binary, since each more would be linked anew.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that fails here has failed")]

mod answers;
mod client;
mod connections;
mod errors;
mod faults;
mod hostile;
mod records;
mod script_files;
mod sse;
mod stream_clients;
mod stream_faults;
mod stream_shapes;
mod streams;
