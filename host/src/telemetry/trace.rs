//! The trace that a call belongs to, which other processes continue: W3C Trace Context, version 00
//! (<https://www.w3.org/TR/trace-context/>).

use std::fmt;

use rand::{Rng as _, SeedableRng as _, rngs::SmallRng};

/// Keeps these random numbers apart from those that modules draw: a trace must not change a seeded run.
const APART: u64 = 0x7472_6163_6570_6172;

/// The trace of an invoke.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Trace {
    id: u128,
    flags: u8,
    /// The seed for the numbers of its attempts.
    seed: u64,
}

impl Trace {
    /// The trace of the caller's `traceparent`, or a new one. Its numbers depend on `seed` and `number` alone.
    ///
    /// # Errors
    ///
    /// What is wrong with the `traceparent`.
    pub(crate) fn of_invoke(seed: u64, number: u64, caller: Option<&str>) -> Result<Self, String> {
        let seed = seed ^ APART ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        if let Some(text) = caller {
            let (id, flags) = parse(text).ok_or_else(|| {
                let example = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
                format!("the option `traceparent` is not valid: it takes W3C Trace Context, version 00, such as \"{example}\"")
            })?;
            return Ok(Self { id, flags, seed });
        }
        let mut random = SmallRng::seed_from_u64(seed);
        let id = u128::from(random.next_u64()) << 64 | u128::from(random.next_u64().max(1));
        // A host that propagates traces records them.
        Ok(Self { id, flags: 1, seed })
    }

    /// The attempt with this number, counted from zero.
    pub(crate) fn attempt(&self, number: usize) -> TraceParent {
        let number = (number as u64).wrapping_add(1);
        let mut random = SmallRng::seed_from_u64(self.seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        TraceParent { trace: *self, span: random.next_u64().max(1) }
    }

    /// The number of the trace, as logs and headers write it.
    pub(crate) fn id(&self) -> String {
        format!("{:032x}", self.id)
    }
}

/// An attempt in its trace. It displays as the header `traceparent`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TraceParent {
    trace: Trace,
    span: u64,
}

tokio::task_local! {
    /// The attempt that the current task makes.
    static ATTEMPT: TraceParent;
}

impl TraceParent {
    /// The number of the trace.
    pub(crate) fn trace_id(&self) -> String {
        self.trace.id()
    }

    /// The number of the attempt.
    pub(crate) fn span_id(&self) -> String {
        format!("{:016x}", self.span)
    }

    /// The attempt that the current task makes, if the provider is to be told of it.
    pub(crate) fn current() -> Option<Self> {
        ATTEMPT.try_with(|attempt| *attempt).ok()
    }

    /// Runs a future for the attempt. Pass the value of [`current`](Self::current) to tasks that the adapter spawns.
    pub(crate) async fn cover<F: Future>(attempt: Option<Self>, doing: F) -> F::Output {
        match attempt {
            Some(attempt) => ATTEMPT.scope(attempt, doing).await,
            None => doing.await,
        }
    }
}

impl fmt::Display for TraceParent {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "00-{:032x}-{:016x}-{:02x}", self.trace.id, self.span, self.trace.flags)
    }
}

/// Reads the trace and the flags of a `traceparent`. All zeros are not valid.
fn parse(text: &str) -> Option<(u128, u8)> {
    let mut parts = text.split('-');
    let mut part = |length: usize| {
        let part = parts.next().filter(|part| part.len() == length)?;
        let is_hex = part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        is_hex.then(|| u128::from_str_radix(part, 16).ok()).flatten()
    };
    let (version, id, span, flags) = (part(2)?, part(32)?, part(16)?, part(2)?);
    let is_valid = version == 0 && id != 0 && span != 0 && parts.next().is_none();
    is_valid.then_some((id, u8::try_from(flags).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_trace_depends_on_seed_and_number() {
        let trace = |number| Trace::of_invoke(7, number, None).unwrap();
        assert_eq!(trace(1), trace(1));
        assert_ne!(trace(1).id, trace(2).id);
        let [first, second] = [0, 1].map(|number| trace(1).attempt(number));
        assert_eq!(first, trace(1).attempt(0));
        assert_ne!(first.span, second.span);
        assert_eq!(parse(&first.to_string()), Some((trace(1).id, 1)));
        assert_eq!(first.to_string(), format!("00-{}-{}-01", first.trace_id(), first.span_id()));
    }

    #[test]
    fn the_trace_of_the_caller_goes_on() {
        let text = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";
        let [one, other] = [1, 2].map(|number| Trace::of_invoke(7, number, Some(text)).unwrap());
        assert_eq!((one.id, one.flags), (0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736, 0));
        assert_ne!(one.attempt(0).span, other.attempt(0).span, "two invokes of one trace");
    }

    #[test]
    fn a_traceparent_that_is_not_valid_is_refused() {
        for text in [
            "",
            "00",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-+bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-1\n",
        ] {
            assert!(Trace::of_invoke(7, 1, Some(text)).is_err(), "{text}");
        }
    }
}
