//! A streamed answer is the same as one without streaming, only sooner.

use arcllm::{ErrorKind, Event, Message, Overrides, Request};
use arcllm_simulator::{Fault, Format, Reply};
use futures::StreamExt as _;
use serde_json::json;

use super::stage::{ORDERS, ordered as chain, without_times};
use crate::{
    scene::{around_both, count, load, replies, soon, steps},
    support::Chain,
};

#[tokio::test]
async fn collected_it_equals_the_answer_of_invoke() {
    let says = || Reply::text("Let me look. 👀").tool_call("call_1", "look", json!({"at": "Zürich", "deep": [1, 2]}));
    for format in [Format::Anthropic, Format::OpenAi] {
        for order in ORDERS {
            let answer = async |streamed: bool| {
                let (a, b) = (replies([says().pieces(40)]).await, replies([]).await);
                let providers = Chain::new().provider("a", format, &a.url()).provider("b", Format::OpenAi, &b.url());
                let model = load(&chain(providers, order).folder().unwrap(), Overrides::new()).await;
                let request = Request::new([Message::user("Hi")]);
                match streamed {
                    true => soon(model.stream_with(request).collect()).await.unwrap(),
                    false => soon(model.invoke_with(request)).await.unwrap(),
                }
            };
            let (streamed, whole) = (answer(true).await, answer(false).await);
            assert_eq!(without_times(streamed), without_times(whole), "{order:?}");
        }
    }
}

#[tokio::test]
async fn before_the_first_event_retry_and_fallback_apply() {
    let early = Reply::fault(Fault::Truncate).fault_at(arcllm_simulator::Place::BeforeEvent(1)).times(2);
    for order in &ORDERS[3..] {
        let (a, b) = (replies([early.clone()]).await, replies([]).await);
        let model = load(&chain(around_both(&a, &b), order).folder().unwrap(), Overrides::new()).await;
        let response = soon(model.stream(&[Message::user("Hi")], &[]).collect()).await.unwrap();
        let steps = steps(&response.trail);
        assert!(steps[0].ends_with("asks a: connection"), "{steps:?}");
        assert!(steps.last().unwrap().ends_with("ok"), "{steps:?}");
    }
}

#[tokio::test]
async fn after_the_first_event_the_error_ends_the_answer_and_has_what_arrived() {
    for order in ORDERS {
        let cut = Reply::text("One two three four").with_fault(Fault::ResetInBody);
        let cut = cut.fault_at(arcllm_simulator::Place::BeforeEvent(6));
        let (a, b) = (replies([cut]).await, replies([]).await);
        let model = load(&chain(around_both(&a, &b), order).folder().unwrap(), Overrides::new()).await;
        let mut stream = model.stream(&[Message::user("Hi")], &[]);
        let mut text = String::new();
        let error = loop {
            match soon(stream.next()).await.unwrap() {
                Ok(Event::Text(piece)) => text.push_str(&piece),
                Ok(_) => {}
                Err(error) => break error,
            }
        };
        assert!(matches!(error.kind, ErrorKind::Connection(_)), "{error:?}");
        assert!(text.starts_with("One two") && !text.contains("four"), "{text}");
        assert_eq!(error.received, [arcllm::ContentBlock::text(text)]);
        assert_eq!(error.trail.len(), 1);
        assert_eq!(error.trail[0].outcome.as_str(), "connection");
        assert!(stream.next().await.is_none());
        assert_eq!((count(&a), count(&b)), (1, 0), "nothing is asked again");
    }
}
