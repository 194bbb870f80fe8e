//! Turns a streamed answer into capitals as it comes, or commits a fault in it.

use std::{pin::pin, time::Duration};

use arcllm_module::{
    Behavior, Config, Description, Error, Module, Request, Response, clock, inner,
    stream::{self, Event, Reader, Writer},
    types::{ContentBlock, Failure},
};
use schemars::JsonSchema;
use serde::Deserialize;

/// The settings.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The fault, if there is one.
    pub fault: Option<Fault>,
    /// How long it waits before each write, in milliseconds.
    pub pause_ms: u64,
    /// After how many milliseconds it gives up a read and begins again.
    pub patience_ms: Option<u64>,
    /// How many kilobytes of JSON `goes-on` writes at a time, instead of a word.
    pub json_kb: usize,
}

/// What it does after the first write, or instead of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// It writes no more.
    Stops,
    /// It writes an error.
    Fails,
    /// It traps.
    Traps,
    /// It computes forever.
    Spins,
    /// It waits for a day.
    Waits,
    /// It writes without end.
    GoesOn,
    /// It asks its inner again and again.
    AsksOn,
    /// It begins an answer, keeps it, and returns its inner's answer.
    Keeps,
    /// It writes without end, and never returns the answer.
    HoldsBack,
}

impl Config for Settings {}

/// The module.
pub struct Upper {
    settings: Settings,
}

impl Module for Upper {
    type Config = Settings;

    fn describe() -> Description {
        Description::new("upper-streamed", env!("CARGO_PKG_VERSION"), "transformer")
            .behavior(&[Behavior::ChangesAnswers])
    }

    fn new(settings: Settings) -> Self {
        Self { settings }
    }

    async fn invoke(&self, request: Request) -> Result<Response, Error> {
        match self.settings.fault {
            Some(Fault::Keeps) => {
                std::mem::forget(stream::write(&request));
                return inner::invoke(request).await;
            }
            Some(Fault::HoldsBack) => {
                let (_answer, writer) = stream::write(&request);
                go_on(&writer, 0).await?;
            }
            _ => {}
        }
        let reader = stream::read(inner::invoke(request.clone()).await?);
        let (fault, pause) = (self.settings.fault, Duration::from_millis(self.settings.pause_ms));
        let (patience, json) = (self.settings.patience_ms, self.settings.json_kb);
        let asked = request.clone();
        Ok(stream::written(&request, async move |writer| {
            loop {
                let mut events: Vec<Event> = read(&reader, patience).await?.into_iter().map(upper).collect();
                if events.is_empty() {
                    return Ok(());
                }
                if fault.is_some() {
                    // Leaves out the end, in case everything has come at once.
                    let text = events.iter().position(|event| matches!(event, Event::Text(_)));
                    events.truncate(text.map_or(events.len(), |at| at + 1));
                }
                if !pause.is_zero() {
                    clock::wait_for(pause).await;
                }
                writer.write(events).await?;
                if let Some(fault) = fault {
                    return commit(fault, writer, json, &asked).await;
                }
            }
        }))
    }
}

fn upper(event: Event) -> Event {
    match event {
        Event::Text(text) => Event::Text(text.to_uppercase()),
        Event::Block(block) => Event::Block(upper_block(block)),
        Event::End(mut answer) => {
            answer.content = answer.content.into_iter().map(upper_block).collect();
            Event::End(answer)
        }
        other => other,
    }
}

fn upper_block(block: ContentBlock) -> ContentBlock {
    match block {
        ContentBlock::Text(mut text) => {
            text.text = text.text.to_uppercase();
            ContentBlock::Text(text)
        }
        other => other,
    }
}

/// Reads. If that takes longer than `patience`, it gives up and begins again.
async fn read(reader: &Reader, patience: Option<u64>) -> Result<Vec<Event>, Error> {
    let Some(patience) = patience else { return reader.read().await };
    loop {
        if let Ok(read) = clock::timeout(Duration::from_millis(patience), pin!(reader.read())).await {
            return read;
        }
    }
}

async fn commit(fault: Fault, writer: &Writer, json: usize, asked: &Request) -> Result<(), Error> {
    match fault {
        Fault::Stops => Ok(()),
        Fault::Fails => Err(Error::Other(Failure::new("", "lost my voice"))),
        #[expect(clippy::panic, reason = "this is the fault")]
        Fault::Traps => panic!("lost my voice"),
        Fault::Spins => loop {
            std::hint::black_box(());
        },
        Fault::Waits => {
            clock::wait_for(Duration::from_secs(86_400)).await;
            Ok(())
        }
        Fault::GoesOn => go_on(writer, json).await,
        Fault::AsksOn => loop {
            let _ = inner::invoke(asked.clone()).await;
        },
        // These two happen before the first write.
        Fault::Keeps | Fault::HoldsBack => Ok(()),
    }
}

async fn go_on(writer: &Writer, json: usize) -> Result<(), Error> {
    loop {
        writer
            .write(vec![match json {
                0 => Event::Text("and on ".to_owned()),
                // Arrays of numbers take the most memory for their length.
                _ => Event::Block(ContentBlock::Other(format!("[{}0]", "[0],".repeat(json << 8)))),
            }])
            .await?;
    }
}

arcllm_module::export!(Upper);
