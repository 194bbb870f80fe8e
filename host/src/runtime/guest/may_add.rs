//! What a module has added to a request that its sandbox does not let it add.
//!
//! A module that rewrites a request speaks to the provider, and some of what a provider reads makes it reach further: an
//! address that it fetches carries to a stranger whatever stands in it, and a setting of its own turns tools, storage and
//! other models on. So both are grants, which are checked against the request that the module was given: what stood there
//! may stay, be moved and be left out.

use std::{borrow::Cow, collections::HashSet};

use serde_json::Value;

use crate::{
    chat::{
        content::{ContentBlock, Image, ImageSource},
        error::{ErrorKind, Failure},
        plain::{self, WORD},
        request::{Request, ToolChoice},
        reserved::{self, Level},
    },
    config::sandbox::Sandbox,
};

/// The keys of a JSON Schema that refer to another.
const REFERENCES: [&str; 3] = ["$ref", "$dynamicRef", "$recursiveRef"];

/// The grant of addresses that a provider fetches.
const URLS: &str = "urls";
/// The grant of extensions.
const EXTENSIONS: &str = "extensions";

/// What a module may add to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MayAdd {
    urls: bool,
    extensions: bool,
}

impl MayAdd {
    /// As the sandbox has it. A built-in module needs neither, so none has them unasked.
    pub(crate) fn of(sandbox: Option<&Sandbox>) -> Self {
        let allows = |grant: &str| sandbox.is_some_and(|sandbox| sandbox.allow.iter().any(|allowed| allowed == grant));
        Self { urls: allows(URLS), extensions: allows(EXTENSIONS) }
    }
}

impl MayAdd {
    /// Why this module may not send a request that it made of a given one, if it may not. Says nothing of what was added but
    /// the key: the rest may be a secret.
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
        match !self.urls && adds_address(given, made) {
            true => ungranted(URLS, "an address that the provider would fetch, or a block that may hold one"),
            false => None,
        }
    }
}

/// The key of an extension that was not there, or had another value.
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
    let is_new =
        |(level, key, value): &(Level, &'a String, &Value)| !known.contains(&(*level, key.as_str(), value.to_string()));
    all.into_iter().find(is_new).map(|(_, key, _)| key.as_str())
}

fn adds_address(given: &Request, made: &Request) -> bool {
    let mut all = HashSet::new();
    reaching(made, &mut |reaching| all.extend([reaching]));
    if all.is_empty() {
        return false;
    }
    let mut known = HashSet::new();
    reaching(given, &mut |reaching| known.extend([reaching]));
    !all.is_subset(&known)
}

/// Something in a request that may make its provider fetch something.
#[derive(PartialEq, Eq, Hash)]
enum Reaching<'a> {
    /// The address itself.
    Address(&'a str),
    /// JSON that goes to the provider as it is. Which of its texts are addresses is for the provider to say, so one that is
    /// changed in any way is another one.
    Json(String),
}

fn reaching<'a>(request: &'a Request, found: &mut impl FnMut(Reaching<'a>)) {
    for message in &request.messages {
        message.content.iter().for_each(|block| of_block(block, found));
    }
    for tool in &request.tools {
        references(&tool.parameters, found);
    }
    if let Some(ToolChoice::Other(value)) = &request.options.tool_choice {
        found(Reaching::Json(value.to_string()));
    }
    reserved::each(request, &mut |_, extensions| {
        for value in extensions.values().filter(|value| has_address(value)) {
            found(Reaching::Json(value.to_string()));
        }
    });
}

fn of_block<'a>(block: &'a ContentBlock, found: &mut impl FnMut(Reaching<'a>)) {
    match block {
        ContentBlock::Image(image) => of_image(image, found),
        ContentBlock::ToolResult(result) => result.content.iter().for_each(|block| of_block(block, found)),
        ContentBlock::Other(value) if !block.is_partial_tool_use() => found(Reaching::Json(value.to_string())),
        ContentBlock::Text(_) | ContentBlock::ToolUse(_) | ContentBlock::Thinking(_) | ContentBlock::Other(_) => {}
    }
}

fn of_image<'a>(image: &'a Image, found: &mut impl FnMut(Reaching<'a>)) {
    match &image.source {
        ImageSource::Url(url) if !is_inline(url) => found(Reaching::Address(url)),
        ImageSource::Other(value) => found(Reaching::Json(value.to_string())),
        ImageSource::Url(_) | ImageSource::Data(_) => {}
    }
    // It stands in an address, `data:TYPE;base64,…`, in which a lenient server looks for another.
    if image.media_type.contains(':') {
        found(Reaching::Address(&image.media_type));
    }
}

/// Whether it is a `data:` address, which holds what it stands for, and nothing that a lenient server takes for another.
fn is_inline(url: &str) -> bool {
    let scheme = url.get(..5).unwrap_or_default();
    scheme.eq_ignore_ascii_case("data:") && !url.get(5..).unwrap_or_default().contains(':')
}

/// What a JSON Schema refers to outside of itself: some servers fetch that when they read it.
fn references<'a>(schema: &'a Value, found: &mut impl FnMut(Reaching<'a>)) {
    match schema {
        Value::Object(fields) => {
            for (key, value) in fields {
                match value {
                    Value::String(target) if REFERENCES.contains(&key.as_str()) && !target.starts_with('#') => {
                        found(Reaching::Address(target));
                    }
                    value => references(value, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Whether an extension's value may hold an address: a text that looks like one, or any text where one is expected.
fn has_address(value: &Value) -> bool {
    match value {
        Value::String(text) => looks_like_address(text),
        Value::Array(items) => items.iter().any(has_address),
        Value::Object(fields) => fields.iter().any(|(key, value)| {
            let is_place = ["url", "uri", "host", "server", "endpoint", "address"];
            let key = key.to_ascii_lowercase();
            let is_named = is_place.iter().any(|place| key.contains(place));
            looks_like_address(&key)
                || has_address(value)
                || is_named && value.as_str().is_some_and(|text| !text.is_empty())
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// As the most lenient reader of addresses takes them: white space does not count, `\` is a slash, and a scheme needs none.
fn looks_like_address(text: &str) -> bool {
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
