//! Text that strict parsers refuse.

use arcllm_simulator::{Fault, Reply, Script, Simulator};
use serde_json::{Value, json};

use crate::client::{COMPLETIONS, MESSAGES, ask};
use crate::sse::{data, stream};

const PATHS: [&str; 2] = [MESSAGES, COMPLETIONS];

/// The body for a request without streaming.
async fn whole(reply: Reply, path: &str) -> String {
    let simulator = Simulator::start(Script::new([reply])).await.unwrap();
    String::from_utf8(ask(&simulator, path).await.body).unwrap()
}

/// The pieces of the text, still escaped.
async fn pieces(reply: Reply, path: &str) -> Vec<String> {
    let key = if path == MESSAGES { "{\"type\":\"text_delta\",\"text\":\"" } else { "\"delta\":{\"content\":\"" };
    let piece = |data: &String| Some(data.split_once(key)?.1.split_once('"')?.0.to_owned());
    data(reply, path).await.iter().filter_map(piece).collect()
}

#[tokio::test]
async fn split_surrogate() {
    for path in PATHS {
        let fault = |text: &str| Reply::text(text).with_fault(Fault::SplitSurrogate);
        let body = whole(fault("Hi 😀𝄞 ö"), path).await;
        assert!(body.contains("\"Hi \\ud83d\\ude00\\ud834\\udd1e ö\""), "{body}");
        assert!(serde_json::from_str::<Value>(&body).is_ok());
        assert_eq!(pieces(fault("Hi 😀𝄞 ö"), path).await, ["Hi", " \\ud83d", "\\ude00\\ud834", "\\udd1e", " ö"],);
        // A text without such a character gets one.
        assert_eq!(pieces(fault("Hi you").pieces(1), path).await, ["Hi you\\ud83d", "\\ude00"]);
        assert!(whole(fault("Hi you"), path).await.contains("\"Hi you\\ud83d\\ude00\""));
    }
}

#[tokio::test]
async fn halves_in_thinking_and_arguments() {
    let reply = || Reply::text("x").thinking("😀", "s").tool_call("a", "f", json!({"x": ["😀"]})).pieces(1);
    for (path, thinking, arguments) in [(MESSAGES, "thinking", "partial_json"), (COMPLETIONS, "content", "arguments")] {
        let streamed = stream(reply().with_fault(Fault::SplitSurrogate), path).await.text();
        let first = format!("\"{arguments}\":\"{{\\\"x\\\":[\\\"\\ud83d\"");
        for part in [
            format!("{thinking}\":\"\\ud83d\""),
            format!("{thinking}\":\"\\ude00\""),
            first,
            format!("\"{arguments}\":\"\\ude00\\\"]}}\""),
        ] {
            assert!(streamed.contains(&part), "no {part} in {streamed}");
        }
        let body = whole(reply().with_fault(Fault::SplitSurrogate), path).await;
        assert_eq!((body.matches("\\ud83d\\ude00").count(), body.matches('😀').count()), (3, 0), "{body}");
        let lone =
            Reply::text("x").tool_call("a", "f", json!({"\u{FFFD}": "\u{FFFD}"})).with_fault(Fault::LoneSurrogate);
        let body = whole(lone, path).await;
        assert_eq!((body.matches("\\ud83d").count(), body.matches('\u{FFFD}').count()), (2, 1), "{body}");
    }
}

#[tokio::test]
async fn lone_surrogate() {
    for path in PATHS {
        let fault = |text: &str| Reply::text(text).with_fault(Fault::LoneSurrogate);
        let body = whole(fault("Hi"), path).await;
        assert!(body.contains("\"Hi\\ud83d\""), "{body}");
        assert!(serde_json::from_str::<Value>(&body).is_err());
        assert_eq!(pieces(fault("Hi"), path).await, ["Hi\\ud83d"]);
        assert!(whole(fault("a\u{FFFD}b 😀\u{FFFD}"), path).await.contains("\"a\\ud83db 😀\\ud83d\""));
        assert_eq!(pieces(fault("a\u{FFFD}b c"), path).await, ["a\\ud83d", "b", " c"]);
    }
}

#[tokio::test]
async fn byte_order_mark() {
    for path in PATHS {
        let fault = || Reply::text("Hi").with_fault(Fault::ByteOrderMark);
        let usual = |body: String| format!("\u{FEFF}{body}");
        assert_eq!(whole(fault(), path).await, usual(whole(Reply::text("Hi"), path).await));
        assert_eq!(stream(fault(), path).await.text(), usual(stream(Reply::text("Hi"), path).await.text()));
        let body = Reply::body("text/plain", "x").with_fault(Fault::ByteOrderMark);
        assert_eq!(whole(body, path).await, "\u{FEFF}x");
        let error = Reply::status(500).with_fault(Fault::ByteOrderMark);
        assert!(whole(error, path).await.starts_with("\u{FEFF}{"));
    }
}

#[tokio::test]
async fn huge_number() {
    const NUMBERS: &str = ",\"simulated_count\":123456789012345678901234567890,\"simulated_size\":1e999}";
    for path in PATHS {
        let fault = || Reply::text("Hi").with_fault(Fault::HugeNumber);
        let added = |body: &str| body.strip_suffix('}').map(|body| format!("{body}{NUMBERS}"));
        assert_eq!(whole(fault(), path).await, added(&whole(Reply::text("Hi"), path).await).unwrap());
        let usual = data(Reply::text("Hi"), path).await;
        let expected: Vec<_> = usual.iter().map(|data| added(data).unwrap_or_else(|| data.clone())).collect();
        assert_eq!(data(fault(), path).await, expected);
        let error = whole(Reply::status(500).with_fault(Fault::HugeNumber), path).await;
        assert!(error.ends_with(NUMBERS), "{error}");
    }
}
