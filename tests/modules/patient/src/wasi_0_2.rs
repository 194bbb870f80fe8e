//! What the module uses of WASI 0.2, as Python's and Go's runtimes do.

#[cfg(target_family = "wasm")]
#[allow(unsafe_code, missing_docs, unreachable_pub, clippy::all, reason = "it is generated")]
mod bindings {
    wit_bindgen::generate!({
        inline: r#"
            package arcllm:tests;

            world wasi-0-2 {
                import wasi:random/insecure@0.2.6;
                import wasi:clocks/monotonic-clock@0.2.6;
            }

            package wasi:random@0.2.6 {
                interface insecure { get-insecure-random-u64: func() -> u64; }
            }

            package wasi:io@0.2.6 {
                interface poll { resource pollable { block: func(); } }
            }

            package wasi:clocks@0.2.6 {
                interface monotonic-clock {
                    use wasi:io/poll@0.2.6.{pollable};
                    now: func() -> u64;
                    subscribe-duration: func(when: u64) -> pollable;
                }
            }
        "#,
        generate_all,
    });
}

#[cfg(target_family = "wasm")]
pub(crate) use bindings::wasi::{clocks::monotonic_clock::now, random::insecure::get_insecure_random_u64 as random};

/// Blocks the instance.
#[cfg(target_family = "wasm")]
pub(crate) fn block(seconds: u64) {
    bindings::wasi::clocks::monotonic_clock::subscribe_duration(seconds * 1_000_000_000).block();
}

#[cfg(not(target_family = "wasm"))]
pub(crate) fn now() -> u64 {
    0
}

#[cfg(not(target_family = "wasm"))]
pub(crate) fn random() -> u64 {
    0
}

#[cfg(not(target_family = "wasm"))]
pub(crate) fn block(_: u64) {}
