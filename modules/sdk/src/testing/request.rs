//! A request of a world, in place of the host's handle.

use std::rc::Rc;

use crate::{
    testing::{
        script::{INNER, MODEL},
        world::World,
    },
    types::{Attempt, Price, RequestParts},
};

/// One call on its way down.
pub struct Request {
    pub(crate) world: World,
    pub(crate) parts: Rc<RequestParts>,
}

impl Request {
    /// Copies the conversation.
    pub fn parts(&self) -> RequestParts {
        (*self.parts).clone()
    }

    /// Returns another handle to the same request.
    #[expect(clippy::should_implement_trait, reason = "the handle in WebAssembly has it as a method too")]
    pub fn clone(&self) -> Self {
        Self { world: self.world.clone(), parts: self.parts.clone() }
    }

    /// Returns the same call with other content.
    pub fn derive(&self, parts: &RequestParts) -> Self {
        Self { world: self.world.clone(), parts: Rc::new(parts.clone()) }
    }

    /// Returns the provider that the request goes to.
    pub fn provider(&self) -> String {
        INNER.to_owned()
    }

    /// Returns the model that the request goes to.
    pub fn model(&self) -> String {
        MODEL.to_owned()
    }

    /// Returns the nanoseconds until the caller's deadline.
    pub fn remaining(&self) -> Option<u64> {
        let inside = self.world.0.borrow();
        inside.deadline.map(|deadline| deadline.saturating_sub(inside.now))
    }

    /// Returns the trail from entry `since` on.
    pub fn attempts(&self, since: u32) -> Vec<Attempt> {
        let since = usize::try_from(since).unwrap_or(usize::MAX);
        self.world.0.borrow().trail.iter().skip(since).cloned().collect()
    }

    /// Returns the number of entries in the trail.
    pub fn attempt_count(&self) -> u32 {
        u32::try_from(self.world.0.borrow().trail.len()).unwrap_or(u32::MAX)
    }

    /// Returns whether the world's caller reads the answer as it comes.
    pub fn streamed(&self) -> bool {
        self.world.0.borrow().streamed
    }

    /// Returns the price that the world has for a model.
    pub fn price(&self, provider: &str, model: &str) -> Option<Price> {
        self.world.0.borrow().prices.get(&(provider.to_owned(), model.to_owned())).cloned()
    }
}
