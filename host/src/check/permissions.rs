//! Says in plain words what a component's imports let it do.

/// The beginning of an import's name, and what the import allows.
const ALLOWS: [(&str, &str); 26] = [
    ("arcllm:llm/llm-provider", "ask the provider that it stands in front of"),
    ("[method]request.parts", "read what is asked"),
    ("[method]request.last-user-text", "read what is asked"),
    ("[method]request.options", "read the options of what is asked"),
    ("[method]request.label", "read the caller's labels"),
    ("[method]request.derive", "rewrite what is asked"),
    ("[method]request.with-options", "change the options of what is asked"),
    ("[method]request.derive", "name addresses for the provider to fetch (with the grant `urls`)"),
    ("[method]request.derive", "use settings of a single provider (with the grant `extensions`)"),
    ("[method]request.with-options", "use settings of a single provider (with the grant `extensions`)"),
    ("[method]request.note", "write remarks into the trail"),
    ("[method]response.parts", "read answers"),
    ("[method]response.derive", "rewrite answers"),
    ("[constructor]response", "answer itself"),
    ("arcllm:llm/models", "ask other models (with the grant `models`)"),
    ("arcllm:llm/state", "keep values between calls (with the grant `state`)"),
    ("arcllm:llm/journal", "append records to the journal (with the grant `journal`)"),
    ("append-with-request", "append what is asked, which it does not read, to the journal (with the grant `journal`)"),
    ("arcllm:llm/endings", "know how answers end"),
    ("arcllm:llm/streams", "read and write answers as they come"),
    ("wasi:clocks/monotonic-clock", "wait"),
    ("wasi:clocks/system-clock", "know the date"),
    ("wasi:clocks/wall-clock", "know the date"),
    ("wasi:random/", "draw random numbers"),
    ("wasi:logging/", "write to the log"),
    ("wasi:io/poll", "wait"),
];

/// Imports that give a component nothing. They are linked, since some toolchains always import them.
const IN_VAIN: [(&str, &str); 6] = [
    ("wasi:filesystem/", "files"),
    ("wasi:sockets/", "network connections"),
    ("wasi:http/", "network connections"),
    ("wasi:cli/environment", "the environment"),
    ("wasi:cli/std", "the terminal"),
    ("wasi:cli/terminal", "the terminal"),
];

/// What these interfaces and functions of `arcllm:llm/types` let a component do, and what it asks for in vain.
pub(crate) fn of(interfaces: &[String], functions: &[String]) -> (Vec<String>, Vec<String>) {
    let imports: Vec<&str> = interfaces.iter().chain(functions).map(String::as_str).collect();
    (known(&imports, &ALLOWS), known(&imports, &IN_VAIN))
}

fn known(imports: &[&str], table: &[(&str, &str)]) -> Vec<String> {
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
    fn each_import_is_described_once() {
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
        let (may, in_vain) = of(&imports.map(str::to_owned), &["[method]request.parts".to_owned()]);
        let asks = [
            "ask the provider that it stands in front of",
            "read what is asked",
            "keep values between calls (with the grant `state`)",
            "wait",
        ];
        assert_eq!(may, asks);
        assert_eq!(in_vain, ["files", "the terminal"]);
    }
}
