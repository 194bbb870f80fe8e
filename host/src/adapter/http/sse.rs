//! Server-sent events: <https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation>.

use std::{borrow::Cow, mem};

use bytes::{Buf as _, Bytes};
use memchr::memchr2;

/// The field with the content of an event.
const DATA: &[u8] = b"data:";

/// The field with the name of an event.
const NAME: &[u8] = b"event:";

/// The name of an event that is an error, whatever its data is. The wire formats need no other name.
const ERROR: &[u8] = b"error";

/// A field with an error. No specification has it.
const ERROR_FIELD: &[u8] = b"error:";

/// The most bytes of a line that is not part of an event. Longer ones are no errors.
const LONGEST_BARE: usize = 16 * 1024;

/// The most bytes of a line with a name that are kept.
const LONGEST_NAME: usize = 64;

/// Only the start of a text may have one. Gateways that put texts together leave it before any line.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Data with a larger buffer than this gives back what it does not fill.
const LARGE: usize = 64 * 1024;

/// Finds events in a text that arrives in pieces of any size.
pub(crate) struct SseDecoder {
    /// The most bytes of data in one event.
    limit: usize,
    /// The beginning of a line. Empty if the line is skipped.
    line: Vec<u8>,
    /// Whether the current line is not data.
    skips: bool,
    /// The data lines of an event that has not ended.
    data: Option<Vec<u8>>,
    /// Whether a line feed here belongs to the carriage return before it.
    after_return: bool,
    /// The name of the event that has not ended.
    name: Vec<u8>,
}

/// An event.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct SseEvent {
    pub(crate) data: Vec<u8>,
    /// Empty if it has none.
    pub(crate) name: String,
    /// Whether it is a line of JSON that stands outside of events. Some servers report errors in this way.
    pub(crate) is_bare: bool,
}

impl SseEvent {
    /// Whether it is an error, whatever its data is.
    pub(crate) fn is_error(&self) -> bool {
        self.name.as_bytes() == ERROR
    }
}

/// The data of an event is longer than the limit.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooLong;

/// Gives the connection its read buffer back. An empty slice would hold it until more arrives.
fn release(text: &mut Bytes) {
    if text.is_empty() {
        *text = Bytes::new();
    }
}

impl SseDecoder {
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, line: Vec::new(), skips: false, data: None, after_return: false, name: Vec::new() }
    }

    /// Returns the next event and removes what it has read from `text`. `None` means that more text is needed.
    pub(crate) fn next(&mut self, text: &mut Bytes) -> Result<Option<SseEvent>, TooLong> {
        while !text.is_empty() {
            if mem::take(&mut self.after_return) && text.starts_with(b"\n") {
                text.advance(1);
                continue;
            }
            let Some(end) = memchr2(b'\n', b'\r', text) else {
                self.add(&mem::take(text))?;
                break;
            };
            let (line, rest) = text.split_at(end);
            self.after_return = rest.starts_with(b"\r");
            let event = self.end_line(line)?;
            text.advance(end + 1);
            if event.is_some() {
                release(text);
                return Ok(event);
            }
        }
        release(text);
        Ok(None)
    }

    /// Adds a piece of a line.
    fn add(&mut self, piece: &[u8]) -> Result<(), TooLong> {
        if self.skips {
            return Ok(());
        }
        self.line.extend_from_slice(piece);
        let marks = self.line.len() - without_marks(&self.line).len();
        self.line.drain(..marks);
        if self.line.starts_with(DATA) {
            return self.check(self.line.len().saturating_sub(DATA.len() + 1));
        }
        let may_be = |field: &[u8]| field.starts_with(&self.line);
        let is_name = self.line.starts_with(NAME);
        if is_name && self.line.len() > LONGEST_NAME {
            // No event has this name.
            self.name.clear();
        }
        let is_short_name = is_name && self.line.len() <= LONGEST_NAME;
        let is_bare = is_bare(&self.line) && self.line.len() <= LONGEST_BARE;
        let may_be_read = [DATA, NAME, BYTE_ORDER_MARK, ERROR_FIELD].into_iter().any(may_be);
        if !is_short_name && !is_bare && !may_be_read {
            self.line.clear();
            self.skips = true;
        }
        Ok(())
    }

    /// Reads a line, of which this is the last piece. Returns the event if the line ends one.
    fn end_line(&mut self, piece: &[u8]) -> Result<Option<SseEvent>, TooLong> {
        if !self.skips && self.line.is_empty() {
            return self.read_line(Cow::Borrowed(without_marks(piece)));
        }
        self.add(piece)?;
        let line = mem::take(&mut self.line);
        if mem::take(&mut self.skips) { Ok(None) } else { self.read_line(Cow::Owned(line)) }
    }

    fn read_line(&mut self, line: Cow<'_, [u8]>) -> Result<Option<SseEvent>, TooLong> {
        if line.is_empty() {
            return Ok(self.end_event());
        }
        if let Some(name) = line.strip_prefix(NAME) {
            self.name.clear();
            if line.len() <= LONGEST_NAME {
                self.name.extend_from_slice(name.trim_ascii());
            }
            return Ok(None);
        }
        if is_bare(&line) {
            return Ok(bare_event(&line));
        }
        let start = match line.strip_prefix(DATA) {
            Some([b' ', ..]) => DATA.len() + 1,
            Some(_) => DATA.len(),
            None if DATA.strip_suffix(b":") == Some(&*line) => line.len(),
            None => return Ok(None),
        };
        self.check(line.len() - start)?;
        let value = line.get(start..).unwrap_or_default();
        match &mut self.data {
            Some(data) => {
                data.push(b'\n');
                data.extend_from_slice(value);
            }
            None => self.data = Some(value_of(line, start)),
        }
        Ok(None)
    }

    /// Fails if a data line of this many bytes is too long. A line feed separates it from the lines before.
    fn check(&self, line: usize) -> Result<(), TooLong> {
        let length = self.data.as_ref().map_or(0, |data| data.len() + 1) + line;
        if length > self.limit { Err(TooLong) } else { Ok(()) }
    }

    fn end_event(&mut self) -> Option<SseEvent> {
        let name = String::from_utf8(mem::take(&mut self.name)).unwrap_or_default();
        // An error needs no data.
        let mut data = self.data.take().or_else(|| (name.as_bytes() == ERROR).then(Vec::new))?;
        if data.capacity() > LARGE {
            data.shrink_to_fit();
        }
        Some(SseEvent { data, name, is_bare: false })
    }
}

