//! What a provider gets of a request: the rows of `docs/translation/chat-completions.md`.

use arcllm_simulator::{Format, Simulator};
use serde_json::{Value, json};

use super::stage::{Gateway, question, with};
use crate::{scene::replies, support::Chain};

/// A gateway in front of two providers: `o` speaks the client's format, `a` Anthropic's.
struct Both {
    gateway: Gateway,
    o: Simulator,
    a: Simulator,
}

impl Both {
    async fn start() -> Self {
        let (o, a) = (replies([]).await, replies([]).await);
        let chain = Chain::new().provider("a", Format::Anthropic, &a.url()).provider("o", Format::OpenAi, &o.url());
        Self { gateway: Gateway::over(&chain), o, a }
    }

    /// The provider of the client's format gets what the client has sent, and the other one this, beside the default message.
    async fn gives(&self, what: &str, body: Value, anthropic: Value) {
        self.passes(what, &body).await;
        self.becomes(what, body, anthropic).await;
    }

    /// The provider of Anthropic's format gets this.
    async fn becomes(&self, what: &str, body: Value, anthropic: Value) {
        let answer = self.gateway.ask(&body).await;
        assert_eq!(answer.status, 200, "{what}: {}", answer.text);
        let mut sent = self.a.requests().pop().unwrap().body;
        ["model", "max_tokens"].iter().for_each(|name| drop(sent.as_object_mut().unwrap().remove(*name)));
        assert_eq!(sent, with(&json!({"messages": [{"role": "user", "content": "Hi"}]}), anthropic), "{what}");
    }

    /// The provider of the client's format gets what the client has sent. The other one cannot do it: the place is named.
    async fn refuses(&self, what: &str, body: Value, place: &str) {
        self.passes(what, &body).await;
        let answer = self.gateway.ask(&body).await;
        assert_eq!(answer.status, 400, "{what}: {}", answer.text);
        let error = &answer.json()["error"];
        assert_eq!(
            (&error["type"], &error["param"]),
            (&json!("invalid_request_error"), &json!(place)),
            "{what}: {error}"
        );
        assert!(error["message"].as_str().unwrap().contains(place), "{what}: {error}");
    }

    async fn passes(&self, what: &str, body: &Value) {
        let answer = self.gateway.ask(&with(body, json!({"model": "o"}))).await;
        assert_eq!(answer.status, 200, "{what}: {}", answer.text);
        let sent = self.o.requests().pop().unwrap().body;
        let stream = json!({"model": "o-model"});
        assert_eq!(
            with(&sent, json!({"stream": false})),
            with(&with(body, stream), json!({"stream": false})),
            "{what}"
        );
    }
}

/// A question of these parts.
fn parts(parts: Value) -> Value {
    question(json!({"messages": [{"role": "user", "content": parts}]}))
}

/// The message of a user with these blocks.
fn blocks(blocks: Value) -> Value {
    json!({"messages": [{"role": "user", "content": blocks}]})
}

fn function(name: &str) -> Value {
    json!({"type": "function", "function": {"name": name, "parameters": {"type": "object", "properties": {}}}})
}

fn tool(name: &str) -> Value {
    json!({"name": name, "input_schema": {"type": "object", "properties": {}}})
}

#[tokio::test]
async fn text_and_system_prompts() {
    let both = Both::start().await;
    both.gives("text", question(json!({})), json!({})).await;
    let user = json!({"role": "user", "content": "Hi"});
    for role in ["system", "developer"] {
        let said = json!({"messages": [{"role": role, "content": "Be brief."}, user]});
        both.gives(role, question(said), json!({"system": "Be brief."})).await;
    }
    let mark = json!({"type": "ephemeral"});
    let marked = json!([{"type": "text", "text": "a", "cache_control": mark}, {"type": "text", "text": "b"}]);
    both.gives("cache marks", parts(marked.clone()), blocks(marked)).await;
    let hour = json!({"type": "ephemeral", "ttl": "1h"});
    let message = json!({"messages": [{"role": "user", "content": "Hi", "cache_control": hour}]});
    let block = json!([{"type": "text", "text": "Hi", "cache_control": hour}]);
    both.gives("a mark at a message", question(message), blocks(block)).await;
    let named = json!({"messages": [{"role": "user", "content": "Hi", "name": "Ann"}]});
    both.gives("the name of a user", question(named), json!({})).await;
}

