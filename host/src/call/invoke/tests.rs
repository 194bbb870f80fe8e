use super::*;

fn start(invoke: &Arc<Invoke>, by: &str) -> Result<StartedAttempt, ErrorKind> {
    invoke.start_attempt("p", "m", Some(&by.into()), None, None)
}

fn invoke(max_attempts: u32) -> Arc<Invoke> {
    Invoke::start(Duration::from_secs(600), max_attempts, 0, 0, false)
}

/// Branches that ask at the same time share the limit.
#[test]
fn attempts_stop_at_the_limit_from_any_number_of_threads() {
    let invoke = invoke(40);
    let begun = std::thread::scope(|scope| {
        let asking = (0..4).map(|_| {
            scope.spawn(|| {
                let begin = |_| start(&invoke, "swarm").map(drop);
                (0..25).map(begin).filter(Result::is_ok).count()
            })
        });
        let asking: Vec<_> = asking.collect();
        asking.into_iter().map(|thread| thread.join().expect("a thread that ends")).sum::<usize>()
    });
    assert_eq!((begun, invoke.trail().len()), (40, 40));
}

#[test]
fn one_attempt_too_many_is_the_same_error_for_all_and_wakes_the_caller() {
    let invoke = invoke(1);
    let mut context = Context::from_waker(std::task::Waker::noop());
    let first = start(&invoke, "one").expect("the first");
    assert!(invoke.poll_exceeded(&mut context).is_pending());
    assert_eq!((invoke.exceeded(), invoke.why_over()), (None, ErrorKind::Cancelled));
    let error = start(&invoke, "two").err().expect("one too many");
    assert!(error.to_string().contains("the module `two`") && error.to_string().contains("max_attempts"), "{error}");
    assert_eq!(start(&invoke, "three").err(), Some(error.clone()));
    assert!(invoke.poll_exceeded(&mut context).is_ready());
    assert_eq!((invoke.exceeded(), invoke.why_over()), (Some(error.clone()), error));
    // The first attempt was cut short, and did not fail by itself.
    drop(first);
    assert_eq!(invoke.trail().first().map(|attempt| attempt.outcome), Some(Outcome::Cancelled));
}

/// A module may still ask, for a few seconds: it counts what an answer cost when the caller has it.
#[test]
fn a_module_that_watches_sees_the_attempts_of_its_call_after_the_caller_has_the_answer() {
    let (invoke, line) = (invoke(9), Line::after(None));
    for line in [Some(&line), None] {
        drop(invoke.start_attempt("p", "m", None, None, line));
    }
    assert_eq!(invoke.trail().len(), 2);
    assert_eq!((invoke.attempts(&line, 0).len(), invoke.attempt_count(&line)), (1, 1));
}
