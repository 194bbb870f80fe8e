//! `cache` answers equal calls from what was answered before, in each format, whole and streamed.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use arcllm::{Config, Error, Event, Host, MemoryStore, Message, Model, Overrides, Request, Response, Tool};
use arcllm_simulator::{Fault, Format, Place, Reply, Simulator, Usage};
use futures::{StreamExt as _, future::join_all};
use serde_json::{Value, json};

use crate::{
    scene::{count, replies, soon},
    serve::gateway::Gateway,
    support::{Chain, Folder},
};

const FORMATS: [Format; 3] = [Format::OpenAi, Format::Anthropic, Format::Responses];

const ALL: &str = "cache_all = true";

async fn model(format: Format, a: &Simulator, settings: &str) -> (Folder, Model) {
    let chain = Chain::new().provider("a", format, &a.url()).module("cache", settings).host("watch = false");
    let folder = chain.folder().unwrap();
    let model = soon(folder.host().unwrap().load_model("a", Overrides::new())).await.unwrap();
    (folder, model)
}

fn request(say: &str, labels: &[(&str, &str)]) -> Request {
    let tool = Tool::new("look", "", json!({"type": "object"}));
    let mut request = Request::new([Message::user(say)]).with_tools([tool]);
    for (name, value) in labels {
        request.options.labels.insert((*name).to_owned(), (*value).to_owned());
    }
    request
}

/// What a caller gets who reads the answer whole or as it comes, with the texts of the pieces.
async fn ask(model: &Model, request: Request, streamed: bool) -> Result<(Response, String), Error> {
    if !streamed {
        let response = soon(model.invoke_with(request)).await?;
        let text = response.text().unwrap_or_default();
        return Ok((response, text));
    }
    let (mut stream, mut text) = (model.stream_with(request), String::new());
    while let Some(event) = soon(stream.next()).await {
        match event? {
            Event::Text(piece) => text += &piece,
            Event::End(response) => return Ok((*response, text)),
            _ => {}
        }
    }
    panic!("a stream without an end")
}

fn is_cached(response: &Response) -> bool {
    let marks = [&response.extensions, &response.usage.extensions].map(|extensions| extensions.get("arcllm.cached"));
    assert_eq!(marks[0], marks[1]);
    marks[0] == Some(&json!(true))
}

fn reply(text: &str) -> Reply {
    let usage = Usage { input_tokens: 100, output_tokens: 20, ..Usage::default() };
    let reply = Reply::text(text).thinking("I think of it", "signed").usage(usage).piece_bytes(5);
    reply.tool_call("call-1", "look", json!({"place": "Zürich"}))
}

#[tokio::test]
async fn an_answer_is_the_same_whole_or_streamed_from_either() {
    for format in FORMATS {
        for (first, second) in [(false, false), (false, true), (true, false), (true, true)] {
            let a = replies([reply("It rains in 東京.")]).await;
            let (_folder, model) = model(format, &a, ALL).await;
            let (asked, said) = ask(&model, request("Hi", &[]), first).await.unwrap();
            let (cached, repeated) = ask(&model, request("Hi", &[]), second).await.unwrap();
            let about = format!("{format} {first} {second}: {asked:?} {cached:?}");
            assert_eq!((said.as_str(), repeated.as_str()), ("It rains in 東京.", "It rains in 東京."), "{about}");
            assert_eq!(asked.content, cached.content, "{about}");
            assert_eq!((asked.stop_reason, asked.model), (cached.stop_reason.clone(), cached.model.clone()));
            assert_eq!((asked.usage.input_tokens, cached.usage.input_tokens), (100, 100));
            assert_eq!((asked.usage.output_tokens, cached.usage.output_tokens), (20, 20));
            assert_eq!((count(&a), cached.trail.len(), cached.cost()), (1, 0, Some(0.0)), "{about}");
            assert!(cached.extensions.contains_key("arcllm.cached") && cached.usage.extensions.len() == 1, "{about}");
            assert!(!asked.extensions.contains_key("arcllm.cached") && asked.notes.is_empty(), "{about}");
            let note = &cached.notes[0];
            assert_eq!(note.module, "cache");
            assert!(note.text.starts_with("answered from the cache: the answer is "), "{note:?}");
        }
    }
}

#[tokio::test]
async fn equal_calls_at_once_send_one_request() {
    for streamed in [false, true] {
        let slow = || reply("slow").delay(Duration::from_millis(200));
        let a = replies([slow(), slow(), slow()]).await;
        let (_folder, model) = model(Format::Anthropic, &a, ALL).await;
        let calls = (0..64).map(|_| ask(&model, request("Hi", &[]), streamed));
        let answers = join_all(calls).await;
        let cached = answers.iter().filter(|answer| is_cached(&answer.as_ref().unwrap().0)).count();
        assert!(answers.iter().all(|answer| answer.as_ref().unwrap().1 == "slow"));
        assert_eq!((count(&a), cached), (1, 63));
    }
}

