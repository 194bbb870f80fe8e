use arcllm_module::{Count, Seconds, testing::api, types::Failure};
use proptest::prelude::*;

use super::*;

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
    circuit: Option<Circuit>,
}

impl Kept {
    fn new(probes: u32) -> Self {
        Self { policy: policy(probes), circuit: None }
    }

    fn pass(&mut self, now: u64) -> Pass {
        let (pass, changed) = self.policy.pass(self.circuit.as_ref(), now);
        if changed.is_some() {
            self.circuit = changed;
        }
        pass
    }

    fn ended(&mut self, pass: Pass, sign: Sign, now: u64) {
        self.circuit = self.policy.ended(self.circuit.as_ref(), pass, sign, now);
    }

    fn call(&mut self, sign: Sign, now: u64) -> Pass {
        let pass = self.pass(now);
        if !matches!(pass, Pass::Refused(_)) {
            self.ended(pass, sign, now);
        }
        pass
    }
}

#[test]
fn it_opens_after_failures_in_a_row_looks_and_closes() {
    let mut kept = Kept::new(1);
    for at in 0..3 {
        assert_eq!(kept.call(Sign::Failed, at * SECOND), Pass::Ask);
    }
    assert_eq!(kept.pass(2 * SECOND), Pass::Refused(5 * SECOND));
    assert_eq!(kept.pass(6 * SECOND), Pass::Refused(SECOND));
    let probe = kept.pass(7 * SECOND);
    assert_eq!(probe, Pass::Probe(7 * SECOND));
    assert_eq!(kept.pass(8 * SECOND), Pass::Refused(4 * SECOND));
    kept.ended(probe, Sign::Failed, 9 * SECOND);
    assert_eq!(kept.pass(10 * SECOND), Pass::Refused(4 * SECOND));
    assert!(matches!(kept.call(Sign::Alive, 14 * SECOND), Pass::Probe(_)));
    assert_eq!(kept.circuit, None);
}

#[test]
fn a_success_or_a_pause_ends_the_row() {
    let mut kept = Kept::new(1);
    for sign in [Sign::Failed, Sign::Failed, Sign::Alive, Sign::Failed, Sign::Failed] {
        assert_eq!(kept.call(sign, 0), Pass::Ask);
    }
    assert_eq!(kept.call(Sign::None, 0), Pass::Ask);
    assert_eq!(kept.circuit, Some(Circuit::Closed { failures: 2, last: 0 }));
    assert_eq!(kept.call(Sign::Failed, 11 * SECOND), Pass::Ask);
    assert_eq!(kept.circuit, Some(Circuit::Closed { failures: 1, last: 11 * SECOND }));
}

#[test]
fn a_probe_without_a_result_makes_room_for_the_next() {
    let mut kept = Kept { policy: policy(1), circuit: Some(Circuit::Open { until: 0, probes: Vec::new() }) };
    let gone = kept.pass(SECOND);
    assert!(matches!(gone, Pass::Probe(_)));
    assert_eq!(kept.pass(5 * SECOND), Pass::Refused(SECOND));
    let next = kept.pass(6 * SECOND);
    assert!(matches!(next, Pass::Probe(_)));
    // It fails after all, which no longer counts.
    kept.ended(gone, Sign::Failed, 6 * SECOND);
    assert!(matches!(&kept.circuit, Some(Circuit::Open { probes, .. }) if probes.len() == 1));
    kept.ended(next, Sign::None, 6 * SECOND);
    assert!(matches!(kept.pass(6 * SECOND), Pass::Probe(_)));
}

#[test]
fn a_probe_that_took_long_closes_the_circuit_if_no_other_has_failed_since() {
    let circuit = || Some(Circuit::Open { until: 0, probes: Vec::new() });
    let mut kept = Kept { policy: policy(1), circuit: circuit() };
    let long = kept.pass(SECOND);
    let next = kept.pass(6 * SECOND);
    assert!(matches!((long, next), (Pass::Probe(_), Pass::Probe(_))));
    kept.ended(long, Sign::Alive, 7 * SECOND);
    assert_eq!(kept.circuit, None);

    let mut kept = Kept { policy: policy(1), circuit: circuit() };
    let (long, next) = (kept.pass(SECOND), kept.pass(6 * SECOND));
    kept.ended(next, Sign::Failed, 7 * SECOND);
    kept.ended(long, Sign::Alive, 8 * SECOND);
    assert_eq!(kept.pass(8 * SECOND), Pass::Refused(4 * SECOND));
}

#[test]
fn which_errors_are_failures() {
    let policy = policy(1);
    let failure = || Failure::new("", "");
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
        probes in 1u32..4,
        steps in prop::collection::vec((0u64..3 * SECOND, 0usize..4, 0usize..3), 1..200),
    ) {
        let mut kept = Kept::new(probes);
        let (mut now, mut under_way) = (0, Vec::new());
        for (pause, step, which) in steps {
            now += pause;
            let sign = [Sign::Alive, Sign::Failed, Sign::None][which];
            match (step, under_way.pop()) {
                (0, Some(pass)) => kept.ended(pass, sign, now),
                (_, before) => {
                    under_way.extend(before);
                    match kept.pass(now) {
                        Pass::Refused(wait) => prop_assert!(0 < wait && wait <= 5 * SECOND),
                        pass => under_way.push(pass),
                    }
                }
            }
            if let Some(Circuit::Open { probes: looking, .. }) = &kept.circuit {
                let looking = looking.iter().filter(|begun| now.saturating_sub(**begun) < 5 * SECOND).count();
                prop_assert!(looking <= probes as usize);
            }
        }
        // Once the provider is up again, a call gets through.
        now += 20 * SECOND;
        let pass = kept.pass(now);
        prop_assert!(!matches!(pass, Pass::Refused(_)), "{pass:?}");
        kept.ended(pass, Sign::Alive, now);
        prop_assert_eq!(&kept.circuit, &None);
    }
}
