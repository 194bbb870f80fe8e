//! `arcllm serve`, over real sockets.

mod clients;
