//! Turns answers into capitals. It reads whole answers and does not use streams.

use arcllm_module::{Behavior, Description, Error, Module, NoSettings, Request, Response, inner, types::ContentBlock};

/// The module.
pub struct Upper;

impl Module for Upper {
    type Config = NoSettings;

    fn describe() -> Description {
        Description::new("upper", env!("CARGO_PKG_VERSION"), "transformer")
            .behavior(&[Behavior::ChangesAnswers, Behavior::HoldsAnswersBack])
    }

    fn new(_: NoSettings) -> Self {
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
