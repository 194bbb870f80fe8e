//! The contract: what a module of any kind must do.

use std::{sync::Arc, time::Duration};

use arcllm::{Message, Request};
use futures::future::join_all;
use serde_json::{Map, Value, json};

use super::{
    inner::Reply,
    run::{Bench, request},
    scenario::Scenario,
};

/// A clause of the contract: its name, and how the module breaks it.
pub(super) type Clause = (&'static str, Vec<String>);

/// The kinds that pass requests and answers on unchanged.
const FORWARDING: [&str; 6] = ["retry", "fallback", "observer", "limiter", "breaker", "chaos"];

/// Settings with which any module can run: each list of providers or models in its schema has two.
pub(super) fn settings(schema: &Value) -> Map<String, Value> {
    let properties = schema.get("properties").and_then(Value::as_object);
    let lists = properties.into_iter().flatten().filter(|(_, property)| {
        let format = property.pointer("/items/format").and_then(Value::as_str);
        matches!(format, Some("arcllm-provider" | "arcllm-model"))
    });
    lists.map(|(key, _)| (key.clone(), json!(["primary", "second"]))).collect()
}

/// Checks each clause of the contract.
pub(super) async fn check(bench: &Bench, kind: &str, settings: &Map<String, Value>) -> Vec<Clause> {
    let scenario = plain(settings);
    // Other kinds may change what is asked and answered. No kind may mix calls up.
    let forwards = FORWARDING.contains(&kind);
    // These count the calls of all, so that calls at the same time are let through in any order.
    let counts = ["limiter", "breaker"].contains(&kind);
    vec![
        ("it describes itself", describes(bench, &scenario).await),
        ("`name` and `validate-config` are those of its inner", transparent(bench, &scenario).await),
        ("a good answer takes one request and comes back unchanged", answers(bench, &scenario, forwards).await),
        ("every error comes back unchanged", errors(bench, settings, !["retry", "fallback"].contains(&kind)).await),
        ("a cancelled call sends nothing more", cancels(bench, settings).await),
        ("100 calls at once do not mix", apart(bench, &scenario, forwards).await),
        ("a conversation of 10 MB gets through", large(bench, &scenario, forwards).await),
        ("the same seed gives the same waits, to the nanosecond", replays(bench, settings, counts).await),
    ]
}

/// A chain of the module alone. Its provider answers well.
pub(super) fn plain(settings: &Map<String, Value>) -> Scenario {
    Scenario {
        name: "contract".to_owned(),
        kind: None,
        chain: vec!["subject".to_owned()],
        say: "Hello".to_owned(),
        settings: settings.clone(),
        modules: Default::default(),
        deadline_seconds: 3600.0,
        stream: false,
        providers: Default::default(),
        expect: Default::default(),
    }
}

async fn describes(bench: &Bench, scenario: &Scenario) -> Vec<String> {
    let mut found = Vec::new();
    let report = match bench.load(scenario, Reply::default()).await {
        Ok((host, ..)) => host.modules().await,
        Err(error) => return vec![error],
    };
    let report = report.ok().and_then(|all| all.into_iter().find(|module| module.name == "subject"));
    let Some(report) = report else { return vec!["the host does not list it among its modules".to_owned()] };
    for (what, word) in [("version", &report.version), ("kind", &report.kind)] {
        if word.as_deref().unwrap_or_default().is_empty() {
            found.push(format!("`describe` returns an empty {what}"));
        }
    }
    found.extend(report.problem);
    found
}

async fn transparent(bench: &Bench, scenario: &Scenario) -> Vec<String> {
    let host = match bench.load(scenario, Reply::default()).await {
        Ok((host, ..)) => host,
        Err(error) => return vec![error],
    };
    match host.probe("subject", "primary").await {
        Ok(probe) => {
            let mut found = Vec::new();
            if probe.name != "primary" {
                found.push(format!("its name is {:?}, expected \"primary\", the name of its inner", probe.name));
            }
            if let Err(problem) = probe.validate_config {
                found.push(format!("`validate-config` failed, expected success as of its inner: {problem}"));
            }
            found
        }
        Err(error) => vec![error.to_string()],
    }
}

async fn answers(bench: &Bench, scenario: &Scenario, forwards: bool) -> Vec<String> {
    let (_host, model, log) = match bench.load(scenario, Reply::default()).await {
        Ok(loaded) => loaded,
        Err(error) => return vec![error],
    };
    let mut found = Vec::new();
    match model.invoke(&[Message::user("Hello")], &[]).await {
        Ok(response) if !forwards || response.text().as_deref() == Some("Hello") => {}
        Ok(response) => found
            .push(format!("the text of the answer is {:?}, expected \"Hello\"", response.text().unwrap_or_default())),
        Err(error) => found.push(format!("the provider answered well, and the call failed: {error}")),
    }
    let count = log.count();
    if if forwards { count != 1 } else { count > 1 } {
        found.push(format!("{count} requests were sent, expected 1"));
    }
    found
}

/// With `once`, the module must not ask again.
async fn errors(bench: &Bench, settings: &Map<String, Value>, once: bool) -> Vec<String> {
    let statuses = [400, 401, 404, 429, 500, 503, 529].map(|status| Reply { status: Some(status), ..Reply::default() });
    let kinds = ["connection", "timeout", "parse", "config", "module", "cancelled", "deadline_exceeded", "other"];
    let kinds = kinds.map(|kind| Reply { error: Some(kind.to_owned()), ..Reply::default() });
    let mut found = Vec::new();
    for reply in statuses.into_iter().chain(kinds) {
        let (_host, model, log) = match bench.load(&plain(settings), reply.clone()).await {
            Ok(loaded) => loaded,
            Err(error) => return vec![error],
        };
        let Err(error) = model.invoke(&[Message::user("Hello")], &[]).await else {
            found.push(format!("{}: became an answer, expected the error", name(&reply)));
            continue;
        };
        let asked = log.asked();
        let Some(last) = asked.last() else {
            found.push(format!("{}: no request was sent", name(&reply)));
            continue;
        };
        let sent = reply.result(&last.provider, &last.request).err();
        if sent.as_ref() != Some(&error.kind) {
            let sent = sent.map_or_else(|| "an answer".to_owned(), |sent| sent.to_string());
            found.push(format!("{}: the error is {:?}, expected {sent:?}", name(&reply), error.kind.to_string()));
        }
        if once && asked.len() != 1 {
            found.push(format!("{}: {} requests were sent, expected 1", name(&reply), asked.len()));
        }
        if error.trail.len() != asked.len() {
            found.push(format!(
                "{}: {} requests were sent, but the trail has {}",
                name(&reply),
                asked.len(),
                error.trail.len()
            ));
        }
    }
    found
}

/// A reply in a word: its status or its kind of error.
pub(super) fn name(reply: &Reply) -> String {
    reply.status.map_or_else(|| reply.error.clone().unwrap_or_default(), |status| format!("status {status}"))
}

fn ending(result: Result<arcllm::Response, arcllm::Error>) -> String {
    result.map_or_else(|error| error.to_string(), |response| format!("{:?}", response.text().unwrap_or_default()))
}

/// Cancels while the inner is asked, and while the module waits, if it does.
async fn cancels(bench: &Bench, settings: &Map<String, Value>) -> Vec<String> {
    let never = Reply { never: true, ..Reply::default() };
    let busy = Reply { status: Some(503), ..Reply::default() };
    let mut found = Vec::new();
    for then in [never, busy] {
        let (_host, model, log) = match bench.load(&plain(settings), then).await {
            Ok(loaded) => loaded,
            Err(error) => return vec![error],
        };
        // It may have ended by itself.
        let _ = tokio::time::timeout(Duration::from_millis(500), model.invoke_with(request("Hello"))).await;
        let before = log.count();
        tokio::time::sleep(Duration::from_secs(1000)).await;
        if log.count() != before {
            found.push(format!("{} requests were sent after the call was cancelled", log.count() - before));
        }
    }
    found
}

async fn apart(bench: &Bench, scenario: &Scenario, forwards: bool) -> Vec<String> {
    let slow = Reply { takes_seconds: 1.0, ..Reply::default() };
    let (_host, model, log) = match bench.load(scenario, slow).await {
        Ok(loaded) => loaded,
        Err(error) => return vec![error],
    };
    let calls = (0..100).map(|number| {
        let model = &model;
        async move {
            let text = format!("call {number} ");
            let answer = model.invoke_with(request(text.clone())).await;
            // A module may change the text, but not into that of another call.
            let is_own = |said: &str| {
                said.split(|letter: char| !letter.is_ascii_digit()).all(|digits| {
                    digits.is_empty()
                        || digits == number.to_string()
                        || digits.parse::<u32>().is_ok_and(|other| other > 99)
                })
            };
            match answer {
                Ok(response) if forwards && response.text().as_ref() == Some(&text) && response.trail.len() == 1 => {
                    None
                }
                Ok(response) if !forwards && is_own(&response.text().unwrap_or_default()) => None,
                other => Some(format!("{text}got the answer of another: {}", ending(other))),
            }
        }
    });
    let mut found: Vec<String> = join_all(calls).await.into_iter().flatten().collect();
    if forwards && log.count() != 100 {
        found.push(format!("{} requests were sent, expected 100", log.count()));
    }
    found.truncate(5);
    found
}

async fn large(bench: &Bench, scenario: &Scenario, forwards: bool) -> Vec<String> {
    let short = Reply { text: Some("short".to_owned()), ..Reply::default() };
    let (_host, model, log) = match bench.load(scenario, short).await {
        Ok(loaded) => loaded,
        Err(error) => return vec![error],
    };
    let text = "0123456789".repeat(1 << 10);
    let sent: Arc<Request> = Arc::new(Request::new(vec![Message::user(text); 1 << 10]));
    match model.invoke_with(sent.clone()).await {
        Ok(_) => {}
        Err(error) => return vec![error.to_string()],
    }
    match log.asked().first() {
        Some(asked) if asked.request == *sent => Vec::new(),
        _ if !forwards => Vec::new(),
        Some(_) => vec!["the provider was sent another conversation".to_owned()],
        None => vec!["no request was sent".to_owned()],
    }
}

/// Runs a few calls at once against a provider that fails, and one after the other. A module that counts calls runs
/// them one after the other only: it cannot say which of several calls comes first.
async fn replays(bench: &Bench, settings: &Map<String, Value>, counts: bool) -> Vec<String> {
    let busy = Reply { status: Some(503), ..Reply::default() };
    let mut runs = Vec::new();
    for together in [!counts, !counts, false] {
        let (_host, model, _) = match bench.load(&plain(settings), busy.clone()).await {
            Ok(loaded) => loaded,
            Err(error) => return vec![error],
        };
        runs.push(waits(&model, together).await);
    }
    match runs.windows(2).all(|pair| pair.first() == pair.last()) {
        true => Vec::new(),
        false => vec![
            "two runs with the same seed waited differently; take random numbers and time from the host alone"
                .to_owned(),
        ],
    }
}

/// Few enough for any budget of retries.
const REPLAYED: usize = 3;

async fn waits(model: &arcllm::Model, together: bool) -> Vec<Vec<Duration>> {
    let call = || async {
        let result = model.invoke_with(request("Hello")).await;
        let trail = result.map(|response| response.trail).unwrap_or_else(|error| error.trail);
        trail.into_iter().map(|attempt| attempt.waited).collect::<Vec<_>>()
    };
    if together {
        return join_all((0..REPLAYED).map(|_| call())).await;
    }
    let mut all = Vec::new();
    for _ in 0..REPLAYED {
        all.push(call().await);
    }
    all
}
