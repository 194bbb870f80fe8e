//! One walk along the chain.

use std::slice;

use arcllm_module::{ChainTarget, types::ModelFacts};

/// Which model a name stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The provider.
    pub provider: String,
    /// The model that the provider is asked for.
    pub model: String,
}

impl Identity {
    pub(crate) fn of((provider, model): (&str, &str)) -> Self {
        Self { provider: provider.to_owned(), model: model.to_owned() }
    }
}

/// What is known of a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// Which model it is.
    pub identity: Identity,
    /// The most tokens that it takes.
    pub window: Option<u64>,
}

impl From<ModelFacts> for Known {
    fn from(facts: ModelFacts) -> Self {
        let identity = Identity { provider: facts.provider, model: facts.model };
        Self { identity, window: facts.context_window }
    }
}

/// One walk along the chain, which asks no model twice.
#[derive(Debug)]
pub struct Round<'a> {
    rest: slice::Iter<'a, ChainTarget>,
    /// Those that were asked, the last one at the end.
    asked: Vec<Identity>,
    /// The largest known window that the conversation did not fit into.
    too_small: Option<u64>,
}

impl<'a> Round<'a> {
    pub(crate) fn new(chain: &'a [ChainTarget], primary: Identity) -> Self {
        Self { rest: chain.iter(), asked: vec![primary], too_small: None }
    }

    /// Notes that the conversation did not fit into the model that was asked last.
    pub fn did_not_fit(&mut self, known: impl Fn(&str) -> Option<Known>) {
        let last = self.asked.last().map(|last| format!("{}/{}", last.provider, last.model));
        let window = last.and_then(|name| known(&name)?.window);
        self.too_small = self.too_small.max(window);
    }

    /// Returns the next target to ask. `known` tells of a name what is known of its model.
    pub fn next(&mut self, known: impl Fn(&str) -> Option<Known>) -> Option<&'a ChainTarget> {
        for target in self.rest.by_ref() {
            let name = target.model.0.as_str();
            // A name that stands for no model is asked too: the error says what is wrong with it.
            let Known { identity, window } =
                known(name).unwrap_or_else(|| Known { identity: Identity::of((name, "")), window: None });
            let is_too_small = self.too_small.zip(window).is_some_and(|(too_small, window)| window <= too_small);
            // The provider alone means the one that has failed, whatever model it was asked for.
            let has_failed = self.asked.first().is_some_and(|primary| primary.provider == name);
            if !is_too_small && !has_failed && !self.asked.contains(&identity) {
                self.asked.push(identity);
                return Some(target);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests;
