//! `arcllm serve`, over real sockets.

mod bad_input;
mod forwarding;
mod gateway;
mod heads;
mod keys;
mod messages;
mod otlp;
mod reload;
mod responses;
mod running;
mod tls;