/// On several threads there are several instances, and two hosts on one store are as two programs.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn equal_calls_of_several_hosts_send_one_request() {
    let a = replies([reply("slow").delay(Duration::from_millis(200))]).await;
    let chain = Chain::new().provider("a", Format::OpenAi, &a.url()).module("cache", ALL).host("watch = false");
    let folder = chain.folder().unwrap();
    let store = Arc::new(MemoryStore::default());
    let mut calls = Vec::new();
    for number in 0..32 {
        let config = Config::load(&folder.path().join("config.toml")).unwrap();
        let host = Host::builder().config(config).state_store(store.clone());
        if number % 8 == 0 {
            let model = soon(host.build().unwrap().load_model("a", Overrides::new())).await.unwrap();
            calls.extend((0..8).map(|_| {
                let model = model.clone();
                tokio::spawn(async move { ask(&model, request("Hi", &[]), number % 16 == 0).await })
            }));
        }
    }
    let answers = join_all(calls).await;
    assert!(answers.into_iter().all(|answer| answer.unwrap().unwrap().1 == "slow"));
    assert_eq!(count(&a), 1);
}

#[tokio::test]
async fn only_calls_with_the_same_labels_share_an_answer() {
    let a = replies((0..9).map(|number| Reply::text(format!("answer {number}")))).await;
    let (_folder, model) = model(Format::OpenAi, &a, "cache_all = true\nscope = [\"team\", \"user\"]").await;
    let say = async |labels: &[(&str, &str)]| ask(&model, request("Hi", labels), false).await.unwrap().1;
    let own = [("team", "x"), ("user", "1")];
    assert_eq!(say(&own).await, "answer 0");
    assert_eq!(say(&[("user", "1"), ("team", "x"), ("other", "y")]).await, "answer 0");
    assert_eq!(say(&[("team", "x"), ("user", "2")]).await, "answer 1");
    assert_eq!(say(&[("team", "1"), ("user", "x")]).await, "answer 2");
    for number in 3..5 {
        assert_eq!(say(&[("team", "x")]).await, format!("answer {number}"), "without a label nothing is shared");
    }
    assert_eq!(say(&own).await, "answer 0");
}

