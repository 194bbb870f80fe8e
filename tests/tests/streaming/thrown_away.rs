//! Modules that do not pass on the answer they got.

use std::time::Duration;

use arcllm::{Event, Outcome, Overrides};
use arcllm_simulator::{Fault, Place, Reply};

use super::stage::{FORMATS, first_text, hi, read, text_of};
use crate::{
    scene::{FAST, load, replies, soon},
    support::{Chain, test_module},
};

/// The chain's one module: a retry with this fault.
fn faulty(chain: Chain, fault: &str) -> Chain {
    let file = toml::Value::from(test_module("faulty").display().to_string());
    chain.host("order = [\"faulty\"]").module("faulty", &format!("fault = \"{fault}\"\n{FAST}\nsandbox.wasm = {file}"))
}

/// Its connection is closed, and the agent reads the other answer.
#[tokio::test]
async fn an_answer_that_a_module_throws_away_is_closed() {
    for (format, _) in FORMATS {
        let endless = Reply::text("One ".repeat(500)).pace(Duration::from_millis(10));
        let silent = Reply::text("One two three").with_fault(Fault::SilenceInBody).fault_at(Place::BeforeEvent(6));
        for first in [endless, silent] {
            let a = replies([first, Reply::text("Two of them").pace(Duration::from_millis(5))]).await;
            let chain = faulty(Chain::new().provider("a", format, &a.url()), "asks-twice");
            let model = Box::pin(load(&chain.folder().unwrap(), Overrides::new())).await;
            let mut stream = model.stream_with(hi());
            let text = first_text(&mut stream).await;
            soon(a.wait_until(|requests| requests[0].dropped())).await;
            let (events, end) = read(&mut stream).await;
            let response = end.unwrap();
            assert_eq!(text + &text_of(&events), "Two of them");
            let outcomes: Vec<_> = response.trail.iter().map(|attempt| attempt.outcome).collect();
            assert_eq!(outcomes, [Outcome::Cancelled, Outcome::Ok]);
            assert_eq!(a.requests().len(), 2);
        }
    }
}

/// An answer that the module makes is whole, and still comes as events.
#[tokio::test]
async fn an_answer_instead_of_an_error() {
    for (format, _) in FORMATS {
        let a = replies([Reply::fault(Fault::EndEarly).fault_at(Place::BeforeEvent(2)).times(9)]).await;
        let chain = faulty(Chain::new().provider("a", format, &a.url()), "swallows-errors");
        let model = Box::pin(load(&chain.folder().unwrap(), Overrides::new())).await;
        let (events, end) = read(&mut model.stream_with(hi())).await;
        assert!(events.iter().all(|event| matches!(event, Event::Usage(_))), "{events:?}");
        let response = end.unwrap();
        assert!(response.content.is_empty());
        assert_eq!(response.trail.len(), a.requests().len());
    }
}
