//! The names of tools. This format has tools in namespaces and tools that take a text; the others have only functions.

use std::collections::HashSet;

use arcllm::ToolCall;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::client::responses::extensions::extension;

/// The argument that holds the text which a custom tool is called with.
pub(crate) const INPUT: &str = "input";

/// The longest name of a tool that providers take.
const LONGEST: usize = 64;

/// What stands between a namespace and a name, as in Codex.
const BETWEEN: &str = "__";

/// A tool that other formats know by another name, or as another kind.
#[derive(Debug)]
struct Renamed {
    /// The name of the function.
    flat: String,
    namespace: Option<String>,
    name: String,
    is_custom: bool,
}

/// A tool as the client knows it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct ToolName<'a> {
    pub(crate) namespace: Option<&'a str>,
    pub(crate) name: &'a str,
    /// Whether it takes a text instead of arguments.
    pub(crate) is_custom: bool,
}

/// The tools of a request that are renamed.
#[derive(Debug, Default)]
pub(crate) struct Names(Vec<Renamed>);

impl Names {
    /// The names of these tools. The same tools always get the same names.
    pub(crate) fn of(tools: &[Value]) -> Self {
        let is_namespace = |tool: &&Value| text(tool, "type") == "namespace";
        let mut taken: HashSet<String> =
            tools.iter().filter(|tool| !is_namespace(tool)).map(|tool| text(tool, "name").to_owned()).collect();
        let mut names = Vec::new();
        for tool in tools {
            if is_namespace(&tool) {
                let namespace = text(tool, "name");
                for inner in tool.get("tools").and_then(Value::as_array).into_iter().flatten() {
                    let (name, is_custom) = (text(inner, "name").to_owned(), text(inner, "type") == "custom");
                    let joined = joined(namespace, &name);
                    let flat = if taken.contains(&joined) { hashed(namespace, &name) } else { joined };
                    taken.insert(flat.clone());
                    names.push(Renamed { flat, namespace: Some(namespace.to_owned()), name, is_custom });
                }
            } else if text(tool, "type") == "custom" {
                let name = text(tool, "name").to_owned();
                names.push(Renamed { flat: name.clone(), namespace: None, name, is_custom: true });
            }
        }
        Self(names)
    }

    /// The name of the function for this tool.
    pub(crate) fn flat(&self, namespace: Option<&str>, name: &str) -> String {
        let found = self.0.iter().find(|tool| tool.namespace.as_deref() == namespace && tool.name == name);
        match (found, namespace) {
            (Some(tool), _) => tool.flat.clone(),
            (None, Some(namespace)) => joined(namespace, name),
            (None, None) => name.to_owned(),
        }
    }

    /// The tool that a call is of. A provider of this format may have said a namespace that no tool has.
    pub(crate) fn called<'a>(&'a self, call: &'a ToolCall) -> ToolName<'a> {
        let tool = self.tool(&call.name);
        let said = call.extensions.get(&extension("namespace")).and_then(Value::as_str);
        ToolName { namespace: tool.namespace.or(said), ..tool }
    }

    /// The tool for this name of a function.
    pub(crate) fn tool<'a>(&'a self, flat: &'a str) -> ToolName<'a> {
        match self.0.iter().find(|tool| tool.flat == flat) {
            Some(tool) => {
                ToolName { namespace: tool.namespace.as_deref(), name: &tool.name, is_custom: tool.is_custom }
            }
            None => ToolName { namespace: None, name: flat, is_custom: false },
        }
    }
}

fn text<'a>(tool: &'a Value, field: &str) -> &'a str {
    tool.get(field).and_then(Value::as_str).unwrap_or_default()
}

fn joined(namespace: &str, name: &str) -> String {
    let joined = format!("{}{BETWEEN}{}", namespace.trim_end_matches('_'), name.trim_start_matches('_'));
    if joined.len() > LONGEST { hashed(namespace, name) } else { joined }
}

/// A name that is short enough and that no other tool has.
fn hashed(namespace: &str, name: &str) -> String {
    let hash = format!("{:x}", Sha256::new().chain_update(namespace).chain_update([0]).chain_update(name).finalize());
    let hash = hash.get(..12).unwrap_or_default();
    let end = name.floor_char_boundary(LONGEST - hash.len() - BETWEEN.len());
    format!("{}{BETWEEN}{hash}", name.get(..end).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn names(tools: Value) -> Names {
        Names::of(tools.as_array().unwrap())
    }

    #[test]
    fn a_tool_in_a_namespace_is_one_function() {
        let inner = json!([{"type": "function", "name": "list"}, {"type": "custom", "name": "patch"}]);
        let names = names(json!([
            {"type": "function", "name": "shell"},
            {"type": "custom", "name": "apply_patch"},
            {"type": "namespace", "name": "mcp__files__", "tools": inner},
        ]));
        for (namespace, name, flat, is_custom) in [
            (None, "shell", "shell", false),
            (None, "apply_patch", "apply_patch", true),
            (Some("mcp__files__"), "list", "mcp__files__list", false),
            (Some("mcp__files__"), "patch", "mcp__files__patch", true),
        ] {
            assert_eq!(names.flat(namespace, name), flat);
            assert_eq!(names.tool(flat), ToolName { namespace, name, is_custom });
        }
    }

    #[test]
    fn names_are_short_and_different() {
        let long = "x".repeat(60);
        let names = names(json!([
            {"type": "function", "name": "a__b"},
            {"type": "namespace", "name": "a", "tools": [{"type": "function", "name": "b"}]},
            {"type": "namespace", "name": "a_", "tools": [{"type": "function", "name": "b"}]},
            {"type": "namespace", "name": "long", "tools": [{"type": "function", "name": long}]},
        ]));
        let flats = [(Some("a"), "b"), (Some("a_"), "b"), (Some("long"), long.as_str())].map(|(space, name)| {
            let flat = names.flat(space, name);
            let found = names.tool(&flat);
            assert_eq!((found.namespace, found.name), (space, name), "{flat}");
            assert!(flat.len() <= LONGEST, "{flat}");
            flat
        });
        assert_eq!(HashSet::from(flats).len(), 3);
    }
}
