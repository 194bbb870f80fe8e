//! How calls share the instances of a module, and what each instance may use.

use std::time::Duration;

use crate::{
    config::{
        grant::{STATE, Scope},
        sandbox::{Limits, OnTrap, Sandbox},
    },
    runtime::limits::limit::Limit,
};

/// Handles that an instance may hold beyond those of its calls.
const SPARE_HANDLES: usize = 1024;

/// How many calls of an instance may use all of their memory at once. More calls share that.
const AT_ONCE: u32 = 8;

/// An instance needs this many times the content of its calls: for the content, a changed copy, and the language's own
/// needs.
const PER_CONTENT: usize = 8;

/// How calls share the instances of a module, and what each instance may use.
#[derive(Debug, Clone, Copy)]
pub(crate) struct InstancePolicy {
    /// What one call may use.
    pub(crate) limits: Limits,
    /// How a call ends that the module cannot serve.
    pub(crate) on_trap: OnTrap,
    /// How many calls share an instance.
    pub(crate) calls: u32,
    /// Bytes of content that the calls of an instance may have together, if the module copies content. A single call
    /// may have more.
    pub(crate) content: usize,
    /// How many instances may run.
    pub(crate) max_instances: u32,
    /// How many calls may wait for an instance.
    pub(crate) max_queued: u32,
    /// How many calls an instance serves before it ends.
    pub(crate) retire_after_calls: u64,
    /// How long an instance may be idle.
    pub(crate) retire_after_idle: Duration,
    /// Bytes that the values of the module may have together. Absent where the store decides.
    pub(crate) state: Option<usize>,
    /// Bytes of memory that all instances of the process may take.
    pub(crate) modules_memory: usize,
    /// Whether the module is built in.
    pub(crate) is_built_in: bool,
}

impl InstancePolicy {
    /// The policy of a sandbox where `calls` share an instance and all modules together may take `modules_memory_mb`.
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
            state: sandbox.grant(STATE).and_then(|grant| match grant.scope {
                Some(Scope::MaxMb(max_mb)) => Some(bytes(max_mb)),
                _ => None,
            }),
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

    /// The most bytes of content of one call, if the module copies content, and the limit that says so.
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

    /// Says what a module did when it exceeded this limit.
    pub(crate) fn excess(&self, limit: Limit) -> String {
        let limits = &self.limits;
        let deed = match limit {
            Limit::Memory => format!("took more than {} MB of memory", self.memory() >> 20),
            Limit::Tables => format!("took more than {} table elements", self.table_elements()),
            Limit::Stack => format!("recursed deeper than {} KB of stack", limits.stack_kb),
            Limit::Handles => format!("held more than {} handles", self.handles()),
            Limit::Cpu => format!("computed for longer than {} s", limits.cpu.as_secs_f64()),
            Limit::Stall => format!("made no progress for {} s", limits.stall.as_secs_f64()),
            Limit::Hostcall => format!("moved more than {} MB in one call", limits.hostcall_mb),
            Limit::LogLines => format!("logged more than {} lines a second", limits.log_lines_per_second),
            Limit::LogBytes => format!("logged more than {} KB a second", limits.log_kb_per_second),
            Limit::Queued => format!("is overloaded: {} calls wait for an instance already", self.max_queued),
            Limit::Instances => format!("is overloaded: it has all its {} instances", self.max_instances),
            Limit::Running => "is overloaded: the process has no room for another module instance".to_owned(),
            Limit::ModulesMemory => {
                format!("is overloaded: the modules of the process use all their {} MB", self.modules_memory >> 20)
            }
        };
        let shared = match limit == Limit::Memory && self.calls > 1 {
            true => format!(" for each of {} calls", self.calls.min(AT_ONCE)),
            false => String::new(),
        };
        format!("it {deed} ({}{shared})", limit.setting())
    }

    /// The most bytes that one call between guest and host may move.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exceeded_limit_is_named_with_its_figure_and_its_setting() {
        let sandbox = Sandbox { limits: Limits { memory_mb: 10, ..Limits::default() }, ..Sandbox::default() };
        let policy = |calls| InstancePolicy::new(&sandbox, calls, 1024, false);
        assert_eq!(policy(1).excess(Limit::Stall), "it made no progress for 120 s (stall_seconds)");
        assert_eq!(policy(1).excess(Limit::Memory), "it took more than 10 MB of memory (memory_mb)");
        assert_eq!(
            policy(2).excess(Limit::Memory),
            "it took more than 20 MB of memory (memory_mb for each of 2 calls)"
        );
        let log = policy(1).excess(Limit::LogBytes);
        assert!(log.starts_with("it logged more than ") && log.ends_with(" KB a second (log_kb_per_second)"), "{log}");
    }
}
