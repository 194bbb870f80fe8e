use arcllm_module::{
    Count, Seconds, clock,
    testing::{World, api},
    types::Failure,
};
use proptest::prelude::*;

use super::*;
use crate::circuit::{Circuit, Pass};

const SECOND: u64 = 1_000_000_000;

/// Three failures within ten seconds open the circuit for five seconds.
fn policy(probes: u32) -> Policy {
    Policy::new(Settings {
        failures: Count::new(3),
        window_seconds: Seconds::new(10.0),
        open_seconds: Seconds::new(5.0),
        probes: Count::new(probes),
        ..Settings::default()
    })
}

/// A provider, and what is kept about it.
struct Kept {
    policy: Policy,
    world: World,
    circuit: Circuit,
}

impl Kept {
    fn new(probes: u32) -> Self {
        Self { policy: policy(probes), world: World::new(), circuit: Circuit::new("a", "m") }
    }

    /// Waits until this time, and asks whether a call may ask.
    fn pass(&self, at: u64) -> Pass {
        self.world.run(async {
            clock::wait_until(Duration::from_nanos(at)).await;
            self.circuit.pass(&self.policy).await.unwrap()
        })
    }

    fn ended(&self, pass: &Pass, sign: Sign, at: u64) {
        self.world.run(async {
            clock::wait_until(Duration::from_nanos(at)).await;
            self.circuit.ended(&self.policy, pass, sign).await.unwrap();
        });
    }

    fn call(&self, sign: Sign, at: u64) -> Pass {
        let pass = self.pass(at);
        self.ended(&pass, sign, at);
        pass
    }

    fn open(probes: u32) -> Self {
        let kept = Self::new(probes);
        for _ in 0..3 {
            kept.call(Sign::Failed, 0);
        }
        kept
    }

    fn failures(&self) -> Option<Vec<u8>> {
        self.world.value("failures/a")
    }
}

fn asks(pass: &Pass) -> bool {
    matches!(pass, Pass::Ask { .. })
}

fn probes(pass: &Pass) -> bool {
    matches!(pass, Pass::Probe { .. })
}

fn refused(wait: u64) -> Pass {
    Pass::Refused { wait, cooldown: None }
}

#[test]
fn it_opens_after_failures_in_a_row_looks_and_closes() {
    let kept = Kept::new(1);
    for at in 0..3 {
        assert!(asks(&kept.call(Sign::Failed, at * SECOND)));
    }
    assert_eq!(kept.pass(2 * SECOND), refused(5 * SECOND));
    assert_eq!(kept.pass(6 * SECOND), refused(SECOND));
    let probe = kept.pass(7 * SECOND);
    assert!(probes(&probe));
    assert_eq!(kept.pass(8 * SECOND), refused(4 * SECOND));
    kept.ended(&probe, Sign::Failed, 9 * SECOND);
    assert_eq!(kept.pass(10 * SECOND), refused(4 * SECOND));
    assert!(probes(&kept.call(Sign::Alive, 14 * SECOND)));
    assert_eq!(kept.call(Sign::Alive, 14 * SECOND), Pass::Ask { failures: 0 });
}

#[test]
fn a_success_or_a_pause_ends_the_row() {
    let kept = Kept::new(1);
    for sign in [Sign::Failed, Sign::Failed, Sign::Alive, Sign::Failed, Sign::Failed] {
        assert!(asks(&kept.call(sign, 0)));
    }
    assert!(asks(&kept.call(Sign::None, 0)));
    assert_eq!(kept.failures().as_deref(), Some(&b"2"[..]));
    assert!(asks(&kept.call(Sign::Failed, 11 * SECOND)));
    assert_eq!(kept.failures().as_deref(), Some(&b"1"[..]));
}

/// The window is counted from the last failure.
#[test]
fn failures_that_are_less_than_a_window_apart_are_a_row() {
    let kept = Kept::new(1);
    for at in [0, 8, 16] {
        assert!(asks(&kept.call(Sign::Failed, at * SECOND)));
    }
    assert_eq!(kept.pass(16 * SECOND), refused(5 * SECOND));
}

#[test]
fn calls_that_were_under_way_when_it_opened_do_not_keep_it_open() {
    let kept = Kept::new(1);
    let under_way: Vec<Pass> = (0..20).map(|_| kept.pass(0)).collect();
    for (at, pass) in (0..).zip(&under_way) {
        kept.ended(pass, Sign::Failed, at * SECOND / 10);
    }
    assert!(probes(&kept.pass(SECOND / 5 + 5 * SECOND)));
}

