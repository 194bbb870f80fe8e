//! A store that fails holds no call up, and comes back by itself.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use arcllm::{Config, CounterAddition, Host, Life, Model, Overrides};
use arcllm_simulator::Simulator;
use futures::future::join_all;
use serde_json::json;

use crate::{
    scene::{around, replies, say_hi, soon},
    serve::gateway::Gateway,
    support::{Chain, Elsewhere, Folder, Odd, Redis},
};

/// A chain whose modules ask the store in each call.
fn folder(provider: &Simulator, state: &str) -> Folder {
    let chain = around(provider).table("state", state);
    let chain = chain.module("circuit-breaker", "").module("rate-limit", "requests_per_minute = 1e6\nburst = 10000");
    chain.folder().unwrap().trusted()
}

async fn model(folder: &Folder) -> Model {
    let config = Config::load(&folder.path().join("config.toml")).unwrap();
    let host = Host::builder().config(config).build().unwrap();
    soon(host.load_model("a", Overrides::new())).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs redis-server"]
async fn a_redis_that_is_paused_killed_and_restarted_loses_no_call() {
    let (provider, mut redis) = (replies([]).await, Redis::start().await);
    let folder = folder(&provider, &format!("store = \"{}\"", redis.url()));
    let model = model(&folder).await;
    let calls = async || {
        let answers = soon(join_all((0..20).map(|_| say_hi(&model)))).await;
        answers.into_iter().for_each(|answer| drop(answer.unwrap()));
    };
    calls().await;
    assert!(redis.operations() >= 40, "{}", redis.operations());
    redis.pause(true);
    calls().await;
    redis.pause(false);
    calls().await;
    redis.kill();
    calls().await;
    redis.restart().await;
    // The connection comes back by itself.
    soon(async {
        while redis.operations() == 0 {
            calls().await;
        }
    })
    .await;
    // In the middle of calls.
    let under_way = async {
        for _ in 0..20 {
            calls().await;
        }
    };
    let outage = async {
        for _ in 0..3 {
            redis.kill();
            tokio::time::sleep(Duration::from_millis(50)).await;
            redis.restart().await;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::join!(under_way, outage);
}

/// Every module of the default order, each with its default for a store that fails, but for the budget: it would refuse.
fn all_modules(provider: &Simulator, redis: &Redis) -> Chain {
    let state = format!("store = \"{}\"", redis.url());
    let chain = around(provider).table("state", &state);
    let many = "requests_per_minute = 1e6\nburst = 10000\nmax_in_flight = 1000\ntokens_per_minute = 1e9";
    let budget = "limits = [{ window = \"day\", tokens = 100_000_000 }]\non_store_failure = \"allow\"";
    let others = ["audit", "telemetry", "redact", "validate", "retry", "circuit-breaker"];
    let chain = others.iter().fold(chain, |chain, name| chain.module(name, ""));
    let chain = chain.module("budget", budget).module("cache", "cache_all = true").module("rate-limit", many);
    let chain = chain.module("fallback", "chain = [\"a\"]").module("hedge", "after_seconds = 30.0");
    chain.module("resume", "").module("route", "rules = [{ order = \"fastest\", targets = [\"a\"] }]")
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs redis-server"]
async fn a_redis_that_is_killed_under_all_modules_of_four_processes_loses_no_call() {
    let (provider, mut redis) = (replies([]).await, Redis::start().await);
    let modules = all_modules(&provider, &redis);
    let gateways = join_all((0..4).map(|_| Gateway::start(&modules))).await;
    let is_over = AtomicBool::new(false);
    let clients = (0..16).map(|number| {
        let (gateway, is_over) = (&gateways[number % 4], &is_over);
        async move {
            let mut calls = 0;
            while !is_over.load(Ordering::SeqCst) || calls < 3 {
                // Some of the questions are equal.
                let say = if calls % 2 == 0 { "Hi".to_owned() } else { format!("Hi {number} {calls}") };
                let stream = calls % 3 == 0;
                let question =
                    json!({ "model": "a", "stream": stream, "messages": [{ "role": "user", "content": say }] });
                let answer = gateway.post("/v1/chat/completions", &question).await;
                assert!(answer.status == 200 && (!stream || answer.body.contains("[DONE]")), "{answer:?}");
                calls += 1;
            }
        }
    });
    let outages = async {
        for _ in 0..3 {
            tokio::time::sleep(Duration::from_millis(700)).await;
            redis.kill();
            tokio::time::sleep(Duration::from_millis(700)).await;
            redis.restart().await;
        }
        // The modules use it again.
        soon(async {
            while redis.operations() < 20 {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        })
        .await;
        is_over.store(true, Ordering::SeqCst);
    };
    tokio::join!(join_all(clients), outages);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs redis-server"]
async fn a_paused_redis_costs_its_time_and_no_more() {
    let (provider, redis) = (replies([]).await, Redis::start().await);
    let state = format!("store = \"{}\"\ntimeout_seconds = 0.05", redis.url());
    let folder = folder(&provider, &state);
    let model = model(&folder).await;
    soon(say_hi(&model)).await.unwrap();
    redis.pause(true);
    let host = super::store::host(&redis.url(), "timeout_seconds = 0.05");
    let kept = host.state_store().open("any");
    let error = soon(kept.get(&["k".to_owned()])).await.unwrap_err();
    assert!(error.message.contains("did not answer in 0.05 s"), "{error}");
    // All at once they wait as long as one.
    let before = Instant::now();
    let answers = soon(join_all((0..50).map(|_| say_hi(&model)))).await;
    assert!(answers.iter().all(Result::is_ok));
    assert!(before.elapsed() < Duration::from_secs(30), "{:?}", before.elapsed());
    redis.pause(false);
}

/// A call with many modules does not wait for a store that is down once for each of them.
#[tokio::test(start_paused = true)]
async fn a_store_that_is_down_is_asked_now_and_then() {
    let store = Elsewhere::new(Odd::Hangs);
    let host = Host::builder().state_store(store.clone()).build().unwrap();
    let state = host.state_store().open("any");
    let (key, begun) = (["k".to_owned()], tokio::time::Instant::now());
    for _ in 0..100 {
        state.get(&key).await.unwrap_err();
    }
    assert_eq!((store.operations(), begun.elapsed()), (3, Duration::from_millis(750)));
    let error = state.get(&key).await.unwrap_err();
    assert_eq!(error.message, "the store has failed 3 times in a row, and is asked every 0.5 s");
    for asked in 4..8 {
        tokio::time::sleep(Duration::from_millis(501)).await;
        join_all((0..100).map(|_| state.get(&key))).await.into_iter().for_each(|got| drop(got.unwrap_err()));
        assert_eq!(store.operations(), asked);
    }
    store.becomes(Odd::Yields);
    tokio::time::sleep(Duration::from_millis(501)).await;
    for _ in 0..100 {
        state.get(&key).await.unwrap();
    }
    assert_eq!(store.operations(), 107);
}

#[tokio::test]
async fn a_store_that_is_not_there_at_the_start_is_told_of_and_done_without() {
    let provider = replies([]).await;
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let folder = folder(&provider, &format!("store = \"redis://:secret@127.0.0.1:{port}\""));
    let output = soon(folder.arcllm(["invoke", "Hi"]).unwrap().run()).await.unwrap();
    assert_eq!(output.code, 0, "{output:?}");
    let told = output.stderr.matches("the state store cannot be reached").count();
    assert_eq!(told, 1, "{}", output.stderr);
    assert!(output.stderr.contains(&format!("127.0.0.1:{port}")) && !output.stderr.contains("secret"), "{output:?}");
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_wrong_password_is_a_wrong_setting() {
    let (provider, redis) = (replies([]).await, Redis::with(&["--requirepass", "right"]).await);
    for (login, said) in [(":secret@", "Password authentication failed"), ("", "NOAUTH"), (":right@", "")] {
        let store = format!("store = \"redis://{login}127.0.0.1:{}\"", redis.port);
        let output = soon(folder(&provider, &store).arcllm(["invoke", "Hi"]).unwrap().run()).await.unwrap();
        assert_eq!(output.code, if said.is_empty() { 0 } else { 2 }, "{output:?}");
        assert!(output.stderr.contains(said) && !output.stderr.contains("secret"), "{output:?}");
        if !said.is_empty() {
            assert!(output.stderr.contains("`state.store`") && output.stderr.contains("config.toml:"), "{output:?}");
        }
    }
    // Another database is asked for before anything else.
    for (login, database, said) in [("", 1, "switch database"), (":right@", 99, "out of range"), (":right@", 1, "")] {
        let store = format!("store = \"redis://{login}127.0.0.1:{}/{database}\"", redis.port);
        let output = soon(folder(&provider, &store).arcllm(["invoke", "Hi"]).unwrap().run()).await.unwrap();
        assert_eq!(output.code, if said.is_empty() { 0 } else { 2 }, "{output:?}");
        assert!(output.stderr.contains(said), "{output:?}");
    }
    // The address can come from the environment.
    let folder = folder(&provider, "url_env = \"STORE\"");
    let command = folder.arcllm(["invoke", "Hi"]).unwrap();
    let output = soon(command.env("STORE", &format!("redis://:right@127.0.0.1:{}", redis.port)).run()).await.unwrap();
    assert_eq!(output.code, 0, "{output:?}");
    assert!(redis.cli(&["-a", "right", "--no-auth-warning", "info", "commandstats"]).contains("evalsha"));
}

/// A store that is full, or takes no writes, has failed. That is no mistake of a module.
#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_full_redis_and_one_without_writes_have_failed() {
    let redis = Redis::start().await;
    let host = super::store::host(&redis.url(), "timeout_seconds = 10");
    let state = host.state_store().open("any");
    let one = |key: &str| CounterAddition { key: key.to_owned(), delta: 1, most: None, life: Life::Forever };
    soon(state.add(&[one("n")])).await.unwrap();
    for (setting, value, back) in [("maxmemory", "1", "0"), ("min-replicas-to-write", "1", "0")] {
        redis.cli(&["config", "set", setting, value]);
        for keys in [&["n"][..], &["new"], &["n", "new"]] {
            let additions: Vec<_> = keys.iter().map(|key| one(key)).collect();
            let error = soon(state.add(&additions)).await.unwrap_err();
            assert!(!error.is_of_module, "{setting}: {error}");
        }
        redis.cli(&["config", "set", setting, back]);
        // One of them asks whether it is back.
        tokio::time::sleep(Duration::from_millis(600)).await;
        let added = soon(state.add(&[one("n")])).await.unwrap();
        assert!(added.sums[0].value >= 2, "{added:?}");
    }
    state.set("text", b"many".to_vec(), Life::Forever).await.unwrap();
    assert!(soon(state.add(&[one("text")])).await.unwrap_err().is_of_module);
}

/// A variable with the address may be set only where calls are made, as one with a key.
#[tokio::test]
async fn a_variable_that_is_not_set_ends_only_commands_that_open_the_state() {
    let provider = replies([]).await;
    let folder = around(&provider).table("state", "url_env = \"ARCLLM_TEST_NO_STORE\"").module("rate-limit", "");
    let folder = folder.folder().unwrap();
    let run = async |arguments: &[&str]| soon(folder.arcllm(arguments).unwrap().run()).await.unwrap();
    for arguments in [&["invoke", "Hi"][..], &["serve", "--listen", "127.0.0.1:0"]] {
        let output = run(arguments).await;
        assert_eq!(output.code, 2, "{output:?}");
        let said = "`state.url_env` names the variable ARCLLM_TEST_NO_STORE, which is not set";
        assert!(output.stderr.contains(said) && output.stderr.contains("config.toml:"), "{output:?}");
    }
    assert_eq!(provider.requests().len(), 0);
    let checked = run(&["check"]).await;
    assert!(checked.code == 0 && checked.stdout.contains("ARCLLM_TEST_NO_STORE, which is not set"), "{checked:?}");
    folder.write("journal.jsonl", "").unwrap();
    for (arguments, code) in [
        (&["modules"][..], 0),
        (&["module", "list"], 0),
        (&["models"], 0),
        // It has no record.
        (&["audit", "verify", "journal.jsonl"], 1),
        (&["trust", "--help"], 0),
    ] {
        let output = run(arguments).await;
        assert!(!output.stderr.contains("ARCLLM_TEST_NO_STORE") && output.code == code, "{arguments:?}: {output:?}");
    }
    // An empty variable is none.
    let command = folder.arcllm(["invoke", "Hi"]).unwrap().env("ARCLLM_TEST_NO_STORE", "");
    assert_eq!(soon(command.run()).await.unwrap().code, 2);
}

/// A stranger's configuration cannot have what modules keep sent to another machine.
#[tokio::test]
async fn an_untrusted_configuration_keeps_nothing_elsewhere() {
    let provider = replies([]).await;
    let a = format!("[providers.a]\nadapter = \"openai\"\nbase_url = \"{}\"\ndefault_model = \"m\"", provider.url());
    let config = "[defaults]\nprovider = \"a\"\n[state]\nstore = \"redis://store.example\"\n[modules.rate-limit]\nenabled = true";
    let folder = Folder::new(&format!("{config}\n{a}")).unwrap();
    let output = soon(folder.arcllm(["invoke", "Hi"]).unwrap().run()).await.unwrap();
    assert_eq!(output.code, 2, "{output:?}");
    assert!(
        output.stderr.contains("would send what modules keep") && output.stderr.contains("arcllm trust"),
        "{output:?}"
    );
    assert_eq!(provider.requests().len(), 0);
}
