use std::time::Duration;

use reqwest::header::{HeaderName, HeaderValue};
use serde_json::json;

use super::*;
use crate::{
    adapter::http::fixture,
    chat::{allowance::Allowances, reason::ErrorReason, wire_format::WireFormat},
};

fn answer(status: u16, headers: &[(&'static str, &str)], body: impl ToString) -> HttpAnswer {
    let header =
        |(name, value): &(&'static str, &str)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
    HttpAnswer {
        status: StatusCode::from_u16(status).unwrap(),
        headers: headers.iter().map(header).collect(),
        body: body.to_string().into_bytes(),
        flaw: None,
        framed: true,
    }
}

fn read_as(wire_format: WireFormat, answer: &HttpAnswer) -> Result<Response, ErrorKind> {
    let asked = fixture::asked(wire_format, |provider| provider.max_response_bytes = 0);
    Reader::new(&asked).read(answer, false)
}

fn api_error(wire_format: WireFormat, answer: &HttpAnswer) -> ApiError {
    match read_as(wire_format, answer) {
        Err(ErrorKind::Api(error)) => error,
        other => panic!("{other:?}"),
    }
}

fn parse_error(answer: &HttpAnswer) -> Failure {
    match read_as(WireFormat::OpenAi, answer) {
        Err(ErrorKind::Parse(failure)) => failure,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_response() {
    let body = json!({"choices": [{"message": {"content": "Hi"}}]});
    let response = read_as(WireFormat::OpenAi, &answer(200, &[("x-request-id", "req_1")], &body)).unwrap();
    assert_eq!((response.model.as_str(), response.provider.as_str()), ("asked", "here"));
    assert_eq!((response.text().as_deref(), response.request_id.as_deref()), (Some("Hi"), Some("req_1")));
    let body = json!({"content": [], "model": "other", "request_id": "req_2", "usage": {"input_tokens": 1}});
    let response = read_as(WireFormat::Anthropic, &answer(201, &[], &body)).unwrap();
    assert_eq!((response.model.as_str(), response.request_id.as_deref()), ("other", Some("req_2")));
}

#[test]
fn an_error_of_anthropic() {
    let headers = [("request-id", "req_1"), ("retry-after", "7"), ("x-should-retry", "True")];
    let body =
        json!({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}, "request_id": "req_2"});
    let expected = ApiError {
        status: 529,
        reason: ErrorReason::Overloaded,
        message: "Overloaded".into(),
        provider: "here".into(),
        model: "asked".into(),
        request_id: Some("req_1".into()),
        retry_after: Some(Duration::from_secs(7)),
        should_retry: Some(true),
        extensions: [("anthropic.error-type".to_owned(), json!("overloaded_error"))].into(),
        allowances: Allowances::new(),
    };
    assert_eq!(api_error(WireFormat::Anthropic, &answer(529, &headers, &body)), expected);
    // The same with the status of a success.
    let hidden = api_error(WireFormat::Anthropic, &answer(200, &headers, &body));
    assert_eq!(hidden, expected);
}

#[test]
fn an_error_of_openai() {
    let (kind, code) = ("invalid_request_error", "invalid_api_key");
    let body = json!({"error": {"message": "Wrong key: sk-secret\n", "type": kind, "param": null, "code": code}});
    let error = api_error(WireFormat::OpenAi, &answer(401, &[], &body));
    assert_eq!((error.status, error.message.as_str()), (401, "Wrong key: [redacted]"));
    assert_eq!((error.retry_after, error.should_retry, error.request_id), (None, None, None));
    let words = [("openai.error-code", code), ("openai.error-type", kind)];
    assert_eq!(error.extensions, words.map(|(key, word)| (key.to_owned(), json!(word))).into());
    let hidden = json!({"choices": [{"error": {"message": "behind", "code": 502}}]});
    let error = api_error(WireFormat::OpenAi, &answer(200, &[], &hidden));
    assert_eq!((error.status, error.message.as_str()), (502, "behind"));
    assert_eq!(error.extensions, [("openai.error-code".to_owned(), json!(502))].into());
}

#[test]
fn an_error_without_a_message_shows_what_there_is() {
    for (status, body, message) in [
        (502, "<html>\n<h1>Bad Gateway</h1></html>", "Bad Gateway"),
        (500, "", "Internal Server Error"),
        (529, " \n", "the provider is overloaded"),
        (400, "{\"odd\": \"sk-secret\"}", "{\"odd\": \"[redacted]\"}"),
        (304, "", "Not Modified"),
    ] {
        assert_eq!(api_error(WireFormat::OpenAi, &answer(status, &[], body)).message, message);
    }
    let long = json!({"error": {"message": "ü\u{1b}".repeat(1000)}});
    let message = api_error(WireFormat::OpenAi, &answer(400, &[], &long)).message;
    assert!(message.chars().count() <= 500 && message.ends_with('…') && message.starts_with("ü\\u{1b}ü"), "{message}");
}

#[test]
fn an_error_with_an_incomplete_body_is_an_error() {
    let mut answer = answer(503, &[], "half a");
    answer.flaw = Some("the body is too long".into());
    assert_eq!(api_error(WireFormat::OpenAi, &answer).message, "half a");
}

#[test]
fn a_redirect_says_where_to() {
    let headers = [("location", "https://example.com/v1?token=sk-secret")];
    let error = api_error(WireFormat::OpenAi, &answer(308, &headers, "<html>"));
    assert_eq!(error.status, 308);
    assert_eq!(error.message, "redirects are not followed; set providers.here.base_url for https://example.com/v1");
}

#[test]
fn another_format_is_a_parse_error_with_its_context() {
    let headers = [("request-id", "req_1")];
    let failure = parse_error(&answer(200, &headers, "<html>\u{1b}[2J sk-secret"));
    let expected = "unreadable answer: the body is not JSON: expected value at line 1 column 1 \
                    (status 200, request req_1): \\u{1b}[2J [redacted]";
    assert_eq!((failure.message.as_str(), failure.provider.as_deref()), (expected, Some("here")));
    let context =
        [("arcllm.status", json!(200)), ("arcllm.request-id", json!("req_1")), ("arcllm.no-answer", json!(true))];
    assert_eq!(failure.extensions, context.map(|(key, value)| (key.to_owned(), value)).into());
    for (body, says) in [
        ("", "not JSON: EOF while parsing a value at line 1 column 0 (status 200): an empty body"),
        ("{\"choices\": [", "not JSON: EOF"),
        ("{} {}", "not JSON: trailing characters"),
        ("{}", "the body has no `choices` (status 200): {}"),
        ("\u{fffd}", "not JSON"),
        ("{\"choices\": null}", "no answer in `choices`"),
    ] {
        let failure = parse_error(&answer(200, &[], body));
        assert!(failure.message.contains(says), "{}", failure.message);
        // JSON of another shape is what the server means.
        assert_eq!(failure.extensions.contains_key(NO_ANSWER), body != "{}", "{body}");
    }
    let deep = format!(r#"{{"usage":{}"#, "[".repeat(100_000));
    assert!(parse_error(&answer(200, &[], deep)).message.contains("recursion limit"));
}

#[test]
fn raw_arguments_are_shown_and_cleaned() {
    let function = json!({"name": "a", "arguments": "{\"b\": \"\u{1b}sk-secret\u{202e}"});
    let body = json!({"choices": [{"message": {"tool_calls": [{"function": function}]}}]});
    let message = parse_error(&answer(200, &[], &body)).message;
    let says = r#"tool_calls[0].function.arguments is not a JSON object: {"b": "\u{1b}[redacted]\u{202e} (status"#;
    assert!(message.contains(says) && !message.contains("sk-secret"), "{message}");
}

#[test]
fn an_unannounced_end_is_a_broken_connection() {
    let mut answer = answer(200, &[], "{\"choices\": [");
    answer.framed = false;
    assert!(matches!(read_as(WireFormat::OpenAi, &answer), Err(ErrorKind::Connection(_))));
    answer.body = b"<html>".to_vec();
    assert!(matches!(read_as(WireFormat::OpenAi, &answer), Err(ErrorKind::Parse(_))));
}

#[test]
fn one_bad_character_does_not_cost_the_answer() {
    for (format, body, says) in [
        (
            WireFormat::OpenAi,
            &b"\xef\xbb\xbf{\"choices\": [{\"message\": {\"content\": \"a\\ud83d\"}, \"logprob\": 1e999}]}"[..],
            "a\u{fffd}",
        ),
        (WireFormat::OpenAi, b"{\"choices\": [{\"message\": {\"content\": \"a\xff\n\"}}], \"n\": NaN}", "a\u{fffd}\n"),
        (
            WireFormat::Anthropic,
            br#"{"content": [{"type": "text", "text": "\ude00a"}], "usage": {"x": 1e999}}"#,
            "\u{fffd}a",
        ),
    ] {
        let answer = HttpAnswer { body: body.to_vec(), ..answer(200, &[], "") };
        assert_eq!(read_as(format, &answer).unwrap().text().as_deref(), Some(says));
    }
}
