//! Fields that a format knows, with values of a wrong type: a 400 that names the place, in the client's own words.

use arcllm_simulator::Format;
use serde_json::{Value, json};

use crate::{scene::replies, serve::gateway::Gateway, support::Chain};

/// A route, a good request with fields that no reader of the gateway looks into, and their places.
type Table = (&'static str, Value, &'static [&'static str]);

fn messages() -> Table {
    let image = json!({"type": "base64", "media_type": "image/png", "data": "aGk="});
    let mark = json!({"type": "ephemeral", "ttl": "5m"});
    let result = json!({"type": "tool_result", "tool_use_id": "t", "content": [{"type": "image", "source": image}]});
    let document = json!({"type": "document", "title": "T", "context": "c", "citations": {"enabled": true},
        "source": {"type": "text", "media_type": "text/plain", "data": "hi"}, "cache_control": mark});
    let search = json!({"type": "search_result", "source": "s", "title": "t", "citations": {"enabled": false},
        "content": [{"type": "text", "text": "a"}]});
    let body = json!({
        "model": "a", "max_tokens": 9, "temperature": 0.5, "top_p": 1, "top_k": 3, "stop_sequences": ["x"], "stream": false,
        "system": [{"type": "text", "text": "Be kind.", "cache_control": mark}],
        "messages": [
            {"role": "user", "content": [
                {"type": "image", "source": image, "cache_control": mark}, document, search,
                {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}},
            ]},
            {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "f", "input": {}}]},
            {"role": "user", "content": [result]},
        ],
        "tools": [{"name": "f", "description": "d", "input_schema": {"type": "object"}, "strict": false,
            "cache_control": mark, "defer_loading": false, "allowed_callers": ["direct"], "input_examples": [{}]}],
        "tool_choice": {"type": "auto", "disable_parallel_tool_use": false},
        "thinking": {"type": "disabled"}, "service_tier": "auto", "container": "c", "inference_geo": "us",
        "metadata": {"user_id": "u"}, "context_management": {"edits": [{"type": "x"}]},
        "mcp_servers": [{"type": "url", "name": "n", "url": "https://example.com"}],
        "output_config": {"effort": "low"},
    });
    let places = &[
        "model",
        "max_tokens",
        "temperature",
        "top_p",
        "top_k",
        "stop_sequences",
        "stop_sequences[0]",
        "stream",
        "system",
        "system[0].text",
        "system[0].cache_control",
        "system[0].cache_control.type",
        "system[0].cache_control.ttl",
        "messages",
        "messages[0].role",
        "messages[0].content",
        "messages[0].content[0].source",
        "messages[0].content[0].source.type",
        "messages[0].content[0].source.media_type",
        "messages[0].content[0].source.data",
        "messages[0].content[0].cache_control.ttl",
        "messages[0].content[1].title",
        "messages[0].content[1].context",
        "messages[0].content[1].citations",
        "messages[0].content[1].citations.enabled",
        "messages[0].content[1].source.data",
        "messages[0].content[2].source",
        "messages[0].content[2].title",
        "messages[0].content[3].source.url",
        "messages[1].content[0].id",
        "messages[1].content[0].name",
        "messages[1].content[0].input",
        "messages[2].content[0].tool_use_id",
        "messages[2].content[0].content",
        "messages[2].content[0].content[0].source.data",
        "tools",
        "tools[0].name",
        "tools[0].description",
        "tools[0].input_schema",
        "tools[0].strict",
        "tools[0].cache_control.type",
        "tools[0].defer_loading",
        "tools[0].allowed_callers[0]",
        "tools[0].input_examples[0]",
        "tool_choice.type",
        "tool_choice.disable_parallel_tool_use",
        "thinking",
        "thinking.type",
        "service_tier",
        "container",
        "inference_geo",
        "metadata",
        "metadata.user_id",
        "context_management",
        "context_management.edits",
        "mcp_servers",
        "mcp_servers[0].url",
        "output_config",
        "output_config.effort",
    ];
    ("/v1/messages", body, places)
}

