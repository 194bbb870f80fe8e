//! What a guest sees: its exports, its imports, and the handles it holds.

pub(crate) mod additions;
pub(crate) mod bindings;
pub(crate) mod component;
pub(crate) mod convert;
pub(crate) mod engine;
pub(crate) mod exports;
pub(crate) mod handles;
pub(crate) mod imports;
pub(crate) mod state;
pub(crate) mod writing;
