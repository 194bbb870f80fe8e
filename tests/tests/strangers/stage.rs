//! What these tests share: a conversation, and a hostile module.

use crate::{
    scene::{load, soon},
    support::{Chain, Folder, Output, test_module},
};
use arcllm::{Overrides, Request};
use arcllm_simulator::Simulator;
use serde_json::{Value, json};

/// A module that uses what it was not granted.
pub(crate) const HOSTILE: &str = "hostile";

/// One that asks other models, in the blocking world.
pub(crate) const BLOCKING: &str = "blocking";

pub(crate) const EVIL: &str = "https://evil.example/?d=secret";

/// A conversation with an address, and with extensions in every place.
pub(crate) fn conversation() -> Value {
    json!({
        "messages": [
            {"role": "user", "extensions": {"anthropic.mood": "calm"}, "content": [
                {"type": "text", "text": "Look", "extensions": {"anthropic.cache_control": {"type": "ephemeral"}}},
                {"type": "image", "url": "https://example.com/a.png"},
                {"type": "document", "source": {"type": "url", "url": "https://example.com/b.pdf"}},
            ]},
        ],
        "tools": [{"name": "search", "extensions": {"anthropic.type": "web_search", "anthropic.input_schema": null}}],
        "options": {"extensions": {"anthropic.thinking": {"type": "enabled", "budget_tokens": 2000}}},
        "extensions": {"anthropic.mcp_servers": [{"url": "https://example.com/mcp"}], "trace.id": 7},
    })
}

/// A folder with the hostile module in the chain of `chain`, with these settings and grants.
pub(crate) fn hostile(chain: Chain, settings: &str, allow: &[&str]) -> Folder {
    let allow = [&["models"], allow].concat();
    let chain = chain.host("order = [\"hostile\", \"retry\"]\nwatch = false").module("hostile", settings);
    let folder =
        Folder::new(&chain.table("modules.hostile.sandbox", &format!("allow = {allow:?}")).to_string()).unwrap();
    folder.write("modules/hostile.wasm", prebuilt(HOSTILE)).unwrap();
    folder.write("request.json", conversation().to_string()).unwrap();
    folder
}

pub(crate) async fn run(folder: &Folder, arguments: &[&str]) -> Output {
    let config = folder.path().join("config.toml").display().to_string();
    let command = folder.arcllm(arguments).unwrap().arguments(["--config", &config]);
    soon(command.run()).await.unwrap()
}

/// Asks the chain of this folder with the conversation.
pub(crate) async fn ask(folder: &Folder) -> Result<arcllm::Response, arcllm::Error> {
    let model = load(folder, Overrides::new()).await;
    let request: Request = serde_json::from_value(conversation()).unwrap();
    soon(model.invoke_with(request)).await
}

/// The body of the last request that the provider got.
pub(crate) fn body(provider: &Simulator) -> Value {
    provider.requests().last().unwrap().body.clone()
}

/// The component of a test module.
pub(crate) fn prebuilt(name: &str) -> Vec<u8> {
    std::fs::read(test_module(name)).unwrap()
}

/// The same component, with this text replaced by another of the same length.
pub(crate) fn with(name: &str, text: &str, other: &str) -> Vec<u8> {
    assert_eq!(text.len(), other.len());
    let mut bytes = prebuilt(name);
    let at = bytes.windows(text.len()).position(|window| window == text.as_bytes()).unwrap();
    bytes[at..at + text.len()].copy_from_slice(other.as_bytes());
    bytes
}

/// Checks that it has no control characters and no marks that reverse text.
#[track_caller]
pub(crate) fn is_harmless(text: &str) {
    let hostile = text.chars().find(|letter| {
        letter.is_control() && !['\n', '\t'].contains(letter) || ('\u{202a}'..='\u{202e}').contains(letter)
    });
    assert_eq!(hostile, None, "{text:?}");
}
