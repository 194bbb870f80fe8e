//! `arcllm serve`, over real sockets.

mod messages;
