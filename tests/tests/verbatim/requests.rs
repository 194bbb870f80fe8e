//! What a provider is sent.

use arcllm::Original;
use arcllm_simulator::{Format, Recorded, Reply};
use serde_json::{Value, json};

use super::stage::{FORMATS, forwarding, model, request};
use crate::{
    scene::{replies, soon},
    support::Chain,
};

/// What this client's body becomes with the model of `provider`.
fn expected(body: &str, provider: &str) -> (Value, String) {
    let body = body.replace("\"alias\"", &format!("\"{provider}-model\""));
    (serde_json::from_str(&body).unwrap(), body.len().to_string())
}

/// The body, and its length: white space counts.
fn sent(request: &Recorded) -> (Value, String) {
    (request.body.clone(), request.header("content-length").unwrap().to_owned())
}

#[tokio::test]
async fn the_clients_own_bytes_pass_modules_that_forward() {
    for (format, wire, body) in FORMATS {
        let (a, b) = (replies([Reply::status(503), Reply::status(400)]).await, replies([]).await);
        let model = model(&forwarding((&a, format), (&b, format))).await;
        let answer = soon(model.invoke_with(request(wire, body))).await.unwrap();
        assert_eq!(answer.provider, "b");
        for (provider, requests) in [("a", a.requests()), ("b", b.requests())] {
            assert!(requests.iter().all(|request| sent(request) == expected(body, provider)), "{requests:?}");
        }
        assert_eq!(a.requests().len(), 2, "a retry and a fallback sent the same");
    }
}

#[tokio::test]
async fn a_provider_of_another_format_is_sent_its_own() {
    let [(format, ..), (other, wire, body), _] = FORMATS;
    let (a, b) = (replies([]).await, replies([]).await);
    let model = model(&forwarding((&a, format), (&b, other))).await;
    let answer = soon(model.invoke_with(request(wire, body))).await.unwrap();
    assert_eq!(a.requests()[0].body["mark"], Value::Null);
    assert!(answer.original().is_none());
}

#[tokio::test]
async fn a_table_of_models_that_sets_something_has_the_body_written_anew() {
    for (options, is_own) in [
        ("labels = { team = \"a\" }\ndeadline_seconds = 20", true),
        ("max_tokens = 5", true),
        ("temperature = 0.5", false),
        ("extensions = { \"anthropic.metadata2\" = 1 }", false),
    ] {
        let (format, wire, body) = FORMATS[0];
        let a = replies([]).await;
        let chain = Chain::new().provider("a", format, &a.url());
        let folder =
            chain.table("models.fast", "provider = \"a\"").table("models.fast.options", options).folder().unwrap();
        let host = folder.host().unwrap();
        let model = soon(Box::pin(host.load_model("fast", arcllm::Overrides::new()))).await.unwrap();
        let answer = soon(model.invoke_with(request(wire, body))).await.unwrap();
        let sent = &a.requests()[0].body;
        assert_eq!((sent.get("mark").is_some(), &sent["max_tokens"]), (is_own, &json!(9)), "{options}");
        assert!(answer.original().is_some(), "the answer has the client's format in any case");
    }
}

#[tokio::test]
async fn a_module_that_changes_options_has_the_body_written_anew() {
    let (format, wire, body) = FORMATS[1];
    let a = replies([]).await;
    let model = super::stage::rewritten(&a, format).await;
    soon(model.invoke_with(request(wire, body))).await.unwrap();
    assert!(a.requests()[0].body.get("mark").is_some(), "it writes the answer and forwards the request");
}

#[tokio::test]
async fn headers_go_to_providers_of_the_format() {
    for (to, is_sent) in [(Format::Anthropic, true), (Format::OpenAi, false)] {
        let a = replies([]).await;
        let chain = Chain::new().provider_with("a", to, &a.url(), "headers = { anthropic-beta = \"own\" }");
        let model = model(&chain).await;
        let (_, wire, body) = FORMATS[0];
        let original =
            Original::new(wire, body).header("anthropic-beta", "x,y").header("anthropic-version", "2026-10-21");
        let request = request(wire, body).with_original(original);
        // Fields of the beta are in a body that is written anew, too.
        for request in [request.clone(), request.clone().with_extension("anthropic.beta_field", 1)] {
            a.forget_requests();
            soon(model.invoke_with(request)).await.unwrap();
            let sent = &a.requests()[0];
            let expected = if is_sent { ("own,x,y", Some("2026-10-21")) } else { ("own", None) };
            assert_eq!((sent.header("anthropic-beta").unwrap(), sent.header("anthropic-version")), expected);
        }
    }
}

/// Nothing is stored at the provider, so reasoning comes in a form that can be sent back.
#[tokio::test]
async fn a_body_of_responses_is_not_stored_and_asks_for_encrypted_reasoning() {
    let included = "reasoning.encrypted_content";
    for (given, expected) in [
        ("", json!([included])),
        ("\"store\": true, \"include\": null, ", json!([included])),
        ("\"store\": true, \"include\": [\"a\"], ", json!(["a", included])),
    ] {
        let a = replies([]).await;
        let model = model(&Chain::new().provider("a", Format::Responses, &a.url())).await;
        let body =
            format!("{{{given}\"model\": \"alias\", \"mark\": 1, \"input\": \"Hi\", \"max_output_tokens\": 20}}");
        soon(model.invoke_with(request(arcllm::WireFormat::OpenAiResponses, &body))).await.unwrap();
        let sent = &a.requests()[0].body;
        assert_eq!((&sent["store"], &sent["include"], &sent["mark"]), (&json!(false), &expected, &json!(1)));
        assert_eq!((&sent["max_output_tokens"], &sent["model"]), (&json!(9), &json!("a-model")));
    }
}
