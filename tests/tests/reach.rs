//! Modules reach nothing that they were not given: what is on the wire, what the guest is told, and what people see.

use std::time::Duration;

use arcllm::{ErrorKind, Host, Overrides, Request};
use arcllm_simulator::{Format, Reply, Simulator};
use serde_json::{Value, json};

use crate::{
    scene::{around, around_both, count, load, replies, soon},
    support::{Chain, Folder, Output},
};

/// Reaches for what it was not given.
const HOSTILE: &str = "hostile";
/// The same for other models, in the blocking world.
const BLOCKING: &str = "blocking";

const EVIL: &str = "https://evil.example/?d=secret";

/// A conversation with an address, and extensions wherever they can stand.
fn conversation() -> Value {
    json!({
        "messages": [
            {"role": "user", "extensions": {"anthropic.mood": "calm"}, "content": [
                {"type": "text", "text": "Look", "extensions": {"anthropic.cache_control": {"type": "ephemeral"}}},
                {"type": "image", "url": "https://example.com/a.png"},
                {"type": "document", "source": {"type": "url", "url": "https://example.com/b.pdf"}},
            ]},
        ],
        "tools": [{"name": "search", "extensions": {"anthropic.type": "web_search", "anthropic.input_schema": null}}],
        "options": {"extensions": {"anthropic.thinking": {"type": "enabled", "budget_tokens": 2000}}},
        "extensions": {"anthropic.mcp_servers": [{"url": "https://example.com/mcp"}], "trace.id": 7},
    })
}

/// A folder with the hostile module in the chain of `chain`, with these settings and grants.
fn hostile(chain: Chain, settings: &str, allow: &[&str]) -> Folder {
    let allow = [&["models"], allow].concat();
    let chain = chain.host("order = [\"hostile\", \"retry\"]\nwatch = false").module("hostile", settings);
    let folder =
        Folder::new(&chain.table("modules.hostile.sandbox", &format!("allow = {allow:?}")).to_string()).unwrap();
    folder.write("modules/hostile.wasm", prebuilt(HOSTILE)).unwrap();
    folder.write("request.json", conversation().to_string()).unwrap();
    folder
}

async fn run(folder: &Folder, arguments: &[&str]) -> Output {
    let config = folder.path().join("config.toml").display().to_string();
    let command = folder.arcllm(arguments).unwrap().arguments(["--config", &config]);
    soon(command.run()).await.unwrap()
}

/// What the chain of this folder answers to the conversation.
async fn ask(folder: &Folder) -> Result<arcllm::Response, arcllm::Error> {
    let model = load(folder, Overrides::new()).await;
    let request: Request = serde_json::from_value(conversation()).unwrap();
    soon(model.invoke_with(request)).await
}

/// The body of the last request that the provider got.
fn body(provider: &Simulator) -> Value {
    provider.requests().last().unwrap().body.clone()
}

/// The component of a module of the tests' own.
fn prebuilt(name: &str) -> Vec<u8> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/prebuilt");
    std::fs::read(format!("{folder}/{name}.wasm")).unwrap()
}

/// The same with another text of the same length where this one stands.
fn with(name: &str, text: &str, other: &str) -> Vec<u8> {
    assert_eq!(text.len(), other.len());
    let mut bytes = prebuilt(name);
    let at = bytes.windows(text.len()).position(|window| window == text.as_bytes()).unwrap();
    bytes[at..at + text.len()].copy_from_slice(other.as_bytes());
    bytes
}

/// That nothing in it would be obeyed by a terminal, or deceive whoever reads it.
#[track_caller]
fn is_harmless(text: &str) {
    let hostile = text.chars().find(|letter| {
        letter.is_control() && !['\n', '\t'].contains(letter) || ('\u{202a}'..='\u{202e}').contains(letter)
    });
    assert_eq!(hostile, None, "{text:?}");
}

// What an adapter writes itself.

