//! The names of tools that OpenAI Responses has in a namespace. The library and all other formats know such a tool by one name.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::chat::{extensions::Extensions, request::Request, tool::Tool};

/// The extension of such a tool, and of a call of it: its namespace, its name in it, and `as`, the one name for both.
const OWN_NAME: &str = "arcllm.tool";

/// A tool in a namespace.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct OwnName<'a> {
    pub(crate) namespace: &'a str,
    pub(crate) name: &'a str,
}

/// What OpenAI Responses calls the tool, or the call, of this name. `None` if it has no namespace, and if somebody has given it
/// another name since.
pub(crate) fn own<'a>(name: &str, extensions: &'a Extensions) -> Option<OwnName<'a>> {
    let own = extensions.get(OWN_NAME)?;
    let text = |field| own.get(field).and_then(Value::as_str);
    (text("as")? == name).then_some(OwnName { namespace: text("namespace")?, name: text("name")? })
}

/// The tools of a request that are in a namespace.
#[derive(Debug, Clone, Default)]
pub(crate) struct ToolNames(Option<Arc<[Named]>>);

#[derive(Debug)]
struct Named {
    /// Its one name.
    flat: String,
    namespace: String,
    name: String,
}

impl ToolNames {
    /// Those of this request.
    pub(crate) fn of(request: &Request) -> Self {
        let named = request.tools.iter().filter_map(|tool| {
            let Tool::Function(tool) = tool else { return None };
            let OwnName { namespace, name } = own(&tool.name, &tool.extensions)?;
            Some(Named { flat: tool.name.clone(), namespace: namespace.to_owned(), name: name.to_owned() })
        });
        let named: Vec<Named> = named.collect();
        Self((!named.is_empty()).then(|| named.into()))
    }

    /// The one name of the tool that a call with these fields is of.
    pub(crate) fn called<'a>(&'a self, fields: &'a Map<String, Value>) -> &'a str {
        let text = |field| fields.get(field).and_then(Value::as_str).unwrap_or_default();
        self.flat(text("namespace"), text("name")).unwrap_or(text("name"))
    }

    /// The one name of the tool with this name in this namespace, and the extension of a call that says so.
    pub(crate) fn known(&self, namespace: &str, name: &str) -> Option<(String, (String, Value))> {
        let flat = self.flat(namespace, name)?;
        let own = json!({"as": flat, "namespace": namespace, "name": name});
        Some((flat.to_owned(), (OWN_NAME.to_owned(), own)))
    }

    fn flat(&self, namespace: &str, name: &str) -> Option<&str> {
        let mut known = self.0.as_deref()?.iter();
        known.find(|known| known.namespace == namespace && known.name == name).map(|known| known.flat.as_str())
    }
}
