//! Agents without a line about failures, over providers that fail at each turn.

#[expect(dead_code, reason = "the example's `main` starts a provider of its own")]
#[path = "../../host/examples/agent_loop.rs"]
mod agent_loop;

#[expect(dead_code, reason = "the example's `main` starts a provider of its own")]
#[path = "../../host/examples/streamed_agent.rs"]
mod streamed_agent;

use std::sync::Arc;

use arcllm::{Config, Error, ErrorKind, Host, MemoryStore, Overrides, Response};
use arcllm_simulator::{Fault, Format, Place, Recorded, Reply, Simulator};
use futures::future::join_all;
use serde_json::{Value, json};

use self::agent_loop::{QUESTION, answer, turns};
use crate::{
    scene::{FAST, load, replies, soon},
    support::{Chain, kept},
};

const FORMATS: [Format; 2] = [Format::Anthropic, Format::OpenAi];

/// Retryable faults.
fn faults() -> Vec<Reply> {
    let faults = [Fault::Reset, Fault::ResetInHead, Fault::ResetInBody, Fault::Truncate, Fault::Close, Fault::Silence];
    let statuses = [429, 500, 502, 503, 529].map(Reply::status);
    let hinted = Reply::status(429).header("retry-after-ms", "5");
    faults.map(Reply::fault).into_iter().chain(statuses).chain([hinted]).collect()
}

/// The conversation of a request, independent of the format: the question, the tool calls, their results.
fn conversation(request: &Recorded) -> Vec<String> {
    let messages = request.body["messages"].as_array().unwrap();
    let tell = |message: &Value| match request.format.unwrap() {
        Format::Anthropic => anthropics(message),
        _ => openais(message),
    };
    messages.iter().flat_map(tell).collect()
}

fn anthropics(message: &Value) -> Vec<String> {
    let Some(blocks) = message["content"].as_array() else { return vec![text(&message["content"])] };
    let tell = |block: &Value| match block["type"].as_str().unwrap() {
        "text" => text(&block["text"]),
        "tool_use" => format!("{} calls {} {}", text(&block["id"]), text(&block["name"]), block["input"]),
        "tool_result" => format!("{} gives {}", text(&block["tool_use_id"]), said(&block["content"])),
        other => other.to_owned(),
    };
    blocks.iter().map(tell).collect()
}

fn openais(message: &Value) -> Vec<String> {
    if message["role"] == "tool" {
        return vec![format!("{} gives {}", text(&message["tool_call_id"]), said(&message["content"]))];
    }
    let calls = message["tool_calls"].as_array().into_iter().flatten().map(|call| {
        let function = &call["function"];
        format!("{} calls {} {}", text(&call["id"]), text(&function["name"]), text(&function["arguments"]))
    });
    let content = message["content"].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    content.into_iter().chain(calls).collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}

/// The text of a result, which may be in blocks.
fn said(content: &Value) -> String {
    text(content.get(0).map_or(content, |block| &block["text"]))
}

/// The conversation of each of the three turns.
fn expected(turn: usize) -> Vec<String> {
    let all = [
        QUESTION,
        "call_1 calls temperature {\"city\":\"Oslo\"}",
        "call_1 gives Oslo: -4.5",
        "Now the other scale.",
        "call_2 calls to_fahrenheit {\"celsius\":-4.5}",
        "call_2 gives 23.9",
    ];
    all[..[1, 3, 6][turn]].iter().map(|line| (*line).to_owned()).collect()
}

fn conversations(provider: &Simulator) -> Vec<Vec<String>> {
    provider.requests().iter().map(conversation).collect()
}

async fn run(chain: &Chain) -> String {
    let folder = chain.folder().unwrap();
    let model = load(&folder, Overrides::new()).await;
    soon(answer(&model, QUESTION)).await.unwrap()
}

#[tokio::test]
async fn retry_recovers_from_a_fault_at_each_turn() {
    let cases = FORMATS.into_iter().flat_map(|format| faults().into_iter().map(move |fault| (format, fault)));
    let running = cases.map(async |(format, fault)| {
        let a = replies(turns().into_iter().flat_map(|turn| [fault.clone(), turn])).await;
        let chain = Chain::new().provider_with("a", format, &a.url(), "timeout_seconds = 2.0");
        assert_eq!(run(&chain.module("retry", FAST)).await, "It is 23.9 °F in Oslo.", "{fault}");
        // Each turn is sent until it is answered, unchanged.
        let sent: Vec<_> = (0..3).flat_map(|turn| [expected(turn), expected(turn)]).collect();
        assert_eq!(conversations(&a), sent, "{fault}");
        let requests = a.requests();
        assert!(requests.chunks(2).all(|turn| turn[0].body == turn[1].body), "{fault}");
        assert!(requests.iter().all(|request| request.body["tools"].as_array().unwrap().len() == 2));
    });
    join_all(running).await;
}

