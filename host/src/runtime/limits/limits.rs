//! What an instance may use, and what is said of one that uses more.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use wasmtime::{PoolConcurrencyLimitError, ResourceLimiter, Trap, component::ResourceTableError};

use crate::{config::sandbox::Limits, runtime::limits::room};

/// Handles that an instance may hold beyond those of its calls.
const SPARE_HANDLES: u64 = 1024;

/// So many calls of those that share an instance may use all of their memory at once; more of them share that.
const AT_ONCE: u32 = 8;

/// What an instance takes of memory for the content of a call: the content itself, a copy of it with changes, and what
/// its language needs besides.
const PER_CONTENT: usize = 8;

/// Tables, and memories, of one instance. A component of several modules has a few of each.
const TABLES: usize = 64;

/// The limits of an instance, some of which grow with the calls that it may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Caps {
    pub(crate) limits: Limits,
    /// How many calls share the instance.
    pub(crate) calls: u32,
}

impl Caps {
    fn for_all_calls(&self, each: u64) -> usize {
        usize::try_from(each.saturating_mul(self.calls.into())).unwrap_or(usize::MAX)
    }

    /// Bytes of memory.
    fn memory(&self) -> usize {
        let each = self.limits.memory_mb.saturating_mul(1 << 20);
        Self { calls: self.calls.min(AT_ONCE), ..*self }.for_all_calls(each)
    }

    /// Bytes of content that the calls of an instance may have together, if the module copies it.
    pub(crate) fn content(&self) -> usize {
        self.memory() / PER_CONTENT
    }

    /// The most bytes of content that one call may have, if the module copies it, and the limit that says so.
    pub(crate) fn content_of_call(&self) -> (usize, Limit) {
        let memory = usize::try_from(self.limits.memory_mb.saturating_mul(1 << 20)).unwrap_or(usize::MAX) / 4;
        if memory <= self.hostcall() { (memory, Limit::Memory) } else { (self.hostcall(), Limit::Hostcall) }
    }

    fn table_elements(&self) -> usize {
        self.for_all_calls(self.limits.table_elements)
    }

    /// How many handles the instance may hold.
    pub(crate) fn handles(&self) -> usize {
        self.for_all_calls(self.limits.handles).saturating_add(usize::try_from(SPARE_HANDLES).unwrap_or(usize::MAX))
    }

    /// Bytes that one call between guest and host may move.
    pub(crate) fn hostcall(&self) -> usize {
        usize::try_from(self.limits.hostcall_mb.saturating_mul(1 << 20)).unwrap_or(usize::MAX)
    }
}

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

/// Keeps an instance within its memory and tables.
pub(crate) struct Growth {
    memory: Rest,
    tables: Rest,
    /// All that there may be.
    most: usize,
    /// The memory that was left once the instance had started.
    spare: usize,
    /// As much again the host keeps of what the module makes: requests and responses behind handles.
    host_memory: usize,
    made: Arc<AtomicUsize>,
}

/// Bytes of the host's memory that a module has taken, until it is dropped.
pub(crate) struct Made {
    bytes: usize,
    of: Arc<AtomicUsize>,
}

impl Drop for Made {
    fn drop(&mut self) {
        self.of.fetch_sub(self.bytes, Ordering::Relaxed);
        room::gave_back(self.bytes);
    }
}

/// How much of something is left.
struct Rest {
    left: usize,
    limit: Limit,
}

impl Rest {
    fn take(&mut self, current: usize, desired: usize) -> wasmtime::Result<bool> {
        match self.left.checked_sub(desired.saturating_sub(current)) {
            Some(left) => {
                self.left = left;
                Ok(true)
            }
            // A guest that is told "no" aborts without saying why.
            None => Err(self.limit.into()),
        }
    }
}

impl Growth {
    pub(crate) fn new(caps: &Caps) -> Self {
        Self {
            memory: Rest { left: caps.memory(), limit: Limit::Memory },
            tables: Rest { left: caps.table_elements(), limit: Limit::Tables },
            most: caps.memory(),
            spare: caps.memory(),
            host_memory: caps.memory(),
            made: Arc::default(),
        }
    }

    /// Takes so many bytes of the host's memory.
    pub(crate) fn make(&self, bytes: usize) -> Result<Made, Limit> {
        // Before it is looked at, so that whatever becomes of it is given back.
        let made = Made { bytes, of: self.made.clone() };
        let before = self.made.fetch_add(bytes, Ordering::Relaxed);
        room::took(bytes);
        if before.saturating_add(bytes) > self.host_memory { Err(Limit::Memory) } else { Ok(made) }
    }

    /// The instance has started: what it has taken until now it will always have.
    pub(crate) fn started(&mut self) {
        self.spare = self.memory.left;
    }

    /// Whether calls have used more than half of the memory that is theirs. Memory never shrinks, and a language that
    /// collects garbage may not do so before there is no more: JavaScript comes to 64 MB in some ten thousand calls.
    pub(crate) fn is_worn(&self) -> bool {
        self.memory.left < self.spare / 2
    }
}

impl Drop for Growth {
    fn drop(&mut self) {
        room::gave_back(self.most.saturating_sub(self.memory.left));
    }
}

impl ResourceLimiter for Growth {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let before = self.memory.left;
        let grows = self.memory.take(current, desired);
        room::took(before.saturating_sub(self.memory.left));
        grows
    }

    fn memory_grow_failed(&mut self, _: wasmtime::Error) -> wasmtime::Result<()> {
        // Past what 32 bits can address, or what the system has.
        Err(Limit::Memory.into())
    }

    fn table_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        self.tables.take(current, desired)
    }

    fn table_grow_failed(&mut self, _: wasmtime::Error) -> wasmtime::Result<()> {
        Err(Limit::Tables.into())
    }

    fn tables(&self) -> usize {
        TABLES
    }

    fn memories(&self) -> usize {
        TABLES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_is_worn_when_calls_have_used_half_of_what_it_started_with() {
        let mut growth = Growth::new(&Caps { limits: Limits { memory_mb: 10, ..Limits::default() }, calls: 1 });
        let grow = |growth: &mut Growth, from: usize, to: usize| {
            growth.memory_growing(from << 20, to << 20, None).expect("within the limit");
        };
        grow(&mut growth, 0, 6);
        growth.started();
        grow(&mut growth, 6, 8);
        assert!(!growth.is_worn());
        grow(&mut growth, 8, 9);
        assert!(growth.is_worn());
    }
}
