//! Chooses a target of a rule. Plain Rust, without WebAssembly.

use arcllm_module::{Count, types::ModelFacts};

use crate::{
    call::Call,
    kept::Kept,
    settings::{Order, RouteTarget, Rule},
};

/// The tokens of an answer, for its price, if the caller sets no limit.
const ANSWER: u64 = 1000;
/// How often a target without a time is asked although another is known to be fast.
const EXPLORED: f64 = 0.1;

/// Why a target cannot serve a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unfit {
    /// Its window is smaller than this many tokens that the call needs.
    Window(u64, u64),
    /// It lacks this.
    Lacks(&'static str),
}

/// A target that may be chosen.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'a> {
    /// The target.
    pub target: &'a RouteTarget,
    /// What the call costs there; absent if the price is unknown.
    pub price: Option<f64>,
}

/// Why this target cannot serve the call, if it is known that it cannot.
pub fn unfit(call: &Call, target: &RouteTarget, facts: Option<&ModelFacts>) -> Option<Unfit> {
    let facts = facts?;
    let needed = call.size.estimated_tokens.saturating_add(answer(call, target).unwrap_or_default());
    let lacking = |need: &&str| facts.capabilities.iter().any(|(word, can)| word == need && !can);
    match facts.context_window {
        Some(window) if window < needed => Some(Unfit::Window(window, needed)),
        _ => call.needs().into_iter().find(|need| lacking(need)).map(Unfit::Lacks),
    }
}

/// What the call costs at this target at most.
pub fn price(call: &Call, target: &RouteTarget, facts: Option<&ModelFacts>) -> Option<f64> {
    let price = facts?.price.as_ref()?;
    let output = answer(call, target).unwrap_or(ANSWER) as f64 * price.output;
    Some(call.size.estimated_tokens as f64 * price.input + output)
}

fn answer(call: &Call, target: &RouteTarget) -> Option<u64> {
    target.max_tokens.map(Count::get).or(call.options.max_tokens).map(u64::from)
}

/// Chooses one. `random` gives numbers from 0 to 1, without 1. None only if there are no candidates.
pub fn choose<'a>(
    rule: &Rule,
    candidates: &[Candidate<'a>],
    call: &Call,
    kept: &Kept,
    mut random: impl FnMut() -> f64,
) -> Option<&'a RouteTarget> {
    let is_healthy = |candidate: &&Candidate<'a>| !kept.is_avoided(&candidate.target.model.0);
    let healthy: Vec<_> = candidates.iter().filter(is_healthy).copied().collect();
    // If all have failed, any may be back.
    let candidates = if healthy.is_empty() { candidates } else { &healthy };
    let targets = candidates.iter().map(|candidate| candidate.target);
    if let Some(value) = rule.sticky.as_deref().and_then(|label| call.label(label)) {
        return highest(targets, |target| rendezvous(value, target));
    }
    match rule.order() {
        Order::Listed => targets.into_iter().next(),
        Order::Weighted => weighted(targets.collect(), random()),
        Order::Cheapest => highest(candidates.iter().copied(), |candidate| -candidate.price.unwrap_or(f64::INFINITY))
            .map(|candidate| candidate.target),
        Order::Fastest => {
            let time = |target: &RouteTarget| kept.begins_after(&target.model.0);
            let (known, unknown): (Vec<_>, Vec<_>) = targets.partition(|target| time(target).is_some());
            match known.is_empty() || (!unknown.is_empty() && random() < EXPLORED) {
                true => weighted(unknown, random()),
                false => highest(known, |target| -time(target).unwrap_or(f64::INFINITY)),
            }
        }
    }
}

/// Returns the first with the highest score.
fn highest<T: Copy>(all: impl IntoIterator<Item = T>, score: impl Fn(T) -> f64) -> Option<T> {
    let better = |best: Option<(T, f64)>, one: T| match best {
        Some((best, highest)) if highest >= score(one) => Some((best, highest)),
        _ => Some((one, score(one))),
    };
    all.into_iter().fold(None, better).map(|(best, _)| best)
}

fn weighted(targets: Vec<&RouteTarget>, random: f64) -> Option<&RouteTarget> {
    let most = targets.iter().map(|target| target.weight()).fold(f64::MIN_POSITIVE, f64::max);
    // The sum of large weights would be infinite.
    let weight = |target: &RouteTarget| target.weight() / most;
    let total: f64 = targets.iter().map(|target| weight(target)).sum();
    let mut left = random * total;
    let last = targets.last().copied();
    let within = |target: &&RouteTarget| {
        left -= weight(target);
        left < 0.0
    };
    targets.into_iter().find(within).or(last)
}

/// The score of a target for a value: weighted rendezvous hashing (Schindelhauer and Schomaker, 2005). The highest wins, so a target
/// that goes away moves only the values that it had.
fn rendezvous(value: &str, target: &RouteTarget) -> f64 {
    // FNV-1a, and the last step of SplitMix64, since FNV alone mixes the last bytes too little.
    let hash = value
        .bytes()
        .chain([0])
        .chain(target.model.0.bytes())
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    let mixed = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    let share = ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64;
    -target.weight() / share.max(f64::MIN_POSITIVE).ln()
}

#[cfg(test)]
mod tests;
