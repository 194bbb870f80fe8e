//! Writes the tools of OpenAI Responses that the library and all other formats know as functions by one name: those that take a
//! text, and those in a namespace.

use serde_json::{Map, Value};

use crate::{
    adapter::format::{
        outline::{Json, Object},
        responses::fields,
        tool_names,
    },
    chat::{extensions::Extensions, tool::FunctionTool},
};

/// The extension of a request with the fields of its namespaces. `tools` has those that the provider runs.
const NAMESPACES: &str = "arcllm.namespaces";

/// What a tool that takes a text is written as: its name, its description, and its further fields. `None` if it takes arguments.
pub(crate) fn custom<'a>(tool: &'a FunctionTool) -> Option<Json<'a>> {
    let (description, own) = tool.as_custom()?;
    let mut json = Object::new([("type", "custom".into()), ("name", name(tool).into())]);
    if !description.is_empty() {
        json.insert("description", description);
    }
    for (name, value) in own.iter().filter(|(name, _)| fields::is_other(name, &["type", "name", "description"])) {
        json.insert(name, value);
    }
    Some(json.into())
}

/// The name of a tool where it stands.
pub(crate) fn name(tool: &FunctionTool) -> &str {
    tool_names::own(&tool.name, &tool.extensions).map_or(&tool.name, |own| own.name)
}

/// The choice of a tool.
pub(crate) fn choice<'a>(tool: &'a FunctionTool) -> Json<'a> {
    let kind = if tool.as_custom().is_some() { "custom" } else { "function" };
    let mut choice = Object::new([("type", kind.into()), ("name", name(tool).into())]);
    if let Some(own) = tool_names::own(&tool.name, &tool.extensions) {
        choice.insert("namespace", own.namespace);
    }
    choice.into()
}

/// The tools of a body under construction. Those of one namespace stand together, where the first of them stands.
#[derive(Default)]
pub(crate) struct WrittenTools<'a> {
    tools: Vec<Json<'a>>,
    /// The namespaces, with their places among the tools.
    namespaces: Vec<(usize, &'a str, Vec<Json<'a>>)>,
}

impl<'a> WrittenTools<'a> {
    pub(crate) fn push(&mut self, tool: Json<'a>) {
        self.tools.push(tool);
    }

    /// Adds a function or a tool that takes a text, which is written as this.
    pub(crate) fn add(&mut self, tool: &'a FunctionTool, json: Json<'a>) {
        let Some(own) = tool_names::own(&tool.name, &tool.extensions) else { return self.push(json) };
        match self.namespaces.iter_mut().find(|(_, namespace, _)| *namespace == own.namespace) {
            Some((.., tools)) => tools.push(json),
            None => {
                self.namespaces.push((self.tools.len(), own.namespace, vec![json]));
                self.tools.push(Json::Null);
            }
        }
    }

    /// All of them. The fields of the namespaces are those that the request names.
    pub(crate) fn into_json(mut self, extensions: &'a Extensions) -> Vec<Json<'a>> {
        let known = extensions.get(NAMESPACES).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        for (place, namespace, tools) in self.namespaces {
            let fields = known.iter().find(|fields| fields.get("name").is_some_and(|name| name == namespace));
            if let Some(tool) = self.tools.get_mut(place) {
                *tool = in_namespace(namespace, fields.and_then(Value::as_object), tools);
            }
        }
        self.tools
    }
}

fn in_namespace<'a>(namespace: &'a str, fields: Option<&'a Map<String, Value>>, mut tools: Vec<Json<'a>>) -> Json<'a> {
    let mut json = Object::new([("type", "namespace".into()), ("name", namespace.into())]);
    for (name, value) in fields.into_iter().flatten() {
        match (name.as_str(), value) {
            ("tools", Value::Array(hosted)) => tools.extend(hosted.iter().map(Json::from)),
            (name, _) if !fields::is_other(name, &["type", "name", "tools"]) => {}
            (name, value) => json.insert(name, value),
        }
    }
    json.insert("tools", tools);
    json.into()
}
