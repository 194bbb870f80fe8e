//! Signatures of reasoning. Clients send them back with the text, unchanged.

use std::borrow::Cow;

use arcllm::Thinking;
use serde_json::Value;

/// What begins a signature that the gateway wrote. The block of reasoning follows as JSON, without its text: what a provider of
/// OpenAI Responses needs to read its own reasoning.
const OURS: &str = "arcllm:";

/// The signature for this block, empty if it has none.
pub(crate) fn of(thinking: &Thinking) -> Cow<'_, str> {
    let Some(signature) = &thinking.signature else { return Cow::Borrowed("") };
    if !thinking.extensions.keys().any(|key| key.starts_with("openai.")) {
        return Cow::Borrowed(signature);
    }
    let mut without_text = thinking.clone();
    without_text.text.clear();
    format!("{OURS}{}", serde_json::to_string(&without_text).unwrap_or_default()).into()
}

/// The block with this text and signature.
pub(crate) fn read(text: String, signature: Option<String>) -> Thinking {
    let signature = signature.filter(|signature| !signature.is_empty());
    let mut thinking = match signature.as_deref().and_then(|signature| signature.strip_prefix(OURS)) {
        Some(json) => serde_json::from_str(json).unwrap_or_else(|_| Thinking::new("")),
        None => {
            let mut thinking = Thinking::new("");
            thinking.signature = signature;
            thinking
        }
    };
    thinking.text = text;
    thinking
}

/// Whether the gateway wrote this signature, or would have to.
pub(crate) fn is_made(signature: Option<&Value>) -> bool {
    let signature = signature.and_then(Value::as_str).unwrap_or_default();
    signature.is_empty() || signature.starts_with(OURS)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let mut thinking = Thinking::new("Hm.");
        for signature in [None, Some("c2ln".to_owned())] {
            thinking.signature = signature;
            for key in ["", "anthropic.x", "openai.responses.id"] {
                thinking.extensions.clear();
                if !key.is_empty() {
                    thinking.extensions.insert(key.to_owned(), json!("rs_1"));
                }
                let written = of(&thinking).into_owned();
                let read = read("Hm.".to_owned(), Some(written.clone()));
                assert_eq!((&read.text, &read.signature), (&thinking.text, &thinking.signature));
                let is_sealed = written.starts_with(OURS);
                assert_eq!(is_sealed, thinking.signature.is_some() && key.starts_with("openai."));
                assert!(!is_sealed || read == thinking);
                assert_eq!(is_made(Some(&json!(written))), is_sealed || thinking.signature.is_none());
            }
        }
        assert_eq!(read("Hm.".to_owned(), Some("arcllm:broken".to_owned())), Thinking::new("Hm."));
        assert!(is_made(None) && is_made(Some(&json!(7))));
    }
}
