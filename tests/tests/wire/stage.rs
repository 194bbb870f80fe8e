//! What these tests share: a provider in any format, a conversation, and runs of the command.
//!
//! The requests follow the documentation of the providers:
//! <https://platform.claude.com/docs/en/api/messages>, <https://platform.openai.com/docs/api-reference/chat/create> and
//! <https://platform.openai.com/docs/api-reference/responses/create>.

use crate::scene::{replies, soon};
use crate::support::{Chain, Folder, Output};
use arcllm_simulator::{Format, Reply, Simulator};
use serde_json::Value;

pub(crate) const FORMATS: [Format; 3] = [Format::Anthropic, Format::OpenAi, Format::Responses];

pub(crate) const SECRET: &str = "sk-test-0123456789/abcdef";

/// A conversation with tool calls, their results, and images.
pub(crate) const CONVERSATION: &str = r#"{
    "messages": [
        {"role": "system", "content": "You are a weather service."},
        {"role": "user", "content": "How is the weather in Paris and in Rome?"},
        {"role": "assistant", "content": [
            {"type": "text", "text": "Let me look."},
            {"type": "tool_use", "id": "call_1", "name": "weather", "arguments": {"city": "Paris", "days": 2}},
            {"type": "tool_use", "id": "call_2", "name": "weather", "arguments": {}}
        ]},
        {"role": "tool", "content": [
            {"type": "tool_result", "tool_use_id": "call_1", "content": "Rain", "is_error": false}
        ]},
        {"role": "tool", "content": [
            {"type": "tool_result", "tool_use_id": "call_2", "content": [{"type": "text", "text": "city is missing"}], "is_error": true}
        ]},
        {"role": "user", "content": [
            {"type": "text", "text": "Is it this kind of rain?"},
            {"type": "image", "media_type": "image/png", "data": "iVBORw0KGgo="},
            {"type": "image", "url": "https://example.com/rain.jpg"}
        ]}
    ],
    "tools": [
        {
            "name": "weather",
            "description": "The weather of a city",
            "parameters": {
                "type": "object",
                "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
                "required": ["city"]
            }
        },
        {"name": "now"}
    ],
    "options": {
        "max_tokens": 300, "temperature": 0.5, "top_p": 0.9, "stop": ["END"], "tool_choice": "auto", "seed": 7,
        "labels": {"team": "red"}
    }
}"#;

/// A folder whose only provider has this format and needs a key.
pub(crate) fn folder(format: Format, provider: &Simulator) -> Folder {
    let chain = Chain::new().provider_with("main", format, &provider.url(), "api_key_env = \"MAIN_KEY\"");
    chain.folder().unwrap()
}

/// One run of `arcllm invoke --json` with these arguments.
pub(crate) async fn invoke(folder: &Folder, arguments: &[&str]) -> Output {
    let command = folder.arcllm(["invoke", "--json"]).unwrap().trusted().arguments(arguments).env("MAIN_KEY", SECRET);
    soon(command.run()).await.unwrap()
}

/// The same. Checks that it succeeds, and returns what it printed.
pub(crate) async fn answer(folder: &Folder, arguments: &[&str]) -> Value {
    let output = invoke(folder, arguments).await;
    assert_eq!((output.code, output.stderr.as_str()), (0, ""), "{}", output.stdout);
    output.json().unwrap()
}

/// The body of the only request for these arguments.
pub(crate) async fn sent(format: Format, arguments: &[&str]) -> String {
    let provider = replies([]).await;
    let folder = folder(format, &provider);
    folder.write("conversation.json", CONVERSATION).unwrap();
    answer(&folder, arguments).await;
    let [request] = &*provider.requests() else { panic!("one request") };
    serde_json::to_string_pretty(&request.body).unwrap()
}

/// The output for this reply, as JSON.
pub(crate) async fn read(format: Format, reply: Reply) -> Value {
    let provider = replies([reply]).await;
    answer(&folder(format, &provider), &["Hi"]).await
}
