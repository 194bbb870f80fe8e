//! Modules that read answers: as a whole, or as they come.

use std::time::Duration;

use arcllm::{ContentBlock, Error, ErrorKind, Event, Message, Model, Overrides, Request, ResponseStream};
use arcllm_simulator::{Fault, Format, Place, Reply, Simulator};
use futures::{StreamExt as _, future::join_all};

use crate::{
    scene::{FAST, around, around_both, count, load, replies, soon, steps},
    support::{Chain, Folder},
};

/// Puts answers in capitals, and knows no streams.
const WHOLE: (&str, &[u8]) = ("upper", include_bytes!("../../prebuilt/upper.wasm"));

/// Puts answers in capitals as they come.
const STREAMED: (&str, &[u8]) = ("upper-streamed", include_bytes!("../../prebuilt/upper-streamed.wasm"));

/// The model of a chain with this module, and with a retry around it if `retried`.
async fn model(a: &Simulator, (name, wasm): (&str, &[u8]), settings: &str, sandbox: &str, retried: bool) -> Model {
    let order = if retried { format!("[\"retry\", {name:?}]") } else { format!("[{name:?}]") };
    // It is not watched, since its folder is removed before it is called.
    let chain = around(a).host(&format!("order = {order}\nwatch = false")).module(name, settings);
    let chain = chain.table(&format!("modules.{name}.sandbox"), sandbox);
    let chain = if retried { chain.module("retry", FAST) } else { chain };
    let folder = Folder::new(&chain.to_string()).unwrap();
    folder.write(format!("modules/{name}.wasm"), wasm).unwrap();
    load(&folder, Overrides::new()).await
}

fn ask(model: &Model) -> ResponseStream {
    model.stream(&[Message::user("Hi")], &[])
}

/// The pieces of text, and how it ended.
async fn read(mut stream: ResponseStream) -> (Vec<String>, Result<String, Error>) {
    let mut pieces = Vec::new();
    while let Some(event) = soon(stream.next()).await {
        match event {
            Ok(Event::Text(piece)) => pieces.push(piece),
            Ok(Event::End(response)) => return (pieces, Ok(response.text().unwrap())),
            Ok(_) => {}
            Err(error) => return (pieces, Err(error)),
        }
    }
    panic!("it ended without an end");
}

/// A slow answer: what is read before its end came as a stream.
fn slow() -> Reply {
    Reply::text("one two three").pace(Duration::from_millis(20))
}

#[tokio::test]
async fn a_module_without_streams_gets_whole_answers() {
    let cut = Reply::text("one two three").with_fault(Fault::ResetInBody).fault_at(Place::BeforeEvent(5));
    let a = replies([cut, Reply::text("one two three")]).await;
    let model = model(&a, WHOLE, "", "", true).await;
    let mut stream = ask(&model);
    let mut text = String::new();
    let response = loop {
        match soon(stream.next()).await.unwrap().unwrap() {
            Event::Text(piece) => text.push_str(&piece),
            Event::End(response) => break response,
            _ => {}
        }
    };
    assert_eq!(text, "ONE TWO THREE");
    assert_eq!(response.text().unwrap(), text);
    // Nothing of the first answer has passed the module, so it can be retried.
    assert_eq!(steps(&response.trail), ["upper asks a: connection", "retry waits, upper asks a: ok"]);
}

#[tokio::test]
async fn a_module_with_streams_changes_answers_as_they_come() {
    for format in [Format::Anthropic, Format::OpenAi] {
        for retried in [false, true] {
            let a = replies([slow()]).await;
            let chain = Chain::new().provider("a", format, &a.url());
            let chain = chain.host("order = [\"retry\", \"upper-streamed\"]").module("upper-streamed", "");
            let chain = if retried { chain.module("retry", FAST) } else { chain };
            let folder = Folder::new(&chain.to_string()).unwrap();
            folder.write("modules/upper-streamed.wasm", STREAMED.1).unwrap();
            let model = load(&folder, Overrides::new()).await;
            let mut stream = ask(&model);
            let first = loop {
                if let Event::Text(piece) = soon(stream.next()).await.unwrap().unwrap() {
                    break piece;
                }
            };
            assert_eq!(a.requests()[0].sent_events, 0, "the answer is still coming: its end is not recorded");
            let (rest, end) = read(stream).await;
            assert_eq!(first + &rest.concat(), "ONE TWO THREE");
            assert_eq!(end.unwrap(), "ONE TWO THREE");
        }
    }
}

