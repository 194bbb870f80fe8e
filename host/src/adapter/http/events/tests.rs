use futures::stream;
use proptest::prelude::*;
use reqwest::{StatusCode, header::HeaderMap};
use serde_json::Value;

use super::*;
use crate::{
    adapter::{answer::EventStream, http::fixture},
    chat::{
        content::ContentBlock,
        received::Received,
        wire_format::WireFormat::{self, Anthropic, OpenAi},
    },
};

/// Answers of both formats: streamed and not streamed.
const RECORDED: [(WireFormat, &str, &str); 4] = [
    (Anthropic, include_str!("recorded/anthropic-tools.sse"), include_str!("recorded/anthropic-tools.json")),
    (Anthropic, include_str!("recorded/anthropic-thinking.sse"), include_str!("recorded/anthropic-thinking.json")),
    (OpenAi, include_str!("recorded/openai-tools.sse"), include_str!("recorded/openai-tools.json")),
    (OpenAi, include_str!("recorded/openai-reasoning.sse"), include_str!("recorded/openai-reasoning.json")),
];

fn asked(format: WireFormat) -> Arc<Asked> {
    fixture::asked(format, |provider| provider.max_event_bytes = 4096)
}

fn answer() -> HttpAnswer {
    HttpAnswer { status: StatusCode::OK, headers: HeaderMap::new(), body: Vec::new(), flaw: None, framed: true }
}

/// The events of a body that arrives in these chunks.
fn events(format: WireFormat, chunks: Vec<Bytes>, framed: bool) -> EventStream {
    let asked = asked(format);
    let body = Body::of(stream::iter(chunks.into_iter().map(Ok)).boxed(), asked.clone());
    Events::new(asked, HttpAnswer { framed, ..answer() }, body).boxed()
}

/// All events, and the error at the end if there is one.
async fn read_chunks(format: WireFormat, chunks: Vec<Bytes>) -> (Vec<Event>, Option<ErrorKind>) {
    read_framed(format, chunks, true).await
}

async fn read_framed(format: WireFormat, chunks: Vec<Bytes>, framed: bool) -> (Vec<Event>, Option<ErrorKind>) {
    let mut stream = events(format, chunks, framed);
    let mut read = Vec::new();
    while let Some(event) = stream.next().await {
        match event {
            Ok(event) => read.push(event),
            Err(error) => return (read, Some(error)),
        }
    }
    (read, None)
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

fn read(format: WireFormat, body: &str) -> (Vec<Event>, Option<ErrorKind>) {
    run(read_chunks(format, vec![Bytes::copy_from_slice(body.as_bytes())]))
}

/// The text of an event stream in which each line is the data of an event.
fn lines(lines: &[&str]) -> String {
    lines.iter().map(|line| format!("data: {line}\n\n")).collect()
}

#[test]
fn the_end_is_what_the_answer_would_be_without_streaming() {
    for (format, stream, whole) in RECORDED {
        let (events, error) = read(format, stream);
        assert_eq!(error, None);
        let whole: Value = serde_json::from_str(whole).unwrap();
        let whole = Reader::new(&asked(format)).read_body(&answer(), &whole, false).unwrap();
        let Some(Event::End(response)) = events.last() else { panic!("{events:?}") };
        assert_eq!(**response, whole);
        let mut received = Received::default();
        events.iter().for_each(|event| received.add(event));
        assert_eq!(received.content(), whole.content, "the events say all of it");
    }
}

#[test]
fn events_of_a_call_for_a_tool() {
    let (events, _) = read(OpenAi, RECORDED[2].1);
    let kinds: Vec<&str> = events.iter().map(kind).collect();
    let expected = "text text block start arguments arguments tool start arguments tool usage end";
    assert_eq!(kinds.join(" "), expected);
    let (events, _) = read(Anthropic, RECORDED[0].1);
    let kinds: Vec<&str> = events.iter().map(kind).collect();
    let expected = "usage text text text block start arguments arguments tool start tool usage end";
    assert_eq!(kinds.join(" "), expected);
    let Event::ToolUseEnd { index: 0, call } = &events[8] else { panic!("{events:?}") };
    assert_eq!(call.arguments["location"], "Zürich");
}

fn kind(event: &Event) -> &'static str {
    match event {
        Event::Text(_) => "text",
        Event::Thinking(_) => "thinking",
        Event::ToolUseStart { .. } => "start",
        Event::ToolArguments { .. } => "arguments",
        Event::ToolUseEnd { .. } => "tool",
        Event::Block(_) => "block",
        Event::Usage(_) => "usage",
        Event::Original(_) => "original",
        Event::Rewritten(_) => "rewritten",
        Event::End(_) => "end",
    }
}

