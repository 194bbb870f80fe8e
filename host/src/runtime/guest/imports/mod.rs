//! What a module can import, one file an interface. Plain functions answer at once: a slow one would hold up every call
//! of the instance.

pub(crate) mod ambient;
pub(crate) mod blocking;
pub(crate) mod endings;
pub(crate) mod inner;
pub(crate) mod journal;
pub(crate) mod models;
pub(crate) mod state;
pub(crate) mod streams;
pub(crate) mod types;
pub(crate) mod wasi_0_2;
