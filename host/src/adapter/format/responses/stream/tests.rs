use bytes::Bytes;
use serde_json::{Value, json};

use crate::{
    adapter::fuzzing::hear,
    chat::wire_format::WireFormat::OpenAiResponses,
    chat::{content::ContentBlock, error::ErrorKind, event::Event, response::Response},
};

/// The events of an answer with these events, which have no names.
fn heard(events: &[Value]) -> (Vec<Event>, Option<ErrorKind>) {
    let body: String = events.iter().map(|event| format!("data: {event}\n\n")).collect();
    hear(OpenAiResponses, vec![Bytes::from(body)])
}

/// The whole answer, whose text, reasoning and calls were told in pieces as well.
fn whole(events: &[Value]) -> Response {
    let (told, error) = heard(events);
    let Some(Event::End(response)) = told.last() else { panic!("{error:?}: {told:?}") };
    let said = |of: fn(&Event) -> Option<&str>| told.iter().filter_map(of).collect::<String>();
    let text = said(|event| if let Event::Text(piece) = event { Some(piece) } else { None });
    let thinking = said(|event| if let Event::Thinking(piece) = event { Some(piece) } else { None });
    assert_eq!(text, response.text().unwrap_or_default(), "{told:?}");
    assert_eq!(thinking, response.thinking().unwrap_or_default(), "{told:?}");
    for call in response.tool_calls() {
        let ends = told.iter().filter(|event| matches!(event, Event::ToolUseEnd { call: ended, .. } if ended == call));
        assert_eq!(ends.count(), 1, "{told:?}");
        assert!(told.iter().any(|event| matches!(event, Event::ToolUseStart { id, .. } if *id == call.id)), "{told:?}");
    }
    (**response).clone()
}

fn event(kind: &str, fields: Value) -> Value {
    let mut event = json!({"type": format!("response.{kind}")});
    event.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    event
}

fn completed(output: Value) -> Value {
    event("completed", json!({"response": {"id": "r", "status": "completed", "output": output}}))
}

fn message(text: &str) -> Value {
    json!({"type": "message", "id": "msg_1", "role": "assistant", "content": [{"type": "output_text", "text": text}]})
}

fn delta(text: &str) -> Value {
    event("output_text.delta", json!({"item_id": "msg_1", "output_index": 0, "content_index": 0, "delta": text}))
}

#[test]
fn text_in_every_way_that_servers_send_it() {
    let added = |id: &str| {
        event(
            "output_item.added",
            json!({"output_index": 0, "item": {"type": "message", "id": id, "role": "assistant", "content": []}}),
        )
    };
    let done = event("output_item.done", json!({"output_index": 0, "item": message("Hello")}));
    let text_done = event("output_text.done", json!({"item_id": "msg_1", "output_index": 0, "text": "Hello"}));
    let none = || completed(json!([]));
    for events in [
        vec![added("msg_1"), delta("Hel"), delta("lo"), done.clone(), completed(json!([message("Hello")]))],
        vec![added("msg_1"), delta("Hel"), delta("lo"), none()],
        vec![delta("Hel"), delta("lo"), none()],
        vec![delta("Hel"), text_done.clone(), none()],
        vec![text_done.clone(), none()],
        vec![
            event("output_text.delta", json!({"delta": "Hel"})),
            event("output_text.delta", json!({"delta": "lo"})),
            none(),
        ],
        vec![done.clone(), none()],
        vec![done.clone(), done.clone(), completed(json!([message("Hello")]))],
        vec![event("output_item.added", json!({"output_index": 0, "item": message("Hello")})), none()],
        vec![completed(json!([message("Hello")]))],
        vec![added("another"), delta("Hello"), done, completed(json!([message("Hello")]))],
        vec![delta("Hello"), event("done", json!({"response": {"id": "r", "output": []}}))],
    ] {
        let response = whole(&events);
        assert_eq!(
            (response.text().as_deref(), response.stop_reason.as_str()),
            (Some("Hello"), "end_turn"),
            "{events:?}"
        );
    }
}

#[test]
fn a_text_is_told_with_its_annotations() {
    let annotation = json!({"type": "url_citation", "url": "u"});
    let alone = event(
        "output_text.annotation.added",
        json!({"item_id": "msg_1", "output_index": 0, "content_index": 0, "annotation": annotation}),
    );
    let response = whole(&[delta("Hello"), alone, completed(json!([]))]);
    let ContentBlock::Text(text) = &response.content[0] else { panic!("{response:?}") };
    assert_eq!(text.extensions["openai.responses.annotations"], json!([annotation]));
}

#[test]
fn tool_calls_side_by_side() {
    let calls = ["a", "b"].map(
        |id| json!({"type": "function_call", "id": format!("fc_{id}"), "call_id": id, "name": "look", "arguments": ""}),
    );
    let added = |index: u64, at: usize| event("output_item.added", json!({"output_index": index, "item": calls[at]}));
    let piece = |index: u64, at: usize, delta: &str| {
        event(
            "function_call_arguments.delta",
            json!({"output_index": index, "item_id": calls[at]["id"], "delta": delta}),
        )
    };
    // Some servers number all items with 0.
    for second in [1, 0] {
        let events = [
            added(0, 0),
            added(second, 1),
            piece(0, 0, "{\"x\":"),
            piece(second, 1, "{\"x\":"),
            piece(0, 0, "1}"),
            piece(second, 1, "2}"),
            completed(json!([])),
        ];
        let response = whole(&events);
        let calls: Vec<_> =
            response.tool_calls().map(|call| (call.id.as_str(), call.arguments["x"].as_u64())).collect();
        assert_eq!(calls, [("a", Some(1)), ("b", Some(2))]);
        assert_eq!(response.stop_reason.as_str(), "tool_use");
    }
}