#[test]
fn any_line_ends_and_any_number_of_data_lines() {
    for (format, stream, _) in RECORDED {
        let whole = read(format, stream);
        for line_end in ["\r\n", "\r"] {
            assert_eq!(read(format, &stream.replace('\n', line_end)), whole);
        }
        let commented = stream.replace("data: {", ": a comment\ndata:{\ndata: ");
        assert_eq!(read(format, &format!("\u{feff}{commented}")), whole);
        assert_eq!(read(format, &format!("data:\n\n{}", stream.replace("\n\n", "\n\ndata: \n\n"))), whole);
        assert_eq!(read(format, stream.trim_end()), whole, "the last event may lack its empty line");
    }
}

#[test]
fn split_at_every_byte_it_says_the_same() {
    for (format, stream, _) in RECORDED {
        let whole = read(format, stream);
        let bytes = Bytes::from_static(stream.as_bytes());
        run(async {
            for at in 0..=bytes.len() {
                let (first, rest) = (bytes.slice(..at), bytes.slice(at..));
                assert_eq!(read_chunks(format, vec![first, rest]).await, whole, "split at {at}");
            }
            let single = (0..bytes.len()).map(|at| bytes.slice(at..=at)).collect();
            assert_eq!(read_chunks(format, single).await, whole);
        });
    }
}

/// Without framing, only the end marker shows that the body is complete.
#[test]
fn cut_at_any_byte_it_is_never_whole() {
    for (format, stream, _) in RECORDED {
        let marker = stream.rfind(if format == Anthropic { "}\n" } else { "]\n" }).unwrap();
        let whole = read(format, stream).0;
        for at in 0..=marker {
            let cut = vec![Bytes::copy_from_slice(&stream.as_bytes()[..at])];
            let (events, error) = run(read_framed(format, cut, false));
            assert!(matches!(error, Some(ErrorKind::Connection(_))), "cut at {at}: {error:?}");
            assert_eq!(events[..], whole[..events.len()], "cut at {at}");
        }
    }
}

/// With framing, the answer is whole once it has said why it ended.
#[test]
fn a_body_that_ends_in_good_order_is_whole_after_its_finish_reason() {
    for (format, stream, _) in RECORDED {
        let reason =
            stream.rfind(if format == Anthropic { "\"stop_reason\"" } else { "\"finish_reason\":\"" }).unwrap();
        let reason = reason + stream[reason..].find("}\n").unwrap();
        let whole = read(format, stream).0;
        for at in 1..stream.len() {
            let (events, error) = read(format, &String::from_utf8_lossy(&stream.as_bytes()[..at]));
            let is_whole = matches!(events.last(), Some(Event::End(_)));
            assert_eq!((is_whole, error.is_none()), (at > reason, at > reason), "cut at {at}: {error:?}");
            if is_whole {
                let (Some(Event::End(cut)), Some(Event::End(whole))) = (events.last(), whole.last()) else { panic!() };
                assert_eq!((&cut.content, &cut.stop_reason), (&whole.content, &whole.stop_reason), "cut at {at}");
            }
        }
    }
}

