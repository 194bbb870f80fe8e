//! Modules whose reads time out, and modules that write too much.

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

/// The text as it came, and the text or the error at the end.
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
async fn a_read_that_times_out_loses_nothing() {
    let words: String = (0..40).map(|word| format!("word {word} ")).collect();
    // A read times out many times for each event, about once, and hardly ever.
    for (patience, pace) in [(1, 12), (3, 3), (20, 1)] {
        let a = replies([Reply::text(&words).pace(Duration::from_millis(pace))]).await;
        let model = model(&a, &format!("patience_ms = {patience}"), "").await;
        let (told, end) = read(&model).await;
        assert_eq!(end.unwrap(), words.to_uppercase(), "{patience} ms for an event each {pace} ms");
        assert_eq!(told, words.to_uppercase());
    }
}

#[tokio::test]
async fn a_read_that_times_out_keeps_the_error() {
    let cut = Reply::text("one two three").pace(Duration::from_millis(10));
    let a = replies([cut.with_fault(Fault::ResetInBody).fault_at(Place::BeforeEvent(6))]).await;
    let (told, end) = read(&model(&a, "patience_ms = 1", "").await).await;
    assert_eq!(told, "ONE TWO");
    assert!(end.unwrap_err().contains("connection"), "the error of the provider");
}

/// 128 KB of `[0],` become 12 MB, which is more than the limit.
#[tokio::test]
async fn written_events_count_as_memory() {
    let a = replies([Reply::text("one")]).await;
    let model = model(&a, "fault = \"goes-on\"\njson_kb = 128", "memory_mb = 8").await;
    let (_, end) = read(&model).await;
    let error = end.unwrap_err();
    assert!(error.contains("it took more than 8 MB of memory (memory_mb)"), "{error}");
}

#[tokio::test]
async fn events_that_were_read_no_longer_count() {
    let a = replies([Reply::text("one")]).await;
    let model = model(&a, "fault = \"goes-on\"\njson_kb = 4", "memory_mb = 8").await;
    let mut stream = model.stream(&[Message::user("Hi")], &[]);
    let mut blocks = 0;
    while blocks < 50 {
        blocks += usize::from(matches!(soon(stream.next()).await.unwrap().unwrap(), Event::Block(_)));
    }
}
