//! What is known of models and requests, for modules.

use crate::{
    chat::{size::RequestSize, wire_format::WireFormat},
    config::{known_model::KnownModel, provider::ModelFacts},
    runtime::guest::bindings::arcllm::llm::types as wit,
};

pub(crate) fn facts_out(known: &KnownModel) -> wit::ModelFacts {
    let KnownModel { name, provider, model, format, facts } = known;
    wit::ModelFacts {
        name: name.clone(),
        provider: provider.clone(),
        model: model.clone(),
        context_window: facts.context_window,
        max_output_tokens: facts.max_output_tokens,
        price: price_out(*format, facts),
        capabilities: capabilities(facts),
        extensions: Vec::new(),
    }
}

/// What a model costs, if both directions have a price.
fn price_out(format: Option<WireFormat>, facts: &ModelFacts) -> Option<wit::Price> {
    let cached = match format {
        Some(WireFormat::Anthropic) => "\"apart\"",
        Some(WireFormat::OpenAi | WireFormat::OpenAiResponses) | None => "\"included\"",
    };
    Some(wit::Price {
        input: facts.cost_input_per_1m?,
        output: facts.cost_output_per_1m?,
        cache_read: facts.cost_cache_read_per_1m,
        cache_write: facts.cost_cache_write_per_1m,
        cache_write_hour: facts.cost_cache_write_hour_per_1m,
        extensions: vec![("arcllm.cached".to_owned(), cached.to_owned())],
    })
}

fn capabilities(facts: &ModelFacts) -> Vec<(String, bool)> {
    let takes = |what: &str| {
        let modalities = &facts.input_modalities;
        (!modalities.is_empty()).then(|| modalities.iter().any(|modality| modality == what))
    };
    let known = [
        ("tools", facts.supports_tools),
        ("images", facts.supports_vision.or_else(|| takes("image"))),
        ("documents", takes("document").or_else(|| takes("pdf"))),
        ("audio", takes("audio")),
        ("structured-output", facts.supports_structured_output),
        ("reasoning", facts.supports_thinking),
    ];
    known.into_iter().filter_map(|(name, known)| Some((name.to_owned(), known?))).collect()
}

pub(crate) fn size_out(size: &RequestSize) -> wit::RequestSize {
    let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    wit::RequestSize {
        messages: count(size.messages),
        text_bytes: size.text_bytes,
        images: size.images,
        documents: size.documents,
        recordings: size.recordings,
        tools: count(size.tools),
        estimated_tokens: size.tokens,
        extensions: Vec::new(),
    }
}
