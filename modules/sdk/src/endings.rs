//! How answers end that a module hands on as they are.
//!
//! A module that wants to know only how an answer ended, and what it cost, watches it. The events of the answer do not pass
//! through the module.

#[cfg(target_family = "wasm")]
pub use crate::bindings::arcllm::llm::endings::{Watch, begun};
pub use crate::bindings::arcllm::llm::types::Ending;
#[cfg(not(target_family = "wasm"))]
pub use crate::testing::endings::{Watch, begun};
#[cfg(all(feature = "background", not(target_family = "wasm")))]
use crate::testing::executor::spawn as spawn_local;
#[cfg(feature = "background")]
use crate::{Error, Response};
#[cfg(all(feature = "background", target_family = "wasm"))]
use wit_bindgen::spawn_local;

/// Calls `then` when this answer has ended: with how it ended, or with the error that broke it off. `then` goes on after the
/// module has returned the answer, for a few seconds at most. It can ask nobody.
///
/// ```
/// use arcllm_module::{Error, Request, Response, endings, inner, log};
///
/// async fn invoke(request: Request) -> Result<Response, Error> {
///     let response = inner::invoke(request).await?;
///     endings::after(&response, async |ended| {
///         if let Ok(ending) = ended {
///             log::log(log::Level::Info, "tokens", &ending.usage.total_tokens.to_string());
///         }
///     });
///     Ok(response)
/// }
/// ```
///
/// Needs the feature `background`.
#[cfg(feature = "background")]
pub fn after(response: &Response, then: impl AsyncFnOnce(Result<Ending, Error>) + 'static) {
    let watch = Watch::new(response);
    spawn_local(async move {
        then(watch.ended().await).await;
        // The host counts the call as over once nobody watches.
        drop(watch);
    });
}

/// Does this after the module has returned its answer or its error: the caller does not wait for it. What it notes in the
/// [`state`](crate::state) is noted, for a few seconds at most. It can ask nobody.
///
/// ```
/// use arcllm_module::{Error, Request, Response, endings, inner, state};
///
/// async fn invoke(request: Request) -> Result<Response, Error> {
///     let outcome = inner::invoke(request).await;
///     if outcome.is_err() {
///         endings::background(async {
///             let _ = state::increment("errors".to_owned(), 1).await;
///         });
///     }
///     outcome
/// }
/// ```
///
/// Needs the feature `background`.
#[cfg(feature = "background")]
pub fn background(doing: impl Future<Output = ()> + 'static) {
    spawn_local(doing);
}
