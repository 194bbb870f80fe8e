use arcllm_module::types::{
    CacheMark, ContentBlock, Media, MediaSource, StopReason, Text, Thinking, ToolCall, ToolResult, ToolResultBlock,
    Usage,
};
use proptest::{collection::vec, option, prelude::*};

use super::*;

const TEXT: &str = ".{0,12}";

fn extensions() -> impl Strategy<Value = Extensions> + Clone {
    vec((TEXT, TEXT), 0..3)
}

fn mark() -> impl Strategy<Value = Option<CacheMark>> + Clone {
    option::of((any::<Option<u64>>(), extensions()).prop_map(|(ttl, extensions)| CacheMark { ttl, extensions }))
}

fn text() -> impl Strategy<Value = Text> + Clone {
    (TEXT, mark(), extensions()).prop_map(|(text, cache, extensions)| Text { text, cache, extensions })
}

fn media() -> impl Strategy<Value = Media> + Clone {
    let source = prop_oneof![
        vec(any::<u8>(), 0..20).prop_map(MediaSource::Data),
        TEXT.prop_map(MediaSource::Url),
        TEXT.prop_map(MediaSource::File),
        TEXT.prop_map(MediaSource::Other),
    ];
    (TEXT, source, TEXT, mark(), extensions()).prop_map(|(media_type, source, name, cache, extensions)| Media {
        media_type,
        source,
        name,
        cache,
        extensions,
    })
}

fn result() -> impl Strategy<Value = ToolResult> + Clone {
    let block = prop_oneof![
        text().prop_map(ToolResultBlock::Text),
        media().prop_map(ToolResultBlock::Image),
        media().prop_map(ToolResultBlock::Document),
        media().prop_map(ToolResultBlock::Audio),
        TEXT.prop_map(ToolResultBlock::Other),
    ];
    (TEXT, vec(block, 0..3), any::<bool>(), mark(), extensions()).prop_map(
        |(tool_use_id, content, is_error, cache, extensions)| ToolResult {
            tool_use_id,
            content,
            is_error,
            cache,
            extensions,
        },
    )
}

fn block() -> impl Strategy<Value = ContentBlock> + Clone {
    let call = (TEXT, TEXT, TEXT, mark(), extensions()).prop_map(|(id, name, arguments, cache, extensions)| ToolCall {
        id,
        name,
        arguments,
        cache,
        extensions,
    });
    let thinking = (TEXT, option::of(TEXT), option::of(TEXT), option::of(TEXT), extensions()).prop_map(
        |(text, signature, redacted, provider, extensions)| Thinking {
            text,
            signature,
            redacted,
            provider,
            extensions,
        },
    );
    prop_oneof![
        text().prop_map(ContentBlock::Text),
        media().prop_map(ContentBlock::Image),
        media().prop_map(ContentBlock::Document),
        media().prop_map(ContentBlock::Audio),
        call.prop_map(ContentBlock::ToolUse),
        result().prop_map(ContentBlock::ToolResult),
        thinking.prop_map(ContentBlock::Thinking),
        TEXT.prop_map(ContentBlock::Other),
    ]
}

fn usage() -> impl Strategy<Value = Usage> {
    let counts = (any::<Option<u64>>(), any::<Option<u64>>(), any::<Option<u64>>(), any::<Option<u64>>());
    (any::<[u64; 3]>(), counts, extensions()).prop_map(
        |([input, output, total], (read, write, hour, why), extensions)| Usage {
            input_tokens: input,
            output_tokens: output,
            total_tokens: total,
            cache_read_tokens: read,
            cache_write_tokens: write,
            cache_write_hour_tokens: hour,
            reasoning_tokens: why,
            extensions,
        },
    )
}

fn parts() -> impl Strategy<Value = ResponseParts> {
    let stop = prop_oneof![
        Just(StopReason::EndTurn),
        Just(StopReason::MaxTokens),
        Just(StopReason::StopSequence),
        Just(StopReason::ToolUse),
        Just(StopReason::Refusal),
        Just(StopReason::PauseTurn),
        Just(StopReason::ContentFilter),
        TEXT.prop_map(StopReason::Other),
    ];
    (vec(block(), 0..4), usage(), stop, TEXT, TEXT, extensions()).prop_map(
        |(content, usage, stop_reason, model, provider, extensions)| ResponseParts {
            content,
            usage,
            stop_reason,
            model,
            provider,
            extensions,
        },
    )
}

proptest! {
    #[test]
    fn every_answer_comes_back_as_it_was(parts in parts(), seconds in any::<u64>()) {
        let at = Duration::from_secs(seconds);
        let kept = Kept::read(&Kept::write(at, &parts)).expect("what was written");
        prop_assert_eq!(kept.at, at);
        prop_assert_eq!(format!("{:?}", kept.parts), format!("{parts:?}"));
    }

    #[test]
    fn what_is_cut_or_longer_is_not_read(parts in parts(), cut in any::<prop::sample::Index>()) {
        let mut bytes = Kept::write(Duration::ZERO, &parts);
        prop_assert!(Kept::read(&bytes[..cut.index(bytes.len())]).is_none());
        bytes.push(0);
        prop_assert!(Kept::read(&bytes).is_none());
    }

    #[test]
    fn garbage_is_read_without_harm(mut bytes in vec(any::<u8>(), 0..200)) {
        let _ = Kept::read(&bytes);
        if let Some(first) = bytes.first_mut() {
            *first = FORMAT;
            let _ = Kept::read(&bytes);
        }
    }

    #[test]
    fn an_answer_of_another_format_is_not_read(parts in parts(), format in any::<u8>()) {
        prop_assume!(format != FORMAT);
        let mut bytes = Kept::write(Duration::ZERO, &parts);
        bytes[0] = format;
        prop_assert!(Kept::read(&bytes).is_none());
    }
}

#[test]
fn a_huge_number_of_parts_reserves_nothing() {
    let mut bytes = vec![FORMAT];
    bytes.extend([0; 8]);
    bytes.extend([0xff; 8]);
    assert!(Kept::read(&bytes).is_none());
}

#[test]
fn an_answer_is_marked_once() {
    let mut parts = ResponseParts::from_text("a", "m", "Hi");
    parts.extensions.push(("openai.id".to_owned(), "\"x\"".to_owned()));
    let twice = Kept { at: Duration::ZERO, parts: Kept { at: Duration::ZERO, parts }.marked() }.marked();
    let marked = (CACHED.to_owned(), "true".to_owned());
    assert_eq!(twice.usage.extensions, std::slice::from_ref(&marked));
    assert_eq!(twice.extensions, [("openai.id".to_owned(), "\"x\"".to_owned()), marked]);
}
