//! What servers do that no documentation describes: whole and streamed answers say the same.

use serde_json::{Value, json};

use super::*;
use crate::{
    adapter::http::reader::NO_ANSWER,
    chat::{failure::Failure, response::StopReason, usage::Usage},
};

/// A body with its length.
fn whole(format: WireFormat, body: impl ToString) -> Result<Response, ErrorKind> {
    let answer = HttpAnswer { body: body.to_string().into_bytes(), ..answer() };
    Reader::new(&fixture::asked(format, |_| ())).read(&answer, false)
}

/// A stream of events with this data.
fn streamed(format: WireFormat, data: &[Value]) -> Result<Response, ErrorKind> {
    let data: Vec<String> = data.iter().map(Value::to_string).collect();
    let body = lines(&data.iter().map(String::as_str).collect::<Vec<_>>()) + "data: [DONE]\n\n";
    ended(read(format, &body))
}

fn ended((mut events, error): (Vec<Event>, Option<ErrorKind>)) -> Result<Response, ErrorKind> {
    match (error, events.pop()) {
        (Some(error), _) => Err(error),
        (None, Some(Event::End(response))) => Ok(*response),
        (None, last) => panic!("{last:?}"),
    }
}

fn ch(delta: Value, finish: Option<&str>) -> Value {
    json!({"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})
}

fn failure(read: Result<Response, ErrorKind>) -> Failure {
    match read {
        Err(ErrorKind::Parse(failure) | ErrorKind::Connection(failure)) => failure,
        other => panic!("{other:?}"),
    }
}

fn is_no_answer(read: Result<Response, ErrorKind>) -> bool {
    failure(read).extensions.contains_key(NO_ANSWER)
}

#[test]
fn an_answer_of_anthropic_without_content_and_costs_is_none() {
    for content in [json!(null), json!([])] {
        for usage in [json!(null), json!({"input_tokens": 0, "output_tokens": 0})] {
            let body = json!({"content": content, "stop_reason": "end_turn", "usage": usage});
            assert!(is_no_answer(whole(Anthropic, &body)), "{body}");
            let start = json!({"type": "message_start", "message": {"content": [], "usage": usage}});
            let stop = json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}});
            assert!(is_no_answer(streamed(Anthropic, &[start, stop])), "{body}");
        }
        let body = json!({"content": content, "stop_reason": "end_turn", "usage": {"input_tokens": 3}});
        assert_eq!(whole(Anthropic, &body).unwrap().content, []);
    }
    let body =
        json!({"type": "message", "stop_reason": "max_tokens", "usage": {"input_tokens": 3, "output_tokens": 9}});
    let response = whole(Anthropic, body).unwrap();
    assert_eq!((response.stop_reason, response.usage.total_tokens), (StopReason::MaxTokens, 12));
}