#[tokio::test]
async fn a_caller_cannot_set_what_the_adapter_writes() {
    let body = ["model", "Model", "messages", "system", "tools", "tool_choice", "max_tokens", "max_completion_tokens"];
    let more =
        ["temperature", "top_p", "stop", "stop_sequences", "seed", "stream", "stream_options", "model.x", ".model"];
    for format in [Format::Anthropic, Format::OpenAi] {
        let a = replies([]).await;
        let folder = Chain::new().provider("a", format, &a.url()).folder().unwrap();
        let model = load(&folder, Overrides::new()).await;
        for (vendor, name) in
            ["anthropic", "openai"].iter().flat_map(|vendor| body.iter().chain(&more).map(move |name| (vendor, name)))
        {
            for place in ["/extensions", "/options/extensions"] {
                let mut request = json!({"messages": [{"role": "user", "content": "Hi"}], "options": {"extensions": {}}, "extensions": {}});
                let key = format!("{vendor}.{name}");
                request.pointer_mut(place).unwrap()[&key] = json!(null);
                let request: Request = serde_json::from_value(request).unwrap();
                let error = soon(model.invoke_with(request.clone())).await.unwrap_err();
                assert!(
                    matches!(&error.kind, ErrorKind::Usage(failure) if failure.message.contains(&key)),
                    "{error:?}"
                );
                assert!(error.trail.is_empty());
                let error = soon(model.stream_with(request).collect()).await.unwrap_err();
                assert_eq!(error.kind.as_str(), "usage");
            }
        }
        assert_eq!(a.connections(), 0);
    }
}

#[tokio::test]
async fn nor_what_it_writes_of_messages_blocks_and_tools() {
    let a = replies([]).await;
    let folder = around(&a).folder().unwrap();
    let said = |message: Value| json!({ "messages": [message] });
    let block = |block: Value| said(json!({"role": "user", "content": [block]}));
    for (key, request) in [
        ("openai.role", said(json!({"role": "user", "content": "a", "extensions": {"openai.role": "system"}}))),
        ("anthropic.content", said(json!({"role": "user", "content": "a", "extensions": {"anthropic.content": []}}))),
        ("anthropic.type", block(json!({"type": "text", "text": "a", "extensions": {"anthropic.type": "image"}}))),
        ("anthropic.source", block(json!({"type": "image", "url": "a", "extensions": {"anthropic.source": {}}}))),
        ("model", json!({"messages": [{"role": "user", "content": "a"}], "extensions": {"model": "o1-pro"}})),
        (
            "openai.function",
            json!({"messages": [{"role": "user", "content": "a"}],
                   "tools": [{"name": "a", "extensions": {"openai.function": {"name": "b"}}}]}),
        ),
    ] {
        folder.write("request.json", request.to_string()).unwrap();
        let output = run(&folder, &["invoke", "--json", "--request", "request.json"]).await;
        let error = output.json().unwrap()["error"].clone();
        assert_eq!((output.code, &error["kind"], &error["trail"]), (2, &json!("usage"), &json!([])), "{output:?}");
        assert!(error["message"].as_str().unwrap().contains(key), "{error}");
    }
    assert_eq!(a.connections(), 0);
    folder.write("request.json", conversation().to_string()).unwrap();
    let output = run(&folder, &["invoke", "--request", "request.json"]).await;
    assert_eq!(output.code, 0, "{output:?}");
    let sent = body(&a);
    assert_eq!(
        (&sent["model"], &sent["mcp_servers"][0]["url"]),
        (&json!("a-model"), &json!("https://example.com/mcp"))
    );
    assert_eq!(sent["tools"], json!([{"name": "search", "type": "web_search"}]));
}

#[tokio::test]
async fn a_module_cannot_either_whatever_it_is_granted() {
    for (add, key) in [
        ("extension", "anthropic.model"),
        ("extension", "openai.model"),
        ("options-extension", "anthropic.Max_Tokens"),
        ("message-extension", "anthropic.role"),
        ("block-extension", "anthropic.type"),
        ("tool-extension", "openai.function"),
    ] {
        let a = replies([]).await;
        let settings = format!("add = \"{add}\"\nkey = \"{key}\"\ntext = '\"o1-pro\"'");
        let error = ask(&hostile(around(&a), &settings, &["urls", "extensions"])).await.unwrap_err();
        let ErrorKind::Module(failure) = &error.kind else { panic!("{error:?}") };
        assert!(failure.message.contains("`hostile`") && failure.message.contains(key), "{failure}");
        assert_eq!((&failure.extensions["module"], &failure.extensions["extension"]), (&json!("hostile"), &json!(key)));
        assert_eq!((a.connections(), error.trail.len()), (0, 0));
    }
}

