//! The addresses that requests are posted to.

use url::Url;

/// Replaces the path of the base URL by what `path` makes of it.
///
/// Slashes at the end of the path make no difference. A query is kept.
pub(crate) fn join(base_url: &Url, path: fn(&str) -> String) -> Url {
    let mut url = base_url.clone();
    url.set_path(&path(base_url.path().trim_end_matches('/')));
    url.set_fragment(None);
    url
}

#[cfg(test)]
mod tests {
    use crate::adapter::format::table::format;
    use crate::{chat::wire_format::WireFormat, config::provider::authority};

    #[track_caller]
    fn goes_to(wire_format: WireFormat, base_url: &str, expected: &str) {
        let url = format(wire_format).endpoint(&base_url.parse().unwrap());
        assert_eq!(url.as_str(), expected, "{base_url}");
    }

    #[test]
    fn anthropic() {
        for (base_url, expected) in [
            ("https://api.anthropic.com", "https://api.anthropic.com/v1/messages"),
            ("https://api.anthropic.com/", "https://api.anthropic.com/v1/messages"),
            ("https://api.anthropic.com/v1", "https://api.anthropic.com/v1/messages"),
            ("https://api.anthropic.com/v1//", "https://api.anthropic.com/v1/messages"),
            ("https://api.anthropic.com/v1/messages", "https://api.anthropic.com/v1/messages"),
            ("https://proxy.example/anthropic", "https://proxy.example/anthropic/v1/messages"),
            ("http://localhost:8080?a=b#c", "http://localhost:8080/v1/messages?a=b"),
        ] {
            goes_to(WireFormat::Anthropic, base_url, expected);
        }
    }

    #[test]
    fn openai() {
        for (base_url, expected) in [
            ("https://api.openai.com", "https://api.openai.com/v1/chat/completions"),
            ("https://api.openai.com/v1/", "https://api.openai.com/v1/chat/completions"),
            ("https://api.deepseek.com", "https://api.deepseek.com/v1/chat/completions"),
            ("https://api.mistral.ai/v1", "https://api.mistral.ai/v1/chat/completions"),
            ("https://api.groq.com/openai/v1", "https://api.groq.com/openai/v1/chat/completions"),
            ("https://api.together.xyz/v1", "https://api.together.xyz/v1/chat/completions"),
            ("https://api.fireworks.ai/inference/v1", "https://api.fireworks.ai/inference/v1/chat/completions"),
            ("https://router.huggingface.co/v1", "https://router.huggingface.co/v1/chat/completions"),
            ("http://localhost:8080", "http://localhost:8080/v1/chat/completions"),
            ("http://localhost:11434/v1", "http://localhost:11434/v1/chat/completions"),
            ("http://localhost:8000/v1", "http://localhost:8000/v1/chat/completions"),
            ("http://[::1]:8000/v1/chat/completions/", "http://[::1]:8000/v1/chat/completions"),
            (
                "https://x.openai.azure.com/openai/v1?api-version=1",
                "https://x.openai.azure.com/openai/v1/chat/completions?api-version=1",
            ),
        ] {
            goes_to(WireFormat::OpenAi, base_url, expected);
        }
    }

    #[test]
    fn authority_has_no_password() {
        assert_eq!(authority(&"https://me:secret@example.com/v1?key=x".parse().unwrap()), "example.com:443");
        assert_eq!(authority(&"http://[::1]:8080".parse().unwrap()), "[::1]:8080");
    }
}
