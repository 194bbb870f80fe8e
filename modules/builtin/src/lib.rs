//! The modules that come with ArcLLM, as WebAssembly components.
//!
//! `cargo xtask modules` builds them from `modules/`. They are committed, so that nobody needs a WebAssembly toolchain to use,
//! test or install the host. They are in a crate of their own because a package can embed only its own files.
//!
//! ```
//! let retry = arcllm_builtin::find("retry").ok_or("no such module")?;
//! assert!(retry.wasm.starts_with(b"\0asm"));
//! # Ok::<(), &str>(())
//! ```

/// A module that comes with ArcLLM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Builtin {
    /// Its name in `[modules.NAME]` and `host.order`.
    pub name: &'static str,
    /// The component.
    pub wasm: &'static [u8],
}

/// Every module that comes with ArcLLM, sorted by name.
pub const MODULES: &[Builtin] = &[
    Builtin { name: "audit", wasm: include_bytes!("../prebuilt/audit.wasm") },
    Builtin { name: "budget", wasm: include_bytes!("../prebuilt/budget.wasm") },
    Builtin { name: "cache", wasm: include_bytes!("../prebuilt/cache.wasm") },
    Builtin { name: "chaos", wasm: include_bytes!("../prebuilt/chaos.wasm") },
    Builtin { name: "circuit-breaker", wasm: include_bytes!("../prebuilt/circuit-breaker.wasm") },
    Builtin { name: "fallback", wasm: include_bytes!("../prebuilt/fallback.wasm") },
    Builtin { name: "hedge", wasm: include_bytes!("../prebuilt/hedge.wasm") },
    Builtin { name: "rate-limit", wasm: include_bytes!("../prebuilt/rate-limit.wasm") },
    Builtin { name: "redact", wasm: include_bytes!("../prebuilt/redact.wasm") },
    Builtin { name: "resume", wasm: include_bytes!("../prebuilt/resume.wasm") },
    Builtin { name: "retry", wasm: include_bytes!("../prebuilt/retry.wasm") },
    Builtin { name: "route", wasm: include_bytes!("../prebuilt/route.wasm") },
    Builtin { name: "telemetry", wasm: include_bytes!("../prebuilt/telemetry.wasm") },
    Builtin { name: "validate", wasm: include_bytes!("../prebuilt/validate.wasm") },
];

/// Returns the module with this name, if ArcLLM comes with one.
pub fn find(name: &str) -> Option<&'static Builtin> {
    MODULES.iter().find(|module| module.name == name)
}
