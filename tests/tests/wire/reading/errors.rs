//! Errors that come as a 200 (`findings/wire.md`, section 3).

use std::time::Duration;

use arcllm_simulator::{Format, Reply};
use serde_json::{Value, json};

use super::stage::{api, ch, chunked, hear, is_no_answer, whole, with_retry};

const FORMATS: [Format; 3] = [Format::Anthropic, Format::OpenAi, Format::Responses];

#[tokio::test]
async fn an_error_in_a_200_is_one_of_its_status() {
    for (error, status, message) in [
        (json!({"error": "Overloaded, try later"}), 500, "Overloaded, try later"),
        (json!({"error": {"message": "boom", "type": "upstream_failure", "code": null}}), 500, "boom"),
        (json!({"type": "error", "error": {"type": "capacity_error", "message": "later"}}), 500, "later"),
        (json!({"error": {"message": "m", "code": "429"}}), 429, "m"),
        (json!({"error": {"message": "m", "status": "RESOURCE_EXHAUSTED"}}), 429, "m"),
        (json!([{"error": {"message": "m", "code": 503, "status": "UNAVAILABLE"}}]), 503, "m"),
        (json!({"error": {"message": "m", "type": "authentication_error"}}), 401, "m"),
        (json!({"detail": "m"}), 500, "m"),
        (json!({"detail": [{"loc": ["body", "messages"], "msg": "m"}]}), 500, "body.messages: m"),
    ] {
        for format in FORMATS {
            let told = whole(format, error.to_string()).await.unwrap_err();
            assert_eq!(api(&told), (status, message), "{error} in {format}");
            let told = hear(format, chunked(&[error.to_string()])).await.end.unwrap_err();
            assert_eq!(api(&told), (status, message), "{error} as an event in {format}");
        }
    }
}

#[tokio::test]
async fn it_is_retried_until_the_first_event_is_out() {
    let boom = json!({"error": {"message": "boom", "type": "upstream_failure", "code": null}}).to_string();
    for format in FORMATS {
        with_retry(format, Reply::body("application/json", boom.clone()), false).await;
        with_retry(format, chunked(&[json!({"error": "Overloaded, try later"}).to_string()]), true).await;
        let named = Reply::event_stream([(Duration::ZERO, "event: error\ndata: Overloaded\n\n")]);
        with_retry(format, named, true).await;
    }
    let late = hear(Format::OpenAi, chunked(&[ch(&json!({"content": "a"}), None), boom])).await;
    let error = late.end.unwrap_err();
    assert_eq!((api(&error), error.trail.len()), ((500, "boom"), 1));
}

#[tokio::test]
async fn what_is_no_answer_is_told_apart_from_json_of_the_wrong_shape() {
    let nothing = [
        "",
        " \n",
        "<html><title>Hi</title></html>",
        "Hello",
        "{\"choices\":",
        "{\"choices\": null, \"content\": null, \"output\": null}",
        "null",
        "7",
        "true",
        "\"ok\"",
    ];
    for (bodies, expected) in [(&nothing[..], true), (&["{}", "{\"id\": 1}", "[]"], false)] {
        for body in bodies {
            for format in FORMATS {
                let error = whole(format, *body).await.unwrap_err();
                assert_eq!(is_no_answer(&error), expected, "{body} in {format}: {error}");
            }
        }
    }
    assert!(is_no_answer(&whole(Format::OpenAi, "{\"choices\": []}").await.unwrap_err()));
    for body in ["", ": ping\n\n", "<html></html>", "data: Hello\n\n"] {
        for format in FORMATS {
            let error = hear(format, Reply::body("text/event-stream", body)).await.end.unwrap_err();
            assert!(is_no_answer(&error), "{body} in {format}: {error}");
        }
    }
}

#[tokio::test]
async fn no_choices_that_cost_tokens_are_an_empty_answer() {
    let body: Value = json!({"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 4}});
    let response = whole(Format::OpenAi, body.to_string()).await.unwrap();
    assert_eq!((response.content.len(), response.usage.total_tokens), (0, 7));
}
