//! The contract: what any module must do, as far as it does not say otherwise of itself.

use std::{sync::Arc, time::Duration};

use arcllm::{Message, ModuleReport, Request};
use futures::future::join_all;
use serde_json::{Map, Value};

use super::{
    inner::Reply,
    may::May,
    run::{Bench, request},
    scenario::Scenario,
    words::{self, quoted},
};

/// A clause of the contract: its name, and how the module breaks it.
pub(super) type Clause = (&'static str, Vec<String>);

/// Checks each clause of the contract.
pub(super) async fn check(
    bench: &Bench,
    subject: &ModuleReport,
    may: May,
    settings: &Map<String, Value>,
) -> Vec<Clause> {
    let scenario = plain(settings);
    vec![
        ("it describes itself", describes(subject)),
        ("`name` and `validate-config` are those of its inner", transparent(bench, &scenario).await),
        ("a good answer takes one request and comes back unchanged", answers(bench, &scenario, may).await),
        ("every error comes back unchanged", errors(bench, settings, may).await),
        ("a cancelled call sends nothing more", cancels(bench, settings).await),
        ("100 calls at once do not mix", apart(bench, &scenario, may).await),
        ("a conversation of 10 MB gets through", large(bench, &scenario, may).await),
        ("the same seed gives the same waits, to the nanosecond", replays(bench, settings, may).await),
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
        delay_seconds: Default::default(),
        expect: Default::default(),
    }
}

fn describes(subject: &ModuleReport) -> Vec<String> {
    let words = [("version", &subject.version), ("kind", &subject.kind)];
    let missing = words.into_iter().filter(|(_, word)| word.as_deref().unwrap_or_default().is_empty());
    missing.map(|(what, _)| format!("`describe` returns no {what}.")).collect()
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
                let name = quoted(&probe.name);
                found.push(format!("`name` returns {name}. It should return \"primary\", the name of its inner."));
            }
            if let Err(problem) = probe.validate_config {
                found.push(format!("`validate-config` failed, but that of its inner does not: {problem}"));
            }
            found
        }
        Err(error) => vec![error.to_string()],
    }
}

async fn answers(bench: &Bench, scenario: &Scenario, may: May) -> Vec<String> {
    let (_host, model, log) = match bench.load(scenario, Reply::default()).await {
        Ok(loaded) => loaded,
        Err(error) => return vec![error],
    };
    let mut found = Vec::new();
    match model.invoke(&[Message::user("Hello")], &[]).await {
        Ok(response) if may.differ() || response.text().as_deref() == Some("Hello") => {}
        Ok(response) => found
            .push(format!("The answer is {}. It should be \"Hello\".", quoted(&response.text().unwrap_or_default()))),
        Err(_) if may.answer_itself && log.count() == 0 => {}
        Err(error) => found.push(format!("The provider answered well, but the call failed: {error}.")),
    }
    let count = log.count();
    found.extend(may.wrong_count(count).map(|expected| requests(count, expected)));
    found
}

async fn errors(bench: &Bench, settings: &Map<String, Value>, may: May) -> Vec<String> {
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
            if !may.answer_itself {
                found.push(format!("{}: The caller got an answer. It should have got the error.", name(&reply)));
            }
            continue;
        };
        let asked = log.asked();
        let count = asked.len();
        let wrong = may.wrong_count(count);
        found.extend(wrong.map(|expected| format!("{}: {}", name(&reply), requests(count, expected))));
        let sent: Vec<_> = asked.iter().filter_map(|one| reply.result(&one.provider, &one.request).err()).collect();
        if let Some(last) = sent.last().filter(|_| !may.answer_itself && !sent.contains(&error.kind)) {
            let (told, sent) = (quoted(&error.kind.to_string()), quoted(&last.to_string()));
            found.push(format!("{}: The caller got the error {told}. It should have got {sent}.", name(&reply)));
        }
        if error.trail.len() != asked.len() {
            let (sent, trail) = (words::count(asked.len(), "request"), error.trail.len());
            found.push(format!("{}: It sent {sent}, but the trail has {trail}.", name(&reply)));
        }
    }
    found
}