#[tokio::test]
async fn what_a_provider_answers_can_be_sent_back_whatever_fields_it_has() {
    let anthropic = json!({"type": "message", "role": "assistant", "model": "m", "stop_reason": "end_turn", "usage": {}, "content": [
        {"type": "text", "text": "a", "Type": "image", "role": "system", "content": [], "citations": [1]},
        {"type": "tool_use", "id": "t", "name": "n", "input": {}, "function": {}, "caller": "c"},
    ]});
    let call = json!({"id": "t", "type": "function", "function": {"name": "n", "arguments": "{}"}, "role": "system", "extra": 1});
    let message = json!({"role": "assistant", "content": null, "tool_calls": [call]});
    let openai = json!({"choices": [{"finish_reason": "tool_calls", "message": message}]});
    for (format, answer, kept) in
        [(Format::Anthropic, anthropic, ["citations", "caller"]), (Format::OpenAi, openai, ["extra", "extra"])]
    {
        let a = replies([Reply::json(&answer)]).await;
        let model = load(&Chain::new().provider("a", format, &a.url()).folder().unwrap(), Overrides::new()).await;
        let said = soon(model.invoke(&[arcllm::Message::user("Hi")], &[])).await.unwrap();
        soon(model.invoke(&[arcllm::Message::user("Hi"), said.message()], &[])).await.unwrap();
        let sent = body(&a)["messages"][1].to_string();
        assert!(!sent.contains("system") && !sent.contains("image"), "{sent}");
        assert!(kept.iter().all(|kept| sent.contains(kept)), "{sent}");
    }
}

// What a module adds to a request.

#[tokio::test]
async fn a_module_adds_addresses_and_extensions_only_with_their_grants() {
    let extension = "key = \"anthropic.service_tier\"\ntext = '\"auto\"'";
    let url = format!("text = \"{EVIL}\"");
    let media_type = format!("text = \"image/png {EVIL}\"");
    for (add, settings, grant, other) in [
        ("image", &url[..], "urls", "extensions"),
        ("image-in-result", &url, "urls", "extensions"),
        ("block", &url, "urls", "extensions"),
        ("block-in-result", &url, "urls", "extensions"),
        ("source", &url, "urls", "extensions"),
        ("media-type", &media_type, "urls", "extensions"),
        ("reference", &url, "urls", "extensions"),
        ("extension", extension, "extensions", "urls"),
        ("options-extension", extension, "extensions", "urls"),
        ("message-extension", extension, "extensions", "urls"),
        ("block-extension", extension, "extensions", "urls"),
        ("tool-extension", extension, "extensions", "urls"),
    ] {
        let a = replies([]).await;
        let settings = format!("add = \"{add}\"\n{settings}");
        for (settings, allow) in
            [(settings.clone(), vec![]), (settings.clone(), vec![other]), (format!("{settings}\ntwice = true"), vec![])]
        {
            let error = ask(&hostile(around(&a), &settings, &allow)).await.unwrap_err();
            let ErrorKind::Module(failure) = &error.kind else { panic!("{add}: {error:?}") };
            assert_eq!(
                (&failure.extensions["module"], &failure.extensions["grant"]),
                (&json!("hostile"), &json!(grant))
            );
            let help = format!("allow = [\"{grant}\"] under [modules.hostile.sandbox]");
            assert!(failure.message.contains("`hostile`") && failure.message.contains(&help), "{failure}");
            assert!(!failure.message.contains("evil"), "what was added may be a secret: {failure}");
        }
        assert_eq!(a.connections(), 0, "{add}");
        ask(&hostile(around(&a), &settings, &[grant])).await.unwrap();
        let sent = body(&a).to_string();
        assert!(sent.contains(EVIL) || sent.contains("service_tier"), "{add}: {sent}");
    }
}

#[tokio::test]
async fn what_was_there_may_stay_be_moved_and_be_left_out() {
    let (plain, a) = (replies([]).await, replies([]).await);
    ask(&around(&plain).folder().unwrap()).await.unwrap();
    for twice in ["", "twice = true"] {
        ask(&hostile(around(&a), &format!("add = \"nothing\"\n{twice}"), &[])).await.unwrap();
        assert_eq!(body(&a), body(&plain));
        ask(&hostile(around(&a), &format!("add = \"move\"\n{twice}"), &[])).await.unwrap();
        assert!(body(&a).to_string().contains("https://example.com/a.png"));
    }
    // An extension with another value is another one.
    let settings = "add = \"extension\"\nkey = \"trace.id\"\ntext = \"8\"";
    assert_eq!(ask(&hostile(around(&a), settings, &[])).await.unwrap_err().kind.as_str(), "module");
}

