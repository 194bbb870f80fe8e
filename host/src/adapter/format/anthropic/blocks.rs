//! Writes the blocks of a message of Anthropic Messages.

use std::borrow::Cow;

use serde_json::Value;

use crate::{
    adapter::format::{
        anthropic::cache,
        extensions::ANTHROPIC,
        foreign,
        history::{Block, NO_RESULT, Place},
        outline::{Json, Object, Unwritable},
        tools,
    },
    chat::{
        content::{ContentBlock, Media, MediaSource, Text, Thinking, ToolCall, ToolResult},
        wire_format::WireFormat,
    },
};

/// Writes blocks for one provider.
pub(crate) struct BlockWriter<'q> {
    /// The name of the provider.
    pub(crate) provider: &'q str,
}

impl<'q> BlockWriter<'q> {
    /// The block, if it can be sent.
    pub(crate) fn block<'a>(&self, block: &Block<'a>, place: Place) -> Result<Option<Json<'a>>, Unwritable> {
        match block {
            Block::Content(content) => self.content(content, place),
            Block::Call(id, call) => Ok(Some(self.tool_use(id, call))),
            Block::Result(id, result) => self.tool_result(id, *result, place).map(Some),
        }
    }

    /// The API refuses blank text, and thinking without a signature.
    fn content<'a>(&self, block: &'a ContentBlock, place: Place) -> Result<Option<Json<'a>>, Unwritable> {
        let written = match block {
            ContentBlock::Text(text) => return Ok(self.text(text)),
            ContentBlock::Image(image) => source(image).map(|source| self.sourced("image", source, image)),
            ContentBlock::Document(document) => self.document(document),
            ContentBlock::Audio(_) => Err("a recording, which Anthropic's format does not have".to_owned()),
            ContentBlock::Thinking(thinking) => return Ok(self.thinking(thinking)),
            ContentBlock::Other(_) if block.is_partial_tool_use() => return Ok(None),
            ContentBlock::Other(value) if foreign::format_of_block(value) == Some(WireFormat::OpenAi) => {
                translated(value).ok_or_else(|| {
                    format!("a block of the type {:?}, which only OpenAI's format has", foreign::kind(value))
                })
            }
            ContentBlock::Other(value) if foreign::format_of_block(value) == Some(WireFormat::OpenAiResponses) => {
                Err(format!("an item of the type {:?}, which only OpenAI's Responses format has", foreign::kind(value)))
            }
            ContentBlock::Other(value) => Ok(value.into()),
            ContentBlock::ToolUse(_) | ContentBlock::ToolResult(_) => return Ok(None),
        };
        match (written, place) {
            (Ok(block), _) if block.plain_text().is_some_and(|text| text.trim().is_empty()) => Ok(None),
            // Models do not draw.
            (Ok(block), Place::Answer) if block.is("image") || block.is("document") => Ok(None),
            (Ok(block), _) => Ok(Some(block)),
            (Err(_), Place::Answer) => Ok(None),
            (Err(problem), Place::Question(at)) => Err(Unwritable::refused(format!(
                "messages[{at}] has {problem}\n  help: leave it out, or send its text"
            ))),
        }
    }

    fn text<'a>(&self, text: &'a Text) -> Option<Json<'a>> {
        if text.text.trim().is_empty() {
            return None;
        }
        let mut block = Object::new([("type", "text".into()), ("text", text.text.as_str().into())]);
        cache::add(&mut block, text.cache.as_ref());
        Some(block.extended(&text.extensions, ANTHROPIC))
    }

    fn document<'a>(&self, document: &'a Media) -> Result<Json<'a>, String> {
        let text = match &document.source {
            MediaSource::Data(bytes) if document.media_type.starts_with("text/") => std::str::from_utf8(bytes).ok(),
            _ => None,
        };
        let source = text.map_or_else(|| source(document), |text| Ok(plain_source(text)))?;
        Ok(self.sourced("document", source, document))
    }

    fn sourced<'a>(&self, kind: &'static str, source: Json<'a>, media: &'a Media) -> Json<'a> {
        let mut block = Object::new([("type", kind.into()), ("source", source)]);
        if kind == "document" && !media.name.is_empty() {
            block.insert("title", media.name.as_str());
        }
        cache::add(&mut block, media.cache.as_ref());
        block.extended(&media.extensions, ANTHROPIC)
    }

    fn tool_use<'a>(&self, id: &Cow<'a, str>, call: &'a ToolCall) -> Json<'a> {
        let mut block = Object::new([
            ("type", "tool_use".into()),
            ("id", id.clone().into()),
            ("name", tools::name_of_call(&call.name)),
            ("input", Json::Fields(&call.arguments)),
        ]);
        cache::add(&mut block, call.cache.as_ref());
        block.extended(&call.extensions, ANTHROPIC)
    }

    fn tool_result<'a>(
        &self,
        id: &Cow<'a, str>,
        result: Option<&'a ToolResult>,
        place: Place,
    ) -> Result<Json<'a>, Unwritable> {
        let mut block = Object::new([("type", "tool_result".into()), ("tool_use_id", id.clone().into())]);
        let Some(result) = result else {
            block.insert("content", NO_RESULT);
            block.insert("is_error", Json::Bool(true));
            return Ok(block.into());
        };
        let mut blocks = Vec::with_capacity(result.content.len());
        for content in &result.content {
            blocks.extend(self.content(content, place)?);
        }
        if !blocks.is_empty() {
            block.insert("content", content(blocks));
        }
        if result.is_error {
            block.insert("is_error", Json::Bool(true));
        }
        cache::add(&mut block, result.cache.as_ref());
        Ok(block.extended(&result.extensions, ANTHROPIC))
    }

    fn thinking<'a>(&self, thinking: &'a Thinking) -> Option<Json<'a>> {
        // Another provider cannot verify it.
        if thinking.provider.as_ref().is_some_and(|provider| provider != self.provider) {
            return None;
        }
        let fields = match (&thinking.redacted, &thinking.signature) {
            (Some(data), _) => Object::new([("type", "redacted_thinking".into()), ("data", data.as_str().into())]),
            (None, Some(signature)) => Object::new([
                ("type", "thinking".into()),
                ("thinking", thinking.text.as_str().into()),
                ("signature", signature.as_str().into()),
            ]),
            (None, None) => return None,
        };
        Some(fields.extended(&thinking.extensions, ANTHROPIC))
    }
}

