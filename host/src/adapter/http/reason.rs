//! What an error of a provider means, in one word for all providers.

use serde_json::Value;

use crate::{
    adapter::{excerpt::beginning, http::api_error},
    chat::reason::ErrorReason,
};

/// The reason of an error with this status and body. A body that is no JSON is given as its text.
///
/// The first line that fits decides:
///
/// | status | what the provider says | reason |
/// |---|---|---|
/// | any | code or type `insufficient_quota` | `quota` |
/// | 413 | anything | `context_length` |
/// | any | a code or type of [`of_word`], such as `rate_limit_exceeded` or `overloaded_error` | its reason |
/// | open, 500 | a message of [`TOO_LONG`] | `context_length` |
/// | open | code or type of [`SERVER`], such as `api_error` | `server` |
/// | 408, 409, 425 | code or type of [`INVALID_REQUEST`] | `invalid_request` |
/// | 401, 402, 403 | anything | `authentication`, `billing`, `permission` |
/// | 404, 405, 410, 501 | anything | `not_found` |
/// | 429 | anything | `rate_limit` |
/// | 503, 529 | anything | `overloaded` |
/// | 408, 409, 425 | anything | `other` |
/// | another 4xx | anything | `invalid_request` |
/// | 500, another 5xx | anything | `server` |
///
/// "Open" is 408, 409, 425 and each 4xx without a line of its own, such as 400 and 422; "500" is also another 5xx. Capital
/// letters, `_` and `-` do not matter in codes and types. No other message counts.
pub(crate) fn reason(status: u16, body: &Value) -> ErrorReason {
    let words = words(body);
    if words.iter().any(|word| word == "insufficientquota") {
        return ErrorReason::Quota;
    }
    if status == 413 {
        return ErrorReason::ContextLength;
    }
    if let Some(reason) = words.iter().find_map(|word| of_word(word)) {
        return reason;
    }
    let by_status = ErrorReason::of_status(status);
    let has = |list: &[&str]| words.iter().any(|word| list.contains(&word.as_str()));
    match by_status {
        ErrorReason::InvalidRequest | ErrorReason::Server | ErrorReason::Other(_) if is_too_long(body) => {
            ErrorReason::ContextLength
        }
        ErrorReason::InvalidRequest | ErrorReason::Other(_) if has(SERVER) => ErrorReason::Server,
        ErrorReason::Other(_) if has(INVALID_REQUEST) => ErrorReason::InvalidRequest,
        by_status => by_status,
    }
}

/// Words that many servers use when they have no better one.
const SERVER: &[&str] =
    &["servererror", "internalerror", "internalservererror", "internal", "apierror", "timeouterror", "timeout"];

/// DeepSeek sends `invalid_request_error` with a 402, so the status counts more.
const INVALID_REQUEST: &[&str] =
    &["invalidrequesterror", "invalidrequest", "badrequesterror", "invalidargument", "validation", "validationerror"];

/// The reason of a code or type that says it alone. Without `error` or `exception` at its end.
fn of_word(word: &str) -> Option<ErrorReason> {
    let word = word.strip_suffix("error").or_else(|| word.strip_suffix("exception")).unwrap_or(word);
    Some(match word {
        "ratelimit" | "ratelimited" | "ratelimitexceeded" | "ratelimitreached" | "toomanyrequests" | "requests"
        | "tokens" | "resourceexhausted" | "throttling" | "throttled" => ErrorReason::RateLimit,
        "overloaded" | "engineoverloaded" | "modeloverloaded" | "serveroverloaded" | "unavailable"
        | "serviceunavailable" | "modelnotready" => ErrorReason::Overloaded,
        "contextlengthexceeded"
        | "contextwindowexceeded"
        | "modelcontextwindowexceeded"
        | "exceedcontextsize"
        | "modelmaxprompttokensexceeded"
        // Zhipu.
        | "1261"
        | "requesttoolarge" => ErrorReason::ContextLength,
        "contentfilter"
        | "contentfiltered"
        | "contentpolicyviolation"
        | "responsibleaipolicyviolation"
        | "moderationblocked"
        | "datainspectionfailed" => ErrorReason::ContentFilter,
        "authentication"
        | "invalidauthentication"
        | "unauthenticated"
        | "unauthorized"
        | "invalidapikey"
        | "incorrectapikey"
        | "missingapikey"
        | "expiredapikey"
        | "apikeyinvalid" => ErrorReason::Authentication,
        "permission" | "permissiondenied" | "accessdenied" | "forbidden" | "unsupportedcountryregionterritory" => {
            ErrorReason::Permission
        }
        "notfound"
        | "modelnotfound"
        | "deploymentnotfound"
        | "resourcenotfound"
        | "modelnotsupported"
        | "invalidmodel"
        | "modeldecommissioned"
        | "unknownurl" => ErrorReason::NotFound,
        "billing"
        | "billinghardlimitreached"
        | "billingnotactive"
        | "insufficientbalance"
        | "insufficientcredits"
        | "insufficientfunds"
        | "paymentrequired"
        | "exceededcurrentquota"
        | "arrearage" => ErrorReason::Billing,
        _ => return None,
    })
}

