//! What a whole answer and a streamed one have in common: the parts of the choice, and the usage.

use arcllm::{ContentBlock, Extensions, Response, StopReason, Text, ToolCall};
use serde_json::{Map, Value, json};

use crate::client::{
    chat_completions::messages::{DETAILS, INPUT, SIGNED_BY},
    client::CallForms,
    refusal::is_refusal,
};

/// The field with the reasoning of a message.
pub(crate) const REASONING: &str = "reasoning_content";

/// The fields of a provider's message or delta that have its reasoning. OpenRouter and others have the second one.
pub(crate) fn reasoning_fields(of: &Value) -> Vec<&'static str> {
    [REASONING, "reasoning"].into_iter().filter(|name| of.get(name).is_some_and(Value::is_string)).collect()
}

/// What begins the extensions that are fields of the message of an OpenAI provider.
const OF_MESSAGE: &str = "openai.message.";

/// Why the answer ended. Some clients refuse a word that they do not know.
pub(crate) fn finish_reason(response: &Response, forms: &CallForms) -> &'static str {
    match response.stop_reason {
        StopReason::MaxTokens => "length",
        StopReason::ToolUse if forms.older => "function_call",
        StopReason::ToolUse => "tool_calls",
        StopReason::ContentFilter => "content_filter",
        // In Anthropic's format a classifier has stopped the answer. In OpenAI's the model has said no.
        StopReason::Refusal if is_anthropics(response) => "content_filter",
        _ => "stop",
    }
}

/// The provider's own word for the end, in OpenRouter's field, where this format has none for it.
pub(crate) fn native_finish_reason(response: &Response) -> Option<&str> {
    match &response.stop_reason {
        reason @ (StopReason::Other(_) | StopReason::PauseTurn) => Some(reason.as_str()),
        _ => None,
    }
}

/// The texts of the answer, apart from those of a refusal, and those of the refusal.
pub(crate) fn said(response: &Response) -> (Vec<&str>, Vec<&str>) {
    let texts = response.content.iter().filter_map(|block| match block {
        ContentBlock::Text(text) if !text.text.is_empty() => Some(text),
        _ => None,
    });
    let (refusal, said): (Vec<&Text>, Vec<&Text>) = texts.partition(|text| is_refusal(text));
    let is_refusal = response.stop_reason == StopReason::Refusal && !is_anthropics(response);
    match is_refusal && refusal.is_empty() {
        true => (Vec::new(), words(said)),
        false => (words(said), words(refusal)),
    }
}

fn words(texts: Vec<&Text>) -> Vec<&str> {
    texts.into_iter().map(|text| text.text.as_str()).collect()
}

/// The texts of the reasoning.
pub(crate) fn reasoning(response: &Response) -> impl Iterator<Item = &str> {
    response.content.iter().filter_map(|block| match block {
        ContentBlock::Thinking(thinking) => Some(thinking.text.as_str()).filter(|text| !text.is_empty()),
        _ => None,
    })
}

/// The tool calls. One that was cut has its arguments as far as they came.
pub(crate) fn calls(response: &Response, forms: &CallForms) -> Vec<Value> {
    let calls = response.content.iter().filter_map(|block| match block {
        ContentBlock::ToolUse(call) => Some(whole_call(call, forms)),
        ContentBlock::Other(partial) if partial.get("type")? == "partial_tool_use" => {
            let field = |name: &str| partial.get(name).cloned().unwrap_or_default();
            let function = json!({"name": field("name"), "arguments": field("arguments")});
            Some(json!({"id": field("id"), "type": "function", "function": function}))
        }
        _ => None,
    });
    calls.collect()
}

