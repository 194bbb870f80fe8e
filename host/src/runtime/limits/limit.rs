//! The limits that a module can exceed.

use std::fmt;

use wasmtime::{PoolConcurrencyLimitError, Trap, component::ResourceTableError};

/// A limit, named after its setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Limit {
    Memory,
    Tables,
    Stack,
    Handles,
    Cpu,
    Stall,
    Hostcall,
    LogLines,
    LogBytes,
    Queued,
    Instances,
    /// Instances of all modules together. The engine sets the number.
    Running,
    ModulesMemory,
}

impl Limit {
    /// The key in `[modules.NAME.sandbox]` or `[host]`.
    pub(crate) fn setting(self) -> &'static str {
        match self {
            Limit::Memory => "memory_mb",
            Limit::Tables => "table_elements",
            Limit::Stack => "stack_kb",
            Limit::Handles => "handles",
            Limit::Cpu => "cpu_seconds",
            Limit::Stall => "stall_seconds",
            Limit::Hostcall => "hostcall_mb",
            Limit::LogLines => "log_lines_per_second",
            Limit::LogBytes => "log_kb_per_second",
            Limit::Queued => "max_queued",
            Limit::Instances => "max_instances",
            Limit::Running => "instances of the process",
            Limit::ModulesMemory => "modules_memory_mb",
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "more than the sandbox allows ({})", self.setting())
    }
}

impl std::error::Error for Limit {}

impl Limit {
    /// The limit that an engine's error is about, if any.
    pub(crate) fn of(error: &wasmtime::Error) -> Option<Self> {
        if let Some(limit) = error.downcast_ref::<Self>() {
            return Some(*limit);
        }
        if matches!(error.downcast_ref(), Some(Trap::StackOverflow)) {
            return Some(Limit::Stack);
        }
        if error.downcast_ref::<PoolConcurrencyLimitError>().is_some() {
            return Some(Limit::Instances);
        }
        if matches!(error.downcast_ref(), Some(ResourceTableError::Full)) {
            return Some(Limit::Handles);
        }
        // The engine's types for these errors are private.
        let cause = error.root_cause().to_string();
        if cause.contains("store handle limit exceeded") {
            return Some(Limit::Handles);
        }
        cause.contains("fuel allocated for hostcalls").then_some(Limit::Hostcall)
    }
}
