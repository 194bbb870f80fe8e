//! A store that fails holds no call up, and comes back by itself.

use std::time::{Duration, Instant};

use arcllm::{Config, Host, Model, Overrides};
use arcllm_simulator::Simulator;
use futures::future::join_all;

use crate::{
    scene::{around, replies, say_hi, soon},
    support::{Folder, Redis},
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
    // The address can come from the environment.
    let folder = folder(&provider, "url_env = \"STORE\"");
    let command = folder.arcllm(["invoke", "Hi"]).unwrap();
    let output = soon(command.env("STORE", &format!("redis://:right@127.0.0.1:{}", redis.port)).run()).await.unwrap();
    assert_eq!(output.code, 0, "{output:?}");
    assert!(redis.cli(&["-a", "right", "--no-auth-warning", "info", "commandstats"]).contains("evalsha"));
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
