//! Requests and answers on the wire.

mod answers;
mod errors;
mod moving;
mod reading;
mod real_server;
mod requests;
mod responses;
mod secrets;
mod stage;
