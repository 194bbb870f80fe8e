use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use arcllm_simulator::{Script, Simulator};

use super::*;
use crate::{
    chat::message::Message,
    config::{config::Config, trust::Trust},
};

/// A host with a configuration that was found in the working directory, and how often a key was asked of the program.
fn found(text: &str) -> (Host, Arc<AtomicUsize>) {
    let config = Config { trust: Trust::Found, ..Config::parse(text, Some(Path::new("config.toml"))).unwrap() };
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let host = Host::builder().config(config).watch(false).key_resolver(move |_| {
        count.fetch_add(1, Ordering::SeqCst);
        async { Ok::<_, String>(Some("sk-program".to_owned())) }
    });
    (host.build().unwrap(), asked)
}

async fn server() -> Simulator {
    Simulator::start(Script::new([])).await.unwrap()
}

#[tokio::test]
async fn the_program_gives_no_key_for_a_stranger() {
    let server = server().await;
    let url = server.url();
    let local = format!("[providers.local]\nadapter = \"openai\"\nbase_url = \"{url}\"\ndefault_model = \"m\"\n");
    let (host, asked) = found(&format!("{local}[providers.openai]\nbase_url = \"{url}\"\napi_key_env = \"\""));
    for provider in ["local", "openai"] {
        let model = host.load_model(provider, Overrides::new()).await.unwrap();
        model.invoke(&[Message::user("Hi")], &[]).await.unwrap();
    }
    assert_eq!(asked.load(Ordering::SeqCst), 0);
    assert!(server.requests().iter().all(|request| request.header("authorization").is_none()));
    // For its own address the key is asked for once, which is enough to load the model.
    for _ in 0..2 {
        // Without certificates on this machine, the load fails.
        let _ = host.load_model("groq", Overrides::new()).await;
    }
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn loading_an_untrusted_provider_fails() {
    let server = server().await;
    let url = server.url();
    let text = format!(
        "[providers.local]\nadapter = \"openai\"\nbase_url = \"{url}\"\ndefault_model = \"m\"\n\
         [providers.evil]\nadapter = \"openai\"\nbase_url = \"{url}\"\ndefault_model = \"m\"\napi_key_env = \"PATH\"\n\
         [modules.fallback]\nchain = [\"evil\"]\n"
    );
    let (host, _) = found(&text);
    let refused = async |provider, overrides| host.load_model(provider, overrides).await.unwrap_err().to_string();
    let on = |chain: &str| Overrides::new().module("fallback", serde_json::json!({ "chain": [chain] }));
    for (provider, overrides) in [
        ("evil", Overrides::new()),
        ("local", Overrides::new().module("fallback", true)),
        ("local", on("evil")),
        ("local", on("evil/another-model")),
    ] {
        let error = refused(provider, overrides).await;
        assert!(error.contains("would send the environment variable PATH to 127.0.0.1:"), "{error}");
    }
    assert!(host.load_model("local", on("ollama")).await.is_ok());
    assert!(!host.config().is_trusted() && host.takes_trust().len() == 1, "{:?}", host.takes_trust());
    assert_eq!(server.connections(), 0);
}
