//! Each limit of the sandbox ends the call with an error that names the limit, and the next call works.

use std::{sync::Arc, time::Duration};

use arcllm::{Config, Host, Overrides};

use crate::{
    sandbox::stage::{FAULTS, Pair, ask, asking, limit},
    support::Provider,
};

#[tokio::test]
async fn each_limit_ends_the_call_with_its_name_and_the_next_call_works() {
    for when in ["before", "after"] {
        for shared in [1, 10] {
            for (fault, setting, expected) in FAULTS {
                let fault = format!("fault = \"{fault}\"\nwhen = \"{when}\"");
                let sandbox = format!("max_concurrent = {shared}\n{setting}");
                let pair = Pair::load(&Arc::new(Provider::open()), &fault, &sandbox).await;
                for _ in 0..2 {
                    let error = ask(&pair.bad).await.unwrap_err();
                    assert_eq!(limit(&error).as_deref(), expected, "{fault} {sandbox}: {error}");
                    assert_eq!(error.trail.len(), usize::from(when == "after"), "{fault}");
                    ask(&pair.good).await.unwrap();
                }
            }
        }
    }
}

#[tokio::test]
async fn the_default_limits_hold() {
    // Those that are reached in less than a second. One call has too little memory to reach `hostcall_mb`.
    for (fault, setting, expected) in FAULTS {
        let left_out = ["cpu_seconds = 0.2", "stall_seconds = 0.5", "log_kb_per_second = 1", "hostcall_mb = 2"];
        if left_out.contains(&setting) {
            continue;
        }
        let pair = Pair::load(&Arc::new(Provider::open()), &format!("fault = \"{fault}\""), "max_concurrent = 1").await;
        assert_eq!(limit(&ask(&pair.bad).await.unwrap_err()).as_deref(), expected, "{fault}");
        ask(&pair.good).await.unwrap();
    }
}

#[tokio::test]
async fn tables_are_limited() {
    let config = "[modules.retry]\nenabled = true\n[modules.retry.sandbox]\nmax_concurrent = 1\ntable_elements = 1\n";
    let host =
        Host::builder().config(Config::parse(config, None).unwrap()).adapter("a", "m", Arc::new(Provider::open()));
    let error = host.build().unwrap().load_model("a", Overrides::new()).await.unwrap_err().to_string();
    assert!(error.contains("failed to start") && error.contains("table_elements"), "{error}");
}

/// On one thread: a guest that never yielded would keep all others from running.
#[tokio::test(flavor = "current_thread")]
async fn a_guest_that_spins_does_not_hold_up_the_others() {
    let pair =
        Pair::load(&Arc::new(Provider::open()), "fault = \"spin\"", "max_concurrent = 1\ncpu_seconds = 60").await;
    let spinning = asking(&pair.bad);
    tokio::task::yield_now().await;
    for _ in 0..5 {
        ask(&pair.good).await.unwrap();
    }
    assert!(!spinning.is_finished(), "it spins on beside them");
    spinning.abort();
}

/// Far more time passes than the guest may compute.
#[tokio::test]
async fn waiting_for_an_answer_uses_no_cpu_seconds() {
    let provider = Arc::new(Provider::closed());
    let pair = Pair::load(&provider, "", "max_concurrent = 1\ncpu_seconds = 0.3").await;
    let waiting = asking(&pair.good);
    provider.wait_until_asked(1).await;
    tokio::time::sleep(Duration::from_millis(900)).await;
    provider.let_answer(1);
    waiting.await.unwrap().unwrap();
}

/// On virtual time.
#[tokio::test(start_paused = true)]
async fn waiting_for_an_answer_is_no_stall() {
    let provider = Arc::new(Provider::open().taking(Duration::from_secs(50)));
    let pair = Pair::load(&provider, "", "max_concurrent = 1\nstall_seconds = 5").await;
    assert_eq!(ask(&pair.good).await.unwrap().trail[0].took, Duration::from_secs(50));
}
