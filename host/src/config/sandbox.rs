//! `[modules.NAME.sandbox]`: what a module may do, and how much it may use.

use std::{ops::RangeInclusive, time::Duration};

use arcllm_registry::Reference;
use serde_json::Value;

use crate::{
    chat::{config_error::ConfigError, setters::setters},
    config::{
        grant::{Grant, Wrong},
        section::Section,
    },
};

/// Below the minimum no component starts. Above the maximum the stack is most of the cost of a call.
const STACK_KB: RangeInclusive<u64> = 64..=16_384;

/// `[modules.NAME.sandbox]`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Sandbox {
    /// The file of the component, relative to `host.modules_dir`, or its place in a registry with its digest:
    /// `oci://HOST/REPOSITORY:TAG@sha256:HEX`. By default the built-in module NAME, or else NAME.wasm in that folder.
    pub wasm: Option<String>,
    /// The expected SHA-256 of the component, in hexadecimal.
    pub sha256: Option<String>,
    /// What it may do besides waiting, drawing random numbers and logging: ask other `models`, keep `state`, append to
    /// the `journal`, and add to requests URLs that a provider fetches (`urls`) or settings for one provider (`extensions`).
    pub allow: Vec<Grant>,
    /// How many calls may share an instance. By default 1000 for a built-in module and 1 for others.
    pub max_concurrent: Option<u32>,
    /// Whether every call gets a new instance.
    pub fresh: bool,
    /// How many instances may run at once.
    pub max_instances: u32,
    /// How many calls may wait for an instance. Further calls fail as overload.
    pub max_queued: u32,
    /// After how many calls an instance is replaced.
    pub retire_after_calls: u64,
    /// After how long without a call an instance ends.
    pub retire_after_idle: Duration,
    /// What happens to a call whose module fails.
    pub on_trap: OnTrap,
    /// What it may use.
    pub limits: Limits,
}

/// What happens to a call whose module fails before it has asked the rest of the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum OnTrap {
    /// The call fails with a `module` error.
    #[default]
    Fail,
    /// The call goes on without the module.
    Bypass,
}

/// What a module may use. Memory, table elements and handles are counted for each call that an instance may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Limits {
    /// Linear memory, in binary megabytes. The host uses as much again for requests and responses that the module makes.
    pub memory_mb: u64,
    /// Elements of a table.
    pub table_elements: u64,
    /// The stack, in binary kilobytes.
    pub stack_kb: u64,
    /// Handles of requests, responses and models, and running calls to the host.
    pub handles: u64,
    /// How long a call may compute.
    pub cpu: Duration,
    /// How long a call may make no progress: it does not compute, wait for the host, or answer.
    pub stall: Duration,
    /// How much the module may pass to the host in one call, in binary megabytes. What it receives counts as its memory.
    pub hostcall_mb: u64,
    /// Log messages of an instance per second.
    pub log_lines_per_second: u64,
    /// Log text of an instance per second, in binary kilobytes.
    pub log_kb_per_second: u64,
}

impl Default for Sandbox {
    fn default() -> Self {
        Self {
            wasm: None,
            sha256: None,
            allow: Vec::new(),
            max_concurrent: None,
            fresh: false,
            max_instances: 256,
            max_queued: 10_000,
            retire_after_calls: 100_000,
            retire_after_idle: Duration::from_secs(60),
            on_trap: OnTrap::Fail,
            limits: Limits::default(),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_mb: 64,
            // JavaScript and Python guests have tables of some 8,000 elements.
            table_elements: 20_000,
            stack_kb: 512,
            handles: 256,
            cpu: Duration::from_secs(5),
            // Longer than the longest default wait of retry. The host cannot see a module wait that blocks.
            stall: Duration::from_secs(120),
            // As much as the memory of one call.
            hostcall_mb: 64,
            log_lines_per_second: 1000,
            log_kb_per_second: 1024,
        }
    }
}

impl Sandbox {
    /// The sandbox of a module that the configuration says nothing of.
    pub fn new() -> Self {
        Self::default()
    }