#[tokio::test]
async fn an_address_in_an_extension_needs_both_grants() {
    let a = replies([]).await;
    let settings = format!("add = \"extension\"\nkey = \"anthropic.mcp_servers\"\ntext = '[{{\"url\": \"{EVIL}\"}}]'");
    for (allow, grant) in [(vec!["urls"], "extensions"), (vec!["extensions"], "urls")] {
        let error = ask(&hostile(around(&a), &settings, &allow)).await.unwrap_err();
        assert!(matches!(&error.kind, ErrorKind::Module(failure) if failure.extensions["grant"] == grant), "{error:?}");
    }
    assert_eq!(a.connections(), 0);
    ask(&hostile(around(&a), &settings, &["urls", "extensions"])).await.unwrap();
    assert_eq!(body(&a)["mcp_servers"][0]["url"], EVIL);
}

#[tokio::test]
async fn the_module_is_told_why_and_neither_its_inner_nor_another_model_is_asked() {
    let (a, b) = (replies([]).await, replies([]).await);
    for asks in ["", "load = \"b\""] {
        let settings = format!("add = \"image\"\ntext = \"{EVIL}\"\ntell = true\n{asks}");
        let answer = ask(&hostile(around_both(&a, &b), &settings, &[])).await.unwrap();
        let told = answer.text().unwrap();
        assert!(told.contains("Module") && told.contains("urls"), "{told}");
    }
    assert_eq!((a.connections(), b.connections()), (0, 0));
    // The next call of the same instance is served.
    let folder = hostile(around(&a), &format!("add = \"image\"\ntext = \"{EVIL}\""), &[]);
    let model = load(&folder, Overrides::new()).await;
    for _ in 0..2 {
        let error = soon(model.invoke(&[arcllm::Message::user("Hi")], &[])).await.unwrap_err();
        assert!(error.to_string().contains("urls"), "{error}");
    }
}

#[tokio::test]
async fn the_command_says_what_a_module_may_add_and_what_it_is_granted() {
    let a = replies([]).await;
    let folder = hostile(around(&a), "", &["urls"]);
    let output = run(&folder, &["modules", "--json"]).await;
    let modules = output.json().unwrap();
    let hostile = modules["modules"].as_array().unwrap().iter().find(|module| module["name"] == "hostile").unwrap();
    assert_eq!(hostile["granted"], json!(["models", "urls"]));
    let may = hostile["may"].to_string();
    for words in ["rewrite what is asked", "the grant `urls`", "the grant `extensions`"] {
        assert!(may.contains(words), "{may}");
    }
    let output = run(&folder, &["modules"]).await;
    assert!(output.stdout.contains("granted  models, urls"), "{}", output.stdout);
    // Those that come with ArcLLM have none of it, and what forwards cannot use it.
    let retry = modules["modules"].as_array().unwrap().iter().find(|module| module["name"] == "retry").unwrap();
    assert!(!retry["granted"].to_string().contains("urls") && !retry["may"].to_string().contains("urls"), "{retry}");
    let folder = self::hostile(around(&a), "", &["url"]);
    let error = folder.host().unwrap_err();
    assert!(error.help.unwrap().contains("\"extensions\""));
}

// Models that do not load.

#[tokio::test]
async fn a_module_is_not_told_why_a_model_does_not_load_and_the_caller_is() {
    let (a, b) = (replies([Reply::status(500).times(4)]).await, replies([]).await);
    let chain = || {
        let key = "api_key_env = \"ARCLLM_TEST_NO_SUCH_KEY\"";
        around(&a).provider_with("b", Format::OpenAi, &b.url(), key)
    };
    for provider in ["b", "nobody"] {
        let folder = hostile(chain(), &format!("load = \"{provider}\"\ntell = true"), &[]);
        let told = ask(&folder).await.unwrap().text().unwrap();
        says_nothing(&told, provider, &folder);
        let folder = hostile(chain(), &format!("load = \"{provider}\""), &[]);
        let error = ask(&folder).await.unwrap_err();
        assert_eq!((error.kind.as_str(), error.kind.provider()), ("config", Some(provider)));
        let why = if provider == "b" { "ARCLLM_TEST_NO_SUCH_KEY" } else { "unknown model or provider `nobody`" };
        assert!(error.to_string().contains(why) && error.to_string().contains("config.toml"), "{error}");
    }
    // The same in the blocking world, where a provider that there is not is found before.
    let order = "order = [\"blocking\"]\nwatch = false";
    for (tell, code) in [("tell = true", 0), ("", 2)] {
        let chain = chain().host(order).module("blocking", &format!("other = \"b\"\n{tell}"));
        let folder =
            Folder::new(&chain.table("modules.blocking.sandbox", "allow = [\"models\", \"state\"]").to_string())
                .unwrap();
        folder.write("modules/blocking.wasm", prebuilt(BLOCKING)).unwrap();
        let output = run(&folder, &["invoke", "--json", "Hi"]).await;
        assert_eq!(output.code, code, "{output:?}");
        let json = output.json().unwrap();
        match code {
            0 => says_nothing(json["content"].as_str().unwrap(), "b", &folder),
            _ => assert!(json["error"]["message"].as_str().unwrap().contains("ARCLLM_TEST_NO_SUCH_KEY"), "{json}"),
        }
    }
    assert_eq!(count(&b), 0);
}

