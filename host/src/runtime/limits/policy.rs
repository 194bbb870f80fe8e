//! What a sandbox comes to for the instances of one module.

use std::time::Duration;

use crate::{
    config::sandbox::{Limits, OnTrap, Sandbox},
    runtime::limits::limit::Limit,
};

/// Handles that an instance may hold beyond those of its calls.
const SPARE_HANDLES: usize = 1024;

/// How many of the calls that share an instance may use all of their memory at once. More of them share that.
const AT_ONCE: u32 = 8;

/// An instance needs this many times the content of its calls: the content, a changed copy, and what its language adds.
const PER_CONTENT: usize = 8;

/// How calls share the instances of a module, and what each instance may use.
#[derive(Debug, Clone, Copy)]
pub(crate) struct InstancePolicy {
    /// What one call may use.
    pub(crate) limits: Limits,
    /// What becomes of a call that the module cannot serve.
    pub(crate) on_trap: OnTrap,
    /// How many calls share an instance.
    pub(crate) calls: u32,
    /// Bytes of content that the calls of an instance may have together, if the module copies content. One call alone may have
    /// more.
    pub(crate) content: usize,
    /// How many instances may run.
    pub(crate) max_instances: u32,
    /// How many calls may wait for an instance.
    pub(crate) max_queued: u32,
    /// How many calls an instance serves before it ends.
    pub(crate) retire_after_calls: u64,
    /// How long an instance stays without a call.
    pub(crate) retire_after_idle: Duration,
    /// Bytes of memory that all instances of the process may take.
    pub(crate) modules_memory: usize,
    /// Whether the module is built in, and so trusted with more.
    pub(crate) is_built_in: bool,
}

impl InstancePolicy {
    /// The policy of a sandbox where `calls` share an instance and all modules may take `modules_memory_mb`.
    pub(crate) fn new(sandbox: &Sandbox, calls: u32, modules_memory_mb: u64, is_built_in: bool) -> Self {
        let mut policy = Self {
            limits: sandbox.limits,
            on_trap: sandbox.on_trap,
            calls,
            content: 0,
            max_instances: sandbox.max_instances,
            max_queued: sandbox.max_queued,
            retire_after_calls: if sandbox.fresh { 1 } else { sandbox.retire_after_calls },
            retire_after_idle: sandbox.retire_after_idle,
            modules_memory: bytes(modules_memory_mb),
            is_built_in,
        };
        policy.content = policy.memory() / PER_CONTENT;
        policy
    }

    /// Bytes of memory that an instance may take.
    pub(crate) fn memory(&self) -> usize {
        times(bytes(self.limits.memory_mb), self.calls.min(AT_ONCE))
    }

    /// The most bytes of content that one call may have, if the module copies content, and the limit that says so.
    pub(crate) fn content_of_call(&self) -> (usize, Limit) {
        let memory = bytes(self.limits.memory_mb) / 4;
        if memory <= self.hostcall() { (memory, Limit::Memory) } else { (self.hostcall(), Limit::Hostcall) }
    }

    /// How many elements the tables of an instance may have.
    pub(crate) fn table_elements(&self) -> usize {
        times(count(self.limits.table_elements), self.calls)
    }

    /// How many handles an instance may hold.
    pub(crate) fn handles(&self) -> usize {
        times(count(self.limits.handles), self.calls).saturating_add(SPARE_HANDLES)
    }

    /// Bytes that one call between guest and host may move.
    pub(crate) fn hostcall(&self) -> usize {
        bytes(self.limits.hostcall_mb)
    }
}

fn count(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

fn bytes(mebibytes: u64) -> usize {
    count(mebibytes.saturating_mul(1 << 20))
}

fn times(each: usize, calls: u32) -> usize {
    each.saturating_mul(usize::try_from(calls).unwrap_or(usize::MAX))
}
