//! Requests of OpenAI Responses.

use arcllm::Overrides;
use arcllm_simulator::Format;
use serde_json::{Value, json};

use crate::{
    scene::{replies, soon},
    support::Chain,
    wire::moving::stage::{add, host, refused, request, sent, sent_with},
};

#[tokio::test]
async fn a_conversation_with_tools_and_images() {
    let call =
        |id: &str, arguments: Value| json!({"type": "tool_use", "id": id, "name": "weather", "arguments": arguments});
    let asked = json!({
        "messages": [
            {"role": "system", "content": "You are a weather service."},
            {"role": "user", "content": "How is the weather in Paris and in Rome?"},
            {"role": "assistant", "content": [
                {"type": "text", "text": "Let me look."}, call("call_1", json!({"city": "Paris"})), call("call_2", json!({})),
            ]},
            {"role": "tool", "content": [{"type": "tool_result", "tool_use_id": "call_1", "content": "Rain"}]},
            {"role": "tool", "content": [{"type": "tool_result", "tool_use_id": "call_2", "content": "", "is_error": true}]},
            {"role": "user", "content": [
                {"type": "text", "text": "This kind of rain?"}, {"type": "image", "media_type": "image/png", "data": "iVBORw0KGgo="},
            ]},
        ],
        "tools": [{"name": "weather", "description": "The weather of a city"}],
        "options": {"max_tokens": 300, "temperature": 0.5, "tool_choice": "auto", "parallel_tool_calls": false,
                    "seed": 7, "reasoning": "low", "labels": {"team": "red"}},
    });
    let parameters = json!({"type": "object", "properties": {}});
    let expected = json!({
        "model": "responses-model",
        "input": [
            {"type": "message", "role": "system", "content": "You are a weather service."},
            {"type": "message", "role": "user", "content": "How is the weather in Paris and in Rome?"},
            {"type": "message", "role": "assistant", "content": "Let me look."},
            {"type": "function_call", "call_id": "call_1", "name": "weather", "arguments": "{\"city\":\"Paris\"}"},
            {"type": "function_call", "call_id": "call_2", "name": "weather", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "call_1", "output": "Rain"},
            {"type": "function_call_output", "call_id": "call_2", "output": "error"},
            {"type": "message", "role": "user", "content": [
                {"type": "input_text", "text": "This kind of rain?"},
                {"type": "input_image", "image_url": "data:image/png;base64,iVBORw0KGgo="},
            ]},
        ],
        "max_output_tokens": 300,
        "tools": [{"type": "function", "name": "weather", "description": "The weather of a city", "parameters": parameters, "strict": false}],
        "tool_choice": "auto",
        "parallel_tool_calls": false,
        "temperature": 0.5,
        "reasoning": {"effort": "low"},
        "store": false,
        "include": ["reasoning.encrypted_content"],
    });
    assert_eq!(sent("responses", asked).await, expected);
}

#[tokio::test]
async fn fallback_goes_on_where_the_format_has_no_such_option() {
    let asked = || json!({"messages": [{"role": "user", "content": "Hi"}], "options": {"stop": ["x"]}});
    assert!(refused("responses", asked()).await.contains("options.stop has texts"));
    let body = sent_with("responses", "quirks.refuses = [\"stop\"]", "", asked()).await.unwrap();
    assert_eq!(body.get("stop"), None);
    let (a, b) = (replies([]).await, replies([]).await);
    let chain = add(Chain::new(), "responses", Format::Responses, &a, "");
    let chain = add(chain, "groq", Format::OpenAi, &b, "").module("fallback", "chain = [\"responses\", \"groq\"]");
    let model = soon(host(&chain).load_model("responses", Overrides::new())).await.unwrap();
    let answer = soon(model.invoke_with(request(asked()))).await.unwrap();
    assert_eq!((answer.provider.as_str(), a.requests().len()), ("groq", 0));
    assert_eq!(b.requests()[0].body["stop"], json!(["x"]));
}

/// What OpenAI refuses in Chat Completions it takes in Responses.
#[tokio::test]
async fn a_provider_at_the_server_of_a_preset_has_its_quirks_but_not_what_that_refuses() {
    let provider = |adapter: &str| {
        let text = format!(
            "[providers.own]\nadapter = \"{adapter}\"\nbase_url = \"https://api.openai.com\"\ndefault_model = \"m\""
        );
        let folder = crate::support::Folder::new(&text).unwrap();
        format!("{:?}", folder.host().unwrap().config().providers["own"])
    };
    let (chat, responses) = (provider("openai"), provider("openai-responses"));
    assert!(chat.contains("refuses: Some") && responses.contains("refuses: None"), "{responses}");
    assert!(responses.contains("reasoning_field: Some(None)"), "{responses}");
}

#[tokio::test]
async fn the_adapter_is_known_by_its_name() {
    let folder =
        crate::support::Folder::new("[providers.own]\nadapter = \"responses\"\nbase_url = \"http://localhost:1\"")
            .unwrap();
    let output = soon(folder.arcllm(["invoke", "Hi"]).unwrap().trusted().run()).await.unwrap();
    let expected = "\"anthropic\", \"openai\" or \"openai-responses\": the wire format that the provider speaks";
    assert!(output.code == 2 && output.stderr.contains(expected), "{}", output.stderr);
}