fn chat() -> Table {
    let body = json!({
        "model": "a", "max_completion_tokens": 9, "temperature": 0.5, "top_p": 1, "stop": ["x"], "stream": false, "n": 1,
        "messages": [
            {"role": "user", "name": "u", "content": [
                {"type": "text", "text": "Hi"},
                {"type": "image_url", "image_url": {"url": "https://example.com/a.png", "detail": "low"}},
                {"type": "file", "file": {"file_data": "data:application/pdf;base64,aGk=", "filename": "a.pdf"}},
                {"type": "input_audio", "input_audio": {"data": "aGk=", "format": "mp3"}},
            ]},
            {"role": "assistant", "content": null, "refusal": null, "audio": {"id": "x"}, "tool_calls": [
                {"id": "t", "type": "function", "function": {"name": "f", "arguments": "{}"}},
            ]},
            {"role": "tool", "tool_call_id": "t", "content": "1"},
        ],
        "tools": [{"type": "function", "function": {"name": "f", "description": "d", "parameters": {}, "strict": false}},
            {"type": "custom", "custom": {"name": "c", "description": "d", "format": {"type": "text"}}}],
        "tool_choice": "auto", "parallel_tool_calls": true, "frequency_penalty": 0, "presence_penalty": 0.1, "logprobs": false,
        "top_logprobs": 0, "logit_bias": {"1": 2}, "store": false, "service_tier": "auto", "modalities": ["text"],
        "prediction": {"type": "content", "content": "x"}, "verbosity": "low", "safety_identifier": "s", "seed": 1,
        "prompt_cache_key": "k", "user": "u", "metadata": {"a": "b"}, "reasoning_effort": "low",
        "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {}, "strict": true}},
    });
    let places = &[
        "model",
        "max_completion_tokens",
        "temperature",
        "top_p",
        "stop",
        "stop[0]",
        "stream",
        "n",
        "messages",
        "messages[0].role",
        "messages[0].name",
        "messages[0].content",
        "messages[0].content[0].text",
        "messages[0].content[1].image_url.url",
        "messages[0].content[1].image_url.detail",
        "messages[0].content[2].file.file_data",
        "messages[0].content[2].file.filename",
        "messages[0].content[3].input_audio.data",
        "messages[0].content[3].input_audio.format",
        "messages[1].audio",
        "messages[1].audio.id",
        "messages[1].tool_calls",
        "messages[1].tool_calls[0].id",
        "messages[1].tool_calls[0].function",
        "messages[1].tool_calls[0].function.name",
        "messages[2].tool_call_id",
        "tools",
        "tools[0].type",
        "tools[0].function",
        "tools[0].function.name",
        "tools[0].function.description",
        "tools[0].function.parameters",
        "tools[0].function.strict",
        "tools[1].custom.name",
        "tools[1].custom.format",
        "parallel_tool_calls",
        "frequency_penalty",
        "presence_penalty",
        "logprobs",
        "top_logprobs",
        "logit_bias",
        "store",
        "service_tier",
        "modalities",
        "modalities[0]",
        "prediction",
        "verbosity",
        "safety_identifier",
        "seed",
        "prompt_cache_key",
        "user",
        "metadata",
        "reasoning_effort",
        "response_format",
        "response_format.type",
        "response_format.json_schema",
        "response_format.json_schema.name",
        "response_format.json_schema.strict",
    ];
    ("/v1/chat/completions", body, places)
}

