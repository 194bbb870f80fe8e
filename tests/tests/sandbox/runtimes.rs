//! A process with several Tokio runtimes, some of which stand still while others run.

use arcllm::{Host, Message, Model, Overrides, Response};
use arcllm_simulator::Reply;
use tokio::runtime::{Builder, Runtime};

use crate::{
    scene::{FAST, around, replies, soon},
    support::Folder,
};

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

async fn load(host: &Host) -> Model {
    soon(host.load_model("a", Overrides::new())).await.unwrap()
}

async fn ask(model: &Model) -> Response {
    soon(model.invoke(&[Message::user("Hi")], &[])).await.unwrap()
}

async fn load_and_ask(host: &Host) -> Response {
    ask(&load(host).await).await
}

#[test]
fn no_runtime_waits_for_another() {
    let servers = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let busy = || [Reply::status(503), Reply::text("Hello.")];
    let a = servers.block_on(replies(busy().into_iter().chain(busy()).chain(busy())));
    let folder = around(&a).host("watch = false").module("retry", FAST).folder().unwrap();
    let host = folder.host().unwrap();
    let (first, second) = (runtime(), runtime());
    assert_eq!(first.block_on(load_and_ask(&host)).trail.len(), 2);
    // The first runtime stands still: its tasks, timers and connections are not polled.
    assert_eq!(second.block_on(load_and_ask(&host)).trail.len(), 2);
    // Its tasks end with it.
    drop(first);
    assert_eq!(second.block_on(load_and_ask(&host)).trail.len(), 2);
}

#[test]
fn a_reload_in_one_runtime_leaves_the_others_working() {
    let servers = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let a = servers.block_on(replies([Reply::status(503), Reply::text("Hello."), Reply::status(503)]));
    let settings = format!("{FAST}\nsandbox.wasm = \"retry.wasm\"\nsandbox.allow = [\"state\"]");
    let folder = Folder::new(&around(&a).host("watch = false").module("retry", &settings).to_string()).unwrap();
    // With a custom section, which changes nothing: its number, its size, and a name of one letter.
    let retry = |mark| [arcllm_builtin::find("retry").unwrap().wasm, &[0, 2, 1, mark]].concat();
    folder.write("modules/retry.wasm", retry(b'a')).unwrap();
    let host = folder.host().unwrap();
    let (first, second) = (runtime(), runtime());
    let model = first.block_on(load(&host));
    assert_eq!(first.block_on(ask(&model)).trail.len(), 2);
    folder.write("modules/retry.wasm", retry(b'b')).unwrap();
    assert_eq!(second.block_on(soon(host.reload())).replaced, ["retry"]);
    // The runtime of the reload stands still.
    assert_eq!(first.block_on(ask(&model)).trail.len(), 2);
}
