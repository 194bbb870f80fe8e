use std::{
    sync::{Arc, Mutex, atomic::Ordering},
    time::{Duration, SystemTime},
};

use futures::{FutureExt as _, future::BoxFuture};

use super::{BYTES, MemoryStore, Room};
use crate::state::{
    memory::{Shard, THINGS, Values},
    operation::{Bucket, CounterAddition, Leased, Life},
    state_store::{ModuleState, StateStore as _, Stored},
};

/// A store in memory answers at once.
fn now<T>(answer: BoxFuture<'_, T>) -> T {
    answer.now_or_never().unwrap()
}

fn get(kept: &Arc<dyn ModuleState>, key: &str) -> Stored<Option<Vec<u8>>> {
    now(kept.get(&[key.to_owned()])).map(|mut values| values.remove(0))
}

fn set(kept: &Arc<dyn ModuleState>, key: &str, value: Vec<u8>) -> Stored<()> {
    now(kept.set(key, value, Life::Forever))
}

fn increment(kept: &Arc<dyn ModuleState>, delta: i64) -> Stored<i64> {
    let addition = CounterAddition { key: "n".to_owned(), delta, most: None, life: Life::Forever };
    now(kept.add(&[addition])).map(|added| added.sums[0].value)
}

#[test]
fn a_value_is_what_was_set_last() {
    let kept = MemoryStore::default().open("a");
    assert_eq!(get(&kept, "k"), Ok(None));
    set(&kept, "k", b"1".to_vec()).unwrap();
    set(&kept, "k", b"2".to_vec()).unwrap();
    assert_eq!(get(&kept, "k"), Ok(Some(b"2".to_vec())));
    now(kept.delete("k")).unwrap();
    now(kept.delete("k")).unwrap();
    assert_eq!(get(&kept, "k"), Ok(None));
}

#[test]
fn modules_do_not_see_each_others_values_and_clones_share_them() {
    let store = MemoryStore::default();
    set(&store.open("a"), "k", b"1".to_vec()).unwrap();
    assert_eq!(get(&store.open("b"), "k"), Ok(None));
    assert_eq!(get(&store.clone().open("a"), "k"), Ok(Some(b"1".to_vec())));
    assert_eq!(get(&MemoryStore::default().open("a"), "k"), Ok(None));
}

#[test]
fn counts_saturate_and_text_is_no_number() {
    let kept = MemoryStore::default().open("a");
    assert_eq!(increment(&kept, 2), Ok(2));
    assert_eq!(increment(&kept, -5), Ok(-3));
    assert_eq!(increment(&kept, i64::MIN), Ok(i64::MIN));
    assert_eq!(get(&kept, "n"), Ok(Some(i64::MIN.to_string().into_bytes())));
    set(&kept, "n", b"many".to_vec()).unwrap();
    assert!(increment(&kept, 1).is_err());
    assert_eq!(get(&kept, "n"), Ok(Some(b"many".to_vec())));
}

#[test]
fn a_swap_takes_place_where_nothing_has_changed() {
    let kept = MemoryStore::default().open("a");
    let (one, two) = (Some(b"1".to_vec()), Some(b"2".to_vec()));
    assert_eq!(now(kept.compare_and_swap("k", one.clone(), two.clone())), Ok(false));
    assert_eq!(now(kept.compare_and_swap("k", None, one.clone())), Ok(true));
    assert_eq!(now(kept.compare_and_swap("k", None, two.clone())), Ok(false));
    assert_eq!(now(kept.compare_and_swap("k", one, two.clone())), Ok(true));
    assert_eq!(get(&kept, "k"), Ok(two.clone()));
    assert_eq!(now(kept.compare_and_swap("k", two, None)), Ok(true));
    assert_eq!(get(&kept, "k"), Ok(None));
}

#[test]
fn a_module_keeps_no_more_than_its_share_and_others_go_on() {
    let store = MemoryStore::default();
    let kept = store.open("greedy");
    (0..THINGS).for_each(|at| set(&kept, &at.to_string(), Vec::new()).unwrap());
    assert!(set(&kept, "more", Vec::new()).unwrap_err().message.contains("100000"));
    set(&kept, "0", b"changed".to_vec()).unwrap();
    set(&store.open("modest"), "k", Vec::new()).unwrap();
    now(kept.delete("0")).unwrap();
    set(&kept, "more", Vec::new()).unwrap();
}

