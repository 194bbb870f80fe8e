//! Which calls are cached, under which key, and which answers are kept.

use std::time::Duration;

use arcllm_module::{
    clock,
    types::{ContentBlock, Options, ResponseParts, ResponseSize, StopReason},
};
use sha2::{Digest as _, Sha256};

use crate::{
    kept::Kept,
    settings::{OnStoreFailure, Settings},
};

/// What a call asks, and whom.
pub struct Call<'a> {
    /// The provider.
    pub provider: &'a str,
    /// The model.
    pub model: &'a str,
    /// The digest of the request.
    pub digest: &'a str,
    /// The options.
    pub options: &'a Options,
}

/// Decides what is cached.
#[derive(Debug, Clone)]
pub struct Policy {
    settings: Settings,
}

impl Policy {
    /// Makes the policy of these settings.
    pub fn new(settings: Settings) -> Self {
        Self { settings }
    }

    /// Whether a call with these options can be answered from the cache.
    pub fn is_cached(&self, options: &Options) -> bool {
        self.settings.cache_all || options.seed.is_some() || options.temperature == Some(0.0)
    }

    /// The key of a call. Equal calls have the same key, and others do not. `None` if the call lacks a label of the scope.
    pub fn key(&self, call: &Call<'_>) -> Option<String> {
        let mut hasher = Sha256::new();
        let mut part = |part: &str| {
            // With its length, so that no two lists of parts make the same bytes.
            hasher.update((part.len() as u64).to_le_bytes());
            hasher.update(part);
        };
        [call.provider, call.model, call.digest].into_iter().for_each(&mut part);
        for name in &self.settings.scope.0 {
            let (_, value) = call.options.labels.iter().find(|(label, _)| label == name)?;
            part(name);
            part(value);
        }
        Some(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// Whether an answer that ended so may be kept, as far as that is known without its content.
    pub fn may_keep(&self, stop_reason: &StopReason, size: Option<&ResponseSize>) -> bool {
        let is_whole = matches!(stop_reason, StopReason::EndTurn | StopReason::StopSequence | StopReason::ToolUse);
        is_whole && size.is_none_or(|size| size.text_bytes <= self.max_bytes() as u64)
    }

    /// The bytes to keep of an answer that came at this time; `None` if it is not kept.
    pub fn kept(&self, at: Duration, parts: &ResponseParts) -> Option<Vec<u8>> {
        let says = |block: &ContentBlock| match block {
            ContentBlock::Text(text) => !text.text.trim().is_empty(),
            ContentBlock::Thinking(_) | ContentBlock::Other(_) => false,
            ContentBlock::Image(_)
            | ContentBlock::Document(_)
            | ContentBlock::Audio(_)
            | ContentBlock::ToolUse(_)
            | ContentBlock::ToolResult(_) => true,
        };
        // A tool that the provider has run, such as a search, may find something else the next time.
        let is_unknown = |block: &ContentBlock| matches!(block, ContentBlock::Other(_));
        let is_kept = self.may_keep(&parts.stop_reason, None)
            && parts.content.iter().any(says)
            && (self.settings.cache_all || !parts.content.iter().any(is_unknown));
        let bytes = is_kept.then(|| Kept::write(at, parts))?;
        (bytes.len() <= self.max_bytes()).then_some(bytes)
    }

    /// How long an answer is kept.
    pub fn ttl(&self) -> Duration {
        self.settings.ttl_seconds.duration()
    }

    /// The longest wait for the answer of an equal call.
    pub fn max_wait(&self) -> Duration {
        clock::seconds(self.settings.max_wait_seconds.get())
    }

    /// How long equal calls count one as under way. It ends before its answer does: so as long as it is held, there is an answer, or
    /// there will be one.
    pub fn lease(&self) -> Duration {
        self.max_wait().min(self.ttl())
    }

    /// Whether calls fail when the store does.
    pub fn refuses(&self) -> bool {
        self.settings.on_store_failure == OnStoreFailure::Refuse
    }

    fn max_bytes(&self) -> usize {
        usize::try_from(self.settings.max_kb).unwrap_or(usize::MAX).saturating_mul(1024)
    }
}

#[cfg(test)]
mod tests;
