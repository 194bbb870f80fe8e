//! Cancellation: whoever goes away takes everything along. The connection is closed, instances are free for the next
//! call, and nothing more is sent.

use std::time::Duration;

use arcllm::{ErrorKind, Message, Model, Overrides, Request};
use arcllm_simulator::{Fault, Format, Reply, Simulator};

use crate::{
    scene::{load, replies, soon},
    support::Chain,
};

/// The chains that a call goes through, outermost module first.
const ORDERS: [&[&str]; 5] = [&[], &["retry"], &["fallback"], &["retry", "fallback"], &["fallback", "retry"]];

/// With one instance of each module, for one call at a time: what is not given back is missed at once.
async fn model(order: &[&str], a: &Simulator, b: &Simulator) -> Model {
    let chain = Chain::new().provider("a", Format::Anthropic, &a.url()).provider("b", Format::OpenAi, &b.url());
    let chain = if order.is_empty() { chain } else { chain.host(&format!("order = {order:?}")) };
    let chain = order.iter().fold(chain, |chain, module| {
        let settings = if *module == "retry" { "max_wait_seconds = 50" } else { "chain = [\"a\", \"b\"]" };
        let sandbox = "max_concurrent = 1\nmax_instances = 1\nmax_queued = 1\nallow = [\"models\", \"state\"]";
        chain.module(module, settings).table(&format!("modules.{module}.sandbox"), sandbox)
    });
    load(&chain.folder().unwrap(), Overrides::new()).await
}

fn hi() -> Request {
    Request::new([Message::user("Hi")])
}

/// What comes after a call that was given up: its connection is closed, the next call is answered, nothing else is sent.
async fn nothing_is_left(model: &Model, a: &Simulator, b: &Simulator, requests: usize) {
    soon(a.wait_until(|requests| requests[0].dropped())).await;
    soon(model.invoke_with(hi())).await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!((a.requests().len(), b.requests().len()), (requests + 1, 0));
}

#[tokio::test]
async fn dropping_the_call_during_an_attempt() {
    for order in ORDERS {
        for silence in [Fault::Silence, Fault::SilenceInBody] {
            let (a, b) = (replies([Reply::fault(silence)]).await, replies([]).await);
            let model = model(order, &a, &b).await;
            let asking = tokio::spawn({
                let model = model.clone();
                async move { model.invoke_with(hi()).await }
            });
            soon(a.wait_until(|requests| !requests.is_empty())).await;
            asking.abort();
            nothing_is_left(&model, &a, &b, 1).await;
        }
    }
}

#[tokio::test]
async fn stopping_the_call_during_an_attempt() {
    for order in ORDERS {
        let (a, b) = (replies([Reply::fault(Fault::Silence)]).await, replies([]).await);
        let model = model(order, &a, &b).await;
        let stop = async { drop(a.wait_until(|requests| !requests.is_empty()).await) };
        let error = soon(model.invoke_until(hi(), stop)).await.unwrap_err();
        assert_eq!((&error.kind, error.trail.len()), (&ErrorKind::Cancelled, 1), "{order:?}");
        nothing_is_left(&model, &a, &b, 1).await;
    }
}

#[tokio::test]
async fn the_deadline_during_an_attempt() {
    for order in ORDERS {
        let (a, b) = (replies([Reply::fault(Fault::Silence)]).await, replies([]).await);
        let model = model(order, &a, &b).await;
        let mut request = hi();
        request.options.deadline = Some(Duration::from_millis(200));
        let error = soon(model.invoke_with(request)).await.unwrap_err();
        assert_eq!((&error.kind, error.trail.len()), (&ErrorKind::DeadlineExceeded, 1), "{order:?}");
        nothing_is_left(&model, &a, &b, 1).await;
    }
}

#[tokio::test]
async fn dropping_the_call_during_a_wait() {
    let (a, b) = (replies([Reply::status(529).header("retry-after", "40")]).await, replies([]).await);
    let model = model(&["retry"], &a, &b).await;
    let asking = tokio::time::timeout(Duration::from_millis(300), model.invoke_with(hi()));
    assert!(asking.await.is_err(), "it waits for 40 s");
    // The only instance is free again, without anybody having waited for the wait.
    soon(model.invoke_with(hi())).await.unwrap();
    assert_eq!(a.requests().len(), 2);
}

#[tokio::test]
async fn dropping_calls_at_every_moment() {
    let (a, b) = (replies([]).await, replies([]).await);
    let model = model(&["retry", "fallback"], &a, &b).await;
    for turns in 0..60 {
        let mut asking = Box::pin(model.invoke_with(hi()));
        for _ in 0..turns {
            tokio::select! {
                biased;
                _ = &mut asking => {}
                () = tokio::task::yield_now() => continue,
            }
            break;
        }
        drop(asking);
    }
    soon(model.invoke_with(hi())).await.unwrap();
    let asked = a.requests().len();
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!((a.requests().len(), b.requests().len()), (asked, 0), "nothing is sent afterwards");
}
