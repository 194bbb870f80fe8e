//! A module that is compiled and may run.

use std::sync::Arc;

use crate::{
    assembly::source::Stamp,
    config::{error::ConfigError, sandbox::Sandbox},
    runtime::{
        guest::{component::Compiled, origin::Origin},
        limits::policy::InstancePolicy,
    },
};

/// A module, compiled.
pub(crate) struct Prepared {
    pub(crate) compiled: Arc<Compiled>,
    pub(crate) origin: Origin,
    /// By which to know the file again. Absent if that cannot be told.
    pub(crate) stamp: Option<Stamp>,
    pub(crate) sandbox: Sandbox,
}

impl Prepared {
    /// What it is granted of what it asks for. A built-in module is granted everything.
    pub(crate) fn granted(&self) -> Vec<&'static str> {
        let allowed =
            |grant: &&str| self.origin == Origin::BuiltIn || self.sandbox.allow.iter().any(|one| one == grant);
        self.compiled.asks_for().filter(allowed).collect()
    }

    /// An error about a module that failed to do something.
    pub(crate) fn failed(&self, name: &str, doing: &str, reason: &str) -> ConfigError {
        let error = ConfigError::new(format!("failed to {doing} ({}): {reason}", self.origin));
        error.key(format!("modules.{name}"))
    }

    /// How calls share the module's instances, where all modules of the process may take this much memory. Many calls share
    /// an instance where the module forwards what it is given, and few where it copies it.
    pub(crate) fn policy(&self, modules_memory_mb: u64) -> InstancePolicy {
        let is_built_in = self.origin == Origin::BuiltIn;
        let default = match is_built_in {
            true if self.compiled.forwards() => 1000,
            true => 16,
            false => 1,
        };
        let alone = self.sandbox.fresh || self.compiled.blocks;
        let calls = if alone { 1 } else { self.sandbox.max_concurrent.unwrap_or(default) };
        InstancePolicy::new(&self.sandbox, calls, modules_memory_mb, is_built_in)
    }
}
