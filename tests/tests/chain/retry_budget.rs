//! The retry budget: an outage does not multiply what all calls of a process send.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use arcllm::{Config, ErrorKind, Host, MemoryStore, Message, Model, Overrides, StateStore};
use arcllm_simulator::Reply;
use futures::future::join_all;
use insta::assert_snapshot;
use serde_json::json;
use tokio::time::Instant;

use crate::{
    scene::{FAST, around, replies, soon, steps},
    support::{Elsewhere, Folder, Odd, Provider},
};

/// The model of `p`, with this configuration and state store.
async fn model(config: &str, provider: &Arc<Provider>, store: Arc<dyn StateStore>) -> Model {
    // The time of day is that of tokio, which is virtual here.
    let (began, since) = (SystemTime::now(), Instant::now());
    let host = Host::builder().config(Config::parse(config, None).unwrap()).seed(7).state_store(store);
    let host = host.clock(move || began + since.elapsed());
    let host = host.adapter("p", "m", provider.clone()).adapter("q", "m", Arc::new(Provider::open())).build().unwrap();
    host.load_model("p", Overrides::new()).await.unwrap()
}

/// A provider that takes a tenth of a second to say that it is overloaded.
fn overloaded() -> Arc<Provider> {
    Arc::new(Provider::open().failing(529).taking(Duration::from_millis(100)))
}

fn retry(settings: &str) -> String {
    format!("[modules.retry]\nenabled = true\nbackoff_base_seconds = 0.1\n{settings}\n")
}

/// On virtual time, and with several instances.
#[tokio::test(start_paused = true)]
async fn an_outage_does_not_multiply_what_is_sent() {
    for (ratio, per_second) in [(0.2, 10.0), (0.5, 2.0), (0.0, 5.0), (1.0, 0.0), (0.0, 0.0)] {
        let provider = overloaded();
        let budget = format!("budget_ratio = {ratio}\nbudget_min_per_second = {per_second:?}");
        let config = retry(&budget) + "[modules.retry.sandbox]\nmax_concurrent = 10";
        let model = model(&config, &provider, Arc::new(MemoryStore::default())).await;
        let started = Instant::now();
        let callers = (0..50).map(|_| async {
            let mut calls = 0;
            while started.elapsed() < Duration::from_secs(5) {
                let error = model.invoke(&[Message::user("Hi")], &[]).await.unwrap_err();
                assert!(matches!(&error.kind, ErrorKind::Api(api) if api.status == 529 && api.message == "no"));
                calls += 1;
            }
            calls
        });
        let calls = join_all(callers).await.into_iter().sum::<u32>().into();
        let (sent, seconds) = (provider.asked() as f64, started.elapsed().as_secs_f64());
        let most: f64 = f64::mul_add(calls, 1.0 + ratio, per_second * (seconds + 1.0));
        assert!(sent <= most, "{ratio}, {per_second}: {sent} of {most}, {calls} calls in {seconds} s");
        // The budget is used up, too.
        let least = f64::mul_add(calls, 1.0 + ratio * 0.9, per_second * (seconds - 1.0) * 0.9) - 10.0;
        assert!(sent >= least, "{ratio}, {per_second}: only {sent} of {least}, {calls} calls in {seconds} s");
    }
}

#[tokio::test(start_paused = true)]
async fn a_fallback_outside_acts_when_the_budget_is_used_up() {
    let provider = overloaded();
    let config = retry("budget_ratio = 0\nbudget_min_per_second = 0");
    let config = format!(
        "[host]\norder = [\"fallback\", \"retry\"]\n{config}[modules.fallback]\nenabled = true\nchain = [\"p\", \"q\"]"
    );
    let model = model(&config, &provider, Arc::new(MemoryStore::default())).await;
    let answer = model.invoke(&[Message::user("Hi")], &[]).await.unwrap();
    let trail: Vec<_> = answer.trail.iter().map(|attempt| (attempt.provider.as_str(), attempt.waited)).collect();
    assert_eq!(trail, [("p", Duration::ZERO), ("q", Duration::ZERO)]);
}

#[tokio::test(start_paused = true)]
async fn without_its_store_it_retries_without_a_budget() {
    let provider = overloaded();
    let model = model(&retry("budget_ratio = 0"), &provider, Elsewhere::new(Odd::Fails)).await;
    for calls in 1..=20 {
        model.invoke(&[Message::user("Hi")], &[]).await.unwrap_err();
        assert_eq!(provider.asked(), 4 * calls);
    }
}

#[tokio::test]
async fn wrong_budgets_are_named() {
    let a = replies([]).await;
    let refused = async |settings: serde_json::Value| {
        let host = around(&a).folder().unwrap().host().unwrap();
        soon(host.load_model("a", Overrides::new().module("retry", settings))).await.unwrap_err().to_string()
    };
    assert_snapshot!(refused(json!({"budget_ratio": -0.5})).await, @"
    `modules.retry.budget_ratio` is -0.5 (in the overrides of this load)
      help: a number, zero or more
    ");
    assert_snapshot!(refused(json!({"budget_min_per_second": "10"})).await, @r#"
    `modules.retry.budget_min_per_second` is the text "10" (in the overrides of this load)
      help: How many retries there may be in a second that no call has earned, over all calls: a number, zero or more.
    "#);
    let text = "[modules.retry]\nbudget_ratio = nan";
    assert_snapshot!(Config::parse(text, None).unwrap_err().to_string(), @"
    `modules.retry.budget_ratio` is NaN
      help: a finite number
    ");
}

/// A retry in a file needs the grant `state` for its budget, like any module.
#[tokio::test]
async fn a_copy_of_retry_in_a_file_needs_the_grant() {
    let a = replies([Reply::status(529)]).await;
    let copy = async |sandbox: &str| {
        let chain = around(&a).host("order = [\"mine\"]").module("mine", FAST).table("modules.mine.sandbox", sandbox);
        let folder = Folder::new(&chain.to_string()).unwrap();
        folder.write("modules/mine.wasm", arcllm_builtin::find("retry").unwrap().wasm).unwrap();
        let model = soon(folder.host().unwrap().load_model("a", Overrides::new())).await;
        model.map_err(|error| error.to_string())
    };
    let refused = copy("").await.unwrap_err();
    assert!(refused.contains("allow = [\"state\"]"), "{refused}");
    let answer = soon(copy("allow = [\"state\"]").await.unwrap().invoke(&[Message::user("Hi")], &[])).await.unwrap();
    assert_eq!(steps(&answer.trail), ["mine asks a: 529", "mine waits, mine asks a: ok"]);
}
