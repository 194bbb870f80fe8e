//! Writes whole answers.

use std::fmt;

use arcllm::Response;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use crate::client::{chat_completions::choice, client::Heading};

#[derive(Serialize)]
struct Completion<'a> {
    id: String,
    object: &'static str,
    created: u64,
    model: &'a str,
    choices: [Choice<'a>; 1],
    usage: Value,
}

#[derive(Serialize)]
struct Choice<'a> {
    index: u32,
    message: Message<'a>,
    logprobs: (),
    finish_reason: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    native_finish_reason: Option<&'a str>,
}

#[derive(Serialize)]
struct Message<'a> {
    role: &'static str,
    content: Option<Texts<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_content: Option<Texts<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    function_call: Option<Value>,
    #[serde(flatten)]
    further: Map<String, Value>,
}

/// One text in several pieces.
struct Texts<'a>(Vec<&'a str>);

impl fmt::Display for Texts<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|text| formatter.write_str(text))
    }
}

impl Serialize for Texts<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.as_slice() {
            [text] => serializer.serialize_str(text),
            _ => serializer.collect_str(self),
        }
    }
}

/// The JSON of a whole answer.
pub(crate) fn write(heading: &Heading, response: &Response) -> Vec<u8> {
    let completion = Completion {
        id: format!("chatcmpl-{}", heading.id),
        object: "chat.completion",
        created: heading.created,
        model: &heading.model,
        choices: [choice(heading, response)],
        usage: choice::usage(response),
    };
    let mut out = Vec::new();
    write_json(&completion, &mut out);
    out
}

fn choice<'a>(heading: &Heading, response: &'a Response) -> Choice<'a> {
    let mut calls = choice::calls(response, &heading.call_forms);
    let mut function_call = None;
    if heading.call_forms.older {
        function_call = calls.first_mut().and_then(|call| call.get_mut("function")).map(Value::take);
        calls.clear();
    }
    let has_calls = !calls.is_empty() || function_call.is_some();
    let (texts, refusal) = choice::said(response);
    let reasoning: Vec<_> = choice::reasoning(response).collect();
    let is_silent = has_calls || !refusal.is_empty();
    let mut further = choice::further(response);
    further.entry("refusal").or_insert(Value::Null);
    let message = Message {
        role: "assistant",
        content: Some(Texts(texts)).filter(|texts| !texts.0.is_empty() || !is_silent),
        reasoning_content: Some(Texts(reasoning)).filter(|texts| !texts.0.is_empty()),
        tool_calls: calls,
        function_call,
        further,
    };
    Choice {
        index: 0,
        message,
        logprobs: (),
        finish_reason: choice::finish_reason(response, &heading.call_forms),
        native_finish_reason: choice::native_finish_reason(response),
    }
}

/// Writes JSON. Nothing that is written here can fail.
pub(crate) fn write_json(value: &(impl Serialize + ?Sized), out: &mut Vec<u8>) {
    if let Err(error) = serde_json::to_writer(&mut *out, value) {
        tracing::error!(target: "arcllm::serve", %error, "an answer cannot be written as JSON");
    }
}

#[cfg(test)]
mod tests;