#[track_caller]
fn says_nothing(told: &str, provider: &str, folder: &Folder) {
    assert!(told.contains(&format!("the model of `{provider}` is not available")), "{told}");
    let path = folder.path().display().to_string();
    for secret in ["ARCLLM_TEST_NO_SUCH_KEY", "config.toml", "anthropic", "known are", &path] {
        assert!(!told.contains(secret), "{secret}: {told}");
    }
}

// What is run of a component that is inspected.

#[tokio::test]
async fn inspecting_keeps_nothing_grants_nothing_and_configures_nothing() {
    let folder = Folder::new("").unwrap();
    let counting = with(BLOCKING, "counted: not...", "counted: always");
    // By the name of a module that keeps values in this process.
    let file = folder.write("rate-limit.wasm", counting).unwrap();
    for _ in 0..2 {
        let report = Host::inspect(&file).await.unwrap();
        assert_eq!((report.problem, report.version.as_deref()), (None, Some("Ok(1)")));
        assert_eq!((report.granted, report.asks_for), (vec![], vec!["models".to_owned(), "state".to_owned()]));
    }
    let file = folder.write("traps.wasm", with(HOSTILE, "configure: well.", "configure: trap.")).unwrap();
    let report = Host::inspect(&file).await.unwrap();
    assert_eq!((report.problem, report.name.as_str()), (None, "traps"));
}

#[tokio::test]
async fn a_component_that_does_not_describe_itself_is_ended() {
    let folder = Folder::new("").unwrap();
    for (word, why) in [("trap.", "unreachable"), ("grow.", "memory_mb"), ("spin.", "within 10 s")] {
        let bytes = with(HOSTILE, "describe: well.", &format!("describe: {word}"));
        let file = folder.write(format!("{word}wasm"), bytes).unwrap();
        let report = tokio::time::timeout(Duration::from_secs(60), Host::inspect(&file)).await.unwrap().unwrap();
        let problem = report.problem.unwrap();
        assert!(problem.contains("failed to describe itself") && problem.contains(why), "{problem}");
        assert_eq!((report.version, report.sha256.is_some()), (None, true));
    }
}

// What strangers say.

#[tokio::test]
async fn what_a_component_says_of_itself_does_nothing_to_a_terminal() {
    let folder = Folder::new("").unwrap();
    folder.write("stranger.wasm", prebuilt(HOSTILE)).unwrap();
    let report = Host::inspect(&folder.path().join("stranger.wasm")).await.unwrap();
    assert_eq!(report.version.as_deref(), Some(r"1.0\u{1b}[41mEVIL\u{7}"));
    assert_eq!(report.kind.as_deref(), Some(r"odd\u{9b}2J\n\u{202e}"));
    let schema = report.config_schema.unwrap();
    assert_eq!(schema["properties"]["text"]["description"], r"\u{1b}[2J\u{202e}evil");
    for arguments in [&["module", "inspect", "stranger.wasm"][..], &["module", "inspect", "stranger.wasm", "--json"]] {
        let output = soon(folder.arcllm(arguments).unwrap().run()).await.unwrap();
        assert_eq!(output.code, 0, "{output:?}");
        is_harmless(&output.stdout);
        assert!(output.stdout.contains("EVIL"), "{}", output.stdout);
    }
    let a = replies([]).await;
    let folder = hostile(around(&a), "", &[]);
    for arguments in [&["modules"][..], &["modules", "--json"], &["check"], &["check", "--json"]] {
        let output = run(&folder, arguments).await;
        assert_eq!(output.code, 0, "{output:?}");
        is_harmless(&output.stdout);
    }
}

