//! What is known of models and requests, for modules.

use serde_json::json;

use crate::{
    chat::size::RequestSize,
    config::{
        known_model::KnownModel,
        model_facts::ModelFacts,
        price::{LongPrice, Price},
    },
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
        price: Price::of(facts, *format).map(price_out),
        capabilities: capabilities(facts),
        extensions: Vec::new(),
    }
}

fn price_out(price: Price) -> wit::Price {
    let cached = if price.cached_apart { "\"apart\"" } else { "\"included\"" };
    let mut extensions = vec![("arcllm.cached".to_owned(), cached.to_owned())];
    if let Some(LongPrice { above, input, output }) = price.long {
        let long = json!({ "above": above, "input": input, "output": output });
        extensions.push(("arcllm.long".to_owned(), long.to_string()));
    }
    wit::Price {
        input: price.input,
        output: price.output,
        cache_read: price.cache_read,
        cache_write: price.cache_write,
        cache_write_hour: price.cache_write_hour,
        extensions,
    }
}

fn capabilities(facts: &ModelFacts) -> Vec<(String, bool)> {
    let known = [
        ("tools", facts.supports_tools),
        ("images", facts.takes_images()),
        ("documents", facts.takes_documents()),
        ("audio", facts.takes_audio()),
        ("structured-output", facts.supports_structured_output),
        ("reasoning", facts.supports_thinking),
        ("prefix", facts.supports_prefix),
    ];
    known.into_iter().filter_map(|(name, known)| Some((name.to_owned(), known?))).collect()
}

pub(crate) fn size_out(size: &RequestSize) -> wit::RequestSize {
    let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    let answers = size.answers.map(|answers| ("arcllm.answers".to_owned(), answers.to_string()));
    wit::RequestSize {
        messages: count(size.messages),
        text_bytes: size.text_bytes,
        images: size.images,
        documents: size.documents,
        recordings: size.recordings,
        tools: count(size.tools),
        estimated_tokens: size.tokens,
        extensions: answers.into_iter().collect(),
    }
}