/// A string for plain text, else a list of blocks.
pub(crate) fn content(blocks: Vec<Json<'_>>) -> Json<'_> {
    let text = match blocks.as_slice() {
        [block] => block.plain_text(),
        _ => None,
    };
    text.map_or_else(|| blocks.into(), Json::from)
}

fn source(media: &Media) -> Result<Json<'_>, String> {
    Ok(match &media.source {
        MediaSource::Data(bytes) => Json::object([
            ("type", "base64".into()),
            ("media_type", media.media_type.as_str().into()),
            ("data", Json::Base64(String::new(), bytes)),
        ]),
        MediaSource::Url(url) => url_source(url),
        MediaSource::File(file) => Json::object([("type", "file".into()), ("file_id", file.as_str().into())]),
        MediaSource::Other(value) if value.get("type").is_some() => value.into(),
        MediaSource::Other(_) => return Err("a source without a `type`, which Anthropic's format needs".to_owned()),
    })
}

fn url_source(url: &str) -> Json<'_> {
    Json::object([("type", "url".into()), ("url", url.into())])
}

fn plain_source(text: &str) -> Json<'_> {
    Json::object([("type", "text".into()), ("media_type", "text/plain".into()), ("data", text.into())])
}

/// A part of OpenAI's format as a block, if there is one like it.
fn translated(part: &Value) -> Option<Json<'_>> {
    let field = |path: &str| part.pointer(path).and_then(Value::as_str);
    match foreign::kind(part) {
        "refusal" => Some(Json::object([("type", "text".into()), ("text", field("/refusal")?.into())])),
        "output_text" | "input_text" => Some(Json::object([("type", "text".into()), ("text", field("/text")?.into())])),
        "image_url" => {
            let source = address(field("/image_url/url").or(field("/image_url"))?)?;
            Some(Json::object([("type", "image".into()), ("source", source)]))
        }
        "file" => {
            let source = address(field("/file/file_data")?)?;
            let mut block = Object::new([("type", "document".into()), ("source", source)]);
            if let Some(name) = field("/file/filename") {
                block.insert("title", name);
            }
            Some(block.into())
        }
        _ => None,
    }
}

/// The source at an address, which may be one with the data in it.
fn address(url: &str) -> Option<Json<'_>> {
    let Some(data) = url.strip_prefix("data:") else { return Some(url_source(url)) };
    let (media_type, data) = data.split_once(";base64,")?;
    Some(Json::object([("type", "base64".into()), ("media_type", media_type.into()), ("data", data.into())]))
}
