//! Counts of tokens (`findings/wire.md`, section 9). Their prices are tested with the prices.

use arcllm::Usage;
use arcllm_simulator::Format;
use serde_json::{Value, json};

use super::stage::{ch, chunked, done, hear, whole};

/// The counts of an answer with this usage, which are the same whole and streamed.
async fn counted(format: Format, usage: &Value) -> Usage {
    let (body, events) = match format {
        Format::Anthropic => (
            json!({"content": [], "stop_reason": "end_turn", "usage": usage}),
            vec![
                json!({"type": "message_start", "message": {"usage": usage}}).to_string(),
                json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"input_tokens": 0}})
                    .to_string(),
                json!({"type": "message_stop"}).to_string(),
            ],
        ),
        _ => (
            json!({"choices": [{"message": {"content": "a"}, "finish_reason": "stop"}], "usage": usage}),
            vec![
                ch(&json!({"content": "a"}), Some("stop")),
                json!({"choices": [], "usage": usage}).to_string(),
                done(),
            ],
        ),
    };
    let whole = whole(format, body.to_string()).await.unwrap().usage;
    assert_eq!(hear(format, chunked(&events)).await.end.unwrap().usage, whole);
    whole
}

#[tokio::test]
async fn what_was_read_from_and_written_to_a_cache() {
    let usage = json!({
        "prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120,
        "prompt_tokens_details": {"cached_tokens": 30, "cache_write_tokens": 40},
    });
    let usage = counted(Format::OpenAi, &usage).await;
    assert_eq!((usage.cache_read_tokens, usage.cache_write_tokens), (Some(30), Some(40)));
    let deepseek = json!({"prompt_tokens": 9, "prompt_cache_hit_tokens": 4, "prompt_cache_miss_tokens": 5});
    assert_eq!(counted(Format::OpenAi, &deepseek).await.cache_read_tokens, Some(4));
    let usage = json!({
        "input_tokens": 9, "cache_read_input_tokens": 2, "cache_creation_input_tokens": 7,
        "cache_creation": {"ephemeral_5m_input_tokens": 3, "ephemeral_1h_input_tokens": 4},
    });
    let usage = counted(Format::Anthropic, &usage).await;
    assert_eq!((usage.input_tokens, usage.cache_read_tokens, usage.cache_write_tokens), (9, Some(2), Some(7)));
    assert_eq!(usage.cache_write_hour_tokens, Some(4));
}

#[tokio::test]
async fn reasoning() {
    let details = json!({"reasoning_tokens": 15});
    let usage = json!({"prompt_tokens": 5, "completion_tokens": 20, "completion_tokens_details": details});
    assert_eq!(counted(Format::OpenAi, &usage).await.reasoning_tokens, Some(15));
    let usage = json!({"output_tokens": 20, "output_tokens_details": {"thinking_tokens": 15}});
    assert_eq!(counted(Format::Anthropic, &usage).await.reasoning_tokens, Some(15));
}
