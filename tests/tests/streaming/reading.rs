//! Modules that give up a read and begin it again, and modules that write more than they may.

use std::time::Duration;

use arcllm::{Event, Message, Model, Overrides};
use arcllm_simulator::{Fault, Place, Reply, Simulator};
use futures::StreamExt as _;

use crate::{
    scene::{around, load, replies, soon},
    support::Folder,
};

const UPPER: &[u8] = include_bytes!("../../prebuilt/upper-streamed.wasm");

async fn model(a: &Simulator, settings: &str, sandbox: &str) -> Model {
    let chain = around(a).host("order = [\"upper-streamed\"]\nwatch = false").module("upper-streamed", settings);
    let chain = chain.table("modules.upper-streamed.sandbox", sandbox);
    let folder = Folder::new(&chain.to_string()).unwrap();
    folder.write("modules/upper-streamed.wasm", UPPER).unwrap();
    load(&folder, Overrides::new()).await
}

/// The text as it came, and the text or the error that it ended with.
async fn read(model: &Model) -> (String, Result<String, String>) {
    let (mut stream, mut told) = (model.stream(&[Message::user("Hi")], &[]), String::new());
    loop {
        match soon(stream.next()).await.unwrap() {
            Ok(Event::Text(piece)) => told.push_str(&piece),
            Ok(Event::End(answer)) => return (told, Ok(answer.text().unwrap())),
            Ok(_) => {}
            Err(error) => return (told, Err(error.to_string())),
        }
    }
}

#[tokio::test]
async fn a_read_that_is_given_up_loses_nothing() {
    let words: String = (0..40).map(|word| format!("word {word} ")).collect();
    // It is given up many times for each event, about once, and hardly ever.
    for (patience, pace) in [(1, 12), (3, 3), (20, 1)] {
        let a = replies([Reply::text(&words).pace(Duration::from_millis(pace))]).await;
        let model = model(&a, &format!("patience_ms = {patience}"), "").await;
        let (told, end) = read(&model).await;
        assert_eq!(end.unwrap(), words.to_uppercase(), "{patience} ms for an event each {pace} ms");
        assert_eq!(told, words.to_uppercase());
    }
}

#[tokio::test]
async fn nor_does_it_lose_the_error_at_the_end() {
    let cut = Reply::text("one two three").pace(Duration::from_millis(10));
    let a = replies([cut.with_fault(Fault::ResetInBody).fault_at(Place::BeforeEvent(6))]).await;
    let (told, end) = read(&model(&a, "patience_ms = 1", "").await).await;
    assert_eq!(told, "ONE TWO");
    assert!(end.unwrap_err().contains("connection"), "the error of the provider");
}

/// 128 KB of `[0],` become 12 MB, and less than that is there.
#[tokio::test]
async fn events_that_are_written_count_as_memory() {
    let a = replies([Reply::text("one")]).await;
    let model = model(&a, "fault = \"goes-on\"\njson_kb = 128", "memory_mb = 8").await;
    let (_, end) = read(&model).await;
    let error = end.unwrap_err();
    assert!(error.contains("it took more memory than its sandbox allows (memory_mb)"), "{error}");
}

#[tokio::test]
async fn what_was_read_of_them_counts_no_more() {
    let a = replies([Reply::text("one")]).await;
    let model = model(&a, "fault = \"goes-on\"\njson_kb = 4", "memory_mb = 8").await;
    let mut stream = model.stream(&[Message::user("Hi")], &[]);
    let mut blocks = 0;
    while blocks < 50 {
        blocks += usize::from(matches!(soon(stream.next()).await.unwrap().unwrap(), Event::Block(_)));
    }
}
