//! `arcllm serve`, over real sockets.

mod bad_input;
mod browser;
mod chat;
mod clients;
mod forwarding;
pub(crate) mod gateway;
mod heads;
mod in_process;
mod kept;
pub(crate) mod keys;
mod known_fields;
mod library;
mod messages;
mod otlp;
mod own_tools;
mod page;
mod redacted;
mod refusals;
mod reload;
mod responses;
mod running;
mod tls;
mod told;
mod tool_ids;
mod two_texts;
mod unread;
