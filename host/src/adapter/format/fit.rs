//! Fits the options of a caller to a model that a module asks in place of the one that the caller has chosen.

use crate::{
    adapter::format::{family, tool_choice},
    chat::{
        options::{Options, Reasoning},
        wire_format::WireFormat,
    },
    config::{provider::ProviderConfig, quirks::ReasoningForm},
};

/// The least limit of an answer with reasoning in Anthropic's format.
const LEAST_WITH_REASONING: u32 = 1025;

/// Leaves out or lowers what this model would refuse. The model of the caller's choice gets what the caller said.
pub(crate) fn fit(options: &mut Options, provider: &ProviderConfig, model: &str) {
    if let Some(ceiling) = provider.max_output_tokens(model) {
        options.max_tokens = options.max_tokens.map(|tokens| tokens.min(ceiling));
    }
    let is_anthropic = provider.adapter == WireFormat::Anthropic;
    let is_left_out = !is_off(options) && reasons(provider, model) != Some(true);
    let is_refused = is_anthropic && (leaves_no_room(options) || (!is_off(options) && tool_choice::is_forced(options)));
    if is_left_out || is_refused {
        options.reasoning = None;
    }
    if refuses_temperature(provider, model) || (is_anthropic && asks_to_reason(options)) {
        (options.temperature, options.top_p, options.top_k) = (None, None, None);
    }
    if is_anthropic {
        // The API takes up to 1, and not both.
        options.temperature = options.temperature.map(|temperature| temperature.min(1.0));
        options.top_p = options.top_p.filter(|_| options.temperature.is_none());
    }
}

/// Whether the model can be asked to reason: by its facts, by its name, or because its provider has a switch for it. `None` if
/// nothing tells.
pub fn reasons(provider: &ProviderConfig, model: &str) -> Option<bool> {
    let facts = provider.facts(model).supports_thinking;
    let has_switch = matches!(provider.quirks.reasoning, Some(ReasoningForm::Thinking | ReasoningForm::Template));
    facts.or_else(|| family::reasons(model)).or_else(|| has_switch.then_some(true))
}

/// Whether the model refuses a temperature: by its facts, or by its name. The temperature of the configuration is then left out.
pub(crate) fn refuses_temperature(provider: &ProviderConfig, model: &str) -> bool {
    provider.facts(model).refuses_temperature.unwrap_or_else(|| family::refuses_temperature(model))
}

/// Whether the model is known to refuse `temperature`, `top_p` and `top_k`. They are then left out, also where the caller sets
/// them.
pub(crate) fn refuses_sampling(provider: &ProviderConfig, model: &str) -> bool {
    provider.facts(model).refuses_temperature == Some(true)
}

fn is_off(options: &Options) -> bool {
    matches!(options.reasoning, Some(Reasoning::Off | Reasoning::Budget(0)))
}

fn leaves_no_room(options: &Options) -> bool {
    let budget = match &options.reasoning {
        Some(Reasoning::Auto | Reasoning::Effort(_)) => LEAST_WITH_REASONING,
        Some(Reasoning::Budget(tokens)) if *tokens > 0 => LEAST_WITH_REASONING.max(tokens.saturating_add(1)),
        _ => return false,
    };
    options.max_tokens.is_some_and(|tokens| tokens < budget)
}

fn asks_to_reason(options: &Options) -> bool {
    let is_asked = options.reasoning.is_some() && !is_off(options);
    is_asked || options.extensions.contains_key("anthropic.thinking")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::{adapter::http::fixture, config::model_facts::ModelFacts};

    fn fitted(format: WireFormat, model: &str, options: Value) -> Value {
        let mut provider = fixture::provider(format, "http://localhost:1");
        let facts =
            ModelFacts { max_output_tokens: Some(8192), supports_thinking: Some(false), ..ModelFacts::default() };
        provider.models.insert("small".into(), facts);
        let mut options = serde_json::from_value(options).unwrap();
        fit(&mut options, &provider, model);
        serde_json::to_value(options).unwrap()
    }

    #[test]
    fn what_the_model_refuses_is_left_out_or_lowered() {
        use WireFormat::{Anthropic, OpenAi};
        for (format, model, options, expected) in [
            (
                OpenAi,
                "small",
                json!({"max_tokens": 9000, "temperature": 1.5}),
                json!({"max_tokens": 8192, "temperature": 1.5}),
            ),
            (OpenAi, "small", json!({"max_tokens": 9, "reasoning": "low"}), json!({"max_tokens": 9})),
            (OpenAi, "gpt-5", json!({"temperature": 0.2, "top_p": 0.5, "seed": 7}), json!({"seed": 7})),
            (Anthropic, "claude-opus-4-8", json!({"temperature": 0.2, "top_k": 5}), json!({})),
            (Anthropic, "claude-sonnet-4-5", json!({"temperature": 1.5, "top_p": 0.5}), json!({"temperature": 1.0})),
            (Anthropic, "claude-sonnet-4-5", json!({"top_p": 0.5}), json!({"top_p": 0.5})),
            (OpenAi, "gpt-4.1", json!({"reasoning": "low"}), json!({})),
            (OpenAi, "m", json!({"reasoning": "low"}), json!({})),
            (Anthropic, "claude-3-5-haiku-latest", json!({"reasoning": "low"}), json!({})),
            (
                Anthropic,
                "claude-sonnet-4-5",
                json!({"temperature": 0.2, "reasoning": "low"}),
                json!({"reasoning": "low"}),
            ),
            (
                Anthropic,
                "claude-sonnet-4-5",
                json!({"temperature": 0.2, "reasoning": "low", "tool_choice": "required"}),
                json!({"temperature": 0.2, "tool_choice": "required"}),
            ),
            (
                Anthropic,
                "m",
                json!({"temperature": 0.2, "reasoning": "off"}),
                json!({"temperature": 0.2, "reasoning": "off"}),
            ),
            (
                Anthropic,
                "claude-sonnet-4-5",
                json!({"max_tokens": 500, "reasoning": "low"}),
                json!({"max_tokens": 500}),
            ),
            (
                OpenAi,
                "o3",
                json!({"max_tokens": 500, "reasoning": "low"}),
                json!({"max_tokens": 500, "reasoning": "low"}),
            ),
        ] {
            assert_eq!(fitted(format, model, options.clone()), expected, "{model}: {options}");
        }
    }
}
