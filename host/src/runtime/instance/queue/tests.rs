use std::sync::Arc;

use tokio::sync::oneshot;

use super::*;
use crate::runtime::instance::stage::{Inner, hop};

fn job(content: usize) -> (Job, oneshot::Receiver<crate::runtime::instance::error::ServeResult>) {
    let (reply, outcome) = oneshot::channel();
    (Job { request: Arc::default(), hop: hop(Inner::new()), reply, content, alone: false }, outcome)
}

/// Serves `most` calls, and returns which.
fn serve(queue: &Queue, most: usize) -> Vec<usize> {
    let mut served = Vec::new();
    queue.serve(|job| {
        if served.len() >= most {
            return Err(job);
        }
        served.push(job.content);
        Ok(())
    });
    served
}

#[tokio::test]
async fn first_come_first_served_until_one_comes_back() {
    let queue = Queue::new("m".into());
    let outcomes: Vec<_> = (0..4)
        .map(|number| {
            let (job, outcome) = job(number);
            assert!(queue.push(job, 10).is_ok());
            outcome
        })
        .collect();
    assert_eq!((serve(&queue, 2), queue.is_empty()), (vec![0, 1], false));
    assert_eq!((serve(&queue, 9), queue.is_empty()), (vec![2, 3], true));
    drop(outcomes);
}

#[tokio::test]
async fn abandoned_calls_take_no_place() {
    let queue = Queue::new("m".into());
    for _ in 0..10 {
        // Its caller is gone at once.
        assert!(queue.push(job(0).0, 2).is_ok());
    }
    let (first, _first) = job(1);
    let (second, _second) = job(2);
    let (third, _third) = job(3);
    assert!(queue.push(first, 2).is_ok() && queue.push(second, 2).is_ok());
    assert!(queue.push(third, 2).is_err());
    assert_eq!(serve(&queue, 9), [1, 2]);
}

#[tokio::test]
async fn room_that_appears_during_serving_is_used() {
    let queue = Queue::new("m".into());
    let (job, _outcome) = job(0);
    assert!(queue.push(job, 10).is_ok());
    let mut looked = 0;
    queue.serve(|job| {
        looked += 1;
        if looked == 1 {
            // Room is made right after none was found.
            queue.serve(|_| panic!("another thread serves already"));
            return Err(job);
        }
        Ok(())
    });
    assert_eq!((looked, queue.is_empty()), (2, true));
}
