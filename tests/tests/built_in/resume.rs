//! Answers that break off anywhere, in each format, and how `resume` goes on with them.

use arcllm::{Error, ErrorKind, Event, Message, Model, Overrides, Request, Response, Tool};
use arcllm_simulator::{Fault, Format, Place, Reply, Simulator};
use futures::StreamExt as _;
use serde_json::{Value, json};

use crate::{
    scene::{count, replies, soon},
    serve::gateway::Gateway,
    support::{Chain, Folder},
};

const FORMATS: [Format; 3] = [Format::OpenAi, Format::Anthropic, Format::Responses];

/// Words that differ, with characters of several bytes and white space of several kinds.
const TEXT: &str = "Let me see: ünder the tree, \n\n  in 東京, it rains; elsewhere 12 clouds wait — nothing more.";

fn whole(text: &str) -> Reply {
    let reply = Reply::text(text).thinking("I think of it", "signed");
    let reply = reply.tool_call("call-1", "look", json!({"place": "Zürich", "days": [1, 2]}));
    reply.tool_call("call-2", "look", json!({"place": "東京"})).piece_bytes(7)
}

/// What a caller gets.
#[derive(Debug)]
struct Got {
    text: String,
    /// Tool calls that have begun and that have ended.
    calls: (usize, usize),
    has_begun: bool,
    end: Result<Response, Error>,
}

async fn get(model: &Model) -> Got {
    let tool = Tool::new("look", "", json!({"type": "object"}));
    let mut stream = model.stream_with(Request::new([Message::user("Hi")]).with_tools([tool]));
    let mut got = Got { text: String::new(), calls: (0, 0), has_begun: false, end: Err(ErrorKind::Cancelled.into()) };
    while let Some(event) = soon(stream.next()).await {
        match event {
            Ok(Event::End(response)) => got.end = Ok(*response),
            Err(error) => got.end = Err(error),
            Ok(event) => {
                got.has_begun = true;
                match event {
                    Event::Text(piece) => got.text += &piece,
                    Event::ToolUseStart { .. } => got.calls.0 += 1,
                    Event::ToolUseEnd { .. } => got.calls.1 += 1,
                    _ => {}
                }
            }
        }
    }
    got
}

/// A model of `a` with `resume` around it, or without.
async fn model(format: Format, a: &Simulator, b: &Simulator, settings: Option<&str>) -> (Folder, Model) {
    let chain = Chain::new().provider_with("a", format, &a.url(), "timeout_seconds = 5").host("watch = false");
    let chain = chain.provider("b", format, &b.url());
    let chain = settings.into_iter().fold(chain, |chain, settings| chain.module("resume", settings));
    let folder = chain.folder().unwrap();
    let model = soon(folder.host().unwrap().load_model("a", Overrides::new())).await.unwrap();
    (folder, model)
}

/// How a provider goes on.
#[derive(Debug, Clone, Copy)]
enum Goes {
    /// From exactly where it broke off.
    On,
    /// From the start.
    Over,
    /// With the last bytes again.
    Back(usize),
}

/// The answer that goes on after this text.
fn rest(said: &str, goes: Goes, with_prefix: bool) -> Reply {
    let from = match goes {
        Goes::On if with_prefix => said.trim_end().len(),
        Goes::On => said.len(),
        Goes::Over => 0,
        Goes::Back(bytes) => TEXT.floor_char_boundary(said.len().saturating_sub(bytes)),
    };
    let from = if said.trim().is_empty() { 0 } else { from };
    whole(&TEXT[from..])
}

/// Breaks the answer off at each of these places, and lets it go on each time.
async fn breaks(format: Format, places: &[(Fault, Place)], settings: &str, goes: Goes, with_prefix: bool) -> usize {
    let cut = |(fault, place): &(Fault, Place)| whole(TEXT).with_fault(*fault).fault_at(*place);
    let (a, b) = (replies(places.iter().map(cut)).await, replies([]).await);
    let (_folder, bare) = model(format, &a, &b, None).await;
    let (mut script, mut expected) = (Vec::new(), Vec::new());
    for place in places {
        let without = get(&bare).await;
        script.push(cut(place));
        let is_whole = without.end.is_ok();
        if without.has_begun && !is_whole {
            let said = if settings.contains("hold") { "" } else { without.text.as_str() };
            script.push(rest(said, goes, with_prefix));
        }
        expected.push((is_whole, without.has_begun));
    }
    let (a, mut resumed) = (replies(script).await, 0);
    let (_folder, model) = model(format, &a, &b, Some(settings)).await;
    for (place, (is_whole, has_begun)) in places.iter().zip(expected) {
        let got = get(&model).await;
        let about = format!("{format} {place:?} {settings} {goes:?}: {got:?}");
        if !has_begun && !is_whole {
            assert!(got.end.is_err() && got.text.is_empty(), "retry and fallback are for that: {about}");
            continue;
        }
        let response = got.end.as_ref().unwrap_or_else(|_| panic!("{about}"));
        assert_eq!((got.text.as_str(), response.text().as_deref()), (TEXT, Some(TEXT)), "{about}");
        let calls: Vec<_> = response.tool_calls().map(|call| (call.id.as_str(), &call.arguments["place"])).collect();
        assert_eq!(calls, [("call-1", &json!("Zürich")), ("call-2", &json!("東京"))], "{about}");
        assert_eq!(got.calls, (2, 2), "{about}");
        if !is_whole {
            resumed += 1;
            assert_eq!((response.trail.len(), response.notes.len()), (2, 1), "{about}");
            assert!(response.notes[0].text.contains("broke off"), "{about}");
        }
    }
    resumed
}

