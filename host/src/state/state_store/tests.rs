use std::{
    collections::HashMap,
    sync::{Arc, Mutex, atomic::Ordering},
};

use futures::{FutureExt as _, future::BoxFuture};

use super::{BYTES, Bucket, MemoryStore, Room, StateStore as _, VALUES, Values};

/// A bucket in memory answers at once.
fn now<T>(answer: BoxFuture<'_, T>) -> T {
    answer.now_or_never().unwrap()
}

#[test]
fn a_value_is_what_was_set_last() {
    let bucket = MemoryStore::default().open("a");
    assert_eq!(now(bucket.get("k")), Ok(None));
    now(bucket.set("k", b"1".to_vec())).unwrap();
    now(bucket.set("k", b"2".to_vec())).unwrap();
    assert_eq!(now(bucket.get("k")), Ok(Some(b"2".to_vec())));
    now(bucket.delete("k")).unwrap();
    now(bucket.delete("k")).unwrap();
    assert_eq!(now(bucket.get("k")), Ok(None));
}

#[test]
fn modules_do_not_see_each_others_values_and_clones_share_them() {
    let store = MemoryStore::default();
    now(store.open("a").set("k", b"1".to_vec())).unwrap();
    assert_eq!(now(store.open("b").get("k")), Ok(None));
    assert_eq!(now(store.clone().open("a").get("k")), Ok(Some(b"1".to_vec())));
    assert_eq!(now(MemoryStore::default().open("a").get("k")), Ok(None));
}

#[test]
fn counts_saturate_and_text_is_no_number() {
    let bucket = MemoryStore::default().open("a");
    assert_eq!(now(bucket.increment("n", 2)), Ok(2));
    assert_eq!(now(bucket.increment("n", -5)), Ok(-3));
    assert_eq!(now(bucket.increment("n", i64::MIN)), Ok(i64::MIN));
    assert_eq!(now(bucket.get("n")), Ok(Some(i64::MIN.to_string().into_bytes())));
    now(bucket.set("n", b"many".to_vec())).unwrap();
    assert!(now(bucket.increment("n", 1)).is_err());
    assert_eq!(now(bucket.get("n")), Ok(Some(b"many".to_vec())));
}

#[test]
fn a_swap_takes_place_where_nothing_has_changed() {
    let bucket = MemoryStore::default().open("a");
    let (one, two) = (Some(b"1".to_vec()), Some(b"2".to_vec()));
    assert_eq!(now(bucket.compare_and_swap("k", one.clone(), two.clone())), Ok(false));
    assert_eq!(now(bucket.compare_and_swap("k", None, one.clone())), Ok(true));
    assert_eq!(now(bucket.compare_and_swap("k", None, two.clone())), Ok(false));
    assert_eq!(now(bucket.compare_and_swap("k", one, two.clone())), Ok(true));
    assert_eq!(now(bucket.get("k")), Ok(two.clone()));
    assert_eq!(now(bucket.compare_and_swap("k", two, None)), Ok(true));
    assert_eq!(now(bucket.get("k")), Ok(None));
}

#[test]
fn a_module_keeps_no_more_than_its_share_and_others_go_on() {
    let store = MemoryStore::default();
    let bucket = store.open("greedy");
    (0..VALUES).for_each(|at| now(bucket.set(&at.to_string(), Vec::new())).unwrap());
    assert!(now(bucket.set("more", Vec::new())).unwrap_err().message.contains("100000"));
    now(bucket.set("0", b"changed".to_vec())).unwrap();
    now(store.open("modest").set("k", Vec::new())).unwrap();
    now(bucket.delete("0")).unwrap();
    now(bucket.set("more", Vec::new())).unwrap();
}

#[test]
fn nothing_is_lost_where_many_count() {
    let bucket: Arc<dyn Bucket> = MemoryStore::default().open("a");
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..1000 {
                    now(bucket.increment("n", 1)).unwrap();
                    loop {
                        let before = now(bucket.get("swapped")).unwrap();
                        let number: u64 =
                            before.as_deref().map_or(0, |text| std::str::from_utf8(text).unwrap().parse().unwrap());
                        let after = Some((number + 1).to_string().into_bytes());
                        if now(bucket.compare_and_swap("swapped", before, after)).unwrap() {
                            break;
                        }
                    }
                }
            });
        }
    });
    assert_eq!(now(bucket.get("n")), Ok(Some(b"4000".to_vec())));
    assert_eq!(now(bucket.get("swapped")), Ok(Some(b"4000".to_vec())));
}

