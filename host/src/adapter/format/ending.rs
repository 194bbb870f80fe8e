//! The words with which servers say why an answer ended.
//!
//! Each server has words of its own, such as `eos_token`, `MAX_TOKENS` or `sensitive`. So a word counts without case and
//! punctuation, and what it contains decides where the whole word is not known.

use serde_json::Value;

use crate::{adapter::format::json::JsonNode, chat::response::StopReason};

/// What a server means by its word for the end of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The answer is complete.
    Stopped(StopReason),
    /// The context window is full.
    ContextFull,
    /// The server gave up: the answer is an error.
    Failed,
}

/// The server's word in this field. `None` if the answer goes on: the field is missing, null, empty, or says so.
pub(crate) fn word(node: &JsonNode<'_>, name: &str) -> Option<String> {
    let word = match node.value.get(name)? {
        Value::String(word) => word.clone(),
        // SGLang: `{"type": "length", "length": 16}`.
        Value::Object(fields) => fields.get("type")?.as_str()?.to_owned(),
        Value::Number(number) => number.to_string(),
        Value::Null | Value::Bool(_) | Value::Array(_) => return None,
    };
    let goes_on = ["", "null", "none", "notfinished", "unfinished", "inprogress", "unspecified"];
    (!goes_on.contains(&&*bare(&word))).then_some(word)
}

/// What this word means.
pub(crate) fn meaning(word: &str) -> Ending {
    let bare = bare(word);
    exact(&bare).or_else(|| kind(&bare)).unwrap_or_else(|| Ending::Stopped(StopReason::Other(word.to_owned())))
}

/// Whether this is the last event of a stream of OpenAI's format. Some servers put it in quotes or in small letters.
pub(crate) fn is_marker(data: &str) -> bool {
    data.trim().trim_matches('"').eq_ignore_ascii_case("[DONE]")
}

/// Whether an answer that ended for this reason may have been cut in the middle of a tool call.
pub(crate) fn cuts(word: &str) -> bool {
    match meaning(word) {
        Ending::Stopped(reason) => matches!(reason, StopReason::MaxTokens | StopReason::ContentFilter),
        Ending::ContextFull | Ending::Failed => true,
    }
}

/// The stop reason for a word and the content: some servers send `stop` or nothing although the model asks for tools.
pub(crate) fn stop_reason(word: Option<&str>, asks_for_tools: bool) -> StopReason {
    let said = match word.map(meaning) {
        Some(Ending::Stopped(reason)) => reason,
        Some(Ending::ContextFull | Ending::Failed) | None => StopReason::EndTurn,
    };
    match said {
        StopReason::EndTurn | StopReason::StopSequence if asks_for_tools => StopReason::ToolUse,
        said => said,
    }
}

/// The word in lower case, without punctuation and without the prefix that some SDKs give it.
fn bare(word: &str) -> String {
    let letters = word.chars().filter(char::is_ascii_alphanumeric);
    let bare: String = letters.map(|letter| letter.to_ascii_lowercase()).collect();
    let without = ["finishreason", "stopreason", "reason"].into_iter().find_map(|prefix| bare.strip_prefix(prefix));
    match without {
        Some(rest) if !rest.is_empty() => rest.to_owned(),
        _ => bare,
    }
}

/// Words that mean this as a whole, but not as a part of another word.
fn exact(word: &str) -> Option<Ending> {
    Some(Ending::Stopped(match word {
        "stop" | "stopped" | "end" | "ended" | "endturn" | "complete" | "completed" | "done" | "finish"
        | "finished" | "normal" | "success" | "eot" | "stoptoken" | "stopstr" => StopReason::EndTurn,
        "length" | "limit" | "modellength" | "maxmodellength" => StopReason::MaxTokens,
        "tool" | "tools" | "function" | "functions" => StopReason::ToolUse,
        "stopsequence" => StopReason::StopSequence,
        "pauseturn" => StopReason::PauseTurn,
        // Cohere.
        "errortoxic" => StopReason::ContentFilter,
        // Gemini.
        "unexpectedtoolcall" | "toomanytoolcalls" | "incomplete" => return Some(Ending::Failed),
        _ => return None,
    }))
}

