//! What `audit` records of calls over real sockets, and what becomes of those that it cannot record.

use std::{fs, sync::Arc, time::Duration};

use arcllm::{Config, ErrorKind, Event, Host, Journal, MemoryJournal, Message, Model, Options, Overrides, Request};
use arcllm_simulator::{Fault, Place, Reply, Simulator};
use futures::StreamExt as _;
use serde_json::{Value, json};

use crate::{
    scene::{FAST, around, around_both, count, load, replies, soon},
    support::{Chain, Folder},
};

/// The prices of both providers.
const PRICES: &str = "cost_input_per_1m = 1000.0\ncost_output_per_1m = 1000.0";

/// The lines of the journal in this folder.
pub(super) fn lines(folder: &Folder) -> Vec<Value> {
    let Ok(files) = fs::read_dir(folder.path().join("journal")) else { return Vec::new() };
    let mut files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "jsonl"));
    files.sort();
    let text: String = files.iter().map(|file| fs::read_to_string(file).unwrap()).collect();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The records of the ends of calls.
pub(super) fn ends(folder: &Folder) -> Vec<Value> {
    let records = lines(folder).into_iter().map(|line| line["record"].clone());
    records.filter(|record| record["event"] == "end").collect()
}

/// The records of ends, as soon as there are so many.
async fn wait_for_ends(folder: &Folder, count: usize) -> Vec<Value> {
    soon(async {
        while ends(folder).len() < count {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        ends(folder)
    })
    .await
}

/// Which attempts a record tells of: `retry asks a: 503`.
fn attempts(record: &Value) -> Vec<String> {
    let step = |attempt: &Value| {
        let outcome = attempt["status"].as_u64().map_or_else(|| attempt["outcome"].clone(), |status| json!(status));
        let by = attempt["asked_by"].as_str().unwrap();
        format!("{by} asks {}: {}", attempt["provider"].as_str().unwrap(), outcome.to_string().trim_matches('"'))
    };
    record["attempts"].as_array().unwrap().iter().map(step).collect()
}

fn question() -> Request {
    Request::new(&[Message::user("a secret question")]).with_options(Options::new().label("team", "search"))
}

async fn audited(chain: Chain, settings: &str) -> (Folder, Model) {
    let folder = chain.module("audit", settings).folder().unwrap();
    let model = load(&folder, Overrides::new()).await;
    (folder, model)
}

#[tokio::test]
async fn a_whole_answer_is_in_the_journal_before_its_caller_has_it() {
    let a = replies([Reply::text("a secret answer")]).await;
    let chain = around(&a).table("providers.a.models.a-model", PRICES).module("retry", FAST);
    let (folder, model) = audited(chain, "").await;
    let answer = soon(model.invoke_with(question())).await.unwrap();
    let lines = lines(&folder);
    assert_eq!(lines.len(), 2);
    for (line, event) in lines.iter().zip(["begin", "end"]) {
        assert_eq!((&line["module"], &line["record"]["event"]), (&json!("audit"), &json!(event)));
        let inside = line["inside"].as_array().unwrap();
        assert!(inside.len() == 1 && inside[0].as_str().unwrap().starts_with("retry@"), "{line}");
        assert_eq!(line["record"]["labels"], json!({"team": "search"}));
    }
    let end = &lines[1]["record"];
    assert_eq!((&end["outcome"], &end["stop_reason"]), (&json!("ok"), &json!("end_turn")));
    assert_eq!(end["answered_by"], json!({"provider": "a", "model": "a-model"}));
    assert_eq!(end["usage"]["total_tokens"], json!(answer.usage.total_tokens));
    let cost = end["cost"].as_f64().unwrap() * 1000.0;
    assert!((cost - answer.usage.total_tokens as f64).abs() < 1e-6, "{end}");
    assert_eq!(attempts(end), ["retry asks a: ok"]);
    assert!(!format!("{lines:?}").contains("secret"), "no content");
}

#[tokio::test]
async fn a_streamed_answer_is_in_the_journal_before_its_caller_has_the_end() {
    let a = replies([Reply::text("one two three four").times(20)]).await;
    let (folder, model) = audited(around(&a), "begin_record = false").await;
    for number in 1..=20 {
        let mut stream = model.stream_with(question());
        let mut last = None;
        while let Some(event) = soon(stream.next()).await {
            last = Some(event.unwrap());
        }
        let Some(Event::End(response)) = last else { panic!("{last:?}") };
        // Without waiting.
        let ends = ends(&folder);
        assert_eq!(ends.len(), number);
        let end = &ends[number - 1];
        assert_eq!((&end["outcome"], &end["streamed"]), (&json!("ok"), &json!(true)));
        assert_eq!(end["usage"]["output_tokens"], json!(response.usage.output_tokens));
        assert_eq!(attempts(end), ["audit asks a: ok"]);
    }
    // With `refuse`, a streamed call proves that it can be recorded.
    assert_eq!(lines(&folder).len(), 40);
}

#[tokio::test]
async fn every_attempt_of_retry_and_fallback_is_recorded() {
    let (a, b) = (replies([Reply::status(503).times(9)]).await, replies([]).await);
    let chain = around_both(&a, &b).module("retry", &format!("max_retries = 2\n{FAST}"));
    let chain = chain.host("order = [\"audit\", \"fallback\", \"retry\"]").module("fallback", "chain = [\"b\"]");
    let (folder, model) = audited(chain, "").await;
    for streamed in [false, true] {
        match streamed {
            false => drop(soon(model.invoke_with(question())).await.unwrap()),
            true => drop(soon(model.stream_with(question()).collect()).await.unwrap()),
        }
        let end = ends(&folder).pop().unwrap();
        let expected = ["retry asks a: 503", "retry asks a: 503", "retry asks a: 503", "retry asks b: ok"];
        assert_eq!(attempts(&end), expected);
        assert_eq!((&end["provider"], &end["answered_by"]["provider"]), (&json!("a"), &json!("b")));
        assert_eq!(end["attempts"][0]["reason"], json!("overloaded"));
        assert_eq!(end["cost"], Value::Null, "no price is known");
    }
}

#[tokio::test]
async fn errors_and_answers_that_break_off_are_recorded() {
    let broken = Reply::text("One two three four").with_fault(Fault::Truncate).fault_at(Place::BeforeEvent(6));
    let a = replies([Reply::error(400, "a secret question is bad"), broken]).await;
    let (folder, model) = audited(around(&a), "").await;
    soon(model.invoke_with(question())).await.unwrap_err();
    let end = ends(&folder).pop().unwrap();
    assert_eq!((&end["outcome"], &end["status"], &end["message"]), (&json!("api"), &json!(400), &Value::Null));
    soon(model.stream_with(question()).collect()).await.unwrap_err();
    let end = ends(&folder).pop().unwrap();
    assert_eq!((&end["outcome"], attempts(&end)), (&json!("connection"), vec!["audit asks a: connection".to_owned()]));
}

#[tokio::test]
async fn calls_whose_caller_goes_away_are_recorded() {
    let slow = Reply::text("One ".repeat(500)).pace(Duration::from_millis(20));
    let a = replies([Reply::text("Hi").delay(Duration::from_secs(100)), slow]).await;
    let (folder, model) = audited(around(&a), "").await;
    let asking = model.invoke_with(question());
    tokio::select! {
        answer = asking => panic!("{answer:?}"),
        _ = a.wait_for_requests(1) => {}
    }
    let end = wait_for_ends(&folder, 1).await.pop().unwrap();
    assert_eq!((&end["outcome"], attempts(&end)), (&json!("cancelled"), vec!["audit asks a: cancelled".to_owned()]));
    let mut stream = model.stream_with(question());
    soon(stream.next()).await.unwrap().unwrap();
    drop(stream);
    let end = wait_for_ends(&folder, 2).await.pop().unwrap();
    assert_eq!((&end["outcome"], &end["streamed"]), (&json!("cancelled"), &json!(true)));
}

#[tokio::test]
async fn content_is_recorded_only_if_set_and_keys_never() {
    for (settings, has_content) in [("", false), ("content = true", true)] {
        let a = replies([Reply::text("Hi"), Reply::error(401, "wrong key sk-SECRET-KEY")]).await;
        let key = "api_key_command = [\"echo\", \"sk-SECRET-KEY\"]";
        let chain = Chain::new().provider_with("a", arcllm_simulator::Format::OpenAi, &a.url(), key);
        let (folder, model) = audited(chain, settings).await;
        soon(model.invoke_with(question())).await.unwrap();
        soon(model.invoke_with(question())).await.unwrap_err();
        let lines = lines(&folder);
        let text = format!("{lines:?}");
        assert_eq!(text.contains("a secret question"), has_content);
        assert!(!text.contains("SECRET-KEY"), "{text}");
        assert_eq!(lines[3]["record"]["message"].is_string(), has_content);
    }
}

/// A model whose audit appends to this journal.
async fn over(a: &Simulator, journal: impl Journal + 'static, settings: &str) -> (Folder, Model) {
    let folder = around(a).module("audit", settings).folder().unwrap();
    let config = Config::load(&folder.path().join("config.toml")).unwrap();
    let host = Host::builder().config(config).journal(Arc::new(journal)).build().unwrap();
    let model = soon(host.load_model("a", Overrides::new())).await.unwrap();
    (folder, model)
}

#[tokio::test]
async fn a_call_that_cannot_be_recorded_is_not_sent_unless_that_is_allowed() {
    let a = replies([]).await;
    let (folder, model) = over(&a, MemoryJournal::failing("no space"), "").await;
    for streamed in [false, true] {
        let error = match streamed {
            false => soon(model.invoke_with(question())).await.unwrap_err(),
            true => soon(model.stream_with(question()).collect()).await.unwrap_err(),
        };
        let ErrorKind::Api(api) = &error.kind else { panic!("{error}") };
        assert_eq!((api.status, &api.extensions["arcllm.refused-by"]), (503, &json!("audit")));
        assert!(error.to_string().contains("cannot record it: no space"), "{error}");
    }
    assert_eq!((count(&a), lines(&folder).len()), (0, 0));
    let (_folder, model) = over(&a, MemoryJournal::failing("no space"), "on_journal_failure = \"allow\"").await;
    soon(model.invoke_with(question())).await.unwrap();
    soon(model.stream_with(question()).collect()).await.unwrap();
    assert_eq!(count(&a), 2);
}

#[tokio::test]
async fn an_answer_that_cannot_be_recorded_is_withheld() {
    let a = replies([Reply::text("a secret answer")]).await;
    let (_folder, model) = over(&a, MemoryJournal::failing("no space"), "begin_record = false").await;
    let error = soon(model.invoke_with(question())).await.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Module(_)), "{error}");
    assert!(error.to_string().contains("withholds the answer of a") && !format!("{error:?}").contains("secret answer"));
    assert_eq!(count(&a), 1);
}

