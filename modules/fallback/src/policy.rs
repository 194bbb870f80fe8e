//! Decides after which errors and answers another model is asked. Plain Rust, without WebAssembly.

use arcllm_module::{
    ChainTarget, Cost, Error, Listed, Target,
    types::{Reason, StopReason},
};

use crate::{
    round::{Identity, Known, Round},
    settings::{ReasonWord, Settings},
};

/// How a target's answer ended: what matters for a fallback.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Why the model stopped; none while the answer is streamed.
    pub stop: Option<StopReason>,
    /// The bytes of text and the number of tool calls; none while the answer is streamed.
    pub said: Option<(u64, u32)>,
}

/// What is done after a target has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Its answer or error comes back.
    Return,
    /// Another model is asked.
    Another,
    /// Another model is asked, unless its known window is too small: the conversation did not fit into this one.
    Larger,
}

/// Decides who is asked when a model fails.
#[derive(Debug, Clone)]
pub struct Policy {
    chain: Vec<ChainTarget>,
    settings: Settings,
}

impl Policy {
    /// Makes the policy of these settings.
    pub fn new(mut settings: Settings) -> Self {
        let chain = std::mem::take(&mut settings.chain).into_iter().map(|Listed(target)| target).collect();
        Self { chain, settings }
    }

    /// Begins a round: the inner, which asks this model, and then the chain.
    pub fn round(&self, provider: String, model: String) -> Round<'_> {
        Round::new(&self.chain, Identity { provider, model })
    }

    /// Whether some answers are failures, so that streamed ones are waited for until they have text.
    pub fn judges_answers(&self) -> bool {
        let settings = &self.settings;
        settings.on_empty || settings.on_refusal || settings.on_content_filter || settings.on_truncated
    }

    /// Decides what is done after an error.
    pub fn after_error(&self, error: &Error) -> Next {
        match error {
            Error::Api(api) => {
                let status = self.settings.except_status_codes.iter().any(|status| status.get() == api.status);
                let reason = self.settings.except_reasons.contains(&ReasonWord::from(&api.reason));
                match &api.reason {
                    _ if status || reason => Next::Return,
                    Reason::ContextLength => Next::Larger,
                    _ => Next::Another,
                }
            }
            Error::Connection(_)
            | Error::Timeout(_)
            | Error::Parse(_)
            | Error::Config(_)
            | Error::Module(_)
            | Error::Other(_) => Next::Another,
            Error::Cancelled | Error::DeadlineExceeded => Next::Return,
        }
    }

    /// Decides what is done after an answer. One that is streamed has begun, so it comes back.
    pub fn after_answer(&self, answer: &Answer) -> Next {
        let (Some(stop), Some(said)) = (&answer.stop, answer.said) else { return Next::Return };
        let settings = &self.settings;
        let is_full = matches!(stop, StopReason::Other(word) if word == WINDOW_IS_FULL);
        // A model that pauses has not finished, and may well have said nothing yet.
        let is_empty = said == (0, 0) && !matches!(stop, StopReason::PauseTurn);
        let fails = (settings.on_empty && is_empty)
            || match stop {
                StopReason::Refusal => settings.on_refusal,
                StopReason::ContentFilter => settings.on_content_filter,
                StopReason::MaxTokens => settings.on_truncated,
                StopReason::Other(_) => settings.on_truncated && is_full,
                StopReason::EndTurn | StopReason::StopSequence | StopReason::ToolUse | StopReason::PauseTurn => false,
            };
        match fails {
            true if is_full => Next::Larger,
            true => Next::Another,
            false => Next::Return,
        }
    }

    /// Returns the most that one call costs: the inner and every target of the chain, if all of them fail.
    pub fn worst_case(&self, inner: &Target, others: &[Target]) -> Cost {
        let primary = Identity { provider: inner.provider.clone(), model: inner.model.clone() };
        let identity = |name: &str| match find(others, name) {
            Some(target) if target.name == name => {
                Some(Identity { provider: target.provider.clone(), model: target.model.clone() })
            }
            // The inner is not among the others.
            None if name == inner.provider => Some(primary.clone()),
            Some(_) | None => name.split_once('/').map(Identity::of),
        };
        let mut round = Round::new(&self.chain, primary.clone());
        let mut sum = inner.most;
        while let Some(target) = round.next(|name| Some(Known { identity: identity(name)?, window: None })) {
            let Some(target) = find(others, &target.model.0) else { continue };
            sum = Cost {
                attempts: sum.attempts.saturating_add(target.most.attempts),
                waiting: sum.waiting.saturating_add(target.most.waiting),
            };
        }
        sum
    }
}

/// Finds a target by its name, or for `provider/model` another one of the same provider.
fn find<'a>(others: &'a [Target], name: &str) -> Option<&'a Target> {
    let by_provider = || {
        let (provider, _) = name.split_once('/')?;
        others.iter().find(|target| target.provider == provider)
    };
    others.iter().find(|target| target.name == name).or_else(by_provider)
}

/// The word of a provider that has no room for more of the answer.
const WINDOW_IS_FULL: &str = "model_context_window_exceeded";

#[cfg(test)]
mod tests;
