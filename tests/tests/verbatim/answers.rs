//! A whole answer as the provider sends it.

use arcllm::{Event, Message, Original, Request, Tool, WireFormat};
use arcllm_simulator::{Format, Reply};
use futures::StreamExt as _;
use serde_json::json;

use super::{
    stage::{FORMATS, forwarding, model, request, rewritten},
    streams::sends,
};
use crate::{
    scene::{replies, soon},
    support::Chain,
};

/// An answer in this format with white space and unknown fields.
pub(crate) fn answer(format: Format) -> &'static str {
    match format {
        Format::Anthropic => {
            "{ \"id\": \"m\", \"type\": \"message\", \"role\": \"assistant\", \"model\": \"real\", \"x\": [1.0, 1e2],\n\
             \"content\": [{\"type\": \"text\", \"text\": \"Hi\\u00e9\", \"y\": null}], \"stop_reason\": \"end_turn\",\
             \"usage\": {\"input_tokens\": 3, \"output_tokens\": 1}}\n"
        }
        Format::Responses => {
            "{ \"id\": \"r\", \"object\": \"response\", \"model\": \"real\", \"x\": [1.0, 1e2],\n\"status\": \"completed\", \"output\": \
             [{\"type\": \"message\", \"id\": \"m\", \"z\": {}, \"content\": [{\"type\": \"output_text\", \"text\": \"Hi\\u00e9\"}]}],\
             \"usage\": {\"input_tokens\": 3, \"output_tokens\": 1, \"total_tokens\": 4}}\n"
        }
        _ => {
            "{ \"id\": \"c\", \"model\": \"real\", \"x\": [1.0, 1e2],\n\"choices\": [{\"index\": 0, \"finish_reason\": \
             \"stop\", \"z\": {}, \"message\": {\"role\": \"assistant\", \"content\": \"Hi\\u00e9\", \"y\": null}}],\
             \"usage\": {\"prompt_tokens\": 3, \"completion_tokens\": 1, \"total_tokens\": 4}}\n"
        }
    }
}

#[tokio::test]
async fn the_providers_own_bytes_pass_modules_that_forward() {
    for (format, wire, body) in FORMATS {
        let reply = || Reply::body("application/json", answer(format));
        let (a, b) = (replies([reply(), reply(), reply().gzip()]).await, replies([]).await);
        let model = model(&forwarding((&a, format), (&b, format))).await;
        let first = soon(model.invoke_with(request(wire, body))).await.unwrap();
        assert_eq!(first.original().unwrap().format, wire);
        assert_eq!(first.original().unwrap().body, answer(format));
        assert_eq!((first.text().unwrap(), first.model.as_str(), first.usage.input_tokens), ("Hié".into(), "real", 3));
        let without = soon(model.invoke_with(Request::new([Message::user("Hi")]))).await.unwrap();
        assert!(without.original().is_none(), "nothing is kept of it");
        let compressed = soon(model.invoke_with(request(wire, body))).await.unwrap();
        assert_eq!(compressed.original().unwrap().body, answer(format));
    }
}

#[tokio::test]
async fn an_answer_of_a_module_is_not_the_providers() {
    let (format, wire, body) = FORMATS[0];
    let a = replies([Reply::text("hi")]).await;
    let answer = soon(rewritten(&a, format).await.invoke_with(request(wire, body))).await.unwrap();
    assert_eq!(answer.text().unwrap(), "HI");
    assert!(answer.original().is_none());
}

#[tokio::test]
async fn an_answer_that_was_repaired_comes_repaired() {
    for (format, wire, body) in FORMATS {
        let broken = answer(format).trim_end().replacen("[1.0, 1e2]", "[1.0, ]", 1);
        let reply = |text: &str| Reply::body("application/json", text.to_owned());
        let a = replies([reply(&broken), reply(&format!("{} and more", answer(format)))]).await;
        let model = model(&forwarding((&a, format), (&a, format))).await;
        let repaired = soon(model.invoke_with(request(wire, body))).await.unwrap();
        assert_eq!(repaired.original().unwrap().body, broken.replacen("[1.0, ]", "[1.0 ]", 1));
        let more = soon(model.invoke_with(request(wire, body))).await.unwrap();
        assert!(more.original().is_none(), "no client could read it");
    }
}

/// A module, or the program, has made functions of the client's tools.
#[tokio::test]
async fn an_answer_about_tools_that_the_client_does_not_know_is_not_handed_on() {
    let body = json!({"model": "alias", "input": "Hi", "tools": [{"type": "namespace", "name": "ns", "tools": [
        {"type": "function", "name": "z", "parameters": {}}]}]});
    for (name, is_known) in [("ns__z", false), ("z", false), ("", true)] {
        let answer = r#"{"id": "r", "zz": 1, "model": "m", "status": "completed", "output": [], "usage": {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2}}"#;
        let event = format!(
            "event: response.completed\ndata: {{\"type\": \"response.completed\", \"response\": {answer}}}\n\n"
        );
        let provider = replies([Reply::body("application/json", answer), sends([event])]).await;
        let model = model(&Chain::new().provider("a", Format::Responses, &provider.url())).await;
        let asked = || {
            let original = Original::new(WireFormat::OpenAiResponses, body.to_string());
            let tools = Some(name).filter(|name| !name.is_empty()).map(|name| Tool::new(name, "", json!({})));
            Request::new([Message::user("Hi")])
                .with_original(original)
                .with_tools(tools.into_iter().collect::<Vec<_>>())
        };
        let whole = soon(model.invoke_with(asked())).await.unwrap();
        assert_eq!((whole.original().is_some(), whole.rewritten().is_some()), (is_known, !is_known), "{name}");
        let mut stream = model.stream_with(asked()).with_originals();
        let first = soon(stream.next()).await.unwrap().unwrap();
        assert_eq!(matches!(first, Event::Original(_)), is_known, "{name}: {first:?}");
        assert_eq!(matches!(first, Event::Rewritten(_)), !is_known, "{name}: {first:?}");
    }
}