#[tokio::test]
async fn it_works_on_calls_that_are_not_streamed() {
    let a = replies([Reply::text("one two three")]).await;
    let model = model(&a, STREAMED, "", "", true).await;
    let response = soon(model.invoke(&[Message::user("Hi")], &[])).await.unwrap();
    assert_eq!(response.text().unwrap(), "ONE TWO THREE");
}

/// An operator sees which modules delay the first event.
#[tokio::test]
async fn the_command_shows_what_each_module_does_with_streams() {
    let folder = Folder::new("").unwrap();
    for (name, wasm) in [WHOLE, STREAMED] {
        folder.write(format!("modules/{name}.wasm"), wasm).unwrap();
    }
    let output = soon(folder.arcllm(["modules", "--json"]).unwrap().trusted().run()).await.unwrap();
    let modules = output.json().unwrap();
    let of = |name: &str| {
        let all = modules["modules"].as_array().unwrap();
        all.iter().find(|module| module["name"] == name).unwrap()["streams"].clone()
    };
    assert_eq!([of("upper"), of("upper-streamed"), of("fallback")], ["whole", "reads", "forwards"]);
    let output = soon(folder.arcllm(["modules"]).unwrap().trusted().run()).await.unwrap();
    assert!(output.stdout.contains("streams  it waits for the whole answer"), "{}", output.stdout);
}

/// Without streaming the caller has seen nothing yet, so retry and fallback still apply.
#[tokio::test]
async fn without_streaming_a_late_error_is_an_ordinary_error() {
    for streamed in [false, true] {
        let (a, b) = (replies([slow()]).await, replies([slow()]).await);
        let chain = around_both(&a, &b).host("order = [\"fallback\", \"upper-streamed\"]");
        let chain = chain.module("fallback", "chain = [\"a\", \"b\"]").module("upper-streamed", "fault = \"fails\"");
        let folder = Folder::new(&chain.to_string()).unwrap();
        folder.write("modules/upper-streamed.wasm", STREAMED.1).unwrap();
        let model = load(&folder, Overrides::new()).await;
        let error = match streamed {
            true => read(ask(&model)).await.1.unwrap_err(),
            false => soon(model.invoke(&[Message::user("Hi")], &[])).await.unwrap_err(),
        };
        assert!(error.to_string().contains("lost my voice"), "{error}");
        assert_eq!((count(&a), count(&b)), (1, if streamed { 0 } else { 1 }));
    }
}

#[tokio::test]
async fn the_deadline_ends_what_a_module_writes() {
    for streamed in [false, true] {
        let a = replies([Reply::text("one two three"), Reply::text("four")]).await;
        let sandbox = "max_instances = 1\nmax_concurrent = 1\nmax_queued = 1";
        let model = model(&a, STREAMED, "fault = \"waits\"", sandbox, true).await;
        for _ in 0..2 {
            let mut request = Request::new([Message::user("Hi")]);
            request.options.deadline = Some(Duration::from_secs(1));
            let error = match streamed {
                true => read(model.stream_with(request)).await.1.unwrap_err(),
                false => soon(model.invoke_with(request)).await.unwrap_err(),
            };
            assert_eq!(error.kind, ErrorKind::DeadlineExceeded);
        }
        assert_eq!(count(&a), 2, "the instance was free for the second");
    }
}

#[tokio::test]
async fn an_error_after_the_first_event_goes_through_it() {
    let cut = Reply::text("one two three").pace(Duration::from_millis(5));
    let a = replies([cut.with_fault(Fault::ResetInBody).fault_at(Place::BeforeEvent(6))]).await;
    let (pieces, end) = read(ask(&model(&a, STREAMED, "", "", true).await)).await;
    let error = end.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Connection(_)), "{error:?}");
    assert_eq!((pieces.concat().as_str(), count(&a)), ("ONE TWO", 1));
    assert_eq!(error.received, [ContentBlock::text("ONE TWO")]);
}

