//! Reads the tools, and which of them the model must use.

use arcllm::{ExtensionLevel, Extensions, Tool, ToolChoice};
use serde_json::{Value, json};

use crate::client::{
    fields::Fields,
    place::Place,
    problem::Problem,
    responses::{
        extensions::{extension, others},
        names::Names,
    },
};

/// The extension of a request with the fields of its namespaces.
const NAMESPACES: &str = "arcllm.namespaces";

/// The extension of a tool, and of a call, that has a namespace: what the client calls it.
const OWN_NAME: &str = "arcllm.tool";

/// A tool that was read.
enum Read {
    /// One that the client runs.
    Callable(Tool),
    /// One that the provider runs.
    Hosted(Value),
}

/// The tools of a request.
#[derive(Default)]
pub(crate) struct Tools {
    pub(crate) functions: Vec<Tool>,
    /// Those that the provider runs, in the JSON of this format.
    hosted: Vec<Value>,
    /// The choice of one of those, in the JSON of this format.
    pub(crate) chosen: Option<Value>,
    /// The unknown fields of the choice.
    pub(crate) of_choice: Extensions,
    /// The fields of the namespaces that have functions. `tools` has those tools in them that the provider runs.
    namespaces: Vec<Value>,
}

impl Tools {
    pub(crate) fn read(tools: Vec<Value>, names: &Names) -> Result<Self, Problem> {
        let at = Place::Body.field("tools");
        let mut read = Self::default();
        for (index, tool) in tools.into_iter().enumerate() {
            let fields = Fields::of(tool, at.item(index))?;
            match fields.need_kind()? {
                "namespace" => read.add_namespace(fields, names)?,
                _ => match callable(fields, None, names)? {
                    Read::Callable(tool) => read.functions.push(tool),
                    Read::Hosted(tool) => read.hosted.push(tool),
                },
            }
        }
        Ok(read)
    }

    fn add_namespace(&mut self, mut fields: Fields<'_>, names: &Names) -> Result<(), Problem> {
        let (namespace, outer) = (fields.need_text("name")?, fields.place);
        let at = outer.field("tools");
        let (before, mut hosted) = (self.functions.len(), Vec::new());
        for (index, tool) in fields.list("tools")?.unwrap_or_default().into_iter().enumerate() {
            match callable(Fields::of(tool, at.item(index))?, Some(&namespace), names)? {
                Read::Callable(tool) => self.functions.push(tool),
                Read::Hosted(tool) => hosted.push(tool),
            }
        }
        let mut rest = fields.rest();
        rest.insert("name".to_owned(), namespace.into());
        if !hosted.is_empty() || before == self.functions.len() {
            rest.insert("tools".to_owned(), hosted.into());
        }
        let list = if before == self.functions.len() { &mut self.hosted } else { &mut self.namespaces };
        list.push(rest.into());
        Ok(())
    }

    /// What only this format has of the tools, as extensions of the request.
    pub(crate) fn extensions(&mut self) -> Extensions {
        let [hosted, namespaces] = [&mut self.hosted, &mut self.namespaces].map(std::mem::take);
        let lists = [(extension("tools"), hosted), (NAMESPACES.to_owned(), namespaces)].into_iter();
        let lists = lists.filter(|(_, list)| !list.is_empty()).map(|(key, list)| (key, Value::from(list)));
        let choice = self.chosen.take().map(|choice| (extension("tool_choice"), choice));
        lists.chain(std::mem::take(&mut self.of_choice)).chain(choice).collect()
    }

    /// Reads which of the tools the model must use. Leaves only the tools that it may use.
    pub(crate) fn choice(&mut self, choice: Value, names: &Names) -> Result<Option<ToolChoice>, Problem> {
        let at = Place::Body.field("tool_choice");
        let choice = match choice {
            Value::String(word) => of_word(&at, &word)?,
            Value::Object(_) => {
                let mut fields = Fields::of(choice, at)?;
                match fields.need_kind()? {
                    "function" | "custom" => {
                        let name = chosen(&mut fields, names)?;
                        fields.take("type");
                        self.of_choice = fields.others(ExtensionLevel::Body, &extension("tool_choice."));
                        ToolChoice::Tool(name)
                    }
                    "allowed_tools" => self.allow(fields, names)?,
                    _ => {
                        self.chosen = Some(fields.into_value());
                        return Ok(None);
                    }
                }
            }
            other => return Err(at.expected("a string or an object", &other)),
        };
        // Only a provider of this format has a tool to use.
        if choice == ToolChoice::Required && self.functions.is_empty() && !self.hosted.is_empty() {
            self.chosen = Some("required".into());
            return Ok(None);
        }
        Ok(Some(choice))
    }

