//! Reads the options of a request.

use arcllm::{ExtensionLevel, JsonSchema, Options, OutputFormat, Reasoning};
use serde_json::{Map, Value};

use crate::client::{fields::Fields, place::Place, problem::Problem};

/// The newer field for the most tokens, which some servers want, and others do not know.
const NEWER_LIMIT: &str = "max_completion_tokens";

/// The extension with the field that the client has used for it.
const LIMIT_FIELD: &str = "arcllm.max_tokens_field";

/// The extension of a schema with what stands beside it.
const BESIDE_SCHEMA: &str = "arcllm.response_format";

/// Takes the options. The choice of a tool stands beside the tools.
pub(crate) fn read(fields: &mut Fields<'_>) -> Result<Options, Problem> {
    let mut options = Options::new();
    let (older, newer) = (fields.count("max_tokens")?, fields.count(NEWER_LIMIT)?);
    options.max_tokens = newer.or(older);
    if newer.is_some() {
        options.extensions.insert(LIMIT_FIELD.to_owned(), NEWER_LIMIT.into());
    }
    options.temperature = fields.temperature()?;
    options.top_p = fields.number("top_p")?;
    // vLLM takes -1 for no limit, which no other format has.
    if fields.peek("top_k").is_none_or(|count| count.as_i64().is_none_or(|count| count >= 0)) {
        options.top_k = fields.count("top_k")?;
    }
    options.stop = stop(fields)?;
    options.seed = fields.whole("seed")?;
    options.parallel_tool_calls = fields.flag("parallel_tool_calls")?;
    options.user = fields.text("user")?;
    options.output = output(fields)?;
    options.reasoning = reasoning(fields)?;
    metadata(fields, &mut options)?;
    Ok(options)
}

fn stop(fields: &mut Fields<'_>) -> Result<Vec<String>, Problem> {
    let place = fields.place;
    let place = place.field("stop");
    match fields.take("stop") {
        None => Ok(Vec::new()),
        Some(Value::String(text)) => Ok(vec![text]),
        Some(Value::Array(texts)) => {
            let text = |(at, text)| match text {
                Value::String(text) => Ok(text),
                other => Err(place.item(at).expected("a string", &other)),
            };
            texts.into_iter().enumerate().map(text).collect()
        }
        Some(other) => Err(place.expected("a string or a list of strings", &other)),
    }
}

/// Takes `reasoning_effort`, or the `reasoning` of OpenRouter if it says nothing else.
fn reasoning(fields: &mut Fields<'_>) -> Result<Option<Reasoning>, Problem> {
    let mut effort = fields.text("reasoning_effort")?;
    let only = |reasoning: &Value| {
        let fields = reasoning.as_object().filter(|fields| fields.len() == 1)?;
        Some(fields.get("effort")?.as_str()?.to_owned())
    };
    if effort.is_none()
        && let Some(word) = fields.peek("reasoning").and_then(only)
    {
        fields.take("reasoning");
        effort = Some(word);
    }
    Ok(effort.map(|word| match word.as_str() {
        "none" | "off" => Reasoning::Off,
        "auto" | "" => Reasoning::Auto,
        _ => Reasoning::Effort(word),
    }))
}

/// OpenAI takes texts alone. Other values are for servers that know them.
fn metadata(fields: &mut Fields<'_>, options: &mut Options) -> Result<(), Problem> {
    let place = fields.place;
    match fields.take("metadata") {
        None => {}
        Some(Value::Object(entries)) if entries.values().all(Value::is_string) => {
            let text = |(key, value): (String, Value)| Some((key, value.as_str()?.to_owned()));
            options.metadata = entries.into_iter().filter_map(text).collect();
        }
        Some(entries @ Value::Object(_)) => {
            options.extensions.insert("openai.metadata".to_owned(), entries);
        }
        Some(other) => return Err(place.field("metadata").expected("an object", &other)),
    }
    Ok(())
}

fn output(fields: &mut Fields<'_>) -> Result<Option<OutputFormat>, Problem> {
    let place = fields.place;
    let place = place.field("response_format");
    let format = match fields.take("response_format") {
        None => return Ok(None),
        Some(Value::Object(format)) => format,
        Some(other) => return Err(place.expected("an object", &other)),
    };
    let kind = match format.get("type") {
        Some(Value::String(kind)) => kind.as_str(),
        Some(Value::Null) | None => return Err(place.field("type").missing()),
        Some(other) => return Err(place.field("type").expected("a string", other)),
    };
    match (kind, format.len()) {
        ("text", 1) => Ok(Some(OutputFormat::Text)),
        ("json_object", 1) => Ok(Some(OutputFormat::Json)),
        ("json_schema", _) => schema(format, &place).map(Some),
        // Of a single server, such as a grammar.
        _ => Ok(Some(OutputFormat::Other(format.into()))),
    }
}

fn schema(mut format: Map<String, Value>, place: &Place<'_>) -> Result<OutputFormat, Problem> {
    let place = place.field("json_schema");
    let mut fields = match format.get_mut("json_schema").map(Value::take) {
        None | Some(Value::Null) => return Err(place.missing()),
        Some(value) => Fields::of(value, place)?,
    };
    let (name, schema) = (fields.text("name")?, fields.take("schema"));
    let schema = match schema {
        Some(schema @ (Value::Object(_) | Value::Bool(_))) => schema,
        Some(other) => return Err(place.field("schema").expected("an object", &other)),
        // OpenAI takes a schema without content.
        None => Value::Object(Map::new()),
    };
    let mut schema = JsonSchema::new(name.unwrap_or_else(|| "answer".to_owned()), schema);
    schema.description = fields.text("description")?.unwrap_or_default();
    schema.strict = fields.flag("strict")?;
    schema.extensions.extend(fields.others(ExtensionLevel::Schema, "openai."));
    format.retain(|name, value| !["type", "json_schema"].contains(&name.as_str()) && !value.is_null());
    if !format.is_empty() {
        schema.extensions.insert(BESIDE_SCHEMA.to_owned(), format.into());
    }
    Ok(OutputFormat::JsonSchema(schema))
}