fn whole_call(call: &ToolCall, forms: &CallForms) -> Value {
    let mut json = Map::from_iter([("id".to_owned(), call.id.as_str().into())]);
    match custom_input(call, forms) {
        Some(input) => {
            let mut custom = Map::from_iter([("name".to_owned(), call.name.as_str().into())]);
            custom.insert(INPUT.to_owned(), input.into());
            custom.extend(custom_fields(call));
            json.insert("type".to_owned(), "custom".into());
            json.insert("custom".to_owned(), custom.into());
        }
        None => {
            let mut function = Map::from_iter([("name".to_owned(), call.name.as_str().into())]);
            function.insert("arguments".to_owned(), arguments(call).into());
            function.extend(function_fields(call));
            json.insert("type".to_owned(), "function".into());
            json.insert("function".to_owned(), function.into());
        }
    }
    json.extend(further_fields(call));
    json.into()
}

/// The fields of a call that only its provider knows.
pub(crate) fn further_fields(call: &ToolCall) -> impl Iterator<Item = (String, Value)> {
    let fields = fields(&call.extensions, "openai.");
    fields.filter(|(name, _)| !name.starts_with("function.") && name != "custom")
}

/// Those of its `function`.
pub(crate) fn function_fields(call: &ToolCall) -> impl Iterator<Item = (String, Value)> {
    fields(&call.extensions, "openai.function.")
}

/// Those of its `custom`.
pub(crate) fn custom_fields(call: &ToolCall) -> impl Iterator<Item = (String, Value)> {
    call.extensions.get("openai.custom").and_then(Value::as_object).cloned().into_iter().flatten()
}

/// The arguments as a text.
pub(crate) fn arguments(call: &ToolCall) -> String {
    Value::Object(call.arguments.clone()).to_string()
}

/// The text that a custom tool is called with.
pub(crate) fn custom_input<'a>(call: &'a ToolCall, forms: &CallForms) -> Option<&'a str> {
    let is_custom = call.extensions.contains_key("openai.custom") || forms.is_custom(&call.name);
    call.arguments.get(INPUT).filter(|_| is_custom && call.arguments.len() == 1)?.as_str()
}

/// The extensions that begin with this, without it. Those of another API of OpenAI mean nothing here.
fn fields(extensions: &Extensions, before: &str) -> impl Iterator<Item = (String, Value)> {
    let fields = extensions.iter().filter_map(move |(key, value)| Some((key.strip_prefix(before)?, value)));
    let own = fields.filter(|(name, _)| !name.starts_with("responses."));
    own.map(|(name, value)| (name.to_owned(), value.clone()))
}

/// The fields of the message beside its texts and its calls. A stream has them at its end.
pub(crate) fn further(response: &Response) -> Map<String, Value> {
    let mut message = Map::new();
    let (_, refusal) = said(response);
    if !refusal.is_empty() {
        message.insert("refusal".to_owned(), refusal.concat().into());
    }
    let details = details(response);
    if !details.is_empty() {
        message.insert(DETAILS.to_owned(), details.into());
    }
    let annotations = annotations(response);
    if !annotations.is_empty() {
        message.insert("annotations".to_owned(), annotations.into());
    }
    let own: Map<String, Value> = fields(&response.extensions, OF_MESSAGE).collect();
    let has_own_call = response.tool_calls().any(|call| further_fields(call).next().is_some());
    if (has_own_call || !own.is_empty()) && !response.provider.is_empty() {
        // Another provider may refuse these fields when the message comes back.
        message.insert(SIGNED_BY.to_owned(), response.provider.as_str().into());
    }
    message.extend(own);
    message
}

/// Reasoning that its provider has signed, in OpenRouter's form, with the name of the provider.
fn details(response: &Response) -> Vec<Value> {
    let thinking = response.content.iter().filter_map(|block| match block {
        ContentBlock::Thinking(thinking) => Some(thinking),
        _ => None,
    });
    let signed = thinking.filter(|thinking| thinking.signature.is_some() || thinking.redacted.is_some());
    let details = signed.enumerate().map(|(index, thinking)| {
        let provider = thinking.provider.as_deref().unwrap_or(&response.provider);
        match &thinking.redacted {
            Some(data) => json!({"type": "reasoning.encrypted", "index": index, "data": data, SIGNED_BY: provider}),
            None => json!({
                "type": "reasoning.text",
                "index": index,
                "text": thinking.text,
                "signature": thinking.signature,
                SIGNED_BY: provider,
            }),
        }
    });
    details.collect()
}