    setters! {
        max_concurrent: u32,
        fresh: bool,
        max_instances: u32,
        max_queued: u32,
        retire_after_calls: u64,
        retire_after_idle: Duration,
        on_trap: OnTrap,
        limits: Limits,
    }

    /// Sets `wasm`.
    #[must_use]
    pub fn wasm(mut self, file: impl Into<String>) -> Self {
        self.wasm = Some(file.into());
        self
    }

    /// Sets `sha256`.
    #[must_use]
    pub fn sha256(mut self, digest: impl Into<String>) -> Self {
        self.sha256 = Some(digest.into());
        self
    }

    /// Sets `allow`: `"models"`, `"state"`, `"journal"`, `"urls"`, `"extensions"`, or a [`Grant`] with a scope.
    #[must_use]
    pub fn allow(mut self, grants: impl IntoIterator<Item = impl Into<Grant>>) -> Self {
        self.allow = grants.into_iter().map(Into::into).collect();
        self
    }

    /// Sets [`Limits::memory_mb`].
    #[must_use]
    pub fn memory_mb(mut self, megabytes: u64) -> Self {
        self.limits.memory_mb = megabytes;
        self
    }

    pub(crate) fn read(mut section: Section<'_>) -> Result<Self, ConfigError> {
        let default = Self::default();
        let sandbox = Self {
            wasm: section.text("wasm")?,
            sha256: section.text("sha256")?,
            allow: read_grants(&mut section)?,
            max_concurrent: section.count_u32("max_concurrent")?,
            fresh: section.flag("fresh")?.unwrap_or(default.fresh),
            max_instances: section.count_u32("max_instances")?.unwrap_or(default.max_instances),
            max_queued: section.count_u32("max_queued")?.unwrap_or(default.max_queued),
            retire_after_calls: section.count("retire_after_calls")?.unwrap_or(default.retire_after_calls),
            retire_after_idle: section.seconds("retire_after_idle_seconds")?.unwrap_or(default.retire_after_idle),
            on_trap: OnTrap::read(&mut section)?,
            limits: Limits::read(&mut section)?,
        };
        sandbox.check(|key, problem| section.error(key, problem))?;
        section.finish()?;
        Ok(sandbox)
    }
}

impl Sandbox {
    /// The place of the component in a registry, if it comes from one.
    pub fn reference(&self) -> Option<Reference> {
        self.wasm.as_deref().filter(|wasm| Reference::is_reference(wasm))?.parse().ok()
    }

    /// The grant of this name, if it is allowed.
    pub(crate) fn grant(&self, name: &str) -> Option<&Grant> {
        self.allow.iter().find(|grant| grant.name == name)
    }

