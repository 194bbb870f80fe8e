//! The format.

use arcllm::{Event, Message, Request, Response, Usage, WireFormat};
use bytes::Bytes;
use http::HeaderMap;
use serde_json::{Value, json};

use crate::{
    client::{Asked, CallForms, ClientFormat, EventWriter, Heading},
    problem::Problem,
};

/// OpenAI Chat Completions.
pub(crate) struct ChatCompletions;

impl ClientFormat for ChatCompletions {
    fn wire(&self) -> WireFormat {
        WireFormat::OpenAi
    }

    fn read(&self, _headers: &HeaderMap, body: &Bytes) -> Result<Asked, Problem> {
        let body: Value =
            serde_json::from_slice(body).map_err(|error| Problem::bad_field("body", error.to_string()))?;
        let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
        let messages = body.get("messages").and_then(Value::as_array).into_iter().flatten();
        let messages: Vec<_> = messages.map(|message| Message::user(text(message.get("content")))).collect();
        Ok(Asked {
            model: text(body.get("model")),
            streamed: body.get("stream") == Some(&Value::Bool(true)),
            wants_usage: body.pointer("/stream_options/include_usage") == Some(&Value::Bool(true)),
            request: Request::new(messages),
            headers: Vec::new(),
            forwardable: true,
            only_own_format: None,
            call_forms: CallForms::default(),
            echo: Value::Null,
        })
    }

    fn answer(&self, heading: &Heading, response: &Response) -> Vec<u8> {
        let message = json!({"role": "assistant", "content": response.text()});
        let choice = json!({"index": 0, "message": message, "finish_reason": "stop"});
        let body = json!({
            "id": format!("chatcmpl-{}", heading.id),
            "object": "chat.completion",
            "created": heading.created,
            "model": heading.model,
            "choices": [choice],
            "usage": usage(&response.usage),
        });
        body.to_string().into_bytes()
    }

    fn events(&self, heading: Heading) -> Box<dyn EventWriter> {
        Box::new(Chunks { heading })
    }

    fn error(&self, problem: &Problem) -> Vec<u8> {
        error(problem).to_string().into_bytes()
    }
}

fn error(problem: &Problem) -> Value {
    json!({"error": {"message": problem.message, "type": "server_error", "param": problem.param, "code": null}})
}

fn usage(usage: &Usage) -> Value {
    json!({
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.total_tokens,
    })
}

/// Writes the chunks of a streamed answer.
struct Chunks {
    heading: Heading,
}

impl Chunks {
    fn chunk(&self, choices: &Value, usage: &Value, out: &mut Vec<u8>) {
        let chunk = json!({
            "id": format!("chatcmpl-{}", self.heading.id),
            "object": "chat.completion.chunk",
            "created": self.heading.created,
            "model": self.heading.model,
            "choices": choices,
            "usage": usage,
        });
        out.extend_from_slice(format!("data: {chunk}\n\n").as_bytes());
    }
}

impl EventWriter for Chunks {
    fn begin(&mut self, out: &mut Vec<u8>) {
        let delta = json!({"role": "assistant", "content": ""});
        self.chunk(&json!([{"index": 0, "delta": delta, "finish_reason": null}]), &Value::Null, out);
    }

    fn event(&mut self, event: &Event, out: &mut Vec<u8>) {
        match event {
            Event::Text(piece) => {
                let choice = json!([{"index": 0, "delta": {"content": piece}, "finish_reason": null}]);
                self.chunk(&choice, &Value::Null, out);
            }
            Event::End(response) => {
                let choice = json!([{"index": 0, "delta": {}, "finish_reason": "stop"}]);
                self.chunk(&choice, &Value::Null, out);
                if self.heading.wants_usage {
                    self.chunk(&json!([]), &usage(&response.usage), out);
                }
                out.extend_from_slice(b"data: [DONE]\n\n");
            }
            _ => {}
        }
    }

    fn fail(&mut self, problem: &Problem, out: &mut Vec<u8>) {
        out.extend_from_slice(format!("data: {}\n\n", error(problem)).as_bytes());
    }

    fn keep_alive(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(b": keep-alive\n\n");
    }
}
