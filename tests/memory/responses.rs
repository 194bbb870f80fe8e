//! Answers of a hostile provider of OpenAI Responses.

use crate::{
    case::{Case, always, many},
    server::Says,
};

const RESPONSES_END: &str =
    "data: {\"type\":\"response.completed\",\"response\":{\"status\":\"completed\",\"output\":[]}}\n\n";

/// Whole and streamed ones.
pub(crate) fn responses() -> Vec<Case> {
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
