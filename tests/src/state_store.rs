//! Checks of a [`StateStore`]: what `arcllm:llm/state` promises to modules, with its errors and its limits.
//!
//! ```
//! # async fn check() -> Result<(), String> {
//! arcllm_conformance::state_store::check(&arcllm::MemoryStore::default()).await
//! # }
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(check()).unwrap();
//! ```

use std::{
    collections::HashMap,
    fmt::Debug,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use arcllm::{Added, Bucket, CounterAddition, Leased, Life, ModuleState, StateStore};
use futures::future::join_all;
use tokio::time::{Instant, sleep};

/// How long things live that are to end during a check. On a busy machine a few operations may take as long as a quarter of it.
const SHORT: Duration = Duration::from_millis(400);

/// The largest value that the host hands on.
const LARGEST: usize = 1 << 20;

/// What a check found.
type Checked = Result<(), String>;

/// Checks this store. It keeps things of modules called `check-…`, and uses real time unless tokio's is paused.
///
/// # Errors
///
/// Says what the store does otherwise than it should.
pub async fn check(store: &dyn StateStore) -> Checked {
    // A store may still have what an earlier run has kept.
    let run = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    let module = |name: &str| store.open(&format!("check-{name}-{run}"));
    named("values", values(&*module("values")).await)?;
    named("kinds", kinds(&*module("kinds")).await)?;
    named("modules", modules(&*module("one"), &*module("other"), &*module("one")).await)?;
    named("lives", lives(&*module("lives")).await)?;
    named("counters", counters(&*module("counters")).await)?;
    named("several counters", several_counters(&*module("several")).await)?;
    named("windows", windows(&*module("windows")).await)?;
    named("buckets", buckets(&*module("buckets")).await)?;
    named("leases", leases(&*module("leases")).await)?;
    named("sizes", sizes(&*module("sizes")).await)?;
    for seed in 0..8 {
        named("any operations", any_operations(&*module(&format!("any-{seed}")), seed).await)?;
    }
    named("at once", at_once(&module("at-once")).await)
}

fn named(name: &str, checked: Checked) -> Checked {
    checked.map_err(|problem| format!("{name}: {problem}"))
}

/// Compares what the store did with what it should do.
fn is<T: PartialEq + Debug>(what: &str, got: T, expected: T) -> Checked {
    if got == expected { Ok(()) } else { Err(format!("{what} is {got:?}, and should be {expected:?}")) }
}

fn holds(what: &str, holds: bool) -> Checked {
    if holds { Ok(()) } else { Err(what.to_owned()) }
}

/// The value of a key, as text.
async fn get(state: &dyn ModuleState, key: &str) -> Result<Option<String>, String> {
    let values = state.get(&[key.to_owned()]).await.map_err(|error| error.to_string())?;
    let value = values.into_iter().next().ok_or("`get` of a key gave no value and no absence")?;
    Ok(value.map(|value| String::from_utf8_lossy(&value).into_owned()))
}

async fn set(state: &dyn ModuleState, key: &str, value: &str, life: Life) -> Checked {
    state.set(key, value.as_bytes().to_vec(), life).await.map_err(|error| error.to_string())
}

async fn swap(state: &dyn ModuleState, current: Option<&str>, new: Option<&str>) -> Result<bool, String> {
    let bytes = |text: Option<&str>| text.map(|text| text.as_bytes().to_vec());
    state.compare_and_swap("k", bytes(current), bytes(new)).await.map_err(|error| error.to_string())
}

fn addition(key: &str, delta: i64, most: Option<i64>, life: Life) -> CounterAddition {
    CounterAddition { key: key.to_owned(), delta, most, life }
}

async fn add(state: &dyn ModuleState, additions: &[CounterAddition]) -> Result<Added, String> {
    state.add(additions).await.map_err(|error| error.to_string())
}

/// Adds to one counter without an end.
async fn count(state: &dyn ModuleState, key: &str, delta: i64) -> Result<i64, String> {
    let added = add(state, &[addition(key, delta, None, Life::Forever)]).await?;
    added.sums.first().map(|sum| sum.value).ok_or_else(|| "`add` gave no sum".to_owned())
}

async fn values(state: &dyn ModuleState) -> Checked {
    is("a key that was never set", get(state, "k").await?, None)?;
    set(state, "k", "1", Life::Forever).await?;
    set(state, "k", "2", Life::Forever).await?;
    is("what was set last", get(state, "k").await?.as_deref(), Some("2"))?;
    set(state, "empty", "", Life::Forever).await?;
    let several =
        state.get(&["empty", "absent", "k", "k"].map(str::to_owned)).await.map_err(|error| error.to_string())?;
    is("`get` of four keys", several, vec![Some(vec![]), None, Some(b"2".to_vec()), Some(b"2".to_vec())])?;
    let odd = "\0 \u{fffd}{}:*\n";
    set(state, odd, odd, Life::Forever).await?;
    is("a value under a key of odd characters", get(state, odd).await?.as_deref(), Some(odd))?;
    is("`get` of no keys", state.get(&[]).await.map_err(|error| error.to_string())?.len(), 0)?;
    is("a swap of another value", swap(state, Some("1"), Some("3")).await?, false)?;
    is("a swap of an absent value that is there", swap(state, None, Some("3")).await?, false)?;
    is("a swap", swap(state, Some("2"), Some("3")).await?, true)?;
    is("the value after it", get(state, "k").await?.as_deref(), Some("3"))?;
    is("a swap for nothing", swap(state, Some("3"), None).await?, true)?;
    is("the value after it", get(state, "k").await?, None)?;
    is("a swap of nothing", swap(state, None, Some("")).await?, true)?;
    is("an empty value", get(state, "k").await?.as_deref(), Some(""))?;
    is("a swap of nothing for an empty value", swap(state, None, Some("1")).await?, false)
}

/// Values, buckets and leases of one key are apart, and `delete` removes all of them.
async fn kinds(state: &dyn ModuleState) -> Checked {
    let bucket = Bucket { key: "k".to_owned(), per_second: 0.001, burst: 1.0, cost: 1.0 };
    let take = async || state.take(std::slice::from_ref(&bucket), Duration::ZERO).await;
    let lease = async || state.lease("k", 1, Duration::from_secs(60)).await;
    for _ in 0..2 {
        set(state, "k", "1", Life::Forever).await?;
        is("the first token", take().await.map(|taken| taken.refused), Ok(None))?;
        is("the second token", take().await.map(|taken| taken.refused), Ok(Some(0)))?;
        holds("the first lease was not granted", matches!(lease().await, Ok(Leased::Granted(_))))?;
        holds("a second lease was granted", matches!(lease().await, Ok(Leased::Held(_))))?;
        is("the value beside them", get(state, "k").await?.as_deref(), Some("1"))?;
        state.delete("k").await.map_err(|error| error.to_string())?;
        is("the value after `delete`", get(state, "k").await?, None)?;
    }
    state.delete("absent").await.map_err(|error| error.to_string())
}

async fn modules(one: &dyn ModuleState, other: &dyn ModuleState, again: &dyn ModuleState) -> Checked {
    set(one, "k", "1", Life::Forever).await?;
    is("the value of another module", get(other, "k").await?, None)?;
    is("the value in another instance", get(again, "k").await?.as_deref(), Some("1"))
}

async fn lives(state: &dyn ModuleState) -> Checked {
    set(state, "short", "1", Life::Time(SHORT)).await?;
    set(state, "long", "1", Life::Time(Duration::from_secs(600))).await?;
    set(state, "renewed", "1", Life::Time(SHORT)).await?;
    set(state, "renewed", "2", Life::Forever).await?;
    set(state, "k", "1", Life::Time(SHORT)).await?;
    is("a swap", swap(state, Some("1"), Some("2")).await?, true)?;
    is("a value before its end", get(state, "long").await?.as_deref(), Some("1"))?;
    let begun = Instant::now();
    let counter = || [addition("n", 1, None, Life::Time(SHORT))];
    add(state, &counter()).await?;
    // A counter that has begun keeps its end.
    while begun.elapsed() < 2 * SHORT {
        sleep(SHORT / 8).await;
        let ends_in = add(state, &counter()).await?.sums.first().and_then(|sum| sum.ends_in);
        holds("a counter has more time left than its life", ends_in.is_some_and(|ends_in| ends_in <= SHORT))?;
    }
    let sum = count(state, "n", 0).await?;
    holds(&format!("a counter that ended counts {sum}"), (0..=10).contains(&sum))?;
    is("a value after its end", get(state, "short").await?, None)?;
    is("a value that was set anew without an end", get(state, "renewed").await?.as_deref(), Some("2"))?;
    is("a value that was swapped, which has no end", get(state, "k").await?.as_deref(), Some("2"))
}

async fn counters(state: &dyn ModuleState) -> Checked {
    is("the first sum", count(state, "n", 2).await?, 2)?;
    is("the next sum", count(state, "n", -5).await?, -3)?;
    is("the counter as a value", get(state, "n").await?.as_deref(), Some("-3"))?;
    is("what saturates below", count(state, "n", i64::MIN).await?, i64::MIN)?;
    is("what saturates below again", count(state, "n", -1).await?, i64::MIN)?;
    is("what adds to the least", count(state, "n", i64::MAX).await?, -1)?;
    is(
        "what saturates above",
        (count(state, "m", i64::MAX).await?, count(state, "m", 1).await?),
        (i64::MAX, i64::MAX),
    )?;
    is("a sum that no float has", count(state, "m", -1).await?, i64::MAX - 1)?;
    for text in ["many", "", "1.5", "+1", "01", " 1", "9223372036854775808"] {
        set(state, "text", text, Life::Forever).await?;
        holds(&format!("{text:?} counts as a number"), count(state, "text", 1).await.is_err())?;
        let both = [addition("untouched", 1, None, Life::Forever), addition("text", 1, None, Life::Forever)];
        holds(&format!("{text:?} counts as a number"), add(state, &both).await.is_err())?;
        is("a value that is no number", get(state, "text").await?.as_deref(), Some(text))?;
        is("the counter before it", get(state, "untouched").await?, None)?;
    }
    Ok(())
}

async fn several_counters(state: &dyn ModuleState) -> Checked {
    let both = |delta| [addition("a", delta, Some(10), Life::Forever), addition("b", delta, Some(5), Life::Hour)];
    let sums = |added: Added| (added.refused, added.sums.iter().map(|sum| sum.value).collect::<Vec<_>>());
    is("a first addition", sums(add(state, &both(4)).await?), (None, vec![4, 4]))?;
    is("one that passes the second most", sums(add(state, &both(2)).await?), (Some(1), vec![4, 4]))?;
    is("one that passes both", sums(add(state, &both(7)).await?), (Some(0), vec![4, 4]))?;
    is("one that reaches a most", sums(add(state, &both(1)).await?), (None, vec![5, 5]))?;
    is("one of nothing", sums(add(state, &both(0)).await?), (None, vec![5, 5]))?;
    is("one that gives back", sums(add(state, &both(-9)).await?), (None, vec![-4, -4]))?;
    let ends = add(state, &both(0)).await?.sums.iter().map(|sum| sum.ends_in.is_some()).collect::<Vec<_>>();
    is("whether they end", ends, vec![false, true])?;
    // A sum above a most that was lowered can only fall.
    let lower = |delta| [addition("a", delta, Some(-10), Life::Forever)];
    is("an addition above a most", sums(add(state, &lower(1)).await?), (Some(0), vec![-4]))?;
    is("a subtraction above a most", sums(add(state, &lower(-1)).await?), (None, vec![-5]))?;
    let twice = |most| [addition("t", 3, None, Life::Forever), addition("t", 3, most, Life::Forever)];
    is("one key twice", sums(add(state, &twice(Some(6))).await?), (None, vec![6, 6]))?;
    is("one key twice, refused", sums(add(state, &twice(Some(11))).await?), (Some(1), vec![6, 6]))?;
    is(
        "a refused counter that was absent",
        sums(add(state, &[addition("new", 1, Some(0), Life::Minute)]).await?),
        (Some(0), vec![0]),
    )?;
    is("that counter", get(state, "new").await?, None)
}

/// Windows end within their length, and longer ones not before shorter ones.
async fn windows(state: &dyn ModuleState) -> Checked {
    let lives = [Life::Minute, Life::Hour, Life::Day, Life::Month];
    let all: Vec<_> = lives.iter().map(|life| addition(&format!("{life:?}"), 1, None, *life)).collect();
    let ends: Vec<Duration> = add(state, &all).await?.sums.iter().filter_map(|sum| sum.ends_in).collect();
    for (at, seconds) in [60, 3_600, 86_400, 31 * 86_400].into_iter().enumerate() {
        let end = ends.get(at).copied().unwrap_or_default();
        holds(&format!("a window ends in {end:?}"), !end.is_zero() && end <= Duration::from_secs(seconds))?;
    }
    holds(&format!("windows end in {ends:?}"), ends.is_sorted())?;
    // The end is where the calendar has it, by a clock that differs from this one by seconds at most.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let end = (now + ends.first().copied().unwrap_or_default()).as_secs_f64() % 60.0;
    holds(&format!("the minute ends {end:.1} s after it began"), !(5.0..55.0).contains(&end))
}

async fn buckets(state: &dyn ModuleState) -> Checked {
    let bucket = |key: &str, cost| Bucket { key: key.to_owned(), per_second: 0.1, burst: 3.0, cost };
    let take = async |buckets: &[Bucket], wait| state.take(buckets, wait).await.map_err(|error| error.to_string());
    let near = |what: &str, wait: Duration, seconds: f64| {
        let is_near = (wait.as_secs_f64() - seconds).abs() < 2.0;
        holds(&format!("the wait for {what} is {wait:?}, and should be about {seconds} s"), is_near)
    };
    for _ in 0..3 {
        let taken = take(&[bucket("a", 1.0)], Duration::ZERO).await?;
        is("a token of the burst", (taken.refused, taken.wait), (None, Duration::ZERO))?;
    }
    let refused = take(&[bucket("b", 1.0), bucket("a", 1.0)], Duration::ZERO).await?;
    is("a bucket that is empty", refused.refused, Some(1))?;
    near("the next token", refused.wait, 10.0)?;
    let ahead = take(&[bucket("a", 1.0)], Duration::from_secs(60)).await?;
    is("a token that is taken ahead", ahead.refused, None)?;
    near("a token that is taken ahead", ahead.wait, 10.0)?;
    near("the one after it", take(&[bucket("a", 1.0)], Duration::ZERO).await?.wait, 20.0)?;
    take(&[bucket("a", -1.0)], Duration::ZERO).await?;
    near("the one after it was given back", take(&[bucket("a", 1.0)], Duration::ZERO).await?.wait, 10.0)?;
    // What was refused together with `a` took nothing.
    for _ in 0..3 {
        is("a token of another bucket", take(&[bucket("b", 1.0)], Duration::ZERO).await?.refused, None)?;
    }
    let large = take(&[bucket("c", 10.0)], Duration::ZERO).await?;
    is("a cost above the burst of a full bucket", (large.refused, large.wait), (None, Duration::ZERO))?;
    near("a token of a bucket in debt", take(&[bucket("c", 1.0)], Duration::ZERO).await?.wait, 80.0)?;
    // What is given back fills a bucket and no more.
    take(&[bucket("d", -100.0)], Duration::ZERO).await?;
    is("a full bucket", take(&[bucket("d", 3.0)], Duration::ZERO).await?.refused, None)?;
    is("a bucket that was too full", take(&[bucket("d", 1.0)], Duration::ZERO).await?.refused, Some(0))?;
    let twice = take(&[bucket("e", 2.0), bucket("e", 2.0)], Duration::ZERO).await?;
    is("one bucket twice", twice.refused, Some(1))?;
    is("that bucket", take(&[bucket("e", 3.0)], Duration::ZERO).await?.refused, None)?;
    let extreme = Bucket { key: "f".to_owned(), per_second: 1e-300, burst: 1e300, cost: 1e300 };
    take(&[extreme.clone(), extreme], Duration::MAX).await.map(drop)
}

async fn leases(state: &dyn ModuleState) -> Checked {
    let lease = async |most, lasts| state.lease("k", most, lasts).await.map_err(|error| error.to_string());
    let granted = |leased: Leased| match leased {
        Leased::Granted(lease) => Ok(lease),
        Leased::Held(time) => Err(format!("a lease is held for {time:?}, and should be granted")),
    };
    let minute = Duration::from_secs(60);
    let first = granted(lease(2, minute).await?)?;
    let second = granted(lease(2, SHORT).await?)?;
    holds("two leases have one number", first != second)?;
    match lease(2, minute).await? {
        Leased::Granted(_) => return Err("a third lease of two was granted".to_owned()),
        Leased::Held(time) => holds(&format!("the first lease ends in {time:?}"), time <= SHORT)?,
    }
    granted(lease(3, SHORT).await?)?;
    sleep(SHORT + Duration::from_millis(10)).await;
    let third = granted(lease(2, minute).await?)?;
    holds("a third lease of two was granted", matches!(lease(2, minute).await?, Leased::Held(_)))?;
    for over in [second, first, first] {
        state.release("k", over).await.map_err(|error| error.to_string())?;
    }
    granted(lease(2, minute).await?)?;
    state.release("k", third).await.map_err(|error| error.to_string())?;
    granted(lease(2, Duration::MAX).await?).map(drop)
}

async fn sizes(state: &dyn ModuleState) -> Checked {
    let value = "x".repeat(LARGEST);
    set(state, "large", &value, Life::Forever).await?;
    holds("a value of 1 MiB came back otherwise", get(state, "large").await?.as_deref() == Some(&*value))?;
    let key = "k".repeat(512);
    set(state, &key, "1", Life::Forever).await?;
    is("the value of a long key", get(state, &key).await?.as_deref(), Some("1"))?;
    let all: Vec<_> = (0..64).map(|at| addition(&format!("{at}"), at, None, Life::Forever)).collect();
    let sums: Vec<i64> = add(state, &all).await?.sums.iter().map(|sum| sum.value).collect();
    is("64 counters", sums, (0..64).collect())
}

/// Random operations on few keys do what they do to a map.
async fn any_operations(state: &dyn ModuleState, seed: u64) -> Checked {
    let mut random = seed;
    let mut below = |limit: usize| {
        // SplitMix64, Steele et al., "Fast splittable pseudorandom number generators", 2014.
        random = random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (random ^ (random >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % 1_000_003).unwrap_or_default() % limit
    };
    let mut map: HashMap<&str, String> = HashMap::new();
    let texts = ["0", "7", "-3", "text", "9223372036854775806"];
    for step in 0..100 {
        let key = ["k", "a", "b"].get(below(3)).copied().unwrap_or("k");
        let text = texts.get(below(texts.len())).copied().unwrap_or_default();
        match below(4) {
            0 => {
                set(state, key, text, Life::Forever).await?;
                map.insert(key, text.to_owned());
            }
            1 => {
                state.delete(key).await.map_err(|error| error.to_string())?;
                map.remove(key);
            }
            2 => {
                let current = [None, map.get("k").cloned(), Some(text.to_owned())].get(below(3)).cloned().flatten();
                let swapped = swap(state, current.as_deref(), Some(text)).await?;
                is(&format!("step {step}: a swap of {current:?}"), swapped, map.get("k") == current.as_ref())?;
                if swapped {
                    map.insert("k", text.to_owned());
                }
            }
            _ => {
                let delta = [1, -2, i64::MAX].get(below(3)).copied().unwrap_or_default();
                let number = map.get(key).map_or(Some(0), |text| text.parse::<i64>().ok());
                let counted = count(state, key, delta).await.ok();
                is(&format!("step {step}: a sum"), counted, number.map(|number| number.saturating_add(delta)))?;
                if let Some(sum) = counted {
                    map.insert(key, sum.to_string());
                }
            }
        }
        for key in ["k", "a", "b"] {
            is(&format!("step {step}: `{key}`"), get(state, key).await?.as_ref(), map.get(key))?;
        }
    }
    Ok(())
}

/// Nothing is lost or given twice where many ask at once.
async fn at_once(state: &Arc<dyn ModuleState>) -> Checked {
    let many = |name: &'static str| {
        (0..100).map(move |_| {
            let state = state.clone();
            tokio::spawn(async move { asks(&*state, name).await })
        })
    };
    for (name, expected) in [("count", 100), ("most", 30), ("tokens", 20), ("leases", 10)] {
        let asked = join_all(many(name)).await;
        let mut granted = 0;
        for outcome in asked {
            granted += usize::from(outcome.map_err(|error| error.to_string())??);
        }
        is(&format!("how many of 100 are granted by `{name}`"), granted, expected)?;
    }
    is("what 100 have counted", get(&**state, "count").await?.as_deref(), Some("100"))?;
    is("what was counted up to a most", get(&**state, "most").await?.as_deref(), Some("30"))
}

/// Asks for something that may be granted.
async fn asks(state: &dyn ModuleState, name: &str) -> Result<bool, String> {
    match name {
        "count" => count(state, name, 1).await.map(|_| true),
        "most" => Ok(add(state, &[addition(name, 1, Some(30), Life::Forever)]).await?.refused.is_none()),
        "tokens" => {
            let bucket = Bucket { key: name.to_owned(), per_second: 0.001, burst: 20.0, cost: 1.0 };
            let taken = state.take(&[bucket], Duration::ZERO).await.map_err(|error| error.to_string())?;
            Ok(taken.refused.is_none())
        }
        _ => {
            let leased = state.lease(name, 10, Duration::from_secs(60)).await.map_err(|error| error.to_string())?;
            Ok(matches!(leased, Leased::Granted(_)))
        }
    }
}