/// The codes and types of the error, in small letters and without `_` and `-`. The most exact come first.
fn words(body: &Value) -> Vec<String> {
    let body = api_error::first(body);
    let error = body.get("error").unwrap_or(body);
    let details = error.get("details").and_then(Value::as_array).into_iter().flatten();
    let exact = details.filter_map(|detail| detail.get("reason")).chain(error.pointer("/innererror/code"));
    let inside = ["code", "type", "status"].into_iter().filter_map(|name| error.get(name));
    let outside = ["code", "type", "error_type", "status", "error"].into_iter().filter_map(|name| body.get(name));
    let words = exact.chain(inside).chain(outside).filter_map(Value::as_str);
    words.filter(|word| word.len() <= LONGEST_WORD).map(plain_word).collect()
}

/// No code or type is longer.
const LONGEST_WORD: usize = 64;

fn plain_word(word: &str) -> String {
    word.chars().filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_lowercase()).collect()
}

/// Whether a message says that the conversation is too long.
fn is_too_long(body: &Value) -> bool {
    // OpenRouter puts what the provider behind it said into `raw`.
    let raw = api_error::first(body).pointer("/error/metadata/raw").and_then(Value::as_str);
    let texts = [body.as_str(), raw].map(|text| text.map(|text| beginning(text).to_owned()));
    let messages = [api_error::message(body)].into_iter().chain(texts);
    messages.flatten().any(|message| {
        let message = message.to_ascii_lowercase();
        TOO_LONG.iter().any(|wording| message.contains(wording))
    })
}

