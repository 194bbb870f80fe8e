use arcllm_module::{
    stream::{ToolArguments, ToolUseEnd, ToolUseStart},
    types::{ResponseParts, ToolCall},
};

use super::*;

const TEXT: &str = "Let me look at the weather in Zürich, then at that of 東京.";

fn usage(output: u64) -> Usage {
    Usage {
        input_tokens: 10,
        output_tokens: output,
        total_tokens: 10 + output,
        ..ResponseParts::from_text("", "", "").usage
    }
}

fn call(index: u32) -> ToolCall {
    let arguments = format!("{{\"city\": {index}}}");
    ToolCall { id: format!("id-{index}"), name: "look".to_owned(), arguments, cache: None, extensions: Vec::new() }
}

fn thinking(text: &str, signature: &str) -> ContentBlock {
    ContentBlock::Thinking(Thinking {
        text: text.to_owned(),
        signature: Some(signature.to_owned()),
        redacted: None,
        provider: None,
        extensions: Vec::new(),
    })
}

/// The events of an answer that reasons, says this text and asks for two tools.
fn events(text: &str, signature: &str, calls: u32) -> Vec<Event> {
    let mut events =
        vec![Event::Usage(usage(0)), Event::Thinking("I ".to_owned()), Event::Thinking("think".to_owned())];
    let mut content = vec![thinking("I think", signature)];
    events.push(Event::Block(thinking("I think", signature)));
    if !text.is_empty() {
        let pieces: Vec<char> = text.chars().collect();
        events.extend(pieces.chunks(5).map(|piece| Event::Text(piece.iter().collect())));
        content.push(ContentBlock::from_text(text));
        events.push(Event::Block(ContentBlock::from_text(text)));
    }
    for index in 0..calls {
        let ToolCall { id, name, arguments, .. } = call(index);
        events.push(Event::ToolUseStart(ToolUseStart { index, id, name }));
        let (one, other) = arguments.split_at(4);
        events.extend([one, other].map(|json| Event::ToolArguments(ToolArguments { index, json: json.to_owned() })));
        events.push(Event::ToolUseEnd(ToolUseEnd { index, call: call(index) }));
        content.push(ContentBlock::ToolUse(call(index)));
    }
    events.push(Event::Usage(usage(7)));
    events.push(Event::End(ResponseParts { content, usage: usage(7), ..ResponseParts::from_text("p", "m", "") }));
    events
}

/// What a caller makes of the events that it gets.
#[derive(Debug, Default)]
struct Caller {
    text: String,
    /// What whole blocks and calls say.
    content: Vec<ContentBlock>,
    /// Tool calls that have begun and not ended.
    open: usize,
    end: Option<ResponseParts>,
}

impl Caller {
    fn gets(&mut self, events: Vec<Event>) {
        for event in events {
            assert!(self.end.is_none(), "the end is the last event");
            match event {
                Event::Text(piece) => self.text += &piece,
                Event::Block(block) => self.content.push(block),
                Event::ToolUseStart(_) => self.open += 1,
                Event::ToolUseEnd(end) => {
                    self.open -= 1;
                    self.content.push(ContentBlock::ToolUse(end.call));
                }
                Event::End(parts) => self.end = Some(parts),
                Event::Thinking(_) | Event::ToolArguments(_) | Event::Usage(_) | Event::Other(_) => {}
            }
        }
    }
}

fn texts(content: &[ContentBlock]) -> Vec<&str> {
    let texts = content.iter().filter_map(|block| match block {
        ContentBlock::Text(text) => Some(text.text.as_str()),
        _ => None,
    });
    texts.collect()
}

fn calls(content: &[ContentBlock]) -> Vec<String> {
    let call =
        |block: &ContentBlock| if let ContentBlock::ToolUse(call) = block { Some(call.id.clone()) } else { None };
    content.iter().filter_map(call).collect()
}

#[test]
fn wherever_it_breaks_off_the_caller_gets_one_whole_answer() {
    let whole = events(TEXT, "one", 2);
    for at in 0..whole.len() {
        for (asked, back) in [(Asked::WithPrefix, 0), (Asked::WithInstruction, 0), (Asked::WithInstruction, usize::MAX)]
        {
            let (mut answer, mut caller) = (Answer::default(), Caller::default());
            for event in whole.iter().take(at).cloned() {
                caller.gets(answer.events(vec![event]));
                assert_eq!(caller.open, 0, "no tool call is handed out before the answer is whole");
            }
            caller.gets(answer.broken());
            let said = answer.said().to_owned();
            assert_eq!(said, caller.text);
            answer.resume(asked);
            let from = said.len().saturating_sub(back);
            caller.gets(answer.events(events(TEXT.get(from..).unwrap(), "two", 2)));
            let end = caller.end.unwrap();
            assert_eq!(caller.text, TEXT, "broken at {at}, {asked:?}");
            assert_eq!((texts(&caller.content), texts(&end.content)), (vec![TEXT], vec![TEXT]), "broken at {at}");
            assert_eq!((calls(&end.content), caller.open), (vec!["id-0".to_owned(), "id-1".to_owned()], 0));
            assert_eq!(format!("{:?}", caller.content), format!("{:?}", end.content), "broken at {at}");
            let input = if at == 0 { 10 } else { 20 };
            assert_eq!(end.usage.input_tokens, input, "broken at {at}");
        }
    }
}

#[test]
fn it_may_break_off_again_and_again() {
    let (mut answer, mut caller) = (Answer::default(), Caller::default());
    let mut times = 0;
    loop {
        let from = answer.said().len();
        let rest = events(TEXT.get(from..).unwrap(), "x", 1);
        let cut = rest.iter().position(|event| matches!(event, Event::Text(_))).unwrap_or(rest.len()) + 1;
        let is_last = cut >= rest.len();
        caller.gets(answer.events(rest.into_iter().take(cut).collect()));
        if is_last {
            break;
        }
        caller.gets(answer.broken());
        answer.resume(Asked::WithPrefix);
        times += 1;
    }
    let end = caller.end.unwrap();
    assert!(times > 5 && caller.text == TEXT, "{times} {}", caller.text);
    assert_eq!(texts(&end.content), [TEXT]);
    assert_eq!(end.usage.input_tokens, 10 * (times + 1));
}

#[test]
fn an_answer_that_does_not_break_off_stays_as_it_is() {
    let whole = events(TEXT, "one", 2);
    let mut answer = Answer::default();
    let mut out = Vec::new();
    whole.iter().cloned().for_each(|event| out.extend(answer.events(vec![event])));
    let without_usage = |events: &[Event]| {
        let kept = events.iter().filter(|event| !matches!(event, Event::Usage(_) | Event::ToolArguments(_)));
        kept.map(|event| format!("{event:?}")).collect::<Vec<_>>()
    };
    assert_eq!(without_usage(&out), without_usage(&whole));
}

#[test]
fn json_that_does_not_fit_together_is_seen() {
    let mut answer = Answer::default();
    answer.events(vec![Event::Text("{\"a\": 1".to_owned())]);
    answer.broken();
    answer.resume(Asked::WithInstruction);
    answer.events(events("{\"b\": 2}", "x", 0));
    assert!(!answer.is_joined_json(&StopReason::EndTurn) && answer.is_joined_json(&StopReason::MaxTokens));
}