#[tokio::test]
async fn media() {
    let both = Both::start().await;
    let image = |url: &str| parts(json!([{"type": "image_url", "image_url": {"url": url, "detail": "low"}}]));
    let url = "https://example.com/a.png";
    let by_url = json!([{"type": "image", "source": {"type": "url", "url": url}}]);
    both.gives("an image by its address", image(url), blocks(by_url)).await;
    let data = |media_type: &str| json!({"type": "base64", "media_type": media_type, "data": "QUJD"});
    let as_data = json!([{"type": "image", "source": data("image/png")}]);
    both.gives("an image as data", image("data:image/png;base64,QUJD"), blocks(as_data)).await;
    let pdf = json!([{"type": "document", "source": data("application/pdf"), "title": "a.pdf"}]);
    for file_data in ["data:application/pdf;base64,QUJD", "QUJD"] {
        let file = json!([{"type": "file", "file": {"file_data": file_data, "filename": "a.pdf"}}]);
        both.gives("a document", parts(file), blocks(pdf.clone())).await;
    }
    let by_id = json!([{"type": "file", "file": {"file_id": "f1"}}]);
    let source = json!([{"type": "document", "source": {"type": "file", "file_id": "f1"}}]);
    both.gives("a document by its id", parts(by_id), blocks(source)).await;
    let audio = json!([{"type": "input_audio", "input_audio": {"data": "QUJD", "format": "mp3"}}]);
    both.refuses("a recording", parts(audio), "messages[0]").await;
}

#[tokio::test]
async fn tools_and_their_choice() {
    let both = Both::start().await;
    let mut strict = function("look");
    strict["function"]["strict"] = true.into();
    strict["function"]["description"] = "Looks.".into();
    strict["function"]["parameters"]["additionalProperties"] = false.into();
    let expected = json!([{
        "name": "look", "description": "Looks.", "strict": true,
        "input_schema": {"type": "object", "properties": {}, "additionalProperties": false},
    }]);
    both.gives("a strict tool", question(json!({"tools": [strict]})), json!({"tools": expected})).await;
    let mut marked = function("look");
    marked["cache_control"] = json!({"type": "ephemeral"});
    let expected = with(&tool("look"), json!({"cache_control": {"type": "ephemeral"}}));
    both.gives("a mark at a tool", question(json!({"tools": [marked]})), json!({"tools": [expected]})).await;
    let named = json!({"type": "function", "function": {"name": "look"}});
    for (choice, expected) in [
        (json!("auto"), json!({"type": "auto"})),
        (json!("none"), json!({"type": "none"})),
        (json!("required"), json!({"type": "any"})),
        (named, json!({"type": "tool", "name": "look"})),
    ] {
        let asked = question(json!({"tools": [function("look")], "tool_choice": choice}));
        let expected = json!({"tools": [tool("look")], "tool_choice": expected});
        both.gives(&choice.to_string(), asked, expected).await;
    }
    let one = question(json!({"tools": [function("look")], "parallel_tool_calls": false}));
    let choice = json!({"type": "auto", "disable_parallel_tool_use": true});
    both.gives("one call at a time", one, json!({"tools": [tool("look")], "tool_choice": choice})).await;
    let search = question(json!({"tools": [{"type": "web_search", "web_search": {}}]}));
    both.refuses("a tool of a provider", search, "tools[0]").await;
    let custom = question(json!({"tools": [{"type": "custom", "custom": {"name": "sql"}}]}));
    both.refuses("a tool that takes a text", custom, "tools[0]").await;
}

fn call(id: &str, arguments: &str) -> Value {
    json!({"id": id, "type": "function", "function": {"name": "look", "arguments": arguments}})
}

#[tokio::test]
async fn calls_and_results() {
    let both = Both::start().await;
    let called = json!({
        "role": "assistant", "content": "Both.", "tool_calls": [call("c1", "{\"a\":1}"), call("c2", "not JSON")],
    });
    let result = |id: &str, text: &str| json!({"role": "tool", "tool_call_id": id, "content": text});
    let messages = json!([{"role": "user", "content": "Hi"}, called, result("c2", "two"), result("c1", "one")]);
    let used = |id: &str, input: Value| json!({"type": "tool_use", "id": id, "name": "look", "input": input});
    let answered = |id: &str, text: &str| json!({"type": "tool_result", "tool_use_id": id, "content": text});
    let expected = json!({"messages": [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": [
            {"type": "text", "text": "Both."}, used("c1", json!({"a": 1})), used("c2", json!({"input": "not JSON"})),
        ]},
        {"role": "user", "content": [answered("c1", "one"), answered("c2", "two")]},
    ]});
    both.gives("parallel calls", question(json!({"messages": messages})), expected).await;
    let older = json!({"messages": [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": null, "function_call": {"name": "look", "arguments": "{}"}},
        {"role": "function", "name": "look", "content": "one"},
    ], "functions": [function("look")["function"]], "function_call": {"name": "look"}});
    let expected = json!({"messages": [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": [used("call_1", json!({}))]},
        {"role": "user", "content": [answered("call_1", "one")]},
    ], "tools": [tool("look")], "tool_choice": {"type": "tool", "name": "look", "disable_parallel_tool_use": true}});
    both.gives("the older form", question(older), expected).await;
}

