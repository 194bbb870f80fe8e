//! Reads one answer whole and as events. The results must be the same.

#[cfg(test)]
use bytes::Bytes;
use reqwest::StatusCode;

use crate::{
    adapter::fuzzing::{Heard, hear, read},
    chat::{event::Event, response::Response, wire_format::WireFormat},
    fuzzing::{
        FORMATS,
        answers::is_coherent,
        framing::{self, Framing},
        input::Input,
        script::AnswerScript,
        written_anthropic, written_openai, written_responses,
    },
};

pub(crate) fn agree(data: &[u8]) {
    let mut input = Input(data);
    let (format, whole, body) = written(&mut input);
    let heard = hear(format, framing::chunks(&body, &mut input));
    says_the_same(&whole, &heard, &body);
}

/// Cuts the body at each byte.
#[cfg(test)]
pub(crate) fn agree_at_each_byte(data: &[u8]) {
    let (format, whole, body) = written(&mut Input(data));
    let bytes = Bytes::from(body.clone());
    for at in 0..=bytes.len() {
        says_the_same(&whole, &hear(format, vec![bytes.slice(..at), bytes.slice(at..)]), &body);
    }
}

/// An answer in one of the formats: read whole, and written as a stream.
fn written(input: &mut Input<'_>) -> (WireFormat, Response, String) {
    let format = FORMATS[usize::from(input.below(3))];
    let framing = Framing::new(input);
    let (whole, events) = match format {
        WireFormat::Anthropic => {
            let answer = AnswerScript::new(input, &written_anthropic::STOPS);
            (written_anthropic::whole(&answer), written_anthropic::events(&answer, input))
        }
        WireFormat::OpenAi => {
            let answer = AnswerScript::new(input, &written_openai::STOPS);
            let written = written_openai::written(&answer, input);
            (written.whole, written.events)
        }
        WireFormat::OpenAiResponses => {
            let answer = AnswerScript::new(input, &written_responses::STOPS);
            let written = written_responses::written(&answer, input);
            (written.whole, written.events)
        }
    };
    let whole = read(format, StatusCode::OK, whole.to_string().as_bytes()).expect("an answer");
    (format, whole, framing.body(&events))
}

fn says_the_same(whole: &Response, heard: &Heard, body: &str) {
    let Some(Event::End(streamed)) = heard.0.last() else { panic!("{heard:?}: {body}") };
    assert_eq!(**streamed, *whole, "{body}");
    let told = |of: fn(&Event) -> Option<&str>| heard.0.iter().filter_map(of).collect::<String>();
    let text = told(|event| if let Event::Text(piece) = event { Some(piece) } else { None });
    assert_eq!(text, whole.text().unwrap_or_default(), "what was told: {body}");
    let thinking = told(|event| if let Event::Thinking(piece) = event { Some(piece) } else { None });
    assert_eq!(thinking, whole.thinking().unwrap_or_default(), "what was thought: {body}");
    for call in whole.tool_calls() {
        let ends = heard.0.iter().filter(|event| matches!(event, Event::ToolUseEnd { call: told, .. } if told == call));
        assert_eq!(ends.count(), 1, "each call is told once: {body}");
    }
    let ends = heard.0.iter().filter(|event| matches!(event, Event::ToolUseEnd { .. }));
    assert_eq!(ends.count(), whole.tool_calls().count(), "no other call is told: {body}");
    is_coherent(heard);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn any_answer_is_the_same_whole_and_streamed(data in proptest::collection::vec(any::<u8>(), 0..600)) {
            agree(&data);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn cut_at_each_byte_an_answer_is_the_same(data in proptest::collection::vec(any::<u8>(), 0..300)) {
            agree_at_each_byte(&data);
        }
    }
}
