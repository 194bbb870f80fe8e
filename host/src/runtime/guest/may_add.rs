//! Checks what a module adds to a request.
//!
//! A module that rewrites a request speaks to the provider, and a provider can reach further. If it fetches an address,
//! the address tells strangers what it contains. Settings of a provider turn on tools, storage and other models. So
//! both need a grant. They are compared with the request that the module was given: it may keep, move and remove what
//! is there.

use std::{borrow::Cow, collections::HashSet};

use serde_json::Value;

use crate::{
    chat::{
        content::{ContentBlock, Media, MediaSource},
        error::ErrorKind,
        failure::Failure,
        options::{OutputFormat, Reasoning},
        plain::{self, WORD},
        request::Request,
        reserved::{self, Level},
        tool::{Tool, ToolChoice},
    },
    config::{
        grant::{EXTENSIONS, URLS},
        sandbox::Sandbox,
    },
};

/// The keys of a JSON Schema that refer to another.
const REFERENCES: [&str; 3] = ["$ref", "$dynamicRef", "$recursiveRef"];

/// What a module may add to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MayAdd {
    urls: bool,
    extensions: bool,
}

impl MayAdd {
    /// What the sandbox allows. Built-in modules need neither grant, so they have none by default.
    pub(crate) fn of(sandbox: Option<&Sandbox>) -> Self {
        let allows = |grant: &str| sandbox.is_some_and(|sandbox| sandbox.grant(grant).is_some());
        Self { urls: allows(URLS), extensions: allows(EXTENSIONS) }
    }
}

impl MayAdd {
    /// Why this module may not send a request that it made from `given`, if the sandbox forbids it. The error names
    /// only the key of what was added: the value may be a secret.
    pub(crate) fn refusal(self, module: &str, provider: &str, given: &Request, made: &Request) -> Option<ErrorKind> {
        let refuse = |why: &str, about: &str, what: &str| {
            let message = format!("the request that the module `{module}` made was not sent: {why}");
            let extensions = [("module", module.into()), (about, plain::line(what, WORD).into())];
            let extensions = extensions.map(|(name, text)| (name.to_owned(), text)).into();
            Some(ErrorKind::Module(Failure { extensions, ..Failure::new(provider, message) }))
        };
        if let Err(reserved) = reserved::check(made) {
            return refuse(&format!("it is refused, since {reserved}"), "extension", &reserved.key);
        }
        let ungranted = |grant: &str, what: &str| {
            let help = format!("allow = [{grant:?}] under [modules.{module}.sandbox], if you trust it with that");
            let why = format!("the module added {what}, which its sandbox does not allow\n  help: {help}");
            refuse(&why, "grant", grant)
        };
        if !self.extensions
            && let Some(key) = added_extension(given, made)
        {
            return ungranted(EXTENSIONS, &format!("or changed the extension `{}`", plain::line(key, WORD)));
        }
        match !self.urls && has_added_address(given, made) {
            true => ungranted(URLS, "an address that the provider would fetch, or a block that may hold one"),
            false => None,
        }
    }
}

/// The key of an extension that is new or has another value.
fn added_extension<'a>(given: &Request, made: &'a Request) -> Option<&'a str> {
    let mut all = Vec::new();
    reserved::each(made, &mut |level, extensions| {
        all.extend(extensions.iter().map(|(key, value)| (level, key, value)))
    });
    if all.is_empty() {
        return None;
    }
    let mut known: HashSet<(Level, &str, String)> = HashSet::new();
    reserved::each(given, &mut |level, extensions| {
        known.extend(extensions.iter().map(|(key, value)| (level, key.as_str(), value.to_string())));
    });
    let is_new = |(level, key, value): &(Level, &'a String, &Value)| {
        !is_text(*level, key, value) && !known.contains(&(*level, key.as_str(), value.to_string()))
    };
    all.into_iter().find(is_new).map(|(_, key, _)| key.as_str())
}

/// Whether an extension is a text for the model, which a module may change as any other text: what it is told of a document.
fn is_text(level: Level, key: &str, value: &Value) -> bool {
    level == Level::Media && key == "anthropic.context" && value.is_string()
}

fn has_added_address(given: &Request, made: &Request) -> bool {
    let mut all = HashSet::new();
    each_reference(made, &mut |reference| all.extend([reference]));
    if all.is_empty() {
        return false;
    }
    let mut known = HashSet::new();
    each_reference(given, &mut |reference| known.extend([reference]));
    !all.is_subset(&known)
}

/// A part of a request that may make the provider fetch something.
#[derive(PartialEq, Eq, Hash)]
enum Reference<'a> {
    /// The address itself.
    Address(&'a str),
    /// JSON that goes to the provider unread. The host cannot tell which of its texts are addresses, so any change
    /// counts.
    Json(String),
}

