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

fn block(json: Value) -> Result<ContentBlock, String> {
    serde_json::from_value(json).map_err(|error| error.to_string())
}

#[test]
fn blocks_of_a_provider_are_read_back_whatever_their_type() {
    for json in [
        json!({"type": "image", "image": "x"}),
        json!({"type": "audio", "audio": {"id": "a"}}),
        json!({"type": "document", "foo": 1}),
        json!({"type": "text", "text": "a"}),
        json!({"type": "tool_use", "id": "t", "name": "f", "input": {}}),
        json!({"type": "image", "source": {"type": "url", "url": "u"}, "x": 1}),
        json!({"type": "tool_result", "tool_use_id": "t", "x": 1}),
        json!({"type": "thinking", "thinking": {"a": 1}}),
        json!({"type": "other", "json": {"type": "other", "json": 1}}),
        json!({"type": "other", "x": 1}),
        json!({"type": 7}),
        json!(null),
    ] {
        let other = ContentBlock::Other(json.clone());
        let result = ContentBlock::ToolResult(ToolResult::new("t", vec![other.clone()]));
        for block in [other, result] {
            let written = serde_json::to_value(&block).unwrap();
            assert_eq!(serde_json::from_value::<ContentBlock>(written).unwrap(), block, "{json}");
        }
    }
    let unknown = json!({"type": "hologram", "depth": 3});
    assert_eq!(serde_json::to_value(ContentBlock::Other(unknown.clone())).unwrap(), unknown);
}

#[test]
fn a_mistake_in_a_known_block_is_an_error() {
    for json in [
        json!({"type": "text", "text": "a", "cach": true}),
        json!({"type": "image", "source": {"type": "url", "url": "u"}, "x": 1}),
        json!({"type": "document", "foo": 1}),
        json!({"type": "document", "source": {"type": "url", "url": "u"}, "extensions": 1, "x": 1}),
        json!({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "%"}}),
    ] {
        assert!(block(json.clone()).is_err(), "{json}");
    }
}

#[test]
fn sources_of_anthropics_format_are_read() {
    let media = |media_type: &str, source| Media::new(media_type, source);
    for (source, expected) in [
        (
            json!({"type": "base64", "media_type": "image/png", "data": "aGk="}),
            media("image/png", MediaSource::Data(b"hi".to_vec())),
        ),
        (
            json!({"type": "text", "media_type": "text/plain", "data": "hi"}),
            media("text/plain", MediaSource::Data(b"hi".to_vec())),
        ),
        (json!({"type": "url", "url": "u"}), media("", MediaSource::Url("u".into()))),
        (json!({"type": "file", "file_id": "f"}), media("", MediaSource::File("f".into()))),
    ] {
        let read = block(json!({"type": "document", "source": source}));
        assert_eq!(read, Ok(ContentBlock::Document(expected)), "{source}");
    }
    for source in [
        json!({"type": "base64", "data": "aGk="}),
        json!({"type": "url", "url": "u", "x": 1}),
        json!({"type": "content", "content": []}),
        json!({"file_id": "f"}),
    ] {
        let read = block(json!({"type": "image", "source": source}));
        assert_eq!(read, Ok(ContentBlock::Image(media("", MediaSource::Other(source)))));
    }
}

#[test]
fn fields_of_anthropics_documents_are_its_name_and_extensions() {
    let read = block(json!({
        "type": "document", "source": {"type": "url", "url": "u"}, "title": "T", "citations": {"enabled": true},
        "context": null,
    }));
    let mut expected = Media::new("", MediaSource::Url("u".into())).with_name("T");
    expected.extensions.insert("anthropic.citations".into(), json!({"enabled": true}));
    assert_eq!(read, Ok(ContentBlock::Document(expected)));
}
