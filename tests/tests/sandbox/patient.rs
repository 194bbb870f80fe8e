//! A module that waits, blocks, traps, computes or takes memory, as the question says.

use std::sync::Arc;

use arcllm::{Config, Error, Host, HostBuilder, Message, Model, Overrides, Response};
use tokio::task::JoinHandle;

use crate::{
    scene::soon,
    support::{Folder, Provider, test_module},
};

/// A host with the test module `patient`, which does what the question says, and its folder.
pub(crate) fn patient(provider: &Arc<Provider>, sandbox: &str) -> (Folder, Host) {
    host(provider, sandbox, Host::builder())
}

fn host(provider: &Arc<Provider>, sandbox: &str, builder: HostBuilder) -> (Folder, Host) {
    let config = "[host]\norder = [\"patient\", \"retry\", \"redact\"]\n[modules.patient]\nenabled = true\n";
    let folder = Folder::new(&format!("{config}[modules.patient.sandbox]\n{sandbox}\n")).unwrap();
    folder.write("modules/patient.wasm", std::fs::read(test_module("patient")).unwrap()).unwrap();
    let config = Config::load(&folder.path().join("config.toml")).unwrap();
    let host = builder.config(config).adapter("a", "m", provider.clone()).build().unwrap();
    (folder, host)
}

/// The same, with numbers that repeat.
pub(crate) fn patient_with_seed(provider: &Arc<Provider>, sandbox: &str) -> (Folder, Host) {
    host(provider, sandbox, Host::builder().seed(7))
}

pub(crate) async fn load(host: &Host) -> Model {
    soon(host.load_model("a", Overrides::new())).await.unwrap()
}

pub(crate) async fn ask(model: &Model, said: impl Into<String>) -> Result<Response, Error> {
    soon(model.invoke(&[Message::user(said)], &[])).await
}

pub(crate) fn asking(model: &Model, said: impl Into<String>) -> JoinHandle<Result<Response, Error>> {
    let (model, said) = (model.clone(), said.into());
    tokio::spawn(async move { ask(&model, said).await })
}
