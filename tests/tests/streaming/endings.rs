//! A module that watches how an answer ends: it hands the answer on, and notes the end after the reader has it.

use std::{sync::Arc, time::Duration};

use arcllm::{Config, Host, MemoryStore, Message, Model, Overrides};
use arcllm_simulator::{Fault, Place, Reply, Simulator};
use futures::StreamExt as _;

use super::stage::{first_text, read};
use crate::{
    scene::{around, replies, soon},
    support::{Folder, kept},
};

/// A model behind telemetry alone, whose one instance serves one call at a time, and what telemetry keeps.
struct Watched {
    _folder: Folder,
    a: Simulator,
    model: Model,
    store: Arc<MemoryStore>,
}

impl Watched {
    async fn new(reply: Reply) -> Self {
        let a = replies([reply]).await;
        let narrow = "max_concurrent = 1\nmax_instances = 1\nmax_queued = 1";
        let chain = around(&a).module("telemetry", "").table("modules.telemetry.sandbox", narrow);
        let folder = chain.folder().unwrap();
        let store = Arc::new(MemoryStore::default());
        let config = Config::load(&folder.path().join("config.toml")).unwrap();
        let host = Host::builder().config(config).state_store(store.clone()).build().unwrap();
        let model = soon(host.load_model("a", Overrides::new())).await.unwrap();
        Self { _folder: folder, a, model, store }
    }

    fn stream(&self) -> arcllm::ResponseStream {
        self.model.stream(&[Message::user("Hi")], &[])
    }

    /// The total of this name, as soon as there is one.
    async fn total(&self, name: &str) -> String {
        soon(async {
            loop {
                if let Some(value) = kept(&*self.store, "telemetry", &format!("total.{name}")).await {
                    return value;
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
        .await
    }

    async fn has(&self, name: &str) -> bool {
        kept(&*self.store, "telemetry", &format!("total.{name}")).await.is_some()
    }
}

fn paced() -> Reply {
    Reply::text("One ".repeat(500)).pace(Duration::from_millis(10))
}

#[tokio::test]
async fn the_tokens_of_a_whole_stream_are_noted_after_its_end() {
    let watched = Watched::new(Reply::text("One two three four").pieces(1)).await;
    let (_, end) = soon(read(&mut watched.stream())).await;
    let usage = end.unwrap().usage;
    assert_eq!(watched.total("output_tokens").await, usage.output_tokens.to_string());
    assert_eq!(watched.total("calls").await, "1");
    assert!(!watched.has("errors").await);
}

#[tokio::test]
async fn a_stream_that_breaks_is_an_error_and_the_instance_is_free_again() {
    let broken = Reply::text("One two three four").with_fault(Fault::Truncate).fault_at(Place::BeforeEvent(6));
    let watched = Watched::new(broken).await;
    soon(read(&mut watched.stream())).await.1.unwrap_err();
    assert_eq!(watched.total("errors").await, "1");
    soon(watched.stream().collect()).await.unwrap();
    assert_eq!(watched.total("output_tokens").await, "5");
}

/// The only instance serves one call at a time, so it must be free for the second one.
#[tokio::test]
async fn a_reader_that_goes_away_is_noted_and_the_instance_is_free_again() {
    let watched = Watched::new(paced()).await;
    let mut stream = watched.stream();
    soon(first_text(&mut stream)).await;
    assert!(!watched.has("calls").await, "nothing is noted while the answer is open");
    drop(stream);
    assert_eq!(watched.total("errors").await, "1");
    soon(watched.a.wait_until(|requests| requests[0].dropped())).await;
    soon(watched.stream().collect()).await.unwrap();
}

#[tokio::test]
async fn many_streams_are_open_at_once_in_one_instance() {
    let a = replies([paced().times(50)]).await;
    // An open answer is an open call of the module that watches it.
    let sandbox = "max_instances = 1\nmax_concurrent = 50";
    let chain = around(&a).module("telemetry", "").table("modules.telemetry.sandbox", sandbox);
    let model = crate::scene::load(&chain.folder().unwrap(), Overrides::new()).await;
    let mut streams: Vec<_> = (0..50).map(|_| model.stream(&[Message::user("Hi")], &[])).collect();
    for stream in &mut streams {
        soon(first_text(stream)).await;
    }
    for mut stream in streams {
        assert!(soon(stream.next()).await.unwrap().is_ok());
    }
}
