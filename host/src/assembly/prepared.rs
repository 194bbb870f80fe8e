//! A module that is compiled and may run.

use std::sync::Arc;

use crate::{
    assembly::module_file::Stamp,
    chat::config_error::ConfigError,
    config::{grant::Grant, sandbox::Sandbox},
    runtime::{
        guest::{component::CompiledComponent, origin::Origin},
        limits::policy::InstancePolicy,
    },
};

/// A compiled module, with its origin and sandbox.
pub(crate) struct PreparedModule {
    pub(crate) compiled: Arc<CompiledComponent>,
    pub(crate) origin: Origin,
    /// The stamp of its file. Absent if the file changed just before it was read.
    pub(crate) stamp: Option<Stamp>,
    pub(crate) sandbox: Sandbox,
}

impl PreparedModule {
    /// The grants that it asks for and has. A built-in module has all that it asks for.
    pub(crate) fn granted(&self) -> Vec<Grant> {
        let is_built_in = self.origin == Origin::BuiltIn;
        let allowed = |grant| self.sandbox.grant(grant).cloned().or_else(|| is_built_in.then(|| Grant::from(grant)));
        self.compiled.asks_for().filter_map(allowed).collect()
    }

    /// An error about a module that failed to do something.
    pub(crate) fn failed(&self, name: &str, doing: &str, reason: &str) -> ConfigError {
        let error = ConfigError::new(format!("failed to {doing} ({}): {reason}", self.origin));
        error.key(format!("modules.{name}"))
    }

    /// How calls share the module's instances, and what each may use. Many calls share an instance if the module
    /// forwards, and few if it copies. All modules of the process together may take `modules_memory_mb`.
    pub(crate) fn policy(&self, modules_memory_mb: u64) -> InstancePolicy {
        let is_built_in = self.origin == Origin::BuiltIn;
        let default = match is_built_in {
            true if self.compiled.is_forwarding() => 1000,
            true => 16,
            false => 1,
        };
        let alone = self.sandbox.fresh || self.compiled.blocks;
        let calls = if alone { 1 } else { self.sandbox.max_concurrent.unwrap_or(default) };
        InstancePolicy::new(&self.sandbox, calls, modules_memory_mb, is_built_in)
    }
}
