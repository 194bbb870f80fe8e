//! Tells the host why a module panicked.

use std::panic::{PanicHookInfo, set_hook};

use crate::log::{Level, log};

/// Makes a panic a message of the log with its place. The host puts the last message of the level `critical` into the error of
/// a call whose instance traps.
pub fn hook() {
    set_hook(Box::new(tell));
}

fn tell(info: &PanicHookInfo<'_>) {
    let what = info.payload_as_str().unwrap_or("panicked");
    let message = match info.location() {
        Some(place) => format!("{what} at {}:{}:{}", place.file(), place.line(), place.column()),
        None => what.to_owned(),
    };
    log(Level::Critical, "panic", &message);
}
