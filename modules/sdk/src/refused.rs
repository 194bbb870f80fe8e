//! Refusing a call in the provider's stead.

use crate::{Error, Request, types::ApiError};

/// An error as the provider itself would give it, so that whoever stands outside waits for `retry_after` nanoseconds or asks
/// another. It names the module, and says that the provider was not asked.
pub fn refused(request: &Request, module: &str, status: u16, retry_after: u64, message: String) -> Error {
    Error::Api(ApiError {
        status,
        message,
        provider: request.provider(),
        model: request.model(),
        request_id: None,
        retry_after: Some(retry_after),
        should_retry: None,
        // A value is JSON text; a name has nothing in it to be escaped.
        extensions: vec![("arcllm.refused-by".to_owned(), format!("\"{module}\""))],
    })
}