proptest! {
    #[test]
    fn split_anywhere_it_says_the_same(which in 0..4usize, mut cuts in proptest::collection::vec(0..2000usize, 0..20)) {
        let (format, stream, _) = RECORDED[which];
        let bytes = Bytes::from_static(stream.as_bytes());
        cuts.retain(|cut| *cut < bytes.len());
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let chunks = cuts.windows(2).map(|cut| bytes.slice(cut[0]..cut[1])).collect();
        prop_assert_eq!(run(read_chunks(format, chunks)), read(format, stream));
    }

    #[test]
    fn any_bytes_end_in_an_error(body: Vec<u8>, which in 0..2usize) {
        let (_, error) = run(read_chunks([Anthropic, OpenAi][which], vec![body.into()]));
        prop_assert!(error.is_some());
    }

    #[test]
    fn any_damage_ends_in_an_error_or_an_answer(which in 0..4usize, at in 0..2000usize, byte: u8) {
        let (format, stream, _) = RECORDED[which];
        let mut bytes = stream.as_bytes().to_vec();
        let at = at % bytes.len();
        bytes[at] = byte;
        let (events, error) = run(read_chunks(format, vec![bytes.into()]));
        prop_assert!(error.is_some() != matches!(events.last(), Some(Event::End(_))));
    }
}

#[test]
fn an_error_among_the_events_is_the_error_that_it_names() {
    let start = r#"{"type":"message_start","message":{"content":[]}}"#;
    let overloaded = r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#;
    let (events, error) = read(Anthropic, &lines(&[start, overloaded]));
    assert_eq!(events, []);
    let Some(ErrorKind::Api(error)) = error else { panic!("{error:?}") };
    assert_eq!((error.status, error.message.as_str()), (529, "Overloaded"));

    let piece = r#"{"choices":[{"delta":{"content":"a"}}]}"#;
    let error = r#"{"error":{"message":"Slow down","code":"rate_limit_exceeded"}}"#;
    let (events, error) = read(OpenAi, &lines(&[piece, error]));
    assert_eq!(events, [Event::Text("a".into())]);
    let Some(ErrorKind::Api(error)) = error else { panic!("{error:?}") };
    assert_eq!((error.status, error.message.as_str()), (429, "Slow down"));
}

#[test]
fn a_piece_that_carries_more_than_text_is_not_passed_over() {
    let first = r#"{"id":"1","model":"m","choices":[{"delta":{"content":"a"}}]}"#;
    let error = r#"{"choices":[{"delta":{"content":"b"}}],"error":{"code":500,"message":"no"}}"#;
    assert!(matches!(read(OpenAi, &lines(&[first, error])).1, Some(ErrorKind::Api(_))));
    let usage = r#"{"choices":[{"delta":{"content":"b"}}],"usage":{"prompt_tokens":3,"completion_tokens":4}}"#;
    let thought = r#"{"choices":[{"delta":{"content":"","reasoning":"so"}}]}"#;
    let finish = r#"{"choices":[{"delta":{"content":"c"},"finish_reason":"stop"}]}"#;
    let (events, error) = read(OpenAi, &lines(&[first, usage, thought, finish, "[DONE]"]));
    assert_eq!(error, None);
    let Some(Event::End(response)) = events.last() else { panic!("{events:?}") };
    assert_eq!((response.text().unwrap().as_str(), response.usage.total_tokens), ("abc", 7));
    assert_eq!(response.thinking().unwrap(), "so");
}

#[test]
fn what_is_missing_at_the_end_is_a_broken_connection() {
    let piece = r#"{"choices":[{"delta":{"content":"a"}}]}"#;
    let finish = r#"{"choices":[{"delta":{},"finish_reason":"stop"}]}"#;
    let framed = |body: &str, framed| run(read_framed(OpenAi, vec![Bytes::copy_from_slice(body.as_bytes())], framed)).1;
    for (body, without_framing) in [
        (lines(&[piece]), false),
        (lines(&[piece, "[DONE]"]), false),
        (lines(&["[DONE]"]), false),
        (lines(&[piece, finish]), true),
        (String::new(), true),
    ] {
        let error = framed(&body, !without_framing);
        assert!(matches!(error, Some(ErrorKind::Connection(_))), "{body}: {error:?}");
    }
    assert_eq!(framed(&lines(&[piece, finish]), true), None);
    assert_eq!(framed(&lines(&[piece, finish, "[DONE]"]), false), None);
    assert_eq!(framed(&(lines(&[piece, finish]) + "data: {\"choices\""), true), None, "nothing is missing");
}

