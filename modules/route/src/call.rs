//! What rules ask about a call, and whether they match. Plain Rust, without WebAssembly.

use arcllm_module::{
    Request,
    types::{Options, OutputFormat, Reasoning, RequestSize},
};

use crate::settings::Rule;

/// What is known of a call.
pub struct Call {
    /// How large it is.
    pub size: RequestSize,
    /// Its options, with the labels.
    pub options: Options,
    /// The provider that the caller asked for.
    pub provider: String,
    /// The model that the caller asked for.
    pub model: String,
    /// Whether the caller reads the answer as it comes.
    pub streamed: bool,
}

impl Call {
    /// Reads it, without the conversation.
    pub fn of(request: &Request) -> Self {
        Self {
            size: request.size(),
            options: request.options(),
            provider: request.provider(),
            model: request.model(),
            streamed: request.streamed(),
        }
    }

    /// Returns the value of a label.
    pub fn label(&self, key: &str) -> Option<&str> {
        self.options.labels.iter().find(|(label, _)| label == key).map(|(_, value)| value.as_str())
    }

    /// What a target must be able to do, by the words of facts.
    pub fn needs(&self) -> Vec<&'static str> {
        let has_schema = matches!(self.options.output, Some(OutputFormat::JsonSchema(_)));
        let reasons = self.options.reasoning.as_ref().is_some_and(|reasoning| !matches!(reasoning, Reasoning::Off));
        let needs = [
            ("tools", self.size.tools > 0),
            ("images", self.size.images > 0),
            ("documents", self.size.documents > 0),
            ("audio", self.size.recordings > 0),
            ("structured-output", has_schema),
            ("reasoning", reasons),
        ];
        needs.into_iter().filter(|(_, needed)| *needed).map(|(word, _)| word).collect()
    }
}

impl Rule {
    /// Whether all conditions hold for this call at this time, in seconds since 1970.
    pub fn matches(&self, call: &Call, unix_seconds: u64) -> bool {
        let is = |wanted: Option<bool>, found: bool| wanted.is_none_or(|wanted| wanted == found);
        let (size, tokens) = (&call.size, call.size.estimated_tokens);
        let full = format!("{}/{}", call.provider, call.model);
        self.min_input_tokens.is_none_or(|min| tokens >= min.get().into())
            && self.max_input_tokens.is_none_or(|max| tokens <= max.get().into())
            && is(self.images, size.images > 0)
            && is(self.documents, size.documents > 0)
            && is(self.audio, size.recordings > 0)
            && is(self.tools, size.tools > 0)
            && is(self.streamed, call.streamed)
            && self.labels.iter().all(|(label, values)| {
                call.label(label).is_some_and(|found| values.values().iter().any(|value| value == found))
            })
            && (self.models.is_empty()
                || self
                    .models
                    .iter()
                    .any(|name| [&full, &call.model, &call.provider].into_iter().any(|found| fits(name, found))))
            && self.time.as_ref().is_none_or(|time| time.holds(unix_seconds))
    }
}

/// Whether a name fits a pattern, in which `*` is any text. Takes time in proportion to both.
fn fits(pattern: &str, name: &str) -> bool {
    let Some((begin, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(mut left) = name.strip_prefix(begin) else { return false };
    let (middle, end) = rest.rsplit_once('*').unwrap_or(("", rest));
    for part in middle.split('*').filter(|part| !part.is_empty()) {
        let Some((_, after)) = left.split_once(part) else { return false };
        left = after;
    }
    left.ends_with(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_is_any_text() {
        for (pattern, name) in
            [("gpt-*", "gpt-4.1"), ("*", ""), ("*mini", "gpt-mini"), ("a*b*c", "axxbyyc"), ("a", "a"), ("a**", "ab")]
        {
            assert!(fits(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [("gpt-*", "gp"), ("a*b*c", "acb"), ("a*a", "a"), ("a", "ab"), ("*x", "y")] {
            assert!(!fits(pattern, name), "{pattern} {name}");
        }
    }
}
