//! What a provider does otherwise than its wire format says: `[providers.NAME.quirks]`.

use std::collections::BTreeSet;

use serde::{Deserialize, de::DeserializeOwned};

use crate::{
    chat::config_error::ConfigError,
    config::{section::Section, suggest::suggest},
};

/// The options that a provider can refuse.
const OPTIONS: [&str; 10] =
    ["metadata", "parallel_tool_calls", "reasoning", "seed", "stop", "strict", "temperature", "top_k", "top_p", "user"];

/// What a provider does otherwise than its wire format says. Absent is what most providers of the format do.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Quirks {
    /// The ids of tool calls that it takes.
    pub(crate) tool_id: Option<ToolIdRule>,
    /// Where system messages stand.
    pub(crate) system: Option<SystemPlace>,
    /// Whether it refuses a user message after a result of a tool, and an answer without text and calls.
    pub(crate) strict_turns: Option<bool>,
    /// Whether it takes `stream_options`.
    pub(crate) stream_options: Option<bool>,
    /// The name of `max_tokens`.
    pub(crate) max_tokens_field: Option<MaxTokensField>,
    /// The name of `seed`.
    pub(crate) seed_field: Option<SeedField>,
    /// The field beside tool calls that has the reasoning before them. Absent goes by the model.
    pub(crate) reasoning_field: Option<ReasoningField>,
    /// How it is asked to reason.
    pub(crate) reasoning: Option<ReasoningForm>,
    /// The words for how much it reasons. Absent is all words.
    pub(crate) efforts: Option<Vec<String>>,
    /// How it is given a JSON Schema of the answer.
    pub(crate) schema: Option<SchemaForm>,
    /// Further fields of messages and tool calls that it takes. Absent is all.
    pub(crate) message_fields: Option<Vec<String>>,
    /// Options that it refuses. They are left out.
    pub(crate) refuses: Option<BTreeSet<String>>,
}

/// The ids of tool calls that a provider takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ToolIdRule {
    /// All.
    Any,
    /// At most 40 bytes.
    Short,
    /// Exactly nine letters and digits.
    Nine,
    /// At most 64 letters, digits, `_` and `-`.
    Word,
}

/// Where system messages stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SystemPlace {
    Anywhere,
    /// Only at the start, as one.
    First,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum MaxTokensField {
    MaxTokens,
    MaxCompletionTokens,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SeedField {
    Seed,
    RandomSeed,
}

/// The field beside tool calls that has the reasoning before them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ReasoningField {
    ReasoningContent,
    Reasoning,
    None,
}

/// How a provider is asked to reason. In Anthropic's format by a word, or by a budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ReasoningForm {
    /// By `reasoning_effort`.
    Effort,
    /// By `thinking`, and `reasoning_effort` for how much.
    Thinking,
    /// By `enable_thinking` for the template of the chat, and `reasoning_effort` for how much.
    Template,
}

/// How a provider of OpenAI's format is given a JSON Schema of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SchemaForm {
    /// As OpenAI has it.
    JsonSchema,
    /// As the `value` of a `json_object`.
    Value,
    /// It takes none.
    None,
}