fn responses() -> Table {
    let body = json!({
        "model": "a", "instructions": "Be kind.", "max_output_tokens": 99, "temperature": 0.5, "top_p": 1, "stream": false,
        "input": [
            {"role": "user", "id": "i", "status": "completed", "content": [
                {"type": "input_text", "text": "Hi"},
                {"type": "input_image", "image_url": "https://example.com/a.png", "detail": "low"},
                {"type": "input_file", "file_url": "https://example.com/a.pdf", "filename": "a.pdf"},
            ]},
            {"type": "reasoning", "id": "r", "summary": [{"type": "summary_text", "text": "Hm."}], "encrypted_content": "x"},
            {"type": "message", "role": "assistant", "id": "m", "content":
                [{"type": "output_text", "text": "a", "annotations": [], "logprobs": []}]},
            {"type": "function_call", "id": "f", "call_id": "t", "name": "f", "arguments": "{}", "status": "completed"},
            {"type": "function_call_output", "id": "o", "call_id": "t", "output": "1"},
        ],
        "tools": [{"type": "function", "name": "f", "description": "d", "parameters": {"type": "object"}, "strict": false}],
        "tool_choice": "auto", "parallel_tool_calls": true, "store": false, "include": ["reasoning.encrypted_content"],
        "truncation": "disabled", "reasoning": {"effort": "low", "summary": "auto"}, "max_tool_calls": 3, "top_logprobs": 0,
        "text": {"verbosity": "low", "format": {"type": "json_schema", "name": "n", "schema": {}}}, "service_tier": "auto",
        "safety_identifier": "s", "prompt_cache_key": "k", "user": "u", "metadata": {"a": "b"}, "background": false,
    });
    let places = &[
        "model",
        "instructions",
        "max_output_tokens",
        "temperature",
        "top_p",
        "stream",
        "input",
        "input[0].id",
        "input[0].status",
        "input[0].role",
        "input[0].content",
        "input[0].content[0].text",
        "input[0].content[1].image_url",
        "input[0].content[1].detail",
        "input[0].content[2].file_url",
        "input[0].content[2].filename",
        "input[1].id",
        "input[1].summary",
        "input[1].summary[0].text",
        "input[1].encrypted_content",
        "input[2].id",
        "input[2].content[0].annotations",
        "input[2].content[0].logprobs",
        "input[3].id",
        "input[3].status",
        "input[3].call_id",
        "input[3].name",
        "input[3].arguments",
        "input[4].id",
        "input[4].call_id",
        "input[4].output",
        "tools",
        "tools[0].type",
        "tools[0].name",
        "tools[0].description",
        "tools[0].parameters",
        "tools[0].strict",
        "tool_choice",
        "parallel_tool_calls",
        "store",
        "include",
        "include[0]",
        "truncation",
        "reasoning",
        "reasoning.effort",
        "reasoning.summary",
        "max_tool_calls",
        "top_logprobs",
        "text",
        "text.verbosity",
        "text.format",
        "text.format.type",
        "text.format.name",
        "text.format.schema",
        "service_tier",
        "safety_identifier",
        "prompt_cache_key",
        "user",
        "metadata",
        "metadata.a",
        "background",
    ];
    ("/v1/responses", body, places)
}

/// The place as a JSON pointer.
fn pointer(place: &str) -> String {
    format!("/{}", place.replace('[', "/").replace(']', "").replace('.', "/"))
}

#[tokio::test]
async fn name_their_place() {
    for (path, body, places) in [messages(), chat(), responses()] {
        let formats = [Format::OpenAi, Format::Anthropic, Format::Responses];
        for format in formats {
            let provider = replies([]).await;
            let gateway = Gateway::start(&Chain::new().provider("a", format, &provider.url())).await;
            let good = gateway.post(path, &body).await;
            // What the provider's format cannot say is a 400 too.
            let is_own = path.contains(match format {
                Format::Anthropic => "messages",
                Format::Responses => "responses",
                _ => "chat",
            });
            assert!(good.status == 200 || !is_own, "{path} {format}: {}", good.body);
            let asked = provider.requests().len();
            for place in places {
                let known = body.pointer(&pointer(place)).unwrap_or_else(|| panic!("{path}: {place}"));
                // No field takes both.
                let wrong = if known.is_boolean() { json!("yes") } else { json!(true) };
                let mut body = body.clone();
                *body.pointer_mut(&pointer(place)).unwrap() = wrong;
                let answer = gateway.post(path, &body).await;
                let error = answer.json();
                let message = error["error"]["message"].as_str().unwrap();
                assert_eq!(answer.status, 400, "{path} {format} {place}: {}", answer.body);
                assert!(message.starts_with(&format!("{place}: ")), "{path} {format} {place}: {message}");
                assert!(path == "/v1/messages" || error["error"]["param"] == *place, "{error}");
            }
            assert_eq!(provider.requests().len(), asked, "no provider is asked");
        }
    }
}

