//! A long conversation: each attempt writes it once, straight into the bytes that it sends.

use std::sync::Arc;

use arcllm::{ContentBlock, Media, MediaSource, Message, Request, Role, ToolCall};

use crate::{
    allocator::Since,
    model,
    server::{Says, Server},
};

const SIZE: usize = 10 << 20;

/// Conversations of this size, with a name for their parts.
fn conversations_of(size: usize) -> Vec<(&'static str, Vec<Message>)> {
    let text = "A line of text, with \"quotes\".\n".repeat(size / 31);
    let turns = (0..size / 1000).map(|at| match at % 2 {
        0 => Message::user("word ".repeat(200)),
        _ => Message::assistant("word ".repeat(200)),
    });
    let source = MediaSource::Data(vec![7; size]);
    let image = Media::new("image/png", source);
    let arguments = [("text".to_owned(), "word ".repeat(size / 5).into())].into_iter().collect();
    let calls =
        |arguments| Message::new(Role::Assistant, vec![ContentBlock::ToolUse(ToolCall::new("c", "f", arguments))]);
    let short = serde_json::Map::new();
    vec![
        ("one text", vec![Message::user(text.clone())]),
        ("many turns", turns.collect()),
        ("an image", vec![Message::new(Role::User, vec![ContentBlock::Image(image)])]),
        ("a call", vec![calls(arguments), Message::tool_result("c", "")]),
        ("a tool's result", vec![calls(short), Message::tool_result("c", text)]),
    ]
}

pub(crate) async fn conversations() {
    let server = Server::start().await;
    for format in ["openai", "openai-responses", "anthropic"] {
        let body = match format {
            "openai" => r#"{"choices":[{"message":{"content":"hi"}}]}"#,
            "openai-responses" => r#"{"output":[{"type":"message","content":"hi"}]}"#,
            _ => r#"{"content":[{"type":"text","text":"hi"}],"stop_reason":"end_turn"}"#,
        };
        server.says(Says::Whole, &Arc::from(body.as_bytes()));
        let model = model(format, &server, 1).await;
        for (name, messages) in conversations_of(SIZE) {
            let request = Arc::new(Request::new(messages));
            model.invoke_with(request.clone()).await.unwrap();
            let sent = server.received() as f64;
            let since = Since::now();
            model.invoke_with(request.clone()).await.unwrap();
            let (peak, total) = (since.peak() as f64 / sent, since.total() as f64 / sent);
            eprintln!("{peak:.3} times at once, {total:.3} in all, {sent} bytes, {format}: {name}");
            // The structure of many short messages is made before they are written.
            let most = if name == "many turns" { 1.4 } else { 1.1 };
            assert!(peak <= most, "{name} ({format}): an attempt took {peak:.3} times what it sent");
        }
    }
}
