//! How large a request is, in the units of its user.

use serde_json::Value;

use crate::chat::{content::ContentBlock, message::Role, request::Request, tool::Tool};

/// Tokens of a picture. Providers count from 85 to about 1,600.
const IMAGE_TOKENS: u64 = 1_200;
/// Tokens of a document or a recording of which nothing is known: some pages, or a minute.
const FILE_TOKENS: u64 = 2_000;
/// Bytes of a document or a recording for each of its tokens.
const FILE_BYTES: u64 = 32;
/// The extension of a request that asks for several answers.
const ANSWERS: &str = "openai.n";
/// Tokens around a message or a tool.
const AROUND: u64 = 6;

/// How large a request is.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct RequestSize {
    pub(crate) messages: usize,
    /// Bytes of text, with the arguments and results of tools.
    pub(crate) text_bytes: u64,
    pub(crate) images: u32,
    pub(crate) documents: u32,
    pub(crate) recordings: u32,
    pub(crate) tools: usize,
    /// An estimate of the tokens of input.
    pub(crate) tokens: u64,
    /// How many answers are asked for, if it is more than one.
    pub(crate) answers: Option<u64>,
}

impl RequestSize {
    /// Measures a request. Takes time in proportion to its text.
    pub(crate) fn of(request: &Request) -> Self {
        let answers = request.extensions.get(ANSWERS).and_then(Value::as_u64).filter(|answers| *answers > 1);
        let (messages, tools) = (request.messages.len(), request.tools.len());
        let mut size = Self { messages, tools, answers, ..Self::default() };
        for message in &request.messages {
            size.tokens += AROUND;
            message.content.iter().for_each(|block| size.add_block(block));
        }
        for tool in &request.tools {
            size.tokens += AROUND;
            match tool {
                Tool::Function(tool) => {
                    size.add_tokens(&tool.name);
                    size.add_tokens(&tool.description);
                    size.add_tokens(&tool.parameters.to_string());
                }
                Tool::Other(value) => size.add_tokens(&value.to_string()),
            }
        }
        size
    }

    fn add_block(&mut self, block: &ContentBlock) {
        match block {
            ContentBlock::Text(text) => self.add(&text.text),
            ContentBlock::Thinking(thinking) => self.add(&thinking.text),
            ContentBlock::ToolUse(call) => {
                self.add(&call.name);
                self.add(&Value::Object(call.arguments.clone()).to_string());
            }
            ContentBlock::ToolResult(result) => result.content.iter().for_each(|block| self.add_block(block)),
            ContentBlock::Image(_) => {
                self.images += 1;
                self.tokens += IMAGE_TOKENS;
            }
            ContentBlock::Document(media) => {
                self.documents += 1;
                self.tokens += file_tokens(media.bytes());
            }
            ContentBlock::Audio(media) => {
                self.recordings += 1;
                self.tokens += file_tokens(media.bytes());
            }
            ContentBlock::Other(value) => self.add(&value.to_string()),
        }
    }

    fn add(&mut self, text: &str) {
        self.text_bytes += text.len() as u64;
        self.add_tokens(text);
    }

    /// A token is about four characters of English, three of code and numbers, and one of Chinese. Letters of other scripts are
    /// in between.
    fn add_tokens(&mut self, text: &str) {
        let (mut quarters, mut wide) = (0_u64, 0_u64);
        for character in text.chars() {
            match character {
                'a'..='z' | 'A'..='Z' | ' ' => quarters += 1,
                '\0'..='\x7f' => quarters += 2,
                '\u{80}'..='\u{7ff}' => quarters += 2,
                _ => wide += 1,
            }
        }
        self.tokens += quarters.div_ceil(4) + wide;
    }
}

fn file_tokens(bytes: Option<usize>) -> u64 {
    bytes.map_or(FILE_TOKENS, |bytes| (bytes as u64 / FILE_BYTES).max(1))
}

/// The text of the last message of the user, cut to at most `limit` bytes. `None` if there is no such message.
pub(crate) fn last_user_text(request: &Request, limit: usize) -> Option<String> {
    let last = request.messages.iter().rev().find(|message| message.role == Role::User)?;
    let mut text = String::new();
    for block in &last.content {
        if let ContentBlock::Text(block) = block {
            let room = limit.saturating_sub(text.len());
            text.push_str(block.text.get(..block.text.floor_char_boundary(room)).unwrap_or_default());
            if block.text.len() > room {
                break;
            }
        }
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::chat::message::Message;

    #[test]
    fn everything_is_counted() {
        let request: Request = serde_json::from_value(json!({
            "messages": [
                {"role": "user", "content": [
                    {"type": "text", "text": "Grüße"},
                    {"type": "image", "url": "https://example.com/a.png"},
                    {"type": "document", "media_type": "text/plain", "data": "aGk="},
                    {"type": "audio", "file": "f"},
                ]},
                {"role": "tool", "content": [{"type": "tool_result", "tool_use_id": "t", "content": [
                    {"type": "text", "text": "abc"}, {"type": "image", "file": "g"},
                ]}]},
            ],
            "tools": [{"name": "a"}, {"type": "web_search", "name": "b"}],
        }))
        .unwrap();
        let size = RequestSize::of(&request);
        assert_eq!((size.messages, size.text_bytes, size.tools), (2, 10, 2));
        assert_eq!((size.images, size.documents, size.recordings), (2, 1, 1));
        assert!(size.tokens > 2 * IMAGE_TOKENS + FILE_TOKENS, "{size:?}");
    }

    #[test]
    fn tokens_are_near_what_providers_count() {
        let tokens = |text: &str| RequestSize::of(&Request::new([Message::user(text)])).tokens;
        // Counted with the tokenizers of several providers: 9 to 11, 26 to 33, 8 to 15.
        assert!((9..=20).contains(&tokens("The quick brown fox jumps over the lazy dog.")));
        assert!((20..=50).contains(&tokens("fn add(a: u64, b: u64) -> u64 { a.saturating_add(b) } // 1234567890")));
        assert!((8..=22).contains(&tokens("敏捷的棕色狐狸跳过了懒狗。")));
    }

    #[test]
    fn the_last_text_of_the_user() {
        let texts = |limit| {
            let request = Request::new([Message::user("Hi"), Message::user("Grüße"), Message::assistant("Yes?")]);
            last_user_text(&request, limit)
        };
        assert_eq!(texts(100).as_deref(), Some("Grüße"));
        assert_eq!(texts(3).as_deref(), Some("Gr"));
        assert_eq!(texts(0).as_deref(), Some(""));
        assert_eq!(last_user_text(&Request::new([Message::system("Be brief.")]), 9), None);
    }
}
