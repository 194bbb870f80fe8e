use arcllm_module::types::{Media, MediaSource, Role, ToolResult};

use super::*;

fn hidden(text: &str) -> Option<String> {
    text.contains("a@b.com").then(|| text.replace("a@b.com", "[EMAIL_1]"))
}

fn media(media_type: &str, source: MediaSource) -> Media {
    let (media_type, name) = (media_type.to_owned(), String::new());
    Media { media_type, source, name, cache: None, extensions: Vec::new() }
}

/// The media type and the source after the text in it was rewritten.
fn rewritten(media_type: &str, source: MediaSource) -> Option<(String, MediaSource)> {
    let mut part = ContentBlock::Document(media(media_type, source));
    let is_changed = block(&mut part, Quotes::Removed, &mut hidden);
    let ContentBlock::Document(media) = part else { panic!() };
    is_changed.then_some((media.media_type, media.source))
}

#[test]
fn the_data_of_documents_are_rewritten_if_they_are_text() {
    let utf16 =
        |order: fn(u16) -> [u8; 2]| "\u{feff}Mail a@b.com ü".encode_utf16().flat_map(order).collect::<Vec<u8>>();
    for (media_type, data, expected) in [
        ("text/plain", b"Mail a@b.com".to_vec(), Some(b"Mail [EMAIL_1]".to_vec())),
        ("Text/CSV; charset=utf-8", b"a@b.com;1".to_vec(), Some(b"[EMAIL_1];1".to_vec())),
        // No type, or one that is made up from a name.
        ("application/json", b"{\"a\": \"a@b.com\"}".to_vec(), Some(b"{\"a\": \"[EMAIL_1]\"}".to_vec())),
        ("application/pdf", b"a@b.com".to_vec(), Some(b"[EMAIL_1]".to_vec())),
        ("", b"a@b.com".to_vec(), Some(b"[EMAIL_1]".to_vec())),
        // No text, or none that is said to be one.
        ("application/pdf", b"%PDF-1.7 a@b.com".to_vec(), None),
        ("application/zip", b"a@b.com\xff".to_vec(), None),
        ("application/octet-stream", b"a@b.com\0".to_vec(), None),
        ("text/plain", b"nobody".to_vec(), None),
        // Older encodings.
        ("text/plain", b"M\xfcller: a@b.com".to_vec(), Some(b"M\xfcller: [EMAIL_1]".to_vec())),
        ("text/plain", utf16(u16::to_le_bytes), Some("Mail [EMAIL_1] ü".into())),
        ("text/plain", utf16(u16::to_be_bytes), Some("Mail [EMAIL_1] ü".into())),
    ] {
        let expected = expected.map(|data| (media_type.to_owned(), MediaSource::Data(data)));
        let found = rewritten(media_type, MediaSource::Data(data));
        assert_eq!(format!("{found:?}"), format!("{expected:?}"), "{media_type}");
    }
}