#[tokio::test]
async fn fallback_continues_the_conversation_in_another_format() {
    for [first, second] in [FORMATS, [FORMATS[1], FORMATS[0]]] {
        for fault in [Reply::status(401), Reply::fault(Fault::Malformed), Reply::json(&json!({"detail": "Hm."}))] {
            // `a` knows the first turn and fails at the others, which `b` knows.
            let [one, two, three] = turns();
            let (a, b) = (replies([one, fault.clone(), fault]).await, replies([two, three]).await);
            let chain = Chain::new().provider("a", first, &a.url()).provider("b", second, &b.url());
            assert_eq!(run(&chain.module("fallback", "chain = [\"a\", \"b\"]")).await, "It is 23.9 °F in Oslo.");
            assert_eq!(conversations(&a), [expected(0), expected(1), expected(2)]);
            assert_eq!(conversations(&b), [expected(1), expected(2)]);
        }
    }
}

#[tokio::test]
async fn retry_and_fallback_recover_together() {
    for (order, of_a, of_b) in [
        // A round of `a` and `b` fails at each turn, and `a` answers in the next.
        ("[\"retry\", \"fallback\"]", [0, 0, 1, 1, 2, 2].as_slice(), [0, 1, 2].as_slice()),
        // `a` fails for good at each turn but the first.
        ("[\"fallback\", \"retry\"]", &[0, 0, 1, 1, 2, 2], &[1, 1, 2]),
    ] {
        let busy = || Reply::status(529);
        let [one, two, three] = turns();
        let retry_outside = order.starts_with("[\"r");
        let (of_a_replies, of_b_replies) = if retry_outside {
            (
                vec![busy(), one, busy(), two, busy(), three],
                vec![Reply::status(400), Reply::fault(Fault::Garbage), busy()],
            )
        } else {
            let reset = || Reply::fault(Fault::Reset);
            (vec![busy(), one, reset(), busy(), busy(), reset()], vec![reset(), two, three])
        };
        for formats in [FORMATS, [FORMATS[1], FORMATS[0]]] {
            let (a, b) = (replies(of_a_replies.clone()).await, replies(of_b_replies.clone()).await);
            let chain = Chain::new().provider("a", formats[0], &a.url()).provider("b", formats[1], &b.url());
            let chain = chain.host(&format!("order = {order}")).module("fallback", "chain = [\"a\", \"b\"]");
            let chain = chain.module("retry", &format!("{FAST}\nmax_retries = 1"));
            assert_eq!(run(&chain).await, "It is 23.9 °F in Oslo.", "{order}");
            assert_eq!(conversations(&a), of_a.iter().map(|turn| expected(*turn)).collect::<Vec<_>>(), "{order}");
            assert_eq!(conversations(&b), of_b.iter().map(|turn| expected(*turn)).collect::<Vec<_>>(), "{order}");
        }
    }
}

/// All six, in the default order.
#[tokio::test]
async fn all_six_modules_in_one_chain_do_their_part() {
    let busy = || Reply::status(529);
    let [one, two, three] = turns();
    let a = replies(vec![busy(), one, Reply::fault(Fault::Reset), two, busy(), three]).await;
    let b = replies(vec![Reply::status(400), Reply::fault(Fault::Garbage), busy()]).await;
    let prices = "models.a-model = { cost_input_per_1m = 1000.0, cost_output_per_1m = 1000.0 }";
    let chain = Chain::new().provider_with("a", FORMATS[0], &a.url(), prices).provider("b", FORMATS[1], &b.url());
    let chain = chain.module("retry", &format!("{FAST}\nmax_retries = 1")).module("fallback", "chain = [\"a\", \"b\"]");
    let chain = chain.module("telemetry", "").module("redact", "restore = true").module("circuit-breaker", "");
    let chain = chain.module("rate-limit", "requests_per_minute = 60000.0\nburst = 1");
    let folder = chain.folder().unwrap();
    let store = MemoryStore::default();
    let config = Config::load(&folder.path().join("config.toml")).unwrap();
    let host = Host::builder().config(config).state_store(Arc::new(store.clone())).build().unwrap();
    let model = soon(host.load_model("a", Overrides::new())).await.unwrap();
    let order = ["telemetry", "redact", "retry", "fallback", "circuit-breaker", "rate-limit"];
    assert_eq!(model.modules().collect::<Vec<_>>(), order);
    let question = format!("{QUESTION} Tell jane@example.com.");
    assert_eq!(soon(answer(&model, &question)).await.unwrap(), "It is 23.9 °F in Oslo.");
    assert_eq!((a.requests().len(), b.requests().len()), (6, 3));
    for request in a.requests().iter().chain(&b.requests()) {
        let body = request.body.to_string();
        assert!(body.contains("Tell [EMAIL_1].") && !body.contains("jane"), "{body}");
    }
    let kept = async |module: &str, key: &str| kept(&store, module, key).await;
    // Three calls of the agent, all answered by `a` in the end.
    assert_eq!(kept("telemetry", "total.calls").await.as_deref(), Some("3"));
    assert_eq!(kept("telemetry", "a/a-model.calls").await.as_deref(), Some("3"));
    assert_eq!(kept("telemetry", "total.errors").await, None);
    assert!(kept("telemetry", "total.microcost").await.is_some());
    // Only `b` has failed last, so only its circuit has a state.
    assert_eq!(kept("circuit-breaker", "failures/a").await, None);
    assert_eq!(kept("circuit-breaker", "failures/b").await.as_deref(), Some("2"));
}

