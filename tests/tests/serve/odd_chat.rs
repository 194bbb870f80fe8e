//! What real servers of Chat Completions do beside the standard, behind modules that read the answer.

use arcllm_simulator::{Format, Reply};
use serde_json::{Value, json};

use crate::{
    scene::replies,
    serve::gateway::{Answer, Gateway},
    support::Chain,
    verbatim::streams::sends,
};

const SECRET: &str = "jane@example.com";

/// What a client of this route gets behind this module.
async fn answered(reply: Reply, module: &str, path: &str, is_streamed: bool) -> Answer {
    let provider = replies([reply]).await;
    let gateway = Gateway::start(&Chain::new().provider("a", Format::OpenAi, &provider.url()).module(module, "")).await;
    let field = if path == "/v1/responses" { "input" } else { "messages" };
    let asked = json!([{"role": "user", "content": format!("I am {SECRET}")}]);
    let answer = gateway
        .post(path, &json!({"model": "a", "max_tokens": 9, "stream": is_streamed, "logprobs": true, field: asked}))
        .await;
    assert_eq!(answer.status, 200, "{path}, {module}: {}", answer.body);
    answer
}

const CHAT: &str = "/v1/chat/completions";

/// A choice with these fields.
fn choice(fields: Value) -> Value {
    let mut choice = json!({"index": 0, "finish_reason": null});
    choice.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    choice
}

