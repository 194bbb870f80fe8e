//! What only the provider knows survives a module that rewrites: unknown fields and events of requests, answers and streams.

mod fields;
mod said;

use arcllm_simulator::{Format, Reply, Simulator};
use proptest::test_runner::TestRunner;
use reqwest::Method;
use serde_json::{Map, Value, json};

use self::{
    fields::Fields,
    said::{SECRET, events, request, stream, streamed, whole},
};
use crate::{
    scene::{FAST, replies},
    serve::gateway::Gateway,
    support::{Chain, Folder},
};

/// The formats, and where their clients ask.
const FORMATS: [(Format, &str); 3] = [
    (Format::OpenAi, "/v1/chat/completions"),
    (Format::Anthropic, "/v1/messages"),
    (Format::Responses, "/v1/responses"),
];

/// How often random fields are put everywhere.
const CASES: usize = 12;

#[tokio::test]
async fn unknown_fields_survive_a_module_that_rewrites() {
    let mut runner = TestRunner::deterministic();
    for (format, path) in FORMATS {
        let mut sent = Vec::new();
        for case in 0..CASES {
            let (mut body, is_streamed) = (request(format), case % 2 == 1);
            let mut asked = Fields { runner: &mut runner, put: Map::new() };
            asked.put_into(&mut body, "");
            let asked = asked.put;
            let mut put = Fields { runner: &mut runner, put: Map::new() };
            let reply = if is_streamed {
                let mut events = events(format);
                for event in &mut events {
                    // An item of an unknown type comes as the module has seen it, which is when it ended.
                    let seen = event.pointer_mut("/response/output/2").map(Value::take);
                    put.put_into(event, "");
                    event.pointer_mut("/response/output/2").into_iter().zip(seen).for_each(|(item, seen)| *item = seen);
                }
                stream(format, &events)
            } else {
                let mut whole = whole(format);
                put.put_into(&mut whole, "");
                Reply::body("application/json", whole.to_string())
            };
            if is_streamed {
                body.as_object_mut().unwrap().extend(
                    streamed(format)
                        .as_object()
                        .unwrap()
                        .clone()
                        .into_iter()
                        .filter(|(name, _)| name.starts_with("stream")),
                );
            }
            sent.push((body, reply, asked, put.put));
        }
        let provider = replies(sent.iter().map(|(_, reply, ..)| reply.clone())).await;
        let gateway = redacting(format, &provider).await;
        for (body, _, asked, put) in sent {
            let answer = gateway.send(Method::POST, path, &[], body.to_string()).await;
            assert_eq!(answer.status, 200, "{answer:?}");
            assert!(answer.body.contains("[EMAIL_1]") && !answer.body.contains(SECRET), "{}", answer.body);
            Fields { runner: &mut runner, put }.are_in(&answer.body);
            let upstream = provider.requests().pop().unwrap().body.to_string();
            assert!(!upstream.contains(SECRET), "{upstream}");
            Fields { runner: &mut runner, put: asked }.are_in(&upstream);
        }
    }
}

/// A gateway before this provider that redacts.
async fn redacting(format: Format, provider: &Simulator) -> Gateway {
    Gateway::start(&Chain::new().provider("a", format, &provider.url()).module("redact", "")).await
}