// The agent that reads streams.

/// Faults before the first event.
fn early_faults() -> Vec<Reply> {
    let in_stream = [Fault::ResetInBody, Fault::Truncate, Fault::SilenceInBody, Fault::EndEarly, Fault::ErrorEvent];
    let in_stream = in_stream.map(|fault| Reply::fault(fault).fault_at(Place::BeforeEvent(1)));
    let before = [Fault::Reset, Fault::ResetInHead, Fault::Close, Fault::Silence].map(Reply::fault);
    let statuses = [429, 503, 529].map(Reply::status);
    in_stream.into_iter().chain(before).chain(statuses).collect()
}

/// What the streamed agent has shown, and how it ended.
async fn run_streamed(chain: &Chain) -> (String, Result<Response, Error>) {
    let model = load(&chain.folder().unwrap(), Overrides::new()).await;
    let mut shown = String::new();
    let result = soon(streamed_agent::answer(&model, streamed_agent::QUESTION, |piece| shown.push_str(piece))).await;
    (shown, result)
}

const CALLS: &str = "I look at both at once.\n[temperature {\"city\":\"Oslo\"}]\n[temperature {\"city\":\"Rome\"}]";
const LAST: &str = "In Rome: 11 °C, and -4.5 °C in Oslo.";

/// The conversation of each of the two turns.
fn expected_streamed(turn: usize) -> Vec<String> {
    let all = [
        streamed_agent::QUESTION,
        "I look at both at once.",
        "call_1 calls temperature {\"city\":\"Oslo\"}",
        "call_2 calls temperature {\"city\":\"Rome\"}",
        "call_1 gives Oslo: -4.5",
        "call_2 gives Rome: 11",
    ];
    all[..[1, 6][turn]].iter().map(|line| (*line).to_owned()).collect()
}

#[tokio::test]
async fn a_streamed_agent_shows_no_fault() {
    let cases = FORMATS.into_iter().flat_map(|format| early_faults().into_iter().map(move |fault| (format, fault)));
    let running = cases.map(async |(format, fault)| {
        let [one, two] = streamed_agent::turns();
        let (a, b) =
            (replies([fault.clone(), one, fault.clone(), fault.clone()]).await, replies([fault.clone(), two]).await);
        let chain = Chain::new().provider_with("a", format, &a.url(), "timeout_seconds = 2.0");
        let chain = chain.provider_with("b", Format::Anthropic, &b.url(), "timeout_seconds = 2.0");
        let chain = chain.host("order = [\"fallback\", \"retry\"]").module("fallback", "chain = [\"a\", \"b\"]");
        let (shown, result) = run_streamed(&chain.module("retry", &format!("{FAST}\nmax_retries = 1"))).await;
        assert_eq!(shown, format!("{CALLS}\n{LAST}\n"), "{fault}: {result:?}");
        assert_eq!(result.unwrap().text().unwrap(), LAST);
        // The first turn is answered by `a` in the end, the second by `b`.
        let sent = [0, 0, 1, 1].map(expected_streamed);
        assert_eq!(conversations(&a), sent, "{fault}");
        assert_eq!(conversations(&b), sent[2..], "{fault}");
    });
    join_all(running).await;
}

/// The answer breaks off before its end, and the tools have begun.
#[tokio::test]
async fn a_streamed_agent_starts_tools_before_the_answer_ends() {
    let [one, _] = streamed_agent::turns();
    let a = replies([one.with_fault(Fault::Truncate).fault_at(Place::BeforeEnd)]).await;
    let chain = Chain::new().provider("a", Format::Anthropic, &a.url());
    let (shown, result) = run_streamed(&chain.module("retry", FAST)).await;
    assert_eq!(shown, CALLS);
    let error = result.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Connection(_)), "{error:?}");
    let received = serde_json::to_value(&error.received).unwrap();
    assert_eq!((&received[1]["id"], &received[2]["id"]), (&json!("call_1"), &json!("call_2")));
    assert_eq!(a.requests().len(), 1, "what was shown is not asked for again");
}
