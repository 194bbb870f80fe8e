//! Reads the options of a request.

use arcllm::{JsonSchema, Options, OutputFormat, Reasoning};
use serde_json::{Map, Value};

use crate::client::{
    fields::Fields,
    place::Place,
    problem::Problem,
    responses::extensions::{extension, others},
};

/// Reads the options that all formats have. What else `text` and `reasoning` say is kept for providers of this format.
pub(crate) fn read(fields: &mut Fields<'_>) -> Result<Options, Problem> {
    let mut options = Options::new();
    options.max_tokens = fields.count("max_output_tokens")?;
    options.temperature = fields.temperature()?;
    options.top_p = fields.number("top_p")?;
    options.parallel_tool_calls = fields.flag("parallel_tool_calls")?;
    options.user = fields.text("user")?;
    for (key, value) in fields.object("metadata")?.unwrap_or_default() {
        let Value::String(text) = value else {
            return Err(Place::Body.field("metadata").field(&key).expected("a string", &value));
        };
        options.metadata.insert(key, text);
    }
    if let Some(text) = fields.take("text") {
        let at = Place::Body.field("text");
        let mut text = Fields::of(text, at)?;
        if let Some(format) = text.take("format") {
            options.output = Some(output(Fields::of(format, at.field("format"))?)?);
        }
        keep(&mut options, "text", text.rest());
    }
    if let Some(reasoning) = fields.take("reasoning") {
        let mut reasoning = Fields::of(reasoning, Place::Body.field("reasoning"))?;
        options.reasoning = reasoning.text("effort")?.map(|word| match word.as_str() {
            "none" => Reasoning::Off,
            _ => Reasoning::Effort(word),
        });
        keep(&mut options, "reasoning", reasoning.rest());
    }
    Ok(options)
}

fn keep(options: &mut Options, name: &str, rest: Map<String, Value>) {
    if !rest.is_empty() {
        options.extensions.insert(extension(name), rest.into());
    }
}

fn output(mut fields: Fields<'_>) -> Result<OutputFormat, Problem> {
    match fields.need_kind()? {
        "text" => Ok(OutputFormat::Text),
        "json_object" => Ok(OutputFormat::Json),
        "json_schema" => {
            let (name, schema) = (fields.need_text("name")?, fields.object("schema")?);
            let schema = schema.ok_or_else(|| fields.missing("schema"))?;
            let mut output = JsonSchema::new(name, schema.into());
            output.description = fields.text("description")?.unwrap_or_default();
            output.strict = fields.flag("strict")?;
            output.extensions = others(fields);
            Ok(OutputFormat::JsonSchema(output))
        }
        _ => Ok(OutputFormat::Other(fields.into_value())),
    }
}
