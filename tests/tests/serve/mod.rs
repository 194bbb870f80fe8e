//! `arcllm serve`, over real sockets.

mod gateway;
mod heads;
