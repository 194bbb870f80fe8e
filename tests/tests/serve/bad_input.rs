//! Requests that no model is asked for: they get an error in the client's shape, and disturb no other.

use std::time::Duration;

use arcllm_simulator::{Format, Reply, Simulator};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::{
    scene::{replies, soon},
    serve::{
        gateway::{Answer, Gateway},
        in_process::InProcess,
    },
    support::Chain,
};

const CHAT: &str = "/v1/chat/completions";

async fn gateway(provider: &Simulator) -> Gateway {
    let settings =
        "max_body_mb = 1\nbody_timeout_seconds = 0.2\nheader_timeout_seconds = 0.2\nidle_timeout_seconds = 0.4";
    Gateway::start(&Chain::new().provider("sim", Format::OpenAi, &provider.url()).table("serve", settings)).await
}

/// The type of the error, which tells the shape.
fn kind(answer: &Answer) -> String {
    let error = answer.json();
    assert!(error["error"]["message"].as_str().is_some_and(|message| !message.is_empty()), "{error}");
    let shape = if error["type"] == "error" { "anthropic" } else { "openai" };
    format!("{} {shape} {}", answer.status, error["error"]["type"].as_str().unwrap())
}

/// A request, and the kind of its answer.
type Case<'a> = (Method, &'a str, &'a [(&'a str, &'a str)], &'a [u8], &'a str);

/// What no provider answers is refused before it is sent, at its place in the client's format.
#[tokio::test]
async fn temperatures_and_empty_conversations() {
    let provider = replies([]).await;
    let gateway = gateway(&provider).await;
    let ask = json!([{ "role": "user", "content": "Hi" }]);
    for (path, list) in [(CHAT, "messages"), ("/v1/messages", "messages"), ("/v1/responses", "input")] {
        let good = json!({ "model": "sim", "max_tokens": 9, list: ask, "temperature": 2 });
        let sent = provider.requests().len();
        for (field, wrong) in
            [("temperature", json!(2.1)), ("temperature", json!(-0.5)), ("temperature", json!("1")), (list, json!([]))]
        {
            let mut body = good.clone();
            body[field] = wrong.clone();
            let answer = gateway.post(path, &body).await;
            assert_eq!(answer.status, 400, "{path} {field} {wrong}: {}", answer.body);
            let error = &answer.json()["error"];
            assert!(error["message"].as_str().unwrap().starts_with(&format!("{field}: ")), "{error}");
            assert!(path == "/v1/messages" || error["param"] == field, "{error}");
        }
        assert_eq!(provider.requests().len(), sent);
        assert_eq!(gateway.post(path, &good).await.status, 200);
    }
}

