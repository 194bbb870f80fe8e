//! `redact` over real sockets, with whole and streamed answers.

use std::time::Duration;

use arcllm::{ContentBlock, ErrorKind, Event, Message, Model, Overrides, Response};
use arcllm_simulator::{Fault, Format, Place, Reply, Simulator};
use futures::StreamExt as _;
use serde_json::json;

use crate::{
    scene::{load, replies, soon},
    support::Chain,
};

const FORMATS: [Format; 2] = [Format::Anthropic, Format::OpenAi];

const SAID: &str =
    "Wröte to jane@example.com (4111\u{a0}1111\u{a0}1111\u{a0}1111 12/27), or +49 30 12345678. Bob is at 10.0.0.7";
const TOLD: &str = "Wröte to [EMAIL_1] ([CARD_1] 12/27), or [PHONE_1]. Bob is at [IP_1]";

async fn model(a: &Simulator, format: Format, settings: &str) -> Model {
    let chain = Chain::new().provider("a", format, &a.url()).module("redact", settings);
    load(&chain.folder().unwrap(), Overrides::new()).await
}

fn question() -> [Message; 1] {
    [Message::user("Who is jane@example.com?")]
}

/// The pieces of text, the calls' arguments, and the whole answer.
async fn read(model: &Model) -> (Vec<String>, String, Response) {
    let mut stream = model.stream(&question(), &[]);
    let (mut pieces, mut arguments) = (Vec::new(), String::new());
    loop {
        match soon(stream.next()).await.unwrap().unwrap() {
            Event::Text(piece) => pieces.push(piece),
            Event::ToolArguments { json, .. } => arguments.push_str(&json),
            Event::End(response) => return (pieces, arguments, *response),
            _ => {}
        }
    }
}

#[tokio::test]
async fn an_answer_is_rewritten_as_it_comes() {
    for format in FORMATS {
        let a = replies([Reply::text(SAID).pace(Duration::from_millis(20))]).await;
        let model = model(&a, format, "").await;
        let mut stream = model.stream(&question(), &[]);
        let mut told = String::new();
        while !told.contains("[EMAIL_1]") {
            if let Event::Text(piece) = soon(stream.next()).await.unwrap().unwrap() {
                told.push_str(&piece);
            }
        }
        assert_eq!(a.requests()[0].sent_events, 0, "the answer is still coming: its end is not recorded");
        assert!(a.requests()[0].body.to_string().contains("Who is [EMAIL_1]?"));
    }
}

#[tokio::test]
async fn the_result_does_not_depend_on_how_the_answer_is_cut() {
    let reply = || {
        let arguments = json!({"to": "jane@example.com", "\"": ["é 10.0.0.9", 1e3], "a@b.com": "\\"});
        Reply::text(SAID).tool_call("1", "send", arguments)
    };
    for format in FORMATS {
        let sizes = [1, 2, 3, 5, 8, 13, 100];
        let a = replies([reply()].into_iter().chain(sizes.map(|size| reply().piece_bytes(size)))).await;
        let model = model(&a, format, "").await;
        let whole = soon(model.invoke(&question(), &[])).await.unwrap();
        assert_eq!(whole.text().as_deref(), Some(TOLD));
        let call = json!({"to": "[EMAIL_1]", "\"": ["é [IP_2]", 1e3], "a@b.com": "\\"});
        for size in sizes {
            let (pieces, arguments, response) = read(&model).await;
            assert_eq!(pieces.concat(), TOLD, "{size}");
            assert_eq!(response.content, whole.content, "{size}");
            assert_eq!(serde_json::from_str::<serde_json::Value>(&arguments).unwrap(), call, "{size}");
        }
        assert_eq!(json!(whole.tool_calls().next().unwrap().arguments), call);
    }
}

