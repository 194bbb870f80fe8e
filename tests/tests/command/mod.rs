//! The command: its exit codes, its standard output and its standard error.

mod documents;
mod errors;
mod output;
mod reports;
mod tools;

use arcllm_simulator::{Format, Reply, Simulator};
use serde_json::Value;

use crate::{
    scene::{replies, soon},
    support::{Chain, Folder, Output},
};

pub(crate) async fn run(folder: &Folder, arguments: &[&str]) -> Output {
    soon(folder.arcllm(arguments).unwrap().run()).await.unwrap()
}

/// The exit code and the error of `invoke --json` with these arguments.
pub(crate) async fn error(folder: &Folder, arguments: &[&str]) -> (i32, Value) {
    let output = run(folder, &[&["invoke", "--json"], arguments].concat()).await;
    assert_eq!(output.stderr, "", "{}", output.stdout);
    let json = output.json().unwrap();
    assert_eq!(json.as_object().unwrap().len(), 1);
    (output.code, json["error"].clone())
}

/// Asserts that the error has all keys of an error, with the right types.
pub(crate) fn assert_is_an_error(error: &Value) {
    let is_one_of = |name: &str, kinds: &[fn(&Value) -> bool]| {
        let value = error.get(name).unwrap_or_else(|| panic!("no `{name}`: {error}"));
        assert!(kinds.iter().any(|kind| kind(value)), "`{name}` is {value}");
    };
    is_one_of("kind", &[Value::is_string]);
    is_one_of("message", &[Value::is_string]);
    is_one_of("status", &[Value::is_u64, Value::is_null]);
    is_one_of("provider", &[Value::is_string, Value::is_null]);
    is_one_of("retry_after_seconds", &[Value::is_f64, Value::is_u64, Value::is_null]);
    is_one_of("trail", &[Value::is_array]);
    for attempt in error["trail"].as_array().unwrap() {
        for name in ["provider", "model", "outcome", "status", "waited_seconds", "took_seconds"] {
            assert!(attempt.get(name).is_some(), "no `{name}`: {attempt}");
        }
    }
}

/// A provider with this one reply.
pub(crate) async fn gives(reply: Reply) -> (Simulator, Folder) {
    let provider = replies([reply]).await;
    let chain = Chain::new().provider_with("a", Format::OpenAi, &provider.url(), "timeout_seconds = 0.5");
    let folder = chain.folder().unwrap();
    (provider, folder)
}

// Exit codes and errors.
