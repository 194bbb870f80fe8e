//! Says everything in capitals: a module that reads answers, and knows nothing of those that come in events.

use arcllm_module::{Config, Description, Error, Module, Request, Response, inner, types::ContentBlock};
use schemars::JsonSchema;
use serde::Deserialize;

/// There are none.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {}

impl Config for Settings {}

/// The module.
pub struct Upper;

impl Module for Upper {
    type Config = Settings;

    fn describe() -> Description {
        Description::new("upper", env!("CARGO_PKG_VERSION"), "transformer")
    }

    fn new(_: Settings) -> Self {
        Self
    }

    async fn invoke(&self, request: Request) -> Result<Response, Error> {
        let answer = inner::invoke(request).await?;
        let mut parts = answer.parts();
        for block in &mut parts.content {
            if let ContentBlock::Text(text) = block {
                text.text = text.text.to_uppercase();
            }
        }
        Ok(answer.derive(&parts))
    }
}

arcllm_module::export!(Upper);