/// What a word means by what it contains.
fn kind(word: &str) -> Option<Ending> {
    let has = |parts: &[&str]| parts.iter().any(|part| word.contains(part));
    if has(&["context"]) && has(&["exceed", "window", "full", "overflow", "limit", "length", "reached"]) {
        return Some(Ending::ContextFull);
    }
    if has(&["error", "fail", "abort", "cancel", "malformed", "timeout", "timedout", "timelimit", "overload"])
        || has(&["unavailable", "insufficient", "userstop", "unloaded", "disconnect"])
        || has(&["ratelimit", "preempt"])
    {
        return Some(Ending::Failed);
    }
    let stopped = |reason| Some(Ending::Stopped(reason));
    if has(&["filter", "safety", "moderat", "guardrail", "prohibited", "blocked", "blocklist", "sensitive", "flagged"])
        || has(&["policy", "recitation", "spii", "toxic"])
    {
        return stopped(StopReason::ContentFilter);
    }
    if has(&["maxtoken", "maxlen", "maxoutput", "maxnew", "maxcompletion", "maxpredict", "maximum", "tokenlimit"])
        || has(&["lengthlimit", "outputlimit", "lengthcapped"])
    {
        return stopped(StopReason::MaxTokens);
    }
    if has(&["toolcall", "tooluse", "toolexecution", "functioncall"]) {
        return stopped(StopReason::ToolUse);
    }
    if has(&["stopseq", "stopword", "stopstring", "stopphrase"]) {
        return stopped(StopReason::StopSequence);
    }
    if has(&["refus"]) {
        return stopped(StopReason::Refusal);
    }
    (word.starts_with("eos") || word.starts_with("endof")).then_some(Ending::Stopped(StopReason::EndTurn))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::adapter::format::tree::MemoryBudget;

    #[test]
    fn words_of_servers() {
        let stopped = |words: &[&str], reason: StopReason| {
            for word in words {
                assert_eq!(meaning(word), Ending::Stopped(reason.clone()), "{word}");
            }
        };
        let ends = ["stop", "STOP", "eos_token", "eos", "end", "end_turn", "complete", "COMPLETE", "EndOfText", "done"];
        stopped(&ends, StopReason::EndTurn);
        stopped(&["stop_str", "FINISH_REASON_STOP", "REASON_STOP", "eosFound", "normal"], StopReason::EndTurn);
        let cut = ["length", "max_tokens", "MAX_TOKENS", "max_length", "maxTokens", "model_length", "token_limit"];
        stopped(&cut, StopReason::MaxTokens);
        stopped(&["max_output_tokens", "REASON_MAX_LEN", "maxPredictedTokensReached"], StopReason::MaxTokens);
        let tools = ["tool_calls", "tool_use", "function_call", "TOOL_CALL", "toolUse", "TOOL_EXECUTION"];
        stopped(&tools, StopReason::ToolUse);
        stopped(&["stop_sequence", "stopStringFound", "STOP_SEQUENCE"], StopReason::StopSequence);
        let filters = ["content_filter", "content_filtered", "SAFETY", "RECITATION", "sensitive", "ERROR_TOXIC"];
        stopped(&filters, StopReason::ContentFilter);
        stopped(&["guardrail_intervened", "content_filter: PROHIBITED_CONTENT"], StopReason::ContentFilter);
        stopped(&["refusal"], StopReason::Refusal);
        stopped(&["pause_turn"], StopReason::PauseTurn);
        stopped(&["something_new"], StopReason::Other("something_new".to_owned()));
        for word in ["model_context_window_exceeded", "context_length_exceeded", "contextLengthReached"] {
            assert_eq!(meaning(word), Ending::ContextFull, "{word}");
        }
        let failed = ["error", "abort", "network_error", "insufficient_system_resource", "USER_CANCEL", "cancelled"];
        for word in failed.into_iter().chain([
            "MALFORMED_FUNCTION_CALL",
            "timeout",
            "time_limit",
            "failed",
            "rate_limit",
            "preempted",
            "incomplete",
        ]) {
            assert_eq!(meaning(word), Ending::Failed, "{word}");
        }
    }

    #[test]
    fn no_word_means_that_the_answer_goes_on() {
        for (value, expected) in [
            (json!({"w": "stop"}), Some("stop")),
            (json!({"w": {"type": "length", "length": 16}}), Some("length")),
            (json!({"w": 1}), Some("1")),
            (json!({"w": null}), None),
            (json!({"w": ""}), None),
            (json!({"w": "null"}), None),
            (json!({"w": false}), None),
            (json!({}), None),
        ] {
            let budget = MemoryBudget::new(0);
            assert_eq!(word(&JsonNode::root(&value, &budget), "w").as_deref(), expected, "{value}");
        }
    }
}