#[tokio::test]
async fn a_program_can_have_a_journal_of_its_own() {
    let a = replies([]).await;
    let journal = MemoryJournal::default();
    let (folder, model) = over(&a, journal.clone(), "").await;
    soon(model.invoke_with(question())).await.unwrap();
    let entries = journal.entries();
    assert_eq!((entries.len(), &*entries[1].module, lines(&folder).len()), (2, "audit", 0));
}

/// The ends of two equal calls, of which these settings of a module answer the second.
async fn answered_inside(module: &str, settings: &str) -> Vec<Value> {
    let a = replies([]).await;
    let chain = around(&a).table("providers.a.models.a-model", PRICES).module(module, settings);
    let (folder, model) = audited(chain, "").await;
    let mut request = question();
    request.options.temperature = Some(0.0);
    for _ in 0..2 {
        let _ = soon(model.invoke_with(request.clone())).await;
    }
    assert_eq!(count(&a), 1, "{module}");
    ends(&folder)
}

#[tokio::test]
async fn a_call_that_a_module_inside_answers_or_refuses_says_which() {
    let [asked, cached] = answered_inside("cache", "").await.try_into().unwrap();
    assert_eq!((&asked["cached"], &cached["cached"]), (&json!(false), &json!(true)));
    assert_eq!((&cached["outcome"], attempts(&cached).len(), &cached["cost"]), (&json!("ok"), 0, &json!(0.0)));
    assert_eq!(asked["digest"], cached["digest"]);
}

