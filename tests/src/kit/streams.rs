//! What every module must do with answers that come in events, whether it knows of them or not.

use std::time::Duration;

use arcllm::{Message, ResponseStream};
use futures::StreamExt as _;
use serde_json::{Map, Value};

use super::{
    contract::{Clause, plain},
    inner::Reply,
    run::Bench,
    scenario::{Expect, Scenario},
    told::Told,
};

/// Holds a module to its part of the contract.
pub(super) async fn check(bench: &Bench, settings: &Map<String, Value>) -> Vec<Clause> {
    let scenario = plain(settings);
    vec![
        ("a streamed answer says what it says without streaming", says_the_same(bench, &scenario).await),
        ("of an answer that breaks off nothing is told twice", breaks_off(bench, settings).await),
        ("a stream that is given up asks nobody further", cancels(bench, &scenario).await),
    ]
}

fn ask(model: &arcllm::Model) -> ResponseStream {
    model.stream(&[Message::user("Hello")], &[])
}

async fn says_the_same(bench: &Bench, scenario: &Scenario) -> Vec<String> {
    let text = "one two three four five".to_owned();
    let reply = Reply { text: Some(text), pace_seconds: 0.1, ..Reply::default() };
    let (_host, model, log) = match bench.load(scenario, reply).await {
        Ok(loaded) => loaded,
        Err(error) => return vec![error],
    };
    let whole = match model.invoke(&[Message::user("Hello")], &[]).await {
        Ok(whole) => whole,
        Err(error) => return vec![error.to_string()],
    };
    let (result, told) = Told::by(ask(&model)).await;
    let mut found = told.differences(&Expect::default(), &result);
    match result {
        Ok(response) => {
            if (&response.content, &response.usage, &response.stop_reason)
                != (&whole.content, &whole.usage, &whole.stop_reason)
            {
                found.push(format!("without streaming: {:?}, with: {:?}", whole.content, response.content));
            }
        }
        Err(error) => found.push(format!("the answer became an error: {error}")),
    }
    if log.count() != 2 {
        found.push(format!("{} requests were sent, expected 2", log.count()));
    }
    found
}

/// Each error after three events, and good answers after it. Either the caller gets that error, with what was told before,
/// or the module has bought whole answers and asks again: then nothing of the broken one may have been told.
async fn breaks_off(bench: &Bench, settings: &Map<String, Value>) -> Vec<String> {
    let statuses = [429, 500, 529].map(|status| Reply { status: Some(status), ..Reply::default() });
    let kinds = ["connection", "timeout", "parse", "other"]
        .map(|kind| Reply { error: Some(kind.to_owned()), ..Reply::default() });
    let mut found = Vec::new();
    for reply in statuses.into_iter().chain(kinds) {
        let reply = Reply { after_events: 3, ..reply };
        let scenario = Scenario { providers: [("primary".to_owned(), vec![reply.clone()])].into(), ..plain(settings) };
        let (_host, model, log) = match bench.load(&scenario, Reply::default()).await {
            Ok(loaded) => loaded,
            Err(error) => return vec![error],
        };
        let (result, told) = Told::by(ask(&model)).await;
        found.extend(told.differences(&Expect::default(), &result));
        let asked = log.asked();
        let Err(error) = result else { continue };
        let sent = asked.first().and_then(|asked| reply.result(&asked.provider, &asked.request).err());
        if sent.as_ref() != Some(&error.kind) {
            found.push(format!("{sent:?} became {:?}", error.kind));
        }
        if !told.pieces.is_empty() && asked.len() != 1 {
            found.push(format!("{} requests were sent after something was told", asked.len()));
        }
    }
    found
}

async fn cancels(bench: &Bench, scenario: &Scenario) -> Vec<String> {
    let reply = Reply { text: Some("word ".repeat(1000)), pace_seconds: 1.0, ..Reply::default() };
    let (_host, model, log) = match bench.load(scenario, reply).await {
        Ok(loaded) => loaded,
        Err(error) => return vec![error],
    };
    let mut stream = ask(&model);
    // Some modules say nothing until they have all of it.
    let _ = tokio::time::timeout(Duration::from_secs(10), stream.next()).await;
    drop(stream);
    let before = log.count();
    tokio::time::sleep(Duration::from_secs(1000)).await;
    match log.count() - before {
        0 => Vec::new(),
        more => vec![format!("{more} requests were sent after the stream was given up")],
    }
}
