//! What these tests share: two models around the same module, and the faults of that module.

use std::sync::Arc;

use arcllm::{Config, Error, ErrorKind, Host, Message, Model, Overrides, Response};
use tokio::task::JoinHandle;

use crate::{scene::soon, support::Provider};

/// Two models whose calls share the instances of one module, `chaos`. It goes wrong in calls of `bad`.
pub(crate) struct Pair {
    pub(crate) bad: Model,
    pub(crate) good: Model,
}

impl Pair {
    pub(crate) async fn load(provider: &Arc<Provider>, fault: &str, sandbox: &str) -> Self {
        let config = format!(
            "[modules.chaos]\nenabled = true\nprovider = \"bad\"\n{fault}\n[modules.chaos.sandbox]\n{sandbox}\n"
        );
        let host = Host::builder().config(Config::parse(&config, None).unwrap());
        let host = host.adapter("bad", "m", provider.clone()).adapter("good", "m", provider.clone()).build().unwrap();
        let load = async |name| soon(host.load_model(name, Overrides::new())).await.unwrap();
        Self { bad: load("bad").await, good: load("good").await }
    }
}

pub(crate) async fn ask(model: &Model) -> Result<Response, Error> {
    soon(model.invoke(&[Message::user("Hi")], &[])).await
}

/// Asks from a task of its own.
pub(crate) fn asking(model: &Model) -> JoinHandle<Result<Response, Error>> {
    let model = model.clone();
    tokio::spawn(async move { ask(&model).await })
}

/// The limit that an error of the module names.
pub(crate) fn limit(error: &Error) -> Option<String> {
    let ErrorKind::Module(failure) = &error.kind else { panic!("an error of the module: {error:?}") };
    assert_eq!(failure.extensions.get("module").unwrap(), "chaos");
    assert!(failure.message.starts_with("the module `chaos` failed: "), "{failure}");
    let limit = failure.extensions.get("limit").map(|limit| limit.as_str().unwrap().to_owned());
    assert!(limit.as_ref().is_none_or(|limit| failure.message.contains(limit)), "{failure}");
    limit
}

/// Each fault, with a setting of the sandbox and the limit that ends the call.
pub(crate) const FAULTS: [(&str, &str, Option<&str>); 11] = [
    ("trap", "", None),
    ("spin", "cpu_seconds = 0.2", Some("cpu_seconds")),
    ("allocate", "memory_mb = 8", Some("memory_mb")),
    ("recurse", "stack_kb = 256", Some("stack_kb")),
    ("hang", "stall_seconds = 0.5", Some("stall_seconds")),
    ("leak-handles", "handles = 100", Some("handles")),
    ("swarm", "handles = 100", Some("handles")),
    ("hoard", "memory_mb = 8", Some("memory_mb")),
    ("flood-log", "log_lines_per_second = 50", Some("log_lines_per_second")),
    ("flood-log", "log_kb_per_second = 1", Some("log_kb_per_second")),
    ("move", "hostcall_mb = 2", Some("hostcall_mb")),
];