#[test]
fn a_custom_tool() {
    let item = |input: &str| json!({"type": "custom_tool_call", "id": "ct_1", "call_id": "a", "name": "patch", "input": input});
    let events = [
        event("output_item.added", json!({"output_index": 0, "item": item("")})),
        event("custom_tool_call_input.delta", json!({"output_index": 0, "item_id": "ct_1", "delta": "not "})),
        event("custom_tool_call_input.delta", json!({"output_index": 0, "item_id": "ct_1", "delta": "JSON"})),
        event("output_item.done", json!({"output_index": 0, "item": item("not JSON")})),
        completed(json!([])),
    ];
    assert_eq!(whole(&events).tool_calls().next().unwrap().arguments["input"], "not JSON");
}

#[test]
fn reasoning_in_parts_and_a_refusal() {
    let piece = |index: u64, text: &str| {
        event(
            "reasoning_summary_text.delta",
            json!({"item_id": "rs_1", "output_index": 0, "summary_index": index, "delta": text}),
        )
    };
    let item = json!({"type": "reasoning", "id": "rs_1", "encrypted_content": "e", "summary": [
        {"type": "summary_text", "text": "ab"}, {"type": "summary_text", "text": "cd"},
    ]});
    let refusal = |text: &str| {
        event("refusal.delta", json!({"item_id": "msg_1", "output_index": 1, "content_index": 0, "delta": text}))
    };
    let events = [
        piece(0, "a"),
        piece(0, "b"),
        piece(1, "c"),
        piece(1, "d"),
        event("output_item.done", json!({"output_index": 0, "item": item})),
        refusal("No"),
        refusal("."),
        completed(json!([])),
    ];
    let response = whole(&events);
    assert_eq!((response.thinking().as_deref(), response.text().as_deref()), (Some("ab\n\ncd"), Some("No.")));
    assert_eq!(response.stop_reason.as_str(), "refusal");
    let ContentBlock::Thinking(thinking) = &response.content[0] else { panic!("{response:?}") };
    assert_eq!(thinking.signature.as_deref(), Some("e"));
}

#[test]
fn an_answer_that_was_cut() {
    let call = json!({"type": "function_call", "id": "fc_1", "call_id": "a", "name": "look", "arguments": "{\"at\": "});
    let cut = json!({"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}, "output": [call]});
    for events in [
        vec![
            event("output_item.done", json!({"output_index": 0, "item": call})),
            event("incomplete", json!({"response": cut})),
        ],
        vec![event("incomplete", json!({"response": cut}))],
    ] {
        let response = whole(&events);
        assert_eq!(response.stop_reason.as_str(), "max_tokens");
        assert!(response.content[0].is_partial_tool_use(), "{response:?}");
    }
}

/// Another tool call could have followed.
#[test]
fn only_the_last_event_says_that_the_answer_is_whole() {
    let done = event("output_item.done", json!({"output_index": 0, "item": message("Hello")}));
    for end in [vec![], vec![json!("[DONE]")]] {
        let (told, error) = heard(&[vec![delta("Hello"), done.clone()], end].concat());
        assert!(matches!(error, Some(ErrorKind::Connection(_))), "{error:?}");
        assert!(
            told.contains(&Event::Text("Hello".to_owned())) && !told.iter().any(|event| matches!(event, Event::End(_)))
        );
    }
}

#[test]
fn errors_in_every_shape() {
    let error = json!({"code": "rate_limit_exceeded", "message": "m"});
    for (last, status) in [
        (event("failed", json!({"response": {"status": "failed", "error": error}})), 429),
        (event("failed", json!({"response": {"status": "failed"}})), 500),
        (event("failed", json!({})), 500),
        (event("completed", json!({"response": {"status": "failed", "error": error}})), 429),
        (event("cancelled", json!({"response": {"status": "cancelled"}})), 500),
        (event("incomplete", json!({"response": {"status": "incomplete"}})), 500),
        (json!({"type": "error", "code": "rate_limit_exceeded", "message": "m", "param": null}), 429),
        (json!({"type": "error", "code": null, "message": "m"}), 500),
        (json!({"type": "error", "error": error}), 429),
        (json!({"error": error}), 429),
    ] {
        let (told, found) = heard(&[delta("Hello"), last.clone()]);
        let Some(ErrorKind::Api(found)) = found else { panic!("{last}: {found:?} {told:?}") };
        assert_eq!(found.status, status, "{last}");
        assert_eq!(told, [Event::Text("Hello".to_owned())]);
    }
}

#[test]
fn events_that_are_not_known_say_nothing() {
    let events = [
        event("created", json!({"response": {"id": "r", "model": "n", "status": "in_progress", "output": []}})),
        event("web_search_call.in_progress", json!({"item_id": "ws_1", "output_index": 0})),
        event("new", json!({"message": "m"})),
        event(
            "output_item.done",
            json!({"output_index": 0, "item": {"type": "web_search_call", "id": "ws_1", "status": "completed"}}),
        ),
        event("output_text.delta", json!({"item_id": "msg_1", "output_index": 1, "delta": "Hello"})),
        completed(json!([])),
    ];
    let response = whole(&events);
    assert_eq!((response.model.as_str(), response.text().as_deref()), ("n", Some("Hello")));
    assert!(matches!(&response.content[0], ContentBlock::Other(item) if item["id"] == "ws_1"));
}