#[tokio::test]
async fn answers_end_with_their_time_and_have_a_largest_size() {
    let a = replies((0..9).map(|number| Reply::text(format!("answer {number}")))).await;
    let (_folder, model) = model(Format::OpenAi, &a, "cache_all = true\nttl_seconds = 0.2").await;
    ask(&model, request("Hi", &[]), false).await.unwrap();
    tokio::time::sleep(Duration::from_millis(400)).await;
    let (response, text) = ask(&model, request("Hi", &[]), false).await.unwrap();
    assert_eq!((is_cached(&response), text.as_str()), (false, "answer 1"));

    for streamed in [false, true] {
        let a = replies([Reply::text("x".repeat(3000)), Reply::text("short")]).await;
        let (_folder, model) = self::model(Format::OpenAi, &a, "cache_all = true\nmax_kb = 2").await;
        for cached in [false, false, true] {
            let (response, _) = ask(&model, request("Hi", &[]), streamed).await.unwrap();
            assert_eq!(is_cached(&response), cached, "{streamed}: {response:?}");
            // What a caller has read may not have been stored yet.
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        assert_eq!(count(&a), 2);
    }
}

#[tokio::test]
async fn errors_and_answers_that_are_not_whole_are_not_kept() {
    for streamed in [false, true] {
        let broken = Reply::text("a long answer").piece_bytes(3).with_fault(Fault::Truncate);
        let bad = [
            Reply::status(500),
            Reply::text("cut").stop_reason("length"),
            Reply::text("filtered").stop_reason("content_filter"),
            Reply::text(""),
            broken.fault_at(Place::BeforeEvent(3)),
        ];
        for reply in bad {
            let about = format!("{reply:?}");
            let a = replies([reply, Reply::text("good")]).await;
            let (_folder, model) = model(Format::OpenAi, &a, ALL).await;
            let _ = ask(&model, request("Hi", &[]), streamed).await;
            let (response, text) = ask(&model, request("Hi", &[]), streamed).await.unwrap();
            assert_eq!((is_cached(&response), text.as_str()), (false, "good"), "{about}");
        }
    }
}

#[tokio::test]
async fn only_what_is_repeatable_is_kept_by_default() {
    let a = replies([]).await;
    let (_folder, model) = model(Format::OpenAi, &a, "").await;
    let with = |temperature| {
        let mut request = request("Hi", &[]);
        request.options.temperature = temperature;
        request
    };
    for (temperature, cached) in
        [(None, false), (None, false), (Some(0.0), false), (Some(0.0), true), (Some(0.7), false)]
    {
        let (response, _) = ask(&model, with(temperature), false).await.unwrap();
        assert_eq!(is_cached(&response), cached, "{temperature:?}");
    }
}

/// The caller who asks first goes away, and the one who waits asks by themselves.
#[tokio::test]
async fn a_caller_who_leaves_holds_up_nobody() {
    for streamed in [false, true] {
        let slow = reply("slow").delay(Duration::from_secs(20));
        let a = replies([slow, Reply::text("quick")]).await;
        let (_folder, model) = model(Format::OpenAi, &a, ALL).await;
        let mut first = Box::pin(ask(&model, request("Hi", &[]), streamed));
        assert!(tokio::time::timeout(Duration::from_millis(300), &mut first).await.is_err());
        let second = tokio::spawn({
            let model = model.clone();
            async move { ask(&model, request("Hi", &[]), streamed).await }
        });
        tokio::time::sleep(Duration::from_millis(100)).await;
        drop(first);
        let (_, text) = tokio::time::timeout(Duration::from_secs(15), second).await.unwrap().unwrap().unwrap();
        assert_eq!((text.as_str(), count(&a)), ("quick", 2));
    }
}

/// A piece of a stream does not wait for the rest.
#[tokio::test]
async fn a_stream_passes_as_it_comes() {
    const PACE: Duration = Duration::from_millis(300);
    let a = replies([Reply::text("one two three").piece_bytes(4).pace(PACE)]).await;
    let (_folder, model) = model(Format::OpenAi, &a, ALL).await;
    let mut stream = model.stream_with(request("Hi", &[]));
    let mut pieces = Vec::new();
    while let Some(event) = soon(stream.next()).await {
        if let Event::Text(piece) = event.unwrap() {
            pieces.push((piece, Instant::now()));
        }
    }
    let (first, last) = (pieces.first().unwrap(), pieces.last().unwrap());
    assert_eq!(first.0, "one ");
    assert!(last.1.duration_since(first.1) >= PACE, "{pieces:?}");
}

/// What clients of the gateway get is an answer of their format.
#[tokio::test]
async fn a_client_of_the_gateway_gets_it_in_its_format() {
    let a = replies([Reply::text("It rains."), Reply::text("It snows.")]).await;
    let chain = Chain::new().provider("a", Format::Anthropic, &a.url()).module("cache", ALL);
    let gateway = Gateway::start(&chain).await;
    for (number, stream) in [false, true, false, true].into_iter().enumerate() {
        let question =
            json!({"model": "a", "stream": stream, "max_tokens": 99, "messages": [{"role": "user", "content": "Hi"}]});
        let answer = gateway.post_with("/v1/chat/completions", &[("x-arcllm-trail", "1")], &question).await;
        assert_eq!(answer.status, 200);
        let text = match stream {
            true => {
                let datas = answer.body.lines().filter_map(|line| line.strip_prefix("data: "));
                let chunks = datas.filter_map(|data| serde_json::from_str::<Value>(data).ok());
                chunks.filter_map(|chunk| Some(chunk["choices"][0]["delta"]["content"].as_str()?.to_owned())).collect()
            }
            false => {
                let body: Value = serde_json::from_str(&answer.body).unwrap();
                body["choices"][0]["message"]["content"].as_str().unwrap().to_owned()
            }
        };
        assert_eq!(text, "It rains.", "{number}: {}", answer.body);
    }
    assert_eq!(count(&a), 1);
}

/// What only providers of the client's format are sent tells requests apart: fields and headers that ArcLLM does not know.
#[tokio::test]
async fn requests_that_differ_in_what_nobody_here_knows_share_no_answer() {
    let simulator = replies([]).await;
    let chain = Chain::new().provider("a", Format::Anthropic, &simulator.url());
    let chain = chain.provider("r", Format::Responses, &simulator.url()).module("cache", ALL);
    let gateway = Gateway::start(&chain).await;
    let ask = async |path: &str, beta: &str, body: &Value| {
        let answer = gateway.post_with(path, &[("anthropic-beta", beta)], body).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.header("x-arcllm-attempts") == "0"
    };
    let messages = json!({"model": "a", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]});
    let namespace = |about: &str| {
        let tool = json!({"type": "function", "name": "z", "parameters": {"type": "object"}});
        let tools = json!([{"type": "namespace", "name": "ns", "description": about, "tools": [tool]}]);
        json!({"model": "r", "input": "Hi", "tools": tools})
    };
    let (path, other) = ("/v1/messages", "/v1/responses");
    assert!(!ask(path, "one", &messages).await && ask(path, "one", &messages).await);
    assert!(!ask(path, "two", &messages).await && ask(path, "two", &messages).await);
    let mut streamed = messages.clone();
    streamed["stream"] = json!(true);
    assert!(ask(path, "two", &streamed).await, "it does not count how the answer comes");
    assert!(!ask(other, "", &namespace("one")).await && ask(other, "", &namespace("one")).await);
    assert!(!ask(other, "", &namespace("two")).await && ask(other, "", &namespace("two")).await);
}
