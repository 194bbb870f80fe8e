//! Writes the options of a request of OpenAI Chat Completions.

use serde_json::Value;

use crate::{
    adapter::format::{
        effort::{self, AskedEffort},
        extensions::OPENAI,
        family, fit, foreign,
        outline::{Json, Object, Unwritable},
        schema, tool_choice,
    },
    chat::{
        options::{JsonSchema, Options, OutputFormat},
        request::Request,
    },
    config::{
        provider::ProviderConfig,
        quirks::{Quirks, ReasoningForm, SchemaForm},
    },
};

/// The extension with which OpenAI keeps a request.
const STORE: &str = "openai.store";

/// The extension of a schema with the fields that a client of this format has set beside it.
const BESIDE_SCHEMA: &str = "arcllm.response_format";

/// Adds the format of the answer. Any text is what providers give by themselves.
pub(crate) fn add_output<'a>(body: &mut Object<'a>, options: &'a Options, quirks: &Quirks) -> Result<(), Unwritable> {
    let form = quirks.schema.unwrap_or(SchemaForm::JsonSchema);
    if let Some(OutputFormat::JsonSchema(schema)) = &options.output {
        schema::check(schema)?;
    }
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
    let mut fields = Object::default();
    schema::add(&mut fields, schema);
    let mut format = Object::new([("type", "json_schema".into())]);
    format.insert("json_schema", fields.extended(&schema.extensions, OPENAI));
    let beside = schema.extensions.get(BESIDE_SCHEMA).and_then(Value::as_object);
    beside.into_iter().flatten().for_each(|(name, value)| format.insert(name, value));
    format.into()
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
            _ => return add_own_reasoning(body, json, options, quirks),
        },
        Some(asked) => asked,
    };
    let (is_on, word) = match asked {
        AskedEffort::Off => (false, None),
        AskedEffort::Auto | AskedEffort::Json(_) => (true, None),
        AskedEffort::Word(word) => (true, Some(word)),
        AskedEffort::Budget(tokens) => (true, Some(effort::of_budget(tokens))),
    };
    let form = quirks.reasoning.unwrap_or(ReasoningForm::Effort);
    let is_unasked = !is_on && fit::reasons(provider, model) != Some(true);
    if is_unasked || (is_on && form == ReasoningForm::Thinking && tool_choice::is_forced(options)) {
        return Ok(());
    }
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
    let known = quirks.efforts.as_deref();
    let word = match is_on {
        true => word.map(|word| effort::nearest(word, known)),
        false => Some(effort::least_of(family::least_effort(model), known)),
    };
    if let Some(word) = word.filter(|_| is_on || form == ReasoningForm::Effort) {
        body.insert("reasoning_effort", Json::Owned(word.to_owned()));
    }
    Ok(())
}

/// Adds how much the model reasons, in the provider's own JSON: `thinking` with a `type`, or `reasoning`.
fn add_own_reasoning<'a>(
    body: &mut Object<'a>,
    json: &'a Value,
    options: &Options,
    quirks: &Quirks,
) -> Result<(), Unwritable> {
    let refused = |what: &str| {
        Err(Unwritable::refused(format!(
            "options.reasoning is {what}\n  help: a word such as \"low\", or {{\"budget_tokens\": NUMBER}}, which every format \
             has"
        )))
    };
    let is_thinking = json.get("type").is_some();
    let is_off = foreign::kind(json) == "disabled";
    match quirks.reasoning {
        Some(ReasoningForm::Thinking) if is_thinking && !is_off && tool_choice::is_forced(options) => {}
        Some(ReasoningForm::Thinking) if is_thinking => body.insert("thinking", json),
        _ if is_thinking => return refused("in Anthropic's format"),
        Some(ReasoningForm::Effort) => return refused("JSON, and this provider takes only a word for how much"),
        // Only the Responses API has summaries.
        _ if json.get("summary").is_some() => return refused("in the format of another API of OpenAI"),
        _ => body.insert("reasoning", json),
    }
    Ok(())
}

/// Adds what providers keep with a request.
pub(crate) fn add_metadata<'a>(body: &mut Object<'a>, request: &'a Request, quirks: &Quirks) {
    let options = &request.options;
    if let Some(user) = options.user.as_deref().filter(|_| !quirks.refuses("user")) {
        body.insert("user", user);
    }
    let mut extensions = [&options.extensions, &request.extensions].into_iter();
    let is_stored = extensions.find_map(|extensions| extensions.get(STORE)) == Some(&Value::Bool(true));
    if !options.metadata.is_empty() && (is_stored || !quirks.refuses("metadata")) {
        let fields = options.metadata.iter().map(|(key, value)| (key.as_str(), value.as_str().into()));
        body.insert("metadata", Json::Object(fields.collect()));
    }
}
