//! A program with several Tokio runtimes, as the tests of a program have: one each, some of which rest while others run.

use arcllm::{Host, Message, Overrides, Response};
use arcllm_simulator::Reply;
use tokio::runtime::{Builder, Runtime};

use crate::scene::{FAST, around, replies, soon};

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

async fn ask(host: &Host) -> Response {
    let model = soon(host.load_model("a", Overrides::new())).await.unwrap();
    soon(model.invoke(&[Message::user("Hi")], &[])).await.unwrap()
}

#[test]
fn none_waits_for_another() {
    let servers = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let busy = || [Reply::status(503), Reply::text("Hello.")];
    let a = servers.block_on(replies(busy().into_iter().chain(busy()).chain(busy())));
    let folder = around(&a).host("watch = false").module("retry", FAST).folder().unwrap();
    let host = folder.host().unwrap();
    let (first, second) = (runtime(), runtime());
    assert_eq!(first.block_on(ask(&host)).trail.len(), 2);
    // It rests: nobody polls its tasks, timers and connections.
    assert_eq!(second.block_on(ask(&host)).trail.len(), 2);
    // It is gone, and with it what ran on it.
    drop(first);
    assert_eq!(second.block_on(ask(&host)).trail.len(), 2);
}
