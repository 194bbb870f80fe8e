//! What authors of modules use: projects, builds, the guide and the conformance kit.

mod core_modules;
pub(crate) mod guide;
mod kit;
mod projects;
mod toolchains;