#[test]
fn a_body_without_events_is_no_answer() {
    for (body, says) in [
        ("", "an empty body"),
        (": ping\n\n", ": ping"),
        ("data: \n\n", "data:"),
        ("<html>no</html>", "(status 200): no"),
        ("<html>", "nothing of the body can be shown"),
    ] {
        let (_, error) = read(Anthropic, body);
        let Some(ErrorKind::Parse(failure)) = error else { panic!("{error:?}") };
        assert!(failure.message.contains("the stream has no events") && failure.message.contains(says), "{failure}");
        assert_eq!(failure.extensions.get("arcllm.no-answer"), Some(&true.into()));
    }
}

#[test]
fn an_event_of_the_name_error_is_an_error() {
    for format in [Anthropic, OpenAi] {
        for (event, status, message) in [
            ("event: error\ndata: Overloaded\n\n", 500, "Overloaded"),
            ("event: error\ndata: {\"message\": \"later\", \"code\": 503}\n\n", 503, "later"),
            ("event: error\ndata: {\"error\": {\"type\": \"rate_limit_error\", \"message\": \"slow\"}}\n", 429, "slow"),
            ("data: {\"error\": \"Overloaded, try later\"}\n\n", 500, "Overloaded, try later"),
            ("data: [{\"error\": {\"code\": 429, \"message\": \"slow\"}}]\n\n", 429, "slow"),
            ("data: {\"detail\": \"later\"}\n\n", 500, "later"),
        ] {
            let Some(ErrorKind::Api(error)) = read(format, event).1 else { panic!("{event}") };
            assert_eq!((error.status, error.message.as_str()), (status, message), "{event}");
        }
    }
}

#[test]
fn anthropics_answer_may_end_as_one_of_openai() {
    let start = r#"{"type":"message_start","message":{"content":[],"usage":null}}"#;
    let block = r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":"a"}}"#;
    let delta = r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":7}}"#;
    for body in [lines(&[start, block, delta, "[DONE]"]), lines(&[start, block, delta])] {
        let (events, error) = read(Anthropic, &body);
        assert_eq!(error, None);
        let Some(Event::End(response)) = events.last() else { panic!("{events:?}") };
        assert_eq!((response.text().as_deref(), response.usage.output_tokens), (Some("a"), 7));
        let mut received = Received::default();
        events.iter().for_each(|event| received.add(event));
        assert_eq!(received.content(), response.content);
    }
    let error = read(Anthropic, &lines(&[start, block, "[DONE]"])).1;
    assert!(matches!(error, Some(ErrorKind::Connection(_))), "{error:?}");
}

