//! Many calls through retry and fallback while instances trap and callers leave. Each call must end with an answer,
//! with an error of the module that trapped, or cancelled. The trails must match what was sent, and memory must not
//! grow.
//!
//! `cargo xtask soak`. Arguments: the number of calls, the number of calls at once, the seed.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a soak reports, and ends where it cannot go on")]

mod support;

use std::{
    ops::AddAssign,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use arcllm::{Error, ErrorKind, Host, Model, Outcome, Overrides, Response};
use support::{Flaky, Modules, Table, draw, resident_kb, turn};
use tokio::task::JoinSet;

/// The calls of a round. After each round memory is measured.
const ROUND: u64 = 100_000;
/// One call in so many is cancelled.
const GIVEN_UP: u64 = 100;
/// A call that takes longer hangs.
const STUCK: Duration = Duration::from_secs(60);
/// How much memory may grow after the first round: 17 bytes for each of a million calls, and a tenth for what the
/// allocator keeps.
const GROWTH_KB: u64 = 16 << 10;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1).filter_map(|argument| argument.parse::<u64>().ok());
    let [calls, in_flight, seed] = [1_000_000, 256, 1].map(|default| arguments.next().unwrap_or(default));
    let chaos = chaos();
    if chaos.is_none() {
        println!("no module `chaos`: nothing can trap");
    }
    let traps = chaos.is_some();
    let provider = Arc::new(Flaky::new(seed, calls));
    let modules = modules(chaos.as_deref(), in_flight);
    let runtime = support::runtime();
    let host = Host::builder().config(modules.config()).seed(seed).adapter("a", "m", provider.clone());
    let host = host.adapter("b", "m", provider.clone()).build().unwrap();
    let model = runtime.block_on(host.load_model("a", Overrides::new())).unwrap();
    let soak = Arc::new(Soak { model, provider, seed, next: AtomicU64::new(0) });

    let started = Instant::now();
    let (mut tally, mut memory) = (Tally::default(), Vec::new());
    let table = Table::new("calls", &["answers", "traps", "cancelled", "recovered", "attempts", "MB", "calls/s"]);
    let mut done = 0;
    while done < calls {
        done = calls.min(done + ROUND.min(calls.div_ceil(10)));
        tally += runtime.block_on(soak.clone().round(done, in_flight));
        memory.push(resident_kb());
        let Tally { answers, traps, cancelled, healed, attempts, .. } = tally;
        let rate = (done as f64 / started.elapsed().as_secs_f64()) as u64;
        let megabytes = memory.last().unwrap() / 1024;
        let figures = [answers, traps, cancelled, healed, attempts, megabytes, rate];
        table.row(&done.to_string(), &figures.map(|figure| figure.to_string()));
    }
    let problems = [soak.unaccounted(&tally, calls), missing(&tally, calls, traps), growth(&memory)];
    let problems: Vec<String> = problems.into_iter().flatten().collect();
    problems.iter().for_each(|problem| println!("failed: {problem}"));
    if problems.is_empty() {
        println!("all {calls} calls ended as they should, and memory did not grow");
    }
    if problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The module that traps: one just built, or the built-in one.
fn chaos() -> Option<Vec<u8>> {
    let built = std::env::var_os("ARCLLM_TEST_MODULES").map(|folder| std::path::Path::new(&folder).join("chaos.wasm"));
    let built = built.and_then(|file| std::fs::read(file).ok());
    built.or_else(|| arcllm_builtin::find("chaos").map(|module| module.wasm.to_vec()))
}

/// Retry and fallback between two modules that trap: one before it asks, whose traps reach the caller, and one after
/// the answer, from whose traps fallback recovers. These two take one call at a time, so that a trap ends one call.
fn modules(chaos: Option<&[u8]>, in_flight: u64) -> Modules {
    let built_in = |name| arcllm_builtin::find(name).unwrap().wasm;
    let shared = "allow = [\"models\", \"state\"]\nmax_concurrent = 1000";
    let alone = format!("max_concurrent = 1\nmax_instances = {in_flight}");
    let trap = |when: &str| format!("enabled = true\nfault = \"trap\"\nshare = 0.005\nwhen = \"{when}\"");
    // Without a budget, since each call must get its answer.
    let retry = "enabled = true\nmax_retries = 9\nbackoff_base_seconds = 0.001\nmax_wait_seconds = 0.01\n\
                 budget_min_per_second = 1e9";
    let mut modules = Modules::new();
    if let Some(chaos) = chaos {
        modules = modules.with("outer", chaos, &trap("before"), &alone);
    }
    modules = modules.with("retry", built_in("retry"), retry, shared);
    modules = modules.with("fallback", built_in("fallback"), "enabled = true\nchain = [\"a\", \"b\"]", shared);
    match chaos {
        Some(chaos) => modules.with("inner", chaos, &trap("after"), &alone),
        None => modules,
    }
}

/// How calls ended, and what they sent.
#[derive(Default, Clone)]
struct Tally {
    answers: u64,
    /// Errors of a module whose instance trapped.
    traps: u64,
    cancelled: u64,
    /// Answers that were lost in a trap, and came again from another provider.
    healed: u64,
    /// The attempts in the trails of calls that were not cancelled.
    attempts: u64,
    sent_by_cancelled: u64,
    /// The number of wrong ends, and the first of them.
    wrong: Vec<String>,
    /// Cancelled calls of this round, and how many requests each had sent by then.
    left: Vec<(u64, u64)>,
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.answers += other.answers;
        self.traps += other.traps;
        self.cancelled += other.cancelled;
        self.healed += other.healed;
        self.attempts += other.attempts;
        self.wrong.extend(other.wrong);
        self.sent_by_cancelled += other.sent_by_cancelled;
        self.left.extend(other.left);
    }
}