#[test]
fn nothing_is_lost_where_many_count() {
    let kept: Arc<dyn ModuleState> = MemoryStore::default().open("a");
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..1000 {
                    increment(&kept, 1).unwrap();
                    loop {
                        let before = get(&kept, "swapped").unwrap();
                        let number: u64 =
                            before.as_deref().map_or(0, |text| std::str::from_utf8(text).unwrap().parse().unwrap());
                        let after = Some((number + 1).to_string().into_bytes());
                        if now(kept.compare_and_swap("swapped", before, after)).unwrap() {
                            break;
                        }
                    }
                }
            });
        }
    });
    assert_eq!(get(&kept, "n"), Ok(Some(b"4000".to_vec())));
    assert_eq!(get(&kept, "swapped"), Ok(Some(b"4000".to_vec())));
}

/// As long as a value may be.
const LONG: usize = 64 << 10;

#[test]
fn the_values_of_a_module_are_bounded_by_their_sum() {
    let store = MemoryStore::default();
    let kept = store.open("greedy");
    let key = |at: usize| format!("{at:08}");
    let fitting = BYTES / (LONG + key(0).len());
    (0..fitting).for_each(|at| set(&kept, &key(at), vec![0; LONG]).unwrap());
    let refused = [
        set(&kept, &key(fitting), vec![0; LONG]),
        now(kept.compare_and_swap(&key(fitting), None, Some(vec![0; LONG]))).map(drop),
    ];
    for refused in refused {
        assert_eq!(
            refused.unwrap_err().message,
            "the values of the module would have more than 64 MiB together, which is the most"
        );
    }
    assert_eq!(get(&kept, &key(fitting)), Ok(None));
    // Neither a value that is exchanged nor what a refusal left behind is counted twice, and others have their own sum.
    (0..fitting).for_each(|at| set(&kept, &key(at), vec![1; LONG]).unwrap());
    set(&store.open("modest"), "k", vec![0; LONG]).unwrap();
    now(kept.delete(&key(0))).unwrap();
    set(&kept, &key(fitting), vec![0; LONG]).unwrap();
    set(&kept, &key(1), Vec::new()).unwrap();
    set(&kept, &key(1), vec![0; LONG]).unwrap();
    assert!(set(&kept, &key(0), vec![0; LONG]).is_err());
}

#[test]
fn a_grant_with_a_limit_has_no_more_and_instances_with_another_limit_share_the_values() {
    let store = MemoryStore::default();
    let most = 1 << 20;
    let kept = store.open_within("scoped", most).unwrap();
    let fitting = most / (LONG + 2);
    (0..fitting).for_each(|at| set(&kept, &format!("{at:02}"), vec![0; LONG]).unwrap());
    let full = set(&kept, "more", vec![0; LONG]).unwrap_err().message;
    assert_eq!(full, "the values of the module would have more than 1 MiB together, which is the most");
    // A limit that was lowered lets the module remove and shorten what is there.
    let lower = store.open_within("scoped", most / 2).unwrap();
    assert!(set(&lower, "more", Vec::new()).is_err());
    set(&lower, "00", Vec::new()).unwrap();
    set(&store.open("scoped"), "more", vec![0; LONG]).unwrap();
}