    /// Checks what its types do not. `error` makes an error of a key and a problem.
    pub(crate) fn check(&self, error: impl Fn(&str, String) -> ConfigError) -> Result<(), ConfigError> {
        if let Some(digest) = &self.sha256
            && !(digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit()))
        {
            let error = error("sha256", "is not a SHA-256 digest".to_owned());
            return Err(error.help("write 64 hexadecimal digits; `arcllm modules` prints them"));
        }
        if let Some(wasm) = self.wasm.as_deref().filter(|wasm| Reference::is_reference(wasm)) {
            match wasm.parse::<Reference>() {
                Ok(reference) if reference.digest().is_some() => {}
                Ok(_) => {
                    let error = error("wasm", format!("is {wasm:?}, which names no digest: a tag can move"));
                    return Err(error.help(format!("`arcllm module add {wasm}` looks it up and writes it here")));
                }
                Err(why) => {
                    return Err(error("wasm", format!("is no place in a registry: {why}"))
                        .help("write it as oci://HOST/REPOSITORY:TAG@sha256:HEX"));
                }
            }
        }
        for (at, grant) in self.allow.iter().enumerate() {
            grant.check().map_err(|Wrong { problem, help }| error("allow", problem).help(help))?;
            if self.allow.iter().take(at).any(|before| before.name == grant.name) {
                let error = error("allow", format!("has the grant `{}` twice", grant.name));
                return Err(error.help("each grant once, with all of its scope"));
            }
        }
        let Limits { memory_mb, table_elements, stack_kb, handles, cpu, stall, hostcall_mb, .. } = self.limits;
        let (lines, kilobytes) = (self.limits.log_lines_per_second, self.limits.log_kb_per_second);
        let is_zero = [
            ("max_concurrent", self.max_concurrent == Some(0)),
            ("max_instances", self.max_instances == 0),
            ("max_queued", self.max_queued == 0),
            ("retire_after_calls", self.retire_after_calls == 0),
            ("retire_after_idle_seconds", self.retire_after_idle.is_zero()),
            ("memory_mb", memory_mb == 0),
            ("table_elements", table_elements == 0),
            ("handles", handles == 0),
            ("cpu_seconds", cpu.is_zero()),
            ("stall_seconds", stall.is_zero()),
            ("hostcall_mb", hostcall_mb == 0),
            ("log_lines_per_second", lines == 0),
            ("log_kb_per_second", kilobytes == 0),
        ];
        if let Some((key, _)) = is_zero.into_iter().find(|(_, is_zero)| *is_zero) {
            return Err(error(key, "is the number 0".to_owned()).help("a number above zero"));
        }
        if !STACK_KB.contains(&stack_kb) {
            let error = error("stack_kb", format!("is the number {stack_kb}"));
            return Err(error.help(format!("a whole number from {} to {}", STACK_KB.start(), STACK_KB.end())));
        }
        Ok(())
    }
}

/// Reads `allow`: a list whose items are names, or tables with a scope.
fn read_grants(section: &mut Section<'_>) -> Result<Vec<Grant>, ConfigError> {
    let expected = "a list of grants, such as [\"models\", { state = { max_mb = 10 } }]";
    let items: Vec<Value> = section.value("allow", expected)?.unwrap_or_default();
    let read = |(at, item): (usize, &Value)| {
        let path = format!("{}.allow[{at}]", section.path());
        Grant::read(item).map_err(|Wrong { problem, help }| section.error_at(&path, problem).help(help))
    };
    items.iter().enumerate().map(read).collect()
}

impl OnTrap {
    fn read(section: &mut Section<'_>) -> Result<Self, ConfigError> {
        match section.text("on_trap")?.as_deref() {
            None | Some("fail") => Ok(OnTrap::Fail),
            Some("bypass") => Ok(OnTrap::Bypass),
            Some(other) => {
                Err(section.error("on_trap", format!("is the text {other:?}")).help("\"fail\" or \"bypass\""))
            }
        }
    }
}

impl Limits {
    /// The limits of a module that the configuration says nothing of.
    pub fn new() -> Self {
        Self::default()
    }

    setters! {
        memory_mb: u64,
        table_elements: u64,
        stack_kb: u64,
        handles: u64,
        cpu: Duration,
        stall: Duration,
        hostcall_mb: u64,
        log_lines_per_second: u64,
        log_kb_per_second: u64,
    }

    fn read(section: &mut Section<'_>) -> Result<Self, ConfigError> {
        let default = Self::default();
        Ok(Self {
            memory_mb: section.count("memory_mb")?.unwrap_or(default.memory_mb),
            table_elements: section.count("table_elements")?.unwrap_or(default.table_elements),
            stack_kb: section.count("stack_kb")?.unwrap_or(default.stack_kb),
            handles: section.count("handles")?.unwrap_or(default.handles),
            cpu: section.seconds("cpu_seconds")?.unwrap_or(default.cpu),
            stall: section.seconds("stall_seconds")?.unwrap_or(default.stall),
            hostcall_mb: section.count("hostcall_mb")?.unwrap_or(default.hostcall_mb),
            log_lines_per_second: section.count("log_lines_per_second")?.unwrap_or(default.log_lines_per_second),
            log_kb_per_second: section.count("log_kb_per_second")?.unwrap_or(default.log_kb_per_second),
        })
    }
}