/// The text of an event with this name, if it has one, and this data.
pub(crate) fn framed(name: &str, data: &[u8]) -> Bytes {
    let mut text = Vec::with_capacity(name.len() + data.len() + 32);
    if !name.is_empty() {
        text.extend_from_slice(b"event: ");
        text.extend_from_slice(name.as_bytes());
        text.push(b'\n');
    }
    for line in data.split(|byte| *byte == b'\n') {
        text.extend_from_slice(b"data: ");
        text.extend_from_slice(line);
        text.push(b'\n');
    }
    text.push(b'\n');
    text.into()
}

/// Whether the line can be an error outside of events.
fn is_bare(line: &[u8]) -> bool {
    line.starts_with(b"{") || line.starts_with(ERROR_FIELD)
}

fn bare_event(line: &[u8]) -> Option<SseEvent> {
    if line.len() > LONGEST_BARE {
        return None;
    }
    match line.strip_prefix(ERROR_FIELD) {
        Some(error) if error.trim_ascii().is_empty() => None,
        Some(error) => Some(SseEvent { data: error.trim_ascii().to_vec(), name: "error".to_owned(), is_bare: false }),
        None => Some(SseEvent { data: line.to_vec(), name: String::new(), is_bare: true }),
    }
}

fn without_marks(mut line: &[u8]) -> &[u8] {
    while let Some(rest) = line.strip_prefix(BYTE_ORDER_MARK) {
        line = rest;
    }
    line
}

