//! `arcllm serve`, over real sockets.

mod bad_input;
mod browser;
mod gateway;
mod heads;
mod keys;
mod page;
mod reload;
mod running;