#[test]
fn a_probe_without_a_result_makes_room_for_the_next() {
    let kept = Kept::open(1);
    let gone = kept.pass(5 * SECOND);
    assert!(probes(&gone));
    assert_eq!(kept.pass(9 * SECOND), refused(SECOND));
    let next = kept.pass(10 * SECOND);
    assert!(probes(&next));
    // It fails after all, which no longer counts.
    kept.ended(&gone, Sign::Failed, 10 * SECOND);
    assert_eq!(kept.pass(10 * SECOND), refused(5 * SECOND));
    kept.ended(&next, Sign::None, 10 * SECOND);
    assert!(probes(&kept.pass(10 * SECOND)));
}

#[test]
fn a_probe_that_took_long_closes_the_circuit_if_no_other_has_failed_since() {
    let kept = Kept::open(1);
    let (long, next) = (kept.pass(5 * SECOND), kept.pass(10 * SECOND));
    assert!(probes(&long) && probes(&next));
    kept.ended(&long, Sign::Alive, 11 * SECOND);
    assert!(asks(&kept.pass(11 * SECOND)));

    let kept = Kept::open(1);
    let (long, next) = (kept.pass(5 * SECOND), kept.pass(10 * SECOND));
    kept.ended(&next, Sign::Failed, 11 * SECOND);
    kept.ended(&long, Sign::Alive, 12 * SECOND);
    assert_eq!(kept.pass(12 * SECOND), refused(4 * SECOND));
}

#[test]
fn an_unknown_model_holds_back_no_other_model() {
    let kept = Kept::new(1);
    let cooldown = kept.policy.cooldown(&api(404)).unwrap();
    kept.world.run(kept.circuit.cool(cooldown)).unwrap();
    assert_eq!(kept.pass(SECOND), Pass::Refused { wait: 59 * SECOND, cooldown: Some(404) });
    let other = kept.world.run(Circuit::new("a", "other").pass(&kept.policy)).unwrap();
    assert!(asks(&other));
}

#[test]
fn which_errors_are_failures() {
    let policy = policy(1);
    let failure = || Failure::new("", "");
    let unread = || vec![("arcllm.unread".to_owned(), "true".to_owned())];
    assert_eq!(policy.sign(&Error::Parse(Failure { extensions: unread(), ..failure() })), Sign::Alive);
    for error in [api(503), api(529), Error::Connection(failure()), Error::Timeout(failure()), Error::Parse(failure())]
    {
        assert_eq!(policy.sign(&error), Sign::Failed, "{error:?}");
    }
    assert_eq!(policy.sign(&api(429)), Sign::Alive);
    assert_eq!(policy.sign(&api(400)), Sign::Alive);
    for error in [Error::Cancelled, Error::DeadlineExceeded, Error::Config(failure()), Error::Module(failure())] {
        assert_eq!(policy.sign(&error), Sign::None, "{error:?}");
    }
}

proptest! {
    #[test]
    fn there_are_never_more_probes_and_the_circuit_always_closes_again(
        most in 1u32..4,
        steps in prop::collection::vec((0u64..3 * SECOND, 0usize..4, 0usize..3), 1..200),
    ) {
        let kept = Kept::new(most);
        let (mut now, mut under_way) = (0, Vec::new());
        for (pause, step, which) in steps {
            now += pause;
            let sign = [Sign::Alive, Sign::Failed, Sign::None][which];
            match (step, under_way.pop()) {
                (0, Some((pass, _))) => kept.ended(&pass, sign, now),
                (_, before) => {
                    under_way.extend(before);
                    match kept.pass(now) {
                        Pass::Refused { wait, .. } => prop_assert!(0 < wait && wait <= 5 * SECOND),
                        pass => under_way.push((pass, now)),
                    }
                }
            }
            // A probe that is given up makes room, and so does a circuit that has closed.
            let opened = kept.world.value("opened/a");
            let looking = under_way.iter().filter(|(pass, began)| {
                matches!(pass, Pass::Probe { opened: then, .. } if Some(then) == opened.as_ref()) && now - began < 5 * SECOND
            });
            prop_assert!(looking.count() <= most as usize);
        }
        // Once the provider is up again, a call gets through.
        now += 20 * SECOND;
        let pass = kept.pass(now);
        prop_assert!(!matches!(pass, Pass::Refused { .. }), "{pass:?}");
        kept.ended(&pass, Sign::Alive, now);
        prop_assert_eq!(kept.pass(now), Pass::Ask { failures: 0 });
        prop_assert_eq!(kept.world.value("opened/a"), None);
    }
}