struct Soak {
    model: Model,
    provider: Arc<Flaky>,
    seed: u64,
    next: AtomicU64,
}

impl Soak {
    /// Makes all calls up to this number, so many at once, and awaits them.
    async fn round(self: Arc<Self>, end: u64, in_flight: u64) -> Tally {
        let mut agents = JoinSet::new();
        for _ in 0..in_flight {
            let soak = self.clone();
            agents.spawn(async move {
                let mut tally = Tally::default();
                while let Ok(call) =
                    soak.next.fetch_update(Ordering::AcqRel, Ordering::Acquire, |next| (next < end).then_some(next + 1))
                {
                    soak.call(call, &mut tally).await;
                }
                tally
            });
        }
        let mut tally = Tally::default();
        agents.join_all().await.into_iter().for_each(|agent| tally += agent);
        // Calls whose callers have left end by themselves.
        tokio::time::sleep(Duration::from_millis(100)).await;
        for (call, before) in std::mem::take(&mut tally.left) {
            let sent = self.provider.sent(call);
            tally.sent_by_cancelled += sent;
            // A request may have been on its way on another thread.
            if sent > before + 1 {
                tally.wrong.push(format!("call {call} went on after its caller had left"));
            }
        }
        tally
    }

    async fn call(&self, call: u64, tally: &mut Tally) {
        let luck = draw(self.seed, call, u64::MAX);
        let request = Flaky::request(call);
        let leaving = async {
            if !luck.is_multiple_of(GIVEN_UP) {
                return std::future::pending().await;
            }
            // Few turns: most calls take no more.
            match (luck >> 32) % 6 {
                5 => tokio::time::sleep(Duration::from_millis(1)).await,
                turns => turn(turns).await,
            }
        };
        let ended = if (luck >> 16).is_multiple_of(2) {
            let invoke = tokio::time::timeout(STUCK, self.model.invoke_with(request));
            // Dropped when the caller leaves. A caller that leaves at once sends nothing.
            tokio::select! { biased; ended = invoke => Some(ended), () = leaving => None }
        } else {
            Some(tokio::time::timeout(STUCK, self.model.invoke_until(request, leaving)).await)
        };
        match ended {
            None => self.left(call, tally),
            Some(Ok(ended)) => self.ended(call, ended, tally),
            Some(Err(_)) => tally.wrong.push(format!("call {call} is stuck")),
        }
    }

    /// Notes that its caller has left. At the end of the round its requests are checked.
    fn left(&self, call: u64, tally: &mut Tally) {
        tally.cancelled += 1;
        tally.left.push((call, self.provider.sent(call)));
    }

    fn ended(&self, call: u64, ended: Result<Response, Error>, tally: &mut Tally) {
        let trail = match ended {
            Ok(response) => {
                tally.answers += 1;
                let good = response.trail.iter().filter(|attempt| attempt.outcome == Outcome::Ok).count() as u64;
                tally.healed += good.saturating_sub(1);
                response.trail
            }
            Err(Error { kind: ErrorKind::Module(_), trail, .. }) => {
                tally.traps += 1;
                trail
            }
            Err(Error { kind: ErrorKind::Cancelled, .. }) => return self.left(call, tally),
            Err(error) => return tally.wrong.push(format!("call {call} ended with: {error}")),
        };
        let (attempts, sent) = (trail.len() as u64, self.provider.sent(call));
        tally.attempts += attempts;
        if attempts != sent {
            tally.wrong.push(format!("call {call} was sent {sent} times, and its trail has {attempts} attempts"));
        }
    }

    /// What is wrong.
    fn unaccounted(&self, tally: &Tally, calls: u64) -> Vec<String> {
        let mut problems: Vec<String> = tally.wrong.iter().take(5).cloned().collect();
        if tally.wrong.len() > problems.len() {
            problems.push(format!("{} more", tally.wrong.len() - problems.len()));
        }
        let ended = tally.answers + tally.traps + tally.cancelled;
        if ended != calls {
            problems.push(format!("{calls} calls were made, {ended} have ended as they should"));
        }
        let (known, sent) = (tally.attempts + tally.sent_by_cancelled, self.provider.sent_in_all());
        if known != sent {
            problems.push(format!("the trails and the cancelled calls have {known} attempts, the providers {sent}"));
        }
        problems
    }
}

/// What should have happened and did not: a soak without faults shows nothing.
fn missing(tally: &Tally, calls: u64, traps: bool) -> Vec<String> {
    let few = |what: &str, number: u64, share: f64| {
        let least = (calls as f64 * share) as u64;
        (number < least).then(|| format!("{number} calls {what}, fewer than the {least} that should have"))
    };
    let trapped = if traps {
        [few("trapped", tally.traps, 0.004), few("were healed", tally.healed, 0.003)]
    } else {
        [None, None]
    };
    trapped.into_iter().chain([few("were cancelled", tally.cancelled, 0.005)]).flatten().collect()
}

/// Whether memory grew after the first round.
fn growth(memory: &[u64]) -> Vec<String> {
    let (Some(first), Some(most)) = (memory.first(), memory.iter().max()) else { return Vec::new() };
    let allowed = first + first / 10 + GROWTH_KB;
    let problem = format!("{most} KB were resident, and {first} KB after the first round; {allowed} KB is the limit");
    if *most > allowed { vec![problem] } else { Vec::new() }
}
