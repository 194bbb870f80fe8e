//! What a trap ends, and what it does not.

use std::sync::Arc;

use futures::future::join_all;

use crate::{
    sandbox::stage::{FAULTS, Pair, ask, asking, limit},
    support::Provider,
};

#[tokio::test]
async fn a_trap_ends_the_calls_of_its_instance_and_no_others() {
    let provider = Arc::new(Provider::closed());
    let pair = Pair::load(&provider, "fault = \"trap\"", "max_concurrent = 3\nmax_instances = 2").await;
    let calls: Vec<_> = (0..5).map(|_| asking(&pair.good)).collect();
    provider.wait_until_asked(5).await;
    // Five share two instances: three fill the first, and this one comes third into the second.
    let error = ask(&pair.bad).await.unwrap_err();
    assert_eq!(limit(&error), None);
    assert!(!error.to_string().contains("shared"), "it was served again, alone: {error}");
    provider.let_answer(5);
    let ended: Vec<_> = join_all(calls).await.into_iter().map(Result::unwrap).collect();
    let taken_along: Vec<_> = ended.iter().filter_map(|ended| ended.as_ref().err()).collect();
    assert_eq!(taken_along.len(), 2, "{ended:?}");
    for error in taken_along {
        assert_eq!(limit(error), None);
        assert!(error.to_string().contains("3 calls shared the instance"), "{error}");
    }
    ask(&pair.good).await.unwrap();
}

#[tokio::test]
async fn the_error_says_if_another_call_was_at_fault() {
    let provider = Arc::new(Provider::closed());
    let pair =
        Pair::load(&provider, "fault = \"spin\"", "max_concurrent = 2\nmax_instances = 1\ncpu_seconds = 0.2").await;
    let taken_along = asking(&pair.good);
    provider.wait_until_asked(1).await;
    let (culprit, other) = (ask(&pair.bad).await.unwrap_err(), taken_along.await.unwrap().unwrap_err());
    assert!(!culprit.to_string().contains("in another call"), "{culprit}");
    assert!(other.to_string().contains("(cpu_seconds), in another call"), "{other}");
}

#[tokio::test]
async fn a_call_that_the_guest_has_not_begun_moves_to_another_instance() {
    let pair =
        Pair::load(&Arc::new(Provider::open()), "fault = \"spin\"", "max_concurrent = 2\ncpu_seconds = 0.3").await;
    let spinning = asking(&pair.bad);
    tokio::task::yield_now().await;
    // The instance that spins has room for this call, but no time.
    ask(&pair.good).await.unwrap();
    assert_eq!(limit(&spinning.await.unwrap().unwrap_err()).as_deref(), Some("cpu_seconds"));
}

#[tokio::test]
async fn bypass_applies_only_before_the_module_has_asked() {
    for (fault, setting, expected) in FAULTS {
        let sandbox = format!("on_trap = \"bypass\"\nmax_concurrent = 1\n{setting}");
        let provider = Arc::new(Provider::open());
        let before = Pair::load(&provider, &format!("fault = \"{fault}\"\nwhen = \"before\""), &sandbox).await;
        let answer = ask(&before.bad).await.unwrap();
        assert_eq!((answer.text().as_deref(), answer.trail.len(), provider.asked()), (Some("Hello."), 1, 1), "{fault}");
        assert_eq!(answer.trail[0].asked_by, None, "its inner was asked in its stead");

        let provider = Arc::new(Provider::open());
        let after = Pair::load(&provider, &format!("fault = \"{fault}\"\nwhen = \"after\""), &sandbox).await;
        let error = ask(&after.bad).await.unwrap_err();
        assert_eq!((limit(&error).as_deref(), provider.asked()), (expected, 1), "{fault}");
    }
}

#[tokio::test]
async fn bypass_does_not_apply_to_errors_of_the_module() {
    let provider = Arc::new(Provider::open());
    let pair = Pair::load(&provider, "fault = \"error\"\nerror = \"module\"", "on_trap = \"bypass\"").await;
    ask(&pair.bad).await.unwrap_err();
    assert_eq!(provider.asked(), 0);
}

/// On virtual time.
#[tokio::test(start_paused = true)]
async fn a_call_that_stalls_ends_alone() {
    let provider = Arc::new(Provider::closed());
    let pair =
        Pair::load(&provider, "fault = \"hang\"", "max_concurrent = 2\nmax_instances = 1\nstall_seconds = 5").await;
    let neighbour = asking(&pair.good);
    provider.wait_until_asked(1).await;
    assert_eq!(limit(&ask(&pair.bad).await.unwrap_err()).as_deref(), Some("stall_seconds"));
    provider.let_answer(1);
    neighbour.await.unwrap().unwrap();
}