fn body(choices: Value) -> Value {
    json!({"id": "c", "created": 1, "model": "m", "choices": choices, "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}})
}

fn chunks(choices: impl IntoIterator<Item = Value>) -> Reply {
    let chunks = choices.into_iter().map(|choice| {
        let mut chunk = body(json!([choice]));
        chunk.as_object_mut().unwrap().remove("usage");
        format!("data: {chunk}\n\n")
    });
    sends(chunks.chain(["data: [DONE]\n\n".to_owned()]))
}

/// All deltas of a streamed answer.
fn deltas(answer: &Answer) -> Vec<Value> {
    let events = answer.events();
    let datas = events.iter().filter_map(|(_, data)| serde_json::from_str::<Value>(data).ok());
    datas.filter_map(|data| data.pointer("/choices/0/delta").cloned()).collect()
}

fn joined(answer: &Answer, field: &str) -> String {
    deltas(answer).iter().filter_map(|delta| delta[field].as_str()).collect()
}

/// Gateways in front of Gemini do so.
#[tokio::test]
async fn each_chunk_may_say_why_the_answer_ends() {
    for path in [CHAT, "/v1/messages", "/v1/responses"] {
        let pieces = ["Write to ja", "ne@exam", "ple.com now."];
        let reply = chunks(pieces.map(|piece| choice(json!({"delta": {"content": piece}, "finish_reason": "stop"}))));
        let answer = answered(reply, "redact", path, true).await;
        assert!(answer.body.contains("[EMAIL_1]"), "{path}: {}", answer.body);
        let places = ["/choices/0/delta/content", "/delta/text", "/delta"];
        let events = answer.events();
        let datas = events.iter().filter_map(|(_, data)| serde_json::from_str::<Value>(data).ok());
        let said: String = datas
            .filter_map(|data| places.iter().find_map(|place| Some(data.pointer(place)?.as_str()?.to_owned())))
            .collect();
        assert_eq!(said, "Write to [EMAIL_1] now.", "{path}: {}", answer.body);
        let begun = answer.body.matches("\"content_block_start\",").count();
        assert_eq!(begun, usize::from(path == "/v1/messages"), "one text is one block: {}", answer.body);
    }
}

/// vLLM counts the tokens of calls among those of the answer, and Together has a form of its own.
#[tokio::test]
async fn tokens_of_what_a_module_has_changed_are_not_handed_on() {
    let tokens = ["{\"to\":\"", SECRET, "\"}"];
    let newer = json!({"content": tokens.map(|token| json!({"token": token, "logprob": -0.1}))});
    let older = json!({"tokens": tokens, "token_logprobs": [-0.1, -0.1, -0.1]});
    for logprobs in [newer, older] {
        for to in [SECRET, "nobody"] {
            let function = json!({"name": "send", "arguments": json!({"to": to}).to_string()});
            let call = json!({"index": 0, "id": "c1", "type": "function", "function": function});
            let fields = json!({"role": "assistant", "content": null, "tool_calls": [call]});
            let whole = json!({"message": fields, "logprobs": logprobs, "finish_reason": "tool_calls"});
            let answer = answered(Reply::json(&body(json!([choice(whole)]))), "redact", CHAT, false).await;
            assert_eq!(answer.body.contains(SECRET), to != SECRET, "{}", answer.body);
            let whole = json!({"delta": fields, "logprobs": logprobs, "finish_reason": "tool_calls"});
            let answer = answered(chunks([choice(whole)]), "redact", CHAT, true).await;
            assert!(!answer.body.contains(SECRET), "{}", answer.body);
        }
    }
    let text = json!({"tokens": ["He", "llo"], "token_logprobs": [-0.1, -0.2]});
    let message = json!({"role": "assistant", "content": "Hello"});
    let whole = choice(json!({"message": message, "logprobs": text, "finish_reason": "stop"}));
    let answer = answered(Reply::json(&body(json!([whole]))), "redact", CHAT, false).await;
    assert_eq!(answer.json()["choices"][0]["logprobs"], text, "{}", answer.body);
}

/// Some providers have a field of their own for several answers.
#[tokio::test]
async fn a_choice_that_no_module_has_read_is_left_out() {
    let said = |index: u64, text: &str| {
        let message = json!({"role": "assistant", "content": text});
        json!({"index": index, "message": message, "finish_reason": "stop"})
    };
    let reply = || Reply::json(&body(json!([said(0, "Nothing."), said(1, SECRET)])));
    let answer = answered(reply(), "redact", CHAT, false).await;
    assert_eq!(answer.json()["choices"].as_array().unwrap().len(), 1, "{}", answer.body);
    assert!(!answer.body.contains(SECRET), "{}", answer.body);
    let answer = answered(reply(), "retry", CHAT, false).await;
    assert_eq!(answer.json()["choices"].as_array().unwrap().len(), 2, "nobody reads it: {}", answer.body);
}

/// OpenRouter's `reasoning`, and its own word for why the answer ends.
#[tokio::test]
async fn reasoning_and_the_end_have_the_fields_of_the_provider() {
    let end = json!({"finish_reason": "stop", "native_finish_reason": "STOP"});
    for fields in [vec!["reasoning"], vec!["reasoning_content"], vec!["reasoning_content", "reasoning"]] {
        let reasoned: serde_json::Map<String, Value> =
            fields.iter().map(|field| ((*field).to_owned(), "Hm.".into())).collect();
        let mut message = json!({"role": "assistant", "content": format!("Ask {SECRET}.")});
        message.as_object_mut().unwrap().extend(reasoned.clone());
        let mut whole = choice(end.clone());
        whole["message"] = message;
        let answer = answered(Reply::json(&body(json!([whole]))), "redact", CHAT, false).await;
        let given = answer.json()["choices"][0].take();
        assert_eq!(given["native_finish_reason"], "STOP", "{}", answer.body);
        for field in ["reasoning", "reasoning_content"] {
            let expected = if fields.contains(&field) { json!("Hm.") } else { Value::Null };
            assert_eq!(given["message"][field], expected, "{field} of {fields:?}: {}", answer.body);
        }
        let streamed = [
            choice(json!({"delta": reasoned})),
            choice(json!({"delta": {"content": format!("Ask {SECRET}.")}})),
            choice(json!({"delta": {}, "finish_reason": "stop", "native_finish_reason": "STOP"})),
        ];
        let answer = answered(chunks(streamed), "redact", CHAT, true).await;
        assert!(answer.body.contains("\"native_finish_reason\":\"STOP\""), "{}", answer.body);
        for field in ["reasoning", "reasoning_content"] {
            let expected = if fields.contains(&field) { "Hm." } else { "" };
            assert_eq!(joined(&answer, field), expected, "{field} of {fields:?}: {}", answer.body);
        }
    }
}

#[tokio::test]
async fn sound_that_comes_in_pieces_is_whole() {
    let pieces = [
        json!({"role": "assistant", "audio": {"id": "au", "transcript": "Hello"}}),
        json!({"audio": {"transcript": " there", "data": "AAAA"}}),
        json!({"audio": {"data": "BBBB", "expires_at": 9}}),
    ];
    let end = choice(json!({"delta": {}, "finish_reason": "stop"}));
    let reply = chunks(pieces.map(|delta| choice(json!({"delta": delta}))).into_iter().chain([end]));
    let answer = answered(reply, "redact", CHAT, true).await;
    let sounds: Vec<Value> = deltas(&answer).iter().filter_map(|delta| delta.get("audio").cloned()).collect();
    let expected = json!({"id": "au", "transcript": "Hello there", "data": "AAAABBBB", "expires_at": 9});
    assert_eq!(sounds, [expected], "{}", answer.body);
}

/// Whatever stands in the fields that name the answer, each chunk is JSON.
#[tokio::test]
async fn odd_names_of_an_answer_break_no_chunk() {
    for odd in [json!({}), json!({"a": {}}), json!([]), json!("}")] {
        let mut chunk = body(json!([choice(json!({"delta": {"content": "Hi."}, "finish_reason": "stop"}))]));
        (chunk["system_fingerprint"], chunk["service_tier"]) = (odd.clone(), odd);
        let reply = sends([format!("data: {chunk}\n\n"), "data: [DONE]\n\n".to_owned()]);
        let answer = answered(reply, "redact", CHAT, true).await;
        for (_, data) in answer.events().iter().filter(|(_, data)| data != "[DONE]") {
            assert!(serde_json::from_str::<Value>(data).is_ok(), "{data}");
        }
    }
}
