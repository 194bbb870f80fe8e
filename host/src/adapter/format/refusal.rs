//! Finds errors that servers send with a 2xx status: as a body, as a choice, as an event of a stream, or as the reason for the
//! end of an answer.

use serde_json::{Map, Value, json};

use crate::adapter::format::{
    ending::{self, Ending},
    json::JsonNode,
    malformed::Unreadable,
    tree::{self, Keep, MemoryBudget},
};

/// The fields in which servers say what went wrong, where no `error` says it.
const MESSAGES: [&str; 7] = ["message", "Message", "detail", "msg", "error_msg", "error_message", "errorMessage"];

/// The fields of a body or an event in which servers say that it is an error, and which.
pub(crate) const FIELDS: Keep = Keep::Fields(&[
    ("type", Keep::All),
    ("__type", Keep::All),
    ("object", Keep::All),
    ("request_id", Keep::All),
    ("error", Keep::All),
    ("errors", Keep::All),
    ("Error", Keep::All),
    ("fault", Keep::All),
    ("error_type", Keep::All),
    ("error_code", Keep::All),
    ("error_msg", Keep::All),
    ("error_message", Keep::All),
    ("errorMessage", Keep::All),
    ("message", Keep::All),
    ("Message", Keep::All),
    ("msg", Keep::All),
    ("detail", Keep::All),
    ("code", Keep::All),
    ("status", Keep::All),
    ("status_code", Keep::All),
    ("statusCode", Keep::All),
    ("http_status", Keep::All),
    ("http_code", Keep::All),
    ("base_resp", Keep::All),
    ("x_groq", Keep::Fields(&[("error", Keep::All)])),
]);

/// The fields of an answer. They say nothing about an error.
const ANSWER: [&str; 9] = ["choices", "content", "usage", "id", "object", "created", "model", "delta", "index"];

/// Fails if the body is an error, in any of the shapes that servers use. `answer` is the field that an answer has.
pub(crate) fn refuse_errors(root: &JsonNode<'_>, answer: &str) -> Result<(), Unreadable> {
    // Some gateways send a list of one error.
    let body = root.value.get(0).unwrap_or(root.value);
    match found(body, answer) {
        Some(error) => Err(unreadable(error, body)),
        None => Ok(()),
    }
}

/// Fails if the choice or its message is an error. Routers send errors of the provider behind them in this way.
pub(crate) fn refuse_error_of_choice(choice: &JsonNode<'_>) -> Result<(), Unreadable> {
    let places: [&[&str]; 3] = [&["error"], &["delta", "error"], &["message", "error"]];
    match places.into_iter().filter_map(|place| at(choice.value, place)).find(|error| says_something(error)) {
        Some(error) => Err(unreadable(error.clone(), &Value::Null)),
        None => Ok(()),
    }
}

/// Fails if the answer ended with this word because the server failed, or because the context window is full.
pub(crate) fn refuse_ending(word: &str) -> Result<(), Unreadable> {
    let shown = word.get(..word.floor_char_boundary(100)).unwrap_or_default();
    let (status, error) = match ending::meaning(word) {
        Ending::Stopped(_) => return Ok(()),
        Ending::ContextFull => (
            400,
            json!({
                "message": format!("the context window of the model is full: the answer ended with `{shown}`"),
                "type": "invalid_request_error",
                "code": "context_length_exceeded",
            }),
        ),
        Ending::Failed => (
            status_of_word(word).filter(|status| *status == 429 || *status >= 500).unwrap_or(500),
            json!({"message": format!("the provider ended the answer with `{shown}`"), "type": shown}),
        ),
    };
    Err(Unreadable::Error { status, body: json!({"error": error}) })
}

