//! The part of the contract about streamed answers. It holds for modules that never read a stream, too.

use std::time::Duration;

use arcllm::{Message, ResponseStream};
use futures::StreamExt as _;
use serde_json::{Map, Value};

use super::{
    contract::{Clause, name, plain},
    inner::Reply,
    run::Bench,
    scenario::{Expect, Scenario},
    told::Told,
};

/// Checks each clause of it.
pub(super) async fn check(bench: &Bench, settings: &Map<String, Value>) -> Vec<Clause> {
    let scenario = plain(settings);
    vec![
        ("a streamed answer is the same as without streaming", says_the_same(bench, &scenario).await),
        ("when an answer breaks off, nothing of it is sent twice", breaks_off(bench, settings).await),
        ("a cancelled stream sends nothing more", cancels(bench, &scenario).await),
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
                found.push(format!(
                    "the streamed answer is {:?}, without streaming it is {:?}",
                    response.content, whole.content
                ));
            }
        }
        Err(error) => found.push(format!("the provider answered well, and the call failed: {error}")),
    }
    if log.count() != 2 {
        found.push(format!("{} requests were sent, expected 2", log.count()));
    }
    found
}

/// The provider fails after three events, and then answers well. Either the caller gets the error and the events before
/// it, or the module takes whole answers and asks again: then the caller must have got nothing of the first answer.
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
            let sent = sent.map_or_else(|| "an answer".to_owned(), |sent| sent.to_string());
            found.push(format!("{}: the error is {:?}, expected {sent:?}", name(&reply), error.kind.to_string()));
        }
        if !told.pieces.is_empty() && asked.len() != 1 {
            found.push(format!(
                "{}: {} requests were sent although the caller had text, expected 1",
                name(&reply),
                asked.len()
            ));
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
    // Some modules give nothing until they have all of it.
    let _ = tokio::time::timeout(Duration::from_secs(10), stream.next()).await;
    drop(stream);
    let before = log.count();
    tokio::time::sleep(Duration::from_secs(1000)).await;
    match log.count() - before {
        0 => Vec::new(),
        more => vec![format!("{more} requests were sent after the stream was cancelled")],
    }
}
