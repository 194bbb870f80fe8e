//! Messages of HTTP errors: without markup, and with the address where the address may be wrong.

use arcllm_simulator::{Format, Reply};
use serde_json::json;

use super::stage::Stage;
use crate::{
    scene::replies,
    support::Chain,
    wire::stage::{FORMATS, folder, invoke},
};

/// A page without the id that a provider gives to a request.
fn page(status: u16, page: &str) -> Reply {
    let reply = Reply::body("text/html; charset=UTF-8", page).with_status(status);
    reply.without_header("request-id").without_header("x-request-id")
}

const CLOUDFLARE: &str = "<!DOCTYPE html>\n<!--[if lt IE 7]> <html class=\"no-js ie6\"> <![endif]-->\n<html lang=\"en-US\">\n<head>\n\
    <title>502 Bad gateway</title>\n<style>body{margin:0}</style><script>if (1<2) alert('<b>')</script></head>\n<body>\
    <h1>Bad gateway <span>Error code 502</span></h1><p>The web server reported a bad gateway error.</p>\
    <span>Cloudflare Ray ID: <strong class=\"font-semibold\">8f1e2d3c4b5a6978</strong></span> &bull; \
    <span>Your IP: <button>Click to reveal</button></span></body></html>";

#[tokio::test]
async fn a_page_becomes_its_title_and_keeps_its_ray_id() {
    for format in FORMATS {
        let stage = Stage::new(format).await;
        let error = stage.error(&page(502, CLOUDFLARE)).await;
        assert_eq!(
            (error.message.as_str(), error.request_id.as_deref()),
            ("502 Bad gateway", Some("8f1e2d3c4b5a6978"))
        );
        let error = stage.error(&page(502, CLOUDFLARE).header("cf-ray", "9a-FRA")).await;
        assert_eq!(error.request_id.as_deref(), Some("9a-FRA"));
        // Something better.
        let error = stage.error(&page(502, CLOUDFLARE).header("cf-ray", "9a-FRA").header("request-id", "req_1")).await;
        assert_eq!(error.request_id.as_deref(), Some("req_1"));
    }
}

#[tokio::test]
async fn the_command_prints_no_markup() {
    let provider = replies([page(502, CLOUDFLARE)]).await;
    let output = invoke(&folder(Format::OpenAi, &provider), &["Hi"]).await;
    let error = &output.json().unwrap()["error"];
    assert_eq!((&error["message"], &error["request_id"]), (&json!("502 Bad gateway"), &json!("8f1e2d3c4b5a6978")));
    assert!(!output.stdout.contains('<'), "{}", output.stdout);
}

#[tokio::test]
async fn markup_is_left_out_wherever_it_comes_from() {
    let stage = Stage::new(Format::OpenAi).await;
    let json = |message: &str| Reply::json(&json!({"error": {"message": message}})).with_status(500);
    for (reply, expected) in [
        (page(503, "<h1>Service<br>unavailable</h1>"), "Service unavailable"),
        (
            page(500, "<html><head><title>Error</title></head><body><pre>Cannot do that</pre></body></html>"),
            "Cannot do that",
        ),
        (page(500, "<html><script>alert(1)</script></html>"), "Internal Server Error"),
        (page(503, "<p>a &amp; b &lt; c &#8212; &quot;d&quot;</p>"), "a & b < c — \"d\""),
        (
            Reply::body("text/plain", "<html><title>504 Gateway Time-out</title>").with_status(504),
            "504 Gateway Time-out",
        ),
        (
            Reply::body("application/json", "<html><title>504 Gateway Time-out</title>").with_status(504),
            "504 Gateway Time-out",
        ),
        (json("<html>\r\n<head><title>502 Bad Gateway</title></head><body>no</body></html>"), "502 Bad Gateway"),
        (json("upstream: <b>slow</b> &amp; late<script>x</script>"), "upstream: slow & late"),
        // No markup.
        (json("unknown field <name>, a < b & c > d"), "unknown field <name>, a < b & c > d"),
        (json("unexpected <|im_start|>"), "unexpected <|im_start|>"),
    ] {
        assert_eq!(stage.error(&reply).await.message, expected, "{reply}");
    }
}

#[tokio::test]
async fn a_page_of_any_length_gives_a_short_message() {
    let stage = Stage::new(Format::OpenAi).await;
    for piece in ["<p>word ", "<a b=\"", "<", "<!--", "&amp;", "<script>"] {
        let error = stage.error(&page(500, &format!("<html>{}", piece.repeat(200_000)))).await;
        assert!(error.message.chars().count() <= 500 && !error.message.contains("<p>"), "{}", error.message);
    }
}

#[tokio::test]
async fn an_address_that_may_be_wrong_is_named() {
    for (format, path) in [
        (Format::Anthropic, "/v1/messages"),
        (Format::OpenAi, "/v1/chat/completions"),
        (Format::Responses, "/v1/responses"),
    ] {
        let provider = replies([]).await;
        let address = provider.url() + "?token=hidden#part";
        let chain = Chain::new().provider_with("a", format, &address, "query = {version = \"secret-version\"}");
        let folder = chain.folder().unwrap();
        let url = format!("{}{path}", provider.url());
        let model = "providers.a.base_url and the name of the model";
        for (status, body, said, check) in [
            (404, json!({"error": {"message": "No such model"}}).to_string(), "No such model", model),
            (404, "<html><title>404 Not Found</title>".to_owned(), "404 Not Found", model),
            (404, String::new(), "Not Found", model),
            (405, String::new(), "Method Not Allowed", "providers.a.base_url"),
            (501, "<h1>Not here</h1>".to_owned(), "Not here", "providers.a.base_url"),
        ] {
            provider.push(Reply::body("text/plain", body).with_status(status)).unwrap();
            let output = folder.arcllm(["invoke", "--json", "Hi"]).unwrap().trusted().run().await.unwrap();
            let message = output.json().unwrap()["error"]["message"].clone();
            assert_eq!(message, format!("{said} (POST {url}; check {check})"), "{status}: {}", output.stdout);
        }
        // Other statuses come from the right address. So does an error in a 200.
        for reply in [
            Reply::error(400, "No."),
            Reply::json(&json!({"type": "error", "error": {"type": "not_found_error", "message": "No."}})),
        ] {
            provider.push(reply).unwrap();
            let output = folder.arcllm(["invoke", "--json", "Hi"]).unwrap().trusted().run().await.unwrap();
            assert_eq!(output.json().unwrap()["error"]["message"], "No.");
        }
    }
}

#[tokio::test]
async fn a_long_message_leaves_room_for_the_address() {
    let stage = Stage::new(Format::OpenAi).await;
    let error = stage.error(&Reply::error(404, "x".repeat(5000))).await;
    assert!(error.message.contains(&format!("… (POST {}/v1/", stage.provider.url())), "{}", error.message);
    drop(stage.folder);
}
