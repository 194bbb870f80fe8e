//! `arcllm serve`, over real sockets.

mod bad_input;
mod gateway;
mod heads;
mod keys;
mod otlp;
mod reload;
mod running;
mod tls;