/// As long as a value may be.
const LONG: usize = 64 << 10;

#[test]
fn the_values_of_a_module_are_bounded_by_their_sum() {
    let store = MemoryStore::default();
    let bucket = store.open("greedy");
    let key = |at: usize| format!("{at:08}");
    let fitting = BYTES / (LONG + key(0).len());
    (0..fitting).for_each(|at| now(bucket.set(&key(at), vec![0; LONG])).unwrap());
    let refused = [
        now(bucket.set(&key(fitting), vec![0; LONG])),
        now(bucket.compare_and_swap(&key(fitting), None, Some(vec![0; LONG]))).map(drop),
    ];
    for refused in refused {
        assert_eq!(
            refused.unwrap_err().message,
            "the values of the module would have more than 64 MiB together, which is the most"
        );
    }
    assert_eq!(now(bucket.get(&key(fitting))), Ok(None));
    // Neither a value that is exchanged nor what a refusal left behind is counted twice, and others have their own sum.
    (0..fitting).for_each(|at| now(bucket.set(&key(at), vec![1; LONG])).unwrap());
    now(store.open("modest").set("k", vec![0; LONG])).unwrap();
    now(bucket.delete(&key(0))).unwrap();
    now(bucket.set(&key(fitting), vec![0; LONG])).unwrap();
    now(bucket.set(&key(1), Vec::new())).unwrap();
    now(bucket.set(&key(1), vec![0; LONG])).unwrap();
    assert!(now(bucket.set(&key(0), vec![0; LONG])).is_err());
}

#[test]
fn a_grant_with_a_limit_has_no_more_and_instances_with_another_limit_share_the_values() {
    let store = MemoryStore::default();
    let most = 1 << 20;
    let bucket = store.open_within("scoped", most).unwrap();
    let fitting = most / (LONG + 2);
    (0..fitting).for_each(|at| now(bucket.set(&format!("{at:02}"), vec![0; LONG])).unwrap());
    let full = now(bucket.set("more", vec![0; LONG])).unwrap_err().message;
    assert_eq!(full, "the values of the module would have more than 1 MiB together, which is the most");
    // A limit that was lowered lets the module remove and shorten what is there.
    let lower = store.open_within("scoped", most / 2).unwrap();
    assert!(now(lower.set("more", Vec::new())).is_err());
    now(lower.set("00", Vec::new())).unwrap();
    now(store.open("scoped").set("more", vec![0; LONG])).unwrap();
}

#[test]
fn the_sum_is_right_where_many_change_values() {
    let values = Arc::new(Values::default());
    let room = Room { values: values.clone(), most: BYTES };
    std::thread::scope(|scope| {
        for thread in 0..4_usize {
            let room = &room;
            scope.spawn(move || {
                for at in 0..2000_usize {
                    let key = format!("{}", at % 7);
                    let outcome = match (at + thread) % 3 {
                        0 => now(room.set(&key, vec![b'1'; at % 50])),
                        1 => now(room.delete(&key)),
                        _ => now(room.compare_and_swap(&key, None, Some(vec![b'1'; 9]))).map(drop),
                    };
                    outcome.unwrap();
                }
            });
        }
    });
    let kept = |shard: &Mutex<HashMap<String, Vec<u8>>>| {
        shard.lock().unwrap().iter().map(|(key, value)| key.len() + value.len()).sum::<usize>()
    };
    assert_eq!(values.bytes.load(Ordering::Relaxed), values.shards.iter().map(kept).sum::<usize>());
    (0..7).for_each(|at| now(room.delete(&at.to_string())).unwrap());
    assert_eq!((values.bytes.load(Ordering::Relaxed), values.count.load(Ordering::Relaxed)), (0, 0));
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
    now(store.open("keeps").set("k", b"1".to_vec())).unwrap();
    drop(store.open("gone"));
    drop(store.open("next"));
    assert_eq!(known(&store), ["keeps", "next", "running"]);
    // What an instance that runs does is seen by those that begin meanwhile.
    now(running.set("k", b"1".to_vec())).unwrap();
    assert_eq!(now(store.open("running").get("k")), Ok(Some(b"1".to_vec())));
    now(store.open("keeps").delete("k")).unwrap();
    drop(store.open("last"));
    assert_eq!(known(&store), ["last", "running"]);
}