#[tokio::test]
async fn reasoning_and_refusals_of_the_past() {
    let both = Both::start().await;
    let user = json!({"role": "user", "content": "Hi"});
    let told = |answer: Value| question(json!({"messages": [user, answer, user]}));
    let said = |content: Value| json!({"messages": [user, {"role": "assistant", "content": content}, user]});
    for field in ["reasoning_content", "reasoning"] {
        let answer = json!({"role": "assistant", "content": "Yes.", field: "Hm."});
        both.gives(field, told(answer), said(json!("Yes."))).await;
    }
    let signed = |provider: &str| {
        let detail = json!({"type": "reasoning.text", "text": "Hm.", "signature": "s", "arcllm.provider": provider});
        told(json!({"role": "assistant", "content": "Yes.", "reasoning_details": [detail]}))
    };
    let thinking = json!({"type": "thinking", "thinking": "Hm.", "signature": "s"});
    let own = json!([thinking, {"type": "text", "text": "Yes."}]);
    both.becomes("reasoning that this provider has signed", signed("a"), said(own)).await;
    both.becomes("reasoning that another one has signed", signed("b"), said(json!("Yes."))).await;
    let refused = json!({"role": "assistant", "content": null, "refusal": "No."});
    both.gives("a refusal", told(refused), said(json!("No."))).await;
    let part = json!({"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]});
    both.gives("a refusal as a part", told(part), said(json!("No."))).await;
}

#[tokio::test]
async fn options() {
    let both = Both::start().await;
    for (fields, expected) in [
        (json!({"stop": ["END"]}), json!({"stop_sequences": ["END"]})),
        (json!({"stop": "END"}), json!({"stop_sequences": ["END"]})),
        (json!({"temperature": 0.5, "top_k": 5}), json!({"temperature": 0.5, "top_k": 5})),
        (json!({"top_p": 0.5}), json!({"top_p": 0.5})),
        (json!({"seed": 7}), json!({})),
        (json!({"user": "u1", "metadata": {"a": "b"}}), json!({"metadata": {"user_id": "u1"}})),
        (json!({"response_format": {"type": "text"}}), json!({})),
        (json!({"reasoning_effort": "low"}), json!({"thinking": {"type": "enabled", "budget_tokens": 2048}})),
        (json!({"reasoning_effort": "none"}), json!({"thinking": {"type": "disabled"}})),
        (json!({"store": true, "service_tier": "flex", "prompt_cache_key": "k"}), json!({})),
        (json!({"logprobs": true, "top_logprobs": 2, "logit_bias": {"1": 2}}), json!({})),
        (json!({"frequency_penalty": 0.5, "presence_penalty": 0.5, "verbosity": "low"}), json!({})),
        (json!({"n": 1, "stop": null, "temperature": null, "tools": null}), json!({})),
        (json!({"x_new": {"a": [1]}}), json!({})),
    ] {
        both.gives(&fields.to_string(), question(fields.clone()), expected).await;
    }
    let schema = json!({"type": "object", "properties": {}, "additionalProperties": false});
    let format = json!({"type": "json_schema", "json_schema": {"name": "answer", "schema": schema, "strict": true}});
    let expected = json!({"output_config": {"format": {"type": "json_schema", "schema": schema}}});
    both.gives("a schema", question(json!({"response_format": format})), expected).await;
    let json_object = question(json!({"response_format": {"type": "json_object"}}));
    both.refuses("any JSON", json_object, "response_format").await;
    both.refuses("several answers", question(json!({"n": 2})), "n").await;
    both.refuses("spoken answers", question(json!({"audio": {"voice": "a"}, "modalities": ["audio"]})), "audio").await;
    both.refuses("another word", question(json!({"reasoning_effort": "much"})), "reasoning_effort").await;
}

#[tokio::test]
async fn the_most_tokens() {
    let (o, a) = (replies([]).await, replies([]).await);
    let facts = |name: &str| format!("[providers.{name}.models.{name}-model]\nmax_output_tokens = 8000");
    let chain = Chain::new().provider_with("a", Format::Anthropic, &a.url(), &facts("a")).provider_with(
        "o",
        Format::OpenAi,
        &o.url(),
        &facts("o"),
    );
    let gateway = Gateway::over(&chain);
    for name in ["max_tokens", "max_completion_tokens"] {
        for (asked, expected) in [(100, 100), (128_000, 8000)] {
            for (model, provider) in [("a", &a), ("o", &o)] {
                let answer = gateway.ask(&question(json!({"model": model, name: asked}))).await;
                assert_eq!(answer.status, 200, "{}", answer.text);
                let sent = provider.requests().pop().unwrap().body;
                let found = if model == "a" { &sent["max_tokens"] } else { &sent[name] };
                assert_eq!(*found, json!(expected), "{name} {asked}: {sent}");
            }
        }
    }
}
