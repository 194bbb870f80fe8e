//! Errors of providers: what they mean, what they say, how long to wait, and requests that no server has processed.

mod connections;
mod hints;
mod messages;
mod reasons;
#[cfg(all(unix, not(target_vendor = "apple")))]
mod refused;
#[cfg(all(unix, not(target_vendor = "apple")))]
mod refusing_server;
mod stage;
