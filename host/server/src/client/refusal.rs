//! A refusal: what a model says when it declines.

use arcllm::Text;

/// Whether a provider of one of OpenAI's formats has marked the text as a refusal.
pub(crate) fn is_refusal(text: &Text) -> bool {
    text.extensions.get("openai.responses.refusal").is_some_and(|mark| *mark == true)
}
