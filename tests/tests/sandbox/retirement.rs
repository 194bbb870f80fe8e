//! When an instance ends and when another begins, as the gauge of instances tells.

use std::{sync::Arc, time::Duration};

use arcllm::Host;
use futures::future::join_all;

use crate::{
    sandbox::patient::{ask, asking, load, patient},
    scene::soon,
    support::{Folder, Instances, Provider},
};

/// A host whose provider answers at once, and the folder of its module.
fn host(sandbox: &str) -> (Folder, Host) {
    patient(&Arc::new(Provider::open()), sandbox)
}

#[test]
fn an_instance_ends_when_it_has_used_half_of_its_memory() {
    // Of 1000 calls, which have the memory of 8 together.
    for (sandbox, less, more) in [("max_concurrent = 1", 20, 40), ("max_concurrent = 1000\nmemory_mb = 32", 90, 140)] {
        Instances::count("patient", async |instances| {
            let (_folder, host) = host(sandbox);
            let model = load(&host).await;
            ask(&model, format!("take {less}")).await.unwrap();
            ask(&model, format!("take {more}")).await.unwrap();
            assert_eq!(instances.begun(), 1, "{sandbox}: {less} MB are no reason to end it");
            instances.wait_until_running(0).await;
            ask(&model, "at once").await.unwrap();
            assert_eq!((instances.begun(), instances.running()), (2, 1));
        });
    }
}

#[test]
fn an_instance_ends_after_retire_after_calls() {
    Instances::count("patient", async |instances| {
        let (_folder, host) = host("retire_after_calls = 3\nmax_concurrent = 2\nmax_instances = 1");
        let model = load(&host).await;
        for call in 0..12 {
            ask(&model, "at once").await.unwrap();
            assert_eq!(instances.begun(), 1 + call / 3, "after {} calls", call + 1);
        }
        // Side by side as well: another begins while the last calls of the one before are served.
        for ended in join_all((0..30).map(|_| asking(&model, "at once"))).await {
            ended.unwrap().unwrap();
        }
        // On a busy machine a call that an instance has taken, and not begun with, may move to another. It counts for both, so
        // the last instance may have served fewer calls.
        soon(async {
            while instances.running() > 1 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
        .await;
        let begun = instances.begun();
        assert!((14..=24).contains(&begun), "{begun} instances for 42 calls");
    });
}

#[test]
fn an_instance_ends_when_it_idles() {
    Instances::count("patient", async |instances| {
        let (_folder, host) = host("retire_after_idle_seconds = 0.02");
        let model = load(&host).await;
        for begun in 1..=3 {
            ask(&model, "at once").await.unwrap();
            assert_eq!(instances.begun(), begun);
            instances.wait_until_running(0).await;
        }
    });
}

#[test]
fn a_fresh_instance_serves_one_call() {
    Instances::count("patient", async |instances| {
        let (_folder, host) = host("fresh = true\nmax_instances = 4");
        let model = load(&host).await;
        for ended in join_all((0..50).map(|_| asking(&model, "at once"))).await {
            ended.unwrap().unwrap();
        }
        assert_eq!(instances.begun(), 50);
        instances.wait_until_running(0).await;
    });
}

#[test]
fn no_more_than_max_instances_run_and_other_calls_wait() {
    Instances::count("patient", async |instances| {
        let provider = Arc::new(Provider::closed());
        let (_folder, host) = patient(&provider, "max_instances = 3");
        let model = load(&host).await;
        let calls: Vec<_> = (0..10).map(|_| asking(&model, "at once")).collect();
        provider.wait_until_asked(3).await;
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        assert_eq!((provider.asked(), instances.running()), (3, 3));
        provider.let_answer(10);
        for ended in join_all(calls).await {
            ended.unwrap().unwrap();
        }
        assert_eq!((provider.asked(), instances.begun()), (10, 3));
    });
}