#[test]
fn the_sum_is_right_where_many_change_values() {
    let values = Arc::new(Values::default());
    let room: Arc<dyn ModuleState> =
        Arc::new(Room { values: values.clone(), most: BYTES, clock: Arc::new(SystemTime::now) });
    std::thread::scope(|scope| {
        for thread in 0..4_usize {
            let room = &room;
            scope.spawn(move || {
                for at in 0..2000_usize {
                    let key = format!("{}", at % 7);
                    let outcome = match (at + thread) % 3 {
                        0 => set(room, &key, vec![b'1'; at % 50]),
                        1 => now(room.delete(&key)),
                        _ => now(room.compare_and_swap(&key, None, Some(vec![b'1'; 9]))).map(drop),
                    };
                    outcome.unwrap();
                }
            });
        }
    });
    assert_eq!(counted(&values), kept(&values));
    (0..7).for_each(|at| now(room.delete(&at.to_string())).unwrap());
    assert_eq!(counted(&values), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn the_sum_is_right_where_what_has_ended_is_replaced() {
    let values = Arc::new(Values::default());
    let room = Room { values: values.clone(), most: BYTES, clock: Arc::new(SystemTime::now) };
    let addition =
        |key: String| CounterAddition { key, delta: 1, most: None, life: Life::Time(Duration::from_millis(1)) };
    for at in 0..2000 {
        let again = (0..32).map(|at| addition(format!("again {at}")));
        let additions: Vec<_> = std::iter::once(addition(format!("new {at}"))).chain(again).collect();
        now(room.add(&additions)).unwrap();
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!(counted(&values), kept(&values), "{at}");
    }
}

/// How many things and bytes are counted.
fn counted(values: &Values) -> (usize, usize) {
    (values.count.load(Ordering::Relaxed), values.bytes.load(Ordering::Relaxed))
}

/// How many things and bytes there are.
fn kept(values: &Values) -> (usize, usize) {
    let of_shard = |shard: &Mutex<Shard>| {
        let shard = shard.lock().unwrap();
        let bytes: usize = shard.things.iter().map(|(name, kept)| name.len() - 1 + kept.len()).sum();
        (shard.things.len(), bytes)
    };
    values.shards.iter().map(of_shard).fold((0, 0), |(count, bytes), more| (count + more.0, bytes + more.1))
}

#[test]
fn a_module_that_keeps_nothing_and_has_no_instance_is_forgotten() {
    let store = MemoryStore::default();
    let known = |store: &MemoryStore| {
        let mut names: Vec<_> = store.modules.lock().unwrap().keys().cloned().collect();
        names.sort();
        names
    };
    let running = store.open("running");
    set(&store.open("keeps"), "k", b"1".to_vec()).unwrap();
    drop(store.open("gone"));
    drop(store.open("next"));
    assert_eq!(known(&store), ["keeps", "next", "running"]);
    // What an instance that runs does is seen by those that begin meanwhile.
    set(&running, "k", b"1".to_vec()).unwrap();
    assert_eq!(get(&store.open("running"), "k"), Ok(Some(b"1".to_vec())));
    now(store.open("keeps").delete("k")).unwrap();
    drop(store.open("last"));
    assert_eq!(known(&store), ["last", "running"]);
}

#[tokio::test(start_paused = true)]
async fn what_has_ended_makes_room_and_is_forgotten() {
    let store = MemoryStore::default();
    let kept = store.open("a");
    let second = Life::Time(Duration::from_secs(1));
    for at in 0..THINGS {
        now(kept.set(&at.to_string(), Vec::new(), second)).unwrap();
    }
    assert!(set(&kept, "more", Vec::new()).is_err());
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(get(&kept, "0"), Ok(None));
    set(&kept, "more", Vec::new()).unwrap();
    let room = store.modules.lock().unwrap()["a"].clone();
    assert_eq!((room.count.load(Ordering::Relaxed), room.bytes.load(Ordering::Relaxed)), (1, "more".len()));
    // Without a limit in sight, what has ended still goes.
    for at in 0..10_000 {
        now(kept.set(&at.to_string(), Vec::new(), Life::Time(Duration::from_millis(1)))).unwrap();
        tokio::time::advance(Duration::from_millis(1)).await;
    }
    assert!(room.count.load(Ordering::Relaxed) < 2_000, "{:?}", room.count);
}

#[tokio::test(start_paused = true)]
async fn full_buckets_and_ended_leases_are_forgotten_and_delete_removes_every_kind() {
    let store = MemoryStore::default();
    let kept = store.open("a");
    let bucket = Bucket { key: "k".to_owned(), per_second: 1.0, burst: 1.0, cost: 1.0 };
    now(kept.take(std::slice::from_ref(&bucket), Duration::ZERO)).unwrap();
    assert!(matches!(now(kept.lease("k", 1, Duration::from_secs(9))), Ok(Leased::Granted(_))));
    set(&kept, "k", b"1".to_vec()).unwrap();
    now(kept.delete("k")).unwrap();
    let room = store.modules.lock().unwrap()["a"].clone();
    assert_eq!((room.count.load(Ordering::Relaxed), room.bytes.load(Ordering::Relaxed)), (0, 0));
    assert_eq!(now(kept.take(&[bucket], Duration::ZERO)).unwrap().refused, None);
}
