//! `arcllm serve`, over real sockets.

mod chat;
mod gateway;
mod heads;