/// The error in an event with the name `error`, whatever its data is.
pub(crate) fn of_event(data: &str, budget: &MemoryBudget) -> Unreadable {
    match tree::read(data.as_bytes(), &Keep::All, budget) {
        Ok(body @ (Value::Object(_) | Value::Array(_))) => {
            let body = body.get(0).unwrap_or(&body);
            unreadable(found(body, "").unwrap_or_else(|| body.clone()), body)
        }
        Ok(Value::String(text)) => unreadable(text.into(), &Value::Null),
        Ok(_) | Err(_) => unreadable(data.into(), &Value::Null),
    }
}

/// The error in a line outside of the events of a stream, if it is one.
pub(crate) fn of_line(line: &[u8], budget: &MemoryBudget) -> Option<Unreadable> {
    let body = tree::read(line, &Keep::All, budget).ok()?;
    found(&body, "choices").map(|error| unreadable(error, &body))
}

/// Fails if the body is JSON, but neither an object nor a list. It is no answer in any format.
pub(crate) fn refuse_scalars(root: &JsonNode<'_>) -> Result<(), Unreadable> {
    match root.value {
        Value::Object(_) | Value::Array(_) => Ok(()),
        _ => Err(Unreadable::NoAnswer(root.malformed("is not an object"))),
    }
}

/// What the body says about an error.
fn found(body: &Value, answer: &str) -> Option<Value> {
    let fields = body.as_object()?;
    let places: [&[&str]; 3] = [&["error"], &["errors"], &["x_groq", "error"]];
    let named = places.into_iter().filter_map(|place| at(body, place));
    if let Some(error) = named.clone().find(|error| says_something(error)) {
        return Some(error.clone());
    }
    if let Some(error) = foreign(body) {
        return Some(error);
    }
    // MiniMax: `{"base_resp": {"status_code": 1004, "status_msg": "…"}}`.
    if let Some(result) = fields.get("base_resp")
        && result.get("status_code").is_some_and(says_something)
    {
        return Some(json!({"message": result.get("status_msg"), "code": result.get("status_code")}));
    }
    let is_error = |name| fields.get(name).is_some_and(|value| value == "error");
    // An answer may have any fields besides, and so may an event of an unknown type.
    let is_answer = fields.get(answer).is_some_and(|value| !value.is_null());
    let is_typed = ["type", "object"].into_iter().any(|name| fields.contains_key(name));
    let is_other = is_answer || (is_typed && status(body).is_none());
    let is_text = |value: &Value| match value {
        Value::Object(fields) => MESSAGES.into_iter().any(|name| fields.get(name).is_some_and(Value::is_string)),
        value => value.is_string() || value.is_array(),
    };
    let says = |name| fields.get(name).is_some_and(|value| is_text(value) && says_something(value));
    if is_error("object") || is_error("type") || (!is_other && MESSAGES.into_iter().any(says)) {
        return Some(without_answer(fields).into());
    }
    // An empty error is one if nothing else stands there.
    let is_empty = |error: &&Value| error.is_object() || error.is_string();
    let has_others = ANSWER.into_iter().any(|name| fields.get(name).is_some_and(|value| !value.is_null()));
    named.into_iter().find(is_empty).filter(|_| !is_other && !has_others).cloned()
}

/// What stands at these names within objects. A JSON pointer would be a text to take apart, for each event of a stream.
fn at<'a>(value: &'a Value, names: &[&str]) -> Option<&'a Value> {
    names.iter().try_fold(value, |value, name| value.get(name))
}

/// Errors of gateways in shapes of their own, as an object with the usual fields.
fn foreign(body: &Value) -> Option<Value> {
    let said = |place: &[&str]| at(body, place).filter(|value| says_something(value));
    // Apigee.
    if let Some(message) = said(&["fault", "faultstring"]) {
        return Some(json!({"message": message, "code": said(&["fault", "detail", "errorcode"])}));
    }
    // AWS.
    if let Some(error) = said(&["Error"]) {
        let message = said(&["Error", "Message"]).or_else(|| said(&["Error", "message"])).unwrap_or(error);
        return Some(json!({"message": message, "code": said(&["Error", "Code"])}));
    }
    let kind = said(&["__type"])?;
    let message = MESSAGES.into_iter().find_map(|name| said(&[name])).unwrap_or(kind);
    Some(json!({"message": message, "type": kind}))
}

