//! Text that strict parsers refuse (`findings/wire.md`, section 4).

use arcllm::Response;
use arcllm_simulator::{Format, Reply};
use serde_json::Value;

use super::stage::{hear, whole};

const FINISH: &str = "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";

/// The text of a stream whose content comes in these pieces of JSON.
async fn openai(pieces: &[&str]) -> String {
    let piece = |piece: &&str| format!("data: {{\"choices\":[{{\"delta\":{{\"content\":\"{piece}\"}}}}]}}\n\n");
    let body = pieces.iter().map(piece).collect::<String>() + FINISH;
    hear(Format::OpenAi, Reply::body("text/event-stream", body)).await.end.unwrap().text().unwrap()
}

async fn anthropic(pieces: &[&str]) -> String {
    let piece = |piece: &&str| {
        let delta = format!("{{\"type\":\"text_delta\",\"text\":\"{piece}\"}}");
        format!("data: {{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{delta}}}\n\n")
    };
    let start = "data: {\"type\":\"message_start\",\"message\":{}}\n\n\
                 data: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n";
    let end = "data: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"}}\n\ndata: {\"type\":\"message_stop\"}\n\n";
    let body = start.to_owned() + &pieces.iter().map(piece).collect::<String>() + end;
    hear(Format::Anthropic, Reply::body("text/event-stream", body)).await.end.unwrap().text().unwrap()
}

#[tokio::test]
async fn halves_of_a_character_in_two_chunks_are_joined() {
    for (pieces, expected) in [
        (&["\\ud83d", "\\ude00"][..], "😀"),
        (&["a\\uD83D", "\\uDE00b"], "a😀b"),
        (&["a\\ud83d", "b"], "a\u{fffd}b"),
        (&["\\ude00"], "\u{fffd}"),
        (&["a", "\\ud83d"], "a\u{fffd}"),
        (&["\\ud83dx\\ude00"], "\u{fffd}x\u{fffd}"),
    ] {
        assert_eq!(openai(pieces).await, expected, "{pieces:?}");
        assert_eq!(anthropic(pieces).await, expected, "{pieces:?}");
    }
}

async fn says(format: Format, before: &[u8], text: &[u8], more: &[u8]) -> Response {
    let (start, end): (&[u8], &[u8]) = match format {
        Format::Anthropic => (b"{\"content\":[{\"type\":\"text\",\"text\":\"", b"\"}]"),
        _ => (b"{\"choices\":[{\"message\":{\"content\":\"", b"\"}}]"),
    };
    whole(format, [before, start, text, end, more, b"}"].concat()).await.unwrap()
}

#[tokio::test]
async fn one_bad_character_does_not_cost_a_whole_answer() {
    for format in [Format::Anthropic, Format::OpenAi] {
        for (before, text, more, expected) in [
            (&b""[..], &b"a\\ud83d"[..], &b""[..], "a\u{fffd}"),
            (b"\xef\xbb\xbf", b"a", b"", "a"),
            (b"", b"a\xffb", b"", "a\u{fffd}b"),
            (b"", b"a\nb\x01", b"", "a\nb\u{1}"),
            (b"", b"a", b",\"n\":[1e999,-0,123456789012345678901234567890]", "a"),
            (
                b"",
                b"a",
                b",\"usage\":{\"prompt_tokens\":3,\"input_tokens\":3,\"x\":1e999,\"y\":NaN,\"z\":-Infinity}",
                "a",
            ),
            (b"", b"a", b",\"model\":\"m\",\"model\":\"n\"", "a"),
        ] {
            let response = says(format, before, text, more).await;
            assert_eq!(response.text().as_deref(), Some(expected), "{format}");
            if more.starts_with(b",\"usage\"") {
                assert_eq!(response.usage.input_tokens, 3, "{format}");
            }
        }
    }
}

#[tokio::test]
async fn one_bad_character_does_not_cost_a_stream() {
    let piece = |inside: &str| format!("data: {{\"choices\":[{{\"delta\":{{\"content\":\"a\"}},{inside}}}]}}\n\n");
    for body in [
        format!("\u{feff}{}", piece("\"x\":1")),
        format!(": ping\n\n\u{feff}{}", piece("\"x\":1")),
        piece("\"x\":1").replace("data: ", "data: \u{feff}"),
        piece("\"index\":0,\"logprob\":1e999"),
        piece("\"index\":0,\"index\":0"),
        piece("\"logprobs\":{\"content\":[{\"logprob\":-Infinity}]}"),
        piece("\"x\":\"\u{1}\""),
    ] {
        let reply = Reply::body("text/event-stream", body.clone() + FINISH);
        let response = hear(Format::OpenAi, reply).await.end.unwrap();
        assert_eq!(response.text().as_deref(), Some("a"), "{body}");
    }
    // Without a content type, the mark does not hide what it is.
    let reply = Reply::body("application/octet-stream", format!("\u{feff}{}{FINISH}", piece("\"x\":1")));
    assert_eq!(hear(Format::OpenAi, reply).await.end.unwrap().text().unwrap(), "a");
}

#[tokio::test]
async fn halves_in_the_arguments_of_a_call() {
    let call = |arguments: &str| {
        let function = format!("{{\"name\":\"f\",\"arguments\":\"{arguments}\"}}");
        format!("{{\"choices\":[{{\"message\":{{\"tool_calls\":[{{\"id\":\"a\",\"function\":{function}}}]}}}}]}}")
    };
    for (arguments, expected) in [
        ("{\\\"x\\\":\\\"\\\\ud83d\\\"}", "\u{fffd}"),
        ("{\\\"x\\\":\\\"\\\\ud83d\\\\ude00\\\"}", "😀"),
        ("{\\\"x\\\":\\\"\\ud83d\\\"}", "\u{fffd}"),
        ("{\\\"x\\\":\\\"a\\nb\\\"}", "a\nb"),
    ] {
        let response = whole(Format::OpenAi, call(arguments)).await.unwrap();
        let call = response.tool_calls().next().unwrap();
        assert_eq!(call.arguments["x"], Value::from(expected), "{arguments}");
    }
}
