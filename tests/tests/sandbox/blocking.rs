//! Modules in the blocking world, which JavaScript and others need, and what modules keep between calls.

use std::{sync::Arc, time::Duration};

use arcllm::{Config, ErrorKind, Event, Host, MemoryStore, Message, Model, Overrides, StateStore};
use arcllm_simulator::{Fault, Reply};
use futures::{StreamExt as _, future::join_all};

use crate::{
    scene::{FAST, around_both, count, replies, soon, steps},
    support::{Chain, Elsewhere, Folder, Instances, Odd, Provider, kept},
};

/// A module that asks again, asks another provider, and counts.
const BLOCKING: &[u8] = include_bytes!("../../prebuilt/blocking.wasm");

/// The module alone. It is not watched, since its folder is removed before it is called.
const ORDER: &str = "order = [\"blocking\"]\nwatch = false";

/// Its grants.
const GRANTED: &str = "allow = [\"models\", \"state\"]";

/// The model of a chain with this module. With `retried`, a retry stands inside.
async fn model(chain: Chain, settings: &str, sandbox: &str, retried: bool) -> Model {
    let order = if retried { "[\"blocking\", \"retry\"]" } else { "[\"blocking\"]" };
    let chain = if retried { chain.module("retry", FAST) } else { chain };
    let sandbox = format!("{GRANTED}\n{sandbox}");
    // It is not watched, since its folder is removed before it is called.
    let folder = folder(chain.host(&format!("order = {order}\nwatch = false")), settings, &sandbox);
    let host = host(&folder, Arc::new(MemoryStore::default()));
    soon(host.load_model("a", Overrides::new())).await.unwrap()
}

/// A host with this state store.
fn host(folder: &Folder, store: Arc<dyn StateStore>) -> Host {
    let config = Config::load(&folder.path().join("config.toml")).unwrap();
    Host::builder().config(config).state_store(store).build().unwrap()
}

/// The folder of a chain that has the module.
fn folder(chain: Chain, settings: &str, sandbox: &str) -> Folder {
    let chain = chain.module("blocking", settings).table("modules.blocking.sandbox", sandbox);
    let folder = Folder::new(&chain.to_string()).unwrap();
    folder.write("modules/blocking.wasm", BLOCKING).unwrap();
    folder
}

async fn ask(model: &Model) -> Result<arcllm::Response, arcllm::Error> {
    soon(model.invoke(&[Message::user("Hi")], &[])).await
}

/// What the store holds of the module of this name.
async fn value(store: &MemoryStore, key: &str) -> Option<String> {
    kept(store, "blocking", key).await
}

#[tokio::test]
async fn it_asks_its_inner_and_other_models() {
    let (a, b) = (replies([Reply::status(400), Reply::status(418)]).await, replies([Reply::text("from b")]).await);
    let model = model(around_both(&a, &b), "again = 1\nother = \"b\"", "", false).await;
    let answer = ask(&model).await.unwrap();
    assert_eq!(answer.text().unwrap(), "from b");
    assert_eq!(steps(&answer.trail), ["blocking asks a: 400", "blocking asks a: 418", "blocking asks b: ok"]);
    assert_eq!(ask(&model).await.unwrap().provider, "a");
}

#[tokio::test]
async fn modules_inside_can_wait_and_errors_come_through() {
    let overloaded = || Reply::error(529, "busy");
    let (a, b) = (replies([overloaded(), overloaded(), Reply::text("at last")]).await, replies([]).await);
    let model = model(around_both(&a, &b), "", "", true).await;
    let answer = ask(&model).await.unwrap();
    assert_eq!(answer.text().unwrap(), "at last");
    let waits = ["retry asks a: 529", "retry waits, retry asks a: 529", "retry waits, retry asks a: ok"];
    assert_eq!(steps(&answer.trail), waits);
    a.push(Reply::error(401, "no such key")).unwrap();
    let error = ask(&model).await.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Api(api) if api.status == 401 && api.message.contains("no such key")));
}

