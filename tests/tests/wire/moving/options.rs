//! The options that every format has: what each of them becomes. docs/formats.md has the same as a table.

use arcllm_simulator::Format;
use serde_json::{Value, json};

use super::stage::{refused, sent, sent_with, tools};

fn asked(options: Value) -> Value {
    json!({"messages": [{"role": "user", "content": "Hi"}], "options": options, "tools": tools()})
}

/// What these options add to the body.
async fn added(preset: &str, settings: &str, options: Value) -> Value {
    let body = sent_with(preset, settings, "", asked(options)).await.unwrap();
    let plain = ["model", "messages", "tools", "max_tokens"];
    let added = body.as_object().unwrap().iter().filter(|(name, _)| !plain.contains(&name.as_str()));
    Value::Object(added.map(|(name, value)| (name.clone(), value.clone())).collect())
}

#[tokio::test]
async fn output() {
    let schema = json!({"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": false});
    let output = json!({"output": {"json_schema": {"name": "it", "schema": schema, "strict": true}}});
    let openai = json!({"type": "json_schema", "json_schema": {"name": "it", "schema": schema, "strict": true}});
    assert_eq!(added("openai", "", output.clone()).await, json!({"response_format": openai}));
    let anthropic = json!({"format": {"type": "json_schema", "schema": schema}});
    assert_eq!(added("anthropic", "", output.clone()).await, json!({"output_config": anthropic}));
    let tgi = json!({"type": "json_object", "value": schema});
    assert_eq!(added("tgi", "", output.clone()).await, json!({"response_format": tgi}));
    let error = refused("deepseek", asked(output)).await;
    assert!(error.contains("options.output is a JSON Schema"), "{error}");

    let open = json!({"type": "object", "properties": {"a": {"type": "string"}}});
    let output = |strict: bool| json!({"output": {"json_schema": {"schema": open, "strict": strict}}});
    let sent = added("openai", "", output(true)).await["response_format"]["json_schema"]["schema"].take();
    assert_eq!(sent, schema);
    let sent = added("openai", "", output(false)).await["response_format"]["json_schema"]["schema"].take();
    assert_eq!(sent, open);
    assert_eq!(added("anthropic", "", output(false)).await["output_config"]["format"]["schema"], schema);
    let named = json!({"output": {"json_schema": {"name": "an answer", "schema": schema}}});
    for preset in ["openai", "anthropic"] {
        let error = refused(preset, asked(named.clone())).await;
        assert!(error.contains("options.output.json_schema.name is \"an answer\""), "{error}");
    }

    let json = json!({"output": "json"});
    assert_eq!(added("deepseek", "", json.clone()).await, json!({"response_format": {"type": "json_object"}}));
    let error = refused("anthropic", asked(json)).await;
    assert!(error.contains("options.output is \"json\""), "{error}");
    for preset in ["anthropic", "openai"] {
        assert_eq!(added(preset, "", json!({"output": "text"})).await, json!({}));
        let raw = json!({"type": "grammar", "grammar": "g"});
        let raw = added(preset, "", json!({"output": raw})).await;
        assert!(raw.to_string().contains(r#"{"type":"grammar","grammar":"g"}"#), "{raw}");
    }
    let foreign = json!({"output": {"type": "json_schema", "json_schema": {"schema": schema}}});
    assert!(refused("anthropic", asked(foreign)).await.contains("in OpenAI's format"));
    let foreign = json!({"output": {"type": "json_schema", "schema": schema}});
    assert!(refused("openai", asked(foreign)).await.contains("in Anthropic's format"));
}

#[tokio::test]
async fn reasoning() {
    let old = "default_model = \"claude-sonnet-4-5\"";
    let new = "default_model = \"claude-opus-4-8\"";
    let effort = |word: &str| json!({"reasoning_effort": word});
    let adaptive = |word: &str| json!({"thinking": {"type": "adaptive"}, "output_config": {"effort": word}});
    let enabled = |tokens: u32| json!({"thinking": {"type": "enabled", "budget_tokens": tokens}});
    let disabled = json!({"thinking": {"type": "disabled"}});
    let deepseek = |word: &str| json!({"thinking": {"type": "enabled"}, "reasoning_effort": word});
    let vllm = json!({"chat_template_kwargs": {"enable_thinking": true}, "reasoning_effort": "low"});
    let budget = json!({"budget_tokens": 3000});
    for (preset, settings, reasoning, expected) in [
        ("openai", "", json!("low"), effort("low")),
        ("openai", "", json!("max"), effort("high")),
        ("openai", "", budget.clone(), effort("medium")),
        ("openai", "default_model = \"gpt-4.1\"", json!("off"), json!({})),
        ("openai", "default_model = \"gpt-5\"", json!("off"), effort("minimal")),
        ("openai", "default_model = \"o3\"", json!("off"), effort("low")),
        ("openai", "default_model = \"gpt-5-chat-latest\"", json!("off"), json!({})),
        ("openai", "default_model = \"o3\"\nquirks.efforts = [\"high\", \"medium\"]", json!("off"), effort("medium")),
        ("openai", "", json!({"effort": "low"}), effort("low")),
        ("groq", "", json!("off"), json!({})),
        ("groq", "default_model = \"openai/gpt-oss-20b\"", json!("off"), effort("low")),
        ("groq", "default_model = \"m\"\nmodels.m.supports_thinking = true", json!("off"), effort("none")),
        ("ollama", "default_model = \"qwen3\"\nquirks.efforts = [\"low\"]", json!("off"), effort("low")),
        ("anthropic", "default_model = \"claude-3-5-haiku-latest\"", json!("off"), json!({})),
        ("deepseek", "", json!({"type": "enabled"}), json!({"thinking": {"type": "enabled"}})),
        ("groq", "", json!("minimal"), effort("low")),
        ("mistral", "", json!("low"), effort("high")),
        ("deepseek", "", json!("max"), deepseek("max")),
        ("deepseek", "", json!("off"), disabled.clone()),
        ("vllm", "", json!("low"), vllm),
        ("vllm", "", json!("off"), json!({"chat_template_kwargs": {"enable_thinking": false}})),
        ("vllm", "quirks.refuses = [\"reasoning\"]", json!("low"), json!({})),
        ("anthropic", old, json!("low"), enabled(2048)),
        ("anthropic", old, budget.clone(), enabled(3000)),
        ("anthropic", old, json!({"budget_tokens": 100}), enabled(1024)),
        ("anthropic", old, json!("off"), disabled.clone()),
        ("anthropic", new, json!("max"), adaptive("max")),
        ("anthropic", new, json!("minimal"), adaptive("low")),
        ("anthropic", new, budget.clone(), adaptive("medium")),
        (
            "anthropic",
            new,
            json!({"type": "adaptive", "display": "omitted"}),
            json!({"thinking": {"type": "adaptive", "display": "omitted"}}),
        ),
        ("anthropic", "default_model = \"glm-5\"", json!("low"), enabled(2048)),
        ("anthropic", "default_model = \"glm-5\"\nquirks.reasoning = \"effort\"", json!("low"), adaptive("low")),
        ("together", "", json!({"enabled": true}), json!({"reasoning": {"enabled": true}})),
    ] {
        let body = added(preset, settings, json!({"reasoning": reasoning})).await;
        assert_eq!(body, expected, "{preset} {settings} {reasoning}");
    }
}

#[tokio::test]
async fn reasoning_that_no_provider_takes_is_named() {
    for (preset, reasoning, part) in [
        ("openai", json!("lwo"), "is \"lwo\""),
        ("anthropic", json!("Low"), "is \"Low\""),
        ("openai", json!({"effort": "lwo"}), "is \"lwo\""),
        ("openai", json!({"effort": "low", "summary": "auto"}), "is JSON"),
        ("together", json!({"effort": "low", "summary": "auto"}), "another API of OpenAI"),
        ("openai", json!({"type": "adaptive"}), "in Anthropic's format"),
        ("groq", json!({"type": "enabled", "budget_tokens": 2000}), "in Anthropic's format"),
        ("anthropic", json!({"effort": "low"}), "in OpenAI's format"),
    ] {
        let error = refused(preset, asked(json!({"reasoning": reasoning}))).await;
        assert!(error.contains("options.reasoning is") && error.contains(part), "{error}");
    }
    assert_eq!(
        added("openai", "quirks.efforts = [\"deep\"]", json!({"reasoning": "deep"})).await,
        json!({"reasoning_effort": "deep"})
    );
}

#[tokio::test]
async fn reasoning_gives_way_to_a_tool_that_the_model_must_use() {
    for choice in [json!("required"), json!({"tool": "weather"})] {
        for reasoning in
            [json!("low"), json!({"budget_tokens": 2000}), json!({"type": "enabled", "budget_tokens": 2000})]
        {
            let options = json!({"reasoning": reasoning, "tool_choice": choice});
            for preset in ["anthropic", "deepseek"] {
                let body = added(preset, "", options.clone()).await;
                assert!(body.get("thinking").is_none() && body.get("reasoning_effort").is_none(), "{preset}: {body}");
                assert!(body["tool_choice"].is_string() || body["tool_choice"].is_object(), "{body}");
            }
        }
        let off = json!({"reasoning": "off", "tool_choice": choice});
        assert_eq!(added("anthropic", "", off).await["thinking"], json!({"type": "disabled"}));
        assert_eq!(
            added("openai", "", json!({"reasoning": "low", "tool_choice": choice})).await["reasoning_effort"],
            "low"
        );
    }
}

#[tokio::test]
async fn tool_choice_and_parallel_calls() {
    for (options, openai, anthropic) in [
        (
            json!({"parallel_tool_calls": false}),
            json!({"parallel_tool_calls": false}),
            json!({"tool_choice": {"type": "auto", "disable_parallel_tool_use": true}}),
        ),
        (
            json!({"parallel_tool_calls": false, "tool_choice": {"tool": "weather"}}),
            json!({"tool_choice": {"type": "function", "function": {"name": "weather"}}, "parallel_tool_calls": false}),
            json!({"tool_choice": {"type": "tool", "name": "weather", "disable_parallel_tool_use": true}}),
        ),
        (
            json!({"parallel_tool_calls": false, "tool_choice": "none"}),
            json!({"tool_choice": "none", "parallel_tool_calls": false}),
            json!({"tool_choice": {"type": "none"}}),
        ),
        (json!({"parallel_tool_calls": true}), json!({"parallel_tool_calls": true}), json!({})),
    ] {
        assert_eq!(added("openai", "", options.clone()).await, openai);
        assert_eq!(added("anthropic", "", options).await, anthropic);
    }
    let no_tools = json!({"messages": [{"role": "user", "content": "Hi"}], "options": {"parallel_tool_calls": false}});
    for preset in ["openai", "anthropic"] {
        let body = sent(preset, no_tools.clone()).await;
        assert!(body.get("parallel_tool_calls").is_none() && body.get("tool_choice").is_none(), "{body}");
    }
}

#[tokio::test]
async fn sampling_user_and_metadata() {
    let options = || json!({"top_k": 5, "seed": 7, "user": "u", "metadata": {"team": "red", "user_id": "v"}});
    let metadata = json!({"team": "red", "user_id": "v"});
    let all = json!({"top_k": 5, "seed": 7, "user": "u", "metadata": metadata});
    assert_eq!(added("together", "", options()).await, all);
    assert_eq!(added("openai", "", options()).await, json!({"seed": 7, "user": "u"}));
    let mut stored = options();
    stored["extensions"] = json!({"openai.store": true});
    let openai = json!({"seed": 7, "user": "u", "metadata": metadata, "store": true});
    assert_eq!(added("openai", "", stored).await, openai);
    assert_eq!(added("groq", "", options()).await, json!({"seed": 7, "user": "u"}));
    assert_eq!(added("mistral", "", options()).await, json!({"random_seed": 7, "metadata": metadata}));
    assert_eq!(added("anthropic", "", options()).await, json!({"top_k": 5, "metadata": {"user_id": "u"}}));
    let only_metadata = added("anthropic", "", json!({"metadata": {"team": "red", "user_id": "v"}})).await;
    assert_eq!(only_metadata, json!({"metadata": {"user_id": "v"}}));
    assert_eq!(added("anthropic", "", json!({"metadata": {"team": "red"}, "labels": {"a": "b"}})).await, json!({}));
}

#[tokio::test]
async fn extensions_win() {
    let options = json!({"reasoning": "low", "user": "u", "extensions": {
        "openai.reasoning_effort": "high", "openai.user": null, "anthropic.thinking": {"type": "disabled"},
        "anthropic.output_config": null, "anthropic.metadata": {"user_id": "w"},
    }});
    assert_eq!(added("openai", "", options.clone()).await, json!({"reasoning_effort": "high"}));
    let expected = json!({"metadata": {"user_id": "w"}, "thinking": {"type": "disabled"}});
    assert_eq!(added("anthropic", "", options).await, expected);
}

/// The tools that each format is sent.
async fn tools_sent(tools: Value) -> (Value, Value) {
    let asked = json!({"messages": [{"role": "user", "content": "Hi"}], "tools": tools});
    (sent("openai", asked.clone()).await["tools"].take(), sent("anthropic", asked).await["tools"].take())
}

#[tokio::test]
async fn tools_strict_cached_and_of_the_provider() {
    let parameters = json!({"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": false});
    let (openai, anthropic) =
        tools_sent(json!([{"name": "f", "parameters": parameters, "strict": true, "cache": {"ttl_seconds": 60}}]))
            .await;
    let function = json!({"name": "f", "parameters": parameters, "strict": true});
    assert_eq!(openai, json!([{"type": "function", "function": function}]));
    let cache = json!({"type": "ephemeral", "ttl": "5m"});
    assert_eq!(anthropic, json!([{"name": "f", "input_schema": parameters, "strict": true, "cache_control": cache}]));

    let theirs = json!({"type": "web_search_20250305", "name": "web_search", "max_uses": 5});
    let ours = json!({"type": "browser_search"});
    let asked = |tool: &Value| json!({"messages": [{"role": "user", "content": "Hi"}], "tools": [tool]});
    assert_eq!(sent("anthropic", asked(&theirs)).await["tools"], json!([theirs]));
    assert_eq!(sent("groq", asked(&ours)).await["tools"], json!([ours]));
    let error = refused("groq", asked(&theirs)).await;
    assert!(error.contains("tools[0] is \"web_search_20250305\""), "{error}");
    let error = refused("anthropic", asked(&ours)).await;
    assert!(error.contains("tools[0] is \"browser_search\""), "{error}");
}

#[tokio::test]
async fn cache_marks() {
    let text = |text: &str, cache: Value| json!({"type": "text", "text": text, "cache": cache});
    let asked = json!({
        "messages": [
            {"role": "system", "content": [text("a", json!(true))]},
            {"role": "user", "content": [text("b", json!(true)), text("c", json!({"ttl_seconds": 3600}))]},
            {"role": "assistant", "content": [text("d", json!(true))]},
            {"role": "user", "content": [text("e", json!({"ttl_seconds": 300}))]},
        ],
        "tools": [{"name": "f", "cache": true}],
    });
    let openai = sent("openai", asked.clone()).await.to_string();
    assert!(!openai.contains("cache"), "{openai}");
    let body = sent("anthropic", asked).await;
    assert_eq!(body.to_string().matches("cache_control").count(), 4, "{body}");
    let marks = [
        (&body["tools"][0], None),
        (&body["system"], None),
        // None is shorter than one behind it.
        (&body["messages"][0]["content"][0], Some(json!({"type": "ephemeral", "ttl": "1h"}))),
        (&body["messages"][0]["content"][1], Some(json!({"type": "ephemeral", "ttl": "1h"}))),
        (&body["messages"][1]["content"][0], Some(json!({"type": "ephemeral"}))),
        (&body["messages"][2]["content"][0], Some(json!({"type": "ephemeral", "ttl": "5m"}))),
    ];
    for (block, expected) in marks {
        assert_eq!(block.get("cache_control"), expected.as_ref(), "{block}");
    }
}

#[tokio::test]
async fn documents_and_recordings() {
    let user = |block: Value| json!({"messages": [{"role": "user", "content": [block]}]});
    let pdf = || json!({"type": "document", "media_type": "application/pdf", "data": "JVBE", "name": "a.pdf"});
    let plain = || json!({"type": "document", "media_type": "text/plain", "data": "aGk=", "name": "Notes"});
    let wave = || json!({"type": "audio", "media_type": "audio/x-wav", "data": "UklG"});
    for (block, openai, anthropic) in [
        (
            pdf(),
            json!({"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBE"}}),
            Some(json!({"type": "document", "title": "a.pdf",
                        "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBE"}})),
        ),
        (
            json!({"type": "document", "file": "file-1"}),
            json!({"type": "file", "file": {"file_id": "file-1"}}),
            Some(json!({"type": "document", "source": {"type": "file", "file_id": "file-1"}})),
        ),
        (wave(), json!({"type": "input_audio", "input_audio": {"data": "UklG", "format": "wav"}}), None),
    ] {
        assert_eq!(sent("openai", user(block.clone())).await["messages"][0]["content"], json!([openai]));
        match anthropic {
            Some(expected) => {
                assert_eq!(sent("anthropic", user(block)).await["messages"][0]["content"], json!([expected]));
            }
            None => assert!(refused("anthropic", user(block)).await.contains("messages[0] has a recording")),
        }
    }
    assert_eq!(sent("openai", user(plain())).await["messages"][0]["content"], "Notes\n\nhi");
    let source = json!({"type": "text", "media_type": "text/plain", "data": "hi"});
    let expected = json!([{"type": "document", "title": "Notes", "source": source}]);
    assert_eq!(sent("anthropic", user(plain())).await["messages"][0]["content"], expected);

    let by_address = json!({"type": "document", "url": "https://example.com/a.pdf"});
    assert!(refused("openai", user(by_address.clone())).await.contains("a document by its address"));
    let expected = json!([{"type": "document", "source": {"type": "url", "url": "https://example.com/a.pdf"}}]);
    assert_eq!(sent("anthropic", user(by_address)).await["messages"][0]["content"], expected);
    let by_address = json!({"type": "audio", "url": "https://example.com/a.wav"});
    assert!(refused("openai", user(by_address)).await.contains("a recording that is not there as data"));
}

#[tokio::test]
async fn a_document_in_a_result_stands_behind_it() {
    let pdf = json!({"type": "document", "media_type": "application/pdf", "data": "JVBE"});
    let result =
        json!({"type": "tool_result", "tool_use_id": "aaaaaaaa1", "content": [{"type": "text", "text": "See"}, pdf]});
    let messages = json!([
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": [super::stage::call("aaaaaaaa1")]},
        {"role": "tool", "content": [result]},
    ]);
    for preset in ["openai", "mistral"] {
        let body = sent(preset, json!({"messages": messages})).await;
        super::valid::check(preset, Format::OpenAi, &body);
        assert!(body.to_string().contains("data:application/pdf;base64,JVBE"), "{body}");
    }
}