    /// Leaves only the allowed tools. Not all formats have a list of them.
    fn allow(&mut self, mut fields: Fields<'_>, names: &Names) -> Result<ToolChoice, Problem> {
        let (outer, mode) = (fields.place, fields.text("mode")?);
        let at = outer.field("tools");
        let (mut functions, mut hosted) = (Vec::new(), Vec::new());
        for (index, tool) in fields.list("tools")?.unwrap_or_default().into_iter().enumerate() {
            let mut tool = Fields::of(tool, at.item(index))?;
            match tool.need_kind()? {
                "function" | "custom" => functions.push(chosen(&mut tool, names)?),
                kind => hosted.push(kind.to_owned()),
            }
        }
        self.functions.retain(|tool| tool.name().is_some_and(|name| functions.iter().any(|allowed| allowed == name)));
        self.hosted.retain(|tool| hosted.iter().any(|kind| tool.get("type").is_some_and(|found| found == kind)));
        of_word(&outer.field("mode"), mode.as_deref().unwrap_or("auto"))
    }
}

fn of_word(at: &Place<'_>, word: &str) -> Result<ToolChoice, Problem> {
    match word {
        "auto" => Ok(ToolChoice::Auto),
        "required" => Ok(ToolChoice::Required),
        "none" => Ok(ToolChoice::None),
        other => Err(at.problem(format!("is {other:?}, and must be \"auto\", \"required\", \"none\" or a tool"))),
    }
}

fn callable(fields: Fields<'_>, namespace: Option<&str>, names: &Names) -> Result<Read, Problem> {
    let name = fields.peek("name").and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut tool = match fields.need_kind()? {
        "function" => function(fields, namespace, names)?,
        "custom" => custom(fields, namespace, names)?,
        _ => return Ok(Read::Hosted(fields.into_value())),
    };
    if let Tool::Function(tool) = &mut tool {
        tool.extensions.extend(namespace.map(|namespace| own_name(&tool.name, namespace, &name)));
    }
    Ok(Read::Callable(tool))
}

/// The extension of a tool or a call with this one name: what the client calls it.
pub(crate) fn own_name(flat: &str, namespace: &str, name: &str) -> (String, Value) {
    (OWN_NAME.to_owned(), json!({"as": flat, "namespace": namespace, "name": name}))
}

fn chosen(fields: &mut Fields<'_>, names: &Names) -> Result<String, Problem> {
    let (namespace, name) = (fields.text("namespace")?, fields.need_text("name")?);
    Ok(names.flat(namespace.as_deref(), &name))
}

fn function(mut fields: Fields<'_>, namespace: Option<&str>, names: &Names) -> Result<Tool, Problem> {
    let name = names.flat(namespace, &fields.need_text("name")?);
    let description = fields.text("description")?.unwrap_or_default();
    let parameters = fields.object("parameters")?;
    let parameters = parameters.map_or_else(|| json!({"type": "object", "properties": {}}), Value::from);
    let strict = fields.flag("strict")?;
    let mut tool = Tool::new(name, description, parameters);
    if let Tool::Function(function) = &mut tool {
        function.strict = strict;
        function.extensions = others(fields);
    }
    Ok(tool)
}

/// A tool that takes a text.
fn custom(mut fields: Fields<'_>, namespace: Option<&str>, names: &Names) -> Result<Tool, Problem> {
    let name = names.flat(namespace, &fields.need_text("name")?);
    let description = fields.text("description")?.unwrap_or_default();
    let mut own = fields.rest();
    own.shift_remove("type");
    Ok(Tool::custom(name, &description, own))
}
