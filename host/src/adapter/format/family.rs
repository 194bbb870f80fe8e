//! What a model accepts, judged by its name. Its provider refuses requests with anything else.

/// Whether it is a reasoning model of OpenAI. Such a model accepts `max_completion_tokens` in place of `max_tokens`, and no
/// temperature.
///
/// These are `o1` and its successors, and `gpt-5` and newer. A `vendor/` prefix makes no difference.
pub(crate) fn is_openai_reasoning(model: &str) -> bool {
    let name = bare(model);
    let generation = |prefix: &str| {
        let rest = name.strip_prefix(prefix)?;
        let digits = rest.find(|character: char| !character.is_ascii_digit()).unwrap_or(rest.len());
        let (number, rest) = rest.split_at(digits);
        let ends = !rest.starts_with(|character: char| character.is_ascii_alphabetic());
        number.parse::<u32>().ok().filter(|_| ends)
    };
    // Azure writes 3.5 as 35.
    generation("o").is_some() || generation("gpt-").is_some_and(|number| number >= 5 && number != 35)
}

/// Whether the model refuses a temperature: reasoning models of OpenAI and Claude from 4.7 on do. The temperature of the
/// configuration is then left out. One that a request sets is sent.
pub(crate) fn refuses_temperature(model: &str) -> bool {
    is_openai_reasoning(model) || claude_version(model).is_some_and(|version| version >= (4, 7))
}

/// Whether the model wants its reasoning back beside its tool calls: DeepSeek's and Kimi's that reason do, and the others
/// take it.
pub(crate) fn wants_reasoning_back(model: &str) -> bool {
    let name = bare(model).to_ascii_lowercase();
    ["kimi", "deepseek"].iter().any(|family| name.starts_with(family))
}

/// Whether the model can be asked to reason. `None` if its name does not tell.
pub(crate) fn reasons(model: &str) -> Option<bool> {
    let name = bare(model).to_ascii_lowercase();
    let begins = |families: &[&str]| families.iter().any(|family| name.starts_with(family));
    if name.contains("claude") {
        return Some(claude_version(&name).is_none_or(|version| version >= (3, 7)));
    }
    if is_openai_reasoning(&name) {
        // These refuse a word for how much.
        return Some(!name.contains("-chat") && !begins(&["o1-mini", "o1-preview"]));
    }
    if begins(&["qwen3"]) {
        return Some(!["instruct", "coder"].iter().any(|kind| name.contains(kind)));
    }
    match begins(&["gpt-oss", "gemini-2.5", "gemini-3"]) {
        true => Some(true),
        false if begins(&["gpt-", "chatgpt-"]) => Some(false),
        false => None,
    }
}

/// The word for the least reasoning that a model can do which reasons.
pub(crate) fn least_effort(model: &str) -> &'static str {
    let name = bare(model);
    let begins = |families: &[&str]| families.iter().any(|family| name.starts_with(family));
    match is_openai_reasoning(model) {
        true if name.starts_with("gpt-5-pro") => "high",
        true if name.starts_with('o') || name.starts_with("gpt-5-codex") => "low",
        true if name == "gpt-5" || name.starts_with("gpt-5-") => "minimal",
        false if begins(&["gpt-oss", "gemini-2.5-pro", "gemini-3"]) => "low",
        _ => "none",
    }
}

/// How a model of Anthropic is asked to reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ClaudeReasoning {
    /// Only by a budget of tokens.
    Budget,
    /// By a budget, or by a word for how much.
    Both,
    /// Only by a word for how much.
    Word,
}

/// How the model is asked to reason. Other models than Claude that speak this format know budgets.
pub(crate) fn claude_reasoning(model: &str) -> ClaudeReasoning {
    match claude_version(model) {
        Some(version) if version < (4, 6) => ClaudeReasoning::Budget,
        Some(version) if version >= (4, 7) => ClaudeReasoning::Word,
        None if !model.contains("claude") => ClaudeReasoning::Budget,
        _ => ClaudeReasoning::Both,
    }
}

/// Whether the model takes system messages behind a message of the user. Claude does from 4.8 on:
/// <https://platform.claude.com/docs/en/build-with-claude/mid-conversation-system-messages>.
pub(crate) fn takes_system_between(model: &str) -> bool {
    claude_version(model).is_some_and(|version| version >= (4, 8))
}

/// The version in names such as `claude-opus-4-7` and `claude-3-5-sonnet-20241022`. A date is not a version.
fn claude_version(model: &str) -> Option<(u32, u32)> {
    let name = bare(model);
    let rest = name.get(name.find("claude-")? + "claude-".len()..)?;
    let mut parts = rest.split(['-', '.', '@', ':']).skip_while(|part| version_number(part).is_none());
    let major = version_number(parts.next()?)?;
    Some((major, parts.next().and_then(version_number).unwrap_or(0)))
}

