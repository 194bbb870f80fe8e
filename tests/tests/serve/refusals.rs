//! A refusal of a provider of OpenAI's formats is told once, and as a refusal.

use arcllm_simulator::{Format, Reply};
use serde_json::{Value, json};

use crate::{scene::replies, serve::gateway::Gateway, support::Chain, verbatim::streams::sends};

const NO: &str = "I can't help with that.";

/// A refusal of a provider of this format, whole and in pieces.
fn refusal(format: Format) -> [Reply; 2] {
    let (pieces, usage) = (NO.split_at(7), json!({"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}));
    if format == Format::OpenAi {
        let message = json!({"role": "assistant", "content": null, "refusal": NO});
        let whole = json!({"id": "c", "model": "m", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}], "usage": usage});
        let chunk = |delta: Value, reason: Value| {
            let choice = json!({"index": 0, "delta": delta, "finish_reason": reason});
            format!("data: {}\n\n", json!({"id": "c", "model": "m", "choices": [choice]}))
        };
        let piece = |piece: &str| chunk(json!({"refusal": piece}), Value::Null);
        let role = chunk(json!({"role": "assistant", "content": "", "refusal": null}), Value::Null);
        let end = chunk(json!({}), "stop".into()) + "data: [DONE]\n\n";
        return [Reply::json(&whole), sends([role, piece(pieces.0), piece(pieces.1), end])];
    }
    let item = |content: Value| json!({"type": "message", "id": "m1", "status": "completed", "role": "assistant", "content": content});
    let part = |text: &str| json!({"type": "refusal", "refusal": text});
    let response = |status: &str, output: Value| json!({"id": "r1", "object": "response", "status": status, "model": "m", "output": output});
    let whole = response("completed", json!([item(json!([part(NO)]))]));
    let at = |kind: &str, more: Value| {
        let mut event =
            json!({"type": format!("response.{kind}"), "item_id": "m1", "output_index": 0, "content_index": 0});
        event.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        format!("event: response.{kind}\ndata: {event}\n\n")
    };
    let events = [
        at("created", json!({"response": response("in_progress", json!([]))})),
        at("output_item.added", json!({"item": item(json!([]))})),
        at("content_part.added", json!({"part": part("")})),
        at("refusal.delta", json!({"delta": pieces.0})),
        at("refusal.delta", json!({"delta": pieces.1})),
        at("refusal.done", json!({"refusal": NO})),
        at("content_part.done", json!({"part": part(NO)})),
        at("output_item.done", json!({"item": item(json!([part(NO)]))})),
        at("completed", json!({"response": whole})),
    ];
    [Reply::json(&whole), sends(events)]
}

#[tokio::test]
async fn are_told_once() {
    let modules = [("", ""), ("redact", ""), ("resume", "mode = \"continue\"")];
    let all = modules.iter().flat_map(|module| [Format::OpenAi, Format::Responses].map(|format| (format, *module)));
    for (format, (module, settings)) in all {
        for (path, is_chat) in [("/v1/chat/completions", true), ("/v1/responses", false)] {
            let provider = replies(refusal(format)).await;
            let chain = Chain::new().provider("a", format, &provider.url());
            let chain = if module.is_empty() { chain } else { chain.module(module, settings) };
            let gateway = Gateway::start(&chain).await;
            let ask = |stream: bool| json!({"model": "a", "stream": stream, "input": "Hi", "messages": [{"role": "user", "content": "Hi"}]});
            let whole = gateway.post(path, &ask(false)).await.json();
            let streamed = gateway.post(path, &ask(true)).await;
            let about = format!("{format}, {path}, {module}: {whole}, {}", streamed.body);
            let datas: Vec<Value> =
                streamed.events().iter().filter_map(|(_, data)| serde_json::from_str(data).ok()).collect();
            let joined =
                |place: &str| -> String { datas.iter().filter_map(|data| data.pointer(place)?.as_str()).collect() };
            if is_chat {
                let message = &whole["choices"][0]["message"];
                assert_eq!((&message["content"], &message["refusal"]), (&Value::Null, &json!(NO)), "{about}");
                assert_eq!(
                    (joined("/choices/0/delta/content"), joined("/choices/0/delta/refusal")),
                    (String::new(), NO.to_owned()),
                    "{about}"
                );
            } else {
                let refusals = |response: &Value| {
                    let content = response["output"][0]["content"].as_array().unwrap();
                    assert_eq!((content.len(), &content[0]["refusal"]), (1, &json!(NO)), "{about}");
                };
                refusals(&whole);
                refusals(&datas.last().unwrap()["response"]);
                assert_eq!(joined("/delta"), NO, "{about}");
                assert!(!streamed.body.contains("output_text.delta"), "{about}");
            }
        }
    }
}