fn before_each_event(fault: Fault) -> Vec<(Fault, Place)> {
    (1..60).map(|number| (fault, Place::BeforeEvent(number))).collect()
}

#[tokio::test]
async fn at_every_event_the_caller_gets_one_whole_answer() {
    for format in FORMATS {
        for (settings, goes) in
            [("mode = \"hold\"", Goes::On), ("mode = \"continue\"", Goes::On), ("mode = \"continue\"", Goes::Over)]
        {
            let resumed = breaks(format, &before_each_event(Fault::Truncate), settings, goes, false).await;
            assert!(resumed > 20, "{format} {settings}: {resumed}");
        }
        let always = "mode = \"continue\"\nprefix = \"always\"";
        assert!(breaks(format, &before_each_event(Fault::ErrorEvent), always, Goes::On, true).await > 20);
    }
}

#[tokio::test]
async fn inside_of_every_event_and_with_every_fault_it_gets_one_whole_answer() {
    for format in FORMATS {
        let in_events = (1..60).map(|number| (Fault::Malformed, Place::InEvent(number)));
        let in_bytes = (0..5000).step_by(61).map(|byte| (Fault::ResetInBody, Place::Byte(byte)));
        let in_characters = (1..60).step_by(3).map(|number| (Fault::Truncate, Place::InCharacter(number)));
        let early = (1..60).step_by(2).map(|number| (Fault::EndEarly, Place::BeforeEvent(number)));
        let places: Vec<_> = in_events.chain(in_bytes).chain(in_characters).chain(early).collect();
        for settings in ["mode = \"hold\"", "mode = \"continue\""] {
            assert!(breaks(format, &places, settings, Goes::On, false).await > 60, "{format} {settings}");
        }
    }
}

#[tokio::test]
async fn what_a_model_repeats_is_not_doubled() {
    for format in FORMATS {
        let places: Vec<_> = (8..40).map(|number| (Fault::Truncate, Place::BeforeEvent(number))).collect();
        assert!(breaks(format, &places, "mode = \"continue\"", Goes::Back(16), false).await > 15, "{format}");
    }
}

#[tokio::test]
async fn another_provider_in_another_format_goes_on_and_the_tokens_add_up() {
    let cut = whole(TEXT).with_fault(Fault::Truncate).fault_at(Place::BeforeEvent(14));
    let said = {
        let (a, b) = (replies([cut.clone()]).await, replies([]).await);
        get(&model(Format::Anthropic, &a, &b, None).await.1).await.text
    };
    assert!(said.len() > 10 && said.len() < TEXT.len(), "{said}");
    let (a, b) = (replies([cut]).await, replies([rest(&said, Goes::On, false)]).await);
    let chain = Chain::new().provider("a", Format::Anthropic, &a.url()).provider("b", Format::OpenAi, &b.url());
    let folder = chain.module("resume", "mode = \"continue\"\ntargets = [\"a\", \"b\"]").folder().unwrap();
    let model = soon(folder.host().unwrap().load_model("a", Overrides::new())).await.unwrap();
    let response = get(&model).await.end.unwrap();
    assert_eq!((response.text().as_deref(), response.provider.as_str()), (Some(TEXT), "b"));
    assert_eq!((count(&a), count(&b)), (1, 1));
    let spent: u64 =
        response.trail.iter().filter_map(|attempt| attempt.usage.as_ref()).map(|usage| usage.input_tokens).sum();
    assert_eq!(response.usage.input_tokens, spent);
    let asked = &b.requests()[0].body;
    assert_eq!((&asked["messages"][1]["role"], &asked["messages"][1]["content"]), (&json!("assistant"), &json!(said)));
    assert_eq!(asked["messages"][2]["role"], "user");
    let note = &response.notes[0];
    assert_eq!(note.module, "resume");
    assert!(note.text.contains(&format!("after {} bytes", said.len())) && note.text.contains("b/b-model"), "{note:?}");
}

