//! The memory and tables of an instance.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use wasmtime::ResourceLimiter;

use crate::runtime::limits::{capacity, limit::Limit, policy::InstancePolicy};

/// Tables, and memories, of one instance. A component of several modules has a few of each.
const TABLES: usize = 64;

/// Keeps an instance within its memory and tables.
pub(crate) struct MemoryLimiter {
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

impl MemoryLimiter {
    pub(crate) fn new(policy: &InstancePolicy) -> Self {
        Self {
            memory: Rest { left: policy.memory(), limit: Limit::Memory },
            tables: Rest { left: policy.table_elements(), limit: Limit::Tables },
            most: policy.memory(),
            spare: policy.memory(),
            host_memory: policy.memory(),
            made: Arc::default(),
        }
    }

    /// Takes so many bytes of the host's memory.
    pub(crate) fn make(&self, bytes: usize) -> Result<HostBytes, Limit> {
        // Before it is looked at, so that whatever becomes of it is given back.
        let made = HostBytes { bytes, of: self.made.clone() };
        let before = self.made.fetch_add(bytes, Ordering::Relaxed);
        capacity::took(bytes);
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