impl Quirks {
    /// Reads `quirks`. What it does not set stays as in `base`.
    pub(crate) fn read(mut section: Section<'_>, base: Self) -> Result<Self, ConfigError> {
        let quirks = Self {
            tool_id: choice(&mut section, "tool_id", r#""any", "short", "nine" or "word""#)?.or(base.tool_id),
            system: choice(&mut section, "system", r#""anywhere" or "first""#)?.or(base.system),
            strict_turns: section.flag("strict_turns")?.or(base.strict_turns),
            stream_options: section.flag("stream_options")?.or(base.stream_options),
            max_tokens_field: choice(&mut section, "max_tokens_field", r#""max_tokens" or "max_completion_tokens""#)?
                .or(base.max_tokens_field),
            seed_field: choice(&mut section, "seed_field", r#""seed" or "random_seed""#)?.or(base.seed_field),
            reasoning_field: choice(&mut section, "reasoning_field", r#""reasoning_content", "reasoning" or "none""#)?
                .or(base.reasoning_field),
            reasoning: choice(&mut section, "reasoning", r#""effort", "thinking" or "template""#)?.or(base.reasoning),
            efforts: section.texts("efforts")?.or(base.efforts),
            schema: choice(&mut section, "schema", r#""json_schema", "value" or "none""#)?.or(base.schema),
            message_fields: section.texts("message_fields")?.or(base.message_fields),
            refuses: refuses(&mut section)?.or(base.refuses),
        };
        section.finish()?;
        Ok(quirks)
    }

    /// Whether it refuses this option.
    pub(crate) fn refuses(&self, option: &str) -> bool {
        self.refuses.as_ref().is_some_and(|refused| refused.contains(option))
    }
}

fn choice<T: DeserializeOwned>(
    section: &mut Section<'_>,
    key: &'static str,
    expected: &str,
) -> Result<Option<T>, ConfigError> {
    section.value(key, expected)
}

fn refuses(section: &mut Section<'_>) -> Result<Option<BTreeSet<String>>, ConfigError> {
    let Some(options) = section.texts("refuses")? else { return Ok(None) };
    for (at, option) in options.iter().enumerate() {
        if !OPTIONS.contains(&option.as_str()) {
            let error = section.error("refuses", format!("names the option {option:?} at place {}", at + 1));
            return Err(error.help(suggest(option, OPTIONS)));
        }
    }
    Ok(Some(options.into_iter().collect()))
}

#[cfg(test)]
mod tests {
    use crate::config::{
        config::Config,
        provider::ProviderConfig,
        quirks::{MaxTokensField, Quirks, SeedField, ToolIdRule},
    };

    fn quirks(text: &str, name: &str) -> Quirks {
        Config::parse(text, None).unwrap().providers[name].quirks.clone()
    }

    #[test]
    fn a_preset_has_quirks_and_a_table_changes_single_ones() {
        let mistral = quirks("", "mistral");
        assert_eq!((mistral.tool_id, mistral.seed_field), (Some(ToolIdRule::Nine), Some(SeedField::RandomSeed)));
        assert!(mistral.refuses("top_k") && !mistral.refuses("seed"));
        let changed = quirks("[providers.mistral.quirks]\ntool_id = \"any\"\nrefuses = [\"seed\"]", "mistral");
        assert_eq!((changed.tool_id, changed.seed_field), (Some(ToolIdRule::Any), Some(SeedField::RandomSeed)));
        assert!(changed.refuses("seed") && !changed.refuses("top_k"));
    }

    #[test]
    fn another_name_for_the_server_of_a_preset_has_its_quirks() {
        let own = |url: &str| {
            let table =
                format!("[providers.mine]\nadapter = \"openai\"\nbase_url = {url:?}\nquirks.system = \"first\"");
            quirks(&table, "mine")
        };
        assert_eq!(own("https://api.mistral.ai/v1").tool_id, Some(ToolIdRule::Nine));
        assert_eq!(own("http://localhost:8000/v1"), Quirks { system: own("https://a.b").system, ..Quirks::default() });
        let in_code = ProviderConfig::openai("https://api.openai.com/v1").unwrap();
        assert_eq!(in_code.quirks.max_tokens_field, Some(MaxTokensField::MaxCompletionTokens));
    }

    #[test]
    fn a_program_sets_quirks_as_a_table_does() {
        let provider = || ProviderConfig::preset("mistral").unwrap();
        let config = Config::built_in().unwrap().with_provider("m", provider().quirk("tool_id", "short")).unwrap();
        let quirks = &config.providers["m"].quirks;
        assert_eq!((quirks.tool_id, quirks.seed_field), (Some(ToolIdRule::Short), Some(SeedField::RandomSeed)));
        let wrong = Config::built_in().unwrap().with_provider("m", provider().quirk("tool_ids", "short")).unwrap_err();
        assert_eq!(wrong.key.as_deref(), Some("providers.m.quirks.tool_ids"));
    }

    #[test]
    fn mistakes_name_the_key_and_what_would_be_right() {
        for (line, key, help) in [
            ("tool_ids = \"nine\"", "tool_ids", "did you mean `tool_id`?"),
            ("tool_id = \"ten\"", "tool_id", "\"any\", \"short\", \"nine\" or \"word\""),
            ("stream_options = \"no\"", "stream_options", "true or false"),
            ("refuses = [\"topk\"]", "refuses", "did you mean `top_k`?"),
            ("reasoning_field = \"content\"", "reasoning_field", "\"reasoning_content\", \"reasoning\" or \"none\""),
        ] {
            let error = Config::parse(&format!("[providers.groq.quirks]\n{line}"), None).unwrap_err();
            assert_eq!(error.key.as_deref(), Some(format!("providers.groq.quirks.{key}").as_str()), "{error}");
            assert_eq!((error.line, error.help.as_deref()), (Some(2), Some(help)), "{error}");
        }
    }
}