fn each_reference<'a>(request: &'a Request, found: &mut impl FnMut(Reference<'a>)) {
    for message in &request.messages {
        message.content.iter().for_each(|block| block_references(block, found));
    }
    for tool in &request.tools {
        match tool {
            Tool::Function(tool) => schema_references(&tool.parameters, found),
            Tool::Other(value) => found(Reference::Json(value.to_string())),
        }
    }
    let options = &request.options;
    if let Some(ToolChoice::Other(value)) = &options.tool_choice {
        found(Reference::Json(value.to_string()));
    }
    if let Some(Reasoning::Other(value)) = &options.reasoning {
        found(Reference::Json(value.to_string()));
    }
    match &options.output {
        Some(OutputFormat::JsonSchema(schema)) => schema_references(&schema.schema, found),
        Some(OutputFormat::Other(value)) => found(Reference::Json(value.to_string())),
        Some(OutputFormat::Text | OutputFormat::Json) | None => {}
    }
    reserved::each(request, &mut |level, extensions| {
        let others = extensions.iter().filter(|(key, value)| has_address(value) && !is_text(level, key, value));
        others.for_each(|(_, value)| found(Reference::Json(value.to_string())));
    });
}

fn block_references<'a>(block: &'a ContentBlock, found: &mut impl FnMut(Reference<'a>)) {
    match block {
        ContentBlock::Image(media) | ContentBlock::Document(media) | ContentBlock::Audio(media) => {
            media_references(media, found);
        }
        ContentBlock::ToolResult(result) => result.content.iter().for_each(|block| block_references(block, found)),
        ContentBlock::Other(value) if !block.is_partial_tool_use() => found(Reference::Json(without_texts(value))),
        ContentBlock::Text(_) | ContentBlock::ToolUse(_) | ContentBlock::Thinking(_) | ContentBlock::Other(_) => {}
    }
}

fn media_references<'a>(media: &'a Media, found: &mut impl FnMut(Reference<'a>)) {
    match &media.source {
        MediaSource::Url(url) if !is_inline(url) => found(Reference::Address(url)),
        // A lenient server may take it for an address, and another file of the account tells other things.
        MediaSource::File(file) => found(Reference::Address(file)),
        MediaSource::Other(value) => found(Reference::Json(without_texts(value))),
        MediaSource::Url(_) | MediaSource::Data(_) => {}
    }
    // It becomes part of an address, `data:TYPE;base64,…`, in which a lenient server may find another.
    if media.media_type.contains(':') {
        found(Reference::Address(&media.media_type));
    }
}

/// Types of JSON in which a field is a text for the model, as that of a block of text is.
const TEXTS: [(&str, &str); 4] =
    [("text", "text"), ("refusal", "refusal"), ("search_result", "title"), ("content", "content")];

/// The JSON without the texts in it that are for the model alone.
fn without_texts(value: &Value) -> String {
    let mut value = value.clone();
    empty_texts(&mut value);
    value.to_string()
}

fn empty_texts(value: &mut Value) {
    let kind = value.get("type").and_then(Value::as_str);
    let Some((kind, name)) = TEXTS.into_iter().find(|(known, _)| kind == Some(known)) else { return };
    if let Some(text @ Value::String(_)) = value.get_mut(name) {
        *text = "".into();
    }
    if let Some(Value::Array(blocks)) =
        value.get_mut("content").filter(|_| ["search_result", "content"].contains(&kind))
    {
        blocks.iter_mut().for_each(empty_texts);
    }
}

/// Whether it is a `data:` address, with nothing that a lenient server takes for another address.
fn is_inline(url: &str) -> bool {
    let scheme = url.get(..5).unwrap_or_default();
    scheme.eq_ignore_ascii_case("data:") && !url.get(5..).unwrap_or_default().contains(':')
}

/// Finds what a JSON Schema refers to outside of itself: some servers fetch it.
fn schema_references<'a>(schema: &'a Value, found: &mut impl FnMut(Reference<'a>)) {
    match schema {
        Value::Object(fields) => {
            for (key, value) in fields {
                match value {
                    Value::String(target) if REFERENCES.contains(&key.as_str()) && !target.starts_with('#') => {
                        found(Reference::Address(target));
                    }
                    value => schema_references(value, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| schema_references(item, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Whether an extension's value may hold an address: a text that looks like one, or any text under a key that names
/// one.
fn has_address(value: &Value) -> bool {
    match value {
        Value::String(text) => is_like_address(text),
        Value::Array(items) => items.iter().any(has_address),
        Value::Object(fields) => fields.iter().any(|(key, value)| {
            let is_place = ["url", "uri", "host", "server", "endpoint", "address"];
            let key = key.to_ascii_lowercase();
            let is_named = is_place.iter().any(|place| key.contains(place));
            is_like_address(&key)
                || has_address(value)
                || is_named && value.as_str().is_some_and(|text| !text.is_empty())
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Whether the most lenient reader takes this for an address: white space does not count, `\` is a slash, and the
/// scheme may be missing.
fn is_like_address(text: &str) -> bool {
    let text: Cow<'_, str> = match text.contains(|letter: char| letter.is_whitespace() || letter.is_control()) {
        true => {
            text.chars().filter(|letter| !letter.is_whitespace() && !letter.is_control()).collect::<String>().into()
        }
        false => text.into(),
    };
    let scheme = text.split(':').next().unwrap_or_default();
    let has_scheme = scheme.len() < text.len()
        && scheme.len() > 1
        && scheme.chars().all(|letter| letter.is_ascii_alphanumeric() || "+-.".contains(letter));
    has_scheme || ["//", "\\\\", "/\\", "\\/"].iter().any(|slashes| text.contains(slashes))
}

#[cfg(test)]
mod tests;
