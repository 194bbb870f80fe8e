//! The options of a caller at a model that fallback asks, and reasoning with a budget.

use std::time::Duration;

use arcllm::{Overrides, Response};
use arcllm_simulator::{Format, Reply};
use serde_json::{Value, json};

use super::stage::{add, call, host, request, result, sent, sent_with, tool_loop, tools};
use crate::{
    scene::{replies, soon},
    support::Chain,
};

#[tokio::test]
async fn a_budget_for_reasoning_fits_the_limit_of_the_answer() {
    let asked = |options: Value| json!({"messages": [{"role": "user", "content": "Hi"}], "options": options});
    let budget = |tokens: u32| json!({"type": "enabled", "budget_tokens": tokens});
    for options in
        [json!({"reasoning": {"budget_tokens": 10_000}}), json!({"extensions": {"anthropic.thinking": budget(10_000)}})]
    {
        let body = sent("anthropic", asked(options)).await;
        assert_eq!((&body["thinking"], &body["max_tokens"]), (&budget(10_000), &json!(14_096)));
    }
    let body = sent("anthropic", asked(json!({"reasoning": {"budget_tokens": 2000}}))).await;
    assert_eq!((&body["thinking"], &body["max_tokens"]), (&budget(2000), &json!(4096)));

    for options in [
        json!({"max_tokens": 2000, "reasoning": {"budget_tokens": 2000}}),
        json!({"max_tokens": 500, "reasoning": "low"}),
        json!({"max_tokens": 500, "extensions": {"anthropic.thinking": budget(2000)}}),
    ] {
        let error =
            sent_with("anthropic", "default_model = \"claude-sonnet-4-5\"", "", asked(options)).await.unwrap_err();
        assert!(error.to_string().contains("options.max_tokens is"), "{error}");
    }
    let ceiling = "default_model = \"m\"\nmodels.m.max_output_tokens = 9000";
    let fits = sent_with("anthropic", ceiling, "", asked(json!({"reasoning": {"budget_tokens": 8000}}))).await.unwrap();
    assert_eq!((&fits["thinking"], &fits["max_tokens"]), (&budget(8000), &json!(9000)));
    let error = sent_with("anthropic", ceiling, "", asked(json!({"reasoning": {"budget_tokens": 9000}}))).await;
    assert!(error.unwrap_err().to_string().contains("answers at most 9000 tokens"));
}

/// What the first and the second provider are sent, if the first fails.
async fn both(second: (&str, Format), settings: &str, options: Value) -> (Value, Value) {
    let (a, b) = (replies([Reply::status(500)]).await, replies([]).await);
    let chain = Chain::new().provider("a", Format::OpenAi, &a.url());
    let chain = add(chain, second.0, second.1, &b, settings);
    let host = host(&chain.module("fallback", &format!("chain = [\"a\", {:?}]", second.0)));
    let model = soon(host.load_model("a", Overrides::new())).await.unwrap();
    let asked = request(json!({"messages": [{"role": "user", "content": "Hi"}], "options": options, "tools": tools()}));
    let _: Response = soon(model.invoke_with(asked)).await.unwrap();
    (a.requests()[0].body.clone(), b.requests()[0].body.clone())
}

#[tokio::test]
async fn a_target_gets_what_it_takes_and_the_first_what_the_caller_said() {
    let options = || json!({"max_tokens": 9000, "temperature": 0.3});
    let ceiling = "default_model = \"gpt-5\"\nmodels.gpt-5.max_output_tokens = 5000";
    let (first, second) = both(("openai", Format::OpenAi), ceiling, options()).await;
    assert_eq!((&first["max_tokens"], &first["temperature"]), (&json!(9000), &json!(0.3)));
    assert_eq!((&second["max_completion_tokens"], second.get("temperature")), (&json!(5000), None));

    let newer = "default_model = \"claude-opus-4-8\"";
    let (_, second) = both(("anthropic", Format::Anthropic), newer, options()).await;
    assert_eq!((&second["max_tokens"], second.get("temperature")), (&json!(9000), None));

    // It is the caller's choice where the caller asks for the model.
    let asked = json!({"messages": [{"role": "user", "content": "Hi"}], "options": options()});
    let chosen = sent_with("openai", ceiling, "", asked.clone()).await.unwrap();
    assert_eq!((&chosen["max_completion_tokens"], chosen.get("temperature")), (&json!(9000), None), "it refuses one");
    let unknown = sent_with("openai", &ceiling.replace("gpt-5", "gpt-55"), "", asked).await.unwrap();
    assert_eq!((&unknown["max_completion_tokens"], &unknown["temperature"]), (&json!(9000), &json!(0.3)));
}