#[test]
fn usage_in_parts_is_put_together() {
    let usage = |usage: Value| json!({"choices": [], "usage": usage});
    let stream = [
        ch(json!({"content": "a"}), Some("stop")),
        usage(json!({"prompt_tokens": 100, "completion_tokens": 1, "total_tokens": 101})),
        usage(json!({"completion_tokens": "5"})),
        usage(json!({"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0})),
    ];
    let Usage { input_tokens, output_tokens, total_tokens, .. } = streamed(OpenAi, &stream).unwrap().usage;
    assert_eq!((input_tokens, output_tokens, total_tokens), (100, 5, 105));
}

#[test]
fn names_of_usage() {
    for (usage, read, written) in [
        (json!({"prompt_tokens": 9, "completion_tokens": 2, "cached_tokens": 4}), Some(4), None),
        (
            json!({"input_tokens": "9", "output_tokens": 2, "cache_read_input_tokens": 4, "cache_creation_input_tokens": 3}),
            Some(4),
            Some(3),
        ),
        (json!({"prompt_tokens": 0, "input_tokens": 9, "output_tokens": "2"}), None, None),
    ] {
        let choice = json!({"message": {"content": "a"}, "delta": {"content": "a"}, "finish_reason": "stop"});
        let body = json!({"choices": [choice], "usage": usage});
        for response in [whole(OpenAi, &body), streamed(OpenAi, std::slice::from_ref(&body))] {
            let counted = response.unwrap().usage;
            assert_eq!((counted.input_tokens, counted.output_tokens, counted.total_tokens), (9, 2, 11), "{usage}");
            assert_eq!((counted.cache_read_tokens, counted.cache_write_tokens), (read, written), "{usage}");
        }
    }
}

#[test]
fn a_call_of_no_tool_is_none() {
    for name in ["", " "] {
        let call = json!({"index": 0, "id": "a", "function": {"name": name, "arguments": "{}"}});
        let message = json!({"tool_calls": [call]});
        assert!(failure(whole(OpenAi, json!({"choices": [{"message": message}]}))).message.contains("name"));
        assert!(failure(streamed(OpenAi, &[ch(message, Some("stop"))])).message.contains("name"));
        let block = json!({"type": "tool_use", "id": "a", "name": name, "input": {}});
        assert!(failure(whole(Anthropic, json!({"content": [block]}))).message.contains("name"));
        let start = json!({"type": "message_start", "message": {}});
        let block = json!({"type": "content_block_start", "index": 0, "content_block": block});
        assert!(failure(streamed(Anthropic, &[start, block])).message.contains("name"));
    }
}

#[test]
fn the_choice_with_the_lowest_index_is_read() {
    let choice =
        |index: u64, text: &str| json!({"index": index, "message": {"content": text}, "finish_reason": "stop"});
    let body = json!({"choices": [choice(1, "b"), null, choice(0, "a")]});
    for response in [whole(OpenAi, &body), streamed(OpenAi, std::slice::from_ref(&body))] {
        assert_eq!(response.unwrap().text().as_deref(), Some("a"));
    }
    let piece = |text: &str, finish: Option<&str>| json!({"choices": [{"index": 3, "delta": {"content": text}, "finish_reason": finish}]});
    let response = streamed(OpenAi, &[piece("a", None), piece("b", None), piece("c", Some("stop"))]);
    assert_eq!(response.unwrap().text().as_deref(), Some("abc"));
    assert!(is_no_answer(whole(OpenAi, json!({"choices": [null]}))));
}

#[test]
fn arguments_are_received_although_another_call_cannot_be_read() {
    let call = |id: &str, arguments: &str| {
        let call = json!({"index": 0, "id": id, "function": {"name": "f", "arguments": arguments}});
        ch(json!({"tool_calls": [call]}), None).to_string()
    };
    let finish = ch(json!({}), Some("tool_calls")).to_string();
    let (events, error) = read(OpenAi, &lines(&[&call("a", "{\"x\":"), &call("b", "1}"), &finish, "[DONE]"]));
    assert!(matches!(error, Some(ErrorKind::Parse(_))), "{error:?}");
    let mut received = Received::default();
    events.iter().for_each(|event| received.add(event));
    let arguments: Vec<_> =
        received.content().iter().map(|block| serde_json::to_value(block).unwrap()["arguments"].clone()).collect();
    assert_eq!(arguments, [json!("{\"x\":"), json!("1}")]);
}

#[test]
fn errors_outside_of_events_are_told() {
    let text = format!("data: {}\n\n", ch(json!({"content": "a"}), None));
    for (line, status, message) in [
        ("{\"error\": {\"message\": \"m\", \"code\": 429}}", 429, "m"),
        ("error: {\"message\": \"m\", \"code\": 503}", 503, "m"),
        ("error: busy", 500, "busy"),
    ] {
        for before in ["event: ping\n", &text] {
            let Some(ErrorKind::Api(error)) = read(OpenAi, &format!("{before}{line}")).1 else { panic!("{line}") };
            assert_eq!((error.status, error.message.as_str()), (status, message), "{line}");
        }
    }
    let noise = format!("{{\"a\": 1}}\n{text}{{no\ndata: {}\n\n", ch(json!({}), Some("stop")));
    assert_eq!(ended(read(OpenAi, &noise)).unwrap().text().as_deref(), Some("a"));
}

#[test]
fn errors_in_shapes_of_gateways_are_the_same_whole_and_streamed() {
    let choice = |name: &str| json!({"choices": [{"index": 0, name: {"content": "a", "error": "bad"}}]});
    for (body, status, message) in [
        (json!({"error": {}}), 500, None),
        (json!({"error": ""}), 500, None),
        (json!({"error": 503}), 503, None),
        (json!({"statusCode": 429, "message": "m"}), 429, Some("m")),
        (json!({"__type": "ThrottlingException", "message": "m"}), 429, Some("m")),
        (json!({"detail": {"message": "m"}}), 500, Some("m")),
        (json!({"error_message": "m"}), 500, Some("m")),
        (json!({"errorMessage": "m"}), 500, Some("m")),
        (json!({"fault": {"faultstring": "m"}}), 500, Some("m")),
        (json!({"Error": {"Message": "m"}}), 500, Some("m")),
        (json!({"error": {"message": "{\"error\":{\"message\":\"m\"}}"}}), 500, Some("m")),
        (json!({"type": "error", "error": {"type": "api_error"}}), 500, Some("the provider says only `api_error`")),
        (json!({"error": {"message": "m", "metadata": {"raw": "n"}}}), 500, Some("m: n")),
        (json!({"x_groq": {"error": "m"}}), 500, Some("m")),
        (choice("delta"), 500, Some("bad")),
        (choice("message"), 500, Some("bad")),
    ] {
        let formats = if body.get("choices").is_some() { &[OpenAi][..] } else { &[OpenAi, Anthropic] };
        for format in formats {
            for read in [whole(*format, &body), streamed(*format, std::slice::from_ref(&body))] {
                let Err(ErrorKind::Api(error)) = read else { panic!("{body}: {read:?}") };
                assert_eq!(error.status, status, "{body}");
                assert_eq!(message.unwrap_or(&error.message), error.message, "{body}");
            }
        }
    }
}

#[test]
fn what_is_no_chunk_is_passed_over() {
    let (piece, finish) = (ch(json!({"content": "a"}), None), ch(json!({}), Some("stop")));
    for noise in [json!(null), json!([]), json!("ping"), json!(7), json!(true)] {
        let stream = [noise.clone(), piece.clone(), noise.clone(), finish.clone(), noise.clone()];
        assert_eq!(streamed(OpenAi, &stream).unwrap().text().as_deref(), Some("a"), "{noise}");
    }
    for marker in ["\"[DONE]\"", "[done]", " [DONE] "] {
        let body = lines(&[&piece.to_string(), &finish.to_string(), marker, "garbage"]);
        assert_eq!(ended(read(OpenAi, &body)).unwrap().text().as_deref(), Some("a"), "{marker}");
    }
    let without_reason = failure(streamed(OpenAi, &[piece]));
    assert!(without_reason.message.contains("did not say why it ended"), "{without_reason}");
}

#[test]
fn a_stream_without_an_event_of_the_format_is_no_answer() {
    for (format, body) in [
        (OpenAi, "{\"type\":\"response.created\"}"),
        (OpenAi, "null"),
        (Anthropic, "{\"choices\":[{\"delta\":{\"content\":\"a\"}}]}"),
    ] {
        let failure = failure(ended(read(format, &lines(&[body]))));
        assert!(failure.message.contains("no event of the format"), "{failure}");
        assert!(failure.extensions.contains_key(NO_ANSWER), "{failure}");
    }
    for scalar in ["null", "true", "5", "\"ok\""] {
        assert!(is_no_answer(whole(OpenAi, scalar)) && is_no_answer(whole(Anthropic, scalar)), "{scalar}");
    }
}

#[test]
fn text_behind_an_answer_is_passed_over() {
    let body = json!({"choices": [{"message": {"content": "a"}, "finish_reason": "stop"}]});
    for after in ["\n\n<!-- x -->", " ok", "}"] {
        assert_eq!(whole(OpenAi, format!("{body}{after}")).unwrap().text().as_deref(), Some("a"), "{after}");
    }
    for after in ["{}", "\n{\"choices\": []}", "\ndata: {}"] {
        assert!(is_no_answer(whole(OpenAi, format!("{body}{after}"))), "{after}");
    }
}

#[test]
fn an_event_of_anthropic_may_have_its_type_only_in_its_name() {
    let body = "event: message_start\ndata: {\"message\": {\"content\": []}}\n\n\
                event: content_block_start\ndata: {\"index\": 0, \"content_block\": {\"type\": \"text\", \"text\": \"\"}}\n\n\
                event: content_block_delta\ndata: {\"index\": 0, \"delta\": {\"type\": \"text_delta\", \"text\": \"a\"}}\n\n\
                event: content_block_stop\ndata: {\"index\": 0}\n\n\
                event: message_delta\ndata: {\"delta\": {\"stop_reason\": \"end_turn\"}}\n\n\
                event: message_stop\ndata: {}\n\n";
    assert_eq!(ended(read(Anthropic, body)).unwrap().text().as_deref(), Some("a"));
}

/// Its text is no text of the answer, as in a whole answer.
#[test]
fn a_block_of_an_unknown_type_may_have_a_text() {
    let block = json!({"type": "brand_new", "text": "zzz", "data": {"x": 1}});
    let at = |kind: &str, index: u64, field: &str, value: Value| json!({"type": format!("content_block_{kind}"), "index": index, field: value});
    let begun = json!({"type": "brand_new", "text": "z", "data": {"x": 1}});
    let events = [
        json!({"type": "message_start", "message": {"content": []}}),
        at("start", 0, "content_block", json!({"type": "text", "text": ""})),
        at("delta", 0, "delta", json!({"type": "text_delta", "text": "a "})),
        at("stop", 0, "none", Value::Null),
        at("start", 1, "content_block", begun),
        at("delta", 1, "delta", json!({"type": "text_delta", "text": "zz"})),
        at("stop", 1, "none", Value::Null),
        at("start", 2, "content_block", json!({"type": "text", "text": "b"})),
        at("stop", 2, "none", Value::Null),
        json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 1}}),
    ];
    let lines_of: Vec<String> = events.iter().map(Value::to_string).collect();
    let body =
        lines(&lines_of.iter().map(String::as_str).collect::<Vec<_>>()) + "data: {\"type\": \"message_stop\"}\n\n";
    let (told, error) = read(Anthropic, &body);
    let said: String = told
        .iter()
        .filter_map(|event| if let Event::Text(piece) = event { Some(piece.as_str()) } else { None })
        .collect();
    assert_eq!(said, "a b", "{error:?}: {told:?}");
    let response = ended((told, error)).unwrap();
    assert_eq!(response.content.get(1), Some(&ContentBlock::Other(block)));
    assert_eq!(response.text().as_deref(), Some("a b"));
}

