//! Answers in events, through the chain and over real sockets.

mod basics;
mod command;
mod modules;
