//! Writes the options of a request of OpenAI Responses.

use serde_json::Value;

use crate::{
    adapter::format::{
        effort::{self, AskedEffort},
        extensions::RESPONSES,
        family, fit,
        outline::{Json, Object, Unwritable},
        responses::fields,
        schema,
    },
    chat::options::{JsonSchema, Options, OutputFormat},
    config::{
        provider::ProviderConfig,
        quirks::{Quirks, SchemaForm},
    },
};

/// Adds the format of the answer. Any text is what providers give by themselves.
pub(crate) fn add_output<'a>(body: &mut Object<'a>, options: &'a Options, quirks: &Quirks) -> Result<(), Unwritable> {
    let format = match &options.output {
        None | Some(OutputFormat::Text) => return Ok(()),
        Some(OutputFormat::Json) => Json::object([("type", "json_object".into())]),
        Some(OutputFormat::JsonSchema(_)) if quirks.schema == Some(SchemaForm::None) => {
            return Err(Unwritable::refused(
                "options.output is a JSON Schema, and this provider takes none\n  help: \"json\", with the schema in the \
                 text of a message; or ask another provider",
            ));
        }
        Some(OutputFormat::JsonSchema(schema)) => {
            schema::check(schema)?;
            json_schema(schema)
        }
        // This format wants a name, and Anthropic's has none.
        Some(OutputFormat::Other(value))
            if value.get("schema").is_some() && value.get("json_schema").is_none() && value.get("name").is_none() =>
        {
            return Err(Unwritable::refused(
                "options.output is in Anthropic's format\n  help: write {\"json_schema\": {\"schema\": {…}}}, which every \
                 format has",
            ));
        }
        Some(OutputFormat::Other(value)) => fields::flat(value, "json_schema"),
    };
    body.insert("text", Json::object([("format", format)]));
    Ok(())
}

fn json_schema(schema: &JsonSchema) -> Json<'_> {
    let mut fields = Object::new([("type", "json_schema".into())]);
    schema::add(&mut fields, schema);
    let own = ["type", "name", "description", "schema", "strict"];
    fields.apply_those(&schema.extensions, RESPONSES, |name| fields::is_other(name, &own));
    fields.into()
}

/// Adds how much the model reasons.
pub(crate) fn add_reasoning<'a>(
    body: &mut Object<'a>,
    options: &'a Options,
    provider: &ProviderConfig,
    model: &str,
) -> Result<(), Unwritable> {
    let quirks = &provider.quirks;
    let asked = match effort::asked(options, quirks)? {
        None => return Ok(()),
        Some(AskedEffort::Json(json)) => match json.get("effort").and_then(Value::as_str) {
            Some(word) if json.as_object().is_some_and(|fields| fields.len() == 1) => effort::of_word(word, quirks)?,
            _ if json.get("type").is_some() => {
                return Err(Unwritable::refused(
                    "options.reasoning is in Anthropic's format\n  help: a word such as \"low\", or {\"budget_tokens\": NUMBER}, \
                     which every format has",
                ));
            }
            _ => {
                body.insert("reasoning", json);
                return Ok(());
            }
        },
        Some(asked) => asked,
    };
    let known = quirks.efforts.as_deref();
    let word = match asked {
        AskedEffort::Off if fit::reasons(provider, model) != Some(true) => return Ok(()),
        AskedEffort::Off => effort::least_of(family::least_effort(model), known),
        AskedEffort::Auto | AskedEffort::Json(_) => return Ok(()),
        AskedEffort::Word(word) => effort::nearest(word, known),
        AskedEffort::Budget(tokens) => effort::nearest(effort::of_budget(tokens), known),
    };
    body.insert("reasoning", Json::object([("effort", Json::Owned(word.to_owned()))]));
    Ok(())
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
