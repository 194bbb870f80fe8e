//! Records that stay, in a journal that the host keeps. Needs the grant `journal`.
//!
//! ```
//! use arcllm_module::{Error, Request, Response, inner, journal, types::Failure};
//!
//! async fn invoke(request: Request) -> Result<Response, Error> {
//!     let record = format!("{{\"digest\":\"{}\"}}", request.digest());
//!     journal::append(record).await.map_err(|problem| Error::Other(Failure::new("", problem)))?;
//!     inner::invoke(request).await
//! }
//! ```

#[cfg(target_family = "wasm")]
pub use crate::bindings::arcllm::llm::journal::{append, append_with_request};
#[cfg(not(target_family = "wasm"))]
pub use crate::testing::imports::journal::{append, append_with_request};
