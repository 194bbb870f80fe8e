//! `arcllm serve`, over real sockets.

mod forwarding;
mod gateway;
mod heads;
mod messages;