#[test]
fn content_in_other_forms() {
    for content in
        [json!("a"), json!(["a"]), json!({"type": "text", "text": "a"}), json!([{"type": "output_text", "text": "a"}])]
    {
        let message = json!({"content": content});
        let body = json!({"choices": [{"message": message, "finish_reason": "stop"}]});
        assert_eq!(whole(OpenAi, body).unwrap().text().as_deref(), Some("a"), "{content}");
        assert_eq!(streamed(OpenAi, &[ch(message, Some("stop"))]).unwrap().text().as_deref(), Some("a"), "{content}");
    }
    let text = json!({"choices": [{"text": "a", "finish_reason": "stop"}]});
    for read in [whole(OpenAi, &text), streamed(OpenAi, std::slice::from_ref(&text))] {
        assert_eq!(read.unwrap().text().as_deref(), Some("a"));
    }
    assert_eq!(whole(Anthropic, json!({"content": "a"})).unwrap().text().as_deref(), Some("a"));
    let blocks = json!([{"type": "text", "text": null}, {"type": "text", "text": "a"}]);
    assert_eq!(whole(Anthropic, json!({"content": blocks})).unwrap().text().as_deref(), Some("a"));
}

#[test]
fn a_name_that_repeats_its_beginning_replaces_it() {
    let piece = |name: &str| {
        let call = json!({"index": 0, "id": "a", "function": {"name": name}});
        ch(json!({"tool_calls": [call]}), None)
    };
    let stream = [piece("get"), piece("get_wea"), piece("get_weather"), ch(json!({}), Some("tool_calls"))];
    let response = streamed(OpenAi, &stream).unwrap();
    assert_eq!(response.tool_calls().map(|call| call.name.as_str()).collect::<Vec<_>>(), ["get_weather"]);
}