#[tokio::test]
async fn it_gives_up_with_the_error_of_the_answer_and_the_deadline_holds() {
    let cut = || whole(TEXT).with_fault(Fault::Truncate).fault_at(Place::BeforeEvent(14));
    for mode in ["hold", "continue"] {
        let (a, b) =
            (replies([cut(), Reply::status(500), Reply::status(500), Reply::text("late")]).await, replies([]).await);
        let (_folder, model) = model(Format::OpenAi, &a, &b, Some(&format!("mode = {mode:?}"))).await;
        let got = get(&model).await;
        let error = got.end.unwrap_err();
        assert!(matches!(error.kind, ErrorKind::Connection(_)), "{error:?}");
        assert_eq!((count(&a), error.trail.len(), got.text.is_empty()), (3, 3, mode == "hold"));
        assert!(error.notes[0].text.contains("gave up after 2"), "{error:?}");
        assert_eq!(got.calls, (0, 0));
    }
    let (a, b) = (replies([cut(), Reply::fault(Fault::Silence)]).await, replies([]).await);
    let (_folder, model) = model(Format::OpenAi, &a, &b, Some("mode = \"continue\"")).await;
    let mut request = Request::new([Message::user("Hi")]);
    request.options.deadline = Some(std::time::Duration::from_millis(300));
    let end = soon(model.stream_with(request).collect()).await;
    assert!(matches!(end.unwrap_err().kind, ErrorKind::DeadlineExceeded));
}

#[tokio::test]
async fn nothing_is_asked_for_a_caller_who_has_gone() {
    for mode in ["hold", "continue"] {
        let slow = whole(TEXT).pace(std::time::Duration::from_millis(20));
        let cut = slow.with_fault(Fault::Truncate).fault_at(Place::BeforeEvent(20));
        let (a, b) = (replies([cut]).await, replies([]).await);
        let (_folder, model) = model(Format::OpenAi, &a, &b, Some(&format!("mode = {mode:?}"))).await;
        let mut stream = model.stream(&[Message::user("Hi")], &[]);
        let begun = tokio::time::timeout(std::time::Duration::from_millis(200), stream.next()).await;
        assert_eq!(begun.is_ok(), mode == "continue");
        drop(stream);
        tokio::time::sleep(std::time::Duration::from_millis(600)).await;
        assert_eq!(count(&a), 1, "{mode}");
    }
}

/// What a client of the gateway reads, in each format, with the provider's own events in between.
#[tokio::test]
async fn a_client_of_the_gateway_sees_one_stream() {
    let paths = [
        ("/v1/chat/completions", "messages", "/choices/0/delta/content", ["[DONE]", "\"role\":\"assistant\""]),
        ("/v1/messages", "messages", "/delta/text", ["message_stop", "\"type\":\"message_start\""]),
        ("/v1/responses", "input", "/delta", ["\"type\":\"response.completed\"", "\"type\":\"response.created\""]),
    ];
    for ((path, field, place, once), format) in paths.into_iter().zip(FORMATS) {
        for mode in ["hold", "continue"] {
            let words = || Reply::text(TEXT).piece_bytes(7).unknown_events();
            let cut = words().with_fault(Fault::Truncate).fault_at(Place::BeforeEvent(14));
            let (a, b) = (replies([cut, words()]).await, replies([]).await);
            let chain = Chain::new().provider("a", format, &a.url()).provider("b", format, &b.url());
            let gateway = Gateway::start(&chain.module("resume", &format!("mode = {mode:?}"))).await;
            let question =
                json!({"model": "a", "stream": true, "max_tokens": 99, field: [{"role": "user", "content": "Hi"}]});
            let answer = gateway.post_with(path, &[("x-arcllm-trail", "1")], &question).await;
            let events = answer.events();
            let data = |data: &str| serde_json::from_str::<Value>(data).ok();
            let is_text = |data: &Value| path != "/v1/responses" || data["type"] == "response.output_text.delta";
            let pieces = events.iter().filter_map(|(_, text)| data(text)).filter(is_text);
            let said: String = pieces.filter_map(|data| data.pointer(place)?.as_str().map(str::to_owned)).collect();
            assert_eq!((answer.status, said.as_str(), count(&a)), (200, TEXT, 2), "{path} {mode}: {}", answer.body);
            for word in once {
                let found = events.iter().filter(|(_, data)| data.contains(word)).count();
                assert_eq!(found, 1, "{path} {mode}, {word}: {}", answer.body);
            }
            assert_eq!(answer.header("x-arcllm-notes").contains("broke off"), mode == "hold", "{answer:?}");
        }
    }
}
