//! Hands answers on: watched, once they have begun, or written anew.

use wit_bindgen::spawn_local;

use crate::arcllm::llm::{
    endings::{Watch, begun},
    llm_provider as inner, models, state,
    streams::{self, Event, Reader, Writer},
    types::{ContentBlock, Error, Request, Response},
};

/// The key under which it keeps how an answer ended.
const ENDED: &str = "ended";

pub(crate) async fn watch(request: Request) -> Result<Response, Error> {
    let answer = inner::invoke(request).await?;
    let watch = Watch::new(&answer);
    spawn_local(async move {
        let ended = serde_json::json!(watch.ended().await);
        let _ = state::set(ENDED.into(), ended.to_string().into_bytes()).await;
        // The host counts the call as over once nobody watches.
        drop(watch);
    });
    Ok(answer)
}

pub(crate) async fn begin(request: Request, other: String) -> Result<Response, Error> {
    let answer = match inner::invoke(request.clone()).await {
        Ok(answer) => begun(answer).await,
        Err(error) => Err(error),
    };
    match answer {
        Ok(answer) => Ok(answer),
        Err(_) => models::load(&request, other).await?.invoke(request).await,
    }
}

pub(crate) async fn write(request: Request) -> Result<Response, Error> {
    let reader = streams::read(inner::invoke(request.clone()).await?);
    let (answer, writer) = streams::write(&request);
    spawn_local(async move {
        if let Err(error) = copy(&reader, &writer).await {
            writer.fail(&error);
        }
    });
    Ok(answer)
}

async fn copy(reader: &Reader, writer: &Writer) -> Result<(), Error> {
    loop {
        let events = reader.read().await?;
        if events.is_empty() {
            return Ok(());
        }
        writer.write(events.into_iter().map(upper).collect()).await?;
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
