//! A module that asks twice at the same time: each branch sees its own attempts, and the module sees all of them.

use arcllm::Overrides;
use arcllm_simulator::Reply;
use std::time::Duration;

use crate::{
    scene::{FAST, around, count, load, replies, say_hi, soon},
    support::test_module,
};

/// The first branch gets a 503 and then an answer, the second one a 400. Retry must not take the 503 for its own in the
/// second branch, where it would ask again after the 400.
#[tokio::test]
async fn retry_acts_on_the_attempts_of_its_own_branch() {
    let late = |reply: Reply| reply.delay(Duration::from_millis(150));
    let a = replies([Reply::status(503), late(Reply::status(400)), late(Reply::text("back"))]).await;
    let chain = around(&a).host("order = [\"twice\", \"retry\"]").module("twice", "").module("retry", FAST);
    let folder = chain.folder().unwrap();
    folder.write("modules/twice.wasm", std::fs::read(test_module("twice")).unwrap()).unwrap();
    let answer = soon(say_hi(&load(&folder, Overrides::new()).await)).await.unwrap();
    let text = answer.text().unwrap();
    let (said, seen) = text.split_once(" after ").unwrap();
    assert!(["back and 400", "400 and back"].contains(&said), "{text}");
    let mut seen: Vec<&str> = seen.split(' ').collect();
    seen.sort_unstable();
    assert_eq!((seen, count(&a)), (vec!["400", "503", "ok"], 3));
}
