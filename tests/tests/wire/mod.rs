//! Requests and answers on the wire.

mod answers;
mod moving;
mod real_server;
mod requests;
mod secrets;
mod stage;