/// Says how many requests were sent, and how many should have been.
fn requests(count: usize, expected: &str) -> String {
    format!("{} {} sent. {expected}", words::count(count, "request"), words::were(count))
}

/// A reply in a word: its status or its kind of error.
pub(super) fn name(reply: &Reply) -> String {
    reply.status.map_or_else(|| reply.error.clone().unwrap_or_default(), |status| format!("status {status}"))
}

fn ending(result: Result<arcllm::Response, arcllm::Error>) -> String {
    result.map_or_else(|error| error.to_string(), |response| quoted(&response.text().unwrap_or_default()))
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
            let sent = words::count(log.count() - before, "request");
            found.push(format!("It sent {sent} after the call was cancelled."));
        }
    }
    found
}

async fn apart(bench: &Bench, scenario: &Scenario, may: May) -> Vec<String> {
    let slow = Reply { delay_seconds: Some(1.0), ..Reply::default() };
    let (_host, model, log) = match bench.load(scenario, slow).await {
        Ok(loaded) => loaded,
        Err(error) => return vec![error],
    };
    let changes = may.change_requests || may.differ();
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
                Ok(response) if !changes && response.text().as_ref() == Some(&text) => None,
                Ok(response) if changes && is_own(&response.text().unwrap_or_default()) => None,
                Err(_) if may.answer_itself => None,
                other => Some(format!(
                    "One of 100 calls (number {number}) ended with {}. It should have got its own answer.",
                    ending(other)
                )),
            }
        }
    });
    let mut found: Vec<String> = join_all(calls).await.into_iter().flatten().collect();
    let count = log.count();
    let is_wrong = (count < 100 && !may.answer_itself) || (count > 100 && !may.ask_more());
    if is_wrong {
        found.push(requests(count, "There should be 100."));
    }
    found.truncate(5);
    found
}

async fn large(bench: &Bench, scenario: &Scenario, may: May) -> Vec<String> {
    let short = Reply { text: Some("short".to_owned()), ..Reply::default() };
    let (_host, model, log) = match bench.load(scenario, short).await {
        Ok(loaded) => loaded,
        Err(error) => return vec![error],
    };
    let text = "0123456789".repeat(1 << 10);
    let sent: Arc<Request> = Arc::new(Request::new(vec![Message::user(text); 1 << 10]));
    match model.invoke_with(sent.clone()).await {
        Ok(_) => {}
        Err(_) if may.answer_itself && log.count() == 0 => {}
        Err(error) => return vec![format!("The call failed: {error}.")],
    }
    match log.asked().first() {
        Some(asked) if asked.request == *sent || may.change_requests => Vec::new(),
        None if may.answer_itself => Vec::new(),
        Some(_) => vec!["The provider was sent another conversation.".to_owned()],
        None => vec!["No request was sent.".to_owned()],
    }
}

/// Runs a few calls at once against a provider that fails, and one after the other. A module that may refuse calls runs them
/// one after the other only: it may count them, and cannot say which of several comes first.
async fn replays(bench: &Bench, settings: &Map<String, Value>, may: May) -> Vec<String> {
    let busy = Reply { status: Some(503), ..Reply::default() };
    let mut runs = Vec::new();
    let together = !may.answer_itself;
    for together in [together, together, false] {
        let (_host, model, _) = match bench.load(&plain(settings), busy.clone()).await {
            Ok(loaded) => loaded,
            Err(error) => return vec![error],
        };
        runs.push(waits(&model, together).await);
    }
    match runs.windows(2).all(|pair| pair.first() == pair.last()) {
        true => Vec::new(),
        false => vec![
            "Two runs with the same seed waited differently. Take random numbers and time only from the host."
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
