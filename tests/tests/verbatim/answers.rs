//! A whole answer as the provider sends it.

use arcllm::{Message, Request};
use arcllm_simulator::{Format, Reply};

use super::stage::{FORMATS, forwarding, model, request, rewritten};
use crate::scene::{replies, soon};

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
