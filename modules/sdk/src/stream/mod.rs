//! Streamed answers: reading their events, and writing an answer event by event.

pub use crate::bindings::arcllm::llm::streams::{Event, ToolArguments, ToolUseEnd, ToolUseStart};
#[cfg(target_family = "wasm")]
pub use crate::bindings::arcllm::llm::streams::{Writer, write};
#[cfg(all(feature = "background", not(target_family = "wasm")))]
use crate::testing::executor::spawn as spawn_local;
#[cfg(not(target_family = "wasm"))]
pub use crate::testing::stream::{Reader, Writer, read, write};
use crate::{Error, types::Failure};
#[cfg(feature = "background")]
use crate::{Request, Response};
pub use held::Held;
#[cfg(target_family = "wasm")]
pub use reader::{Reader, read};
#[cfg(all(feature = "background", target_family = "wasm"))]
use wit_bindgen::spawn_local;

mod held;
#[cfg(target_family = "wasm")]
mod reader;

/// The most events of one write.
const BATCH: usize = 256;

/// Returns an answer that `to` writes event by event. `to` goes on after the module has returned the answer. This module
/// drops all reasoning from answers:
///
/// ```
/// use arcllm_module::{Error, Request, Response, inner, stream::{self, Event}, types::ContentBlock};
///
/// async fn invoke(request: Request) -> Result<Response, Error> {
///     let reader = stream::read(inner::invoke(request.clone()).await?);
///     Ok(stream::written(&request, async move |writer| {
///         loop {
///             let mut events = reader.read().await?;
///             if events.is_empty() {
///                 return Ok(());
///             }
///             events.retain(|event| !matches!(event, Event::Thinking(_) | Event::Block(ContentBlock::Thinking(_))));
///             for event in &mut events {
///                 if let Event::End(answer) = event {
///                     answer.content.retain(|block| !matches!(block, ContentBlock::Thinking(_)));
///                 }
///             }
///             writer.write(events).await?;
///         }
///     }))
/// }
/// ```
///
/// If `to` fails, the answer ends with its error. Needs the feature `background`.
#[cfg(feature = "background")]
pub fn written(request: &Request, to: impl AsyncFnOnce(&Writer) -> Result<(), Error> + 'static) -> Response {
    let (response, writer) = write(request);
    spawn_local(async move {
        if let Err(error) = to(&writer).await {
            writer.fail(&error);
        }
    });
    response
}

/// Reads an answer until it is whole, and returns its events. Small pieces are joined.
///
/// # Errors
///
/// The error that broke the answer off.
pub async fn whole(reader: &Reader) -> Result<Vec<Event>, Error> {
    let mut held = Held::default();
    loop {
        let events = reader.read().await?;
        if events.is_empty() {
            return Err(Error::Connection(Failure::new("", "the answer ended before it was whole")));
        }
        let is_over = matches!(events.last(), Some(Event::End(_)));
        events.into_iter().for_each(|event| held.add(event));
        if is_over {
            return Ok(held.take());
        }
    }
}

/// Writes the events of a whole answer, not too many at once.
///
/// # Errors
///
/// `cancelled` if the reader is gone.
pub async fn write_all(writer: &Writer, events: Vec<Event>) -> Result<(), Error> {
    let mut events = events.into_iter().peekable();
    while events.peek().is_some() {
        writer.write(events.by_ref().take(BATCH).collect()).await?;
    }
    Ok(())
}