#[tokio::test]
async fn is_answered_in_the_shape_of_the_client() {
    let provider = replies([]).await;
    let gateway = gateway(&provider).await;
    let good = json!({ "model": "sim", "messages": [{ "role": "user", "content": "Hi" }] }).to_string();
    let (post, json) = (Method::POST, ("content-type", "application/json"));
    let big = format!("{good}{}", " ".repeat(1 << 20));
    let cases: [Case<'_>; 16] = [
        (Method::GET, "/v1/nothing", &[], b"", "404 openai invalid_request_error"),
        (Method::GET, "/v1/nothing", &[("anthropic-version", "2023-06-01")], b"", "404 anthropic not_found_error"),
        (post.clone(), "/v1/messages/nothing", &[], b"{}", "404 anthropic not_found_error"),
        (Method::GET, CHAT, &[], b"", "405 openai invalid_request_error"),
        (Method::DELETE, "/v1/messages", &[], b"", "405 anthropic invalid_request_error"),
        (post.clone(), CHAT, &[("content-type", "text/plain")], good.as_bytes(), "415 openai invalid_request_error"),
        (post.clone(), CHAT, &[json, ("content-encoding", "gzip")], b"x", "415 openai invalid_request_error"),
        (post.clone(), CHAT, &[json], b"", "400 openai invalid_request_error"),
        (post.clone(), CHAT, &[json], b" \n ", "400 openai invalid_request_error"),
        (post.clone(), CHAT, &[json], b"{\"model\": \"\xff\"}", "400 openai invalid_request_error"),
        (post.clone(), "/v1/messages", &[json], b"[", "400 anthropic invalid_request_error"),
        (post.clone(), CHAT, &[json], big.as_bytes(), "413 openai invalid_request_error"),
        (post.clone(), "/v1/messages", &[json], big.as_bytes(), "413 anthropic request_too_large"),
        (Method::GET, "/v1/models/fast", &[], b"", "404 openai invalid_request_error"),
        (Method::GET, "/v1/models/%ff", &[], b"", "400 openai invalid_request_error"),
        (Method::GET, "/v1/models?limit=0", &[("anthropic-version", "x")], b"", "400 anthropic invalid_request_error"),
    ];
    for (method, path, headers, body, expected) in cases {
        let answer = gateway.send(method.clone(), path, headers, body.to_vec()).await;
        assert_eq!(kind(&answer), expected, "{method} {path} {headers:?} {}", answer.body);
    }
    assert_eq!(provider.requests().len(), 0);

    let answer = gateway.get(CHAT).await;
    assert_eq!(answer.header("allow"), "POST");
    let unknown =
        gateway.post(CHAT, &json!({ "model": "simm", "messages": [{ "role": "user", "content": "Hi" }] })).await;
    let error = &unknown.json()["error"];
    assert_eq!((unknown.status, &error["param"]), (404, &json!("model")));
    assert!(error["message"].as_str().unwrap().contains("did you mean `sim`?"), "{error}");
    assert!(!unknown.body.contains(gateway.folder.path().to_str().unwrap()), "{}", unknown.body);

    // A body without a content type, or without `/v1`, is taken as it is meant.
    for (path, headers) in
        [(CHAT, &[][..]), ("/chat/completions", &[("content-type", "application/json; charset=UTF-8")])]
    {
        assert_eq!(gateway.send(post.clone(), path, headers, good.clone()).await.status, 200);
    }
    for path in ["/", "/api/hello", "/health/live"] {
        assert_eq!(gateway.send(Method::HEAD, path, &[], "").await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn lists_of_models_have_the_shape_of_the_client() {
    let provider = replies([]).await;
    let gateway = gateway(&provider).await;
    let openai = gateway.get("/v1/models").await.json();
    let model = json!({ "id": "sim", "object": "model", "created": 0, "owned_by": "sim" });
    assert_eq!(openai["object"], "list");
    // Providers that need no key are there too.
    assert!(openai["data"].as_array().unwrap().contains(&model), "{openai}");
    let headers = [("anthropic-version", "2023-06-01")];
    let anthropic = gateway.send(Method::GET, "/v1/models?limit=1", &headers, "").await.json();
    let found = ["has_more", "first_id", "last_id"].map(|name| anthropic[name].clone());
    assert_eq!(found, [json!(true), json!("sim"), json!("sim")]);
    assert_eq!(anthropic["data"][0]["display_name"], "sim");
    let one = gateway.get("/v1/models/sim/some/other").await.json();
    assert_eq!((&one["id"], &one["owned_by"]), (&json!("sim/some/other"), &json!("sim")));
}

/// Sends these bytes, and gives the first line of what comes until the connection ends.
async fn raw(gateway: &Gateway, bytes: &[u8]) -> String {
    let mut connection = connect(gateway).await;
    connection.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    // A reset is an end too.
    let _ = soon(connection.read_to_end(&mut answer)).await;
    String::from_utf8_lossy(&answer).lines().next().unwrap_or_default().to_owned()
}

async fn connect(gateway: &Gateway) -> TcpStream {
    TcpStream::connect(gateway.url.trim_start_matches("http://")).await.unwrap()
}

#[tokio::test]
async fn clients_that_never_finish_are_let_go() {
    let provider = replies([]).await;
    let gateway = gateway(&provider).await;
    let silent = connect(&gateway).await;
    let head = "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n";
    let chunked = format!("{head}transfer-encoding: chunked\r\n\r\n");
    let endless = format!("{chunked}200000\r\n{}\r\n", "x".repeat(0x20_0000));
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(1000));
    let long = format!("GET / HTTP/1.1\r\na: {}\r\n\r\n", "b".repeat(100_000));
    for (bytes, expected) in [
        ("GET / HT", ""),
        (head, ""),
        (&format!("{head}content-length: 10\r\n\r\n{{"), "HTTP/1.1 408 Request Timeout"),
        (&format!("{chunked}1\r\n{{\r\n"), "HTTP/1.1 408 Request Timeout"),
        (&endless, "HTTP/1.1 413 Payload Too Large"),
        (&format!("{chunked}zz\r\n"), "HTTP/1.1 400 Bad Request"),
        (&many, "HTTP/1.1 431 Request Header Fields Too Large"),
        (&long, "HTTP/1.1 431 Request Header Fields Too Large"),
        ("\u{1}\u{2}\r\n\r\n", "HTTP/1.1 400 Bad Request"),
        ("GET /health/live HTTP/1.1\r\nhost: x\r\nhost: x\r\n\r\n", "HTTP/1.1 400 Bad Request"),
        (&format!("{head}transfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n"), "HTTP/1.1 501 Not Implemented"),
        (
            &format!("{head}transfer-encoding: gzip\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"),
            "HTTP/1.1 501 Not Implemented",
        ),
    ] {
        let answer = raw(&gateway, bytes.as_bytes()).await;
        assert_eq!(answer, expected, "{}", bytes.get(..100).unwrap_or(bytes));
    }
    let mut silent = silent;
    assert_eq!(soon(silent.read(&mut [0])).await.unwrap_or(0), 0, "a connection that asks nothing is closed");
    assert_eq!(gateway.get("/health/ready").await.status, 200);
}

#[tokio::test]
async fn requests_in_one_piece_are_answered_in_their_order() {
    let provider = replies([]).await;
    let gateway = gateway(&provider).await;
    let mut connection = connect(&gateway).await;
    let requests =
        "GET /health/live HTTP/1.1\r\nhost: x\r\n\r\nGET /none HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    connection.write_all(requests.as_bytes()).await.unwrap();
    let mut answers = String::new();
    soon(connection.read_to_string(&mut answers)).await.unwrap();
    let found: Vec<_> = answers.split("HTTP/1.1 ").skip(1).map(|answer| &answer[..3]).collect();
    assert_eq!(found, ["200", "404"]);
    let live: Value = json!({ "status": "live" });
    assert!(answers.contains(&live.to_string()));
}

#[tokio::test]
async fn pages_of_other_machines_may_not_ask() {
    let provider = replies([]).await;
    let gateway = gateway(&provider).await;
    let body = json!({ "model": "sim", "messages": [{ "role": "user", "content": "Hi" }] });
    for (origin, status) in [("https://example.com", 403), ("null", 403), ("http://localhost:5173", 200)] {
        assert_eq!(gateway.post_with(CHAT, &[("origin", origin)], &body).await.status, status, "{origin}");
    }
    assert_eq!(provider.requests().len(), 1);
    // A page whose own name leads to this machine sends no origin with a `GET`.
    let hosts =
        [("evil.example:4000", 403), ("localhost:1", 200), ("[::1]:4000", 200), ("host.docker.internal:4000", 200)];
    for (host, status) in hosts {
        let answer = gateway.send(Method::GET, "/v1/models", &[("host", host)], "").await;
        assert_eq!(answer.status, status, "{host}: {answer:?}");
    }
}

#[tokio::test]
async fn a_large_body_is_read_as_a_small_one() {
    let provider = replies([]).await;
    let gateway = gateway(&provider).await;
    let question = |content: Value| json!({ "model": "sim", "messages": [{ "role": "user", "content": content }] });
    let long = "x".repeat(400_000);
    assert_eq!(gateway.post(CHAT, &question(json!(long))).await.status, 200);
    let wrong = gateway.post(CHAT, &question(json!([{ "type": "text", "text": long }, { "type": 1 }]))).await;
    assert_eq!((wrong.status, &wrong.json()["error"]["param"]), (400, &json!("messages[0].content[1].type")));
}

/// A client can make up names without end. They must not grow the heads of answers, the log or `/metrics`.
#[tokio::test]
async fn names_of_models_have_a_limit() {
    let provider = replies([]).await;
    let gateway = gateway(&provider).await;
    let ask = |model: &str| json!({ "model": model, "max_tokens": 9, "messages": [{ "role": "user", "content": "Hi" }], "input": "Hi" });
    let longest = format!("sim/{}", "x".repeat(252));
    for path in [CHAT, "/v1/responses", "/v1/messages"] {
        for wrong in [format!("{longest}x"), format!("sim/{}", "ö".repeat(500_000 - 200))] {
            let answer = gateway.post(path, &ask(&wrong)).await;
            assert_eq!(answer.status, 400, "{path}");
            let message = answer.json()["error"]["message"].as_str().unwrap().to_owned();
            assert!(message.starts_with("model: has ") && message.len() < 200, "{message}");
            assert!(answer.headers.values().all(|value| value.len() < 300));
        }
        assert_eq!(gateway.post(path, &ask(&longest)).await.header("x-arcllm-model").len(), 252);
    }
    assert_eq!(gateway.post("/v1/messages/count_tokens", &ask(&format!("{longest}x"))).await.status, 400);
    assert_eq!(gateway.get(&format!("/v1/models/{longest}x")).await.status, 400);
    for number in 0..150 {
        assert_eq!(gateway.post(CHAT, &ask(&format!("sim/made-up-{number}"))).await.status, 200);
    }
    assert_eq!(gateway.post(CHAT, &ask("sim")).await.status, 200);
    let metrics = gateway.get("/metrics").await.body;
    let counted = |model: &str| metrics.contains(&format!("gen_ai_request_model=\"{model}\""));
    let made_up = (0..150).filter(|number| counted(&format!("made-up-{number}"))).count();
    assert!((90..100).contains(&made_up) && counted("other") && counted("sim-model"), "{made_up}");
    let log = gateway.stop().await.stdout;
    assert!(log.lines().all(|line| line.len() < 1000), "{log}");
}

/// A connection that has been answered is let go like one that has never asked.
#[tokio::test]
async fn clients_that_ask_nothing_more_are_let_go() {
    let provider = replies([]).await;
    let gateway = gateway(&provider).await;
    let body = json!({ "model": "sim", "stream": true, "messages": [{ "role": "user", "content": "Hi" }] }).to_string();
    let call = format!("POST {CHAT} HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    let health = "GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n";
    for (requests, answers) in [
        (health.to_owned(), 1),
        (health.repeat(3), 3),
        (format!("{call}{health}"), 2),
        (call, 1),
        ("GET /none HTTP/1.1\r\nhost: x\r\n\r\nGET /no".to_owned(), 1),
    ] {
        let mut connection = connect(&gateway).await;
        connection.write_all(requests.as_bytes()).await.unwrap();
        let mut answered = Vec::new();
        let _ = soon(connection.read_to_end(&mut answered)).await;
        assert_eq!(String::from_utf8_lossy(&answered).matches("HTTP/1.1 ").count(), answers, "{requests}");
    }
    // One that asks again in time goes on.
    let mut connection = connect(&gateway).await;
    for _ in 0..4 {
        connection.write_all(health.as_bytes()).await.unwrap();
        let length = soon(connection.read(&mut [0; 4096])).await.unwrap();
        assert!(length > 0);
        tokio::time::sleep(std::time::Duration::from_millis(150)).await;
    }
}

/// Providers differ in which of two values they read, so nobody could say what was checked.
#[tokio::test]
async fn a_key_that_stands_twice_is_named() {
    let provider = replies([]).await;
    let gateway = gateway(&provider).await;
    let call = |arguments: &str| {
        let function = json!({ "name": "f", "arguments": arguments });
        let calls = json!([{ "id": "c", "type": "function", "function": function }]);
        let messages = json!([
            { "role": "user", "content": "Hi" },
            { "role": "assistant", "tool_calls": calls },
            { "role": "tool", "tool_call_id": "c", "content": "1" },
        ]);
        json!({ "model": "sim", "messages": messages }).to_string()
    };
    let item = |arguments: &str| {
        let call = json!({ "type": "function_call", "call_id": "c", "name": "f", "arguments": arguments });
        json!({ "model": "sim", "input": [call, { "type": "function_call_output", "call_id": "c", "output": "1" }] })
            .to_string()
    };
    let (twice, deeper) = (r#"{"a": 1, "\u0061": 2}"#, r#"{"a": [{"b": 1, "b": 1}]}"#);
    let (messages, responses) = ("/v1/messages", "/v1/responses");
    let cases = [
        (CHAT, r#"{"model":"sim","messages":[{"role":"user","content":"a"}],"messages":[{"role":"user","content":"b"}]}"#.to_owned(), "body", "messages"),
        (CHAT, r#"{"model":"sim","messages":[{"role":"user","content":"a","content":"b"}]}"#.to_owned(), "messages[0]", "content"),
        (CHAT, r#"{"model":"sim","messages":[{"role":"user","content":"a"}],"zz":[1,{"x":{"y":1,"y":2}}]}"#.to_owned(), "zz[1].x", "y"),
        (messages, r#"{"model":"sim","max_tokens":9,"messages":[{"role":"user","content":[{"type":"text","text":"a","text":"b"}]}]}"#.to_owned(), "messages[0].content[0]", "text"),
        (responses, r#"{"model":"sim","input":"a","input":"b"}"#.to_owned(), "body", "input"),
    ];
    for (path, body, place, key) in cases {
        let answer = gateway.send(Method::POST, path, &[], body.clone()).await;
        assert_eq!(answer.status, 400, "{body}");
        let expected = format!("{place}: has the key `{key}` twice: leave one of them out");
        assert_eq!(answer.json()["error"]["message"], expected, "{body}");
    }
    assert_eq!(provider.requests().len(), 0);
    // A model has written its arguments, and the conversation has to go on.
    for arguments in [twice, deeper, "{\"a\": 1", "{\"a\": 1}"] {
        for (path, body) in [(CHAT, call(arguments)), (responses, item(arguments))] {
            let answer = gateway.send(Method::POST, path, &[], body).await;
            assert_eq!(answer.status, 200, "{answer:?}");
        }
    }
    // A module reads all that a provider could read.
    let provider = replies([]).await;
    let chain = Chain::new().provider("sim", Format::OpenAi, &provider.url()).module("redact", "");
    let gateway = Gateway::start(&chain).await;
    let mail = r#"{"to": "jane@example.com", "to": "joe@example.com"}"#;
    for (path, body) in [(CHAT, call(mail)), (responses, item(mail))] {
        assert_eq!(gateway.send(Method::POST, path, &[], body).await.status, 200);
        let sent = provider.requests().pop().unwrap().body.to_string();
        assert!(!sent.contains("@example") && sent.contains("[EMAIL_2]"), "{sent}");
    }
}

/// The library has other names for some options than the formats of clients.
#[tokio::test]
async fn an_error_names_the_field_of_the_client() {
    let provider = replies([]).await;
    let chain = Chain::new().provider("r", Format::Responses, &provider.url());
    let gateway = InProcess::over(&chain.provider("a", Format::Anthropic, &provider.url()));
    let said = json!([{"role": "user", "content": "Hi"}]);
    let json_object = json!({"format": {"type": "json_object"}});
    for (path, body, place) in [
        ("/v1/chat/completions", json!({"model": "r", "messages": said, "stop": ["x"]}), "stop"),
        (
            "/v1/chat/completions",
            json!({"model": "a", "messages": said, "response_format": json_object["format"]}),
            "response_format",
        ),
        (
            "/v1/messages",
            json!({"model": "r", "messages": said, "max_tokens": 9, "stop_sequences": ["x"]}),
            "stop_sequences",
        ),
        ("/v1/responses", json!({"model": "a", "input": "Hi", "text": json_object}), "text.format"),
    ] {
        let answer = gateway.post(path, &[], body.to_string()).await;
        assert_eq!(answer.status, 400, "{body}: {}", answer.text);
        let error = answer.json()["error"].take();
        let message = error["message"].as_str().unwrap();
        assert!(message.starts_with(place) && !message.contains("options."), "{path}: {message}");
        if path != "/v1/messages" {
            assert_eq!(error["param"], place, "{error}");
        }
    }
    assert!(provider.requests().is_empty());
}

#[tokio::test]
async fn bodies_have_a_limit_of_memory_together() {
    let slow = || Reply::text("Hi").delay(Duration::from_secs(100));
    let provider = replies([slow(), slow(), Reply::text("Hi")]).await;
    let chain = Chain::new().provider("sim", Format::OpenAi, &provider.url()).table("serve", "max_bodies_mb = 1");
    let gateway = Gateway::start(&chain).await;
    let text = |length: usize| {
        json!({ "model": "sim", "messages": [{ "role": "user", "content": "x".repeat(length) }] }).to_string()
    };
    let ask = async |body: String| gateway.send(Method::POST, CHAT, &[], body).await;
    // More than all may have: a long text, and many short values.
    let many = format!(r#"{{"model":"sim","messages":[],"x":[{}0]}}"#, "0,".repeat(11_000));
    for body in [text(600 << 10), many.clone()] {
        let answer = ask(body).await;
        assert_eq!((answer.status, answer.header("x-should-retry")), (413, "false"), "{answer:?}");
        assert!(answer.body.contains("more memory than 1 MB"), "{answer:?}");
    }
    // What is held while calls run, and given back when they end.
    let (one, other) = (ask(text(200 << 10)), ask(text(200 << 10)));
    let refused = async {
        provider.wait_for_requests(2).await;
        let answer = ask(text(200 << 10)).await;
        assert_eq!((answer.status, answer.header("retry-after")), (503, "1"), "{answer:?}");
        // Another time would be no better.
        let answer = ask(text(600 << 10)).await;
        assert_eq!((answer.status, answer.header("x-should-retry")), (413, "false"), "{answer:?}");
        assert!(gateway.get("/metrics").await.body.contains("\narcllm_serve_body_bytes 8"));
    };
    tokio::select! {
        answer = one => panic!("{answer:?}"),
        answer = other => panic!("{answer:?}"),
        () = refused => {}
    }
    soon(async {
        while !gateway.get("/metrics").await.body.contains("\narcllm_serve_body_bytes 0\n") {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    assert_eq!(ask(text(500 << 10)).await.status, 200);
}
