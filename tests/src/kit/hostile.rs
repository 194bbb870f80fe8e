//! Hostile input: whatever callers ask and providers answer, a module may refuse it, but it must not trap or hang.

use std::time::Duration;

use arcllm::{
    ContentBlock, Error, ErrorKind, Message, Options, Request, Response, Role, Tool, ToolCall, ToolChoice, ToolResult,
};
use serde_json::{Map, Value, json};

use super::{
    contract::{Clause, name, plain},
    inner::Reply,
    run::{Bench, request},
    scenario::Scenario,
    told::Told,
    words,
};

/// Longer than any deadline here.
const FOR_EVER: Duration = Duration::from_secs(100_000);

/// Checks the module with each kind of hostile input.
pub(super) async fn check(bench: &Bench, settings: &Map<String, Value>) -> Vec<Clause> {
    let scenario = plain(settings);
    vec![
        ("odd requests", requests(bench, &scenario, odd()).await),
        ("10,000 messages, and a text of 5 MB", requests(bench, &scenario, huge()).await),
        ("errors of every kind, with huge messages and hints", errors(bench, &scenario).await),
        ("an inner that never answers: the call ends at its deadline", never(bench, &scenario).await),
        ("an answer that never ends: the call ends at its deadline", endless(bench, &scenario).await),
        ("a deadline of a millisecond", over(bench, settings).await),
    ]
}

/// Requests that no sensible caller makes, but that the types allow.
fn odd() -> Vec<(&'static str, Request)> {
    let message = |role: Role, content: Vec<ContentBlock>| Message::new(role, content);
    let of = |messages: Vec<Message>| Request::new(messages);
    let text = |text: &str| of(vec![Message::user(text)]);
    let nested = (0..100).fold(json!("deep"), |inner, _| json!({ "a": [inner] }));
    let call = ToolCall::new("", "\u{0}", [("nested".to_owned(), nested)].into_iter().collect());
    let mut result = ToolResult::new("of no call", Vec::new());
    result.is_error = true;
    let options = Options::new()
        .max_tokens(0)
        .temperature(2.0)
        .top_p(1e300)
        .stop([""; 1000])
        .tool_choice(ToolChoice::Tool("of no name".to_owned()))
        .seed(i64::MIN);
    let tool = Tool::new("", "", json!(false));
    vec![
        // The host lets such a request through where the provider has stored what is asked.
        ("no messages", of(Vec::new()).with_extension("openai.responses.prompt", json!({ "id": "p" }))),
        ("a message without content", of(vec![message(Role::User, Vec::new())])),
        ("an empty text", text("")),
        ("control characters and a byte order mark", text("\u{0}\u{1}\u{7f}\u{feff}\u{202e}\u{fffd}\u{10ffff}")),
        ("a letter with a thousand accents", text(&format!("e{}", "\u{301}".repeat(1000)))),
        ("an unknown role", of(vec![message(Role::Other("\u{1f600}".to_owned()), vec![ContentBlock::text("Hi")])])),
        (
            "a conversation that begins with an answer",
            of(vec![message(Role::Assistant, vec![ContentBlock::ToolUse(call)])]),
        ),
        ("a result of no call", of(vec![message(Role::Tool, vec![ContentBlock::ToolResult(result)])])),
        ("an unknown block", of(vec![message(Role::User, vec![ContentBlock::Other(json!({ "type": "odd" }))])])),
        ("options out of range", text("Hi").with_options(options)),
        ("a tool without a name", text("Hi").with_tools([tool])),
        ("unknown extensions", text("Hi").with_extension("kit.odd", json!([null, {}]))),
    ]
}

fn huge() -> Vec<(&'static str, Request)> {
    vec![
        ("10,000 messages", Request::new(vec![Message::user("Hi"); 10_000])),
        ("a text of 5 MB", request("0123456789".repeat(1 << 19))),
    ]
}

