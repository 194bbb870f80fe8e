//! A conversation in the order that providers demand: behind an answer with tool calls stand their results, one for each.

use std::{
    borrow::Cow,
    collections::{HashMap, VecDeque},
};

use crate::{
    adapter::format::{outline::Unwritable, tool_ids::ToolIds},
    chat::{
        content::{ContentBlock, ToolCall, ToolResult},
        extensions::Extensions,
        message::{Message, Role},
    },
    config::quirks::ToolIdRule,
};

/// What the model is told of a call that nobody answered.
pub(crate) const NO_RESULT: &str = "This tool call has no result: it was not run, or its result was lost.";

/// One turn of the conversation.
pub(crate) struct Turn<'a> {
    pub(crate) role: &'a Role,
    /// The place of its first message in the request, for errors.
    pub(crate) at: usize,
    pub(crate) blocks: Vec<Block<'a>>,
    /// Whether its message has other blocks than texts. A format may have no place for these.
    pub(crate) has_more_than_text: bool,
    pub(crate) extensions: Vec<&'a Extensions>,
}

/// Where a block stands.
#[derive(Clone, Copy)]
pub(crate) enum Place {
    /// In what the model said. What only its author can read is left out.
    Answer,
    /// In the message at this place of the request. What cannot be written is an error.
    Question(usize),
}

/// A block of a turn.
pub(crate) enum Block<'a> {
    /// Neither a call nor a result.
    Content(&'a ContentBlock),
    Call(Cow<'a, str>, &'a ToolCall),
    Result(Cow<'a, str>, Option<&'a ToolResult>),
}

impl Turn<'_> {
    pub(crate) fn has_calls(&self) -> bool {
        self.blocks.iter().any(|block| matches!(block, Block::Call(..)))
    }

    pub(crate) fn place(&self) -> Place {
        if *self.role == Role::Assistant { Place::Answer } else { Place::Question(self.at) }
    }

    pub(crate) fn has_results(&self) -> bool {
        self.blocks.iter().any(|block| matches!(block, Block::Result(..)))
    }
}

/// Puts the results of tools behind their calls, and gives both the id that the provider takes. With `repair`, a call
/// without a result gets an error as its result, and a result without a call is left out.
///
/// # Errors
///
/// A call that the model did not make, or an image and the like in a system message. Without `repair`, the first call without a
/// result, or result without a call.
pub(crate) fn turns<'a>(
    messages: &'a [Cow<'a, Message>],
    rule: ToolIdRule,
    repair: bool,
) -> Result<Vec<Turn<'a>>, Unwritable> {
    let calls = Calls::of(messages, rule, repair)?;
    let mut turns: Vec<Turn<'_>> = Vec::with_capacity(messages.len());
    let (mut written, mut begun) = (0, 0);
    for (at, message) in messages.iter().enumerate() {
        if message.role != Role::Assistant {
            calls.add_results(&mut written, begun, at, &mut turns);
        }
        let mut blocks = Vec::with_capacity(message.content.len());
        for block in &message.content {
            match block {
                ContentBlock::ToolUse(_) => {
                    blocks.extend(calls.0.get(begun).map(|known| Block::Call(known.id.clone(), known.call)));
                    begun += 1;
                }
                ContentBlock::ToolResult(_) => {}
                content => blocks.extend(content_of(content, message, at)?),
            }
        }
        let extensions = vec![&message.extensions];
        match turns.last_mut() {
            // Its results have become a turn of their own.
            last if !message.content.is_empty() && message.content.iter().all(is_result) => {
                if let Some(last) = last {
                    last.extensions.extend(extensions);
                }
            }
            // The results of both follow.
            Some(last) if last.role == &message.role && last.has_calls() && written < begun => {
                last.blocks.extend(blocks);
                last.extensions.extend(extensions);
            }
            _ => {
                let has_more_than_text = message.content.iter().any(|block| !matches!(block, ContentBlock::Text(_)));
                turns.push(Turn { role: &message.role, at, blocks, has_more_than_text, extensions });
            }
        }
    }
    calls.add_results(&mut written, begun, messages.len(), &mut turns);
    Ok(turns)
}

/// The block, if models have it in a message of this role: they do not draw, and read instructions only as text.
fn content_of<'a>(block: &'a ContentBlock, message: &Message, at: usize) -> Result<Option<Block<'a>>, Unwritable> {
    let what = match block {
        ContentBlock::Image(_) => "an image",
        ContentBlock::Document(_) => "a document",
        ContentBlock::Audio(_) => "a recording",
        _ => return Ok(Some(Block::Content(block))),
    };
    match message.role {
        Role::Assistant => Ok(None),
        Role::System => Err(Unwritable::refused(format!(
            "messages[{at}] is a system message with {what}\n  help: put it into a message of the user"
        ))),
        _ => Ok(Some(Block::Content(block))),
    }
}

