//! Reads how much the model reasons, and the format of its answer: `thinking` and `output_config`.
//!
//! What every provider has becomes an option. Where an adapter would write something else than the client has said, an
//! extension with the client's own JSON stands beside it.

use arcllm::{ExtensionLevel, JsonSchema, Options, OutputFormat, Reasoning};
use serde_json::Value;

use crate::client::{fields::Fields, problem::Problem};

const THINKING: &str = "anthropic.thinking";
const OUTPUT_CONFIG: &str = "anthropic.output_config";

/// The efforts that providers know. Another one is only for Anthropic.
const EFFORTS: [&str; 6] = ["minimal", "low", "medium", "high", "xhigh", "max"];

/// Reads both fields.
pub(crate) fn read(body: &mut Fields<'_>, options: &mut Options) -> Result<(), Problem> {
    let outer = body.place;
    let (place, config) = (outer.field("output_config"), body.take("output_config"));
    let (mut effort, mut has_others) = (None, false);
    if let Some(config) = &config {
        let mut fields = Fields::of(config.clone(), place)?;
        effort = fields.text("effort")?;
        options.output = output(&mut fields, "format")?;
        has_others = !fields.is_empty();
    }
    let is_exact = read_thinking(body, effort.as_deref(), options)?;
    if let Some(config) = config.filter(|_| has_others || (!is_exact && effort.is_some())) {
        options.extensions.insert(OUTPUT_CONFIG.to_owned(), config);
    }
    read_older_format(body, options)
}

/// The field that `output_config.format` has replaced.
fn read_older_format(body: &mut Fields<'_>, options: &mut Options) -> Result<(), Problem> {
    let Some(older) = body.peek("output_format").cloned() else { return Ok(()) };
    if let Some(output) = output(body, "output_format")?
        && options.output.is_none()
    {
        options.output = Some(output);
        options.extensions.insert("anthropic.output_format".to_owned(), older);
        options.extensions.entry(OUTPUT_CONFIG.to_owned()).or_insert(Value::Null);
    }
    Ok(())
}

/// Reads `thinking`. Returns whether adapters write what the client has said.
fn read_thinking(body: &mut Fields<'_>, effort: Option<&str>, options: &mut Options) -> Result<bool, Problem> {
    let known = effort.filter(|word| EFFORTS.contains(word)).map(|word| Reasoning::Effort(word.to_owned()));
    let outer = body.place;
    let place = outer.field("thinking");
    let Some(thinking) = body.take("thinking") else {
        // Adapters would ask for reasoning.
        if known.is_some() {
            options.extensions.insert(THINKING.to_owned(), Value::Null);
        }
        options.reasoning = known;
        return Ok(effort.is_none());
    };
    let mut fields = Fields::of(thinking.clone(), place)?;
    let kind = fields.need_text("type")?;
    options.reasoning = match kind.as_str() {
        "disabled" => Some(Reasoning::Off),
        "enabled" => fields.count("budget_tokens")?.map(Reasoning::Budget),
        "adaptive" => Some(known.unwrap_or(Reasoning::Auto)),
        _ => known,
    };
    // Adapters make a budget of `adaptive` for models that they do not know.
    let is_exact = options.reasoning.is_some()
        && ["disabled", "enabled"].contains(&kind.as_str())
        && fields.is_empty()
        && effort.is_none();
    if !is_exact {
        options.extensions.insert(THINKING.to_owned(), thinking);
    }
    Ok(is_exact)
}

/// Reads the format of the answer.
fn output(fields: &mut Fields<'_>, name: &str) -> Result<Option<OutputFormat>, Problem> {
    let outer = fields.place;
    let place = outer.field(name);
    let Some(format) = fields.take(name) else { return Ok(None) };
    let whole = format.clone();
    let mut format = Fields::of(format, place)?;
    if format.need_text("type")? != "json_schema" {
        return Ok(Some(OutputFormat::Other(whole)));
    }
    let schema = format.object("schema")?.ok_or_else(|| place.field("schema").missing())?;
    let mut schema = JsonSchema::new("answer", schema.into());
    schema.extensions = format.others(ExtensionLevel::Schema, "anthropic.");
    Ok(Some(OutputFormat::JsonSchema(schema)))
}
