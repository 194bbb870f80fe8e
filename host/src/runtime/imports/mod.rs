//! What a module can import, one file an interface. A plain function answers at once: a slow one would hold up every
//! call of the instance.

mod ambient;
mod blocking;
mod inner;
mod models;
mod state;
mod streams;
mod types;

pub(super) use ambient::add_wasi_0_2_to_linker;
pub(super) use blocking::add_to_linker as add_blocking_to_linker;
