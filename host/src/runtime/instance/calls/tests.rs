use proptest::prelude::*;
use tokio::sync::oneshot::Receiver;

use super::*;
use crate::{
    config::sandbox::Sandbox,
    runtime::instance::stage::{Inner, hop},
};

fn policy(calls: u32, content: usize) -> InstancePolicy {
    InstancePolicy { content, ..InstancePolicy::new(&Sandbox::default(), calls, 1024, false) }
}

fn job(content: usize, alone: bool) -> (Job, Receiver<ServeResult>) {
    let (reply, outcome) = oneshot::channel();
    (Job { request: Arc::default(), hop: hop(Inner::new()), reply, content, alone }, outcome)
}

fn takes(calls: &mut Calls, content: usize, alone: bool) -> bool {
    matches!(calls.take(job(content, alone).0), Admission::Seat { .. })
}

#[tokio::test]
async fn large_content_gets_an_empty_instance() {
    let mut calls = Calls::new(policy(10, 100));
    assert!(takes(&mut calls, 500, false), "one call may have more");
    assert!(!takes(&mut calls, 1, false));
    calls.start().unwrap();
    assert!(!takes(&mut calls, 1, false));
    calls.leave(0);
    assert!(takes(&mut calls, 60, false) && takes(&mut calls, 40, false));
    assert!(!takes(&mut calls, 1, false));
}

#[tokio::test]
async fn a_call_that_must_be_alone_shares_no_instance() {
    let mut calls = Calls::new(policy(10, 100));
    assert!(takes(&mut calls, 0, false));
    assert!(!takes(&mut calls, 0, true), "it has another call");
    let mut calls = Calls::new(policy(10, 100));
    assert!(takes(&mut calls, 0, true));
    assert!(!takes(&mut calls, 0, false), "it takes no other call from then on");
    calls.start().unwrap();
    assert!(calls.leave(0).is_over);
    assert!(!takes(&mut calls, 0, false));
}

#[tokio::test]
async fn a_closed_instance_answers_begun_calls_and_gives_back_the_others() {
    let mut calls = Calls::new(policy(3, 100));
    let (jobs, mut outcomes): (Vec<_>, Vec<_>) = (0..3).map(|_| job(10, false)).unzip();
    jobs.into_iter().for_each(|job| assert!(matches!(calls.take(job), Admission::Seat { .. })));
    calls.start().unwrap();
    let rest = calls.end(&InstanceError::new("it ended"));
    assert_eq!(rest.len(), 2);
    assert!(outcomes[0].try_recv().unwrap().is_err());
    assert!(outcomes[1].try_recv().is_err(), "it goes to another instance");
    assert!(calls.is_over() && !takes(&mut calls, 0, false));
}

#[derive(Debug, Clone)]
enum Step {
    Take(usize),
    Begin,
    Leave(usize),
    GiveBack,
    GiveUp(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..60_usize).prop_map(Step::Take),
        3 => Just(Step::Begin),
        2 => (0..4_usize).prop_map(Step::Leave),
        1 => Just(Step::GiveBack),
        1 => (0..8_usize).prop_map(Step::GiveUp),
    ]
}

proptest! {
    /// In every sequence of steps, an instance has at most as many calls as may share it, takes calls again as soon as
    /// it has room, and is over only when nobody waits for it.
    #[test]
    fn calls_are_counted_right(steps in proptest::collection::vec(step(), 0..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let _inside = runtime.enter();
        let mut calls = Calls::new(policy(3, 100));
        // The model of its calls, in the order of taking: the content of each call that waits, and key and content of
        // each begun call.
        let (mut waiting, mut begun): (VecDeque<usize>, Vec<(usize, usize)>) = Default::default();
        let mut outcomes = Vec::new();
        for step in steps {
            let content = waiting.iter().sum::<usize>() + begun.iter().map(|(_, content)| content).sum::<usize>();
            let all = waiting.len() + begun.len();
            match step {
                Step::Take(bytes) => {
                    let (job, outcome) = job(bytes, false);
                    match calls.take(job) {
                        Admission::Seat { last } => {
                            prop_assert!(all < 3 && (all == 0 || content + bytes <= 100));
                            prop_assert_eq!(last, all == 2);
                            waiting.push_back(bytes);
                            outcomes.push(outcome);
                        }
                        Admission::Closed(_) => prop_assert_eq!(all, 3),
                        Admission::Unfit(_) => prop_assert!(all > 0 && content + bytes > 100),
                    }
                }
                Step::Begin => match calls.start() {
                    Some(call) => begun.push((call.key, waiting.pop_front().unwrap())),
                    None => prop_assert!(waiting.is_empty()),
                },
                Step::Leave(at) if at < begun.len() => {
                    let left = calls.leave(begun.remove(at).0);
                    prop_assert_eq!(left.reopened, all == 3);
                    prop_assert_eq!(left.is_idle, all == 1);
                    prop_assert!(!left.is_over);
                }
                Step::GiveBack => {
                    let (given, reopened) = calls.give_back();
                    prop_assert_eq!(given.len(), waiting.len());
                    prop_assert_eq!(reopened, all == 3 && !waiting.is_empty());
                    waiting.clear();
                }
                Step::GiveUp(at) if at < outcomes.len() => drop(outcomes.remove(at)),
                Step::Leave(_) | Step::GiveUp(_) => {}
            }
        }
        calls.close();
        let is_over = calls.is_over();
        prop_assert!(!is_over || waiting.is_empty());
    }
}
