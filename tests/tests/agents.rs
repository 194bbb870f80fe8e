//! An agent whose code has no line about failures, over providers that fail at each of its turns.

#[expect(dead_code, reason = "the example's `main` starts a provider of its own")]
#[path = "../../host/examples/agent_loop.rs"]
mod agent_loop;

use arcllm::Overrides;
use arcllm_simulator::{Fault, Format, Recorded, Reply, Simulator};
use futures::future::join_all;
use serde_json::{Value, json};

use self::agent_loop::{QUESTION, answer, turns};
use crate::{
    scene::{FAST, load, replies, soon},
    support::Chain,
};

const FORMATS: [Format; 2] = [Format::Anthropic, Format::OpenAi];

/// Faults that another attempt is worth, and a timeout.
fn faults() -> Vec<Reply> {
    let faults = [Fault::Reset, Fault::ResetInHead, Fault::ResetInBody, Fault::Truncate, Fault::Close, Fault::Silence];
    let statuses = [429, 500, 502, 503, 529].map(Reply::status);
    let hinted = Reply::status(429).header("retry-after-ms", "5");
    faults.map(Reply::fault).into_iter().chain(statuses).chain([hinted]).collect()
}

/// What the conversation of each turn says, in no format's words: the question, the tools called, what they said.
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
async fn retry_gets_it_through_a_fault_at_each_turn() {
    let cases = FORMATS.into_iter().flat_map(|format| faults().into_iter().map(move |fault| (format, fault)));
    let running = cases.map(async |(format, fault)| {
        let a = replies(turns().into_iter().flat_map(|turn| [fault.clone(), turn])).await;
        let chain = Chain::new().provider_with("a", format, &a.url(), "timeout_seconds = 1.0");
        assert_eq!(run(&chain.module("retry", FAST)).await, "It is 23.9 °F in Oslo.", "{fault}");
        // Each turn is sent until it is answered, and each time the same.
        let sent: Vec<_> = (0..3).flat_map(|turn| [expected(turn), expected(turn)]).collect();
        assert_eq!(conversations(&a), sent, "{fault}");
        let requests = a.requests();
        assert!(requests.chunks(2).all(|turn| turn[0].body == turn[1].body), "{fault}");
        assert!(requests.iter().all(|request| request.body["tools"].as_array().unwrap().len() == 2));
    });
    join_all(running).await;
}

#[tokio::test]
async fn fallback_gets_it_through_where_another_provider_takes_over_in_its_own_words() {
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
async fn both_get_it_through_the_worst() {
    for (order, of_a, of_b) in [
        // A round of `a` and `b` fails at each turn, and `a` answers in the next.
        ("[\"retry\", \"fallback\"]", [0, 0, 1, 1, 2, 2].as_slice(), [0, 1, 2].as_slice()),
        // `a` fails for good at each turn but the first, when it is merely late.
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
