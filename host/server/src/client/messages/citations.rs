//! Citations: OpenAI's annotations of a message as citations of a text.

use arcllm::{Extensions, Response, Text};
use serde_json::{Value, json};

/// The extension of an answer with the annotations of OpenAI Chat Completions.
const OF_ANSWER: &str = "openai.message.annotations";

/// The extension of a text with those of OpenAI Responses.
const OF_TEXT: &str = "openai.responses.annotations";

/// The annotations of the answer as citations. A page of the web is the one kind that both formats have.
pub(crate) fn of_annotations(response: &Response) -> Vec<Value> {
    read(&response.extensions, OF_ANSWER)
}

/// The annotations of a text.
pub(crate) fn of_text(text: &Text) -> Vec<Value> {
    read(&text.extensions, OF_TEXT)
}

fn read(extensions: &Extensions, key: &str) -> Vec<Value> {
    extensions.get(key).and_then(Value::as_array).into_iter().flatten().filter_map(citation).collect()
}

/// The proof of the search that Anthropic wants back is empty: no search of its own has found the page.
fn citation(annotation: &Value) -> Option<Value> {
    let page = annotation.get("url_citation").unwrap_or(annotation);
    Some(json!({
        "type": "web_search_result_location",
        "url": page.get("url")?,
        "title": page.get("title"),
        "encrypted_index": "",
        "cited_text": "",
    }))
}

/// Takes out the citations that [`of_annotations`] has made. A provider cannot verify them.
pub(crate) fn without_made(citations: &mut Value) {
    if let Some(citations) = citations.as_array_mut() {
        citations.retain(|citation| !is_made(citation));
    }
}

/// Whether [`of_annotations`] has made this citation.
pub(crate) fn is_made(citation: &Value) -> bool {
    citation.get("encrypted_index").is_some_and(|index| index == "")
}