#[tokio::test]
async fn faults_of_a_module_end_the_answer_it_writes() {
    for (fault, sandbox, expected) in [
        ("stops", "", "the module `upper-streamed` ended its answer before it was whole"),
        ("fails", "", "lost my voice"),
        ("traps", "", "the module `upper-streamed` failed: lost my voice at tests/modules/upper-streamed/src/lib.rs:"),
        ("spins", "cpu_seconds = 0.2", "it computed for longer than 0.2 s (cpu_seconds)"),
    ] {
        for retried in [false, true] {
            let a = replies([slow(), slow()]).await;
            let sandbox = format!("max_instances = 1\nmax_concurrent = 1\nmax_queued = 1\n{sandbox}");
            let model = model(&a, STREAMED, &format!("fault = {fault:?}"), &sandbox, retried).await;
            for asked in 1..=2 {
                let (pieces, end) = read(ask(&model)).await;
                let error = end.unwrap_err();
                assert!(error.to_string().contains(expected), "{fault}: {error}");
                assert_eq!(error.kind.as_str(), "module", "{fault}");
                assert!(pieces.len() <= 1 && count(&a) == asked, "nothing is asked again: {fault} {pieces:?}");
            }
        }
    }
}

#[tokio::test]
async fn dropping_the_stream_frees_the_instance_and_closes_the_connection() {
    for (fault, reply) in [
        ("", Reply::text("one two three").with_fault(Fault::SilenceInBody).fault_at(Place::BeforeEvent(5))),
        ("fault = \"goes-on\"", slow()),
        ("fault = \"waits\"", slow()),
    ] {
        let a = replies([reply, Reply::text("four")]).await;
        let model = model(&a, STREAMED, fault, "max_instances = 1\nmax_concurrent = 1\nmax_queued = 1", true).await;
        let mut stream = ask(&model);
        while !matches!(soon(stream.next()).await.unwrap().unwrap(), Event::Text(_)) {}
        drop(stream);
        soon(a.wait_until(|requests| requests[0].dropped())).await;
        let mut stream = ask(&model);
        while !matches!(soon(stream.next()).await.unwrap().unwrap(), Event::Text(_)) {}
    }
}

#[tokio::test]
async fn a_writer_waits_for_the_reader() {
    let a = replies([slow()]).await;
    let model = model(&a, STREAMED, "fault = \"goes-on\"", "cpu_seconds = 0.5", false).await;
    let mut stream = ask(&model);
    for _ in 0..5 {
        soon(stream.next()).await.unwrap().unwrap();
    }
    // A module that did not wait would have used up its CPU time by now.
    tokio::time::sleep(Duration::from_millis(700)).await;
    for _ in 0..1000 {
        soon(stream.next()).await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn many_at_once_keep_their_own_answers() {
    let texts: Vec<String> = (0..20).map(|number| format!("number {number}, and no other")).collect();
    let a = replies(texts.iter().map(|text| Reply::text(text).pace(Duration::from_millis(2)))).await;
    let model = model(&a, STREAMED, "pause_ms = 1", "max_concurrent = 7\nmax_instances = 3", true).await;
    let ends = join_all(texts.iter().map(|_| read(ask(&model)))).await;
    let mut said: Vec<String> = ends
        .into_iter()
        .map(|(pieces, end)| {
            assert_eq!(pieces.concat(), end.unwrap());
            pieces.concat()
        })
        .collect();
    said.sort();
    let mut expected: Vec<String> = texts.iter().map(|text| text.to_uppercase()).collect();
    expected.sort();
    assert_eq!(said, expected);
}

#[tokio::test]
async fn a_module_that_keeps_its_answer_open_is_free_for_the_next_call() {
    let a = replies([]).await;
    let alone = "max_concurrent = 1\nmax_instances = 1";
    let model = model(&a, STREAMED, "fault = \"keeps\"", alone, false).await;
    for _ in 0..3 {
        let (_, end) = read(ask(&model)).await;
        assert!(!end.unwrap().is_empty());
    }
    // Dropping the stream ends the call.
    for _ in 0..3 {
        soon(ask(&model).next()).await.unwrap().unwrap();
    }
    let (_, end) = read(ask(&model)).await;
    assert!(!end.unwrap().is_empty());
}

#[tokio::test]
async fn a_module_that_writes_without_committing_stalls() {
    let a = replies([]).await;
    let model = model(&a, STREAMED, "fault = \"holds-back\"", "stall_seconds = 0.1", false).await;
    let (pieces, end) = read(ask(&model)).await;
    assert!(pieces.is_empty());
    let ErrorKind::Module(failure) = end.unwrap_err().kind else { panic!("no error of the module") };
    assert_eq!(failure.extensions["limit"], "stall_seconds");
}
