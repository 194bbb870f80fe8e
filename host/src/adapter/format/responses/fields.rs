//! Fields that only this format has: the extension `openai.responses.NAME` is the field `NAME`.

use serde_json::{Map, Value};

use crate::{
    adapter::format::{
        extensions::{self, RESPONSES},
        foreign,
        outline::{Json, Object},
    },
    chat::extensions::Extensions,
    config::quirks::Quirks,
};

/// What the extensions of a block hold besides fields of the same name.
pub(crate) const ITEM: &str = "item";
/// Marks a text that is a refusal.
pub(crate) const REFUSAL: &str = "refusal";
/// Marks a call of a tool that takes a text.
pub(crate) const CUSTOM: &str = "custom";

/// The fields of a message that have a place of their own.
pub(crate) const OF_MESSAGE: [&str; 3] = ["type", "role", "content"];
/// The fields of a part with text that have a place of their own.
pub(crate) const OF_TEXT: [&str; 4] = ["type", "text", REFUSAL, ITEM];
/// The fields of a tool call that have a place of their own.
pub(crate) const OF_CALL: [&str; 7] = ["type", "call_id", "name", "arguments", "input", "output", CUSTOM];
/// The fields of reasoning that have a place of their own.
pub(crate) const OF_REASONING: [&str; 4] = ["type", "summary", "content", "encrypted_content"];

/// The extension of this name.
pub(crate) fn get<'a>(extensions: &'a Extensions, name: &str) -> Option<&'a Value> {
    extensions.get(&key(name))
}

/// The key of the extension of this name.
pub(crate) fn key(name: &str) -> String {
    format!("{RESPONSES}.{name}")
}

/// Whether there is any extension of this format.
pub(crate) fn has_any(extensions: &Extensions) -> bool {
    extensions.keys().any(|key| key.strip_prefix(RESPONSES).is_some_and(|rest| rest.starts_with('.')))
}

/// Writes the fields that have no place of their own, if the provider takes them.
pub(crate) fn apply<'a>(object: &mut Object<'a>, extensions: &'a Extensions, known: &[&str], quirks: &Quirks) {
    object.apply_those(extensions, RESPONSES, |name| is_other(name, known) && takes(quirks, name));
}

/// Writes the fields of a message that its text names.
pub(crate) fn apply_item<'a>(object: &mut Object<'a>, item: &'a Map<String, Value>, quirks: &Quirks) {
    for (name, value) in item.iter().filter(|(name, _)| is_other(name, &OF_MESSAGE) && takes(quirks, name)) {
        object.insert(name, value);
    }
}

/// The fields of a server's object that have no place of their own, as extensions. An empty list of annotations or of
/// probabilities says nothing.
pub(crate) fn others(object: &Map<String, Value>, known: &[&str]) -> Extensions {
    let is_empty = |value: &Value| value.as_array().is_some_and(Vec::is_empty);
    let lists = [key("annotations"), key("logprobs")];
    let mut fields = extensions::others(object, known, RESPONSES);
    fields.retain(|key, value| is_other(key, known) && !(lists.contains(key) && is_empty(value)));
    fields
}

/// Whether no server reads this name as one of these. Some take no notice of case and punctuation.
pub(crate) fn is_other(name: &str, known: &[&str]) -> bool {
    let bare = |name: &str| -> String {
        name.chars().filter(|letter| letter.is_alphanumeric()).flat_map(char::to_lowercase).collect()
    };
    let name = bare(name);
    !known.iter().any(|known| bare(known) == name)
}

fn takes(quirks: &Quirks, field: &str) -> bool {
    quirks.message_fields.as_ref().is_none_or(|known| known.iter().any(|known| known == field))
}

/// JSON in which OpenAI Chat Completions has the fields in an object of their own, as this format has them.
pub(crate) fn flat<'a>(value: &'a Value, kind: &str) -> Json<'a> {
    let Some(inner) = value.get(kind).and_then(Value::as_object).filter(|_| foreign::kind(value) == kind) else {
        return value.into();
    };
    let outer = value.as_object().into_iter().flatten().filter(|(name, _)| *name != kind);
    let mut fields = Object::default();
    outer.chain(inner).for_each(|(name, field)| fields.insert(name, field));
    fields.into()
}
