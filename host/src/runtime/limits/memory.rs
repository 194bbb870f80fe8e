//! The memory and tables of an instance.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use wasmtime::ResourceLimiter;

use crate::runtime::limits::{capacity, limit::Limit, policy::InstancePolicy};

/// The most tables, and the most memories, of one instance. A component of several core modules has a few of each.
const TABLES: usize = 64;

/// Keeps an instance within its memory and tables.
pub(crate) struct MemoryLimiter {
    memory: Allowance,
    tables: Allowance,
    /// The most memory of the instance.
    most: usize,
    /// The memory that was left when the instance had started.
    spare: usize,
    /// The most memory of the host for what the module makes: requests and responses behind handles.
    host_memory: usize,
    made: Arc<AtomicUsize>,
}

/// Bytes of the host's memory that a module has taken, until it is dropped.
pub(crate) struct HostBytes {
    bytes: usize,
    of: Arc<AtomicUsize>,
}

impl Drop for HostBytes {
    fn drop(&mut self) {
        self.of.fetch_sub(self.bytes, Ordering::Relaxed);
        capacity::gave_back(self.bytes);
    }
}

/// How much of a limit is left.
struct Allowance {
    left: usize,
    limit: Limit,
}

impl Allowance {
    fn take(&mut self, current: usize, desired: usize) -> wasmtime::Result<bool> {
        match self.left.checked_sub(desired.saturating_sub(current)) {
            Some(left) => {
                self.left = left;
                Ok(true)
            }
            // An error, since a guest that gets a plain "no" aborts without a reason.
            None => Err(self.limit.into()),
        }
    }
}

impl MemoryLimiter {
    pub(crate) fn new(policy: &InstancePolicy) -> Self {
        Self {
            memory: Allowance { left: policy.memory(), limit: Limit::Memory },
            tables: Allowance { left: policy.table_elements(), limit: Limit::Tables },
            most: policy.memory(),
            spare: policy.memory(),
            host_memory: policy.memory(),
            made: Arc::default(),
        }
    }

    /// Takes this many bytes of the host's memory.
    pub(crate) fn make(&self, bytes: usize) -> Result<HostBytes, Limit> {
        // Before the check, so that the guard gives the bytes back if it fails.
        let made = HostBytes { bytes, of: self.made.clone() };
        let before = self.made.fetch_add(bytes, Ordering::Relaxed);
        capacity::took(bytes);
        if before.saturating_add(bytes) > self.host_memory { Err(Limit::Memory) } else { Ok(made) }
    }

    /// Notes that the instance has started. It keeps the memory that it has taken until now.
    pub(crate) fn started(&mut self) {
        self.spare = self.memory.left;
    }

    /// Whether calls have used more than half of their memory. Memory never shrinks, and a language that collects
    /// garbage may wait until it is full: JavaScript takes 64 MB in about ten thousand calls.
    pub(crate) fn is_worn(&self) -> bool {
        self.memory.left < self.spare / 2
    }
}

impl Drop for MemoryLimiter {
    fn drop(&mut self) {
        capacity::gave_back(self.most.saturating_sub(self.memory.left));
    }
}

impl ResourceLimiter for MemoryLimiter {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let before = self.memory.left;
        let grows = self.memory.take(current, desired);
        capacity::took(before.saturating_sub(self.memory.left));
        grows
    }

    fn memory_grow_failed(&mut self, _: wasmtime::Error) -> wasmtime::Result<()> {
        // More than 32 bits can address, or than the system has.
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
    use crate::config::sandbox::{Limits, Sandbox};

    #[test]
    fn an_instance_is_worn_when_calls_have_used_half_of_what_it_started_with() {
        let sandbox = Sandbox { limits: Limits { memory_mb: 10, ..Limits::default() }, ..Sandbox::default() };
        let mut growth = MemoryLimiter::new(&InstancePolicy::new(&sandbox, 1, 1024, false));
        let grow = |growth: &mut MemoryLimiter, from: usize, to: usize| {
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