/// A title for the window, a colour, the second set of control characters, and text from right to left.
const SEQUENCES: &str = r"\u001B]0;title\u0007\u001B[31m\u009B2J\u202Eevil";

#[tokio::test]
async fn nor_do_its_errors_refusals_and_log_lines() {
    let a = replies([]).await;
    for settings in ["fail", "log", "refuse"] {
        let folder = hostile(around(&a), &format!("{settings} = \"first\\n{SEQUENCES}\""), &[]);
        for arguments in [&["invoke", "Hi"][..], &["invoke", "--trace", "Hi"], &["check"]] {
            let output = run(&folder, arguments).await;
            is_harmless(&output.stdout);
            is_harmless(&output.stderr);
            let said = format!("{}{}", output.stdout, output.stderr);
            let is_said = settings == "refuse" || arguments[0] == "invoke";
            assert_eq!(said.contains("evil"), is_said, "{settings}: {said}");
            // No line is begun by it.
            assert!(!said.lines().any(|line| line.starts_with("\\u{1b}")), "{said}");
        }
    }
    // Nor does one write more than a person reads.
    let folder = hostile(around(&a), &format!("fail = \"{}\"", "x".repeat(100_000)), &[]);
    assert!(ask(&folder).await.unwrap_err().to_string().len() < 10_000);
}

#[tokio::test]
async fn nor_does_what_a_provider_says() {
    let evil = "evil\u{1b}]0;title\u{7}\u{9b}2J\u{202e}";
    let a = replies([Reply::error(400, evil), Reply::text("Hi").model(evil), Reply::text("Hi").model(evil)]).await;
    let folder = around(&a).folder().unwrap();
    let refused = run(&folder, &["invoke", "Hi"]).await;
    let whole = run(&folder, &["invoke", "--trace", "Hi"]).await;
    let streamed = run(&folder, &["invoke", "--trace", "--stream", "Hi"]).await;
    for output in [refused, whole, streamed] {
        is_harmless(&output.stderr);
        assert!(output.stderr.contains("evil"), "{output:?}");
    }
}

#[tokio::test]
async fn answers_are_exact_unless_they_go_to_a_terminal() {
    let evil = "first\n\u{1b}]0;title\u{7}\u{1b}[31m\u{9b}2J\r\u{202e}\u{200d}last";
    let call = json!({"x": "\u{9b}2J\u{202e}"});
    let a = replies([Reply::text(evil).tool_call("t", "n\u{9b}", call.clone()).times(6)]).await;
    let folder = around(&a).folder().unwrap();
    for stream in [&[][..], &["--stream"]] {
        let output = run(&folder, &[&["invoke", "Hi"], stream].concat()).await;
        assert!(output.stdout.starts_with(&format!("{evil}\n")), "{output:?}");
        let output = run(&folder, &[&["invoke", "--json", "Hi"], stream].concat()).await;
        is_harmless(&output.stdout);
        let last: Value = serde_json::from_str(output.stdout.lines().last().unwrap()).unwrap();
        assert_eq!((&last["content"], &last["tool_calls"][0]["arguments"]), (&json!(evil), &call));
        #[cfg(target_os = "linux")]
        {
            let seen = on_a_terminal(&folder, &[&["invoke", "Hi"], stream].concat()).await;
            is_harmless(&seen.replace('\r', ""));
            for said in ["first\r\n", "\\u{1b}]0;title\\u{7}\\u{1b}[31m\\u{9b}2J\\u{202e}\u{200d}last"] {
                assert!(seen.contains(said), "{seen:?}");
            }
        }
    }
}

/// What the command writes to a terminal, which `script` gives it.
#[cfg(target_os = "linux")]
async fn on_a_terminal(folder: &Folder, arguments: &[&str]) -> String {
    let config = folder.path().join("config.toml");
    let command = format!(
        "'{}' {} --config '{}'",
        crate::support::arcllm().unwrap().display(),
        arguments.join(" "),
        config.display()
    );
    let mut script = std::process::Command::new("script");
    // Open, or `script` passes its end on.
    let (stdin, _open) = std::io::pipe().unwrap();
    script.args(["-q", "-e", "-c", &format!("{command} 2>/dev/null"), "/dev/null"]).env("TERM", "xterm").stdin(stdin);
    let output = tokio::task::spawn_blocking(move || script.output()).await.unwrap().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}