fn is_result(block: &ContentBlock) -> bool {
    matches!(block, ContentBlock::ToolResult(_))
}

/// The error for a request that says nothing to the model.
pub(crate) fn nothing_to_send() -> Unwritable {
    Unwritable::refused("`messages` says nothing to the model\n  help: add a message of the user with text")
}

/// The tool calls of a conversation, in their order.
struct Calls<'a>(Vec<Call<'a>>);

struct Call<'a> {
    call: &'a ToolCall,
    id: Cow<'a, str>,
    /// The place of its message.
    at: usize,
    result: Option<&'a ToolResult>,
}

impl<'a> Calls<'a> {
    /// Finds the call of each result. A result belongs to the last answer before it that has an open call of its id, and there
    /// to the first such call.
    fn of(messages: &'a [Cow<'a, Message>], rule: ToolIdRule, repair: bool) -> Result<Self, Unwritable> {
        let mut ids = ToolIds::new(rule);
        let mut calls: Vec<Call<'a>> = Vec::new();
        let mut open: HashMap<&str, OpenCalls> = HashMap::new();
        for (at, message) in messages.iter().enumerate() {
            for block in &message.content {
                match block {
                    ContentBlock::ToolUse(call) if message.role != Role::Assistant => {
                        return Err(not_the_models(at, message, call));
                    }
                    ContentBlock::ToolUse(call) => {
                        open.entry(&call.id).or_default().add(at, calls.len());
                        calls.push(Call { call, id: ids.next(&call.id), at, result: None });
                    }
                    ContentBlock::ToolResult(result) => {
                        let place = open.get_mut(result.tool_use_id.as_str()).and_then(OpenCalls::take);
                        match place.and_then(|place| calls.get_mut(place)) {
                            Some(call) => call.result = Some(result),
                            None if repair => {}
                            None => return Err(no_call(at, result)),
                        }
                    }
                    _ => {}
                }
            }
        }
        match calls.iter().find(|call| call.result.is_none() && !repair) {
            Some(call) => Err(no_result(call)),
            None => Ok(Self(calls)),
        }
    }

    /// Adds a turn with the results of the calls from `written` to `begun`.
    fn add_results(&self, written: &mut usize, begun: usize, at: usize, turns: &mut Vec<Turn<'a>>) {
        let calls = self.0.get(*written..begun).unwrap_or_default();
        *written = begun;
        if !calls.is_empty() {
            let blocks = calls.iter().map(|call| Block::Result(call.id.clone(), call.result)).collect();
            turns.push(Turn { role: &Role::Tool, at, blocks, has_more_than_text: true, extensions: Vec::new() });
        }
    }
}

/// The calls of one id that have no result yet: the places of those in each message.
#[derive(Default)]
struct OpenCalls(Vec<(usize, VecDeque<usize>)>);

impl OpenCalls {
    fn add(&mut self, message: usize, place: usize) {
        match self.0.last_mut() {
            Some((last, places)) if *last == message => places.push_back(place),
            _ => self.0.push((message, VecDeque::from([place]))),
        }
    }

    /// Takes the first call of the last message that has one.
    fn take(&mut self) -> Option<usize> {
        let (_, places) = self.0.last_mut()?;
        let place = places.pop_front();
        if places.is_empty() {
            self.0.pop();
        }
        place
    }
}

fn not_the_models(at: usize, message: &Message, call: &ToolCall) -> Unwritable {
    Unwritable::refused(format!(
        "messages[{at}] has the role {:?} and the tool call {:?} ({}), which only the model makes\n  help: give the message the \
         role \"assistant\"",
        message.role.as_str(),
        call.id,
        call.name
    ))
}

fn no_result(call: &Call<'_>) -> Unwritable {
    let (at, id, name) = (call.at, &call.call.id, &call.call.name);
    Unwritable::refused(format!(
        "messages[{at}] has the tool call {id:?} ({name}) without a result\n  help: add its result behind it, or set host.repair_history = true"
    ))
}

