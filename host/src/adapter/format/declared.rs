//! Whether a client knows the tools that a provider of its format is sent.
//!
//! A model calls a tool by the name and the kind that it was told. If these are not the client's own, the client cannot use the
//! provider's answer as it comes.

use std::collections::HashSet;

use serde_json::Value;

use crate::{
    adapter::format::{foreign, splice::field},
    chat::wire_format::WireFormat,
};

/// A tool that the client runs: its kind, its namespace and its name.
type Callable = (String, String, String);

/// Whether a client that has written this body knows all tools of another body of its format, by their names and their kinds.
pub(crate) fn knows_tools(format: WireFormat, clients: &[u8], sent: &[u8]) -> bool {
    match format {
        // Its tools are always of one kind, and keep their names.
        WireFormat::Anthropic => true,
        WireFormat::OpenAi | WireFormat::OpenAiResponses => {
            let sent = callable(sent);
            sent.is_empty() || sent.is_subset(&callable(clients))
        }
    }
}

/// The tools of a body that the client runs.
fn callable(body: &[u8]) -> HashSet<Callable> {
    let tools = field(body, "tools").and_then(|tools| serde_json::from_slice(tools).ok());
    let mut callable = HashSet::new();
    add(tools.as_ref(), "", &mut callable);
    callable
}

fn add(tools: Option<&Value>, namespace: &str, callable: &mut HashSet<Callable>) {
    for tool in tools.and_then(Value::as_array).into_iter().flatten() {
        let kind = Some(foreign::kind(tool)).filter(|kind| !kind.is_empty()).unwrap_or("function");
        // Chat Completions has the name in an object of its own.
        let named = tool.get(kind).filter(|inner| inner.is_object()).unwrap_or(tool);
        let name = named.get("name").and_then(Value::as_str).unwrap_or_default();
        match kind {
            "namespace" => add(tool.get("tools"), name, callable),
            "function" | "custom" => {
                callable.insert((kind.to_owned(), namespace.to_owned(), name.to_owned()));
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn knows(clients: Value, sent: Value) -> bool {
        knows_tools(WireFormat::OpenAi, clients.to_string().as_bytes(), sent.to_string().as_bytes())
    }

    #[test]
    fn a_client_knows_its_own_tools() {
        let own = json!({"tools": [
            {"type": "function", "function": {"name": "a"}}, {"function": {"name": "b"}},
            {"type": "custom", "custom": {"name": "c"}}, {"type": "custom", "name": "d"}, {"type": "web_search"},
            {"type": "namespace", "name": "n", "tools": [{"type": "function", "name": "e"}]},
        ]});
        assert!(knows(own.clone(), own.clone()) && knows(own.clone(), json!({})));
        for (known, tool) in [
            (true, json!({"type": "function", "function": {"name": "b", "strict": true}})),
            (true, json!({"type": "file_search"})),
            (true, json!({"type": "namespace", "name": "n", "tools": [{"type": "function", "name": "e"}]})),
            (false, json!({"type": "function", "function": {"name": "c"}})),
            (false, json!({"type": "function", "name": "n__e"})),
            (false, json!({"type": "function", "name": "e"})),
            (false, json!({"type": "namespace", "name": "n", "tools": [{"type": "custom", "name": "e"}]})),
        ] {
            assert_eq!(knows(own.clone(), json!({"tools": [tool]})), known, "{tool}");
        }
        let older = json!({"functions": [{"name": "a"}]});
        assert!(!knows(older, json!({"tools": [{"type": "function", "function": {"name": "a"}}]})));
    }
}
