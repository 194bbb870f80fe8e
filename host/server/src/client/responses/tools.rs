//! Reads the tools, and which of them the model must use.

use arcllm::{ExtensionLevel, Extensions, Tool, ToolChoice};
use serde_json::{Value, json};

use crate::client::{
    fields::Fields,
    place::Place,
    problem::Problem,
    responses::{
        extensions::{extension, others},
        names::{INPUT, Names},
    },
};

/// The tools of a request.
#[derive(Default)]
pub(crate) struct Tools {
    pub(crate) functions: Vec<Tool>,
    /// Those that the provider runs, in the JSON of this format.
    pub(crate) hosted: Vec<Value>,
    /// The choice of one of those, in the JSON of this format.
    pub(crate) chosen: Option<Value>,
    /// The unknown fields of the choice.
    pub(crate) of_choice: Extensions,
}

impl Tools {
    pub(crate) fn read(tools: Vec<Value>, names: &Names) -> Result<Self, Problem> {
        let at = Place::Body.field("tools");
        let mut read = Self::default();
        for (index, tool) in tools.into_iter().enumerate() {
            let fields = Fields::of(tool, at.item(index))?;
            match fields.need_kind()? {
                "namespace" => read.add_namespace(fields, names)?,
                _ => read.add(fields, None, names)?,
            }
        }
        Ok(read)
    }

    fn add(&mut self, fields: Fields<'_>, namespace: Option<&str>, names: &Names) -> Result<(), Problem> {
        match fields.need_kind()? {
            "function" => self.functions.push(function(fields, namespace, names)?),
            "custom" => self.functions.push(custom(fields, namespace, names)?),
            _ => self.hosted.push(fields.into_value()),
        }
        Ok(())
    }

    fn add_namespace(&mut self, mut fields: Fields<'_>, names: &Names) -> Result<(), Problem> {
        let (namespace, outer) = (fields.need_text("name")?, fields.place);
        let at = outer.field("tools");
        for (index, tool) in fields.list("tools")?.unwrap_or_default().into_iter().enumerate() {
            self.add(Fields::of(tool, at.item(index))?, Some(&namespace), names)?;
        }
        Ok(())
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

/// A tool that takes a text is a function with one argument.
fn custom(mut fields: Fields<'_>, namespace: Option<&str>, names: &Names) -> Result<Tool, Problem> {
    let name = names.flat(namespace, &fields.need_text("name")?);
    let mut description = fields.text("description")?.unwrap_or_default();
    let format = fields.object("format")?.unwrap_or_default();
    let grammar = |field: &str| format.get(field).and_then(Value::as_str);
    if let Some(definition) = grammar("definition") {
        let syntax = grammar("syntax").unwrap_or("own");
        description.push_str(&format!("\n\nThe input is text of this grammar ({syntax}):\n{definition}"));
    }
    let input = json!({"type": "string", "description": "The whole input of the tool, as plain text"});
    let parameters = json!({"type": "object", "properties": {INPUT: input}, "required": [INPUT]});
    Ok(Tool::new(name, description, parameters))
}
