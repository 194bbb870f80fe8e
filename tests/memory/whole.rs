//! Whole answers of a hostile provider.

use crate::{
    case::{Case, always, many},
    server::Says,
};

fn openai(message: impl FnOnce() -> (String, &'static str, String)) -> Vec<u8> {
    let (before, unit, after) = message();
    let before = format!(r#"{{"id":"1","model":"m","choices":[{{"message":{{{before}"#);
    many(&before, always(unit), &format!(r#"{after}}},"finish_reason":"stop"}}]}}"#))
}

pub(crate) fn whole() -> Vec<Case> {
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
