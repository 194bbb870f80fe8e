//! `arcllm serve`, over real sockets.

mod bad_input;
mod browser;
mod chat;
mod clients;
mod forwarding;
pub(crate) mod gateway;
mod heads;
mod kept;
mod keys;
mod messages;
mod otlp;
mod page;
mod refusals;
mod reload;
mod responses;
mod running;
mod tls;
mod two_texts;
mod unread;
