//! What these tests share: a model over a provider that fails.

use arcllm::{ApiError, ErrorKind, Model, Overrides};
use arcllm_simulator::{Format, Reply, Simulator};

use crate::{
    scene::{load, replies, say_hi, soon},
    support::{Chain, Folder},
};

/// A provider, and a model over it alone.
pub(super) struct Stage {
    pub(super) provider: Simulator,
    pub(super) folder: Folder,
    model: Model,
}

impl Stage {
    pub(super) async fn new(format: Format) -> Self {
        let provider = replies([]).await;
        let folder = Chain::new().provider("a", format, &provider.url()).folder().unwrap();
        Self { model: load(&folder, Overrides::new()).await, provider, folder }
    }

    /// The error for this reply.
    pub(super) async fn error(&self, reply: &Reply) -> ApiError {
        self.provider.push(reply.clone()).unwrap();
        let error = soon(say_hi(&self.model)).await.unwrap_err();
        match error.kind {
            ErrorKind::Api(error) => error,
            kind => panic!("{reply}: {kind:?}"),
        }
    }
}
