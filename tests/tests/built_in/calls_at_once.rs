//! `rate-limit` gives the place of a call back, however the call ends: in memory, and in a Redis that several processes share.

use std::{sync::Arc, time::Duration};

use arcllm::{Config, Host, MemoryStore, Message, Model, Options, Overrides, Request};
use arcllm_simulator::{Fault, Reply, Simulator};
use futures::{StreamExt as _, future::join_all};

use crate::{
    scene::{around, count, replies, say_hi, soon},
    support::{Chain, Redis},
};

/// One call at once. A lease lasts longer than a test, and a call without a place fails at once.
const ONE: &str = "max_in_flight = 1\nmax_wait_seconds = 0.0\nrequests_per_minute = 1e6\nburst = 10000";

/// The model of `a`, in a host on this Redis, or else with a store of its own.
async fn model(chain: Chain, redis: Option<&Redis>) -> Model {
    let chain = match redis {
        Some(redis) => chain.table("state", &format!("store = \"{}\"\ntimeout_seconds = 5", redis.url())),
        None => chain,
    };
    let folder = chain.host("watch = false").folder().unwrap().trusted();
    let host = Host::builder().config(Config::load(&folder.path().join("config.toml")).unwrap());
    let host = if redis.is_some() { host } else { host.state_store(Arc::new(MemoryStore::default())) };
    soon(host.build().unwrap().load_model("a", Overrides::new())).await.unwrap()
}

/// Waits until a call has the place.
async fn next_call(model: &Model) {
    soon(async {
        while say_hi(model).await.is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

fn endless() -> Reply {
    Reply::text("One ".repeat(5000)).pace(Duration::from_millis(10))
}

async fn asked(a: &Simulator) {
    soon(a.wait_until(|requests| !requests.is_empty())).await;
}

async fn a_call_that_is_cancelled(redis: Option<&Redis>) {
    for fault in [Fault::Silence, Fault::SilenceInBody] {
        let a = replies([Reply::fault(fault)]).await;
        let model = model(around(&a).module("rate-limit", ONE), redis).await;
        let call = tokio::spawn({
            let model = model.clone();
            async move { say_hi(&model).await }
        });
        asked(&a).await;
        assert!(soon(say_hi(&model)).await.unwrap_err().to_string().contains("no place for more calls at once of a"));
        call.abort();
        next_call(&model).await;
    }
}

async fn a_stream_that_is_dropped(redis: Option<&Redis>) {
    for reply in [endless(), Reply::fault(Fault::Silence)] {
        let a = replies([reply.clone()]).await;
        let model = model(around(&a).module("rate-limit", ONE), redis).await;
        let mut stream = model.stream(&[Message::user("Hi")], &[]);
        if reply == endless() {
            assert!(soon(stream.next()).await.unwrap().is_ok());
        } else {
            drop(futures::poll!(stream.next()));
            asked(&a).await;
        }
        drop(stream);
        next_call(&model).await;
    }
}

async fn a_call_that_ends_badly(redis: Option<&Redis>) {
    let faults = [Fault::Truncate, Fault::ResetInBody, Fault::Malformed, Fault::Reset];
    let a = replies(faults.map(Reply::fault).into_iter().chain([Reply::status(503)])).await;
    let model = model(around(&a).module("rate-limit", ONE), redis).await;
    soon(async {
        while count(&a) < 6 {
            drop(say_hi(&model).await);
        }
    })
    .await;
}

async fn a_trap_inside(redis: Option<&Redis>) {
    for when in ["before", "after"] {
        let a = replies([]).await;
        let chain = around(&a).module("rate-limit", ONE).host("order = [\"rate-limit\", \"chaos\"]");
        let chain = chain.module("chaos", &format!("fault = \"trap\"\nwhen = \"{when}\"\nshare = 1.0"));
        let model = model(chain, redis).await;
        let mut traps = 0;
        soon(async {
            while traps < 3 {
                let error = say_hi(&model).await.unwrap_err().to_string();
                traps += usize::from(error.contains("`chaos` failed"));
                assert!(error.contains("`chaos` failed") || error.contains("no place for more calls"), "{error}");
            }
        })
        .await;
    }
}

/// Hundreds of calls, of which most are cancelled while they wait for a place, for their turn or for an answer.
async fn many_that_are_cancelled(redis: Option<&Redis>) {
    let a = replies([]).await;
    let limits = "max_in_flight = 3\nmax_wait_seconds = 30.0\nrequests_per_minute = 60000\nburst = 5";
    let limits =
        format!("{limits}\ntokens_per_minute = 1e9\nlabels.team = {{ max_in_flight = 2, requests_per_minute = 1e5 }}");
    let model = model(around(&a).module("rate-limit", &limits), redis).await;
    let calls = (0..300_u64).map(|at| {
        let model = model.clone();
        async move {
            let options = Options::new().label("team", format!("{}", at % 3));
            let request = Request::new([Message::user("Hi")]).with_options(options);
            let patience = Duration::from_millis(at * 7919 % 200);
            drop(tokio::time::timeout(patience, model.invoke_with(request)).await);
        }
    });
    soon(join_all(calls)).await;
    // Places and turns are free again: this needs all three places at once.
    let calls = join_all((0..3).map(|_| say_hi(&model)));
    for answer in soon(calls).await {
        answer.unwrap();
    }
}

#[tokio::test]
async fn a_place_is_given_back_in_memory() {
    a_call_that_is_cancelled(None).await;
    a_stream_that_is_dropped(None).await;
    a_call_that_ends_badly(None).await;
    a_trap_inside(None).await;
    many_that_are_cancelled(None).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs redis-server"]
async fn a_place_is_given_back_in_a_redis_of_shared_state() {
    let redis = Redis::start().await;
    let leases = async || {
        soon(async {
            while redis.cli(&["--scan", "--pattern", "arcllm:{rate-limit}:l:*"]).lines().any(|key| !key.is_empty()) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await;
    };
    a_call_that_is_cancelled(Some(&redis)).await;
    leases().await;
    a_stream_that_is_dropped(Some(&redis)).await;
    leases().await;
    a_call_that_ends_badly(Some(&redis)).await;
    leases().await;
    a_trap_inside(Some(&redis)).await;
    leases().await;
    many_that_are_cancelled(Some(&redis)).await;
    leases().await;
}
