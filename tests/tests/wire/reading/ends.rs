//! How answers end (`findings/wire.md`, section 2).

use arcllm::{ErrorKind, StopReason};
use arcllm_simulator::Format;
use serde_json::{Value, json};

use super::stage::{api, ch, chunked, done, hear, unframed, whole, with_length};

fn anthropic(stop: &str) -> Vec<String> {
    let events = [
        json!({"type": "message_start", "message": {"role": "assistant", "content": []}}),
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "a"}}),
        json!({"type": "content_block_stop", "index": 0}),
        json!({"type": "message_delta", "delta": {"stop_reason": stop}, "usage": {"output_tokens": 3}}),
    ];
    events.iter().map(Value::to_string).collect()
}

fn openai(stop: &str) -> Vec<String> {
    vec![ch(&json!({"content": "a"}), None), ch(&json!({}), Some(stop))]
}

#[tokio::test]
async fn a_framed_body_with_a_reason_is_whole_without_an_end_marker() {
    for (format, events) in [(Format::OpenAi, openai("stop")), (Format::Anthropic, anthropic("end_turn"))] {
        for reply in [with_length(&events), chunked(&events)] {
            let response = hear(format, reply).await.end.unwrap();
            assert_eq!(
                (response.text().as_deref(), response.stop_reason),
                (Some("a"), StopReason::EndTurn),
                "{format}"
            );
        }
        // The other format's marker, too.
        let marked = [events.clone(), vec![done()]].concat();
        assert_eq!(hear(format, chunked(&marked)).await.end.unwrap().text().unwrap(), "a");
    }
}

#[tokio::test]
async fn an_unframed_body_needs_its_marker_and_any_body_a_reason() {
    for (format, events) in [(Format::OpenAi, openai("stop")), (Format::Anthropic, anthropic("end_turn"))] {
        let without_reason = &events[..events.len() - 1];
        for reply in [unframed(&events), with_length(without_reason), chunked(without_reason)] {
            let heard = hear(format, reply).await;
            let error = heard.end.unwrap_err();
            assert!(matches!(error.kind, ErrorKind::Connection(_)), "{format}: {error}");
            assert!(!error.received.is_empty());
        }
        let marked = [events, vec![done()]].concat();
        assert_eq!(hear(format, unframed(&marked)).await.end.unwrap().text().unwrap(), "a");
    }
}

#[tokio::test]
async fn words_of_servers_are_the_typed_reasons() {
    for (word, expected) in [
        ("eos_token", StopReason::EndTurn),
        ("eos", StopReason::EndTurn),
        ("end", StopReason::EndTurn),
        ("COMPLETE", StopReason::EndTurn),
        ("end_turn", StopReason::EndTurn),
        ("max_tokens", StopReason::MaxTokens),
        ("length", StopReason::MaxTokens),
        ("model_length", StopReason::MaxTokens),
        ("content_filter", StopReason::ContentFilter),
        ("SAFETY", StopReason::ContentFilter),
        ("tool_use", StopReason::ToolUse),
        ("stop_sequence", StopReason::StopSequence),
        ("something_new", StopReason::Other("something_new".to_owned())),
    ] {
        for (format, events, body) in both(word) {
            assert_eq!(whole(format, body).await.unwrap().stop_reason, expected, "{word} in {format}");
            assert_eq!(hear(format, chunked(&events)).await.end.unwrap().stop_reason, expected, "{word} in {format}");
        }
    }
}

/// An answer with this word, streamed and whole, in each format.
fn both(word: &str) -> [(Format, Vec<String>, String); 2] {
    let message = json!({"choices": [{"message": {"content": "a"}, "finish_reason": word}]});
    let content = json!({"content": [{"type": "text", "text": "a"}], "stop_reason": word});
    [(Format::OpenAi, openai(word), message.to_string()), (Format::Anthropic, anthropic(word), content.to_string())]
}

#[tokio::test]
async fn words_for_failure_are_errors() {
    for (word, status) in
        [("error", 500), ("abort", 500), ("insufficient_system_resource", 503), ("model_context_window_exceeded", 400)]
    {
        for (format, events, body) in both(word) {
            let streamed = hear(format, chunked(&events)).await.end.unwrap_err();
            for error in [whole(format, body).await.unwrap_err(), streamed] {
                assert_eq!(api(&error).0, status, "{word} in {format}");
                assert_eq!(error.received, [arcllm::ContentBlock::text("a")], "what has arrived is not lost");
                assert!(!format!("{error:?}").contains("arcllm.received"), "{error:?}");
            }
        }
    }
}

#[tokio::test]
async fn thinking_can_use_up_all_tokens() {
    let usage = json!({"prompt_tokens": 5, "completion_tokens": 16});
    let choice = json!({"message": {"role": "assistant"}, "finish_reason": "length"});
    let body = json!({"choices": [choice], "usage": usage}).to_string();
    let last = json!({"choices": [], "usage": usage}).to_string();
    let events = [ch(&json!({"role": "assistant"}), None), ch(&json!({}), Some("length")), last, done()];
    for response in [whole(Format::OpenAi, body).await, hear(Format::OpenAi, chunked(&events)).await.end] {
        let response = response.unwrap();
        assert_eq!((response.content, response.stop_reason), (vec![], StopReason::MaxTokens));
        assert_eq!((response.usage.input_tokens, response.usage.output_tokens), (5, 16));
    }
}
