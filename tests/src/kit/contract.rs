//! What every module must do, whatever its kind.

use std::{sync::Arc, time::Duration};

use arcllm::{Message, Request};
use futures::future::join_all;
use serde_json::{Map, Value, json};

use super::{
    inner::Reply,
    run::{Bench, request},
    scenario::Scenario,
};

/// One clause of the contract: its name, and what differs from it.
pub(super) type Clause = (&'static str, Vec<String>);

/// The kinds that return what they were given.
const FORWARDING: [&str; 6] = ["retry", "fallback", "observer", "limiter", "breaker", "chaos"];

/// Settings with which any module can run: every list of providers in its schema has some.
pub(super) fn settings(schema: &Value) -> Map<String, Value> {
    let properties = schema.get("properties").and_then(Value::as_object);
    let lists = properties
        .into_iter()
        .flatten()
        .filter(|(_, property)| property.pointer("/items/format").and_then(Value::as_str) == Some("arcllm-provider"));
    lists.map(|(key, _)| (key.clone(), json!(["primary", "second"]))).collect()
}

/// Holds a module to the contract.
pub(super) async fn check(bench: &Bench, kind: &str, settings: &Map<String, Value>) -> Vec<Clause> {
    let scenario = plain(settings);
    // A module that is there to change what is asked or answered may. What it must not do is mix calls up.
    let forwards = FORWARDING.contains(&kind);
    // Who keeps count of other calls lets go of some of many at once later than of others.
    let counts = ["limiter", "breaker"].contains(&kind);
    vec![
        ("it says what it is", describes(bench, &scenario).await),
        ("`name` and `validate-config` are its inner's", transparent(bench, &scenario).await),
        ("a good answer is asked for once and returned as it is", answers(bench, &scenario, forwards).await),
        ("every error comes back unchanged", errors(bench, settings, !["retry", "fallback"].contains(&kind)).await),
        ("a call that is given up asks nobody further", cancels(bench, settings).await),
        ("100 calls at once are kept apart", apart(bench, &scenario, forwards).await),
        ("a conversation of 10 MB is forwarded", large(bench, &scenario, forwards).await),
        ("the same seed gives the same waits, to the nanosecond", replays(bench, settings, counts).await),
    ]
}

/// A chain of the module alone, in which nothing goes wrong.
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
    let Some(report) = report else { return vec!["it is not among the modules".to_owned()] };
    for (what, word) in [("version", &report.version), ("kind", &report.kind)] {
        if word.as_deref().unwrap_or_default().is_empty() {
            found.push(format!("its {what} is empty"));
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
                found.push(format!("its name is {:?}, that of its inner is \"primary\"", probe.name));
            }
            if let Err(problem) = probe.validate_config {
                found.push(format!("it says that no call can be made: {problem}"));
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
        Ok(response) => found.push(format!("the answer became {:?}", response.text())),
        Err(error) => found.push(format!("the answer became an error: {error}")),
    }
    let count = log.count();
    if if forwards { count != 1 } else { count > 1 } {
        found.push(format!("{count} requests were sent, expected 1"));
    }
    found
}

/// `once` where the module is of no kind that asks again.
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
            found.push(format!("{reply:?} became an answer"));
            continue;
        };
        let asked = log.asked();
        let Some(last) = asked.last() else {
            found.push("nobody was asked".to_owned());
            continue;
        };
        let sent = reply.result(&last.provider, &last.request).err();
        if sent.as_ref() != Some(&error.kind) {
            found.push(format!("{sent:?} became {:?}", error.kind));
        }
        if once && asked.len() != 1 {
            found.push(format!("{} requests were sent for {reply:?}, expected 1", asked.len()));
        }
        if error.trail.len() != asked.len() {
            found.push(format!("{} requests were sent, and {} are in the trail", asked.len(), error.trail.len()));
        }
    }
    found
}

/// Gives up while the inner is asked, and while the module waits, if it does.
async fn cancels(bench: &Bench, settings: &Map<String, Value>) -> Vec<String> {
    let never = Reply { never: true, ..Reply::default() };
    let busy = Reply { status: Some(503), ..Reply::default() };
    let mut found = Vec::new();
    for then in [never, busy] {
        let (_host, model, log) = match bench.load(&plain(settings), then).await {
            Ok(loaded) => loaded,
            Err(error) => return vec![error],
        };
        // Whether it has ended by itself by then is of no matter.
        let _ = tokio::time::timeout(Duration::from_millis(500), model.invoke_with(request("Hello"))).await;
        let before = log.count();
        tokio::time::sleep(Duration::from_secs(1000)).await;
        if log.count() != before {
            found.push(format!("{} requests were sent after the call was given up", log.count() - before));
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
            // Whatever a module makes of it, numbers are not another call's.
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
                other => Some(format!("{text}ended with {:?}", other.map(|response| response.text()))),
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
        Some(_) => vec!["the conversation was changed on its way".to_owned()],
        None => vec!["nobody was asked".to_owned()],
    }
}

/// A few calls at once against a provider that fails, and the same one after the other. Of a module that counts the calls of
/// all, only one after the other: which of many at once comes first, and is let through, is not the module's to say.
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
        false => vec!["runs with the same seed waited differently".to_owned()],
    }
}

/// So few that none of them is the one for which a budget of retries is used up.
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
