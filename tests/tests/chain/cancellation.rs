//! A cancelled call closes its connection, frees its instances for the next call, and sends nothing more.

use std::{sync::Arc, time::Duration};

use arcllm::{ErrorKind, Message, Model, Overrides, Request};
use arcllm_simulator::{Fault, Reply, Simulator};

use crate::{
    scene::{LONG, around_both, load, load_over, replies, say_hi, soon},
    support::{Chain, Provider},
};

/// The chains that a call goes through, outermost module first.
const ORDERS: [&[&str]; 5] = [&[], &["retry"], &["fallback"], &["retry", "fallback"], &["fallback", "retry"]];

/// The model of `a` in these modules.
async fn model(order: &[&str], a: &Simulator, b: &Simulator) -> Model {
    load(&narrow(around_both(a, b), order).folder().unwrap(), Overrides::new()).await
}

/// The modules with one instance each, for one call at a time: an instance that is not free again shows at once.
fn narrow(chain: Chain, order: &[&str]) -> Chain {
    let chain = if order.is_empty() { chain } else { chain.host(&format!("order = {order:?}")) };
    order.iter().fold(chain, |chain, module| {
        let settings = if *module == "retry" { "max_wait_seconds = 50" } else { "chain = [\"a\", \"b\"]" };
        let sandbox = "max_concurrent = 1\nmax_instances = 1\nmax_queued = 1\nallow = [\"models\", \"state\"]";
        chain.module(module, settings).table(&format!("modules.{module}.sandbox"), sandbox)
    })
}

fn hi() -> Request {
    Request::new([Message::user("Hi")])
}

/// Checks that the connection of a cancelled call is closed, that the next call is answered, and that nothing else is
/// sent.
async fn nothing_is_left(model: &Model, a: &Simulator, b: &Simulator, requests: usize) {
    soon(a.wait_until(|requests| requests[0].dropped())).await;
    soon(model.invoke_with(hi())).await.unwrap();
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

/// The ways in which a call ends before its attempt does.
#[derive(Debug, Clone, Copy)]
enum End {
    Dropped,
    Stopped,
    Deadline,
}

/// On virtual time.
#[tokio::test(start_paused = true)]
async fn nothing_is_sent_after_a_call_has_ended_during_an_attempt() {
    for order in ORDERS {
        for end in [End::Dropped, End::Stopped, End::Deadline] {
            let (a, b) = (Arc::new(Provider::closed()), Arc::new(Provider::closed()));
            let model = load_over(&narrow(Chain::new(), order), &a, &b).await;
            let a_while = Duration::from_secs(20);
            let ended = match end {
                End::Dropped => tokio::time::timeout(a_while, say_hi(&model)).await.ok(),
                End::Stopped => Some(model.invoke_until(hi(), tokio::time::sleep(a_while)).await),
                End::Deadline => {
                    let mut request = hi();
                    request.options.deadline = Some(a_while);
                    Some(model.invoke_with(request).await)
                }
            };
            let expected = match end {
                End::Dropped => None,
                End::Stopped => Some(ErrorKind::Cancelled),
                End::Deadline => Some(ErrorKind::DeadlineExceeded),
            };
            assert_eq!(ended.map(|ended| ended.unwrap_err().kind), expected, "{order:?}");
            tokio::time::sleep(LONG).await;
            assert_eq!((a.asked(), b.asked()), (1, 0), "{order:?}: {end:?}");
            // The only instance of each module is free again.
            a.let_answer(9);
            say_hi(&model).await.unwrap();
        }
    }
}

/// On virtual time.
#[tokio::test(start_paused = true)]
async fn dropping_the_call_during_a_wait() {
    let a = Arc::new(Provider::open().failing(529));
    let model = load_over(&narrow(Chain::new(), &["retry"]), &a, &a).await;
    for calls in 1..=3 {
        // Each is dropped while it waits, and the next gets the only instance.
        let asking = tokio::time::timeout(Duration::from_millis(500), say_hi(&model));
        assert!(asking.await.is_err(), "it waits for a second or longer");
        assert_eq!(a.asked(), calls);
    }
    tokio::time::sleep(LONG).await;
    assert_eq!(a.asked(), 3);
}

#[tokio::test]
async fn a_call_can_be_dropped_at_any_moment() {
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
    // The instances are free, and dropping a call is no reason to ask another provider.
    soon(model.invoke_with(hi())).await.unwrap();
    assert_eq!(b.requests().len(), 0);
}
