//! Asks WASI 0.2 for random bytes and the time, and answers with them. It never asks its inner.

#![cfg(target_family = "wasm")]
#![allow(unsafe_code, missing_docs, unreachable_pub, clippy::all, reason = "most of it is generated")]

wit_bindgen::generate!({
    inline: r#"
        package arcllm:tests;

        world wasi {
            include arcllm:llm/module-blocking@0.1.0;
            import wasi:random/random@0.2.6;
            import wasi:random/insecure@0.2.6;
            import wasi:clocks/wall-clock@0.2.6;
        }

        package wasi:random@0.2.6 {
            interface random { get-random-bytes: func(len: u64) -> list<u8>; }
            interface insecure { get-insecure-random-bytes: func(len: u64) -> list<u8>; }
        }

        package wasi:clocks@0.2.6 {
            interface wall-clock {
                record datetime { seconds: u64, nanoseconds: u32 }
                now: func() -> datetime;
            }
        }
    "#,
    path: "../../../wit",
    world: "arcllm:tests/wasi",
    generate_all,
});

use std::cell::Cell;

use arcllm::llm::types::{ContentBlock, Error, Request, Response, ResponseParts, StopReason, Text, Usage};
use exports::arcllm::llm::{
    llm_provider_blocking,
    module::{self, ConfigError, Cost, Description, Target},
};
use wasi::{
    clocks0_2_6::wall_clock,
    random0_2_6::{insecure, random},
};

thread_local! {
    /// How many random bytes it asks for, and whether they must be unpredictable.
    static BYTES: Cell<(u64, bool)> = const { Cell::new((0, false)) };
}

struct Component;

impl module::Guest for Component {
    fn describe() -> Description {
        let schema = r#"{"type":"object","additionalProperties":false,"properties":{
            "random":{"type":"integer"},"insecure":{"type":"integer"}}}"#;
        Description {
            name: "wasi".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            kind: "observer".into(),
            behavior: Vec::new(),
            config_schema: schema.into(),
            extensions: Vec::new(),
        }
    }

    fn configure(config: String) -> Result<(), Vec<ConfigError>> {
        let config: serde_json::Value = serde_json::from_str(&config).unwrap_or_default();
        BYTES.set(match config["random"].as_u64() {
            Some(bytes) => (bytes, true),
            None => (config["insecure"].as_u64().unwrap_or_default(), false),
        });
        Ok(())
    }

    fn worst_case(_: Target, _: Vec<Target>) -> Cost {
        Cost { attempts: 0, waiting: 0 }
    }
}

impl llm_provider_blocking::Guest for Component {
    fn name() -> String {
        arcllm::llm::llm_provider_blocking::name()
    }

    fn validate_config() -> Result<(), String> {
        arcllm::llm::llm_provider_blocking::validate_config()
    }

    fn invoke(request: Request) -> Result<Response, Error> {
        let bytes = match BYTES.get() {
            (bytes, true) => random::get_random_bytes(bytes),
            (bytes, false) => insecure::get_insecure_random_bytes(bytes),
        };
        // A hash that tells different bytes apart.
        let drawn: u64 = bytes.iter().fold(0, |drawn: u64, byte| drawn.wrapping_mul(31).wrapping_add(u64::from(*byte)));
        let text = format!("{} bytes, {drawn}, at {}", bytes.len(), wall_clock::now().seconds);
        let usage = Usage {
            input_tokens: 0,
            output_tokens: 0,
            total_tokens: 0,
            cache_read_tokens: None,
            cache_write_tokens: None,
            cache_write_hour_tokens: None,
            reasoning_tokens: None,
            extensions: Vec::new(),
        };
        let parts = ResponseParts {
            content: vec![ContentBlock::Text(Text { text, cache: None, extensions: Vec::new() })],
            usage,
            stop_reason: StopReason::EndTurn,
            model: request.model(),
            provider: request.provider(),
            extensions: Vec::new(),
        };
        Ok(Response::new(&request, &parts))
    }
}

export!(Component);
