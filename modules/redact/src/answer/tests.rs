use arcllm_module::{
    stream::ToolUseStart,
    testing::text,
    types::{Text, ToolCall},
};
use proptest::prelude::*;

use super::*;
use crate::{Settings, find::tests::texts, rewriter::tests::cut};

fn answer() -> AnswerRewriter {
    let policy = Rc::new(Policy::new(&Settings::default()));
    AnswerRewriter::new(Rules { policy, placeholders: Placeholders::default(), known: Known::default() })
}

fn said(piece: &str) -> Event {
    Event::Text(piece.to_owned())
}

fn block(text: &str) -> Event {
    Event::Block(ContentBlock::from_text(text))
}

fn end(texts: &[&str]) -> Event {
    let mut parts = text("");
    parts.content = texts.iter().map(|text| ContentBlock::from_text(text)).collect();
    Event::End(parts)
}

fn arguments(json: &str) -> Event {
    Event::ToolArguments(ToolArguments { index: 0, json: json.to_owned() })
}

fn tool_end(arguments: &str) -> Event {
    let (id, name, arguments) = ("1".to_owned(), "send".to_owned(), arguments.to_owned());
    let call = ToolCall { id, name, arguments, cache: None, extensions: Vec::new() };
    Event::ToolUseEnd(ToolUseEnd { index: 0, call })
}

/// The kind of an event and its text, in a line.
fn line(event: &Event) -> String {
    match event {
        Event::Text(piece) => format!("text {piece}"),
        Event::Thinking(piece) => format!("thinking {piece}"),
        Event::ToolUseStart(start) => format!("start {}", start.name),
        Event::ToolArguments(piece) => format!("arguments {}", piece.json),
        Event::ToolUseEnd(end) => format!("call {}", end.call.arguments),
        Event::Block(ContentBlock::Text(Text { text, .. })) => format!("block {text}"),
        Event::Block(ContentBlock::Other(json)) => format!("block {json}"),
        Event::Block(_) => "block".to_owned(),
        Event::Usage(_) => "usage".to_owned(),
        Event::End(parts) => {
            format!("end {}", parts.clone().texts_mut().map(|text| text.clone()).collect::<Vec<_>>().join("|"))
        }
        Event::Other(json) => json.clone(),
    }
}

/// What comes out when events come one by one.
fn rewritten(events: Vec<Event>) -> Vec<String> {
    let mut answer = answer();
    events.into_iter().flat_map(|event| answer.events(vec![event])).map(|event| line(&event)).collect()
}

#[test]
fn text_is_handed_on_as_soon_as_it_is_certain() {
    let events = vec![said("Write to "), said("ja"), said("ne@b.c"), said("om"), said(" or"), said("der")];
    let more = vec![
        Event::Thinking("a@b.com".to_owned()),
        block("Write to jane@b.com order"),
        end(&["Write to jane@b.com order"]),
    ];
    assert_eq!(
        rewritten([events, more].concat()),
        [
            "text Write to ",
            "text [EMAIL_1] ",
            "thinking a@b.com",
            "text order",
            "block Write to [EMAIL_1] order",
            "end Write to [EMAIL_1] order"
        ]
    );
}

