//! Counts the tokens of a request before it is sent.

use bytes::Bytes;

use crate::{chat::error::Error, model::model::Model};

impl Model {
    /// Counts the tokens of a request that is written in the provider's format, by asking the provider: the body and the
    /// headers go to it, with the name of its model and its key. Returns its answer as it is, or `None` if it cannot count.
    ///
    /// No module sees the request, and no limit of the model counts: it is not an invoke.
    ///
    /// # Errors
    ///
    /// Why there is no count. The trail is empty.
    pub async fn count_tokens(
        &self,
        body: impl Into<Bytes>,
        headers: Vec<(String, String)>,
    ) -> Result<Option<Bytes>, Error> {
        Ok(self.chain.end.adapter.clone().count_tokens(body.into(), headers).await?)
    }
}
