//! The parts of a message, whole.

use std::borrow::Cow;

use arcllm::{Response, StopReason, Text};
use serde_json::Value;

use crate::client::{
    refusal::is_refusal,
    responses::{annotations, extensions::extension, items::Part, usage::is_anthropics},
};

/// What a refusal says that came without words.
const NO_WORDS: &str = "The model refused to answer.";

/// A text as a part.
pub(crate) fn part(text: &Text) -> Part<'_> {
    match is_refusal(text) {
        true => Part::Refusal { refusal: text.text.as_str().into() },
        false => said(text, text.text.as_str().into()),
    }
}

/// A text that is no refusal, with these words.
pub(crate) fn said<'a>(text: &Text, words: Cow<'a, str>) -> Part<'a> {
    let logprobs = text.extensions.get(&extension("logprobs")).and_then(Value::as_array);
    let logprobs = logprobs.cloned().unwrap_or_default();
    Part::OutputText { text: words, annotations: annotations::of_text(text), logprobs }
}

/// Whether the model refused.
pub(crate) fn refuses(response: &Response) -> bool {
    response.stop_reason == StopReason::Refusal
}

/// The words of a refusal, and whether they are all that the model said. Anthropic's format has no words for it: what stands
/// before it is a part of an answer.
pub(crate) fn refusal<'a>(response: &Response, said: Cow<'a, str>) -> (Cow<'a, str>, bool) {
    match said.is_empty() || is_anthropics(response) {
        true => (NO_WORDS.into(), false),
        false => (said, true),
    }
}
