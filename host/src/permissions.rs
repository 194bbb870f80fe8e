//! What a component's imports let it do, in plain words.

/// An import by the beginning of its name, and what it allows.
const ALLOWS: [(&str, &str); 10] = [
    ("arcllm:llm/llm-provider", "ask the provider that it stands in front of"),
    ("arcllm:llm/models", "ask other models (with the grant `models`)"),
    ("arcllm:llm/state", "keep values between calls (with the grant `state`)"),
    ("arcllm:llm/streams", "read and write answers as they come"),
    ("wasi:clocks/monotonic-clock", "wait"),
    ("wasi:clocks/system-clock", "know the date"),
    ("wasi:clocks/wall-clock", "know the date"),
    ("wasi:random/", "draw random numbers"),
    ("wasi:logging/", "write to the log"),
    ("wasi:io/poll", "wait"),
];

/// What it asks for in vain. It is linked, since some toolchains ask for it whatever the module does, to nothing.
const IN_VAIN: [(&str, &str); 6] = [
    ("wasi:filesystem/", "files"),
    ("wasi:sockets/", "network connections"),
    ("wasi:http/", "network connections"),
    ("wasi:cli/environment", "the environment"),
    ("wasi:cli/std", "the terminal"),
    ("wasi:cli/terminal", "the terminal"),
];

/// What these imports let a component do, and what they ask for and do not get.
pub(crate) fn of(imports: &[String]) -> (Vec<String>, Vec<String>) {
    (known(imports, &ALLOWS), known(imports, &IN_VAIN))
}

fn known(imports: &[String], table: &[(&str, &str)]) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for (import, words) in table {
        let is_asked = imports.iter().any(|name| name.starts_with(import));
        if is_asked && !found.iter().any(|known| known == words) {
            found.push((*words).to_owned());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imports_are_told_in_plain_words_and_once() {
        let imports = [
            "arcllm:llm/types@0.1.0",
            "arcllm:llm/llm-provider-blocking@0.1.0",
            "arcllm:llm/state@0.1.0",
            "wasi:io/poll@0.2.9",
            "wasi:clocks/monotonic-clock@0.2.9",
            "wasi:filesystem/types@0.2.9",
            "wasi:filesystem/preopens@0.2.9",
            "wasi:cli/stdout@0.2.9",
        ];
        let (may, in_vain) = of(&imports.map(str::to_owned));
        let asks = [
            "ask the provider that it stands in front of",
            "keep values between calls (with the grant `state`)",
            "wait",
        ];
        assert_eq!(may, asks);
        assert_eq!(in_vain, ["files", "the terminal"]);
    }
}