/// The two halves of a character, in two events.
#[test]
fn halves_of_a_character_are_joined() {
    let openai = |field: &str, piece: &str| format!(r#"{{"choices":[{{"delta":{{"{field}":"{piece}"}}}}]}}"#);
    let finish = r#"{"choices":[{"delta":{},"finish_reason":"stop"}]}"#;
    let anthropic = |kind: &str, field: &str, piece: &str| {
        format!(r#"{{"type":"content_block_delta","index":0,"delta":{{"type":"{kind}","{field}":"{piece}"}}}}"#)
    };
    let start = r#"{"type":"message_start","message":{"content":[]}}"#;
    let begin =
        |kind: &str| format!(r#"{{"type":"content_block_start","index":0,"content_block":{{"type":"{kind}"}}}}"#);
    let stop = r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"}}"#;
    for (first, second, expected) in [
        ("a\\ud83d", "\\ude00b", "a😀b"),
        ("a\\ud83d", "b", "a\u{fffd}b"),
        ("a", "\\ude00", "a\u{fffd}"),
        ("a", "\\ud83d", "a\u{fffd}"),
    ] {
        for (field, is_text) in [("content", true), ("reasoning_content", false)] {
            let stream = lines(&[&openai(field, first), &openai(field, second), finish, "[DONE]"]);
            says_in_all_ways(OpenAi, &stream, is_text, expected);
        }
        for (block, kind, field, is_text) in
            [("text", "text_delta", "text", true), ("thinking", "thinking_delta", "thinking", false)]
        {
            let (first, second) = (anthropic(kind, field, first), anthropic(kind, field, second));
            let stream = lines(&[start, &begin(block), &first, &second, stop, "[DONE]"]);
            says_in_all_ways(Anthropic, &stream, is_text, expected);
        }
    }
}

/// Checks that pieces, blocks and the end say the same.
fn says_in_all_ways(format: WireFormat, stream: &str, is_text: bool, expected: &str) {
    let (events, error) = read(format, stream);
    assert_eq!(error, None, "{stream}");
    let told = events.iter().filter_map(|event| match event {
        Event::Text(piece) if is_text => Some(piece.as_str()),
        Event::Thinking(piece) if !is_text => Some(piece.as_str()),
        _ => None,
    });
    assert_eq!(told.collect::<String>(), expected, "{stream}");
    let Some(Event::End(response)) = events.last() else { panic!("{events:?}") };
    let said = if is_text { response.text() } else { response.thinking() };
    assert_eq!(said.as_deref(), Some(expected), "{stream}");
}

#[test]
fn what_cannot_be_read_is_a_parse_error() {
    let open =
        r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{\"a\""}}]}}]}"#;
    let finish = r#"{"choices":[{"delta":{},"finish_reason":"tool_calls"}]}"#;
    let nameless = r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"a","function":{"arguments":"{}"}}]}}]}"#;
    let long = format!("{{\"choices\":[{{\"delta\":{{\"content\":\"{}\"}}}}]}}", "a".repeat(5000));
    for (body, expected) in [
        (lines(&["{\"choices\""]), "an event is not JSON"),
        (lines(&["[]"]), "no event of the format"),
        (lines(&["[{}]"]), "the body is not an object"),
        (lines(&[open, finish]), "is not a JSON object: {\"a\""),
        (lines(&[nameless, finish]), "has no `name`"),
        (lines(&[&long]), "an event is longer than 0.00390625 MiB (providers.here.max_event_mb)"),
    ] {
        let (_, error) = read(OpenAi, &body);
        let Some(ErrorKind::Parse(failure)) = error else { panic!("{error:?}") };
        assert!(failure.message.contains(expected), "{}", failure.message);
    }
    let stray = r#"{"type":"content_block_stop","index":3}"#;
    let Some(ErrorKind::Parse(failure)) = read(Anthropic, &lines(&[stray])).1 else { panic!() };
    assert!(failure.message.contains("block 3, which has not begun"), "{}", failure.message);
}