/// Whether a field says that there is an error. Some servers write `false`, `{}` or `{"code": 0}` where there is none.
fn says_something(error: &Value) -> bool {
    match error {
        Value::Object(fields) => fields.values().any(says_something),
        Value::Array(items) => items.iter().any(says_something),
        Value::String(text) => !text.is_empty(),
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::Bool(is_error) => *is_error,
        Value::Null => false,
    }
}

fn without_answer(fields: &Map<String, Value>) -> Map<String, Value> {
    let of_error = fields.iter().filter(|(name, _)| !ANSWER.contains(&name.as_str()) || *name == "object");
    of_error.map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// The error, with what stands beside it in the body.
fn unreadable(error: Value, body: &Value) -> Unreadable {
    // Gateways wrap the error of the provider behind them.
    let inner = error.get("error").filter(|inner| inner.is_object());
    let status = status(&error).or_else(|| inner.and_then(status)).or_else(|| status(body)).unwrap_or(500);
    let mut fields = body.as_object().map(without_answer).unwrap_or_default();
    let stands_there = fields.contains_key("error") && fields.get("error") == Some(&error);
    let says =
        |of: &Value| MESSAGES.into_iter().find_map(|name| of.get(name).filter(|text| says_something(text)).cloned());
    let message = says(&error).or_else(|| inner.and_then(says));
    if !stands_there {
        fields = Map::from_iter([("error".to_owned(), error)]);
    }
    // One name for the message, so that its reader need not know them all.
    if let (Some(Value::Object(error)), Some(message)) = (fields.get_mut("error"), message)
        && !error.get("message").is_some_and(says_something)
    {
        error.insert("message".to_owned(), message);
    }
    Unreadable::Error { status, body: fields.into() }
}

/// The status of the error: from its numbers, else from its words.
fn status(error: &Value) -> Option<u16> {
    const NUMBERS: [&str; 7] =
        ["code", "status", "status_code", "statusCode", "http_status", "http_code", "error_code"];
    const WORDS: [&str; 5] = ["code", "status", "type", "error_type", "error_code"];
    let error = error.get(0).unwrap_or(error);
    // The error may be nothing but its number.
    let numbers = NUMBERS.into_iter().filter_map(|name| error.get(name)).chain([error]).filter_map(number);
    let words = WORDS.into_iter().filter_map(|name| error.get(name)?.as_str());
    let mut numbers = numbers;
    numbers.next().or_else(|| words.into_iter().find_map(status_of_word))
}

/// A status as a number, or as a text that begins with it, such as `429 Too Many Requests`.
fn number(value: &Value) -> Option<u16> {
    let number = match value {
        Value::Number(number) => number
            .as_u64()
            .or_else(|| number.as_f64().filter(|number| number.fract() == 0.0).map(|number| number as u64)),
        Value::String(text) => text.split_ascii_whitespace().next()?.parse().ok(),
        _ => None,
    };
    number.and_then(|number| u16::try_from(number).ok()).filter(|number| (400..=599).contains(number))
}

/// The status that a word such as `RESOURCE_EXHAUSTED` or `invalid_request_error` names.
fn status_of_word(word: &str) -> Option<u16> {
    const LONGEST: usize = 64;
    let letters = word.chars().filter(char::is_ascii_alphanumeric).take(LONGEST);
    let word: String = letters.map(|letter| letter.to_ascii_lowercase()).collect();
    let exact = match word.as_str() {
        "tokens" | "requests" => 429,
        "overloadederror" => 529,
        "badgateway" => 502,
        "unimplemented" | "notimplemented" => 501,
        "conflict" | "alreadyexists" => 409,
        _ => 0,
    };
    let kinds: [(&[&str], u16); 14] = [
        (&["ratelimit", "toomanyrequests", "resourceexhausted", "throttl", "quota"], 429),
        (&["overload", "unavailable", "insufficientsystemresource"], 503),
        (&["timeout", "timedout", "timelimit", "deadlineexceeded"], 504),
        (&["toolarge"], 413),
        (&["authentication", "unauthenticated", "unauthorized", "invalidapikey", "incorrectapikey"], 401),
        (&["billing", "paymentrequired", "insufficientbalance", "insufficientcredit"], 402),
        (&["permission", "forbidden", "accessdenied"], 403),
        (&["notfound"], 404),
        (
            &[
                "contextlength",
                "contextsize",
                "contextwindow",
                "contentfilter",
                "contentpolicy",
                "contentmanagement",
                "policyviolation",
                "biopolicy",
            ],
            400,
        ),
        (&["unprocessable", "validationerror"], 422),
        (&["invalid", "badrequest", "failedprecondition", "outofrange", "unsupported"], 400),
        (&["internal", "servererror", "apierror"], 500),
        (&["aborted", "abort"], 500),
        (&["gateway"], 502),
    ];
    let kind = || kinds.into_iter().find(|(parts, _)| parts.iter().any(|part| word.contains(part)));
    if exact > 0 { Some(exact) } else { kind().map(|(_, status)| status) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses() {
        for (error, expected) in [
            (json!({"code": 429}), Some(429)),
            (json!({"code": 429.0}), Some(429)),
            (json!({"code": "503", "type": "x"}), Some(503)),
            (json!({"status": "429 Too Many Requests"}), Some(429)),
            (json!({"code": 200, "type": "server_error"}), Some(500)),
            (json!({"code": "rate_limit_exceeded", "type": "invalid_request_error"}), Some(429)),
            (json!({"code": null, "type": "insufficient_quota"}), Some(429)),
            (json!({"type": "Overloaded"}), Some(503)),
            (json!({"type": "overloaded_error"}), Some(529)),
            (json!({"status": "RESOURCE_EXHAUSTED"}), Some(429)),
            (json!({"status": "UNAVAILABLE"}), Some(503)),
            (json!({"status": "DEADLINE_EXCEEDED"}), Some(504)),
            (json!({"status": "INVALID_ARGUMENT"}), Some(400)),
            (json!({"status": "UNAUTHENTICATED"}), Some(401)),
            (json!({"code": "model_not_found", "type": "invalid_request_error"}), Some(404)),
            (json!({"type": "exceed_context_size_error"}), Some(400)),
            (json!({"code": 400, "object": "error", "type": "BadRequestError"}), Some(400)),
            (json!([{"code": 503}]), Some(503)),
            (json!({"code": 600}), None),
            (json!({"code": 4e9}), None),
            (json!({"type": "capacity_error"}), None),
            (json!({"message": "no"}), None),
            (json!("no"), None),
            (json!(503), Some(503)),
            (json!("429 Too Many Requests"), Some(429)),
            (json!({"statusCode": 429, "message": "m"}), Some(429)),
        ] {
            assert_eq!(status(&error), expected, "{error}");
        }
    }

    /// The status and the message, if the body is an error.
    fn refused(body: &Value) -> Option<(u16, Value)> {
        let budget = MemoryBudget::new(0);
        match refuse_errors(&JsonNode::root(body, &budget), "choices") {
            Err(Unreadable::Error { status, body }) => {
                let error = &body["error"];
                Some((status, error.get("message").unwrap_or(error).clone()))
            }
            Err(other) => panic!("{other:?}"),
            Ok(()) => None,
        }
    }

    #[test]
    fn errors_in_all_shapes() {
        for (body, status, message) in [
            (json!({"error": "Overloaded, try later"}), 500, json!("Overloaded, try later")),
            (json!({"error": {"message": "boom", "type": "upstream_failure", "code": null}}), 500, json!("boom")),
            (json!({"error": {"message": "m"}, "status": 503}), 503, json!("m")),
            (json!({"error": "m", "error_type": "overloaded"}), 503, json!("m")),
            (json!({"error": true, "message": "m"}), 500, json!(true)),
            (json!({"error": {"error": {"message": "m", "type": "rate_limit_error"}}}), 429, json!("m")),
            (json!([{"error": {"code": 429, "message": "m", "status": "RESOURCE_EXHAUSTED"}}]), 429, json!("m")),
            (json!({"error": [{"message": "m", "code": 503}]}), 503, json!([{"message": "m", "code": 503}])),
            (
                json!({"success": false, "errors": [{"code": 7003, "message": "m"}]}),
                500,
                json!([{"code": 7003, "message": "m"}]),
            ),
            (json!({"detail": "m"}), 500, json!("m")),
            (json!({"type": "about:blank", "title": "t", "status": 503, "detail": "m"}), 503, json!("m")),
            (json!({"message": "m", "code": 403, "choices": null}), 403, json!("m")),
            (json!({"error_code": 18, "error_msg": "m"}), 500, json!("m")),
            (json!({"object": "error", "message": "m", "code": 400}), 400, json!("m")),
            (json!({"type": "error", "message": "m"}), 500, json!("m")),
            (json!({"base_resp": {"status_code": 1004, "status_msg": "m"}, "choices": null}), 500, json!("m")),
            (json!({"error": {}}), 500, json!({})),
            (json!({"error": ""}), 500, json!("")),
            (json!({"error": {"code": 0, "message": ""}}), 500, json!("")),
            (json!({"error": 503}), 503, json!(503)),
            (json!({"statusCode": 429, "message": "m"}), 429, json!("m")),
            (json!({"__type": "com.amazon#ThrottlingException", "message": "m"}), 429, json!("m")),
            (json!({"__type": "ThrottlingException"}), 429, json!("ThrottlingException")),
            (json!({"detail": {"message": "m"}}), 500, json!({"message": "m"})),
            (json!({"error_message": "m"}), 500, json!("m")),
            (json!({"errorMessage": "m"}), 500, json!("m")),
            (
                json!({"fault": {"faultstring": "m", "detail": {"errorcode": "policies.ratelimit.Quota"}}}),
                429,
                json!("m"),
            ),
            (json!({"Error": {"Message": "m", "Code": "Throttling"}}), 429, json!("m")),
            (json!({"x_groq": {"error": "m"}}), 500, json!("m")),
        ] {
            assert_eq!(refused(&body), Some((status, message)), "{body}");
        }
        for body in [
            json!({"error": null}),
            json!({"error": {}, "choices": []}),
            json!({"error": {"code": 0, "message": ""}, "usage": {}}),
            json!({"error": 0, "errors": []}),
            json!({"choices": [], "message": "m"}),
            json!({"type": "ping", "message": "m"}),
            json!({"base_resp": {"status_code": 0, "status_msg": ""}}),
            json!([]),
            json!("x"),
        ] {
            assert_eq!(refused(&body), None, "{body}");
        }
    }

    #[test]
    fn an_event_with_the_name_error_is_one_whatever_its_data() {
        for (data, status, message) in [
            ("Overloaded", 500, json!("Overloaded")),
            ("\"Overloaded\"", 500, json!("Overloaded")),
            ("", 500, json!("")),
            (r#"{"code": "503", "message": "m"}"#, 503, json!("m")),
            (r#"{"error": {"message": "m", "type": "rate_limit_error"}}"#, 429, json!("m")),
            (r#"[{"error": {"message": "m", "code": 429}}]"#, 429, json!("m")),
            (r#"{"type": "ping", "msg": "m"}"#, 500, json!("m")),
        ] {
            let Unreadable::Error { status: found, body } = of_event(data, &MemoryBudget::new(0)) else { panic!() };
            let error = &body["error"];
            assert_eq!((found, error.get("message").unwrap_or(error)), (status, &message), "{data}");
        }
    }
}
