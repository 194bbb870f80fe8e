//! The part of the contract about streamed answers. It holds for modules that never read a stream, too.

use std::time::Duration;

use arcllm::{Message, Response, ResponseStream};
use futures::StreamExt as _;
use serde_json::{Map, Value};

use super::{
    contract::{Clause, name, plain},
    inner::Reply,
    may::May,
    run::Bench,
    scenario::Scenario,
    told::Told,
    words::{self, quoted},
};

/// Checks each clause of it.
pub(super) async fn check(bench: &Bench, may: May, takes_whole: bool, settings: &Map<String, Value>) -> Vec<Clause> {
    let scenario = plain(settings);
    vec![
        ("a streamed answer is the same as without streaming", says_the_same(bench, &scenario, may).await),
        ("a streamed answer comes as it is made", comes_at_once(bench, &scenario, may, takes_whole).await),
        ("when an answer breaks off, nothing of it is sent twice", breaks_off(bench, settings, may).await),
        ("a cancelled stream sends nothing more", cancels(bench, &scenario).await),
    ]
}

fn ask(model: &arcllm::Model) -> ResponseStream {
    model.stream(&[Message::user("Hello")], &[])
}

async fn says_the_same(bench: &Bench, scenario: &Scenario, may: May) -> Vec<String> {
    let text = "one two three four five".to_owned();
    let reply = Reply { text: Some(text), pace_seconds: 0.1, ..Reply::default() };
    let (_host, model, log) = match bench.load(scenario, reply).await {
        Ok(loaded) => loaded,
        Err(error) => return vec![error],
    };
    let whole = match model.invoke(&[Message::user("Hello")], &[]).await {
        Ok(whole) => whole,
        Err(error) => return vec![format!("The provider answered well, but the call failed: {error}.")],
    };
    let (result, told) = Told::by(ask(&model)).await;
    let mut found = told.differences(None, &result);
    match result {
        Ok(response) => {
            // A mark on the tokens, such as that of a cached answer, is no difference.
            let said = |answer: &Response| {
                let mut tokens = answer.usage.clone();
                tokens.extensions.clear();
                (answer.content.clone(), tokens, answer.stop_reason.clone())
            };
            if said(&response) != said(&whole) {
                let told = |response: &Response| quoted(&response.text().unwrap_or_default());
                let (streamed, whole) = (told(&response), told(&whole));
                found.push(format!(
                    "When streamed, the answer, its tokens or its end differ: {streamed}, and whole {whole}."
                ));
            }
        }
        Err(error) => found.push(format!("The provider answered well, but the call failed: {error}.")),
    }
    let count = log.count();
    let is_wrong = (count < 2 && !may.answer_itself) || (count > 2 && !may.ask_more());
    if is_wrong {
        found.push(format!("It sent {} for 2 calls. There should be 2.", words::count(count, "request")));
    }
    found
}

/// An answer of ten seconds. A module that lets it wait must say so.
async fn comes_at_once(bench: &Bench, scenario: &Scenario, may: May, takes_whole: bool) -> Vec<String> {
    let says = "`describe` does not say that it `holds-answers-back`";
    if may.hold_answers_back {
        return Vec::new();
    }
    if takes_whole {
        return vec![format!("The host gives it whole answers, since it looks into them, but {says}.")];
    }
    let reply = Reply { text: Some("word ".repeat(10)), pace_seconds: 1.0, ..Reply::default() };
    let (_host, model, _) = match bench.load(scenario, reply).await {
        Ok(loaded) => loaded,
        Err(error) => return vec![error],
    };
    let began = tokio::time::Instant::now();
    let mut events = ask(&model);
    while let Some(Ok(event)) = events.next().await {
        if event.is_content() {
            break;
        }
    }
    match began.elapsed().as_secs_f64() {
        // The first event comes after a second.
        ..5.0 => Vec::new(),
        seconds => vec![format!("The first piece of an answer of 10 s came after {seconds:.1} s, but {says}.")],
    }
}

/// The provider fails after three events, and then answers well. Either the caller gets the error and the events before
/// it, or the module takes whole answers and asks again: then the caller must have got nothing of the first answer.
async fn breaks_off(bench: &Bench, settings: &Map<String, Value>, may: May) -> Vec<String> {
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
        let mut before = None;
        let (result, told) = Told::watched(ask(&model), || before = before.or(Some(log.count()))).await;
        found.extend(told.differences(None, &result));
        let asked = log.asked();
        let Err(error) = result else { continue };
        let sent = asked.first().and_then(|asked| reply.result(&asked.provider, &asked.request).err());
        if !may.answer_itself && sent.as_ref() != Some(&error.kind) {
            let sent = sent.map_or_else(|| "an answer".to_owned(), |sent| quoted(&sent.to_string()));
            let told = quoted(&error.kind.to_string());
            found.push(format!("{}: The caller got the error {told}. It should have got {sent}.", name(&reply)));
        }
        let more = before.map_or(0, |before| asked.len() - before);
        if more > 0 {
            let more = words::count(more, "more request");
            found.push(format!("{}: It sent {more}, although the caller had text already.", name(&reply)));
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
        more => vec![format!("It sent {} after the stream was cancelled.", words::count(more, "request"))],
    }
}
