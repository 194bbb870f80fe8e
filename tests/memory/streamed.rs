//! Streamed answers of a hostile provider.

use serde_json::json;

use crate::{
    case::{self, Case, MEGABYTES, always},
    server::Says,
};

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

/// Of OpenAI Chat Completions.
pub(crate) fn chunks() -> Vec<Case> {
    let first = "data: {\"id\":\"1\",\"model\":\"m\",\"choices\":[]}\n\n";
    let many = |name, unit: &dyn Fn(usize) -> String| {
        let body = case::many(first, unit, OPENAI_END);
        Case { name, format: "openai", says: Says::Events, body }
    };
    let one = |name, before: &str, unit: &'static str, after: &str| {
        let (head, tail) = ("data: {\"choices\":[{\"delta\":{", "}}]}\n\n");
        let body = case::many(&format!("{first}{head}{before}"), always(unit), &format!("{after}{tail}{OPENAI_END}"));
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

/// Of Anthropic Messages.
pub(crate) fn events() -> Vec<Case> {
    let many = |name, before: &str, unit: &dyn Fn(usize) -> String| {
        let body = case::many(&format!("{ANTHROPIC_START}{before}"), unit, ANTHROPIC_END);
        Case { name, format: "anthropic", says: Says::Events, body }
    };
    let one = |name, before: &str, unit: &'static str, after: &str| {
        let body =
            case::many(&format!("{ANTHROPIC_START}{before}"), always(unit), &format!("{after}\n\n{ANTHROPIC_END}"));
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
