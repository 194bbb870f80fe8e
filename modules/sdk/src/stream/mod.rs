//! Streamed answers: reading their events, and writing an answer event by event.

pub use crate::bindings::arcllm::llm::streams::{Event, ToolArguments, ToolUseEnd, ToolUseStart};
#[cfg(target_family = "wasm")]
pub use crate::bindings::arcllm::llm::streams::{Writer, write};
#[cfg(all(feature = "background", not(target_family = "wasm")))]
use crate::testing::executor::spawn as spawn_local;
#[cfg(not(target_family = "wasm"))]
pub use crate::testing::stream::{Reader, Writer, read, write};
#[cfg(feature = "background")]
use crate::{Error, Request, Response};
#[cfg(target_family = "wasm")]
pub use reader::{Reader, read};
#[cfg(all(feature = "background", target_family = "wasm"))]
use wit_bindgen::spawn_local;

#[cfg(target_family = "wasm")]
mod reader;

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