/// A limit of tokens is a whole number however it is written, and no larger than a provider can count.
#[tokio::test]
async fn limits_of_tokens_are_read_alike() {
    for (format, path, field) in [
        (Format::OpenAi, "/v1/chat/completions", "max_tokens"),
        (Format::Anthropic, "/v1/messages", "max_tokens"),
        (Format::Responses, "/v1/responses", "max_output_tokens"),
    ] {
        let provider = replies([]).await;
        let gateway = Gateway::start(&Chain::new().provider("a", format, &provider.url())).await;
        for (limit, status) in [
            ("64", 200),
            ("64.0", 200),
            ("6.4e1", 200),
            ("99999999999999999999999", 200),
            ("64.5", 400),
            ("-1", 400),
            ("\"64\"", 400),
        ] {
            let body = format!(
                "{{\"model\": \"a\", \"{field}\": {limit}, \"input\": \"Hi\", \
                 \"messages\": [{{\"role\": \"user\", \"content\": \"Hi\"}}]}}"
            );
            let answer = gateway.send(reqwest::Method::POST, path, &[], body).await;
            assert_eq!(answer.status, status, "{path} {limit}: {}", answer.body);
        }
    }
}

/// JavaScript writes half of an emoji that a text was cut in.
#[tokio::test]
async fn half_of_a_character_is_told_with_its_place() {
    let provider = replies([]).await;
    let gateway = Gateway::start(&Chain::new().provider("a", Format::OpenAi, &provider.url())).await;
    for (path, body, place) in [
        (
            "/v1/chat/completions",
            r#"{"model": "a", "messages": [{"role": "user", "content": [{"type": "text", "text": "x\ud83d"}]}]}"#,
            "messages[0].content[0].text",
        ),
        (
            "/v1/messages",
            r#"{"model": "a", "max_tokens": 9, "messages": [{"role": "user", "content": "\ude00"}]}"#,
            "messages[0].content",
        ),
        ("/v1/responses", r#"{"model": "a", "input": "Hi \ud83dx"}"#, "input"),
    ] {
        let answer = gateway.send(reqwest::Method::POST, path, &[], body).await;
        let message = answer.json()["error"]["message"].as_str().unwrap().to_owned();
        assert_eq!(answer.status, 400);
        assert!(message.starts_with(&format!("{place}: ")) && message.contains("half of a character"), "{message}");
    }
    assert_eq!(provider.requests().len(), 0);
}

/// A list of millions of values takes a hundred times its size in memory.
#[tokio::test]
async fn a_body_of_very_many_values_is_too_large() {
    let provider = replies([]).await;
    let gateway = Gateway::start(&Chain::new().provider("a", Format::OpenAi, &provider.url())).await;
    let question = "\"model\": \"a\", \"max_tokens\": 9, \"input\": \"Hi\", \"messages\": [{\"role\": \"user\", \"content\": \"Hi\"}]";
    let many = |count: usize| format!("{{{question}, \"zz\": [{}[]]}}", "[],".repeat(count));
    for path in ["/v1/chat/completions", "/v1/messages", "/v1/responses"] {
        let answer = gateway.send(reqwest::Method::POST, path, &[], many(4_000_000)).await;
        assert_eq!(answer.status, 413, "{}", answer.body);
        assert!(answer.body.contains("JSON values"), "{}", answer.body);
    }
    assert_eq!(gateway.send(reqwest::Method::POST, "/v1/chat/completions", &[], many(600_000)).await.status, 200);
}