#[test]
fn a_text_in_any_other_source_is_rewritten() {
    let data = |media_type: &str, text: &str| Some((media_type.to_owned(), MediaSource::Data(text.into())));
    let (url, other) = (|url: &str| MediaSource::Url(url.to_owned()), |json: &str| MediaSource::Other(json.to_owned()));
    let custom = r#"{"type":"content","content":[{"type":"text","text":"a@b.com"},{"type":"image","text":"a@b.com"}]}"#;
    let told = custom.replacen("a@b.com", "[EMAIL_1]", 1);
    for (source, expected) in [
        (url("data:text/plain;base64,YUBiLmNvbQ=="), data("text/plain", "[EMAIL_1]")),
        (url("DATA:;base64,YUBiLmNvbQ=="), data("text/plain", "[EMAIL_1]")),
        (url("https://x.test/a@b.com"), None),
        (
            other(r#"{"type":"text","media_type":"text/markdown","data":"a@b.com","new":1}"#),
            data("text/markdown", "[EMAIL_1]"),
        ),
        (other(r#"{"type":"text","data":"a@b.com"}"#), data("text/plain", "[EMAIL_1]")),
        (
            other(r#"{"type":"base64","media_type":"text/plain","data":"YUBiLmNvbQ==","new":1}"#),
            data("text/plain", "[EMAIL_1]"),
        ),
        (
            other(r#"{"type":"content","content":"a@b.com"}"#),
            Some((String::new(), other(r#"{"type":"content","content":"[EMAIL_1]"}"#))),
        ),
        (other(custom), Some((String::new(), other(&told)))),
        (other(r#"{"type":"file","data":"a@b.com"}"#), None),
        (MediaSource::File("a@b.com".to_owned()), None),
    ] {
        let shown = format!("{source:?}");
        assert_eq!(format!("{:?}", rewritten("", source)), format!("{expected:?}"), "{shown}");
    }
}

#[test]
fn titles_and_contexts_are_rewritten_and_a_file_keeps_its_ending() {
    for (name, expected) in [
        ("About a@b.com", "About [EMAIL_1]"),
        ("a@b.com", "[EMAIL_1]"),
        ("a@b.com.pdf", "[EMAIL_1].pdf"),
        ("a@b.com.TXT", "[EMAIL_1].TXT"),
    ] {
        let mut document = media("application/pdf", MediaSource::Data(b"%PDF-1".to_vec()));
        document.name = name.to_owned();
        document.extensions = vec![("anthropic.context".to_owned(), "\"of a@b.com\"".to_owned())];
        assert!(document::document(&mut document, &mut hidden));
        assert_eq!((document.name.as_str(), document.extensions[0].1.as_str()), (expected, "\"of [EMAIL_1]\""));
    }
}

#[test]
fn documents_and_blocks_in_results_are_rewritten() {
    let found =
        r#"{"type":"search_result","source":"a@b.com","title":"a@b.com","content":[{"type":"text","text":"a@b.com"}]}"#;
    let content = vec![
        ToolResultBlock::Document(media("text/plain", MediaSource::Data(b"a@b.com".to_vec()))),
        ToolResultBlock::Image(media("text/plain", MediaSource::Data(b"a@b.com".to_vec()))),
        ToolResultBlock::Image(media("image/svg+xml", MediaSource::Data(b"a@b.com".to_vec()))),
        ToolResultBlock::Other(found.to_owned()),
    ];
    let (tool_use_id, extensions) = ("1".to_owned(), Vec::new());
    let result = ToolResult { tool_use_id, content, is_error: false, cache: None, extensions };
    let mut block_of = ContentBlock::ToolResult(result);
    assert!(block(&mut block_of, Quotes::Removed, &mut hidden));
    let ContentBlock::ToolResult(result) = block_of else { panic!() };
    let data = |block: &ToolResultBlock| match block {
        ToolResultBlock::Document(Media { source: MediaSource::Data(bytes), .. })
        | ToolResultBlock::Image(Media { source: MediaSource::Data(bytes), .. }) => {
            String::from_utf8(bytes.clone()).unwrap()
        }
        ToolResultBlock::Other(json) => json.clone(),
        _ => panic!(),
    };
    let told = r#"{"type":"search_result","source":"a@b.com","title":"[EMAIL_1]","content":[{"type":"text","text":"[EMAIL_1]"}]}"#;
    assert_eq!(result.content.iter().map(data).collect::<Vec<_>>(), ["[EMAIL_1]", "[EMAIL_1]", "a@b.com", told]);
}

#[test]
fn a_refusal_is_rewritten_and_an_unknown_block_is_not() {
    for (json, expected) in [
        (r#"{"type":"refusal","refusal":"a@b.com"}"#, Some(r#"{"type":"refusal","refusal":"[EMAIL_1]"}"#)),
        (r#"{"type":"refusal","refusal":7}"#, None),
        (r#"{"type":"odd","refusal":"a@b.com"}"#, None),
        (r#"{"type":"odd","content":[{"type":"text","text":"a@b.com"}]}"#, None),
    ] {
        assert_eq!(other(json, &mut hidden).as_deref(), expected, "{json}");
    }
}

#[test]
fn a_message_whose_text_changes_loses_what_points_into_it() {
    let annotations = || vec![("openai.annotations".to_owned(), r#"[{"title":"x"}]"#.to_owned())];
    for (said, left) in [("a@b.com", 0), ("nobody", 1)] {
        let content = vec![ContentBlock::from_text(said)];
        let mut said = Message { role: Role::Assistant, content, extensions: annotations() };
        assert_eq!(message(&mut said, &mut hidden), left == 0);
        assert_eq!(said.extensions.len(), left);
        let mut parts = ResponseParts::from_text("p", "m", if left == 0 { "a@b.com" } else { "nobody" });
        parts.extensions =
            vec![("openai.message.annotations".to_owned(), "[]".to_owned()), ("openai.x".to_owned(), "1".to_owned())];
        answer(&mut parts, &mut hidden);
        assert_eq!(parts.extensions.len(), left + 1);
    }
}
