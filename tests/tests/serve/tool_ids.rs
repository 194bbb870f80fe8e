//! The ids of tool calls that a client gets: it can send them back to a provider of its own format, which takes only some.

use std::collections::HashSet;

use arcllm_simulator::{Format, Reply};
use serde_json::{Value, json};

use crate::{scene::replies, serve::in_process::InProcess, support::Chain};

/// Ids of servers: Kimi's, one with blanks, one twice, a long one, and one that fits all formats.
fn odd() -> [String; 5] {
    ["functions.get_weather:0".into(), "a b|c".into(), "a b|c".into(), "x".repeat(100), "call_fits".into()]
}

fn fits(client: Format, id: &str) -> bool {
    let has_only = id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
    match client {
        Format::OpenAi => (1..=40).contains(&id.len()),
        _ => (1..=64).contains(&id.len()) && has_only,
    }
}

/// A request of this format.
fn question(client: Format, streamed: bool) -> (&'static str, Value) {
    let ask = json!([{"role": "user", "content": "Hi"}]);
    let function = json!({"name": "f", "parameters": {"type": "object"}});
    match client {
        Format::OpenAi => {
            let tools = json!([{"type": "function", "function": function}]);
            ("/v1/chat/completions", json!({"model": "a", "stream": streamed, "messages": ask, "tools": tools}))
        }
        Format::Anthropic => {
            let tools = json!([{"name": "f", "input_schema": {"type": "object"}}]);
            (
                "/v1/messages",
                json!({"model": "a", "stream": streamed, "max_tokens": 99, "messages": ask, "tools": tools}),
            )
        }
        _ => {
            let tools = json!([{"type": "function", "name": "f", "parameters": {"type": "object"}}]);
            ("/v1/responses", json!({"model": "a", "stream": streamed, "input": ask, "tools": tools}))
        }
    }
}

/// The ids that the JSON of an answer or an event tells, in their order.
fn told(client: Format, data: &Value, ids: &mut Vec<String>) {
    let list = |place: &str| data.pointer(place).and_then(Value::as_array).cloned().unwrap_or_default();
    let found: Vec<Value> = match client {
        Format::OpenAi => {
            let calls = [list("/choices/0/message/tool_calls"), list("/choices/0/delta/tool_calls")].concat();
            calls.into_iter().map(|call| call["id"].clone()).collect()
        }
        Format::Anthropic => {
            let blocks = [list("/content"), vec![data["content_block"].clone()]].concat();
            blocks.into_iter().filter(|block| block["type"] == "tool_use").map(|block| block["id"].clone()).collect()
        }
        _ => {
            let items = [list("/output"), list("/response/output"), vec![data["item"].clone()]].concat();
            items.into_iter().map(|item| item["call_id"].clone()).collect()
        }
    };
    for id in found.iter().filter_map(Value::as_str) {
        // Responses tells each item several times.
        if client != Format::Responses || !ids.iter().any(|known| known == id) {
            ids.push(id.to_owned());
        }
    }
}

#[tokio::test]
async fn fit_the_format_of_the_client() {
    for provider in [Format::OpenAi, Format::Anthropic, Format::Responses] {
        for client in [Format::OpenAi, Format::Anthropic, Format::Responses] {
            if client == provider {
                continue;
            }
            let asks =
                odd().into_iter().fold(Reply::text("Hm."), |reply, id| reply.tool_call(id, "f", json!({"a": 1})));
            let simulator = replies([asks.clone(), asks]).await;
            let gateway = InProcess::over(&Chain::new().provider("a", provider, &simulator.url()));
            let mut both = Vec::new();
            for streamed in [false, true] {
                let (path, body) = question(client, streamed);
                let answer = gateway.post(path, &[], body.to_string()).await;
                assert_eq!(answer.status, 200, "{provider} {client}: {}", answer.text);
                let mut ids = Vec::new();
                let datas: Vec<&str> = match streamed {
                    false => vec![&answer.text],
                    true => answer.text.lines().filter_map(|line| line.strip_prefix("data: ")).collect(),
                };
                let datas = datas.into_iter().filter_map(|data| serde_json::from_str::<Value>(data).ok());
                datas.for_each(|data| told(client, &data, &mut ids));
                let about = format!("{provider} {client} streamed: {streamed}: {ids:?}");
                assert_eq!(ids.iter().collect::<HashSet<_>>().len(), odd().len(), "{about}");
                assert!(ids.len() == odd().len() && ids.iter().all(|id| fits(client, id)), "{about}");
                let stays = |(id, odd): &(&String, String)| *id == odd;
                let kept = odd().iter().filter(|id| fits(client, id)).collect::<HashSet<_>>().len();
                assert_eq!(ids.iter().zip(odd()).filter(stays).count(), kept, "{about}");
                both.push(ids);
            }
            assert_eq!(both[0], both[1], "whole and streamed agree");
        }
    }
}
