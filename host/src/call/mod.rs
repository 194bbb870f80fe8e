//! One call: from [`Model::invoke`](model::Model::invoke) down to an adapter, and what its attempts share.

pub(crate) mod cancel;
pub(crate) mod clock;
pub(crate) mod held;
pub(crate) mod invoke;
pub(crate) mod model;
pub(crate) mod provider;
pub(crate) mod stream;
