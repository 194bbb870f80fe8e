use super::*;
use crate::chat::content::ToolCall;

fn answer(calls: &[&str]) -> Response {
    let call = |id: &&str| ContentBlock::ToolUse(ToolCall::new(*id, "look", serde_json::Map::new()));
    Response::new(calls.iter().map(call).collect())
}

#[test]
fn results_stand_in_the_order_of_their_calls() {
    let mut conversation = Conversation::new();
    conversation.system("Be brief.");
    conversation.user("Where is it warmer?");
    conversation.push(&answer(&["a", "b"]));
    conversation.tool_result(ToolResult::text("b", "second")).unwrap();
    let missing = conversation.messages().unwrap_err();
    assert_eq!((missing.kind.as_str(), missing.to_string().as_str()), ("usage", "the tool call `a` has no result yet"));
    conversation.tool_result(ToolResult::error("a", "first")).unwrap();
    let last = conversation.messages().unwrap().last().unwrap();
    let expected =
        [ToolResult::error("a", "first"), ToolResult::text("b", "second")].map(ContentBlock::ToolResult).to_vec();
    assert_eq!(*last, Message::new(Role::Tool, expected));
    conversation.push(&answer(&[]));
    assert_eq!(conversation.messages().unwrap().len(), 5);
}

#[test]
fn a_result_that_nothing_waits_for_is_refused() {
    let mut conversation = Conversation::new();
    conversation.push(&answer(&["a", "b"]));
    conversation.tool_result(ToolResult::text("a", "")).unwrap();
    for id in ["a", "c"] {
        let error = conversation.tool_result(ToolResult::text(id, "")).unwrap_err().to_string();
        assert_eq!(error, format!("no tool call `{id}` of the last answer waits for a result"));
    }
    conversation.tool_result(ToolResult::text("b", "")).unwrap();
    assert!(conversation.tool_result(ToolResult::text("a", "")).is_err(), "all are there");
}

#[test]
fn results_stand_behind_their_answer_even_if_the_person_speaks_first() {
    let mut conversation = Conversation::new();
    conversation.push(&answer(&["a", "a"]));
    conversation.user("And in Rome?");
    for text in ["one", "two"] {
        conversation.tool_result(ToolResult::text("a", text)).unwrap();
    }
    let roles: Vec<_> = conversation.messages().unwrap().iter().map(|message| message.role.as_str()).collect();
    assert_eq!(roles, ["assistant", "tool", "user"], "calls of one id get their results in turn");
}