#[tokio::test]
async fn the_whole_conversation_is_recorded_if_set() {
    let a = replies([]).await;
    for (settings, is_whole) in [("content = true", true), ("content = true\ncontent_kb = 1", false)] {
        let (folder, model) = audited(around(&a), settings).await;
        let messages = [
            Message::system("Be brief."),
            Message::user("first".repeat(400)),
            Message::assistant("one"),
            Message::user("a \"second\"\nquestion"),
        ];
        let tool = arcllm::Tool::new("look", "Looks.", json!({"type": "object"}));
        let request = Request::new(messages.clone()).with_tools([tool]);
        soon(model.invoke_with(request.clone())).await.unwrap();
        soon(model.stream_with(request).collect()).await.unwrap();
        for line in lines(&folder) {
            let content = &line["record"]["content"];
            let all = serde_json::to_value(&messages).unwrap();
            match is_whole {
                true => assert_eq!((&content["messages"], content["tools"].as_array().map(Vec::len)), (&all, Some(1))),
                false => {
                    let all = all.as_array().unwrap();
                    assert_eq!(content["messages"].as_array().unwrap().as_slice(), &all[2..]);
                    assert_eq!(content["messages_left_out"], json!(2));
                }
            }
        }
    }
}

#[tokio::test]
async fn labels_of_any_kind_leave_one_line_each() {
    let a = replies([]).await;
    let (folder, model) = audited(around(&a), "").await;
    let mut request = question();
    for value in ["a\nb\r\n{\"seq\":1}", "\u{0}\u{1b}[2J\u{2028}", &"x".repeat(1 << 20), "\"}"] {
        let key = format!("{}{}", request.options.labels.len(), value.chars().take(20).collect::<String>());
        request.options.labels.insert(key, value.to_owned());
    }
    soon(model.invoke_with(request)).await.unwrap();
    let lines = lines(&folder);
    assert_eq!((lines.len(), lines[1]["record"]["labels"].as_object().unwrap().len()), (2, 5));
    assert!(lines[1].to_string().len() < 10_000);
}
