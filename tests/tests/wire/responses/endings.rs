//! How streams of OpenAI Responses end, and the shapes that their tool calls take.

use arcllm::{Error, Message, Overrides, Response};
use arcllm_simulator::{Fault, Format, Place, Reply};
use serde_json::json;

use crate::{
    scene::{load, replies, soon},
    support::Chain,
};

/// The answer of a provider that streams this.
async fn hear(reply: Reply) -> Result<Response, Error> {
    let provider = replies([reply]).await;
    let folder = Chain::new().provider("a", Format::Responses, &provider.url()).folder().unwrap();
    let model = load(&folder, Overrides::new()).await;
    soon(model.stream(&[Message::user("Hi")], &[]).collect()).await
}

fn calls() -> Reply {
    let says = Reply::text("Let me look.").tool_call("call_1", "weather", json!({"city": "Malmö", "days": [1, 2]}));
    says.tool_call("call_2", "time", json!({"zone": "CET"}))
}

#[tokio::test]
async fn tool_calls_in_every_order() {
    let plain = hear(calls()).await.unwrap();
    for fault in [Fault::InterleavedToolCalls, Fault::ToolCallsWithoutIndex, Fault::ToolCallsAtOneIndex] {
        for reply in [calls(), calls().piece_bytes(1)] {
            let answer = hear(reply.with_fault(fault)).await.unwrap();
            assert_eq!(
                (&answer.content, &answer.stop_reason),
                (&plain.content, &plain.stop_reason),
                "{}",
                fault.name()
            );
        }
    }
}

/// Another tool call could have followed.
#[tokio::test]
async fn without_its_last_event_an_answer_fails() {
    for fault in [Fault::NoDone, Fault::NoFinishReason, Fault::EndEarly] {
        let error = hear(calls().with_fault(fault)).await.unwrap_err();
        assert_eq!(error.kind.as_str(), "connection", "{}: {error}", fault.name());
        assert_eq!(error.received.len(), 3, "{error:?}");
    }
}

#[tokio::test]
async fn an_answer_that_was_cut_keeps_what_was_said() {
    let answer = hear(Reply::text("It rains").stop_reason("max_tokens")).await.unwrap();
    assert_eq!((answer.text().as_deref(), answer.stop_reason.as_str()), (Some("It rains"), "max_tokens"));
    let empty = hear(Reply::text("lost").with_fault(Fault::NoContent)).await.unwrap();
    assert_eq!((empty.content.len(), empty.stop_reason.as_str(), empty.usage.total_tokens), (0, "max_tokens", 15));
}

#[tokio::test]
async fn errors_in_a_stream() {
    let late = Reply::text("One two").with_fault(Fault::ErrorEvent).fault_at(Place::BeforeEvent(6));
    let error = hear(late).await.unwrap_err();
    assert_eq!((error.kind.as_str(), error.received.len()), ("api", 1), "{error}");
    let refused = hear(Reply::error(429, "Slow down.").with_fault(Fault::ErrorIn200)).await.unwrap_err();
    assert!(refused.to_string().contains("Slow down.") && refused.to_string().contains("429"), "{refused}");
}
