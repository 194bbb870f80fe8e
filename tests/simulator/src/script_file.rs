//! Scripts as TOML: the keys and their meaning.

use std::collections::BTreeMap;
use std::time::Duration;

use arcllm_wording::{Format, Mistake};
use serde::Deserialize;
use toml::Spanned;

use crate::answer::{Answer, ToolCall, Usage};
use crate::error::Error;
use crate::event::{EventStyle, LineEnd};
use crate::event_stream::Piece;
use crate::fault::Fault;
use crate::pieces::Pieces;
use crate::place::Place;
use crate::reply::{Content, Reply};
use crate::script::{Script, Then};
use crate::streaming::Streaming;
use crate::toml_json::to_json;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ScriptTable {
    #[serde(default)]
    then: Then,
    #[serde(default)]
    refuse: bool,
    #[serde(default, rename = "reply")]
    replies: Vec<Spanned<ReplyTable>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReplyTable {
    status: Option<u16>,
    #[serde(default)]
    headers: BTreeMap<String, HeaderValues>,
    #[serde(alias = "error")]
    message: Option<String>,
    text: Option<String>,
    thinking: Option<String>,
    signature: Option<String>,
    #[serde(default)]
    tool_calls: Vec<ToolCallTable>,
    stop_reason: Option<String>,
    usage: Option<Usage>,
    model: Option<String>,
    body: Option<String>,
    content_type: Option<String>,
    body_json: Option<toml::Value>,
    delay_seconds: Option<f64>,
    body_delay_seconds: Option<f64>,
    times: Option<u32>,
    fault: Option<Fault>,
    fault_at: Option<Place>,
    events: Option<Vec<String>>,
    stream: Option<bool>,
    pace_seconds: Option<f64>,
    pieces: Option<usize>,
    piece_bytes: Option<usize>,
    #[serde(default)]
    line_end: LineEnd,
    #[serde(default)]
    comments: bool,
    #[serde(default)]
    split_data: bool,
    #[serde(default)]
    pings: bool,
    #[serde(default)]
    unknown_events: bool,
    #[serde(default)]
    coalesced: bool,
    #[serde(default)]
    gzip: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ToolCallTable {
    id: Option<String>,
    name: String,
    arguments: Option<toml::Value>,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "a header's value must be a string or a list of strings")]
enum HeaderValues {
    One(String),
    Several(Vec<String>),
}

/// Parses a script. Errors call it `file`.
pub(crate) fn parse(text: &str, file: &str) -> Result<Script, Error> {
    let table = read(text).map_err(|(line, mistake)| Error::Syntax { file: file.to_owned(), line, mistake })?;
    if table.refuse && !table.replies.is_empty() {
        let message = "`refuse = true` lets no request in, so no `[[reply]]` is ever used: keep one of the two";
        return Err(Error::Invalid { place: file.to_owned(), message: message.to_owned() });
    }
    let replies = table.replies.into_iter().zip(1_u32..).map(|(reply, count)| {
        let line = line_of(text, reply.span().start);
        reply
            .into_inner()
            .into_reply()
            .map_err(|message| Error::Invalid { place: format!("{file}:{line}: reply {count}"), message })
    });
    Ok(Script { replies: replies.collect::<Result<_, _>>()?, then: table.then, refuse: table.refuse })
}

/// Reads the tables of a script. A mistake comes with its line.
fn read(text: &str) -> Result<ScriptTable, (usize, String)> {
    let place = |error: &toml::de::Error| line_of(text, error.span().map_or(0, |span| span.start));
    let syntax = |error: toml::de::Error| match (error.message(), error.span().and_then(|span| text.get(span))) {
        ("duplicate key", Some(key)) => {
            (place(&error), format!("sets `{key}` a second time\n  help: keep one of the two"))
        }
        (message, _) => (place(&error), format!("is not TOML: {message}")),
    };
    let toml = toml::Deserializer::parse(text).map_err(syntax)?;
    serde_path_to_error::deserialize(toml).map_err(|error| {
        let (path, error) = (error.path().to_string(), error.into_inner());
        (place(&error), Mistake::of(error.message(), Format::Toml).at(&path).to_string())
    })
}

fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|&byte| byte == b'\n').count() + 1
}

