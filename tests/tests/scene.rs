//! What most tests use: simulated providers, a question, and a trail that reads as a list of steps.

use std::{future::Future, sync::Arc, time::Duration};

use arcllm::{Attempt, Config, Error, Host, MemoryStore, Message, Model, Outcome, Overrides, Response};
use arcllm_simulator::{Format, Reply, Script, Simulator};

use crate::support::{Chain, Folder, Provider};

/// Waits of milliseconds, and a retry budget that is never used up.
pub(crate) const FAST: &str = "backoff_base_seconds = 0.001\nmax_wait_seconds = 0.5\nbudget_min_per_second = 1e6";

/// Waits for this, and fails after a minute.
pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), future).await.unwrap()
}

/// A provider that gives these replies, and then good answers.
pub(crate) async fn replies(replies: impl IntoIterator<Item = Reply>) -> Simulator {
    Simulator::start(Script::new(replies)).await.unwrap()
}

/// A provider that is down.
pub(crate) async fn dead() -> Simulator {
    Simulator::start(Script::refuse()).await.unwrap()
}

/// A chain over one provider, `a`.
pub(crate) fn around(a: &Simulator) -> Chain {
    Chain::new().provider("a", Format::Anthropic, &a.url())
}

/// A chain over two providers that speak different formats, `a` first.
pub(crate) fn around_both(a: &Simulator, b: &Simulator) -> Chain {
    around(a).provider("b", Format::OpenAi, &b.url())
}

/// The model of `a`, with these overrides.
pub(crate) async fn load(folder: &Folder, overrides: Overrides) -> Model {
    soon(folder.host().unwrap().load_model("a", overrides)).await.unwrap()
}

/// More time than any chain needs to send what it should not. Where time is virtual, waiting for it takes no time.
pub(crate) const LONG: Duration = Duration::from_secs(3600);

/// The model of `a` in this chain, over providers in this process: for virtual time, which breaks sockets.
pub(crate) async fn load_over(chain: &Chain, a: &Arc<Provider>, b: &Arc<Provider>) -> Model {
    let folder = chain.clone().host("watch = false").folder().unwrap();
    let config = Config::load(&folder.path().join("config.toml")).unwrap();
    let host = Host::builder().config(config).state_store(Arc::new(MemoryStore::default()));
    let host = host.adapter("a", "a-model", a.clone()).adapter("b", "b-model", b.clone()).build().unwrap();
    soon(host.load_model("a", Overrides::new())).await.unwrap()
}

/// What this model answers to a question.
pub(crate) async fn say_hi(model: &Model) -> Result<Response, Error> {
    model.invoke(&[Message::user("Hi")], &[]).await
}

/// What the chain's `a` answers to a question.
pub(crate) async fn ask(chain: &Chain) -> Result<Response, Error> {
    ask_with(chain, Overrides::new()).await
}

/// The same with overrides.
pub(crate) async fn ask_with(chain: &Chain, overrides: Overrides) -> Result<Response, Error> {
    let folder = chain.folder().unwrap();
    let model = load(&folder, overrides).await;
    soon(model.invoke(&[Message::user("Hi")], &[])).await
}

/// The trail, a step each: `retry waits, fallback asks b: 529`.
pub(crate) fn steps(trail: &[Attempt]) -> Vec<String> {
    let step = |attempt: &Attempt| {
        let wait = attempt.waited_by.as_ref().map(|by| format!("{by} waits, ")).unwrap_or_default();
        assert_eq!(attempt.waited.is_zero(), wait.is_empty(), "who waits, waits: {attempt:?}");
        assert_eq!(
            attempt.status.is_some(),
            attempt.outcome == Outcome::Api,
            "a status is the provider's: {attempt:?}"
        );
        assert_eq!(attempt.model, format!("{}-model", attempt.provider));
        let by = attempt.asked_by.as_deref().unwrap_or("the caller");
        let outcome = attempt.status.map_or_else(|| attempt.outcome.as_str().to_owned(), |status| status.to_string());
        format!("{wait}{by} asks {}: {outcome}", attempt.provider)
    };
    assert!(trail.is_sorted_by_key(|attempt| attempt.started_after), "a trail is in order: {trail:?}");
    trail.iter().map(step).collect()
}

/// How many requests the provider got.
pub(crate) fn count(provider: &Simulator) -> usize {
    provider.requests().len()
}
