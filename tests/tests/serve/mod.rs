//! `arcllm serve`, over real sockets.

mod bad_input;
mod gateway;
mod heads;
mod keys;
mod messages;
mod reload;
mod running;
