//! What an agent holds: a loaded model, and the answers that it streams.

pub(crate) mod count;
pub(crate) mod defaults;
pub(crate) mod live_trail;
#[expect(clippy::module_inception, reason = "a file is named by what it defines")]
pub(crate) mod model;
pub(crate) mod stream;