fn no_call(at: usize, result: &ToolResult) -> Unwritable {
    Unwritable::refused(format!(
        "messages[{at}] has a result of the tool call {:?}, which no answer before it makes\n  help: keep the answer with \
         the call, leave out the result, or set host.repair_history = true",
        result.tool_use_id
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(messages: serde_json::Value, repair: bool) -> Result<Vec<String>, String> {
        let messages: Vec<Message> = serde_json::from_value(messages).unwrap();
        let messages: Vec<_> = messages.iter().map(Cow::Borrowed).collect();
        let turns = turns(&messages, ToolIdRule::Any, repair).map_err(|error| error.to_string())?;
        let block = |block: &Block<'_>| match block {
            Block::Content(ContentBlock::Text(text)) => text.text.clone(),
            Block::Content(_) => "?".to_owned(),
            Block::Call(id, _) => format!("call {id}"),
            Block::Result(id, None) => format!("no result {id}"),
            Block::Result(id, Some(result)) => format!("result {id} {}", result.content.len()),
        };
        let turn = |turn: &Turn<'_>| {
            format!("{}: {}", turn.role.as_str(), turn.blocks.iter().map(block).collect::<Vec<_>>().join(", "))
        };
        Ok(turns.iter().map(turn).collect())
    }

    fn calls(ids: &[&str]) -> serde_json::Value {
        let calls = ids.iter().map(|id| json!({"type": "tool_use", "id": id, "name": "f", "arguments": {}}));
        json!({"role": "assistant", "content": calls.collect::<Vec<_>>()})
    }

    fn result(id: &str) -> serde_json::Value {
        json!({"role": "tool", "content": [{"type": "tool_result", "tool_use_id": id, "content": "1"}]})
    }

    #[test]
    fn results_stand_behind_their_calls_in_the_order_of_the_calls() {
        let messages = json!([
            {"role": "user", "content": "Hi"},
            calls(&["a", "b"]),
            {"role": "user", "content": [
                {"type": "text", "text": "Hurry"}, {"type": "tool_result", "tool_use_id": "b", "content": []},
            ]},
            {"role": "system", "content": "Be brief"},
            result("a"),
            {"role": "assistant", "content": "Done"},
        ]);
        let expected = [
            "user: Hi",
            "assistant: call a, call b",
            "tool: result a 1, result b 0",
            "user: Hurry",
            "system: Be brief",
            "assistant: Done",
        ];
        assert_eq!(told(messages, false).unwrap(), expected);
    }

    #[test]
    fn a_result_behind_a_later_answer_finds_its_call() {
        let messages = json!([calls(&["a"]), calls(&["b"]), result("b"), result("a")]);
        assert_eq!(told(messages, false).unwrap(), ["assistant: call a, call b", "tool: result a 1, result b 1"]);
        let messages = json!([calls(&["a", "b"]), result("b"), {"role": "assistant", "content": "Hm"}, result("a")]);
        let expected = ["assistant: call a, call b", "tool: result a 1, result b 1", "assistant: Hm"];
        assert_eq!(told(messages, false).unwrap(), expected);
    }

    #[test]
    fn ids_that_come_again_name_the_last_answer() {
        let again = json!([calls(&["a"]), result("a"), calls(&["a", "a"]), result("a"), result("a")]);
        let expected =
            ["assistant: call a", "tool: result a 1", "assistant: call a, call a", "tool: result a 1, result a 1"];
        assert_eq!(told(again, false).unwrap(), expected);
    }

    #[test]
    fn what_stands_in_the_wrong_message_is_left_out_or_named() {
        let image = json!({"type": "image", "url": "https://example.com/a.png"});
        let document = json!({"type": "document", "file": "f"});
        let said = |role: &str, block: &serde_json::Value| json!([{"role": role, "content": [block]}]);
        assert_eq!(told(said("assistant", &image), false).unwrap(), ["assistant: "]);
        assert_eq!(told(said("user", &image), false).unwrap(), ["user: ?"]);
        for (block, what) in [(&image, "an image"), (&document, "a document")] {
            let error = told(said("system", block), true).unwrap_err();
            assert!(error.starts_with(&format!("messages[0] is a system message with {what}")), "{error}");
        }
        let call = json!({"type": "tool_use", "id": "a", "name": "f", "arguments": {}});
        for role in ["user", "system", "tool"] {
            let error = told(said(role, &call), true).unwrap_err();
            assert!(error.starts_with(&format!("messages[0] has the role {role:?} and the tool call")), "{error}");
        }
    }

    #[test]
    fn what_is_missing_is_named_or_repaired() {
        let never_mind = json!([calls(&["a", "b"]), result("b"), {"role": "user", "content": "Never mind"}]);
        let error = told(never_mind.clone(), false).unwrap_err();
        assert!(error.starts_with("messages[0] has the tool call \"a\" (f) without a result"), "{error}");
        let expected = ["assistant: call a, call b", "tool: no result a, result b 1", "user: Never mind"];
        assert_eq!(told(never_mind, true).unwrap(), expected);
        assert_eq!(told(json!([calls(&["a"])]), true).unwrap(), ["assistant: call a", "tool: no result a"]);

        let orphan = json!([{"role": "user", "content": "Hi"}, result("a"), calls(&["a"]), result("a")]);
        let error = told(orphan.clone(), false).unwrap_err();
        assert!(error.starts_with("messages[1] has a result of the tool call \"a\""), "{error}");
        assert_eq!(told(orphan, true).unwrap(), ["user: Hi", "assistant: call a", "tool: result a 1"]);
    }
}