#[tokio::test]
async fn a_streamed_answer_passes_through_as_it_comes() {
    let (a, b) = (replies([Reply::text("one two").pace(Duration::from_millis(10))]).await, replies([]).await);
    let model = model(around_both(&a, &b), "", "", false).await;
    let mut stream = model.stream(&[Message::user("Hi")], &[]);
    let mut pieces = 0;
    let answer = loop {
        match soon(stream.next()).await.unwrap().unwrap() {
            Event::Text(_) => pieces += 1,
            Event::End(answer) => break answer,
            _ => {}
        }
    };
    assert_eq!(answer.text().unwrap(), "one two");
    assert!(pieces > 1, "in pieces");
}

/// Even if config lets calls share an instance, since they would wait for each other.
#[test]
fn an_instance_serves_one_call_at_a_time_and_is_reused() {
    Instances::count("blocking", async |instances| {
        let provider = Arc::new(Provider::closed());
        let sandbox = format!("{GRANTED}\nmax_concurrent = 100\nmax_instances = 4");
        let folder = folder(Chain::new().host(ORDER), "", &sandbox);
        let config = Config::load(&folder.path().join("config.toml")).unwrap();
        let host = Host::builder().config(config).adapter("a", "m", provider.clone()).build().unwrap();
        let model = soon(host.load_model("a", Overrides::new())).await.unwrap();
        let calls = (0..8).map(|_| {
            let model = model.clone();
            tokio::spawn(async move { ask(&model).await })
        });
        let calls: Vec<_> = calls.collect();
        provider.wait_until_asked(4).await;
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        assert_eq!((provider.asked(), instances.running()), (4, 4));
        provider.let_answer(8);
        for answer in join_all(calls).await {
            answer.unwrap().unwrap();
        }
        assert_eq!((provider.asked(), instances.begun()), (8, 4));
    });
}

#[tokio::test]
async fn dropping_a_call_closes_the_connection_and_frees_the_instance() {
    let (a, b) = (replies([Reply::fault(Fault::Silence)]).await, replies([]).await);
    let model = model(around_both(&a, &b), "again = 5", "max_instances = 1", false).await;
    let asking = tokio::spawn({
        let model = model.clone();
        async move { ask(&model).await }
    });
    soon(a.wait_until(|requests| !requests.is_empty())).await;
    asking.abort();
    soon(a.wait_until(|requests| requests[0].dropped())).await;
    ask(&model).await.unwrap();
    assert_eq!(count(&a), 2);
}

#[tokio::test]
async fn state_is_shared_by_all_instances_models_and_hosts_of_a_store() {
    let (a, b) = (replies([]).await, replies([]).await);
    let store = MemoryStore::default();
    let (mut models, chain) = (Vec::new(), || around_both(&a, &b).host(ORDER));
    for _ in 0..2 {
        let folder = folder(chain(), "count = true", GRANTED);
        let host = host(&folder, Arc::new(store.clone()));
        models.push(soon(host.load_model("a", Overrides::new())).await.unwrap());
        models.push(soon(host.load_model("b", Overrides::new())).await.unwrap());
    }
    let answers = join_all((0..40).map(|at| ask(&models[at % models.len()]))).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    assert_eq!(value(&store, "calls").await.unwrap(), "40");
    assert_eq!(value(&store, "swapped").await.unwrap(), "40");
    assert_eq!(value(&store, "last").await, None);
}

#[tokio::test]
async fn a_failing_store_is_an_error_in_the_module() {
    let (a, b) = (replies([]).await, replies([]).await);
    let folder = folder(around_both(&a, &b).host(ORDER), "count = true", GRANTED);
    let model = soon(host(&folder, Elsewhere::new(Odd::Fails)).load_model("a", Overrides::new())).await.unwrap();
    let error = ask(&model).await.unwrap_err();
    assert!(error.to_string().contains("it is gone"), "{error}");
    assert_eq!(count(&a), 0);
}

#[tokio::test]
async fn without_its_grant_it_is_refused() {
    let (a, b) = (replies([]).await, replies([]).await);
    let folder = folder(around_both(&a, &b).host(ORDER), "", "allow = [\"models\"]");
    let error = soon(folder.host().unwrap().load_model("a", Overrides::new())).await.unwrap_err().to_string();
    assert!(error.contains("modules.blocking.sandbox.allow") && error.contains("`state`"), "{error}");
}
