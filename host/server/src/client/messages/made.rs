//! Finds what the gateway made for answers of other formats. Anthropic refuses it, so a request with it is written anew.

use serde_json::Value;

use crate::client::messages::{citations, signature};

/// Whether a body has something that this gateway made: reasoning without Anthropic's signature, or a citation
/// without its proof.
pub(crate) fn is_in(body: &Value) -> bool {
    items(body, "messages").flat_map(|message| items(message, "content")).any(|block| {
        let is_thinking = block.get("type").is_some_and(|kind| kind == "thinking");
        (is_thinking && signature::is_made(block.get("signature"))) || items(block, "citations").any(citations::is_made)
    })
}

fn items<'a>(value: &'a Value, field: &str) -> impl Iterator<Item = &'a Value> {
    value.get(field).and_then(Value::as_array).into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_the_gateway_made() {
        let has_made = |block| is_in(&json!({"messages": [{"role": "assistant", "content": [block]}]}));
        assert!(has_made(json!({"type": "thinking", "thinking": "Hm.", "signature": ""})));
        assert!(has_made(json!({"type": "text", "text": "x", "citations": [{"url": "u", "encrypted_index": ""}]})));
        assert!(!has_made(json!({"type": "thinking", "thinking": "Hm.", "signature": "c2ln"})));
        assert!(!has_made(json!({"type": "text", "text": "x", "citations": [{"url": "u", "encrypted_index": "p"}]})));
        assert!(!has_made(json!({"type": "text", "text": "x", "citations": null})));
        assert!(!is_in(&json!({"messages": "none"})) && !is_in(&json!({"messages": [{"content": "Hi"}]})));
    }
}
