//! What these tests share: providers by the name of their preset, and what one of them is sent.

use crate::{
    scene::{replies, soon},
    support::Chain,
};
use arcllm::{Error, Host, Overrides, Request};
use arcllm_simulator::{Format, Simulator};
use serde_json::{Value, json};

/// The presets, with their formats, and a provider of OpenAI Responses. Those of OpenAI's format with rules of their own come first.
pub(crate) const PRESETS: [(&str, Format); 12] = [
    ("mistral", Format::OpenAi),
    ("deepseek", Format::OpenAi),
    ("groq", Format::OpenAi),
    ("tgi", Format::OpenAi),
    ("ollama", Format::OpenAi),
    ("vllm", Format::OpenAi),
    ("openai", Format::OpenAi),
    ("together", Format::OpenAi),
    ("fireworks", Format::OpenAi),
    ("huggingface", Format::OpenAi),
    ("anthropic", Format::Anthropic),
    ("responses", Format::Responses),
];

/// Adds this preset, at the address of a simulator and without a key.
pub(crate) fn add(chain: Chain, name: &str, format: Format, provider: &Simulator, settings: &str) -> Chain {
    let settings = format!("api_key_env = \"\"\n{settings}");
    chain.provider_with(name, format, &provider.url(), &settings)
}

/// A host of this chain.
pub(crate) fn host(chain: &Chain) -> Host {
    chain.folder().unwrap().host().unwrap()
}

/// A request in the JSON of `arcllm invoke --request`.
pub(crate) fn request(json: Value) -> Request {
    serde_json::from_value(json).unwrap()
}

/// The body that this preset is sent for a request, or the error before anything is sent.
pub(crate) async fn sent_with(name: &str, settings: &str, host_settings: &str, asked: Value) -> Result<Value, Error> {
    let format = PRESETS.iter().find(|(preset, _)| *preset == name).map_or(Format::OpenAi, |(_, format)| *format);
    let provider = replies([]).await;
    let chain = add(Chain::new().host(host_settings), name, format, &provider, settings);
    let model = soon(host(&chain).load_model(name, Overrides::new())).await.unwrap();
    let answer = soon(model.invoke_with(request(asked))).await;
    let requests = provider.requests();
    match answer {
        Ok(_) => Ok(requests[0].body.clone()),
        Err(error) => {
            assert!(requests.is_empty(), "it was sent, and then {error}");
            Err(error)
        }
    }
}

/// The body that this preset is sent for a request.
pub(crate) async fn sent(name: &str, asked: Value) -> Value {
    sent_with(name, "", "", asked).await.unwrap()
}

/// The body that this preset is sent for these messages.
pub(crate) async fn messages_sent(name: &str, messages: Value) -> Value {
    sent(name, json!({"messages": messages})).await["messages"].take()
}

/// The message of the `usage` error for a request that is not sent.
pub(crate) async fn refused(name: &str, asked: Value) -> String {
    let error = sent_with(name, "", "", asked).await.unwrap_err();
    assert_eq!(error.kind.as_str(), "usage", "{error}");
    error.to_string()
}

/// A tool call as a block.
pub(crate) fn call(id: &str) -> Value {
    json!({"type": "tool_use", "id": id, "name": "weather", "arguments": {"city": "Oslo"}})
}

/// A result as a block.
pub(crate) fn result(id: &str) -> Value {
    json!({"type": "tool_result", "tool_use_id": id, "content": "Rain"})
}

/// A user who asks, and a model that asks for tools and has their results: the blocks of its answer, and the ids.
pub(crate) fn tool_loop(answer: Value, ids: &[&str]) -> Value {
    let results: Vec<Value> = ids.iter().map(|id| result(id)).collect();
    json!([
        {"role": "user", "content": "How is the weather?"},
        {"role": "assistant", "content": answer},
        {"role": "tool", "content": results},
    ])
}

/// The tool of these conversations.
pub(crate) fn tools() -> Value {
    json!([{"name": "weather", "description": "The weather of a city", "parameters": {
        "type": "object", "properties": {"city": {"type": "string"}},
    }}])
}
