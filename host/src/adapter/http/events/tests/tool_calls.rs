//! The tool calls of streams in OpenAI's format, as servers send them.

use serde_json::json;

use super::*;

/// The entry of `tool_calls` with this index, id, name and arguments. An empty text stands for a missing field.
fn tc(index: Value, id: &str, name: &str, arguments: &str) -> Value {
    let mut call = json!({"function": {}});
    for (field, value) in [("index", index), ("id", id.into())] {
        if value != "" {
            call[field] = value;
        }
    }
    for (field, value) in [("name", name), ("arguments", arguments)] {
        if !value.is_empty() {
            call["function"][field] = value.into();
        }
    }
    call
}

fn chunk(delta: &Value, finish: Option<&str>) -> String {
    json!({"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}).to_string()
}

/// A stream of these entries, each in a chunk of its own.
fn stream_of(calls: &[Value], finish: &str) -> String {
    let mut all: Vec<String> = calls.iter().map(|call| chunk(&json!({"tool_calls": [call]}), None)).collect();
    all.push(chunk(&json!({}), Some(finish)));
    all.push("[DONE]".to_owned());
    lines(&all.iter().map(String::as_str).collect::<Vec<_>>())
}

/// The calls of a stream as `id name arguments`, after checks that hold for every stream: each call begins once before its
/// arguments, its arguments are told as they are, and it is told whole once.
fn calls_of(stream: &str) -> Vec<String> {
    let (events, error) = read(OpenAi, stream);
    assert_eq!(error, None, "{stream}");
    let Some(Event::End(response)) = events.last() else { panic!("{events:?}") };
    for call in response.tool_calls() {
        let begins = events.iter().filter_map(|event| match event {
            Event::ToolUseStart { index, id, name } if *id == call.id => Some((*index, name)),
            _ => None,
        });
        let begins: Vec<_> = begins.collect();
        let [(number, name)] = begins[..] else { panic!("{begins:?}: {stream}") };
        assert_eq!(*name, call.name, "{stream}");
        let json: String = events.iter().filter_map(|event| json_of(event, number)).collect();
        let json = if json.is_empty() { "{}".to_owned() } else { json };
        assert_eq!(serde_json::from_str::<Value>(&json).unwrap(), Value::from(call.arguments.clone()), "{stream}");
        let told = events.iter().filter(|event| matches!(event, Event::ToolUseEnd { call: told, .. } if told == call));
        assert_eq!(told.count(), 1, "{stream}");
    }
    let ends = events.iter().filter(|event| matches!(event, Event::ToolUseEnd { .. })).count();
    assert_eq!(ends, response.tool_calls().count(), "{stream}");
    response
        .tool_calls()
        .map(|call| format!("{} {} {}", call.id, call.name, Value::from(call.arguments.clone())))
        .collect()
}

fn json_of(event: &Event, number: usize) -> Option<&str> {
    match event {
        Event::ToolArguments { index, json } if *index == number => Some(json),
        _ => None,
    }
}

#[test]
fn pieces_find_their_call() {
    let none = || json!("");
    let i = |index: u64| json!(index);
    let both = ["a f {\"x\":1}", "b g {\"y\":2}"];
    let cases: Vec<(&str, Vec<Value>, Vec<&str>)> = vec![
        (
            "interleaved",
            vec![
                tc(i(0), "a", "f", ""),
                tc(i(1), "b", "g", ""),
                tc(i(0), "", "", "{\"x\":"),
                tc(i(1), "", "", "{\"y\":"),
                tc(i(0), "", "", "1}"),
                tc(i(1), "", "", "2}"),
            ],
            both.to_vec(),
        ),
        (
            "interleaved, with arguments from the beginning",
            vec![
                tc(i(0), "a", "f", "{\"x\":"),
                tc(i(1), "b", "g", "{\"y\":"),
                tc(i(0), "", "", "1}"),
                tc(i(1), "", "", "2}"),
            ],
            both.to_vec(),
        ),
        ("a name in pieces", vec![tc(i(0), "a", "get_", ""), tc(i(0), "", "weather", "{}")], vec!["a get_weather {}"]),
        (
            "name and id in every piece",
            vec![tc(i(0), "a", "f", ""), tc(i(0), "a", "f", "{\"x\":"), tc(i(0), "a", "f", "1}")],
            vec!["a f {\"x\":1}"],
        ),
        (
            "the same index for all",
            vec![tc(i(0), "a", "f", "{\"x\":1}"), tc(i(0), "b", "g", "{\"y\":"), tc(i(0), "", "", "2}")],
            both.to_vec(),
        ),
        (
            "the same index for all, interleaved by id",
            vec![
                tc(i(0), "a", "f", ""),
                tc(i(0), "b", "g", ""),
                tc(i(0), "a", "", "{\"x\":1}"),
                tc(i(0), "b", "", "{\"y\":2}"),
            ],
            both.to_vec(),
        ),
        (
            "no index",
            vec![
                tc(none(), "a", "f", "{\"x\":"),
                tc(none(), "", "", "1}"),
                tc(none(), "b", "g", ""),
                tc(none(), "b", "", "{\"y\":2}"),
            ],
            both.to_vec(),
        ),
        (
            "an index as text and as a fraction",
            vec![
                tc(json!("0"), "a", "f", "{\"x\":"),
                tc(json!(1.0), "b", "g", "{\"y\":2}"),
                tc(json!("0"), "", "", "1}"),
            ],
            both.to_vec(),
        ),
        ("descending indexes", vec![tc(i(1), "b", "g", "{\"y\":2}"), tc(i(0), "a", "f", "{\"x\":1}")], both.to_vec()),
        (
            "names in pieces, interleaved",
            vec![
                tc(i(0), "a", "get_", ""),
                tc(i(1), "b", "set_", ""),
                tc(i(0), "", "x", ""),
                tc(i(1), "", "y", "{\"y\":2}"),
                tc(i(0), "", "", "{\"x\":1}"),
            ],
            vec!["a get_x {\"x\":1}", "b set_y {\"y\":2}"],
        ),
        ("an id after the name", vec![tc(i(0), "", "f", ""), tc(i(0), "a", "", "{\"x\":1}")], vec!["a f {\"x\":1}"]),
        (
            "an id after the arguments",
            vec![tc(i(0), "", "f", "{\"x\":"), tc(i(0), "", "", "1}"), tc(i(0), "a", "", "")],
            vec!["a f {\"x\":1}"],
        ),
        ("a name after the id", vec![tc(i(0), "a", "", ""), tc(i(0), "", "f", "{\"x\":1}")], vec!["a f {\"x\":1}"]),
        (
            "a second name after its id",
            vec![tc(i(0), "a", "f", "{\"x\":1}"), tc(i(1), "b", "", ""), tc(i(1), "", "g", "{\"y\":2}")],
            both.to_vec(),
        ),
        (
            "a name after the arguments",
            vec![tc(i(0), "a", "", "{\"x\":1}"), tc(i(0), "", "f", "")],
            vec!["a f {\"x\":1}"],
        ),
        (
            "another id in every piece",
            vec![tc(i(0), "a", "f", ""), tc(i(0), "z", "", "{\"x\":"), tc(i(0), "y", "", "1}")],
            vec!["a f {\"x\":1}"],
        ),
        (
            "an unknown index goes on with the open call",
            vec![tc(i(2), "a", "f", ""), tc(i(0), "", "", "{\"x\":"), tc(i(0), "", "", "1}")],
            vec!["a f {\"x\":1}"],
        ),
        (
            "the index of the tool, then of the call",
            vec![
                tc(i(1), "a", "f", ""),
                tc(i(0), "", "", "{\"x\":1}"),
                tc(i(3), "b", "g", ""),
                tc(i(1), "", "", "{\"y\":2}"),
            ],
            both.to_vec(),
        ),
        (
            "an unknown index with a known id",
            vec![
                tc(i(0), "a", "f", "{\"x\":"),
                tc(i(1), "b", "g", "{\"y\":"),
                tc(i(7), "a", "", "1}"),
                tc(i(7), "b", "", "2}"),
            ],
            both.to_vec(),
        ),
        (
            "no index after an index",
            vec![tc(i(0), "a", "f", "{\"x\":"), tc(none(), "", "", "1}")],
            vec!["a f {\"x\":1}"],
        ),
        (
            "no id",
            vec![tc(i(0), "", "f", "{\"x\":"), tc(i(0), "", "", "1}"), tc(i(1), "", "g", "{\"y\":2}")],
            vec!["call_0 f {\"x\":1}", "call_1 g {\"y\":2}"],
        ),
        (
            "neither id nor index",
            vec![tc(none(), "", "f", "{\"x\":1}"), tc(none(), "", "g", "{\"y\":2}")],
            vec!["call_0 f {\"x\":1}", "call_1 g {\"y\":2}"],
        ),
        (
            "no id and the same index for all",
            vec![tc(i(0), "", "f", "{\"x\":1}"), tc(i(0), "", "f", "{\"x\":2}")],
            vec!["call_0 f {\"x\":1}", "call_1 f {\"x\":2}"],
        ),
        (
            "the whole call once more",
            vec![tc(i(0), "a", "f", ""), tc(i(0), "", "", "{\"x\":1}"), tc(i(0), "a", "f", "{\"x\":1}")],
            vec!["a f {\"x\":1}"],
        ),
        (
            "an empty object before the arguments",
            vec![tc(i(0), "a", "f", "{}"), tc(i(0), "", "", "{\"x\":"), tc(i(0), "", "", "1}")],
            vec!["a f {\"x\":1}"],
        ),
        (
            "no arguments",
            vec![tc(i(0), "a", "f", ""), tc(i(1), "b", "g", "{\"y\":2}")],
            vec!["a f {}", "b g {\"y\":2}"],
        ),
        (
            "indexes that start at one",
            vec![tc(i(1), "a", "f", "{\"x\":1}"), tc(i(2), "b", "g", "{\"y\":2}")],
            both.to_vec(),
        ),
        (
            "one id for two indexes",
            vec![
                tc(i(0), "a", "f", "{\"x\":1}"),
                tc(i(1), "b", "g", "{\"y\":"),
                tc(i(1), "", "", "2}"),
                tc(i(0), "", "", ""),
            ],
            both.to_vec(),
        ),
    ];
    for (what, pieces, expected) in cases {
        for finish in ["tool_calls", "stop", "function_call"] {
            assert_eq!(calls_of(&stream_of(&pieces, finish)), expected, "{what}");
        }
        let in_one = json!({"tool_calls": pieces, "content": null, "role": "assistant"});
        let stream = lines(&[&chunk(&in_one, Some("stop")), "[DONE]"]);
        assert_eq!(calls_of(&stream), expected, "{what}, in one chunk");
    }
}

#[test]
fn a_call_is_told_when_nothing_can_follow() {
    let pieces = [
        tc(json!(0), "a", "f", ""),
        tc(json!(1), "b", "g", ""),
        tc(json!(0), "", "", "{}"),
        tc(json!(1), "", "", "{}"),
    ];
    let (events, _) = read(OpenAi, &stream_of(&pieces, "tool_calls"));
    let kinds: Vec<&str> = events.iter().map(kind).collect();
    assert_eq!(kinds.join(" "), "start arguments tool start arguments tool end");
    // A server may finish too early, and more than once.
    let early = [
        chunk(&json!({"tool_calls": [tc(json!(0), "a", "f", "")]}), Some("tool_calls")),
        chunk(&json!({"tool_calls": [tc(json!(0), "", "", "{\"x\":")]}), Some("tool_calls")),
        chunk(&json!({"tool_calls": [tc(json!(0), "", "", "1}")]}), Some("tool_calls")),
    ];
    assert_eq!(calls_of(&lines(&[&early[0], &early[1], &early[2], "[DONE]"])), ["a f {\"x\":1}"]);
    let finish = chunk(&json!({}), Some("tool_calls"));
    let before = chunk(&json!({"tool_calls": [tc(json!(0), "a", "f", "{\"x\":1}")]}), None);
    assert_eq!(calls_of(&lines(&[&finish, &before, "[DONE]"])), ["a f {\"x\":1}"]);
}

#[test]
fn arguments_may_come_as_an_object() {
    let object = |arguments: Value| json!({"index": 0, "id": "a", "function": {"name": "f", "arguments": arguments}});
    for pieces in [
        vec![object(json!({"x": 1}))],
        vec![object(json!({})), object(json!({"x": 1}))],
        vec![object(json!({})), tc(json!(0), "", "", "{\"x\":"), tc(json!(0), "", "", "1}")],
        vec![object(json!(null)), object(json!({"x": 1})), object(json!({"x": 1}))],
    ] {
        assert_eq!(calls_of(&stream_of(&pieces, "stop")), ["a f {\"x\":1}"]);
    }
}

#[test]
fn the_old_field_is_one_call() {
    let delta = |function: Value| chunk(&json!({"content": null, "function_call": function}), None);
    let finish = chunk(&json!({}), Some("function_call"));
    let pieces = [
        delta(json!({"name": "f", "arguments": ""})),
        delta(json!({"arguments": "{\"x\":"})),
        delta(json!({"arguments": "1}"})),
    ];
    let stream = lines(&[&pieces[0], &pieces[1], &pieces[2], &finish, "[DONE]"]);
    assert_eq!(calls_of(&stream), ["call_0 f {\"x\":1}"]);
    // The same call in both fields.
    let both = json!({"tool_calls": [tc(json!(0), "a", "f", "{}")], "function_call": {"name": "f", "arguments": "{}"}});
    assert_eq!(calls_of(&lines(&[&chunk(&both, Some("stop")), "[DONE]"])), ["a f {}"]);
}

#[test]
fn other_choices_and_chunks_without_choices_are_passed_over() {
    let other = json!({"choices": [{"index": 1, "delta": {"content": "other", "tool_calls": [tc(json!(0), "z", "z", "{}")]}, "finish_reason": "length"}]});
    let usage = json!({"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 4}}).to_string();
    let role = chunk(&json!({"role": "assistant", "tool_calls": null}), None);
    let call = chunk(&json!({"tool_calls": [tc(json!(0), "a", "f", "{}")]}), None);
    let finish = chunk(&json!({}), Some("stop"));
    let stream = lines(&[&role, &other.to_string(), &call, &finish, &other.to_string(), &usage, "[DONE]"]);
    assert_eq!(calls_of(&stream), ["a f {}"]);
    let Some(Event::End(response)) = read(OpenAi, &stream).0.pop() else { panic!() };
    assert_eq!((response.text(), response.usage.total_tokens), (None, 7));
    assert_eq!(response.stop_reason, crate::chat::response::StopReason::ToolUse);
}

#[test]
fn halves_of_a_character_in_arguments_are_joined() {
    // As characters of the text that the JSON of the chunk escapes, and as escapes in that text.
    let piece = |index: u64, head: &str, arguments: &str| {
        format!(
            r#"{{"choices":[{{"delta":{{"tool_calls":[{{"index":{index},{head}"function":{{{arguments}}}}}]}}}}]}}"#
        )
    };
    let begin = |index: u64, id: &str| piece(index, &format!(r#""id":"{id}","#), &format!(r#""name":"{id}""#));
    let arguments = |index: u64, text: &str| piece(index, "", &format!(r#""arguments":"{text}""#));
    let finish = r#"{"choices":[{"delta":{},"finish_reason":"tool_calls"}]}"#;
    let stream = lines(&[
        &begin(0, "a"),
        &begin(1, "b"),
        &arguments(0, r#"{\"x\":\"\ud83d"#),
        &arguments(1, r#"{\"y\":\"\\ud83d"#),
        &arguments(0, r#"\ude00\"}"#),
        &arguments(1, r#"\\ude00\\ud83d\"}"#),
        finish,
        "[DONE]",
    ]);
    let (events, error) = read(OpenAi, &stream);
    assert_eq!(error, None);
    let Some(Event::End(response)) = events.last() else { panic!("{events:?}") };
    let arguments: Vec<Value> = response.tool_calls().map(|call| call.arguments.clone().into()).collect();
    assert_eq!(arguments, [json!({"x": "😀"}), json!({"y": "😀\u{fffd}"})]);
}

#[test]
fn what_was_cut_in_several_calls_is_told_as_incomplete() {
    let pieces = [tc(json!(0), "a", "f", "{\"x\":"), tc(json!(1), "b", "g", "{\"y\":")];
    for finish in ["length", "MAX_TOKENS", "content_filter"] {
        let (events, error) = read(OpenAi, &stream_of(&pieces, finish));
        assert_eq!(error, None);
        let Some(Event::End(response)) = events.last() else { panic!("{events:?}") };
        assert!(response.content.iter().all(ContentBlock::is_partial_tool_use), "{response:?}");
        let mut received = Received::default();
        events.iter().for_each(|event| received.add(event));
        assert_eq!(received.content(), response.content);
    }
}

/// A thousand calls take a thousand times as long as one, whatever their indexes are.
#[test]
fn many_calls_side_by_side() {
    for same_index in [false, true] {
        let index = |at: u64| json!(if same_index { 0 } else { at });
        let id = |at: u64| format!("c{at}");
        let begin = (0..1000).map(|at| tc(index(at), &id(at), "f", "{\"x\":"));
        let end = (0..1000).map(|at| tc(index(at), &id(at), "", "1}"));
        let pieces: Vec<Value> = begin.chain(end).collect();
        assert_eq!(calls_of(&stream_of(&pieces, "stop")).len(), 1000);
    }
}
