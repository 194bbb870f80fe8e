//! Streamed answers, through the chain and over real sockets.

mod amounts;
mod basics;
mod command;
mod early;
mod endings;
#[cfg(all(unix, not(target_vendor = "apple")))]
mod h2_server;
#[cfg(all(unix, not(target_vendor = "apple")))]
pub(crate) mod http2;
mod late;
mod leaving;
mod modules;
mod patience;
mod reading;
mod shapes;
mod stage;
mod thrown_away;
mod unasked;
