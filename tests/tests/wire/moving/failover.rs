//! Failover in the middle of tool use: each provider begins, and each other one goes on.

use arcllm::{Conversation, Host, Model, Overrides, Request, Response, Tool, ToolResult};
use arcllm_simulator::{Format, Reply};
use serde_json::{Value, json};

use super::{
    stage::{PRESETS, add, host, tools},
    valid,
};
use crate::{
    scene::{replies, soon},
    support::Chain,
};

/// What the first provider says, as providers of its format do.
fn asks_for_tools(format: Format) -> Reply {
    let (first, second) = match format {
        Format::Anthropic => ("toolu_01A09q90qw90lq917835lq9x", "toolu_01A09q90qw90lq917835lq9y"),
        _ => ("call_0123456789abcdefghijklmnopqrstuvwxyz0123456789", "functions.weather:1"),
    };
    let reply = Reply::text("Let me look.").thinking("It is about rain.", "c2lnbmF0dXJl");
    let reply = reply.tool_call(first, "weather", json!({"city": "Oslo"}));
    reply.tool_call(second, "weather", json!({"city": "Rome"}))
}

async fn ask(model: &Model, conversation: &Conversation, streamed: bool) -> Response {
    let tools: Vec<Tool> = serde_json::from_value(tools()).unwrap();
    let request = Request::new(conversation.messages().unwrap()).with_tools(tools);
    match streamed {
        true => soon(model.stream_with(request).collect()).await.unwrap(),
        false => soon(model.invoke_with(request)).await.unwrap(),
    }
}

/// The model of the first provider answers with two tool calls. Then it fails, and the second provider goes on.
async fn body_of_second(first: (&str, Format), second: (&str, Format), settings: &str, streamed: bool) -> Value {
    let (a, b) = (replies([asks_for_tools(first.1), Reply::status(503)]).await, replies([]).await);
    let name = if first.0 == second.0 { "other" } else { second.0 };
    let chain = add(Chain::new(), first.0, first.1, &a, "");
    let chain =
        add(chain, name, second.1, &b, settings).module("fallback", &format!("chain = [{:?}, {name:?}]", first.0));
    let host: Host = host(&chain);
    let model = soon(host.load_model(first.0, Overrides::new())).await.unwrap();

    let mut conversation = Conversation::new();
    conversation.system("Be brief.");
    conversation.user("How is the weather in Oslo and in Rome?");
    let answer = ask(&model, &conversation, streamed).await;
    conversation.push(&answer);
    let ids: Vec<String> = answer.tool_calls().map(|call| call.id.clone()).collect();
    assert_eq!(ids.len(), 2);
    for id in ids.iter().rev() {
        conversation.tool_result(ToolResult::text(id, "Rain")).unwrap();
    }
    conversation.system("It is late.");
    conversation.user("And quickly, please.");
    let answer = ask(&model, &conversation, streamed).await;
    assert_eq!((answer.provider.as_str(), answer.trail.len()), (name, 2));
    b.requests()[0].body.clone()
}

#[tokio::test]
async fn each_format_goes_on_where_another_began() {
    let formats = [("anthropic", Format::Anthropic), ("openai", Format::OpenAi), ("responses", Format::Responses)];
    for first in formats {
        for second in formats {
            for streamed in [false, true] {
                let body = body_of_second(first, second, "", streamed).await;
                valid::check(second.0, second.1, &body);
                assert_eq!(body["stream"] == true, streamed);
            }
        }
    }
}

#[tokio::test]
async fn each_preset_goes_on_where_another_began() {
    for second in PRESETS {
        for first in [("anthropic", Format::Anthropic), ("groq", Format::OpenAi), ("responses", Format::Responses)] {
            for streamed in [false, true] {
                let body = body_of_second(first, second, "", streamed).await;
                valid::check(second.0, second.1, &body);
                let text = body.to_string();
                for said in ["Be brief.", "Let me look.", "Oslo", "Rain", "It is late.", "And quickly, please."] {
                    assert!(text.contains(said), "{said} is lost on the way to {}: {body}", second.0);
                }
                assert!(!text.contains("c2lnbmF0dXJl"), "a signature for {}: {body}", second.0);
            }
        }
    }
}

#[tokio::test]
async fn each_preset_with_rules_of_its_own_can_be_left() {
    for first in PRESETS.into_iter().take(6) {
        for second in [("anthropic", Format::Anthropic), ("mistral", Format::OpenAi), ("responses", Format::Responses)]
        {
            if first != second {
                let body = body_of_second(first, second, "", false).await;
                valid::check(second.0, second.1, &body);
            }
        }
    }
}

#[tokio::test]
async fn models_that_take_system_messages_in_place_get_them_there() {
    let openai = ("openai", Format::OpenAi);
    let settings = "default_model = \"claude-opus-4-8\"";
    let body = body_of_second(openai, ("anthropic", Format::Anthropic), settings, false).await;
    valid::check("anthropic", Format::Anthropic, &body);
    assert_eq!(body["system"], "Be brief.");
    let last = body["messages"].as_array().unwrap().last().unwrap();
    assert_eq!(last, &json!({"role": "system", "content": "It is late."}));
}

#[tokio::test]
async fn only_its_author_gets_a_signature_back() {
    let anthropic = ("anthropic", Format::Anthropic);
    for streamed in [false, true] {
        let other = body_of_second(anthropic, anthropic, "", streamed).await;
        valid::check("anthropic", Format::Anthropic, &other);
        assert!(!other.to_string().contains("c2lnbmF0dXJl"), "{other}");

        let provider = replies([asks_for_tools(Format::Anthropic)]).await;
        let host = host(&add(Chain::new(), "anthropic", Format::Anthropic, &provider, ""));
        let model = soon(host.load_model("anthropic", Overrides::new())).await.unwrap();
        let mut conversation = Conversation::new();
        conversation.user("Hi");
        let answer = ask(&model, &conversation, streamed).await;
        conversation.push(&answer);
        for call in answer.tool_calls() {
            conversation.tool_result(ToolResult::text(&call.id, "Rain")).unwrap();
        }
        ask(&model, &conversation, streamed).await;
        let blocks = &provider.requests()[1].body["messages"][1]["content"];
        let thinking = json!({"type": "thinking", "thinking": "It is about rain.", "signature": "c2lnbmF0dXJl"});
        assert_eq!(blocks[0], thinking);
    }
}

#[tokio::test]
async fn deepseek_gets_the_reasoning_of_others_beside_their_calls() {
    for first in [("anthropic", Format::Anthropic), ("groq", Format::OpenAi)] {
        let body = body_of_second(first, ("deepseek", Format::OpenAi), "", false).await;
        let answer =
            &body["messages"].as_array().unwrap().iter().find(|message| message["role"] == "assistant").unwrap();
        assert_eq!(answer["reasoning_content"], "It is about rain.");
    }
}