/// The line from this place on. A long line was collected from pieces, and is not copied again.
fn value_of(line: Cow<'_, [u8]>, start: usize) -> Vec<u8> {
    match line {
        Cow::Borrowed(line) => line.get(start..).unwrap_or_default().to_vec(),
        Cow::Owned(mut line) => {
            line.drain(..start);
            line
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The events of a text in pieces of this size, and whether one was too long.
    fn read(text: &[u8], size: usize, limit: usize) -> (Vec<String>, bool) {
        let mut decoder = SseDecoder::new(limit);
        let mut events = Vec::new();
        for piece in text.chunks(size) {
            let mut piece = Bytes::copy_from_slice(piece);
            loop {
                match decoder.next(&mut piece) {
                    Ok(Some(event)) => {
                        let name = if event.is_error() {
                            "error: "
                        } else if event.is_bare {
                            "bare: "
                        } else {
                            ""
                        };
                        events.push(format!("{name}{}", String::from_utf8_lossy(&event.data)));
                    }
                    Ok(None) => break,
                    Err(TooLong) => return (events, true),
                }
            }
            assert!(piece.is_empty());
        }
        (events, false)
    }

    #[test]
    fn the_examples_of_the_specification() {
        for (text, expected) in [
            ("data: YHOO\ndata: +2\ndata: 10\n\n", &["YHOO\n+2\n10"][..]),
            (
                ": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third\n\n",
                &["first event", "second event", " third"],
            ),
            ("data\n\ndata\ndata\n\ndata:", &["", "\n"]),
            ("data:test\n\ndata: test\n\n", &["test", "test"]),
        ] {
            assert_eq!(
                read(text.as_bytes(), 1000, 100),
                (expected.iter().map(|text| (*text).to_owned()).collect(), false)
            );
        }
    }

    #[test]
    fn all_line_ends_and_a_byte_order_mark() {
        for end in ["\n", "\r", "\r\n"] {
            for start in ["", "\u{feff}", "\u{feff}event: x\n", "\n"] {
                let text =
                    format!("{start}data: a{end}{end}event: b{end}dataset: c{end}data: b{end}{end}data: cut{end}");
                for size in 1..20 {
                    let (events, _) = read(text.as_bytes(), size, 100);
                    assert_eq!(events, ["a", "b"], "{text:?} in pieces of {size}");
                }
            }
        }
        for size in 1..20 {
            let text = "data: a\n\n\u{feff}data: b\n\u{feff}\ndata: c\u{feff}\n\n";
            assert_eq!(read(text.as_bytes(), size, 100).0, ["a", "b", "c\u{feff}"], "a mark before any line");
        }
    }

    #[test]
    fn an_event_of_the_name_error_is_told_apart() {
        let long = "x".repeat(100);
        let text = format!(
            "event: error\ndata: a\n\ndata: b\n\nevent:error\n\nevent: errors\ndata: c\n\nevent: {long}\ndata: d\n\n\
             event: error\nevent: ping\ndata: e\n\n: c\n\ndata: f\nevent:  error \n\n\
             event: error\nevent: {long}\ndata: g\n\n"
        );
        for size in [1, 2, 5, 1000] {
            let (events, _) = read(text.as_bytes(), size, 100);
            assert_eq!(events, ["error: a", "b", "error: ", "c", "d", "e", "error: f", "g"], "in pieces of {size}");
        }
    }

    #[test]
    fn errors_outside_of_events_are_told_apart() {
        let long = "x".repeat(LONGEST_BARE);
        let text = format!("data: a\n{{\"b\": 1}}\n\nerror: c\n{{{long}\nerror:{long}\nerror:\nerrors: d\ndata: e\n\n");
        for size in [1, 3, 1000, 100_000] {
            assert_eq!(
                read(text.as_bytes(), size, 100).0,
                ["bare: {\"b\": 1}", "a", "error: c", "e"],
                "pieces of {size}"
            );
        }
    }

    #[test]
    fn only_data_counts_towards_the_limit() {
        let text = format!(": {}\nid: {0}\ndata: 12345\ndata: 6789\n\n", "x".repeat(100));
        for size in [1, 7, 1000] {
            assert_eq!(read(text.as_bytes(), size, 10), (vec!["12345\n6789".to_owned()], false));
            assert_eq!(read(text.as_bytes(), size, 8), (vec![], true));
        }
        let text = b"data: 123\ndata\n: a comment\n";
        for size in [1, 1000] {
            assert_eq!(read(text, size, 3), (vec![], true), "the line feed between two lines counts");
            assert_eq!(read(text, size, 4), (vec![], false));
        }
        let mut decoder = SseDecoder::new(8);
        assert_eq!(decoder.next(&mut Bytes::from_static(b"data: 123456789")), Err(TooLong), "before the line ends");
    }

    proptest! {
        #[test]
        fn pieces_make_no_difference(
            parts in proptest::collection::vec("data|event|error|: |:|\n|\r|\r\n|\u{feff}|[a-z ]{0,5}|\n\n", 0..30),
            size in 1..9_usize,
            limit in 0..20_usize,
        ) {
            let text = parts.concat();
            prop_assert_eq!(read(text.as_bytes(), size, limit), read(text.as_bytes(), 10_000, limit));
        }
    }
}