/// What a client gets whose answer `redact` reads.
async fn redacted(format: Format, reply: Reply, body: &Value) -> String {
    let provider = replies([reply]).await;
    let (_, path) = FORMATS.into_iter().find(|(known, _)| *known == format).unwrap();
    let answer = redacting(format, &provider).await.send(Method::POST, path, &[], body.to_string()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.body
}

/// The answer with quotes, places and tokens of its text, which is this one.
fn with_places(format: Format, text: &str, is_streamed: bool) -> Reply {
    let (logprobs, cited) = (json!([{"token": text, "logprob": -0.5, "top_logprobs": []}]), format!("quote {text}"));
    let citation = json!({"type": "char_location", "cited_text": cited, "document_index": 0});
    let annotation =
        json!({"type": "url_citation", "url": "https://a.test", "title": cited, "start_index": 0, "end_index": 4});
    if !is_streamed {
        let mut answer = whole(format);
        match format {
            Format::Anthropic => {
                (answer["content"][1]["text"], answer["content"][1]["citations"]) = (text.into(), json!([citation]));
            }
            Format::Responses => {
                let part = &mut answer["output"][1]["content"][0];
                (part["text"], part["annotations"], part["logprobs"]) = (text.into(), json!([annotation]), logprobs);
            }
            _ => {
                let choice = &mut answer["choices"][0];
                choice["logprobs"] = json!({"content": logprobs});
                choice["message"]["content"] = text.into();
                choice["message"]["annotations"] = json!([{"type": "url_citation", "url_citation": annotation}]);
            }
        }
        return Reply::body("application/json", answer.to_string());
    }
    let mut events = events(format);
    let mut is_said = false;
    for event in &mut events {
        match format {
            Format::Anthropic => match event["delta"]["type"].as_str() {
                Some("text_delta") => event["delta"]["text"] = if is_said { "".into() } else { text.into() },
                Some("new_delta") => event["delta"] = json!({"type": "citations_delta", "citation": citation}),
                _ => continue,
            },
            Format::Responses => {
                match event["type"].as_str() {
                    Some("response.output_text.delta") => {
                        event["delta"] = if is_said { "".into() } else { text.into() };
                        event["logprobs"] = if is_said { json!([]) } else { logprobs.clone() };
                    }
                    Some("response.output_text.done") => {
                        (event["text"], event["logprobs"]) = (text.into(), logprobs.clone())
                    }
                    Some("response.content_part.done") => {
                        event["part"] = json!({"type": "output_text", "text": text, "annotations": [annotation], "logprobs": logprobs});
                    }
                    Some("response.output_item.done") if event["output_index"] == 1 => {
                        let part = json!({"type": "output_text", "text": text, "annotations": [annotation], "logprobs": logprobs});
                        event["item"]["content"] = json!([part]);
                    }
                    Some("response.completed") => {
                        let part = json!({"type": "output_text", "text": text, "annotations": [annotation], "logprobs": logprobs});
                        event["response"]["output"][1]["content"] = json!([part]);
                    }
                    _ => continue,
                }
            }
            _ => match event["choices"][0]["delta"]["content"].as_str() {
                Some(piece) if !piece.is_empty() => {
                    event["choices"][0]["delta"]["content"] = if is_said { "".into() } else { text.into() };
                    event["choices"][0]["logprobs"] = if is_said { Value::Null } else { json!({"content": logprobs}) };
                }
                _ => continue,
            },
        }
        is_said = true;
    }
    stream(format, &events)
}

#[tokio::test]
async fn what_points_into_a_text_goes_when_the_text_changes() {
    for (format, _) in FORMATS {
        for is_streamed in [false, true] {
            let body = if is_streamed { streamed(format) } else { request(format) };
            let same = redacted(format, with_places(format, "Write to her today.", is_streamed), &body).await;
            let changed = redacted(format, with_places(format, "Write to jane@example.com.", is_streamed), &body).await;
            let places: &[&str] = match format {
                Format::Anthropic => &["cited_text"],
                Format::OpenAi if is_streamed => &["\"logprob\":-0.5"],
                _ => &["\"title\":\"quote", "\"logprob\":-0.5"],
            };
            for place in places {
                assert!(same.contains(place), "{format}, {is_streamed}: {place} in {same}");
                assert!(!changed.contains(place), "{format}, {is_streamed}: {place} in {changed}");
            }
            assert!(changed.contains("[EMAIL_1]") && !changed.contains("jane"), "{format}: {changed}");
        }
    }
}

#[tokio::test]
async fn the_fields_are_those_of_the_attempt_that_was_answered() {
    for (format, path) in FORMATS {
        let marked = |word: &str| {
            let mut events = events(format);
            events.iter_mut().for_each(|event| event["zz_from"] = word.into());
            events
        };
        // It breaks off before there is any content.
        let cut = stream(format, marked("first").get(..1).unwrap());
        let (a, b) = (
            replies([Reply::status(503), cut, Reply::status(400)]).await,
            replies([stream(format, &marked("second"))]).await,
        );
        let chain = Chain::new().provider("a", format, &a.url()).provider("b", format, &b.url());
        let chain = chain.module("redact", "").module("fallback", "chain = [\"b\"]").module("retry", FAST);
        let answer = Gateway::start(&chain).await.send(Method::POST, path, &[], streamed(format).to_string()).await;
        assert_eq!((answer.status, answer.header("x-arcllm-provider")), (200, "b"), "{answer:?}");
        assert!(answer.body.contains("\"zz_from\":\"second\"") && !answer.body.contains("first"), "{}", answer.body);
    }
}

/// A module that reads whole answers gets the events of a stream at once.
#[tokio::test]
async fn a_module_that_knows_no_streams_loses_nothing_of_one() {
    const UPPER: &[u8] = include_bytes!("../../prebuilt/upper.wasm");
    for (format, path) in FORMATS {
        let mut events = events(format);
        events.iter_mut().enumerate().for_each(|(number, event)| event[format!("zz_{number}")] = number.into());
        let provider = replies([stream(format, &events)]).await;
        let chain = Chain::new().provider("a", format, &provider.url()).host("watch = false\norder = [\"upper\"]");
        let folder = Folder::new(&chain.module("upper", "").to_string()).unwrap();
        folder.write("modules/upper.wasm", UPPER).unwrap();
        let gateway = Gateway::of(folder.trusted(), &[]).await;
        let answer = gateway.send(Method::POST, path, &[], streamed(format).to_string()).await;
        assert!(answer.body.contains("WRITE TO"), "{answer:?}");
        for number in 0..events.len() {
            assert!(
                answer.body.contains(&format!("\"zz_{number}\":{number}")),
                "{format}: {number} in {}",
                answer.body
            );
        }
    }
}

#[tokio::test]
async fn an_unknown_item_goes_to_providers_of_its_format_alone() {
    let item = json!({"type": "new_item", "note": 1});
    let mut body = request(Format::Responses);
    body["input"].as_array_mut().unwrap().insert(1, item.clone());
    for (format, _) in FORMATS {
        let provider = replies([Reply::text("ok")]).await;
        let gateway = redacting(format, &provider).await;
        let answer = gateway.send(Method::POST, "/v1/responses", &[], body.to_string()).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let sent = provider.requests().pop().unwrap().body;
        match format {
            Format::Responses => assert_eq!(sent["input"][1], item, "{sent}"),
            _ => assert!(!sent.to_string().contains("new_item") && sent["messages"][0]["role"] == "user", "{sent}"),
        }
    }
}