impl ReplyTable {
    fn into_reply(mut self) -> Result<Reply, String> {
        let mut headers = Vec::new();
        for (name, values) in std::mem::take(&mut self.headers) {
            headers.push(match values {
                HeaderValues::One(value) => (name, vec![value]),
                HeaderValues::Several(values) => (name, values),
            });
        }
        let reply = Reply {
            status: self.status,
            headers,
            delay: duration("delay_seconds", self.delay_seconds)?,
            body_delay: duration("body_delay_seconds", self.body_delay_seconds)?,
            times: self.times.unwrap_or(1),
            fault: self.fault,
            fault_at: self.fault_at,
            streaming: self.streaming()?,
            content: self.into_content()?,
        };
        reply.check()?;
        Ok(reply)
    }

    /// The one kind of content that the keys ask for.
    fn into_content(self) -> Result<Content, String> {
        let kinds = [
            ("message", self.message.is_some()),
            ("body", self.body.is_some()),
            ("body_json", self.body_json.is_some()),
            ("events", self.events.is_some()),
            (self.answer_key().unwrap_or("text"), self.answer_key().is_some()),
        ];
        let mut asked = kinds.into_iter().filter(|(_, asked)| *asked).map(|(key, _)| key);
        if let (Some(first), Some(second)) = (asked.next(), asked.next()) {
            return Err(format!("`{first}` and `{second}` both say what the body is: keep one of them"));
        }
        if self.content_type.is_some() && self.body.is_none() {
            return Err(
                "`content_type` goes with `body`, which is missing: add it, or set the type in `headers`".to_owned()
            );
        }
        if let Some(message) = self.message {
            Ok(Content::Error(message))
        } else if let Some(body) = self.body {
            let content_type = self.content_type.unwrap_or_else(|| "text/plain; charset=utf-8".to_owned());
            Ok(Content::Body { content_type, bytes: body.into_bytes() })
        } else if let Some(body) = self.body_json {
            let bytes = to_json("body_json", body)?.to_string().into_bytes();
            Ok(Content::Body { content_type: "application/json".to_owned(), bytes })
        } else if let Some(events) = self.events {
            let pieces = events.into_iter().map(|event| Piece::unpaced(event.into_bytes(), 1));
            Ok(Content::Stream(pieces.collect()))
        } else if self.answer_key().is_some() {
            self.into_answer().map(Content::Answer)
        } else {
            Ok(Content::Usual)
        }
    }

    fn streaming(&self) -> Result<Streaming, String> {
        let pieces = match (self.pieces, self.piece_bytes) {
            (None, None) => Pieces::Words,
            (Some(count), None) => Pieces::Count(count),
            (None, Some(bytes)) => Pieces::Bytes(bytes),
            (Some(_), Some(_)) => {
                return Err("`pieces` and `piece_bytes` both say how texts are cut: keep one of them".to_owned());
            }
        };
        Ok(Streaming {
            is_streamed: self.stream,
            pace: duration("pace_seconds", self.pace_seconds)?,
            pieces,
            style: EventStyle { line_end: self.line_end, comments: self.comments, split_data: self.split_data },
            pings: self.pings,
            unknown_events: self.unknown_events,
            coalesced: self.coalesced,
            gzip: self.gzip,
        })
    }

    /// The first key that only a good answer has.
    fn answer_key(&self) -> Option<&'static str> {
        let keys = [
            ("text", self.text.is_some()),
            ("thinking", self.thinking.is_some()),
            ("signature", self.signature.is_some()),
            ("tool_calls", !self.tool_calls.is_empty()),
            ("stop_reason", self.stop_reason.is_some()),
            ("usage", self.usage.is_some()),
            ("model", self.model.is_some()),
        ];
        keys.into_iter().find(|(_, given)| *given).map(|(key, _)| key)
    }

    fn into_answer(self) -> Result<Answer, String> {
        if self.signature.is_some() && self.thinking.is_none() {
            return Err("`signature` signs `thinking`, which is missing: add it".to_owned());
        }
        let tool_calls = self.tool_calls.into_iter().map(|call| {
            let arguments = call.arguments.unwrap_or_else(|| toml::Value::Table(toml::Table::new()));
            let arguments = to_json("tool_calls.arguments", arguments)?;
            Ok(ToolCall { id: call.id, name: call.name, arguments })
        });
        Ok(Answer {
            tool_calls: tool_calls.collect::<Result<_, String>>()?,
            text: self.text,
            thinking: self.thinking,
            signature: self.signature,
            stop_reason: self.stop_reason,
            usage: self.usage,
            model: self.model,
        })
    }
}

fn duration(key: &str, seconds: Option<f64>) -> Result<Duration, String> {
    let seconds = seconds.unwrap_or(0.0);
    Duration::try_from_secs_f64(seconds)
        .map_err(|_| format!("`{key}` is {seconds}: give a number of seconds, 0 or more"))
}
