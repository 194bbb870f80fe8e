//! What a request asks, as JSON that fits a record.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Serialize;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use crate::chat::request::Request;

/// The shortest length that texts are cut to, in bytes. What is still too long then is left out.
const SHORTEST: usize = 64;

/// The messages and tools of this request as a JSON object of at most `limit` bytes. Pictures and other files are their SHA-256.
///
/// The last message comes first, and has its texts cut if it is too long alone. What has no room then is counted: the tools, and the
/// oldest messages.
pub(crate) fn asked(request: &Request, limit: usize) -> String {
    const FRAME: usize =
        r#"{"messages":[],"messages_left_out":18446744073709551615,"tools":[],"tools_left_out":18446744073709551615}"#
            .len();
    let mut room = limit.saturating_sub(FRAME);
    let mut messages = Vec::new();
    for message in request.messages.iter().rev() {
        let text = match messages.is_empty() {
            true => fitted(message, room),
            false => whole(message).filter(|text| text.len() < room),
        };
        let Some(text) = text else { break };
        // With its comma.
        room = room.saturating_sub(text.len() + 1);
        messages.push(text);
    }
    messages.reverse();
    let mut tools = Vec::new();
    for tool in &request.tools {
        let Some(text) = whole(tool).filter(|text| text.len() < room) else { break };
        room = room.saturating_sub(text.len() + 1);
        tools.push(text);
    }
    let left_out = |what: &str, all: usize, kept: usize| match all - kept {
        0 => String::new(),
        count => format!(",\"{what}_left_out\":{count}"),
    };
    format!(
        "{{\"messages\":[{}]{},\"tools\":[{}]{}}}",
        messages.join(","),
        left_out("messages", request.messages.len(), messages.len()),
        tools.join(","),
        left_out("tools", request.tools.len(), tools.len()),
    )
}

fn whole(part: &impl Serialize) -> Option<String> {
    Some(value(part)?.to_string())
}

/// The part, with its texts cut so that it fits.
fn fitted(part: &impl Serialize, room: usize) -> Option<String> {
    let mut value = value(part)?;
    let mut text = value.to_string();
    let mut most = room;
    while text.len() > room {
        if most < SHORTEST {
            return None;
        }
        cut(&mut value, most);
        if let Value::Object(fields) = &mut value {
            fields.insert("cut".to_owned(), true.into());
        }
        text = value.to_string();
        most -= most / 4;
    }
    Some(text)
}

fn value(part: &impl Serialize) -> Option<Value> {
    let mut value = serde_json::to_value(part).ok()?;
    replace_files(&mut value);
    Some(value)
}

/// Puts the hash of each file in the place of its bytes.
fn replace_files(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(replace_files),
        Value::Object(fields) => match fields.get("data") {
            Some(Value::String(data)) if fields.contains_key("media_type") => {
                let file = hashed(data);
                fields.insert("data".to_owned(), file);
            }
            _ => fields.values_mut().for_each(replace_files),
        },
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn hashed(data: &str) -> Value {
    let bytes = STANDARD.decode(data).unwrap_or_else(|_| data.as_bytes().to_vec());
    json!({ "bytes": bytes.len(), "sha256": format!("{:x}", Sha256::digest(&bytes)) })
}

fn cut(value: &mut Value, most: usize) {
    match value {
        Value::String(text) if text.len() > most => {
            text.truncate(text.floor_char_boundary(most));
            text.push('…');
        }
        Value::Array(items) => items.iter_mut().for_each(|item| cut(item, most)),
        Value::Object(fields) => {
            *fields = std::mem::take(fields).into_iter().fold(Map::new(), |mut fields, (key, mut value)| {
                cut(&mut value, most);
                fields.insert(key, value);
                fields
            });
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::{
        content::{ContentBlock, Media, MediaSource},
        message::Message,
        message::Role,
        tool::Tool,
    };

    fn read(request: &Request, limit: usize) -> Value {
        let text = asked(request, limit);
        assert!(text.len() <= limit, "{} bytes of {limit}", text.len());
        serde_json::from_str(&text).unwrap()
    }

    fn conversation() -> Request {
        let messages =
            [Message::system("Be brief."), Message::user("one"), Message::assistant("1"), Message::user("two")];
        Request::new(messages).with_tools([Tool::new("look", "Looks.", json!({"type": "object"}))])
    }

    #[test]
    fn the_whole_conversation_is_there_as_it_was_asked() {
        let request = conversation();
        let messages = serde_json::to_value(&request.messages).unwrap();
        let tools = serde_json::to_value(&request.tools).unwrap();
        assert_eq!(read(&request, 1 << 20), json!({"messages": messages, "tools": tools}));
    }

    #[test]
    fn what_has_no_room_is_counted_from_the_oldest() {
        let request = conversation();
        for limit in 150..500 {
            let read = read(&request, limit);
            let messages = read["messages"].as_array().unwrap();
            let left_out = read.get("messages_left_out").map_or(0, |count| count.as_u64().unwrap());
            assert_eq!(messages.len() as u64 + left_out, 4, "{limit}");
            let all = serde_json::to_value(&request.messages).unwrap();
            assert_eq!(messages.as_slice(), &all.as_array().unwrap()[4 - messages.len()..], "{limit}");
        }
    }

    #[test]
    fn a_message_that_is_too_long_alone_is_cut() {
        for letter in ["é", "\u{1}", "\"", "x"] {
            let request = Request::new([Message::user("before"), Message::user(letter.repeat(1 << 20))]);
            let read = read(&request, 10_000);
            // What is left is enough for the one before.
            assert_eq!(
                (&read["messages"][0]["content"], &read["messages"][1]["cut"]),
                (&json!("before"), &json!(true))
            );
            assert!(read.to_string().len() > 6000, "{letter:?}");
        }
        assert_eq!(asked(&conversation(), 0), r#"{"messages":[],"messages_left_out":4,"tools":[],"tools_left_out":1}"#);
    }

    #[test]
    fn a_file_is_its_hash() {
        let picture = ContentBlock::Image(Media::new("image/png", MediaSource::Data(vec![7; 1 << 20])));
        let request = Request::new([Message::new(Role::User, vec![ContentBlock::text("Look."), picture])]);
        let read = read(&request, 2000);
        let file = &read["messages"][0]["content"][1]["data"];
        assert_eq!((&file["bytes"], file["sha256"].as_str().map(str::len)), (&json!(1 << 20), Some(64)));
        assert!(read["messages"][0].get("cut").is_none());
    }
}
