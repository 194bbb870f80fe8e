use futures::future::BoxFuture;

use super::*;
use crate::{adapter::adapter::Adapter, chat::response::Response};

struct Nobody;

impl Adapter for Nobody {
    fn send(self: Arc<Self>, _: Arc<Request>) -> BoxFuture<'static, Result<Response, ErrorKind>> {
        Box::pin(async { Err(ErrorKind::Cancelled) })
    }
}

fn upstream() -> Upstream {
    Upstream::new("p", "m".to_owned(), Arc::new(Nobody))
}

fn invoke(max_attempts: u32) -> Arc<Invoke> {
    Invoke::start(Duration::from_secs(600), max_attempts, 0, 0, false)
}

/// Branches that ask at once have the bound together.
#[test]
fn so_many_attempts_begin_and_no_more_however_they_are_asked_for() {
    let invoke = invoke(40);
    let begun = std::thread::scope(|scope| {
        let asking = (0..4).map(|_| {
            scope.spawn(|| {
                let begin = |_| invoke.begin(&upstream(), Some(&"swarm".into())).map(drop);
                (0..25).map(begin).filter(Result::is_ok).count()
            })
        });
        let asking: Vec<_> = asking.collect();
        asking.into_iter().map(|thread| thread.join().expect("a thread that ends")).sum::<usize>()
    });
    assert_eq!((begun, invoke.attempt_count(), invoke.attempts(0).len()), (40, 40, 40));
}

#[test]
fn one_more_is_the_same_error_for_all_and_tells_the_caller() {
    let (invoke, upstream) = (invoke(1), upstream());
    let mut context = Context::from_waker(std::task::Waker::noop());
    let first = invoke.begin(&upstream, Some(&"one".into())).expect("the first");
    assert!(invoke.poll_exceeded(&mut context).is_pending());
    assert_eq!((invoke.exceeded(), invoke.over()), (None, ErrorKind::Cancelled));
    let error = invoke.begin(&upstream, Some(&"two".into())).err().expect("one too many");
    assert!(error.to_string().contains("the module `two`") && error.to_string().contains("max_attempts"), "{error}");
    assert_eq!(invoke.begin(&upstream, Some(&"three".into())).err(), Some(error.clone()));
    assert!(invoke.poll_exceeded(&mut context).is_ready());
    assert_eq!((invoke.exceeded(), invoke.over()), (Some(error.clone()), error));
    // What was under way was given up, and did not fail by itself.
    drop(first);
    assert_eq!(invoke.attempts(0).first().map(|attempt| attempt.outcome), Some(Outcome::Cancelled));
}
