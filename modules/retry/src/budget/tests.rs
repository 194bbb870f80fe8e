use std::{rc::Rc, time::Duration};

use arcllm_module::{
    Amount, Module as _, Seconds,
    testing::{World, api, text},
};
use proptest::prelude::*;

use super::*;
use crate::Retry;

const FIFTH: u64 = RETRY / 5;

fn add(earned: &mut Earned, second: u64, calls: u64) {
    (0..calls).for_each(|_| earned.add(second, FIFTH));
}

#[test]
fn five_calls_earn_a_retry_for_ten_seconds() {
    let mut earned = Earned::default();
    add(&mut earned, 100, 4);
    assert!(!earned.take(100));
    add(&mut earned, 105, 6);
    assert!(earned.take(109));
    // One share is left, of second 105.
    add(&mut earned, 109, 1);
    assert!(earned.take(114));
    assert!(!earned.take(114));
    add(&mut earned, 114, 5);
    assert!(!earned.take(124));
    assert!(earned.seconds.is_empty());
}

#[test]
fn earnings_neither_overflow_nor_pile_up() {
    let mut earned = Earned::default();
    (0..100_000_u64).for_each(|second| earned.add(second, u64::MAX));
    assert!(earned.seconds.len() <= 10);
    assert!(!earned.take(u64::MAX - 1) && earned.seconds.is_empty());
}

proptest! {
    /// Each retry that is spent was earned once, within the last ten seconds.
    #[test]
    fn nothing_is_spent_that_was_not_earned_in_the_last_ten_seconds(
        steps in prop::collection::vec((0u64..4, any::<bool>()), 1..300),
    ) {
        let (mut earned, mut now) = (Earned::default(), 0);
        let (mut calls, mut retries) = (Vec::new(), Vec::new());
        for (pause, is_call) in steps {
            now += pause;
            if is_call {
                earned.add(now, FIFTH);
                calls.push(now);
            } else if earned.take(now) {
                retries.push(now);
            }
            for from in 0..=now {
                let late = retries.iter().filter(|at| **at >= from).count() as u64 * RETRY;
                let paid = calls.iter().filter(|at| **at + KEPT > from).count() as u64 * FIFTH;
                prop_assert!(late <= paid, "from second {}: {} of {}", from, late, paid);
            }
        }
    }
}

fn settings(budget_ratio: f64, budget_min_per_second: f64) -> Settings {
    Settings {
        budget_ratio: Amount::new(budget_ratio),
        budget_min_per_second: Amount::new(budget_min_per_second),
        backoff_base_seconds: Seconds::new(0.1),
        ..Settings::default()
    }
}

/// Lets callers each make some calls, one after the other, through instances that share the state. Returns the requests sent.
fn outage(world: &World, settings: &Settings, instances: usize, callers: usize, calls: usize) -> usize {
    let instances: Vec<_> = (0..instances).map(|_| Rc::new(Retry::new(settings.clone()))).collect();
    let asking = (0..callers).map(|caller| {
        let retry = instances[caller % instances.len()].clone();
        async move {
            for _ in 0..calls {
                let outcome = retry.invoke(world.request("Hi")).await;
                assert!(matches!(outcome, Err(arcllm_module::Error::Api(error)) if error.status == 503), "unchanged");
            }
        }
    });
    world.run_all(asking);
    world.asked().len()
}

fn down() -> World {
    World::new().answers([Err(api(503))]).answers_after(Duration::from_millis(200))
}

#[test]
fn an_outage_does_not_multiply_what_is_asked() {
    for (instances, state) in [(1, 0), (4, 0), (4, 5)] {
        let world = down().state_after(Duration::from_millis(state));
        let asked = outage(&world, &settings(0.2, 10.0), instances, 40, 25) as f64;
        let (calls, seconds) = (40.0 * 25.0, world.now().as_secs_f64());
        let most = calls * 1.2 + 10.0 * (seconds + 1.0);
        assert!(asked <= most, "{instances} instances: {asked} of {most} in {seconds} s");
        assert!(asked >= calls * 1.2, "{instances} instances: only {asked} in {seconds} s");
        let lines = world.logged().len();
        assert!((1..=instances * (seconds as usize / 10 + 1)).contains(&lines), "{lines} lines in {seconds} s");
    }
}

#[test]
fn each_part_of_the_budget_can_be_zero() {
    let asked = |ratio, per_second| {
        let world = down();
        let asked = outage(&world, &settings(ratio, per_second), 2, 20, 10);
        (asked, world.now().as_secs_f64())
    };
    assert_eq!(asked(0.0, 0.0).0, 200);
    let (earned, _) = asked(0.5, 0.0);
    assert!((290..=300).contains(&earned), "{earned}");
    let (unearned, seconds) = asked(0.0, 2.0);
    let retries = (unearned - 200) as f64;
    assert!(retries >= 2.0 && retries <= 2.0 * (seconds + 1.0), "{retries} in {seconds} s");
}

#[test]
fn a_failed_call_in_a_quiet_program_is_tried_again_and_a_good_one_does_not_use_the_state() {
    let world = World::new().answers([Err(api(503)), Err(api(503)), Err(api(503)), Ok(text("Hello"))]);
    let retry = Retry::new(Settings::default());
    world.run(retry.invoke(world.request("Hi"))).unwrap();
    assert_eq!((world.asked().len(), world.logged().len()), (4, 0));
    let operations = world.state_operations();
    world.run(retry.invoke(world.request("Hi"))).unwrap();
    assert_eq!(world.state_operations(), operations);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn attempts_stay_within_the_budget(
        ratio in 0.0..2.0_f64,
        per_second in prop_oneof![Just(0.0), 0.1..50.0_f64],
        instances in 1_usize..4,
        callers in 1_usize..12,
        calls in 1_usize..12,
        state in 0_u64..40,
    ) {
        let world = down().state_after(Duration::from_millis(state));
        let asked = outage(&world, &settings(ratio, per_second), instances, callers, calls) as f64;
        let calls = (callers * calls) as f64;
        let burst = if per_second > 0.0 { per_second.max(1.0) } else { 0.0 };
        let most = calls * (1.0 + ratio) + per_second * world.now().as_secs_f64() + burst;
        prop_assert!(asked <= most + 1e-6, "{} of {}", asked, most);
    }
}
