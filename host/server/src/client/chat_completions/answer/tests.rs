use std::time::Duration;

use arcllm::{
    Config, ContentBlock, Event, Host, Message, Model, Overrides, Response, StopReason, Text, Thinking, ToolCall, Usage,
};
use arcllm_simulator::{Reply, Script, Simulator};
use futures::StreamExt as _;
use proptest::{collection::vec, option, prelude::*, strategy::ValueTree as _, test_runner::TestRunner};
use serde_json::{Map, Value, json};

use super::write;
use crate::client::{
    chat_completions::chunks::Chunks,
    client::{CallForms, EventWriter as _, Heading},
};

const CASES: usize = 64;

fn heading() -> Heading {
    Heading {
        id: "1".to_owned(),
        model: "m".to_owned(),
        created: 1,
        wants_usage: true,
        call_forms: CallForms::default(),
        echo: Value::Null,
    }
}

fn call() -> impl Strategy<Value = ToolCall> {
    let fields = vec(("[a-z]{1,3}", any::<i32>()), 0..3);
    let note = option::of("[a-z]{1,3}");
    (fields, note.clone(), note).prop_map(|(fields, note, inner)| {
        let arguments: Map<String, Value> = fields.into_iter().map(|(name, value)| (name, value.into())).collect();
        let mut call = ToolCall::new("", "look", arguments);
        let notes = [("openai.x_note", note), ("openai.function.x_note", inner)];
        call.extensions.extend(notes.into_iter().filter_map(|(key, note)| Some((key.to_owned(), note?.into()))));
        call
    })
}

fn usage() -> impl Strategy<Value = Usage> {
    (0..1000_u64, 1..1000_u64, option::of(0..9_u64), option::of(0..1_u64)).prop_map(
        |(input, output, cached, reasoned)| {
            let mut usage = Usage::new(input, output);
            (usage.cache_read_tokens, usage.reasoning_tokens) = (cached, reasoned);
            usage
        },
    )
}

fn numbered(at: usize, mut call: ToolCall) -> ContentBlock {
    call.id = format!("call_{at}");
    ContentBlock::ToolUse(call)
}

/// Answers as an adapter of this format gives them: reasoning, then a text, then calls.
fn answer() -> impl Strategy<Value = Response> {
    let text = || option::of("\\PC{1,20}");
    (text(), text(), vec(call(), 0..3), usage(), any::<bool>(), option::of(any::<u8>())).prop_map(
        |(reasoning, text, calls, usage, is_cut, note)| {
            let is_cut = is_cut && calls.is_empty();
            let mut content = Vec::new();
            content.extend(reasoning.map(|text| ContentBlock::Thinking(Thinking::new(text))));
            content.extend(text.map(|text| ContentBlock::Text(Text::new(text))));
            content.extend(calls.into_iter().enumerate().map(|(at, call)| numbered(at, call)));
            let mut response = Response::new(content).with_usage(usage);
            if is_cut {
                response.stop_reason = StopReason::MaxTokens;
            }
            response.extensions.extend(note.map(|note| ("openai.message.x_note".to_owned(), json!({"a": note}))));
            response
        },
    )
}

/// The events of a stream that ends with this answer. Texts come letter by letter.
fn events(response: &Response) -> Vec<Event> {
    let mut events = Vec::new();
    let mut index = 0;
    for block in &response.content {
        match block {
            ContentBlock::Thinking(thinking) => {
                events.extend(thinking.text.chars().map(|piece| Event::Thinking(piece.to_string())));
            }
            ContentBlock::Text(text) => events.extend(text.text.chars().map(|piece| Event::Text(piece.to_string()))),
            ContentBlock::ToolUse(call) => {
                events.push(Event::ToolUseStart { index, id: call.id.clone(), name: call.name.clone() });
                let arguments = Value::Object(call.arguments.clone()).to_string();
                let pieces = arguments.chars().map(|piece| Event::ToolArguments { index, json: piece.to_string() });
                events.extend(pieces);
                events.push(Event::ToolUseEnd { index, call: call.clone() });
                index += 1;
            }
            _ => {}
        }
    }
    events.push(Event::End(Box::new(response.clone())));
    events
}

fn streamed(events: &[Event]) -> Vec<u8> {
    let (mut writer, mut out) = (Chunks::new(heading()), Vec::new());
    writer.begin(&mut out);
    events.iter().for_each(|event| writer.event(event, &mut out));
    out
}

async fn model(replies: Vec<Reply>) -> (Simulator, Model) {
    let provider = Simulator::start(Script::new(replies)).await.unwrap();
    let config =
        format!("[providers.o]\nadapter = \"openai\"\nbase_url = \"{}\"\ndefault_model = \"m\"", provider.url());
    let host = Host::builder().config(Config::parse(&config, None).unwrap()).build().unwrap();
    let model = host.load_model("o", Overrides::new()).await.unwrap();
    (provider, model)
}

fn alike(found: &Response, expected: &Response, how: &str) {
    assert_eq!(found.content, expected.content, "{how}");
    assert_eq!(found.usage, expected.usage, "{how}");
    assert_eq!(found.stop_reason, expected.stop_reason, "{how}");
    let note = |response: &Response| response.extensions.get("openai.message.x_note").cloned();
    assert_eq!(note(found), note(expected), "{how}");
}

/// A provider of this format that answers what is written here says the same, whole, in pieces and at once.
#[test]
fn what_is_written_is_read_again() {
    let mut runner = TestRunner::default();
    let answers: Vec<Response> = (0..CASES).map(|_| answer().new_tree(&mut runner).unwrap().current()).collect();
    let stream = |bytes: Vec<u8>| Reply::event_stream([(Duration::ZERO, bytes)]);
    let replies = answers.iter().flat_map(|answer| {
        let whole = Reply::body("application/json", write(&heading(), answer));
        let at_once = [Event::End(Box::new(answer.clone()))];
        [whole, stream(streamed(&events(answer))), stream(streamed(&at_once))]
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (_provider, model) = model(replies.collect()).await;
        let question = [Message::user("Hi")];
        for answer in &answers {
            alike(&model.invoke(&question, &[]).await.unwrap(), answer, "whole");
            for how in ["in pieces", "at once"] {
                let last =
                    model.stream(&question, &[]).map(Result::unwrap).fold(None, async |_, event| Some(event)).await;
                let Some(Event::End(found)) = last else { panic!("{how}: {last:?}") };
                alike(&found, answer, how);
            }
        }
    });
}
