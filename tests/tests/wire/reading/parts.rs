//! Parts of an answer of OpenAI's format that are not text, whole and streamed.

use arcllm::{ContentBlock, Event, Message, Response};
use arcllm_simulator::Format;
use serde_json::{Value, json};

use super::stage::{Heard, ch, chunked, done, hear, whole};

/// The answer with this message.
async fn of(message: Value, finish: &str) -> Response {
    let body = json!({"choices": [{"message": message, "finish_reason": finish}]});
    whole(Format::OpenAi, body.to_string()).await.unwrap()
}

/// The answer in these deltas.
async fn streamed(deltas: &[Value], finish: &str) -> (Vec<Event>, Response) {
    let mut events: Vec<String> = deltas.iter().map(|delta| ch(delta, None)).collect();
    events.extend([ch(&json!({}), Some(finish)), done()]);
    let Heard { events, end } = hear(Format::OpenAi, chunked(&events)).await;
    (events, end.unwrap())
}

fn thinking(texts: &[&str]) -> Value {
    let texts: Vec<Value> = texts.iter().map(|text| json!({"type": "text", "text": text})).collect();
    json!({"type": "thinking", "thinking": texts, "closed": true})
}

#[tokio::test]
async fn reasoning_as_mistral_sends_it_is_one_block() {
    let text = |text: &str| json!({"type": "text", "text": text});
    let answers = [
        of(json!({"content": [thinking(&["mi", "s"]), text("a")]}), "stop").await,
        of(json!({"content": [thinking(&["mi"]), thinking(&["s"]), text("a")]}), "stop").await,
        of(json!({"content": [{"type": "thinking", "thinking": "mis"}, text("a")]}), "stop").await,
    ];
    let deltas = [
        vec![json!({"content": [thinking(&["mi"])]}), json!({"content": [thinking(&["s"])]}), json!({"content": "a"})],
        vec![json!({"content": [thinking(&["mi", "s"]), text("a")]})],
        vec![json!({"content": [thinking(&["mis"])]}), json!({"content": [thinking(&[])]}), json!({"content": "a"})],
    ];
    let mut all = answers.to_vec();
    for deltas in deltas {
        let (events, answer) = streamed(&deltas, "stop").await;
        let told = events.iter().filter_map(|event| match event {
            Event::Thinking(piece) => Some(piece.as_str()),
            _ => None,
        });
        assert_eq!(told.collect::<String>(), "mis");
        let blocks: Vec<_> = events.iter().filter(|event| matches!(event, Event::Block(_))).collect();
        assert_eq!(blocks.len(), 2, "{events:?}");
        all.push(answer);
    }
    for answer in all {
        let expected = json!([{"type": "thinking", "text": "mis"}, {"type": "text", "text": "a"}]);
        assert_eq!(serde_json::to_value(&answer.content).unwrap(), expected);
    }
}

#[tokio::test]
async fn a_call_of_a_custom_tool_is_a_call_with_its_input() {
    let entry = |custom: Value| json!({"index": 0, "id": "c1", "type": "custom", "custom": custom});
    let body = json!({"tool_calls": [entry(json!({"name": "code_exec", "input": "print(\"1\")", "x": 1}))]});
    let answer = of(body, "tool_calls").await;
    let (events, heard) = streamed(
        &[
            json!({"tool_calls": [entry(json!({"name": "code_exec", "input": "", "x": 1}))]}),
            json!({"tool_calls": [{"index": 0, "custom": {"input": "print("}}]}),
            json!({"tool_calls": [{"index": 0, "custom": {"input": "\"1\")"}}]}),
        ],
        "tool_calls",
    )
    .await;
    let call = answer.tool_calls().next().unwrap();
    assert_eq!((call.id.as_str(), call.name.as_str()), ("c1", "code_exec"));
    assert_eq!(Value::from(call.arguments.clone()), json!({"input": "print(\"1\")"}));
    assert_eq!(heard.content, answer.content);
    assert_eq!((heard.stop_reason, answer.stop_reason.as_str()), (answer.stop_reason.clone(), "tool_use"));
    let json = events.iter().filter_map(|event| match event {
        Event::ToolArguments { json, .. } => Some(json.as_str()),
        _ => None,
    });
    let told: Value = serde_json::from_str(&json.collect::<String>()).unwrap();
    assert_eq!(told, Value::from(call.arguments.clone()));
    assert!(events.iter().any(|event| matches!(event, Event::ToolUseEnd { call: whole, .. } if whole == call)));
}

#[tokio::test]
async fn a_custom_call_that_was_cut_is_not_run() {
    let custom =
        |input: &str| json!({"index": 0, "id": "c1", "type": "custom", "custom": {"name": "f", "input": input}});
    let answer = of(json!({"tool_calls": [custom("rm -r /tmp/a")]}), "length").await;
    let (_, heard) = streamed(&[json!({"tool_calls": [custom("rm -r /tmp/a")]})], "length").await;
    for answer in [answer, heard] {
        assert_eq!(answer.tool_calls().count(), 0);
        let partial = json!([{"type": "partial_tool_use", "id": "c1", "name": "f", "arguments": "rm -r /tmp/a"}]);
        assert_eq!(serde_json::to_value(answer.content).unwrap(), partial);
    }
}

#[tokio::test]
async fn the_message_of_an_answer_is_accepted_again() {
    let parts = [
        json!({"type": "image", "image": "x"}),
        json!({"type": "audio", "audio": {"id": "a"}}),
        json!({"type": "document", "foo": 1}),
        json!({"type": "tool_use", "id": "t", "name": "f", "input": {}}),
        json!({"type": "hologram", "depth": 3}),
    ];
    let blocks = [
        json!({"type": "image", "source": {"type": "url", "url": "u"}, "x": 1}),
        json!({"type": "tool_result", "tool_use_id": "t", "content": "a", "x": 1}),
        json!({"type": "document", "source": {"type": "url", "url": "u"}}),
        json!({"type": "other", "json": {}}),
    ];
    let openai = of(json!({"content": parts}), "stop").await;
    let body = json!({"content": blocks, "stop_reason": "end_turn"}).to_string();
    let anthropic = whole(Format::Anthropic, body).await.unwrap();
    for (answer, own) in [(openai, parts.to_vec()), (anthropic, blocks.to_vec())] {
        assert_eq!(answer.content, own.into_iter().map(ContentBlock::Other).collect::<Vec<_>>());
        let json = serde_json::to_value(&answer).unwrap();
        assert_eq!(serde_json::from_value::<Message>(json["message"].clone()).unwrap(), answer.message());
        assert_eq!(serde_json::from_value::<Response>(json).unwrap(), answer);
    }
}