/// Citations of web pages, as annotations of this format.
fn annotations(response: &Response) -> Vec<Value> {
    let mut annotations = Vec::new();
    let mut start = 0;
    let texts = response.content.iter().filter_map(|block| match block {
        ContentBlock::Text(text) if !is_refusal(text) => Some(text),
        _ => None,
    });
    for text in texts {
        let end = start + text.text.chars().count();
        let cited = cited(text, "anthropic.citations").map(|citation| annotation(citation, start, end));
        // OpenAI Responses counts from the beginning of the text.
        let annotated = cited_in_place(text).map(|(citation, from, to)| annotation(citation, start + from, start + to));
        annotations.extend(cited.chain(annotated));
        start = end;
    }
    annotations
}

fn annotation(citation: &Value, start: usize, end: usize) -> Value {
    let title = citation.get("title").and_then(Value::as_str).unwrap_or_default();
    let citation = json!({"start_index": start, "end_index": end, "url": citation.get("url"), "title": title});
    json!({"type": "url_citation", "url_citation": citation})
}

/// What a text cites that has an address.
fn cited<'a>(text: &'a Text, key: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
    let citations = text.extensions.get(key).and_then(Value::as_array);
    citations.into_iter().flatten().filter(|citation| citation.get("url").is_some_and(Value::is_string))
}

/// What a text of OpenAI Responses cites, each with its place.
fn cited_in_place(text: &Text) -> impl Iterator<Item = (&Value, usize, usize)> {
    cited(text, "openai.responses.annotations").filter_map(|citation| {
        let index = |name: &str| citation.get(name)?.as_u64()?.try_into().ok();
        let (from, to): (usize, usize) = (index("start_index")?, index("end_index")?);
        let end = text.text.chars().count();
        (from <= to && to <= end).then_some((citation, from, to))
    })
}

/// Whether a provider of Anthropic's format has answered. It counts cached tokens apart from the others.
fn is_anthropics(response: &Response) -> bool {
    response.extensions.keys().chain(response.usage.extensions.keys()).any(|key| key.starts_with("anthropic."))
}

/// The counts of tokens.
pub(crate) fn usage(response: &Response) -> Value {
    let usage = &response.usage;
    let (read, written) = (usage.cache_read_tokens, usage.cache_write_tokens);
    let apart = if is_anthropics(response) { read.unwrap_or(0).saturating_add(written.unwrap_or(0)) } else { 0 };
    let prompt = usage.input_tokens.saturating_add(apart);
    let total = prompt.saturating_add(usage.output_tokens).max(usage.total_tokens);
    let mut json = Map::from_iter([
        ("prompt_tokens".to_owned(), prompt.into()),
        ("completion_tokens".to_owned(), usage.output_tokens.into()),
        ("total_tokens".to_owned(), total.into()),
    ]);
    let counts = |counts: [(&str, Option<u64>); 2]| -> Map<String, Value> {
        counts.into_iter().filter_map(|(name, count)| Some((name.to_owned(), count?.into()))).collect()
    };
    let details = [
        ("prompt_tokens_details", counts([("cached_tokens", read), ("cache_write_tokens", written)])),
        ("completion_tokens_details", counts([("reasoning_tokens", usage.reasoning_tokens), ("", None)])),
    ];
    for (name, details) in details {
        if !details.is_empty() {
            json.insert(name.to_owned(), details.into());
        }
    }
    json.extend(fields(&usage.extensions, "openai."));
    json.into()
}
