//! Runs the fuzz target that `ARCLLM_FUZZ` names with the input of libFuzzer. `cargo xtask fuzz` builds and runs it.
#![no_main]

use std::sync::LazyLock;

use arcllm::fuzzing::{FuzzTarget, TARGETS};
use libfuzzer_sys::fuzz_target;

static TARGET: LazyLock<FuzzTarget> = LazyLock::new(|| {
    let name = std::env::var("ARCLLM_FUZZ").unwrap_or_default();
    let target = TARGETS.iter().find(|(known, _)| *known == name);
    target.unwrap_or_else(|| panic!("ARCLLM_FUZZ is one of {:?}", TARGETS.map(|(name, _)| name))).1
});

fuzz_target!(|data: &[u8]| TARGET(data));
