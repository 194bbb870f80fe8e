//! What a module can import, one file an interface. A plain function answers at once: a slow one would hold up every
//! call of the instance.

mod ambient;
mod inner;
mod models;
mod streams;
mod types;
