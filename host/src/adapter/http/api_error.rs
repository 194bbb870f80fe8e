//! Finds the message and the words of an error in the shapes that servers use.

use reqwest::header::HeaderMap;
use serde_json::{Map, Value};

use crate::{
    adapter::{
        excerpt::{beginning, clean, page},
        markup,
        secrets::Secrets,
    },
    chat::extensions::Extensions,
};

/// The provider's message, wherever it stands in the body.
pub(crate) fn message(body: &Value) -> Option<String> {
    const PLACES: [&str; 11] = [
        "/error/message",
        "/error",
        "/message",
        "/detail",
        "/Message",
        "/Error/Message",
        "/fault/faultstring",
        "/error_message",
        "/errorMessage",
        "/error_msg",
        "/msg",
    ];
    let body = first(body);
    let said = PLACES.into_iter().filter_map(|place| body.pointer(place)).find_map(text);
    // OpenRouter: what the provider behind it said.
    let behind = body.pointer("/error/metadata/raw").and_then(text);
    match (said, behind) {
        (Some(said), Some(behind)) if !said.contains(&behind) => Some(format!("{said}: {behind}")),
        (said, behind) => said.or(behind).or_else(|| only_words(body)),
    }
}

/// The type or code of an error that says no more.
fn only_words(body: &Value) -> Option<String> {
    let word =
        ["/error/type", "/error/code", "/error_type"].into_iter().find_map(|place| body.pointer(place)?.as_str());
    word.filter(|word| !word.is_empty()).map(|word| format!("the provider says only `{}`", beginning(word)))
}

/// Some gateways answer with a list of one error.
pub(crate) fn first(body: &Value) -> &Value {
    body.get(0).unwrap_or(body)
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => {
            let text = beginning(text);
            Some(inner(text).unwrap_or_else(|| text.to_owned())).filter(|text| !text.is_empty())
        }
        Value::Array(problems) => {
            let problems: Vec<String> = problems.iter().filter_map(problem).collect();
            Some(problems.join("; ")).filter(|text| !text.is_empty())
        }
        Value::Object(fields) => fields.get("message").and_then(text),
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}

/// The message in a text that is itself the JSON of an error.
fn inner(text: &str) -> Option<String> {
    let error = text.starts_with(['{', '[']).then(|| serde_json::from_str::<Value>(text).ok())??;
    message(&error)
}

/// One entry of the list with which FastAPI refuses a request: the place and the problem.
fn problem(problem: &Value) -> Option<String> {
    if let Value::String(text) = problem {
        return Some(beginning(text).to_owned());
    }
    let what = beginning(problem.get("msg").or_else(|| problem.get("message"))?.as_str()?);
    let step = |step: &Value| step.as_str().map_or_else(|| step.to_string(), str::to_owned);
    match problem.get("loc").and_then(Value::as_array) {
        Some(steps) => Some(format!("{}: {what}", steps.iter().map(step).collect::<Vec<_>>().join("."))),
        None => Some(what.to_owned()),
    }
}

/// The id that Cloudflare gave to the request: from its header, or from its page of an error.
pub(crate) fn ray_id(headers: &HeaderMap, body: &[u8], secrets: Option<&Secrets>) -> Option<String> {
    let in_header = headers.get("cf-ray").and_then(|id| id.to_str().ok()).map(str::to_owned);
    let id = in_header.or_else(|| markup::ray_id(&page(body)))?;
    Some(clean(&id, secrets)).filter(|id| !id.is_empty())
}

/// The longest JSON of further fields that is kept of an error, in bytes.
const LONGEST_FIELDS: usize = 8 * 1024;

/// The provider's type and code of the error, and the place in the request, as `VENDOR.error-type` and so on. Further fields of
/// the body are in `VENDOR.error-fields`, in the places where they stood.
pub(crate) fn extensions(body: &Value, vendor: &str, secrets: Option<&Secrets>) -> Extensions {
    let body = first(body);
    let error = body.get("error").filter(|error| error.is_object()).unwrap_or(body);
    let kind = error.get("type").filter(|kind| *kind != "error").or_else(|| body.get("error_type"));
    let words = [("type", kind), ("code", error.get("code")), ("param", error.get("param"))];
    let words =
        words.into_iter().filter_map(|(name, word)| Some((name, word.and_then(|word| word_of(word, secrets))?)));
    let fields = further_fields(body, secrets).map(|fields| ("fields", fields));
    words.chain(fields).map(|(name, word)| (format!("{vendor}.error-{name}"), word)).collect()
}