fn version_number(part: &str) -> Option<u32> {
    if part.len() <= 2 { part.parse().ok() } else { None }
}

fn bare(model: &str) -> &str {
    let name = model.rsplit('/').next().unwrap_or(model);
    name.strip_prefix("ft:").unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn all(models: &str, test: fn(&str) -> bool, expected: bool) {
        for model in models.split_whitespace() {
            assert_eq!(test(model), expected, "{model}");
        }
    }

    #[test]
    fn openai_reasoning() {
        let reasoning = "o1 o1-mini o1-2024-12-17 o1:free o3 o3-pro o4-mini gpt-5 gpt-5-mini gpt-5.1 gpt-6 gpt-10-x
            openai/o3-mini openai/gpt-5 a/b/gpt-5.2-codex ft:o4-mini-2025-04-16:org";
        all(reasoning, is_openai_reasoning, true);
        let others = "o gpt- gpt-4o gpt-4.1-mini gpt-4-turbo gpt-3.5-turbo gpt-35-turbo gpt-oss-120b openai/gpt-oss-20b
            o1x olmo-2 openchat omni-1 deepseek-reasoner llama3 chatgpt-4o-latest o99999999999999999999 gpt-4o/x";
        all(others, is_openai_reasoning, false);
        assert!(!is_openai_reasoning(""));
    }

    #[test]
    fn temperature() {
        let refusing = "gpt-5 claude-opus-4-7 claude-opus-4-8-20260401 claude-opus-4.7 claude-sonnet-5 claude-haiku-5-5
            anthropic/claude-fable-5 us.anthropic.claude-opus-4-7-v1:0";
        all(refusing, refuses_temperature, true);
        let taking = "gpt-4o claude-sonnet-4-5-20250929 claude-sonnet-4-20250514 claude-opus-4-1 claude-3-opus-latest
            claude-3-5-sonnet-20241022 claude-instant-1.2 claude-2.1 claude- claude claude-opus claude-x-20250514
            anthropic.claude-3-haiku-20240307-v1:0 llama-4.7";
        all(taking, refuses_temperature, false);
    }

    #[test]
    fn reasoning_back() {
        let wanting = "kimi-k2-thinking moonshotai/Kimi-K2-Thinking deepseek-reasoner deepseek-ai/DeepSeek-V3.2";
        all(wanting, wants_reasoning_back, true);
        all("gpt-5 llama-3.3 mistral-large qwen3", wants_reasoning_back, false);
    }

    #[test]
    fn who_reasons() {
        let reasoning = "o3 gpt-5 gpt-5.1 openai/gpt-oss-20b ft:o4-mini-2025-04-16:org claude-3-7-sonnet-20250219
            claude-sonnet-4-5 us.anthropic.claude-opus-4-7-v1:0 claude-latest Qwen/Qwen3-32B gemini-2.5-flash";
        all(reasoning, |model| reasons(model) == Some(true), true);
        let others = "gpt-4.1 gpt-4o chatgpt-4o-latest gpt-35-turbo gpt-5-chat-latest o1-mini claude-3-5-haiku-20241022
            claude-instant-1.2 qwen3-coder qwen3-235b-a22b-instruct-2507";
        all(others, |model| reasons(model) == Some(false), true);
        all("llama-3.3-70b-versatile mistral-large-latest glm-5 m", |model| reasons(model).is_none(), true);
    }

    #[test]
    fn least_reasoning() {
        for (model, expected) in [
            ("o3-mini", "low"),
            ("openai/gpt-oss-20b", "low"),
            ("gpt-5", "minimal"),
            ("gpt-5-mini", "minimal"),
            ("gpt-5-pro", "high"),
            ("gpt-5.1", "none"),
            ("qwen3", "none"),
        ] {
            assert_eq!(least_effort(model), expected, "{model}");
        }
    }

    #[test]
    fn reasoning_and_system_messages_of_claude() {
        for (model, reasoning, system) in [
            ("claude-sonnet-4-5-20250929", ClaudeReasoning::Budget, false),
            ("claude-opus-4-6", ClaudeReasoning::Both, false),
            ("claude-opus-4-7", ClaudeReasoning::Word, false),
            ("claude-opus-4-8", ClaudeReasoning::Word, true),
            ("anthropic/claude-sonnet-5", ClaudeReasoning::Word, true),
            ("claude-latest", ClaudeReasoning::Both, false),
            ("kimi-k2", ClaudeReasoning::Budget, false),
        ] {
            assert_eq!((claude_reasoning(model), takes_system_between(model)), (reasoning, system), "{model}");
        }
    }
}
