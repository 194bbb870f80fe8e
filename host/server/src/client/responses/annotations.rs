//! Citations. What an answer cites from the web has a counterpart in this format.

use arcllm::{Extensions, Text};
use serde_json::{Value, json};

use crate::client::responses::extensions::extension;

/// The annotations of a text.
pub(crate) fn of_text(text: &Text) -> Vec<Value> {
    let own = list(&text.extensions, &extension("annotations"));
    let cited = list(&text.extensions, "anthropic.citations").filter_map(|citation| of_citation(citation, &text.text));
    own.cloned().chain(cited).chain(list(&text.extensions, "openai.annotations").map(flat)).collect()
}

/// The annotations that OpenAI Chat Completions has at the message.
pub(crate) fn of_answer(extensions: &Extensions) -> Vec<Value> {
    list(extensions, "openai.message.annotations").map(flat).collect()
}

fn list<'a>(extensions: &'a Extensions, key: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
    extensions.get(key).and_then(Value::as_array).into_iter().flatten()
}

/// A citation of Anthropic's format, if it names a page. It stands for the whole text.
fn of_citation(citation: &Value, text: &str) -> Option<Value> {
    let url = citation.get("url")?.as_str()?;
    let title = citation.get("title").and_then(Value::as_str).unwrap_or_default();
    let end = text.chars().count();
    Some(json!({"type": "url_citation", "url": url, "title": title, "start_index": 0, "end_index": end}))
}

/// An annotation of OpenAI Chat Completions, which has its fields in an object of their own.
fn flat(annotation: &Value) -> Value {
    let kind = annotation.get("type").and_then(Value::as_str).unwrap_or_default();
    let Some(inner) = annotation.get(kind).and_then(Value::as_object) else { return annotation.clone() };
    let mut fields = inner.clone();
    fields.insert("type".to_owned(), kind.into());
    fields.into()
}
