use std::sync::Arc;

use futures::{FutureExt as _, future::BoxFuture};

use super::{Bucket, MemoryStore, StateStore as _, VALUES};

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
    assert!(now(bucket.set("more", Vec::new())).unwrap_err().contains("100000"));
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