/// The fields of a body and of the error in it that no format knows.
fn further_fields(body: &Value, secrets: Option<&Secrets>) -> Option<Value> {
    let others = |of: &Value, known: &[&str]| -> Map<String, Value> {
        let fields = of.as_object().into_iter().flatten().filter(|(name, _)| !known.contains(&name.as_str()));
        fields.map(|(name, value)| (name.clone(), value.clone())).collect()
    };
    let error = body.get("error").filter(|error| error.is_object())?;
    let mut fields = others(body, &["error", "type", "request_id"]);
    let of_error = others(error, &["type", "code", "param", "message"]);
    if !of_error.is_empty() {
        fields.insert("error".to_owned(), of_error.into());
    }
    let json = Some(Value::from(fields).to_string()).filter(|json| json != "{}" && json.len() <= LONGEST_FIELDS)?;
    serde_json::from_str(&secrets.map_or_else(|| json.clone(), |secrets| secrets.redact(&json))).ok()
}

fn word_of(value: &Value, secrets: Option<&Secrets>) -> Option<Value> {
    match value {
        Value::String(word) if !word.is_empty() => Some(clean(word, secrets).into()),
        Value::Number(_) => Some(value.clone()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn messages_in_all_shapes() {
        for (body, expected) in [
            (json!({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}), "Overloaded"),
            (json!({"error": {"message": "Bad key", "type": "x", "param": null, "code": "y"}}), "Bad key"),
            (json!({"error": "model not found"}), "model not found"),
            (json!({"error": {"message": ""}, "message": "outer"}), "outer"),
            (json!({"error": {"message": {"message": "nested"}}}), "nested"),
            (json!({"object": "error", "message": "too long", "code": 400}), "too long"),
            (json!({"detail": "Not Found"}), "Not Found"),
            (
                json!({"detail": [{"loc": ["body", "messages", 0], "msg": "field required"}, {"msg": "b"}, "c"]}),
                "body.messages.0: field required; b; c",
            ),
            (json!([{"error": {"message": "in a list", "code": 400}}]), "in a list"),
            (json!({"error": {"message": "{\"error\": {\"message\": \"inner\"}}"}}), "inner"),
            (json!({"error": {"message": "{no JSON}"}}), "{no JSON}"),
            (json!({"message": "{\"message\": \"inner\"}"}), "inner"),
            (
                json!({"error": {"message": "Provider failed", "metadata": {"raw": "{\"error\": {\"message\": \"busy\"}}"}}}),
                "Provider failed: busy",
            ),
            (json!({"detail": {"message": "nested"}}), "nested"),
            (json!({"errorMessage": "m"}), "m"),
            (json!({"fault": {"faultstring": "m"}}), "m"),
            (json!({"Error": {"Message": "m"}}), "m"),
            (json!({"type": "error", "error": {"type": "api_error"}}), "the provider says only `api_error`"),
        ] {
            assert_eq!(message(&body).as_deref(), Some(expected), "{body}");
        }
        for body in [
            json!({}),
            json!([]),
            json!(null),
            json!("x"),
            json!({"error": {}}),
            json!({"error": 1}),
            json!({"detail": []}),
        ] {
            assert_eq!(message(&body), None, "{body}");
        }
    }

    #[test]
    fn words_become_extensions() {
        let words = |body| Value::from_iter(extensions(&body, "v", None));
        assert_eq!(
            words(json!({"error": {"type": "t", "code": "c", "param": "p"}})),
            json!({"v.error-type": "t", "v.error-code": "c", "v.error-param": "p"})
        );
        assert_eq!(words(json!({"error": {"type": "t", "code": null}})), json!({"v.error-type": "t"}));
        assert_eq!(words(json!({"error": "x", "error_type": "overloaded"})), json!({"v.error-type": "overloaded"}));
        assert_eq!(words(json!({"type": "error", "code": 7})), json!({"v.error-code": 7}));
        assert_eq!(
            words(json!({"type": "error", "x": [1], "error": {"message": "m", "type": "t", "y": {"z": null}}})),
            json!({"v.error-type": "t", "v.error-fields": {"x": [1], "error": {"y": {"z": null}}}})
        );
        assert_eq!(words(json!({"error": {"x": "long".repeat(10_000)}})), json!({}));
        assert_eq!(words(json!("x")), json!({}));
    }
}
