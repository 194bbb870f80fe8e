//! A response of a world, in place of the host's handle.

use crate::{
    testing::{pipe::Pipe, request::Request},
    types::{ContentBlock, ResponseParts, ResponseSize, StopReason, Usage},
};

/// One answer on its way up.
pub struct Response {
    pub(crate) parts: ResponseParts,
    /// Where its events come from, if a module writes it.
    pub(crate) pipe: Option<Pipe>,
}

impl Response {
    /// Makes an answer of the module's own.
    pub fn new(_request: &Request, parts: &ResponseParts) -> Self {
        Self { parts: parts.clone(), pipe: None }
    }

    /// Copies the answer. If a module writes it, this is its end once that is written.
    pub fn parts(&self) -> ResponseParts {
        let end = self.pipe.as_ref().and_then(|pipe| pipe.borrow().end.clone());
        end.unwrap_or_else(|| self.parts.clone())
    }

    /// Returns the same answer with other content.
    pub fn derive(&self, parts: &ResponseParts) -> Self {
        Self { parts: parts.clone(), pipe: None }
    }

    /// Returns the tokens alone.
    pub fn usage(&self) -> Usage {
        self.parts().usage
    }

    /// Returns whether the answer is whole.
    pub fn is_whole(&self) -> bool {
        self.pipe.is_none()
    }

    /// Returns why the model stopped.
    pub fn stop_reason(&self) -> Option<StopReason> {
        self.is_whole().then(|| self.parts.stop_reason.clone())
    }

    /// Returns how much the answer says.
    pub fn size(&self) -> Option<ResponseSize> {
        let calls = self.parts.content.iter().filter(|block| matches!(block, ContentBlock::ToolUse(_))).count();
        let (text_bytes, tool_calls) = (self.parts.text().len() as u64, u32::try_from(calls).unwrap_or(u32::MAX));
        self.is_whole().then(|| ResponseSize { text_bytes, tool_calls, extensions: Vec::new() })
    }

    /// Returns the model that answered.
    pub fn model(&self) -> String {
        self.parts().model
    }

    /// Returns the provider that answered.
    pub fn provider(&self) -> String {
        self.parts().provider
    }
}
