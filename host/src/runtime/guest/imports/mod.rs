//! What a module can import, one file an interface. A plain function answers at once: a slow one would hold up every
//! call of the instance.

pub(crate) mod ambient;
pub(crate) mod blocking;
pub(crate) mod inner;
pub(crate) mod models;
pub(crate) mod state;
pub(crate) mod streams;
pub(crate) mod types;