#[tokio::test]
async fn a_target_that_is_not_known_to_reason_is_not_asked_to() {
    let haiku = "default_model = \"claude-3-5-haiku-latest\"";
    let facts = "default_model = \"m\"\nmodels.m.supports_thinking = true";
    for (preset, settings, field) in [
        ("openai", "default_model = \"gpt-4.1\"", None),
        ("openai", "default_model = \"gpt-5\"", Some("reasoning_effort")),
        ("groq", "", None),
        ("groq", facts, Some("reasoning_effort")),
        ("mistral", "", None),
        ("deepseek", "", Some("thinking")),
        ("anthropic", "default_model = \"claude-sonnet-4-5\"", Some("thinking")),
        ("anthropic", haiku, None),
    ] {
        let format = if preset == "anthropic" { Format::Anthropic } else { Format::OpenAi };
        let (first, second) = both((preset, format), settings, json!({"reasoning": "low"})).await;
        assert_eq!(first["reasoning_effort"], "low");
        let found = ["reasoning_effort", "thinking"].iter().any(|name| second.get(name).is_some());
        assert_eq!(found, field.is_some_and(|field| second.get(field).is_some()), "{preset} {settings}: {second}");
        assert_eq!(found, field.is_some(), "{preset} {settings}: {second}");
    }
}

#[tokio::test]
async fn a_target_that_cannot_be_asked_is_a_failed_hop() {
    let (a, b, c) = (replies([Reply::status(500)]).await, replies([]).await, replies([]).await);
    let chain = Chain::new().provider("a", Format::OpenAi, &a.url());
    let chain = add(chain, "anthropic", Format::Anthropic, &b, "");
    let chain = add(chain, "groq", Format::OpenAi, &c, "");
    let host = host(&chain.module("fallback", "chain = [\"a\", \"anthropic\", \"groq\"]"));
    let model = soon(host.load_model("a", Overrides::new())).await.unwrap();
    let asked =
        json!({"messages": [{"role": "user", "content": "Hi"}], "options": {"output": "json", "deadline_seconds": 60}});
    let answer = soon(model.invoke_with(request(asked))).await.unwrap();
    let outcomes: Vec<&str> = answer.trail.iter().map(|attempt| attempt.outcome.as_str()).collect();
    assert_eq!(outcomes, ["api", "config", "ok"]);
    assert_eq!((b.requests().len(), answer.provider.as_str()), (0, "groq"));
    assert!(answer.trail.iter().all(|attempt| attempt.waited < Duration::from_secs(1)));
}

#[tokio::test]
async fn reasoning_is_not_asked_for_while_the_answer_goes_on_that_was_made_without() {
    let messages = tool_loop(json!([call("aaaaaaaa1")]), &["aaaaaaaa1"]);
    let asked = |messages: &Value| json!({"messages": messages, "options": {"reasoning": {"budget_tokens": 2000}}});
    assert_eq!(sent("anthropic", asked(&messages)).await.get("thinking"), None);
    let thinking = json!({"type": "thinking", "text": "Hm.", "signature": "c2ln"});
    let own = tool_loop(json!([thinking, call("aaaaaaaa1")]), &["aaaaaaaa1"]);
    assert_eq!(sent("anthropic", asked(&own)).await["thinking"]["budget_tokens"], 2000);

    // An answer reasons once, before its first call.
    let second = [
        json!({"role": "assistant", "content": [call("aaaaaaaa2")]}),
        json!({"role": "tool", "content": [result("aaaaaaaa2")]}),
    ];
    for (messages, reasons) in [(own, true), (messages, false)] {
        let mut longer = messages;
        longer.as_array_mut().unwrap().extend(second.clone());
        longer.as_array_mut().unwrap().push(json!({"role": "user", "content": "Hurry!"}));
        assert_eq!(sent("anthropic", asked(&longer)).await.get("thinking").is_some(), reasons);
        let next = [json!({"role": "assistant", "content": "Rain."}), json!({"role": "user", "content": "And now?"})];
        longer.as_array_mut().unwrap().extend(next);
        assert_eq!(sent("anthropic", asked(&longer)).await["thinking"]["budget_tokens"], 2000);
    }
}
