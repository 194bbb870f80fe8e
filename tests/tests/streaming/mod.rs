//! Answers in events, through the chain and over real sockets.

mod amounts;
mod basics;
mod early;
mod late;
mod leaving;
mod patience;
mod shapes;
mod stage;
mod unasked;
