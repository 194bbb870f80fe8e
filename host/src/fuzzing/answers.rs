//! Answers of a provider: whole, as events, and their headers.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use reqwest::{StatusCode, header::HeaderMap};

use crate::{
    adapter::fuzzing::{Heard, hear, hint, read},
    chat::{event::Event, response::Response},
    fuzzing::{FORMATS, input::Input, is_harmless},
};

/// Reads a body with any status.
pub(crate) fn whole(data: &[u8]) {
    let mut input = Input(data);
    let format = FORMATS[usize::from(input.below(3))];
    let status = match input.flag() {
        true => StatusCode::OK,
        false => StatusCode::from_u16(400 + u16::from(input.byte())).expect("a status"),
    };
    match read(format, status, input.0) {
        Ok(response) => is_printable(&response),
        Err(error) => is_harmless(&error.to_string()),
    }
}

/// Reads a body of events. It must not matter how it is cut into pieces.
pub(crate) fn streamed(data: &[u8]) {
    let mut input = Input(data);
    let format = FORMATS[usize::from(input.below(3))];
    let size = usize::from(input.below(16)) + 1;
    let heard = hear(format, vec![Bytes::copy_from_slice(input.0)]);
    assert_eq!(heard, hear(format, input.0.chunks(size).map(Bytes::copy_from_slice).collect()), "in pieces of {size}");
    is_coherent(&heard);
}

/// Checks that the end is the last event.
pub(crate) fn is_coherent((events, error): &Heard) {
    let ends = events.iter().filter(|event| matches!(event, Event::End(_))).count();
    match (events.last(), error) {
        (Some(Event::End(response)), None) => {
            assert_eq!(ends, 1, "one end");
            is_printable(response);
        }
        (_, Some(error)) => {
            assert_eq!(ends, 0, "an end is the end");
            is_harmless(&error.to_string());
        }
        (_, None) => panic!("it ended without an end: {events:?}"),
    }
}

/// Checks that what `--json` prints can be read.
fn is_printable(response: &Response) {
    let text = serde_json::to_string(response).expect("JSON");
    serde_json::from_str::<serde_json::Value>(&text).expect("JSON");
}

/// Reads the headers that say when to ask again, one a line.
pub(crate) fn hints(data: &[u8]) {
    let mut headers = HeaderMap::new();
    let names = ["retry-after-ms", "retry-after", "date", "x-should-retry"];
    for (name, line) in names.into_iter().zip(data.split(|byte| *byte == b'\n')) {
        if let Ok(value) = line.try_into() {
            headers.insert(name, value);
        }
    }
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_887_151);
    if let (Some(wait), _) = hint(&headers, now) {
        assert!(!wait.is_zero() && wait <= Duration::from_secs(1_000_000_000), "{wait:?}");
    }
}
