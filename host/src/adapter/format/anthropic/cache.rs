//! Writes cache marks as `cache_control` of Anthropic Messages:
//! <https://platform.claude.com/docs/en/build-with-claude/prompt-caching>.

use std::time::Duration;

use serde_json::Value;

use crate::{
    adapter::format::{
        extensions::ANTHROPIC,
        outline::{Json, Object},
    },
    chat::cache_mark::CacheMark,
};

/// The most marks that the API takes.
const MOST: usize = 4;

/// The longest time that the shorter mark keeps a conversation.
const SHORT: Duration = Duration::from_secs(300);

/// The field of a mark.
const FIELD: &str = "cache_control";

/// Adds the mark of a block or a tool, if it has one.
pub(crate) fn add<'a>(object: &mut Object<'a>, mark: Option<&'a CacheMark>) {
    let Some(mark) = mark else { return };
    let mut control = Object::new([("type", "ephemeral".into())]);
    match mark.ttl {
        Some(ttl) if ttl > SHORT => control.insert("ttl", "1h"),
        Some(_) => control.insert("ttl", "5m"),
        None => {}
    }
    object.insert(FIELD, control.extended(&mark.extensions, ANTHROPIC));
}

/// Makes the marks of a body such as the API takes: the last ones count, and a mark before one of an hour is one of an hour.
/// `lists` are the tools and the blocks in the order of the API. `whole` is the mark of the body itself, which is the last
/// one.
pub(crate) fn fit<'a>(lists: &mut [&mut [Json<'a>]], whole: Option<&Value>) {
    let mut hours = Vec::new();
    each(lists, &mut |block| hours.push(mark_of(block).is_some_and(is_hour)));
    let most = MOST - usize::from(whole.is_some());
    let skipped = hours.len().saturating_sub(most);
    let is_whole_hour = whole.and_then(|mark| mark.get("ttl")).is_some_and(|ttl| ttl == "1h");
    let last_hour = if is_whole_hour { Some(hours.len()) } else { hours.iter().rposition(|is_hour| *is_hour) };
    let mut place = 0;
    each(lists, &mut |block| {
        match last_hour {
            _ if place < skipped => remark(block, None),
            Some(last) if place < last => remark(block, Some("1h")),
            _ => {}
        }
        place += 1;
    });
}

/// Calls `act` with each tool and block that has a mark. The blocks in a result stand before its own mark.
fn each<'a>(lists: &mut [&mut [Json<'a>]], act: &mut dyn FnMut(&mut Json<'a>)) {
    for block in lists.iter_mut().flat_map(|list| list.iter_mut()) {
        if let Json::Object(fields) = block {
            let inner = fields.iter_mut().find(|(name, _)| *name == "content");
            if let Some((_, Json::List(blocks))) = inner {
                each(&mut [blocks.as_mut_slice()], act);
            }
        }
        if mark_of(block).is_some() {
            act(block);
        }
    }
}

/// The mark of a block.
enum Mark<'b, 'a> {
    Written(&'b Json<'a>),
    Raw(&'b Value),
}

fn mark_of<'b, 'a>(block: &'b Json<'a>) -> Option<Mark<'b, 'a>> {
    match block {
        Json::Object(fields) => fields.iter().find(|(name, _)| *name == FIELD).map(|(_, mark)| Mark::Written(mark)),
        Json::Value(value) => value.get(FIELD).filter(|mark| !mark.is_null()).map(Mark::Raw),
        _ => None,
    }
}

fn is_hour(mark: Mark<'_, '_>) -> bool {
    match mark {
        Mark::Written(Json::Object(fields)) => {
            fields.iter().any(|(name, ttl)| *name == "ttl" && matches!(ttl, Json::Text("1h")))
        }
        Mark::Written(Json::Value(mark)) => mark.get("ttl").is_some_and(|ttl| ttl == "1h"),
        Mark::Raw(mark) => mark.get("ttl").is_some_and(|ttl| ttl == "1h"),
        Mark::Written(_) => false,
    }
}

/// Gives the mark of a block this time to live, or removes it.
fn remark<'a>(block: &mut Json<'a>, ttl: Option<&'static str>) {
    let fields: Vec<(&'a str, Json<'a>)> = match std::mem::replace(block, Json::Null) {
        Json::Object(fields) => fields.into_vec(),
        Json::Value(Value::Object(fields)) => {
            fields.iter().map(|(name, value)| (name.as_str(), value.into())).collect()
        }
        other => return *block = other,
    };
    let fields = fields.into_iter().filter_map(|(name, field)| match (name, ttl) {
        (FIELD, None) => None,
        (FIELD, Some(ttl)) => Some((name, with_ttl(field, ttl))),
        _ => Some((name, field)),
    });
    *block = Json::Object(fields.collect());
}

fn with_ttl<'a>(mark: Json<'a>, ttl: &'static str) -> Json<'a> {
    let mut fields = Object::default();
    match mark {
        Json::Object(written) => written.into_iter().for_each(|(name, field)| fields.insert(name, field)),
        Json::Value(Value::Object(raw)) => raw.iter().for_each(|(name, field)| fields.insert(name, field)),
        _ => {}
    }
    fields.insert("ttl", ttl);
    fields.into()
}
