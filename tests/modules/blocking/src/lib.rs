//! A module in the blocking world, as for a language without `async`. It asks again, asks another provider, and counts its
//! calls.

#![cfg(target_family = "wasm")]
#![allow(unsafe_code, missing_docs, unreachable_pub, clippy::all, reason = "most of it is generated")]

wit_bindgen::generate!({ path: "../../../wit", world: "module-blocking-with-all", generate_all });

mod look;

use std::{cell::RefCell, hint::black_box};

use arcllm::llm::{
    llm_provider_blocking as inner, models_blocking as models, state_blocking as state,
    types::{ContentBlock, Error, Failure, Request, Response, ResponseParts, StopReason, Text, Usage},
};
use exports::arcllm::llm::{
    llm_provider_blocking,
    module::{self, ConfigError, Cost, Description, Target},
};

#[derive(Clone, Default)]
struct Settings {
    /// How often the inner is asked again.
    again: u64,
    /// Which provider is asked after that.
    other: Option<String>,
    /// Whether calls are counted.
    count: bool,
    /// Whether it answers with what it sees.
    look: bool,
    /// Whether it answers with the text of the error when the other provider cannot be loaded.
    tell: bool,
}

/// Whether `describe` counts its own calls, and gives the count as the version. A test overwrites `not...` with `always`.
const COUNTED: &str = "counted: not...";

thread_local! {
    static SETTINGS: RefCell<Settings> = RefCell::default();
}

struct Component;

impl module::Guest for Component {
    fn describe() -> Description {
        let schema = r#"{"type":"object","additionalProperties":false,"properties":{"again":{"type":"integer"},
            "other":{"type":"string","format":"arcllm-provider"},"look":{"type":"boolean"},"count":{"type":"boolean"},"tell":{"type":"boolean"},
            "paid":{"type":"object","properties":{"most":{"type":"number","format":"arcllm-needs-price"}}},
            "order":{"oneOf":[{"const":"cheapest","format":"arcllm-needs-price"},{"const":"listed"}]}}}"#;
        let version = match black_box(COUNTED).ends_with("always") {
            true => format!("{:?}", state::increment("described", 1)),
            false => env!("CARGO_PKG_VERSION").into(),
        };
        Description {
            name: "blocking".into(),
            version,
            kind: "observer".into(),
            behavior: vec![
                "asks-again".into(),
                "asks-others".into(),
                "answers-itself".into(),
                "changes-requests".into(),
            ],
            config_schema: schema.into(),
            extensions: Vec::new(),
        }
    }

    fn configure(config: String) -> Result<(), Vec<ConfigError>> {
        let config: serde_json::Value = serde_json::from_str(&config).unwrap_or_default();
        SETTINGS.set(Settings {
            again: config["again"].as_u64().unwrap_or_default(),
            other: config["other"].as_str().map(str::to_owned),
            look: config["look"].as_bool().unwrap_or_default(),
            count: config["count"].as_bool().unwrap_or_default(),
            tell: config["tell"].as_bool().unwrap_or_default(),
        });
        Ok(())
    }

    fn worst_case(inner: Target, _: Vec<Target>) -> Cost {
        inner.most
    }
}

impl llm_provider_blocking::Guest for Component {
    fn name() -> String {
        inner::name()
    }

    fn validate_config() -> Result<(), String> {
        inner::validate_config()
    }

    fn invoke(request: Request) -> Result<Response, Error> {
        let settings = SETTINGS.with_borrow(Clone::clone);
        if settings.look {
            return look::look(request, settings.other.as_deref().unwrap_or_default());
        }
        if settings.count {
            count().map_err(|message| {
                Error::Other(Failure { message, provider: String::new(), extensions: Vec::new() })
            })?;
        }
        let mut outcome = inner::invoke(request.clone());
        for _ in 0..settings.again {
            if outcome.is_ok() {
                return outcome;
            }
            outcome = inner::invoke(request.clone());
        }
        match (outcome, settings.other) {
            (Err(_), Some(other)) => {
                let model = match models::load(&request, &other) {
                    Ok(model) => model,
                    Err(error) if settings.tell => return Ok(said(&request, format!("{error:?}"))),
                    Err(error) => return Err(error),
                };
                assert_eq!(model.provider(), other);
                model.invoke(request)
            }
            (outcome, _) => outcome,
        }
    }
}

fn said(request: &Request, text: String) -> Response {
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
    Response::new(request, &parts)
}

/// Counts a call in both ways that the state offers.
fn count() -> Result<(), String> {
    state::increment("calls", 1)?;
    loop {
        let before = state::get("swapped")?;
        let number: u64 =
            before.as_ref().and_then(|text| std::str::from_utf8(text).ok()?.parse().ok()).unwrap_or_default();
        if state::compare_and_swap("swapped", before.as_deref(), Some((number + 1).to_string().as_bytes()))? {
            break;
        }
    }
    state::set("last", b"gone")?;
    state::delete("last")?;
    match state::get("last")? {
        None => Ok(()),
        Some(_) => Err("a deleted value is still there".into()),
    }
}

export!(Component);
