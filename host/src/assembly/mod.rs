//! Puts chains together: finds, compiles and configures modules, and exchanges those that change.

pub(crate) mod behavior;
pub(crate) mod builder;
pub(crate) mod enabled;
pub(crate) mod failures;
pub(crate) mod good_versions;
pub(crate) mod host;
pub(crate) mod host_journal;
pub(crate) mod in_code;
pub(crate) mod key_ring;
pub(crate) mod loader;
pub(crate) mod locked;
pub(crate) mod models;
pub(crate) mod module_file;
pub(crate) mod order;
pub(crate) mod place;
pub(crate) mod pools;
pub(crate) mod prepared;
pub(crate) mod reloader;
pub(crate) mod schema;
pub(crate) mod settings;
pub(crate) mod source;
pub(crate) mod state;
pub(crate) mod stray_files;
pub(crate) mod trust;
pub(crate) mod upstreams;
pub(crate) mod watcher;