/// A tool call that was cut at the token limit is reported as an incomplete call.
#[test]
fn a_call_that_was_cut_is_reported_as_incomplete() {
    for (arguments, is_cut) in [("", true), ("{", true), ("{\"a\": 1", true), ("{\"a\": 1}", false)] {
        let text = Value::String(arguments.to_owned());
        let call = format!(r#"{{"index":1,"id":"b","function":{{"name":"f","arguments":{text}}}}}"#);
        let first = r#"{"index":0,"id":"a","function":{"name":"g","arguments":"{}"}}"#;
        let delta = |call: &str| format!(r#"{{"choices":[{{"delta":{{"tool_calls":[{call}]}}}}]}}"#);
        let finish = r#"{"choices":[{"delta":{},"finish_reason":"length"}]}"#;
        let openai = lines(&[&delta(first), &delta(&call), finish, "[DONE]"]);
        let tool = r#"{"type":"tool_use","id":"b","name":"f","input":{}}"#;
        let anthropic = lines(&[
            r#"{"type":"message_start","message":{"content":[]}}"#,
            &format!(r#"{{"type":"content_block_start","index":0,"content_block":{tool}}}"#),
            &format!(
                r#"{{"type":"content_block_delta","index":0,"delta":{{"type":"input_json_delta","partial_json":{text}}}}}"#
            ),
            r#"{"type":"content_block_stop","index":0}"#,
            r#"{"type":"message_delta","delta":{"stop_reason":"max_tokens"},"usage":{"output_tokens":16}}"#,
            r#"{"type":"message_stop"}"#,
        ]);
        for (format, stream) in [(OpenAi, &openai), (Anthropic, &anthropic)] {
            let (events, error) = read(format, stream);
            assert_eq!(error, None, "{arguments}");
            let Some(Event::End(response)) = events.last() else { panic!("{events:?}") };
            assert_eq!(response.stop_reason, crate::chat::response::StopReason::MaxTokens);
            let last = response.content.last().unwrap();
            assert_eq!(last.is_partial_tool_use(), is_cut, "{arguments}: {last:?}");
            let ends = events.iter().filter(|event| matches!(event, Event::ToolUseEnd { call, .. } if call.id == "b"));
            assert_eq!(ends.count(), usize::from(!is_cut), "{arguments}");
            let mut received = Received::default();
            events.iter().for_each(|event| received.add(event));
            assert_eq!(received.content(), response.content);
        }
        let whole =
            format!(r#"{{"choices":[{{"message":{{"tool_calls":[{first},{call}]}},"finish_reason":"length"}}]}}"#);
        let whole =
            Reader::new(&asked(OpenAi)).read_body(&answer(), &serde_json::from_str(&whole).unwrap(), false).unwrap();
        let Some(Event::End(streamed)) = read(OpenAi, &openai).0.pop() else { panic!() };
        assert_eq!(streamed.content, whole.content);
    }
}

#[test]
fn the_number_of_blocks_is_limited() {
    let call = |id: usize| {
        let function = r#""function":{"name":"f","arguments":"{}"}"#;
        format!(r#"{{"choices":[{{"delta":{{"tool_calls":[{{"index":{id},"id":"{id}",{function}}}]}}}}]}}"#)
    };
    let block = |index: usize| {
        format!(r#"{{"type":"content_block_start","index":{index},"content_block":{{"type":"text","text":""}}}}"#)
    };
    let many = |line: &dyn Fn(usize) -> String| (0..10_000).map(|id| lines(&[&line(id)])).collect::<String>();
    for (format, stream) in [(OpenAi, many(&call)), (Anthropic, many(&block))] {
        let Some(ErrorKind::Parse(failure)) = read(format, &stream).1 else { panic!() };
        assert!(failure.message.contains("max_response_mb"), "{}", failure.message);
    }
}

/// A call without arguments is complete, unless the answer was cut.
#[test]
fn a_call_without_arguments_is_reported_before_the_end() {
    let (events, _) = read(Anthropic, RECORDED[0].1);
    let call = events.iter().position(|event| matches!(event, Event::ToolUseEnd { index: 1, .. })).unwrap();
    assert!(call < events.len() - 2, "{events:?}");
}

#[test]
fn servers_that_number_tool_calls_in_ways_of_their_own() {
    let call = |call: &str| format!("{{\"choices\":[{{\"delta\":{{\"tool_calls\":[{call}]}}}}]}}");
    let finish = r#"{"choices":[{"delta":{},"finish_reason":"stop"}]}"#;
    let function = r#""function":{"name":"f","arguments":"{}"}"#;
    for (first, second) in [
        // The same index for all calls, and none.
        (format!("{{\"index\":0,\"id\":\"a\",{function}}}"), format!("{{\"index\":0,\"id\":\"b\",{function}}}")),
        (format!("{{\"id\":\"a\",{function}}}"), format!("{{\"id\":\"b\",{function}}}")),
    ] {
        let (events, error) = read(OpenAi, &lines(&[&call(&first), &call(&second), finish, "[DONE]"]));
        assert_eq!(error, None);
        let Some(Event::End(response)) = events.last() else { panic!("{events:?}") };
        let ids: Vec<&str> = response.tool_calls().map(|call| call.id.as_str()).collect();
        assert_eq!(ids, ["a", "b"]);
    }
}

#[test]
fn usage_is_found_wherever_it_stands() {
    let usage = r#""usage":{"prompt_tokens":3,"completion_tokens":4}"#;
    for last in [
        format!("{{\"choices\":[],{usage}}}"),
        format!("{{\"choices\":[{{\"delta\":{{}},\"finish_reason\":\"stop\"}}],{usage}}}"),
        format!("{{\"choices\":[{{\"delta\":{{}},{usage}}}]}}"),
        format!("{{\"choices\":[],\"x_groq\":{{{usage}}}}}"),
    ] {
        let finish = r#"{"choices":[{"delta":{"content":"a"},"finish_reason":"stop"}]}"#;
        let (events, _) = read(OpenAi, &lines(&[finish, &last, "[DONE]"]));
        let Some(Event::End(response)) = events.last() else { panic!("{events:?}") };
        assert_eq!(response.usage.total_tokens, 7, "{last}");
    }
}

/// Azure's first chunk has no choice, and empty names.
#[test]
fn who_answers_may_come_after_the_first_chunk() {
    let first = r#"{"choices":[],"id":"","model":"","prompt_filter_results":[]}"#;
    let second = r#"{"id":"c1","model":"m","choices":[{"index":0,"delta":{"content":"a"}}]}"#;
    let finish = r#"{"id":"c1","model":"m","choices":[{"delta":{},"finish_reason":"stop"}]}"#;
    let (events, _) = read(OpenAi, &lines(&[first, second, finish, "[DONE]"]));
    let Some(Event::End(response)) = events.last() else { panic!("{events:?}") };
    assert_eq!((response.model.as_str(), response.text().as_deref()), ("m", Some("a")));
}

#[test]
fn blocks_that_are_not_pieces_are_reported_whole() {
    let (events, _) = read(Anthropic, RECORDED[1].1);
    let blocks: Vec<&ContentBlock> = events
        .iter()
        .filter_map(|event| match event {
            Event::Block(block) => Some(block),
            _ => None,
        })
        .collect();
    assert_eq!(blocks.len(), 4);
    assert!(matches!(blocks[0], ContentBlock::Thinking(thinking) if thinking.signature.is_some()));
    assert!(matches!(blocks[3], ContentBlock::Other(_)));
}

#[test]
fn counts_before_the_first_content_are_not_collected() {
    let many = r#"data: {"usage": {"prompt_tokens": 7, "completion_tokens": 0}}"#.to_owned() + "\n\n";
    let said = r#"data: {"choices": [{"index": 0, "delta": {"content": "Hi"}}]}"#.to_owned() + "\n\n";
    let body = Bytes::from(many.repeat(1000) + &said);
    run(async {
        let asked = asked(OpenAi);
        let body = Body::of(stream::iter([Ok(body)]).boxed(), asked.clone());
        let answer = Box::new(Events::new(asked, answer(), body)).committed().await.unwrap();
        let Answer::Stream { mut events, .. } = answer else { panic!("{answer:?}") };
        assert!(matches!(events.next().await, Some(Ok(Event::Usage(usage))) if usage.input_tokens == 7));
        assert!(matches!(events.next().await, Some(Ok(Event::Text(text))) if text == "Hi"));
    });
}

#[test]
fn an_error_without_its_empty_line_is_read() {
    let body = r#"data: {"error": {"message": "no such key", "code": 401}}"#.to_owned() + "\n";
    let (events, error) = read(OpenAi, &body);
    assert_eq!(events, []);
    assert!(matches!(&error, Some(ErrorKind::Api(api)) if api.status == 401), "{error:?}");
    // Half of the event is ignored.
    let (_, error) = read(OpenAi, &body[..body.len() - 3]);
    assert!(matches!(error, Some(ErrorKind::Connection(_))), "{error:?}");
}

/// The JSON around a piece may be a hundred times as long as the piece. It counts only once it is very much longer.
#[test]
fn only_pieces_count_towards_the_limit() {
    let piece = |around: usize| {
        lines(&[&format!(r#"{{"id":"1","choices":[{{"delta":{{"content":"a"}}}}],"x":"{}"}}"#, "x".repeat(around))])
    };
    let ends = lines(&[r#"{"choices":[{"delta":{},"finish_reason":"stop"}]}"#, "[DONE]"]);
    let read =
        |body: String| run(read_chunks(OpenAi, body.as_bytes().chunks(4096).map(Bytes::copy_from_slice).collect()));
    let (events, error) = read(piece(1000).repeat(4096) + &ends);
    assert_eq!((error, events.len()), (None, 4096 + 2), "four megabytes, where one is allowed");
    let (events, error) = read(piece(2000).repeat(10_000));
    let Some(ErrorKind::Parse(failure)) = error else { panic!("{error:?}") };
    assert!(failure.message.contains("(providers.here.max_response_mb)"), "{}", failure.message);
    assert!(events.len() > 4096, "{}", events.len());
}

mod servers;
mod tool_calls;
