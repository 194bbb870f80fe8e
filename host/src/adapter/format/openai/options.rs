//! Writes the options of a request of OpenAI Chat Completions.

use crate::{
    adapter::format::{
        effort,
        extensions::OPENAI,
        family,
        outline::{Json, Object, Unwritable},
    },
    chat::options::{JsonSchema, Options, OutputFormat, Reasoning},
    config::quirks::{Quirks, ReasoningForm, SchemaForm},
};

/// Adds the format of the answer. Any text is what providers give by themselves.
pub(crate) fn add_output<'a>(body: &mut Object<'a>, options: &'a Options, quirks: &Quirks) -> Result<(), Unwritable> {
    let form = quirks.schema.unwrap_or(SchemaForm::JsonSchema);
    let output = match &options.output {
        None | Some(OutputFormat::Text) => return Ok(()),
        Some(OutputFormat::Json) if form == SchemaForm::Value => json_object(Json::object([("type", "object".into())])),
        Some(OutputFormat::Json) => Json::object([("type", "json_object".into())]),
        Some(OutputFormat::JsonSchema(schema)) => match form {
            SchemaForm::JsonSchema => json_schema(schema),
            SchemaForm::Value => json_object((&schema.schema).into()),
            SchemaForm::None => {
                return Err(Unwritable::refused(
                    "options.output is a JSON Schema, and this provider takes none\n  help: \"json\", with the schema in the \
                     text of a message; or ask another provider",
                ));
            }
        },
        Some(OutputFormat::Other(value)) if value.get("schema").is_some() && value.get("json_schema").is_none() => {
            return Err(Unwritable::refused(
                "options.output is in Anthropic's format\n  help: write {\"json_schema\": {\"schema\": {…}}}, which every \
                 format has",
            ));
        }
        Some(OutputFormat::Other(value)) => value.into(),
    };
    body.insert("response_format", output);
    Ok(())
}

fn json_object(schema: Json<'_>) -> Json<'_> {
    Json::object([("type", "json_object".into()), ("value", schema)])
}

fn json_schema(schema: &JsonSchema) -> Json<'_> {
    let mut fields = Object::new([("name", schema.name.as_str().into())]);
    if !schema.description.is_empty() {
        fields.insert("description", schema.description.as_str());
    }
    fields.insert("schema", &schema.schema);
    if let Some(strict) = schema.strict {
        fields.insert("strict", Json::Bool(strict));
    }
    Json::object([("type", "json_schema".into()), ("json_schema", fields.extended(&schema.extensions, OPENAI))])
}

/// Adds how much the model reasons.
pub(crate) fn add_reasoning<'a>(body: &mut Object<'a>, options: &'a Options, quirks: &Quirks, model: &str) {
    let (is_on, word) = match options.reasoning.as_ref().filter(|_| !quirks.refuses("reasoning")) {
        None => return,
        Some(Reasoning::Other(value)) => return body.insert("reasoning", value),
        Some(Reasoning::Off | Reasoning::Budget(0)) => (false, None),
        Some(Reasoning::Auto) => (true, None),
        Some(Reasoning::Effort(word)) => (true, Some(word.as_str())),
        Some(Reasoning::Budget(tokens)) => (true, Some(effort::of_budget(*tokens))),
    };
    let form = quirks.reasoning.unwrap_or(ReasoningForm::Effort);
    match form {
        ReasoningForm::Effort => {}
        ReasoningForm::Thinking => {
            let word = if is_on { "enabled" } else { "disabled" };
            body.insert("thinking", Json::object([("type", word.into())]));
        }
        ReasoningForm::Template => {
            body.insert("chat_template_kwargs", Json::object([("enable_thinking", Json::Bool(is_on))]));
        }
    }
    let word = match is_on {
        true => word.map(|word| effort::nearest(word, quirks.efforts.as_deref())),
        false => family::least_effort(model),
    };
    if let Some(word) = word.filter(|_| is_on || form == ReasoningForm::Effort) {
        body.insert("reasoning_effort", Json::Owned(word.to_owned()));
    }
}

/// Adds what providers keep with a request.
pub(crate) fn add_metadata<'a>(body: &mut Object<'a>, options: &'a Options, quirks: &Quirks) {
    if let Some(user) = options.user.as_deref().filter(|_| !quirks.refuses("user")) {
        body.insert("user", user);
    }
    if !options.metadata.is_empty() && !quirks.refuses("metadata") {
        let fields = options.metadata.iter().map(|(key, value)| (key.as_str(), value.as_str().into()));
        body.insert("metadata", Json::Object(fields.collect()));
    }
}