async fn requests(bench: &Bench, scenario: &Scenario, requests: Vec<(&'static str, Request)>) -> Vec<String> {
    let short = Reply { text: Some("short".to_owned()), ..Reply::default() };
    let model = match bench.load(scenario, short).await {
        Ok((_, model, _)) => model,
        Err(error) => return vec![error],
    };
    let mut found = Vec::new();
    for (name, request) in requests {
        let whole = ended(name, tokio::time::timeout(FOR_EVER, model.invoke_with(request.clone())).await);
        let streamed = tokio::time::timeout(FOR_EVER, Told::by(model.stream_with(request))).await;
        let streamed = ended(name, streamed.map(|(result, _)| result));
        found.extend(whole.into_iter().chain(streamed.map(|difference| format!("When streamed: {difference}"))));
    }
    found
}

/// What is wrong with the end of a call, if anything.
fn ended(name: &str, result: Result<Result<Response, Error>, tokio::time::error::Elapsed>) -> Option<String> {
    match result {
        Ok(Ok(_)) => None,
        Ok(Err(error)) => match &error.kind {
            // The host names the module if it trapped or reached a limit.
            ErrorKind::Module(failure) if failure.extensions.contains_key("module") => {
                Some(format!("{name}: The module trapped or reached a limit. {error}"))
            }
            _ => None,
        },
        Err(_) => Some(format!("{name}: The call does not end.")),
    }
}

async fn errors(bench: &Bench, scenario: &Scenario) -> Vec<String> {
    let long = || Some("\u{1f4a5}".repeat(100_000));
    let statuses = [0, 1, 100, 200, 304, 418, 429, 503, 599, 600, 999, u16::MAX];
    let statuses = statuses.map(|status| Reply {
        status: Some(status),
        retry_after_seconds: Some(1e9),
        should_retry: Some(status % 2 == 0),
        message: long(),
        ..Reply::default()
    });
    let kinds = ["connection", "timeout", "parse", "config", "module", "cancelled", "deadline_exceeded", "other"];
    let kinds = kinds.map(|kind| Reply { error: Some(kind.to_owned()), message: long(), ..Reply::default() });
    let mut found = Vec::new();
    for reply in statuses.into_iter().chain(kinds) {
        let name = name(&reply);
        // A stream can also fail after it has begun.
        for after_events in [0, 1] {
            let reply = Reply { after_events, ..reply.clone() };
            let model = match bench.load(scenario, reply).await {
                Ok((_, model, _)) => model,
                Err(error) => return vec![error],
            };
            let asking = async {
                match after_events {
                    0 => model.invoke_with(request("Hello")).await,
                    _ => Told::by(model.stream_with(request("Hello"))).await.0,
                }
            };
            found.extend(ended(&name, tokio::time::timeout(FOR_EVER, asking).await));
        }
    }
    found
}

async fn never(bench: &Bench, scenario: &Scenario) -> Vec<String> {
    let never = Reply { never: true, ..Reply::default() };
    until_the_deadline(bench, scenario, never).await
}

async fn endless(bench: &Bench, scenario: &Scenario) -> Vec<String> {
    let endless = Reply { text: Some("word ".repeat(10_000)), pace_seconds: 10.0, ..Reply::default() };
    until_the_deadline(bench, scenario, endless).await
}

async fn until_the_deadline(bench: &Bench, scenario: &Scenario, reply: Reply) -> Vec<String> {
    let (_host, model, log) = match bench.load(scenario, reply.clone()).await {
        Ok(loaded) => loaded,
        Err(error) => return vec![error],
    };
    let mut found = Vec::new();
    let is_endless = !reply.never;
    for streamed in [false, true] {
        // Without streaming the text comes at once.
        if is_endless && !streamed {
            continue;
        }
        let asking = async {
            match streamed {
                false => model.invoke_with(request("Hello")).await,
                true => Told::by(model.stream_with(request("Hello"))).await.0,
            }
        };
        match tokio::time::timeout(FOR_EVER, asking).await {
            Ok(Err(error)) if error.kind == ErrorKind::DeadlineExceeded => {}
            // It may not have asked at all.
            Ok(Ok(_)) if log.count() == 0 => {}
            Ok(Ok(_)) => found.push("The call was answered. It should have ended with `deadline_exceeded`.".to_owned()),
            Ok(Err(error)) => {
                let kind = error.kind.as_str();
                found.push(format!("The call ended with `{kind}`. It should have ended with `deadline_exceeded`."))
            }
            Err(_) => found.push("The call does not end at its deadline.".to_owned()),
        }
        // What is wrong without streaming, too, is said once.
        found.dedup();
        let before = log.count();
        tokio::time::sleep(Duration::from_secs(1000)).await;
        if log.count() != before {
            let sent = words::count(log.count() - before, "request");
            found.push(format!("It sent {sent} after the deadline."));
        }
    }
    found
}

async fn over(bench: &Bench, settings: &Map<String, Value>) -> Vec<String> {
    let scenario = Scenario { deadline_seconds: 0.001, ..plain(settings) };
    let slow = Reply { delay_seconds: Some(10.0), ..Reply::default() };
    let model = match bench.load(&scenario, slow).await {
        Ok((_, model, _)) => model,
        Err(error) => return vec![error],
    };
    ended("the call", tokio::time::timeout(FOR_EVER, model.invoke_with(request("Hello"))).await).into_iter().collect()
}
