//! What goes over the wire, and what comes of the answers.

mod answers;
mod real_server;
mod requests;
mod secrets;
mod stage;