#[tokio::test]
async fn restored_texts_come_as_the_answer_comes() {
    for format in FORMATS {
        let reply = || {
            let text = "[EMAIL_1] is jane@example.com and not a@b.com, [EMAIL_9] or [EMAIL_";
            Reply::text(text).tool_call("1", "send", json!({"to": "[EMAIL_1]"}))
        };
        let a = replies([reply().piece_bytes(1), reply().piece_bytes(7), reply()]).await;
        let model = model(&a, format, "restore = true").await;
        for _ in 0..3 {
            let (pieces, arguments, response) = read(&model).await;
            let told = "jane@example.com is jane@example.com and not [EMAIL_2], [EMAIL_9] or [EMAIL_";
            assert_eq!(pieces.concat(), told);
            assert_eq!(response.text().as_deref(), Some(told));
            assert_eq!(arguments, r#"{"to":"jane@example.com"}"#);
            assert_eq!(json!(response.tool_calls().next().unwrap().arguments), json!({"to": "jane@example.com"}));
        }
    }
}

/// The caller gets what arrived, without anything personal, wherever the answer breaks off.
#[tokio::test]
async fn an_answer_that_breaks_off_reveals_nothing_personal() {
    let call = || Reply::text("Mail jane@example.com").tool_call("1", "send", json!({"to": "jane@example.com"}));
    for format in FORMATS {
        let mut broken = 0;
        for before in 2..60 {
            let reply = call().piece_bytes(2).with_fault(Fault::ResetInBody).fault_at(Place::BeforeEvent(before));
            let a = replies([reply]).await;
            let model = model(&a, format, "").await;
            let mut stream = model.stream(&question(), &[]);
            let (mut told, mut arguments) = (String::new(), String::new());
            let error = loop {
                match soon(stream.next()).await.unwrap() {
                    Ok(Event::Text(piece)) => told.push_str(&piece),
                    Ok(Event::ToolArguments { json, .. }) => arguments.push_str(&json),
                    Ok(Event::End(_)) => break None,
                    Ok(_) => {}
                    Err(error) => break Some(error),
                }
            };
            // The last places are after the end of the answer.
            let Some(error) = error else { break };
            broken += 1;
            assert!(matches!(error.kind, ErrorKind::Connection(_)), "{error}");
            let whole = ["jane@example.com", "jane@example.co"];
            assert!(whole.iter().all(|personal| !told.contains(personal) && !arguments.contains(personal)), "{told}");
            let received = serde_json::to_string(&error.received).unwrap();
            assert!(whole.iter().all(|personal| !received.contains(personal)), "{received}");
            let text = error.received.iter().find_map(|block| match block {
                ContentBlock::Text(text) => Some(text.text.as_str()),
                _ => None,
            });
            assert_eq!(text.unwrap_or_default(), told);
        }
        assert!(broken > 20, "only {broken} places");
    }
}

/// A search that is not linear would use up the CPU time of the call.
#[tokio::test]
async fn long_texts_that_almost_match_are_fast() {
    let a = replies([]).await;
    let model = model(&a, Format::OpenAi, "").await;
    for piece in ["1 ", "a.a.a.a@", "0-1 ", "4111 1111 1111 1111 1 "] {
        let text = piece.repeat((4 << 20) / piece.len());
        soon(model.invoke(&[Message::user(text)], &[])).await.unwrap_or_else(|error| panic!("{piece}: {error}"));
    }
}

#[tokio::test]
async fn text_comes_before_the_end_of_the_answer() {
    for format in FORMATS {
        let a = replies([Reply::text("one two three four five").pace(Duration::from_millis(50))]).await;
        let model = model(&a, format, "").await;
        let mut stream = model.stream(&question(), &[]);
        while !matches!(soon(stream.next()).await.unwrap().unwrap(), Event::Text(_)) {}
        assert_eq!(a.requests()[0].sent_events, 0, "the answer is still coming");
    }
}

/// Prints how long the module computes: `cargo test --workspace --test all -- --ignored --nocapture
/// redact::how_long_it_computes`.
#[tokio::test]
#[ignore = "it measures, and asserts nothing about time"]
async fn how_long_it_computes() {
    let a = replies([]).await;
    let model = model(&a, Format::OpenAi, "sandbox.memory_mb = 256\nsandbox.hostcall_mb = 64").await;
    for piece in ["word ", "1 ", "1", "a", "@", "+", "a.a.a.a@", "a@b.co ", "1.1.1.", "4111 ", "0-1 ", "AA11 ", "+1-1-"]
    {
        let text = piece.repeat((16 << 20) / piece.len());
        let started = std::time::Instant::now();
        let result = soon(model.invoke(&[Message::user(text)], &[])).await;
        println!("{piece:?}: {:?} {:?}", started.elapsed(), result.err().map(|error| error.to_string()));
    }
}
