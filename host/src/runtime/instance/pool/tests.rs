use std::time::Duration;

use super::*;
use crate::{
    config::sandbox::Sandbox,
    runtime::instance::stage::{Inner, call, hop, pool},
};

impl Pool {
    /// How many workers of each thread take calls.
    fn open(&self) -> Vec<usize> {
        self.0.open.iter().map(OpenWorkers::len).collect()
    }

    fn count(&self) -> u32 {
        self.0.count.load(Ordering::SeqCst)
    }
}

fn sandbox(max_instances: u32, max_queued: u32) -> Sandbox {
    Sandbox { max_instances, max_queued, ..Sandbox::default() }
}

#[tokio::test]
async fn instances_start_as_calls_need_them_up_to_the_limit() {
    let (pool, inner) = (pool(&sandbox(3, 10), 2).await, Inner::new());
    assert_eq!(pool.count(), 1, "the one that was loaded");
    let mut calls = Vec::new();
    for (asked, instances) in [(1, 1), (2, 1), (3, 2), (4, 2), (5, 3), (6, 3)] {
        calls.push(call(&pool, &inner));
        inner.wait_until_asked(asked).await;
        assert_eq!(pool.count(), instances);
    }
    calls.extend((0..2).map(|_| call(&pool, &inner)));
    tokio::time::sleep(Duration::from_millis(10)).await;
    assert!(!pool.0.queue.is_empty(), "they wait");
    inner.answer(8);
    for ended in calls {
        assert!(ended.await.unwrap().is_ok());
    }
    assert!(pool.0.queue.is_empty());
    assert_eq!(pool.count(), 3);
}

#[tokio::test]
async fn waiting_calls_are_served_in_order_and_a_full_queue_refuses() {
    let (pool, inner) = (pool(&sandbox(1, 2), 1).await, Inner::new());
    let first = call(&pool, &inner);
    inner.wait_until_asked(1).await;
    let (second, third) = (call(&pool, &inner), call(&pool, &inner));
    tokio::task::yield_now().await;
    tokio::task::yield_now().await;
    let refused = call(&pool, &inner).await.unwrap();
    let failed = refused.err().unwrap();
    assert_eq!(failed.limit, Some(Limit::Queued));
    assert!(failed.reason.contains("2 calls wait for an instance already (max_queued)"), "{}", failed.reason);
    inner.answer(2);
    assert!(first.await.unwrap().is_ok() && second.await.unwrap().is_ok());
    inner.wait_until_asked(3).await;
    assert!(!third.is_finished());
    inner.answer(1);
    assert!(third.await.unwrap().is_ok());
}

#[tokio::test]
async fn a_call_that_gave_up_waiting_is_not_served() {
    let (pool, inner) = (pool(&sandbox(1, 2), 1).await, Inner::new());
    let first = call(&pool, &inner);
    inner.wait_until_asked(1).await;
    for _ in 0..5 {
        let given_up = call(&pool, &inner);
        tokio::task::yield_now().await;
        given_up.abort();
        let _ = given_up.await;
    }
    let last = call(&pool, &inner);
    inner.answer(2);
    assert!(first.await.unwrap().is_ok() && last.await.unwrap().is_ok());
    inner.wait_until_asked(2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn threads_have_their_own_instances_and_borrow_at_the_limit() {
    let (pool, inner) = (pool(&sandbox(2, 10), 3).await, Inner::new());
    let calls: Vec<_> = (0..6).map(|_| call(&pool, &inner)).collect();
    // Two instances have room for all calls, from any thread.
    inner.wait_until_asked(6).await;
    assert_eq!(pool.count(), 2);
    inner.answer(6);
    for ended in calls {
        assert!(ended.await.unwrap().is_ok());
    }
    while pool.open().iter().sum::<usize>() < 2 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn instances_end_with_the_pool_and_their_calls_before() {
    let (pool, inner) = (pool(&sandbox(2, 10), 1).await, Inner::new());
    let instances = Arc::downgrade(&pool.0);
    let called = call(&pool, &inner);
    inner.wait_until_asked(1).await;
    drop(pool);
    tokio::task::yield_now().await;
    assert!(instances.strong_count() > 0, "the call has the pool");
    inner.answer(1);
    assert!(called.await.unwrap().is_ok());
    while instances.strong_count() > 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_behind_an_abandoned_one_is_served() {
    let began = tokio::time::Instant::now();
    let (pool, inner) = (pool(&sandbox(1, 10), 10).await, Inner::new());
    let jobs = [true, true, false].map(|gone| {
        let ((reply, outcome), hop) = (oneshot::channel(), hop(inner.clone()));
        if gone {
            hop.close();
        }
        (Job { request: Arc::default(), hop, reply, content: 0, alone: false }, outcome)
    });
    let (jobs, mut outcomes): (Vec<_>, Vec<_>) = jobs.into_iter().unzip();
    // All calls, before the instance is polled.
    jobs.into_iter().for_each(|job| pool.0.hand(job));
    inner.answer(1);
    assert!(outcomes.pop().unwrap().await.unwrap().is_ok());
    assert_eq!(began.elapsed(), Duration::ZERO, "without waiting for the next check");
}

#[tokio::test]
async fn an_idle_instance_makes_room() {
    let (pool, inner) = (pool(&sandbox(2, 10), 1).await, Inner::new());
    assert!(pool.0.give_up_idle());
    assert_eq!(pool.count(), 0);
    assert!(!pool.0.give_up_idle(), "no idle instance is left");
    let called = call(&pool, &inner);
    inner.wait_until_asked(1).await;
    assert!(!pool.0.give_up_idle(), "it has a call");
    inner.answer(1);
    assert!(called.await.unwrap().is_ok());
}
