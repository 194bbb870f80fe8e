//! Faults in how an answer ends.

use arcllm_simulator::{Fault, Reply, Script, Simulator};
use serde_json::{Value, json};

use crate::client::{COMPLETIONS, MESSAGES, ask};
use crate::sse::{data, stream};

const PATHS: [&str; 2] = [MESSAGES, COMPLETIONS];

/// The answer to a request without streaming.
async fn whole(reply: Reply, path: &str) -> Value {
    let simulator = Simulator::start(Script::new([reply])).await.unwrap();
    ask(&simulator, path).await.json()
}

fn json(data: &str) -> Value {
    serde_json::from_str(data).unwrap()
}

#[tokio::test]
async fn no_done() {
    let fault = || Reply::text("a b").with_fault(Fault::NoDone);
    for path in PATHS {
        let usual = data(Reply::text("a b"), path).await;
        assert_eq!(data(fault(), path).await, usual[..usual.len() - 1]);
        assert_eq!(whole(fault(), path).await, whole(Reply::text("a b"), path).await);
    }
}

/// Without framing, the end of the connection is the end of the body.
#[tokio::test]
async fn no_done_without_framing() {
    let reply = || Reply::text("a").with_fault(Fault::NoDone).without_header("transfer-encoding").streamed();
    let simulator = Simulator::start(Script::new([reply()])).await.unwrap();
    let (bytes, end) = crate::client::whole_exchange(&simulator, COMPLETIONS).await;
    let text = String::from_utf8(bytes).unwrap();
    assert!(!text.contains("content-length") && !text.contains("transfer-encoding"), "{text}");
    assert!(text.ends_with(
        "\"finish_reason\":\"stop\"}],\"service_tier\":\"default\",\"system_fingerprint\":\"fp_simulator\"}\n\n"
    ));
    assert_eq!(end, None);
}

#[tokio::test]
async fn done_instead_of_stop() {
    let fault = || Reply::text("a").with_fault(Fault::DoneInsteadOfStop);
    let text = stream(fault(), MESSAGES).await.text();
    assert!(text.ends_with("\n\ndata: [DONE]\n\n") && text.contains("\"stop_reason\":\"end_turn\""), "{text}");
    assert!(!text.contains("message_stop"));
    assert_eq!(data(fault(), COMPLETIONS).await, data(Reply::text("a"), COMPLETIONS).await);
}

#[tokio::test]
async fn no_finish_reason() {
    let fault = || Reply::text("a").with_fault(Fault::NoFinishReason);
    for path in PATHS {
        let usual = data(Reply::text("a"), path).await;
        let without = data(fault(), path).await;
        assert_eq!(without.len(), usual.len());
        assert!(without.iter().all(|data| !data.contains("_reason\":\"")), "{without:?}");
    }
    assert_eq!(whole(fault(), MESSAGES).await["stop_reason"], Value::Null);
    assert_eq!(whole(fault(), COMPLETIONS).await["choices"][0]["finish_reason"], Value::Null);
}

#[tokio::test]
async fn no_content() {
    let fault = || Reply::text("lost").with_fault(Fault::NoContent);
    let openai = whole(fault(), COMPLETIONS).await;
    assert_eq!(openai["choices"][0]["message"], json!({"role": "assistant"}));
    assert_eq!(
        (&openai["choices"][0]["finish_reason"], &openai["usage"]["total_tokens"]),
        (&json!("length"), &json!(15))
    );
    let chunks: Vec<Value> = data(fault(), COMPLETIONS).await[..3].iter().map(|data| json(data)).collect();
    assert_eq!(chunks[0]["choices"][0]["delta"], json!({"role": "assistant"}));
    assert_eq!(chunks[1]["choices"][0]["delta"], json!({}));
    assert_eq!(chunks[1]["choices"][0]["finish_reason"], "length");
    assert_eq!(chunks[2]["usage"]["total_tokens"], 15);

    let anthropic = whole(fault(), MESSAGES).await;
    assert_eq!((&anthropic["content"], &anthropic["stop_reason"]), (&json!([]), &json!("max_tokens")));
    assert_eq!(anthropic["usage"]["output_tokens"], 5);
    let events = data(fault(), MESSAGES).await;
    let kinds: Vec<_> = events.iter().map(|event| json(event)["type"].as_str().unwrap().to_owned()).collect();
    assert_eq!(kinds, ["message_start", "ping", "message_delta", "message_stop"]);
}

#[tokio::test]
async fn no_content_keeps_the_thinking_and_the_reason_of_the_script() {
    let reply = Reply::text("x").thinking("Hm", "s").stop_reason("end_turn").with_fault(Fault::NoContent);
    let openai = whole(reply.clone(), COMPLETIONS).await;
    assert_eq!(openai["choices"][0]["message"], json!({"role": "assistant", "reasoning_content": "Hm"}));
    assert_eq!(openai["choices"][0]["finish_reason"], "stop");
    let thinking = json!([{"type": "thinking", "thinking": "Hm", "signature": "s"}]);
    assert_eq!(whole(reply, MESSAGES).await["content"], thinking);
}
