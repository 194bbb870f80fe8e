//! The limits that a module can exceed.

use std::fmt;

use wasmtime::{PoolConcurrencyLimitError, Trap, component::ResourceTableError};

/// A limit, by the setting that says how much.
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
    /// Instances of all modules, as many as the engine has room for.
    Running,
    ModulesMemory,
}

impl Limit {
    /// The key in `[modules.NAME.sandbox]`, or in `[host]`.
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

    /// What a module did that went past it.
    fn deed(self) -> &'static str {
        match self {
            Limit::Memory => "took more memory than its sandbox allows",
            Limit::Tables => "took more table elements than its sandbox allows",
            Limit::Stack => "recursed deeper than its sandbox allows",
            Limit::Handles => "held more handles than its sandbox allows",
            Limit::Cpu => "computed for longer than its sandbox allows",
            Limit::Stall => "made no progress for longer than its sandbox allows",
            Limit::Hostcall => "moved more in one call than its sandbox allows",
            Limit::LogLines | Limit::LogBytes => "logged more than its sandbox allows",
            Limit::Queued => "is overloaded: too many calls wait for an instance",
            Limit::Instances => "is overloaded: it has as many instances as it may have",
            Limit::Running => "is overloaded: the process has as many module instances as it can have",
            Limit::ModulesMemory => "is overloaded: the modules of the process use as much memory as they may use",
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "it {} ({})", self.deed(), self.setting())
    }
}

impl std::error::Error for Limit {}

impl Limit {
    /// The limit that an error of the engine is about, if it is about one.
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
        // The engine's types for these are private.
        let cause = error.root_cause().to_string();
        if cause.contains("store handle limit exceeded") {
            return Some(Limit::Handles);
        }
        cause.contains("fuel allocated for hostcalls").then_some(Limit::Hostcall)
    }
}
