//! Server-sent events as bytes, as the HTML standard defines them in section 9.2.

use serde::Deserialize;
use serde_json::Value;

/// What ends the lines of an event stream. The standard allows all three.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LineEnd {
    /// A line feed, as providers send it.
    #[default]
    Lf,
    /// Carriage return and line feed.
    CrLf,
    /// A carriage return alone.
    Cr,
}

impl LineEnd {
    fn text(self) -> &'static str {
        match self {
            LineEnd::Lf => "\n",
            LineEnd::CrLf => "\r\n",
            LineEnd::Cr => "\r",
        }
    }
}

/// One event.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Event {
    name: Option<&'static str>,
    data: Data,
}

#[derive(Debug, Clone, PartialEq)]
enum Data {
    Json(Value),
    Text(&'static str),
}

impl Event {
    pub(crate) fn named(name: &'static str, data: Value) -> Event {
        Event { name: Some(name), data: Data::Json(data) }
    }

    pub(crate) fn unnamed(data: Value) -> Event {
        Event { name: None, data: Data::Json(data) }
    }

    /// The data, if it is JSON.
    pub(crate) fn json(&self) -> Option<&Value> {
        match &self.data {
            Data::Json(data) => Some(data),
            Data::Text(_) => None,
        }
    }

    /// The data to be changed, if it is JSON.
    pub(crate) fn json_mut(&mut self) -> Option<&mut Value> {
        match &mut self.data {
            Data::Json(data) => Some(data),
            Data::Text(_) => None,
        }
    }

    /// An event whose data is not JSON.
    pub(crate) fn text(data: &'static str) -> Event {
        Event { name: None, data: Data::Text(data) }
    }
}

/// How events are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct EventStyle {
    pub(crate) line_end: LineEnd,
    /// Whether a comment comes before each event.
    pub(crate) comments: bool,
    /// Whether data is spread over lines.
    pub(crate) split_data: bool,
}

impl EventStyle {
    pub(crate) fn encode(self, event: &Event) -> Vec<u8> {
        let end = self.line_end.text();
        let mut text = String::new();
        if self.comments {
            // With an empty line after it, as proxies send it: it ends an event that has no data, which is none.
            text.extend([": keep-alive", end, end]);
        }
        if let Some(name) = event.name {
            text.extend(["event: ", name, end]);
        }
        match &event.data {
            Data::Text(data) => text.extend(["data: ", data, end]),
            Data::Json(data) if self.split_data => {
                for line in lines(&data.to_string()) {
                    text.extend(["data: ", line, end]);
                }
            }
            Data::Json(data) => text.extend(["data: ", &data.to_string(), end]),
        }
        text.push_str(end);
        text.into_bytes()
    }
}

/// Cuts a JSON text where a line end is whitespace: a client puts one between the lines.
fn lines(json: &str) -> Vec<&str> {
    let mut in_string = false;
    let mut is_escaped = false;
    json.split_inclusive(|c| {
        let cuts = !in_string && matches!(c, '{' | '[' | ',');
        if c == '"' && !is_escaped {
            in_string = !in_string;
        }
        is_escaped = in_string && c == '\\' && !is_escaped;
        cuts
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn events_are_lines_and_an_empty_one() {
        let style = EventStyle::default();
        assert_eq!(style.encode(&Event::named("ping", json!({"a": 1}))), b"event: ping\ndata: {\"a\":1}\n\n");
        let style = EventStyle { line_end: LineEnd::CrLf, comments: true, split_data: true };
        assert_eq!(
            style.encode(&Event::unnamed(json!({"a": "{,\\\",", "b": [1, 2]}))),
            b": keep-alive\r\n\r\ndata: {\r\ndata: \"a\":\"{,\\\\\\\",\",\r\ndata: \"b\":[\r\ndata: 1,\r\ndata: 2]}\r\n\r\n"
        );
        assert_eq!(style.encode(&Event::text("[DONE]")), b": keep-alive\r\n\r\ndata: [DONE]\r\n\r\n");
    }
}
