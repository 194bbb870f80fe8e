//! A request of a world, in place of the host's handle.

use std::{
    hash::{DefaultHasher, Hash as _, Hasher as _},
    rc::Rc,
};

use crate::{
    testing::{
        script::{INNER, MODEL},
        world::World,
    },
    types::{Attempt, ContentBlock, ModelFacts, Options, RequestParts, RequestSize, Role},
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

    /// Returns the options.
    pub fn options(&self) -> Options {
        self.parts.options.clone()
    }

    /// Returns the same call with other options.
    pub fn with_options(&self, options: &Options) -> Self {
        self.derive(&RequestParts { options: options.clone(), ..self.parts() })
    }

    /// Returns the value of a label.
    pub fn label(&self, key: &str) -> Option<String> {
        self.parts.options.labels.iter().find(|(label, _)| label == key).map(|(_, value)| value.clone())
    }

    /// Returns how large the request is. Tokens are a quarter of the bytes of text.
    pub fn size(&self) -> RequestSize {
        let mut size = RequestSize {
            messages: count(self.parts.messages.len()),
            text_bytes: 0,
            images: 0,
            documents: 0,
            recordings: 0,
            tools: count(self.parts.tools.len()),
            estimated_tokens: 0,
            extensions: self.several(),
        };
        let mut parts = self.parts();
        size.text_bytes = parts.texts_mut().map(|text| text.len() as u64).sum();
        size.estimated_tokens = size.text_bytes.div_ceil(4);
        for block in self.parts.messages.iter().flat_map(|message| &message.content) {
            match block {
                ContentBlock::Image(_) => size.images += 1,
                ContentBlock::Document(_) => size.documents += 1,
                ContentBlock::Audio(_) => size.recordings += 1,
                ContentBlock::Text(_)
                | ContentBlock::ToolUse(_)
                | ContentBlock::ToolResult(_)
                | ContentBlock::Thinking(_)
                | ContentBlock::Other(_) => {}
            }
        }
        size
    }

    /// How many answers are asked for, as the size says it.
    fn several(&self) -> Vec<(String, String)> {
        let asked = self.parts.extensions.iter().filter(|(key, number)| key == "openai.n" && number != "1");
        asked.map(|(_, number)| ("arcllm.answers".to_owned(), number.clone())).collect()
    }

    /// Returns 64 hexadecimal digits that are the same for equal requests of a world. A host returns the SHA-256.
    pub fn digest(&self) -> String {
        let options = Options { labels: Vec::new(), ..self.options() };
        let asked = RequestParts { options, ..self.parts() };
        let part = |number: u64| {
            let mut hasher = DefaultHasher::new();
            (number, format!("{asked:?}")).hash(&mut hasher);
            format!("{:016x}", hasher.finish())
        };
        (0..4).map(part).collect()
    }

    /// Returns the text of the last message of the user, cut to at most `limit` bytes.
    pub fn last_user_text(&self, limit: u32) -> Option<String> {
        let last = self.parts.messages.iter().rev().find(|message| matches!(message.role, Role::User))?;
        let texts = last.content.iter().filter_map(|block| match block {
            ContentBlock::Text(text) => Some(text.text.as_str()),
            _ => None,
        });
        let mut text: String = texts.collect();
        text.truncate(text.floor_char_boundary(usize::try_from(limit).unwrap_or(usize::MAX)));
        Some(text)
    }

    /// Writes a remark into the trail: the world's [`notes`](World::notes).
    pub fn note(&self, text: &str) {
        self.world.0.borrow_mut().notes.push(text.to_owned());
    }

    /// Returns what the world knows of a model.
    pub fn facts(&self, name: &str) -> Option<ModelFacts> {
        self.world.0.borrow().facts.get(name).cloned()
    }
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
