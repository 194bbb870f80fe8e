use super::*;
use crate::chat::message::{Message, Role};

#[test]
fn only_plain_text_is_written_as_a_string() {
    let json = |text: &Text| {
        let blocks = vec![ContentBlock::Text(text.clone())];
        let messages = [
            Message::new(Role::User, blocks.clone()),
            Message::new(Role::Tool, vec![ContentBlock::ToolResult(ToolResult::new("t", blocks))]),
        ];
        let written = serde_json::to_value(&messages).unwrap();
        assert_eq!(serde_json::from_value::<[Message; 2]>(written.clone()).unwrap(), messages);
        [written[0]["content"].clone(), written[1]["content"][0]["content"].clone()]
    };
    assert_eq!(json(&Text::new("a")), ["a", "a"]);
    let more = [
        Text { cache: Some(CacheMark::default()), ..Text::new("a") },
        Text { extensions: [("openai.x".to_owned(), json!(1))].into(), ..Text::new("a") },
    ];
    for text in more {
        assert!(json(&text).iter().all(Value::is_array), "{text:?}");
    }
}
