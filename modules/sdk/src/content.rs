//! The content of requests and responses: making it, and finding its texts.

use crate::{
    Request, Response,
    types::{
        ContentBlock, Message, Options, RequestParts, RequestSize, ResponseParts, Role, StopReason, Text,
        ToolResultBlock, Usage,
    },
};

impl RequestSize {
    /// Returns how many answers are asked for. Each has its own output.
    pub fn answers(&self) -> u64 {
        let asked = self.extensions.iter().find(|(key, _)| key == "arcllm.answers");
        asked.and_then(|(_, number)| number.parse().ok()).unwrap_or(1)
    }
}

impl RequestParts {
    /// Makes a conversation of one text, said by the user.
    pub fn from_text(text: &str) -> Self {
        let message =
            Message { role: Role::User, content: vec![ContentBlock::from_text(text)], extensions: Vec::new() };
        let options = Options {
            max_tokens: None,
            temperature: None,
            top_p: None,
            top_k: None,
            stop: Vec::new(),
            tool_choice: None,
            parallel_tool_calls: None,
            seed: None,
            output: None,
            reasoning: None,
            user: None,
            labels: Vec::new(),
            metadata: Vec::new(),
            extensions: Vec::new(),
        };
        Self { messages: vec![message], tools: Vec::new(), options, extensions: Vec::new() }
    }

    /// Iterates over every text of the conversation, to read or change it: what is said, results of tools, and arguments
    /// of tool calls, which are JSON. The model's reasoning is left out, because it must be sent back unchanged.
    pub fn texts_mut(&mut self) -> impl Iterator<Item = &mut String> {
        self.messages.iter_mut().flat_map(|message| message.content.iter_mut()).flat_map(ContentBlock::texts_mut)
    }
}

impl ResponseParts {
    /// Makes an answer of this text, with no tokens counted.
    pub fn from_text(provider: &str, model: &str, text: &str) -> Self {
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
        Self {
            content: vec![ContentBlock::from_text(text)],
            usage,
            stop_reason: StopReason::EndTurn,
            model: model.to_owned(),
            provider: provider.to_owned(),
            extensions: Vec::new(),
        }
    }

    /// Joins all of its text.
    pub fn text(&self) -> String {
        let texts = self.content.iter().filter_map(|block| match block {
            ContentBlock::Text(text) => Some(text.text.as_str()),
            _ => None,
        });
        texts.collect()
    }

    /// Iterates over every text of the answer, to read or change it. Arguments of tool calls are among them, as JSON.
    pub fn texts_mut(&mut self) -> impl Iterator<Item = &mut String> {
        self.content.iter_mut().flat_map(ContentBlock::texts_mut)
    }
}

impl Usage {
    /// Returns the tokens of two answers together. What else a provider counts is that of `other`.
    #[must_use]
    pub fn plus(&self, other: &Usage) -> Self {
        let both = |one: Option<u64>, other: Option<u64>| match (one, other) {
            (None, None) => None,
            (one, other) => Some(one.unwrap_or_default().saturating_add(other.unwrap_or_default())),
        };
        Self {
            input_tokens: self.input_tokens.saturating_add(other.input_tokens),
            output_tokens: self.output_tokens.saturating_add(other.output_tokens),
            total_tokens: self.total_tokens.saturating_add(other.total_tokens),
            cache_read_tokens: both(self.cache_read_tokens, other.cache_read_tokens),
            cache_write_tokens: both(self.cache_write_tokens, other.cache_write_tokens),
            cache_write_hour_tokens: both(self.cache_write_hour_tokens, other.cache_write_hour_tokens),
            reasoning_tokens: both(self.reasoning_tokens, other.reasoning_tokens),
            extensions: other.extensions.clone(),
        }
    }
}

impl ContentBlock {
    /// Makes a block of plain text.
    pub fn from_text(text: &str) -> Self {
        ContentBlock::Text(Text { text: text.to_owned(), cache: None, extensions: Vec::new() })
    }

    /// Returns the texts of this block.
    pub fn texts_mut(&mut self) -> Vec<&mut String> {
        match self {
            ContentBlock::Text(text) => vec![&mut text.text],
            ContentBlock::ToolUse(call) => vec![&mut call.arguments],
            ContentBlock::ToolResult(result) => {
                let texts = result.content.iter_mut().filter_map(|block| match block {
                    ToolResultBlock::Text(text) => Some(&mut text.text),
                    ToolResultBlock::Image(_)
                    | ToolResultBlock::Document(_)
                    | ToolResultBlock::Audio(_)
                    | ToolResultBlock::Other(_) => None,
                });
                texts.collect()
            }
            ContentBlock::Image(_)
            | ContentBlock::Document(_)
            | ContentBlock::Audio(_)
            | ContentBlock::Thinking(_)
            | ContentBlock::Other(_) => Vec::new(),
        }
    }
}

impl Response {
    /// Answers this request in place of the model, for example to refuse it.
    pub fn from_text(request: &Request, text: &str) -> Self {
        Self::new(request, &ResponseParts::from_text(&request.provider(), &request.model(), text))
    }
}
