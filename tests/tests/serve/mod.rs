//! `arcllm serve`, over real sockets.

mod browser;
mod page;