#[test]
fn arguments_are_handed_on_when_the_call_is_whole() {
    let start = Event::ToolUseStart(ToolUseStart { index: 0, id: "1".to_owned(), name: "send".to_owned() });
    let whole = r#"{"to": "a@b.com", "n": 1}"#;
    let events =
        vec![start.clone(), arguments(r#"{"to": "a"#), arguments(r#"@b.com", "n": 1}"#), tool_end(whole), end(&[])];
    let json = r#"{"to":"[EMAIL_1]","n":1}"#;
    let told = [format!("arguments {json}"), format!("call {json}")];
    assert_eq!(rewritten(events), ["start send", &told[0], &told[1], "end "]);
    // JSON without personal data stays as it was written.
    let plain = r#"{ "n": 1}"#;
    let events = vec![start, arguments(r#"{ "n""#), arguments(": 1}"), tool_end(plain)];
    assert_eq!(rewritten(events), ["start send", r#"arguments { "n": 1}"#, r#"call { "n": 1}"#]);
}

#[test]
fn the_rest_of_an_answer_that_breaks_off_is_rewritten_too() {
    let mut answer = answer();
    let told = answer.events(vec![said("Write to jane@b.com"), arguments(r#"{"to": "10.0.0.7"#)]);
    assert_eq!(told.iter().map(line).collect::<Vec<_>>(), ["text Write to "]);
    let rest = answer.broken();
    assert_eq!(rest.iter().map(line).collect::<Vec<_>>(), ["text [EMAIL_1]", r#"arguments {"to": "[IP_1]"#]);
    assert!(answer.broken().is_empty());
}

#[test]
fn a_tool_call_that_was_cut_off_is_a_block_with_the_same_text() {
    let json = r#"{"type":"partial_tool_use","id":"1","name":"a@b.com","arguments":"{\"to\": \"10.0.0.7"}"#;
    let events =
        vec![arguments(r#"{"to": "10.0.0"#), arguments(".7"), Event::Block(ContentBlock::Other(json.to_owned()))];
    assert_eq!(
        rewritten(events),
        [r#"arguments {"to": "[IP_1]"#, &format!("block {}", json.replace("10.0.0.7", "[IP_1]"))]
    );
    let other = r#"{"type":"odd","arguments":"10.0.0.7"}"#;
    assert_eq!(rewritten(vec![Event::Block(ContentBlock::Other(other.to_owned()))]), [format!("block {other}")]);
}

#[test]
fn text_of_two_blocks_stays_apart_in_the_end() {
    let events = vec![said("a@b."), block("a@b."), said("com"), block("com"), end(&["a@b.com"])];
    assert_eq!(rewritten(events), ["text a@b.", "block a@b.", "text com", "block com", "end a@b.com"]);
    let events =
        vec![said("a@b.com"), block("a@b.com"), said("10.0.0.7"), block("10.0.0.7"), end(&["a@b.com", "10.0.0.7"])];
    assert_eq!(rewritten(events).last().unwrap(), "end [EMAIL_1]|[IP_1]");
    // Text that only the end has is rewritten too.
    assert_eq!(
        rewritten(vec![said("Hi"), block("Hi"), end(&["é, a@b.com"])]),
        ["text Hi", "block Hi", "end é, [EMAIL_1]"]
    );
}

proptest! {
    /// Blocks of text, cut anywhere, in events that come in groups of any size.
    #[test]
    fn pieces_blocks_and_the_end_have_the_same_text(
        blocks in prop::collection::vec((texts(), prop::collection::vec(any::<prop::sample::Index>(), 0..8)), 0..4),
        merged: bool, size in 1_usize..6,
    ) {
        let mut events = Vec::new();
        for (text, ends) in &blocks {
            events.extend(cut(text, ends).into_iter().map(said));
            events.push(block(text));
        }
        let texts: Vec<&str> = blocks.iter().map(|(text, _)| text.as_str()).collect();
        let all = texts.concat();
        events.push(if merged { end(&[&all]) } else { end(&texts) });
        let mut answer = answer();
        let told: Vec<Event> = events.chunks(size).flat_map(|events| answer.events(events.to_vec())).collect();
        let pieces: String = told.iter().filter_map(|event| match event { Event::Text(piece) => Some(piece.as_str()), _ => None }).collect();
        let whole: String = told.iter().filter_map(|event| match event { Event::Block(ContentBlock::Text(block)) => Some(block.text.as_str()), _ => None }).collect();
        let Some(Event::End(end)) = told.last() else { panic!("no end") };
        prop_assert_eq!(&pieces, &whole);
        prop_assert_eq!(&pieces, &end.text());
    }
}