/// How servers say that a conversation is too long, in small letters.
const TOO_LONG: &[&str] = &[
    // Codes that a router repeats in its message.
    "context_length_exceeded",
    "exceed_context_size_error",
    "model_context_window_exceeded",
    "contextwindowexceeded",
    // Anthropic: "prompt is too long: 213462 tokens > 200000 maximum", "input length and `max_tokens` exceed context limit".
    "prompt is too long",
    "exceed context limit",
    // OpenAI, vLLM, DeepSeek, Mistral, Fireworks, OpenRouter: "This model's maximum context length is 8192 tokens".
    "maximum context length",
    // OpenAI: "Your input exceeds the context window of this model".
    "exceeds the context window",
    "context length exceeded",
    "context window exceeded",
    // Groq, Cerebras: "Please reduce the length of the messages or completion".
    "reduce the length of the messages",
    // llama.cpp: "request (9000 tokens) exceeds the available context size (4096 tokens)".
    "available context size",
    "context size has been exceeded",
    // vLLM: "The decoder prompt (length 9000) is longer than the maximum model length of 4096".
    "maximum model length",
    "context length is only",
    // SGLang: "The input (9000 tokens) is longer than the model's context length (4096 tokens)".
    "longer than the model's context length",
    // TGI, Together: "`inputs` tokens + `max_new_tokens` must be <= 4096", "`inputs` must have less than 1024 tokens".
    "tokens + `max_new_tokens` must be <=",
    "`inputs` must have less than",
    // Ollama: "prompt too long; exceeded max context length by 4 tokens", "the input length exceeds the context length".
    "prompt too long",
    "exceeds the context length",
    "exceeds context length",
    // LM Studio.
    "greater than the context length",
    "context length of only",
    // Bedrock: "Input is too long for requested model".
    "input is too long",
    // Gemini: "The input token count (1196265) exceeds the maximum number of tokens allowed (1048575)".
    "exceeds the maximum number of tokens allowed",
    // xAI: "This model's maximum prompt length is 131072 but the request contains 537812 tokens".
    "maximum prompt length",
    // Poolside: "Input length 131393 exceeds the maximum allowed input length of 131040 tokens".
    "maximum allowed input length",
    // Kimi, MiniMax, Qwen, Perplexity.
    "exceeded model token limit",
    "context window exceeds limit",
    "range of input length should be",
    "length of all messages is too long",
    // Cohere: "too many tokens: total number of tokens in the prompt cannot exceed 4081".
    "too many tokens",
    // Zhipu: "Prompt exceeds max length".
    "prompt exceeds max length",
];

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn means(status: u16, body: Value, expected: &str) {
        assert_eq!(reason(status, &body).as_str(), expected, "{status} {body}");
    }

    #[test]
    fn words_count_wherever_they_stand() {
        means(400, json!({"error": {"code": "1261", "message": "No."}}), "context_length");
        means(400, json!({"error": {"message": "Prompt exceeds max length"}}), "context_length");
        means(400, json!({"message": "too many tokens: the prompt cannot exceed 4081"}), "context_length");
        means(429, json!({"message": "too many tokens per minute"}), "rate_limit");
        means(400, json!({"error": {"code": "content_filter", "type": "invalid_request_error"}}), "content_filter");
        means(400, json!({"error": {"innererror": {"code": "ResponsibleAIPolicyViolation"}}}), "content_filter");
        means(
            400,
            json!({"error": {"status": "INVALID_ARGUMENT", "details": [{}, {"reason": "API_KEY_INVALID"}]}}),
            "authentication",
        );
        means(500, json!([{"error": {"code": 429, "status": "RESOURCE_EXHAUSTED"}}]), "rate_limit");
        means(429, json!({"error": "Model is overloaded", "error_type": "overloaded"}), "overloaded");
        means(400, json!({"object": "error", "type": "invalid_model", "code": "1500"}), "not_found");
        means(500, json!({"error": "insufficient_balance", "message": "no"}), "billing");
    }

    #[test]
    fn a_word_that_says_little_gives_way_to_the_status() {
        means(402, json!({"error": {"code": "invalid_request_error", "type": "unknown_error"}}), "billing");
        means(500, json!({"error": {"type": "invalid_request_error"}}), "server");
        means(401, json!({"error": {"type": "server_error"}}), "authentication");
        means(400, json!({"error": {"type": "server_error"}}), "server");
        means(409, json!({"error": {"type": "invalid_request_error"}}), "invalid_request");
    }

    #[test]
    fn quota_is_a_code_or_a_type_and_never_a_message() {
        means(429, json!({"error": {"code": "rate_limit_exceeded", "type": "insufficient_quota"}}), "quota");
        means(403, json!({"error": {"code": "insufficient_quota"}}), "quota");
        let message = "You exceeded your current quota (insufficient_quota), check your plan and billing details.";
        means(429, json!({"error": {"message": message, "code": 429, "status": "RESOURCE_EXHAUSTED"}}), "rate_limit");
        means(400, json!({"error": {"message": "invalid_api_key: content_filter, billing_error"}}), "invalid_request");
    }

    #[test]
    fn wordings_count_where_the_status_leaves_it_open() {
        let body = json!({"error": {"message": "This model's maximum context length is 8192 tokens."}});
        for (status, expected) in [
            (400, "context_length"),
            (422, "context_length"),
            (500, "context_length"),
            (424, "context_length"),
            (401, "authentication"),
            (404, "not_found"),
            (429, "rate_limit"),
            (503, "overloaded"),
        ] {
            means(status, body.clone(), expected);
        }
        means(413, json!("Request Entity Too Large"), "context_length");
        means(400, json!("Error: prompt is too long"), "context_length");
        let raw = r#"{"error":{"message":"prompt is too long: 9 tokens > 8 maximum"}}"#;
        means(
            400,
            json!({"error": {"message": "Provider returned error", "metadata": {"raw": raw}}}),
            "context_length",
        );
        means(400, json!({"error": {"message": "max_tokens must be below 4096"}}), "invalid_request");
    }

    #[test]
    fn a_body_of_any_shape_is_read() {
        for body in
            [json!(null), json!([]), json!("x"), json!({"error": null}), json!({"error": {"details": [1], "code": {}}})]
        {
            means(500, body, "server");
        }
        means(500, json!({"error": {"code": "x".repeat(1_000_000)}}), "server");
    }
}
