//! What a guest sees: its exports, its imports, and the handles it holds.

pub(crate) mod bindings;
pub(crate) mod component;
pub(crate) mod convert;
pub(crate) mod cpu_limit;
pub(crate) mod ending;
pub(crate) mod engine;
pub(crate) mod exports;
pub(crate) mod handles;
pub(crate) mod hop;
pub(crate) mod imports;
pub(crate) mod kept_state;
pub(crate) mod may_add;
pub(crate) mod noting;
pub(crate) mod origin;
pub(crate) mod output;
pub(crate) mod place;
pub(crate) mod progress;
pub(crate) mod read_originals;
pub(crate) mod refused_import;
pub(crate) mod store_data;
pub(crate) mod writing;
