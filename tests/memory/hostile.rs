//! A hostile provider: no answer within the limits costs more than six times its size.

use std::sync::Arc;

use arcllm::{Error, ErrorKind, Message, Model, Response};
use futures::StreamExt as _;
use serde_json::json;

use crate::{
    BESIDES,
    allocator::Since,
    model,
    server::{Says, Server},
};

/// The bytes of each answer, in binary megabytes.
const MEGABYTES: usize = 4;

struct Case {
    name: &'static str,
    format: &'static str,
    says: Says,
    body: Vec<u8>,
}

/// As many of these pieces as fit into an answer, between its beginning and its end.
fn many(before: &str, unit: impl Fn(usize) -> String, after: &str) -> Vec<u8> {
    let mut body = before.to_owned();
    let mut number = 0;
    loop {
        let unit = unit(number);
        if body.len() + unit.len() + after.len() > MEGABYTES << 20 {
            break;
        }
        body += &unit;
        number += 1;
    }
    (body + after).into_bytes()
}

fn always(unit: &'static str) -> impl Fn(usize) -> String {
    move |_| unit.to_owned()
}

fn openai(message: impl FnOnce() -> (String, &'static str, String)) -> Vec<u8> {
    let (before, unit, after) = message();
    let before = format!(r#"{{"id":"1","model":"m","choices":[{{"message":{{{before}"#);
    many(&before, always(unit), &format!(r#"{after}}},"finish_reason":"stop"}}]}}"#))
}

fn whole() -> Vec<Case> {
    let openai = |name, before: &str, unit: &'static str, after: &str| {
        let body = openai(|| (before.to_owned(), unit, after.to_owned()));
        Case { name, format: "openai", says: Says::Whole, body }
    };
    let other = |name, format, body| Case { name, format, says: Says::Whole, body };
    let call = r#""tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"#;
    let ends = r#"],"stop_reason":"end_turn"}"#;
    vec![
        openai("a block of dense JSON", r#""content":[{"type":"odd","z":["#, "[],", "0]}]"),
        openai("a long text", r#""content":""#, "word ", "\""),
        openai("a long text of escapes", r#""content":""#, r"\n", "\""),
        openai("a long text of long escapes", r#""content":""#, r"\u00e9", "\""),
        openai("many parts", r#""content":["#, r#"{"type":"text","text":"a"},"#, r#"{"type":"text","text":"a"}]"#),
        openai("many parts of no kind", r#""content":["#, r#"{"type":"a"},"#, r#"{"type":"a"}]"#),
        openai("many calls", r#""tool_calls":["#, r#"{"function":{"name":"f"}},"#, r#"{"function":{"name":"f"}}]"#),
        openai("calls of nothing", r#""tool_calls":["#, "{},", "{}]"),
        openai("dense arguments", &format!(r#"{call}{{"a":["#), "1,", "1]}}}]"),
        openai("dense arguments as text", &format!(r#"{call}"{{\"a\":["#), "[],", "1]}\"}}]"),
        openai("texts as arguments", &format!(r#"{call}"{{\"a\":["#), r#"\"a\","#, "1]}\"}}]"),
        openai("a long argument as text", &format!(r#"{call}"{{\"a\":\""#), r"\\n", "\\\"}\"}}]"),
        openai("arguments that are no JSON", &format!(r#"{call}""#), "{ ", "\"}}]"),
        openai("deep JSON", r#""content":[{"type":"odd","z":"#, "[", "0"),
        openai("unknown fields", r#""content":"hi","x":["#, r#"{"a":[0]},"#, "0]"),
        openai("the same key over and over", r#""content":"hi","#, r#""refusal":"","#, r#""a":0"#),
        openai("extensions of a call", r#""tool_calls":[{"function":{"name":"f"},"#, r#""a":0,"#, r#""a":0}]"#),
        other("many choices", "openai", many(r#"{"choices":[{"message":{"content":"hi"}}"#, always(",{}"), "]}")),
        other("choices that are none", "openai", many(r#"{"choices":["#, always("[],"), "0]}")),
        other(
            "many counts",
            "openai",
            many(
                r#"{"choices":[{"message":{"content":"hi"}}],"usage":{"a":0"#,
                |number| format!(r#","{number}":0"#),
                "}}",
            ),
        ),
        other("an error of dense JSON", "openai", many(r#"{"error":{"code":500,"message":["#, always("[],"), "0]}}")),
        other("a long error", "openai", many(r#"{"error":{"code":500,"message":""#, always("wrong "), "\"}}")),
        other("no JSON", "openai", many("<html>", always("<p>no</p>"), "")),
        other("a list", "openai", many("[", always("{},"), "{}]")),
        other(
            "many blocks",
            "anthropic",
            many(
                r#"{"content":["#,
                always(r#"{"type":"text","text":""},"#),
                r#"{"type":"a"}],"stop_reason":"end_turn"}"#,
            ),
        ),
        other(
            "many blocks of no kind",
            "anthropic",
            many(r#"{"content":["#, always(r#"{"type":""},"#), &format!(r#"{{"type":"a"}}{ends}"#)),
        ),
        other(
            "fields of a block",
            "anthropic",
            many(
                r#"{"content":[{"type":"text","text":"hi""#,
                |number| format!(r#","{number}":0"#),
                &format!("}}{ends}"),
            ),
        ),
        other(
            "dense input",
            "anthropic",
            many(
                r#"{"content":[{"type":"tool_use","name":"f","input":{"a":["#,
                always(r#""","#),
                &format!("0]}}}}{ends}"),
            ),
        ),
        other(
            "a long thought",
            "anthropic",
            many(
                r#"{"content":[{"type":"thinking","signature":"s","thinking":""#,
                always(r"hm\n"),
                &format!("\"}}{ends}"),
            ),
        ),
        Case {
            says: Says::Error,
            ..other("dense JSON with a status", "anthropic", many(r#"{"error":["#, always("[],"), "0]}"))
        },
        Case {
            says: Says::Error,
            ..other("long text with a status", "openai", many(r#"{"detail":[{"msg":""#, always("a"), r#""}]}"#))
        },
    ]
}

const OPENAI_END: &str = "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";
const ANTHROPIC_END: &str = "data: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{}}\n\ndata: \
                             {\"type\":\"message_stop\"}\n\n";
const ANTHROPIC_START: &str = "data: {\"type\":\"message_start\",\"message\":{\"id\":\"1\",\"content\":[]}}\n\n";

/// A chunk with this choice.
fn chunk(delta: &str) -> String {
    format!("data: {{\"choices\":[{{\"delta\":{delta}}}]}}\n\n")
}

fn piece(delta: &str) -> String {
    format!("data: {{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{delta}}}\n\n")
}

fn starts(index: usize, block: &str) -> String {
    format!("data: {{\"type\":\"content_block_start\",\"index\":{index},\"content_block\":{block}}}\n\n")
}

fn chunks() -> Vec<Case> {
    let first = "data: {\"id\":\"1\",\"model\":\"m\",\"choices\":[]}\n\n";
    let many = |name, unit: &dyn Fn(usize) -> String| {
        let body = many(first, unit, OPENAI_END);
        Case { name, format: "openai", says: Says::Events, body }
    };
    let one = |name, before: &str, unit: &'static str, after: &str| {
        let (head, tail) = ("data: {\"choices\":[{\"delta\":{", "}}]}\n\n");
        let body = self::many(&format!("{first}{head}{before}"), always(unit), &format!("{after}{tail}{OPENAI_END}"));
        Case { name, format: "openai", says: Says::Events, body }
    };
    let call = r#""tool_calls":[{"index":0,"id":"c","function":{"name":"f","arguments":"#;
    let garbled = |name, length: usize| {
        let mut body = format!("{first}data: {{\"choices\":[{{\"delta\":{{\"content\":\"").into_bytes();
        body.resize(body.len() + length, 0xff);
        body.resize((MEGABYTES << 20) - 200, b'a');
        body.extend_from_slice(format!("\"}}}}]}}\n\n{OPENAI_END}").as_bytes());
        Case { name, format: "openai", says: Says::Events, body }
    };
    vec![
        one("a long text in one event", r#""content":""#, "word ", "\""),
        one("a long text of escapes in one event", r#""content":""#, r"\n", "\""),
        one("a long thought in one event", r#""reasoning_content":""#, "hm ", "\""),
        one("a long refusal in one event", r#""refusal":""#, "no ", "\""),
        one("a dense part", r#""content":[{"type":"odd","z":["#, "[],", "0]}]"),
        one(
            "many parts in one event",
            r#""content":["#,
            r#"{"type":"text","text":"a"},"#,
            r#"{"type":"text","text":"a"}]"#,
        ),
        one("many parts of no kind in one event", r#""content":["#, r#"{"type":"a"},"#, r#"{"type":"a"}]"#),
        one("long arguments in one event", &format!(r#"{call}"{{\"a\":\""#), r"\\n", "\\\"}\"}}]"),
        one("dense arguments in one event", &format!(r#"{call}"{{\"a\":["#), "1,", "1]}\"}}]"),
        one("a long text around a piece", r#""content":"a","x":""#, "word ", "\""),
        many("pieces of text", &|_| chunk(r#"{"content":"a"}"#)),
        many("pieces with escapes", &|_| chunk(r#"{"content":"\n"}"#)),
        many("pieces of arguments", &|_| {
            chunk(r#"{"tool_calls":[{"index":0,"function":{"name":"f","arguments":"1"}}]}"#)
        }),
        many("calls by index", &|at| {
            chunk(&format!(r#"{{"tool_calls":[{{"index":{at},"function":{{"name":"f"}}}}]}}"#))
        }),
        many("calls by name", &|at| chunk(&format!(r#"{{"tool_calls":[{{"id":"{at}","function":{{"name":"f"}}}}]}}"#))),
        many("fields of a call", &|at| chunk(&format!(r#"{{"tool_calls":[{{"index":0,"{at}":[]}}]}}"#))),
        many("parts", &|_| chunk(r#"{"content":[{"type":"a"}]}"#)),
        many("text and thought in turns", &|at| {
            chunk(if at % 2 == 0 { r#"{"content":"a"}"# } else { r#"{"reasoning":"b"}"# })
        }),
        many("counts", &|at| format!("data: {{\"choices\":[],\"usage\":{{\"{at}\":1}}}}\n\n")),
        many("nothing", &|_| chunk("{}")),
        many("reasons to finish", &|_| "data: {\"choices\":[{\"finish_reason\":\"stop\"}]}\n\n".to_owned()),
        many("comments", &|_| ":\n".to_owned()),
        many("names of events", &|_| "event:a\nid:b\n\n".to_owned()),
        many("lines of one event", &|_| "data:\n".to_owned()),
        garbled("a long text that is no text", MEGABYTES << 19),
        garbled("a long text that is no text here and there", 60 << 10),
    ]
}

fn events() -> Vec<Case> {
    let many = |name, before: &str, unit: &dyn Fn(usize) -> String| {
        let body = many(&format!("{ANTHROPIC_START}{before}"), unit, ANTHROPIC_END);
        Case { name, format: "anthropic", says: Says::Events, body }
    };
    let one = |name, before: &str, unit: &'static str, after: &str| {
        let body =
            self::many(&format!("{ANTHROPIC_START}{before}"), always(unit), &format!("{after}\n\n{ANTHROPIC_END}"));
        Case { name, format: "anthropic", says: Says::Events, body }
    };
    let text = starts(0, r#"{"type":"text","text":""}"#);
    let call = starts(0, r#"{"type":"tool_use","id":"c","name":"f","input":{}}"#);
    let in_piece = |start: &str, delta: &str| {
        format!("{start}data: {{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{delta}")
    };
    vec![
        one("a long text in one piece", &in_piece(&text, r#"{"type":"text_delta","text":""#), r"a\n", "\"}}"),
        one(
            "a long thought in one piece",
            &in_piece(&starts(0, r#"{"type":"thinking","thinking":""}"#), r#"{"type":"thinking_delta","thinking":""#),
            r"a\n",
            "\"}}",
        ),
        one(
            "a long input in one piece",
            &in_piece(&call, r#"{"type":"input_json_delta","partial_json":"{\"a\":\""#),
            r"\\n",
            "\\\"}\"}}",
        ),
        one(
            "a dense input in one piece",
            &in_piece(&call, r#"{"type":"input_json_delta","partial_json":"[""#),
            "0,",
            "\"}}",
        ),
        one(
            "a block that begins with all of its text",
            "data: {\"type\":\"content_block_start\",\"content_block\":{\"type\":\"text\",\"text\":\"",
            "word ",
            "\"}}",
        ),
        one(
            "a block that begins with dense JSON",
            "data: {\"type\":\"content_block_start\",\"content_block\":{\"type\":\"a\",\"z\":[",
            "[],",
            "0]}}",
        ),
        one("dense JSON that is skipped", "data: {\"type\":\"ping\",\"z\":[", "[],", "0]}"),
        many("pieces of text", &text, &|_| piece(r#"{"type":"text_delta","text":"a"}"#)),
        many("pieces of input", &call, &|at| {
            piece(&json!({"type": "input_json_delta", "partial_json": if at == 0 { "[1" } else { ",1" }}).to_string())
        }),
        many("signatures", &text, &|_| piece(r#"{"type":"signature_delta","signature":"a"}"#)),
        many("citations", &text, &|_| piece(r#"{"type":"citations_delta","citation":[]}"#)),
        many("blocks", "", &|at| starts(at, r#"{"type":"text","text":""}"#)),
        many("blocks of one number", "", &|_| starts(0, "{}")),
        many("calls", "", &|at| starts(at, r#"{"type":"tool_use","name":"f"}"#)),
        many("messages", "", &|_| ANTHROPIC_START.to_owned()),
        many("counts", "", &|at| {
            format!("data: {{\"type\":\"message_delta\",\"delta\":{{\"{at}\":[]}},\"usage\":{{\"{at}\":1}}}}\n\n")
        }),
        many("counts of lists", "", &|at| {
            format!("data: {{\"type\":\"message_delta\",\"usage\":{{\"{}\":[[],[],[],[],[],[]]}}}}\n\n", at % 60)
        }),
        many("ends of blocks", &text, &|_| "data: {\"type\":\"content_block_stop\",\"index\":0}\n\n".to_owned()),
    ]
}

const RESPONSES_END: &str =
    "data: {\"type\":\"response.completed\",\"response\":{\"status\":\"completed\",\"output\":[]}}\n\n";

/// Answers of OpenAI Responses.
fn responses() -> Vec<Case> {
    let whole = |name, before: &str, unit: &'static str, after: &str| {
        let body =
            many(&format!("{{\"status\":\"completed\",\"output\":[{before}"), always(unit), &format!("{after}]}}"));
        Case { name, format: "openai-responses", says: Says::Whole, body }
    };
    let events = |name, unit: &dyn Fn(usize) -> String| {
        let body = many("", |at| format!("data: {{\"type\":\"response.{}}}\n\n", unit(at)), RESPONSES_END);
        Case { name, format: "openai-responses", says: Says::Events, body }
    };
    let part = r#"{"type":"output_text","text":"a"}"#;
    let parts = r#"{"type":"output_text","text":"a"},"#;
    let large = format!(r#"{{"type":"message","x":"{}","content":["#, "word ".repeat(2000));
    vec![
        whole("a long text", r#"{"type":"message","content":[{"type":"output_text","text":""#, "word ", "\"}]}"),
        whole("many items", "", r#"{"type":"message","content":"a"},"#, r#"{"type":"message","content":"a"}"#),
        whole("many items of no kind", "", r#"{"type":"a"},"#, r#"{"type":"a"}"#),
        whole("many parts", r#"{"type":"message","content":["#, parts, &format!("{part}]}}")),
        whole(
            "many parts of a message with an id",
            r#"{"type":"message","id":"m","content":["#,
            parts,
            &format!("{part}]}}"),
        ),
        whole("many parts of a message with a long field", &large, parts, &format!("{part}]}}")),
        whole("many summaries", r#"{"type":"reasoning","summary":["#, r#"{"text":"a"},"#, r#"{"text":"a"}]}"#),
        whole("many calls", "", r#"{"type":"function_call","name":"f"},"#, r#"{"type":"function_call","name":"f"}"#),
        whole("dense arguments", r#"{"type":"function_call","name":"f","arguments":"{\"a\":["#, "[],", "0]}\"}"),
        events("pieces of text", &|_| r#"output_text.delta","output_index":0,"delta":"a""#.to_owned()),
        events("pieces with escapes", &|_| r#"output_text.delta","output_index":0,"delta":"\n""#.to_owned()),
        events("parts", &|at| format!(r#"output_text.delta","output_index":0,"content_index":{at},"delta":"a""#)),
        events("empty parts", &|at| format!(r#"output_text.delta","output_index":0,"content_index":{at},"delta":"""#)),
        events("items", &|at| format!(r#"output_text.delta","output_index":{at},"delta":"a""#)),
        events("items by id", &|at| format!(r#"output_text.delta","item_id":"{at}","delta":"a""#)),
        events("whole items", &|at| {
            format!(r#"output_item.done","item":{{"type":"message","id":"{at}","content":"a"}}"#)
        }),
        events("calls", &|at| {
            format!(r#"output_item.added","output_index":{at},"item":{{"type":"function_call","name":"f"}}"#)
        }),
        events("pieces of arguments", &|_| r#"function_call_arguments.delta","output_index":0,"delta":"[""#.to_owned()),
        events("summaries", &|at| {
            format!(r#"reasoning_summary_text.delta","output_index":0,"summary_index":{at},"delta":"a""#)
        }),
        events("annotations", &|at| {
            let first = r#"output_text.delta","output_index":0,"delta":"a""#;
            let annotation = r#"output_text.annotation.added","output_index":0,"annotation":[]"#;
            if at == 0 { first } else { annotation }.to_owned()
        }),
        events("beginnings", &|_| r#"created","response":{"id":"r"}"#.to_owned()),
    ]
}

/// Asks, and returns the answer as the caller gets it: whole, or event by event.
async fn ask(model: &Model, streamed: bool) -> Result<Response, Error> {
    let messages = [Message::user("hi")];
    if !streamed {
        return model.invoke(&messages, &[]).await;
    }
    let mut stream = model.stream(&messages, &[]);
    while let Some(event) = stream.next().await {
        if let arcllm::Event::End(response) = event? {
            return Ok(*response);
        }
    }
    panic!("a stream has an end")
}

pub(crate) async fn answers() {
    let server = Server::start().await;
    for case in whole().into_iter().chain(chunks()).chain(events()).chain(responses()) {
        let Case { name, format, says, body } = case;
        let body: Arc<[u8]> = body.into();
        let model = model(format, &server, MEGABYTES).await;
        server.says(says, &body);
        {
            let streamed = says == Says::Events;
            let since = Since::now();
            let result = ask(&model, streamed).await;
            let ended = match &result {
                Ok(response) => format!("{} blocks", response.content.len()),
                Err(error) => {
                    format!("{}: {}", error.kind.as_str(), error.to_string().chars().take(120).collect::<String>())
                }
            };
            let peak = since.peak();
            let times = peak.saturating_sub(BESIDES) as f64 / body.len() as f64;
            eprintln!("{times:5.2} times {:5} KB, {format}: {name}: {ended}", body.len() >> 10);
            assert!(times <= 6.0, "{name} ({format}) cost {times:.2} times its size");
            if let Err(error) = &result {
                let expected = matches!(error.kind, ErrorKind::Parse(_) | ErrorKind::Api(_) | ErrorKind::Connection(_));
                assert!(expected, "{name} ({format}): {error}");
            }
        }
    }
}

/// Ten answers of the largest size by default, of the kind that costs most.
pub(crate) async fn ten_at_once() {
    const TEN: usize = 10;
    const DEFAULT: usize = 16;
    const GIGABYTE: usize = 1_000_000_000;
    let server = Server::start().await;
    let model = model("openai", &server, DEFAULT).await;
    let before = r#"{"detail":[{"msg":""#;
    let mut body = before.as_bytes().to_vec();
    body.resize((DEFAULT << 20) - 4, b'a');
    body.extend_from_slice(br#""}]}"#);
    server.says(Says::Error, &body.into());
    let since = Since::now();
    let calls = (0..TEN).map(|_| {
        let model = model.clone();
        tokio::spawn(async move { ask(&model, false).await })
    });
    for call in calls.collect::<Vec<_>>() {
        let error = call.await.unwrap().unwrap_err();
        assert!(matches!(error.kind, ErrorKind::Api(_)), "{error}");
    }
    eprintln!("{TEN} at once: {} MB", since.peak() / 1_000_000);
    assert!(since.peak() < GIGABYTE, "{} bytes", since.peak());
}
