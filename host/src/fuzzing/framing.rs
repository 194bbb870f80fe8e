//! Puts the data of events into a body, in one of the ways that servers use.

use bytes::Bytes;

use crate::fuzzing::input::Input;

/// How a stream is written.
pub(crate) struct Framing {
    line_end: &'static str,
    has_comments: bool,
    has_names: bool,
    has_spaces: bool,
    splits_data: bool,
    has_mark: bool,
    /// Whether the empty line after the last event is missing.
    ends_early: bool,
}

impl Framing {
    pub(crate) fn new(input: &mut Input<'_>) -> Self {
        Self {
            line_end: ["\n", "\r\n", "\r"][usize::from(input.below(3))],
            has_comments: input.flag(),
            has_names: input.flag(),
            has_spaces: input.flag(),
            splits_data: input.flag(),
            has_mark: input.flag(),
            ends_early: input.flag(),
        }
    }

    /// The body.
    pub(crate) fn body(&self, events: &[String]) -> String {
        let end = self.line_end;
        let mut body = if self.has_mark { "\u{feff}".to_owned() } else { String::new() };
        for data in events {
            if self.has_comments {
                body.extend([": so", end, "event: ping", end, end]);
            }
            if self.has_names {
                body.extend(["event: message", end, "id: 7", end]);
            }
            let lines = if self.splits_data { lines(data) } else { vec![&**data] };
            for line in lines {
                body.extend(["data:", if self.has_spaces { " " } else { "" }, line, end]);
            }
            body.push_str(end);
        }
        if self.ends_early { body.trim_end().to_owned() } else { body }
    }
}

/// Cuts JSON where a line end may stand.
fn lines(json: &str) -> Vec<&str> {
    let (mut in_text, mut is_escaped) = (false, false);
    let cuts = json.split_inclusive(|letter| {
        let cuts = !in_text && matches!(letter, '{' | ',');
        in_text ^= letter == '"' && !is_escaped;
        is_escaped = in_text && letter == '\\' && !is_escaped;
        cuts
    });
    cuts.collect()
}

/// Cuts a body into chunks.
pub(crate) fn chunks(body: &str, input: &mut Input<'_>) -> Vec<Bytes> {
    let mut rest = body.as_bytes();
    let mut chunks = Vec::new();
    let size = usize::from(input.byte()) + 1;
    while !rest.is_empty() {
        let length = if input.flag() { usize::from(input.byte()) + 1 } else { size };
        let (chunk, after) = rest.split_at(length.min(rest.len()));
        chunks.push(Bytes::copy_from_slice(chunk));
        rest = after;
    }
    chunks
}
